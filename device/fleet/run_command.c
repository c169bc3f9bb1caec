#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/signals.h"
#include "device/config.h"
#include "device/fleet/command.h"
#include "device/fleet/health.h"
#include "device/fleet/identities.h"
#include "device/fleet/report.h"
#include "device/fleet/scenario.h"
#include "device/fleet/state.h"
#include "device/fleet/supervisor.h"
#include "device/fleet/watch.h"

enum { WORKERS_MAX = 1000, DRAIN_DEFAULT_S = 30, DRAIN_MAX_S = 3600, OUTPUTS_MAX = 5 };

const struct ph_cli_option ph_fleet_run_options[] = {
    PH_SCENARIO_OPTIONS,
    {"broker", "HOST:PORT", "broker to connect to (default localhost:8883)"},
    {"certs", "DIR", "take the devices' certificates from the folders in DIR, or"},
    {"ca", "DIR", "have them issued by the authority in DIR (ph-ca)"},
    {"state", "DIR", "spools and issued certificates (default: a folder in TMPDIR)"},
    {"workers", "N", "processes (default: by devices and cores)"},
    {"config", "FILE", "configuration of a ph-thermostat, for every device (YAML)"},
    {"drain", "SECONDS", "how long the end waits for acknowledgements (default 30)"},
    {"watch", "NAME=PID,...", "other processes to report CPU and memory of (or NAME=PIDFILE)"},
    {"json", "FILE", "write the report as JSON (\"-\": standard output)"},
    {"html", "FILE", "write the report as HTML, with plots"},
    {"plain", NULL, "lines instead of a view, on a terminal too"},
    {"ph-ca", "PROGRAM", "ph-ca (default: beside this program, or in PATH)"},
    {"print-scenario", NULL, "print the scenario in force as YAML, and exit"},
    {0},
};

struct job {
    const struct ph_cli *cli;
    FILE *out; /* what people read; not where JSON goes */
    struct ph_scenario *scenario;
    struct ph_device_config *config;
    struct ph_identities *identities;
    struct ph_state state;
    struct ph_fleet_report report;
    char broker[320];
    char *watch; /* the option, taken apart: the report's usage points into it */
    size_t workers;
    int64_t drain_s;
    struct ph_fleet_output outputs[OUTPUTS_MAX];
    size_t output_count;
    int signal_fd;
};

/* ---- options ---- */

static enum ph_err read_watch(struct job *job, struct ph_error *error)
{
    const char *value = ph_cli_value(job->cli, "watch");
    if (value == NULL) {
        return PH_OK;
    }
    job->watch = strdup(value);
    return job->watch != NULL
               ? ph_watch_read(job->watch, &job->report.usage, &job->report.usage_count, error)
               : ph_error_set(error, PH_ERR_MEMORY, "--watch: out of memory");
}

static enum ph_err read_workers(struct job *job, struct ph_error *error)
{
    size_t devices = (size_t)job->scenario->devices;
    int64_t workers = 0;
    enum ph_err err = ph_cli_int64(job->cli, "workers", 1, WORKERS_MAX, 0, &workers, error);
    if (err == PH_OK && workers > job->scenario->devices) {
        err = ph_error_set(error, PH_ERR_USAGE,
            "--workers: want at most one for each of the %zu devices, have %" PRId64, devices,
            workers);
    }
    job->workers =
        workers > 0 ? (size_t)workers : ph_fleet_workers(devices, sysconf(_SC_NPROCESSORS_ONLN));
    return err;
}

static enum ph_err check_certificates(const struct ph_cli *cli, struct ph_error *error)
{
    if (ph_cli_has(cli, "certs") == ph_cli_has(cli, "ca")) {
        return ph_error_set(error, PH_ERR_USAGE,
            "certificates: want --certs DIR, where they are, or --ca DIR, which issues them%s",
            ph_cli_has(cli, "ca") ? ", not both" : "");
    }
    if (ph_cli_has(cli, "ph-ca") && !ph_cli_has(cli, "ca")) {
        return ph_error_set(error, PH_ERR_USAGE, "--ph-ca: want --ca DIR with it");
    }
    return PH_OK;
}

