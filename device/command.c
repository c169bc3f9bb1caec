#include "device/command.h"

#include <string.h>

#include "base/text.h"
#include "device/thermostat.h"
#include "format/json.h"

static enum ph_err check_version(const struct ph_json_value *root, struct ph_error *error)
{
    int64_t version = 0;
    if (ph_json_type(root) != PH_JSON_OBJECT) {
        return ph_error_set(error, PH_ERR_INPUT, "want a JSON object");
    }
    const struct ph_json_value *v = ph_json_member(root, "v");
    if (v == NULL || !ph_json_integer(v, 1, 1, &version)) {
        return ph_error_set(error, PH_ERR_INPUT, "v: want 1");
    }
    return PH_OK;
}

static enum ph_err read_id(
    const struct ph_json_value *root, struct ph_command *out, struct ph_error *error)
{
    const struct ph_json_value *id = ph_json_member(root, "id");
    if (id == NULL || ph_json_type(id) != PH_JSON_TEXT || ph_json_text(id)[0] == '\0' ||
        !ph_text_copy(out->id, sizeof out->id, ph_json_text(id))) {
        return ph_error_set(
            error, PH_ERR_INPUT, "id: want a text of 1 to %d bytes", PH_COMMAND_ID_BYTES);
    }
    return PH_OK;
}

static enum ph_err read_set(
    const struct ph_json_value *root, struct ph_command *out, struct ph_error *error)
{
    const struct ph_json_value *set = ph_json_member(root, "set");
    if (set == NULL || ph_json_type(set) != PH_JSON_OBJECT) {
        return ph_error_set(error, PH_ERR_INPUT, "set: want an object");
    }
    const struct ph_json_value *value = ph_json_member(set, "setpoint_c");
    if (value == NULL || ph_json_count(set) != 1) {
        return ph_error_set(error, PH_ERR_INPUT, "set: want setpoint_c and nothing else");
    }
    if (ph_json_type(value) != PH_JSON_NUMBER || ph_json_number(value) < PH_SETPOINT_MIN_C ||
        ph_json_number(value) > PH_SETPOINT_MAX_C) {
        return ph_error_set(error, PH_ERR_INPUT, "set.setpoint_c: want a number from %g to %g",
            PH_SETPOINT_MIN_C, PH_SETPOINT_MAX_C);
    }
    out->setpoint_c = ph_json_number(value);
    return PH_OK;
}

static enum ph_err read_command(
    const struct ph_json_value *root, struct ph_command *out, struct ph_error *error)
{
    enum ph_err err = check_version(root, error);
    if (err == PH_OK) {
        err = read_id(root, out, error);
    }
    if (err == PH_OK && ph_json_count(root) != 3) {
        err = ph_error_set(error, PH_ERR_INPUT, "want v, id and set and nothing else");
    }
    return err == PH_OK ? read_set(root, out, error) : err;
}

enum ph_err ph_command_parse(
    const void *bytes, size_t len, struct ph_command *out, struct ph_error *error)
{
    *out = (struct ph_command){.id = ""};
    if (len > PH_COMMAND_BYTES) {
        return ph_error_set(
            error, PH_ERR_LIMIT, "want at most %d bytes, have %zu", PH_COMMAND_BYTES, len);
    }
    struct ph_json *json = NULL;
    enum ph_err err = ph_json_parse(bytes, len, &json, error);
    if (err == PH_OK) {
        err = read_command(ph_json_root(json), out, error);
    }
    ph_json_free(&json);
    return err;
}

enum ph_err ph_reply_encode(const char *id, const char *reason, struct ph_buf *out)
{
    enum ph_err err = ph_buf_append_text(out, "{\"v\":1,\"id\":");
    if (err == PH_OK) {
        err = ph_json_append_text(out, id);
    }
    if (err == PH_OK) {
        err =
            ph_buf_append_text(out, reason == NULL ? ",\"ok\":true" : ",\"ok\":false,\"reason\":");
    }
    if (err == PH_OK && reason != NULL) {
        err = ph_json_append_text(out, reason);
    }
    return err == PH_OK ? ph_buf_append_text(out, "}") : err;
}

enum ph_err ph_ingest_status_parse(
    const void *bytes, size_t len, bool *online, struct ph_error *error)
{
    struct ph_json *json = NULL;
    if (len > PH_COMMAND_BYTES) {
        return ph_error_set(error, PH_ERR_LIMIT, "want at most %d bytes", PH_COMMAND_BYTES);
    }
    enum ph_err err = ph_json_parse(bytes, len, &json, error);
    if (err == PH_OK) {
        err = check_version(ph_json_root(json), error);
    }
    if (err == PH_OK) {
        const struct ph_json_value *value = ph_json_member(ph_json_root(json), "online");
        if (value != NULL && ph_json_type(value) == PH_JSON_BOOL) {
            *online = ph_json_bool(value);
        } else {
            err = ph_error_set(error, PH_ERR_INPUT, "online: want true or false");
        }
    }
    ph_json_free(&json);
    return err;
}
