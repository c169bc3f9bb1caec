#include "base/exposition.h"

#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

void ph_exposition_text(struct ph_exposition *out, const char *text)
{
    if (out->err == PH_OK) {
        out->err = ph_buf_append_text(out->buf, text);
    }
}

void ph_exposition_count(struct ph_exposition *out, uint64_t value)
{
    if (out->err == PH_OK) {
        out->err = ph_buf_printf(out->buf, "%" PRIu64, value);
    }
}

/* A number of thousandths (3 digits) or billionths (9), without floating point: its decimal sign is
 * the host's locale's. */
static void put_fixed(struct ph_exposition *out, int64_t value, uint64_t per_unit, int digits)
{
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    if (out->err == PH_OK) {
        out->err = ph_buf_printf(out->buf, "%s%" PRIu64 ".%0*" PRIu64, value < 0 ? "-" : "",
            magnitude / per_unit, digits, magnitude % per_unit);
    }
}

void ph_exposition_ms(struct ph_exposition *out, int64_t ms)
{
    put_fixed(out, ms, 1000, 3);
}

void ph_exposition_ns(struct ph_exposition *out, uint64_t ns)
{
    put_fixed(out, ns > INT64_MAX ? INT64_MAX : (int64_t)ns, 1000000000, 9);
}

void ph_exposition_head(
    struct ph_exposition *out, const char *name, const char *type, const char *help)
{
    ph_exposition_text(out, "# HELP ");
    ph_exposition_text(out, name);
    ph_exposition_text(out, " ");
    ph_exposition_text(out, help);
    ph_exposition_text(out, "\n# TYPE ");
    ph_exposition_text(out, name);
    ph_exposition_text(out, " ");
    ph_exposition_text(out, type);
    ph_exposition_text(out, "\n");
}

static void begin_single(
    struct ph_exposition *out, const char *name, const char *type, const char *help)
{
    ph_exposition_head(out, name, type, help);
    ph_exposition_text(out, name);
    ph_exposition_text(out, " ");
}

void ph_exposition_single(
    struct ph_exposition *out, const char *name, const char *type, const char *help, uint64_t value)
{
    begin_single(out, name, type, help);
    ph_exposition_count(out, value);
    ph_exposition_text(out, "\n");
}

void ph_exposition_single_ms(
    struct ph_exposition *out, const char *name, const char *type, const char *help, int64_t ms)
{
    begin_single(out, name, type, help);
    ph_exposition_ms(out, ms);
    ph_exposition_text(out, "\n");
}

/* What the exposition format wants escaped and ph_text_escape() leaves. */
void ph_exposition_label(struct ph_exposition *out, const char *key, const char *value)
{
    char escaped[1024];
    ph_exposition_text(out, key);
    ph_exposition_text(out, "=\"");
    ph_text_escape(escaped, sizeof escaped, value);
    for (char *text = escaped; *text != '\0';) {
        size_t plain = strcspn(text, "\\\"");
        char special[] = {'\\', text[plain], '\0'};
        text[plain] = '\0';
        ph_exposition_text(out, text);
        text += plain;
        if (special[1] != '\0') {
            ph_exposition_text(out, special);
            text++;
        }
    }
    ph_exposition_text(out, "\"");
}

void ph_exposition_series(
    struct ph_exposition *out, const char *name, const char *key, const char *value)
{
    ph_exposition_text(out, name);
    ph_exposition_text(out, "{");
    ph_exposition_label(out, key, value);
    ph_exposition_text(out, "} ");
}

void ph_exposition_row(
    struct ph_exposition *out, const char *name, const char *key, const char *value, uint64_t count)
{
    ph_exposition_series(out, name, key, value);
    ph_exposition_count(out, count);
    ph_exposition_text(out, "\n");
}

bool ph_exposition_file_is_due(const struct ph_exposition_file *file, int64_t now_ms)
{
    return file->path != NULL && now_ms >= file->due_ms;
}

static void note(struct ph_exposition_file *file, const struct ph_error *why, int64_t now_ms)
{
    bool failed = why->code != PH_OK;
    if (failed && !file->failing) {
        ph_log_error(PH_LOG_ERROR, "metrics not written", why);
    } else if (!failed && file->failing) {
        ph_log(PH_LOG_INFO, "metrics written again", PH_STR("file", file->path));
    }
    file->failing = failed;
    file->due_ms = now_ms + PH_EXPOSITION_EVERY_MS;
}

void ph_exposition_file_write(
    struct ph_exposition_file *file, const struct ph_exposition *text, int64_t now_ms)
{
    struct ph_error error = {0};
    if (text->err != PH_OK) {
        ph_error_set(&error, text->err, "%s: the text finds no room", file->path);
    } else {
        (void)!ph_file_replace(file->path, 0644, text->buf->data, text->buf->len, &error);
    }
    note(file, &error, now_ms);
}

void ph_exposition_file_failed(
    struct ph_exposition_file *file, const struct ph_error *why, int64_t now_ms)
{
    note(file, why, now_ms);
}
