#include "adapters/mosq_testbed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum { WAIT_MS = 15000 };

struct testbed testbed;
uint16_t plain_port;

static void on_accepted(void *context, uint16_t receive_maximum)
{
    struct told *told = context;
    told->accepted++;
    told->receive_maximum = receive_maximum;
}

static void on_lost(void *context, const char *reason)
{
    struct told *told = context;
    told->lost++;
    (void)snprintf(told->reason, sizeof told->reason, "%s", reason);
}

static void on_published(void *context, int mid, int code)
{
    struct told *told = context;
    assert_true(mid > 0);
    *(code < 0x80 ? &told->confirmed : &told->refused) += 1;
}

static void on_subscribed(void *context, int code)
{
    struct told *told = context;
    told->subscribed++;
    told->subscribe_code = code;
}

static void on_message(void *context, const struct ph_mosq_message *message)
{
    struct told *told = context;
    told->messages++;
    (void)snprintf(told->topic, sizeof told->topic, "%s", message->topic);
    (void)snprintf(told->payload, sizeof told->payload, "%.*s", (int)message->len,
        (const char *)message->payload);
}

const struct ph_mosq_handlers mosq_handlers = {
    on_accepted, on_lost, on_published, on_subscribed, on_message};

static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    (void)close(fd);
    return ntohs(address.sin_port);
}

void start_broker(const char *certificate, const char *lines)
{
    char all[512];
    (void)snprintf(all, sizeof all, "%s\nlistener %u 127.0.0.1\n", lines, (unsigned)plain_port);
    testbed_start(&testbed, certificate, all);
    enum ph_mosq_family family = PH_MOSQ_ANY;
    const int64_t deadline_ms = ph_clock_monotonic_ms() + WAIT_MS;
    while (ph_mosq_probe("127.0.0.1", plain_port, WAIT_MS, &family, NULL) != PH_OK) {
        assert_true(ph_clock_monotonic_ms() < deadline_ms);
    }
}

void make(
    struct fixture *f, bool tls, enum ph_mosq_version version, const char *cert, const char *ca)
{
    struct ph_error error = {0};
    *f = (struct fixture){.options = {.host = "localhost",
                              .port = tls ? testbed.port : plain_port,
                              .family = PH_MOSQ_IPV4,
                              .version = version,
                              .tls = tls,
                              .keep_alive_s = 30,
                              .window = 10,
                              .connect_timeout_ms = 10000}};
    (void)snprintf(f->ca, sizeof f->ca, "%s/%s.pem", testbed.dir, ca != NULL ? ca : "none");
    (void)snprintf(f->cert, sizeof f->cert, "%s/%s.pem", testbed.dir, cert != NULL ? cert : "none");
    (void)snprintf(f->key, sizeof f->key, "%s/%s.key", testbed.dir, cert != NULL ? cert : "none");
    const struct ph_mosq_identity identity = {.client_id = "mosq-test",
        .cert_file = cert != NULL ? f->cert : NULL,
        .key_file = cert != NULL ? f->key : NULL};
    f->options.ca_file = ca != NULL ? f->ca : NULL;
    assert_int_equal(ph_mosq_loop_new(&f->loop, &error), PH_OK);
    if (ph_mosq_new(f->loop, &f->options, &identity, &mosq_handlers, &f->told, &f->mosq, &error) !=
        PH_OK) {
        fail_msg("%s", error.message);
    }
}

void drop(struct fixture *f)
{
    ph_mosq_free(&f->mosq);
    ph_mosq_loop_free(&f->loop);
}

void wait_until(struct fixture *f, const int *value, int least)
{
    const int64_t deadline_ns = ph_clock_monotonic_ns() + WAIT_MS * INT64_C(1000000);
    while (*value < least) {
        assert_int_equal(ph_mosq_loop_turn(f->loop, deadline_ns, NULL), PH_OK);
        if (ph_clock_monotonic_ns() > deadline_ns) {
            fail_msg("waited in vain; lost: %d %s", f->told.lost, f->told.reason);
        }
    }
}

void connect_it(struct fixture *f)
{
    struct ph_error error = {0};
    if (ph_mosq_connect(f->mosq, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

void mosq_testbed_init(const char *script)
{
    (void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    testbed_init(&testbed, script);
    plain_port = free_port();
}

void mosq_testbed_fini(void)
{
    testbed_fini(&testbed);
}
