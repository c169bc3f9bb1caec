#include "broker-plugin/tool/holder.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { STEPS_MAX = 20000 };

static const char *const placeholders[3] = {"{tenant}", "{kind}", "{device}"};

static char *part(struct ph_holder *holder, int index)
{
    char *const parts[3] = {holder->tenant, holder->kind, holder->device};
    return parts[index];
}

static bool is_open(const char *pattern)
{
    size_t len = strlen(pattern);
    return len > 0 && pattern[len - 1] == '*';
}

static void narrow_to_list(char *out, size_t size, char *const *list, size_t count)
{
    const char *only = NULL;
    size_t held = 0;
    for (size_t i = 0; i < count; i++) {
        if (ph_pattern_holds(out, list[i])) {
            only = list[i];
            held++;
        }
    }
    if (held == 1) {
        (void)snprintf(out, size, "%s", only);
    }
}

static void set_part(char *out, size_t size, const char *pattern)
{
    (void)snprintf(out, size, "%s", pattern != NULL ? pattern : "*");
}

void ph_holder_of_role(
    struct ph_holder *out, const struct ph_policy *policy, const struct ph_role *role)
{
    const struct ph_anchor *anchor = ph_policy_anchor(policy, role->match.anchor);
    *out = (struct ph_holder){0};
    set_part(out->anchor, sizeof out->anchor, role->match.anchor);
    set_part(out->tenant, sizeof out->tenant, role->match.tenant);
    set_part(out->kind, sizeof out->kind, role->match.kind);
    set_part(out->device, sizeof out->device, role->match.device);
    if (anchor != NULL) {
        narrow_to_list(out->tenant, sizeof out->tenant, anchor->tenants, anchor->tenant_count);
        narrow_to_list(out->kind, sizeof out->kind, anchor->kinds, anchor->kind_count);
    }
}

void ph_holder_of_identity(struct ph_holder *out, const struct ph_identity *identity)
{
    *out = (struct ph_holder){0};
    set_part(out->anchor, sizeof out->anchor, identity->anchor);
    set_part(out->tenant, sizeof out->tenant, identity->tenant);
    set_part(out->kind, sizeof out->kind, identity->kind);
    set_part(out->device, sizeof out->device, identity->device);
}

void ph_holder_print(char *out, size_t size, const struct ph_holder *holder)
{
    (void)snprintf(
        out, size, "%s:%s/%s/%s", holder->anchor, holder->tenant, holder->kind, holder->device);
}

static bool to_identity(struct ph_identity *out, const struct ph_holder *holder)
{
    *out = (struct ph_identity){0};
    return !is_open(holder->tenant) && !is_open(holder->kind) && !is_open(holder->device) &&
           ph_text_copy(out->anchor, sizeof out->anchor, holder->anchor) &&
           ph_text_copy(out->tenant, sizeof out->tenant, holder->tenant) &&
           ph_text_copy(out->kind, sizeof out->kind, holder->kind) &&
           ph_text_copy(out->device, sizeof out->device, holder->device);
}

static bool list_allows(char *const *list, size_t count, const char *pattern)
{
    for (size_t i = 0; i < count; i++) {
        if (ph_pattern_holds(pattern, list[i])) {
            return true;
        }
    }
    return count == 0;
}

/* An open kind may be any; a kind that other anchors list is closed to those that do not. */
static bool kind_allowed(
    const struct ph_policy *policy, const struct ph_anchor *anchor, const char *kind)
{
    if (anchor->kind_count > 0 || is_open(kind)) {
        return list_allows(anchor->kinds, anchor->kind_count, kind);
    }
    for (size_t i = 0; i < policy->anchor_count; i++) {
        const struct ph_anchor *other = &policy->anchors[i];
        if (other->kind_count > 0 && list_allows(other->kinds, other->kind_count, kind)) {
            return false;
        }
    }
    return true;
}

bool ph_holder_has_role(
    const struct ph_policy *policy, const struct ph_role *role, const struct ph_holder *holder)
{
    struct ph_identity identity;
    const struct ph_role *kept = NULL;
    if (to_identity(&identity, holder)) {
        return ph_policy_role_keep(policy, &identity, role->name, &kept, NULL) == PH_OK;
    }
    const struct ph_anchor *anchor = ph_policy_anchor(policy, holder->anchor);
    return anchor != NULL && list_allows(anchor->tenants, anchor->tenant_count, holder->tenant) &&
           kind_allowed(policy, anchor, holder->kind);
}

/* The placeholder that `text` begins with, or -1. */
static int placeholder_at(const char *text)
{
    for (int i = 0; i < 3; i++) {
        if (strncmp(text, placeholders[i], strlen(placeholders[i])) == 0) {
            return i;
        }
    }
    return -1;
}

static const char *level_end(const char *text)
{
    return strchrnul(text, '/');
}

