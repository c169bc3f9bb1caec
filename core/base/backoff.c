#include "base/backoff.h"

#include "base/random.h"

int64_t ph_backoff_next_ms(struct ph_backoff *backoff)
{
    int64_t step = backoff->step_ms == 0 ? backoff->min_ms : backoff->step_ms * 2;
    backoff->step_ms = step > backoff->max_ms ? backoff->max_ms : step;
    int64_t half = backoff->step_ms / 2;
    return half + (int64_t)(ph_random_u64() % (uint64_t)(backoff->step_ms - half + 1));
}

void ph_backoff_reset(struct ph_backoff *backoff)
{
    backoff->step_ms = 0;
}
