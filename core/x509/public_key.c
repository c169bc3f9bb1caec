#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <string.h>

#include "x509/openssl.h"

enum { RSA_LEAST_BITS = 2048, RSA_MOST_BITS = 8192, EXPONENT_LEAST_BITS = 17, EXPONENT_BITS = 64 };

static enum ph_err denied(const char *what, const char *rule, struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_DENIED, "%s: key: %s", what, rule);
}

/* A point has two more encodings, with which one key would have three hashes. */
static enum ph_err check_ec(const EVP_PKEY *key, int parameter_type, const unsigned char *point,
    int point_len, const char *what, struct ph_error *error)
{
    char curve[64];
    if (parameter_type != V_ASN1_OBJECT) {
        return denied(what, "want a named curve, have explicit parameters", error);
    }
    if (!ph_x509_curve_allowed(key, curve, sizeof curve)) {
        return ph_error_set(error, PH_ERR_DENIED,
            "%s: key: want curve P-256, P-384 or P-521, have %s", what, curve);
    }
    return point_len > 0 && point[0] == POINT_CONVERSION_UNCOMPRESSED
               ? PH_OK
               : denied(what, "want its point uncompressed", error);
}

static enum ph_err check_rsa(const EVP_PKEY *key, const char *what, struct ph_error *error)
{
    int bits = EVP_PKEY_get_bits(key);
    if (bits < RSA_LEAST_BITS || bits > RSA_MOST_BITS) {
        return ph_error_set(error, PH_ERR_DENIED, "%s: key: want RSA of %d to %d bits, have %d",
            what, RSA_LEAST_BITS, RSA_MOST_BITS, bits);
    }
    BIGNUM *exponent = NULL;
    bool ok = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1 &&
              BN_is_odd(exponent) && BN_num_bits(exponent) >= EXPONENT_LEAST_BITS &&
              BN_num_bits(exponent) <= EXPONENT_BITS;
    BN_free(exponent);
    return ok ? PH_OK
              : denied(what, "want an odd public exponent of at least 65537 and at most 64 bits",
                    error);
}

static bool is_canonical(EVP_PKEY *key, const X509_PUBKEY *spki)
{
    unsigned char *have = NULL;
    unsigned char *want = NULL;
    int have_len = i2d_X509_PUBKEY(spki, &have);
    int want_len = i2d_PUBKEY(key, &want);
    bool same = have_len > 0 && have_len == want_len && memcmp(have, want, (size_t)have_len) == 0;
    OPENSSL_free(have);
    OPENSSL_free(want);
    return same;
}

enum ph_err ph_x509_public_key_check(X509_PUBKEY *spki, const char *what, struct ph_error *error)
{
    EVP_PKEY *key = X509_PUBKEY_get0(spki);
    const unsigned char *point = NULL;
    int point_len = 0;
    int parameter_type = V_ASN1_UNDEF;
    X509_ALGOR *algorithm = NULL;
    if (key == NULL || X509_PUBKEY_get0_param(NULL, &point, &point_len, &algorithm, spki) != 1) {
        return denied(what, "unreadable or of an unknown type", error);
    }
    X509_ALGOR_get0(NULL, &parameter_type, NULL, algorithm);
    enum ph_err err = PH_OK;
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_EC:
        err = check_ec(key, parameter_type, point, point_len, what, error);
        break;
    case EVP_PKEY_RSA:
        err = check_rsa(key, what, error);
        break;
    default:
        err = denied(what, "want EC (P-256, P-384, P-521) or RSA", error);
    }
    return err == PH_OK && !is_canonical(key, spki) ? denied(what, "not in its DER encoding", error)
                                                    : err;
}
