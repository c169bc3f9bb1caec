#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "device/fleet/html_parts.h"
#include "device/fleet/svg.h"
#include "device/fleet/svg_axis.h"

enum source {
    RATE,  /* of a count */
    GAUGE, /* as it stands */
    P50,   /* of a time */
    P99,
    MAX
};

struct column {
    const char *name;
    enum ph_svg_shape shape;
    unsigned colour;
    enum source source;
    unsigned index; /* of the count, gauge or time */
};

enum { COLUMNS = 3 };

struct figure {
    const char *id;
    const char *title;
    const char *description;
    enum ph_svg_y unit;
    size_t count;
    struct column columns[COLUMNS];
};

static const struct figure figures[] = {
    {"devices", "Devices connected",
        "Devices that were on the broker, that an act kept away, and "
        "that ran at all, over time.",
        PH_SVG_COUNTS, 3,
        {{"connected", PH_SVG_STACK, 0, GAUGE, PH_FLEET_CONNECTED},
            {"kept away by an act", PH_SVG_STACK, 1, GAUGE, PH_FLEET_SUSPENDED},
            {"running", PH_SVG_STEP, 2, GAUGE, PH_FLEET_STARTED}}},
    {"connects", "Connections made, per second", "Connections that the broker accepted, over time.",
        PH_SVG_COUNTS, 1, {{"accepted", PH_SVG_BARS, 0, RATE, PH_FLEET_CONNECTS}}},
    {"readings", "Readings, per second",
        "Readings captured by devices and acknowledged by ingest, over time.", PH_SVG_COUNTS, 2,
        {{"acknowledged", PH_SVG_LINE, 1, RATE, PH_FLEET_ACKNOWLEDGED},
            {"captured", PH_SVG_LINE, 0, RATE, PH_FLEET_CAPTURED}}},
    {"pending", "Readings waiting for their acknowledgement",
        "Readings captured and not acknowledged yet, over time.", PH_SVG_COUNTS, 1,
        {{"pending", PH_SVG_STACK, 0, GAUGE, PH_FLEET_PENDING}}},
    {"latency", "Latency of readings",
        "From when a reading was due to its acknowledgement, second by second; logarithmic.",
        PH_SVG_US, 3,
        {{"max", PH_SVG_LINE, 1, MAX, PH_FLEET_ACK_US},
            {"99 %", PH_SVG_LINE, 2, P99, PH_FLEET_ACK_US},
            {"50 %", PH_SVG_LINE, 0, P50, PH_FLEET_ACK_US}}},
    {"connecting", "Time to connect",
        "From when a device was to be connected, or lost its connection, to the broker's "
        "acceptance, second by second; logarithmic.",
        PH_SVG_US, 3,
        {{"max", PH_SVG_LINE, 1, MAX, PH_FLEET_CONNECT_US},
            {"99 %", PH_SVG_LINE, 2, P99, PH_FLEET_CONNECT_US},
            {"50 %", PH_SVG_LINE, 0, P50, PH_FLEET_CONNECT_US}}},
    {"losses", "Connections lost and attempts failed, per second",
        "Connections that were lost and attempts that failed, over time.", PH_SVG_COUNTS, 1,
        {{"lost or failed", PH_SVG_BARS, 1, RATE, PH_FLEET_LOSSES}}},
    {"refusals", "Refusals, per second",
        "Connections refused or ended by a decision of the broker, and messages that it refused, "
        "over time.",
        PH_SVG_COUNTS, 2,
        {{"connections", PH_SVG_BARS, 1, RATE, PH_FLEET_REFUSALS},
            {"messages", PH_SVG_BARS, 0, RATE, PH_FLEET_UNPUBLISHED}}},
};

static double measured(int64_t us)
{
    return us > 0 ? (double)us : NAN;
}

/* Since the sample before; that before the first is the start. */
static double rate(const struct ph_fleet_report *report, size_t row, unsigned count)
{
    const struct ph_fleet_sample *now = &report->samples[row];
    int64_t since_ms = row > 0 ? now[-1].at_ms : 0;
    int64_t before = row > 0 ? now[-1].counts[count] : 0;
    return now->at_ms > since_ms ? fmax(0, 1e3 * (double)(now->counts[count] - before) /
                                               (double)(now->at_ms - since_ms))
                                 : NAN;
}

static double value_of(
    const struct ph_fleet_report *report, size_t row, const struct column *column)
{
    const struct ph_fleet_sample *sample = &report->samples[row];
    switch (column->source) {
    case RATE:
        return rate(report, row, column->index);
    case GAUGE:
        return (double)sample->gauges[column->index];
    case P50:
        return measured(sample->times[column->index].p50_us);
    case P99:
        return measured(sample->times[column->index].p99_us);
    case MAX:
        return measured(sample->times[column->index].max_us);
    }
    return NAN;
}

/* x in seconds, and the figure's columns; NULL when out of memory. */
static double *tabulate(const struct ph_fleet_report *report, const struct figure *figure)
{
    size_t rows = report->sample_count;
    double *table = calloc((rows + 1) * (figure->count + 1), sizeof *table);
    for (size_t i = 0; table != NULL && i < rows; i++) {
        table[i] = (double)report->samples[i].at_ms / 1e3;
        for (size_t c = 0; c < figure->count; c++) {
            table[(c + 1) * rows + i] = value_of(report, i, &figure->columns[c]);
        }
    }
    return table;
}

