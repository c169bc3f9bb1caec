#include "device/fleet/crew.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "device/fleet/patience.h"
#include "device/fleet/process.h"

enum { NOTE_BYTES = 160, CAUSE_BYTES = 110 };

/* What a worker shares with its supervisor, beyond its devices' places. */
struct desk {
    struct ph_fleet_stats stats;
    char said[PH_ERROR_MESSAGE_BYTES]; /* why it ended */
};

struct hand {
    struct ph_crew *crew;
    size_t index;
    struct desk *desk;
    pid_t pid;        /* 0: it does not run */
    int64_t again_ms; /* when it is started again; 0: it is not */
    struct ph_patience patience;
    int64_t restarts;
    int64_t cpu_before_ms; /* of its former processes */
    struct ph_process_usage usage;
    int64_t rss_max_bytes;
};

struct ph_crew {
    struct ph_crew_options options;
    struct ph_fleet_control *control; /* shared, as are the next two */
    struct desk *desks;
    struct ph_fleet_place *places;
    struct hand *hands;
    int log_fd;
    bool stopping;
};

/* ---- shared memory ---- */

static size_t desks_bytes(const struct ph_crew *crew)
{
    return crew->options.workers * sizeof *crew->desks;
}

static size_t places_bytes(const struct ph_crew *crew)
{
    return (size_t)crew->options.fleet->scenario->devices * sizeof *crew->places;
}

static enum ph_err make_memory(struct ph_crew *crew, struct ph_error *error)
{
    size_t workers = crew->options.workers;
    crew->control = ph_process_share(sizeof *crew->control);
    crew->desks = ph_process_share(desks_bytes(crew));
    crew->places = ph_process_share(places_bytes(crew));
    crew->hands = calloc(workers, sizeof *crew->hands);
    if (crew->control == NULL || crew->desks == NULL || crew->places == NULL ||
        crew->hands == NULL) {
        return ph_error_set(
            error, PH_ERR_MEMORY, "fleet: no memory for what %zu workers share", workers);
    }
    for (size_t i = 0; i < workers; i++) {
        crew->hands[i] = (struct hand){.crew = crew, .index = i, .desk = &crew->desks[i]};
    }
    return PH_OK;
}

static enum ph_err open_log(struct ph_crew *crew, struct ph_error *error)
{
    char path[PATH_MAX];
    enum ph_err err =
        ph_path_join(path, sizeof path, crew->options.fleet->folder, "fleet.log", error);
    if (err != PH_OK) {
        return err;
    }
    crew->log_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    return crew->log_fd >= 0 ? PH_OK : ph_error_set_errno(error, errno, "%s", path);
}

enum ph_err ph_crew_new(
    const struct ph_crew_options *options, struct ph_crew **out, struct ph_error *error)
{
    struct ph_crew *crew = calloc(1, sizeof *crew);
    if (crew == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "fleet: out of memory");
    }
    crew->options = *options;
    crew->log_fd = -1;
    enum ph_err err = make_memory(crew, error);
    if (err == PH_OK) {
        err = open_log(crew, error);
    }
    if (err != PH_OK) {
        ph_crew_free(&crew);
        return err;
    }
    *out = crew;
    return PH_OK;
}

/* ---- in the child ---- */

static int work(void *context)
{
    struct hand *hand = context;
    const struct ph_crew *crew = hand->crew;
    const struct ph_supervisor_options *fleet = crew->options.fleet;
    char spool[PATH_MAX];
    char name[64];
    struct ph_error error = {0};
    (void)snprintf(name, sizeof name, "worker-%zu.db", hand->index + 1);
    enum ph_err err = ph_path_join(spool, sizeof spool, fleet->folder, name, &error);
    if (err == PH_OK) {
        const struct ph_worker_options options = {
            .scenario = fleet->scenario,
            .identities = fleet->identities,
            .config = fleet->config,
            .spool = spool,
            .index = hand->index,
            .workers = crew->options.workers,
            .stats = &hand->desk->stats,
            .control = crew->control,
            .places = crew->places,
        };
        err = crew->options.work(&options, &error);
    }
    if (err != PH_OK) {
        ph_log_error(PH_LOG_ERROR, "worker ended", &error);
        memcpy(hand->desk->said, error.message, sizeof hand->desk->said);
    }
    return ph_err_exit_status(err);
}

/* ---- starting ---- */

static int64_t done_by(const struct hand *hand)
{
    const struct ph_fleet_stats *stats = &hand->desk->stats;
    return atomic_load(&stats->counts[PH_FLEET_CONNECTS]) +
           atomic_load(&stats->counts[PH_FLEET_CAPTURED]);
}

