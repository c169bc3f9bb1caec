#include "config/range.h"

#include <inttypes.h>

enum ph_err ph_config_check_ranges(const struct ph_config_range *ranges, size_t count,
    const char *source, const char *section, struct ph_error *error)
{
    for (const struct ph_config_range *range = ranges; range < ranges + count; range++) {
        if (range->value < range->min || range->value > range->max) {
            return ph_error_set(error, PH_ERR_CONFIG,
                "%s: %s%s: want %" PRId64 " to %" PRId64 ", have %" PRId64, source, section,
                range->key, range->min, range->max, range->value);
        }
    }
    return PH_OK;
}