/* Appends a template's level filled in, or '+'; false when it does not fit. */
static bool expand_level(
    char *out, size_t size, size_t *used, const char *level, struct ph_holder *holder)
{
    const char *end = level_end(level);
    size_t start = *used;
    while (level < end) {
        int index = placeholder_at(level);
        const char *piece = level;
        size_t len = 1;
        if (index < 0) {
            level++;
        } else if (is_open(part(holder, index))) {
            piece = "+";
            *used = start;
            level = end;
        } else {
            piece = part(holder, index);
            len = strlen(piece);
            level += strlen(placeholders[index]);
        }
        if (size - *used <= len) {
            return false;
        }
        memcpy(out + *used, piece, len);
        *used += len;
    }
    return true;
}

bool ph_holder_expand(char *out, size_t size, const char *template, const struct ph_holder *holder)
{
    struct ph_holder copy = *holder;
    size_t used = 0;
    for (;;) {
        if (!expand_level(out, size, &used, template, &copy) || used >= size) {
            return false;
        }
        template = level_end(template);
        if (*template == '\0') {
            out[used] = '\0';
            return true;
        }
        if (size - used <= 1) {
            return false;
        }
        out[used++] = *template ++;
    }
}

/* One search for the ways to read a template. */
struct search {
    ph_holder_met *met;
    void *context;
    int steps;
};

static void meet_levels(struct search *search, const char *template, const char *filter,
    const struct ph_holder *holder);

/* The next level of both, when both have one or neither. */
static void meet_next(struct search *search, const char *template_end, const char *filter_end,
    const struct ph_holder *holder)
{
    bool more = *template_end == '/';
    if (more && *filter_end == '/') {
        meet_levels(search, template_end + 1, filter_end + 1, holder);
    } else if (more || *filter_end == '/') {
        /* "a/#" matches "a" */
        const char *rest = more ? template_end : filter_end;
        if (strcmp(rest, "/#") == 0) {
            search->met(search->context, holder);
        }
    } else {
        search->met(search->context, holder);
    }
}

static void meet_text(
    struct search *search, const char *template, const char *text, const struct ph_holder *holder);

/* The placeholder at `template` stands for the first `len` bytes of `text`. */
static void meet_name(struct search *search, const char *template, const char *text, size_t len,
    const struct ph_holder *holder)
{
    struct ph_holder narrowed = *holder;
    int index = placeholder_at(template);
    char *name = part(&narrowed, index);
    char value[PH_SEGMENT_BYTES];
    memcpy(value, text, len);
    value[len] = '\0';
    if (ph_segment_valid(value, len) && ph_pattern_holds(name, value)) {
        memcpy(name, value, len + 1);
        meet_text(search, template + strlen(placeholders[index]), text + len, &narrowed);
    }
}

/* Within one level; none of the two is a wildcard. */
static void meet_text(
    struct search *search, const char *template, const char *text, const struct ph_holder *holder)
{
    if (++search->steps > STEPS_MAX) {
        return;
    }
    while (*template != '\0' && *template != '/' && placeholder_at(template) < 0) {
        if (*template ++ != *text++) {
            return;
        }
    }
    const char *end = level_end(text);
    if (*template == '\0' || *template == '/') {
        if (text == end) {
            meet_next(search, template, text, holder);
        }
        return;
    }
    size_t room = (size_t)(end - text);
    room = room < PH_LIMIT_SEGMENT_BYTES ? room : PH_LIMIT_SEGMENT_BYTES;
    for (size_t len = room; len > 0; len--) {
        meet_name(search, template, text, len, holder);
    }
}

static bool is_wildcard(const char *level, char wildcard)
{
    return level[0] == wildcard && (level[1] == '\0' || level[1] == '/');
}

static void meet_levels(
    struct search *search, const char *template, const char *filter, const struct ph_holder *holder)
{
    if (++search->steps > STEPS_MAX) {
        return;
    }
    if (is_wildcard(template, '#') || is_wildcard(filter, '#')) {
        search->met(search->context, holder);
    } else if (is_wildcard(template, '+') || is_wildcard(filter, '+')) {
        meet_next(search, level_end(template), level_end(filter), holder);
    } else {
        meet_text(search, template, filter, holder);
    }
}

static bool begins_wild(const char *filter)
{
    return filter[0] == '+' || filter[0] == '#';
}

bool ph_holder_meet(const char *template, const struct ph_holder *holder, const char *filter,
    ph_holder_met *met, void *context)
{
    struct search search = {.met = met, .context = context};
    if ((template[0] == '$' && begins_wild(filter)) ||
        (filter[0] == '$' && begins_wild(template))) {
        return true;
    }
    meet_levels(&search, template, filter, holder);
    return search.steps <= STEPS_MAX;
}

static void note_met(void *context, const struct ph_holder *holder)
{
    bool *found = context;
    (void)holder;
    *found = true;
}

bool ph_holder_meets(const char *template, const struct ph_holder *holder, const char *filter)
{
    bool found = false;
    bool whole = ph_holder_meet(template, holder, filter, note_met, &found);
    return found || !whole;
}

const struct ph_filter_list *ph_role_list(const struct ph_role *role, enum ph_action action)
{
    switch (action) {
    case PH_ACTION_PUBLISH:
        return &role->publish;
    case PH_ACTION_WILL:
        return &role->will;
    case PH_ACTION_RECEIVE:
        return role->receive.count > 0 ? &role->receive : &role->subscribe;
    case PH_ACTION_SUBSCRIBE:
        break;
    }
    return &role->subscribe;
}