static double end_s(const struct ph_fleet_report *report)
{
    size_t count = report->sample_count;
    int64_t last_ms = count > 0 ? report->samples[count - 1].at_ms : 0;
    return (double)(last_ms > report->elapsed_ms ? last_ms : report->elapsed_ms) / 1e3;
}

struct marks {
    struct ph_svg_mark *list;
    size_t count;
    char (*texts)[PH_ACT_TEXT_BYTES]; /* of the acts */
};

/* Acts in the upper row by name, notes in the lower one by number. */
static void mark(struct marks *marks, const struct ph_fleet_report *report)
{
    const struct ph_scenario *scenario = report->scenario;
    for (size_t i = 0; i < scenario->act_count; i++) {
        const struct ph_act *act = &scenario->acts[i];
        struct ph_svg_mark *mark = &marks->list[marks->count++];
        ph_html_print_act(marks->texts[i], act);
        *mark = (struct ph_svg_mark){.from = (double)act->at_s,
            .to = (double)(act->at_s + act->for_s),
            .text = marks->texts[i]};
        (void)snprintf(mark->label, sizeof mark->label, "%s", ph_act_name(act->kind));
    }
    for (size_t i = 0; i < report->note_count; i++) {
        double at_s = (double)report->notes[i].at_ms / 1e3;
        struct ph_svg_mark *mark = &marks->list[marks->count++];
        *mark =
            (struct ph_svg_mark){.from = at_s, .to = at_s, .row = 1, .text = report->notes[i].text};
        (void)snprintf(mark->label, sizeof mark->label, "%zu", i + 1);
    }
}

static bool marks_init(struct marks *marks, const struct ph_fleet_report *report)
{
    size_t acts = report->scenario->act_count;
    *marks = (struct marks){.list = calloc(acts + report->note_count + 1, sizeof *marks->list),
        .texts = calloc(acts + 1, sizeof *marks->texts)};
    if (marks->list == NULL || marks->texts == NULL) {
        return false;
    }
    mark(marks, report);
    return true;
}

static void marks_fini(struct marks *marks)
{
    free(marks->list);
    free(marks->texts);
}

static void draw(struct ph_html *html, const struct ph_svg_plot *plot)
{
    ph_html_raw(html, "<figure><figcaption>");
    ph_html_text(html, plot->title);
    ph_html_raw(html, "</figcaption>\n");
    ph_svg_plot(html, plot);
    ph_html_raw(html, "</figure>\n");
}

static void draw_figure(struct ph_html *html, const struct ph_fleet_report *report,
    const struct figure *figure, const struct marks *marks)
{
    size_t rows = report->sample_count;
    double *table = tabulate(report, figure);
    if (table == NULL) {
        html->err = PH_ERR_MEMORY;
        return;
    }
    struct ph_svg_plot plot = {.id = figure->id,
        .title = figure->title,
        .description = figure->description,
        .y_unit = figure->unit,
        .x_high = end_s(report),
        .count = ph_html_thin(table, figure->count + 1, rows, PH_HTML_POINTS),
        .x = table,
        .series_count = figure->count,
        .marks = marks->list,
        .mark_count = marks->count};
    for (size_t c = 0; c < figure->count; c++) {
        const struct column *column = &figure->columns[c];
        plot.series[c] = (struct ph_svg_series){
            column->name, column->shape, column->colour, &table[(c + 1) * rows]};
    }
    draw(html, &plot);
    free(table);
}

static const double shares[] = {0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99,
    0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999};
enum { SHARES = sizeof shares / sizeof shares[0] };

/* As far as the number of times carries: the 99.9 % of a hundred would only be their maximum. */
static void curve(double y[SHARES], const struct ph_histogram *histogram)
{
    double count = (double)ph_histogram_count(histogram);
    for (int i = 0; i < SHARES; i++) {
        bool carried = count * (1 - shares[i]) >= 1 - 1e-6;
        y[i] = carried ? (double)ph_histogram_quantile(histogram, shares[i]) : NAN;
    }
}

static void draw_percentiles(struct ph_html *html, const struct ph_fleet_report *report)
{
    double x[SHARES];
    double ack[SHARES];
    double connect[SHARES];
    for (int i = 0; i < SHARES; i++) {
        x[i] = ph_axis_nines(shares[i]);
    }
    curve(ack, &report->total.times[PH_FLEET_ACK_US]);
    curve(connect, &report->total.times[PH_FLEET_CONNECT_US]);
    draw(html, &(struct ph_svg_plot){.id = "percentiles",
                   .title = "Percentiles of the whole run",
                   .description = "Which share of the readings was acknowledged, and which share "
                                  "of the connections made, within which time; as far as the "
                                  "number of measurements carries.",
                   .x_unit = PH_SVG_SHARES,
                   .y_unit = PH_SVG_US,
                   .count = SHARES,
                   .x = x,
                   .series_count = 2,
                   .series = {{"latency of readings", PH_SVG_CURVE, 0, ack},
                       {"time to connect", PH_SVG_CURVE, 1, connect}}});
}

void ph_html_plots(struct ph_html *html, const struct ph_fleet_report *report)
{
    struct marks marks;
    ph_html_raw(html, "<section class=\"plots\" aria-label=\"Plots\">\n");
    if (marks_init(&marks, report)) {
        for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
            draw_figure(html, report, &figures[i], &marks);
        }
        draw_percentiles(html, report);
    } else {
        html->err = PH_ERR_MEMORY;
    }
    marks_fini(&marks);
    ph_html_raw(html, "</section>\n");
}
