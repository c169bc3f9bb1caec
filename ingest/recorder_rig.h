/* What the recorder's tests share: a recorder, the batch that is being filled, and the box that its
 * acknowledgements go into. Every function aborts the test on a failure that it does not return. */
#ifndef PH_INGEST_RECORDER_RIG_H
#define PH_INGEST_RECORDER_RIG_H

#include "ingest/recorder.h"
#include "ingest/testing.h"

#define PATTERN "ph/v1/{tenant}/{kind}/{device}/telemetry"
#define STREAM  "{\"v\":1,\"stream\":\"00000000000000aa\","
#define ACK     "{\"v\":1,\"stream\":\"00000000000000aa\","
#define NOW     INT64_C(1790000000000)

struct rig {
    struct scratch *scratch;
    struct ph_recorder *recorder;
    struct ph_batch batch;
    struct ack_box acks;
};

/* Without pacing; back-off of 100 to 200 ms. */
struct ph_recorder_options rig_options(const struct scratch *scratch);

/* Captures the log and opens the recorder; rig_open() alone opens another in its place. */
void rig_start(struct rig *rig, struct scratch *scratch, int64_t ack_interval_ms);
void rig_open(struct rig *rig, const struct ph_recorder_options *options);
void rig_stop(struct rig *rig);

/* Adds a message to the batch: of a kind, of kind thermostat, or `count` readings in stream 0xaa.
 */
void rig_add_to(struct rig *rig, const char *kind, const char *device, const char *payload);
void rig_add(struct rig *rig, const char *device, const char *payload);
void rig_add_range(struct rig *rig, const char *device, int64_t seq, size_t count);

/* Tries to commit the batch; the scratch holds the error. */
enum ph_err rig_try(struct rig *rig, int64_t now_ms) PH_NODISCARD;

/* Empties the box and puts into it what is due. */
void rig_acknowledge(struct rig *rig, int64_t now_ms, bool all);

/* Commits and empties the batch, and acknowledges what is due. */
void rig_commit(struct rig *rig, int64_t now_ms);

/* What the store's database (SQLite) answers, as scratch_select() gives it. */
void rig_selects(struct rig *rig, const char *sql, const char *want);

#endif
