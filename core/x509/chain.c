#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/limits.h"
#include "x509/openssl.h"
#include "x509/trust.h"

/* The fixed sentences; those with a time or a reason in them are made in describe(). */
static const struct {
    int code;
    const char *text;
} sentences[] = {
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "issued by an unknown CA"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "issued by an unknown CA"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "issued by an unknown CA"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "self-signed: issued by an unknown CA"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "self-signed: an unknown CA"},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE,
        "not signed by the CA it names: unknown CA of the same name, or altered"},
    {X509_V_ERR_INVALID_PURPOSE, "extendedKeyUsage or keyUsage does not permit this use"},
    {X509_V_ERR_INVALID_CA, "not a CA"},
    {X509_V_ERR_PATH_LENGTH_EXCEEDED, "too many CAs below it (pathLenConstraint)"},
    {X509_V_ERR_CERT_CHAIN_TOO_LONG, "chain too long"},
    {X509_V_ERR_EE_KEY_TOO_SMALL, "key too weak"},
    {X509_V_ERR_CA_KEY_TOO_SMALL, "CA key too weak"},
    {X509_V_ERR_CA_MD_TOO_WEAK, "signed with a digest that is too weak, such as SHA-1"},
    {X509_V_ERR_PERMITTED_VIOLATION, "name outside its CA's name constraints"},
    {X509_V_ERR_EXCLUDED_VIOLATION, "name excluded by its CA's name constraints"},
    {X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, "unknown critical extension"},
    {X509_V_ERR_UNABLE_TO_GET_CRL, "no CRL of its CA"},
    {X509_V_ERR_CRL_SIGNATURE_FAILURE, "the CRL of its CA is not signed by that CA"},
    {X509_V_ERR_KEYUSAGE_NO_CRL_SIGN, "its CA may not sign CRLs (keyUsage without cRLSign)"},
};

static const char *revocation_reason(X509_CRL *crl, X509 *x509)
{
    X509_REVOKED *entry = NULL;
    bool found = crl != NULL && X509_CRL_get0_by_cert(crl, &entry, x509) != 0;
    return ph_x509_revocation_reason(found ? entry : NULL);
}

static void describe_crl(X509_STORE_CTX *ctx, int code, char *out, size_t size)
{
    X509_CRL *crl = X509_STORE_CTX_get0_current_crl(ctx);
    bool expired = code == X509_V_ERR_CRL_HAS_EXPIRED;
    char when[PH_UTC_BYTES] = "?";
    if (crl != NULL) {
        ph_x509_time_print(
            when, expired ? X509_CRL_get0_nextUpdate(crl) : X509_CRL_get0_lastUpdate(crl));
    }
    (void)snprintf(out, size, "the CRL of its CA %s %s: %s", expired ? "expired at" : "starts at",
        when, expired ? "put the CA's current CRL in place" : "check the clock");
}

/* What is wrong with the certificate, as the end of a sentence. */
static void describe(X509_STORE_CTX *ctx, int code, char *out, size_t size)
{
    X509 *x509 = X509_STORE_CTX_get_current_cert(ctx);
    char when[PH_UTC_BYTES] = "?";
    switch (x509 != NULL ? code : X509_V_OK) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        ph_x509_time_print(when, X509_get0_notAfter(x509));
        (void)snprintf(out, size, "expired at %s", when);
        return;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        ph_x509_time_print(when, X509_get0_notBefore(x509));
        (void)snprintf(out, size, "not yet valid: starts at %s", when);
        return;
    case X509_V_ERR_CERT_REVOKED:
        (void)snprintf(out, size, "revoked by its CA (%s)",
            revocation_reason(X509_STORE_CTX_get0_current_crl(ctx), x509));
        return;
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
        describe_crl(ctx, code, out, size);
        return;
    default:
        break;
    }
    const char *text = X509_verify_cert_error_string(code);
    for (size_t i = 0; i < sizeof sentences / sizeof sentences[0]; i++) {
        text = sentences[i].code == code ? sentences[i].text : text;
    }
    (void)snprintf(out, size, "%s", text);
}

/* What the first failure was, kept because OpenSSL forgets the CRL on its way out. */
struct failure {
    const struct ph_trust *trust;
    char what[256];
};

/* Whether a certificate may do without a CRL: none is required, and its CA has none. One that is
 * there and that OpenSSL does not take for this certificate is no reason to let it in. */
static bool may_lack_crl(const struct ph_trust *trust, const X509 *x509)
{
    bool has = false;
    for (int i = 0; x509 != NULL && i < sk_X509_num(trust->cas); i++) {
        const X509_NAME *name = X509_get_subject_name(sk_X509_value(trust->cas, i));
        has = has || (sk_X509_CRL_value(trust->crls, i) != NULL &&
                         X509_NAME_cmp(name, X509_get_issuer_name(x509)) == 0);
    }
    return !trust->crl_required && x509 != NULL && !has;
}

