#include <inttypes.h>

#include "ingest/store/sqlite_result.h"

/* ---- Devices. */

/* Also of devices of which there are dead letters and nothing else. */
static const char devices_sql[] =
    "CREATE TEMP TABLE listed AS"
    " SELECT " PH_SQLITE_DEVICE " AS name, d.tenant AS tenant, d.kind AS kind, d.device AS device,"
    " d.streams AS streams, coalesce(sum(s.stored), 0) AS stored,"
    " CAST(total(s.given_up) AS INTEGER) AS given_up, max(s.received) AS received,"
    " (SELECT skew FROM main.stream l WHERE l.device = d.id AND l.skew IS NOT NULL"
    "  ORDER BY l.received DESC LIMIT 1) AS skew"
    " FROM main.device d LEFT JOIN main.stream s ON s.device = d.id GROUP BY d.id;"
    "INSERT INTO temp.listed(name, tenant, streams, stored, given_up)"
    " SELECT device, device, 0, 0, 0 FROM main.letter_count"
    " WHERE device <> '' AND device NOT IN (SELECT name FROM temp.listed);"
    "CREATE TEMP TABLE counted(device TEXT PRIMARY KEY, kept, not_kept);"
    "INSERT INTO temp.counted SELECT device, kept, not_kept FROM main.letter_count";

static const char drop_listed[] =
    "DROP TABLE IF EXISTS temp.listed; DROP TABLE IF EXISTS temp.counted";

static enum ph_err list_devices(struct ph_db *db, struct ph_error *error)
{
    enum ph_err err = ph_sqlite_begin_read(db, error);
    if (err != PH_OK) {
        return err;
    }
    err = ph_db_exec(db, drop_listed, error);
    if (err == PH_OK) {
        err = ph_db_exec(db, devices_sql, error);
    }
    return ph_sqlite_end_read(db, err, error);
}

enum ph_err ph_store_sqlite_devices(
    struct ph_store *store, const struct ph_rows *rows, struct ph_error *error)
{
    static const struct ph_column columns[] = {{"device", NULL, PH_CELL_TEXT},
        {"streams", NULL, PH_CELL_INTEGER}, {"stored", NULL, PH_CELL_INTEGER},
        {"given_up", NULL, PH_CELL_INTEGER}, {"letters", NULL, PH_CELL_INTEGER},
        {"not_kept", NULL, PH_CELL_INTEGER}, {"received", NULL, PH_CELL_TIME},
        {"skew_ms", NULL, PH_CELL_INTEGER}};
    struct ph_db *db = ((struct sqlite_store *)store)->db;
    struct ph_stmt *stmt = NULL;
    enum ph_err err = list_devices(db, error);
    if (err == PH_OK) {
        err = ph_stmt_prepare(db,
            "SELECT l.name, l.streams, l.stored, l.given_up, coalesce(c.kept, 0),"
            " coalesce(c.not_kept, 0), l.received, l.skew FROM temp.listed l"
            " LEFT JOIN temp.counted c ON c.device = l.name ORDER BY l.name",
            &stmt, error);
    }
    if (err == PH_OK) {
        err = ph_sqlite_pass_rows(
            stmt, columns, sizeof columns / sizeof columns[0], true, rows, error);
    }
    ph_stmt_free(&stmt);
    enum ph_err ignored = ph_db_exec(db, drop_listed, NULL); /* the next use does it, too */
    (void)ignored;
    return err;
}

/* ---- Stats. */

static const struct ph_column stats_columns[] = {{"device", NULL, PH_CELL_TEXT},
    {"stream", NULL, PH_CELL_TEXT}, {"stored", NULL, PH_CELL_INTEGER},
    {"through", NULL, PH_CELL_INTEGER}, {"first", NULL, PH_CELL_INTEGER},
    {"last", NULL, PH_CELL_INTEGER}, {"duplicates", NULL, PH_CELL_INTEGER},
    {"vouched", NULL, PH_CELL_INTEGER}, {"given_up", NULL, PH_CELL_INTEGER},
    /* summed, not shown: */
    {"missing", NULL, PH_CELL_INTEGER}, {"malformed", NULL, PH_CELL_INTEGER},
    {"repeated", NULL, PH_CELL_INTEGER}, {"other-identity", NULL, PH_CELL_INTEGER},
    {"future", NULL, PH_CELL_INTEGER}, {"past", NULL, PH_CELL_INTEGER},
    {"estimated", NULL, PH_CELL_INTEGER}, {"arrival", NULL, PH_CELL_INTEGER}};
