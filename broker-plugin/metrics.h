/* Counters of the plugin, and their text for Prometheus (exposition format 0.0.4), for the textfile
 * collector of node_exporter. */
#ifndef PH_BROKER_PLUGIN_METRICS_H
#define PH_BROKER_PLUGIN_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "broker-plugin/reason.h"
#include "broker-plugin/state.h"

enum ph_callback {
    PH_CALLBACK_CONNECT, /* BASIC_AUTH */
    PH_CALLBACK_ACCESS,  /* ACL_CHECK */
    PH_CALLBACK_MESSAGE,
    PH_CALLBACK_TICK,
    PH_CALLBACK_DISCONNECT,
    PH_CALLBACK_RELOAD,
    PH_CALLBACK_COUNT,
};

/* Zero-initialised; the owner adds to the members. */
struct ph_metrics {
    uint64_t admitted;
    uint64_t refused[PH_REASON_COUNT]; /* CONNECTs */
    uint64_t denied[PH_REASON_COUNT];  /* of access and messages */
    uint64_t cut_off[PH_REASON_COUNT];
    uint64_t reloads;       /* loads that were taken up */
    uint64_t reload_faults; /* parts that were not */
    int64_t reloaded_ms;    /* when the state in force was taken up; 0: at the start */
    bool reload_good;       /* the last look found nothing bad */
    uint64_t generation;    /* of the state in force, from 1 */
    struct {
        uint64_t calls;
        uint64_t timed;    /* of them; the frequent ones are sampled */
        uint64_t timed_ns; /* time in those */
        uint64_t longest_ns;
    } callbacks[PH_CALLBACK_COUNT];
};

/* What is counted when the text is made. */
struct ph_metrics_view {
    const struct ph_state *state;
    const size_t *connected_by_role; /* as many as the policy has roles */
    size_t quarantined;              /* of those connected */
    size_t expiring_1d; /* certificates of those connected; each holds the one before */
    size_t expiring_7d;
    size_t expiring_30d;
    uint64_t audit_lost;
    int64_t now_ms;
};

/* Appends the whole text. Series with a reason appear for every reason, zero included, so that
 * rates work from the first event on. PH_ERR_LIMIT or PH_ERR_MEMORY from the buffer. */
enum ph_err ph_metrics_print(const struct ph_metrics *metrics, const struct ph_metrics_view *view,
    struct ph_buf *out) PH_NODISCARD;

#endif
