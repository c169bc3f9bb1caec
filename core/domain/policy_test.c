/* ph.domain.policy: docs/spec/topic.md and identity.md, decisions. */
#include "domain/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "domain/policy_fixture.h"

static struct policy_fixture fixture;

static int set_up(void **state)
{
    (void)state;
    policy_fixture_init(&fixture);
    return 0;
}

static struct ph_identity identity_of(const char *user_name)
{
    struct ph_identity identity;
    char role[PH_SEGMENT_BYTES];
    assert_int_equal(ph_user_name_parse(user_name, role, &identity, NULL), PH_OK);
    return identity;
}

/* [ID-7] [ID-8] */
static void the_first_role_that_matches_is_filled(void **state)
{
    (void)state;
    static const struct {
        const char *who; /* with a role that is ignored */
        const char *role;
        const char *message;
    } cases[] = {
        {"x:devices:acme/thermostat/t-1", "device", NULL},
        {"x:devices:globex/thermostat/t-1", "device", NULL},
        {"x:devices:acme/thermostat/lab-1", "lab", NULL},
        {"x:devices:acme/fridge/lab-1", "lab", NULL},
        {"x:devices:acme/fridge/t-1", NULL, "acme/fridge/t-1: no role of the policy matches"},
        {"x:devices:acme/thermostatx/t-1", NULL, "no role of the policy matches"},
        {"x:devices:initech/thermostat/t-1", NULL,
            "anchor \"devices\" may not speak for tenant \"initech\""},
        {"x:services:acme/service/ingest", "ingest", NULL},
        {"x:services:acme/thermostat/t-1", NULL,
            "no role of the policy matches it under \"services\""},
        {"x:devices:acme/service/ingest", NULL, "no role of the policy matches"},
        {"x:others:acme/thermostat/t-1", NULL, "anchor \"others\" is not in the policy"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_identity identity = identity_of(cases[i].who);
        const struct ph_role *role = NULL;
        struct ph_error error = {0};
        enum ph_err err = ph_policy_role_find(&fixture.policy, &identity, NULL, &role, &error);
        if (cases[i].role != NULL) {
            assert_int_equal(err, PH_OK);
            assert_string_equal(role->name, cases[i].role);
        } else {
            assert_int_equal(err, PH_ERR_DENIED);
            assert_null(role);
            assert_non_null(strstr(error.message, cases[i].message));
        }
    }
}

/* [ID-9] */
static void client_id_is_the_template_filled_in(void **state)
{
    (void)state;
    struct ph_identity identity = identity_of("x:devices:acme/thermostat/t-1");
    const struct ph_role *role = ph_policy_role(&fixture.policy, "device");
    assert_int_equal(ph_role_check_client_id(role, &identity, "acme/thermostat/t-1", NULL), PH_OK);
    static const char *const bad[] = {
        "", "acme/thermostat/t-2", "acme/thermostat/t-1 ", "ACME/thermostat/t-1", "x\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ph_error error = {0};
        assert_int_equal(ph_role_check_client_id(role, &identity, bad[i], &error), PH_ERR_DENIED);
        assert_non_null(strstr(error.message, "client id: want \"acme/thermostat/t-1\", have \""));
    }
}

/* [POL-42] */
static void shared_client_ids_end_as_their_connections_like(void **state)
{
    (void)state;
    struct ph_identity identity = identity_of("x:devices:acme/thermostat/t-1");
    struct ph_role *role = &fixture.roles[1];
    char longest[256];
    (void)snprintf(longest, sizeof longest, "acme/t-1/%064d", 0);
    role->client_id = text("{tenant}/{device}/*");
    assert_true(ph_role_shared(role));
    assert_false(ph_role_shared(&fixture.roles[0]));
    const char *const good[] = {"acme/t-1/a", "acme/t-1/A-z_0.9", "acme/t-1/-", longest};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(ph_role_check_client_id(role, &identity, good[i], NULL), PH_OK);
    }
    char too_long[256];
    (void)snprintf(too_long, sizeof too_long, "acme/t-1/%065d", 0);
    const char *const bad[] = {"", "acme/t-1", "acme/t-1/", "acme/t-1/*", "acme/t-1/a/b",
        "acme/t-1/a b", "acme/t-1/\xC3\xA4", "acme/t-1/a\n", "acme/t-2/a", "acme/t-10/a", too_long};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ph_error error = {0};
        assert_int_equal(ph_role_check_client_id(role, &identity, bad[i], &error), PH_ERR_DENIED);
        assert_non_null(strstr(error.message,
            "client id: want \"acme/t-1/\" and 1 to 64 of A-Z a-z 0-9 . _ - behind it, have \""));
    }
}

