/* ph.domain.template: docs/spec/topic.md, templates. */
#include "domain/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "format/topic.h"

static const struct ph_identity identity = {"devices", "acme", "thermostat", "t-1"};

/* [TOP-20] */
static void fills_in_names(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"{tenant}/{kind}/{device}", "acme/thermostat/t-1"},
        {"ph/v1/{tenant}/{kind}/{device}/telemetry", "ph/v1/acme/thermostat/t-1/telemetry"},
        {"{device}{device}", "t-1t-1"},
        {"fixed", "fixed"},
        {"x{kind}", "xthermostat"},
    };
    char out[64];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(ph_template_check(cases[i].text, NULL), PH_OK);
        assert_true(ph_template_expand(out, sizeof out, cases[i].text, &identity));
        assert_string_equal(out, cases[i].want);
        size_t len = strlen(cases[i].want);
        assert_true(ph_template_expand(out, len + 1, cases[i].text, &identity));
        assert_false(ph_template_expand(out, len, cases[i].text, &identity));
        assert_false(ph_template_expand(out, 0, cases[i].text, &identity));
    }
}

/* [TOP-21] */
static void refuses_other_braces(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "{", "}", "a{b", "a}b", "{}", "{Tenant}", "{tenant",
        "tenant}", "{{tenant}}", "{tenant}}", "{tenant }", "{anchor}", "{role}", "a\nb", "\xFF"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ph_error error = {0};
        assert_int_equal(ph_template_check(bad[i], &error), PH_ERR_CONFIG);
        assert_non_null(strstr(error.message, "template \""));
        assert_non_null(strstr(error.message, "want "));
    }
}

/* [TOP-22] [TOP-23] */
static void filters_are_sound_for_every_identity(void **state)
{
    (void)state;
    static const char *const good[] = {"ph/v1/{tenant}/{kind}/{device}/telemetry", "{tenant}/#",
        "+/{device}", "#", "$SYS/{tenant}/#", "a-{device}/x"};
    static const struct {
        const char *text;
        const char *message;
    } bad[] = {
        {"{tenant}+", "'+' fills a level alone"},
        {"{tenant}#", "'#' fills the last level alone"},
        {"#/{tenant}", "'#' fills the last level alone"},
        {"a/{bogus}", "want only {tenant}, {kind} and {device}"},
        {"${tenant}/x", "must be spelled out"},
        {"$x{tenant}/x", "must be spelled out"},
        {"$share/{tenant}/x", "a shared subscription is not a filter"},
        {"a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q", "at most 16 levels"},
        {"{tenant}/{tenant}/{tenant}/{tenant}/{tenant}/{tenant}/{tenant}/{tenant}",
            "longer than 512 bytes when filled in"},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(ph_template_check_filter(good[i], NULL), PH_OK);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ph_error error = {0};
        assert_int_equal(ph_template_check_filter(bad[i].text, &error), PH_ERR_CONFIG);
        if (strstr(error.message, bad[i].message) == NULL) {
            fail_msg("%s: %s", bad[i].text, error.message);
        }
    }
}

/* [TOP-24] */
static void names_have_no_wildcards(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } bad[] = {
        {"{tenant}/#", "no '+' or '#' here"},
        {"+/{device}", "no '+' or '#' here"},
        {"{tenant}+", "no '+' or '#' here"},
        {"a/{bogus}", "want only {tenant}, {kind} and {device}"},
        {"", "want at least one character"},
        {"$share/g/{device}", "a shared subscription is not a filter"},
        {"{tenant}/{tenant}/{tenant}/{tenant}/{tenant}/{tenant}/{tenant}/{tenant}",
            "longer than 512 bytes when filled in"},
    };
    assert_int_equal(ph_template_check_name("{tenant}/x-{device}", NULL), PH_OK);
    assert_int_equal(ph_template_check_name("fixed", NULL), PH_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ph_error error = {0};
        assert_int_equal(ph_template_check_name(bad[i].text, &error), PH_ERR_CONFIG);
        if (strstr(error.message, bad[i].message) == NULL) {
            fail_msg("%s: %s", bad[i].text, error.message);
        }
    }
}

