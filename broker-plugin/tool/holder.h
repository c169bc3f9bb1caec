/* Identities of which parts are left open, and where topic templates and filters meet: what an
 * answer about a whole policy is made of. */
#ifndef PH_BROKER_PLUGIN_HOLDER_H
#define PH_BROKER_PLUGIN_HOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "domain/identity.h"
#include "domain/policy.h"

/* Some identities of one anchor: each part a name, or a pattern that ends in '*'. */
struct ph_holder {
    char anchor[PH_SEGMENT_BYTES];
    char tenant[PH_SEGMENT_BYTES + 1]; /* one more for the '*' */
    char kind[PH_SEGMENT_BYTES + 1];
    char device[PH_SEGMENT_BYTES + 1];
};

/* Those who can fill the role, as far as its match and its anchor's lists say. */
void ph_holder_of_role(
    struct ph_holder *out, const struct ph_policy *policy, const struct ph_role *role);

/* The one identity. */
void ph_holder_of_identity(struct ph_holder *out, const struct ph_identity *identity);

/* "anchor:tenant/kind/device" with '*' for what is open. */
#define PH_HOLDER_BYTES (4 * (PH_SEGMENT_BYTES + 1))
void ph_holder_print(char *out, size_t size, const struct ph_holder *holder);

/* False when no such identity has the role: one of its names is not allowed to the anchor, or, with
 * no part open, an earlier role is theirs. */
bool ph_holder_has_role(
    const struct ph_policy *policy, const struct ph_role *role, const struct ph_holder *holder);

/* The filter that covers the template filled in with every such identity: '+' for a level with an
 * open part. False when it does not fit. */
bool ph_holder_expand(
    char *out, size_t size, const char *template, const struct ph_holder *holder) PH_NODISCARD;

/* Calls `met` for each way in which the template, filled in by such an identity, has a topic in
 * common with `filter` (valid; a name is a filter too), with the holder narrowed to it. False when
 * the search was given up: a level with several placeholders can be read in too many ways. */
typedef void ph_holder_met(void *context, const struct ph_holder *holder);
bool ph_holder_meet(const char *template, const struct ph_holder *holder, const char *filter,
    ph_holder_met *met, void *context);

/* Whether there is one. True when the search was given up. */
bool ph_holder_meets(const char *template, const struct ph_holder *holder, const char *filter);

/* The list that the action is decided by; for PH_ACTION_RECEIVE the subscribe list when the role
 * has no other. */
const struct ph_filter_list *ph_role_list(const struct ph_role *role, enum ph_action action);

#endif
