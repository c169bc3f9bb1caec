#include <inttypes.h>
#include <mqtt_protocol.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "format/ack.h"
#include "load.h"

enum { STALL_MS = 3000, PAYLOAD_BYTES = 16384, LOOP_MS = 5 };

static void fail(struct connection *c, const char *what, int rc)
{
    (void)snprintf(c->failure, sizeof c->failure, "connection %d: %s: %s", c->index, what,
        mosquitto_strerror(rc));
}

static void on_connect(struct mosquitto *client, void *context, int rc)
{
    struct connection *c = context;
    char filter[64];
    if (rc != 0) {
        (void)snprintf(
            c->failure, sizeof c->failure, "connection %d: refused with reason %d", c->index, rc);
        return;
    }
    (void)snprintf(filter, sizeof filter, "ph/v1/bench-%d/+/+/ack", c->index);
    rc = mosquitto_subscribe(client, NULL, filter, 0);
    if (rc != MOSQ_ERR_SUCCESS) {
        fail(c, "subscribe", rc);
    }
}

static void on_subscribe(
    struct mosquitto *client, void *context, int mid, int count, const int *granted)
{
    (void)client;
    (void)mid;
    struct connection *c = context;
    c->subscribed = true;
    if (count != 1 || granted[0] >= 0x80) {
        (void)snprintf(
            c->failure, sizeof c->failure, "connection %d: subscription refused", c->index);
    }
}

static void on_publish(struct mosquitto *client, void *context, int mid)
{
    (void)client;
    (void)mid;
    struct connection *c = context;
    c->unconfirmed--;
}

/* Where a message's time is kept. */
static int64_t *time_of(struct connection *c, int64_t device, int64_t n)
{
    return &c->times_ns[n * c->load->devices + device];
}

static bool *is_beyond(struct connection *c, int64_t device, int64_t n)
{
    return &c->beyond[device * c->load->unacked + n % c->load->unacked];
}

static void note_acked(struct connection *c, int64_t device, int64_t acked)
{
    struct device *d = &c->devices[device];
    int64_t now_ns = ph_clock_monotonic_ns();
    for (int64_t n = d->acked; n < acked; n++) {
        *is_beyond(c, device, n) = false;
        if (c->times_ns != NULL) {
            int64_t *time_ns = time_of(c, device, n);
            *time_ns = now_ns - *time_ns;
        }
    }
    c->acked += acked - d->acked;
    d->acked = acked;
    c->progress_ms = now_ns / 1000000;
}

/* Messages behind a gap need not be sent again. */
static void note_beyond(struct connection *c, int64_t device, const struct ph_seq_range *range)
{
    const struct device *d = &c->devices[device];
    const int64_t readings = c->load->readings;
    int64_t n = (range->first - 1 + readings - 1) / readings;
    for (n = n < d->acked ? d->acked : n; n < d->sent && (n + 1) * readings <= range->last; n++) {
        *is_beyond(c, device, n) = true;
    }
    c->progress_ms = ph_clock_monotonic_ms();
}

/* Topics are ph/v1/bench-C/thermostat/d-N/ack. */
static void on_message(
    struct mosquitto *client, void *context, const struct mosquitto_message *message)
{
    (void)client;
    struct connection *c = context;
    const char *device = strstr(message->topic, "/d-");
    struct ph_ack ack;
    if (device == NULL ||
        ph_ack_parse(message->payload, (size_t)message->payloadlen, &ack, NULL) != PH_OK) {
        return;
    }
    long number = strtol(device + 3, NULL, 10);
    if (number < 0 || number >= c->load->devices || ack.stream != c->stream) {
        return;
    }
    const struct device *d = &c->devices[number];
    int64_t acked = ack.through / c->load->readings;
    if (acked > d->acked && acked <= d->sent) {
        note_acked(c, number, acked);
    }
    for (size_t i = 0; i < ack.also_count; i++) {
        note_beyond(c, number, &ack.also[i]);
    }
}

