/* Where readings are kept: the contract that every store fulfils, one file each.
 *
 * Writing: begin, then any number of append and bury, then commit. Rows, high-water marks and dead
 * letters of one transaction are durable together when commit returns PH_OK, and none of them is
 * when it does not; a store that caches marks forgets what a failed transaction changed, and all of
 * them when somebody else has written. A handle belongs to one thread. Readers of the same store
 * run beside one writer.
 *
 * Errors: PH_ERR_BUSY: try the transaction again on this handle. Anything else from begin, append,
 * bury or commit, except where stated: close the handle and open a new one before trying again. */
#ifndef PH_INGEST_STORE_H
#define PH_INGEST_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "config/kinds_file.h"
#include "domain/identity.h"
#include "format/ack.h"
#include "format/message.h"
#include "ingest/provenance.h"
#include "ingest/rows.h"

/* Dead letters without a readable stream and seq that are kept per device; more are only counted.
 */
#define PH_STORE_GARBAGE_MAX 1000

/* Streams per device, for all time: a device that lost its spool every day would need 27 years. A
 * new stream beyond it is not taken; those that exist go on. */
#define PH_STORE_STREAMS_MAX 10000

/* Readings of one valid message. */
struct ph_store_message {
    const struct ph_identity *identity;
    const struct ph_message *message;
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
    bool has_range; /* stream, first and last are known: they count as dealt with */
    uint64_t stream;
    int64_t first;
    int64_t last;
};

/* Added to by append and bury; worth something only after the commit. */
struct ph_store_counts {
    int64_t stored;
    int64_t duplicates;   /* readings that had been dealt with before */
    int64_t dead_letters; /* rows written */
    int64_t not_kept;     /* garbage beyond PH_STORE_GARBAGE_MAX */
};

struct ph_store_query {
    const struct ph_identity *device; /* NULL: all devices of `kind` */
    const char *kind;                 /* used when device is NULL; NULL: all kinds */
    int64_t from_ms;                  /* inclusive */
    int64_t to_ms;                    /* exclusive */
    int64_t limit;                    /* the newest so many; 0: no limit */
    bool provenance;                  /* with fingerprint and unvouched */
};

struct ph_store_totals {
    int64_t devices; /* that ever had a reading stored or dealt with */
    int64_t streams;
    int64_t stored;
    int64_t duplicates; /* rows minus distinct (stream, seq): 0 unless something is broken */
    int64_t dead_letters;
    int64_t dead_letters_not_kept;
    int64_t vouched;                         /* readings with a certificate */
    int64_t unvouched[PH_PROVENANCE_STATES]; /* without one, by reason */
    int64_t unrecorded;                      /* stored before this was recorded: with neither */
};

struct ph_store;

struct ph_store_ops {
    void (*close)(struct ph_store *store);
    enum ph_err (*begin)(struct ph_store *store, struct ph_error *error);
    enum ph_err (*append)(struct ph_store *store, const struct ph_store_message *message,
        struct ph_store_counts *counts, struct ph_error *error);
    enum ph_err (*bury)(struct ph_store *store, const struct ph_dead_letter *letter,
        struct ph_store_counts *counts, struct ph_error *error);
    enum ph_err (*commit)(struct ph_store *store, struct ph_error *error);
    void (*rollback)(struct ph_store *store);
    enum ph_err (*acks)(struct ph_store *store, const struct ph_identity *identity, uint64_t stream,
        const struct ph_seq_range *touched, size_t count, struct ph_ack *ack, size_t *used,
        struct ph_error *error);
    enum ph_err (*latest)(struct ph_store *store, int64_t now_ms, bool provenance,
        const struct ph_rows *rows, struct ph_error *error);
    enum ph_err (*query)(struct ph_store *store, const struct ph_store_query *query,
        const struct ph_rows *rows, struct ph_error *error);
    enum ph_err (*dead_letters)(struct ph_store *store, int64_t limit, bool provenance,
        const struct ph_rows *rows, struct ph_error *error);
    enum ph_err (*stats)(struct ph_store *store, const struct ph_rows *rows,
        struct ph_store_totals *totals, struct ph_error *error);
};

