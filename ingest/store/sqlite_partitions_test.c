/* Partitions of the SQLite store, and how a store of an earlier schema gets them. What a reader of
 * any store sees of partitions is in conformance_partitions.c. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/sqlite.h"
#include "ingest/store/conformance.h"

enum { OUT_BYTES = 8192 };

/* Nothing that a test leaves behind may look wrong to the store's own check. */
static int teardown(void **state)
{
    struct scratch *scratch = *state;
    struct sheet sheet;
    struct ph_rows rows = rows_to(&sheet);
    int64_t faults = 0;
    if (scratch->opened && !scratch->broken) {
        struct ph_store *reader = scratch_open_reader(scratch);
        assert_int_equal(ph_store_check(reader, &rows, &faults, &scratch->error), PH_OK);
        if (faults != 0) {
            fail_msg("check: %s", sheet.text);
        }
        ph_store_close(&reader);
    }
    return scratch_teardown(state);
}

static void sql_is(struct scratch *scratch, const char *sql, const char *want)
{
    char have[OUT_BYTES];
    scratch_select(scratch, sql, have, sizeof have);
    assert_string_equal(have, want);
}

static struct ph_store *open_limited(
    struct scratch *scratch, int64_t partition_rows, int64_t retention_ms)
{
    scratch->limits.partition_ms = HOUR;
    scratch->limits.partition_rows = partition_rows;
    scratch->limits.retention_ms = retention_ms;
    return scratch_open_store(scratch);
}

/* One step of maintenance; whether there is more to do. */
static bool step(struct ph_store *store, int64_t now_ms)
{
    struct ph_error error = {0};
    bool more = false;
    if (ph_store_maintain(store, now_ms, &more, &error) != PH_OK) {
        fail_msg("maintain: %s", error.message);
    }
    return more;
}

#define PARTITIONS                                                                                 \
    "SELECT id, first_id, last_id, rows, state FROM partition WHERE kind='thermostat'"

/* [ING-73] */
static void full_partitions_are_closed_by_the_next_batch(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = open_limited(scratch, 10, 0);
    (void)commit_range(store, T1, 1, 1, 9);
    (void)commit_range(store, T1, 1, 10, 34);
    sql_is(scratch, PARTITIONS, "1|1|-|-|0\n");
    (void)commit_range(store, T1, 1, 35, 40);
    sql_is(scratch, PARTITIONS, "1|1|34|-|1\n3|35|-|-|0\n");
    (void)commit_range(store, T1, 1, 41, 44);
    (void)commit_range(store, T1, 1, 45, 45);
    sql_is(scratch, PARTITIONS, "1|1|34|-|1\n3|35|44|-|1\n4|45|-|-|0\n");
    sql_is(scratch, "SELECT _id, _seq FROM reading_thermostat_3 LIMIT 1", "35|35\n");
    sql_is(scratch, "SELECT count(*), count(DISTINCT seq), max(seq) FROM thermostat", "45|45|45\n");
    ph_store_close(&store);
}

/* [ING-70] Closed partitions, and only they, have the index; one step indexes one. */
static void a_step_indexes_one_partition(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = open_limited(scratch, 2, 0);
    static const char indexes[] = "SELECT name FROM sqlite_schema WHERE type = 'index'"
                                  " AND name GLOB 'reading_*' ORDER BY name";
    for (int64_t i = 0; i < 3; i++) {
        (void)commit_range(store, T1, 1, 1 + 2 * i, 2 + 2 * i);
    }
    (void)commit_range(store, T1, 1, 7, 7);
    sql_is(scratch, indexes, "");
    assert_true(step(store, NOON));
    sql_is(scratch, indexes, "reading_thermostat_1_device\n");
    assert_true(step(store, NOON));
    assert_false(step(store, NOON));
    sql_is(scratch, indexes,
        "reading_thermostat_1_device\nreading_thermostat_3_device\nreading_thermostat_4_device\n");
    sql_is(scratch, PARTITIONS, "1|1|2|2|2\n3|3|4|2|2\n4|5|6|2|2\n5|7|-|-|0\n");
    sql_is(scratch, "SELECT first_time, last_time, from_ms, to_ms FROM partition WHERE id = 3",
        "1790000000003|1790000000004|1790000000003|1790000000003\n");
    ph_store_close(&store);
}

