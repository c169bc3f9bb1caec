#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/fleet/actor_internal.h"
#include "format/message.h"

enum {
    GIVE_UP_MS = 30000, /* for one attempt that takes a connection of its own */
    CUT_MS = 300,       /* until a DISCONNECT that asks for the will has gone out */
    LOOK_MS = 1000,     /* for a will that comes back to whoever left it */
    TROUBLE_MS = 2000,  /* before a client is made again that could not be made */
    REFUSED_MS = 1000,  /* a thief comes back soon */
    SESSION_S = 60,     /* for the session that takes a will in */
    BURST = 16,         /* in one turn: devices share the thread */
    AGAIN_MS = 100,
};

/* One after the other; from BEGIN on the attempt's connection is its own. */
enum state {
    TOPICS,      /* publishing and subscribing in one connection, as many at once as it takes */
    BEGIN,       /* the next attempt is to be made */
    ASKING,      /* CONNECT */
    SUBSCRIBING, /* to the will's own topic, in a session that outlives the connection */
    CUTTING,     /* the connection, so that the will is due */
    RETURNING,   /* to that session */
    LOOKING,     /* whether the will is in it */
    DONE,
};

struct thief {
    enum state state;
    size_t next;                   /* attempt */
    size_t again[PH_ACTOR_WINDOW]; /* lost with the connection: to be tried one by one */
    size_t again_count;
    bool alone;                /* what is under way is one of those */
    struct ph_attempt attempt; /* from BEGIN on */
    int64_t until_ms;
    bool begun;                     /* the attempt was counted */
    bool watching;                  /* the will's topic is subscribed to */
    bool seen;                      /* it came */
    char mark[PH_ACTOR_MARK_BYTES]; /* the will */
};

static void note(
    struct ph_actor *actor, const struct ph_attempt *attempt, int reason_code, int64_t now_ms)
{
    if (reason_code >= 0x80) {
        ph_actor_count(actor, PH_FLEET_THEFT_REFUSED);
        ph_actor_refused(actor, attempt->own ? "refused what is its own" : "refused", reason_code);
    } else if (attempt->own) {
        ph_actor_count(actor, PH_FLEET_THEFT_OWN);
    } else {
        ph_actor_hole(actor, attempt, now_ms);
    }
}

/* ---- topics ---- */

static enum ph_err connect_plain(struct ph_actor *actor, struct ph_error *error)
{
    const struct ph_actor_as as = {.client_id = actor->options.name, .refused_ms = REFUSED_MS};
    return ph_actor_connect(actor, &as, error);
}

/* Its own telemetry is a question to ingest, which stores nothing. */
static enum ph_err send_topic(
    struct ph_actor *actor, const struct ph_attempt *attempt, size_t number, struct ph_error *error)
{
    char mark[PH_ACTOR_MARK_BYTES];
    struct ph_buf question;
    ph_actor_mark(actor, -1, mark);
    if (number != PH_ATTEMPT_TELEMETRY) {
        return ph_actor_send(actor, attempt, mark, strlen(mark), number, error);
    }
    const struct ph_message_head head = {
        .stream = ph_rng_u64(&actor->rng) | 1, .seq = 1, .now_ms = -1, .up_ms = -1};
    ph_buf_init(&question, PH_MESSAGE_HEAD_BYTES);
    enum ph_err err = ph_message_encode(&head, NULL, 0, &question);
    if (err == PH_OK) {
        err = ph_actor_send(actor, attempt, question.data, question.len, number, error);
    }
    ph_buf_fini(&question);
    return err;
}

/* Sends one; false when none can be sent now. */
static bool send_next(struct ph_actor *actor, struct thief *thief)
{
    struct ph_attempt attempt;
    struct ph_error error = {0};
    bool again = thief->again_count > 0;
    if (again ? actor->sent_count > 0 : thief->alone || thief->next == actor->attempts.topics_end) {
        return false;
    }
    size_t number = again ? thief->again[0] : thief->next;
    ph_attempts_get(&actor->attempts, number, &attempt);
    if (attempt.how != PH_ATTEMPT_NONE && send_topic(actor, &attempt, number, &error) != PH_OK) {
        return false;
    }
    if (again) {
        thief->again_count--;
        memmove(thief->again, thief->again + 1, thief->again_count * sizeof thief->again[0]);
        thief->alone = true;
    } else {
        thief->next++;
    }
    if (attempt.how != PH_ATTEMPT_NONE && !again) {
        ph_actor_count(actor, PH_FLEET_THEFT_TRIED);
    }
    return true;
}

static void send_topics(struct ph_actor *actor, struct thief *thief, int64_t now_ms)
{
    int sent = 0;
    while (sent < BURST && ph_actor_has_room(actor) && send_next(actor, thief)) {
        sent++;
    }
    bool all = thief->next == actor->attempts.topics_end && thief->again_count == 0;
    if (all && actor->sent_count == 0) {
        ph_actor_drop(actor);
        thief->state = BEGIN;
        actor->due_ms = now_ms;
    } else if (ph_actor_has_room(actor)) {
        actor->due_ms = sent == BURST ? now_ms : now_ms + AGAIN_MS;
    }
}

