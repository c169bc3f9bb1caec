#include "ingest/testing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/sqlite.h"
#include "base/log.h"
#include "ingest/pipeline.h"

#define TOPIC "ph/v1/acme/thermostat/%s/telemetry"

/* Acknowledgements as "device payload\n", in order. */
struct world {
    struct scratch *scratch;
    struct ph_pipeline *pipeline;
    char acks[131072];
    size_t len;
    size_t ack_count;
};

static char log_lines[8192];

static void keep_log(enum ph_log_level level, const char *line)
{
    (void)level;
    size_t len = strlen(log_lines);
    (void)snprintf(&log_lines[len], sizeof log_lines - len, "%s\n", line);
}

static void receive_ack(
    void *context, const struct ph_identity *identity, const void *payload, size_t len)
{
    struct world *world = context;
    int added = snprintf(&world->acks[world->len], sizeof world->acks - world->len, "%s %.*s\n",
        identity->device, (int)len, (const char *)payload);
    world->len += (size_t)added;
    world->ack_count++;
    assert_true(world->len < sizeof world->acks);
}

static void start(struct world *world, struct scratch *scratch, size_t batch_messages)
{
    *world = (struct world){.scratch = scratch};
    struct ph_pipeline_options options = {
        .store = world->scratch->store,
        .kinds = world->scratch->kinds_file,
        .telemetry = "ph/v1/{tenant}/{kind}/{device}/telemetry",
        .batch_messages = batch_messages,
        .batch_delay_ms = 50,
        .backoff_min_ms = 100,
        .backoff_max_ms = 200,
        .send = receive_ack,
        .context = world,
    };
    log_lines[0] = '\0';
    ph_log_sink_set(keep_log);
    if (ph_pipeline_new(&options, &world->pipeline, &world->scratch->error) != PH_OK) {
        fail_msg("%s", world->scratch->error.message);
    }
}

static void take(struct world *world, const char *device, const char *payload, int64_t now_ms)
{
    char topic[128];
    (void)snprintf(topic, sizeof topic, TOPIC, device);
    struct ph_publish publish = {.topic = topic,
        .payload = payload,
        .payload_len = strlen(payload),
        .received_ms = 1790000000000};
    ph_pipeline_take(world->pipeline, &publish, now_ms);
}

static void take_range(
    struct world *world, const char *device, int64_t seq, size_t count, int64_t now_ms)
{
    char text[4096];
    message_text(text, sizeof text, 0xaa, seq, count);
    take(world, device, text, now_ms);
}

static void forget_acks(struct world *world)
{
    world->len = 0;
    world->acks[0] = '\0';
    world->ack_count = 0;
}

static void stop(struct world *world)
{
    ph_pipeline_free(&world->pipeline);
    ph_log_sink_set(NULL);
}

/* [ING-3] [ING-12] */
static void one_acknowledgement_per_stream_after_the_commit(void **state)
{
    struct world world;
    start(&world, *state, 100);
    assert_int_equal(ph_pipeline_due_ms(world.pipeline, 1000), -1);
    take_range(&world, "t1", 1, 2, 1000);
    take_range(&world, "t1", 3, 1, 1010);
    take_range(&world, "t1", 10, 2, 1010);
    take_range(&world, "t2", 1, 1, 1020);
    assert_int_equal(ph_pipeline_due_ms(world.pipeline, 1020), 30);
    assert_int_equal(ph_pipeline_due_ms(world.pipeline, 1060), 0);
    assert_int_equal(world.ack_count, 0);
    assert_int_equal(ph_pipeline_commit(world.pipeline, 1060, NULL), PH_OK);
    assert_string_equal(world.acks,
        "t1 {\"v\":1,\"stream\":\"00000000000000aa\",\"through\":3,\"also\":[[10,11]]}\n"
        "t2 {\"v\":1,\"stream\":\"00000000000000aa\",\"through\":1}\n");
    forget_acks(&world);
    take_range(&world, "t1", 2, 1, 1100); /* a duplicate is acknowledged again */
    assert_int_equal(ph_pipeline_commit(world.pipeline, 1150, NULL), PH_OK);
    assert_string_equal(world.acks,
        "t1 {\"v\":1,\"stream\":\"00000000000000aa\",\"through\":3,\"also\":[[10,11]]}\n");
    const struct ph_pipeline_counts *counts = ph_pipeline_counts(world.pipeline);
    assert_int_equal(counts->messages, 5);
    assert_int_equal(counts->stored, 6);
    assert_int_equal(counts->duplicates, 1);
    assert_int_equal(counts->commits, 2);
    assert_int_equal(counts->acks, 3);
    stop(&world);
}

