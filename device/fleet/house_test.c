/* [HOUSE-1] to [HOUSE-8] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "device/fleet/house.h"
#include "device/room.h"
#include "device/thermostat.h"

#define HOUR_MS  INT64_C(3600000)
#define DAY_MS   (24 * HOUR_MS)
#define START_MS INT64_C(1768456800000) /* 2026-01-15T06:00:00Z, a Thursday */
#define THURSDAY INT64_C(1768435200000) /* its midnight */
#define OUTDOOR  6.0

enum { READINGS = 1000 };

struct reading {
    double temperature_c;
    double humidity_pct;
    double setpoint_c;
    bool heating;
};

/* A thermostat in the house, as a device of the fleet runs it: ten seconds between readings. */
static void live(uint64_t seed, double outdoor_c, double speed, struct reading *out, size_t count)
{
    struct ph_house house;
    struct ph_room room;
    struct ph_thermostat thermostat = {0};
    memset(out, 0, count * sizeof *out);
    ph_house_init(&house, seed, outdoor_c);
    ph_room_init(&room, seed, speed, START_MS);
    ph_house_furnish(&house, &room);
    for (size_t i = 0; i < count; i++) {
        int64_t now_ms = START_MS + (int64_t)i * 10000;
        thermostat.setpoint_c = ph_house_setpoint_c(&house, ph_house_clock_ms(&room, now_ms));
        ph_room_advance(&room, now_ms, thermostat.heating);
        struct ph_room_sample sample = ph_room_sample(&room);
        ph_thermostat_control(&thermostat, sample.temperature_c);
        out[i].temperature_c = sample.temperature_c;
        out[i].humidity_pct = sample.humidity_pct;
        out[i].setpoint_c = thermostat.setpoint_c;
        out[i].heating = thermostat.heating;
    }
}

/* [HOUSE-1] the same seed: the same house and the same readings, to the last digit */
static void test_same_seed(void **state)
{
    (void)state;
    static struct reading one[READINGS];
    static struct reading two[READINGS];
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct ph_house a;
        struct ph_house b;
        ph_house_init(&a, seed, OUTDOOR);
        ph_house_init(&b, seed, OUTDOOR);
        assert_memory_equal(&a, &b, sizeof a);
        live(seed, OUTDOOR, 60.0, one, READINGS);
        live(seed, OUTDOOR, 60.0, two, READINGS);
        assert_memory_equal(one, two, sizeof one);
    }
}

/* [HOUSE-1] other seeds: other walls, other habits, other readings; neighbours are not alike */
static void test_other_seeds(void **state)
{
    (void)state;
    static struct reading one[READINGS];
    static struct reading two[READINGS];
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct ph_house a;
        struct ph_house b;
        ph_house_init(&a, seed, OUTDOOR);
        ph_house_init(&b, seed + 1, OUTDOOR);
        assert_true(a.insulation_s != b.insulation_s && a.outdoor_c != b.outdoor_c);
        assert_true(a.up_h != b.up_h && a.sleep_h != b.sleep_h && a.late_h != b.late_h);
        live(seed, OUTDOOR, 60.0, one, READINGS);
        live(seed + 1, OUTDOOR, 60.0, two, READINGS);
        int different = 0;
        for (size_t i = 0; i < READINGS; i++) {
            different += one[i].temperature_c != two[i].temperature_c ? 1 : 0;
        }
        assert_true(different > READINGS * 9 / 10);
    }
}

/* [HOUSE-2] the places' weather lies around the fleet's mean, and [HOUSE-3] the walls and heaters
 * within what is stated; the room has them */
static void test_walls_and_weather(void **state)
{
    (void)state;
    enum { HOUSES = 2000 };
    double outdoor_sum = 0.0;
    double hours_sum = 0.0;
    for (uint64_t seed = 0; seed < HOUSES; seed++) {
        struct ph_house house;
        struct ph_room room;
        ph_house_init(&house, seed, OUTDOOR);
        ph_room_init(&room, seed, 1.0, START_MS);
        ph_house_furnish(&house, &room);
        assert_true(fabs(room.outdoor_mean_c - OUTDOOR) <= 6.0);
        assert_true(room.outdoor_swing_c >= 2.0 && room.outdoor_swing_c <= 7.0);
        assert_true(room.insulation_s >= 14400.0 && room.insulation_s <= 72000.0);
        double coldest_c = room.outdoor_mean_c - room.outdoor_swing_c;
        double reserve = room.heater_c / (house.day_c - coldest_c);
        assert_true(room.heater_c == 15.0 || (reserve >= 1.4 && reserve <= 1.9));
        outdoor_sum += room.outdoor_mean_c;
        hours_sum += room.insulation_s / 3600.0;
    }
    assert_true(fabs(outdoor_sum / HOUSES - OUTDOOR) < 0.2);
    assert_true(fabs(hours_sum / HOUSES - 9.33) < 0.5);
}

