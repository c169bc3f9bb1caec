/* The streams that a store has in memory: marks and counters, loaded when first needed, written
 * back by the store at the end of a transaction. Which readings of a message are new, and what its
 * stream's row looks like afterwards, is decided here, the same for every store. One thread. */
#ifndef PH_STORE_STREAMS_H
#define PH_STORE_STREAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "ingest/store/marks.h"
#include "ingest/store/store.h"

/* One row of a store's table `stream`. */
struct ph_stream_row {
    int64_t id;
    int64_t device_id;
    int64_t version; /* of the row in the database; for stores that notice other writers by it */
    struct ph_marks marks;
    int64_t stored;         /* rows ever written */
    int64_t given_up;       /* numbers that the device will never send */
    int64_t latest;         /* what the store calls the newest reading's row; 0: none */
    int64_t latest_seq;     /* 0 for a plain publisher: the newest row is the last one */
    int64_t latest_time_ms; /* its time; kept by the store's ph_stream_write */
    int64_t received_ms;    /* of the last message */
    bool has_skew;
    int64_t skew_ms; /* device's clock minus ours, when it last said; the least delayed message of
                        the transaction counts */
    struct ph_provenance certificate; /* of the last message that one vouched for ... */
    int64_t certificate_id;           /* ... its row; 0: not looked up yet */
    int64_t certificate_seen_ms;      /* last_seen in that row */
    bool fresh;                       /* made by this transaction */
    bool dirty;
    bool used;          /* since the last trim */
    bool skew_measured; /* in this transaction */
    struct ph_stream_row *next_dirty;
};

struct ph_streams;

/* NULL when out of memory. */
struct ph_streams *ph_streams_new(void) PH_NODISCARD;
void ph_streams_free(struct ph_streams **streams);

/* The row in memory, or NULL. `stream` is ignored for a plain publisher, which has one row without
 * a stream number. Borrowed until the end of the transaction. */
struct ph_stream_row *ph_streams_find(
    struct ph_streams *streams, const struct ph_identity *identity, bool plain, uint64_t stream);

/* Puts a row that the store has loaded or made into memory; takes over row->marks. A fresh row is
 * dirty from the beginning. PH_ERR_MEMORY: the marks are still the caller's. */
enum ph_err ph_streams_add(struct ph_streams *streams, const struct ph_identity *identity,
    bool plain, uint64_t stream, const struct ph_stream_row *row, struct ph_stream_row **out,
    struct ph_error *error) PH_NODISCARD;

/* Must precede every change of a row: a rollback forgets it. */
void ph_streams_touch(struct ph_streams *streams, struct ph_stream_row *row);

/* The rows that this transaction changed, linked by next_dirty. */
struct ph_stream_row *ph_streams_dirty(struct ph_streams *streams);

/* After a commit: clean again, and the least recently used beyond the bound are forgotten. */
void ph_streams_committed(struct ph_streams *streams);

/* Forgets all that the transaction touched, after a failure; or everything. */
void ph_streams_forget_dirty(struct ph_streams *streams);
void ph_streams_forget_all(struct ph_streams *streams);

/* Writes one reading as a row; *latest is what the store calls it. `seq` is 0 when plain. */
typedef enum ph_err ph_stream_write(void *context, struct ph_stream_row *row, int64_t seq,
    const struct ph_reading *reading, int64_t *latest, struct ph_error *error);

/* Takes a message into its stream: gives up what lies before `oldest`, writes those readings that
 * have not been dealt with and are not refused, marks all, measures the skew. PH_ERR_LIMIT: one gap
 * too many; the row is as it was. Any other error: the transaction must be rolled back. */
enum ph_err ph_stream_row_take(struct ph_streams *streams, struct ph_stream_row *row,
    const struct ph_store_message *in, ph_stream_write *write, void *context,
    struct ph_store_counts *counts, struct ph_error *error) PH_NODISCARD;

/* What a dead letter stands for: of its ranges what had not been dealt with before, so that to
 * revive it stores nothing twice. */
struct ph_buried {
    struct ph_seq_range ranges[PH_LIMIT_MESSAGE_READINGS]; /* a message that has more of them is one
                                                              that can never be stored */
    size_t count;                                          /* 0: all had been */
    int64_t duplicates;                                    /* numbers that had been */
};

/* Marks a dead letter's ranges as dealt with. PH_ERR_LIMIT as above. */
enum ph_err ph_stream_row_bury(struct ph_streams *streams, struct ph_stream_row *row,
    const struct ph_dead_letter *letter, struct ph_buried *buried,
    struct ph_error *error) PH_NODISCARD;

/* Writes what a kept letter stood for: the readings whose numbers are in its ranges, although they
 * count as dealt with; without a range the message is taken as above. */
enum ph_err ph_stream_row_revive(struct ph_streams *streams, struct ph_stream_row *row,
    const struct ph_kept_letter *letter, const struct ph_store_message *in, ph_stream_write *write,
    void *context, struct ph_store_counts *counts, struct ph_error *error) PH_NODISCARD;

/* What ph_store_acks() says, from the row's marks. */
void ph_stream_row_ack(const struct ph_stream_row *row, uint64_t stream,
    const struct ph_seq_range *touched, size_t count, struct ph_ack *ack, size_t *used);

/* PH_ERR_LIMIT when a device that has `streams` may not begin another. */
enum ph_err ph_streams_check_count(int64_t streams, struct ph_error *error) PH_NODISCARD;

#endif
