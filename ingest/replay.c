#include "ingest/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/backoff.h"
#include "ingest/batch.h"

enum { CHUNK_LETTERS = 500, WAIT_MIN_MS = 20, WAIT_MAX_MS = 1000 };

/* A letter's copy, and what a check made of it. */
struct kept {
    struct ph_kept_letter letter; /* points to the others */
    struct ph_identity identity;
    char *reason;
    char *topic;
    struct ph_seq_range *ranges;
    void *payload;
    struct ph_batch check;
};

struct ids {
    int64_t *values;
    size_t count;
    size_t size;
};

/* What goes into one transaction: bounded by number and, like a batch, by bytes. */
struct chunk {
    struct kept letters[CHUNK_LETTERS];
    size_t count;
    size_t bytes;
};

struct job {
    const struct ph_letter_work *work;
    struct ph_letter_result *result;
    bool replay; /* or purge */
    struct ids ids;
    size_t next;
    struct chunk *chunk;
};

static enum ph_err no_memory(struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_MEMORY, "dead letters: out of memory");
}

static enum ph_err add_id(
    void *context, const struct ph_kept_letter *letter, struct ph_error *error)
{
    struct ids *ids = context;
    if (ids->count == ids->size) {
        size_t size = ids->size == 0 ? 64 : 2 * ids->size;
        int64_t *values = reallocarray(ids->values, size, sizeof *values);
        if (values == NULL) {
            return no_memory(error);
        }
        ids->values = values;
        ids->size = size;
    }
    ids->values[ids->count++] = letter->id;
    return PH_OK;
}

static void kept_fini(struct kept *kept)
{
    free(kept->reason);
    free(kept->topic);
    free(kept->ranges);
    free(kept->payload);
    ph_batch_fini(&kept->check);
    *kept = (struct kept){0};
}

static void *copy_of(const void *bytes, size_t len)
{
    void *copy = malloc(len + 1);
    if (copy != NULL && len > 0) {
        memcpy(copy, bytes, len);
    }
    return copy;
}

static enum ph_err keep(void *context, const struct ph_kept_letter *letter, struct ph_error *error)
{
    struct kept *kept = context;
    kept_fini(kept);
    kept->reason = strdup(letter->reason);
    kept->topic = strdup(letter->topic);
    kept->ranges = copy_of(letter->ranges, letter->range_count * sizeof *letter->ranges);
    kept->payload = copy_of(letter->payload, letter->payload_len);
    if (kept->reason == NULL || kept->topic == NULL || kept->ranges == NULL ||
        kept->payload == NULL) {
        return no_memory(error);
    }
    kept->letter = *letter;
    kept->letter.reason = kept->reason;
    kept->letter.topic = kept->topic;
    kept->letter.ranges = kept->ranges;
    kept->letter.payload = kept->payload;
    if (letter->identity != NULL) {
        kept->identity = *letter->identity;
        kept->letter.identity = &kept->identity;
    }
    return PH_OK;
}

/* *found is false when the letter is gone. */
static enum ph_err fetch(
    struct ph_store *reader, int64_t id, struct kept *kept, bool *found, struct ph_error *error)
{
    const struct ph_letter_filter filter = {.id = id, .from_ms = INT64_MIN, .to_ms = INT64_MAX};
    *kept = (struct kept){0};
    enum ph_err err = ph_store_letters(reader, &filter, keep, kept, error);
    *found = err == PH_OK && kept->reason != NULL;
    if (err != PH_OK) {
        kept_fini(kept);
    }
    return err;
}

static bool same_device(const struct ph_identity *a, const struct ph_identity *b)
{
    return strcmp(a->tenant, b->tenant) == 0 && strcmp(a->kind, b->kind) == 0 &&
           strcmp(a->device, b->device) == 0;
}

/* Whether a reading that the letter stands for is missing from the message or refused again. */
static const char *refused_range(
    const struct ph_batch_entry *entry, const struct ph_seq_range *range)
{
    int64_t first = entry->message->seq;
    int64_t last = first + (int64_t)entry->message->reading_count - 1;
    if (range->first < first || range->last > last || range->first > range->last) {
        return "message: does not hold the readings that the letter stands for";
    }
    for (int64_t seq = range->first; seq <= range->last && entry->refused != NULL; seq++) {
        if (entry->refused[seq - first]) {
            return entry->reason;
        }
    }
    return NULL;
}

