#include <inttypes.h>
#include <stdio.h>

#include "ingest/store/sqlite_check.h"

static const struct ph_column columns[] = {
    {"what", NULL, PH_CELL_TEXT}, {"where", NULL, PH_CELL_TEXT}};

enum ph_err ph_sqlite_report(
    const struct sqlite_check *check, const char *what, const char *where, struct ph_error *error)
{
    const struct ph_cell cells[] = {
        {.type = PH_CELL_TEXT, .text = what}, {.type = PH_CELL_TEXT, .text = where}};
    (*check->faults)++;
    return check->rows->row(check->rows->context, cells, error);
}

enum ph_err ph_sqlite_apply(
    const struct sqlite_check *check, const char *rule, const char *kind, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    enum ph_err err = ph_stmt_prepare(check->db, rule, &stmt, error);
    if (err == PH_OK && kind != NULL) {
        ph_stmt_bind_text(stmt, 1, kind);
    }
    while (err == PH_OK && (err = ph_stmt_step(stmt, &row, error)) == PH_OK && row) {
        const char *what = ph_stmt_text(stmt, 0);
        const char *where = ph_stmt_text(stmt, 1);
        err = ph_sqlite_report(check, what != NULL ? what : "", where != NULL ? where : "", error);
    }
    ph_stmt_free(&stmt);
    return err;
}

/* ---- Partitions and their tables. */

#define TABLE_SQL "'reading_' || p.kind || '_' || p.id"

static const char *const partition_rules[] = {
    "SELECT 'partition table missing', " TABLE_SQL " FROM partition p WHERE " TABLE_SQL
    " NOT IN (SELECT name FROM main.sqlite_schema WHERE type = 'table')",
    "SELECT 'table of no partition', t.name FROM main.sqlite_schema t WHERE t.type = 'table'"
    " AND substr(t.name, 1, 8) = 'reading_'"
    " AND t.name NOT IN (SELECT " TABLE_SQL " FROM partition p)",
    "SELECT 'partition index missing', " TABLE_SQL " FROM partition p WHERE p.state = 2"
    " AND " TABLE_SQL " || '_device' NOT IN (SELECT name FROM main.sqlite_schema"
    " WHERE type = 'index' AND tbl_name = " TABLE_SQL ")",
    "SELECT printf('open partitions: want 1, have %d',"
    " (SELECT count(*) FROM partition p WHERE p.kind = f.kind AND p.state = 0)), f.kind"
    " FROM (SELECT DISTINCT kind FROM field) f"
    " WHERE (SELECT count(*) FROM partition p WHERE p.kind = f.kind AND p.state = 0) <> 1",
    "SELECT 'partition ids overlap', " TABLE_SQL " FROM partition p WHERE EXISTS"
    " (SELECT 1 FROM partition o WHERE o.kind = p.kind AND o.id <> p.id"
    " AND o.first_id <= p.first_id AND coalesce(o.last_id, 9223372036854775807) >= p.first_id"
    " AND coalesce(o.last_id, o.first_id) >= o.first_id)",
};

static enum ph_err check_partition(const struct sqlite_check *check, const char *kind,
    const struct sqlite_partition *partition, struct ph_error *error)
{
    struct ph_buf rule;
    ph_buf_init(&rule, PH_STORE_SQL_BYTES);
    enum ph_err err = ph_buf_printf(&rule,
        "WITH t AS MATERIALIZED (SELECT count(*) AS n, min(_id) AS lo, max(_id) AS hi,"
        " min(_time) AS a, max(_time) AS z, count(CASE WHEN _certificate IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM certificate c WHERE c.id = _certificate) THEN 1 END) AS odd,"
        " count(CASE WHEN NOT EXISTS (SELECT 1 FROM temp.known k WHERE k.id = _stream) THEN 1 END)"
        " AS stray FROM main.\"reading_%s_%" PRId64 "\"),"
        " p AS (SELECT *, " TABLE_SQL " AS name FROM partition p WHERE p.id = %" PRId64 ")"
        " SELECT printf('partition rows: want %%d, have %%d', n, rows), name FROM t, p"
        "  WHERE state = 2 AND rows IS NOT n"
        " UNION ALL SELECT 'partition ids', name FROM t, p WHERE lo < first_id OR hi > last_id"
        " UNION ALL SELECT 'partition times', name FROM t, p"
        "  WHERE state = 2 AND (first_time IS NOT a OR last_time IS NOT z)"
        " UNION ALL SELECT 'certificate missing', name FROM t, p WHERE odd > 0"
        " UNION ALL SELECT printf('reading of no stream: %%d', stray), name FROM t, p"
        "  WHERE stray > 0",
        kind, partition->id, partition->id);
    err = err == PH_OK ? ph_sqlite_apply(check, rule.data, NULL, error)
                       : ph_error_set(error, err, "%s: out of memory", ph_db_path(check->db));
    ph_buf_fini(&rule);
    return err;
}

