/* The two MQTT 5 packets that tell whether a broker admits somebody (OASIS MQTT 5.0, sections 3.1
 * and 3.2). Bytes only; no connection. */
#ifndef PH_BROKER_PLUGIN_MQTT_CONNECT_H
#define PH_BROKER_PLUGIN_MQTT_CONNECT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/limits.h"

/* Appends a CONNECT with clean start, a session that ends with the connection, no will, and no
 * answer wanted of more than PH_LIMIT_CONNACK_BYTES. The client id has 1 to
 * PH_LIMIT_CLIENT_ID_BYTES bytes. */
enum ph_err ph_mqtt_connect_encode(
    struct ph_buf *out, const char *client_id, struct ph_error *error) PH_NODISCARD;

/* Appends a DISCONNECT in good order. */
enum ph_err ph_mqtt_disconnect_encode(struct ph_buf *out, struct ph_error *error) PH_NODISCARD;

struct ph_connack {
    uint8_t code;     /* reason code: 0 is "admitted", from 0x80 "refused" */
    char reason[200]; /* the broker's own words, escaped and cut; "" for none */
    char other[200];  /* the server that it sends to (Server Reference), likewise */
};

/* Reads the first packet of an answer, of which `len` bytes have come. `*missing` is 0 when it is
 * whole and in `out`, otherwise how many bytes more there must be at least. PH_ERR_INPUT: not a
 * CONNACK of MQTT 5, or one that breaks its rules, every length and property included;
 * PH_ERR_LIMIT: it is longer than PH_LIMIT_CONNACK_BYTES. What stands behind it is not looked at.
 */
enum ph_err ph_connack_parse(const uint8_t *bytes, size_t len, size_t *missing,
    struct ph_connack *out, struct ph_error *error) PH_NODISCARD;

/* The name of a reason code that CONNACK may have, such as "Not authorized"; NULL for any other. */
const char *ph_connack_code_name(uint8_t code);

#endif
