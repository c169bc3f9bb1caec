/* Against a real mosquitto with TLS. Requirements: [MQTT-1] to [MQTT-12], [MQTT-15] of
 * docs/spec/device.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "adapters/mqtt.h"
#include "adapters/mqtt_testbed.h"
#include "base/clock.h"

#define OPEN                                                                                       \
    "allow_anonymous true\nmax_inflight_messages 33\nmax_queued_messages 100000\n"                 \
    "max_packet_size 70000\n"

static struct testbed testbed;
static const char *script;

/* Paths of one client; the options borrow them. */
struct files {
    char ca[128];
    char cert[128];
    char key[128];
};

static struct ph_mqtt_options options_for(struct files *files, const char *name)
{
    (void)snprintf(files->ca, sizeof files->ca, "%s/trust-brokers.pem", testbed.dir);
    (void)snprintf(files->cert, sizeof files->cert, "%s/%s.pem", testbed.dir, name);
    (void)snprintf(files->key, sizeof files->key, "%s/%s.key", testbed.dir, name);
    return (struct ph_mqtt_options){
        .host = "localhost",
        .port = testbed.port,
        .client_id = name,
        .ca_file = files->ca,
        .cert_file = files->cert,
        .key_file = files->key,
        .keep_alive_s = 30,
        .clean_start = true,
        .queue_bytes = 1 << 20,
        .backoff_min_ms = 50,
        .backoff_max_ms = 400,
        .backoff_refused_ms = 3600000,
    };
}

