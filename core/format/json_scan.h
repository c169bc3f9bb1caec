/* The strict gate in front of cJSON: the grammar of RFC 8259 and our ceilings, without building
 * anything. Internal to json.c. */
#ifndef PH_FORMAT_JSON_SCAN_H
#define PH_FORMAT_JSON_SCAN_H

#include <stddef.h>

#include "base/error.h"

/* PH_OK when `bytes` are one JSON text that json.h admits, repeated keys apart. PH_ERR_INPUT or
 * PH_ERR_LIMIT with the byte position (from 0) and the rule. Linear time, recursion bounded by
 * PH_LIMIT_JSON_DEPTH. */
enum ph_err ph_json_scan(const void *bytes, size_t len, struct ph_error *error) PH_NODISCARD;

#endif
