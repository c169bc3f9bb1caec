#include "ingest/recorder_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapters/sqlite.h"

/* [ING-4] [ING-6] */
static void locked_store_keeps_everything(void **state)
{
    struct rig rig;
    struct scratch *scratch = *state;
    struct ph_db *other = NULL;
    rig_start(&rig, *state, 0);
    assert_int_equal(ph_db_open(scratch->store, PH_DB_WRITE, 0, &other, NULL), PH_OK);
    assert_int_equal(ph_db_begin(other, NULL), PH_OK);
    rig_add_range(&rig, "t1", 1, 1);
    scratch_failed(scratch, rig_try(&rig, 0), PH_ERR_BUSY, "database is locked");
    assert_false(ph_recorder_up(rig.recorder));
    assert_in_range(ph_recorder_retry_ms(rig.recorder), 50, 100);
    scratch_failed(scratch, rig_try(&rig, 300), PH_ERR_BUSY, "database is locked");
    assert_in_range(ph_recorder_retry_ms(rig.recorder), 400, 500);
    rig_acknowledge(&rig, 300, true);
    assert_int_equal(rig.acks.count, 0);
    ph_db_rollback(other);
    ph_db_close(&other);
    rig_commit(&rig, 600);
    assert_true(ph_recorder_up(rig.recorder));
    assert_string_equal(rig.acks.text, "t1 " ACK "\"through\":1}\n");
    assert_int_equal(log_count("store down"), 1); /* one line per change of state */
    assert_int_equal(log_count("store back"), 1);
    assert_int_equal(ph_recorder_counts(rig.recorder)->conflicts, 0);
    rig_stop(&rig);
}

/* [ING-6] A commit of nothing finds out. */
static void store_back_without_a_message(void **state)
{
    struct rig rig;
    struct scratch *scratch = *state;
    struct ph_db *other = NULL;
    rig_start(&rig, *state, 0);
    assert_int_equal(ph_recorder_commit(rig.recorder, NULL, 0, NULL), PH_OK);
    assert_int_equal(ph_recorder_counts(rig.recorder)->commits, 0);
    assert_int_equal(ph_db_open(scratch->store, PH_DB_WRITE, 0, &other, NULL), PH_OK);
    assert_int_equal(ph_db_begin(other, NULL), PH_OK);
    rig_add_range(&rig, "t1", 1, 1);
    scratch_failed(scratch, rig_try(&rig, 0), PH_ERR_BUSY, "locked");
    ph_db_rollback(other);
    ph_db_close(&other);
    assert_int_equal(ph_recorder_commit(rig.recorder, NULL, 300, NULL), PH_OK);
    assert_true(ph_recorder_up(rig.recorder));
    rig_stop(&rig);
}

static void remove_store(const struct scratch *scratch)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char path[600];
        (void)snprintf(path, sizeof path, "%s%s", scratch->store, suffixes[i]);
        assert_int_equal(unlink(path), 0);
    }
}

/* [ING-6] [ING-138] */
static void deleted_store_is_waited_for_and_not_made(void **state)
{
    struct rig rig;
    struct scratch *scratch = *state;
    rig_start(&rig, *state, 0);
    rig_add_range(&rig, "t1", 1, 1);
    rig_commit(&rig, 0);
    remove_store(scratch);
    rig_add_range(&rig, "t1", 2, 1);
    scratch_failed(scratch, rig_try(&rig, 0), PH_ERR_IO, "moved or deleted");
    assert_int_equal(ph_recorder_ack_due_ms(rig.recorder), INT64_MAX);
    scratch_failed(scratch, rig_try(&rig, 300), PH_ERR_NOT_FOUND, "readings.db");
    assert_int_equal(access(scratch->store, F_OK), -1);
    struct ph_store *fresh = scratch_open_store(scratch); /* somebody puts one there */
    ph_store_close(&fresh);
    rig_commit(&rig, 600);
    assert_string_equal(rig.acks.text, "t1 " ACK "\"through\":0,\"also\":[[2,2]]}\n");
    rig_stop(&rig);
}

