#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/file.h"
#include "x509/issue.h"
#include "x509/openssl.h"

enum { PEM_BYTES = 16384 };
static char path[] = "/tmp/ph-key-test-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return close(mkstemp(path));
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static struct ph_key *new_key(void)
{
    struct ph_error error = {0};
    struct ph_key *key = NULL;
    assert_int_equal(ph_key_new(&key, &error), PH_OK);
    return key;
}

static void store(const struct ph_buf *pem)
{
    assert_int_equal(ph_file_store(path, 0600, pem->data, pem->len, NULL), PH_OK);
}

/* A key that was made here is the one that OpenSSL reads, and is written as OpenSSL writes it. */
static void made(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct ph_error error = {0};
        struct ph_key *key = new_key();
        struct ph_key *loaded = NULL;
        struct ph_buf pem;
        struct ph_buf again;
        char hash[2][PH_FINGERPRINT_BYTES];
        ph_buf_init(&pem, PEM_BYTES);
        ph_buf_init(&again, PEM_BYTES);
        assert_int_equal(ph_key_print(key, &pem, &error), PH_OK);
        store(&pem);
        assert_int_equal(ph_key_load(path, &loaded, &error), PH_OK);
        assert_int_equal(ph_key_print(loaded, &again, &error), PH_OK);
        assert_string_equal(pem.data, again.data);
        assert_int_equal(ph_key_hash(key, hash[0], &error), PH_OK);
        assert_int_equal(ph_key_hash(loaded, hash[1], &error), PH_OK);
        assert_string_equal(hash[0], hash[1]);
        EVP_PKEY *a = ph_key_open(key);
        EVP_PKEY *b = ph_key_open(loaded);
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(a, NULL);
        assert_int_equal(EVP_PKEY_eq(a, b), 1);
        assert_int_equal(EVP_PKEY_check(ctx), 1);
        EVP_PKEY_CTX_free(ctx);
        EVP_PKEY_free(a);
        EVP_PKEY_free(b);
        ph_key_free(&key);
        ph_key_free(&loaded);
        ph_buf_fini(&pem);
        ph_buf_fini(&again);
        assert_int_equal(ERR_peek_error(), 0);
    }
}

static enum ph_err load(const char *passphrase, struct ph_error *error)
{
    struct ph_key *key = NULL;
    enum ph_err err = ph_key_load_encrypted(path, passphrase, &key, error);
    assert_int_equal(err == PH_OK, key != NULL);
    assert_int_equal(ERR_peek_error(), 0);
    ph_key_free(&key);
    return err;
}

static void refused(const char *passphrase, enum ph_err want, const char *message)
{
    struct ph_error error = {0};
    assert_int_equal(load(passphrase, &error), want);
    assert_non_null(strstr(error.message, message));
    assert_int_equal(strncmp(error.message, path, strlen(path)), 0);
}

/* [CERT-32] */
static void encrypted(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_key *key = new_key();
    struct ph_key *other = NULL;
    struct ph_buf pem;
    ph_buf_init(&pem, PEM_BYTES);
    assert_int_equal(ph_key_print_encrypted(key, "correct horse", &pem, &error), PH_OK);
    assert_int_equal(strncmp(pem.data, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n", 38), 0);
    store(&pem);
    assert_int_equal(load("correct horse", &error), PH_OK);
    refused("correct hors", PH_ERR_DENIED, "cannot be decrypted: the passphrase is wrong");
    refused("", PH_ERR_DENIED, "cannot be decrypted: the passphrase is wrong");
    refused(NULL, PH_ERR_NOT_FOUND, "the private key is encrypted: give its passphrase");
    assert_int_equal(ph_key_load(path, &other, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "want an unencrypted block BEGIN PRIVATE KEY"));
    ph_key_free(&key);
    ph_buf_fini(&pem);
}

/* The parameters are in the file: many rounds, SHA-256, AES-256, and never the same salt. */
static void parameters(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_key *key = new_key();
    struct ph_buf pem[2];
    for (int i = 0; i < 2; i++) {
        ph_buf_init(&pem[i], PEM_BYTES);
        assert_int_equal(ph_key_print_encrypted(key, "secret", &pem[i], &error), PH_OK);
    }
    assert_string_not_equal(pem[0].data, pem[1].data);
    BIO *bio = BIO_new_mem_buf(pem[0].data, -1);
    X509_SIG *sealed = PEM_read_bio_PKCS8(bio, NULL, NULL, NULL);
    assert_non_null(sealed);
    const X509_ALGOR *scheme = NULL;
    X509_SIG_get0(sealed, &scheme, NULL);
    assert_int_equal(OBJ_obj2nid(scheme->algorithm), NID_pbes2);
    PBE2PARAM *pbe = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), scheme->parameter);
    assert_int_equal(OBJ_obj2nid(pbe->encryption->algorithm), NID_aes_256_cbc);
    PBKDF2PARAM *kdf =
        ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), pbe->keyfunc->parameter);
    assert_int_equal(ASN1_INTEGER_get(kdf->iter), 600000);
    assert_int_equal(OBJ_obj2nid(kdf->prf->algorithm), NID_hmacWithSHA256);
    PBKDF2PARAM_free(kdf);
    PBE2PARAM_free(pbe);
    X509_SIG_free(sealed);
    BIO_free(bio);
    ph_buf_fini(&pem[0]);
    ph_buf_fini(&pem[1]);
    ph_key_free(&key);
}

/* A passphrase that nobody needs does no harm; keys of other tools are read too. */
static void others(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_key *key = new_key();
    struct ph_buf pem;
    ph_buf_init(&pem, PEM_BYTES);
    assert_int_equal(ph_key_print(key, &pem, &error), PH_OK);
    store(&pem);
    assert_int_equal(load("secret", &error), PH_OK);
    assert_int_equal(load(NULL, &error), PH_OK);
    ph_key_free(&key);
    ph_buf_fini(&pem);
    EVP_PKEY *rsa = EVP_RSA_gen(2048);
    BIO *file = BIO_new_file(path, "w");
    assert_int_equal(PEM_write_bio_PrivateKey_traditional(file, rsa, EVP_aes_128_cbc(),
                         (const unsigned char *)"secret", 6, NULL, NULL),
        1);
    assert_int_equal(BIO_free(file), 1);
    EVP_PKEY_free(rsa);
    assert_int_equal(load("secret", &error), PH_OK);
    refused("wrong", PH_ERR_DENIED, "cannot be decrypted: the passphrase is wrong");
}

static void broken(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_buf pem;
    ph_buf_init(&pem, PEM_BYTES);
    assert_int_equal(ph_buf_append_text(&pem, "garbage\n"), PH_OK);
    store(&pem);
    refused("secret", PH_ERR_INPUT, "no PEM private key");
    assert_int_equal(chmod(path, 0640), 0);
    refused("secret", PH_ERR_PERMISSION, "closed to group and others");
    assert_int_equal(
        ph_key_load_encrypted("/nowhere/ca.key", "secret", NULL, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "/nowhere/ca.key"));
    ph_buf_fini(&pem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made),
        cmocka_unit_test(encrypted),
        cmocka_unit_test(parameters),
        cmocka_unit_test(others),
        cmocka_unit_test(broken),
    };
    return cmocka_run_group_tests_name("key", tests, set_up, tear_down);
}
