/* [CFG-DEV-1] to [CFG-DEV-7]: driven through the command line, as the program does */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli_testbed.h"
#include "device/config.h"

static char dir[64];
static char file[96];
static struct ph_device_config *config;
static struct ph_error result;
static bool loaded;
static bool shared; /* loads for a fleet */

static enum ph_err load(const struct ph_cli *cli, struct ph_error *error)
{
    (void)error;
    loaded = (shared ? ph_device_config_load_shared(cli, &config, &result)
                     : ph_device_config_load(cli, &config, &result)) == PH_OK;
    return PH_OK;
}

/* Loads with the options, which a NULL ends; true when it went well. */
static bool load_with(const char *first, ...)
{
    static const struct ph_cli_option options[] = {PH_DEVICE_CONFIG_OPTIONS, {0}};
    static const struct ph_cli_command commands[] = {
        {NULL, NULL, 0, 0, "test", options, load}, {0}};
    static const struct ph_cli_program program = {"test", "test", commands};
    ph_device_config_free(&config);
    ph_error_clear(&result);
    va_list args;
    va_start(args, first);
    int status = ph_cli_testbed_run(&program, first, args);
    va_end(args);
    assert_int_equal(status, 0);
    assert_int_equal(loaded, result.code == PH_OK);
    return loaded;
}

