/* The queue between Paho's threads and the one that takes events: a list bounded by the bytes of
 * its messages, and an eventfd that is readable while it holds something. Private to the mqtt
 * module. Locking is the caller's: every function here is called with the client's mutex held. */
#ifndef PH_ADAPTERS_MQTT_QUEUE_H
#define PH_ADAPTERS_MQTT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "adapters/mqtt.h"

struct ph_mqtt_node {
    struct ph_mqtt_event event;
    size_t bytes; /* what counts towards the bound: only messages do */
    struct ph_mqtt_node *next;
};

struct ph_mqtt_queue {
    struct ph_mqtt_node *first;
    struct ph_mqtt_node *last;
    size_t bytes;
    size_t max_bytes;
    int fd;
};

/* Makes an empty queue that holds messages of up to `max_bytes` in all; PH_ERR_IO when there is no
 * eventfd to be had. */
enum ph_err ph_mqtt_queue_init(
    struct ph_mqtt_queue *queue, size_t max_bytes, struct ph_error *error) PH_NODISCARD;
void ph_mqtt_queue_fini(struct ph_mqtt_queue *queue);

/* True when a message of that many bytes still fits. */
bool ph_mqtt_queue_has_room(const struct ph_mqtt_queue *queue, size_t bytes);

/* Appends and takes the node over; never fails, so that no confirmation is ever lost. */
void ph_mqtt_queue_push(struct ph_mqtt_queue *queue, struct ph_mqtt_node *node);

/* The oldest node, now the caller's, or NULL. */
struct ph_mqtt_node *ph_mqtt_queue_pop(struct ph_mqtt_queue *queue);

void ph_mqtt_node_free(struct ph_mqtt_node **node);

#endif
