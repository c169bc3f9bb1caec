#include "broker-plugin/tool/probe.h"

#include <stdio.h>
#include <string.h>

#include "adapters/tls.h"
#include "base/clock.h"
#include "base/text.h"
#include "broker-plugin/tool/mqtt_connect.h"

enum { PORT_STANDARD = 8883, PACKET_BYTES = 512 };

static const char scheme[] = "mqtts://";

/* ---- where ---- */

static enum ph_err refuse_url(const char *url, struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_USAGE, "--url: want mqtts://HOST:PORT, have \"%.200s\"", url);
}

static bool port_ok(const char *text, uint16_t *port)
{
    int64_t value = PORT_STANDARD;
    if (text[0] != '\0' && (text[0] != ':' || !ph_text_to_int64(text + 1, 1, UINT16_MAX, &value))) {
        return false;
    }
    *port = (uint16_t)value;
    return true;
}

/* Up to where HOST goes: an address in brackets, or what names and IPv4 addresses consist of. */
static size_t host_length(const char *text, bool bracketed)
{
    static const char of_names[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    return bracketed ? strspn(text, "0123456789abcdefABCDEF:.") : strspn(text, of_names);
}

enum ph_err ph_probe_target_parse(
    const char *url, struct ph_probe_target *out, struct ph_error *error)
{
    *out = (struct ph_probe_target){0};
    if (strncmp(url, scheme, sizeof scheme - 1) != 0) {
        return refuse_url(url, error);
    }
    const char *text = url + sizeof scheme - 1;
    const bool bracketed = text[0] == '[';
    const char *host = text + (bracketed ? 1 : 0);
    const size_t len = host_length(host, bracketed);
    const char *rest = host + len;
    if (len == 0 || len >= sizeof out->host || (bracketed && rest[0] != ']') ||
        !port_ok(rest + (bracketed ? 1 : 0), &out->port)) {
        return refuse_url(url, error);
    }
    memcpy(out->host, host, len);
    (void)snprintf(out->name, sizeof out->name, bracketed ? "[%s]:%u" : "%s:%u", out->host,
        (unsigned)out->port);
    return PH_OK;
}

/* ---- what is said there ---- */

static enum ph_err refused(
    const struct ph_connack *connack, const char *client_id, struct ph_error *error)
{
    const char *advice = "its log says why";
    enum ph_err err = PH_ERR_DENIED;
    switch (connack->code) {
    case 0x86:
    case 0x87:
    case 0x8A:
        advice = "its log says why (msg=\"connection refused\"), and so does ph-policy explain";
        break;
    case 0x88:
    case 0x89:
    case 0x97:
    case 0x9C:
    case 0x9D:
    case 0x9F:
        err = PH_ERR_UNAVAILABLE;
        break;
    default:
        break;
    }
    return ph_error_set(error, err,
        "CONNACK 0x%02X (%s)%s%s%s%s: the broker does not admit \"%s\": %s", connack->code,
        ph_connack_code_name(connack->code), connack->reason[0] != '\0' ? ": " : "",
        connack->reason, connack->other[0] != '\0' ? ": it sends to " : "", connack->other,
        client_id, advice);
}

static enum ph_err read_connack(
    struct ph_tls *tls, int64_t deadline_ms, struct ph_connack *connack, struct ph_error *error)
{
    uint8_t bytes[PH_LIMIT_CONNACK_BYTES];
    size_t len = 0;
    size_t missing = 2; /* the shortest packet */
    enum ph_err err = PH_OK;
    while (err == PH_OK && missing > 0) {
        size_t more = 0;
        err = ph_tls_read(tls, bytes + len, missing, &more, deadline_ms, error);
        if (err == PH_OK) {
            len += more;
            err = ph_connack_parse(bytes, len, &missing, connack, error);
            err = err == PH_OK ? PH_OK : ph_error_prefix(error, err, "MQTT");
        }
    }
    return err;
}

static enum ph_err say_connect(
    struct ph_tls *tls, const char *client_id, int64_t deadline_ms, struct ph_error *error)
{
    struct ph_buf packet;
    ph_buf_init(&packet, PACKET_BYTES);
    enum ph_err err = ph_mqtt_connect_encode(&packet, client_id, error);
    if (err == PH_OK) {
        err = ph_tls_write(tls, packet.data, packet.len, deadline_ms, error);
    }
    ph_buf_fini(&packet);
    return err;
}

/* The answer is there: what becomes of this is of no concern. */
static void say_goodbye(struct ph_tls *tls, int64_t deadline_ms)
{
    struct ph_buf packet;
    ph_buf_init(&packet, PACKET_BYTES);
    if (ph_mqtt_disconnect_encode(&packet, NULL) == PH_OK) {
        (void)!ph_tls_write(tls, packet.data, packet.len, deadline_ms, NULL);
    }
    ph_buf_fini(&packet);
}

static enum ph_err ask(
    struct ph_tls *tls, const char *client_id, int64_t deadline_ms, struct ph_error *error)
{
    struct ph_connack connack;
    enum ph_err err = say_connect(tls, client_id, deadline_ms, error);
    if (err == PH_OK) {
        err = read_connack(tls, deadline_ms, &connack, error);
    }
    if (err == PH_OK && connack.code != 0) {
        return refused(&connack, client_id, error);
    }
    return err;
}

static enum ph_err connect_and_ask(const struct ph_probe_options *options, struct ph_tls *tls,
    int64_t deadline_ms, struct ph_error *error)
{
    const struct ph_probe_target *target = options->target;
    int fd = -1;
    enum ph_err err = ph_tcp_open(target->host, target->port, deadline_ms, &fd, error);
    if (err == PH_OK) {
        err = ph_tls_connect(tls, fd, target->host, deadline_ms, error);
    }
    if (err == PH_OK) {
        err = ask(tls, options->client_id, deadline_ms, error);
    }
    return err == PH_OK ? PH_OK : ph_error_prefix(error, err, "%s", target->name);
}

enum ph_err ph_probe_run(
    const struct ph_probe_options *options, struct ph_probe_answer *out, struct ph_error *error)
{
    const struct ph_tls_options files = {.ca_file = options->ca_file,
        .cert_file = options->cert_file,
        .key_file = options->key_file,
        .received_max = PH_LIMIT_PROBE_BYTES};
    struct ph_tls *tls = NULL;
    const int64_t began_ms = ph_clock_monotonic_ms();
    const int64_t deadline_ms = began_ms + options->timeout_ms;
    enum ph_err err = ph_tls_new(&files, &tls, error);
    if (err == PH_OK) {
        err = connect_and_ask(options, tls, deadline_ms, error);
    }
    if (err == PH_OK) {
        out->took_ms = ph_clock_monotonic_ms() - began_ms;
        say_goodbye(tls, deadline_ms);
        (void)!ph_text_copy(out->version, sizeof out->version, ph_tls_version(tls));
        err = ph_tls_peer_expiry(tls, &out->not_after_ms, error);
    }
    ph_tls_free(&tls);
    return err;
}
