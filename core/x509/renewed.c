#include "x509/renewed.h"

#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>

#include "base/limits.h"
#include "x509/issue.h"
#include "x509/pem.h"
#include "x509/roots.h"

static const char what_sent[] = "certificate";
static const char what_trusted[] = "trusted CAs";

static enum ph_err out_of_memory(const char *what, struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", what);
}

/* ---- reading ---- */

static enum ph_err read_block(
    const char *pem, size_t len, STACK_OF(X509) * out, const char *what, struct ph_error *error)
{
    struct ph_buf der;
    struct ph_certificate *certificate = NULL;
    ph_buf_init(&der, len);
    enum ph_err err = ph_pem_parse(pem, len, "CERTIFICATE", what, &der, error);
    if (err == PH_OK) {
        err = ph_certificate_parse(der.data, der.len, &certificate, error);
    }
    if (err == PH_OK && sk_X509_push(out, certificate->x509) <= 0) {
        err = out_of_memory(what, error);
    } else if (err == PH_OK) {
        (void)X509_up_ref(certificate->x509); /* the stack's */
    }
    ph_certificate_free(&certificate);
    ph_buf_fini(&der);
    return err;
}

/* Nothing but blocks of certificates and the white space between them. */
static enum ph_err read_blocks(const char *pem, size_t len, int max, STACK_OF(X509) * out,
    const char *what, struct ph_error *error)
{
    static const char end[] = "-----END CERTIFICATE-----";
    const char *stop = pem + len;
    enum ph_err err = PH_OK;
    do {
        const char *mark = memmem(pem, (size_t)(stop - pem), end, sizeof end - 1);
        const char *next = mark != NULL ? mark + sizeof end - 1 : stop;
        err = sk_X509_num(out) < max ? read_block(pem, (size_t)(next - pem), out, what, error)
                                     : ph_error_set(error, PH_ERR_LIMIT,
                                           "%s: want at most %d certificates", what, max);
        pem = next;
        while (pem < stop && (*pem == '\n' || *pem == '\r')) {
            pem++;
        }
    } while (err == PH_OK && pem < stop);
    return err;
}

/* ---- a certificate and its chain ---- */

static enum ph_err judge(STACK_OF(X509) * sent, const char *roots_file, int64_t now_ms,
    STACK_OF(X509) * *chain, struct ph_error *error)
{
    X509 *leaf = sk_X509_value(sent, 0);
    struct ph_roots roots = {0};
    int64_t time_ms = 0;
    enum ph_err err = ph_x509_time_ms(X509_get0_notBefore(leaf), what_sent, &time_ms, error);
    time_ms = time_ms > now_ms ? time_ms : now_ms;
    if (err == PH_OK) {
        err = ph_roots_load(&roots, roots_file, sent, what_sent, error);
    }
    if (err == PH_OK) {
        err = ph_roots_check(&roots, leaf, now_ms != 0 ? &time_ms : NULL, chain, what_sent, error);
    }
    ph_roots_free(&roots);
    return err;
}

/* The root is the receiver's own. */
static enum ph_err print_chain(STACK_OF(X509) * chain, struct ph_buf *pem, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (int i = 0; err == PH_OK && i < sk_X509_num(chain) - 1; i++) {
        const struct ph_certificate certificate = {sk_X509_value(chain, i)};
        err = ph_certificate_print(&certificate, pem, error);
    }
    return err;
}

static enum ph_err take_leaf(
    STACK_OF(X509) * sent, struct ph_certificate **leaf, struct ph_error *error)
{
    X509 *x509 = sk_X509_value(sent, 0);
    (void)X509_up_ref(x509);
    struct ph_certificate *taken = ph_certificate_take(x509);
    if (taken == NULL) {
        return out_of_memory(what_sent, error);
    }
    enum ph_err err = ph_certificate_check_profile(taken, PH_USAGE_CLIENT, error);
    if (err == PH_OK) {
        *leaf = taken;
        taken = NULL;
    }
    ph_certificate_free(&taken);
    return err;
}

