/* What a load generator's message carries: who sent it, which one it is, and when it was due. Such
 * a stamp takes PH_LOAD_STAMP_BYTES at the front of the bytes, or twice as many hexadecimal digits
 * as the first member of the JSON; bytes that are fewer carry none. */
#ifndef PH_FLEET_LOAD_PAYLOAD_H
#define PH_FLEET_LOAD_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { PH_LOAD_STAMP_BYTES = 36 };

struct ph_load_stamp {
    uint32_t run; /* of this start of the program: what another one sent is not ours */
    uint32_t publisher;
    int64_t seq;     /* from 0, without gaps */
    int64_t due_ns;  /* CLOCK_MONOTONIC: when it should have been sent, */
    int64_t sent_ns; /* and when it was given to the library */
};

struct ph_load_payload {
    char *bytes; /* owned */
    size_t len;
    size_t seq_at; /* JSON: where the number stands; 0: bytes */
    int64_t readings;
};

/* A payload to be stamped again and again: `readings` of a thermostat as JSON, or (0) so many bytes
 * that do not compress. `unix_ms` is what the readings say. */
enum ph_err ph_load_payload_init(struct ph_load_payload *payload, int64_t size_bytes,
    int64_t readings, int64_t unix_ms, struct ph_error *error) PH_NODISCARD;
void ph_load_payload_fini(struct ph_load_payload *payload);

/* Whether a payload of this form has room for a stamp. */
bool ph_load_payload_stamped(int64_t size_bytes, int64_t readings);

/* Writes the stamp where there is room. */
void ph_load_payload_stamp(struct ph_load_payload *payload, const struct ph_load_stamp *stamp);

/* Reads the stamp of untrusted bytes; false when there is none. */
bool ph_load_payload_read(const void *bytes, size_t len, struct ph_load_stamp *out) PH_NODISCARD;

#endif
