/* Signed statements: a text, who signed it and the chain that vouches for the signer, in one PEM
 * block (CMS SignedData, RFC 5652, content included; SHA-256). The same form carries the time from
 * the registrar, a new set of trusted CAs from the root, and the proof that a device whose
 * certificate has expired still has its key. */
#ifndef PH_X509_SIGNED_H
#define PH_X509_SIGNED_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "x509/certificate.h"
#include "x509/issue.h"

#define PH_LIMIT_SIGNED_BYTES 49152 /* PEM of one statement: a bundle of CAs and a chain */

/* Appends PEM. `chain_pem` (may be NULL) has the CA certificates to enclose; the signer's own is
 * always in it. */
enum ph_err ph_signed_make(const void *text, size_t len, const struct ph_certificate *signer,
    const struct ph_key *key, const char *chain_pem, struct ph_buf *pem,
    struct ph_error *error) PH_NODISCARD;

struct ph_signed; /* a statement whose signature fits its content and its signer's certificate */

/* Exactly one signer, its certificate enclosed, content enclosed and of at most
 * PH_LIMIT_SIGNED_BYTES, no MD5 or SHA-1, signature good. Says nothing about who the signer is: the
 * caller must check that, by the chain or by knowing the certificate. PH_ERR_INPUT for bytes that
 * break the format, PH_ERR_DENIED for a rule. */
enum ph_err ph_signed_parse(
    const char *pem, size_t len, struct ph_signed **out, struct ph_error *error) PH_NODISCARD;
void ph_signed_free(struct ph_signed **statement);

/* Borrowed. The text is terminated by a NUL that does not count. */
const char *ph_signed_text(const struct ph_signed *statement, size_t *len);
const struct ph_certificate *ph_signed_signer(const struct ph_signed *statement);

/* The signer's chain, from the enclosed certificates, ends in one of the self-signed roots of the
 * PEM file `roots_file` (other certificates there help to build the chain) and holds at `now_ms`,
 * the roots' own dates included; the signer is a leaf of the profile for clients. No revocation is
 * looked up. PH_ERR_DENIED. */
enum ph_err ph_signed_check_chain(const struct ph_signed *statement, const char *roots_file,
    int64_t now_ms, struct ph_error *error) PH_NODISCARD;

/* The signer is itself one of the self-signed roots of the file: same certificate, byte by byte.
 * PH_ERR_DENIED. Its dates do not count: a root is trusted until it is taken out of the file. */
enum ph_err ph_signed_check_root(
    const struct ph_signed *statement, const char *roots_file, struct ph_error *error) PH_NODISCARD;

#endif
