#include "domain/template.h"

#include <stddef.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "format/topic.h"

/* The member that the placeholder at `text` ("{tenant}...") stands for, and the placeholder's
 * length; NULL when there is no such placeholder. */
static const char *placeholder(const char *text, const struct ph_identity *identity, size_t *len)
{
    static const struct {
        const char *name;
        size_t len;
        size_t offset;
    } known[] = {
        {"{tenant}", 8, offsetof(struct ph_identity, tenant)},
        {"{kind}", 6, offsetof(struct ph_identity, kind)},
        {"{device}", 8, offsetof(struct ph_identity, device)},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strncmp(text, known[i].name, known[i].len) == 0) {
            *len = known[i].len;
            return (const char *)identity + known[i].offset;
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

/* Moves *text behind the placeholder there and *topic behind its value; false when the value is not
 * what stands there. */
static bool skip_name(const char **text, const struct ph_identity *identity, const char **topic)
{
    size_t len = 0;
    const char *value = placeholder(*text, identity, &len);
    if (value == NULL) {
        return false;
    }
    const char *have = *topic;
    for (; *value != '\0'; value++, have++) {
        if (*value != *have) {
            return false;
        }
    }
    *text += len;
    *topic = have;
    return true;
}

/* False when the plain text that the template ends with is not what the topic ends with: the
 * templates of one role mostly begin alike. */
static bool ends_alike(const char *text, const char *topic)
{
    const char *t = text + strlen(text);
    const char *end = topic + strlen(topic);
    while (t > text && end > topic && t[-1] != '}' && t[-1] != '+' && t[-1] != '#') {
        if (*--t != *--end) {
            return false;
        }
    }
    return true;
}

bool ph_template_match(const char *text, const struct ph_identity *identity, const char *topic)
{
    bool wild = text[0] == '+' || text[0] == '#';
    if ((wild && topic[0] == '$') || !ends_alike(text, topic)) {
        return false;
    }
    for (;;) {
        switch (*text) {
        case '\0':
            return *topic == '\0';
        case '#':
            return true;
        case '+':
            topic = strchrnul(topic, '/');
            text++;
            break;
        case '{':
            if (!skip_name(&text, identity, &topic)) {
                return false;
            }
            break;
        default:
            if (*text != *topic) { /* "a/#" matches "a" */
                return *topic == '\0' && strcmp(text, "/#") == 0;
            }
            text++;
            topic++;
        }
    }
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

bool ph_template_open_ended(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && text[len - 1] == '*';
}

enum ph_err ph_template_check_client_id(const char *text, struct ph_error *error)
{
    size_t max = PH_LIMIT_CLIENT_ID_BYTES;
    const char *star = strchr(text, '*');
    if (star != NULL) {
        if (star[1] != '\0' || star == text || star[-1] != '/') {
            return ph_error_set(error, PH_ERR_CONFIG,
                "template \"%.200s\": want '*' only as the last character, behind a '/'", text);
        }
        max -= PH_LIMIT_SEGMENT_BYTES - 1;
    }
    enum ph_err err = ph_template_check(text, error);
    return err == PH_OK ? ph_template_check_length(text, max, error) : err;
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

static bool is_alphanumeric(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* The rules of one placeholder, `len` bytes at `text` in `whole`. */
static enum ph_err check_identity_part(
    const char *whole, const char *text, size_t len, struct ph_error *error)
{
    if (memmem(text + len, strlen(text + len), text, len) != NULL) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "template \"%.200s\": want each name once, have %.*s twice", whole, (int)len, text);
    }
    if (text[len] == '{' || is_alphanumeric(text[len])) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "template \"%.200s\": want the end or a separator such as ':' behind %.*s", whole,
            (int)len, text);
    }
    return PH_OK;
}

enum ph_err ph_template_check_identity(const char *text, struct ph_error *error)
{
    static const struct ph_identity any = {.tenant = "t", .kind = "k", .device = "d"};
    enum ph_err err = ph_template_check(text, error);
    for (const char *p = strchr(text, '{'); err == PH_OK && p != NULL; p = strchr(p + 1, '{')) {
        size_t len = 0;
        (void)placeholder(p, &any, &len);
        err = check_identity_part(text, p, len, error);
    }
    if (err == PH_OK && strstr(text, "{device}") == NULL) {
        err = ph_error_set(error, PH_ERR_CONFIG, "template \"%.200s\": want {device} in it", text);
    }
    return err;
}

/* The bytes that are still to be read. */
struct rest {
    const char *bytes;
    size_t len;
};

static bool skip_char(struct rest *rest, char c)
{
    if (rest->len == 0 || rest->bytes[0] != c) {
        return false;
    }
    rest->bytes++;
    rest->len--;
    return true;
}

/* Reads the name that the placeholder of `len` bytes at `text` stands for. */
static enum ph_err parse_name(const char *text, size_t len, char out[PH_SEGMENT_BYTES],
    struct rest *rest, struct ph_error *error)
{
    const char *end = rest->bytes + rest->len;
    const char *stop = text[len] != '\0' ? memchr(rest->bytes, text[len], rest->len) : end;
    char what[16] = "";
    memcpy(what, text + 1, len - 2);
    if (stop == NULL) {
        return ph_error_set(error, PH_ERR_DENIED, "%s: want '%c' behind it", what, text[len]);
    }
    enum ph_err err = ph_segment_set(out, what, rest->bytes, (size_t)(stop - rest->bytes), error);
    *rest = (struct rest){stop, (size_t)(end - stop)};
    return err;
}

static enum ph_err parse_names(
    const char *text, struct rest rest, struct ph_identity *out, struct ph_error *error)
{
    while (*text != '\0') {
        size_t step = 1;
        const char *name = placeholder(text, out, &step);
        if (name == NULL) {
            if (!skip_char(&rest, *text)) {
                return ph_error_set(error, PH_ERR_DENIED, "it ends or differs at \"%.40s\"", text);
            }
        } else {
            char *member = (char *)out + (name - (const char *)out);
            enum ph_err err = parse_name(text, step, member, &rest, error);
            if (err != PH_OK) {
                return err;
            }
        }
        text += step;
    }
    return rest.len == 0 ? PH_OK : ph_error_set(error, PH_ERR_DENIED, "it goes on behind that");
}

enum ph_err ph_template_parse(const char *text, const char *what, const char *bytes, size_t len,
    struct ph_identity *out, struct ph_error *error)
{
    struct ph_identity read = *out;
    struct ph_error cause = {0};
    if (parse_names(text, (struct rest){bytes, len}, &read, &cause) != PH_OK) {
        char shown[200];
        ph_text_escape_bytes(shown, sizeof shown, bytes, len < sizeof shown ? len : sizeof shown);
        return ph_error_set(error, PH_ERR_DENIED, "%s: want \"%.150s\", have \"%s\": %s", what,
            text, shown, cause.message);
    }
    *out = read;
    return PH_OK;
}
