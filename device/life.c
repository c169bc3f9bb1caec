#include "device/life.h"

#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "base/text.h"
#include "device/life_internal.h"

bool ph_life_known(const struct ph_life *life)
{
    return life->self.name[0] != '\0';
}

struct ph_moment ph_life_moment(struct ph_life *life, const struct ph_moment *shown)
{
    return ph_timekeeper_moment(&life->timekeeper, shown, life->floor_ms);
}

static struct ph_purpose_facts facts_of(const struct ph_life *life, const struct ph_moment *now)
{
    return (struct ph_purpose_facts){
        .certificate = ph_life_known(life),
        .expired = ph_self_expired(&life->self, now),
        .next = life->renewal.options.enabled && life->renewal.have_next,
        .on_next = life->renewal.on_next,
        .claim = life->claim.name[0] != '\0',
        .renewal = life->renewal.options.enabled,
        .known = now->known,
        .failures = life->connection.failures,
        .stranded = life->stranded,
        .refusals = life->refusals,
    };
}

static struct ph_purpose decide(const struct ph_life *life, const struct ph_moment *now)
{
    const struct ph_purpose_facts facts = facts_of(life, now);
    return ph_purpose_decide(&facts);
}

static void draw_id(char out[PH_ASK_ID_BYTES])
{
    uint8_t bytes[(PH_ASK_ID_BYTES - 1) / 2];
    ph_random_bytes(bytes, sizeof bytes);
    ph_hex_encode(out, bytes, sizeof bytes);
}

/* Others who hold the claim can see the id of the questions: the client id, with which they could
 * end the connection, is another. */
static void new_claim_ids(struct ph_life *life, char *client_id, size_t size)
{
    char suffix[PH_ASK_ID_BYTES];
    draw_id(life->enroll.id);
    draw_id(suffix);
    (void)snprintf(client_id, size, "%s/%.16s", life->claim.name, suffix);
}

static enum ph_err make(struct ph_life *life, const struct ph_moment *now, struct ph_error *error)
{
    char client_id[PH_IDENTITY_BYTES + PH_ASK_ID_BYTES];
    const struct ph_purpose *purpose = &life->connection.purpose;
    enum ph_slot slot = purpose->next ? PH_SLOT_NEXT : PH_SLOT_CURRENT;
    struct ph_connection_as as = {
        .client_id = life->self.name,
        .certificate = life->slots.certificate[slot],
        .key = life->slots.key[slot],
    };
    if (purpose->claim) {
        new_claim_ids(life, client_id, sizeof client_id);
        as = (struct ph_connection_as){
            .client_id = client_id, .certificate = life->claim.certificate, .key = life->claim.key};
    } else if (!purpose->time_only) {
        as.will_topic = life->topics.name[PH_TOPIC_STATUS];
        as.will = life->will;
    }
    life->outdated = false;
    life->anew = false;
    enum ph_err err = ph_timekeeper_tls(&life->timekeeper, now, purpose->time_only, error);
    return err == PH_OK ? ph_connection_make(&life->connection, &as, now->monotonic_ms, error)
                        : err;
}

enum ph_err ph_life_start(struct ph_life *life, const struct ph_moment *now, struct ph_error *error)
{
    life->connection.purpose = decide(life, now);
    return make(life, now, error);
}

struct ph_mqtt *ph_life_mqtt(const struct ph_life *life)
{
    return life->connection.mqtt;
}

struct ph_mqtt *ph_life_telemetry(const struct ph_life *life)
{
    return ph_connection_is_telemetry(&life->connection) ? life->connection.mqtt : NULL;
}

static void open_link(struct ph_life *life, const struct ph_moment *now)
{
    char answers[PH_LIMIT_TOPIC_BYTES + 1 + PH_TOPIC_ID_BYTES];
    if (life->connection.purpose.claim) {
        (void)snprintf(answers, sizeof answers, "%s/%s", life->claim_topics.name[PH_TOPIC_ENROLLED],
            life->enroll.id);
        ph_registrar_link_open(
            &life->link, life->claim_topics.name[PH_TOPIC_ENROLL], answers, now->monotonic_ms);
    } else if (life->renewal.options.enabled) {
        ph_registrar_link_open(&life->link, life->topics.name[PH_TOPIC_RENEW],
            life->topics.name[PH_TOPIC_CERTIFICATE], now->monotonic_ms);
    }
}

/* Under a claim that only stands in for the device one question is asked, at once. */
static void count_connected(struct ph_life *life, const struct ph_moment *now)
{
    const struct ph_purpose_facts facts = facts_of(life, now);
    bool claim = life->connection.purpose.claim;
    life->guest = claim && !ph_purpose_stranded(&facts);
    if (claim) {
        life->stranded = 0;
    } else {
        life->refusals = 0;
    }
    if (life->guest) {
        life->enroll.next_ms = now->monotonic_ms;
    }
}

/* An attempt by the claim counts where it was one on behalf of the device. */
static void count_lost(
    struct ph_life *life, const struct ph_mqtt_event *event, const struct ph_moment *now)
{
    const struct ph_purpose_facts facts = facts_of(life, now);
    if (life->connection.purpose.claim ? !ph_purpose_stranded(&facts)
                                       : event->type == PH_MQTT_REFUSED) {
        life->refusals++;
    }
    life->stranded += ph_self_expired(&life->self, now) ? 1 : 0;
}

