#include "ingest/pipeline.h"

#include <poll.h>
#include <stdlib.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "ingest/committer.h"
#include "ingest/letter_limit.h"

enum {
    BATCHES = PH_COMMITTER_BATCHES + 1, /* and the one that is being filled */
    /* Longer than for the others: a broker without the plugin vouches for no message at all. */
    UNVOUCHED_INTERVAL_MS = 60000,
    DRAIN_STEP_MS = 50,
    RELOAD_BACKOFF_MIN_MS = 1000,
    RELOAD_BACKOFF_MAX_MS = 60000,
};

struct ph_pipeline {
    struct ph_pipeline_options options;
    struct ph_kinds *kinds;
    struct ph_kinds *next_kinds; /* while a reload waits or is under way */
    struct ph_pipeline_limits next_limits;
    bool reloading;    /* the committer has been asked */
    int64_t reload_ms; /* not to be asked before */
    struct ph_backoff reload_backoff;
    struct ph_committer *committer;
    struct ph_letter_limit *letters;
    struct ph_batch batches[BATCHES];
    struct ph_batch *spare[BATCHES]; /* empty ones */
    size_t spare_count;
    struct ph_batch *filling; /* NULL: the committer has them all */
    size_t submitted;         /* messages in the committer's batches */
    int64_t messages;
    int64_t unvouched;
    int64_t dropped;
    struct ph_log_limit letter_limit;
    struct ph_log_limit drop_limit;
    struct ph_log_limit unvouched_limit;
    int64_t first_ms[BATCHES]; /* when the first message of a batch came; monotonic */
    bool connected;
};

static int64_t *first_ms(struct ph_pipeline *pipeline, const struct ph_batch *batch)
{
    return &pipeline->first_ms[batch - pipeline->batches];
}

/* Of the batch that is being filled. */
static int64_t oldest_ms(const struct ph_pipeline *pipeline)
{
    return pipeline->first_ms[pipeline->filling - pipeline->batches];
}

static enum ph_err make_batches(struct ph_pipeline *pipeline, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < BATCHES && err == PH_OK; i++) {
        err = ph_batch_init(&pipeline->batches[i], pipeline->options.batch_messages, error);
        pipeline->spare[i] = &pipeline->batches[i];
        pipeline->spare_count++;
    }
    return err;
}

static enum ph_err start_committer(struct ph_pipeline *pipeline, struct ph_error *error)
{
    const struct ph_pipeline_options *options = &pipeline->options;
    const struct ph_recorder_options recorder = {
        .store = {.location = options->store,
            .kinds = pipeline->kinds,
            .limits = options->limits.store},
        .telemetry = options->telemetry,
        .ack_interval_ms = options->limits.ack_interval_ms,
        .backoff_min_ms = options->backoff_min_ms,
        .backoff_max_ms = options->backoff_max_ms,
        .writer = options->writer,
        .beat_every_ms = options->beat_every_ms,
    };
    return ph_committer_start(&recorder, &pipeline->committer, error);
}

enum ph_err ph_pipeline_new(
    const struct ph_pipeline_options *options, struct ph_pipeline **out, struct ph_error *error)
{
    struct ph_pipeline *pipeline = calloc(1, sizeof *pipeline);
    if (pipeline == NULL ||
        (pipeline->letters = ph_letter_limit_new(options->limits.letters_per_minute)) == NULL) {
        free(pipeline);
        return ph_error_set(error, PH_ERR_MEMORY, "ingest: out of memory");
    }
    pipeline->options = *options;
    const struct ph_log_limit limit = {.interval_ms = 10000, .burst = 5, .tokens = 5};
    pipeline->letter_limit = pipeline->drop_limit = pipeline->unvouched_limit = limit;
    pipeline->unvouched_limit.interval_ms = UNVOUCHED_INTERVAL_MS;
    pipeline->reload_backoff.min_ms = RELOAD_BACKOFF_MIN_MS;
    pipeline->reload_backoff.max_ms = RELOAD_BACKOFF_MAX_MS;
    enum ph_err err = ph_kinds_load(options->kinds, &pipeline->kinds, error);
    if (err == PH_OK) {
        err = make_batches(pipeline, error);
    }
    if (err == PH_OK) {
        err = start_committer(pipeline, error);
    }
    if (err != PH_OK) {
        ph_pipeline_free(&pipeline);
        return err;
    }
    pipeline->filling = pipeline->spare[--pipeline->spare_count];
    *out = pipeline;
    return PH_OK;
}

