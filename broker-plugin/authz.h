/* What a client may do: by its standing, which follows from its user name alone, the one piece of
 * state that the broker has in every check, also for offline sessions, restored ones and wills. */
#ifndef PH_BROKER_PLUGIN_AUTHZ_H
#define PH_BROKER_PLUGIN_AUTHZ_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "broker-plugin/reason.h"
#include "broker-plugin/state.h"
#include "domain/policy.h"

/* Borrowed from the state, and from whoever has the identity. */
struct ph_standing {
    const struct ph_identity *identity;
    const struct ph_role *role;
    bool quarantined;
};

/* The standing of a user name under the state in force: its role, or the role that the policy now
 * gives its identity; PH_ERR_DENIED, with the reason, for a user name that is not the plugin's, an
 * identity that a list denies, and one without a role. No allocation; time linear in the policy's
 * anchors (with the tenants and kinds that they list) and roles. `reason` may be NULL. */
enum ph_err ph_authz_standing(const struct ph_state *state, const char *user_name,
    struct ph_identity *identity, struct ph_standing *out, enum ph_reason *reason,
    struct ph_error *error) PH_NODISCARD;

/* The template of the role that allows this; NULL when none does. No allocation; time linear in the
 * topic and the role's templates. */
const char *ph_authz_allows(const struct ph_policy *policy, const struct ph_standing *standing,
    enum ph_action action, const char *topic);

/* Why ph_authz_allows() said no: its sentence in *error. */
enum ph_reason ph_authz_refusal(const struct ph_standing *standing, enum ph_action action,
    const char *topic, struct ph_error *error);

/* User properties that begin with "ph-" are written by the plugin only. */
bool ph_authz_property_reserved(const char *name);

#endif
