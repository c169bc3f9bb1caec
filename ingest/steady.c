#include "ingest/steady.h"

enum { JUMP_MS = 3600000, BELIEVED_MS = 86400000 };

static int64_t believe(struct ph_steady *steady, int64_t unix_ms, int64_t clock_ms)
{
    *steady = (struct ph_steady){.started = true, .unix_ms = unix_ms, .clock_ms = clock_ms};
    return unix_ms;
}

int64_t ph_steady_ms(struct ph_steady *steady, int64_t unix_ms, int64_t clock_ms)
{
    int64_t expected_ms = steady->unix_ms + (clock_ms - steady->clock_ms);
    if (!steady->started || unix_ms - expected_ms < JUMP_MS) {
        return believe(steady, unix_ms, clock_ms);
    }
    steady->held_ms = steady->held ? steady->held_ms : clock_ms;
    steady->held = true;
    return clock_ms - steady->held_ms < BELIEVED_MS ? expected_ms
                                                    : believe(steady, unix_ms, clock_ms);
}