void ph_pipeline_free(struct ph_pipeline **pipeline)
{
    if (*pipeline == NULL) {
        return;
    }
    ph_committer_stop(&(*pipeline)->committer);
    for (size_t i = 0; i < BATCHES; i++) {
        ph_batch_fini(&(*pipeline)->batches[i]);
    }
    ph_letter_limit_free(&(*pipeline)->letters);
    ph_kinds_free(&(*pipeline)->next_kinds);
    ph_kinds_free(&(*pipeline)->kinds);
    free(*pipeline);
    *pipeline = NULL;
}

static void note_drop(struct ph_pipeline *pipeline, int64_t now_ms)
{
    int64_t suppressed = 0;
    pipeline->dropped++;
    if (ph_log_limit_pass(&pipeline->drop_limit, now_ms, &suppressed)) {
        ph_log(PH_LOG_WARNING, "message dropped unacknowledged: no room until the store is back",
            PH_INT("dropped", pipeline->dropped));
    }
}

static void note_letter(struct ph_pipeline *pipeline, struct ph_batch_entry *entry, int64_t now_ms)
{
    int64_t suppressed = 0;
    if (entry->reason == NULL) {
        return;
    }
    if (!ph_letter_limit_pass(
            pipeline->letters, entry->has_identity ? &entry->identity : NULL, now_ms)) {
        ph_batch_count_only(entry);
    }
    if (ph_log_limit_pass(&pipeline->letter_limit, now_ms, &suppressed)) {
        ph_log(PH_LOG_WARNING, "dead letter", PH_STR("topic", entry->topic),
            PH_STR("reason", entry->reason), PH_INT("suppressed", suppressed));
    }
}

static void note_unvouched(struct ph_pipeline *pipeline, const struct ph_batch_entry *entry,
    const char *topic, int64_t now_ms)
{
    int64_t suppressed = 0;
    if (entry->provenance.state == PH_PROVENANCE_VOUCHED) {
        return;
    }
    pipeline->unvouched++;
    if (ph_log_limit_pass(&pipeline->unvouched_limit, now_ms, &suppressed)) {
        ph_log(PH_LOG_WARNING, "no certificate vouches for a message: kept, and flagged",
            PH_STR("reason", ph_provenance_reason(entry->provenance.state)), PH_STR("topic", topic),
            PH_INT("suppressed", suppressed));
    }
}

/* While a reload is under way none: what the old kinds have checked must not meet the new ones. */
bool ph_pipeline_has_room(const struct ph_pipeline *pipeline)
{
    return !pipeline->reloading && pipeline->filling != NULL &&
           ph_batch_has_room(pipeline->filling);
}

void ph_pipeline_take(
    struct ph_pipeline *pipeline, const struct ph_publish *publish, int64_t now_ms)
{
    struct ph_batch *batch = pipeline->filling;
    if (!ph_pipeline_has_room(pipeline) ||
        ph_batch_add(batch, pipeline->options.telemetry, pipeline->kinds, publish, NULL) != PH_OK) {
        note_drop(pipeline, now_ms);
        return;
    }
    pipeline->messages++;
    if (batch->count == 1) {
        *first_ms(pipeline, batch) = now_ms;
    }
    note_letter(pipeline, &batch->entries[batch->count - 1], now_ms);
    note_unvouched(pipeline, &batch->entries[batch->count - 1], publish->topic, now_ms);
}

int64_t ph_pipeline_due_ms(const struct ph_pipeline *pipeline, int64_t now_ms)
{
    if (pipeline->filling == NULL || pipeline->filling->count == 0) {
        return -1;
    }
    int64_t at_ms = oldest_ms(pipeline) + pipeline->options.batch_delay_ms;
    if (!ph_committer_is_idle(pipeline->committer)) {
        return -1; /* it says when it is ready, and until then the batch may grow */
    }
    return ph_batch_has_room(pipeline->filling) && at_ms > now_ms ? at_ms - now_ms : 0;
}

