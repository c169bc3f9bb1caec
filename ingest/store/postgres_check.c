#include <string.h>

#include "ingest/store/postgres.h"
#include "ingest/store/postgres_rows.h"

/* Each check is one statement, so it sees one moment, and yields what is wrong and where. */

#define LIMIT    " LIMIT 1000" /* of one sort: nobody reads more */
#define DEVICE   "d.tenant || '/' || d.kind || '/' || d.device"
#define STREAM   DEVICE " || ' ' || coalesce(lpad(to_hex(s.stream), 16, '0'), '-')"
#define NUMBERED "s.stream IS NOT NULL"

/* "1050-1060 1070-1070"; more digits would not fit a bigint. */
#define RANGES          "'^([0-9]{1,16}-[0-9]{1,16}( [0-9]{1,16}-[0-9]{1,16})*)?$'"
#define IN_ORDER(floor) "first > " floor " + 1 AND last >= first AND last <= 9007199254740991"

/* The ranges beyond each stream's gap; `floor` is what they follow. */
#define MARKS                                                                                      \
    "WITH range AS (SELECT s.id, s.through, t.n, split_part(t.text, '-', 1)::bigint AS first,"     \
    " split_part(t.text, '-', 2)::bigint AS last FROM stream s"                                    \
    " CROSS JOIN LATERAL string_to_table(s.beyond, ' ') WITH ORDINALITY t(text, n)"                \
    " WHERE s.beyond ~ " RANGES " AND t.text <> ''),"                                              \
    " mark AS MATERIALIZED (SELECT id, first, last, coalesce(lag(last)"                            \
    " OVER (PARTITION BY id ORDER BY n), through) AS floor FROM range) "

/* The ranges of each dead letter. */
#define LETTERS                                                                                    \
    "letter_range AS (SELECT l.id, l.device, l.stream, t.n,"                                       \
    " split_part(t.text, '-', 1)::bigint AS first, split_part(t.text, '-', 2)::bigint AS last"     \
    " FROM dead_letter l CROSS JOIN LATERAL string_to_table(l.ranges, ' ')"                        \
    " WITH ORDINALITY t(text, n) WHERE l.ranges ~ " RANGES " AND t.text <> ''),"                   \
    " letter AS MATERIALIZED (SELECT *, coalesce(lag(last) OVER (PARTITION BY id ORDER BY n), -1)" \
    " AS floor FROM letter_range) "

static const char *const whole[] = {
    "SELECT 'stream of no device', 'stream ' || s.id FROM stream s"
    " WHERE NOT EXISTS (SELECT FROM device d WHERE d.id = s.device)" LIMIT,

    MARKS "SELECT 'marks malformed', " STREAM " FROM stream s JOIN device d ON d.id = s.device"
          " WHERE s.through < 0 OR s.beyond !~ " RANGES " OR EXISTS (SELECT FROM mark m"
          " WHERE m.id = s.id AND NOT (" IN_ORDER("floor") "))" LIMIT,

    /* what is dealt with is stored, refused or given up */
    MARKS "SELECT format('given_up: want at most %s, have %s', room, given_up), name"
          " FROM (SELECT s.given_up, " STREAM " AS name, greatest(s.through - s.stored"
          " + coalesce((SELECT sum(m.last - m.first + 1) FROM mark m WHERE m.id = s.id), 0), 0)"
          " AS room FROM stream s JOIN device d ON d.id = s.device WHERE " NUMBERED
          ") q WHERE given_up > room" LIMIT,

    "SELECT format('streams: want %s, have %s', count(s.stream), d.streams), " DEVICE
    " FROM device d LEFT JOIN stream s ON s.device = d.id GROUP BY d.id"
    " HAVING count(s.stream) <> d.streams" LIMIT,

    "WITH have AS (SELECT coalesce(device, '') AS device, count(*) AS kept,"
    " sum(octet_length(payload))::bigint AS bytes FROM dead_letter GROUP BY 1),"
    " want AS (SELECT coalesce(h.device, c.device) AS device, coalesce(h.kept, 0) AS kept,"
    " coalesce(h.bytes, 0) AS bytes, coalesce(c.kept, 0) AS counted,"
    " coalesce(c.bytes, 0) AS counted_bytes"
    " FROM have h FULL JOIN letter_count c ON c.device = h.device)"
    " SELECT format('dead letters: want %s, have %s', kept, counted), device FROM want"
    " WHERE kept <> counted UNION ALL"
    " SELECT format('dead letter bytes: want %s, have %s', bytes, counted_bytes), device FROM want"
    " WHERE bytes <> counted_bytes" LIMIT,

    "WITH " LETTERS "SELECT 'dead letter ranges malformed', 'letter ' || l.id FROM dead_letter l"
    " WHERE (l.ranges IS NULL) <> (l.stream IS NULL) OR l.ranges !~ " RANGES " OR l.ranges = ''"
    " OR EXISTS (SELECT FROM letter r WHERE r.id = l.id AND NOT (" IN_ORDER("floor") "))" LIMIT,

    MARKS ", " LETTERS "SELECT 'dead letter that no mark covers', l.device || ' '"
          " || lpad(to_hex(l.stream), 16, '0') || ' ' || l.first || '-' || l.last FROM letter l"
          " WHERE NOT EXISTS (SELECT FROM stream s JOIN device d ON d.id = s.device"
          " WHERE s.stream = l.stream AND " DEVICE " = l.device AND (l.last <= s.through"
          " OR EXISTS (SELECT FROM mark m WHERE m.id = s.id AND m.first <= l.first"
          " AND l.last <= m.last)))" LIMIT,

    "SELECT CASE WHEN c.oid IS NULL THEN 'partition without table'"
    " WHEN i.inhparent IS NULL THEN 'partition not attached' ELSE 'partition without device index'"
    " END, p.name FROM partition p LEFT JOIN pg_class c ON c.oid = to_regclass(quote_ident(p.name))"
    " LEFT JOIN pg_inherits i ON i.inhrelid = c.oid"
    " AND i.inhparent = to_regclass(quote_ident('reading_' || p.kind))"
    " WHERE p.state < 3 AND (i.inhparent IS NULL OR (p.state = 2 AND NOT EXISTS"
    " (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisvalid"
    " AND pg_get_indexdef(x.indexrelid) LIKE '%(\\_stream, \\_time)%')))" LIMIT,

    "SELECT format('partition bounds: want %s, have %s', want, have), name FROM (SELECT p.name,"
    " pg_get_expr(c.relpartbound, c.oid) AS have, format('FOR VALUES FROM (%L) TO "
    "(%L)', " PH_PG_TIME("p.from_ms") ", " PH_PG_TIME(
        "p.to_ms") ") AS want FROM partition p"
                   " JOIN pg_class c ON c.oid = to_regclass(quote_ident(p.name)) WHERE p.state < "
                   "3) q"
                   " WHERE have <> want" LIMIT,
};

