#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "domain/policy.h"
#include "domain/policy_lint.h"
#include "domain/policy_rules.h"
#include "domain/subject.h"
#include "domain/template.h"

static bool is_segment(const char *text)
{
    return text != NULL && ph_segment_valid(text, strlen(text));
}

static const char *shown(const char *text)
{
    return text != NULL ? text : "";
}

/* Exact text, or the beginning of one with '*' behind it; NULL: any. */
static enum ph_err check_pattern(
    const char *role, const char *field, const char *pattern, struct ph_error *error)
{
    if (pattern == NULL || strcmp(pattern, "*") == 0) {
        return PH_OK;
    }
    size_t len = strlen(pattern);
    size_t text_len = len > 0 && pattern[len - 1] == '*' ? len - 1 : len;
    return ph_segment_valid(pattern, text_len)
               ? PH_OK
               : ph_error_set(error, PH_ERR_CONFIG,
                     "role \"%s\": match: %s: want a name or the beginning of one and '*', have "
                     "\"%.80s\"",
                     role, field, pattern);
}

/* What a pattern is compared with is escaped, so one that would have to be can match nothing. */
static enum ph_err check_subject_pattern(
    const char *role, const struct ph_subject_rule *rule, struct ph_error *error)
{
    char escaped[PH_LIMIT_TEXT_VALUE_BYTES + 1];
    const char *pattern = shown(rule->pattern);
    ph_text_escape(escaped, sizeof escaped, pattern);
    size_t star = strcspn(pattern, "*");
    bool one_star = pattern[star] == '\0' || pattern[star + 1] == '\0';
    return pattern[0] != '\0' && one_star && strcmp(escaped, pattern) == 0
               ? PH_OK
               : ph_error_set(error, PH_ERR_CONFIG,
                     "role \"%s\": match: subject: %s: want a text of at most %d bytes without "
                     "control characters, or the beginning of one and '*', have \"%.80s\"",
                     role, rule->attribute, PH_LIMIT_TEXT_VALUE_BYTES, pattern);
}

static enum ph_err check_subject(const struct ph_role *role, struct ph_error *error)
{
    const struct ph_role_match *match = &role->match;
    if (match->subject_count > PH_LIMIT_SUBJECT_RULES) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "role \"%s\": match: subject: want at most %d, have %zu", role->name,
            PH_LIMIT_SUBJECT_RULES, match->subject_count);
    }
    for (size_t i = 0; i < match->subject_count; i++) {
        const char *attribute = shown(match->subject[i].attribute);
        if (!ph_subject_attribute_known(attribute)) {
            return ph_error_set(error, PH_ERR_CONFIG,
                "role \"%s\": match: subject: want an attribute such as L, OU or serialNumber, "
                "have "
                "\"%.80s\"",
                role->name, attribute);
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(match->subject[k].attribute, attribute) == 0) {
                return ph_error_set(error, PH_ERR_CONFIG,
                    "role \"%s\": match: subject: %s twice; keep one", role->name, attribute);
            }
        }
        enum ph_err err = check_subject_pattern(role->name, &match->subject[i], error);
        if (err != PH_OK) {
            return err;
        }
    }
    return PH_OK;
}

static enum ph_err check_match(
    const struct ph_policy *policy, const struct ph_role *role, struct ph_error *error)
{
    const struct ph_role_match *match = &role->match;
    if (match->anchor == NULL || ph_policy_anchor(policy, match->anchor) == NULL) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "role \"%s\": match: anchor: want one of the policy's anchors, have \"%.80s\"",
            role->name, shown(match->anchor));
    }
    enum ph_err err = check_pattern(role->name, "tenant", match->tenant, error);
    if (err == PH_OK) {
        err = check_pattern(role->name, "kind", match->kind, error);
    }
    if (err == PH_OK) {
        err = check_pattern(role->name, "device", match->device, error);
    }
    return err == PH_OK ? check_subject(role, error) : err;
}

static bool is_exact(const char *pattern)
{
    return pattern != NULL && strchr(pattern, '*') == NULL;
}

/* Whether the text between two placeholders holds a character that no name can hold. */
static bool separates(const char *from, const char *to)
{
    for (; from < to; from++) {
        if (!ph_segment_char(*from)) {
            return true;
        }
    }
    return false;
}

/* Two identities in one role must not share a client id: one could disconnect the other and take
 * its session over. */
static enum ph_err check_client_id_unique(const struct ph_role *role, struct ph_error *error)
{
    const struct {
        const char *placeholder;
        const char *pattern;
    } parts[] = {{"{tenant}", role->match.tenant}, {"{kind}", role->match.kind},
        {"{device}", role->match.device}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (!is_exact(parts[i].pattern) && strstr(role->client_id, parts[i].placeholder) == NULL) {
            return ph_error_set(error, PH_ERR_CONFIG,
                "role \"%s\": client_id: two devices could share \"%.200s\"; put %s into it, or "
                "match "
                "one by its whole name",
                role->name, role->client_id, parts[i].placeholder);
        }
    }
    const char *end = strchr(role->client_id, '}');
    for (; end != NULL; end = strchr(end + 1, '}')) {
        const char *next = strchr(end, '{');
        if (next != NULL && !separates(end + 1, next)) {
            return ph_error_set(error, PH_ERR_CONFIG,
                "role \"%s\": client_id: \"%.200s\": want a separator such as '/' after each name",
                role->name, role->client_id);
        }
    }
    return PH_OK;
}

