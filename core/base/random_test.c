/* ph.base.random: the kernel's numbers differ, the seeded ones repeat. */
#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void kernel_numbers_differ(void **state)
{
    (void)state;
    uint8_t a[600] = {0}; /* more than one getrandom() call may return at once */
    uint8_t b[600] = {0};
    ph_random_bytes(a, sizeof a);
    ph_random_bytes(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a + 500, b + 500, 100);
    assert_true(ph_random_u64() != ph_random_u64());
    ph_random_bytes(a, 0);
}

/* The first outputs of SplitMix64 for the seed 1234567, as published with the generator. */
static void seeded_numbers_repeat(void **state)
{
    (void)state;
    struct ph_rng rng = {1234567};
    assert_true(ph_rng_u64(&rng) == UINT64_C(6457827717110365317));
    assert_true(ph_rng_u64(&rng) == UINT64_C(3203168211198807973));
    assert_true(ph_rng_u64(&rng) == UINT64_C(9817491932198370423));
}

static void distributions_have_their_moments(void **state)
{
    (void)state;
    const int count = 20000;
    struct ph_rng rng = {42};
    double uniform = 0;
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < count; i++) {
        double u = ph_rng_uniform(&rng);
        assert_true(u >= 0 && u < 1);
        uniform += u;
        double n = ph_rng_normal(&rng);
        assert_true(n >= -6 && n <= 6);
        sum += n;
        squares += n * n;
    }
    assert_true(fabs(uniform / count - 0.5) < 0.02);
    assert_true(fabs(sum / count) < 0.05);
    assert_true(fabs(squares / count - 1) < 0.05);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernel_numbers_differ),
        cmocka_unit_test(seeded_numbers_repeat),
        cmocka_unit_test(distributions_have_their_moments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
