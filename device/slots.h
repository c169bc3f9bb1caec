/* The device's two certificate slots: the pair it lives on, and the pair that shall follow. Files
 * beside each other, named after those of the configuration:
 *
 *     key.pem       cert.pem          the pair in use
 *     key.pem.next  cert.pem.next     a new key; its certificate, once it came
 *
 * The next pair takes the place of the first only after a connection with it was accepted. The two
 * renames of that step cannot be one, so ph_slots_open() finishes what was begun: whatever is
 * killed when, there is always a pair that fits together. Files are replaced whole, and synced;
 * keys have mode 0600, and a symbolic link in a file's place is replaced, never followed. */
#ifndef PH_DEVICE_SLOTS_H
#define PH_DEVICE_SLOTS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "domain/identity.h"

enum ph_slot { PH_SLOT_CURRENT, PH_SLOT_NEXT };

struct ph_slots {
    char certificate[2][PATH_MAX]; /* by enum ph_slot */
    char key[2][PATH_MAX];
    char trust[PATH_MAX]; /* the file of trusted CAs */
};

/* Finishes a promotion that was interrupted, and throws away a next certificate that does not fit
 * the next key. Neither pair need exist. PH_ERR_LIMIT for a path that is too long; after another
 * error the slots can be used all the same: something was left as it is. */
enum ph_err ph_slots_open(struct ph_slots *slots, const char *certificate, const char *key,
    const char *trust, struct ph_error *error) PH_NODISCARD;

/* Whether the slot has a certificate and the key that belongs to it. */
bool ph_slots_have(const struct ph_slots *slots, enum ph_slot slot);

/* Makes a new next key (or takes the one that is there, or with `reuse` a copy of the current one),
 * on disk before this returns, and appends a request for it. Without `reuse` a next key that is the
 * current one is replaced, as is one that cannot be read. `identity` NULL: a request without a
 * subject. */
enum ph_err ph_slots_request(struct ph_slots *slots, const struct ph_identity *identity, bool reuse,
    struct ph_buf *csr, struct ph_error *error) PH_NODISCARD;

/* Takes a certificate with its chain for the next key. Refused (PH_ERR_DENIED, with the reason)
 * unless it is for that key, passes the leaf profile for clients, spells `identity` (NULL: any, for
 * a first one), has not expired at `now_ms` (0: not known), and its chain ends in a root of the
 * trust file. */
enum ph_err ph_slots_store(struct ph_slots *slots, const char *pem,
    const struct ph_identity *identity, int64_t now_ms, struct ph_error *error) PH_NODISCARD;

/* The next pair becomes the current one. PH_ERR_NOT_FOUND when there is none. After another error
 * it may be done again. */
enum ph_err ph_slots_promote(struct ph_slots *slots, struct ph_error *error) PH_NODISCARD;

/* Throws the next pair away: it did not work. PH_OK when there is none. Like a request it finishes
 * a promotion that was begun first: without that the current key would be left without its
 * certificate. */
enum ph_err ph_slots_drop(struct ph_slots *slots, struct ph_error *error) PH_NODISCARD;

/* Replaces the file of trusted CAs by the bundle of a signed trust statement (x509/signed.h,
 * format/enrolment.h), byte by byte. Refused (PH_ERR_DENIED) unless it is signed by a root of the
 * present file, its number is above the present file's, its bundle's first line says the same
 * number, and all certificates in it are CAs, one of them a root; *number is then the new one. */
enum ph_err ph_slots_trust(struct ph_slots *slots, const char *statement, int64_t *number,
    struct ph_error *error) PH_NODISCARD;

/* SHA-256 of the trust file's bytes, 65 bytes of text. */
enum ph_err ph_slots_trust_digest(
    const struct ph_slots *slots, char out[65], struct ph_error *error) PH_NODISCARD;

#endif
