#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "x509/digest.h"
#include "x509/issue.h"
#include "x509/openssl.h"
#include "x509/pem.h"

enum {
    KEY_BYTES_MAX = 16384, /* DER of any key that is handled here */
    SCALAR_BYTES = 32,     /* of P-256 */
    POINT_BYTES = 65,
    PBKDF2_ROUNDS = 600000, /* a fifth of a second for each guess */
    SALT_BYTES = 16,
};

static enum ph_err out_of_memory(struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_MEMORY, "key: out of memory");
}

static struct ph_key *make(void)
{
    struct ph_key *key = calloc(1, sizeof *key);
    if (key != NULL) {
        ph_buf_init(&key->pkcs8, KEY_BYTES_MAX);
        ph_buf_init(&key->spki, KEY_BYTES_MAX);
    }
    return key;
}

void ph_key_free(struct ph_key **key)
{
    if (key != NULL && *key != NULL) {
        EVP_PKEY_free((*key)->pkey);
        ph_buf_fini(&(*key)->pkcs8);
        ph_buf_fini(&(*key)->spki);
        free(*key);
        *key = NULL;
    }
}

/* ---- a new one ---- */

/* RFC 5958 with RFC 5915: everything of a P-256 key but scalar and point. */
static const unsigned char pkcs8_head[] = {0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06,
    0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03,
    0x01, 0x07, 0x04, 0x6D, 0x30, 0x6B, 0x02, 0x01, 0x01, 0x04, SCALAR_BYTES};
static const unsigned char pkcs8_middle[] = {0xA1, 0x44, 0x03, 0x42, 0x00};

/* RFC 5480: all but the point. */
static const unsigned char spki_head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48,
    0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42,
    0x00};

/* Made once, read by all threads, never freed. */
static EC_GROUP *p256;
static pthread_once_t p256_once = PTHREAD_ONCE_INIT;

static void make_p256(void)
{
    p256 = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
}

/* As EVP_PKEY_generate() does it, which then takes half as long again to hand out the two numbers.
 */
static bool generate(unsigned char scalar[SCALAR_BYTES], unsigned char point[POINT_BYTES])
{
    (void)pthread_once(&p256_once, make_p256);
    BN_CTX *ctx = BN_CTX_secure_new();
    BIGNUM *number = BN_secure_new();
    EC_POINT *product = p256 != NULL ? EC_POINT_new(p256) : NULL;
    bool ok = ctx != NULL && number != NULL && product != NULL;
    do {
        ok = ok && BN_priv_rand_range(number, EC_GROUP_get0_order(p256)) == 1;
    } while (ok && BN_is_zero(number));
    if (ok) {
        BN_set_flags(number, BN_FLG_CONSTTIME);
        ok = EC_POINT_mul(p256, product, number, NULL, NULL, ctx) == 1 &&
             BN_bn2binpad(number, scalar, SCALAR_BYTES) == SCALAR_BYTES &&
             EC_POINT_point2oct(p256, product, POINT_CONVERSION_UNCOMPRESSED, point, POINT_BYTES,
                 ctx) == POINT_BYTES;
    }
    EC_POINT_clear_free(product);
    BN_clear_free(number);
    BN_CTX_free(ctx);
    return ok;
}

static bool assemble(struct ph_key *key, const unsigned char *scalar, const unsigned char *point)
{
    key->spki_point_at = sizeof spki_head;
    return ph_buf_append(&key->pkcs8, pkcs8_head, sizeof pkcs8_head) == PH_OK &&
           ph_buf_append(&key->pkcs8, scalar, SCALAR_BYTES) == PH_OK &&
           ph_buf_append(&key->pkcs8, pkcs8_middle, sizeof pkcs8_middle) == PH_OK &&
           ph_buf_append(&key->pkcs8, point, POINT_BYTES) == PH_OK &&
           ph_buf_append(&key->spki, spki_head, sizeof spki_head) == PH_OK &&
           ph_buf_append(&key->spki, point, POINT_BYTES) == PH_OK;
}

