#include "ingest/store/timing.h"

#include <stddef.h>

/* Uptimes are the device's own words: one that makes no sense must not make a time that makes
 * none. -1 for such. */
static int64_t estimate(const struct ph_timing_limits *limits, const struct ph_message *message,
    const struct ph_reading *reading, int64_t received_ms)
{
    int64_t least_ms = limits->oldest_ms > 0 ? limits->oldest_ms : 0;
    if (!reading->has_up || !message->has_up || reading->up_ms > message->up_ms) {
        return -1;
    }
    int64_t time_ms = received_ms - (message->up_ms - reading->up_ms);
    return time_ms >= least_ms ? time_ms : -1;
}

/* Differences, not sums: a limit may be the largest number there is. */
static enum ph_timing judge_clock(
    const struct ph_timing_limits *limits, int64_t time_ms, int64_t received_ms)
{
    if (time_ms - received_ms > limits->future_ms) {
        return PH_TIMING_FUTURE;
    }
    return time_ms < limits->oldest_ms ? PH_TIMING_PAST : PH_TIMING_DEVICE;
}

int64_t ph_timing_judge(const struct ph_timing_limits *limits, const struct ph_message *message,
    const struct ph_reading *reading, int64_t received_ms, enum ph_timing *timing)
{
    if (reading->has_time) {
        *timing = judge_clock(limits, reading->time_ms, received_ms);
        return reading->time_ms;
    }
    int64_t time_ms = estimate(limits, message, reading, received_ms);
    *timing = time_ms >= 0 ? PH_TIMING_ESTIMATED : PH_TIMING_ARRIVAL;
    return time_ms >= 0 ? time_ms : received_ms;
}

const char *ph_timing_name(enum ph_timing timing)
{
    static const char *const names[PH_TIMING_COUNT] = {
        NULL, "future", "past", "estimated", "arrival"};
    return (unsigned)timing < PH_TIMING_COUNT ? names[timing] : NULL;
}
