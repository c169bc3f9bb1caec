#include <stdio.h>

#include "device/fleet/output_text.h"
#include "device/fleet/view_panels.h"

enum { NOTES = 12, SCALE = 12, CHART_LABEL = PH_VIEW_LABEL + SCALE };

/* The last seconds, one a column; the latest is the last of them. */
struct chart {
    double values[PH_CANVAS_COLUMNS];
    size_t count;
    double highest;
};

static void add_value(struct chart *chart, double value)
{
    chart->values[chart->count++] = value;
    chart->highest = value > chart->highest ? value : chart->highest;
}

static size_t first_shown(const struct ph_canvas *canvas, const struct ph_fleet_report *report)
{
    size_t room = canvas->terminal.columns;
    room = room < PH_CANVAS_COLUMNS ? room : PH_CANVAS_COLUMNS;
    room = room > CHART_LABEL + 1 ? room - CHART_LABEL - 1 : 0;
    return report->sample_count > room ? report->sample_count - room : 0;
}

static void draw_chart(struct ph_canvas *canvas, const struct chart *chart, int weight,
    const char *label, const char *scale, size_t height)
{
    for (size_t row = 0; row < height; row++) {
        ph_canvas_line(canvas, weight);
        ph_canvas_left(canvas, PH_INK_PLAIN, PH_VIEW_LABEL, row == 0 ? label : "");
        ph_canvas_right(canvas, PH_INK_PLAIN, SCALE, row == 0 ? scale : "");
        ph_canvas_printf(canvas, PH_INK_PLAIN, " ");
        ph_canvas_chart(canvas, chart->values, chart->count, chart->highest, row, height);
    }
}

static void draw_acknowledged(
    struct ph_canvas *canvas, const struct ph_fleet_report *report, size_t height)
{
    static const struct ph_fleet_sample none;
    struct chart chart = {.count = 0};
    for (size_t i = first_shown(canvas, report); i < report->sample_count; i++) {
        const struct ph_fleet_sample *now = &report->samples[i];
        const struct ph_fleet_sample *before = i > 0 ? now - 1 : &none;
        int64_t passed_ms = now->at_ms - before->at_ms;
        double grown =
            (double)(now->counts[PH_FLEET_ACKNOWLEDGED] - before->counts[PH_FLEET_ACKNOWLEDGED]);
        add_value(&chart, passed_ms > 0 ? grown * 1000 / (double)passed_ms : 0);
    }
    struct ph_shown highest = ph_show_rate(chart.highest);
    char scale[sizeof highest.text + 8];
    (void)snprintf(scale, sizeof scale, "to %s/s", highest.text);
    draw_chart(canvas, &chart, PH_VIEW_USEFUL, "acknowledged", scale, height);
}

static void draw_p99(struct ph_canvas *canvas, const struct ph_fleet_report *report, size_t height)
{
    struct chart chart = {.count = 0};
    for (size_t i = first_shown(canvas, report); i < report->sample_count; i++) {
        add_value(&chart, (double)report->samples[i].times[PH_FLEET_ACK_US].p99_us);
    }
    struct ph_shown highest = ph_show_us((int64_t)chart.highest);
    char scale[sizeof highest.text + 8];
    (void)snprintf(scale, sizeof scale, "%s%s", chart.highest > 0 ? "to " : "", highest.text);
    draw_chart(canvas, &chart, PH_VIEW_USEFUL, "latency p99", scale, height);
}

void ph_view_charts(struct ph_canvas *canvas, const struct ph_fleet_report *report, size_t height)
{
    draw_acknowledged(canvas, report, height);
    draw_p99(canvas, report, height);
}

static void say_failure(struct ph_canvas *canvas, int64_t number, const char *what)
{
    if (number > 0) {
        ph_canvas_printf(canvas, PH_INK_BAD, ", %s %s", ph_show_count(number).text, what);
    }
}

void ph_view_failures(struct ph_canvas *canvas, const struct ph_fleet_report *report)
{
    const struct ph_fleet_reason *sorted[PH_FLEET_REASONS] = {NULL};
    size_t count = ph_fleet_stats_reasons(&report->total, sorted);
    int64_t refused = report->total.counts[PH_FLEET_REFUSALS];
    int64_t lost = report->total.counts[PH_FLEET_LOSSES];
    bool quiet = refused == 0 && lost == 0 && count == 0;
    ph_canvas_line(canvas, quiet ? PH_VIEW_QUIET : PH_VIEW_CORE);
    ph_canvas_left(canvas, PH_INK_STRONG, PH_VIEW_LABEL, "connections");
    ph_canvas_printf(canvas, refused > 0 ? PH_INK_WARN : PH_INK_PLAIN, "%s refused",
        ph_show_count(refused).text);
    ph_canvas_printf(
        canvas, lost > 0 ? PH_INK_WARN : PH_INK_PLAIN, ", %s lost", ph_show_count(lost).text);
    say_failure(canvas, report->total.counts[PH_FLEET_UNPUBLISHED], "messages refused");
    say_failure(canvas, report->total.counts[PH_FLEET_FAILED], "devices failed");
    for (size_t i = 0; i < count; i++) {
        ph_canvas_line(canvas, PH_VIEW_CORE + 4 * (int)i);
        ph_canvas_right(
            canvas, PH_INK_PLAIN, PH_VIEW_LABEL - 2, ph_show_count(sorted[i]->count).text);
        ph_canvas_printf(canvas, PH_INK_PLAIN, "  %s", sorted[i]->text);
    }
}

