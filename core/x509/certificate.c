#include "x509/certificate.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "x509/openssl.h"

struct ph_certificate *ph_certificate_take(void *x509)
{
    if (x509 == NULL) {
        return NULL;
    }
    struct ph_certificate *certificate = malloc(sizeof *certificate);
    if (certificate == NULL) {
        X509_free(x509);
        return NULL;
    }
    certificate->x509 = x509;
    /* Decodes and caches the extensions now, so that later reads change nothing. */
    ph_x509_errors_begin();
    (void)X509_check_purpose(certificate->x509, -1, 0);
    ph_x509_errors_end();
    return certificate;
}

static enum ph_err take(X509 *x509, struct ph_certificate **out, struct ph_error *error)
{
    *out = ph_certificate_take(x509);
    return *out != NULL ? PH_OK : ph_error_set(error, PH_ERR_MEMORY, "certificate: out of memory");
}

enum ph_err ph_certificate_load(
    const char *path, struct ph_certificate **out, struct ph_error *error)
{
    struct ph_buf pem;
    ph_buf_init(&pem, PH_LIMIT_CERTIFICATE_BYTES);
    BIO *bio = NULL;
    X509 *x509 = NULL;
    ph_x509_errors_begin();
    enum ph_err err = ph_file_load(path, &pem, error);
    if (err != PH_OK) {
        goto out;
    }
    bio = BIO_new_mem_buf(pem.data != NULL ? pem.data : "", (int)pem.len);
    x509 = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    if (x509 == NULL) {
        err = ph_error_set(error, PH_ERR_INPUT,
            "%s: no PEM certificate: want a block BEGIN CERTIFICATE (%s)", path, ph_x509_reason());
        goto out;
    }
    err = take(x509, out, error);
out:
    BIO_free(bio);
    ph_buf_fini(&pem);
    ph_x509_errors_end();
    return err;
}

enum ph_err ph_certificate_parse(
    const void *der, size_t len, struct ph_certificate **out, struct ph_error *error)
{
    if (len > PH_LIMIT_CERTIFICATE_BYTES) {
        return ph_error_set(error, PH_ERR_LIMIT, "certificate: want at most %d bytes, have %zu",
            PH_LIMIT_CERTIFICATE_BYTES, len);
    }
    ph_x509_errors_begin();
    const unsigned char *end = der;
    X509 *x509 = d2i_X509(NULL, &end, (long)len);
    enum ph_err err = PH_OK;
    if (x509 == NULL) {
        err = ph_error_set(error, PH_ERR_INPUT, "certificate: not DER of an X.509 certificate (%s)",
            ph_x509_reason());
    } else if (end != (const unsigned char *)der + len) {
        err = ph_error_set(error, PH_ERR_INPUT, "certificate: %zu bytes after its end",
            (size_t)((const unsigned char *)der + len - end));
    } else {
        err = take(x509, out, error);
        x509 = NULL;
    }
    X509_free(x509);
    ph_x509_errors_end();
    return err;
}

void ph_certificate_free(struct ph_certificate **certificate)
{
    if (certificate != NULL && *certificate != NULL) {
        X509_free((*certificate)->x509);
        free(*certificate);
        *certificate = NULL;
    }
}

static bool hash_certificate(const X509 *x509, char out[PH_FINGERPRINT_BYTES])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (X509_digest(x509, EVP_sha256(), digest, &len) != 1) {
        return false;
    }
    ph_hex_encode(out, digest, len);
    return true;
}

static bool hash_key(const X509 *x509, char out[PH_FINGERPRINT_BYTES])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &der);
    bool ok = len > 0 && EVP_Digest(der, (size_t)len, digest, &digest_len, EVP_sha256(), NULL) == 1;
    OPENSSL_free(der);
    if (ok) {
        ph_hex_encode(out, digest, digest_len);
    }
    return ok;
}

enum ph_err ph_certificate_facts(const struct ph_certificate *certificate,
    struct ph_certificate_facts *out, struct ph_error *error)
{
    const X509 *x509 = certificate->x509;
    struct ph_certificate_facts facts = {0};
    ph_x509_errors_begin();
    enum ph_err err = PH_OK;
    if (!ph_x509_serial_print(facts.serial, X509_get0_serialNumber(x509))) {
        err = ph_error_set(error, PH_ERR_INPUT,
            "certificate serial number: want a positive number of at most 20 octets");
    }
    if (err == PH_OK) {
        err = ph_x509_time_ms(
            X509_get0_notBefore(x509), "certificate notBefore", &facts.not_before_ms, error);
    }
    if (err == PH_OK) {
        err = ph_x509_time_ms(
            X509_get0_notAfter(x509), "certificate notAfter", &facts.not_after_ms, error);
    }
    if (err == PH_OK &&
        (!hash_certificate(x509, facts.fingerprint) || !hash_key(x509, facts.key_hash))) {
        err = ph_error_set(
            error, PH_ERR_INTERNAL, "certificate: cannot be hashed (%s)", ph_x509_reason());
    }
    if (err == PH_OK) {
        ph_x509_name_print(facts.issuer, sizeof facts.issuer, X509_get_issuer_name(x509));
        ph_x509_name_print(facts.subject, sizeof facts.subject, X509_get_subject_name(x509));
        *out = facts;
    }
    ph_x509_errors_end();
    return err;
}

enum ph_err ph_certificate_check_key(
    const struct ph_certificate *certificate, const char *key_file, struct ph_error *error)
{
    EVP_PKEY *key = NULL;
    ph_x509_errors_begin();
    enum ph_err err = ph_x509_key_load(key_file, &key, error);
    if (err == PH_OK && X509_check_private_key(certificate->x509, key) != 1) {
        char subject[PH_X509_NAME_BYTES];
        ph_x509_name_print(subject, sizeof subject, X509_get_subject_name(certificate->x509));
        err = ph_error_set(error, PH_ERR_DENIED,
            "%s: not the key of certificate \"%s\": use the pair that was issued together",
            key_file, subject);
    }
    EVP_PKEY_free(key);
    ph_x509_errors_end();
    return err;
}
