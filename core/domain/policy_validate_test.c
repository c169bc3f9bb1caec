/* ph.domain.policy_validate: every rule refuses with the name of what broke it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "domain/policy.h"
#include "domain/policy_fixture.h"

static struct policy_fixture f;

static int set_up(void **state)
{
    (void)state;
    policy_fixture_init(&f);
    return 0;
}

static void assert_refused(const char *message)
{
    struct ph_error error = {0};
    assert_int_equal(ph_policy_validate(&f.policy, &error), PH_ERR_CONFIG);
    if (strstr(error.message, message) == NULL) {
        fail_msg("want \"%s\", have \"%s\"", message, error.message);
    }
    policy_fixture_init(&f);
}

static void the_fixture_is_valid(void **state)
{
    (void)state;
    struct ph_error error = {0};
    if (ph_policy_validate(&f.policy, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

static void counts(void **state)
{
    (void)state;
    f.policy.anchor_count = 0;
    assert_refused("anchors: want 1 to 64, have 0");
    f.policy.role_count = 0;
    assert_refused("roles: want 1 to 1024, have 0");
    f.policy.role_count = PH_LIMIT_POLICY_ROLES + 1;
    assert_refused("roles: want 1 to 1024, have 1025");
    f.policy.anchor_count = PH_LIMIT_POLICY_ANCHORS + 1;
    assert_refused("anchors: want 1 to 64, have 65");
    f.roles[1].publish.count = PH_LIMIT_ROLE_FILTERS + 1;
    assert_refused("role \"device\": publish: want at most 64, have 65");
}

/* [ID-8] */
static void anchors(void **state)
{
    (void)state;
    f.anchors[0].name = text("a b");
    assert_refused("anchor 1: name: want 1 to 64 of A-Z a-z 0-9 . _ -, have \"a b\"");
    f.anchors[1].name = NULL;
    assert_refused("anchor 2: name:");
    f.anchors[1].name = text("devices");
    assert_refused("anchor \"devices\": name: used by two anchors");
    f.anchors[0].ca_file_count = 0;
    assert_refused("anchor \"devices\": ca: want at least one file");
    f.anchors[0].crl_file_count = 0;
    assert_refused("anchor \"devices\": crl: want at least one file, or crl_required: false");
    f.files[0] = text("");
    assert_refused("anchor \"devices\": ca: want file names, have an empty one");
    f.files[0] = NULL;
    assert_refused("anchor \"devices\": ca: want file names");
    f.tenants[1] = text("ac*");
    assert_refused("anchor \"devices\": tenants: want tenant names without patterns, have \"ac*\"");
    f.anchors[0].tenant_count = PH_LIMIT_POLICY_TENANTS + 1;
    assert_refused("anchor \"devices\": tenants: want at most 1024, have 1025");
    f.anchors[1].crl_file_count = PH_LIMIT_POLICY_FILES + 1;
    assert_refused("anchor \"services\": crl: want at most 64, have 65");
    f.anchors[0].kinds = f.files;
    f.anchors[0].kind_count = 1;
    f.files[0] = text("a/b");
    assert_refused("anchor \"devices\": kinds: want kind names without patterns, have \"a/b\"");
}

