#include <math.h>
#include <string.h>

#include "device/fleet/html_parts.h"
#include "device/fleet/svg.h"

/* What stays of a stretch, in order. */
struct kept {
    size_t rows[2 * PH_SVG_SERIES + 2];
    size_t count;
};

static void keep(struct kept *kept, size_t row)
{
    size_t at = 0;
    while (at < kept->count && kept->rows[at] < row) {
        at++;
    }
    if (at < kept->count && kept->rows[at] == row) {
        return;
    }
    memmove(&kept->rows[at + 1], &kept->rows[at], (kept->count - at) * sizeof kept->rows[0]);
    kept->rows[at] = row;
    kept->count++;
}

static void keep_extremes(struct kept *kept, const double *column, size_t from, size_t to)
{
    size_t least = to;
    size_t most = to;
    for (size_t i = from; i < to; i++) {
        if (!isnan(column[i])) {
            least = least == to || column[i] < column[least] ? i : least;
            most = most == to || column[i] > column[most] ? i : most;
        }
    }
    if (least < to) {
        keep(kept, least);
        keep(kept, most);
    }
}

/* First and last, so that a line jumps where it jumped, and is interrupted where nothing was
 * measured. */
static void choose(
    struct kept *kept, const double *table, size_t columns, size_t rows, size_t from, size_t to)
{
    kept->count = 0;
    for (size_t c = 1; c < columns; c++) {
        keep_extremes(kept, &table[c * rows], from, to);
    }
    keep(kept, from);
    keep(kept, to - 1);
}

size_t ph_html_thin(double *table, size_t columns, size_t rows, size_t rows_max)
{
    if (rows <= rows_max || columns < 2) {
        return rows;
    }
    size_t stretches = rows_max / (2 * columns);
    size_t used = 0;
    struct kept kept;
    for (size_t i = 0; i < stretches; i++) {
        choose(&kept, table, columns, rows, i * rows / stretches, (i + 1) * rows / stretches);
        for (size_t k = 0; k < kept.count; k++, used++) {
            for (size_t c = 0; c < columns; c++) {
                table[c * rows + used] = table[c * rows + kept.rows[k]];
            }
        }
    }
    return used;
}
