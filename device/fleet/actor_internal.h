/* What mad.c and thief.c share: the one connection that an actor has at a time, what is sent and
 * not answered, and how an outcome is told. Private to the actor. */
#ifndef PH_FLEET_ACTOR_INTERNAL_H
#define PH_FLEET_ACTOR_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/mqtt.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/random.h"
#include "device/fleet/actor.h"
#include "device/fleet/attempt.h"

#define PH_ACTOR_NEVER_MS INT64_MAX

enum {
    /* Unanswered at once, where the broker takes as many: more costs time in Paho and gains none.
     */
    PH_ACTOR_WINDOW = 128,
    PH_ACTOR_MARK_BYTES = PH_IDENTITY_BYTES + 64,
};

/* One PUBLISH or SUBSCRIBE under way. */
struct ph_actor_sent {
    int token;
    size_t tag; /* what it was: as whoever sent it likes */
};

/* How the next connection is made; texts are copied. */
struct ph_actor_as {
    const char *client_id;
    bool keeps_session; /* takes the session that is there, if any */
    uint32_t session_expiry_s;
    const struct ph_attempt *will; /* NULL: none */
    const char *will_payload;
    int64_t refused_ms; /* back-off after a refusal */
};

/* What an actor does: mad.c, thief.c. */
struct ph_actor_part {
    /* Makes `state`, and the first connection. */
    enum ph_err (*begin)(struct ph_actor *actor, struct ph_error *error);
    /* Takes one event; may end the connection that it is of. */
    void (*event)(struct ph_actor *actor, const struct ph_mqtt_event *event, int64_t now_ms);
    /* Does what is due and sets due_ms (the connection's own needs are seen to); false at its end.
     */
    bool (*work)(struct ph_actor *actor, int64_t now_ms);
    void (*free)(struct ph_actor *actor);
};

extern const struct ph_actor_part ph_mad_part;
extern const struct ph_actor_part ph_thief_part;

struct ph_actor {
    struct ph_actor_options options;
    const struct ph_actor_part *part;
    void *state; /* the part's own */
    struct ph_attempts attempts;
    struct ph_rng rng;
    struct ph_mqtt *mqtt; /* NULL between two */
    uint64_t clients;
    bool up;
    size_t window;    /* of this connection */
    int64_t retry_ms; /* while it is not up: when the client tries again */
    int64_t due_ms;
    struct ph_actor_sent sent[PH_ACTOR_WINDOW]; /* oldest first */
    size_t sent_count;
    struct ph_log_limit limit;
};

/* Begins another connection in the place of the present one. */
enum ph_err ph_actor_connect(
    struct ph_actor *actor, const struct ph_actor_as *as, struct ph_error *error) PH_NODISCARD;

/* Ends the connection without waiting: with the will, if it was cut some time before. */
void ph_actor_drop(struct ph_actor *actor);

/* Publishes (QoS 1) or subscribes, and keeps what was sent under `tag`. PH_ERR_UNAVAILABLE: not
 * now. There must be room in the window. */
enum ph_err ph_actor_send(struct ph_actor *actor, const struct ph_attempt *attempt,
    const void *payload, size_t len, size_t tag, struct ph_error *error) PH_NODISCARD;
bool ph_actor_has_room(const struct ph_actor *actor);

/* Whether the event answers something that was sent: then *tag is its tag, and it is forgotten. A
 * message that failed with its connection is not answered: it stays until that ends. */
bool ph_actor_answered(struct ph_actor *actor, const struct ph_mqtt_event *event, size_t *tag);

/* One more of it, in the stats of the worker. */
void ph_actor_count(struct ph_actor *actor, enum ph_fleet_count count);

/* Reasons in the stats: "thief: granted: subscribe to #", "mad: refused: 0x87", and why a
 * connection ended. */
void ph_actor_reason(struct ph_actor *actor, const char *what, const char *detail);
void ph_actor_refused(struct ph_actor *actor, const char *what, int reason_code);
void ph_actor_ended(struct ph_actor *actor, const struct ph_mqtt_event *event);

/* Counts and logs what nobody should have been granted. */
void ph_actor_hole(struct ph_actor *actor, const struct ph_attempt *attempt, int64_t now_ms);

/* A line about `topic`, at a limited rate. */
void ph_actor_log(
    struct ph_actor *actor, const char *text, const char *what, const char *topic, int64_t now_ms);

/* JSON that is nothing to anybody, and says who has sent it; number -1 is left out. */
void ph_actor_mark(const struct ph_actor *actor, int64_t number, char out[PH_ACTOR_MARK_BYTES]);

/* ---- mad.c ---- */

/* The kinds of garbage. */
enum ph_garbage {
    PH_GARBAGE_NOISE,     /* random bytes */
    PH_GARBAGE_TRUNCATED, /* a message cut off somewhere */
    PH_GARBAGE_HUGE,      /* up to PH_GARBAGE_BYTES of one reading */
    PH_GARBAGE_EMPTY,
    PH_GARBAGE_DEEP, /* arrays in arrays */
    PH_GARBAGE_KINDS
};
enum { PH_GARBAGE_BYTES = 100000 };

/* Fills `out`, which is empty and may hold PH_GARBAGE_BYTES; `good` is a message to spoil. */
enum ph_err ph_garbage_make(enum ph_garbage kind, struct ph_rng *rng, const struct ph_buf *good,
    struct ph_buf *out) PH_NODISCARD;

enum { PH_FLOOD_READINGS = 4 };

/* Fills `out`, which is empty, with a valid message of so many readings, the first with number
 * `seq`, captured before `unix_ms`. */
enum ph_err ph_flood_make(uint64_t stream, int64_t seq, int64_t unix_ms, struct ph_rng *rng,
    struct ph_buf *out) PH_NODISCARD;

#endif
