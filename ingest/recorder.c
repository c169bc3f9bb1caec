#include "ingest/recorder.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/backoff.h"
#include "base/beat.h"
#include "base/log.h"
#include "ingest/steady.h"

enum {
    ATTEMPTS_MAX = 3,             /* in a row, before a busy store counts as one that is down */
    UPKEEP_MS = 60000,            /* between two looks when there was nothing to do */
    UPKEEP_UNDER_LOAD_MS = 10000, /* between two steps while batches wait */
};

static const char held_back_text[] = "message held back: neither stored nor acknowledged";

struct ph_recorder {
    struct ph_recorder_options options;
    struct ph_store *store; /* NULL: closed after an error */
    struct ph_acks *acks;
    struct ph_recorder_counts counts;
    struct ph_backoff backoff;
    struct ph_log_limit held_limit;
    struct ph_log_limit condemned_limit;
    int64_t retry_ms;
    int64_t maintain_ms;   /* when idle */
    int64_t maintained_ms; /* the last step */
    struct ph_steady steady;
    struct ph_pulse pulse;
    bool beating; /* the transaction under way has a beat */
    bool down;
};

static void store_down(
    struct ph_recorder *recorder, enum ph_err err, int64_t now_ms, const struct ph_error *error)
{
    if (err != PH_ERR_BUSY) {
        ph_store_close(&recorder->store);
    }
    if (!recorder->down) {
        ph_log_error(PH_LOG_ERROR, "store down: nothing is acknowledged until it is back", error);
    }
    recorder->down = true;
    recorder->retry_ms = now_ms + ph_backoff_next_ms(&recorder->backoff);
}

static void store_up(struct ph_recorder *recorder)
{
    if (recorder->down) {
        ph_log(PH_LOG_INFO, "store back", PH_STR("store", recorder->options.store.location));
    }
    recorder->down = false;
    ph_backoff_reset(&recorder->backoff);
}

/* A store that was there once is not made anew: readings would be acknowledged into an empty one.
 */
static enum ph_err open_store(struct ph_recorder *recorder, struct ph_error *error)
{
    enum ph_err err = ph_store_open(&recorder->options.store, &recorder->store, error);
    recorder->options.store.existing = recorder->options.store.existing || err == PH_OK;
    return err;
}

enum ph_err ph_recorder_new(
    const struct ph_recorder_options *options, struct ph_recorder **out, struct ph_error *error)
{
    struct ph_recorder *recorder = calloc(1, sizeof *recorder);
    if (recorder == NULL || (recorder->acks = ph_acks_new(options->ack_interval_ms)) == NULL) {
        free(recorder);
        return ph_error_set(error, PH_ERR_MEMORY, "ingest: out of memory");
    }
    struct ph_error local = {0};
    recorder->options = *options;
    recorder->backoff.min_ms = options->backoff_min_ms;
    recorder->backoff.max_ms = options->backoff_max_ms;
    recorder->pulse.every_ms = options->beat_every_ms;
    const struct ph_log_limit limit = {.interval_ms = 10000, .burst = 5, .tokens = 5};
    recorder->held_limit = recorder->condemned_limit = limit;
    enum ph_err err = open_store(recorder, &local);
    if (err == PH_ERR_UNAVAILABLE || err == PH_ERR_BUSY) {
        store_down(recorder, err, 0, &local);
        recorder->retry_ms = 0;
    } else if (err != PH_OK) {
        ph_recorder_free(&recorder);
        return ph_error_set(error, err, "%s", local.message);
    }
    *out = recorder;
    return PH_OK;
}

void ph_recorder_free(struct ph_recorder **recorder)
{
    if (*recorder != NULL) {
        ph_store_close(&(*recorder)->store);
        ph_acks_free(&(*recorder)->acks);
        free(*recorder);
        *recorder = NULL;
    }
}

