/* ph.store.timing: what a device says of time, believed or not. */
#include "ingest/store/timing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/limits.h"

#define NOON INT64_C(1790000000000)
#define HOUR INT64_C(3600000)

static const struct ph_timing_limits ordinary = {
    .future_ms = 60000, .oldest_ms = INT64_C(1600000000000)};

static void assert_device_time(const struct ph_timing_limits *limits, int64_t time_ms,
    int64_t received_ms, enum ph_timing want)
{
    const struct ph_message message = {.has_up = true, .up_ms = 5};
    const struct ph_reading reading = {.has_time = true, .time_ms = time_ms};
    enum ph_timing timing = PH_TIMING_COUNT;
    assert_true(ph_timing_judge(limits, &message, &reading, received_ms, &timing) == time_ms);
    assert_int_equal(timing, want);
}

/* [ING-90] A device's time is kept whatever it is, and flagged when it cannot be. */
static void device_times(void **state)
{
    (void)state;
    assert_device_time(&ordinary, NOON, NOON, PH_TIMING_DEVICE);
    assert_device_time(&ordinary, NOON + 60000, NOON, PH_TIMING_DEVICE);
    assert_device_time(&ordinary, NOON + 60001, NOON, PH_TIMING_FUTURE);
    assert_device_time(&ordinary, PH_TIME_MAX_MS, NOON, PH_TIMING_FUTURE);
    assert_device_time(&ordinary, NOON - 1000 * HOUR, NOON, PH_TIMING_DEVICE);
    assert_device_time(&ordinary, ordinary.oldest_ms, NOON, PH_TIMING_DEVICE);
    assert_device_time(&ordinary, ordinary.oldest_ms - 1, NOON, PH_TIMING_PAST);
    assert_device_time(&ordinary, 0, NOON, PH_TIMING_PAST);
}

/* [ING-90] The largest and smallest limits mean what they say. */
static void limits_at_their_ends(void **state)
{
    (void)state;
    const struct ph_timing_limits lenient = {.future_ms = INT64_MAX, .oldest_ms = INT64_MIN};
    const struct ph_timing_limits strict = {.future_ms = 0, .oldest_ms = INT64_MAX};
    assert_device_time(&lenient, PH_TIME_MAX_MS, 0, PH_TIMING_DEVICE);
    assert_device_time(&lenient, 0, INT64_MAX, PH_TIMING_DEVICE);
    assert_device_time(&strict, 1, 0, PH_TIMING_FUTURE);
    assert_device_time(&strict, PH_TIME_MAX_MS, INT64_MAX, PH_TIMING_PAST);
}

static void assert_uptime(const struct ph_message *message, int64_t up_ms, int64_t received_ms,
    int64_t want_ms, enum ph_timing want)
{
    const struct ph_reading reading = {.has_up = true, .up_ms = up_ms};
    enum ph_timing timing = PH_TIMING_COUNT;
    int64_t time_ms = ph_timing_judge(&ordinary, message, &reading, received_ms, &timing);
    assert_true(time_ms == want_ms);
    assert_int_equal(timing, want);
}

/* [ING-90] [MSG-19] */
static void uptimes(void **state)
{
    (void)state;
    const struct ph_message message = {.has_up = true, .up_ms = 2 * HOUR};
    assert_uptime(&message, HOUR, NOON, NOON - HOUR, PH_TIMING_ESTIMATED);
    assert_uptime(&message, 2 * HOUR, NOON, NOON, PH_TIMING_ESTIMATED);
    assert_uptime(&message, 0, NOON, NOON - 2 * HOUR, PH_TIMING_ESTIMATED);
    const struct ph_message other_boot = {.up_ms = 2 * HOUR};
    assert_uptime(&other_boot, HOUR, NOON, NOON, PH_TIMING_ARRIVAL);
}

/* [ING-90] Uptimes that cannot be make no time of their own. */
static void hostile_uptimes(void **state)
{
    (void)state;
    const struct ph_message young = {.has_up = true, .up_ms = 5};
    const struct ph_message ancient = {.has_up = true, .up_ms = PH_LIMIT_SEQ};
    int64_t since_ms = NOON - ordinary.oldest_ms;
    assert_uptime(&young, 6, NOON, NOON, PH_TIMING_ARRIVAL);
    assert_uptime(&young, PH_LIMIT_SEQ, NOON, NOON, PH_TIMING_ARRIVAL);
    assert_uptime(&ancient, 0, NOON, NOON, PH_TIMING_ARRIVAL);
    assert_uptime(&ancient, 0, 0, 0, PH_TIMING_ARRIVAL);
    assert_uptime(&ancient, PH_LIMIT_SEQ - since_ms, NOON, ordinary.oldest_ms, PH_TIMING_ESTIMATED);
    assert_uptime(&ancient, PH_LIMIT_SEQ - since_ms - 1, NOON, NOON, PH_TIMING_ARRIVAL);
}

/* [ING-90] Also where nothing is too old for a clock, an estimate is not before 1970. */
static void estimates_begin_in_1970(void **state)
{
    (void)state;
    const struct ph_timing_limits lenient = {.future_ms = 0, .oldest_ms = INT64_MIN};
    const struct ph_message message = {.has_up = true, .up_ms = 1001};
    const struct ph_reading reading = {.has_up = true};
    enum ph_timing timing = PH_TIMING_COUNT;
    assert_true(ph_timing_judge(&lenient, &message, &reading, 1000, &timing) == 1000);
    assert_int_equal(timing, PH_TIMING_ARRIVAL);
    assert_true(ph_timing_judge(&lenient, &message, &reading, 1001, &timing) == 0);
    assert_int_equal(timing, PH_TIMING_ESTIMATED);
}

/* [ING-90] */
static void no_time_at_all(void **state)
{
    (void)state;
    const struct ph_message message = {.plain = true};
    const struct ph_reading reading = {.time_ms = 7, .up_ms = 7};
    enum ph_timing timing = PH_TIMING_COUNT;
    assert_true(ph_timing_judge(&ordinary, &message, &reading, NOON, &timing) == NOON);
    assert_int_equal(timing, PH_TIMING_ARRIVAL);
}

static void names(void **state)
{
    (void)state;
    assert_null(ph_timing_name(PH_TIMING_DEVICE));
    assert_string_equal(ph_timing_name(PH_TIMING_FUTURE), "future");
    assert_string_equal(ph_timing_name(PH_TIMING_PAST), "past");
    assert_string_equal(ph_timing_name(PH_TIMING_ESTIMATED), "estimated");
    assert_string_equal(ph_timing_name(PH_TIMING_ARRIVAL), "arrival");
    assert_null(ph_timing_name((enum ph_timing)PH_TIMING_COUNT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(device_times),
        cmocka_unit_test(limits_at_their_ends),
        cmocka_unit_test(uptimes),
        cmocka_unit_test(hostile_uptimes),
        cmocka_unit_test(estimates_begin_in_1970),
        cmocka_unit_test(no_time_at_all),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests_name("ph.store.timing", tests, NULL, NULL);
}
