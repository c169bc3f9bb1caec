#include "x509/trust.h"

#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/text.h"
#include "x509/authority.h"
#include "x509/openssl.h"

static atomic_uint_least64_t next_id = 1;

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
        if (err == PH_OK && i > PH_LIMIT_ANCHOR_CAS) {
            err = ph_error_set(error, PH_ERR_LIMIT,
                "%s: more than %d CA certificates in anchor %s; make several anchors of them", path,
                PH_LIMIT_ANCHOR_CAS, trust->name);
        }
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
        err = ph_authorities_make(trust, error);
    }
    if (err == PH_OK) {
        err = ph_trust_load_crls(trust, anchor, error);
    }
    return err == PH_OK ? ph_authorities_judge(trust, error) : err;
}

uint64_t ph_trust_id(const struct ph_trust *trust)
{
    return trust->id;
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
    trust->id = atomic_fetch_add(&next_id, 1);
    trust->crl_required = anchor->crl_required;
    trust->crl_files = anchor->crl_file_count > 0;
    trust->grace_ms = (int64_t)anchor->crl_grace_s * 1000;
    trust->store = X509_STORE_new();
    trust->cas = sk_X509_new_null();
    if (trust->store == NULL || trust->cas == NULL) {
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
    for (size_t i = 0; i < (*trust)->authority_count; i++) {
        ph_revocations_free(&(*trust)->authorities[i].crl);
    }
    free((*trust)->authorities);
    free((*trust)->certificates);
    X509_STORE_free((*trust)->store);
    sk_X509_pop_free((*trust)->cas, X509_free);
    free(*trust);
    *trust = NULL;
}
