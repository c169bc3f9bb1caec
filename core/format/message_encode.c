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

static enum ph_err append_field(const struct ph_field *field, bool first, struct ph_buf *out)
{
    enum ph_err err = ph_field_name_valid(field->name)
                          ? ph_buf_printf(out, "%s\"%s\":", first ? "" : ",", field->name)
                          : PH_ERR_INTERNAL;
    return err == PH_OK ? append_value(&field->value, out) : err;
}

static enum ph_err append_reading(const struct ph_reading *reading, struct ph_buf *out)
{
    enum ph_err err = reading->has_time ? ph_buf_printf(out, "{\"t\":%" PRId64, reading->time_ms)
                                        : ph_buf_append_text(out, "{");
    for (size_t i = 0; i < reading->field_count && err == PH_OK; i++) {
        err = append_field(&reading->fields[i], i == 0 && !reading->has_time, out);
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

enum ph_err ph_message_encode(
    uint64_t stream, int64_t seq, const char *const *readings, size_t count, struct ph_buf *out)
{
    if (stream == 0 || count == 0 || seq < 1) {
        return PH_ERR_INTERNAL;
    }
    if (count > PH_LIMIT_MESSAGE_READINGS || seq > PH_LIMIT_SEQ - (int64_t)count + 1) {
        return PH_ERR_LIMIT;
    }
    size_t start = out->len;
    char name[PH_STREAM_BYTES];
    ph_stream_print(name, stream);
    enum ph_err err = ph_buf_printf(
        out, "{\"v\":1,\"stream\":\"%s\",\"seq\":%" PRId64 ",\"readings\":", name, seq);
    for (size_t i = 0; i < count && err == PH_OK; i++) {
        err = ph_buf_append_text(out, i == 0 ? "[" : ",");
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
