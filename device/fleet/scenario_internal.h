/* The parts of a scenario's loading, each in a file of its own: scenario_file.c reads and prints,
 * scenario_check.c checks. */
#ifndef PH_FLEET_SCENARIO_INTERNAL_H
#define PH_FLEET_SCENARIO_INTERNAL_H

#include "device/fleet/scenario.h"

#define PH_SCENARIO_OUTDOOR_C 6.0 /* default */

/* Reads the file into a new scenario, which the caller owns; NULL: as an empty file would be. What
 * was not said is 0 or NULL, but for outdoor_c, where 0 is a temperature. */
enum ph_err ph_scenario_read(
    const char *path, struct ph_scenario **out, struct ph_error *error) PH_NODISCARD;

/* Checks every value, after the defaults and the options, and before the acts are put in order, so
 * that their numbers are those of the file. `source` is the file, or "command line". */
enum ph_err ph_scenario_check(
    const struct ph_scenario *scenario, const char *source, struct ph_error *error) PH_NODISCARD;

#endif
