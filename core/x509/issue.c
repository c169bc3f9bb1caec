#include "x509/issue.h"

#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/random.h"
#include "base/text.h"
#include "x509/content.h"
#include "x509/der.h"
#include "x509/openssl.h"
#include "x509/pem.h"

enum {
    SERIAL_BYTES = 16,
    SHA256_BYTES = 32,
    SIGNATURE_BYTES = 2048,                  /* RSA of 16384 bits, the most that OpenSSL handles */
    TAG_VERSION = PH_DER_CONTEXT_CONSTRUCTED /* [0] */
};

static const struct ph_der_text version_3 = PH_DER_TEXT("\x02\x01\x02");
static const struct ph_der_text ecdsa_sha256 =
    PH_DER_TEXT("\x30\x0A\x06\x08\x2A\x86\x48\xCE\x3D\x04\x03\x02");
static const struct ph_der_text rsa_sha256 =
    PH_DER_TEXT("\x30\x0D\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0B\x05\x00");

struct ph_issuer {
    EVP_PKEY_CTX *signer;
    EVP_MD *sha256; /* fetched once: EVP_sha256() is looked up at every use */
    EVP_MD *sha1;
    const struct ph_der_text *algorithm; /* of the signature */
    unsigned char *name;                 /* DER of the CA's subject, byte by byte; NULL: a root */
    size_t name_len;
    unsigned char key_id[PH_LIMIT_KEY_ID_BYTES];
    size_t key_id_len; /* 0: a root */
};

/* ---- an issuer ---- */

static enum ph_err out_of_memory(struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_MEMORY, "certificate authority: out of memory");
}

static enum ph_err set_key(
    struct ph_issuer *issuer, const struct ph_key *ca_key, struct ph_error *error)
{
    EVP_PKEY *pkey = ph_key_open(ca_key);
    int type = pkey != NULL ? EVP_PKEY_get_base_id(pkey) : EVP_PKEY_NONE;
    enum ph_err err = PH_OK;
    issuer->algorithm = type == EVP_PKEY_EC ? &ecdsa_sha256 : &rsa_sha256;
    if (type != EVP_PKEY_EC && type != EVP_PKEY_RSA) {
        err = ph_error_set(error, PH_ERR_INPUT, "certificate authority: key: want EC or RSA");
        goto out;
    }
    issuer->signer = EVP_PKEY_CTX_new(pkey, NULL);
    issuer->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    issuer->sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    if (issuer->signer == NULL || issuer->sha256 == NULL || issuer->sha1 == NULL ||
        EVP_PKEY_sign_init(issuer->signer) != 1 ||
        EVP_PKEY_CTX_set_signature_md(issuer->signer, issuer->sha256) != 1) {
        err = ph_error_set(error, PH_ERR_INTERNAL,
            "certificate authority: cannot be made ready to sign (%s)", ph_x509_reason());
    }
out:
    EVP_PKEY_free(pkey);
    return err;
}

static enum ph_err set_names(
    struct ph_issuer *issuer, const struct ph_certificate *ca, struct ph_error *error)
{
    const ASN1_OCTET_STRING *key_id = X509_get0_subject_key_id(ca->x509);
    int len = key_id != NULL ? ASN1_STRING_length(key_id) : 0;
    if (len <= 0 || len > PH_LIMIT_KEY_ID_BYTES) {
        return ph_error_set(error, PH_ERR_INPUT,
            "CA certificate: subjectKeyIdentifier: want one of 1 to %d octets",
            PH_LIMIT_KEY_ID_BYTES);
    }
    issuer->key_id_len = (size_t)len;
    memcpy(issuer->key_id, ASN1_STRING_get0_data(key_id), issuer->key_id_len);
    int name_len = i2d_X509_NAME(X509_get_subject_name(ca->x509), &issuer->name);
    issuer->name_len = name_len > 0 ? (size_t)name_len : 0;
    return name_len > 0 ? PH_OK : out_of_memory(error);
}

/* `ca` NULL: for one root. */
static enum ph_err make_issuer(const struct ph_certificate *ca, const struct ph_key *ca_key,
    struct ph_issuer **out, struct ph_error *error)
{
    struct ph_issuer *issuer = calloc(1, sizeof *issuer);
    if (issuer == NULL) {
        return out_of_memory(error);
    }
    enum ph_err err = set_key(issuer, ca_key, error);
    if (err == PH_OK && ca != NULL) {
        err = set_names(issuer, ca, error);
    }
    if (err == PH_OK) {
        *out = issuer;
        issuer = NULL;
    }
    ph_issuer_free(&issuer);
    return err;
}

