/* What costs are set beside, in the same process and round: what one libmosquitto topic match, and
 * what two bare ECDSA signatures over P-256 cost here. */
#ifndef PH_BENCH_REFERENCE_H
#define PH_BENCH_REFERENCE_H

#include <stdbool.h>

#include "base/error.h"

/* mosquitto_topic_matches_sub(), which knows no names in a filter. */
bool ph_reference_match(const char *filter, const char *topic);

struct ph_reference_chain;

/* A key and a signature of its own. */
enum ph_err ph_reference_chain_new(
    struct ph_reference_chain **out, struct ph_error *error) PH_NODISCARD;
void ph_reference_chain_free(struct ph_reference_chain **chain);

/* Verifies two signatures, as many as a chain of two CAs has below its anchor; false: one is wrong.
 */
bool ph_reference_chain_verify(const struct ph_reference_chain *chain);

#endif
