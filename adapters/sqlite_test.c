#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/sqlite.h"

enum { OURS = 0x70687465 };

static const char *const steps[] = {
    "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT UNIQUE)",
    "ALTER TABLE t ADD COLUMN c BLOB",
    "not SQL at all",
};

struct fixture {
    char dir[64];
    char path[96];
    struct ph_db *db;
    struct ph_error error;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/ph-sqlite-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof f->path, "%s/x.db", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    ph_db_close(&f->db);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s%s", f->path, suffixes[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

static void open_ours(struct fixture *f, int count)
{
    assert_int_equal(ph_db_open(f->path, PH_DB_CREATE, 100, &f->db, &f->error), PH_OK);
    assert_int_equal(ph_db_migrate(f->db, OURS, steps, count, &f->error), PH_OK);
}

static void assert_says(struct fixture *f, enum ph_err have, enum ph_err want, const char *text)
{
    assert_int_equal(have, want);
    if (strstr(f->error.message, text) == NULL) {
        fail_msg("want \"%s\" in \"%s\"", text, f->error.message);
    }
    ph_error_clear(&f->error);
}

static int64_t number(struct fixture *f, const char *sql)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    assert_int_equal(ph_stmt_prepare(f->db, sql, &stmt, &f->error), PH_OK);
    assert_int_equal(ph_stmt_step(stmt, &row, &f->error), PH_OK);
    assert_true(row);
    int64_t value = ph_stmt_int64(stmt, 0);
    ph_stmt_free(&stmt);
    return value;
}

static void creates_closed_file_in_wal_mode(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    open_ours(f, 2);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(number(f, "PRAGMA synchronous"), 2);
    assert_int_equal(number(f, "PRAGMA foreign_keys"), 1);
    assert_int_equal(number(f, "PRAGMA trusted_schema"), 0);
    assert_int_equal(number(f, "PRAGMA user_version"), 2);
    assert_int_equal(number(f, "PRAGMA application_id"), OURS);
    assert_int_equal(number(f, "SELECT journal_mode='wal' FROM pragma_journal_mode"), 1);
    assert_string_equal(ph_db_path(f->db), f->path);
}

static void every_type_comes_back(void **state)
{
    struct fixture *f = *state;
    struct ph_stmt *stmt = NULL;
    bool row = false;
    size_t len = 0;
    open_ours(f, 2);
    assert_int_equal(
        ph_stmt_prepare(f->db, "SELECT ?1 AS i, ?2, ?3, ?4, ?5, ?6", &stmt, &f->error), PH_OK);
    assert_int_equal(ph_stmt_columns(stmt), 6);
    assert_string_equal(ph_stmt_column_name(stmt, 0), "i");
    ph_stmt_bind_int64(stmt, 1, INT64_MIN);
    ph_stmt_bind_double(stmt, 2, 0.1);
    ph_stmt_bind_text(stmt, 3, "grad \xc2\xb0");
    ph_stmt_bind_bytes(stmt, 4, "a\0b", 3);
    ph_stmt_bind_bytes(stmt, 5, NULL, 0);
    assert_int_equal(ph_stmt_step(stmt, &row, &f->error), PH_OK);
    assert_true(row);
    assert_true(ph_stmt_int64(stmt, 0) == INT64_MIN);
    assert_true(ph_stmt_double(stmt, 1) == 0.1);
    assert_string_equal(ph_stmt_text(stmt, 2), "grad \xc2\xb0");
    assert_memory_equal(ph_stmt_bytes(stmt, 3, &len), "a\0b", 3);
    assert_int_equal(len, 3);
    assert_int_equal(ph_stmt_column_type(stmt, 0), PH_COLUMN_INTEGER);
    assert_int_equal(ph_stmt_column_type(stmt, 1), PH_COLUMN_REAL);
    assert_int_equal(ph_stmt_column_type(stmt, 2), PH_COLUMN_TEXT);
    assert_int_equal(ph_stmt_column_type(stmt, 4), PH_COLUMN_BYTES);
    assert_int_equal(ph_stmt_column_type(stmt, 5), PH_COLUMN_NULL);
    assert_null(ph_stmt_text(stmt, 5));
    assert_true(ph_stmt_is_null(stmt, 5));
    assert_int_equal(ph_stmt_step(stmt, &row, &f->error), PH_OK);
    assert_false(row);
    assert_int_equal(ph_stmt_step(stmt, &row, &f->error), PH_OK);
    assert_true(ph_stmt_is_null(stmt, 0)); /* parameters are NULL again after the end */
    ph_stmt_free(&stmt);
    ph_stmt_free(&stmt);
}