static struct ph_mqtt *start(const struct ph_mqtt_options *options)
{
    struct ph_error error = {0};
    struct ph_mqtt *mqtt = NULL;
    if (ph_mqtt_new(options, &mqtt, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(ph_mqtt_start(mqtt, &error), PH_OK);
    return mqtt;
}

/* Takes events until one of that type comes; the caller releases it. */
static bool wait_for(
    struct ph_mqtt *mqtt, enum ph_mqtt_event_type type, int timeout_ms, struct ph_mqtt_event *event)
{
    int64_t deadline = ph_clock_monotonic_ms() + timeout_ms;
    for (;;) {
        bool have = false;
        int64_t left = deadline - ph_clock_monotonic_ms();
        if (left <= 0) {
            return false;
        }
        assert_int_equal(ph_mqtt_next(mqtt, (int)left, event, &have, NULL), PH_OK);
        if (have && event->type == type) {
            return true;
        }
        if (have) {
            ph_mqtt_event_fini(event);
        }
    }
}

static void expect(struct ph_mqtt *mqtt, enum ph_mqtt_event_type type, struct ph_mqtt_event *event)
{
    if (!wait_for(mqtt, type, 15000, event)) {
        fail_msg("no event of type %d came", (int)type);
    }
}

static struct ph_mqtt *connected(const struct ph_mqtt_options *options)
{
    struct ph_mqtt *mqtt = start(options);
    struct ph_mqtt_event event = {0};
    expect(mqtt, PH_MQTT_CONNECTED, &event);
    assert_true(ph_mqtt_connected(mqtt));
    ph_mqtt_event_fini(&event);
    return mqtt;
}

static void subscribe(struct ph_mqtt *mqtt, const char *filter)
{
    struct ph_mqtt_event event = {0};
    int token = 0;
    assert_int_equal(ph_mqtt_subscribe(mqtt, filter, 1, &token, NULL), PH_OK);
    expect(mqtt, PH_MQTT_SUBSCRIBED, &event);
    assert_int_equal(event.token, token);
    assert_true(event.reason_code < 0x80);
    ph_mqtt_event_fini(&event);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct files files;
    struct ph_mqtt_event event = {0};
    struct ph_mqtt_options options = options_for(&files, "device");
    testbed_start(&testbed, "broker", OPEN);
    struct ph_mqtt *mqtt = start(&options);
    int token = 0;
    struct ph_error error = {0};
    /* [MQTT-6] nothing is queued while not connected */
    assert_int_equal(
        ph_mqtt_publish(mqtt, "a/b", "x", 1, 1, false, &token, &error), PH_ERR_UNAVAILABLE);
    assert_non_null(strstr(error.message, "a/b: not connected"));
    assert_int_equal(
        ph_mqtt_publish(mqtt, "a/b", "x", 1, 0, false, NULL, NULL), PH_ERR_UNAVAILABLE);
    expect(mqtt, PH_MQTT_CONNECTED, &event);
    assert_int_equal(event.receive_maximum, 33); /* [MQTT-8] */
    assert_false(event.session_present);
    ph_mqtt_event_fini(&event);

    subscribe(mqtt, "a/+");
    assert_int_equal(ph_mqtt_publish(mqtt, "a/b", "hello", 5, 1, false, &token, NULL), PH_OK);
    expect(mqtt, PH_MQTT_PUBLISHED, &event);
    assert_int_equal(event.token, token);
    ph_mqtt_event_fini(&event);
    assert_int_equal(testbed_run(&testbed,
                         "mosquitto_pub -V 5 -p $PORT -h localhost --cafile trust-brokers.pem "
                         "--cert device2.pem --key device2.key -q 1 -t a/c -m there -D publish "
                         "user-property ph-one 1 -D publish user-property other x "
                         "-D publish user-property ph-two two"),
        0);
    expect(mqtt, PH_MQTT_MESSAGE, &event);
    if (strcmp(event.topic, "a/b") == 0) {
        assert_int_equal(event.payload_len, 5);
        assert_memory_equal(event.payload, "hello", 5);
        assert_int_equal(event.property_count, 0);
        ph_mqtt_event_fini(&event);
        expect(mqtt, PH_MQTT_MESSAGE, &event);
    }
    assert_string_equal(event.topic, "a/c");
    assert_int_equal(event.property_count, 2);
    assert_string_equal(event.properties[0].name, "ph-one");
    assert_string_equal(event.properties[0].value, "1");
    assert_string_equal(event.properties[1].name, "ph-two");
    assert_string_equal(event.properties[1].value, "two");
    assert_false(event.properties_incomplete);
    ph_mqtt_event_fini(&event);
    /* [MQTT-7] no token, no event but the message that comes back */
    bool have = false;
    assert_int_equal(ph_mqtt_publish(mqtt, "a/d", "quiet", 5, 0, false, NULL, NULL), PH_OK);
    expect(mqtt, PH_MQTT_MESSAGE, &event);
    assert_string_equal(event.topic, "a/d");
    ph_mqtt_event_fini(&event);
    assert_int_equal(ph_mqtt_next(mqtt, 200, &event, &have, NULL), PH_OK);
    assert_false(have);
    ph_mqtt_stop(mqtt, 2000);
    assert_false(ph_mqtt_connected(mqtt));
    ph_mqtt_free(&mqtt);
    assert_null(mqtt);
    testbed_stop(&testbed, SIGTERM);
}

/* [MQTT-5] [MQTT-7] the broker dies with publishes under way: each is confirmed or failed, once,
 * and the client comes back by itself. */
static void test_broker_dies(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    static char seen[COUNT * 4];
    struct files files;
    struct ph_mqtt_options options = options_for(&files, "device");
    testbed_start(&testbed, "broker", OPEN);
    struct ph_mqtt *mqtt = connected(&options);
    memset(seen, 0, sizeof seen);
    int last = 0;
    int first = 0;
    (void)kill(testbed.broker, SIGSTOP);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(ph_mqtt_publish(mqtt, "a/b", "x", 1, 1, false, &last, NULL), PH_OK);
        first = first == 0 ? last : first;
    }
    testbed_stop(&testbed, SIGKILL);
    int results = 0;
    bool disconnected = false;
    struct ph_mqtt_event event = {0};
    bool have = true;
    int64_t deadline = ph_clock_monotonic_ms() + 15000;
    while ((results < COUNT || !disconnected) && ph_clock_monotonic_ms() < deadline) {
        assert_int_equal(ph_mqtt_next(mqtt, 100, &event, &have, NULL), PH_OK);
        if (!have) {
            continue;
        }
        if (event.type == PH_MQTT_PUBLISHED || event.type == PH_MQTT_PUBLISH_FAILED) {
            assert_int_equal(seen[event.token - first]++, 0);
            results++;
        }
        disconnected = disconnected || event.type == PH_MQTT_DISCONNECTED;
        ph_mqtt_event_fini(&event);
    }
    assert_int_equal(results, COUNT);
    assert_true(disconnected);
    expect(mqtt, PH_MQTT_DISCONNECTED, &event); /* an attempt that found nobody */
    assert_non_null(strstr(event.text, "localhost:"));
    assert_true(event.retry_in_ms > 0 && event.retry_in_ms < 1000);
    ph_mqtt_event_fini(&event);
    testbed_start(&testbed, "broker", OPEN);
    expect(mqtt, PH_MQTT_CONNECTED, &event);
    ph_mqtt_event_fini(&event);
    /* what Paho kept of the 200 must not appear as a result again */
    assert_int_equal(ph_mqtt_publish(mqtt, "a/b", "y", 1, 1, false, &last, NULL), PH_OK);
    expect(mqtt, PH_MQTT_PUBLISHED, &event);
    assert_int_equal(event.token, last);
    ph_mqtt_event_fini(&event);
    assert_false(wait_for(mqtt, PH_MQTT_PUBLISHED, 300, &event));
    ph_mqtt_free(&mqtt);
    testbed_stop(&testbed, SIGTERM);
}

/* [MQTT-1] [MQTT-2] [MQTT-3] brokers that must not be trusted, each with a control: the stock
 * client, told to look at the chain only or at nothing, talks to the same broker. */
static void test_untrusted_brokers(void **state)
{
    (void)state;
    static const struct {
        const char *certificate;
        const char *text;
        const char *control;
    } cases[] = {
        {"elsewhere", "not for this host name",
            "mosquitto_pub --insecure -p $PORT -h localhost --cafile trust-brokers.pem "
            "--cert device2.pem --key device2.key -t a -m x"},
        {"rogue", "certificate verify failed",
            "cat trust-brokers.pem devices.pem >all.pem && openssl s_client -verify_return_error "
            "-purpose sslclient -CAfile all.pem -verify_hostname localhost -cert device2.pem -key "
            "device2.key -connect localhost:$PORT </dev/null >control.log 2>&1"},
        {"impostor", "certificate verify failed",
            "mosquitto_pub -p $PORT -h localhost --cafile stranger.pem --cert device2.pem --key "
            "device2.key -t a -m x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct files files;
        struct ph_mqtt_event event = {0};
        struct ph_mqtt_options options = options_for(&files, "device");
        testbed_start(&testbed, cases[i].certificate, OPEN);
        assert_int_equal(testbed_run(&testbed, cases[i].control), 0);
        struct ph_mqtt *mqtt = start(&options);
        expect(mqtt, PH_MQTT_DISCONNECTED, &event);
        if (strstr(event.text, cases[i].text) == NULL) {
            fail_msg("%s: \"%s\"", cases[i].certificate, event.text);
        }
        ph_mqtt_event_fini(&event);
        assert_false(wait_for(mqtt, PH_MQTT_CONNECTED, 500, &event));
        ph_mqtt_free(&mqtt);
        testbed_stop(&testbed, SIGTERM);
    }
}

/* [MQTT-4] no protocol below TLS 1.2: a server that speaks only 1.1 shares no cipher with us. */
static void test_old_tls(void **state)
{
    (void)state;
    struct files files;
    struct ph_mqtt_event event = {0};
    struct ph_mqtt_options options = options_for(&files, "device");
    assert_int_equal(
        testbed_run(&testbed, "openssl s_server -accept $PORT -cert broker.pem -key broker.key "
                              "-cipher ALL:@SECLEVEL=0 -tls1_1 -quiet >s_server.log 2>&1 & echo $! "
                              ">s_server.pid; sleep 0.5"),
        0);
    /* control: a client that allows it gets through */
    assert_int_equal(
        testbed_run(&testbed, "openssl s_client -connect localhost:$PORT -tls1_1 -cipher "
                              "ALL:@SECLEVEL=0 </dev/null >control.log 2>&1"),
        0);
    struct ph_mqtt *mqtt = start(&options);
    expect(mqtt, PH_MQTT_DISCONNECTED, &event);
    assert_non_null(strstr(event.text, "TLS: "));
    ph_mqtt_event_fini(&event);
    ph_mqtt_free(&mqtt);
    assert_int_equal(testbed_run(&testbed, "kill $(cat s_server.pid)"), 0);
}

/* [MQTT-9] CONNACK 0x87 is a decision: reported as such, and the next attempt is far away. */
static void test_refused(void **state)
{
    (void)state;
    struct files files;
    struct ph_mqtt_event event = {0};
    struct ph_mqtt_options options = options_for(&files, "device");
    testbed_start(&testbed, "broker", "allow_anonymous false\n");
    struct ph_mqtt *mqtt = start(&options);
    expect(mqtt, PH_MQTT_REFUSED, &event);
    assert_int_equal(event.reason_code, 0x87);
    assert_non_null(strstr(event.text, "refused by the broker: Not authorized (0x87)"));
    assert_true(event.retry_in_ms >= 3600000);
    ph_mqtt_event_fini(&event);
    assert_false(ph_mqtt_connected(mqtt));
    ph_mqtt_free(&mqtt);
    testbed_stop(&testbed, SIGTERM);
}

/* The broker's own dynamic-security plugin, with t-0002 allowed to administer it. */
#define DYNSEC_CONF                                                                                \
    "use_identity_as_username true\nplugin %s\nplugin_opt_config_file %s/dynsec.json\n"
#define DYNSEC_JSON                                                                                \
    "{\"defaultACLAccess\":{\"publishClientSend\":true,\"subscribe\":true},\"clients\":["          \
    "{\"username\":\"t-0001\",\"roles\":[]},"                                                      \
    "{\"username\":\"t-0002\",\"roles\":[{\"rolename\":\"admin\"}]}],\"groups\":[],"               \
    "\"roles\":[{\"rolename\":\"admin\",\"acls\":[{\"acltype\":\"publishClientSend\","             \
    "\"topic\":\"$CONTROL/#\",\"allow\":true}]}]}"

/* [MQTT-9] a DISCONNECT by decision: 0x98, the way a live session is cut off. */
static void test_kicked(void **state)
{
    (void)state;
    struct files files;
    char plugin[256] = "";
    char lines[512];
    struct ph_mqtt_event event = {0};
    struct ph_mqtt_options options = options_for(&files, "device");
    FILE *pipe = popen("ls /usr/lib/*/mosquitto_dynamic_security.so", "r");
    assert_non_null(pipe);
    assert_non_null(fgets(plugin, sizeof plugin, pipe));
    assert_int_equal(pclose(pipe), 0);
    plugin[strcspn(plugin, "\n")] = '\0';
    (void)snprintf(lines, sizeof lines, DYNSEC_CONF, plugin, testbed.dir);
    assert_int_equal(testbed_run(&testbed, "cat >dynsec.json <<'END'\n" DYNSEC_JSON "\nEND\n"), 0);
    testbed_start(&testbed, "broker", lines);
    struct ph_mqtt *mqtt = connected(&options);
    assert_int_equal(testbed_run(&testbed,
                         "mosquitto_pub -V 5 -q 1 -p $PORT -h localhost --cafile trust-brokers.pem "
                         "--cert device2.pem --key device2.key -t '$CONTROL/dynamic-security/v1' "
                         "-m '{\"commands\":[{\"command\":\"deleteClient\",\"username\":"
                         "\"t-0001\"}]}'"),
        0);
    expect(mqtt, PH_MQTT_REFUSED, &event);
    assert_int_equal(event.reason_code, 0x98);
    assert_non_null(strstr(event.text, "disconnected by the broker: Administrative action (0x98)"));
    assert_true(event.retry_in_ms >= 3600000);
    ph_mqtt_event_fini(&event);
    assert_false(ph_mqtt_connected(mqtt));
    ph_mqtt_free(&mqtt);
}

/* [MQTT-10] incoming messages beyond the bound are dropped and counted. */
static void test_queue_bound(void **state)
{
    (void)state;
    struct files files;
    struct ph_mqtt_event event = {0};
    struct ph_mqtt_options options = options_for(&files, "device");
    options.queue_bytes = 100000;
    testbed_start(&testbed, "broker", OPEN);
    struct ph_mqtt *mqtt = connected(&options);
    subscribe(mqtt, "flood");
    assert_int_equal(
        testbed_run(&testbed,
            "head -c 30000 /dev/zero | tr '\\0' x >payload && for i in 1 2 3 4 5 6; do "
            "mosquitto_pub -V 5 -p $PORT -h localhost --cafile trust-brokers.pem --cert "
            "device2.pem --key device2.key -q 1 -t flood -f payload || exit 1; done"),
        0);
    for (int i = 0; i < 100 && ph_mqtt_dropped(mqtt) < 3; i++) {
        (void)poll(NULL, 0, 50);
    }
    assert_int_equal(ph_mqtt_dropped(mqtt), 3);
    for (int i = 0; i < 3; i++) {
        expect(mqtt, PH_MQTT_MESSAGE, &event);
        assert_int_equal(event.payload_len, 30000);
        ph_mqtt_event_fini(&event);
    }
    assert_false(wait_for(mqtt, PH_MQTT_MESSAGE, 200, &event));
    ph_mqtt_free(&mqtt);
    testbed_stop(&testbed, SIGTERM);
}

/* [MQTT-10] [ING-60] a flood of user properties is not kept, whatever their names. */
static void test_many_properties(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t kept;
    } cases[] = {{"a", 0}, {"ph-a", PH_MQTT_PROPERTIES_MAX}};
    struct files files;
    struct ph_mqtt_event event = {0};
    struct ph_mqtt_options options = options_for(&files, "device");
    options.queue_bytes = 2000;
    testbed_start(&testbed, "broker", OPEN);
    struct ph_mqtt *mqtt = connected(&options);
    subscribe(mqtt, "flood");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char command[512];
        (void)snprintf(command, sizeof command,
            "mosquitto_pub -V 5 -p $PORT -h localhost --cafile trust-brokers.pem --cert "
            "device2.pem --key device2.key -q 1 -t flood -n $(for i in $(seq 1500); do printf ' -D "
            "publish user-property %s b'; done)",
            cases[i].name);
        assert_int_equal(testbed_run(&testbed, command), 0);
        expect(mqtt, PH_MQTT_MESSAGE, &event);
        assert_int_equal(event.property_count, cases[i].kept);
        assert_int_equal(event.properties_incomplete, cases[i].kept > 0);
        ph_mqtt_event_fini(&event);
    }
    assert_int_equal(ph_mqtt_dropped(mqtt), 0);
    ph_mqtt_free(&mqtt);
    testbed_stop(&testbed, SIGTERM);
}

