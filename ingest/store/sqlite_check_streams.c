#include "ingest/store/sqlite_check.h"

static const char known_sql[] =
    "INSERT INTO temp.known SELECT s.id, " PH_SQLITE_DEVICE ", " PH_SQLITE_DEVICE
    " || ' ' || coalesce(" PH_SQLITE_STREAM ", '-'), s.stream, s.through, s.beyond, s.stored,"
    " s.given_up, s.latest, s.latest_seq, s.latest_time FROM stream s"
    " JOIN device d ON d.id = s.device WHERE d.kind = ?1";

static const char make_tables[] =
    "DROP TABLE IF EXISTS temp.known; DROP TABLE IF EXISTS temp.covered;"
    "DROP TABLE IF EXISTS temp.counted; DROP TABLE IF EXISTS temp.newest;"
    "CREATE TEMP TABLE known(id INTEGER PRIMARY KEY, device, label, stream, through, beyond,"
    " stored, given_up, latest, latest_seq, latest_time);"
    "CREATE TEMP TABLE covered(stream, first, last, PRIMARY KEY(stream, first)) WITHOUT ROWID;"
    "CREATE TEMP TABLE counted(stream, n);"
    "CREATE TEMP TABLE newest(stream, seq, time);";

/* A stream whose marks cannot be read has no rows in `covered`, all others have at least one. */
static const char *const stream_rules[] = {
    "SELECT 'reading stored twice', k.label || ' ' || s.seq FROM temp.seen s"
    " JOIN temp.known k ON k.id = s.stream GROUP BY s.stream, s.seq HAVING count(*) > 1",
    "SELECT 'reading that no mark covers', k.label || ' ' || s.seq FROM temp.seen s"
    " JOIN temp.known k ON k.id = s.stream WHERE s.seq > k.through AND k.stream IS NOT NULL"
    " AND EXISTS (SELECT 1 FROM temp.covered c WHERE c.stream = k.id)"
    " AND coalesce((SELECT c.last FROM temp.covered c WHERE c.stream = k.id AND c.first <= s.seq"
    " ORDER BY c.first DESC LIMIT 1), 0) < s.seq",
    "SELECT 'dead letter that no mark covers', k.label || ' ' || r.first || '-' || r.last"
    " FROM temp.ranges r JOIN temp.known k ON k.device = r.device AND k.stream = r.stream"
    " WHERE r.last > k.through AND EXISTS (SELECT 1 FROM temp.covered c WHERE c.stream = k.id)"
    " AND coalesce((SELECT c.last FROM temp.covered c WHERE c.stream = k.id"
    " AND c.first <= r.first ORDER BY c.first DESC LIMIT 1), 0) < r.last",
    "SELECT printf('given_up: want at most %d, have %d', c.n - k.stored, k.given_up), k.label"
    " FROM temp.known k JOIN (SELECT stream, sum(last - first + 1) AS n FROM temp.covered"
    " GROUP BY stream) c ON c.stream = k.id WHERE k.given_up > c.n - k.stored OR k.given_up < 0",
    "SELECT printf('newest row: want %d, have %d', k.latest_seq, coalesce(n.seq, 0)), k.label"
    " FROM temp.known k JOIN temp.newest n ON n.stream = k.id"
    " WHERE coalesce(n.seq, 0) <> k.latest_seq",
    "SELECT printf('newest row''s time: want %d, have %d', n.time, k.latest_time), k.label"
    " FROM temp.known k JOIN temp.newest n ON n.stream = k.id WHERE n.time IS NOT k.latest_time",
};

