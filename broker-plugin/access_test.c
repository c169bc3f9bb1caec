/* [PLG-6], [PLG-7], [PLG-9], [PLG-10], [PLG-12], [PLG-13], [PLG-20], [PLG-32] to [PLG-36], [PLG-41]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "broker-plugin/fleet_fixture.h"

static struct fleet fleet;
static struct fleet_device one;
static struct fleet_device two;
static struct fleet_device ingest;

static int set_up(void **state)
{
    (void)state;
    fleet_init(&fleet);
    fleet_issue(&fleet, &one, FLEET_DEVICES, "acme", "t-1", FLEET_NOW_MS + 30 * FLEET_DAY_MS);
    fleet_issue(&fleet, &two, FLEET_DEVICES, "acme", "t-2", FLEET_NOW_MS + 30 * FLEET_DAY_MS);
    fleet_issue(
        &fleet, &ingest, FLEET_SERVICES, "acme", "ingest", FLEET_NOW_MS + 30 * FLEET_DAY_MS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fleet_device_fini(&one);
    fleet_device_fini(&two);
    fleet_device_fini(&ingest);
    fleet_fini(&fleet);
    return 0;
}

static void open_with(const char *roles)
{
    fleet_write(&fleet, FLEET_DENY, "# nobody\n");
    fleet_write_policy(&fleet, NULL, roles);
    fleet_open(&fleet);
    assert_int_equal(fleet_connect(&fleet, &one), PH_ADMIT);
}

static int close_broker(void **state)
{
    (void)state;
    fleet_close(&fleet);
    return 0;
}

static enum ph_action action_of(const struct fleet_device *device, bool has_address)
{
    const struct ph_access access = {.client = device,
        .user_name = device->user_name,
        .topic = "x",
        .type = PH_ACCESS_WRITE,
        .has_address = has_address};
    return ph_broker_action(fleet.broker, &access);
}

/* [PLG-6] */
static void knows_who_by_the_user_name(void **state)
{
    (void)state;
    open_with(NULL);
    assert_string_equal(one.user_name, "device:devices:acme/thermostat/t-1");
    assert_true(fleet_may(&fleet, &one, PH_ACCESS_WRITE, "d/acme/t-1/telemetry"));
    assert_false(fleet_may(&fleet, &one, PH_ACCESS_WRITE, "d/acme/t-2/telemetry"));
    assert_true(fleet_logged("reason=\"role \\\"device\\\": no \\\"publish\\\" template allows"));
    assert_true(fleet_may(&fleet, &one, PH_ACCESS_SUBSCRIBE, "d/acme/t-1/command"));
    assert_false(fleet_may(&fleet, &one, PH_ACCESS_SUBSCRIBE, "d/acme/+/command"));
    assert_true(fleet_may(&fleet, &one, PH_ACCESS_READ, "all/news"));
    assert_false(fleet_may(&fleet, &one, PH_ACCESS_READ, "d/acme/t-2/command"));

    /* a session that was restored, and one that the table does not have: only names are known */
    static const struct fleet_device restored = {.user_name = "device:devices:acme/thermostat/t-7"};
    assert_true(fleet_may(&fleet, &restored, PH_ACCESS_READ, "d/acme/t-7/command"));
    assert_false(fleet_may(&fleet, &restored, PH_ACCESS_READ, "d/acme/t-1/command"));

    static const struct fleet_device forged = {.user_name = "admin"};
    assert_false(fleet_may(&fleet, &forged, PH_ACCESS_READ, "all/news"));
    assert_true(fleet_logged("want role:anchor:tenant/kind/device"));
    struct ph_access access = {
        .client = &one, .topic = "all/news", .type = PH_ACCESS_READ, .has_address = true};
    assert_false(ph_broker_access(fleet.broker, &access));
    assert_true(fleet_logged("user name: want one set by the plugin, have none"));
    access.user_name = one.user_name;
    access.topic = NULL;
    assert_false(ph_broker_access(fleet.broker, &access));
    assert_int_equal(ph_broker_metrics(fleet.broker)->denied[PH_REASON_USER_NAME], 2);
    assert_int_equal(ph_broker_metrics(fleet.broker)->denied[PH_REASON_TOPIC], 5);
}