static void on_connected(struct ph_life *life, const struct ph_moment *now)
{
    ph_timekeeper_forget(&life->timekeeper);
    if (life->connection.purpose.time_only || !now->known) {
        life->time_ms = now->monotonic_ms;
    }
    count_connected(life, now);
    life->give_up_ms = now->monotonic_ms + life->config->renewal.answer_ms;
    life->asked = PH_RENEWAL_REST;
    open_link(life, now);
    if (ph_life_telemetry(life) != NULL) {
        ph_renewal_connected(&life->renewal, now);
    } else {
        ph_log(PH_LOG_INFO,
            life->connection.purpose.time_only ? "connected, to ask what time it is"
                                               : "connected, to enrol",
            PH_STR("as", life->connection.purpose.claim ? life->claim.name : life->self.name));
    }
}

/* An operator may have put another certificate into the place of one that has expired. */
static void look_again(struct ph_life *life, const struct ph_moment *now)
{
    struct ph_self self = {0};
    struct ph_error error = {0};
    const struct ph_broker_section *broker = &life->config->broker;
    if (!ph_self_expired(&life->self, now)) {
        return;
    }
    bool replaced = ph_self_load(&self, broker->certificate, broker->key, &error) == PH_OK &&
                    !ph_self_expired(&self, now) && strcmp(self.name, life->self.name) == 0;
    if (replaced && ph_life_use(life, &error) == PH_OK) {
        ph_log(PH_LOG_INFO, "own certificate was replaced", PH_STR("file", broker->certificate));
    } else {
        ph_self_say_expired(&life->self, now);
    }
}

static void on_lost(
    struct ph_life *life, const struct ph_mqtt_event *event, const struct ph_moment *now)
{
    struct ph_error error = {0};
    ph_registrar_link_close(&life->link);
    if (ph_life_telemetry(life) != NULL) {
        ph_renewal_disconnected(&life->renewal, now);
    } else {
        int64_t suppressed = 0;
        if (ph_log_limit_pass(&life->limit, now->monotonic_ms, &suppressed)) {
            ph_log(PH_LOG_WARNING, "not connected", PH_STR("reason", event->text),
                PH_INT("retry_in_ms", event->retry_in_ms), PH_INT("suppressed", suppressed));
        }
    }
    look_again(life, now);
    count_lost(life, event, now);
    if (ph_timekeeper_tls(&life->timekeeper, now, life->connection.purpose.time_only, &error) !=
        PH_OK) {
        ph_log_error(PH_LOG_ERROR, "cannot set the time of TLS", &error);
    }
}

bool ph_life_event(
    struct ph_life *life, const struct ph_mqtt_event *event, const struct ph_moment *now)
{
    bool mine = false;
    ph_connection_event(
        &life->connection, event, !life->connection.purpose.next, now->monotonic_ms);
    switch (event->type) {
    case PH_MQTT_CONNECTED:
        on_connected(life, now);
        break;
    case PH_MQTT_DISCONNECTED:
    case PH_MQTT_REFUSED:
        on_lost(life, event, now);
        break;
    default:
        mine = ph_life_registrar_event(life, event, now);
        break;
    }
    return !mine && ph_life_telemetry(life) != NULL;
}

/* The clock was set: what was under way for want of it is over. */
static void watch_clock(struct ph_life *life, const struct ph_moment *now)
{
    if (now->known && !life->was_known) {
        life->connection.failures = 0;
        life->anew = life->anew || life->connection.purpose.time_only;
    }
    life->was_known = now->known;
}

/* An expired certificate is no way back: the next pair needs no trial. */
static void skip_trial(struct ph_life *life, const struct ph_moment *now)
{
    struct ph_error error = {0};
    if (!life->renewal.have_next || life->renewal.on_next || !ph_self_expired(&life->self, now) ||
        !life->renewal.options.enabled) {
        return;
    }
    enum ph_err err = ph_slots_promote(&life->slots, &error);
    if (err == PH_OK) {
        err = ph_life_use(life, &error);
    }
    if (err == PH_OK) {
        life->anew = true;
        ph_log(PH_LOG_WARNING, "own certificate has expired: the next one takes its place untried",
            PH_STR("device", life->self.name));
    } else if (ph_log_limit_pass(&life->limit, now->monotonic_ms, &(int64_t){0})) {
        ph_log_error(PH_LOG_ERROR, "cannot take the next certificate into use", &error);
    }
}

static bool replace_if_needed(struct ph_life *life, const struct ph_moment *now)
{
    struct ph_connection *connection = &life->connection;
    struct ph_purpose want = decide(life, now);
    bool outdated = life->outdated && !connection->up;
    bool other = !ph_purpose_equal(&want, &connection->purpose);
    if (!other && !life->anew && !outdated) {
        return false;
    }
    bool at_once = life->anew || want.next != connection->purpose.next ||
                   want.claim != connection->purpose.claim;
    if (connection->up && ph_life_telemetry(life) != NULL &&
        want.next == connection->purpose.next) {
        ph_renewal_disconnected(&life->renewal, now);
    }
    ph_registrar_link_close(&life->link);
    ph_connection_replace(connection, &want, at_once, now->monotonic_ms);
    life->anew = false;
    life->outdated = false;
    return true;
}

static bool make_if_due(struct ph_life *life, const struct ph_moment *now)
{
    struct ph_error error = {0};
    if (!ph_connection_due(&life->connection, now->monotonic_ms)) {
        return false;
    }
    if (make(life, now, &error) != PH_OK) {
        ph_log_error(PH_LOG_ERROR, "cannot connect", &error);
    }
    return true;
}

bool ph_life_pump(struct ph_life *life, const struct ph_moment *now)
{
    watch_clock(life, now);
    skip_trial(life, now);
    ph_life_renew(life, now);
    bool replaced = replace_if_needed(life, now);
    replaced = make_if_due(life, now) || replaced;
    ph_registrar_link_pump(&life->link, now->monotonic_ms);
    ph_life_ask(life, now);
    return replaced;
}

void ph_life_close(struct ph_life *life)
{
    ph_registrar_link_close(&life->link);
    ph_connection_close(&life->connection);
}
