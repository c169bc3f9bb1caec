/* A trust anchor made ready for checks: CA certificates and CRLs parsed once, chains checked at a
 * time that is passed in. Immutable, so threads may share one; build a new one beside it to reload.
 */
#ifndef PH_X509_TRUST_H
#define PH_X509_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "domain/policy.h"
#include "x509/certificate.h"

struct ph_trust;

/* Reads an anchor's files: self-signed certificates become roots (at least one), the others
 * subordinate CAs; every one must be a CA with keyCertSign. Several certificates of one CA (the
 * same name and key, as after a renewal) may be there: any good one suffices. PH_ERR_LIMIT beyond
 * PH_LIMIT_ANCHOR_CAS.
 *
 * Each CRL file must hold a CRL of one of them. Each CRL is verified here, once, and kept as a
 * sorted list of 22 bytes an entry. One that bears the name of a CA and another key's signature or
 * key identifier is refused, as is a delta or partial one, one with an unknown critical extension,
 * and one by a CA without cRLSign; CRLs of CAs outside the anchor are skipped, so that one file may
 * serve several anchors. Of several CRLs of one CA the newest counts: the one with the highest
 * CRLNumber, then with the latest thisUpdate. With crl_required each CA, root included, must have a
 * CRL. PH_ERR_CONFIG names file, certificate and rule. */
enum ph_err ph_trust_load(
    const struct ph_anchor *anchor, struct ph_trust **out, struct ph_error *error) PH_NODISCARD;
void ph_trust_free(struct ph_trust **trust);

/* Another number for each load of an anchor, so that what was found out with one can be told from
 * what holds for the next. */
uint64_t ph_trust_id(const struct ph_trust *trust);

/* What a chain check found, for counters and records. */
enum ph_chain_fault {
    PH_CHAIN_GOOD,
    PH_CHAIN_UNKNOWN_CA, /* or not signed by the CA it names */
    PH_CHAIN_EXPIRED,    /* any certificate of the chain */
    PH_CHAIN_NOT_YET_VALID,
    PH_CHAIN_REVOKED,    /* the leaf */
    PH_CHAIN_CA_REVOKED, /* a CA above it */
    PH_CHAIN_CRL,        /* no CRL, or one past nextUpdate and grace, or not yet valid */
    PH_CHAIN_OTHER,      /* usage, constraints, strength */
};

/* What is kept of a verified client's certificate to ask again later without it: 64 bytes. */
struct ph_voucher {
    uint8_t issuer[32]; /* SHA-256 over its CA's name, however spelled, and public key: the same CA
                           in a new certificate is the same issuer */
    uint8_t serial[20]; /* big-endian, without leading zeros */
    uint8_t serial_len;
    int64_t not_after_ms;
};

/* Leaf to root at `now_ms`: signatures, validity of every certificate, path length, name
 * constraints, key usage, EKU of the whole chain for `usage`, and revocation of every certificate,
 * the root included (where CRLs are present or required). Where there are several chains one that
 * passes suffices. PH_ERR_DENIED says which certificate of the
 * chain and why: expired, not yet valid, revoked, unknown CA, CRL expired. `voucher` (may be NULL)
 * is filled when it passes, `fault` (may be NULL) always. No CRL signature is verified here: they
 * were when the anchor was loaded. */
enum ph_err ph_trust_check(const struct ph_trust *trust, const struct ph_certificate *leaf,
    enum ph_usage usage, int64_t now_ms, struct ph_voucher *voucher, enum ph_chain_fault *fault,
    struct ph_error *error) PH_NODISCARD;

/* Whether a certificate that passed a check of this anchor, or of an earlier state of it, is still
 * good at `now_ms`: its issuer is one of the CAs, that CA's own chain holds for clients, neither it
 * nor the leaf is revoked, and nothing has expired. A lookup, without cryptography. A CRL that has
 * run out does not count against it: it was current when the connection was made. Nor do, as the
 * leaf is not at hand, name constraints and an authority key identifier that no certificate of its
 * CA fits any more; nor a CA certificate that is not yet valid. PH_ERR_DENIED as above. */
enum ph_err ph_trust_recheck(const struct ph_trust *trust, const struct ph_voucher *voucher,
    int64_t now_ms, enum ph_chain_fault *fault, struct ph_error *error) PH_NODISCARD;

/* When ph_trust_recheck() will refuse by time alone: the first notAfter of leaf and CAs. INT64_MIN
 * when the issuer is not one of the CAs or its chain does not hold. */
int64_t ph_trust_deadline_ms(const struct ph_trust *trust, const struct ph_voucher *voucher);

/* The same without any times: not the certificates', not the CRLs'. Only for a CA that checks what
 * it is about to hand out and that is not valid at this moment (a device that will be switched on
 * next year). */
enum ph_err ph_trust_check_timeless(const struct ph_trust *trust, const struct ph_certificate *leaf,
    enum ph_usage usage, struct ph_error *error) PH_NODISCARD;

/* True when one of the anchor's CAs bears the name and key identifier that the leaf gives for its
 * issuer: which anchor to ask, of several. Says nothing about signatures. */
bool ph_trust_names_issuer(const struct ph_trust *trust, const struct ph_certificate *leaf);

/* When the first of the CRLs in force reaches nextUpdate; INT64_MAX without CRLs. */
int64_t ph_trust_crl_expiry_ms(const struct ph_trust *trust);

/* One CRL in force. Texts are borrowed from the trust. */
struct ph_crl_life {
    const char *issuer; /* RFC 4514, escaped */
    const char *number; /* CRLNumber in decimal, "" without one */
    int64_t this_update_ms;
    int64_t next_update_ms;
    int64_t grace_ms; /* the anchor's */
    size_t entries;
};

/* `index` below the count; an empty one otherwise. */
size_t ph_trust_crl_count(const struct ph_trust *trust);
struct ph_crl_life ph_trust_crl_life(const struct ph_trust *trust, size_t index);

/* The ladder: after 75 % of its life a CRL is ageing, after nextUpdate in grace, after that its CA
 * is closed: nobody enters by it. */
enum ph_crl_stage { PH_CRL_FRESH, PH_CRL_AGEING, PH_CRL_GRACE, PH_CRL_CLOSED };
enum ph_crl_stage ph_crl_stage(const struct ph_crl_life *life, int64_t now_ms);

/* PH_ERR_CONFIG when a CA that both know has an older CRL in `fresh` than in `current` (by
 * CRLNumber, else thisUpdate), or none although `fresh` has CRL files: an old CRL would un-revoke.
 */
enum ph_err ph_trust_check_newer(const struct ph_trust *fresh, const struct ph_trust *current,
    struct ph_error *error) PH_NODISCARD;

#endif
