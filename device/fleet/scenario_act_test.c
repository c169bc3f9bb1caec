/* [SCN-10] to [SCN-13]: whom an act strikes, and when the next reading is due */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>

#include "device/fleet/scenario.h"

#define HOUR_MS INT64_C(3600000)

static int64_t strikes(const struct ph_scenario *fleet, const struct ph_act *act)
{
    int64_t count = 0;
    for (size_t i = 0; i < (size_t)fleet->devices; i++) {
        count += ph_act_strikes(fleet, act, i) ? 1 : 0;
    }
    return count;
}

/* [SCN-10] exactly as many as asked for. All numbers of one fleet: each adds one device to those of
 * the number before, so no two devices have the same place in the shuffle. */
static void test_strikes_exactly(void **state)
{
    (void)state;
    static const int64_t sizes[] = {1, 2, 3, 4, 5, 16, 17, 64, 65, 257};
    struct ph_act act = {.kind = PH_ACT_STORM};
    struct ph_scenario fleet = {.seed = 11, .acts = &act, .act_count = 1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        fleet.devices = sizes[i];
        for (act.devices = 1; act.devices <= fleet.devices; act.devices++) {
            assert_int_equal(strikes(&fleet, &act), act.devices);
        }
        assert_false(ph_act_strikes(&fleet, &act, (size_t)fleet.devices));
    }
    fleet.devices = PH_SCENARIO_DEVICES_MAX;
    act.devices = 12345;
    assert_int_equal(strikes(&fleet, &act), 12345);
}

/* [SCN-10] a share is rounded, and at least one device */
static void test_strikes_share(void **state)
{
    (void)state;
    static const struct {
        double share;
        int64_t devices;
        int64_t want;
    } cases[] = {
        {1.0, 1000, 1000},
        {0.5, 1001, 501},
        {0.1, 14, 1},
        {0.1, 16, 2},
        {0.001, 10, 1},
        {1.0 / 3.0, 10000, 3333},
    };
    struct ph_act act = {.kind = PH_ACT_STORM};
    struct ph_scenario fleet = {.seed = 3, .acts = &act, .act_count = 1};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        act.share = cases[i].share;
        fleet.devices = cases[i].devices;
        assert_int_equal(ph_act_victims(&fleet, &act), cases[i].want);
        assert_int_equal(strikes(&fleet, &act), cases[i].want);
    }
}

/* [SCN-11] the seed and the act's place decide, the same on every machine */
static void test_strikes_whom(void **state)
{
    (void)state;
    static const struct ph_act act = {.kind = PH_ACT_STORM, .devices = 100};
    struct ph_act acts[2] = {act, act};
    struct ph_scenario one = {.devices = 1000, .seed = 7, .acts = acts, .act_count = 2};
    struct ph_scenario same = one;
    struct ph_scenario other = one;
    other.seed = 8;
    int both_acts = 0;
    int both_seeds = 0;
    for (size_t i = 0; i < 1000; i++) {
        bool struck = ph_act_strikes(&one, &acts[0], i);
        assert_int_equal(struck, ph_act_strikes(&same, &acts[0], i));
        both_acts += struck && ph_act_strikes(&one, &acts[1], i) ? 1 : 0;
        both_seeds += struck && ph_act_strikes(&other, &acts[0], i) ? 1 : 0;
    }
    /* Ten of the hundred are expected to be struck twice. */
    assert_in_range(both_acts, 1, 30);
    assert_in_range(both_seeds, 1, 30);
    static const size_t known[] = {2, 9, 62};
    struct ph_act few[1] = {{.kind = PH_ACT_MAD, .devices = 3}};
    struct ph_scenario hundred = {.devices = 100, .seed = 1, .acts = few, .act_count = 1};
    for (size_t i = 0, k = 0; i < 100; i++) {
        if (ph_act_strikes(&hundred, few, i)) {
            assert_int_equal(i, known[k]);
            k++;
        }
    }
}

/* [SCN-11] nobody is favoured: each of ten devices in about three of ten fleets */
static void test_strikes_fairly(void **state)
{
    (void)state;
    struct ph_act act = {.kind = PH_ACT_OUTAGE, .for_s = 1, .devices = 3};
    int struck[10] = {0};
    for (int64_t seed = 1; seed <= 10000; seed++) {
        struct ph_scenario fleet = {.devices = 10, .seed = seed, .acts = &act, .act_count = 1};
        for (size_t i = 0; i < 10; i++) {
            struck[i] += ph_act_strikes(&fleet, &act, i) ? 1 : 0;
        }
    }
    for (size_t i = 0; i < 10; i++) {
        assert_in_range(struck[i], 2800, 3200);
    }
}

