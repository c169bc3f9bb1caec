#include "device/fleet/account.h"

#include <stdlib.h>

enum { SKIPPED_MAX = 10000 }; /* what a machine slept through is no latency of anybody's */

/* Without memory for it a reading's time is not measured. */
static void due_push(struct ph_account *account, int64_t at_ms)
{
    size_t capacity = account->due.capacity;
    if (account->due.count == capacity) {
        size_t larger = capacity == 0 ? 8 : 2 * capacity;
        struct ph_account_due *entries = calloc(larger, sizeof *entries);
        if (entries == NULL) {
            return;
        }
        for (size_t i = 0; i < account->due.count; i++) {
            entries[i] = account->due.entries[(account->due.first + i) % capacity];
        }
        free(account->due.entries);
        account->due.entries = entries;
        account->due.first = 0;
        account->due.capacity = capacity = larger;
    }
    account->due.entries[(account->due.first + account->due.count++) % capacity] =
        (struct ph_account_due){.at_ms = at_ms};
}

/* False when there is none. */
static bool due_pop(struct ph_account *account, struct ph_account_due *due)
{
    if (account->due.count == 0) {
        return false;
    }
    *due = account->due.entries[account->due.first];
    account->due.first = (account->due.first + 1) % account->due.capacity;
    account->due.count--;
    return true;
}

void ph_account_init(
    struct ph_account *account, struct ph_fleet_stats *stats, struct ph_fleet_place *place)
{
    *account = (struct ph_account){.stats = stats, .place = place};
}

void ph_account_fini(struct ph_account *account)
{
    free(account->due.entries);
    account->due.entries = NULL;
}

/* ---- what was seen ---- */

const struct ph_fleet_seen *ph_fleet_place_seen(const struct ph_fleet_place *place)
{
    return &place->seen[atomic_load(&place->which)];
}

/* First where the next worker finds it, then into the counts: what lies between is mended. */
static void keep(struct ph_account *account, const struct ph_fleet_seen *seen)
{
    struct ph_fleet_place *place = account->place;
    const struct ph_fleet_seen former = *ph_fleet_place_seen(place);
    unsigned other = 1 - atomic_load(&place->which);
    place->seen[other] = *seen;
    atomic_store(&place->which, other);
    ph_fleet_stats_add(
        account->stats, PH_FLEET_CAPTURED, seen->counted.captured - former.counted.captured);
    ph_fleet_stats_add(account->stats, PH_FLEET_ACKNOWLEDGED,
        seen->counted.acknowledged - former.counted.acknowledged);
    ph_fleet_stats_add(
        account->stats, PH_FLEET_DROPPED, seen->counted.dropped - former.counted.dropped);
    ph_fleet_stats_add(account->stats, PH_FLEET_LOST, seen->counted.lost - former.counted.lost);
}

static void mend(struct ph_fleet_stats *stats, enum ph_fleet_count count, int64_t seen)
{
    int64_t missing = seen - atomic_load(&stats->counts[count]);
    ph_fleet_stats_add(stats, count, missing > 0 ? missing : 0);
}

void ph_account_mend(struct ph_fleet_stats *stats, const struct ph_fleet_place *places,
    size_t devices, size_t first, size_t step)
{
    struct ph_fleet_seen sum = {0};
    for (size_t i = first; i < devices; i += step) {
        const struct ph_fleet_seen *seen = ph_fleet_place_seen(&places[i]);
        sum.counted.captured += seen->counted.captured;
        sum.counted.acknowledged += seen->counted.acknowledged;
        sum.counted.dropped += seen->counted.dropped;
        sum.counted.lost += seen->counted.lost;
    }
    mend(stats, PH_FLEET_CAPTURED, sum.counted.captured);
    mend(stats, PH_FLEET_ACKNOWLEDGED, sum.counted.acknowledged);
    mend(stats, PH_FLEET_DROPPED, sum.counted.dropped);
    mend(stats, PH_FLEET_LOST, sum.counted.lost);
}

/* ---- looking ---- */

