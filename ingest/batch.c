#include "ingest/batch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "domain/route.h"
#include "domain/template.h"

enum ph_err ph_batch_init(struct ph_batch *batch, size_t size, struct ph_error *error)
{
    *batch = (struct ph_batch){.size = size, .entries = calloc(size, sizeof *batch->entries)};
    return batch->entries != NULL ? PH_OK
                                  : ph_error_set(error, PH_ERR_MEMORY, "batch: out of memory");
}

static void entry_fini(struct ph_batch_entry *entry)
{
    ph_message_free(&entry->message);
    free(entry->refused);
    free(entry->reason);
    free(entry->topic);
    free(entry->payload);
    free(entry->ranges);
    *entry = (struct ph_batch_entry){0};
}

void ph_batch_reset(struct ph_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        entry_fini(&batch->entries[i]);
    }
    batch->count = 0;
    batch->bytes = 0;
    batch->written = 0;
}

void ph_batch_fini(struct ph_batch *batch)
{
    ph_batch_reset(batch);
    free(batch->entries);
    *batch = (struct ph_batch){0};
}

bool ph_batch_has_room(const struct ph_batch *batch)
{
    return batch->count < batch->size && batch->bytes < PH_BATCH_BYTES_MAX;
}

static enum ph_err no_memory(struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_MEMORY, "batch: out of memory");
}

/* Makes the entry a dead letter; keeps what the store wants to know of it. */
static enum ph_err bury(struct ph_batch_entry *entry, const struct ph_publish *publish,
    const char *reason, struct ph_error *error)
{
    size_t len = publish->payload_len < PH_LIMIT_MESSAGE_BYTES ? publish->payload_len
                                                               : PH_LIMIT_MESSAGE_BYTES;
    entry->reason = strdup(reason);
    entry->topic = strdup(publish->topic);
    entry->payload = malloc(len + 1);
    if (entry->reason == NULL || entry->topic == NULL || entry->payload == NULL) {
        return no_memory(error);
    }
    if (len > 0) {
        memcpy(entry->payload, publish->payload, len);
    }
    entry->payload_len = len;
    return PH_OK;
}

/* The letter stands for the whole message. */
static enum ph_err cover_range(struct ph_batch_entry *entry, struct ph_error *error)
{
    if (!entry->has_range || entry->range.last < entry->range.first) {
        return PH_OK;
    }
    entry->ranges = malloc(sizeof *entry->ranges);
    if (entry->ranges == NULL) {
        return no_memory(error);
    }
    entry->ranges[0] = (struct ph_seq_range){entry->range.first, entry->range.last};
    entry->range_count = 1;
    return PH_OK;
}

static enum ph_err bury_whole(struct ph_batch_entry *entry, const struct ph_publish *publish,
    const char *reason, struct ph_error *error)
{
    ph_message_free(&entry->message);
    enum ph_err err = cover_range(entry, error);
    return err == PH_OK ? bury(entry, publish, reason, error) : err;
}

/* The letter stands for the refused readings. */
static enum ph_err cover_refused(struct ph_batch_entry *entry, size_t count, struct ph_error *error)
{
    if (!entry->has_range) {
        return PH_OK;
    }
    entry->ranges = calloc(count, sizeof *entry->ranges);
    if (entry->ranges == NULL) {
        return no_memory(error);
    }
    for (size_t i = 0; i < entry->message->reading_count; i++) {
        int64_t seq = entry->range.first + (int64_t)i;
        if (!entry->refused[i]) {
            continue;
        }
        if (i > 0 && entry->refused[i - 1]) {
            entry->ranges[entry->range_count - 1].last = seq;
        } else {
            entry->ranges[entry->range_count++] = (struct ph_seq_range){seq, seq};
        }
    }
    return PH_OK;
}

/* Which readings break their kind's rules; `why` says it of the first one. */
static enum ph_err check_readings(struct ph_batch_entry *entry, const struct ph_kind *kind,
    size_t *refused_count, size_t *first, struct ph_error *why)
{
    const struct ph_message *message = entry->message;
    for (size_t i = 0; i < message->reading_count; i++) {
        if (ph_kind_check_reading(kind, &message->readings[i], why) == PH_OK) {
            continue;
        }
        if (entry->refused == NULL) {
            entry->refused = calloc(message->reading_count, sizeof *entry->refused);
            *first = i;
        }
        if (entry->refused == NULL) {
            return PH_ERR_MEMORY;
        }
        entry->refused[i] = true;
        *refused_count += 1;
    }
    return PH_OK;
}

/* The good readings are stored; one dead letter stands for the refused ones. */
static enum ph_err bury_some(struct ph_batch_entry *entry, const struct ph_publish *publish,
    size_t count, size_t first, const struct ph_error *why, struct ph_error *error)
{
    char reason[PH_ERROR_MESSAGE_BYTES + 96];
    int more = snprintf(reason, sizeof reason, "reading %zu: %s", first + 1, why->message);
    if (count > 1 && more > 0 && (size_t)more < sizeof reason) {
        (void)snprintf(&reason[more], sizeof reason - (size_t)more,
            " (and %zu more readings of this message)", count - 1);
    }
    enum ph_err err = cover_refused(entry, count, error);
    return err == PH_OK ? bury(entry, publish, reason, error) : err;
}

