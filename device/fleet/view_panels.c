#include "device/fleet/view_panels.h"

#include <stdio.h>
#include <string.h>

#include "device/fleet/output_text.h"

enum { RATE_SAMPLES = 5, BAR_COLUMNS = 40, BAR_COLUMNS_MIN = 5 };

static const struct ph_fleet_sample none;

static const struct ph_fleet_sample *latest(const struct ph_fleet_report *report)
{
    return report->sample_count > 0 ? &report->samples[report->sample_count - 1] : &none;
}

/* Per second, over the last five of them. */
static double rate(const struct ph_fleet_report *report, enum ph_fleet_count count)
{
    const struct ph_fleet_sample *now = latest(report);
    const struct ph_fleet_sample *before =
        report->sample_count > RATE_SAMPLES
            ? &report->samples[report->sample_count - 1 - RATE_SAMPLES]
            : &none;
    int64_t passed_ms = now->at_ms - before->at_ms;
    int64_t grown = now->counts[count] - before->counts[count];
    return passed_ms > 0 && grown > 0 ? (double)grown * 1000 / (double)passed_ms : 0;
}

static double share_of(int64_t part, int64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0;
}

static int64_t duration_ms(const struct ph_fleet_report *report)
{
    return report->scenario->duration_s * 1000;
}

static void draw_progress(struct ph_canvas *canvas, const struct ph_fleet_report *report)
{
    int64_t whole_ms = duration_ms(report);
    ph_canvas_line(canvas, PH_VIEW_ALWAYS);
    ph_canvas_printf(canvas, PH_INK_PLAIN, "%s", ph_show_elapsed(report->elapsed_ms).text);
    if (whole_ms <= 0) {
        ph_canvas_printf(
            canvas, PH_INK_PLAIN, report->ended ? "" : ", goes on until it is stopped");
        return;
    }
    ph_canvas_printf(canvas, PH_INK_PLAIN, " of %s  ", ph_show_elapsed(whole_ms).text);
    size_t room = ph_canvas_room(canvas);
    room = room > 6 ? room - 6 : 0;
    double share = share_of(report->elapsed_ms, whole_ms);
    share = share < 1 ? share : 1;
    ph_canvas_bar(canvas, PH_INK_PLAIN, room < BAR_COLUMNS ? room : BAR_COLUMNS, share);
    ph_canvas_printf(canvas, PH_INK_PLAIN, " %d %%", (int)(share * 100));
}

static void say_gap(struct ph_canvas *canvas, bool *any)
{
    ph_canvas_printf(canvas, PH_INK_PLAIN, *any ? "; " : "");
    *any = true;
}

/* What lasts is said as long as it lasts; what comes next, when. */
static void draw_acts(struct ph_canvas *canvas, const struct ph_fleet_report *report)
{
    const struct ph_scenario *scenario = report->scenario;
    const struct ph_act *past = NULL;
    const struct ph_act *next = NULL;
    bool any = false;
    ph_canvas_line(canvas, PH_VIEW_CORE);
    for (size_t i = 0; i < scenario->act_count; i++) {
        const struct ph_act *act = &scenario->acts[i];
        int64_t begin_ms = act->at_s * 1000;
        int64_t end_ms = begin_ms + act->for_s * 1000;
        if (begin_ms > report->elapsed_ms) {
            next = next == NULL ? act : next;
        } else if (end_ms > report->elapsed_ms) {
            say_gap(canvas, &any);
            ph_canvas_printf(canvas, PH_INK_WARN, "now %s, %s to go", ph_act_name(act->kind),
                ph_show_elapsed(end_ms - report->elapsed_ms).text);
        } else {
            past = act;
        }
    }
    if (!any && past != NULL) {
        say_gap(canvas, &any);
        ph_canvas_printf(canvas, PH_INK_PLAIN, "%s %s ago", ph_act_name(past->kind),
            ph_show_elapsed(report->elapsed_ms - (past->at_s + past->for_s) * 1000).text);
    }
    if (next != NULL) {
        say_gap(canvas, &any);
        ph_canvas_printf(canvas, PH_INK_PLAIN, "%s in %s", ph_act_name(next->kind),
            ph_show_elapsed(next->at_s * 1000 - report->elapsed_ms).text);
    }
}

