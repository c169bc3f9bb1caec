#include "ingest/store/sqlite_result.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"

enum {
    ESCAPED_BYTES = 4 * PH_LIMIT_MESSAGE_BYTES + 1,
    COLUMNS_MAX = 2000,
    COLUMNS_MORE = 8,
    KINDS_MAX = 4096,
    PARTITIONS_MAX = 1000000
};

/* ---- Columns. */

void ph_sqlite_layout_fini(struct sqlite_layout *layout)
{
    for (size_t i = 0; i < layout->owned_count; i++) {
        free(layout->owned[i]);
    }
    free(layout->owned);
    free(layout->columns);
    *layout = (struct sqlite_layout){0};
}

/* A copy that lives as long as the layout; NULL when out of memory. */
static const char *own(struct sqlite_layout *layout, const char *text)
{
    char *copy = strdup(text);
    if (copy != NULL) {
        layout->owned[layout->owned_count++] = copy;
    }
    return copy;
}

static enum ph_err add_field(
    struct sqlite_layout *layout, struct ph_db *db, struct ph_stmt *stmt, struct ph_error *error)
{
    const char *unit = ph_stmt_text(stmt, 2);
    enum ph_err err = ph_store_sqlite_check_name(db, ph_stmt_text(stmt, 0), error);
    if (err == PH_OK && layout->count >= COLUMNS_MAX) {
        err = ph_error_set(error, PH_ERR_INPUT, "%s: table field: more than %d fields of one kind",
            ph_db_path(db), COLUMNS_MAX);
    }
    if (err != PH_OK) {
        return err;
    }
    struct ph_column *column = &layout->columns[layout->count++];
    layout->fields_to = layout->count;
    column->name = own(layout, ph_stmt_text(stmt, 0));
    column->type = ph_cell_type_of(ph_stmt_text(stmt, 1));
    column->unit = unit != NULL ? own(layout, unit) : NULL;
    return column->name != NULL && (unit == NULL || column->unit != NULL)
               ? PH_OK
               : ph_error_set(error, PH_ERR_MEMORY, "store: out of memory");
}

void ph_sqlite_layout_add(struct sqlite_layout *layout, const struct ph_column *fixed, size_t count)
{
    if (count > 0) {
        memcpy(&layout->columns[layout->count], fixed, count * sizeof fixed[0]);
        layout->count += count;
    }
}

enum ph_err ph_sqlite_layout_init(struct sqlite_layout *layout, struct ph_db *db, const char *kind,
    const struct ph_column *fixed, size_t count, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    layout->columns = calloc(COLUMNS_MAX + COLUMNS_MORE, sizeof layout->columns[0]);
    layout->owned = calloc((size_t)2 * COLUMNS_MAX, sizeof layout->owned[0]);
    if (layout->columns == NULL || layout->owned == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "store: out of memory");
    }
    ph_sqlite_layout_add(layout, fixed, count);
    layout->fields_from = layout->fields_to = layout->count;
    enum ph_err err = ph_stmt_prepare(
        db, "SELECT name, type, unit FROM field WHERE kind=?1 ORDER BY position", &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, kind);
    }
    while (err == PH_OK && (err = ph_stmt_step(stmt, &row, error)) == PH_OK && row) {
        err = add_field(layout, db, stmt, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

enum ph_err ph_sqlite_layout_fields(
    const struct sqlite_layout *layout, const char *prefix, struct ph_buf *sql)
{
    enum ph_err err = PH_OK;
    for (size_t i = layout->fields_from; i < layout->fields_to && err == PH_OK; i++) {
        err = ph_buf_printf(sql, ", %s\"%s\"", prefix, layout->columns[i].name);
    }
    return err;
}

/* ---- Rows. */

static struct ph_cell cell_of(
    struct ph_stmt *stmt, int column, enum ph_cell_type type, char *scratch)
{
    struct ph_cell cell = {.type = type};
    if (ph_stmt_is_null(stmt, column)) {
        cell.type = PH_CELL_NULL;
    } else if (ph_stmt_column_type(stmt, column) == PH_COLUMN_BYTES) {
        size_t len = 0;
        const void *bytes = ph_stmt_bytes(stmt, column, &len);
        ph_text_escape_bytes(scratch, ESCAPED_BYTES, len > 0 ? bytes : "", len);
        cell.text = scratch;
    } else if (type == PH_CELL_TEXT) {
        cell.text = ph_stmt_text(stmt, column);
    } else if (type == PH_CELL_REAL) {
        cell.real = ph_stmt_double(stmt, column);
    } else {
        cell.integer = ph_stmt_int64(stmt, column);
    }
    return cell;
}

enum ph_err ph_sqlite_pass_rows(struct ph_stmt *stmt, const struct ph_column *columns, size_t count,
    bool begin, const struct ph_rows *rows, struct ph_error *error)
{
    struct ph_cell *cells = calloc(count, sizeof *cells);
    char *scratch = malloc(ESCAPED_BYTES);
    bool row = false;
    enum ph_err err = cells != NULL && scratch != NULL
                          ? PH_OK
                          : ph_error_set(error, PH_ERR_MEMORY, "store: out of memory");
    if (err == PH_OK && begin) {
        err = rows->begin(rows->context, columns, count, error);
    }
    while (err == PH_OK && (err = ph_stmt_step(stmt, &row, error)) == PH_OK && row) {
        for (size_t i = 0; i < count; i++) {
            cells[i] = cell_of(stmt, (int)i, columns[i].type, scratch);
        }
        err = rows->row(rows->context, cells, error);
    }
    free(scratch);
    free(cells);
    return err;
}

enum ph_err ph_sqlite_prepare(struct ph_db *db, enum ph_err built, const struct ph_buf *sql,
    struct ph_stmt **stmt, struct ph_error *error)
{
    return built == PH_OK ? ph_stmt_prepare(db, sql->data, stmt, error)
                          : ph_error_set(error, built, "%s: statement too long", ph_db_path(db));
}

enum ph_err ph_sqlite_begin_read(struct ph_db *db, struct ph_error *error)
{
    return ph_db_exec(db, "BEGIN", error);
}

enum ph_err ph_sqlite_end_read(struct ph_db *db, enum ph_err err, struct ph_error *error)
{
    if (err == PH_OK) {
        err = ph_db_exec(db, "COMMIT", error);
    }
    ph_db_rollback(db); /* nothing, after a commit */
    return err;
}

/* ---- Kinds and partitions. */

void ph_sqlite_kinds_fini(struct sqlite_kinds *kinds)
{
    for (size_t i = 0; i < kinds->count; i++) {
        free(kinds->names[i]);
    }
    free(kinds->names);
    *kinds = (struct sqlite_kinds){0};
}

static enum ph_err add_kind(
    struct sqlite_kinds *kinds, struct ph_db *db, const char *name, struct ph_error *error)
{
    enum ph_err err = ph_store_sqlite_check_name(db, name, error);
    if (err == PH_OK && kinds->count >= KINDS_MAX) {
        err = ph_error_set(
            error, PH_ERR_INPUT, "%s: table field: more than %d kinds", ph_db_path(db), KINDS_MAX);
    }
    if (err == PH_OK && (kinds->names[kinds->count] = strdup(name)) == NULL) {
        err = ph_error_set(error, PH_ERR_MEMORY, "store: out of memory");
    }
    kinds->count += err == PH_OK ? 1 : 0;
    return err;
}

enum ph_err ph_sqlite_kinds_init(
    struct sqlite_kinds *kinds, struct ph_db *db, const char *only, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    kinds->names = calloc(KINDS_MAX, sizeof kinds->names[0]);
    if (kinds->names == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "store: out of memory");
    }
    enum ph_err err = ph_stmt_prepare(db,
        "SELECT DISTINCT kind FROM field WHERE ?1 IS NULL OR kind=?1 ORDER BY kind", &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, only);
    }
    while (err == PH_OK && (err = ph_stmt_step(stmt, &row, error)) == PH_OK && row) {
        err = add_kind(kinds, db, ph_stmt_text(stmt, 0), error);
    }
    ph_stmt_free(&stmt);
    if (err == PH_OK && only != NULL && kinds->count == 0) {
        err = ph_error_set(
            error, PH_ERR_NOT_FOUND, "%s: kind %s: not in this store", ph_db_path(db), only);
    }
    return err;
}

