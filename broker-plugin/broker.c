#include "broker-plugin/broker.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "broker-plugin/broker_conf.h"
#include "broker-plugin/broker_inside.h"

#define LOOK_INTERVAL_MS    1000
#define SWEEP_INTERVAL_MS   60000
#define METRICS_INTERVAL_MS 15000
#define HEAD_INTERVAL_MS    3600000

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
        size_t count = findings->count + findings->left_out;
        err = ph_error_set(error, PH_ERR_CONFIG, "%s (%zu finding%s in all)", findings->text[0],
            count, count == 1 ? "" : "s");
    }
    free(findings);
    return err;
}

/* ---- life ---- */

static enum ph_err copy_text(char **out, const char *text, struct ph_error *error)
{
    *out = text != NULL ? strdup(text) : NULL;
    return text == NULL || *out != NULL
               ? PH_OK
               : ph_error_set(error, PH_ERR_MEMORY, "plugin: out of memory");
}

static enum ph_err copy_options(
    struct ph_broker *broker, const struct ph_broker_options *options, struct ph_error *error)
{
    enum ph_err err = copy_text(&broker->policy_file, options->policy_file, error);
    if (err == PH_OK) {
        err = copy_text(&broker->broker_config, options->broker_config, error);
    }
    return err == PH_OK ? copy_text(&broker->metrics_file, options->metrics_file, error) : err;
}

static enum ph_err make_tables(struct ph_broker *broker, struct ph_error *error)
{
    broker->deadline_ms = INT64_MAX;
    broker->metrics.generation = 1;
    broker->metrics.reload_good = true;
    broker->sessions = ph_sessions_new();
    broker->ladder = ph_ladder_new();
    return broker->sessions != NULL && broker->ladder != NULL
               ? PH_OK
               : ph_error_set(error, PH_ERR_MEMORY, "plugin: out of memory");
}

static enum ph_err load_first(struct ph_broker *broker, struct ph_error *error)
{
    struct ph_state_report report = {.problem_count = 0};
    enum ph_err err = ph_state_load(broker->policy_file, NULL, &broker->state, &report, error);
    return err == PH_OK
               ? ph_loader_start(broker->policy_file, broker->state, &broker->loader, error)
               : err;
}

enum ph_err ph_broker_open(const struct ph_broker_options *options,
    const struct ph_broker_host *host, int64_t now_ms, struct ph_broker **out,
    struct ph_error *error)
{
    struct ph_broker *broker = calloc(1, sizeof *broker);
    if (broker == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "plugin: out of memory");
    }
    broker->host = *host;
    broker->now_ms = now_ms;
    enum ph_err err = copy_options(broker, options, error);
    if (err == PH_OK && broker->broker_config != NULL) {
        err = check_config(broker->broker_config, error);
    }
    if (err == PH_OK) {
        err = make_tables(broker, error);
    }
    if (err == PH_OK) {
        err = ph_audit_open(options->audit_file, now_ms, &broker->audit, error);
    }
    if (err == PH_OK) {
        err = load_first(broker, error);
    }
    if (err == PH_OK) {
        ph_audit(broker->audit, now_ms, "start", PH_STR("policy", broker->policy_file));
        ph_record_crls(broker);
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
    struct ph_broker *old = *broker;
    ph_loader_stop(&old->loader);
    if (old->audit != NULL && old->state != NULL) {
        ph_audit(old->audit, old->now_ms, "stop", PH_STR("policy", old->policy_file));
        ph_record_head(old);
    }
    ph_audit_close(&old->audit);
    ph_sessions_free(&old->sessions);
    ph_cutoff_forget_names(old);
    ph_ladder_free(&old->ladder);
    ph_state_free(&old->before);
    ph_state_free(&old->state);
    free(old->policy_file);
    free(old->broker_config);
    free(old->metrics_file);
    free(old);
    *broker = NULL;
}

