/* ph.fleet.report: the machine, samples second by second, notes. */
#include "device/fleet/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

static struct ph_scenario scenario = {.devices = 200};
static struct ph_fleet_report report;

static int begin(void **state)
{
    struct ph_error error = {0};
    (void)state;
    return ph_fleet_report_init(&report, &scenario, "localhost:8883", &error) == PH_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    ph_fleet_report_fini(&report);
    return 0;
}

static void sample(int64_t at_ms)
{
    struct ph_error error = {0};
    assert_int_equal(ph_fleet_report_sample(&report, at_ms, &error), PH_OK);
}

static void assert_times(size_t i, enum ph_fleet_time time, int64_t count, int64_t p50_us,
    int64_t p99_us, int64_t max_us)
{
    assert_int_equal(report.samples[i].times[time].count, count);
    assert_int_equal(report.samples[i].times[time].p50_us, p50_us);
    assert_int_equal(report.samples[i].times[time].p99_us, p99_us);
    assert_int_equal(report.samples[i].times[time].max_us, max_us);
}

/* [STAT-9] A report begins empty and now, and nobody was connected yet. */
static void begins_empty(void **state)
{
    (void)state;
    struct ph_error error = {0};
    int64_t began_ms = 0;
    int64_t now_ms = ph_clock_unix_ms();
    assert_int_equal(ph_utc_parse(report.began, &began_ms, &error), PH_OK);
    assert_in_range(now_ms - began_ms, 0, 60000);
    assert_ptr_equal(report.scenario, &scenario);
    assert_string_equal(report.broker, "localhost:8883");
    assert_int_equal(report.connected_all_ms, -1);
    assert_int_equal(report.sample_count, 0);
    assert_int_equal(report.note_count, 0);
    assert_int_equal(report.usage_count, 0);
    assert_false(report.ended);
}

