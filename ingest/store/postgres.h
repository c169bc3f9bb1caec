/* Inside the PostgreSQL store: what its files share. Nobody else includes this.
 *
 * Schema 2, in the first schema of the connection's search_path (postgres_schema.c says what each
 * column is):
 *
 *   meta(version)
 *   device(id, tenant, kind, device, streams)
 *   stream(id, device, stream, version, through, beyond, stored, given_up, latest jsonb,
 * latest_seq, latest_time, latest_timing, latest_certificate, latest_unvouched, received, skew)
 *   certificate(id, fingerprint, anchor, tenant, kind, device, first_seen, last_seen)
 *   field(kind, position, name, type, unit, description)
 *   partition(id, kind, name, from_ms, to_ms, first_time, last_time, rows, state)
 *   dropped(kind, rows)
 *   dead_letter(id, received, reason, topic, device, stream, ranges, payload, anchor, fingerprint,
 *          unvouched)
 *   letter_count(device, kept, bytes, not_kept)
 *   _beat(writer, at, every, connected, since, version)
 *   "reading_KIND"(_stream, _device, _seq, _time, _received, _timing, _certificate, _unvouched,
 *          _extra, FIELDS...), partitioned by _received, unless somebody has made it a table of
 *          another sort (a hypertable): then its partitions are not our business
 *   view "KIND"
 *
 * received, latest_time, first_time and last_time are timestamptz; first_seen, last_seen, skew,
 * from_ms and to_ms are bigint milliseconds; streams and sequence numbers are bigint; payload is
 * bytea; the rest is text or a number. */
#ifndef PH_STORE_POSTGRES_H
#define PH_STORE_POSTGRES_H

#include "adapters/postgres.h"
#include "base/buf.h"
#include "domain/kind.h"
#include "ingest/store/store.h"
#include "ingest/store/streams.h"

/* Rows of one kind that wait in memory; when there are more, they are sent. */
#define PH_POSTGRES_CHUNK_BYTES 65536

/* Most that one row can be: the fixed columns, every field, and what its kind does not declare,
 * each byte of which may become an escape of six. */
#define PH_POSTGRES_ROW_BYTES 131072

/* partition.state. Rows that arrive late open a partition again. */
enum ph_postgres_partition {
    PH_POSTGRES_OPEN = 0,    /* rows, first_time and last_time are NULL */
    PH_POSTGRES_CLOSED = 1,  /* as above; nothing is received for it any more */
    PH_POSTGRES_INDEXED = 2, /* all are there, and the index NAME_d on (_stream, _time) */
    PH_POSTGRES_LEAVING = 3, /* retention is taking it: its table may be detached (and is then no
                                part of "reading_KIND"), its rows are in `dropped` only when the
                                row is gone */
};

/* How readings of one declared kind become rows. */
struct postgres_table {
    struct ph_kind kind; /* name, `unknown`, and the fields' names and types; nothing else */
    bool partitioned;
    int64_t from_ms; /* rows received in [from_ms, to_ms) have an open partition, as was seen ... */
    int64_t to_ms;
    int64_t seen_ms;    /* ... by a row received then */
    int64_t ahead_ms;   /* there are partitions up to here */
    char *copy;         /* COPY ... FROM STDIN, as enum field order of postgres_copy.c */
    struct ph_buf rows; /* of this transaction, not sent yet; without header */
};

/* The newest reading of a stream that this transaction wrote to. */
struct postgres_newest {
    const struct postgres_table *table;
    int64_t time_ms;
    int64_t certificate; /* 0: none */
    int unvouched;       /* 0: vouched */
    enum ph_timing timing;
    size_t offset; /* of its fields in newest_fields, as COPY has them ... */
    size_t size;   /* ... and the room that they have there */
};

struct postgres_store {
    struct ph_store base;
    struct ph_pg *pg;
    char *uri;
    bool writer;
    struct ph_store_limits limits;
    struct postgres_table *tables;
    size_t table_count;
    struct ph_streams *streams;
    struct postgres_table *copying; /* the connection is in its COPY and good for nothing else;
                                       NULL: in none */
    bool streaming;                 /* a COPY may stay under way from one append to the next */
    struct postgres_newest *newest;
    size_t newest_count;
    size_t newest_size;
    int64_t newest_base; /* row->latest - newest_base - 1 is an index of newest, when that is not
                            negative: a name for a slot is never used again */
    struct ph_buf newest_fields;
    struct ph_buf seen_ids; /* certificates seen in this transaction, as array elements */
    struct ph_buf seen_times;
    struct ph_pg *worker; /* the second connection, for what takes long; NULL: none */
    struct ph_buf work;   /* its statements, each terminated; "" when it has nothing to do */
    size_t work_at;       /* the one it is at */
    int64_t idle_ms;      /* when there was last nothing to do; 0: look again */
    int64_t failed_ms;    /* when the worker last failed; 0: never */
};

