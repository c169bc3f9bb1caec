/* ph.base.notify: the words of sd_notify(3) arrive at the socket that the environment names, when
 * they are due. */
#include "base/notify.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* NOLINTBEGIN(concurrency-mt-unsafe): there is one thread */

static char dir[64];
static char name[128]; /* of the socket, as the environment has it */
static int manager = -1;

static void listen_at(const char *where)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(where);
    memcpy(address.sun_path, where, len);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    if (where[0] == '@') {
        address.sun_path[0] = '\0';
        size--;
    }
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(manager, (struct sockaddr *)&address, size), 0);
    (void)snprintf(name, sizeof name, "%s", where);
    assert_int_equal(setenv("NOTIFY_SOCKET", where, 1), 0);
}

static int begin(void **state)
{
    (void)state;
    char where[128];
    (void)snprintf(dir, sizeof dir, "/tmp/ph-notify-test-XXXXXX");
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    (void)snprintf(where, sizeof where, "%s/socket", dir);
    listen_at(where);
    return 0;
}

static int end(void **state)
{
    (void)state;
    (void)close(manager);
    (void)unlink(name);
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
    return rmdir(dir);
}

/* What has come since the last call, "" for nothing. */
static const char *heard(void)
{
    static char text[4096];
    ssize_t got = recv(manager, text, sizeof text - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

static void open_notify(struct ph_notify *notify)
{
    struct ph_error error = {0};
    assert_int_equal(ph_notify_open(notify, &error), PH_OK);
    assert_string_equal(error.message, "");
}

/* [UNIT-1] */
static void without_a_manager_nothing_happens(void **state)
{
    (void)state;
    struct ph_notify notify;
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    assert_int_equal(setenv("WATCHDOG_USEC", "1000000", 1), 0);
    open_notify(&notify);
    assert_int_equal(notify.fd, -1);
    ph_notify_ready(&notify);
    ph_notify_status(&notify, "here");
    ph_notify_turn(&notify, 5000, true);
    ph_notify_stopping(&notify);
    assert_string_equal(heard(), "");
    assert_int_equal(ph_notify_sleep_ms(&notify, 0, 700), 700);
    assert_true(ph_notify_patience_ms(&notify) == INT64_MAX);
    ph_notify_close(&notify);
}

/* [UNIT-2] */
static void readiness_is_said_once_with_its_status(void **state)
{
    (void)state;
    struct ph_notify notify;
    open_notify(&notify);
    ph_notify_turn(&notify, 1000, true);
    assert_string_equal(heard(), "");
    ph_notify_status(&notify, "Waits for %s", "the broker");
    ph_notify_ready(&notify);
    assert_string_equal(heard(), "");
    ph_notify_turn(&notify, 1000, true);
    assert_string_equal(heard(), "READY=1\nSTATUS=Waits for the broker\n");
    ph_notify_ready(&notify);
    ph_notify_turn(&notify, 9000, true);
    assert_string_equal(heard(), "");
    ph_notify_stopping(&notify);
    assert_string_equal(heard(), "STOPPING=1\nSTATUS=Ending\n");
    ph_notify_close(&notify);
    ph_notify_turn(&notify, 99000, true);
    assert_string_equal(heard(), "");
}

/* [UNIT-2] the same text is not said again, the last one counts, and no text forges a line */
static void status_is_said_when_it_changes(void **state)
{
    (void)state;
    struct ph_notify notify;
    char text[1000];
    open_notify(&notify);
    ph_notify_status(&notify, "a");
    ph_notify_turn(&notify, 1000, true);
    assert_string_equal(heard(), "STATUS=a\n");
    ph_notify_status(&notify, "a");
    ph_notify_turn(&notify, 9000, true);
    assert_string_equal(heard(), "");
    ph_notify_status(&notify, "b");
    ph_notify_turn(&notify, 9000, true);
    assert_string_equal(heard(), "STATUS=b\n");
    ph_notify_status(&notify, "c");
    ph_notify_turn(&notify, 9999, true);
    assert_string_equal(heard(), "");
    ph_notify_status(&notify, "d\nREADY=1");
    ph_notify_turn(&notify, 10000, true);
    assert_string_equal(heard(), "STATUS=d\\x0aREADY=1\n");
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ph_notify_status(&notify, "%s", text);
    ph_notify_turn(&notify, 11000, true);
    assert_int_equal(strlen(heard()), strlen("STATUS=\n") + PH_NOTIFY_STATUS_BYTES - 1);
    ph_notify_close(&notify);
}

/* [UNIT-3] half of what is allowed, and only from a turn */
static void signs_of_life_come_at_half_time(void **state)
{
    (void)state;
    struct ph_notify notify;
    char own[32];
    (void)snprintf(own, sizeof own, "%d", (int)getpid());
    assert_int_equal(setenv("WATCHDOG_USEC", "3000000", 1), 0);
    assert_int_equal(setenv("WATCHDOG_PID", own, 1), 0);
    open_notify(&notify);
    assert_true(ph_notify_patience_ms(&notify) == 3000);
    ph_notify_turn(&notify, 10000, true);
    assert_string_equal(heard(), "WATCHDOG=1\n");
    assert_int_equal(ph_notify_sleep_ms(&notify, 10100, 60000), 1400);
    assert_int_equal(ph_notify_sleep_ms(&notify, 10100, 1000), 1000);
    assert_int_equal(ph_notify_sleep_ms(&notify, 19000, 1000), 0);
    ph_notify_turn(&notify, 11499, true);
    assert_string_equal(heard(), "");
    ph_notify_turn(&notify, 11500, true);
    assert_string_equal(heard(), "WATCHDOG=1\n");
    ph_notify_close(&notify);
}

/* [UNIT-3] the loop turns, and what it waits for does not: no sign, and no spinning either */
static void who_is_not_alive_says_nothing(void **state)
{
    (void)state;
    struct ph_notify notify;
    assert_int_equal(setenv("WATCHDOG_USEC", "3000000", 1), 0);
    open_notify(&notify);
    ph_notify_turn(&notify, 10000, false);
    assert_string_equal(heard(), "");
    assert_int_equal(ph_notify_sleep_ms(&notify, 10000, 60000), 100);
    ph_notify_turn(&notify, 90000, false);
    assert_string_equal(heard(), "");
    ph_notify_turn(&notify, 90100, true);
    assert_string_equal(heard(), "WATCHDOG=1\n");
    ph_notify_close(&notify);
}

/* [UNIT-3] another process is asked, not this one */
static void the_watchdog_of_another_is_left_alone(void **state)
{
    (void)state;
    struct ph_notify notify;
    assert_int_equal(setenv("WATCHDOG_USEC", "3000000", 1), 0);
    assert_int_equal(setenv("WATCHDOG_PID", "1", 1), 0);
    open_notify(&notify);
    ph_notify_turn(&notify, 10000, true);
    assert_string_equal(heard(), "");
    assert_true(ph_notify_patience_ms(&notify) == INT64_MAX);
    ph_notify_close(&notify);
}

/* [UNIT-1] '@' stands for the zero byte of an abstract socket */
static void abstract_sockets_are_reached(void **state)
{
    (void)state;
    struct ph_notify notify;
    char where[64];
    (void)close(manager);
    (void)unlink(name);
    (void)snprintf(where, sizeof where, "@ph-notify-test-%d", (int)getpid());
    listen_at(where);
    open_notify(&notify);
    ph_notify_ready(&notify);
    ph_notify_turn(&notify, 0, true);
    assert_string_equal(heard(), "READY=1\n");
    ph_notify_close(&notify);
}

/* [UNIT-2] a manager that does not listen just now hears it later */
static void what_was_not_heard_is_said_again(void **state)
{
    (void)state;
    struct ph_notify notify;
    char where[128];
    open_notify(&notify);
    (void)close(manager);
    (void)unlink(name);
    ph_notify_ready(&notify);
    ph_notify_status(&notify, "here");
    ph_notify_turn(&notify, 1000, true);
    (void)snprintf(where, sizeof where, "%s", name);
    listen_at(where);
    ph_notify_turn(&notify, 1050, true);
    assert_string_equal(heard(), "");
    ph_notify_turn(&notify, 1100, true);
    assert_string_equal(heard(), "READY=1\nSTATUS=here\n");
    ph_notify_close(&notify);
}

static void refuse(const char *variable, const char *value, const char *message)
{
    struct ph_notify notify;
    struct ph_error error = {0};
    assert_int_equal(setenv(variable, value, 1), 0);
    assert_int_equal(ph_notify_open(&notify, &error), PH_ERR_CONFIG);
    assert_non_null(strstr(error.message, message));
    assert_int_equal(notify.fd, -1);
    ph_notify_ready(&notify);
    ph_notify_turn(&notify, 0, true);
    assert_string_equal(heard(), "");
}

/* [UNIT-1] what makes no sense is an error, and nothing is sent */
static void nonsense_is_refused(void **state)
{
    (void)state;
    char where[128];
    char large[200];
    memset(large, 'x', sizeof large - 1);
    large[0] = '/';
    large[sizeof large - 1] = '\0';
    (void)snprintf(where, sizeof where, "%s", name);
    refuse("NOTIFY_SOCKET", "", "NOTIFY_SOCKET: want a path, or @ and a name, have \"\"");
    refuse("NOTIFY_SOCKET", "@", "want a path, or @ and a name, have \"@\"");
    refuse("NOTIFY_SOCKET", "vsock:2:1", "have \"vsock:2:1\"");
    refuse("NOTIFY_SOCKET", large, "longer than the 107 bytes");
    assert_int_equal(setenv("NOTIFY_SOCKET", where, 1), 0);
    refuse("WATCHDOG_USEC", "soon", "WATCHDOG_USEC: want microseconds from 1, have \"soon\"");
    refuse("WATCHDOG_USEC", "0", "have \"0\"");
    refuse("WATCHDOG_PID", "-1", "WATCHDOG_PID: want the number of a process, have \"-1\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_a_manager_nothing_happens, begin, end),
        cmocka_unit_test_setup_teardown(readiness_is_said_once_with_its_status, begin, end),
        cmocka_unit_test_setup_teardown(status_is_said_when_it_changes, begin, end),
        cmocka_unit_test_setup_teardown(signs_of_life_come_at_half_time, begin, end),
        cmocka_unit_test_setup_teardown(who_is_not_alive_says_nothing, begin, end),
        cmocka_unit_test_setup_teardown(the_watchdog_of_another_is_left_alone, begin, end),
        cmocka_unit_test_setup_teardown(abstract_sockets_are_reached, begin, end),
        cmocka_unit_test_setup_teardown(what_was_not_heard_is_said_again, begin, end),
        cmocka_unit_test_setup_teardown(nonsense_is_refused, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* NOLINTEND(concurrency-mt-unsafe) */