/* True when a line of the file ends with these bytes, quotes and line end left out. */
static bool has_line_with(const char *path, const char *value, size_t len)
{
    char line[4096];
    bool found = false;
    FILE *file = fopen(path, "re");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        size_t used = strcspn(line, "\n");
        used -= used > 0 && line[used - 1] == '"';
        found = used >= len && memcmp(&line[used - len], value, len) == 0;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

/* [STAT-9] The machine is cores, processor, system and kernel: between these there is no room for
 * a host name. */
static void machine(void **state)
{
    (void)state;
    char cores[32];
    char kernel[160];
    struct utsname uts;
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    assert_int_equal(uname(&uts), 0);
    (void)snprintf(cores, sizeof cores, "%ld %s, ", count, count == 1 ? "core" : "cores");
    (void)snprintf(kernel, sizeof kernel, ", %s %.40s", uts.sysname, uts.release);
    assert_memory_equal(report.machine, cores, strlen(cores));
    size_t len = strlen(report.machine);
    assert_true(len > strlen(cores) + strlen(kernel));
    assert_string_equal(&report.machine[len - strlen(kernel)], kernel);
    /* "PROCESSOR, SYSTEM"; a comma may be part of either, so each comma is tried. */
    const char *between = &report.machine[strlen(cores)];
    const char *until = &report.machine[len - strlen(kernel)];
    bool known = false;
    for (const char *comma = between; comma < until && !known; comma++) {
        size_t first = (size_t)(comma - between);
        if (until - comma > 2 && memcmp(comma, ", ", 2) == 0) {
            size_t second = (size_t)(until - comma) - 2;
            bool processor =
                has_line_with("/proc/cpuinfo", between, first) ||
                (strlen(uts.machine) == first && memcmp(uts.machine, between, first) == 0);
            known = processor && (has_line_with("/etc/os-release", comma + 2, second) ||
                                     memcmp(comma + 2, "unknown system", second) == 0);
        }
    }
    assert_true(known);
}

/* [STAT-10] Counts are those since the start; times are those of the interval alone. */
static void samples_are_of_their_second(void **state)
{
    (void)state;
    ph_fleet_stats_add(&report.total, PH_FLEET_CAPTURED, 10);
    ph_fleet_stats_set(&report.total, PH_FLEET_CONNECTED, 150);
    for (int i = 0; i < 100; i++) {
        ph_fleet_stats_time(&report.total, PH_FLEET_ACK_US, 10);
    }
    sample(1000);
    ph_fleet_stats_add(&report.total, PH_FLEET_CAPTURED, 5);
    ph_fleet_stats_set(&report.total, PH_FLEET_CONNECTED, 120);
    ph_fleet_stats_time(&report.total, PH_FLEET_ACK_US, 200);
    ph_fleet_stats_time(&report.total, PH_FLEET_ACK_US, 240);
    ph_fleet_stats_time(&report.total, PH_FLEET_CONNECT_US, 99);
    sample(2001);
    sample(3000);
    assert_int_equal(report.sample_count, 3);
    assert_int_equal(report.samples[0].at_ms, 1000);
    assert_int_equal(report.samples[1].at_ms, 2001);
    assert_int_equal(report.samples[0].counts[PH_FLEET_CAPTURED], 10);
    assert_int_equal(report.samples[1].counts[PH_FLEET_CAPTURED], 15);
    assert_int_equal(report.samples[2].counts[PH_FLEET_CAPTURED], 15);
    assert_int_equal(report.samples[2].gauges[PH_FLEET_CONNECTED], 120);
    assert_times(0, PH_FLEET_ACK_US, 100, 10, 10, 10);
    assert_times(0, PH_FLEET_CONNECT_US, 0, 0, 0, 0);
    assert_times(1, PH_FLEET_ACK_US, 2, 200, 240, 240);
    assert_times(1, PH_FLEET_CONNECT_US, 1, 99, 99, 99);
    assert_times(2, PH_FLEET_ACK_US, 0, 0, 0, 0);
    assert_int_equal(report.elapsed_ms, 3000);
    assert_int_equal(report.connected_most, 150);
}

/* [STAT-11] However long a run is, its samples take a bounded room: the older ones are put
 * together, in order, without a count or a maximum lost; the last hour stays as it is. */
static void long_run(void **state)
{
    (void)state;
    enum { SECONDS = PH_FLEET_SAMPLES + 3617, HOUR = 3600 }; /* thinned out three times */
    for (int64_t s = 1; s <= SECONDS; s++) {
        ph_fleet_stats_add(&report.total, PH_FLEET_CAPTURED, 2);
        ph_fleet_stats_time(&report.total, PH_FLEET_ACK_US, s == 100 ? 255 : s % 100);
        sample(s * 1000);
        assert_true(report.sample_count <= PH_FLEET_SAMPLES);
    }
    int64_t times = 0;
    int64_t max_us = 0;
    int64_t before_ms = 0;
    for (size_t i = 0; i < report.sample_count; i++) {
        const struct ph_fleet_sample *at = &report.samples[i];
        assert_true(at->at_ms > before_ms);
        assert_int_equal(at->counts[PH_FLEET_CAPTURED], 2 * at->at_ms / 1000);
        assert_int_equal(at->times[PH_FLEET_ACK_US].count, (at->at_ms - before_ms) / 1000);
        assert_true(at->times[PH_FLEET_ACK_US].p50_us <= at->times[PH_FLEET_ACK_US].p99_us);
        assert_true(i + HOUR < report.sample_count || at->at_ms - before_ms == 1000);
        times += at->times[PH_FLEET_ACK_US].count;
        max_us =
            max_us > at->times[PH_FLEET_ACK_US].max_us ? max_us : at->times[PH_FLEET_ACK_US].max_us;
        before_ms = at->at_ms;
    }
    assert_int_equal(before_ms, INT64_C(1000) * SECONDS);
    assert_int_equal(times, SECONDS);
    assert_int_equal(max_us, 255);
}

/* [STAT-12] Notes are kept in order, as one line each, cut at a whole character. */
static void notes(void **state)
{
    (void)state;
    char lengthy[400];
    memset(lengthy, 'y', sizeof lengthy);
    lengthy[158] = '\xC3';
    lengthy[159] = '\xA9';
    lengthy[sizeof lengthy - 1] = '\0';
    ph_fleet_report_note(&report, 5, "worker %d ended:\n%s", 2, "signal 9");
    ph_fleet_report_note(&report, 6, "%s", lengthy);
    assert_int_equal(report.note_count, 2);
    assert_int_equal(report.notes[0].at_ms, 5);
    assert_string_equal(report.notes[0].text, "worker 2 ended:\\x0asignal 9");
    assert_int_equal(strlen(report.notes[1].text), 158);
}

/* [STAT-12] After a thousand notes the rest is counted. */
static void too_many_notes(void **state)
{
    (void)state;
    for (int i = 0; i < PH_FLEET_NOTES + 5; i++) {
        ph_fleet_report_note(&report, i, "note %d", i);
    }
    assert_int_equal(report.note_count, PH_FLEET_NOTES);
    assert_int_equal(report.notes_left_out, 5);
    assert_string_equal(report.notes[PH_FLEET_NOTES - 1].text, "note 999");
}

static void released_twice(void **state)
{
    (void)state;
    report.usage = calloc(1, sizeof *report.usage);
    sample(1);
    ph_fleet_report_note(&report, 1, "x");
    ph_fleet_report_fini(&report);
    assert_null(report.samples);
    ph_fleet_report_fini(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(begins_empty, begin, end),
        cmocka_unit_test_setup_teardown(machine, begin, end),
        cmocka_unit_test_setup_teardown(samples_are_of_their_second, begin, end),
        cmocka_unit_test_setup_teardown(long_run, begin, end),
        cmocka_unit_test_setup_teardown(notes, begin, end),
        cmocka_unit_test_setup_teardown(too_many_notes, begin, end),
        cmocka_unit_test_setup_teardown(released_twice, begin, end),
    };
    return cmocka_run_group_tests_name("ph.fleet.report", tests, NULL, NULL);
}
