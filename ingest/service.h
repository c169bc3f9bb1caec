/* ph-ingest run: the pipeline on an MQTT connection, until SIGTERM. */
#ifndef PH_INGEST_SERVICE_H
#define PH_INGEST_SERVICE_H

#include "base/error.h"
#include "ingest/config.h"

/* Runs on a configuration that was loaded from `config_file`, from which SIGHUP takes the limits
 * again. Returns PH_OK after SIGTERM or SIGINT, everything received committed and acknowledged; an
 * error when it cannot start, or when it stopped with messages that the store did not take. */
enum ph_err ph_ingest_service_run(const char *config_file, const struct ph_ingest_config *config,
    struct ph_error *error) PH_NODISCARD;

#endif