enum {
    STATS_SELECTED = sizeof stats_columns / sizeof stats_columns[0],
    STATS_STORED = 2,
    STATS_DUPLICATES = 6,
    STATS_VOUCHED = 7,
    STATS_GIVEN_UP = 8,
    STATS_SHOWN = 9, /* the reasons follow, in the order of their numbers from 1; then timing */
    STATS_TIMING = STATS_SHOWN + PH_PROVENANCE_STATES - 1,
};

/* Adds up what it passes on. */
struct summing {
    const struct ph_rows *rows;
    struct ph_store_totals *totals;
};

static enum ph_err sum_row(void *context, const struct ph_cell *cells, struct ph_error *error)
{
    struct summing *summing = context;
    struct ph_store_totals *totals = summing->totals;
    int64_t stored = cells[STATS_STORED].integer;
    totals->stored += stored;
    totals->duplicates += cells[STATS_DUPLICATES].integer;
    int64_t room = INT64_MAX - totals->given_up; /* a device can say what it likes */
    int64_t given_up = cells[STATS_GIVEN_UP].integer;
    totals->given_up += given_up < room ? given_up : room;
    totals->vouched += cells[STATS_VOUCHED].integer;
    totals->unrecorded += stored - cells[STATS_VOUCHED].integer;
    for (size_t i = 1; i < PH_PROVENANCE_STATES; i++) {
        totals->unvouched[i] += cells[STATS_SHOWN - 1 + i].integer;
        totals->unrecorded -= cells[STATS_SHOWN - 1 + i].integer;
    }
    totals->timing[PH_TIMING_DEVICE] += stored;
    for (size_t i = 1; i < PH_TIMING_COUNT; i++) {
        totals->timing[i] += cells[STATS_TIMING - 1 + i].integer;
        totals->timing[PH_TIMING_DEVICE] -= cells[STATS_TIMING - 1 + i].integer;
    }
    return summing->rows != NULL ? summing->rows->row(summing->rows->context, cells, error) : PH_OK;
}

static const char drop_tallies[] =
    "DROP TABLE IF EXISTS temp.tally; DROP TABLE IF EXISTS temp.tally_all;"
    "DROP TABLE IF EXISTS temp.seen";

/* Per stream and partition, then per stream; a number may be in two partitions. */
static enum ph_err tally(struct ph_db *db, const char *kind,
    const struct sqlite_partitions *partitions, struct ph_error *error)
{
    enum ph_err err = ph_db_exec(
        db, "CREATE TEMP TABLE tally(stream, n, lo, hi, v, r1, r2, r3, r4, t1, t2, t3, t4)", error);
    for (size_t i = 0; i < partitions->count && err == PH_OK; i++) {
        err = ph_store_sqlite_run(db, error,
            "INSERT INTO temp.tally SELECT _stream, count(*), min(_seq), max(_seq),"
            " count(_certificate), sum(_unvouched IS 1), sum(_unvouched IS 2),"
            " sum(_unvouched IS 3), sum(_unvouched IS 4), sum(_timing IS 1), sum(_timing IS 2),"
            " sum(_timing IS 3), sum(_timing IS 4)"
            " FROM main.\"reading_%s_%" PRId64 "\" GROUP BY _stream",
            kind, partitions->rows[i].id);
    }
    if (err == PH_OK) {
        err = ph_sqlite_see_readings(db, kind, partitions, error);
    }
    return err == PH_OK
               ? ph_db_exec(db,
                     "CREATE TEMP TABLE tally_all(id INTEGER PRIMARY KEY, n, dup, lo, hi, v, r1,"
                     " r2, r3, r4, t1, t2, t3, t4);"
                     "INSERT INTO temp.tally_all SELECT stream, sum(n), 0, min(lo), max(hi),"
                     " sum(v), sum(r1), sum(r2), sum(r3), sum(r4), sum(t1), sum(t2), sum(t3),"
                     " sum(t4) FROM temp.tally GROUP BY stream;"
                     "UPDATE temp.tally_all SET dup = g.dup FROM (SELECT stream,"
                     " count(*) - count(DISTINCT seq) AS dup FROM temp.seen GROUP BY stream) g"
                     " WHERE g.stream = id AND g.dup > 0",
                     error)
               : err;
}

