/* Whether the registrar does its work, and can go on doing it (docs/spec/health.md). */
#ifndef PH_CERTS_REGISTRAR_HEALTH_H
#define PH_CERTS_REGISTRAR_HEALTH_H

#include <stdint.h>

#include "base/beat.h"
#include "base/error.h"
#include "certs/registrar/config.h"

/* Looks at the authority of a configuration, without writing: its last beat, the keys that issue
 * for devices, the CRLs. PH_OK: `line` says how it is. Everything that is wrong is PH_ERR_FAULT. */
enum ph_err ph_registrar_health(const struct ph_registrar_config *config, int64_t now_ms,
    char line[PH_HEALTH_LINE_BYTES], struct ph_error *error) PH_NODISCARD;

#endif
