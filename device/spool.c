#include "device/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "adapters/sqlite.h"
#include "base/limits.h"
#include "base/random.h"

#define APPLICATION_ID 0x50485370 /* "PHSp" */

enum { BUSY_MS = 5000 };

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
};
enum { STEP_COUNT = sizeof steps / sizeof steps[0] };

struct ph_spool_file {
    struct ph_db *db;
    int lock_fd;
};

enum statement { COUNTERS, INSERT, OLDEST, DELETE_ONE, REMOVE, RANGE, RENUMBER, NEXT, STATEMENTS };

static const char *const sql[STATEMENTS] = {
    [COUNTERS] = "UPDATE spool SET stream = ?2, captured = ?3, acknowledged = ?4, pending = ?5,"
                 " dropped = ?6, pending_bytes = ?7 WHERE id = ?1",
    [INSERT] = "INSERT INTO reading (spool, seq, time_ms, json) VALUES (?1, ?2, ?3, ?4)",
    [OLDEST] =
        "SELECT seq, length(CAST(json AS BLOB)) FROM reading WHERE spool = ?1 ORDER BY seq LIMIT 1",
    [DELETE_ONE] = "DELETE FROM reading WHERE spool = ?1 AND seq = ?2",
    [REMOVE] = "DELETE FROM reading WHERE spool = ?1 AND seq BETWEEN ?2 AND ?3",
    [RANGE] = "SELECT count(*), coalesce(sum(length(CAST(json AS BLOB))), 0) FROM reading"
              " WHERE spool = ?1 AND seq BETWEEN ?2 AND ?3",
    /* Ascending, and no number grows, so no step meets a number that is still in use. */
    [RENUMBER] = "UPDATE reading SET seq = ?3 WHERE spool = ?1 AND seq = ?2",
    [NEXT] = "SELECT seq, json FROM reading WHERE spool = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
};

struct ph_spool {
    struct ph_spool_file *file;
    int64_t id;
    int64_t max_bytes;
    struct ph_spool_counters counters; /* as committed */
    int64_t offered; /* the highest number that ingest can know of: it was there before this
                        process, or was read for sending */
    struct ph_stmt *statements[STATEMENTS];
};

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

enum ph_err ph_spool_file_open(
    const char *path, enum ph_spool_sync sync, struct ph_spool_file **out, struct ph_error *error)
{
    struct ph_spool_file *file = calloc(1, sizeof *file);
    if (file == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
    }
    file->lock_fd = -1;
    enum ph_err err = take_lock(path, &file->lock_fd, error);
    if (err == PH_OK) {
        err = ph_db_open(path, PH_DB_CREATE, BUSY_MS, &file->db, error);
    }
    if (err == PH_OK) {
        err = ph_db_migrate(file->db, APPLICATION_ID, steps, STEP_COUNT, error);
    }
    if (err == PH_OK && sync == PH_SPOOL_SYNC_OS) {
        err = ph_db_exec(file->db, "PRAGMA synchronous=NORMAL", error);
    }
    if (err != PH_OK) {
        ph_spool_file_close(&file);
        return err;
    }
    *out = file;
    return PH_OK;
}

void ph_spool_file_close(struct ph_spool_file **file)
{
    if (*file == NULL) {
        return;
    }
    ph_db_close(&(*file)->db);
    if ((*file)->lock_fd >= 0) {
        (void)close((*file)->lock_fd);
    }
    free(*file);
    *file = NULL;
}

static struct ph_spool_counters read_counters(const struct ph_stmt *stmt, int column)
{
    return (struct ph_spool_counters){
        .stream = (uint64_t)ph_stmt_int64(stmt, column),
        .captured = ph_stmt_int64(stmt, column + 1),
        .acknowledged = ph_stmt_int64(stmt, column + 2),
        .pending = ph_stmt_int64(stmt, column + 3),
        .dropped = ph_stmt_int64(stmt, column + 4),
        .pending_bytes = ph_stmt_int64(stmt, column + 5),
    };
}

static enum ph_err find(
    struct ph_spool *spool, const char *identity, bool *found, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(spool->file->db,
        "SELECT id, stream, captured, acknowledged, pending, dropped, pending_bytes"
        " FROM spool WHERE identity = ?1",
        &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, identity);
        err = ph_stmt_step(stmt, found, error);
    }
    if (err == PH_OK && *found) {
        spool->id = ph_stmt_int64(stmt, 0);
        spool->counters = read_counters(stmt, 1);
        spool->offered = spool->counters.captured;
    }
    ph_stmt_free(&stmt);
    return err;
}

