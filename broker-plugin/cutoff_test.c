/* [PLG-4], [PLG-7], [PLG-18], [PLG-19], [PLG-23], [PLG-25] to [PLG-29], [PLG-31], [PLG-36] */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "broker-plugin/fleet_fixture.h"

enum { ONE, TWO, THREE, FAR, NEAR, SHORT, OTHER_TENANT, DEVICES };

static struct fleet fleet;
static struct fleet_device devices[DEVICES];

static const struct {
    enum fleet_ca ca;
    const char *tenant;
    const char *name;
    int64_t life_ms;
} device_specs[DEVICES] = {
    [ONE] = {FLEET_DEVICES, "acme", "t-1", 30 * FLEET_DAY_MS},
    [TWO] = {FLEET_DEVICES, "acme", "t-2", 30 * FLEET_DAY_MS},
    [THREE] = {FLEET_DEVICES, "acme", "t-3", 30 * FLEET_DAY_MS},
    [FAR] = {FLEET_FIELD, "acme", "f-1", 30 * FLEET_DAY_MS},
    [NEAR] = {FLEET_FIELD, "acme", "f-2", 30 * FLEET_DAY_MS},
    [SHORT] = {FLEET_DEVICES, "acme", "s-1", FLEET_HOUR_MS},
    [OTHER_TENANT] = {FLEET_DEVICES, "globex", "t-1", 30 * FLEET_DAY_MS},
};

static int set_up(void **state)
{
    (void)state;
    fleet_init(&fleet);
    for (int i = 0; i < DEVICES; i++) {
        fleet_issue(&fleet, &devices[i], device_specs[i].ca, device_specs[i].tenant,
            device_specs[i].name, FLEET_NOW_MS + device_specs[i].life_ms);
    }
    fleet_open(&fleet);
    for (int i = 0; i < DEVICES; i++) {
        assert_int_equal(fleet_connect(&fleet, &devices[i]), PH_ADMIT);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < DEVICES; i++) {
        fleet_device_fini(&devices[i]);
    }
    fleet_fini(&fleet);
    return 0;
}

static bool kicked(int device)
{
    char line[PH_USER_NAME_BYTES + 8];
    (void)snprintf(line, sizeof line, "kick %s\n", devices[device].user_name);
    return fleet_told(&fleet, line);
}

static bool may_anything(int device)
{
    char topic[256];
    const struct fleet_device *who = &devices[device];
    const char *tenant = device_specs[device].tenant;
    (void)snprintf(topic, sizeof topic, "d/%s/%s/command", tenant, device_specs[device].name);
    bool may = fleet_may(&fleet, who, PH_ACCESS_READ, topic);
    may = fleet_may(&fleet, who, PH_ACCESS_SUBSCRIBE, topic) || may;
    (void)snprintf(topic, sizeof topic, "d/%s/%s/status", tenant, device_specs[device].name);
    may = fleet_may(&fleet, who, PH_ACCESS_WRITE, topic) || may; /* its will, once it is offline */
    may = fleet_send(&fleet, who, topic, 1) || may;
    /* a retained message that it once published */
    const struct ph_access source = {
        .client = &may, .user_name = who->user_name, .topic = topic, .type = PH_ACCESS_WRITE};
    return ph_broker_access(fleet.broker, &source) || may;
}

/* Only `device` was cut off, and the host was told to end its connection, once, and what to say. */
static void assert_cut_off(int device, const char *reason)
{
    char text[256];
    (void)snprintf(text, sizeof text,
        "publish d/%s/%s/status {\"v\":1,\"online\":false,\"time\":%lld,\"cut_off\":\"%s\"}\n",
        device_specs[device].tenant, device_specs[device].name, (long long)fleet.now_ms, reason);
    if (!kicked(device) || !fleet_told(&fleet, text) || fleet.kicks != 1 || fleet.publishes != 1) {
        fail_msg("want a kick of %s and \"%s\", have \"%s\"", devices[device].user_name, text,
            fleet.told);
    }
    assert_true(strncmp(fleet.told, "kick ", 5) == 0); /* first the connection, then the status */
    assert_false(may_anything(device));
    (void)snprintf(text, sizeof text, "\"connected\":1,\"reason\":\"%s\"", reason);
    assert_true(fleet_audited(&fleet, "\"event\":\"cut-off\""));
    assert_true(fleet_audited(&fleet, text));
    assert_true(fleet_logged("msg=\"cut off\" user=device:devices:"));
    for (int i = 0; i < DEVICES; i++) {
        if (i != device && !may_anything(i)) {
            fail_msg("%s has lost its rights", devices[i].user_name);
        }
    }
    assert_int_equal(fleet_connect(&fleet, &devices[device]), PH_REFUSE);
    assert_false(may_anything(device));
    fleet_forget(&fleet);
    fleet_tick(&fleet, 1000);
    fleet_settle(&fleet);
    assert_string_equal(fleet.told, "");
}

