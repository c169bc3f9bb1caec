#include "device/fleet/patience.h"

void ph_patience_began(struct ph_patience *patience, int64_t done, int64_t now_ms)
{
    patience->began_ms = now_ms;
    patience->done = done;
}

static int64_t next_pause_ms(struct ph_patience *patience, int64_t now_ms)
{
    int64_t pause_ms = 2 * patience->pause_ms;
    if (pause_ms == 0 || now_ms - patience->began_ms >= PH_PATIENCE_LASTED_MS) {
        pause_ms = PH_PATIENCE_PAUSE_MIN_MS;
    } else if (pause_ms > PH_PATIENCE_PAUSE_MAX_MS) {
        pause_ms = PH_PATIENCE_PAUSE_MAX_MS;
    }
    patience->pause_ms = pause_ms;
    return pause_ms;
}

int64_t ph_patience_ended(struct ph_patience *patience, int64_t done, int64_t now_ms)
{
    if (done != patience->done) {
        patience->failures = 0;
    } else if (patience->failures == 0 || now_ms - patience->failing_ms > PH_PATIENCE_FAILURES_MS) {
        patience->failures = 1;
        patience->failing_ms = now_ms;
    } else {
        patience->failures++;
    }
    return patience->failures < PH_PATIENCE_FAILURES ? next_pause_ms(patience, now_ms) : -1;
}
