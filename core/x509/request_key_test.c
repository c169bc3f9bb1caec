#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include "x509/request_fixture.h"

/* [CSR-2] */
static void keys_accepted(void **state)
{
    (void)state;
    static const char *const curves[] = {"P-256", "P-384", "P-521"};
    for (size_t i = 0; i < 3; i++) {
        EVP_PKEY *key = EVP_EC_gen(curves[i]);
        accepted_text(simple(key, EVP_sha384()));
        EVP_PKEY_free(key);
    }
    EVP_PKEY *rsa = EVP_RSA_gen(2048);
    accepted_text(simple(rsa, EVP_sha256()));
    EVP_PKEY_free(rsa);
}

static void curves_refused(void **state)
{
    (void)state;
    static const struct {
        const char *curve;
        const char *message;
    } cases[] = {
        {"P-224", "key: want curve P-256, P-384 or P-521, have secp224r1"},
        {"secp256k1", "key: want curve P-256, P-384 or P-521, have secp256k1"},
        {"brainpoolP256r1", "key: want curve P-256, P-384 or P-521, have brainpoolP256r1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        EVP_PKEY *key = EVP_EC_gen(cases[i].curve);
        assert_non_null(key);
        refused_text(simple(key, EVP_sha256()), PH_ERR_DENIED, cases[i].message);
        EVP_PKEY_free(key);
    }
}

/* P-256 with its parameters written out, or with the point in another encoding. */
static EVP_PKEY *odd_p256(const char *parameter, const char *value)
{
    EVP_PKEY *key = NULL;
    char group[] = "P-256";
    char *copy = strdup(value);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_utf8_string(parameter, copy, 0),
        OSSL_PARAM_construct_end(),
    };
    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_params(ctx, parameters), 1);
    assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
    EVP_PKEY_CTX_free(ctx);
    free(copy);
    return key;
}

static void encodings_refused(void **state)
{
    (void)state;
    EVP_PKEY *key = odd_p256(OSSL_PKEY_PARAM_EC_ENCODING, "explicit");
    refused_text(simple(key, EVP_sha256()), PH_ERR_DENIED,
        "key: want a named curve, have explicit parameters");
    EVP_PKEY_free(key);
    static const char *const formats[] = {"compressed", "hybrid"};
    for (size_t i = 0; i < 2; i++) {
        key = EVP_EC_gen("P-256");
        assert_int_equal(EVP_PKEY_set_utf8_string_param(
                             key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, formats[i]),
            1);
        refused_text(simple(key, EVP_sha256()), PH_ERR_DENIED, "key: want its point uncompressed");
        EVP_PKEY_free(key);
    }
}

/* A point beside the curve has no order that protects anybody. */
static void point_refused(void **state)
{
    (void)state;
    X509_REQ *req = start(p256, "t-0001");
    unsigned char *der = NULL;
    assert_true(X509_REQ_sign(req, p256, EVP_sha256()) != 0);
    int len = i2d_X509_REQ(req, &der);
    assert_true(len > 0);
    X509_REQ_free(req);
    /* BIT STRING, 66 octets, no unused bits, then the point, which begins with a 4. */
    static const unsigned char head[] = {0x03, 0x42, 0x00, 0x04};
    unsigned char *point = memmem(der, (size_t)len, head, sizeof head);
    assert_non_null(point);
    point[sizeof head + 63] ^= 1;
    const unsigned char *at = der;
    req = d2i_X509_REQ(NULL, &at, len);
    assert_non_null(req);
    assert_true(X509_REQ_sign(req, p256, EVP_sha256()) != 0);
    ERR_clear_error();
    refused_text(
        print(req, "CERTIFICATE REQUEST"), PH_ERR_DENIED, "key: unreadable or of an unknown type");
    OPENSSL_free(der);
}

static EVP_PKEY *rsa_public(int bits, unsigned long exponent)
{
    EVP_PKEY *key = NULL;
    unsigned char n[2048];
    unsigned char e[8];
    BIGNUM *number = BN_new();
    BIGNUM *small = BN_new();
    assert_int_equal(BN_rand(number, bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD), 1);
    assert_int_equal(BN_set_word(small, exponent), 1);
    assert_true(BN_bn2nativepad(number, n, bits / 8) > 0);
    assert_true(BN_bn2nativepad(small, e, sizeof e) > 0);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n, (size_t)bits / 8),
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, e, sizeof e),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, parameters), 1);
    EVP_PKEY_CTX_free(ctx);
    BN_free(number);
    BN_free(small);
    return key;
}