static void rolls_back(void **state)
{
    struct fixture *f = *state;
    open_ours(f, 2);
    assert_int_equal(ph_db_begin(f->db, &f->error), PH_OK);
    assert_int_equal(ph_db_exec(f->db, "INSERT INTO t(b) VALUES ('x')", &f->error), PH_OK);
    assert_int_equal(ph_db_changes(f->db), 1);
    assert_int_equal(ph_db_last_rowid(f->db), 1);
    ph_db_rollback(f->db);
    ph_db_rollback(f->db);
    assert_int_equal(number(f, "SELECT count(*) FROM t"), 0);
    assert_int_equal(ph_db_begin(f->db, &f->error), PH_OK);
    assert_int_equal(ph_db_exec(f->db, "INSERT INTO t(b) VALUES ('x')", &f->error), PH_OK);
    assert_int_equal(ph_db_commit(f->db, &f->error), PH_OK);
    assert_int_equal(number(f, "SELECT count(*) FROM t"), 1);
}

static void constraint_is_exists(void **state)
{
    struct fixture *f = *state;
    struct ph_stmt *stmt = NULL;
    open_ours(f, 2);
    assert_int_equal(
        ph_stmt_prepare(f->db, "INSERT INTO t(b) VALUES (?1)", &stmt, &f->error), PH_OK);
    ph_stmt_bind_text(stmt, 1, "x");
    assert_int_equal(ph_stmt_run(stmt, &f->error), PH_OK);
    ph_stmt_bind_text(stmt, 1, "x");
    assert_says(f, ph_stmt_run(stmt, &f->error), PH_ERR_EXISTS, "UNIQUE constraint failed: t.b");
    ph_stmt_bind_text(stmt, 2, "no such parameter");
    assert_says(f, ph_stmt_run(stmt, &f->error), PH_ERR_INTERNAL, "bind parameter");
    ph_stmt_bind_text(stmt, 1, "y"); /* usable again */
    assert_int_equal(ph_stmt_run(stmt, &f->error), PH_OK);
    ph_stmt_free(&stmt);
}

static void run_refuses_rows(void **state)
{
    struct fixture *f = *state;
    struct ph_stmt *stmt = NULL;
    open_ours(f, 2);
    assert_int_equal(ph_stmt_prepare(f->db, "SELECT 1", &stmt, &f->error), PH_OK);
    assert_says(f, ph_stmt_run(stmt, &f->error), PH_ERR_INTERNAL, "it yields rows");
    ph_stmt_free(&stmt);
}

static void locked_is_busy(void **state)
{
    struct fixture *f = *state;
    struct ph_db *other = NULL;
    open_ours(f, 2);
    assert_int_equal(ph_db_open(f->path, PH_DB_WRITE, 0, &other, &f->error), PH_OK);
    assert_int_equal(ph_db_begin(f->db, &f->error), PH_OK);
    assert_says(f, ph_db_begin(other, &f->error), PH_ERR_BUSY, "locked; another process holds it");
    assert_int_equal(ph_db_commit(f->db, &f->error), PH_OK);
    ph_db_close(&other);
}