/* A batch goes when it is full, or when its first message has waited long enough and is written at
 * once: a batch that would wait may as well grow. */
static bool is_due(const struct ph_pipeline *pipeline, int64_t now_ms)
{
    const struct ph_batch *batch = pipeline->filling;
    if (batch == NULL || batch->count == 0) {
        return false;
    }
    return !ph_batch_has_room(batch) ||
           (now_ms - oldest_ms(pipeline) >= pipeline->options.batch_delay_ms &&
               ph_committer_is_idle(pipeline->committer));
}

static bool hand_over(struct ph_pipeline *pipeline)
{
    size_t count = pipeline->filling->count;
    if (!ph_committer_submit(pipeline->committer, pipeline->filling)) {
        return false;
    }
    pipeline->submitted += count;
    pipeline->filling = pipeline->spare_count > 0 ? pipeline->spare[--pipeline->spare_count] : NULL;
    return true;
}

static void take_back(struct ph_pipeline *pipeline)
{
    struct ph_batch *batch = NULL;
    while ((batch = ph_committer_collect(pipeline->committer)) != NULL) {
        pipeline->submitted -= batch->count;
        ph_batch_reset(batch);
        pipeline->spare[pipeline->spare_count++] = batch;
    }
    if (pipeline->filling == NULL && pipeline->spare_count > 0) {
        pipeline->filling = pipeline->spare[--pipeline->spare_count];
    }
}

/* What is collected was checked by the old kinds: it is handed over first, to be written under
 * them. Without room for that: when a batch has come back. */
static void start_reload(struct ph_pipeline *pipeline, int64_t now_ms)
{
    if (pipeline->next_kinds == NULL || pipeline->reloading || now_ms < pipeline->reload_ms ||
        !ph_pipeline_store_up(pipeline)) {
        return;
    }
    if (pipeline->filling != NULL && pipeline->filling->count > 0 && !hand_over(pipeline)) {
        return;
    }
    pipeline->reloading = true;
    ph_committer_reload(pipeline->committer, pipeline->next_kinds, &pipeline->next_limits.store,
        pipeline->next_limits.ack_interval_ms);
}

static void adopt_next(struct ph_pipeline *pipeline)
{
    ph_kinds_free(&pipeline->kinds);
    pipeline->kinds = pipeline->next_kinds;
    pipeline->next_kinds = NULL;
    pipeline->options.limits = pipeline->next_limits;
    ph_letter_limit_set(pipeline->letters, pipeline->next_limits.letters_per_minute);
    ph_log(PH_LOG_INFO, "kinds and limits reloaded", PH_STR("file", pipeline->options.kinds));
}

static void finish_reload(struct ph_pipeline *pipeline, int64_t now_ms)
{
    enum ph_err err = PH_OK;
    struct ph_error error = {0};
    if (!pipeline->reloading || !ph_committer_reloaded(pipeline->committer, &err, &error)) {
        return;
    }
    pipeline->reloading = false;
    if (err == PH_OK) {
        adopt_next(pipeline);
    } else if (err == PH_ERR_BUSY || err == PH_ERR_UNAVAILABLE) {
        pipeline->reload_ms = now_ms + ph_backoff_next_ms(&pipeline->reload_backoff);
        ph_log_error(PH_LOG_WARNING, "kinds and limits not reloaded yet", &error);
    } else {
        ph_kinds_free(&pipeline->next_kinds);
        ph_log_error(
            PH_LOG_ERROR, "kinds and limits not reloaded, the old ones stay in force", &error);
    }
}

void ph_pipeline_turn(struct ph_pipeline *pipeline, int64_t now_ms)
{
    take_back(pipeline);
    if (is_due(pipeline, now_ms)) {
        (void)hand_over(pipeline);
    }
    ph_committer_acknowledge(
        pipeline->committer, pipeline->options.send, pipeline->options.context);
    finish_reload(pipeline, now_ms);
    start_reload(pipeline, now_ms);
}

int ph_pipeline_fd(const struct ph_pipeline *pipeline)
{
    return ph_committer_fd(pipeline->committer);
}

static bool is_drained(const struct ph_pipeline *pipeline)
{
    return ph_pipeline_waiting(pipeline) == 0 && !pipeline->reloading &&
           ph_committer_state(pipeline->committer).acks == 0;
}

