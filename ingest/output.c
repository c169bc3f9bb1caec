#include "ingest/output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "format/json.h"

enum { BLOCK_ROWS = 500, TABLE_TEXT_BYTES = 120, CELL_BYTES_MAX = 8 * PH_LIMIT_MESSAGE_BYTES };

struct ph_output {
    FILE *file;
    enum ph_output_format format;
    struct heading {
        char *name;
        char *unit; /* or NULL */
        enum ph_cell_type type;
    } * columns;
    size_t count;
    int tables;
    int64_t rows;
    char **cells; /* table: cells held back, row by row */
    size_t held;
    bool header_due;
};

enum ph_err ph_output_format_parse(
    const char *text, enum ph_output_format *out, struct ph_error *error)
{
    static const char *const names[] = {"table", "csv", "json"};
    for (size_t i = 0; text != NULL && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (enum ph_output_format)i;
            return PH_OK;
        }
    }
    *out = PH_OUTPUT_TABLE;
    return text == NULL ? PH_OK
                        : ph_error_set(error, PH_ERR_USAGE,
                              "--format: want table, csv or json, have \"%s\"", text);
}

struct ph_output *ph_output_new(FILE *file, enum ph_output_format format)
{
    struct ph_output *output = calloc(1, sizeof *output);
    if (output != NULL) {
        output->file = file;
        output->format = format;
    }
    return output;
}

static void free_columns(struct ph_output *output)
{
    for (size_t i = 0; i < output->count; i++) {
        free(output->columns[i].name);
        free(output->columns[i].unit);
    }
    free(output->columns);
    output->columns = NULL;
    output->count = 0;
}

static void drop_held(struct ph_output *output)
{
    for (size_t i = 0; i < output->held * output->count; i++) {
        free(output->cells[i]);
    }
    output->held = 0;
}

void ph_output_free(struct ph_output **output)
{
    if (*output != NULL) {
        drop_held(*output);
        free((*output)->cells);
        free_columns(*output);
        free(*output);
        *output = NULL;
    }
}

static enum ph_err no_memory(struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_MEMORY, "output: out of memory");
}

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