/* Everything that the command line says, but what the outputs need. */
static enum ph_err read_options(struct job *job, struct ph_error *error)
{
    enum ph_err err = check_certificates(job->cli, error);
    if (err == PH_OK) {
        err = ph_device_config_load_shared(job->cli, &job->config, error);
    }
    if (err == PH_OK) {
        err =
            ph_cli_int64(job->cli, "drain", 0, DRAIN_MAX_S, DRAIN_DEFAULT_S, &job->drain_s, error);
    }
    if (err == PH_OK) {
        err = read_workers(job, error);
    }
    if (err == PH_OK) {
        const struct ph_broker_section *broker = &job->config->broker;
        bool v6 = strchr(broker->host, ':') != NULL;
        (void)snprintf(job->broker, sizeof job->broker, "%s%s%s:%u", v6 ? "[" : "", broker->host,
            v6 ? "]" : "", (unsigned)broker->port);
        err = ph_fleet_report_init(&job->report, job->scenario, job->broker, error);
    }
    return err == PH_OK ? read_watch(job, error) : err;
}

/* ---- certificates ---- */

static enum ph_err issue(struct job *job, const char *ca, struct ph_error *error)
{
    char folder[PATH_MAX];
    enum ph_err err = ph_path_join(folder, sizeof folder, job->state.folder, "devices", error);
    if (err != PH_OK) {
        return err;
    }
    int64_t began_ms = ph_clock_monotonic_ms();
    size_t missing = ph_identities_missing(job->scenario, folder);
    if (missing > 0) {
        fprintf(job->out, "issuing %zu certificates by %s\n", missing, ca);
        (void)fflush(job->out);
    }
    err = ph_identities_issue(
        job->scenario, ca, ph_cli_value(job->cli, "ph-ca"), folder, &job->identities, error);
    if (err == PH_OK && missing > 0) {
        fprintf(
            job->out, "issued in %.1f s\n", (double)(ph_clock_monotonic_ms() - began_ms) / 1000);
    }
    return err;
}

static enum ph_err get_identities(struct job *job, struct ph_error *error)
{
    const char *ca = ph_cli_value(job->cli, "ca");
    return ca != NULL ? issue(job, ca, error)
                      : ph_identities_find(ph_cli_value(job->cli, "certs"),
                            (size_t)job->scenario->devices, &job->identities, error);
}

/* ---- outputs ---- */

static enum ph_err make_outputs(struct job *job, struct ph_error *error)
{
    const char *json = ph_cli_value(job->cli, "json");
    const char *html = ph_cli_value(job->cli, "html");
    enum ph_err err = PH_OK;
    if (!ph_cli_has(job->cli, "plain") && isatty(fileno(job->out))) {
        err = ph_fleet_view_new(job->out, &job->outputs[job->output_count], error);
    } else {
        ph_fleet_lines_new(job->out, &job->outputs[job->output_count]);
    }
    if (err != PH_OK) {
        return err;
    }
    job->output_count++;
    ph_fleet_health_new(job->state.folder, &job->outputs[job->output_count++]);
    ph_fleet_summary_new(job->out, &job->outputs[job->output_count++]);
    if (json != NULL) {
        ph_fleet_json_new(json, &job->outputs[job->output_count++]);
    }
    if (html != NULL) {
        ph_fleet_html_new(html, &job->outputs[job->output_count++]);
    }
    return PH_OK;
}

static void free_outputs(struct job *job)
{
    for (size_t i = 0; i < job->output_count; i++) {
        if (job->outputs[i].free != NULL) {
            job->outputs[i].free(job->outputs[i].context);
        }
    }
    job->output_count = 0;
}

/* ---- the run ---- */

