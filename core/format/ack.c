#include "format/ack.h"

#include <inttypes.h>
#include <string.h>

#include "format/json.h"
#include "format/stream.h"

/* Everything that the numbers of an acknowledgement must keep to. */
static enum ph_err check(const struct ph_ack *ack, struct ph_error *error)
{
    if (ack->through < 0 || ack->through > PH_LIMIT_SEQ) {
        return ph_error_set(error, PH_ERR_INPUT, "ack: through: want 0 to %" PRId64, PH_LIMIT_SEQ);
    }
    if (ack->asked < 0 || ack->asked > PH_LIMIT_SEQ) {
        return ph_error_set(error, PH_ERR_INPUT, "ack: asked: want 1 to %" PRId64, PH_LIMIT_SEQ);
    }
    if (ack->also_count > PH_LIMIT_ACK_RANGES) {
        return ph_error_set(error, PH_ERR_LIMIT, "ack: also: want at most %d ranges, have %zu",
            PH_LIMIT_ACK_RANGES, ack->also_count);
    }
    int64_t before = ack->through;
    for (size_t i = 0; i < ack->also_count; i++) {
        const struct ph_seq_range *range = &ack->also[i];
        if (range->first <= before || range->last < range->first || range->last > PH_LIMIT_SEQ) {
            return ph_error_set(error, PH_ERR_INPUT,
                "ack: also: range %zu: want ascending ranges beyond \"through\" that do not touch "
                "each other's numbers, have [%" PRId64 ",%" PRId64 "] after %" PRId64,
                i + 1, range->first, range->last, before);
        }
        before = range->last;
    }
    return PH_OK;
}

static bool read_range(const struct ph_json_value *pair, struct ph_seq_range *out)
{
    if (ph_json_type(pair) != PH_JSON_ARRAY || ph_json_count(pair) != 2) {
        return false;
    }
    const struct ph_json_value *first = ph_json_first(pair);
    return ph_json_integer(first, 1, PH_LIMIT_SEQ, &out->first) &&
           ph_json_integer(ph_json_next(first), 1, PH_LIMIT_SEQ, &out->last);
}

static enum ph_err read_also(
    const struct ph_json_value *also, struct ph_ack *ack, struct ph_error *error)
{
    if (ph_json_type(also) != PH_JSON_ARRAY) {
        return ph_error_set(error, PH_ERR_INPUT, "ack: also: want an array of [first,last]");
    }
    for (const struct ph_json_value *pair = ph_json_first(also); pair != NULL;
         pair = ph_json_next(pair)) {
        if (ack->also_count == PH_LIMIT_ACK_RANGES) {
            return ph_error_set(
                error, PH_ERR_LIMIT, "ack: also: want at most %d ranges", PH_LIMIT_ACK_RANGES);
        }
        if (!read_range(pair, &ack->also[ack->also_count])) {
            return ph_error_set(error, PH_ERR_INPUT,
                "ack: also: range %zu: want [first,last], whole numbers from 1 to %" PRId64,
                ack->also_count + 1, PH_LIMIT_SEQ);
        }
        ack->also_count++;
    }
    return PH_OK;
}

static enum ph_err read_member(
    const struct ph_json_value *member, struct ph_ack *ack, struct ph_error *error)
{
    const char *key = ph_json_key(member);
    int64_t version = 0;
    if (strcmp(key, "v") == 0) {
        return ph_json_integer(member, 1, 1, &version)
                   ? PH_OK
                   : ph_error_set(error, PH_ERR_INPUT, "ack: v: want 1");
    }
    if (strcmp(key, "stream") == 0) {
        bool good = ph_json_type(member) == PH_JSON_TEXT &&
                    ph_stream_parse(ph_json_text(member), &ack->stream);
        return good ? PH_OK
                    : ph_error_set(error, PH_ERR_INPUT,
                          "ack: stream: want 16 lower-case hexadecimal digits, not all zero");
    }
    if (strcmp(key, "through") == 0) {
        return ph_json_integer(member, 0, PH_LIMIT_SEQ, &ack->through)
                   ? PH_OK
                   : ph_error_set(
                         error, PH_ERR_INPUT, "ack: through: want 0 to %" PRId64, PH_LIMIT_SEQ);
    }
    if (strcmp(key, "also") == 0) {
        return read_also(member, ack, error);
    }
    if (strcmp(key, "asked") == 0) {
        return ph_json_integer(member, 1, PH_LIMIT_SEQ, &ack->asked)
                   ? PH_OK
                   : ph_error_set(
                         error, PH_ERR_INPUT, "ack: asked: want 1 to %" PRId64, PH_LIMIT_SEQ);
    }
    return ph_error_set(error, PH_ERR_INPUT, "ack: unknown member \"%.64s\"", key);
}

static enum ph_err read_ack(
    const struct ph_json_value *root, struct ph_ack *ack, struct ph_error *error)
{
    static const char *const required[] = {"v", "stream", "through"};
    if (ph_json_type(root) != PH_JSON_OBJECT) {
        return ph_error_set(error, PH_ERR_INPUT, "ack: want an object");
    }
    for (size_t i = 0; i < sizeof required / sizeof required[0]; i++) {
        if (ph_json_member(root, required[i]) == NULL) {
            return ph_error_set(error, PH_ERR_INPUT, "ack: %s: missing", required[i]);
        }
    }
    enum ph_err err = PH_OK;
    for (const struct ph_json_value *member = ph_json_first(root); member != NULL && err == PH_OK;
         member = ph_json_next(member)) {
        err = read_member(member, ack, error);
    }
    return err == PH_OK ? check(ack, error) : err;
}

enum ph_err ph_ack_parse(const void *bytes, size_t len, struct ph_ack *out, struct ph_error *error)
{
    struct ph_json *json = NULL;
    enum ph_err err = ph_json_parse(bytes, len, &json, error);
    *out = (struct ph_ack){0};
    if (err == PH_OK) {
        err = read_ack(ph_json_root(json), out, error);
    }
    ph_json_free(&json);
    return err;
}

static enum ph_err append_ack(const struct ph_ack *ack, struct ph_buf *out)
{
    char stream[PH_STREAM_BYTES];
    ph_stream_print(stream, ack->stream);
    enum ph_err err =
        ph_buf_printf(out, "{\"v\":1,\"stream\":\"%s\",\"through\":%" PRId64, stream, ack->through);
    for (size_t i = 0; i < ack->also_count && err == PH_OK; i++) {
        err = ph_buf_printf(out, "%s[%" PRId64 ",%" PRId64 "]", i == 0 ? ",\"also\":[" : ",",
            ack->also[i].first, ack->also[i].last);
    }
    if (err == PH_OK && ack->also_count > 0) {
        err = ph_buf_append_text(out, "]");
    }
    if (err == PH_OK && ack->asked > 0) {
        err = ph_buf_printf(out, ",\"asked\":%" PRId64, ack->asked);
    }
    return err == PH_OK ? ph_buf_append_text(out, "}") : err;
}

enum ph_err ph_ack_encode(const struct ph_ack *ack, struct ph_buf *out)
{
    size_t start = out->len;
    if (ack->stream == 0 || check(ack, NULL) != PH_OK) {
        return PH_ERR_INTERNAL;
    }
    enum ph_err err = append_ack(ack, out);
    if (err != PH_OK) {
        ph_buf_truncate(out, start);
    }
    return err;
}
