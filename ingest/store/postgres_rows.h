/* Inside the PostgreSQL store: results on their way to whoever prints them. */
#ifndef PH_STORE_POSTGRES_ROWS_H
#define PH_STORE_POSTGRES_ROWS_H

#include "adapters/postgres.h"
#include "base/buf.h"
#include "base/clock.h"
#include "ingest/store/rows.h"

/* SQL: a timestamptz as milliseconds since 1970, and back, both exact for every year; the number of
 * a stream as it is shown; a device; the words for numbers that a row keeps. */
#define PH_PG_MS(column) "(extract(epoch FROM " column ") * 1000)::bigint"
#define PH_PG_TIME(ms)                                                                             \
    "('epoch'::timestamptz + " ms " / 1000 * interval '1 second'"                                  \
    " + " ms " % 1000 * interval '1 millisecond')"
#define PH_PG_STREAM(column) "lpad(to_hex(" column "), 16, '0')"
#define PH_PG_DEVICE         "d.tenant || '/' || d.kind || '/' || d.device"
#define PH_PG_ORDER          "d.tenant COLLATE \"C\", d.device COLLATE \"C\""
#define PH_PG_REASON(column)                                                                       \
    "CASE " column " WHEN 1 THEN 'missing' WHEN 2 THEN 'malformed' WHEN 3 THEN 'repeated'"         \
    " WHEN 4 THEN 'other-identity' END"
#define PH_PG_TIMING(column)                                                                       \
    "CASE " column " WHEN 1 THEN 'future' WHEN 2 THEN 'past' WHEN 3 THEN 'estimated'"              \
    " WHEN 4 THEN 'arrival' END"

#define PH_PG_SQL_BYTES 65536

/* A statement in the making. Failures are remembered until it is asked for. */
struct ph_sql {
    struct ph_buf text;
    enum ph_err err;
};
void ph_sql_init(struct ph_sql *sql);
void ph_sql_fini(struct ph_sql *sql);
void ph_sql_add(struct ph_sql *sql, const char *text);

/* Borrowed; NULL, and the error set, when the statement could not be put together. */
const char *ph_sql_text(const struct ph_sql *sql, struct ph_error *error) PH_NODISCARD;

/* A table on its way out: fixed columns, and between them those of a kind. Zero-initialise before
 * use; release with ph_listing_fini(). */
struct ph_listing {
    struct ph_pg_result *fields; /* names, types and units; what the columns borrow */
    struct ph_column *columns;
    struct ph_cell *cells;
    size_t count;
    size_t fields_from;
    size_t fields_to;
    const struct ph_rows *rows; /* who takes them */
};

void ph_listing_fini(struct ph_listing *listing);

/* Columns `before`, those of the kind (NULL: none) and columns `after`, in this order. */
struct ph_columns {
    const struct ph_column *list;
    size_t count;
};
enum ph_err ph_listing_init(struct ph_listing *listing, struct ph_pg *pg, const char *kind,
    struct ph_columns before, struct ph_columns after, const struct ph_rows *rows,
    struct ph_error *error) PH_NODISCARD;

/* Tells whoever takes the rows about the columns. */
enum ph_err ph_listing_begin(struct ph_listing *listing, struct ph_error *error) PH_NODISCARD;

/* Hands one row of a result on; the context is the listing. The result has the columns of the
 * listing, in its order: times in milliseconds. */
enum ph_err ph_listing_row(void *context, const struct ph_pg_result *result, size_t row,
    struct ph_error *error) PH_NODISCARD;

/* Runs the statement and hands all its rows on. */
enum ph_err ph_listing_each(struct ph_listing *listing, struct ph_pg *pg, const struct ph_sql *sql,
    const struct ph_pg_value *values, size_t count, struct ph_error *error) PH_NODISCARD;

/* A time that PostgreSQL reads; beyond what a row can have (1970 to 9999), infinity. */
void ph_listing_time(char out[PH_UTC_BYTES], int64_t ms);

/* The kinds that the store knows, one row each; `only`: that one (NULL: all), PH_ERR_NOT_FOUND when
 * the store does not know it. */
enum ph_err ph_listing_kinds(struct ph_pg *pg, const char *only, struct ph_pg_result **out,
    struct ph_error *error) PH_NODISCARD;

#endif
