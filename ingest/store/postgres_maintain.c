#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "ingest/store/postgres.h"
#include "ingest/store/postgres_rows.h"

enum {
    LOOK_MS = 1000,      /* between two looks for something to do */
    RETRY_MS = 60000,    /* after the worker has failed */
    WORKER_WAIT_MS = 10, /* what one step waits for the worker at most */
    WORKER_OPEN_MS = 5000,
    SQL_BYTES = 2048
};

/* One process at a time; the number that ph_postgres_lock() has, plus one. */
#define WORKER_LOCK_SQL "SELECT pg_try_advisory_lock(1885882703, hashtext(current_schema()))"

/* ---- The worker: what takes long runs on a connection of its own, and nobody waits for it. */

static void dismiss(struct postgres_store *store)
{
    ph_pg_close(&store->worker);
    ph_buf_reset(&store->work);
    store->work_at = 0;
}

/* The log has it; the next attempt is a minute away. */
static void give_up_work(
    struct postgres_store *store, int64_t now_ms, const struct ph_error *reason)
{
    ph_log_error(PH_LOG_WARNING, "a partition could not be indexed or dropped yet", reason);
    dismiss(store);
    store->failed_ms = now_ms;
}

static bool is_working(const struct postgres_store *store)
{
    return store->work.len > 0;
}

/* Another process may be the one that works. */
static enum ph_err engage(struct postgres_store *store, bool *engaged, struct ph_error *error)
{
    struct ph_pg_result *result = NULL;
    *engaged = store->worker != NULL;
    if (*engaged) {
        return PH_OK;
    }
    enum ph_err err = ph_pg_open(store->uri, true, WORKER_OPEN_MS, &store->worker, error);
    if (err == PH_OK) {
        err = ph_pg_exec(store->worker, "SET statement_timeout = 0; SET lock_timeout = 0", error);
    }
    if (err == PH_OK) {
        err = ph_pg_query(store->worker, WORKER_LOCK_SQL, NULL, 0, &result, error);
    }
    *engaged = err == PH_OK && ph_pg_bool(result, 0, 0);
    if (!*engaged) {
        ph_pg_close(&store->worker);
    }
    ph_pg_result_free(&result);
    return err;
}

/* Adds a statement to the worker's list. */
static enum ph_err add_work(struct postgres_store *store, const char *sql, struct ph_error *error)
{
    return ph_buf_append(&store->work, sql, strlen(sql) + 1) == PH_OK
               ? PH_OK
               : ph_error_set(error, PH_ERR_MEMORY, "maintenance: out of memory");
}

static enum ph_err send_work(struct postgres_store *store, struct ph_error *error)
{
    return ph_pg_send(store->worker, store->work.data + store->work_at, error);
}

/* One look at what the worker does; the next statement when it has done one. */
static enum ph_err watch(struct postgres_store *store, struct ph_error *error)
{
    bool done = false;
    enum ph_err err = ph_pg_poll(store->worker, WORKER_WAIT_MS, &done, error);
    if (err != PH_OK || !done) {
        return err;
    }
    store->work_at += strlen(store->work.data + store->work_at) + 1;
    if (store->work_at < store->work.len) {
        return send_work(store, error);
    }
    ph_buf_reset(&store->work);
    store->work_at = 0;
    return PH_OK;
}

/* ---- What there is to do. */

/* A partition that is over takes nothing more; what comes late opens it again. */
static enum ph_err close_old(
    struct postgres_store *store, int64_t now_ms, bool *did, struct ph_error *error)
{
    const struct ph_postgres_number now = ph_postgres_number(now_ms);
    const struct ph_pg_value values[] = {{.text = now.text}};
    struct ph_pg_result *result = NULL;
    enum ph_err err = ph_pg_query_prepared(store->pg,
        "UPDATE partition SET state = 1 WHERE state = 0 AND to_ms <= $1::bigint", values, 1,
        &result, error);
    *did = err == PH_OK && ph_pg_affected(result) > 0;
    if (*did) {
        ph_postgres_partitions_forget(store);
    }
    ph_pg_result_free(&result);
    return err;
}

