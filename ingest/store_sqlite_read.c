#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "ingest/store_sqlite.h"

#define DEVICE_SQL "d.tenant || '/' || d.kind || '/' || d.device"
#define STREAM_SQL "CASE WHEN s.stream IS NULL THEN NULL ELSE printf('%%016x', s.stream) END"

/* What a certificate says of a row: the last columns of a result, when asked for. */
static const struct ph_column provenance_columns[] = {
    {"fingerprint", NULL, PH_CELL_TEXT}, {"unvouched", NULL, PH_CELL_TEXT}};
#define PROVENANCE_COUNT (sizeof provenance_columns / sizeof provenance_columns[0])
#define PROVENANCE_SQL   ", c.fingerprint, " PH_STORE_REASON_SQL("r._unvouched")
#define PROVENANCE_JOIN  " LEFT JOIN certificate c ON c.id = r._certificate"

enum { ESCAPED_BYTES = 4 * PH_LIMIT_MESSAGE_BYTES + 1, COLUMNS_MAX = 2048, KINDS_MAX = 4096 };

/* Columns of a result: some fixed ones around the fields of a kind. */
struct layout {
    struct ph_column *columns;
    size_t count;
    char **owned; /* names and units of the fields */
    size_t owned_count;
    size_t fields_from;
    size_t fields_to;
};

static void layout_fini(struct layout *layout)
{
    for (size_t i = 0; i < layout->owned_count; i++) {
        free(layout->owned[i]);
    }
    free(layout->owned);
    free(layout->columns);
    *layout = (struct layout){0};
}

static enum ph_cell_type cell_type(const char *field_type)
{
    static const enum ph_cell_type types[] = {
        [PH_FIELD_NUMBER] = PH_CELL_REAL,
        [PH_FIELD_INTEGER] = PH_CELL_INTEGER,
        [PH_FIELD_BOOLEAN] = PH_CELL_BOOL,
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(field_type, ph_field_type_name((enum ph_field_type)i)) == 0) {
            return types[i];
        }
    }
    return PH_CELL_TEXT;
}

/* A copy that lives as long as the layout; NULL when out of memory. */
static const char *own(struct layout *layout, const char *text)
{
    char *copy = strdup(text);
    if (copy != NULL) {
        layout->owned[layout->owned_count++] = copy;
    }
    return copy;
}

static enum ph_err add_field(struct layout *layout, struct ph_stmt *stmt, struct ph_error *error)
{
    if (layout->count >= COLUMNS_MAX) {
        return ph_error_set(error, PH_ERR_INPUT, "store: more than %d fields", COLUMNS_MAX);
    }
    struct ph_column *column = &layout->columns[layout->count++];
    layout->fields_to = layout->count;
    const char *unit = ph_stmt_text(stmt, 2);
    column->name = own(layout, ph_stmt_text(stmt, 0));
    column->type = cell_type(ph_stmt_text(stmt, 1));
    column->unit = unit != NULL ? own(layout, unit) : NULL;
    return column->name != NULL && (unit == NULL || column->unit != NULL)
               ? PH_OK
               : ph_error_set(error, PH_ERR_MEMORY, "store: out of memory");
}

static void add_fixed(struct layout *layout, const struct ph_column *fixed, size_t count)
{
    memcpy(&layout->columns[layout->count], fixed, count * sizeof fixed[0]);
    layout->count += count;
}

