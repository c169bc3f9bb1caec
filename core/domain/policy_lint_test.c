/* ph.domain.policy_lint: docs/spec/policy.md, findings. */
#include "domain/policy_lint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "domain/policy_fixture.h"

static struct policy_fixture f;
static struct ph_role *device;
static struct ph_role *ingest;
static char *accept[1];

/* The fixture with what lint asks for: no findings. */
static int set_up(void **state)
{
    (void)state;
    policy_fixture_init(&f);
    device = &f.roles[1];
    ingest = &f.roles[2];
    device->status = f.device_will[0];
    device->limits.messages_per_second = 10;
    f.device_subscribe[0] = text("ph/v1/{tenant}/{kind}/{device}/ack");
    f.ingest_subscribe[1] = text("ph/v1/ingest/peers");
    f.anchors[1].crl_required = true;
    f.anchors[1].crl_files = f.files;
    f.anchors[1].crl_file_count = 1;
    return 0;
}

struct findings {
    char names[256]; /* each with a blank behind it */
    char text[512];  /* the first one's */
    const char *role;
};

static void take(void *context, const struct ph_lint *finding)
{
    struct findings *findings = context;
    size_t len = strlen(findings->names);
    assert_true(ph_lint_known(finding->name));
    if (len == 0) {
        memcpy(findings->text, finding->text, sizeof findings->text);
        findings->role = finding->role;
    }
    (void)snprintf(findings->names + len, sizeof findings->names - len, "%s ", finding->name);
}

