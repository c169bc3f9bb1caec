/* ph.base.histogram: held against the exact quantiles of the same data. */
#include "base/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

enum { VALUES = 20000 };

/* Large for a stack. */
static struct ph_histogram histogram;
static struct ph_histogram other;

static int empty(void **state)
{
    (void)state;
    memset(&histogram, 0, sizeof histogram);
    memset(&other, 0, sizeof other);
    return 0;
}

static size_t steps_in_use(const struct ph_histogram *of)
{
    size_t used = 0;
    for (size_t i = 0; i < PH_HISTOGRAM_BUCKETS; i++) {
        int64_t highest = 0;
        used += ph_histogram_step(of, i, &highest) != 0;
    }
    return used;
}

/* ---- data ---- */

static int64_t constant(struct ph_rng *rng)
{
    (void)rng;
    return 123457;
}

static int64_t small(struct ph_rng *rng)
{
    return (int64_t)(ph_rng_u64(rng) % 300);
}

static int64_t uniform(struct ph_rng *rng)
{
    return (int64_t)(ph_rng_uniform(rng) * 5e6);
}

static int64_t bell(struct ph_rng *rng)
{
    return 1000000 + (int64_t)(ph_rng_normal(rng) * 150000);
}

/* Every order of magnitude as often as any other. */
static int64_t all_sizes(struct ph_rng *rng)
{
    return (int64_t)((ph_rng_u64(rng) & (uint64_t)PH_HISTOGRAM_MAX) >> (ph_rng_u64(rng) % 38));
}

/* Most are fast, a few wait very long: what latencies look like. */
static int64_t long_tail(struct ph_rng *rng)
{
    return (int64_t)(800 / (1.000001 - ph_rng_uniform(rng)));
}

static int64_t two_humps(struct ph_rng *rng)
{
    return ph_rng_u64(rng) % 20 == 0 ? 30000000 + uniform(rng) : 900 + small(rng);
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Never below the exact quantile, and less than 1/128 above it. */
static void check_quantiles(const int64_t *sorted, size_t count)
{
    static const size_t of_10000[] = {0, 1, 700, 2500, 5000, 9000, 9900, 9990, 9999, 10000};
    for (size_t i = 0; i < sizeof of_10000 / sizeof of_10000[0]; i++) {
        size_t rank = (count * of_10000[i] + 9999) / 10000;
        int64_t exact = sorted[rank == 0 ? 0 : rank - 1];
        int64_t have = ph_histogram_quantile(&histogram, (double)of_10000[i] / 10000);
        assert_true(have >= exact);
        assert_true(have == exact || (have - exact) * 128 < exact);
    }
}

static void check_mean(const int64_t *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)values[i];
    }
    double exact = sum / (double)count;
    double off = ph_histogram_mean(&histogram) - exact;
    assert_true(off <= exact / 256 && -off <= exact / 256);
}

/* [STAT-1] Each value is kept with an error of less than 1/128, whatever the distribution. */
static void quantiles_are_those_of_the_data(void **state)
{
    (void)state;
    static int64_t (*const draw[])(struct ph_rng *) = {
        constant, small, uniform, bell, all_sizes, long_tail, two_humps};
    static int64_t values[VALUES];
    for (size_t d = 0; d < sizeof draw / sizeof draw[0]; d++) {
        struct ph_rng rng = {.state = d + 1};
        memset(&histogram, 0, sizeof histogram);
        for (size_t i = 0; i < VALUES; i++) {
            values[i] = draw[d](&rng);
            ph_histogram_record(&histogram, values[i], 1);
        }
        assert_int_equal(ph_histogram_count(&histogram), VALUES);
        check_mean(values, VALUES);
        qsort(values, VALUES, sizeof values[0], by_size);
        check_quantiles(values, VALUES);
    }
}

/* [STAT-1] The steps lie side by side from 0 to the maximum: none is empty, none overlaps. */
static void steps_cover_everything_once(void **state)
{
    (void)state;
    int64_t below = -1;
    for (size_t i = 0; i < PH_HISTOGRAM_BUCKETS; i++) {
        int64_t highest = 0;
        assert_int_equal(ph_histogram_step(&histogram, i, &highest), 0);
        assert_true(highest > below);
        ph_histogram_record(&histogram, below + 1, 1);
        ph_histogram_record(&histogram, highest, 2);
        assert_int_equal(ph_histogram_step(&histogram, i, &highest), 3);
        below = highest;
    }
    assert_true(below == PH_HISTOGRAM_MAX);
    assert_int_equal(ph_histogram_count(&histogram), INT64_C(3) * PH_HISTOGRAM_BUCKETS);
}