/* Fixed columns, then the kind's fields; room for eight more. */
static enum ph_err layout_init(struct layout *layout, struct ph_db *db, const char *kind,
    const struct ph_column *fixed, size_t fixed_count, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    layout->columns = calloc(COLUMNS_MAX + 8, sizeof layout->columns[0]);
    layout->owned = calloc((size_t)2 * COLUMNS_MAX, sizeof layout->owned[0]);
    if (layout->columns == NULL || layout->owned == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "store: out of memory");
    }
    add_fixed(layout, fixed, fixed_count);
    layout->fields_from = layout->fields_to = layout->count;
    enum ph_err err = ph_stmt_prepare(
        db, "SELECT name, type, unit FROM field WHERE kind=?1 ORDER BY position", &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, kind);
    }
    while (err == PH_OK && (err = ph_stmt_step(stmt, &row, error)) == PH_OK && row) {
        err = add_field(layout, stmt, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

static struct ph_cell cell_of(
    struct ph_stmt *stmt, int column, enum ph_cell_type type, char *scratch)
{
    struct ph_cell cell = {.type = type};
    if (ph_stmt_is_null(stmt, column)) {
        cell.type = PH_CELL_NULL;
    } else if (ph_stmt_column_type(stmt, column) == PH_COLUMN_BYTES) {
        size_t len = 0;
        const void *bytes = ph_stmt_bytes(stmt, column, &len);
        ph_text_escape_bytes(scratch, ESCAPED_BYTES, len > 0 ? bytes : "", len);
        cell.text = scratch;
    } else if (type == PH_CELL_TEXT) {
        cell.text = ph_stmt_text(stmt, column);
    } else if (type == PH_CELL_REAL) {
        cell.real = ph_stmt_double(stmt, column);
    } else {
        cell.integer = ph_stmt_int64(stmt, column);
    }
    return cell;
}

/* Hands every row of a statement on. */
static enum ph_err pass_rows(struct ph_stmt *stmt, const struct ph_column *columns, size_t count,
    const struct ph_rows *rows, struct ph_error *error)
{
    struct ph_cell *cells = calloc(count, sizeof *cells);
    char *scratch = malloc(ESCAPED_BYTES);
    bool row = false;
    enum ph_err err = cells != NULL && scratch != NULL
                          ? PH_OK
                          : ph_error_set(error, PH_ERR_MEMORY, "store: out of memory");
    while (err == PH_OK && (err = ph_stmt_step(stmt, &row, error)) == PH_OK && row) {
        for (size_t i = 0; i < count; i++) {
            cells[i] = cell_of(stmt, (int)i, columns[i].type, scratch);
        }
        err = rows->row(rows->context, cells, error);
    }
    free(scratch);
    free(cells);
    return err;
}

struct kind_list {
    char **names;
    size_t count;
};

static void kind_list_fini(struct kind_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->names[i]);
    }
    free(list->names);
    *list = (struct kind_list){0};
}

static enum ph_err kind_list_init(
    struct kind_list *list, struct ph_db *db, const char *only, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    list->names = calloc(KINDS_MAX, sizeof list->names[0]);
    if (list->names == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "store: out of memory");
    }
    enum ph_err err = ph_stmt_prepare(db,
        "SELECT DISTINCT kind FROM field WHERE ?1 IS NULL OR kind=?1 ORDER BY kind", &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, only);
    }
    while (err == PH_OK && list->count < KINDS_MAX &&
           (err = ph_stmt_step(stmt, &row, error)) == PH_OK && row) {
        list->names[list->count] = strdup(ph_stmt_text(stmt, 0));
        err = list->names[list->count] != NULL
                  ? PH_OK
                  : ph_error_set(error, PH_ERR_MEMORY, "store: out of memory");
        list->count += err == PH_OK ? 1 : 0;
    }
    ph_stmt_free(&stmt);
    if (err == PH_OK && only != NULL && list->count == 0) {
        err = ph_error_set(
            error, PH_ERR_NOT_FOUND, "%s: kind %s: not in this store", ph_db_path(db), only);
    }
    return err;
}

static enum ph_err append_fields(struct ph_buf *sql, const struct layout *layout)
{
    enum ph_err err = PH_OK;
    for (size_t i = layout->fields_from; i < layout->fields_to && err == PH_OK; i++) {
        err = ph_buf_printf(sql, ", r.\"%s\"", layout->columns[i].name);
    }
    return err;
}

static enum ph_err prepare_buf(struct ph_db *db, enum ph_err built, const struct ph_buf *sql,
    struct ph_stmt **stmt, struct ph_error *error)
{
    return built == PH_OK ? ph_stmt_prepare(db, sql->data, stmt, error)
                          : ph_error_set(error, built, "%s: statement too long", ph_db_path(db));
}

