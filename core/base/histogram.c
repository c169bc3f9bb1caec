#include "base/histogram.h"

#define STEPS ((int64_t)1 << PH_HISTOGRAM_STEP_BITS)

/* Counts belong to nobody but the histogram: no other memory is published by them. */
static int64_t load(const _Atomic int64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

/* Most steps are empty, and an addition that is atomic costs many times a look. */
static void increase(_Atomic int64_t *count, int64_t by)
{
    if (by != 0) {
        (void)atomic_fetch_add_explicit(count, by, memory_order_relaxed);
    }
}

/* By how many bits the values of this size are shortened: 0 up to twice STEPS, then one more with
 * each doubling. What is left lies between STEPS and twice that, so doublings follow on each other
 * without a gap. */
static unsigned shortened_by(int64_t value)
{
    unsigned bits = 64U - (unsigned)__builtin_clzll((unsigned long long)value | 1U);
    return bits > PH_HISTOGRAM_STEP_BITS + 1 ? bits - (PH_HISTOGRAM_STEP_BITS + 1) : 0;
}

static size_t step_of(int64_t value)
{
    unsigned bits = shortened_by(value);
    return ((size_t)bits << PH_HISTOGRAM_STEP_BITS) + (size_t)(value >> bits);
}

static int64_t lowest_of(size_t i)
{
    size_t doubling = i >> PH_HISTOGRAM_STEP_BITS;
    if (doubling == 0) {
        return (int64_t)i;
    }
    return ((int64_t)(i & ((size_t)STEPS - 1)) + STEPS) << (doubling - 1);
}

static int64_t highest_of(size_t i)
{
    return lowest_of(i + 1) - 1;
}

void ph_histogram_record(struct ph_histogram *histogram, int64_t value, int64_t times)
{
    int64_t kept = value < 0 ? 0 : value;
    kept = kept > PH_HISTOGRAM_MAX ? PH_HISTOGRAM_MAX : kept;
    increase(&histogram->counts[step_of(kept)], times);
}

void ph_histogram_add(struct ph_histogram *to, const struct ph_histogram *from)
{
    for (size_t i = 0; i < PH_HISTOGRAM_BUCKETS; i++) {
        increase(&to->counts[i], load(&from->counts[i]));
    }
}

void ph_histogram_subtract(struct ph_histogram *to, const struct ph_histogram *from)
{
    for (size_t i = 0; i < PH_HISTOGRAM_BUCKETS; i++) {
        increase(&to->counts[i], -load(&from->counts[i]));
    }
}

int64_t ph_histogram_count(const struct ph_histogram *histogram)
{
    int64_t count = 0;
    for (size_t i = 0; i < PH_HISTOGRAM_BUCKETS; i++) {
        count += load(&histogram->counts[i]);
    }
    return count;
}

double ph_histogram_mean(const struct ph_histogram *histogram)
{
    double sum = 0;
    int64_t count = 0;
    for (size_t i = 0; i < PH_HISTOGRAM_BUCKETS; i++) {
        int64_t here = load(&histogram->counts[i]);
        sum += (double)here * ((double)lowest_of(i) + (double)highest_of(i)) / 2;
        count += here;
    }
    return count == 0 ? 0 : sum / (double)count;
}

/* Which of the values in ascending order, from 1, is the quantile. A share such as 0.07 of 100 is a
 * little more than 7 in binary, and yet the seventh. */
static int64_t rank_of(double share, int64_t count)
{
    double want = share * (double)count;
    if (!(want > 1)) {
        return 1;
    }
    if (want >= (double)count) {
        return count;
    }
    int64_t rank = (int64_t)want;
    return want - (double)rank > want * 1e-9 ? rank + 1 : rank;
}

int64_t ph_histogram_quantile(const struct ph_histogram *histogram, double share)
{
    int64_t count = ph_histogram_count(histogram);
    if (count <= 0) {
        return 0;
    }
    int64_t rank = rank_of(share, count);
    size_t i = 0;
    int64_t passed = load(&histogram->counts[0]);
    while (passed < rank && i < PH_HISTOGRAM_BUCKETS - 1) {
        passed += load(&histogram->counts[++i]);
    }
    return highest_of(i);
}

int64_t ph_histogram_step(const struct ph_histogram *histogram, size_t i, int64_t *highest)
{
    *highest = highest_of(i);
    return load(&histogram->counts[i]);
}
