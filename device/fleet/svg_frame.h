/* The inside of svg.h: where things lie in a plot, and what surrounds the lines. */
#ifndef PH_FLEET_SVG_FRAME_H
#define PH_FLEET_SVG_FRAME_H

#include "device/fleet/svg.h"
#include "device/fleet/svg_axis.h"

/* In units of the drawing, about pixels. Text is laid out as if it was as large as it becomes on a
 * narrow screen. */
enum {
    PH_SVG_WIDTH = 480,
    PH_SVG_PLOT_HEIGHT = 190,
    PH_SVG_LEFT = 60,
    PH_SVG_RIGHT = 18,
    PH_SVG_BOTTOM = 47,
    PH_SVG_ROW = 19,
    PH_SVG_LETTER = 9
};

struct ph_svg_frame {
    const struct ph_svg_plot *plot;
    struct ph_axis x;
    struct ph_axis y;
    double top; /* of the plot's area */
    double height;
    const char *instead; /* of ticks: "none", "nothing was measured"; NULL: there is something */
};

/* Chooses the axes of a plot and where they stand. */
void ph_svg_frame_init(struct ph_svg_frame *frame, const struct ph_svg_plot *plot);
/* Where a value stands, in pixels of the picture. */
double ph_svg_left_of(const struct ph_svg_frame *frame, double x);
double ph_svg_top_of(const struct ph_svg_frame *frame, double y);

/* What the stack before series `s` adds up to at point `i`; 0 for a shape that is not stacked. */
double ph_svg_base(const struct ph_svg_plot *plot, size_t s, size_t i);

/* A value of the y axis with its unit, as people read it. */
struct ph_shown ph_svg_show_y(const struct ph_svg_plot *plot, double y);

/* Grid, ticks and their labels, the legend; or what stands there instead. */
void ph_svg_frame_draw(struct ph_html *html, const struct ph_svg_frame *frame);

/* Acts and notes, as lines across the plot. */
void ph_svg_marks_draw(struct ph_html *html, const struct ph_svg_frame *frame);

#endif
