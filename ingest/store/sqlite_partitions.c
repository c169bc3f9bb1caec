#include <inttypes.h>

#include "ingest/store/sqlite.h"

/* What maintenance can have to do with one partition, most urgent first. */
enum job_type { JOB_NONE, JOB_CLOSE, JOB_DROP, JOB_INDEX };

struct job {
    enum job_type type;
    int64_t partition;
    char kind[PH_SEGMENT_BYTES];
};

/* Prepares `sql`, binds the kind as ?1, and takes the first row. */
static enum ph_err look_up(struct ph_db *db, const char *sql, const char *kind,
    struct ph_stmt **stmt, bool *row, struct ph_error *error)
{
    enum ph_err err = ph_stmt_prepare(db, sql, stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(*stmt, 1, kind);
        err = ph_stmt_step(*stmt, row, error);
    }
    return err;
}

static enum ph_err create_table(
    struct ph_db *db, const char *kind, int64_t id, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    struct ph_buf sql;
    bool row = false;
    ph_buf_init(&sql, PH_STORE_SQL_BYTES);
    enum ph_err err = ph_buf_printf(&sql,
        "CREATE TABLE \"reading_%s_%" PRId64 "\"(_id INTEGER PRIMARY KEY, _stream INTEGER NOT NULL,"
        " _seq INTEGER, _time INTEGER NOT NULL, _received INTEGER, _timing INTEGER,"
        " _certificate INTEGER, _unvouched INTEGER, _extra TEXT",
        kind, id);
    if (err == PH_OK) {
        err = look_up(db, "SELECT name, type FROM field WHERE kind=?1 ORDER BY position", kind,
            &stmt, &row, error);
    }
    while (err == PH_OK && row) {
        const char *name = ph_stmt_text(stmt, 0);
        err = ph_store_sqlite_check_name(db, name, error);
        if (err == PH_OK) {
            err = ph_buf_printf(
                &sql, ", \"%s\" %s", name, ph_store_sqlite_type(ph_stmt_text(stmt, 1)));
        }
        if (err == PH_OK) {
            err = ph_stmt_step(stmt, &row, error);
        }
    }
    ph_stmt_free(&stmt);
    if (err == PH_OK) {
        err = ph_buf_append_text(&sql, ")");
    }
    return ph_store_sqlite_exec(db, &sql, err, error);
}

enum ph_err ph_store_sqlite_open_partition(
    struct ph_db *db, const char *kind, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool there = false;
    enum ph_err err = look_up(
        db, "SELECT 1 FROM partition WHERE kind=?1 AND state=0", kind, &stmt, &there, error);
    ph_stmt_free(&stmt);
    if (err != PH_OK || there) {
        return err;
    }
    err = ph_store_sqlite_run(db, error,
        "INSERT INTO partition(kind, first_id, state)"
        " SELECT '%s', coalesce(max(last_id), 0) + 1, 0 FROM partition WHERE kind='%s'",
        kind, kind);
    return err == PH_OK ? create_table(db, kind, ph_db_last_rowid(db), error) : err;
}

/* And opens the next. All of its rows had been received by `to_ms`. */
static enum ph_err close_partition(
    struct ph_db *db, const char *kind, int64_t id, int64_t to_ms, struct ph_error *error)
{
    enum ph_err err = ph_store_sqlite_run(db, error,
        "UPDATE partition SET state=1, to_ms=max(coalesce(from_ms, 0), %" PRId64 "), last_id="
        "coalesce((SELECT max(_id) FROM \"reading_%s_%" PRId64 "\"), first_id - 1)"
        " WHERE id=%" PRId64,
        to_ms, kind, id, id);
    if (err == PH_OK) {
        err = ph_store_sqlite_open_partition(db, kind, error);
    }
    return err == PH_OK ? ph_store_sqlite_make_view(db, kind, error) : err;
}

/* When no row was received later than is known, or than it was closed. */
static enum ph_err index_partition(
    struct ph_db *db, const char *kind, int64_t id, struct ph_error *error)
{
    return ph_store_sqlite_run(db, error,
        "CREATE INDEX IF NOT EXISTS \"reading_%s_%" PRId64 "_device\""
        " ON \"reading_%s_%" PRId64 "\"(_stream, _time);"
        "UPDATE partition SET state=2, (rows, first_time, last_time, to_ms) = (SELECT count(*),"
        " min(r._time), max(r._time), max(partition.to_ms, coalesce(max(r._received), 0))"
        " FROM \"reading_%s_%" PRId64 "\" r) WHERE id=%" PRId64,
        kind, id, kind, id, kind, id, id);
}

