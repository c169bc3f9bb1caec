/* ph.fleet.supervisor: a run from start to end, whatever becomes of the workers. */
#include "device/fleet/supervisor_internal.h"

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

#include "base/clock.h"
#include "device/fleet/process.h"

enum { DEVICES = 8, WORKERS = 2 };

static char folder[] = "/tmp/ph-fleet-supervisor-XXXXXX";
static char notes[8192]; /* as the output was told of them, a line each */
static int samples;
static int ends;
static bool ended_when_told;
static void (*at_sample)(const struct ph_fleet_report *report);
static struct ph_fleet_report *report;

static struct ph_act acts[] = {
    {.kind = PH_ACT_OUTAGE, .at_s = 0, .for_s = 1, .devices = 3},
    {.kind = PH_ACT_STORM, .at_s = 1, .share = 1.0},
};
static struct ph_scenario scenario = {.devices = DEVICES, .duration_s = 2, .seed = 1};

static void see_sample(void *context, const struct ph_fleet_report *seen)
{
    assert_ptr_equal(context, &samples);
    samples++;
    if (at_sample != NULL) {
        at_sample(seen);
    }
}

static void see_note(void *context, const struct ph_fleet_report *seen)
{
    (void)context;
    size_t len = strlen(notes);
    (void)snprintf(notes + len, sizeof notes - len, "%s\n", seen->notes[seen->note_count - 1].text);
}

static enum ph_err see_end(
    void *context, const struct ph_fleet_report *seen, struct ph_error *error)
{
    (void)context;
    (void)error;
    ends++;
    ended_when_told = seen->ended;
    return PH_OK;
}

static enum ph_err refuse_end(
    void *context, const struct ph_fleet_report *seen, struct ph_error *error)
{
    (void)context;
    (void)seen;
    return ph_error_set(error, PH_ERR_IO, "report.json: disk full");
}

static const struct ph_fleet_output outputs[] = {
    {.end = refuse_end},
    {.sample = see_sample, .note = see_note, .end = see_end, .context = &samples},
};

/* Runs with the second output alone, or with both. */
static enum ph_err run(ph_crew_work *work, int64_t drain_ms, size_t count, struct ph_error *error)
{
    const struct ph_supervisor_options options = {
        .scenario = &scenario,
        .folder = folder,
        .workers = WORKERS,
        .drain_ms = drain_ms,
        .outputs = outputs + (2 - count),
        .output_count = count,
    };
    return ph_supervisor_run_with(&options, work, report, error);
}

static int set_up(void **state)
{
    (void)state;
    notes[0] = '\0';
    samples = 0;
    ends = 0;
    at_sample = NULL;
    scenario.duration_s = 2;
    scenario.acts = NULL;
    scenario.act_count = 0;
    report = calloc(1, sizeof *report);
    return report != NULL ? ph_fleet_report_init(report, &scenario, "broker:1", NULL) != PH_OK : -1;
}

