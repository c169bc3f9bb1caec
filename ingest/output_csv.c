#include <stdlib.h>
#include <string.h>

#include "ingest/output_format.h"

/* A device chooses its texts, and a spreadsheet runs those that begin like a formula. */
static enum ph_err append_csv(struct ph_buf *buf, const struct ph_cell *cell)
{
    if (cell->type != PH_CELL_TEXT) {
        return ph_output_append_plain(buf, cell);
    }
    char *escaped = ph_output_escape(cell->text);
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
    ph_buf_init(&buf, PH_OUTPUT_CELL_BYTES);
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < output->count && err == PH_OK; i++) {
        ph_buf_reset(&buf);
        err = append_csv(&buf, &cells[i]);
        put_csv(output->file, buf.len > 0 ? buf.data : "");
        (void)fputs(i + 1 == output->count ? "\r\n" : ",", output->file);
    }
    ph_buf_fini(&buf);
    return err == PH_OK ? PH_OK : ph_output_no_memory(error);
}

static enum ph_err csv_header(struct ph_output *output, struct ph_error *error)
{
    (void)error;
    (void)fputs(output->tables > 1 ? "\r\n" : "", output->file);
    for (size_t i = 0; i < output->count; i++) {
        put_csv(output->file, output->columns[i].name);
        (void)fputs(i + 1 == output->count ? "\r\n" : ",", output->file);
    }
    return PH_OK;
}

static enum ph_err csv_end(struct ph_output *output, bool all, struct ph_error *error)
{
    (void)output;
    (void)all;
    (void)error;
    return PH_OK;
}

const struct ph_output_ops ph_output_csv = {csv_header, csv_row, csv_end};
