/* Certificate requests as others make them, and what must come of each. For tests. */
#ifndef PH_X509_REQUEST_FIXTURE_H
#define PH_X509_REQUEST_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "x509/request.h"

static EVP_PKEY *p256; /* a good key */

static inline int set_up(void **state)
{
    (void)state;
    p256 = EVP_EC_gen("P-256");
    return p256 != NULL ? 0 : -1;
}

static inline int tear_down(void **state)
{
    (void)state;
    EVP_PKEY_free(p256);
    return 0;
}

/* ---- requests as others make them ---- */

static inline X509_REQ *start(EVP_PKEY *key, const char *cn)
{
    X509_REQ *req = X509_REQ_new();
    assert_non_null(req);
    assert_int_equal(X509_REQ_set_version(req, X509_REQ_VERSION_1), 1);
    assert_int_equal(X509_REQ_set_pubkey(req, key), 1);
    assert_int_equal(X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN", MBSTRING_UTF8,
                         (const unsigned char *)cn, -1, -1, 0),
        1);
    return req;
}

static inline char *print(X509_REQ *req, const char *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    unsigned char *der = NULL;
    int der_len = i2d_X509_REQ(req, &der);
    assert_true(der_len > 0);
    assert_true(PEM_write_bio(bio, name, "", der, der_len) > 0);
    long len = BIO_get_mem_data(bio, &bytes);
    char *text = strndup(bytes, (size_t)len);
    assert_non_null(text);
    OPENSSL_free(der);
    BIO_free(bio);
    X509_REQ_free(req);
    return text;
}

static inline char *finish(X509_REQ *req, EVP_PKEY *key, const EVP_MD *digest)
{
    assert_true(X509_REQ_sign(req, key, digest) != 0);
    return print(req, "CERTIFICATE REQUEST");
}

static inline char *simple(EVP_PKEY *key, const EVP_MD *digest)
{
    return finish(start(key, "t-0001"), key, digest);
}

/* ---- what must happen ---- */

static inline enum ph_err parse(const char *pem, size_t len, struct ph_error *error)
{
    struct ph_request *request = NULL;
    enum ph_err err = ph_request_parse(pem, len, &request, error);
    assert_int_equal(err == PH_OK, request != NULL);
    assert_int_equal(ERR_peek_error(), 0);
    ph_request_free(&request);
    assert_null(request);
    return err;
}

static inline void refused(const char *pem, size_t len, enum ph_err want, const char *message)
{
    struct ph_error error = {0};
    assert_int_equal(parse(pem, len, &error), want);
    if (strstr(error.message, message) == NULL) {
        fail_msg("want \"%s\", have \"%s\"", message, error.message);
    }
    assert_int_equal(strncmp(error.message, "certificate request: ", 21), 0);
}

static inline void refused_text(char *pem, enum ph_err want, const char *message)
{
    refused(pem, strlen(pem), want, message);
    free(pem);
}

static inline void accepted_text(char *pem)
{
    struct ph_error error = {0};
    if (parse(pem, strlen(pem), &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    free(pem);
}

#endif