/* ---- postgres_schema.c */

/* Makes or upgrades the schema; for a reader only checks it. Under an advisory lock. */
enum ph_err ph_postgres_migrate(struct postgres_store *store, struct ph_error *error) PH_NODISCARD;

/* Takes the lock under which schema and partitions are made, until the end of the transaction. */
enum ph_err ph_postgres_lock(struct ph_pg *pg, struct ph_error *error) PH_NODISCARD;

/* ---- postgres_kinds.c */

/* Brings the kinds' tables and views to `kinds`, and fills store->tables. PH_ERR_CONFIG: a field
 * has another type there, or a name cannot be used. PH_ERR_BUSY: somebody reads what must change.
 */
enum ph_err ph_postgres_extend(struct postgres_store *store, const struct ph_kinds *kinds,
    struct ph_error *error) PH_NODISCARD;
void ph_postgres_tables_free(struct postgres_store *store);

/* ---- postgres_view.c */

/* Makes or extends the kind's view. */
enum ph_err ph_postgres_make_view(
    struct ph_pg *pg, const char *kind, struct ph_error *error) PH_NODISCARD;

/* ---- postgres_streams.c */

/* The stream's row, from memory or the database; made when missing. `stream` is ignored for a plain
 * publisher. Borrowed until the end of the transaction. PH_ERR_LIMIT: new, and its device has
 * PH_STORE_STREAMS_MAX already. */
enum ph_err ph_postgres_stream(struct postgres_store *store, const struct ph_identity *identity,
    bool plain, uint64_t stream, struct ph_stream_row **out, struct ph_error *error) PH_NODISCARD;

/* The same for a stream that need not be there, outside a transaction: *out is NULL then, and
 * nothing is made. */
enum ph_err ph_postgres_known_stream(struct postgres_store *store,
    const struct ph_identity *identity, uint64_t stream, struct ph_stream_row **out,
    struct ph_error *error) PH_NODISCARD;

/* ---- postgres_certificates.c */

/* Sets row->certificate_id to that of the certificate in `provenance`, which vouches for
 * `identity`; made when missing. The row must have been touched. */
enum ph_err ph_postgres_certify(struct postgres_store *store, struct ph_stream_row *row,
    const struct ph_identity *identity, const struct ph_provenance *provenance, int64_t received_ms,
    struct ph_error *error) PH_NODISCARD;

/* Writes back when certificates were last seen. */
enum ph_err ph_postgres_certificates_save(
    struct postgres_store *store, struct ph_error *error) PH_NODISCARD;

/* ---- postgres_save.c */

/* Writes the changed rows back. PH_ERR_BUSY: another writer has changed one of them. */
enum ph_err ph_postgres_streams_save(
    struct postgres_store *store, struct ph_error *error) PH_NODISCARD;

/* ---- postgres_copy.c: readings become rows. To append or revive: init, ph_stream_row_take() or
 * ph_stream_row_revive() with ph_postgres_write and the writer as its context, finish. */
struct postgres_writer {
    struct postgres_store *store;
    struct postgres_table *table;
    const struct ph_store_message *in;
    int64_t misdated;
};

/* Finds or makes the stream's row, the certificate's and the partition for a message. PH_ERR_LIMIT
 * as for ph_postgres_stream(); PH_ERR_CONFIG: the kind is not declared. */
