/* ph-load: publishes telemetry messages over mutual TLS, as fast as the in-flight window allows or
 * at a rate, on several connections with libmosquitto (on purpose not our own client), and prints
 * how long it took until the broker had confirmed them all and, with --acks, until ingest had
 * acknowledged them all. With a rate also how long after a message was due its acknowledgement
 * came. One JSON line to standard output. */
#include "load.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/random.h"
#include "measure.h"

enum { CONNECTIONS_MAX = 64, DEVICES_MAX = 1000, READINGS_MAX = 100, MESSAGES_MAX = 10000000 };

static enum ph_err read_load(const struct ph_cli *cli, struct load *load, struct ph_error *error)
{
    enum ph_err err =
        ph_cli_int64(cli, "connections", 1, CONNECTIONS_MAX, 10, &load->connections, error);
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "devices", 1, DEVICES_MAX, 100, &load->devices, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "messages", 1, MESSAGES_MAX, 100000, &load->messages, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "readings", 1, READINGS_MAX, 1, &load->readings, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "rate", 0, 1000000, 0, &load->rate, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "seconds", 0, 86400, 0, &load->seconds, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "warmup", 0, 86400, 0, &load->warmup, error);
    }
    if (err == PH_OK && load->seconds > 0) {
        load->messages = load->rate > 0 ? load->rate * load->seconds : INT64_MAX / 2;
    }
    if (err == PH_OK && load->rate > 0 && load->messages > MESSAGES_MAX) {
        err = ph_error_set(
            error, PH_ERR_USAGE, "--rate, --seconds: more than %d messages", MESSAGES_MAX);
    }
    return err;
}

static enum ph_err read_options(const struct ph_cli *cli, struct load *load, struct ph_error *error)
{
    int64_t port = 0;
    int64_t timeout_s = 0;
    load->certs = ph_cli_value(cli, "certs");
    load->host = "localhost";
    load->acks = ph_cli_has(cli, "acks");
    load->reconnect = ph_cli_has(cli, "reconnect");
    if (load->certs == NULL) {
        return ph_error_set(error, PH_ERR_USAGE, "--certs: needed");
    }
    enum ph_err err = read_load(cli, load, error);
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "port", 1, 65535, 8883, &port, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "window", 1, 60000, 200, &load->window, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "unacked", 1, 10000, 2000, &load->unacked, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "timeout", 1, 86400, 120, &timeout_s, error);
    }
    load->port = (int)port;
    load->timeout_ms = (timeout_s + load->seconds) * 1000;
    return err;
}

/* The quantiles of all connections' times. */
static enum ph_err print_times(
    const struct load *load, const struct connection *connections, struct ph_error *error)
{
    const int64_t skipped = load->warmup * load->rate / load->connections;
    size_t count = 0;
    int64_t *all = calloc((size_t)load->messages, sizeof *all);
    if (all == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "times: no memory");
    }
    for (int64_t i = 0; i < load->connections; i++) {
        const struct connection *c = &connections[i];
        for (int64_t k = skipped; c->times_ns != NULL && k < c->sent; k++) {
            all[count++] = c->times_ns[k];
        }
    }
    ph_sort_ns(all, count);
    printf(",\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f",
        (double)ph_quantile_ns(all, count, 500) / 1e6,
        (double)ph_quantile_ns(all, count, 990) / 1e6,
        (double)ph_quantile_ns(all, count, 1000) / 1e6);
    free(all);
    return PH_OK;
}