static size_t print_message(const struct connection *c, int64_t seq, char *out)
{
    const int64_t count = c->load->readings;
    const int64_t now_ms = ph_clock_unix_ms();
    int len = snprintf(out, PAYLOAD_BYTES,
        "{\"v\":1,\"stream\":\"%016" PRIx64 "\",\"seq\":%" PRId64 ",\"readings\":[", c->stream,
        seq);
    for (int64_t i = 0; i < count; i++) {
        len += snprintf(out + len, (size_t)(PAYLOAD_BYTES - len),
            "{\"t\":%" PRId64 ",\"temperature_c\":21.53,\"setpoint_c\":21,\"humidity_pct\":41.2,"
            "\"hvac\":\"heating\"}%s",
            now_ms - count + 1 + i, i + 1 < count ? "," : "]}");
    }
    return (size_t)len;
}

static bool publish(struct connection *c, int64_t device, int64_t n)
{
    char topic[96];
    char payload[PAYLOAD_BYTES];
    (void)snprintf(
        topic, sizeof topic, "ph/v1/bench-%d/thermostat/d-%" PRId64 "/telemetry", c->index, device);
    size_t len = print_message(c, n * c->load->readings + 1, payload);
    int rc = mosquitto_publish(c->client, NULL, topic, (int)len, payload, 1, false);
    /* without a connection it is queued all the same */
    if (rc == MOSQ_ERR_SUCCESS || (rc == MOSQ_ERR_NO_CONN && c->load->reconnect)) {
        c->unconfirmed++;
        return true;
    }
    fail(c, "publish", rc);
    return false;
}

/* When the connection's next message is due. */
static int64_t due_ns(const struct connection *c)
{
    return c->load->rate == 0 ? 0
                              : c->start_ns + (c->sent * c->load->connections + c->index) *
                                                  1000000000 / c->load->rate;
}

static bool wants_more(const struct connection *c, int64_t now_ns)
{
    const struct load *load = c->load;
    return c->sent < c->to_send && c->unconfirmed < load->window && c->failure[0] == '\0' &&
           (!load->acks || c->sent - c->acked < load->unacked) && due_ns(c) <= now_ns;
}

static void publish_window(struct connection *c, int64_t now_ns)
{
    while (wants_more(c, now_ns)) {
        const int64_t device = c->sent % c->load->devices;
        struct device *d = &c->devices[device];
        if (c->times_ns != NULL) {
            *time_of(c, device, d->sent) = due_ns(c);
        }
        if (!publish(c, device, d->sent)) {
            return;
        }
        if (c->acked == c->sent) {
            c->progress_ms = now_ns / 1000000;
        }
        d->sent++;
        c->sent++;
    }
}

/* Like a device, sends again what was not acknowledged for a while: ingest sheds what it cannot
 * queue, and brokers forget. */
static void resend_after_stall(struct connection *c, int64_t now_ms)
{
    const struct load *load = c->load;
    if (!load->acks || c->acked == c->sent) {
        return;
    }
    if (c->resend_device == load->devices && now_ms - c->progress_ms >= STALL_MS) {
        c->progress_ms = now_ms;
        c->resend_device = 0;
        c->resend_next = 0;
    }
    while (c->resend_device < load->devices && c->unconfirmed < load->window) {
        const struct device *d = &c->devices[c->resend_device];
        c->resend_next = c->resend_next < d->acked ? d->acked : c->resend_next;
        if (c->resend_next >= d->sent) {
            c->resend_device++;
            c->resend_next = 0;
        } else if (*is_beyond(c, c->resend_device, c->resend_next)) {
            c->resend_next++;
        } else if (publish(c, c->resend_device, c->resend_next)) {
            c->resend_next++;
            c->resent++;
        } else {
            return;
        }
    }
}

static bool done(struct connection *c, int64_t now_ms)
{
    if (c->load->seconds > 0 && now_ms - c->start_ns / 1000000 >= c->load->seconds * 1000) {
        c->to_send = c->sent;
    }
    if (c->sent < c->to_send || c->unconfirmed > 0) {
        return false;
    }
    if (c->confirmed_at_ms == 0) {
        c->confirmed_at_ms = now_ms;
    }
    if (!c->load->acks || c->acked == c->to_send) {
        c->acked_at_ms = now_ms;
        return true;
    }
    return false;
}

