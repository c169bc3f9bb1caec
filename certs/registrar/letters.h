/* Requests that came by MQTT, answered together: one commit of the inventory for many of them.
 * Belongs to the registrar's thread. */
#ifndef PH_CERTS_REGISTRAR_LETTERS_H
#define PH_CERTS_REGISTRAR_LETTERS_H

#include <stdbool.h>
#include <stddef.h>

#include "adapters/mqtt.h"
#include "base/buf.h"
#include "base/log.h"
#include "certs/registrar/config.h"
#include "certs/registrar/registrar.h"
#include "x509/certificate.h"

enum {
    PH_LETTERS = 64, /* requests that share one commit */
};

/* One request, and what is answered. */
struct ph_letter {
    struct ph_mqtt_event event;
    struct ph_asker asker;
    char fingerprint[PH_FINGERPRINT_BYTES]; /* what `asker` points to, where the broker vouches */
    char id[PH_ASK_ID_BYTES];               /* "": no answer */
    struct ph_buf answer;
};

struct ph_letters {
    const struct ph_registrar_topics *topics; /* borrowed; so is the next */
    struct ph_registrar *registrar;
    struct ph_letter list[PH_LETTERS];
    size_t count;
    struct ph_log_limit strange; /* what peers send that is no request */
    struct ph_log_limit trouble; /* our own */
};

/* None yet. `topics` and `registrar` must outlive it. */
void ph_letters_init(struct ph_letters *letters, const struct ph_registrar_topics *topics,
    struct ph_registrar *registrar);

/* No further one may be taken before these are answered. */
bool ph_letters_full(const struct ph_letters *letters);

/* Takes a message over; `event` is empty then. One that is no request of a device or claim is
 * dropped, and logged. */
void ph_letters_take(struct ph_letters *letters, struct ph_mqtt_event *event);

/* Answers all, in one commit; or, when that fails, each in a commit of its own. None are left. */
void ph_letters_answer(struct ph_letters *letters, struct ph_mqtt *mqtt);

#endif