/* What was under way is tried once more, alone, so that one attempt which the broker ends the
 * connection for does not hide what the others come to. */
static void lost_topics(
    struct ph_actor *actor, struct thief *thief, const struct ph_mqtt_event *event, int64_t now_ms)
{
    struct ph_attempt attempt;
    ph_actor_ended(actor, event);
    if (thief->alone) {
        if (event->type == PH_MQTT_REFUSED && actor->sent_count > 0) {
            ph_attempts_get(&actor->attempts, actor->sent[0].tag, &attempt);
            note(actor, &attempt, event->reason_code, now_ms);
        }
        thief->alone = false;
    } else {
        for (size_t i = 0; i < actor->sent_count; i++) {
            thief->again[thief->again_count++] = actor->sent[i].tag;
        }
    }
    actor->sent_count = 0;
}

static void topics_event(
    struct ph_actor *actor, struct thief *thief, const struct ph_mqtt_event *event, int64_t now_ms)
{
    struct ph_attempt attempt;
    size_t number = 0;
    if (event->type == PH_MQTT_DISCONNECTED || event->type == PH_MQTT_REFUSED) {
        lost_topics(actor, thief, event, now_ms);
    } else if (ph_actor_answered(actor, event, &number)) {
        thief->alone = false;
        ph_attempts_get(&actor->attempts, number, &attempt);
        note(actor, &attempt, event->reason_code, now_ms);
    }
}

/* ---- client ids and wills ---- */

static void next_attempt(struct ph_actor *actor, struct thief *thief)
{
    ph_actor_drop(actor);
    thief->next++;
    thief->begun = false;
    thief->watching = false;
    thief->seen = false;
    thief->until_ms = 0;
    thief->state = BEGIN;
}

static void begin_attempt(struct ph_actor *actor, struct thief *thief, int64_t now_ms)
{
    struct ph_attempt *attempt = &thief->attempt;
    struct ph_error error = {0};
    ph_attempts_get(&actor->attempts, thief->next, attempt);
    if (attempt->how == PH_ATTEMPT_NONE) {
        next_attempt(actor, thief);
        return;
    }
    if (!thief->begun) {
        ph_actor_count(actor, PH_FLEET_THEFT_TRIED);
        thief->begun = true;
    }
    bool will = attempt->how == PH_ATTEMPT_WILL;
    ph_actor_mark(actor, (int64_t)thief->next, thief->mark);
    const struct ph_actor_as as = {.client_id = will ? actor->options.name : attempt->topic,
        .session_expiry_s = will ? SESSION_S : 0,
        .will = will ? attempt : NULL,
        .will_payload = thief->mark,
        .refused_ms = REFUSED_MS};
    if (ph_actor_connect(actor, &as, &error) != PH_OK) {
        ph_actor_log(actor, "thief: cannot connect", error.message, attempt->topic, now_ms);
        thief->until_ms = now_ms + TROUBLE_MS;
        return;
    }
    thief->until_ms = now_ms + GIVE_UP_MS;
    thief->state = ASKING;
}

static void cut(struct ph_actor *actor, struct thief *thief, int64_t now_ms)
{
    ph_mqtt_suspend(actor->mqtt);
    thief->until_ms = now_ms + CUT_MS;
    thief->state = CUTTING;
}

static void accepted(struct ph_actor *actor, struct thief *thief, int64_t now_ms)
{
    int token = 0;
    if (thief->attempt.how == PH_ATTEMPT_CONNECT) {
        note(actor, &thief->attempt, 0, now_ms);
        next_attempt(actor, thief);
    } else if (ph_mqtt_subscribe(actor->mqtt, thief->attempt.topic, 1, &token, NULL) == PH_OK) {
        thief->state = SUBSCRIBING;
    } else {
        cut(actor, thief, now_ms);
    }
}

static void come_back(struct ph_actor *actor, struct thief *thief, int64_t now_ms)
{
    struct ph_error error = {0};
    const struct ph_actor_as as = {
        .client_id = actor->options.name, .keeps_session = true, .refused_ms = REFUSED_MS};
    if (ph_actor_connect(actor, &as, &error) != PH_OK) {
        ph_actor_log(actor, "thief: cannot connect", error.message, thief->attempt.topic, now_ms);
        next_attempt(actor, thief);
        return;
    }
    thief->until_ms = now_ms + GIVE_UP_MS;
    thief->state = RETURNING;
}

/* CONNECT says nothing of a will: the broker asks for the right when it publishes it. Whether that
 * was refused can be told only where a thief would see it. */
static void conclude_will(struct ph_actor *actor, struct thief *thief, int64_t now_ms)
{
    const struct ph_attempt *attempt = &thief->attempt;
    if (attempt->own || thief->seen) {
        note(actor, attempt, 0, now_ms);
    } else if (thief->watching && attempt->readable) {
        ph_actor_count(actor, PH_FLEET_THEFT_REFUSED);
        ph_actor_reason(actor, "not published", attempt->what);
    } else {
        ph_actor_reason(actor, "fate unseen", attempt->what);
    }
    next_attempt(actor, thief);
}

