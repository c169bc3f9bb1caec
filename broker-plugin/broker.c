#include "broker-plugin/broker.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "broker-plugin/audit.h"
#include "broker-plugin/authz.h"
#include "broker-plugin/broker_conf.h"

#define LOOK_INTERVAL_MS  1000
#define RETRY_INTERVAL_MS 60000

struct ph_broker {
    char *policy_file;
    char *broker_config;
    struct ph_state *state;
    struct ph_audit audit;
    bool reloading;            /* between RELOAD and the next TICK */
    const void *last_admitted; /* the connection of the last CONNECT that was let in */
    char last_client_id[PH_LIMIT_CLIENT_ID_BYTES + 1];
    const void *last_ended; /* the connection of the last DISCONNECT */
    int64_t look_at_ms;     /* monotonic: when to look at the files next */
    int64_t retry_at_ms;    /* monotonic: when to try a bad file again; 0: none is bad */
};

/* ---- configuration of the broker ---- */

static enum ph_err check_config(const char *path, struct ph_error *error)
{
    struct ph_findings *findings = calloc(1, sizeof *findings);
    if (findings == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
    }
    enum ph_err err = ph_broker_conf_check(path, findings, error);
    for (size_t i = 0; err == PH_OK && i < findings->count; i++) {
        ph_log(
            PH_LOG_ERROR, "broker configuration is unsafe", PH_STR("finding", findings->text[i]));
    }
    if (err == PH_OK && findings->count > 0) {
        err = ph_error_set(error, PH_ERR_CONFIG, "%s (%zu findings in all)", findings->text[0],
            findings->count + findings->left_out);
    }
    free(findings);
    return err;
}

static void warn_expired(const struct ph_state *state, int64_t now_ms)
{
    const struct ph_anchor *anchor = ph_state_expired_anchor(state, now_ms);
    if (anchor != NULL) {
        ph_log(PH_LOG_ERROR, "a CRL has expired: nobody enters by its anchor; renew it",
            PH_STR("anchor", anchor->name));
    }
}

static enum ph_err copy_options(
    struct ph_broker *broker, const struct ph_broker_options *options, struct ph_error *error)
{
    broker->policy_file = strdup(options->policy_file);
    broker->broker_config = options->broker_config != NULL ? strdup(options->broker_config) : NULL;
    return broker->policy_file == NULL ||
                   (options->broker_config != NULL && broker->broker_config == NULL)
               ? ph_error_set(error, PH_ERR_MEMORY, "plugin: out of memory")
               : PH_OK;
}

enum ph_err ph_broker_open(const struct ph_broker_options *options, int64_t now_ms,
    struct ph_broker **out, struct ph_error *error)
{
    struct ph_broker *broker = calloc(1, sizeof *broker);
    if (broker == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "plugin: out of memory");
    }
    enum ph_err err = copy_options(broker, options, error);
    if (err == PH_OK && broker->broker_config != NULL) {
        err = check_config(broker->broker_config, error);
    }
    if (err == PH_OK) {
        err = ph_state_load(broker->policy_file, &broker->state, error);
    }
    if (err == PH_OK) {
        warn_expired(broker->state, now_ms);
        *out = broker;
        broker = NULL;
    }
    ph_broker_close(&broker);
    return err;
}

void ph_broker_close(struct ph_broker **broker)
{
    if (broker == NULL || *broker == NULL) {
        return;
    }
    ph_state_free(&(*broker)->state);
    free((*broker)->policy_file);
    free((*broker)->broker_config);
    free(*broker);
    *broker = NULL;
}

/* ---- connections ---- */

/* Who it was comes first, what the client chose last: Mosquitto cuts a line at 1000 bytes. */
static void log_refusal(struct ph_broker *broker, const struct ph_connect *connect,
    const struct ph_authn *authn, const struct ph_error *error, int64_t now_monotonic_ms)
{
    char identity[PH_IDENTITY_BYTES] = "-";
    int64_t suppressed = 0;
    if (authn->identity.device[0] != '\0') {
        ph_identity_print(identity, sizeof identity, &authn->identity);
    }
    const char *subject = authn->identity.device[0] != '\0' ? identity : connect->address;
    if (ph_audit_pass(&broker->audit, subject, now_monotonic_ms, &suppressed)) {
        ph_log(PH_LOG_WARNING, "connection refused", PH_STR("identity", identity),
            PH_STR("serial", authn->facts.serial), PH_STR("address", connect->address),
            PH_INT("suppressed", suppressed), PH_STR("reason", error->message),
            PH_STR("client_id", connect->client_id));
    }
}

enum ph_verdict ph_broker_connect(struct ph_broker *broker, const struct ph_connect *connect,
    int64_t now_ms, int64_t now_monotonic_ms, char user_name[PH_USER_NAME_BYTES])
{
    struct ph_authn authn = {.user_name = ""};
    struct ph_error error = {0};
    user_name[0] = '\0';
    if (broker->last_ended == connect->client) {
        broker->last_ended = NULL;
    }
    if (connect->certificate == NULL && broker->reloading) {
        return PH_KEEP;
    }
    enum ph_err err = ph_authn_connect(
        broker->state, connect->certificate, connect->client_id, now_ms, &authn, &error);
    if (err == PH_OK &&
        !ph_text_copy(broker->last_client_id, sizeof broker->last_client_id, connect->client_id)) {
        err = ph_error_set(
            &error, PH_ERR_LIMIT, "client id: longer than %d bytes", PH_LIMIT_CLIENT_ID_BYTES);
    }
    if (err != PH_OK) {
        log_refusal(broker, connect, &authn, &error, now_monotonic_ms);
        return PH_REFUSE;
    }
    broker->last_admitted = connect->client;
    memcpy(user_name, authn.user_name, sizeof authn.user_name);
    return PH_ADMIT;
}

