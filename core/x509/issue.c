#include "x509/issue.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/random.h"
#include "x509/openssl.h"

/* What the type decides. An extension text is in OpenSSL's configuration syntax. */
static const struct profile {
    const char *basic_constraints;
    const char *key_usage;
    const char *extended_key_usage;
} profiles[] = {
    [PH_CERTIFICATE_ROOT] = {"critical,CA:TRUE", "critical,keyCertSign,cRLSign", NULL},
    [PH_CERTIFICATE_CLIENT_CA] = {"critical,CA:TRUE,pathlen:0", "critical,keyCertSign,cRLSign",
        "clientAuth"},
    [PH_CERTIFICATE_SERVER_CA] = {"critical,CA:TRUE,pathlen:0", "critical,keyCertSign,cRLSign",
        "serverAuth"},
    [PH_CERTIFICATE_CLIENT] = {"critical,CA:FALSE", "critical,digitalSignature", "clientAuth"},
    [PH_CERTIFICATE_SERVER] = {"critical,CA:FALSE", "critical,digitalSignature", "serverAuth"},
};

static bool set_serial(X509 *x509)
{
    unsigned char bytes[16];
    do {
        ph_random_bytes(bytes, sizeof bytes);
    } while (bytes[0] == 0);
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool ok = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509)) != NULL;
    BN_free(number);
    return ok;
}

static bool add_name(X509_NAME *name, const char *attribute, const char *value)
{
    return value == NULL || X509_NAME_add_entry_by_txt(name, attribute, MBSTRING_UTF8,
                                (const unsigned char *)value, -1, -1, 0) == 1;
}

static bool set_names(
    X509 *x509, const struct ph_certificate_content *content, const struct ph_certificate *ca)
{
    X509_NAME *subject = X509_NAME_new();
    bool ok =
        subject != NULL && add_name(subject, "O", content->organization) &&
        add_name(subject, "OU", content->unit) && add_name(subject, "CN", content->name) &&
        X509_set_subject_name(x509, subject) == 1 &&
        X509_set_issuer_name(x509, ca != NULL ? X509_get_subject_name(ca->x509) : subject) == 1;
    X509_NAME_free(subject);
    return ok;
}

static bool set_times(X509 *x509, const struct ph_certificate_content *content)
{
    return ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)(content->not_before_ms / 1000)) !=
               NULL &&
           ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)(content->not_after_ms / 1000)) != NULL;
}

static bool add_extension(X509 *x509, X509V3_CTX *ctx, int nid, const char *value)
{
    if (value == NULL) {
        return true;
    }
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, ctx, nid, value);
    bool ok = extension != NULL && X509_add_ext(x509, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

/* The value is set as it is, never through OpenSSL's configuration syntax, in which a comma would
 * begin another name. */
static bool push_name(GENERAL_NAMES *names, int type, const char *text)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = NULL;
    if (type == GEN_IPADD) {
        value = a2i_IPADDRESS(text);
    } else {
        value = ASN1_IA5STRING_new();
        if (value != NULL && ASN1_STRING_set(value, text, -1) != 1) {
            ASN1_STRING_free(value);
            value = NULL;
        }
    }
    if (name == NULL || value == NULL) {
        ASN1_STRING_free(value);
        GENERAL_NAME_free(name);
        return false;
    }
    GENERAL_NAME_set0_value(name, type, value);
    if (sk_GENERAL_NAME_push(names, name) <= 0) {
        GENERAL_NAME_free(name);
        return false;
    }
    return true;
}

static bool add_alternative_names(X509 *x509, const struct ph_certificate_content *content)
{
    if (content->dns_count + content->ip_count == 0) {
        return true;
    }
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    bool ok = names != NULL;
    for (size_t i = 0; ok && i < content->dns_count; i++) {
        ok = push_name(names, GEN_DNS, content->dns[i]);
    }
    for (size_t i = 0; ok && i < content->ip_count; i++) {
        ok = push_name(names, GEN_IPADD, content->ip[i]);
    }
    ok = ok && X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
    GENERAL_NAMES_free(names);
    return ok;
}

static bool add_extensions(
    X509 *x509, const struct ph_certificate_content *content, const struct ph_certificate *ca)
{
    const struct profile *profile = &profiles[content->type];
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, ca != NULL ? ca->x509 : x509, x509, NULL, NULL, 0);
    return add_extension(x509, &ctx, NID_basic_constraints, profile->basic_constraints) &&
           add_extension(x509, &ctx, NID_key_usage, profile->key_usage) &&
           add_extension(x509, &ctx, NID_ext_key_usage, profile->extended_key_usage) &&
           add_extension(x509, &ctx, NID_subject_key_identifier, "hash") &&
           add_extension(x509, &ctx, NID_authority_key_identifier, "keyid:always") &&
           add_alternative_names(x509, content);
}

enum ph_err ph_certificate_issue(const struct ph_certificate_content *content,
    const struct ph_key *key, const struct ph_certificate *ca, const struct ph_key *ca_key,
    struct ph_certificate **out, struct ph_error *error)
{
    ph_x509_errors_begin();
    enum ph_err err = PH_OK;
    X509 *x509 = X509_new();
    if (x509 == NULL || X509_set_version(x509, X509_VERSION_3) != 1 || !set_serial(x509) ||
        !set_names(x509, content, ca) || !set_times(x509, content) ||
        X509_set_pubkey(x509, key->pkey) != 1 || !add_extensions(x509, content, ca) ||
        X509_sign(x509, ca_key->pkey, EVP_sha256()) == 0) {
        err = ph_error_set(error, PH_ERR_INTERNAL, "certificate of \"%s\": cannot be made (%s)",
            content->name, ph_x509_reason());
        goto out;
    }
    *out = ph_certificate_take(x509);
    x509 = NULL;
    if (*out == NULL) {
        err = ph_error_set(error, PH_ERR_MEMORY, "certificate: out of memory");
    }
out:
    X509_free(x509);
    ph_x509_errors_end();
    return err;
}

enum ph_err ph_certificate_print(
    const struct ph_certificate *certificate, struct ph_buf *pem, struct ph_error *error)
{
    ph_x509_errors_begin();
    enum ph_err err = PH_OK;
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio == NULL || PEM_write_bio_X509(bio, certificate->x509) != 1) {
        err = ph_error_set(error, PH_ERR_MEMORY, "certificate: out of memory");
    } else {
        err = ph_x509_bio_append(pem, bio, "certificate", error);
    }
    BIO_free(bio);
    ph_x509_errors_end();
    return err;
}

enum ph_err ph_certificate_encode(
    const struct ph_certificate *certificate, struct ph_buf *der, struct ph_error *error)
{
    ph_x509_errors_begin();
    unsigned char *bytes = NULL;
    int len = i2d_X509(certificate->x509, &bytes);
    enum ph_err err = PH_ERR_MEMORY;
    if (len > 0) {
        err = ph_buf_append(der, bytes, (size_t)len);
    }
    OPENSSL_free(bytes);
    ph_x509_errors_end();
    return err == PH_OK ? PH_OK : ph_error_set(error, err, "certificate: does not fit its buffer");
}
