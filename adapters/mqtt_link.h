/* The state of one connection, without Paho: whether it stands, when to try again, what is pending,
 * and the events that come of it. Private to the mqtt module.
 *
 * Paho's threads and the taking thread meet here. Every function takes the mutex itself, none calls
 * Paho, and none waits but the two that say so: so no lock of ours is ever held under one of
 * Paho's, or the other way round. */
#ifndef PH_ADAPTERS_MQTT_LINK_H
#define PH_ADAPTERS_MQTT_LINK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "adapters/mqtt.h"
#include "adapters/mqtt_queue.h"
#include "base/backoff.h"

enum ph_mqtt_state {
    PH_MQTT_IDLE, /* not started */
    PH_MQTT_CONNECTING,
    PH_MQTT_UP,
    PH_MQTT_WAITING, /* for the next attempt */
    PH_MQTT_STOPPED,
};

/* Events of the connection itself that may come between two attempts: the end of the attempt; an
 * answer to it that comes after it was given up, and the end of that connection. One is to spare.
 */
enum { PH_MQTT_SPARES = 4 };

/* One PUBLISH or SUBSCRIBE that Paho holds. Paho owns it from the call to its callback; it stays in
 * the client's list meanwhile, so that none is leaked when Paho forgets one. The event is made
 * beforehand: nothing is allocated in a callback, and an event that was taken cannot be sent twice.
 */
struct ph_mqtt_pending {
    struct ph_mqtt *owner;
    struct ph_mqtt_node *event; /* NULL once reported */
    bool in_call;               /* the call into Paho has not returned */
    bool finished;              /* the callback ran while in_call */
    bool lost;                  /* the connection was lost while in_call */
    struct ph_mqtt_pending *previous;
    struct ph_mqtt_pending *next;
};

struct ph_mqtt {
    struct ph_mqtt_options options; /* strings owned */
    char uri[320];
    void *handle; /* Paho's */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* below: under the mutex */
    enum ph_mqtt_state state;
    bool stopping;
    bool suspended;
    struct ph_mqtt_queue queue;
    struct ph_mqtt_pending *pending;
    struct ph_mqtt_node *spares[PH_MQTT_SPARES]; /* for the connection's own events */
    struct ph_backoff backoff;
    int64_t retry_at_ms;
    int64_t since_ms; /* of the state */
    char tls_text[160];
    /* the taking thread only */
    int last_token;
    /* read without the mutex */
    atomic_bool connected;
    atomic_llong dropped;
};

/* Makes the parts of a zeroed client that belong here, with the options in place; undo with fini,
 * also after an error. */
enum ph_err ph_mqtt_link_init(struct ph_mqtt *mqtt, struct ph_error *error) PH_NODISCARD;
void ph_mqtt_link_fini(struct ph_mqtt *mqtt); /* after Paho has forgotten the client */

/* Makes the first attempt due; false when that was done before. */
bool ph_mqtt_link_start(struct ph_mqtt *mqtt, int64_t now_ms);

/* True when an attempt is due: the state is then CONNECTING, and the caller calls Paho. */
bool ph_mqtt_link_begin(struct ph_mqtt *mqtt, int64_t now_ms);

/* The milliseconds until ph_mqtt_link_begin() may have something to do, at most `max_ms`. */
int64_t ph_mqtt_link_due_in(struct ph_mqtt *mqtt, int64_t now_ms, int64_t max_ms);

/* The broker has accepted us. Also when the attempt was given up meanwhile: Paho has no second
 * answer for a connection that stands. */
void ph_mqtt_link_up(
    struct ph_mqtt *mqtt, bool session_present, uint16_t receive_maximum, int64_t now_ms);

/* The end of a connection or of an attempt, unless it has ended already: fails what is pending,
 * sets the time of the next attempt, and reports. `what` is our own text, or was escaped. */
void ph_mqtt_link_end(struct ph_mqtt *mqtt, int reason_code, const char *what, int64_t now_ms);

/* Keeps the first thing that TLS said in this attempt; gives it back, escaped, and says whether
 * there was one. */
void ph_mqtt_link_tls_said(struct ph_mqtt *mqtt, const char *text);
bool ph_mqtt_link_tls_text(struct ph_mqtt *mqtt, char *out, size_t size);

/* Queues a message and takes it over, or drops it and counts that. NULL counts as dropped. */
void ph_mqtt_link_message(struct ph_mqtt *mqtt, struct ph_mqtt_node *node);

/* Takes the oldest event; false when there is none. */
bool ph_mqtt_link_take(struct ph_mqtt *mqtt, struct ph_mqtt_event *event);

/* Before a call into Paho: registers what is about to be pending, an event of `type` under a new
 * token. PH_ERR_UNAVAILABLE when not connected. `topic` is for the error's text. */
enum ph_err ph_mqtt_pending_new(struct ph_mqtt *mqtt, enum ph_mqtt_event_type type,
    const char *topic, struct ph_mqtt_pending **out, struct ph_error *error) PH_NODISCARD;

/* After that call: `accepted` says whether a callback has come or will come. */
void ph_mqtt_pending_settle(struct ph_mqtt_pending *pending, bool accepted);

/* The callback: success, or refused with reason_code >= 0x80, or lost (0). */
void ph_mqtt_pending_result(struct ph_mqtt_pending *pending, bool ok, int reason_code);

/* No attempt is due while it is suspended; at the end one is at once. */
void ph_mqtt_link_suspend(struct ph_mqtt *mqtt, bool suspended, int64_t now_ms);

/* True when the connection stands although it is suspended: it has ended then, as by
 * ph_mqtt_link_end(), and the caller calls Paho. */
bool ph_mqtt_link_cut(struct ph_mqtt *mqtt, int64_t now_ms);

/* No more attempts. Waits until nothing is pending or the deadline (monotonic), and says whether
 * the connection still stands: it must then be closed, and ph_mqtt_link_stopped() called. */
bool ph_mqtt_link_drain(struct ph_mqtt *mqtt, int64_t deadline_ms);

/* The connection was closed on purpose: fails what is pending and reports nothing else. */
void ph_mqtt_link_stopped(struct ph_mqtt *mqtt);

/* Waits for ph_mqtt_link_stopped() in another thread, until the deadline. */
void ph_mqtt_link_await_stop(struct ph_mqtt *mqtt, int64_t deadline_ms);

#endif
