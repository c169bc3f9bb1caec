/* The registrar on the broker: an MQTT client that subscribes to what devices and claims ask, and
 * publishes the answers. */
#ifndef PH_CERTS_REGISTRAR_SERVE_H
#define PH_CERTS_REGISTRAR_SERVE_H

#include "base/cli.h"
#include "base/error.h"
#include "certs/registrar/config.h"

/* `ph-ca health`: whether it runs and can issue. PH_ERR_FAULT: not. */
extern const struct ph_cli_option ph_ca_health_options[];
enum ph_err ph_ca_cmd_health(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;

extern const struct ph_cli_option ph_ca_serve_options[];

/* ph-ca serve: reads --config and runs until SIGTERM. */
enum ph_err ph_ca_cmd_serve(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;

/* Runs until SIGTERM or SIGINT. */
enum ph_err ph_registrar_serve(
    const struct ph_registrar_config *config, struct ph_error *error) PH_NODISCARD;

#endif
