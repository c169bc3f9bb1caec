/* What an order for certificates writes into the inventory: rows, claims, and records in the log of
 * acts. Within the caller's transaction. */
#ifndef PH_CERTS_LEDGER_H
#define PH_CERTS_LEDGER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "certs/ca.h"
#include "certs/signer.h"

/* Adds the certificates of one batch, and one record of it, or with `each` one of every
 * certificate. PH_ERR_DENIED when the key of one, that came from outside, is another holder's. */
enum ph_err ph_ledger_add(struct ph_ca *ca, const struct ph_ca_order *order,
    const struct ph_leaf *leaves, size_t count, bool each, struct ph_error *error) PH_NODISCARD;

/* Forgets one that never reached its holder. */
enum ph_err ph_ledger_remove(struct ph_ca *ca, const struct ph_ca_order *order, const char *serial,
    const char *tenant, const char *name, struct ph_error *error) PH_NODISCARD;

/* Records that so many of a failed order were forgotten. */
enum ph_err ph_ledger_withdraw(struct ph_ca *ca, const struct ph_ca_order *order, size_t count,
    struct ph_error *error) PH_NODISCARD;

#endif
