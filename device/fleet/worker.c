#include "device/fleet/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/signals.h"
#include "device/fleet/member.h"
#include "device/fleet/wheel.h"

enum {
    LOOK_MS = 100, /* how often acts, the control block and the gauges are looked after */
    EVENTS = 256,
    OWN_DRAIN_MS = 5000, /* after a signal of its own */
    FIRSTS = 40,         /* of all workers: devices whose first attempt is under way */
    FIRSTS_MIN = 1,      /* of each */
    NICENESS = 10,       /* broker and ingest may share the machine with us */
    LATE_MS = 2000,      /* a worker that begins later than that was started again */
};

struct worker {
    const struct ph_worker_options *options;
    struct ph_member *members;
    size_t count;
    size_t begun;   /* of these, by the ramp */
    size_t settled; /* of these, the first ones: their first attempt has ended */
    struct ph_spool_file *spool;
    struct ph_wheel wheel;
    int epoll_fd;
    int signal_fd;
    int64_t ramp_ms; /* monotonic: when its first device was due */
    int64_t look_ms;
    size_t acts_done;
    bool stopping;
};

/* ---- descriptors ---- */

static void watch(struct worker *worker, struct ph_member *member, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = member};
    if (fd >= 0) {
        /* Not added: then it has its turn once a second all the same. */
        (void)epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

/* A client that is gone has left the epoll with its descriptor. */
static void watch_clients(struct worker *worker, struct ph_member *member)
{
    uint64_t clients = ph_device_clients(&member->device);
    if (member->watched != clients) {
        member->watched = clients;
        watch(worker, member, ph_device_fd(&member->device));
    }
    if (member->actor != NULL && member->watched_actor != ph_actor_clients(member->actor)) {
        member->watched_actor = ph_actor_clients(member->actor);
        watch(worker, member, ph_actor_fd(member->actor));
    }
}

/* Nobody takes its events any more: they would wake the worker for ever. */
static void unwatch(struct worker *worker, struct ph_member *member)
{
    int fd = ph_device_fd(&member->device);
    if (fd >= 0) {
        (void)epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    }
}

/* ---- turns ---- */

static void settle(struct worker *worker, struct ph_member *member)
{
    if (member->state == PH_MEMBER_RUNNING) {
        watch_clients(worker, member);
        ph_wheel_put(&worker->wheel, &member->entry, ph_member_due_ms(member));
    } else {
        unwatch(worker, member);
        ph_wheel_remove(&member->entry);
    }
}

static void turn(struct worker *worker, struct ph_member *member)
{
    ph_member_turn(member, ph_clock_monotonic_ms());
    settle(worker, member);
}

/* When the ramp lets the worker's k-th device begin. */
static int64_t ramp_ms(const struct worker *worker, size_t k)
{
    const struct ph_worker_options *options = worker->options;
    int64_t place = (int64_t)(k * options->workers + options->index);
    return worker->ramp_ms + place * 1000 / options->scenario->connects_per_s;
}

/* More attempts at once than the machine carries would all run into their timeouts: the ramp waits
 * for those that are under way. What waits has been due, and that time counts. */
static bool may_begin(struct worker *worker, int64_t now_ms)
{
    size_t most = FIRSTS / worker->options->workers;
    size_t firsts = 0;
    if (worker->stopping || worker->begun == worker->count ||
        ramp_ms(worker, worker->begun) > now_ms) {
        return false;
    }
    while (worker->settled < worker->begun && !worker->members[worker->settled].first) {
        worker->settled++;
    }
    for (size_t i = worker->settled; i < worker->begun; i++) {
        firsts += worker->members[i].first;
    }
    return firsts < (most > FIRSTS_MIN ? most : FIRSTS_MIN);
}

static void begin_due(struct worker *worker, int64_t now_ms)
{
    while (may_begin(worker, now_ms)) {
        struct ph_member *member = &worker->members[worker->begun];
        ph_member_start(member, worker->spool, ramp_ms(worker, worker->begun),
            worker->ramp_ms - worker->options->control->start_ms);
        worker->begun++;
        settle(worker, member);
    }
}

static void strike(struct worker *worker, const struct ph_act *act, int64_t now_ms)
{
    for (size_t i = 0; i < worker->begun; i++) {
        struct ph_member *member = &worker->members[i];
        if (ph_act_strikes(worker->options->scenario, act, member->index)) {
            ph_member_strike(member, act, now_ms);
            settle(worker, member);
        }
    }
}

/* Acts of the past are not made up for by a worker that was started again. */
static void act_if_due(struct worker *worker, int64_t now_ms)
{
    const struct ph_scenario *scenario = worker->options->scenario;
    int64_t start_ms = worker->options->control->start_ms;
    while (worker->acts_done < scenario->act_count && !worker->stopping) {
        const struct ph_act *act = &scenario->acts[worker->acts_done];
        int64_t at_ms = start_ms + act->at_s * 1000;
        if (now_ms < at_ms) {
            return;
        }
        worker->acts_done++;
        if (at_ms >= worker->ramp_ms) {
            strike(worker, act, now_ms);
        }
    }
}

/* ---- what the supervisor sees and says ---- */

static void tell_gauges(const struct worker *worker, int64_t now_ms)
{
    int64_t gauges[PH_FLEET_GAUGES] = {0};
    for (size_t i = 0; i < worker->begun; i++) {
        const struct ph_member *member = &worker->members[i];
        gauges[PH_FLEET_STARTED] += member->state == PH_MEMBER_RUNNING;
        gauges[PH_FLEET_CONNECTED] += member->connected;
        gauges[PH_FLEET_SUSPENDED] += member->back_ms != 0;
        gauges[PH_FLEET_BEHIND] += ph_account_behind(&member->account, now_ms);
    }
    for (size_t i = 0; i < worker->count; i++) { /* also of those that a killed worker had begun */
        gauges[PH_FLEET_PENDING] += ph_fleet_place_seen(worker->members[i].account.place)->pending;
    }
    for (int i = 0; i < PH_FLEET_GAUGES; i++) {
        ph_fleet_stats_set(worker->options->stats, (enum ph_fleet_gauge)i, gauges[i]);
    }
}

static void stop(struct worker *worker, int64_t now_ms, int64_t until_ms)
{
    worker->stopping = true;
    for (size_t i = 0; i < worker->begun; i++) {
        ph_member_stop(&worker->members[i], now_ms, until_ms);
        settle(worker, &worker->members[i]);
    }
}

static void obey(struct worker *worker, int64_t now_ms)
{
    const struct ph_fleet_control *control = worker->options->control;
    bool told = false;
    while (ph_signals_read(worker->signal_fd) != 0) {
        told = true;
    }
    if (worker->stopping) {
        return;
    }
    if (atomic_load(&control->stopping)) {
        stop(worker, now_ms, atomic_load(&control->until_ms));
    } else if (told) {
        stop(worker, now_ms, now_ms + OWN_DRAIN_MS);
    }
}

static void look_if_due(struct worker *worker, int64_t now_ms)
{
    if (now_ms >= worker->look_ms) {
        worker->look_ms = now_ms + LOOK_MS;
        obey(worker, now_ms);
        act_if_due(worker, now_ms);
        tell_gauges(worker, now_ms);
    }
}

static bool finished(const struct worker *worker)
{
    for (size_t i = 0; i < worker->begun; i++) {
        if (!ph_member_finished(&worker->members[i])) {
            return false;
        }
    }
    return worker->stopping;
}

/* ---- the loop ---- */

static void take_events(struct worker *worker, int wait_ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(worker->epoll_fd, events, EVENTS, wait_ms);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr != NULL) {
            turn(worker, events[i].data.ptr);
        } else {
            worker->look_ms = 0; /* a signal */
        }
    }
}

