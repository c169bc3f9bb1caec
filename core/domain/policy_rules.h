/* Parts of ph_policy_validate(). Private to this folder. */
#ifndef PH_DOMAIN_POLICY_RULES_H
#define PH_DOMAIN_POLICY_RULES_H

#include "domain/policy.h"

/* All rules of the anchor with this index. PH_ERR_CONFIG. */
enum ph_err ph_policy_check_anchor(
    const struct ph_policy *policy, size_t index, struct ph_error *error) PH_NODISCARD;

/* The rules of what a role grants: lists of templates, wills, status, limits. Messages begin with
 * the field, so that they hold for a role and for the quarantine. PH_ERR_CONFIG. */
enum ph_err ph_policy_check_grants(const struct ph_role *role, struct ph_error *error) PH_NODISCARD;

#endif