/* ---- who must go ---- */

/* [PLG-25] */
static void cuts_off_a_revoked_certificate(void **state)
{
    (void)state;
    fleet_revoke(&fleet, FLEET_DEVICES, devices[ONE].facts.serial);
    fleet_reload(&fleet);
    assert_true(fleet_logged("policy reloaded"));
    assert_cut_off(ONE, "revoked");
    assert_int_equal(ph_broker_metrics(fleet.broker)->cut_off[PH_REASON_REVOKED], 1);
    /* the next revocation acts on the next one only */
    fleet_revoke(&fleet, FLEET_DEVICES, devices[TWO].facts.serial);
    fleet_reload(&fleet);
    assert_true(kicked(TWO));
    assert_int_equal(fleet.kicks, 1);
}

/* [PLG-25] */
static void cuts_off_all_below_a_revoked_ca(void **state)
{
    (void)state;
    struct ph_certificate_facts field;
    struct ph_error error = {0};
    assert_int_equal(
        ph_certificate_facts(fleet.authorities[FLEET_FIELD].certificate, &field, &error), PH_OK);
    fleet_revoke(&fleet, FLEET_ROOT, field.serial);
    fleet_reload(&fleet);
    assert_true(kicked(FAR) && kicked(NEAR));
    assert_int_equal(fleet.kicks, 2);
    assert_int_equal(ph_broker_metrics(fleet.broker)->cut_off[PH_REASON_CA_REVOKED], 2);
    assert_true(fleet_told(&fleet, "\"cut_off\":\"ca-revoked\""));
    assert_false(may_anything(FAR) || may_anything(NEAR));
    assert_true(may_anything(ONE));
}

/* [PLG-25] a CA that the anchor no longer has */
static void cuts_off_all_below_a_removed_ca(void **state)
{
    (void)state;
    static const char anchors[] = "lists: [deny.txt]\n"
                                  "anchors:\n"
                                  "  - name: devices\n"
                                  "    ca: [root.pem, devices.pem]\n"
                                  "    crl: [root.crl, devices.crl]\n"
                                  "  - {name: services, ca: [root.pem, services.pem], "
                                  "crl: [root.crl, services.crl], kinds: [service]}\n";
    fleet_write_policy(&fleet, anchors, NULL);
    fleet_reload(&fleet);
    assert_true(kicked(FAR) && kicked(NEAR));
    assert_int_equal(fleet.kicks, 2);
    assert_true(fleet_told(&fleet, "\"cut_off\":\"unknown-ca\""));
    assert_int_equal(fleet_connect(&fleet, &devices[FAR]), PH_REFUSE);
    assert_true(may_anything(ONE));
}

