#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ingest/output_format.h"

enum { BLOCK_ROWS = 500, TEXT_BYTES = 120 };

static bool is_number(enum ph_cell_type type)
{
    return type == PH_CELL_INTEGER || type == PH_CELL_REAL;
}

/* What people write for the common UCUM codes. */
static const char *shown_unit(const char *unit)
{
    return strcmp(unit, "Cel") == 0   ? "\xc2\xb0"
                                        "C"
           : strcmp(unit, "deg") == 0 ? "\xc2\xb0"
                                      : unit;
}

static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xC0) != 0x80 ? 1 : 0;
    }
    return width;
}

static void pad(FILE *file, size_t count)
{
    for (; count > 0; count--) {
        (void)fputc(' ', file);
    }
}

static void print_aligned(
    struct ph_output *output, size_t column, const char *text, const size_t *widths)
{
    size_t space = widths[column] - width_of(text);
    bool right = is_number(output->columns[column].type);
    bool last = column + 1 == output->count;
    pad(output->file, right ? space : 0);
    (void)fputs(text, output->file);
    pad(output->file, right || last ? 0 : space);
    (void)fputs(last ? "\n" : "  ", output->file);
}

/* "temperature_c °C": the unit belongs to the heading, not to every cell. */
static void print_heading(char out[TEXT_BYTES], const struct ph_output_heading *column)
{
    (void)snprintf(out, TEXT_BYTES, "%s%s%s", column->name, column->unit != NULL ? " " : "",
        column->unit != NULL ? shown_unit(column->unit) : "");
}

static void widen(size_t *width, const char *text)
{
    size_t needed = width_of(text);
    *width = needed > *width ? needed : *width;
}

static enum ph_err flush(struct ph_output *output, struct ph_error *error)
{
    if (output->held_rows == 0 && !output->header_due) {
        return PH_OK;
    }
    char title[TEXT_BYTES];
    size_t *widths = calloc(output->count, sizeof *widths);
    if (widths == NULL) {
        return ph_output_no_memory(error);
    }
    for (size_t i = 0; i < output->count; i++) {
        print_heading(title, &output->columns[i]);
        widen(&widths[i], title);
    }
    for (size_t i = 0; i < output->held_rows * output->count; i++) {
        widen(&widths[i % output->count], output->held[i]);
    }
    if (output->header_due && output->tables > 1) {
        (void)fputc('\n', output->file);
    }
    for (size_t i = 0; i < output->count && output->header_due; i++) {
        print_heading(title, &output->columns[i]);
        print_aligned(output, i, title, widths);
    }
    for (size_t i = 0; i < output->held_rows * output->count; i++) {
        print_aligned(output, i % output->count, output->held[i], widths);
    }
    output->header_due = false;
    free(widths);
    ph_output_drop_held(output);
    return PH_OK;
}

/* Cuts at TEXT_BYTES, on a character, and says so. */
static char *shorten(const char *text)
{
    char escaped[TEXT_BYTES];
    char longer[TEXT_BYTES + 16]; /* one more character, escaped: at most 12 */
    ph_text_escape(escaped, sizeof escaped - 3, text);
    ph_text_escape(longer, sizeof longer, text);
    size_t len = strlen(escaped);
    if (strlen(longer) > len) {
        memcpy(&escaped[len], "...", sizeof "...");
    }
    return strdup(escaped);
}

static char *table_text(const struct ph_cell *cell)
{
    struct ph_buf buf;
    ph_buf_init(&buf, PH_OUTPUT_CELL_BYTES);
    char *text = NULL;
    if (cell->type == PH_CELL_NULL) {
        return strdup("-");
    }
    if (cell->type == PH_CELL_REAL) {
        return asprintf(&text, "%.10g", cell->real) >= 0 ? text : NULL;
    }
    if (ph_output_append_plain(&buf, cell) == PH_OK) {
        text = shorten(buf.data != NULL ? buf.data : "");
    }
    ph_buf_fini(&buf);
    return text;
}

static enum ph_err hold_row(
    struct ph_output *output, const struct ph_cell *cells, struct ph_error *error)
{
    char **line = &output->held[output->held_rows * output->count];
    for (size_t i = 0; i < output->count; i++) {
        line[i] = table_text(&cells[i]);
        if (line[i] == NULL) {
            for (size_t j = 0; j < i; j++) {
                free(line[j]);
            }
            return ph_output_no_memory(error);
        }
    }
    output->held_rows++;
    return output->held_rows == BLOCK_ROWS ? flush(output, error) : PH_OK;
}

void ph_output_drop_held(struct ph_output *output)
{
    for (size_t i = 0; i < output->held_rows * output->count; i++) {
        free(output->held[i]);
    }
    output->held_rows = 0;
}

static enum ph_err begin_table(struct ph_output *output, struct ph_error *error)
{
    free(output->held);
    output->held = calloc(output->count * BLOCK_ROWS, sizeof *output->held);
    output->header_due = output->held != NULL;
    return output->held != NULL ? PH_OK : ph_output_no_memory(error);
}

static enum ph_err end_table(struct ph_output *output, bool all, struct ph_error *error)
{
    (void)all;
    return flush(output, error);
}

const struct ph_output_ops ph_output_table = {begin_table, hold_row, end_table};
