/* ph.fleet.html_page: the report as a page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/fleet/html_testbed.h"

static struct testbed bed;
static char *page;

static void make_page(void)
{
    free(page);
    page = testbed_page(&bed);
    const char *fault = markup_fault(page);
    if (fault != NULL) {
        fail_msg("%s", fault);
    }
}

static int begin(void **state)
{
    (void)state;
    testbed_init(&bed, 200, 60);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    testbed_fini(&bed);
    free(page);
    page = NULL;
    return 0;
}

static void assert_page_has(const char *part)
{
    if (strstr(page, part) == NULL) {
        fail_msg("the page lacks: %s", part);
    }
}

static void assert_page_has_not(const char *part)
{
    if (strstr(page, part) != NULL) {
        fail_msg("the page has: %s", part);
    }
}

/* [HTML-1] */
static void it_is_one_file_that_fetches_and_runs_nothing(void **state)
{
    (void)state;
    make_page();
    assert_int_equal(strncmp(page, "<!DOCTYPE html>\n<html lang=\"en\">", 32), 0);
    assert_page_has("<meta charset=\"utf-8\">");
    assert_page_has("name=\"viewport\"");
    assert_page_has("\"default-src 'none'; style-src 'unsafe-inline';");
    assert_page_has("prefers-color-scheme:dark");
    assert_page_has("@media print");
    static const char *const banned[] = {"<script", "<link", "<img", "<iframe",
        "src=", "href=", "url(", "@import", "onload", "https:"};
    for (size_t i = 0; i < sizeof banned / sizeof banned[0]; i++) {
        assert_page_has_not(banned[i]);
    }
}

/* [HTML-2] */
static void the_verdict_stands_first_in_words(void **state)
{
    (void)state;
    make_page();
    assert_page_has("<h1>200 devices on localhost:8883</h1>");
    assert_page_has("Good.</b> Every device was connected");
    bed.report.verdict = PH_FLEET_LACKING;
    (void)snprintf(bed.report.lacks, sizeof bed.report.lacks, "3 readings <not> acknowledged");
    bed.report.connected_all_ms = -1;
    make_page();
    assert_page_has("Something lacks.</b> 3 readings &lt;not&gt; acknowledged.</p>");
    assert_page_has("never all of them");
    assert_page_has_not("Good.");
    bed.report.ended = false;
    make_page();
    assert_page_has("The run has not ended");
    assert_page_has_not("Something lacks.");
}

/* [HTML-2] */
static void what_is_not_all_is_not_a_hundred_percent(void **state)
{
    (void)state;
    int64_t captured = bed.report.total.counts[PH_FLEET_CAPTURED];
    bed.report.total.counts[PH_FLEET_ACKNOWLEDGED] = captured;
    make_page();
    assert_page_has("<small>100 % of those captured</small>");
    bed.report.total.counts[PH_FLEET_CAPTURED] = 10000000;
    bed.report.total.counts[PH_FLEET_ACKNOWLEDGED] = 9999999;
    make_page();
    assert_page_has("<b>9,999,999</b><small>99.99 % of those captured</small>");
}

/* [HTML-3] */
static void a_hostile_reason_is_text(void **state)
{
    (void)state;
    testbed_reason(&bed, "</td><script>alert(\"x\")</script>&\x1b[31m\n", 2);
    testbed_reason(&bed, "refused", 5);
    bed.report.broker = "<b>host</b>:1";
    (void)snprintf(bed.report.notes[0].text, sizeof bed.report.notes[0].text, "</svg><i>'");
    (void)snprintf(bed.report.usage[2].name, sizeof bed.report.usage[2].name, "<u>&");
    (void)snprintf(bed.report.machine, sizeof bed.report.machine, "</p>]]>");
    make_page();
    assert_page_has_not("<script");
    assert_page_has_not("<b>host");
    assert_page_has("&lt;/td&gt;&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;");
    assert_page_has("on &lt;b&gt;host&lt;/b&gt;:1</h1>");
    assert_page_has("<title>&lt;/svg&gt;&lt;i&gt;&#39;</title>");
    assert_true(strstr(page, "<td>refused</td>") < strstr(page, "&lt;/td&gt;"));
}

/* [HTML-4] [HTML-5] */
static void every_plot_is_there_once(void **state)
{
    (void)state;
    static const char *const ids[] = {"devices", "connects", "readings", "pending", "latency",
        "connecting", "losses", "refusals", "percentiles"};
    char id[32];
    make_page();
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        (void)snprintf(id, sizeof id, "<title id=\"%s-t\">", ids[i]);
        assert_page_has(id);
        assert_null(strstr(strstr(page, id) + 1, id));
    }
}

/* [HTML-4] A rate is per second however far the samples are apart, and the first counts too. */
static void rates_are_per_second(void **state)
{
    (void)state;
    bed.report.sample_count = 2;
    bed.report.samples[0].at_ms = 2000;
    bed.report.samples[0].counts[PH_FLEET_CONNECTS] = 84;
    bed.report.samples[1].at_ms = 2500;
    bed.report.samples[1].counts[PH_FLEET_CONNECTS] = 84 + 9;
    make_page();
    assert_page_has("<title>2 s: accepted 42</title>");
    assert_page_has("accepted 18</title>");
}

/* [HTML-5] */
static void quantiles_end_where_the_measurements_do(void **state)
{
    (void)state;
    memset(&bed.report.total.times, 0, sizeof bed.report.total.times);
    ph_histogram_record(&bed.report.total.times[PH_FLEET_ACK_US], 64, 100);
    make_page();
    assert_page_has("<title>99 %: latency of readings 64 \xc2\xb5s</title>");
    assert_page_has("<title>99.5 %: nothing was measured</title>");
    memset(&bed.report.total.times, 0, sizeof bed.report.total.times);
    make_page();
    assert_page_has("no reading was acknowledged");
    assert_page_has("<title>50 %: nothing was measured</title>");
}

