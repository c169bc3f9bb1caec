#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "ingest/store/postgres.h"
#include "ingest/store/postgres_rows.h"

/* What a certificate says of a row: the last columns, when asked for. */
#define PROVENANCE_COLUMNS                                                                         \
    {"fingerprint", NULL, PH_CELL_TEXT},                                                           \
    {                                                                                              \
        "unvouched", NULL, PH_CELL_TEXT                                                            \
    }
enum { PROVENANCE_COUNT = 2 };

/* The newest reading's fields lie in the stream's row. */
static void add_latest_fields(struct ph_sql *sql, const struct ph_listing *listing)
{
    static const char *const types[] = {
        [PH_CELL_REAL] = "')::double precision",
        [PH_CELL_INTEGER] = "')::numeric::bigint",
        [PH_CELL_BOOL] = "')::boolean",
        [PH_CELL_TEXT] = "')",
    };
    for (size_t i = listing->fields_from; i < listing->fields_to; i++) {
        ph_sql_add(sql, ", (s.latest->>'");
        ph_sql_add(sql, listing->columns[i].name);
        ph_sql_add(sql, types[listing->columns[i].type]);
    }
}

/* Per device the stream that was stored to last. What was received before the oldest partition has
 * been dropped; a hypertable drops by itself. */
static void add_latest(struct ph_sql *sql, const struct ph_listing *listing, bool provenance)
{
    ph_sql_add(sql, "WITH kept AS MATERIALIZED (SELECT coalesce(" PH_PG_TIME(
                        "min(from_ms)") ", '-infinity') AS at FROM partition WHERE kind = $1::text "
                                        "AND state < 3) ");
    ph_sql_add(sql, "SELECT " PH_PG_DEVICE ", " PH_PG_MS("s.latest_time"));
    add_latest_fields(sql, listing);
    ph_sql_add(sql, ", s.total::bigint, ($2::bigint - " PH_PG_MS("s.latest_time") ") / 1000.0");
    if (provenance) {
        ph_sql_add(sql, ", c.fingerprint, " PH_PG_REASON("s.latest_unvouched"));
    }
    ph_sql_add(sql, " FROM device d CROSS JOIN LATERAL"
                    " (SELECT t.latest_time, t.latest_certificate, t.latest_unvouched,"
                    " sum(t.stored) OVER () AS total, CASE WHEN t.received >= (SELECT at FROM kept)"
                    " THEN t.latest END AS latest FROM stream t"
                    " WHERE t.device = d.id AND t.stored > 0"
                    " ORDER BY t.received DESC, t.id DESC LIMIT 1) s"
                    " LEFT JOIN certificate c ON c.id = s.latest_certificate"
                    " WHERE d.kind = $1::text ORDER BY " PH_PG_ORDER);
}

static enum ph_err latest_of_kind(struct ph_pg *pg, const char *kind, int64_t now_ms,
    bool provenance, const struct ph_rows *rows, struct ph_error *error)
{
    static const struct ph_column before[] = {
        {"device", NULL, PH_CELL_TEXT}, {"time", NULL, PH_CELL_TIME}};
    static const struct ph_column after[] = {
        {"stored", NULL, PH_CELL_INTEGER}, {"age", "s", PH_CELL_REAL}, PROVENANCE_COLUMNS};
    struct ph_listing listing = {0};
    struct ph_sql sql;
    ph_sql_init(&sql);
    struct ph_postgres_number now = ph_postgres_number(now_ms);
    const struct ph_pg_value values[] = {{.text = kind}, {.text = now.text}};
    enum ph_err err = ph_listing_init(&listing, pg, kind, (struct ph_columns){before, 2},
        (struct ph_columns){after, 2 + (provenance ? PROVENANCE_COUNT : 0)}, rows, error);
    if (err == PH_OK) {
        err = ph_listing_begin(&listing, error);
    }
    if (err == PH_OK) {
        add_latest(&sql, &listing, provenance);
        err = ph_listing_each(&listing, pg, &sql, values, 2, error);
    }
    ph_sql_fini(&sql);
    ph_listing_fini(&listing);
    return err;
}

enum ph_err ph_store_postgres_latest(struct ph_store *store, int64_t now_ms, bool provenance,
    const struct ph_rows *rows, struct ph_error *error)
{
    struct ph_pg *pg = ((struct postgres_store *)store)->pg;
    struct ph_pg_result *kinds = NULL;
    enum ph_err err = ph_listing_kinds(pg, NULL, &kinds, error);
    for (size_t i = 0; err == PH_OK && i < ph_pg_rows(kinds); i++) {
        err = latest_of_kind(pg, ph_pg_text(kinds, i, 0), now_ms, provenance, rows, error);
    }
    ph_pg_result_free(&kinds);
    return err;
}

