#include <inttypes.h>
#include <stdio.h>

#include "ingest/store/sqlite_result.h"

/* What is read goes into temporary tables first, in one read transaction, and from there to whoever
 * takes the rows: they may be taken slowly, and a transaction that stays open keeps the write-ahead
 * log from being emptied. */

/* The last columns of a result, when asked for. */
static const struct ph_column provenance_columns[] = {
    {"fingerprint", NULL, PH_CELL_TEXT}, {"unvouched", NULL, PH_CELL_TEXT}};
#define PROVENANCE_COUNT (sizeof provenance_columns / sizeof provenance_columns[0])
#define PROVENANCE_SQL   ", c.fingerprint, " PH_STORE_REASON_SQL("f._unvouched")

#define DROP_TABLES                                                                                \
    "DROP TABLE IF EXISTS temp.found; DROP TABLE IF EXISTS temp.found_stream;"                     \
    "DROP TABLE IF EXISTS temp.found_certificate; DROP TABLE IF EXISTS temp.newest;"

static const char name_certificates[] =
    "CREATE TEMP TABLE found_certificate(id INTEGER PRIMARY KEY, fingerprint);"
    "INSERT INTO temp.found_certificate SELECT id, fingerprint FROM main.certificate"
    " WHERE id IN (SELECT _certificate FROM temp.found)";

static void drop_tables(struct ph_db *db)
{
    enum ph_err ignored = ph_db_exec(db, DROP_TABLES, NULL); /* the next use does it, too */
    (void)ignored;
}

/* Makes `found`: readings of one kind as they are in their partitions. The type of _id lets SQLite
 * index it for a join. */
static enum ph_err make_found(
    struct ph_db *db, const struct sqlite_layout *layout, struct ph_error *error)
{
    struct ph_buf sql;
    ph_buf_init(&sql, PH_STORE_SQL_BYTES);
    enum ph_err err = ph_buf_append_text(&sql,
        DROP_TABLES "CREATE TEMP TABLE found(_id INTEGER, _stream, _seq, _time, _received, _timing,"
                    " _certificate, _unvouched, _extra");
    if (err == PH_OK) {
        err = ph_sqlite_layout_fields(layout, "", &sql);
    }
    if (err == PH_OK) {
        err = ph_buf_append_text(&sql, ")");
    }
    return ph_store_sqlite_exec(db, &sql, err, error);
}

/* "INSERT INTO found SELECT ... FROM the partition r" and what follows. */
static enum ph_err build_find(struct ph_buf *sql, const char *kind, int64_t partition,
    const struct sqlite_layout *layout, const char *rest)
{
    enum ph_err err = ph_buf_append_text(sql,
        "INSERT INTO temp.found SELECT r._id, r._stream, r._seq, r._time, r._received, r._timing,"
        " r._certificate, r._unvouched, r._extra");
    if (err == PH_OK) {
        err = ph_sqlite_layout_fields(layout, "r.", sql);
    }
    return err == PH_OK ? ph_buf_printf(sql, " FROM main.\"reading_%s_%" PRId64 "\" r%s", kind,
                              partition, rest)
                        : err;
}

/* ---- Latest. */

/* Per device its newest reading's _id: SQLite takes the bare columns of a group from the row that
 * holds max(). */
static const char newest_sql[] =
    "CREATE TEMP TABLE newest AS SELECT d.tenant AS tenant, d.device AS device,"
    " " PH_SQLITE_DEVICE " AS name, s.latest AS latest, s.latest_time AS time,"
    " sum(s.stored) AS stored, max(s.received) AS received"
    " FROM main.device d JOIN main.stream s ON s.device = d.id"
    " WHERE d.kind = ?1 AND s.stored > 0 GROUP BY d.id";

