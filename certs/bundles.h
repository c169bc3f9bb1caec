/* What is in trust/: which CAs each side trusts. All of it is written by ph_ca_bundles()
 * (certs/ca.h). */
#ifndef PH_CERTS_BUNDLES_H
#define PH_CERTS_BUNDLES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "certs/authority_make.h"
#include "certs/inventory.h"

/* Signs what devices shall trust from now on (the brokers' CAs and the roots that are not retired)
 * with a root that they trust already, as the next trust bundle. In the caller's transaction. */
enum ph_err ph_bundle_sign(struct ph_inventory *inventory, const struct ph_authority_pair *root,
    int64_t now_ms, struct ph_error *error) PH_NODISCARD;

/* Whether there is a trust bundle. */
enum ph_err ph_bundle_any(
    struct ph_inventory *inventory, bool *any, struct ph_error *error) PH_NODISCARD;

/* Whether the newest bundle has what devices shall trust, no more and no less; also when there is
 * none. It has more after the retirement of a brokers' CA that nobody has signed yet. */
enum ph_err ph_bundle_current(
    struct ph_inventory *inventory, bool *current, struct ph_error *error) PH_NODISCARD;

#endif
