#include "broker-plugin/tool/mqtt_connect.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/text.h"

enum {
    CONNECT = 0x10,
    CONNACK = 0x20,
    DISCONNECT = 0xE0,
    VERSION_5 = 5,
    CLEAN_START = 0x02,
    KEEP_ALIVE_S = 60,
    SESSION_EXPIRY = 0x11,
    SERVER_REFERENCE = 0x1C,
    REASON_STRING = 0x1F,
    USER_PROPERTY = 0x26,
    MAXIMUM_PACKET_SIZE = 0x27,
};

/* ---- what we send ---- */

static unsigned char high(size_t value)
{
    return (unsigned char)(value >> 8 & 0xFF);
}

static unsigned char low(size_t value)
{
    return (unsigned char)(value & 0xFF);
}

enum ph_err ph_mqtt_connect_encode(
    struct ph_buf *out, const char *client_id, struct ph_error *error)
{
    const size_t id_len = strlen(client_id);
    if (id_len < 1 || id_len > PH_LIMIT_CLIENT_ID_BYTES) {
        return ph_error_set(error, PH_ERR_USAGE, "client id: want 1 to %d bytes, have %zu",
            PH_LIMIT_CLIENT_ID_BYTES, id_len);
    }
    const unsigned char body[] = {0, 4, 'M', 'Q', 'T', 'T', VERSION_5, CLEAN_START, 0, KEEP_ALIVE_S,
        10, SESSION_EXPIRY, 0, 0, 0, 0, MAXIMUM_PACKET_SIZE, 0, 0, high(PH_LIMIT_CONNACK_BYTES),
        low(PH_LIMIT_CONNACK_BYTES), high(id_len), low(id_len)};
    const size_t remaining = sizeof body + id_len; /* 24 to 278 */
    const unsigned char head[] = {
        CONNECT, (unsigned char)(remaining % 128 | 0x80), (unsigned char)(remaining / 128)};
    const unsigned char short_head[] = {CONNECT, (unsigned char)remaining};
    enum ph_err err = remaining < 128 ? ph_buf_append(out, short_head, sizeof short_head)
                                      : ph_buf_append(out, head, sizeof head);
    err = err == PH_OK ? ph_buf_append(out, body, sizeof body) : err;
    err = err == PH_OK ? ph_buf_append(out, client_id, id_len) : err;
    return err == PH_OK ? PH_OK : ph_error_set(error, err, "CONNECT: does not fit its buffer");
}

enum ph_err ph_mqtt_disconnect_encode(struct ph_buf *out, struct ph_error *error)
{
    const unsigned char packet[] = {DISCONNECT, 0};
    enum ph_err err = ph_buf_append(out, packet, sizeof packet);
    return err == PH_OK ? PH_OK : ph_error_set(error, err, "DISCONNECT: does not fit its buffer");
}

/* ---- what comes back ---- */

/* MQTT 5.0, table 3-1. */
static const struct {
    uint8_t code;
    const char *name;
} codes[] = {
    {0x00, "Success"},
    {0x80, "Unspecified error"},
    {0x81, "Malformed Packet"},
    {0x82, "Protocol Error"},
    {0x83, "Implementation specific error"},
    {0x84, "Unsupported Protocol Version"},
    {0x85, "Client Identifier not valid"},
    {0x86, "Bad User Name or Password"},
    {0x87, "Not authorized"},
    {0x88, "Server unavailable"},
    {0x89, "Server busy"},
    {0x8A, "Banned"},
    {0x8C, "Bad authentication method"},
    {0x90, "Topic Name invalid"},
    {0x95, "Packet too large"},
    {0x97, "Quota exceeded"},
    {0x99, "Payload format invalid"},
    {0x9A, "Retain not supported"},
    {0x9B, "QoS not supported"},
    {0x9C, "Use another server"},
    {0x9D, "Server moved"},
    {0x9F, "Connection rate exceeded"},
};

