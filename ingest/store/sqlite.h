/* Inside the SQLite store: what its files share. Nobody else includes this.
 *
 * Schema 4 (sqlite_schema.c says what each column is):
 *
 *   device(id, tenant, kind, device, streams)
 *   stream(id, device, stream, through, beyond, stored, given_up, latest, latest_seq, latest_time,
 *          received, skew)
 *   partition(id, kind, first_id, last_id, from_ms, to_ms, first_time, last_time, rows, state)
 *   "reading_KIND_N"(_id, _stream, _seq, _time, _received, _timing, _certificate, _unvouched,
 *          _extra, FIELDS...), N being partition.id; each has every field that the kind ever had
 *   dropped(kind, rows)
 *   certificate, field, dead_letter, letter_count(device, kept, bytes, not_kept)
 *   _beat(writer, at, every, connected, since, version)
 *
 * A kind always has exactly one open partition, which is appended to and has no index; it may be
 * empty. The _ids of a kind only grow, across its partitions. */
#ifndef PH_STORE_SQLITE_H
#define PH_STORE_SQLITE_H

#include "adapters/sqlite.h"
#include "base/buf.h"
#include "domain/kind.h"
#include "ingest/store/marks.h"
#include "ingest/store/store.h"
#include "ingest/store/streams.h"

/* A view of some thousand partitions, each with 32 fields. */
#define PH_STORE_SQL_BYTES 8388608

/* The words of ph_provenance_reason() and ph_timing_name() for columns that hold their numbers. */
#define PH_STORE_REASON_SQL(column)                                                                \
    "CASE " column " WHEN 1 THEN 'missing' WHEN 2 THEN 'malformed' WHEN 3 THEN 'repeated'"         \
    " WHEN 4 THEN 'other-identity' END"
#define PH_STORE_TIMING_SQL(column)                                                                \
    "CASE " column " WHEN 1 THEN 'future' WHEN 2 THEN 'past' WHEN 3 THEN 'estimated'"              \
    " WHEN 4 THEN 'arrival' END"

/* partition.state */
enum ph_partition_state {
    PH_PARTITION_OPEN = 0,    /* from_ms is NULL as long as it is empty; last_id, to_ms, first_time,
                                 last_time and rows are NULL */
    PH_PARTITION_CLOSED = 1,  /* last_id and to_ms are there, the other three still NULL */
    PH_PARTITION_INDEXED = 2, /* all are there, and the index "reading_KIND_N_device" on (_stream,
                                 _time) */
};

/* Rows that one statement inserts: half again as fast as one at a time. */
enum { PH_STORE_STAGED_ROWS = 20 };

/* The columns of a row on its way; the fields follow in the order of their declaration. */
enum row_column {
    COLUMN_STREAM,
    COLUMN_SEQ,
    COLUMN_TIME,
    COLUMN_RECEIVED,
    COLUMN_TIMING,
    COLUMN_CERTIFICATE,
    COLUMN_UNVOUCHED,
    COLUMN_EXTRA,
    COLUMN_FIELDS,
};

struct staged_value {
    enum ph_column_type type;
    union {
        int64_t integer;
        double real;
        size_t offset; /* text: in staged_rows.texts */
    };
    size_t len;
};

/* How readings of one declared kind become rows of its open partition. */
struct kind_table {
    struct ph_kind kind; /* name, `unknown`, and the fields' names and types; nothing else */
    int64_t partition;   /* the open one, and the _id that its first row has or will have */
    int64_t first_id;
    int64_t last_id;     /* of its newest row, staged ones included; first_id - 1: it is empty */
    int64_t received_ms; /* no row of it was received later */
    struct ph_stmt *insert_one;  /* with an _id */
    struct ph_stmt *insert_many; /* PH_STORE_STAGED_ROWS, which get the next _ids */
    struct staged_value *staged; /* so many rows of columns */
    size_t staged_rows;
    struct ph_buf texts;
};

enum { PH_STORE_LETTER_STATEMENTS = 12 };