static void full_is_io_and_rolled_back(void **state)
{
    struct fixture *f = *state;
    open_ours(f, 2);
    assert_int_equal(number(f, "PRAGMA max_page_count=8"), 8);
    assert_int_equal(ph_db_begin(f->db, &f->error), PH_OK);
    assert_says(f, ph_db_exec(f->db, "INSERT INTO t(c) VALUES (zeroblob(100000))", &f->error),
        PH_ERR_IO, "database or disk is full; free some disk space");
    ph_db_rollback(f->db);
    assert_int_equal(number(f, "SELECT count(*) FROM t"), 0);
}

static void deleted_file_is_noticed(void **state)
{
    struct fixture *f = *state;
    open_ours(f, 2);
    assert_int_equal(unlink(f->path), 0);
    assert_says(f, ph_db_begin(f->db, &f->error), PH_ERR_IO, "was moved or deleted under us");
}

static void missing_file(void **state)
{
    struct fixture *f = *state;
    assert_says(f, ph_db_open(f->path, PH_DB_READ, 0, &f->db, &f->error), PH_ERR_NOT_FOUND,
        "x.db: open database: No such file");
    assert_says(f, ph_db_open(f->path, PH_DB_WRITE, 0, &f->db, &f->error), PH_ERR_NOT_FOUND,
        "x.db: open database: No such file");
    assert_says(f, ph_db_open("/nonexistent/x.db", PH_DB_CREATE, 0, &f->db, &f->error),
        PH_ERR_NOT_FOUND, "/nonexistent/x.db: create database: No such file");
    assert_null(f->db);
}

static void not_a_database(void **state)
{
    struct fixture *f = *state;
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    for (int i = 0; i < 100; i++) {
        assert_true(fputs("this is text, not a database\n", file) >= 0);
    }
    assert_int_equal(fclose(file), 0);
    assert_says(f, ph_db_open(f->path, PH_DB_CREATE, 0, &f->db, &f->error), PH_ERR_INPUT,
        "file is not a database; name another file");
    assert_null(f->db);
}

static void foreign_database_is_left_alone(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ph_db_open(f->path, PH_DB_CREATE, 0, &f->db, &f->error), PH_OK);
    assert_int_equal(
        ph_db_exec(f->db, "PRAGMA journal_mode=DELETE; CREATE TABLE theirs(x)", &f->error), PH_OK);
    ph_db_close(&f->db);
    assert_int_equal(ph_db_open(f->path, PH_DB_CREATE, 0, &f->db, &f->error), PH_OK);
    assert_says(f, ph_db_migrate(f->db, OURS, steps, 2, &f->error), PH_ERR_INPUT,
        "application id: want 0x70687465, have 0x00000000: this database belongs to something");
    assert_int_equal(number(f, "SELECT journal_mode='delete' FROM pragma_journal_mode"), 1);
    assert_int_equal(number(f, "SELECT count(*) FROM sqlite_schema"), 1);
}

static void migrates_step_by_step(void **state)
{
    struct fixture *f = *state;
    open_ours(f, 1);
    assert_int_equal(ph_db_exec(f->db, "INSERT INTO t(b) VALUES ('kept')", &f->error), PH_OK);
    assert_int_equal(ph_db_migrate(f->db, OURS, steps, 2, &f->error), PH_OK);
    assert_int_equal(number(f, "SELECT count(*) FROM t WHERE c IS NULL"), 1);
    assert_says(
        f, ph_db_migrate(f->db, OURS, steps, 3, &f->error), PH_ERR_INTERNAL, "schema version 3: ");
    assert_int_equal(number(f, "PRAGMA user_version"), 2);
    assert_says(f, ph_db_migrate(f->db, OURS, steps, 1, &f->error), PH_ERR_INPUT,
        "schema version: want at most 1, have 2: written by a newer program");
}

static enum ph_err fill(struct ph_db *db, struct ph_error *error)
{
    return ph_db_exec(db, "INSERT INTO t DEFAULT VALUES", error);
}

static enum ph_err fill_and_fail(struct ph_db *db, struct ph_error *error)
{
    enum ph_err err = fill(db, error);
    return err == PH_OK ? ph_error_set(error, PH_ERR_CONFIG, "no such luck") : err;
}

