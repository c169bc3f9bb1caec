/* [POL-7] to [POL-12], [PLG-6], [PLG-7], [PLG-8], [PLG-13], [PLG-31], [PLG-32] */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker-plugin/authz.h"
#include "config/policy_file.h"
#include "domain/deny.h"

/* Every allocation of the code under test comes by here (linker option --wrap). */
static int allocations;
void *real_malloc(size_t size) __asm__("__real_malloc");
void *real_calloc(size_t count, size_t size) __asm__("__real_calloc");
void *real_realloc(void *old, size_t size) __asm__("__real_realloc");
void *wrap_malloc(size_t size) __asm__("__wrap_malloc");
void *wrap_calloc(size_t count, size_t size) __asm__("__wrap_calloc");
void *wrap_realloc(void *old, size_t size) __asm__("__wrap_realloc");

void *wrap_malloc(size_t size)
{
    allocations++;
    return real_malloc(size);
}

void *wrap_calloc(size_t count, size_t size)
{
    allocations++;
    return real_calloc(count, size);
}

void *wrap_realloc(void *old, size_t size)
{
    allocations++;
    return real_realloc(old, size);
}

static const char text[] =
    "anchors:\n"
    "  - {name: devices, ca: [a.pem], crl: [a.crl]}\n"
    "  - {name: services, ca: [b.pem], crl: [b.crl], kinds: [service]}\n"
    "roles:\n"
    "  - name: special\n"
    "    match: {anchor: devices, device: 'x-*'}\n"
    "    subscribe: ['$SYS/broker/uptime']\n"
    "  - name: device\n"
    "    match: {anchor: devices}\n"
    "    publish: ['d/{tenant}/{device}/telemetry', 'd/{tenant}/{device}/status']\n"
    "    will: ['d/{tenant}/{device}/status']\n"
    "    subscribe: ['d/{tenant}/{device}/ack', 'all/+/news']\n"
    "    limits: {payload_bytes: 10}\n"
    "  - name: reader\n"
    "    match: {anchor: services}\n"
    "    subscribe: ['d/#']\n"
    "    receive: ['d/+/+/telemetry']\n"
    "quarantine:\n"
    "  publish: ['d/{tenant}/{device}/status', 'x']\n";

static const char list[] = "deny identity acme/t/denied\n"
                           "quarantine devices:acme/t/ill\n";

static struct ph_policy *policy;
static struct ph_deny_list *deny;
static struct ph_state in_force;

