/* The inventory: every certificate that was ever issued, and what became of it, in one SQLite file.
 * A handle belongs to one thread. */
#ifndef PH_CERTS_INVENTORY_H
#define PH_CERTS_INVENTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/beat.h"
#include "base/buf.h"
#include "base/error.h"
#include "domain/identity.h"
#include "x509/certificate.h"

struct ph_inventory;

#define PH_INVENTORY_WORD_BYTES 16
#define PH_AUTHORITY_BYTES      (PH_SEGMENT_BYTES + 16) /* "devices-12@" and a tenant */
#define PH_WHO_BYTES            65
#define PH_WHY_BYTES            257
#define PH_HARDWARE_BYTES       129 /* a device's serial number, as its maker has it */

struct ph_inventory_entry {
    char serial[PH_SERIAL_BYTES];
    char issuer[PH_AUTHORITY_BYTES];    /* name of its CA (certs/authorities.h), or "foreign" */
    char type[PH_INVENTORY_WORD_BYTES]; /* "authority", "device", "broker", "service" or "claim" */
    char tenant[PH_SEGMENT_BYTES];      /* "" for authorities and brokers */
    char kind[PH_SEGMENT_BYTES];        /* the same */
    char name[PH_SEGMENT_BYTES];        /* device, service, broker or authority */
    int64_t issued_ms;
    int64_t not_before_ms;
    int64_t not_after_ms;
    char fingerprint[PH_FINGERPRINT_BYTES];
    int64_t revoked_ms; /* 0: not revoked */
    int reason;         /* RFC 5280 number, when revoked; 4 (superseded) also for one that was
                           replaced, 6 for a hold */
    char key_hash[PH_FINGERPRINT_BYTES];  /* SHA-256 of the SubjectPublicKeyInfo */
    char lineage[PH_SERIAL_BYTES];        /* serial number of the first of its line; its own */
    char predecessor[PH_SERIAL_BYTES];    /* whose renewal it is; "": the first */
    char origin[PH_INVENTORY_WORD_BYTES]; /* "issued" by an operator, "enrolled", "renewed",
                                             "imported" */
    char claim[PH_SEGMENT_BYTES];         /* enrolled by this claim of its tenant; "" otherwise */
    char approved_by[PH_WHO_BYTES];       /* a person, or "registrar" */
    char why[PH_WHY_BYTES]; /* such as "expected by serial number", or what they said */
    int64_t confirmed_ms;   /* when the registrar first saw it in use; 0: never */
};

/* Opens the file; `create` makes it with its tables. Waits up to five seconds for a lock that
 * another process holds (then PH_ERR_BUSY). */
enum ph_err ph_inventory_open(
    const char *path, bool create, struct ph_inventory **out, struct ph_error *error) PH_NODISCARD;
void ph_inventory_close(struct ph_inventory **inventory);

/* For a look: never written, and no lock is waited for longer than a second. One that an older
 * program made is refused (PH_ERR_INPUT). */
enum ph_err ph_inventory_open_reader(
    const char *path, struct ph_inventory **out, struct ph_error *error) PH_NODISCARD;

