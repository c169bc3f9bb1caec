#include "device/fleet/actor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/fleet/actor_internal.h"

enum {
    KEEP_ALIVE_S = 30,
    QUEUE_BYTES = 256 * 1024,
    EVENTS_PER_TURN = 256, /* devices share the thread */
    TURN_MS = 1000,        /* the client wants to be asked that often */
};

/* ---- the connection ---- */

enum ph_err ph_actor_connect(
    struct ph_actor *actor, const struct ph_actor_as *as, struct ph_error *error)
{
    const struct ph_device_config *config = actor->options.config;
    struct ph_mqtt_options options = {
        .host = config->broker.host,
        .port = config->broker.port,
        .client_id = as->client_id,
        .ca_file = config->broker.ca,
        .cert_file = config->broker.certificate,
        .key_file = config->broker.key,
        .keep_alive_s = KEEP_ALIVE_S,
        .clean_start = !as->keeps_session,
        .session_expiry_s = as->session_expiry_s,
        .queue_bytes = QUEUE_BYTES,
        .backoff_min_ms = config->reconnect.min_ms,
        .backoff_max_ms = config->reconnect.max_ms,
        .backoff_refused_ms = as->refused_ms,
    };
    if (as->will != NULL) {
        options.will.topic = as->will->topic;
        options.will.payload = as->will_payload;
        options.will.qos = 1;
        options.will.retained = as->will->retained;
    }
    enum ph_err err = ph_mqtt_new(&options, &actor->mqtt, error);
    if (err == PH_OK) {
        err = ph_mqtt_start(actor->mqtt, error);
    }
    if (err == PH_OK) {
        actor->clients++;
    } else {
        ph_mqtt_free(&actor->mqtt);
    }
    return err;
}

/* A client that is suspended has no connection any more as far as ph_mqtt_free() knows, so it does
 * not wait for a reply to its DISCONNECT. */
void ph_actor_drop(struct ph_actor *actor)
{
    if (actor->mqtt != NULL) {
        ph_mqtt_suspend(actor->mqtt);
        ph_mqtt_free(&actor->mqtt);
    }
    actor->up = false;
    actor->sent_count = 0;
    actor->retry_ms = 0;
}

bool ph_actor_has_room(const struct ph_actor *actor)
{
    return actor->up && actor->sent_count < actor->window;
}

enum ph_err ph_actor_send(struct ph_actor *actor, const struct ph_attempt *attempt,
    const void *payload, size_t len, size_t tag, struct ph_error *error)
{
    int token = 0;
    enum ph_err err = attempt->how == PH_ATTEMPT_SUBSCRIBE
                          ? ph_mqtt_subscribe(actor->mqtt, attempt->topic, 1, &token, error)
                          : ph_mqtt_publish(actor->mqtt, attempt->topic, payload, len, 1,
                                attempt->retained, &token, error);
    if (err == PH_OK) {
        actor->sent[actor->sent_count++] = (struct ph_actor_sent){.token = token, .tag = tag};
    }
    return err;
}

bool ph_actor_answered(struct ph_actor *actor, const struct ph_mqtt_event *event, size_t *tag)
{
    size_t i = 0;
    if (event->type == PH_MQTT_PUBLISH_FAILED && event->reason_code < 0x80) {
        return false;
    }
    while (i < actor->sent_count && actor->sent[i].token != event->token) {
        i++;
    }
    if (i == actor->sent_count) {
        return false;
    }
    *tag = actor->sent[i].tag;
    actor->sent_count--;
    memmove(&actor->sent[i], &actor->sent[i + 1], (actor->sent_count - i) * sizeof actor->sent[0]);
    return true;
}

/* ---- what came of it ---- */

static const char *kind_of(const struct ph_actor *actor)
{
    return actor->options.act->kind == PH_ACT_MAD ? "mad" : "thief";
}

void ph_actor_count(struct ph_actor *actor, enum ph_fleet_count count)
{
    ph_fleet_stats_add(actor->options.stats, count, 1);
}

void ph_actor_reason(struct ph_actor *actor, const char *what, const char *detail)
{
    char text[PH_FLEET_REASON_BYTES + 256]; /* it is cut to size there */
    (void)snprintf(text, sizeof text, "%s: %s: %s", kind_of(actor), what, detail);
    ph_fleet_stats_reason(actor->options.stats, text);
}

void ph_actor_refused(struct ph_actor *actor, const char *what, int reason_code)
{
    char code[16];
    (void)snprintf(code, sizeof code, "0x%02x", (unsigned)reason_code);
    ph_actor_reason(actor, what, code);
}

/* The text begins with the broker's address. */
void ph_actor_ended(struct ph_actor *actor, const struct ph_mqtt_event *event)
{
    const char *text = strstr(event->text, ": ");
    ph_actor_reason(actor, event->type == PH_MQTT_REFUSED ? "refused" : "not connected",
        text != NULL ? text + 2 : event->text);
}

