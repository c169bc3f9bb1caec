#include "broker-plugin/authn.h"

#include <string.h>

#include "base/text.h"

/* The anchors that know the issuer are asked in order; the first whose chain holds vouches for the
 * certificate. When none holds, the first one's reason is the one to report. */
static enum ph_err find_anchor(const struct ph_state *state,
    const struct ph_certificate *certificate, int64_t now_ms, const struct ph_anchor **out,
    struct ph_error *error)
{
    struct ph_error first = {0};
    for (size_t i = 0; i < state->policy->anchor_count; i++) {
        const struct ph_trust *trust = state->trusts[i];
        if (!ph_trust_names_issuer(trust, certificate)) {
            continue;
        }
        if (ph_trust_check(trust, certificate, PH_USAGE_CLIENT, now_ms, &first) == PH_OK) {
            *out = &state->policy->anchors[i];
            return PH_OK;
        }
    }
    if (first.code != PH_OK) {
        return ph_error_set(error, first.code, "%s", first.message);
    }
    return ph_error_set(error, PH_ERR_DENIED,
        "certificate: issued by an unknown CA: no anchor of the policy has it");
}

enum ph_err ph_authn_identity(const struct ph_policy *policy, const struct ph_identity *identity,
    struct ph_authn *out, struct ph_error *error)
{
    const struct ph_role *role = NULL;
    out->identity = *identity;
    enum ph_err err = ph_policy_role_find(policy, identity, &role, error);
    if (err == PH_OK) {
        out->role = role;
        ph_user_name_print(out->user_name, sizeof out->user_name, role->name, identity);
    }
    return err;
}

enum ph_err ph_authn_certificate(const struct ph_state *state,
    const struct ph_certificate *certificate, int64_t now_ms, struct ph_authn *out,
    struct ph_error *error)
{
    const struct ph_anchor *anchor = NULL;
    struct ph_identity identity = {0};
    enum ph_err err = ph_certificate_facts(certificate, &out->facts, error);
    if (err == PH_OK) {
        err = ph_certificate_identity(certificate, &out->identity, error);
    }
    if (err == PH_OK) {
        err = ph_certificate_check_profile(certificate, PH_USAGE_CLIENT, error);
    }
    if (err == PH_OK) {
        err = find_anchor(state, certificate, now_ms, &anchor, error);
    }
    if (err != PH_OK) {
        return err;
    }
    identity = out->identity;
    if (!ph_text_copy(identity.anchor, sizeof identity.anchor, anchor->name)) {
        return ph_error_set(error, PH_ERR_INTERNAL, "anchor %s: name too long", anchor->name);
    }
    return ph_authn_identity(state->policy, &identity, out, error);
}

enum ph_err ph_authn_connect(const struct ph_state *state, const struct ph_certificate *certificate,
    const char *client_id, int64_t now_ms, struct ph_authn *out, struct ph_error *error)
{
    *out = (struct ph_authn){0};
    if (certificate == NULL) {
        return ph_error_set(error, PH_ERR_DENIED, "certificate: the client presented none");
    }
    enum ph_err err = ph_authn_certificate(state, certificate, now_ms, out, error);
    if (err == PH_OK) {
        err = ph_role_check_client_id(
            out->role, &out->identity, client_id != NULL ? client_id : "", error);
    }
    if (err != PH_OK) {
        out->user_name[0] = '\0';
    }
    return err;
}
