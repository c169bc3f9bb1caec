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

enum { PH_SESSION_STATUS_BYTES = 256, PH_SESSION_STATUS_MS = 10000 };

struct ph_session {
    const struct ph_device_topics *topics; /* borrowed */
    char will[PH_SESSION_STATUS_BYTES];
    struct ph_mqtt *mqtt;             /* borrowed; NULL: there is none for telemetry */
    struct ph_thermostat *thermostat; /* borrowed */
    struct ph_publisher publisher;
    int subscriptions; /* confirmed on this connection; sending begins with the last */
    uint16_t receive_maximum;
    int answers;      /* status and replies without PUBACK */
    int64_t overflow; /* messages that did not fit into the client's queue, as far as we know */
    int64_t lost;     /* set by the program: readings that never came into the spool */
    struct {
        int64_t dropped;
        int64_t lost;
        int64_t at_ms; /* monotonic */
    } said;            /* in the last status */
    int64_t commands;
    int64_t rest_until_ms; /* monotonic: after trouble with the spool nothing is sent */
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

/* Makes the will: {"v":1,"online":false,"time":<start>}, without time when that is not known. */
void ph_session_init(struct ph_session *session, const struct ph_session_options *options,
    struct ph_thermostat *thermostat, const struct ph_moment *now);
void ph_session_fini(struct ph_session *session);

/* Another client from now on, or none: what was under way with the former one is gone. */
void ph_session_attach(struct ph_session *session, struct ph_mqtt *mqtt);

/* Takes one event. Trouble that a peer can cause is logged, at a limited rate. */
void ph_session_event(
    struct ph_session *session, const struct ph_mqtt_event *event, const struct ph_moment *now);

/* Sends again what is overdue, and whatever else the window allows; and the status when readings
 * were dropped or lost since it was said, at most every PH_SESSION_STATUS_MS. */
void ph_session_pump(struct ph_session *session, const struct ph_moment *now);

/* Publishes the retained status. */
void ph_session_say(struct ph_session *session, bool online, const struct ph_moment *now);

#endif
