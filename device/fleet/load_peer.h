/* One connection of the load generator: a publisher or a subscriber. Used by its thread alone. */
#ifndef PH_FLEET_LOAD_PEER_H
#define PH_FLEET_LOAD_PEER_H

#include "device/fleet/load_thread.h"

enum ph_load_peer_state {
    PH_LOAD_PEER_NEW,
    PH_LOAD_PEER_CONNECTING,
    PH_LOAD_PEER_READY,
    PH_LOAD_PEER_AWAY,   /* lost its connection, and tries again */
    PH_LOAD_PEER_FAILED, /* never had one, and does not try again */
};

/* A message under way. */
struct ph_load_flight {
    int64_t due_ns;
    int64_t sent_ns;
    int mid; /* 0: confirmed, out of order */
};

struct ph_load_peer {
    struct ph_load_thread *thread;
    struct ph_mosq *mosq;
    int64_t number; /* from 0, among publishers or among subscribers */
    bool publishes;
    enum ph_load_peer_state state;
    bool connected_once;
    int64_t began_ns;
    int64_t receivers; /* of each of its messages */
    int64_t due;       /* messages that have become due */
    int64_t sent;
    int64_t share; /* messages that it has to send */
    bool finished; /* and has sent */
    int64_t window;
    struct ph_load_flight *flights; /* a ring of options->window */
    int64_t oldest;
    int64_t flying;
    bool eager; /* in the thread's list */
    struct ph_load_peer *next_eager;
};

/* Makes the peer's connection. */
enum ph_err ph_load_peer_init(struct ph_load_peer *peer, struct ph_load_thread *thread,
    bool publishes, int64_t number, struct ph_error *error) PH_NODISCARD;
void ph_load_peer_fini(struct ph_load_peer *peer);

/* Begins to connect; a failure is counted. */
void ph_load_peer_connect(struct ph_load_peer *peer, int64_t now_ns);

/* Sends what is due and fits into the window; true when it could go on at once. */
bool ph_load_peer_pump(struct ph_load_peer *peer);

/* At the end: counts what was due before `stop_ns` and never sent, with the time that it waited. */
void ph_load_peer_settle(struct ph_load_peer *peer, int64_t stop_ns);

/* When the connection is to be begun, by the ramp. */
int64_t ph_load_peer_begins_ns(const struct ph_load_peer *peer);

#endif