/* [ING-6] What was committed and not yet acknowledged is acknowledged when the store is back. */
static void acknowledgements_outlive_the_store(void **state)
{
    struct rig rig;
    struct scratch *scratch = *state;
    rig_start(&rig, *state, 1000);
    rig_add_range(&rig, "t1", 1, 1);
    rig_commit(&rig, 0);
    rig_add_range(&rig, "t1", 2, 1);
    rig_commit(&rig, 1);
    scratch_sql(scratch, "ALTER TABLE stream RENAME TO away");
    rig_add_range(&rig, "t2", 1, 1);
    assert_int_not_equal(rig_try(&rig, 2), PH_OK);
    ph_error_clear(&scratch->error);
    rig_acknowledge(&rig, 3, true);
    assert_int_equal(rig.acks.count, 0);
    assert_int_equal(ph_recorder_waiting(rig.recorder), 1);
    scratch_sql(scratch, "ALTER TABLE away RENAME TO stream");
    rig_commit(&rig, 300);
    rig_acknowledge(&rig, 1000, false);
    assert_string_equal(rig.acks.text, "t1 " ACK "\"through\":2}\n");
    rig_stop(&rig);
}

/* The store will not have readings of these numbers, or no dead letters. */
static void refuse_readings(struct rig *rig, const char *numbers)
{
    char sql[256];
    (void)snprintf(sql, sizeof sql,
        "CREATE TRIGGER refuse BEFORE INSERT ON reading_thermostat_1 WHEN NEW._seq IN (%s)"
        " BEGIN SELECT RAISE(ABORT, 'not this one'); END",
        numbers);
    scratch_sql(rig->scratch, sql);
}

static void refuse_letters(struct rig *rig)
{
    scratch_sql(rig->scratch, "CREATE TRIGGER refuse_letter BEFORE INSERT ON dead_letter"
                              " BEGIN SELECT RAISE(ABORT, 'no letters'); END");
}

/* [ING-131] */
static void refused_by_the_store(void **state)
{
    struct rig rig;
    rig_start(&rig, *state, 0);
    rig_add_range(&rig, "t0", 1, 1);
    rig_commit(&rig, 0);
    refuse_readings(&rig, "13, 77");
    for (int64_t seq = 1; seq <= 99; seq += 2) {
        rig_add_range(&rig, "t1", seq, 2);
    }
    rig_add_to(&rig, "doorbell", "d1", "{\"t\":1,\"pressed\":true}");
    rig_commit(&rig, 1);
    assert_string_equal(rig.acks.text, "t1 " ACK "\"through\":100}\n");
    const struct ph_recorder_counts *counts = ph_recorder_counts(rig.recorder);
    assert_int_equal(counts->condemned, 2);
    assert_int_equal(counts->store.dead_letters, 2);
    assert_int_equal(counts->store.stored, 1 + 96 + 1);
    assert_int_equal(counts->store.duplicates, 0);
    assert_int_equal(counts->held_back, 0);
    assert_true(counts->commits < 40);
    rig_selects(&rig,
        "SELECT ranges, instr(reason, 'store: '), instr(reason, 'not this one') > 0,"
        " CAST(payload AS TEXT) LIKE '%\"seq\":13,%', topic FROM dead_letter ORDER BY id LIMIT 1",
        "13-14|1|1|1|ph/v1/acme/thermostat/t1/telemetry\n");
    rig_selects(&rig, "SELECT ranges FROM dead_letter ORDER BY id", "13-14\n77-78\n");
    assert_int_equal(log_count("message refused by the store: dead letter"), 2);
    assert_true(ph_recorder_up(rig.recorder));
    assert_int_equal(log_count("store down"), 0);
    rig_stop(&rig);
}

