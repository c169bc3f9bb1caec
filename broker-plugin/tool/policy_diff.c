#include "broker-plugin/tool/policy_diff.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "broker-plugin/tool/holder.h"
#include "domain/template.h"
#include "format/topic.h"

_Static_assert(PH_LIMIT_ROLE_FILTERS <= 64, "a list's templates are bits of one word");

/* Which templates of `mine` are in none of `theirs`, as far as can be said without an identity. */
struct difference {
    uint64_t lost;                         /* whoever it is, but for the next */
    uint64_t doubt[PH_LIMIT_ROLE_FILTERS]; /* templates of theirs that may contain it for some */
};

/* Two roles, compared once for all who change from one to the other. */
struct pair {
    const struct ph_role *before;
    const struct ph_role *after;
    struct difference lost[PH_DIFF_ACTIONS];
    struct difference gained[PH_DIFF_ACTIONS];
    struct pair *next; /* of all pairs */
};

struct ph_policy_diff {
    const struct ph_policy *before;
    const struct ph_policy *after;
    struct ph_map *pairs;
    struct pair *all_pairs;
    struct ph_map *index; /* of groups, by their change */
    struct ph_change_group **groups;
    size_t group_count;
    struct ph_diff_counts counts;
};

enum { PAIRS_MAX = 2048 }; /* 4 kB each; beyond, they are compared anew */

enum ph_err ph_policy_diff_new(const struct ph_policy *before, const struct ph_policy *after,
    struct ph_policy_diff **out, struct ph_error *error)
{
    struct ph_policy_diff *diff = calloc(1, sizeof *diff);
    if (diff != NULL) {
        diff->before = before;
        diff->after = after;
        diff->pairs = ph_map_new();
        diff->index = ph_map_new();
    }
    if (diff == NULL || diff->pairs == NULL || diff->index == NULL) {
        ph_policy_diff_free(&diff);
        return ph_error_set(error, PH_ERR_MEMORY, "diff: out of memory");
    }
    *out = diff;
    return PH_OK;
}

static void forget_pairs(struct ph_policy_diff *diff)
{
    ph_map_free(&diff->pairs);
    while (diff->all_pairs != NULL) {
        struct pair *next = diff->all_pairs->next;
        free(diff->all_pairs);
        diff->all_pairs = next;
    }
}

void ph_policy_diff_free(struct ph_policy_diff **diff)
{
    if (*diff == NULL) {
        return;
    }
    forget_pairs(*diff);
    ph_map_free(&(*diff)->index);
    for (size_t i = 0; i < (*diff)->group_count; i++) {
        free((*diff)->groups[i]);
    }
    free((*diff)->groups);
    free(*diff);
    *diff = NULL;
}

/* Covers every expansion: each level with a placeholder becomes '+'. */
static bool cover(char out[PH_LIMIT_TOPIC_BYTES + 1], const char *template)
{
    static const struct ph_holder anyone = {.tenant = "*", .kind = "*", .device = "*"};
    return ph_holder_expand(out, PH_LIMIT_TOPIC_BYTES + 1, template, &anyone);
}

/* A template is itself a filter whose placeholders are odd names: what contains it so, contains it
 * for everyone. Otherwise it can be contained for someone only if a placeholder is involved. */
static bool may_contain(const char *outer, const char *inner)
{
    char outer_cover[PH_LIMIT_TOPIC_BYTES + 1];
    if (strchr(outer, '{') == NULL && strchr(inner, '{') == NULL) {
        return false;
    }
    return !cover(outer_cover, outer) ||
           ph_holder_meets(
               inner, &(struct ph_holder){.tenant = "*", .kind = "*", .device = "*"}, outer_cover);
}

static void compare_lists(
    struct difference *out, const struct ph_filter_list *mine, const struct ph_filter_list *theirs)
{
    for (size_t i = 0; i < mine->count; i++) {
        bool kept = false;
        for (size_t k = 0; !kept && k < theirs->count; k++) {
            kept = ph_topic_filter_contains(theirs->filters[k], mine->filters[i]);
        }
        if (kept) {
            continue;
        }
        out->lost |= UINT64_C(1) << i;
        for (size_t k = 0; k < theirs->count; k++) {
            if (may_contain(theirs->filters[k], mine->filters[i])) {
                out->doubt[i] |= UINT64_C(1) << k;
            }
        }
    }
}

/* Two roles as a key. */
struct pair_key {
    const struct ph_role *before;
    const struct ph_role *after;
};

