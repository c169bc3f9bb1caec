/* Shared by spool.c, spool_file.c and spool_ack.c, and by nothing else. */
#ifndef PH_DEVICE_SPOOL_INTERNAL_H
#define PH_DEVICE_SPOOL_INTERNAL_H

#include "adapters/sqlite.h"
#include "base/clock.h"
#include "device/spool.h"
#include "device/spool_reserve.h"

struct ph_spool_file {
    struct ph_db *db;
    struct ph_spool_reserve reserve;
    enum ph_spool_sync sync;
    char boot[PH_BOOT_ID_BYTES];
    int lock_fd;
};

enum ph_spool_statement {
    PH_SPOOL_COUNTERS,
    PH_SPOOL_INSERT,
    PH_SPOOL_OLDEST,
    PH_SPOOL_REMOVE,
    PH_SPOOL_RANGE,
    PH_SPOOL_RENUMBER,
    PH_SPOOL_NEXT,
    PH_SPOOL_STATEMENTS
};

struct ph_spool {
    struct ph_spool_file *file;
    int64_t id;
    int64_t max_bytes;
    struct ph_spool_counters counters; /* as committed */
    bool released;   /* ph_spool_release() was called for this stream since the spool was opened */
    int64_t shared;  /* up to here every life of this stream has the same readings: they were
                        released before the spool was opened */
    int64_t offered; /* the highest number that ingest can know of: shared, or read for sending */
    struct ph_stmt *statements[PH_SPOOL_STATEMENTS];
};

/* 64 random bits, never 0: the message format has no name for that. */
uint64_t ph_spool_new_stream(void);

/* The columns of PH_SPOOL_COLUMNS, from `column` on. */
#define PH_SPOOL_COLUMNS                                                                           \
    "stream, captured, acknowledged, pending, dropped, pending_bytes, released, lost"
struct ph_spool_counters ph_spool_counters_read(const struct ph_stmt *stmt, int column);

/* The prepared statement, with the spool's id bound to ?1. */
struct ph_stmt *ph_spool_use(const struct ph_spool *spool, enum ph_spool_statement which);

/* Whether a transaction that failed with `err` is worth another try: the disk may be full, and the
 * reserve was given up for it. Clears `error` then. Only for what frees room, or leads to it. */
bool ph_spool_file_makes_room(
    struct ph_spool_file *file, enum ph_err err, struct ph_error *error) PH_NODISCARD;

/* Whether something may be added. While the reserve is given up, that is only what finds room in
 * the database itself: the disk's last room is for acknowledgements. */
enum ph_err ph_spool_file_room(struct ph_spool_file *file, struct ph_error *error) PH_NODISCARD;

/* Deletes the pending readings with these numbers, and takes them from `counters`, which the caller
 * writes; *count says how many there were. */
enum ph_err ph_spool_remove(struct ph_spool *spool, int64_t first, int64_t last,
    struct ph_spool_counters *counters, int64_t *count, struct ph_error *error) PH_NODISCARD;

/* Ends a transaction: with `err` undone, otherwise `counters` written and committed, and only then
 * taken over into memory. */
enum ph_err ph_spool_finish(struct ph_spool *spool, const struct ph_spool_counters *counters,
    enum ph_err err, struct ph_error *error) PH_NODISCARD;

#endif
