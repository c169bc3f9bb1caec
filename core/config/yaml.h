/* Configuration files: YAML against a schema table (libcyaml), so that unknown keys, wrong types and missing values are
 * refused with file, line and key. libcyaml's types appear only in the .c files that hold a schema table.
 *
 * Idiom, for every program: parse into a draft, apply defaults, run small check functions of one sentence each, freeze. */
#ifndef PH_CONFIG_YAML_H
#define PH_CONFIG_YAML_H

#include <stddef.h>
#include <stdio.h>

#include "base/error.h"

struct cyaml_schema_value;

/* Loads the file into a new structure. PH_ERR_CONFIG: "<file>:<line>: <key>: <what is wrong>". Anchors, aliases, tags and
 * files over PH_LIMIT_CONFIG_BYTES are refused. *out is released with ph_yaml_free() and the same schema. */
enum ph_err ph_yaml_load(
    const char *path, const struct cyaml_schema_value *schema, void **out, struct ph_error *error) PH_NODISCARD;

/* Prints the structure as YAML that loads to an equal structure: --print-config. */
enum ph_err ph_yaml_print(
    FILE *out, const struct cyaml_schema_value *schema, const void *data, struct ph_error *error) PH_NODISCARD;

void ph_yaml_free(const struct cyaml_schema_value *schema, void **data);

#endif
