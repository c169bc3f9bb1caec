/* ph.fleet.svg_axis: axes end where they should, with round ticks. */
#include "device/fleet/svg_axis.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

static void assert_near(double value, double want)
{
    if (!(fabs(value - want) <= fabs(want) * 1e-9 + 1e-12)) {
        fail_msg("want %g, have %g", want, value);
    }
}

static void assert_ticks(const struct ph_axis *axis, const double *want, size_t count)
{
    assert_int_equal(axis->tick_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_near(axis->ticks[i], want[i]);
    }
}

/* [HTML-6] */
static void counts_go_from_zero_to_a_round_number(void **state)
{
    (void)state;
    static const struct {
        double high;
        double end;
        size_t ticks;
    } cases[] = {{0, 1, 2}, {1, 1, 2}, {0.4, 1, 2}, {3, 3, 4}, {6, 6, 7}, {7, 8, 5},
        {10000, 10000, 6}, {10001, 12000, 7}, {998, 1000, 6}, {2.5e9, 2.5e9, 6}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_axis axis;
        ph_axis_linear(&axis, cases[i].high);
        assert_near(axis.high, cases[i].end);
        assert_int_equal(axis.tick_count, cases[i].ticks);
        assert_near(axis.ticks[axis.tick_count - 1], axis.high);
    }
}

/* [HTML-6] */
static void times_go_from_round_to_round(void **state)
{
    (void)state;
    struct ph_axis axis;
    ph_axis_log(&axis, 2300, 97000);
    static const double narrow[] = {2000, 5000, 10000, 20000, 50000, 100000};
    assert_ticks(&axis, narrow, 6);
    assert_near(ph_axis_place(&axis, 2000), 0);
    assert_near(ph_axis_place(&axis, 100000), 1);
    assert_near(ph_axis_place(&axis, sqrt(2000.0 * 100000.0)), 0.5);
    assert_near(ph_axis_place(&axis, 1), 0);
    ph_axis_log(&axis, 700, 4e6);
    static const double wide[] = {1e3, 1e4, 1e5, 1e6};
    assert_ticks(&axis, wide, 4);
    ph_axis_log(&axis, 1, 2.7e11);
    assert_in_range(axis.tick_count, 4, 7);
    ph_axis_log(&axis, 1000, 1000);
    static const double one[] = {1000, 2000};
    assert_ticks(&axis, one, 2);
}

static void check_seconds(double high, size_t ticks, const char *last, const char *unit)
{
    struct ph_axis axis;
    ph_axis_seconds(&axis, high);
    assert_near(axis.high, high);
    assert_int_equal(axis.tick_count, ticks);
    assert_string_equal(ph_axis_show_seconds(&axis, axis.ticks[ticks - 1]).text, last);
    assert_string_equal(ph_axis_seconds_unit(&axis), unit);
}

/* [HTML-6] */
static void the_time_of_a_run_is_told_in_units_that_fit(void **state)
{
    (void)state;
    check_seconds(5.5, 6, "5", "seconds");
    check_seconds(30.5, 7, "30", "seconds");
    check_seconds(180, 7, "3:00", "minutes:seconds");
    check_seconds(600.5, 6, "10", "minutes");
    check_seconds(3600, 7, "60", "minutes");
    check_seconds(3 * 3600, 7, "3:00", "hours:minutes");
    check_seconds(86400, 5, "24", "hours");
    check_seconds(7 * 86400, 8, "7", "days");
    check_seconds(365 * 86400, 4, "300", "days");
}

/* [HTML-5] */
static void each_nine_takes_the_same_room(void **state)
{
    (void)state;
    struct ph_axis axis;
    ph_axis_shares(&axis);
    static const char *const labels[] = {"50 %", "90 %", "99 %", "99.9 %", "99.99 %"};
    assert_int_equal(axis.tick_count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(ph_axis_show_share(axis.ticks[i]).text, labels[i]);
    }
    double nine = axis.ticks[2] - axis.ticks[1];
    assert_near(axis.ticks[4] - axis.ticks[3], nine);
    assert_near(ph_axis_place(&axis, ph_axis_nines(0.5)), 0);
    assert_near(ph_axis_place(&axis, ph_axis_nines(0.9999)), 1);
}

/* [HTML-6] */
static void large_counts_are_short(void **state)
{
    (void)state;
    assert_string_equal(ph_axis_show_count(0).text, "0");
    assert_string_equal(ph_axis_show_count(99999).text, "99,999");
    assert_string_equal(ph_axis_show_count(250000).text, "250k");
    assert_string_equal(ph_axis_show_count(2500000).text, "2.5M");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_go_from_zero_to_a_round_number),
        cmocka_unit_test(times_go_from_round_to_round),
        cmocka_unit_test(the_time_of_a_run_is_told_in_units_that_fit),
        cmocka_unit_test(each_nine_takes_the_same_room),
        cmocka_unit_test(large_counts_are_short),
    };
    return cmocka_run_group_tests_name("ph.fleet.svg_axis", tests, NULL, NULL);
}
