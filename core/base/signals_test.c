/* ph.base.signals: signals arrive through the descriptor, and SIGPIPE not at all. */
#include "base/signals.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

static void signals_are_read_one_by_one(void **state)
{
    (void)state;
    int fd = -1;
    assert_int_equal(ph_signals_open(&fd, NULL), PH_OK);
    assert_int_equal(ph_signals_read(fd), 0);
    assert_int_equal(kill(getpid(), SIGPIPE), 0);
    assert_int_equal(ph_signals_read(fd), 0);
    assert_int_equal(kill(getpid(), SIGHUP), 0);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&poll_fd, 1, 1000), 1);
    int first = ph_signals_read(fd);
    int second = ph_signals_read(fd);
    assert_true((first == SIGHUP && second == SIGTERM) || (first == SIGTERM && second == SIGHUP));
    assert_int_equal(ph_signals_read(fd), 0);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_are_read_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