struct request {
    enum ph_action action;
    const char *topic;
    const char *allowed_by; /* NULL: denied */
};

static void check_requests(
    const char *who, const char *role_name, const struct request *requests, size_t count)
{
    struct ph_identity identity = identity_of(who);
    const struct ph_role *role = ph_policy_role(&fixture.policy, role_name);
    assert_non_null(role);
    for (size_t i = 0; i < count; i++) {
        const char *have = ph_role_allows(role, &identity, requests[i].action, requests[i].topic);
        const char *want = requests[i].allowed_by;
        if ((have == NULL) != (want == NULL) || (want != NULL && strcmp(have, want) != 0)) {
            fail_msg("%s %s: have %s", ph_action_name(requests[i].action), requests[i].topic,
                have != NULL ? have : "denied");
        }
    }
}

/* [TOP-30] [TOP-31] [TOP-32] [TOP-33] [TOP-34] [TOP-35] */
static void a_device_may_use_its_own_topics(void **state)
{
    (void)state;
    static const struct request requests[] = {
        {PH_ACTION_PUBLISH, "ph/v1/acme/thermostat/t-1/telemetry",
            "ph/v1/{tenant}/{kind}/{device}/telemetry"},
        {PH_ACTION_PUBLISH, "ph/v1/acme/thermostat/t-2/telemetry", NULL},
        {PH_ACTION_PUBLISH, "ph/v1/acme/thermostat/t-1/telemetry/x", NULL},
        {PH_ACTION_PUBLISH, "ph/v1/acme/thermostat/t-1/telemetr", NULL},
        {PH_ACTION_PUBLISH, "ph/v1/acme/thermostat/t-1/+", NULL},
        {PH_ACTION_PUBLISH, "ph/v1/acme/thermostat/t-1/command", NULL},
        {PH_ACTION_PUBLISH, "", NULL},
        {PH_ACTION_PUBLISH, "ph/v1/acme/thermostat/t-1/telemetry\n", NULL},
        {PH_ACTION_WILL, "ph/v1/acme/thermostat/t-1/status",
            "ph/v1/{tenant}/{kind}/{device}/status"},
        {PH_ACTION_WILL, "ph/v1/acme/thermostat/t-1/telemetry", NULL},
        {PH_ACTION_WILL, "ph/v1/acme/thermostat/t-2/status", NULL},
        {PH_ACTION_SUBSCRIBE, "ph/v1/acme/thermostat/t-1/ack", "ph/v1/{tenant}/{kind}/{device}/+"},
        {PH_ACTION_SUBSCRIBE, "ph/v1/acme/thermostat/t-1/+", "ph/v1/{tenant}/{kind}/{device}/+"},
        {PH_ACTION_SUBSCRIBE, "ph/v1/acme/thermostat/t-1/#", NULL},
        {PH_ACTION_SUBSCRIBE, "ph/v1/acme/thermostat/+/ack", NULL},
        {PH_ACTION_SUBSCRIBE, "ph/v1/+/thermostat/t-1/ack", NULL},
        {PH_ACTION_SUBSCRIBE, "#", NULL},
        {PH_ACTION_SUBSCRIBE, "+/#", NULL},
        {PH_ACTION_SUBSCRIBE, "$SYS/#", NULL},
        {PH_ACTION_SUBSCRIBE, "$share/g/ph/v1/acme/thermostat/t-1/ack",
            "ph/v1/{tenant}/{kind}/{device}/+"},
        {PH_ACTION_SUBSCRIBE, "$share/g/ph/v1/acme/thermostat/t-2/ack", NULL},
        {PH_ACTION_SUBSCRIBE, "$share/g/$share/h/ph/v1/acme/thermostat/t-1/ack", NULL},
        {PH_ACTION_SUBSCRIBE, "$share//ph/v1/acme/thermostat/t-1/ack", NULL},
        {PH_ACTION_SUBSCRIBE, "$share/g/", NULL},
        {PH_ACTION_SUBSCRIBE, "", NULL},
        {PH_ACTION_SUBSCRIBE, "ph/v1/ingest/status", "ph/v1/ingest/status"},
        {PH_ACTION_RECEIVE, "ph/v1/acme/thermostat/t-1/command",
            "ph/v1/{tenant}/{kind}/{device}/+"},
        {PH_ACTION_RECEIVE, "ph/v1/acme/thermostat/t-2/command", NULL},
        {PH_ACTION_RECEIVE, "ph/v1/acme/thermostat/t-1/+", NULL},
    };
    check_requests(
        "x:devices:acme/thermostat/t-1", "device", requests, sizeof requests / sizeof requests[0]);
}

