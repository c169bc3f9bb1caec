/* ph.fleet.crew: workers that die, are started again or given up, and never stay behind. */
#include "device/fleet/crew.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 3, DEVICES = 9, PATIENCE_MS = 30000 };

static char folder[] = "/tmp/ph-fleet-crew-XXXXXX";
static char told[4096]; /* a line for each note */
static struct ph_crew *crew;
static const struct ph_scenario scenario = {.devices = DEVICES};
static const struct ph_supervisor_options fleet = {.scenario = &scenario, .folder = folder};

static void note(void *context, const char *text)
{
    (void)context;
    size_t len = strlen(told);
    (void)snprintf(told + len, sizeof told - len, "%s\n", text);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char path[64];
    (void)snprintf(path, sizeof path, "%s/fleet.log", folder);
    (void)unlink(path);
    return rmdir(folder);
}

static int set_up(void **state)
{
    (void)state;
    told[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ph_crew_free(&crew);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
    return 0;
}

static void start(ph_crew_work *work)
{
    const struct ph_crew_options options = {
        .fleet = &fleet, .workers = WORKERS, .work = work, .tell = note};
    struct ph_error error = {0};
    if (ph_crew_new(&options, &crew, &error) != PH_OK || ph_crew_start(crew, 1, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

/* Waits in real time, while the crew's clock stands at now_ms. */
static void wait_for_note(const char *text, int64_t now_ms)
{
    for (int i = 0; i < PATIENCE_MS / 10; i++) {
        ph_crew_look(crew, now_ms);
        if (strstr(told, text) != NULL) {
            return;
        }
        (void)poll(NULL, 0, 10);
    }
    fail_msg("want \"%s\" in:\n%s", text, told);
}

static void wait_for_gauge(int64_t value)
{
    for (int i = 0; i < PATIENCE_MS / 10; i++) {
        if (ph_crew_gauge(crew, PH_FLEET_CONNECTED) == value) {
            return;
        }
        (void)poll(NULL, 0, 10);
    }
    fail_msg(
        "want %d connected, have %d", (int)value, (int)ph_crew_gauge(crew, PH_FLEET_CONNECTED));
}

static pid_t pid_of(size_t worker)
{
    struct ph_fleet_usage usage[WORKERS] = {0};
    ph_crew_usage(crew, usage);
    return usage[worker - 1].pid;
}

static int64_t restarts_of(size_t worker)
{
    struct ph_fleet_usage usage[WORKERS] = {0};
    ph_crew_usage(crew, usage);
    return usage[worker - 1].restarts;
}

static int64_t count_of(enum ph_fleet_count count)
{
    struct ph_fleet_stats *total = calloc(1, sizeof *total);
    assert_non_null(total);
    ph_crew_total(crew, total);
    int64_t value = atomic_load(&total->counts[count]);
    free(total);
    return value;
}

/* ---- workers ---- */

/* Works until it is told to end; a device of its own is connected meanwhile. */
static enum ph_err work_on(const struct ph_worker_options *options, struct ph_error *error)
{
    (void)error;
    ph_fleet_stats_add(options->stats, PH_FLEET_CONNECTS, 1);
    ph_fleet_stats_set(options->stats, PH_FLEET_PENDING, 1000);
    options->places[options->index].seen[0].pending = 4;
    options->places[options->index + options->workers].seen[0].pending = 3;
    ph_fleet_stats_set(options->stats, PH_FLEET_CONNECTED, 1);
    while (!atomic_load(&options->control->stopping)) {
        (void)poll(NULL, 0, 5);
    }
    ph_fleet_stats_set(options->stats, PH_FLEET_CONNECTED, 0);
    return PH_OK;
}

static enum ph_err fail_at_start(const struct ph_worker_options *options, struct ph_error *error)
{
    return options->index == 1 ? ph_error_set(error, PH_ERR_IO, "%s: disk full", options->spool)
                               : work_on(options, error);
}

static enum ph_err end_early(const struct ph_worker_options *options, struct ph_error *error)
{
    return options->index == 2 ? PH_OK : work_on(options, error);
}

static enum ph_err hang(const struct ph_worker_options *options, struct ph_error *error)
{
    (void)error;
    sigset_t all;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, NULL);
    ph_fleet_stats_set(options->stats, PH_FLEET_CONNECTED, 1);
    while (poll(NULL, 0, 1000) == 0) {
    }
    return PH_OK;
}

/* ---- tests ---- */

/* [FLEET-10] */
static void all_work_until_they_are_told_to_end(void **state)
{
    (void)state;
    start(work_on);
    wait_for_gauge(WORKERS);
    assert_false(ph_crew_ended(crew));
    ph_crew_stop(crew, 1000);
    for (int i = 0; i < PATIENCE_MS / 10 && !ph_crew_ended(crew); i++) {
        ph_crew_look(crew, 2);
        (void)poll(NULL, 0, 10);
    }
    assert_true(ph_crew_ended(crew));
    assert_string_equal(told, "");
    assert_int_equal(count_of(PH_FLEET_CONNECTS), WORKERS);
}

/* [FLEET-12] */
static void a_killed_worker_is_started_again(void **state)
{
    (void)state;
    start(work_on);
    wait_for_gauge(WORKERS);
    pid_t former = pid_of(3);
    assert_int_equal(kill(former, SIGKILL), 0);
    wait_for_note("worker 3 ended by signal 9; started again in 1 s\n", 5000);
    assert_int_equal(ph_crew_gauge(crew, PH_FLEET_CONNECTED), WORKERS - 1);
    assert_int_equal(ph_crew_gauge(crew, PH_FLEET_PENDING), 2 * 1000 + 7);
    assert_int_equal(pid_of(3), 0);
    ph_crew_look(crew, 5999);
    assert_int_equal(pid_of(3), 0);
    ph_crew_look(crew, 6000);
    assert_int_not_equal(pid_of(3), 0);
    assert_int_not_equal(pid_of(3), former);
    wait_for_gauge(WORKERS);
    assert_int_equal(restarts_of(3), 1);
    assert_int_equal(restarts_of(1), 0);
    assert_int_equal(count_of(PH_FLEET_CONNECTS), WORKERS + 1);
}

/* [FLEET-13] */
static void a_worker_that_fails_at_every_start_is_given_up(void **state)
{
    (void)state;
    char want[256];
    start(fail_at_start);
    static const int64_t ends_ms[] = {1, 1001, 3001, 7001};
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(want, sizeof want,
            "worker 2 ended: %s/worker-2.db: disk full; started again in %d s\n", folder, 1 << i);
        wait_for_note(want, ends_ms[i]);
    }
    (void)snprintf(
        want, sizeof want, "worker 2 ended: %s/worker-2.db: disk full; given up\n", folder);
    wait_for_note(want, 15001);
    assert_int_equal(count_of(PH_FLEET_FAILED), DEVICES / WORKERS);
    ph_crew_look(crew, 10000000);
    assert_int_equal(pid_of(2), 0);
    assert_int_not_equal(pid_of(1), 0);
    assert_false(ph_crew_ended(crew));
}

/* [FLEET-12] */
static void one_that_ends_too_early_is_started_again_too(void **state)
{
    (void)state;
    start(end_early);
    wait_for_note("worker 3 ended before its time; started again in 1 s\n", 1);
}

/* [FLEET-12]: the end of the run comes during the pause. */
static void nobody_is_started_once_the_run_ends(void **state)
{
    (void)state;
    start(work_on);
    wait_for_gauge(WORKERS);
    assert_int_equal(kill(pid_of(1), SIGKILL), 0);
    wait_for_note("worker 1 ended by signal 9; started again in 1 s\n", 1);
    assert_int_equal(kill(pid_of(2), SIGSTOP), 0);
    ph_crew_stop(crew, 1000);
    assert_int_equal(kill(pid_of(2), SIGKILL), 0);
    wait_for_note("worker 2 ended by signal 9\n", 100000);
    assert_int_equal(pid_of(1), 0);
    assert_null(strstr(told, "worker 3"));
}

/* [FLEET-15] */
static void the_deaf_are_killed(void **state)
{
    (void)state;
    start(hang);
    wait_for_gauge(WORKERS);
    ph_crew_stop(crew, 1);
    ph_crew_look(crew, 2);
    assert_false(ph_crew_ended(crew));
    assert_int_equal(ph_crew_kill(crew), WORKERS);
    assert_true(ph_crew_ended(crew));
    assert_int_equal(ph_crew_gauge(crew, PH_FLEET_CONNECTED), 0);
}

/* [FLEET-11]: tear_down() looks for children. */
static void nobody_outlives_the_crew(void **state)
{
    (void)state;
    start(hang);
    wait_for_gauge(WORKERS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(all_work_until_they_are_told_to_end),
        TEST(a_killed_worker_is_started_again),
        TEST(a_worker_that_fails_at_every_start_is_given_up),
        TEST(one_that_ends_too_early_is_started_again_too),
        TEST(nobody_is_started_once_the_run_ends),
        TEST(the_deaf_are_killed),
        TEST(nobody_outlives_the_crew),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
