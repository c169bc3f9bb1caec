/* The acknowledgement (docs/spec/message.md):
 * {"v":1,"stream":"9f2c1e4b7a3d5c60","through":1042,"also":[[1050,1060]]} Everything from 1 to
 * `through`, and every range in `also`, is stored for good. "asked" repeats the "seq" of the
 * question that it answers: whoever asks picks a number that nobody can have asked before, and is
 * not misled by an acknowledgement that was under way already. */
#ifndef PH_FORMAT_ACK_H
#define PH_FORMAT_ACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/limits.h"

struct ph_seq_range {
    int64_t first;
    int64_t last; /* inclusive */
};

struct ph_ack {
    uint64_t stream;
    int64_t through;                               /* 0: nothing contiguous from 1 yet */
    struct ph_seq_range also[PH_LIMIT_ACK_RANGES]; /* ascending, disjoint, all beyond `through` */
    size_t also_count;
    int64_t asked; /* 0: no answer */
};

/* Reads one from untrusted bytes (need not be terminated); PH_ERR_INPUT names the rule it breaks.
 */
enum ph_err ph_ack_parse(
    const void *bytes, size_t len, struct ph_ack *out, struct ph_error *error) PH_NODISCARD;

/* Appends it as JSON. PH_ERR_INTERNAL when it breaks a rule of its own format; `out` is then as it
 * was. */
enum ph_err ph_ack_encode(const struct ph_ack *ack, struct ph_buf *out) PH_NODISCARD;

#endif