/* What every store begins with. */
struct ph_store {
    const struct ph_store_ops *ops;
};

/* Opens for writing, making or upgrading the store and extending it to `kinds` (copied). A kind or
 * field that is declared no more keeps its data. PH_ERR_CONFIG when a field has changed its type.
 */
enum ph_err ph_store_open(const char *path, const struct ph_kinds *kinds, struct ph_store **out,
    struct ph_error *error) PH_NODISCARD;

/* Opens an existing store for latest, query, dead_letters and stats; never written. */
enum ph_err ph_store_open_reader(
    const char *path, struct ph_store **out, struct ph_error *error) PH_NODISCARD;

/* NULL is allowed. An open transaction is rolled back. */
void ph_store_close(struct ph_store **store);

/* Begins the one transaction of a batch; ended by commit or rollback. */
enum ph_err ph_store_begin(struct ph_store *store, struct ph_error *error) PH_NODISCARD;

/* PH_ERR_LIMIT: this stream has too many gaps, or is new and its device has too many streams; the
 * message was left out and must not be acknowledged, the transaction goes on. PH_ERR_CONFIG: the
 * store does not know the kind. */
enum ph_err ph_store_append(struct ph_store *store, const struct ph_store_message *message,
    struct ph_store_counts *counts, struct ph_error *error) PH_NODISCARD;

/* PH_ERR_LIMIT as above. */
enum ph_err ph_store_bury(struct ph_store *store, const struct ph_dead_letter *letter,
    struct ph_store_counts *counts, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_commit(struct ph_store *store, struct ph_error *error) PH_NODISCARD;
void ph_store_rollback(struct ph_store *store);

/* What the store says of one stream after a commit: everything through N, and the ranges beyond it
 * that hold a `touched` range (all ranges, when they fit). One acknowledgement takes as many of the
 * touched ranges as it can; *used says how many, call again with the rest. */
enum ph_err ph_store_acks(struct ph_store *store, const struct ph_identity *identity,
    uint64_t stream, const struct ph_seq_range *touched, size_t count, struct ph_ack *ack,
    size_t *used, struct ph_error *error) PH_NODISCARD;

/* Per device its newest reading: device, time, the kind's fields, stored, age (in seconds); with
 * `provenance` also fingerprint and unvouched. One table per kind. No scan of the readings. */
enum ph_err ph_store_latest(struct ph_store *store, int64_t now_ms, bool provenance,
    const struct ph_rows *rows, struct ph_error *error) PH_NODISCARD;

/* Readings in order of time: device, stream, seq, time, the kind's fields; when asked for,
 * fingerprint (of the certificate, or NULL) and unvouched (why there is none, or NULL: vouched, or
 * from a store that did not record it yet). PH_ERR_NOT_FOUND when the device or kind is unknown. */
enum ph_err ph_store_query(struct ph_store *store, const struct ph_store_query *query,
    const struct ph_rows *rows, struct ph_error *error) PH_NODISCARD;

/* The newest `limit` (0: all), oldest first; with `provenance` also fingerprint and unvouched. */
enum ph_err ph_store_dead_letters(struct ph_store *store, int64_t limit, bool provenance,
    const struct ph_rows *rows, struct ph_error *error) PH_NODISCARD;

/* Per stream: device, stream, stored, through, first, last, duplicates, vouched, counted from the
 * rows themselves (a full scan). `rows` may be NULL for the totals alone. */
enum ph_err ph_store_stats(struct ph_store *store, const struct ph_rows *rows,
    struct ph_store_totals *totals, struct ph_error *error) PH_NODISCARD;

/* The stores, each in a file of its own. */
enum ph_err ph_store_sqlite_open(const char *path, const struct ph_kinds *kinds,
    struct ph_store **out, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_store_sqlite_open_reader(
    const char *path, struct ph_store **out, struct ph_error *error) PH_NODISCARD;

#endif
