/* [VIEW-19] [VIEW-20] */
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

/* To be released by free(). */
static char *summary_of(const struct view_testbed *bed)
{
    char *text = NULL;
    size_t len = 0;
    struct ph_fleet_output output;
    struct ph_error error = {0};
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    ph_fleet_summary_new(out, &output);
    assert_null(output.sample);
    assert_null(output.note);
    assert_int_equal(output.end(output.context, &bed->report, &error), PH_OK);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* [VIEW-19] nothing went wrong: what there was none of is not spoken of */
static void test_good(void **state)
{
    (void)state;
    struct view_testbed *bed = view_testbed_new();
    ph_fleet_stats_add(&bed->report.total, PH_FLEET_PUBLISHED, 300);
    bed->usage[2].cpu_s = 16.5;
    char *text = summary_of(bed);
    assert_string_equal(text,
        "\n200 thermostats on localhost:8883 for 15 s, a reading each 2.5 s\n"
        "began        2026-11-23T12:00:00.000Z\n"
        "machine      2 cores, a processor, a system\n"
        "connects     200; all 200 after 1.0 s, 200 per second; 0 refused, 0 lost\n"
        "readings     1,204 captured, 1,200 acknowledged, 4 pending, 0 lost\n"
        "messages     300 accepted by the broker, 0 refused\n"
        "latency              p50        p90        p99      p99.9        max\n"
        "  readings       0.20 ms    0.20 ms    0.20 ms    0.20 ms    0.20 ms\n"
        "  connecting      5.0 ms     5.0 ms     5.0 ms     5.0 ms     5.0 ms\n"
        "process         CPU time        CPU max memory per device\n"
        "  worker 1         1.5 s     10.0 %   20.0 MiB    205 KiB\n"
        "  worker 2         1.5 s     10.0 %   40.0 MiB    410 KiB\n"
        "  broker          16.5 s      110 %   60.0 MiB\n"
        "fleet: good: 200 devices, 1,204 readings, all acknowledged\n");
    free(text);
    free(bed);
}

static void assert_has(const char *text, const char *line)
{
    if (strstr(text, line) == NULL) {
        fail_msg("no \"%s\" in: %s", line, text);
    }
}

static void let_everything_happen(struct view_testbed *bed)
{
    for (size_t i = 0; i < PH_FLEET_COUNTS; i++) {
        ph_fleet_stats_add(&bed->report.total, (enum ph_fleet_count)i, 10000);
    }
    view_testbed_reason(bed, "refused: not authorized", 1005);
    view_testbed_reason(bed, "lost: \x1b[2J", 3);
    bed->acts[0] = (struct ph_act){.kind = PH_ACT_STORM, .at_s = 10};
    bed->acts[1] = (struct ph_act){.kind = PH_ACT_OUTAGE, .at_s = 90, .for_s = 30};
    bed->scenario.act_count = 2;
    bed->scenario.devices = 201;
    bed->usage[1].restarts = 2;
    bed->usage[2].pid = 0;
    bed->report.connected_all_ms = -1;
    bed->report.connected_most = 188;
    bed->report.broker = "evil\r.example:1";
    bed->report.verdict = PH_FLEET_LACKING;
    (void)snprintf(bed->report.lacks, sizeof bed->report.lacks, "13 devices never connected");
}

/* [VIEW-19] [VIEW-20] */
static void test_lacking(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "\n201 thermostats on evil\\x0d.example:1 for 15 s, a reading each 2.5 s\n",
        "\nacts         storm at 10 s; outage at 1 m 30 s for 30 s\n",
        "\nconnects     10,200; never all, at most 188 at once; 10,000 refused, 10,000 lost\n",
        "\nreadings     11,204 captured, 11,200 acknowledged, 4 pending, 20,000 lost\n",
        "\nmessages     10,000 accepted by the broker, 10,000 refused\n",
        "\nrenewals     10,000 certificates\n",
        "\nfailed       10,000 devices, and stayed away\n",
        "\ngone mad     10,000 messages sent, 10,000 refused, 10,000 accepted\n",
        "\nthief        10,000 tried, 10,000 refused, 10,000 granted on its own topics, "
        "10,000 on others'\n",
        "\nrefused or lost, by reason\n"
        "      1,005  refused: not authorized\n"
        "          3  lost: \\x1b[2J\n",
        "\n  worker 1         1.5 s     10.0 %   20.0 MiB    203 KiB\n"
        "  worker 2         1.5 s     10.0 %   40.0 MiB    410 KiB  started again: 2\n"
        "  broker           3.0 s     20.0 %   60.0 MiB  gone\n",
    };
    static const char last[] = "\nfleet: lacking: 13 devices never connected\n";
    struct view_testbed *bed = view_testbed_new();
    let_everything_happen(bed);
    char *text = summary_of(bed);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_has(text, lines[i]);
    }
    assert_string_equal(text + strlen(text) - strlen(last), last);
    free(text);
    free(bed);
}

/* [VIEW-19] a run that ended before anything was done divides by nothing */
static void test_empty(void **state)
{
    (void)state;
    struct view_testbed *bed = view_testbed_new();
    struct ph_fleet_report *report = &bed->report;
    memset(&report->total, 0, sizeof report->total);
    report->elapsed_ms = 0;
    report->connected_all_ms = 0;
    report->worker_count = 0;
    report->machine[0] = '\0';
    char *text = summary_of(bed);
    assert_has(text, "\nconnects     0; 0 refused, 0 lost\n");
    assert_has(text, "\n  readings             -          -          -          -          -\n");
    assert_has(text, "\n  worker 1         1.5 s      0.0 %   20.0 MiB\n");
    assert_null(strstr(text, "machine"));
    free(text);
    free(bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_lacking),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