enum ph_err ph_pipeline_drain(
    struct ph_pipeline *pipeline, int64_t limit_ms, struct ph_error *error)
{
    int64_t end_ms = ph_clock_monotonic_ms() + limit_ms;
    int64_t delay_ms = pipeline->options.batch_delay_ms;
    pipeline->options.batch_delay_ms = 0;
    ph_committer_hurry(pipeline->committer);
    while (ph_pipeline_turn(pipeline, ph_clock_monotonic_ms()), !is_drained(pipeline)) {
        struct pollfd fd = {.fd = ph_pipeline_fd(pipeline), .events = POLLIN};
        if (ph_clock_monotonic_ms() >= end_ms) {
            break;
        }
        (void)poll(&fd, 1, DRAIN_STEP_MS);
    }
    pipeline->options.batch_delay_ms = delay_ms;
    size_t left = ph_pipeline_waiting(pipeline);
    return left == 0 ? PH_OK
                     : ph_error_set(error, PH_ERR_UNAVAILABLE,
                           "%s: stopped with %zu messages that the store did not take; they are "
                           "not acknowledged, their devices send them again",
                           pipeline->options.store, left);
}

enum ph_err ph_pipeline_reload(
    struct ph_pipeline *pipeline, const struct ph_pipeline_limits *limits, struct ph_error *error)
{
    struct ph_kinds *kinds = NULL;
    if (pipeline->reloading) {
        return ph_error_set(
            error, PH_ERR_BUSY, "kinds: the last reload is not over; reload again later");
    }
    enum ph_err err = ph_kinds_load(pipeline->options.kinds, &kinds, error);
    if (err != PH_OK) {
        return err;
    }
    ph_kinds_free(&pipeline->next_kinds);
    pipeline->next_kinds = kinds;
    pipeline->next_limits = *limits;
    pipeline->reload_ms = INT64_MIN;
    ph_backoff_reset(&pipeline->reload_backoff);
    start_reload(pipeline, INT64_MIN);
    return PH_OK;
}

bool ph_pipeline_store_up(const struct ph_pipeline *pipeline)
{
    return ph_committer_state(pipeline->committer).store_up;
}

int64_t ph_pipeline_step_ms(const struct ph_pipeline *pipeline, int64_t now_ms)
{
    int64_t step_ms = ph_committer_state(pipeline->committer).step_ms;
    return step_ms != 0 && step_ms < now_ms ? now_ms - step_ms : 0;
}

size_t ph_pipeline_waiting(const struct ph_pipeline *pipeline)
{
    return pipeline->submitted + (pipeline->filling != NULL ? pipeline->filling->count : 0);
}

int64_t ph_pipeline_lag_ms(const struct ph_pipeline *pipeline, int64_t now_ms)
{
    int64_t lag_ms = 0;
    for (size_t i = 0; i < BATCHES; i++) {
        int64_t waited_ms = pipeline->batches[i].count > 0 ? now_ms - pipeline->first_ms[i] : 0;
        lag_ms = waited_ms > lag_ms ? waited_ms : lag_ms;
    }
    return lag_ms;
}

void ph_pipeline_connected(struct ph_pipeline *pipeline, bool connected)
{
    if (connected != pipeline->connected) {
        pipeline->connected = connected;
        ph_committer_connected(pipeline->committer, connected);
    }
}

struct ph_pipeline_counts ph_pipeline_counts(const struct ph_pipeline *pipeline)
{
    struct ph_committer_state state = ph_committer_state(pipeline->committer);
    return (struct ph_pipeline_counts){
        .messages = pipeline->messages,
        .unvouched = pipeline->unvouched,
        .dropped = pipeline->dropped,
        .stored = state.counts.store.stored,
        .duplicates = state.counts.store.duplicates,
        .given_up = state.counts.store.given_up,
        .misdated = state.counts.store.misdated,
        .dead_letters = state.counts.store.dead_letters,
        .dead_letters_not_kept = state.counts.store.not_kept,
        .held_back = state.counts.held_back,
        .commits = state.counts.commits,
        .committed_ms = state.counts.committed_ms,
        .conflicts = state.counts.conflicts,
        .acks = state.counts.acks,
    };
}