/* [ING-70] At the full hour; what is empty stays open. */
static void time_closes_a_partition(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = open_limited(scratch, 1000, 0);
    assert_false(step(store, HOUR_0));
    (void)commit_at(store, T1, 1, 1, 2, HOUR_0 + HOUR / 2);
    assert_false(step(store, HOUR_0 + HOUR - 1));
    sql_is(scratch, PARTITIONS, "1|1|-|-|0\n");
    assert_true(step(store, HOUR_0 + HOUR));
    sql_is(scratch, PARTITIONS, "1|1|2|-|1\n3|3|-|-|0\n");
    assert_false(step(store, HOUR_0 + HOUR));
    sql_is(scratch, PARTITIONS, "1|1|2|2|2\n3|3|-|-|0\n");
    assert_false(step(store, HOUR_0 + 99 * HOUR));
    sql_is(scratch, PARTITIONS, "1|1|2|2|2\n3|3|-|-|0\n");
    sql_is(scratch, "SELECT from_ms, to_ms FROM partition WHERE id = 1",
        "1790004600000|1790006400000\n");
    ph_store_close(&store);
}

/* [ING-71] Also one that has not been indexed yet. */
static void retention_counts_what_it_drops(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = open_limited(scratch, 3, 2 * HOUR);
    (void)commit_at(store, T1, 1, 1, 3, HOUR_0);
    (void)commit_at(store, T1, 1, 4, 7, HOUR_0 + HOUR / 2);
    assert_true(step(store, HOUR_0 + HOUR));
    assert_int_equal(totals_of(store).stored, 7);
    maintain(store, HOUR_0 + 2 * HOUR - 1);
    sql_is(scratch, "SELECT * FROM dropped", "");
    assert_false(step(store, HOUR_0 + 2 * HOUR));
    sql_is(scratch, "SELECT * FROM dropped", "thermostat|3\n");
    sql_is(scratch, "SELECT group_concat(seq) FROM thermostat", "4,5,6,7\n");
    sql_is(scratch, "SELECT count(*) FROM sqlite_schema WHERE name GLOB 'reading_thermostat_1*'",
        "0\n");
    maintain(store, HOUR_0 + 9 * HOUR);
    sql_is(scratch, "SELECT * FROM dropped", "thermostat|7\n");
    sql_is(scratch, "SELECT count(*) FROM thermostat", "0\n");
    (void)commit_at(store, T1, 1, 8, 8, HOUR_0 + 10 * HOUR);
    sql_is(scratch, "SELECT latest, stored FROM stream", "8|8\n");
    sql_is(scratch, "SELECT _id FROM reading_thermostat_4", "8\n");
    ph_store_close(&store);
}

/* [ING-42] */
static void latest_is_found_in_any_partition(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = open_limited(scratch, 2, 0);
    struct sheet sheet;
    (void)commit_range(store, T1, 1, 1, 2);
    (void)commit_range(store, T2, 1, 1, 2);
    (void)commit_range(store, "acme/thermostat/t3", 1, 1, 1);
    step(store, NOON);
    latest_rows(store, NOON, "device time", &sheet);
    assert_string_equal(
        sheet.text, T1 " 1790000000002\n" T2 " 1790000000002\nacme/thermostat/t3 1790000000001\n");
    ph_store_close(&store);
}

/* [ING-74] At every point where a process can end, the next one goes on. */
static void a_restart_goes_on_in_the_middle(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store_counts counts = {0};
    struct ph_store *store = open_limited(scratch, 4, 0);
    (void)commit_range(store, T1, 1, 1, 3);
    ph_store_close(&store);
    store = scratch_open_store(scratch);
    (void)commit_range(store, T1, 1, 3, 5);
    sql_is(scratch, "SELECT group_concat(_id), group_concat(_seq) FROM reading_thermostat_1",
        "1,2,3,4,5|1,2,3,4,5\n");
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(append(store, T1, 1, 6, 30, &counts), PH_OK);
    ph_store_close(&store);
    store = scratch_open_store(scratch);
    sql_is(scratch, PARTITIONS, "1|1|-|-|0\n");
    (void)commit_range(store, T1, 1, 6, 6);
    ph_store_close(&store);
    store = scratch_open_store(scratch);
    sql_is(scratch, PARTITIONS, "1|1|5|-|1\n3|6|-|-|0\n");
    assert_false(step(store, NOON));
    ph_store_close(&store);
    store = scratch_open_store(scratch);
    assert_int_equal(commit_range(store, T1, 1, 1, 8).stored, 2);
    sql_is(scratch, "SELECT count(*), count(DISTINCT seq) FROM thermostat", "8|8\n");
    ph_store_close(&store);
}

