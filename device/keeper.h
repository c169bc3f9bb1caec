/* Keeps the spool of a running device open. A room must be heated whether or not a disk works: what
 * a person can repair while the device runs is said once per change, and what could not be kept is
 * counted. */
#ifndef PH_DEVICE_KEEPER_H
#define PH_DEVICE_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "device/spool.h"

struct ph_keeper {
    const char *path; /* the four are borrowed */
    const char *identity;
    const char *boot;
    int64_t max_bytes;
    enum ph_spool_sync sync;
    struct ph_spool_file *shared; /* borrowed: many devices' database; NULL: opens `path` */
    struct ph_spool_file *file;
    struct ph_spool *spool; /* NULL while it cannot be opened */
    ino_t inode;
    bool degraded;    /* said to be unwritable */
    int64_t lost;     /* readings that could not be appended since the start */
    int64_t unsaved;  /* of these, not counted in the spool yet */
    int64_t retry_ms; /* monotonic */
};

/* Opens the spool; the fields from `path` to `shared` are set. What can be repaired while the
 * device runs (PH_ERR_IO and PH_ERR_PERMISSION) is logged, and left to ph_keeper_retry(). */
enum ph_err ph_keeper_open(struct ph_keeper *keeper, struct ph_error *error) PH_NODISCARD;
void ph_keeper_close(struct ph_keeper *keeper);

/* Tries again when the spool was replaced, deleted, or never could be opened; now and then. True
 * when keeper->spool has changed: what it was is gone. A shared database is its owner's to mend. */
bool ph_keeper_retry(struct ph_keeper *keeper, int64_t now_ms);

/* Appends, and *seq is the reading's number; or counts it as lost, and *seq is 0. */
void ph_keeper_append(struct ph_keeper *keeper, const struct ph_spool_entry *entry, int64_t *seq);

/* The spool's counters, zero while there is none, with `lost` as it will be. */
struct ph_spool_counters ph_keeper_counters(const struct ph_keeper *keeper);

/* After a certificate with a new name the readings of the old one would wait without a word: logs
 * one line when the spool's database holds pending readings of other identities. */
void ph_keeper_say_others(const struct ph_keeper *keeper);

#endif