static struct findings lint(void)
{
    struct findings findings = {.names = ""};
    struct ph_error error = {0};
    if (ph_policy_validate(&f.policy, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    ph_policy_lint(&f.policy, take, &findings);
    return findings;
}

/* The findings are these, and the first says this; then the role accepts it. */
static void assert_found(const char *names, const char *text_part, struct ph_role *role)
{
    struct findings findings = lint();
    if (strcmp(findings.names, names) != 0 || strstr(findings.text, text_part) == NULL) {
        fail_msg("want %s%s\nhave %s%s", names, text_part, findings.names, findings.text);
    }
    if (role != NULL) {
        assert_string_equal(findings.role, role->name);
        accept[0] = findings.names;
        findings.names[strcspn(findings.names, " ")] = '\0';
        role->accept = accept;
        role->accept_count = 1;
        assert_null(strstr(lint().names, accept[0])); /* [POL-30] */
    } else {
        assert_null(findings.role);
    }
    (void)set_up(NULL);
}

static void a_good_policy_has_no_findings(void **state)
{
    (void)state;
    assert_string_equal(lint().names, "");
    assert_false(ph_lint_known("no-limit"));
    assert_false(ph_lint_known(""));
}

/* [POL-31] */
static void finds_roles_that_nobody_fills(void **state)
{
    (void)state;
    f.roles[0].match.device = NULL;
    f.roles[0].match.kind = text("thermostat");
    assert_found("unreachable-role ",
        "role \"device\": role \"lab\" stands before it and matches all that it matches", device);
    f.roles[0].match.device = text("*");
    f.roles[0].match.kind = text("thermo*");
    assert_found("unreachable-role ", "role \"lab\" stands before it", device);
    f.roles[0].match.device = text("t-*");
    assert_found("", "", NULL);
    device->match.device = text("lab-1*");
    assert_found("unreachable-role ", "role \"lab\" stands before it", device);
    device->match.tenant = text("initech");
    assert_found("unreachable-role ",
        "role \"device\": anchor \"devices\" may not speak for the tenant or kind", device);
    static char *kinds[1];
    kinds[0] = text("thermostat");
    f.anchors[1].kinds = kinds;
    f.anchors[1].kind_count = 1;
    ingest->match.kind = NULL;
    ingest->client_id = text("ingest:{kind}");
    assert_found("unreachable-role ", "role \"device\": anchor \"devices\" may not speak", device);
    f.anchors[0].kinds = kinds; /* one kind is as good as an exact match */
    f.anchors[0].kind_count = 1;
    device->match.kind = NULL;
    f.roles[0].match.device = NULL;
    f.roles[0].match.kind = text("thermostat");
    assert_found("unreachable-role ", "role \"lab\" stands before it", device);
}

/* [POL-31] */
static void subjects_keep_roles_apart(void **state)
{
    (void)state;
    static struct ph_subject_rule outer[2];
    static struct ph_subject_rule inner[2];
    outer[0] = (struct ph_subject_rule){text("L"), text("Ber*")};
    inner[0] = (struct ph_subject_rule){text("OU"), text("x")};
    inner[1] = (struct ph_subject_rule){text("L"), text("Berlin")};
    f.roles[0].match.device = NULL;
    f.roles[0].match.kind = text("thermostat");
    f.roles[0].match.subject = outer;
    f.roles[0].match.subject_count = 1;
    assert_string_equal(lint().names, "");
    device->match.subject = inner;
    device->match.subject_count = 1;
    assert_string_equal(lint().names, "");
    device->match.subject_count = 2;
    assert_found("unreachable-role ", "role \"lab\" stands before it", device);
}

/* [POL-32] [POL-33] */
static void finds_grants_that_reach_too_far(void **state)
{
    (void)state;
    f.ingest_subscribe[1] = text("#");
    assert_found(
        "broad-grant ", "role \"ingest\": subscribe: \"#\": a wildcard on the first level", ingest);
    ingest->publish.filters[0] = text("+/x");
    assert_found("broad-grant ", "role \"ingest\": publish: \"+/x\": a wildcard", ingest);
    f.ingest_receive[0] = text("$SYS/#");
    assert_found("broad-grant ",
        "role \"ingest\": receive: \"$SYS/#\": reaches into the broker itself", ingest);
    f.device_publish[0] = text("ph/v1/{tenant}/{kind}/+/telemetry");
    assert_found("shared-publish ",
        "role \"device\": publish: \"ph/v1/{tenant}/{kind}/+/telemetry\": all that fill the role "
        "may "
        "publish there, so the topic does not say who did; put {device} into it",
        device);
    f.device_publish[0] = text("ph/v1/{kind}/{device}/telemetry");
    assert_found("shared-publish ", "put {tenant} into it", device);
    f.device_publish[0] = text("ph/v1/{tenant}/{device}/telemetry"); /* its kind is exact */
    assert_found("", "", NULL);
    f.anchors[0].tenant_count = 1;
    f.device_publish[0] = text("ph/v1/{kind}/{device}/telemetry"); /* and its tenant the only one */
    assert_found("", "", NULL);
    ingest->match.tenant = NULL;
    ingest->client_id = text("ingest:{tenant}");
    assert_found("shared-publish shared-publish foreign-tenant ", "put {tenant} into it", ingest);
}

/* [POL-34] */
static void finds_who_reads_what_is_anothers(void **state)
{
    (void)state;
    f.device_subscribe[0] = text("ph/v1/{tenant}/{kind}/+/status");
    assert_found("foreign-subscribe ",
        "role \"device\": subscribe: \"ph/v1/{tenant}/{kind}/+/status\": also reads what is "
        "another "
        "device's, by \"ph/v1/{tenant}/{kind}/{device}/status\" of role \"device\"; put {device} "
        "into",
        device);
    f.device_subscribe[0] = text("ph/v1/+/{kind}/{device}/status");
    assert_found("foreign-tenant ", "also reads what is another tenant's, by \"", device);
    f.device_subscribe[0] = text("ph/v1/{tenant}/#");
    assert_found("foreign-subscribe ", "\"ph/v1/{tenant}/#\"", device);
    static const char *const own[] = {"ph/v1/{tenant}/{kind}/{device}/+",
        "ph/v1/{tenant}/{kind}/{device}/#", "ph/v1/ingest/+", "ph/v1/{tenant}/{kind}/+",
        "ph/v1/{tenant}/valve/+/status"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        f.device_subscribe[0] = text(own[i]);
        assert_found("", "", NULL);
    }
    static char *receive[1]; /* what is delivered is what counts */
    receive[0] = text("ph/v1/{tenant}/{kind}/{device}/ack");
    f.device_subscribe[0] = text("ph/v1/{tenant}/#");
    device->receive = (struct ph_filter_list){receive, 1};
    assert_found("", "", NULL);
    receive[0] = text("ph/v1/{tenant}/{kind}/+/ack");
    device->receive = (struct ph_filter_list){receive, 1};
    assert_found("foreign-subscribe ", "role \"device\": receive: \"", device);
}

/* [POL-35] [POL-36] [POL-37] [POL-38] */
static void finds_what_is_missing(void **state)
{
    (void)state;
    f.device_will[0] = text("ph/v1/{tenant}/{kind}/{device}/telemetry");
    device->status = text("ph/v1/{tenant}/{kind}/{device}/status");
    assert_found("will-beside-status status-without-will ",
        "role \"device\": will: \"ph/v1/{tenant}/{kind}/{device}/telemetry\": wills pass without "
        "limits and provenance",
        device);
    device->will.count = 0;
    assert_found("status-without-will ",
        "role \"device\": status: \"ph/v1/{tenant}/{kind}/{device}/status\": no will may say",
        device);
    device->limits.messages_per_second = 0;
    assert_found("no-limits ", "role \"device\": limits: neither messages_per_second nor", device);
    device->limits.messages_per_second = 0;
    device->limits.bytes_per_second = 1;
    assert_found("", "", NULL);
    f.anchors[1].crl_required = false;
    assert_found(
        "no-crl ", "role \"ingest\": match: anchor \"services\" has crl_required: false", ingest);
}

/* [POL-39] [POL-40] */
static void finds_what_is_wrong_with_the_whole(void **state)
{
    (void)state;
    static char *lists[1];
    lists[0] = text("deny.list");
    f.policy.role_count = 2;
    assert_found("unused-anchor ", "anchor \"services\": no role matches it", NULL);
    f.policy.lists = lists;
    f.policy.list_count = 1;
    assert_found(
        "no-quarantine ", "lists: whoever a list puts in quarantine stays connected", NULL);
    f.policy.lists = lists;
    f.policy.list_count = 1;
    f.policy.quarantine = device;
    assert_found("", "", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_good_policy_has_no_findings, set_up),
        cmocka_unit_test_setup(finds_roles_that_nobody_fills, set_up),
        cmocka_unit_test_setup(subjects_keep_roles_apart, set_up),
        cmocka_unit_test_setup(finds_grants_that_reach_too_far, set_up),
        cmocka_unit_test_setup(finds_who_reads_what_is_anothers, set_up),
        cmocka_unit_test_setup(finds_what_is_missing, set_up),
        cmocka_unit_test_setup(finds_what_is_wrong_with_the_whole, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
