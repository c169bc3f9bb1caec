/* What decisions are made from: the policy and its anchors' CAs and CRLs, with the stamps of the
 * files they came from. Immutable once loaded (but for the stamps); a change is loaded aside and
 * swapped whole. */
#ifndef PH_BROKER_PLUGIN_STATE_H
#define PH_BROKER_PLUGIN_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "domain/policy.h"
#include "x509/trust.h"

struct ph_watch;

struct ph_state {
    struct ph_policy *policy;
    struct ph_trust **trusts; /* one for each of the policy's anchors, in their order */
    struct ph_watch *watch;
};

/* Reads the policy and every file it names. Each file's stamp is taken before the file is read, so
 * that a change in between is seen by ph_state_changed(). */
enum ph_err ph_state_load(
    const char *policy_file, struct ph_state **out, struct ph_error *error) PH_NODISCARD;
void ph_state_free(struct ph_state **state);

/* True when one of the files differs (size, time, inode, there or not) from the last time it was
 * looked at. One stat(2) per file. */
bool ph_state_changed(struct ph_state *state);

/* The anchor whose CRLs have reached nextUpdate at `now_ms`, so that nobody enters by it; NULL when
 * there is none. */
const struct ph_anchor *ph_state_expired_anchor(const struct ph_state *state, int64_t now_ms);

#endif
