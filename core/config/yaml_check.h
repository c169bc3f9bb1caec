/* The strict half of loading: walks the parser's events along a schema table and refuses what the
 * schema does not say, with line and key. Private to this folder. */
#ifndef PH_CONFIG_YAML_CHECK_H
#define PH_CONFIG_YAML_CHECK_H

#include <stddef.h>

#include "base/error.h"

struct cyaml_schema_value;

/* PH_OK when the bytes are one YAML document that fits the schema. Memory is bounded by the input,
 * depth by the schema. */
enum ph_err ph_yaml_check(const char *name, const void *bytes, size_t len,
    const struct cyaml_schema_value *schema, struct ph_error *error) PH_NODISCARD;

#endif
