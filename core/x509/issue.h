/* The mechanics of a certificate authority: keys, certificates after docs/spec/certificate.md, and
 * CRLs. Who may have what, and the record of it, is the caller's. */
#ifndef PH_X509_ISSUE_H
#define PH_X509_ISSUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "x509/certificate.h"

struct ph_key; /* a private key with its public half; of a request, the public half alone */

/* A new P-256 key. */
enum ph_err ph_key_new(struct ph_key **out, struct ph_error *error) PH_NODISCARD;

/* From a PEM file, which must be closed to group and others and not encrypted. */
enum ph_err ph_key_load(const char *path, struct ph_key **out, struct ph_error *error) PH_NODISCARD;

/* The same; a key that is encrypted is opened with `passphrase`. PH_ERR_DENIED when that is wrong,
 * PH_ERR_NOT_FOUND when the key wants one and it is NULL. */
enum ph_err ph_key_load_encrypted(const char *path, const char *passphrase, struct ph_key **out,
    struct ph_error *error) PH_NODISCARD;

/* Appends PEM of PKCS #8, unencrypted: a secret. */
enum ph_err ph_key_print(
    const struct ph_key *key, struct ph_buf *pem, struct ph_error *error) PH_NODISCARD;

/* The same, encrypted (PBES2: scrypt or PBKDF2 with SHA-256 and many rounds, AES-256-CBC). */
enum ph_err ph_key_print_encrypted(const struct ph_key *key, const char *passphrase,
    struct ph_buf *pem, struct ph_error *error) PH_NODISCARD;

/* SHA-256 of its SubjectPublicKeyInfo, as in struct ph_certificate_facts. */
enum ph_err ph_key_hash(
    const struct ph_key *key, char out[PH_FINGERPRINT_BYTES], struct ph_error *error) PH_NODISCARD;
void ph_key_free(struct ph_key **key);

enum ph_certificate_type {
    PH_CERTIFICATE_ROOT,
    PH_CERTIFICATE_CLIENT_CA, /* subordinate CA whose leaves are clients */
    PH_CERTIFICATE_SERVER_CA, /* subordinate CA whose leaves are servers */
    PH_CERTIFICATE_CLIENT,
    PH_CERTIFICATE_SERVER,
};

/* What goes into a certificate; everything else follows from its type. Borrowed for the call. */
struct ph_certificate_content {
    enum ph_certificate_type type;
    const char *organization; /* O: the tenant; NULL leaves it out */
    const char *unit;         /* OU: the kind; NULL leaves it out */
    const char *name;         /* CN: the device, or the CA's name */
    const char *const *dns;   /* subjectAltName: host names */
    size_t dns_count;
    const char *const *ip; /* subjectAltName: addresses as text */
    size_t ip_count;
    const char *permitted_organization; /* CAs: name constraint, critical: only subjects whose first
                                           attribute is this O; NULL: none */
    int64_t not_before_ms;              /* cut to whole seconds */
    int64_t not_after_ms;
};

/* A CA made ready to sign many: everything that its certificates share is encoded once, and no
 * object of OpenSSL is made for one of them. Belongs to one thread. */
struct ph_issuer;

/* The caller may free both afterwards. PH_ERR_INPUT for a CA certificate without
 * subjectKeyIdentifier and for a key that is neither EC nor RSA. Does not look whether the two
 * belong together: check the first certificate. */
enum ph_err ph_issuer_new(const struct ph_certificate *ca, const struct ph_key *ca_key,
    struct ph_issuer **out, struct ph_error *error) PH_NODISCARD;
void ph_issuer_free(struct ph_issuer **issuer);

/* What ph_certificate_facts() would say of a certificate that was just made. */
struct ph_issued {
    char fingerprint[PH_FINGERPRINT_BYTES];
    char key_hash[PH_FINGERPRINT_BYTES];
    char serial[PH_SERIAL_BYTES];
    int64_t not_before_ms;
    int64_t not_after_ms;
};

/* Signs a certificate for `key` (a public one will do) with a random 128-bit serial number; appends
 * its DER. `out` may be NULL. Costs little more than the signature. PH_ERR_INPUT names what of the
 * content cannot be in a certificate: O, OU or CN not of 1 to 64 characters of UTF-8, a host name
 * not of ASCII, something that is no address, a time outside the years 1950 to 9999. Otherwise the
 * content is taken as it is. */
enum ph_err ph_issuer_issue(struct ph_issuer *issuer, const struct ph_certificate_content *content,
    const struct ph_key *key, struct ph_buf *der, struct ph_issued *out,
    struct ph_error *error) PH_NODISCARD;

/* The same for one certificate. `ca` is NULL for a root, which `ca_key` (the same key) then signs
 * itself. Checks nothing about the CA: check the result. */
enum ph_err ph_certificate_issue(const struct ph_certificate_content *content,
    const struct ph_key *key, const struct ph_certificate *ca, const struct ph_key *ca_key,
    struct ph_certificate **out, struct ph_error *error) PH_NODISCARD;

/* Appends the certificate as PEM, or as DER; or as PEM what is DER already. */
enum ph_err ph_certificate_print(const struct ph_certificate *certificate, struct ph_buf *pem,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_certificate_encode(const struct ph_certificate *certificate, struct ph_buf *der,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_certificate_der_print(
    const void *der, size_t len, struct ph_buf *pem, struct ph_error *error) PH_NODISCARD;

/* Reasons for revocation with their RFC 5280 numbers (5.3.1); "unspecified" is written by leaving
 * the extension out. NULL, or false, for one that is not offered. */
const char *ph_revocation_reason_name(int reason);
bool ph_revocation_reason_parse(const char *name, int *reason) PH_NODISCARD;

struct ph_crl; /* a CRL in the making */

/* Makes an empty one; the caller owns *out. */
enum ph_err ph_crl_new(struct ph_crl **out, struct ph_error *error) PH_NODISCARD;

/* Adds one revoked certificate; `serial` is hexadecimal as in ph_certificate_facts. */
enum ph_err ph_crl_add(struct ph_crl *crl, const char *serial, int64_t revoked_ms, int reason,
    struct ph_error *error) PH_NODISCARD;

/* Signs the CRL, once, and appends it as PEM. */
enum ph_err ph_crl_sign(struct ph_crl *crl, const struct ph_certificate *ca,
    const struct ph_key *ca_key, int64_t number, int64_t this_update_ms, int64_t next_update_ms,
    struct ph_buf *pem, struct ph_error *error) PH_NODISCARD;
void ph_crl_free(struct ph_crl **crl);

#endif
