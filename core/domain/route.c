#include "domain/route.h"

#include <string.h>

#include "domain/template.h"

/* Length of the first level. */
static size_t level_len(const char *text)
{
    return strcspn(text, "/");
}

static bool is_placeholder(const char *level)
{
    return level[0] == '{';
}

static enum ph_err check_placeholder(const char *pattern, const char *name, struct ph_error *error)
{
    const char *at = strstr(pattern, name);
    if (at == NULL || strstr(at + 1, name) != NULL) {
        return ph_error_set(
            error, PH_ERR_CONFIG, "\"%s\": want %s once, as one level", pattern, name);
    }
    const char *end = at + strlen(name);
    bool whole = (at == pattern || at[-1] == '/') && (*end == '\0' || *end == '/');
    return whole ? PH_OK
                 : ph_error_set(error, PH_ERR_CONFIG,
                       "\"%s\": %s must fill a level of the topic alone", pattern, name);
}

enum ph_err ph_route_check_kindless(const char *pattern, struct ph_error *error)
{
    enum ph_err err = ph_template_check_name(pattern, error);
    if (err == PH_OK && strstr(pattern, "{kind}") != NULL) {
        err = ph_error_set(error, PH_ERR_CONFIG, "\"%s\": {kind} cannot be told here", pattern);
    }
    if (err == PH_OK) {
        err = check_placeholder(pattern, "{tenant}", error);
    }
    return err == PH_OK ? check_placeholder(pattern, "{device}", error) : err;
}

enum ph_err ph_route_check(const char *pattern, struct ph_error *error)
{
    static const char *const names[] = {"{tenant}", "{kind}", "{device}"};
    enum ph_err err = ph_template_check_name(pattern, error);
    for (size_t i = 0; i < sizeof names / sizeof names[0] && err == PH_OK; i++) {
        err = check_placeholder(pattern, names[i], error);
    }
    return err;
}

void ph_route_filter(char out[PH_FILTER_BYTES], const char *pattern)
{
    size_t used = 0;
    while (*pattern != '\0' && used + 1 < PH_FILTER_BYTES) {
        if (is_placeholder(pattern)) {
            out[used++] = '+';
            pattern += level_len(pattern);
        } else {
            out[used++] = *pattern++;
        }
    }
    out[used] = '\0';
}

static enum ph_err set_member(struct ph_identity *out, const char *name, const char *bytes,
    size_t len, struct ph_error *error)
{
    switch (name[1]) {
    case 't':
        return ph_segment_set(out->tenant, "topic: tenant", bytes, len, error);
    case 'k':
        return ph_segment_set(out->kind, "topic: kind", bytes, len, error);
    default:
        return ph_segment_set(out->device, "topic: device", bytes, len, error);
    }
}

enum ph_err ph_route_parse(
    const char *pattern, const char *topic, struct ph_identity *out, struct ph_error *error)
{
    const char *want = pattern;
    const char *have = topic;
    struct ph_identity identity = {0};
    for (;;) {
        size_t want_len = level_len(want);
        size_t have_len = level_len(have);
        enum ph_err err = PH_OK;
        if (is_placeholder(want)) {
            err = set_member(&identity, want, have, have_len, error);
        } else if (want_len != have_len || memcmp(want, have, want_len) != 0) {
            break;
        }
        if (err != PH_OK) {
            return err;
        }
        want += want_len;
        have += have_len;
        if (*want != *have) {
            break;
        }
        if (*want == '\0') {
            *out = identity;
            return PH_OK;
        }
        want++;
        have++;
    }
    return ph_error_set(
        error, PH_ERR_INPUT, "topic: want the form %s, have \"%.200s\"", pattern, topic);
}