/* '@' stands for the kind's table, $1 for the kind. What retention has taken is counted per kind,
 * and not at all where somebody else drops it (a hypertable) or it is just being done. */
#define SOME_DROPPED                                                                               \
    "(EXISTS (SELECT FROM dropped WHERE kind = $1::text AND rows > 0)"                             \
    " OR EXISTS (SELECT FROM partition WHERE kind = $1::text AND state = 3)"                       \
    " OR (SELECT relkind FROM pg_class WHERE oid = '@'::regclass) <> 'p')"
#define STREAMS_OF_KIND "stream s JOIN device d ON d.id = s.device AND d.kind = $1::text"

static const char *const of_kind[] = {
    "SELECT 'reading of no stream', $1::text || ' stream ' || r._stream FROM @ r"
    " WHERE NOT EXISTS (SELECT FROM stream s WHERE s.id = r._stream) GROUP BY r._stream" LIMIT,

    "SELECT 'reading of another device', " STREAM " FROM @ r JOIN stream s ON s.id = r._stream"
    " JOIN device d ON d.id = s.device WHERE r._device <> s.device OR d.kind <> $1::text"
    " GROUP BY s.id, d.id" LIMIT,

    "SELECT 'reading of no certificate', " STREAM " || ' ' || coalesce(r._seq::text, '-')"
    " FROM @ r JOIN stream s ON s.id = r._stream JOIN device d ON d.id = s.device"
    " WHERE r._certificate IS NOT NULL"
    " AND NOT EXISTS (SELECT FROM certificate c WHERE c.id = r._certificate)" LIMIT,

    "SELECT 'reading stored twice', " STREAM " || ' ' || r._seq FROM (SELECT _stream, _seq FROM @"
    " WHERE _seq IS NOT NULL GROUP BY _stream, _seq HAVING count(*) > 1" LIMIT
    ") r JOIN stream s ON s.id = r._stream JOIN device d ON d.id = s.device",

    MARKS "SELECT 'reading that no mark covers', " STREAM " || ' ' || r._seq FROM @ r"
          " JOIN stream s ON s.id = r._stream JOIN device d ON d.id = s.device"
          " WHERE r._seq > s.through AND NOT EXISTS (SELECT FROM mark m WHERE m.id = s.id"
          " AND r._seq BETWEEN m.first AND m.last)" LIMIT,

    "WITH c AS MATERIALIZED (SELECT _stream, count(*) AS n FROM @ GROUP BY _stream)"
    " SELECT format('stored: want %s, have %s', coalesce(c.n, 0), s.stored), " STREAM
    " FROM " STREAMS_OF_KIND " LEFT JOIN c ON c._stream = s.id"
    " WHERE CASE WHEN " SOME_DROPPED " THEN coalesce(c.n, 0) > s.stored"
    " ELSE coalesce(c.n, 0) <> s.stored END" LIMIT,

    "SELECT format('dropped: want %s, have %s', want, rows), kind FROM (SELECT kind, rows,"
    " (SELECT coalesce(sum(s.stored), 0) FROM " STREAMS_OF_KIND
    ") - (SELECT count(*) FROM @) AS want FROM dropped WHERE kind = $1::text AND rows > 0"
    " AND NOT EXISTS (SELECT FROM partition p WHERE p.kind = $1::text AND p.state = 3)) q"
    " WHERE want <> rows",

    "WITH c AS MATERIALIZED (SELECT _stream, max(_seq) AS hi FROM @ GROUP BY _stream)"
    " SELECT format('newest row: want %s, have %s', c.hi, s.latest_seq), " STREAM
    " FROM " STREAMS_OF_KIND " JOIN c ON c._stream = s.id WHERE " NUMBERED
    " AND (c.hi > s.latest_seq OR (c.hi < s.latest_seq AND NOT " SOME_DROPPED "))" LIMIT,

    "WITH c AS MATERIALIZED (SELECT tableoid, count(*) AS n, min(_time) AS lo, max(_time) AS hi"
    " FROM @ GROUP BY tableoid), q AS (SELECT p.*, coalesce(c.n, 0) AS n, c.lo, c.hi"
    " FROM partition p LEFT JOIN c ON c.tableoid = to_regclass(quote_ident(p.name))"
    " WHERE p.kind = $1::text AND p.state = 2)"
    " SELECT format('partition rows: want %s, have %s', n, rows), name FROM q WHERE rows <> n"
    " UNION ALL SELECT format('partition times: want %s to %s, have %s to %s', lo, hi, first_time,"
    " last_time), name FROM q WHERE (lo, hi) IS DISTINCT FROM (first_time, last_time)" LIMIT,

    "SELECT 'table that is no known partition', c.relname FROM pg_inherits i"
    " JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = '@'::regclass"
    " AND (SELECT relkind FROM pg_class WHERE oid = '@'::regclass) = 'p'"
    " AND NOT EXISTS (SELECT FROM partition p WHERE p.name = c.relname)" LIMIT,
};

