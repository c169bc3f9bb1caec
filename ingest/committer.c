#include "ingest/committer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

enum {
    OUTBOX_BYTES_MAX = 64 << 20,
    ACKS_AT_ONCE = 16384, /* fit into the outbox at their largest */
};

/* Acknowledgements as bytes: identity, length, payload, again and again. */
struct outbox {
    struct ph_buf bytes;
    size_t count;
};

struct ph_committer {
    struct ph_recorder *recorder; /* the thread's alone */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;                            /* the thread: something to do */
    int event_fd;                                   /* the owner: something to collect */
    struct ph_batch *waiting[PH_COMMITTER_BATCHES]; /* [0] is the one being written */
    size_t waiting_count;
    struct ph_batch *done[PH_COMMITTER_BATCHES + 1];
    size_t done_count;
    struct outbox made;  /* the thread's alone */
    struct outbox ready; /* filled only when empty */
    size_t acks_waiting;
    int64_t step_ms;
    struct ph_recorder_counts counts;
    bool up;
    bool connected;
    bool connected_told; /* what the recorder knows of it */
    bool hurry;
    bool stop;
    enum { RELOAD_NONE, RELOAD_ASKED, RELOAD_DONE } reload;
    size_t reload_behind; /* batches that were checked by the old kinds and come first */
    const struct ph_kinds *kinds;
    struct ph_store_limits limits;
    int64_t ack_interval_ms;
    enum ph_err reload_err;
    struct ph_error reload_error;
};

static void tell_owner(const struct ph_committer *committer)
{
    const uint64_t one = 1;
    (void)!write(committer->event_fd, &one, sizeof one);
}

static void put_ack(
    void *context, const struct ph_identity *identity, const void *payload, size_t len)
{
    struct outbox *outbox = context;
    size_t before = outbox->bytes.len;
    if (ph_buf_append(&outbox->bytes, identity, sizeof *identity) == PH_OK &&
        ph_buf_append(&outbox->bytes, &len, sizeof len) == PH_OK &&
        ph_buf_append(&outbox->bytes, payload, len) == PH_OK) {
        outbox->count++;
    } else {
        ph_buf_truncate(
            &outbox->bytes, before); /* lost like one on its way: the device sends again */
    }
}

/* Acknowledgements that are due, unless the last ones have not been collected yet: until then they
 * coalesce where they wait. */
static void make_acks(struct ph_committer *committer, int64_t now_ms)
{
    bool full = false;
    bool all = false;
    (void)pthread_mutex_lock(&committer->mutex);
    full = committer->ready.count > 0;
    all = committer->hurry;
    (void)pthread_mutex_unlock(&committer->mutex);
    if (!full) {
        ph_recorder_acknowledge(
            committer->recorder, now_ms, all, ACKS_AT_ONCE, put_ack, &committer->made);
    }
}

/* Shows the owner what has been done; `written`: the first batch is committed. */
static void publish(struct ph_committer *committer, bool written)
{
    (void)pthread_mutex_lock(&committer->mutex);
    bool news = written || committer->made.count > 0 ||
                committer->up != ph_recorder_up(committer->recorder);
    if (written) {
        committer->done[committer->done_count++] = committer->waiting[0];
        committer->waiting_count--;
        committer->reload_behind -= committer->reload_behind > 0 ? 1 : 0;
        for (size_t i = 0; i < committer->waiting_count; i++) {
            committer->waiting[i] = committer->waiting[i + 1];
        }
    }
    if (committer->made.count > 0) {
        struct outbox empty = committer->ready;
        committer->ready = committer->made;
        committer->made = empty;
    }
    committer->counts = *ph_recorder_counts(committer->recorder);
    committer->acks_waiting = ph_recorder_waiting(committer->recorder);
    committer->up = ph_recorder_up(committer->recorder);
    (void)pthread_mutex_unlock(&committer->mutex);
    if (news) {
        tell_owner(committer);
    }
}

/* Locked. */
static bool must_reload(const struct ph_committer *committer)
{
    return committer->reload == RELOAD_ASKED && committer->reload_behind == 0;
}

/* Locked: when there is something to do, by the monotonic clock. */
static int64_t due_ms(const struct ph_committer *committer)
{
    const struct ph_recorder *recorder = committer->recorder;
    if (committer->stop || must_reload(committer)) {
        return 0;
    }
    if (!ph_recorder_up(recorder)) {
        return ph_recorder_retry_ms(recorder);
    }
    if (committer->waiting_count > 0 || committer->connected != committer->connected_told) {
        return 0;
    }
    int64_t ack_ms = committer->ready.count > 0 ? INT64_MAX : ph_recorder_ack_due_ms(recorder);
    ack_ms = committer->hurry && ack_ms != INT64_MAX ? 0 : ack_ms;
    int64_t upkeep_ms = ph_recorder_maintain_due_ms(recorder);
    int64_t beat_ms = ph_recorder_beat_due_ms(recorder);
    upkeep_ms = beat_ms < upkeep_ms ? beat_ms : upkeep_ms;
    return ack_ms < upkeep_ms ? ack_ms : upkeep_ms;
}