static struct ph_scenario with_day(double hours, double swing, int64_t interval_ms)
{
    struct ph_scenario fleet = {.devices = 1, .seed = 1, .interval_ms = interval_ms};
    fleet.day.hours = hours;
    fleet.day.swing = swing;
    fleet.houses.start_ms = INT64_C(1768456800000); /* six in the morning */
    fleet.houses.speed = 1.0;
    return fleet;
}

/* [SCN-12] most readings at seven in the evening, fewest at seven in the morning; without a day, or
 * a swing, the same at any time */
static void test_day_shape(void **state)
{
    (void)state;
    struct ph_scenario steady = with_day(0.0, 0.0, 10000);
    for (int64_t h = 0; h < 48; h++) {
        assert_int_equal(ph_scenario_interval_ms(&steady, h * HOUR_MS), 10000);
    }
    struct ph_scenario fleet = with_day(24.0, 0.6, 10000);
    int64_t evening = ph_scenario_interval_ms(&fleet, 13 * HOUR_MS);
    int64_t morning = ph_scenario_interval_ms(&fleet, 1 * HOUR_MS);
    assert_int_equal(evening, 6250);  /* 10000 / 1.6 */
    assert_int_equal(morning, 25000); /* 10000 / 0.4 */
    for (int64_t h = 0; h < 48; h++) {
        assert_in_range(ph_scenario_interval_ms(&fleet, h * HOUR_MS), evening, morning);
    }
    for (int64_t h = 1; h < 13; h++) {
        assert_true(ph_scenario_interval_ms(&fleet, h * HOUR_MS) >
                    ph_scenario_interval_ms(&fleet, (h + 1) * HOUR_MS));
    }
    assert_int_equal(ph_scenario_interval_ms(&fleet, 37 * HOUR_MS), evening);
    /* A day of six minutes: the evening is thirteen quarters of a minute away. */
    struct ph_scenario quick = with_day(0.1, 0.5, 100);
    assert_int_equal(ph_scenario_interval_ms(&quick, 195000), 67);
    assert_int_equal(ph_scenario_interval_ms(&quick, 15000), 200);
}

/* Readings that a device makes before `until_ms`. */
static int64_t count_readings(const struct ph_scenario *fleet, int64_t until_ms)
{
    int64_t count = 0;
    for (int64_t at_ms = 0; at_ms < until_ms; count++) {
        at_ms += ph_scenario_interval_ms(fleet, at_ms);
    }
    return count;
}

/* [SCN-13] over a day a device makes as many readings as with the steady interval, however much
 * it swings, even to nothing, and however few readings a day has */
static void test_day_mean(void **state)
{
    (void)state;
    static const struct {
        double hours;
        int64_t interval_ms;
        int64_t want; /* in ten days */
    } cases[] = {
        {24.0, 10000, 86400},
        {0.1, 2000, 1800},
        {0.05, 100, 18000},
        {24.0, 8640000, 100},
    };
    static const double swings[] = {0.1, 0.6, 0.9, 1.0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t k = 0; k < sizeof swings / sizeof swings[0]; k++) {
            struct ph_scenario fleet = with_day(cases[i].hours, swings[k], cases[i].interval_ms);
            int64_t have = count_readings(&fleet, llround(cases[i].hours * 10.0 * 3600000.0));
            /* Whole milliseconds: one part in a thousand at the shortest interval. */
            int64_t most = 1 + cases[i].want / 1000;
            assert_in_range(have, cases[i].want - most, cases[i].want + most);
        }
    }
}

/* [SCN-13] the same, integrated: the mean over a day of the fleet's rate, one second at a time */
static void test_day_integral(void **state)
{
    (void)state;
    struct ph_scenario fleet = with_day(24.0, 0.8, 5000);
    double readings = 0.0;
    for (int64_t s = 0; s < 86400; s += 10) {
        readings += 10000.0 / (double)ph_scenario_interval_ms(&fleet, s * 1000);
    }
    assert_true(fabs(readings - 17280.0) < 17.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strikes_exactly),
        cmocka_unit_test(test_strikes_share),
        cmocka_unit_test(test_strikes_whom),
        cmocka_unit_test(test_strikes_fairly),
        cmocka_unit_test(test_day_shape),
        cmocka_unit_test(test_day_mean),
        cmocka_unit_test(test_day_integral),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
