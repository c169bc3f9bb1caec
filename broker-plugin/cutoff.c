#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker-plugin/broker_inside.h"
#include "domain/template.h"

/* Entries in one portion of a sweep: a few milliseconds. */
#define PORTION 4000
/* A kick by user name walks all connections: this many steps in one portion of the queue. */
#define KICK_STEPS 250000
#define KICKS_MIN  16
#define KICKS_MAX  256
/* How long an entry outlives its connection: longer than any bucket takes to fill. */
#define KEEP_MS INT64_C(600000)

static const char *identity_of(const struct ph_session *session)
{
    return strchrnul(session->user_name, ':') + 1;
}

/* ---- who must go ---- */

struct verdict {
    enum ph_reason reason;
    const struct ph_role *role;
    bool quarantined;
};

/* Whether the anchor still reads identities from where it did when this one was read. */
static bool reads_the_same(const struct ph_broker *broker, const struct ph_session *session)
{
    const char *name = session->identity.anchor;
    const struct ph_anchor *now = ph_policy_anchor(broker->state->policy, name);
    const struct ph_anchor *then =
        broker->before != NULL && session->generation != broker->metrics.generation
            ? ph_policy_anchor(broker->before->policy, name)
            : NULL;
    return now == NULL || then == NULL ||
           (now->identity == then->identity &&
               (now->identity_template == then->identity_template ||
                   (now->identity_template != NULL && then->identity_template != NULL &&
                       strcmp(now->identity_template, then->identity_template) == 0)));
}

static struct verdict judge(
    const struct ph_broker *broker, const struct ph_session *session, struct ph_error *error)
{
    const struct ph_state *state = broker->state;
    const struct ph_identity *identity = &session->identity;
    const struct ph_trust *trust = ph_state_trust(state, identity->anchor);
    const struct ph_denial_query query = {.identity = identity,
        .serial = session->serial,
        .issuer = session->issuer,
        .key_hash = session->key_hash};
    struct verdict verdict = {.quarantined = ph_deny_has_quarantined(state->deny, identity, NULL)};
    enum ph_chain_fault fault = PH_CHAIN_GOOD;
    if (trust != NULL &&
        ph_trust_recheck(trust, &session->voucher, broker->now_ms, &fault, error) != PH_OK) {
        verdict.reason = ph_reason_of_chain(fault);
        return verdict;
    }
    if (!reads_the_same(broker, session)) {
        verdict.reason = PH_REASON_IDENTITY;
        (void)ph_error_set(error, PH_ERR_DENIED,
            "anchor \"%s\": identity is read from another place now; connect again",
            identity->anchor);
        return verdict;
    }
    verdict.reason = ph_authn_denied(state->deny, &query, error);
    if (verdict.reason != PH_REASON_NONE) {
        return verdict;
    }
    if (ph_policy_role_find(state->policy, identity, session->subject, &verdict.role, error) !=
        PH_OK) {
        verdict.reason = PH_REASON_NO_ROLE;
    } else if (ph_role_check_client_id(verdict.role, identity, session->client_id, error) !=
               PH_OK) {
        verdict.reason = PH_REASON_ROLE_CHANGED;
    }
    return verdict;
}

static bool same_list(const struct ph_filter_list *a, const struct ph_filter_list *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) {
        same = strcmp(a->filters[i], b->filters[i]) == 0;
    }
    return same;
}

static bool same_grants(const struct ph_role *a, const struct ph_role *b)
{
    return a == b ||
           (same_list(&a->publish, &b->publish) && same_list(&a->will, &b->will) &&
               same_list(&a->subscribe, &b->subscribe) && same_list(&a->receive, &b->receive));
}

static void record_cut_off(
    struct ph_broker *broker, const struct ph_session *session, const struct ph_error *error)
{
    const char *reason = ph_reason_name(session->cut);
    broker->metrics.cut_off[session->cut]++;
    ph_log(PH_LOG_WARNING, "cut off", PH_STR("user", session->user_name),
        PH_STR("serial", session->serial), PH_INT("connected", session->client != NULL),
        PH_STR("reason", error->message));
    ph_audit(broker->audit, broker->now_ms, "cut-off", PH_STR("identity", identity_of(session)),
        PH_STR("serial", session->serial), PH_STR("issuer", session->issuer),
        PH_STR("fingerprint", session->fingerprint), PH_INT("connected", session->client != NULL),
        PH_STR("reason", reason), PH_STR("message", error->message));
}

static void cut_off(struct ph_broker *broker, struct ph_session *session, enum ph_reason reason,
    const struct ph_role *role, const struct ph_error *error)
{
    session->cut = reason;
    session->role = NULL;
    if (session->connections == 0) { /* else each of them has its record */
        record_cut_off(broker, session, error);
    }
    if (session->client != NULL) {
        ph_cutoff_queue(broker, session, role, reason);
    }
}

static void tell_quarantine(struct ph_broker *broker, const struct ph_session *session)
{
    ph_log(PH_LOG_WARNING, session->quarantined ? "put in quarantine" : "released from quarantine",
        PH_STR("user", session->user_name));
    ph_audit(broker->audit, broker->now_ms, "quarantine", PH_STR("identity", identity_of(session)),
        PH_INT("quarantined", session->quarantined));
}