static int tear_down(void **state)
{
    (void)state;
    ph_fleet_report_fini(report);
    free(report);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
    return 0;
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

static void expect_note(const char *text)
{
    if (strstr(notes, text) == NULL) {
        fail_msg("want \"%s\" in:\n%s", text, notes);
    }
}

static int64_t total(enum ph_fleet_count count)
{
    return atomic_load(&report->total.counts[count]);
}

/* ---- workers ---- */

static bool is_over(const struct ph_worker_options *options)
{
    return atomic_load(&options->control->stopping);
}

static void connect_all(const struct ph_worker_options *options)
{
    ph_fleet_stats_set(options->stats, PH_FLEET_CONNECTED, DEVICES / WORKERS);
    if (atomic_load(&options->stats->counts[PH_FLEET_REACHED]) == 0) {
        ph_fleet_stats_add(options->stats, PH_FLEET_REACHED, DEVICES / WORKERS);
    }
}

/* All its devices have been connected, and all that they capture is acknowledged. */
static enum ph_err work_well(const struct ph_worker_options *options, struct ph_error *error)
{
    (void)error;
    connect_all(options);
    while (!is_over(options)) {
        (void)poll(NULL, 0, 20);
        ph_fleet_stats_add(options->stats, PH_FLEET_CAPTURED, 1);
        ph_fleet_stats_add(options->stats, PH_FLEET_ACKNOWLEDGED, 1);
        ph_fleet_stats_time(options->stats, PH_FLEET_ACK_US, 1000);
    }
    return PH_OK;
}

/* Dies in the middle of its first life. */
static enum ph_err die_once(const struct ph_worker_options *options, struct ph_error *error)
{
    bool first = atomic_load(&options->stats->counts[PH_FLEET_CONNECTS]) == 0;
    ph_fleet_stats_add(options->stats, PH_FLEET_CONNECTS, 1);
    if (options->index == 1 && first) {
        (void)raise(SIGKILL);
    }
    return work_well(options, error);
}

/* What it has captured nobody acknowledges; it waits for that as long as it may. */
static enum ph_err wait_in_vain(const struct ph_worker_options *options, struct ph_error *error)
{
    (void)error;
    connect_all(options);
    ph_fleet_stats_add(options->stats, PH_FLEET_CAPTURED, 5);
    options->places[options->index].seen[0].pending = 5;
    ph_fleet_stats_set(options->stats, PH_FLEET_PENDING, 5);
    while (
        !is_over(options) || ph_clock_monotonic_ms() < atomic_load(&options->control->until_ms)) {
        (void)poll(NULL, 0, 20);
    }
    return PH_OK;
}

static enum ph_err give_up(const struct ph_worker_options *options, struct ph_error *error)
{
    (void)options;
    return ph_error_set(error, PH_ERR_MEMORY, "spool: out of memory");
}

/* ---- tests ---- */

/* [FLEET-10] [FLEET-16] */
static void a_good_run(void **state)
{
    (void)state;
    struct ph_error error = {0};
    scenario.acts = acts;
    scenario.act_count = sizeof acts / sizeof acts[0];
    int64_t before_ms = ph_clock_monotonic_ms();
    assert_int_equal(run(work_well, 30000, 1, &error), PH_OK);
    assert_true(ph_clock_monotonic_ms() - before_ms >= 2000);
    assert_int_equal(report->verdict, PH_FLEET_GOOD);
    assert_true(report->ended);
    assert_true(report->elapsed_ms >= 2000);
    assert_true(report->connected_all_ms >= 0);
    assert_true(total(PH_FLEET_CAPTURED) > WORKERS);
    assert_int_equal(total(PH_FLEET_CAPTURED), total(PH_FLEET_ACKNOWLEDGED));
    assert_int_equal(report->worker_count, WORKERS);
    assert_int_equal(report->usage_count, WORKERS);
    assert_string_equal(report->usage[1].name, "worker 2");
    assert_true(report->usage[1].rss_max_bytes > 0);
    assert_int_equal(report->usage[1].pid, 0);
    assert_true(samples >= 1);
    assert_int_equal(report->sample_count, samples + 1); /* and one of the end */
    assert_int_equal(ends, 1);
    assert_true(ended_when_told);
    expect_note("outage begins: 3 devices for 1 s\n");
    expect_note("outage is over\n");
    expect_note("storm begins: 8 devices\n");
    expect_note("all 8 devices have been connected\n");
    expect_note("time is up; ending, with up to 30 s for acknowledgements\n");
}

/* [FLEET-12] */
static void a_worker_that_dies_does_not_end_the_run(void **state)
{
    (void)state;
    scenario.duration_s = 4;
    assert_int_equal(run(die_once, 30000, 1, NULL), PH_OK);
    expect_note("worker 2 ended by signal 9; started again in 1 s\n");
    assert_int_equal(report->usage[1].restarts, 1);
    assert_int_equal(report->usage[0].restarts, 0);
    assert_int_equal(total(PH_FLEET_CONNECTS), WORKERS + 1);
}

static void terminate(const struct ph_fleet_report *seen)
{
    (void)seen;
    (void)kill(getpid(), SIGTERM);
}

/* [FLEET-14] */
static void a_signal_ends_the_run_and_waits(void **state)
{
    (void)state;
    scenario.duration_s = 0;
    at_sample = terminate;
    assert_int_equal(run(work_well, 30000, 1, NULL), PH_OK);
    expect_note("signal 15; ending, with up to 30 s for acknowledgements\n");
    assert_int_equal(report->verdict, PH_FLEET_GOOD);
}

/* [FLEET-14] [FLEET-15]: each second another one. */
static void a_second_signal_ends_it_at_once(void **state)
{
    (void)state;
    scenario.duration_s = 0;
    at_sample = terminate;
    int64_t before_ms = ph_clock_monotonic_ms();
    assert_int_equal(run(wait_in_vain, 3600000, 1, NULL), PH_OK);
    assert_true(ph_clock_monotonic_ms() - before_ms < 60000);
    expect_note("a second signal: 2 workers killed\n");
    assert_int_equal(report->verdict, PH_FLEET_LACKING);
    assert_non_null(strstr(report->lacks, "10 readings not acknowledged"));
}

/* [FLEET-14] */
static void the_wait_for_acknowledgements_has_an_end(void **state)
{
    (void)state;
    scenario.duration_s = 1;
    assert_int_equal(run(wait_in_vain, 500, 1, NULL), PH_OK);
    expect_note("time is up; ending, with up to 1 s for acknowledgements\n");
    assert_int_equal(report->verdict, PH_FLEET_LACKING);
    assert_non_null(strstr(report->lacks, "10 readings not acknowledged"));
}

/* [FLEET-13] [FLEET-16]: until the duration, as the pauses are longer. */
static void workers_that_cannot_work_are_the_verdict(void **state)
{
    (void)state;
    assert_int_equal(run(give_up, 0, 1, NULL), PH_OK);
    expect_note("worker 1 ended: spool: out of memory; started again in 1 s\n");
    assert_int_equal(report->verdict, PH_FLEET_LACKING);
    assert_int_equal(report->connected_all_ms, -1);
}

/* [FLEET-16] */
static void an_output_that_fails_is_the_error_and_the_others_are_told(void **state)
{
    (void)state;
    struct ph_error error = {0};
    scenario.duration_s = 1;
    assert_int_equal(run(work_well, 30000, 2, &error), PH_ERR_IO);
    assert_string_equal(error.message, "report.json: disk full");
    assert_int_equal(ends, 1);
}

static int be_watched(void *context)
{
    const int *live_ms = context;
    (void)poll(NULL, 0, *live_ms);
    return 0;
}

/* [FLEET-17] */
static void others_are_watched(void **state)
{
    (void)state;
    int lives_ms[] = {60000, 1500};
    pid_t pids[] = {0, 0};
    report->usage = calloc(2, sizeof *report->usage);
    assert_non_null(report->usage);
    report->usage_count = 2;
    (void)snprintf(report->usage[0].name, sizeof report->usage[0].name, "ingest");
    (void)snprintf(report->usage[1].name, sizeof report->usage[1].name, "broker");
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(
            ph_process_start(be_watched, &lives_ms[i], STDERR_FILENO, &pids[i], NULL), PH_OK);
        report->usage[i].pid = pids[i];
    }
    scenario.duration_s = 4;
    assert_int_equal(run(work_well, 30000, 1, NULL), PH_OK);
    assert_int_equal(kill(pids[0], SIGKILL), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
    }
    assert_int_equal(report->usage_count, WORKERS + 2);
    assert_string_equal(report->usage[WORKERS].name, "ingest");
    assert_int_equal(report->usage[WORKERS].pid, pids[0]);
    assert_true(report->usage[WORKERS].rss_bytes > 0);
    assert_string_equal(report->usage[WORKERS + 1].name, "broker");
    assert_int_equal(report->usage[WORKERS + 1].pid, 0);
    expect_note("broker has ended (process ");
}

/* [FLEET-7] */
static void a_folder_that_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    struct ph_error error = {0};
    const struct ph_supervisor_options options = {
        .scenario = &scenario, .folder = "/proc/nothing", .workers = 1};
    assert_int_not_equal(ph_supervisor_run_with(&options, work_well, report, &error), PH_OK);
    assert_non_null(strstr(error.message, "/proc/nothing/fleet.log"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_good_run),
        TEST(a_worker_that_dies_does_not_end_the_run),
        TEST(a_signal_ends_the_run_and_waits),
        TEST(a_second_signal_ends_it_at_once),
        TEST(the_wait_for_acknowledgements_has_an_end),
        TEST(workers_that_cannot_work_are_the_verdict),
        TEST(an_output_that_fails_is_the_error_and_the_others_are_told),
        TEST(others_are_watched),
        TEST(a_folder_that_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
