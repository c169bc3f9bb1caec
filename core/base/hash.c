#include "base/hash.h"

#include <stdatomic.h>
#include <string.h>

#include "base/random.h"

/* The first thread to ask decides it for all. */
static uint64_t process_seed(void)
{
    static _Atomic uint64_t seed;
    uint64_t value = atomic_load_explicit(&seed, memory_order_relaxed);
    while (value == 0) {
        uint64_t fresh = ph_random_u64();
        if (atomic_compare_exchange_strong(&seed, &value, fresh)) {
            value = fresh;
        }
    }
    return value;
}

/* Every input bit reaches every output bit (two rounds of multiply and fold). */
static uint64_t mix(uint64_t value)
{
    const uint64_t odd = UINT64_C(0x9E3779B97F4A7C15); /* 2^64 divided by the golden ratio */
    value ^= value >> 32;
    value *= odd;
    value ^= value >> 29;
    value *= odd;
    return value ^ (value >> 32);
}

uint32_t ph_hash(const void *bytes, size_t len)
{
    uint64_t hash = process_seed() ^ (uint64_t)len;
    const unsigned char *at = bytes;
    for (; len >= sizeof hash; len -= sizeof hash, at += sizeof hash) {
        uint64_t word = 0;
        memcpy(&word, at, sizeof word);
        hash = mix(hash ^ word);
    }
    uint64_t rest = 0;
    memcpy(&rest, at, len);
    return (uint32_t)mix(hash ^ rest);
}