static enum ph_err drop_partition(
    struct ph_db *db, const char *kind, int64_t id, struct ph_error *error)
{
    enum ph_err err = ph_store_sqlite_run(db, error,
        "INSERT INTO dropped(kind, rows) SELECT '%s', count(*) FROM \"reading_%s_%" PRId64 "\""
        " WHERE true ON CONFLICT(kind) DO UPDATE SET rows = dropped.rows + excluded.rows;"
        "DELETE FROM partition WHERE id=%" PRId64,
        kind, kind, id, id);
    if (err == PH_OK) {
        err = ph_store_sqlite_make_view(db, kind, error);
    }
    return err == PH_OK
               ? ph_store_sqlite_run(db, error, "DROP TABLE \"reading_%s_%" PRId64 "\"", kind, id)
               : err;
}

/* The newest row of a table's partition. */
static enum ph_err load_newest(struct ph_db *db, struct kind_table *table, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    struct ph_buf sql;
    bool row = false;
    ph_buf_init(&sql, PH_STORE_SQL_BYTES);
    enum ph_err err = ph_buf_printf(&sql,
        "SELECT _id, coalesce(_received, 0) FROM \"reading_%s_%" PRId64
        "\" ORDER BY _id DESC LIMIT 1",
        table->kind.name, table->partition);
    err = err == PH_OK ? ph_stmt_prepare(db, sql.data, &stmt, error)
                       : ph_error_set(error, err, "%s: out of memory", ph_db_path(db));
    if (err == PH_OK) {
        err = ph_stmt_step(stmt, &row, error);
    }
    table->last_id = table->first_id - 1;
    table->received_ms = 0;
    if (err == PH_OK && row) {
        table->last_id = ph_stmt_int64(stmt, 0);
        table->received_ms = ph_stmt_int64(stmt, 1);
    }
    ph_stmt_free(&stmt);
    ph_buf_fini(&sql);
    return err;
}

static enum ph_err load_partition(
    struct sqlite_store *store, struct kind_table *table, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    enum ph_err err =
        look_up(store->db, "SELECT id, first_id FROM partition WHERE kind=?1 AND state=0",
            table->kind.name, &stmt, &row, error);
    if (err == PH_OK && !row) {
        err = ph_error_set(error, PH_ERR_INPUT,
            "%s: kind %s: no open partition; restore the database from a backup",
            ph_db_path(store->db), table->kind.name);
    }
    if (err == PH_OK) {
        table->partition = ph_stmt_int64(stmt, 0);
        table->first_id = ph_stmt_int64(stmt, 1);
    }
    ph_stmt_free(&stmt);
    if (err == PH_OK) {
        err = load_newest(store->db, table, error);
    }
    return err == PH_OK ? ph_store_sqlite_table_aim(store, table, error) : err;
}

static enum ph_err load_partitions(struct sqlite_store *store, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < store->table_count && err == PH_OK && store->partitions_stale; i++) {
        err = load_partition(store, &store->tables[i], error);
    }
    store->partitions_stale = store->partitions_stale && err != PH_OK;
    return err;
}

static bool is_full(const struct sqlite_store *store, const struct kind_table *table)
{
    return store->limits.partition_rows > 0 &&
           table->last_id - table->first_id + 1 >= store->limits.partition_rows;
}

enum ph_err ph_store_sqlite_partitions_ready(struct sqlite_store *store, struct ph_error *error)
{
    enum ph_err err = load_partitions(store, error);
    for (size_t i = 0; i < store->table_count && err == PH_OK; i++) {
        const struct kind_table *table = &store->tables[i];
        if (is_full(store, table)) {
            err = close_partition(
                store->db, table->kind.name, table->partition, table->received_ms, error);
            store->partitions_stale = true;
            store->maintain_at_ms = 0;
        }
    }
    return err == PH_OK ? load_partitions(store, error) : err;
}