/* [TOP-23] */
static void length_counts_the_longest_names(void **state)
{
    (void)state;
    struct ph_error error = {0};
    assert_int_equal(ph_template_check_length("{tenant}/{device}", 129, &error), PH_OK);
    assert_int_equal(ph_template_check_length("{tenant}/{device}", 128, &error), PH_ERR_CONFIG);
    assert_non_null(strstr(error.message, "longer than 128 bytes"));
}

static bool matches_by_copy(const char *text, const struct ph_identity *who, const char *topic)
{
    char filter[PH_LIMIT_TOPIC_BYTES + 1];
    assert_true(ph_template_expand(filter, sizeof filter, text, who));
    return ph_topic_match(filter, topic);
}

static bool agrees(const char *template, const char *topic)
{
    bool want = matches_by_copy(template, &identity, topic);
    if (ph_template_match(template, &identity, topic) != want) {
        fail_msg("%s against %s: want %d", template, topic, want);
    }
    return want;
}

/* [TOP-25]: all pairs, against filling in and matching. */
static void matches_as_if_filled_in(void **state)
{
    (void)state;
    static const char *const templates[] = {"ph/{tenant}/{kind}/{device}/telemetry",
        "ph/{tenant}/+/{device}/telemetry", "ph/{tenant}/#", "ph/{tenant}", "+/{tenant}", "#", "+",
        "+/#", "{device}", "{device}/#", "x-{device}/y", "{tenant}x{kind}", "$SYS/{device}",
        "$SYS/#", "ph/acme/thermostat/t-1", "/{device}", "{device}/", "+/+/+/+/+",
        "ph/+/thermostat/#", "{tenant}/{tenant}"};
    static const char *const topics[] = {"ph/acme/thermostat/t-1/telemetry",
        "ph/acme/thermostat/t-2/telemetry", "ph/acme/thermostat/t-1/telemetr",
        "ph/acme/thermostat/t-1/telemetryx", "ph/acme/thermostat/t-1", "ph/acme", "ph/acm",
        "ph/acmex", "ph/acme/", "ph", "/acme", "t-1", "t-1/", "/t-1", "t-1/x/y", "x-t-1/y",
        "acmexthermostat", "$SYS/t-1", "$SYS", "$SYS/t-1/x", "/", "//", "acme/acme", "a/b/c/d/e",
        "ph/x/thermostat"};
    int matched = 0;
    for (size_t i = 0; i < sizeof templates / sizeof templates[0]; i++) {
        assert_int_equal(ph_template_check_filter(templates[i], NULL), PH_OK);
        for (size_t k = 0; k < sizeof topics / sizeof topics[0]; k++) {
            matched += agrees(templates[i], topics[k]);
        }
    }
    assert_true(matched > 40);
}

/* [ID-13] */
static void identity_templates_read_one_way(void **state)
{
    (void)state;
    static const char *const good[] = {"{device}", "urn:acme:{tenant}:{kind}:{device}",
        "{device}.{kind}.{tenant}.example.com", "{kind}-{device}", "spiffe://x/{tenant}/{device}"};
    static const struct {
        const char *text;
        const char *message;
    } bad[] = {
        {"", "want at least one character"},
        {"{name}", "want only {tenant}, {kind} and {device} in braces"},
        {"{tenant}/{kind}", "want {device} in it"},
        {"{device}/{device}", "want each name once, have {device} twice"},
        {"{tenant}{device}", "want the end or a separator such as ':' behind {tenant}"},
        {"{tenant}x{device}", "want the end or a separator such as ':' behind {tenant}"},
        {"{device}0", "behind {device}"},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(ph_template_check_identity(good[i], NULL), PH_OK);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ph_error error = {0};
        assert_int_equal(ph_template_check_identity(bad[i].text, &error), PH_ERR_CONFIG);
        if (strstr(error.message, bad[i].message) == NULL) {
            fail_msg("%s: %s", bad[i].text, error.message);
        }
    }
}

static void assert_refused(const struct ph_error *error, const char *text, const char *want)
{
    assert_int_equal(error->code, PH_ERR_DENIED);
    assert_non_null(strstr(error->message, "subjectAltName URI: want \""));
    if (strstr(error->message, want) == NULL) {
        fail_msg("%s: %s", text, error->message);
    }
}