/* [MQTT-11] the will is published when the client vanishes, and not after a normal stop. */
static void test_will(void **state)
{
    (void)state;
    struct files files;
    struct files watcher_files;
    struct ph_mqtt_event event = {0};
    struct ph_mqtt_options options = options_for(&files, "device");
    options.will.topic = "status";
    options.will.payload = "gone";
    options.will.qos = 1;
    struct ph_mqtt_options watching = options_for(&watcher_files, "device2");
    testbed_start(&testbed, "broker", OPEN);
    struct ph_mqtt *watcher = connected(&watching);
    subscribe(watcher, "status");
    struct ph_mqtt *mqtt = connected(&options);
    int token = 0;
    assert_int_equal(ph_mqtt_publish(mqtt, "status", "bye", 3, 1, false, &token, NULL), PH_OK);
    ph_mqtt_stop(mqtt, 3000);
    expect(watcher, PH_MQTT_MESSAGE, &event);
    assert_memory_equal(event.payload, "bye", 3);
    ph_mqtt_event_fini(&event);
    assert_false(wait_for(watcher, PH_MQTT_MESSAGE, 500, &event));
    ph_mqtt_free(&mqtt);

    mqtt = connected(&options); /* control: thrown out by another client with its id */
    assert_int_equal(
        testbed_run(&testbed, "mosquitto_pub -V 5 -i device -p $PORT -h localhost --cafile "
                              "trust-brokers.pem --cert device.pem --key device.key -t a -m x"),
        0);
    expect(watcher, PH_MQTT_MESSAGE, &event);
    assert_memory_equal(event.payload, "gone", 4);
    ph_mqtt_event_fini(&event);
    /* [MQTT-9] taken over is no decision by the broker (2.0.11 does not say it, later ones do) */
    expect(mqtt, PH_MQTT_DISCONNECTED, &event);
    assert_true(event.reason_code == 0 || event.reason_code == 0x8E);
    assert_true(event.retry_in_ms < 1000);
    ph_mqtt_event_fini(&event);
    expect(mqtt, PH_MQTT_CONNECTED, &event);
    ph_mqtt_event_fini(&event);
    ph_mqtt_free(&mqtt);
    ph_mqtt_free(&watcher);
    testbed_stop(&testbed, SIGTERM);
}

