#include "x509/roots.h"

#include <openssl/x509v3.h>
#include <stdbool.h>

#include "base/limits.h"
#include "x509/authority.h"

static enum ph_err out_of_memory(const char *what, struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", what);
}

void ph_roots_free(struct ph_roots *roots)
{
    X509_STORE_free(roots->store);
    sk_X509_free(roots->helpers);
    sk_X509_pop_free(roots->file, X509_free);
    *roots = (struct ph_roots){0};
}

static bool sort_roots(struct ph_roots *roots, STACK_OF(X509) * enclosed)
{
    bool ok = true;
    for (int i = 0; ok && i < sk_X509_num(enclosed); i++) {
        ok = sk_X509_push(roots->helpers, sk_X509_value(enclosed, i)) > 0;
    }
    for (int i = 0; ok && i < sk_X509_num(roots->file); i++) {
        X509 *x509 = sk_X509_value(roots->file, i);
        ok = X509_self_signed(x509, 1) == 1 ? X509_STORE_add_cert(roots->store, x509) == 1
                                            : sk_X509_push(roots->helpers, x509) > 0;
    }
    return ok;
}

enum ph_err ph_roots_load(struct ph_roots *roots, const char *path, STACK_OF(X509) * enclosed,
    const char *what, struct ph_error *error)
{
    roots->file = sk_X509_new_null();
    roots->helpers = sk_X509_new_null();
    roots->store = X509_STORE_new();
    if (roots->file == NULL || roots->helpers == NULL || roots->store == NULL) {
        return out_of_memory(what, error);
    }
    enum ph_err err = ph_x509_certificates_load(path, roots->file, error);
    return err != PH_OK || sort_roots(roots, enclosed) ? err : out_of_memory(what, error);
}

static bool prepare(
    X509_STORE_CTX *ctx, const struct ph_roots *roots, X509 *leaf, const int64_t *now_ms)
{
    if (ctx == NULL || X509_STORE_CTX_init(ctx, roots->store, leaf, roots->helpers) != 1) {
        return false;
    }
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    /* As for every other chain: see ph_trust_check(). */
    X509_VERIFY_PARAM_set_depth(param, PH_LIMIT_CHAIN_DEPTH - 2);
    X509_VERIFY_PARAM_set_auth_level(param, 2);
    if (now_ms != NULL) {
        ph_x509_time_set(param, *now_ms);
    } else if (X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME) != 1) {
        return false;
    }
    return X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT) == 1 &&
           X509_VERIFY_PARAM_set_trust(param, X509_TRUST_SSL_CLIENT) == 1;
}

static enum ph_err refuse(X509_STORE_CTX *ctx, const char *what, struct ph_error *error)
{
    char subject[PH_X509_NAME_BYTES];
    char rule[256];
    X509 *x509 = X509_STORE_CTX_get_current_cert(ctx);
    x509 = x509 != NULL ? x509 : X509_STORE_CTX_get0_cert(ctx);
    (void)ph_chain_describe(X509_STORE_CTX_get_error(ctx), x509, rule, sizeof rule);
    ph_x509_name_print(subject, sizeof subject, X509_get_subject_name(x509));
    return ph_error_set(error, PH_ERR_DENIED, "%s: certificate \"%s\" (depth %d): %s", what,
        subject, X509_STORE_CTX_get_error_depth(ctx), rule);
}

enum ph_err ph_roots_check(const struct ph_roots *roots, X509 *leaf, const int64_t *now_ms,
    STACK_OF(X509) * *chain, const char *what, struct ph_error *error)
{
    if (now_ms != NULL && !ph_x509_time_fits(*now_ms)) {
        return ph_error_set(error, PH_ERR_DENIED, "%s: certificate %s", what, PH_X509_TIME_BEYOND);
    }
    enum ph_err err = PH_OK;
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    if (!prepare(ctx, roots, leaf, now_ms)) {
        err = out_of_memory(what, error);
    } else if (X509_verify_cert(ctx) != 1) {
        err = X509_STORE_CTX_get_error(ctx) == X509_V_ERR_OUT_OF_MEM ? out_of_memory(what, error)
                                                                     : refuse(ctx, what, error);
    } else if (chain != NULL) {
        *chain = X509_STORE_CTX_get1_chain(ctx);
        err = *chain != NULL ? PH_OK : out_of_memory(what, error);
    }
    X509_STORE_CTX_free(ctx);
    return err;
}
