/* Configuration files: YAML against a schema table (libcyaml), so that unknown keys, wrong types
 * and missing values are refused with file, line and key. libcyaml's types appear only in the .c
 * files that hold a schema table, and in the headers named *_schema.h that such files include.
 *
 * Stricter than libcyaml itself: the schema is checked by an own walk over the parser's events
 * before libcyaml fills the structure, because libcyaml takes "maybe" for a boolean, "12abc" for an
 * integer and cuts a text at a NUL. Integers are decimal without leading zeros, booleans "true" or
 * "false", numbers finite, enumerations one of their texts.
 *
 * Idiom, for every program: parse into a draft, apply defaults, run small check functions of one
 * sentence each, freeze. */
#ifndef PH_CONFIG_YAML_H
#define PH_CONFIG_YAML_H

#include <stddef.h>
#include <stdio.h>

#include "base/error.h"

struct cyaml_schema_value;

/* Loads the file into a new structure. PH_ERR_CONFIG: "<file>:<line>: <key>: <what is wrong>", with
 * the key as a path such as "roles[0].match.anchor". Anchors, aliases, tags, duplicate keys, more
 * than one document and files over PH_LIMIT_CONFIG_BYTES are refused. The schema's top level is a
 * mapping with CYAML_FLAG_POINTER; optional members that are absent are 0 or NULL. *out is released
 * with ph_yaml_free() and the same schema. */
enum ph_err ph_yaml_load(const char *path, const struct cyaml_schema_value *schema, void **out,
    struct ph_error *error) PH_NODISCARD;

/* The same for bytes that were read already; `name` stands for the file in messages. */
enum ph_err ph_yaml_parse(const char *name, const void *bytes, size_t len,
    const struct cyaml_schema_value *schema, void **out, struct ph_error *error) PH_NODISCARD;

/* The next three replace a string of the structure by a malloc'ed one, as libcyaml's default
 * allocator expects; *text may be NULL. By a copy; by the absolute path of `name` in `dir` (of
 * `dir` itself when `name` is NULL); by the path that it is when seen from the folder of the file
 * `config_path` (an absolute one stays). PH_ERR_LIMIT when a path becomes too long. */
enum ph_err ph_yaml_put(char **text, const char *with, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_yaml_put_path(
    char **text, const char *dir, const char *name, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_yaml_resolve(
    char **text, const char *config_path, struct ph_error *error) PH_NODISCARD;

/* The same for a file that a service manager may hand over: where it has a credential with the
 * key's path as its name, such as "broker.key", that file is it, whatever the configuration says.
 * So one configuration serves by hand and as a service. */
enum ph_err ph_yaml_resolve_credential(
    char **text, const char *name, const char *config_path, struct ph_error *error) PH_NODISCARD;

/* Prints the structure as YAML that loads to an equal structure: --print-config. */
enum ph_err ph_yaml_print(FILE *out, const struct cyaml_schema_value *schema, const void *data,
    struct ph_error *error) PH_NODISCARD;

/* Releases what was loaded and sets the pointer to NULL; accepts NULL. */
void ph_yaml_free(const struct cyaml_schema_value *schema, void **data);

#endif