/* [ING-4] Rows on their way are forgotten with their transaction, whichever statement failed. */
static void a_failed_row_takes_its_transaction_along(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store_counts counts = {0};
    struct ph_store *store = open_limited(scratch, 1000, 0);
    static const int64_t fails_at[] = {1, 15, 20, 21, 45};
    for (size_t i = 0; i < sizeof fails_at / sizeof fails_at[0]; i++) {
        char sql[256];
        (void)snprintf(sql, sizeof sql,
            "CREATE TRIGGER refuse BEFORE INSERT ON reading_thermostat_1 WHEN NEW._seq = %" PRId64
            " BEGIN SELECT RAISE(ABORT, 'refused by a test'); END",
            fails_at[i]);
        scratch_sql(scratch, sql);
        assert_int_equal(ph_store_begin(store, NULL), PH_OK);
        enum ph_err err = append(store, T1, 1, 1, 45, &counts);
        if (err == PH_OK) {
            err = ph_store_commit(store, &scratch->error);
            scratch_failed(scratch, err, PH_ERR_EXISTS, "refused by a test");
        } else {
            ph_store_rollback(store);
        }
        assert_int_not_equal(err, PH_OK);
        sql_is(scratch, "SELECT count(*) FROM thermostat", "0\n");
        sql_is(scratch, "SELECT count(*) FROM stream", "0\n");
        scratch_sql(scratch, "DROP TRIGGER refuse");
    }
    assert_int_equal(commit_range(store, T1, 1, 1, 45).stored, 45);
    sql_is(scratch, "SELECT count(*), sum(_id = _seq) FROM reading_thermostat_1", "45|45\n");
    ph_store_close(&store);
}

/* [ING-73] Values keep to their rows, however rows of two kinds are written together. */
static void every_value_arrives_in_its_row(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store_counts counts = {0};
    struct ph_store *store = open_limited(scratch, 1000, 0);
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    for (int i = 1; i <= 47; i++) {
        char text[256];
        (void)snprintf(text, sizeof text,
            "{\"v\":1,\"stream\":\"" S1 "\",\"seq\":%d,\"readings\":[{\"t\":%" PRId64 ",%s%d}]}", i,
            NOON + i,
            i % 3 == 0 ? "\"hvac\":\"idle\",\"temperature_c\":" : "\"temperature_c\":", i);
        assert_int_equal(append_text(store, T1, text, NULL, NOON, &counts), PH_OK);
        (void)snprintf(text, sizeof text,
            "{\"t\":%" PRId64 ",\"label\":\"number %d\",\"pressed\":%s}", NOON + i, i,
            i % 2 == 0 ? "true" : "false");
        assert_int_equal(append_text(store, "acme/doorbell/b1", text, NULL, NOON, &counts), PH_OK);
    }
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    sql_is(scratch,
        "SELECT count(*), sum(seq = temperature_c), sum(hvac IS iif(seq % 3 = 0, 'idle', NULL))"
        " FROM thermostat",
        "47|47|47\n");
    sql_is(scratch,
        "SELECT count(*), sum(label = 'number ' || _id), sum(pressed = (_id % 2 = 0)), max(_seq)"
        " FROM reading_doorbell_2",
        "47|47|47|-\n");
    ph_store_close(&store);
}

/* [ING-17] A second ingest has closed the partition: no row goes into it any more. */
static void another_writers_partitions_are_noticed(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = open_limited(scratch, 1000, 0);
    struct ph_store *other = scratch_open_store(scratch);
    (void)commit_at(store, T1, 1, 1, 2, HOUR_0);
    assert_true(step(other, HOUR_0 + HOUR));
    (void)commit_at(store, T1, 1, 3, 3, HOUR_0 + HOUR);
    (void)commit_at(other, T1, 1, 3, 4, HOUR_0 + HOUR);
    sql_is(scratch, PARTITIONS, "1|1|2|-|1\n3|3|-|-|0\n");
    sql_is(scratch, "SELECT group_concat(_seq) FROM reading_thermostat_3", "3,4\n");
    maintain(store, HOUR_0 + 2 * HOUR);
    sql_is(scratch, PARTITIONS, "1|1|2|2|2\n3|3|4|2|2\n4|5|-|-|0\n");
    ph_store_close(&other);
    ph_store_close(&store);
}

