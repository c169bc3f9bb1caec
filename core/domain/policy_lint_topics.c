#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "domain/policy_lint_rules.h"
#include "domain/template.h"
#include "format/topic.h"

/* Two names that no certificate holds. */
#define OWN   "\1"
#define OTHER "\2"

/* The placeholder that stands for what tells identities of the role apart and that the template
 * lacks; NULL: it has them all. */
static const char *lacks(
    const struct ph_policy *policy, const struct ph_role *role, const char *template)
{
    const struct {
        const char *placeholder;
        const char *pattern;
    } parts[] = {{"{device}", role->match.device}, {"{tenant}", ph_lint_tenant(policy, role)},
        {"{kind}", ph_lint_kind(policy, role)}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (ph_lint_is_open(parts[i].pattern) && strstr(template, parts[i].placeholder) == NULL) {
            return parts[i].placeholder;
        }
    }
    return NULL;
}

static bool is_broad(const char *template)
{
    return template[0] == '#' || template[0] == '+' || template[0] == '$';
}

static void check_broad(const struct ph_lint_run *lint, const struct ph_role *role,
    const char *field, const struct ph_filter_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (is_broad(list->filters[i])) {
            ph_lint_report(lint, role, PH_FINDING_BROAD_GRANT,
                "%s: \"%.150s\": %s; spell the first levels out and grant what is needed", field,
                list->filters[i],
                list->filters[i][0] == '$' ? "reaches into the broker itself"
                                           : "a wildcard on the first level, so nearly everything");
        }
    }
}

static void check_publish(const struct ph_lint_run *lint, const struct ph_role *role)
{
    for (size_t i = 0; i < role->publish.count; i++) {
        const char *template = role->publish.filters[i];
        const char *missing = lacks(lint->policy, role, template);
        if (missing != NULL && !is_broad(template)) {
            ph_lint_report(lint, role, PH_FINDING_SHARED_PUBLISH,
                "publish: \"%.150s\": all that fill the role may publish there, so the topic does "
                "not "
                "say who did; put %s into it",
                template, missing);
        }
    }
}

/* Fills a template of `role` in so that it meets what it could meet: whatever is open becomes '+',
 * and the name that is asked about a mark. */
static void fill_in(char out[PH_LIMIT_TOPIC_BYTES + 1], const struct ph_lint_run *lint,
    const struct ph_role *role, const char *template, enum ph_finding about, const char *mark)
{
    const char *tenant = ph_lint_tenant(lint->policy, role);
    const char *kind = ph_lint_kind(lint->policy, role);
    struct ph_identity identity = {0};
    (void)snprintf(identity.tenant, sizeof identity.tenant, "%s",
        about == PH_FINDING_FOREIGN_TENANT ? mark
        : ph_lint_is_open(tenant)          ? "+"
                                           : tenant);
    (void)snprintf(identity.kind, sizeof identity.kind, "%s", ph_lint_is_open(kind) ? "+" : kind);
    (void)snprintf(identity.device, sizeof identity.device, "%s",
        about == PH_FINDING_FOREIGN_SUBSCRIBE ? mark
        : ph_lint_is_open(role->match.device) ? "+"
                                              : role->match.device);
    if (!ph_template_expand(out, PH_LIMIT_TOPIC_BYTES + 1, template, &identity)) {
        out[0] = '\0';
    }
}

static bool holds(const char *level, size_t len, const char *text)
{
    return memmem(level, len, text, strlen(text)) != NULL;
}

/* Whether it is worth filling both in: where `other` has the placeholder, `own` must have a
 * wildcard, and no two plain levels may differ. */
static bool may_meet(const char *own, const char *other, const char *placeholder)
{
    for (;;) {
        size_t own_len = strcspn(own, "/");
        size_t other_len = strcspn(other, "/");
        if (own[0] == '#' || other[0] == '#') {
            return true;
        }
        bool wild = own[0] == '+';
        bool plain =
            !wild && other[0] != '+' && !holds(own, own_len, "{") && !holds(other, other_len, "{");
        if ((!wild && holds(other, other_len, placeholder)) ||
            (plain && (own_len != other_len || memcmp(own, other, own_len) != 0))) {
            return false;
        }
        own += own_len;
        other += other_len;
        if (*own == '\0' || *other == '\0') {
            return *own == *other || strcmp(own, "/#") == 0 || strcmp(other, "/#") == 0;
        }
        own++;
        other++;
    }
}

