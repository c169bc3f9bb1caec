/* The SQLite store: the conformance suite, and what only a file can do. */
#include "ingest/store/conformance.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "adapters/sqlite.h"

static const struct conformance_fault faults[] = {
    {"UPDATE partition SET rows = 5 WHERE state = 2",
        "partition rows: want 6, have 5 reading_thermostat_1"},
    {"UPDATE partition SET first_time = first_time + 1 WHERE state = 2",
        "partition times reading_thermostat_1"},
    {"UPDATE partition SET last_id = last_id - 1 WHERE state = 2",
        "partition ids reading_thermostat_1"},
    {"DROP INDEX reading_thermostat_1_device", "partition index missing reading_thermostat_1"},
    {"DROP VIEW thermostat; DROP TABLE reading_thermostat_1",
        "partition table missing reading_thermostat_1"},
    {"CREATE TABLE reading_thermostat_99(_id INTEGER PRIMARY KEY)",
        "table of no partition reading_thermostat_99"},
    {"DELETE FROM partition WHERE kind = 'doorbell' AND state = 0",
        "open partitions: want 1, have 0 doorbell"},
    {"UPDATE stream SET latest = 1", "newest row: want 11, have 1 " T1 " " S1},
    {"UPDATE stream SET latest = 99999", "newest row missing " T1 " " S1},
    {"UPDATE reading_thermostat_1 SET _certificate = 7",
        "certificate missing reading_thermostat_1"},
};

static const struct conformance sqlite = {
    .name = "sqlite",
    .sql = scratch_sql,
    .select = scratch_select,
    .refuse_streams = "CREATE TRIGGER refuse BEFORE UPDATE ON stream"
                      " BEGIN SELECT RAISE(ABORT, 'refused by a test'); END",
    .allow_streams = "DROP TRIGGER refuse",
    .repeat_readings = "INSERT INTO reading_thermostat_1(_stream, _seq, _time, _received, _timing)"
                       " SELECT _stream, _seq, _time, _received, _timing FROM reading_thermostat_1",
    .lose_reading = "DELETE FROM reading_thermostat_1 WHERE _seq = 2",
    .faults = faults,
    .fault_count = sizeof faults / sizeof faults[0],
    .backup = true,
};

/* [ING-4] A lock that another process holds is PH_ERR_BUSY, and goes away. */
static void locked_store_is_busy(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    struct ph_db *other = NULL;
    assert_int_equal(ph_db_open(scratch->store, PH_DB_WRITE, 0, &other, NULL), PH_OK);
    assert_int_equal(ph_db_begin(other, NULL), PH_OK);
    scratch_failed(scratch, ph_store_begin(store, &scratch->error), PH_ERR_BUSY,
        "readings.db: begin transaction: database is locked");
    ph_db_rollback(other);
    ph_db_close(&other);
    assert_int_equal(commit_range(store, T1, 1, 1, 1).stored, 1);
    ph_store_close(&store);
}

static void another_hand_makes_the_memory_of_certificates_void(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    struct ph_provenance provenance = {
        .state = PH_PROVENANCE_VOUCHED, .anchor = "devices", .fingerprint = "aa"};
    static const char *const messages[] = {
        "{\"v\":1,\"stream\":\"" S1 "\",\"seq\":1,\"readings\":[{\"t\":0,\"temperature_c\":1}]}",
        "{\"v\":1,\"stream\":\"" S1 "\",\"seq\":2,\"readings\":[{\"t\":0,\"temperature_c\":1}]}"};
    commit_text(store, T1, messages[0], &provenance, NOON);
    scratch_sql(scratch, "UPDATE certificate SET fingerprint = 'x'");
    commit_text(store, T1, messages[1], &provenance, NOON);
    assert_sql(scratch, "SELECT id, fingerprint FROM certificate ORDER BY id", "1|x\n2|aa\n");
    ph_store_close(&store);
}