/* [ING-72] It would be PH_ERR_BUSY if it asked the database anything. */
static void nothing_to_do_asks_nothing(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = open_limited(scratch, 3, 5 * HOUR);
    struct ph_db *other = NULL;
    bool more = true;
    (void)commit_at(store, T1, 1, 1, 2, HOUR_0);
    maintain(store, HOUR_0);
    assert_int_equal(ph_db_open(scratch->store, PH_DB_WRITE, 0, &other, NULL), PH_OK);
    assert_int_equal(ph_db_begin(other, NULL), PH_OK);
    assert_int_equal(ph_store_maintain(store, HOUR_0 + HOUR - 1, &more, NULL), PH_OK);
    assert_false(more);
    scratch_failed(scratch, ph_store_maintain(store, HOUR_0 + HOUR, &more, &scratch->error),
        PH_ERR_BUSY, "database is locked");
    ph_db_rollback(other);
    (void)commit_at(store, T1, 1, 3, 3, HOUR_0);
    assert_int_equal(ph_db_begin(other, NULL), PH_OK);
    scratch_failed(scratch, ph_store_maintain(store, HOUR_0, &more, &scratch->error), PH_ERR_BUSY,
        "database is locked");
    ph_db_rollback(other);
    ph_db_close(&other);
    ph_store_close(&store);
}

/* [ING-76] A field is added to every partition; one that is declared no more keeps its data. */
static void a_new_field_is_in_every_partition(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = open_limited(scratch, 2, 0);
    (void)commit_range(store, T1, 1, 1, 2);
    (void)commit_range(store, T1, 1, 3, 3);
    ph_store_close(&store);
    scratch_load_kinds(scratch, "kinds:\n  - name: thermostat\n    fields:\n"
                                "      - {name: humidity_pct, type: number, unit: \"%\"}\n"
                                "      - {name: temperature_c, type: number}\n");
    store = scratch_open_store(scratch);
    commit_text(store, T1,
        "{\"v\":1,\"stream\":\"" S1
        "\",\"seq\":4,\"readings\":[{\"t\":9,\"temperature_c\":1,\"humidity_pct\":50}]}",
        NULL, NOON);
    maintain(store, NOON);
    sql_is(scratch, "SELECT seq, temperature_c, hvac, humidity_pct FROM thermostat",
        "1|21.5|idle|-\n2|21.5|idle|-\n3|21.5|idle|-\n4|1.0|-|50.0\n");
    (void)commit_at(store, T1, 1, 5, 5, HOUR_0);
    sql_is(scratch, "SELECT seq, humidity_pct, hvac FROM thermostat WHERE seq > 3",
        "4|50.0|-\n5|-|-\n");
    ph_store_close(&store);
}

/* [ING-71] [ING-76] */
static void a_kind_that_is_declared_no_more_ages_all_the_same(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = open_limited(scratch, 1000, 2 * HOUR);
    commit_text(store, "acme/doorbell/b1", "{\"pressed\":true}", NULL, HOUR_0);
    ph_store_close(&store);
    scratch_load_kinds(scratch, "kinds:\n  - name: thermostat\n    fields:\n"
                                "      - {name: temperature_c, type: number}\n");
    store = scratch_open_store(scratch);
    maintain(store, HOUR_0 + HOUR);
    sql_is(scratch, "SELECT count(*) FROM doorbell", "1\n");
    maintain(store, HOUR_0 + 3 * HOUR);
    sql_is(scratch, "SELECT count(*) FROM doorbell", "0\n");
    sql_is(scratch, "SELECT * FROM dropped", "doorbell|1\n");
    ph_store_close(&store);
}

