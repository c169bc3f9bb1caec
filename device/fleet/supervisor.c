#include "device/fleet/supervisor.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/signals.h"
#include "device/fleet/supervisor_internal.h"
#include "device/fleet/watch.h"

enum {
    LOOK_MS = 100, /* how often workers and signals are looked after */
    SAMPLE_MS = 1000,
    MARGIN_MS =
        10000, /* for workers to close what they have, after the wait for acknowledgements */
    NOTE_BYTES = 160,
};

struct run {
    const struct ph_supervisor_options *options;
    struct ph_fleet_report *report;
    struct ph_crew *crew;
    struct ph_watch *watched;
    size_t watched_count;
    int signal_fd;
    int64_t start_ms; /* monotonic, as all of these */
    int64_t sample_ms;
    int64_t acts_ms;     /* acts up to there were told of */
    int64_t deadline_ms; /* once stopping: when the workers are ended */
    bool stopping;
    bool leave; /* at once */
    bool short_of_memory;
};

/* ---- telling ---- */

static void note(struct run *run, int64_t now_ms, const char *format, ...) PH_PRINTF(3, 4);

static void note(struct run *run, int64_t now_ms, const char *format, ...)
{
    char text[NOTE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ph_fleet_report_note(run->report, now_ms - run->start_ms, "%s", text);
    for (size_t i = 0; i < run->options->output_count; i++) {
        const struct ph_fleet_output *output = &run->options->outputs[i];
        if (output->note != NULL) {
            output->note(output->context, run->report);
        }
    }
}

static void tell_of_worker(void *context, const char *text)
{
    note(context, ph_clock_monotonic_ms(), "%s", text);
}

static void tell_of_act(struct run *run, const struct ph_act *act, int64_t now_ms)
{
    int64_t devices = ph_act_victims(run->options->scenario, act);
    if (act->for_s > 0) {
        note(run, now_ms, "%s begins: %" PRId64 " device%s for %" PRId64 " s",
            ph_act_name(act->kind), devices, devices == 1 ? "" : "s", act->for_s);
    } else {
        note(run, now_ms, "%s begins: %" PRId64 " device%s", ph_act_name(act->kind), devices,
            devices == 1 ? "" : "s");
    }
}

/* Those that begin or end after acts_ms, up to now. */
static void tell_of_acts(struct run *run, int64_t now_ms)
{
    const struct ph_scenario *scenario = run->options->scenario;
    for (size_t i = 0; i < scenario->act_count && !run->stopping; i++) {
        const struct ph_act *act = &scenario->acts[i];
        int64_t begins_ms = run->start_ms + act->at_s * 1000;
        int64_t ends_ms = begins_ms + act->for_s * 1000;
        if (begins_ms > run->acts_ms && begins_ms <= now_ms) {
            tell_of_act(run, act, now_ms);
        }
        if (act->for_s > 0 && ends_ms > run->acts_ms && ends_ms <= now_ms) {
            note(run, now_ms, "%s is over", ph_act_name(act->kind));
        }
    }
    run->acts_ms = now_ms;
}

/* ---- what processes use ---- */

/* Workers stand first, what is to be watched behind them. */
static enum ph_err make_usage(struct run *run, size_t workers, struct ph_error *error)
{
    struct ph_fleet_report *report = run->report;
    size_t watched = report->usage_count;
    struct ph_fleet_usage *usage = calloc(workers + watched, sizeof *usage);
    run->watched = calloc(watched + 1, sizeof *run->watched);
    if (usage == NULL || run->watched == NULL) {
        free(usage);
        return ph_error_set(error, PH_ERR_MEMORY, "report: out of memory");
    }
    if (watched > 0) {
        memcpy(usage + workers, report->usage, watched * sizeof *usage);
    }
    free(report->usage);
    report->usage = usage;
    report->usage_count = workers + watched;
    report->worker_count = workers;
    run->watched_count = watched;
    for (size_t i = 0; i < watched; i++) {
        ph_watch_begin(&run->watched[i], &usage[workers + i]);
    }
    return PH_OK;
}

static void watch(struct run *run, int64_t now_ms)
{
    struct ph_fleet_report *report = run->report;
    char text[PH_WATCH_NOTE_BYTES];
    ph_crew_usage(run->crew, report->usage);
    for (size_t i = 0; i < run->watched_count; i++) {
        if (ph_watch_look(&run->watched[i], &report->usage[report->worker_count + i], text)) {
            note(run, now_ms, "%s", text);
        }
    }
}

/* ---- each second ---- */

static void add_up(struct run *run, int64_t now_ms)
{
    struct ph_fleet_report *report = run->report;
    struct ph_error error = {0};
    report->elapsed_ms = now_ms - run->start_ms;
    ph_crew_total(run->crew, &report->total);
    watch(run, now_ms);
    if (ph_fleet_report_sample(report, report->elapsed_ms, &error) != PH_OK &&
        !run->short_of_memory) {
        run->short_of_memory = true;
        note(run, now_ms, "a second is missing in the report: %.100s", error.message);
    }
}

static void sample(struct run *run, int64_t now_ms)
{
    add_up(run, now_ms);
    run->sample_ms = now_ms + SAMPLE_MS - (now_ms - run->start_ms) % SAMPLE_MS;
    for (size_t i = 0; i < run->options->output_count; i++) {
        const struct ph_fleet_output *output = &run->options->outputs[i];
        if (output->sample != NULL) {
            output->sample(output->context, run->report);
        }
    }
}

static void look_whether_all_were_connected(struct run *run, int64_t now_ms)
{
    int64_t devices = run->options->scenario->devices;
    if (run->report->connected_all_ms < 0 &&
        ph_crew_count(run->crew, PH_FLEET_REACHED) >= devices) {
        run->report->connected_all_ms = now_ms - run->start_ms;
        note(run, now_ms, "all %" PRId64 " devices have been connected", devices);
    }
}

/* ---- the end ---- */

static void stop(struct run *run, int64_t now_ms, const char *why)
{
    int64_t drain_ms = run->options->drain_ms;
    run->stopping = true;
    run->deadline_ms = now_ms + drain_ms + MARGIN_MS;
    ph_crew_stop(run->crew, now_ms + drain_ms);
    note(run, now_ms, "%s; ending, with up to %" PRId64 " s for acknowledgements", why,
        (drain_ms + 999) / 1000);
}

static void take_signals(struct run *run, int64_t now_ms)
{
    char why[32];
    for (int number = ph_signals_read(run->signal_fd); number != 0;
         number = ph_signals_read(run->signal_fd)) {
        (void)snprintf(why, sizeof why, "signal %d", number);
        if (run->stopping) {
            run->leave = true;
        } else {
            stop(run, now_ms, why);
        }
    }
}

static void stop_if_due(struct run *run, int64_t now_ms)
{
    int64_t duration_s = run->options->scenario->duration_s;
    if (!run->stopping && duration_s > 0 && now_ms - run->start_ms >= duration_s * 1000) {
        stop(run, now_ms, "time is up");
    }
    if (run->leave || (run->stopping && now_ms >= run->deadline_ms)) {
        size_t killed = ph_crew_kill(run->crew);
        note(run, now_ms, "%s: %zu worker%s killed",
            run->leave ? "a second signal" : "out of patience", killed, killed == 1 ? "" : "s");
    }
}

static void wait_for_signal(const struct run *run)
{
    struct pollfd fd = {.fd = run->signal_fd, .events = POLLIN};
    int64_t wait_ms = run->sample_ms - ph_clock_monotonic_ms();
    wait_ms = wait_ms < 0 ? 0 : wait_ms;
    (void)poll(&fd, 1, (int)(wait_ms < LOOK_MS ? wait_ms : LOOK_MS));
}

static void loop(struct run *run)
{
    while (!ph_crew_ended(run->crew)) {
        wait_for_signal(run);
        int64_t now_ms = ph_clock_monotonic_ms();
        ph_crew_look(run->crew, now_ms);
        look_whether_all_were_connected(run, now_ms);
        tell_of_acts(run, now_ms);
        take_signals(run, now_ms);
        stop_if_due(run, now_ms);
        if (now_ms >= run->sample_ms) {
            sample(run, now_ms);
        }
    }
}

static enum ph_err end(struct run *run, struct ph_error *error)
{
    enum ph_err first = PH_OK;
    add_up(run, ph_clock_monotonic_ms());
    run->report->ended = true;
    ph_fleet_report_judge(run->report);
    for (size_t i = 0; i < run->options->output_count; i++) {
        const struct ph_fleet_output *output = &run->options->outputs[i];
        enum ph_err err =
            output->end != NULL ? output->end(output->context, run->report, error) : PH_OK;
        first = first == PH_OK ? err : first;
    }
    return first;
}

/* ---- the beginning ---- */

static size_t workers_of(const struct ph_supervisor_options *options)
{
    return options->workers > 0 ? options->workers
                                : ph_fleet_workers((size_t)options->scenario->devices,
                                      sysconf(_SC_NPROCESSORS_ONLN));
}

static enum ph_err begin(struct run *run, ph_crew_work *work, struct ph_error *error)
{
    const struct ph_crew_options crew = {
        .fleet = run->options,
        .workers = workers_of(run->options),
        .work = work,
        .tell = tell_of_worker,
        .context = run,
    };
    enum ph_err err = ph_signals_open(&run->signal_fd, error);
    if (err == PH_OK) {
        err = make_usage(run, crew.workers, error);
    }
    if (err == PH_OK) {
        err = ph_crew_new(&crew, &run->crew, error);
    }
    if (err == PH_OK) {
        run->start_ms = ph_clock_monotonic_ms();
        ph_utc_print(run->report->began, ph_clock_unix_ms());
        run->acts_ms = run->start_ms - 1;
        run->sample_ms = run->start_ms + SAMPLE_MS;
        run->report->connected_all_ms = -1;
        err = ph_crew_start(run->crew, run->start_ms, error);
    }
    return err;
}

enum ph_err ph_supervisor_run_with(const struct ph_supervisor_options *options, ph_crew_work *work,
    struct ph_fleet_report *report, struct ph_error *error)
{
    struct run run = {.options = options, .report = report, .signal_fd = -1};
    enum ph_err err = begin(&run, work, error);
    if (err == PH_OK) {
        loop(&run);
        err = end(&run, error);
    }
    ph_crew_free(&run.crew);
    free(run.watched);
    if (run.signal_fd >= 0) {
        (void)close(run.signal_fd);
    }
    return err;
}

enum ph_err ph_supervisor_run(const struct ph_supervisor_options *options,
    struct ph_fleet_report *report, struct ph_error *error)
{
    return ph_supervisor_run_with(options, ph_worker_run, report, error);
}
