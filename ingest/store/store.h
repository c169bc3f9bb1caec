/* Where readings are kept: the contract that every store fulfils, a few files each, and that one
 * test suite (store_conformance.c) holds all of them to.
 *
 * Writing: begin, then any number of append, bury, revive and discard, then commit. Rows,
 * high-water marks and dead letters of one transaction are durable together when commit returns
 * PH_OK, and none of them is when it does not; a store that caches marks forgets what a failed
 * transaction changed. Two writers of one store may not like each other but do no harm: what the
 * other has changed is noticed before the commit, and is PH_ERR_BUSY. A handle belongs to one
 * thread. Readers of the same store run beside the writer and never hold it up.
 *
 * Errors: PH_ERR_BUSY: try the transaction again on this handle. Anything else from begin, append,
 * bury, revive, discard, commit or maintain, except where stated: close the handle and open a new
 * one before trying again. PH_ERR_INPUT, PH_ERR_EXISTS and PH_ERR_CONFIG say besides that the store
 * is well and will not have what was to be written, which trying again does not help; damage is
 * PH_ERR_IO.
 *
 * Readings are kept in partitions by the time at which they were *received*: it only grows, so a
 * device's clock can neither make partitions nor reach into closed ones. A partition that is closed
 * gets its device index; one that is older than the retention is dropped whole. */
#ifndef PH_STORE_H
#define PH_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/provenance.h"
#include "base/beat.h"
#include "base/error.h"
#include "config/kinds_file.h"
#include "domain/identity.h"
#include "format/ack.h"
#include "format/message.h"
#include "ingest/store/rows.h"
#include "ingest/store/timing.h"

/* Streams per device, for all time: a device that lost its spool every day would need 27 years. A
 * new stream beyond it is not taken; those that exist go on. */
#define PH_STORE_STREAMS_MAX 10000

/* What may change while a store is open. */
struct ph_store_limits {
    int64_t partition_ms;   /* a partition takes what is received in so long ... */
    int64_t partition_rows; /* ... or about so many rows, where a store can count them (SQLite) */
    int64_t retention_ms;   /* since reception; 0: for ever */
    int64_t letters_per_device;      /* dead letters that are kept; more are only counted */
    int64_t letter_bytes_per_device; /* of their payloads */
    struct ph_timing_limits timing;
};

struct ph_store_options {
    const char *location;         /* path of an SQLite file, or "postgresql://..." (a libpq URI) */
    const struct ph_kinds *kinds; /* copied */
    struct ph_store_limits limits;
    bool existing; /* a file that is not there is PH_ERR_NOT_FOUND and not made: it may lie on a
                      file system that has gone away */
};

/* Readings of one valid message. */
struct ph_store_message {
    const struct ph_identity *identity;
    const struct ph_message *message; /* without readings (a question): its stream is made known */
    const bool *refused; /* one per reading: deal with it, but store no row; NULL: store all */
    const struct ph_provenance *provenance; /* NULL: missing */
    int64_t received_ms;
};

/* A message, or readings of one, that can never be stored. */
struct ph_dead_letter {
    const char *reason;
    const char *topic;
    const struct ph_identity *identity; /* NULL when the topic names none */
    const void *payload;                /* raw; cut at PH_LIMIT_MESSAGE_BYTES */
    size_t payload_len;
    const struct ph_provenance *provenance; /* NULL: missing */
    int64_t received_ms;
    bool count_only; /* its device sends too many: count it, deal with its readings, keep nothing */
    bool has_range;  /* stream and ranges are known: they count as dealt with */
    uint64_t stream;
    const struct ph_seq_range *ranges; /* ascending, disjoint: the refused readings */
    size_t range_count;                /* at least 1 when has_range */
};

/* Added to by append, bury and revive; worth something only after the commit. */
struct ph_store_counts {
    int64_t stored;
    int64_t duplicates;   /* readings that had been dealt with before */
    int64_t given_up;     /* numbers that a device says it will never send ("oldest") */
    int64_t misdated;     /* stored with a timing other than PH_TIMING_DEVICE */
    int64_t dead_letters; /* kept */
    int64_t not_kept;     /* dead letters that were only counted */
};

