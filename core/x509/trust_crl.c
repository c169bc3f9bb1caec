#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/clock.h"
#include "x509/authority.h"

/* ---- one CRL ---- */

static bool may_sign_crls(const struct ph_trust *trust, size_t authority)
{
    for (size_t i = 0; i < trust->certificate_count; i++) {
        const struct ph_trust_certificate *certificate = &trust->certificates[i];
        if (certificate->authority == authority &&
            (X509_get_key_usage(certificate->x509) & KU_CRL_SIGN) != 0) {
            return true;
        }
    }
    return false;
}

/* Without the extension every certificate of the CA fits. */
static const char *key_identifier_fault(
    const struct ph_trust *trust, size_t authority, const X509_CRL *crl)
{
    int state = 0;
    AUTHORITY_KEYID *id = X509_CRL_get_ext_d2i(crl, NID_authority_key_identifier, &state, NULL);
    if (id == NULL) {
        return state == -1 ? NULL : "authorityKeyIdentifier: unreadable or repeated";
    }
    bool fits = false;
    for (size_t i = 0; !fits && i < trust->certificate_count; i++) {
        fits = trust->certificates[i].authority == authority &&
               X509_check_akid(trust->certificates[i].x509, id) == X509_V_OK;
    }
    AUTHORITY_KEYID_free(id);
    return fits ? NULL : "authorityKeyIdentifier: names another key than the one that signed it";
}

static const char *issuer_fault(const struct ph_trust *trust, size_t authority, const X509_CRL *crl)
{
    if (!may_sign_crls(trust, authority)) {
        return "its CA may not sign CRLs (keyUsage without cRLSign)";
    }
    return key_identifier_fault(trust, authority, crl);
}

static enum ph_err refuse(
    const X509_CRL *crl, const char *path, const char *fault, struct ph_error *error)
{
    char issuer[PH_X509_NAME_BYTES];
    ph_x509_name_print(issuer, sizeof issuer, X509_CRL_get_issuer(crl));
    return ph_error_set(error, PH_ERR_CONFIG, "%s: CRL of \"%s\": %s", path, issuer, fault);
}

/* Makes `crl`, which the authority signed, its CRL, unless it has a newer one. */
static enum ph_err keep_newest(
    struct ph_trust *trust, size_t index, X509_CRL *crl, const char *path, struct ph_error *error)
{
    struct ph_trust_authority *authority = &trust->authorities[index];
    struct ph_revocations *list = NULL;
    const char *fault = issuer_fault(trust, index, crl);
    enum ph_err err = fault == NULL ? ph_revocations_read(crl, path, &list, error)
                                    : refuse(crl, path, fault, error);
    if (err == PH_OK &&
        (authority->crl == NULL || ph_revocations_compare(list, authority->crl) > 0)) {
        struct ph_revocations *older = authority->crl;
        authority->crl = list;
        list = older;
    }
    ph_revocations_free(&list);
    return err;
}

/* Skips the CRL of a CA outside the anchor; refuses one that bears the name of a CA of the anchor
 * and another key's signature. */
static enum ph_err take_crl(
    struct ph_trust *trust, X509_CRL *crl, const char *path, bool *ours, struct ph_error *error)
{
    bool named = false;
    bool signed_by = false;
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < trust->authority_count; i++) {
        X509 *ca = trust->certificates[trust->authorities[i].certificate].x509;
        if (X509_NAME_cmp(X509_get_subject_name(ca), X509_CRL_get_issuer(crl)) != 0) {
            continue;
        }
        named = true;
        if (X509_CRL_verify(crl, X509_get0_pubkey(ca)) == 1) {
            signed_by = true;
            err = keep_newest(trust, i, crl, path, error);
        }
    }
    *ours = *ours || named;
    if (err == PH_OK && named && !signed_by) {
        err = refuse(crl, path, "not signed by the CA of that name in this anchor", error);
    }
    return err;
}

/* ---- files ---- */

