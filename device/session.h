/* One device on the broker: subscribes, says that it is there, carries out commands, and lets its
 * publisher work. It takes the MQTT client's events; the loop around it is the program's. */
#ifndef PH_DEVICE_SESSION_H
#define PH_DEVICE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/mqtt.h"
#include "base/log.h"
#include "device/publisher.h"
#include "device/thermostat.h"
#include "device/topics.h"

enum { PH_SESSION_STATUS_BYTES = 256 };

struct ph_session {
    const struct ph_device_topics *topics; /* borrowed */
    char will[PH_SESSION_STATUS_BYTES];
    struct ph_mqtt *mqtt;             /* borrowed */
    struct ph_thermostat *thermostat; /* borrowed */
    struct ph_publisher publisher;
    int subscriptions; /* confirmed on this connection; sending begins with the last */
    uint16_t receive_maximum;
    int answers;     /* status and replies without PUBACK */
    int64_t dropped; /* messages that did not fit into the client's queue, as far as we know */
    int64_t commands;
    struct ph_log_limit limit;
    struct ph_log_limit ingest_limit;
};

struct ph_session_options {
    const struct ph_device_topics *topics; /* borrowed by the session */
    size_t readings_max;
    size_t bytes_max;
    size_t window;
    int64_t ack_timeout_ms;
};

/* Makes the will: {"v":1,"online":false,"time":<start>}. */
void ph_session_init(struct ph_session *session, const struct ph_session_options *options,
    struct ph_thermostat *thermostat, int64_t unix_ms);
void ph_session_fini(struct ph_session *session);

/* Takes one event. Trouble that a peer can cause is logged, at a limited rate. */
void ph_session_event(
    struct ph_session *session, const struct ph_mqtt_event *event, int64_t now_ms, int64_t unix_ms);

/* Sends again what is overdue, and whatever else the window allows. */
void ph_session_pump(struct ph_session *session, int64_t now_ms);

/* Publishes the retained status. */
void ph_session_say(struct ph_session *session, bool online, int64_t unix_ms);

#endif