static enum ph_err find_newest(struct ph_db *db, const char *kind, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(db, newest_sql, &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, kind);
        err = ph_stmt_run(stmt, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

/* One look-up per device, in the partition that its _id is in. */
static enum ph_err find_latest(
    struct ph_db *db, const char *kind, const struct sqlite_layout *layout, struct ph_error *error)
{
    struct sqlite_partitions partitions = {0};
    enum ph_err err = ph_sqlite_partitions_init(&partitions, db, kind, error);
    for (size_t i = 0; i < partitions.count && err == PH_OK; i++) {
        const struct sqlite_partition *partition = &partitions.rows[i];
        char where[160];
        struct ph_buf sql;
        ph_buf_init(&sql, PH_STORE_SQL_BYTES);
        (void)snprintf(where, sizeof where,
            /* Not a join: that may scan the partition. */
            " WHERE r._id IN (SELECT latest FROM temp.newest"
            " WHERE latest BETWEEN %" PRId64 " AND %" PRId64 ")",
            partition->first_id, partition->last_id);
        err = build_find(&sql, kind, partition->id, layout, where);
        err = ph_store_sqlite_exec(db, &sql, err, error);
    }
    ph_sqlite_partitions_fini(&partitions);
    return err;
}

static enum ph_err collect_latest(
    struct ph_db *db, const char *kind, const struct sqlite_layout *layout, struct ph_error *error)
{
    enum ph_err err = ph_sqlite_begin_read(db, error);
    if (err != PH_OK) {
        return err;
    }
    err = make_found(db, layout, error);
    if (err == PH_OK) {
        err = find_newest(db, kind, error);
    }
    if (err == PH_OK) {
        err = find_latest(db, kind, layout, error);
    }
    if (err == PH_OK) {
        err = ph_db_exec(db, name_certificates, error);
    }
    return ph_sqlite_end_read(db, err, error);
}

static enum ph_err prepare_latest(struct ph_db *db, const struct sqlite_layout *layout,
    bool provenance, struct ph_stmt **stmt, struct ph_error *error)
{
    struct ph_buf sql;
    ph_buf_init(&sql, PH_STORE_SQL_BYTES);
    enum ph_err err = ph_buf_append_text(&sql, "SELECT n.name, coalesce(f._time, n.time)");
    if (err == PH_OK) {
        err = ph_sqlite_layout_fields(layout, "f.", &sql);
    }
    if (err == PH_OK) {
        err = ph_buf_printf(&sql,
            ", n.stored, (?1 - coalesce(f._time, n.time)) / 1000.0%s FROM temp.newest n"
            " LEFT JOIN temp.found f ON f._id = n.latest"
            " LEFT JOIN temp.found_certificate c ON c.id = f._certificate"
            " ORDER BY n.tenant, n.device",
            provenance ? PROVENANCE_SQL : "");
    }
    err = ph_sqlite_prepare(db, err, &sql, stmt, error);
    ph_buf_fini(&sql);
    return err;
}

static enum ph_err latest_of_kind(struct ph_db *db, const char *kind, int64_t now_ms,
    bool provenance, const struct ph_rows *rows, struct ph_error *error)
{
    static const struct ph_column before[] = {
        {"device", NULL, PH_CELL_TEXT}, {"time", NULL, PH_CELL_TIME}};
    static const struct ph_column after[] = {
        {"stored", NULL, PH_CELL_INTEGER}, {"age", "s", PH_CELL_REAL}};
    struct sqlite_layout layout = {0};
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_sqlite_layout_init(&layout, db, kind, before, 2, error);
    if (err == PH_OK) {
        ph_sqlite_layout_add(&layout, after, 2);
        ph_sqlite_layout_add(&layout, provenance_columns, provenance ? PROVENANCE_COUNT : 0);
        err = collect_latest(db, kind, &layout, error);
    }
    if (err == PH_OK) {
        err = prepare_latest(db, &layout, provenance, &stmt, error);
    }
    if (err == PH_OK) {
        ph_stmt_bind_int64(stmt, 1, now_ms);
        err = ph_sqlite_pass_rows(stmt, layout.columns, layout.count, true, rows, error);
    }
    ph_stmt_free(&stmt);
    drop_tables(db);
    ph_sqlite_layout_fini(&layout);
    return err;
}

enum ph_err ph_store_sqlite_latest(struct ph_store *store, int64_t now_ms, bool provenance,
    const struct ph_rows *rows, struct ph_error *error)
{
    struct ph_db *db = ((struct sqlite_store *)store)->db;
    struct sqlite_kinds kinds = {0};
    enum ph_err err = ph_sqlite_kinds_init(&kinds, db, NULL, error);
    for (size_t i = 0; i < kinds.count && err == PH_OK; i++) {
        err = latest_of_kind(db, kinds.names[i], now_ms, provenance, rows, error);
    }
    ph_sqlite_kinds_fini(&kinds);
    return err;
}

/* ---- Query. */

static enum ph_err find_device(
    struct ph_db *db, const struct ph_identity *identity, int64_t *id, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    enum ph_err err = ph_stmt_prepare(
        db, "SELECT id FROM device WHERE tenant=?1 AND kind=?2 AND device=?3", &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, identity->tenant);
        ph_stmt_bind_text(stmt, 2, identity->kind);
        ph_stmt_bind_text(stmt, 3, identity->device);
        err = ph_stmt_step(stmt, &row, error);
    }
    if (err == PH_OK && !row) {
        char name[PH_IDENTITY_BYTES];
        ph_identity_print(name, sizeof name, identity);
        err = ph_error_set(
            error, PH_ERR_NOT_FOUND, "%s: device %s: nothing stored of it", ph_db_path(db), name);
    }
    if (err == PH_OK) {
        *id = ph_stmt_int64(stmt, 0);
    }
    ph_stmt_free(&stmt);
    return err;
}

/* One kind of one query. */
struct search {
    struct ph_db *db;
    const char *kind;
    const struct ph_store_query *query;
    const struct sqlite_layout *layout;
    int64_t device;
    int64_t from_ms; /* rises as rows are found that push older ones beyond the limit */
};

static enum ph_err search_partition(
    struct search *search, const struct sqlite_partition *partition, struct ph_error *error)
{
    const struct ph_store_query *query = search->query;
    struct ph_stmt *stmt = NULL;
    struct ph_buf sql;
    char rest[256];
    (void)snprintf(rest, sizeof rest, " WHERE r._time >= ?1 AND r._time < ?2%s%s",
        query->device != NULL ? " AND r._stream IN (SELECT id FROM main.stream WHERE device = ?3)"
                              : "",
        query->limit > 0 ? " ORDER BY r._time DESC, r._id DESC LIMIT ?4" : "");
    ph_buf_init(&sql, PH_STORE_SQL_BYTES);
    enum ph_err err = build_find(&sql, search->kind, partition->id, search->layout, rest);
    err = ph_sqlite_prepare(search->db, err, &sql, &stmt, error);
    ph_buf_fini(&sql);
    if (err == PH_OK) {
        ph_stmt_bind_int64(stmt, 1, search->from_ms);
        ph_stmt_bind_int64(stmt, 2, query->to_ms);
    }
    if (err == PH_OK && query->device != NULL) {
        ph_stmt_bind_int64(stmt, 3, search->device);
    }
    if (err == PH_OK && query->limit > 0) {
        ph_stmt_bind_int64(stmt, 4, query->limit);
    }
    err = err == PH_OK ? ph_stmt_run(stmt, error) : err;
    ph_stmt_free(&stmt);
    return err;
}

/* With a limit: keeps the newest so many, and asks older partitions for nothing older. Of two
 * readings with one time the one that was stored later is the newer. */
static enum ph_err cut_to_limit(struct search *search, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    if (search->query->limit <= 0) {
        return PH_OK;
    }
    enum ph_err err = ph_store_sqlite_run(search->db, error,
        "DELETE FROM temp.found WHERE rowid NOT IN (SELECT rowid FROM temp.found"
        " ORDER BY _time DESC, _id DESC LIMIT %" PRId64 ")",
        search->query->limit);
    if (err == PH_OK) {
        err = ph_stmt_prepare(
            search->db, "SELECT min(_time) FROM temp.found HAVING count(*) >= ?1", &stmt, error);
    }
    if (err == PH_OK) {
        ph_stmt_bind_int64(stmt, 1, search->query->limit);
        err = ph_stmt_step(stmt, &row, error);
    }
    if (err == PH_OK && row && ph_stmt_int64(stmt, 0) >= search->from_ms) {
        search->from_ms = ph_stmt_int64(stmt, 0) + 1;
    }
    ph_stmt_free(&stmt);
    return err;
}

static enum ph_err search_partitions(struct search *search, struct ph_error *error)
{
    struct sqlite_partitions partitions = {0};
    enum ph_err err = ph_sqlite_partitions_init(&partitions, search->db, search->kind, error);
    for (size_t i = 0; i < partitions.count && err == PH_OK; i++) {
        const struct sqlite_partition *partition = &partitions.rows[i];
        if (partition->last_time < search->from_ms ||
            partition->first_time >= search->query->to_ms) {
            continue;
        }
        err = search_partition(search, partition, error);
        if (err == PH_OK) {
            err = cut_to_limit(search, error);
        }
    }
    ph_sqlite_partitions_fini(&partitions);
    return err;
}

static const char name_streams[] =
    "CREATE TEMP TABLE found_stream(id INTEGER PRIMARY KEY, device, stream);"
    "INSERT INTO temp.found_stream SELECT s.id, " PH_SQLITE_DEVICE ", " PH_SQLITE_STREAM
    " FROM main.stream s JOIN main.device d ON d.id = s.device"
    " WHERE s.id IN (SELECT _stream FROM temp.found)";

static enum ph_err collect_query(struct search *search, struct ph_error *error)
{
    enum ph_err err = ph_sqlite_begin_read(search->db, error);
    if (err != PH_OK) {
        return err;
    }
    err = make_found(search->db, search->layout, error);
    if (err == PH_OK) {
        err = search_partitions(search, error);
    }
    if (err == PH_OK) {
        err = ph_db_exec(search->db, name_streams, error);
    }
    if (err == PH_OK) {
        err = ph_db_exec(search->db, name_certificates, error);
    }
    return ph_sqlite_end_read(search->db, err, error);
}

static enum ph_err prepare_query(
    const struct search *search, struct ph_stmt **stmt, struct ph_error *error)
{
    struct ph_buf sql;
    ph_buf_init(&sql, PH_STORE_SQL_BYTES);
    enum ph_err err = ph_buf_append_text(&sql, "SELECT n.device, n.stream, f._seq, f._time");
    if (err == PH_OK) {
        err = ph_sqlite_layout_fields(search->layout, "f.", &sql);
    }
    if (err == PH_OK) {
        err = ph_buf_printf(&sql,
            ", f._extra, f._received, " PH_STORE_TIMING_SQL(
                "f._timing") "%s FROM temp.found f"
                             " JOIN temp.found_stream n ON n.id = f._stream"
                             " LEFT JOIN temp.found_certificate c ON c.id = f._certificate"
                             " ORDER BY f._time, f._id",
            search->query->provenance ? PROVENANCE_SQL : "");
    }
    err = ph_sqlite_prepare(search->db, err, &sql, stmt, error);
    ph_buf_fini(&sql);
    return err;
}

static enum ph_err query_kind(struct ph_db *db, const char *kind, int64_t device,
    const struct ph_store_query *query, const struct ph_rows *rows, struct ph_error *error)
{
    static const struct ph_column before[] = {{"device", NULL, PH_CELL_TEXT},
        {"stream", NULL, PH_CELL_TEXT}, {"seq", NULL, PH_CELL_INTEGER},
        {"time", NULL, PH_CELL_TIME}};
    static const struct ph_column after[] = {{"extra", NULL, PH_CELL_TEXT},
        {"received", NULL, PH_CELL_TIME}, {"timing", NULL, PH_CELL_TEXT}};
    struct sqlite_layout layout = {0};
    struct ph_stmt *stmt = NULL;
    struct search search = {.db = db,
        .kind = kind,
        .query = query,
        .layout = &layout,
        .device = device,
        .from_ms = query->from_ms};
    enum ph_err err = ph_sqlite_layout_init(&layout, db, kind, before, 4, error);
    if (err == PH_OK) {
        ph_sqlite_layout_add(&layout, after, 3);
        ph_sqlite_layout_add(&layout, provenance_columns, query->provenance ? PROVENANCE_COUNT : 0);
        err = collect_query(&search, error);
    }
    if (err == PH_OK) {
        err = prepare_query(&search, &stmt, error);
    }
    if (err == PH_OK) {
        err = ph_sqlite_pass_rows(stmt, layout.columns, layout.count, true, rows, error);
    }
    ph_stmt_free(&stmt);
    drop_tables(db);
    ph_sqlite_layout_fini(&layout);
    return err;
}

enum ph_err ph_store_sqlite_query(struct ph_store *store, const struct ph_store_query *query,
    const struct ph_rows *rows, struct ph_error *error)
{
    struct ph_db *db = ((struct sqlite_store *)store)->db;
    struct sqlite_kinds kinds = {0};
    int64_t device = 0;
    enum ph_err err = PH_OK;
    if (query->device != NULL) {
        err = find_device(db, query->device, &device, error);
    }
    if (err == PH_OK) {
        err = ph_sqlite_kinds_init(
            &kinds, db, query->device != NULL ? query->device->kind : query->kind, error);
    }
    for (size_t i = 0; i < kinds.count && err == PH_OK; i++) {
        err = query_kind(db, kinds.names[i], device, query, rows, error);
    }
    ph_sqlite_kinds_fini(&kinds);
    return err;
}
