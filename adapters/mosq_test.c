/* Against a real mosquitto, over TCP and TLS. Requirements: [LOAD-1], [LOAD-3], [LOAD-5], [LOAD-9]
 * of docs/spec/fleet.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/mosq_testbed.h"
#include "base/clock.h"

static const char *script;

static void round_trip(struct fixture *f, int qos)
{
    int mid = 0;
    connect_it(f);
    wait_until(f, &f->told.accepted, 1);
    assert_int_equal(ph_mosq_subscribe(f->mosq, "a/+", qos, NULL), PH_OK);
    wait_until(f, &f->told.subscribed, 1);
    assert_int_equal(f->told.subscribe_code, qos);
    assert_int_equal(ph_mosq_publish(f->mosq, "a/b", "hello", 5, qos, false, &mid, NULL), PH_OK);
    assert_true(mid > 0);
    wait_until(f, &f->told.confirmed, 1);
    wait_until(f, &f->told.messages, 1);
    assert_string_equal(f->told.topic, "a/b");
    assert_string_equal(f->told.payload, "hello");
    assert_int_equal(f->told.refused + f->told.lost, 0);
}

/* [LOAD-1] both versions, every QoS, over TCP; [LOAD-9] the broker's Receive Maximum is told. */
static void test_round_trip(void **state)
{
    (void)state;
    struct fixture f;
    start_broker("broker", "allow_anonymous true\nmax_inflight_messages 33");
    for (int qos = 0; qos <= 2; qos++) {
        make(&f, false, PH_MOSQ_5, NULL, NULL);
        round_trip(&f, qos);
        assert_int_equal(f.told.receive_maximum, 33);
        drop(&f);
        make(&f, false, PH_MOSQ_3_1_1, NULL, NULL);
        round_trip(&f, qos);
        assert_int_equal(f.told.receive_maximum, 65535);
        drop(&f);
    }
    testbed_stop(&testbed, SIGTERM);
}

/* [LOAD-1] over TLS with a client certificate; what is sent in a burst all comes. */
static void test_tls(void **state)
{
    (void)state;
    struct fixture f;
    start_broker("broker", "allow_anonymous true");
    make(&f, true, PH_MOSQ_5, "device", "trust-brokers");
    round_trip(&f, 1);
    for (int i = 0; i < 500; i++) {
        int mid = 0;
        assert_int_equal(ph_mosq_publish(f.mosq, "a/c", "x", 1, 1, false, &mid, NULL), PH_OK);
    }
    wait_until(&f, &f.told.confirmed, 501);
    wait_until(&f, &f.told.messages, 501);
    drop(&f);
    testbed_stop(&testbed, SIGTERM);
}

/* The attempt fails, at once or when it goes on, with one of the two words. */
static void expect_lost(
    bool tls, const char *cert, const char *ca, const char *reason, const char *or_reason)
{
    struct fixture f;
    struct ph_error error = {0};
    make(&f, tls, PH_MOSQ_5, cert, ca);
    if (ph_mosq_connect(f.mosq, &error) == PH_OK) {
        wait_until(&f, &f.told.lost, 1);
        assert_int_equal(f.told.lost, 1);
    } else {
        assert_int_equal(f.told.lost, 0);
        (void)snprintf(f.told.reason, sizeof f.told.reason, "%s", error.message);
    }
    if (strstr(f.told.reason, reason) == NULL && strstr(f.told.reason, or_reason) == NULL) {
        fail_msg("want \"%s\", have \"%s\"", reason, f.told.reason);
    }
    assert_int_equal(f.told.accepted, 0);
    drop(&f);
}

/* [LOAD-1] a broker that cannot be trusted is not connected to; [LOAD-5] each cause has its words
 */
static void test_tls_refusals(void **state)
{
    (void)state;
    start_broker("broker", "allow_anonymous true");
    expect_lost(
        true, "device", "stranger", "certificate verify failed", "certificate verify failed");
    /* the broker's alert, unless the connection's end came first */
    expect_lost(true, "expired", "trust-brokers", "TLS: ", "reset by peer");
    expect_lost(true, NULL, "trust-brokers", "TLS: ", "reset by peer");
    testbed_stop(&testbed, SIGTERM);
    start_broker("elsewhere", "allow_anonymous true");
    expect_lost(true, "device", "trust-brokers", "host name verification failed",
        "host name verification failed");
    testbed_stop(&testbed, SIGTERM);
}

/* [LOAD-5] */
static void test_not_authorised(void **state)
{
    (void)state;
    start_broker("broker", "allow_anonymous false");
    expect_lost(false, NULL, NULL, "Not authorized", "Not authorized");
    testbed_stop(&testbed, SIGTERM);
}

/* [LOAD-3] nobody listens; [LOAD-5] */
static void test_nobody_listens(void **state)
{
    (void)state;
    struct ph_error error = {0};
    enum ph_mosq_family family = PH_MOSQ_ANY;
    assert_int_equal(
        ph_mosq_probe("localhost", plain_port, 2000, &family, &error), PH_ERR_UNAVAILABLE);
    assert_int_equal(error.code, PH_ERR_UNAVAILABLE);
    assert_non_null(strstr(error.message, "Connection refused"));
    ph_error_clear(&error);
    assert_int_equal(
        ph_mosq_probe("no-such-host.invalid", 1, 2000, &family, &error), PH_ERR_UNAVAILABLE);
    assert_non_null(strstr(error.message, "no-such-host.invalid: "));
    expect_lost(false, NULL, NULL, "Connection refused", "Connection refused");
    expect_lost(
        true, "device", "trust-brokers", "Connection refused", "TLS: refused or broken off");
}

