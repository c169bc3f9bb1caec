#include <string.h>

#include "base/limits.h"
#include "domain/policy.h"
#include "domain/template.h"

/* Stands for the rest of a name that a pattern leaves open; no checked template holds it. */
#define OPEN '\1'

/* What one role and its anchor allow for one segment of the identity. */
struct segment {
    const char *pattern;
    char *const *list;
    size_t count; /* 0: whatever the pattern allows */
};

static bool allows(const struct segment *segment, const char *text)
{
    for (size_t i = 0; i < segment->count; i++) {
        if (strcmp(segment->list[i], text) == 0) {
            return ph_pattern_holds(segment->pattern, text);
        }
    }
    return segment->count == 0 && ph_pattern_holds(segment->pattern, text);
}

/* Whether some text is what both patterns say: one begins like the other, or is it. */
static bool patterns_meet(const char *a, const char *b)
{
    if (a == NULL || b == NULL) {
        return true;
    }
    size_t a_len = strcspn(a, "*");
    size_t b_len = strcspn(b, "*");
    if (a[a_len] == '\0' || b[b_len] == '\0') {
        return ph_pattern_holds(a, b) || ph_pattern_holds(b, a);
    }
    return strncmp(a, b, a_len < b_len ? a_len : b_len) == 0;
}

static bool some_allowed_by(const struct segment *a, const struct segment *b)
{
    for (size_t i = 0; i < a->count; i++) {
        if (allows(a, a->list[i]) && allows(b, a->list[i])) {
            return true;
        }
    }
    return false;
}

static bool segments_meet(const struct segment *a, const struct segment *b)
{
    if (a->count > 0) {
        return some_allowed_by(a, b);
    }
    return b->count > 0 ? some_allowed_by(b, a) : patterns_meet(a->pattern, b->pattern);
}

/* A role with what its anchor adds to it. */
struct side {
    const struct ph_role *role;
    struct segment tenant;
    struct segment kind;
    struct segment device;
};

static struct side side_of(const struct ph_policy *policy, const struct ph_role *role)
{
    const struct ph_anchor *anchor = ph_policy_anchor(policy, role->match.anchor);
    return (struct side){
        .role = role,
        .tenant = {role->match.tenant, anchor->tenants, anchor->tenant_count},
        .kind = {role->match.kind, anchor->kinds, anchor->kind_count},
        .device = {role->match.device, NULL, 0},
    };
}

/* A kind that one anchor lists is closed to those that do not. */
static bool kinds_meet(const struct segment *a, const struct segment *b)
{
    return (a->count > 0) == (b->count > 0) && segments_meet(a, b);
}

/* Whether clients with one client id must be alike in this segment: both templates say it in the
 * same place, or both roles are for one name only. */
static bool is_shared(const struct side *a, const struct segment *a_segment, const struct side *b,
    const struct segment *b_segment, const char *placeholder)
{
    const char *a_pattern = a_segment->pattern;
    const char *b_pattern = b_segment->pattern;
    bool one_name = a_pattern != NULL && b_pattern != NULL && strchr(a_pattern, '*') == NULL &&
                    strcmp(a_pattern, b_pattern) == 0;
    return one_name || (strcmp(a->role->client_id, b->role->client_id) == 0 &&
                           strstr(a->role->client_id, placeholder) != NULL);
}

static void open_segment(char out[PH_SEGMENT_BYTES], const char *pattern)
{
    size_t len = pattern != NULL ? strcspn(pattern, "*") : 0;
    bool open = pattern == NULL || pattern[len] == '*';
    len = len < PH_LIMIT_SEGMENT_BYTES ? len : PH_LIMIT_SEGMENT_BYTES;
    if (len > 0) {
        memcpy(out, pattern, len);
    }
    if (open && len < PH_LIMIT_SEGMENT_BYTES) {
        out[len++] = OPEN;
    }
    out[len] = '\0';
}

static bool in_name(char c)
{
    const char two[2] = {'x', c};
    return c == OPEN || ph_segment_valid(two, sizeof two);
}

/* Whether one text can be both, when each OPEN stands for any part of a name. */
static bool texts_meet(const char *a, const char *b)
{
    if (*a != OPEN && *b != OPEN) {
        return *a == *b && (*a == '\0' || texts_meet(a + 1, b + 1));
    }
    const char *open = *a == OPEN ? a : b;
    const char *other = *a == OPEN ? b : a;
    return texts_meet(open + 1, other) || (in_name(*other) && texts_meet(open, other + 1));
}

static bool client_ids_meet(const struct ph_role *a, const struct ph_role *b)
{
    const struct ph_role *const roles[2] = {a, b};
    char ids[2][PH_LIMIT_CLIENT_ID_BYTES + 1];
    for (int i = 0; i < 2; i++) {
        struct ph_identity identity = {0};
        open_segment(identity.tenant, roles[i]->match.tenant);
        open_segment(identity.kind, roles[i]->match.kind);
        open_segment(identity.device, roles[i]->match.device);
        if (!ph_template_expand(ids[i], sizeof ids[i], roles[i]->client_id, &identity)) {
            return true;
        }
    }
    return texts_meet(ids[0], ids[1]);
}

/* Two clients, one of each role, that are not the same in all of anchor, tenant, kind and device.
 */
static bool could_share_a_client_id(const struct side *a, const struct side *b)
{
    bool tenant = is_shared(a, &a->tenant, b, &b->tenant, "{tenant}");
    bool kind = is_shared(a, &a->kind, b, &b->kind, "{kind}");
    bool device = is_shared(a, &a->device, b, &b->device, "{device}");
    bool anchor = strcmp(a->role->match.anchor, b->role->match.anchor) == 0;
    if ((tenant && !segments_meet(&a->tenant, &b->tenant)) ||
        (kind && !kinds_meet(&a->kind, &b->kind)) ||
        (device && !segments_meet(&a->device, &b->device))) {
        return false;
    }
    return !(anchor && tenant && kind && device) && client_ids_meet(a->role, b->role);
}

static enum ph_err refuse(const struct ph_role *a, const struct ph_role *b, struct ph_error *error)
{
    if (strcmp(a->client_id, b->client_id) == 0 && strcmp(a->match.anchor, b->match.anchor) != 0) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "roles \"%s\" and \"%s\": client_id: clients of anchors \"%s\" and \"%s\" could "
            "share \"%.200s\"; give an anchor its own kinds or tenants",
            a->name, b->name, a->match.anchor, b->match.anchor, a->client_id);
    }
    return ph_error_set(error, PH_ERR_CONFIG,
        "roles \"%s\" and \"%s\": client_id: two clients could share one, filled into \"%.150s\" "
        "and \"%.150s\"; begin one with a word and ':', or use {tenant}/{kind}/{device} in both",
        a->name, b->name, a->client_id, b->client_id);
}

enum ph_err ph_policy_check_overlap(const struct ph_policy *policy, struct ph_error *error)
{
    for (size_t i = 0; i < policy->role_count; i++) {
        const struct side a = side_of(policy, &policy->roles[i]);
        for (size_t k = i + 1; k < policy->role_count; k++) {
            const struct side b = side_of(policy, &policy->roles[k]);
            if (could_share_a_client_id(&a, &b)) {
                return refuse(a.role, b.role, error);
            }
        }
    }
    return PH_OK;
}
