#include <openssl/bio.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "x509/issue.h"
#include "x509/openssl.h"

static enum ph_err take(EVP_PKEY *pkey, struct ph_key **out, struct ph_error *error)
{
    struct ph_key *key = malloc(sizeof *key);
    if (key == NULL) {
        EVP_PKEY_free(pkey);
        return ph_error_set(error, PH_ERR_MEMORY, "key: out of memory");
    }
    key->pkey = pkey;
    *out = key;
    return PH_OK;
}

enum ph_err ph_key_new(struct ph_key **out, struct ph_error *error)
{
    ph_x509_errors_begin();
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    enum ph_err err = pkey != NULL ? take(pkey, out, error)
                                   : ph_error_set(error, PH_ERR_INTERNAL,
                                         "key: cannot be generated (%s)", ph_x509_reason());
    ph_x509_errors_end();
    return err;
}

enum ph_err ph_key_load(const char *path, struct ph_key **out, struct ph_error *error)
{
    EVP_PKEY *pkey = NULL;
    ph_x509_errors_begin();
    enum ph_err err = ph_x509_key_load(path, &pkey, error);
    ph_x509_errors_end();
    return err == PH_OK ? take(pkey, out, error) : err;
}

enum ph_err ph_key_print(const struct ph_key *key, struct ph_buf *pem, struct ph_error *error)
{
    ph_x509_errors_begin();
    enum ph_err err = PH_OK;
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio == NULL ||
        PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) != 1) {
        err = ph_error_set(
            error, PH_ERR_INTERNAL, "key: cannot be written as PEM (%s)", ph_x509_reason());
    } else {
        err = ph_x509_bio_append(pem, bio, "key", error);
    }
    BIO_free(bio);
    ph_x509_errors_end();
    return err;
}

void ph_key_free(struct ph_key **key)
{
    if (key != NULL && *key != NULL) {
        EVP_PKEY_free((*key)->pkey);
        free(*key);
        *key = NULL;
    }
}
