#include <string.h>

#include "base/text.h"
#include "broker-plugin/authz.h"
#include "broker-plugin/broker_inside.h"

/* What is known of whoever a check is about. */
struct subject {
    struct ph_session *session; /* NULL: only the user name is */
    bool current;               /* the check is about the session's connection */
    struct ph_identity identity;
    struct ph_standing standing;
};

static struct ph_session *find_session(
    const struct ph_broker *broker, const void *client, const char *user_name, bool *current)
{
    struct ph_session *session = ph_sessions_by_client(broker->sessions, client);
    *current = session != NULL && user_name != NULL && strcmp(session->user_name, user_name) == 0;
    return *current || user_name == NULL ? session
                                         : ph_sessions_by_name(broker->sessions, user_name);
}

static enum ph_err refuse_cut_off(
    const struct ph_session *session, enum ph_reason *reason, struct ph_error *error)
{
    *reason = PH_REASON_CUT_OFF;
    return ph_error_set(error, PH_ERR_DENIED, "cut off (%s): what it had is no longer served",
        ph_reason_name(session->cut));
}

static enum ph_err find_standing(struct ph_broker *broker, const char *user_name,
    struct subject *subject, enum ph_reason *reason, struct ph_error *error)
{
    struct ph_session *session = user_name != NULL ? subject->session : NULL;
    if (session == NULL) {
        return ph_authz_standing(
            broker->state, user_name, &subject->identity, &subject->standing, reason, error);
    }
    ph_cutoff_refresh(broker, session);
    if (session->cut != PH_REASON_NONE) {
        return refuse_cut_off(session, reason, error);
    }
    subject->standing = (struct ph_standing){
        .identity = &session->identity, .role = session->role, .quarantined = session->quarantined};
    return PH_OK;
}

/* ---- topics ---- */

/* The source of a retained message has no address: it was published once. Of what has one, only the
 * connection that the identity has now publishes; a WRITE for an earlier one is for its will. */
static enum ph_action action_of(const struct ph_access *access, bool current)
{
    switch (access->type) {
    case PH_ACCESS_READ:
        return PH_ACTION_RECEIVE;
    case PH_ACCESS_SUBSCRIBE:
        return PH_ACTION_SUBSCRIBE;
    case PH_ACCESS_WRITE:
        break;
    }
    return current || !access->has_address ? PH_ACTION_PUBLISH : PH_ACTION_WILL;
}

enum ph_action ph_broker_action(const struct ph_broker *broker, const struct ph_access *access)
{
    bool current = false;
    (void)find_session(broker, access->client, access->user_name, &current);
    return action_of(access, current);
}

static const struct ph_filter_list *list_of(const struct ph_role *role, enum ph_action action)
{
    switch (action) {
    case PH_ACTION_PUBLISH:
        return &role->publish;
    case PH_ACTION_WILL:
        return &role->will;
    case PH_ACTION_SUBSCRIBE:
        return &role->subscribe;
    case PH_ACTION_RECEIVE:
        break;
    }
    return role->receive.count > 0 ? &role->receive : &role->subscribe;
}

/* Records the first use of a grant, so that a new policy can be tried on what was done. */
static void note_use(struct ph_broker *broker, struct ph_session *session, enum ph_action action,
    const char *template)
{
    const struct ph_filter_list *list = list_of(session->role, action);
    size_t i = 0;
    while (i < list->count && list->filters[i] != template) {
        i++;
    }
    uint64_t bit = UINT64_C(1) << (i % 64);
    uint64_t *used = &ph_sessions_of_identity(broker->sessions, session)->used[action];
    if (session->recorded && (*used & bit) == 0) {
        *used |= bit;
        ph_audit(broker->audit, broker->now_ms, "use",
            PH_STR("identity", strchrnul(session->user_name, ':') + 1),
            PH_STR("role", session->role->name), PH_STR("action", ph_action_name(action)),
            PH_STR("template", template));
    }
}

/* A refusal of something that a connected or known client tried. */
struct denial {
    const char *event;
    const char *user_name;
    const char *action;
    const char *topic;
    enum ph_reason reason;
};

