/* `ph-thermostat run` and `ph-thermostat spool`; docs/man/ph-thermostat.1. */
#ifndef PH_DEVICE_RUN_H
#define PH_DEVICE_RUN_H

#include "base/cli.h"
#include "base/error.h"

/* Runs one thermostat until a signal, or until --readings are captured and acknowledged. */
enum ph_err ph_device_run(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;

/* Prints what a spool database holds. */
enum ph_err ph_device_spool(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;

#endif
