/* ph.domain.policy_role: who fills a role and keeps it, and what quarantine leaves of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "domain/policy.h"
#include "domain/policy_fixture.h"

static struct policy_fixture f;
static struct ph_subject_rule rules[2];
static const struct ph_identity thermostat = {"devices", "acme", "thermostat", "t-1"};

static int set_up(void **state)
{
    (void)state;
    policy_fixture_init(&f);
    rules[0] = (struct ph_subject_rule){text("L"), text("Berlin*")};
    rules[1] = (struct ph_subject_rule){text("title"), text("boiler")};
    return 0;
}

/* The role "lab" becomes one for thermostats in Berlin. */
static void make_lab_ask_for_the_subject(void)
{
    f.roles[0].match.device = NULL;
    f.roles[0].match.kind = text("thermostat");
    f.roles[0].match.subject = rules;
    f.roles[0].match.subject_count = 2;
}

/* [POL-24] */
static void a_role_may_ask_for_the_subject(void **state)
{
    (void)state;
    static const struct {
        const char *subject;
        const char *role;
    } cases[] = {
        {"L=Berlin Mitte\0title=boiler\0", "lab"},
        {"title=boiler\0O=x\0L=Berlin\0", "lab"},
        {"L=Berlin\0title=boilers\0", "device"},
        {"L=berlin\0title=boiler\0", "device"},
        {"L=Berlin\0", "device"},
        {"L=Berlin\0L=Berlin\0title=boiler\0", "device"},
        {"", "device"},
        {NULL, "device"},
    };
    make_lab_ask_for_the_subject();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct ph_role *role = NULL;
        assert_int_equal(
            ph_policy_role_find(&f.policy, &thermostat, cases[i].subject, &role, NULL), PH_OK);
        if (strcmp(role->name, cases[i].role) != 0) {
            fail_msg("case %zu: have %s", i, role->name);
        }
    }
    f.roles[1].match.subject = rules;
    f.roles[1].match.subject_count = 2;
    const struct ph_role *role = NULL;
    struct ph_error error = {0};
    assert_int_equal(
        ph_policy_role_find(&f.policy, &thermostat, "O=x\0", &role, &error), PH_ERR_DENIED);
    assert_non_null(strstr(error.message, "acme/thermostat/t-1: no role of the policy matches it"));
}

