/* What the files that make up a broker (broker.c, access.c, cutoff.c) share. Internal. */
#ifndef PH_BROKER_PLUGIN_BROKER_INSIDE_H
#define PH_BROKER_PLUGIN_BROKER_INSIDE_H

#include "broker-plugin/audit/audit.h"
#include "broker-plugin/broker.h"
#include "broker-plugin/ladder.h"
#include "broker-plugin/loader.h"
#include "broker-plugin/session.h"

struct ph_stray {
    struct ph_stray *next;
    char user_name[];
};

/* A walk over all sessions, in portions. */
struct ph_sweep {
    size_t left; /* entries still to be met, from the end of the table */
    bool active;
    int64_t deadline_ms; /* when the first of those met so far stops being valid */
};

struct ph_broker {
    char *policy_file;
    char *broker_config;
    char *metrics_file;
    struct ph_broker_host host;
    struct ph_loader *loader;
    struct ph_state *state;
    struct ph_state *before; /* the one before, as long as sessions have roles from it */
    struct ph_sessions *sessions;
    struct ph_sweep sweep;
    struct ph_stray *strays; /* user names of connections without an entry, to be ended too */
    struct ph_ladder *ladder;
    struct ph_audit *audit;
    struct ph_audit_limit audit_limit;
    struct ph_metrics metrics;
    struct ph_error error; /* of the message at hand: too large to be cleared for each */
    bool reloading;        /* between RELOAD and the next TICK */
    int64_t now_ms;        /* of the last tick or connect */
    int64_t now_monotonic_ms;
    int64_t deadline_ms; /* when the first session stops being valid by time alone */
    int64_t look_at_ms;  /* monotonic, as those below: when to look at the files next */
    int64_t sweep_at_ms;
    int64_t metrics_at_ms;
    int64_t head_at_ms;
};

/* ---- record.c: what is told, to the log for people and to the audit file ---- */

/* Whether a record about this subject may be written now, and how many were held back. */
bool ph_broker_may_record(
    struct ph_broker *broker, const char *subject, bool known, int64_t *suppressed);

/* A CONNECT: that was refused (limited per identity or address), or let in (limited per identity;
 * the entry remembers whether it was recorded). */
void ph_record_refusal(struct ph_broker *broker, const struct ph_connect *connect,
    const struct ph_authn *authn, const struct ph_error *error);
void ph_record_admission(
    struct ph_broker *broker, const struct ph_connect *connect, struct ph_session *session);

/* A part that could not be reloaded; a state that was put in force. */
void ph_record_fault(struct ph_broker *broker, const struct ph_error *error);
void ph_record_reload(struct ph_broker *broker, const struct ph_load *load);

/* CRLs that have come to another step of the ladder. */
void ph_record_crls(struct ph_broker *broker);

/* The end of the audit file's chain, in the log, where the file's editor may not reach. */
void ph_record_head(const struct ph_broker *broker);

/* What went wrong with writing files since the last call. */
void ph_record_problems(struct ph_broker *broker);

/* ---- broker_metrics.c ---- */

/* Counts, and has the metrics file written. */
void ph_broker_store_metrics(struct ph_broker *broker);

/* ---- cutoff.c ---- */

/* Brings an entry up to the state in force: its role, or the reason why it is cut off, which is
 * recorded and queued. Does nothing when it is. */
void ph_cutoff_refresh(struct ph_broker *broker, struct ph_session *session);

/* Queues an entry for disconnection. `role` is the one whose status topic then says why; may be
 * NULL.
 */
void ph_cutoff_queue(struct ph_broker *broker, struct ph_session *session,
    const struct ph_role *role, enum ph_reason reason);

/* Queues all connections of a user name for disconnection: one of them is about to lose its entry
 * to another. False when out of memory. */
bool ph_cutoff_queue_name(struct ph_broker *broker, const char *user_name) PH_NODISCARD;

/* At the end: frees that queue. */
void ph_cutoff_forget_names(struct ph_broker *broker);

/* Begins a sweep over all entries. */
void ph_cutoff_sweep(struct ph_broker *broker);

/* The next portion of a sweep and of the queue. */
void ph_cutoff_tick(struct ph_broker *broker);

#endif
