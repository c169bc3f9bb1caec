/* What the pipeline's tests share: a pipeline with its real thread and clock, and the box that its
 * acknowledgements go into. Every function aborts the test on failure. */
#ifndef PH_INGEST_PIPELINE_RIG_H
#define PH_INGEST_PIPELINE_RIG_H

#include "adapters/sqlite.h"
#include "ingest/pipeline.h"
#include "ingest/testing.h"

#define ACK "{\"v\":1,\"stream\":\"00000000000000aa\","

struct world {
    struct scratch *scratch;
    struct ph_pipeline *pipeline;
    struct ph_db *lock;
    struct ack_box acks;
};

/* A batch waits for 10 ms, an attempt for 20 to 50 ms; acknowledgements are not paced. */
struct ph_pipeline_options world_options(struct world *world, size_t batch_messages);

/* Captures the log and starts the pipeline: with those options, or with these. */
void world_start(struct world *world, struct scratch *scratch, size_t batch_messages);
void world_start_with(struct world *world, const struct ph_pipeline_options *options);
void world_stop(struct world *world);

/* Takes a message of a thermostat: a payload, or `count` readings in stream 0xaa. */
void world_take(struct world *world, const char *device, const char *payload);
void world_take_range(struct world *world, const char *device, int64_t seq, size_t count);
void world_drain(struct world *world);

/* Another process holds the store. */
void world_lock(struct world *world);
void world_unlock(struct world *world);

/* Readings stored so far. */
int64_t world_stored(const struct world *world);

/* Turns until so many acknowledgements have come, readings are stored, ... */
void until_acks(struct world *world, size_t count);
void until_stored(struct world *world, int64_t count);
void until_up(struct world *world, bool up);
void until_room(struct world *world);
void until_logged(struct world *world, const char *text);

#endif
