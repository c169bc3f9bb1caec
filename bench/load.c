/* ph-load: publishes telemetry messages over mutual TLS as fast as the in-flight window allows, on
 * several connections with libmosquitto (on purpose not our own client), and prints how long it
 * took until the broker had confirmed them all and, with --acks, until ingest had acknowledged them
 * all. One JSON line to standard output. */
#include <inttypes.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "format/ack.h"

enum { CONNECTIONS_MAX = 64, DEVICES_MAX = 1000, STALL_MS = 3000 };

struct device {
    int64_t sent;  /* sequence numbers 1..sent were published */
    int64_t acked; /* 1..acked are acknowledged */
};

/* One connection: one thread, one tenant, its own devices. */
struct connection {
    pthread_t thread;
    struct mosquitto *client;
    const struct load *load;
    int index;
    uint64_t stream;
    struct device *devices;
    int64_t to_send;
    int64_t sent;
    int64_t unconfirmed;
    int64_t resent;
    int64_t acked;
    int64_t progress_ms; /* when the last acknowledgement came */
    bool subscribed;
    int64_t confirmed_at_ms;
    int64_t acked_at_ms;
    char failure[256];
};

struct load {
    const char *certs;
    const char *host;
    int port;
    int64_t connections;
    int64_t devices;
    int64_t messages;
    int64_t window;
    int64_t timeout_ms;
    bool acks;
    atomic_int waiting; /* connections that are not ready yet: all start publishing together */
    atomic_bool failed;
};

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
    struct device *d = &c->devices[number];
    if (ack.through > d->acked && ack.through <= d->sent) {
        c->acked += ack.through - d->acked;
        d->acked = ack.through;
        c->progress_ms = ph_clock_monotonic_ms();
    }
}

static int publish(struct connection *c, int64_t device, int64_t seq)
{
    char topic[96];
    char payload[256];
    (void)snprintf(
        topic, sizeof topic, "ph/v1/bench-%d/thermostat/d-%" PRId64 "/telemetry", c->index, device);
    int len = snprintf(payload, sizeof payload,
        "{\"v\":1,\"stream\":\"%016" PRIx64 "\",\"seq\":%" PRId64 ",\"readings\":[{\"t\":%" PRId64
        ",\"temperature_c\":21.53,\"setpoint_c\":21,\"humidity_pct\":41.2,\"hvac\":\"heating\"}]}",
        c->stream, seq, ph_clock_unix_ms());
    int rc = mosquitto_publish(c->client, NULL, topic, len, payload, 1, false);
    if (rc == MOSQ_ERR_SUCCESS) {
        c->unconfirmed++;
    } else {
        fail(c, "publish", rc);
    }
    return rc;
}

static bool wants_more(const struct connection *c)
{
    return c->sent < c->to_send && c->unconfirmed < c->load->window && c->failure[0] == '\0';
}

static void publish_window(struct connection *c)
{
    while (wants_more(c)) {
        struct device *d = &c->devices[c->sent % c->load->devices];
        if (publish(c, d - c->devices, d->sent + 1) != MOSQ_ERR_SUCCESS) {
            return;
        }
        d->sent++;
        c->sent++;
    }
}

/* Ingest sheds what it cannot queue; like a device, send again what was not acknowledged. */
static void resend_after_stall(struct connection *c, int64_t now_ms)
{
    if (!c->load->acks || c->sent < c->to_send || now_ms - c->progress_ms < STALL_MS) {
        return;
    }
    c->progress_ms = now_ms;
    for (int64_t i = 0; i < c->load->devices; i++) {
        struct device *d = &c->devices[i];
        for (int64_t seq = d->acked + 1; seq <= d->sent && c->unconfirmed < c->load->window;
             seq++) {
            if (publish(c, i, seq) != MOSQ_ERR_SUCCESS) {
                return;
            }
            c->resent++;
        }
    }
}

static bool done(struct connection *c, int64_t now_ms)
{
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

static void run_loop(struct connection *c, struct load *load)
{
    int64_t deadline_ms = ph_clock_monotonic_ms() + load->timeout_ms;
    bool started = false;
    while (c->failure[0] == '\0' && !atomic_load(&load->failed)) {
        int rc = mosquitto_loop(c->client, started ? 5 : 50, 1);
        int64_t now_ms = ph_clock_monotonic_ms();
        if (rc != MOSQ_ERR_SUCCESS) {
            fail(c, "connection lost", rc);
        } else if (!started && c->subscribed) {
            started = true;
            c->progress_ms = now_ms;
            (void)atomic_fetch_sub(&load->waiting, 1);
        } else if (started && atomic_load(&load->waiting) == 0) {
            publish_window(c);
            resend_after_stall(c, now_ms);
            if (done(c, now_ms)) {
                return;
            }
        }
        if (now_ms > deadline_ms && c->failure[0] == '\0') {
            (void)snprintf(c->failure, sizeof c->failure,
                "connection %d: timeout: %" PRId64 " sent, %" PRId64 " unconfirmed, %" PRId64
                " acknowledged",
                c->index, c->sent, c->unconfirmed, c->acked);
        }
    }
}

struct start {
    struct connection *connection;
    struct load *load;
};

static void *run_connection(void *context)
{
    struct start start = *(struct start *)context;
    int rc = connect_client(start.connection);
    if (rc == MOSQ_ERR_SUCCESS) {
        run_loop(start.connection, start.load);
        (void)mosquitto_disconnect(start.connection->client);
    } else {
        fail(start.connection, "connect", rc);
    }
    if (start.connection->failure[0] != '\0') {
        atomic_store(&start.load->failed, true);
    }
    mosquitto_destroy(start.connection->client);
    return NULL;
}

static enum ph_err read_options(const struct ph_cli *cli, struct load *load, struct ph_error *error)
{
    int64_t port = 0;
    int64_t timeout_s = 0;
    load->certs = ph_cli_value(cli, "certs");
    load->host = "localhost";
    load->acks = ph_cli_has(cli, "acks");
    if (load->certs == NULL) {
        return ph_error_set(error, PH_ERR_USAGE, "--certs: needed");
    }
    enum ph_err err = ph_cli_int64(cli, "port", 1, 65535, 8883, &port, error);
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "connections", 1, CONNECTIONS_MAX, 10, &load->connections, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "devices", 1, DEVICES_MAX, 100, &load->devices, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "messages", 1, 10000000, 100000, &load->messages, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "window", 1, 60000, 200, &load->window, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "timeout", 1, 3600, 120, &timeout_s, error);
    }
    load->port = (int)port;
    load->timeout_ms = timeout_s * 1000;
    return err;
}

