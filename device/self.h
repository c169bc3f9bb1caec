/* What a device learns from its own certificate: who it is, when it may act, and whether its clock
 * can be right. */
#ifndef PH_DEVICE_SELF_H
#define PH_DEVICE_SELF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "config/broker_section.h"
#include "device/moment.h"
#include "domain/identity.h"

struct ph_self {
    const char *certificate; /* its path; borrowed */
    struct ph_identity identity;
    char name[PH_IDENTITY_BYTES];
    int64_t not_before_ms; /* unix; a clock that shows less has not been set */
    int64_t not_after_ms;
    bool timeless; /* said that the time is not known */
};

/* Reads the certificate and checks that it can work: an identity, the key that belongs to it, not
 * expired. One that is not valid yet is no error: it is the clock that is wrong. */
enum ph_err ph_self_load(struct ph_self *self, const struct ph_broker_section *broker,
    int64_t unix_ms, struct ph_error *error) PH_NODISCARD;

/* Logs one line whenever the time becomes unknown, or known. */
void ph_self_watch_clock(struct ph_self *self, const struct ph_moment *now);

/* Logs one line when the certificate ends within 30 days; when it has ended. */
void ph_self_say_expiring(const struct ph_self *self, const struct ph_moment *now);
void ph_self_say_expired(const struct ph_self *self, const struct ph_moment *now);

#endif
