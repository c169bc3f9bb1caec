#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "format/json.h"
#include "ingest/output_format.h"

enum ph_err ph_output_append_json_text(struct ph_buf *buf, const char *text)
{
    if (ph_text_utf8_valid(text, strlen(text))) {
        return ph_json_append_text(buf, text);
    }
    char *escaped = ph_output_escape(text);
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
        return ph_output_append_json_text(buf, cell->text);
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
    return ph_output_append_plain(buf, cell);
}

void ph_output_put_json(FILE *file, const char *bytes, size_t len)
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
    ph_buf_init(&buf, 2 * PH_OUTPUT_CELL_BYTES);
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
        ph_output_put_json(output->file, buf.data, buf.len);
    }
    ph_buf_fini(&buf);
    return err == PH_OK ? PH_OK : ph_output_no_memory(error);
}

static enum ph_err json_begin(struct ph_output *output, struct ph_error *error)
{
    (void)output;
    (void)error;
    return PH_OK;
}

/* All tables are one array. */
static enum ph_err json_end(struct ph_output *output, bool all, struct ph_error *error)
{
    (void)error;
    if (all) {
        (void)fputs(output->rows == 0 ? "[]\n" : "\n]\n", output->file);
    }
    return PH_OK;
}

const struct ph_output_ops ph_output_json = {json_begin, json_row, json_end};
