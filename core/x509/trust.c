#include "x509/trust.h"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "x509/openssl.h"

static enum ph_err out_of_memory(struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_MEMORY, "trust anchor: out of memory");
}

/* ---- CA certificates ---- */

static enum ph_err check_ca(X509 *ca, const char *path, struct ph_error *error)
{
    const char *rule = NULL;
    if (X509_check_ca(ca) != 1) {
        rule = "want a CA (basicConstraints CA:TRUE)";
    } else if ((X509_get_extension_flags(ca) & EXFLAG_KUSAGE) == 0 ||
               (X509_get_key_usage(ca) & KU_KEY_CERT_SIGN) == 0) {
        rule = "want keyUsage with keyCertSign";
    }
    if (rule == NULL) {
        return PH_OK;
    }
    char subject[PH_X509_NAME_BYTES];
    ph_x509_name_print(subject, sizeof subject, X509_get_subject_name(ca));
    return ph_error_set(error, PH_ERR_CONFIG, "%s: certificate \"%s\": %s", path, subject, rule);
}

static bool known(STACK_OF(X509) * cas, const X509 *ca, int before)
{
    for (int i = 0; i < before; i++) {
        if (X509_cmp(sk_X509_value(cas, i), ca) == 0) {
            return true;
        }
    }
    return false;
}

/* Loads one file; certificates that an earlier file had already are dropped. */
static enum ph_err load_ca_file(struct ph_trust *trust, const char *path, struct ph_error *error)
{
    int i = sk_X509_num(trust->cas);
    enum ph_err err = ph_x509_certificates_load(path, trust->cas, error);
    while (err == PH_OK && i < sk_X509_num(trust->cas)) {
        X509 *ca = sk_X509_value(trust->cas, i);
        if (known(trust->cas, ca, i)) {
            X509_free(sk_X509_delete(trust->cas, i));
            continue;
        }
        err = check_ca(ca, path, error);
        i++;
    }
    return err;
}

static enum ph_err add_roots(struct ph_trust *trust, struct ph_error *error)
{
    int roots = 0;
    for (int i = 0; i < sk_X509_num(trust->cas); i++) {
        X509 *ca = sk_X509_value(trust->cas, i);
        if (X509_self_signed(ca, 1) != 1) {
            continue;
        }
        if (X509_STORE_add_cert(trust->store, ca) != 1) {
            return out_of_memory(error);
        }
        roots++;
    }
    return roots > 0 ? PH_OK
                     : ph_error_set(error, PH_ERR_CONFIG,
                           "anchor %s: ca: no root among the CA files: add the self-signed one",
                           trust->name);
}

/* ---- CRLs ---- */

static const char *crl_fault(const X509_CRL *crl)
{
    if (X509_CRL_get0_nextUpdate(crl) == NULL) {
        return "want nextUpdate";
    }
    if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0) {
        return "want a whole CRL, have a delta CRL";
    }
    if (X509_CRL_get_ext_by_NID(crl, NID_issuing_distribution_point, -1) >= 0) {
        return "want a CRL over all certificates of its CA, have one limited by "
               "issuingDistributionPoint";
    }
    return NULL;
}

/* As strcmp() says it; a CRL without a number comes before all that have one. */
static int compare_numbers(const X509_CRL *a, const X509_CRL *b)
{
    ASN1_INTEGER *a_number = X509_CRL_get_ext_d2i(a, NID_crl_number, NULL, NULL);
    ASN1_INTEGER *b_number = X509_CRL_get_ext_d2i(b, NID_crl_number, NULL, NULL);
    int order = (a_number != NULL ? 1 : 0) - (b_number != NULL ? 1 : 0);
    if (a_number != NULL && b_number != NULL) {
        order = ASN1_INTEGER_cmp(a_number, b_number);
    }
    ASN1_INTEGER_free(a_number);
    ASN1_INTEGER_free(b_number);
    return order;
}

/* By CRLNumber, then by thisUpdate. Of two that are equal in both, which their CA should never have
 * made, the longer one: never by their order in the files. */
static bool is_newer(X509_CRL *crl, X509_CRL *other)
{
    int order = compare_numbers(crl, other);
    if (order == 0) {
        order = ASN1_TIME_compare(X509_CRL_get0_lastUpdate(crl), X509_CRL_get0_lastUpdate(other));
    }
    if (order == 0) {
        order = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)) -
                sk_X509_REVOKED_num(X509_CRL_get_REVOKED(other));
    }
    return order > 0;
}

/* Makes `crl` the CRL of the CA at `index`, unless that CA has a newer one. */
static void keep_newest(struct ph_trust *trust, int index, X509_CRL *crl)
{
    X509_CRL *other = sk_X509_CRL_value(trust->crls, index);
    if (other == NULL || is_newer(crl, other)) {
        X509_CRL_up_ref(crl);
        (void)sk_X509_CRL_set(trust->crls, index, crl);
        X509_CRL_free(other);
    }
}

/* Skips the CRL of a CA outside the anchor; refuses one that bears the name of a CA of the anchor
 * and another key's signature. */
static enum ph_err take_crl(
    struct ph_trust *trust, X509_CRL *crl, const char *path, bool *ours, struct ph_error *error)
{
    bool named = false;
    bool signed_by = false;
    const char *fault = crl_fault(crl);
    for (int i = 0; i < sk_X509_num(trust->cas); i++) {
        X509 *ca = sk_X509_value(trust->cas, i);
        if (X509_NAME_cmp(X509_get_subject_name(ca), X509_CRL_get_issuer(crl)) != 0) {
            continue;
        }
        named = true;
        if (X509_CRL_verify(crl, X509_get0_pubkey(ca)) == 1) {
            signed_by = true;
            keep_newest(trust, i, crl);
        }
    }
    if (!named) {
        return PH_OK;
    }
    *ours = true;
    if (!signed_by) {
        fault = "not signed by the CA of that name in this anchor";
    }
    if (fault == NULL) {
        return PH_OK;
    }
    char issuer[PH_X509_NAME_BYTES];
    ph_x509_name_print(issuer, sizeof issuer, X509_CRL_get_issuer(crl));
    return ph_error_set(error, PH_ERR_CONFIG, "%s: CRL of \"%s\": %s", path, issuer, fault);
}

