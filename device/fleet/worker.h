/* One process with some of the fleet's devices: those whose index leaves `index` when divided by
 * `workers`. Paho has two threads and one lock for all clients of a process, and its cost per
 * packet grows with their number; hence the processes. */
#ifndef PH_FLEET_WORKER_H
#define PH_FLEET_WORKER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "device/config.h"
#include "device/fleet/account.h"
#include "device/fleet/identities.h"
#include "device/fleet/scenario.h"
#include "device/fleet/stats.h"

/* Shared by all: written by the supervisor, but for what says otherwise. */
struct ph_fleet_control {
    int64_t start_ms;     /* monotonic: when the run began; the ramp and the acts count from it */
    atomic_bool stopping; /* no more captures; end when everything is acknowledged, */
    _Atomic int64_t until_ms; /* or at that time (monotonic) */
};

struct ph_worker_options {
    const struct ph_scenario *scenario;
    const struct ph_identities *identities;
    const struct ph_device_config *config; /* for all; each device has its own files and seed */
    const char *spool;                     /* this worker's database; made when it is not there */
    size_t index;
    size_t workers;
    struct ph_fleet_stats *stats;           /* shared */
    const struct ph_fleet_control *control; /* shared */
    struct ph_fleet_place
        *places; /* shared; one for each device of the scenario, zeroed at first */
};

/* Runs until the end of the run, or a signal (SIGTERM: drains as at the end). To be called in a
 * process of its own, before any thread was made. An error is the whole worker's; trouble with one
 * device is counted, its reason kept, and the others go on. */
enum ph_err ph_worker_run(
    const struct ph_worker_options *options, struct ph_error *error) PH_NODISCARD;

#endif
