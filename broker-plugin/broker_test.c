/* [PLG-1] to [PLG-5], [PLG-17] to [PLG-20], [PLG-23], [PLG-37], [PLG-38] */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/log.h"
#include "broker-plugin/broker.h"
#include "x509/test_pki.h"

#define NOW_MS INT64_C(1790000000000)
#define DAY_MS INT64_C(86400000)

static char dir[] = "/tmp/ph-broker-XXXXXX";
static char policy_path[64];
static char audit_path[64];
static char metrics_path[64];
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

/* As a whole, as the loader may look at any moment. */
static void store(const char *path, const char *text)
{
    struct ph_error error = {0};
    if (ph_file_replace(path, 0600, text, strlen(text), &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
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
    (void)snprintf(audit_path, sizeof audit_path, "%s/audit.jsonl", dir);
    (void)snprintf(metrics_path, sizeof metrics_path, "%s/phonehome.prom", dir);
    ph_log_sink_set(hear);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ph_log_sink_set(NULL);
    (void)remove(policy_path);
    (void)remove(audit_path);
    (void)remove(metrics_path);
    ph_test_pki_free(&pki);
    return rmdir(dir);
}

static void kick(void *context, const char *user_name)
{
    (void)context;
    (void)user_name;
}

static void publish(void *context, const char *topic, const void *payload, size_t len)
{
    (void)context;
    (void)topic;
    (void)payload;
    (void)len;
}

static const struct ph_broker_host host = {.kick = kick, .publish = publish};

/* Turns the broker's loop, without time passing, until a load was taken up or refused. */
static void wait_reload(struct ph_broker *broker, int64_t now_monotonic_ms)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    const struct ph_metrics *metrics = ph_broker_metrics(broker);
    uint64_t before = metrics->reloads + metrics->reload_faults;
    for (int i = 0; metrics->reloads + metrics->reload_faults == before; i++) {
        assert_true(i < 10000);
        ph_broker_tick(broker, NOW_MS, now_monotonic_ms);
        (void)nanosleep(&pause, NULL);
    }
}

static struct ph_broker *open_with(const struct ph_broker_options *options)
{
    struct ph_broker *broker = NULL;
    struct ph_error error = {0};
    log_lines[0] = '\0';
    store(policy_path, policy);
    if (ph_broker_open(options, &host, NOW_MS, &broker, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    return broker;
}

static struct ph_broker *open_broker(void)
{
    return open_with(&(struct ph_broker_options){.policy_file = policy_path});
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
    wait_reload(broker, 5000);
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

/* [PLG-18] */
static void reloads_aside_and_keeps_the_last_good(void **state)
{
    (void)state;
    struct ph_broker *broker = open_broker();
    const char *id = "acme/thermostat/t-0001";
    ph_broker_tick(broker, NOW_MS, 1000);
    assert_false(logged("reloaded"));
    assert_false(logged("audit head")); /* without an audit file */

    store(policy_path, "anchors: []\n");
    wait_reload(broker, 2000);
    assert_true(logged("not reloaded: the last good one stays in force"));
    assert_true(logged("policy.yaml:1:"));
    assert_false(ph_broker_metrics(broker)->reload_good);
    assert_int_equal(connect_with(broker, PH_TEST_GOOD, id, NOW_MS), PH_ADMIT);

    uint64_t faults = ph_broker_metrics(broker)->reload_faults;
    wait_reload(broker, 62000); /* again, although it did not change */
    assert_true(ph_broker_metrics(broker)->reload_faults > faults);
    assert_false(ph_broker_metrics(broker)->reload_good);
    store(policy_path, policy);
    for (int64_t now_ms = 64000; !ph_broker_metrics(broker)->reload_good; now_ms += 1000) {
        assert_true(now_ms < 100000);
        wait_reload(broker, now_ms);
    }
    assert_true(logged("policy reloaded"));
    assert_true(ph_broker_metrics(broker)->reload_good);
    ph_broker_close(&broker);
}

/* [PLG-19] */
static void reads_all_files_at_a_reload(void **state)
{
    (void)state;
    struct ph_broker *broker =
        open_with(&(struct ph_broker_options){.policy_file = policy_path, .broker_config = NULL});
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
    ph_broker_reload(broker, NOW_MS, 1001); /* changed or not */
    wait_reload(broker, 1001);
    assert_int_equal(ph_broker_metrics(broker)->reloads, 1);
    store(policy_path, without_devices);
    ph_broker_reload(broker, NOW_MS, 1002);
    wait_reload(broker, 1002);
    assert_int_equal(connect_with(broker, PH_TEST_GOOD, id, NOW_MS), PH_REFUSE);

    store(policy_path, "anchors: []\n");
    ph_broker_reload(broker, NOW_MS, 1003);
    wait_reload(broker, 1003);
    assert_true(logged("not reloaded: the last good one stays in force"));
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
    assert_false(ph_broker_access(broker, &access));
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
static void opens_with_an_expired_crl(void **state)
{
    (void)state;
    const char *id = "acme/thermostat/t-0001";
    struct ph_broker *broker = NULL;
    struct ph_error error = {0};
    struct ph_broker_options options = {.policy_file = policy_path};
    int64_t end_ms = NOW_MS + 7 * DAY_MS;
    store(policy_path, policy);
    log_lines[0] = '\0';
    assert_int_equal(ph_broker_open(&options, &host, end_ms + 1000, &broker, &error), PH_OK);
    assert_true(logged("a CRL has expired: nobody enters once its grace is over"));
    ph_broker_close(&broker);
    log_lines[0] = '\0';
    assert_int_equal(
        ph_broker_open(&options, &host, end_ms + DAY_MS + 1000, &broker, &error), PH_OK);
    assert_true(logged("a CRL has expired: nobody enters by its CA"));
    assert_int_equal(connect_with(broker, PH_TEST_GOOD, id, end_ms + DAY_MS + 1000), PH_REFUSE);
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
        assert_int_not_equal(ph_broker_open(&options, &host, NOW_MS, &broker, &error), PH_OK);
        if (strstr(error.message, unfit[i].message) == NULL) {
            fail_msg("case %zu: want \"%s\", have \"%s\"", i, unfit[i].message, error.message);
        }
        assert_null(broker);
    }
    struct ph_error error = {0};
    options.broker_config = policy_path;
    store(policy_path, policy);
    log_lines[0] = '\0';
    assert_int_equal(ph_broker_open(&options, &host, NOW_MS, &broker, &error), PH_ERR_CONFIG);
    assert_non_null(strstr(error.message, "policy.yaml: listener: without one"));
    assert_non_null(strstr(error.message, "(2 findings in all)"));
    assert_true(logged("plugin: no line loads it"));
}

static bool holds(const char *path, const char *text)
{
    static char bytes[65536];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    size_t len = fread(bytes, 1, sizeof bytes - 1, file);
    bytes[len] = '\0';
    assert_int_equal(fclose(file), 0);
    return strstr(bytes, text) != NULL;
}

/* [PLG-37] */
static void keeps_an_audit_file(void **state)
{
    (void)state;
    const char *id = "acme/thermostat/t-0001";
    const struct ph_broker_options options = {.policy_file = policy_path, .audit_file = audit_path};
    struct ph_broker *broker = open_with(&options);
    assert_int_equal(connect_with(broker, PH_TEST_GOOD, id, NOW_MS), PH_ADMIT);
    assert_int_equal(connect_with(broker, PH_TEST_REVOKED, "x", NOW_MS), PH_REFUSE);
    ph_broker_end(broker, dir);
    ph_broker_reload(broker, NOW_MS, 1);
    wait_reload(broker, 1);
    ph_broker_close(&broker);
    static const char *const records[] = {"\"event\":\"start\"",
        "\"event\":\"connect\",\"identity\":\"devices:acme/thermostat/t-0001\",\"role\":\"device\"",
        "\"event\":\"refuse\",\"identity\":\"devices:acme/thermostat/t-0001\"",
        "\"reason\":\"revoked\"", "\"event\":\"disconnect\"", "\"event\":\"reload\"",
        "\"event\":\"stop\""};
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        if (!holds(audit_path, records[i])) {
            fail_msg("no %s in %s", records[i], audit_path);
        }
    }
    assert_true(logged("audit head")); /* where the chain ends, beside the file */

    struct ph_error error = {0};
    store(audit_path, "not a record\n");
    assert_int_equal(ph_broker_open(&options, &host, NOW_MS, &broker, &error), PH_ERR_CONFIG);
    assert_non_null(strstr(error.message, "audit.jsonl"));
    assert_null(broker);
}

/* [PLG-38] */
static void writes_a_metrics_file(void **state)
{
    (void)state;
    const struct timespec pause = {.tv_nsec = 1000000};
    struct ph_broker *broker = open_with(
        &(struct ph_broker_options){.policy_file = policy_path, .metrics_file = metrics_path});
    assert_int_equal(
        connect_with(broker, PH_TEST_GOOD, "acme/thermostat/t-0001", NOW_MS), PH_ADMIT);
    ph_broker_tick(broker, NOW_MS, 1000);
    for (int i = 0; !holds(metrics_path, "\n"); i++) {
        assert_true(i < 10000);
        (void)nanosleep(&pause, NULL);
    }
    assert_true(holds(metrics_path, "role=\"device\"} 1\n"));
    ph_broker_close(&broker);

    broker = open_with(&(struct ph_broker_options){
        .policy_file = policy_path, .metrics_file = "/nonexistent/phonehome.prom"});
    for (int i = 0; !logged("metrics cannot be written"); i++) {
        assert_true(i < 10000);
        ph_broker_tick(broker, NOW_MS, 1000 * (int64_t)i);
        (void)nanosleep(&pause, NULL);
    }
    ph_broker_close(&broker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(admits_by_certificate_role_and_client_id),
        cmocka_unit_test(refuses_who_has_no_role),
        cmocka_unit_test(keeps_offline_sessions_during_a_reload_only),
        cmocka_unit_test(reloads_aside_and_keeps_the_last_good),
        cmocka_unit_test(reads_all_files_at_a_reload),
        cmocka_unit_test(names_the_client_first),
        cmocka_unit_test(opens_with_an_expired_crl),
        cmocka_unit_test(does_not_open_without_all_it_needs),
        cmocka_unit_test(keeps_an_audit_file),
        cmocka_unit_test(writes_a_metrics_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
