#include "broker-plugin/authn.h"

#include <string.h>

#include "base/text.h"

/* Who presents what, and what is remembered of it. */
struct claim {
    const struct ph_certificate *certificate;
    const struct ph_memory *memory;
    int64_t now_ms;
};

/* True when this very certificate passed this very anchor before, at no later time, and nothing has
 * changed since: no CRL has run out, and neither it nor its CAs are revoked or expired. */
static bool is_known(const struct claim *claim, const struct ph_anchor *anchor,
    const struct ph_trust *trust, struct ph_authn *out)
{
    struct ph_identity identity;
    struct ph_known known;
    if (claim->memory == NULL ||
        ph_certificate_identity_by(claim->certificate, anchor, &identity, NULL) != PH_OK ||
        !claim->memory->find(claim->memory->context, &identity, &known) ||
        strcmp(known.fingerprint, out->facts.fingerprint) != 0 ||
        known.trust_id != ph_trust_id(trust) || claim->now_ms < known.verified_ms ||
        claim->now_ms >= ph_trust_crl_expiry_ms(trust) ||
        ph_trust_recheck(trust, known.voucher, claim->now_ms, NULL, NULL) != PH_OK) {
        return false;
    }
    out->voucher = *known.voucher;
    out->trust_id = known.trust_id;
    out->verified_ms = known.verified_ms;
    return true;
}

static enum ph_err check_chain(const struct claim *claim, const struct ph_trust *trust,
    struct ph_authn *out, enum ph_chain_fault *fault, struct ph_error *error)
{
    out->trust_id = ph_trust_id(trust);
    out->verified_ms = claim->now_ms;
    return ph_trust_check(
        trust, claim->certificate, PH_USAGE_CLIENT, claim->now_ms, &out->voucher, fault, error);
}

/* The anchors that know the issuer are asked in order; the first whose chain holds vouches for the
 * certificate. When none holds, the first one's reason is the one to report, and that anchor is the
 * one by which the certificate's names are read for the log. */
static enum ph_err find_anchor(const struct ph_state *state, const struct claim *claim,
    struct ph_authn *out, const struct ph_anchor **anchor, struct ph_error *error)
{
    struct ph_error first = {0};
    enum ph_chain_fault fault = PH_CHAIN_UNKNOWN_CA;
    *anchor = NULL;
    for (size_t i = 0; i < state->policy->anchor_count; i++) {
        const struct ph_anchor *asked = &state->policy->anchors[i];
        const struct ph_trust *trust = state->trusts[i];
        enum ph_chain_fault found = PH_CHAIN_GOOD;
        if (!ph_trust_names_issuer(trust, claim->certificate)) {
            continue;
        }
        if (is_known(claim, asked, trust, out) ||
            check_chain(claim, trust, out, &found, &first) == PH_OK) {
            *anchor = asked;
            return PH_OK;
        }
        if (*anchor == NULL) {
            *anchor = asked;
            fault = found;
        }
        if (found == PH_CHAIN_REVOKED) { /* by its issuer: no other anchor makes that undone */
            break;
        }
    }
    out->reason = ph_reason_of_chain(fault);
    if (first.code != PH_OK) {
        return ph_error_set(error, first.code, "%s", first.message);
    }
    return ph_error_set(error, PH_ERR_DENIED,
        "certificate: issued by an unknown CA: no anchor of the policy has it");
}

enum ph_err ph_authn_identity(const struct ph_policy *policy, const struct ph_identity *identity,
    const char *subject, struct ph_authn *out, struct ph_error *error)
{
    const struct ph_role *role = NULL;
    out->identity = *identity;
    enum ph_err err = ph_policy_role_find(policy, identity, subject, &role, error);
    if (err == PH_OK) {
        out->role = role;
        ph_user_name_print(out->user_name, sizeof out->user_name, role->name, identity);
    } else {
        out->reason = PH_REASON_NO_ROLE;
    }
    return err;
}

static enum ph_reason denied_by(enum ph_reason reason, const char *what,
    const struct ph_deny_place *place, struct ph_error *error)
{
    (void)ph_error_set(error, PH_ERR_DENIED,
        "%s:%zu: the list denies %s; to let it in, remove the line", place->file, place->line,
        what);
    return reason;
}

