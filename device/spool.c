#include "device/spool.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "device/spool_internal.h"

static const char *const sql[PH_SPOOL_STATEMENTS] = {
    [PH_SPOOL_COUNTERS] =
        "UPDATE spool SET stream = ?2, captured = ?3, acknowledged = ?4, pending = ?5,"
        " dropped = ?6, pending_bytes = ?7, released = ?8, lost = ?9 WHERE id = ?1",
    [PH_SPOOL_INSERT] =
        "INSERT INTO reading (spool, seq, time_ms, json, boot) VALUES (?1, ?2, ?3, ?4, ?5)",
    [PH_SPOOL_OLDEST] = "SELECT seq FROM reading WHERE spool = ?1 ORDER BY seq LIMIT 1",
    [PH_SPOOL_REMOVE] = "DELETE FROM reading WHERE spool = ?1 AND seq BETWEEN ?2 AND ?3",
    [PH_SPOOL_RANGE] = "SELECT count(*), coalesce(sum(length(CAST(json AS BLOB))), 0) FROM reading"
                       " WHERE spool = ?1 AND seq BETWEEN ?2 AND ?3",
    /* Ascending, and no number grows, so no step meets a number that is still in use. */
    [PH_SPOOL_RENUMBER] = "UPDATE reading SET seq = ?3 WHERE spool = ?1 AND seq = ?2",
    [PH_SPOOL_NEXT] = "SELECT seq, json, boot FROM reading"
                      " WHERE spool = ?1 AND seq > ?2 AND seq <= ?3 ORDER BY seq LIMIT ?4",
};

static enum ph_err find(
    struct ph_spool *spool, const char *identity, bool *found, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(spool->file->db,
        "SELECT id, " PH_SPOOL_COLUMNS " FROM spool WHERE identity = ?1", &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, identity);
        err = ph_stmt_step(stmt, found, error);
    }
    if (err == PH_OK && *found) {
        spool->id = ph_stmt_int64(stmt, 0);
        spool->counters = ph_spool_counters_read(stmt, 1);
        spool->shared = spool->counters.released;
        spool->offered = spool->counters.released;
    }
    ph_stmt_free(&stmt);
    return err;
}

uint64_t ph_spool_new_stream(void)
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
    spool->counters = (struct ph_spool_counters){.stream = ph_spool_new_stream()};
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
    for (int i = 0; i < PH_SPOOL_STATEMENTS && err == PH_OK; i++) {
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
    for (int i = 0; i < PH_SPOOL_STATEMENTS; i++) {
        ph_stmt_free(&(*spool)->statements[i]);
    }
    free(*spool);
    *spool = NULL;
}

struct ph_spool_counters ph_spool_counters(const struct ph_spool *spool)
{
    return spool->counters;
}

struct ph_stmt *ph_spool_use(const struct ph_spool *spool, enum ph_spool_statement which)
{
    ph_stmt_bind_int64(spool->statements[which], 1, spool->id);
    return spool->statements[which];
}