/* How far below its set point the house ever is, from the second day on, when that has stood for
 * six hours; a reading each minute. */
static double coldest_below_c(const struct reading *readings, size_t count)
{
    double most = 0.0;
    int stood = 0;
    for (size_t i = 1; i < count; i++) {
        bool same = readings[i].setpoint_c == readings[i - 1].setpoint_c;
        stood = same ? stood + 1 : 0;
        if (i > 1440 && stood > 360) {
            most = fmax(most, readings[i].setpoint_c - readings[i].temperature_c);
        }
    }
    return most;
}

/* [HOUSE-3] whatever the fleet's climate: from the second day on it is warm enough whenever the set
 * point has stood for six hours. A minute between readings: as a thermostat is meant to be used. */
static void test_heater_suffices(void **state)
{
    (void)state;
    static const double climates[] = {-30.0, OUTDOOR, 40.0};
    static struct reading readings[2880];
    for (size_t k = 0; k < sizeof climates / sizeof climates[0]; k++) {
        for (uint64_t seed = 0; seed < 50; seed++) {
            live(seed, climates[k], 6.0, readings, 2880);
            assert_true(coldest_below_c(readings, 2880) < 1.0);
        }
    }
}

/* [HOUSE-4] at any hour of any day, before 1970 too, the set point is one that a device takes */
static void test_setpoint_bounds(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct ph_house house;
        ph_house_init(&house, seed, OUTDOOR);
        assert_true(house.night_c <= house.day_c);
        for (int64_t i = 0; i < 864; i++) {
            int64_t at_ms = (i - 96) * 15 * 60000;
            double early = ph_house_setpoint_c(&house, at_ms);
            double now = ph_house_setpoint_c(&house, START_MS + at_ms);
            assert_true(early >= PH_SETPOINT_MIN_C && early <= PH_SETPOINT_MAX_C);
            assert_true(now >= PH_SETPOINT_MIN_C && now <= PH_SETPOINT_MAX_C);
        }
    }
    struct ph_house hot = {.day_c = 50.0, .night_c = 1.0, .up_h = 6.0, .sleep_h = 22.0};
    assert_true(ph_house_setpoint_c(&hot, THURSDAY + 12 * HOUR_MS) == PH_SETPOINT_MAX_C);
    assert_true(ph_house_setpoint_c(&hot, THURSDAY + 3 * HOUR_MS) == PH_SETPOINT_MIN_C);
}

/* Whether it is warm `hours` after the midnight that Thursday begins with. */
static bool warm(const struct ph_house *house, double hours)
{
    double have = ph_house_setpoint_c(house, THURSDAY + llround(hours * (double)HOUR_MS));
    assert_true(have == house->day_c || have == house->night_c);
    return have == house->day_c;
}

/* True when it is warm from `from` to `to` (hours), and at neither end beyond. */
static bool warm_between(const struct ph_house *house, double from, double to)
{
    double minute = 1.0 / 60.0;
    return !warm(house, from - minute) && warm(house, from) && warm(house, (from + to) / 2.0) &&
           warm(house, to - minute) && !warm(house, to);
}

/* [HOUSE-5] a weekday: warm while they are up and there; [HOUSE-6] at weekends they stay at home,
 * and all is later */
static void test_habits(void **state)
{
    (void)state;
    static const struct ph_house house = {
        .day_c = 21.0,
        .night_c = 17.0,
        .up_h = 6.5,
        .leave_h = 8.0,
        .home_h = 17.25,
        .sleep_h = 22.5,
        .late_h = 2.0,
    };
    assert_true(warm_between(&house, 6.5, 8.0));
    assert_true(warm_between(&house, 17.25, 22.5));
    assert_true(warm_between(&house, 24.0 + 17.25, 24.0 + 24.5));   /* Friday: till half past 0 */
    assert_true(warm_between(&house, 48.0 + 8.5, 48.0 + 24.5));     /* Saturday: all day */
    assert_true(warm_between(&house, 72.0 + 8.5, 72.0 + 22.5));     /* Sunday, early to bed */
    assert_true(warm_between(&house, 96.0 + 6.5, 96.0 + 8.0));      /* Monday */
    assert_true(warm_between(&house, -24.0 + 17.25, -24.0 + 22.5)); /* Wednesday */
}

