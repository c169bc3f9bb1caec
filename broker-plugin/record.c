#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "broker-plugin/broker_inside.h"

/* Of one identity. */
#define CONNECT_BURST       60
#define CONNECT_INTERVAL_MS 10000

bool ph_broker_may_record(
    struct ph_broker *broker, const char *subject, bool known, int64_t *suppressed)
{
    return ph_audit_pass(
        &broker->audit_limit, subject, known, broker->now_monotonic_ms, suppressed);
}

void ph_record_head(const struct ph_broker *broker)
{
    const struct ph_audit_head head = ph_audit_head(broker->audit);
    if (head.seq > 0) { /* there is a file */
        char text[PH_AUDIT_HASH_BYTES + 24];
        (void)snprintf(text, sizeof text, "%" PRIu64 ":%s", head.seq, head.hash);
        ph_log(PH_LOG_INFO, "audit head", PH_STR("head", text));
    }
}

static void tell_step(void *context, const struct ph_ladder_step *step)
{
    static const struct {
        const char *name;
        const char *text;
        enum ph_log_level level;
    } stages[] = {
        [PH_CRL_FRESH] = {"fresh", "a CRL was renewed", PH_LOG_INFO},
        [PH_CRL_AGEING] = {"ageing",
            "a CRL nears its end: have its CA make a new one and put it in place", PH_LOG_WARNING},
        [PH_CRL_GRACE] = {"grace",
            "a CRL has expired: nobody enters once its grace is over; put the CA's current CRL in "
            "place",
            PH_LOG_ERROR},
        [PH_CRL_CLOSED] = {"closed",
            "a CRL has expired: nobody enters by its CA; put the CA's current CRL in place",
            PH_LOG_ERROR},
    };
    struct ph_broker *broker = context;
    char until[PH_UTC_BYTES];
    ph_utc_print(until, step->life->next_update_ms);
    ph_log(stages[step->stage].level, stages[step->stage].text, PH_STR("anchor", step->anchor),
        PH_STR("issuer", step->life->issuer), PH_STR("number", step->life->number),
        PH_STR("next_update", until), PH_INT("grace_s", step->life->grace_ms / 1000));
    ph_audit(broker->audit, broker->now_ms, "crl", PH_STR("stage", stages[step->stage].name),
        PH_STR("anchor", step->anchor), PH_STR("issuer", step->life->issuer),
        PH_STR("number", step->life->number), PH_STR("next_update", until));
}

void ph_record_crls(struct ph_broker *broker)
{
    ph_ladder_look(broker->ladder, broker->state, broker->now_ms, tell_step, broker);
}

/* Room for "anchor:tenant/kind/device". */
#define NAME_BYTES (PH_SEGMENT_BYTES + PH_IDENTITY_BYTES)

/* What the certificate says, behind the anchor that has its issuer; "-" when it says nothing. */
static void print_identity(char *out, size_t size, const struct ph_identity *identity)
{
    char name[PH_IDENTITY_BYTES] = "-";
    if (identity->device[0] != '\0') {
        ph_identity_print(name, sizeof name, identity);
    }
    (void)snprintf(
        out, size, "%s%s%s", identity->anchor, identity->anchor[0] != '\0' ? ":" : "", name);
}

/* Who it was comes first, what the client chose last: Mosquitto cuts a line at 1000 bytes. */
void ph_record_refusal(struct ph_broker *broker, const struct ph_connect *connect,
    const struct ph_authn *authn, const struct ph_error *error)
{
    char identity[NAME_BYTES];
    int64_t suppressed = 0;
    broker->metrics.refused[authn->reason]++;
    print_identity(identity, sizeof identity, &authn->identity);
    if (!ph_broker_may_record(
            broker, authn->verified ? identity : connect->address, authn->verified, &suppressed)) {
        return;
    }
    const char *name = strchr(identity, ':') != NULL ? strchr(identity, ':') + 1 : identity;
    ph_log(PH_LOG_WARNING, "connection refused", PH_STR("identity", name),
        PH_STR("serial", authn->facts.serial), PH_STR("address", connect->address),
        PH_INT("suppressed", suppressed), PH_STR("reason", error->message),
        PH_STR("client_id", connect->client_id));
    ph_audit(broker->audit, broker->now_ms, "refuse", PH_STR("identity", identity),
        PH_INT("verified", authn->verified), PH_STR("serial", authn->facts.serial),
        PH_STR("issuer", authn->facts.issuer), PH_STR("fingerprint", authn->facts.fingerprint),
        PH_STR("address", connect->address), PH_STR("client_id", connect->client_id),
        PH_STR("reason", ph_reason_name(authn->reason)), PH_STR("message", error->message),
        PH_INT("suppressed", suppressed));
}

/* A fleet may come back at once, so that no limit holds for all together. */
void ph_record_admission(
    struct ph_broker *broker, const struct ph_connect *connect, struct ph_session *session)
{
    struct ph_log_limit *records = &ph_sessions_of_identity(broker->sessions, session)->records;
    int64_t suppressed = 0;
    broker->metrics.admitted++;
    records->burst = CONNECT_BURST;
    records->interval_ms = CONNECT_INTERVAL_MS;
    session->recorded = ph_log_limit_pass(records, broker->now_monotonic_ms, &suppressed);
    if (!session->recorded) {
        return;
    }
    ph_audit(broker->audit, broker->now_ms, "connect",
        PH_STR("identity", strchrnul(session->user_name, ':') + 1),
        PH_STR("role", session->role->name), PH_STR("serial", session->serial),
        PH_STR("issuer", session->issuer), PH_STR("fingerprint", session->fingerprint),
        PH_STR("address", connect->address), PH_STR("client_id", session->client_id),
        PH_INT("quarantined", session->quarantined), PH_INT("suppressed", suppressed));
}

void ph_record_fault(struct ph_broker *broker, const struct ph_error *error)
{
    broker->metrics.reload_faults++;
    broker->metrics.reload_good = false;
    ph_log_error(PH_LOG_ERROR, "not reloaded: the last good one stays in force", error);
    ph_audit(broker->audit, broker->now_ms, "reload-fault", PH_STR("message", error->message));
}

void ph_record_reload(struct ph_broker *broker, const struct ph_load *load)
{
    const struct ph_policy *policy = load->state->policy;
    ph_log(PH_LOG_INFO, "policy reloaded", PH_STR("file", broker->policy_file),
        PH_INT("anchors", policy->anchor_count), PH_INT("roles", policy->role_count),
        PH_INT("denied", ph_deny_count(load->state->deny)),
        PH_INT("faults", load->report.problem_count), PH_INT("ms", load->duration_ms));
    ph_audit(broker->audit, broker->now_ms, "reload", PH_STR("policy", broker->policy_file),
        PH_INT("generation", broker->metrics.generation),
        PH_INT("denied", ph_deny_count(load->state->deny)));
}

void ph_record_problems(struct ph_broker *broker)
{
    struct ph_error error = {0};
    if (ph_audit_problem(broker->audit, broker->now_monotonic_ms, &error)) {
        ph_log_error(PH_LOG_ERROR, "audit records are being lost", &error);
    }
    ph_error_clear(&error);
    if (ph_loader_store_error(broker->loader, &error)) {
        ph_log_error(PH_LOG_ERROR, "metrics cannot be written", &error);
    }
}
