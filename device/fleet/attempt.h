/* What somebody tries with a certificate on the broker that is not meant for it, and beside that
 * what is: a numbered list, too long to be kept, of which each entry is made when it is asked for.
 * A thief goes through it from end to end, firmware gone mad picks from it. */
#ifndef PH_FLEET_ATTEMPT_H
#define PH_FLEET_ATTEMPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/limits.h"
#include "device/fleet/identities.h"
#include "device/topics.h"
#include "domain/identity.h"

enum {
    PH_ATTEMPT_TELEMETRY = 0, /* the number of: publish its own telemetry; it is followed by */
    PH_ATTEMPT_OWN_PUBLISH =
        4,                /* the others of its own topics that it may publish to, up to here */
    PH_ATTEMPT_IDS = 200, /* other client ids that are tried; beyond, spread evenly */
    PH_ATTEMPT_WILLS = 4, /* other devices that wills are left for: each takes a second */
};

enum ph_attempt_how {
    PH_ATTEMPT_NONE, /* nothing: the number falls upon whoever tries */
    PH_ATTEMPT_PUBLISH,
    PH_ATTEMPT_SUBSCRIBE,
    PH_ATTEMPT_CONNECT, /* under another's client id */
    PH_ATTEMPT_WILL,
};

/* Room for "$share/thief/" and for the last level of a claim's topic. */
#define PH_ATTEMPT_TOPIC_BYTES (PH_LIMIT_TOPIC_BYTES + 32)

struct ph_attempt {
    enum ph_attempt_how how;
    bool own; /* what the certificate is for: a policy grants it */
    bool retained;
    bool readable; /* will: every device may read the topic, so it would see its own will there */
    const char *what; /* constant text: "publish the telemetry of another device" */
    char topic[PH_ATTEMPT_TOPIC_BYTES]; /* or filter, or client id */
};

struct ph_attempts {
    const struct ph_topic_templates *templates; /* borrowed, as are the others */
    const struct ph_identities *others;         /* who tries may be among them */
    const char *name;                           /* who tries: "tenant/kind/device" */
    struct ph_identity self;
    /* The numbers: from 0 to the topics of its own, then to anybody else's, to client ids, and to
     * wills. */
    size_t own_end;
    size_t topics_end;
    size_t ids_end;
    size_t wills_end;
};

/* PH_ERR_INPUT when a name is no identity. */
enum ph_err ph_attempts_init(struct ph_attempts *attempts,
    const struct ph_topic_templates *templates, const char *name,
    const struct ph_identities *others, struct ph_error *error) PH_NODISCARD;

/* `number` is below wills_end. */
void ph_attempts_get(const struct ph_attempts *attempts, size_t number, struct ph_attempt *out);

#endif
