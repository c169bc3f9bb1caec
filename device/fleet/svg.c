#include "device/fleet/svg.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "device/fleet/svg_frame.h"

enum { TOOLTIPS = 96 };

/* Blue and orange of Okabe and Ito, lighter on a dark page, and the colour of the text: no two of
 * them are alike to anybody. */
const char ph_svg_style[] =
    ":root{color-scheme:light dark;--page:#fff;--ink:#1b1f24;--dim:#59636e;--rule:#d7dce1;"
    "--c0:#0072b2;--c1:#c75000;--c2:var(--ink)}\n"
    "@media screen and (prefers-color-scheme:dark){:root{--page:#14181d;--ink:#e4e8ec;"
    "--dim:#9aa5b1;--rule:#343c45;--c0:#56b4e9;--c1:#f0a03c}}\n"
    "svg{display:block;width:100%;height:auto;margin-top:auto}\n"
    "svg text{font:12.5px system-ui,sans-serif;font-variant-numeric:tabular-nums;"
    "fill:var(--ink)}\n"
    "svg .x,svg .mark text{text-anchor:middle}svg .y{text-anchor:end}svg .unit,svg "
    ".instead{fill:var(--dim)}svg .instead{paint-order:stroke;"
    "stroke:var(--page);stroke-width:8px}\n"
    "svg path{fill:none;stroke-width:1.7;stroke-linejoin:round;stroke-linecap:round}\n"
    "svg .grid{stroke:var(--rule);stroke-width:1}svg .axis{stroke:var(--dim);stroke-width:1}\n"
    "svg .mark path{stroke:var(--dim);stroke-width:1;stroke-dasharray:2 3}\n"
    "svg .mark rect{fill:var(--dim);fill-opacity:.13}svg .mark text{fill:var(--dim)}\n"
    "svg .c0{stroke:var(--c0)}svg .c1{stroke:var(--c1)}svg .c2{stroke:var(--c2)}\n"
    "svg .area{stroke-width:1;fill-opacity:.45}svg .upon{stroke:none}svg .c0.area{fill:var(--c0)}"
    "svg .c1.area{fill:var(--c1)}svg .c2.area{fill:var(--c2)}\n"
    "svg .dots{stroke-width:5}svg .bars{stroke-linecap:butt}"
    "svg .block{stroke-width:10;stroke-linecap:butt}\n"
    "svg .tip{fill:var(--ink);fill-opacity:0}svg .tip:hover{fill-opacity:.1}\n"
    "@media print,(max-width:40rem){svg text{font-size:15px}}\n";

/* One decimal, and none where it is 0. */
static void place(struct ph_html *html, char command, double left, double top)
{
    ph_html_format(html, "%c%g %g", command, round(left * 10) / 10, round(top * 10) / 10);
}

/* Every run of points that were measured: a path of its own, which is a dot when it is one point.
 */
static void draw_line(struct ph_html *html, const struct ph_svg_frame *frame, size_t s)
{
    const struct ph_svg_plot *plot = frame->plot;
    const struct ph_svg_series *series = &plot->series[s];
    ph_html_format(html, "<path class=\"line c%u\" d=\"", series->colour);
    for (size_t i = 0; i < plot->count; i++) {
        if (isnan(series->y[i])) {
            continue;
        }
        double left = ph_svg_left_of(frame, plot->x[i]);
        double top = ph_svg_top_of(frame, series->y[i]);
        bool first = i == 0 || isnan(series->y[i - 1]);
        if (!first && series->shape == PH_SVG_STEP) {
            place(html, 'L', left, ph_svg_top_of(frame, series->y[i - 1]));
        }
        place(html, first ? 'M' : 'L', left, top);
        if (first && (i + 1 == plot->count || isnan(series->y[i + 1]))) {
            ph_html_raw(html, "h0");
        }
    }
    ph_html_raw(html, "\"/>\n");
}

static void draw_dots(struct ph_html *html, const struct ph_svg_frame *frame, size_t s)
{
    const struct ph_svg_series *series = &frame->plot->series[s];
    ph_html_format(html, "<path class=\"dots c%u\" d=\"", series->colour);
    for (size_t i = 0; i < frame->plot->count; i++) {
        if (!isnan(series->y[i])) {
            place(html, 'M', ph_svg_left_of(frame, frame->plot->x[i]),
                ph_svg_top_of(frame, series->y[i]));
            ph_html_raw(html, "h0");
        }
    }
    ph_html_raw(html, "\"/>\n");
}

/* There along the top, and back along the base. */
static void draw_area(struct ph_html *html, const struct ph_svg_frame *frame, size_t s)
{
    const struct ph_svg_plot *plot = frame->plot;
    const struct ph_svg_series *series = &plot->series[s];
    ph_html_format(html, "<path class=\"area c%u%s\" d=\"", series->colour, s > 0 ? " upon" : "");
    for (size_t i = 0; i < plot->count; i++) {
        double y = isnan(series->y[i]) ? 0 : series->y[i];
        place(html, i == 0 ? 'M' : 'L', ph_svg_left_of(frame, plot->x[i]),
            ph_svg_top_of(frame, y + ph_svg_base(plot, s, i)));
    }
    for (size_t i = plot->count; i > 0; i--) {
        place(html, 'L', ph_svg_left_of(frame, plot->x[i - 1]),
            ph_svg_top_of(frame, ph_svg_base(plot, s, i - 1)));
    }
    ph_html_raw(html, plot->count > 0 ? "Z\"/>\n" : "\"/>\n");
}