/* [PLG-9] [PLG-10] */
static void tells_wills_from_publishes(void **state)
{
    (void)state;
    open_with(NULL);
    struct fleet_device again = one; /* another connection with the same certificate */
    const char *telemetry = "d/acme/t-1/telemetry";
    const char *status = "d/acme/t-1/status";
    assert_int_equal(action_of(&one, true), PH_ACTION_PUBLISH);

    /* taken over: the new one is admitted, then the old one's will is asked for */
    assert_int_equal(fleet_connect(&fleet, &again), PH_ADMIT);
    assert_int_equal(action_of(&one, true), PH_ACTION_WILL);
    assert_false(fleet_may(&fleet, &one, PH_ACCESS_WRITE, telemetry));
    assert_true(fleet_logged("action=will"));
    assert_true(fleet_may(&fleet, &one, PH_ACCESS_WRITE, status));
    fleet_end(&fleet, &one);
    assert_int_equal(action_of(&again, true), PH_ACTION_PUBLISH);
    assert_true(fleet_may(&fleet, &again, PH_ACCESS_WRITE, telemetry));

    /* the connection has ended */
    fleet_end(&fleet, &again);
    assert_int_equal(action_of(&again, true), PH_ACTION_WILL);
    assert_false(fleet_may(&fleet, &again, PH_ACCESS_WRITE, telemetry));
    /* the source of a retained message, which was published */
    assert_int_equal(action_of(&again, false), PH_ACTION_PUBLISH);

    /* the address is another client's next, while the first one's will is still to come */
    struct ph_access will = {.client = &two,
        .user_name = one.user_name,
        .topic = status,
        .type = PH_ACCESS_WRITE,
        .has_address = true};
    assert_int_equal(fleet_connect(&fleet, &two), PH_ADMIT);
    assert_int_equal(ph_broker_action(fleet.broker, &will), PH_ACTION_WILL);
    assert_int_equal(action_of(&two, true), PH_ACTION_PUBLISH);
    will.type = PH_ACCESS_READ;
    assert_int_equal(ph_broker_action(fleet.broker, &will), PH_ACTION_RECEIVE);
    will.type = PH_ACCESS_SUBSCRIBE;
    assert_int_equal(ph_broker_action(fleet.broker, &will), PH_ACTION_SUBSCRIBE);
}

#define LIMITED(limits)                                                                            \
    "roles:\n"                                                                                     \
    "  - name: device\n"                                                                           \
    "    match: {anchor: devices}\n"                                                               \
    "    publish: ['d/{tenant}/{device}/telemetry', 'd/{tenant}/{device}/status']\n"               \
    "    status: 'd/{tenant}/{device}/status'\n"                                                   \
    "    limits: {" limits "}\n"

/* [PLG-12] */
static void limits_payloads(void **state)
{
    (void)state;
    open_with(LIMITED("payload_bytes: 100, messages_per_second: 1"));
    assert_false(fleet_send(&fleet, &one, "d/acme/t-1/telemetry", 101));
    assert_true(fleet_logged("role \\\"device\\\": payload_bytes: want at most 100, have 101"));
    assert_true(fleet_audited(&fleet, "\"event\":\"deny\""));
    assert_true(fleet_audited(&fleet, "\"reason\":\"payload\""));
    assert_true(
        fleet_send(&fleet, &one, "d/acme/t-1/telemetry", 100)); /* took nothing of its rate */
    /* also of whoever is not in the table */
    static const struct fleet_device restored = {.user_name = "device:devices:acme/thermostat/t-7"};
    assert_false(fleet_send(&fleet, &restored, "d/acme/t-7/telemetry", 101));
    static const struct fleet_device forged = {.user_name = "admin"};
    assert_false(fleet_send(&fleet, &forged, "d/acme/t-7/telemetry", 1));
    assert_true(fleet_logged("want role:anchor:tenant/kind/device"));
}

