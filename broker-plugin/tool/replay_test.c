#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker-plugin/policy_text.h"
#include "broker-plugin/tool/replay.h"

static const char roles[] =
    "  - {name: berlin, match: {anchor: devices, subject: [{attribute: L, pattern: Berlin}]}, "
    "publish: [\"b/{device}\"]}\n"
    "  - {name: device, match: {anchor: devices, kind: k}, publish: [\"t/{device}\", "
    "\"s/{device}\"], "
    "will: [\"s/{device}\"], subscribe: [\"x/{device}\"]}\n";

#define T1 "devices:acme/k/t-1"

struct record_case {
    struct ph_replay_record record;
    const char *want; /* "kind role action topic why", or "" */
};

static const struct record_case cases[] = {
    {{.event = "connect", .identity = T1, .role = "device", .client_id = "acme/k/t-1"}, ""},
    {{.event = "connect", .identity = T1, .role = "device", .client_id = "x"},
        "0 device   client id: want \"acme/k/t-1\", have \"x\""},
    {{.event = "connect", .identity = "devices:acme/z/t-1", .role = "device"},
        "0 device   acme/z/t-1: no role of the policy matches it under \"devices\""},
    {{.event = "connect", .identity = T1, .role = "old"}, "2 old   device"},
    {{.event = "connect", .identity = T1}, ""},
    /* The subject is not recorded: who had the role keeps it. */
    {{.event = "connect", .identity = T1, .role = "berlin"}, ""},
    {{.event = "use",
         .identity = T1,
         .role = "berlin",
         .action = "publish",
         .template = "b/{device}"},
        ""},
    {{.event = "use",
         .identity = T1,
         .role = "device",
         .action = "publish",
         .template = "t/{device}"},
        ""},
    {{.event = "use", .identity = T1, .role = "device", .action = "publish", .template = "t/+"},
        "1 device publish t/+ "},
    {{.event = "use", .identity = T1, .role = "device", .action = "will", .template = "t/{device}"},
        "1 device will t/{device} "},
    {{.event = "use", .identity = T1, .role = "device", .action = "will", .template = "s/{device}"},
        ""},
    {{.event = "use", .identity = T1, .role = "device", .action = "receive", .topic = "x/t-1"}, ""},
    {{.event = "use", .identity = T1, .role = "device", .action = "receive", .topic = "x/t-2"},
        "1 device receive x/t-2 "},
    {{.event = "use", .identity = T1, .role = "device", .action = "fly", .topic = "x"}, "skipped"},
    {{.event = "use", .identity = T1, .role = "device", .action = "publish"}, "skipped"},
    {{.event = "use", .identity = T1, .role = "device", .action = "publish", .template = "{x}"},
        "skipped"},
    {{.event = "deny", .identity = T1, .role = "device", .action = "publish", .topic = "t/t-1"},
        "4 device publish t/t-1 t/{device}"},
    {{.event = "deny",
         .identity = T1,
         .role = "device",
         .action = "publish",
         .topic = "t/t-1",
         .reason = "quarantine"},
        ""},
    {{.event = "deny", .identity = T1, .role = "device", .action = "publish", .topic = "#"}, ""},
    {{.event = "deny", .identity = T1, .role = "device", .action = NULL, .topic = "#"}, "skipped"},
    {{.event = "deny", .identity = "devices:acme/z/t-1", .action = "publish", .topic = "x"}, ""},
    {{.event = "refuse", .identity = T1, .reason = "no-role"}, "3    device"},
    {{.event = "refuse", .identity = T1, .reason = "revoked"}, ""},
    {{.event = "refuse", .identity = T1, .reason = "client-id", .client_id = "x"}, ""},
    {{.event = "refuse", .identity = "-", .reason = "unknown-ca"}, ""},
    {{.event = "deny", .identity = T1, .action = "publish", .topic = "t/t-1", .reason = "payload"},
        ""},
    {{.event = "deny", .identity = T1, .action = "publish", .topic = "t/t-1", .reason = "topic"},
        "4  publish t/t-1 t/{device}"},
    {{.event = "refuse", .identity = NULL, .reason = "no-certificate"}, ""},
    {{.event = "refuse", .identity = "a/b/c", .reason = "no-role"}, "skipped"},
    {{.event = "connect", .identity = "x:a/../c"}, "skipped"},
    {{.event = "connect", .identity = NULL}, "skipped"},
    {{.event = "stop"}, ""},
    {{.event = NULL}, ""},
};