/* [STAT-2] What is smaller or larger than the range counts at its ends. */
static void ends_of_the_range(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        int64_t kept;
    } cases[] = {{INT64_MIN, 0}, {-1, 0}, {0, 0}, {1, 1}, {255, 255}, {256, 257},
        {PH_HISTOGRAM_MAX - 1, PH_HISTOGRAM_MAX}, {PH_HISTOGRAM_MAX, PH_HISTOGRAM_MAX},
        {PH_HISTOGRAM_MAX + 1, PH_HISTOGRAM_MAX}, {INT64_MAX, PH_HISTOGRAM_MAX}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memset(&histogram, 0, sizeof histogram);
        ph_histogram_record(&histogram, cases[i].value, 1);
        assert_true(ph_histogram_quantile(&histogram, 0) == cases[i].kept);
        assert_true(ph_histogram_quantile(&histogram, 1) == cases[i].kept);
        assert_int_equal(ph_histogram_count(&histogram), 1);
    }
}

/* [STAT-2] An empty histogram has no quantile and no mean: both are 0. */
static void empty_is_zero(void **state)
{
    (void)state;
    assert_int_equal(ph_histogram_count(&histogram), 0);
    assert_int_equal(ph_histogram_quantile(&histogram, 0.5), 0);
    assert_int_equal(ph_histogram_quantile(&histogram, 1), 0);
    assert_true(ph_histogram_mean(&histogram) == 0);
}

/* Shares at which the rank is a whole number that binary does not hit, and shares that are none. */
static void ranks_are_exact(void **state)
{
    (void)state;
    for (int64_t value = 1; value <= 100; value++) {
        ph_histogram_record(&histogram, value, 1);
    }
    for (int64_t percent = 1; percent <= 100; percent++) {
        assert_int_equal(ph_histogram_quantile(&histogram, (double)percent / 100), percent);
        assert_int_equal(ph_histogram_quantile(&histogram, ((double)percent - 0.5) / 100), percent);
    }
    assert_int_equal(ph_histogram_quantile(&histogram, -1), 1);
    assert_int_equal(ph_histogram_quantile(&histogram, 7), 100);
    assert_int_equal(ph_histogram_quantile(&histogram, (double)__builtin_nanf("")), 1);
    assert_true(ph_histogram_mean(&histogram) == 50.5);
}

/* [STAT-2] "times" is that many recordings of one value. */
static void recorded_many_times_at_once(void **state)
{
    (void)state;
    ph_histogram_record(&histogram, 100, 999);
    ph_histogram_record(&histogram, 200, 1);
    ph_histogram_record(&histogram, 250, 0);
    assert_int_equal(ph_histogram_count(&histogram), 1000);
    assert_int_equal(steps_in_use(&histogram), 2);
    assert_int_equal(ph_histogram_quantile(&histogram, 0.999), 100);
    assert_int_equal(ph_histogram_quantile(&histogram, 0.9991), 200);
}

/* [STAT-3] Adding is recording both; subtracting an earlier state leaves what came since. */
static void adds_and_subtracts(void **state)
{
    (void)state;
    static struct ph_histogram both;
    struct ph_rng rng = {.state = 9};
    memset(&both, 0, sizeof both);
    for (int i = 0; i < 5000; i++) {
        int64_t first = all_sizes(&rng);
        int64_t second = long_tail(&rng);
        ph_histogram_record(&histogram, first, 1);
        ph_histogram_record(&other, second, 1);
        ph_histogram_record(&both, first, 1);
        ph_histogram_record(&both, second, 1);
    }
    ph_histogram_add(&histogram, &other);
    assert_memory_equal(&histogram, &both, sizeof both);
    ph_histogram_subtract(&both, &other);
    ph_histogram_subtract(&both, &histogram);
    ph_histogram_add(&both, &other);
    assert_int_equal(ph_histogram_count(&both), 0);
    assert_int_equal(steps_in_use(&both), 0);
    ph_histogram_subtract(&histogram, &other);
    assert_int_equal(ph_histogram_count(&histogram), 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(quantiles_are_those_of_the_data, empty),
        cmocka_unit_test_setup(steps_cover_everything_once, empty),
        cmocka_unit_test_setup(ends_of_the_range, empty),
        cmocka_unit_test_setup(empty_is_zero, empty),
        cmocka_unit_test_setup(ranks_are_exact, empty),
        cmocka_unit_test_setup(recorded_many_times_at_once, empty),
        cmocka_unit_test_setup(adds_and_subtracts, empty),
    };
    return cmocka_run_group_tests_name("ph.base.histogram", tests, NULL, NULL);
}