/* [ING-5] */
static void full_batch_is_due_at_once(void **state)
{
    struct world world;
    start(&world, *state, 2);
    take_range(&world, "t1", 1, 1, 0);
    assert_int_equal(ph_pipeline_due_ms(world.pipeline, 0), 50);
    take_range(&world, "t1", 2, 1, 0);
    assert_int_equal(ph_pipeline_due_ms(world.pipeline, 0), 0);
    take_range(&world, "t1", 3, 1, 0);
    assert_int_equal(ph_pipeline_counts(world.pipeline)->dropped, 1);
    assert_int_equal(ph_pipeline_commit(world.pipeline, 0, NULL), PH_OK);
    assert_non_null(strstr(world.acks, "\"through\":2}"));
    stop(&world);
}

/* [ING-20] [ING-21] [ING-22] [ING-23] */
static void dead_letters(void **state)
{
    struct world world;
    start(&world, *state, 100);
    take(&world, "t1", "garbage", 0);
    take(&world, "t2",
        "{\"v\":1,\"stream\":\"00000000000000aa\",\"seq\":1,\"readings\":["
        "{\"t\":1,\"temperature_c\":20},{\"t\":2,\"temperature_c\":900},"
        "{\"t\":3,\"temperature_c\":21}]}",
        0);
    take(&world, "t3",
        "{\"v\":1,\"stream\":\"00000000000000aa\",\"seq\":1,\"bogus\":1,\"readings\":[{},{}]}", 0);
    assert_int_equal(ph_pipeline_commit(world.pipeline, 0, NULL), PH_OK);
    assert_string_equal(world.acks, "t2 {\"v\":1,\"stream\":\"00000000000000aa\",\"through\":3}\n"
                                    "t3 {\"v\":1,\"stream\":\"00000000000000aa\",\"through\":2}\n");
    assert_int_equal(ph_pipeline_counts(world.pipeline)->stored, 2);
    assert_int_equal(ph_pipeline_counts(world.pipeline)->dead_letters, 3);
    assert_int_equal(ph_pipeline_counts(world.pipeline)->duplicates, 0);
    assert_non_null(strstr(log_lines, "dead letter"));
    stop(&world);
}

/* [ING-4] [ING-6] */
static void locked_store_keeps_everything(void **state)
{
    struct world world;
    struct scratch *scratch = *state;
    struct ph_db *other = NULL;
    start(&world, *state, 2);
    assert_int_equal(ph_db_open(scratch->store, PH_DB_WRITE, 0, &other, NULL), PH_OK);
    assert_int_equal(ph_db_begin(other, NULL), PH_OK);
    take_range(&world, "t1", 1, 1, 0);
    scratch_failed(scratch, ph_pipeline_commit(world.pipeline, 0, &scratch->error), PH_ERR_BUSY,
        "database is locked");
    assert_false(ph_pipeline_store_up(world.pipeline));
    assert_in_range(ph_pipeline_due_ms(world.pipeline, 0), 1, 200);
    take_range(&world, "t1", 2, 1, 0);
    take_range(&world, "t1", 3, 1, 0); /* no room: dropped, not acknowledged */
    assert_int_not_equal(ph_pipeline_commit(world.pipeline, 300, NULL), PH_OK);
    assert_int_equal(world.ack_count, 0);
    ph_db_rollback(other);
    ph_db_close(&other);
    assert_int_equal(ph_pipeline_commit(world.pipeline, 600, NULL), PH_OK);
    assert_true(ph_pipeline_store_up(world.pipeline));
    assert_non_null(strstr(world.acks, "\"through\":2}"));
    const char *down = strstr(log_lines, "store down");
    assert_non_null(down);
    assert_null(strstr(down + 1, "store down")); /* one line per change of state */
    assert_non_null(strstr(log_lines, "store back"));
    assert_int_equal(ph_pipeline_counts(world.pipeline)->dropped, 1);
    stop(&world);
}

