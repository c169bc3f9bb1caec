#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/mqtt_message.h"

static MQTTLenString text_of(char *text)
{
    return (MQTTLenString){.len = (int)strlen(text), .data = text};
}

/* Paho's own functions copy every text and need a client first. */
struct list {
    MQTTProperty array[200];
    int count;
};

static void add(struct list *list, MQTTLenString name, MQTTLenString value)
{
    MQTTProperty *property = &list->array[list->count++];
    property->identifier = MQTTPROPERTY_CODE_USER_PROPERTY;
    property->value.data = name;
    property->value.value = value;
}

static struct ph_mqtt_node *copy_of(struct list *list)
{
    MQTTAsync_message message = MQTTAsync_message_initializer;
    static char payload[] = "{}";
    message.payload = payload;
    message.payloadlen = 2;
    message.properties.array = list->array;
    message.properties.count = list->count;
    struct ph_mqtt_node *node = ph_mqtt_message_copy("a/b", &message);
    assert_non_null(node);
    assert_string_equal(node->event.topic, "a/b");
    assert_int_equal(node->event.payload_len, 2);
    return node;
}

/* "name=value;", in order. */
static void assert_properties(const struct ph_mqtt_node *node, const char *want, bool incomplete)
{
    char have[512] = "";
    size_t len = 0;
    for (size_t i = 0; i < node->event.property_count; i++) {
        int added = snprintf(&have[len], sizeof have - len, "%s=%s;",
            node->event.properties[i].name, node->event.properties[i].value);
        len += (size_t)added;
        assert_true(len < sizeof have);
    }
    assert_string_equal(have, want);
    assert_int_equal(node->event.properties_incomplete, incomplete);
}

/* [ING-60] */
static void reserved_properties_are_kept_in_order(void **state)
{
    (void)state;
    static struct list list;
    char pairs[][2][32] = {{"ph-identity", "devices:acme/thermostat/t1"}, {"x", "y"},
        {"Ph-fingerprint", "no"}, {"ph", "no"}, {"", ""}, {"ph-fingerprint", ""}, {"ph-", "z"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        add(&list, text_of(pairs[i][0]), text_of(pairs[i][1]));
    }
    list.array[list.count].identifier = MQTTPROPERTY_CODE_CONTENT_TYPE;
    list.array[list.count++].value.data = text_of(pairs[0][0]);
    struct ph_mqtt_node *node = copy_of(&list);
    assert_properties(node, "ph-identity=devices:acme/thermostat/t1;ph-fingerprint=;ph-=z;", false);
    ph_mqtt_node_free(&node);
}

/* [ING-60] */
static void what_is_too_long_or_has_a_nul_is_left_out(void **state)
{
    (void)state;
    static char large[PH_MQTT_PROPERTY_BYTES + 2] = "ph-";
    memset(&large[3], 'a', sizeof large - 4);
    static char nul[] = "ph-a\0b";
    const struct {
        MQTTLenString name, value;
        bool kept;
    } cases[] = {
        {{3, large}, {PH_MQTT_PROPERTY_BYTES, large}, true},
        {{3, large}, {PH_MQTT_PROPERTY_BYTES + 1, large}, false},
        {{PH_MQTT_PROPERTY_BYTES, large}, {1, large}, true},
        {{PH_MQTT_PROPERTY_BYTES + 1, large}, {1, large}, false},
        {{3, large}, {6, nul}, false},
        {{6, nul}, {1, large}, false},
        {{3, large}, {0, large}, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct list list = {0};
        add(&list, cases[i].name, cases[i].value);
        struct ph_mqtt_node *node = copy_of(&list);
        assert_int_equal(node->event.property_count, cases[i].kept ? 1 : 0);
        assert_int_equal(node->event.properties_incomplete, !cases[i].kept);
        if (cases[i].kept) {
            assert_int_equal(strlen(node->event.properties[0].name), cases[i].name.len);
            assert_int_equal(strlen(node->event.properties[0].value), cases[i].value.len);
        }
        ph_mqtt_node_free(&node);
    }
}

/* [ING-60] */
static void a_flood_costs_no_memory(void **state)
{
    (void)state;
    static char value[PH_MQTT_PROPERTY_BYTES];
    memset(value, 'v', sizeof value);
    static struct list none;
    struct ph_mqtt_node *bare = copy_of(&none);
    assert_properties(bare, "", false);
    static const struct {
        char name[8];
        size_t kept;
    } cases[] = {{"other", 0}, {"ph-x", PH_MQTT_PROPERTIES_MAX}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct list list;
        list.count = 0;
        char name[8];
        memcpy(name, cases[i].name, sizeof name);
        for (int j = 0; j < 200; j++) {
            add(&list, text_of(name), (MQTTLenString){.len = sizeof value, .data = value});
        }
        struct ph_mqtt_node *node = copy_of(&list);
        assert_int_equal(node->event.property_count, cases[i].kept);
        assert_int_equal(node->event.properties_incomplete, cases[i].kept > 0);
        size_t extra = node->bytes - bare->bytes;
        assert_int_equal(extra == 0, cases[i].kept == 0);
        assert_true(extra <= cases[i].kept * (size_t)(2 * PH_MQTT_PROPERTY_BYTES));
        ph_mqtt_node_free(&node);
    }
    ph_mqtt_node_free(&bare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reserved_properties_are_kept_in_order),
        cmocka_unit_test(what_is_too_long_or_has_a_nul_is_left_out),
        cmocka_unit_test(a_flood_costs_no_memory),
    };
    return cmocka_run_group_tests_name("ph.adapters.mqtt_message", tests, NULL, NULL);
}
