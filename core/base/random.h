/* Random numbers: the kernel's for identifiers and jitter, a seeded generator for simulations that
 * must repeat. */
#ifndef PH_BASE_RANDOM_H
#define PH_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Fills from getrandom(2). Cannot fail once the system has booted; aborts if the kernel refuses. */
void ph_random_bytes(void *out, size_t len);
uint64_t ph_random_u64(void);

/* SplitMix64 (Steele, Lea, Flood 2014): the same seed gives the same series on every platform. Not
 * for secrets. */
struct ph_rng {
    uint64_t state;
};
uint64_t ph_rng_u64(struct ph_rng *rng);

/* Uniform in [0, 1) with 53 bits. */
double ph_rng_uniform(struct ph_rng *rng);

/* Normal distribution, mean 0 and standard deviation 1 (the sum of twelve uniforms, so within -6
 * and 6). */
double ph_rng_normal(struct ph_rng *rng);

#endif