static void check(struct ph_broker *broker, struct ph_session *session)
{
    struct ph_error error = {0};
    const struct ph_role *before = session->role;
    struct verdict verdict = judge(broker, session, &error);
    session->generation = broker->metrics.generation;
    session->last_topic_stands = false;
    if (verdict.reason != PH_REASON_NONE) {
        cut_off(broker, session, verdict.reason, before, &error);
        return;
    }
    if (!same_grants(before, verdict.role)) {
        memset(session->used, 0, sizeof session->used);
    }
    session->role = verdict.role;
    if (session->quarantined != verdict.quarantined) {
        session->quarantined = verdict.quarantined;
        if (!session->shared) {
            tell_quarantine(broker, session);
        }
    }
}

void ph_cutoff_refresh(struct ph_broker *broker, struct ph_session *session)
{
    if (session->cut == PH_REASON_NONE && session->generation != broker->metrics.generation) {
        check(broker, session);
    }
}

/* ---- the sweep ---- */

void ph_cutoff_sweep(struct ph_broker *broker)
{
    broker->sweep = (struct ph_sweep){
        .left = ph_sessions_count(broker->sessions), .active = true, .deadline_ms = INT64_MAX};
}

static void visit(struct ph_broker *broker, struct ph_session *session)
{
    bool idle = session->client == NULL && session->connections == 0 && !session->kick_due;
    if (session->cut != PH_REASON_NONE) {
        return;
    }
    if (idle && broker->now_monotonic_ms - session->ended_ms > KEEP_MS) {
        ph_sessions_remove(broker->sessions, session);
        return;
    }
    check(broker, session);
    const struct ph_trust *trust = ph_state_trust(broker->state, session->identity.anchor);
    if (session->cut == PH_REASON_NONE && trust != NULL) {
        int64_t deadline_ms = ph_trust_deadline_ms(trust, &session->voucher);
        broker->sweep.deadline_ms =
            deadline_ms < broker->sweep.deadline_ms ? deadline_ms : broker->sweep.deadline_ms;
    }
}

static void sweep_portion(struct ph_broker *broker)
{
    struct ph_sweep *sweep = &broker->sweep;
    for (int i = 0; i < PORTION && sweep->left > 0; i++) {
        size_t count = ph_sessions_count(broker->sessions);
        sweep->left = sweep->left < count ? sweep->left : count;
        if (sweep->left > 0) {
            sweep->left--;
            visit(broker, ph_sessions_at(broker->sessions, sweep->left));
        }
    }
    if (sweep->left == 0) {
        sweep->active = false;
        broker->deadline_ms = sweep->deadline_ms;
        ph_loader_release(broker->loader, &broker->before);
    }
}

/* ---- the queue ---- */

static char *status_topic(const struct ph_session *session, const struct ph_role *role)
{
    char topic[PH_LIMIT_TOPIC_BYTES + 1];
    return role != NULL && role->status != NULL &&
                   ph_template_expand(topic, sizeof topic, role->status, &session->identity)
               ? strdup(topic)
               : NULL;
}

void ph_cutoff_queue(struct ph_broker *broker, struct ph_session *session,
    const struct ph_role *role, enum ph_reason reason)
{
    session->kick_reason = reason;
    if (session->status == NULL) {
        session->status = status_topic(session, role);
    }
    ph_sessions_queue(broker->sessions, session);
}

bool ph_cutoff_queue_name(struct ph_broker *broker, const char *user_name)
{
    size_t size = strlen(user_name) + 1;
    struct ph_stray *stray = malloc(sizeof *stray + size);
    if (stray != NULL) {
        memcpy(stray->user_name, user_name, size);
        stray->next = broker->strays;
        broker->strays = stray;
    }
    return stray != NULL;
}

void ph_cutoff_forget_names(struct ph_broker *broker)
{
    while (broker->strays != NULL) {
        struct ph_stray *stray = broker->strays;
        broker->strays = stray->next;
        free(stray);
    }
}

static void publish_status(struct ph_broker *broker, struct ph_session *session)
{
    char payload[128];
    int len = snprintf(payload, sizeof payload,
        "{\"v\":1,\"online\":false,\"time\":%" PRId64 ",\"cut_off\":\"%s\"}", broker->now_ms,
        ph_reason_name(session->kick_reason));
    if (session->status != NULL) {
        broker->host.publish(broker->host.context, session->status, payload, (size_t)len);
        free(session->status);
        session->status = NULL;
    }
}

/* A shared one is gone with its connection, and has no status. */
static void kick(struct ph_broker *broker, struct ph_session *session)
{
    if (session->shared) {
        broker->host.kick_client(broker->host.context, session->client_id);
        return;
    }
    if (session->client != NULL) {
        broker->host.kick(broker->host.context, session->user_name);
    }
    publish_status(broker, session);
}

static void kick_portion(struct ph_broker *broker)
{
    size_t count = ph_sessions_count(broker->sessions);
    size_t budget = KICK_STEPS / (count > 0 ? count : 1);
    budget = budget < KICKS_MIN ? KICKS_MIN : budget > KICKS_MAX ? KICKS_MAX : budget;
    for (; broker->strays != NULL && budget > 0; budget--) {
        struct ph_stray *stray = broker->strays;
        broker->strays = stray->next;
        broker->host.kick(broker->host.context, stray->user_name);
        free(stray);
    }
    for (; ph_sessions_queued(broker->sessions) && budget > 0; budget--) {
        kick(broker, ph_sessions_dequeue(broker->sessions));
    }
}

void ph_cutoff_tick(struct ph_broker *broker)
{
    if (broker->sweep.active) {
        sweep_portion(broker);
    }
    kick_portion(broker);
}