struct job {
    int64_t id; /* 0: none */
    char kind[PH_SEGMENT_BYTES];
    char name[PH_SEGMENT_BYTES];
    bool invalid;  /* an index that was begun and not finished is in the way */
    bool leaving;  /* to be dropped */
    bool attached; /* is a partition still ... */
    bool pending;  /* ... but its detaching has begun */
};

/* What retention takes comes first, then what waits for its index; the oldest of each. */
static const char job_sql[] =
    "SELECT p.id, p.kind, p.name, p.leaving, h.inhrelid IS NOT NULL,"
    " coalesce(h.inhdetachpending, false), i.indexrelid IS NOT NULL"
    " FROM (SELECT id, kind, name, from_ms, state,"
    " state = 3 OR ($1::bigint IS NOT NULL AND to_ms <= $1::bigint) AS leaving FROM partition) p"
    " LEFT JOIN pg_inherits h ON h.inhrelid = to_regclass(quote_ident(p.name))"
    " LEFT JOIN pg_index i ON i.indexrelid = to_regclass(quote_ident(p.name || '_d'))"
    " AND NOT i.indisvalid"
    " WHERE p.leaving OR p.state = 1 ORDER BY p.leaving DESC, p.from_ms LIMIT 1";

static enum ph_err find_job(
    struct postgres_store *store, int64_t now_ms, struct job *out, struct ph_error *error)
{
    int64_t retention_ms = store->limits.retention_ms;
    const struct ph_postgres_number horizon = ph_postgres_number(now_ms - retention_ms);
    const struct ph_pg_value values[] = {{.text = retention_ms > 0 ? horizon.text : NULL}};
    struct ph_pg_result *result = NULL;
    *out = (struct job){0};
    enum ph_err err = ph_pg_query_prepared(store->pg, job_sql, values, 1, &result, error);
    if (err == PH_OK && ph_pg_rows(result) > 0) {
        out->id = ph_pg_int64(result, 0, 0);
        (void)snprintf(out->kind, sizeof out->kind, "%s", ph_pg_text(result, 0, 1));
        (void)snprintf(out->name, sizeof out->name, "%s", ph_pg_text(result, 0, 2));
        out->leaving = ph_pg_bool(result, 0, 3);
        out->attached = ph_pg_bool(result, 0, 4);
        out->pending = ph_pg_bool(result, 0, 5);
        out->invalid = ph_pg_bool(result, 0, 6);
    }
    ph_pg_result_free(&result);
    return err;
}

/* The index is built beside whatever is still written, and what is counted holds only as long as
 * nobody has opened the partition again. */
static enum ph_err plan_index(
    struct postgres_store *store, const struct job *job, struct ph_error *error)
{
    char sql[SQL_BYTES];
    enum ph_err err = PH_OK;
    if (job->invalid) {
        (void)snprintf(sql, sizeof sql, "DROP INDEX CONCURRENTLY \"%s_d\"", job->name);
        err = add_work(store, sql, error);
    }
    if (err == PH_OK) {
        (void)snprintf(sql, sizeof sql,
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS \"%s_d\" ON \"%s\"(_stream, _time)", job->name,
            job->name);
        err = add_work(store, sql, error);
    }
    if (err == PH_OK) {
        (void)snprintf(sql, sizeof sql,
            "UPDATE partition SET (rows, first_time, last_time, state) ="
            " (SELECT count(*), min(_time), max(_time), 2 FROM \"%s\")"
            " WHERE id = %" PRId64 " AND state = 1",
            job->name, job->id);
        err = add_work(store, sql, error);
    }
    return err;
}

static enum ph_err mark_leaving(
    struct postgres_store *store, const struct job *job, struct ph_error *error)
{
    const struct ph_postgres_number id = ph_postgres_number(job->id);
    const struct ph_pg_value values[] = {{.text = id.text}};
    ph_postgres_partitions_forget(store);
    return ph_pg_query(
        store->pg, "UPDATE partition SET state = 3 WHERE id = $1::bigint", values, 1, NULL, error);
}

/* Detaching waits for those who read the partition, and holds up nobody meanwhile. Then, at once:
 * its rows are counted as dropped, it is gone, and so are the newest readings that were in it. */
