/* A small MQTT 5 client for the load generators: TLS by OpenSSL, non-blocking, any number of
 * connections in one thread. Cheap on purpose, because it shares the machine with the broker that
 * is measured: it neither checks the broker's certificate nor resumes sessions, and each packet but
 * PUBACK is a TLS record of its own, as from separate devices. */
#ifndef PH_BENCH_CLIENT_H
#define PH_BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct ph_bench_client;
struct ph_bench_client_loop; /* the connections of one thread */

enum ph_bench_client_event {
    PH_BENCH_CONNECTED,    /* CONNACK; below 0x80 it is admitted */
    PH_BENCH_SUBSCRIBED,   /* SUBACK, with its first reason code */
    PH_BENCH_CONFIRMED,    /* PUBACK */
    PH_BENCH_DISCONNECTED, /* DISCONNECT by the broker; CLOSED follows */
    PH_BENCH_CLOSED,       /* the connection is gone; the client may be connected again */
};

/* Borrowed for the call. */
struct ph_bench_client_message {
    const char *topic; /* not terminated */
    size_t topic_len;
    const void *payload;
    size_t payload_len;
    size_t properties_len; /* bytes of the PUBLISH's properties */
};

/* Either may be NULL. They neither free clients nor connect them. */
struct ph_bench_client_handlers {
    void (*event)(struct ph_bench_client *client, void *context, enum ph_bench_client_event event,
        unsigned reason);
    void (*message)(struct ph_bench_client *client, void *context,
        const struct ph_bench_client_message *message);
};

/* Borrowed for the call of ph_bench_client_new(), but for the handlers' context. */
struct ph_bench_client_options {
    const char *folder; /* with cert.pem and key.pem */
    const char *client_id;
    int port; /* on 127.0.0.1 */
    const struct ph_bench_client_handlers *handlers;
    void *context;
};

enum ph_err ph_bench_client_loop_new(
    struct ph_bench_client_loop **out, struct ph_error *error) PH_NODISCARD;
void ph_bench_client_loop_free(struct ph_bench_client_loop **loop);

/* Waits at most that long for anything to happen and handles what did. */
void ph_bench_client_loop_run(struct ph_bench_client_loop *loop, int timeout_ms);

enum ph_err ph_bench_client_new(struct ph_bench_client_loop *loop,
    const struct ph_bench_client_options *options, struct ph_bench_client **out,
    struct ph_error *error) PH_NODISCARD;

/* Closes without a DISCONNECT and without an event. */
void ph_bench_client_free(struct ph_bench_client **client);

/* Begins to connect: a full handshake, a clean session without keep alive. */
enum ph_err ph_bench_client_connect(
    struct ph_bench_client *client, struct ph_error *error) PH_NODISCARD;
void ph_bench_client_subscribe(struct ph_bench_client *client, const char *filter, unsigned qos);

/* False, and nothing sent, while more than 64 kB wait for the socket or it is not connected. */
bool ph_bench_client_publish(struct ph_bench_client *client, const char *topic, const void *payload,
    size_t len, unsigned qos);

/* Sends DISCONNECT and closes; the event CLOSED follows at once. */
void ph_bench_client_disconnect(struct ph_bench_client *client);

#endif
