/* The supervisor, for its tests: with another worker than the real one. */
#ifndef PH_FLEET_SUPERVISOR_INTERNAL_H
#define PH_FLEET_SUPERVISOR_INTERNAL_H

#include "device/fleet/crew.h"
#include "device/fleet/supervisor.h"

/* ph_supervisor_run() with workers that do `work`. */
enum ph_err ph_supervisor_run_with(const struct ph_supervisor_options *options, ph_crew_work *work,
    struct ph_fleet_report *report, struct ph_error *error) PH_NODISCARD;

#endif
