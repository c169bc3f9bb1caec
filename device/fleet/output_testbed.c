#include "device/fleet/output_testbed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/random.h"

static char folder[] = "/tmp/ph-fleet-output-XXXXXX";
char testbed_path[64];

/* What a scenario owns, it could change. */
static char tenant[] = "acme";
static char kind[] = "thermostat";
static char prefix[] = "t-";
static char start[] = "2026-01-15T06:00:00Z";
static struct ph_act acts[] = {
    {.kind = PH_ACT_STORM, .at_s = 60, .share = 0.25},
    {.kind = PH_ACT_MAD,
        .at_s = 90,
        .for_s = 30,
        .devices = 3,
        .how = PH_MAD_FLOOD | PH_MAD_FOREIGN},
};
static struct ph_scenario scenario = {.devices = 200,
    .seed = 7,
    .interval_ms = 10000,
    .duration_s = 30,
    .connects_per_s = 100,
    .tenant = tenant,
    .kind = kind,
    .prefix = prefix,
    .day = {.hours = 24, .swing = 0.5},
    .houses = {.outdoor_c = -6.5, .start = start, .speed = 60},
    .certificates = {.days = 30},
    .acts = acts,
    .act_count = 2};
struct ph_fleet_report testbed_report;
static struct ph_json *parsed;

static void fill_usage(void)
{
    testbed_report.usage = calloc(2, sizeof *testbed_report.usage);
    assert_non_null(testbed_report.usage);
    testbed_report.usage_count = 2;
    testbed_report.worker_count = 1;
    testbed_report.usage[0] = (struct ph_fleet_usage){.name = "worker 1",
        .pid = 4711,
        .cpu_s = 12.25,
        .rss_bytes = 50000000,
        .rss_max_bytes = 60000000,
        .restarts = 2};
    testbed_report.usage[1] = (struct ph_fleet_usage){.name = "broker \"x\"", .cpu_s = 1};
}

int testbed_run(void **state)
{
    struct ph_error error = {0};
    struct ph_rng rng = {.state = 3};
    (void)state;
    assert_int_equal(
        ph_fleet_report_init(&testbed_report, &scenario, "localhost:8883", &error), PH_OK);
    for (int64_t s = 1; s <= 2; s++) {
        for (int i = 0; i < PH_FLEET_COUNTS; i++) {
            ph_fleet_stats_add(&testbed_report.total, (enum ph_fleet_count)i, 1000 + i);
        }
        for (int i = 0; i < PH_FLEET_GAUGES; i++) {
            ph_fleet_stats_set(&testbed_report.total, (enum ph_fleet_gauge)i, s * 10 + i);
        }
        for (int i = 0; i < 300; i++) {
            ph_fleet_stats_time(&testbed_report.total, PH_FLEET_ACK_US,
                1000 + (int64_t)(ph_rng_u64(&rng) % 500000));
        }
        assert_int_equal(ph_fleet_report_sample(&testbed_report, s * 1000, &error), PH_OK);
    }
    ph_fleet_stats_reason(&testbed_report.total, "banned");
    ph_fleet_stats_reason(&testbed_report.total, "gone {");
    ph_fleet_stats_reason(&testbed_report.total, "gone {");
    testbed_report.total.drained = 198;
    testbed_report.connected_all_ms = 2500;
    fill_usage();
    ph_fleet_report_note(&testbed_report, 500, "worker 1 ended: signal 9, \"started\" again");
    testbed_report.notes_left_out = 4;
    testbed_report.ended = true;
    ph_fleet_report_judge(&testbed_report);
    return 0;
}

int testbed_release(void **state)
{
    (void)state;
    ph_json_free(&parsed);
    ph_fleet_report_fini(&testbed_report);
    return 0;
}

enum ph_err testbed_write(const char *where, struct ph_error *error)
{
    struct ph_fleet_output output;
    ph_fleet_json_new(where, &output);
    assert_non_null(output.end);
    assert_null(output.sample);
    enum ph_err err = output.end(output.context, &testbed_report, error);
    if (output.free != NULL) {
        output.free(output.context);
    }
    return err;
}

const struct ph_json_value *testbed_read_back(void)
{
    struct ph_error error = {0};
    struct ph_buf text;
    ph_buf_init(&text, PH_LIMIT_MESSAGE_BYTES);
    assert_int_equal(testbed_write(testbed_path, &error), PH_OK);
    assert_int_equal(ph_file_load(testbed_path, &text, &error), PH_OK);
    enum ph_err err = ph_json_parse(text.data, text.len, &parsed, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(err, PH_OK);
    assert_int_equal(text.data[text.len - 1], '\n');
    ph_buf_fini(&text);
    assert_int_equal(unlink(testbed_path), 0);
    return ph_json_root(parsed);
}

/* ---- what a member holds ---- */

const struct ph_json_value *json_member(const struct ph_json_value *object, const char *name)
{
    const struct ph_json_value *value = ph_json_member(object, name);
    assert_non_null(value);
    return value;
}

double json_number(const struct ph_json_value *object, const char *name)
{
    const struct ph_json_value *value = json_member(object, name);
    assert_int_equal(ph_json_type(value), PH_JSON_NUMBER);
    return ph_json_number(value);
}

int64_t json_integer_of(const struct ph_json_value *value)
{
    int64_t out = -1;
    assert_true(ph_json_integer(value, -PH_LIMIT_SEQ, PH_LIMIT_SEQ, &out));
    return out;
}

int64_t json_integer(const struct ph_json_value *object, const char *name)
{
    return json_integer_of(json_member(object, name));
}

const char *json_text_of(const struct ph_json_value *value)
{
    assert_non_null(value);
    assert_int_equal(ph_json_type(value), PH_JSON_TEXT);
    return ph_json_text(value);
}

const char *json_text(const struct ph_json_value *object, const char *name)
{
    return json_text_of(json_member(object, name));
}

const struct ph_json_value *json_at(const struct ph_json_value *array, size_t index)
{
    assert_int_equal(ph_json_type(array), PH_JSON_ARRAY);
    const struct ph_json_value *value = ph_json_first(array);
    for (size_t i = 0; i < index && value != NULL; i++) {
        value = ph_json_next(value);
    }
    assert_non_null(value);
    return value;
}

int64_t testbed_cell(const struct ph_json_value *samples, size_t row, const char *column)
{
    const struct ph_json_value *columns = json_member(samples, "columns");
    const struct ph_json_value *cells = json_at(json_member(samples, "rows"), row);
    assert_int_equal(ph_json_count(cells), ph_json_count(columns));
    for (size_t i = 0; i < ph_json_count(columns); i++) {
        if (strcmp(json_text_of(json_at(columns, i)), column) == 0) {
            return json_integer_of(json_at(cells, i));
        }
    }
    fail_msg("no column %s", column);
    return -1;
}

int testbed_make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(testbed_path, sizeof testbed_path, "%s/report.json", folder);
    return 0;
}

int testbed_remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}
