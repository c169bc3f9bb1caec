/* From Paho's message to ours. Private to the mqtt module, and the one header beside mqtt.c that
 * Paho's types appear in. */
#ifndef PH_ADAPTERS_MQTT_MESSAGE_H
#define PH_ADAPTERS_MQTT_MESSAGE_H

#include <MQTTAsync.h>

#include "adapters/mqtt_queue.h"

/* A node of its own with topic, payload and the user properties that mqtt.h says are handed on;
 * NULL when memory is short. */
struct ph_mqtt_node *ph_mqtt_message_copy(const char *topic, const MQTTAsync_message *message);

#endif
