/* What a device learns from a certificate of its own: who it is, when it may act, and whether its
 * clock can be right. Its claim, too, is read so. */
#ifndef PH_DEVICE_SELF_H
#define PH_DEVICE_SELF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "device/moment.h"
#include "domain/identity.h"
#include "x509/certificate.h"

struct ph_self {
    const char *certificate; /* its path; borrowed. NULL: there is none */
    const char *key;         /* the same */
    struct ph_identity identity;
    char name[PH_IDENTITY_BYTES]; /* "" without a certificate */
    char fingerprint[PH_FINGERPRINT_BYTES];
    int64_t not_before_ms; /* unix; a clock that shows less has not been set */
    int64_t not_after_ms;
    bool timeless; /* said that the time is not known */
};

/* Reads the certificate and checks that it can work: an identity, and the key that belongs to it.
 * Its dates are for the two below; one that is not valid yet is no error: it is the clock that is
 * wrong. *self is as it was after an error. */
enum ph_err ph_self_load(struct ph_self *self, const char *certificate, const char *key,
    struct ph_error *error) PH_NODISCARD;

/* Whether it is known to have expired. */
bool ph_self_expired(const struct ph_self *self, const struct ph_moment *now);

/* PH_ERR_DENIED when it has: says what to do. */
enum ph_err ph_self_check(
    const struct ph_self *self, const struct ph_moment *now, struct ph_error *error) PH_NODISCARD;

/* A number of its own for every identity, always the same. */
uint64_t ph_self_seed(const struct ph_self *self);

/* Logs one line whenever the time becomes unknown, or known. */
void ph_self_watch_clock(struct ph_self *self, const struct ph_moment *now);

/* Logs one line when the certificate ends within 30 days; when it has ended. */
void ph_self_say_expiring(const struct ph_self *self, const struct ph_moment *now);
void ph_self_say_expired(const struct ph_self *self, const struct ph_moment *now);

#endif
