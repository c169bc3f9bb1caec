/* Inside ph-load: what its two files share. */
#ifndef PH_BENCH_LOAD_H
#define PH_BENCH_LOAD_H

#include <mosquitto.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* How to publish; the same for all connections. */
struct load {
    const char *certs;
    const char *host;
    int port;
    int64_t connections;
    int64_t devices;  /* of each connection */
    int64_t messages; /* in all */
    int64_t readings; /* of each message */
    int64_t window;   /* messages of a connection without PUBACK */
    int64_t unacked;  /* messages of a connection without ingest's acknowledgement */
    int64_t rate;     /* messages per second in all; 0: as fast as the windows allow */
    int64_t seconds;  /* end after so long; 0: after `messages` */
    int64_t warmup;   /* seconds at the beginning whose times do not count */
    int64_t timeout_ms;
    bool acks;          /* wait for ingest's acknowledgements */
    bool reconnect;     /* a lost connection is made again and nothing is lost with it */
    atomic_int waiting; /* connections that are not ready yet: all start publishing together */
    atomic_bool failed;
};

/* Counted in messages; the n-th of a device, from 0, begins with number n * readings + 1. */
struct device {
    int64_t sent;
    int64_t acked;
};

/* One connection: one thread, one tenant, its own devices, taking turns. */
struct connection {
    struct load *load;
    int index;
    struct mosquitto *client;
    uint64_t stream;
    struct device *devices;
    bool *beyond; /* which of the `unacked` messages from `acked` on of each device are
                     acknowledged: those behind a gap */
    int64_t to_send;
    int64_t sent;
    int64_t unconfirmed;
    int64_t acked;
    int64_t resent;
    int64_t resend_device; /* where sending again has got to; no device: there is nothing to */
    int64_t resend_next;
    int64_t *times_ns; /* per message: when it was due, once acknowledged how long that took;
                          NULL without a rate */
    int64_t start_ns;
    int64_t progress_ms; /* when there was last nothing to wait for, or an acknowledgement came */
    bool subscribed;
    int64_t confirmed_at_ms;
    int64_t acked_at_ms;
    char failure[256]; /* "": none */
};

/* Connects and publishes all that it has to, or until another connection has failed; says in
 * `failure` what went wrong. To be called in a thread of its own, with `load`, `index`, `stream`,
 * `to_send`, `devices` and `beyond` set. */
void ph_load_run(struct connection *connection);

#endif