static void draw_mad(struct ph_canvas *canvas, const struct ph_fleet_report *report)
{
    ph_canvas_line(canvas, PH_VIEW_CORE);
    ph_canvas_left(canvas, PH_INK_STRONG, PH_VIEW_LABEL, "gone mad");
    ph_canvas_printf(canvas, PH_INK_PLAIN, "%s sent, %s refused, %s accepted",
        ph_show_count(report->total.counts[PH_FLEET_MAD_TRIED]).text,
        ph_show_count(report->total.counts[PH_FLEET_MAD_REFUSED]).text,
        ph_show_count(report->total.counts[PH_FLEET_MAD_PASSED]).text);
}

static void draw_theft(struct ph_canvas *canvas, const struct ph_fleet_report *report)
{
    int64_t foreign = report->total.counts[PH_FLEET_THEFT_FOREIGN];
    ph_canvas_line(canvas, foreign > 0 ? PH_VIEW_TROUBLE : PH_VIEW_CORE);
    ph_canvas_left(canvas, PH_INK_STRONG, PH_VIEW_LABEL, "thief");
    if (foreign > 0) {
        ph_canvas_printf(
            canvas, PH_INK_BAD, "%s of others' granted; ", ph_show_count(foreign).text);
    }
    ph_canvas_printf(canvas, PH_INK_PLAIN, "%s tried, %s refused, %s own",
        ph_show_count(report->total.counts[PH_FLEET_THEFT_TRIED]).text,
        ph_show_count(report->total.counts[PH_FLEET_THEFT_REFUSED]).text,
        ph_show_count(report->total.counts[PH_FLEET_THEFT_OWN]).text);
}

void ph_view_attacks(struct ph_canvas *canvas, const struct ph_fleet_report *report)
{
    if (report->total.counts[PH_FLEET_MAD_TRIED] > 0) {
        draw_mad(canvas, report);
    }
    if (report->total.counts[PH_FLEET_THEFT_TRIED] > 0) {
        draw_theft(canvas, report);
    }
}

static void draw_process(
    struct ph_canvas *canvas, const struct ph_fleet_usage *usage, const char *cpu, int weight)
{
    ph_canvas_line(canvas, weight);
    ph_canvas_left(canvas, PH_INK_PLAIN, PH_VIEW_LABEL, usage->name);
    if (usage->pid == 0) {
        ph_canvas_right(canvas, PH_INK_PLAIN, PH_VIEW_CELL, "ended");
    } else {
        ph_canvas_right(canvas, PH_INK_PLAIN, PH_VIEW_CELL, cpu);
        ph_canvas_right(canvas, PH_INK_PLAIN, PH_VIEW_CELL, ph_show_bytes(usage->rss_bytes).text);
    }
    if (usage->restarts > 0) {
        ph_canvas_printf(
            canvas, PH_INK_WARN, "  started again: %s", ph_show_count(usage->restarts).text);
    }
}

void ph_view_processes(
    struct ph_canvas *canvas, const struct ph_fleet_report *report, const struct ph_view_cpu *cpu)
{
    size_t shown = report->usage_count;
    shown = shown < PH_VIEW_PROCESSES ? shown : PH_VIEW_PROCESSES;
    if (shown == 0) {
        return;
    }
    ph_canvas_line(canvas, PH_VIEW_BLANK);
    ph_canvas_line(canvas, PH_VIEW_USEFUL + 3);
    ph_canvas_left(canvas, PH_INK_STRONG, PH_VIEW_LABEL, "process");
    ph_canvas_right(canvas, PH_INK_STRONG, PH_VIEW_CELL, "CPU");
    ph_canvas_right(canvas, PH_INK_STRONG, PH_VIEW_CELL, "memory");
    for (size_t i = 0; i < shown; i++) {
        double share = i < cpu->count ? cpu->of[i].share : -1;
        draw_process(canvas, &report->usage[i], share < 0 ? "-" : ph_show_percent(share).text,
            PH_VIEW_USEFUL + 2 * (int)(i + 1));
    }
    if (report->usage_count > shown) {
        ph_canvas_line(canvas, PH_VIEW_QUIET);
        ph_canvas_printf(canvas, PH_INK_PLAIN, "and %s more",
            ph_show_count((int64_t)(report->usage_count - shown)).text);
    }
}

void ph_view_notes(struct ph_canvas *canvas, const struct ph_fleet_report *report)
{
    size_t first = report->note_count > NOTES ? report->note_count - NOTES : 0;
    if (first < report->note_count) {
        ph_canvas_line(canvas, PH_VIEW_BLANK);
    }
    for (size_t i = first; i < report->note_count; i++) {
        ph_canvas_line(canvas, PH_VIEW_CORE + 6 * (int)(report->note_count - 1 - i));
        ph_canvas_left(
            canvas, PH_INK_PLAIN, PH_VIEW_LABEL, ph_show_elapsed(report->notes[i].at_ms).text);
        ph_canvas_printf(canvas, PH_INK_PLAIN, "%s", report->notes[i].text);
    }
}
