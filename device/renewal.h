/* When a device asks for its next certificate, tries it and takes it into use: the decisions,
 * without files, network or clock. The program does what ph_renewal_next() says and reports what
 * came of it. Times are monotonic milliseconds unless they are called unix.
 *
 *     due -> REQUEST -> answer -> stored -> TRY -> connected -> PROMOTE -> STATE (confirms it)
 *                                            |
 *                                            +-> not connected -> BACK -> TRY later, or DROP
 *
 * A trial has failed when the new pair did not connect and the old one did, after it. While neither
 * connects they take turns, for as long as it takes, the new one after 1 to 16 times the shortest
 * wait: it is the network then, or the broker. */
#ifndef PH_DEVICE_RENEWAL_H
#define PH_DEVICE_RENEWAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"
#include "device/moment.h"
#include "format/enrolment.h"

struct ph_renewal_options {
    bool enabled;              /* false: always at rest */
    double at;                 /* share of the certificate's life */
    double jitter;             /* share of the life, uniform around `at` */
    int64_t retry_min_ms;      /* between attempts that came to nothing: doubling from here ... */
    int64_t retry_max_ms;      /* ... to here, with jitter within these bounds */
    int64_t answer_ms;         /* how long an answer, or the connection of a trial, is waited for */
    int64_t state_interval_ms; /* between two states on one connection, give or take a tenth */
    int trials;    /* connections with a new certificate that may fail, before it is dropped */
    uint64_t seed; /* of all jitter: the identity's */
};

enum ph_renewal_step {
    PH_RENEWAL_REST,    /* nothing to do now */
    PH_RENEWAL_STATE,   /* send the state; then sent or failed */
    PH_RENEWAL_REQUEST, /* make or take the next key and send a request; then sent or failed */
    PH_RENEWAL_TRY,     /* connect with the next pair; then on(true) or failed */
    PH_RENEWAL_BACK,    /* connect with the current pair again; then on(false) or failed */
    PH_RENEWAL_PROMOTE, /* make the next pair the current one; then use or failed */
    PH_RENEWAL_DROP,    /* throw the next pair away; then use or failed */
    PH_RENEWAL_STEPS
};

/* When a step may be taken next. */
struct ph_renewal_wait {
    int64_t until_ms;
    int64_t step_ms; /* of the back-off; 0 before the first failure */
};

/* Owned by the caller, who may read it. */
struct ph_renewal {
    struct ph_renewal_options options;
    struct ph_rng rng;
    int64_t not_after_ms; /* unix, of the certificate in use */
    int64_t due_ms;       /* unix: when to renew; the registrar's word, else by options */
    int64_t granted_ms;   /* unix: the same of the next one, when the registrar said; else 0 */
    bool have_next;       /* the next pair is complete */
    bool on_next;         /* the connection, or the attempt at one, uses it */
    bool connected;
    bool proven;      /* the next pair has connected */
    bool broken;      /* the trial that goes on has come to nothing */
    bool suspect;     /* the last trial came to nothing: whose fault, the current pair will show */
    int turns;        /* trials since the last connection that came to nothing */
    int failures;     /* of trials */
    int64_t trial_ms; /* until when a trial may take to connect */
    char state_id[PH_ASK_ID_BYTES];   /* of what is under way; "": nothing */
    char request_id[PH_ASK_ID_BYTES]; /* the same */
    struct ph_renewal_wait waits[PH_RENEWAL_STEPS];
};

/* Without a certificate yet: ph_renewal_use() names it. */
void ph_renewal_init(struct ph_renewal *renewal, const struct ph_renewal_options *options);

/* The certificate that is in use from now on, by its dates (unix), and whether a next pair is
 * complete: at the start, after PROMOTE and after DROP. The connection stays, and belongs to it. */
void ph_renewal_use(
    struct ph_renewal *renewal, int64_t not_before_ms, int64_t not_after_ms, bool have_next);

/* What to do now; nothing changes by asking. */
enum ph_renewal_step ph_renewal_next(
    const struct ph_renewal *renewal, const struct ph_moment *now) PH_NODISCARD;

/* The program has begun to connect with the next pair (after TRY) or with the current one (after
 * BACK): the former connection is gone. */
void ph_renewal_on(struct ph_renewal *renewal, bool next, const struct ph_moment *now);

/* A connection stands, and answers would arrive. */
void ph_renewal_connected(struct ph_renewal *renewal, const struct ph_moment *now);

/* A connection ended, was refused, or an attempt at one failed; called for each. */
void ph_renewal_disconnected(struct ph_renewal *renewal, const struct ph_moment *now);

/* A state or a request was handed to the connection. */
void ph_renewal_sent(
    struct ph_renewal *renewal, const struct ph_ask *ask, const struct ph_moment *now);

/* Whether a question of that step (STATE or REQUEST) is still open when the next one is due. */
bool ph_renewal_unanswered(
    const struct ph_renewal *renewal, enum ph_renewal_step step) PH_NODISCARD;

/* A step could not be done; for a certificate that was answered and cannot be stored: REQUEST. */
void ph_renewal_failed(
    struct ph_renewal *renewal, enum ph_renewal_step step, const struct ph_moment *now);

/* Takes an answer; false when it is not to what is under way. A CERTIFICATE is stored by the
 * caller, who then says stored or failed. */
bool ph_renewal_answer(struct ph_renewal *renewal, const struct ph_answer *answer,
    const struct ph_moment *now) PH_NODISCARD;

/* The next pair is complete. */
void ph_renewal_stored(struct ph_renewal *renewal, const struct ph_moment *now);

#endif
