/* Whether a running ph-ingest does its work, from the beats that it leaves in the store
 * (docs/spec/health.md). */
#ifndef PH_INGEST_HEALTH_H
#define PH_INGEST_HEALTH_H

#include <stdint.h>

#include "base/beat.h"
#include "base/error.h"
#include "ingest/config.h"

/* Looks into the store of a configuration, read-only and within seconds. Everything that is wrong
 * is PH_ERR_FAULT, what the store or our certificate cannot tell included. */
enum ph_err ph_health_look(const struct ph_ingest_config *config, int64_t now_ms,
    char line[PH_HEALTH_LINE_BYTES], struct ph_error *error) PH_NODISCARD;

#endif
