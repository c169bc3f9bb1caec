#include "adapters/sqlite_db.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

struct ph_db {
    sqlite3 *handle;
    enum ph_db_mode mode;
    char *path;
};

struct ph_stmt {
    sqlite3_stmt *stmt;
    struct ph_db *db;
    int bind_result; /* the first failure since the last run */
};

static enum ph_err code_of(sqlite3 *handle, int result)
{
    if (result == SQLITE_READONLY_DBMOVED) {
        return PH_ERR_IO;
    }
    switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return PH_ERR_BUSY;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
        return PH_ERR_IO;
    case SQLITE_CANTOPEN:
        return handle != NULL && sqlite3_system_errno(handle) == ENOENT ? PH_ERR_NOT_FOUND
                                                                        : PH_ERR_PERMISSION;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return PH_ERR_PERMISSION;
    case SQLITE_NOTADB:
        return PH_ERR_INPUT;
    case SQLITE_CONSTRAINT:
        return PH_ERR_EXISTS;
    case SQLITE_NOMEM:
        return PH_ERR_MEMORY;
    case SQLITE_TOOBIG:
        return PH_ERR_LIMIT;
    default:
        return PH_ERR_INTERNAL;
    }
}

static const char *advice_for(int result)
{
    switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "; another process holds it: try again, or end that process";
    case SQLITE_FULL:
        return "; free some disk space";
    case SQLITE_IOERR:
        return "; check the disk: full, failing, or gone";
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        return "; check that the file and its folder exist and are writable";
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return "; name another file, or restore this one from a backup";
    default:
        return "";
    }
}

static enum ph_err fail(
    const struct ph_db *db, int result, const char *doing, struct ph_error *error)
{
    enum ph_err err = code_of(db->handle, result);
    const char *said =
        db->handle != NULL ? sqlite3_errmsg(db->handle) : sqlite3_errstr(result & 0xff);
    (void)ph_error_set(error, err, "%s: %s: %s%s", db->path, doing, said, advice_for(result));
    return err;
}

/* SQLite would make the file with the umask's mode; its -wal and -shm files take the mode of this
 * one. An existing file must not be opened and closed here: that would drop the POSIX locks of
 * another handle in this process. */