/* [PLG-34] what one sends beyond its rate is refused, and no other is held up by it */
static void limits_messages_of_an_identity(void **state)
{
    (void)state;
    open_with(LIMITED("messages_per_second: 2, message_burst: 5"));
    assert_int_equal(fleet_connect(&fleet, &two), PH_ADMIT);
    for (int i = 0; i < 5; i++) {
        assert_true(fleet_send(&fleet, &one, "d/acme/t-1/telemetry", 1));
    }
    for (int i = 0; i < 100; i++) {
        assert_false(fleet_send(&fleet, &one, "d/acme/t-1/telemetry", 1));
    }
    assert_true(fleet_send(&fleet, &two, "d/acme/t-2/telemetry", 1));
    assert_true(fleet_logged("messages_per_second: more than 2 a second"));
    assert_int_equal(ph_broker_metrics(fleet.broker)->denied[PH_REASON_MESSAGE_RATE], 100);
    assert_true(fleet_audited(&fleet, "\"event\":\"limit\""));
    assert_in_range(fleet_audited_count(&fleet, "\"reason\":\"message-rate\""), 1, 5);

    /* connecting anew helps nobody */
    fleet_end(&fleet, &one);
    assert_int_equal(fleet_connect(&fleet, &one), PH_ADMIT);
    assert_false(fleet_send(&fleet, &one, "d/acme/t-1/telemetry", 1));
    fleet_tick(&fleet, 1000);
    assert_true(fleet_send(&fleet, &one, "d/acme/t-1/telemetry", 1));
    assert_true(fleet_send(&fleet, &one, "d/acme/t-1/telemetry", 1));
    assert_false(fleet_send(&fleet, &one, "d/acme/t-1/telemetry", 1));
    fleet_settle(&fleet);
    assert_int_equal(fleet.kicks, 0);
    /* what was held back is counted when the next line may be written */
    fleet_tick(&fleet, 60000);
    for (int i = 0; i < 6; i++) {
        (void)fleet_send(&fleet, &one, "d/acme/t-1/telemetry", 1);
    }
    assert_true(fleet_audited(&fleet, "\"suppressed\":97"));
}

/* [PLG-34] */
static void limits_bytes_of_an_identity(void **state)
{
    (void)state;
    open_with(LIMITED("bytes_per_second: 100"));
    assert_true(fleet_send(&fleet, &one, "d/acme/t-1/telemetry", 600));
    assert_true(fleet_send(&fleet, &one, "d/acme/t-1/telemetry", 400));
    assert_false(fleet_send(&fleet, &one, "d/acme/t-1/telemetry", 1));
    assert_true(fleet_logged("bytes_per_second: more than 100 a second"));
    fleet_tick(&fleet, 1000);
    assert_true(fleet_send(&fleet, &one, "d/acme/t-1/telemetry", 100));
    assert_int_equal(ph_broker_metrics(fleet.broker)->denied[PH_REASON_BYTE_RATE], 1);
}

/* [PLG-34] and it is let in again: a rate is no reason to stay out */
static void disconnects_where_the_policy_says_so(void **state)
{
    (void)state;
    open_with(LIMITED("messages_per_second: 1, over: disconnect"));
    assert_int_equal(fleet_connect(&fleet, &two), PH_ADMIT);
    assert_true(fleet_send(&fleet, &one, "d/acme/t-1/telemetry", 1));
    assert_false(fleet_send(&fleet, &one, "d/acme/t-1/telemetry", 1));
    assert_false(fleet_send(&fleet, &one, "d/acme/t-1/telemetry", 1));
    assert_int_equal(fleet.kicks, 0);
    fleet_tick(&fleet, 0);
    assert_string_equal(fleet.told,
        "kick device:devices:acme/thermostat/t-1\n"
        "publish d/acme/t-1/status "
        "{\"v\":1,\"online\":false,\"time\":1790000000000,\"cut_off\":\"message-rate\"}\n");
    fleet_end(&fleet, &one);
    assert_int_equal(fleet_connect(&fleet, &one), PH_ADMIT);
    fleet_tick(&fleet, 1000);
    assert_true(fleet_send(&fleet, &one, "d/acme/t-1/telemetry", 1));
    assert_int_equal(fleet.kicks, 1);
}

