/* [ROOM-1] to [ROOM-4] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "device/room.h"
#include "device/thermostat.h"

#define START_MS  INT64_C(1790000000000)
#define MINUTE_MS INT64_C(60000)

/* [ROOM-1] the same seed and the same times: the same readings to the last digit */
static void test_deterministic(void **state)
{
    (void)state;
    struct ph_room a;
    struct ph_room b;
    struct ph_room other;
    int different = 0;
    ph_room_init(&a, 7, 60.0, START_MS);
    ph_room_init(&b, 7, 60.0, START_MS);
    ph_room_init(&other, 8, 60.0, START_MS);
    for (int i = 1; i <= 500; i++) {
        int64_t now = START_MS + INT64_C(700) * i;
        ph_room_advance(&a, now, i % 3 == 0);
        ph_room_advance(&b, now, i % 3 == 0);
        ph_room_advance(&other, now, i % 3 == 0);
        struct ph_room_sample x = ph_room_sample(&a);
        struct ph_room_sample y = ph_room_sample(&b);
        struct ph_room_sample z = ph_room_sample(&other);
        assert_memory_equal(&x, &y, sizeof x);
        different += x.temperature_c != z.temperature_c;
    }
    assert_true(different > 400);
}

/* [ROOM-2] without heat the room follows the outside, with heat it warms; both stay plausible */
static void test_physics(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct ph_room cold;
        struct ph_room warm;
        ph_room_init(&cold, seed, 1.0, START_MS);
        ph_room_init(&warm, seed, 1.0, START_MS);
        double lowest = 100.0;
        double highest = -100.0;
        for (int64_t i = 1; i <= INT64_C(7) * 1440; i++) {
            ph_room_advance(&cold, START_MS + i * MINUTE_MS, false);
            ph_room_advance(&warm, START_MS + i * MINUTE_MS, true);
            double outdoor = ph_room_outdoor_c(&cold);
            lowest = outdoor < lowest ? outdoor : lowest;
            highest = outdoor > highest ? outdoor : highest;
        }
        assert_true(highest - lowest > 5.9 && highest - lowest < 14.1);
        assert_true(cold.temperature_c > lowest && cold.temperature_c < highest);
        assert_true(warm.temperature_c > cold.temperature_c + 25.0);
        assert_true(warm.temperature_c < 60.0);
        assert_true(cold.humidity_pct > warm.humidity_pct);
    }
}

/* [ROOM-3] the thermostat holds the set point, switching no more often than its hysteresis asks */
static void test_control(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct ph_room room;
        struct ph_thermostat thermostat = {.setpoint_c = 21.0};
        ph_room_init(&room, seed, 1.0, START_MS);
        int switches = 0;
        for (int64_t i = 1; i <= INT64_C(3) * 1440; i++) {
            bool before = thermostat.heating;
            ph_room_advance(&room, START_MS + i * MINUTE_MS, thermostat.heating);
            ph_thermostat_control(&thermostat, ph_room_sample(&room).temperature_c);
            switches += thermostat.heating != before;
            if (i > 1440) {
                assert_true(room.temperature_c > 20.0 && room.temperature_c < 22.0);
            }
        }
        assert_true(switches > 4 && switches < 1000);
    }
}

static void test_clock_jumps(void **state)
{
    (void)state;
    struct ph_room room;
    ph_room_init(&room, 3, 1.0, START_MS);
    ph_room_advance(&room, START_MS + MINUTE_MS, false);
    double before = room.temperature_c;
    ph_room_advance(&room, START_MS - 86400000, true); /* back: nothing happens */
    assert_true(room.temperature_c == before);
    ph_room_advance(&room, START_MS + INT64_C(1000) * 365 * 86400000, true); /* an hour at most */
    assert_true(room.simulated_s < 3700.0);
    before = room.simulated_s;
    ph_room_advance(&room, START_MS + INT64_C(1000) * 365 * 86400000 + 1000, true);
    assert_true(room.simulated_s > before + 0.5 && room.simulated_s < before + 1.5);
}

static void test_hysteresis(void **state)
{
    (void)state;
    struct ph_thermostat thermostat = {.setpoint_c = 20.0};
    static const struct {
        double temperature_c;
        const char *hvac;
    } steps[] = {{20.0, "idle"}, {19.71, "idle"}, {19.69, "heating"}, {20.0, "heating"},
        {20.29, "heating"}, {20.31, "idle"}, {20.0, "idle"}};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        ph_thermostat_control(&thermostat, steps[i].temperature_c);
        assert_string_equal(ph_thermostat_hvac(&thermostat), steps[i].hvac);
    }
    thermostat.setpoint_c = PH_SETPOINT_MIN_C;
    ph_thermostat_control(&thermostat, -20.0);
    assert_string_equal(ph_thermostat_hvac(&thermostat), "off");
    assert_false(thermostat.heating);
}

/* [ROOM-4] the reading has the fields of kind `thermostat` */
static void test_reading(void **state)
{
    (void)state;
    struct ph_buf out;
    struct ph_thermostat thermostat = {.setpoint_c = 21.5, .heating = true};
    struct ph_room_sample sample = {.temperature_c = 20.25, .humidity_pct = 41.2};
    ph_buf_init(&out, 4096);
    struct ph_moment now = {.unix_ms = START_MS, .boot_ms = 12345, .known = true};
    assert_int_equal(ph_thermostat_reading(&thermostat, &sample, &now, &out), PH_OK);
    assert_string_equal(out.data,
        "{\"t\":1790000000000,\"temperature_c\":20.25,\"setpoint_c\":21.5,"
        "\"humidity_pct\":41.2,\"hvac\":\"heating\"}");
    ph_buf_reset(&out);
    now.known = false; /* [RUN-15] what the wall clock shows means nothing */
    assert_int_equal(ph_thermostat_reading(&thermostat, &sample, &now, &out), PH_OK);
    assert_string_equal(out.data, "{\"up\":12345,\"temperature_c\":20.25,\"setpoint_c\":21.5,"
                                  "\"humidity_pct\":41.2,\"hvac\":\"heating\"}");
    ph_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deterministic),
        cmocka_unit_test(test_physics),
        cmocka_unit_test(test_control),
        cmocka_unit_test(test_clock_jumps),
        cmocka_unit_test(test_hysteresis),
        cmocka_unit_test(test_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