static enum ph_err find_device(struct ph_pg *pg, const struct ph_identity *identity,
    struct ph_postgres_number *id, struct ph_error *error)
{
    const struct ph_pg_value values[] = {
        {.text = identity->tenant}, {.text = identity->kind}, {.text = identity->device}};
    struct ph_pg_result *result = NULL;
    enum ph_err err = ph_pg_query(pg,
        "SELECT id FROM device WHERE tenant = $1::text AND kind = $2::text AND device = $3::text",
        values, 3, &result, error);
    if (err == PH_OK && ph_pg_rows(result) == 0) {
        char name[PH_IDENTITY_BYTES];
        ph_identity_print(name, sizeof name, identity);
        err = ph_error_set(
            error, PH_ERR_NOT_FOUND, "%s: device %s: nothing stored of it", ph_pg_name(pg), name);
    }
    if (err == PH_OK) {
        *id = ph_postgres_number(ph_pg_int64(result, 0, 0));
    }
    ph_pg_result_free(&result);
    return err;
}

/* Readings by device time are looked for only where the partitions' own times allow it: what is
 * compared is the time of reception, which the server can tell partitions by. A hypertable has no
 * partitions that we know of. */
static void add_partitions(struct ph_sql *sql)
{
    static const char overlap[] =
        " FROM partition p WHERE p.kind = $5::text AND (p.state = 0 OR p.first_time IS NULL"
        " OR (p.first_time < $2::timestamptz AND p.last_time >= $1::timestamptz))";
    ph_sql_add(sql, " AND r._received >= coalesce((SELECT " PH_PG_TIME("min(p.from_ms)"));
    ph_sql_add(sql, overlap);
    ph_sql_add(sql, "), '-infinity') AND r._received < coalesce((SELECT CASE"
                    " WHEN bool_or(p.state = 0) THEN 'infinity' ELSE ");
    ph_sql_add(sql, PH_PG_TIME("max(p.to_ms)") " END");
    ph_sql_add(sql, overlap);
    ph_sql_add(sql, "), 'infinity')");
}

static void add_query(struct ph_sql *sql, const struct ph_listing *listing, const char *kind,
    const struct ph_store_query *query)
{
    ph_sql_add(sql, "SELECT * FROM (SELECT " PH_PG_DEVICE
                    ", " PH_PG_STREAM("s.stream") ", r._seq, " PH_PG_MS("r._time") " AS _time");
    for (size_t i = listing->fields_from; i < listing->fields_to; i++) {
        ph_sql_add(sql, ", r.\"");
        ph_sql_add(sql, listing->columns[i].name);
        ph_sql_add(sql, "\"");
    }
    ph_sql_add(sql,
        ", r._extra::text, " PH_PG_MS("r._received") " AS _received, " PH_PG_TIMING("r._timing"));
    if (query->provenance) {
        ph_sql_add(sql, ", c.fingerprint, " PH_PG_REASON("r._unvouched"));
    }
    ph_sql_add(sql, ", s.id AS _id FROM \"reading_");
    ph_sql_add(sql, kind);
    ph_sql_add(sql, "\" r JOIN stream s ON s.id = r._stream JOIN device d ON d.id = s.device"
                    " LEFT JOIN certificate c ON c.id = r._certificate"
                    " WHERE r._time >= $1::timestamptz AND r._time < $2::timestamptz");
    add_partitions(sql);
    ph_sql_add(sql, query->device != NULL
                        ? " AND r._device = $4::bigint AND r._stream = ANY"
                          " (ARRAY(SELECT id FROM stream WHERE device = $4::bigint))"
                        : " AND $4::bigint IS NULL");
    ph_sql_add(sql, " ORDER BY _time DESC, _received DESC, _id DESC, r._seq DESC"
                    " LIMIT $3::bigint) q ORDER BY _time, _received, _id, _seq");
}

