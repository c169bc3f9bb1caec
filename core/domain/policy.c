#include "domain/policy.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "domain/subject.h"
#include "domain/template.h"
#include "format/topic.h"

const struct ph_anchor *ph_policy_anchor(const struct ph_policy *policy, const char *name)
{
    for (size_t i = 0; i < policy->anchor_count; i++) {
        if (strcmp(policy->anchors[i].name, name) == 0) {
            return &policy->anchors[i];
        }
    }
    return NULL;
}

const struct ph_role *ph_policy_role(const struct ph_policy *policy, const char *name)
{
    for (size_t i = 0; i < policy->role_count; i++) {
        if (strcmp(policy->roles[i].name, name) == 0) {
            return &policy->roles[i];
        }
    }
    return NULL;
}

bool ph_pattern_holds(const char *pattern, const char *text)
{
    if (pattern == NULL) {
        return true;
    }
    for (; pattern[0] != '*' || pattern[1] != '\0'; pattern++, text++) {
        if (*pattern != *text) {
            return false;
        }
        if (*pattern == '\0') {
            return true;
        }
    }
    return true;
}

static bool names_hold(const struct ph_role_match *match, const struct ph_identity *identity)
{
    return ph_pattern_holds(match->device, identity->device) &&
           ph_pattern_holds(match->kind, identity->kind) &&
           ph_pattern_holds(match->tenant, identity->tenant) &&
           strcmp(match->anchor, identity->anchor) == 0;
}

static bool subject_holds(const struct ph_role_match *match, const char *subject)
{
    for (size_t i = 0; i < match->subject_count; i++) {
        const char *value = ph_subject_get(subject, match->subject[i].attribute);
        if (value == NULL || !ph_pattern_holds(match->subject[i].pattern, value)) {
            return false;
        }
    }
    return true;
}