static enum ph_err supervise(struct job *job, struct ph_error *error)
{
    const struct ph_supervisor_options options = {
        .scenario = job->scenario,
        .identities = job->identities,
        .config = job->config,
        .folder = job->state.folder,
        .workers = job->workers,
        .drain_ms = job->drain_s * 1000,
        .outputs = job->outputs,
        .output_count = job->output_count,
    };
    enum ph_err err = ph_supervisor_run(&options, &job->report, error);
    if (err == PH_OK && job->report.verdict != PH_FLEET_GOOD) {
        err = ph_error_set(error, PH_ERR_FAULT, "%s", job->report.lacks);
    }
    return err;
}

static enum ph_err prepare(struct job *job, struct ph_error *error)
{
    bool firm = ph_cli_has(job->cli, "workers");
    enum ph_err err = ph_state_workers(&job->state, firm, &job->workers, error);
    if (err == PH_OK) {
        err = ph_fleet_limits_check((size_t)job->scenario->devices, job->workers, error);
    }
    if (err == PH_OK) {
        err = get_identities(job, error);
    }
    return err == PH_OK ? make_outputs(job, error) : err;
}

/* Whether spools can still hold readings that nobody has. */
static bool owes_readings(const struct ph_fleet_stats *total)
{
    return atomic_load(&total->counts[PH_FLEET_ACKNOWLEDGED]) +
               atomic_load(&total->counts[PH_FLEET_DROPPED]) +
               atomic_load(&total->counts[PH_FLEET_LOST]) <
           atomic_load(&total->counts[PH_FLEET_CAPTURED]);
}

/* A signal that comes before the supervisor waits for it ends the run as soon as that does: it must
 * not leave a folder behind. */
static enum ph_err run(struct job *job, struct ph_error *error)
{
    enum ph_err err = ph_signals_open(&job->signal_fd, error);
    if (err == PH_OK) {
        err = ph_state_open(&job->state, ph_cli_value(job->cli, "state"), error);
    }
    if (err != PH_OK) {
        return err;
    }
    err = prepare(job, error);
    if (err == PH_OK) {
        err = supervise(job, error);
    }
    free_outputs(job);
    bool keep = owes_readings(&job->report.total);
    if (keep) {
        fprintf(
            job->out, "kept: %s, with readings that were not acknowledged\n", job->state.folder);
    }
    ph_state_close(&job->state, !keep);
    return err;
}

static void release(struct job *job)
{
    ph_fleet_report_fini(&job->report);
    ph_identities_free(&job->identities);
    ph_device_config_free(&job->config);
    free(job->watch);
    if (job->signal_fd >= 0) {
        (void)close(job->signal_fd);
    }
}

static bool json_to_stdout(const struct ph_cli *cli)
{
    const char *json = ph_cli_value(cli, "json");
    return json != NULL && strcmp(json, "-") == 0;
}

static enum ph_err run_scenario(
    const struct ph_cli *cli, struct ph_scenario *scenario, struct ph_error *error)
{
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "fleet: out of memory");
    }
    job->cli = cli;
    job->scenario = scenario;
    job->signal_fd = -1;
    job->out = json_to_stdout(cli) ? stderr : stdout;
    if (!ph_cli_has(cli, "log-level")) {
        ph_log_level_set(PH_LOG_WARNING);
    }
    enum ph_err err = read_options(job, error);
    if (err == PH_OK) {
        err = run(job, error);
    }
    release(job);
    free(job);
    return err;
}

enum ph_err ph_fleet_run(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_scenario *scenario = NULL;
    enum ph_err err = ph_scenario_load(cli, &scenario, error);
    if (err == PH_OK && ph_cli_has(cli, "print-scenario")) {
        err = ph_scenario_print(stdout, scenario, error);
    } else if (err == PH_OK) {
        err = run_scenario(cli, scenario, error);
    }
    ph_scenario_free(&scenario);
    return err;
}
