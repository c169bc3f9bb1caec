#include <openssl/obj_mac.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/text.h"
#include "x509/openssl.h"

static enum ph_err denied(struct ph_error *error, const char *rule)
{
    return ph_error_set(error, PH_ERR_DENIED, "certificate profile: %s", rule);
}

/* Either alone lets one through: the first a CA that may sign no certificates, the second one by
 * keyUsage only. */
static bool is_ca(X509 *x509)
{
    return (X509_get_extension_flags(x509) & EXFLAG_CA) != 0 || X509_check_ca(x509) != 0;
}

bool ph_certificate_is_ca(const struct ph_certificate *certificate)
{
    ph_x509_errors_begin();
    bool ca = is_ca(certificate->x509);
    ph_x509_errors_end();
    return ca;
}

static enum ph_err check_form(X509 *x509, struct ph_error *error)
{
    if (X509_get_version(x509) != X509_VERSION_3) {
        return ph_error_set(error, PH_ERR_DENIED, "certificate profile: version: want 3, have %ld",
            X509_get_version(x509) + 1);
    }
    if ((X509_get_extension_flags(x509) & EXFLAG_INVALID) != 0) {
        return denied(error, "extensions: malformed or repeated");
    }
    if (is_ca(x509)) {
        return denied(error, "basicConstraints, keyUsage: want a leaf, have a CA");
    }
    if (!ph_x509_serial_ok(X509_get0_serialNumber(x509))) {
        return denied(error, "serial number: want a positive number of at most 20 octets");
    }
    return PH_OK;
}

static enum ph_err check_usage(X509 *x509, enum ph_usage usage, struct ph_error *error)
{
    uint32_t flags = X509_get_extension_flags(x509);
    if ((flags & EXFLAG_KUSAGE) == 0 || (X509_get_key_usage(x509) & KU_DIGITAL_SIGNATURE) == 0) {
        return denied(error, "keyUsage: want digitalSignature");
    }
    if ((flags & EXFLAG_XKUSAGE) == 0) {
        return denied(error, "extendedKeyUsage: want it present");
    }
    uint32_t want = usage == PH_USAGE_CLIENT ? XKU_SSL_CLIENT : XKU_SSL_SERVER;
    if ((X509_get_extended_key_usage(x509) & want) == 0) {
        return denied(error, usage == PH_USAGE_CLIENT
                                 ? "extendedKeyUsage: want clientAuth among its values"
                                 : "extendedKeyUsage: want serverAuth among its values");
    }
    return PH_OK;
}

bool ph_x509_curve_allowed(const EVP_PKEY *key, char *name, size_t size)
{
    size_t len = 0;
    if (EVP_PKEY_get_group_name(key, name, size, &len) != 1) {
        ph_text_escape(name, size, "explicit parameters");
        return false;
    }
    int nid = OBJ_sn2nid(name);
    return nid == NID_X9_62_prime256v1 || nid == NID_secp384r1 || nid == NID_secp521r1;
}

static enum ph_err check_key(const X509 *x509, struct ph_error *error)
{
    const EVP_PKEY *key = X509_get0_pubkey(x509);
    if (key == NULL) {
        return denied(error, "key: unreadable or of an unknown type");
    }
    int type = EVP_PKEY_get_base_id(key);
    if (type == EVP_PKEY_RSA) {
        int bits = EVP_PKEY_get_bits(key);
        return bits >= 2048
                   ? PH_OK
                   : ph_error_set(error, PH_ERR_DENIED,
                         "certificate profile: key: want RSA of at least 2048 bits, have %d", bits);
    }
    if (type != EVP_PKEY_EC) {
        return denied(error, "key: want EC (P-256, P-384, P-521) or RSA");
    }
    char curve[64];
    return ph_x509_curve_allowed(key, curve, sizeof curve)
               ? PH_OK
               : ph_error_set(error, PH_ERR_DENIED,
                     "certificate profile: key: want curve P-256, P-384 or P-521, have %s", curve);
}

/* 112 bits of security is what separates SHA-224 and up from SHA-1 and MD5 (NIST SP 800-57). */
static enum ph_err check_signature(X509 *x509, struct ph_error *error)
{
    int digest = NID_undef;
    int security_bits = 0;
    if (X509_get_signature_info(x509, &digest, NULL, &security_bits, NULL) != 1) {
        return denied(error, "signature: unknown algorithm");
    }
    return security_bits >= 112
               ? PH_OK
               : ph_error_set(error, PH_ERR_DENIED,
                     "certificate profile: signature: want SHA-256 or stronger, have %s",
                     OBJ_nid2sn(digest));
}

enum ph_err ph_certificate_check_profile(
    const struct ph_certificate *certificate, enum ph_usage usage, struct ph_error *error)
{
    X509 *x509 = certificate->x509;
    ph_x509_errors_begin();
    enum ph_err err = check_form(x509, error);
    if (err == PH_OK) {
        err = check_usage(x509, usage, error);
    }
    if (err == PH_OK) {
        err = check_key(x509, error);
    }
    if (err == PH_OK) {
        err = check_signature(x509, error);
    }
    ph_x509_errors_end();
    return err;
}
