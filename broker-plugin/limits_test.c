/* [PLG-34] */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker-plugin/limits.h"

static void is_full_at_first_and_fills_with_time(void **state)
{
    (void)state;
    struct ph_bucket bucket = {0};
    int64_t now_ms = 5000;
    for (int i = 0; i < 10; i++) {
        assert_true(ph_bucket_take(&bucket, 2, 10, 1, now_ms));
    }
    assert_false(ph_bucket_take(&bucket, 2, 10, 1, now_ms));
    assert_false(ph_bucket_take(&bucket, 2, 10, 1, now_ms + 499));
    assert_true(ph_bucket_take(&bucket, 2, 10, 1, now_ms + 500));
    assert_false(ph_bucket_take(&bucket, 2, 10, 1, now_ms + 501));
    assert_true(ph_bucket_take(&bucket, 2, 10, 1, now_ms + 1000));
}

static void holds_no_more_than_its_burst(void **state)
{
    (void)state;
    struct ph_bucket bucket = {0};
    assert_true(ph_bucket_take(&bucket, 1, 3, 3, 0));
    int64_t later_ms = INT64_C(1000) * 1000 * 1000;
    assert_true(ph_bucket_take(&bucket, 1, 3, 3, later_ms));
    assert_false(ph_bucket_take(&bucket, 1, 3, 1, later_ms));
}

static void takes_all_or_nothing(void **state)
{
    (void)state;
    struct ph_bucket bucket = {0};
    assert_true(ph_bucket_take(&bucket, 100, 1000, 600, 0));
    assert_false(ph_bucket_take(&bucket, 100, 1000, 401, 0));
    assert_true(ph_bucket_take(&bucket, 100, 1000, 400, 0));
    assert_true(ph_bucket_take(&bucket, 100, 1000, 0, 0));
    assert_false(ph_bucket_take(&bucket, 100, 1000, 1001, 1000000)); /* never, however full */
    assert_true(ph_bucket_take(&bucket, 100, 1000, 1000, 1000000));
}

static void knows_no_limit(void **state)
{
    (void)state;
    struct ph_bucket bucket = {0};
    for (int i = 0; i < 100; i++) {
        assert_true(ph_bucket_take(&bucket, 0, 0, UINT64_MAX, 0));
    }
    assert_int_equal(bucket.used, 0);
}

static void bears_large_numbers(void **state)
{
    (void)state;
    struct ph_bucket bucket = {0};
    uint64_t burst = UINT64_C(10) * UINT32_MAX;
    assert_true(ph_bucket_take(&bucket, UINT32_MAX, burst, burst, 1));
    assert_false(ph_bucket_take(&bucket, UINT32_MAX, burst, 1, 1));
    assert_false(ph_bucket_take(&bucket, UINT32_MAX, burst, UINT64_MAX, 1));
    assert_true(ph_bucket_take(&bucket, UINT32_MAX, burst, UINT32_MAX, 1001));
    assert_true(ph_bucket_take(&bucket, UINT32_MAX, burst, burst, INT64_MAX));
}

/* A clock that stands still gives nothing; the limits may be changed at any time. */
static void follows_a_change_of_the_limits(void **state)
{
    (void)state;
    struct ph_bucket bucket = {0};
    assert_true(ph_bucket_take(&bucket, 1000000, 10000000, 10000000, 0));
    assert_false(ph_bucket_take(&bucket, 10, 100, 1, 0));
    assert_false(ph_bucket_take(&bucket, 10, 100, 11, 1000));
    assert_true(ph_bucket_take(&bucket, 10, 100, 10, 1000));
    assert_true(ph_bucket_take(&bucket, 10, 100, 100, 11000));
}

static void keeps_to_its_rate_in_the_long_run(void **state)
{
    (void)state;
    struct ph_bucket bucket = {0};
    int taken = 0;
    for (int64_t now_ms = 0; now_ms < 60000; now_ms += 7) {
        taken += ph_bucket_take(&bucket, 3, 5, 1, now_ms) ? 1 : 0;
    }
    assert_in_range(taken, 180, 185);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_full_at_first_and_fills_with_time),
        cmocka_unit_test(holds_no_more_than_its_burst),
        cmocka_unit_test(takes_all_or_nothing),
        cmocka_unit_test(knows_no_limit),
        cmocka_unit_test(bears_large_numbers),
        cmocka_unit_test(follows_a_change_of_the_limits),
        cmocka_unit_test(keeps_to_its_rate_in_the_long_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