/* [PLG-13] */
static void refuses_reserved_properties(void **state)
{
    (void)state;
    open_with(NULL);
    struct ph_provenance provenance;
    const struct ph_publish publish = {.client = &one,
        .user_name = one.user_name,
        .topic = "d/acme/t-1/telemetry",
        .reserved_property = "ph-x\ny"};
    assert_false(ph_broker_message(fleet.broker, &publish, &provenance));
    assert_null(provenance.identity);
    assert_true(fleet_logged("user property \\\"ph-x\\\\x0ay\\\": names with"));
    assert_true(fleet_audited(&fleet, "\"reason\":\"reserved-property\""));
}

/* [PLG-35] */
static void vouches_for_what_a_connection_publishes(void **state)
{
    (void)state;
    open_with(NULL);
    assert_int_equal(fleet_connect(&fleet, &ingest), PH_ADMIT);
    struct ph_provenance provenance;
    struct ph_publish publish = {
        .client = &one, .user_name = one.user_name, .topic = "d/acme/t-1/telemetry"};
    assert_true(ph_broker_message(fleet.broker, &publish, &provenance));
    assert_string_equal(provenance.identity, "devices:acme/thermostat/t-1");
    assert_string_equal(provenance.fingerprint, one.facts.fingerprint);
    /* a role with provenance: false, and whose certificate is not known */
    publish.client = &ingest;
    publish.user_name = ingest.user_name;
    assert_true(ph_broker_message(fleet.broker, &publish, &provenance));
    assert_null(provenance.identity);
    publish.user_name = one.user_name;
    assert_true(ph_broker_message(fleet.broker, &publish, &provenance));
    assert_null(provenance.identity);
    /* a renewed certificate vouches from its own connection on */
    struct fleet_device renewed;
    fleet_issue(&fleet, &renewed, FLEET_DEVICES, "acme", "t-1", FLEET_NOW_MS + 60 * FLEET_DAY_MS);
    assert_int_equal(fleet_connect(&fleet, &renewed), PH_ADMIT);
    publish.client = &renewed;
    assert_true(ph_broker_message(fleet.broker, &publish, &provenance));
    assert_string_equal(provenance.fingerprint, renewed.facts.fingerprint);
    fleet_device_fini(&renewed);
}

static const char quarantine_roles[] =
    "roles:\n"
    "  - name: device\n"
    "    match: {anchor: devices}\n"
    "    publish: ['d/{tenant}/{device}/telemetry', 'd/{tenant}/{device}/status']\n"
    "    subscribe: ['d/{tenant}/{device}/command', 'all/news']\n"
    "    limits: {payload_bytes: 1000, messages_per_second: 10, bytes_per_second: 100}\n"
    "quarantine:\n"
    "  publish: ['d/{tenant}/{device}/status', 'other/#']\n"
    "  subscribe: ['d/{tenant}/{device}/command']\n"
    "  limits: {payload_bytes: 50, messages_per_second: 2}\n";

