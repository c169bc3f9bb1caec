/* What the files of policy_lint share. Private to this folder. */
#ifndef PH_DOMAIN_POLICY_LINT_RULES_H
#define PH_DOMAIN_POLICY_LINT_RULES_H

#include "domain/policy_lint.h"

enum ph_finding {
    PH_FINDING_UNREACHABLE_ROLE,
    PH_FINDING_NO_CRL,
    PH_FINDING_BROAD_GRANT,
    PH_FINDING_SHARED_PUBLISH,
    PH_FINDING_FOREIGN_SUBSCRIBE,
    PH_FINDING_FOREIGN_TENANT,
    PH_FINDING_WILL_BESIDE_STATUS,
    PH_FINDING_STATUS_WITHOUT_WILL,
    PH_FINDING_NO_LIMITS,
    PH_FINDING_UNUSED_ANCHOR,
    PH_FINDING_NO_QUARANTINE,
    PH_FINDING_COUNT,
};

struct ph_lint_run {
    const struct ph_policy *policy;
    void (*found)(void *context, const struct ph_lint *finding);
    void *context;
};

/* Tells a finding, unless its role accepts it. `role` NULL: about the whole policy. */
void ph_lint_report(const struct ph_lint_run *lint, const struct ph_role *role,
    enum ph_finding finding, const char *format, ...) PH_PRINTF(4, 5);

/* The pattern that the role's tenants (kinds) are known by: its match's, or the only one that its
 * anchor speaks for. */
const char *ph_lint_tenant(const struct ph_policy *policy, const struct ph_role *role);
const char *ph_lint_kind(const struct ph_policy *policy, const struct ph_role *role);

/* True for a pattern that more than one name can hold. */
bool ph_lint_is_open(const char *pattern);

/* The findings about a role's templates. */
void ph_lint_topics(const struct ph_lint_run *lint, const struct ph_role *role);

#endif