static enum ph_err plan_drop(
    struct postgres_store *store, const struct job *job, struct ph_error *error)
{
    char sql[SQL_BYTES];
    enum ph_err err = mark_leaving(store, job, error);
    if (err == PH_OK && job->attached) {
        (void)snprintf(sql, sizeof sql, "ALTER TABLE \"reading_%s\" DETACH PARTITION \"%s\" %s",
            job->kind, job->name, job->pending ? "FINALIZE" : "CONCURRENTLY");
        err = add_work(store, sql, error);
    }
    if (err == PH_OK) {
        (void)snprintf(sql, sizeof sql,
            "LOCK TABLE \"%s\";"
            "INSERT INTO dropped(kind, rows) SELECT kind, coalesce(rows, (SELECT count(*) FROM"
            " \"%s\")) FROM partition WHERE id = %" PRId64
            " ON CONFLICT(kind) DO UPDATE SET rows = dropped.rows + excluded.rows;"
            "UPDATE stream s SET latest = NULL FROM device d, partition p WHERE d.id = s.device"
            " AND d.kind = p.kind AND s.latest IS NOT NULL AND p.id = %" PRId64
            " AND " PH_PG_MS("s.received") " < p.to_ms; DROP TABLE \"%s\";"
                                           "DELETE FROM partition WHERE id = %" PRId64,
            job->name, job->name, job->id, job->id, job->name, job->id);
        err = add_work(store, sql, error);
    }
    return err;
}

/* Nothing is begun within a minute of a failure, unless the clock has gone back. */
static bool may_work(const struct postgres_store *store, int64_t now_ms)
{
    return store->failed_ms == 0 || now_ms < store->failed_ms ||
           now_ms - store->failed_ms >= RETRY_MS;
}

static enum ph_err start_work(
    struct postgres_store *store, int64_t now_ms, bool *did, struct ph_error *error)
{
    struct job job = {0};
    struct ph_error reason = {0};
    bool engaged = false;
    enum ph_err err = may_work(store, now_ms) ? find_job(store, now_ms, &job, error) : PH_OK;
    if (err != PH_OK || job.id == 0) {
        dismiss(store);
        return err;
    }
    if (engage(store, &engaged, &reason) != PH_OK) {
        give_up_work(store, now_ms, &reason);
        return PH_OK;
    }
    if (!engaged) {
        store->failed_ms = now_ms;
        return PH_OK;
    }
    err = job.leaving ? plan_drop(store, &job, error) : plan_index(store, &job, error);
    if (err != PH_OK) {
        dismiss(store);
        return err;
    }
    *did = true;
    if (send_work(store, &reason) != PH_OK) {
        give_up_work(store, now_ms, &reason);
    }
    return PH_OK;
}

/* True when there was nothing to do a moment ago, by a clock that may go back. */
static bool is_idle(const struct postgres_store *store, int64_t now_ms)
{
    return store->idle_ms != 0 && now_ms >= store->idle_ms && now_ms - store->idle_ms < LOOK_MS;
}

enum ph_err ph_postgres_maintain(
    struct ph_store *base, int64_t now_ms, bool *more, struct ph_error *error)
{
    struct postgres_store *store = (struct postgres_store *)base;
    struct ph_error reason = {0};
    *more = false;
    if (!store->writer) {
        return ph_error_set(
            error, PH_ERR_PERMISSION, "%s: opened for reading only", ph_pg_name(store->pg));
    }
    if (is_working(store)) {
        if (watch(store, &reason) != PH_OK) {
            give_up_work(store, now_ms, &reason);
        }
        *more = true;
        return PH_OK;
    }
    if (is_idle(store, now_ms)) {
        return PH_OK;
    }
    enum ph_err err = ph_postgres_partitions_ahead(store, now_ms, more, error);
    if (err == PH_OK && !*more) {
        err = close_old(store, now_ms, more, error);
    }
    if (err == PH_OK && !*more) {
        err = start_work(store, now_ms, more, error);
    }
    store->idle_ms = err == PH_OK && !*more ? now_ms : 0;
    return err;
}
