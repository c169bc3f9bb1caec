/* What a valid policy may still get wrong: findings for people, each with a name that a role can
 * list under "accept" when it is meant so. */
#ifndef PH_DOMAIN_POLICY_LINT_H
#define PH_DOMAIN_POLICY_LINT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "domain/policy.h"

/* One finding. */
struct ph_lint {
    const char *name; /* such as "shared-publish"; static */
    const char *role; /* borrowed from the policy; NULL: about the policy as a whole */
    char text[512];   /* "role \"x\": publish: \"...\": <what it means, what to write instead>" */
};

/* Calls `found` for each finding that its role does not accept, in the order of the roles. */
void ph_policy_lint(const struct ph_policy *policy,
    void (*found)(void *context, const struct ph_lint *finding), void *context);

/* True for the name of a finding. */
bool ph_lint_known(const char *name);

#endif