static enum ph_err load_crl_file(struct ph_trust *trust, const char *path, struct ph_error *error)
{
    STACK_OF(X509_CRL) *crls = sk_X509_CRL_new_null();
    bool ours = false;
    enum ph_err err = crls != NULL ? ph_x509_crls_load(path, crls, error)
                                   : ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
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
static enum ph_err check_complete(const struct ph_trust *trust, struct ph_error *error)
{
    for (size_t i = 0; i < trust->authority_count; i++) {
        const struct ph_trust_authority *authority = &trust->authorities[i];
        if (authority->crl == NULL) {
            char subject[PH_X509_NAME_BYTES];
            ph_x509_name_print(subject, sizeof subject,
                X509_get_subject_name(trust->certificates[authority->certificate].x509));
            return ph_error_set(error, PH_ERR_CONFIG,
                "anchor %s: crl: no CRL of CA \"%s\": add its file, or set crl_required to false",
                trust->name, subject);
        }
    }
    return PH_OK;
}

enum ph_err ph_trust_load_crls(
    struct ph_trust *trust, const struct ph_anchor *anchor, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < anchor->crl_file_count; i++) {
        err = load_crl_file(trust, anchor->crl_files[i], error);
    }
    return err == PH_OK && anchor->crl_required ? check_complete(trust, error) : err;
}

/* ---- what is in force ---- */

size_t ph_trust_crl_count(const struct ph_trust *trust)
{
    size_t count = 0;
    for (size_t i = 0; i < trust->authority_count; i++) {
        count += trust->authorities[i].crl != NULL ? 1 : 0;
    }
    return count;
}

struct ph_crl_life ph_trust_crl_life(const struct ph_trust *trust, size_t index)
{
    struct ph_crl_life life = {.issuer = "", .number = ""};
    for (size_t i = 0; i < trust->authority_count; i++) {
        const struct ph_revocations *crl = trust->authorities[i].crl;
        if (crl != NULL && index-- == 0) {
            life = (struct ph_crl_life){.issuer = crl->issuer,
                .number = crl->number_text,
                .this_update_ms = crl->this_update_ms,
                .next_update_ms = crl->next_update_ms,
                .grace_ms = trust->grace_ms,
                .entries = crl->count};
            break;
        }
    }
    return life;
}

int64_t ph_trust_crl_expiry_ms(const struct ph_trust *trust)
{
    int64_t first_ms = INT64_MAX;
    for (size_t i = 0; i < trust->authority_count; i++) {
        const struct ph_revocations *crl = trust->authorities[i].crl;
        if (crl != NULL && crl->next_update_ms < first_ms) {
            first_ms = crl->next_update_ms;
        }
    }
    return first_ms;
}

enum ph_crl_stage ph_crl_stage(const struct ph_crl_life *life, int64_t now_ms)
{
    int64_t life_ms = life->next_update_ms - life->this_update_ms;
    if (now_ms >= life->next_update_ms + life->grace_ms) {
        return PH_CRL_CLOSED;
    }
    if (now_ms >= life->next_update_ms) {
        return PH_CRL_GRACE;
    }
    return now_ms >= life->next_update_ms - life_ms / 4 ? PH_CRL_AGEING : PH_CRL_FRESH;
}

/* ---- old and new ---- */

/* "number 12 of 2026-11-22T19:02:16.000Z" */
static void describe(char *out, size_t size, const struct ph_revocations *crl)
{
    char when[PH_UTC_BYTES];
    ph_utc_print(when, crl->this_update_ms);
    (void)snprintf(out, size, "number %s of %s", crl->numbered ? crl->number_text : "(none)", when);
}

static enum ph_err check_newer(const struct ph_trust *fresh, const struct ph_revocations *have,
    const struct ph_revocations *current, struct ph_error *error)
{
    char in_force[128];
    char offered[128];
    describe(in_force, sizeof in_force, current);
    if (have == NULL) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "anchor %s: crl: no CRL of CA \"%s\" any more, %s is in force: without it the revoked "
            "would come back; add the CA's current CRL",
            fresh->name, current->issuer, in_force);
    }
    describe(offered, sizeof offered, have);
    return ph_error_set(error, PH_ERR_CONFIG,
        "anchor %s: crl: CRL of \"%s\": older than the one in force: want %s or later, have %s: by "
        "it the revoked would come back; put the CA's current CRL in place",
        fresh->name, current->issuer, in_force, offered);
}

enum ph_err ph_trust_check_newer(
    const struct ph_trust *fresh, const struct ph_trust *current, struct ph_error *error)
{
    for (size_t i = 0; i < fresh->authority_count; i++) {
        const struct ph_revocations *have = fresh->authorities[i].crl;
        const struct ph_trust_authority *before =
            ph_trust_authority_find(current, fresh->authorities[i].id);
        if (before == NULL || before->crl == NULL) {
            continue;
        }
        bool lost = have == NULL && fresh->crl_files;
        if (lost || (have != NULL && ph_revocations_compare(have, before->crl) < 0)) {
            return check_newer(fresh, have, before->crl, error);
        }
    }
    return PH_OK;
}