void ph_actor_log(
    struct ph_actor *actor, const char *text, const char *what, const char *topic, int64_t now_ms)
{
    int64_t suppressed = 0;
    if (ph_log_limit_pass(&actor->limit, now_ms, &suppressed)) {
        ph_log(PH_LOG_WARNING, text, PH_STR("actor", kind_of(actor)),
            PH_STR("device", actor->options.name), PH_STR("what", what), PH_STR("topic", topic),
            PH_INT("suppressed", suppressed));
    }
}

void ph_actor_hole(struct ph_actor *actor, const struct ph_attempt *attempt, int64_t now_ms)
{
    ph_actor_count(actor, PH_FLEET_THEFT_FOREIGN);
    ph_actor_reason(actor, "granted", attempt->what);
    ph_actor_log(actor, "granted what is another's", attempt->what, attempt->topic, now_ms);
}

void ph_actor_mark(const struct ph_actor *actor, int64_t number, char out[PH_ACTOR_MARK_BYTES])
{
    char more[32] = "";
    if (number >= 0) {
        (void)snprintf(more, sizeof more, ",\"number\":%" PRId64, number);
    }
    (void)snprintf(
        out, PH_ACTOR_MARK_BYTES, "{\"v\":1,\"from\":\"%s\"%s}", actor->options.name, more);
}

/* ---- its life ---- */

enum ph_err ph_actor_new(
    const struct ph_actor_options *options, struct ph_actor **out, struct ph_error *error)
{
    if (options->act->kind != PH_ACT_MAD && options->act->kind != PH_ACT_THIEF) {
        return ph_error_set(error, PH_ERR_INTERNAL, "actor: neither mad nor a thief");
    }
    struct ph_actor *actor = calloc(1, sizeof *actor);
    if (actor == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "actor: out of memory");
    }
    actor->options = *options;
    actor->part = options->act->kind == PH_ACT_MAD ? &ph_mad_part : &ph_thief_part;
    actor->rng.state = options->seed;
    actor->limit = (struct ph_log_limit){.interval_ms = 1000, .burst = 10};
    enum ph_err err = ph_attempts_init(
        &actor->attempts, &options->config->topics, options->name, options->others, error);
    if (err == PH_OK) {
        err = actor->part->begin(actor, error);
    }
    if (err != PH_OK) {
        ph_actor_free(&actor);
        return err;
    }
    *out = actor;
    return PH_OK;
}

static void note_connection(
    struct ph_actor *actor, const struct ph_mqtt_event *event, int64_t now_ms)
{
    if (event->type == PH_MQTT_CONNECTED) {
        actor->up = true;
        actor->window =
            event->receive_maximum < PH_ACTOR_WINDOW ? event->receive_maximum : PH_ACTOR_WINDOW;
    } else if (event->type == PH_MQTT_DISCONNECTED || event->type == PH_MQTT_REFUSED) {
        actor->up = false;
        actor->retry_ms = now_ms + event->retry_in_ms;
    }
}

/* The part may replace the connection with any event. */
static void take_events(struct ph_actor *actor, int64_t now_ms)
{
    for (int i = 0; i < EVENTS_PER_TURN && actor->mqtt != NULL; i++) {
        struct ph_mqtt_event event = {0};
        bool have = false;
        if (ph_mqtt_next(actor->mqtt, 0, &event, &have, NULL) != PH_OK || !have) {
            return;
        }
        note_connection(actor, &event, now_ms);
        actor->part->event(actor, &event, now_ms);
        ph_mqtt_event_fini(&event);
    }
}

static void limit_due(struct ph_actor *actor, int64_t due_ms)
{
    actor->due_ms = actor->due_ms < due_ms ? actor->due_ms : due_ms;
}

bool ph_actor_turn(struct ph_actor *actor, int64_t now_ms)
{
    take_events(actor, now_ms);
    actor->due_ms = PH_ACTOR_NEVER_MS;
    bool more = actor->part->work(actor, now_ms);
    if (actor->mqtt != NULL) {
        limit_due(actor, now_ms + TURN_MS);
        if (!actor->up && actor->retry_ms > now_ms) {
            limit_due(actor, actor->retry_ms);
        }
    }
    return more;
}

int ph_actor_fd(const struct ph_actor *actor)
{
    return actor->mqtt != NULL ? ph_mqtt_fd(actor->mqtt) : -1;
}

uint64_t ph_actor_clients(const struct ph_actor *actor)
{
    return actor->clients;
}

int64_t ph_actor_due_ms(const struct ph_actor *actor)
{
    return actor->due_ms;
}

void ph_actor_free(struct ph_actor **actor)
{
    struct ph_actor *a = *actor;
    if (a == NULL) {
        return;
    }
    a->part->free(a);
    ph_actor_drop(a);
    free(a);
    *actor = NULL;
}
