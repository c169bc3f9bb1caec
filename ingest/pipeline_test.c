/* What crosses the two threads while the store works; what one of them does alone is in the tests
 * of recorder, batch, acks and letter_limit. */
#include "ingest/pipeline_rig.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* [ING-3] [ING-130] Acknowledged by itself, the first time at once although the interval is long;
 * the drain does not wait for the interval. */
static void stored_and_acknowledged(void **state)
{
    struct world world = {.scratch = *state};
    struct ph_pipeline_options options = world_options(&world, 100);
    options.limits.ack_interval_ms = 3600000;
    world_start_with(&world, &options);
    assert_int_equal(ph_pipeline_due_ms(world.pipeline, 0), -1);
    world_take_range(&world, "t1", 1, 2);
    assert_int_equal(ph_pipeline_waiting(world.pipeline), 1);
    assert_in_range(ph_pipeline_due_ms(world.pipeline, ph_clock_monotonic_ms()), 0, 10);
    until_acks(&world, 1);
    assert_string_equal(world.acks.text, "t1 " ACK "\"through\":2}\n");
    world_take_range(&world, "t1", 3, 1);
    world_take(&world, "t2", "garbage");
    until_stored(&world, 3);
    assert_int_equal(world.acks.count, 1);
    ack_box_empty(&world.acks);
    world_drain(&world);
    assert_string_equal(world.acks.text, "t1 " ACK "\"through\":3}\n");
    const struct ph_pipeline_counts counts = ph_pipeline_counts(world.pipeline);
    assert_int_equal(counts.messages, 3);
    assert_int_equal(counts.dead_letters, 1);
    assert_int_equal(counts.acks, 2);
    assert_int_equal(counts.dropped, 0);
    assert_int_equal(ph_pipeline_waiting(world.pipeline), 0);
    assert_int_equal(log_count("dead letter"), 1);
    world_stop(&world);
}

/* [ING-5] A full batch goes without waiting for the delay. */
static void full_batch_goes_at_once(void **state)
{
    struct world world = {.scratch = *state};
    struct ph_pipeline_options options = world_options(&world, 2);
    options.batch_delay_ms = 3600000;
    world_start_with(&world, &options);
    world_take_range(&world, "t1", 1, 1);
    assert_true(ph_pipeline_due_ms(world.pipeline, ph_clock_monotonic_ms()) > 3500000);
    world_take_range(&world, "t1", 2, 1);
    assert_int_equal(ph_pipeline_due_ms(world.pipeline, ph_clock_monotonic_ms()), 0);
    until_acks(&world, 1);
    assert_string_equal(world.acks.text, "t1 " ACK "\"through\":2}\n");
    world_take_range(&world, "t1", 3, 1);
    world_drain(&world); /* nor does a drain */
    assert_int_equal(world_stored(&world), 3);
    world_stop(&world);
}

/* [ING-5] While the store works nothing is dropped by who waits for room. */
static void backpressure_loses_nothing(void **state)
{
    enum { MESSAGES = 3000 };
    struct world world;
    world_start(&world, *state, 7);
    for (int64_t seq = 1; seq <= MESSAGES; seq++) {
        until_room(&world);
        world_take_range(&world, seq % 2 == 0 ? "t1" : "t2", (seq + 1) / 2, 1);
        if (world.acks.len > sizeof world.acks.text / 2) {
            ack_box_empty(&world.acks);
        }
    }
    world_drain(&world);
    assert_int_equal(world_stored(&world), MESSAGES);
    assert_int_equal(ph_pipeline_counts(world.pipeline).dropped, 0);
    assert_int_equal(ph_pipeline_counts(world.pipeline).duplicates, 0);
    assert_non_null(strstr(world.acks.text, "t1 " ACK "\"through\":1500}\n"));
    assert_non_null(strstr(world.acks.text, "t2 " ACK "\"through\":1500}\n"));
    world_stop(&world);
}

/* [ING-54] What the old kinds have checked is written under them, and the next under the new. */
static void reload(void **state)
{
    struct world world;
    struct scratch *scratch = *state;
    world_start(&world, *state, 10);
    struct ph_pipeline_limits limits = world_options(&world, 10).limits;
    scratch_write(scratch->kinds_file, "kinds:\n  - name: thermostat\n    fields: []\n");
    scratch_failed(scratch, ph_pipeline_reload(world.pipeline, &limits, &scratch->error),
        PH_ERR_CONFIG, "kinds.yaml");
    world_take_range(&world, "t1", 1, 1);
    scratch_write(scratch->kinds_file,
        "kinds:\n  - name: thermostat\n    fields: [{name: level, type: integer}]\n");
    limits.letters_per_minute = 1;
    assert_int_equal(ph_pipeline_reload(world.pipeline, &limits, &scratch->error), PH_OK);
    assert_false(ph_pipeline_has_room(world.pipeline));
    scratch_failed(scratch, ph_pipeline_reload(world.pipeline, &limits, &scratch->error),
        PH_ERR_BUSY, "the last reload is not over");
    until_room(&world);
    assert_int_equal(log_count("kinds and limits reloaded"), 1);
    world_take(&world, "t1",
        "{\"v\":1,\"stream\":\"00000000000000aa\",\"seq\":2,\"readings\":[{\"t\":1,\"level\":7}]}");
    world_take(&world, "t1", "garbage");
    world_take(&world, "t1", "garbage");
    world_drain(&world);
    const struct ph_pipeline_counts counts = ph_pipeline_counts(world.pipeline);
    assert_int_equal(counts.stored, 2);
    assert_int_equal(counts.dead_letters, 1);
    assert_int_equal(counts.dead_letters_not_kept, 1);
    world_stop(&world);
}