/* A cell as plain text, NULL and JSON's quoting aside. */
static enum ph_err append_plain(struct ph_buf *buf, const struct ph_cell *cell)
{
    char time[PH_UTC_BYTES];
    switch (cell->type) {
    case PH_CELL_NULL:
        return PH_OK;
    case PH_CELL_INTEGER:
        return ph_buf_printf(buf, "%" PRId64, cell->integer);
    case PH_CELL_REAL:
        return ph_json_append_number(buf, cell->real);
    case PH_CELL_BOOL:
        return ph_buf_append_text(buf, cell->integer != 0 ? "true" : "false");
    case PH_CELL_TIME:
        ph_utc_print(time, cell->integer);
        return ph_buf_append_text(buf, time);
    case PH_CELL_TEXT:
        return ph_buf_append_text(buf, cell->text);
    }
    return PH_ERR_INTERNAL;
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
static void print_heading(char out[TABLE_TEXT_BYTES], const struct heading *column)
{
    (void)snprintf(out, TABLE_TEXT_BYTES, "%s%s%s", column->name, column->unit != NULL ? " " : "",
        column->unit != NULL ? shown_unit(column->unit) : "");
}

static void widen(size_t *width, const char *text)
{
    size_t needed = width_of(text);
    *width = needed > *width ? needed : *width;
}

static enum ph_err flush_table(struct ph_output *output, struct ph_error *error)
{
    if (output->held == 0 && !output->header_due) {
        return PH_OK;
    }
    char title[TABLE_TEXT_BYTES];
    size_t *widths = calloc(output->count, sizeof *widths);
    if (widths == NULL) {
        return no_memory(error);
    }
    for (size_t i = 0; i < output->count; i++) {
        print_heading(title, &output->columns[i]);
        widen(&widths[i], title);
    }
    for (size_t i = 0; i < output->held * output->count; i++) {
        widen(&widths[i % output->count], output->cells[i]);
    }
    if (output->header_due && output->tables > 1) {
        (void)fputc('\n', output->file);
    }
    for (size_t i = 0; i < output->count && output->header_due; i++) {
        print_heading(title, &output->columns[i]);
        print_aligned(output, i, title, widths);
    }
    for (size_t i = 0; i < output->held * output->count; i++) {
        print_aligned(output, i % output->count, output->cells[i], widths);
    }
    output->header_due = false;
    free(widths);
    drop_held(output);
    return PH_OK;
}

/* Cuts at TABLE_TEXT_BYTES, on a character, and says so. */
static char *shorten(const char *text)
{
    char escaped[TABLE_TEXT_BYTES];
    char longer[TABLE_TEXT_BYTES + 16]; /* one more character, escaped: at most 12 */
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
    ph_buf_init(&buf, CELL_BYTES_MAX);
    char *text = NULL;
    if (cell->type == PH_CELL_NULL) {
        return strdup("-");
    }
    if (cell->type == PH_CELL_REAL) {
        return asprintf(&text, "%.6g", cell->real) >= 0 ? text : NULL;
    }
    if (append_plain(&buf, cell) == PH_OK) {
        text = shorten(buf.data != NULL ? buf.data : "");
    }
    ph_buf_fini(&buf);
    return text;
}

static enum ph_err hold_row(
    struct ph_output *output, const struct ph_cell *cells, struct ph_error *error)
{
    char **line = &output->cells[output->held * output->count];
    for (size_t i = 0; i < output->count; i++) {
        line[i] = table_text(&cells[i]);
        if (line[i] == NULL) {
            for (size_t j = 0; j < i; j++) {
                free(line[j]);
            }
            return no_memory(error);
        }
    }
    output->held++;
    return output->held == BLOCK_ROWS ? flush_table(output, error) : PH_OK;
}

/* The caller's; NULL when out of memory. */
static char *escaped_copy(const char *text)
{
    size_t size = 4 * strlen(text) + 1;
    char *escaped = malloc(size);
    if (escaped != NULL) {
        ph_text_escape(escaped, size, text);
    }
    return escaped;
}

/* A device chooses its texts, and a spreadsheet runs those that begin like a formula. */
static enum ph_err append_csv(struct ph_buf *buf, const struct ph_cell *cell)
{
    if (cell->type != PH_CELL_TEXT) {
        return append_plain(buf, cell);
    }
    char *escaped = escaped_copy(cell->text);
    if (escaped == NULL) {
        return PH_ERR_MEMORY;
    }
    bool formula = escaped[0] != '\0' && strchr("=+-@", escaped[0]) != NULL;
    enum ph_err err = ph_buf_printf(buf, "%s%s", formula ? "'" : "", escaped);
    free(escaped);
    return err;
}

static void put_csv(FILE *file, const char *text)
{
    if (strpbrk(text, ",\"") == NULL) {
        (void)fputs(text, file);
        return;
    }
    (void)fputc('"', file);
    for (; *text != '\0'; text++) {
        if (*text == '"') {
            (void)fputc('"', file);
        }
        (void)fputc(*text, file);
    }
    (void)fputc('"', file);
}

static enum ph_err csv_row(
    struct ph_output *output, const struct ph_cell *cells, struct ph_error *error)
{
    struct ph_buf buf;
    ph_buf_init(&buf, CELL_BYTES_MAX);
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < output->count && err == PH_OK; i++) {
        ph_buf_reset(&buf);
        err = append_csv(&buf, &cells[i]);
        put_csv(output->file, buf.len > 0 ? buf.data : "");
        (void)fputs(i + 1 == output->count ? "\r\n" : ",", output->file);
    }
    ph_buf_fini(&buf);
    return err == PH_OK ? PH_OK : no_memory(error);
}

static void csv_header(struct ph_output *output)
{
    (void)fputs(output->tables > 1 ? "\r\n" : "", output->file);
    for (size_t i = 0; i < output->count; i++) {
        put_csv(output->file, output->columns[i].name);
        (void)fputs(i + 1 == output->count ? "\r\n" : ",", output->file);
    }
}

static enum ph_err append_json_text(struct ph_buf *buf, const char *text)
{
    if (ph_text_utf8_valid(text, strlen(text))) {
        return ph_json_append_text(buf, text);
    }
    char *escaped = escaped_copy(text);
    if (escaped == NULL) {
        return PH_ERR_MEMORY;
    }
    enum ph_err err = ph_json_append_text(buf, escaped);
    free(escaped);
    return err;
}

static enum ph_err append_json(struct ph_buf *buf, const struct ph_cell *cell)
{
    switch (cell->type) {
    case PH_CELL_NULL:
        return ph_buf_append_text(buf, "null");
    case PH_CELL_TEXT:
        return append_json_text(buf, cell->text);
    case PH_CELL_TIME: {
        char time[PH_UTC_BYTES];
        ph_utc_print(time, cell->integer);
        return ph_buf_printf(buf, "\"%s\"", time);
    }
    case PH_CELL_INTEGER:
    case PH_CELL_REAL:
    case PH_CELL_BOOL:
        break;
    }
    return append_plain(buf, cell);
}

/* What JSON lets stand but a terminal obeys (DEL, C1 controls, separators and directions) goes out
 * as \uXXXX, which reads back the same. The bytes are valid UTF-8. */
