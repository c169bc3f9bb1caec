/* What a run of the load generator found, and how it is said. Times are in microseconds. */
#ifndef PH_FLEET_LOAD_RESULT_H
#define PH_FLEET_LOAD_RESULT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/histogram.h"
#include "device/fleet/load_options.h"

enum ph_load_count {
    PH_LOAD_CONNECTED,  /* accepted, and subscribed where that was to be */
    PH_LOAD_FAILED,     /* never got so far */
    PH_LOAD_LOSSES,     /* connections lost later; they were tried again */
    PH_LOAD_FINISHED,   /* publishers that have nothing more to send */
    PH_LOAD_SENT,       /* messages given to the library */
    PH_LOAD_CONFIRMED,  /* of these, confirmed with success (QoS 1 and 2) */
    PH_LOAD_REFUSED,    /* of these, refused by the broker's answer */
    PH_LOAD_UNSENT,     /* due before the end, and never sent */
    PH_LOAD_EXPECTED,   /* arrivals, of what was sent and not refused, by what is subscribed */
    PH_LOAD_RECEIVED,   /* of these, arrived; each once */
    PH_LOAD_DUPLICATES, /* arrived again */
    PH_LOAD_ASTRAY,     /* arrivals of messages that are not this run's, or by another topic */
    PH_LOAD_COUNTS
};

enum ph_load_time {
    PH_LOAD_CONNECT,      /* from the first SYN to CONNACK, or SUBACK */
    PH_LOAD_CONFIRM_DUE,  /* from when a message was due to PUBACK (PUBCOMP); of what was never
                             sent, the time that it had waited at the end */
    PH_LOAD_CONFIRM_SENT, /* from when it was sent */
    PH_LOAD_DELIVERY_DUE, /* the same to the arrival at a subscriber */
    PH_LOAD_DELIVERY_SENT,
    PH_LOAD_BEHIND, /* from when it was due to when the generator saw that it was */
    PH_LOAD_TIMES
};

enum { PH_LOAD_REASONS = 16, PH_LOAD_REASON_BYTES = 128 };

struct ph_load_reasons {
    struct ph_load_reason {
        char text[PH_LOAD_REASON_BYTES];
        int64_t count;
    } list[PH_LOAD_REASONS];
    size_t len;
    int64_t others; /* that the list had no room for */
};

/* What one thread counts; another may read counts and times meanwhile. */
struct ph_load_stats {
    _Atomic int64_t counts[PH_LOAD_COUNTS];
    struct ph_histogram times[PH_LOAD_TIMES];
    struct ph_load_reasons reasons; /* of the thread alone while it runs */
};

struct ph_load_result {
    const struct ph_load_options *options; /* borrowed */
    struct ph_load_stats total;
    int64_t measured[PH_LOAD_COUNTS]; /* within the measured time */
    int64_t connections;
    int64_t window;    /* what the brokers allowed, where that is less than was asked for */
    double connect_s;  /* from the first attempt to the last that was settled */
    double measured_s; /* without warm-up and drain */
    double cpu_s;      /* of the generator in the measured time, */
    double busiest;    /* of its busiest thread as a share of a core, */
    double waited;     /* and the greatest share that a thread was kept waiting for a core */
    bool stamped;      /* messages carried a number and their times */
    bool interrupted;  /* by a signal */
    char lacks[256];   /* what is not good, "" when all is */
    char warning[320]; /* why the figures may say little of the broker, "" when they do */
};

/* Atomic: threads of the generator share the stats. */
void ph_load_count(struct ph_load_stats *stats, enum ph_load_count count, int64_t by);
int64_t ph_load_counted(const struct ph_load_stats *stats, enum ph_load_count count);
void ph_load_reason(struct ph_load_reasons *reasons, const char *text, int64_t count);
/* Adds counts, times and reasons. */
void ph_load_stats_add(struct ph_load_stats *to, const struct ph_load_stats *from);

/* Derived: sent, and neither confirmed nor refused (0 at QoS 0); expected, and not arrived. */
int64_t ph_load_unconfirmed(const struct ph_load_result *result);
int64_t ph_load_lost(const struct ph_load_result *result);

/* Decides `lacks` and `warning` from the rest. */
void ph_load_result_judge(struct ph_load_result *result);

/* One second of a run: for the live line. */
struct ph_load_sample {
    int64_t at_s; /* since the messages began; negative while connections are made */
    int64_t connections;
    int64_t counts[PH_LOAD_COUNTS];
    int64_t last[PH_LOAD_COUNTS]; /* in the last second */
    int64_t p50_us;               /* of the last second, from when due: delivery where there are */
    int64_t p99_us;               /* subscribers, else confirmation; 0: nothing was measured */
};

/* A line without its end. */
void ph_load_sample_print(char *out, size_t size, const struct ph_load_sample *sample);

/* The summary, for people. */
void ph_load_result_print(FILE *out, const struct ph_load_result *result);

/* One JSON object and a line end. */
enum ph_err ph_load_result_json(
    const struct ph_load_result *result, struct ph_buf *out, struct ph_error *error) PH_NODISCARD;

#endif