/* [POL-16] [POL-17] [POL-18] */
static void identity_sources(void **state)
{
    (void)state;
    struct ph_anchor *devices = &f.anchors[0];
    devices->identity_template = text("{device}");
    assert_refused("anchor \"devices\": identity_template: not for identity subject");
    devices->identity = PH_IDENTITY_URI;
    assert_refused("anchor \"devices\": identity_template: missing; write one such as");
    devices->identity = PH_IDENTITY_URI;
    devices->identity_template = text("urn:{tenant}:{kind}");
    assert_refused("anchor \"devices\": identity_template: template \"urn:{tenant}:{kind}\": want "
                   "{device} in it");
    devices->identity = PH_IDENTITY_COMMON_NAME;
    devices->identity_template = text("{kind}:{device}");
    assert_refused("anchor \"devices\": tenants: want exactly one, because identity_template "
                   "\"{kind}:{device}\" does not name {tenant}; have 2");
    devices->identity = PH_IDENTITY_COMMON_NAME;
    devices->identity_template = text("{tenant}:{device}");
    assert_refused("anchor \"devices\": kinds: want exactly one, because");
    devices->identity = PH_IDENTITY_DNS;
    devices->identity_template = text("{device}.{kind}.{tenant}.Example.com");
    assert_refused("anchor \"devices\": identity_template: template "
                   "\"{device}.{kind}.{tenant}.Example.com\": want lower case");
    devices->crl_grace_s = PH_LIMIT_CRL_GRACE_S + 1;
    assert_refused("anchor \"devices\": crl_grace_s: want at most 31536000, have 31536001");
    static char *kinds[1];
    kinds[0] = text("thermostat");
    devices->kinds = kinds;
    devices->kind_count = 1;
    devices->tenant_count = 1;
    static const enum ph_identity_source sources[] = {
        PH_IDENTITY_COMMON_NAME, PH_IDENTITY_SERIAL_NUMBER, PH_IDENTITY_URI, PH_IDENTITY_DNS};
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        devices->identity = sources[i];
        devices->identity_template = text("{device}");
        assert_int_equal(ph_policy_validate(&f.policy, NULL), PH_OK);
        devices->identity_template = text("x:{tenant}:{device}");
        assert_int_equal(ph_policy_validate(&f.policy, NULL), PH_OK);
    }
}

/* [POL-25] */
static void subjects(void **state)
{
    (void)state;
    static struct ph_subject_rule rules[PH_LIMIT_SUBJECT_RULES + 1];
    static const struct {
        const char *attribute;
        const char *pattern;
        const char *message;
    } bad[] = {
        {"city", "x",
            "match: subject: want an attribute such as L, OU or serialNumber, have \"city\""},
        {NULL, "x", "match: subject: want an attribute"},
        {"OU", "x", "role \"device\": match: subject: OU twice; keep one"},
        {"L", "", "role \"device\": match: subject: L: want a text of at most 256 bytes"},
        {"L", NULL, "match: subject: L: want a text"},
        {"L", "a*b", "match: subject: L: want a text"},
        {"L", "a\nb", "match: subject: L: want a text"},
        {"L", "\xFF", "match: subject: L: want a text"},
    };
    rules[0] = (struct ph_subject_rule){text("OU"), text("Field Service*")};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        rules[1] = (struct ph_subject_rule){text(bad[i].attribute), text(bad[i].pattern)};
        f.roles[1].match.subject = rules;
        f.roles[1].match.subject_count = 2;
        assert_refused(bad[i].message);
    }
    f.roles[1].match.subject = rules;
    f.roles[1].match.subject_count = PH_LIMIT_SUBJECT_RULES + 1;
    assert_refused("role \"device\": match: subject: want at most 16, have 17");
    rules[1] = (struct ph_subject_rule){text("L"), text("*")};
    f.roles[1].match.subject = rules;
    f.roles[1].match.subject_count = 2;
    assert_int_equal(ph_policy_validate(&f.policy, NULL), PH_OK);
}

/* [POL-19] */
static void status_is_a_topic_of_its_own(void **state)
{
    (void)state;
    f.roles[1].status = text("ph/v1/{tenant}/{kind}/{device}/+");
    assert_refused(
        "role \"device\": status: template \"ph/v1/{tenant}/{kind}/{device}/+\": no '+'");
    f.roles[1].status = text("ph/v1/{tenant}/{kind}/{device}/state");
    assert_refused(
        "role \"device\": status: \"ph/v1/{tenant}/{kind}/{device}/state\" is not covered "
        "by publish; add it there");
    f.roles[1].status = text("ph/v1/{tenant}/{kind}/{device}/status");
    assert_int_equal(ph_policy_validate(&f.policy, NULL), PH_OK);
}

