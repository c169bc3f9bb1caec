#include "ingest/store/postgres.h"
#include "ingest/store/postgres_rows.h"

static const struct ph_column columns[] = {{"device", NULL, PH_CELL_TEXT},
    {"stream", NULL, PH_CELL_TEXT}, {"stored", NULL, PH_CELL_INTEGER},
    {"through", NULL, PH_CELL_INTEGER}, {"first", NULL, PH_CELL_INTEGER},
    {"last", NULL, PH_CELL_INTEGER}, {"duplicates", NULL, PH_CELL_INTEGER},
    {"vouched", NULL, PH_CELL_INTEGER}, {"given_up", NULL, PH_CELL_INTEGER}};
enum stats_column {
    STATS_STORED = 2,
    STATS_DUPLICATES = 6,
    STATS_VOUCHED = 7,
    STATS_SHOWN = sizeof columns / sizeof columns[0],
    /* summed, not shown: one column for each reason from 1 on, then one for each timing from 0 */
    STATS_UNVOUCHED = STATS_SHOWN,
    STATS_TIMING = STATS_UNVOUCHED + PH_PROVENANCE_STATES - 1,
};

/* Adds up what it passes on. */
struct summing {
    struct ph_listing listing;
    bool shown;
    struct ph_store_totals *totals;
};

static enum ph_err sum_row(
    void *context, const struct ph_pg_result *result, size_t row, struct ph_error *error)
{
    struct summing *summing = context;
    struct ph_store_totals *totals = summing->totals;
    int64_t stored = ph_pg_int64(result, row, STATS_STORED);
    int64_t vouched = ph_pg_int64(result, row, STATS_VOUCHED);
    totals->stored += stored;
    totals->duplicates += ph_pg_int64(result, row, STATS_DUPLICATES);
    totals->vouched += vouched;
    totals->unrecorded += stored - vouched;
    for (int i = 1; i < PH_PROVENANCE_STATES; i++) {
        int64_t count = ph_pg_int64(result, row, STATS_UNVOUCHED - 1 + i);
        totals->unvouched[i] += count;
        totals->unrecorded -= count;
    }
    for (int i = 0; i < PH_TIMING_COUNT; i++) {
        totals->timing[i] += ph_pg_int64(result, row, STATS_TIMING + i);
    }
    return summing->shown ? ph_listing_row(&summing->listing, result, row, error) : PH_OK;
}

static void add_stats(struct ph_sql *sql, const char *kind)
{
    ph_sql_add(sql,
        "WITH c AS MATERIALIZED (SELECT _stream, count(*) AS n, count(_seq) AS numbered,"
        " count(DISTINCT _seq) AS u, min(_seq) AS lo, max(_seq) AS hi, count(_certificate) AS v,"
        " count(*) FILTER (WHERE _unvouched = 1) AS r1,"
        " count(*) FILTER (WHERE _unvouched = 2) AS r2,"
        " count(*) FILTER (WHERE _unvouched = 3) AS r3,"
        " count(*) FILTER (WHERE _unvouched = 4) AS r4,"
        " count(*) FILTER (WHERE coalesce(_timing, 0) = 0) AS t0,"
        " count(*) FILTER (WHERE _timing = 1) AS t1, count(*) FILTER (WHERE _timing = 2) AS t2,"
        " count(*) FILTER (WHERE _timing = 3) AS t3, count(*) FILTER (WHERE _timing = 4) AS t4"
        " FROM \"reading_");
    ph_sql_add(sql, kind);
    ph_sql_add(sql, "\" GROUP BY _stream) SELECT " PH_PG_DEVICE ", " PH_PG_STREAM(
                        "s.stream") ", coalesce(c.n, 0), CASE WHEN s.stream IS NULL THEN NULL ELSE "
                                    "s.through END, c.lo, c.hi,"
                                    " coalesce(c.numbered - c.u, 0), coalesce(c.v, 0), s.given_up,"
                                    " coalesce(c.r1, 0), coalesce(c.r2, 0), coalesce(c.r3, 0), "
                                    "coalesce(c.r4, 0),"
                                    " coalesce(c.t0, 0), coalesce(c.t1, 0), coalesce(c.t2, 0), "
                                    "coalesce(c.t3, 0),"
                                    " coalesce(c.t4, 0)"
                                    " FROM device d JOIN stream s ON s.device = d.id LEFT JOIN c "
                                    "ON c._stream = s.id"
                                    " WHERE d.kind = $1::text ORDER BY " PH_PG_ORDER ", s.id");
}

static enum ph_err stats_of_kind(
    struct summing *summing, struct ph_pg *pg, const char *kind, struct ph_error *error)
{
    const struct ph_pg_value values[] = {{.text = kind}};
    struct ph_sql sql;
    ph_sql_init(&sql);
    add_stats(&sql, kind);
    const char *text = ph_sql_text(&sql, error);
    enum ph_err err =
        text != NULL ? ph_pg_each(pg, text, values, 1, sum_row, summing, error) : sql.err;
    ph_sql_fini(&sql);
    return err;
}

static enum ph_err count_totals(
    struct ph_pg *pg, struct ph_store_totals *totals, struct ph_error *error)
{
    struct ph_pg_result *result = NULL;
    enum ph_err err = ph_pg_query(pg,
        "SELECT count(DISTINCT device), count(stream), least(coalesce(sum(given_up), 0), "
        "9223372036854775807)::bigint,"
        " (SELECT coalesce(sum(rows), 0)::bigint FROM dropped),"
        " (SELECT count(*) FROM dead_letter),"
        " (SELECT coalesce(sum(not_kept), 0)::bigint FROM letter_count) FROM stream",
        NULL, 0, &result, error);
    if (err == PH_OK) {
        totals->devices = ph_pg_int64(result, 0, 0);
        totals->streams = ph_pg_int64(result, 0, 1);
        totals->given_up = ph_pg_int64(result, 0, 2);
        totals->dropped = ph_pg_int64(result, 0, 3);
        totals->dead_letters = ph_pg_int64(result, 0, 4);
        totals->dead_letters_not_kept = ph_pg_int64(result, 0, 5);
    }
    ph_pg_result_free(&result);
    return err;
}

enum ph_err ph_store_postgres_stats(struct ph_store *store, const struct ph_rows *rows,
    struct ph_store_totals *totals, struct ph_error *error)
{
    struct ph_pg *pg = ((struct postgres_store *)store)->pg;
    struct summing summing = {.shown = rows != NULL, .totals = totals};
    struct ph_pg_result *kinds = NULL;
    *totals = (struct ph_store_totals){0};
    enum ph_err err = count_totals(pg, totals, error);
    if (err == PH_OK) {
        err = ph_listing_kinds(pg, NULL, &kinds, error);
    }
    if (err == PH_OK) {
        err = ph_listing_init(&summing.listing, pg, NULL, (struct ph_columns){columns, STATS_SHOWN},
            (struct ph_columns){0}, rows, error);
    }
    if (err == PH_OK && summing.shown) {
        err = ph_listing_begin(&summing.listing, error);
    }
    for (size_t i = 0; err == PH_OK && i < ph_pg_rows(kinds); i++) {
        err = stats_of_kind(&summing, pg, ph_pg_text(kinds, i, 0), error);
    }
    ph_listing_fini(&summing.listing);
    ph_pg_result_free(&kinds);
    return err;
}
