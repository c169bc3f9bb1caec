/* How a running fleet is, in a file of its folder that the supervisor writes each second, and what
 * `ph-fleet health` makes of it (docs/spec/health.md). */
#ifndef PH_FLEET_HEALTH_H
#define PH_FLEET_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "device/fleet/report.h"

/* Times by ph_clock_boot_ms(), which all processes of a machine share. */
struct ph_fleet_health {
    int64_t pid; /* the supervisor */
    int64_t at_ms;
    int64_t devices;
    int64_t connected;
    int64_t suspended; /* by an act: they are not expected to be connected */
    int64_t few_ms;    /* for so long more than half of those expected were not connected; 0: no */
};

#define PH_FLEET_HEALTH_LINE_BYTES 256

/* The file in a fleet's folder; `out` holds PATH_MAX. PH_ERR_LIMIT. */
enum ph_err ph_fleet_health_path(
    char *out, const char *folder, struct ph_error *error) PH_NODISCARD;

/* Writes it anew; reads it. PH_ERR_NOT_FOUND: no fleet runs there; PH_ERR_INPUT: not ours. */
enum ph_err ph_fleet_health_store(
    const char *path, const struct ph_fleet_health *health, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_fleet_health_load(
    const char *path, struct ph_fleet_health *out, struct ph_error *error) PH_NODISCARD;

/* Judges at `now_ms`; `alive`: there is a process with that pid. PH_OK: `line` says how it is.
 * PH_ERR_FAULT: the supervisor is gone or hangs; too few devices for too long. */
enum ph_err ph_fleet_health_judge(const struct ph_fleet_health *health, bool alive, int64_t now_ms,
    char line[PH_FLEET_HEALTH_LINE_BYTES], struct ph_error *error) PH_NODISCARD;

/* The output of a run that writes the file, and takes it away at the end. `folder` is borrowed. */
void ph_fleet_health_new(const char *folder, struct ph_fleet_output *output);

#endif