enum ph_err ph_spool_finish(struct ph_spool *spool, const struct ph_spool_counters *counters,
    enum ph_err err, struct ph_error *error)
{
    if (err == PH_OK) {
        struct ph_stmt *stmt = ph_spool_use(spool, PH_SPOOL_COUNTERS);
        ph_stmt_bind_int64(stmt, 2, (int64_t)counters->stream);
        ph_stmt_bind_int64(stmt, 3, counters->captured);
        ph_stmt_bind_int64(stmt, 4, counters->acknowledged);
        ph_stmt_bind_int64(stmt, 5, counters->pending);
        ph_stmt_bind_int64(stmt, 6, counters->dropped);
        ph_stmt_bind_int64(stmt, 7, counters->pending_bytes);
        ph_stmt_bind_int64(stmt, 8, counters->released);
        ph_stmt_bind_int64(stmt, 9, counters->lost);
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

/* The smallest pending number, 0 when nothing is pending. */
static enum ph_err find_oldest(const struct ph_spool *spool, int64_t *seq, struct ph_error *error)
{
    bool row = false;
    struct ph_stmt *stmt = ph_spool_use(spool, PH_SPOOL_OLDEST);
    enum ph_err err = ph_stmt_step(stmt, &row, error);
    *seq = err == PH_OK && row ? ph_stmt_int64(stmt, 0) : 0;
    ph_stmt_reset(stmt);
    return err;
}

enum ph_err ph_spool_oldest(struct ph_spool *spool, int64_t *oldest, struct ph_error *error)
{
    *oldest = 0;
    if (spool->counters.dropped == 0) {
        return PH_OK;
    }
    enum ph_err err = find_oldest(spool, oldest, error);
    if (err == PH_OK && *oldest == 0) {
        *oldest = spool->counters.captured + 1;
    }
    return err;
}

static enum ph_err drop_oldest(
    struct ph_spool *spool, struct ph_spool_counters *counters, struct ph_error *error)
{
    int64_t seq = 0;
    int64_t count = 0;
    enum ph_err err = find_oldest(spool, &seq, error);
    if (err == PH_OK) {
        err = ph_spool_remove(spool, seq, seq, counters, &count, error);
    }
    if (err == PH_OK && count == 0) {
        return ph_error_set(error, PH_ERR_INTERNAL, "%s: counters do not match the readings",
            ph_db_path(spool->file->db));
    }
    counters->dropped += count;
    return err;
}

static enum ph_err check_size(const struct ph_spool *spool, size_t len, struct ph_error *error)
{
    if (len == 0 || len > PH_LIMIT_READING_BYTES) {
        return ph_error_set(error, PH_ERR_LIMIT, "spool: reading: want 1 to %d bytes, have %zu",
            PH_LIMIT_READING_BYTES, len);
    }
    if ((int64_t)len > spool->max_bytes) {
        return ph_error_set(error, PH_ERR_LIMIT,
            "spool: reading of %zu bytes: larger than the whole spool may be (%lld); raise "
            "spool.max_bytes",
            len, (long long)spool->max_bytes);
    }
    return PH_OK;
}

static enum ph_err insert(const struct ph_spool *spool, const struct ph_spool_entry *entry,
    int64_t seq, struct ph_error *error)
{
    struct ph_stmt *stmt = ph_spool_use(spool, PH_SPOOL_INSERT);
    ph_stmt_bind_int64(stmt, 2, seq);
    ph_stmt_bind_int64(stmt, 3, entry->time_ms);
    ph_stmt_bind_text(stmt, 4, entry->json);
    ph_stmt_bind_text(stmt, 5, entry->up ? spool->file->boot : NULL);
    return ph_stmt_run(stmt, error);
}

static enum ph_err append_one(struct ph_spool *spool, const struct ph_spool_entry *entry,
    struct ph_spool_counters *counters, struct ph_error *error)
{
    size_t len = strlen(entry->json);
    enum ph_err err = check_size(spool, len, error);
    if (err == PH_OK && counters->captured >= PH_LIMIT_SEQ) {
        err = ph_error_set(error, PH_ERR_LIMIT, "spool: the stream's numbers are used up");
    }
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
    counters->lost += entry->lost;
    return insert(spool, entry, counters->captured, error);
}

enum ph_err ph_spool_append(struct ph_spool *spool, const struct ph_spool_entry *entries,
    size_t count, int64_t *first, struct ph_error *error)
{
    struct ph_spool_counters counters = spool->counters;
    enum ph_err err = ph_spool_file_room(spool->file, error);
    if (err == PH_OK) {
        err = ph_db_begin(spool->file->db, error);
    }
    if (err != PH_OK) {
        return err;
    }
    for (size_t i = 0; i < count && err == PH_OK; i++) {
        err = append_one(spool, &entries[i], &counters, error);
    }
    if (spool->released) {
        counters.released = counters.captured;
    }
    int64_t before = spool->counters.captured;
    err = ph_spool_finish(spool, &counters, err, error);
    if (err == PH_OK) {
        *first = before + 1;
    }
    return err;
}

/* What is sent must never be newer than the mark on the disk. */
static enum ph_err commit_durably(
    struct ph_spool *spool, const struct ph_spool_counters *counters, struct ph_error *error)
{
    struct ph_db *db = spool->file->db;
    bool os = spool->file->sync == PH_SPOOL_SYNC_OS;
    enum ph_err err = os ? ph_db_exec(db, "PRAGMA synchronous=FULL", error) : PH_OK;
    if (err == PH_OK) {
        err = ph_db_begin(db, error);
    }
    if (err == PH_OK) {
        err = ph_spool_finish(spool, counters, PH_OK, error);
    }
    enum ph_err restored = os ? ph_db_exec(db, "PRAGMA synchronous=NORMAL", error) : PH_OK;
    return err != PH_OK ? err : restored;
}

enum ph_err ph_spool_release(struct ph_spool *spool, struct ph_error *error)
{
    struct ph_spool_counters counters = spool->counters;
    spool->released = true;
    if (counters.released == counters.captured) {
        return PH_OK;
    }
    counters.released = counters.captured;
    enum ph_err err = commit_durably(spool, &counters, error);
    return ph_spool_file_makes_room(spool->file, err, error)
               ? commit_durably(spool, &counters, error)
               : err;
}

/* Whose uptimes a batch has. */
enum boot { ANY_BOOT, THIS_BOOT, OTHER_BOOT };

static enum boot boot_of(const struct ph_spool *spool, const struct ph_stmt *stmt)
{
    const char *boot = ph_stmt_text(stmt, 2);
    if (boot == NULL) {
        return ANY_BOOT;
    }
    return strcmp(boot, spool->file->boot) == 0 ? THIS_BOOT : OTHER_BOOT;
}

struct filling {
    struct ph_spool_batch *batch;
    size_t room;
    enum boot boot;
    bool full; /* the row at hand belongs into the next batch */
};

static enum ph_err take_row(const struct ph_spool *spool, const struct ph_stmt *stmt,
    struct filling *filling, struct ph_error *error)
{
    struct ph_spool_batch *batch = filling->batch;
    int64_t seq = ph_stmt_int64(stmt, 0);
    const char *json = ph_stmt_text(stmt, 1);
    size_t bytes = strlen(json) + 1;
    enum boot boot = boot_of(spool, stmt);
    bool clash = boot != ANY_BOOT && filling->boot != ANY_BOOT && boot != filling->boot;
    bool follows = seq == batch->first + (int64_t)batch->count;
    filling->full = batch->count > 0 && (bytes > filling->room || !follows || clash);
    if (filling->full) {
        return PH_OK;
    }
    char *text = strdup(json);
    if (text == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "spool: out of memory");
    }
    batch->first = batch->count == 0 ? seq : batch->first;
    batch->texts[batch->count++] = text;
    filling->room -= bytes < filling->room ? bytes : filling->room;
    filling->boot = boot != ANY_BOOT ? boot : filling->boot;
    return PH_OK;
}

enum ph_err ph_spool_next(struct ph_spool *spool, int64_t after, size_t count_max, size_t bytes_max,
    struct ph_spool_batch *batch, struct ph_error *error)
{
    *batch = (struct ph_spool_batch){.stream = spool->counters.stream};
    if (count_max > PH_LIMIT_MESSAGE_READINGS) {
        count_max = PH_LIMIT_MESSAGE_READINGS;
    }
    struct ph_stmt *stmt = ph_spool_use(spool, PH_SPOOL_NEXT);
    ph_stmt_bind_int64(stmt, 2, after);
    ph_stmt_bind_int64(stmt, 3, spool->counters.released);
    ph_stmt_bind_int64(stmt, 4, (int64_t)count_max);
    struct filling filling = {.batch = batch, .room = bytes_max, .boot = ANY_BOOT};
    bool row = false;
    enum ph_err err = ph_stmt_step(stmt, &row, error);
    while (err == PH_OK && row && !filling.full) {
        err = take_row(spool, stmt, &filling, error);
        if (err == PH_OK && !filling.full) {
            err = ph_stmt_step(stmt, &row, error);
        }
    }
    ph_stmt_reset(stmt);
    batch->up = filling.boot == THIS_BOOT;
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