static void record_times(struct ph_account *account, int64_t count, int64_t now_us)
{
    struct ph_account_due due;
    for (int64_t i = 0; i < count && due_pop(account, &due); i++) {
        for (int64_t k = 0; k <= due.skipped; k++) {
            int64_t at_ms = due.at_ms + k * due.interval_ms;
            ph_fleet_stats_time(account->stats, PH_FLEET_ACK_US, now_us - at_ms * 1000);
        }
    }
}

bool ph_account_behind(const struct ph_account *account, int64_t now_ms)
{
    return account->due.count > 0 &&
           account->due.entries[account->due.first].at_ms <= now_ms - PH_FLEET_BEHIND_MS;
}

/* Begins with a spool that nothing was seen of: what it holds is still to be counted. */
static void begin(
    struct ph_account *account, const struct ph_spool_counters *counters, int64_t now_ms)
{
    struct ph_fleet_seen seen = *ph_fleet_place_seen(account->place);
    seen.counted.lost += seen.pending;
    seen.stream = counters->stream;
    seen.captured = counters->captured - counters->pending;
    seen.pending = 0;
    seen.dropped = counters->dropped;
    seen.seen_ms = now_ms;
    keep(account, &seen);
}

void ph_account_look(struct ph_account *account, const struct ph_spool_counters *counters,
    int64_t due_ms, int64_t now_us)
{
    if (counters->stream == 0) {
        return;
    }
    if (ph_fleet_place_seen(account->place)->stream == 0) {
        begin(account, counters, now_us / 1000);
    }
    struct ph_fleet_seen seen = *ph_fleet_place_seen(account->place);
    bool same = counters->stream == seen.stream;
    /* A new stream has what was pending under new numbers. */
    int64_t captured = counters->captured - (same ? seen.captured : seen.pending);
    int64_t dropped = counters->dropped - (same ? seen.dropped : 0);
    captured = captured > 0 ? captured : 0;
    for (int64_t i = 0; i < captured; i++) {
        due_push(account, due_ms);
    }
    struct ph_account_due gone;
    for (int64_t i = 0; i < dropped && due_pop(account, &gone); i++) {
    }
    int64_t acknowledged = seen.pending + captured - dropped - counters->pending;
    acknowledged = acknowledged > 0 ? acknowledged : 0;
    if (same && captured == 0 && dropped == 0 && acknowledged == 0) {
        return;
    }
    seen.stream = counters->stream;
    seen.captured = counters->captured;
    seen.pending = counters->pending;
    seen.dropped = counters->dropped;
    seen.seen_ms = now_us / 1000;
    seen.counted.captured += captured;
    seen.counted.acknowledged += acknowledged;
    seen.counted.dropped += dropped;
    keep(account, &seen);
    record_times(account, acknowledged, now_us);
}

void ph_account_open(
    struct ph_account *account, const struct ph_spool_counters *counters, int64_t now_ms)
{
    if (counters->stream != 0 && counters->stream != ph_fleet_place_seen(account->place)->stream) {
        begin(account, counters, now_ms);
    }
    const struct ph_fleet_seen *seen = ph_fleet_place_seen(account->place);
    int64_t seen_ms = seen->seen_ms;
    for (int64_t i = 0; i < seen->pending; i++) {
        due_push(account, seen_ms);
    }
    ph_account_look(account, counters, seen_ms, now_ms * 1000);
}

void ph_account_skipped(struct ph_account *account, int64_t count, int64_t interval_ms)
{
    if (account->due.count > 0 && count > 0) {
        size_t last = (account->due.first + account->due.count - 1) % account->due.capacity;
        account->due.entries[last].skipped = count < SKIPPED_MAX ? count : SKIPPED_MAX;
        account->due.entries[last].interval_ms = interval_ms;
        ph_fleet_stats_reason(
            account->stats, "readings left out: the fleet's machine was late by an interval");
    }
}

void ph_account_lost(struct ph_account *account, int64_t lost)
{
    struct ph_fleet_seen seen = *ph_fleet_place_seen(account->place);
    if (lost == account->lost) {
        return;
    }
    seen.counted.captured += lost - account->lost;
    seen.counted.lost += lost - account->lost;
    account->lost = lost;
    keep(account, &seen);
}