static int load(void **state)
{
    (void)state;
    struct ph_error error = {0};
    if (ph_policy_parse("policy.yaml", text, strlen(text), &policy, &error) != PH_OK ||
        ph_deny_parse("deny.txt", list, strlen(list), &deny, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    in_force = (struct ph_state){.policy = policy, .deny = deny};
    return 0;
}

static int release(void **state)
{
    (void)state;
    ph_policy_free(&policy);
    ph_deny_free(&deny);
    return 0;
}

#define DEVICE  "device:devices:acme/t/d1"
#define SPECIAL "special:devices:acme/t/x-1"
#define READER  "reader:services:acme/service/r"
#define DENIED  "device:devices:acme/t/denied"
#define ILL     "device:devices:acme/t/ill"

static const struct {
    const char *user;
    enum ph_action action;
    const char *topic;
    const char *refusal; /* NULL: allowed */
} cases[] = {
    /* [POL-8] */
    {DEVICE, PH_ACTION_PUBLISH, "d/acme/d1/telemetry", NULL},
    {DEVICE, PH_ACTION_PUBLISH, "d/acme/d2/telemetry", "role \"device\": no \"publish\" template"},
    {DEVICE, PH_ACTION_PUBLISH, "d/acme/d1/telemetry/x", "no \"publish\" template"},
    {DEVICE, PH_ACTION_PUBLISH, "d/+/d1/telemetry", "no \"publish\" template"},
    {DEVICE, PH_ACTION_PUBLISH, "", "no \"publish\" template"},
    /* [POL-9] */
    {DEVICE, PH_ACTION_WILL, "d/acme/d1/status", NULL},
    {DEVICE, PH_ACTION_WILL, "d/acme/d1/telemetry", "no \"will\" template"},
    {DEVICE, PH_ACTION_WILL, "d/acme/d2/status", "no \"will\" template"},
    /* [POL-10] */
    {DEVICE, PH_ACTION_SUBSCRIBE, "d/acme/d1/ack", NULL},
    {DEVICE, PH_ACTION_SUBSCRIBE, "all/+/news", NULL},
    {DEVICE, PH_ACTION_SUBSCRIBE, "all/x/news", NULL},
    {DEVICE, PH_ACTION_SUBSCRIBE, "all/#", "no \"subscribe\" template"},
    {DEVICE, PH_ACTION_SUBSCRIBE, "d/acme/+/ack", "no \"subscribe\" template"},
    {DEVICE, PH_ACTION_SUBSCRIBE, "$share/g/d/acme/d1/ack", NULL},
    {DEVICE, PH_ACTION_SUBSCRIBE, "$share/g/#", "no \"subscribe\" template"},
    {DEVICE, PH_ACTION_SUBSCRIBE, "$share/+/d/acme/d1/ack", "no \"subscribe\" template"},
    {DEVICE, PH_ACTION_SUBSCRIBE, "#", "no \"subscribe\" template"},
    {READER, PH_ACTION_SUBSCRIBE, "d/acme/#", NULL},
    /* [POL-11] */
    {DEVICE, PH_ACTION_RECEIVE, "all/x/news", NULL},
    {DEVICE, PH_ACTION_RECEIVE, "d/acme/d2/ack", "no \"receive\" template"},
    {READER, PH_ACTION_RECEIVE, "d/acme/d1/telemetry", NULL},
    {READER, PH_ACTION_RECEIVE, "d/acme/d1/status", "no \"receive\" template"},
    /* [POL-12] */
    {SPECIAL, PH_ACTION_SUBSCRIBE, "$SYS/broker/uptime", NULL},
    {SPECIAL, PH_ACTION_SUBSCRIBE, "$SYS/#", "no \"subscribe\" template"},
    {READER, PH_ACTION_SUBSCRIBE, "$SYS/broker/uptime", "no \"subscribe\" template"},
    {READER, PH_ACTION_PUBLISH, "$CONTROL/dynamic-security/v1", "no \"publish\" template"},
    {READER, PH_ACTION_PUBLISH, NULL, "no \"publish\" template"},
    /* [PLG-6] */
    {NULL, PH_ACTION_PUBLISH, "d/acme/d1/telemetry", "user name: want one set by the plugin"},
    {"", PH_ACTION_PUBLISH, "d/acme/d1/telemetry", "want role:anchor:tenant/kind/device"},
    {"admin", PH_ACTION_PUBLISH, "d/acme/d1/telemetry", "want role:anchor:tenant/kind/device"},
    {"device:devices:acme/t", PH_ACTION_PUBLISH, "d/acme/d1/telemetry", "want role:anchor"},
    {"device:devices:acme/t/+", PH_ACTION_PUBLISH, "d/acme/d1/telemetry", "want role:anchor"},
    {"device:nosuch:acme/t/d1", PH_ACTION_PUBLISH, "d/acme/d1/telemetry", "\"nosuch\" is not in"},
    /* [PLG-7], [POL-7] the role that the policy in force gives, whatever the name says */
    {"reader:devices:acme/t/d1", PH_ACTION_SUBSCRIBE, "d/#", "role \"device\": no \"subscribe\""},
    {"reader:devices:acme/t/d1", PH_ACTION_PUBLISH, "d/acme/d1/telemetry", NULL},
    {"gone:devices:acme/t/d1", PH_ACTION_PUBLISH, "d/acme/d1/telemetry", NULL},
    {"device:devices:acme/t/x-1", PH_ACTION_PUBLISH, "d/acme/x-1/telemetry",
        "role \"special\": no \"publish\" template"},
    {"device:devices:acme/t/x-1", PH_ACTION_SUBSCRIBE, "$SYS/broker/uptime", NULL},
    {"device:devices:acme/service/d1", PH_ACTION_PUBLISH, "d/acme/d1/telemetry", "service"},
    /* [PLG-31] */
    {DENIED, PH_ACTION_PUBLISH, "d/acme/denied/telemetry",
        "deny.txt:1: the list denies this identity"},
    /* [PLG-32] */
    {ILL, PH_ACTION_PUBLISH, "d/acme/ill/status", NULL},
    {ILL, PH_ACTION_PUBLISH, "d/acme/ill/telemetry", "quarantine: \"publish\" of"},
    {ILL, PH_ACTION_RECEIVE, "all/x/news", "quarantine: \"receive\" of"},
    {ILL, PH_ACTION_PUBLISH, "x", "role \"device\": no \"publish\" template"},
};

static enum ph_reason decide(
    const char *user, enum ph_action action, const char *topic, struct ph_error *error)
{
    struct ph_identity identity;
    struct ph_standing standing;
    enum ph_reason reason = PH_REASON_NONE;
    if (ph_authz_standing(&in_force, user, &identity, &standing, &reason, error) != PH_OK) {
        return reason;
    }
    return ph_authz_allows(in_force.policy, &standing, action, topic) != NULL
               ? PH_REASON_NONE
               : ph_authz_refusal(&standing, action, topic, error);
}

static void decides_by_user_name_and_topic(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_error error = {0};
        enum ph_reason reason = decide(cases[i].user, cases[i].action, cases[i].topic, &error);
        bool as_wanted = cases[i].refusal == NULL
                             ? reason == PH_REASON_NONE && error.code == PH_OK
                             : reason != PH_REASON_NONE && error.code != PH_OK &&
                                   strstr(error.message, cases[i].refusal) != NULL;
        if (!as_wanted) {
            fail_msg("case %zu, %s %s: want \"%s\", have %s \"%s\"", i,
                ph_action_name(cases[i].action), cases[i].topic, cases[i].refusal,
                ph_reason_name(reason), error.message);
        }
    }
}

static const struct {
    const char *user;
    enum ph_reason reason;
} reasons[] = {
    {NULL, PH_REASON_USER_NAME},
    {"admin", PH_REASON_USER_NAME},
    {"device:nosuch:acme/t/d1", PH_REASON_NO_ROLE},
    {"device:devices:acme/service/d1", PH_REASON_NO_ROLE},
    {DENIED, PH_REASON_DENIED_IDENTITY},
    {ILL, PH_REASON_QUARANTINE},
    {"device:devices:acme/t/d2", PH_REASON_TOPIC},
};

/* [PLG-20] for counters and records */
static void gives_one_word_for_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        enum ph_reason reason =
            decide(reasons[i].user, PH_ACTION_PUBLISH, "d/acme/ill/telemetry", NULL);
        assert_string_equal(ph_reason_name(reason), ph_reason_name(reasons[i].reason));
    }
}

/* [PLG-8] */
static void allocates_nothing(void **state)
{
    (void)state;
    assert_true(allocations > 0);
    allocations = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_error error = {0};
        (void)decide(cases[i].user, cases[i].action, cases[i].topic, &error);
        (void)decide(cases[i].user, cases[i].action, cases[i].topic, NULL);
    }
    assert_int_equal(allocations, 0);
}

/* [PLG-13] */
static void knows_reserved_properties(void **state)
{
    (void)state;
    assert_true(ph_authz_property_reserved("ph-"));
    assert_true(ph_authz_property_reserved("ph-fingerprint"));
    assert_false(ph_authz_property_reserved(""));
    assert_false(ph_authz_property_reserved("ph"));
    assert_false(ph_authz_property_reserved("x-ph-"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decides_by_user_name_and_topic),
        cmocka_unit_test(gives_one_word_for_why),
        cmocka_unit_test(allocates_nothing),
        cmocka_unit_test(knows_reserved_properties),
    };
    return cmocka_run_group_tests(tests, load, release);
}