static void record(
    struct ph_broker *broker, const struct denial *denial, const struct ph_error *error)
{
    int64_t suppressed = 0;
    if (!ph_broker_may_record(broker, denial->user_name, true, &suppressed)) {
        return;
    }
    const char *user_name = denial->user_name != NULL ? denial->user_name : "";
    const char *colon = strchr(user_name, ':');
    ph_log(PH_LOG_WARNING, "access refused", PH_STR("user", denial->user_name),
        PH_STR("action", denial->action), PH_INT("suppressed", suppressed),
        PH_STR("reason", error->message), PH_STR("topic", denial->topic));
    ph_audit(broker->audit, broker->now_ms, denial->event,
        PH_STR("identity", colon != NULL ? colon + 1 : user_name), PH_STR("action", denial->action),
        PH_STR("topic", denial->topic), PH_STR("reason", ph_reason_name(denial->reason)),
        PH_STR("message", error->message), PH_INT("suppressed", suppressed));
}

static enum ph_reason decide_access(struct ph_broker *broker, const struct ph_access *access,
    struct subject *subject, enum ph_action action, struct ph_error *error)
{
    enum ph_reason reason = PH_REASON_NONE;
    if (find_standing(broker, access->user_name, subject, &reason, error) != PH_OK) {
        return reason;
    }
    const char *template =
        ph_authz_allows(broker->state->policy, &subject->standing, action, access->topic);
    if (template == NULL) {
        return ph_authz_refusal(&subject->standing, action, access->topic, error);
    }
    if (subject->session != NULL) {
        note_use(broker, subject->session, action, template);
    }
    return PH_REASON_NONE;
}

/* Apart, so that what passes does not pay for a sentence about what does not. */
static void deny_access(struct ph_broker *broker, const struct ph_access *access,
    struct subject *subject, enum ph_action action)
{
    struct ph_error error = {0};
    const struct denial denial = {.event = "deny",
        .user_name = access->user_name,
        .action = ph_action_name(action),
        .topic = access->topic,
        .reason = decide_access(broker, access, subject, action, &error)};
    broker->metrics.denied[denial.reason]++;
    record(broker, &denial, &error);
}

/* What it was allowed last, under this very state. */
static bool is_last_publish(
    const struct ph_broker *broker, const struct ph_session *session, const char *topic)
{
    return session->last_topic_stands && session->generation == broker->metrics.generation &&
           session->cut == PH_REASON_NONE && topic != NULL &&
           strcmp(session->last_topic, topic) == 0;
}

bool ph_broker_access(struct ph_broker *broker, const struct ph_access *access)
{
    struct subject subject;
    subject.session = find_session(broker, access->client, access->user_name, &subject.current);
    enum ph_action action = action_of(access, subject.current);
    bool publishes = action == PH_ACTION_PUBLISH && subject.current;
    if (publishes && is_last_publish(broker, subject.session, access->topic)) {
        return true;
    }
    if (decide_access(broker, access, &subject, action, NULL) == PH_REASON_NONE) {
        if (publishes) {
            subject.session->last_topic_stands = ph_text_copy(
                subject.session->last_topic, sizeof subject.session->last_topic, access->topic);
        }
        return true;
    }
    deny_access(broker, access, &subject, action);
    return false;
}

/* ---- messages ---- */

static uint32_t burst_of(const struct ph_role_limits *limits)
{
    return limits->message_burst > 0 && limits->messages_per_second > 0
               ? limits->message_burst
               : limits->messages_per_second;
}

