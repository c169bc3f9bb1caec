/* [VIEW-16] to [VIEW-18] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/fleet/output_text.h"
#include "device/fleet/view_testbed.h"

struct told {
    char *text;
    size_t len;
    FILE *out;
    struct ph_fleet_output output;
};

static void begin(struct told *told)
{
    *told = (struct told){.text = NULL};
    told->out = open_memstream(&told->text, &told->len);
    assert_non_null(told->out);
    ph_fleet_lines_new(told->out, &told->output);
    assert_non_null(told->output.context);
}

static void finish(struct told *told, const char *want)
{
    told->output.free(told->output.context);
    assert_int_equal(fclose(told->out), 0);
    assert_string_equal(told->text, want);
    free(told->text);
}

/* [VIEW-16] a line each five seconds, also when samples come early or late; its percentiles are
 * those of the five seconds */
static void test_each_five_seconds(void **state)
{
    (void)state;
    static const int64_t at_ms[] = {
        998, 2001, 3003, 4000, 4996, 6004, 7000, 8000, 9000, 9999, 11002};
    struct view_testbed *bed = view_testbed_new();
    struct told told;
    begin(&told);
    for (size_t i = 0; i < sizeof at_ms / sizeof at_ms[0]; i++) {
        view_testbed_second(bed, i < 5 ? 200 : 5);
        bed->report.elapsed_ms = at_ms[i];
        told.output.sample(told.output.context, &bed->report);
    }
    finish(&told,
        "fleet: 5 s: 200 of 200 connected, 1,604 readings, 1,600 acknowledged, 4 pending, 0 lost, "
        "p50 0.20 ms, p99 0.20 ms, 0 refused, 0 cut off\n"
        "fleet: 10 s: 200 of 200 connected, 2,004 readings, 2,000 acknowledged, 4 pending, 0 lost, "
        "p50 0.01 ms, p99 0.01 ms, 0 refused, 0 cut off\n");
    free(bed);
}

/* [VIEW-16] the end is told, once; a time in which nothing was acknowledged has no percentiles */
static void test_end(void **state)
{
    (void)state;
    struct view_testbed *bed = view_testbed_new();
    struct told told;
    struct ph_error error = {0};
    begin(&told);
    told.output.sample(told.output.context, &bed->report);
    assert_int_equal(told.output.end(told.output.context, &bed->report, &error), PH_OK);
    bed->report.elapsed_ms = 3602000;
    bed->report.notes_left_out = 1200;
    ph_fleet_stats_add(&bed->report.total, PH_FLEET_DROPPED, 2);
    ph_fleet_stats_add(&bed->report.total, PH_FLEET_LOST, 1);
    ph_fleet_stats_add(&bed->report.total, PH_FLEET_REFUSALS, 12);
    ph_fleet_stats_add(&bed->report.total, PH_FLEET_LOSSES, 7);
    assert_int_equal(told.output.end(told.output.context, &bed->report, &error), PH_OK);
    finish(&told,
        "fleet: 15 s: 200 of 200 connected, 1,204 readings, 1,200 acknowledged, 4 pending, 0 lost, "
        "p50 0.20 ms, p99 0.20 ms, 0 refused, 0 cut off\n"
        "fleet: 3,602 s: 1,200 more notes are left out\n"
        "fleet: 3,602 s: 200 of 200 connected, 1,204 readings, 1,200 acknowledged, 4 pending, "
        "3 lost, p50 -, p99 -, 12 refused, 7 cut off\n");
    free(bed);
}

/* [VIEW-17] each note once, at once, in one line */
static void test_notes(void **state)
{
    (void)state;
    struct view_testbed *bed = view_testbed_new();
    struct told told;
    begin(&told);
    view_testbed_note(bed, "worker 1 was killed (signal 9): started again");
    told.output.note(told.output.context, &bed->report);
    assert_int_equal(
        told.len, strlen("fleet: 15 s: worker 1 was killed (signal 9): started again\n"));
    view_testbed_note(bed, "a\nfleet: good\x1b[1m");
    view_testbed_note(bed, "b");
    told.output.note(told.output.context, &bed->report);
    told.output.note(told.output.context, &bed->report);
    finish(&told, "fleet: 15 s: worker 1 was killed (signal 9): started again\n"
                  "fleet: 15 s: a\\x0afleet: good\\x1b[1m\n"
                  "fleet: 15 s: b\n");
    free(bed);
}

/* [VIEW-18] */
static void test_full_disk(void **state)
{
    (void)state;
    struct view_testbed *bed = view_testbed_new();
    struct ph_fleet_output output;
    struct ph_error error = {0};
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    ph_fleet_lines_new(full, &output);
    assert_int_equal(output.end(output.context, &bed->report, &error), PH_ERR_IO);
    assert_string_equal(
        error.message, "progress lines: cannot be written; look at where they go (a full disk?)");
    output.free(output.context);
    ph_error_clear(&error);
    ph_fleet_summary_new(full, &output);
    assert_int_equal(output.end(output.context, &bed->report, &error), PH_ERR_IO);
    assert_string_equal(
        error.message, "summary: cannot be written; look at where it goes (a full disk?)");
    (void)fclose(full);
    free(bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_five_seconds),
        cmocka_unit_test(test_end),
        cmocka_unit_test(test_notes),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
