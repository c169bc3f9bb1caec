#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "domain/identity.h"
#include "format/message.h"
#include "ingest/store_sqlite.h"

enum { APPLICATION_ID = 0x7068494e }; /* "phIN" */

/* Column names that begin with '_' cannot collide with a field: field names begin with a letter. */
static const char *const steps[] = {
    "CREATE TABLE device("
    " id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, kind TEXT NOT NULL, device TEXT NOT NULL,"
    " streams INTEGER NOT NULL," /* rows of it in `stream` that have a number */
    " UNIQUE(tenant, kind, device));"
    "CREATE TABLE stream("
    " id INTEGER PRIMARY KEY, device INTEGER NOT NULL REFERENCES device(id),"
    " stream INTEGER,"           /* 64 bits; NULL for the readings of a plain publisher */
    " through INTEGER NOT NULL," /* all from 1 to this are dealt with */
    " beyond TEXT NOT NULL,"     /* ranges beyond the first gap: "1050-1060 1070-1070" */
    " stored INTEGER NOT NULL,"  /* rows */
    " latest INTEGER,"           /* _id of the newest row in the kind's table */
    " latest_seq INTEGER NOT NULL,"
    " received INTEGER NOT NULL," /* ms since 1970, of the last message */
    " UNIQUE(device, stream));"
    "CREATE TABLE field("
    " kind TEXT NOT NULL, position INTEGER NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL,"
    " unit TEXT, description TEXT, PRIMARY KEY(kind, name));"
    "CREATE TABLE dead_letter("
    " id INTEGER PRIMARY KEY, received INTEGER NOT NULL, reason TEXT NOT NULL,"
    " topic TEXT NOT NULL, device TEXT, stream INTEGER, first INTEGER, last INTEGER,"
    " payload BLOB NOT NULL);"
    "CREATE TABLE garbage(" /* dead letters without stream and seq, per device */
    " device TEXT PRIMARY KEY, kept INTEGER NOT NULL, not_kept INTEGER NOT NULL) WITHOUT ROWID;",

    /* With the columns _certificate and _unvouched in the kinds' tables: add_provenance(). */
    "CREATE TABLE certificate("
    " id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, anchor TEXT NOT NULL,"
    " tenant TEXT NOT NULL, kind TEXT NOT NULL, device TEXT NOT NULL,"
    " first_seen INTEGER NOT NULL," /* ms since 1970 */
    " last_seen INTEGER NOT NULL,"  /* to the minute */
    " UNIQUE(tenant, kind, device, fingerprint, anchor));"
    "ALTER TABLE dead_letter ADD COLUMN fingerprint TEXT;"
    "ALTER TABLE dead_letter ADD COLUMN unvouched INTEGER;",
};
enum { STEPS = sizeof steps / sizeof steps[0], STEPS_WITHOUT_PROVENANCE = 1 };

static const char *const reserved[] = {
    "device", "stream", "field", "dead_letter", "garbage", "certificate", "meta", NULL};

static enum ph_err check_name(const char *kind, struct ph_error *error)
{
    bool bad = !ph_field_name_valid(kind) || strncmp(kind, "reading_", 8) == 0 ||
               strncmp(kind, "sqlite_", 7) == 0;
    for (size_t i = 0; reserved[i] != NULL && !bad; i++) {
        bad = strcmp(kind, reserved[i]) == 0;
    }
    return bad ? ph_error_set(error, PH_ERR_CONFIG,
                     "kind %s: name: taken by the store itself; name the kind otherwise", kind)
               : PH_OK;
}

