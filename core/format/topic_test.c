/* ph.format.topic: docs/spec/topic.md. */
#include "format/topic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"

/* [TOP-1] [TOP-2] [TOP-3] */
static void names_keep_to_the_rules(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "/", "//", "a/b", "a//b", "/a", "a/", "$SYS/x", " ",
        "ph/v1/acme/thermostat/t-0001/telemetry", "\xC3\xA9", "$share/g/a"};
    static const struct {
        const char *name;
        enum ph_err code;
        const char *message;
    } bad[] = {
        {"", PH_ERR_INPUT, "topic: want at least one byte"},
        {"a/+/b", PH_ERR_INPUT, "has no wildcard"},
        {"a+", PH_ERR_INPUT, "topic \"a+\": a topic name has no wildcard"},
        {"a/#", PH_ERR_INPUT, "has no wildcard"},
        {"a\nb", PH_ERR_INPUT, "topic \"a\\x0ab\": has a control character"},
        {"a\x7F", PH_ERR_INPUT, "has a control character"},
        {"\xC2\x80", PH_ERR_INPUT, "has a control character"},
        {"\xC0\xAF", PH_ERR_INPUT, "topic \"\\xc0\\xaf\": not valid UTF-8"},
        {"\xED\xA0\x80", PH_ERR_INPUT, "not valid UTF-8"},
        {"1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", PH_ERR_LIMIT, "want at most 16 levels"},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(ph_topic_name_check(good[i], NULL), PH_OK);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ph_error error = {0};
        assert_int_equal(ph_topic_name_check(bad[i].name, &error), bad[i].code);
        assert_non_null(strstr(error.message, bad[i].message));
    }
    char longest[PH_LIMIT_TOPIC_BYTES + 2];
    memset(longest, 'x', sizeof longest);
    longest[PH_LIMIT_TOPIC_BYTES] = '\0';
    assert_int_equal(ph_topic_name_check(longest, NULL), PH_OK);
    longest[PH_LIMIT_TOPIC_BYTES] = 'x';
    longest[PH_LIMIT_TOPIC_BYTES + 1] = '\0';
    struct ph_error error = {0};
    assert_int_equal(ph_topic_name_check(longest, &error), PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "want at most 512 bytes"));
}

/* [TOP-4] [TOP-5] */
static void filters_keep_to_the_rules(void **state)
{
    (void)state;
    static const char *const good[] = {
        "#", "+", "+/+", "a/#", "/#", "+/#", "a/+/b", "$SYS/#", "/", "a", "$share"};
    static const struct {
        const char *filter;
        const char *message;
    } bad[] = {
        {"", "filter: want at least one byte"},
        {"a#", "filter \"a#\": '#' fills the last level alone"},
        {"#/a", "'#' fills the last level alone"},
        {"a/#/b", "'#' fills the last level alone"},
        {"a/##", "'#' fills the last level alone"},
        {"+#", "'#' fills the last level alone"},
        {"a+", "'+' fills a level alone"},
        {"++", "'+' fills a level alone"},
        {"a/+b/c", "'+' fills a level alone"},
        {"$share/g/a", "a shared subscription is not a filter"},
        {"a\x01", "has a control character"},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(ph_topic_filter_check(good[i], NULL), PH_OK);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ph_error error = {0};
        assert_int_equal(ph_topic_filter_check(bad[i].filter, &error), PH_ERR_INPUT);
        if (strstr(error.message, bad[i].message) == NULL) {
            fail_msg("%s: %s", bad[i].filter, error.message);
        }
    }
}

