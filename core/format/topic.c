#include "format/topic.h"

#include <stddef.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"

#define SHARE_PREFIX "$share/"

/* One level of a topic: where it begins and ends; `next` is NULL after the last. */
struct level {
    const char *text;
    size_t len;
    const char *next;
};

static struct level level_at(const char *text)
{
    size_t len = (size_t)(strchrnul(text, '/') - text);
    return (struct level){text, len, text[len] == '/' ? text + len + 1 : NULL};
}

static bool is_one(struct level level, char c)
{
    return level.len == 1 && level.text[0] == c;
}

static bool same(struct level a, struct level b)
{
    return a.len == b.len && memcmp(a.text, b.text, a.len) == 0;
}

static bool has_control(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p < 0x20 || *p == 0x7F || (p[0] == 0xC2 && p[1] < 0xA0)) {
            return true;
        }
    }
    return false;
}

/* What a name and a filter have in common; `what` is "topic" or "filter". */
static enum ph_err check_text(const char *what, const char *text, struct ph_error *error)
{
    size_t len = strnlen(text, PH_LIMIT_TOPIC_BYTES + 1);
    if (len == 0) {
        return ph_error_set(error, PH_ERR_INPUT, "%s: want at least one byte, have none", what);
    }
    if (len > PH_LIMIT_TOPIC_BYTES) {
        return ph_error_set(error, PH_ERR_LIMIT,
            "%s \"%.80s...\": want at most %d bytes, have more", what, text, PH_LIMIT_TOPIC_BYTES);
    }
    if (!ph_text_utf8_valid(text, len)) {
        return ph_error_set(error, PH_ERR_INPUT, "%s \"%s\": not valid UTF-8", what, text);
    }
    if (has_control(text)) {
        return ph_error_set(error, PH_ERR_INPUT, "%s \"%s\": has a control character", what, text);
    }
    int levels = 1;
    for (const char *slash = strchr(text, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        levels++;
    }
    if (levels > PH_LIMIT_TOPIC_LEVELS) {
        return ph_error_set(error, PH_ERR_LIMIT, "%s \"%s\": want at most %d levels, have %d", what,
            text, PH_LIMIT_TOPIC_LEVELS, levels);
    }
    return PH_OK;
}

/* Names as nearly all are, in one pass: printable ASCII. False: the rules are looked at one by one.
 */
static bool is_plain_name(const char *name)
{
    size_t len = 0;
    int levels = 1;
    for (const unsigned char *p = (const unsigned char *)name; p[len] != '\0'; len++) {
        bool plain = p[len] >= 0x20 && p[len] < 0x7F && p[len] != '+' && p[len] != '#';
        if (!plain || len == PH_LIMIT_TOPIC_BYTES) {
            return false;
        }
        levels += p[len] == '/';
    }
    return len > 0 && levels <= PH_LIMIT_TOPIC_LEVELS;
}

enum ph_err ph_topic_name_check(const char *name, struct ph_error *error)
{
    if (is_plain_name(name)) {
        return PH_OK;
    }
    enum ph_err err = check_text("topic", name, error);
    if (err == PH_OK && (strchr(name, '+') != NULL || strchr(name, '#') != NULL)) {
        err = ph_error_set(
            error, PH_ERR_INPUT, "topic \"%s\": a topic name has no wildcard '+' or '#'", name);
    }
    return err;
}

static enum ph_err check_level(const char *filter, struct level level, struct ph_error *error)
{
    if (memchr(level.text, '#', level.len) != NULL && (level.len != 1 || level.next != NULL)) {
        return ph_error_set(
            error, PH_ERR_INPUT, "filter \"%s\": '#' fills the last level alone", filter);
    }
    if (memchr(level.text, '+', level.len) != NULL && level.len != 1) {
        return ph_error_set(error, PH_ERR_INPUT, "filter \"%s\": '+' fills a level alone", filter);
    }
    return PH_OK;
}

enum ph_err ph_topic_filter_check(const char *filter, struct ph_error *error)
{
    bool shared = strncmp(filter, SHARE_PREFIX, strlen(SHARE_PREFIX)) == 0;
    if (!shared && is_plain_name(filter)) {
        return PH_OK;
    }
    enum ph_err err = check_text("filter", filter, error);
    if (err == PH_OK && shared) {
        err = ph_error_set(error, PH_ERR_INPUT,
            "filter \"%s\": a shared subscription is not a filter; strip \"$share/group/\"",
            filter);
    }
    for (const char *rest = filter; err == PH_OK && rest != NULL;) {
        struct level level = level_at(rest);
        err = check_level(filter, level, error);
        rest = level.next;
    }
    return err;
}

static bool starts_with_wildcard(const char *filter)
{
    return filter[0] == '+' || filter[0] == '#';
}

bool ph_topic_match(const char *filter, const char *name)
{
    if (name[0] == '$' && starts_with_wildcard(filter)) {
        return false;
    }
    while (filter != NULL) {
        struct level want = level_at(filter);
        if (is_one(want, '#')) {
            return true; /* here or one level up: the parent has no levels left */
        }
        if (name == NULL) {
            return false;
        }
        struct level have = level_at(name);
        if (!is_one(want, '+') && !same(want, have)) {
            return false;
        }
        filter = want.next;
        name = have.next;
    }
    return name == NULL;
}

/* `inner` has come to its '#', after `parent`; `outer` has "+" or a text there. The '#' stands for
 * any number of levels, none included; but no levels at all, and one empty level, are not topic
 * names. There "+/#" means the same as "#". */
static bool contains_rest(struct level outer, const char *inner, const char *parent_end)
{
    bool parent_is_no_name = parent_end == inner || parent_end == inner + 1;
    return parent_is_no_name && is_one(outer, '+') && outer.next != NULL &&
           is_one(level_at(outer.next), '#');
}

bool ph_topic_filter_contains(const char *outer, const char *inner)
{
    if (inner[0] == '$' && starts_with_wildcard(outer)) {
        return false;
    }
    const char *rest = inner;
    while (outer != NULL) {
        struct level allowed = level_at(outer);
        if (is_one(allowed, '#')) {
            return true;
        }
        if (rest == NULL) {
            return false;
        }
        struct level asked = level_at(rest);
        if (is_one(asked, '#')) {
            return contains_rest(allowed, inner, rest);
        }
        if (!is_one(allowed, '+') && (is_one(asked, '+') || !same(allowed, asked))) {
            return false;
        }
        outer = allowed.next;
        rest = asked.next;
    }
    return rest == NULL;
}

const char *ph_topic_unshare(const char *filter)
{
    size_t prefix = strlen(SHARE_PREFIX);
    if (strncmp(filter, SHARE_PREFIX, prefix) != 0) {
        return filter;
    }
    struct level group = level_at(filter + prefix);
    bool wild = memchr(group.text, '+', group.len) != NULL || memchr(group.text, '#', group.len);
    if (group.len == 0 || wild || group.next == NULL || group.next[0] == '\0') {
        return NULL;
    }
    return group.next;
}

bool ph_topic_filters_meet(const char *a, const char *b)
{
    if ((a[0] == '$' && starts_with_wildcard(b)) || (b[0] == '$' && starts_with_wildcard(a))) {
        return false;
    }
    if ((strcmp(a, "+") == 0 && strcmp(b, "/#") == 0) ||
        (strcmp(a, "/#") == 0 && strcmp(b, "+") == 0)) {
        return false; /* only the empty text, which is no name */
    }
    while (a != NULL || b != NULL) {
        struct level one = a != NULL ? level_at(a) : (struct level){"", 0, NULL};
        struct level other = b != NULL ? level_at(b) : (struct level){"", 0, NULL};
        if (is_one(one, '#') || is_one(other, '#')) {
            return true; /* the other's rest is some of "any number of levels" */
        }
        if (a == NULL || b == NULL) {
            return false;
        }
        if (!is_one(one, '+') && !is_one(other, '+') && !same(one, other)) {
            return false;
        }
        a = one.next;
        b = other.next;
    }
    return true;
}
