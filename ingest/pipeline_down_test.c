/* The pipeline while its store is down: locked by another process. */
#include "ingest/pipeline_rig.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "ingest/committer.h"

/* [ING-4] [ING-5] [ING-6] */
static void store_down_and_back(void **state)
{
    enum { ROOM = 2 * (PH_COMMITTER_BATCHES + 1) };
    struct world world;
    world_start(&world, *state, 2);
    world_lock(&world);
    world_take_range(&world, "t1", 1, 1);
    until_up(&world, false);
    for (int64_t seq = 2; seq <= 20; seq++) {
        world_take_range(&world, "t1", seq, 1);
        ph_pipeline_turn(world.pipeline, ph_clock_monotonic_ms());
    }
    size_t kept = ph_pipeline_waiting(world.pipeline);
    assert_in_range(kept, ROOM - 1, ROOM); /* the first went alone */
    assert_false(ph_pipeline_has_room(world.pipeline));
    assert_int_equal(ph_pipeline_counts(world.pipeline).dropped, 20 - kept);
    scratch_failed(world.scratch, ph_pipeline_drain(world.pipeline, 50, &world.scratch->error),
        PH_ERR_UNAVAILABLE, "messages that the store did not take");
    assert_int_equal(world.acks.count, 0);
    world_unlock(&world);
    until_up(&world, true);
    world_drain(&world);
    char want[64];
    (void)snprintf(want, sizeof want, "\"through\":%zu}\n", kept);
    assert_non_null(strstr(world.acks.text, want));
    assert_int_equal(world_stored(&world), kept);
    assert_int_equal(log_count("store down"), 1);
    assert_int_equal(log_count("store back"), 1);
    assert_in_range(log_count("message dropped unacknowledged"), 1, 5);
    world_stop(&world);
}

/* [ING-6] It is found out without any message, so that devices are told to send again. */
static void store_back_while_all_is_quiet(void **state)
{
    struct world world;
    world_start(&world, *state, 2);
    world_lock(&world);
    world_take_range(&world, "t1", 1, 1);
    until_up(&world, false);
    world_unlock(&world);
    until_up(&world, true);
    until_stored(&world, 1);
    until_acks(&world, 1);
    world_stop(&world);
}

/* Ending while the store is down waits for no more than the attempt that is under way. */
static void stop_while_the_store_is_down(void **state)
{
    struct world world;
    world_start(&world, *state, 2);
    world_lock(&world);
    for (int64_t seq = 1; seq <= 20; seq++) {
        world_take_range(&world, "t1", seq, 1);
        ph_pipeline_turn(world.pipeline, ph_clock_monotonic_ms());
    }
    int64_t begin_ms = ph_clock_monotonic_ms();
    world_stop(&world);
    assert_in_range(ph_clock_monotonic_ms() - begin_ms, 0, 5000);
    assert_int_equal(world.acks.count, 0);
    world_unlock(&world);
}

/* [ING-136] A reload that meets a locked store is not forgotten, and the old kinds go on meanwhile:
 * here the new field needs a column, which the lock refuses. */
static void reload_waits_for_the_store(void **state)
{
    struct world world;
    struct scratch *scratch = *state;
    world_start(&world, *state, 10);
    const struct ph_pipeline_limits limits = world_options(&world, 10).limits;
    world_lock(&world);
    scratch_write(scratch->kinds_file,
        "kinds:\n  - name: thermostat\n    fields: [{name: level, type: integer}]\n");
    assert_int_equal(ph_pipeline_reload(world.pipeline, &limits, &scratch->error), PH_OK);
    until_logged(&world, "kinds and limits not reloaded yet");
    assert_true(ph_pipeline_has_room(world.pipeline));
    world_take_range(&world, "t1", 1, 1);
    until_up(&world, false);
    world_unlock(&world);
    until_logged(&world, "kinds and limits reloaded");
    world_take(&world, "t1",
        "{\"v\":1,\"stream\":\"00000000000000aa\",\"seq\":2,\"readings\":[{\"t\":1,\"level\":7}]}");
    world_drain(&world);
    assert_int_equal(world_stored(&world), 2);
    assert_int_equal(ph_pipeline_counts(world.pipeline).dead_letters, 0);
    world_stop(&world);
}

/* Of this process, now. */
static size_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long size = 0;
    unsigned long resident = 0;
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
    assert_int_equal(fclose(file), 0);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* 500 readings in as few bytes as can be: seven times as large in memory. */
static void dense_message(char *text, size_t size, int64_t seq)
{
    int len = snprintf(text, size,
        "{\"v\":1,\"stream\":\"00000000000000aa\",\"seq\":%" PRId64 ",\"readings\":[{\"t\":1}",
        seq);
    for (int i = 1; i < 500; i++) {
        len += snprintf(&text[len], size - (size_t)len, ",{\"t\":1}");
    }
    len += snprintf(&text[len], size - (size_t)len, "]}");
    assert_true((size_t)len < size);
}

/* [ING-5] However much comes while the store is down, it is the batches' memory and no more. */
static void flood_of_a_locked_store(void **state)
{
    struct world world;
    char text[8192];
    world_start(&world, *state, 100000);
    world_lock(&world);
    size_t before = resident_bytes();
    size_t full = 0;
    size_t kept = 0;
    world_take_range(&world, "t1", 1, 1);
    until_up(&world, false);
    for (int64_t i = 0; i < 60000; i++) {
        if (full == 0) {
            dense_message(text, sizeof text, 1 + i * 500);
        }
        world_take(&world, i % 3 == 0 ? "t2" : "t3", i % 3 == 1 ? "garbage" : text);
        ph_pipeline_turn(world.pipeline, ph_clock_monotonic_ms());
        if (full == 0 && !ph_pipeline_has_room(world.pipeline)) {
            full = resident_bytes();
            kept = ph_pipeline_waiting(world.pipeline);
        }
    }
    assert_true(full > 0);
    assert_int_equal(ph_pipeline_waiting(world.pipeline), kept);
    assert_true(ph_pipeline_counts(world.pipeline).dropped > 40000);
    assert_true(resident_bytes() < full + (4U << 20));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    /* Twice: what the allocator adds, and the texts of dead letters. */
    assert_true(full < before + (size_t)PH_BATCH_BYTES_MAX * (PH_COMMITTER_BATCHES + 1) * 2);
#else
    (void)before;
#endif
    world_unlock(&world);
    world_drain(&world);
    world_stop(&world);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(store_down_and_back),
        TEST(store_back_while_all_is_quiet),
        TEST(stop_while_the_store_is_down),
        TEST(reload_waits_for_the_store),
        TEST(flood_of_a_locked_store),
    };
    return cmocka_run_group_tests_name("ph.ingest.pipeline_down", tests, NULL, NULL);
}
