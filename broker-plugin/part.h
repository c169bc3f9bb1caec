/* One part of a state: the policy, one anchor's trust, or the deny-list, with the files it was read
 * from. States share parts; whoever counts references does so in one thread. Internal to state.c.
 */
#ifndef PH_BROKER_PLUGIN_PART_H
#define PH_BROKER_PLUGIN_PART_H

#include "base/error.h"
#include "broker-plugin/watch.h"
#include "domain/deny.h"
#include "domain/policy.h"
#include "x509/trust.h"

struct ph_part {
    unsigned references;
    struct ph_watch files; /* with the stamps they had just before they were read */
    struct ph_policy *policy;
    struct ph_trust *trust;
    struct ph_deny_list *deny;
};

/* What a part is read from: one of the three. */
struct ph_source {
    const char *policy_file;
    const struct ph_anchor *anchor;
    const struct ph_policy *lists;
};

/* Reads a part; what changes meanwhile is read again, three times at most (then PH_ERR_BUSY). The
 * files' stamps join `watch` whether they are good or not. */
enum ph_err ph_part_load(const struct ph_source *source, struct ph_watch *watch,
    struct ph_part **out, struct ph_error *error) PH_NODISCARD;

/* One more reference to the same part. */
struct ph_part *ph_part_share(struct ph_part *part);

/* Frees it with the last reference; accepts a pointer to NULL. */
void ph_part_release(struct ph_part **part);

#endif
