#include <string.h>

#include "format/message.h"
#include "ingest/store/sqlite.h"

/* SQLite takes 500 terms in one compound SELECT. */
enum { VIEW_GROUP = 250 };

static const char *const reserved[] = {"certificate", "dead_letter", "device", "dropped", "field",
    "garbage", "letter_count", "meta", "partition", "stream", NULL};

static bool is_reserved(const char *kind)
{
    bool taken = strncmp(kind, "reading_", 8) == 0 || strncmp(kind, "sqlite_", 7) == 0;
    for (size_t i = 0; reserved[i] != NULL && !taken; i++) {
        taken = strcmp(kind, reserved[i]) == 0;
    }
    return taken;
}

static enum ph_err check_kind_name(const char *kind, struct ph_error *error)
{
    return ph_field_name_valid(kind) && !is_reserved(kind)
               ? PH_OK
               : ph_error_set(error, PH_ERR_CONFIG,
                     "kind %s: name: taken by the store itself; name the kind otherwise", kind);
}

const char *ph_store_sqlite_type(const char *field_type)
{
    if (strcmp(field_type, ph_field_type_name(PH_FIELD_NUMBER)) == 0) {
        return "REAL";
    }
    return strcmp(field_type, ph_field_type_name(PH_FIELD_INTEGER)) == 0 ||
                   strcmp(field_type, ph_field_type_name(PH_FIELD_BOOLEAN)) == 0
               ? "INTEGER"
               : "TEXT";
}

/* What the store knows of one field. */
struct known_field {
    bool known;
    bool same; /* unit, description and type name */
};

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static enum ph_err check_type(const struct ph_db *db, const char *kind,
    const struct ph_field_rule *field, const char *have, struct ph_error *error)
{
    const char *want = ph_field_type_name(field->type);
    bool texts = strcmp(ph_store_sqlite_type(want), "TEXT") == 0 &&
                 strcmp(ph_store_sqlite_type(have), "TEXT") == 0;
    if (texts || strcmp(have, want) == 0) {
        return PH_OK;
    }
    return ph_error_set(error, PH_ERR_CONFIG,
        "kind %s: field %s: type: the store %s has it as %s, the kinds file says %s; give the "
        "field another name",
        kind, field->name, ph_db_path(db), have, want);
}

static enum ph_err look_up_field(struct ph_db *db, const char *kind,
    const struct ph_field_rule *field, struct known_field *out, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(
        db, "SELECT type, unit, description FROM field WHERE kind=?1 AND name=?2", &stmt, error);
    if (err != PH_OK) {
        return err;
    }
    ph_stmt_bind_text(stmt, 1, kind);
    ph_stmt_bind_text(stmt, 2, field->name);
    err = ph_stmt_step(stmt, &out->known, error);
    if (err == PH_OK && out->known) {
        const char *type = ph_stmt_text(stmt, 0);
        err = check_type(db, kind, field, type, error);
        out->same = same_text(type, ph_field_type_name(field->type)) &&
                    same_text(ph_stmt_text(stmt, 1), field->unit) &&
                    same_text(ph_stmt_text(stmt, 2), field->description);
    }
    ph_stmt_free(&stmt);
    return err;
}

