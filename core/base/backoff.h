/* Delays between attempts: doubling from a minimum to a maximum, each drawn at random from the
 * upper half of the step
 * ("equal jitter"), so that a fleet that lost its broker at one moment does not come back at one
 * moment. */
#ifndef PH_BASE_BACKOFF_H
#define PH_BASE_BACKOFF_H

#include <stdint.h>

struct ph_backoff {
    int64_t min_ms;
    int64_t max_ms;
    int64_t step_ms; /* 0 before the first failure */
};

/* The delay before the next attempt, after one more failure. Draws from the kernel's random source.
 */
int64_t ph_backoff_next_ms(struct ph_backoff *backoff);

/* Starts again from the minimum, after a success. */
void ph_backoff_reset(struct ph_backoff *backoff);

#endif
