/* Certificates that were issued elsewhere, or of which an older inventory has been put back, taken
 * into the inventory. One that a CA of this authority signed is recorded as that CA's, so that it
 * can be revoked; any other has the issuer "foreign". */
#ifndef PH_CERTS_IMPORT_H
#define PH_CERTS_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "certs/ca.h"

/* Borrowed. */
struct ph_import_order {
    const char *const *files; /* PEM, several certificates in one */
    size_t file_count;
    bool broker; /* servers, by the CN; otherwise clients, by O, OU and CN */
    struct ph_ca_actor actor;
    int64_t now_ms;
};

struct ph_import_counts {
    int64_t added;
    int64_t known;       /* were in the inventory before */
    int64_t foreign;     /* of those added: made elsewhere */
    int64_t authorities; /* CA certificates, which are passed over */
};

/* Takes all of them or none, in one transaction with a record for each. PH_ERR_DENIED for a
 * certificate that breaks the profile or has no identity, that bears the name and key identifier of
 * a CA of this authority and was not signed by it, or whose key another holder has; PH_ERR_EXISTS
 * for a serial number that another certificate has. */
enum ph_err ph_import(struct ph_ca *ca, const struct ph_import_order *order,
    struct ph_import_counts *counts, struct ph_error *error) PH_NODISCARD;

#endif
