#include "domain/identity.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum ph_err ph_segment_set(char out[PH_SEGMENT_BYTES], const char *what, const char *bytes,
    size_t len, struct ph_error *error)
{
    if (!ph_segment_valid(bytes, len)) {
        char shown[4 * PH_SEGMENT_BYTES + 4];
        ph_text_escape_bytes(
            shown, sizeof shown, bytes, len > PH_SEGMENT_BYTES ? PH_SEGMENT_BYTES : len);
        out[0] = '\0';
        return ph_error_set(error, PH_ERR_INPUT,
            "%s: want 1 to %d of A-Z a-z 0-9 . _ - beginning with a letter or digit, have \"%s\"%s",
            what, PH_LIMIT_SEGMENT_BYTES, shown, len > PH_SEGMENT_BYTES ? " and more" : "");
    }
    memcpy(out, bytes, len);
    out[len] = '\0';
    return PH_OK;
}

bool ph_identity_equal(const struct ph_identity *a, const struct ph_identity *b)
{
    return strcmp(a->device, b->device) == 0 && strcmp(a->kind, b->kind) == 0 &&
           strcmp(a->tenant, b->tenant) == 0 && strcmp(a->anchor, b->anchor) == 0;
}

void ph_identity_print(char *out, size_t size, const struct ph_identity *identity)
{
    (void)snprintf(out, size, "%s/%s/%s", identity->tenant, identity->kind, identity->device);
}

/* Takes the segment up to `end` ('\0': the rest) and moves the cursor behind it. */
static enum ph_err take_segment(const char **cursor, char end, const char *what,
    char out[PH_SEGMENT_BYTES], struct ph_error *error)
{
    const char *text = *cursor;
    const char *stop = end != '\0' ? strchr(text, end) : text + strlen(text);
    if (stop == NULL) {
        return ph_error_set(
            error, PH_ERR_INPUT, "%s: want '%c' behind it, have \"%.80s\"", what, end, text);
    }
    *cursor = stop + (end != '\0' ? 1 : 0);
    return ph_segment_set(out, what, text, (size_t)(stop - text), error);
}

static enum ph_err parse_names(const char *text, struct ph_identity *out, struct ph_error *error)
{
    enum ph_err err = take_segment(&text, '/', "tenant", out->tenant, error);
    if (err == PH_OK) {
        err = take_segment(&text, '/', "kind", out->kind, error);
    }
    if (err == PH_OK) {
        err = take_segment(&text, '\0', "device", out->device, error);
    }
    return err;
}

enum ph_err ph_identity_parse(const char *text, struct ph_identity *out, struct ph_error *error)
{
    *out = (struct ph_identity){0};
    enum ph_err err = parse_names(text, out, error);
    if (err != PH_OK) {
        *out = (struct ph_identity){0};
        return ph_error_prefix(error, err, "identity \"%.80s\": want tenant/kind/device", text);
    }
    return PH_OK;
}

void ph_user_name_print(
    char *out, size_t size, const char *role, const struct ph_identity *identity)
{
    (void)snprintf(out, size, "%s:%s:%s/%s/%s", role, identity->anchor, identity->tenant,
        identity->kind, identity->device);
}

enum ph_err ph_user_name_parse(const char *user_name, char role[PH_SEGMENT_BYTES],
    struct ph_identity *out, struct ph_error *error)
{
    const char *rest = user_name;
    *out = (struct ph_identity){0};
    enum ph_err err = take_segment(&rest, ':', "role", role, error);
    if (err == PH_OK) {
        err = take_segment(&rest, ':', "anchor", out->anchor, error);
    }
    if (err == PH_OK) {
        err = parse_names(rest, out, error);
    }
    if (err != PH_OK) {
        role[0] = '\0';
        *out = (struct ph_identity){0};
        return ph_error_prefix(
            error, err, "user name \"%.80s\": want role:anchor:tenant/kind/device", user_name);
    }
    return PH_OK;
}