static enum ph_err make_file(const char *path, struct ph_error *error)
{
    if (ph_path_exists(path)) {
        return PH_OK;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST) {
        return ph_error_set_errno(error, errno, "%s: create database", path);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return PH_OK;
}

static enum ph_err check_file(const char *path, enum ph_db_mode mode, struct ph_error *error)
{
    if (mode == PH_DB_CREATE) {
        enum ph_err err = make_file(path, error);
        if (err != PH_OK) {
            return err;
        }
    }
    if (access(path, mode == PH_DB_READ ? R_OK : R_OK | W_OK) != 0) {
        return ph_error_set_errno(error, errno, "%s: open database", path);
    }
    return PH_OK;
}

enum ph_err ph_db_query_int64(
    struct ph_db *db, const char *sql, int64_t *out, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    enum ph_err err = ph_stmt_prepare(db, sql, &stmt, error);
    if (stmt != NULL) {
        err = ph_stmt_step(stmt, &row, error);
    }
    if (err == PH_OK && row) {
        *out = ph_stmt_int64(stmt, 0);
    }
    ph_stmt_free(&stmt);
    return err;
}

enum ph_err ph_db_use_wal(struct ph_db *db, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    enum ph_err err = ph_stmt_prepare(db, "PRAGMA journal_mode=WAL", &stmt, error);
    if (stmt != NULL) {
        err = ph_stmt_step(stmt, &row, error);
    }
    if (err == PH_OK && (!row || sqlite3_stricmp(ph_stmt_text(stmt, 0), "wal") != 0)) {
        err = ph_error_set(error, PH_ERR_IO,
            "%s: write-ahead log: this file system does not support it; keep the database on a "
            "local disk",
            db->path);
    }
    ph_stmt_free(&stmt);
    return err;
}

/* A database that has content already may be somebody else's: its journal mode is left alone until
 * ph_db_migrate() has seen that it is ours. */
static enum ph_err configure(struct ph_db *db, int busy_ms, struct ph_error *error)
{
    (void)sqlite3_extended_result_codes(db->handle, 1);
    (void)sqlite3_busy_timeout(db->handle, busy_ms);
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    enum ph_err err = ph_db_exec(db, "PRAGMA synchronous=FULL", error);
    int64_t pages = 0;
    if (err == PH_OK) {
        err = ph_db_query_int64(db, "PRAGMA page_count", &pages, error); /* reads the header */
    }
    if (err == PH_OK && db->mode != PH_DB_READ && pages == 0) {
        err = ph_db_use_wal(db, error);
    }
    return err;
}

enum ph_err ph_db_open(
    const char *path, enum ph_db_mode mode, int busy_ms, struct ph_db **out, struct ph_error *error)
{
    enum ph_err err = check_file(path, mode, error);
    if (err != PH_OK) {
        return err;
    }
    struct ph_db *db = calloc(1, sizeof *db);
    if (db == NULL || (db->path = strdup(path)) == NULL) {
        free(db);
        return ph_error_set(error, PH_ERR_MEMORY, "%s: open database: out of memory", path);
    }
    db->mode = mode;
    int flags =
        SQLITE_OPEN_NOMUTEX | (mode == PH_DB_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
    int result = sqlite3_open_v2(path, &db->handle, flags, NULL);
    err = result == SQLITE_OK ? configure(db, busy_ms, error)
                              : fail(db, result, "open database", error);
    if (err != PH_OK) {
        ph_db_close(&db);
        return err;
    }
    *out = db;
    return PH_OK;
}

void ph_db_close(struct ph_db **db)
{
    if (*db == NULL) {
        return;
    }
    (void)sqlite3_close_v2((*db)->handle);
    free((*db)->path);
    free(*db);
    *db = NULL;
}

enum ph_err ph_db_exec(struct ph_db *db, const char *sql, struct ph_error *error)
{
    int result = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return result == SQLITE_OK ? PH_OK : fail(db, result, "run statement", error);
}

/* What is written to a file that was deleted or replaced is lost without any error. */
static enum ph_err check_in_place(struct ph_db *db, struct ph_error *error)
{
    int moved = 0;
    (void)sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    return moved == 0 ? PH_OK
                      : ph_error_set(error, PH_ERR_IO,
                            "%s: begin transaction: the file was moved or deleted under us; open "
                            "it again",
                            db->path);
}

enum ph_err ph_db_begin(struct ph_db *db, struct ph_error *error)
{
    enum ph_err err = check_in_place(db, error);
    if (err != PH_OK) {
        return err;
    }
    int result = sqlite3_exec(db->handle, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    return result == SQLITE_OK ? PH_OK : fail(db, result, "begin transaction", error);
}

enum ph_err ph_db_commit(struct ph_db *db, struct ph_error *error)
{
    int result = sqlite3_exec(db->handle, "COMMIT", NULL, NULL, NULL);
    if (result == SQLITE_OK) {
        return PH_OK;
    }
    enum ph_err err = fail(db, result, "commit", error);
    ph_db_rollback(db);
    return err;
}

void ph_db_rollback(struct ph_db *db)
{
    if (sqlite3_get_autocommit(db->handle) == 0) {
        (void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    }
}

int64_t ph_db_last_rowid(const struct ph_db *db)
{
    return sqlite3_last_insert_rowid(db->handle);
}

int64_t ph_db_changes(const struct ph_db *db)
{
    return sqlite3_changes64(db->handle);
}

const char *ph_db_path(const struct ph_db *db)
{
    return db->path;
}

bool ph_db_is_read_only(const struct ph_db *db)
{
    return db->mode == PH_DB_READ;
}

enum ph_err ph_stmt_prepare(
    struct ph_db *db, const char *sql, struct ph_stmt **out, struct ph_error *error)
{
    struct ph_stmt *stmt = calloc(1, sizeof *stmt);
    if (stmt == NULL) {
        (void)ph_error_set(error, PH_ERR_MEMORY, "%s: prepare statement: out of memory", db->path);
        return PH_ERR_MEMORY;
    }
    stmt->db = db;
    int result =
        sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt->stmt, NULL);
    if (result != SQLITE_OK) {
        enum ph_err err = fail(db, result, "prepare statement", error);
        ph_stmt_free(&stmt);
        return err;
    }
    *out = stmt;
    return PH_OK;
}

void ph_stmt_free(struct ph_stmt **stmt)
{
    if (*stmt == NULL) {
        return;
    }
    (void)sqlite3_finalize((*stmt)->stmt);
    free(*stmt);
    *stmt = NULL;
}

static void note_bind(struct ph_stmt *stmt, int result)
{
    if (result != SQLITE_OK && stmt->bind_result == SQLITE_OK) {
        stmt->bind_result = result;
    }
}

void ph_stmt_bind_int64(struct ph_stmt *stmt, int index, int64_t value)
{
    note_bind(stmt, sqlite3_bind_int64(stmt->stmt, index, value));
}

void ph_stmt_bind_double(struct ph_stmt *stmt, int index, double value)
{
    note_bind(stmt, sqlite3_bind_double(stmt->stmt, index, value));
}

void ph_stmt_bind_text(struct ph_stmt *stmt, int index, const char *text)
{
    note_bind(stmt, sqlite3_bind_text(stmt->stmt, index, text, -1, SQLITE_TRANSIENT));
}

void ph_stmt_bind_bytes(struct ph_stmt *stmt, int index, const void *bytes, size_t len)
{
    note_bind(stmt, len == 0
                        ? sqlite3_bind_zeroblob(stmt->stmt, index, 0)
                        : sqlite3_bind_blob64(stmt->stmt, index, bytes, len, SQLITE_TRANSIENT));
}

void ph_stmt_bind_borrowed_text(struct ph_stmt *stmt, int index, const char *text, size_t len)
{
    note_bind(stmt, sqlite3_bind_text64(stmt->stmt, index, text, len, SQLITE_STATIC, SQLITE_UTF8));
}

enum ph_err ph_stmt_step(struct ph_stmt *stmt, bool *row, struct ph_error *error)
{
    *row = false;
    int result = stmt->bind_result != SQLITE_OK ? stmt->bind_result : sqlite3_step(stmt->stmt);
    if (result == SQLITE_ROW) {
        *row = true;
        return PH_OK;
    }
    enum ph_err err = PH_OK;
    if (result != SQLITE_DONE) {
        err = fail(stmt->db, result,
            stmt->bind_result != SQLITE_OK ? "bind parameter" : "run statement", error);
    }
    ph_stmt_reset(stmt);
    return err;
}

enum ph_err ph_stmt_run(struct ph_stmt *stmt, struct ph_error *error)
{
    bool row = false;
    enum ph_err err = ph_stmt_step(stmt, &row, error);
    if (err == PH_OK && row) {
        ph_stmt_reset(stmt);
        err = ph_error_set(
            error, PH_ERR_INTERNAL, "%s: run statement: it yields rows", stmt->db->path);
    }
    return err;
}

void ph_stmt_reset(struct ph_stmt *stmt)
{
    (void)sqlite3_reset(stmt->stmt);
    (void)sqlite3_clear_bindings(stmt->stmt);
    stmt->bind_result = SQLITE_OK;
}

int ph_stmt_columns(const struct ph_stmt *stmt)
{
    return sqlite3_column_count(stmt->stmt);
}

const char *ph_stmt_column_name(const struct ph_stmt *stmt, int column)
{
    return sqlite3_column_name(stmt->stmt, column);
}

bool ph_stmt_is_null(const struct ph_stmt *stmt, int column)
{
    return sqlite3_column_type(stmt->stmt, column) == SQLITE_NULL;
}

int64_t ph_stmt_int64(const struct ph_stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt->stmt, column);
}

double ph_stmt_double(const struct ph_stmt *stmt, int column)
{
    return sqlite3_column_double(stmt->stmt, column);
}

const char *ph_stmt_text(const struct ph_stmt *stmt, int column)
{
    return (const char *)sqlite3_column_text(stmt->stmt, column);
}

const void *ph_stmt_bytes(const struct ph_stmt *stmt, int column, size_t *len)
{
    const void *bytes = sqlite3_column_blob(stmt->stmt, column);
    *len = (size_t)sqlite3_column_bytes(stmt->stmt, column);
    return bytes;
}

enum ph_column_type ph_stmt_column_type(const struct ph_stmt *stmt, int column)
{
    switch (sqlite3_column_type(stmt->stmt, column)) {
    case SQLITE_INTEGER:
        return PH_COLUMN_INTEGER;
    case SQLITE_FLOAT:
        return PH_COLUMN_REAL;
    case SQLITE_TEXT:
        return PH_COLUMN_TEXT;
    case SQLITE_BLOB:
        return PH_COLUMN_BYTES;
    default:
        return PH_COLUMN_NULL;
    }
}