enum ph_err ph_key_new(struct ph_key **out, struct ph_error *error)
{
    ph_x509_errors_begin();
    enum ph_err err = PH_OK;
    unsigned char scalar[SCALAR_BYTES];
    unsigned char point[POINT_BYTES];
    struct ph_key *key = make();
    if (!generate(scalar, point)) {
        err =
            ph_error_set(error, PH_ERR_INTERNAL, "key: cannot be generated (%s)", ph_x509_reason());
    } else if (key == NULL || !assemble(key, scalar, point)) {
        err = out_of_memory(error);
    } else {
        *out = key;
        key = NULL;
    }
    explicit_bzero(scalar, sizeof scalar);
    ph_key_free(&key);
    ph_x509_errors_end();
    return err;
}

/* ---- one that OpenSSL has ---- */

static enum ph_err set_spki(struct ph_key *key, const X509_PUBKEY *spki, struct ph_error *error)
{
    unsigned char *der = NULL;
    const unsigned char *point = NULL;
    int point_len = 0;
    X509_PUBKEY *fresh = NULL;
    enum ph_err err = PH_ERR_INTERNAL;
    if (spki == NULL && X509_PUBKEY_set(&fresh, key->pkey) != 1) {
        goto out;
    }
    int len = i2d_X509_PUBKEY(spki != NULL ? spki : fresh, &der);
    if (len <= 0 ||
        X509_PUBKEY_get0_param(NULL, &point, &point_len, NULL, spki != NULL ? spki : fresh) != 1) {
        goto out;
    }
    /* The point is the end of the element. */
    key->spki_point_at = (size_t)len - (size_t)point_len;
    err = ph_buf_append(&key->spki, der, (size_t)len);
out:
    OPENSSL_free(der);
    X509_PUBKEY_free(fresh);
    return err == PH_OK ? PH_OK
                        : ph_error_set(error, err, "key: its public half cannot be encoded (%s)",
                              ph_x509_reason());
}

enum ph_err ph_key_take(
    EVP_PKEY *pkey, const X509_PUBKEY *spki, struct ph_key **out, struct ph_error *error)
{
    struct ph_key *key = make();
    if (key == NULL) {
        EVP_PKEY_free(pkey);
        return out_of_memory(error);
    }
    key->pkey = pkey;
    enum ph_err err = set_spki(key, spki, error);
    if (err == PH_OK) {
        *out = key;
        key = NULL;
    }
    ph_key_free(&key);
    return err;
}

/* From the numbers: twenty times faster than by a decoder of OpenSSL. */
static EVP_PKEY *from_numbers(const unsigned char *scalar, unsigned char *point)
{
    char group[] = SN_X9_62_prime256v1;
    unsigned char native[SCALAR_BYTES];
    EVP_PKEY *pkey = NULL;
    BIGNUM *number = BN_bin2bn(scalar, SCALAR_BYTES, NULL);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    bool ok = number != NULL && ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
              BN_bn2nativepad(number, native, SCALAR_BYTES) == SCALAR_BYTES;
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, POINT_BYTES),
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, native, SCALAR_BYTES),
        OSSL_PARAM_construct_end(),
    };
    if (ok && EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, parameters) != 1) {
        pkey = NULL;
    }
    explicit_bzero(native, sizeof native);
    BN_clear_free(number);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

EVP_PKEY *ph_key_open(const struct ph_key *key)
{
    if (key->pkey != NULL) {
        return EVP_PKEY_up_ref(key->pkey) == 1 ? key->pkey : NULL;
    }
    return from_numbers((const unsigned char *)key->pkcs8.data + sizeof pkcs8_head,
        (unsigned char *)key->spki.data + key->spki_point_at);
}

enum ph_err ph_key_load(const char *path, struct ph_key **out, struct ph_error *error)
{
    EVP_PKEY *pkey = NULL;
    ph_x509_errors_begin();
    enum ph_err err = ph_x509_key_load(path, &pkey, error);
    err = err == PH_OK ? ph_key_take(pkey, NULL, out, error) : err;
    ph_x509_errors_end();
    return err;
}

