/* ph.fleet.watch: processes that are watched by number, and by a file that holds one. */
#include "device/fleet/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

static char folder[] = "/tmp/ph-fleet-watch-XXXXXX";
static char pid_file[64];

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(pid_file, sizeof pid_file, "%s/pid", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(pid_file);
    return rmdir(folder);
}

static void write_pid_file(const char *text)
{
    assert_int_equal(ph_file_replace(pid_file, 0600, text, strlen(text), NULL), PH_OK);
}

static void name_process(pid_t pid)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%ld\n", (long)pid);
    write_pid_file(text);
}

static int spin_until_killed(void *context)
{
    volatile atomic_bool *never = context;
    while (!atomic_load(never)) {
    }
    return 0;
}

static pid_t start_process(void)
{
    static atomic_bool never;
    pid_t pid = 0;
    assert_int_equal(ph_process_start(spin_until_killed, &never, STDERR_FILENO, &pid, NULL), PH_OK);
    return pid;
}

static void end_process(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Until it has used so much CPU time. */
static void let_work(pid_t pid, int64_t cpu_ms)
{
    struct ph_process_usage usage = {0};
    for (int i = 0; i < 6000 && usage.cpu_ms < cpu_ms; i++) {
        (void)poll(NULL, 0, 10);
        assert_true(ph_process_usage(pid, &usage));
    }
    assert_true(usage.cpu_ms >= cpu_ms);
}

/* ---- the option ---- */

/* [FLEET-17] */
static void numbers_and_files_are_told_apart(void **state)
{
    (void)state;
    struct ph_fleet_usage *usage = NULL;
    size_t count = 0;
    char list[128];
    (void)snprintf(list, sizeof list, "self=%ld,broker=./later.pid,x=/run/a=b", (long)getpid());
    assert_int_equal(ph_watch_read(list, &usage, &count, NULL), PH_OK);
    assert_int_equal(count, 3);
    assert_string_equal(usage[0].name, "self");
    assert_int_equal(usage[0].pid, getpid());
    assert_null(usage[0].pid_file);
    assert_string_equal(usage[1].name, "broker");
    assert_string_equal(usage[1].pid_file, "./later.pid");
    assert_int_equal(usage[1].pid, 0);
    assert_string_equal(usage[2].pid_file, "/run/a=b");
    free(usage);
}

/* [FLEET-17] */
static void what_cannot_be_watched_is_refused(void **state)
{
    (void)state;
    static const char want[] =
        "--watch: want NAME=PID, or NAME=FILE with a \"/\", and a name of up "
        "to 31 bytes, have \"";
    static const char *const bad[] = {"", "1", "=1", "a=", "a=b", "a=broker.pid", "a=0", "a=-1",
        "a=99999999999", "\x1b[1m=1", "a name that is longer than it may be=1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ph_error error = {0};
        struct ph_fleet_usage *usage = NULL;
        size_t count = 0;
        char list[64];
        (void)snprintf(list, sizeof list, "%s", bad[i]);
        enum ph_err err = ph_watch_read(list, &usage, &count, &error);
        free(usage);
        assert_int_equal(err, PH_ERR_USAGE);
        assert_non_null(strstr(error.message, want));
    }
}

/* [FLEET-17] */
static void a_number_that_nobody_has_is_refused(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_fleet_usage *usage = NULL;
    size_t count = 0;
    char list[] = "broker=999999999";
    assert_int_equal(ph_watch_read(list, &usage, &count, &error), PH_ERR_NOT_FOUND);
    assert_string_equal(error.message, "--watch: broker: there is no process 999999999");
    free(usage);
}

/* ---- the processes ---- */

/* [FLEET-17] */
static void one_that_ends_is_not_followed_without_a_file(void **state)
{
    (void)state;
    struct ph_watch watch;
    char note[PH_WATCH_NOTE_BYTES] = "";
    char want[PH_WATCH_NOTE_BYTES];
    pid_t pid = start_process();
    struct ph_fleet_usage usage = {.name = "broker", .pid = pid};
    let_work(pid, 50);
    ph_watch_begin(&watch, &usage);
    assert_true(usage.cpu_s == 0); /* what it used before does not count */
    let_work(pid, 200);
    assert_false(ph_watch_look(&watch, &usage, note));
    assert_true(usage.cpu_s > 0);
    assert_true(usage.rss_bytes > 0);
    assert_true(usage.rss_max_bytes >= usage.rss_bytes);
    double cpu_s = usage.cpu_s;
    end_process(pid);
    assert_true(ph_watch_look(&watch, &usage, note));
    (void)snprintf(want, sizeof want, "broker has ended (process %ld)", (long)pid);
    assert_string_equal(note, want);
    assert_false(ph_watch_look(&watch, &usage, note));
    assert_int_equal(usage.pid, 0);
    assert_int_equal(usage.rss_bytes, 0);
    assert_true(usage.cpu_s == cpu_s);
    assert_true(usage.rss_max_bytes > 0);
    assert_int_equal(usage.restarts, 0);
}

/* [FLEET-17] */
static void a_file_leads_to_the_next_one(void **state)
{
    (void)state;
    struct ph_watch watch;
    char note[PH_WATCH_NOTE_BYTES] = "";
    char want[PH_WATCH_NOTE_BYTES];
    struct ph_fleet_usage usage = {.name = "broker", .pid_file = pid_file};
    pid_t first = start_process();
    name_process(first);
    ph_watch_begin(&watch, &usage);
    assert_int_equal(usage.pid, first);
    let_work(first, 100);
    assert_false(ph_watch_look(&watch, &usage, note));
    double cpu_s = usage.cpu_s;
    end_process(first);
    assert_true(ph_watch_look(&watch, &usage, note));
    assert_false(ph_watch_look(&watch, &usage, note)); /* the file still names the first */
    pid_t second = start_process();
    let_work(second, 100);
    name_process(second);
    assert_true(ph_watch_look(&watch, &usage, note));
    (void)snprintf(want, sizeof want, "broker is there again (process %ld)", (long)second);
    assert_string_equal(note, want);
    assert_int_equal(usage.pid, second);
    assert_int_equal(usage.restarts, 1);
    /* Of both, and of the second all: 100 ms, as far as doubles go. */
    assert_true(usage.cpu_s - cpu_s > 0.0999);
    assert_false(ph_watch_look(&watch, &usage, note));
    end_process(second);
}

/* [FLEET-17] */
static void a_file_may_come_later_and_must_hold_a_number(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "\n", "12 13\n", "none\n", "0\n", "999999999\n",
        "1111111111111111111111111111111111111111\n"};
    struct ph_watch watch;
    char note[PH_WATCH_NOTE_BYTES] = "";
    struct ph_fleet_usage usage = {.name = "broker", .pid_file = pid_file};
    (void)unlink(pid_file);
    ph_watch_begin(&watch, &usage);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_pid_file(bad[i]);
        assert_false(ph_watch_look(&watch, &usage, note));
        assert_int_equal(usage.pid, 0);
    }
    name_process(getpid());
    assert_true(ph_watch_look(&watch, &usage, note));
    assert_non_null(strstr(note, "broker is there (process "));
    assert_int_equal(usage.pid, getpid());
    assert_int_equal(usage.restarts, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_files_are_told_apart),
        cmocka_unit_test(what_cannot_be_watched_is_refused),
        cmocka_unit_test(a_number_that_nobody_has_is_refused),
        cmocka_unit_test(one_that_ends_is_not_followed_without_a_file),
        cmocka_unit_test(a_file_leads_to_the_next_one),
        cmocka_unit_test(a_file_may_come_later_and_must_hold_a_number),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