/* 64 random bits, never 0: the message format has no name for that. */
static uint64_t new_stream(void)
{
    uint64_t stream = 0;
    while (stream == 0) {
        stream = ph_random_u64();
    }
    return stream;
}

static enum ph_err make(struct ph_spool *spool, const char *identity, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    spool->counters = (struct ph_spool_counters){.stream = new_stream()};
    enum ph_err err = ph_stmt_prepare(
        spool->file->db, "INSERT INTO spool (identity, stream) VALUES (?1, ?2)", &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, identity);
        ph_stmt_bind_int64(stmt, 2, (int64_t)spool->counters.stream);
        err = ph_stmt_run(stmt, error);
    }
    if (err == PH_OK) {
        spool->id = ph_db_last_rowid(spool->file->db);
    }
    ph_stmt_free(&stmt);
    return err;
}

enum ph_err ph_spool_open(struct ph_spool_file *file, const char *identity, int64_t max_bytes,
    struct ph_spool **out, struct ph_error *error)
{
    struct ph_spool *spool = calloc(1, sizeof *spool);
    if (spool == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", ph_db_path(file->db));
    }
    spool->file = file;
    spool->max_bytes = max_bytes;
    bool found = false;
    enum ph_err err = find(spool, identity, &found, error);
    if (err == PH_OK && !found) {
        err = make(spool, identity, error);
    }
    for (int i = 0; i < STATEMENTS && err == PH_OK; i++) {
        err = ph_stmt_prepare(file->db, sql[i], &spool->statements[i], error);
    }
    if (err != PH_OK) {
        ph_spool_close(&spool);
        return err;
    }
    *out = spool;
    return PH_OK;
}

void ph_spool_close(struct ph_spool **spool)
{
    if (*spool == NULL) {
        return;
    }
    for (int i = 0; i < STATEMENTS; i++) {
        ph_stmt_free(&(*spool)->statements[i]);
    }
    free(*spool);
    *spool = NULL;
}

struct ph_spool_counters ph_spool_counters(const struct ph_spool *spool)
{
    return spool->counters;
}

/* The statement with the spool's id bound to ?1. */
static struct ph_stmt *use(const struct ph_spool *spool, enum statement which)
{
    ph_stmt_bind_int64(spool->statements[which], 1, spool->id);
    return spool->statements[which];
}

/* Ends a transaction: with `err` undone, otherwise counters written and committed, and only then
 * taken over into memory. */
static enum ph_err finish(struct ph_spool *spool, const struct ph_spool_counters *counters,
    enum ph_err err, struct ph_error *error)
{
    if (err == PH_OK) {
        struct ph_stmt *stmt = use(spool, COUNTERS);
        ph_stmt_bind_int64(stmt, 2, (int64_t)counters->stream);
        ph_stmt_bind_int64(stmt, 3, counters->captured);
        ph_stmt_bind_int64(stmt, 4, counters->acknowledged);
        ph_stmt_bind_int64(stmt, 5, counters->pending);
        ph_stmt_bind_int64(stmt, 6, counters->dropped);
        ph_stmt_bind_int64(stmt, 7, counters->pending_bytes);
        err = ph_stmt_run(stmt, error);
    }
    if (err != PH_OK) {
        ph_db_rollback(spool->file->db);
        return err;
    }
    err = ph_db_commit(spool->file->db, error);
    if (err == PH_OK) {
        spool->counters = *counters;
    }
    return err;
}

static enum ph_err drop_oldest(
    struct ph_spool *spool, struct ph_spool_counters *counters, struct ph_error *error)
{
    bool row = false;
    struct ph_stmt *stmt = use(spool, OLDEST);
    enum ph_err err = ph_stmt_step(stmt, &row, error);
    if (err != PH_OK || !row) {
        return err != PH_OK
                   ? err
                   : ph_error_set(error, PH_ERR_INTERNAL, "%s: counters do not match the readings",
                         ph_db_path(spool->file->db));
    }
    int64_t seq = ph_stmt_int64(stmt, 0);
    int64_t bytes = ph_stmt_int64(stmt, 1);
    ph_stmt_reset(stmt);
    stmt = use(spool, DELETE_ONE);
    ph_stmt_bind_int64(stmt, 2, seq);
    err = ph_stmt_run(stmt, error);
    counters->pending--;
    counters->dropped++;
    counters->pending_bytes -= bytes;
    return err;
}