struct sqlite_store {
    struct ph_store base;
    struct ph_db *db;
    struct ph_store_limits limits;
    struct kind_table *tables;
    size_t table_count;
    struct ph_streams *streams;
    int64_t seen_version;         /* SQLite's data_version, to notice other writers */
    bool partitions_stale;        /* what `tables` say of partitions must be read anew */
    int64_t maintain_at_ms;       /* maintenance has nothing to do before */
    struct ph_stmt *data_version; /* NULL in a reader */
    struct ph_stmt *find_device;
    struct ph_stmt *add_device;
    struct ph_stmt *count_stream;
    struct ph_stmt *find_stream;
    struct ph_stmt *add_stream;
    struct ph_stmt *save_stream;
    struct ph_stmt *find_certificate;
    struct ph_stmt *add_certificate;
    struct ph_stmt *see_certificate;
    struct ph_stmt *put_beat;                            /* prepared when first needed */
    struct ph_stmt *letters[PH_STORE_LETTER_STATEMENTS]; /* of sqlite_letters.c, each prepared when
                                                            first needed; freed by close */
};

/* Prepares *slot unless that was done before. */
enum ph_err ph_store_sqlite_prepared(struct sqlite_store *store, struct ph_stmt **slot,
    const char *sql, struct ph_error *error) PH_NODISCARD;

/* A kind's name as it stands in the database, which may have been edited: fit to be put into SQL?
 */
enum ph_err ph_store_sqlite_check_name(
    const struct ph_db *db, const char *name, struct ph_error *error) PH_NODISCARD;

/* The same, copied. */
enum ph_err ph_store_sqlite_copy_name(const struct ph_db *db, const char *name,
    char out[PH_SEGMENT_BYTES], struct ph_error *error) PH_NODISCARD;

/* Runs what `sql` holds (`built`: whether it could be put together), and empties it. */
enum ph_err ph_store_sqlite_exec(
    struct ph_db *db, struct ph_buf *sql, enum ph_err built, struct ph_error *error) PH_NODISCARD;

/* Runs statements that are put together from numbers and from names that were checked; 4 kB at
 * most.
 */
enum ph_err ph_store_sqlite_run(struct ph_db *db, struct ph_error *error, const char *format, ...)
    PH_PRINTF(3, 4) PH_NODISCARD;

/* sqlite_schema.c: brings the schema up to date; for a reader, only checks it. */
enum ph_err ph_store_sqlite_migrate(struct ph_db *db, struct ph_error *error) PH_NODISCARD;

/* sqlite_kinds.c: brings the kinds' fields, tables and views to `kinds`. PH_ERR_CONFIG when the
 * store contradicts. */
enum ph_err ph_store_sqlite_extend(
    struct ph_db *db, const struct ph_kinds *kinds, struct ph_error *error) PH_NODISCARD;

/* The type of a column for a field of that type (a name of ph_field_type_name()). */
const char *ph_store_sqlite_type(const char *field_type);

/* Makes the view anew, over the partitions that there are, or takes it away when they are too many
 * for one view (some thousand to ten thousands). In a transaction. */
enum ph_err ph_store_sqlite_make_view(
    struct ph_db *db, const char *kind, struct ph_error *error) PH_NODISCARD;

/* sqlite_partitions.c. In a transaction: gives the kind an open partition if it has none. */
enum ph_err ph_store_sqlite_open_partition(
    struct ph_db *db, const char *kind, struct ph_error *error) PH_NODISCARD;

/* In a transaction, before anything is appended: reads the tables' open partitions when they are
 * stale, and closes those that are full. */
enum ph_err ph_store_sqlite_partitions_ready(
    struct sqlite_store *store, struct ph_error *error) PH_NODISCARD;

/* In a transaction: the open partition of `table` is about to get its first row. */
enum ph_err ph_store_sqlite_partition_begin(struct sqlite_store *store,
    const struct kind_table *table, int64_t received_ms, struct ph_error *error) PH_NODISCARD;

/* sqlite_append.c: makes store->tables; which partitions are open is not known yet (stale). */
enum ph_err ph_store_sqlite_tables_load(
    struct sqlite_store *store, const struct ph_kinds *kinds, struct ph_error *error) PH_NODISCARD;
void ph_store_sqlite_tables_free(struct sqlite_store *store);

/* The table's partition, first_id, last_id and received_ms have been set: rows go there now. */
enum ph_err ph_store_sqlite_table_aim(
    struct sqlite_store *store, struct kind_table *table, struct ph_error *error) PH_NODISCARD;

/* Writes the rows that are still staged. */
enum ph_err ph_store_sqlite_flush(struct sqlite_store *store, struct ph_error *error) PH_NODISCARD;

/* Forgets them. */
void ph_store_sqlite_unstage(struct sqlite_store *store);

