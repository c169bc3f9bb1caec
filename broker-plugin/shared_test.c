/* Many connections of one identity. [PLG-42] to [PLG-45] */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker-plugin/broker_inside.h"
#include "broker-plugin/fleet_fixture.h"

#define ENROLL "claim/acme/batch/enroll"
#define ANSWER "claim/acme/batch/certificate/r1"

static const char roles[] =
    "roles:\n"
    "  - name: claim\n"
    "    match: {anchor: devices, kind: thermostat, device: batch}\n"
    "    client_id: '{tenant}/claim/{device}/*'\n"
    "    publish: ['claim/{tenant}/{device}/enroll']\n"
    "    subscribe: ['claim/{tenant}/{device}/certificate/+']\n"
    "    limits: {messages_per_second: 1, message_burst: 10, bytes_per_second: 100}\n"
    "  - name: device\n"
    "    match: {anchor: devices}\n"
    "    publish: ['d/{tenant}/{device}/telemetry', 'd/{tenant}/{device}/status']\n"
    "    will: ['d/{tenant}/{device}/status']\n"
    "    status: 'd/{tenant}/{device}/status'\n"
    "    limits: {messages_per_second: 1, message_burst: 10}\n";

enum { HOLDERS = 3 };

static struct fleet fleet;
static struct fleet_device claim;
static struct fleet_device device;
static struct fleet_device holders[HOLDERS]; /* of the claim */

/* Another holder of the same key and certificate. */
static void share(struct fleet_device *out, const struct fleet_device *from, const char *id)
{
    *out = *from;
    out->user_name[0] = '\0';
    (void)snprintf(out->client_id, sizeof out->client_id, "acme/claim/batch/%s", id);
}

static int set_up(void **state)
{
    (void)state;
    fleet_init(&fleet);
    fleet_write_policy(&fleet, NULL, roles);
    fleet_open(&fleet);
    fleet_issue(&fleet, &claim, FLEET_DEVICES, "acme", "batch", FLEET_NOW_MS + 30 * FLEET_DAY_MS);
    fleet_issue(&fleet, &device, FLEET_DEVICES, "acme", "t-1", FLEET_NOW_MS + 30 * FLEET_DAY_MS);
    assert_int_equal(fleet_connect(&fleet, &device), PH_ADMIT);
    for (int i = 0; i < HOLDERS; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "holder-%d", i);
        share(&holders[i], &claim, id);
        assert_int_equal(fleet_connect(&fleet, &holders[i]), PH_ADMIT);
        assert_string_equal(holders[i].user_name, "claim:devices:acme/thermostat/batch");
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fleet_device_fini(&claim);
    fleet_device_fini(&device);
    fleet_fini(&fleet);
    return 0;
}

static bool enrols(const struct fleet_device *holder)
{
    return fleet_may(&fleet, holder, PH_ACCESS_WRITE, ENROLL);
}

static bool is_served(const struct fleet_device *holder)
{
    return enrols(holder) && fleet_may(&fleet, holder, PH_ACCESS_READ, ANSWER);
}

static size_t entries(void)
{
    return ph_sessions_count(fleet.broker->sessions);
}

/* What the broker does when it ends a connection: it says so at once. */
static void end_kicked(struct fleet *told, const char *name)
{
    for (int i = 0; i < HOLDERS; i++) {
        if (strcmp(holders[i].client_id, name) == 0) {
            fleet_end(told, &holders[i]);
            return; /* the name went with the entry */
        }
    }
}

/* [PLG-42] */
static void all_of_them_are_served(void **state)
{
    (void)state;
    for (int i = 0; i < HOLDERS; i++) {
        const struct ph_publish publish = {.client = &holders[i],
            .user_name = holders[i].user_name,
            .topic = ENROLL,
            .payload_bytes = 1};
        struct ph_provenance provenance;
        assert_true(is_served(&holders[i]));
        assert_true(
            fleet_may(&fleet, &holders[i], PH_ACCESS_SUBSCRIBE, "claim/acme/batch/certificate/+"));
        assert_true(ph_broker_message(fleet.broker, &publish, &provenance));
        assert_string_equal(provenance.identity, "devices:acme/thermostat/batch");
        assert_string_equal(provenance.fingerprint, claim.facts.fingerprint);
    }
    fleet_end(&fleet, &holders[1]);
    assert_true(is_served(&holders[0]) && is_served(&holders[2]));
    /* what the one that is gone asks for is its will, and none may have one */
    assert_false(enrols(&holders[1]));
    assert_true(fleet_logged("action=will"));
    assert_int_equal(fleet.kicks, 0);
}