/* Why the letter cannot be stored now, NULL when it can. Of a message that was stored in part only
 * the readings that were refused then count. */
static const char *refusal(const struct kept *kept, const struct ph_batch_entry *entry)
{
    const struct ph_kept_letter *letter = &kept->letter;
    if (entry->message == NULL) {
        return entry->reason;
    }
    if (letter->identity == NULL ? letter->has_range
                                 : !same_device(letter->identity, &entry->identity)) {
        return "topic: names another device than when the letter was kept";
    }
    if (!letter->has_range) {
        return entry->reason;
    }
    if (entry->message->plain || entry->message->stream != letter->stream) {
        return "message: is not of the stream that the letter was kept for";
    }
    const char *why = NULL;
    for (size_t i = 0; i < letter->range_count && why == NULL; i++) {
        why = refused_range(entry, &letter->ranges[i]);
    }
    return why;
}

static void note_refusal(struct ph_letter_result *result, int64_t id, const char *why)
{
    result->refused++;
    if (result->first_refused == 0) {
        result->first_refused = id;
        (void)snprintf(result->why, sizeof result->why, "%s", why);
    }
}

static int64_t readings_of(const struct kept *kept)
{
    int64_t count = 0;
    for (size_t i = 0; i < kept->letter.range_count; i++) {
        count += kept->letter.ranges[i].last - kept->letter.ranges[i].first + 1;
    }
    return kept->letter.has_range ? count : (int64_t)kept->check.entries[0].message->reading_count;
}

/* Holds the letter against the present kinds. */
static enum ph_err check(struct job *job, struct kept *kept, bool *passes, struct ph_error *error)
{
    const struct ph_publish publish = {
        .topic = kept->letter.topic,
        .payload = kept->letter.payload,
        .payload_len = kept->letter.payload_len,
        .received_ms = kept->letter.received_ms,
    };
    enum ph_err err = ph_batch_init(&kept->check, 1, error);
    if (err == PH_OK) {
        err = ph_batch_add(&kept->check, job->work->pattern, job->work->kinds, &publish, error);
    }
    if (err != PH_OK) {
        return err;
    }
    const char *why = refusal(kept, &kept->check.entries[0]);
    *passes = why == NULL;
    if (!*passes) {
        note_refusal(job->result, kept->letter.id, why);
    }
    return PH_OK;
}

static void chunk_reset(struct chunk *chunk)
{
    while (chunk->count > 0) {
        kept_fini(&chunk->letters[--chunk->count]);
    }
    chunk->bytes = 0;
}

/* Takes the next letter into the chunk, unless it is gone or refused. */
static enum ph_err take_letter(struct job *job, int64_t id, struct ph_error *error)
{
    struct chunk *chunk = job->chunk;
    struct kept *kept = &chunk->letters[chunk->count];
    bool found = false;
    bool passes = true;
    enum ph_err err = fetch(job->work->reader, id, kept, &found, error);
    if (err == PH_OK && found && job->replay) {
        err = check(job, kept, &passes, error);
    }
    job->result->gone += err == PH_OK && !found ? 1 : 0;
    if (err != PH_OK || !found || !passes) {
        kept_fini(kept);
        return err;
    }
    chunk->bytes += kept->letter.payload_len;
    chunk->count++;
    return PH_OK;
}

static enum ph_err take_chunk(struct job *job, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    while (err == PH_OK && job->next < job->ids.count && job->chunk->count < CHUNK_LETTERS &&
           job->chunk->bytes < PH_BATCH_BYTES_MAX) {
        err = take_letter(job, job->ids.values[job->next++], error);
    }
    return err;
}

static enum ph_err revive(const struct job *job, struct kept *kept, struct ph_store_counts *counts,
    struct ph_error *error)
{
    const struct ph_batch_entry *entry = &kept->check.entries[0];
    const struct ph_store_message message = {
        .identity = &entry->identity,
        .message = entry->message,
        .provenance = &kept->letter.provenance,
        .received_ms = kept->letter.received_ms,
    };
    return ph_store_revive(job->work->writer, &kept->letter, &message, counts, error);
}

