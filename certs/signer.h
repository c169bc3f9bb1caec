/* One active CA, opened to issue: its certificate, key and chain loaded once, for one certificate
 * or a hundred thousand. Belongs to one thread. */
#ifndef PH_CERTS_SIGNER_H
#define PH_CERTS_SIGNER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "certs/authorities.h"
#include "certs/inventory.h"
#include "x509/issue.h"

struct ph_signer;

/* Who issues for `role` and `tenant` (ph_authority_active). Refused: a CA that is revoked (also
 * when only the inventory knows), expired, or whose CRL or root's CRL has expired, with what to
 * run. */
enum ph_err ph_signer_open(struct ph_ca *ca, enum ph_ca_role role, const char *tenant,
    int64_t now_ms, struct ph_signer **out, struct ph_error *error) PH_NODISCARD;
void ph_signer_close(struct ph_signer **signer);
const struct ph_authority *ph_signer_authority(const struct ph_signer *signer);

/* Whether it may still be used: the CAs are as they were when it was opened, and no CRL of its
 * chain has expired since. */
bool ph_signer_current(struct ph_signer *signer, int64_t now_ms);

/* What one certificate is about. Borrowed. */
struct ph_leaf_order {
    const char *tenant; /* devices, services, claims */
    const char *kind;   /* devices */
    const char *name;
    const char *const *dns; /* brokers */
    size_t dns_count;
    const char *const *ip;
    size_t ip_count;
    int64_t now_ms;
    int64_t not_before_ms;
    int64_t not_after_ms;
    bool cut_to_authority; /* not_after_ms is a wish */
};

/* The buffers are the caller's, empty and of PH_LIMIT_CERTIFICATE_BYTES. */
struct ph_leaf {
    struct ph_inventory_entry entry; /* serial, issuer, type, names, times, fingerprint, key_hash;
                                        the caller adds lineage, origin and who approved it */
    struct ph_buf key_pem;           /* empty when the key came from outside */
    struct ph_buf certificate_pem;   /* leaf, then the subordinate CA */
    struct ph_buf der;
};

/* Makes a certificate for `key` (may be a public one, from a request), or for a new key when that
 * is NULL. Names are the caller's to check (ph_segment_set). What was made is read back and checked
 * whole, as its verifiers will (profile, identity, signature, chain, CRLs) and against its entry:
 * the first, the first of each length of subject, every one with alternative names, and at least
 * one in 256 and one after each second. A check costs five times the signature, and what it looks
 * for, a wrong key, profile or CA, is wrong in all. PH_ERR_DENIED or PH_ERR_INTERNAL when it fails.
 * Records nothing: nothing may leave the process before the inventory knows it. */
enum ph_err ph_signer_sign(struct ph_signer *signer, const struct ph_leaf_order *order,
    const struct ph_key *key, struct ph_leaf *leaf, struct ph_error *error) PH_NODISCARD;

#endif
