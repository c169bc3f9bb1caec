/* The committing half of ingest, in one thread and without a clock of its own: batches into the
 * store, one transaction each; acknowledgements after the commit; the store's upkeep. Owns the
 * store and opens it again after an error. */
#ifndef PH_INGEST_RECORDER_H
#define PH_INGEST_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "ingest/acks.h"
#include "ingest/batch.h"
#include "ingest/store/store.h"

struct ph_recorder;

struct ph_recorder_options {
    struct ph_store_options store; /* location and kinds are borrowed while the recorder lives */
    const char *telemetry;         /* topic pattern; borrowed */
    int64_t ack_interval_ms;
    int64_t backoff_min_ms; /* between attempts while the store is down */
    int64_t backoff_max_ms;
    const char *writer;    /* of the beats; borrowed */
    int64_t beat_every_ms; /* 0: no beats */
};

/* Since the recorder was made. */
struct ph_recorder_counts {
    struct ph_store_counts store;
    int64_t held_back; /* messages neither stored nor acknowledged: their stream has too many gaps,
                          or their device too many streams, or the store refuses the letter too */
    int64_t condemned; /* messages that the store could not take, now dead letters */
    int64_t commits;   /* of messages */
    int64_t committed_ms; /* of the last transaction, beats included; unix, as was told; 0: none */
    int64_t conflicts;    /* transactions done again because somebody else wrote */
    int64_t acks;
};

/* Opens the store. A server that cannot be reached is tried again like one that went away, and so
 * is a locked store; any other error is returned. */
enum ph_err ph_recorder_new(const struct ph_recorder_options *options, struct ph_recorder **out,
    struct ph_error *error) PH_NODISCARD;
void ph_recorder_free(struct ph_recorder **recorder);

/* What the next beat is to say: the time, and whether the broker is connected. A beat is due when
 * that changes. */
void ph_recorder_tell(struct ph_recorder *recorder, int64_t unix_ms, bool connected);

/* When ph_recorder_commit() has a beat to leave, also without a batch; INT64_MAX: never. */
int64_t ph_recorder_beat_due_ms(const struct ph_recorder *recorder);

/* Commits a batch, with a beat when one is due (NULL or empty: that alone, or finds out whether the
 * store is back). On an error what is
 * beyond batch->written was neither stored nor acknowledged, and ph_recorder_retry_ms() says when
 * to try again, with the same batch. A message that the store refuses for itself becomes a dead
 * letter, and is held back when that is refused too: it must not hold up the others for ever.
 * `now_ms` here and below is monotonic. */
enum ph_err ph_recorder_commit(struct ph_recorder *recorder, struct ph_batch *batch, int64_t now_ms,
    struct ph_error *error) PH_NODISCARD;

/* False from a failed commit to the next successful one. */
bool ph_recorder_up(const struct ph_recorder *recorder);
int64_t ph_recorder_retry_ms(const struct ph_recorder *recorder);

/* Sends what is due of the acknowledgements, or all, at most `max` streams. */
void ph_recorder_acknowledge(struct ph_recorder *recorder, int64_t now_ms, bool all, size_t max,
    ph_ack_send *send, void *context);

/* When ph_recorder_acknowledge() has something to do, INT64_MAX: when more has been committed. */
int64_t ph_recorder_ack_due_ms(const struct ph_recorder *recorder);

/* One step of the store's upkeep if one is due; at once when `idle`, otherwise only now and then.
 * A wall clock that jumps ahead while the recorder lives is believed after a day. */
void ph_recorder_maintain(struct ph_recorder *recorder, int64_t now_ms, int64_t unix_ms, bool idle);

/* When an idle recorder has upkeep to do. */
int64_t ph_recorder_maintain_due_ms(const struct ph_recorder *recorder);

/* Opens the store with other kinds and limits; on an error the old ones stay in force. */
enum ph_err ph_recorder_reload(struct ph_recorder *recorder, const struct ph_kinds *kinds,
    const struct ph_store_limits *limits, int64_t ack_interval_ms,
    struct ph_error *error) PH_NODISCARD;

/* Streams that wait to be acknowledged. */
size_t ph_recorder_waiting(const struct ph_recorder *recorder);

/* Borrowed; goes on counting. */
const struct ph_recorder_counts *ph_recorder_counts(const struct ph_recorder *recorder);

#endif