/* A letter that is gone, or for which there is no room, is left out; the others go on. */
static enum ph_err write_letter(const struct job *job, struct kept *kept,
    struct ph_letter_result *result, struct ph_error *error)
{
    struct ph_error why = {0};
    struct ph_store_counts counts = {0};
    enum ph_err err = job->replay ? revive(job, kept, &counts, &why)
                                  : ph_store_discard(job->work->writer, &kept->letter, &why);
    switch (err) {
    case PH_OK:
        result->done++;
        result->readings += counts.stored;
        return PH_OK;
    case PH_ERR_NOT_FOUND:
        result->gone++;
        return PH_OK;
    case PH_ERR_LIMIT:
        note_refusal(result, kept->letter.id, why.message);
        return PH_OK;
    default:
        return ph_error_set(error, err, "%s", why.message);
    }
}

static enum ph_err write_once(
    const struct job *job, struct ph_letter_result *result, struct ph_error *error)
{
    enum ph_err err = ph_store_begin(job->work->writer, error);
    if (err != PH_OK) {
        return err;
    }
    for (size_t i = 0; i < job->chunk->count && err == PH_OK; i++) {
        err = write_letter(job, &job->chunk->letters[i], result, error);
    }
    if (err != PH_OK) {
        ph_store_rollback(job->work->writer);
        return err;
    }
    return ph_store_commit(job->work->writer, error);
}

static void wait_ms(int64_t ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&time, NULL);
}

/* One transaction, tried again while the store is busy. */
static enum ph_err write_chunk(struct job *job, struct ph_error *error)
{
    struct ph_backoff backoff = {.min_ms = WAIT_MIN_MS, .max_ms = WAIT_MAX_MS};
    int64_t left_ms = job->work->patience_ms;
    for (;;) {
        struct ph_letter_result result = *job->result;
        struct ph_error why = {0};
        enum ph_err err = write_once(job, &result, &why);
        if (err == PH_OK) {
            *job->result = result;
            return PH_OK;
        }
        if (err != PH_ERR_BUSY || left_ms <= 0) {
            return ph_error_set(error, err, "%s", why.message);
        }
        int64_t delay_ms = ph_backoff_next_ms(&backoff);
        wait_ms(delay_ms);
        left_ms -= delay_ms;
    }
}

static void count_chunk(struct job *job)
{
    for (size_t i = 0; i < job->chunk->count; i++) {
        job->result->done++;
        job->result->readings += job->replay ? readings_of(&job->chunk->letters[i]) : 0;
    }
}

static enum ph_err work_off(struct job *job, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    while (err == PH_OK && job->next < job->ids.count) {
        err = take_chunk(job, error);
        if (err == PH_OK && job->work->writer == NULL) {
            count_chunk(job);
        } else if (err == PH_OK && job->chunk->count > 0) {
            err = write_chunk(job, error);
        }
        chunk_reset(job->chunk);
    }
    return err;
}

/* The numbers first and then letter by letter: neither memory nor a reader's transaction grows with
 * what there is to do. */
static enum ph_err run(
    struct job *job, const struct ph_letter_filter *filter, struct ph_error *error)
{
    *job->result = (struct ph_letter_result){0};
    job->chunk = calloc(1, sizeof *job->chunk);
    enum ph_err err = job->chunk != NULL ? PH_OK : no_memory(error);
    if (err == PH_OK) {
        err = ph_store_letters(job->work->reader, filter, add_id, &job->ids, error);
    }
    if (err == PH_OK) {
        job->result->letters = (int64_t)job->ids.count;
        err = work_off(job, error);
    }
    free(job->ids.values);
    free(job->chunk);
    return err;
}

enum ph_err ph_letters_replay(const struct ph_letter_work *work,
    const struct ph_letter_filter *filter, struct ph_letter_result *result, struct ph_error *error)
{
    struct job job = {.work = work, .result = result, .replay = true};
    return run(&job, filter, error);
}

enum ph_err ph_letters_purge(const struct ph_letter_work *work,
    const struct ph_letter_filter *filter, struct ph_letter_result *result, struct ph_error *error)
{
    struct job job = {.work = work, .result = result};
    return run(&job, filter, error);
}
