/* When something that keeps ending is to be started again, and when it is no use. */
#ifndef PH_FLEET_PATIENCE_H
#define PH_FLEET_PATIENCE_H

#include <stdint.h>

/* It is started again after a second, then after two and so on, up to the greatest pause; whoever
 * has lasted begins with the first one. What has ended so often in a row, within so long, and got
 * nothing done, is given up. */
enum {
    PH_PATIENCE_PAUSE_MIN_MS = 1000,
    PH_PATIENCE_PAUSE_MAX_MS = 30000,
    PH_PATIENCE_LASTED_MS = 60000,
    PH_PATIENCE_FAILURES = 5,
    PH_PATIENCE_FAILURES_MS = 60000,
};

/* Zero-initialised at first. */
struct ph_patience {
    int64_t began_ms;
    int64_t done; /* what it had got done when it began */
    int64_t pause_ms;
    int failures; /* in a row, without anything done */
    int64_t failing_ms;
};

/* It begins; `done` is what it has got done so far, in all. Times are monotonic. */
void ph_patience_began(struct ph_patience *patience, int64_t done, int64_t now_ms);

/* It has ended: the pause until it is to begin again, -1: never. */
int64_t ph_patience_ended(struct ph_patience *patience, int64_t done, int64_t now_ms);

#endif