/* [HTML-9] [HTML-10] */
static void acts_and_notes_are_marked_and_listed(void **state)
{
    (void)state;
    bed.report.notes_left_out = 1234;
    make_page();
    assert_page_has("<title>outage at 30 s for 6 s, 50 % of the devices</title><rect");
    assert_page_has("<td>mad at 42 s for 3 s, 3 devices</td>");
    assert_page_has("<title>worker 2 ended by signal 9, started again</title>");
    assert_page_has("<td class=\"n\">3</td><td class=\"n\">37.2 s</td>"
                    "<td>worker 2 ended by signal 9, started again</td>");
    assert_page_has("and 1,234 more, which were not kept");
}

/* [HTML-10] */
static void the_tables_tell_the_rest(void **state)
{
    (void)state;
    bed.report.total.counts[PH_FLEET_RENEWALS] = 1204;
    make_page();
    assert_page_has("<td>Certificates renewed</td><td class=\"n\">1,204</td>");
    assert_page_has("<td class=\"k\">worker 2</td><td class=\"n\">23.4 s</td>"
                    "<td class=\"n\">39 %</td><td class=\"n\">118 MiB</td>"
                    "<td class=\"n\">224 MiB</td><td class=\"n\">1</td>");
    assert_page_has("<td class=\"k\">broker</td>");
    assert_page_has("<pre tabindex=\"0\">devices: 200\nseed: 7\n");
    assert_page_has("<p>2 cores, a processor, a system</p>");
    assert_page_has_not("Thief:");
    bed.report.total.counts[PH_FLEET_THEFT_TRIED] = 5;
    bed.report.total.counts[PH_FLEET_THEFT_FOREIGN] = 1;
    make_page();
    assert_page_has(
        "<tr class=\"bad\"><td>Thief: granted, on topics of others</td><td class=\"n\">1</td>");
}

static void fill_notes(char letter)
{
    for (size_t i = 0; i < 1000; i++) {
        struct ph_fleet_note *note = &bed.report.notes[i];
        note->at_ms = (int64_t)i * 86400;
        memset(note->text, letter, sizeof note->text - 1);
    }
    bed.report.note_count = 1000;
}

/* [HTML-8] With as many notes and reasons as there can be; four bytes for one when each letter has
 * to be escaped. */
static void a_day_is_less_than_a_megabyte(void **state)
{
    (void)state;
    char reason[PH_FLEET_REASON_BYTES];
    testbed_fini(&bed);
    testbed_init(&bed, 10000, 86400);
    for (int i = 0; i < PH_FLEET_REASONS; i++) {
        (void)snprintf(reason, sizeof reason, "%d %0100d", i, 0);
        testbed_reason(&bed, reason, 1);
    }
    fill_notes('x');
    make_page();
    assert_in_range(strlen(page), 100000, 1000000);
    fill_notes('<');
    make_page();
    assert_in_range(strlen(page), 1000000, 2000000);
}

static void a_run_without_a_sample_is_a_page_too(void **state)
{
    (void)state;
    bed.report.sample_count = 0;
    bed.report.note_count = 0;
    bed.report.usage_count = 0;
    bed.report.worker_count = 0;
    bed.report.elapsed_ms = 0;
    bed.scenario.act_count = 0;
    memset(&bed.report.total, 0, sizeof bed.report.total);
    make_page();
    assert_page_has("none was captured");
    assert_page_has("nothing was measured");
    assert_page_has_not("Processes");
    static const char *const no_numbers[] = {"\"nan", ">nan", " nan", "Mnan", "Lnan", "-nan",
        "\"inf", ">inf", " inf", "Minf", "Linf", "-inf"};
    for (size_t i = 0; i < sizeof no_numbers / sizeof no_numbers[0]; i++) {
        assert_page_has_not(no_numbers[i]);
    }
}

/* [HTML-1] */
static void where_it_cannot_be_written_is_said(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_fleet_output output = {0};
    ph_fleet_html_new("/nonexistent/report.html", &output);
    assert_int_equal(output.end(output.context, &bed.report, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "/nonexistent/report.html"));
    assert_non_null(strstr(error.message, "No such file or directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            it_is_one_file_that_fetches_and_runs_nothing, begin, finish),
        cmocka_unit_test_setup_teardown(the_verdict_stands_first_in_words, begin, finish),
        cmocka_unit_test_setup_teardown(what_is_not_all_is_not_a_hundred_percent, begin, finish),
        cmocka_unit_test_setup_teardown(a_hostile_reason_is_text, begin, finish),
        cmocka_unit_test_setup_teardown(every_plot_is_there_once, begin, finish),
        cmocka_unit_test_setup_teardown(rates_are_per_second, begin, finish),
        cmocka_unit_test_setup_teardown(quantiles_end_where_the_measurements_do, begin, finish),
        cmocka_unit_test_setup_teardown(acts_and_notes_are_marked_and_listed, begin, finish),
        cmocka_unit_test_setup_teardown(the_tables_tell_the_rest, begin, finish),
        cmocka_unit_test_setup_teardown(a_day_is_less_than_a_megabyte, begin, finish),
        cmocka_unit_test_setup_teardown(a_run_without_a_sample_is_a_page_too, begin, finish),
        cmocka_unit_test_setup_teardown(where_it_cannot_be_written_is_said, begin, finish),
    };
    return cmocka_run_group_tests_name("ph.fleet.html_page", tests, NULL, NULL);
}
