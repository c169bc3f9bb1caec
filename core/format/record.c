#include "format/record.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "format/segment.h"

/* ---- rules ---- */

static bool is_hex(const char *text, size_t digits)
{
    return strlen(text) == digits && strspn(text, "0123456789abcdef") == digits;
}

static bool is_line(const char *text, size_t max)
{
    size_t len = strlen(text);
    return len >= 1 && len <= max && strchr(text, '\t') == NULL && ph_text_clean(text, len);
}

static const char *skip_comments(const char *text)
{
    while (*text == '#' && strchr(text, '\n') != NULL) {
        text = strchr(text, '\n') + 1;
    }
    return text;
}

/* Whether it is sound PEM is for the reader of the certificate to say. */
static bool is_pem(const char *text)
{
    static const char begin[] = "-----BEGIN ";
    if (strncmp(skip_comments(text), begin, sizeof begin - 1) != 0) {
        return false;
    }
    for (const char *c = text; *c != '\0'; c++) {
        if ((*c < ' ' || *c > '~') && *c != '\n' && *c != '\r') {
            return false;
        }
    }
    return true;
}

static bool is_device(const char *text)
{
    for (int level = 0; level < 3; level++) {
        size_t len = strcspn(text, "/");
        if (!ph_segment_valid(text, len) || text[len] != (level < 2 ? '/' : '\0')) {
            return false;
        }
        text += len + 1;
    }
    return true;
}

static bool is_good(const struct ph_record_member *member, const char *text)
{
    switch (member->rule) {
    case PH_RECORD_ID:
        return is_hex(text, PH_RECORD_ID_BYTES - 1);
    case PH_RECORD_DEVICE:
        return is_device(text);
    case PH_RECORD_HASH:
        return is_hex(text, 64);
    case PH_RECORD_SEGMENT:
        return ph_segment_valid(text, strlen(text));
    case PH_RECORD_LINE:
        return is_line(text, (size_t)member->max);
    case PH_RECORD_PEM:
        return text[0] == '-' && strlen(text) <= (size_t)member->max && is_pem(text);
    case PH_RECORD_BUNDLE:
        return strlen(text) <= (size_t)member->max && is_pem(text);
    case PH_RECORD_NUMBER:
        break;
    }
    return false;
}

static enum ph_err refuse(const struct ph_record_format *format,
    const struct ph_record_member *member, enum ph_err code, struct ph_error *error)
{
    static const char *const wants[] = {
        [PH_RECORD_ID] = "32 lower-case hexadecimal digits",
        [PH_RECORD_DEVICE] = "tenant/kind/device",
        [PH_RECORD_HASH] = "64 lower-case hexadecimal digits",
        [PH_RECORD_SEGMENT] = "1 to 64 of A-Z a-z 0-9 . _ - beginning with a letter or digit",
    };
    char want[80];
    switch (member->rule) {
    case PH_RECORD_LINE:
        (void)snprintf(want, sizeof want, "one line of 1 to %" PRId64 " bytes", member->max);
        break;
    case PH_RECORD_PEM:
    case PH_RECORD_BUNDLE:
        (void)snprintf(want, sizeof want, "PEM of at most %" PRId64 " bytes", member->max);
        break;
    case PH_RECORD_NUMBER:
        (void)snprintf(want, sizeof want, "a whole number from 1 to %" PRId64, member->max);
        break;
    default:
        (void)snprintf(want, sizeof want, "%s", wants[member->rule]);
        break;
    }
    return ph_error_set(error, code, "%s: %s: want %s", format->name, member->name, want);
}

static bool is_embedded(const struct ph_record_member *member)
{
    return member->rule == PH_RECORD_ID || member->rule == PH_RECORD_DEVICE;
}

/* ---- reading ---- */

static bool read_value(
    const struct ph_record_member *member, const struct ph_json_value *value, void *record)
{
    char *at = (char *)record + member->offset;
    if (member->rule == PH_RECORD_NUMBER) {
        int64_t number = 0;
        bool good = ph_json_integer(value, 1, member->max, &number);
        memcpy(at, &number, sizeof number);
        return good;
    }
    if (ph_json_type(value) != PH_JSON_TEXT || !is_good(member, ph_json_text(value))) {
        return false;
    }
    const char *text = ph_json_text(value);
    if (is_embedded(member)) {
        memcpy(at, text, strlen(text) + 1);
    } else {
        memcpy(at, &text, sizeof text);
    }
    return true;
}

static bool is_envelope(const struct ph_record_format *format, const char *key)
{
    return strcmp(key, "v") == 0 || strcmp(key, format->name) == 0;
}

static enum ph_err read_envelope(const struct ph_record_format *format,
    const struct ph_json_value *root, size_t *type, struct ph_error *error)
{
    int64_t version = 0;
    if (ph_json_type(root) != PH_JSON_OBJECT) {
        return ph_error_set(error, PH_ERR_INPUT, "%s: want an object", format->name);
    }
    const struct ph_json_value *value = ph_json_member(root, "v");
    if (value == NULL || !ph_json_integer(value, 1, 1, &version)) {
        return ph_error_set(error, PH_ERR_INPUT, "%s: v: want 1", format->name);
    }
    value = ph_json_member(root, format->name);
    const char *text =
        value != NULL && ph_json_type(value) == PH_JSON_TEXT ? ph_json_text(value) : "";
    for (*type = 0; *type < format->type_count; ++*type) {
        if (strcmp(format->types[*type], text) == 0) {
            return PH_OK;
        }
    }
    return ph_error_set(
        error, PH_ERR_INPUT, "%s: type \"%.32s\": missing or unknown", format->name, text);
}