/* What is asked of other roles' templates. */
struct question {
    enum ph_finding about;
    const char *placeholder;
    const char *template; /* of the role in question, and filled in */
    char own[PH_LIMIT_TOPIC_BYTES + 1];
};

/* A template of the list that the question's meets for another than oneself. */
static const char *met_in(const struct ph_lint_run *lint, const struct ph_role *role,
    const struct ph_filter_list *list, const struct question *question)
{
    for (size_t i = 0; i < list->count; i++) {
        char other[PH_LIMIT_TOPIC_BYTES + 1];
        if (strstr(list->filters[i], question->placeholder) == NULL ||
            !may_meet(question->template, list->filters[i], question->placeholder)) {
            continue;
        }
        fill_in(other, lint, role, list->filters[i], question->about, OTHER);
        if (ph_topic_filters_meet(question->own, other)) {
            return list->filters[i];
        }
    }
    return NULL;
}

static void check_foreign(const struct ph_lint_run *lint, const struct ph_role *role,
    const char *template, enum ph_finding about)
{
    bool tenant = about == PH_FINDING_FOREIGN_TENANT;
    struct question question = {
        .about = about, .placeholder = tenant ? "{tenant}" : "{device}", .template = template};
    fill_in(question.own, lint, role, template, about, OWN);
    for (size_t i = 0; i < lint->policy->role_count; i++) {
        const struct ph_role *other = &lint->policy->roles[i];
        const struct ph_filter_list *const lists[] = {
            &other->publish, &other->subscribe, &other->receive};
        for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++) {
            const char *met = met_in(lint, other, lists[k], &question);
            if (met != NULL) {
                ph_lint_report(lint, role, about,
                    "%s: \"%.150s\": also reads what is another %s's, by \"%.150s\" of role "
                    "\"%.64s\"; put %s into it",
                    role->receive.count > 0 ? "receive" : "subscribe", template,
                    tenant ? "tenant" : "device", met, other->name, question.placeholder);
                return;
            }
        }
    }
}

/* What counts is what is delivered. */
static void check_read(const struct ph_lint_run *lint, const struct ph_role *role)
{
    const struct ph_filter_list *list = role->receive.count > 0 ? &role->receive : &role->subscribe;
    for (size_t i = 0; i < list->count; i++) {
        const char *template = list->filters[i];
        if (is_broad(template) || strpbrk(template, "+#") == NULL) {
            continue;
        }
        if (ph_lint_is_open(role->match.device)) {
            check_foreign(lint, role, template, PH_FINDING_FOREIGN_SUBSCRIBE);
        }
        if (ph_lint_is_open(ph_lint_tenant(lint->policy, role))) {
            check_foreign(lint, role, template, PH_FINDING_FOREIGN_TENANT);
        }
    }
}

static void check_status(const struct ph_lint_run *lint, const struct ph_role *role)
{
    static const struct ph_identity sample = {.tenant = "t", .kind = "k", .device = "d"};
    char status[PH_LIMIT_TOPIC_BYTES + 1];
    bool willed = false;
    if (role->status == NULL || !ph_template_expand(status, sizeof status, role->status, &sample)) {
        return;
    }
    for (size_t i = 0; i < role->will.count; i++) {
        const char *will = role->will.filters[i];
        willed = willed || ph_template_match(will, &sample, status);
        if (strcmp(will, role->status) != 0) {
            ph_lint_report(lint, role, PH_FINDING_WILL_BESIDE_STATUS,
                "will: \"%.150s\": wills pass without limits and provenance, and this is not the "
                "status; leave it out",
                will);
        }
    }
    if (!willed) {
        ph_lint_report(lint, role, PH_FINDING_STATUS_WITHOUT_WILL,
            "status: \"%.150s\": no will may say there that the connection was lost; add it to "
            "\"will\"",
            role->status);
    }
}

void ph_lint_topics(const struct ph_lint_run *lint, const struct ph_role *role)
{
    check_broad(lint, role, "publish", &role->publish);
    check_broad(lint, role, "subscribe", &role->subscribe);
    check_broad(lint, role, "receive", &role->receive);
    check_publish(lint, role);
    check_read(lint, role);
    check_status(lint, role);
}
