/* The time under which a reading is stored, and how far it can be believed. A device's clock may be
 * wrong or missing; that costs no reading and plays no part in deduplication: the row says so. */
#ifndef PH_STORE_TIMING_H
#define PH_STORE_TIMING_H

#include <stdint.h>

#include "base/attr.h"
#include "format/message.h"

/* Stores keep these numbers: never change one. */
enum ph_timing {
    PH_TIMING_DEVICE = 0, /* the device's own time, and plausible */
    PH_TIMING_FUTURE = 1, /* the device's own time, further ahead than is tolerated */
    PH_TIMING_PAST = 2,   /* the device's own time, from before `oldest_ms`: never set, or reset */
    PH_TIMING_ESTIMATED = 3, /* captured before the device knew the time; from its uptime then and
                                when it sent, and the time of arrival */
    PH_TIMING_ARRIVAL = 4,   /* no time at all: that of arrival */
};
#define PH_TIMING_COUNT 5

struct ph_timing_limits {
    int64_t future_ms; /* how far ahead of the time of arrival a reading may be */
    int64_t oldest_ms; /* milliseconds since 1970: no device clock that is set shows less */
};

/* The reading's time in milliseconds since 1970 UTC, from 0 on, and in *timing its worth.
 * `received_ms` is the time of arrival, from 0 on. An estimate from before `oldest_ms` is none: the
 * time of arrival is taken. */
int64_t ph_timing_judge(const struct ph_timing_limits *limits, const struct ph_message *message,
    const struct ph_reading *reading, int64_t received_ms, enum ph_timing *timing);

/* "future", "past", "estimated", "arrival"; NULL for PH_TIMING_DEVICE. */
const char *ph_timing_name(enum ph_timing timing);

#endif