/* SQLite takes 500 terms in one compound SELECT; the view is made of groups. */
static void a_view_spans_any_number_of_partitions(void **state)
{
    struct scratch *scratch = *state;
    enum { COPIES = 510, BYTES = COPIES * 200 };
    struct ph_store *store = open_limited(scratch, 2, 0);
    (void)commit_range(store, T1, 1, 1, 1);
    (void)commit_range(store, T2, 1, 1, 1);
    char *sql = malloc(BYTES);
    assert_non_null(sql);
    size_t len = (size_t)snprintf(sql, BYTES, "BEGIN;");
    for (int i = 0; i < COPIES; i++) {
        len += (size_t)snprintf(&sql[len], BYTES - len,
            "CREATE TABLE reading_thermostat_%d AS SELECT * FROM reading_thermostat_1;"
            "INSERT INTO partition(id, kind, first_id, state) VALUES (%d, 'thermostat', 1, 1);",
            100 + i, 100 + i);
        assert_true(len < BYTES - 8);
    }
    (void)snprintf(&sql[len], BYTES - len, "COMMIT;");
    scratch_sql(scratch, sql);
    free(sql);
    (void)commit_range(store, T1, 1, 2, 2);
    sql_is(scratch, "SELECT count(*), sum(seq) FROM thermostat", "1023|1024\n");
    sql_is(scratch,
        "SELECT count(*), max(seq) FROM thermostat WHERE tenant = 'acme' AND device = 't1'",
        "512|2\n");
    ph_store_close(&store);
    scratch->broken = true; /* the copies are no partitions that the store would make */
}

/* [ING-73] */
static void names_of_the_stores_own_tables_are_taken(void **state)
{
    struct scratch *scratch = *state;
    static const char *const names[] = {"partition", "dropped", "letter_count", "reading_x"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char kinds[128];
        char message[64];
        struct ph_store *store = NULL;
        (void)snprintf(kinds, sizeof kinds,
            "kinds:\n  - name: %s\n    fields:\n      - {name: a, type: number}\n", names[i]);
        (void)snprintf(message, sizeof message, "kind %s: name: taken by the store", names[i]);
        scratch_load_kinds(scratch, kinds);
        struct ph_store_options options = scratch_options(scratch);
        scratch_failed(
            scratch, ph_store_open(&options, &store, &scratch->error), PH_ERR_CONFIG, message);
    }
}

/* ---- Stores of earlier schemas, as those versions made them. */

static const char schema_1[] =
    "PRAGMA application_id=1885882702; PRAGMA user_version=1;"
    "CREATE TABLE device(id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, kind TEXT NOT NULL,"
    " device TEXT NOT NULL, streams INTEGER NOT NULL, UNIQUE(tenant, kind, device));"
    "CREATE TABLE stream(id INTEGER PRIMARY KEY, device INTEGER NOT NULL REFERENCES device(id),"
    " stream INTEGER, through INTEGER NOT NULL, beyond TEXT NOT NULL, stored INTEGER NOT NULL,"
    " latest INTEGER, latest_seq INTEGER NOT NULL, received INTEGER NOT NULL,"
    " UNIQUE(device, stream));"
    "CREATE TABLE field(kind TEXT NOT NULL, position INTEGER NOT NULL, name TEXT NOT NULL,"
    " type TEXT NOT NULL, unit TEXT, description TEXT, PRIMARY KEY(kind, name));"
    "CREATE TABLE dead_letter(id INTEGER PRIMARY KEY, received INTEGER NOT NULL,"
    " reason TEXT NOT NULL, topic TEXT NOT NULL, device TEXT, stream INTEGER, first INTEGER,"
    " last INTEGER, payload BLOB NOT NULL);"
    "CREATE TABLE garbage(device TEXT PRIMARY KEY, kept INTEGER NOT NULL,"
    " not_kept INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE reading_thermostat(_id INTEGER PRIMARY KEY, _stream INTEGER NOT NULL,"
    " _seq INTEGER, _time INTEGER NOT NULL, temperature_c REAL, hvac TEXT);"
    "CREATE TABLE reading_doorbell(_id INTEGER PRIMARY KEY, _stream INTEGER NOT NULL,"
    " _seq INTEGER, _time INTEGER NOT NULL, pressed INTEGER);"
    "CREATE VIEW thermostat AS SELECT d.device, r._seq AS seq FROM reading_thermostat r"
    " JOIN stream s ON s.id = r._stream JOIN device d ON d.id = s.device;"
    "INSERT INTO field VALUES ('thermostat', 0, 'temperature_c', 'number', 'Cel', NULL),"
    " ('thermostat', 1, 'hvac', 'enum', NULL, NULL), ('doorbell', 0, 'pressed', 'boolean', NULL,"
    " NULL);"
    "INSERT INTO device VALUES (1, 'acme', 'thermostat', 't1', 1);"
    "INSERT INTO stream VALUES (1, 1, 1, 3, '6-6', 3, 3, 6, 1790000000500);"
    "INSERT INTO reading_thermostat VALUES (1, 1, 1, 1790000000001, 20.5, 'idle'),"
    " (2, 1, 2, 1790000000002, 21.5, NULL), (3, 1, 6, 1790000000006, 22.5, 'off');"
    "INSERT INTO dead_letter VALUES (1, 1790000000003, 'no field', 'a/b', 'acme/thermostat/t1', 1,"
    " 3, 3, x'7b7d'), (2, 1790000000004, 'not JSON', 'a/b', 'acme/thermostat/t1', NULL, NULL, NULL,"
    " x'7b'), (3, 1790000000005, 'topic', 'x', NULL, NULL, NULL, NULL, x'313233');"
    "INSERT INTO garbage VALUES ('acme/thermostat/t1', 1, 5), ('', 1, 0);";

