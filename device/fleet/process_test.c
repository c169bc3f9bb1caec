/* ph.fleet.process: a child that ends with its parent, and what /proc says of it. */
#include "device/fleet/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int null_fd = -1;

static int open_null(void **state)
{
    (void)state;
    null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    return null_fd >= 0 ? 0 : -1;
}

static pid_t start(ph_process_main *work, void *context)
{
    struct ph_error error = {0};
    pid_t pid = 0;
    assert_int_equal(ph_process_start(work, context, null_fd, &pid, &error), PH_OK);
    return pid;
}

static int status_of(pid_t pid)
{
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void expect_words(int status, const char *want)
{
    char words[64];
    ph_process_print_status(words, sizeof words, status);
    assert_string_equal(words, want);
}

static int look_around(void *context)
{
    sigset_t blocked;
    struct sigaction action;
    const pid_t *parent = context;
    bool good = getppid() == *parent && getpgrp() == getpid() &&
                pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0 && sigisemptyset(&blocked) == 1 &&
                sigaction(SIGINT, NULL, &action) == 0 && action.sa_handler == SIG_DFL &&
                getchar() == EOF && write(STDOUT_FILENO, "out ", 4) == 4 &&
                write(STDERR_FILENO, "err", 3) == 3;
    return good ? 42 : 1;
}

/* [FLEET-11] */
static void a_child_begins_clean(void **state)
{
    (void)state;
    char said[16] = "";
    int ends[2];
    pid_t pid = 0;
    pid_t parent = getpid();
    sigset_t some;
    assert_int_equal(pipe(ends), 0);
    (void)sigemptyset(&some);
    (void)sigaddset(&some, SIGTERM);
    (void)sigaddset(&some, SIGPIPE);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &some, NULL), 0);
    struct sigaction ignored = {.sa_handler = SIG_IGN};
    struct sigaction before;
    assert_int_equal(sigaction(SIGINT, &ignored, &before), 0);
    assert_int_equal(ph_process_start(look_around, &parent, ends[1], &pid, NULL), PH_OK);
    assert_int_equal(sigaction(SIGINT, &before, NULL), 0);
    assert_int_equal(pthread_sigmask(SIG_UNBLOCK, &some, NULL), 0);
    int status = status_of(pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    expect_words(status, "ended with status 42");
    assert_int_equal(read(ends[0], said, sizeof said - 1), 7);
    assert_string_equal(said, "out err");
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static int wait_for_ever(void *context)
{
    const int *ends = context;
    (void)close(ends[0]);
    (void)pause();
    return 0;
}

/* The middle process: makes a child that holds the pipe open, and dies without a word. */
static void make_and_die(int *ends)
{
    pid_t pid = 0;
    if (ph_process_start(wait_for_ever, ends, null_fd, &pid, NULL) == PH_OK) {
        (void)raise(SIGKILL);
    }
    _exit(1);
}

/* [FLEET-11]: the pipe ends when the last process that holds it is gone. */
static void a_child_does_not_outlive_its_parent(void **state)
{
    (void)state;
    char byte = 0;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        make_and_die(ends);
    }
    (void)close(ends[1]);
    expect_words(status_of(pid), "ended by signal 9");
    struct pollfd fd = {.fd = ends[0], .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 30000), 1);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    (void)close(ends[0]);
}

enum { SPUN_BYTES = 32 << 20 };

static int spin(void *context)
{
    atomic_bool *stop = context;
    char *memory = malloc(SPUN_BYTES);
    volatile char *used = memory; /* or clang leaves the memory out */
    if (memory == NULL) {
        return 1;
    }
    for (int i = 0; i < SPUN_BYTES; i += 4096) {
        used[i] = 1;
    }
    while (!atomic_load(stop)) {
    }
    free(memory);
    return 0;
}

static bool wait_for_usage(pid_t pid, struct ph_process_usage *usage)
{
    for (int i = 0; i < 600; i++) {
        if (ph_process_usage(pid, usage) && usage->cpu_ms >= 50 && usage->rss_bytes > SPUN_BYTES) {
            return true;
        }
        (void)poll(NULL, 0, 50);
    }
    return false;
}

/* [FLEET-17] */
static void usage_is_what_proc_says(void **state)
{
    (void)state;
    struct ph_process_usage usage = {0};
    struct ph_process_usage again = {0};
    atomic_bool *stop = ph_process_share(sizeof *stop);
    assert_non_null(stop);
    pid_t pid = start(spin, stop);
    bool seen = wait_for_usage(pid, &usage);
    bool seen_again = ph_process_usage(pid, &again);
    atomic_store(stop, true);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_false(ph_process_usage(pid, &again)); /* a zombie is gone */
    expect_words(status_of(pid), "ended before its time");
    assert_false(ph_process_usage(pid, &again));
    assert_true(seen && seen_again);
    assert_true(again.born == usage.born);
    assert_true(again.cpu_ms >= usage.cpu_ms);
    ph_process_unshare(stop, sizeof *stop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_begins_clean),
        cmocka_unit_test(a_child_does_not_outlive_its_parent),
        cmocka_unit_test(usage_is_what_proc_says),
    };
    return cmocka_run_group_tests(tests, open_null, NULL);
}