/* A request for a key that nobody here can sign with: another signs. */
static char *claimed(EVP_PKEY *key)
{
    return finish(start(key, "t-0001"), p256, EVP_sha256());
}

static double milliseconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* [CSR-2]: a key is judged before anything is computed with it. */
static void rsa_refused(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_RSA_gen(1024);
    refused_text(
        simple(key, EVP_sha256()), PH_ERR_DENIED, "key: want RSA of 2048 to 8192 bits, have 1024");
    EVP_PKEY_free(key);
    key = rsa_public(16384, 65537);
    char *pem = claimed(key);
    double before = milliseconds();
    refused_text(pem, PH_ERR_DENIED, "key: want RSA of 2048 to 8192 bits, have 16384");
    assert_true(milliseconds() - before < 50);
    EVP_PKEY_free(key);
    static const unsigned long exponents[] = {1, 3, 65538};
    for (size_t i = 0; i < 3; i++) {
        key = rsa_public(2048, exponents[i]);
        refused_text(claimed(key), PH_ERR_DENIED,
            "key: want an odd public exponent of at least 65537 and at most 64 bits");
        EVP_PKEY_free(key);
    }
}

static void types_refused(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    refused_text(simple(key, NULL), PH_ERR_DENIED, "key: want EC (P-256, P-384, P-521) or RSA");
    EVP_PKEY_free(key);
}

/* [CSR-3]: proof of possession. */
static void possession(void **state)
{
    (void)state;
    EVP_PKEY *other = EVP_EC_gen("P-256");
    refused_text(finish(start(p256, "t-0001"), other, EVP_sha256()), PH_ERR_DENIED,
        "signature: not made with its key, or altered: no proof of possession");
    EVP_PKEY_free(other);
    X509_REQ *req = start(p256, "t-0001");
    assert_true(X509_REQ_sign(req, p256, EVP_sha256()) != 0);
    X509_NAME *name = X509_NAME_dup(X509_REQ_get_subject_name(req));
    assert_int_equal(X509_NAME_add_entry_by_txt(
                         name, "O", MBSTRING_UTF8, (const unsigned char *)"rival", -1, -1, 0),
        1);
    assert_int_equal(X509_REQ_set_subject_name(req, name), 1);
    X509_NAME_free(name);
    refused_text(
        print(req, "CERTIFICATE REQUEST"), PH_ERR_DENIED, "altered: no proof of possession");
}

/* [CSR-4] */
static void digests_refused(void **state)
{
    (void)state;
    refused_text(simple(p256, EVP_sha1()), PH_ERR_DENIED,
        "signature: want SHA-256, SHA-384 or SHA-512, have SHA1");
    refused_text(simple(p256, EVP_sha224()), PH_ERR_DENIED, "have SHA224");
    EVP_PKEY *rsa = EVP_RSA_gen(2048);
    refused_text(simple(rsa, EVP_md5()), PH_ERR_DENIED, "have MD5");
    EVP_PKEY_free(rsa);
}

static void version_refused(void **state)
{
    (void)state;
    X509_REQ *req = start(p256, "t-0001");
    unsigned char *der = NULL;
    assert_true(X509_REQ_sign(req, p256, EVP_sha256()) != 0);
    int len = i2d_X509_REQ(req, &der);
    X509_REQ_free(req);
    for (int i = 2; i < 12; i++) {
        if (der[i] == 0x02 && der[i + 1] == 0x01 && der[i + 2] == 0x00) {
            der[i + 2] = 1;
            break;
        }
    }
    const unsigned char *at = der;
    req = d2i_X509_REQ(NULL, &at, len);
    ERR_clear_error();
    assert_non_null(req);
    refused_text(print(req, "CERTIFICATE REQUEST"), PH_ERR_DENIED, "version: want 1, have 2");
    OPENSSL_free(der);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_accepted),
        cmocka_unit_test(curves_refused),
        cmocka_unit_test(encodings_refused),
        cmocka_unit_test(point_refused),
        cmocka_unit_test(rsa_refused),
        cmocka_unit_test(types_refused),
        cmocka_unit_test(possession),
        cmocka_unit_test(digests_refused),
        cmocka_unit_test(version_refused),
    };
    return cmocka_run_group_tests_name("request_key", tests, set_up, tear_down);
}