/* [TOP-32] [TOP-33] [TOP-36] */
static void a_service_has_wildcards_and_its_own_receive_list(void **state)
{
    (void)state;
    static const struct request requests[] = {
        {PH_ACTION_PUBLISH, "ph/v1/acme/thermostat/t-1/ack", "ph/v1/+/+/+/ack"},
        {PH_ACTION_PUBLISH, "ph/v1/acme/thermostat/t-1/x/ack", NULL},
        {PH_ACTION_PUBLISH, "$ph/v1/acme/thermostat/t-1/ack", NULL},
        {PH_ACTION_WILL, "ph/v1/ingest/status", NULL}, /* no will list */
        {PH_ACTION_SUBSCRIBE, "ph/v1/+/+/+/telemetry", "ph/v1/+/+/+/telemetry"},
        {PH_ACTION_SUBSCRIBE, "ph/v1/acme/+/t-1/telemetry", "ph/v1/+/+/+/telemetry"},
        {PH_ACTION_SUBSCRIBE, "$SYS/broker/uptime", "$SYS/broker/uptime"},
        {PH_ACTION_SUBSCRIBE, "$SYS/broker/+", NULL},
        {PH_ACTION_RECEIVE, "ph/v1/acme/thermostat/t-1/telemetry", "ph/v1/+/+/+/telemetry"},
        {PH_ACTION_RECEIVE, "$SYS/broker/uptime", NULL},
    };
    check_requests(
        "x:services:acme/service/ingest", "ingest", requests, sizeof requests / sizeof requests[0]);
    static const struct request nothing[] = {
        {PH_ACTION_PUBLISH, "a", NULL},
        {PH_ACTION_SUBSCRIBE, "a", NULL},
        {PH_ACTION_RECEIVE, "a", NULL},
        {PH_ACTION_WILL, "a", NULL},
    };
    check_requests("x:devices:acme/thermostat/lab-1", "lab", nothing, 4);
}

/* [TOP-36]: a wildcard template does not open '$' names; only spelling the level out does. */
static void dollar_names_must_be_spelled_out(void **state)
{
    (void)state;
    char *everything[] = {text("#"), text("+/#")};
    struct ph_role role = {
        .name = text("all"), .publish = {everything, 2}, .subscribe = {everything, 2}};
    struct ph_identity identity = identity_of("x:devices:acme/thermostat/t-1");
    static const char *const closed[] = {"$SYS/x", "$CONTROL/dynamic-security/v1", "$", "$share"};
    for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++) {
        assert_null(ph_role_allows(&role, &identity, PH_ACTION_PUBLISH, closed[i]));
        assert_null(ph_role_allows(&role, &identity, PH_ACTION_RECEIVE, closed[i]));
        assert_null(ph_role_allows(&role, &identity, PH_ACTION_SUBSCRIBE, closed[i]));
    }
    assert_null(ph_role_allows(&role, &identity, PH_ACTION_SUBSCRIBE, "$share/g/$SYS/#"));
    assert_non_null(ph_role_allows(&role, &identity, PH_ACTION_SUBSCRIBE, "$share/g/#"));
}

static char *copy(const char *literal)
{
    char *copied = strdup(literal);
    assert_non_null(copied);
    return copied;
}

static void *zeroed(size_t count, size_t size)
{
    void *bytes = calloc(count, size);
    assert_non_null(bytes);
    return bytes;
}

static struct ph_filter_list one_filter(void)
{
    struct ph_filter_list list = {zeroed(1, sizeof(char *)), 1};
    list.filters[0] = copy("x");
    return list;
}

