/* [VIEW-9] to [VIEW-13] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "device/fleet/view_frame.h"
#include "device/fleet/view_testbed.h"

static struct screen screen;

static void show_with(const struct view_testbed *bed, const struct ph_view_cpu *cpu,
    const struct ph_terminal *terminal)
{
    struct ph_buf frame;
    ph_buf_init(&frame, PH_CANVAS_BYTES);
    assert_int_equal(ph_view_draw(&bed->report, cpu, terminal, true, &frame), PH_OK);
    screen_init(&screen, terminal->columns, terminal->rows);
    screen_write(&screen, frame.data, frame.len);
    ph_buf_fini(&frame);
}

static void show(const struct view_testbed *bed, size_t columns, size_t rows)
{
    static const struct ph_view_cpu unknown;
    show_with(bed, &unknown, &(struct ph_terminal){columns, rows, true, true});
}

static void assert_screen(const char *const *want, size_t count)
{
    for (size_t row = 0; row < screen.rows; row++) {
        assert_string_equal(screen_row(&screen, row), row < count ? want[row] : "");
    }
}

#define EIGHT(block) block block block block block block block block

/* [VIEW-9] the whole of it, where there is room */
static void test_golden(void **state)
{
    (void)state;
    static const char *const want[] = {
        "200 thermostats on localhost:8883, a reading each 2.5 s",
        "15 s of 1 m 0 s  " EIGHT("\u2588") "\u2588\u2588" EIGHT("\u2591") EIGHT("\u2591")
            EIGHT("\u2591") "\u2591\u2591\u2591\u2591\u2591\u2591 25 %",
        "",
        "connected            200     of 200",
        "connects             200      0.0/s  all after 1.0 s",
        "captured           1,204     80.0/s",
        "acknowledged       1,200     80.0/s",
        "pending                4",
        "lost                   0",
        "",
        "latency              p50        p99        max",
        "this second      0.20 ms    0.20 ms    0.20 ms",
        "whole run        0.20 ms    0.20 ms    0.20 ms",
        "connecting        5.0 ms     5.0 ms     5.0 ms",
        "",
        "acknowledged    to 80.0/s " EIGHT("\u2588") "\u2588\u2588\u2588\u2588\u2588\u2588\u2588",
        "latency p99    to 0.20 ms " EIGHT("\u2588") "\u2588\u2588\u2588\u2588\u2588\u2588\u2588",
        "",
        "connections  0 refused, 0 lost",
        "",
        "process              CPU     memory",
        "worker 1          50.0 %   10.0 MiB",
        "worker 2               -   20.0 MiB",
        "broker             100 %   30.0 MiB",
    };
    struct view_testbed *bed = view_testbed_new();
    struct ph_view_cpu cpu = {0};
    ph_view_cpu_take(&cpu, &bed->report);
    bed->report.elapsed_ms += 500;
    bed->usage[0].cpu_s += 0.25;
    bed->usage[1].pid++; /* another process: it has not used anything yet */
    bed->usage[2].cpu_s += 0.5;
    ph_view_cpu_take(&cpu, &bed->report);
    bed->report.elapsed_ms -= 500;
    show_with(bed, &cpu, &(struct ph_terminal){80, 25, true, true});
    assert_screen(want, sizeof want / sizeof want[0]);
    assert_true(screen.colours > 0);
    free(bed);
}

/* [VIEW-9] what a small terminal keeps; without UTF-8 and colours */
static void test_golden_small(void **state)
{
    (void)state;
    static const char *const want[] = {
        "200 thermostats on localhost:8883, a re~",
        "15 s of 1 m 0 s  ####............. 25 %",
        "connected            200     of 200",
        "captured           1,204     80.0/s",
        "acknowledged       1,200     80.0/s",
        "pending                4",
        "latency            p50      p99      max",
        "this second    0.20 ms  0.20 ms  0.20 ms",
        "whole run      0.20 ms  0.20 ms  0.20 ms",
        "connections  12 refused, 0 lost",
        "         12  refused: not authorized",
        "15 s         worker 1 was killed",
    };
    static const struct ph_view_cpu unknown;
    struct view_testbed *bed = view_testbed_new();
    ph_fleet_stats_add(&bed->report.total, PH_FLEET_REFUSALS, 12);
    view_testbed_reason(bed, "refused: not authorized", 12);
    view_testbed_note(bed, "an older note");
    view_testbed_note(bed, "worker 1 was killed");
    show_with(bed, &unknown, &(struct ph_terminal){40, 12, false, false});
    assert_screen(want, sizeof want / sizeof want[0]);
    assert_int_equal(screen.colours, 0);
    free(bed);
}