/* [ING-41] */
static void foreign_and_newer_databases_are_refused(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = NULL;
    struct ph_store_options options = scratch_options(scratch);
    scratch_sql(scratch, "CREATE TABLE theirs(x)");
    scratch_failed(scratch, ph_store_open(&options, &store, &scratch->error), PH_ERR_INPUT,
        "this database belongs to something else");
    scratch_failed(scratch, ph_store_open_reader(scratch->store, &store, &scratch->error),
        PH_ERR_INPUT, "this database belongs to something else");
    assert_int_equal(unlink(scratch->store), 0);
    store = scratch_open_store(scratch);
    ph_store_close(&store);
    scratch_sql(scratch, "PRAGMA user_version=99");
    scratch->broken = true;
    scratch_failed(scratch, ph_store_open(&options, &store, &scratch->error), PH_ERR_INPUT,
        "written by a newer program");
    scratch_failed(scratch, ph_store_open_reader(scratch->store, &store, &scratch->error),
        PH_ERR_INPUT, "written by a newer program");
    assert_null(store);
}

/* [KND-3] The view is what anyone with sqlite3 sees. */
static void view_shows_readings(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    commit_range(store, T1, 0x9f2c1e4b7a3d5c60U, 7, 7);
    assert_sql(scratch,
        "SELECT tenant, device, stream, seq, time, temperature_c, hvac, received FROM thermostat",
        "acme|t1|9f2c1e4b7a3d5c60|7|2026-09-21T14:13:20.007Z|21.5|idle|2026-09-21T14:13:20.007Z\n");
    ph_store_close(&store);
}

