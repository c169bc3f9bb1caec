#include "adapters/mqtt.h"

#include <limits.h>
#include <poll.h>
#include <stdlib.h>

#include "adapters/mqtt_link.h"
#include "adapters/mqtt_options.h"
#include "adapters/mqtt_paho.h"
#include "base/clock.h"

enum { LOOP_MS = 1000, DISCONNECT_MS = 500 };

enum ph_err ph_mqtt_new(
    const struct ph_mqtt_options *options, struct ph_mqtt **out, struct ph_error *error)
{
    enum ph_err err = ph_mqtt_options_check(options, error);
    if (err != PH_OK) {
        return err;
    }
    struct ph_mqtt *mqtt = calloc(1, sizeof *mqtt);
    if (mqtt == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "mqtt: out of memory");
    }
    err = ph_mqtt_options_copy(&mqtt->options, options, error);
    if (err != PH_OK) {
        ph_mqtt_options_fini(&mqtt->options);
        free(mqtt);
        return err;
    }
    err = ph_mqtt_link_init(mqtt, error);
    if (err == PH_OK) {
        err = ph_mqtt_paho_create(mqtt, error);
    }
    if (err != PH_OK) {
        ph_mqtt_free(&mqtt);
        return err;
    }
    *out = mqtt;
    return PH_OK;
}

static void attempt_if_due(struct ph_mqtt *mqtt)
{
    if (ph_mqtt_link_begin(mqtt, ph_clock_monotonic_ms()) && !ph_mqtt_paho_connect(mqtt)) {
        ph_mqtt_link_end(mqtt, 0, "cannot connect: the MQTT library did not start the attempt",
            ph_clock_monotonic_ms());
    }
}

static void cut_if_suspended(struct ph_mqtt *mqtt)
{
    if (ph_mqtt_link_cut(mqtt, ph_clock_monotonic_ms())) {
        ph_mqtt_paho_cut(mqtt);
    }
}

enum ph_err ph_mqtt_start(struct ph_mqtt *mqtt, struct ph_error *error)
{
    if (!ph_mqtt_link_start(mqtt, ph_clock_monotonic_ms())) {
        return ph_error_set(error, PH_ERR_INTERNAL, "mqtt: started twice");
    }
    attempt_if_due(mqtt);
    return PH_OK;
}

enum ph_err ph_mqtt_next(struct ph_mqtt *mqtt, int timeout_ms, struct ph_mqtt_event *event,
    bool *have, struct ph_error *error)
{
    (void)error;
    int64_t now = ph_clock_monotonic_ms();
    int64_t deadline = now + (timeout_ms > 0 ? timeout_ms : 0);
    for (;;) {
        attempt_if_due(mqtt);
        cut_if_suspended(mqtt);
        *have = ph_mqtt_link_take(mqtt, event);
        now = ph_clock_monotonic_ms();
        if (*have || now >= deadline) {
            return PH_OK;
        }
        int64_t left = deadline - now;
        int64_t due = ph_mqtt_link_due_in(mqtt, now, LOOP_MS);
        struct pollfd fd = {.fd = mqtt->queue.fd, .events = POLLIN};
        (void)poll(&fd, 1, (int)(left < due ? left : due));
    }
}

void ph_mqtt_event_fini(struct ph_mqtt_event *event)
{
    free(event->topic);
    free(event->payload);
    free(event->properties);
    *event = (struct ph_mqtt_event){0};
}

int ph_mqtt_fd(const struct ph_mqtt *mqtt)
{
    return mqtt->queue.fd;
}

bool ph_mqtt_connected(const struct ph_mqtt *mqtt)
{
    return atomic_load(&mqtt->connected);
}

int64_t ph_mqtt_dropped(const struct ph_mqtt *mqtt)
{
    return atomic_load(&mqtt->dropped);
}

enum ph_err ph_mqtt_publish(struct ph_mqtt *mqtt, const char *topic, const void *payload,
    size_t len, int qos, bool retained, int *token, struct ph_error *error)
{
    struct ph_mqtt_packet packet = {topic, payload, len, qos, retained};
    struct ph_mqtt_pending *pending = NULL;
    if (len > INT_MAX) {
        return ph_error_set(error, PH_ERR_LIMIT, "%s: payload too large", topic);
    }
    if (token == NULL) {
        return ph_mqtt_paho_post(mqtt, &packet, error);
    }
    enum ph_err err = ph_mqtt_pending_new(mqtt, PH_MQTT_PUBLISHED, topic, &pending, error);
    if (err != PH_OK) {
        return err;
    }
    *token = mqtt->last_token;
    return ph_mqtt_paho_send(pending, &packet, error);
}

enum ph_err ph_mqtt_subscribe(
    struct ph_mqtt *mqtt, const char *filter, int qos, int *token, struct ph_error *error)
{
    struct ph_mqtt_pending *pending = NULL;
    enum ph_err err = ph_mqtt_pending_new(mqtt, PH_MQTT_SUBSCRIBED, filter, &pending, error);
    if (err != PH_OK) {
        return err;
    }
    *token = mqtt->last_token;
    return ph_mqtt_paho_subscribe(pending, filter, qos, error);
}

void ph_mqtt_suspend(struct ph_mqtt *mqtt)
{
    ph_mqtt_link_suspend(mqtt, true, ph_clock_monotonic_ms());
    cut_if_suspended(mqtt);
}

void ph_mqtt_resume(struct ph_mqtt *mqtt)
{
    ph_mqtt_link_suspend(mqtt, false, ph_clock_monotonic_ms());
}

void ph_mqtt_stop(struct ph_mqtt *mqtt, int timeout_ms)
{
    if (!ph_mqtt_link_drain(mqtt, ph_clock_monotonic_ms() + timeout_ms)) {
        return;
    }
    if (ph_mqtt_paho_disconnect(mqtt)) {
        int wait_ms = timeout_ms > DISCONNECT_MS ? timeout_ms : DISCONNECT_MS;
        ph_mqtt_link_await_stop(mqtt, ph_clock_monotonic_ms() + wait_ms);
    }
    ph_mqtt_link_stopped(mqtt);
}

void ph_mqtt_free(struct ph_mqtt **mqtt)
{
    struct ph_mqtt *m = *mqtt;
    if (m == NULL) {
        return;
    }
    ph_mqtt_stop(m, 0);
    ph_mqtt_paho_destroy(m);
    ph_mqtt_link_fini(m);
    ph_mqtt_options_fini(&m->options);
    free(m);
    *mqtt = NULL;
}