static enum ph_err append_one(struct ph_spool *spool, const struct ph_spool_entry *entry,
    struct ph_spool_counters *counters, struct ph_error *error)
{
    size_t len = strlen(entry->json);
    if (len == 0 || len > PH_LIMIT_READING_BYTES) {
        return ph_error_set(error, PH_ERR_LIMIT, "spool: reading: want 1 to %d bytes, have %zu",
            PH_LIMIT_READING_BYTES, len);
    }
    if (counters->captured >= PH_LIMIT_SEQ) {
        return ph_error_set(error, PH_ERR_LIMIT, "spool: the stream's numbers are used up");
    }
    enum ph_err err = PH_OK;
    while (err == PH_OK && counters->pending > 0 &&
           counters->pending_bytes + (int64_t)len > spool->max_bytes) {
        err = drop_oldest(spool, counters, error);
    }
    if (err != PH_OK) {
        return err;
    }
    counters->captured++;
    counters->pending++;
    counters->pending_bytes += (int64_t)len;
    struct ph_stmt *stmt = use(spool, INSERT);
    ph_stmt_bind_int64(stmt, 2, counters->captured);
    ph_stmt_bind_int64(stmt, 3, entry->time_ms);
    ph_stmt_bind_text(stmt, 4, entry->json);
    return ph_stmt_run(stmt, error);
}

enum ph_err ph_spool_append(struct ph_spool *spool, const struct ph_spool_entry *entries,
    size_t count, int64_t *first, struct ph_error *error)
{
    struct ph_spool_counters counters = spool->counters;
    enum ph_err err = ph_db_begin(spool->file->db, error);
    if (err != PH_OK) {
        return err;
    }
    for (size_t i = 0; i < count && err == PH_OK; i++) {
        err = append_one(spool, &entries[i], &counters, error);
    }
    int64_t before = spool->counters.captured;
    err = finish(spool, &counters, err, error);
    if (err == PH_OK) {
        *first = before + 1;
    }
    return err;
}

enum ph_err ph_spool_next(struct ph_spool *spool, int64_t after, size_t count_max, size_t bytes_max,
    struct ph_spool_batch *batch, struct ph_error *error)
{
    *batch = (struct ph_spool_batch){.stream = spool->counters.stream};
    if (count_max > PH_LIMIT_MESSAGE_READINGS) {
        count_max = PH_LIMIT_MESSAGE_READINGS;
    }
    struct ph_stmt *stmt = use(spool, NEXT);
    ph_stmt_bind_int64(stmt, 2, after);
    ph_stmt_bind_int64(stmt, 3, (int64_t)count_max);
    size_t bytes = 0;
    bool row = false;
    enum ph_err err = ph_stmt_step(stmt, &row, error);
    while (err == PH_OK && row) {
        int64_t seq = ph_stmt_int64(stmt, 0);
        const char *json = ph_stmt_text(stmt, 1);
        bytes += strlen(json) + 1;
        if (batch->count > 0 &&
            (bytes > bytes_max || seq != batch->first + (int64_t)batch->count)) {
            break;
        }
        batch->texts[batch->count] = strdup(json);
        if (batch->texts[batch->count] == NULL) {
            err = ph_error_set(error, PH_ERR_MEMORY, "spool: out of memory");
            break;
        }
        batch->first = batch->count == 0 ? seq : batch->first;
        batch->count++;
        err = ph_stmt_step(stmt, &row, error);
    }
    ph_stmt_reset(stmt);
    int64_t last = batch->first + (int64_t)batch->count - 1;
    spool->offered = last > spool->offered ? last : spool->offered;
    return err;
}

void ph_spool_batch_fini(struct ph_spool_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        free(batch->texts[i]);
    }
    batch->count = 0;
}

