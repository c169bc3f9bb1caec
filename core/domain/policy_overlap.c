#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "domain/policy.h"
#include "domain/template.h"

/* Stands for the rest of a name that a pattern leaves open; no checked template holds it. */
#define OPEN '\1'

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

enum { TENANT, KIND, DEVICE, SEGMENTS };

/* A role with what its anchor adds to it. */
struct side {
    const struct ph_role *role;
    size_t anchor; /* its index */
    const char *patterns[SEGMENTS];
    bool named[SEGMENTS]; /* by the client id */
    char id[PH_LIMIT_CLIENT_ID_BYTES +
            1]; /* the client id with each open rest as OPEN; "": too long */
};

/* The names of one segment that two anchors may both speak for. Found once for each two anchors,
 * because there may be half a million pairs of roles. */
struct common {
    char **names;
    size_t count;
    bool any; /* neither lists them */
};

struct commons {
    struct common of[DEVICE][PH_LIMIT_POLICY_ANCHORS][PH_LIMIT_POLICY_ANCHORS]; /* [first][second],
                                                        in the order of the policy */
};

/* Whether the two roles, by their patterns and their anchors' lists, allow one same name. */
static bool meet(
    const struct commons *commons, const struct side *a, const struct side *b, int segment)
{
    const char *one = a->patterns[segment];
    const char *other = b->patterns[segment];
    if (!patterns_meet(one, other)) {
        return false;
    }
    if (segment == DEVICE) {
        return true;
    }
    bool ordered = a->anchor <= b->anchor;
    const struct common *common =
        &commons->of[segment][ordered ? a->anchor : b->anchor][ordered ? b->anchor : a->anchor];
    bool found = common->any;
    for (size_t i = 0; !found && i < common->count; i++) {
        found =
            ph_pattern_holds(one, common->names[i]) && ph_pattern_holds(other, common->names[i]);
    }
    return found;
}

static bool is_same_name(const char *a, const char *b)
{
    return a != NULL && b != NULL && strchr(a, '*') == NULL && strcmp(a, b) == 0;
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
    return c == OPEN || ph_segment_char(c);
}

static size_t name_len(const char *text)
{
    size_t len = 0;
    while (in_name(text[len])) {
        len++;
    }
    return len;
}

static bool begin_alike(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return memcmp(a, b, a_len < b_len ? a_len : b_len) == 0;
}

static bool end_alike(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t len = a_len < b_len ? a_len : b_len;
    return memcmp(a + a_len - len, b + b_len - len, len) == 0;
}

/* Whether one text can be both, when OPEN stands for any part of a name: there is one at most in
 * each, because between two placeholders there is a character that no name holds. */
static bool names_meet(const char *a, size_t a_len, const char *b, size_t b_len)
{
    const char *a_open = memchr(a, OPEN, a_len);
    const char *b_open = memchr(b, OPEN, b_len);
    if (a_open == NULL && b_open == NULL) {
        return a_len == b_len && memcmp(a, b, a_len) == 0;
    }
    size_t a_head = a_open != NULL ? (size_t)(a_open - a) : a_len;
    size_t b_head = b_open != NULL ? (size_t)(b_open - b) : b_len;
    const char *a_tail = a_open != NULL ? a_open + 1 : a;
    const char *b_tail = b_open != NULL ? b_open + 1 : b;
    size_t a_tail_len = (size_t)(a + a_len - a_tail);
    size_t b_tail_len = (size_t)(b + b_len - b_tail);
    bool fits = (a_open != NULL || a_len >= b_head + b_tail_len) &&
                (b_open != NULL || b_len >= a_head + a_tail_len);
    return fits && begin_alike(a, a_head, b, b_head) &&
           end_alike(a_tail, a_tail_len, b_tail, b_tail_len);
}