/* Statements and function of a step are one transaction, with the version. */
static void steps_may_be_functions(void **state)
{
    struct fixture *f = *state;
    struct ph_db_step with[] = {
        {steps[0], fill}, {"ALTER TABLE t ADD COLUMN c", fill_and_fail}, {NULL, NULL}};
    assert_int_equal(ph_db_open(f->path, PH_DB_CREATE, 100, &f->db, &f->error), PH_OK);
    assert_says(f, ph_db_upgrade(f->db, OURS, with, 3, &f->error), PH_ERR_CONFIG,
        "schema version 2: no such luck");
    assert_int_equal(number(f, "PRAGMA user_version"), 1);
    assert_int_equal(number(f, "SELECT count(*) FROM t"), 1);
    assert_int_equal(number(f, "SELECT count(*) FROM pragma_table_info('t')"), 2);
    with[1].run = fill;
    assert_int_equal(ph_db_upgrade(f->db, OURS, with, 3, &f->error), PH_OK);
    assert_int_equal(number(f, "PRAGMA user_version"), 3);
    assert_int_equal(number(f, "SELECT count(*) FROM t"), 2);
}

static void borrowed_text_needs_no_terminator(void **state)
{
    struct fixture *f = *state;
    struct ph_stmt *stmt = NULL;
    static const char text[] = {'a', 'b', 'c', 'd'};
    open_ours(f, 1);
    assert_int_equal(
        ph_stmt_prepare(f->db, "INSERT INTO t(b) VALUES (?1)", &stmt, &f->error), PH_OK);
    ph_stmt_bind_borrowed_text(stmt, 1, text, 3);
    assert_int_equal(ph_stmt_run(stmt, &f->error), PH_OK);
    ph_stmt_bind_borrowed_text(stmt, 1, text, 0);
    assert_int_equal(ph_stmt_run(stmt, &f->error), PH_OK);
    ph_stmt_free(&stmt);
    assert_int_equal(number(f, "SELECT count(*) FROM t WHERE b IN ('abc', '')"), 2);
}

static void reader_only_checks(void **state)
{
    struct fixture *f = *state;
    struct ph_db *reader = NULL;
    open_ours(f, 1);
    assert_int_equal(ph_db_open(f->path, PH_DB_READ, 0, &reader, &f->error), PH_OK);
    assert_int_equal(ph_db_migrate(reader, OURS, steps, 1, &f->error), PH_OK);
    assert_says(f, ph_db_migrate(reader, OURS, steps, 2, &f->error), PH_ERR_INPUT,
        "schema version: want 2, have 1: run the program that writes");
    assert_says(f, ph_db_exec(reader, "INSERT INTO t(b) VALUES ('x')", &f->error),
        PH_ERR_PERMISSION, "readonly database");
    ph_db_close(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(creates_closed_file_in_wal_mode, setup, teardown),
        cmocka_unit_test_setup_teardown(every_type_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(rolls_back, setup, teardown),
        cmocka_unit_test_setup_teardown(constraint_is_exists, setup, teardown),
        cmocka_unit_test_setup_teardown(run_refuses_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(locked_is_busy, setup, teardown),
        cmocka_unit_test_setup_teardown(full_is_io_and_rolled_back, setup, teardown),
        cmocka_unit_test_setup_teardown(deleted_file_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(missing_file, setup, teardown),
        cmocka_unit_test_setup_teardown(not_a_database, setup, teardown),
        cmocka_unit_test_setup_teardown(foreign_database_is_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(migrates_step_by_step, setup, teardown),
        cmocka_unit_test_setup_teardown(steps_may_be_functions, setup, teardown),
        cmocka_unit_test_setup_teardown(borrowed_text_needs_no_terminator, setup, teardown),
        cmocka_unit_test_setup_teardown(reader_only_checks, setup, teardown),
    };
    return cmocka_run_group_tests_name("ph.adapters.sqlite", tests, NULL, NULL);
}