static enum ph_err check_kind(struct ph_batch_entry *entry, const struct ph_kinds *kinds,
    const struct ph_publish *publish, struct ph_error *error)
{
    const struct ph_kind *kind = ph_kinds_find(kinds, entry->identity.kind);
    struct ph_error why = {0};
    size_t count = 0;
    size_t first = 0;
    if (kind == NULL) {
        return bury_whole(entry, publish, "kind: not declared in the kinds file", error);
    }
    if (entry->message->plain && !kind->plain) {
        return bury_whole(entry, publish,
            "message: no stream and seq, and the kind is not declared plain", error);
    }
    if (check_readings(entry, kind, &count, &first, &why) != PH_OK) {
        return no_memory(error);
    }
    return count > 0 ? bury_some(entry, publish, count, first, &why, error) : PH_OK;
}

static enum ph_err check_publish(struct ph_batch_entry *entry, const char *pattern,
    const struct ph_kinds *kinds, const struct ph_publish *publish, struct ph_error *error)
{
    struct ph_error why = {0};
    enum ph_err err = ph_route_parse(pattern, publish->topic, &entry->identity, &why);
    entry->has_identity = err == PH_OK;
    ph_provenance_read(publish->properties, publish->property_count, publish->properties_incomplete,
        entry->has_identity ? &entry->identity : NULL, &entry->provenance);
    if (err != PH_OK) {
        return bury_whole(entry, publish, why.message, error);
    }
    err = ph_message_parse(publish->payload, publish->payload_len, &entry->message, &why);
    if (err == PH_ERR_MEMORY) {
        return no_memory(error);
    }
    if (err != PH_OK) {
        entry->has_range = ph_envelope_peek(publish->payload, publish->payload_len, &entry->range);
        return bury_whole(entry, publish, why.message, error);
    }
    const struct ph_message *message = entry->message;
    if (!message->plain) {
        entry->has_range = true;
        entry->range.stream = message->stream;
        entry->range.first = message->seq;
        entry->range.last = message->seq + (int64_t)message->reading_count - 1;
    }
    return check_kind(entry, kinds, publish, error);
}

/* A message written out again is less than three times as long: "\b" has become "\u0008", and 1e15
 * sixteen digits. */
#define AGAIN_BYTES_MAX ((size_t)3 * PH_LIMIT_MESSAGE_BYTES)

/* The message as its device could have sent it: the payload itself was not kept. */
static enum ph_err encode_again(const struct ph_message *message, struct ph_buf *out)
{
    enum ph_err err = PH_OK;
    struct ph_message_head head = {.stream = message->stream,
        .seq = message->seq,
        .oldest = message->oldest,
        .now_ms = message->has_now ? message->now_ms : -1,
        .up_ms = message->has_up ? message->up_ms : -1};
    struct ph_buf texts[PH_LIMIT_MESSAGE_READINGS];
    const char *readings[PH_LIMIT_MESSAGE_READINGS] = {""};
    size_t count = 0;
    for (; count < message->reading_count && err == PH_OK; count++) {
        ph_buf_init(&texts[count], PH_LIMIT_MESSAGE_BYTES);
        err = ph_reading_encode(&message->readings[count], &texts[count]);
        readings[count] = texts[count].data;
    }
    if (err == PH_OK) {
        err = message->plain ? ph_buf_append_text(out, readings[0])
                             : ph_message_encode(&head, readings, count, out);
    }
    while (count > 0) {
        ph_buf_fini(&texts[--count]);
    }
    return err;
}

enum ph_err ph_batch_condemn(
    struct ph_batch_entry *entry, const char *pattern, const char *reason, struct ph_error *error)
{
    char topic[PH_LIMIT_TOPIC_BYTES + 1];
    struct ph_buf payload;
    ph_buf_init(&payload, AGAIN_BYTES_MAX);
    struct ph_batch_entry letter = {.identity = entry->identity,
        .has_identity = entry->has_identity,
        .provenance = entry->provenance,
        .received_ms = entry->received_ms,
        .has_range = entry->has_range,
        .range = entry->range};
    if (!ph_template_expand(topic, sizeof topic, pattern, &entry->identity)) {
        topic[0] = '\0';
    }
    enum ph_err err = encode_again(entry->message, &payload) == PH_OK ? PH_OK : no_memory(error);
    if (err == PH_OK) {
        const struct ph_publish publish = {
            .topic = topic, .payload = payload.data, .payload_len = payload.len};
        err = bury_whole(&letter, &publish, reason, error);
    }
    ph_buf_fini(&payload);
    if (err != PH_OK) {
        entry_fini(&letter);
        return err;
    }
    entry_fini(entry);
    *entry = letter;
    return PH_OK;
}

void ph_batch_count_only(struct ph_batch_entry *entry)
{
    entry->count_only = true;
    free(entry->payload);
    entry->payload = NULL;
    entry->payload_len = 0;
}

static size_t memory_of(const struct ph_batch_entry *entry, const struct ph_publish *publish)
{
    size_t bytes = publish->payload_len;
    size_t count = entry->message != NULL ? entry->message->reading_count : 0;
    for (size_t i = 0; i < count; i++) {
        const struct ph_reading *reading = &entry->message->readings[i];
        bytes += sizeof *reading + reading->field_count * sizeof reading->fields[0];
    }
    return bytes;
}

enum ph_err ph_batch_add(struct ph_batch *batch, const char *pattern, const struct ph_kinds *kinds,
    const struct ph_publish *publish, struct ph_error *error)
{
    if (!ph_batch_has_room(batch)) {
        return ph_error_set(error, PH_ERR_LIMIT, "batch: full");
    }
    struct ph_batch_entry *entry = &batch->entries[batch->count];
    entry->received_ms = publish->received_ms;
    enum ph_err err = check_publish(entry, pattern, kinds, publish, error);
    if (err != PH_OK) {
        entry_fini(entry);
        return err;
    }
    batch->count++;
    batch->bytes += memory_of(entry, publish);
    return PH_OK;
}