/* ---- One kind. */

static enum ph_err count_partition(
    struct ph_db *db, const char *kind, int64_t partition, struct ph_error *error)
{
    return ph_store_sqlite_run(db, error,
        "INSERT INTO temp.counted SELECT _stream, count(*) FROM main.\"reading_%s_%" PRId64 "\""
        " GROUP BY _stream;"
        "INSERT INTO temp.newest SELECT k.id, r._seq, r._time FROM temp.known k"
        " JOIN main.\"reading_%s_%" PRId64 "\" r ON r._id = k.latest AND r._stream = k.id",
        kind, partition, kind, partition);
}

static enum ph_err check_partitions(const struct sqlite_check *check, const char *kind,
    const struct sqlite_partitions *partitions, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < partitions->count && err == PH_OK; i++) {
        err = check_partition(check, kind, &partitions->rows[i], error);
        if (err == PH_OK) {
            err = count_partition(check->db, kind, partitions->rows[i].id, error);
        }
    }
    return err == PH_OK ? ph_sqlite_see_readings(check->db, kind, partitions, error) : err;
}

/* Leaves out partitions without a table, each of which has been reported. */
static enum ph_err drop_missing(struct ph_db *db, const char *kind,
    struct sqlite_partitions *partitions, struct ph_error *error)
{
    size_t kept = 0;
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(db,
        "SELECT 1 FROM main.sqlite_schema WHERE type = 'table'"
        " AND name = 'reading_' || ?1 || '_' || ?2",
        &stmt, error);
    for (size_t i = 0; i < partitions->count && err == PH_OK; i++) {
        bool there = false;
        ph_stmt_bind_text(stmt, 1, kind);
        ph_stmt_bind_int64(stmt, 2, partitions->rows[i].id);
        err = ph_stmt_step(stmt, &there, error);
        ph_stmt_reset(stmt);
        if (there) {
            partitions->rows[kept++] = partitions->rows[i];
        }
    }
    partitions->count = kept;
    ph_stmt_free(&stmt);
    return err;
}

static enum ph_err check_kind(
    const struct sqlite_check *check, const char *kind, struct ph_error *error)
{
    struct sqlite_partitions partitions = {0};
    enum ph_err err = ph_sqlite_partitions_init(&partitions, check->db, kind, error);
    if (err == PH_OK) {
        err = drop_missing(check->db, kind, &partitions, error);
    }
    if (err == PH_OK) {
        err = ph_sqlite_check_marks(check, kind, error);
    }
    if (err == PH_OK) {
        err = check_partitions(check, kind, &partitions, error);
    }
    if (err == PH_OK) {
        err = ph_sqlite_check_streams(check, kind, error);
    }
    ph_sqlite_partitions_fini(&partitions);
    return err;
}

/* ---- Dead letters. */

static const char *const letter_rules[] = {
    "WITH c AS (SELECT coalesce(device, '') AS device, count(*) AS n, sum(length(payload)) AS bytes"
    " FROM dead_letter GROUP BY 1), a AS (SELECT device, 0 AS n, 0 AS bytes FROM letter_count"
    " UNION ALL SELECT * FROM c), w AS (SELECT device, max(n) AS n, max(bytes) AS bytes FROM a"
    " GROUP BY device) SELECT printf('dead letters: want %d, have %d', w.n, coalesce(l.kept, 0)),"
    " iif(w.device = '', '(no device)', w.device) FROM w LEFT JOIN letter_count l"
    " ON l.device = w.device WHERE w.n <> coalesce(l.kept, 0)"
    " UNION ALL SELECT printf('dead letter bytes: want %d, have %d', w.bytes,"
    " coalesce(l.bytes, 0)), iif(w.device = '', '(no device)', w.device) FROM w"
    " LEFT JOIN letter_count l ON l.device = w.device WHERE w.bytes <> coalesce(l.bytes, 0)",
    "SELECT 'dead letter of no stream', 'id ' || r.letter FROM temp.ranges r"
    " WHERE (r.device, r.stream) NOT IN (SELECT " PH_SQLITE_DEVICE ", s.stream FROM stream s"
    " JOIN device d ON d.id = s.device WHERE s.stream IS NOT NULL)",
};

