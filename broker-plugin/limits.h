/* Rates, as token buckets. Time is passed in; one thread. */
#ifndef PH_BROKER_PLUGIN_LIMITS_H
#define PH_BROKER_PLUGIN_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

/* Zero-initialised: full. */
struct ph_bucket {
    int64_t used;    /* thousandths of a unit that are missing from a full bucket */
    int64_t last_ms; /* monotonic: when `used` was right */
};

/* Takes `amount` units from a bucket that holds `burst` and gains `per_second`. False, and nothing
 * taken, when there are fewer; more than `burst` never pass. per_second 0: no limit. */
bool ph_bucket_take(struct ph_bucket *bucket, uint32_t per_second, uint64_t burst, uint64_t amount,
    int64_t now_monotonic_ms);

#endif
