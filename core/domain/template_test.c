/* ph.domain.template: docs/spec/topic.md, templates. */
#include "domain/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_in_names),
        cmocka_unit_test(refuses_other_braces),
        cmocka_unit_test(filters_are_sound_for_every_identity),
        cmocka_unit_test(names_have_no_wildcards),
        cmocka_unit_test(length_counts_the_longest_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