static int connect_client(struct connection *c)
{
    char id[64];
    char ca[512];
    char cert[512];
    char key[512];
    (void)snprintf(id, sizeof id, "acme/service/bench-%d", c->index);
    (void)snprintf(ca, sizeof ca, "%s/bench-%d/ca.pem", c->load->certs, c->index);
    (void)snprintf(cert, sizeof cert, "%s/bench-%d/cert.pem", c->load->certs, c->index);
    (void)snprintf(key, sizeof key, "%s/bench-%d/key.pem", c->load->certs, c->index);
    c->client = mosquitto_new(id, true, c);
    if (c->client == NULL) {
        return MOSQ_ERR_NOMEM;
    }
    mosquitto_connect_callback_set(c->client, on_connect);
    mosquitto_subscribe_callback_set(c->client, on_subscribe);
    mosquitto_publish_callback_set(c->client, on_publish);
    mosquitto_message_callback_set(c->client, on_message);
    int rc = mosquitto_int_option(c->client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    if (rc == MOSQ_ERR_SUCCESS) {
        rc = mosquitto_int_option(c->client, MOSQ_OPT_SEND_MAXIMUM, (int)c->load->window);
    }
    if (rc == MOSQ_ERR_SUCCESS) {
        rc = mosquitto_int_option(c->client, MOSQ_OPT_TCP_NODELAY, 1);
    }
    if (rc == MOSQ_ERR_SUCCESS) {
        rc = mosquitto_tls_set(c->client, ca, NULL, cert, key, NULL);
    }
    return rc == MOSQ_ERR_SUCCESS ? mosquitto_connect(c->client, c->load->host, c->load->port, 60)
                                  : rc;
}

/* The library keeps what was not confirmed, and sends it again. */
static void on_loss(struct connection *c, int rc)
{
    if (!c->load->reconnect) {
        fail(c, "connection lost", rc);
        return;
    }
    (void)usleep(100000);
    (void)mosquitto_reconnect(c->client);
}

static void check_deadline(struct connection *c, int64_t deadline_ms, int64_t now_ms)
{
    if (now_ms > deadline_ms && c->failure[0] == '\0') {
        (void)snprintf(c->failure, sizeof c->failure,
            "connection %d: timeout: %" PRId64 " sent, %" PRId64 " unconfirmed, %" PRId64
            " acknowledged",
            c->index, c->sent, c->unconfirmed, c->acked);
    }
}

/* How long to wait for the network at most. */
static int loop_ms(const struct connection *c)
{
    int64_t left_ms = (due_ns(c) - ph_clock_monotonic_ns()) / 1000000;
    return c->load->rate == 0 || left_ms > LOOP_MS ? LOOP_MS : left_ms < 1 ? 1 : (int)left_ms;
}

static void run_loop(struct connection *c)
{
    struct load *load = c->load;
    const int64_t deadline_ms = ph_clock_monotonic_ms() + load->timeout_ms;
    bool ready = false;
    while (c->failure[0] == '\0' && !atomic_load(&load->failed)) {
        int rc = mosquitto_loop(c->client, loop_ms(c), 1);
        int64_t now_ns = ph_clock_monotonic_ns();
        if (rc != MOSQ_ERR_SUCCESS) {
            on_loss(c, rc);
        } else if (!ready && c->subscribed) {
            ready = true;
            (void)atomic_fetch_sub(&load->waiting, 1);
        } else if (ready && atomic_load(&load->waiting) == 0) {
            c->start_ns = c->start_ns == 0 ? now_ns : c->start_ns;
            publish_window(c, now_ns);
            resend_after_stall(c, now_ns / 1000000);
            if (done(c, now_ns / 1000000)) {
                return;
            }
        }
        check_deadline(c, deadline_ms, now_ns / 1000000);
    }
}

void ph_load_run(struct connection *c)
{
    c->resend_device = c->load->devices;
    int rc = connect_client(c);
    if (rc == MOSQ_ERR_SUCCESS) {
        run_loop(c);
        (void)mosquitto_disconnect(c->client);
    } else {
        fail(c, "connect", rc);
    }
    if (c->failure[0] != '\0') {
        atomic_store(&c->load->failed, true);
    }
    mosquitto_destroy(c->client);
}