static void print_result(
    const struct load *load, const struct connection *connections, int64_t start_ms)
{
    int64_t confirmed_ms = 0;
    int64_t acked_ms = 0;
    int64_t resent = 0;
    for (int64_t i = 0; i < load->connections; i++) {
        const struct connection *c = &connections[i];
        confirmed_ms = c->confirmed_at_ms > confirmed_ms ? c->confirmed_at_ms : confirmed_ms;
        acked_ms = c->acked_at_ms > acked_ms ? c->acked_at_ms : acked_ms;
        resent += c->resent;
    }
    printf("{\"messages\":%" PRId64 ",\"puback_s\":%.3f,\"done_s\":%.3f,\"resent\":%" PRId64 "}\n",
        load->messages / load->connections * load->connections,
        (double)(confirmed_ms - start_ms) / 1e3, (double)(acked_ms - start_ms) / 1e3, resent);
}

static enum ph_err run_all(
    struct load *load, struct connection *connections, struct ph_error *error)
{
    struct start starts[CONNECTIONS_MAX];
    int64_t running = 0;
    int64_t start_ms = 0;
    enum ph_err err = PH_OK;
    for (int64_t i = 0; i < load->connections && err == PH_OK; i++) {
        struct connection *c = &connections[i];
        *c = (struct connection){.load = load,
            .index = (int)i,
            .stream = ph_random_u64(),
            .to_send = load->messages / load->connections};
        c->devices = calloc((size_t)load->devices, sizeof *c->devices);
        starts[i] = (struct start){c, load};
        if (c->devices == NULL ||
            pthread_create(&c->thread, NULL, run_connection, &starts[i]) != 0) {
            err = ph_error_set(
                error, PH_ERR_MEMORY, "connection %" PRId64 ": no memory or thread", i);
            atomic_store(&load->failed, true);
        } else {
            running++;
        }
    }
    while (atomic_load(&load->waiting) > 0 && !atomic_load(&load->failed)) {
        (void)usleep(1000);
    }
    start_ms = ph_clock_monotonic_ms();
    for (int64_t i = 0; i < running; i++) {
        (void)pthread_join(connections[i].thread, NULL);
        if (connections[i].failure[0] != '\0') {
            err = ph_error_set(error, PH_ERR_UNAVAILABLE, "%s", connections[i].failure);
        }
        free(connections[i].devices);
    }
    if (err == PH_OK) {
        print_result(load, connections, start_ms);
    }
    return err;
}

static enum ph_err run(const struct ph_cli *cli, struct ph_error *error)
{
    struct load load = {0};
    enum ph_err err = read_options(cli, &load, error);
    if (err != PH_OK) {
        return err;
    }
    struct connection *connections = calloc((size_t)load.connections, sizeof *connections);
    if (connections == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "connections: no memory");
    }
    atomic_store(&load.waiting, (int)load.connections);
    (void)mosquitto_lib_init();
    err = run_all(&load, connections, error);
    (void)mosquitto_lib_cleanup();
    free(connections);
    return err;
}

static const struct ph_cli_option options[] = {
    {"certs", "DIR", "folder with bench-0/, bench-1/, ...: cert.pem, key.pem, ca.pem"},
    {"port", "P", "broker port on localhost (8883)"},
    {"connections", "N", "connections, each with a certificate of its own (10)"},
    {"devices", "N", "devices that each connection speaks for (100)"},
    {"messages", "N", "messages in all (100000)"},
    {"window", "N", "unconfirmed messages per connection (200)"},
    {"timeout", "SECONDS", "give up after (120)"},
    {"acks", NULL, "wait for ingest's acknowledgements too"},
    {0},
};

static const struct ph_cli_command commands[] = {
    {NULL, NULL, 0, 0, "Publish telemetry as fast as the window allows.", options, run},
    {0},
};

int main(int argc, char **argv)
{
    static const struct ph_cli_program program = {"ph-load", "load generator", commands};
    return ph_cli_main(&program, argc, argv);
}