/* [PLG-31] and it is let in again once the line is gone */
static void cuts_off_whom_a_list_denies(void **state)
{
    (void)state;
    char serial[512];
    char key[256];
    (void)snprintf(serial, sizeof serial, "deny serial %s %s\n", devices[ONE].facts.serial,
        devices[ONE].facts.issuer);
    (void)snprintf(key, sizeof key, "deny key %s\n", devices[ONE].facts.key_hash);
    const struct {
        const char *list;
        const char *reason;
    } cases[] = {
        {"deny identity acme/thermostat/t-1\n", "denied-identity"},
        {"deny identity devices:acme/thermostat/t-1\n", "denied-identity"},
        {serial, "denied-serial"},
        {key, "denied-key"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fleet_write(&fleet, FLEET_DENY, cases[i].list);
        fleet_reload(&fleet);
        assert_cut_off(ONE, cases[i].reason);
        assert_true(fleet_audited(&fleet, "to let it in, remove the line"));
        fleet_write(&fleet, FLEET_DENY, "# nobody any more\n");
        fleet_reload(&fleet);
        assert_int_equal(fleet.kicks, 0);
        assert_false(may_anything(ONE)); /* not by itself: it has to prove itself anew */
        assert_int_equal(fleet_connect(&fleet, &devices[ONE]), PH_ADMIT);
        assert_true(may_anything(ONE));
        fleet_forget(&fleet);
    }
    /* nobody else's serial number or anchor */
    (void)snprintf(serial, sizeof serial,
        "deny serial %s CN=another\ndeny identity services:acme/thermostat/t-1\n",
        devices[ONE].facts.serial);
    fleet_write(&fleet, FLEET_DENY, serial);
    fleet_reload(&fleet);
    assert_int_equal(fleet.kicks, 0);
    assert_true(may_anything(ONE));
}

/* [PLG-31] a stolen key does not come back with a renewed certificate, nor for another identity */
static void denies_a_key_in_every_certificate(void **state)
{
    (void)state;
    char list[256];
    (void)snprintf(list, sizeof list, "deny key %s\n", devices[ONE].facts.key_hash);
    fleet_write(&fleet, FLEET_DENY, list);
    fleet_reload(&fleet);
    assert_cut_off(ONE, "denied-key");
    struct fleet_device renewed;
    fleet_renew(&fleet, &renewed, &devices[ONE], FLEET_DEVICES, "acme", "t-1");
    assert_int_equal(fleet_connect(&fleet, &renewed), PH_REFUSE);
    fleet_device_fini(&renewed);
    fleet_renew(&fleet, &renewed, &devices[ONE], FLEET_FIELD, "globex", "t-99");
    assert_int_equal(fleet_connect(&fleet, &renewed), PH_REFUSE);
    fleet_device_fini(&renewed);
    fleet_issue(&fleet, &renewed, FLEET_DEVICES, "acme", "t-1", FLEET_NOW_MS + 30 * FLEET_DAY_MS);
    assert_int_equal(fleet_connect(&fleet, &renewed), PH_ADMIT); /* with a new key */
    fleet_device_fini(&renewed);
}

/* [PLG-25] */
static void cuts_off_who_is_no_longer_permitted(void **state)
{
    (void)state;
    static const char roles[] =
        "roles:\n"
        "  - name: device\n"
        "    match: {anchor: devices, kind: thermostat, device: 't-*'}\n"
        "    publish: ['d/{tenant}/{device}/telemetry', 'd/{tenant}/{device}/status']\n"
        "    status: 'd/{tenant}/{device}/status'\n";
    fleet_write_policy(&fleet, NULL, roles);
    fleet_reload(&fleet);
    assert_true(kicked(FAR) && kicked(NEAR) && kicked(SHORT));
    assert_int_equal(fleet.kicks, 3);
    /* on the topic that the role had, although the new policy does not know it */
    assert_true(fleet_told(&fleet, "publish d/acme/f-1/status {"));
    assert_true(fleet_told(&fleet, "\"cut_off\":\"no-role\""));
    assert_false(may_anything(FAR));
    assert_int_equal(fleet_connect(&fleet, &devices[FAR]), PH_REFUSE);
}

/* [PLG-25] */
static void cuts_off_a_tenant_that_its_anchor_lost(void **state)
{
    (void)state;
    static const char anchors[] = "lists: [deny.txt]\n"
                                  "anchors:\n"
                                  "  - name: devices\n"
                                  "    ca: [root.pem, devices.pem, field.pem]\n"
                                  "    crl: [root.crl, devices.crl, field.crl]\n"
                                  "    tenants: [acme]\n"
                                  "  - {name: services, ca: [root.pem, services.pem], "
                                  "crl: [root.crl, services.crl], kinds: [service]}\n";
    fleet_write_policy(&fleet, anchors, NULL);
    fleet_reload(&fleet);
    assert_cut_off(OTHER_TENANT, "no-role");
}

/* [PLG-25] what they would be called now is not known without their certificates */
static void cuts_off_whose_identity_is_read_otherwise(void **state)
{
    (void)state;
    static const char anchors[] = "lists: [deny.txt]\n"
                                  "anchors:\n"
                                  "  - name: devices\n"
                                  "    ca: [root.pem, devices.pem, field.pem]\n"
                                  "    crl: [root.crl, devices.crl, field.crl]\n"
                                  "    identity: common_name\n"
                                  "    tenants: [acme]\n"
                                  "    kinds: [thermostat]\n"
                                  "  - {name: services, ca: [root.pem, services.pem], "
                                  "crl: [root.crl, services.crl], kinds: [service]}\n";
    fleet_write_policy(&fleet, anchors, NULL);
    fleet_reload(&fleet);
    assert_int_equal(fleet.kicks, DEVICES);
    assert_true(fleet_told(&fleet, "\"cut_off\":\"identity\""));
    assert_true(fleet_logged("identity is read from another place now; connect again"));
    assert_false(may_anything(ONE));
    assert_int_equal(fleet_connect(&fleet, &devices[ONE]), PH_ADMIT);
    assert_true(may_anything(ONE));
}

#define RENAMED_ROLE(client_id, command)                                                           \
    "roles:\n"                                                                                     \
    "  - name: later\n"                                                                            \
    "    match: {anchor: devices}\n"                                                               \
    "    client_id: '" client_id "'\n"                                                             \
    "    publish: ['d/{tenant}/{device}/telemetry', 'd/{tenant}/{device}/status']\n"               \
    "    will: ['d/{tenant}/{device}/status']\n"                                                   \
    "    subscribe: ['d/{tenant}/{device}/" command "']\n"

/* [PLG-7] */
static void gives_new_rights_without_reconnecting(void **state)
{
    (void)state;
    assert_true(fleet_may(&fleet, &devices[ONE], PH_ACCESS_READ, "d/acme/t-1/command"));
    fleet_write_policy(&fleet, NULL, RENAMED_ROLE("{tenant}/{kind}/{device}", "orders"));
    fleet_reload(&fleet);
    assert_int_equal(fleet.kicks, 0);
    assert_false(fleet_may(&fleet, &devices[ONE], PH_ACCESS_READ, "d/acme/t-1/command"));
    assert_true(fleet_may(&fleet, &devices[ONE], PH_ACCESS_READ, "d/acme/t-1/orders"));
    assert_true(fleet_may(&fleet, &devices[ONE], PH_ACCESS_WRITE, "d/acme/t-1/telemetry"));
    /* the user name says its role of before until it connects anew */
    assert_string_equal(devices[ONE].user_name, "device:devices:acme/thermostat/t-1");
    assert_int_equal(fleet_connect(&fleet, &devices[ONE]), PH_ADMIT);
    assert_string_equal(devices[ONE].user_name, "later:devices:acme/thermostat/t-1");
}

/* [PLG-25] [PLG-36] */
static void cuts_off_whose_client_id_is_another(void **state)
{
    (void)state;
    fleet_write_policy(&fleet, NULL, RENAMED_ROLE("x/{tenant}/{kind}/{device}", "command"));
    fleet_reload(&fleet);
    assert_int_equal(fleet.kicks, DEVICES);
    assert_true(fleet_told(&fleet, "\"cut_off\":\"role-changed\""));
    assert_false(may_anything(ONE));
    assert_int_equal(fleet_connect(&fleet, &devices[ONE]), PH_REFUSE);
    (void)snprintf(devices[ONE].client_id, sizeof devices[ONE].client_id, "x/acme/thermostat/t-1");
    assert_int_equal(fleet_connect(&fleet, &devices[ONE]), PH_ADMIT);
    assert_true(may_anything(ONE));
}

static struct fleet_device again; /* the connection that ONE makes beside its older one */
static enum ph_verdict again_verdict;

static void come_again(struct fleet *of, const char *user_name)
{
    (void)user_name;
    of->on_kick = NULL;
    again_verdict = fleet_connect(of, &again);
}

/* [PLG-36] The broker takes a connection over by its client id. Where a new policy has made that
 * another one, and the role's name too, the old connection would stay beside the new one, and be
 * forgotten. */
static void leaves_no_connection_beside_the_new_one(void **state)
{
    (void)state;
    again = devices[ONE];
    (void)snprintf(again.client_id, sizeof again.client_id, "x/acme/thermostat/t-1");
    fleet_write_policy(&fleet, NULL, RENAMED_ROLE("x/{tenant}/{kind}/{device}", "command"));
    fleet.on_kick = come_again; /* another's turn to be ended comes first */
    fleet_reload(&fleet);
    assert_int_equal(again_verdict, PH_ADMIT);
    assert_true(kicked(ONE));
    assert_false(fleet_told(&fleet, "kick later:"));
    assert_int_equal(fleet.kicks, DEVICES);
    assert_true(fleet_may(&fleet, &again, PH_ACCESS_WRITE, "d/acme/t-1/telemetry"));
}

/* [PLG-36] With the same user name the broker cannot tell the two apart. */
static void ends_both_connections_of_one_user_name(void **state)
{
    (void)state;
    fleet_write_policy(&fleet, NULL, RENAMED_ROLE("{tenant}/{kind}/{device}", "command"));
    fleet_reload(&fleet);
    assert_int_equal(fleet_connect(&fleet, &devices[ONE]), PH_ADMIT);
    again = devices[ONE];
    (void)snprintf(again.client_id, sizeof again.client_id, "x/acme/thermostat/t-1");
    fleet_write_policy(&fleet, NULL, RENAMED_ROLE("x/{tenant}/{kind}/{device}", "command"));
    fleet.on_kick = come_again;
    fleet_reload(&fleet);
    assert_int_equal(again_verdict, PH_ADMIT);
    assert_true(fleet_told(&fleet, "kick later:devices:acme/thermostat/t-1\n"));
    fleet_end(&fleet, &again);
    fleet_forget(&fleet);
    assert_int_equal(fleet_connect(&fleet, &again), PH_ADMIT);
    fleet_settle(&fleet);
    assert_string_equal(fleet.told, "");
}

/* ---- who must stay ---- */

/* [PLG-26] */
static void kicks_nobody_by_a_reload_without_a_change(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        ph_broker_reload(fleet.broker, fleet.now_ms, fleet.now_monotonic_ms);
        fleet_reload(&fleet);
    }
    assert_int_equal(ph_broker_metrics(fleet.broker)->reloads, 20);
    assert_string_equal(fleet.told, "");
    assert_true(may_anything(ONE) && may_anything(FAR));
}

