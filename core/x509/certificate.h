/* Certificates as this project sees them (docs/spec/certificate.md). OpenSSL appears in no header
 * that others include: an X509 passes as an opaque struct ph_certificate. No function here leaves
 * anything on OpenSSL's error queue. A certificate may be read by several threads at once. */
#ifndef PH_X509_CERTIFICATE_H
#define PH_X509_CERTIFICATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "domain/identity.h"
#include "domain/policy.h"
#include "domain/subject.h"

struct ph_certificate;

/* Takes over an OpenSSL X509 reference (such as mosquitto_client_certificate() returns). NULL in,
 * NULL out; NULL (and the X509 released) when memory runs out. */
struct ph_certificate *ph_certificate_take(void *x509);

/* The first certificate of a PEM file (the leaf, when a chain follows). */
enum ph_err ph_certificate_load(
    const char *path, struct ph_certificate **out, struct ph_error *error) PH_NODISCARD;

/* True for a CA, by basicConstraints or by keyUsage: no leaf. */
bool ph_certificate_is_ca(const struct ph_certificate *certificate);

/* Every certificate of a PEM file, in its order, until `visit` fails; each is gone when `visit`
 * returns. NULL: none is visited. PH_ERR_INPUT when one of them is broken, before the first visit,
 * or when there is none. */
typedef enum ph_err ph_certificate_visit(
    const struct ph_certificate *certificate, void *context, struct ph_error *error);
enum ph_err ph_certificates_each(const char *path, ph_certificate_visit *visit, void *context,
    struct ph_error *error) PH_NODISCARD;

/* One certificate from DER, all bytes used. */
enum ph_err ph_certificate_parse(
    const void *der, size_t len, struct ph_certificate **out, struct ph_error *error) PH_NODISCARD;
void ph_certificate_free(struct ph_certificate **certificate);

/* tenant, kind and device from the subject's O, OU and CN: each exactly once, UTF8String or
 * PrintableString, no NUL, the segment grammar. `anchor` is left empty. PH_ERR_DENIED with the
 * attribute and the rule. */
enum ph_err ph_certificate_identity(const struct ph_certificate *certificate,
    struct ph_identity *out, struct ph_error *error) PH_NODISCARD;

/* The client id of whoever connects with the certificate of this file: its identity as text, which
 * is what the broker's plugin expects. */
enum ph_err ph_certificate_client_id(
    const char *path, char out[PH_IDENTITY_BYTES], struct ph_error *error) PH_NODISCARD;

/* An identity from where an anchor says that its certificates carry it (ph_anchor.identity), with
 * the anchor's only tenant or kind for what its template does not name, and the anchor's name. A
 * source must be there exactly once, as a UTF8String, PrintableString or IA5String; a DNS name in
 * lower case. PH_ERR_DENIED with the source and the rule. */
enum ph_err ph_certificate_identity_by(const struct ph_certificate *certificate,
    const struct ph_anchor *anchor, struct ph_identity *out, struct ph_error *error) PH_NODISCARD;

/* The subject's attributes that roles may ask for (domain/subject.h). Never fails: what cannot be
 * read is left out. */
void ph_certificate_subject(const struct ph_certificate *certificate, char out[PH_SUBJECT_BYTES]);

enum ph_usage { PH_USAGE_CLIENT, PH_USAGE_SERVER };

/* The leaf profile: X.509 v3, not a CA, digitalSignature, EKU present and containing the usage,
 * P-256 or stronger EC or RSA of at least 2048 bits, signature not with MD5 or SHA-1, serial
 * positive and at most 20 octets. PH_ERR_DENIED names the rule. */
enum ph_err ph_certificate_check_profile(const struct ph_certificate *certificate,
    enum ph_usage usage, struct ph_error *error) PH_NODISCARD;

#define PH_FINGERPRINT_BYTES 65 /* SHA-256 of the DER in lower-case hexadecimal, terminated */
#define PH_SERIAL_BYTES                                                                            \
    48 /* serial number in lower-case hexadecimal without leading zeros, terminated */

/* What logs and audit records say of a certificate. Times are milliseconds since 1970. */
struct ph_certificate_facts {
    char fingerprint[PH_FINGERPRINT_BYTES];
    char key_hash[PH_FINGERPRINT_BYTES]; /* SHA-256 of the SubjectPublicKeyInfo */
    char serial[PH_SERIAL_BYTES];
    char issuer[256];  /* RFC 4514 text, escaped; beyond that cut. Compared by deny-lists alone */
    char subject[256]; /* the same; never compared */
    int64_t not_before_ms;
    int64_t not_after_ms;
};
enum ph_err ph_certificate_facts(const struct ph_certificate *certificate,
    struct ph_certificate_facts *out, struct ph_error *error) PH_NODISCARD;

/* PH_ERR_DENIED when the private key file does not belong to the certificate; the key file must be
 * closed to others. */
enum ph_err ph_certificate_check_key(const struct ph_certificate *certificate, const char *key_file,
    struct ph_error *error) PH_NODISCARD;

/* What whoever connects by TLS has in files: every CA can be read, and the key belongs to the first
 * certificate of its file. Says more of a file than OpenSSL does when it loads them. */
enum ph_err ph_certificate_check_files(const char *ca_file, const char *certificate_file,
    const char *key_file, struct ph_error *error) PH_NODISCARD;

#endif