static void write_file(const char *text)
{
    FILE *out = fopen(file, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

#define BROKER                                                                                     \
    "broker:\n  host: b.example.org\n  ca: ca.pem\n  certificate: cert.pem\n  key: key.pem\n"

/* [CFG-DEV-1] options alone suffice; [CFG-DEV-2] what is not said has a default */
static void test_options_alone(void **state)
{
    (void)state;
    assert_true(load_with("--certs", "/c", "--broker", "localhost:18883", NULL));
    assert_string_equal(config->broker.host, "localhost");
    assert_int_equal(config->broker.port, 18883);
    assert_string_equal(config->broker.certificate, "/c/cert.pem");
    assert_string_equal(config->broker.key, "/c/key.pem");
    assert_string_equal(config->broker.ca, "/c/ca.pem");
    assert_string_equal(config->spool.file, "/c/spool.db");
    assert_int_equal(config->publish.window, 16);
    assert_int_equal(config->publish.ack_timeout_ms, 30000);
    assert_true(config->room.setpoint_c == 21.0);
    assert_null(config->claim);
    assert_true(*config->renewal.enabled);
    assert_true(config->renewal.at == 0.667);
    assert_true(config->renewal.jitter == 0.05);
    assert_int_equal(config->renewal.retry_min_ms, 10000);
    assert_int_equal(config->renewal.retry_max_ms, 3600000);
    assert_int_equal(config->renewal.answer_ms, 30000);
    assert_int_equal(config->renewal.state_interval_ms, 21600000);
    assert_int_equal(config->renewal.trials, 5);
    assert_false(config->renewal.reuse_key);
    assert_true(load_with("--certs", "/c", "--broker", "[::1]:1", "--spool", "/s/x.db",
        "--interval-ms", "50", "--setpoint", "19.5", "--seed", "7", "--drain-ms", "1", NULL));
    assert_string_equal(config->broker.host, "::1");
    assert_string_equal(config->spool.file, "/s/x.db");
    assert_int_equal(config->publish.interval_ms, 50);
    assert_int_equal(config->publish.drain_ms, 1);
    assert_int_equal(config->room.seed, 7);
    assert_true(config->room.setpoint_c == 19.5);
}

/* [CFG-DEV-1] the file, with options that win; paths follow the file */
static void test_file(void **state)
{
    (void)state;
    char want[128];
    write_file(BROKER "spool:\n  file: s.db\n  sync: os\npublish:\n  interval_ms: 250\n"
                      "room:\n  setpoint_c: 18.5\n");
    assert_true(load_with("--config", file, "--broker", "other:1", NULL));
    (void)snprintf(want, sizeof want, "%s/s.db", dir);
    assert_string_equal(config->spool.file, want);
    (void)snprintf(want, sizeof want, "%s/cert.pem", dir);
    assert_string_equal(config->broker.certificate, want);
    assert_string_equal(config->broker.host, "other");
    assert_int_equal(config->spool.sync, PH_SPOOL_SYNC_OS);
    assert_int_equal(config->publish.interval_ms, 250);
    assert_true(config->room.setpoint_c == 18.5);
}

/* [CFG-DEV-3] what is printed reads back the same */
static void test_print(void **state)
{
    (void)state;
    char first[4096] = "";
    char second[4096] = "";
    char printed[96];
    write_file(BROKER "room:\n  seed: 99\n");
    assert_true(load_with("--config", file, "--interval-ms", "77", NULL));
    FILE *out = fmemopen(first, sizeof first, "w");
    assert_int_equal(ph_device_config_print(out, config, NULL), PH_OK);
    (void)fclose(out);
    (void)snprintf(printed, sizeof printed, "%s/printed.yaml", dir);
    out = fopen(printed, "w");
    assert_non_null(out);
    assert_true(fputs(first, out) >= 0);
    (void)fclose(out);
    if (!load_with("--config", printed, NULL)) {
        fail_msg("%s", result.message);
    }
    assert_int_equal(config->publish.interval_ms, 77);
    out = fmemopen(second, sizeof second, "w");
    assert_int_equal(ph_device_config_print(out, config, NULL), PH_OK);
    (void)fclose(out);
    assert_string_equal(first, second);
}

/* [CFG-DEV-3] also from another folder than the one in which it was printed */
static void test_print_relative(void **state)
{
    (void)state;
    char first[4096] = "";
    char want[160];
    char back[PATH_MAX];
    write_file(BROKER);
    assert_non_null(getcwd(back, sizeof back));
    assert_int_equal(chdir(dir), 0);
    bool ok = load_with("--config", "t.yaml", NULL);
    FILE *out = fmemopen(first, sizeof first, "w");
    assert_int_equal(ph_device_config_print(out, config, NULL), PH_OK);
    (void)fclose(out);
    ok = ok && load_with("--certs", "some/certs", "--broker", "b:1", "--spool", "x.db", NULL);
    assert_int_equal(chdir(back), 0);
    assert_true(ok);
    (void)snprintf(want, sizeof want, "%s/some/certs/key.pem", dir);
    assert_string_equal(config->broker.key, want);
    (void)snprintf(want, sizeof want, "%s/x.db", dir);
    assert_string_equal(config->spool.file, want);
    for (size_t i = 0; i < 4; i++) {
        static const char *const files[] = {"ca.pem", "cert.pem", "key.pem", "spool.db"};
        (void)snprintf(want, sizeof want, ": %s/%s\n", dir, files[i]);
        if (strstr(first, want) == NULL) {
            fail_msg("want \"%s\" in:\n%s", want, first);
        }
    }
}

/* [CFG-DEV-6] a claim from the file, and from the command line, which wins */
static void test_claim(void **state)
{
    (void)state;
    char want[128];
    assert_true(load_with("--certs", "/c", "--broker", "b:1", "--claim", "/claim", NULL));
    assert_string_equal(config->claim->certificate, "/claim/cert.pem");
    assert_string_equal(config->claim->key, "/claim/key.pem");
    assert_null(config->claim->name);
    write_file(BROKER "claim:\n  certificate: f/c.pem\n  key: f/k.pem\n  kind: thermostat\n"
                      "  name: t-0001\n  serial: SN 4711\n");
    assert_true(load_with("--config", file, NULL));
    (void)snprintf(want, sizeof want, "%s/f/c.pem", dir);
    assert_string_equal(config->claim->certificate, want);
    assert_string_equal(config->claim->kind, "thermostat");
    assert_string_equal(config->claim->name, "t-0001");
    assert_string_equal(config->claim->serial, "SN 4711");
    assert_true(load_with("--config", file, "--claim", "/other", NULL));
    assert_string_equal(config->claim->certificate, "/other/cert.pem");
    assert_string_equal(config->claim->serial, "SN 4711");
}

/* [CFG-DEV-7] [CFG-DEV-3] every key of renewal, and what is printed reads back */
static void test_renewal(void **state)
{
    (void)state;
    char text[4096] = "";
    write_file(BROKER "renewal:\n  enabled: false\n  at: 0.5\n  jitter: 0.1\n  retry_min_ms: 100\n"
                      "  retry_max_ms: 1000\n  answer_ms: 2000\n  state_interval_ms: 5000\n"
                      "  reuse_key: true\n  trials: 2\nclaim:\n  certificate: c\n  key: k\n");
    assert_true(load_with("--config", file, NULL));
    FILE *out = fmemopen(text, sizeof text, "w");
    assert_int_equal(ph_device_config_print(out, config, NULL), PH_OK);
    (void)fclose(out);
    write_file(text);
    if (!load_with("--config", file, NULL)) {
        fail_msg("%s", result.message);
    }
    assert_false(*config->renewal.enabled);
    assert_true(config->renewal.at == 0.5);
    assert_true(config->renewal.jitter == 0.1);
    assert_int_equal(config->renewal.retry_min_ms, 100);
    assert_int_equal(config->renewal.retry_max_ms, 1000);
    assert_int_equal(config->renewal.answer_ms, 2000);
    assert_int_equal(config->renewal.state_interval_ms, 5000);
    assert_int_equal(config->renewal.trials, 2);
    assert_true(config->renewal.reuse_key);
    assert_non_null(config->claim);
}

static void expect_refused(const char *message)
{
    if (result.code == PH_OK || strstr(result.message, message) == NULL) {
        fail_msg("want \"%s\", have \"%s\"", message, result.message);
    }
}

/* [CFG-DEV-2] values out of range are refused with key and range */
static void test_bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"spool:\n  file: x\n", "broker"},
        {BROKER "colour: red\n", "colour"},
        {BROKER "publish:\n  window: 1000\n", "publish.window: want 1 to 128, have 1000"},
        {BROKER "publish:\n  message_bytes: 100\n", "publish.message_bytes: want 512 to 65536"},
        {BROKER "spool:\n  sync: maybe\n", "sync"},
        {BROKER "spool:\n  max_bytes: 1\n", "spool.max_bytes: want 65536"},
        {BROKER "reconnect:\n  min_ms: 5000\n  max_ms: 100\n",
            "reconnect.max_ms: want 5000 to 86400000, have 100"},
        {BROKER "room:\n  setpoint_c: 50\n", "room.setpoint_c: want 5 to 35, have 50"},
        {BROKER "room:\n  speed: -1\n", "room.speed: want above 0"},
        {BROKER "publish:\n  interval_ms: soon\n", "interval_ms"},
        {BROKER "renewal:\n  at: 0.99\n", "renewal.at: want 0.1 to 0.95, have 0.99"},
        {BROKER "renewal:\n  at: -1\n", "renewal.at: want 0.1 to 0.95, have -1"},
        {BROKER "renewal:\n  jitter: 0.3\n", "renewal.jitter: want above 0 and at most 0.2"},
        {BROKER "renewal:\n  retry_min_ms: 1\n", "renewal.retry_min_ms: want 10 to 3600000"},
        {BROKER "renewal:\n  retry_max_ms: 5000\n",
            "renewal.retry_max_ms: want 10000 to 86400000, have 5000"},
        {BROKER "renewal:\n  answer_ms: 1\n", "renewal.answer_ms: want 100"},
        {BROKER "renewal:\n  state_interval_ms: 1\n", "renewal.state_interval_ms: want 1000"},
        {BROKER "renewal:\n  trials: 2000\n", "renewal.trials: want 1 to 1000, have 2000"},
        {BROKER "renewal:\n  enabled: maybe\n", "enabled"},
        {BROKER "claim:\n  certificate: c\n", "key"},
        {BROKER "claim:\n  certificate: c\n  key: \"\"\n", "key"},
        {BROKER "claim:\n  certificate: c\n  key: k\n  name: a/b\n",
            "claim.name: want letters, digits, '.', '_' and '-'"},
        {BROKER "claim:\n  certificate: c\n  key: k\n  kind: -x\n", "claim.kind: want letters"},
        {BROKER "claim:\n  certificate: c\n  key: k\n  serial: \"a\\nb\"\n",
            "claim.serial: want one line of printable text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_file(cases[i].text);
        assert_false(load_with("--config", file, NULL));
        expect_refused(cases[i].message);
    }
    assert_false(load_with("--config", "/nonexistent.yaml", NULL));
    expect_refused("/nonexistent.yaml");
}

