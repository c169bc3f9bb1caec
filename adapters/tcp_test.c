/* ph.adapters.tcp: what is said of a connection that cannot be made, and that no wait is longer
 * than its deadline. Loopback only. */
#include "adapters/tcp.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

static struct ph_error error;

static void assert_said(const char *part)
{
    assert_int_equal(error.code, PH_ERR_UNAVAILABLE);
    if (strstr(error.message, part) == NULL) {
        fail_msg("want \"%s\" in: %s", part, error.message);
    }
}

/* A socket on a free port of the loopback; listens with that backlog unless it is negative. */
static int serve(int backlog, uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    assert_true(backlog < 0 || listen(fd, backlog) == 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static int64_t in_ms(int64_t length_ms)
{
    ph_error_clear(&error);
    return ph_clock_monotonic_ms() + length_ms;
}

static void connects(void **state)
{
    (void)state;
    uint16_t port = 0;
    int fd = -1;
    const int server = serve(1, &port);
    assert_int_equal(ph_tcp_open("127.0.0.1", port, in_ms(5000), &fd, &error), PH_OK);
    assert_int_equal(ph_tcp_wait(fd, POLLOUT, in_ms(5000), &error), PH_OK);
    assert_int_equal(close(fd), 0);
    assert_int_equal(close(server), 0);
}

/* "localhost" may be ::1 first, where this server does not listen. */
static void tries_every_address(void **state)
{
    (void)state;
    uint16_t port = 0;
    int fd = -1;
    const int server = serve(1, &port);
    assert_int_equal(ph_tcp_open("localhost", port, in_ms(5000), &fd, &error), PH_OK);
    assert_int_equal(close(fd), 0);
    assert_int_equal(close(server), 0);
}

static void says_what_is_refused(void **state)
{
    (void)state;
    uint16_t port = 0;
    int fd = -1;
    const int bound = serve(-1, &port);
    assert_int_equal(ph_tcp_open("127.0.0.1", port, in_ms(5000), &fd, &error), PH_ERR_UNAVAILABLE);
    assert_said("TCP: 127.0.0.1: Connection refused: nothing listens there");
    assert_int_equal(close(bound), 0);
}

/* The kernel drops a SYN to a full backlog, as a firewall would. */
static void gives_up_on_an_address_that_is_silent(void **state)
{
    (void)state;
    enum { TRIES = 8 };
    uint16_t port = 0;
    int fds[TRIES];
    int count = 0;
    enum ph_err err = PH_OK;
    const int server = serve(0, &port);
    const int64_t began_ms = ph_clock_monotonic_ms();
    while (err == PH_OK && count < TRIES) {
        err = ph_tcp_open("127.0.0.1", port, in_ms(150), &fds[count], &error);
        count += err == PH_OK;
    }
    assert_int_equal(err, PH_ERR_UNAVAILABLE);
    assert_said("TCP: 127.0.0.1: Connection timed out: no answer in time");
    assert_true(ph_clock_monotonic_ms() - began_ms < 5000);
    while (count > 0) {
        assert_int_equal(close(fds[--count]), 0);
    }
    assert_int_equal(close(server), 0);
}

static void says_what_is_not_known(void **state)
{
    (void)state;
    int fd = -1;
    assert_int_equal(
        ph_tcp_open("no-such-host.invalid", 1, in_ms(5000), &fd, &error), PH_ERR_UNAVAILABLE);
    assert_said("resolve: ");
}

static void does_not_wait_longer_than_it_may(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    const int64_t began_ms = ph_clock_monotonic_ms();
    assert_int_equal(ph_tcp_wait(pair[0], POLLIN, in_ms(50), &error), PH_ERR_UNAVAILABLE);
    assert_said("no answer in time");
    assert_true(ph_clock_monotonic_ms() - began_ms >= 50);
    /* from the deadline on, also when there is something */
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(ph_tcp_wait(pair[0], POLLIN, in_ms(-1), &error), PH_ERR_UNAVAILABLE);
    assert_int_equal(ph_tcp_wait(pair[0], POLLIN, in_ms(5000), &error), PH_OK);
    assert_int_equal(close(pair[0]), 0);
    assert_int_equal(close(pair[1]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connects),
        cmocka_unit_test(tries_every_address),
        cmocka_unit_test(says_what_is_refused),
        cmocka_unit_test(gives_up_on_an_address_that_is_silent),
        cmocka_unit_test(says_what_is_not_known),
        cmocka_unit_test(does_not_wait_longer_than_it_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
