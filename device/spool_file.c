#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "device/spool_internal.h"

#define APPLICATION_ID 0x50485370 /* "PHSp" */

enum {
    BUSY_MS = 5000,
    PAGE_BYTES = 4096,
    PAGES_FREE_MIN = 64, /* far more than an append takes: 256 KiB */
};

static const char *const steps[] = {
    "CREATE TABLE spool ("
    " id INTEGER PRIMARY KEY,"
    " identity TEXT NOT NULL UNIQUE,"
    " stream INTEGER NOT NULL,"
    " captured INTEGER NOT NULL DEFAULT 0,"
    " acknowledged INTEGER NOT NULL DEFAULT 0,"
    " pending INTEGER NOT NULL DEFAULT 0,"
    " dropped INTEGER NOT NULL DEFAULT 0,"
    " pending_bytes INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE TABLE reading ("
    " spool INTEGER NOT NULL REFERENCES spool (id),"
    " seq INTEGER NOT NULL,"
    " time_ms INTEGER NOT NULL,"
    " json TEXT NOT NULL,"
    " PRIMARY KEY (spool, seq)) STRICT, WITHOUT ROWID;",
    /* boot: NULL when time_ms counts from 1970, otherwise the boot it counts from. What an older
     * program captured it may have sent, too. */
    "ALTER TABLE spool ADD COLUMN released INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE spool ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;"
    "UPDATE spool SET released = captured;"
    "ALTER TABLE reading ADD COLUMN boot TEXT;",
};
enum { STEP_COUNT = sizeof steps / sizeof steps[0] };

/* The lock is a file of its own: SQLite's locks come and go with transactions, and a second
 * descriptor on the database itself would break them when it is closed (fcntl(2)). */
static enum ph_err take_lock(const char *path, int *out, struct ph_error *error)
{
    char name[PATH_MAX];
    if (snprintf(name, sizeof name, "%s.lock", path) >= (int)sizeof name) {
        return ph_error_set(error, PH_ERR_LIMIT, "%s: path too long", path);
    }
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return ph_error_set_errno(error, errno, "%s: open the spool's lock", name);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int failed = errno;
        (void)close(fd);
        return failed == EWOULDBLOCK
                   ? ph_error_set(error, PH_ERR_BUSY,
                         "%s: in use by another process; give each its own spool, or end the other",
                         path)
                   : ph_error_set_errno(error, failed, "%s: lock", name);
    }
    *out = fd;
    return PH_OK;
}

/* What SQLite's log grows to before it is written back, in pages of 4 KiB: a quarter of its
 * default, so that the reserve can be small, where each append is synced anyway. */
static int64_t log_pages(enum ph_spool_sync sync)
{
    return sync == PH_SPOOL_SYNC_OS ? 1000 : 250;
}

/* The log is also cut back after a large transaction, such as the acknowledgement of a long outage.
 */
static enum ph_err configure(struct ph_spool_file *file, struct ph_error *error)
{
    char sql[96];
    (void)snprintf(sql, sizeof sql,
        "PRAGMA journal_size_limit=4194304; PRAGMA wal_autocheckpoint=%" PRId64,
        log_pages(file->sync));
    enum ph_err err = ph_db_exec(file->db, sql, error);
    if (err == PH_OK && file->sync == PH_SPOOL_SYNC_OS) {
        err = ph_db_exec(file->db, "PRAGMA synchronous=NORMAL", error);
    }
    return err;
}

static enum ph_err open_database(
    struct ph_spool_file *file, const char *path, struct ph_error *error)
{
    ph_db_close(&file->db);
    enum ph_err err = ph_db_open(path, PH_DB_CREATE, BUSY_MS, &file->db, error);
    if (err == PH_OK) {
        err = ph_db_migrate(file->db, APPLICATION_ID, steps, STEP_COUNT, error);
    }
    if (err == PH_OK) {
        err = configure(file, error);
    }
    return err;
}

enum ph_err ph_spool_file_open(const char *path, enum ph_spool_sync sync, const char *boot,
    struct ph_spool_file **out, struct ph_error *error)
{
    struct ph_spool_file *file = calloc(1, sizeof *file);
    if (file == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
    }
    file->lock_fd = -1;
    file->sync = sync;
    (void)snprintf(file->boot, sizeof file->boot, "%s", boot);
    enum ph_err err = take_lock(path, &file->lock_fd, error);
    if (err == PH_OK) {
        /* The log, what it has of new pages of the database, and as much again. */
        ph_spool_reserve_open(&file->reserve, path, INT64_C(3) * PAGE_BYTES * log_pages(sync));
        err = open_database(file, path, error);
    }
    if (ph_spool_file_makes_room(file, err, error)) {
        err = open_database(file, path, error);
    }
    if (err != PH_OK) {
        ph_spool_file_close(&file);
        return err;
    }
    *out = file;
    return PH_OK;
}

