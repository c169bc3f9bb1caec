/* [PLG-1] to [PLG-5], [PLG-9], [PLG-10], [PLG-17] to [PLG-20], [PLG-23] */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "broker-plugin/broker.h"
#include "x509/test_pki.h"

#define NOW_MS INT64_C(1790000000000)
#define DAY_MS INT64_C(86400000)

static char dir[] = "/tmp/ph-broker-XXXXXX";
static char policy_path[64];
static struct ph_test_pki *pki;
static char log_lines[16384];

static void hear(enum ph_log_level level, const char *line)
{
    size_t len = strlen(log_lines);
    (void)snprintf(log_lines + len, sizeof log_lines - len, "%d %s\n", (int)level, line);
}

static bool logged(const char *text)
{
    return strstr(log_lines, text) != NULL;
}

static void store(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

#define DEVICES_ANCHOR                                                                             \
    "  - name: devices\n"                                                                          \
    "    ca: [root.pem, devices.pem, pulled.pem]\n"                                                \
    "    crl: [root.crl, devices.crl, pulled.crl]\n"

static const char policy[] = "anchors:\n"
                             "  - name: brokers\n"
                             "    ca: [root.pem, brokers.pem]\n"
                             "    crl: [root.crl, brokers.crl]\n" DEVICES_ANCHOR "roles:\n"
                             "  - name: device\n"
                             "    match: {anchor: devices, kind: thermostat}\n"
                             "    publish: ['d/{device}/telemetry', 'd/{device}/status']\n"
                             "    will: ['d/{device}/status']\n"
                             "    limits: {payload_bytes: 100}\n";

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    pki = ph_test_pki_new(dir, NOW_MS);
    (void)snprintf(policy_path, sizeof policy_path, "%s/policy.yaml", dir);
    ph_log_sink_set(hear);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ph_log_sink_set(NULL);
    (void)remove(policy_path);
    ph_test_pki_free(&pki);
    return rmdir(dir);
}

