/* SQLite behind a small surface: what the spool, the inventory and the embedded store share. The
 * sqlite3 types appear nowhere outside sqlite.c. A handle belongs to one thread at a time.
 *
 * Error mapping: SQLITE_BUSY and LOCKED are PH_ERR_BUSY, FULL, IOERR and CORRUPT PH_ERR_IO,
 * READONLY, PERM and CANTOPEN PH_ERR_PERMISSION (or NOT_FOUND), NOTADB PH_ERR_INPUT, CONSTRAINT
 * PH_ERR_EXISTS; the message names the database file and what SQLite said. */
#ifndef PH_ADAPTERS_SQLITE_H
#define PH_ADAPTERS_SQLITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct ph_db;
struct ph_stmt;

enum ph_db_mode {
    PH_DB_READ,   /* must exist; never written */
    PH_DB_WRITE,  /* must exist */
    PH_DB_CREATE, /* made with mode 0600 when missing */
};

/* Opens with synchronous=FULL, foreign keys on, a busy timeout of `busy_ms`, and trusted_schema
 * off. A new database is put into WAL mode; one that has content is left as it is until
 * ph_db_migrate() has seen that it is ours. */
enum ph_err ph_db_open(const char *path, enum ph_db_mode mode, int busy_ms, struct ph_db **out,
    struct ph_error *error) PH_NODISCARD;
void ph_db_close(struct ph_db **db);

/* Runs one or more statements without results. */
enum ph_err ph_db_exec(struct ph_db *db, const char *sql, struct ph_error *error) PH_NODISCARD;

/* Brings the schema to steps[count-1]: step i takes user_version i to i+1, each in its own
 * transaction. A database from a newer program (user_version > count) is refused. `application_id`
 * marks the file as ours and refuses a foreign one (PH_ERR_INPUT, nothing written). A database
 * opened with PH_DB_READ is only checked: ours, and exactly this version. */
enum ph_err ph_db_migrate(struct ph_db *db, int32_t application_id, const char *const *steps,
    int count, struct ph_error *error) PH_NODISCARD;

/* The same for steps that no fixed text can say: `sql` (may be NULL) is run first, then `run` (may
 * be NULL), in the step's transaction. */
struct ph_db_step {
    const char *sql;
    enum ph_err (*run)(struct ph_db *db, struct ph_error *error);
};
enum ph_err ph_db_upgrade(struct ph_db *db, int32_t application_id, const struct ph_db_step *steps,
    int count, struct ph_error *error) PH_NODISCARD;

/* BEGIN IMMEDIATE, COMMIT, ROLLBACK. Begin fails with PH_ERR_IO when the file was moved or deleted
 * since it was opened. A failed commit has been rolled back when it returns. */
enum ph_err ph_db_begin(struct ph_db *db, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_db_commit(struct ph_db *db, struct ph_error *error) PH_NODISCARD;
void ph_db_rollback(struct ph_db *db);

/* The rowid of the last insert, the number of rows that the last statement changed, and the path as
 * it was given (borrowed). */
int64_t ph_db_last_rowid(const struct ph_db *db);
int64_t ph_db_changes(const struct ph_db *db);
const char *ph_db_path(const struct ph_db *db);

/* Prepared once, used many times; freed before its database is closed. */
enum ph_err ph_stmt_prepare(
    struct ph_db *db, const char *sql, struct ph_stmt **out, struct ph_error *error) PH_NODISCARD;
void ph_stmt_free(struct ph_stmt **stmt);

/* Parameters count from 1. Text and bytes are copied. A failure to bind is remembered and reported
 * by the next step. */
void ph_stmt_bind_int64(struct ph_stmt *stmt, int index, int64_t value);
void ph_stmt_bind_double(struct ph_stmt *stmt, int index, double value);
void ph_stmt_bind_text(struct ph_stmt *stmt, int index, const char *text); /* NULL binds NULL */
void ph_stmt_bind_bytes(struct ph_stmt *stmt, int index, const void *bytes, size_t len);

/* Not copied: the text must stay until the statement has run or is reset. */
void ph_stmt_bind_borrowed_text(struct ph_stmt *stmt, int index, const char *text, size_t len);

/* Next row: *row is false at the end (and after an error), and the statement is then reset, with
 * every parameter NULL again, ready to be bound. */
enum ph_err ph_stmt_step(struct ph_stmt *stmt, bool *row, struct ph_error *error) PH_NODISCARD;

/* Runs a statement that yields no row, and resets it. */
enum ph_err ph_stmt_run(struct ph_stmt *stmt, struct ph_error *error) PH_NODISCARD;

/* Abandons a result before its end; every parameter is NULL again. */
void ph_stmt_reset(struct ph_stmt *stmt);

/* Columns count from 0 and are borrowed until the next step or reset; text of a NULL column is
 * NULL. */
int ph_stmt_columns(const struct ph_stmt *stmt);
const char *ph_stmt_column_name(const struct ph_stmt *stmt, int column);
bool ph_stmt_is_null(const struct ph_stmt *stmt, int column);
int64_t ph_stmt_int64(const struct ph_stmt *stmt, int column);
double ph_stmt_double(const struct ph_stmt *stmt, int column);
const char *ph_stmt_text(const struct ph_stmt *stmt, int column);
const void *ph_stmt_bytes(const struct ph_stmt *stmt, int column, size_t *len);

enum ph_column_type {
    PH_COLUMN_NULL,
    PH_COLUMN_INTEGER,
    PH_COLUMN_REAL,
    PH_COLUMN_TEXT,
    PH_COLUMN_BYTES
};

/* The type of the value in this row, which may differ from the one the column was declared with. */
enum ph_column_type ph_stmt_column_type(const struct ph_stmt *stmt, int column);

#endif