/* [ING-131] Neither row nor letter: the device keeps it, and the others go on. */
static void letter_refused_too(void **state)
{
    struct rig rig;
    rig_start(&rig, *state, 0);
    rig_add_range(&rig, "t0", 1, 1);
    rig_commit(&rig, 0);
    refuse_readings(&rig, "2");
    refuse_letters(&rig);
    rig_add_range(&rig, "t1", 1, 1);
    rig_add_range(&rig, "t1", 2, 1);
    rig_add_range(&rig, "t1", 3, 1);
    rig_add(&rig, "t2", "garbage");
    rig_commit(&rig, 1);
    assert_string_equal(rig.acks.text, "t1 " ACK "\"through\":1,\"also\":[[3,3]]}\n");
    assert_int_equal(ph_recorder_counts(rig.recorder)->held_back, 2);
    assert_int_equal(ph_recorder_counts(rig.recorder)->store.dead_letters, 0);
    assert_int_equal(log_count("message held back: neither stored nor acknowledged"), 2);
    assert_int_equal(log_count("no letters"), 2);
    assert_true(ph_recorder_up(rig.recorder));
    rig_stop(&rig);
}

/* [ING-131] The store goes away between the parts of a batch: what was committed is neither written
 * again, which would double a reading without number, nor forgotten. */
static void parts_are_written_once(void **state)
{
    struct rig rig;
    struct scratch *scratch = *state;
    rig_start(&rig, *state, 0);
    rig_add_range(&rig, "t0", 1, 1);
    rig_commit(&rig, 0);
    refuse_readings(&rig, "2");
    scratch_sql(scratch, "ALTER TABLE dead_letter RENAME TO away");
    rig_add_to(&rig, "doorbell", "d1", "{\"t\":1,\"pressed\":true}");
    rig_add_range(&rig, "t1", 1, 1);
    rig_add_range(&rig, "t1", 2, 1);
    rig_add_to(&rig, "doorbell", "d1", "{\"t\":2,\"pressed\":true}");
    scratch_failed(scratch, rig_try(&rig, 1), PH_ERR_INTERNAL, "dead_letter");
    assert_int_equal(rig.batch.written, 2);
    assert_false(ph_recorder_up(rig.recorder));
    scratch_sql(scratch, "ALTER TABLE away RENAME TO dead_letter");
    rig_commit(&rig, 300);
    assert_string_equal(rig.acks.text, "t1 " ACK "\"through\":2}\n");
    rig_selects(&rig, "SELECT count(*) FROM reading_doorbell_2", "2\n");
    assert_int_equal(ph_recorder_counts(rig.recorder)->store.stored, 4);
    assert_int_equal(ph_recorder_counts(rig.recorder)->store.dead_letters, 1);
    assert_int_equal(ph_recorder_counts(rig.recorder)->store.duplicates, 0);
    rig_stop(&rig);
}

/* [ING-131] Damage is not the message's fault: nothing becomes a dead letter, nothing is
 * acknowledged. */
static void damaged_store_condemns_nothing(void **state)
{
    static const char noise[4096] = "noise";
    struct rig rig;
    struct scratch *scratch = *state;
    char pages[64];
    rig_start(&rig, *state, 0);
    for (int64_t i = 0; i < 30; i++) {
        rig_add_range(&rig, "t1", 1 + i * 40, 40);
    }
    rig_commit(&rig, 0);
    ph_recorder_free(&rig.recorder);
    scratch_select(scratch,
        "SELECT max(pageno) FROM dbstat WHERE name = 'reading_thermostat_1' AND pagetype = 'leaf'",
        pages, sizeof pages);
    long page = strtol(pages, NULL, 10);
    assert_true(page > 1);
    int fd = open(scratch->store, O_WRONLY);
    assert_int_equal(pwrite(fd, noise, sizeof noise, (page - 1) * 4096), (int)sizeof noise);
    assert_int_equal(close(fd), 0);
    const struct ph_recorder_options options = rig_options(scratch);
    rig_open(&rig, &options);
    rig_add_range(&rig, "t1", 1201, 40);
    rig_add_range(&rig, "t2", 1, 40);
    scratch_failed(scratch, rig_try(&rig, 1), PH_ERR_IO, "malformed");
    assert_int_equal(ph_recorder_counts(rig.recorder)->condemned, 0);
    assert_int_equal(rig.batch.written, 0);
    assert_non_null(rig.batch.entries[0].message);
    rig_acknowledge(&rig, 1, true);
    assert_int_equal(rig.acks.count, 0);
    assert_false(ph_recorder_up(rig.recorder));
    rig_stop(&rig);
}