/* [PPL-8] */
static void test_records(void **state)
{
    (void)state;
    struct ph_policy *policy = policy_text(roles);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[1024] = "";
        struct ph_error error = {0};
        struct ph_replay *replay = NULL;
        assert_int_equal(ph_replay_new(policy, &replay, &error), PH_OK);
        assert_int_equal(ph_replay_add(replay, &cases[i].record, &error), PH_OK);
        if (ph_replay_item_count(replay) > 0) {
            const struct ph_replay_item *item = ph_replay_items(replay)[0];
            (void)snprintf(text, sizeof text, "%d %s %s %s %s", (int)item->kind, item->role,
                item->action, item->topic, item->why);
            assert_int_equal(item->identities, 1);
        } else if (ph_replay_counts(replay).skipped > 0) {
            (void)snprintf(text, sizeof text, "skipped");
        }
        assert_string_equal(text, cases[i].want);
        ph_replay_free(&replay);
    }
    ph_policy_free(&policy);
}

static void test_counts(void **state)
{
    struct ph_error error = {0};
    struct ph_replay *replay = NULL;
    (void)state;
    struct ph_policy *policy = policy_text(roles);
    assert_int_equal(ph_replay_new(policy, &replay, &error), PH_OK);
    for (int i = 0; i < 6; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "devices:acme/k/t-%d", i % 3);
        const struct ph_replay_record use = {.event = "use",
            .identity = name,
            .role = "device",
            .action = "publish",
            .template = "gone/{device}"};
        const struct ph_replay_record deny = {.event = "deny",
            .identity = name,
            .role = "device",
            .action = "publish",
            .topic = "t/t-0",
            .suppressed = 10};
        assert_int_equal(ph_replay_add(replay, &use, &error), PH_OK);
        assert_int_equal(ph_replay_add(replay, &deny, &error), PH_OK);
    }
    const struct ph_replay_counts counts = ph_replay_counts(replay);
    assert_int_equal(counts.identities, 3);
    assert_int_equal(counts.denials, 66);
    assert_int_equal(counts.items[PH_REPLAY_GONE], 1);
    assert_int_equal(counts.items[PH_REPLAY_ALLOWED], 1);
    const struct ph_replay_item *const *items = ph_replay_items(replay);
    assert_int_equal(items[0]->identities, 3);
    assert_int_equal(items[0]->records, 6);
    assert_int_equal(items[1]->identities, 1);
    assert_int_equal(items[1]->records, 22);
    ph_replay_free(&replay);
    ph_policy_free(&policy);
}

/* Topics that somebody made up do not fill the memory. */
static void test_bounds(void **state)
{
    struct ph_error error = {0};
    struct ph_replay *replay = NULL;
    (void)state;
    struct ph_policy *policy =
        policy_text("  - {name: device, match: {anchor: devices}, publish: [\"x/#\"]}\n");
    assert_int_equal(ph_replay_new(policy, &replay, &error), PH_OK);
    for (int i = 0; i < PH_REPLAY_ITEMS_MAX + 5; i++) {
        char topic[32];
        (void)snprintf(topic, sizeof topic, "x/%d", i);
        const struct ph_replay_record deny = {
            .event = "deny", .identity = T1, .role = "device", .action = "publish", .topic = topic};
        assert_int_equal(ph_replay_add(replay, &deny, &error), PH_OK);
    }
    assert_int_equal(ph_replay_item_count(replay), PH_REPLAY_ITEMS_MAX);
    assert_int_equal(ph_replay_counts(replay).left_out, 5);
    ph_replay_free(&replay);
    ph_policy_free(&policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
