/* Transactions, failures, more than one handle. */
#include "ingest/store/conformance.h"

#include <string.h>

/* [ING-4] */
static void rolled_back_transaction_leaves_nothing(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    commit_range(store, T1, 1, 1, 3);
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(append(store, T1, 1, 4, 3, &counts), PH_OK);
    assert_int_equal(append(store, "acme/thermostat/new", 9, 1, 3, &counts), PH_OK);
    assert_int_equal(bury(store, T1, 0, 0, &counts), PH_OK);
    ph_store_rollback(store);
    assert_ack(store, T1, 1, "3");
    assert_int_equal(totals_of(store).stored, 3);
    assert_int_equal(totals_of(store).dead_letters, 0);
    counts = commit_range(store, T1, 1, 4, 6);
    assert_int_equal(counts.stored, 3);
    counts = commit_range(store, "acme/thermostat/new", 9, 1, 3);
    assert_int_equal(counts.stored, 3);
    assert_int_equal(totals_of(store).stored, 9);
    ph_store_close(&store);
}

/* [ING-4] The failure comes when marks are written: rows and letters went before. */
static void failed_commit_leaves_nothing(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    struct ph_store_counts counts = {0};
    commit_range(store, T1, 1, 1, 3);
    conformance_subject()->sql(scratch, conformance_subject()->refuse_streams);
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    enum ph_err err = append(store, T1, 1, 4, 3, &counts);
    if (err == PH_OK) {
        err = bury(store, T1, 7, 7, &counts);
    }
    if (err == PH_OK) {
        err = ph_store_commit(store, &scratch->error);
    }
    assert_int_not_equal(err, PH_OK);
    assert_true(strlen(scratch->error.message) > 0);
    ph_error_clear(&scratch->error);
    ph_store_close(&store);
    conformance_subject()->sql(scratch, conformance_subject()->allow_streams);

    store = scratch_open_store(scratch);
    assert_ack(store, T1, 1, "3");
    assert_int_equal(totals_of(store).stored, 3);
    assert_int_equal(totals_of(store).dead_letters, 0);
    assert_int_equal(commit_range(store, T1, 1, 1, 6).stored, 3);
    ph_store_close(&store);
}

/* A store that is closed, or killed, in the middle of a transaction. */
static void close_rolls_back(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(append(store, T1, 1, 1, 3, &counts), PH_OK);
    ph_store_close(&store);
    store = scratch_open_store(*state);
    assert_int_equal(totals_of(store).stored, 0);
    assert_int_equal(commit_range(store, T1, 1, 1, 3).stored, 3);
    ph_store_close(&store);
}

/* [ING-17] A second ingest by mistake, or a hand in the database: what this one remembers is void.
 */
static void another_writer_is_noticed(void **state)
{
    struct ph_store *one = scratch_open_store(*state);
    struct ph_store *two = scratch_open_store(*state);
    commit_range(one, T1, 1, 1, 3);
    assert_int_equal(commit_range(two, T1, 1, 1, 6).stored, 3);
    struct ph_store_counts counts = commit_range(one, T1, 1, 4, 7);
    assert_int_equal(counts.stored, 1);
    assert_int_equal(counts.duplicates, 3);
    assert_ack(one, T1, 1, "7");
    assert_int_equal(commit_range(two, T1, 1, 7, 8).stored, 1);
    assert_int_equal(totals_of(one).stored, 8);
    assert_int_equal(totals_of(one).duplicates, 0);
    ph_store_close(&one);
    ph_store_close(&two);
}

/* [ING-17] Two at the same moment: the one that comes too late is told to begin again, and then
 * neither stores anything twice nor loses anything. */
