#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker-plugin/policy_text.h"
#include "broker-plugin/tool/policy_diff.h"

#define DEVICE "  - {name: device, match: {anchor: devices}, "

/* Compares one identity; the one group, or NULL when nothing changes. */
static const struct ph_change_group *compare_one(struct ph_policy_diff **diff,
    const struct ph_policy *before, const struct ph_policy *after, const char *name)
{
    struct ph_error error = {0};
    const struct ph_identity identity = identity_text("devices", name);
    assert_int_equal(ph_policy_diff_new(before, after, diff, &error), PH_OK);
    assert_int_equal(ph_policy_diff_add(*diff, &identity, NULL, &error), PH_OK);
    return ph_policy_diff_group_count(*diff) == 1 ? ph_policy_diff_groups(*diff)[0] : NULL;
}

/* A grant is lost when nothing of the other side contains it, filled in. [PPL-6] */
static void test_grants(void **state)
{
    static const struct {
        const char *before;
        const char *after;
        unsigned lost;
        unsigned gained;
    } cases[] = {
        {"a/{device}", "a/{device}", 0, 0},
        {"a/{device}", "a/b", 1, 1},
        {"a/{device}", "a/+", 0, 1},
        {"a/#", "a/{device}", 1, 0},
        {"a/{device}", "a/t-1", 0, 0}, /* for this device the same */
        {"a/{device}", "a/t-2", 1, 1},
        {"a/{tenant}/+", "a/acme/#", 0, 1},
        {"a/{device}", "{tenant}/{device}", 1, 1},
        {"acme/x", "{tenant}/x", 0, 0},
        {"acme/x", "+/{kind}", 1, 1},
        {"$SYS/x", "+/x", 1, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[2][256];
        struct ph_policy_diff *diff = NULL;
        (void)snprintf(text[0], sizeof text[0], DEVICE "publish: [\"%s\"]}\n", cases[i].before);
        (void)snprintf(text[1], sizeof text[1], DEVICE "publish: [\"%s\"]}\n", cases[i].after);
        struct ph_policy *before = policy_text(text[0]);
        struct ph_policy *after = policy_text(text[1]);
        const struct ph_change_group *group = compare_one(&diff, before, after, "acme/k/t-1");
        assert_int_equal(group != NULL ? group->change.lost[PH_ACTION_PUBLISH] : 0, cases[i].lost);
        assert_int_equal(
            group != NULL ? group->change.gained[PH_ACTION_PUBLISH] : 0, cases[i].gained);
        ph_policy_diff_free(&diff);
        ph_policy_free(&before);
        ph_policy_free(&after);
    }
}

static void test_settings(void **state)
{
    (void)state;
    struct ph_policy_diff *diff = NULL;
    struct ph_policy *before = policy_text(DEVICE "client_id: \"x:{device}/{kind}/{tenant}\", "
                                                  "status: \"s/{device}\", publish: [\"s/#\"]}\n");
    struct ph_policy *after = policy_text(DEVICE "limits: {messages_per_second: 1}, "
                                                 "provenance: false, publish: [\"s/#\"]}\n");
    const struct ph_change_group *group = compare_one(&diff, before, after, "acme/k/t-1");
    assert_non_null(group);
    assert_int_equal(group->change.client_id, 1);
    assert_int_equal(group->change.status, 1);
    assert_int_equal(group->change.limits, 1);
    assert_int_equal(group->change.provenance, 1);
    assert_false(ph_change_any(group->change.lost));
    assert_false(ph_change_any(group->change.gained));
    ph_policy_diff_free(&diff);
    ph_policy_free(&before);
    ph_policy_free(&after);
}

/* Who changes alike is one group, and losses come first. [PPL-7] */
static void test_groups(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_policy_diff *diff = NULL;
    struct ph_policy *before =
        policy_text("  - {name: a, match: {anchor: devices, kind: k}, publish: [\"a/{device}\"]}\n"
                    "  - {name: b, match: {anchor: devices, kind: l}}\n");
    struct ph_policy *after =
        policy_text("  - {name: a, match: {anchor: devices, kind: k}, publish: [\"b\"]}\n"
                    "  - {name: c, match: {anchor: devices, kind: m}}\n");
    static const char *const names[] = {"acme/m/t-1", "acme/k/t-1", "acme/k/t-2", "acme/k/t-3",
        "acme/k/t-4", "acme/l/t-1", "acme/x/t"};
    assert_int_equal(ph_policy_diff_new(before, after, &diff, &error), PH_OK);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct ph_identity identity = identity_text("devices", names[i]);
        assert_int_equal(ph_policy_diff_add(diff, &identity, NULL, &error), PH_OK);
    }
    const struct ph_diff_counts counts = ph_policy_diff_counts(diff);
    assert_int_equal(counts.identities, 7);
    assert_int_equal(counts.changed, 6);
    assert_int_equal(counts.shut_out, 1);
    assert_int_equal(ph_policy_diff_group_count(diff), 3);
    const struct ph_change_group *const *groups = ph_policy_diff_groups(diff);
    assert_null(groups[0]->change.after); /* b loses its entry */
    assert_int_equal(groups[1]->count, 4);
    assert_string_equal(groups[1]->examples[2].device, "t-3");
    assert_null(groups[2]->change.before);
    ph_policy_diff_free(&diff);
    ph_policy_free(&before);
    ph_policy_free(&after);
}

/* More pairs of roles than are remembered, and more changes than are listed. */
static void test_bounds(void **state)
{
    enum { ROLES = 110 };
    struct ph_error error = {0};
    struct ph_policy_diff *diff = NULL;
    char names[ROLES][16];
    static char anchor[] = "devices";
    static char client_id[] = "{tenant}/{kind}/{device}";
    struct ph_role roles[2][ROLES] = {0};
    struct ph_anchor anchors[1] = {{.name = anchor}};
    (void)state;
    for (int i = 0; i < ROLES; i++) {
        (void)snprintf(names[i], sizeof names[i], "n%d", i);
        for (int side = 0; side < 2; side++) {
            roles[side][i] = (struct ph_role){
                .name = names[i], .client_id = client_id, .match = {.anchor = anchor}};
        }
        roles[0][i].match.tenant = names[i];
        roles[1][i].match.kind = names[i];
    }
    struct ph_policy before = {
        .anchors = anchors, .anchor_count = 1, .roles = roles[0], .role_count = ROLES};
    struct ph_policy after = {
        .anchors = anchors, .anchor_count = 1, .roles = roles[1], .role_count = ROLES};
    enum ph_err err = ph_policy_diff_new(&before, &after, &diff, &error);
    for (int i = 0; err == PH_OK && i < ROLES * ROLES; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "n%d/n%d/d", i / ROLES, i % ROLES);
        const struct ph_identity identity = identity_text(anchor, text);
        err = ph_policy_diff_add(diff, &identity, NULL, &error);
    }
    assert_int_equal(err, PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "want at most 10000 different changes"));
    assert_int_equal(ph_policy_diff_group_count(diff), PH_DIFF_GROUPS_MAX);
    ph_policy_diff_free(&diff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grants),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