/* [ING-6] */
static void deleted_store_is_opened_anew(void **state)
{
    struct world world;
    struct scratch *scratch = *state;
    start(&world, *state, 10);
    take_range(&world, "t1", 1, 1, 0);
    assert_int_equal(ph_pipeline_commit(world.pipeline, 0, NULL), PH_OK);
    forget_acks(&world);
    char path[128];
    assert_int_equal(unlink(scratch->store), 0);
    (void)snprintf(path, sizeof path, "%s-wal", scratch->store);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof path, "%s-shm", scratch->store);
    assert_int_equal(unlink(path), 0);
    take_range(&world, "t1", 2, 1, 0);
    scratch_failed(scratch, ph_pipeline_commit(world.pipeline, 0, &scratch->error), PH_ERR_IO,
        "moved or deleted");
    assert_int_equal(world.ack_count, 0);
    assert_int_equal(ph_pipeline_commit(world.pipeline, 300, &scratch->error), PH_OK);
    assert_non_null(strstr(world.acks, "\"through\":0,\"also\":[[2,2]]"));
    stop(&world);
}

/* [KND-1] [KND-7] */
static void reload(void **state)
{
    struct world world;
    struct scratch *scratch = *state;
    start(&world, *state, 10);
    take_range(&world, "t1", 1, 1, 0);
    scratch_failed(scratch, ph_pipeline_reload(world.pipeline, &scratch->error), PH_ERR_BUSY,
        "messages wait for the store");
    assert_int_equal(ph_pipeline_commit(world.pipeline, 0, NULL), PH_OK);
    scratch_write(scratch->kinds_file, "kinds:\n  - name: thermostat\n    fields: []\n");
    assert_int_not_equal(ph_pipeline_reload(world.pipeline, &scratch->error), PH_OK);
    assert_non_null(strstr(scratch->error.message, "kinds.yaml"));
    take_range(&world, "t1", 2, 1, 0);
    assert_int_equal(ph_pipeline_commit(world.pipeline, 0, NULL), PH_OK);
    assert_int_equal(ph_pipeline_counts(world.pipeline)->stored, 2); /* the old kinds hold */
    scratch_write(scratch->kinds_file,
        "kinds:\n  - name: thermostat\n    fields: [{name: extra, type: integer}]\n");
    assert_int_equal(ph_pipeline_reload(world.pipeline, NULL), PH_OK);
    take(&world, "t1",
        "{\"v\":1,\"stream\":\"00000000000000aa\",\"seq\":3,\"readings\":[{\"t\":1,\"extra\":7}]}",
        0);
    assert_int_equal(ph_pipeline_commit(world.pipeline, 0, NULL), PH_OK);
    assert_int_equal(ph_pipeline_counts(world.pipeline)->stored, 3);
    assert_int_equal(ph_pipeline_counts(world.pipeline)->dead_letters, 0);
    stop(&world);
}

