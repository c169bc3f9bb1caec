/* A wall clock for deletion by age. A host's clock may be set wrong by years, and what retention
 * drops on that day is gone for good: a jump ahead is believed only once it has lasted a day. */
#ifndef PH_INGEST_STEADY_H
#define PH_INGEST_STEADY_H

#include <stdbool.h>
#include <stdint.h>

/* Zero-initialise before use. */
struct ph_steady {
    bool started;
    bool held;        /* the clock jumped ahead, and is not believed yet */
    int64_t unix_ms;  /* the last time that was believed ... */
    int64_t clock_ms; /* ... and the monotonic clock then */
    int64_t held_ms;  /* monotonic: since when */
};

/* The time by which may be deleted, from the wall clock and the monotonic clock of now. The first
 * wall clock is believed, and so is one that goes back or is less than an hour ahead of the
 * monotonic one; otherwise the time goes on as if there had been no jump, for a day. */
int64_t ph_steady_ms(struct ph_steady *steady, int64_t unix_ms, int64_t clock_ms);

#endif
