#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "x509/authority.h"

/* The fixed sentences; those with a time in them are made in
 * ph_chain_describe(). */
static const struct {
    int code;
    enum ph_chain_fault fault;
    const char *text;
} sentences[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, PH_CHAIN_EXPIRED, NULL},
    {X509_V_ERR_CERT_NOT_YET_VALID, PH_CHAIN_NOT_YET_VALID, NULL},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, PH_CHAIN_UNKNOWN_CA, "issued by an unknown CA"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, PH_CHAIN_UNKNOWN_CA, "issued by an unknown CA"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, PH_CHAIN_UNKNOWN_CA, "issued by an unknown CA"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, PH_CHAIN_UNKNOWN_CA,
        "self-signed: issued by an unknown CA"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, PH_CHAIN_UNKNOWN_CA, "self-signed: an unknown CA"},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, PH_CHAIN_UNKNOWN_CA,
        "not signed by the CA it names: unknown CA of the same name, or altered"},
    {X509_V_ERR_INVALID_PURPOSE, PH_CHAIN_OTHER,
        "extendedKeyUsage or keyUsage does not permit this use"},
    {X509_V_ERR_INVALID_CA, PH_CHAIN_OTHER, "not a CA"},
    {X509_V_ERR_PATH_LENGTH_EXCEEDED, PH_CHAIN_OTHER, "too many CAs below it (pathLenConstraint)"},
    {X509_V_ERR_CERT_CHAIN_TOO_LONG, PH_CHAIN_OTHER, "chain too long"},
    {X509_V_ERR_EE_KEY_TOO_SMALL, PH_CHAIN_OTHER, "key too weak"},
    {X509_V_ERR_CA_KEY_TOO_SMALL, PH_CHAIN_OTHER, "CA key too weak"},
    {X509_V_ERR_CA_MD_TOO_WEAK, PH_CHAIN_OTHER,
        "signed with a digest that is too weak, such as SHA-1"},
    {X509_V_ERR_PERMITTED_VIOLATION, PH_CHAIN_OTHER, "name outside its CA's name constraints"},
    {X509_V_ERR_EXCLUDED_VIOLATION, PH_CHAIN_OTHER, "name excluded by its CA's name constraints"},
    {X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, PH_CHAIN_OTHER, "unknown critical extension"},
};

/* What is wrong with a chain, and where. */
struct failure {
    enum ph_chain_fault fault;
    X509 *x509; /* borrowed from the chain */
    int depth;
    char what[256]; /* the end of a sentence */
};

enum ph_chain_fault ph_chain_describe(int code, const X509 *x509, char *what, size_t size)
{
    char when[PH_UTC_BYTES] = "?";
    const char *text = X509_verify_cert_error_string(code);
    enum ph_chain_fault fault = PH_CHAIN_OTHER;
    for (size_t i = 0; i < sizeof sentences / sizeof sentences[0]; i++) {
        if (sentences[i].code == code) {
            fault = sentences[i].fault;
            text = sentences[i].text;
        }
    }
    if (fault == PH_CHAIN_EXPIRED) {
        ph_x509_time_print(when, X509_get0_notAfter(x509));
        (void)snprintf(what, size, "expired at %s", when);
    } else if (fault == PH_CHAIN_NOT_YET_VALID) {
        ph_x509_time_print(when, X509_get0_notBefore(x509));
        (void)snprintf(what, size, "not yet valid: starts at %s", when);
    } else {
        (void)snprintf(what, size, "%s", text);
    }
    return fault;
}

static void describe(int code, struct failure *failure)
{
    failure->fault = ph_chain_describe(code, failure->x509, failure->what, sizeof failure->what);
}

/* ---- revocation ---- */

static void fail(struct failure *failure, enum ph_chain_fault fault, const char *what)
{
    failure->fault = fault;
    (void)snprintf(failure->what, sizeof failure->what, "%s", what);
}

