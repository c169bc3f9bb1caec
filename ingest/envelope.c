#include "ingest/envelope.h"

#include "base/limits.h"
#include "format/json.h"
#include "format/stream.h"

static bool read_envelope(const struct ph_json_value *root, struct ph_envelope *out)
{
    if (ph_json_type(root) != PH_JSON_OBJECT) {
        return false;
    }
    const struct ph_json_value *version = ph_json_member(root, "v");
    const struct ph_json_value *stream = ph_json_member(root, "stream");
    const struct ph_json_value *seq = ph_json_member(root, "seq");
    const struct ph_json_value *readings = ph_json_member(root, "readings");
    int64_t one = 0;
    if (version == NULL || stream == NULL || seq == NULL || readings == NULL ||
        ph_json_type(version) != PH_JSON_NUMBER || !ph_json_integer(version, 1, 1, &one) ||
        ph_json_type(stream) != PH_JSON_TEXT || ph_json_type(seq) != PH_JSON_NUMBER ||
        ph_json_type(readings) != PH_JSON_ARRAY) {
        return false;
    }
    size_t count = ph_json_count(readings);
    if (!ph_stream_parse(ph_json_text(stream), &out->stream) ||
        !ph_json_integer(seq, 1, PH_LIMIT_SEQ, &out->first) || count == 0 ||
        (int64_t)count > PH_LIMIT_SEQ - out->first + 1) {
        return false;
    }
    out->last = out->first + (int64_t)count - 1;
    return true;
}

bool ph_envelope_peek(const void *bytes, size_t len, struct ph_envelope *out)
{
    struct ph_json *json = NULL;
    if (len > PH_LIMIT_MESSAGE_BYTES || ph_json_parse(bytes, len, &json, NULL) != PH_OK) {
        return false;
    }
    bool readable = read_envelope(ph_json_root(json), out);
    ph_json_free(&json);
    return readable;
}
