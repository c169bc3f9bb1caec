/* From PUBLISH to acknowledgement, without the network: check, collect, commit in one transaction,
 * acknowledge after the commit. Owns the store and reopens it after an error. One thread. */
#ifndef PH_INGEST_PIPELINE_H
#define PH_INGEST_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "ingest/acks.h"
#include "ingest/batch.h"

struct ph_pipeline;

struct ph_pipeline_options {
    const char *store;     /* borrowed, like all the strings here, while the pipeline lives */
    const char *kinds;     /* kinds file */
    const char *telemetry; /* topic pattern */
    size_t batch_messages;
    int64_t batch_delay_ms;
    int64_t backoff_min_ms; /* between attempts while the store is down */
    int64_t backoff_max_ms;
    ph_ack_send *send;
    void *context; /* of send */
};

/* Since the pipeline was made. */
struct ph_pipeline_counts {
    int64_t messages; /* taken */
    int64_t stored;   /* readings */
    int64_t duplicates;
    int64_t unvouched; /* messages without a certificate that vouches for them */
    int64_t dead_letters;
    int64_t dead_letters_not_kept;
    int64_t held_back; /* messages neither stored nor acknowledged: their stream has too many gaps,
                          or their device too many streams */
    int64_t dropped;   /* messages that found no room while the store was down */
    int64_t commits;
    int64_t acks;
};

/* Loads the kinds and opens the store. */
enum ph_err ph_pipeline_new(const struct ph_pipeline_options *options, struct ph_pipeline **out,
    struct ph_error *error) PH_NODISCARD;
void ph_pipeline_free(struct ph_pipeline **pipeline);

/* Takes one message; what finds no room is dropped and counted, which its device makes good. */
void ph_pipeline_take(
    struct ph_pipeline *pipeline, const struct ph_publish *publish, int64_t now_ms);

/* Milliseconds until ph_pipeline_commit() should be called: 0 now, -1 not until something comes. */
int64_t ph_pipeline_due_ms(const struct ph_pipeline *pipeline, int64_t now_ms);

/* Commits what is collected and sends the acknowledgements. On an error nothing was acknowledged,
 * everything is kept, and due_ms says when to try again. PH_OK with nothing to do. `now_ms` here
 * and above is monotonic. */
enum ph_err ph_pipeline_commit(
    struct ph_pipeline *pipeline, int64_t now_ms, struct ph_error *error) PH_NODISCARD;

/* Reads the kinds file again and extends the store. On an error the old kinds stay in force. What
 * was collected must have been committed (PH_ERR_BUSY otherwise). */
enum ph_err ph_pipeline_reload(struct ph_pipeline *pipeline, struct ph_error *error) PH_NODISCARD;

/* False from a failed commit to the next successful one. */
bool ph_pipeline_store_up(const struct ph_pipeline *pipeline);

/* Messages collected and not committed. */
size_t ph_pipeline_waiting(const struct ph_pipeline *pipeline);
const struct ph_pipeline_counts *ph_pipeline_counts(const struct ph_pipeline *pipeline);

#endif
