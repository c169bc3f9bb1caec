/* Who may enrol, in the inventory: claims (factory credentials), the devices that are expected, and
 * the requests that wait for somebody's approval. Changes belong in the caller's transaction. */
#ifndef PH_CERTS_CLAIMS_H
#define PH_CERTS_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "certs/inventory.h"
#include "domain/identity.h"

/* ---- claims: tenant and name are O and CN of the claim's certificate ---- */

struct ph_claim {
    char tenant[PH_SEGMENT_BYTES];
    char name[PH_SEGMENT_BYTES];
    char kind[PH_SEGMENT_BYTES]; /* of the devices that it may enrol; "": any */
    int64_t limit;               /* how many devices; 1 for a claim of one device */
    int64_t used;
    int64_t expires_ms; /* no enrolment after; at most its certificate's notAfter */
    int64_t made_ms;
    int64_t revoked_ms; /* 0: not */
};

/* A new one: PH_ERR_EXISTS when there is one of that name. By name: PH_ERR_NOT_FOUND. */
enum ph_err ph_claim_add(struct ph_inventory *inventory, const struct ph_claim *claim,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_claim_find(struct ph_inventory *inventory, const char *tenant, const char *name,
    struct ph_claim *out, struct ph_error *error) PH_NODISCARD;

/* Forgets one that never reached its holder. */
enum ph_err ph_claim_remove(struct ph_inventory *inventory, const char *tenant, const char *name,
    struct ph_error *error) PH_NODISCARD;

/* One more device; PH_ERR_DENIED when it is used up. */
enum ph_err ph_claim_use(struct ph_inventory *inventory, const char *tenant, const char *name,
    struct ph_error *error) PH_NODISCARD;
typedef enum ph_err ph_claim_visit(
    const struct ph_claim *claim, void *context, struct ph_error *error);
enum ph_err ph_claim_each(struct ph_inventory *inventory, ph_claim_visit *visit, void *context,
    struct ph_error *error) PH_NODISCARD;

/* ---- devices that are expected, or forbidden ---- */

enum ph_expected_state {
    PH_EXPECTED,          /* may enrol, once */
    PH_EXPECTED_ENROLLED, /* has; not again unless an operator expects it anew */
    PH_EXPECTED_FORBIDDEN /* decommissioned: never again */
};

struct ph_expected {
    struct ph_identity identity;         /* anchor "" */
    char hardware[PH_HARDWARE_BYTES];    /* serial number that its request must give; "": any */
    char key_hash[PH_FINGERPRINT_BYTES]; /* key that its request must be for; "": any */
    enum ph_expected_state state;
    char who[PH_WHO_BYTES];
    char why[PH_WHY_BYTES];
    int64_t made_ms;
};

/* Adds one, or expects one that had enrolled again (with the new marks). PH_ERR_DENIED for a
 * forbidden identity, PH_ERR_EXISTS when another identity of the tenant has that hardware number or
 * any other that key. */
enum ph_err ph_expected_put(struct ph_inventory *inventory, const struct ph_expected *expected,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_expected_set(struct ph_inventory *inventory, const struct ph_identity *identity,
    enum ph_expected_state state, const char *who, const char *why, int64_t now_ms,
    struct ph_error *error) PH_NODISCARD; /* makes the row when there is none */
enum ph_err ph_expected_find(struct ph_inventory *inventory, const struct ph_identity *identity,
    struct ph_expected *out, struct ph_error *error) PH_NODISCARD; /* PH_ERR_NOT_FOUND */

/* Within a tenant, by the strongest mark that fits: key, then hardware number, then kind and name.
 * Either of the last two may be NULL. PH_ERR_NOT_FOUND when nothing fits, and when an entry that
 * fits by name has another mark that does not: the sentence says which. */
enum ph_err ph_expected_match(struct ph_inventory *inventory, const char *tenant,
    const char *key_hash, const char *hardware, const char *kind, const char *name,
    struct ph_expected *out, struct ph_error *error) PH_NODISCARD;
typedef enum ph_err ph_expected_visit(
    const struct ph_expected *expected, void *context, struct ph_error *error);
enum ph_err ph_expected_each(struct ph_inventory *inventory, ph_expected_visit *visit,
    void *context, struct ph_error *error) PH_NODISCARD;

/* ---- enrolment requests, so that each gets one answer however often it comes ---- */

enum ph_enrolment_state {
    PH_ENROLMENT_WAITING,  /* for ph-ca approve or refuse */
    PH_ENROLMENT_APPROVED, /* the certificate will be made when the device asks again */
    PH_ENROLMENT_REFUSED,
    PH_ENROLMENT_ISSUED
};

struct ph_enrolment {
    int64_t id;
    char tenant[PH_SEGMENT_BYTES]; /* the claim's */
    char claim[PH_SEGMENT_BYTES];
    char key_hash[PH_FINGERPRINT_BYTES];
    char
        kind[PH_SEGMENT_BYTES]; /* what the device says of itself; after approval what it will be */
    char name[PH_SEGMENT_BYTES];
    char hardware[PH_HARDWARE_BYTES];
    enum ph_enrolment_state state;
    char serial[PH_SERIAL_BYTES]; /* the certificate, when issued */
    int64_t received_ms;          /* first */
    int64_t decided_ms;
    char who[PH_WHO_BYTES];
    char why[PH_WHY_BYTES];
};

#define PH_ENROLMENTS_WAITING 1000 /* for each claim; beyond that PH_ERR_LIMIT */

/* By claim and key; PH_ERR_NOT_FOUND. */
enum ph_err ph_enrolment_find(struct ph_inventory *inventory, const char *tenant, const char *claim,
    const char *key_hash, struct ph_enrolment *out, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_enrolment_get(struct ph_inventory *inventory, int64_t id, struct ph_enrolment *out,
    struct ph_error *error) PH_NODISCARD;

/* Adds (id 0; filled in) or changes. */
enum ph_err ph_enrolment_put(struct ph_inventory *inventory, struct ph_enrolment *enrolment,
    struct ph_error *error) PH_NODISCARD;
typedef enum ph_err ph_enrolment_visit(
    const struct ph_enrolment *enrolment, void *context, struct ph_error *error);
enum ph_err ph_enrolment_each(struct ph_inventory *inventory, bool waiting_only,
    ph_enrolment_visit *visit, void *context, struct ph_error *error) PH_NODISCARD;

/* ---- what devices said of themselves, and the bundles that they shall trust ---- */

/* `trust` is the SHA-256 of the device's file of trusted CAs. */
enum ph_err ph_device_state_put(struct ph_inventory *inventory, const struct ph_identity *identity,
    const char *fingerprint, const char *trust, int64_t now_ms,
    struct ph_error *error) PH_NODISCARD;

struct ph_trust_bundle {
    int64_t number;                    /* 0: none was ever made */
    char digest[PH_FINGERPRINT_BYTES]; /* SHA-256 of the bundle's text */
    struct ph_buf statement;           /* signed.h; the caller's, PH_LIMIT_SIGNED_BYTES */
};

/* With number 0 when there is none. */
enum ph_err ph_trust_bundle_newest(struct ph_inventory *inventory, struct ph_trust_bundle *out,
    struct ph_error *error) PH_NODISCARD;

/* The one that follows the one with this digest; the first when the digest is unknown (each is
 * signed by a root of the one before, so none can be left out). PH_ERR_NOT_FOUND when there is
 * none. */
enum ph_err ph_trust_bundle_after(struct ph_inventory *inventory, const char *digest,
    struct ph_trust_bundle *out, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_trust_bundle_add(struct ph_inventory *inventory,
    const struct ph_trust_bundle *bundle, int64_t now_ms, struct ph_error *error) PH_NODISCARD;

#endif