static bool listed(char *const *list, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static bool speaks_for_tenant(const struct ph_anchor *anchor, const char *tenant)
{
    return anchor->tenant_count == 0 || listed(anchor->tenants, anchor->tenant_count, tenant);
}

static bool speaks_for_kind(
    const struct ph_policy *policy, const struct ph_anchor *anchor, const char *kind)
{
    if (anchor->kind_count > 0) {
        return listed(anchor->kinds, anchor->kind_count, kind);
    }
    for (size_t i = 0; i < policy->anchor_count; i++) {
        if (listed(policy->anchors[i].kinds, policy->anchors[i].kind_count, kind)) {
            return false;
        }
    }
    return true;
}

/* Whether the policy's anchors let the identity be what it says, and why not. */
enum standing { STANDS, NO_ANCHOR, NO_TENANT, NO_KIND };

static enum standing standing_of(const struct ph_policy *policy, const struct ph_identity *identity)
{
    const struct ph_anchor *anchor = ph_policy_anchor(policy, identity->anchor);
    if (anchor == NULL) {
        return NO_ANCHOR;
    }
    if (!speaks_for_tenant(anchor, identity->tenant)) {
        return NO_TENANT;
    }
    return speaks_for_kind(policy, anchor, identity->kind) ? STANDS : NO_KIND;
}

/* Says why there is no role. Apart, because the search is on the path of topic checks. */
static enum ph_err refuse_role(
    const struct ph_identity *identity, enum standing standing, struct ph_error *error)
{
    char name[PH_IDENTITY_BYTES];
    ph_identity_print(name, sizeof name, identity);
    switch (standing) {
    case NO_ANCHOR:
        return ph_error_set(
            error, PH_ERR_DENIED, "%s: anchor \"%s\" is not in the policy", name, identity->anchor);
    case NO_TENANT:
        return ph_error_set(error, PH_ERR_DENIED,
            "%s: anchor \"%s\" may not speak for tenant \"%s\"; see its \"tenants\" in the policy",
            name, identity->anchor, identity->tenant);
    case NO_KIND:
        return ph_error_set(error, PH_ERR_DENIED,
            "%s: anchor \"%s\" may not speak for kind \"%s\"; see \"kinds\" of the anchors in the "
            "policy",
            name, identity->anchor, identity->kind);
    case STANDS:
        break;
    }
    return ph_error_set(error, PH_ERR_DENIED, "%s: no role of the policy matches it under \"%s\"",
        name, identity->anchor);
}

enum ph_err ph_policy_role_find(const struct ph_policy *policy, const struct ph_identity *identity,
    const char *subject, const struct ph_role **role, struct ph_error *error)
{
    enum standing standing = standing_of(policy, identity);
    for (size_t i = 0; standing == STANDS && i < policy->role_count; i++) {
        const struct ph_role_match *match = &policy->roles[i].match;
        if (names_hold(match, identity) && subject_holds(match, subject)) {
            *role = &policy->roles[i];
            return PH_OK;
        }
    }
    return refuse_role(identity, standing, error);
}

static enum ph_err refuse_to_keep(const struct ph_identity *identity, const char *name,
    const struct ph_role *instead, struct ph_error *error)
{
    char shown[PH_IDENTITY_BYTES];
    ph_identity_print(shown, sizeof shown, identity);
    if (instead != NULL) {
        return ph_error_set(error, PH_ERR_DENIED,
            "%s: the policy now gives it role \"%s\" instead of \"%.64s\"; it must connect again",
            shown, instead->name, name);
    }
    return ph_error_set(error, PH_ERR_DENIED,
        "%s: role \"%.64s\" of the policy no longer matches it under \"%s\"", shown, name,
        identity->anchor);
}

enum ph_err ph_policy_role_keep(const struct ph_policy *policy, const struct ph_identity *identity,
    const char *name, const struct ph_role **role, struct ph_error *error)
{
    enum standing standing = standing_of(policy, identity);
    if (standing != STANDS) {
        return refuse_role(identity, standing, error);
    }
    for (size_t i = 0; i < policy->role_count; i++) {
        const struct ph_role *candidate = &policy->roles[i];
        bool named = strcmp(candidate->name, name) == 0;
        if (!named && candidate->match.subject_count > 0) {
            continue; /* whether it matches cannot be known here */
        }
        bool matches = names_hold(&candidate->match, identity);
        if (named && matches) {
            *role = candidate;
            return PH_OK;
        }
        if (named || matches) {
            return refuse_to_keep(identity, name, named ? NULL : candidate, error);
        }
    }
    return refuse_to_keep(identity, name, NULL, error);
}

enum ph_err ph_policy_role_by_names(const struct ph_policy *policy,
    const struct ph_identity *identity, const struct ph_role **role, struct ph_error *error)
{
    for (size_t i = 0; i < policy->role_count; i++) {
        const struct ph_role *candidate = &policy->roles[i];
        if (!names_hold(&candidate->match, identity)) {
            continue;
        }
        if (candidate->match.subject_count == 0) {
            return ph_policy_role_find(policy, identity, NULL, role, error);
        }
        char name[PH_IDENTITY_BYTES];
        ph_identity_print(name, sizeof name, identity);
        return ph_error_set(error, PH_ERR_DENIED,
            "%s: whether it fills the role \"%s\" depends on its certificate; connect again", name,
            candidate->name);
    }
    return ph_policy_role_find(policy, identity, NULL, role, error);
}

bool ph_role_shared(const struct ph_role *role)
{
    return role->client_id != NULL && ph_template_open_ended(role->client_id);
}

static bool is_suffix(const char *text)
{
    size_t len = 0;
    while (len <= PH_LIMIT_SEGMENT_BYTES && ph_segment_char(text[len])) {
        len++;
    }
    return len >= 1 && len <= PH_LIMIT_SEGMENT_BYTES && text[len] == '\0';
}

/* `want` ends in '*'. */
static enum ph_err check_open_client_id(
    const char *want, const char *client_id, struct ph_error *error)
{
    size_t len = strlen(want) - 1;
    if (strncmp(want, client_id, len) == 0 && is_suffix(client_id + len)) {
        return PH_OK;
    }
    return ph_error_set(error, PH_ERR_DENIED,
        "client id: want \"%.*s\" and 1 to %d of A-Z a-z 0-9 . _ - behind it, have \"%.255s\"",
        (int)len, want, PH_LIMIT_SEGMENT_BYTES, client_id);
}

enum ph_err ph_role_check_client_id(const struct ph_role *role, const struct ph_identity *identity,
    const char *client_id, struct ph_error *error)
{
    char want[PH_LIMIT_CLIENT_ID_BYTES + 1];
    if (!ph_template_expand(want, sizeof want, role->client_id, identity)) {
        return ph_error_set(error, PH_ERR_INTERNAL,
            "role \"%s\": client_id: the template does not fit; check the policy", role->name);
    }
    if (ph_role_shared(role)) {
        return check_open_client_id(want, client_id, error);
    }
    return strcmp(want, client_id) == 0
               ? PH_OK
               : ph_error_set(error, PH_ERR_DENIED, "client id: want \"%s\", have \"%.255s\"", want,
                     client_id);
}

const char *ph_action_name(enum ph_action action)
{
    switch (action) {
    case PH_ACTION_PUBLISH:
        return "publish";
    case PH_ACTION_WILL:
        return "will";
    case PH_ACTION_SUBSCRIBE:
        return "subscribe";
    case PH_ACTION_RECEIVE:
        return "receive";
    }
    return "unknown";
}

/* The first template of the list that matches the name. */
static const char *matching(
    const struct ph_filter_list *list, const struct ph_identity *identity, const char *topic)
{
    for (size_t i = 0; i < list->count; i++) {
        if (ph_template_match(list->filters[i], identity, topic)) {
            return list->filters[i];
        }
    }
    return NULL;
}

/* The first template of the list that everything lies within that the filter matches. */
static const char *containing(
    const struct ph_filter_list *list, const struct ph_identity *identity, const char *filter)
{
    char outer[PH_LIMIT_TOPIC_BYTES + 1];
    for (size_t i = 0; i < list->count; i++) {
        if (ph_template_expand(outer, sizeof outer, list->filters[i], identity) &&
            ph_topic_filter_contains(outer, filter)) {
            return list->filters[i];
        }
    }
    return NULL;
}

/* The name or filter that decisions are about, without "$share/group/"; NULL: not a valid one. */
static const char *checked_topic(enum ph_action action, const char *topic)
{
    if (action != PH_ACTION_SUBSCRIBE) {
        return ph_topic_name_check(topic, NULL) == PH_OK ? topic : NULL;
    }
    const char *filter = ph_topic_unshare(topic);
    return filter != NULL && ph_topic_filter_check(filter, NULL) == PH_OK ? filter : NULL;
}

static const char *allows(const struct ph_role *role, const struct ph_identity *identity,
    enum ph_action action, const char *topic)
{
    switch (action) {
    case PH_ACTION_PUBLISH:
        return matching(&role->publish, identity, topic);
    case PH_ACTION_WILL:
        return matching(&role->publish, identity, topic) != NULL
                   ? matching(&role->will, identity, topic)
                   : NULL;
    case PH_ACTION_SUBSCRIBE:
        return containing(&role->subscribe, identity, topic);
    case PH_ACTION_RECEIVE:
        return matching(
            role->receive.count > 0 ? &role->receive : &role->subscribe, identity, topic);
    }
    return NULL;
}

const char *ph_role_allows(const struct ph_role *role, const struct ph_identity *identity,
    enum ph_action action, const char *topic)
{
    const char *checked = checked_topic(action, topic);
    return checked != NULL ? allows(role, identity, action, checked) : NULL;
}

const char *ph_policy_allows(const struct ph_policy *policy, const struct ph_role *role,
    bool quarantined, const struct ph_identity *identity, enum ph_action action, const char *topic)
{
    const char *checked = checked_topic(action, topic);
    if (checked == NULL || (quarantined && policy->quarantine == NULL)) {
        return NULL;
    }
    const char *by = allows(role, identity, action, checked);
    bool kept = !quarantined || allows(policy->quarantine, identity, action, checked) != NULL;
    return kept ? by : NULL;
}

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(texts[i]);
    }
    free(texts);
}