/* [ID-11] a kind that one anchor lists is closed to the others */
static void kinds_belong_to_their_anchor(void **state)
{
    (void)state;
    char *service[] = {text("service")};
    const struct ph_role *role = NULL;
    struct ph_error error = {0};
    struct ph_identity forged = {"devices", "acme", "service", "lab-1"};
    assert_int_equal(ph_policy_role_find(&fixture.policy, &forged, NULL, &role, &error), PH_OK);
    fixture.anchors[1].kinds = service;
    fixture.anchors[1].kind_count = 1;
    assert_int_equal(
        ph_policy_role_find(&fixture.policy, &forged, NULL, &role, &error), PH_ERR_DENIED);
    assert_non_null(strstr(error.message, "anchor \"devices\" may not speak for kind \"service\""));
    struct ph_identity ingest = {"services", "acme", "service", "ingest"};
    ph_error_clear(&error);
    assert_int_equal(ph_policy_role_find(&fixture.policy, &ingest, NULL, &role, &error), PH_OK);
    struct ph_identity other = {"services", "acme", "thermostat", "ingest"};
    assert_int_equal(
        ph_policy_role_find(&fixture.policy, &other, NULL, &role, &error), PH_ERR_DENIED);
    assert_non_null(
        strstr(error.message, "anchor \"services\" may not speak for kind \"thermostat\""));
}

/* A leak or a double free is the sanitizers' to report. */
static void free_releases_everything(void **state)
{
    (void)state;
    struct ph_policy *policy = zeroed(1, sizeof *policy);
    policy->anchors = zeroed(2, sizeof *policy->anchors);
    policy->anchor_count = 2;
    policy->anchors[0].name = copy("a");
    policy->anchors[0].ca_files = one_filter().filters;
    policy->anchors[0].ca_file_count = 1;
    policy->anchors[0].crl_files = one_filter().filters;
    policy->anchors[0].crl_file_count = 1;
    policy->anchors[0].tenants = one_filter().filters;
    policy->anchors[0].tenant_count = 1;
    policy->anchors[0].kinds = one_filter().filters;
    policy->anchors[0].kind_count = 1;
    policy->anchors[0].identity_template = copy("{device}");
    policy->lists = one_filter().filters;
    policy->list_count = 1;
    policy->quarantine = zeroed(1, sizeof *policy->quarantine);
    policy->quarantine->publish = one_filter();
    policy->roles = zeroed(2, sizeof *policy->roles);
    policy->role_count = 2;
    policy->roles[0] = (struct ph_role){.name = copy("r"),
        .match = {.anchor = copy("a"),
            .tenant = copy("t"),
            .kind = copy("k"),
            .device = copy("d"),
            .subject = zeroed(1, sizeof(struct ph_subject_rule)),
            .subject_count = 1},
        .client_id = copy("c"),
        .publish = one_filter(),
        .will = one_filter(),
        .subscribe = one_filter(),
        .receive = one_filter(),
        .status = copy("x"),
        .accept = one_filter().filters,
        .accept_count = 1};
    policy->roles[0].match.subject[0] = (struct ph_subject_rule){copy("L"), copy("Berlin")};
    ph_policy_free(&policy);
    assert_null(policy);
    ph_policy_free(&policy);
}

static void names_of_actions(void **state)
{
    (void)state;
    assert_string_equal(ph_action_name(PH_ACTION_PUBLISH), "publish");
    assert_string_equal(ph_action_name(PH_ACTION_WILL), "will");
    assert_string_equal(ph_action_name(PH_ACTION_SUBSCRIBE), "subscribe");
    assert_string_equal(ph_action_name(PH_ACTION_RECEIVE), "receive");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_first_role_that_matches_is_filled, set_up),
        cmocka_unit_test_setup(client_id_is_the_template_filled_in, set_up),
        cmocka_unit_test_setup(shared_client_ids_end_as_their_connections_like, set_up),
        cmocka_unit_test_setup(a_device_may_use_its_own_topics, set_up),
        cmocka_unit_test_setup(a_service_has_wildcards_and_its_own_receive_list, set_up),
        cmocka_unit_test_setup(kinds_belong_to_their_anchor, set_up),
        cmocka_unit_test(dollar_names_must_be_spelled_out),
        cmocka_unit_test(free_releases_everything),
        cmocka_unit_test(names_of_actions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
