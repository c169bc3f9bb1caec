/* [POL-1] to [POL-6], [POL-13] to [POL-16], [POL-18], [POL-21], [POL-23], [POL-25] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/policy_file.h"

static const char good[] = "anchors:\n"
                           "  - name: devices\n"
                           "    ca: [trust/root.pem, /abs/devices.pem]\n"
                           "    crl: [trust/crl.pem]\n"
                           "    tenants: [acme]\n"
                           "    kinds: [thermostat]\n"
                           "  - name: lab\n"
                           "    ca: [lab.pem]\n"
                           "    crl_required: false\n"
                           "    identity: subject\n"
                           "roles:\n"
                           "  - name: device\n"
                           "    match: {anchor: devices, kind: thermo*}\n"
                           "    publish: ['ph/v1/{tenant}/{kind}/{device}/telemetry',\n"
                           "      'ph/v1/{tenant}/{kind}/{device}/status']\n"
                           "    will: ['ph/v1/{tenant}/{kind}/{device}/status']\n"
                           "    subscribe: ['ph/v1/{tenant}/{kind}/{device}/ack']\n"
                           "    limits: {payload_bytes: 65536}\n"
                           "  - name: ingest\n"
                           "    match: {anchor: lab, tenant: acme, kind: service}\n"
                           "    client_id: 'x-{device}'\n"
                           "    subscribe: ['ph/v1/+/+/+/telemetry']\n";

static struct ph_policy *parse(const char *path, const char *text)
{
    struct ph_policy *policy = NULL;
    struct ph_error error = {0};
    if (ph_policy_parse(path, text, strlen(text), &policy, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    return policy;
}

/* [POL-1] [POL-2] [POL-3] */
static void loads_with_defaults_and_resolved_paths(void **state)
{
    (void)state;
    struct ph_policy *policy = parse("/etc/ph/policy.yaml", good);
    assert_int_equal(policy->anchor_count, 2);
    const struct ph_anchor *devices = ph_policy_anchor(policy, "devices");
    assert_non_null(devices);
    assert_string_equal(devices->ca_files[0], "/etc/ph/trust/root.pem");
    assert_string_equal(devices->ca_files[1], "/abs/devices.pem");
    assert_string_equal(devices->crl_files[0], "/etc/ph/trust/crl.pem");
    assert_true(devices->crl_required);
    assert_int_equal(devices->tenant_count, 1);
    assert_int_equal(devices->kind_count, 1); /* [POL-14] */
    assert_string_equal(devices->kinds[0], "thermostat");
    const struct ph_anchor *lab = ph_policy_anchor(policy, "lab");
    assert_non_null(lab);
    assert_false(lab->crl_required);
    const struct ph_role *device = ph_policy_role(policy, "device");
    assert_non_null(device);
    assert_string_equal(device->client_id, "{tenant}/{kind}/{device}");
    assert_string_equal(device->match.kind, "thermo*");
    assert_null(device->match.tenant);
    assert_int_equal(device->publish.count, 2);
    assert_int_equal(device->receive.count, 0);
    assert_int_equal(device->limits.payload_bytes, 65536);
    assert_string_equal(ph_policy_role(policy, "ingest")->client_id, "x-{device}");
    ph_policy_free(&policy);
    assert_null(policy);
}

static const char full[] =
    "lists: [deny.list, /abs/more.list]\n"
    "quarantine:\n"
    "  publish: ['{tenant}/{device}/status']\n"
    "  receive: ['{tenant}/x']\n"
    "  limits: {messages_per_second: 1}\n"
    "anchors:\n"
    "  - name: a\n"
    "    ca: [a.pem]\n"
    "    crl: [a.crl]\n"
    "    crl_grace_s: 0\n"
    "    identity: dns\n"
    "    identity_template: '{device}.{tenant}.example.com'\n"
    "    kinds: [valve]\n"
    "  - name: b\n"
    "    ca: [b.pem]\n"
    "    crl: [b.crl]\n"
    "    identity: common_name\n"
    "    tenants: [acme]\n"
    "    kinds: [meter]\n"
    "roles:\n"
    "  - name: r\n"
    "    match:\n"
    "      anchor: a\n"
    "      subject: [{attribute: L, pattern: 'Ber*'}, {attribute: OU, pattern: Field Service}]\n"
    "    publish: ['{tenant}/{device}/status']\n"
    "    status: '{tenant}/{device}/status'\n"
    "    provenance: false\n"
    "    limits: {payload_bytes: 100, messages_per_second: 10, message_burst: 20,\n"
    "      bytes_per_second: 1000, over: disconnect}\n"
    "    accept: [shared-publish]\n"
    "  - name: s\n"
    "    match: {anchor: b}\n";