/* [PLG-32] live, both ways, and what is left is what both allow */
static void keeps_little_in_quarantine(void **state)
{
    (void)state;
    open_with(quarantine_roles);
    assert_int_equal(fleet_connect(&fleet, &two), PH_ADMIT);
    fleet_write(&fleet, FLEET_DENY, "quarantine acme/thermostat/t-1\n");
    fleet_reload(&fleet);
    assert_true(fleet_logged("put in quarantine"));
    assert_true(fleet_audited(&fleet, "\"event\":\"quarantine\""));
    assert_int_equal(fleet.kicks, 0);
    assert_false(fleet_may(&fleet, &one, PH_ACCESS_WRITE, "d/acme/t-1/telemetry"));
    assert_true(fleet_logged("quarantine: \\\"publish\\\" of"));
    assert_true(fleet_audited(&fleet, "\"reason\":\"quarantine\""));
    assert_true(fleet_may(&fleet, &one, PH_ACCESS_WRITE, "d/acme/t-1/status"));
    assert_false(fleet_may(&fleet, &one, PH_ACCESS_WRITE, "other/x")); /* its role has not */
    assert_true(fleet_may(&fleet, &one, PH_ACCESS_READ, "d/acme/t-1/command"));
    assert_false(fleet_may(&fleet, &one, PH_ACCESS_READ, "all/news"));
    assert_true(fleet_may(&fleet, &two, PH_ACCESS_WRITE, "d/acme/t-2/telemetry"));
    /* of two limits the tighter; the role's own where the quarantine has none */
    assert_false(fleet_send(&fleet, &one, "d/acme/t-1/status", 51));
    assert_true(fleet_logged("role \\\"device\\\" in quarantine: payload_bytes: want at most 50"));
    assert_true(fleet_send(&fleet, &one, "d/acme/t-1/status", 50));
    assert_true(fleet_send(&fleet, &one, "d/acme/t-1/status", 50));
    assert_false(fleet_send(&fleet, &one, "d/acme/t-1/status", 50));
    assert_true(fleet_logged("in quarantine: messages_per_second: more than 2"));
    for (int i = 0; i < 60; i++) {
        fleet_tick(&fleet, 500);
        (void)fleet_send(&fleet, &one, "d/acme/t-1/status", 50);
        fleet_tick(&fleet, 1);
        (void)fleet_send(&fleet, &one, "d/acme/t-1/status", 50);
    }
    assert_int_equal(ph_broker_metrics(fleet.broker)->denied[PH_REASON_BYTE_RATE], 0);
    fleet_settle(&fleet);
    /* connecting anew changes nothing, nor do its user name and client id */
    assert_int_equal(fleet_connect(&fleet, &one), PH_ADMIT);
    assert_string_equal(one.user_name, "device:devices:acme/thermostat/t-1");
    assert_false(fleet_may(&fleet, &one, PH_ACCESS_WRITE, "d/acme/t-1/telemetry"));
    assert_true(fleet_audited(&fleet, "\"quarantined\":1"));
    /* nor that the table does not know it */
    static const struct fleet_device restored = {.user_name = "device:devices:acme/thermostat/t-7"};
    assert_true(fleet_may(&fleet, &restored, PH_ACCESS_READ, "all/news"));
    fleet_write(&fleet, FLEET_DENY, "quarantine acme/thermostat/t-7\n");
    fleet_reload(&fleet);
    assert_true(fleet_logged("released from quarantine"));
    assert_true(fleet_may(&fleet, &one, PH_ACCESS_WRITE, "d/acme/t-1/telemetry"));
    assert_false(fleet_may(&fleet, &restored, PH_ACCESS_READ, "all/news"));
    assert_int_equal(fleet.kicks, 0);
}

/* [PLG-32] nothing of its role, where the policy has no quarantine */
static void keeps_nothing_in_a_quarantine_without_rights(void **state)
{
    (void)state;
    open_with(NULL);
    fleet_write(&fleet, FLEET_DENY, "quarantine devices:acme/thermostat/t-1\n");
    fleet_reload(&fleet);
    assert_false(fleet_may(&fleet, &one, PH_ACCESS_WRITE, "d/acme/t-1/status"));
    assert_false(fleet_may(&fleet, &one, PH_ACCESS_READ, "all/news"));
    assert_false(fleet_may(&fleet, &one, PH_ACCESS_SUBSCRIBE, "all/news"));
}

/* [PLG-20] [PLG-37] */
static void records_denials(void **state)
{
    (void)state;
    open_with(NULL);
    char quotes[512];
    memset(quotes, '"', sizeof quotes - 1);
    quotes[sizeof quotes - 1] = '\0';
    assert_false(fleet_may(&fleet, &one, PH_ACCESS_SUBSCRIBE, quotes));
    assert_true(fleet_logged(
        "msg=\"access refused\" user=device:devices:acme/thermostat/t-1 action=subscribe"));
    assert_true(
        fleet_audited(&fleet, "\"event\":\"deny\",\"identity\":\"devices:acme/thermostat/t-1\","
                              "\"action\":\"subscribe\""));
    for (int i = 0; i < 1000; i++) {
        assert_false(fleet_may(&fleet, &one, PH_ACCESS_WRITE, "nobody/is\n/allowed"));
    }
    assert_int_equal(fleet_audited_count(&fleet, "\"event\":\"deny\""), 5);
    assert_false(fleet_audited(&fleet, "is\n/allowed"));
    assert_int_equal(ph_broker_metrics(fleet.broker)->denied[PH_REASON_TOPIC], 1001);
}

