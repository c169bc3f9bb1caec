/* Who gains and loses what between two policies: identities that change alike are one group. */
#ifndef PH_BROKER_PLUGIN_POLICY_DIFF_H
#define PH_BROKER_PLUGIN_POLICY_DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "domain/identity.h"
#include "domain/policy.h"

#define PH_DIFF_EXAMPLES 3
#define PH_DIFF_ACTIONS  4 /* enum ph_action */

/* What a group's identities have in common; zeroed where nothing changes, so that it can be
 * compared byte by byte. */
struct ph_change {
    const struct ph_role *before; /* NULL: no entry */
    const struct ph_role *after;
    uint64_t lost[PH_DIFF_ACTIONS];   /* by enum ph_action: templates of `before`, by their place */
    uint64_t gained[PH_DIFF_ACTIONS]; /* and of `after` */
    uint64_t client_id;               /* 1: another client id */
    uint64_t status;                  /* 1: another status topic */
    uint64_t limits;                  /* 1: other limits */
    uint64_t provenance;              /* 1: with it instead of without, or the reverse */
};

struct ph_change_group {
    struct ph_change change;
    size_t count;
    struct ph_identity examples[PH_DIFF_EXAMPLES]; /* the first of them */
};

struct ph_policy_diff;

/* Both policies are borrowed. */
enum ph_err ph_policy_diff_new(const struct ph_policy *before, const struct ph_policy *after,
    struct ph_policy_diff **out, struct ph_error *error) PH_NODISCARD;
void ph_policy_diff_free(struct ph_policy_diff **diff);

/* Takes one identity (with its anchor) up; `subject` as in ph_policy_role_find(). A template of one
 * side counts as lost, or gained, when, filled in, no template of the other side for the same
 * action contains it. Memory grows with the number of different changes: PH_ERR_LIMIT beyond
 * PH_DIFF_GROUPS_MAX of them. */
#define PH_DIFF_GROUPS_MAX 10000
enum ph_err ph_policy_diff_add(struct ph_policy_diff *diff, const struct ph_identity *identity,
    const char *subject, struct ph_error *error) PH_NODISCARD;

/* Whether one of the two policies lets the identity in. */
bool ph_policy_diff_knows(
    const struct ph_policy_diff *diff, const struct ph_identity *identity, const char *subject);

/* What was taken up. */
struct ph_diff_counts {
    size_t identities;
    size_t same;     /* nothing changes */
    size_t shut_out; /* has an entry in neither policy */
    size_t changed;
};
struct ph_diff_counts ph_policy_diff_counts(const struct ph_policy_diff *diff);

/* The groups, sorted: who loses the entry, who loses a right, who gains one, other changes; in each
 * the largest first. Borrowed until something is added. */
size_t ph_policy_diff_group_count(const struct ph_policy_diff *diff);
const struct ph_change_group *const *ph_policy_diff_groups(struct ph_policy_diff *diff);

/* Whether one of the change's templates is lost (or gained). */
bool ph_change_any(const uint64_t templates[PH_DIFF_ACTIONS]);

#endif
