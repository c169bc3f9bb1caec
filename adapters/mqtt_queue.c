#include "adapters/mqtt_queue.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum ph_err ph_mqtt_queue_init(
    struct ph_mqtt_queue *queue, size_t max_bytes, struct ph_error *error)
{
    *queue = (struct ph_mqtt_queue){.max_bytes = max_bytes};
    queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return queue->fd >= 0 ? PH_OK : ph_error_set_errno(error, errno, "mqtt: eventfd");
}

void ph_mqtt_queue_fini(struct ph_mqtt_queue *queue)
{
    struct ph_mqtt_node *node = NULL;
    while ((node = ph_mqtt_queue_pop(queue)) != NULL) {
        ph_mqtt_node_free(&node);
    }
    if (queue->fd >= 0) {
        (void)close(queue->fd);
        queue->fd = -1;
    }
}

bool ph_mqtt_queue_has_room(const struct ph_mqtt_queue *queue, size_t bytes)
{
    return bytes <= queue->max_bytes && queue->bytes <= queue->max_bytes - bytes;
}

void ph_mqtt_queue_push(struct ph_mqtt_queue *queue, struct ph_mqtt_node *node)
{
    node->next = NULL;
    if (queue->last != NULL) {
        queue->last->next = node;
    } else {
        uint64_t one = 1;
        queue->first = node;
        ssize_t written = write(queue->fd, &one, sizeof one);
        (void)written; /* only a full counter can refuse, and it holds at most 1 */
    }
    queue->last = node;
    queue->bytes += node->bytes;
}

struct ph_mqtt_node *ph_mqtt_queue_pop(struct ph_mqtt_queue *queue)
{
    struct ph_mqtt_node *node = queue->first;
    if (node == NULL) {
        return NULL;
    }
    queue->first = node->next;
    queue->bytes -= node->bytes;
    if (queue->first == NULL) {
        uint64_t count = 0;
        queue->last = NULL;
        ssize_t got = read(queue->fd, &count, sizeof count);
        (void)got; /* readable since the push into the empty queue */
    }
    node->next = NULL;
    return node;
}

void ph_mqtt_node_free(struct ph_mqtt_node **node)
{
    if (*node != NULL) {
        ph_mqtt_event_fini(&(*node)->event);
        free(*node);
        *node = NULL;
    }
}