static enum ph_err bury(struct ph_recorder *recorder, const struct ph_batch_entry *entry,
    struct ph_store_counts *counts, struct ph_error *error)
{
    struct ph_dead_letter letter = {
        .reason = entry->reason,
        .topic = entry->topic,
        .identity = entry->has_identity ? &entry->identity : NULL,
        .payload = entry->payload,
        .payload_len = entry->payload_len,
        .provenance = &entry->provenance,
        .received_ms = entry->received_ms,
        .count_only = entry->count_only,
        .has_range = entry->range_count > 0,
        .stream = entry->range.stream,
        .ranges = entry->ranges,
        .range_count = entry->range_count,
    };
    return ph_store_bury(recorder->store, &letter, counts, error);
}

static enum ph_err append(struct ph_recorder *recorder, const struct ph_batch_entry *entry,
    struct ph_store_counts *counts, struct ph_error *error)
{
    struct ph_store_message message = {
        .identity = &entry->identity,
        .message = entry->message,
        .refused = entry->refused,
        .provenance = &entry->provenance,
        .received_ms = entry->received_ms,
    };
    return ph_store_append(recorder->store, &message, counts, error);
}

static void note(struct ph_log_limit *limit, const char *text, const struct ph_batch_entry *entry,
    const struct ph_error *why, int64_t now_ms)
{
    int64_t suppressed = 0;
    char device[PH_IDENTITY_BYTES];
    if (ph_log_limit_pass(limit, now_ms, &suppressed)) {
        ph_identity_print(device, sizeof device, &entry->identity);
        ph_log(PH_LOG_WARNING, text, PH_STR("device", device), PH_INT("seq", entry->range.first),
            PH_STR("reason", why->message), PH_INT("suppressed", suppressed));
    }
}

/* The dead letter first: it counts as new only while its reading is not marked as dealt with. */
static enum ph_err write_entry(struct ph_recorder *recorder, struct ph_batch_entry *entry,
    struct ph_store_counts *counts, int64_t now_ms, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    entry->held_back = false;
    if (entry->reason != NULL) {
        err = bury(recorder, entry, counts, error);
    }
    if (err == PH_OK && entry->message != NULL) {
        err = append(recorder, entry, counts, error);
    }
    if (err == PH_ERR_LIMIT) {
        entry->held_back = true;
        note(&recorder->held_limit, held_back_text, entry, error, now_ms);
        ph_error_clear(error);
        return PH_OK;
    }
    return err;
}

static void note_acks(struct ph_recorder *recorder, const struct ph_batch_entry *entry)
{
    if (entry->held_back) {
        recorder->counts.held_back++;
    } else if (entry->has_range) {
        ph_acks_add(recorder->acks, &entry->identity, entry->range.stream, entry->range.first,
            entry->range.last);
    }
}

/* The next `count` entries in the transaction that has begun. */
static enum ph_err fill_and_commit(struct ph_recorder *recorder, struct ph_batch *batch,
    size_t count, int64_t now_ms, struct ph_error *error)
{
    struct ph_store_counts counts = recorder->counts.store;
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < count && err == PH_OK; i++) {
        err = write_entry(recorder, &batch->entries[batch->written + i], &counts, now_ms, error);
    }
    if (err != PH_OK) {
        ph_store_rollback(recorder->store);
        return err;
    }
    err = ph_store_commit(recorder->store, error);
    if (err != PH_OK) {
        return err;
    }
    recorder->counts.store = counts;
    recorder->counts.commits += count > 0 ? 1 : 0;
    recorder->counts.committed_ms = recorder->pulse.unix_ms;
    if (recorder->beating) {
        ph_pulse_left(&recorder->pulse, now_ms);
    }
    for (; count > 0; count--) {
        note_acks(recorder, &batch->entries[batch->written++]);
    }
    return PH_OK;
}

static enum ph_err beat(struct ph_recorder *recorder, int64_t now_ms, struct ph_error *error)
{
    const struct ph_beat beat = ph_pulse_beat(&recorder->pulse);
    recorder->beating = ph_pulse_due_ms(&recorder->pulse) <= now_ms;
    return recorder->beating
               ? ph_store_beat(recorder->store, recorder->options.writer, &beat, error)
               : PH_OK;
}