/* The client connects again by itself, but the session that may hold the will ends with the
 * connection that looks into it. */
static void lost_attempt(
    struct ph_actor *actor, struct thief *thief, const struct ph_mqtt_event *event, int64_t now_ms)
{
    ph_actor_ended(actor, event);
    if (thief->state == SUBSCRIBING) {
        thief->state = ASKING;
    } else if (thief->state == LOOKING) {
        thief->watching = false;
        conclude_will(actor, thief, now_ms);
    }
}

static void attempt_event(
    struct ph_actor *actor, struct thief *thief, const struct ph_mqtt_event *event, int64_t now_ms)
{
    if (event->type == PH_MQTT_REFUSED && thief->state == ASKING) {
        note(actor, &thief->attempt, event->reason_code, now_ms);
        next_attempt(actor, thief);
    } else if (event->type == PH_MQTT_CONNECTED && thief->state == ASKING) {
        accepted(actor, thief, now_ms);
    } else if (event->type == PH_MQTT_CONNECTED && thief->state == RETURNING) {
        thief->watching = event->session_present;
        thief->until_ms = now_ms + LOOK_MS;
        thief->state = LOOKING;
    } else if (event->type == PH_MQTT_SUBSCRIBED && thief->state == SUBSCRIBING) {
        thief->watching = event->reason_code < 0x80;
        cut(actor, thief, now_ms);
    } else if ((event->type == PH_MQTT_DISCONNECTED || event->type == PH_MQTT_REFUSED) &&
               thief->state != CUTTING) {
        lost_attempt(actor, thief, event, now_ms);
    } else if (event->type == PH_MQTT_MESSAGE && event->payload_len == strlen(thief->mark) &&
               memcmp(event->payload, thief->mark, event->payload_len) == 0) {
        thief->seen = true;
    }
}

static void give_up(struct ph_actor *actor, struct thief *thief)
{
    ph_actor_reason(actor, "no answer", thief->attempt.what);
    next_attempt(actor, thief);
}

static void attempt_due(struct ph_actor *actor, struct thief *thief, int64_t now_ms)
{
    switch (thief->state) {
    case BEGIN:
        begin_attempt(actor, thief, now_ms);
        break;
    case CUTTING:
        ph_actor_drop(actor);
        if (thief->watching && !thief->attempt.own) {
            come_back(actor, thief, now_ms);
        } else {
            conclude_will(actor, thief, now_ms);
        }
        break;
    case LOOKING:
        conclude_will(actor, thief, now_ms);
        break;
    default:
        give_up(actor, thief);
        break;
    }
}

/* ---- its life ---- */

static bool work(struct ph_actor *actor, int64_t now_ms)
{
    struct thief *thief = actor->state;
    if (thief->state == TOPICS) {
        send_topics(actor, thief, now_ms);
        return true;
    }
    if (thief->state == BEGIN && thief->next == actor->attempts.wills_end) {
        thief->state = DONE;
        ph_log(PH_LOG_WARNING, "thief: everything was tried", PH_STR("device", actor->options.name),
            PH_INT("attempts", thief->next));
    }
    if (thief->state == DONE) {
        return false;
    }
    if (now_ms >= thief->until_ms) {
        attempt_due(actor, thief, now_ms);
    }
    actor->due_ms = thief->until_ms > now_ms ? thief->until_ms : now_ms;
    return true;
}

/* Another device's message: what a subscription is worth that was granted. */
static void on_message(struct ph_actor *actor, const char *topic, int64_t now_ms)
{
    struct ph_attempt attempt;
    for (size_t i = 0; i < actor->attempts.own_end; i++) {
        ph_attempts_get(&actor->attempts, i, &attempt);
        if (strcmp(topic, attempt.topic) == 0) {
            return;
        }
    }
    ph_actor_reason(actor, "received", "messages that are not its own");
    ph_actor_log(actor, "received what is another's", "message", topic, now_ms);
}

static void on_event(struct ph_actor *actor, const struct ph_mqtt_event *event, int64_t now_ms)
{
    struct thief *thief = actor->state;
    if (event->type == PH_MQTT_MESSAGE) {
        on_message(actor, event->topic, now_ms);
    }
    if (thief->state == TOPICS) {
        topics_event(actor, thief, event, now_ms);
    } else {
        attempt_event(actor, thief, event, now_ms);
    }
}

static enum ph_err begin(struct ph_actor *actor, struct ph_error *error)
{
    struct thief *thief = calloc(1, sizeof *thief);
    if (thief == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "thief: out of memory");
    }
    actor->state = thief;
    return connect_plain(actor, error);
}

static void release(struct ph_actor *actor)
{
    free(actor->state);
    actor->state = NULL;
}

const struct ph_actor_part ph_thief_part = {begin, on_event, work, release};