static void describe_crl_time(struct failure *failure, int64_t time_ms, bool expired)
{
    char when[PH_UTC_BYTES];
    ph_utc_print(when, time_ms);
    failure->fault = PH_CHAIN_CRL;
    (void)snprintf(failure->what, sizeof failure->what, "the CRL of its CA %s %s: %s",
        expired ? "expired at" : "starts at", when,
        expired ? "put the CA's current CRL in place" : "check the clock");
}

/* `now_ms` NULL: at any time. */
static bool crl_is_current(const struct ph_trust *trust, const struct ph_revocations *crl,
    const int64_t *now_ms, struct failure *failure)
{
    if (now_ms != NULL && *now_ms < crl->this_update_ms) {
        describe_crl_time(failure, crl->this_update_ms, false);
        return false;
    }
    if (now_ms != NULL && *now_ms >= crl->next_update_ms + trust->grace_ms) {
        describe_crl_time(failure, crl->next_update_ms, true);
        return false;
    }
    return true;
}

void ph_trust_describe_revoked(char out[64], const struct ph_revoked *entry)
{
    (void)snprintf(out, 64, "revoked by its CA (%s)", ph_x509_revocation_reason(entry->reason));
}

/* False, and the reason, unless `issuer` has not revoked this number. */
static bool is_unrevoked(const struct ph_trust *trust, const struct ph_trust_authority *issuer,
    const struct ph_serial *serial, const int64_t *now_ms, struct failure *failure)
{
    const struct ph_revocations *crl = issuer->crl;
    if (crl == NULL) {
        if (trust->crl_required) {
            fail(failure, PH_CHAIN_CRL, "no CRL of its CA");
        }
        return !trust->crl_required;
    }
    const struct ph_revoked *entry = ph_revocations_find(crl, serial);
    if (entry == NULL) {
        return crl_is_current(trust, crl, now_ms, failure);
    }
    char what[64];
    ph_trust_describe_revoked(what, entry);
    fail(failure, failure->depth == 0 ? PH_CHAIN_REVOKED : PH_CHAIN_CA_REVOKED, what);
    return false;
}

static bool read_serial(X509 *x509, struct ph_serial *serial, struct failure *failure)
{
    if (ph_serial_get(serial, X509_get0_serialNumber(x509))) {
        return true;
    }
    fail(failure, PH_CHAIN_OTHER,
        "serial number: want a positive number of at most 20 octets, as only such can be revoked");
    return false;
}

/* Every certificate of a chain that is verified already; the root too, which may be on its own CRL.
 */
static bool check_revocation(const struct ph_trust *trust, STACK_OF(X509) * chain,
    const int64_t *now_ms, struct failure *failure)
{
    int count = sk_X509_num(chain);
    for (int i = 0; i < count; i++) {
        struct ph_serial serial;
        bool root = i + 1 == count;
        failure->x509 = sk_X509_value(chain, i);
        failure->depth = i;
        const struct ph_trust_authority *issuer =
            ph_trust_authority_of(trust, sk_X509_value(chain, root ? i : i + 1));
        if (issuer == NULL) {
            fail(failure, PH_CHAIN_UNKNOWN_CA, "issued by an unknown CA");
            return false;
        }
        if (!read_serial(failure->x509, &serial, failure)) {
            return root;
        }
        if (!is_unrevoked(trust, issuer, &serial, now_ms, failure)) {
            return false;
        }
    }
    return true;
}

/* ---- the check ---- */

static int on_certificate(int ok, X509_STORE_CTX *ctx)
{
    struct failure *failure = X509_STORE_CTX_get_app_data(ctx);
    if (ok != 1) {
        X509 *x509 = X509_STORE_CTX_get_current_cert(ctx);
        failure->x509 = x509 != NULL ? x509 : failure->x509;
        failure->depth = X509_STORE_CTX_get_error_depth(ctx);
        describe(X509_STORE_CTX_get_error(ctx), failure);
    }
    return ok;
}