static enum ph_err start(struct hand *hand, int64_t now_ms, struct ph_error *error)
{
    ph_patience_began(&hand->patience, done_by(hand), now_ms);
    hand->again_ms = 0;
    hand->desk->said[0] = '\0';
    return ph_process_start(work, hand, hand->crew->log_fd, &hand->pid, error);
}

enum ph_err ph_crew_start(struct ph_crew *crew, int64_t now_ms, struct ph_error *error)
{
    size_t workers = crew->options.workers;
    crew->control->start_ms = now_ms;
    for (size_t i = 0; i < workers; i++) {
        enum ph_err err = start(&crew->hands[i], now_ms, error);
        if (err != PH_OK) {
            return ph_error_prefix(error, err, "worker %zu of %zu", i + 1, workers);
        }
    }
    return PH_OK;
}

/* ---- ending ---- */

static void tell(const struct hand *hand, const char *text)
{
    hand->crew->options.tell(hand->crew->options.context, text);
}

/* "ended by signal 9", "ended: spool.db: disk full" */
static void print_cause(char *out, size_t size, const struct hand *hand, int status)
{
    char said[CAUSE_BYTES - 16];
    ph_text_escape(said, sizeof said, hand->desk->said);
    if (WIFEXITED(status) && said[0] != '\0') {
        (void)snprintf(out, size, "ended: %s", said);
    } else {
        ph_process_print_status(out, size, status);
    }
}

static size_t devices_of(const struct hand *hand)
{
    size_t devices = (size_t)hand->crew->options.fleet->scenario->devices;
    size_t workers = hand->crew->options.workers;
    return (devices - hand->index + workers - 1) / workers;
}

/* Its devices stay away; some may have been counted already. */
static void give_up(struct hand *hand)
{
    struct ph_fleet_stats *stats = &hand->desk->stats;
    int64_t failed = atomic_load(&stats->counts[PH_FLEET_FAILED]);
    ph_fleet_stats_add(stats, PH_FLEET_FAILED, (int64_t)devices_of(hand) - failed);
}

/* Another time, later; or never again. */
static void after_failure(struct hand *hand, int64_t now_ms, const char *cause)
{
    char note[NOTE_BYTES];
    size_t number = hand->index + 1;
    int64_t pause_ms = ph_patience_ended(&hand->patience, done_by(hand), now_ms);
    if (pause_ms < 0) {
        give_up(hand);
        (void)snprintf(note, sizeof note, "worker %zu %s; given up", number, cause);
    } else {
        (void)snprintf(note, sizeof note, "worker %zu %s; started again in %" PRId64 " s", number,
            cause, pause_ms / 1000);
        hand->again_ms = now_ms + pause_ms;
    }
    tell(hand, note);
}

/* Of a worker that is gone nobody is connected; what its spool held when it was last looked at
 * pends; what it was about to count is counted. */
static void settle(struct hand *hand)
{
    struct ph_fleet_stats *stats = &hand->desk->stats;
    const struct ph_crew *crew = hand->crew;
    size_t devices = (size_t)crew->options.fleet->scenario->devices;
    int64_t pending = 0;
    for (size_t i = hand->index; i < devices; i += crew->options.workers) {
        pending += ph_fleet_place_seen(&crew->places[i])->pending;
    }
    for (int i = 0; i < PH_FLEET_GAUGES; i++) {
        ph_fleet_stats_set(stats, (enum ph_fleet_gauge)i, i == PH_FLEET_PENDING ? pending : 0);
    }
    ph_account_mend(stats, crew->places, devices, hand->index, crew->options.workers);
}

static int64_t milliseconds(const struct timeval *time)
{
    return (int64_t)time->tv_sec * 1000 + time->tv_usec / 1000;
}

static void after_end(struct hand *hand, int status, int64_t now_ms)
{
    char cause[CAUSE_BYTES];
    char note[NOTE_BYTES];
    print_cause(cause, sizeof cause, hand, status);
    if (!hand->crew->stopping) {
        settle(hand);
        after_failure(hand, now_ms, cause);
    } else if (status != 0) {
        settle(hand);
        (void)snprintf(note, sizeof note, "worker %zu %s", hand->index + 1, cause);
        tell(hand, note);
    }
}

/* True when the process was there and has ended. */
static bool reap(struct hand *hand, int flags, int *status)
{
    struct rusage used = {0};
    pid_t pid = 0;
    do {
        pid = hand->pid != 0 ? wait4(hand->pid, status, flags, &used) : 0;
    } while (pid < 0 && errno == EINTR);
    if (pid == 0) {
        return false;
    }
    hand->pid = 0;
    hand->cpu_before_ms += milliseconds(&used.ru_utime) + milliseconds(&used.ru_stime);
    hand->usage = (struct ph_process_usage){0};
    return true;
}

