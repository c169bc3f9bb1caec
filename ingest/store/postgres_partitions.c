#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "ingest/store/postgres.h"
#include "ingest/store/postgres_rows.h"

/* Another process may close a partition that this one takes to be open: so often it looks. */
enum { LOOK_MS = 60000, NAME_BYTES = 64 };

struct partition {
    int64_t id; /* 0: there is none */
    int64_t from_ms;
    int64_t to_ms;
    int64_t state;
};

void ph_postgres_partitions_forget(struct postgres_store *store)
{
    for (size_t i = 0; i < store->table_count; i++) {
        struct postgres_table *table = &store->tables[i];
        table->from_ms = table->to_ms = table->ahead_ms = 0;
    }
}

static enum ph_err find(struct ph_pg *pg, const char *kind, int64_t received_ms,
    struct partition *out, struct ph_error *error)
{
    const struct ph_postgres_number received = ph_postgres_number(received_ms);
    const struct ph_pg_value values[] = {{.text = kind}, {.text = received.text}};
    struct ph_pg_result *result = NULL;
    enum ph_err err = ph_pg_query_prepared(pg,
        "SELECT id, from_ms, to_ms, state FROM partition WHERE kind = $1::text"
        " AND from_ms <= $2::bigint AND to_ms > $2::bigint",
        values, 2, &result, error);
    *out = (struct partition){0};
    if (err == PH_OK && ph_pg_rows(result) > 0) {
        out->id = ph_pg_int64(result, 0, 0);
        out->from_ms = ph_pg_int64(result, 0, 1);
        out->to_ms = ph_pg_int64(result, 0, 2);
        out->state = ph_pg_int64(result, 0, 3);
    }
    ph_pg_result_free(&result);
    return err;
}

/* Rows that come late make what was counted wrong. */
static enum ph_err reopen(
    struct ph_pg *pg, const struct partition *partition, struct ph_error *error)
{
    const struct ph_postgres_number id = ph_postgres_number(partition->id);
    const struct ph_pg_value values[] = {{.text = id.text}};
    struct ph_pg_result *result = NULL;
    enum ph_err err = ph_pg_query_prepared(pg,
        "UPDATE partition SET state = 0, rows = NULL, first_time = NULL, last_time = NULL"
        " WHERE id = $1::bigint AND state IN (1, 2)",
        values, 1, &result, error);
    if (err == PH_OK && ph_pg_affected(result) == 0) {
        err = ph_error_set(error, PH_ERR_BUSY,
            "%s: table partition: retention is taking the one that is written to; the batch is "
            "tried again",
            ph_pg_name(pg));
    }
    ph_pg_result_free(&result);
    return err;
}

/* ---- Making one. */

/* Aligned, and between its neighbours: they may be of another length. */
static enum ph_err find_bounds(struct postgres_store *store, const char *kind, int64_t received_ms,
    struct partition *out, struct ph_error *error)
{
    const struct ph_postgres_number received = ph_postgres_number(received_ms);
    const struct ph_pg_value values[] = {{.text = kind}, {.text = received.text}};
    struct ph_pg_result *result = NULL;
    int64_t length_ms = store->limits.partition_ms;
    out->from_ms = received_ms - received_ms % length_ms;
    out->to_ms = out->from_ms + length_ms;
    enum ph_err err = ph_pg_query(store->pg,
        "SELECT max(to_ms) FILTER (WHERE to_ms <= $2::bigint),"
        " min(from_ms) FILTER (WHERE from_ms > $2::bigint) FROM partition WHERE kind = $1::text",
        values, 2, &result, error);
    if (err == PH_OK && !ph_pg_is_null(result, 0, 0) && ph_pg_int64(result, 0, 0) > out->from_ms) {
        out->from_ms = ph_pg_int64(result, 0, 0);
    }
    if (err == PH_OK && !ph_pg_is_null(result, 0, 1) && ph_pg_int64(result, 0, 1) < out->to_ms) {
        out->to_ms = ph_pg_int64(result, 0, 1);
    }
    ph_pg_result_free(&result);
    return err;
}

/* "reading_KIND_p20261123T00"; with minutes, seconds and milliseconds when it does not begin at a
 * full hour. */
static void print_name(char out[NAME_BYTES], const char *kind, int64_t from_ms)
{
    struct tm utc;
    time_t seconds = (time_t)(from_ms / 1000);
    char hour[16] = "";
    char rest[16] = "";
    if (gmtime_r(&seconds, &utc) != NULL) {
        (void)strftime(hour, sizeof hour, "%Y%m%dT%H", &utc);
        (void)snprintf(
            rest, sizeof rest, "%02d%02d%03d", utc.tm_min, utc.tm_sec, (int)(from_ms % 1000));
    }
    (void)snprintf(out, NAME_BYTES, "reading_%.32s_p%.11s%.7s", kind, hour,
        from_ms % 3600000 == 0 ? "" : rest);
}

/* A table of its own that is then attached: unlike CREATE TABLE ... PARTITION OF, this waits for no
 * reader. */