static const char to_schema_2[] =
    "PRAGMA user_version=2;"
    "CREATE TABLE certificate(id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL,"
    " anchor TEXT NOT NULL, tenant TEXT NOT NULL, kind TEXT NOT NULL, device TEXT NOT NULL,"
    " first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL,"
    " UNIQUE(tenant, kind, device, fingerprint, anchor));"
    "ALTER TABLE dead_letter ADD COLUMN fingerprint TEXT;"
    "ALTER TABLE dead_letter ADD COLUMN unvouched INTEGER;"
    "ALTER TABLE reading_thermostat ADD COLUMN _certificate INTEGER;"
    "ALTER TABLE reading_thermostat ADD COLUMN _unvouched INTEGER;"
    "ALTER TABLE reading_doorbell ADD COLUMN _certificate INTEGER;"
    "ALTER TABLE reading_doorbell ADD COLUMN _unvouched INTEGER;"
    "INSERT INTO certificate VALUES (1, 'ff00', 'devices', 'acme', 'thermostat', 't1', 1, 2);"
    "UPDATE reading_thermostat SET _certificate = 1 WHERE _id > 1;"
    "UPDATE dead_letter SET fingerprint = 'ff00' WHERE id = 1;"
    "UPDATE dead_letter SET unvouched = 1 WHERE id > 1;";

static const char *const kept_letters =
    "SELECT id, received, reason, topic, device, stream, ranges, hex(payload), anchor, fingerprint,"
    " unvouched FROM dead_letter";

/* What must have become of the rows above, whichever schema they came from. */
static void assert_upgraded(struct scratch *scratch, struct ph_store *store)
{
    sql_is(scratch,
        "SELECT id, kind, first_id, last_id, from_ms, to_ms, rows, state FROM partition",
        "1|doorbell|1|-|-|-|-|0\n2|thermostat|1|3|0|1790000000500|-|1\n"
        "3|thermostat|4|-|-|-|-|0\n");
    sql_is(scratch, "SELECT seq, temperature_c, hvac, received, timing, extra FROM thermostat",
        "1|20.5|idle|-|-|-\n2|21.5|-|-|-|-\n6|22.5|off|-|-|-\n");
    sql_is(
        scratch, "SELECT latest, latest_time, given_up, skew FROM stream", "3|1790000000006|0|-\n");
    sql_is(scratch, "SELECT * FROM letter_count", "|1|3|0\nacme/thermostat/t1|2|3|5\n");
    sql_is(scratch, "PRAGMA user_version", "4\n");
    assert_ack(store, T1, 1, "3 6-6");
    assert_int_equal(commit_range(store, T1, 1, 1, 7).stored, 3);
    sql_is(scratch, "SELECT group_concat(_id), group_concat(_seq) FROM reading_thermostat_3",
        "4,5,6|4,5,7\n");
}

/* [ING-75] */
static void a_store_of_schema_2_is_upgraded(void **state)
{
    struct scratch *scratch = *state;
    struct sheet sheet;
    scratch_sql(scratch, schema_1);
    scratch_sql(scratch, to_schema_2);
    struct ph_store *store = open_limited(scratch, 1000, 0);
    sql_is(scratch, kept_letters,
        "1|1790000000003|no field|a/b|acme/thermostat/t1|1|3-3|7B7D|devices|ff00|-\n"
        "2|1790000000004|not JSON|a/b|acme/thermostat/t1|-|-|7B|-|-|1\n"
        "3|1790000000005|topic|x|-|-|-|313233|-|-|1\n");
    sql_is(scratch, "SELECT seq, fingerprint FROM thermostat", "1|-\n2|ff00\n6|ff00\n");
    assert_upgraded(scratch, store);
    maintain(store, NOON);
    sql_is(scratch, "SELECT id, rows, first_time, last_time, to_ms FROM partition WHERE state = 2",
        "2|3|1790000000001|1790000000006|1790000000500\n");
    latest_rows(store, NOON, "device time stored", &sheet);
    assert_string_equal(sheet.text, T1 " 1790000000007 6\n");
    ph_store_close(&store);
}

