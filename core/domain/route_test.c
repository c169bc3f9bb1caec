#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "domain/route.h"

#define PATTERN "ph/v1/{tenant}/{kind}/{device}/telemetry"

static void filter(void **state)
{
    char out[PH_FILTER_BYTES];
    (void)state;
    ph_route_filter(out, PATTERN);
    assert_string_equal(out, "ph/v1/+/+/+/telemetry");
    ph_route_filter(out, "{device}/{kind}/{tenant}");
    assert_string_equal(out, "+/+/+");
}

/* [ING-1] */
static void identity_comes_from_the_topic(void **state)
{
    static const struct {
        const char *pattern, *topic, *identity;
    } cases[] = {
        {PATTERN, "ph/v1/acme/thermostat/t-0001/telemetry", "acme/thermostat/t-0001"},
        {PATTERN, "ph/v1/A/b.c/D_9/telemetry", "A/b.c/D_9"},
        {"{device}/x/{kind}/{tenant}", "d/x/k/t", "t/k/d"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_identity identity = {0};
        char text[PH_IDENTITY_BYTES];
        assert_int_equal(ph_route_parse(cases[i].pattern, cases[i].topic, &identity, NULL), PH_OK);
        ph_identity_print(text, sizeof text, &identity);
        assert_string_equal(text, cases[i].identity);
    }
}

/* [ING-1] */
static void other_topics_are_refused(void **state)
{
    static const struct {
        const char *topic, *says;
    } cases[] = {
        {"", "want the form ph/v1/{tenant}"},
        {"ph/v1/acme/thermostat/t-0001", "want the form"},
        {"ph/v1/acme/thermostat/t-0001/telemetry/more", "want the form"},
        {"ph/v1/acme/thermostat/t-0001/telemetry/", "want the form"},
        {"ph/v2/acme/thermostat/t-0001/telemetry", "want the form"},
        {"ph/v1/acme/thermostat/t-0001/telemetri", "want the form"},
        {"/ph/v1/acme/thermostat/t-0001/telemetry", "want the form"},
        {"ph/v1//thermostat/t-0001/telemetry", "topic: tenant"},
        {"ph/v1/acme/ther mostat/t-0001/telemetry", "topic: kind"},
        {"ph/v1/acme/thermostat/+/telemetry", "topic: device"},
        {"ph/v1/acme/thermostat/-x/telemetry", "topic: device"},
        {"ph/v1/acme/thermostat/t\n1/telemetry", "topic: device"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_identity identity = {0};
        struct ph_error error = {0};
        assert_int_equal(ph_route_parse(PATTERN, cases[i].topic, &identity, &error), PH_ERR_INPUT);
        if (strstr(error.message, cases[i].says) == NULL) {
            fail_msg("%s: %s", cases[i].topic, error.message);
        }
        assert_string_equal(identity.device, "");
    }
}

/* [ING-31] */
static void patterns_are_checked(void **state)
{
    static const struct {
        const char *pattern, *says;
    } cases[] = {
        {"ph/{tenant}/{kind}/x", "want {device} once"},
        {"ph/{tenant}/{kind}/{device}/{kind}", "want {kind} once"},
        {"ph/{tenant}/{kind}/d-{device}", "{device} must fill a level"},
        {"ph/{tenant}x/{kind}/{device}", "{tenant} must fill a level"},
        {"ph/+/{tenant}/{kind}/{device}", "no '+' or '#'"},
        {"ph/{tenant}/{kind}/{device}/#", "no '+' or '#'"},
        {"ph/{tenant}/{kind}/{device", "{device"},
        {"ph/{tenant}/{kind}/{device}/{role}", "{role}"},
    };
    (void)state;
    assert_int_equal(ph_route_check(PATTERN, NULL), PH_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_error error = {0};
        assert_int_not_equal(ph_route_check(cases[i].pattern, &error), PH_OK);
        if (strstr(error.message, cases[i].says) == NULL) {
            fail_msg("%s: %s", cases[i].pattern, error.message);
        }
    }
}

/* [REG-3] */
static void claims_have_no_kind(void **state)
{
    struct ph_error error = {0};
    struct ph_identity identity = {0};
    const char *pattern = "ph/v1/claim/{tenant}/{device}/enroll";
    (void)state;
    assert_int_equal(ph_route_check_kindless(pattern, &error), PH_OK);
    assert_int_equal(
        ph_route_parse(pattern, "ph/v1/claim/acme/batch-7/enroll", &identity, &error), PH_OK);
    assert_string_equal(identity.tenant, "acme");
    assert_string_equal(identity.kind, "");
    assert_string_equal(identity.device, "batch-7");
    assert_int_equal(ph_route_check_kindless("ph/{tenant}/{kind}/{device}", &error), PH_ERR_CONFIG);
    assert_string_equal(
        error.message, "\"ph/{tenant}/{kind}/{device}\": {kind} cannot be told here");
    error = (struct ph_error){0};
    assert_int_equal(ph_route_check_kindless("ph/{tenant}/x", &error), PH_ERR_CONFIG);
    assert_non_null(strstr(error.message, "want {device} once"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filter),
        cmocka_unit_test(identity_comes_from_the_topic),
        cmocka_unit_test(other_topics_are_refused),
        cmocka_unit_test(patterns_are_checked),
        cmocka_unit_test(claims_have_no_kind),
    };
    return cmocka_run_group_tests_name("ph.domain.route", tests, NULL, NULL);
}