static enum ph_err check_key(
    const struct ph_record_format *format, const char *key, size_t type, struct ph_error *error)
{
    if (is_envelope(format, key)) {
        return PH_OK;
    }
    for (size_t i = 0; i < format->member_count; i++) {
        const struct ph_record_member *member = &format->members[i];
        if (strcmp(member->name, key) == 0 && (member->allowed >> type & 1U) != 0) {
            return PH_OK;
        }
    }
    return ph_error_set(error, PH_ERR_INPUT, "%s: unknown member \"%.64s\" in type \"%s\"",
        format->name, key, format->types[type]);
}

static enum ph_err missing(const struct ph_record_format *format,
    const struct ph_record_member *member, enum ph_err code, struct ph_error *error)
{
    return ph_error_set(error, code, "%s: %s: missing", format->name, member->name);
}

static enum ph_err read_members(const struct ph_record_format *format,
    const struct ph_json_value *root, size_t type, void *record, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (const struct ph_json_value *value = ph_json_first(root); value != NULL && err == PH_OK;
         value = ph_json_next(value)) {
        err = check_key(format, ph_json_key(value), type, error);
    }
    for (size_t i = 0; i < format->member_count && err == PH_OK; i++) {
        const struct ph_record_member *member = &format->members[i];
        const struct ph_json_value *value = ph_json_member(root, member->name);
        if (value == NULL && (member->needed >> type & 1U) != 0) {
            err = missing(format, member, PH_ERR_INPUT, error);
        } else if (value != NULL && !read_value(member, value, record)) {
            err = refuse(format, member, PH_ERR_INPUT, error);
        }
    }
    return err;
}

enum ph_err ph_record_parse(const struct ph_record_format *format, const void *bytes, size_t len,
    void *record, size_t *type, struct ph_json **json, struct ph_error *error)
{
    struct ph_json *parsed = NULL;
    if (len > format->bytes_max) {
        return ph_error_set(error, PH_ERR_LIMIT, "%s: want at most %zu bytes, have %zu",
            format->name, format->bytes_max, len);
    }
    enum ph_err err = ph_json_parse(bytes, len, &parsed, error);
    if (err != PH_OK) {
        return err;
    }
    err = read_envelope(format, ph_json_root(parsed), type, error);
    if (err == PH_OK) {
        err = read_members(format, ph_json_root(parsed), *type, record, error);
    }
    if (err == PH_OK) {
        *json = parsed;
        parsed = NULL;
    }
    ph_json_free(&parsed);
    return err;
}

/* ---- writing ---- */

static const char *text_of(const struct ph_record_member *member, const void *record)
{
    const char *at = (const char *)record + member->offset;
    if (is_embedded(member)) {
        return at[0] != '\0' ? at : NULL;
    }
    const char *text = NULL;
    memcpy(&text, at, sizeof text);
    return text;
}

static enum ph_err append_number(const struct ph_record_format *format,
    const struct ph_record_member *member, int64_t number, struct ph_buf *out,
    struct ph_error *error)
{
    return number >= 1 && number <= member->max
               ? ph_buf_printf(out, ",\"%s\":%" PRId64, member->name, number)
               : refuse(format, member, PH_ERR_INTERNAL, error);
}

static enum ph_err append_text(const struct ph_record_format *format,
    const struct ph_record_member *member, const char *text, struct ph_buf *out,
    struct ph_error *error)
{
    if (!is_good(member, text)) {
        return refuse(format, member, PH_ERR_INTERNAL, error);
    }
    enum ph_err err = ph_buf_printf(out, ",\"%s\":", member->name);
    return err == PH_OK ? ph_json_append_text(out, text) : err;
}

static enum ph_err append_member(const struct ph_record_format *format,
    const struct ph_record_member *member, size_t type, const void *record, struct ph_buf *out,
    struct ph_error *error)
{
    int64_t number = 0;
    const char *text = NULL;
    if (member->rule == PH_RECORD_NUMBER) {
        memcpy(&number, (const char *)record + member->offset, sizeof number);
    } else {
        text = text_of(member, record);
    }
    if (number == 0 && text == NULL) {
        return (member->needed >> type & 1U) != 0 ? missing(format, member, PH_ERR_INTERNAL, error)
                                                  : PH_OK;
    }
    if ((member->allowed >> type & 1U) == 0) {
        return ph_error_set(error, PH_ERR_INTERNAL, "%s: %s: has no place in type \"%s\"",
            format->name, member->name, format->types[type]);
    }
    return text != NULL ? append_text(format, member, text, out, error)
                        : append_number(format, member, number, out, error);
}

enum ph_err ph_record_encode(const struct ph_record_format *format, size_t type, const void *record,
    struct ph_buf *out, struct ph_error *error)
{
    size_t start = out->len;
    if (type >= format->type_count) {
        return ph_error_set(error, PH_ERR_INTERNAL, "%s: unknown type", format->name);
    }
    enum ph_err err =
        ph_buf_printf(out, "{\"v\":1,\"%s\":\"%s\"", format->name, format->types[type]);
    for (size_t i = 0; i < format->member_count && err == PH_OK; i++) {
        err = append_member(format, &format->members[i], type, record, out, error);
    }
    if (err == PH_OK) {
        err = ph_buf_append_text(out, "}");
    }
    if (err == PH_OK && out->len - start > format->bytes_max) {
        err = PH_ERR_LIMIT;
    }
    if (err != PH_OK) {
        ph_buf_truncate(out, start);
        ph_error_set(error, err, "%s: does not fit: want at most %zu bytes", format->name,
            format->bytes_max);
    }
    return err;
}