static void let_everything_happen(struct view_testbed *bed)
{
    struct ph_fleet_report *report = &bed->report;
    for (int i = 0; i < 30; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "reason %d \x1b[2J \u6771\u4eac \xff\n", i);
        view_testbed_reason(bed, text, 100 - i);
        view_testbed_note(bed,
            "evil\n\x1b[H\u202e-\u202c \u6771\u4eac, and so on until it is much longer "
            "than any of the terminals can be wide, which takes a while");
    }
    for (size_t i = 0; i < PH_FLEET_COUNTS; i++) {
        ph_fleet_stats_add(&report->total, (enum ph_fleet_count)i, INT64_C(1) << 50);
    }
    for (int i = 0; i < 500; i++) {
        view_testbed_second(bed, 100 + INT64_C(30000) * (i % 37));
    }
    report->usage_count = 64;
    for (size_t i = 3; i < 64; i++) {
        bed->usage[i] = (struct ph_fleet_usage){.name = "a\x1b[31mlong name", .restarts = 3};
    }
    ph_fleet_stats_set(&report->total, PH_FLEET_CONNECTED, 17);
    ph_fleet_stats_set(&report->total, PH_FLEET_SUSPENDED, 100);
    bed->scenario.devices = 100000;
    bed->scenario.duration_s = 3600;
    bed->scenario.day.hours = 0.5;
    bed->scenario.day.swing = 0.6;
    bed->acts[0] = (struct ph_act){.kind = PH_ACT_OUTAGE, .at_s = 10, .for_s = 3000};
    bed->acts[1] = (struct ph_act){.kind = PH_ACT_THIEF, .at_s = 3000};
    bed->scenario.act_count = 2;
}

/* [VIEW-10] never beyond the edges, and nothing of what stood there before is left; screen_write()
 * checks the edges and that no byte from outside takes effect */
static void test_every_size(void **state)
{
    (void)state;
    struct view_testbed *quiet = view_testbed_new();
    struct view_testbed *busy = view_testbed_new();
    let_everything_happen(busy);
    for (size_t columns = 40; columns <= 200; columns++) {
        for (size_t rows = 12; rows <= 60; rows++) {
            show((columns + rows) % 2 == 0 ? quiet : busy, columns, rows);
            for (size_t row = 0; row < rows; row++) {
                assert_null(strchr(screen_row(&screen, row), 'X'));
            }
            assert_string_not_equal(screen_find(&screen, "acknowledged"), "");
        }
    }
    show(busy, 1, 1);
    show(busy, 7, 2);
    free(quiet);
    free(busy);
}

/* [VIEW-11] texts from outside are shown, not obeyed */
static void test_hostile(void **state)
{
    (void)state;
    struct view_testbed *bed = view_testbed_new();
    view_testbed_reason(bed, "refused: \x1b[2J\r\nfleet: good", 7);
    view_testbed_note(bed, "\x1b]0;title\x07");
    bed->report.broker = "host\x1b[31m:1";
    show(bed, 100, 40);
    assert_string_equal(
        screen_find(&screen, "          7"), "          7  refused: \\x1b[2J\\x0d\\x0afleet: good");
    assert_string_equal(screen_find(&screen, "15 s        "), "15 s         \\x1b]0;title\\x07");
    assert_string_equal(
        screen_row(&screen, 0), "200 thermostats on host\\x1b[31m:1, a reading each 2.5 s");
    free(bed);
}

/* [VIEW-12] what happens now and next */
static void test_acts(void **state)
{
    (void)state;
    static const struct {
        int64_t elapsed_ms;
        const char *want;
    } rows[] = {
        {15000, "storm in 5 s"},
        {22000, "storm 2 s ago; outage in 8 s"},
        {32000, "now outage, 28 s to go; mad in 3 s"},
        {36000, "now outage, 24 s to go; now mad, 4 s to go"},
        {60000, "ending: 4 readings await their acknowledgement"},
    };
    struct view_testbed *bed = view_testbed_new();
    bed->acts[0] = (struct ph_act){.kind = PH_ACT_STORM, .at_s = 20};
    bed->acts[1] = (struct ph_act){.kind = PH_ACT_OUTAGE, .at_s = 30, .for_s = 30};
    bed->acts[2] = (struct ph_act){.kind = PH_ACT_MAD, .at_s = 35, .for_s = 5};
    bed->scenario.act_count = 3;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bed->report.elapsed_ms = rows[i].elapsed_ms;
        show(bed, 80, 40);
        assert_string_equal(screen_row(&screen, 2), rows[i].want);
    }
    bed->scenario.act_count = 0;
    bed->scenario.duration_s = 0;
    show(bed, 80, 40);
    assert_string_equal(screen_row(&screen, 1), "1 m 0 s, goes on until it is stopped");
    assert_string_equal(screen_row(&screen, 2), "");
    free(bed);
}

/* [VIEW-12] a bar as long as somebody is missing */
static void test_connecting(void **state)
{
    (void)state;
    struct view_testbed *bed = view_testbed_new();
    bed->report.connected_all_ms = -1;
    ph_fleet_stats_set(&bed->report.total, PH_FLEET_CONNECTED, 50);
    show(bed, 57, 30);
    assert_string_equal(screen_find(&screen, "connected"),
        "connected             50     of 200  \u2588\u2588\u2588\u2588\u2588" EIGHT(
            "\u2591") "\u2591\u2591\u2591\u2591\u2591\u2591\u2591");
    assert_string_equal(screen_find(&screen, "connects"), "connects             200      0.0/s");
    ph_fleet_stats_set(&bed->report.total, PH_FLEET_SUSPENDED, 150);
    show(bed, 57, 30);
    assert_string_equal(screen_find(&screen, "connected"),
        "connected             50     of 200  \u2588\u258c\u2591\u2591\u2591\u2591  "
        "150 kept off");
    free(bed);
}

