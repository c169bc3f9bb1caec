/* What a device is sent to live on, before it is put on disk: a certificate with its chain, and a
 * new set of trusted CAs. */
#ifndef PH_X509_RENEWED_H
#define PH_X509_RENEWED_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "x509/certificate.h"

/* Reads PEM of at most PH_LIMIT_CERTIFICATE_BYTES: the leaf, then the CAs above it, and nothing
 * else. The leaf must keep to the profile for clients, and its chain must end in a self-signed root
 * of the PEM file `roots_file` and be valid, for that use, at `now_ms` (0: at any time); one that
 * begins after `now_ms` is judged as of its beginning, as the clock of whoever made it may be ahead
 * of ours. No revocation is looked up. Appends to `chain` the PEM of what was verified, the root
 * left out. PH_ERR_INPUT for bytes that break the format, PH_ERR_DENIED for a rule. */
enum ph_err ph_renewed_check(const char *pem, size_t len, const char *roots_file, int64_t now_ms,
    struct ph_certificate **leaf, struct ph_buf *chain, struct ph_error *error) PH_NODISCARD;

/* Whether PEM can serve as a file of trusted CAs: certificates that are all CAs which may sign
 * certificates, one of them self-signed; lines that begin with '#' may stand before the first. */
enum ph_err ph_renewed_check_roots(
    const char *pem, size_t len, struct ph_error *error) PH_NODISCARD;

#endif
