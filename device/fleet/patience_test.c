/* ph.fleet.patience: pauses that grow, and an end to them. */
#include "device/fleet/patience.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* One life of `lived_ms` that gets `work` done; the pause after it. */
static int64_t live(
    struct ph_patience *patience, int64_t *now_ms, int64_t *done, int64_t lived_ms, int64_t work)
{
    ph_patience_began(patience, *done, *now_ms);
    *now_ms += lived_ms;
    *done += work;
    int64_t pause_ms = ph_patience_ended(patience, *done, *now_ms);
    *now_ms += pause_ms > 0 ? pause_ms : 0;
    return pause_ms;
}

/* [FLEET-12] */
static void the_pause_doubles_up_to_its_bound(void **state)
{
    (void)state;
    static const int64_t want[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    struct ph_patience patience = {0};
    int64_t now_ms = 5000000;
    int64_t done = 0;
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        assert_int_equal(live(&patience, &now_ms, &done, 100, 1), want[i]);
    }
    assert_int_equal(live(&patience, &now_ms, &done, PH_PATIENCE_LASTED_MS, 1), 1000);
    assert_int_equal(live(&patience, &now_ms, &done, PH_PATIENCE_LASTED_MS - 1, 1), 2000);
}

/* [FLEET-13] */
static void what_gets_nothing_done_is_given_up(void **state)
{
    (void)state;
    struct ph_patience patience = {0};
    int64_t now_ms = 1;
    int64_t done = 7;
    for (int i = 0; i < 4; i++) {
        assert_true(live(&patience, &now_ms, &done, 10, 0) > 0);
    }
    assert_int_equal(live(&patience, &now_ms, &done, 10, 0), -1);
}

/* [FLEET-13] */
static void whoever_got_something_done_is_not_given_up(void **state)
{
    (void)state;
    struct ph_patience patience = {0};
    int64_t now_ms = 1;
    int64_t done = 0;
    for (int i = 0; i < 40; i++) {
        assert_true(live(&patience, &now_ms, &done, 10, i % 4 == 0 ? 1 : 0) > 0);
    }
}

/* [FLEET-13] */
static void failures_far_apart_do_not_add_up(void **state)
{
    (void)state;
    struct ph_patience patience = {0};
    int64_t now_ms = 1;
    int64_t done = 0;
    for (int i = 0; i < 40; i++) {
        assert_true(live(&patience, &now_ms, &done, PH_PATIENCE_FAILURES_MS / 2, 0) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pause_doubles_up_to_its_bound),
        cmocka_unit_test(what_gets_nothing_done_is_given_up),
        cmocka_unit_test(whoever_got_something_done_is_not_given_up),
        cmocka_unit_test(failures_far_apart_do_not_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
