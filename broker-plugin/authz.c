#include "broker-plugin/authz.h"

#include <string.h>

#include "format/provenance.h"

static enum ph_err refused(enum ph_reason *reason, enum ph_reason why, enum ph_err err)
{
    if (reason != NULL) {
        *reason = why;
    }
    return err;
}

enum ph_err ph_authz_standing(const struct ph_state *state, const char *user_name,
    struct ph_identity *identity, struct ph_standing *out, enum ph_reason *reason,
    struct ph_error *error)
{
    char role[PH_SEGMENT_BYTES];
    struct ph_deny_place place;
    if (user_name == NULL) {
        return refused(reason, PH_REASON_USER_NAME,
            ph_error_set(error, PH_ERR_DENIED, "user name: want one set by the plugin, have none"));
    }
    if (ph_user_name_parse(user_name, role, identity, error) != PH_OK) {
        return refused(reason, PH_REASON_USER_NAME, PH_ERR_DENIED);
    }
    if (ph_deny_has_identity(state->deny, identity, &place)) {
        return refused(reason, PH_REASON_DENIED_IDENTITY,
            ph_error_set(error, PH_ERR_DENIED, "%s:%zu: the list denies this identity", place.file,
                place.line));
    }
    out->identity = identity;
    out->quarantined = ph_deny_has_quarantined(state->deny, identity, NULL);
    if (ph_policy_role_keep(state->policy, identity, role, &out->role, NULL) == PH_OK) {
        return PH_OK;
    }
    return refused(reason, PH_REASON_NO_ROLE,
        ph_policy_role_by_names(state->policy, identity, &out->role, error));
}

const char *ph_authz_allows(const struct ph_policy *policy, const struct ph_standing *standing,
    enum ph_action action, const char *topic)
{
    return topic != NULL ? ph_policy_allows(policy, standing->role, standing->quarantined,
                               standing->identity, action, topic)
                         : NULL;
}

enum ph_reason ph_authz_refusal(const struct ph_standing *standing, enum ph_action action,
    const char *topic, struct ph_error *error)
{
    const char *shown = topic != NULL ? topic : "";
    if (standing->quarantined && topic != NULL &&
        ph_role_allows(standing->role, standing->identity, action, topic) != NULL) {
        (void)ph_error_set(error, PH_ERR_DENIED,
            "quarantine: \"%s\" of \"%.512s\" is not among what it keeps", ph_action_name(action),
            shown);
        return PH_REASON_QUARANTINE;
    }
    (void)ph_error_set(error, PH_ERR_DENIED, "role \"%s\": no \"%s\" template allows \"%.512s\"",
        standing->role->name, ph_action_name(action), shown);
    return PH_REASON_TOPIC;
}

bool ph_authz_property_reserved(const char *name)
{
    return strncmp(name, PH_PROPERTY_PREFIX, strlen(PH_PROPERTY_PREFIX)) == 0;
}
