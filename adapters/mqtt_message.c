#include "adapters/mqtt_message.h"

#include <stdlib.h>
#include <string.h>

#include "format/provenance.h"

/* What an allocation costs at least, whatever its size: a flood of empty messages counts too. */
enum { ALLOCATION_BYTES = 32 };

/* What is kept of a message's user properties, found before anything is allocated. */
struct chosen {
    const MQTTProperty *properties[PH_MQTT_PROPERTIES_MAX];
    size_t count;
    size_t text_bytes; /* of names and values, with their terminators */
    bool incomplete;
};

static bool has_prefix(const MQTTLenString *name)
{
    const size_t len = sizeof PH_PROPERTY_PREFIX - 1;
    return name->len >= 0 && (size_t)name->len >= len &&
           memcmp(name->data, PH_PROPERTY_PREFIX, len) == 0;
}

/* MQTT forbids a NUL in a text; Paho does not look. */
static bool fits(const MQTTLenString *text)
{
    return text->len == 0 || (text->len > 0 && text->len <= PH_MQTT_PROPERTY_BYTES &&
                                 memchr(text->data, '\0', (size_t)text->len) == NULL);
}

static void choose(struct chosen *chosen, const MQTTProperties *properties)
{
    for (int i = 0; i < properties->count; i++) {
        const MQTTProperty *property = &properties->array[i];
        if (property->identifier != MQTTPROPERTY_CODE_USER_PROPERTY ||
            !has_prefix(&property->value.data)) {
            continue;
        }
        if (chosen->count == PH_MQTT_PROPERTIES_MAX || !fits(&property->value.data) ||
            !fits(&property->value.value)) {
            chosen->incomplete = true;
            continue;
        }
        chosen->properties[chosen->count++] = property;
        chosen->text_bytes +=
            (size_t)property->value.data.len + (size_t)property->value.value.len + 2;
    }
}

/* Copies a text to *at, which it moves on. */
static const char *text_copy(char **at, const MQTTLenString *text)
{
    char *copy = *at;
    size_t len = (size_t)text->len;
    if (len > 0) {
        memcpy(copy, text->data, len);
    }
    copy[len] = '\0';
    *at += len + 1;
    return copy;
}

static bool properties_copy(struct ph_mqtt_node *node, const MQTTProperties *properties)
{
    struct chosen chosen = {0};
    choose(&chosen, properties);
    node->event.properties_incomplete = chosen.incomplete;
    if (chosen.count == 0) {
        return true;
    }
    size_t size = chosen.count * sizeof node->event.properties[0] + chosen.text_bytes;
    node->event.properties = malloc(size);
    if (node->event.properties == NULL) {
        return false;
    }
    char *at = (char *)&node->event.properties[chosen.count];
    for (size_t i = 0; i < chosen.count; i++) {
        const MQTTProperty *property = chosen.properties[i];
        node->event.properties[i] = (struct ph_mqtt_property){
            .name = text_copy(&at, &property->value.data),
            .value = text_copy(&at, &property->value.value),
        };
    }
    node->event.property_count = chosen.count;
    node->bytes += size + ALLOCATION_BYTES;
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