static void wait_until(struct ph_committer *committer, int64_t at_ms)
{
    if (at_ms == INT64_MAX) {
        (void)pthread_cond_wait(&committer->wake, &committer->mutex);
        return;
    }
    struct timespec at = {
        .tv_sec = (time_t)(at_ms / 1000), .tv_nsec = (long)(at_ms % 1000) * 1000000};
    (void)pthread_cond_timedwait(&committer->wake, &committer->mutex, &at);
}

/* Waits until there is something to do; false when that is to end. */
static bool wait_for_work(struct ph_committer *committer, struct ph_batch **batch)
{
    (void)pthread_mutex_lock(&committer->mutex);
    committer->step_ms = 0;
    while (due_ms(committer) > ph_clock_monotonic_ms()) {
        wait_until(committer, due_ms(committer));
    }
    committer->step_ms = ph_clock_monotonic_ms();
    *batch = committer->waiting_count > 0 ? committer->waiting[0] : NULL;
    bool go_on = !committer->stop;
    (void)pthread_mutex_unlock(&committer->mutex);
    return go_on;
}

static void reload_if_asked(struct ph_committer *committer)
{
    (void)pthread_mutex_lock(&committer->mutex);
    bool asked = must_reload(committer);
    const struct ph_kinds *kinds = committer->kinds;
    struct ph_store_limits limits = committer->limits;
    int64_t ack_interval_ms = committer->ack_interval_ms;
    (void)pthread_mutex_unlock(&committer->mutex);
    if (!asked) {
        return;
    }
    struct ph_error error = {0};
    enum ph_err err =
        ph_recorder_reload(committer->recorder, kinds, &limits, ack_interval_ms, &error);
    (void)pthread_mutex_lock(&committer->mutex);
    committer->reload = RELOAD_DONE;
    committer->reload_err = err;
    committer->reload_error = error;
    (void)pthread_mutex_unlock(&committer->mutex);
    tell_owner(committer);
}

static void tell_recorder(struct ph_committer *committer)
{
    (void)pthread_mutex_lock(&committer->mutex);
    bool connected = committer->connected;
    committer->connected_told = connected;
    (void)pthread_mutex_unlock(&committer->mutex);
    ph_recorder_tell(committer->recorder, ph_clock_unix_ms(), connected);
}

static void *run(void *context)
{
    struct ph_committer *committer = context;
    struct ph_batch *batch = NULL;
    while (wait_for_work(committer, &batch)) {
        reload_if_asked(committer);
        tell_recorder(committer);
        int64_t now_ms = ph_clock_monotonic_ms();
        bool try_now = ph_recorder_up(committer->recorder) ||
                       now_ms >= ph_recorder_retry_ms(committer->recorder);
        bool written = try_now && ph_recorder_commit(committer->recorder, batch, now_ms, NULL) ==
                                      PH_OK; /* logs changes itself */
        make_acks(committer, now_ms);
        publish(committer, written && batch != NULL);
        ph_recorder_maintain(
            committer->recorder, now_ms, ph_clock_unix_ms(), batch == NULL && written);
    }
    return NULL;
}

static enum ph_err start_thread(struct ph_committer *committer, struct ph_error *error)
{
    pthread_condattr_t attributes;
    int failed = pthread_condattr_init(&attributes);
    if (failed == 0) {
        failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    }
    if (failed == 0) {
        failed = pthread_cond_init(&committer->wake, &attributes);
    }
    if (failed == 0) {
        failed = pthread_create(&committer->thread, NULL, run, committer);
    }
    return failed == 0 ? PH_OK : ph_error_set_errno(error, failed, "ingest: start a thread");
}

static void release(struct ph_committer *committer)
{
    ph_recorder_free(&committer->recorder);
    ph_buf_fini(&committer->made.bytes);
    ph_buf_fini(&committer->ready.bytes);
    if (committer->event_fd >= 0) {
        (void)close(committer->event_fd);
    }
    (void)pthread_mutex_destroy(&committer->mutex);
    free(committer);
}

enum ph_err ph_committer_start(
    const struct ph_recorder_options *options, struct ph_committer **out, struct ph_error *error)
{
    struct ph_committer *committer = calloc(1, sizeof *committer);
    if (committer == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "ingest: out of memory");
    }
    ph_buf_init(&committer->made.bytes, OUTBOX_BYTES_MAX);
    ph_buf_init(&committer->ready.bytes, OUTBOX_BYTES_MAX);
    (void)pthread_mutex_init(&committer->mutex, NULL);
    committer->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    enum ph_err err = committer->event_fd >= 0
                          ? ph_recorder_new(options, &committer->recorder, error)
                          : ph_error_set(error, PH_ERR_IO, "ingest: eventfd failed");
    if (err == PH_OK) {
        committer->up = ph_recorder_up(committer->recorder);
        err = start_thread(committer, error);
    }
    if (err != PH_OK) {
        release(committer);
        return err;
    }
    *out = committer;
    return PH_OK;
}

