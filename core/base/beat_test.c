#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/beat.h"
#include "base/version.h"

#define NOW INT64_C(1790000000000)

static struct ph_beat beat_at(int64_t at_ms, bool connected)
{
    return (struct ph_beat){.version = "1.2.3",
        .at_ms = at_ms,
        .every_ms = 10000,
        .connected = connected,
        .since_ms = at_ms - 60000};
}

static void expect_fault(const struct ph_beat *beat, const char *want)
{
    char line[PH_HEALTH_LINE_BYTES] = "";
    struct ph_error error = {0};
    assert_int_equal(ph_beat_judge(beat, "ph-ingest run", "acme/service/ingest", NOW, line, &error),
        PH_ERR_FAULT);
    if (strstr(error.message, want) == NULL) {
        fail_msg("want \"%s\", have \"%s\"", want, error.message);
    }
    assert_string_equal(line, "");
}

/* [HLT-10] */
static void fresh_and_connected(void **state)
{
    (void)state;
    char line[PH_HEALTH_LINE_BYTES];
    struct ph_error error = {0};
    struct ph_beat beat = beat_at(NOW - 29999, true);
    assert_int_equal(
        ph_beat_judge(&beat, "ph-ingest run", "acme/service/ingest", NOW, line, &error), PH_OK);
    assert_string_equal(line, "healthy: committed 29 s ago, connected for 89 s, version 1.2.3");
    beat = beat_at(NOW + 10000, true); /* a clock that was set back a little */
    beat.since_ms = NOW + 10000;
    assert_int_equal(
        ph_beat_judge(&beat, "ph-ingest run", "acme/service/ingest", NOW, line, &error), PH_OK);
    assert_string_equal(line, "healthy: committed 0 s ago, connected for 0 s, version 1.2.3");
}

/* [HLT-11] */
static void late(void **state)
{
    (void)state;
    struct ph_beat beat = beat_at(NOW - 30000, true);
    expect_fault(&beat, "nothing committed for 30 s (want less than 30): ph-ingest run is stopped");
    beat = beat_at(0, false); /* whether it was connected then says nothing */
    expect_fault(&beat, "nothing committed for 1790000000 s");
}

/* [HLT-12] */
static void not_connected(void **state)
{
    (void)state;
    struct ph_beat beat = beat_at(NOW - 1000, false);
    expect_fault(&beat, "not connected to the broker for 61 s; is the broker there, and does its "
                        "policy let acme/service/ingest in?");
}

/* [HLT-13] */
static void from_the_future(void **state)
{
    (void)state;
    struct ph_beat beat = beat_at(NOW + 10001, true);
    expect_fault(&beat, "the last beat is 10 s in the future: the clock was set back");
    beat = beat_at(NOW + INT64_C(86400000), false);
    expect_fault(&beat, "the last beat is 86400 s in the future");
}

/* [HLT-2] */
static void the_pulse(void **state)
{
    (void)state;
    struct ph_pulse pulse = {0};
    assert_int_equal(ph_pulse_due_ms(&pulse), INT64_MAX);
    pulse.every_ms = 10000;
    ph_pulse_tell(&pulse, NOW, false);
    assert_true(ph_pulse_due_ms(&pulse) < 5);
    ph_pulse_left(&pulse, 5);
    assert_int_equal(ph_pulse_due_ms(&pulse), 10005);
    ph_pulse_tell(&pulse, NOW + 700, false);
    assert_int_equal(ph_pulse_due_ms(&pulse), 10005);
    ph_pulse_tell(&pulse, NOW + 800, true);
    assert_true(ph_pulse_due_ms(&pulse) < 5);
    ph_pulse_tell(&pulse, NOW + 900, true);
    const struct ph_beat beat = ph_pulse_beat(&pulse);
    assert_int_equal(beat.at_ms, NOW + 900);
    assert_int_equal(beat.since_ms, NOW + 800);
    assert_int_equal(beat.every_ms, 10000);
    assert_true(beat.connected);
    assert_string_equal(beat.version, PH_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pulse),
        cmocka_unit_test(fresh_and_connected),
        cmocka_unit_test(late),
        cmocka_unit_test(not_connected),
        cmocka_unit_test(from_the_future),
    };
    return cmocka_run_group_tests_name("ph.base.beat", tests, NULL, NULL);
}