/* [PLG-42] the older one's will comes after the newer one was admitted */
static void a_takeover_is_of_one_client_id(void **state)
{
    (void)state;
    struct fleet_device again;
    size_t before = entries();
    share(&again, &claim, "holder-1");
    assert_int_equal(fleet_connect(&fleet, &again), PH_ADMIT);
    assert_int_equal(entries(), before);
    assert_false(enrols(&holders[1]));
    assert_true(fleet_logged("action=will"));
    fleet_end(&fleet, &holders[1]);
    assert_true(is_served(&again) && is_served(&holders[0]) && is_served(&holders[2]));
    fleet_tick(&fleet, 0);
    assert_int_equal(fleet.kicks, 0);
    /* an address that another has now */
    share(&holders[0], &claim, "other");
    assert_int_equal(fleet_connect(&fleet, &holders[0]), PH_ADMIT);
    assert_int_equal(entries(), before);
    assert_true(is_served(&holders[0]));
}

/* [PLG-34] [PLG-43] */
static void limits_are_of_the_identity(void **state)
{
    (void)state;
    for (int i = 0; i < 9; i++) {
        assert_true(fleet_send(&fleet, &holders[i % HOLDERS], ENROLL, 1));
    }
    fleet_end(&fleet, &holders[0]);
    assert_int_equal(fleet_connect(&fleet, &holders[0]), PH_ADMIT);
    assert_true(fleet_send(&fleet, &holders[0], ENROLL, 1));
    for (int i = 0; i < HOLDERS; i++) {
        assert_false(fleet_send(&fleet, &holders[i], ENROLL, 1));
    }
    assert_true(fleet_logged("role \\\"claim\\\": messages_per_second: more than 1 a second"));
    /* nor does it help to go and come with other client ids */
    for (int i = 0; i < HOLDERS; i++) {
        fleet_end(&fleet, &holders[i]);
    }
    share(&holders[0], &claim, "fresh");
    assert_int_equal(fleet_connect(&fleet, &holders[0]), PH_ADMIT);
    assert_false(fleet_send(&fleet, &holders[0], ENROLL, 1));
    assert_true(fleet_send(&fleet, &device, "d/acme/t-1/telemetry", 1)); /* nobody else's */
    fleet_tick(&fleet, 1000);
    assert_true(fleet_send(&fleet, &holders[0], ENROLL, 1));
    assert_false(fleet_send(&fleet, &holders[0], ENROLL, 1));
    fleet_tick(&fleet, 60000);
    assert_true(fleet_send(&fleet, &holders[0], ENROLL, 999));
    assert_false(fleet_send(&fleet, &holders[0], ENROLL, 2));
    assert_true(fleet_logged("bytes_per_second: more than 100 a second"));
}

/* [PLG-25] [PLG-44] */
static void a_denied_identity_loses_them_all(void **state)
{
    (void)state;
    fleet_write(&fleet, FLEET_DENY, "deny identity acme/thermostat/batch\n");
    fleet_wait_reload(&fleet);
    for (int i = 0; i < HOLDERS; i++) { /* at once, whatever is still to be told */
        assert_false(fleet_may(&fleet, &holders[i], PH_ACCESS_READ, ANSWER));
        assert_false(enrols(&holders[i]));
        assert_false(fleet_send(&fleet, &holders[i], ENROLL, 1));
    }
    fleet_settle(&fleet);
    assert_int_equal(fleet.kicks, HOLDERS);
    for (int i = 0; i < HOLDERS; i++) {
        fleet_end(&fleet, &holders[i]);
        char line[300];
        (void)snprintf(line, sizeof line, "kick-client %s\n", holders[i].client_id);
        assert_true(fleet_told(&fleet, line));
        assert_int_equal(fleet_connect(&fleet, &holders[i]), PH_REFUSE);
        assert_false(fleet_may(&fleet, &holders[i], PH_ACCESS_READ, ANSWER));
    }
    assert_int_equal(fleet_audited_count(&fleet, "\"event\":\"cut-off\""), HOLDERS);
    assert_int_equal(fleet.publishes, 0);
    assert_true(fleet_may(&fleet, &device, PH_ACCESS_WRITE, "d/acme/t-1/telemetry"));
    assert_int_equal(entries(), 2); /* the identity's own, and the device */
    fleet_write(&fleet, FLEET_DENY, "# nobody\n");
    fleet_reload(&fleet);
    assert_int_equal(fleet_connect(&fleet, &holders[0]), PH_ADMIT);
    assert_true(is_served(&holders[0]));
}