/* With a beat when one is due: a store that cannot take it is down, whatever else it may take. */
static enum ph_err begin(struct ph_recorder *recorder, int64_t now_ms, struct ph_error *error)
{
    enum ph_err err = recorder->store != NULL ? PH_OK : open_store(recorder, error);
    if (err == PH_OK) {
        err = ph_store_begin(recorder->store, error);
    }
    if (err == PH_OK && (err = beat(recorder, now_ms, error)) != PH_OK) {
        ph_store_rollback(recorder->store);
    }
    return err;
}

/* Whether the fault may lie in what was to be written, and not in the store. */
static bool may_be_the_message(enum ph_err err)
{
    return err == PH_ERR_INPUT || err == PH_ERR_EXISTS || err == PH_ERR_CONFIG;
}

/* The next `count` entries in one transaction; one that met another writer is done again, but not
 * one that could not begin: that is a lock. *refused: by a store that is well. */
static enum ph_err write_some(struct ph_recorder *recorder, struct ph_batch *batch, size_t count,
    int64_t now_ms, bool *refused, struct ph_error *error)
{
    enum ph_err err = PH_ERR_BUSY;
    bool begun = true;
    for (int i = 0; i < ATTEMPTS_MAX && begun && err == PH_ERR_BUSY; i++) {
        ph_error_clear(error);
        recorder->counts.conflicts += i > 0 ? 1 : 0;
        err = begin(recorder, now_ms, error);
        begun = err == PH_OK;
        err = begun ? fill_and_commit(recorder, batch, count, now_ms, error) : err;
    }
    if (err != PH_OK && err != PH_ERR_BUSY) {
        ph_store_close(&recorder->store);
    }
    *refused = begun && count > 0 && may_be_the_message(err);
    return err;
}

/* The next entry, refused by the store for itself, becomes a dead letter; one whose dead letter is
 * refused too is held back. */
static enum ph_err condemn(
    struct ph_recorder *recorder, struct ph_batch *batch, int64_t now_ms, struct ph_error *error)
{
    char reason[PH_ERROR_MESSAGE_BYTES + 16];
    struct ph_batch_entry *entry = &batch->entries[batch->written];
    if (entry->message == NULL) {
        note(&recorder->held_limit, held_back_text, entry, error, now_ms);
        entry->held_back = true;
        note_acks(recorder, entry);
        batch->written++;
        return PH_OK;
    }
    (void)snprintf(reason, sizeof reason, "store: %s", error->message);
    note(&recorder->condemned_limit, "message refused by the store: dead letter", entry, error,
        now_ms);
    ph_error_clear(error);
    recorder->counts.condemned++;
    return ph_batch_condemn(entry, recorder->options.telemetry, reason, error);
}

/* In one transaction as a rule. What the store refuses is narrowed down by halves to one message;
 * what is good beside it is committed. */
static enum ph_err write_batch(
    struct ph_recorder *recorder, struct ph_batch *batch, int64_t now_ms, struct ph_error *error)
{
    size_t count = batch->count;
    enum ph_err err = PH_OK;
    do {
        bool refused = false;
        size_t left = batch->count - batch->written;
        count = count < left ? count : left;
        err = write_some(recorder, batch, count, now_ms, &refused, error);
        if (refused && count > 1) {
            count /= 2;
            err = PH_OK;
        } else if (refused) {
            err = condemn(recorder, batch, now_ms, error);
        } else {
            count *= 2;
        }
    } while (err == PH_OK && (batch->written < batch->count || recorder->store == NULL));
    return err;
}

enum ph_err ph_recorder_commit(
    struct ph_recorder *recorder, struct ph_batch *batch, int64_t now_ms, struct ph_error *error)
{
    struct ph_batch nothing = {0};
    struct ph_error local = {0};
    batch = batch != NULL ? batch : &nothing;
    if (batch->count == 0 && !recorder->down && ph_pulse_due_ms(&recorder->pulse) > now_ms) {
        return PH_OK;
    }
    enum ph_err err = write_batch(recorder, batch, now_ms, &local);
    if (err != PH_OK) {
        store_down(recorder, err, now_ms, &local);
        return ph_error_set(error, err, "%s", local.message);
    }
    store_up(recorder);
    return PH_OK;
}

