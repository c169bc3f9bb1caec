#include "device/connection.h"

enum { KEEP_ALIVE_S = 30, QUEUE_BYTES = 256 * 1024 };

void ph_connection_init(struct ph_connection *connection, const struct ph_device_config *config)
{
    *connection = (struct ph_connection){
        .config = config,
        .backoff = {.min_ms = config->reconnect.min_ms, .max_ms = config->reconnect.max_ms},
    };
}

void ph_connection_replace(struct ph_connection *connection, const struct ph_purpose *purpose,
    bool at_once, int64_t now_ms)
{
    int64_t paced_ms = at_once ? now_ms : now_ms + ph_backoff_next_ms(&connection->backoff);
    bool later = !at_once && connection->retry_ms > paced_ms;
    ph_mqtt_free(&connection->mqtt);
    connection->purpose = *purpose;
    connection->begin_ms = later ? connection->retry_ms : paced_ms;
    connection->up = false;
}

bool ph_connection_due(const struct ph_connection *connection, int64_t now_ms)
{
    return connection->mqtt == NULL && !connection->suspended && now_ms >= connection->begin_ms;
}

enum ph_err ph_connection_make(struct ph_connection *connection, const struct ph_connection_as *as,
    int64_t now_ms, struct ph_error *error)
{
    const struct ph_device_config *config = connection->config;
    const struct ph_mqtt_options options = {
        .host = config->broker.host,
        .port = config->broker.port,
        .client_id = as->client_id,
        .ca_file = config->broker.ca,
        .cert_file = as->certificate,
        .key_file = as->key,
        .keep_alive_s = KEEP_ALIVE_S,
        .clean_start = true,
        .queue_bytes = QUEUE_BYTES,
        .backoff_min_ms = config->reconnect.min_ms,
        .backoff_max_ms = config->reconnect.max_ms,
        .backoff_refused_ms = config->reconnect.refused_ms,
        .will = {as->will_topic, as->will, 1, true},
    };
    enum ph_err err = ph_mqtt_new(&options, &connection->mqtt, error);
    if (err == PH_OK) {
        err = ph_mqtt_start(connection->mqtt, error);
    }
    if (err != PH_OK) {
        ph_mqtt_free(&connection->mqtt);
        connection->begin_ms = now_ms + config->reconnect.max_ms;
    } else {
        connection->made++;
    }
    return err;
}

static void lost(
    struct ph_connection *connection, const struct ph_mqtt_event *event, bool blame, int64_t now_ms)
{
    if (connection->purpose.time_only) {
        connection->failures = 0;
    } else if (!connection->up && event->tls_failed && blame) {
        connection->failures++;
    }
    connection->up = false;
    connection->retry_ms = now_ms + event->retry_in_ms;
}

void ph_connection_event(
    struct ph_connection *connection, const struct ph_mqtt_event *event, bool blame, int64_t now_ms)
{
    if (event->type == PH_MQTT_DISCONNECTED || event->type == PH_MQTT_REFUSED) {
        lost(connection, event, blame, now_ms);
    } else if (event->type == PH_MQTT_CONNECTED) {
        connection->up = true;
        if (!connection->purpose.time_only) {
            connection->failures = 0;
            ph_backoff_reset(&connection->backoff);
        }
    }
}

void ph_connection_suspend(struct ph_connection *connection)
{
    connection->suspended = true;
    if (connection->mqtt != NULL) {
        ph_mqtt_suspend(connection->mqtt);
    }
}

void ph_connection_resume(struct ph_connection *connection)
{
    connection->suspended = false;
    if (connection->mqtt != NULL) {
        ph_mqtt_resume(connection->mqtt);
    }
}

bool ph_connection_is_telemetry(const struct ph_connection *connection)
{
    return connection->mqtt != NULL && !connection->purpose.claim && !connection->purpose.time_only;
}

void ph_connection_close(struct ph_connection *connection)
{
    ph_mqtt_free(&connection->mqtt);
}