static void test_bad_options(void **state)
{
    (void)state;
    assert_false(load_with(NULL, NULL));
    expect_refused("want --config FILE, or --certs DIR and --broker HOST:PORT");
    assert_false(load_with("--broker", "localhost:1", NULL));
    expect_refused("no certificate");
    static const char *const brokers[] = {
        "localhost", ":1883", "[]:1", "localhost:0", "localhost:65536"};
    for (size_t i = 0; i < sizeof brokers / sizeof brokers[0]; i++) {
        assert_false(load_with("--certs", "/c", "--broker", brokers[i], NULL));
        expect_refused("--broker: want HOST:PORT");
    }
    assert_false(load_with("--certs", "/c", "--broker", "b:1", "--setpoint", "warm", NULL));
    expect_refused("--setpoint: want a number from 5 to 35, have \"warm\"");
    assert_false(load_with("--certs", "/c", "--broker", "b:1", "--setpoint", "50", NULL));
    expect_refused("--setpoint: want a number from 5 to 35, have \"50\"");
    assert_false(load_with("--certs", "/c", "--broker", "b:1", "--interval-ms", "0", NULL));
    expect_refused("interval-ms");
    assert_false(load_with("--certs", "/c", "--broker", "b:1", "--drain-ms", "0", NULL));
    expect_refused("drain-ms");
}

