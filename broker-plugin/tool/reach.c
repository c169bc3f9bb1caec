#include "broker-plugin/tool/reach.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

void ph_reach_list_fini(struct ph_reach_list *list)
{
    free(list->items);
    ph_map_free(&list->seen);
    *list = (struct ph_reach_list){0};
}

void ph_reach_result_fini(struct ph_reach_result *result)
{
    ph_reach_list_fini(&result->writes);
    ph_reach_list_fini(&result->wills);
    ph_reach_list_fini(&result->reads);
    ph_reach_list_fini(&result->retained);
    ph_reach_list_fini(&result->wakes);
    ph_reach_list_fini(&result->beyond);
}

static bool same_holder(const struct ph_holder *a, const struct ph_holder *b)
{
    return strcmp(a->anchor, b->anchor) == 0 && strcmp(a->tenant, b->tenant) == 0 &&
           strcmp(a->kind, b->kind) == 0 && strcmp(a->device, b->device) == 0;
}

static bool make_room(struct ph_reach_list *list)
{
    if (list->seen == NULL) {
        list->seen = ph_map_new();
    }
    if (list->seen == NULL || list->count < list->room) {
        return list->seen != NULL;
    }
    size_t room = list->room == 0 ? 16 : list->room * 2;
    struct ph_reach *items = realloc(list->items, room * sizeof *items);
    if (items != NULL) {
        list->items = items;
        list->room = room;
    }
    return items != NULL;
}

/* Lists it once. False when out of memory. */
static bool add(struct ph_reach_list *list, const struct ph_reach *item)
{
    char key[PH_HOLDER_BYTES + PH_SEGMENT_BYTES + PH_LIMIT_TOPIC_BYTES + 32];
    char who[PH_HOLDER_BYTES];
    ph_holder_print(who, sizeof who, &item->holder);
    int len = snprintf(
        key, sizeof key, "%zu %s %s %s", item->through, item->role->name, who, item->filter);
    if (!make_room(list)) {
        return false;
    }
    if (ph_map_get(list->seen, key, (size_t)len) != NULL) {
        return true;
    }
    if (list->count >= PH_REACH_MAX) {
        list->left_out++;
        return true;
    }
    list->items[list->count++] = *item;
    return ph_map_put(list->seen, key, (size_t)len, list) == PH_OK;
}

/* A search over all roles for those that have a grant which meets `filter`. */
struct search {
    const struct ph_policy *policy;
    enum ph_action action;
    const char *filter;
    const struct ph_holder *self; /* left out; NULL: nobody */
    struct ph_reach_list *out;
    struct ph_reach item; /* what is being added */
    bool no_memory;
};

/* Both of what a will, and a delivery, need: a second list of the role that has it too. */
static bool has_second_grant(const struct search *search, const struct ph_holder *holder)
{
    const struct ph_role *role = search->item.role;
    const struct ph_filter_list *list =
        search->action == PH_ACTION_WILL ? &role->publish : &role->subscribe;
    if (search->action != PH_ACTION_WILL && search->action != PH_ACTION_RECEIVE) {
        return true;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (ph_holder_meets(list->filters[i], holder, search->filter)) {
            return true;
        }
    }
    return false;
}

static void add_met(void *context, const struct ph_holder *holder)
{
    struct search *search = context;
    if ((search->self != NULL && same_holder(search->self, holder)) ||
        !ph_holder_has_role(search->policy, search->item.role, holder) ||
        !has_second_grant(search, holder)) {
        return;
    }
    search->item.holder = *holder;
    search->no_memory = !add(search->out, &search->item) || search->no_memory;
}

static void search_roles(struct search *search)
{
    for (size_t i = 0; i < search->policy->role_count; i++) {
        const struct ph_role *role = &search->policy->roles[i];
        const struct ph_filter_list *list = ph_role_list(role, search->action);
        struct ph_holder holder;
        ph_holder_of_role(&holder, search->policy, role);
        search->item.role = role;
        for (size_t k = 0; k < list->count; k++) {
            search->item.template = list->filters[k];
            if (!ph_holder_meet(list->filters[k], &holder, search->filter, add_met, search)) {
                add_met(search, &holder);
            }
        }
    }
}

enum ph_err ph_reach_topic(const struct ph_policy *policy, enum ph_action action,
    const char *filter, struct ph_reach_list *out, struct ph_error *error)
{
    struct search search = {.policy = policy,
        .action = action,
        .filter = filter,
        .out = out,
        .item = {.through = SIZE_MAX}};
    if (!ph_text_copy(search.item.filter, sizeof search.item.filter, filter)) {
        return ph_error_set(error, PH_ERR_LIMIT, "topic: too long");
    }
    search_roles(&search);
    return search.no_memory ? ph_error_set(error, PH_ERR_MEMORY, "reach: out of memory") : PH_OK;
}

/* The one whose reach is asked for. */
struct origin {
    const struct ph_policy *policy;
    const struct ph_role *role;
    struct ph_holder holder;
    bool quarantined;
};

static bool meets_list(
    const struct ph_filter_list *list, const struct ph_holder *holder, const char *filter)
{
    for (size_t i = 0; i < list->count; i++) {
        if (ph_holder_meets(list->filters[i], holder, filter)) {
            return true;
        }
    }
    return false;
}