static const struct ph_column columns[] = {
    {"what", NULL, PH_CELL_TEXT}, {"where", NULL, PH_CELL_TEXT}};

struct faults {
    struct ph_listing listing;
    int64_t count;
};

static enum ph_err pass_fault(
    void *context, const struct ph_pg_result *result, size_t row, struct ph_error *error)
{
    struct faults *faults = context;
    faults->count++;
    return ph_listing_row(&faults->listing, result, row, error);
}

static void add_check(struct ph_sql *sql, const char *check, const char *kind)
{
    char part[2] = "";
    for (; *check != '\0'; check++) {
        if (*check == '@') {
            ph_sql_add(sql, "\"reading_");
            ph_sql_add(sql, kind);
            ph_sql_add(sql, "\"");
        } else {
            part[0] = *check;
            ph_sql_add(sql, part);
        }
    }
}

/* `kind` is NULL for a check of the whole; the server insists on parameters that are used. */
static enum ph_err run(struct faults *faults, struct ph_pg *pg, const char *check, const char *kind,
    struct ph_error *error)
{
    const struct ph_pg_value values[] = {{.text = kind}};
    const size_t count = strstr(check, "$1") != NULL ? 1 : 0;
    struct ph_sql sql;
    ph_sql_init(&sql);
    add_check(&sql, check, kind);
    const char *text = ph_sql_text(&sql, error);
    enum ph_err err = sql.err;
    if (text != NULL) {
        err = ph_pg_each(pg, text, values, count, pass_fault, faults, error);
    }
    ph_sql_fini(&sql);
    return err;
}

static enum ph_err run_all(struct faults *faults, struct ph_pg *pg,
    const struct ph_pg_result *kinds, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < sizeof whole / sizeof whole[0] && err == PH_OK; i++) {
        err = run(faults, pg, whole[i], NULL, error);
    }
    for (size_t kind = 0; kind < ph_pg_rows(kinds); kind++) {
        for (size_t i = 0; i < sizeof of_kind / sizeof of_kind[0] && err == PH_OK; i++) {
            err = run(faults, pg, of_kind[i], ph_pg_text(kinds, kind, 0), error);
        }
    }
    return err;
}

enum ph_err ph_store_postgres_check(
    struct ph_store *store, const struct ph_rows *rows, int64_t *faults, struct ph_error *error)
{
    struct ph_pg *pg = ((struct postgres_store *)store)->pg;
    struct faults found = {0};
    struct ph_pg_result *kinds = NULL;
    enum ph_err err = ph_listing_kinds(pg, NULL, &kinds, error);
    if (err == PH_OK) {
        err = ph_listing_init(&found.listing, pg, NULL, (struct ph_columns){columns, 2},
            (struct ph_columns){0}, rows, error);
    }
    if (err == PH_OK) {
        err = ph_listing_begin(&found.listing, error);
    }
    if (err == PH_OK) {
        err = run_all(&found, pg, kinds, error);
    }
    *faults = found.count;
    ph_listing_fini(&found.listing);
    ph_pg_result_free(&kinds);
    return err;
}