static enum ph_err check(STACK_OF(X509) * sent, const char *roots_file, int64_t now_ms,
    struct ph_certificate **leaf, struct ph_buf *pem, struct ph_error *error)
{
    STACK_OF(X509) *chain = NULL;
    enum ph_err err = take_leaf(sent, leaf, error);
    if (err == PH_OK) {
        err = judge(sent, roots_file, now_ms, &chain, error);
    }
    if (err == PH_OK) {
        err = print_chain(chain, pem, error);
    }
    sk_X509_pop_free(chain, X509_free);
    return err;
}

enum ph_err ph_renewed_check(const char *pem, size_t len, const char *roots_file, int64_t now_ms,
    struct ph_certificate **leaf, struct ph_buf *chain, struct ph_error *error)
{
    if (len > PH_LIMIT_CERTIFICATE_BYTES) {
        return ph_error_set(error, PH_ERR_LIMIT, "%s: want at most %d bytes, have %zu", what_sent,
            PH_LIMIT_CERTIFICATE_BYTES, len);
    }
    ph_x509_errors_begin();
    size_t start = chain->len;
    struct ph_certificate *taken = NULL;
    STACK_OF(X509) *sent = sk_X509_new_null();
    enum ph_err err = sent != NULL
                          ? read_blocks(pem, len, PH_LIMIT_CHAIN_DEPTH, sent, what_sent, error)
                          : out_of_memory(what_sent, error);
    if (err == PH_OK) {
        err = check(sent, roots_file, now_ms, &taken, chain, error);
    }
    if (err == PH_OK) {
        *leaf = taken;
        taken = NULL;
    } else {
        ph_buf_truncate(chain, start);
    }
    ph_certificate_free(&taken);
    sk_X509_pop_free(sent, X509_free);
    ph_x509_errors_end();
    return err;
}

/* ---- trusted CAs ---- */

static bool is_signing_ca(X509 *ca)
{
    return X509_check_ca(ca) == 1 && (X509_get_extension_flags(ca) & EXFLAG_KUSAGE) != 0 &&
           (X509_get_key_usage(ca) & KU_KEY_CERT_SIGN) != 0;
}

static enum ph_err check_cas(STACK_OF(X509) * cas, struct ph_error *error)
{
    int roots = 0;
    for (int i = 0; i < sk_X509_num(cas); i++) {
        X509 *ca = sk_X509_value(cas, i);
        if (!is_signing_ca(ca)) {
            char subject[PH_X509_NAME_BYTES];
            ph_x509_name_print(subject, sizeof subject, X509_get_subject_name(ca));
            return ph_error_set(error, PH_ERR_DENIED,
                "%s: certificate \"%s\": want a CA with keyCertSign", what_trusted, subject);
        }
        roots += X509_self_signed(ca, 1) == 1;
    }
    return roots > 0 ? PH_OK
                     : ph_error_set(error, PH_ERR_DENIED, "%s: no root (self-signed) among them",
                           what_trusted);
}

static size_t comment_len(const char *pem, size_t len)
{
    size_t at = 0;
    while (at < len && pem[at] == '#') {
        const char *line_end = memchr(pem + at, '\n', len - at);
        at = line_end != NULL ? (size_t)(line_end - pem) + 1 : len;
    }
    return at;
}

enum ph_err ph_renewed_check_roots(const char *pem, size_t len, struct ph_error *error)
{
    if (len > PH_LIMIT_BUNDLE_BYTES) {
        return ph_error_set(error, PH_ERR_LIMIT, "%s: want at most %d bytes, have %zu",
            what_trusted, PH_LIMIT_BUNDLE_BYTES, len);
    }
    ph_x509_errors_begin();
    size_t skip = comment_len(pem, len);
    STACK_OF(X509) *cas = sk_X509_new_null();
    enum ph_err err = cas != NULL ? read_blocks(pem + skip, len - skip, PH_LIMIT_ANCHOR_CAS, cas,
                                        what_trusted, error)
                                  : out_of_memory(what_trusted, error);
    if (err == PH_OK) {
        err = check_cas(cas, error);
    }
    sk_X509_pop_free(cas, X509_free);
    ph_x509_errors_end();
    return err;
}
