#include "adapters/mqtt_message.h"

#include <stdlib.h>
#include <string.h>

/* What an allocation costs at least, whatever its size: a flood of empty properties counts too. */
enum { ALLOCATION_BYTES = 32 };

static char *text_copy(const char *bytes, size_t len)
{
    char *copy = memchr(bytes, '\0', len) == NULL ? malloc(len + 1) : NULL;
    if (copy != NULL) {
        memcpy(copy, bytes, len);
        copy[len] = '\0';
    }
    return copy;
}

/* Copies the user properties; one with a NUL inside, which MQTT forbids, is left out. */
static bool properties_copy(struct ph_mqtt_node *node, const MQTTProperties *properties)
{
    size_t count = 0;
    for (int i = 0; i < properties->count; i++) {
        count += properties->array[i].identifier == MQTTPROPERTY_CODE_USER_PROPERTY;
    }
    if (count == 0) {
        return true;
    }
    node->event.properties = calloc(count, sizeof *node->event.properties);
    if (node->event.properties == NULL) {
        return false;
    }
    for (int i = 0; i < properties->count; i++) {
        const MQTTProperty *property = &properties->array[i];
        if (property->identifier != MQTTPROPERTY_CODE_USER_PROPERTY) {
            continue;
        }
        char *name = text_copy(property->value.data.data, (size_t)property->value.data.len);
        char *value = text_copy(property->value.value.data, (size_t)property->value.value.len);
        if (name == NULL || value == NULL) {
            free(name);
            free(value);
            continue;
        }
        node->bytes += strlen(name) + strlen(value) + sizeof *node->event.properties +
                       2 * (size_t)ALLOCATION_BYTES;
        node->event.properties[node->event.property_count].name = name;
        node->event.properties[node->event.property_count].value = value;
        node->event.property_count++;
    }
    return true;
}

struct ph_mqtt_node *ph_mqtt_message_copy(const char *topic, const MQTTAsync_message *message)
{
    struct ph_mqtt_node *node = calloc(1, sizeof *node);
    if (node == NULL) {
        return NULL;
    }
    size_t len = message->payloadlen > 0 ? (size_t)message->payloadlen : 0;
    node->event.type = PH_MQTT_MESSAGE;
    node->event.retained = message->retained != 0;
    node->event.topic = strdup(topic);
    node->event.payload = malloc(len + 1);
    if (node->event.topic == NULL || node->event.payload == NULL) {
        ph_mqtt_node_free(&node);
        return NULL;
    }
    memcpy(node->event.payload, len > 0 ? message->payload : "", len);
    ((char *)node->event.payload)[len] = '\0';
    node->event.payload_len = len;
    node->bytes = sizeof *node + strlen(topic) + len + 3 * (size_t)ALLOCATION_BYTES;
    if (!properties_copy(node, &message->properties)) {
        ph_mqtt_node_free(&node);
    }
    return node;
}
