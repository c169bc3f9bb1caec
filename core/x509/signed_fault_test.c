#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/cms.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "x509/openssl.h"
#include "x509/signed_fixture.h"

/* ---- bad ones ---- */

static char *wrap(const unsigned char *der, long len)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    assert_true(PEM_write_bio(bio, "CMS", "", der, len) > 0);
    long text_len = BIO_get_mem_data(bio, &bytes);
    char *text = strndup(bytes, (size_t)text_len);
    BIO_free(bio);
    return text;
}

static char *print(CMS_ContentInfo *cms)
{
    unsigned char *der = NULL;
    assert_non_null(cms);
    int len = i2d_CMS_ContentInfo(cms, &der);
    assert_true(len > 0);
    char *text = wrap(der, len);
    OPENSSL_free(der);
    CMS_ContentInfo_free(cms);
    ERR_clear_error();
    return text;
}

static void refused(const char *pem, size_t len, enum ph_err want, const char *message)
{
    struct ph_error error = {0};
    struct ph_signed *statement = NULL;
    assert_int_equal(ph_signed_parse(pem, len, &statement, &error), want);
    assert_null(statement);
    has(&error, message);
}

static void refused_text(char *pem, enum ph_err want, const char *message)
{
    refused(pem, strlen(pem), want, message);
    free(pem);
}

/* As `openssl cms -sign` does it, of "text". */
static CMS_ContentInfo *seal_with(X509 *signer, EVP_PKEY *key, const EVP_MD *digest, unsigned flags)
{
    BIO *text = BIO_new_mem_buf("text", -1);
    CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, text, flags | CMS_PARTIAL | CMS_BINARY);
    assert_non_null(cms);
    assert_non_null(CMS_add1_signer(cms, signer, key, digest, flags | CMS_PARTIAL | CMS_BINARY));
    assert_int_equal(CMS_final(cms, text, NULL, flags | CMS_BINARY), 1);
    BIO_free(text);
    return cms;
}

static CMS_ContentInfo *seal(const EVP_MD *digest, unsigned flags)
{
    EVP_PKEY *key = ph_key_open(keys[REGISTRAR]);
    CMS_ContentInfo *cms = seal_with(certificates[REGISTRAR]->x509, key, digest, flags);
    EVP_PKEY_free(key);
    return cms;
}

/* The control of what follows: made in the same way, without the fault. */
static void foreign(void **state)
{
    (void)state;
    struct ph_signed *statement = read_back(print(seal(EVP_sha256(), 0)));
    ph_signed_free(&statement);
    statement = read_back(print(seal(EVP_sha512(), CMS_USE_KEYID)));
    ph_signed_free(&statement);
}

/* [SIGN-2] */
static void faults(void **state)
{
    (void)state;
    refused_text(
        print(seal(EVP_sha256(), CMS_DETACHED)), PH_ERR_DENIED, "content: want it enclosed");
    refused_text(print(seal(EVP_sha256(), CMS_NOCERTS)), PH_ERR_DENIED,
        "the signer's certificate is not enclosed");
    refused_text(print(seal(EVP_sha1(), 0)), PH_ERR_DENIED,
        "signature: want SHA-256, SHA-384 or SHA-512, have SHA1");
    refused_text(print(seal(EVP_sha256(), CMS_NOATTR)), PH_ERR_DENIED, "want signed attributes");
}

static CMS_ContentInfo *partial(void)
{
    BIO *text = BIO_new_mem_buf("text", -1);
    CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, text, CMS_PARTIAL | CMS_BINARY);
    BIO_free(text);
    return cms;
}

static void add_signer(CMS_ContentInfo *cms, enum who who)
{
    EVP_PKEY *key = ph_key_open(keys[who]);
    assert_non_null(
        CMS_add1_signer(cms, certificates[who]->x509, key, EVP_sha256(), CMS_PARTIAL | CMS_BINARY));
    EVP_PKEY_free(key);
}

static char *finish(CMS_ContentInfo *cms)
{
    BIO *text = BIO_new_mem_buf("text", -1);
    assert_int_equal(CMS_final(cms, text, NULL, CMS_BINARY), 1);
    BIO_free(text);
    return print(cms);
}

/* [SIGN-2] */
static void signers(void **state)
{
    (void)state;
    CMS_ContentInfo *cms = partial();
    add_signer(cms, REGISTRAR);
    add_signer(cms, BROKER);
    refused_text(finish(cms), PH_ERR_DENIED, "want one signer, have 2");
    refused_text(print(partial()), PH_ERR_DENIED, "want one signer, have 0");
}

/* [SIGN-2] */
static void types(void **state)
{
    (void)state;
    CMS_ContentInfo *cms = partial();
    assert_int_equal(CMS_set1_eContentType(cms, OBJ_nid2obj(NID_pkcs7_signed)), 1);
    add_signer(cms, REGISTRAR);
    refused_text(finish(cms), PH_ERR_DENIED, "content: want data, have another type");
    BIO *text = BIO_new_mem_buf("text", -1);
    refused_text(
        print(CMS_data_create(text, CMS_BINARY)), PH_ERR_INPUT, "want CMS of the type SignedData");
    BIO_free(text);
    text = BIO_new_mem_buf("text", -1);
    refused_text(print(CMS_digest_create(text, EVP_sha256(), CMS_BINARY)), PH_ERR_INPUT,
        "want CMS of the type SignedData");
    BIO_free(text);
}

