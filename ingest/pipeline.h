/* From PUBLISH to acknowledgement, without the network: messages are checked and collected in the
 * thread that calls here, and committed by another (committer.h); between them lie bounded queues.
 * One thread calls. */
#ifndef PH_INGEST_PIPELINE_H
#define PH_INGEST_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "ingest/acks.h"
#include "ingest/batch.h"
#include "ingest/store/store.h"

struct ph_pipeline;

/* What may change while it runs. */
struct ph_pipeline_limits {
    struct ph_store_limits store;
    int64_t ack_interval_ms;
    int64_t letters_per_minute;
};

struct ph_pipeline_options {
    const char *store;     /* borrowed, like all the strings here, while the pipeline lives */
    const char *kinds;     /* kinds file */
    const char *telemetry; /* topic pattern */
    struct ph_pipeline_limits limits;
    size_t batch_messages;
    int64_t batch_delay_ms;
    int64_t backoff_min_ms; /* between attempts while the store is down */
    int64_t backoff_max_ms;
    const char *writer;    /* who leaves beats in the store: our client id */
    int64_t beat_every_ms; /* 0: nobody */
    ph_ack_send *send;
    void *context; /* of send */
};

/* Since the pipeline was made. */
struct ph_pipeline_counts {
    int64_t messages;  /* taken */
    int64_t unvouched; /* messages without a certificate that vouches for them */
    int64_t dropped;   /* messages that found no room */
    int64_t stored;    /* readings, and what follows, as of the last commit */
    int64_t duplicates;
    int64_t given_up; /* readings that their device says it will never send */
    int64_t misdated;
    int64_t dead_letters;
    int64_t dead_letters_not_kept;
    int64_t held_back; /* messages neither stored nor acknowledged: their stream has too many gaps,
                          or their device too many streams */
    int64_t commits;
    int64_t committed_ms; /* the last commit, beats included; unix, 0: none */
    int64_t conflicts;
    int64_t acks;
};

/* Loads the kinds, opens the store, and starts the committer. */
enum ph_err ph_pipeline_new(const struct ph_pipeline_options *options, struct ph_pipeline **out,
    struct ph_error *error) PH_NODISCARD;

/* What has not been committed stays unacknowledged. */
void ph_pipeline_free(struct ph_pipeline **pipeline);

/* Whether one more message finds room. While the store is up there will be room soon: wait for
 * ph_pipeline_fd() rather than to drop. */
bool ph_pipeline_has_room(const struct ph_pipeline *pipeline);

/* Takes one message; what finds no room is dropped and counted, which its device makes good.
 * `now_ms` here and below is monotonic. */
void ph_pipeline_take(
    struct ph_pipeline *pipeline, const struct ph_publish *publish, int64_t now_ms);

/* Milliseconds until ph_pipeline_turn() should be called though ph_pipeline_fd() is not readable: 0
 * now, -1 not until something comes. */
int64_t ph_pipeline_due_ms(const struct ph_pipeline *pipeline, int64_t now_ms);

/* Hands on what is due, takes back what is committed, and sends the acknowledgements. */
void ph_pipeline_turn(struct ph_pipeline *pipeline, int64_t now_ms);
int ph_pipeline_fd(const struct ph_pipeline *pipeline);

/* Until everything taken is committed and acknowledged, or `limit_ms` are over: PH_ERR_UNAVAILABLE
 * says how many messages the store did not take. */
enum ph_err ph_pipeline_drain(
    struct ph_pipeline *pipeline, int64_t limit_ms, struct ph_error *error) PH_NODISCARD;

/* Reads the kinds file again, and has it and the limits hold from the next batch on: as soon as the
 * store is up and has written what the old kinds have checked; a store that is busy then is asked
 * again. What became of it is logged. An error: the file is wrong, or the store is about to take
 * the last ones (PH_ERR_BUSY); the old ones stay in force. */
enum ph_err ph_pipeline_reload(struct ph_pipeline *pipeline,
    const struct ph_pipeline_limits *limits, struct ph_error *error) PH_NODISCARD;

/* False from a failed commit to the next successful one. */
bool ph_pipeline_store_up(const struct ph_pipeline *pipeline);

/* Whether messages reach us, for the beats. */
void ph_pipeline_connected(struct ph_pipeline *pipeline, bool connected);

/* How long the committer has been at what it does now, such as one commit; 0 when it waits for
 * work. A store that hangs shows here. */
int64_t ph_pipeline_step_ms(const struct ph_pipeline *pipeline, int64_t now_ms);

/* Messages collected and not committed, and how long the oldest of them has waited. */
size_t ph_pipeline_waiting(const struct ph_pipeline *pipeline);
int64_t ph_pipeline_lag_ms(const struct ph_pipeline *pipeline, int64_t now_ms);
struct ph_pipeline_counts ph_pipeline_counts(const struct ph_pipeline *pipeline);

#endif
