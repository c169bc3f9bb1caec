#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker-plugin/policy_text.h"
#include "broker-plugin/tool/holder.h"

/* Collects "tenant/kind/device" of each way that was met. */
struct met {
    char text[1024];
    size_t count;
};

static void note(void *context, const struct ph_holder *holder)
{
    struct met *met = context;
    size_t used = strlen(met->text);
    (void)snprintf(met->text + used, sizeof met->text - used, "%s%s/%s/%s", used > 0 ? " " : "",
        holder->tenant, holder->kind, holder->device);
    met->count++;
}

/* [PPL-10] */
static void test_meet(void **state)
{
    static const struct {
        const char *template;
        const char *filter;
        const char *want;
    } cases[] = {
        {"a/{device}/b", "a/t-1/b", "*/*/t-1"},
        {"a/{device}/b", "a/t-1/c", ""},
        {"a/{device}/b", "a/t-1", ""},
        {"a/{device}", "a/t-1/b", ""},
        {"a/{device}/#", "a/t-1", "*/*/t-1"},
        {"a/{device}", "a/t-1/#", "*/*/t-1"},
        {"a/{device}", "a/x-1", ""}, /* the holder says t-* */
        {"{tenant}/{tenant}", "acme/acme", "acme/*/t-*"},
        {"{tenant}/{tenant}", "acme/globex", ""},
        {"{tenant}/{tenant}", "acme/+", "acme/*/t-*"},
        {"{tenant}-{kind}", "a-b-c", "a-b/c/t-* a/b-c/t-*"},
        {"{tenant}{kind}", "abc", "ab/c/t-* a/bc/t-*"},
        {"x{tenant}y", "xaby", "ab/*/t-*"},
        {"x{tenant}y", "xy", ""},
        {"+/{kind}", "any/k", "*/k/t-*"},
        {"#", "any/thing", "*/*/t-*"},
        {"{tenant}/x", "$SYS/x", ""}, /* no name begins with '$' */
        {"+/x", "$SYS/x", ""},
        {"$SYS/x", "+/x", ""},
        {"$SYS/#", "$SYS/broker", "*/*/t-*"},
        {"a//b", "a//b", "*/*/t-*"},
        {"{tenant}", "", ""},
        {"{tenant}", "+", "*/*/t-*"},
        {"{tenant}", "caf\xc3\xa9", ""},
    };
    (void)state;
    const struct ph_holder holder = {
        .anchor = "devices", .tenant = "*", .kind = "*", .device = "t-*"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct met met = {.text = ""};
        assert_true(ph_holder_meet(cases[i].template, &holder, cases[i].filter, note, &met));
        assert_string_equal(met.text, cases[i].want);
        assert_int_equal(
            ph_holder_meets(cases[i].template, &holder, cases[i].filter), cases[i].want[0] != '\0');
    }
}

/* A level that can be read in very many ways does not hold the search up. [PPL-10] */
static void test_search_is_bounded(void **state)
{
    char topic[256];
    (void)state;
    struct met met = {.text = ""};
    const struct ph_holder any = {.tenant = "*", .kind = "*", .device = "*"};
    memset(topic, 'a', sizeof topic - 1);
    topic[sizeof topic - 1] = '\0';
    assert_false(
        ph_holder_meet("{tenant}{kind}{device}{tenant}{kind}{device}", &any, topic, note, &met));
    assert_true(ph_holder_meets("{tenant}{kind}{device}{tenant}{kind}{device}", &any, topic));
}

static void test_expand(void **state)
{
    static const struct {
        const char *template;
        const char *want;
    } cases[] = {
        {"a/{tenant}/{kind}/{device}", "a/acme/+/+"},
        {"x-{device}.y/b", "+/b"},
        {"{tenant}.x/#", "acme.x/#"},
        {"{tenant}", "acme"},
    };
    char out[64];
    (void)state;
    const struct ph_holder holder = {.tenant = "acme", .kind = "*", .device = "t-*"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(ph_holder_expand(out, sizeof out, cases[i].template, &holder));
        assert_string_equal(out, cases[i].want);
    }
    for (size_t size = 1; size < sizeof "a/acme/+"; size++) {
        assert_false(ph_holder_expand(out, size, "a/{tenant}/{kind}", &holder));
    }
    assert_true(ph_holder_expand(out, sizeof "a/acme/+", "a/{tenant}/{kind}", &holder));
}

static void test_roles(void **state)
{
    char text[PH_HOLDER_BYTES];
    struct ph_holder holder;
    (void)state;
    struct ph_policy *policy =
        policy_text("  - {name: lab, match: {anchor: devices, device: lab-1}, client_id: "
                    "\"lab:{tenant}/{kind}/{device}\"}\n"
                    "  - {name: acme, match: {anchor: devices, tenant: ac*}}\n"
                    "  - {name: ingest, match: {anchor: services}}\n");
    ph_holder_of_role(&holder, policy, &policy->roles[0]);
    ph_holder_print(text, sizeof text, &holder);
    assert_string_equal(text, "devices:*/*/lab-1");
    ph_holder_of_role(&holder, policy, &policy->roles[1]);
    ph_holder_print(text, sizeof text, &holder);
    assert_string_equal(text, "devices:acme/*/*"); /* the only tenant that is left */
    ph_holder_of_role(&holder, policy, &policy->roles[2]);
    ph_holder_print(text, sizeof text, &holder);
    assert_string_equal(text, "services:*/service/*");

    struct ph_identity identity = identity_text("devices", "acme/k/lab-1");
    ph_holder_of_identity(&holder, &identity);
    assert_true(ph_holder_has_role(policy, &policy->roles[0], &holder));
    assert_false(ph_holder_has_role(policy, &policy->roles[1], &holder)); /* the first is its own */
    const struct ph_holder other = {
        .anchor = "devices", .tenant = "other", .kind = "*", .device = "*"};
    assert_false(ph_holder_has_role(policy, &policy->roles[0], &other));
    const struct ph_holder closed = {
        .anchor = "devices", .tenant = "*", .kind = "service", .device = "*"};
    assert_false(ph_holder_has_role(policy, &policy->roles[0], &closed));
    const struct ph_holder open = {
        .anchor = "services", .tenant = "*", .kind = "service", .device = "*"};
    assert_true(ph_holder_has_role(policy, &policy->roles[2], &open));
    ph_policy_free(&policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meet),
        cmocka_unit_test(test_search_is_bounded),
        cmocka_unit_test(test_expand),
        cmocka_unit_test(test_roles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