/* [POL-15] [POL-16] [POL-18] [POL-21] [POL-23] [POL-25] */
static void loads_every_key(void **state)
{
    (void)state;
    struct ph_policy *policy = parse("/etc/ph/policy.yaml", full);
    assert_int_equal(policy->list_count, 2);
    assert_string_equal(policy->lists[0], "/etc/ph/deny.list");
    assert_string_equal(policy->lists[1], "/abs/more.list");
    assert_non_null(policy->quarantine);
    assert_int_equal(policy->quarantine->publish.count, 1);
    assert_int_equal(policy->quarantine->receive.count, 1);
    assert_int_equal(policy->quarantine->limits.messages_per_second, 1);
    assert_int_equal(policy->anchors[0].crl_grace_s, 0);
    assert_int_equal(policy->anchors[0].identity, PH_IDENTITY_DNS);
    assert_string_equal(policy->anchors[0].identity_template, "{device}.{tenant}.example.com");
    assert_int_equal(policy->anchors[1].crl_grace_s, 86400);
    assert_int_equal(policy->anchors[1].identity, PH_IDENTITY_COMMON_NAME);
    assert_string_equal(policy->anchors[1].identity_template, "{device}");
    const struct ph_role *role = &policy->roles[0];
    assert_int_equal(role->match.subject_count, 2);
    assert_string_equal(role->match.subject[1].attribute, "OU");
    assert_string_equal(role->match.subject[1].pattern, "Field Service");
    assert_string_equal(role->status, "{tenant}/{device}/status");
    assert_false(role->provenance);
    assert_int_equal(role->limits.message_burst, 20);
    assert_int_equal(role->limits.bytes_per_second, 1000);
    assert_int_equal(role->limits.over, PH_OVER_DISCONNECT);
    assert_int_equal(role->accept_count, 1);
    assert_true(policy->roles[1].provenance);
    assert_int_equal(policy->roles[1].limits.over, PH_OVER_REFUSE);
    assert_null(policy->roles[1].status);
    ph_policy_free(&policy);
}

static char *print(const struct ph_policy *policy)
{
    char *text = NULL;
    size_t len = 0;
    struct ph_error error = {0};
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    assert_int_equal(ph_policy_print(out, policy, &error), PH_OK);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* [POL-4] */
static void prints_what_loads_to_the_same_policy(void **state)
{
    (void)state;
    struct ph_policy *first = parse("/etc/ph/policy.yaml", good);
    char *text = print(first);
    struct ph_policy *second = parse("/elsewhere/policy.yaml", text);
    char *again = print(second);
    assert_string_equal(text, again);
    assert_non_null(strstr(text, "crl_required: true"));
    assert_non_null(strstr(text, "kinds:"));
    assert_int_equal(second->anchors[0].kind_count, 1);
    assert_int_equal(second->anchors[1].kind_count, 0);
    assert_non_null(strstr(text, "/etc/ph/trust/root.pem"));
    free(text);
    free(again);
    ph_policy_free(&first);
    ph_policy_free(&second);
}

/* [POL-4] */
static void prints_every_key(void **state)
{
    (void)state;
    static const char *const keys[] = {"lists:", "- /etc/ph/deny.list",
        "quarantine:", "receive:", "crl_grace_s: 0", "crl_grace_s: 86400", "identity: dns",
        "identity_template:", "attribute: L", "message_burst: 20", "over: disconnect",
        "status:", "provenance: false", "provenance: true", "- shared-publish"};
    struct ph_policy *first = parse("/etc/ph/policy.yaml", full);
    char *text = print(first);
    struct ph_policy *second = parse("/elsewhere/policy.yaml", text);
    char *again = print(second);
    assert_string_equal(text, again);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strstr(text, keys[i]) == NULL) {
            fail_msg("%s is not in\n%s", keys[i], text);
        }
    }
    free(text);
    free(again);
    ph_policy_free(&first);
    ph_policy_free(&second);
}

#define ANCHOR     "anchors:\n  - name: devices\n    ca: [ca.pem]\n    crl: [crl.pem]\n"
#define ROLE(more) ANCHOR "roles:\n  - name: device\n    match: {anchor: devices}\n" more

