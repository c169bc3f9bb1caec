#include "ingest/subscriber.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "domain/template.h"

enum {
    KEEP_ALIVE_S = 30,
    SESSION_EXPIRY_S = 0x7FFFFFFF, /* Paho 1.3.12 encodes larger values wrongly */
    RECEIVE_MAXIMUM = 1000,
    BACKOFF_MIN_MS = 250,
    BACKOFF_MAX_MS = 2000, /* one client: devices hold back until it is there */
    BACKOFF_REFUSED_MS = 30000,
};

static const char online_text[] = "{\"v\":1,\"online\":true}";
static const char offline_text[] = "{\"v\":1,\"online\":false}";

enum ph_err ph_subscriber_open(struct ph_subscriber *subscriber,
    const struct ph_ingest_config *config, const char *client_id, struct ph_pipeline *pipeline,
    struct ph_error *error)
{
    const struct ph_mqtt_options options = {
        .host = config->broker.host,
        .port = config->broker.port,
        .client_id = client_id,
        .ca_file = config->broker.ca,
        .cert_file = config->broker.certificate,
        .key_file = config->broker.key,
        .keep_alive_s = KEEP_ALIVE_S,
        .session_expiry_s = SESSION_EXPIRY_S,
        .receive_maximum = RECEIVE_MAXIMUM,
        .queue_bytes = config->queue_bytes,
        .backoff_min_ms = BACKOFF_MIN_MS,
        .backoff_max_ms = BACKOFF_MAX_MS,
        .backoff_refused_ms = BACKOFF_REFUSED_MS,
        .will = {.topic = config->topics.status,
            .payload = offline_text,
            .qos = 1,
            .retained = true},
    };
    *subscriber = (struct ph_subscriber){.config = config, .pipeline = pipeline};
    ph_route_filter(subscriber->filter, config->topics.telemetry);
    enum ph_err err = ph_mqtt_new(&options, &subscriber->mqtt, error);
    return err == PH_OK ? ph_mqtt_start(subscriber->mqtt, error) : err;
}

void ph_subscriber_close(struct ph_subscriber *subscriber)
{
    ph_mqtt_free(&subscriber->mqtt);
}

void ph_subscriber_send_ack(
    void *context, const struct ph_identity *identity, const void *payload, size_t len)
{
    struct ph_subscriber *subscriber = context;
    char topic[PH_LIMIT_TOPIC_BYTES + 1];
    if (!ph_template_expand(topic, sizeof topic, subscriber->config->topics.ack, identity)) {
        return; /* cannot be: the configuration was checked with the longest names */
    }
    /* QoS 0: an acknowledgement that is lost is repeated when the device sends again. */
    (void)!ph_mqtt_publish(subscriber->mqtt, topic, payload, len, 0, false, NULL, NULL);
}

void ph_subscriber_say(struct ph_subscriber *subscriber, bool online)
{
    const char *text = online ? online_text : offline_text;
    struct ph_error error = {0};
    if (ph_mqtt_publish(subscriber->mqtt, subscriber->config->topics.status, text, strlen(text), 1,
            true, &subscriber->status_token, &error) == PH_OK) {
        subscriber->shown_online = online;
    } else {
        ph_log_error(PH_LOG_DEBUG, "status not published", &error);
    }
}

void ph_subscriber_update(struct ph_subscriber *subscriber)
{
    bool online = ph_pipeline_store_up(subscriber->pipeline) && !subscriber->leaving;
    if (subscriber->subscribed && online != subscriber->shown_online) {
        ph_subscriber_say(subscriber, online);
    }
}

static void on_connected(struct ph_subscriber *subscriber, const struct ph_mqtt_event *event)
{
    struct ph_error error = {0};
    subscriber->subscribed = false;
    subscriber->shown_online = false;
    ph_log(PH_LOG_INFO, "connected", PH_STR("broker", subscriber->config->broker.host),
        PH_INT("port", subscriber->config->broker.port),
        PH_STR("session", event->session_present ? "resumed" : "new"));
    if (ph_mqtt_subscribe(subscriber->mqtt, subscriber->filter, 1, &subscriber->subscribe_token,
            &error) != PH_OK) {
        ph_log_error(PH_LOG_WARNING, "subscribe", &error);
    }
}

static void on_subscribed(struct ph_subscriber *subscriber, const struct ph_mqtt_event *event)
{
    if (event->token != subscriber->subscribe_token) {
        return;
    }
    if (event->reason_code >= 0x80) {
        ph_log(PH_LOG_ERROR, "subscription refused: this role's policy must allow the filter",
            PH_STR("filter", subscriber->filter), PH_INT("reason_code", event->reason_code));
        return;
    }
    subscriber->subscribed = true;
    ph_log(PH_LOG_INFO, "subscribed", PH_STR("filter", subscriber->filter));
    ph_subscriber_update(subscriber);
}

static void on_lost(struct ph_subscriber *subscriber, const struct ph_mqtt_event *event)
{
    subscriber->subscribed = false;
    (void)snprintf(subscriber->trouble, sizeof subscriber->trouble, "%s", event->text);
    ph_log(event->type == PH_MQTT_REFUSED ? PH_LOG_ERROR : PH_LOG_WARNING,
        event->type == PH_MQTT_REFUSED ? "refused by the broker" : "not connected",
        PH_STR("reason", event->text), PH_INT("reason_code", event->reason_code),
        PH_INT("retry_in_ms", event->retry_in_ms));
}

static void on_publish_failed(struct ph_subscriber *subscriber, const struct ph_mqtt_event *event)
{
    if (event->token != subscriber->status_token) {
        return;
    }
    subscriber->status_token = 0;
    if (event->reason_code < 0x80) {
        return; /* the connection was lost, and the next one begins with a status */
    }
    ph_log(PH_LOG_ERROR, "status refused: this role's policy must allow the topic",
        PH_STR("topic", subscriber->config->topics.status),
        PH_INT("reason_code", event->reason_code));
}

static void on_message(struct ph_subscriber *subscriber, const struct ph_mqtt_event *event)
{
    struct ph_publish publish = {
        .topic = event->topic,
        .payload = event->payload,
        .payload_len = event->payload_len,
        .received_ms = ph_clock_unix_ms(),
        .properties = event->properties,
        .property_count = event->property_count,
        .properties_incomplete = event->properties_incomplete,
    };
    if (event->retained) {
        return; /* a copy that the broker keeps, delivered at every subscription: nothing new */
    }
    ph_pipeline_take(subscriber->pipeline, &publish, ph_clock_monotonic_ms());
}

void ph_subscriber_event(struct ph_subscriber *subscriber, const struct ph_mqtt_event *event)
{
    switch (event->type) {
    case PH_MQTT_CONNECTED:
        on_connected(subscriber, event);
        break;
    case PH_MQTT_SUBSCRIBED:
        on_subscribed(subscriber, event);
        break;
    case PH_MQTT_DISCONNECTED:
    case PH_MQTT_REFUSED:
        on_lost(subscriber, event);
        break;
    case PH_MQTT_PUBLISH_FAILED:
        on_publish_failed(subscriber, event);
        break;
    case PH_MQTT_PUBLISHED:
        subscriber->status_token =
            event->token == subscriber->status_token ? 0 : subscriber->status_token;
        break;
    case PH_MQTT_MESSAGE:
        on_message(subscriber, event);
        break;
    }
}