enum ph_err ph_postgres_writer_init(struct postgres_writer *writer, struct postgres_store *store,
    const struct ph_store_message *in, struct ph_stream_row **row,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_postgres_write(void *context, struct ph_stream_row *stream, int64_t seq,
    const struct ph_reading *reading, int64_t *latest, struct ph_error *error) PH_NODISCARD;

/* Counts what was misdated. */
void ph_postgres_writer_finish(
    const struct postgres_writer *writer, struct ph_store_counts *counts);

/* Ends the COPY that is under way, if one is: must precede every other use of the connection in a
 * transaction. */
enum ph_err ph_postgres_copy_end(struct postgres_store *store, struct ph_error *error) PH_NODISCARD;

/* Sends all rows that wait, and ends the COPY. */
enum ph_err ph_postgres_flush(struct postgres_store *store, struct ph_error *error) PH_NODISCARD;

/* Drops all rows that wait, and what the transaction knows of newest readings. */
void ph_postgres_forget_rows(struct postgres_store *store);

/* True when a certificate vouches. */
bool ph_postgres_is_vouched(const struct ph_provenance *provenance);

/* ---- postgres_newest.c: what `latest` will show. */

/* Keeps a stream's newest reading until the commit; `fields` as COPY has them. *latest is what
 * ph_stream_write is to say. Offset and size of `newest` are not looked at. */
enum ph_err ph_postgres_newest_note(struct postgres_store *store,
    const struct ph_stream_row *stream, const struct postgres_newest *newest, const char *fields,
    size_t len, int64_t *latest, struct ph_error *error) PH_NODISCARD;

/* Appends its fields as one JSON object. */
enum ph_err ph_postgres_newest_print(const struct postgres_store *store,
    const struct postgres_newest *newest, struct ph_buf *out) PH_NODISCARD;

/* ---- postgres_partitions.c: made, and made ready to be written to. */

/* Sees to it that there is an open partition for rows received then; inside a transaction. */
enum ph_err ph_postgres_partition_for(struct postgres_store *store, struct postgres_table *table,
    int64_t received_ms, struct ph_error *error) PH_NODISCARD;
/* Makes the current and the next partition of what is written to; *did says whether there was
 * anything to do. In a transaction of its own. */
enum ph_err ph_postgres_partitions_ahead(
    struct postgres_store *store, int64_t now_ms, bool *did, struct ph_error *error) PH_NODISCARD;

/* Forgets what is known of them: after a rollback, or when they have been closed. */
void ph_postgres_partitions_forget(struct postgres_store *store);

/* ---- postgres_maintain.c: closed, indexed and dropped. */
enum ph_err ph_postgres_maintain(
    struct ph_store *base, int64_t now_ms, bool *more, struct ph_error *error) PH_NODISCARD;

/* ---- Numbers as parameters, and the time from which PostgreSQL counts microseconds. */

#define PH_POSTGRES_EPOCH_MS INT64_C(946684800000)

#define PH_POSTGRES_NUMBER_BYTES 24
struct ph_postgres_number {
    char text[PH_POSTGRES_NUMBER_BYTES];
};

/* In decimal digits. */
struct ph_postgres_number ph_postgres_number(int64_t number);

/* ---- postgres_letters.c */
enum ph_err ph_store_postgres_bury(struct ph_store *base, const struct ph_dead_letter *letter,
    struct ph_store_counts *counts, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_postgres_revive(struct ph_store *base, const struct ph_kept_letter *letter,
    const struct ph_store_message *message, struct ph_store_counts *counts,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_postgres_discard(struct ph_store *base, const struct ph_kept_letter *letter,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_postgres_letters(struct ph_store *base, const struct ph_letter_filter *filter,
    ph_letter_visit *visit, void *context, struct ph_error *error) PH_NODISCARD;

/* ---- postgres_beat.c */
enum ph_err ph_store_postgres_beat(struct ph_store *base, const char *writer,
    const struct ph_beat *beat, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_postgres_last_beat(struct ph_store *base, const char *writer,
    struct ph_beat *out, struct ph_error *error) PH_NODISCARD;

/* ---- postgres_read.c */
enum ph_err ph_store_postgres_latest(struct ph_store *store, int64_t now_ms, bool provenance,
    const struct ph_rows *rows, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_postgres_query(struct ph_store *store, const struct ph_store_query *query,
    const struct ph_rows *rows, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_postgres_devices(
    struct ph_store *store, const struct ph_rows *rows, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_postgres_stats(struct ph_store *store, const struct ph_rows *rows,
    struct ph_store_totals *totals, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_postgres_check(struct ph_store *store, const struct ph_rows *rows,
    int64_t *faults, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_postgres_backup(
    struct ph_store *store, const char *path, struct ph_error *error) PH_NODISCARD;

#endif
