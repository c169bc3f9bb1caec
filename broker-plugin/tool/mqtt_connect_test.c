/* ph.policy.mqtt_connect: CONNECT as MQTT 5.0 section 3.1 writes it, CONNACK as section 3.2 allows
 * it and nothing else. [PPL-17] */
#include "broker-plugin/tool/mqtt_connect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static struct ph_error error;
static struct ph_connack connack;
static size_t missing;

static enum ph_err parse(const uint8_t *bytes, size_t len)
{
    ph_error_clear(&error);
    return ph_connack_parse(bytes, len, &missing, &connack, &error);
}

static void assert_whole(enum ph_err err)
{
    assert_string_equal(error.message, "");
    assert_int_equal(err, PH_OK);
    assert_int_equal(missing, 0);
}

static void assert_broken(enum ph_err err, const char *part)
{
    assert_int_equal(err, PH_ERR_INPUT);
    assert_int_equal(error.code, PH_ERR_INPUT);
    if (strstr(error.message, part) == NULL) {
        fail_msg("want \"%s\" in: %s", part, error.message);
    }
}

static void encodes_connect(void **state)
{
    (void)state;
    static const char want[] = "\x10\x1a\0\4MQTT\5\2\0\x3c\x0a\x11\0\0\0\0\x27\0\0\x10\0\0\3a/b";
    struct ph_buf buf;
    ph_buf_init(&buf, 512);
    assert_int_equal(ph_mqtt_connect_encode(&buf, "a/b", NULL), PH_OK);
    assert_int_equal(buf.len, sizeof want - 1);
    assert_memory_equal(buf.data, want, sizeof want - 1);
    ph_buf_fini(&buf);
}

/* The remaining length takes a second byte from 128 on: 23 bytes and the client id. */
static void encodes_long_client_ids(void **state)
{
    (void)state;
    char id[PH_LIMIT_CLIENT_ID_BYTES + 2] = {0};
    for (size_t len = 1; len <= PH_LIMIT_CLIENT_ID_BYTES; len++) {
        struct ph_buf buf;
        ph_buf_init(&buf, 512);
        id[len - 1] = 'x';
        assert_int_equal(ph_mqtt_connect_encode(&buf, id, NULL), PH_OK);
        const unsigned char *data = (const unsigned char *)buf.data;
        const size_t head = 23 + len < 128 ? 2 : 3;
        const size_t said = head == 2 ? data[1] : (data[1] & 0x7FU) + 128U * data[2];
        assert_int_equal(head == 2 ? 0 : 0x80, data[1] & 0x80);
        assert_int_equal(said, 23 + len);
        assert_int_equal(buf.len, head + said);
        ph_buf_fini(&buf);
    }
    id[PH_LIMIT_CLIENT_ID_BYTES] = 'x';
    struct ph_buf buf;
    ph_buf_init(&buf, 512);
    assert_int_equal(ph_mqtt_connect_encode(&buf, id, NULL), PH_ERR_USAGE);
    assert_int_equal(ph_mqtt_connect_encode(&buf, "", NULL), PH_ERR_USAGE);
    ph_buf_fini(&buf);
}

static void reads_what_mosquitto_says(void **state)
{
    (void)state;
    assert_whole(parse(BYTES(0x20, 9, 0, 0, 6, 0x22, 0, 10, 0x21, 0x01, 0xF4)));
    assert_int_equal(connack.code, 0);
    assert_whole(parse(BYTES(0x20, 3, 0, 0x87, 0)));
    assert_int_equal(connack.code, 0x87);
    assert_string_equal(connack.reason, "");
}

static void keeps_the_reason_and_escapes_it(void **state)
{
    (void)state;
    assert_whole(parse(BYTES(0x20, 13, 0, 0x9C, 10, 0x1F, 0, 3, 'a', 0x1B, 'b', 0x1C, 0, 1, 'c')));
    assert_string_equal(connack.reason, "a\\x1bb");
    assert_string_equal(connack.other, "c");
}

static void asks_for_what_is_missing(void **state)
{
    (void)state;
    static const uint8_t packet[] = {0x20, 3, 0, 0, 0};
    static const size_t want[] = {2, 1, 3, 2, 1, 0};
    for (size_t len = 0; len <= sizeof packet; len++) {
        assert_int_equal(parse(packet, len), PH_OK);
        assert_int_equal(missing, want[len]);
    }
}

static void takes_user_properties_many_times_and_others_once(void **state)
{
    (void)state;
    assert_whole(parse(BYTES(0x20, 15, 0, 0, 12, 0x26, 0, 0, 0, 1, 'a', 0x26, 0, 0, 0, 1, 'a')));
    assert_broken(parse(BYTES(0x20, 7, 0, 0, 4, 0x24, 1, 0x24, 1)), "property 0x24 is there twice");
}