static const struct {
    const char *file;
    const char *bytes;
    const char *message;
} bad_files[] = {
    {FLEET_POLICY, "", "policy.yaml: empty"},
    {FLEET_POLICY, "anchors: []\n", "policy.yaml:1:"},
    {FLEET_POLICY, "anchors:\n  - {name: devi", "policy.yaml"},
    {FLEET_DENY, "", "deny.txt"},
    {FLEET_DENY, "deny identity acme/ther", "deny.txt"},
    {"devices.crl", "", "devices.crl"},
    {"devices.crl", "garbage\n", "devices.crl"},
    {"devices.pem", "garbage\n", "devices.pem"},
};

/* [PLG-18] [PLG-26] */
static void kicks_nobody_because_of_a_bad_file(void **state)
{
    (void)state;
    const struct ph_metrics *metrics = ph_broker_metrics(fleet.broker);
    for (size_t i = 0; i < sizeof bad_files / sizeof bad_files[0]; i++) {
        struct ph_buf good;
        struct ph_error error = {0};
        ph_buf_init(&good, 65536);
        const char *path = fleet_path(&fleet, bad_files[i].file);
        assert_int_equal(ph_file_load(path, &good, &error), PH_OK);
        assert_int_equal(ph_buf_append(&good, "", 1), PH_OK);
        uint64_t faults = metrics->reload_faults;
        fleet_write(&fleet, bad_files[i].file, bad_files[i].bytes);
        fleet_reload(&fleet);
        assert_true(metrics->reload_faults > faults);
        assert_false(metrics->reload_good);
        assert_true(fleet_logged("not reloaded: the last good one stays in force"));
        if (!fleet_logged(bad_files[i].message)) {
            fail_msg("case %zu: want \"%s\" in the log", i, bad_files[i].message);
        }
        assert_true(fleet_audited(&fleet, "\"event\":\"reload-fault\""));
        assert_int_equal(fleet_connect(&fleet, &devices[ONE]), PH_ADMIT);
        /* it is not forgotten: tried again, and taken when it is good again */
        faults = metrics->reload_faults;
        for (int minute = 0; metrics->reload_faults == faults; minute++) {
            assert_true(minute < 100);
            fleet_pass(&fleet, 60);
        }
        fleet_write(&fleet, bad_files[i].file, good.data);
        while (!metrics->reload_good) {
            fleet_reload(&fleet);
        }
        ph_buf_fini(&good);
        assert_string_equal(fleet.told, "");
        fleet_forget(&fleet);
    }
    for (int i = 0; i < DEVICES; i++) {
        assert_true(may_anything(i));
    }
}