enum ph_err ph_issuer_new(const struct ph_certificate *ca, const struct ph_key *ca_key,
    struct ph_issuer **out, struct ph_error *error)
{
    ph_x509_errors_begin();
    enum ph_err err = make_issuer(ca, ca_key, out, error);
    ph_x509_errors_end();
    return err;
}

void ph_issuer_free(struct ph_issuer **issuer)
{
    if (issuer != NULL && *issuer != NULL) {
        EVP_PKEY_CTX_free((*issuer)->signer);
        EVP_MD_free((*issuer)->sha256);
        EVP_MD_free((*issuer)->sha1);
        OPENSSL_free((*issuer)->name);
        free(*issuer);
        *issuer = NULL;
    }
}

/* ---- one certificate ---- */

static void make_serial(unsigned char serial[SERIAL_BYTES])
{
    do {
        ph_random_bytes(serial, SERIAL_BYTES);
    } while (serial[0] == 0);
}

static void put_serial(struct ph_der *der, const unsigned char serial[SERIAL_BYTES])
{
    unsigned char positive[1 + SERIAL_BYTES] = {0};
    memcpy(positive + 1, serial, SERIAL_BYTES);
    bool extra = (serial[0] & 0x80) != 0;
    ph_der_element(der, PH_DER_INTEGER, positive + (extra ? 0 : 1), SERIAL_BYTES + (extra ? 1 : 0));
}

/* The TBSCertificate (RFC 5280, 4.1). */
static void put_body(struct ph_der *der, const struct ph_issuer *issuer,
    const struct ph_certificate_content *content, const struct ph_key *key,
    const unsigned char serial[SERIAL_BYTES], const unsigned char key_id[PH_KEY_ID_BYTES])
{
    struct ph_der_text issuer_key_id = {(const char *)issuer->key_id, issuer->key_id_len};
    if (issuer->key_id_len == 0) {
        issuer_key_id = (struct ph_der_text){(const char *)key_id, PH_KEY_ID_BYTES};
    }
    size_t body = ph_der_begin(der, PH_DER_SEQUENCE);
    size_t version = ph_der_begin(der, TAG_VERSION);
    ph_der_put_text(der, &version_3);
    ph_der_end(der, version);
    put_serial(der, serial);
    ph_der_put_text(der, issuer->algorithm);
    if (issuer->name != NULL) {
        ph_der_put(der, issuer->name, issuer->name_len);
    } else {
        ph_content_put_subject(der, content);
    }
    ph_content_put_validity(der, content);
    ph_content_put_subject(der, content);
    ph_der_put(der, key->spki.data, key->spki.len);
    ph_content_put_extensions(der, content, key_id, &issuer_key_id);
    ph_der_end(der, body);
}

/* Appends the signature of what `der` holds from `body` on. */
static bool put_signature(struct ph_issuer *issuer, struct ph_der *der, size_t body)
{
    unsigned char digest[SHA256_BYTES];
    unsigned char signature[1 + SIGNATURE_BYTES] = {0}; /* behind the count of unused bits */
    size_t len = SIGNATURE_BYTES;
    if (EVP_Digest(der->bytes + body, der->len - body, digest, NULL, issuer->sha256, NULL) != 1 ||
        EVP_PKEY_sign(issuer->signer, signature + 1, &len, digest, sizeof digest) != 1) {
        return false;
    }
    ph_der_put_text(der, issuer->algorithm);
    ph_der_element(der, PH_DER_BIT_STRING, signature, len + 1);
    return true;
}

static bool hash(
    const struct ph_issuer *issuer, char out[PH_FINGERPRINT_BYTES], const void *bytes, size_t len)
{
    unsigned char digest[SHA256_BYTES];
    bool ok = EVP_Digest(bytes, len, digest, NULL, issuer->sha256, NULL) == 1;
    ph_hex_encode(out, digest, sizeof digest);
    return ok;
}

static bool describe(const struct ph_issuer *issuer, const struct ph_certificate_content *content,
    const struct ph_key *key, const unsigned char serial[SERIAL_BYTES], const struct ph_der *der,
    struct ph_issued *out)
{
    char hex[2 * SERIAL_BYTES + 1];
    ph_hex_encode(hex, serial, SERIAL_BYTES);
    out->not_before_ms = content->not_before_ms / 1000 * 1000;
    out->not_after_ms = content->not_after_ms / 1000 * 1000;
    return ph_text_copy(out->serial, sizeof out->serial, hex + strspn(hex, "0")) &&
           hash(issuer, out->fingerprint, der->bytes, der->len) &&
           hash(issuer, out->key_hash, key->spki.data, key->spki.len);
}