/* [ING-45] */
static void store_file_is_closed_to_others(void **state)
{
    struct scratch *scratch = *state;
    struct stat st;
    struct ph_store *store = scratch_open_store(scratch);
    assert_int_equal(stat(scratch->store, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    ph_store_close(&store);
}

/* [ING-94] Pages that were overwritten are named, whether or not the rows can still be read. */
static void damaged_file_is_found(void **state)
{
    struct scratch *scratch = *state;
    static const char noise[2048] = "noise";
    struct sheet sheet;
    struct ph_rows rows = rows_to(&sheet);
    struct ph_store *reader = NULL;
    int64_t found = 0;
    struct ph_store *store = scratch_open_store(scratch);
    for (int64_t i = 0; i < 20; i++) {
        commit_range(store, T1, 1, 1 + i * 100, 100 + i * 100);
    }
    ph_store_close(&store);
    char pages[64];
    scratch_select(scratch,
        "SELECT max(pageno) FROM dbstat WHERE name = 'reading_thermostat_1' AND pagetype = 'leaf'",
        pages, sizeof pages);
    int fd = open(scratch->store, O_WRONLY);
    long page = strtol(pages, NULL, 10);
    assert_true(page > 1);
    assert_int_equal(pwrite(fd, noise, sizeof noise, (page - 1) * 4096), (int)sizeof noise);
    assert_int_equal(close(fd), 0);
    scratch->broken = true;
    reader = scratch_open_reader(scratch);
    enum ph_err err = ph_store_check(reader, &rows, &found, &scratch->error);
    assert_true(err == PH_OK || err == PH_ERR_IO);
    assert_true(found > 0);
    assert_non_null(strstr(sheet.text, "database damaged"));
    ph_store_close(&reader);
}

/* Empties the write-ahead log, which nothing must hold. */
static void assert_log_can_be_emptied(const char *path)
{
    struct ph_db *db = NULL;
    struct ph_stmt *stmt = NULL;
    bool row = false;
    assert_int_equal(ph_db_open(path, PH_DB_WRITE, 0, &db, NULL), PH_OK);
    assert_int_equal(ph_stmt_prepare(db, "PRAGMA wal_checkpoint(TRUNCATE)", &stmt, NULL), PH_OK);
    assert_int_equal(ph_stmt_step(stmt, &row, NULL), PH_OK);
    assert_true(row);
    assert_int_equal(ph_stmt_int64(stmt, 0), 0); /* 1: busy */
    ph_stmt_free(&stmt);
    ph_db_close(&db);
}

static enum ph_err no_columns(
    void *context, const struct ph_column *columns, size_t count, struct ph_error *error)
{
    (void)context;
    (void)columns;
    (void)count;
    (void)error;
    return PH_OK;
}

static enum ph_err empty_the_log(void *context, const struct ph_cell *cells, struct ph_error *error)
{
    struct scratch *scratch = context;
    (void)cells;
    (void)error;
    assert_log_can_be_emptied(scratch->store);
    return PH_OK;
}

static enum ph_err empty_the_log_at_a_letter(
    void *context, const struct ph_kept_letter *letter, struct ph_error *error)
{
    (void)letter;
    return empty_the_log(context, NULL, error);
}

/* [ING-43] [ING-44] However slowly rows are taken, no transaction is open meanwhile. */
static void slow_readers_do_not_hold_the_log(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    struct ph_rows rows = {.context = scratch, .begin = no_columns, .row = empty_the_log};
    struct ph_store_query query = {.kind = "thermostat", .to_ms = INT64_MAX};
    const struct ph_letter_filter all = {.to_ms = INT64_MAX};
    commit_range(store, T1, 1, 1, 3);
    commit_letter(store, T1, 4, 4);
    struct ph_store *reader = scratch_open_reader(scratch);
    assert_int_equal(ph_store_query(reader, &query, &rows, NULL), PH_OK);
    assert_int_equal(ph_store_latest(reader, NOON, false, &rows, NULL), PH_OK);
    assert_int_equal(ph_store_devices(reader, &rows, NULL), PH_OK);
    assert_int_equal(
        ph_store_letters(reader, &all, empty_the_log_at_a_letter, scratch, NULL), PH_OK);
    ph_store_close(&reader);
    ph_store_close(&store);
}

static void copy_path(const struct scratch *scratch, const char *suffix, char path[128])
{
    (void)snprintf(path, 128, "%s/copy.db%s", scratch->dir, suffix);
}

/* [ING-95] */
static void backup_while_a_writer_is_in_a_transaction(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    struct ph_store *reader = NULL;
    struct ph_store *copy = NULL;
    struct ph_store_counts counts = {0};
    struct stat st;
    char path[128];
    copy_path(scratch, "", path);
    commit_range(store, T1, 1, 1, 3);
    reader = scratch_open_reader(scratch);
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(append(store, T1, 1, 4, 2, &counts), PH_OK);
    assert_int_equal(ph_store_backup(reader, path, NULL), PH_OK);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    ph_store_close(&store);
    ph_store_close(&reader);
    struct ph_store_options options = scratch_options(scratch);
    options.location = path;
    assert_int_equal(ph_store_open(&options, &copy, NULL), PH_OK); /* ingest can go on with it */
    assert_int_equal(totals_of(copy).stored, 3);
    assert_int_equal(commit_range(copy, T1, 1, 1, 5).stored, 2);
    ph_store_close(&copy);
}

/* [ING-95] What a killed backup left is replaced; nothing else is. */
static void backup_overwrites_nothing(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    char path[128];
    char left[128];
    commit_range(store, T1, 1, 1, 3);
    copy_path(scratch, "", path);
    copy_path(scratch, ".part", left);
    scratch_write(left, "left over");
    assert_int_equal(ph_store_backup(store, path, NULL), PH_OK);
    assert_int_not_equal(access(left, F_OK), 0);
    scratch_write(path, "precious");
    scratch_failed(scratch, ph_store_backup(store, path, &scratch->error), PH_ERR_EXISTS,
        "copy.db: something is there; name another file");
    assert_int_not_equal(access(left, F_OK), 0);
    (void)snprintf(path, sizeof path, "%s/missing/copy.db", scratch->dir);
    scratch_failed(scratch, ph_store_backup(store, path, &scratch->error), PH_ERR_NOT_FOUND,
        "missing/copy.db.part: create");
    ph_store_close(&store);
}

/* [ING-95] */
static void one_backup_at_a_time(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    char path[128];
    char part[128];
    copy_path(scratch, "", path);
    copy_path(scratch, ".part", part);
    int fd = open(part, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    scratch_failed(scratch, ph_store_backup(store, path, &scratch->error), PH_ERR_BUSY,
        "copy.db.part: another backup is at work");
    assert_int_equal(access(part, F_OK), 0); /* it is the other's */
    assert_int_equal(close(fd), 0);
    assert_int_equal(ph_store_backup(store, path, NULL), PH_OK);
    ph_store_close(&store);
}

/* Starts a backup in a process of its own and kills it after so many microseconds. */
static void kill_backup(const struct scratch *scratch, const char *path, long after_us)
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct ph_store *reader = NULL;
        enum ph_err err = ph_store_open_reader(scratch->store, &reader, NULL);
        _exit(err == PH_OK && ph_store_backup(reader, path, NULL) == PH_OK ? 0 : 1);
    }
    (void)nanosleep(&(struct timespec){.tv_nsec = after_us * 1000}, NULL);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
}

/* [ING-95] Under the final name there is a complete copy or nothing, whenever the kill comes. */
static void killed_backups_leave_no_half_copy(void **state)
{
    enum { ROUNDS = 20, READINGS = 4000 };
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    char path[128];
    copy_path(scratch, "", path);
    for (int64_t i = 0; i < READINGS; i += 500) {
        commit_range(store, T1, 1, 1 + i, 500 + i);
    }
    ph_store_close(&store);
    for (int i = 0; i < ROUNDS; i++) {
        kill_backup(scratch, path, 500L * i);
        if (access(path, F_OK) != 0) {
            store = scratch_open_reader(scratch);
            assert_int_equal(ph_store_backup(store, path, NULL), PH_OK);
            ph_store_close(&store);
        }
        assert_int_equal(ph_store_open_reader(path, &store, NULL), PH_OK);
        assert_int_equal(totals_of(store).stored, READINGS);
        ph_store_close(&store);
        assert_int_equal(unlink(path), 0);
    }
}

/* [ING-132] An answer for a stream that is not known writes nothing, and so waits for nobody. */
static void acknowledging_writes_nothing(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    assert_ack(store, "acme/toaster/o1", 7, "0");
    assert_ack(store, T1, 7, "0");
    commit_range(store, T1, 1, 1, 2);
    assert_ack(store, T1, 7, "0");
    assert_ack(store, T1, 1, "2");
    assert_sql(scratch, "SELECT count(*) FROM device", "1\n");
    assert_sql(scratch, "SELECT count(*) FROM stream", "1\n");
    ph_store_close(&store);
}

/* [ING-73] What people look at must not hinder what is written: a kind with more partitions than
 * one view can name goes without. */
static void partitions_beyond_what_a_view_holds(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    commit_range(store, T1, 1, 1, 1);
    scratch_sql(scratch,
        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 60000)"
        " INSERT INTO partition(kind, first_id, last_id, from_ms, to_ms, rows, state)"
        " SELECT 'thermostat', 0, 0, 0, 0, 0, 2 FROM c");
    scratch->broken = true; /* they have no tables */
    maintain(store, NOON + 1000 * HOUR);
    commit_range(store, T1, 1, 2, 2);
    scratch_sql(scratch, "DELETE FROM partition WHERE to_ms = 0");
    maintain(store, NOON + 2000 * HOUR);
    assert_sql(scratch, "SELECT count(*) FROM thermostat", "2\n");
    ph_store_close(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONFORMANCE_TEST(acknowledging_writes_nothing),
        CONFORMANCE_TEST(partitions_beyond_what_a_view_holds),
        CONFORMANCE_TEST(locked_store_is_busy),
        CONFORMANCE_TEST(another_hand_makes_the_memory_of_certificates_void),
        CONFORMANCE_TEST(foreign_and_newer_databases_are_refused),
        CONFORMANCE_TEST(view_shows_readings),
        CONFORMANCE_TEST(store_file_is_closed_to_others),
        CONFORMANCE_TEST(damaged_file_is_found),
        CONFORMANCE_TEST(slow_readers_do_not_hold_the_log),
        CONFORMANCE_TEST(backup_while_a_writer_is_in_a_transaction),
        CONFORMANCE_TEST(backup_overwrites_nothing),
        CONFORMANCE_TEST(one_backup_at_a_time),
        CONFORMANCE_TEST(killed_backups_leave_no_half_copy),
    };
    int failed = conformance_run(&sqlite);
    failed += cmocka_run_group_tests_name(conformance_name("file"), tests, NULL, NULL);
    return failed;
}