struct ph_metrics *ph_broker_metrics(struct ph_broker *broker)
{
    return &broker->metrics;
}

/* ---- connections ---- */

/* Where the entry will be called off by time alone. */
static void note_deadline(struct ph_broker *broker, const struct ph_session *session)
{
    const struct ph_trust *trust = ph_state_trust(broker->state, session->identity.anchor);
    int64_t deadline_ms =
        trust != NULL ? ph_trust_deadline_ms(trust, &session->voucher) : INT64_MIN;
    if (deadline_ms < broker->deadline_ms) {
        broker->deadline_ms = deadline_ms;
    }
    if (deadline_ms < broker->sweep.deadline_ms) {
        broker->sweep.deadline_ms = deadline_ms;
    }
}

/* The broker ends an older connection for a newer one with the same client id. One with another
 * would stay, and no entry would tell of it. */
static bool has_other_id(const struct ph_session *old, const struct ph_connect *connect)
{
    return old != NULL && old->client != NULL && old->client != connect->client &&
           strcmp(old->client_id, connect->client_id) != 0;
}

static enum ph_err refuse_for_memory(struct ph_authn *authn, struct ph_error *error)
{
    authn->reason = PH_REASON_INTERNAL;
    return ph_error_set(error, PH_ERR_MEMORY, "connection: out of memory");
}

static enum ph_err refuse_another(struct ph_authn *authn, struct ph_error *error)
{
    authn->reason = PH_REASON_CONNECTIONS;
    return ph_error_set(error, PH_ERR_DENIED,
        "connection: this identity has %d at once, the most there may be; try again when some have "
        "ended",
        PH_LIMIT_SHARED_CONNECTIONS);
}

static enum ph_err admit(struct ph_broker *broker, const struct ph_connect *connect,
    struct ph_authn *authn, struct ph_error *error)
{
    struct ph_session *old = ph_sessions_by_name(broker->sessions, authn->user_name);
    if (old != NULL && old->connections >= PH_LIMIT_SHARED_CONNECTIONS) {
        return refuse_another(authn, error);
    }
    if (has_other_id(old, connect) && !ph_cutoff_queue_name(broker, old->user_name)) {
        return refuse_for_memory(authn, error);
    }
    struct ph_session *session =
        ph_sessions_enter(broker->sessions, connect->client, connect->client_id, authn);
    if (session == NULL) {
        return refuse_for_memory(authn, error);
    }
    session->generation = broker->metrics.generation;
    ph_sessions_of_identity(broker->sessions, session)->generation = session->generation;
    note_deadline(broker, session);
    ph_record_admission(broker, connect, session);
    return PH_OK;
}

/* What the entry of an identity says of the certificate that it came with last. */
static bool find_known(void *context, const struct ph_identity *identity, struct ph_known *out)
{
    const struct ph_broker *broker = context;
    char name[PH_USER_NAME_BYTES];
    ph_user_name_print(name, sizeof name, "", identity);
    const struct ph_session *session = ph_sessions_by_name(broker->sessions, name);
    if (session == NULL || session->cut != PH_REASON_NONE) {
        return false;
    }
    *out = (struct ph_known){.fingerprint = session->fingerprint,
        .voucher = &session->voucher,
        .trust_id = session->trust_id,
        .verified_ms = session->verified_ms};
    return true;
}

enum ph_verdict ph_broker_connect(struct ph_broker *broker, const struct ph_connect *connect,
    int64_t now_ms, int64_t now_monotonic_ms, char user_name[PH_USER_NAME_BYTES])
{
    struct ph_authn authn = {.user_name = ""};
    struct ph_error error = {0};
    user_name[0] = '\0';
    broker->now_ms = now_ms;
    broker->now_monotonic_ms = now_monotonic_ms;
    if (broker->reloading &&
        (connect->certificate == NULL ||
            ph_sessions_by_client(broker->sessions, connect->client) != NULL)) {
        return PH_KEEP;
    }
    const struct ph_memory memory = {.find = find_known, .context = broker};
    enum ph_err err = ph_authn_connect(
        broker->state, connect->certificate, connect->client_id, now_ms, &memory, &authn, &error);
    if (err == PH_OK) {
        err = admit(broker, connect, &authn, &error);
    }
    if (err != PH_OK) {
        ph_record_refusal(broker, connect, &authn, &error);
        return PH_REFUSE;
    }
    memcpy(user_name, authn.user_name, sizeof authn.user_name);
    return PH_ADMIT;
}

