#include "device/self.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define WARN_BEFORE_EXPIRY_MS (INT64_C(30) * 86400 * 1000)

static enum ph_err read_certificate(
    struct ph_self *self, struct ph_certificate_facts *facts, struct ph_error *error)
{
    struct ph_certificate *certificate = NULL;
    enum ph_err err = ph_certificate_load(self->certificate, &certificate, error);
    if (err == PH_OK) {
        err = ph_certificate_identity(certificate, &self->identity, error);
    }
    if (err == PH_OK) {
        err = ph_certificate_facts(certificate, facts, error);
    }
    if (err == PH_OK) {
        err = ph_certificate_check_key(certificate, self->key, error);
    }
    ph_certificate_free(&certificate);
    return err;
}

enum ph_err ph_self_load(
    struct ph_self *self, const char *certificate, const char *key, struct ph_error *error)
{
    struct ph_certificate_facts facts = {0};
    struct ph_self read = {.certificate = certificate, .key = key, .timeless = self->timeless};
    enum ph_err err = read_certificate(&read, &facts, error);
    if (err != PH_OK) {
        return err;
    }
    read.not_before_ms = facts.not_before_ms;
    read.not_after_ms = facts.not_after_ms;
    memcpy(read.fingerprint, facts.fingerprint, sizeof read.fingerprint);
    ph_identity_print(read.name, sizeof read.name, &read.identity);
    *self = read;
    return PH_OK;
}

bool ph_self_expired(const struct ph_self *self, const struct ph_moment *now)
{
    return self->certificate != NULL && now->known && now->unix_ms > self->not_after_ms;
}

enum ph_err ph_self_check(
    const struct ph_self *self, const struct ph_moment *now, struct ph_error *error)
{
    char when[PH_UTC_BYTES];
    if (!ph_self_expired(self, now)) {
        return PH_OK;
    }
    ph_utc_print(when, self->not_after_ms);
    return ph_error_set(error, PH_ERR_DENIED,
        "%s: certificate of %s expired on %s; have a new one issued, or set the clock",
        self->certificate, self->name, when);
}

/* FNV-1a */
uint64_t ph_self_seed(const struct ph_self *self)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *p = self->name; *p != '\0'; p++) {
        hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    }
    return hash;
}

void ph_self_watch_clock(struct ph_self *self, const struct ph_moment *now)
{
    char shown[PH_UTC_BYTES];
    char from[PH_UTC_BYTES];
    if (self->timeless == !now->known) {
        return;
    }
    self->timeless = !now->known;
    ph_utc_print(shown, now->unix_ms);
    ph_utc_print(from, self->not_before_ms);
    if (self->timeless) {
        ph_log(PH_LOG_WARNING,
            "the clock is not set: it shows a time before the own certificate is valid; readings "
            "carry the time since boot until it is",
            PH_STR("clock", shown), PH_STR("valid_from", from));
    } else {
        ph_log(PH_LOG_INFO, "the clock is set", PH_STR("clock", shown));
    }
}

void ph_self_say_expiring(const struct ph_self *self, const struct ph_moment *now)
{
    if (ph_self_expired(self, now)) {
        ph_self_say_expired(self, now);
    } else if (self->not_after_ms - now->unix_ms < WARN_BEFORE_EXPIRY_MS) {
        char when[PH_UTC_BYTES];
        ph_utc_print(when, self->not_after_ms);
        ph_log(PH_LOG_WARNING, "own certificate expires soon", PH_STR("expires", when));
    }
}

void ph_self_say_expired(const struct ph_self *self, const struct ph_moment *now)
{
    if (ph_self_expired(self, now)) {
        char when[PH_UTC_BYTES];
        ph_utc_print(when, self->not_after_ms);
        ph_log(PH_LOG_ERROR, "own certificate has expired: have a new one issued",
            PH_STR("certificate", self->certificate), PH_STR("expired", when));
    }
}