static enum ph_err add_ranges(const struct sqlite_check *check, struct ph_stmt *letter,
    struct ph_stmt *insert, struct ph_error *error)
{
    char where[32];
    struct ph_marks ranges = {.through = -1};
    (void)snprintf(where, sizeof where, "id %" PRId64, ph_stmt_int64(letter, 0));
    enum ph_err err = ph_marks_parse(&ranges, -1, ph_stmt_text(letter, 3), NULL);
    if (err == PH_ERR_MEMORY) {
        return ph_error_set(error, err, "dead letters: out of memory");
    }
    if (err != PH_OK || ranges.count == 0 || ph_stmt_is_null(letter, 1) ||
        ph_stmt_is_null(letter, 2)) {
        err = ph_sqlite_report(check, "dead letter ranges malformed", where, error);
        ranges.count = 0;
    }
    for (size_t i = 0; i < ranges.count && err == PH_OK; i++) {
        ph_stmt_bind_int64(insert, 1, ph_stmt_int64(letter, 0));
        ph_stmt_bind_text(insert, 2, ph_stmt_text(letter, 1));
        ph_stmt_bind_int64(insert, 3, ph_stmt_int64(letter, 2));
        ph_stmt_bind_int64(insert, 4, ranges.beyond[i].first);
        ph_stmt_bind_int64(insert, 5, ranges.beyond[i].last);
        err = ph_stmt_run(insert, error);
    }
    ph_marks_fini(&ranges);
    return err;
}

static enum ph_err check_letters(const struct sqlite_check *check, struct ph_error *error)
{
    struct ph_stmt *letter = NULL;
    struct ph_stmt *insert = NULL;
    bool row = false;
    enum ph_err err = ph_db_exec(check->db,
        "DROP TABLE IF EXISTS temp.ranges;"
        "CREATE TEMP TABLE ranges(letter, device, stream, first, last)",
        error);
    if (err == PH_OK) {
        err = ph_stmt_prepare(check->db,
            "SELECT id, device, stream, ranges FROM dead_letter WHERE ranges IS NOT NULL", &letter,
            error);
    }
    if (err == PH_OK) {
        err = ph_stmt_prepare(
            check->db, "INSERT INTO temp.ranges VALUES (?1, ?2, ?3, ?4, ?5)", &insert, error);
    }
    while (err == PH_OK && (err = ph_stmt_step(letter, &row, error)) == PH_OK && row) {
        err = add_ranges(check, letter, insert, error);
    }
    ph_stmt_free(&insert);
    ph_stmt_free(&letter);
    for (size_t i = 0; i < sizeof letter_rules / sizeof letter_rules[0] && err == PH_OK; i++) {
        err = ph_sqlite_apply(check, letter_rules[i], NULL, error);
    }
    return err;
}

/* ---- All of it. */

static enum ph_err check_kinds(const struct sqlite_check *check, struct ph_error *error)
{
    struct sqlite_kinds kinds = {0};
    enum ph_err err = ph_sqlite_kinds_init(&kinds, check->db, NULL, error);
    for (size_t i = 0; i < sizeof partition_rules / sizeof partition_rules[0] && err == PH_OK;
         i++) {
        err = ph_sqlite_apply(check, partition_rules[i], NULL, error);
    }
    for (size_t i = 0; i < kinds.count && err == PH_OK; i++) {
        err = check_kind(check, kinds.names[i], error);
    }
    ph_sqlite_kinds_fini(&kinds);
    return err;
}

/* In a database that is damaged nothing else can be told. */
static enum ph_err check_all(const struct sqlite_check *check, struct ph_error *error)
{
    enum ph_err err = ph_sqlite_apply(check,
        "SELECT 'database damaged', integrity_check FROM pragma_integrity_check"
        " WHERE integrity_check <> 'ok'",
        NULL, error);
    if (err == PH_OK && *check->faults == 0) {
        err = check_letters(check, error);
        if (err == PH_OK) {
            err = check_kinds(check, error);
        }
    }
    return err;
}

enum ph_err ph_store_sqlite_check(
    struct ph_store *store, const struct ph_rows *rows, int64_t *faults, struct ph_error *error)
{
    struct ph_db *db = ((struct sqlite_store *)store)->db;
    const struct sqlite_check check = {.db = db, .rows = rows, .faults = faults};
    *faults = 0;
    enum ph_err err =
        rows->begin(rows->context, columns, sizeof columns / sizeof columns[0], error);
    if (err == PH_OK) {
        err = ph_sqlite_begin_read(db, error);
    }
    if (err == PH_OK) {
        err = check_all(&check, error);
    }
    ph_db_rollback(db); /* with the temporary tables */
    return err;
}
