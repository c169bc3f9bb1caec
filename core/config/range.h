/* Whole numbers of a configuration, and what they may be: one table for each program. */
#ifndef PH_CONFIG_RANGE_H
#define PH_CONFIG_RANGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct ph_config_range {
    const char *key; /* a path such as "spool.max_bytes" */
    int64_t value;
    int64_t min, max; /* both belong to it */
};

/* PH_ERR_CONFIG for the first that is outside: "SOURCE: SECTIONKEY: want MIN to MAX, have VALUE".
 * `source` is a file or "command line", `section` what stands in front of the keys: "" or
 * "acts[2].". */
enum ph_err ph_config_check_ranges(const struct ph_config_range *ranges, size_t count,
    const char *source, const char *section, struct ph_error *error) PH_NODISCARD;

#endif
