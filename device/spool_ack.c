#include "device/spool_internal.h"

enum ph_err ph_spool_remove(struct ph_spool *spool, int64_t first, int64_t last,
    struct ph_spool_counters *counters, int64_t *count, struct ph_error *error)
{
    bool row = false;
    struct ph_stmt *stmt = ph_spool_use(spool, PH_SPOOL_RANGE);
    ph_stmt_bind_int64(stmt, 2, first);
    ph_stmt_bind_int64(stmt, 3, last);
    enum ph_err err = ph_stmt_step(stmt, &row, error);
    *count = err == PH_OK && row ? ph_stmt_int64(stmt, 0) : 0;
    int64_t bytes = err == PH_OK && row ? ph_stmt_int64(stmt, 1) : 0;
    ph_stmt_reset(stmt);
    if (err != PH_OK || *count == 0) {
        return err;
    }
    stmt = ph_spool_use(spool, PH_SPOOL_REMOVE);
    ph_stmt_bind_int64(stmt, 2, first);
    ph_stmt_bind_int64(stmt, 3, last);
    err = ph_stmt_run(stmt, error);
    counters->pending -= *count;
    counters->pending_bytes -= bytes;
    return err;
}

/* Deletes what is acknowledged of the numbers up to `last`. */
static enum ph_err apply(struct ph_spool *spool, const struct ph_ack *ack, int64_t last,
    struct ph_spool_counters *counters, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    struct ph_seq_range range = {.first = 1, .last = ack->through};
    for (size_t i = 0; err == PH_OK; i++) {
        int64_t count = 0;
        int64_t end = range.last < last ? range.last : last;
        if (range.first <= end) {
            err = ph_spool_remove(spool, range.first, end, counters, &count, error);
            counters->acknowledged += count;
        }
        if (i == ack->also_count) {
            break;
        }
        range = ack->also[i];
    }
    return err;
}

/* The first pending reading above `after`; *seq is 0 when there is none. */
static enum ph_err find_next(
    struct ph_spool *spool, int64_t after, int64_t *seq, struct ph_error *error)
{
    bool row = false;
    struct ph_stmt *stmt = ph_spool_use(spool, PH_SPOOL_NEXT);
    ph_stmt_bind_int64(stmt, 2, after);
    ph_stmt_bind_int64(stmt, 3, PH_LIMIT_SEQ);
    ph_stmt_bind_int64(stmt, 4, 1);
    enum ph_err err = ph_stmt_step(stmt, &row, error);
    *seq = err == PH_OK && row ? ph_stmt_int64(stmt, 0) : 0;
    ph_stmt_reset(stmt);
    return err;
}

static enum ph_err renumber(
    struct ph_spool *spool, struct ph_spool_counters *counters, struct ph_error *error)
{
    int64_t seq = 0;
    counters->captured = 0;
    enum ph_err err = find_next(spool, 0, &seq, error);
    while (err == PH_OK && seq != 0) {
        counters->captured++;
        struct ph_stmt *stmt = ph_spool_use(spool, PH_SPOOL_RENUMBER);
        ph_stmt_bind_int64(stmt, 2, seq);
        ph_stmt_bind_int64(stmt, 3, counters->captured);
        err = ph_stmt_run(stmt, error);
        if (err == PH_OK) {
            err = find_next(spool, seq, &seq, error);
        }
    }
    return err;
}

/* What ingest has of the shared numbers are the very readings that are pending here. Of the others
 * nobody can know whether they are this life's, so they are sent once more: twice rather than
 * never.
 */
static enum ph_err restart(struct ph_spool *spool, const struct ph_ack *ack, struct ph_error *error)
{
    struct ph_spool_counters counters = spool->counters;
    enum ph_err err = ph_db_begin(spool->file->db, error);
    if (err != PH_OK) {
        return err;
    }
    err = apply(spool, ack, spool->shared, &counters, error);
    if (err == PH_OK) {
        err = renumber(spool, &counters, error);
    }
    counters.stream = ph_spool_new_stream();
    counters.acknowledged = 0;
    counters.dropped = 0;
    counters.released = 0;
    err = ph_spool_finish(spool, &counters, err, error);
    if (err == PH_OK) {
        spool->released = false;
        spool->shared = 0;
        spool->offered = 0;
    }
    return err;
}

/* What it has dropped ingest may have been told to give up. */
static enum ph_err is_beyond(
    struct ph_spool *spool, const struct ph_ack *ack, bool *beyond, struct ph_error *error)
{
    int64_t oldest = 0;
    int64_t last = ack->also_count > 0 ? ack->also[ack->also_count - 1].last : ack->through;
    *beyond = last > spool->offered;
    enum ph_err err = *beyond ? ph_spool_oldest(spool, &oldest, error) : PH_OK;
    *beyond = *beyond && last >= oldest;
    return err;
}

static enum ph_err acknowledge(struct ph_spool *spool, const struct ph_ack *ack,
    enum ph_spool_acked *result, struct ph_error *error)
{
    bool beyond = false;
    *result = PH_SPOOL_ACK_FOREIGN;
    if (ack->stream != spool->counters.stream) {
        return PH_OK;
    }
    enum ph_err err = is_beyond(spool, ack, &beyond, error);
    if (err != PH_OK) {
        return err;
    }
    *result = beyond ? PH_SPOOL_ACK_RESTARTED : PH_SPOOL_ACK_APPLIED;
    if (beyond) {
        return restart(spool, ack, error);
    }
    struct ph_spool_counters counters = spool->counters;
    err = ph_db_begin(spool->file->db, error);
    if (err != PH_OK) {
        return err;
    }
    err = apply(spool, ack, PH_LIMIT_SEQ, &counters, error);
    if (err == PH_OK && counters.acknowledged == spool->counters.acknowledged) {
        ph_db_rollback(spool->file->db); /* nothing new: spare the disk */
        return PH_OK;
    }
    return ph_spool_finish(spool, &counters, err, error);
}

enum ph_err ph_spool_ack(struct ph_spool *spool, const struct ph_ack *ack,
    enum ph_spool_acked *result, struct ph_error *error)
{
    enum ph_err err = acknowledge(spool, ack, result, error);
    return ph_spool_file_makes_room(spool->file, err, error)
               ? acknowledge(spool, ack, result, error)
               : err;
}