static int wait_ms(const struct worker *worker, int64_t now_ms)
{
    int64_t most = worker->look_ms - now_ms;
    if (worker->begun < worker->count && !worker->stopping) {
        int64_t next = ramp_ms(worker, worker->begun) - now_ms;
        most = next > 0 && next < most ? next : most; /* one that must wait is looked after then */
    }
    return most > 0 ? ph_wheel_wait_ms(&worker->wheel, now_ms, (int)most) : 0;
}

static void loop(struct worker *worker)
{
    while (!finished(worker)) {
        take_events(worker, wait_ms(worker, ph_clock_monotonic_ms()));
        int64_t now_ms = ph_clock_monotonic_ms();
        struct ph_wheel_entry *entry = NULL;
        while ((entry = ph_wheel_take(&worker->wheel, now_ms)) != NULL) {
            turn(worker, (struct ph_member *)entry);
        }
        look_if_due(worker, now_ms);
        begin_due(worker, now_ms);
    }
}

static enum ph_err open_files(struct worker *worker, struct ph_error *error)
{
    char boot[PH_BOOT_ID_BYTES];
    enum ph_err err = ph_signals_open(&worker->signal_fd, error);
    if (err != PH_OK) {
        return err;
    }
    struct epoll_event event = {.events = EPOLLIN};
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (worker->epoll_fd < 0 ||
        epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, worker->signal_fd, &event) != 0) {
        return ph_error_set_errno(error, errno, "epoll");
    }
    ph_clock_boot_id(boot);
    return ph_spool_file_open(
        worker->options->spool, worker->options->config->spool.sync, boot, &worker->spool, error);
}

static enum ph_err make_members(struct worker *worker, struct ph_error *error)
{
    const struct ph_worker_options *options = worker->options;
    size_t devices = (size_t)options->scenario->devices;
    size_t count = (devices - options->index + options->workers - 1) / options->workers;
    worker->members = calloc(count, sizeof *worker->members);
    if (worker->members == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "worker: out of memory for %zu devices", count);
    }
    enum ph_err err = PH_OK;
    for (size_t k = 0; k < count && err == PH_OK; k++) {
        worker->count++;
        err = ph_member_init(
            &worker->members[k], options, k * options->workers + options->index, error);
    }
    return err;
}

static void close_all(struct worker *worker)
{
    for (size_t i = 0; i < worker->begun; i++) {
        ph_member_goodbye(&worker->members[i]);
    }
    for (size_t i = 0; i < worker->count; i++) {
        ph_member_close(&worker->members[i]);
    }
    free(worker->members);
    ph_spool_file_close(&worker->spool);
    if (worker->epoll_fd >= 0) {
        (void)close(worker->epoll_fd);
    }
    if (worker->signal_fd >= 0) {
        (void)close(worker->signal_fd);
    }
}

enum ph_err ph_worker_run(const struct ph_worker_options *options, struct ph_error *error)
{
    int64_t now_ms = ph_clock_monotonic_ms();
    int64_t start_ms = options->control->start_ms;
    struct worker worker = {
        .options = options,
        .epoll_fd = -1,
        .signal_fd = -1,
        .ramp_ms = now_ms > start_ms + LATE_MS ? now_ms : start_ms,
    };
    ph_wheel_init(&worker.wheel, now_ms);
    (void)setpriority(PRIO_PROCESS, 0, NICENESS);
    enum ph_err err = open_files(&worker, error);
    if (err == PH_OK) {
        err = make_members(&worker, error);
    }
    if (err == PH_OK) {
        loop(&worker);
    }
    tell_gauges(&worker, ph_clock_monotonic_ms());
    close_all(&worker);
    return err;
}