static enum ph_err issue(struct ph_issuer *issuer, const struct ph_certificate_content *content,
    const struct ph_key *key, struct ph_der *der, struct ph_issued *out, struct ph_error *error)
{
    unsigned char serial[SERIAL_BYTES];
    unsigned char key_id[PH_KEY_ID_BYTES];
    make_serial(serial);
    size_t certificate = ph_der_begin(der, PH_DER_SEQUENCE);
    size_t body = der->len;
    bool ok = EVP_Digest(key->spki.data + key->spki_point_at, key->spki.len - key->spki_point_at,
                  key_id, NULL, issuer->sha1, NULL) == 1;
    put_body(der, issuer, content, key, serial, key_id);
    ok = ok && (der->failed || put_signature(issuer, der, body));
    ph_der_end(der, certificate);
    if (der->failed) {
        return ph_error_set(error, PH_ERR_LIMIT,
            "certificate of \"%s\": larger than %d bytes: give it fewer names",
            content->name != NULL ? content->name : "", PH_LIMIT_CERTIFICATE_BYTES);
    }
    return ok && (out == NULL || describe(issuer, content, key, serial, der, out))
               ? PH_OK
               : ph_error_set(error, PH_ERR_INTERNAL,
                     "certificate of \"%s\": cannot be signed (%s)",
                     content->name != NULL ? content->name : "", ph_x509_reason());
}

enum ph_err ph_issuer_issue(struct ph_issuer *issuer, const struct ph_certificate_content *content,
    const struct ph_key *key, struct ph_buf *der, struct ph_issued *out, struct ph_error *error)
{
    unsigned char bytes[PH_LIMIT_CERTIFICATE_BYTES];
    struct ph_der writer = {.bytes = bytes, .size = sizeof bytes};
    enum ph_err err = ph_content_check(content, error);
    if (err != PH_OK) {
        return err;
    }
    ph_x509_errors_begin();
    err = issue(issuer, content, key, &writer, out, error);
    ph_x509_errors_end();
    if (err == PH_OK && (err = ph_buf_append(der, bytes, writer.len)) != PH_OK) {
        err = ph_error_set(error, err, "certificate: does not fit its buffer");
    }
    return err;
}

enum ph_err ph_certificate_issue(const struct ph_certificate_content *content,
    const struct ph_key *key, const struct ph_certificate *ca, const struct ph_key *ca_key,
    struct ph_certificate **out, struct ph_error *error)
{
    struct ph_issuer *issuer = NULL;
    struct ph_buf der;
    ph_buf_init(&der, PH_LIMIT_CERTIFICATE_BYTES);
    ph_x509_errors_begin();
    enum ph_err err = make_issuer(ca, ca_key, &issuer, error);
    if (err == PH_OK) {
        err = ph_issuer_issue(issuer, content, key, &der, NULL, error);
    }
    if (err == PH_OK) {
        err = ph_certificate_parse(der.data, der.len, out, error);
    }
    ph_issuer_free(&issuer);
    ph_buf_fini(&der);
    ph_x509_errors_end();
    return err;
}

/* ---- output ---- */

enum ph_err ph_certificate_encode(
    const struct ph_certificate *certificate, struct ph_buf *der, struct ph_error *error)
{
    ph_x509_errors_begin();
    unsigned char *bytes = NULL;
    int len = i2d_X509(certificate->x509, &bytes);
    enum ph_err err = len > 0 ? ph_buf_append(der, bytes, (size_t)len) : PH_ERR_MEMORY;
    OPENSSL_free(bytes);
    ph_x509_errors_end();
    return err == PH_OK ? PH_OK : ph_error_set(error, err, "certificate: does not fit its buffer");
}

enum ph_err ph_certificate_der_print(
    const void *der, size_t len, struct ph_buf *pem, struct ph_error *error)
{
    return ph_pem_print(pem, "CERTIFICATE", der, len, "certificate", error);
}

enum ph_err ph_certificate_print(
    const struct ph_certificate *certificate, struct ph_buf *pem, struct ph_error *error)
{
    ph_x509_errors_begin();
    unsigned char *bytes = NULL;
    int len = i2d_X509(certificate->x509, &bytes);
    enum ph_err err = len > 0 ? ph_certificate_der_print(bytes, (size_t)len, pem, error)
                              : ph_error_set(error, PH_ERR_MEMORY, "certificate: out of memory");
    OPENSSL_free(bytes);
    ph_x509_errors_end();
    return err;
}