void ph_committer_stop(struct ph_committer **committer)
{
    struct ph_committer *stopped = *committer;
    if (stopped == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&stopped->mutex);
    stopped->stop = true;
    (void)pthread_cond_signal(&stopped->wake);
    (void)pthread_mutex_unlock(&stopped->mutex);
    (void)pthread_join(stopped->thread, NULL);
    (void)pthread_cond_destroy(&stopped->wake);
    release(stopped);
    *committer = NULL;
}

bool ph_committer_submit(struct ph_committer *committer, struct ph_batch *batch)
{
    (void)pthread_mutex_lock(&committer->mutex);
    bool room = committer->waiting_count < PH_COMMITTER_BATCHES;
    if (room) {
        committer->waiting[committer->waiting_count++] = batch;
        (void)pthread_cond_signal(&committer->wake);
    }
    (void)pthread_mutex_unlock(&committer->mutex);
    return room;
}

bool ph_committer_is_idle(struct ph_committer *committer)
{
    (void)pthread_mutex_lock(&committer->mutex);
    bool idle = committer->waiting_count == 0;
    (void)pthread_mutex_unlock(&committer->mutex);
    return idle;
}

struct ph_batch *ph_committer_collect(struct ph_committer *committer)
{
    uint64_t events = 0;
    (void)!read(committer->event_fd, &events, sizeof events);
    (void)pthread_mutex_lock(&committer->mutex);
    struct ph_batch *batch =
        committer->done_count > 0 ? committer->done[--committer->done_count] : NULL;
    (void)pthread_mutex_unlock(&committer->mutex);
    return batch;
}

static void send_each(const struct ph_buf *bytes, ph_ack_send *send, void *context)
{
    struct ph_identity identity;
    size_t len = 0;
    for (size_t at = 0; at < bytes->len; at += len) {
        memcpy(&identity, &bytes->data[at], sizeof identity);
        at += sizeof identity;
        memcpy(&len, &bytes->data[at], sizeof len);
        at += sizeof len;
        send(context, &identity, &bytes->data[at], len);
    }
}

void ph_committer_acknowledge(struct ph_committer *committer, ph_ack_send *send, void *context)
{
    (void)pthread_mutex_lock(&committer->mutex);
    struct outbox taken = committer->ready;
    ph_buf_init(&committer->ready.bytes, OUTBOX_BYTES_MAX);
    committer->ready.count = 0;
    if (taken.count > 0) {
        (void)pthread_cond_signal(&committer->wake); /* there may be more */
    }
    (void)pthread_mutex_unlock(&committer->mutex);
    send_each(&taken.bytes, send, context);
    ph_buf_fini(&taken.bytes);
}

void ph_committer_hurry(struct ph_committer *committer)
{
    (void)pthread_mutex_lock(&committer->mutex);
    committer->hurry = true;
    (void)pthread_cond_signal(&committer->wake);
    (void)pthread_mutex_unlock(&committer->mutex);
}

void ph_committer_reload(struct ph_committer *committer, const struct ph_kinds *kinds,
    const struct ph_store_limits *limits, int64_t ack_interval_ms)
{
    (void)pthread_mutex_lock(&committer->mutex);
    committer->reload = RELOAD_ASKED;
    committer->reload_behind = committer->waiting_count;
    committer->kinds = kinds;
    committer->limits = *limits;
    committer->ack_interval_ms = ack_interval_ms;
    (void)pthread_cond_signal(&committer->wake);
    (void)pthread_mutex_unlock(&committer->mutex);
}

bool ph_committer_reloaded(struct ph_committer *committer, enum ph_err *err, struct ph_error *error)
{
    (void)pthread_mutex_lock(&committer->mutex);
    bool done = committer->reload == RELOAD_DONE;
    if (done) {
        committer->reload = RELOAD_NONE;
        *err = committer->reload_err;
        *error = committer->reload_error;
    }
    (void)pthread_mutex_unlock(&committer->mutex);
    return done;
}

void ph_committer_connected(struct ph_committer *committer, bool connected)
{
    (void)pthread_mutex_lock(&committer->mutex);
    committer->connected = connected;
    (void)pthread_cond_signal(&committer->wake);
    (void)pthread_mutex_unlock(&committer->mutex);
}

struct ph_committer_state ph_committer_state(struct ph_committer *committer)
{
    (void)pthread_mutex_lock(&committer->mutex);
    struct ph_committer_state state = {
        .counts = committer->counts,
        .store_up = committer->up,
        .batches = committer->waiting_count,
        .acks = committer->ready.count + committer->acks_waiting,
        .step_ms = committer->step_ms,
    };
    (void)pthread_mutex_unlock(&committer->mutex);
    return state;
}

int ph_committer_fd(const struct ph_committer *committer)
{
    return committer->event_fd;
}