static const char stats_sql[] =
    "SELECT " PH_SQLITE_DEVICE ", " PH_SQLITE_STREAM ", coalesce(c.n, 0),"
    " CASE WHEN s.stream IS NULL THEN NULL ELSE s.through END, c.lo, c.hi, coalesce(c.dup, 0),"
    " coalesce(c.v, 0), s.given_up, coalesce(c.r1, 0), coalesce(c.r2, 0), coalesce(c.r3, 0),"
    " coalesce(c.r4, 0), coalesce(c.t1, 0), coalesce(c.t2, 0), coalesce(c.t3, 0),"
    " coalesce(c.t4, 0)"
    " FROM device d JOIN stream s ON s.device = d.id LEFT JOIN temp.tally_all c ON c.id = s.id"
    " WHERE d.kind = ?1 ORDER BY d.tenant, d.device, s.id";

static enum ph_err stats_of_kind(struct ph_db *db, const char *kind, const struct ph_rows *rows,
    struct ph_store_totals *totals, struct ph_error *error)
{
    struct summing summing = {.rows = rows, .totals = totals};
    struct ph_rows sums = {.context = &summing, .row = sum_row};
    struct sqlite_partitions partitions = {0};
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_sqlite_partitions_init(&partitions, db, kind, error);
    if (err == PH_OK) {
        err = ph_db_exec(db, drop_tallies, error);
    }
    if (err == PH_OK) {
        err = tally(db, kind, &partitions, error);
    }
    if (err == PH_OK) {
        err = ph_stmt_prepare(db, stats_sql, &stmt, error);
    }
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, kind);
        err = ph_sqlite_pass_rows(stmt, stats_columns, STATS_SELECTED, false, &sums, error);
    }
    ph_stmt_free(&stmt);
    ph_sqlite_partitions_fini(&partitions);
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
        " (SELECT coalesce(sum(not_kept), 0) FROM letter_count),"
        " (SELECT coalesce(sum(rows), 0) FROM dropped)",
        &stmt, error);
    if (err == PH_OK) {
        err = ph_stmt_step(stmt, &row, error);
    }
    if (err == PH_OK && row) {
        totals->devices = ph_stmt_int64(stmt, 0);
        totals->streams = ph_stmt_int64(stmt, 1);
        totals->dead_letters = ph_stmt_int64(stmt, 2);
        totals->dead_letters_not_kept = ph_stmt_int64(stmt, 3);
        totals->dropped = ph_stmt_int64(stmt, 4);
    }
    ph_stmt_free(&stmt);
    return err;
}

static enum ph_err stats_inside(struct ph_db *db, const struct ph_rows *rows,
    struct ph_store_totals *totals, struct ph_error *error)
{
    struct sqlite_kinds kinds = {0};
    enum ph_err err = count_totals(db, totals, error);
    if (err == PH_OK) {
        err = ph_sqlite_kinds_init(&kinds, db, NULL, error);
    }
    if (err == PH_OK && rows != NULL) {
        err = rows->begin(rows->context, stats_columns, STATS_SHOWN, error);
    }
    for (size_t i = 0; i < kinds.count && err == PH_OK; i++) {
        err = stats_of_kind(db, kinds.names[i], rows, totals, error);
    }
    ph_sqlite_kinds_fini(&kinds);
    return err;
}

enum ph_err ph_store_sqlite_stats(struct ph_store *store, const struct ph_rows *rows,
    struct ph_store_totals *totals, struct ph_error *error)
{
    struct ph_db *db = ((struct sqlite_store *)store)->db;
    *totals = (struct ph_store_totals){0};
    enum ph_err err = ph_sqlite_begin_read(db, error); /* one snapshot for all the counts */
    if (err == PH_OK) {
        err = stats_inside(db, rows, totals, error);
    }
    ph_db_rollback(db); /* with the temporary tables */
    return err;
}
