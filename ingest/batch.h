/* PUBLISH after PUBLISH, checked and collected until they are committed together. */
#ifndef PH_INGEST_BATCH_H
#define PH_INGEST_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/provenance.h"
#include "base/error.h"
#include "config/kinds_file.h"
#include "domain/identity.h"
#include "format/ack.h"
#include "format/message.h"
#include "ingest/envelope.h"

/* Memory of one batch, beside the configured number of messages: payloads, and what they are once
 * parsed (seven times as much for the most wicked). */
#define PH_BATCH_BYTES_MAX (16U << 20)

/* One PUBLISH: readings to store, or a reason why not, or both (some readings refused). */
struct ph_batch_entry {
    struct ph_identity identity;
    bool has_identity;
    struct ph_provenance provenance;
    int64_t received_ms;
    struct ph_message *message; /* NULL: nothing of it can be stored */
    bool *refused;              /* one per reading; NULL: none is */
    bool has_range;             /* `range` is what an acknowledgement covers */
    struct ph_envelope range;   /* a question's is empty: its last is before its first */
    bool held_back;             /* set by the writer: not stored, not acknowledged */
    char *reason;               /* dead letter: why, its topic and payload; NULL: none */
    char *topic;
    void *payload;
    size_t payload_len;
    bool count_only;             /* the dead letter is counted and not kept */
    struct ph_seq_range *ranges; /* has_range: the readings that the dead letter stands for */
    size_t range_count;
};

struct ph_batch {
    struct ph_batch_entry *entries;
    size_t count;
    size_t size; /* most messages */
    size_t bytes;
    size_t written; /* set by the writer: so many of the first are committed, or held back */
};

/* What is to be checked; borrowed pointers. */
struct ph_publish {
    const char *topic;
    const void *payload;
    size_t payload_len;
    int64_t received_ms;
    const struct ph_mqtt_property *properties; /* as in ph_mqtt_event */
    size_t property_count;
    bool properties_incomplete;
};

/* Makes an empty batch for up to `size` messages, a table that a reset keeps. */
enum ph_err ph_batch_init(struct ph_batch *batch, size_t size, struct ph_error *error) PH_NODISCARD;
void ph_batch_fini(struct ph_batch *batch);
void ph_batch_reset(struct ph_batch *batch);

/* True when one more message, of any size, fits. */
bool ph_batch_has_room(const struct ph_batch *batch);

/* Makes an entry with a message, which the store cannot take whatever is done, a dead letter with
 * this reason that stands for the whole message and is kept. PH_ERR_MEMORY: the entry is as it was.
 */
enum ph_err ph_batch_condemn(struct ph_batch_entry *entry, const char *pattern, const char *reason,
    struct ph_error *error) PH_NODISCARD;

/* The entry's dead letter is to be counted and not kept; gives its payload's memory back. */
void ph_batch_count_only(struct ph_batch_entry *entry);

/* Checks topic, message and readings, and adds the result; whatever is wrong with the message
 * becomes an entry with a reason. Fails only with PH_ERR_MEMORY or PH_ERR_LIMIT (no room). */
enum ph_err ph_batch_add(struct ph_batch *batch, const char *pattern, const struct ph_kinds *kinds,
    const struct ph_publish *publish, struct ph_error *error) PH_NODISCARD;

#endif
