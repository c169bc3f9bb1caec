/* What a worker counts, in memory that it shares with its supervisor: one thread of the worker
 * writes, the supervisor reads at any time. It survives the worker, wherever that was killed: the
 * next one counts on. Zero-initialised it is empty. Each number is whole, those of one moment need
 * not belong together; none that only grows is ever seen smaller than before. */
#ifndef PH_FLEET_STATS_H
#define PH_FLEET_STATS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"

/* What only grows. The names are those of the JSON report (ph_fleet_count_name()). */
enum ph_fleet_count {
    PH_FLEET_CONNECTS,     /* CONNACK: accepted */
    PH_FLEET_REACHED,      /* devices that were connected at least once */
    PH_FLEET_LOSSES,       /* connections lost, and attempts failed */
    PH_FLEET_REFUSALS,     /* connections refused or ended by a decision of the broker */
    PH_FLEET_CAPTURED,     /* readings; acknowledged, pending, dropped and lost add up to it */
    PH_FLEET_ACKNOWLEDGED, /* of these, stored and acknowledged by ingest */
    PH_FLEET_DROPPED,      /* of these, pushed out of a full spool */
    PH_FLEET_LOST,         /* of these, taken by no spool */
    PH_FLEET_PUBLISHED,    /* messages confirmed by the broker (PUBACK) */
    PH_FLEET_UNPUBLISHED,  /* messages refused by the broker (PUBACK of 0x80 and above) */
    PH_FLEET_RENEWALS,     /* certificates replaced by newer ones */
    PH_FLEET_FAILED,       /* devices that ended with an error, and stay away */
    PH_FLEET_MAD_TRIED,    /* what mad devices sent */
    PH_FLEET_MAD_PASSED,   /* of that: accepted by the broker */
    PH_FLEET_MAD_REFUSED,
    PH_FLEET_THEFT_TRIED, /* what a thief tried: connections, publishes, subscriptions, wills */
    PH_FLEET_THEFT_REFUSED,
    PH_FLEET_THEFT_OWN,     /* granted, on topics of the stolen identity itself */
    PH_FLEET_THEFT_FOREIGN, /* granted, on anybody else's: a hole */
    PH_FLEET_COUNTS
};

enum { PH_FLEET_BEHIND_MS = 5000 };

/* What goes up and down; a worker that starts sets all to 0. */
enum ph_fleet_gauge {
    PH_FLEET_STARTED,   /* devices that run */
    PH_FLEET_CONNECTED, /* of these, on the broker */
    PH_FLEET_PENDING,   /* readings captured and not acknowledged yet */
    PH_FLEET_SUSPENDED, /* devices that an act keeps off the network */
    PH_FLEET_BEHIND, /* devices with a reading that was due PH_FLEET_BEHIND_MS ago and waits still
                      */
    PH_FLEET_GAUGES
};

/* Times in microseconds. */
enum ph_fleet_time {
    PH_FLEET_ACK_US,     /* from when a reading was due to be captured to its acknowledgement */
    PH_FLEET_CONNECT_US, /* from when a device was first to be connected, or lost its connection, to
                            CONNACK */
    PH_FLEET_TIMES
};

enum { PH_FLEET_REASONS = 24, PH_FLEET_REASON_BYTES = 120 };

/* Why connections were refused or lost and messages refused, in the order in which they were first
 * seen. When all but the last entry are taken, what is new counts as "other reasons", which is the
 * last entry. */
struct ph_fleet_reason {
    atomic_bool set; /* the text stands and does not change any more; until then it is not read */
    char text[PH_FLEET_REASON_BYTES];
    _Atomic int64_t count;
};

struct ph_fleet_stats {
    _Atomic int64_t counts[PH_FLEET_COUNTS];
    _Atomic int64_t gauges[PH_FLEET_GAUGES];
    struct ph_histogram times[PH_FLEET_TIMES];
    struct ph_fleet_reason reasons[PH_FLEET_REASONS];
    _Atomic int64_t drained; /* devices that have ended as they should */
};

/* The names in the JSON report: "connects"; "pending"; "ack" and "connect". */
const char *ph_fleet_count_name(enum ph_fleet_count count);
const char *ph_fleet_gauge_name(enum ph_fleet_gauge gauge);
const char *ph_fleet_time_name(enum ph_fleet_time time);

/* Adds to a count; sets a gauge; records a time in microseconds. */
void ph_fleet_stats_add(struct ph_fleet_stats *stats, enum ph_fleet_count count, int64_t number);
void ph_fleet_stats_set(struct ph_fleet_stats *stats, enum ph_fleet_gauge gauge, int64_t value);
void ph_fleet_stats_time(struct ph_fleet_stats *stats, enum ph_fleet_time time, int64_t us);

/* Counts a reason; what is no printable UTF-8 is escaped (ph_text_escape()), and it is cut to the
 * table's length. Texts that differ in numbers alone (an address, a port) should be one reason: the
 * caller leaves such out. */
void ph_fleet_stats_reason(struct ph_fleet_stats *stats, const char *text);

/* Adds what `from` holds now to `to`, which no other thread uses; reasons are merged by text, and
 * "other reasons" stay that. */
void ph_fleet_stats_merge(struct ph_fleet_stats *to, const struct ph_fleet_stats *from);

/* The reasons in order of count, greatest first, those that are equal as they were first seen;
 * returns how many there are. The pointers lead into `stats`. */
size_t ph_fleet_stats_reasons(
    const struct ph_fleet_stats *stats, const struct ph_fleet_reason *sorted[PH_FLEET_REASONS]);

#endif
