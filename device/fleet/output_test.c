/* ph.fleet.output: the JSON report, read back with the project's own parser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/version.h"
#include "device/fleet/output_testbed.h"

/* [STAT-19] What ran where, and how it ended. */
static void says_what_ran(void **state)
{
    (void)state;
    const struct ph_json_value *root = testbed_read_back();
    assert_int_equal(json_integer(root, "format"), 1);
    assert_string_equal(json_text(root, "program"), "ph-fleet");
    assert_string_equal(json_text(root, "version"), PH_VERSION);
    assert_string_equal(json_text(root, "began"), testbed_report.began);
    assert_string_equal(json_text(root, "machine"), testbed_report.machine);
    assert_string_equal(json_text(root, "broker"), "localhost:8883");
    assert_string_equal(json_text(root, "verdict"), "lacking");
    assert_string_equal(json_text(root, "lacks"), testbed_report.lacks);
    assert_true(strlen(testbed_report.lacks) > 0);
    assert_int_equal(json_integer(root, "elapsed_ms"), 2000);
    assert_int_equal(json_integer(root, "connected_all_ms"), 2500);
    assert_int_equal(json_integer(root, "connected_most"), 21);
    assert_int_equal(json_integer(root, "workers"), 1);
}

/* [STAT-19] A good run says so; that not all were ever connected is null. */
static void other_endings(void **state)
{
    (void)state;
    testbed_report.verdict = PH_FLEET_GOOD;
    testbed_report.lacks[0] = '\0';
    testbed_report.connected_all_ms = -1;
    const struct ph_json_value *root = testbed_read_back();
    assert_string_equal(json_text(root, "verdict"), "good");
    assert_string_equal(json_text(root, "lacks"), "");
    assert_int_equal(ph_json_type(json_member(root, "connected_all_ms")), PH_JSON_NULL);
}

/* [STAT-19] The scenario, with the keys of its file. */
static void says_the_scenario(void **state)
{
    (void)state;
    const struct ph_json_value *told = json_member(testbed_read_back(), "scenario");
    assert_int_equal(json_integer(told, "devices"), 200);
    assert_int_equal(json_integer(told, "seed"), 7);
    assert_int_equal(json_integer(told, "interval_ms"), 10000);
    assert_int_equal(json_integer(told, "duration_s"), 30);
    assert_int_equal(json_integer(told, "connects_per_s"), 100);
    assert_string_equal(json_text(told, "tenant"), "acme");
    assert_string_equal(json_text(told, "kind"), "thermostat");
    assert_string_equal(json_text(told, "prefix"), "t-");
    assert_true(json_number(json_member(told, "day"), "hours") == 24);
    assert_true(json_number(json_member(told, "day"), "swing") == 0.5);
    assert_true(json_number(json_member(told, "houses"), "outdoor_c") == -6.5);
    assert_string_equal(json_text(json_member(told, "houses"), "start"), "2026-01-15T06:00:00Z");
    assert_true(json_number(json_member(told, "houses"), "speed") == 60);
    assert_int_equal(json_integer(json_member(told, "certificates"), "days"), 30);
    assert_int_equal(json_integer(json_member(told, "certificates"), "minutes"), 0);
    const struct ph_json_value *list = json_member(told, "acts");
    assert_int_equal(ph_json_count(list), 2);
    assert_string_equal(json_text(json_at(list, 0), "do"), "storm");
    assert_true(json_number(json_at(list, 0), "share") == 0.25);
    assert_int_equal(ph_json_count(json_member(json_at(list, 0), "how")), 0);
    const struct ph_json_value *mad = json_at(list, 1);
    assert_string_equal(json_text(mad, "do"), "mad");
    assert_int_equal(json_integer(mad, "at_s"), 90);
    assert_int_equal(json_integer(mad, "for_s"), 30);
    assert_int_equal(json_integer(mad, "devices"), 3);
    assert_int_equal(json_integer(mad, "messages_per_s"), 0);
    assert_int_equal(ph_json_count(json_member(mad, "how")), 2);
    assert_string_equal(json_text_of(json_at(json_member(mad, "how"), 0)), "flood");
    assert_string_equal(json_text_of(json_at(json_member(mad, "how"), 1)), "foreign");
}

