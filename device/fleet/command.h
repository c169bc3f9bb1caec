/* The commands of ph-fleet; docs/man/ph-fleet.1. */
#ifndef PH_FLEET_COMMAND_H
#define PH_FLEET_COMMAND_H

#include "base/cli.h"
#include "base/error.h"

/* `ph-fleet run`: the fleet. PH_ERR_FAULT when it ran and the verdict is not good. */
extern const struct ph_cli_option ph_fleet_run_options[];
enum ph_err ph_fleet_run(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;

/* `ph-fleet health`: how the run in a folder is. PH_ERR_FAULT: not well. */
extern const struct ph_cli_option ph_fleet_health_options[];
enum ph_err ph_fleet_health(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;

/* `ph-fleet load`: messages at a rate to any MQTT broker. */
extern const struct ph_cli_option ph_fleet_load_options[];
enum ph_err ph_fleet_load(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;

#endif