static void draw_bars(struct ph_html *html, const struct ph_svg_frame *frame, size_t s)
{
    const struct ph_svg_plot *plot = frame->plot;
    const struct ph_svg_series *series = &plot->series[s];
    double room = (PH_SVG_WIDTH - PH_SVG_LEFT - PH_SVG_RIGHT) / fmax(1, (double)plot->count);
    ph_html_format(html, "<path class=\"bars c%u\" style=\"stroke-width:%.1f\" d=\"",
        series->colour, fmin(fmax(room * 0.8, 1.5), 12));
    for (size_t i = 0; i < plot->count; i++) {
        if (!isnan(series->y[i]) && series->y[i] > 0) {
            double base = ph_svg_base(plot, s, i);
            place(html, 'M', ph_svg_left_of(frame, plot->x[i]), ph_svg_top_of(frame, base));
            ph_html_format(html, "V%g", round(ph_svg_top_of(frame, base + series->y[i]) * 10) / 10);
        }
    }
    ph_html_raw(html, "\"/>\n");
}

static void draw_series(struct ph_html *html, const struct ph_svg_frame *frame, size_t s)
{
    switch (frame->plot->series[s].shape) {
    case PH_SVG_STACK:
        draw_area(html, frame, s);
        break;
    case PH_SVG_BARS:
        draw_bars(html, frame, s);
        break;
    case PH_SVG_CURVE:
        draw_line(html, frame, s);
        draw_dots(html, frame, s);
        break;
    case PH_SVG_LINE:
    case PH_SVG_STEP:
        draw_line(html, frame, s);
        break;
    }
}

/* "captured 95 to 102", over the points [from, to); nothing when none of them was measured. */
static bool say_range(
    struct ph_html *html, const struct ph_svg_plot *plot, size_t s, size_t from, size_t to)
{
    double low = INFINITY;
    double high = -INFINITY;
    for (size_t i = from; i < to; i++) {
        double y = plot->series[s].y[i];
        low = isnan(y) ? low : fmin(low, y);
        high = isnan(y) ? high : fmax(high, y);
    }
    if (low > high) {
        return false;
    }
    ph_html_text(html, plot->series[s].name);
    ph_html_format(html, low < high ? " %s to %s" : " %s", ph_svg_show_y(plot, low).text,
        ph_svg_show_y(plot, high).text);
    return true;
}

static void say_ranges(struct ph_html *html, const struct ph_svg_plot *plot, size_t from, size_t to)
{
    bool any = false;
    for (size_t s = 0; s < plot->series_count; s++) {
        size_t before = html->buf.len;
        ph_html_raw(html, any ? ", " : "");
        if (say_range(html, plot, s, from, to)) {
            any = true;
        } else if (html->err == PH_OK) {
            ph_buf_truncate(&html->buf, before);
        }
    }
    ph_html_raw(html, any ? "" : "nothing was measured");
}

static void say_place(struct ph_html *html, const struct ph_svg_plot *plot, size_t i)
{
    struct ph_shown shown = plot->x_unit == PH_SVG_SHARES
                                ? ph_axis_show_share(plot->x[i])
                                : ph_html_length((int64_t)llround(plot->x[i]) * 1000);
    ph_html_raw(html, shown.text);
}

/* Columns that nobody sees until the pointer is in one. */
static void draw_tooltips(struct ph_html *html, const struct ph_svg_frame *frame)
{
    const struct ph_svg_plot *plot = frame->plot;
    size_t columns = plot->count < TOOLTIPS ? plot->count : TOOLTIPS;
    double left = PH_SVG_LEFT;
    for (size_t c = 0; c < columns; c++) {
        size_t from = c * plot->count / columns;
        size_t to = (c + 1) * plot->count / columns;
        double right =
            c + 1 == columns
                ? PH_SVG_WIDTH - PH_SVG_RIGHT
                : (ph_svg_left_of(frame, plot->x[to - 1]) + ph_svg_left_of(frame, plot->x[to])) / 2;
        ph_html_format(html,
            "<rect class=\"tip\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>",
            left, frame->top, fmax(right - left, 0), frame->height);
        say_place(html, plot, from);
        if (to > from + 1) {
            ph_html_raw(html, " to ");
            say_place(html, plot, to - 1);
        }
        ph_html_raw(html, ": ");
        say_ranges(html, plot, from, to);
        ph_html_raw(html, "</title></rect>\n");
        left = right;
    }
}

static void say_description(struct ph_html *html, const struct ph_svg_plot *plot)
{
    ph_html_format(html, "<title id=\"%s-t\">", plot->id);
    ph_html_text(html, plot->title);
    ph_html_format(html, "</title><desc id=\"%s-d\">", plot->id);
    ph_html_text(html, plot->description);
    ph_html_raw(html, " Over all: ");
    say_ranges(html, plot, 0, plot->count);
    ph_html_raw(html, ".</desc>\n");
}

void ph_svg_plot(struct ph_html *html, const struct ph_svg_plot *plot)
{
    struct ph_svg_frame frame;
    ph_svg_frame_init(&frame, plot);
    ph_html_format(html,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %.0f\" role=\"img\" "
        "aria-labelledby=\"%s-t\" aria-describedby=\"%s-d\">\n",
        PH_SVG_WIDTH, frame.top + frame.height + PH_SVG_BOTTOM, plot->id, plot->id);
    say_description(html, plot);
    ph_svg_frame_draw(html, &frame);
    ph_svg_marks_draw(html, &frame);
    for (size_t s = 0; s < plot->series_count; s++) {
        draw_series(html, &frame, s);
    }
    draw_tooltips(html, &frame);
    ph_html_raw(html, "</svg>\n");
}