/* [MQTT-12] files that cannot work are refused before anything is connected. */
static void test_bad_files(void **state)
{
    (void)state;
    struct files files;
    struct files other;
    struct ph_error error = {0};
    struct ph_mqtt *mqtt = NULL;
    struct ph_mqtt_options options = options_for(&files, "device");
    (void)options_for(&other, "device2");

    options.key_file = other.key;
    assert_int_not_equal(ph_mqtt_new(&options, &mqtt, &error), PH_OK);
    assert_non_null(strstr(error.message, "device2.key"));
    ph_error_clear(&error);

    options = options_for(&files, "device");
    assert_int_equal(chmod(files.key, 0644), 0);
    assert_int_equal(ph_mqtt_new(&options, &mqtt, &error), PH_ERR_PERMISSION);
    assert_non_null(strstr(error.message, "device.key"));
    assert_int_equal(chmod(files.key, 0600), 0);
    ph_error_clear(&error);

    options.ca_file = "/nonexistent/ca.pem";
    assert_int_equal(ph_mqtt_new(&options, &mqtt, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "/nonexistent/ca.pem"));
    ph_error_clear(&error);

    options = options_for(&files, "device");
    options.session_expiry_s = UINT32_MAX;
    assert_int_equal(ph_mqtt_new(&options, &mqtt, &error), PH_ERR_CONFIG);
    assert_non_null(strstr(error.message, "session expiry: want at most 2147483647"));
    ph_error_clear(&error);

    options = options_for(&files, "device");
    options.host = "broker/path";
    assert_int_equal(ph_mqtt_new(&options, &mqtt, &error), PH_ERR_CONFIG);
    assert_non_null(strstr(error.message, "host: want a name or address"));
    assert_null(mqtt);
}