static void two_writers_at_once(void **state)
{
    struct ph_store *one = scratch_open_store(*state);
    struct ph_store *two = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    commit_range(two, T1, 1, 1, 3);
    commit_range(one, T1, 1, 1, 3);
    assert_int_equal(ph_store_begin(one, NULL), PH_OK);
    assert_int_equal(append(one, T1, 1, 4, 3, &counts), PH_OK);
    enum ph_err late = ph_store_begin(two, NULL);
    if (late == PH_OK) {
        assert_int_equal(append(two, T1, 1, 5, 4, &counts), PH_OK);
    }
    assert_int_equal(ph_store_commit(one, NULL), PH_OK);
    if (late == PH_OK) {
        late = ph_store_commit(two, NULL);
    }
    assert_int_equal(late, PH_ERR_BUSY);
    counts = commit_range(two, T1, 1, 5, 8);
    assert_int_equal(counts.stored, 2);
    assert_int_equal(counts.duplicates, 2);
    assert_ack(two, T1, 1, "8");
    assert_int_equal(totals_of(one).stored, 8);
    assert_int_equal(totals_of(one).duplicates, 0);
    ph_store_close(&one);
    ph_store_close(&two);
}

/* [ING-40] [ING-44] */
static void readers_beside_a_writer(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *reader = NULL;
    struct ph_store_counts counts = {0};
    assert_int_equal(
        ph_store_open_reader(scratch->store, &reader, &scratch->error), PH_ERR_NOT_FOUND);
    ph_error_clear(&scratch->error);
    struct ph_store *store = scratch_open_store(scratch);
    commit_range(store, T1, 1, 1, 3);
    reader = scratch_open_reader(scratch);
    assert_int_equal(totals_of(reader).stored, 3);
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(append(store, T1, 1, 4, 2, &counts), PH_OK);
    assert_int_equal(totals_of(reader).stored, 3);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_int_equal(totals_of(reader).stored, 5);
    scratch_failed(scratch, ph_store_begin(reader, &scratch->error), PH_ERR_PERMISSION,
        "opened for reading only");
    ph_store_close(&reader);
    ph_store_close(&store);
}

struct slow_reader {
    struct ph_store *writer;
    int64_t next;
    int64_t seen;
};

static enum ph_err no_columns(
    void *context, const struct ph_column *columns, size_t count, struct ph_error *error)
{
    (void)context;
    (void)columns;
    (void)count;
    (void)error;
    return PH_OK;
}

static enum ph_err write_meanwhile(
    void *context, const struct ph_cell *cells, struct ph_error *error)
{
    struct slow_reader *reader = context;
    (void)cells;
    (void)error;
    reader->seen++;
    assert_int_equal(commit_range(reader->writer, T1, 1, reader->next, reader->next).stored, 1);
    reader->next++;
    for (int i = 0; i < 3; i++) { /* a store may wait for readers before it builds an index */
        bool more = false;
        assert_int_equal(ph_store_maintain(reader->writer, NOON + 40 * HOUR, &more, NULL), PH_OK);
    }
    return PH_OK;
}

/* [ING-43] [ING-44] Whoever takes rows slowly holds up neither batches nor partitions. */
static void writes_during_a_query(void **state)
{
    struct scratch *scratch = *state;
    scratch->limits.partition_ms = HOUR;
    struct ph_store *store = scratch_open_store(scratch);
    struct ph_store *reader = NULL;
    struct slow_reader slow = {.writer = store, .next = 11};
    struct ph_rows rows = {.context = &slow, .begin = no_columns, .row = write_meanwhile};
    struct ph_store_query query = {.kind = "thermostat", .to_ms = INT64_MAX};
    commit_range(store, T1, 1, 1, 10);
    reader = scratch_open_reader(scratch);
    assert_int_equal(ph_store_query(reader, &query, &rows, NULL), PH_OK);
    assert_int_equal(slow.seen, 10);
    assert_int_equal(totals_of(reader).stored, 20);
    ph_store_close(&reader);
    ph_store_close(&store);
}

int conformance_writers(void)
{
    const struct CMUnitTest tests[] = {
        CONFORMANCE_TEST(rolled_back_transaction_leaves_nothing),
        CONFORMANCE_TEST(failed_commit_leaves_nothing),
        CONFORMANCE_TEST(close_rolls_back),
        CONFORMANCE_TEST(another_writer_is_noticed),
        CONFORMANCE_TEST(two_writers_at_once),
        CONFORMANCE_TEST(readers_beside_a_writer),
        CONFORMANCE_TEST(writes_during_a_query),
    };
    return cmocka_run_group_tests_name(conformance_name("writers"), tests, NULL, NULL);
}