const char *ph_connack_code_name(uint8_t code)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].code == code) {
            return codes[i].name;
        }
    }
    return NULL;
}

/* What is left to be read; every taking checks that it is there. */
struct cursor {
    const uint8_t *at;
    size_t left;
};

enum shape { NO_SHAPE, BYTE_1, BYTES_2, BYTES_4, TEXT, BINARY, PAIR };

/* MQTT 5.0, section 3.2.2.3: what may stand in a CONNACK. */
static enum shape property_shape(uint8_t id)
{
    switch (id) {
    case 0x24: /* Maximum QoS */
    case 0x25: /* Retain Available */
    case 0x28: /* Wildcard Subscription Available */
    case 0x29: /* Subscription Identifiers Available */
    case 0x2A: /* Shared Subscription Available */
        return BYTE_1;
    case 0x13: /* Server Keep Alive */
    case 0x21: /* Receive Maximum */
    case 0x22: /* Topic Alias Maximum */
        return BYTES_2;
    case SESSION_EXPIRY:
    case MAXIMUM_PACKET_SIZE:
        return BYTES_4;
    case 0x12: /* Assigned Client Identifier */
    case 0x15: /* Authentication Method */
    case 0x1A: /* Response Information */
    case SERVER_REFERENCE:
    case REASON_STRING:
        return TEXT;
    case 0x16: /* Authentication Data */
        return BINARY;
    case USER_PROPERTY:
        return PAIR;
    default:
        return NO_SHAPE;
    }
}

static bool take(struct cursor *cursor, size_t len, struct cursor *out)
{
    if (len > cursor->left) {
        return false;
    }
    *out = (struct cursor){.at = cursor->at, .left = len};
    cursor->at += len;
    cursor->left -= len;
    return true;
}

/* Bytes with their length in front. */
static bool take_binary(struct cursor *cursor, struct cursor *out)
{
    struct cursor size;
    return take(cursor, 2, &size) && take(cursor, (size_t)size.at[0] << 8 | size.at[1], out);
}

/* Section 1.5.4: UTF-8 without NUL. */
static bool take_text(struct cursor *cursor, struct cursor *out)
{
    return take_binary(cursor, out) && ph_text_utf8_valid(out->at, out->left) &&
           (out->left == 0 || memchr(out->at, 0, out->left) == NULL);
}

static bool take_value(struct cursor *cursor, enum shape shape, struct cursor *out)
{
    switch (shape) {
    case BYTE_1:
        return take(cursor, 1, out);
    case BYTES_2:
        return take(cursor, 2, out);
    case BYTES_4:
        return take(cursor, 4, out);
    case TEXT:
        return take_text(cursor, out);
    case BINARY:
        return take_binary(cursor, out);
    case PAIR:
        return take_text(cursor, out) && take_text(cursor, &(struct cursor){0});
    case NO_SHAPE:
        break;
    }
    return false;
}

/* Section 1.5.5: up to four bytes of seven bits, no longer than need be. 0: not whole, -1: broken.
 */
static int read_varint(const uint8_t *bytes, size_t len, uint32_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < 4 && i < len; i++) {
        *value |= (uint32_t)(bytes[i] & 0x7F) << 7 * i;
        if ((bytes[i] & 0x80) == 0) {
            return i > 0 && bytes[i] == 0 ? -1 : (int)i + 1;
        }
    }
    return len < 4 ? 0 : -1;
}

static enum ph_err broken(struct ph_error *error, const char *what)
{
    return ph_error_set(error, PH_ERR_INPUT, "CONNACK: %s: this is no MQTT 5 broker", what);
}

