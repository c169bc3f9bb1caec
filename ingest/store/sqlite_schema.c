#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "domain/identity.h"
#include "format/message.h"
#include "ingest/store/sqlite.h"

enum { APPLICATION_ID = 0x7068494e }; /* "phIN" */

static const char version_1[] =
    "CREATE TABLE device("
    " id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, kind TEXT NOT NULL, device TEXT NOT NULL,"
    " streams INTEGER NOT NULL," /* rows of it in `stream` that have a number */
    " UNIQUE(tenant, kind, device));"
    "CREATE TABLE stream("
    " id INTEGER PRIMARY KEY, device INTEGER NOT NULL REFERENCES device(id),"
    " stream INTEGER,"           /* 64 bits; NULL for the readings of a plain publisher */
    " through INTEGER NOT NULL," /* all from 1 to this are dealt with */
    " beyond TEXT NOT NULL,"     /* ranges beyond the first gap: "1050-1060 1070-1070" */
    " stored INTEGER NOT NULL,"  /* rows ever written */
    " latest INTEGER,"           /* _id of the newest row, in whichever partition of the kind */
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
    "CREATE TABLE garbage("
    " device TEXT PRIMARY KEY, kept INTEGER NOT NULL, not_kept INTEGER NOT NULL) WITHOUT ROWID;";

static const char version_2[] =
    "CREATE TABLE certificate("
    " id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, anchor TEXT NOT NULL,"
    " tenant TEXT NOT NULL, kind TEXT NOT NULL, device TEXT NOT NULL,"
    " first_seen INTEGER NOT NULL," /* ms since 1970 */
    " last_seen INTEGER NOT NULL,"  /* to the minute */
    " UNIQUE(tenant, kind, device, fingerprint, anchor));"
    "ALTER TABLE dead_letter ADD COLUMN fingerprint TEXT;"
    "ALTER TABLE dead_letter ADD COLUMN unvouched INTEGER;";

