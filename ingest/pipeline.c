#include "ingest/pipeline.h"

#include <stdlib.h>

#include "base/backoff.h"
#include "base/log.h"
#include "ingest/store.h"

/* Longer than for the others: a broker without the plugin vouches for no message at all. */
enum { UNVOUCHED_INTERVAL_MS = 60000 };

struct ph_pipeline {
    struct ph_pipeline_options options;
    struct ph_kinds *kinds;
    struct ph_store *store; /* NULL: closed after an error */
    struct ph_batch batch;
    struct ph_acks *acks;
    struct ph_pipeline_counts counts;
    struct ph_backoff backoff;
    struct ph_log_limit letter_limit;
    struct ph_log_limit held_limit;
    struct ph_log_limit drop_limit;
    struct ph_log_limit unvouched_limit;
    int64_t oldest_ms; /* when the first message of the batch came */
    int64_t retry_ms;
    bool down;
};

enum ph_err ph_pipeline_new(
    const struct ph_pipeline_options *options, struct ph_pipeline **out, struct ph_error *error)
{
    struct ph_pipeline *pipeline = calloc(1, sizeof *pipeline);
    if (pipeline == NULL || (pipeline->acks = ph_acks_new()) == NULL) {
        ph_pipeline_free(&pipeline);
        return ph_error_set(error, PH_ERR_MEMORY, "ingest: out of memory");
    }
    pipeline->options = *options;
    pipeline->backoff.min_ms = options->backoff_min_ms;
    pipeline->backoff.max_ms = options->backoff_max_ms;
    const struct ph_log_limit limit = {.interval_ms = 10000, .burst = 5, .tokens = 5};
    pipeline->letter_limit = pipeline->held_limit = pipeline->drop_limit = limit;
    pipeline->unvouched_limit = limit;
    pipeline->unvouched_limit.interval_ms = UNVOUCHED_INTERVAL_MS;
    enum ph_err err = ph_kinds_load(options->kinds, &pipeline->kinds, error);
    if (err == PH_OK) {
        err = ph_batch_init(&pipeline->batch, options->batch_messages, error);
    }
    if (err == PH_OK) {
        err = ph_store_open(options->store, pipeline->kinds, &pipeline->store, error);
    }
    if (err != PH_OK) {
        ph_pipeline_free(&pipeline);
        return err;
    }
    *out = pipeline;
    return PH_OK;
}

void ph_pipeline_free(struct ph_pipeline **pipeline)
{
    if (*pipeline == NULL) {
        return;
    }
    ph_store_close(&(*pipeline)->store);
    ph_batch_fini(&(*pipeline)->batch);
    ph_acks_free(&(*pipeline)->acks);
    ph_kinds_free(&(*pipeline)->kinds);
    free(*pipeline);
    *pipeline = NULL;
}

static void note_drop(struct ph_pipeline *pipeline, int64_t now_ms)
{
    int64_t suppressed = 0;
    pipeline->counts.dropped++;
    if (ph_log_limit_pass(&pipeline->drop_limit, now_ms, &suppressed)) {
        ph_log(PH_LOG_WARNING, "message dropped unacknowledged: no room until the store is back",
            PH_INT("dropped", pipeline->counts.dropped));
    }
}

