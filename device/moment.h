/* What the clocks show at one moment. Programs read it and pass it down. */
#ifndef PH_DEVICE_MOMENT_H
#define PH_DEVICE_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

struct ph_moment {
    int64_t monotonic_ms; /* for intervals and timeouts */
    int64_t boot_ms;      /* since the machine booted */
    int64_t unix_ms;      /* what the wall clock shows, whether it has been set or not */
    bool known;           /* it has been set: unix_ms is the time */
};

#endif
