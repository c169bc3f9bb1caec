#include "ingest/store/postgres_rows.h"

#include <stdio.h>
#include <stdlib.h>

/* A row's time is at most this: the year 9999. */
#define TIME_MAX_MS INT64_C(253402300799999)

enum { FIELD_NAME, FIELD_TYPE, FIELD_UNIT };

void ph_sql_init(struct ph_sql *sql)
{
    *sql = (struct ph_sql){0};
    ph_buf_init(&sql->text, PH_PG_SQL_BYTES);
}

void ph_sql_fini(struct ph_sql *sql)
{
    ph_buf_fini(&sql->text);
}

void ph_sql_add(struct ph_sql *sql, const char *text)
{
    if (sql->err == PH_OK) {
        sql->err = ph_buf_append_text(&sql->text, text);
    }
}

const char *ph_sql_text(const struct ph_sql *sql, struct ph_error *error)
{
    if (sql->err != PH_OK) {
        (void)ph_error_set(error, sql->err, "statement: too long; the kind has too many fields");
        return NULL;
    }
    return sql->text.data;
}

void ph_listing_fini(struct ph_listing *listing)
{
    ph_pg_result_free(&listing->fields);
    free(listing->columns);
    free(listing->cells);
    *listing = (struct ph_listing){0};
}

static void add_columns(struct ph_listing *listing, struct ph_columns columns)
{
    for (size_t i = 0; i < columns.count; i++) {
        listing->columns[listing->count++] = columns.list[i];
    }
}

static void add_fields(struct ph_listing *listing)
{
    listing->fields_from = listing->count;
    for (size_t i = 0; i < ph_pg_rows(listing->fields); i++) {
        listing->columns[listing->count++] = (struct ph_column){
            .name = ph_pg_text(listing->fields, i, FIELD_NAME),
            .unit = ph_pg_text(listing->fields, i, FIELD_UNIT),
            .type = ph_cell_type_of(ph_pg_text(listing->fields, i, FIELD_TYPE)),
        };
    }
    listing->fields_to = listing->count;
}

enum ph_err ph_listing_init(struct ph_listing *listing, struct ph_pg *pg, const char *kind,
    struct ph_columns before, struct ph_columns after, const struct ph_rows *rows,
    struct ph_error *error)
{
    const struct ph_pg_value values[] = {{.text = kind}};
    enum ph_err err = ph_pg_query(pg,
        "SELECT name, type, unit FROM field WHERE kind = $1::text ORDER BY position", values, 1,
        &listing->fields, error);
    if (err != PH_OK) {
        return err;
    }
    size_t most = before.count + ph_pg_rows(listing->fields) + after.count;
    listing->columns = calloc(most, sizeof listing->columns[0]);
    listing->cells = calloc(most, sizeof listing->cells[0]);
    listing->rows = rows;
    if (listing->columns == NULL || listing->cells == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", ph_pg_name(pg));
    }
    add_columns(listing, before);
    add_fields(listing);
    add_columns(listing, after);
    return PH_OK;
}

enum ph_err ph_listing_begin(struct ph_listing *listing, struct ph_error *error)
{
    return listing->rows->begin(listing->rows->context, listing->columns, listing->count, error);
}

static struct ph_cell cell_of(
    const struct ph_pg_result *result, size_t row, int column, enum ph_cell_type type)
{
    struct ph_cell cell = {.type = type};
    if (ph_pg_is_null(result, row, column)) {
        cell.type = PH_CELL_NULL;
    } else if (type == PH_CELL_TEXT) {
        cell.text = ph_pg_text(result, row, column);
    } else if (type == PH_CELL_REAL) {
        cell.real = ph_pg_double(result, row, column);
    } else if (type == PH_CELL_BOOL) {
        cell.integer = ph_pg_bool(result, row, column) ? 1 : 0;
    } else {
        cell.integer = ph_pg_int64(result, row, column);
    }
    return cell;
}

enum ph_err ph_listing_row(
    void *context, const struct ph_pg_result *result, size_t row, struct ph_error *error)
{
    struct ph_listing *listing = context;
    for (size_t i = 0; i < listing->count; i++) {
        listing->cells[i] = cell_of(result, row, (int)i, listing->columns[i].type);
    }
    return listing->rows->row(listing->rows->context, listing->cells, error);
}

enum ph_err ph_listing_each(struct ph_listing *listing, struct ph_pg *pg, const struct ph_sql *sql,
    const struct ph_pg_value *values, size_t count, struct ph_error *error)
{
    const char *text = ph_sql_text(sql, error);
    return text != NULL ? ph_pg_each(pg, text, values, count, ph_listing_row, listing, error)
                        : sql->err;
}

void ph_listing_time(char out[PH_UTC_BYTES], int64_t ms)
{
    if (ms < 0 || ms > TIME_MAX_MS) {
        (void)snprintf(out, PH_UTC_BYTES, ms < 0 ? "-infinity" : "infinity");
    } else {
        ph_utc_print(out, ms);
    }
}

enum ph_err ph_listing_kinds(
    struct ph_pg *pg, const char *only, struct ph_pg_result **out, struct ph_error *error)
{
    const struct ph_pg_value values[] = {{.text = only}};
    enum ph_err err = ph_pg_query(pg,
        "SELECT kind FROM (SELECT DISTINCT kind FROM field WHERE $1::text IS NULL OR kind = $1) k"
        " ORDER BY kind COLLATE \"C\"",
        values, 1, out, error);
    if (err == PH_OK && only != NULL && ph_pg_rows(*out) == 0) {
        ph_pg_result_free(out);
        err = ph_error_set(
            error, PH_ERR_NOT_FOUND, "%s: kind %s: not in this store", ph_pg_name(pg), only);
    }
    return err;
}
