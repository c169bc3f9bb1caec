/* What the files of this folder share of OpenSSL. Internal: nothing outside includes it, so OpenSSL
 * types stay in here. */
#ifndef PH_X509_OPENSSL_H
#define PH_X509_OPENSSL_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "x509/certificate.h"

struct ph_certificate {
    X509 *x509;
};

struct ph_key {
    EVP_PKEY *pkey;
};

/* Room for one name as RFC 4514 text; longer ones are cut. */
#define PH_X509_NAME_BYTES 256

/* Writes the name as RFC 4514 text, ASCII only, everything else escaped. Never fails: "?" when
 * OpenSSL does. */
void ph_x509_name_print(char *out, size_t size, const X509_NAME *name);

/* Milliseconds since 1970; PH_ERR_INPUT, naming `what`, when the time is malformed. */
enum ph_err ph_x509_time_ms(
    const ASN1_TIME *time, const char *what, int64_t *out_ms, struct ph_error *error) PH_NODISCARD;

/* "2026-11-22T19:02:16.000Z", or "?" for a malformed time. `out` holds PH_UTC_BYTES. */
void ph_x509_time_print(char *out, const ASN1_TIME *time);

/* True for a positive number of at most 20 octets (RFC 5280, 4.1.2.2). */
bool ph_x509_serial_ok(const ASN1_INTEGER *serial);

/* The serial number in lower-case hexadecimal without leading zeros; false unless
 * ph_x509_serial_ok(). */
bool ph_x509_serial_print(char out[PH_SERIAL_BYTES], const ASN1_INTEGER *serial) PH_NODISCARD;

/* An unencrypted private key from a PEM file that is closed to others; never asks for a password.
 */
enum ph_err ph_x509_key_load(const char *path, EVP_PKEY **out, struct ph_error *error) PH_NODISCARD;

/* A revocation's reason as RFC 5280 (5.3.1) spells it, "unspecified" for a number it does not have.
 */
const char *ph_x509_revocation_reason(int reason);

/* Appends what a memory BIO holds. */
enum ph_err ph_x509_bio_append(
    struct ph_buf *out, BIO *bio, const char *what, struct ph_error *error) PH_NODISCARD;

/* Appends every certificate (at least one), or every CRL (at least one), of a PEM file to the
 * stack, which owns them. */
enum ph_err ph_x509_certificates_load(
    const char *path, STACK_OF(X509) * out, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_x509_crls_load(
    const char *path, STACK_OF(X509_CRL) * out, struct ph_error *error) PH_NODISCARD;

/* OpenSSL's last reason as text, or "no reason given"; borrowed, static. */
const char *ph_x509_reason(void);

/* Every function that may fail inside OpenSSL stands between these two: the thread's error queue is
 * left as it was found, because the host (a broker) reads its own TLS errors from it. */
void ph_x509_errors_begin(void);
void ph_x509_errors_end(void);

#endif
