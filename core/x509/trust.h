/* A trust anchor made ready for checks: CA certificates and CRLs parsed once, chains checked at a time that is passed in.
 * Immutable; build a new one beside it to reload. */
#ifndef PH_X509_TRUST_H
#define PH_X509_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "domain/policy.h"
#include "x509/certificate.h"

struct ph_trust;

/* Reads an anchor's files: self-signed certificates become roots, the others subordinate CAs; every one must be a CA with
 * keyCertSign; every CRL must be signed by one of them. With crl_required each CA must have a CRL. */
enum ph_err ph_trust_load(const struct ph_anchor *anchor, struct ph_trust **out, struct ph_error *error) PH_NODISCARD;
void ph_trust_free(struct ph_trust **trust);

/* Leaf to root at `now_ms`: signatures, validity of every certificate, path length, name constraints, key usage, EKU of
 * the whole chain for `usage`, and revocation of every certificate below the root (where CRLs are present or required).
 * PH_ERR_DENIED says which certificate of the chain and why: expired, not yet valid, revoked, unknown CA, CRL expired. */
enum ph_err ph_trust_check(const struct ph_trust *trust, const struct ph_certificate *leaf, enum ph_usage usage,
    int64_t now_ms, struct ph_error *error) PH_NODISCARD;

/* When the first of the CRLs in force reaches nextUpdate; INT64_MAX without CRLs. */
int64_t ph_trust_crl_expiry_ms(const struct ph_trust *trust);

#endif
