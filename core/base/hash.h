/* A hash of bytes for tables in memory. Seeded per process, because names come from devices and
 * must not be choosable so that they collide: the value means nothing outside the process. Any
 * thread. */
#ifndef PH_BASE_HASH_H
#define PH_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Of exactly `len` bytes; the same bytes give the same value for as long as the process runs. */
uint32_t ph_hash(const void *bytes, size_t len);

#endif
