/* [POL-1] to [POL-6], [POL-13], [POL-14] */
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
    {ANCHOR "    identity: cn\nroles: []\n",
        "anchors[0].identity: want one of subject, have \"cn\""},
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
    /* [POL-6] rules across fields carry the file's name too */
    {ANCHOR "roles:\n  - name: r\n    match: {anchor: nosuch}\n", "policy.yaml: "},
    {ROLE("    publish: ['a/{nosuch}']\n"), "policy.yaml: "},
    {ROLE("    client_id: '{tenant'\n"), "policy.yaml: "},
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
        cmocka_unit_test(prints_what_loads_to_the_same_policy),
        cmocka_unit_test(refuses_with_file_line_and_key),
        cmocka_unit_test(names_a_missing_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