static struct pair *pair_make(struct ph_policy_diff *diff, const struct pair_key *key)
{
    if (ph_map_count(diff->pairs) >= PAIRS_MAX) {
        forget_pairs(diff);
        diff->pairs = ph_map_new();
    }
    struct pair *pair = calloc(1, sizeof *pair);
    if (pair == NULL || diff->pairs == NULL ||
        ph_map_put(diff->pairs, key, sizeof *key, pair) != PH_OK) {
        free(pair);
        return NULL;
    }
    pair->before = key->before;
    pair->after = key->after;
    pair->next = diff->all_pairs;
    diff->all_pairs = pair;
    for (int i = 0; i < PH_DIFF_ACTIONS; i++) {
        const struct ph_filter_list *before = ph_role_list(key->before, (enum ph_action)i);
        const struct ph_filter_list *after = ph_role_list(key->after, (enum ph_action)i);
        compare_lists(&pair->lost[i], before, after);
        compare_lists(&pair->gained[i], after, before);
    }
    return pair;
}

static struct pair *pair_of(
    struct ph_policy_diff *diff, const struct ph_role *before, const struct ph_role *after)
{
    const struct pair_key key = {before, after};
    struct pair *pair = diff->pairs != NULL ? ph_map_get(diff->pairs, &key, sizeof key) : NULL;
    return pair != NULL || diff->pairs == NULL ? pair : pair_make(diff, &key);
}

static bool contained(const char *template, const struct ph_filter_list *theirs, uint64_t doubt,
    const struct ph_identity *identity)
{
    char inner[PH_LIMIT_TOPIC_BYTES + 1];
    char outer[PH_LIMIT_TOPIC_BYTES + 1];
    if (doubt == 0 || !ph_template_expand(inner, sizeof inner, template, identity)) {
        return false;
    }
    for (size_t k = 0; k < theirs->count; k++) {
        if ((doubt >> k & 1) != 0 &&
            ph_template_expand(outer, sizeof outer, theirs->filters[k], identity) &&
            ph_topic_filter_contains(outer, inner)) {
            return true;
        }
    }
    return false;
}

static uint64_t lost_by(const struct difference *difference, const struct ph_filter_list *mine,
    const struct ph_filter_list *theirs, const struct ph_identity *identity)
{
    uint64_t lost = difference->lost;
    for (size_t i = 0; lost != 0 && i < mine->count; i++) {
        if ((lost >> i & 1) != 0 &&
            contained(mine->filters[i], theirs, difference->doubt[i], identity)) {
            lost &= ~(UINT64_C(1) << i);
        }
    }
    return lost;
}

/* Two templates, either of which may be NULL, filled in. */
static bool same_text(const char *a, const char *b, const struct ph_identity *identity)
{
    char filled[2][PH_LIMIT_TOPIC_BYTES + 1];
    if (a == NULL || b == NULL || strcmp(a, b) == 0) {
        return a == b || (a != NULL && b != NULL);
    }
    return ph_template_expand(filled[0], sizeof filled[0], a, identity) &&
           ph_template_expand(filled[1], sizeof filled[1], b, identity) &&
           strcmp(filled[0], filled[1]) == 0;
}

static bool same_limits(const struct ph_role_limits *a, const struct ph_role_limits *b)
{
    return a->payload_bytes == b->payload_bytes &&
           a->messages_per_second == b->messages_per_second &&
           a->message_burst == b->message_burst && a->bytes_per_second == b->bytes_per_second &&
           a->over == b->over;
}

static bool same_in_effect(const struct ph_change *change)
{
    return !ph_change_any(change->lost) && !ph_change_any(change->gained) &&
           change->client_id == 0 && change->status == 0 && change->limits == 0 &&
           change->provenance == 0 && change->before != NULL && change->after != NULL &&
           strcmp(change->before->name, change->after->name) == 0;
}

static enum ph_err compare(struct ph_policy_diff *diff, const struct ph_identity *identity,
    struct ph_change *change, struct ph_error *error)
{
    const struct ph_role *before = change->before;
    const struct ph_role *after = change->after;
    struct pair *pair = pair_of(diff, before, after);
    if (pair == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "diff: out of memory");
    }
    for (int i = 0; i < PH_DIFF_ACTIONS; i++) {
        const struct ph_filter_list *old = ph_role_list(before, (enum ph_action)i);
        const struct ph_filter_list *new = ph_role_list(after, (enum ph_action)i);
        change->lost[i] = lost_by(&pair->lost[i], old, new, identity);
        change->gained[i] = lost_by(&pair->gained[i], new, old, identity);
    }
    change->client_id = !same_text(before->client_id, after->client_id, identity);
    change->status = !same_text(before->status, after->status, identity);
    change->limits = !same_limits(&before->limits, &after->limits);
    change->provenance = before->provenance != after->provenance;
    return PH_OK;
}