/* [PLG-25] [PLG-44] a claim that was issued anew: only the old certificate's holders go */
static void a_revoked_certificate_loses_its_own(void **state)
{
    (void)state;
    struct fleet_device renewed;
    struct fleet_device holder;
    fleet_issue(&fleet, &renewed, FLEET_DEVICES, "acme", "batch", FLEET_NOW_MS + 30 * FLEET_DAY_MS);
    share(&holder, &renewed, "holder-9");
    assert_int_equal(fleet_connect(&fleet, &holder), PH_ADMIT);
    fleet.on_kick = end_kicked;
    fleet_revoke(&fleet, FLEET_DEVICES, claim.facts.serial);
    fleet_reload(&fleet);
    assert_int_equal(fleet.kicks, HOLDERS);
    assert_false(fleet_told(&fleet, "kick-client acme/claim/batch/holder-9\n"));
    assert_true(is_served(&holder));
    for (int i = 0; i < HOLDERS; i++) {
        assert_int_equal(fleet_connect(&fleet, &holders[i]), PH_REFUSE);
        assert_false(enrols(&holders[i]));
    }
    /* the other way round: the last that came is the one to go, and the rest stays */
    fleet_forget(&fleet);
    fleet_revoke(&fleet, FLEET_DEVICES, renewed.facts.serial);
    fleet_reload(&fleet);
    assert_int_equal(fleet.kicks, 1);
    assert_true(fleet_told(&fleet, "kick-client acme/claim/batch/holder-9\n"));
    assert_false(is_served(&holder));
    fleet_device_fini(&renewed);
}

/* [PLG-27] [PLG-44] */
static void expired_they_all_go(void **state)
{
    (void)state;
    fleet.on_kick = end_kicked;
    fleet.now_ms = claim.facts.not_after_ms + 1000;
    fleet_pass(&fleet, 2);
    fleet_settle(&fleet);
    assert_true(fleet_told(&fleet, "kick-client acme/claim/batch/holder-0\n"));
    assert_true(fleet_told(&fleet, "kick-client acme/claim/batch/holder-1\n"));
    assert_true(fleet_told(&fleet, "kick-client acme/claim/batch/holder-2\n"));
    assert_false(is_served(&holders[0]));
}

/* [PLG-32] told once, and live */
static void in_quarantine_none_keeps_anything(void **state)
{
    (void)state;
    fleet_write(&fleet, FLEET_DENY, "quarantine acme/thermostat/batch\n");
    fleet_reload(&fleet);
    for (int i = 0; i < HOLDERS; i++) {
        assert_false(enrols(&holders[i]));
        assert_false(fleet_may(&fleet, &holders[i], PH_ACCESS_READ, ANSWER));
    }
    assert_int_equal(fleet.kicks, 0);
    assert_int_equal(fleet_audited_count(&fleet, "\"event\":\"quarantine\""), 1);
    fleet_end(&fleet, &holders[0]);
    assert_int_equal(fleet_connect(&fleet, &holders[0]), PH_ADMIT);
    assert_false(enrols(&holders[0]));
    fleet_write(&fleet, FLEET_DENY, "# nobody\n");
    fleet_reload(&fleet);
    assert_true(is_served(&holders[0]) && is_served(&holders[2]));
}

/* [PLG-45] */
static void entries_end_with_their_connections(void **state)
{
    (void)state;
    size_t before = entries();
    for (int i = 0; i < 10000; i++) {
        struct fleet_device holder;
        char id[16];
        (void)snprintf(id, sizeof id, "again-%d", i);
        share(&holder, &claim, id);
        assert_int_equal(fleet_connect(&fleet, &holder), PH_ADMIT);
        fleet_end(&fleet, &holder);
    }
    assert_int_equal(entries(), before);
    /* the identity's stays while one of them stands, and ten minutes longer */
    fleet_pass(&fleet, 61);
    fleet.now_monotonic_ms += 700000;
    fleet_pass(&fleet, 61);
    assert_int_equal(entries(), before);
    for (int i = 0; i < HOLDERS; i++) {
        fleet_end(&fleet, &holders[i]);
    }
    assert_int_equal(entries(), 2);
    fleet.now_monotonic_ms += 500000;
    fleet_pass(&fleet, 61);
    assert_int_equal(entries(), 2);
    fleet.now_monotonic_ms += 200000;
    fleet_pass(&fleet, 61);
    assert_int_equal(entries(), 1);
}

