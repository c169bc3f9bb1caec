#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker-plugin/policy_text.h"
#include "broker-plugin/tool/reach.h"

static const char roles[] =
    "  - {name: lab, match: {anchor: devices, device: \"lab-*\"}, client_id: "
    "\"lab:{tenant}/{kind}/{device}\", subscribe: [\"x/{device}\"]}\n"
    "  - {name: device, match: {anchor: devices}, publish: [\"t/{tenant}/{device}\", "
    "\"s/{device}\"], "
    "will: [\"s/{device}\"], subscribe: [\"x/{device}\", all], status: \"s/{device}\"}\n"
    "  - {name: hub, match: {anchor: services}, publish: [\"x/+\"], subscribe: [\"t/acme/#\", "
    "\"s/#\"], receive: [\"t/{tenant}/+\", \"s/+\", \"$SYS/#\"]}\n";

/* "role who topic; ..." */
static void print(char *out, size_t size, const struct ph_reach_list *list)
{
    out[0] = '\0';
    for (size_t i = 0; i < list->count; i++) {
        char who[PH_HOLDER_BYTES];
        size_t used = strlen(out);
        ph_holder_print(who, sizeof who, &list->items[i].holder);
        (void)snprintf(out + used, size - used, "%s%s %s %s", i > 0 ? "; " : "",
            list->items[i].role->name, who, list->items[i].filter);
    }
}

/* [PPL-9] */
static void test_reach(void **state)
{
    char text[2048];
    struct ph_error error = {0};
    struct ph_reach_result result = {0};
    (void)state;
    struct ph_policy *policy = policy_text(roles);
    const struct ph_identity identity = identity_text("devices", "acme/k/t-1");
    assert_int_equal(
        ph_reach_find(policy, &policy->roles[1], &identity, false, &result, &error), PH_OK);
    assert_int_equal(result.writes.count, 2);
    print(text, sizeof text, &result.wills);
    assert_string_equal(text, "device devices:acme/k/t-1 s/t-1");
    print(text, sizeof text, &result.wakes);
    assert_string_equal(
        text, "hub services:acme/service/* t/acme/t-1; hub services:*/service/* s/t-1");
    print(text, sizeof text, &result.beyond);
    assert_string_equal(text, "lab devices:*/*/lab-* x/+; device devices:*/*/* x/+; "
                              "lab devices:*/*/lab-* x/+; device devices:*/*/* x/+");
    ph_reach_result_fini(&result);

    const struct ph_identity hub = identity_text("services", "acme/service/h");
    assert_int_equal(ph_reach_find(policy, &policy->roles[2], &hub, false, &result, &error), PH_OK);
    print(text, sizeof text, &result.reads); /* $SYS is not among what it may subscribe to */
    assert_string_equal(
        text, "hub services:acme/service/h t/acme/+; hub services:acme/service/h s/+");
    print(text, sizeof text, &result.retained);
    assert_string_equal(text, "device devices:*/*/* s/+");
    ph_reach_result_fini(&result);
    ph_policy_free(&policy);
}

/* In quarantine without a quarantine role nothing is left. */
static void test_quarantine(void **state)
{
    struct ph_error error = {0};
    struct ph_reach_result result = {0};
    (void)state;
    struct ph_policy *policy = policy_text(roles);
    const struct ph_identity identity = identity_text("devices", "acme/k/t-1");
    assert_int_equal(
        ph_reach_find(policy, &policy->roles[1], &identity, true, &result, &error), PH_OK);
    assert_int_equal(result.writes.count + result.reads.count + result.wakes.count, 0);
    ph_reach_result_fini(&result);
    ph_policy_free(&policy);
}

/* [PPL-10] */
static void test_topic(void **state)
{
    static const struct {
        enum ph_action action;
        const char *topic;
        const char *want;
    } cases[] = {
        {PH_ACTION_PUBLISH, "t/acme/t-1", "device devices:acme/*/t-1 t/acme/t-1"},
        {PH_ACTION_PUBLISH, "t/acme/lab-1", "device devices:acme/*/lab-1 t/acme/lab-1"},
        {PH_ACTION_PUBLISH, "t/other/t-1", ""}, /* no tenant of the anchor */
        {PH_ACTION_WILL, "t/acme/t-1", ""},
        {PH_ACTION_WILL, "s/t-1", "device devices:*/*/t-1 s/t-1"},
        {PH_ACTION_RECEIVE, "t/globex/t-1", ""}, /* receive allows it, subscribe does not */
        {PH_ACTION_RECEIVE, "x/lab-1",
            "lab devices:*/*/lab-1 x/lab-1; device devices:*/*/lab-1 x/lab-1"},
        {PH_ACTION_RECEIVE, "all", "device devices:*/*/* all"},
        {PH_ACTION_RECEIVE, "$SYS/x", ""},
        {PH_ACTION_SUBSCRIBE, "s/+", "hub services:*/service/* s/+"},
    };
    char text[2048];
    (void)state;
    struct ph_policy *policy = policy_text(roles);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_error error = {0};
        struct ph_reach_list list = {0};
        assert_int_equal(
            ph_reach_topic(policy, cases[i].action, cases[i].topic, &list, &error), PH_OK);
        print(text, sizeof text, &list);
        assert_string_equal(text, cases[i].want);
        ph_reach_list_fini(&list);
    }
    ph_policy_free(&policy);
}

/* One role is reached in more ways than are listed. */
static void test_bounds(void **state)
{
    struct ph_error error = {0};
    struct ph_reach_list list = {0};
    char topic[PH_LIMIT_TOPIC_BYTES + 2];
    (void)state;
    struct ph_policy *policy = policy_text(roles);
    memset(topic, 'x', sizeof topic - 1);
    topic[sizeof topic - 1] = '\0';
    assert_int_equal(ph_reach_topic(policy, PH_ACTION_PUBLISH, topic, &list, &error), PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "topic: too long"));
    for (size_t i = 0; i < PH_REACH_MAX / 2 + 3; i++) {
        (void)snprintf(topic, sizeof topic, "x/t-%zu", i);
        assert_int_equal(ph_reach_topic(policy, PH_ACTION_RECEIVE, topic, &list, NULL), PH_OK);
        (void)snprintf(topic, sizeof topic, "x/lab-%zu", i);
        assert_int_equal(ph_reach_topic(policy, PH_ACTION_RECEIVE, topic, &list, NULL), PH_OK);
    }
    assert_int_equal(list.count, PH_REACH_MAX);
    assert_true(list.left_out > 0);
    ph_reach_list_fini(&list);
    ph_policy_free(&policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reach),
        cmocka_unit_test(test_quarantine),
        cmocka_unit_test(test_topic),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