/* The same name by name. */
static bool texts_meet(const char *a, const char *b)
{
    for (;; a++, b++) {
        size_t a_len = name_len(a);
        size_t b_len = name_len(b);
        if (!names_meet(a, a_len, b, b_len)) {
            return false;
        }
        a += a_len;
        b += b_len;
        if (*a != *b) {
            return false;
        }
        if (*a == '\0') {
            return true;
        }
    }
}

static void fill_side(struct side *side, const struct ph_policy *policy, const struct ph_role *role)
{
    static const char *const placeholders[SEGMENTS] = {"{tenant}", "{kind}", "{device}"};
    const struct ph_anchor *anchor = ph_policy_anchor(policy, role->match.anchor);
    struct ph_identity identity = {0};
    open_segment(identity.tenant, role->match.tenant);
    open_segment(identity.kind, role->match.kind);
    open_segment(identity.device, role->match.device);
    side->role = role;
    side->anchor = (size_t)(anchor - policy->anchors);
    side->patterns[TENANT] = role->match.tenant;
    side->patterns[KIND] = role->match.kind;
    side->patterns[DEVICE] = role->match.device;
    for (int i = 0; i < SEGMENTS; i++) {
        side->named[i] = strstr(role->client_id, placeholders[i]) != NULL;
    }
    if (!ph_template_expand(side->id, sizeof side->id, role->client_id, &identity)) {
        side->id[0] = '\0';
    } else if (ph_role_shared(role)) {
        side->id[strlen(side->id) - 1] = OPEN;
    }
}

/* ---- what anchors have in common ---- */

struct names {
    char **texts; /* sorted */
    size_t count;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool copy_sorted(struct names *out, char *const *texts, size_t count)
{
    *out = (struct names){.texts = calloc(count + 1, sizeof *out->texts), .count = count};
    if (out->texts != NULL && count > 0) {
        memcpy(out->texts, texts, count * sizeof *out->texts);
        qsort(out->texts, count, sizeof *out->texts, by_text);
    }
    return out->texts != NULL;
}

static void intersect(struct common *out, const struct names *a, const struct names *b)
{
    for (size_t i = 0, k = 0; i < a->count && k < b->count;) {
        int order = strcmp(a->texts[i], b->texts[k]);
        if (order == 0) {
            out->names[out->count++] = a->texts[i];
        }
        i += order <= 0;
        k += order >= 0;
    }
}

/* A tenant that one anchor lists is open to those that list none, a kind is closed to them. */
static bool compare_names(
    struct common *out, int segment, const struct names *a, const struct names *b)
{
    out->any = a->count == 0 && b->count == 0;
    if (out->any || (segment == KIND && (a->count == 0 || b->count == 0))) {
        return true;
    }
    size_t most = a->count > b->count ? a->count : b->count;
    out->names = calloc(most, sizeof *out->names);
    if (out->names == NULL) {
        return false;
    }
    if (a->count == 0 || b->count == 0) {
        memcpy(out->names, a->count > 0 ? a->texts : b->texts, most * sizeof *out->names);
        out->count = most;
    } else {
        intersect(out, a, b);
    }
    return true;
}

static bool compare_anchors(const struct ph_policy *policy, int segment, struct commons *out)
{
    struct names names[PH_LIMIT_POLICY_ANCHORS] = {{NULL, 0}};
    bool ok = true;
    for (size_t i = 0; ok && i < policy->anchor_count; i++) {
        const struct ph_anchor *anchor = &policy->anchors[i];
        ok = segment == TENANT ? copy_sorted(&names[i], anchor->tenants, anchor->tenant_count)
                               : copy_sorted(&names[i], anchor->kinds, anchor->kind_count);
    }
    for (size_t i = 0; ok && i < policy->anchor_count; i++) {
        for (size_t k = i; ok && k < policy->anchor_count; k++) {
            ok = compare_names(&out->of[segment][i][k], segment, &names[i], &names[k]);
        }
    }
    for (size_t i = 0; i < policy->anchor_count; i++) {
        free(names[i].texts);
    }
    return ok;
}

static void free_commons(struct commons *commons)
{
    for (size_t i = 0; commons != NULL && i < PH_LIMIT_POLICY_ANCHORS; i++) {
        for (size_t k = i; k < PH_LIMIT_POLICY_ANCHORS; k++) {
            free(commons->of[TENANT][i][k].names);
            free(commons->of[KIND][i][k].names);
        }
    }
    free(commons);
}

/* ---- pairs of roles ---- */

/* Two clients of two anchors that are the same in tenant, kind and device. */
static bool could_be_namesakes(
    const struct commons *commons, const struct side *a, const struct side *b)
{
    return a->anchor != b->anchor && meet(commons, a, b, DEVICE) && meet(commons, a, b, KIND) &&
           meet(commons, a, b, TENANT);
}

/* Two clients, one of each role, that are not the same in all of anchor, tenant, kind and device;
 * of two anchors they are no namesakes. */
static bool could_share_a_client_id(
    const struct commons *commons, const struct side *a, const struct side *b)
{
    bool same_template = strcmp(a->role->client_id, b->role->client_id) == 0;
    bool shared[SEGMENTS]; /* clients with one client id must be alike in this */
    int count = 0;
    for (int i = 0; i < SEGMENTS; i++) {
        shared[i] = (same_template && a->named[i]) || is_same_name(a->patterns[i], b->patterns[i]);
        count += shared[i];
    }
    if (count == SEGMENTS) {
        return false;
    }
    for (int i = 0; i < SEGMENTS; i++) {
        if (shared[i] && !meet(commons, a, b, i)) {
            return false;
        }
    }
    return a->id[0] == '\0' || b->id[0] == '\0' || texts_meet(a->id, b->id);
}

static enum ph_err refuse_namesakes(
    const struct ph_role *a, const struct ph_role *b, struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_CONFIG,
        "roles \"%s\" and \"%s\": match: anchors \"%s\" and \"%s\" could both vouch for the same "
        "tenant, kind and device, and topics do not carry the anchor, so one's devices could use "
        "the "
        "other's topics; give each anchor its own \"tenants\" or \"kinds\", or match other names",
        a->name, b->name, a->match.anchor, b->match.anchor);
}