/* SQLite takes the bare columns of a group from the row that holds max(). */
static enum ph_err prepare_latest(struct ph_db *db, const char *kind, const struct layout *layout,
    bool provenance, struct ph_stmt **stmt, struct ph_error *error)
{
    struct ph_buf sql;
    ph_buf_init(&sql, PH_STORE_SQL_BYTES);
    enum ph_err err = ph_buf_printf(&sql, "SELECT " DEVICE_SQL ", r._time");
    if (err == PH_OK) {
        err = append_fields(&sql, layout);
    }
    if (err == PH_OK) {
        err = ph_buf_printf(&sql,
            ", sum(s.stored), (?2 - r._time) / 1000.0%s, max(s.received)"
            " FROM device d JOIN stream s ON s.device = d.id"
            " JOIN \"reading_%s\" r ON r._id = s.latest%s"
            " WHERE d.kind = ?1 AND s.stored > 0 GROUP BY d.id ORDER BY d.tenant, d.device",
            provenance ? PROVENANCE_SQL : "", kind, provenance ? PROVENANCE_JOIN : "");
    }
    err = prepare_buf(db, err, &sql, stmt, error);
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
    struct layout layout = {0};
    struct ph_stmt *stmt = NULL;
    enum ph_err err = layout_init(&layout, db, kind, before, 2, error);
    if (err == PH_OK) {
        add_fixed(&layout, after, 2);
        add_fixed(&layout, provenance_columns, provenance ? PROVENANCE_COUNT : 0);
        err = prepare_latest(db, kind, &layout, provenance, &stmt, error);
    }
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, kind);
        ph_stmt_bind_int64(stmt, 2, now_ms);
        err = rows->begin(rows->context, layout.columns, layout.count, error);
    }
    if (err == PH_OK) {
        err = pass_rows(stmt, layout.columns, layout.count, rows, error);
    }
    ph_stmt_free(&stmt);
    layout_fini(&layout);
    return err;
}

enum ph_err ph_store_sqlite_latest(struct ph_store *store, int64_t now_ms, bool provenance,
    const struct ph_rows *rows, struct ph_error *error)
{
    struct ph_db *db = ((struct sqlite_store *)store)->db;
    struct kind_list kinds = {0};
    enum ph_err err = kind_list_init(&kinds, db, NULL, error);
    for (size_t i = 0; i < kinds.count && err == PH_OK; i++) {
        err = latest_of_kind(db, kinds.names[i], now_ms, provenance, rows, error);
    }
    kind_list_fini(&kinds);
    return err;
}

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

static enum ph_err prepare_query(struct ph_db *db, const char *kind, const struct layout *layout,
    const struct ph_store_query *query, struct ph_stmt **stmt, struct ph_error *error)
{
    struct ph_buf sql;
    ph_buf_init(&sql, PH_STORE_SQL_BYTES);
    enum ph_err err = ph_buf_printf(
        &sql, "SELECT * FROM (SELECT " DEVICE_SQL ", " STREAM_SQL ", r._seq, r._time AS _time");
    if (err == PH_OK) {
        err = append_fields(&sql, layout);
    }
    if (err == PH_OK) {
        err = ph_buf_printf(&sql,
            "%s, r._id AS _id FROM \"reading_%s\" r JOIN stream s ON s.id = r._stream"
            " JOIN device d ON d.id = s.device%s WHERE r._time >= ?1 AND r._time < ?2%s"
            " ORDER BY r._time DESC, r._id DESC LIMIT ?3) ORDER BY _time, _id",
            query->provenance ? PROVENANCE_SQL : "", kind, query->provenance ? PROVENANCE_JOIN : "",
            query->device != NULL ? " AND r._stream IN (SELECT id FROM stream WHERE device = ?4)"
                                  : "");
    }
    err = prepare_buf(db, err, &sql, stmt, error);
    ph_buf_fini(&sql);
    return err;
}

static enum ph_err query_kind(struct ph_db *db, const char *kind, int64_t device,
    const struct ph_store_query *query, const struct ph_rows *rows, struct ph_error *error)
{
    static const struct ph_column before[] = {{"device", NULL, PH_CELL_TEXT},
        {"stream", NULL, PH_CELL_TEXT}, {"seq", NULL, PH_CELL_INTEGER},
        {"time", NULL, PH_CELL_TIME}};
    struct layout layout = {0};
    struct ph_stmt *stmt = NULL;
    enum ph_err err = layout_init(&layout, db, kind, before, 4, error);
    if (err == PH_OK) {
        add_fixed(&layout, provenance_columns, query->provenance ? PROVENANCE_COUNT : 0);
        err = prepare_query(db, kind, &layout, query, &stmt, error);
    }
    if (err == PH_OK) {
        ph_stmt_bind_int64(stmt, 1, query->from_ms);
        ph_stmt_bind_int64(stmt, 2, query->to_ms);
        ph_stmt_bind_int64(stmt, 3, query->limit > 0 ? query->limit : -1);
        if (query->device != NULL) {
            ph_stmt_bind_int64(stmt, 4, device);
        }
        err = rows->begin(rows->context, layout.columns, layout.count, error);
    }
    if (err == PH_OK) {
        err = pass_rows(stmt, layout.columns, layout.count, rows, error);
    }
    ph_stmt_free(&stmt);
    layout_fini(&layout);
    return err;
}