/* [FLEET-1] */
static void test_shared(void **state)
{
    (void)state;
    shared = true;
    assert_true(load_with(NULL, NULL));
    assert_string_equal(config->broker.host, "localhost");
    assert_int_equal(config->broker.port, 8883);
    assert_null(config->broker.ca);
    assert_null(config->broker.certificate);
    assert_null(config->spool.file);
    assert_int_equal(config->spool.sync, PH_SPOOL_SYNC_OS);
    assert_int_equal(config->publish.window, 16);
    assert_true(load_with("--broker", "[::1]:7", "--seed", "3", NULL));
    assert_string_equal(config->broker.host, "::1");
    assert_int_equal(config->broker.port, 7);
    assert_int_equal(config->room.seed, 0);
    write_file(BROKER "spool:\n  file: s.db\n  sync: full\npublish:\n  window: 3\n");
    assert_true(load_with("--config", file, NULL));
    assert_string_equal(config->broker.host, "b.example.org");
    assert_null(config->spool.file);
    assert_int_equal(config->spool.sync, PH_SPOOL_SYNC_FULL);
    assert_int_equal(config->publish.window, 3);
    assert_true(load_with("--config", file, "--broker", "other:1", NULL));
    assert_string_equal(config->broker.host, "other");
    assert_false(load_with("--broker", "nowhere", NULL));
    expect_refused("--broker: want HOST:PORT, have \"nowhere\"");
    write_file(BROKER "publish:\n  window: 1000\n");
    assert_false(load_with("--config", file, NULL));
    expect_refused("publish.window: want 1 to 128, have 1000");
    shared = false;
}

static const struct ph_identity identity = {"devices", "acme", "thermostat", "t-0001"};

/* [CFG-DEV-4] without a word the shipped policy's topics, otherwise what is configured; both are
 * printed */
static void test_topics(void **state)
{
    (void)state;
    char text[4096] = "";
    struct ph_device_topics topics;
    assert_true(load_with("--certs", "/c", "--broker", "b:1", NULL));
    assert_int_equal(ph_device_topics_make(&config->topics, &identity, &topics, NULL), PH_OK);
    static const char *const shipped[PH_TOPIC_COUNT] = {"ph/v1/acme/thermostat/t-0001/telemetry",
        "ph/v1/acme/thermostat/t-0001/status", "ph/v1/acme/thermostat/t-0001/ack",
        "ph/v1/acme/thermostat/t-0001/command", "ph/v1/acme/thermostat/t-0001/reply",
        "ph/v1/ingest/status", "ph/v1/acme/thermostat/t-0001/renew",
        "ph/v1/acme/thermostat/t-0001/certificate", "", ""};
    for (size_t i = 0; i < PH_TOPIC_COUNT; i++) {
        assert_string_equal(topics.name[i], shipped[i]);
    }
    static const struct ph_identity claim = {"claims", "acme", "claim", "batch-7"};
    assert_int_equal(ph_claim_topics_make(&config->topics, &claim, &topics, NULL), PH_OK);
    assert_string_equal(topics.name[PH_TOPIC_ENROLL], "ph/v1/claim/acme/batch-7/enroll");
    assert_string_equal(topics.name[PH_TOPIC_ENROLLED], "ph/v1/claim/acme/batch-7/certificate");
    assert_string_equal(topics.name[PH_TOPIC_TELEMETRY], "");
    write_file(BROKER "topics:\n  telemetry: lab/{device}/t\n  ingest_status: lab/ingest\n"
                      "  command: \"{tenant}-{kind}/all\"\n");
    assert_true(load_with("--config", file, NULL));
    assert_int_equal(ph_device_topics_make(&config->topics, &identity, &topics, NULL), PH_OK);
    assert_string_equal(topics.name[PH_TOPIC_TELEMETRY], "lab/t-0001/t");
    assert_string_equal(topics.name[PH_TOPIC_INGEST_STATUS], "lab/ingest");
    assert_string_equal(topics.name[PH_TOPIC_COMMAND], "acme-thermostat/all");
    assert_string_equal(topics.name[PH_TOPIC_ACK], shipped[PH_TOPIC_ACK]);
    FILE *out = fmemopen(text, sizeof text, "w");
    assert_int_equal(ph_device_config_print(out, config, NULL), PH_OK);
    (void)fclose(out);
    assert_non_null(strstr(text, "telemetry: lab/{device}/t\n"));
    assert_non_null(strstr(text, "ph/v1/{tenant}/{kind}/{device}/ack"));
    write_file(text);
    assert_true(load_with("--config", file, NULL));
    assert_string_equal(config->topics.text[PH_TOPIC_COMMAND], "{tenant}-{kind}/all");
}