/* What is left of a grant in quarantine, or where a second list is needed as well. */
static bool in_force(const struct origin *origin, enum ph_action action, const char *filter)
{
    const struct ph_role *quarantine = origin->policy->quarantine;
    if (action == PH_ACTION_WILL && !meets_list(&origin->role->publish, &origin->holder, filter)) {
        return false;
    }
    if (action == PH_ACTION_RECEIVE &&
        !meets_list(&origin->role->subscribe, &origin->holder, filter)) {
        return false;
    }
    return !origin->quarantined ||
           (quarantine != NULL &&
               meets_list(ph_role_list(quarantine, action), &origin->holder, filter));
}

static bool add_own(const struct origin *origin, enum ph_action action, struct ph_reach_list *out)
{
    const struct ph_filter_list *list = ph_role_list(origin->role, action);
    struct ph_reach item = {.role = origin->role, .holder = origin->holder, .through = SIZE_MAX};
    bool good = true;
    for (size_t i = 0; good && i < list->count; i++) {
        item.template = list->filters[i];
        if (ph_holder_expand(item.filter, sizeof item.filter, item.template, &origin->holder) &&
            in_force(origin, action, item.filter)) {
            good = add(out, &item);
        }
    }
    return good;
}

/* Collects, for a role with a status topic, whose of them a filter covers. */
struct status_search {
    const struct origin *origin;
    struct ph_reach item;
    struct ph_reach_list *out;
    bool no_memory;
};

static void add_status(void *context, const struct ph_holder *holder)
{
    struct status_search *search = context;
    if (same_holder(holder, &search->origin->holder) ||
        !ph_holder_has_role(search->origin->policy, search->item.role, holder) ||
        !ph_holder_expand(
            search->item.filter, sizeof search->item.filter, search->item.template, holder)) {
        return;
    }
    search->item.holder = *holder;
    search->no_memory = !add(search->out, &search->item) || search->no_memory;
}

static bool find_retained(const struct origin *origin, struct ph_reach_result *out)
{
    struct status_search search = {
        .origin = origin, .item = {.through = SIZE_MAX}, .out = &out->retained};
    for (size_t i = 0; i < out->reads.count; i++) {
        for (size_t k = 0; k < origin->policy->role_count; k++) {
            const struct ph_role *role = &origin->policy->roles[k];
            struct ph_holder holder;
            if (role->status != NULL) {
                ph_holder_of_role(&holder, origin->policy, role);
                search.item.role = role;
                search.item.template = role->status;
                (void)ph_holder_meet(
                    role->status, &holder, out->reads.items[i].filter, add_status, &search);
            }
        }
    }
    return !search.no_memory;
}

static bool find_wakes(const struct origin *origin, struct ph_reach_result *out)
{
    bool good = true;
    for (size_t i = 0; good && i < out->writes.count; i++) {
        struct search search = {.policy = origin->policy,
            .action = PH_ACTION_RECEIVE,
            .filter = out->writes.items[i].filter,
            .self = &origin->holder,
            .out = &out->wakes,
            .item = {.through = SIZE_MAX}};
        memcpy(search.item.filter, search.filter, strlen(search.filter) + 1);
        search_roles(&search);
        good = !search.no_memory;
    }
    return good;
}

/* Whether an earlier hop led to the same clients already: they can then write the same. */
static bool met_before(const struct ph_reach_list *wakes, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (wakes->items[i].role == wakes->items[index].role &&
            same_holder(&wakes->items[i].holder, &wakes->items[index].holder)) {
            return true;
        }
    }
    return false;
}

static bool find_beyond(const struct origin *origin, struct ph_reach_result *out, size_t hop)
{
    const struct ph_role *role = out->wakes.items[hop].role;
    bool good = true;
    for (size_t i = 0; good && i < role->publish.count; i++) {
        char filter[PH_LIMIT_TOPIC_BYTES + 1];
        if (!ph_holder_expand(
                filter, sizeof filter, role->publish.filters[i], &out->wakes.items[hop].holder)) {
            continue;
        }
        struct search search = {.policy = origin->policy,
            .action = PH_ACTION_RECEIVE,
            .filter = filter,
            .self = &origin->holder,
            .out = &out->beyond,
            .item = {.through = hop}};
        memcpy(search.item.filter, filter, strlen(filter) + 1);
        search_roles(&search);
        good = !search.no_memory;
    }
    return good;
}

enum ph_err ph_reach_find(const struct ph_policy *policy, const struct ph_role *role,
    const struct ph_identity *identity, bool quarantined, struct ph_reach_result *out,
    struct ph_error *error)
{
    struct origin origin = {.policy = policy, .role = role, .quarantined = quarantined};
    ph_holder_of_identity(&origin.holder, identity);
    bool good = add_own(&origin, PH_ACTION_PUBLISH, &out->writes) &&
                add_own(&origin, PH_ACTION_WILL, &out->wills) &&
                add_own(&origin, PH_ACTION_RECEIVE, &out->reads) && find_retained(&origin, out) &&
                find_wakes(&origin, out);
    for (size_t i = 0; good && i < out->wakes.count; i++) {
        good = met_before(&out->wakes, i) || find_beyond(&origin, out, i);
    }
    return good ? PH_OK : ph_error_set(error, PH_ERR_MEMORY, "reach: out of memory");
}