/* [PLG-18] one broken file does not hold up another */
static void takes_the_good_files_beside_a_bad_one(void **state)
{
    (void)state;
    fleet_write(&fleet, "field.crl", "garbage\n");
    fleet_write(&fleet, FLEET_DENY, "deny identity acme/thermostat/t-1\n");
    fleet_reload(&fleet);
    while (fleet.kicks == 0) {
        fleet_reload(&fleet);
    }
    assert_true(fleet_logged("field.crl"));
    assert_cut_off(ONE, "denied-identity");
}

/* [PLG-18] an older CRL would let the revoked in again */
static void keeps_the_newer_crl(void **state)
{
    (void)state;
    int64_t number = fleet.crl_number;
    fleet_revoke(&fleet, FLEET_DEVICES, devices[ONE].facts.serial);
    fleet_reload(&fleet);
    assert_cut_off(ONE, "revoked");
    fleet.authorities[FLEET_DEVICES].revoked_count = 0;
    fleet.crl_number = number - 1;
    fleet_write_crl(&fleet, FLEET_DEVICES, FLEET_NOW_MS + 7 * FLEET_DAY_MS);
    fleet_reload(&fleet);
    assert_true(fleet_logged("not reloaded: the last good one stays in force"));
    assert_int_equal(fleet_connect(&fleet, &devices[ONE]), PH_REFUSE);
    assert_int_equal(fleet.kicks, 0);
}