/* Ended, about to end, or in the middle of it. */
static void draw_state(struct ph_canvas *canvas, const struct ph_fleet_report *report)
{
    char verdict[PH_SHOW_VERDICT_BYTES];
    int64_t whole_ms = duration_ms(report);
    if (report->ended) {
        ph_show_verdict(verdict, report);
        ph_canvas_line(canvas, PH_VIEW_ALWAYS);
        ph_canvas_printf(
            canvas, report->verdict == PH_FLEET_GOOD ? PH_INK_GOOD : PH_INK_BAD, "%s", verdict);
    } else if (whole_ms > 0 && report->elapsed_ms >= whole_ms) {
        ph_canvas_line(canvas, PH_VIEW_CORE);
        ph_canvas_printf(canvas, PH_INK_PLAIN, "ending: %s readings await their acknowledgement",
            ph_show_count(report->total.gauges[PH_FLEET_PENDING]).text);
    } else if (report->scenario->act_count > 0) {
        draw_acts(canvas, report);
    }
}

void ph_view_head(struct ph_canvas *canvas, const struct ph_fleet_report *report)
{
    const struct ph_scenario *scenario = report->scenario;
    ph_canvas_line(canvas, PH_VIEW_ALWAYS);
    ph_canvas_printf(canvas, PH_INK_STRONG, "%s thermostats on %s",
        ph_show_count(scenario->devices).text, report->broker);
    ph_canvas_printf(
        canvas, PH_INK_PLAIN, ", a reading each %s", ph_show_interval(scenario->interval_ms).text);
    if (scenario->day.hours > 0) {
        ph_canvas_printf(canvas, PH_INK_PLAIN, " (%.0f to %.0f %% by a day of %s)",
            100 - scenario->day.swing * 100, 100 + scenario->day.swing * 100,
            ph_show_elapsed((int64_t)(scenario->day.hours * 3600000)).text);
    }
    draw_progress(canvas, report);
    draw_state(canvas, report);
}

static void draw_row(struct ph_canvas *canvas, int weight, enum ph_ink ink, const char *label,
    int64_t number, const char *beside)
{
    ph_canvas_line(canvas, weight);
    ph_canvas_left(canvas, PH_INK_PLAIN, PH_VIEW_LABEL, label);
    ph_canvas_right(canvas, ink, PH_VIEW_CELL, ph_show_count(number).text);
    ph_canvas_right(canvas, PH_INK_PLAIN, PH_VIEW_CELL, beside);
}

static void draw_rate_row(struct ph_canvas *canvas, const struct ph_fleet_report *report,
    int weight, const char *label, enum ph_fleet_count count)
{
    struct ph_shown per_s = ph_show_rate(rate(report, count));
    char beside[sizeof per_s.text + 2];
    (void)snprintf(beside, sizeof beside, "%s/s", per_s.text);
    draw_row(canvas, weight, PH_INK_PLAIN, label, report->total.counts[count], beside);
}

/* The bar stands as long as somebody is missing. */
static void draw_connected(struct ph_canvas *canvas, const struct ph_fleet_report *report)
{
    int64_t devices = report->scenario->devices;
    int64_t connected = report->total.gauges[PH_FLEET_CONNECTED];
    int64_t suspended = report->total.gauges[PH_FLEET_SUSPENDED];
    enum ph_ink ink = connected >= devices ? PH_INK_GOOD : PH_INK_WARN;
    struct ph_shown all = ph_show_count(devices);
    char of[sizeof all.text + 4];
    (void)snprintf(of, sizeof of, "of %s", all.text);
    draw_row(
        canvas, PH_VIEW_ALWAYS, report->ended ? PH_INK_PLAIN : ink, "connected", connected, of);
    if (report->ended || connected >= devices) {
        return;
    }
    char kept_off[48] = "";
    if (suspended > 0) {
        (void)snprintf(kept_off, sizeof kept_off, "  %s kept off", ph_show_count(suspended).text);
    }
    size_t room = ph_canvas_room(canvas);
    size_t taken = 2 + strlen(kept_off);
    if (room >= taken + BAR_COLUMNS_MIN) {
        size_t width = room - taken;
        ph_canvas_printf(canvas, PH_INK_PLAIN, "  ");
        ph_canvas_bar(
            canvas, ink, width < BAR_COLUMNS ? width : BAR_COLUMNS, share_of(connected, devices));
    }
    ph_canvas_printf(canvas, PH_INK_PLAIN, "%s", kept_off);
}