static enum ph_err save_field(
    struct ph_db *db, const char *kind, const struct ph_field_rule *field, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(db,
        "INSERT INTO field(kind, position, name, type, unit, description)"
        " VALUES (?1, (SELECT count(*) FROM field WHERE kind=?1), ?2, ?3, ?4, ?5)"
        " ON CONFLICT(kind, name) DO UPDATE SET type=?3, unit=?4, description=?5",
        &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, kind);
        ph_stmt_bind_text(stmt, 2, field->name);
        ph_stmt_bind_text(stmt, 3, ph_field_type_name(field->type));
        ph_stmt_bind_text(stmt, 4, field->unit);
        ph_stmt_bind_text(stmt, 5, field->description);
        err = ph_stmt_run(stmt, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

/* Starts to list the rows of `sql`, whose one parameter is a kind. */
static enum ph_err list_of_kind(struct ph_db *db, const char *sql, const char *kind,
    struct ph_stmt **stmt, struct ph_error *error)
{
    enum ph_err err = ph_stmt_prepare(db, sql, stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(*stmt, 1, kind);
    }
    return err;
}

/* In every partition, so that whoever reads them need not ask which has it; each costs the same,
 * however many rows it has. */
static enum ph_err add_column(
    struct ph_db *db, const char *kind, const struct ph_field_rule *field, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    struct ph_buf sql;
    bool row = false;
    ph_buf_init(&sql, PH_STORE_SQL_BYTES);
    enum ph_err err =
        list_of_kind(db, "SELECT id FROM partition WHERE kind=?1", kind, &stmt, error);
    while (err == PH_OK && (err = ph_stmt_step(stmt, &row, error)) == PH_OK && row) {
        err = ph_buf_printf(&sql, "ALTER TABLE \"reading_%s_%lld\" ADD COLUMN \"%s\" %s;", kind,
            (long long)ph_stmt_int64(stmt, 0), field->name,
            ph_store_sqlite_type(ph_field_type_name(field->type)));
    }
    ph_stmt_free(&stmt);
    return ph_store_sqlite_exec(db, &sql, err, error);
}

/* Every field that the kind ever had, quoted, with `before` in front of each. */
static enum ph_err append_fields(struct ph_db *db, const char *kind, const char *before,
    struct ph_buf *sql, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    enum ph_err err = list_of_kind(
        db, "SELECT name FROM field WHERE kind=?1 ORDER BY position", kind, &stmt, error);
    while (err == PH_OK && (err = ph_stmt_step(stmt, &row, error)) == PH_OK && row) {
        const char *name = ph_stmt_text(stmt, 0);
        err = ph_store_sqlite_check_name(db, name, error);
        if (err == PH_OK) {
            err = ph_buf_printf(sql, "%s\"%s\"", before, name);
        }
    }
    ph_stmt_free(&stmt);
    return err;
}

/* All partitions as one: groups of SELECTs that name the same columns. Each finds the device for
 * itself, so that a search for one can use its index; that the device is of this kind is said for
 * the same reason. */
static enum ph_err append_partitions(struct ph_db *db, const char *kind, const char *columns,
    struct ph_buf *sql, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    enum ph_err err =
        list_of_kind(db, "SELECT id FROM partition WHERE kind=?1 ORDER BY id", kind, &stmt, error);
    for (size_t i = 0; err == PH_OK && (err = ph_stmt_step(stmt, &row, error)) == PH_OK && row;
         i++) {
        const char *glue = i % VIEW_GROUP != 0 ? " UNION ALL "
                           : i == 0            ? "SELECT * FROM ("
                                               : ") UNION ALL SELECT * FROM (";
        err = ph_buf_printf(sql,
            "%sSELECT d.tenant, d.device, s.stream, %s FROM \"reading_%s_%lld\" r"
            " JOIN stream s ON s.id=r._stream JOIN device d ON d.id=s.device AND d.kind='%s'",
            glue, columns, kind, (long long)ph_stmt_int64(stmt, 0), kind);
    }
    ph_stmt_free(&stmt);
    return err == PH_OK ? ph_buf_append_text(sql, ")") : err;
}

#define TIME_SQL(column)                                                                           \
    "strftime('%%Y-%%m-%%dT%%H:%%M:%%S', " column " / 1000, 'unixepoch')"                          \
    " || printf('.%%03dZ', " column " %% 1000)"

static enum ph_err append_view(struct ph_db *db, const char *kind, const char *columns,
    struct ph_buf *sql, struct ph_error *error)
{
    enum ph_err err = ph_buf_printf(sql,
        "DROP VIEW IF EXISTS \"%s\"; CREATE VIEW \"%s\" AS SELECT r.tenant, r.device,"
        " CASE WHEN r.stream IS NULL THEN NULL ELSE printf('%%016x', r.stream) END AS stream,"
        " r._seq AS seq, " TIME_SQL("r._time") " AS time",
        kind, kind);
    if (err == PH_OK) {
        err = append_fields(db, kind, ", r.", sql, error);
    }
    if (err == PH_OK) {
        err = ph_buf_printf(sql,
            ", r._extra AS extra, " TIME_SQL("r._received") " AS received, " PH_STORE_TIMING_SQL(
                "r._timing") " AS timing, c.fingerprint AS fingerprint, " PH_STORE_REASON_SQL("r._"
                                                                                              "unvo"
                                                                                              "uche"
                                                                                              "d") " AS unvouched FROM (");
    }
    if (err == PH_OK) {
        err = append_partitions(db, kind, columns, sql, error);
    }
    return err == PH_OK
               ? ph_buf_append_text(sql, ") r LEFT JOIN certificate c ON c.id = r._certificate")
               : err;
}

enum ph_err ph_store_sqlite_make_view(struct ph_db *db, const char *kind, struct ph_error *error)
{
    struct ph_buf columns;
    struct ph_buf sql;
    if (is_reserved(kind)) {
        return PH_OK; /* from a version that did not reserve the name */
    }
    ph_buf_init(&columns, PH_STORE_SQL_BYTES);
    ph_buf_init(&sql, PH_STORE_SQL_BYTES);
    enum ph_err err = ph_buf_append_text(&columns,
        "r._seq, r._time, r._received, r._timing, r._certificate, r._unvouched, r._extra");
    if (err == PH_OK) {
        err = append_fields(db, kind, ", r.", &columns, error);
    }
    if (err == PH_OK) {
        err = append_view(db, kind, columns.data, &sql, error);
    }
    ph_buf_fini(&columns);
    if (err == PH_ERR_LIMIT) { /* people do without, for the store must go on */
        ph_buf_reset(&sql);
        err = ph_buf_printf(&sql, "DROP VIEW IF EXISTS \"%s\"", kind);
    }
    return ph_store_sqlite_exec(db, &sql, err, error);
}

/* True in *changes when the store lacks something of the kind; PH_ERR_CONFIG when it contradicts.
 */
static enum ph_err compare_kind(
    struct ph_db *db, const struct ph_kind *kind, bool *changes, struct ph_error *error)
{
    enum ph_err err = check_kind_name(kind->name, error);
    for (size_t i = 0; i < kind->field_count && err == PH_OK; i++) {
        struct known_field known = {0};
        err = look_up_field(db, kind->name, &kind->fields[i], &known, error);
        *changes = *changes || !known.known || !known.same;
    }
    return err;
}

/* The columns come before the fields are known, or the table would be made with them. */
static enum ph_err extend_kind(struct ph_db *db, const struct ph_kind *kind, struct ph_error *error)
{
    enum ph_err err = ph_store_sqlite_open_partition(db, kind->name, error);
    for (size_t i = 0; i < kind->field_count && err == PH_OK; i++) {
        struct known_field known = {0};
        err = look_up_field(db, kind->name, &kind->fields[i], &known, error);
        if (err == PH_OK && !known.known) {
            err = add_column(db, kind->name, &kind->fields[i], error);
        }
        if (err == PH_OK && (!known.known || !known.same)) {
            err = save_field(db, kind->name, &kind->fields[i], error);
        }
    }
    return err == PH_OK ? ph_store_sqlite_make_view(db, kind->name, error) : err;
}

static enum ph_err extend_all(
    struct ph_db *db, const struct ph_kinds *kinds, struct ph_error *error)
{
    enum ph_err err = ph_db_begin(db, error);
    if (err != PH_OK) {
        return err;
    }
    for (size_t i = 0; i < kinds->kind_count && err == PH_OK; i++) {
        err = extend_kind(db, &kinds->kinds[i], error);
    }
    if (err == PH_OK) {
        return ph_db_commit(db, error);
    }
    ph_db_rollback(db);
    return err;
}

enum ph_err ph_store_sqlite_extend(
    struct ph_db *db, const struct ph_kinds *kinds, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    bool changes = false;
    for (size_t i = 0; i < kinds->kind_count && err == PH_OK; i++) {
        err = compare_kind(db, &kinds->kinds[i], &changes, error);
    }
    return err == PH_OK && changes ? extend_all(db, kinds, error) : err;
}