/* ---- time ---- */

/* [PLG-27] */
static void cuts_off_by_time_alone(void **state)
{
    (void)state;
    fleet_tick(&fleet, FLEET_HOUR_MS - 1000);
    fleet_settle(&fleet);
    assert_int_equal(fleet.kicks, 0);
    assert_true(may_anything(SHORT));
    for (int i = 0; i < 3; i++) { /* valid through its last second */
        fleet_tick(&fleet, 1000);
        fleet_settle(&fleet);
        if (fleet.kicks > 0) {
            break;
        }
    }
    assert_in_range(
        fleet.now_ms, FLEET_NOW_MS + FLEET_HOUR_MS, FLEET_NOW_MS + FLEET_HOUR_MS + 2000);
    assert_cut_off(SHORT, "expired");
}

/* [PLG-27] also of one that connects while the sweep is under way, and of a CA */
static void finds_every_deadline(void **state)
{
    (void)state;
    struct fleet_device late;
    fleet_issue(&fleet, &late, FLEET_DEVICES, "acme", "late", FLEET_NOW_MS + FLEET_HOUR_MS / 2);
    ph_broker_reload(fleet.broker, fleet.now_ms, fleet.now_monotonic_ms);
    fleet_wait_reload(&fleet);
    assert_int_equal(fleet_connect(&fleet, &late), PH_ADMIT);
    fleet_settle(&fleet);
    /* fewer than the minute after which all are looked at anyway */
    fleet.now_ms = FLEET_NOW_MS + FLEET_HOUR_MS / 2 + 1000;
    fleet_tick(&fleet, 1000);
    fleet_settle(&fleet);
    assert_int_equal(fleet.kicks, 1);
    assert_true(fleet_told(&fleet, "kick device:devices:acme/thermostat/late\n"));
    fleet_end(&fleet, &late);
    fleet.now_ms = FLEET_NOW_MS + 365 * FLEET_DAY_MS + 1000; /* the CAs' */
    fleet_tick(&fleet, 1000);
    fleet_settle(&fleet);
    assert_int_equal(fleet.kicks, 1 + DEVICES);
    fleet_device_fini(&late);
}

/* [PLG-27] [PLG-23] */
static void cuts_nobody_off_because_of_an_old_crl(void **state)
{
    (void)state;
    int64_t end_ms = FLEET_NOW_MS + FLEET_DAY_MS;
    fleet_write_crl(&fleet, FLEET_DEVICES, end_ms);
    fleet_reload(&fleet);
    fleet.now_ms = end_ms - 60000;
    fleet_tick(&fleet, 1000);
    assert_true(fleet_logged("a CRL nears its end"));
    assert_true(fleet_audited(&fleet, "\"stage\":\"ageing\""));
    fleet.now_ms = end_ms + 60000;
    fleet_tick(&fleet, 1000);
    assert_true(fleet_audited(&fleet, "\"stage\":\"grace\""));
    assert_int_equal(fleet_connect(&fleet, &devices[ONE]), PH_ADMIT);
    fleet.now_ms = end_ms + FLEET_HOUR_MS + 60000; /* crl_grace_s: 3600 */
    fleet_tick(&fleet, 60000);
    fleet_settle(&fleet);
    assert_true(fleet_audited(&fleet, "\"stage\":\"closed\""));
    assert_true(fleet_logged("nobody enters by its CA; put the CA's current CRL in place"));
    assert_true(may_anything(ONE));
    assert_int_equal(fleet_connect(&fleet, &devices[ONE]), PH_REFUSE);
    assert_true(fleet_audited(&fleet, "\"reason\":\"crl\""));
    assert_true(may_anything(ONE)); /* the refusal was of another connection */
    assert_int_equal(fleet_connect(&fleet, &devices[FAR]), PH_ADMIT); /* another CA's is current */
    /* SHORT has expired meanwhile */
    assert_int_equal(fleet.kicks, 1);
    fleet_write_crl(&fleet, FLEET_DEVICES, end_ms + 30 * FLEET_DAY_MS);
    fleet_reload(&fleet);
    assert_true(fleet_logged("a CRL was renewed"));
    assert_int_equal(fleet_connect(&fleet, &devices[ONE]), PH_ADMIT);
}