static enum ph_err refuse(
    const struct ph_trust *trust, const struct failure *failure, struct ph_error *error)
{
    char subject[PH_X509_NAME_BYTES];
    char issuer[PH_X509_NAME_BYTES];
    ph_x509_name_print(subject, sizeof subject, X509_get_subject_name(failure->x509));
    ph_x509_name_print(issuer, sizeof issuer, X509_get_issuer_name(failure->x509));
    return ph_error_set(error, PH_ERR_DENIED, "anchor %s: %s \"%s\" (depth %d, issuer \"%s\"): %s",
        trust->name, failure->depth == 0 ? "certificate" : "CA certificate", subject,
        failure->depth, issuer, failure->what);
}

/* One leaf to be checked, and what came of it so far. */
struct job {
    const struct ph_trust *trust;
    X509 *leaf;
    enum ph_usage usage;
    const int64_t *now_ms;      /* NULL: at any time */
    struct ph_voucher *voucher; /* may be NULL */
    struct failure failure;     /* of the chain that came nearest */
    int tries;
    enum ph_err err;
    struct ph_error *error;
};

static int purpose_of(enum ph_usage usage)
{
    return usage == PH_USAGE_CLIENT ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER;
}

static bool prepare(const struct job *job, X509_STORE_CTX *ctx, struct failure *failure)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    /* OpenSSL counts the CAs between leaf and root. Level 2 is 112 bits: no SHA-1, no RSA below
     * 2048, anywhere in the chain. */
    X509_VERIFY_PARAM_set_depth(param, PH_LIMIT_CHAIN_DEPTH - 2);
    X509_VERIFY_PARAM_set_auth_level(param, 2);
    X509_STORE_CTX_set_verify_cb(ctx, on_certificate);
    if (job->now_ms != NULL) {
        ph_x509_time_set(param, *job->now_ms);
    } else {
        X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME);
    }
    return X509_STORE_CTX_set_app_data(ctx, failure) == 1 &&
           X509_VERIFY_PARAM_set_purpose(param, purpose_of(job->usage)) == 1 &&
           X509_VERIFY_PARAM_set_trust(param,
               job->usage == PH_USAGE_CLIENT ? X509_TRUST_SSL_CLIENT : X509_TRUST_SSL_SERVER) == 1;
}

/* Of a chain that passed. */
static enum ph_err fill_voucher(const struct ph_trust *trust, STACK_OF(X509) * chain,
    struct ph_voucher *voucher, struct ph_error *error)
{
    const X509 *leaf = sk_X509_value(chain, 0);
    const X509 *ca = sk_X509_value(chain, sk_X509_num(chain) > 1 ? 1 : 0);
    const struct ph_trust_authority *issuer = ph_trust_authority_of(trust, ca);
    struct ph_serial serial;
    if (issuer == NULL || !ph_serial_get(&serial, X509_get0_serialNumber(leaf))) {
        return ph_error_set(error, PH_ERR_INTERNAL, "chain check: a CA outside the anchor");
    }
    memset(voucher, 0, sizeof *voucher);
    memcpy(voucher->issuer, issuer->id, sizeof voucher->issuer);
    memcpy(voucher->serial, serial.bytes, sizeof voucher->serial);
    voucher->serial_len = serial.len;
    return ph_x509_time_ms(
        X509_get0_notAfter(leaf), "certificate notAfter", &voucher->not_after_ms, error);
}

/* A wrong guess at the issuer says less than any other fault. */
static void keep_failure(struct job *job, const struct failure *failure)
{
    if (job->tries == 0 || job->failure.fault == PH_CHAIN_UNKNOWN_CA) {
        job->failure = *failure;
    }
    job->tries++;
}

