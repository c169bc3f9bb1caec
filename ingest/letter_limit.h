/* How many dead letters a minute are kept of one device: a device that sends only garbage is
 * counted, and neither fills the store at once nor costs it a write for each. */
#ifndef PH_INGEST_LETTER_LIMIT_H
#define PH_INGEST_LETTER_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "domain/identity.h"

/* Devices that are remembered; who was quiet longest is forgotten first, and begins anew. */
#define PH_LETTER_LIMIT_DEVICES 4096

struct ph_letter_limit;

/* NULL when out of memory. */
struct ph_letter_limit *ph_letter_limit_new(int64_t per_minute) PH_NODISCARD;
void ph_letter_limit_free(struct ph_letter_limit **limit);
void ph_letter_limit_set(struct ph_letter_limit *limit, int64_t per_minute);

/* Whether one more is kept. `identity` NULL: letters whose topic names none, who share one account.
 * `now_ms` is monotonic. Without memory: kept. */
bool ph_letter_limit_pass(
    struct ph_letter_limit *limit, const struct ph_identity *identity, int64_t now_ms);

#endif
