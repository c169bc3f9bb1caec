#include <string.h>

#include "base/file.h"
#include "device/life_internal.h"

enum { LIMIT_BURST = 10, LIMIT_MS = 10000 };

/* ---- the port of the link to the registrar ---- */

static enum ph_err subscribe(void *context, const char *filter, int *token, struct ph_error *error)
{
    struct ph_life *life = context;
    return ph_mqtt_subscribe(life->connection.mqtt, filter, 1, token, error);
}

static enum ph_err publish(void *context, const char *topic, const void *payload, size_t len,
    int *token, struct ph_error *error)
{
    struct ph_life *life = context;
    return ph_mqtt_publish(life->connection.mqtt, topic, payload, len, 1, false, token, error);
}

/* ---- who it is ---- */

static enum ph_err load_claim(struct ph_life *life, struct ph_error *error)
{
    struct ph_self claim = {0};
    const struct ph_claim_section *section = life->config->claim;
    enum ph_err err = ph_self_load(&claim, section->certificate, section->key, error);
    if (err == PH_OK && strcmp(claim.identity.kind, "claim") != 0) {
        err = ph_error_set(error, PH_ERR_DENIED,
            "%s: certificate of %s: not a claim's, want \"claim\" as its kind (OU)",
            section->certificate, claim.name);
    }
    if (err == PH_OK) {
        err = ph_claim_topics_make(
            &life->config->topics, &claim.identity, &life->claim_topics, error);
    }
    if (err == PH_OK) {
        life->claim = claim;
    }
    return err;
}

/* The device's own pair: halves count as none, since a claim can mend that. */
static bool has_pair(const struct ph_life *life)
{
    return ph_path_exists(life->config->broker.certificate) &&
           ph_path_exists(life->config->broker.key);
}

static enum ph_err load_self(struct ph_life *life, struct ph_error *error)
{
    const struct ph_broker_section *broker = &life->config->broker;
    enum ph_err err = ph_self_load(&life->self, broker->certificate, broker->key, error);
    return err == PH_OK ? ph_device_topics_make(
                              &life->config->topics, &life->self.identity, &life->topics, error)
                        : err;
}

enum ph_err ph_life_use(struct ph_life *life, struct ph_error *error)
{
    enum ph_err err = load_self(life, error);
    if (err == PH_OK) {
        ph_renewal_use(&life->renewal, life->self.not_before_ms, life->self.not_after_ms,
            ph_slots_have(&life->slots, PH_SLOT_NEXT));
    }
    return err;
}

/* A process that was killed while it enrolled may have left a whole next pair and no other. What
 * cannot be repaired (a read-only disk) is left as it is. */
static enum ph_err repair_slots(struct ph_life *life, struct ph_error *error)
{
    struct ph_error why = {0};
    const struct ph_broker_section *broker = &life->config->broker;
    enum ph_err err =
        ph_slots_open(&life->slots, broker->certificate, broker->key, broker->ca, &why);
    if (err == PH_ERR_LIMIT) {
        return ph_error_set(error, err, "%s", why.message);
    }
    if (err == PH_OK && !has_pair(life) && ph_slots_have(&life->slots, PH_SLOT_NEXT)) {
        err = ph_slots_promote(&life->slots, &why);
    }
    if (err != PH_OK) {
        ph_log_error(PH_LOG_WARNING, "certificate slots not repaired", &why);
    }
    return PH_OK;
}

static void init_renewal(struct ph_life *life)
{
    const struct ph_renewal_section *section = &life->config->renewal;
    const struct ph_renewal_options options = {
        .enabled = *section->enabled,
        .at = section->at,
        .jitter = section->jitter,
        .retry_min_ms = section->retry_min_ms,
        .retry_max_ms = section->retry_max_ms,
        .answer_ms = section->answer_ms,
        .state_interval_ms = section->state_interval_ms,
        .trials = (int)section->trials,
        .seed = ph_self_seed(ph_life_known(life) ? &life->self : &life->claim),
    };
    ph_renewal_init(&life->renewal, &options);
    if (ph_life_known(life)) {
        ph_renewal_use(&life->renewal, life->self.not_before_ms, life->self.not_after_ms,
            ph_slots_have(&life->slots, PH_SLOT_NEXT));
    }
}

/* A claim that cannot be used is an error only where it is needed. */
static enum ph_err load(struct ph_life *life, const struct ph_moment *shown, struct ph_error *error)
{
    struct ph_error why = {0};
    bool claim = life->config->claim != NULL && load_claim(life, &why) == PH_OK;
    if (!has_pair(life) && life->config->claim != NULL) {
        life->floor_ms = life->claim.not_before_ms;
        return claim ? PH_OK : ph_error_set(error, why.code, "%s", why.message);
    }
    enum ph_err err = load_self(life, error);
    if (err != PH_OK) {
        return err;
    }
    life->floor_ms = life->self.not_before_ms;
    struct ph_moment now = ph_life_moment(life, shown);
    if (why.code != PH_OK) {
        ph_log_error(PH_LOG_WARNING, "claim not usable", &why);
    }
    bool next = *life->config->renewal.enabled && ph_slots_have(&life->slots, PH_SLOT_NEXT);
    return claim || next ? PH_OK : ph_self_check(&life->self, &now, error);
}

static void init(struct ph_life *life, const struct ph_device_config *config)
{
    const struct ph_registrar_port port = {subscribe, publish, life};
    *life = (struct ph_life){
        .config = config,
        .time_backoff = {config->renewal.retry_min_ms, config->renewal.retry_max_ms, 0},
        .limit = {.interval_ms = LIMIT_MS, .burst = LIMIT_BURST},
    };
    ph_connection_init(&life->connection, config);
    ph_registrar_link_init(&life->link, &port, config->renewal.retry_max_ms);
}

enum ph_err ph_life_open(struct ph_life *life, const struct ph_device_config *config, bool repair,
    const struct ph_moment *shown, struct ph_error *error)
{
    init(life, config);
    enum ph_err err = repair ? repair_slots(life, error) : PH_OK;
    if (err == PH_OK) {
        err = load(life, shown, error);
    }
    if (err != PH_OK) {
        return err;
    }
    if (life->claim.name[0] != '\0') {
        ph_enroll_init(&life->enroll, config->claim, &life->slots, &life->self, &config->renewal);
    }
    init_renewal(life);
    struct ph_moment now = ph_life_moment(life, shown);
    life->was_known = now.known;
    life->connection.failures = now.known ? 0 : ph_purpose_patience(false);
    return PH_OK;
}