/* [POL-20] */
static void limits(void **state)
{
    (void)state;
    static const struct {
        struct ph_role_limits limits;
        const char *message;
    } bad[] = {
        {{.message_burst = 1}, "limits: message_burst: want messages_per_second beside it"},
        {{.over = PH_OVER_DISCONNECT, .payload_bytes = 1},
            "limits: over: want messages_per_second or bytes_per_second beside disconnect"},
        {{.payload_bytes = PH_LIMIT_MQTT_PAYLOAD_BYTES + 1},
            "limits: payload_bytes: want at most 268435455"},
        {{.payload_bytes = 65536, .bytes_per_second = 6553},
            "limits: payload_bytes: want at most ten times bytes_per_second (65530), have 65536"},
    };
    static const struct ph_role_limits good[] = {{.payload_bytes = 65530, .bytes_per_second = 6553},
        {.message_burst = 1, .messages_per_second = 10},
        {.over = PH_OVER_DISCONNECT, .bytes_per_second = UINT32_MAX},
        {.over = PH_OVER_DISCONNECT, .messages_per_second = 1}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        f.roles[1].limits = bad[i].limits;
        assert_refused(bad[i].message);
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        f.roles[1].limits = good[i];
        assert_int_equal(ph_policy_validate(&f.policy, NULL), PH_OK);
    }
}

/* [POL-22] */
static void accepted_findings_exist(void **state)
{
    (void)state;
    static char *accept[2];
    f.roles[1].accept = accept;
    f.roles[1].accept_count = 2;
    accept[0] = text("no-limits");
    accept[1] = text("no-limit");
    assert_refused(
        "role \"device\": accept: want names of findings as ph-policy check prints them, "
        "have \"no-limit\"");
    f.roles[1].accept = accept;
    f.roles[1].accept_count = 2;
    accept[1] = text("no-limits");
    assert_refused("role \"device\": accept: \"no-limits\" twice; keep one");
    f.roles[1].accept = accept;
    f.roles[1].accept_count = 1;
    assert_int_equal(ph_policy_validate(&f.policy, NULL), PH_OK);
}

/* [POL-6] [POL-23] */
static void quarantine_and_lists(void **state)
{
    (void)state;
    static char *files[2];
    struct ph_role quarantine = {.publish = {f.device_publish, 2}, .will = {f.device_will, 1}};
    files[0] = text("deny.list");
    f.policy.quarantine = &quarantine;
    f.policy.lists = files;
    f.policy.list_count = 1;
    assert_int_equal(ph_policy_validate(&f.policy, NULL), PH_OK);
    quarantine.publish.count = 1;
    assert_refused("quarantine: will: \"ph/v1/{tenant}/{kind}/{device}/status\" is not covered");
    quarantine = (struct ph_role){.limits = {.message_burst = 1}};
    f.policy.quarantine = &quarantine;
    assert_refused("quarantine: limits: message_burst: want");
    files[1] = text("");
    f.policy.lists = files;
    f.policy.list_count = 2;
    assert_refused("lists: want file names, have an empty one");
    f.policy.list_count = PH_LIMIT_POLICY_LISTS + 1;
    assert_refused("lists: want at most 16, have 17");
}

/* [ID-7] */
static void role_names_and_matches(void **state)
{
    (void)state;
    f.roles[2].name = text("a:b");
    assert_refused("role 3: name: want 1 to 64");
    f.roles[2].name = text("device");
    assert_refused("role \"device\": name: used by two roles");
    f.roles[1].match.anchor = NULL;
    assert_refused("role \"device\": match: anchor: want one of the policy's anchors, have \"\"");
    f.roles[1].match.anchor = text("device");
    assert_refused("match: anchor: want one of the policy's anchors, have \"device\"");
    static const char *const bad[] = {"", "a*b", "**", "*a", "-*", "a/b", "+", "{tenant}", "a b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        f.roles[1].match.kind = text(bad[i]);
        assert_refused("role \"device\": match: kind: want a name or the beginning of one and '*'");
    }
    f.roles[1].match.tenant = text("a b");
    assert_refused("match: tenant:");
    f.roles[1].match.device = text("a b");
    assert_refused("match: device:");
    f.roles[1].match.device = text("*");
    assert_int_equal(ph_policy_validate(&f.policy, NULL), PH_OK);
}