/* [STAT-19] Every count and gauge by its name, and nothing else. */
static void says_the_totals(void **state)
{
    (void)state;
    const struct ph_json_value *root = testbed_read_back();
    const struct ph_json_value *totals = json_member(root, "totals");
    const struct ph_json_value *gauges = json_member(root, "gauges");
    for (int i = 0; i < PH_FLEET_COUNTS; i++) {
        assert_int_equal(
            json_integer(totals, ph_fleet_count_name((enum ph_fleet_count)i)), 2 * (1000 + i));
    }
    assert_int_equal(json_integer(totals, "drained"), 198);
    assert_int_equal(ph_json_count(totals), PH_FLEET_COUNTS + 1);
    for (int i = 0; i < PH_FLEET_GAUGES; i++) {
        assert_int_equal(json_integer(gauges, ph_fleet_gauge_name((enum ph_fleet_gauge)i)), 20 + i);
    }
    assert_int_equal(ph_json_count(gauges), PH_FLEET_GAUGES);
}

/* [STAT-17] From the steps alone another makes the same histogram, so runs can be added up. */
static void times_can_be_added_up(void **state)
{
    (void)state;
    static struct ph_histogram copy;
    memset(&copy, 0, sizeof copy);
    const struct ph_json_value *times = json_member(testbed_read_back(), "times");
    const struct ph_json_value *ack = json_member(times, "ack");
    const struct ph_json_value *steps = json_member(ack, "steps");
    for (const struct ph_json_value *step = ph_json_first(steps); step != NULL;
         step = ph_json_next(step)) {
        ph_histogram_record(
            &copy, json_integer_of(json_at(step, 0)), json_integer_of(json_at(step, 1)));
    }
    assert_memory_equal(&copy, &testbed_report.total.times[PH_FLEET_ACK_US], sizeof copy);
    assert_int_equal(json_integer(ack, "count"), 600);
    assert_int_equal(json_integer(ack, "p50_us"), ph_histogram_quantile(&copy, 0.5));
    assert_int_equal(json_integer(ack, "p90_us"), ph_histogram_quantile(&copy, 0.9));
    assert_int_equal(json_integer(ack, "p99_us"), ph_histogram_quantile(&copy, 0.99));
    assert_int_equal(json_integer(ack, "p99_9_us"), ph_histogram_quantile(&copy, 0.999));
    assert_int_equal(json_integer(ack, "max_us"), ph_histogram_quantile(&copy, 1));
    assert_true(json_number(ack, "mean_us") == ph_histogram_mean(&copy));
    const struct ph_json_value *connect = json_member(times, "connect");
    assert_int_equal(json_integer(connect, "count"), 0);
    assert_int_equal(json_integer(connect, "p99_us"), 0);
    assert_int_equal(ph_json_count(json_member(connect, "steps")), 0);
}

/* [STAT-20] A row for each sample; the columns say what stands where. */
static void samples_are_rows(void **state)
{
    (void)state;
    const struct ph_json_value *samples = json_member(testbed_read_back(), "samples");
    assert_int_equal(ph_json_count(json_member(samples, "rows")), 2);
    for (size_t row = 0; row < 2; row++) {
        const struct ph_fleet_sample *sample = &testbed_report.samples[row];
        assert_int_equal(testbed_cell(samples, row, "at_ms"), 1000 * (row + 1));
        for (int i = 0; i < PH_FLEET_COUNTS; i++) {
            assert_int_equal(
                testbed_cell(samples, row, ph_fleet_count_name((enum ph_fleet_count)i)),
                sample->counts[i]);
        }
        for (int i = 0; i < PH_FLEET_GAUGES; i++) {
            assert_int_equal(
                testbed_cell(samples, row, ph_fleet_gauge_name((enum ph_fleet_gauge)i)),
                sample->gauges[i]);
        }
        assert_int_equal(testbed_cell(samples, row, "ack_count"), 300);
        assert_int_equal(testbed_cell(samples, row, "ack_p50_us"), sample->times[0].p50_us);
        assert_int_equal(testbed_cell(samples, row, "ack_p99_us"), sample->times[0].p99_us);
        assert_int_equal(testbed_cell(samples, row, "ack_max_us"), sample->times[0].max_us);
        assert_true(sample->times[0].max_us > 0);
        assert_int_equal(testbed_cell(samples, row, "connect_count"), 0);
    }
}

/* [STAT-19] Reasons with the most frequent first, usage, notes: quotes and brackets in a text
 * included. */
