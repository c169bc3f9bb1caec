/* Inside the SQLite store: results on their way from statements to struct ph_rows, and what the
 * reading half must know of kinds and partitions. */
#ifndef PH_STORE_SQLITE_RESULT_H
#define PH_STORE_SQLITE_RESULT_H

#include "ingest/store/sqlite.h"

/* "tenant/kind/device" of table device as d; 16 hexadecimal digits or NULL of table stream as s. */
#define PH_SQLITE_DEVICE "d.tenant || '/' || d.kind || '/' || d.device"
#define PH_SQLITE_STREAM "CASE WHEN s.stream IS NULL THEN NULL ELSE printf('%016x', s.stream) END"

/* Columns of a result: fixed ones, a kind's fields, more fixed ones. Zero-initialise. */
struct sqlite_layout {
    struct ph_column *columns;
    size_t count;
    char **owned; /* names and units of the fields */
    size_t owned_count;
    size_t fields_from;
    size_t fields_to;
};

/* Fixed columns, then every field that the kind ever had; room for eight more. */
enum ph_err ph_sqlite_layout_init(struct sqlite_layout *layout, struct ph_db *db, const char *kind,
    const struct ph_column *fixed, size_t count, struct ph_error *error) PH_NODISCARD;
void ph_sqlite_layout_add(
    struct sqlite_layout *layout, const struct ph_column *fixed, size_t count);
void ph_sqlite_layout_fini(struct sqlite_layout *layout);

/* Appends `, PREFIX"field"` for each field. */
enum ph_err ph_sqlite_layout_fields(
    const struct sqlite_layout *layout, const char *prefix, struct ph_buf *sql) PH_NODISCARD;

/* Begins a table and hands every row of a statement on. With `begin` false only the latter. */
enum ph_err ph_sqlite_pass_rows(struct ph_stmt *stmt, const struct ph_column *columns, size_t count,
    bool begin, const struct ph_rows *rows, struct ph_error *error) PH_NODISCARD;

/* Prepares what was built. */
enum ph_err ph_sqlite_prepare(struct ph_db *db, enum ph_err built, const struct ph_buf *sql,
    struct ph_stmt **stmt, struct ph_error *error) PH_NODISCARD;

/* A read transaction around what must be seen as of one moment; temporary tables made in it stay
 * when it is ended with PH_OK. Returns `err`, or the failure to end it. */
enum ph_err ph_sqlite_begin_read(struct ph_db *db, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_sqlite_end_read(
    struct ph_db *db, enum ph_err err, struct ph_error *error) PH_NODISCARD;

/* The kinds in the store, or only that one: PH_ERR_NOT_FOUND when it is not there. */
struct sqlite_kinds {
    char **names;
    size_t count;
};
enum ph_err ph_sqlite_kinds_init(struct sqlite_kinds *kinds, struct ph_db *db, const char *only,
    struct ph_error *error) PH_NODISCARD;
void ph_sqlite_kinds_fini(struct sqlite_kinds *kinds);

/* A kind's partitions, the newest first. */
struct sqlite_partition {
    int64_t id;
    int64_t first_id;
    int64_t last_id; /* INT64_MAX of an open one */
    int64_t first_time;
    int64_t last_time; /* of an open or unindexed one all times are possible */
    int64_t rows;
    enum ph_partition_state state;
};
struct sqlite_partitions {
    struct sqlite_partition *rows;
    size_t count;
};
enum ph_err ph_sqlite_partitions_init(struct sqlite_partitions *partitions, struct ph_db *db,
    const char *kind, struct ph_error *error) PH_NODISCARD;
void ph_sqlite_partitions_fini(struct sqlite_partitions *partitions);

/* Fills the temporary table seen(stream, seq) with every numbered reading of a kind. */
enum ph_err ph_sqlite_see_readings(struct ph_db *db, const char *kind,
    const struct sqlite_partitions *partitions, struct ph_error *error) PH_NODISCARD;

#endif
