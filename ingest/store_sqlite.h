/* Inside the SQLite store: what its files share. Nobody else includes this. */
#ifndef PH_INGEST_STORE_SQLITE_H
#define PH_INGEST_STORE_SQLITE_H

#include "adapters/sqlite.h"
#include "base/buf.h"
#include "base/map.h"
#include "ingest/marks.h"
#include "ingest/store.h"

#define PH_STORE_SQL_BYTES 65536

/* The word of ph_provenance_reason() for a column that holds its number. */
#define PH_STORE_REASON_SQL(column)                                                                \
    "CASE " column " WHEN 1 THEN 'missing' WHEN 2 THEN 'malformed' WHEN 3 THEN 'repeated'"         \
    " WHEN 4 THEN 'other-identity' END"

/* One kind's table, and how a reading becomes a row of it. */
struct kind_table {
    char *name;
    struct table_field {
        char *name;
        enum ph_field_type type;
    } * fields;
    size_t field_count;
    struct ph_stmt *insert; /* 1 stream, 2 seq, 3 time, 4 certificate, 5 unvouched, then the fields
                               in order from PH_STORE_FIRST_FIELD */
};
#define PH_STORE_FIRST_FIELD 6

struct stream_row; /* one row of table `stream` in memory */

struct sqlite_store {
    struct ph_store base;
    struct ph_db *db;
    struct kind_table *tables;
    size_t table_count;
    struct ph_map *streams;   /* in memory; the least recently used come first, roughly */
    size_t cached_ranges;     /* of those that are not dirty */
    struct stream_row *dirty; /* list of what this transaction changed */
    int64_t seen_version;     /* SQLite's data_version, to notice other writers */
    struct ph_stmt *data_version;
    struct ph_stmt *find_device;
    struct ph_stmt *add_device;
    struct ph_stmt *count_stream;
    struct ph_stmt *find_stream;
    struct ph_stmt *add_stream;
    struct ph_stmt *save_stream;
    struct ph_stmt *find_certificate;
    struct ph_stmt *add_certificate;
    struct ph_stmt *see_certificate;
    struct ph_stmt *add_letter;
    struct ph_stmt *count_garbage;
    struct ph_stmt *add_garbage;
};

/* store_sqlite_schema.c: brings the base schema up to date (checks it, for a reader), and the
 * kinds' tables to `kinds`. */
enum ph_err ph_store_sqlite_check(struct ph_db *db, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_sqlite_migrate(struct ph_db *db, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_sqlite_extend(
    struct sqlite_store *store, const struct ph_kinds *kinds, struct ph_error *error) PH_NODISCARD;
void ph_store_sqlite_tables_free(struct sqlite_store *store);

/* store_sqlite_streams.c: the streams in memory. */
struct stream_row {
    int64_t id;
    struct ph_marks marks;
    int64_t stored;
    int64_t latest;     /* row of the kind's table, 0: none */
    int64_t latest_seq; /* 0 for a plain publisher: the newest row is the last one */
    int64_t received_ms;
    struct ph_provenance certificate; /* of the last message that one vouched for ... */
    int64_t certificate_id;           /* ... its row; 0: not looked up yet */
    int64_t certificate_seen_ms;      /* last_seen in that row */
    bool dirty;
    bool used; /* since the last trim */
    struct stream_row *next_dirty;
};

/* The stream's row, from memory or the database; made when missing. `stream` is ignored for a plain
 * publisher, which has one row without a stream number. Borrowed until the end of the transaction.
 * PH_ERR_LIMIT: new, and its device has PH_STORE_STREAMS_MAX already. */
enum ph_err ph_stream_row_get(struct sqlite_store *store, const struct ph_identity *identity,
    bool plain, uint64_t stream, struct stream_row **out, struct ph_error *error) PH_NODISCARD;
void ph_stream_row_touch(struct sqlite_store *store, struct stream_row *row);
enum ph_err ph_stream_rows_save(struct sqlite_store *store, struct ph_error *error) PH_NODISCARD;

/* After a commit: forgets the least recently used beyond the bound. */
void ph_stream_rows_trim(struct sqlite_store *store);

/* Forgets all that the transaction touched, after a failure, or everything. */
void ph_stream_rows_forget_dirty(struct sqlite_store *store);
void ph_stream_rows_forget_all(struct sqlite_store *store);
void ph_stream_rows_free(struct sqlite_store *store);

/* store_sqlite_certificates.c: sets the row's certificate_id to that of the certificate in
 * `provenance`, which vouches for `identity`; made when missing. The stream's row must have been
 * touched, so that a rollback forgets it. A stream that keeps to one certificate costs no look-up,
 * and one update a minute. */
enum ph_err ph_stream_row_certify(struct sqlite_store *store, struct stream_row *row,
    const struct ph_identity *identity, const struct ph_provenance *provenance, int64_t received_ms,
    struct ph_error *error) PH_NODISCARD;

/* store_sqlite_read.c: the reading half of the vtable. */
enum ph_err ph_store_sqlite_latest(struct ph_store *store, int64_t now_ms, bool provenance,
    const struct ph_rows *rows, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_sqlite_query(struct ph_store *store, const struct ph_store_query *query,
    const struct ph_rows *rows, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_sqlite_dead_letters(struct ph_store *store, int64_t limit, bool provenance,
    const struct ph_rows *rows, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_sqlite_stats(struct ph_store *store, const struct ph_rows *rows,
    struct ph_store_totals *totals, struct ph_error *error) PH_NODISCARD;

#endif
