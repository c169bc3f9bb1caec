/* A trust anchor made ready for checks: CA certificates and CRLs parsed once, chains checked at a
 * time that is passed in. Immutable, so threads may share one; build a new one beside it to reload.
 */
#ifndef PH_X509_TRUST_H
#define PH_X509_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "domain/policy.h"
#include "x509/certificate.h"

struct ph_trust;

/* Reads an anchor's files: self-signed certificates become roots (at least one), the others
 * subordinate CAs; every one must be a CA with keyCertSign. Each CRL file must hold a CRL of one of
 * them; a CRL that bears the name of one and another key's signature is refused, as is a delta or
 * partial one; CRLs of CAs outside the anchor are skipped, so that one file may serve several
 * anchors. Of several CRLs of one CA the newest counts: the one with the highest CRLNumber, then
 * with the latest thisUpdate. With crl_required each CA, root included, must have a CRL.
 * PH_ERR_CONFIG names file, certificate and rule. */
enum ph_err ph_trust_load(
    const struct ph_anchor *anchor, struct ph_trust **out, struct ph_error *error) PH_NODISCARD;
void ph_trust_free(struct ph_trust **trust);

/* Leaf to root at `now_ms`: signatures, validity of every certificate, path length, name
 * constraints, key usage, EKU of the whole chain for `usage`, and revocation of every certificate
 * below the root (where CRLs are present or required). PH_ERR_DENIED says which certificate of the
 * chain and why: expired, not yet valid, revoked, unknown CA, CRL expired. */
enum ph_err ph_trust_check(const struct ph_trust *trust, const struct ph_certificate *leaf,
    enum ph_usage usage, int64_t now_ms, struct ph_error *error) PH_NODISCARD;

/* The same without any times: not the certificates', not the CRLs'. Only for a CA that checks what
 * it is about to hand out and that is not valid at this moment (a device that will be switched on
 * next year). */
enum ph_err ph_trust_check_timeless(const struct ph_trust *trust, const struct ph_certificate *leaf,
    enum ph_usage usage, struct ph_error *error) PH_NODISCARD;

/* True when one of the anchor's CAs bears the name and key identifier that the leaf gives for its
 * issuer: which anchor to ask, of several. Says nothing about signatures. */
bool ph_trust_names_issuer(const struct ph_trust *trust, const struct ph_certificate *leaf);

/* When the first of the CRLs in force reaches nextUpdate; INT64_MAX without CRLs. */
int64_t ph_trust_crl_expiry_ms(const struct ph_trust *trust);

#endif
