#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "x509/issue.h"
#include "x509/openssl.h"

struct ph_crl {
    X509_CRL *crl;
};

/* Index: the RFC 5280 number. Removal is not offered: it belongs on delta CRLs. */
static const char *const reason_names[] = {"unspecified", "keyCompromise", "cACompromise",
    "affiliationChanged", "superseded", "cessationOfOperation", "certificateHold", NULL, NULL,
    "privilegeWithdrawn", "aACompromise"};
enum { REASON_COUNT = sizeof reason_names / sizeof reason_names[0] };

const char *ph_revocation_reason_name(int reason)
{
    return reason >= 0 && reason < REASON_COUNT ? reason_names[reason] : NULL;
}

bool ph_revocation_reason_parse(const char *name, int *reason)
{
    for (int i = 0; i < REASON_COUNT; i++) {
        if (reason_names[i] != NULL && strcmp(reason_names[i], name) == 0) {
            *reason = i;
            return true;
        }
    }
    return false;
}

const char *ph_x509_revocation_reason(int reason)
{
    const char *name = ph_revocation_reason_name(reason);
    return name != NULL ? name : reason_names[0];
}

enum ph_err ph_crl_new(struct ph_crl **out, struct ph_error *error)
{
    struct ph_crl *crl = malloc(sizeof *crl);
    X509_CRL *x509 = X509_CRL_new();
    if (crl == NULL || x509 == NULL) {
        free(crl);
        X509_CRL_free(x509);
        return ph_error_set(error, PH_ERR_MEMORY, "CRL: out of memory");
    }
    crl->crl = x509;
    *out = crl;
    return PH_OK;
}

static bool set_serial(X509_REVOKED *entry, const char *serial)
{
    BIGNUM *number = NULL;
    int digits = BN_hex2bn(&number, serial);
    ASN1_INTEGER *value =
        digits > 0 && (size_t)digits == strlen(serial) ? BN_to_ASN1_INTEGER(number, NULL) : NULL;
    bool ok = value != NULL && X509_REVOKED_set_serialNumber(entry, value) == 1;
    ASN1_INTEGER_free(value);
    BN_free(number);
    return ok;
}

static bool set_date(X509_REVOKED *entry, int64_t revoked_ms)
{
    ASN1_TIME *when = ph_x509_time_new(revoked_ms);
    bool ok = when != NULL && X509_REVOKED_set_revocationDate(entry, when) == 1;
    ASN1_TIME_free(when);
    return ok;
}

static bool set_reason(X509_REVOKED *entry, int reason)
{
    if (reason == 0) {
        return true;
    }
    ASN1_ENUMERATED *code = ASN1_ENUMERATED_new();
    bool ok = code != NULL && ASN1_ENUMERATED_set(code, reason) == 1 &&
              X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, code, 0, X509V3_ADD_DEFAULT) == 1;
    ASN1_ENUMERATED_free(code);
    return ok;
}

enum ph_err ph_crl_add(
    struct ph_crl *crl, const char *serial, int64_t revoked_ms, int reason, struct ph_error *error)
{
    ph_x509_errors_begin();
    enum ph_err err = PH_OK;
    X509_REVOKED *entry = X509_REVOKED_new();
    if (entry == NULL || !set_serial(entry, serial) || !set_date(entry, revoked_ms) ||
        !set_reason(entry, reason) || X509_CRL_add0_revoked(crl->crl, entry) != 1) {
        X509_REVOKED_free(entry);
        err =
            ph_error_set(error, PH_ERR_INPUT, "CRL: serial number \"%s\": cannot be added", serial);
    }
    ph_x509_errors_end();
    return err;
}

static bool set_times(X509_CRL *crl, int64_t this_update_ms, int64_t next_update_ms)
{
    ASN1_TIME *last = ph_x509_time_new(this_update_ms);
    ASN1_TIME *next = ph_x509_time_new(next_update_ms);
    bool ok = last != NULL && next != NULL && X509_CRL_set1_lastUpdate(crl, last) == 1 &&
              X509_CRL_set1_nextUpdate(crl, next) == 1;
    ASN1_TIME_free(last);
    ASN1_TIME_free(next);
    return ok;
}

static bool add_extensions(X509_CRL *crl, X509 *ca, int64_t number)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, ca, NULL, NULL, crl, 0);
    X509_EXTENSION *key_id =
        X509V3_EXT_nconf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
    ASN1_INTEGER *value = ASN1_INTEGER_new();
    bool ok = key_id != NULL && X509_CRL_add_ext(crl, key_id, -1) == 1 && value != NULL &&
              ASN1_INTEGER_set_int64(value, number) == 1 &&
              X509_CRL_add1_ext_i2d(crl, NID_crl_number, value, 0, X509V3_ADD_DEFAULT) == 1;
    X509_EXTENSION_free(key_id);
    ASN1_INTEGER_free(value);
    return ok;
}

enum ph_err ph_crl_sign(struct ph_crl *crl, const struct ph_certificate *ca,
    const struct ph_key *ca_key, int64_t number, int64_t this_update_ms, int64_t next_update_ms,
    struct ph_buf *pem, struct ph_error *error)
{
    ph_x509_errors_begin();
    enum ph_err err = PH_OK;
    BIO *bio = BIO_new(BIO_s_mem());
    EVP_PKEY *pkey = ph_key_open(ca_key);
    if (bio == NULL || pkey == NULL || X509_CRL_set_version(crl->crl, X509_CRL_VERSION_2) != 1 ||
        X509_CRL_set_issuer_name(crl->crl, X509_get_subject_name(ca->x509)) != 1 ||
        !set_times(crl->crl, this_update_ms, next_update_ms) ||
        !add_extensions(crl->crl, ca->x509, number) || X509_CRL_sort(crl->crl) != 1 ||
        X509_CRL_sign(crl->crl, pkey, EVP_sha256()) == 0 ||
        PEM_write_bio_X509_CRL(bio, crl->crl) != 1) {
        err = ph_error_set(error, PH_ERR_INTERNAL, "CRL: cannot be made (%s)", ph_x509_reason());
    } else {
        err = ph_x509_bio_append(pem, bio, "CRL", error);
    }
    EVP_PKEY_free(pkey);
    BIO_free(bio);
    ph_x509_errors_end();
    return err;
}

void ph_crl_free(struct ph_crl **crl)
{
    if (crl != NULL && *crl != NULL) {
        X509_CRL_free((*crl)->crl);
        free(*crl);
        *crl = NULL;
    }
}
