/* The conformance suite against a PostgreSQL server of its own, and what only this store can have.
 * [PGS-1] */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/postgres_testbed.h"
#include "ingest/store/conformance.h"

static struct pg_testbed testbed;

static void new_schema(struct scratch *scratch)
{
    char uri[PG_TESTBED_URI_BYTES];
    pg_testbed_schema(&testbed, uri);
    (void)snprintf(scratch->store, sizeof scratch->store, "%s", uri);
}

static void run_sql(struct scratch *scratch, const char *sql)
{
    free(pg_testbed_sql(&testbed, scratch->store, sql));
}

static void select_sql(struct scratch *scratch, const char *sql, char *out, size_t size)
{
    char *text = pg_testbed_sql(&testbed, scratch->store, sql);
    assert_true(strlen(text) < size);
    (void)snprintf(out, size, "%s", text);
    free(text);
}

/* In the store of conformance_plant(): a closed partition with six rows, an open one with two. */
#define CLOSED "reading_thermostat_p20260921T15"
static const struct conformance_fault faults[] = {
    {"UPDATE partition SET rows = 9 WHERE state = 2", "partition rows: want 6, have 9 " CLOSED},
    {"UPDATE partition SET last_time = now() WHERE state = 2", "partition times: want "},
    {"UPDATE partition SET to_ms = to_ms + 1 WHERE state = 2", "partition bounds: want "},
    {"UPDATE partition SET state = 2, rows = 2 WHERE state = 0", "partition without device index "},
    {"UPDATE partition SET name = 'x' WHERE state = 2", "partition without table x"},
    {"DELETE FROM partition WHERE state = 2", "table that is no known partition " CLOSED},
    {"ALTER TABLE reading_thermostat DETACH PARTITION \"" CLOSED "\"",
        "partition not attached " CLOSED},
    {"UPDATE reading_thermostat SET _device = 77 WHERE _seq = 3",
        "reading of another device " T1 " " S1},
    {"UPDATE reading_thermostat SET _certificate = 77 WHERE _seq = 3",
        "reading of no certificate " T1 " " S1 " 3"},
    {"UPDATE stream SET device = 77", "stream of no device stream "},
};

/* [PGS-10] */
static void letters_that_are_not_utf8(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    struct ph_store_counts counts = {0};
    struct sheet sheet;
    const struct ph_dead_letter letter = {
        .reason = "why \xc3", .topic = "a/\xff/b", .payload = "x", .payload_len = 1};
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(ph_store_bury(store, &letter, &counts, NULL), PH_OK);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    letter_rows(store, NULL, &sheet);
    assert_string_equal(sheet.text, "- - - why \\xc3 a/\\xff/b x - missing\n");
    ph_store_close(&store);
}

/* A query looks only into partitions whose times allow it. */
static void queries_leave_partitions_out(void **state)
{
    struct scratch *scratch = *state;
    struct ph_identity t1 = identity_of(T1);
    struct sheet sheet;
    struct ph_rows rows = rows_picked(&sheet, "seq");
    struct ph_store_query query = {.device = &t1, .from_ms = NOON, .to_ms = NOON + 9};
    char have[64];
    conformance_plant(scratch, true);
    run_sql(scratch, "UPDATE partition SET first_time = 'epoch', last_time = 'epoch'"
                     " WHERE state = 2");
    struct ph_store *reader = scratch_open_reader(scratch);
    assert_int_equal(ph_store_query(reader, &query, &rows, NULL), PH_OK);
    assert_string_equal(sheet.text, ""); /* believes what was said of 1 to 8 */
    ph_store_close(&reader);
    scratch->broken = true;
    select_sql(scratch, "SELECT count(*) FROM thermostat WHERE seq < 9", have, sizeof have);
    assert_string_equal(have, "6\n");
}

/* [PGS-40] [HLT-3] A schema from before beats: upgraded at open, and not by a reader. */
static void a_store_of_schema_1_is_upgraded(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    struct ph_beat beat = {.at_ms = NOON};
    char have[64];
    commit_range(store, T1, 1, 1, 3);
    ph_store_close(&store);
    run_sql(scratch, "DROP TABLE _beat; UPDATE meta SET version = 1");
    scratch_failed(scratch, ph_store_open_reader(scratch->store, &store, &scratch->error),
        PH_ERR_INPUT, "schema version: want 2, have 1: run ph-ingest once, it upgrades it");
    store = scratch_open_store(scratch);
    select_sql(scratch, "SELECT version FROM meta", have, sizeof have);
    assert_string_equal(have, "2\n");
    assert_ack(store, T1, 1, "3");
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(ph_store_beat(store, "acme/service/ingest", &beat, NULL), PH_OK);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    ph_store_close(&store);
}

static int own_tests(void)
{
    const struct CMUnitTest tests[] = {
        CONFORMANCE_TEST(a_store_of_schema_1_is_upgraded),
        CONFORMANCE_TEST(letters_that_are_not_utf8),
        CONFORMANCE_TEST(queries_leave_partitions_out),
    };
    return cmocka_run_group_tests_name("ph.store.postgres.own", tests, NULL, NULL);
}

static const struct conformance postgres = {
    .name = "postgres",
    .setup = new_schema,
    .sql = run_sql,
    .select = select_sql,
    .refuse_streams = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
                      " AS 'BEGIN RAISE EXCEPTION ''refused''; END';"
                      "CREATE TRIGGER refuse BEFORE UPDATE ON stream"
                      " FOR EACH ROW EXECUTE FUNCTION refuse()",
    .allow_streams = "DROP TRIGGER refuse ON stream; DROP FUNCTION refuse()",
    .repeat_readings = "INSERT INTO reading_thermostat SELECT * FROM reading_thermostat",
    .lose_reading = "DELETE FROM reading_thermostat WHERE _seq = 2",
    .faults = faults,
    .fault_count = sizeof faults / sizeof faults[0],
};

int main(void)
{
    if (!pg_testbed_available()) {
        return PG_TESTBED_SKIPPED;
    }
    pg_testbed_init(&testbed);
    pg_testbed_start(&testbed, "");
    int failed = conformance_run(&postgres) + own_tests();
    pg_testbed_fini(&testbed, failed != 0);
    return failed;
}
