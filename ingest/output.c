#include "ingest/output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "format/json.h"
#include "ingest/output_format.h"

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
    static const struct ph_output_ops *const formats[] = {
        [PH_OUTPUT_TABLE] = &ph_output_table,
        [PH_OUTPUT_CSV] = &ph_output_csv,
        [PH_OUTPUT_JSON] = &ph_output_json,
    };
    struct ph_output *output = calloc(1, sizeof *output);
    if (output != NULL) {
        output->file = file;
        output->ops = formats[format];
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

void ph_output_free(struct ph_output **output)
{
    if (*output != NULL) {
        ph_output_drop_held(*output);
        free((*output)->held);
        free_columns(*output);
        free(*output);
        *output = NULL;
    }
}

enum ph_err ph_output_no_memory(struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_MEMORY, "output: out of memory");
}

enum ph_err ph_output_append_plain(struct ph_buf *buf, const struct ph_cell *cell)
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

char *ph_output_escape(const char *text)
{
    size_t size = 4 * strlen(text) + 1;
    char *escaped = malloc(size);
    if (escaped != NULL) {
        ph_text_escape(escaped, size, text);
    }
    return escaped;
}

static enum ph_err copy_columns(
    struct ph_output *output, const struct ph_column *columns, size_t count, struct ph_error *error)
{
    free_columns(output);
    output->columns = calloc(count, sizeof *output->columns);
    if (output->columns == NULL) {
        return ph_output_no_memory(error);
    }
    output->count = count;
    for (size_t i = 0; i < count; i++) {
        output->columns[i].type = columns[i].type;
        output->columns[i].name = strdup(columns[i].name);
        output->columns[i].unit = columns[i].unit != NULL ? strdup(columns[i].unit) : NULL;
        if (output->columns[i].name == NULL ||
            (columns[i].unit != NULL && output->columns[i].unit == NULL)) {
            return ph_output_no_memory(error);
        }
    }
    return PH_OK;
}

static enum ph_err begin(
    void *context, const struct ph_column *columns, size_t count, struct ph_error *error)
{
    struct ph_output *output = context;
    enum ph_err err = output->ops->end(output, false, error);
    if (err == PH_OK) {
        err = copy_columns(output, columns, count, error);
    }
    output->tables++;
    return err == PH_OK ? output->ops->begin(output, error) : err;
}

static enum ph_err check_file(
    const struct ph_output *output, enum ph_err err, struct ph_error *error)
{
    return err == PH_OK && ferror(output->file) != 0
               ? ph_error_set(error, PH_ERR_IO, "standard output: cannot be written")
               : err;
}

static enum ph_err row(void *context, const struct ph_cell *cells, struct ph_error *error)
{
    struct ph_output *output = context;
    enum ph_err err = output->ops->row(output, cells, error);
    output->rows++;
    return check_file(output, err, error);
}

struct ph_rows ph_output_rows(struct ph_output *output)
{
    return (struct ph_rows){.context = output, .begin = begin, .row = row};
}

enum ph_err ph_output_finish(struct ph_output *output, struct ph_error *error)
{
    return check_file(output, output->ops->end(output, true, error), error);
}