static const char *sql_type(enum ph_field_type type)
{
    switch (type) {
    case PH_FIELD_NUMBER:
        return "REAL";
    case PH_FIELD_INTEGER:
    case PH_FIELD_BOOLEAN:
        return "INTEGER";
    case PH_FIELD_TEXT:
    case PH_FIELD_ENUM:
        break;
    }
    return "TEXT";
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
    bool texts = sql_type(field->type)[0] == 'T' &&
                 (strcmp(have, ph_field_type_name(PH_FIELD_TEXT)) == 0 ||
                     strcmp(have, ph_field_type_name(PH_FIELD_ENUM)) == 0);
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

static enum ph_err exec_buf(
    struct ph_db *db, struct ph_buf *sql, enum ph_err built, struct ph_error *error)
{
    enum ph_err err = built == PH_OK
                          ? ph_db_exec(db, sql->data, error)
                          : ph_error_set(error, built, "%s: statement too long", ph_db_path(db));
    ph_buf_fini(sql);
    return err;
}

static enum ph_err add_table(struct ph_db *db, const char *kind, struct ph_error *error)
{
    struct ph_buf sql;
    ph_buf_init(&sql, PH_STORE_SQL_BYTES);
    enum ph_err err = ph_buf_printf(&sql,
        "CREATE TABLE IF NOT EXISTS \"reading_%s\"(_id INTEGER PRIMARY KEY,"
        " _stream INTEGER NOT NULL, _seq INTEGER, _time INTEGER NOT NULL,"
        " _certificate INTEGER, _unvouched INTEGER)",
        kind);
    return exec_buf(db, &sql, err, error);
}

static enum ph_err add_column(
    struct ph_db *db, const char *kind, const struct ph_field_rule *field, struct ph_error *error)
{
    struct ph_buf sql;
    ph_buf_init(&sql, PH_STORE_SQL_BYTES);
    enum ph_err err = ph_buf_printf(&sql, "ALTER TABLE \"reading_%s\" ADD COLUMN \"%s\" %s", kind,
        field->name, sql_type(field->type));
    return exec_buf(db, &sql, err, error);
}

/* The view shows every field that the kind ever had. */
static enum ph_err build_view(
    struct ph_db *db, const char *kind, struct ph_buf *sql, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    enum ph_err err =
        ph_stmt_prepare(db, "SELECT name FROM field WHERE kind=?1 ORDER BY position", &stmt, error);
    if (err != PH_OK) {
        return err;
    }
    ph_stmt_bind_text(stmt, 1, kind);
    err = ph_buf_printf(sql,
        "DROP VIEW IF EXISTS \"%s\"; CREATE VIEW \"%s\" AS SELECT d.tenant, d.device,"
        " CASE WHEN s.stream IS NULL THEN NULL ELSE printf('%%016x', s.stream) END AS stream,"
        " r._seq AS seq,"
        " strftime('%%Y-%%m-%%dT%%H:%%M:%%S', r._time / 1000, 'unixepoch')"
        " || printf('.%%03dZ', r._time %% 1000) AS time",
        kind, kind);
    while (err == PH_OK && (err = ph_stmt_step(stmt, &row, error)) == PH_OK && row) {
        err = ph_buf_printf(sql, ", r.\"%s\"", ph_stmt_text(stmt, 0));
    }
    if (err == PH_OK) {
        err = ph_buf_printf(sql,
            ", c.fingerprint AS fingerprint, " PH_STORE_REASON_SQL(
                "r._unvouched") " AS unvouched"
                                " FROM \"reading_%s\" r JOIN stream s ON s.id = r._stream"
                                " JOIN device d ON d.id = s.device LEFT JOIN certificate c ON c.id "
                                "= r._certificate",
            kind);
    }
    ph_stmt_free(&stmt);
    return err;
}

static enum ph_err make_view(struct ph_db *db, const char *kind, struct ph_error *error)
{
    struct ph_buf sql;
    ph_buf_init(&sql, PH_STORE_SQL_BYTES);
    enum ph_err err = build_view(db, kind, &sql, error);
    return exec_buf(db, &sql, err, error);
}

/* A kind whose table has no column for the certificate, "" when there is none. */
static enum ph_err next_without_provenance(
    struct ph_db *db, char kind[PH_SEGMENT_BYTES], struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    kind[0] = '\0';
    enum ph_err err = ph_stmt_prepare(db,
        "SELECT kind FROM field WHERE NOT EXISTS (SELECT 1 FROM"
        " pragma_table_info('reading_' || kind) WHERE name = '_certificate') LIMIT 1",
        &stmt, error);
    if (err == PH_OK) {
        err = ph_stmt_step(stmt, &row, error);
    }
    if (err == PH_OK && row && !ph_text_copy(kind, PH_SEGMENT_BYTES, ph_stmt_text(stmt, 0))) {
        err = ph_error_set(
            error, PH_ERR_INPUT, "%s: table field: kind: name too long", ph_db_path(db));
    }
    ph_stmt_free(&stmt);
    return err;
}

static enum ph_err add_provenance_of(struct ph_db *db, const char *kind, struct ph_error *error)
{
    struct ph_buf sql;
    ph_buf_init(&sql, PH_STORE_SQL_BYTES);
    enum ph_err err = ph_buf_printf(&sql,
        "ALTER TABLE \"reading_%s\" ADD COLUMN _certificate INTEGER;"
        "ALTER TABLE \"reading_%s\" ADD COLUMN _unvouched INTEGER;",
        kind, kind);
    err = exec_buf(db, &sql, err, error);
    return err == PH_OK ? make_view(db, kind, error) : err;
}

/* To the tables of kinds, which no fixed step can name. Done before the step that goes with it: a
 * program of the version before does not mind the columns. */
static enum ph_err add_provenance(struct ph_db *db, struct ph_error *error)
{
    char kind[PH_SEGMENT_BYTES] = "";
    enum ph_err err = ph_db_begin(db, error);
    if (err != PH_OK) {
        return err;
    }
    while ((err = next_without_provenance(db, kind, error)) == PH_OK && kind[0] != '\0') {
        err = add_provenance_of(db, kind, error);
        if (err != PH_OK) {
            break;
        }
    }
    if (err == PH_OK) {
        return ph_db_commit(db, error);
    }
    ph_db_rollback(db);
    return err;
}

static enum ph_err read_version(struct ph_db *db, int64_t *version, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    enum ph_err err = ph_stmt_prepare(db, "PRAGMA user_version", &stmt, error);
    if (err == PH_OK && (err = ph_stmt_step(stmt, &row, error)) == PH_OK && row) {
        *version = ph_stmt_int64(stmt, 0);
    }
    ph_stmt_free(&stmt);
    return err;
}

enum ph_err ph_store_sqlite_check(struct ph_db *db, struct ph_error *error)
{
    return ph_db_migrate(db, APPLICATION_ID, steps, STEPS, error);
}

enum ph_err ph_store_sqlite_migrate(struct ph_db *db, struct ph_error *error)
{
    int64_t version = 0;
    enum ph_err err = read_version(db, &version, error);
    if (err == PH_OK && version <= STEPS_WITHOUT_PROVENANCE) {
        err = ph_db_migrate(db, APPLICATION_ID, steps, STEPS_WITHOUT_PROVENANCE, error);
        if (err == PH_OK) {
            err = add_provenance(db, error);
        }
    }
    return err == PH_OK ? ph_db_migrate(db, APPLICATION_ID, steps, STEPS, error) : err;
}

/* True in *changes when the store lacks something of the kind; PH_ERR_CONFIG when it contradicts.
 */
static enum ph_err compare_kind(
    struct ph_db *db, const struct ph_kind *kind, bool *changes, struct ph_error *error)
{
    enum ph_err err = check_name(kind->name, error);
    for (size_t i = 0; i < kind->field_count && err == PH_OK; i++) {
        struct known_field known = {0};
        err = look_up_field(db, kind->name, &kind->fields[i], &known, error);
        *changes = *changes || !known.known || !known.same;
    }
    return err;
}

static enum ph_err extend_kind(struct ph_db *db, const struct ph_kind *kind, struct ph_error *error)
{
    enum ph_err err = add_table(db, kind->name, error);
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
    return err == PH_OK ? make_view(db, kind->name, error) : err;
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

static enum ph_err prepare_insert(
    struct sqlite_store *store, struct kind_table *table, struct ph_error *error)
{
    struct ph_buf sql;
    ph_buf_init(&sql, PH_STORE_SQL_BYTES);
    enum ph_err err = ph_buf_printf(&sql,
        "INSERT INTO \"reading_%s\"(_stream, _seq, _time, _certificate, _unvouched", table->name);
    for (size_t i = 0; i < table->field_count && err == PH_OK; i++) {
        err = ph_buf_printf(&sql, ", \"%s\"", table->fields[i].name);
    }
    for (size_t i = 0; i < table->field_count + PH_STORE_FIRST_FIELD - 1 && err == PH_OK; i++) {
        err = ph_buf_append_text(&sql, i == 0 ? ") VALUES (?" : ", ?");
    }
    if (err == PH_OK) {
        err = ph_buf_append_text(&sql, ")");
    }
    err = err == PH_OK ? ph_stmt_prepare(store->db, sql.data, &table->insert, error)
                       : ph_error_set(error, err, "kind %s: statement too long", table->name);
    ph_buf_fini(&sql);
    return err;
}

static enum ph_err load_table(struct sqlite_store *store, const struct ph_kind *kind,
    struct kind_table *table, struct ph_error *error)
{
    table->name = strdup(kind->name);
    table->fields = calloc(kind->field_count, sizeof table->fields[0]);
    bool short_of_memory = table->name == NULL || table->fields == NULL;
    for (size_t i = 0; i < kind->field_count && !short_of_memory; i++) {
        table->fields[i].name = strdup(kind->fields[i].name);
        table->fields[i].type = kind->fields[i].type;
        table->field_count++;
        short_of_memory = table->fields[i].name == NULL;
    }
    return short_of_memory ? ph_error_set(error, PH_ERR_MEMORY, "kinds: out of memory")
                           : prepare_insert(store, table, error);
}

void ph_store_sqlite_tables_free(struct sqlite_store *store)
{
    for (size_t i = 0; i < store->table_count; i++) {
        struct kind_table *table = &store->tables[i];
        for (size_t j = 0; j < table->field_count; j++) {
            free(table->fields[j].name);
        }
        free(table->fields);
        free(table->name);
        ph_stmt_free(&table->insert);
    }
    free(store->tables);
    store->tables = NULL;
    store->table_count = 0;
}

enum ph_err ph_store_sqlite_extend(
    struct sqlite_store *store, const struct ph_kinds *kinds, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    bool changes = false;
    for (size_t i = 0; i < kinds->kind_count && err == PH_OK; i++) {
        err = compare_kind(store->db, &kinds->kinds[i], &changes, error);
    }
    if (err == PH_OK && changes) {
        err = extend_all(store->db, kinds, error);
    }
    if (err != PH_OK) {
        return err;
    }
    store->tables = calloc(kinds->kind_count + 1, sizeof store->tables[0]);
    if (store->tables == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "kinds: out of memory");
    }
    for (size_t i = 0; i < kinds->kind_count && err == PH_OK; i++) {
        store->table_count++;
        err = load_table(store, &kinds->kinds[i], &store->tables[i], error);
    }
    return err;
}
