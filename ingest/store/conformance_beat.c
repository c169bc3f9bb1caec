#include "ingest/store/conformance.h"

#define US   "acme/service/ingest"
#define THEM "globex/service/ingest"

static struct ph_beat beat_at(int64_t at_ms)
{
    return (struct ph_beat){.version = "1.2.3",
        .at_ms = at_ms,
        .every_ms = 10000,
        .connected = true,
        .since_ms = at_ms - 5};
}

static void leave(struct ph_store *store, const char *writer, const struct ph_beat *beat)
{
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(ph_store_beat(store, writer, beat, NULL), PH_OK);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
}

static void assert_beat(struct ph_store *reader, const char *writer, const struct ph_beat *want)
{
    struct ph_beat have;
    struct ph_error error = {0};
    if (ph_store_last_beat(reader, writer, &have, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    assert_string_equal(have.version, want->version);
    assert_int_equal(have.at_ms, want->at_ms);
    assert_int_equal(have.every_ms, want->every_ms);
    assert_int_equal(have.connected, want->connected);
    assert_int_equal(have.since_ms, want->since_ms);
}

/* [HLT-1] The last one of each writer is there, for a reader too. */
static void beats_are_kept(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    struct ph_store *watcher = NULL;
    struct ph_beat have;
    struct ph_beat us = beat_at(NOON);
    struct ph_beat them = beat_at(NOON + 1);
    assert_int_equal(ph_store_open_watcher(scratch->store, &watcher, &scratch->error), PH_OK);
    scratch_failed(scratch, ph_store_last_beat(watcher, US, &have, &scratch->error),
        PH_ERR_NOT_FOUND, "no beat of acme/service/ingest");
    leave(store, US, &us);
    leave(store, THEM, &them);
    us.at_ms += 10000;
    us.connected = false;
    us.since_ms = NOON + 7;
    leave(store, US, &us);
    assert_beat(watcher, US, &us);
    assert_beat(watcher, THEM, &them);
    ph_store_close(&watcher);
    ph_store_close(&store);
}

/* [HLT-1] One transaction with the readings, or neither. */
static void beats_go_with_the_readings(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    struct ph_store_counts counts = {0};
    struct ph_beat first = beat_at(NOON);
    struct ph_beat second = beat_at(NOON + 10000);
    leave(store, US, &first);
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(ph_store_beat(store, US, &second, NULL), PH_OK);
    assert_int_equal(append(store, T1, 1, 1, 3, &counts), PH_OK);
    ph_store_rollback(store);
    assert_beat(store, US, &first);
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(ph_store_beat(store, US, &second, NULL), PH_OK);
    assert_int_equal(append(store, T1, 1, 1, 3, &counts), PH_OK);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_beat(store, US, &second);
    assert_ack(store, T1, 1, "3");
    ph_store_close(&store);
}

/* [HLT-4] */
static void a_watcher_writes_nothing(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    ph_store_close(&store);
    assert_int_equal(ph_store_open_watcher(scratch->store, &store, &scratch->error), PH_OK);
    scratch_failed(
        scratch, ph_store_begin(store, &scratch->error), PH_ERR_PERMISSION, "for reading only");
    ph_store_close(&store);
}

int conformance_beat(void)
{
    const struct CMUnitTest tests[] = {
        CONFORMANCE_TEST(beats_are_kept),
        CONFORMANCE_TEST(beats_go_with_the_readings),
        CONFORMANCE_TEST(a_watcher_writes_nothing),
    };
    return cmocka_run_group_tests_name(conformance_name("beat"), tests, NULL, NULL);
}
