#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"
#include "x509/openssl.h"

/* True when the PEM reader stopped because no further block follows. */
static bool at_end(void)
{
    unsigned long code = ERR_peek_last_error();
    return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

static enum ph_err broken(const char *path, const char *what, int good, struct ph_error *error)
{
    return good == 0 && at_end()
               ? ph_error_set(error, PH_ERR_INPUT, "%s: no PEM %s in it", path, what)
               : ph_error_set(error, PH_ERR_INPUT, "%s: %s %d is not readable (%s)", path, what,
                     good + 1, ph_x509_reason());
}

static enum ph_err open_pem(
    const char *path, size_t max, struct ph_buf *pem, BIO **out, struct ph_error *error)
{
    ph_buf_init(pem, max);
    enum ph_err err = ph_file_load(path, pem, error);
    if (err != PH_OK) {
        return err;
    }
    *out = BIO_new_mem_buf(pem->data != NULL ? pem->data : "", (int)pem->len);
    return *out != NULL ? PH_OK : ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
}

static enum ph_err read_certificates(
    BIO *bio, const char *what, STACK_OF(X509) * out, struct ph_error *error)
{
    int good = 0;
    enum ph_err err = PH_OK;
    while (err == PH_OK) {
        X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (x509 == NULL) {
            return good > 0 && at_end() ? PH_OK : broken(what, "certificate", good, error);
        }
        if (sk_X509_push(out, x509) <= 0) {
            X509_free(x509);
            err = ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", what);
        }
        good++;
    }
    return err;
}

enum ph_err ph_x509_certificates_parse(
    const char *pem, const char *what, STACK_OF(X509) * out, struct ph_error *error)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    enum ph_err err = bio != NULL ? read_certificates(bio, what, out, error)
                                  : ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", what);
    BIO_free(bio);
    return err;
}

enum ph_err ph_x509_certificates_load(
    const char *path, STACK_OF(X509) * out, struct ph_error *error)
{
    struct ph_buf pem;
    BIO *bio = NULL;
    enum ph_err err = open_pem(path, PH_LIMIT_BUNDLE_BYTES, &pem, &bio, error);
    if (err == PH_OK) {
        err = read_certificates(bio, path, out, error);
    }
    BIO_free(bio);
    ph_buf_fini(&pem);
    return err;
}

enum ph_err ph_certificates_each(
    const char *path, ph_certificate_visit *visit, void *context, struct ph_error *error)
{
    STACK_OF(X509) *all = sk_X509_new_null();
    if (all == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
    }
    ph_x509_errors_begin();
    enum ph_err err = ph_x509_certificates_load(path, all, error);
    ph_x509_errors_end();
    while (err == PH_OK && visit != NULL && sk_X509_num(all) > 0) {
        struct ph_certificate *certificate = ph_certificate_take(sk_X509_shift(all));
        err = certificate != NULL ? visit(certificate, context, error)
                                  : ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
        ph_certificate_free(&certificate);
    }
    sk_X509_pop_free(all, X509_free);
    return err;
}

enum ph_err ph_certificate_check_files(
    const char *ca_file, const char *certificate_file, const char *key_file, struct ph_error *error)
{
    struct ph_certificate *certificate = NULL;
    enum ph_err err = ph_certificates_each(ca_file, NULL, NULL, error);
    if (err == PH_OK) {
        err = ph_certificate_load(certificate_file, &certificate, error);
    }
    if (err == PH_OK) {
        err = ph_certificate_check_key(certificate, key_file, error);
    }
    ph_certificate_free(&certificate);
    return err;
}

enum ph_err ph_x509_crls_load(const char *path, STACK_OF(X509_CRL) * out, struct ph_error *error)
{
    struct ph_buf pem;
    BIO *bio = NULL;
    int good = 0;
    enum ph_err err = open_pem(path, PH_LIMIT_CRL_BYTES, &pem, &bio, error);
    while (err == PH_OK) {
        X509_CRL *crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
        if (crl == NULL) {
            err = good > 0 && at_end() ? PH_OK : broken(path, "CRL", good, error);
            break;
        }
        if (sk_X509_CRL_push(out, crl) <= 0) {
            X509_CRL_free(crl);
            err = ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
        }
        good++;
    }
    BIO_free(bio);
    ph_buf_fini(&pem);
    return err;
}