/* [PLG-27] */
static void bears_steps_of_the_clock(void **state)
{
    (void)state;
    fleet.now_ms = FLEET_NOW_MS - 400 * FLEET_DAY_MS; /* nothing is valid yet */
    fleet_tick(&fleet, 61000);
    fleet_settle(&fleet);
    ph_broker_reload(fleet.broker, fleet.now_ms, fleet.now_monotonic_ms);
    fleet_reload(&fleet);
    assert_int_equal(fleet.kicks, 0);
    assert_int_equal(fleet_connect(&fleet, &devices[ONE]), PH_REFUSE);
    assert_true(may_anything(ONE));
    fleet.now_ms = FLEET_NOW_MS + 2 * FLEET_HOUR_MS;
    fleet_tick(&fleet, 1000);
    fleet_settle(&fleet);
    assert_cut_off(SHORT, "expired");
    fleet.now_ms = FLEET_NOW_MS; /* and back: it has to prove itself anew */
    fleet_tick(&fleet, 1000);
    fleet_settle(&fleet);
    assert_false(may_anything(SHORT));
    assert_int_equal(fleet_connect(&fleet, &devices[SHORT]), PH_ADMIT);
    assert_true(may_anything(SHORT));
    assert_string_equal(fleet.told, "");
}

/* ---- what is left to one that was cut off ---- */

/* [PLG-28] before its connection is ended, and while it is offline */
static void leaves_no_rights_before_the_kick(void **state)
{
    (void)state;
    fleet_revoke(&fleet, FLEET_DEVICES, devices[ONE].facts.serial);
    /* the state is in force, and neither sweep nor queue has come to it */
    const struct ph_metrics *metrics = ph_broker_metrics(fleet.broker);
    fleet_end(&fleet, &devices[TWO]);
    fleet_wait_reload(&fleet);
    assert_int_equal(metrics->generation, 2);
    assert_false(may_anything(ONE));
    assert_true(may_anything(THREE));
    fleet_end(&fleet, &devices[ONE]);
    assert_false(may_anything(ONE)); /* its will */
    fleet_settle(&fleet);
    assert_false(may_anything(ONE));
    for (int minute = 0; minute < 30; minute++) { /* longer than an entry outlives its connection */
        fleet_tick(&fleet, 60000);
        fleet_settle(&fleet);
    }
    assert_false(may_anything(ONE));
}

static void hold_back(struct fleet *which, const char *user_name)
{
    (void)user_name;
    /* what the broker asks while it ends a connection: its subscriptions, then the event */
    assert_false(fleet_may(which, &devices[ONE], PH_ACCESS_SUBSCRIBE, "d/acme/t-1/command"));
    fleet_end(which, &devices[ONE]);
    assert_false(fleet_may(which, &devices[ONE], PH_ACCESS_WRITE, "d/acme/t-1/status"));
}

/* [PLG-28] */
static void answers_the_broker_during_a_kick(void **state)
{
    (void)state;
    fleet.on_kick = hold_back;
    fleet_revoke(&fleet, FLEET_DEVICES, devices[ONE].facts.serial);
    fleet_reload(&fleet);
    fleet.on_kick = NULL;
    assert_int_equal(fleet.kicks, 1);
    assert_cut_off(ONE, "revoked");
}

/* [PLG-28] [PLG-29] nobody is told about one that was not there, and it is cut off all the same */
static void says_nothing_about_offline_sessions(void **state)
{
    (void)state;
    fleet_end(&fleet, &devices[ONE]);
    fleet_revoke(&fleet, FLEET_DEVICES, devices[ONE].facts.serial);
    fleet_reload(&fleet);
    assert_string_equal(fleet.told, "");
    assert_true(fleet_audited(&fleet, "\"connected\":0,\"reason\":\"revoked\""));
    assert_false(may_anything(ONE));
}