static void note_letter(
    struct ph_pipeline *pipeline, const struct ph_batch_entry *entry, int64_t now_ms)
{
    int64_t suppressed = 0;
    if (entry->reason != NULL && ph_log_limit_pass(&pipeline->letter_limit, now_ms, &suppressed)) {
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
    pipeline->counts.unvouched++;
    if (ph_log_limit_pass(&pipeline->unvouched_limit, now_ms, &suppressed)) {
        ph_log(PH_LOG_WARNING, "no certificate vouches for a message: kept, and flagged",
            PH_STR("reason", ph_provenance_reason(entry->provenance.state)), PH_STR("topic", topic),
            PH_INT("suppressed", suppressed));
    }
}

void ph_pipeline_take(
    struct ph_pipeline *pipeline, const struct ph_publish *publish, int64_t now_ms)
{
    struct ph_batch *batch = &pipeline->batch;
    if (!ph_batch_has_room(batch) ||
        ph_batch_add(batch, pipeline->options.telemetry, pipeline->kinds, publish, NULL) != PH_OK) {
        note_drop(pipeline, now_ms);
        return;
    }
    pipeline->counts.messages++;
    if (batch->count == 1) {
        pipeline->oldest_ms = now_ms;
    }
    note_letter(pipeline, &batch->entries[batch->count - 1], now_ms);
    note_unvouched(pipeline, &batch->entries[batch->count - 1], publish->topic, now_ms);
}

int64_t ph_pipeline_due_ms(const struct ph_pipeline *pipeline, int64_t now_ms)
{
    if (pipeline->batch.count == 0 && !pipeline->down) {
        return -1;
    }
    int64_t at = pipeline->oldest_ms + pipeline->options.batch_delay_ms;
    if (pipeline->down) {
        at = pipeline->retry_ms;
    } else if (!ph_batch_has_room(&pipeline->batch)) {
        return 0;
    }
    return at > now_ms ? at - now_ms : 0;
}

static enum ph_err bury(struct ph_pipeline *pipeline, const struct ph_batch_entry *entry,
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
        .has_range = entry->has_range,
        .stream = entry->range.stream,
        .first = entry->letter_first,
        .last = entry->letter_last,
    };
    return ph_store_bury(pipeline->store, &letter, counts, error);
}

static enum ph_err append(struct ph_pipeline *pipeline, const struct ph_batch_entry *entry,
    struct ph_store_counts *counts, struct ph_error *error)
{
    struct ph_store_message message = {
        .identity = &entry->identity,
        .message = entry->message,
        .refused = entry->refused,
        .provenance = &entry->provenance,
        .received_ms = entry->received_ms,
    };
    return ph_store_append(pipeline->store, &message, counts, error);
}

static void note_held_back(struct ph_pipeline *pipeline, const struct ph_batch_entry *entry,
    const struct ph_error *why, int64_t now_ms)
{
    int64_t suppressed = 0;
    char device[PH_IDENTITY_BYTES];
    if (ph_log_limit_pass(&pipeline->held_limit, now_ms, &suppressed)) {
        ph_identity_print(device, sizeof device, &entry->identity);
        ph_log(PH_LOG_WARNING, "message held back: neither stored nor acknowledged",
            PH_STR("device", device), PH_INT("seq", entry->range.first),
            PH_STR("reason", why->message), PH_INT("suppressed", suppressed));
    }
}

/* The dead letter first: it counts as new only while its reading is not marked as dealt with. */
static enum ph_err write_entry(struct ph_pipeline *pipeline, struct ph_batch_entry *entry,
    struct ph_store_counts *counts, int64_t now_ms, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    entry->held_back = false;
    if (entry->reason != NULL) {
        err = bury(pipeline, entry, counts, error);
    }
    if (err == PH_OK && entry->message != NULL) {
        err = append(pipeline, entry, counts, error);
    }
    if (err == PH_ERR_LIMIT) {
        entry->held_back = true;
        note_held_back(pipeline, entry, error, now_ms);
        ph_error_clear(error);
        return PH_OK;
    }
    return err;
}

static enum ph_err write_all(struct ph_pipeline *pipeline, struct ph_store_counts *counts,
    int64_t now_ms, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    if (pipeline->store == NULL) {
        err = ph_store_open(pipeline->options.store, pipeline->kinds, &pipeline->store, error);
    }
    if (err == PH_OK) {
        err = ph_store_begin(pipeline->store, error);
    }
    if (err != PH_OK) {
        return err;
    }
    for (size_t i = 0; i < pipeline->batch.count && err == PH_OK; i++) {
        err = write_entry(pipeline, &pipeline->batch.entries[i], counts, now_ms, error);
    }
    if (err == PH_OK) {
        return ph_store_commit(pipeline->store, error);
    }
    ph_store_rollback(pipeline->store);
    return err;
}

