/* Certificate signing requests (PKCS #10, RFC 2986): what a device makes and a registrar reads. Of
 * a request only the public key counts; whatever else it asks for is reported, never granted. */
#ifndef PH_X509_REQUEST_H
#define PH_X509_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "domain/identity.h"
#include "x509/certificate.h"
#include "x509/issue.h"

/* A request for `key` with the identity as its subject (O, OU, CN; a NULL identity: no subject),
 * signed with the key: appends PEM. */
enum ph_err ph_request_make(const struct ph_key *key, const struct ph_identity *identity,
    struct ph_buf *pem, struct ph_error *error) PH_NODISCARD;

struct ph_request; /* one that was parsed and whose signature proves possession of the key */

#define PH_REQUEST_EXTRAS_BYTES 256

/* Reads one PEM "CERTIFICATE REQUEST" of at most PH_LIMIT_CERTIFICATE_BYTES, nothing before or
 * behind it but white space. Checks, in this order: the DER, all bytes used; the version; the key,
 * an EC key on the named curves P-256, P-384 or P-521 (not an explicit curve, a point on it) or RSA
 * of 2048 to 8192 bits; the signature, made with that key (proof of possession) and not with MD5 or
 * SHA-1. PH_ERR_INPUT for bytes that break the format, PH_ERR_DENIED for a rule. */
enum ph_err ph_request_parse(
    const char *pem, size_t len, struct ph_request **out, struct ph_error *error) PH_NODISCARD;
void ph_request_free(struct ph_request **request);

/* The public key, as something a certificate can be issued for (it cannot sign). Borrowed. */
const struct ph_key *ph_request_key(const struct ph_request *request);

/* SHA-256 of the SubjectPublicKeyInfo, as in struct ph_certificate_facts. */
const char *ph_request_key_hash(const struct ph_request *request);

/* What it asks for beyond its key and beyond the subject `wanted` (may be NULL), as one escaped
 * line for a log, cut to the buffer: another subject, CA:TRUE, subjectAltName, extendedKeyUsage,
 * other extensions, a challenge password (its presence alone). "" when nothing. */
void ph_request_extras(const struct ph_request *request, const struct ph_identity *wanted,
    char out[PH_REQUEST_EXTRAS_BYTES]);

#endif
