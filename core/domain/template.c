#include "domain/template.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "format/topic.h"

/* The member that the placeholder at `text` ("{tenant}...") stands for, and the placeholder's
 * length; NULL when there is no such placeholder. */
static const char *placeholder(const char *text, const struct ph_identity *identity, size_t *len)
{
    const struct {
        const char *name;
        const char *value;
    } known[] = {
        {"{tenant}", identity->tenant},
        {"{kind}", identity->kind},
        {"{device}", identity->device},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        *len = strlen(known[i].name);
        if (strncmp(text, known[i].name, *len) == 0) {
            return known[i].value;
        }
    }
    return NULL;
}

bool ph_template_expand(
    char *out, size_t size, const char *text, const struct ph_identity *identity)
{
    size_t used = 0;
    while (*text != '\0') {
        size_t step = (size_t)(strchrnul(text, '{') - text);
        const char *piece = text;
        size_t len = step;
        if (step == 0) {
            piece = placeholder(text, identity, &step);
            if (piece == NULL) {
                return false;
            }
            len = strlen(piece);
        }
        if (size - used <= len) {
            return false;
        }
        memcpy(out + used, piece, len);
        used += len;
        text += step;
    }
    if (size == 0) {
        return false;
    }
    out[used] = '\0';
    return true;
}

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7F) {
            return true;
        }
    }
    return false;
}

enum ph_err ph_template_check(const char *text, struct ph_error *error)
{
    static const struct ph_identity any = {.tenant = "t", .kind = "k", .device = "d"};
    if (text[0] == '\0' || !ph_text_utf8_valid(text, strlen(text)) || has_control(text)) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "template \"%.200s\": want at least one character, valid UTF-8, no control characters",
            text);
    }
    for (const char *p = strpbrk(text, "{}"); p != NULL; p = strpbrk(p, "{}")) {
        size_t len = 0;
        if (placeholder(p, &any, &len) == NULL) {
            return ph_error_set(error, PH_ERR_CONFIG,
                "template \"%.200s\": want only {tenant}, {kind} and {device} in braces, have "
                "\"%.40s\"",
                text, p);
        }
        p += len;
    }
    return PH_OK;
}

/* The longest expansion that there can be. Whether an expansion is a sound filter does not depend
 * on the identity: a segment is never empty and holds no separator, no wildcard and no '$'. */
static bool expand_longest(char *out, size_t size, const char *text)
{
    struct ph_identity longest = {0};
    memset(longest.tenant, 'x', PH_LIMIT_SEGMENT_BYTES);
    memset(longest.kind, 'x', PH_LIMIT_SEGMENT_BYTES);
    memset(longest.device, 'x', PH_LIMIT_SEGMENT_BYTES);
    return ph_template_expand(out, size, text, &longest);
}

enum ph_err ph_template_check_length(const char *text, size_t max, struct ph_error *error)
{
    char expanded[1024];
    if (!expand_longest(expanded, max < sizeof expanded ? max + 1 : sizeof expanded, text)) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "template \"%.200s\": longer than %zu bytes when filled in with the longest names",
            text, max);
    }
    return PH_OK;
}

enum ph_err ph_template_check_filter(const char *text, struct ph_error *error)
{
    char expanded[PH_LIMIT_TOPIC_BYTES + 1];
    enum ph_err err = ph_template_check(text, error);
    if (err == PH_OK) {
        err = ph_template_check_length(text, PH_LIMIT_TOPIC_BYTES, error);
    }
    if (err != PH_OK) {
        return err;
    }
    size_t brace = strcspn(text, "{");
    if (text[0] == '$' && text[brace] == '{' && brace < strcspn(text, "/")) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "template \"%.200s\": a first level with '$' must be spelled out, without {}", text);
    }
    struct ph_error cause = {0};
    if (!expand_longest(expanded, sizeof expanded, text) ||
        ph_topic_filter_check(expanded, &cause) != PH_OK) {
        return ph_error_set(error, PH_ERR_CONFIG, "template \"%.200s\": %s", text, cause.message);
    }
    return PH_OK;
}

enum ph_err ph_template_check_name(const char *text, struct ph_error *error)
{
    if (strpbrk(text, "+#") != NULL) {
        return ph_error_set(error, PH_ERR_CONFIG, "template \"%.200s\": no '+' or '#' here", text);
    }
    return ph_template_check_filter(text, error);
}