/* One connection's end says nothing about the others, and a will, which the plugin is not shown,
 * could speak for them. */
static enum ph_err check_shared(const struct ph_role *role, struct ph_error *error)
{
    if (!ph_role_shared(role) || (role->will.count == 0 && role->status == NULL)) {
        return PH_OK;
    }
    return ph_error_set(error, PH_ERR_CONFIG,
        "role \"%s\": client_id: with '*' many connections stand at once, and none may speak for "
        "all; remove \"will\" and \"status\", or the '*'",
        role->name);
}

static enum ph_err check_client_id(const struct ph_role *role, struct ph_error *error)
{
    if (role->client_id == NULL) {
        return ph_error_set(error, PH_ERR_CONFIG, "role \"%s\": client_id: missing", role->name);
    }
    enum ph_err err = ph_template_check_client_id(role->client_id, error);
    if (err != PH_OK) {
        return ph_error_prefix(error, err, "role \"%s\": client_id", role->name);
    }
    err = check_client_id_unique(role, error);
    return err == PH_OK ? check_shared(role, error) : err;
}

static enum ph_err check_accept(const struct ph_role *role, struct ph_error *error)
{
    for (size_t i = 0; i < role->accept_count; i++) {
        const char *name = shown(role->accept[i]);
        if (!ph_lint_known(name)) {
            return ph_error_set(error, PH_ERR_CONFIG,
                "role \"%s\": accept: want names of findings as ph-policy check prints them, have "
                "\"%.80s\"",
                role->name, name);
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(role->accept[k], name) == 0) {
                return ph_error_set(error, PH_ERR_CONFIG,
                    "role \"%s\": accept: \"%s\" twice; keep one", role->name, name);
            }
        }
    }
    return PH_OK;
}

static enum ph_err check_role(const struct ph_policy *policy, size_t index, struct ph_error *error)
{
    const struct ph_role *role = &policy->roles[index];
    if (!is_segment(role->name)) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "role %zu: name: want 1 to 64 of A-Z a-z 0-9 . _ -, have \"%.80s\"", index + 1,
            shown(role->name));
    }
    if (ph_policy_role(policy, role->name) != role) {
        return ph_error_set(
            error, PH_ERR_CONFIG, "role \"%s\": name: used by two roles", role->name);
    }
    enum ph_err err = check_match(policy, role, error);
    if (err == PH_OK) {
        err = check_client_id(role, error);
    }
    if (err == PH_OK) {
        err = check_accept(role, error);
    }
    if (err == PH_OK && ph_policy_check_grants(role, error) != PH_OK) {
        err = ph_error_prefix(error, PH_ERR_CONFIG, "role \"%s\"", role->name);
    }
    return err;
}

static enum ph_err check_lists(const struct ph_policy *policy, struct ph_error *error)
{
    if (policy->list_count > PH_LIMIT_POLICY_LISTS) {
        return ph_error_set(error, PH_ERR_CONFIG, "lists: want at most %d, have %zu",
            PH_LIMIT_POLICY_LISTS, policy->list_count);
    }
    for (size_t i = 0; i < policy->list_count; i++) {
        if (shown(policy->lists[i])[0] == '\0') {
            return ph_error_set(error, PH_ERR_CONFIG, "lists: want file names, have an empty one");
        }
    }
    return PH_OK;
}

static enum ph_err check_quarantine(const struct ph_policy *policy, struct ph_error *error)
{
    if (policy->quarantine == NULL) {
        return PH_OK;
    }
    enum ph_err err = ph_policy_check_grants(policy->quarantine, error);
    return err == PH_OK ? PH_OK : ph_error_prefix(error, err, "quarantine");
}

static enum ph_err check_count(const char *what, size_t count, size_t max, struct ph_error *error)
{
    return count >= 1 && count <= max ? PH_OK
                                      : ph_error_set(error, PH_ERR_CONFIG,
                                            "%s: want 1 to %zu, have %zu", what, max, count);
}

enum ph_err ph_policy_validate(const struct ph_policy *policy, struct ph_error *error)
{
    enum ph_err err = check_count("anchors", policy->anchor_count, PH_LIMIT_POLICY_ANCHORS, error);
    if (err == PH_OK) {
        err = check_count("roles", policy->role_count, PH_LIMIT_POLICY_ROLES, error);
    }
    for (size_t i = 0; i < policy->anchor_count && err == PH_OK; i++) {
        err = ph_policy_check_anchor(policy, i, error);
    }
    for (size_t i = 0; i < policy->role_count && err == PH_OK; i++) {
        err = check_role(policy, i, error);
    }
    if (err == PH_OK) {
        err = check_lists(policy, error);
    }
    if (err == PH_OK) {
        err = check_quarantine(policy, error);
    }
    return err == PH_OK ? ph_policy_check_overlap(policy, error) : err;
}