/* With the kind as ?1. */
static const char *const kind_rules[] = {
    /* What retention dropped is known for the kind only. */
    "WITH d AS (SELECT coalesce((SELECT rows FROM dropped WHERE kind = ?1), 0) AS n)"
    " SELECT printf('stored: want %s%d, have %d', iif(d.n > 0, 'at least ', ''),"
    " coalesce(c.n, 0), k.stored), k.label FROM d, temp.known k LEFT JOIN"
    " (SELECT stream, sum(n) AS n FROM temp.counted GROUP BY stream) c ON c.stream = k.id"
    " WHERE coalesce(c.n, 0) > k.stored OR (d.n = 0 AND coalesce(c.n, 0) <> k.stored)",
    "SELECT printf('dropped: want %d, have %d', want, have), ?1 FROM (SELECT"
    " (SELECT coalesce(sum(stored), 0) FROM temp.known)"
    " - (SELECT coalesce(sum(n), 0) FROM temp.counted) AS want,"
    " coalesce((SELECT rows FROM dropped WHERE kind = ?1), 0) AS have) WHERE want <> have",
    "WITH d AS (SELECT coalesce((SELECT rows FROM dropped WHERE kind = ?1), 0) AS n),"
    " m AS (SELECT stream, max(seq) AS seq FROM temp.seen GROUP BY stream)"
    " SELECT printf('newest row: want %d, have %d', m.seq, k.latest_seq), k.label"
    " FROM d, temp.known k JOIN m ON m.stream = k.id"
    " WHERE m.seq > k.latest_seq OR (d.n = 0 AND m.seq <> k.latest_seq)",
    /* The row itself, unless retention took it. */
    "SELECT 'newest row missing', k.label FROM temp.known k WHERE k.stored > 0"
    " AND NOT EXISTS (SELECT 1 FROM temp.newest n WHERE n.stream = k.id)"
    " AND coalesce(k.latest, 0) >= coalesce((SELECT min(first_id) FROM partition"
    "  WHERE kind = ?1 AND EXISTS (SELECT 1 FROM dropped WHERE kind = ?1)), 0)",
    "SELECT printf('streams: want %d, have %d', n, streams), name FROM (SELECT " PH_SQLITE_DEVICE
    " AS name, d.streams AS streams, (SELECT count(*) FROM stream s WHERE s.device = d.id"
    " AND s.stream IS NOT NULL) AS n FROM device d WHERE d.kind = ?1) WHERE n <> streams",
};

static enum ph_err cover(
    struct ph_stmt *insert, int64_t stream, const struct ph_marks *marks, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; i <= marks->count && err == PH_OK; i++) {
        const struct ph_seq_range range =
            i < marks->count ? marks->beyond[i] : (struct ph_seq_range){1, marks->through};
        ph_stmt_bind_int64(insert, 1, stream);
        ph_stmt_bind_int64(insert, 2, range.first);
        ph_stmt_bind_int64(insert, 3, range.last);
        err = ph_stmt_run(insert, error);
    }
    return err;
}

/* One stream's marks into `covered`, or a fault. */
static enum ph_err check_marks(const struct sqlite_check *check, struct ph_stmt *stream,
    struct ph_stmt *insert, struct ph_error *error)
{
    struct ph_marks marks = {0};
    enum ph_err err =
        ph_marks_parse(&marks, ph_stmt_int64(stream, 1), ph_stmt_text(stream, 2), NULL);
    if (err == PH_ERR_MEMORY) {
        return ph_error_set(error, err, "streams: out of memory");
    }
    err = err == PH_OK ? cover(insert, ph_stmt_int64(stream, 0), &marks, error)
                       : ph_sqlite_report(check, "marks malformed", ph_stmt_text(stream, 3), error);
    ph_marks_fini(&marks);
    return err;
}

static enum ph_err fill_covered(const struct sqlite_check *check, struct ph_error *error)
{
    struct ph_stmt *stream = NULL;
    struct ph_stmt *insert = NULL;
    bool row = false;
    enum ph_err err = ph_stmt_prepare(check->db,
        "SELECT id, through, beyond, label FROM temp.known WHERE stream IS NOT NULL", &stream,
        error);
    if (err == PH_OK) {
        err = ph_stmt_prepare(
            check->db, "INSERT INTO temp.covered VALUES (?1, ?2, ?3)", &insert, error);
    }
    while (err == PH_OK && (err = ph_stmt_step(stream, &row, error)) == PH_OK && row) {
        err = check_marks(check, stream, insert, error);
    }
    ph_stmt_free(&insert);
    ph_stmt_free(&stream);
    return err;
}

enum ph_err ph_sqlite_check_marks(
    const struct sqlite_check *check, const char *kind, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_db_exec(check->db, make_tables, error);
    if (err == PH_OK) {
        err = ph_stmt_prepare(check->db, known_sql, &stmt, error);
    }
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, kind);
        err = ph_stmt_run(stmt, error);
    }
    ph_stmt_free(&stmt);
    return err == PH_OK ? fill_covered(check, error) : err;
}

enum ph_err ph_sqlite_check_streams(
    const struct sqlite_check *check, const char *kind, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < sizeof stream_rules / sizeof stream_rules[0] && err == PH_OK; i++) {
        err = ph_sqlite_apply(check, stream_rules[i], NULL, error);
    }
    for (size_t i = 0; i < sizeof kind_rules / sizeof kind_rules[0] && err == PH_OK; i++) {
        err = ph_sqlite_apply(check, kind_rules[i], kind, error);
    }
    return err;
}
