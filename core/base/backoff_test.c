/* ph.base.backoff: doubling, bounded, jittered, reset by success. */
#include "base/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void doubles_from_minimum_to_maximum(void **state)
{
    (void)state;
    static const int64_t steps[] = {100, 200, 400, 800, 1000, 1000};
    struct ph_backoff backoff = {.min_ms = 100, .max_ms = 1000};
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
            int64_t delay = ph_backoff_next_ms(&backoff);
            assert_int_equal(backoff.step_ms, steps[i]);
            assert_in_range(delay, steps[i] / 2, steps[i]);
        }
        ph_backoff_reset(&backoff);
    }
}

static void draws_differ(void **state)
{
    (void)state;
    int64_t first = 0;
    int different = 0;
    for (int i = 0; i < 20; i++) {
        struct ph_backoff backoff = {.min_ms = 1000000, .max_ms = 1000000};
        int64_t delay = ph_backoff_next_ms(&backoff);
        different += i > 0 && delay != first;
        first = i == 0 ? delay : first;
    }
    assert_true(different > 10);
}

static void minimum_above_maximum_is_the_maximum(void **state)
{
    (void)state;
    struct ph_backoff backoff = {.min_ms = 500, .max_ms = 100};
    assert_in_range(ph_backoff_next_ms(&backoff), 50, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_from_minimum_to_maximum),
        cmocka_unit_test(draws_differ),
        cmocka_unit_test(minimum_above_maximum_is_the_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
