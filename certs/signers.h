/* The CAs that one order is issued by: a role's own, and those of tenants that have their own, each
 * opened when the first certificate needs it. Belongs to one thread. */
#ifndef PH_CERTS_SIGNERS_H
#define PH_CERTS_SIGNERS_H

#include <stdint.h>

#include "base/error.h"
#include "certs/signer.h"

struct ph_signers;

/* Opens nothing yet; `ca` is borrowed. */
enum ph_err ph_signers_new(struct ph_ca *ca, enum ph_ca_role role, struct ph_signers **out,
    struct ph_error *error) PH_NODISCARD;
void ph_signers_free(struct ph_signers **signers);

/* Who signs for a tenant (may be NULL); borrowed. Refuses like ph_signer_open(). */
enum ph_err ph_signers_get(struct ph_signers *signers, const char *tenant, int64_t now_ms,
    struct ph_signer **out, struct ph_error *error) PH_NODISCARD;

/* Whether each CA that issues for the role has its key here, and its own; for a program that will
 * issue for a long time, before it begins. Those that are revoked are passed over. PH_ERR_NOT_FOUND
 * for a key that is not there, and says what to do. */
enum ph_err ph_signers_check_keys(
    struct ph_ca *ca, enum ph_ca_role role, struct ph_error *error) PH_NODISCARD;

/* PH_ERR_BUSY when the CAs have changed since the signers were opened (ph_signer_current). Asked
 * within the transaction that records what they signed, it holds until the commit. */
enum ph_err ph_signers_check(
    struct ph_signers *signers, int64_t now_ms, struct ph_error *error) PH_NODISCARD;

#endif
