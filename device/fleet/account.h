/* The account of one device: what its spool has come to since it was last looked at, and how long
 * each reading took from when it was due to its acknowledgement. */
#ifndef PH_FLEET_ACCOUNT_H
#define PH_FLEET_ACCOUNT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/fleet/stats.h"
#include "device/spool.h"

/* What was last seen of a device's spool, and what it has come to in the counts. */
struct ph_fleet_seen {
    uint64_t stream; /* 0: nothing was seen yet */
    int64_t captured;
    int64_t pending;
    int64_t dropped;
    int64_t seen_ms; /* monotonic */
    struct {
        int64_t captured;
        int64_t acknowledged;
        int64_t dropped;
        int64_t lost;
    } counted;
};

/* A device as one worker leaves it to the next: shared, so that a worker which takes over from one
 * that was killed, wherever that was, counts neither twice nor too little. Written by the worker
 * alone; zero-initialised nothing was seen. */
struct ph_fleet_place {
    struct ph_fleet_seen seen[2];
    atomic_uint which; /* of the two holds; the other one is written before this changes */
    bool reached;      /* it was connected once */
    bool failed;       /* it ended with an error once */
};

/* The one of the two that holds. */
const struct ph_fleet_seen *ph_fleet_place_seen(const struct ph_fleet_place *place);

/* Adds to the counts what a worker has seen and not added when it was killed. `places` are those of
 * all `devices`; the worker had every `step`th from `first` on, and is gone. */
void ph_account_mend(struct ph_fleet_stats *stats, const struct ph_fleet_place *places,
    size_t devices, size_t first, size_t step);

/* When a reading was due (monotonic), and how many others were after it, so far apart, that were
 * left out because the device had its turn too late. */
struct ph_account_due {
    int64_t at_ms;
    int64_t skipped;
    int64_t interval_ms;
};

struct ph_account {
    struct ph_fleet_stats *stats; /* these two are borrowed */
    struct ph_fleet_place *place;
    int64_t lost; /* readings that no spool could take, as counted */
    struct {
        struct ph_account_due *entries;
        size_t capacity;
        size_t first;
        size_t count;
    } due; /* of the readings that await their acknowledgement, oldest first */
};

/* Nothing was looked at yet; nothing is allocated. */
void ph_account_init(
    struct ph_account *account, struct ph_fleet_stats *stats, struct ph_fleet_place *place);
void ph_account_fini(struct ph_account *account);

/* The first look at a spool in this process. What the spool of an earlier run still holds counts as
 * captured in this one; what a worker that was killed had not counted is counted now. When another
 * spool is in the place of the one that was seen, what that held is lost. */
void ph_account_open(
    struct ph_account *account, const struct ph_spool_counters *counters, int64_t now_ms);

/* Whether a reading that was due PH_FLEET_BEHIND_MS before `now_ms`, or longer ago, is pending. */
bool ph_account_behind(const struct ph_account *account, int64_t now_ms);

/* Counts what has come since; nothing while there is no spool (stream 0). `due_ms` is when a
 * reading that is new was due. Acknowledgements are taken to cover the oldest readings first, which
 * they do but for gaps. */
void ph_account_look(struct ph_account *account, const struct ph_spool_counters *counters,
    int64_t due_ms, int64_t now_us);

/* The reading seen last came in the place of some that were due after it and were left out. Each of
 * them counts among the times as if it had been acknowledged together with it: without them a fleet
 * that stands still would look quick. */
void ph_account_skipped(struct ph_account *account, int64_t count, int64_t interval_ms);

/* `lost` as the keeper has counted since it was opened. */
void ph_account_lost(struct ph_account *account, int64_t lost);

#endif
