#include "adapters/mqtt_link.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <MQTTReasonCodes.h>

#include "base/text.h"

enum {
    ATTEMPT_WATCHDOG_MS = 60000, /* an attempt that Paho forgot is given up after this */
    STABLE_MS = 10000,           /* a connection that lasted this long starts the back-off anew */
    BACKOFF_FLOOR_MS = 20,       /* lets Paho finish with the old connection */
    NO_MEMORY_MS = 1000,
};

enum ph_err ph_mqtt_link_init(struct ph_mqtt *mqtt, struct ph_error *error)
{
    pthread_condattr_t attr;
    (void)pthread_mutex_init(&mqtt->mutex, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&mqtt->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    mqtt->backoff.min_ms = mqtt->options.backoff_min_ms;
    mqtt->backoff.max_ms = mqtt->options.backoff_max_ms;
    return ph_mqtt_queue_init(&mqtt->queue, mqtt->options.queue_bytes, error);
}

static void lock(struct ph_mqtt *mqtt)
{
    (void)pthread_mutex_lock(&mqtt->mutex);
}

static void unlock(struct ph_mqtt *mqtt)
{
    (void)pthread_mutex_unlock(&mqtt->mutex);
}

/* Static functions are called with the mutex held, from here on. */

static void state_set(struct ph_mqtt *mqtt, enum ph_mqtt_state state)
{
    mqtt->state = state;
    atomic_store(&mqtt->connected, state == PH_MQTT_UP);
    (void)pthread_cond_broadcast(&mqtt->changed);
}

static void pending_unlink(struct ph_mqtt_pending *pending)
{
    if (pending->previous != NULL) {
        pending->previous->next = pending->next;
    } else {
        pending->owner->pending = pending->next;
    }
    if (pending->next != NULL) {
        pending->next->previous = pending->previous;
    }
    (void)pthread_cond_broadcast(&pending->owner->changed);
}

static void pending_free(struct ph_mqtt_pending *pending)
{
    ph_mqtt_node_free(&pending->event);
    free(pending);
}

/* Reports a result unless one was reported before. */
static void pending_report(struct ph_mqtt_pending *pending, bool ok, int reason_code)
{
    struct ph_mqtt_node *node = pending->event;
    pending->event = NULL;
    if (node == NULL) {
        return;
    }
    if (node->event.type == PH_MQTT_SUBSCRIBED && !ok && reason_code == 0) {
        ph_mqtt_node_free(&node); /* lost with its connection; the next CONNECTED says enough */
        return;
    }
    if (node->event.type == PH_MQTT_PUBLISHED && !ok) {
        node->event.type = PH_MQTT_PUBLISH_FAILED;
    }
    node->event.reason_code = reason_code;
    ph_mqtt_queue_push(&pending->owner->queue, node);
}

/* Fails everything that Paho still holds: it may send some of it again later, but whatever becomes
 * of that is no longer anyone's concern. */
static void pending_fail_all(struct ph_mqtt *mqtt)
{
    for (struct ph_mqtt_pending *p = mqtt->pending; p != NULL; p = p->next) {
        if (p->in_call) {
            p->lost = true;
        } else {
            pending_report(p, false, 0);
        }
    }
}

/* Nothing is allocated when a connection comes or goes, so that no such event can be lost. */
static bool spares_fill(struct ph_mqtt *mqtt)
{
    for (int i = 0; i < PH_MQTT_SPARES; i++) {
        if (mqtt->spares[i] == NULL &&
            (mqtt->spares[i] = calloc(1, sizeof *mqtt->spares[i])) == NULL) {
            return false;
        }
    }
    return true;
}

static struct ph_mqtt_node *spare_take(struct ph_mqtt *mqtt)
{
    for (int i = 0; i < PH_MQTT_SPARES; i++) {
        struct ph_mqtt_node *node = mqtt->spares[i];
        if (node != NULL) {
            mqtt->spares[i] = NULL;
            return node;
        }
    }
    return NULL;
}

/* A decision by the broker about us, as opposed to trouble that passes by itself. A connection that
 * was taken over is no decision: whoever did it may be gone in a moment. */
static bool is_decision(int reason_code)
{
    switch (reason_code) {
    case MQTTREASONCODE_UNSPECIFIED_ERROR:
    case MQTTREASONCODE_SERVER_UNAVAILABLE:
    case MQTTREASONCODE_SERVER_BUSY:
    case MQTTREASONCODE_SERVER_SHUTTING_DOWN:
    case MQTTREASONCODE_KEEP_ALIVE_TIMEOUT:
    case MQTTREASONCODE_SESSION_TAKEN_OVER:
    case MQTTREASONCODE_RECEIVE_MAXIMUM_EXCEEDED:
    case MQTTREASONCODE_MESSAGE_RATE_TOO_HIGH:
    case MQTTREASONCODE_QUOTA_EXCEEDED:
    case MQTTREASONCODE_USE_ANOTHER_SERVER:
    case MQTTREASONCODE_SERVER_MOVED:
    case MQTTREASONCODE_CONNECTION_RATE_EXCEEDED:
    case MQTTREASONCODE_MAXIMUM_CONNECT_TIME:
        return false;
    default:
        return reason_code >= 0x80;
    }
}

static void describe(
    const struct ph_mqtt *mqtt, int reason_code, const char *what, char *out, size_t size)
{
    if (reason_code >= 0x80) {
        const char *name = MQTTReasonCode_toString((enum MQTTReasonCodes)reason_code);
        (void)snprintf(out, size, "%.100s:%u: %s: %s (0x%02x)", mqtt->options.host,
            mqtt->options.port, what, name != NULL ? name : "unknown reason",
            (unsigned)reason_code);
    } else {
        (void)snprintf(out, size, "%.100s:%u: %s", mqtt->options.host, mqtt->options.port, what);
    }
}

static void end(struct ph_mqtt *mqtt, int reason_code, const char *what, int64_t now_ms)
{
    if (mqtt->state != PH_MQTT_UP && mqtt->state != PH_MQTT_CONNECTING) {
        return;
    }
    pending_fail_all(mqtt);
    if (mqtt->state == PH_MQTT_UP && now_ms - mqtt->since_ms >= STABLE_MS) {
        ph_backoff_reset(&mqtt->backoff);
    }
    bool decision = is_decision(reason_code);
    int64_t delay = ph_backoff_next_ms(&mqtt->backoff) + BACKOFF_FLOOR_MS;
    if (decision) {
        delay += mqtt->options.backoff_refused_ms;
    }
    mqtt->retry_at_ms = now_ms + delay;
    state_set(mqtt, mqtt->stopping ? PH_MQTT_STOPPED : PH_MQTT_WAITING);

    struct ph_mqtt_node *node = spare_take(mqtt);
    if (node != NULL) {
        node->event.type = decision ? PH_MQTT_REFUSED : PH_MQTT_DISCONNECTED;
        node->event.reason_code = reason_code;
        node->event.retry_in_ms = delay;
        node->event.tls_failed = !decision && mqtt->tls_text[0] != '\0';
        describe(mqtt, reason_code, what, node->event.text, sizeof node->event.text);
        ph_mqtt_queue_push(&mqtt->queue, node);
    }
}

/* Static functions are called with the mutex held, up to here. */

bool ph_mqtt_link_start(struct ph_mqtt *mqtt, int64_t now_ms)
{
    lock(mqtt);
    bool idle = mqtt->state == PH_MQTT_IDLE;
    if (idle) {
        mqtt->retry_at_ms = now_ms;
        state_set(mqtt, PH_MQTT_WAITING);
    }
    unlock(mqtt);
    return idle;
}

bool ph_mqtt_link_begin(struct ph_mqtt *mqtt, int64_t now_ms)
{
    lock(mqtt);
    if (mqtt->state == PH_MQTT_CONNECTING && now_ms - mqtt->since_ms > ATTEMPT_WATCHDOG_MS) {
        end(mqtt, 0, "cannot connect: the attempt did not end; is name resolution stuck?", now_ms);
    }
    bool due = mqtt->state == PH_MQTT_WAITING && !mqtt->stopping && !mqtt->suspended &&
               now_ms >= mqtt->retry_at_ms;
    if (due && !spares_fill(mqtt)) {
        mqtt->retry_at_ms = now_ms + NO_MEMORY_MS;
        due = false;
    }
    if (due) {
        mqtt->tls_text[0] = '\0';
        mqtt->since_ms = now_ms;
        state_set(mqtt, PH_MQTT_CONNECTING);
    }
    unlock(mqtt);
    return due;
}

int64_t ph_mqtt_link_due_in(struct ph_mqtt *mqtt, int64_t now_ms, int64_t max_ms)
{
    lock(mqtt);
    int64_t left =
        mqtt->state == PH_MQTT_WAITING && !mqtt->suspended ? mqtt->retry_at_ms - now_ms : max_ms;
    unlock(mqtt);
    left = left < 0 ? 0 : left;
    return left < max_ms ? left : max_ms;
}

void ph_mqtt_link_up(
    struct ph_mqtt *mqtt, bool session_present, uint16_t receive_maximum, int64_t now_ms)
{
    lock(mqtt);
    if (mqtt->state == PH_MQTT_CONNECTING || mqtt->state == PH_MQTT_WAITING) {
        struct ph_mqtt_node *node = spare_take(mqtt);
        mqtt->since_ms = now_ms;
        state_set(mqtt, PH_MQTT_UP);
        if (node != NULL) {
            node->event.type = PH_MQTT_CONNECTED;
            node->event.session_present = session_present;
            node->event.receive_maximum = receive_maximum;
            ph_mqtt_queue_push(&mqtt->queue, node);
        }
    }
    unlock(mqtt);
}

void ph_mqtt_link_end(struct ph_mqtt *mqtt, int reason_code, const char *what, int64_t now_ms)
{
    lock(mqtt);
    end(mqtt, reason_code, what, now_ms);
    unlock(mqtt);
}

void ph_mqtt_link_suspend(struct ph_mqtt *mqtt, bool suspended, int64_t now_ms)
{
    lock(mqtt);
    mqtt->suspended = suspended;
    if (!suspended) {
        mqtt->retry_at_ms = now_ms;
    }
    unlock(mqtt);
}

bool ph_mqtt_link_cut(struct ph_mqtt *mqtt, int64_t now_ms)
{
    lock(mqtt);
    bool cut = mqtt->suspended && mqtt->state == PH_MQTT_UP;
    if (cut) {
        end(mqtt, 0, "connection cut on purpose", now_ms);
    }
    unlock(mqtt);
    return cut;
}

void ph_mqtt_link_tls_said(struct ph_mqtt *mqtt, const char *text)
{
    lock(mqtt);
    if (mqtt->tls_text[0] == '\0') {
        ph_text_escape(mqtt->tls_text, sizeof mqtt->tls_text, text);
    }
    unlock(mqtt);
}

bool ph_mqtt_link_tls_text(struct ph_mqtt *mqtt, char *out, size_t size)
{
    lock(mqtt);
    bool said = mqtt->tls_text[0] != '\0';
    (void)snprintf(out, size, "%s", mqtt->tls_text);
    unlock(mqtt);
    return said;
}

void ph_mqtt_link_message(struct ph_mqtt *mqtt, struct ph_mqtt_node *node)
{
    lock(mqtt);
    if (node != NULL && ph_mqtt_queue_has_room(&mqtt->queue, node->bytes)) {
        ph_mqtt_queue_push(&mqtt->queue, node);
        node = NULL;
    } else {
        atomic_fetch_add(&mqtt->dropped, 1);
    }
    unlock(mqtt);
    ph_mqtt_node_free(&node);
}

bool ph_mqtt_link_take(struct ph_mqtt *mqtt, struct ph_mqtt_event *event)
{
    lock(mqtt);
    struct ph_mqtt_node *node = ph_mqtt_queue_pop(&mqtt->queue);
    unlock(mqtt);
    if (node == NULL) {
        return false;
    }
    *event = node->event;
    free(node);
    return true;
}

enum ph_err ph_mqtt_pending_new(struct ph_mqtt *mqtt, enum ph_mqtt_event_type type,
    const char *topic, struct ph_mqtt_pending **out, struct ph_error *error)
{
    struct ph_mqtt_pending *pending = calloc(1, sizeof *pending);
    struct ph_mqtt_node *node = calloc(1, sizeof *node);
    if (pending == NULL || node == NULL) {
        free(pending);
        free(node);
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", topic);
    }
    mqtt->last_token = mqtt->last_token == INT_MAX ? 1 : mqtt->last_token + 1;
    node->event.type = type;
    node->event.token = mqtt->last_token;
    *pending = (struct ph_mqtt_pending){.owner = mqtt, .event = node, .in_call = true};
    lock(mqtt);
    bool up = mqtt->state == PH_MQTT_UP;
    if (up) {
        pending->next = mqtt->pending;
        if (pending->next != NULL) {
            pending->next->previous = pending;
        }
        mqtt->pending = pending;
    }
    unlock(mqtt);
    if (!up) {
        pending_free(pending);
        return ph_error_set(error, PH_ERR_UNAVAILABLE, "%s: not connected to the broker", topic);
    }
    *out = pending;
    return PH_OK;
}

void ph_mqtt_pending_settle(struct ph_mqtt_pending *pending, bool accepted)
{
    struct ph_mqtt *mqtt = pending->owner;
    lock(mqtt);
    pending->in_call = false;
    bool free_now = !accepted || pending->finished;
    if (accepted && pending->lost) {
        pending_report(pending, false, 0);
    }
    if (free_now) {
        pending_unlink(pending);
    }
    unlock(mqtt);
    if (free_now) {
        pending_free(pending);
    }
}

void ph_mqtt_pending_result(struct ph_mqtt_pending *pending, bool ok, int reason_code)
{
    struct ph_mqtt *mqtt = pending->owner;
    lock(mqtt);
    bool free_now = !pending->in_call;
    pending_report(pending, ok, reason_code);
    pending->finished = true;
    if (free_now) {
        pending_unlink(pending);
    }
    unlock(mqtt);
    if (free_now) {
        pending_free(pending);
    }
}

/* Waits for a change of the state or of what is pending; false at the deadline. */
static bool wait_changed(struct ph_mqtt *mqtt, int64_t deadline_ms)
{
    struct timespec deadline = {
        .tv_sec = (time_t)(deadline_ms / 1000), .tv_nsec = (long)(deadline_ms % 1000) * 1000000L};
    return pthread_cond_timedwait(&mqtt->changed, &mqtt->mutex, &deadline) == 0;
}

/* What was lost with an earlier connection may be in Paho's hands still, but is nobody's concern.
 */
static bool awaits_result(const struct ph_mqtt *mqtt)
{
    const struct ph_mqtt_pending *pending = mqtt->pending;
    while (pending != NULL && pending->event == NULL) {
        pending = pending->next;
    }
    return mqtt->state == PH_MQTT_UP && pending != NULL;
}

bool ph_mqtt_link_drain(struct ph_mqtt *mqtt, int64_t deadline_ms)
{
    lock(mqtt);
    mqtt->stopping = true;
    while (awaits_result(mqtt) && wait_changed(mqtt, deadline_ms)) {
    }
    bool up = mqtt->state == PH_MQTT_UP;
    if (!up) {
        state_set(mqtt, PH_MQTT_STOPPED);
    }
    unlock(mqtt);
    return up;
}

void ph_mqtt_link_stopped(struct ph_mqtt *mqtt)
{
    lock(mqtt);
    pending_fail_all(mqtt);
    state_set(mqtt, PH_MQTT_STOPPED);
    unlock(mqtt);
}

void ph_mqtt_link_await_stop(struct ph_mqtt *mqtt, int64_t deadline_ms)
{
    lock(mqtt);
    while (mqtt->state == PH_MQTT_UP && wait_changed(mqtt, deadline_ms)) {
    }
    unlock(mqtt);
}

void ph_mqtt_link_fini(struct ph_mqtt *mqtt)
{
    while (mqtt->pending != NULL) {
        struct ph_mqtt_pending *pending = mqtt->pending;
        pending_unlink(pending); /* NOLINT(clang-analyzer-unix.Malloc): the head moves on */
        pending_free(pending);
    }
    for (int i = 0; i < PH_MQTT_SPARES; i++) {
        ph_mqtt_node_free(&mqtt->spares[i]);
    }
    ph_mqtt_queue_fini(&mqtt->queue);
    (void)pthread_cond_destroy(&mqtt->changed);
    (void)pthread_mutex_destroy(&mqtt->mutex);
}