void ph_broker_end(struct ph_broker *broker, const void *client)
{
    const struct ph_session *session = ph_sessions_by_client(broker->sessions, client);
    if (session != NULL && session->recorded) {
        ph_audit(broker->audit, broker->now_ms, "disconnect",
            PH_STR("identity", strchrnul(session->user_name, ':') + 1));
    }
    (void)ph_sessions_leave(broker->sessions, client, broker->now_monotonic_ms);
}

/* ---- reload ---- */

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
    broker->now_ms = now_ms;
    broker->now_monotonic_ms = now_monotonic_ms;
    broker->reloading = true;
    ph_loader_look(broker->loader, true, now_monotonic_ms);
    ph_audit_reopen(broker->audit);
    recheck_config(broker);
}

static void put_in_force(struct ph_broker *broker, const struct ph_load *load)
{
    broker->before = broker->state;
    broker->state = load->state;
    broker->metrics.generation++;
    broker->metrics.reloads++;
    broker->metrics.reloaded_ms = broker->now_ms;
    broker->metrics.reload_good = load->report.problem_count == 0;
    ph_record_reload(broker, load);
    ph_record_crls(broker);
    ph_cutoff_sweep(broker);
}

/* Not while sessions still have roles from the state before the present one. */
static void take_load(struct ph_broker *broker)
{
    struct ph_load load;
    if (broker->before != NULL || !ph_loader_take(broker->loader, &load)) {
        return;
    }
    for (size_t i = 0; i < load.report.problem_count && i < PH_STATE_PROBLEMS_MAX; i++) {
        ph_record_fault(broker, &load.report.problems[i]);
    }
    if (load.state != NULL) {
        put_in_force(broker, &load);
    } else if (load.error.code != PH_OK) {
        ph_record_fault(broker, &load.error);
    }
}

/* ---- tick ---- */

static bool is_due(struct ph_broker *broker, int64_t *at_ms, int64_t interval_ms)
{
    if (broker->now_monotonic_ms < *at_ms) {
        return false;
    }
    *at_ms = broker->now_monotonic_ms + interval_ms;
    return true;
}

static void every_second(struct ph_broker *broker)
{
    ph_loader_look(broker->loader, false, broker->now_monotonic_ms);
    ph_record_crls(broker);
    ph_audit_reopen(broker->audit);
    ph_record_problems(broker);
    if (broker->metrics_file != NULL &&
        is_due(broker, &broker->metrics_at_ms, METRICS_INTERVAL_MS)) {
        ph_broker_store_metrics(broker);
    }
    if (is_due(broker, &broker->head_at_ms, HEAD_INTERVAL_MS)) {
        ph_record_head(broker);
    }
    bool due = is_due(broker, &broker->sweep_at_ms, SWEEP_INTERVAL_MS);
    if (!broker->sweep.active && (due || broker->now_ms >= broker->deadline_ms)) {
        ph_cutoff_sweep(broker);
    }
}

void ph_broker_tick(struct ph_broker *broker, int64_t now_ms, int64_t now_monotonic_ms)
{
    broker->reloading = false;
    broker->now_ms = now_ms;
    broker->now_monotonic_ms = now_monotonic_ms;
    take_load(broker);
    if (is_due(broker, &broker->look_at_ms, LOOK_INTERVAL_MS)) {
        every_second(broker);
    }
    ph_cutoff_tick(broker);
}