/* [ING-54] What the store will not have leaves the old kinds in force. */
static void reload_refused_by_the_store(void **state)
{
    struct world world;
    struct scratch *scratch = *state;
    world_start(&world, *state, 10);
    const struct ph_pipeline_limits limits = world_options(&world, 10).limits;
    scratch_write(scratch->kinds_file,
        "kinds:\n  - name: thermostat\n    fields: [{name: temperature_c, type: text}]\n");
    assert_int_equal(ph_pipeline_reload(world.pipeline, &limits, &scratch->error), PH_OK);
    until_room(&world);
    assert_int_equal(log_count("kinds and limits not reloaded, the old ones stay in force"), 1);
    world_take_range(&world, "t1", 1, 1);
    world_drain(&world);
    assert_int_equal(world_stored(&world), 1);
    world_stop(&world);
}

/* A message of one reading with these user properties. */
static void take_with(struct world *world, const char *topic, int64_t seq,
    const struct ph_mqtt_property *properties, size_t count)
{
    char text[512];
    message_text(text, sizeof text, 0xaa, seq, 1);
    const struct ph_publish publish = {.topic = topic,
        .payload = text,
        .payload_len = strlen(text),
        .received_ms = INT64_C(1790000000000),
        .properties = properties,
        .property_count = count};
    ph_pipeline_take(world->pipeline, &publish, seq);
}

/* [ING-62] [ING-68] Stored and acknowledged all the same; said a few times, not each time. */
static void unvouched_readings_are_not_lost(void **state)
{
    static const char t1[] = "ph/v1/acme/thermostat/t1/telemetry";
    static const struct ph_mqtt_property pair[] = {
        {"ph-identity", "devices:acme/thermostat/t1"},
        {"ph-fingerprint", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
        {"ph-identity", "devices:acme/thermostat/t1"},
    };
    struct world world;
    struct ph_store_totals totals = {0};
    world_start(&world, *state, 100);
    take_with(&world, t1, 1, pair, 2);
    assert_int_equal(log_count("no certificate vouches"), 0);
    take_with(&world, t1, 2, pair, 3);
    take_with(&world, t1, 3, pair, 1);
    take_with(&world, "ph/v1/acme/thermostat/t2/telemetry", 1, pair, 2);
    for (int64_t seq = 4; seq < 24; seq++) {
        take_with(&world, t1, seq, NULL, 0);
    }
    take_with(&world, "elsewhere", 1, pair, 2);
    world_drain(&world);
    assert_non_null(strstr(world.acks.text, "t1 " ACK "\"through\":23}"));
    assert_int_equal(ph_pipeline_counts(world.pipeline).unvouched, 24);
    assert_int_equal(log_count("no certificate vouches"), 5);
    assert_int_equal(log_count("reason=repeated topic=ph/v1/acme/thermostat/t1/telemetry"), 1);
    assert_int_equal(log_count("reason=other-identity topic=ph/v1/acme/thermostat/t2/"), 1);
    world_stop(&world);
    struct ph_store *store = scratch_open_reader(*state);
    assert_int_equal(ph_store_stats(store, NULL, &totals, NULL), PH_OK);
    ph_store_close(&store);
    assert_int_equal(totals.stored, 24);
    assert_int_equal(totals.vouched, 1);
    assert_int_equal(totals.unvouched[PH_PROVENANCE_REPEATED], 1);
    assert_int_equal(totals.unvouched[PH_PROVENANCE_OTHER], 1);
    assert_int_equal(totals.unvouched[PH_PROVENANCE_MISSING], 21);
    assert_int_equal(totals.dead_letters, 1);
}

static void does_not_start_without_kinds_or_store(void **state)
{
    struct scratch *scratch = *state;
    struct ph_pipeline *pipeline = NULL;
    struct ph_pipeline_options options = {.store = scratch->store,
        .kinds = "/nonexistent/kinds.yaml",
        .batch_messages = 1,
        .telemetry = "{tenant}/{kind}/{device}"};
    scratch_failed(scratch, ph_pipeline_new(&options, &pipeline, &scratch->error), PH_ERR_NOT_FOUND,
        "/nonexistent/kinds.yaml");
    options.kinds = scratch->kinds_file;
    options.store = "/nonexistent/readings.db";
    scratch_failed(scratch, ph_pipeline_new(&options, &pipeline, &scratch->error), PH_ERR_NOT_FOUND,
        "/nonexistent/readings.db: create database");
    assert_null(pipeline);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stored_and_acknowledged),
        TEST(full_batch_goes_at_once),
        TEST(backpressure_loses_nothing),
        TEST(reload),
        TEST(reload_refused_by_the_store),
        TEST(unvouched_readings_are_not_lost),
        TEST(does_not_start_without_kinds_or_store),
    };
    return cmocka_run_group_tests_name("ph.ingest.pipeline", tests, NULL, NULL);
}