/* The tighter of two limits, where 0 is none. */
static uint32_t tighter(uint32_t a, uint32_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* Those of the role; in quarantine the tighter one of each of the role's and the quarantine's. */
static struct ph_role_limits limits_of(
    const struct ph_broker *broker, const struct ph_standing *standing)
{
    struct ph_role_limits limits = standing->role->limits;
    const struct ph_role *quarantine =
        standing->quarantined ? broker->state->policy->quarantine : NULL;
    limits.message_burst = burst_of(&limits);
    if (quarantine != NULL) {
        const struct ph_role_limits *other = &quarantine->limits;
        limits.payload_bytes = tighter(limits.payload_bytes, other->payload_bytes);
        limits.messages_per_second =
            tighter(limits.messages_per_second, other->messages_per_second);
        limits.message_burst = tighter(limits.message_burst, burst_of(other));
        limits.bytes_per_second = tighter(limits.bytes_per_second, other->bytes_per_second);
        limits.over = other->over == PH_OVER_DISCONNECT ? other->over : limits.over;
    }
    return limits;
}

static enum ph_reason check_rates(struct ph_broker *broker, struct subject *subject,
    const struct ph_role_limits *limits, size_t payload_bytes, struct ph_error *error)
{
    struct ph_session *counted = ph_sessions_of_identity(broker->sessions, subject->session);
    const char *role = subject->standing.role->name;
    if (!ph_bucket_take(&counted->messages, limits->messages_per_second, limits->message_burst, 1,
            broker->now_monotonic_ms)) {
        (void)ph_error_set(error, PH_ERR_LIMIT,
            "role \"%s\"%s: messages_per_second: more than %u a second", role,
            subject->standing.quarantined ? " in quarantine" : "", limits->messages_per_second);
        return PH_REASON_MESSAGE_RATE;
    }
    if (!ph_bucket_take(&counted->bytes, limits->bytes_per_second,
            UINT64_C(10) * limits->bytes_per_second, payload_bytes, broker->now_monotonic_ms)) {
        (void)ph_error_set(error, PH_ERR_LIMIT,
            "role \"%s\"%s: bytes_per_second: more than %u a second", role,
            subject->standing.quarantined ? " in quarantine" : "", limits->bytes_per_second);
        return PH_REASON_BYTE_RATE;
    }
    return PH_REASON_NONE;
}

static enum ph_reason check_limits(struct ph_broker *broker, struct subject *subject,
    const struct ph_publish *publish, struct ph_error *error)
{
    const struct ph_standing *standing = &subject->standing;
    const struct ph_role_limits limits = limits_of(broker, standing);
    if (limits.payload_bytes > 0 && publish->payload_bytes > limits.payload_bytes) {
        (void)ph_error_set(error, PH_ERR_LIMIT,
            "role \"%s\"%s: payload_bytes: want at most %u, have %zu", standing->role->name,
            standing->quarantined ? " in quarantine" : "", limits.payload_bytes,
            publish->payload_bytes);
        return PH_REASON_PAYLOAD;
    }
    enum ph_reason reason = PH_REASON_NONE;
    if (subject->current) {
        reason = check_rates(broker, subject, &limits, publish->payload_bytes, error);
        if (reason != PH_REASON_NONE && limits.over == PH_OVER_DISCONNECT) {
            ph_cutoff_queue(broker, subject->session, standing->role, reason);
        }
    }
    return reason;
}

static enum ph_reason check_message(struct ph_broker *broker, struct subject *subject,
    const struct ph_publish *publish, struct ph_error *error)
{
    enum ph_reason reason = PH_REASON_NONE;
    if (publish->reserved_property != NULL) {
        (void)ph_error_set(error, PH_ERR_DENIED,
            "user property \"%.64s\": names with \"ph-\" are the broker's; choose another",
            publish->reserved_property);
        return PH_REASON_RESERVED_PROPERTY;
    }
    if (find_standing(broker, publish->user_name, subject, &reason, error) != PH_OK) {
        return reason;
    }
    return check_limits(broker, subject, publish, error);
}

bool ph_broker_message(
    struct ph_broker *broker, const struct ph_publish *publish, struct ph_provenance *provenance)
{
    struct subject subject;
    struct ph_error *error = &broker->error;
    ph_error_clear(error);
    *provenance = (struct ph_provenance){0};
    subject.session = find_session(broker, publish->client, publish->user_name, &subject.current);
    enum ph_reason reason = check_message(broker, &subject, publish, error);
    if (reason != PH_REASON_NONE) {
        bool rate = reason == PH_REASON_MESSAGE_RATE || reason == PH_REASON_BYTE_RATE;
        const struct denial denial = {.event = rate ? "limit" : "deny",
            .user_name = publish->user_name,
            .action = ph_action_name(PH_ACTION_PUBLISH),
            .topic = publish->topic,
            .reason = reason};
        broker->metrics.denied[reason]++;
        record(broker, &denial, error);
        return false;
    }
    if (subject.current && subject.standing.role->provenance) {
        *provenance = (struct ph_provenance){
            .identity = strchrnul(subject.session->user_name, ':') + 1,
            .fingerprint = subject.session->fingerprint,
        };
    }
    return true;
}
