/* One simulated device of a worker: the device itself, the house that it is in, and the account of
 * what it did. The worker decides when it is its turn. */
#ifndef PH_FLEET_MEMBER_H
#define PH_FLEET_MEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/device.h"
#include "device/fleet/account.h"
#include "device/fleet/actor.h"
#include "device/fleet/house.h"
#include "device/fleet/wheel.h"
#include "device/fleet/worker.h"

enum ph_member_state {
    PH_MEMBER_WAITING, /* for its turn in the ramp */
    PH_MEMBER_RUNNING,
    PH_MEMBER_DONE, /* ended as it should */
    PH_MEMBER_FAILED,
};

struct ph_member {
    struct ph_wheel_entry entry; /* first: the worker finds the member by it */
    const struct ph_worker_options *options;
    struct ph_account account;
    size_t index;
    enum ph_member_state state;
    struct ph_device device; /* running */
    struct ph_device_config config;
    char *files[3]; /* what config.broker points to: ca, certificate, key */
    struct ph_house house;
    double habit_c;         /* the set point that its habits gave it last */
    struct ph_actor *actor; /* NULL: none has taken its place */
    int64_t since_ms;       /* monotonic: when it was first to be connected, or was not any more */
    int64_t back_ms;        /* monotonic: when an act is over for it; 0: none holds it off */
    int64_t not_after_ms;   /* of the certificate seen last */
    bool connected;
    bool first;       /* its first attempt to connect has not ended yet */
    uint64_t watched; /* which of its clients the worker's epoll has */
    uint64_t watched_actor;
};

/* Prepares one that waits; `index` is that of the scenario. PH_ERR_MEMORY. */
enum ph_err ph_member_init(struct ph_member *member, const struct ph_worker_options *options,
    size_t index, struct ph_error *error) PH_NODISCARD;

/* Begins, with a spool in that database; `due_ms` is when it was to, `missed_ms` how much of the
 * run its room has seen already, by a worker that is gone. What goes wrong is counted, and it has
 * failed. */
void ph_member_start(
    struct ph_member *member, struct ph_spool_file *spool, int64_t due_ms, int64_t missed_ms);

/* The device's turn, and the actor's; counts what came of it. */
void ph_member_turn(struct ph_member *member, int64_t now_ms);

/* Monotonic: when it wants its next turn. */
int64_t ph_member_due_ms(const struct ph_member *member);

/* The act strikes it, when it runs. */
void ph_member_strike(struct ph_member *member, const struct ph_act *act, int64_t now_ms);

/* No more captures, and no more acts; it is done once all is acknowledged, or at `until_ms`. */
void ph_member_stop(struct ph_member *member, int64_t now_ms, int64_t until_ms);
bool ph_member_finished(const struct ph_member *member);

/* Says goodbye; to be followed by close, which disconnects and releases everything, in any state.
 */
void ph_member_goodbye(struct ph_member *member);
void ph_member_close(struct ph_member *member);

#endif