static void draw_connects(struct ph_canvas *canvas, const struct ph_fleet_report *report)
{
    bool connecting = report->connected_all_ms < 0;
    draw_rate_row(
        canvas, report, connecting ? PH_VIEW_CORE : PH_VIEW_DETAIL, "connects", PH_FLEET_CONNECTS);
    if (report->connected_all_ms >= 0) {
        ph_canvas_printf(canvas, PH_INK_PLAIN, "  all after %s",
            ph_show_us(report->connected_all_ms * 1000).text);
    }
}

void ph_view_counters(struct ph_canvas *canvas, const struct ph_fleet_report *report)
{
    int64_t lost = ph_show_lost(report);
    draw_connected(canvas, report);
    draw_connects(canvas, report);
    draw_rate_row(canvas, report, PH_VIEW_CORE, "captured", PH_FLEET_CAPTURED);
    draw_rate_row(canvas, report, PH_VIEW_ALWAYS, "acknowledged", PH_FLEET_ACKNOWLEDGED);
    draw_row(
        canvas, PH_VIEW_CORE, PH_INK_PLAIN, "pending", report->total.gauges[PH_FLEET_PENDING], "");
    draw_row(canvas, lost > 0 ? PH_VIEW_TROUBLE : PH_VIEW_DETAIL,
        lost > 0 ? PH_INK_BAD : PH_INK_PLAIN, "lost", lost, "");
    if (report->total.counts[PH_FLEET_RENEWALS] > 0) {
        draw_rate_row(canvas, report, PH_VIEW_DETAIL, "renewals", PH_FLEET_RENEWALS);
    }
}

static void draw_times(struct ph_canvas *canvas, int weight, const char *label, int64_t p50_us,
    int64_t p99_us, int64_t max_us)
{
    size_t width = canvas->terminal.columns < PH_VIEW_LABEL + 3 * PH_VIEW_CELL ? 9 : PH_VIEW_CELL;
    ph_canvas_line(canvas, weight);
    ph_canvas_left(canvas, PH_INK_PLAIN, PH_VIEW_LABEL, label);
    ph_canvas_right(canvas, PH_INK_PLAIN, width, ph_show_us(p50_us).text);
    ph_canvas_right(canvas, PH_INK_PLAIN, width, ph_show_us(p99_us).text);
    ph_canvas_right(canvas, PH_INK_PLAIN, width, ph_show_us(max_us).text);
}

static void draw_times_of_run(struct ph_canvas *canvas, const struct ph_fleet_report *report,
    int weight, const char *label, enum ph_fleet_time time)
{
    const struct ph_histogram *times = &report->total.times[time];
    draw_times(canvas, weight, label, ph_histogram_quantile(times, 0.5),
        ph_histogram_quantile(times, 0.99), ph_histogram_quantile(times, 1));
}

void ph_view_latency(struct ph_canvas *canvas, const struct ph_fleet_report *report)
{
    const struct ph_fleet_sample *now = latest(report);
    size_t width = canvas->terminal.columns < PH_VIEW_LABEL + 3 * PH_VIEW_CELL ? 9 : PH_VIEW_CELL;
    ph_canvas_line(canvas, PH_VIEW_CORE);
    ph_canvas_left(canvas, PH_INK_STRONG, PH_VIEW_LABEL, "latency");
    ph_canvas_right(canvas, PH_INK_STRONG, width, "p50");
    ph_canvas_right(canvas, PH_INK_STRONG, width, "p99");
    ph_canvas_right(canvas, PH_INK_STRONG, width, "max");
    draw_times(canvas, PH_VIEW_CORE, "this second", now->times[PH_FLEET_ACK_US].p50_us,
        now->times[PH_FLEET_ACK_US].p99_us, now->times[PH_FLEET_ACK_US].max_us);
    draw_times_of_run(canvas, report, PH_VIEW_ALWAYS, "whole run", PH_FLEET_ACK_US);
    draw_times_of_run(canvas, report, PH_VIEW_DETAIL, "connecting", PH_FLEET_CONNECT_US);
}