/* [MQTT-15] cut on purpose: the will comes, nothing is tried until it is resumed, and then at once;
 * also when the cut was ordered while it was connecting. */
static void test_suspend(void **state)
{
    (void)state;
    struct files files;
    struct files watcher_files;
    struct ph_mqtt_event event = {0};
    struct ph_mqtt_options options = options_for(&files, "device");
    options.will.topic = "status";
    options.will.payload = "gone";
    options.will.qos = 1;
    struct ph_mqtt_options watching = options_for(&watcher_files, "device2");
    testbed_start(&testbed, "broker", OPEN);
    struct ph_mqtt *watcher = connected(&watching);
    subscribe(watcher, "status");
    struct ph_mqtt *mqtt = connected(&options);
    for (int round = 0; round < 2; round++) {
        ph_mqtt_suspend(mqtt);
        expect(mqtt, PH_MQTT_DISCONNECTED, &event);
        ph_mqtt_event_fini(&event);
        expect(watcher, PH_MQTT_MESSAGE, &event);
        assert_memory_equal(event.payload, "gone", 4);
        ph_mqtt_event_fini(&event);
        assert_false(wait_for(mqtt, PH_MQTT_CONNECTED, 1500, &event)); /* back-off: 0.4 s at most */
        ph_mqtt_resume(mqtt);
        if (round == 1) {
            ph_mqtt_suspend(mqtt); /* changed its mind: nothing is begun */
            assert_false(wait_for(mqtt, PH_MQTT_CONNECTED, 1500, &event));
            ph_mqtt_resume(mqtt);
        }
        expect(mqtt, PH_MQTT_CONNECTED, &event);
        ph_mqtt_event_fini(&event);
    }
    ph_mqtt_free(&mqtt);
    mqtt = start(&options);
    ph_mqtt_suspend(mqtt); /* while it connects */
    expect(mqtt, PH_MQTT_DISCONNECTED, &event);
    ph_mqtt_event_fini(&event);
    expect(watcher, PH_MQTT_MESSAGE, &event);
    ph_mqtt_event_fini(&event);
    ph_mqtt_free(&mqtt);
    ph_mqtt_free(&watcher);
}

static int setup(void **state)
{
    (void)state;
    testbed_init(&testbed, script);
    return 0;
}

static int stop_broker(void **state)
{
    (void)state;
    testbed_stop(&testbed, SIGKILL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    testbed_fini(&testbed);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s mqtt_testbed.sh\n", argv[0]);
        return 2;
    }
    script = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_round_trip, stop_broker),
        cmocka_unit_test_teardown(test_broker_dies, stop_broker),
        cmocka_unit_test_teardown(test_untrusted_brokers, stop_broker),
        cmocka_unit_test_teardown(test_old_tls, stop_broker),
        cmocka_unit_test_teardown(test_refused, stop_broker),
        cmocka_unit_test_teardown(test_kicked, stop_broker),
        cmocka_unit_test_teardown(test_queue_bound, stop_broker),
        cmocka_unit_test_teardown(test_many_properties, stop_broker),
        cmocka_unit_test_teardown(test_will, stop_broker),
        cmocka_unit_test_teardown(test_suspend, stop_broker),
        cmocka_unit_test_teardown(test_bad_files, stop_broker),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