struct ph_store_query {
    const struct ph_identity *device; /* NULL: all devices of `kind` */
    const char *kind;                 /* used when device is NULL; NULL: all kinds */
    int64_t from_ms;                  /* inclusive */
    int64_t to_ms;                    /* exclusive */
    int64_t limit;                    /* the newest so many; 0: no limit */
    bool provenance;                  /* with fingerprint and unvouched */
};

/* Which dead letters. */
struct ph_letter_filter {
    int64_t id;                       /* 0: any */
    const struct ph_identity *device; /* NULL: any */
    const char *reason;               /* text that the reason holds; NULL: any */
    int64_t from_ms;                  /* received; inclusive */
    int64_t to_ms;                    /* exclusive */
    int64_t limit;                    /* the newest so many; 0: no limit */
};

/* A dead letter as it was kept; everything borrowed for the visit. */
struct ph_kept_letter {
    int64_t id;
    int64_t received_ms;
    const char *reason;
    const char *topic;
    const struct ph_identity *identity; /* NULL when the topic named none */
    struct ph_provenance provenance;
    bool has_range;
    uint64_t stream;
    const struct ph_seq_range *ranges;
    size_t range_count;
    const void *payload;
    size_t payload_len;
};
typedef enum ph_err ph_letter_visit(
    void *context, const struct ph_kept_letter *letter, struct ph_error *error);

struct ph_store_totals {
    int64_t devices; /* that ever had a reading stored or dealt with */
    int64_t streams;
    int64_t stored;     /* rows that are there */
    int64_t duplicates; /* rows minus distinct (stream, seq): 0 unless something is broken */
    int64_t given_up;
    int64_t dropped; /* rows that retention has dropped */
    int64_t dead_letters;
    int64_t dead_letters_not_kept;
    int64_t vouched;                         /* readings with a certificate */
    int64_t unvouched[PH_PROVENANCE_STATES]; /* without one, by reason */
    int64_t unrecorded;                      /* stored before this was recorded: with neither */
    int64_t timing[PH_TIMING_COUNT];
};

struct ph_store;

struct ph_store_ops {
    void (*close)(struct ph_store *store);
    enum ph_err (*begin)(struct ph_store *store, struct ph_error *error);
    enum ph_err (*append)(struct ph_store *store, const struct ph_store_message *message,
        struct ph_store_counts *counts, struct ph_error *error);
    enum ph_err (*bury)(struct ph_store *store, const struct ph_dead_letter *letter,
        struct ph_store_counts *counts, struct ph_error *error);
    enum ph_err (*revive)(struct ph_store *store, const struct ph_kept_letter *letter,
        const struct ph_store_message *message, struct ph_store_counts *counts,
        struct ph_error *error);
    enum ph_err (*discard)(
        struct ph_store *store, const struct ph_kept_letter *letter, struct ph_error *error);
    enum ph_err (*beat)(struct ph_store *store, const char *writer, const struct ph_beat *beat,
        struct ph_error *error);
    enum ph_err (*last_beat)(
        struct ph_store *store, const char *writer, struct ph_beat *out, struct ph_error *error);
    enum ph_err (*commit)(struct ph_store *store, struct ph_error *error);
    void (*rollback)(struct ph_store *store);
    enum ph_err (*acks)(struct ph_store *store, const struct ph_identity *identity, uint64_t stream,
        const struct ph_seq_range *touched, size_t count, struct ph_ack *ack, size_t *used,
        struct ph_error *error);
    enum ph_err (*maintain)(
        struct ph_store *store, int64_t now_ms, bool *more, struct ph_error *error);
    enum ph_err (*latest)(struct ph_store *store, int64_t now_ms, bool provenance,
        const struct ph_rows *rows, struct ph_error *error);
    enum ph_err (*query)(struct ph_store *store, const struct ph_store_query *query,
        const struct ph_rows *rows, struct ph_error *error);
    enum ph_err (*letters)(struct ph_store *store, const struct ph_letter_filter *filter,
        ph_letter_visit *visit, void *context, struct ph_error *error);
    enum ph_err (*devices)(
        struct ph_store *store, const struct ph_rows *rows, struct ph_error *error);
    enum ph_err (*stats)(struct ph_store *store, const struct ph_rows *rows,
        struct ph_store_totals *totals, struct ph_error *error);
    enum ph_err (*check)(struct ph_store *store, const struct ph_rows *rows, int64_t *faults,
        struct ph_error *error);
    enum ph_err (*backup)(struct ph_store *store, const char *path, struct ph_error *error);
};

