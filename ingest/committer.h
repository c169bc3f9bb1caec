/* A thread around a recorder: batches go in through a bounded queue, and come back empty of
 * obligations, once they are committed; acknowledgements come out through another. The thread that
 * receives never waits for the database. */
#ifndef PH_INGEST_COMMITTER_H
#define PH_INGEST_COMMITTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "ingest/recorder.h"

/* Batches that the committer holds at most: the one being written, and the next. */
#define PH_COMMITTER_BATCHES 2

struct ph_committer;

/* What happened since the start, and how things stand. */
struct ph_committer_state {
    struct ph_recorder_counts counts;
    bool store_up;
    size_t batches;  /* submitted and not committed */
    size_t acks;     /* produced, or due one day, and not yet collected */
    int64_t step_ms; /* monotonic: when the thread began what it does now; 0: it waits for work */
};

/* Opens the store (errors as from ph_recorder_new()) and starts the thread. */
enum ph_err ph_committer_start(const struct ph_recorder_options *options, struct ph_committer **out,
    struct ph_error *error) PH_NODISCARD;

/* Ends the thread; what is not committed stays uncommitted and unacknowledged, and its batches are
 * still the caller's. Waits for an attempt that is under way. */
void ph_committer_stop(struct ph_committer **committer);

/* Hands a batch over until ph_committer_collect() gives it back; false when it holds as many as it
 * may. */
bool ph_committer_submit(struct ph_committer *committer, struct ph_batch *batch);

/* True when it has nothing to write: a batch submitted now is written now. */
bool ph_committer_is_idle(struct ph_committer *committer);

/* A batch that has been committed, NULL when there is none. */
struct ph_batch *ph_committer_collect(struct ph_committer *committer);

/* Sends the acknowledgements that are ready. */
void ph_committer_acknowledge(struct ph_committer *committer, ph_ack_send *send, void *context);

/* From now on acknowledgements are due at once: for a drain. */
void ph_committer_hurry(struct ph_committer *committer);

/* Asks for other kinds and limits, effective after what has been submitted. `kinds` is borrowed:
 * when ph_committer_reloaded() returns true, *err says whether those or the old ones hold now. */
void ph_committer_reload(struct ph_committer *committer, const struct ph_kinds *kinds,
    const struct ph_store_limits *limits, int64_t ack_interval_ms);
bool ph_committer_reloaded(
    struct ph_committer *committer, enum ph_err *err, struct ph_error *error);

/* Whether the broker is connected, for the beats; one is left at once when that changes. */
void ph_committer_connected(struct ph_committer *committer, bool connected);

/* As the thread last said; never waits for it. */
struct ph_committer_state ph_committer_state(struct ph_committer *committer);

/* Readable while something is to be collected, or has changed; cleared by ph_committer_collect().
 */
int ph_committer_fd(const struct ph_committer *committer);

#endif