static void anchor_fini(struct ph_anchor *anchor)
{
    free(anchor->name);
    free_texts(anchor->ca_files, anchor->ca_file_count);
    free_texts(anchor->crl_files, anchor->crl_file_count);
    free(anchor->identity_template);
    free_texts(anchor->tenants, anchor->tenant_count);
    free_texts(anchor->kinds, anchor->kind_count);
}

static void role_fini(struct ph_role *role)
{
    free(role->name);
    free(role->match.anchor);
    free(role->match.tenant);
    free(role->match.kind);
    free(role->match.device);
    for (size_t i = 0; i < role->match.subject_count; i++) {
        free(role->match.subject[i].attribute);
        free(role->match.subject[i].pattern);
    }
    free(role->match.subject);
    free(role->client_id);
    free_texts(role->publish.filters, role->publish.count);
    free_texts(role->will.filters, role->will.count);
    free_texts(role->subscribe.filters, role->subscribe.count);
    free_texts(role->receive.filters, role->receive.count);
    free(role->status);
    free_texts(role->accept, role->accept_count);
}

void ph_policy_free(struct ph_policy **policy)
{
    if (*policy == NULL) {
        return;
    }
    for (size_t i = 0; i < (*policy)->anchor_count; i++) {
        anchor_fini(&(*policy)->anchors[i]);
    }
    for (size_t i = 0; i < (*policy)->role_count; i++) {
        role_fini(&(*policy)->roles[i]);
    }
    if ((*policy)->quarantine != NULL) {
        role_fini((*policy)->quarantine);
    }
    free((*policy)->anchors);
    free((*policy)->roles);
    free((*policy)->quarantine);
    free_texts((*policy)->lists, (*policy)->list_count);
    free(*policy);
    *policy = NULL;
}