/* [PLG-29] a role without status */
static void says_nothing_where_no_topic_is_given(void **state)
{
    (void)state;
    fleet_write_policy(&fleet, NULL, RENAMED_ROLE("{tenant}/{kind}/{device}", "command"));
    fleet_reload(&fleet);
    fleet_revoke(&fleet, FLEET_DEVICES, devices[ONE].facts.serial);
    fleet_reload(&fleet);
    assert_string_equal(fleet.told, "kick device:devices:acme/thermostat/t-1\n");
}

/* [PLG-28] the new certificate is another one, with its own standing */
static void lets_a_good_certificate_in_at_once(void **state)
{
    (void)state;
    struct fleet_device renewed;
    fleet_issue(&fleet, &renewed, FLEET_DEVICES, "acme", "t-1", FLEET_NOW_MS + 30 * FLEET_DAY_MS);
    fleet_revoke(&fleet, FLEET_DEVICES, devices[ONE].facts.serial);
    fleet_reload(&fleet);
    assert_true(kicked(ONE));
    assert_int_equal(fleet_connect(&fleet, &renewed), PH_ADMIT);
    assert_true(fleet_may(&fleet, &renewed, PH_ACCESS_WRITE, "d/acme/t-1/telemetry"));
    fleet_forget(&fleet);
    fleet_tick(&fleet, 61000);
    fleet_settle(&fleet);
    assert_string_equal(fleet.told, "");
    fleet_device_fini(&renewed);
}

/* ---- reload ---- */

/* [PLG-39] what was in force stays so until a turn of the loop takes up what was loaded */
static void does_not_wait_for_a_load(void **state)
{
    (void)state;
    const struct ph_metrics *metrics = ph_broker_metrics(fleet.broker);
    fleet_write(&fleet, FLEET_DENY, "deny identity acme/thermostat/t-1\n");
    ph_broker_reload(fleet.broker, fleet.now_ms, fleet.now_monotonic_ms);
    assert_int_equal(metrics->generation, 1);
    assert_true(may_anything(ONE));
    while (metrics->generation == 1) {
        assert_true(may_anything(ONE));
        fleet_reload(&fleet);
    }
    assert_cut_off(ONE, "denied-identity");
}

/* [PLG-19] [PLG-4] */
static void changes_nothing_in_the_rechecks_of_a_reload(void **state)
{
    (void)state;
    fleet_revoke(&fleet, FLEET_DEVICES, devices[ONE].facts.serial);
    ph_broker_reload(fleet.broker, fleet.now_ms, fleet.now_monotonic_ms);
    struct fleet_device offline = {.client_id = "acme/thermostat/t-9"};
    assert_int_equal(fleet_connect(&fleet, &devices[ONE]), PH_KEEP);
    assert_int_equal(fleet_connect(&fleet, &devices[TWO]), PH_KEEP);
    assert_int_equal(fleet_connect(&fleet, &offline), PH_KEEP);
    fleet_reload(&fleet);
    assert_int_equal(fleet_connect(&fleet, &offline), PH_REFUSE);
    assert_cut_off(ONE, "revoked");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(cuts_off_a_revoked_certificate),
        TEST(cuts_off_all_below_a_revoked_ca),
        TEST(cuts_off_all_below_a_removed_ca),
        TEST(cuts_off_whom_a_list_denies),
        TEST(denies_a_key_in_every_certificate),
        TEST(cuts_off_who_is_no_longer_permitted),
        TEST(cuts_off_a_tenant_that_its_anchor_lost),
        TEST(cuts_off_whose_identity_is_read_otherwise),
        TEST(gives_new_rights_without_reconnecting),
        TEST(cuts_off_whose_client_id_is_another),
        TEST(leaves_no_connection_beside_the_new_one),
        TEST(ends_both_connections_of_one_user_name),
        TEST(kicks_nobody_by_a_reload_without_a_change),
        TEST(kicks_nobody_because_of_a_bad_file),
        TEST(takes_the_good_files_beside_a_bad_one),
        TEST(keeps_the_newer_crl),
        TEST(cuts_off_by_time_alone),
        TEST(finds_every_deadline),
        TEST(cuts_nobody_off_because_of_an_old_crl),
        TEST(bears_steps_of_the_clock),
        TEST(leaves_no_rights_before_the_kick),
        TEST(answers_the_broker_during_a_kick),
        TEST(says_nothing_about_offline_sessions),
        TEST(says_nothing_where_no_topic_is_given),
        TEST(lets_a_good_certificate_in_at_once),
        TEST(does_not_wait_for_a_load),
        TEST(changes_nothing_in_the_rechecks_of_a_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