/* [ID-13] [ID-14] */
static void parses_what_a_template_names(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *bytes;
        const char *want; /* tenant/kind/device, or the message */
        bool good;
    } cases[] = {
        {"{device}", "t-1", "old/old/t-1", true},
        {"urn:acme:{tenant}:{kind}:{device}", "urn:acme:globex:valve:v.1", "globex/valve/v.1",
            true},
        {"{device}.{kind}.example.com", "d1.valve.example.com", "old/valve/d1", true},
        {"{kind}-{device}", "valve-a-b", "old/valve/a-b", true},
        {"{device}", "", "device: want 1 to 64 of", false},
        {"{device}", "a b", "device: want 1 to 64 of", false},
        {"{device}", "a/b", "have \"a/b\"", false},
        {"{device}", "a\nb", "have \"a\\x0ab\"", false},
        {"{device}.x", "a.b.x", "it ends or differs at \"x\"", false},
        {"{device}.x", "a.xy", "it goes on behind that", false},
        {"{device}.x", "a.", "it ends or differs at \"x\"", false},
        {"{device}:x", "a", "device: want ':' behind it", false},
        {"urn:{device}", "URN:a", "it ends or differs at \"urn:{device}\"", false},
        {"urn:{tenant}:{device}", "urn::a", "tenant: want 1 to 64 of", false},
        {"{tenant}/{device}", "acme/x/y", "device: want 1 to 64 of", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_identity out = {"devices", "old", "old", "old"};
        struct ph_error error = {0};
        char shown[PH_IDENTITY_BYTES];
        enum ph_err err = ph_template_parse(cases[i].text, "subjectAltName URI", cases[i].bytes,
            strlen(cases[i].bytes), &out, &error);
        ph_identity_print(shown, sizeof shown, &out);
        assert_string_equal(out.anchor, "devices");
        if (cases[i].good) {
            assert_int_equal(err, PH_OK);
            assert_string_equal(shown, cases[i].want);
        } else {
            assert_int_equal(err, PH_ERR_DENIED);
            assert_string_equal(shown, "old/old/old");
            assert_refused(&error, cases[i].text, cases[i].want);
        }
    }
    struct ph_identity out = {0};
    assert_int_equal(ph_template_parse("{device}", "CN", "a\0b", 3, &out, NULL), PH_ERR_DENIED);
}

/* [POL-42] */
static void client_ids_may_end_openly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *want; /* of the refusal; NULL: good */
        bool open;
    } cases[] = {
        {"{tenant}/{kind}/{device}", NULL, false},
        {"{tenant}/claim/{device}/*", NULL, true},
        {"fixed/*", NULL, true},
        {"*", "want '*' only as the last character, behind a '/'", false},
        {"{device}*", "want '*' only as the last character, behind a '/'", false},
        {"{device}/*/", "want '*' only as the last character, behind a '/'", false},
        {"*/{device}", "want '*' only as the last character, behind a '/'", false},
        {"{device}/**", "want '*' only as the last character, behind a '/'", false},
        {"{device}/x*", "want '*' only as the last character, behind a '/'", false},
        {"{what}/*", "want only {tenant}, {kind} and {device}", false},
        {"", "want at least one character", false},
        /* 192 bytes of names leave no room for an end of 64 */
        {"{tenant}{kind}{device}x/*", "longer than", false},
        {"{tenant}{kind}{device}x/y", NULL, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_error error = {0};
        enum ph_err err = ph_template_check_client_id(cases[i].text, &error);
        assert_int_equal(err, cases[i].want == NULL ? PH_OK : PH_ERR_CONFIG);
        if (cases[i].want != NULL) {
            assert_non_null(strstr(error.message, cases[i].want));
        } else {
            assert_int_equal(ph_template_open_ended(cases[i].text), cases[i].open);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_in_names),
        cmocka_unit_test(refuses_other_braces),
        cmocka_unit_test(filters_are_sound_for_every_identity),
        cmocka_unit_test(names_have_no_wildcards),
        cmocka_unit_test(length_counts_the_longest_names),
        cmocka_unit_test(matches_as_if_filled_in),
        cmocka_unit_test(identity_templates_read_one_way),
        cmocka_unit_test(parses_what_a_template_names),
        cmocka_unit_test(client_ids_may_end_openly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
