/* What can be read of a message that breaks its format: enough to acknowledge it, so that a device
 * does not send it for ever. */
#ifndef PH_INGEST_ENVELOPE_H
#define PH_INGEST_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct ph_envelope {
    uint64_t stream;
    int64_t first;
    int64_t last;
};

/* True when the payload is one JSON object of version 1 with a valid stream, a valid seq and a
 * non-empty array of readings whose numbers stay within PH_LIMIT_SEQ; whatever else it has. A
 * broken question has no numbers to deal with. */
bool ph_envelope_peek(const void *bytes, size_t len, struct ph_envelope *out) PH_NODISCARD;

#endif