/* [TOP-6] [TOP-7] [TOP-8]: the examples of MQTT 5.0 section 4.7, and their neighbours. */
static void matching_follows_the_standard(void **state)
{
    (void)state;
    static const struct {
        const char *filter;
        const char *name;
        bool match;
    } cases[] = {
        {"sport/tennis/player1/#", "sport/tennis/player1", true},
        {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
        {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
        {"sport/tennis/player1/#", "sport/tennis/player10", false},
        {"sport/#", "sport", true},
        {"sport/#", "sports", false},
        {"sport/tennis/+", "sport/tennis/player1", true},
        {"sport/tennis/+", "sport/tennis/player1/ranking", false},
        {"sport/+", "sport", false},
        {"sport/+", "sport/", true},
        {"+/+", "/finance", true},
        {"/+", "/finance", true},
        {"+", "/finance", false},
        {"#", "a", true},
        {"#", "$SYS/x", false},
        {"+/monitor/Clients", "$SYS/monitor/Clients", false},
        {"$SYS/#", "$SYS/monitor/Clients", true},
        {"$SYS/monitor/+", "$SYS/monitor/Clients", true},
        {"a/#", "a/$b", true},
        {"a", "a", true},
        {"a", "A", false},
        {"a", "a/", false},
        {"a/", "a", false},
        {"a/b", "a", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (ph_topic_match(cases[i].filter, cases[i].name) != cases[i].match) {
            fail_msg("%s against %s", cases[i].filter, cases[i].name);
        }
    }
}

/* [TOP-9] [TOP-10] */
static void containment_examples(void **state)
{
    (void)state;
    static const struct {
        const char *outer;
        const char *inner;
        bool contains;
    } cases[] = {
        {"ph/v1/acme/+/+/telemetry", "ph/v1/acme/thermostat/t-1/telemetry", true},
        {"ph/v1/acme/+/+/telemetry", "ph/v1/acme/+/+/telemetry", true},
        {"ph/v1/acme/+/+/telemetry", "ph/v1/+/+/+/telemetry", false},
        {"ph/v1/acme/+/+/telemetry", "ph/v1/acme/#", false},
        {"a/#", "a", true},
        {"a/#", "a/#", true},
        {"a/#", "a/+", true},
        {"a/#", "a/+/#", true},
        {"a/+/#", "a/#", false}, /* "a" is in the second only */
        {"a/+", "a/#", false},
        {"a/+", "a", false},
        {"+", "#", false},
        {"#", "+/#", true},
        {"+/#", "#", true}, /* the same names: a name has at least one level */
        {"+/+/#", "#", false},
        {"/+/#", "/#", true}, /* "" alone is not a name */
        {"+/+/#", "/#", true},
        {"#", "$SYS/#", false},
        {"+/#", "$SYS/a", false},
        {"$SYS/#", "$SYS/#", true},
        {"$SYS/#", "#", false},
        {"a/b", "a/+", false},
        {"+/b", "a/b", true},
        {"a", "a/#", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (ph_topic_filter_contains(cases[i].outer, cases[i].inner) != cases[i].contains) {
            fail_msg("%s in %s", cases[i].inner, cases[i].outer);
        }
    }
}

enum { NAMES_MAX = 1400, FILTERS_MAX = 700, TEXT_MAX = 24, WORDS = NAMES_MAX / 64 + 1 };
static char names[NAMES_MAX][TEXT_MAX];
static char filters[FILTERS_MAX][TEXT_MAX];
static uint64_t matched[FILTERS_MAX][WORDS];

/* Every text of 1 to `depth` levels over the alphabet, the empty text left out; returns how many.
 */
static size_t make_texts(
    char (*out)[TEXT_MAX], const char *const *alphabet, size_t letters, int depth, const char *tail)
{
    size_t count = 0;
    size_t total = 1;
    for (int levels = 1; levels <= depth; levels++) {
        total *= letters;
        for (size_t n = 0; n < total; n++) {
            char text[TEXT_MAX] = "";
            size_t rest = n;
            for (int level = 0; level < levels; level++, rest /= letters) {
                (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s",
                    level > 0 ? "/" : "", alphabet[rest % letters]);
            }
            (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s", tail);
            if (text[0] != '\0') {
                memcpy(out[count++], text, sizeof text);
            }
        }
    }
    return count;
}

/* Matching written the slow and obvious way, level by level from the standard's sentences. */
static bool reference_match(const char *filter, const char *name, bool first)
{
    if (strcmp(filter, "#") == 0) {
        return !(first && name != NULL && name[0] == '$');
    }
    if (name == NULL) {
        return false;
    }
    size_t filter_len = strcspn(filter, "/");
    size_t name_len = strcspn(name, "/");
    bool plus = filter_len == 1 && filter[0] == '+';
    bool same = filter_len == name_len && strncmp(filter, name, name_len) == 0;
    if ((plus && first && name[0] == '$') || (!plus && !same)) {
        return false;
    }
    const char *name_rest = name[name_len] == '/' ? name + name_len + 1 : NULL;
    if (filter[filter_len] == '\0') {
        return name_rest == NULL;
    }
    return reference_match(filter + filter_len + 1, name_rest, false);
}

static size_t make_filters(const char *const *alphabet, size_t letters)
{
    size_t count = make_texts(filters, alphabet, letters, 3, "");
    count += make_texts(filters + count, alphabet, letters, 3, "/#");
    memcpy(filters[count++], "#", 2);
    return count;
}

/* The names that a filter matches, as a set of bits; both ways of matching must agree. */
static void match_names(size_t filter, size_t name_count)
{
    assert_int_equal(ph_topic_filter_check(filters[filter], NULL), PH_OK);
    for (size_t n = 0; n < name_count; n++) {
        bool match = ph_topic_match(filters[filter], names[n]);
        if (match != reference_match(filters[filter], names[n], true)) {
            fail_msg("\"%s\" against \"%s\": have %d", filters[filter], names[n], match);
        }
        matched[filter][n / 64] |= (uint64_t)match << n % 64;
    }
}

static bool is_subset(size_t inner, size_t outer)
{
    for (size_t w = 0; w < WORDS; w++) {
        if ((matched[inner][w] & ~matched[outer][w]) != 0) {
            return false;
        }
    }
    return true;
}

/* Returns how many of the filters are within `outer`. */
static int check_outer(size_t outer, size_t filter_count)
{
    int contained = 0;
    for (size_t inner = 0; inner < filter_count; inner++) {
        /* "c" is in no name: such a filter matches nothing here, and something elsewhere. */
        bool known = strchr(filters[inner], 'c') == NULL;
        bool want = is_subset(inner, outer);
        if (known && ph_topic_filter_contains(filters[outer], filters[inner]) != want) {
            fail_msg("\"%s\" in \"%s\": want %d", filters[inner], filters[outer], want);
        }
        contained += known && want;
    }
    return contained;
}

/* [TOP-9]: all pairs of filters of up to three levels and '#', against the sets of names of up to
 * five levels that they match. The names have a level ("b") that no filter spells out. */
static void containment_is_exactly_set_inclusion(void **state)
{
    (void)state;
    static const char *const name_levels[] = {"", "a", "b", "$a"};
    static const char *const filter_levels[] = {"", "a", "+", "$a", "c"};
    size_t name_count = make_texts(names, name_levels, 4, 5, "");
    size_t filter_count = make_filters(filter_levels, 5);
    int contained = 0;
    assert_int_equal(name_count, 1363);
    assert_int_equal(filter_count, 310);
    for (size_t filter = 0; filter < filter_count; filter++) {
        match_names(filter, name_count);
    }
    for (size_t outer = 0; outer < filter_count; outer++) {
        contained += check_outer(outer, filter_count);
    }
    assert_true(contained > 1000); /* the property is not true for lack of cases */
}

/* [TOP-12] */
static void meeting_examples(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        const char *b;
        bool meet;
    } cases[] = {
        {"a/+/c", "+/b/c", true},
        {"a/+", "a", false},
        {"a/#", "a", true},
        {"a/#", "+/b/#", true},
        {"a/b", "a/c", false},
        {"#", "$SYS/x", false},
        {"+/x", "$SYS/x", false},
        {"$SYS/#", "$SYS/+", true},
        {"+/#", "#", true},
        {"a/b/#", "a/c/#", false},
        {"/", "+/+", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (ph_topic_filters_meet(cases[i].a, cases[i].b) != cases[i].meet ||
            ph_topic_filters_meet(cases[i].b, cases[i].a) != cases[i].meet) {
            fail_msg("%s and %s", cases[i].a, cases[i].b);
        }
    }
}

static bool share_a_name(size_t a, size_t b)
{
    uint64_t common = 0;
    for (size_t w = 0; w < WORDS; w++) {
        common |= matched[a][w] & matched[b][w];
    }
    return common != 0;
}

/* No name that was tried has the level "c", so of filters with it only the positive is known. */
static bool meets_as_known(size_t a, size_t b)
{
    bool common = share_a_name(a, b);
    bool known = strchr(filters[a], 'c') == NULL || strchr(filters[b], 'c') == NULL;
    bool seen = strchr(filters[a], 'c') == NULL && strchr(filters[b], 'c') == NULL;
    bool meet = ph_topic_filters_meet(filters[a], filters[b]);
    if ((seen && meet != common) || (known && common && !meet)) {
        fail_msg("\"%s\" and \"%s\": have %d", filters[a], filters[b], meet);
    }
    return meet;
}

/* [TOP-12]: all pairs, against the sets of names that containment_is_exactly_set_inclusion made. */
static void meeting_is_exactly_a_common_name(void **state)
{
    (void)state;
    static const char *const filter_levels[] = {"", "a", "+", "$a", "c"};
    size_t filter_count = make_filters(filter_levels, 5);
    int met = 0;
    for (size_t a = 0; a < filter_count; a++) {
        for (size_t b = 0; b < filter_count; b++) {
            met += meets_as_known(a, b);
        }
    }
    assert_true(met > 1000);
}

/* [TOP-11] */
static void unshare_strips_or_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"a/b", "a/b"},
        {"$share", "$share"},
        {"$SYS/#", "$SYS/#"},
        {"$share/g/a/#", "a/#"},
        {"$share/g//", "/"},
        {"$share/g/$SYS/#", "$SYS/#"},
        {"$share/", NULL},
        {"$share/g", NULL},
        {"$share/g/", NULL},
        {"$share//a", NULL},
        {"$share/+/a", NULL},
        {"$share/g#/a", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *have = ph_topic_unshare(cases[i].text);
        if (cases[i].want == NULL) {
            assert_null(have);
        } else {
            assert_non_null(have);
            assert_string_equal(have, cases[i].want);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_keep_to_the_rules),
        cmocka_unit_test(filters_keep_to_the_rules),
        cmocka_unit_test(matching_follows_the_standard),
        cmocka_unit_test(containment_examples),
        cmocka_unit_test(containment_is_exactly_set_inclusion),
        cmocka_unit_test(meeting_examples),
        cmocka_unit_test(meeting_is_exactly_a_common_name),
        cmocka_unit_test(unshare_strips_or_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