static struct ph_broker *open_broker(void)
{
    struct ph_broker *broker = NULL;
    struct ph_error error = {0};
    struct ph_broker_options options = {.policy_file = policy_path};
    log_lines[0] = '\0';
    store(policy_path, policy);
    if (ph_broker_open(&options, NOW_MS, &broker, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    return broker;
}

static enum ph_verdict connect_with(
    struct ph_broker *broker, enum ph_test_leaf leaf, const char *client_id, int64_t now_ms)
{
    char user_name[PH_USER_NAME_BYTES];
    struct ph_connect connect = {.client = dir,
        .certificate = ph_test_pki_leaf(pki, leaf),
        .client_id = client_id,
        .address = "192.0.2.1"};
    enum ph_verdict verdict = ph_broker_connect(broker, &connect, now_ms, 1, user_name);
    assert_string_equal(
        user_name, verdict == PH_ADMIT ? "device:devices:acme/thermostat/t-0001" : "");
    return verdict;
}

static const struct {
    enum ph_test_leaf leaf;
    const char *client_id;
    int64_t after_ms;
    const char *reason;
} refused[] = {
    {PH_TEST_EXPIRED, NULL, 0, "expired at"},
    {PH_TEST_NOT_YET_VALID, NULL, 0, "not yet valid"},
    {PH_TEST_REVOKED, NULL, 0, "revoked"},
    {PH_TEST_REVOKED_CA, NULL, 0, "revoked"},
    {PH_TEST_WRONG_EKU, NULL, 0, "extendedKeyUsage"},
    {PH_TEST_NO_EKU, NULL, 0, "extendedKeyUsage"},
    {PH_TEST_WRONG_CA, NULL, 0, "anchor brokers"},
    {PH_TEST_UNKNOWN_CA, NULL, 0, "unknown CA"},
    {PH_TEST_FAKE_CA, NULL, 0, "unknown CA"},
    {PH_TEST_FAKE_CA_BARE, NULL, 0, "unknown CA of the same name"},
    {PH_TEST_SELF_SIGNED, NULL, 0, "unknown CA"},
    {PH_TEST_TWO_CN, NULL, 0, "CN"},
    {PH_TEST_NUL_CN, NULL, 0, "CN"},
    {PH_TEST_WILDCARD_CN, NULL, 0, "CN"},
    {PH_TEST_SLASH_CN, NULL, 0, "CN"},
    {PH_TEST_WEAK_KEY, NULL, 0, "key"},
    {PH_TEST_LEAF_IS_CA, NULL, 0, "CA"},
    {PH_TEST_BROKER, NULL, 0, "want clientAuth"},
    {PH_TEST_GOOD, NULL, 365 * DAY_MS, "expired at"},
    {PH_TEST_GOOD, "acme/thermostat/t-0002", 0, "client id: want \\\"acme/thermostat/t-0001\\\""},
    {PH_TEST_GOOD, "", 0, "client id: want"},
    {PH_TEST_GOOD, "acme/thermostat/t-0001/", 0, "client id: want"},
};

/* [PLG-1] [PLG-2] [PLG-5] [PLG-20] */
static void admits_by_certificate_role_and_client_id(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct ph_broker *broker = open_broker();
        const char *id =
            refused[i].client_id != NULL ? refused[i].client_id : "acme/thermostat/t-0001";
        enum ph_verdict verdict =
            connect_with(broker, refused[i].leaf, id, NOW_MS + refused[i].after_ms);
        if (verdict != PH_REFUSE || !logged("connection refused") || !logged(refused[i].reason) ||
            !logged("address=192.0.2.1")) {
            fail_msg("case %zu (%s): want \"%s\", have %d \"%s\"", i,
                ph_test_leaf_name(refused[i].leaf), refused[i].reason, (int)verdict, log_lines);
        }
        ph_broker_close(&broker);
    }
    struct ph_broker *broker = open_broker();
    assert_int_equal(
        connect_with(broker, PH_TEST_GOOD, "acme/thermostat/t-0001", NOW_MS), PH_ADMIT);
    assert_false(logged("refused"));
    assert_int_equal(
        connect_with(broker, PH_TEST_REVOKED, "acme/thermostat/t-0001", NOW_MS), PH_REFUSE);
    assert_true(logged("identity=acme/thermostat/"));
    assert_true(logged(" serial="));
    ph_broker_close(&broker);
    ph_broker_close(&broker);
}

/* [PLG-1] an identity without a role does not enter */
static void refuses_who_has_no_role(void **state)
{
    (void)state;
    struct ph_broker *broker = open_broker();
    static const char other[] = "anchors:\n" DEVICES_ANCHOR "roles:\n"
                                "  - name: meter\n"
                                "    match: {anchor: devices, kind: meter}\n";
    store(policy_path, other);
    ph_broker_tick(broker, NOW_MS, 5000);
    assert_true(logged("policy reloaded"));
    assert_int_equal(
        connect_with(broker, PH_TEST_GOOD, "acme/thermostat/t-0001", NOW_MS), PH_REFUSE);
    assert_true(logged("no role of the policy matches"));
    ph_broker_close(&broker);
}

/* [PLG-3] [PLG-4] */
static void keeps_offline_sessions_during_a_reload_only(void **state)
{
    (void)state;
    struct ph_broker *broker = open_broker();
    char user_name[PH_USER_NAME_BYTES];
    struct ph_connect offline = {.client = dir, .client_id = "acme/thermostat/t-0001"};
    assert_int_equal(ph_broker_connect(broker, &offline, NOW_MS, 1, user_name), PH_REFUSE);
    assert_true(logged("certificate: the client presented none"));
    ph_broker_reload(broker, NOW_MS, 1);
    assert_int_equal(ph_broker_connect(broker, &offline, NOW_MS, 1, user_name), PH_KEEP);
    assert_string_equal(user_name, "");
    assert_int_equal(
        connect_with(broker, PH_TEST_REVOKED, "acme/thermostat/t-0001", NOW_MS), PH_REFUSE);
    ph_broker_tick(broker, NOW_MS, 2);
    assert_int_equal(ph_broker_connect(broker, &offline, NOW_MS, 1, user_name), PH_REFUSE);
    ph_broker_close(&broker);
}

/* [PLG-9] [PLG-10] */
static void tells_wills_from_publishes(void **state)
{
    (void)state;
    struct ph_broker *broker = open_broker();
    static const int first;
    static const int second;
    char user_name[PH_USER_NAME_BYTES];
    struct ph_connect connect = {.client = &first,
        .certificate = ph_test_pki_leaf(pki, PH_TEST_GOOD),
        .client_id = "acme/thermostat/t-0001"};
    struct ph_access access = {.client = &first,
        .client_id = "acme/thermostat/t-0001",
        .user_name = "device:devices:acme/thermostat/t-0001",
        .topic = "d/t-0001/telemetry",
        .type = PH_ACCESS_WRITE,
        .has_certificate = true,
        .has_address = true};
    assert_int_equal(ph_broker_connect(broker, &connect, NOW_MS, 1, user_name), PH_ADMIT);
    assert_int_equal(ph_broker_action(broker, &access), PH_ACTION_PUBLISH);
    assert_true(ph_broker_access(broker, &access, 1));

    /* taken over: the other connection has just been admitted */
    connect.client = &second;
    assert_int_equal(ph_broker_connect(broker, &connect, NOW_MS, 1, user_name), PH_ADMIT);
    assert_int_equal(ph_broker_action(broker, &access), PH_ACTION_WILL);
    assert_false(ph_broker_access(broker, &access, 1));
    assert_true(logged("action=will"));
    assert_true(logged("topic=d/t-0001/telemetry"));
    access.topic = "d/t-0001/status";
    assert_true(ph_broker_access(broker, &access, 1));
    access.client = &second;
    assert_int_equal(ph_broker_action(broker, &access), PH_ACTION_PUBLISH);
    access.client = &first;
    access.client_id = "acme/thermostat/t-0009";
    assert_int_equal(ph_broker_action(broker, &access), PH_ACTION_PUBLISH);
    access.client_id = "acme/thermostat/t-0001";
    ph_broker_end(broker, &second);
    assert_int_equal(ph_broker_action(broker, &access), PH_ACTION_PUBLISH);

    /* the connection has ended, and is not closed yet; its address is then used anew */
    ph_broker_end(broker, &first);
    assert_int_equal(ph_broker_action(broker, &access), PH_ACTION_WILL);
    connect.client = &first;
    assert_int_equal(ph_broker_connect(broker, &connect, NOW_MS, 1, user_name), PH_ADMIT);
    assert_int_equal(ph_broker_action(broker, &access), PH_ACTION_PUBLISH);

    /* the connection is gone */
    access.has_certificate = false;
    assert_int_equal(ph_broker_action(broker, &access), PH_ACTION_WILL);
    /* the source of a retained message never had one */
    access.has_address = false;
    assert_int_equal(ph_broker_action(broker, &access), PH_ACTION_PUBLISH);
    access.type = PH_ACCESS_READ;
    assert_int_equal(ph_broker_action(broker, &access), PH_ACTION_RECEIVE);
    access.type = PH_ACCESS_SUBSCRIBE;
    assert_int_equal(ph_broker_action(broker, &access), PH_ACTION_SUBSCRIBE);
    ph_broker_close(&broker);
}

static void limits_messages(void **state)
{
    (void)state;
    struct ph_broker *broker = open_broker();
    const char *user = "device:devices:acme/thermostat/t-0001";
    assert_true(ph_broker_message(broker, user, "d/t-0001/telemetry", 100, 1));
    assert_false(ph_broker_message(broker, user, "d/t-0001/telemetry", 101, 1));
    assert_true(logged("payload_bytes: want at most 100, have 101"));
    ph_broker_reserved_property(broker, user, "d/t-0001/telemetry", "ph-x\ny", 1);
    assert_true(logged("user property \\\"ph-x\\\\x0ay\\\": names with"));
    ph_broker_close(&broker);
}

/* [PLG-18] */
static void reloads_aside_and_keeps_the_last_good(void **state)
{
    (void)state;
    struct ph_broker *broker = open_broker();
    const char *id = "acme/thermostat/t-0001";
    ph_broker_tick(broker, NOW_MS, 1000);
    assert_false(logged("reloaded"));

    store(policy_path, "anchors: []\n");
    ph_broker_tick(broker, NOW_MS, 1500); /* looked at once a second only */
    assert_false(logged("reloaded"));
    ph_broker_tick(broker, NOW_MS, 2000);
    assert_true(logged("policy not reloaded: the last good one stays in force"));
    assert_true(logged("policy.yaml:1:"));
    assert_int_equal(connect_with(broker, PH_TEST_GOOD, id, NOW_MS), PH_ADMIT);

    log_lines[0] = '\0';
    ph_broker_tick(broker, NOW_MS, 4000);
    assert_string_equal(log_lines, "");
    ph_broker_tick(broker, NOW_MS, 62000); /* again every minute */
    assert_true(logged("policy not reloaded"));
    store(policy_path, policy);
    ph_broker_tick(broker, NOW_MS, 64000);
    assert_true(logged("policy reloaded"));
    ph_broker_close(&broker);
}

/* [PLG-19] the checks of sessions that follow are made with what is on disk, not with what the last
 * tick saw */
static void reads_all_files_before_sessions_are_checked_again(void **state)
{
    (void)state;
    struct ph_broker *broker = open_broker();
    const char *id = "acme/thermostat/t-0001";
    static const char without_devices[] = "anchors:\n"
                                          "  - name: brokers\n"
                                          "    ca: [root.pem, brokers.pem]\n"
                                          "    crl: [root.crl, brokers.crl]\n"
                                          "roles:\n"
                                          "  - name: device\n"
                                          "    match: {anchor: brokers}\n";
    assert_int_equal(connect_with(broker, PH_TEST_GOOD, id, NOW_MS), PH_ADMIT);
    ph_broker_tick(broker, NOW_MS, 1000);
    store(policy_path, without_devices);
    ph_broker_reload(broker, NOW_MS, 1001);
    assert_true(logged("policy reloaded"));
    assert_int_equal(connect_with(broker, PH_TEST_GOOD, id, NOW_MS), PH_REFUSE);

    store(policy_path, "anchors: []\n");
    ph_broker_reload(broker, NOW_MS, 1002);
    assert_true(logged("policy not reloaded: the last good one stays in force"));
    assert_int_equal(connect_with(broker, PH_TEST_GOOD, id, NOW_MS), PH_REFUSE);
    ph_broker_close(&broker);
}

/* [PLG-20] whatever a client chooses, the line begins with who it is: Mosquitto cuts it */
static void names_the_client_first(void **state)
{
    (void)state;
    struct ph_broker *broker = open_broker();
    char quotes[512];
    memset(quotes, '"', sizeof quotes - 1);
    quotes[sizeof quotes - 1] = '\0';
    struct ph_access access = {
        .user_name = "device:devices:acme/thermostat/t-0001",
        .topic = quotes,
        .type = PH_ACCESS_SUBSCRIBE,
    };
    assert_false(ph_broker_access(broker, &access, 1));
    log_lines[200] = '\0';
    assert_true(logged("user=device:devices:acme/thermostat/t-0001 action=subscribe"));
    log_lines[0] = '\0';
    assert_int_equal(connect_with(broker, PH_TEST_GOOD, quotes, NOW_MS), PH_REFUSE);
    log_lines[200] = '\0';
    assert_true(logged("identity=acme/thermostat/t-0001 serial="));
    assert_true(logged("address=192.0.2.1"));
    ph_broker_close(&broker);
}

/* [PLG-23] */
static void closes_with_an_expired_crl(void **state)
{
    (void)state;
    struct ph_broker *broker = NULL;
    struct ph_error error = {0};
    struct ph_broker_options options = {.policy_file = policy_path};
    store(policy_path, policy);
    log_lines[0] = '\0';
    assert_int_equal(ph_broker_open(&options, NOW_MS + 8 * DAY_MS, &broker, &error), PH_OK);
    assert_true(logged("a CRL has expired: nobody enters by its anchor; renew it"));
    assert_int_equal(
        connect_with(broker, PH_TEST_GOOD, "acme/thermostat/t-0001", NOW_MS + 8 * DAY_MS),
        PH_REFUSE);
    assert_true(logged("expired at"));
    ph_broker_close(&broker);
}

static const struct {
    const char *policy;
    const char *message;
} unfit[] = {
    {"", "policy.yaml: empty"},
    {"anchors:\n  - {name: a, ca: [nosuch.pem], crl: [root.crl]}\nroles:\n  - name: r\n"
     "    match: {anchor: a}\n",
        "nosuch.pem: open"},
    {"anchors:\n  - {name: a, ca: [root.pem], crl: [policy.yaml]}\nroles:\n  - name: r\n"
     "    match: {anchor: a}\n",
        "policy.yaml: "},
    {"anchors:\n  - {name: a, ca: [root.pem, devices.pem], crl: [root.crl]}\nroles:\n"
     "  - name: r\n    match: {anchor: a}\n",
        "no CRL of CA"},
};

/* [PLG-17] */
static void does_not_open_without_all_it_needs(void **state)
{
    (void)state;
    struct ph_broker *broker = NULL;
    struct ph_broker_options options = {.policy_file = policy_path};
    for (size_t i = 0; i < sizeof unfit / sizeof unfit[0]; i++) {
        struct ph_error error = {0};
        store(policy_path, unfit[i].policy);
        assert_int_not_equal(ph_broker_open(&options, NOW_MS, &broker, &error), PH_OK);
        if (strstr(error.message, unfit[i].message) == NULL) {
            fail_msg("case %zu: want \"%s\", have \"%s\"", i, unfit[i].message, error.message);
        }
        assert_null(broker);
    }
    struct ph_error error = {0};
    options.broker_config = policy_path;
    store(policy_path, policy);
    log_lines[0] = '\0';
    assert_int_equal(ph_broker_open(&options, NOW_MS, &broker, &error), PH_ERR_CONFIG);
    assert_non_null(strstr(error.message, "policy.yaml: listener: without one"));
    assert_non_null(strstr(error.message, "(2 findings in all)"));
    assert_true(logged("plugin: no line loads it"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(admits_by_certificate_role_and_client_id),
        cmocka_unit_test(refuses_who_has_no_role),
        cmocka_unit_test(keeps_offline_sessions_during_a_reload_only),
        cmocka_unit_test(tells_wills_from_publishes),
        cmocka_unit_test(limits_messages),
        cmocka_unit_test(reloads_aside_and_keeps_the_last_good),
        cmocka_unit_test(reads_all_files_before_sessions_are_checked_again),
        cmocka_unit_test(names_the_client_first),
        cmocka_unit_test(closes_with_an_expired_crl),
        cmocka_unit_test(does_not_open_without_all_it_needs),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