static enum ph_err read_property(
    struct cursor *cursor, uint64_t *seen, struct ph_connack *out, struct ph_error *error)
{
    struct cursor value = {0};
    const uint8_t id = cursor->at[0];
    const enum shape shape = property_shape(id);
    (void)take(cursor, 1, &value);
    if (shape == NO_SHAPE) {
        return ph_error_set(error, PH_ERR_INPUT,
            "CONNACK: property 0x%02X has no place in it: this is no MQTT 5 broker", id);
    }
    if (id != USER_PROPERTY && (*seen >> id & 1) != 0) {
        return ph_error_set(error, PH_ERR_INPUT,
            "CONNACK: property 0x%02X is there twice: this is no MQTT 5 broker", id);
    }
    *seen |= UINT64_C(1) << id;
    if (!take_value(cursor, shape, &value)) {
        return ph_error_set(error, PH_ERR_INPUT,
            "CONNACK: property 0x%02X: its value is cut off or no UTF-8: this is no MQTT 5 broker",
            id);
    }
    if (id == REASON_STRING) {
        ph_text_escape_bytes(out->reason, sizeof out->reason, value.at, value.left);
    } else if (id == SERVER_REFERENCE) {
        ph_text_escape_bytes(out->other, sizeof out->other, value.at, value.left);
    }
    return PH_OK;
}

static enum ph_err read_properties(
    struct cursor body, struct ph_connack *out, struct ph_error *error)
{
    uint32_t len = 0;
    uint64_t seen = 0;
    struct cursor size;
    const int taken = read_varint(body.at, body.left, &len);
    if (taken <= 0 || !take(&body, (size_t)taken, &size) || len != body.left) {
        return broken(error, "the length of its properties is not what is left of it");
    }
    enum ph_err err = PH_OK;
    while (err == PH_OK && body.left > 0) {
        err = read_property(&body, &seen, out, error);
    }
    return err;
}

/* Sections 3.2.2.1 and 3.2.2.2; after a clean start there is no session. */
static enum ph_err read_body(struct cursor body, struct ph_connack *out, struct ph_error *error)
{
    if (body.left == 2) {
        return ph_error_set(error, PH_ERR_INPUT,
            "CONNACK: that of MQTT 3, code %d: the broker does not speak MQTT 5", body.at[1]);
    }
    if (body.left < 3) {
        return broken(error, "too short");
    }
    if (body.at[0] != 0) {
        return broken(error, "flags: want 0 after a clean start");
    }
    out->code = body.at[1];
    if (ph_connack_code_name(out->code) == NULL) {
        return ph_error_set(error, PH_ERR_INPUT,
            "CONNACK: reason code 0x%02X is none that it may have: this is no MQTT 5 broker",
            out->code);
    }
    struct cursor head;
    (void)take(&body, 2, &head);
    return read_properties(body, out, error);
}

enum ph_err ph_connack_parse(const uint8_t *bytes, size_t len, size_t *missing,
    struct ph_connack *out, struct ph_error *error)
{
    *out = (struct ph_connack){0};
    *missing = 0;
    if (len == 0) {
        *missing = 2;
        return PH_OK;
    }
    if (bytes[0] != CONNACK) {
        return ph_error_set(error, PH_ERR_INPUT,
            "want CONNACK, have a packet that begins with 0x%02X: this is no MQTT 5 broker",
            bytes[0]);
    }
    uint32_t remaining = 0;
    const int taken = read_varint(bytes + 1, len - 1, &remaining);
    if (taken < 0) {
        return broken(error, "its length is no number");
    }
    if (taken == 0) {
        *missing = 1;
        return PH_OK;
    }
    const size_t head = 1 + (size_t)taken;
    if (head + remaining > PH_LIMIT_CONNACK_BYTES) {
        return ph_error_set(error, PH_ERR_LIMIT,
            "CONNACK: want at most %d bytes, have %zu: this is no MQTT 5 broker",
            PH_LIMIT_CONNACK_BYTES, head + remaining);
    }
    if (len < head + remaining) {
        *missing = head + remaining - len;
        return PH_OK;
    }
    return read_body((struct cursor){.at = bytes + head, .left = remaining}, out, error);
}