/* [ID-9] [ID-10] */
static void client_ids_are_unlike(void **state)
{
    (void)state;
    f.roles[1].client_id = NULL;
    assert_refused("role \"device\": client_id: missing");
    f.roles[1].client_id = text("{tenant");
    assert_refused("role \"device\": client_id: template \"{tenant\": want only");
    f.roles[1].client_id = text("{tenant}/{device}/{tenant}/{device}");
    assert_refused("longer than 255 bytes");
    f.roles[1].client_id = text("{device}");
    assert_refused("client_id: two devices could share \"{device}\"; put {tenant} into it");
    f.roles[1].client_id = text("fixed");
    assert_refused("put {tenant} into it");
    f.roles[1].match.tenant = text("ac*");
    f.roles[1].client_id = text("{device}");
    assert_refused("put {tenant} into it");
    f.roles[1].client_id = text("{tenant}{device}");
    assert_refused("want a separator such as '/' after each name");
    f.roles[1].client_id = text("{tenant}-{device}");
    assert_refused("want a separator such as '/' after each name");
    static const char *const good[] = {"{tenant}/{device}", "{tenant}-x:{device}-y",
        "dev {device}/{tenant}", "{tenant}/{kind}/{device}"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        f.roles[1].client_id = text(good[i]); /* its kind is exact */
        assert_int_equal(ph_policy_validate(&f.policy, NULL), PH_OK);
    }
}

/* [POL-42] [POL-43] */
static void shared_client_ids(void **state)
{
    (void)state;
    struct ph_role *role = &f.roles[1];
    role->client_id = text("{tenant}/{device}*");
    assert_refused("role \"device\": client_id: template \"{tenant}/{device}*\": want '*' only as");
    role->client_id = text("{tenant}/*");
    assert_refused("client_id: two devices could share \"{tenant}/*\"; put {device} into it");
    role->client_id = text("{tenant}/{device}/*");
    assert_refused("role \"device\": client_id: with '*' many connections stand at once, and none");
    role->client_id = text("{tenant}/{device}/*");
    role->will.count = 0;
    assert_int_equal(ph_policy_validate(&f.policy, NULL), PH_OK);
    role->status = text("ph/v1/{tenant}/{kind}/{device}/status");
    assert_refused("remove \"will\" and \"status\", or the '*'");
}

/* [TOP-22] [TOP-37] */
static void lists(void **state)
{
    (void)state;
    f.device_publish[1] = text("a/{what}");
    assert_refused("role \"device\": publish: template \"a/{what}\": want only");
    f.device_subscribe[0] = text("{tenant}#");
    assert_refused("role \"device\": subscribe: template \"{tenant}#\": filter");
    f.device_subscribe[0] = NULL;
    assert_refused("role \"device\": subscribe: template \"\": want at least one character");
    f.ingest_receive[0] = text("a/#/b");
    assert_refused("role \"ingest\": receive: ");
    f.device_will[0] = text("$share/g/x");
    assert_refused("role \"device\": will: ");
    f.device_will[0] = text("ph/v1/{tenant}/{kind}/+/status");
    assert_refused("will: \"ph/v1/{tenant}/{kind}/+/status\" is not covered by publish");
    f.device_will[0] = text("ph/v1/{tenant}/{kind}/{kind}/status");
    assert_refused("is not covered by publish; add it there");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_fixture_is_valid, set_up),
        cmocka_unit_test_setup(counts, set_up),
        cmocka_unit_test_setup(anchors, set_up),
        cmocka_unit_test_setup(identity_sources, set_up),
        cmocka_unit_test_setup(subjects, set_up),
        cmocka_unit_test_setup(role_names_and_matches, set_up),
        cmocka_unit_test_setup(client_ids_are_unlike, set_up),
        cmocka_unit_test_setup(shared_client_ids, set_up),
        cmocka_unit_test_setup(lists, set_up),
        cmocka_unit_test_setup(status_is_a_topic_of_its_own, set_up),
        cmocka_unit_test_setup(limits, set_up),
        cmocka_unit_test_setup(accepted_findings_exist, set_up),
        cmocka_unit_test_setup(quarantine_and_lists, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
