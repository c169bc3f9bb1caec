#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "device/fleet/html_parts.h"

enum { SUB_BYTES = 120 };

static int64_t count_of(const struct ph_fleet_report *report, enum ph_fleet_count count)
{
    return atomic_load_explicit(&report->total.counts[count], memory_order_relaxed);
}

static void verdict(struct ph_html *html, const struct ph_fleet_report *report)
{
    if (!report->ended) {
        ph_html_raw(
            html, "<p class=\"verdict\">The run has not ended; this is how it stood.</p>\n");
    } else if (report->verdict == PH_FLEET_GOOD) {
        ph_html_raw(html,
            "<p class=\"verdict good\"><b>&#10003; Good.</b> Every device was connected, every "
            "reading was acknowledged, and nothing failed.</p>\n");
    } else {
        ph_html_raw(html, "<p class=\"verdict lacking\"><b>&#10007; Something lacks.</b> ");
        ph_html_text(html, report->lacks);
        ph_html_raw(html, ".</p>\n");
    }
}

static void about(struct ph_html *html, const struct ph_fleet_report *report)
{
    ph_html_raw(html, "<p class=\"about\">Began ");
    ph_html_text(html, report->began);
    ph_html_format(html,
        ", took %s. A reading each %s of each device; seed %" PRId64
        "; %zu worker process%s.</p>\n",
        ph_html_length(report->elapsed_ms).text,
        ph_show_interval(report->scenario->interval_ms).text, report->scenario->seed,
        report->worker_count, report->worker_count == 1 ? "" : "es");
}

static void tile(struct ph_html *html, const char *name, struct ph_shown value, const char *format,
    ...) PH_PRINTF(4, 5);

static void tile(
    struct ph_html *html, const char *name, struct ph_shown value, const char *format, ...)
{
    char sub[SUB_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sub, sizeof sub, format, args);
    va_end(args);
    ph_html_format(html, "<li>%s<b>%s</b><small>", name, value.text);
    ph_html_text(html, sub);
    ph_html_raw(html, "</small></li>\n");
}

static int64_t most_connected(const struct ph_fleet_report *report)
{
    int64_t most = 0;
    for (size_t i = 0; i < report->sample_count; i++) {
        int64_t now = report->samples[i].gauges[PH_FLEET_CONNECTED];
        most = now > most ? now : most;
    }
    return most;
}

static void device_tiles(struct ph_html *html, const struct ph_fleet_report *report)
{
    int64_t failed = count_of(report, PH_FLEET_FAILED);
    tile(html, "Devices", ph_show_count(report->scenario->devices), "%s ended with an error",
        failed == 0 ? "none" : ph_show_count(failed).text);
    struct ph_shown most = ph_show_count(most_connected(report));
    if (report->connected_all_ms >= 0) {
        tile(html, "Connected at once", most, "all of them after %s",
            ph_html_length(report->connected_all_ms).text);
    } else {
        tile(html, "Connected at once", most, "never all of them");
    }
}

/* Never "100 %" while one is missing. */
static double share_of(int64_t part, int64_t whole)
{
    return floor(1e4 * ((double)part / (double)whole)) / 100;
}

static void reading_tiles(struct ph_html *html, const struct ph_fleet_report *report)
{
    int64_t captured = count_of(report, PH_FLEET_CAPTURED);
    int64_t acknowledged = count_of(report, PH_FLEET_ACKNOWLEDGED);
    double seconds = (double)report->elapsed_ms / 1e3;
    tile(html, "Readings captured", ph_show_count(captured), "%s per second",
        ph_show_rate(seconds > 0 ? (double)captured / seconds : 0).text);
    if (captured > 0) {
        tile(html, "Acknowledged", ph_show_count(acknowledged), "%g %% of those captured",
            share_of(acknowledged, captured));
    } else {
        tile(html, "Acknowledged", ph_show_count(acknowledged), "none was captured");
    }
    tile(html, "Readings lost", ph_show_count(ph_show_lost(report)),
        "%s out of a full spool, %s into none",
        ph_show_count(count_of(report, PH_FLEET_DROPPED)).text,
        ph_show_count(count_of(report, PH_FLEET_LOST)).text);
}

static void time_tiles(struct ph_html *html, const struct ph_fleet_report *report)
{
    static const struct {
        const char *name;
        double share;
        const char *meaning;
    } tiles[] = {{"Latency, 50 %", 0.5, "half of the readings within"},
        {"Latency, 99 %", 0.99, "99 of 100 readings within"},
        {"Latency, most", 1, "no reading later"}};
    const struct ph_histogram *histogram = &report->total.times[PH_FLEET_ACK_US];
    bool any = ph_histogram_count(histogram) > 0;
    for (size_t i = 0; i < sizeof tiles / sizeof tiles[0]; i++) {
        int64_t us = ph_histogram_quantile(histogram, tiles[i].share);
        tile(html, tiles[i].name, any ? ph_html_us((double)us) : (struct ph_shown){"-"}, "%s",
            any ? tiles[i].meaning : "no reading was acknowledged");
    }
}

void ph_html_headline(struct ph_html *html, const struct ph_fleet_report *report)
{
    ph_html_format(html, "<header>\n<h1>%s device%s on ",
        ph_show_count(report->scenario->devices).text, report->scenario->devices == 1 ? "" : "s");
    ph_html_text(html, report->broker);
    ph_html_raw(html, "</h1>\n");
    verdict(html, report);
    about(html, report);
    ph_html_raw(html, "<ul class=\"tiles\">\n");
    device_tiles(html, report);
    reading_tiles(html, report);
    time_tiles(html, report);
    ph_html_raw(html, "</ul>\n</header>\n");
}
