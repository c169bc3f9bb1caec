/* The calls into Paho, and its callbacks, which hand over to mqtt_link.h. Private to the mqtt
 * module; called by the taking thread only, and never with the link's mutex held. */
#ifndef PH_ADAPTERS_MQTT_PAHO_H
#define PH_ADAPTERS_MQTT_PAHO_H

#include <stdbool.h>
#include <stddef.h>

#include "adapters/mqtt_link.h"

/* Makes Paho's client; ph_mqtt_paho_destroy() undoes it. */
enum ph_err ph_mqtt_paho_create(struct ph_mqtt *mqtt, struct ph_error *error) PH_NODISCARD;

/* Starts an attempt; false when Paho did not take it, and then no callback comes. */
bool ph_mqtt_paho_connect(struct ph_mqtt *mqtt) PH_NODISCARD;

struct ph_mqtt_packet {
    const char *topic;
    const void *payload;
    size_t len; /* at most INT_MAX */
    int qos;
    bool retained;
};

/* Hands a packet of QoS 0 to Paho and forgets it. */
enum ph_err ph_mqtt_paho_post(
    struct ph_mqtt *mqtt, const struct ph_mqtt_packet *packet, struct ph_error *error) PH_NODISCARD;

/* Hand a packet to Paho, and settle `pending`: its result comes unless an error is returned. */
enum ph_err ph_mqtt_paho_send(struct ph_mqtt_pending *pending, const struct ph_mqtt_packet *packet,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_mqtt_paho_subscribe(struct ph_mqtt_pending *pending, const char *filter, int qos,
    struct ph_error *error) PH_NODISCARD;

/* Starts a normal DISCONNECT, so without the will; ph_mqtt_link_stopped() is called when it is
 * done. False when there is nothing to disconnect. */
bool ph_mqtt_paho_disconnect(struct ph_mqtt *mqtt) PH_NODISCARD;

/* Starts a DISCONNECT with which the broker publishes the will, and calls nothing back. */
void ph_mqtt_paho_cut(struct ph_mqtt *mqtt);

/* Closes what is open, and releases Paho's client: no callback comes after it. Waits for Paho's
 * threads, and so for a name resolution that is under way. */
void ph_mqtt_paho_destroy(struct ph_mqtt *mqtt);

#endif
