/* A plot as SVG, to stand in a page of HTML with ph_svg_style in its style sheet: light and dark,
 * colours that colour-blind people can tell apart, a title and a description for those who do not
 * see it, and what was measured at a place as its tooltip. No script. */
#ifndef PH_FLEET_SVG_H
#define PH_FLEET_SVG_H

#include <stddef.h>

#include "device/fleet/html.h"

enum ph_svg_shape {
    PH_SVG_LINE,
    PH_SVG_STEP,  /* a line that keeps its value until the next point */
    PH_SVG_STACK, /* an area upon those before it */
    PH_SVG_BARS,  /* bars upon those before it */
    PH_SVG_CURVE, /* a line with a dot at each point */
};

struct ph_svg_series {
    const char *name;
    enum ph_svg_shape shape;
    unsigned colour; /* below PH_SVG_COLOURS */
    const double *y; /* one for each x; NaN: nothing was measured, and a line is interrupted */
};

enum { PH_SVG_COLOURS = 3, PH_SVG_SERIES = 4 };

/* Something that happened at a time, or while it lasted. The label is short and stands above the
 * plot where there is room; the text is the tooltip. */
struct ph_svg_mark {
    double from;
    double to; /* not after `from`: a moment */
    int row;   /* of the labels, 0 or 1 */
    char label[24];
    const char *text;
};

/* What runs along the x axis. */
enum ph_svg_x { PH_SVG_SECONDS, PH_SVG_SHARES }; /* SHARES: as of ph_axis_nines() */
enum ph_svg_y { PH_SVG_COUNTS, PH_SVG_US };

struct ph_svg_plot {
    const char *id;    /* unique in the page: letters and digits */
    const char *title; /* of our own, like what follows */
    const char *description;
    enum ph_svg_x x_unit;
    enum ph_svg_y y_unit; /* PH_SVG_COUNTS from 0, linear; PH_SVG_US above 0, logarithmic */
    double x_high;        /* where the axis of seconds ends */
    size_t count;
    const double *x;     /* rising */
    size_t series_count; /* at most PH_SVG_SERIES */
    struct ph_svg_series series[PH_SVG_SERIES];
    size_t mark_count;
    const struct ph_svg_mark *marks; /* by row, then by `from` */
};

extern const char ph_svg_style[];

/* Appends an <svg> element. */
void ph_svg_plot(struct ph_html *html, const struct ph_svg_plot *plot);

#endif
