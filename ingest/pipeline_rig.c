#include "ingest/pipeline_rig.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define TOPIC "ph/v1/acme/thermostat/%s/telemetry"

enum { PATIENCE_MS = 20000 };

struct ph_pipeline_options world_options(struct world *world, size_t batch_messages)
{
    return (struct ph_pipeline_options){
        .store = world->scratch->store,
        .kinds = world->scratch->kinds_file,
        .telemetry = "ph/v1/{tenant}/{kind}/{device}/telemetry",
        .limits = {.store = world->scratch->limits, .letters_per_minute = 1000},
        .batch_messages = batch_messages,
        .batch_delay_ms = 10,
        .backoff_min_ms = 20,
        .backoff_max_ms = 50,
        .send = ack_box_put,
        .context = &world->acks,
    };
}

void world_start_with(struct world *world, const struct ph_pipeline_options *options)
{
    log_capture();
    world->scratch->opened = true;
    if (ph_pipeline_new(options, &world->pipeline, &world->scratch->error) != PH_OK) {
        fail_msg("%s", world->scratch->error.message);
    }
}

void world_start(struct world *world, struct scratch *scratch, size_t batch_messages)
{
    *world = (struct world){.scratch = scratch};
    const struct ph_pipeline_options options = world_options(world, batch_messages);
    world_start_with(world, &options);
}

void world_stop(struct world *world)
{
    ph_pipeline_free(&world->pipeline);
    log_release();
}

void world_take(struct world *world, const char *device, const char *payload)
{
    char topic[128];
    (void)snprintf(topic, sizeof topic, TOPIC, device);
    const struct ph_publish publish = {.topic = topic,
        .payload = payload,
        .payload_len = strlen(payload),
        .received_ms = INT64_C(1790000000000)};
    ph_pipeline_take(world->pipeline, &publish, ph_clock_monotonic_ms());
}

void world_take_range(struct world *world, const char *device, int64_t seq, size_t count)
{
    char text[4096];
    message_text(text, sizeof text, 0xaa, seq, count);
    world_take(world, device, text);
}

static void world_turn(struct world *world)
{
    int64_t now_ms = ph_clock_monotonic_ms();
    ph_pipeline_turn(world->pipeline, now_ms);
    int64_t due_ms = ph_pipeline_due_ms(world->pipeline, now_ms);
    struct pollfd fd = {.fd = ph_pipeline_fd(world->pipeline), .events = POLLIN};
    (void)poll(&fd, 1, due_ms >= 0 && due_ms < 20 ? (int)due_ms : 20);
}

void world_drain(struct world *world)
{
    if (ph_pipeline_drain(world->pipeline, PATIENCE_MS, &world->scratch->error) != PH_OK) {
        fail_msg("%s", world->scratch->error.message);
    }
}

/* Another process holds the store. */
void world_lock(struct world *world)
{
    assert_int_equal(
        ph_db_open(world->scratch->store, PH_DB_WRITE, 1000, &world->lock, NULL), PH_OK);
    assert_int_equal(ph_db_begin(world->lock, NULL), PH_OK);
}

void world_unlock(struct world *world)
{
    ph_db_rollback(world->lock);
    ph_db_close(&world->lock);
}

int64_t world_stored(const struct world *world)
{
    return ph_pipeline_counts(world->pipeline).stored;
}

/* A turn, unless what it is for should have come long ago. */
static void turn_before(struct world *world, int64_t end_ms, const char *what)
{
    if (ph_clock_monotonic_ms() > end_ms) {
        fail_msg("never: %s", what);
    }
    world_turn(world);
}

static int64_t patience(void)
{
    return ph_clock_monotonic_ms() + PATIENCE_MS;
}

void until_acks(struct world *world, size_t count)
{
    for (int64_t end_ms = patience(); world->acks.count != count;) {
        turn_before(world, end_ms, "acknowledgements");
    }
}

void until_stored(struct world *world, int64_t count)
{
    for (int64_t end_ms = patience(); world_stored(world) != count;) {
        turn_before(world, end_ms, "stored");
    }
}

void until_up(struct world *world, bool up)
{
    for (int64_t end_ms = patience(); ph_pipeline_store_up(world->pipeline) != up;) {
        turn_before(world, end_ms, up ? "store up" : "store down");
    }
}

void until_room(struct world *world)
{
    for (int64_t end_ms = patience(); !ph_pipeline_has_room(world->pipeline);) {
        turn_before(world, end_ms, "room");
    }
}

void until_logged(struct world *world, const char *text)
{
    for (int64_t end_ms = patience(); log_count(text) == 0;) {
        turn_before(world, end_ms, text);
    }
}