/* [CFG-DEV-5] topics that cannot work are refused with their key */
static void test_bad_topics(void **state)
{
    (void)state;
#define EIGHT_NAMES "{tenant}{kind}{device}{tenant}{kind}{device}{tenant}{kind}"
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"telemetry: lab/#\n", "topics.telemetry: template \"lab/#\": no '+' or '#' here"},
        {"ack: lab/+/ack\n", "topics.ack: template \"lab/+/ack\": no '+' or '#' here"},
        {"status: lab/{anchor}\n", "topics.status: template \"lab/{anchor}\": want only {tenant}"},
        {"command: $share/g/{device}\n", "topics.command: template \"$share/g/{device}\": "},
        {"reply: a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q\n", "at most 16 levels"},
        {"reply: \"" EIGHT_NAMES "/x\"\n", "longer than 512 bytes when filled in"},
        {"ingest_status: lab/{tenant}\n", "topics.ingest_status: \"lab/{tenant}\": want one topic"},
        {"ingest_status: lab/+\n", "topics.ingest_status: template \"lab/+\": no '+'"},
        {"reply: lab/x\n  command: lab/x\n",
            "topics.reply: the same as topics.command, \"lab/x\"; choose another"},
        {"ack: ph/v1/ingest/status\n", "topics.ingest_status: the same as topics.ack"},
        {"renew: lab/+\n", "topics.renew: template \"lab/+\": no '+' or '#' here"},
        {"enrolled: lab/#\n", "topics.enrolled: template \"lab/#/0"},
        {"enrolled: a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p\n", "at most 16 levels"},
        {"colour: red\n", "colour"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[1024];
        (void)snprintf(text, sizeof text, BROKER "topics:\n  %s", cases[i].text);
        write_file(text);
        assert_false(load_with("--config", file, NULL));
        expect_refused(cases[i].message);
        assert_int_equal(result.code, PH_ERR_CONFIG);
        assert_non_null(strstr(result.message, file));
    }
}

/* [CFG-DEV-5] two templates may become one topic for some devices only */
static void test_topics_of_one_device(void **state)
{
    (void)state;
    struct ph_device_topics topics;
    struct ph_identity other = identity;
    (void)snprintf(other.tenant, sizeof other.tenant, "globex");
    write_file(BROKER "topics:\n  ack: acme/{device}\n  command: \"{tenant}/{device}\"\n");
    assert_true(load_with("--config", file, NULL));
    assert_int_equal(ph_device_topics_make(&config->topics, &other, &topics, NULL), PH_OK);
    ph_error_clear(&result);
    assert_int_equal(
        ph_device_topics_make(&config->topics, &identity, &topics, &result), PH_ERR_CONFIG);
    expect_refused("topics.command: the same as topics.ack, \"acme/t-0001\"; choose another");
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/ph-config-XXXXXX");
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    (void)snprintf(file, sizeof file, "%s/t.yaml", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char line[128];
    ph_device_config_free(&config);
    (void)snprintf(line, sizeof line, "rm -rf '%s'", dir);
    return system(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_alone),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_print_relative),
        cmocka_unit_test(test_claim),
        cmocka_unit_test(test_renewal),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_topics),
        cmocka_unit_test(test_bad_topics),
        cmocka_unit_test(test_topics_of_one_device),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