static struct ph_change_group *group_add(
    struct ph_policy_diff *diff, const struct ph_change *change, struct ph_error *error)
{
    if (diff->group_count >= PH_DIFF_GROUPS_MAX) {
        (void)ph_error_set(error, PH_ERR_LIMIT,
            "diff: want at most %d different changes, have more; compare with a shorter inventory",
            PH_DIFF_GROUPS_MAX);
        return NULL;
    }
    struct ph_change_group **groups =
        realloc(diff->groups, (diff->group_count + 1) * sizeof(struct ph_change_group *));
    if (groups != NULL) {
        diff->groups = groups;
    }
    struct ph_change_group *group = groups != NULL ? calloc(1, sizeof *group) : NULL;
    if (group == NULL || ph_map_put(diff->index, change, sizeof *change, group) != PH_OK) {
        (void)ph_error_set(error, PH_ERR_MEMORY, "diff: out of memory");
        free(group);
        return NULL;
    }
    group->change = *change;
    groups[diff->group_count++] = group;
    return group;
}

static const struct ph_role *role_of(
    const struct ph_policy *policy, const struct ph_identity *identity, const char *subject)
{
    const struct ph_role *role = NULL;
    return ph_policy_role_find(policy, identity, subject, &role, NULL) == PH_OK ? role : NULL;
}

bool ph_policy_diff_knows(
    const struct ph_policy_diff *diff, const struct ph_identity *identity, const char *subject)
{
    return role_of(diff->before, identity, subject) != NULL ||
           role_of(diff->after, identity, subject) != NULL;
}

enum ph_err ph_policy_diff_add(struct ph_policy_diff *diff, const struct ph_identity *identity,
    const char *subject, struct ph_error *error)
{
    struct ph_change change = {
        .before = role_of(diff->before, identity, subject),
        .after = role_of(diff->after, identity, subject),
    };
    diff->counts.identities++;
    if (change.before == NULL && change.after == NULL) {
        diff->counts.shut_out++;
        return PH_OK;
    }
    if (change.before != NULL && change.after != NULL) {
        enum ph_err err = compare(diff, identity, &change, error);
        if (err != PH_OK) {
            return err;
        }
        if (same_in_effect(&change)) {
            diff->counts.same++;
            return PH_OK;
        }
    }
    diff->counts.changed++;
    struct ph_change_group *group = ph_map_get(diff->index, &change, sizeof change);
    if (group == NULL) {
        group = group_add(diff, &change, error);
    }
    if (group == NULL) {
        return error != NULL ? error->code : PH_ERR_MEMORY;
    }
    if (group->count < PH_DIFF_EXAMPLES) {
        group->examples[group->count] = *identity;
    }
    group->count++;
    return PH_OK;
}

struct ph_diff_counts ph_policy_diff_counts(const struct ph_policy_diff *diff)
{
    return diff->counts;
}

size_t ph_policy_diff_group_count(const struct ph_policy_diff *diff)
{
    return diff->group_count;
}

bool ph_change_any(const uint64_t templates[PH_DIFF_ACTIONS])
{
    uint64_t any = 0;
    for (int i = 0; i < PH_DIFF_ACTIONS; i++) {
        any |= templates[i];
    }
    return any != 0;
}

static int rank(const struct ph_change *change)
{
    if (change->after == NULL) {
        return 0;
    }
    if (change->before != NULL && ph_change_any(change->lost)) {
        return 1;
    }
    if (change->before == NULL) {
        return 2;
    }
    return ph_change_any(change->gained) ? 3 : 4;
}

static int compare_groups(const void *a, const void *b)
{
    const struct ph_change_group *const *x = a;
    const struct ph_change_group *const *y = b;
    int by_rank = rank(&(*x)->change) - rank(&(*y)->change);
    if (by_rank != 0) {
        return by_rank;
    }
    if ((*x)->count != (*y)->count) {
        return (*x)->count > (*y)->count ? -1 : 1;
    }
    char names[2][PH_IDENTITY_BYTES];
    ph_identity_print(names[0], sizeof names[0], &(*x)->examples[0]);
    ph_identity_print(names[1], sizeof names[1], &(*y)->examples[0]);
    return strcmp(names[0], names[1]);
}

const struct ph_change_group *const *ph_policy_diff_groups(struct ph_policy_diff *diff)
{
    if (diff->group_count > 0) {
        qsort(diff->groups, diff->group_count, sizeof(struct ph_change_group *), compare_groups);
    }
    return (const struct ph_change_group *const *)diff->groups;
}