/* [PLG-41] */
static void records_the_first_use_of_a_grant(void **state)
{
    (void)state;
    open_with(NULL);
    for (int i = 0; i < 3; i++) {
        assert_true(fleet_may(&fleet, &one, PH_ACCESS_WRITE, "d/acme/t-1/telemetry"));
        assert_true(fleet_may(&fleet, &one, PH_ACCESS_WRITE, "d/acme/t-1/status"));
        assert_true(fleet_may(&fleet, &one, PH_ACCESS_READ, "all/news"));
        assert_int_equal(fleet_connect(&fleet, &one), PH_ADMIT);
    }
    assert_int_equal(fleet_audited_count(&fleet, "\"event\":\"use\""), 3);
    assert_true(fleet_audited(&fleet,
        "\"event\":\"use\",\"identity\":\"devices:acme/thermostat/t-1\",\"role\":\"device\","
        "\"action\":\"publish\",\"template\":\"d/{tenant}/{device}/telemetry\""));
    assert_true(fleet_audited(&fleet, "\"action\":\"receive\",\"template\":\"all/news\""));
    /* a policy with the same lists is no reason to tell again, one with others is */
    ph_broker_reload(fleet.broker, fleet.now_ms, fleet.now_monotonic_ms);
    fleet_reload(&fleet);
    assert_true(fleet_may(&fleet, &one, PH_ACCESS_READ, "all/news"));
    assert_int_equal(fleet_audited_count(&fleet, "\"event\":\"use\""), 3);
    fleet_write_policy(&fleet, NULL, quarantine_roles);
    fleet_reload(&fleet);
    assert_true(fleet_may(&fleet, &one, PH_ACCESS_READ, "all/news"));
    assert_int_equal(fleet_audited_count(&fleet, "\"event\":\"use\""), 4);
}

#define TEST(f) cmocka_unit_test_teardown(f, close_broker)

/* [PLG-37] A device that comes and goes all the time does not fill the disk. */
static void records_few_connects_of_a_restless_device(void **state)
{
    (void)state;
    open_with(NULL);
    for (int i = 0; i < 500; i++) {
        fleet_end(&fleet, &one);
        assert_int_equal(fleet_connect(&fleet, &one), PH_ADMIT);
    }
    assert_true(fleet_may(&fleet, &one, PH_ACCESS_READ, "all/news"));
    assert_int_equal(fleet_audited_count(&fleet, "\"event\":\"connect\""), 60);
    assert_int_equal(fleet_audited_count(&fleet, "\"event\":\"disconnect\""), 60);
    assert_int_equal(fleet_connect(&fleet, &two), PH_ADMIT);
    assert_int_equal(fleet_audited_count(&fleet, "\"event\":\"connect\""), 61);
    fleet_end(&fleet, &one);
    fleet_tick(&fleet, 10000);
    assert_int_equal(fleet_connect(&fleet, &one), PH_ADMIT);
    assert_true(fleet_audited(&fleet, "\"suppressed\":441,"));
    assert_true(fleet_may(&fleet, &one, PH_ACCESS_READ, "all/news"));
    assert_int_equal(fleet_audited_count(&fleet, "\"event\":\"use\""), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(knows_who_by_the_user_name),
        TEST(tells_wills_from_publishes),
        TEST(limits_payloads),
        TEST(limits_messages_of_an_identity),
        TEST(limits_bytes_of_an_identity),
        TEST(disconnects_where_the_policy_says_so),
        TEST(refuses_reserved_properties),
        TEST(vouches_for_what_a_connection_publishes),
        TEST(keeps_little_in_quarantine),
        TEST(keeps_nothing_in_a_quarantine_without_rights),
        TEST(records_denials),
        TEST(records_the_first_use_of_a_grant),
        TEST(records_few_connects_of_a_restless_device),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
