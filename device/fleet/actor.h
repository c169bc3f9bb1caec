/* Who takes a device's place on the broker with that device's certificate: firmware gone mad, or a
 * thief (docs/spec/fleet.md, ACT). One thread drives it beside the devices; nothing here waits for
 * the broker. */
#ifndef PH_FLEET_ACTOR_H
#define PH_FLEET_ACTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "device/config.h"
#include "device/fleet/identities.h"
#include "device/fleet/scenario.h"
#include "device/fleet/stats.h"

struct ph_actor;

/* Borrowed for the actor's life. */
struct ph_actor_options {
    const struct ph_device_config *config; /* with the files of the certificate it acts with */
    const char *name;                      /* whose: "tenant/kind/device" */
    const struct ph_identities *others;    /* everybody in the fleet */
    const struct ph_act *act;
    uint64_t seed;
    struct ph_fleet_stats *stats;
};

/* Either connects at once, under the device's own client id: the device itself must be off.
 * PH_ACT_MAD and PH_ACT_THIEF only. PH_ERR_INPUT when a name is no identity. */
enum ph_err ph_actor_new(const struct ph_actor_options *options, struct ph_actor **out,
    struct ph_error *error) PH_NODISCARD;

/* As ph_mqtt_fd(); -1 between two connections. Another one, even with the same number, once
 * ph_actor_clients() has grown: the former one is closed then. */
int ph_actor_fd(const struct ph_actor *actor);
uint64_t ph_actor_clients(const struct ph_actor *actor);

/* Does what is due; to be called when the fd is readable and when ph_actor_due_ms() (monotonic) has
 * come. True while it has more to do: a mad device always, a thief until everything was tried. */
bool ph_actor_turn(struct ph_actor *actor, int64_t now_ms);
int64_t ph_actor_due_ms(const struct ph_actor *actor);

/* Ends its connection, at once. */
void ph_actor_free(struct ph_actor **actor);

#endif