/* One message on its way into rows, also for revive. */
struct row_writer {
    struct sqlite_store *store;
    struct kind_table *table;
    const struct ph_store_message *message;
    struct ph_store_counts *counts; /* `misdated` is counted by the writer */
    bool certified;                 /* the stream's row has its certificate */
};

/* In a transaction: finds table and stream of a message. PH_ERR_CONFIG: the kind is not declared;
 * PH_ERR_LIMIT: as for ph_store_append(). */
enum ph_err ph_store_sqlite_start_message(struct sqlite_store *store,
    const struct ph_store_message *message, struct ph_store_counts *counts,
    struct row_writer *writer, struct ph_stream_row **row, struct ph_error *error) PH_NODISCARD;

/* Looks up, once, the certificate that vouches for the writer's message, and that it was seen. */
enum ph_err ph_store_sqlite_see_certificate(
    struct row_writer *writer, struct ph_stream_row *row, struct ph_error *error) PH_NODISCARD;

/* Writes one reading of the message of `context`, a struct row_writer; a ph_stream_write(), for
 * ph_stream_row_take() and ph_stream_row_revive(). */
enum ph_err ph_store_sqlite_insert(void *context, struct ph_stream_row *row, int64_t seq,
    const struct ph_reading *reading, int64_t *latest, struct ph_error *error) PH_NODISCARD;

/* sqlite_streams.c: the stream's row, from memory or the database; made when missing. `stream` is
 * ignored for a plain publisher. Borrowed until the end of the transaction. PH_ERR_LIMIT: new, and
 * its device has PH_STORE_STREAMS_MAX already. */
enum ph_err ph_store_sqlite_stream(struct sqlite_store *store, const struct ph_identity *identity,
    bool plain, uint64_t stream, struct ph_stream_row **out, struct ph_error *error) PH_NODISCARD;

/* The same, also outside a transaction: NULL when there is none, and none is made. */
enum ph_err ph_store_sqlite_known_stream(struct sqlite_store *store,
    const struct ph_identity *identity, uint64_t stream, struct ph_stream_row **out,
    struct ph_error *error) PH_NODISCARD;

/* Writes the rows that the transaction changed. */
enum ph_err ph_store_sqlite_save_streams(
    struct sqlite_store *store, struct ph_error *error) PH_NODISCARD;

/* sqlite_certificates.c: sets the row's certificate_id to that of the certificate in `provenance`,
 * which vouches for `identity`; made when missing. The stream's row must have been touched, so that
 * a rollback forgets it. A stream that keeps to one certificate costs no look-up, and one update a
 * minute. */
enum ph_err ph_store_sqlite_certify(struct sqlite_store *store, struct ph_stream_row *row,
    const struct ph_identity *identity, const struct ph_provenance *provenance, int64_t received_ms,
    struct ph_error *error) PH_NODISCARD;

/* sqlite_beat.c: the vtable's. */
enum ph_err ph_store_sqlite_beat(struct ph_store *base, const char *writer,
    const struct ph_beat *beat, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_sqlite_last_beat(struct ph_store *base, const char *writer,
    struct ph_beat *out, struct ph_error *error) PH_NODISCARD;

/* sqlite_partitions.c, sqlite_letters.c, sqlite_read.c and sqlite_check.c: the vtable's. */
enum ph_err ph_store_sqlite_maintain(
    struct ph_store *base, int64_t now_ms, bool *more, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_sqlite_bury_letter(struct ph_store *base, const struct ph_dead_letter *letter,
    struct ph_store_counts *counts, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_sqlite_revive(struct ph_store *base, const struct ph_kept_letter *letter,
    const struct ph_store_message *message, struct ph_store_counts *counts,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_sqlite_discard(struct ph_store *base, const struct ph_kept_letter *letter,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_sqlite_letters(struct ph_store *base, const struct ph_letter_filter *filter,
    ph_letter_visit *visit, void *context, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_sqlite_latest(struct ph_store *store, int64_t now_ms, bool provenance,
    const struct ph_rows *rows, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_sqlite_query(struct ph_store *store, const struct ph_store_query *query,
    const struct ph_rows *rows, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_sqlite_devices(
    struct ph_store *store, const struct ph_rows *rows, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_sqlite_stats(struct ph_store *store, const struct ph_rows *rows,
    struct ph_store_totals *totals, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_sqlite_check(struct ph_store *store, const struct ph_rows *rows,
    int64_t *faults, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_sqlite_backup(
    struct ph_store *store, const char *path, struct ph_error *error) PH_NODISCARD;

#endif
