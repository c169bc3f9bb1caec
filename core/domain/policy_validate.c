#include <string.h>

#include "base/limits.h"
#include "domain/policy.h"
#include "domain/template.h"
#include "format/topic.h"

static bool is_segment(const char *text)
{
    return text != NULL && ph_segment_valid(text, strlen(text));
}

static const char *shown(const char *text)
{
    return text != NULL ? text : "";
}

static enum ph_err check_files(
    const char *anchor, const char *field, char *const *files, size_t count, struct ph_error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (files[i] == NULL || files[i][0] == '\0') {
            return ph_error_set(error, PH_ERR_CONFIG,
                "anchor \"%s\": %s: want file names, have an empty one", anchor, field);
        }
    }
    return PH_OK;
}

static enum ph_err check_anchor_files(const struct ph_anchor *anchor, struct ph_error *error)
{
    if (anchor->ca_file_count == 0) {
        return ph_error_set(
            error, PH_ERR_CONFIG, "anchor \"%s\": ca: want at least one file", anchor->name);
    }
    if (anchor->crl_required && anchor->crl_file_count == 0) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "anchor \"%s\": crl: want at least one file, or crl_required: false", anchor->name);
    }
    enum ph_err err =
        check_files(anchor->name, "ca", anchor->ca_files, anchor->ca_file_count, error);
    return err == PH_OK
               ? check_files(anchor->name, "crl", anchor->crl_files, anchor->crl_file_count, error)
               : err;
}

static enum ph_err check_anchor_counts(const struct ph_anchor *anchor, struct ph_error *error)
{
    const struct {
        const char *field;
        size_t count;
        size_t max;
    } lists[] = {{"ca", anchor->ca_file_count, PH_LIMIT_POLICY_FILES},
        {"crl", anchor->crl_file_count, PH_LIMIT_POLICY_FILES},
        {"tenants", anchor->tenant_count, PH_LIMIT_POLICY_TENANTS},
        {"kinds", anchor->kind_count, PH_LIMIT_POLICY_KINDS}};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        if (lists[i].count > lists[i].max) {
            return ph_error_set(error, PH_ERR_CONFIG,
                "anchor \"%s\": %s: want at most %zu, have %zu", anchor->name, lists[i].field,
                lists[i].max, lists[i].count);
        }
    }
    return PH_OK;
}

static enum ph_err check_anchor(
    const struct ph_policy *policy, size_t index, struct ph_error *error)
{
    const struct ph_anchor *anchor = &policy->anchors[index];
    if (!is_segment(anchor->name)) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "anchor %zu: name: want 1 to 64 of A-Z a-z 0-9 . _ -, have \"%.80s\"", index + 1,
            shown(anchor->name));
    }
    if (ph_policy_anchor(policy, anchor->name) != anchor) {
        return ph_error_set(
            error, PH_ERR_CONFIG, "anchor \"%s\": name: used by two anchors", anchor->name);
    }
    enum ph_err err = check_anchor_counts(anchor, error);
    if (err != PH_OK) {
        return err;
    }
    for (size_t i = 0; i < anchor->tenant_count; i++) {
        if (!is_segment(anchor->tenants[i])) {
            return ph_error_set(error, PH_ERR_CONFIG,
                "anchor \"%s\": tenants: want tenant names without patterns, have \"%.80s\"",
                anchor->name, shown(anchor->tenants[i]));
        }
    }
    for (size_t i = 0; i < anchor->kind_count; i++) {
        if (!is_segment(anchor->kinds[i])) {
            return ph_error_set(error, PH_ERR_CONFIG,
                "anchor \"%s\": kinds: want kind names without patterns, have \"%.80s\"",
                anchor->name, shown(anchor->kinds[i]));
        }
    }
    return check_anchor_files(anchor, error);
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
    return err == PH_OK ? check_pattern(role->name, "device", match->device, error) : err;
}

static bool is_exact(const char *pattern)
{
    return pattern != NULL && strchr(pattern, '*') == NULL;
}

/* Whether the text between two placeholders holds a character that no name can hold. */
static bool separates(const char *from, const char *to)
{
    for (; from < to; from++) {
        char two[2] = {'x', *from};
        if (!ph_segment_valid(two, sizeof two)) {
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
                "role \"%s\": client_id: two devices could share \"%.200s\"; put %s into it",
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

static enum ph_err check_client_id(const struct ph_role *role, struct ph_error *error)
{
    if (role->client_id == NULL) {
        return ph_error_set(error, PH_ERR_CONFIG, "role \"%s\": client_id: missing", role->name);
    }
    enum ph_err err = ph_template_check(role->client_id, error);
    if (err == PH_OK) {
        err = ph_template_check_length(role->client_id, PH_LIMIT_CLIENT_ID_BYTES, error);
    }
    return err == PH_OK ? check_client_id_unique(role, error)
                        : ph_error_prefix(error, err, "role \"%s\": client_id", role->name);
}

static enum ph_err check_list(const struct ph_role *role, const char *field,
    const struct ph_filter_list *list, struct ph_error *error)
{
    if (list->count > PH_LIMIT_ROLE_FILTERS) {
        return ph_error_set(error, PH_ERR_CONFIG, "role \"%s\": %s: want at most %d, have %zu",
            role->name, field, PH_LIMIT_ROLE_FILTERS, list->count);
    }
    for (size_t i = 0; i < list->count; i++) {
        enum ph_err err = ph_template_check_filter(shown(list->filters[i]), error);
        if (err != PH_OK) {
            return ph_error_prefix(error, err, "role \"%s\": %s", role->name, field);
        }
    }
    return PH_OK;
}

/* A will is sent as a publication, so one that "publish" does not cover would never be sent. */
static enum ph_err check_wills_covered(const struct ph_role *role, struct ph_error *error)
{
    static const struct ph_identity sample = {
        .tenant = "sample-tenant", .kind = "sample-kind", .device = "sample-device"};
    for (size_t i = 0; i < role->will.count; i++) {
        char will[PH_LIMIT_TOPIC_BYTES + 1];
        bool covered = false;
        if (!ph_template_expand(will, sizeof will, role->will.filters[i], &sample)) {
            continue;
        }
        for (size_t k = 0; k < role->publish.count && !covered; k++) {
            char publish[PH_LIMIT_TOPIC_BYTES + 1];
            covered =
                ph_template_expand(publish, sizeof publish, role->publish.filters[k], &sample) &&
                ph_topic_filter_contains(publish, will);
        }
        if (!covered) {
            return ph_error_set(error, PH_ERR_CONFIG,
                "role \"%s\": will: \"%.200s\" is not covered by publish; add it there", role->name,
                role->will.filters[i]);
        }
    }
    return PH_OK;
}

static enum ph_err check_lists(const struct ph_role *role, struct ph_error *error)
{
    const struct {
        const char *field;
        const struct ph_filter_list *list;
    } lists[] = {{"publish", &role->publish}, {"will", &role->will},
        {"subscribe", &role->subscribe}, {"receive", &role->receive}};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        enum ph_err err = check_list(role, lists[i].field, lists[i].list, error);
        if (err != PH_OK) {
            return err;
        }
    }
    return check_wills_covered(role, error);
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
    return err == PH_OK ? check_lists(role, error) : err;
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
        err = check_anchor(policy, i, error);
    }
    for (size_t i = 0; i < policy->role_count && err == PH_OK; i++) {
        err = check_role(policy, i, error);
    }
    return err == PH_OK ? ph_policy_check_overlap(policy, error) : err;
}
