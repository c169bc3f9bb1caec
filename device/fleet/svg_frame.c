#include "device/fleet/svg_frame.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double area_width = PH_SVG_WIDTH - PH_SVG_LEFT - PH_SVG_RIGHT;

static bool is_stacked(enum ph_svg_shape shape)
{
    return shape == PH_SVG_STACK || shape == PH_SVG_BARS;
}

double ph_svg_base(const struct ph_svg_plot *plot, size_t s, size_t i)
{
    double base = 0;
    for (size_t k = 0; is_stacked(plot->series[s].shape) && k < s; k++) {
        if (plot->series[k].shape == plot->series[s].shape && !isnan(plot->series[k].y[i])) {
            base += plot->series[k].y[i];
        }
    }
    return base;
}

static void find_range(const struct ph_svg_plot *plot, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (size_t s = 0; s < plot->series_count; s++) {
        for (size_t i = 0; i < plot->count; i++) {
            double y = plot->series[s].y[i];
            if (!isnan(y)) {
                *low = fmin(*low, y);
                *high = fmax(*high, y + ph_svg_base(plot, s, i));
            }
        }
    }
}

static size_t legend_width(const struct ph_svg_series *series)
{
    return 34 + PH_SVG_LETTER * strlen(series->name);
}

/* Where each entry of the legend begins; returns the number of rows. One series needs no legend. */
static size_t place_legend(
    const struct ph_svg_plot *plot, size_t left[PH_SVG_SERIES], size_t row[PH_SVG_SERIES])
{
    size_t x = PH_SVG_LEFT;
    size_t rows = 1;
    for (size_t s = 0; s < plot->series_count; s++) {
        size_t width = legend_width(&plot->series[s]);
        if (x > PH_SVG_LEFT && x + width > PH_SVG_WIDTH) {
            x = PH_SVG_LEFT;
            rows++;
        }
        left[s] = x;
        row[s] = rows - 1;
        x += width;
    }
    return plot->series_count > 1 ? rows : 0;
}

static size_t mark_rows(const struct ph_svg_plot *plot)
{
    int rows = 0;
    for (size_t i = 0; i < plot->mark_count; i++) {
        rows = plot->marks[i].row >= rows ? plot->marks[i].row + 1 : rows;
    }
    return (size_t)rows;
}

void ph_svg_frame_init(struct ph_svg_frame *frame, const struct ph_svg_plot *plot)
{
    double low = 0;
    double high = 0;
    size_t left[PH_SVG_SERIES];
    size_t row[PH_SVG_SERIES];
    find_range(plot, &low, &high);
    *frame = (struct ph_svg_frame){.plot = plot,
        .height = PH_SVG_PLOT_HEIGHT,
        .instead = low > high  ? "nothing was measured"
                   : high <= 0 ? "none"
                               : NULL};
    frame->top = 10 + (double)(PH_SVG_ROW * (place_legend(plot, left, row) + mark_rows(plot)));
    if (plot->x_unit == PH_SVG_SHARES) {
        ph_axis_shares(&frame->x);
    } else {
        ph_axis_seconds(&frame->x, plot->x_high);
    }
    if (plot->y_unit == PH_SVG_US) {
        ph_axis_log(&frame->y, low > high ? 1e3 : fmax(low, 1), low > high ? 1e6 : fmax(high, 1));
    } else {
        ph_axis_linear(&frame->y, low > high ? 0 : high);
    }
}

double ph_svg_left_of(const struct ph_svg_frame *frame, double x)
{
    return PH_SVG_LEFT + area_width * ph_axis_place(&frame->x, x);
}

double ph_svg_top_of(const struct ph_svg_frame *frame, double y)
{
    return frame->top + frame->height * (1 - ph_axis_place(&frame->y, y));
}

struct ph_shown ph_svg_show_y(const struct ph_svg_plot *plot, double y)
{
    return plot->y_unit == PH_SVG_US ? ph_html_us(y) : ph_show_count((int64_t)llround(y));
}

static void draw_y_ticks(struct ph_html *html, const struct ph_svg_frame *frame)
{
    for (size_t i = 0; i < frame->y.tick_count; i++) {
        double top = ph_svg_top_of(frame, frame->y.ticks[i]);
        struct ph_shown label = frame->plot->y_unit == PH_SVG_US
                                    ? ph_html_us(frame->y.ticks[i])
                                    : ph_axis_show_count(frame->y.ticks[i]);
        ph_html_format(html,
            "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text class=\"y\" x=\"%d\" y=\"%.1f\">%s"
            "</text>\n",
            PH_SVG_LEFT, top, PH_SVG_WIDTH - PH_SVG_RIGHT, PH_SVG_LEFT - 7, top + 4.5, label.text);
    }
}

/* How far to the right the middle of a text may be. */
static double room_for(const char *text)
{
    return PH_SVG_WIDTH - 2 - PH_SVG_LETTER * (double)strlen(text) / 2;
}

