/* The process that a person started: makes the workers, watches them, starts them again, adds up
 * what they count, and tells. */
#ifndef PH_FLEET_SUPERVISOR_H
#define PH_FLEET_SUPERVISOR_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "device/config.h"
#include "device/fleet/identities.h"
#include "device/fleet/report.h"
#include "device/fleet/scenario.h"

struct ph_supervisor_options {
    const struct ph_scenario *scenario;
    const struct ph_identities *identities;
    const struct ph_device_config *config; /* of every device */
    const char *folder;                    /* for spools and the workers' log; it is there */
    size_t workers;                        /* 0: as many as the devices call for */
    int64_t drain_ms;                      /* how long the end waits for acknowledgements */
    const struct ph_fleet_output *outputs;
    size_t output_count;
};

/* How many workers so many devices call for: one for each PH_FLEET_WORKER_DEVICES of them, at least
 * one for each core but no more than one for every 50 devices. */
enum { PH_FLEET_WORKER_DEVICES = 1000 };
size_t ph_fleet_workers(size_t devices, long cores);

/* Runs the fleet. *report holds what is to be watched already (usage with name and pid) and is
 * complete afterwards, with the workers in front. PH_OK when the run could be made, whatever came
 * of it: the verdict is in the report. The outputs are told of everything, their end included, but
 * are the caller's to free. SIGINT, SIGTERM and SIGHUP end the run early, a second one at once;
 * they stay blocked afterwards. No process that it made is left, whatever it returns. */
enum ph_err ph_supervisor_run(const struct ph_supervisor_options *options,
    struct ph_fleet_report *report, struct ph_error *error) PH_NODISCARD;

/* Raises the limit of open files as far as it goes, and checks that `devices` devices in `workers`
 * processes fit into that and into the memory that is free: PH_ERR_UNAVAILABLE says what lacks and
 * what to do. */
enum ph_err ph_fleet_limits_check(
    size_t devices, size_t workers, struct ph_error *error) PH_NODISCARD;

#endif