/* [HOUSE-5] going to bed after midnight belongs to the day before; so does a night's work */
static void test_midnight(void **state)
{
    (void)state;
    struct ph_house owl = {.day_c = 21.0,
        .night_c = 17.0,
        .up_h = 8.0,
        .leave_h = 9.0,
        .home_h = 18.0,
        .sleep_h = 1.5,
        .late_h = 1.0};
    assert_true(warm_between(&owl, 18.0, 25.5));
    assert_true(warm_between(&owl, 24.0 + 18.0, 24.0 + 26.5));
    assert_true(warm_between(&owl, 72.0 + 9.0, 72.0 + 25.5));
    struct ph_house guard = {.day_c = 21.0,
        .night_c = 17.0,
        .up_h = 18.5,
        .leave_h = 20.0,
        .home_h = 5.0,
        .sleep_h = 10.75,
        .late_h = 0.0};
    assert_true(warm_between(&guard, 18.5, 20.0));
    assert_true(warm_between(&guard, 24.0 + 5.0, 24.0 + 10.75));
    assert_true(warm_between(&guard, 48.0 + 18.5, 72.0 + 10.75)); /* free from Saturday on */
    struct ph_house midnight = {.day_c = 21.0,
        .night_c = 17.0,
        .up_h = 7.0,
        .leave_h = 8.0,
        .home_h = 16.0,
        .sleep_h = 0.0,
        .late_h = 0.0};
    assert_true(warm_between(&midnight, 16.0, 24.0));
}

/* [HOUSE-5] where somebody is always there it is warm all day */
static void test_always_there(void **state)
{
    (void)state;
    struct ph_house house = {.day_c = 21.0,
        .night_c = 17.0,
        .up_h = 7.0,
        .leave_h = 8.5,
        .home_h = 8.5,
        .sleep_h = 23.0,
        .late_h = 0.5};
    assert_true(warm_between(&house, 7.0, 23.0));
    for (int quarter = 28; quarter < 92; quarter++) {
        assert_true(warm(&house, quarter / 4.0));
    }
}

/* [HOUSE-8] habits are as different as is stated: hours of the day, who stays, who saves */
static void test_distributions(void **state)
{
    (void)state;
    enum { HOUSES = 4000 };
    int always = 0;
    int nights = 0;
    int same = 0;
    for (uint64_t seed = 0; seed < HOUSES; seed++) {
        struct ph_house house;
        ph_house_init(&house, seed, OUTDOOR);
        assert_true(house.day_c >= 18.0 && house.day_c <= 24.0);
        double lower = house.day_c - house.night_c;
        assert_true(lower == 0.0 || (lower >= 1.5 && lower <= 5.0));
        assert_true(house.late_h >= 0.0 && house.late_h <= 2.5);
        bool night = house.up_h >= 16.0;
        double shift = night ? 12.0 : 0.0;
        assert_true(house.up_h >= shift + 4.5 && house.up_h <= shift + 9.0);
        assert_true(house.leave_h >= house.up_h + 0.5 && house.leave_h <= house.up_h + 1.75);
        assert_true(house.home_h >= 0.0 && house.home_h < 24.0);
        assert_true(house.sleep_h >= 0.0 && house.sleep_h < 24.0);
        always += house.leave_h == house.home_h ? 1 : 0;
        nights += night ? 1 : 0;
        same += lower == 0.0 ? 1 : 0;
    }
    assert_in_range(always, HOUSES * 32 / 100, HOUSES * 38 / 100);
    assert_in_range(nights, HOUSES * 4 / 100, HOUSES * 8 / 100);
    assert_in_range(same, HOUSES * 12 / 100, HOUSES * 18 / 100);
}

/* [HOUSE-7] the clock in the house runs as fast as its weather, and goes on with the room */
static void test_clock(void **state)
{
    (void)state;
    struct ph_room room;
    ph_room_init(&room, 1, 60.0, START_MS);
    assert_int_equal(ph_house_clock_ms(&room, START_MS), START_MS);
    assert_int_equal(ph_house_clock_ms(&room, START_MS + 1000), START_MS + 60000);
    for (int64_t i = 1; i <= 144; i++) {
        int64_t now_ms = START_MS + i * 10000;
        ph_room_advance(&room, now_ms, false);
        double shows_s = (double)(ph_house_clock_ms(&room, now_ms) - room.start_ms) / 1000.0;
        assert_true(fabs(shows_s - room.simulated_s) < 0.01);
    }
    ph_room_init(&room, 1, 1.0, START_MS);
    assert_int_equal(ph_house_clock_ms(&room, START_MS + 5 * DAY_MS), START_MS + 5 * DAY_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_seed),
        cmocka_unit_test(test_other_seeds),
        cmocka_unit_test(test_walls_and_weather),
        cmocka_unit_test(test_heater_suffices),
        cmocka_unit_test(test_setpoint_bounds),
        cmocka_unit_test(test_habits),
        cmocka_unit_test(test_midnight),
        cmocka_unit_test(test_always_there),
        cmocka_unit_test(test_distributions),
        cmocka_unit_test(test_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
