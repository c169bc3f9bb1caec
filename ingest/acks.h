/* Acknowledgements coalesced per device and stream over one batch. */
#ifndef PH_INGEST_ACKS_H
#define PH_INGEST_ACKS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "domain/identity.h"
#include "format/ack.h"
#include "ingest/store.h"

struct ph_acks;

/* Sends one acknowledgement; the payload is borrowed for the call. */
typedef void ph_ack_send(
    void *context, const struct ph_identity *identity, const void *payload, size_t len);

/* NULL when out of memory. */
struct ph_acks *ph_acks_new(void) PH_NODISCARD;
void ph_acks_free(struct ph_acks **acks);

/* Notes that [first, last] of the stream is to be acknowledged. What does not fit (memory, too many
 * gaps in one batch) is left out: the device sends it again and is acknowledged then. */
void ph_acks_add(struct ph_acks *acks, const struct ph_identity *identity, uint64_t stream,
    int64_t first, int64_t last);

/* After the commit: asks the store, sends one acknowledgement per stream (more when one cannot hold
 * all the ranges), and empties the list. Returns how many were sent. */
size_t ph_acks_flush(
    struct ph_acks *acks, struct ph_store *store, ph_ack_send *send, void *context);

#endif