static void draw_x_ticks(struct ph_html *html, const struct ph_svg_frame *frame)
{
    bool shares = frame->plot->x_unit == PH_SVG_SHARES;
    double bottom = frame->top + frame->height;
    for (size_t i = 0; i < frame->x.tick_count; i++) {
        double left = ph_svg_left_of(frame, frame->x.ticks[i]);
        struct ph_shown label = shares ? ph_axis_show_share(frame->x.ticks[i])
                                       : ph_axis_show_seconds(&frame->x, frame->x.ticks[i]);
        ph_html_format(html,
            "<path class=\"axis\" d=\"M%.1f %.1fv5\"/><text class=\"x\" x=\"%.1f\" y=\"%.1f\">%s"
            "</text>\n",
            left, bottom, fmin(left, room_for(label.text)), bottom + 20, label.text);
    }
    ph_html_format(html, "<path class=\"axis\" d=\"M%d %.1fH%d\"/>\n", PH_SVG_LEFT, bottom,
        PH_SVG_WIDTH - PH_SVG_RIGHT);
    ph_html_format(html, "<text class=\"x unit\" x=\"%.1f\" y=\"%.1f\">%s%s</text>\n",
        PH_SVG_LEFT + area_width / 2, bottom + 40,
        shares ? "share that took no longer" : ph_axis_seconds_unit(&frame->x),
        shares ? "" : " since the start");
}

static void draw_legend(struct ph_html *html, const struct ph_svg_plot *plot)
{
    size_t left[PH_SVG_SERIES];
    size_t row[PH_SVG_SERIES];
    size_t rows = place_legend(plot, left, row);
    for (size_t s = 0; rows > 0 && s < plot->series_count; s++) {
        const struct ph_svg_series *series = &plot->series[s];
        size_t middle = 11 + PH_SVG_ROW * row[s];
        ph_html_format(html, "<path class=\"%s c%u\" d=\"M%zu %zuh16\"/>",
            is_stacked(series->shape) ? "block" : "line", series->colour, left[s], middle);
        ph_html_format(html, "<text x=\"%zu\" y=\"%zu\">", left[s] + 21, middle + 5);
        ph_html_text(html, series->name);
        ph_html_raw(html, "</text>\n");
    }
}

void ph_svg_frame_draw(struct ph_html *html, const struct ph_svg_frame *frame)
{
    draw_legend(html, frame->plot);
    draw_x_ticks(html, frame);
    if (frame->instead == NULL) {
        draw_y_ticks(html, frame);
    } else {
        ph_html_format(html, "<text class=\"x instead\" x=\"%.1f\" y=\"%.1f\">%s</text>\n",
            PH_SVG_LEFT + area_width / 2, frame->top + frame->height / 2, frame->instead);
    }
}

enum { MARKS_FULL = 40 }; /* more would hide the plot: they are short */

/* Its label stands above the plot, centred on `label_left`; below 0: there is no room for it. */
static void draw_mark(struct ph_html *html, const struct ph_svg_frame *frame,
    const struct ph_svg_mark *mark, double left, double label_left)
{
    size_t rows_below = mark_rows(frame->plot) - 1 - (size_t)mark->row;
    ph_html_raw(html, "<g class=\"mark\"><title>");
    ph_html_text(html, mark->text);
    ph_html_raw(html, "</title>");
    if (mark->to > mark->from) {
        ph_html_format(html, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", left,
            frame->top, ph_svg_left_of(frame, mark->to) - left, frame->height);
    }
    ph_html_format(html, "<path d=\"M%.1f %.1fv%.1f\"/>", left, frame->top,
        mark->row > 0 && frame->plot->mark_count > MARKS_FULL ? 8 : frame->height);
    if (label_left >= 0) {
        ph_html_format(html, "<text x=\"%.1f\" y=\"%.1f\">", label_left,
            frame->top - 6 - (double)(PH_SVG_ROW * rows_below));
        ph_html_text(html, mark->label);
        ph_html_raw(html, "</text>");
    }
    ph_html_raw(html, "</g>\n");
}

/* Moments that would lie on one another are drawn once, and labels only where they fit. */
void ph_svg_marks_draw(struct ph_html *html, const struct ph_svg_frame *frame)
{
    const double nearest = 2.5;
    const double label_gap = 4;
    double last = -INFINITY;
    double label_free = 0;
    for (size_t i = 0; i < frame->plot->mark_count; i++) {
        const struct ph_svg_mark *mark = &frame->plot->marks[i];
        if (i > 0 && mark->row != mark[-1].row) {
            last = -INFINITY;
            label_free = 0;
        }
        double left = ph_svg_left_of(frame, mark->from);
        bool hidden = left < last + nearest && mark->to <= mark->from;
        if (mark->from > frame->x.high || hidden) {
            continue;
        }
        double half = PH_SVG_LETTER * (double)strlen(mark->label) / 2;
        double centre = fmin(left, room_for(mark->label));
        bool fits = centre - half >= label_free;
        draw_mark(html, frame, mark, left, fits ? centre : -1);
        label_free = fits ? centre + half + label_gap : label_free;
        last = left;
    }
}