/* [ING-13] A message of a stream with too many gaps is neither stored nor acknowledged. */
static void held_back(void **state)
{
    enum { MESSAGES = 4200 };
    struct world world;
    start(&world, *state, MESSAGES);
    take_range(&world, "t2", 1, 1, 0);
    for (int64_t i = 0; i < MESSAGES - 1; i++) {
        take_range(&world, "t1", 3 + 2 * i, 1, 1);
    }
    assert_int_equal(ph_pipeline_counts(world.pipeline)->dropped, 0);
    assert_int_equal(ph_pipeline_commit(world.pipeline, 0, NULL), PH_OK);
    assert_int_equal(ph_pipeline_counts(world.pipeline)->stored, 4097);
    assert_int_equal(ph_pipeline_counts(world.pipeline)->held_back, MESSAGES - 4097);
    assert_non_null(strstr(log_lines, "message held back: neither stored nor acknowledged\" "));
    assert_non_null(strstr(log_lines, "device=acme/thermostat/t1 "));
    assert_non_null(strstr(log_lines, "stream: gaps: want at most 4096"));
    stop(&world);
}

/* A message of one reading with these user properties. */
static void take_with(struct world *world, const char *topic, int64_t seq,
    const struct ph_mqtt_property *properties, size_t count)
{
    char text[512];
    message_text(text, sizeof text, 0xaa, seq, 1);
    struct ph_publish publish = {.topic = topic,
        .payload = text,
        .payload_len = strlen(text),
        .received_ms = 1790000000000,
        .properties = properties,
        .property_count = count};
    ph_pipeline_take(world->pipeline, &publish, seq);
}

static struct ph_store_totals totals_of(const char *path)
{
    struct ph_store *store = NULL;
    struct ph_store_totals totals = {0};
    assert_int_equal(ph_store_open_reader(path, &store, NULL), PH_OK);
    assert_int_equal(ph_store_stats(store, NULL, &totals, NULL), PH_OK);
    ph_store_close(&store);
    return totals;
}

static size_t times_in_log(const char *text)
{
    size_t times = 0;
    for (const char *at = log_lines; (at = strstr(at, text)) != NULL; at++) {
        times++;
    }
    return times;
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
    struct scratch *scratch = *state;
    start(&world, *state, 100);
    take_with(&world, t1, 1, pair, 2);
    assert_int_equal(times_in_log("no certificate vouches"), 0);
    take_with(&world, t1, 2, pair, 3);
    take_with(&world, t1, 3, pair, 1);
    take_with(&world, "ph/v1/acme/thermostat/t2/telemetry", 1, pair, 2);
    for (int64_t seq = 4; seq < 24; seq++) {
        take_with(&world, t1, seq, NULL, 0);
    }
    take_with(&world, "elsewhere", 1, pair, 2);
    assert_int_equal(ph_pipeline_commit(world.pipeline, 30, NULL), PH_OK);
    assert_non_null(
        strstr(world.acks, "t1 {\"v\":1,\"stream\":\"00000000000000aa\",\"through\":23}"));
    assert_int_equal(ph_pipeline_counts(world.pipeline)->unvouched, 24);
    assert_int_equal(times_in_log("no certificate vouches"), 5);
    assert_non_null(strstr(log_lines, "reason=repeated topic=ph/v1/acme/thermostat/t1/telemetry"));
    assert_non_null(strstr(log_lines, "reason=other-identity topic=ph/v1/acme/thermostat/t2/"));
    stop(&world);
    struct ph_store_totals totals = totals_of(scratch->store);
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
        TEST(one_acknowledgement_per_stream_after_the_commit),
        TEST(full_batch_is_due_at_once),
        TEST(dead_letters),
        TEST(locked_store_keeps_everything),
        TEST(deleted_store_is_opened_anew),
        TEST(reload),
        TEST(held_back),
        TEST(unvouched_readings_are_not_lost),
        TEST(does_not_start_without_kinds_or_store),
    };
    return cmocka_run_group_tests_name("ph.ingest.pipeline", tests, NULL, NULL);
}