/* [PLG-45] */
static void there_may_be_so_many_at_once(void **state)
{
    (void)state;
    enum { MORE = PH_LIMIT_SHARED_CONNECTIONS - HOLDERS };
    static struct fleet_device many[MORE + 1];
    char id[16];
    for (int i = 0; i <= MORE; i++) {
        (void)snprintf(id, sizeof id, "many-%d", i);
        share(&many[i], &claim, id);
        assert_int_equal(fleet_connect(&fleet, &many[i]), i < MORE ? PH_ADMIT : PH_REFUSE);
    }
    assert_true(fleet_logged("connection: this identity has 4096 at once, the most there may be"));
    assert_true(fleet_audited(&fleet, "\"reason\":\"connections\""));
    assert_true(is_served(&many[0]) && is_served(&many[MORE - 1]));
    assert_int_equal(fleet_connect(&fleet, &device), PH_ADMIT);
    fleet_end(&fleet, &many[7]);
    assert_int_equal(fleet_connect(&fleet, &many[MORE]), PH_ADMIT);
    /* all of them go, in portions */
    fleet_write(&fleet, FLEET_DENY, "deny identity acme/thermostat/batch\n");
    fleet_reload(&fleet);
    assert_int_equal(fleet.kicks, PH_LIMIT_SHARED_CONNECTIONS);
}

static const char fixed_roles[] = "roles:\n"
                                  "  - name: claim\n"
                                  "    match: {anchor: devices, kind: thermostat, device: batch}\n"
                                  "    client_id: '{tenant}/claim/{device}/holder-0'\n"
                                  "    publish: ['claim/{tenant}/{device}/enroll']\n"
                                  "    will: ['claim/{tenant}/{device}/enroll']\n"
                                  "  - {name: device, match: {anchor: devices}}\n";

/* [PLG-7] [PLG-25] [PLG-36] a new policy makes one connection of many, and many of one */
static void the_policy_may_change_its_mind(void **state)
{
    (void)state;
    struct fleet_device again;
    fleet.on_kick = end_kicked;
    fleet_write_policy(&fleet, NULL, fixed_roles);
    fleet_reload(&fleet);
    assert_int_equal(fleet.kicks, HOLDERS - 1);
    assert_true(fleet_logged("client id: want"));
    assert_true(enrols(&holders[0]));
    assert_false(enrols(&holders[1]));
    /* its one connection now; the one that the broker ends for it asks for its will */
    share(&again, &claim, "holder-0");
    assert_int_equal(fleet_connect(&fleet, &again), PH_ADMIT);
    const struct ph_access access = {.client = &holders[0],
        .user_name = holders[0].user_name,
        .topic = ENROLL,
        .type = PH_ACCESS_WRITE,
        .has_address = true};
    assert_int_equal(ph_broker_action(fleet.broker, &access), PH_ACTION_WILL);
    fleet_end(&fleet, &holders[0]);
    assert_true(enrols(&again));
    assert_int_equal(entries(), 2);
    /* and back: the one has no place among many, so the next that comes ends it */
    fleet_write_policy(&fleet, NULL, roles);
    fleet_reload(&fleet);
    fleet_forget(&fleet);
    assert_true(enrols(&again));
    assert_int_equal(fleet_connect(&fleet, &holders[1]), PH_ADMIT);
    assert_true(enrols(&holders[1]));
    fleet_settle(&fleet);
    assert_true(fleet_told(&fleet, "kick claim:devices:acme/thermostat/batch\n"));
}

/* [PLG-37] [PLG-41] sixty connects at once, whatever their client ids, and each grant once */
static void records_are_of_the_identity(void **state)
{
    (void)state;
    static struct fleet_device many[100];
    char id[16];
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++) {
        (void)snprintf(id, sizeof id, "many-%zu", i);
        share(&many[i], &claim, id);
        assert_int_equal(fleet_connect(&fleet, &many[i]), PH_ADMIT);
        assert_true(is_served(&many[i]));
        fleet_end(&fleet, &many[i]);
    }
    assert_int_equal(fleet_audited_count(&fleet, "\"event\":\"connect\""), 60 + 1);
    assert_int_equal(fleet_audited_count(&fleet, "\"event\":\"disconnect\""), 60 - HOLDERS);
    assert_int_equal(fleet_audited_count(&fleet, "\"event\":\"use\""), 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(all_of_them_are_served),
        TEST(a_takeover_is_of_one_client_id),
        TEST(limits_are_of_the_identity),
        TEST(a_denied_identity_loses_them_all),
        TEST(a_revoked_certificate_loses_its_own),
        TEST(expired_they_all_go),
        TEST(in_quarantine_none_keeps_anything),
        TEST(entries_end_with_their_connections),
        TEST(there_may_be_so_many_at_once),
        TEST(the_policy_may_change_its_mind),
        TEST(records_are_of_the_identity),
    };
    return cmocka_run_group_tests_name("ph.broker.shared", tests, NULL, NULL);
}