/* What every store begins with. */
struct ph_store {
    const struct ph_store_ops *ops;
};

/* Opens for writing, making or upgrading the store and extending it to the kinds. A kind or field
 * that is declared no more keeps its data. PH_ERR_CONFIG when a field has changed its type. */
enum ph_err ph_store_open(const struct ph_store_options *options, struct ph_store **out,
    struct ph_error *error) PH_NODISCARD;

/* Opens an existing store for what reads (latest, query, letters, devices, stats, check, backup);
 * never written. */
enum ph_err ph_store_open_reader(
    const char *location, struct ph_store **out, struct ph_error *error) PH_NODISCARD;

/* The same for a short look: what does not answer within seconds is given up. */
enum ph_err ph_store_open_watcher(
    const char *location, struct ph_store **out, struct ph_error *error) PH_NODISCARD;

/* NULL is allowed. An open transaction is rolled back. */
void ph_store_close(struct ph_store **store);

/* Begins the one transaction of a batch; ended by commit or rollback. */
enum ph_err ph_store_begin(struct ph_store *store, struct ph_error *error) PH_NODISCARD;

/* PH_ERR_LIMIT: this stream has too many gaps, or is new and its device has too many streams; the
 * message was left out and must not be acknowledged, the transaction goes on. PH_ERR_CONFIG: the
 * store does not know the kind. What the kind does not declare goes where its kind says. */
enum ph_err ph_store_append(struct ph_store *store, const struct ph_store_message *message,
    struct ph_store_counts *counts, struct ph_error *error) PH_NODISCARD;

/* PH_ERR_LIMIT as above. A letter all of whose readings had been dealt with before is a duplicate.
 * Beyond the limits per device (letters without a device share one account) it is only counted. */
enum ph_err ph_store_bury(struct ph_store *store, const struct ph_dead_letter *letter,
    struct ph_store_counts *counts, struct ph_error *error) PH_NODISCARD;

/* Takes a kept letter out and stores what it stood for: with a range, those readings of `message`
 * whose numbers are in its ranges, although they count as dealt with; without, all of them.
 * `refused` of the message is not looked at: whoever calls has seen that none of them is.
 * PH_ERR_NOT_FOUND, and nothing done, when the letter is gone; the transaction goes on. */
enum ph_err ph_store_revive(struct ph_store *store, const struct ph_kept_letter *letter,
    const struct ph_store_message *message, struct ph_store_counts *counts,
    struct ph_error *error) PH_NODISCARD;

/* Takes a kept letter out for good; its device may then have another. PH_ERR_NOT_FOUND as above. */
enum ph_err ph_store_discard(struct ph_store *store, const struct ph_kept_letter *letter,
    struct ph_error *error) PH_NODISCARD;

/* Leaves a beat in place of the last one of `writer`, a client id ("acme/service/ingest"); in a
 * transaction, before anything else of it. */
enum ph_err ph_store_beat(struct ph_store *store, const char *writer, const struct ph_beat *beat,
    struct ph_error *error) PH_NODISCARD;

