/* [ING-78] */
#include "ingest/steady.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NOON INT64_C(1790000000000)
#define HOUR INT64_C(3600000)
#define YEAR (8760 * HOUR)

static void follows_the_clock(void **state)
{
    (void)state;
    struct ph_steady steady = {0};
    assert_int_equal(ph_steady_ms(&steady, NOON, 500), NOON);
    assert_int_equal(ph_steady_ms(&steady, NOON + 60000, 60500), NOON + 60000);
    assert_int_equal(ph_steady_ms(&steady, NOON + HOUR, 60500), NOON + HOUR); /* slewed, stepped */
    assert_int_equal(ph_steady_ms(&steady, NOON - YEAR, 60600), NOON - YEAR);
    assert_int_equal(ph_steady_ms(&steady, NOON - YEAR + 9 * HOUR, 60600 + 9 * HOUR),
        NOON - YEAR + 9 * HOUR); /* looked at once in nine hours */
    assert_false(steady.held);
}

/* A jump that is put right again has done nothing. */
static void holds_a_jump_ahead(void **state)
{
    (void)state;
    struct ph_steady steady = {0};
    assert_int_equal(ph_steady_ms(&steady, NOON, 0), NOON);
    assert_int_equal(ph_steady_ms(&steady, NOON + 10 * YEAR, 60000), NOON + 60000);
    assert_true(steady.held);
    assert_int_equal(
        ph_steady_ms(&steady, NOON + 10 * YEAR + 23 * HOUR, 23 * HOUR), NOON + 23 * HOUR);
    assert_true(steady.held);
    assert_int_equal(ph_steady_ms(&steady, NOON + 24 * HOUR, 24 * HOUR), NOON + 24 * HOUR);
    assert_false(steady.held);
    assert_int_equal(ph_steady_ms(&steady, NOON + YEAR, 48 * HOUR), NOON + 48 * HOUR);
    assert_true(steady.held);
}

/* A host that slept, or whose clock was wrong at the start: retention goes on a day later. */
static void believes_a_jump_that_lasts(void **state)
{
    (void)state;
    struct ph_steady steady = {0};
    assert_int_equal(ph_steady_ms(&steady, NOON, 0), NOON);
    for (int64_t hour = 1; hour <= 24; hour++) {
        assert_int_equal(
            ph_steady_ms(&steady, NOON + YEAR + hour * HOUR, hour * HOUR), NOON + hour * HOUR);
    }
    assert_int_equal(
        ph_steady_ms(&steady, NOON + YEAR + 25 * HOUR, 25 * HOUR), NOON + YEAR + 25 * HOUR);
    assert_false(steady.held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_clock),
        cmocka_unit_test(holds_a_jump_ahead),
        cmocka_unit_test(believes_a_jump_that_lasts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