/* The registrar's sign of life, in a transaction; the last one. PH_ERR_NOT_FOUND: none yet. */
enum ph_err ph_inventory_beat(struct ph_inventory *inventory, const struct ph_beat *beat,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_inventory_last_beat(
    struct ph_inventory *inventory, struct ph_beat *out, struct ph_error *error) PH_NODISCARD;

/* A transaction that writes; one process at a time is in one. */
enum ph_err ph_inventory_begin(struct ph_inventory *inventory, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_inventory_commit(
    struct ph_inventory *inventory, struct ph_error *error) PH_NODISCARD;
void ph_inventory_rollback(struct ph_inventory *inventory);

/* Adds a certificate with its DER; PH_ERR_EXISTS when the serial number is taken. An empty lineage
 * is its own serial number, an empty origin "issued". Its issuer must be in table `authority`. */
enum ph_err ph_inventory_add(struct ph_inventory *inventory, const struct ph_inventory_entry *entry,
    const void *der, size_t der_len, struct ph_error *error) PH_NODISCARD;

/* Forgets a certificate that never reached its holder. */
enum ph_err ph_inventory_remove(
    struct ph_inventory *inventory, const char *serial, struct ph_error *error) PH_NODISCARD;

/* PH_ERR_NOT_FOUND when there is none with that serial number. */
enum ph_err ph_inventory_find(struct ph_inventory *inventory, const char *serial,
    struct ph_inventory_entry *out, struct ph_error *error) PH_NODISCARD;

typedef enum ph_err ph_inventory_visit(
    const struct ph_inventory_entry *entry, void *context, struct ph_error *error);

/* What became of a certificate: exactly one of these at any moment. What is revoked stays so when
 * it has expired. */
enum ph_inventory_state {
    PH_STATE_VALID = 1,
    PH_STATE_NOT_YET_VALID = 2,
    PH_STATE_EXPIRED = 4,
    PH_STATE_REVOKED = 8,
    PH_STATE_SUPERSEDED = 16, /* revoked with reason 4 */
    PH_STATE_HELD = 32,       /* revoked with reason 6 */
};
enum ph_inventory_state ph_inventory_state(const struct ph_inventory_entry *entry, int64_t now_ms);

/* How many there are of each state (1 << index), all types together; and how many of those that are
 * valid, CAs left out, end within 1, 7 and 30 days. Reads every row. */
enum { PH_INVENTORY_STATES = 6, PH_INVENTORY_SPANS = 3 };
struct ph_inventory_counts {
    int64_t states[PH_INVENTORY_STATES];
    int64_t expiring[PH_INVENTORY_SPANS];
};
enum ph_err ph_inventory_count(struct ph_inventory *inventory, int64_t now_ms,
    struct ph_inventory_counts *out, struct ph_error *error) PH_NODISCARD;

/* "valid", "not-yet-valid", "expired", "revoked", "superseded", "held". */
const char *ph_inventory_state_name(enum ph_inventory_state state);
bool ph_inventory_state_parse(const char *name, enum ph_inventory_state *state) PH_NODISCARD;

/* What all members say; zero: everything. Borrowed. */
struct ph_inventory_filter {
    const char *type; /* NULL: any; so on */
    const char *tenant;
    const char *kind;
    const char *issuer;
    const char *origin;
    const char *claim;
    const char *holder; /* "tenant/kind/name", or the name alone where there is no tenant; the
                           pattern of a shell: "acme/" and an asterisk */
    const char *lineage;
    unsigned states;           /* PH_STATE_..., added up; 0: any */
    int64_t now_ms;            /* for `states` */
    int64_t expires_before_ms; /* 0: any */
};

/* Visits certificates in the order of issue, until `visit` fails; a NULL filter is everything.
 * `visit` may ask the inventory other things. */
enum ph_err ph_inventory_each(struct ph_inventory *inventory,
    const struct ph_inventory_filter *filter, ph_inventory_visit *visit, void *context,
    struct ph_error *error) PH_NODISCARD;

/* Visits what belongs on the authority's CRL: revoked, and not expired before `expired_ms`. */
enum ph_err ph_inventory_each_revoked(struct ph_inventory *inventory, const char *issuer,
    int64_t expired_ms, ph_inventory_visit *visit, void *context,
    struct ph_error *error) PH_NODISCARD;

struct ph_inventory_revocation {
    int64_t now_ms;
    int reason;      /* RFC 5280 number */
    int64_t known;   /* set: how many certificates there are */
    int64_t changed; /* set: how many of them were not revoked before, or only held */
};

/* Marks as revoked what is not yet: every certificate of a device or service, or one. A hold
 * becomes any other reason; any other reason stays. Certificates with the issuer "foreign" are
 * neither counted nor marked, here and below. Within the caller's transaction. */
enum ph_err ph_inventory_revoke_identity(struct ph_inventory *inventory,
    const struct ph_identity *identity, struct ph_inventory_revocation *revocation,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_inventory_revoke_serial(struct ph_inventory *inventory, const char *serial,
    struct ph_inventory_revocation *revocation, struct ph_error *error) PH_NODISCARD;

/* The same by other marks: a key (its hash); a claim and, with `enrolled`, all that was enrolled by
 * it and their renewals; everything that a CA has issued. CAs are revoked by serial number only. */
enum ph_err ph_inventory_revoke_key(struct ph_inventory *inventory, const char *key_hash,
    struct ph_inventory_revocation *revocation, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_inventory_revoke_claim(struct ph_inventory *inventory, const char *tenant,
    const char *claim, bool enrolled, struct ph_inventory_revocation *revocation,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_inventory_revoke_issuer(struct ph_inventory *inventory, const char *issuer,
    struct ph_inventory_revocation *revocation, struct ph_error *error) PH_NODISCARD;

/* Takes a hold (reason 6) back; anything else stays revoked: `changed` counts those that were held.
 * By identity, or by serial number when `identity` is NULL. */
enum ph_err ph_inventory_unrevoke(struct ph_inventory *inventory,
    const struct ph_identity *identity, const char *serial,
    struct ph_inventory_revocation *revocation, struct ph_error *error) PH_NODISCARD;

/* ---- what the registrar asks ---- */

/* By SHA-256 of the DER; PH_ERR_NOT_FOUND. */
enum ph_err ph_inventory_find_fingerprint(struct ph_inventory *inventory, const char *fingerprint,
    struct ph_inventory_entry *out, struct ph_error *error) PH_NODISCARD;

/* The newest certificate (by issue) with this key; PH_ERR_NOT_FOUND. */
enum ph_err ph_inventory_find_key(struct ph_inventory *inventory, const char *key_hash,
    struct ph_inventory_entry *out, struct ph_error *error) PH_NODISCARD;

/* The newest certificate of an identity, whatever became of it; PH_ERR_NOT_FOUND. */
enum ph_err ph_inventory_find_newest(struct ph_inventory *inventory,
    const struct ph_identity *identity, struct ph_inventory_entry *out,
    struct ph_error *error) PH_NODISCARD;

/* The newest one that was made to follow `serial`; PH_ERR_NOT_FOUND. */
enum ph_err ph_inventory_find_successor(struct ph_inventory *inventory, const char *serial,
    struct ph_inventory_entry *out, struct ph_error *error) PH_NODISCARD;

/* The DER of a certificate. */
enum ph_err ph_inventory_der(struct ph_inventory *inventory, const char *serial, struct ph_buf *der,
    struct ph_error *error) PH_NODISCARD;

/* Notes that it was seen in use, and revokes as superseded everything of its lineage that was made
 * before it and is not revoked; *superseded counts them. A successor that waits to be used is left
 * alone. Nothing changes when it is itself revoked. PH_ERR_NOT_FOUND. */
enum ph_err ph_inventory_confirm(struct ph_inventory *inventory, const char *serial, int64_t now_ms,
    int64_t *superseded, struct ph_error *error) PH_NODISCARD;

/* Revokes as superseded one that was made and never seen in use, as its place is taken; one that
 * was seen in use is left alone. */
enum ph_err ph_inventory_supersede(struct ph_inventory *inventory, const char *serial,
    int64_t now_ms, struct ph_error *error) PH_NODISCARD;

/* Whether a CA has revoked something, or taken a hold back, since its last CRL was signed. */
enum ph_err ph_inventory_crl_due(struct ph_inventory *inventory, const char *authority, bool *due,
    struct ph_error *error) PH_NODISCARD;

struct ph_inventory_crl {
    int64_t number;    /* CRLNumber of the last one; 0 before the first */
    int64_t signed_ms; /* by the clock of then; the number may be ahead of it */
    int64_t days;      /* from then to its nextUpdate */
};

/* What is remembered of an authority's CRLs; PH_ERR_NOT_FOUND for an unknown authority. To set it
 * says that a CRL was signed, which then is no longer due. Changes belong in the caller's
 * transaction. */
enum ph_err ph_inventory_crl_get(struct ph_inventory *inventory, const char *authority,
    struct ph_inventory_crl *out, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_inventory_crl_set(struct ph_inventory *inventory, const char *authority,
    const struct ph_inventory_crl *crl, struct ph_error *error) PH_NODISCARD;

#endif
