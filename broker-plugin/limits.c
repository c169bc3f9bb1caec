#include "broker-plugin/limits.h"

#define THOUSANDTHS 1000

bool ph_bucket_take(struct ph_bucket *bucket, uint32_t per_second, uint64_t burst, uint64_t amount,
    int64_t now_monotonic_ms)
{
    if (per_second == 0) {
        return true;
    }
    if (amount > burst) {
        return false;
    }
    /* What a larger bucket lacked is no debt of a smaller one: the limits may have changed. */
    int64_t room = (int64_t)burst * THOUSANDTHS;
    if (bucket->used > room) {
        bucket->used = room;
    }
    /* Units a second are thousandths of a unit a millisecond. A clock that stands still or a wait
     * that has filled the bucket adds nothing. */
    int64_t elapsed_ms = now_monotonic_ms - bucket->last_ms;
    if (elapsed_ms > bucket->used / per_second) {
        bucket->used = 0;
    } else if (elapsed_ms > 0) {
        bucket->used -= elapsed_ms * per_second;
    }
    bucket->last_ms = now_monotonic_ms;
    int64_t used = bucket->used + (int64_t)amount * THOUSANDTHS;
    if (used > room) {
        return false;
    }
    bucket->used = used;
    return true;
}
