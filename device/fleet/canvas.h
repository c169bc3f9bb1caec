/* A screenful of text that never takes more columns or rows than the terminal has: what is too long
 * is cut, and when there are too many lines the least important ones are left out. */
#ifndef PH_FLEET_CANVAS_H
#define PH_FLEET_CANVAS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

struct ph_terminal {
    size_t columns;
    size_t rows;
    bool colour;
    bool utf8; /* else ASCII alone is shown; what is not ASCII is "?" then */
};

enum ph_ink {
    PH_INK_PLAIN,
    PH_INK_STRONG,
    PH_INK_GOOD,
    PH_INK_WARN,
    PH_INK_BAD,
};

enum {
    PH_CANVAS_LINES = 128,   /* more than these are left out, whatever they weigh */
    PH_CANVAS_COLUMNS = 500, /* more than these stay empty */
    PH_CANVAS_BYTES = 1 << 20,
};

/* Everything appends to the last line. Text may come from anywhere: it is escaped
 * (ph_text_escape()), its columns are counted, and what does not fit is cut with an ellipsis. When
 * there is no memory, ph_canvas_print() says so. */
struct ph_canvas {
    struct ph_terminal terminal;
    struct ph_buf text;
    struct {
        size_t begin; /* in `text` */
        size_t columns;
        int weight;
        bool left_out;
    } lines[PH_CANVAS_LINES];
    size_t line_count;
    bool full; /* no more lines */
    enum ph_err err;
};

/* Empty. */
void ph_canvas_init(struct ph_canvas *canvas, const struct ph_terminal *terminal);
void ph_canvas_fini(struct ph_canvas *canvas);
void ph_canvas_reset(struct ph_canvas *canvas); /* no lines, as at the beginning */

/* Begins a line. The greater `weight`, the sooner it is left out; of equals the lower one goes
 * first; 0 stays as long as anything. */
void ph_canvas_line(struct ph_canvas *canvas, int weight);

/* Appends to the present line, escaped; what does not fit is cut. */
void ph_canvas_printf(struct ph_canvas *canvas, enum ph_ink ink, const char *format, ...)
    PH_PRINTF(3, 4);
/* In a cell of exactly `width` columns, at its left or right; too long a text is cut when it stands
 * left, and takes more room when it stands right: digits are not cut. */
void ph_canvas_left(struct ph_canvas *canvas, enum ph_ink ink, size_t width, const char *text);
void ph_canvas_right(struct ph_canvas *canvas, enum ph_ink ink, size_t width, const char *text);

/* A bar of `width` columns of which `share` (0 to 1) is full. */
void ph_canvas_bar(struct ph_canvas *canvas, enum ph_ink ink, size_t width, double share);

/* One row of a chart that is `height` rows high; row 0 is its top. A column for each value, of
 * which `highest` reaches the top; values of 0 and below show nothing. */
void ph_canvas_chart(struct ph_canvas *canvas, const double *values, size_t count, double highest,
    size_t row, size_t height);

/* Columns that the last line still has. */
size_t ph_canvas_room(const struct ph_canvas *canvas);

/* Leaves out what does not fit, and appends the rest to `out`: as lines, or, to redraw a terminal
 * in place, from its upper left corner with whatever stood there erased. */
enum ph_err ph_canvas_print(struct ph_canvas *canvas, bool redraw, struct ph_buf *out) PH_NODISCARD;

#endif