static void start_again(struct hand *hand, int64_t now_ms)
{
    char cause[CAUSE_BYTES];
    struct ph_error error = {0};
    hand->restarts++;
    if (start(hand, now_ms, &error) != PH_OK) {
        (void)snprintf(cause, sizeof cause, "could not be started: %.80s", error.message);
        after_failure(hand, now_ms, cause);
    }
}

void ph_crew_look(struct ph_crew *crew, int64_t now_ms)
{
    for (size_t i = 0; i < crew->options.workers; i++) {
        struct hand *hand = &crew->hands[i];
        int status = 0;
        if (reap(hand, WNOHANG, &status)) {
            after_end(hand, status, now_ms);
        } else if (hand->again_ms != 0 && now_ms >= hand->again_ms) {
            start_again(hand, now_ms);
        }
    }
}

void ph_crew_stop(struct ph_crew *crew, int64_t until_ms)
{
    atomic_store(&crew->control->until_ms, until_ms);
    atomic_store(&crew->control->stopping, true);
    crew->stopping = true;
    for (size_t i = 0; i < crew->options.workers; i++) {
        crew->hands[i].again_ms = 0;
    }
}

size_t ph_crew_kill(struct ph_crew *crew)
{
    size_t killed = 0;
    for (size_t i = 0; i < crew->options.workers; i++) {
        if (crew->hands[i].pid != 0) {
            (void)kill(crew->hands[i].pid, SIGKILL);
        }
    }
    for (size_t i = 0; i < crew->options.workers; i++) {
        int status = 0;
        crew->hands[i].again_ms = 0;
        if (reap(&crew->hands[i], 0, &status)) {
            settle(&crew->hands[i]);
            killed++;
        }
    }
    return killed;
}

bool ph_crew_ended(const struct ph_crew *crew)
{
    for (size_t i = 0; i < crew->options.workers; i++) {
        if (crew->hands[i].pid != 0 || crew->hands[i].again_ms != 0) {
            return false;
        }
    }
    return true;
}

/* ---- what is known ---- */

void ph_crew_total(const struct ph_crew *crew, struct ph_fleet_stats *total)
{
    memset(total, 0, sizeof *total);
    for (size_t i = 0; i < crew->options.workers; i++) {
        ph_fleet_stats_merge(total, &crew->desks[i].stats);
    }
}

int64_t ph_crew_count(const struct ph_crew *crew, enum ph_fleet_count count)
{
    int64_t sum = 0;
    for (size_t i = 0; i < crew->options.workers; i++) {
        sum += atomic_load(&crew->desks[i].stats.counts[count]);
    }
    return sum;
}

int64_t ph_crew_gauge(const struct ph_crew *crew, enum ph_fleet_gauge gauge)
{
    int64_t sum = 0;
    for (size_t i = 0; i < crew->options.workers; i++) {
        sum += atomic_load(&crew->desks[i].stats.gauges[gauge]);
    }
    return sum;
}

void ph_crew_usage(struct ph_crew *crew, struct ph_fleet_usage *usage)
{
    for (size_t i = 0; i < crew->options.workers; i++) {
        struct hand *hand = &crew->hands[i];
        if (hand->pid != 0 && ph_process_usage(hand->pid, &hand->usage) &&
            hand->usage.rss_bytes > hand->rss_max_bytes) {
            hand->rss_max_bytes = hand->usage.rss_bytes;
        }
        (void)snprintf(usage[i].name, sizeof usage[i].name, "worker %zu", i + 1);
        usage[i].pid = hand->pid;
        usage[i].cpu_s = (double)(hand->cpu_before_ms + hand->usage.cpu_ms) / 1000;
        usage[i].rss_bytes = hand->usage.rss_bytes;
        usage[i].rss_max_bytes = hand->rss_max_bytes;
        usage[i].restarts = hand->restarts;
    }
}

void ph_crew_free(struct ph_crew **crew)
{
    struct ph_crew *all = *crew;
    if (all == NULL) {
        return;
    }
    if (all->hands != NULL) {
        (void)ph_crew_kill(all);
    }
    ph_process_unshare(all->control, sizeof *all->control);
    ph_process_unshare(all->desks, desks_bytes(all));
    ph_process_unshare(all->places, places_bytes(all));
    if (all->log_fd >= 0) {
        (void)close(all->log_fd);
    }
    free(all->hands);
    free(all);
    *crew = NULL;
}