bool ph_spool_file_makes_room(struct ph_spool_file *file, enum ph_err err, struct ph_error *error)
{
    if (err != PH_ERR_IO || !ph_spool_reserve_give_up(&file->reserve)) {
        return false;
    }
    ph_error_clear(error);
    return true;
}

static enum ph_err count_free_pages(
    struct ph_spool_file *file, int64_t *pages, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    enum ph_err err = ph_stmt_prepare(file->db, "PRAGMA freelist_count", &stmt, error);
    if (err == PH_OK) {
        err = ph_stmt_step(stmt, &row, error);
    }
    *pages = err == PH_OK && row ? ph_stmt_int64(stmt, 0) : 0;
    ph_stmt_free(&stmt);
    return err;
}

/* An acknowledgement writes each page once at most, and the log is written back in time: a small
 * database needs but a part of the reserve. */
static bool disk_has_room(const struct ph_spool_file *file)
{
    struct stat db;
    struct statvfs disk;
    const char *path = ph_db_path(file->db);
    return stat(path, &db) == 0 && statvfs(path, &disk) == 0 &&
           (int64_t)(disk.f_bavail * disk.f_frsize) >=
               PAGE_BYTES * log_pages(file->sync) + 2 * (int64_t)db.st_size;
}

enum ph_err ph_spool_file_room(struct ph_spool_file *file, struct ph_error *error)
{
    int64_t pages = 0;
    ph_spool_reserve_tend(&file->reserve);
    if (file->reserve.state != PH_SPOOL_RESERVE_SPENT) {
        return PH_OK;
    }
    enum ph_err err = count_free_pages(file, &pages, error);
    if (err == PH_OK && pages < PAGES_FREE_MIN && !disk_has_room(file)) {
        return ph_error_set(error, PH_ERR_IO,
            "%s: the disk is full, and what is left is for acknowledgements; make room on it",
            ph_db_path(file->db));
    }
    return err;
}

void ph_spool_file_close(struct ph_spool_file **file)
{
    if (*file == NULL) {
        return;
    }
    ph_db_close(&(*file)->db);
    ph_spool_reserve_fini(&(*file)->reserve);
    if ((*file)->lock_fd >= 0) {
        (void)close((*file)->lock_fd);
    }
    free(*file);
    *file = NULL;
}

struct ph_spool_counters ph_spool_counters_read(const struct ph_stmt *stmt, int column)
{
    return (struct ph_spool_counters){
        .stream = (uint64_t)ph_stmt_int64(stmt, column),
        .captured = ph_stmt_int64(stmt, column + 1),
        .acknowledged = ph_stmt_int64(stmt, column + 2),
        .pending = ph_stmt_int64(stmt, column + 3),
        .dropped = ph_stmt_int64(stmt, column + 4),
        .pending_bytes = ph_stmt_int64(stmt, column + 5),
        .released = ph_stmt_int64(stmt, column + 6),
        .lost = ph_stmt_int64(stmt, column + 7),
    };
}

enum ph_err ph_spool_list(
    const char *path, ph_spool_visit *visit, void *context, struct ph_error *error)
{
    struct ph_db *db = NULL;
    struct ph_stmt *stmt = NULL;
    bool row = false;
    enum ph_err err = ph_db_open(path, PH_DB_READ, BUSY_MS, &db, error);
    if (err == PH_OK) {
        err = ph_db_migrate(db, APPLICATION_ID, steps, STEP_COUNT, error);
    }
    if (err == PH_OK) {
        err = ph_stmt_prepare(
            db, "SELECT identity, " PH_SPOOL_COLUMNS " FROM spool ORDER BY identity", &stmt, error);
    }
    if (err == PH_OK) {
        err = ph_stmt_step(stmt, &row, error);
    }
    while (err == PH_OK && row) {
        struct ph_spool_counters counters = ph_spool_counters_read(stmt, 1);
        err = visit(context, ph_stmt_text(stmt, 0), &counters, error);
        if (err == PH_OK) {
            err = ph_stmt_step(stmt, &row, error);
        }
    }
    ph_stmt_free(&stmt);
    ph_db_close(&db);
    return err;
}