static void store_down(
    struct ph_pipeline *pipeline, enum ph_err err, int64_t now_ms, const struct ph_error *error)
{
    if (err != PH_ERR_BUSY) {
        ph_store_close(&pipeline->store);
    }
    if (!pipeline->down) {
        ph_log_error(PH_LOG_ERROR, "store down: nothing is acknowledged until it is back", error);
    }
    pipeline->down = true;
    pipeline->retry_ms = now_ms + ph_backoff_next_ms(&pipeline->backoff);
}

static void store_up(struct ph_pipeline *pipeline)
{
    if (pipeline->down) {
        ph_log(PH_LOG_INFO, "store back", PH_INT("messages", pipeline->batch.count),
            PH_INT("dropped", pipeline->counts.dropped));
    }
    pipeline->down = false;
    ph_backoff_reset(&pipeline->backoff);
}

static void add_counts(struct ph_pipeline *pipeline, const struct ph_store_counts *counts)
{
    pipeline->counts.stored += counts->stored;
    pipeline->counts.duplicates += counts->duplicates;
    pipeline->counts.dead_letters += counts->dead_letters;
    pipeline->counts.dead_letters_not_kept += counts->not_kept;
    pipeline->counts.commits++;
}

static void acknowledge(struct ph_pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->batch.count; i++) {
        const struct ph_batch_entry *entry = &pipeline->batch.entries[i];
        if (entry->held_back) {
            pipeline->counts.held_back++;
        } else if (entry->has_range) {
            ph_acks_add(pipeline->acks, &entry->identity, entry->range.stream, entry->range.first,
                entry->range.last);
        }
    }
    pipeline->counts.acks += (int64_t)ph_acks_flush(
        pipeline->acks, pipeline->store, pipeline->options.send, pipeline->options.context);
}

enum ph_err ph_pipeline_commit(struct ph_pipeline *pipeline, int64_t now_ms, struct ph_error *error)
{
    if (pipeline->batch.count == 0 && !pipeline->down) {
        return PH_OK;
    }
    struct ph_store_counts counts = {0};
    struct ph_error local = {0};
    enum ph_err err = write_all(pipeline, &counts, now_ms, &local);
    if (err != PH_OK) {
        store_down(pipeline, err, now_ms, &local);
        return ph_error_set(error, err, "%s", local.message);
    }
    store_up(pipeline);
    add_counts(pipeline, &counts);
    acknowledge(pipeline);
    ph_batch_reset(&pipeline->batch);
    return PH_OK;
}

enum ph_err ph_pipeline_reload(struct ph_pipeline *pipeline, struct ph_error *error)
{
    if (pipeline->batch.count > 0) {
        return ph_error_set(
            error, PH_ERR_BUSY, "kinds: messages wait for the store; reload again later");
    }
    struct ph_kinds *kinds = NULL;
    struct ph_store *store = NULL;
    enum ph_err err = ph_kinds_load(pipeline->options.kinds, &kinds, error);
    if (err == PH_OK) {
        err = ph_store_open(pipeline->options.store, kinds, &store, error);
    }
    if (err != PH_OK) {
        ph_kinds_free(&kinds);
        return err;
    }
    ph_store_close(&pipeline->store);
    ph_kinds_free(&pipeline->kinds);
    pipeline->store = store;
    pipeline->kinds = kinds;
    return PH_OK;
}

bool ph_pipeline_store_up(const struct ph_pipeline *pipeline)
{
    return !pipeline->down;
}

size_t ph_pipeline_waiting(const struct ph_pipeline *pipeline)
{
    return pipeline->batch.count;
}

const struct ph_pipeline_counts *ph_pipeline_counts(const struct ph_pipeline *pipeline)
{
    return &pipeline->counts;
}