void ph_sqlite_partitions_fini(struct sqlite_partitions *partitions)
{
    free(partitions->rows);
    *partitions = (struct sqlite_partitions){0};
}

static struct sqlite_partition read_partition(struct ph_stmt *stmt)
{
    const bool timed = !ph_stmt_is_null(stmt, 3) && !ph_stmt_is_null(stmt, 4);
    return (struct sqlite_partition){
        .id = ph_stmt_int64(stmt, 0),
        .first_id = ph_stmt_int64(stmt, 1),
        .last_id = ph_stmt_is_null(stmt, 2) ? INT64_MAX : ph_stmt_int64(stmt, 2),
        .first_time = timed ? ph_stmt_int64(stmt, 3) : INT64_MIN,
        .last_time = timed ? ph_stmt_int64(stmt, 4) : INT64_MAX,
        .rows = ph_stmt_int64(stmt, 5),
        .state = (enum ph_partition_state)ph_stmt_int64(stmt, 6),
    };
}

static enum ph_err add_partition(
    struct sqlite_partitions *partitions, struct ph_stmt *stmt, struct ph_error *error)
{
    const size_t count = partitions->count;
    if ((count & (count - 1)) == 0) { /* full: sizes are powers of two */
        struct sqlite_partition *grown =
            count < PARTITIONS_MAX
                ? reallocarray(partitions->rows, count == 0 ? 1 : 2 * count, sizeof *grown)
                : NULL;
        if (grown == NULL) {
            return ph_error_set(error, PH_ERR_MEMORY, "partitions: out of memory");
        }
        partitions->rows = grown;
    }
    partitions->rows[partitions->count++] = read_partition(stmt);
    return PH_OK;
}

enum ph_err ph_sqlite_partitions_init(struct sqlite_partitions *partitions, struct ph_db *db,
    const char *kind, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    enum ph_err err = ph_stmt_prepare(db,
        "SELECT id, first_id, last_id, first_time, last_time, rows, state FROM partition"
        " WHERE kind=?1 ORDER BY first_id DESC, id DESC",
        &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, kind);
    }
    while (err == PH_OK && (err = ph_stmt_step(stmt, &row, error)) == PH_OK && row) {
        err = add_partition(partitions, stmt, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

enum ph_err ph_sqlite_see_readings(struct ph_db *db, const char *kind,
    const struct sqlite_partitions *partitions, struct ph_error *error)
{
    enum ph_err err = ph_db_exec(
        db, "DROP TABLE IF EXISTS temp.seen; CREATE TEMP TABLE seen(stream, seq)", error);
    for (size_t i = 0; i < partitions->count && err == PH_OK; i++) {
        err = ph_store_sqlite_run(db, error,
            "INSERT INTO temp.seen SELECT _stream, _seq FROM main.\"reading_%s_%" PRId64
            "\" WHERE _seq IS NOT NULL",
            kind, partitions->rows[i].id);
    }
    return err;
}