enum ph_err ph_store_sqlite_query(struct ph_store *store, const struct ph_store_query *query,
    const struct ph_rows *rows, struct ph_error *error)
{
    struct ph_db *db = ((struct sqlite_store *)store)->db;
    struct kind_list kinds = {0};
    int64_t device = 0;
    enum ph_err err = PH_OK;
    if (query->device != NULL) {
        err = find_device(db, query->device, &device, error);
    }
    if (err == PH_OK) {
        err = kind_list_init(
            &kinds, db, query->device != NULL ? query->device->kind : query->kind, error);
    }
    for (size_t i = 0; i < kinds.count && err == PH_OK; i++) {
        err = query_kind(db, kinds.names[i], device, query, rows, error);
    }
    kind_list_fini(&kinds);
    return err;
}

enum ph_err ph_store_sqlite_dead_letters(struct ph_store *store, int64_t limit, bool provenance,
    const struct ph_rows *rows, struct ph_error *error)
{
    static const struct ph_column columns[] = {{"id", NULL, PH_CELL_INTEGER},
        {"received", NULL, PH_CELL_TIME}, {"device", NULL, PH_CELL_TEXT},
        {"stream", NULL, PH_CELL_TEXT}, {"first", NULL, PH_CELL_INTEGER},
        {"last", NULL, PH_CELL_INTEGER}, {"reason", NULL, PH_CELL_TEXT},
        {"topic", NULL, PH_CELL_TEXT}, {"payload", NULL, PH_CELL_TEXT},
        {"fingerprint", NULL, PH_CELL_TEXT}, {"unvouched", NULL, PH_CELL_TEXT}};
    const size_t count = sizeof columns / sizeof columns[0] - (provenance ? 0 : PROVENANCE_COUNT);
    struct ph_db *db = ((struct sqlite_store *)store)->db;
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(db,
        "SELECT * FROM (SELECT id, received, device,"
        " CASE WHEN stream IS NULL THEN NULL ELSE printf('%016x', stream) END,"
        " first, last, reason, topic, payload, fingerprint, " PH_STORE_REASON_SQL(
            "unvouched") " FROM dead_letter ORDER BY id DESC LIMIT ?1)"
                         " ORDER BY id",
        &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_int64(stmt, 1, limit > 0 ? limit : -1);
        err = rows->begin(rows->context, columns, count, error);
    }
    if (err == PH_OK) {
        err = pass_rows(stmt, columns, count, rows, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

static const struct ph_column stats_columns[] = {{"device", NULL, PH_CELL_TEXT},
    {"stream", NULL, PH_CELL_TEXT}, {"stored", NULL, PH_CELL_INTEGER},
    {"through", NULL, PH_CELL_INTEGER}, {"first", NULL, PH_CELL_INTEGER},
    {"last", NULL, PH_CELL_INTEGER}, {"duplicates", NULL, PH_CELL_INTEGER},
    {"vouched", NULL, PH_CELL_INTEGER},
    /* summed, not shown: */
    {"missing", NULL, PH_CELL_INTEGER}, {"malformed", NULL, PH_CELL_INTEGER},
    {"repeated", NULL, PH_CELL_INTEGER}, {"other-identity", NULL, PH_CELL_INTEGER}};
enum {
    STATS_SELECTED = sizeof stats_columns / sizeof stats_columns[0],
    STATS_STORED = 2,
    STATS_DUPLICATES = 6,
    STATS_VOUCHED = 7,
    STATS_SHOWN = 8, /* the reasons follow, in the order of their numbers from 1 */
};

/* Adds up what it passes on. */
struct summing {
    const struct ph_rows *rows;
    struct ph_store_totals *totals;
};

static enum ph_err sum_row(void *context, const struct ph_cell *cells, struct ph_error *error)
{
    struct summing *summing = context;
    summing->totals->stored += cells[STATS_STORED].integer;
    summing->totals->duplicates += cells[STATS_DUPLICATES].integer;
    summing->totals->vouched += cells[STATS_VOUCHED].integer;
    summing->totals->unrecorded += cells[STATS_STORED].integer - cells[STATS_VOUCHED].integer;
    for (size_t i = 1; i < PH_PROVENANCE_STATES; i++) {
        int64_t count = cells[STATS_SHOWN - 1 + i].integer;
        summing->totals->unvouched[i] += count;
        summing->totals->unrecorded -= count;
    }
    return summing->rows != NULL ? summing->rows->row(summing->rows->context, cells, error) : PH_OK;
}

static enum ph_err stats_of_kind(struct ph_db *db, const char *kind, const struct ph_rows *rows,
    struct ph_store_totals *totals, struct ph_error *error)
{
    struct summing summing = {.rows = rows, .totals = totals};
    struct ph_rows sums = {.context = &summing, .row = sum_row};
    struct ph_stmt *stmt = NULL;
    struct ph_buf sql;
    ph_buf_init(&sql, PH_STORE_SQL_BYTES);
    enum ph_err err = ph_buf_printf(&sql,
        "WITH c AS MATERIALIZED (SELECT _stream, count(*) AS n, count(_seq) AS numbered,"
        " count(DISTINCT _seq) AS u, min(_seq) AS lo, max(_seq) AS hi,"
        " count(_certificate) AS v, sum(_unvouched IS 1) AS r1, sum(_unvouched IS 2) AS r2,"
        " sum(_unvouched IS 3) AS r3, sum(_unvouched IS 4) AS r4"
        " FROM \"reading_%s\" GROUP BY _stream)"
        " SELECT " DEVICE_SQL ", " STREAM_SQL ", coalesce(c.n, 0),"
        " CASE WHEN s.stream IS NULL THEN NULL ELSE s.through END, c.lo, c.hi,"
        " coalesce(c.numbered - c.u, 0), coalesce(c.v, 0), coalesce(c.r1, 0),"
        " coalesce(c.r2, 0), coalesce(c.r3, 0), coalesce(c.r4, 0)"
        " FROM device d JOIN stream s ON s.device = d.id LEFT JOIN c ON c._stream = s.id"
        " WHERE d.kind = ?1 ORDER BY d.tenant, d.device, s.id",
        kind);
    err = prepare_buf(db, err, &sql, &stmt, error);
    ph_buf_fini(&sql);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, kind);
        err = pass_rows(stmt, stats_columns, STATS_SELECTED, &sums, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

static enum ph_err count_totals(
    struct ph_db *db, struct ph_store_totals *totals, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    enum ph_err err = ph_stmt_prepare(db,
        "SELECT (SELECT count(DISTINCT device) FROM stream),"
        " (SELECT count(*) FROM stream WHERE stream IS NOT NULL),"
        " (SELECT count(*) FROM dead_letter),"
        " (SELECT coalesce(sum(not_kept), 0) FROM garbage)",
        &stmt, error);
    if (err == PH_OK) {
        err = ph_stmt_step(stmt, &row, error);
    }
    if (err == PH_OK && row) {
        totals->devices = ph_stmt_int64(stmt, 0);
        totals->streams = ph_stmt_int64(stmt, 1);
        totals->dead_letters = ph_stmt_int64(stmt, 2);
        totals->dead_letters_not_kept = ph_stmt_int64(stmt, 3);
    }
    ph_stmt_free(&stmt);
    return err;
}

static enum ph_err stats_inside(struct ph_db *db, const struct ph_rows *rows,
    struct ph_store_totals *totals, struct ph_error *error)
{
    struct kind_list kinds = {0};
    enum ph_err err = count_totals(db, totals, error);
    if (err == PH_OK) {
        err = kind_list_init(&kinds, db, NULL, error);
    }
    if (err == PH_OK && rows != NULL) {
        err = rows->begin(rows->context, stats_columns, STATS_SHOWN, error);
    }
    for (size_t i = 0; i < kinds.count && err == PH_OK; i++) {
        err = stats_of_kind(db, kinds.names[i], rows, totals, error);
    }
    kind_list_fini(&kinds);
    return err;
}

enum ph_err ph_store_sqlite_stats(struct ph_store *store, const struct ph_rows *rows,
    struct ph_store_totals *totals, struct ph_error *error)
{
    struct ph_db *db = ((struct sqlite_store *)store)->db;
    *totals = (struct ph_store_totals){0};
    enum ph_err err = ph_db_exec(db, "BEGIN", error); /* one snapshot for all the counts */
    if (err == PH_OK) {
        err = stats_inside(db, rows, totals, error);
    }
    ph_db_rollback(db);
    return err;
}
