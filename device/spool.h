/* The device's memory of what it captured and nobody has acknowledged yet (docs/spec/device.md,
 * SPOOL). One SQLite database holds the spools of one device or of many; one process at a time may
 * write it. What an append returned for survives kill -9, and with PH_SPOOL_SYNC_FULL a power loss.
 *
 * Readings are numbered from 1 in their *stream*, a random name that the spool gets when it is
 * made: together with the identity it is the key under which a reading is stored exactly once.
 *
 * A spool that was restored from a copy, or that a power loss put back, would give numbers out
 * twice. So its owner asks ingest what it has of the stream before it sends anything: numbers stay
 * unread until ph_spool_release(), and the spool remembers on disk up to where it ever was
 * released. An acknowledgement of more than that betrays another life of the same stream; then a
 * new one begins. */
#ifndef PH_DEVICE_SPOOL_H
#define PH_DEVICE_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "domain/identity.h"
#include "format/ack.h"

struct ph_spool_file; /* the database */
struct ph_spool;      /* one device's spool in it */

enum ph_spool_sync {
    PH_SPOOL_SYNC_FULL, /* an append is on the disk when it returns */
    PH_SPOOL_SYNC_OS,   /* handed to the operating system: a power loss may take the last seconds */
};

/* Opens or makes the database, and upgrades that of an older program. `boot` names the machine's
 * boot (ph_clock_boot_id()). PH_ERR_BUSY when another process has it; PH_ERR_INPUT when the file is
 * something else. */
enum ph_err ph_spool_file_open(const char *path, enum ph_spool_sync sync, const char *boot,
    struct ph_spool_file **out, struct ph_error *error) PH_NODISCARD;
void ph_spool_file_close(struct ph_spool_file **file); /* after its spools */

/* Opens the device's spool, and makes it when the database has none. `max_bytes` bounds the text of
 * the pending readings: beyond it the oldest are dropped. */
enum ph_err ph_spool_open(struct ph_spool_file *file, const char *identity, int64_t max_bytes,
    struct ph_spool **out, struct ph_error *error) PH_NODISCARD;
void ph_spool_close(struct ph_spool **spool);

/* Of the current stream; captured = acknowledged + pending + dropped. */
struct ph_spool_counters {
    uint64_t stream;
    int64_t captured; /* the last number given out */
    int64_t acknowledged;
    int64_t pending;
    int64_t dropped;       /* pushed out by newer ones when the spool was full */
    int64_t pending_bytes; /* of the pending readings' text */
    int64_t released;      /* the last number that may have been sent */
    int64_t lost;          /* never numbered: captured while this spool could not be written */
};

/* As committed. */
struct ph_spool_counters ph_spool_counters(const struct ph_spool *spool);

struct ph_spool_entry {
    const char *json; /* one encoded reading, at most PH_LIMIT_READING_BYTES */
    int64_t time_ms;  /* of its capture: unix, or with `up` since boot */
    bool up;          /* captured before the time was known: the reading has "up", not "t" */
    int64_t lost;     /* readings before it that could not be appended, to be counted with it */
};

/* Appends all or nothing; *first is the number of the first. A reading that is larger than
 * `max_bytes` by itself is refused (PH_ERR_LIMIT), and nothing is dropped for it. */
enum ph_err ph_spool_append(struct ph_spool *spool, const struct ph_spool_entry *entries,
    size_t count, int64_t *first, struct ph_error *error) PH_NODISCARD;

/* Ingest has said what it has of this stream: what was captured, and from now on what is captured,
 * may be sent. Durable when it returns, whatever the sync policy; costs nothing once done. After an
 * error what was released before still is, and the next append does the rest. */
enum ph_err ph_spool_release(struct ph_spool *spool, struct ph_error *error) PH_NODISCARD;

/* The smallest number that is still pending (the next one to be given out when nothing is) once
 * this stream has dropped readings; 0 while it has not. */
enum ph_err ph_spool_oldest(
    struct ph_spool *spool, int64_t *oldest, struct ph_error *error) PH_NODISCARD;

/* Consecutive pending readings. */
struct ph_spool_batch {
    uint64_t stream;
    int64_t first; /* number of texts[0] */
    size_t count;  /* 0: nothing to send */
    bool up;       /* some have the uptime of this boot in the place of their time */
    char *texts[PH_LIMIT_MESSAGE_READINGS];
};

/* The oldest pending readings with numbers above `after` that are released: as many as follow one
 * another without a gap, at most `count_max` (to PH_LIMIT_MESSAGE_READINGS) and at most `bytes_max`
 * of text together (but at least one). Uptimes of this boot and of others are never in one batch.
 * Release with ph_spool_batch_fini(), also after an error. */
enum ph_err ph_spool_next(struct ph_spool *spool, int64_t after, size_t count_max, size_t bytes_max,
    struct ph_spool_batch *batch, struct ph_error *error) PH_NODISCARD;
void ph_spool_batch_fini(struct ph_spool_batch *batch);

enum ph_spool_acked {
    PH_SPOOL_ACK_APPLIED,   /* what it covers is deleted */
    PH_SPOOL_ACK_FOREIGN,   /* for another stream: ignored */
    PH_SPOOL_ACK_RESTARTED, /* beyond what can have been sent: a new stream was begun. What it
                               covers of the numbers that were released before the spool was opened
                               is deleted; what is pending then was numbered anew from 1, and awaits
                               its release. */
};

/* Deletes what the acknowledgement covers, in one transaction; *result says what became of it. */
enum ph_err ph_spool_ack(struct ph_spool *spool, const struct ph_ack *ack,
    enum ph_spool_acked *result, struct ph_error *error) PH_NODISCARD;

/* Reads every spool of a database that may be in use, ordered by identity. */
typedef enum ph_err ph_spool_visit(void *context, const char *identity,
    const struct ph_spool_counters *counters, struct ph_error *error);
enum ph_err ph_spool_list(
    const char *path, ph_spool_visit *visit, void *context, struct ph_error *error) PH_NODISCARD;

#endif