void ph_broker_end(struct ph_broker *broker, const void *client)
{
    if (broker->last_admitted == client) {
        broker->last_admitted = NULL;
    }
    broker->last_ended = client;
}

/* ---- messages ---- */

/* Mosquitto 2.0.11 closes the connection before it asks for the will, 2.0.21 afterwards. */
static bool has_ended(const struct ph_broker *broker, const struct ph_access *access)
{
    return !access->has_certificate || broker->last_ended == access->client;
}

static bool is_taken_over(const struct ph_broker *broker, const struct ph_access *access)
{
    return broker->last_admitted != NULL && broker->last_admitted != access->client &&
           access->client_id != NULL && strcmp(broker->last_client_id, access->client_id) == 0;
}

enum ph_action ph_broker_action(const struct ph_broker *broker, const struct ph_access *access)
{
    switch (access->type) {
    case PH_ACCESS_READ:
        return PH_ACTION_RECEIVE;
    case PH_ACCESS_SUBSCRIBE:
        return PH_ACTION_SUBSCRIBE;
    case PH_ACCESS_WRITE:
        break;
    }
    if (!access->has_address) { /* the source of a retained message: it was published once */
        return PH_ACTION_PUBLISH;
    }
    return has_ended(broker, access) || is_taken_over(broker, access) ? PH_ACTION_WILL
                                                                      : PH_ACTION_PUBLISH;
}

static void log_denial(const char *user_name, const char *action, const char *topic,
    const char *reason, int64_t suppressed)
{
    ph_log(PH_LOG_WARNING, "access refused", PH_STR("user", user_name), PH_STR("action", action),
        PH_INT("suppressed", suppressed), PH_STR("reason", reason), PH_STR("topic", topic));
}

bool ph_broker_access(
    struct ph_broker *broker, const struct ph_access *access, int64_t now_monotonic_ms)
{
    const struct ph_policy *policy = broker->state->policy;
    enum ph_action action = ph_broker_action(broker, access);
    int64_t suppressed = 0;
    if (ph_authz_check(policy, access->user_name, action, access->topic, NULL) == PH_OK) {
        return true;
    }
    if (ph_audit_pass(&broker->audit, access->user_name, now_monotonic_ms, &suppressed)) {
        struct ph_error error = {0};
        if (ph_authz_check(policy, access->user_name, action, access->topic, &error) != PH_OK) {
            log_denial(access->user_name, ph_action_name(action), access->topic, error.message,
                suppressed);
        }
    }
    return false;
}

bool ph_broker_message(struct ph_broker *broker, const char *user_name, const char *topic,
    size_t payload_bytes, int64_t now_monotonic_ms)
{
    struct ph_error error = {0};
    int64_t suppressed = 0;
    if (ph_authz_check_payload(broker->state->policy, user_name, payload_bytes, &error) == PH_OK) {
        return true;
    }
    if (ph_audit_pass(&broker->audit, user_name, now_monotonic_ms, &suppressed)) {
        log_denial(user_name, "publish", topic, error.message, suppressed);
    }
    return false;
}

void ph_broker_reserved_property(struct ph_broker *broker, const char *user_name, const char *topic,
    const char *property, int64_t now_monotonic_ms)
{
    struct ph_error error = {0};
    int64_t suppressed = 0;
    if (ph_audit_pass(&broker->audit, user_name, now_monotonic_ms, &suppressed)) {
        ph_error_set(&error, PH_ERR_DENIED,
            "user property \"%.64s\": names with \"ph-\" are the broker's; choose another",
            property);
        log_denial(user_name, "publish", topic, error.message, suppressed);
    }
}

/* ---- reload ---- */

static void load_aside(struct ph_broker *broker, int64_t now_ms, int64_t now_monotonic_ms)
{
    struct ph_state *fresh = NULL;
    struct ph_error error = {0};
    if (ph_state_load(broker->policy_file, &fresh, &error) != PH_OK) {
        broker->retry_at_ms = now_monotonic_ms + RETRY_INTERVAL_MS;
        ph_log_error(PH_LOG_ERROR, "policy not reloaded: the last good one stays in force", &error);
        return;
    }
    ph_state_free(&broker->state);
    broker->state = fresh;
    broker->retry_at_ms = 0;
    warn_expired(fresh, now_ms);
    ph_log(PH_LOG_INFO, "policy reloaded", PH_STR("file", broker->policy_file),
        PH_INT("anchors", fresh->policy->anchor_count), PH_INT("roles", fresh->policy->role_count));
}

static void recheck_config(const struct ph_broker *broker)
{
    struct ph_error error = {0};
    if (broker->broker_config != NULL && check_config(broker->broker_config, &error) != PH_OK) {
        ph_log_error(PH_LOG_ERROR,
            "the reloaded broker configuration would not be accepted at a start", &error);
    }
}

void ph_broker_reload(struct ph_broker *broker, int64_t now_ms, int64_t now_monotonic_ms)
{
    broker->reloading = true;
    load_aside(broker, now_ms, now_monotonic_ms);
    recheck_config(broker);
}

void ph_broker_tick(struct ph_broker *broker, int64_t now_ms, int64_t now_monotonic_ms)
{
    broker->reloading = false;
    if (now_monotonic_ms < broker->look_at_ms) {
        return;
    }
    broker->look_at_ms = now_monotonic_ms + LOOK_INTERVAL_MS;
    bool retry = broker->retry_at_ms != 0 && now_monotonic_ms >= broker->retry_at_ms;
    if (ph_state_changed(broker->state) || retry) {
        load_aside(broker, now_ms, now_monotonic_ms);
    }
}
