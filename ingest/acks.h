/* Acknowledgements on their way out, coalesced per stream: over one batch, and for a stream that
 * goes on and on over an interval, since each costs the broker as much as a message. */
#ifndef PH_INGEST_ACKS_H
#define PH_INGEST_ACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "domain/identity.h"
#include "format/ack.h"
#include "ingest/store/store.h"

struct ph_acks;

/* Sends one acknowledgement; the payload is borrowed for the call. */
typedef void ph_ack_send(
    void *context, const struct ph_identity *identity, const void *payload, size_t len);

/* A stream is acknowledged at most once in `interval_ms` (0: at every flush), the first time at
 * once. NULL when out of memory. */
struct ph_acks *ph_acks_new(int64_t interval_ms) PH_NODISCARD;
void ph_acks_free(struct ph_acks **acks);
void ph_acks_set_interval(struct ph_acks *acks, int64_t interval_ms);

/* Notes that [first, last] of the stream has been committed; an empty range (a question, whose last
 * is before its first) asks for an acknowledgement that repeats its first: its answer. What does
 * not fit (memory, too many gaps) is left out: the device sends it again and is acknowledged then.
 */
void ph_acks_add(struct ph_acks *acks, const struct ph_identity *identity, uint64_t stream,
    int64_t first, int64_t last);

/* Asks the store, and sends what is due at `now_ms` (monotonic; or everything), at most `max`
 * streams: one acknowledgement for each, more when one cannot hold all the ranges. Returns how many
 * were sent. */
size_t ph_acks_flush(struct ph_acks *acks, struct ph_store *store, int64_t now_ms, bool all,
    size_t max, ph_ack_send *send, void *context);

/* When the next one is due (monotonic), INT64_MAX when none waits. */
int64_t ph_acks_due_ms(const struct ph_acks *acks);

/* Streams that wait to be acknowledged. */
size_t ph_acks_waiting(const struct ph_acks *acks);

#endif