static enum ph_err attach(struct ph_pg *pg, const char *kind, const char *name,
    const struct partition *partition, struct ph_error *error)
{
    char from[PH_UTC_BYTES];
    char to[PH_UTC_BYTES];
    char sql[512];
    ph_utc_print(from, partition->from_ms);
    ph_utc_print(to, partition->to_ms);
    (void)snprintf(sql, sizeof sql,
        "CREATE TABLE \"%s\"(LIKE \"reading_%s\" INCLUDING DEFAULTS INCLUDING CONSTRAINTS"
        " INCLUDING STORAGE); ALTER TABLE \"reading_%s\" ATTACH PARTITION \"%s\""
        " FOR VALUES FROM ('%s') TO ('%s')",
        name, kind, kind, name, from, to);
    return ph_pg_exec(pg, sql, error);
}

static enum ph_err make(struct postgres_store *store, const char *kind, int64_t received_ms,
    struct partition *out, struct ph_error *error)
{
    char name[NAME_BYTES];
    enum ph_err err = find_bounds(store, kind, received_ms, out, error);
    if (err != PH_OK) {
        return err;
    }
    print_name(name, kind, out->from_ms);
    err = attach(store->pg, kind, name, out, error);
    if (err != PH_OK) {
        return err;
    }
    const struct ph_postgres_number from = ph_postgres_number(out->from_ms);
    const struct ph_postgres_number to = ph_postgres_number(out->to_ms);
    const struct ph_pg_value values[] = {
        {.text = kind}, {.text = name}, {.text = from.text}, {.text = to.text}};
    return ph_pg_query(store->pg,
        "INSERT INTO partition(kind, name, from_ms, to_ms, state)"
        " VALUES ($1::text, $2::text, $3::bigint, $4::bigint, 0)",
        values, 4, NULL, error);
}

/* Another process may be about to make it as well. */
static enum ph_err make_alone(struct postgres_store *store, const char *kind, int64_t received_ms,
    struct partition *out, struct ph_error *error)
{
    enum ph_err err = ph_postgres_lock(store->pg, error);
    if (err == PH_OK) {
        err = find(store->pg, kind, received_ms, out, error);
    }
    if (err == PH_OK && out->id == 0) {
        err = make(store, kind, received_ms, out, error);
    }
    return err;
}

enum ph_err ph_postgres_partition_for(struct postgres_store *store, struct postgres_table *table,
    int64_t received_ms, struct ph_error *error)
{
    struct partition partition = {0};
    bool known = received_ms >= table->from_ms && received_ms < table->to_ms;
    if (!table->partitioned || (known && received_ms - table->seen_ms < LOOK_MS)) {
        return PH_OK;
    }
    enum ph_err err = ph_postgres_copy_end(store, error);
    if (err == PH_OK) {
        err = find(store->pg, table->kind.name, received_ms, &partition, error);
    }
    if (err == PH_OK && partition.id == 0) {
        err = make_alone(store, table->kind.name, received_ms, &partition, error);
    }
    if (err == PH_OK && partition.state != PH_POSTGRES_OPEN) {
        err = reopen(store->pg, &partition, error);
    }
    if (err != PH_OK) {
        return err;
    }
    table->from_ms = partition.from_ms;
    table->to_ms = partition.to_ms;
    table->seen_ms = received_ms;
    store->idle_ms = 0;
    return PH_OK;
}

/* ---- Ahead of time. */

static enum ph_err make_two(struct postgres_store *store, struct postgres_table *table,
    int64_t now_ms, struct ph_error *error)
{
    struct partition current = {0};
    struct partition next = {0};
    enum ph_err err = find(store->pg, table->kind.name, now_ms, &current, error);
    if (err == PH_OK && current.id == 0) {
        err = make_alone(store, table->kind.name, now_ms, &current, error);
    }
    if (err == PH_OK) {
        err = find(store->pg, table->kind.name, current.to_ms, &next, error);
    }
    if (err == PH_OK && next.id == 0) {
        err = make_alone(store, table->kind.name, current.to_ms, &next, error);
    }
    if (err == PH_OK) {
        err = ph_pg_commit(store->pg, error);
    }
    if (err == PH_OK) {
        table->ahead_ms = current.to_ms;
    }
    return err;
}

/* Not for a kind of which nothing comes. */
static bool lacks(
    const struct postgres_store *store, const struct postgres_table *table, int64_t now_ms)
{
    return table->partitioned && now_ms >= table->ahead_ms &&
           now_ms - table->seen_ms < 2 * store->limits.partition_ms;
}

enum ph_err ph_postgres_partitions_ahead(
    struct postgres_store *store, int64_t now_ms, bool *did, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < store->table_count && err == PH_OK && !*did; i++) {
        struct postgres_table *table = &store->tables[i];
        if (lacks(store, table, now_ms)) {
            *did = true;
            err = ph_pg_begin(store->pg, error);
            if (err == PH_OK) {
                err = make_two(store, table, now_ms, error);
            }
        }
    }
    if (err != PH_OK) {
        ph_pg_rollback(store->pg);
        ph_postgres_partitions_forget(store);
    }
    return err;
}
