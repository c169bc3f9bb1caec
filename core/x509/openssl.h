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

/* A key that was made here stays bytes until it has to sign: those are all that a certificate and a
 * key file need, and OpenSSL takes longer to make them of a key than to make the key. */
struct ph_key {
    EVP_PKEY *pkey;       /* NULL for one made here */
    struct ph_buf pkcs8;  /* DER of PrivateKeyInfo; empty: ask `pkey` */
    struct ph_buf spki;   /* DER of SubjectPublicKeyInfo */
    size_t spki_point_at; /* where in it the content of the BIT STRING begins, behind the count of
                             unused bits */
};

/* The key as OpenSSL has it, for the caller to free; NULL when it cannot be had. */
EVP_PKEY *ph_key_open(const struct ph_key *key);

/* Takes over a key, also a public one (`pkey`, on failure too), with its SubjectPublicKeyInfo,
 * which is encoded anew when `spki` is NULL. */
enum ph_err ph_key_take(EVP_PKEY *pkey, const X509_PUBKEY *spki, struct ph_key **out,
    struct ph_error *error) PH_NODISCARD;

/* Room for one name as RFC 4514 text; longer ones are cut. */
#define PH_X509_NAME_BYTES 256

/* Writes the name as RFC 4514 text, ASCII only, everything else escaped. Never fails: "?" when
 * OpenSSL does. */
void ph_x509_name_print(char *out, size_t size, const X509_NAME *name);

/* Milliseconds since 1970; PH_ERR_INPUT, naming `what`, when the time is malformed. */
enum ph_err ph_x509_time_ms(
    const ASN1_TIME *time, const char *what, int64_t *out_ms, struct ph_error *error) PH_NODISCARD;

/* The whole second that `unix_ms` lies in, as UTCTime or GeneralizedTime by RFC 5280, 4.1.2.5. NULL
 * outside the years 0 to 9999, and when out of memory. The caller frees it. */
ASN1_TIME *ph_x509_time_new(int64_t unix_ms);

/* OpenSSL takes the time at which it judges a chain as a time_t. Where that has 32 bits, no chain
 * can be judged beyond January 2038, and none is said to be good. */
#define PH_X509_TIME_BEYOND                                                                        \
    "cannot be judged: the time is beyond what this machine's time_t can hold"
bool ph_x509_time_fits(int64_t unix_ms);

/* At which time a chain is judged: the second that `unix_ms`, which fits, lies in. */
void ph_x509_time_set(X509_VERIFY_PARAM *param, int64_t unix_ms);

/* "2026-11-22T19:02:16.000Z", or "?" for a malformed time. `out` holds PH_UTC_BYTES. */
void ph_x509_time_print(char *out, const ASN1_TIME *time);

/* True for a positive number of at most 20 octets (RFC 5280, 4.1.2.2). */
bool ph_x509_serial_ok(const ASN1_INTEGER *serial);

/* The serial number in lower-case hexadecimal without leading zeros; false unless
 * ph_x509_serial_ok(). */
bool ph_x509_serial_print(char out[PH_SERIAL_BYTES], const ASN1_INTEGER *serial) PH_NODISCARD;

/* A private key from a PEM file that is closed to others; never asks for a password. For one that
 * is encrypted: ph_key_load(), ph_key_load_encrypted(). */
enum ph_err ph_x509_key_load(const char *path, EVP_PKEY **out, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_x509_key_load_encrypted(
    const char *path, const char *passphrase, EVP_PKEY **out, struct ph_error *error) PH_NODISCARD;

/* What a key from outside must be, whoever signs with it: EC on the named curves P-256, P-384 or
 * P-521 with its point uncompressed, or RSA of 2048 to 8192 bits with a public exponent of 65537 to
 * 64 bits, in the one encoding that it has in DER (so that its hash is the key's). PH_ERR_DENIED
 * begins with `what`. */
enum ph_err ph_x509_public_key_check(
    X509_PUBKEY *spki, const char *what, struct ph_error *error) PH_NODISCARD;

/* Whether an EC key is on P-256, P-384 or P-521; writes the curve's name. */
bool ph_x509_curve_allowed(const EVP_PKEY *key, char *name, size_t size);

/* A revocation's reason as RFC 5280 (5.3.1) spells it, "unspecified" for a number it does not have.
 */
const char *ph_x509_revocation_reason(int reason);

/* Appends what a memory BIO holds. */
enum ph_err ph_x509_bio_append(
    struct ph_buf *out, BIO *bio, const char *what, struct ph_error *error) PH_NODISCARD;

/* Appends every certificate (at least one), or every CRL (at least one), of a PEM file or text to
 * the stack, which owns them; `what` stands for the path in errors. */
enum ph_err ph_x509_certificates_load(
    const char *path, STACK_OF(X509) * out, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_x509_certificates_parse(
    const char *pem, const char *what, STACK_OF(X509) * out, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_x509_crls_load(
    const char *path, STACK_OF(X509_CRL) * out, struct ph_error *error) PH_NODISCARD;

/* OpenSSL's last reason as text, or "no reason given"; borrowed, static. */
const char *ph_x509_reason(void);

/* Every function that may fail inside OpenSSL stands between these two: the thread's error queue is
 * left as it was found, because the host (a broker) reads its own TLS errors from it. */
void ph_x509_errors_begin(void);
void ph_x509_errors_end(void);

#endif