static void says_the_rest(void **state)
{
    (void)state;
    const struct ph_json_value *root = testbed_read_back();
    const struct ph_json_value *reasons = json_member(root, "reasons");
    assert_int_equal(ph_json_count(reasons), 2);
    assert_string_equal(json_text(json_at(reasons, 0), "text"), "gone {");
    assert_int_equal(json_integer(json_at(reasons, 0), "count"), 2);
    assert_string_equal(json_text(json_at(reasons, 1), "text"), "banned");
    const struct ph_json_value *usage = json_member(root, "usage");
    assert_int_equal(ph_json_count(usage), 2);
    assert_string_equal(json_text(json_at(usage, 0), "name"), "worker 1");
    assert_int_equal(json_integer(json_at(usage, 0), "pid"), 4711);
    assert_true(json_number(json_at(usage, 0), "cpu_s") == 12.25);
    assert_int_equal(json_integer(json_at(usage, 0), "rss_bytes"), 50000000);
    assert_int_equal(json_integer(json_at(usage, 0), "rss_max_bytes"), 60000000);
    assert_int_equal(json_integer(json_at(usage, 0), "restarts"), 2);
    assert_string_equal(json_text(json_at(usage, 1), "name"), "broker \"x\"");
    const struct ph_json_value *notes = json_member(root, "notes");
    assert_int_equal(ph_json_count(notes), 1);
    assert_int_equal(json_integer(json_at(notes, 0), "at_ms"), 500);
    assert_string_equal(
        json_text(json_at(notes, 0), "text"), "worker 1 ended: signal 9, \"started\" again");
    assert_int_equal(json_integer(root, "notes_left_out"), 4);
}

/* [STAT-19] A run that ended before anything happened is a whole report too. */
static void nothing_happened(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_scenario bare = {.devices = 1};
    ph_fleet_report_fini(&testbed_report);
    assert_int_equal(ph_fleet_report_init(&testbed_report, &bare, "b:1", &error), PH_OK);
    const struct ph_json_value *root = testbed_read_back();
    assert_int_equal(ph_json_count(json_member(json_member(root, "samples"), "rows")), 0);
    assert_int_equal(ph_json_count(json_member(root, "reasons")), 0);
    assert_int_equal(ph_json_count(json_member(root, "usage")), 0);
    assert_int_equal(ph_json_count(json_member(root, "notes")), 0);
    assert_int_equal(ph_json_count(json_member(json_member(root, "scenario"), "acts")), 0);
    assert_int_equal(
        ph_json_type(json_member(json_member(root, "scenario"), "tenant")), PH_JSON_NULL);
}

/* [STAT-18] A folder that is not there is an error that names the file. */
static void no_such_folder(void **state)
{
    (void)state;
    struct ph_error error = {0};
    assert_int_equal(testbed_write("/nowhere/report.json", &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "/nowhere"));
}

/* [STAT-18] "-" is standard output. */
static void to_standard_output(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct stat st;
    assert_int_equal(fflush(stdout), 0);
    int kept = dup(STDOUT_FILENO);
    assert_true(kept >= 0);
    FILE *file = fopen(testbed_path, "we");
    assert_non_null(file);
    assert_int_equal(dup2(fileno(file), STDOUT_FILENO), STDOUT_FILENO);
    enum ph_err err = testbed_write("-", &error);
    assert_int_equal(dup2(kept, STDOUT_FILENO), STDOUT_FILENO);
    assert_int_equal(close(kept), 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(err, PH_OK);
    struct ph_buf printed;
    struct ph_buf stored;
    ph_buf_init(&printed, PH_LIMIT_MESSAGE_BYTES);
    ph_buf_init(&stored, PH_LIMIT_MESSAGE_BYTES);
    assert_int_equal(ph_file_load(testbed_path, &printed, &error), PH_OK);
    assert_int_equal(testbed_write(testbed_path, &error), PH_OK);
    assert_int_equal(stat(testbed_path, &st), 0);
    assert_int_equal(st.st_mode & 07777U, 0644);
    assert_int_equal(ph_file_load(testbed_path, &stored, &error), PH_OK);
    assert_string_equal(printed.data, stored.data);
    ph_buf_fini(&printed);
    ph_buf_fini(&stored);
    assert_int_equal(unlink(testbed_path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(says_what_ran, testbed_run, testbed_release),
        cmocka_unit_test_setup_teardown(other_endings, testbed_run, testbed_release),
        cmocka_unit_test_setup_teardown(says_the_scenario, testbed_run, testbed_release),
        cmocka_unit_test_setup_teardown(says_the_totals, testbed_run, testbed_release),
        cmocka_unit_test_setup_teardown(times_can_be_added_up, testbed_run, testbed_release),
        cmocka_unit_test_setup_teardown(samples_are_rows, testbed_run, testbed_release),
        cmocka_unit_test_setup_teardown(says_the_rest, testbed_run, testbed_release),
        cmocka_unit_test_setup_teardown(nothing_happened, testbed_run, testbed_release),
        cmocka_unit_test_setup_teardown(no_such_folder, testbed_run, testbed_release),
        cmocka_unit_test_setup_teardown(to_standard_output, testbed_run, testbed_release),
    };
    return cmocka_run_group_tests_name(
        "ph.fleet.output", tests, testbed_make_folder, testbed_remove_folder);
}