static void assert_kept(const char *name)
{
    const struct ph_role *role = NULL;
    struct ph_error error = {0};
    if (ph_policy_role_keep(&f.policy, &thermostat, name, &role, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    assert_string_equal(role->name, name);
}

static void assert_not_kept(const char *name, const char *message)
{
    const struct ph_role *role = NULL;
    struct ph_error error = {0};
    assert_int_equal(
        ph_policy_role_keep(&f.policy, &thermostat, name, &role, &error), PH_ERR_DENIED);
    assert_null(role);
    if (strstr(error.message, message) == NULL) {
        fail_msg("want \"%s\", have \"%s\"", message, error.message);
    }
}

/* [POL-26] */
static void a_role_is_kept_while_the_names_match(void **state)
{
    (void)state;
    assert_kept("device");
    assert_not_kept("lab", "acme/thermostat/t-1: role \"lab\" of the policy no longer matches it");
    assert_not_kept("gone", "it role \"device\" instead of \"gone\"; it must connect again");
    assert_not_kept("ingest", "the policy now gives it role \"device\" instead of \"ingest\"");
    f.roles[0].match.device = text("t-*");
    assert_not_kept("device", "the policy now gives it role \"lab\" instead of \"device\"");
    make_lab_ask_for_the_subject();
    assert_kept("device"); /* what the subject says is not known here */
    assert_kept("lab");
    f.roles[1].match.kind = text("valve");
    assert_not_kept("gone", "role \"gone\" of the policy no longer matches it");
    f.tenants[0] = text("initech");
    assert_not_kept("lab", "anchor \"devices\" may not speak for tenant \"acme\"");
    f.anchors[0].name = text("others");
    assert_not_kept("lab", "anchor \"devices\" is not in the policy");
}

/* [POL-41] by names alone a role that asks for the subject is not passed over */
static void names_alone_do_not_pass_a_role_that_may_restrict(void **state)
{
    (void)state;
    const struct ph_role *role = NULL;
    struct ph_error error = {0};
    assert_int_equal(ph_policy_role_by_names(&f.policy, &thermostat, &role, NULL), PH_OK);
    assert_string_equal(role->name, "device");
    make_lab_ask_for_the_subject();
    assert_int_equal(ph_policy_role_by_names(&f.policy, &thermostat, &role, &error), PH_ERR_DENIED);
    assert_non_null(strstr(error.message, "role \"lab\" depends on its certificate"));
    const struct ph_identity nobody = {"devices", "acme", "boiler", "b-1"};
    ph_error_clear(&error);
    assert_int_equal(ph_policy_role_by_names(&f.policy, &nobody, &role, &error), PH_ERR_DENIED);
    assert_non_null(strstr(error.message, "no role of the policy matches it"));
}

/* [POL-26] what role_find gives by names alone is what role_keep keeps */
static void finding_and_keeping_agree(void **state)
{
    (void)state;
    static const char *const devices[] = {"t-1", "lab-1", "ingest"};
    static const char *const kinds[] = {"thermostat", "service"};
    static const char *const anchors[] = {"devices", "services"};
    for (size_t i = 0; i < 12; i++) {
        struct ph_identity who = {.tenant = "acme"};
        (void)snprintf(who.anchor, sizeof who.anchor, "%s", anchors[i % 2]);
        (void)snprintf(who.kind, sizeof who.kind, "%s", kinds[i / 2 % 2]);
        (void)snprintf(who.device, sizeof who.device, "%s", devices[i / 4]);
        const struct ph_role *found = NULL;
        enum ph_err err = ph_policy_role_find(&f.policy, &who, NULL, &found, NULL);
        for (size_t r = 0; r < f.policy.role_count; r++) {
            const struct ph_role *kept = NULL;
            enum ph_err keep = ph_policy_role_keep(&f.policy, &who, f.roles[r].name, &kept, NULL);
            assert_int_equal(keep == PH_OK, err == PH_OK && found == &f.roles[r]);
        }
    }
}

static const char *allowed(bool quarantined, enum ph_action action, const char *topic)
{
    return ph_policy_allows(&f.policy, &f.roles[1], quarantined, &thermostat, action, topic);
}

/* [POL-23] */
static void quarantine_leaves_what_both_allow(void **state)
{
    (void)state;
    static char *publish[2];
    static char *subscribe[1];
    publish[0] = text("ph/v1/{tenant}/{kind}/{device}/status");
    publish[1] = text("ph/v1/extra");
    subscribe[0] = text("ph/v1/{tenant}/{kind}/{device}/command");
    struct ph_role quarantine = {
        .publish = {publish, 2}, .will = {publish, 1}, .subscribe = {subscribe, 1}};
    f.policy.quarantine = &quarantine;
    /* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order of reading */
    static const struct {
        enum ph_action action;
        const char *topic;
        const char *free;
        bool kept;
    } cases[] = {
        {PH_ACTION_PUBLISH, "ph/v1/acme/thermostat/t-1/status",
            "ph/v1/{tenant}/{kind}/{device}/status", true},
        {PH_ACTION_PUBLISH, "ph/v1/acme/thermostat/t-1/telemetry",
            "ph/v1/{tenant}/{kind}/{device}/telemetry", false},
        {PH_ACTION_PUBLISH, "ph/v1/acme/thermostat/t-2/status", NULL, false},
        {PH_ACTION_PUBLISH, "ph/v1/extra", NULL, false}, /* the role does not */
        {PH_ACTION_PUBLISH, "ph/v1/+", NULL, false},
        {PH_ACTION_WILL, "ph/v1/acme/thermostat/t-1/status",
            "ph/v1/{tenant}/{kind}/{device}/status", true},
        {PH_ACTION_SUBSCRIBE, "ph/v1/acme/thermostat/t-1/command",
            "ph/v1/{tenant}/{kind}/{device}/+", true},
        {PH_ACTION_SUBSCRIBE, "$share/g/ph/v1/acme/thermostat/t-1/command",
            "ph/v1/{tenant}/{kind}/{device}/+", true},
        {PH_ACTION_SUBSCRIBE, "ph/v1/acme/thermostat/t-1/+", "ph/v1/{tenant}/{kind}/{device}/+",
            false},
        {PH_ACTION_RECEIVE, "ph/v1/acme/thermostat/t-1/command", "ph/v1/{tenant}/{kind}/{device}/+",
            true},
        {PH_ACTION_RECEIVE, "ph/v1/ingest/status", "ph/v1/ingest/status", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *have = allowed(false, cases[i].action, cases[i].topic);
        const char *want = cases[i].free;
        assert_int_equal(have == NULL, want == NULL);
        assert_true(have == NULL || want == NULL || strcmp(have, want) == 0);
        const char *kept = allowed(true, cases[i].action, cases[i].topic);
        assert_true(kept == (cases[i].kept ? have : NULL));
    }
    f.policy.quarantine = NULL; /* nothing at all */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_null(allowed(true, cases[i].action, cases[i].topic));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_role_may_ask_for_the_subject, set_up),
        cmocka_unit_test_setup(a_role_is_kept_while_the_names_match, set_up),
        cmocka_unit_test_setup(names_alone_do_not_pass_a_role_that_may_restrict, set_up),
        cmocka_unit_test_setup(finding_and_keeping_agree, set_up),
        cmocka_unit_test_setup(quarantine_leaves_what_both_allow, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
