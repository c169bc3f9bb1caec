#include "domain/policy_lint.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "domain/policy_lint_rules.h"

static const char *const names[PH_FINDING_COUNT] = {
    [PH_FINDING_UNREACHABLE_ROLE] = "unreachable-role",
    [PH_FINDING_NO_CRL] = "no-crl",
    [PH_FINDING_BROAD_GRANT] = "broad-grant",
    [PH_FINDING_SHARED_PUBLISH] = "shared-publish",
    [PH_FINDING_FOREIGN_SUBSCRIBE] = "foreign-subscribe",
    [PH_FINDING_FOREIGN_TENANT] = "foreign-tenant",
    [PH_FINDING_WILL_BESIDE_STATUS] = "will-beside-status",
    [PH_FINDING_STATUS_WITHOUT_WILL] = "status-without-will",
    [PH_FINDING_NO_LIMITS] = "no-limits",
    [PH_FINDING_UNUSED_ANCHOR] = "unused-anchor",
    [PH_FINDING_NO_QUARANTINE] = "no-quarantine",
};

bool ph_lint_known(const char *name)
{
    for (size_t i = 0; i < PH_FINDING_COUNT; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool accepts(const struct ph_role *role, const char *name)
{
    for (size_t i = 0; role != NULL && i < role->accept_count; i++) {
        if (strcmp(role->accept[i], name) == 0) {
            return true;
        }
    }
    return false;
}

void ph_lint_report(const struct ph_lint_run *lint, const struct ph_role *role,
    enum ph_finding finding, const char *format, ...)
{
    struct ph_lint out = {.name = names[finding], .role = role != NULL ? role->name : NULL};
    int used = 0;
    if (accepts(role, out.name)) {
        return;
    }
    if (role != NULL) {
        used = snprintf(out.text, sizeof out.text, "role \"%.64s\": ", role->name);
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(out.text + used, sizeof out.text - (size_t)used, format, args);
    va_end(args);
    lint->found(lint->context, &out);
}

const char *ph_lint_tenant(const struct ph_policy *policy, const struct ph_role *role)
{
    const struct ph_anchor *anchor = ph_policy_anchor(policy, role->match.anchor);
    return anchor->tenant_count == 1 ? anchor->tenants[0] : role->match.tenant;
}

const char *ph_lint_kind(const struct ph_policy *policy, const struct ph_role *role)
{
    const struct ph_anchor *anchor = ph_policy_anchor(policy, role->match.anchor);
    return anchor->kind_count == 1 ? anchor->kinds[0] : role->match.kind;
}

bool ph_lint_is_open(const char *pattern)
{
    return pattern == NULL || strchr(pattern, '*') != NULL;
}

/* Whether all that `inner` says is what `outer` says. */
static bool covers(const char *outer, const char *inner)
{
    return outer == NULL || ph_pattern_holds(outer, inner != NULL ? inner : "*");
}

static bool covers_subject(const struct ph_role_match *outer, const struct ph_role_match *inner)
{
    size_t held = 0;
    for (size_t i = 0; i < outer->subject_count; i++) {
        for (size_t k = 0; k < inner->subject_count; k++) {
            held += strcmp(outer->subject[i].attribute, inner->subject[k].attribute) == 0 &&
                    covers(outer->subject[i].pattern, inner->subject[k].pattern);
        }
    }
    return held == outer->subject_count;
}

static bool covers_role(
    const struct ph_policy *policy, const struct ph_role *outer, const struct ph_role *inner)
{
    return covers(outer->match.device, inner->match.device) &&
           strcmp(outer->match.anchor, inner->match.anchor) == 0 &&
           covers(outer->match.kind, ph_lint_kind(policy, inner)) &&
           covers(outer->match.tenant, ph_lint_tenant(policy, inner)) &&
           covers_subject(&outer->match, &inner->match);
}

static bool some_hold(const char *pattern, char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ph_pattern_holds(pattern, list[i])) {
            return true;
        }
    }
    return count == 0;
}

/* An exact kind that another anchor lists is closed to an anchor without a list. */
static bool is_closed_kind(
    const struct ph_policy *policy, const struct ph_anchor *anchor, const char *kind)
{
    if (ph_lint_is_open(kind) || anchor->kind_count > 0) {
        return false;
    }
    for (size_t i = 0; i < policy->anchor_count; i++) {
        const struct ph_anchor *other = &policy->anchors[i];
        if (other->kind_count > 0 && some_hold(kind, other->kinds, other->kind_count)) {
            return true;
        }
    }
    return false;
}

/* True, and reported, when nobody can fill the role. */
static bool check_reachable(const struct ph_lint_run *lint, const struct ph_role *role)
{
    const struct ph_anchor *anchor = ph_policy_anchor(lint->policy, role->match.anchor);
    if (!some_hold(role->match.tenant, anchor->tenants, anchor->tenant_count) ||
        !some_hold(role->match.kind, anchor->kinds, anchor->kind_count) ||
        is_closed_kind(lint->policy, anchor, role->match.kind)) {
        ph_lint_report(lint, role, PH_FINDING_UNREACHABLE_ROLE,
            "anchor \"%s\" may not speak for the tenant or kind that it matches; see \"tenants\" "
            "and "
            "\"kinds\" of the anchors",
            anchor->name);
        return false;
    }
    for (const struct ph_role *earlier = lint->policy->roles; earlier < role; earlier++) {
        if (covers_role(lint->policy, earlier, role)) {
            ph_lint_report(lint, role, PH_FINDING_UNREACHABLE_ROLE,
                "role \"%s\" stands before it and matches all that it matches; put the narrower "
                "one "
                "first",
                earlier->name);
            return false;
        }
    }
    return true;
}

static void check_role(const struct ph_lint_run *lint, const struct ph_role *role)
{
    if (!check_reachable(lint, role)) {
        return;
    }
    if (!ph_policy_anchor(lint->policy, role->match.anchor)->crl_required) {
        ph_lint_report(lint, role, PH_FINDING_NO_CRL,
            "match: anchor \"%s\" has crl_required: false, so a stolen key may go on being "
            "accepted; "
            "give the anchor a CRL",
            role->match.anchor);
    }
    ph_lint_topics(lint, role);
    if (ph_lint_is_open(role->match.device) && role->publish.count > 0 &&
        role->limits.messages_per_second == 0 && role->limits.bytes_per_second == 0) {
        ph_lint_report(lint, role, PH_FINDING_NO_LIMITS,
            "limits: neither messages_per_second nor bytes_per_second, so one noisy device can "
            "slow "
            "the others down");
    }
}

static bool is_used(const struct ph_policy *policy, const struct ph_anchor *anchor)
{
    for (size_t i = 0; i < policy->role_count; i++) {
        if (strcmp(policy->roles[i].match.anchor, anchor->name) == 0) {
            return true;
        }
    }
    return false;
}

void ph_policy_lint(const struct ph_policy *policy,
    void (*found)(void *context, const struct ph_lint *finding), void *context)
{
    const struct ph_lint_run lint = {policy, found, context};
    for (size_t i = 0; i < policy->role_count; i++) {
        check_role(&lint, &policy->roles[i]);
    }
    for (size_t i = 0; i < policy->anchor_count; i++) {
        if (!is_used(policy, &policy->anchors[i])) {
            ph_lint_report(&lint, NULL, PH_FINDING_UNUSED_ANCHOR,
                "anchor \"%s\": no role matches it, so nobody enters by it; remove it or add a "
                "role",
                policy->anchors[i].name);
        }
    }
    if (policy->list_count > 0 && policy->quarantine == NULL) {
        ph_lint_report(&lint, NULL, PH_FINDING_NO_QUARANTINE,
            "lists: whoever a list puts in quarantine stays connected and may do nothing; write "
            "what it keeps under \"quarantine\"");
    }
}
