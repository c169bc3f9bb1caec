#include <inttypes.h>

#include "base/limits.h"
#include "format/json.h"
#include "format/message.h"
#include "format/stream.h"

static enum ph_err append_value(const struct ph_value *value, struct ph_buf *out)
{
    switch (value->type) {
    case PH_VALUE_NUMBER:
        return ph_json_append_number(out, value->number);
    case PH_VALUE_BOOL:
        return ph_buf_append_text(out, value->boolean ? "true" : "false");
    case PH_VALUE_TEXT:
        return ph_json_append_text(out, value->text);
    }
    return PH_ERR_INTERNAL;
}

enum ph_err ph_field_encode(const struct ph_field *field, struct ph_buf *out)
{
    size_t start = out->len;
    enum ph_err err = ph_field_name_valid(field->name) ? ph_buf_printf(out, "\"%s\":", field->name)
                                                       : PH_ERR_INTERNAL;
    if (err == PH_OK) {
        err = append_value(&field->value, out);
    }
    if (err != PH_OK) {
        ph_buf_truncate(out, start);
    }
    return err;
}

static enum ph_err append_time(const struct ph_reading *reading, struct ph_buf *out)
{
    if (reading->has_time && reading->has_up) {
        return PH_ERR_INTERNAL;
    }
    if (reading->has_time) {
        return ph_buf_printf(out, "{\"t\":%" PRId64, reading->time_ms);
    }
    return reading->has_up ? ph_buf_printf(out, "{\"up\":%" PRId64, reading->up_ms)
                           : ph_buf_append_text(out, "{");
}

static enum ph_err append_reading(const struct ph_reading *reading, struct ph_buf *out)
{
    bool first = !reading->has_time && !reading->has_up;
    enum ph_err err = append_time(reading, out);
    for (size_t i = 0; i < reading->field_count && err == PH_OK; i++) {
        err = first && i == 0 ? PH_OK : ph_buf_append_text(out, ",");
        if (err == PH_OK) {
            err = ph_field_encode(&reading->fields[i], out);
        }
    }
    return err == PH_OK ? ph_buf_append_text(out, "}") : err;
}

enum ph_err ph_reading_encode(const struct ph_reading *reading, struct ph_buf *out)
{
    size_t start = out->len;
    enum ph_err err = append_reading(reading, out);
    if (err != PH_OK) {
        ph_buf_truncate(out, start);
    }
    return err;
}

static enum ph_err append_number(struct ph_buf *out, const char *name, int64_t number)
{
    return ph_buf_printf(out, ",\"%s\":%" PRId64, name, number);
}

static enum ph_err append_head(const struct ph_message_head *head, struct ph_buf *out)
{
    char name[PH_STREAM_BYTES];
    ph_stream_print(name, head->stream);
    enum ph_err err =
        ph_buf_printf(out, "{\"v\":1,\"stream\":\"%s\",\"seq\":%" PRId64, name, head->seq);
    if (err == PH_OK && head->oldest != 0) {
        err = append_number(out, "oldest", head->oldest);
    }
    if (err == PH_OK && head->now_ms >= 0 && head->now_ms <= PH_TIME_MAX_MS) {
        err = append_number(out, "now", head->now_ms);
    }
    if (err == PH_OK && head->up_ms >= 0 && head->up_ms <= PH_LIMIT_SEQ) {
        err = append_number(out, "up", head->up_ms);
    }
    return err == PH_OK ? ph_buf_append_text(out, ",\"readings\":[") : err;
}

enum ph_err ph_message_encode(const struct ph_message_head *head, const char *const *readings,
    size_t count, struct ph_buf *out)
{
    if (head->stream == 0 || head->seq < 1 || head->oldest < 0 || head->oldest > head->seq) {
        return PH_ERR_INTERNAL;
    }
    if (count > PH_LIMIT_MESSAGE_READINGS || head->seq > PH_LIMIT_SEQ ||
        head->seq > PH_LIMIT_SEQ - (int64_t)count + 1) {
        return PH_ERR_LIMIT;
    }
    size_t start = out->len;
    enum ph_err err = append_head(head, out);
    for (size_t i = 0; i < count && err == PH_OK; i++) {
        err = i > 0 ? ph_buf_append_text(out, ",") : PH_OK;
        if (err == PH_OK) {
            err = ph_buf_append_text(out, readings[i]);
        }
    }
    if (err == PH_OK) {
        err = ph_buf_append_text(out, "]}");
    }
    if (err != PH_OK) {
        ph_buf_truncate(out, start);
    }
    return err;
}
