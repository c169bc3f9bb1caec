#include <string.h>

#include "ingest/store/postgres.h"
#include "ingest/store/postgres_rows.h"

/* What is not a field. */
static const struct {
    const char *name;
    const char *sql;
} fixed[] = {
    {"tenant", "d.tenant"},
    {"device", "d.device"},
    {"stream", PH_PG_STREAM("s.stream")},
    {"seq", "r._seq"},
    {"time", "r._time"},
    {"extra", "r._extra"},
    {"received", "r._received"},
    {"timing", PH_PG_TIMING("r._timing")},
    {"fingerprint", "c.fingerprint"},
    {"unvouched", PH_PG_REASON("r._unvouched")},
};

static void add_column(struct ph_sql *sql, const char *name)
{
    size_t i = 0;
    while (i < sizeof fixed / sizeof fixed[0] && strcmp(fixed[i].name, name) != 0) {
        i++;
    }
    if (i < sizeof fixed / sizeof fixed[0]) {
        ph_sql_add(sql, fixed[i].sql);
    } else {
        ph_sql_add(sql, "r.\"");
        ph_sql_add(sql, name);
        ph_sql_add(sql, "\"");
    }
    ph_sql_add(sql, " AS \"");
    ph_sql_add(sql, name);
    ph_sql_add(sql, "\"");
}

/* The view shows every field that the kind ever had. Columns that it has stay where they are, new
 * ones come behind them: so it can be replaced, with whatever was granted on it and built on it. */
static enum ph_err list_columns(
    struct ph_pg *pg, const char *kind, struct ph_pg_result **out, struct ph_error *error)
{
    const struct ph_pg_value values[] = {{.text = kind}};
    return ph_pg_query(pg,
        "WITH have AS (SELECT a.attname::text AS name, a.attnum AS position FROM pg_attribute a"
        " WHERE a.attrelid = to_regclass(quote_ident(current_schema()) || '.' || quote_ident($1))"
        " AND a.attnum > 0 AND NOT a.attisdropped), want AS ("
        " SELECT name, 10000 + n AS position FROM unnest('{tenant,device,stream,seq,time}'::text[])"
        " WITH ORDINALITY AS head(name, n)"
        " UNION ALL SELECT name, 20000 + position FROM field WHERE kind = $1::text"
        " UNION ALL SELECT name, 30000 + n FROM"
        " unnest('{extra,received,timing,fingerprint,unvouched}'::text[])"
        " WITH ORDINALITY AS tail(name, n))"
        " SELECT name FROM (SELECT * FROM have UNION ALL SELECT * FROM want WHERE name NOT IN"
        " (SELECT name FROM have)) columns ORDER BY position",
        values, 1, out, error);
}

enum ph_err ph_postgres_make_view(struct ph_pg *pg, const char *kind, struct ph_error *error)
{
    struct ph_pg_result *columns = NULL;
    struct ph_sql sql;
    ph_sql_init(&sql);
    enum ph_err err = list_columns(pg, kind, &columns, error);
    if (err != PH_OK) {
        return err;
    }
    ph_sql_add(&sql, "CREATE OR REPLACE VIEW \"");
    ph_sql_add(&sql, kind);
    for (size_t i = 0; i < ph_pg_rows(columns); i++) {
        ph_sql_add(&sql, i == 0 ? "\" AS SELECT " : ", ");
        add_column(&sql, ph_pg_text(columns, i, 0));
    }
    ph_sql_add(&sql, " FROM \"reading_");
    ph_sql_add(&sql, kind);
    ph_sql_add(&sql, "\" r JOIN stream s ON s.id = r._stream JOIN device d ON d.id = r._device"
                     " LEFT JOIN certificate c ON c.id = r._certificate");
    ph_pg_result_free(&columns);
    const char *text = ph_sql_text(&sql, error);
    err = text != NULL ? ph_pg_exec(pg, text, error) : sql.err;
    ph_sql_fini(&sql);
    return err;
}
