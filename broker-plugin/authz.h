/* What a client may do, from its user name alone: the one piece of state that the broker has in
 * every check, also for offline sessions, restored ones and wills. No allocation, no file, time
 * linear in the topic, the role's templates, and the policy's anchors (with the tenants and kinds
 * that they list) and roles. */
#ifndef PH_BROKER_PLUGIN_AUTHZ_H
#define PH_BROKER_PLUGIN_AUTHZ_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "domain/policy.h"

/* PH_OK when the role that the user name says may do this under the policy in force. Refused as
 * well: a user name that is not the plugin's, and one whose identity fills another role by now. */
enum ph_err ph_authz_check(const struct ph_policy *policy, const char *user_name,
    enum ph_action action, const char *topic, struct ph_error *error) PH_NODISCARD;

/* PH_ERR_LIMIT when the payload is larger than the role may send. */
enum ph_err ph_authz_check_payload(const struct ph_policy *policy, const char *user_name,
    size_t payload_bytes, struct ph_error *error) PH_NODISCARD;

/* User properties that begin with "ph-" are written by the plugin only. */
bool ph_authz_property_reserved(const char *name);

#endif