enum ph_err ph_store_sqlite_partition_begin(struct sqlite_store *store,
    const struct kind_table *table, int64_t received_ms, struct ph_error *error)
{
    store->maintain_at_ms = 0;
    return ph_store_sqlite_run(store->db, error,
        "UPDATE partition SET from_ms=%" PRId64 " WHERE id=%" PRId64, received_ms,
        table->partition);
}

static int64_t partition_ms(const struct sqlite_store *store)
{
    return store->limits.partition_ms > 0 ? store->limits.partition_ms : INT64_MAX;
}

/* A partition of a day ends with the day, of UTC, and so on. */
static enum ph_err find_job(
    struct sqlite_store *store, int64_t now_ms, struct job *job, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    enum ph_err err = ph_stmt_prepare(store->db,
        "SELECT id, kind, CASE WHEN state = 0 THEN iif((from_ms / ?2 + 1) * ?2 <= ?1, 1, NULL)"
        " WHEN ?3 > 0 AND to_ms <= ?1 - ?3 THEN 2 WHEN state = 1 THEN 3 END AS job"
        " FROM partition WHERE job IS NOT NULL ORDER BY job, id LIMIT 1",
        &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_int64(stmt, 1, now_ms);
        ph_stmt_bind_int64(stmt, 2, partition_ms(store));
        ph_stmt_bind_int64(stmt, 3, store->limits.retention_ms);
        err = ph_stmt_step(stmt, &row, error);
    }
    if (err == PH_OK && row) {
        job->partition = ph_stmt_int64(stmt, 0);
        err = ph_store_sqlite_copy_name(store->db, ph_stmt_text(stmt, 1), job->kind, error);
        job->type = (enum job_type)ph_stmt_int64(stmt, 2);
    }
    ph_stmt_free(&stmt);
    return err;
}

static enum ph_err do_job(
    struct sqlite_store *store, const struct job *job, int64_t now_ms, struct ph_error *error)
{
    switch (job->type) {
    case JOB_CLOSE:
        store->partitions_stale = true;
        return close_partition(store->db, job->kind, job->partition, now_ms, error);
    case JOB_DROP:
        return drop_partition(store->db, job->kind, job->partition, error);
    case JOB_INDEX:
        return index_partition(store->db, job->kind, job->partition, error);
    case JOB_NONE:
        break;
    }
    return PH_OK;
}

/* When the next job will be due, from what is known now. */
static enum ph_err plan(struct sqlite_store *store, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    enum ph_err err = ph_stmt_prepare(store->db,
        "SELECT min(CASE WHEN state = 0 THEN (from_ms / ?1 + 1) * ?1 WHEN state = 1 THEN 0"
        " WHEN ?2 > 0 THEN to_ms + ?2 END) FROM partition",
        &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_int64(stmt, 1, partition_ms(store));
        ph_stmt_bind_int64(stmt, 2, store->limits.retention_ms);
        err = ph_stmt_step(stmt, &row, error);
    }
    if (err == PH_OK && row) {
        store->maintain_at_ms = ph_stmt_is_null(stmt, 0) ? INT64_MAX : ph_stmt_int64(stmt, 0);
    }
    ph_stmt_free(&stmt);
    return err;
}

static bool is_due(const struct sqlite_store *store, int64_t now_ms)
{
    bool due = now_ms >= store->maintain_at_ms;
    for (size_t i = 0; i < store->table_count && !due; i++) {
        due = is_full(store, &store->tables[i]);
    }
    return due;
}

enum ph_err ph_store_sqlite_maintain(
    struct ph_store *base, int64_t now_ms, bool *more, struct ph_error *error)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    struct job job = {.type = JOB_NONE};
    *more = false;
    if (!is_due(store, now_ms)) {
        return PH_OK;
    }
    enum ph_err err = base->ops->begin(base, error);
    if (err != PH_OK) {
        return err;
    }
    err = find_job(store, now_ms, &job, error);
    if (err == PH_OK) {
        err = do_job(store, &job, now_ms, error);
    }
    if (err == PH_OK) {
        err = plan(store, error);
    }
    if (err != PH_OK) {
        base->ops->rollback(base);
        return err;
    }
    err = base->ops->commit(base, error);
    *more = err == PH_OK && now_ms >= store->maintain_at_ms;
    return err;
}