/* The last beat of a writer. PH_ERR_NOT_FOUND: it has left none. */
enum ph_err ph_store_last_beat(struct ph_store *store, const char *writer, struct ph_beat *out,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_commit(struct ph_store *store, struct ph_error *error) PH_NODISCARD;
void ph_store_rollback(struct ph_store *store);

/* What the store says of one stream after a commit: everything through N, and the ranges beyond it
 * that hold a `touched` range (all ranges, when they fit; with no touched ones the highest that
 * fit, which show how far the stream goes). One acknowledgement takes as many of the
 * touched ranges as it can; *used says how many, call again with the rest. */
enum ph_err ph_store_acks(struct ph_store *store, const struct ph_identity *identity,
    uint64_t stream, const struct ph_seq_range *touched, size_t count, struct ph_ack *ack,
    size_t *used, struct ph_error *error) PH_NODISCARD;

/* One bounded step of what keeps a store in shape, outside a transaction: close a partition and
 * make the next one, index a closed one, drop one beyond the retention. *more: call again soon (at
 * once when there is nothing else to do); false: in a minute. Called with nothing to do it costs
 * nothing. Errors as for a transaction. */
enum ph_err ph_store_maintain(
    struct ph_store *store, int64_t now_ms, bool *more, struct ph_error *error) PH_NODISCARD;

/* Per device its newest reading: device, time, the kind's fields, stored, age (in seconds); with
 * `provenance` also fingerprint and unvouched. One table per kind. No scan of the readings. A
 * device whose newest reading retention has dropped is shown without it. */
enum ph_err ph_store_latest(struct ph_store *store, int64_t now_ms, bool provenance,
    const struct ph_rows *rows, struct ph_error *error) PH_NODISCARD;

/* Readings in order of time: device, stream, seq, time, the kind's fields, extra (the fields that
 * its kind does not declare but stores, as a JSON object, or NULL; the column is always there),
 * received, timing (a name of timing.h or NULL); when asked for, fingerprint (of the certificate,
 * or NULL) and unvouched (why there is none, or NULL: vouched, or from a store that did not record
 * it yet). PH_ERR_NOT_FOUND when the device or kind is unknown. However slowly the rows are taken,
 * the writer is not held up. */
enum ph_err ph_store_query(struct ph_store *store, const struct ph_store_query *query,
    const struct ph_rows *rows, struct ph_error *error) PH_NODISCARD;

/* Kept dead letters, oldest first. The visitor must not write to this store. */
enum ph_err ph_store_letters(struct ph_store *store, const struct ph_letter_filter *filter,
    ph_letter_visit *visit, void *context, struct ph_error *error) PH_NODISCARD;

/* Per device: device, streams, stored (ever), given_up, letters, not_kept, received (of the last
 * message), skew_ms (of its clock against ours, NULL when it never said; positive: ahead). From
 * what is kept per stream, without a scan of the readings. */
enum ph_err ph_store_devices(
    struct ph_store *store, const struct ph_rows *rows, struct ph_error *error) PH_NODISCARD;

/* Per stream: device, stream, stored, through, first, last, duplicates, vouched, given_up, counted
 * from the rows themselves (a full scan) where rows can tell. `rows` may be NULL for the totals
 * alone. */
enum ph_err ph_store_stats(struct ph_store *store, const struct ph_rows *rows,
    struct ph_store_totals *totals, struct ph_error *error) PH_NODISCARD;

/* Holds everything against everything: the database's own integrity check where there is one,
 * duplicates, rows whose number no mark covers, counters, partitions, indexes, newest rows. One row
 * per fault: what, where. *faults counts them, PH_OK all the same. */
enum ph_err ph_store_check(struct ph_store *store, const struct ph_rows *rows, int64_t *faults,
    struct ph_error *error) PH_NODISCARD;

/* A consistent copy as of one moment, while ingest runs, complete and durable under `path` when it
 * returns PH_OK, and otherwise not there. PH_ERR_EXISTS when something is there.
 * PH_ERR_UNAVAILABLE, with what to use instead, from a store that leaves this to its server. */
enum ph_err ph_store_backup(
    struct ph_store *store, const char *path, struct ph_error *error) PH_NODISCARD;

/* True for a location that names a PostgreSQL server and not a file. */
bool ph_store_is_postgres(const char *location);

/* The stores, each in files of its own; a reader that is `brief` is a watcher. */
enum ph_err ph_store_sqlite_open(const struct ph_store_options *options, struct ph_store **out,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_sqlite_open_reader(
    const char *path, bool brief, struct ph_store **out, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_postgres_open(const struct ph_store_options *options, struct ph_store **out,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_postgres_open_reader(
    const char *uri, bool brief, struct ph_store **out, struct ph_error *error) PH_NODISCARD;

#endif
