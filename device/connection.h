/* The one connection that a device has at a time: makes the MQTT client for what it is for, and
 * replaces it when that changes. The pace of attempts goes on over a replacement that a failure has
 * caused, so that changing one's mind does not mean knocking more often. */
#ifndef PH_DEVICE_CONNECTION_H
#define PH_DEVICE_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/mqtt.h"
#include "base/backoff.h"
#include "device/config.h"
#include "device/moment.h"
#include "device/purpose.h"

/* What a client is made with; texts are copied. */
struct ph_connection_as {
    const char *client_id;
    const char *certificate;
    const char *key;
    const char *will_topic; /* NULL: no will */
    const char *will;
};

struct ph_connection {
    const struct ph_device_config *config; /* borrowed */
    struct ph_mqtt *mqtt;                  /* NULL: none yet */
    struct ph_purpose purpose;             /* of that one, or of the one to be made */
    int64_t begin_ms;                      /* monotonic: when to make it */
    int64_t retry_ms;                      /* the same: its own next attempt, after a failure */
    struct ph_backoff backoff;             /* of replacements that failures have caused */
    bool up;                               /* accepted by the broker */
    int failures; /* attempts in a row that TLS ended, with the dates checked */
    bool suspended;
    uint64_t made; /* clients, up to now */
};

/* Nothing connected yet. */
void ph_connection_init(struct ph_connection *connection, const struct ph_device_config *config);

/* Ends the present connection; another is to be made, at once or at the pace of failures. */
void ph_connection_replace(struct ph_connection *connection, const struct ph_purpose *purpose,
    bool at_once, int64_t now_ms);

/* Whether ph_connection_make() is due. */
bool ph_connection_due(const struct ph_connection *connection, int64_t now_ms);

/* Makes and starts the client. What is wrong with its files is an error; the next attempt is then
 * due after the longest back-off. */
enum ph_err ph_connection_make(struct ph_connection *connection, const struct ph_connection_as *as,
    int64_t now_ms, struct ph_error *error) PH_NODISCARD;

/* Takes note of CONNECTED, DISCONNECTED and REFUSED. `blame` is false for an attempt whose failure
 * says nothing of the clock. */
void ph_connection_event(struct ph_connection *connection, const struct ph_mqtt_event *event,
    bool blame, int64_t now_ms);

/* Cuts the connection as ph_mqtt_suspend() does, and makes none until it is resumed. */
void ph_connection_suspend(struct ph_connection *connection);
void ph_connection_resume(struct ph_connection *connection);

/* Whether it carries telemetry. */
bool ph_connection_is_telemetry(const struct ph_connection *connection);

void ph_connection_close(struct ph_connection *connection);

#endif