/* PH_ERR_DENIED without a message: the failure says it. */
static enum ph_err verify(struct job *job, X509_STORE_CTX *ctx)
{
    struct failure failure = {.fault = PH_CHAIN_OTHER, .x509 = job->leaf};
    if (job->now_ms != NULL && !ph_x509_time_fits(*job->now_ms)) {
        (void)snprintf(failure.what, sizeof failure.what, "%s", PH_X509_TIME_BEYOND);
        keep_failure(job, &failure);
        return PH_ERR_DENIED;
    }
    if (!prepare(job, ctx, &failure)) {
        return PH_ERR_MEMORY;
    }
    if (X509_verify_cert(ctx) != 1) {
        int code = X509_STORE_CTX_get_error(ctx);
        if (failure.what[0] == '\0') {
            describe(code, &failure);
        }
        keep_failure(job, &failure);
        return code == X509_V_ERR_OUT_OF_MEM ? PH_ERR_MEMORY : PH_ERR_DENIED;
    }
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
    if (!check_revocation(job->trust, chain, job->now_ms, &failure)) {
        keep_failure(job, &failure);
        return PH_ERR_DENIED;
    }
    return job->voucher != NULL ? fill_voucher(job->trust, chain, job->voucher, job->error) : PH_OK;
}

/* True when there is no need to try another, or when these were enough: a stranger's certificate
 * must not keep the caller busy for long. */
static bool try_path(void *context, const struct ph_path *path)
{
    struct job *job = context;
    struct ph_path_stacks stacks = {0};
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    job->err = ctx != NULL && ph_path_set(job->trust, path, 0, ctx, job->leaf, &stacks)
                   ? verify(job, ctx)
                   : PH_ERR_MEMORY;
    X509_STORE_CTX_free(ctx);
    ph_path_stacks_free(&stacks);
    return job->err != PH_ERR_DENIED || job->tries >= PH_LIMIT_PATHS;
}

/* Where no path is good at the time, OpenSSL says what is wrong with one. */
static void try_any(struct job *job)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    job->err =
        ctx != NULL && X509_STORE_CTX_init(ctx, job->trust->store, job->leaf, job->trust->cas) == 1
            ? verify(job, ctx)
            : PH_ERR_MEMORY;
    X509_STORE_CTX_free(ctx);
}

static void check_paths(struct job *job)
{
    const struct ph_trust *trust = job->trust;
    const struct ph_path_search search = {.trust = trust,
        .purpose = purpose_of(job->usage),
        .now_ms = job->now_ms,
        .found = try_path,
        .context = job};
    for (size_t i = 0; i < trust->certificate_count; i++) {
        if (X509_check_issued(trust->certificates[i].x509, job->leaf) == X509_V_OK &&
            ph_paths_search(&search, i)) {
            return;
        }
    }
    if (job->tries == 0) {
        try_any(job);
    }
}

static enum ph_err check(struct job *job, enum ph_chain_fault *fault)
{
    ph_x509_errors_begin();
    check_paths(job);
    if (fault != NULL) {
        *fault = job->err == PH_OK ? PH_CHAIN_GOOD : job->failure.fault;
    }
    if (job->err == PH_ERR_DENIED) {
        (void)refuse(job->trust, &job->failure, job->error);
    } else if (job->err == PH_ERR_MEMORY) {
        (void)ph_error_set(job->error, PH_ERR_MEMORY, "chain check: out of memory");
    }
    ph_x509_errors_end();
    return job->err;
}

enum ph_err ph_trust_check(const struct ph_trust *trust, const struct ph_certificate *leaf,
    enum ph_usage usage, int64_t now_ms, struct ph_voucher *voucher, enum ph_chain_fault *fault,
    struct ph_error *error)
{
    struct job job = {.trust = trust,
        .leaf = leaf->x509,
        .usage = usage,
        .now_ms = &now_ms,
        .voucher = voucher,
        .failure = {.fault = PH_CHAIN_OTHER, .x509 = leaf->x509},
        .error = error};
    return check(&job, fault);
}

enum ph_err ph_trust_check_timeless(const struct ph_trust *trust, const struct ph_certificate *leaf,
    enum ph_usage usage, struct ph_error *error)
{
    struct job job = {.trust = trust, .leaf = leaf->x509, .usage = usage, .error = error};
    return check(&job, NULL);
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