/* [ING-131] A store that cannot be opened says nothing about the message. */
static void unusable_store_condemns_nothing(void **state)
{
    struct rig rig;
    struct scratch *scratch = *state;
    rig_start(&rig, *state, 0);
    rig_add_range(&rig, "t1", 1, 1);
    rig_commit(&rig, 0);
    remove_store(scratch);
    scratch_write(scratch->store, "this is text, not a database, and long enough to be seen as"
                                  " such by a look at the header, which takes a hundred bytes\n");
    rig_add_range(&rig, "t1", 2, 1);
    scratch_failed(scratch, rig_try(&rig, 1), PH_ERR_IO, "moved or deleted");
    scratch_failed(scratch, rig_try(&rig, 300), PH_ERR_INPUT, "not a database");
    assert_int_equal(ph_recorder_counts(rig.recorder)->condemned, 0);
    assert_non_null(rig.batch.entries[0].message);
    assert_int_equal(unlink(scratch->store), 0);
    struct ph_store *fresh = scratch_open_store(scratch);
    ph_store_close(&fresh);
    rig_commit(&rig, 600);
    assert_int_equal(ph_recorder_counts(rig.recorder)->store.stored, 2);
    rig_stop(&rig);
}

/* [ING-133] */
static void server_away_at_start_is_waited_for(void **state)
{
    struct rig rig = {.scratch = *state};
    struct ph_recorder_options options = rig_options(rig.scratch);
    char uri[160];
    (void)snprintf(uri, sizeof uri, "postgresql:///ph?host=%s&connect_timeout=2", rig.scratch->dir);
    options.store.location = uri;
    log_capture();
    rig_open(&rig, &options);
    assert_int_equal(ph_batch_init(&rig.batch, 1, NULL), PH_OK);
    assert_false(ph_recorder_up(rig.recorder));
    assert_int_equal(ph_recorder_retry_ms(rig.recorder), 0);
    assert_int_equal(ph_recorder_maintain_due_ms(rig.recorder), INT64_MAX);
    ph_recorder_maintain(rig.recorder, 0, NOW, true);
    rig_add_range(&rig, "t1", 1, 1);
    scratch_failed(rig.scratch, rig_try(&rig, 0), PH_ERR_UNAVAILABLE, rig.scratch->dir);
    assert_true(ph_recorder_retry_ms(rig.recorder) > 0);
    assert_int_equal(log_count("store down"), 1);
    rig_stop(&rig);
}

/* [ING-133] A lock that somebody holds, too; a store that is wrong ends the start. */
static void locked_at_start(void **state)
{
    struct rig rig;
    struct scratch *scratch = *state;
    struct ph_db *other = NULL;
    rig_start(&rig, *state, 0);
    ph_recorder_free(&rig.recorder);
    scratch_sql(scratch, "DROP TABLE field"); /* what it lacks it will want to write */
    scratch_sql(scratch, "PRAGMA user_version = 2");
    assert_int_equal(ph_db_open(scratch->store, PH_DB_WRITE, 0, &other, NULL), PH_OK);
    assert_int_equal(ph_db_begin(other, NULL), PH_OK);
    const struct ph_recorder_options options = rig_options(scratch);
    rig_open(&rig, &options);
    assert_false(ph_recorder_up(rig.recorder));
    ph_db_rollback(other);
    ph_db_close(&other);
    rig_stop(&rig);
    scratch_sql(scratch, "PRAGMA user_version = 99");
    scratch_failed(scratch, ph_recorder_new(&options, &rig.recorder, &scratch->error), PH_ERR_INPUT,
        "newer program");
    assert_null(rig.recorder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(locked_store_keeps_everything),
        TEST(store_back_without_a_message),
        TEST(deleted_store_is_waited_for_and_not_made),
        TEST(acknowledgements_outlive_the_store),
        TEST(refused_by_the_store),
        TEST(letter_refused_too),
        TEST(parts_are_written_once),
        TEST(damaged_store_condemns_nothing),
        TEST(unusable_store_condemns_nothing),
        TEST(server_away_at_start_is_waited_for),
        TEST(locked_at_start),
    };
    return cmocka_run_group_tests_name("ph.ingest.recorder_faults", tests, NULL, NULL);
}
