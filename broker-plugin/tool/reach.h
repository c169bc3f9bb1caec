/* Who can reach whom by a policy: what one identity can write and read, whose subscribers it wakes
 * up, and through them whom else; and, for a topic, who may write and read it. Answers cover too
 * much rather than too little: what a role's match leaves open may be anyone. */
#ifndef PH_BROKER_PLUGIN_REACH_H
#define PH_BROKER_PLUGIN_REACH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/map.h"
#include "broker-plugin/tool/holder.h"
#include "domain/policy.h"

/* One way for a message from one side to another. Texts are borrowed from the policy. */
struct ph_reach {
    const struct ph_role *role;            /* at the end of the way */
    struct ph_holder holder;               /* who of the role */
    const char *template;                  /* of the role, by which it is there */
    size_t through;                        /* index of the hop before; SIZE_MAX: none */
    char filter[PH_LIMIT_TOPIC_BYTES + 1]; /* the topics that lead there */
};

struct ph_reach_list {
    struct ph_reach *items;
    size_t count;
    size_t room;
    size_t left_out;     /* beyond PH_REACH_MAX */
    struct ph_map *seen; /* what is listed; opaque */
};

#define PH_REACH_MAX 20000 /* about 900 bytes each */

/* Zero-initialise before use. */
struct ph_reach_result {
    struct ph_reach_list writes; /* own topics; role and template are its own */
    struct ph_reach_list wills;  /* of them, by will */
    struct ph_reach_list reads;
    struct ph_reach_list retained; /* status topics of others among what it reads */
    struct ph_reach_list wakes;    /* who receives what it writes */
    struct ph_reach_list beyond;   /* who receives what those may write then; `through` is an index
                                      of `wakes` */
};

/* All of an identity with its role. With `quarantined` only what the policy's quarantine leaves of
 * it. PH_ERR_MEMORY. */
enum ph_err ph_reach_find(const struct ph_policy *policy, const struct ph_role *role,
    const struct ph_identity *identity, bool quarantined, struct ph_reach_result *out,
    struct ph_error *error) PH_NODISCARD;

/* Who may do the action on (some topic of) the filter, which must be valid. PH_ERR_MEMORY. */
enum ph_err ph_reach_topic(const struct ph_policy *policy, enum ph_action action,
    const char *filter, struct ph_reach_list *out, struct ph_error *error) PH_NODISCARD;

void ph_reach_list_fini(struct ph_reach_list *list);
void ph_reach_result_fini(struct ph_reach_result *result);

#endif