enum ph_err ph_key_load_encrypted(
    const char *path, const char *passphrase, struct ph_key **out, struct ph_error *error)
{
    EVP_PKEY *pkey = NULL;
    ph_x509_errors_begin();
    enum ph_err err = ph_x509_key_load_encrypted(path, passphrase, &pkey, error);
    err = err == PH_OK ? ph_key_take(pkey, NULL, out, error) : err;
    ph_x509_errors_end();
    return err;
}

/* ---- output ---- */

static PKCS8_PRIV_KEY_INFO *to_pkcs8(const struct ph_key *key)
{
    const unsigned char *der = (const unsigned char *)key->pkcs8.data;
    return key->pkey != NULL ? EVP_PKEY2PKCS8(key->pkey)
                             : d2i_PKCS8_PRIV_KEY_INFO(NULL, &der, (long)key->pkcs8.len);
}

static enum ph_err print_pkey(const struct ph_key *key, struct ph_buf *pem, struct ph_error *error)
{
    unsigned char *der = NULL;
    PKCS8_PRIV_KEY_INFO *pkcs8 = to_pkcs8(key);
    int len = pkcs8 != NULL ? i2d_PKCS8_PRIV_KEY_INFO(pkcs8, &der) : -1;
    enum ph_err err = len > 0 ? ph_pem_print(pem, "PRIVATE KEY", der, (size_t)len, "key", error)
                              : ph_error_set(error, PH_ERR_INTERNAL,
                                    "key: cannot be written as PEM (%s)", ph_x509_reason());
    OPENSSL_clear_free(der, len > 0 ? (size_t)len : 0);
    PKCS8_PRIV_KEY_INFO_free(pkcs8);
    return err;
}

enum ph_err ph_key_print(const struct ph_key *key, struct ph_buf *pem, struct ph_error *error)
{
    ph_x509_errors_begin();
    enum ph_err err = key->pkey != NULL ? print_pkey(key, pem, error)
                                        : ph_pem_print(pem, "PRIVATE KEY", key->pkcs8.data,
                                              key->pkcs8.len, "key", error);
    ph_x509_errors_end();
    return err;
}

static X509_SIG *seal(PKCS8_PRIV_KEY_INFO *pkcs8, const char *passphrase)
{
    unsigned char salt[SALT_BYTES];
    if (RAND_bytes(salt, sizeof salt) != 1) {
        return NULL;
    }
    X509_ALGOR *scheme = PKCS5_pbe2_set_iv(
        EVP_aes_256_cbc(), PBKDF2_ROUNDS, salt, sizeof salt, NULL, NID_hmacWithSHA256);
    X509_SIG *sealed =
        scheme != NULL ? PKCS8_set0_pbe(passphrase, (int)strlen(passphrase), pkcs8, scheme) : NULL;
    if (sealed == NULL) {
        X509_ALGOR_free(scheme);
    }
    return sealed;
}

enum ph_err ph_key_print_encrypted(
    const struct ph_key *key, const char *passphrase, struct ph_buf *pem, struct ph_error *error)
{
    ph_x509_errors_begin();
    unsigned char *der = NULL;
    PKCS8_PRIV_KEY_INFO *pkcs8 = to_pkcs8(key);
    X509_SIG *sealed = pkcs8 != NULL ? seal(pkcs8, passphrase) : NULL;
    int len = sealed != NULL ? i2d_X509_SIG(sealed, &der) : -1;
    enum ph_err err =
        len > 0 ? ph_pem_print(pem, "ENCRYPTED PRIVATE KEY", der, (size_t)len, "key", error)
                : ph_error_set(
                      error, PH_ERR_INTERNAL, "key: cannot be encrypted (%s)", ph_x509_reason());
    OPENSSL_free(der);
    X509_SIG_free(sealed);
    PKCS8_PRIV_KEY_INFO_free(pkcs8);
    ph_x509_errors_end();
    return err;
}

enum ph_err ph_key_hash(
    const struct ph_key *key, char out[PH_FINGERPRINT_BYTES], struct ph_error *error)
{
    return ph_sha256_hex(out, key->spki.data, key->spki.len)
               ? PH_OK
               : ph_error_set(error, PH_ERR_INTERNAL, "key: cannot be hashed");
}