static enum ph_err remove_range(struct ph_spool *spool, int64_t first, int64_t last,
    struct ph_spool_counters *counters, struct ph_error *error)
{
    bool row = false;
    struct ph_stmt *stmt = use(spool, RANGE);
    ph_stmt_bind_int64(stmt, 2, first);
    ph_stmt_bind_int64(stmt, 3, last);
    enum ph_err err = ph_stmt_step(stmt, &row, error);
    int64_t count = err == PH_OK && row ? ph_stmt_int64(stmt, 0) : 0;
    int64_t bytes = err == PH_OK && row ? ph_stmt_int64(stmt, 1) : 0;
    ph_stmt_reset(stmt);
    if (err != PH_OK || count == 0) {
        return err;
    }
    stmt = use(spool, REMOVE);
    ph_stmt_bind_int64(stmt, 2, first);
    ph_stmt_bind_int64(stmt, 3, last);
    err = ph_stmt_run(stmt, error);
    counters->acknowledged += count;
    counters->pending -= count;
    counters->pending_bytes -= bytes;
    return err;
}

static enum ph_err renumber(
    struct ph_spool *spool, struct ph_spool_counters *counters, struct ph_error *error)
{
    int64_t next = 1;
    int64_t after = 0;
    for (;;) {
        bool row = false;
        struct ph_stmt *stmt = use(spool, NEXT);
        ph_stmt_bind_int64(stmt, 2, after);
        ph_stmt_bind_int64(stmt, 3, 1);
        enum ph_err err = ph_stmt_step(stmt, &row, error);
        int64_t seq = err == PH_OK && row ? ph_stmt_int64(stmt, 0) : 0;
        ph_stmt_reset(stmt);
        if (err != PH_OK || !row) {
            counters->captured = next - 1;
            return err;
        }
        stmt = use(spool, RENUMBER);
        ph_stmt_bind_int64(stmt, 2, seq);
        ph_stmt_bind_int64(stmt, 3, next);
        err = ph_stmt_run(stmt, error);
        if (err != PH_OK) {
            return err;
        }
        after = seq;
        next++;
    }
}

static enum ph_err restart(struct ph_spool *spool, struct ph_error *error)
{
    struct ph_spool_counters counters = {
        .stream = new_stream(),
        .pending = spool->counters.pending,
        .pending_bytes = spool->counters.pending_bytes,
    };
    enum ph_err err = ph_db_begin(spool->file->db, error);
    if (err != PH_OK) {
        return err;
    }
    err = renumber(spool, &counters, error);
    err = finish(spool, &counters, err, error);
    spool->offered = err == PH_OK ? 0 : spool->offered;
    return err;
}

static bool beyond(const struct ph_ack *ack, int64_t offered)
{
    return ack->through > offered ||
           (ack->also_count > 0 && ack->also[ack->also_count - 1].last > offered);
}

enum ph_err ph_spool_ack(struct ph_spool *spool, const struct ph_ack *ack,
    enum ph_spool_acked *result, struct ph_error *error)
{
    if (ack->stream != spool->counters.stream) {
        *result = PH_SPOOL_ACK_FOREIGN;
        return PH_OK;
    }
    if (beyond(ack, spool->offered)) {
        *result = PH_SPOOL_ACK_RESTARTED;
        return restart(spool, error);
    }
    *result = PH_SPOOL_ACK_APPLIED;
    struct ph_spool_counters counters = spool->counters;
    enum ph_err err = ph_db_begin(spool->file->db, error);
    if (err != PH_OK) {
        return err;
    }
    if (ack->through > 0) {
        err = remove_range(spool, 1, ack->through, &counters, error);
    }
    for (size_t i = 0; i < ack->also_count && err == PH_OK; i++) {
        err = remove_range(spool, ack->also[i].first, ack->also[i].last, &counters, error);
    }
    if (err == PH_OK && counters.acknowledged == spool->counters.acknowledged) {
        ph_db_rollback(spool->file->db); /* nothing new: spare the disk */
        return PH_OK;
    }
    return finish(spool, &counters, err, error);
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
        err = ph_stmt_prepare(db,
            "SELECT identity, stream, captured, acknowledged, pending, dropped, pending_bytes"
            " FROM spool ORDER BY identity",
            &stmt, error);
    }
    if (err == PH_OK) {
        err = ph_stmt_step(stmt, &row, error);
    }
    while (err == PH_OK && row) {
        struct ph_spool_counters counters = read_counters(stmt, 1);
        err = visit(context, ph_stmt_text(stmt, 0), &counters, error);
        if (err == PH_OK) {
            err = ph_stmt_step(stmt, &row, error);
        }
    }
    ph_stmt_free(&stmt);
    ph_db_close(&db);
    return err;
}
