/* One thread of the load generator, with its share of the connections: publisher p and subscriber s
 * belong to the thread whose index p and s leave when divided by the threads. */
#ifndef PH_FLEET_LOAD_THREAD_H
#define PH_FLEET_LOAD_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "adapters/mosq.h"
#include "device/fleet/load_account.h"
#include "device/fleet/load_options.h"
#include "device/fleet/load_payload.h"
#include "device/fleet/load_result.h"

enum ph_load_phase { PH_LOAD_CONNECTING, PH_LOAD_RUNNING, PH_LOAD_DRAINING, PH_LOAD_ENDED };

/* The same for all threads; times are monotonic and hold once the phase that they belong to has
 * come. */
struct ph_load_plan {
    const struct ph_load_options *options;
    struct ph_mosq_options mosq;
    struct ph_load_account *account;
    char **topics;  /* of each publisher */
    char **filters; /* of each subscriber */
    uint32_t run;
    int64_t ramp_ns;            /* when the first connection is to be begun */
    atomic_bool broken;         /* by a thread: the run cannot go on */
    atomic_int phase;           /* enum ph_load_phase */
    _Atomic int64_t start_ns;   /* RUNNING: when the first message is due, */
    _Atomic int64_t measure_ns; /* and the first one that is measured, */
    _Atomic int64_t until_ns;   /* and from when on nothing is due any more; INT64_MAX: never */
    _Atomic int64_t stop_ns;    /* DRAINING: when sending ended */
};

struct ph_load_peer;

struct ph_load_thread {
    struct ph_load_plan *plan;
    int64_t index;
    pthread_t id;
    bool started;
    atomic_int tid; /* of the kernel; 0: not yet */
    struct ph_mosq_loop *loop;
    struct ph_load_peer *peers; /* subscribers, then publishers */
    int64_t peer_count;
    struct ph_load_peer *publishers; /* among them */
    int64_t publisher_count;
    int64_t begun;              /* peers whose connection was begun */
    int64_t cursor;             /* the publisher whose message is due next, */
    int64_t round;              /* and which of its messages */
    int64_t away;               /* peers that lost their connection */
    int64_t retry_ns;           /* when they are looked after again */
    struct ph_load_peer *eager; /* those that may be able to send */
    struct ph_load_payload payload;
    struct ph_load_stats stats;
    _Atomic int64_t window; /* the least that a broker allowed */
    struct ph_error error;  /* what ended it early; after it was joined */
};

/* When message `seq` of the publisher (both from 0) is due: those of all publishers follow each
 * other evenly. For rates above 0. */
int64_t ph_load_due_ns(const struct ph_load_plan *plan, int64_t publisher, int64_t seq);

/* How many messages of --messages are that publisher's; INT64_MAX without a bound. */
int64_t ph_load_share(const struct ph_load_options *options, int64_t publisher);

/* Makes the connections' places and starts the thread. To be freed also after an error. */
enum ph_err ph_load_thread_start(struct ph_load_thread *thread, struct ph_load_plan *plan,
    int64_t index, struct ph_error *error) PH_NODISCARD;

/* Waits for the end of the thread, once the phase is ENDED. */
void ph_load_thread_join(struct ph_load_thread *thread);
void ph_load_thread_fini(struct ph_load_thread *thread);

#endif