/* [LOAD-3] */
static void test_probe(void **state)
{
    (void)state;
    struct ph_error error = {0};
    enum ph_mosq_family family = PH_MOSQ_IPV6;
    start_broker("broker", "allow_anonymous true");
    assert_int_equal(ph_mosq_probe("127.0.0.1", plain_port, 5000, &family, &error), PH_OK);
    assert_int_equal(family, PH_MOSQ_ANY);
    /* whatever comes first of the name's addresses */
    assert_int_equal(ph_mosq_probe("localhost", plain_port, 5000, &family, &error), PH_OK);
    assert_int_not_equal(family, PH_MOSQ_IPV6);
    testbed_stop(&testbed, SIGTERM);
}

/* [LOAD-5] a server that takes connections and says nothing */
static void test_silence(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_port = htons(plain_port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct fixture f;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 5), 0);
    make(&f, false, PH_MOSQ_5, NULL, NULL);
    f.options.connect_timeout_ms = 300;
    connect_it(&f);
    wait_until(&f, &f.told.lost, 1);
    assert_string_equal(f.told.reason, "no answer in time");
    drop(&f);
    (void)close(fd);
}

/* [LOAD-4] a lost connection can be made again, and what was not confirmed is sent again */
static void test_connects_again(void **state)
{
    (void)state;
    struct fixture f;
    struct ph_error error = {0};
    int mid = 0;
    start_broker("broker", "allow_anonymous true");
    make(&f, false, PH_MOSQ_5, NULL, NULL);
    connect_it(&f);
    wait_until(&f, &f.told.accepted, 1);
    (void)kill(testbed.broker, SIGSTOP);
    assert_int_equal(ph_mosq_publish(f.mosq, "a/b", "x", 1, 1, false, &mid, NULL), PH_OK);
    testbed_stop(&testbed, SIGKILL);
    wait_until(&f, &f.told.lost, 1);
    assert_int_equal(f.told.confirmed, 0);
    assert_int_equal(
        ph_mosq_publish(f.mosq, "a/b", "x", 1, 1, false, &mid, &error), PH_ERR_UNAVAILABLE);
    assert_string_equal(error.message, "a/b: not connected");
    start_broker("broker", "allow_anonymous true");
    connect_it(&f);
    wait_until(&f, &f.told.accepted, 2);
    wait_until(&f, &f.told.confirmed, 1);
    drop(&f);
    testbed_stop(&testbed, SIGTERM);
}

/* [LOAD-5] */
static void test_message_too_large(void **state)
{
    (void)state;
    static char payload[100000];
    struct fixture f;
    struct ph_error error = {0};
    int mid = 0;
    start_broker("broker", "allow_anonymous true\nmax_packet_size 70000");
    make(&f, false, PH_MOSQ_5, NULL, NULL);
    connect_it(&f);
    wait_until(&f, &f.told.accepted, 1);
    assert_int_equal(
        ph_mosq_publish(f.mosq, "a/b", payload, sizeof payload, 1, false, &mid, &error),
        PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "a/b: the broker says: "));
    drop(&f);
    testbed_stop(&testbed, SIGTERM);
}

/* [LOAD-1] */
static void test_certificate_without_ca(void **state)
{
    (void)state;
    struct ph_mosq_loop *loop = NULL;
    struct ph_mosq *mosq = NULL;
    struct ph_error error = {0};
    const struct ph_mosq_options options = {.host = "localhost", .port = 1, .tls = true};
    const struct ph_mosq_identity identity = {"a", "cert.pem", "key.pem"};
    assert_int_equal(ph_mosq_loop_new(&loop, &error), PH_OK);
    assert_int_equal(
        ph_mosq_new(loop, &options, &identity, &mosq_handlers, NULL, &mosq, &error), PH_ERR_USAGE);
    assert_non_null(strstr(error.message, "cert.pem: a certificate is used only together"));
    ph_mosq_loop_free(&loop);
}

/* [LOAD-6] the wait ends when it should, not before */
static void test_wait(void **state)
{
    (void)state;
    struct ph_mosq_loop *loop = NULL;
    assert_int_equal(ph_mosq_loop_new(&loop, NULL), PH_OK);
    assert_int_equal(ph_mosq_loop_turn(loop, 0, NULL), PH_OK);
    const int64_t until_ns = ph_clock_monotonic_ns() + 2500000;
    assert_int_equal(ph_mosq_loop_turn(loop, until_ns, NULL), PH_OK);
    assert_true(ph_clock_monotonic_ns() >= until_ns);
    ph_mosq_loop_free(&loop);
}

static int set_up(void **state)
{
    (void)state;
    mosq_testbed_init(script);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mosq_testbed_fini();
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        return 64;
    }
    script = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_tls_refusals),
        cmocka_unit_test(test_not_authorised),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_connects_again),
        cmocka_unit_test(test_message_too_large),
        cmocka_unit_test(test_certificate_without_ca),
        cmocka_unit_test(test_wait),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
