/* The inventory: every certificate that was ever issued, and what became of it, in one SQLite file.
 * A handle belongs to one thread. */
#ifndef PH_CERTS_INVENTORY_H
#define PH_CERTS_INVENTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "domain/identity.h"
#include "x509/certificate.h"

struct ph_inventory;

#define PH_INVENTORY_WORD_BYTES 16

struct ph_inventory_entry {
    char serial[PH_SERIAL_BYTES];
    char issuer[PH_INVENTORY_WORD_BYTES]; /* authority: "root", "devices", "brokers", "services" */
    char type[PH_INVENTORY_WORD_BYTES];   /* "authority", "device", "broker" or "service" */
    char tenant[PH_SEGMENT_BYTES];        /* "" for authorities and brokers */
    char kind[PH_SEGMENT_BYTES];          /* the same */
    char name[PH_SEGMENT_BYTES];          /* device, service, broker or authority */
    int64_t issued_ms;
    int64_t not_before_ms;
    int64_t not_after_ms;
    char fingerprint[PH_FINGERPRINT_BYTES];
    int64_t revoked_ms; /* 0: not revoked */
    int reason;         /* RFC 5280 number, when revoked */
};

/* Opens the file; `create` makes it with its tables. Waits up to five seconds for a lock that
 * another process holds (then PH_ERR_BUSY). */
enum ph_err ph_inventory_open(
    const char *path, bool create, struct ph_inventory **out, struct ph_error *error) PH_NODISCARD;
void ph_inventory_close(struct ph_inventory **inventory);

/* A transaction that writes; one process at a time is in one. */
enum ph_err ph_inventory_begin(struct ph_inventory *inventory, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_inventory_commit(
    struct ph_inventory *inventory, struct ph_error *error) PH_NODISCARD;
void ph_inventory_rollback(struct ph_inventory *inventory);

/* Adds a certificate with its DER; PH_ERR_EXISTS when the serial number is taken. */
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

/* Visits every certificate in the order of issue, until `visit` fails. */
enum ph_err ph_inventory_each(struct ph_inventory *inventory, ph_inventory_visit *visit,
    void *context, struct ph_error *error) PH_NODISCARD;

/* Visits what belongs on the authority's CRL: revoked, and not expired before `expired_ms`. */
enum ph_err ph_inventory_each_revoked(struct ph_inventory *inventory, const char *issuer,
    int64_t expired_ms, ph_inventory_visit *visit, void *context,
    struct ph_error *error) PH_NODISCARD;

struct ph_inventory_revocation {
    int64_t now_ms;
    int reason;      /* RFC 5280 number */
    int64_t known;   /* set: how many certificates there are */
    int64_t changed; /* set: how many of them were not revoked before */
};

/* Marks as revoked what is not yet: every certificate of a device or service, or one. */
enum ph_err ph_inventory_revoke_identity(struct ph_inventory *inventory,
    const struct ph_identity *identity, struct ph_inventory_revocation *revocation,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_inventory_revoke_serial(struct ph_inventory *inventory, const char *serial,
    struct ph_inventory_revocation *revocation, struct ph_error *error) PH_NODISCARD;

/* The serial number of an authority's own certificate. */
enum ph_err ph_inventory_authority_serial(struct ph_inventory *inventory, const char *name,
    char out[PH_SERIAL_BYTES], struct ph_error *error) PH_NODISCARD;

struct ph_inventory_crl {
    int64_t number; /* CRLNumber of the last one; 0 before the first */
    int64_t days;   /* from one CRL's thisUpdate to its nextUpdate */
};

/* What is remembered of an authority's CRLs; PH_ERR_NOT_FOUND for an unknown authority. Changes
 * belong in the caller's transaction. */
enum ph_err ph_inventory_crl_get(struct ph_inventory *inventory, const char *authority,
    struct ph_inventory_crl *out, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_inventory_crl_set(struct ph_inventory *inventory, const char *authority,
    const struct ph_inventory_crl *crl, struct ph_error *error) PH_NODISCARD;

#endif