/* [ING-67] [ING-75] */
static void a_store_of_schema_1_is_upgraded(void **state)
{
    struct scratch *scratch = *state;
    scratch_sql(scratch, schema_1);
    struct ph_store *store = open_limited(scratch, 1000, 0);
    assert_upgraded(scratch, store);
    assert_int_equal(totals_of(store).unrecorded, 3);
    ph_store_close(&store);
}

/* [ING-75] All of a step or none of it: somebody's own table is in the way of the last one. */
static void an_upgrade_that_fails_leaves_the_store_as_it_was(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = NULL;
    struct ph_store_options options = scratch_options(scratch);
    char before[OUT_BYTES];
    char after[OUT_BYTES];
    static const char everything[] = "SELECT name, sql FROM sqlite_schema ORDER BY name";
    scratch_sql(scratch, schema_1);
    scratch_sql(scratch, to_schema_2);
    scratch_sql(scratch, "CREATE TABLE reading_thermostat_3(x)");
    scratch_select(scratch, everything, before, sizeof before);
    scratch_failed(scratch, ph_store_open(&options, &store, &scratch->error), PH_ERR_INTERNAL,
        "schema version 3: ");
    assert_null(store);
    scratch_select(scratch, everything, after, sizeof after);
    assert_string_equal(after, before);
    sql_is(scratch, "PRAGMA user_version", "2\n");
    scratch_sql(scratch, "DROP TABLE reading_thermostat_3");
    store = scratch_open_store(scratch);
    assert_upgraded(scratch, store);
    ph_store_close(&store);
}

/* [ING-75] [HLT-3] From before beats. */
static void a_store_of_schema_3_is_upgraded(void **state)
{
    struct scratch *scratch = *state;
    struct ph_beat beat = {.at_ms = NOON};
    struct ph_store *store = scratch_open_store(scratch);
    commit_range(store, T1, 1, 1, 3);
    ph_store_close(&store);
    scratch_sql(scratch, "DROP TABLE _beat; PRAGMA user_version=3;");
    scratch_failed(scratch, ph_store_open_watcher(scratch->store, &store, &scratch->error),
        PH_ERR_INPUT, "schema version: want 4, have 3");
    store = scratch_open_store(scratch);
    sql_is(scratch, "PRAGMA user_version", "4\n");
    assert_ack(store, T1, 1, "3");
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(ph_store_beat(store, "acme/service/ingest", &beat, NULL), PH_OK);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    ph_store_close(&store);
}

/* A reader never upgrades. */
static void a_reader_leaves_an_old_store_alone(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *reader = NULL;
    scratch_sql(scratch, schema_1);
    scratch_failed(scratch, ph_store_open_reader(scratch->store, &reader, &scratch->error),
        PH_ERR_INPUT, "schema version: want 4, have 1");
    sql_is(scratch, "PRAGMA user_version", "1\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(full_partitions_are_closed_by_the_next_batch),
        TEST(a_step_indexes_one_partition),
        TEST(time_closes_a_partition),
        TEST(retention_counts_what_it_drops),
        TEST(latest_is_found_in_any_partition),
        TEST(a_restart_goes_on_in_the_middle),
        TEST(a_failed_row_takes_its_transaction_along),
        TEST(every_value_arrives_in_its_row),
        TEST(another_writers_partitions_are_noticed),
        TEST(nothing_to_do_asks_nothing),
        TEST(a_new_field_is_in_every_partition),
        TEST(a_kind_that_is_declared_no_more_ages_all_the_same),
        TEST(a_view_spans_any_number_of_partitions),
        TEST(names_of_the_stores_own_tables_are_taken),
        TEST(a_store_of_schema_2_is_upgraded),
        TEST(a_store_of_schema_1_is_upgraded),
        TEST(a_store_of_schema_3_is_upgraded),
        TEST(an_upgrade_that_fails_leaves_the_store_as_it_was),
        TEST(a_reader_leaves_an_old_store_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
