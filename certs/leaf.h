/* One certificate of an order: made, checked as its verifiers will check it, and in memory. */
#ifndef PH_CERTS_LEAF_H
#define PH_CERTS_LEAF_H

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "certs/ca.h"
#include "x509/trust.h"

/* What all certificates of the order share. */
struct ph_leaf_maker {
    const char *dir; /* the authority's folder, for messages */
    const struct ph_ca_order *order;
    struct ph_certificate *ca_certificate;
    struct ph_key *ca_key;
    struct ph_trust *trust; /* the CA and the root with their CRLs */
    int64_t not_after_ms;
};

/* The buffers are the caller's, empty and of PH_LIMIT_CERTIFICATE_BYTES. */
struct ph_leaf {
    struct ph_inventory_entry entry;
    struct ph_buf key_pem;
    struct ph_buf certificate_pem; /* leaf and CA */
    struct ph_buf der;
};

/* Makes a key and a certificate for one name. PH_ERR_DENIED when the profile or the chain check
 * refuses it, as when the CA was revoked or its CRL has expired. */
enum ph_err ph_leaf_make(const struct ph_leaf_maker *maker, const char *name, struct ph_leaf *leaf,
    struct ph_error *error) PH_NODISCARD;

#endif