void ph_recorder_tell(struct ph_recorder *recorder, int64_t unix_ms, bool connected)
{
    ph_pulse_tell(&recorder->pulse, unix_ms, connected);
}

int64_t ph_recorder_beat_due_ms(const struct ph_recorder *recorder)
{
    return ph_pulse_due_ms(&recorder->pulse);
}

bool ph_recorder_up(const struct ph_recorder *recorder)
{
    return !recorder->down;
}

int64_t ph_recorder_retry_ms(const struct ph_recorder *recorder)
{
    return recorder->retry_ms;
}

void ph_recorder_acknowledge(struct ph_recorder *recorder, int64_t now_ms, bool all, size_t max,
    ph_ack_send *send, void *context)
{
    if (recorder->store != NULL) {
        recorder->counts.acks += (int64_t)ph_acks_flush(
            recorder->acks, recorder->store, now_ms, all, max, send, context);
    }
}

int64_t ph_recorder_ack_due_ms(const struct ph_recorder *recorder)
{
    return recorder->store != NULL ? ph_acks_due_ms(recorder->acks) : INT64_MAX;
}

/* The time by which the store may drop what is old. */
static int64_t steady_ms(struct ph_recorder *recorder, int64_t now_ms, int64_t unix_ms)
{
    bool held = recorder->steady.held;
    int64_t steady_ms = ph_steady_ms(&recorder->steady, unix_ms, now_ms);
    if (recorder->steady.held && !held) {
        ph_log(PH_LOG_WARNING,
            "the clock jumped ahead: retention waits a day to see whether it stays so",
            PH_INT("seconds", (unix_ms - steady_ms) / 1000));
    }
    return steady_ms;
}

void ph_recorder_maintain(struct ph_recorder *recorder, int64_t now_ms, int64_t unix_ms, bool idle)
{
    struct ph_error error = {0};
    bool more = false;
    if (recorder->down || recorder->store == NULL || now_ms < recorder->maintain_ms ||
        (!idle && now_ms < recorder->maintained_ms + UPKEEP_UNDER_LOAD_MS)) {
        return;
    }
    enum ph_err err =
        ph_store_maintain(recorder->store, steady_ms(recorder, now_ms, unix_ms), &more, &error);
    recorder->maintained_ms = now_ms;
    recorder->maintain_ms = err == PH_OK && more ? now_ms : now_ms + UPKEEP_MS;
    if (err == PH_ERR_BUSY) {
        ph_log_error(PH_LOG_WARNING, "store's upkeep put off", &error);
    } else if (err != PH_OK) {
        store_down(recorder, err, now_ms, &error);
    }
}

int64_t ph_recorder_maintain_due_ms(const struct ph_recorder *recorder)
{
    return recorder->store != NULL ? recorder->maintain_ms : INT64_MAX;
}

enum ph_err ph_recorder_reload(struct ph_recorder *recorder, const struct ph_kinds *kinds,
    const struct ph_store_limits *limits, int64_t ack_interval_ms, struct ph_error *error)
{
    struct ph_store *store = NULL;
    struct ph_store_options options = recorder->options.store;
    options.kinds = kinds;
    options.limits = *limits;
    enum ph_err err = ph_store_open(&options, &store, error);
    if (err != PH_OK) {
        return err;
    }
    ph_store_close(&recorder->store);
    recorder->store = store;
    recorder->options.store = options;
    recorder->maintain_ms = 0;
    ph_acks_set_interval(recorder->acks, ack_interval_ms);
    return PH_OK;
}

const struct ph_recorder_counts *ph_recorder_counts(const struct ph_recorder *recorder)
{
    return &recorder->counts;
}

size_t ph_recorder_waiting(const struct ph_recorder *recorder)
{
    return ph_acks_waiting(recorder->acks);
}
