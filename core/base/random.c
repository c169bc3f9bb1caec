#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void ph_random_bytes(void *out, size_t len)
{
    unsigned char *p = out;
    while (len > 0) {
        ssize_t got = getrandom(p, len, 0);
        if (got < 0 && errno != EINTR) {
            abort();
        }
        if (got > 0) {
            p += got;
            len -= (size_t)got;
        }
    }
}

uint64_t ph_random_u64(void)
{
    uint64_t value = 0;
    ph_random_bytes(&value, sizeof value);
    return value;
}

uint64_t ph_rng_u64(struct ph_rng *rng)
{
    rng->state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = rng->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

double ph_rng_uniform(struct ph_rng *rng)
{
    return (double)(ph_rng_u64(rng) >> 11) * 0x1.0p-53;
}

double ph_rng_normal(struct ph_rng *rng)
{
    double sum = -6.0;
    for (int i = 0; i < 12; i++) {
        sum += ph_rng_uniform(rng);
    }
    return sum;
}