static enum ph_err print_result(const struct load *load, const struct connection *connections,
    int64_t start_ms, int64_t start_unix_ms, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    int64_t confirmed_ms = 0;
    int64_t acked_ms = 0;
    int64_t resent = 0;
    int64_t messages = 0;
    for (int64_t i = 0; i < load->connections; i++) {
        const struct connection *c = &connections[i];
        confirmed_ms = c->confirmed_at_ms > confirmed_ms ? c->confirmed_at_ms : confirmed_ms;
        acked_ms = c->acked_at_ms > acked_ms ? c->acked_at_ms : acked_ms;
        resent += c->resent;
        messages += c->sent;
    }
    printf("{\"messages\":%" PRId64 ",\"readings\":%" PRId64 ",\"start_ms\":%" PRId64
           ",\"puback_s\":%.3f,\"done_s\":%.3f,\"resent\":%" PRId64,
        messages, messages * load->readings, start_unix_ms, (double)(confirmed_ms - start_ms) / 1e3,
        (double)(acked_ms - start_ms) / 1e3, resent);
    if (load->rate > 0 && load->acks) {
        err = print_times(load, connections, error);
    }
    printf("}\n");
    return err;
}

static void *run_thread(void *context)
{
    ph_load_run(context);
    return NULL;
}

static enum ph_err start(
    struct load *load, struct connection *c, int index, pthread_t *thread, struct ph_error *error)
{
    *c = (struct connection){.load = load,
        .index = index,
        .stream = ph_random_u64(),
        .to_send = load->messages / load->connections};
    c->devices = calloc((size_t)load->devices, sizeof *c->devices);
    c->beyond = calloc((size_t)(load->devices * load->unacked), sizeof *c->beyond);
    if (load->rate > 0) {
        c->times_ns = calloc((size_t)c->to_send + 1, sizeof *c->times_ns);
    }
    if (c->devices == NULL || c->beyond == NULL || (load->rate > 0 && c->times_ns == NULL) ||
        pthread_create(thread, NULL, run_thread, c) != 0) {
        atomic_store(&load->failed, true);
        return ph_error_set(error, PH_ERR_MEMORY, "connection %d: no memory or thread", index);
    }
    return PH_OK;
}

static enum ph_err run_all(
    struct load *load, struct connection *connections, struct ph_error *error)
{
    pthread_t threads[CONNECTIONS_MAX];
    int running = 0;
    enum ph_err err = PH_OK;
    for (int i = 0; i < load->connections && err == PH_OK; i++) {
        err = start(load, &connections[i], i, &threads[i], error);
        running += err == PH_OK ? 1 : 0;
    }
    while (atomic_load(&load->waiting) > 0 && !atomic_load(&load->failed)) {
        (void)usleep(1000);
    }
    const int64_t start_ms = ph_clock_monotonic_ms();
    const int64_t start_unix_ms = ph_clock_unix_ms();
    for (int i = 0; i < running; i++) {
        (void)pthread_join(threads[i], NULL);
        if (connections[i].failure[0] != '\0') {
            err = ph_error_set(error, PH_ERR_UNAVAILABLE, "%s", connections[i].failure);
        }
    }
    return err == PH_OK ? print_result(load, connections, start_ms, start_unix_ms, error) : err;
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
    for (int64_t i = 0; i < load.connections; i++) {
        free(connections[i].devices);
        free(connections[i].beyond);
        free(connections[i].times_ns);
    }
    free(connections);
    return err;
}

static const struct ph_cli_option options[] = {
    {"certs", "DIR", "folder with bench-0/, bench-1/, ...: cert.pem, key.pem, ca.pem"},
    {"port", "P", "broker port on localhost (8883)"},
    {"connections", "N", "connections, each with a certificate of its own (10)"},
    {"devices", "N", "devices that each connection speaks for (100)"},
    {"messages", "N", "messages in all (100000)"},
    {"readings", "N", "readings in each message (1)"},
    {"rate", "N", "messages per second in all; measures times (0: as fast as it goes)"},
    {"seconds", "N", "end after so long, and not after --messages"},
    {"warmup", "N", "seconds at the beginning whose times do not count (0)"},
    {"window", "N", "unconfirmed messages per connection (200)"},
    {"unacked", "N", "with --acks: unacknowledged messages per connection (2000)"},
    {"timeout", "SECONDS", "give up after (120, beyond --seconds)"},
    {"acks", NULL, "wait for ingest's acknowledgements too"},
    {"reconnect", NULL, "survive a lost connection"},
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