static int on_certificate(int ok, X509_STORE_CTX *ctx)
{
    struct failure *failure = X509_STORE_CTX_get_app_data(ctx);
    int code = X509_STORE_CTX_get_error(ctx);
    if (ok == 1 || (code == X509_V_ERR_UNABLE_TO_GET_CRL &&
                       may_lack_crl(failure->trust, X509_STORE_CTX_get_current_cert(ctx)))) {
        return 1;
    }
    describe(ctx, code, failure->what, sizeof failure->what);
    return 0;
}

static enum ph_err refuse(const struct ph_trust *trust, X509_STORE_CTX *ctx, X509 *leaf,
    const char *what, struct ph_error *error)
{
    int code = X509_STORE_CTX_get_error(ctx);
    int depth = X509_STORE_CTX_get_error_depth(ctx);
    X509 *x509 = X509_STORE_CTX_get_current_cert(ctx);
    if (code == X509_V_ERR_OUT_OF_MEM) {
        return ph_error_set(error, PH_ERR_MEMORY, "chain check: out of memory");
    }
    if (x509 == NULL) {
        x509 = leaf;
    }
    char subject[PH_X509_NAME_BYTES];
    char issuer[PH_X509_NAME_BYTES];
    ph_x509_name_print(subject, sizeof subject, X509_get_subject_name(x509));
    ph_x509_name_print(issuer, sizeof issuer, X509_get_issuer_name(x509));
    return ph_error_set(error, PH_ERR_DENIED, "anchor %s: %s \"%s\" (depth %d, issuer \"%s\"): %s",
        trust->name, depth == 0 ? "certificate" : "CA certificate", subject, depth, issuer,
        what[0] != '\0' ? what : X509_verify_cert_error_string(code));
}

static bool prepare(X509_STORE_CTX *ctx, enum ph_usage usage, struct failure *failure)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    bool client = usage == PH_USAGE_CLIENT;
    /* OpenSSL counts the CAs between leaf and root. Level 2 is 112 bits: no SHA-1, no RSA below
     * 2048, anywhere in the chain. */
    X509_VERIFY_PARAM_set_depth(param, PH_LIMIT_CHAIN_DEPTH - 2);
    X509_VERIFY_PARAM_set_auth_level(param, 2);
    X509_STORE_CTX_set_verify_cb(ctx, on_certificate);
    return X509_STORE_CTX_set_app_data(ctx, failure) == 1 &&
           X509_VERIFY_PARAM_set_purpose(
               param, client ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER) == 1 &&
           X509_VERIFY_PARAM_set_trust(
               param, client ? X509_TRUST_SSL_CLIENT : X509_TRUST_SSL_SERVER) == 1 &&
           X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) ==
               1;
}

static enum ph_err check(const struct ph_trust *trust, const struct ph_certificate *leaf,
    enum ph_usage usage, const int64_t *now_ms, struct ph_error *error)
{
    ph_x509_errors_begin();
    enum ph_err err = PH_OK;
    struct failure failure = {.trust = trust};
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    if (ctx == NULL || X509_STORE_CTX_init(ctx, trust->store, leaf->x509, trust->cas) != 1 ||
        !prepare(ctx, usage, &failure)) {
        err = ph_error_set(error, PH_ERR_MEMORY, "chain check: out of memory");
        goto out;
    }
    if (now_ms != NULL) {
        int64_t floor_ms = *now_ms - (*now_ms % 1000 + 1000) % 1000;
        X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(ctx), (time_t)(floor_ms / 1000));
    } else {
        X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(ctx), X509_V_FLAG_NO_CHECK_TIME);
    }
    if (X509_verify_cert(ctx) != 1) {
        err = refuse(trust, ctx, leaf->x509, failure.what, error);
    }
out:
    X509_STORE_CTX_free(ctx);
    ph_x509_errors_end();
    return err;
}

enum ph_err ph_trust_check(const struct ph_trust *trust, const struct ph_certificate *leaf,
    enum ph_usage usage, int64_t now_ms, struct ph_error *error)
{
    return check(trust, leaf, usage, &now_ms, error);
}

enum ph_err ph_trust_check_timeless(const struct ph_trust *trust, const struct ph_certificate *leaf,
    enum ph_usage usage, struct ph_error *error)
{
    return check(trust, leaf, usage, NULL, error);
}

bool ph_trust_names_issuer(const struct ph_trust *trust, const struct ph_certificate *leaf)
{
    ph_x509_errors_begin();
    bool named = false;
    for (int i = 0; !named && i < sk_X509_num(trust->cas); i++) {
        named = X509_check_issued(sk_X509_value(trust->cas, i), leaf->x509) == X509_V_OK;
    }
    ph_x509_errors_end();
    return named;
}