static enum ph_err query_kind(struct ph_pg *pg, const char *kind, const char *device,
    const struct ph_store_query *query, const struct ph_rows *rows, struct ph_error *error)
{
    static const struct ph_column before[] = {{"device", NULL, PH_CELL_TEXT},
        {"stream", NULL, PH_CELL_TEXT}, {"seq", NULL, PH_CELL_INTEGER},
        {"time", NULL, PH_CELL_TIME}};
    static const struct ph_column after[] = {{"extra", NULL, PH_CELL_TEXT},
        {"received", NULL, PH_CELL_TIME}, {"timing", NULL, PH_CELL_TEXT}, PROVENANCE_COLUMNS};
    char from[PH_UTC_BYTES];
    char to[PH_UTC_BYTES];
    struct ph_postgres_number limit = ph_postgres_number(query->limit);
    struct ph_listing listing = {0};
    struct ph_sql sql;
    ph_sql_init(&sql);
    ph_listing_time(from, query->from_ms);
    ph_listing_time(to, query->to_ms);
    const struct ph_pg_value values[] = {{.text = from}, {.text = to},
        {.text = query->limit > 0 ? limit.text : NULL}, {.text = device}, {.text = kind}};
    enum ph_err err = ph_listing_init(&listing, pg, kind, (struct ph_columns){before, 4},
        (struct ph_columns){after, 3 + (query->provenance ? PROVENANCE_COUNT : 0)}, rows, error);
    if (err == PH_OK) {
        err = ph_listing_begin(&listing, error);
    }
    if (err == PH_OK) {
        add_query(&sql, &listing, kind, query);
        err = ph_listing_each(&listing, pg, &sql, values, 5, error);
    }
    ph_sql_fini(&sql);
    ph_listing_fini(&listing);
    return err;
}

enum ph_err ph_store_postgres_query(struct ph_store *store, const struct ph_store_query *query,
    const struct ph_rows *rows, struct ph_error *error)
{
    struct ph_pg *pg = ((struct postgres_store *)store)->pg;
    struct ph_pg_result *kinds = NULL;
    struct ph_postgres_number device = {0};
    enum ph_err err = PH_OK;
    if (query->device != NULL) {
        err = find_device(pg, query->device, &device, error);
    }
    if (err == PH_OK) {
        err = ph_listing_kinds(
            pg, query->device != NULL ? query->device->kind : query->kind, &kinds, error);
    }
    for (size_t i = 0; err == PH_OK && i < ph_pg_rows(kinds); i++) {
        err = query_kind(pg, ph_pg_text(kinds, i, 0), query->device != NULL ? device.text : NULL,
            query, rows, error);
    }
    ph_pg_result_free(&kinds);
    return err;
}

/* Devices that only ever sent dead letters have no row of their own. */
static const char devices_sql[] =
    "SELECT coalesce(l.device, s.name) AS name, coalesce(s.streams, 0), coalesce(s.stored, 0),"
    " coalesce(s.given_up, 0), coalesce(l.kept, 0), coalesce(l.not_kept, 0),"
    " (extract(epoch FROM s.received) * 1000)::bigint, s.skew"
    " FROM (SELECT d.tenant || '/' || d.kind || '/' || d.device AS name,"
    " count(s.stream) AS streams, sum(s.stored)::bigint AS stored,"
    " least(sum(s.given_up), 9223372036854775807)::bigint AS given_up, max(s.received) AS received,"
    " (array_agg(s.skew ORDER BY s.received DESC) FILTER (WHERE s.skew IS NOT NULL))[1] AS skew"
    " FROM device d JOIN stream s ON s.device = d.id GROUP BY d.id) s"
    " FULL JOIN (SELECT * FROM letter_count WHERE device <> '') l ON l.device = s.name"
    " ORDER BY name COLLATE \"C\"";

enum ph_err ph_store_postgres_devices(
    struct ph_store *store, const struct ph_rows *rows, struct ph_error *error)
{
    static const struct ph_column columns[] = {{"device", NULL, PH_CELL_TEXT},
        {"streams", NULL, PH_CELL_INTEGER}, {"stored", NULL, PH_CELL_INTEGER},
        {"given_up", NULL, PH_CELL_INTEGER}, {"letters", NULL, PH_CELL_INTEGER},
        {"not_kept", NULL, PH_CELL_INTEGER}, {"received", NULL, PH_CELL_TIME},
        {"skew_ms", NULL, PH_CELL_INTEGER}};
    struct ph_pg *pg = ((struct postgres_store *)store)->pg;
    struct ph_listing listing = {0};
    enum ph_err err = ph_listing_init(&listing, pg, NULL,
        (struct ph_columns){columns, sizeof columns / sizeof columns[0]}, (struct ph_columns){0},
        rows, error);
    if (err == PH_OK) {
        err = ph_listing_begin(&listing, error);
    }
    if (err == PH_OK) {
        err = ph_pg_each(pg, devices_sql, NULL, 0, ph_listing_row, &listing, error);
    }
    ph_listing_fini(&listing);
    return err;
}

enum ph_err ph_store_postgres_backup(
    struct ph_store *store, const char *path, struct ph_error *error)
{
    (void)path;
    return ph_error_set(error, PH_ERR_UNAVAILABLE,
        "%s: backup: a server's own tools do this; run pg_dump for one database, or pg_basebackup "
        "with WAL archiving for the whole server",
        ph_pg_name(((struct postgres_store *)store)->pg));
}