/* [VIEW-12] what is not zero, and only that */
static void test_trouble(void **state)
{
    (void)state;
    struct view_testbed *bed = view_testbed_new();
    struct ph_fleet_stats *total = &bed->report.total;
    show(bed, 80, 40);
    assert_string_equal(screen_find(&screen, "gone mad"), "");
    assert_string_equal(screen_find(&screen, "thief"), "");
    assert_string_equal(screen_find(&screen, "renewals"), "");
    ph_fleet_stats_add(total, PH_FLEET_MAD_TRIED, 1000);
    ph_fleet_stats_add(total, PH_FLEET_MAD_REFUSED, 999);
    ph_fleet_stats_add(total, PH_FLEET_MAD_PASSED, 1);
    ph_fleet_stats_add(total, PH_FLEET_THEFT_TRIED, 20);
    ph_fleet_stats_add(total, PH_FLEET_THEFT_REFUSED, 18);
    ph_fleet_stats_add(total, PH_FLEET_THEFT_OWN, 2);
    ph_fleet_stats_add(total, PH_FLEET_RENEWALS, 3);
    ph_fleet_stats_add(total, PH_FLEET_DROPPED, 5);
    ph_fleet_stats_add(total, PH_FLEET_FAILED, 6);
    ph_fleet_stats_add(total, PH_FLEET_UNPUBLISHED, 7);
    show(bed, 80, 40);
    assert_string_equal(
        screen_find(&screen, "gone mad"), "gone mad     1,000 sent, 999 refused, 1 accepted");
    assert_string_equal(screen_find(&screen, "thief"), "thief        20 tried, 18 refused, 2 own");
    assert_string_equal(screen_find(&screen, "renewals"), "renewals               3      0.0/s");
    assert_string_equal(screen_find(&screen, "lost"), "lost                   5");
    assert_string_equal(screen_find(&screen, "connections"),
        "connections  0 refused, 0 lost, 7 messages refused, 6 devices failed");
    ph_fleet_stats_add(total, PH_FLEET_THEFT_FOREIGN, 1);
    show(bed, 80, 40);
    assert_string_equal(screen_find(&screen, "thief"),
        "thief        1 of others' granted; 20 tried, 18 refused, 2 own");
    free(bed);
}

/* [VIEW-13] */
static void test_verdict(void **state)
{
    (void)state;
    struct view_testbed *bed = view_testbed_new();
    bed->report.ended = true;
    bed->usage[0].pid = 0;
    show(bed, 80, 12);
    assert_string_equal(
        screen_row(&screen, 2), "good: 200 devices, 1,204 readings, all acknowledged");
    bed->report.verdict = PH_FLEET_LACKING;
    (void)snprintf(bed->report.lacks, sizeof bed->report.lacks, "3 readings lost");
    show(bed, 80, 40);
    assert_string_equal(screen_row(&screen, 2), "lacking: 3 readings lost");
    assert_string_equal(screen_find(&screen, "worker 1"), "worker 1           ended");
    free(bed);
}

/* [VIEW-9] of the last five samples, and of the time that they took */
static void test_rates(void **state)
{
    (void)state;
    struct view_testbed *bed = view_testbed_new();
    ph_fleet_stats_add(&bed->report.total, PH_FLEET_ACKNOWLEDGED, 550);
    view_testbed_second(bed, 200);
    show(bed, 80, 40);
    assert_string_equal(
        screen_find(&screen, "acknowledged "), "acknowledged       1,830      190/s");
    for (int i = 0; i < 5; i++) {
        view_testbed_second(bed, 200);
    }
    show(bed, 80, 40);
    assert_string_equal(
        screen_find(&screen, "acknowledged "), "acknowledged       2,230     80.0/s");
    bed->samples[bed->report.sample_count - 1].at_ms += 3000;
    show(bed, 80, 40);
    assert_string_equal(
        screen_find(&screen, "acknowledged "), "acknowledged       2,230     50.0/s");
    free(bed);
}

/* [VIEW-9] before the first second there is nothing to divide by */
static void test_first_moment(void **state)
{
    (void)state;
    struct view_testbed *bed = view_testbed_new();
    memset(&bed->report.total, 0, sizeof bed->report.total);
    bed->report.sample_count = 0;
    bed->report.elapsed_ms = 0;
    bed->report.connected_all_ms = -1;
    show(bed, 80, 40);
    assert_string_equal(screen_find(&screen, "captured"), "captured               0      0.0/s");
    assert_string_equal(
        screen_find(&screen, "this second"), "this second            -          -          -");
    assert_string_equal(screen_find(&screen, "latency p99"), "latency p99             -");
    free(bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_golden_small),
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_acts),
        cmocka_unit_test(test_connecting),
        cmocka_unit_test(test_trouble),
        cmocka_unit_test(test_verdict),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_first_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