static const struct {
    const char *text;
    const char *message;
} refusals[] = {
    /* [POL-5] unknown keys and wrong types, with line and key */
    {ROLE("    publsh: [a]\n"),
        "policy.yaml:8: roles[0]: unknown key \"publsh\"; known here: name"},
    {ROLE("    publish: a\n"), "policy.yaml:8: roles[0].publish: want a list, have \"a\""},
    {ROLE("    limits: {payload_bytes: -1}\n"),
        "roles[0].limits.payload_bytes: want a whole number"},
    {ANCHOR "    identity: cn\nroles: []\n", "anchors[0].identity: want one of subject, "
                                             "common_name, serial_number, uri, dns, have \"cn\""},
    {ANCHOR "    crl_required: sometimes\nroles: []\n",
        "anchors[0].crl_required: want true or false"},
    {ANCHOR, "policy.yaml:1: missing key \"roles\""},
    {ANCHOR "roles: []\n", "roles: want at least 1 entries, have 0"},
    {"anchors:\n  - name: a\n", "anchors[0]: missing key \"ca\""},
    /* [POL-13] an empty list is not "any" */
    {ANCHOR "    tenants: []\nroles: []\n",
        "policy.yaml:5: anchors[0].tenants: want at least 1 entries, have 0"},
    {ANCHOR "    kinds: []\nroles: []\n",
        "policy.yaml:5: anchors[0].kinds: want at least 1 entries, have 0"},
    {ROLE("    receive: []\n"), "policy.yaml:8: roles[0].receive: want at least 1 entries, have 0"},
    /* [POL-14] */
    {ANCHOR "    kinds: ['thermo*']\nroles:\n  - name: r\n    match: {anchor: devices}\n",
        "policy.yaml: anchor \"devices\": kinds: want kind names without patterns"},
    {ANCHOR "    kinds: thermostat\nroles: []\n", "anchors[0].kinds: want a list, have"},
    {ROLE("    limits: {over: wait}\n"),
        "roles[0].limits.over: want one of refuse, disconnect, have \"wait\""},
    {ROLE("    limits: {messages_per_second: 4294967296}\n"),
        "roles[0].limits.messages_per_second: want a whole number from 0 to 4294967295"},
    {ANCHOR "roles:\n  - name: r\n    match: {anchor: devices, subject: {L: Berlin}}\n",
        "roles[0].match.subject: want a list"},
    {ANCHOR "roles:\n  - name: r\n    match: {anchor: devices, subject: []}\n",
        "roles[0].match.subject: want at least 1 entries"},
    {ANCHOR "roles:\n  - name: r\n    match: {anchor: devices, subject: [{attribute: L}]}\n",
        "roles[0].match.subject[0]: missing key \"pattern\""},
    {ANCHOR "quarantine: {match: {anchor: devices}}\nroles: []\n",
        "quarantine: unknown key \"match\""},
    {ANCHOR "quarantine: none\nroles: []\n", "quarantine: want a mapping"},
    /* [POL-16] */
    {ANCHOR "    identity: uri\nroles:\n  - name: r\n    match: {anchor: devices}\n",
        "policy.yaml: anchor \"devices\": identity_template: missing"},
    {ANCHOR
        "    identity_template: '{device}'\nroles:\n  - name: r\n    match: {anchor: devices}\n",
        "policy.yaml: anchor \"devices\": identity_template: not for identity subject"},
    /* [POL-6] rules across fields carry the file's name too */
    {ANCHOR "roles:\n  - name: r\n    match: {anchor: nosuch}\n", "policy.yaml: "},
    {ROLE("    publish: ['a/{nosuch}']\n"), "policy.yaml: "},
    {ROLE("    client_id: '{tenant'\n"), "policy.yaml: "},
    {ROLE("    accept: [typo]\n"), "policy.yaml: role \"device\": accept: "},
    {ROLE("    status: 'a/{device}'\n"), "policy.yaml: role \"device\": status: "},
};

static void refuses_with_file_line_and_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct ph_policy *policy = NULL;
        struct ph_error error = {0};
        enum ph_err err = ph_policy_parse(
            "policy.yaml", refusals[i].text, strlen(refusals[i].text), &policy, &error);
        if (err != PH_ERR_CONFIG || strstr(error.message, refusals[i].message) == NULL) {
            fail_msg("input %zu: want \"%s\"\nhave %s \"%s\"", i, refusals[i].message,
                ph_err_name(err), error.message);
        }
        assert_null(policy);
    }
}

static void names_a_missing_file(void **state)
{
    (void)state;
    struct ph_policy *policy = NULL;
    struct ph_error error = {0};
    assert_int_equal(ph_policy_load("/nonexistent/policy.yaml", &policy, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "/nonexistent/policy.yaml"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_with_defaults_and_resolved_paths),
        cmocka_unit_test(loads_every_key),
        cmocka_unit_test(prints_every_key),
        cmocka_unit_test(prints_what_loads_to_the_same_policy),
        cmocka_unit_test(refuses_with_file_line_and_key),
        cmocka_unit_test(names_a_missing_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