/* [SIGN-2]: each byte of content or signature counts. */
static void altered(void **state)
{
    (void)state;
    unsigned char *der = NULL;
    CMS_ContentInfo *cms = seal(EVP_sha256(), 0);
    int len = i2d_CMS_ContentInfo(cms, &der);
    CMS_ContentInfo_free(cms);
    unsigned char *text = memmem(der, (size_t)len, "text", 4);
    assert_non_null(text);
    text[0] ^= 0x20;
    refused_text(wrap(der, len), PH_ERR_DENIED,
        "signature: not made with the signer's key, or the content was altered");
    text[0] ^= 0x20;
    der[len - 1] ^= 1;
    refused_text(wrap(der, len), PH_ERR_DENIED, "signature: not made with the signer's key");
    der[len - 1] ^= 1;
    struct ph_signed *statement = read_back(wrap(der, len));
    ph_signed_free(&statement);
    OPENSSL_free(der);
}

/* A certificate of another key under the signer's name and number. */
static X509 *forge(EVP_PKEY *key)
{
    X509 *x509 = X509_dup(certificates[REGISTRAR]->x509);
    assert_non_null(x509);
    assert_int_equal(X509_set_pubkey(x509, key), 1);
    assert_true(X509_sign(x509, key, EVP_sha256()) != 0);
    return x509;
}

/* [SIGN-2]: the key is judged before anything is computed with it. */
static void weak_keys(void **state)
{
    (void)state;
    const struct {
        EVP_PKEY *key;
        const char *message;
    } cases[] = {
        {EVP_RSA_gen(1024), "signer: key: want RSA of 2048 to 8192 bits, have 1024"},
        {EVP_EC_gen("P-224"), "signer: key: want curve P-256, P-384 or P-521, have secp224r1"},
        {EVP_EC_gen("secp256k1"), "signer: key: want curve P-256, P-384 or P-521, have secp256k1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        X509 *x509 = forge(cases[i].key);
        refused_text(
            print(seal_with(x509, cases[i].key, EVP_sha256(), 0)), PH_ERR_DENIED, cases[i].message);
        X509_free(x509);
        EVP_PKEY_free(cases[i].key);
    }
    EVP_PKEY *rsa = EVP_RSA_gen(2048);
    X509 *x509 = forge(rsa);
    struct ph_signed *statement = read_back(print(seal_with(x509, rsa, EVP_sha256(), 0)));
    ph_signed_free(&statement);
    X509_free(x509);
    EVP_PKEY_free(rsa);
}

/* The forged certificate verifies its own signature, and nothing more. */
static void forged(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = forge(key);
    CMS_ContentInfo *cms = seal_with(x509, key, EVP_sha256(), 0);
    assert_int_equal(CMS_add1_cert(cms, certificates[SERVICES]->x509), 1);
    chain(print(cms), roots(ROOT, ROOT), now_ms, "not signed by the CA it names");
    X509_free(x509);
    EVP_PKEY_free(key);
}

/* [SIGN-1] */
static void form(void **state)
{
    (void)state;
    char *good = sign("text", REGISTRAR, NULL);
    char *twice = NULL;
    unsigned char bytes[600];
    assert_true(asprintf(&twice, "%s%s", good, good) > 0);
    refused_text(twice, PH_ERR_INPUT, "PEM: bytes behind the block CMS");
    refused(good, strlen(good) + 1, PH_ERR_INPUT, "PEM: bytes behind the block CMS");
    refused(good, strlen(good) / 2, PH_ERR_INPUT, "PEM: ");
    refused_text(strdup(pems[ROOT]), PH_ERR_INPUT, "PEM: want nothing but one block BEGIN CMS");
    free(good);
    memset(bytes, 0xA5, sizeof bytes);
    refused_text(wrap(bytes, sizeof bytes), PH_ERR_INPUT, "not DER of a CMS message");
}

static void trailing(void **state)
{
    (void)state;
    unsigned char *der = NULL;
    unsigned char bytes[4096] = {0};
    CMS_ContentInfo *cms = seal(EVP_sha256(), 0);
    int len = i2d_CMS_ContentInfo(cms, &der);
    CMS_ContentInfo_free(cms);
    assert_in_range(len, 100, sizeof bytes - 1);
    memcpy(bytes, der, (size_t)len);
    refused_text(wrap(bytes, len + 1), PH_ERR_INPUT, "1 bytes after its end");
    refused_text(wrap(bytes, len - 1), PH_ERR_INPUT, "not DER of a CMS message");
    OPENSSL_free(der);
}

static void too_large(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_buf pem;
    char *bytes = malloc(1 << 20);
    assert_non_null(bytes);
    memset(bytes, 'A', 1 << 20);
    refused(bytes, 1 << 20, PH_ERR_INPUT, "want at most 49152 bytes, have 1048576");
    ph_buf_init(&pem, 1 << 21);
    assert_int_equal(ph_signed_make(bytes, 1 << 20, certificates[REGISTRAR], keys[REGISTRAR], NULL,
                         &pem, &error),
        PH_ERR_LIMIT);
    has(&error, "want at most 49152 bytes of text, have 1048576");
    ph_buf_fini(&pem);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(foreign),
        cmocka_unit_test(faults),
        cmocka_unit_test(signers),
        cmocka_unit_test(types),
        cmocka_unit_test(altered),
        cmocka_unit_test(weak_keys),
        cmocka_unit_test(forged),
        cmocka_unit_test(form),
        cmocka_unit_test(trailing),
        cmocka_unit_test(too_large),
    };
    return cmocka_run_group_tests_name("signed_fault", tests, set_up, tear_down);
}
