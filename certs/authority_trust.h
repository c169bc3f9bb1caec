/* One CA of this authority with its root, made ready for checks. */
#ifndef PH_CERTS_AUTHORITY_TRUST_H
#define PH_CERTS_AUTHORITY_TRUST_H

#include <stdbool.h>

#include "base/error.h"
#include "certs/authorities.h"
#include "x509/trust.h"

/* From the files in "<dir>/<name>/"; with its CRL when `crl` is set, which is then the only one.
 * The caller owns *out. */
enum ph_err ph_authority_trust_load(const char *dir, const struct ph_authority *authority, bool crl,
    struct ph_trust **out, struct ph_error *error) PH_NODISCARD;

#endif