enum ph_reason ph_authn_denied(
    const struct ph_deny_list *deny, const struct ph_denial_query *query, struct ph_error *error)
{
    struct ph_deny_place place;
    if (ph_deny_has_identity(deny, query->identity, &place)) {
        return denied_by(PH_REASON_DENIED_IDENTITY, "this identity", &place, error);
    }
    if (ph_deny_has_serial(deny, query->serial, query->issuer, &place)) {
        return denied_by(PH_REASON_DENIED_SERIAL, "this certificate", &place, error);
    }
    if (ph_deny_has_key(deny, query->key_hash, &place)) {
        return denied_by(PH_REASON_DENIED_KEY, "this key", &place, error);
    }
    return PH_REASON_NONE;
}

/* Names that nobody has vouched for, for the log. */
static void read_claim(const struct ph_certificate *certificate, const struct ph_anchor *anchor,
    struct ph_identity *out)
{
    if ((anchor != NULL ? ph_certificate_identity_by(certificate, anchor, out, NULL)
                        : ph_certificate_identity(certificate, out, NULL)) != PH_OK) {
        *out = (struct ph_identity){0};
    }
}

static enum ph_err check_lists(
    const struct ph_deny_list *deny, struct ph_authn *out, struct ph_error *error)
{
    const struct ph_denial_query query = {.identity = &out->identity,
        .serial = out->facts.serial,
        .issuer = out->facts.issuer,
        .key_hash = out->facts.key_hash};
    out->reason = ph_authn_denied(deny, &query, error);
    out->quarantined = ph_deny_has_quarantined(deny, &out->identity, NULL);
    return out->reason == PH_REASON_NONE ? PH_OK : PH_ERR_DENIED;
}

static enum ph_err verify(const struct ph_state *state, const struct claim *claim,
    struct ph_authn *out, struct ph_error *error)
{
    const struct ph_anchor *anchor = NULL;
    enum ph_err err = find_anchor(state, claim, out, &anchor, error);
    if (err != PH_OK) {
        read_claim(claim->certificate, anchor, &out->identity);
        return err;
    }
    err = ph_certificate_identity_by(claim->certificate, anchor, &out->identity, error);
    out->reason = err == PH_OK ? PH_REASON_NONE : PH_REASON_IDENTITY;
    out->verified = err == PH_OK;
    return err;
}

enum ph_err ph_authn_certificate(const struct ph_state *state,
    const struct ph_certificate *certificate, int64_t now_ms, const struct ph_memory *memory,
    struct ph_authn *out, struct ph_error *error)
{
    const struct claim claim = {.certificate = certificate, .memory = memory, .now_ms = now_ms};
    out->reason = PH_REASON_PROFILE;
    enum ph_err err = ph_certificate_facts(certificate, &out->facts, error);
    if (err == PH_OK) {
        err = ph_certificate_check_profile(certificate, PH_USAGE_CLIENT, error);
    }
    if (err != PH_OK) {
        read_claim(certificate, NULL, &out->identity);
        return err;
    }
    err = verify(state, &claim, out, error);
    if (err == PH_OK) {
        err = check_lists(state->deny, out, error);
    }
    if (err == PH_OK) {
        const struct ph_identity identity = out->identity;
        ph_certificate_subject(certificate, out->subject);
        err = ph_authn_identity(state->policy, &identity, out->subject, out, error);
    }
    return err;
}

enum ph_err ph_authn_connect(const struct ph_state *state, const struct ph_certificate *certificate,
    const char *client_id, int64_t now_ms, const struct ph_memory *memory, struct ph_authn *out,
    struct ph_error *error)
{
    *out = (struct ph_authn){0};
    if (certificate == NULL) {
        out->reason = PH_REASON_NO_CERTIFICATE;
        return ph_error_set(error, PH_ERR_DENIED, "certificate: the client presented none");
    }
    enum ph_err err = ph_authn_certificate(state, certificate, now_ms, memory, out, error);
    if (err == PH_OK && (err = ph_role_check_client_id(out->role, &out->identity,
                             client_id != NULL ? client_id : "", error)) != PH_OK) {
        out->reason = PH_REASON_CLIENT_ID;
    }
    if (err != PH_OK) {
        out->user_name[0] = '\0';
    }
    return err;
}