static void put_json(FILE *file, const char *bytes, size_t len)
{
    const unsigned char *p = (const unsigned char *)bytes;
    for (size_t i = 0; i < len; i++) {
        bool wide = i + 2 < len && p[i] == 0xE2 &&
                    ((p[i + 1] == 0x80 && p[i + 2] >= 0xA8 && p[i + 2] <= 0xAE) ||
                        (p[i + 1] == 0x81 && p[i + 2] >= 0xA6 && p[i + 2] <= 0xA9));
        if (wide) {
            (void)fprintf(file, "\\u20%02x", ((p[i + 1] & 1U) << 6) | (p[i + 2] & 0x3FU));
            i += 2;
        } else if (i + 1 < len && p[i] == 0xC2 && p[i + 1] < 0xA0) {
            (void)fprintf(file, "\\u00%02x", (unsigned)p[++i]);
        } else if (p[i] == 0x7F) {
            (void)fputs("\\u007f", file);
        } else {
            (void)fputc(p[i], file);
        }
    }
}

/* One object per line; a field that has no value is left out. */
static enum ph_err json_row(
    struct ph_output *output, const struct ph_cell *cells, struct ph_error *error)
{
    struct ph_buf buf;
    ph_buf_init(&buf, (size_t)2 * CELL_BYTES_MAX);
    enum ph_err err = ph_buf_append_text(&buf, output->rows == 0 ? "[\n {" : ",\n {");
    const char *comma = "";
    for (size_t i = 0; i < output->count && err == PH_OK; i++) {
        if (cells[i].type == PH_CELL_NULL) {
            continue;
        }
        err = ph_buf_printf(&buf, "%s\"%s\":", comma, output->columns[i].name);
        err = err == PH_OK ? append_json(&buf, &cells[i]) : err;
        comma = ",";
    }
    if (err == PH_OK) {
        err = ph_buf_append_text(&buf, "}");
    }
    if (err == PH_OK) {
        put_json(output->file, buf.data, buf.len);
    }
    ph_buf_fini(&buf);
    return err == PH_OK ? PH_OK : no_memory(error);
}

static enum ph_err copy_columns(
    struct ph_output *output, const struct ph_column *columns, size_t count, struct ph_error *error)
{
    free_columns(output);
    free(output->cells);
    output->columns = calloc(count, sizeof *output->columns);
    output->cells = calloc(count * BLOCK_ROWS, sizeof *output->cells);
    if (output->columns == NULL || output->cells == NULL) {
        return no_memory(error);
    }
    output->count = count;
    for (size_t i = 0; i < count; i++) {
        output->columns[i].type = columns[i].type;
        output->columns[i].name = strdup(columns[i].name);
        output->columns[i].unit = columns[i].unit != NULL ? strdup(columns[i].unit) : NULL;
        if (output->columns[i].name == NULL ||
            (columns[i].unit != NULL && output->columns[i].unit == NULL)) {
            return no_memory(error);
        }
    }
    return PH_OK;
}

static enum ph_err begin(
    void *context, const struct ph_column *columns, size_t count, struct ph_error *error)
{
    struct ph_output *output = context;
    enum ph_err err = flush_table(output, error);
    if (err == PH_OK) {
        err = copy_columns(output, columns, count, error);
    }
    output->tables++;
    output->header_due = output->format == PH_OUTPUT_TABLE;
    if (err == PH_OK && output->format == PH_OUTPUT_CSV) {
        csv_header(output);
    }
    return err;
}

static enum ph_err row(void *context, const struct ph_cell *cells, struct ph_error *error)
{
    struct ph_output *output = context;
    enum ph_err err = output->format == PH_OUTPUT_TABLE ? hold_row(output, cells, error)
                      : output->format == PH_OUTPUT_CSV ? csv_row(output, cells, error)
                                                        : json_row(output, cells, error);
    output->rows++;
    return err == PH_OK && ferror(output->file) != 0
               ? ph_error_set(error, PH_ERR_IO, "standard output: cannot be written")
               : err;
}

struct ph_rows ph_output_rows(struct ph_output *output)
{
    return (struct ph_rows){.context = output, .begin = begin, .row = row};
}

enum ph_err ph_output_finish(struct ph_output *output, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    if (output->format == PH_OUTPUT_TABLE) {
        err = flush_table(output, error);
    } else if (output->format == PH_OUTPUT_JSON) {
        (void)fputs(output->rows == 0 ? "[]\n" : "\n]\n", output->file);
    }
    return err == PH_OK && ferror(output->file) != 0
               ? ph_error_set(error, PH_ERR_IO, "standard output: cannot be written")
               : err;
}