static void refuses_other_packets(void **state)
{
    (void)state;
    assert_broken(parse(BYTES('H')), "want CONNACK, have a packet that begins with 0x48");
    assert_broken(parse(BYTES(0x21, 3, 0, 0, 0)), "begins with 0x21");
    assert_broken(parse(BYTES(0x20, 2, 0, 5)), "that of MQTT 3, code 5");
    assert_broken(parse(BYTES(0x20, 1, 0)), "too short");
    assert_broken(parse(BYTES(0x20, 0)), "too short");
    assert_broken(parse(BYTES(0x20, 3, 1, 0, 0)), "flags: want 0");
    assert_broken(parse(BYTES(0x20, 3, 0, 0x42, 0)), "reason code 0x42 is none");
}

static void refuses_lengths_that_do_not_fit(void **state)
{
    (void)state;
    assert_broken(parse(BYTES(0x20, 3, 0, 0, 1)), "length of its properties");
    assert_broken(parse(BYTES(0x20, 5, 0, 0, 1, 0x24, 1)), "length of its properties");
    assert_broken(parse(BYTES(0x20, 4, 0, 0, 0x80, 0)), "length of its properties");
    assert_broken(parse(BYTES(0x20, 4, 0, 0, 1, 0x24)), "property 0x24: its value is cut off");
    assert_broken(parse(BYTES(0x20, 5, 0, 0, 2, 0x21, 1)), "property 0x21: its value is cut off");
    assert_broken(parse(BYTES(0x20, 6, 0, 0, 3, 0x27, 1, 1)), "property 0x27: its value is cut");
    assert_broken(parse(BYTES(0x20, 6, 0, 0, 3, 0x1F, 0, 1)), "property 0x1F: its value is cut");
    assert_broken(parse(BYTES(0x20, 6, 0, 0, 3, 0x26, 0, 0)), "property 0x26: its value is cut");
    assert_broken(parse(BYTES(0x20, 5, 0, 0, 2, 0x01, 1)), "property 0x01 has no place");
    assert_broken(parse(BYTES(0x20, 5, 0, 0, 2, 0xFF, 1)), "property 0xFF has no place");
    assert_broken(parse(BYTES(0x20, 0xFF, 0xFF, 0xFF, 0xFF)), "its length is no number");
    assert_broken(parse(BYTES(0x20, 0x83, 0)), "its length is no number");
}

static void refuses_text_that_is_none(void **state)
{
    (void)state;
    assert_broken(parse(BYTES(0x20, 7, 0, 0, 4, 0x1F, 0, 1, 0xFF)), "or no UTF-8");
    assert_broken(parse(BYTES(0x20, 7, 0, 0, 4, 0x1F, 0, 1, 0)), "or no UTF-8");
}

static void refuses_what_is_too_large_at_once(void **state)
{
    (void)state;
    assert_int_equal(parse(BYTES(0x20, 0xFE, 0x1F)), PH_ERR_LIMIT); /* 4,094 and 3 */
    assert_non_null(strstr(error.message, "want at most 4096 bytes, have 4097"));
    assert_int_equal(parse(BYTES(0x20, 0xFD, 0x1F)), PH_OK);
    assert_int_equal(missing, 4093);
    assert_int_equal(parse(BYTES(0x20, 0xFF, 0xFF, 0xFF, 0x7F)), PH_ERR_LIMIT);
}

static void names_each_code(void **state)
{
    (void)state;
    assert_string_equal(ph_connack_code_name(0x87), "Not authorized");
    assert_string_equal(ph_connack_code_name(0x9F), "Connection rate exceeded");
    assert_null(ph_connack_code_name(0x01));
    assert_null(ph_connack_code_name(0x8B));
    assert_null(ph_connack_code_name(0xFF));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_connect),
        cmocka_unit_test(encodes_long_client_ids),
        cmocka_unit_test(reads_what_mosquitto_says),
        cmocka_unit_test(keeps_the_reason_and_escapes_it),
        cmocka_unit_test(asks_for_what_is_missing),
        cmocka_unit_test(takes_user_properties_many_times_and_others_once),
        cmocka_unit_test(refuses_other_packets),
        cmocka_unit_test(refuses_lengths_that_do_not_fit),
        cmocka_unit_test(refuses_text_that_is_none),
        cmocka_unit_test(refuses_what_is_too_large_at_once),
        cmocka_unit_test(names_each_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
