/* What decisions are made from: the policy, its anchors' CAs and CRLs, and the deny-lists, with the
 * stamps of the files they came from. Immutable once loaded (but for the stamps); a change is
 * loaded aside and swapped whole.
 *
 * Made of parts (the policy, one trust per anchor, the deny-list), each good or not taken: a broken
 * CRL file must not hold up a new entry of a deny-list. A part whose files are bad is taken over
 * from the state before, which shares it. */
#ifndef PH_BROKER_PLUGIN_STATE_H
#define PH_BROKER_PLUGIN_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "domain/deny.h"
#include "domain/policy.h"
#include "x509/trust.h"

struct ph_watch;
struct ph_parts;

/* All borrowed from the parts. */
struct ph_state {
    const struct ph_policy *policy;
    const struct ph_trust **trusts; /* one for each of the policy's anchors, in their order */
    const struct ph_deny_list *deny;
    struct ph_parts *parts;
    struct ph_watch *watch;
    struct ph_state *next; /* for lists of whoever owns it */
};

#define PH_STATE_PROBLEMS_MAX 8

/* What went wrong with parts that were then taken over. */
struct ph_state_report {
    struct ph_error problems[PH_STATE_PROBLEMS_MAX];
    size_t problem_count; /* may be more than PH_STATE_PROBLEMS_MAX */
};

/* Reads the policy and every file it names. Each file's stamp is taken before the file is read, so
 * that a change in between is seen by ph_state_changed(); what changed while it was being read is
 * read again, three times at most. Without `previous` (NULL) every part must be good, and the error
 * says the first that is not.
 *
 * With it, parts whose files did not change are shared, not read. A bad part is taken over and
 * reported, as is a CRL older than the one in force (ph_trust_check_newer). A policy that defines
 * an anchor anew (one that `previous` does not have, or has with other files or another demand on
 * CRLs) is itself a bad part when that anchor's files are: the new rules never meet the old CAs.
 * Fails then only for want of memory. Several threads may read `previous` meanwhile, but for its
 * stamps. `report` may be NULL. */
enum ph_err ph_state_load(const char *policy_file, const struct ph_state *previous,
    struct ph_state **out, struct ph_state_report *report, struct ph_error *error) PH_NODISCARD;

/* Parts that another state shares stay. A state and those loaded after it are freed by one thread.
 */
void ph_state_free(struct ph_state **state);

/* True when one of the files differs (size, time of change, inode, there or not) from the last time
 * it was looked at, those included that were bad and not taken. One stat(2) per file. */
bool ph_state_changed(struct ph_state *state);

/* Has the next load after this state read every file, changed or not. */
void ph_state_forget_stamps(struct ph_state *state);

/* True when both are made of the same parts. */
bool ph_state_same(const struct ph_state *a, const struct ph_state *b);

/* The trust of the anchor of that name, or NULL. */
const struct ph_trust *ph_state_trust(const struct ph_state *state, const char *anchor);

#endif
