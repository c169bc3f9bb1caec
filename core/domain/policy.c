#include "domain/policy.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
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
    size_t len = strlen(pattern);
    return len > 0 && pattern[len - 1] == '*' ? strncmp(pattern, text, len - 1) == 0
                                              : strcmp(pattern, text) == 0;
}

static bool match_holds(const struct ph_role_match *match, const struct ph_identity *identity)
{
    return strcmp(match->anchor, identity->anchor) == 0 &&
           ph_pattern_holds(match->tenant, identity->tenant) &&
           ph_pattern_holds(match->kind, identity->kind) &&
           ph_pattern_holds(match->device, identity->device);
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

/* Says why there is no role. Apart, because the search is on the path of every topic check. */
static enum ph_err refuse_role(const struct ph_identity *identity, const struct ph_anchor *anchor,
    bool tenant_ok, bool kind_ok, struct ph_error *error)
{
    char name[PH_IDENTITY_BYTES];
    ph_identity_print(name, sizeof name, identity);
    if (anchor == NULL) {
        return ph_error_set(
            error, PH_ERR_DENIED, "%s: anchor \"%s\" is not in the policy", name, identity->anchor);
    }
    if (!tenant_ok) {
        return ph_error_set(error, PH_ERR_DENIED,
            "%s: anchor \"%s\" may not speak for tenant \"%s\"; see its \"tenants\" in the policy",
            name, identity->anchor, identity->tenant);
    }
    if (!kind_ok) {
        return ph_error_set(error, PH_ERR_DENIED,
            "%s: anchor \"%s\" may not speak for kind \"%s\"; see \"kinds\" of the anchors in the "
            "policy",
            name, identity->anchor, identity->kind);
    }
    return ph_error_set(error, PH_ERR_DENIED, "%s: no role of the policy matches it under \"%s\"",
        name, identity->anchor);
}

enum ph_err ph_policy_role_find(const struct ph_policy *policy, const struct ph_identity *identity,
    const struct ph_role **role, struct ph_error *error)
{
    const struct ph_anchor *anchor = ph_policy_anchor(policy, identity->anchor);
    bool tenant_ok = anchor != NULL && speaks_for_tenant(anchor, identity->tenant);
    bool kind_ok = tenant_ok && speaks_for_kind(policy, anchor, identity->kind);
    for (size_t i = 0; kind_ok && i < policy->role_count; i++) {
        if (match_holds(&policy->roles[i].match, identity)) {
            *role = &policy->roles[i];
            return PH_OK;
        }
    }
    return refuse_role(identity, anchor, tenant_ok, kind_ok, error);
}

enum ph_err ph_role_check_client_id(const struct ph_role *role, const struct ph_identity *identity,
    const char *client_id, struct ph_error *error)
{
    char want[PH_LIMIT_CLIENT_ID_BYTES + 1];
    if (!ph_template_expand(want, sizeof want, role->client_id, identity)) {
        return ph_error_set(error, PH_ERR_INTERNAL,
            "role \"%s\": client_id: the template does not fit; check the policy", role->name);
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

/* The first template of the list that allows `topic` when filled in; `matches` is
 * ph_topic_match() or ph_topic_filter_contains(). */
static const char *allowing(const struct ph_filter_list *list, const struct ph_identity *identity,
    bool (*matches)(const char *filter, const char *topic), const char *topic)
{
    char filter[PH_LIMIT_TOPIC_BYTES + 1];
    for (size_t i = 0; i < list->count; i++) {
        if (ph_template_expand(filter, sizeof filter, list->filters[i], identity) &&
            matches(filter, topic)) {
            return list->filters[i];
        }
    }
    return NULL;
}

static const char *allows_subscribe(
    const struct ph_role *role, const struct ph_identity *identity, const char *topic)
{
    const char *filter = ph_topic_unshare(topic);
    return filter != NULL && ph_topic_filter_check(filter, NULL) == PH_OK
               ? allowing(&role->subscribe, identity, ph_topic_filter_contains, filter)
               : NULL;
}

const char *ph_role_allows(const struct ph_role *role, const struct ph_identity *identity,
    enum ph_action action, const char *topic)
{
    if (action == PH_ACTION_SUBSCRIBE) {
        return allows_subscribe(role, identity, topic);
    }
    if (ph_topic_name_check(topic, NULL) != PH_OK) {
        return NULL;
    }
    switch (action) {
    case PH_ACTION_PUBLISH:
        return allowing(&role->publish, identity, ph_topic_match, topic);
    case PH_ACTION_WILL:
        return allowing(&role->publish, identity, ph_topic_match, topic) != NULL
                   ? allowing(&role->will, identity, ph_topic_match, topic)
                   : NULL;
    case PH_ACTION_RECEIVE:
        return allowing(role->receive.count > 0 ? &role->receive : &role->subscribe, identity,
            ph_topic_match, topic);
    case PH_ACTION_SUBSCRIBE:
        break;
    }
    return NULL;
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
    free(role->client_id);
    free_texts(role->publish.filters, role->publish.count);
    free_texts(role->will.filters, role->will.count);
    free_texts(role->subscribe.filters, role->subscribe.count);
    free_texts(role->receive.filters, role->receive.count);
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
    free((*policy)->anchors);
    free((*policy)->roles);
    free(*policy);
    *policy = NULL;
}