static const char version_3[] =
    "CREATE TABLE partition("
    " id INTEGER PRIMARY KEY, kind TEXT NOT NULL,"
    " first_id INTEGER NOT NULL," /* its rows have _ids from this ... */
    " last_id INTEGER,"           /* ... to this */
    " from_ms INTEGER,"           /* ms since 1970: when its first row was received ... */
    " to_ms INTEGER,"             /* ... and when the last of them had been */
    " first_time INTEGER,"        /* least and greatest _time of its rows */
    " last_time INTEGER,"
    " rows INTEGER,"
    " state INTEGER NOT NULL);" /* enum ph_partition_state */
    "CREATE UNIQUE INDEX _partition_open ON partition(kind) WHERE state = 0;"
    "CREATE TABLE dropped(" /* what retention took */
    " kind TEXT PRIMARY KEY, rows INTEGER NOT NULL) WITHOUT ROWID;"

    "ALTER TABLE stream ADD COLUMN given_up INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE stream ADD COLUMN latest_time INTEGER;" /* _time of the newest row */
    "ALTER TABLE stream ADD COLUMN skew INTEGER;"        /* ms, device against us; NULL: unknown */

    "CREATE TABLE letter_count(" /* device: "" for letters whose topic names none */
    " device TEXT PRIMARY KEY, kept INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    " not_kept INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO letter_count SELECT device, sum(kept), sum(bytes), sum(not_kept) FROM ("
    " SELECT coalesce(device, '') AS device, 1 AS kept, length(payload) AS bytes, 0 AS not_kept"
    " FROM dead_letter UNION ALL SELECT device, 0, 0, not_kept FROM garbage) GROUP BY device;"
    "DROP TABLE garbage;"

    "ALTER TABLE dead_letter ADD COLUMN ranges TEXT;" /* as in stream.beyond */
    "ALTER TABLE dead_letter ADD COLUMN anchor TEXT;"
    "UPDATE dead_letter SET ranges = first || '-' || last WHERE first IS NOT NULL;"
    "ALTER TABLE dead_letter DROP COLUMN first;"
    "ALTER TABLE dead_letter DROP COLUMN last;"
    "CREATE INDEX _upgrade ON certificate(fingerprint);"
    "UPDATE dead_letter SET anchor = (SELECT anchor FROM certificate c"
    " WHERE c.fingerprint = dead_letter.fingerprint"
    " AND c.tenant || '/' || c.kind || '/' || c.device = dead_letter.device)"
    " WHERE fingerprint IS NOT NULL;"
    "DROP INDEX _upgrade;";

static const char version_4[] = "CREATE TABLE _beat(" /* signs of life, the last of each writer */
                                " writer TEXT PRIMARY KEY,"
                                " at INTEGER NOT NULL,"    /* ms since 1970 */
                                " every INTEGER NOT NULL," /* ms */
                                " connected INTEGER NOT NULL,"
                                " since INTEGER NOT NULL," /* when that became so; ms since 1970 */
                                " version TEXT NOT NULL) WITHOUT ROWID;";

enum ph_err ph_store_sqlite_check_name(
    const struct ph_db *db, const char *name, struct ph_error *error)
{
    return name != NULL && ph_field_name_valid(name)
               ? PH_OK
               : ph_error_set(error, PH_ERR_INPUT,
                     "%s: table field: \"%s\": not a name; restore the database from a backup",
                     ph_db_path(db), name != NULL ? name : "");
}

enum ph_err ph_store_sqlite_copy_name(
    const struct ph_db *db, const char *name, char out[PH_SEGMENT_BYTES], struct ph_error *error)
{
    enum ph_err err = ph_store_sqlite_check_name(db, name, error);
    return err == PH_OK && !ph_text_copy(out, PH_SEGMENT_BYTES, name) ? PH_ERR_INTERNAL : err;
}

enum ph_err ph_store_sqlite_exec(
    struct ph_db *db, struct ph_buf *sql, enum ph_err built, struct ph_error *error)
{
    enum ph_err err = built == PH_OK
                          ? ph_db_exec(db, sql->data, error)
                          : ph_error_set(error, built, "%s: statement too long", ph_db_path(db));
    ph_buf_fini(sql);
    return err;
}

enum ph_err ph_store_sqlite_run(struct ph_db *db, struct ph_error *error, const char *format, ...)
{
    char sql[4096];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(sql, sizeof sql, format, arguments);
    va_end(arguments);
    return len >= 0 && (size_t)len < sizeof sql
               ? ph_db_exec(db, sql, error)
               : ph_error_set(error, PH_ERR_INTERNAL, "%s: statement too long", ph_db_path(db));
}

/* The kind that `sql` finds, "" when it finds none. */
static enum ph_err find_kind(
    struct ph_db *db, const char *sql, char kind[PH_SEGMENT_BYTES], struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    kind[0] = '\0';
    enum ph_err err = ph_stmt_prepare(db, sql, &stmt, error);
    if (err == PH_OK) {
        err = ph_stmt_step(stmt, &row, error);
    }
    if (err == PH_OK && row) {
        err = ph_store_sqlite_copy_name(db, ph_stmt_text(stmt, 0), kind, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

/* Does `change` for every kind that `sql` finds; it must no longer find one that was changed. */
static enum ph_err change_kinds(struct ph_db *db, const char *sql,
    enum ph_err (*change)(struct ph_db *db, const char *kind, struct ph_error *error),
    struct ph_error *error)
{
    char kind[PH_SEGMENT_BYTES] = "";
    enum ph_err err = find_kind(db, sql, kind, error);
    while (err == PH_OK && kind[0] != '\0') {
        err = change(db, kind, error);
        if (err == PH_OK) {
            err = find_kind(db, sql, kind, error);
        }
    }
    return err;
}

static enum ph_err add_provenance_of(struct ph_db *db, const char *kind, struct ph_error *error)
{
    return ph_store_sqlite_run(db, error,
        "ALTER TABLE \"reading_%s\" ADD COLUMN _certificate INTEGER;"
        "ALTER TABLE \"reading_%s\" ADD COLUMN _unvouched INTEGER;",
        kind, kind);
}

static enum ph_err add_provenance(struct ph_db *db, struct ph_error *error)
{
    return change_kinds(db,
        "SELECT kind FROM field WHERE NOT EXISTS (SELECT 1 FROM"
        " pragma_table_info('reading_' || kind) WHERE name = '_certificate') LIMIT 1",
        add_provenance_of, error);
}

/* The one table of a kind becomes its first partition: closed, and indexed by maintenance; open
 * when it is empty. When its rows were received is only known of the last message of each device.
 */
static enum ph_err partition_kind(struct ph_db *db, const char *kind, struct ph_error *error)
{
    enum ph_err err = ph_store_sqlite_run(db, error,
        "DROP VIEW IF EXISTS \"%s\";"
        "ALTER TABLE \"reading_%s\" ADD COLUMN _received INTEGER;"
        "ALTER TABLE \"reading_%s\" ADD COLUMN _timing INTEGER;"
        "ALTER TABLE \"reading_%s\" ADD COLUMN _extra TEXT;"
        "UPDATE stream SET latest_time = (SELECT r._time FROM \"reading_%s\" r"
        " WHERE r._id = stream.latest)"
        " WHERE device IN (SELECT id FROM device WHERE kind = '%s');"
        "INSERT INTO partition(kind, first_id, last_id, from_ms, to_ms, state)"
        " SELECT '%s', 1, newest, iif(newest IS NULL, NULL, 0), iif(newest IS NULL, NULL,"
        " (SELECT coalesce(max(received), 0) FROM stream WHERE device IN"
        " (SELECT id FROM device WHERE kind = '%s'))), newest IS NOT NULL"
        " FROM (SELECT max(_id) AS newest FROM \"reading_%s\");",
        kind, kind, kind, kind, kind, kind, kind, kind, kind);
    if (err == PH_OK) {
        err = ph_store_sqlite_run(db, error,
            "ALTER TABLE \"reading_%s\" RENAME TO \"reading_%s_%" PRId64 "\"", kind, kind,
            ph_db_last_rowid(db));
    }
    if (err == PH_OK) {
        err = ph_store_sqlite_open_partition(db, kind, error);
    }
    return err == PH_OK ? ph_store_sqlite_make_view(db, kind, error) : err;
}

static enum ph_err partition_kinds(struct ph_db *db, struct ph_error *error)
{
    return change_kinds(db,
        "SELECT kind FROM field WHERE kind NOT IN (SELECT kind FROM partition) LIMIT 1",
        partition_kind, error);
}

static const struct ph_db_step steps[] = {
    {version_1, NULL},
    {version_2, add_provenance},
    {version_3, partition_kinds},
    {version_4, NULL},
};
enum { STEPS = sizeof steps / sizeof steps[0] };

enum ph_err ph_store_sqlite_migrate(struct ph_db *db, struct ph_error *error)
{
    return ph_db_upgrade(db, APPLICATION_ID, steps, STEPS, error);
}