static enum ph_err refuse_client_ids(
    const struct ph_role *a, const struct ph_role *b, struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_CONFIG,
        "roles \"%s\" and \"%s\": client_id: two clients could share one, filled into \"%.150s\" "
        "and \"%.150s\"; begin one with a word and ':', or use {tenant}/{kind}/{device} in both",
        a->name, b->name, a->client_id, b->client_id);
}

static enum ph_err check_pairs(
    const struct commons *commons, const struct side *sides, size_t count, struct ph_error *error)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = i + 1; k < count; k++) {
            if (could_be_namesakes(commons, &sides[i], &sides[k])) {
                return refuse_namesakes(sides[i].role, sides[k].role, error);
            }
            if (could_share_a_client_id(commons, &sides[i], &sides[k])) {
                return refuse_client_ids(sides[i].role, sides[k].role, error);
            }
        }
    }
    return PH_OK;
}

enum ph_err ph_policy_check_overlap(const struct ph_policy *policy, struct ph_error *error)
{
    struct commons *commons = calloc(1, sizeof *commons);
    struct side *sides = calloc(policy->role_count + 1, sizeof *sides);
    enum ph_err err = PH_OK;
    if (commons == NULL || sides == NULL || !compare_anchors(policy, TENANT, commons) ||
        !compare_anchors(policy, KIND, commons)) {
        err = ph_error_set(error, PH_ERR_MEMORY, "policy: out of memory");
        goto out;
    }
    for (size_t i = 0; i < policy->role_count; i++) {
        fill_side(&sides[i], policy, &policy->roles[i]);
    }
    err = check_pairs(commons, sides, policy->role_count, error);
out:
    free_commons(commons);
    free(sides);
    return err;
}