static enum ph_err load_crl_file(struct ph_trust *trust, const char *path, struct ph_error *error)
{
    STACK_OF(X509_CRL) *crls = sk_X509_CRL_new_null();
    bool ours = false;
    enum ph_err err = crls != NULL ? ph_x509_crls_load(path, crls, error) : out_of_memory(error);
    for (int i = 0; err == PH_OK && i < sk_X509_CRL_num(crls); i++) {
        err = take_crl(trust, sk_X509_CRL_value(crls, i), path, &ours, error);
    }
    if (err == PH_OK && !ours) {
        err = ph_error_set(error, PH_ERR_CONFIG,
            "%s: no CRL of anchor %s: every one is signed by another CA", path, trust->name);
    }
    sk_X509_CRL_pop_free(crls, X509_CRL_free);
    return err;
}

/* Every CA, whatever its level, must have its CRL where that is required. */
static enum ph_err check_crls_complete(const struct ph_trust *trust, struct ph_error *error)
{
    for (int i = 0; i < sk_X509_num(trust->cas); i++) {
        if (sk_X509_CRL_value(trust->crls, i) == NULL) {
            char subject[PH_X509_NAME_BYTES];
            ph_x509_name_print(
                subject, sizeof subject, X509_get_subject_name(sk_X509_value(trust->cas, i)));
            return ph_error_set(error, PH_ERR_CONFIG,
                "anchor %s: crl: no CRL of CA \"%s\": add its file, or set crl_required to false",
                trust->name, subject);
        }
    }
    return PH_OK;
}

/* One empty place for each CA. */
static enum ph_err make_crl_places(struct ph_trust *trust, struct ph_error *error)
{
    while (sk_X509_CRL_num(trust->crls) < sk_X509_num(trust->cas)) {
        if (sk_X509_CRL_push(trust->crls, NULL) <= 0) {
            return out_of_memory(error);
        }
    }
    return PH_OK;
}

static enum ph_err add_crls(struct ph_trust *trust, struct ph_error *error)
{
    for (int i = 0; i < sk_X509_CRL_num(trust->crls); i++) {
        X509_CRL *crl = sk_X509_CRL_value(trust->crls, i);
        if (crl == NULL) {
            continue;
        }
        int64_t next_ms = 0;
        enum ph_err err =
            ph_x509_time_ms(X509_CRL_get0_nextUpdate(crl), "CRL nextUpdate", &next_ms, error);
        if (err != PH_OK) {
            return err;
        }
        trust->crl_expiry_ms = next_ms < trust->crl_expiry_ms ? next_ms : trust->crl_expiry_ms;
        if (X509_STORE_add_crl(trust->store, crl) != 1) {
            return out_of_memory(error);
        }
    }
    return PH_OK;
}

/* ---- life ---- */

static enum ph_err load_files(
    struct ph_trust *trust, const struct ph_anchor *anchor, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < anchor->ca_file_count; i++) {
        err = load_ca_file(trust, anchor->ca_files[i], error);
    }
    if (err == PH_OK) {
        err = add_roots(trust, error);
    }
    if (err == PH_OK) {
        err = make_crl_places(trust, error);
    }
    for (size_t i = 0; err == PH_OK && i < anchor->crl_file_count; i++) {
        err = load_crl_file(trust, anchor->crl_files[i], error);
    }
    if (err == PH_OK && anchor->crl_required) {
        err = check_crls_complete(trust, error);
    }
    return err == PH_OK ? add_crls(trust, error) : err;
}

enum ph_err ph_trust_load(
    const struct ph_anchor *anchor, struct ph_trust **out, struct ph_error *error)
{
    struct ph_trust *trust = calloc(1, sizeof *trust);
    if (trust == NULL) {
        return out_of_memory(error);
    }
    enum ph_err err = PH_OK;
    ph_x509_errors_begin();
    trust->crl_required = anchor->crl_required;
    trust->crl_expiry_ms = INT64_MAX;
    trust->store = X509_STORE_new();
    trust->cas = sk_X509_new_null();
    trust->crls = sk_X509_CRL_new_null();
    if (trust->store == NULL || trust->cas == NULL || trust->crls == NULL) {
        err = out_of_memory(error);
    } else if (anchor->name == NULL ||
               !ph_text_copy(trust->name, sizeof trust->name, anchor->name)) {
        err = ph_error_set(error, PH_ERR_CONFIG, "anchor: name missing or too long");
    } else {
        err = load_files(trust, anchor, error);
    }
    if (err == PH_OK) {
        *out = trust;
        trust = NULL;
    }
    ph_trust_free(&trust);
    ph_x509_errors_end();
    return err;
}

void ph_trust_free(struct ph_trust **trust)
{
    if (trust == NULL || *trust == NULL) {
        return;
    }
    X509_STORE_free((*trust)->store);
    sk_X509_pop_free((*trust)->cas, X509_free);
    sk_X509_CRL_pop_free((*trust)->crls, X509_CRL_free);
    free(*trust);
    *trust = NULL;
}

int64_t ph_trust_crl_expiry_ms(const struct ph_trust *trust)
{
    return trust->crl_expiry_ms;
}
