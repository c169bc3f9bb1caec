/* Which certificate vouched for a message: what the broker's plugin says in the user properties
 * that it appends to every PUBLISH and lets no sender write:
 *
 *   ph-identity     anchor:tenant/kind/device
 *   ph-fingerprint  SHA-256 of the certificate, 64 lower-case hexadecimal digits
 *
 * A broker without the plugin appends nothing, and a last will passes the plugin with whatever its
 * sender put into it: hence the reasons below. None of them costs a reading. */
#ifndef PH_ADAPTERS_PROVENANCE_H
#define PH_ADAPTERS_PROVENANCE_H

#include <stdbool.h>
#include <stddef.h>

#include "adapters/mqtt.h"
#include "domain/identity.h"
#include "x509/certificate.h"

/* Stores keep these numbers: never change one. */
enum ph_provenance_state {
    PH_PROVENANCE_VOUCHED = 0,
    PH_PROVENANCE_MISSING = 1,   /* one of the two properties, or both */
    PH_PROVENANCE_MALFORMED = 2, /* breaks the grammar above */
    PH_PROVENANCE_REPEATED = 3,  /* one of the two is there more than once */
    PH_PROVENANCE_OTHER = 4,     /* vouched for another identity than the topic's */
};
#define PH_PROVENANCE_STATES 5

struct ph_provenance {
    enum ph_provenance_state state;
    char anchor[PH_SEGMENT_BYTES]; /* "" unless vouched, like the fingerprint */
    char fingerprint[PH_FINGERPRINT_BYTES];
};

/* Reads a message's properties. `incomplete`: some were left out (ph_mqtt_event), which counts as
 * malformed. `topic` is the identity in the message's topic, NULL when it names none: then nothing
 * can be vouched for. Of several faults the first one in this order counts: repeated, malformed by
 * omission, missing, malformed, other identity. */
void ph_provenance_read(const struct ph_mqtt_property *properties, size_t count, bool incomplete,
    const struct ph_identity *topic, struct ph_provenance *out);

/* "missing", "malformed", "repeated", "other-identity"; NULL when vouched. */
const char *ph_provenance_reason(enum ph_provenance_state state);

#endif
