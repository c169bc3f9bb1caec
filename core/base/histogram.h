/* A histogram of durations in the manner of HdrHistogram: fixed size, every value from 0 to
 * PH_HISTOGRAM_MAX is kept with an error of less than 1/128 of itself, whatever the others are, and
 * those below 256 exactly. One thread (or process: it may lie in shared memory) records, any other
 * may read meanwhile: each count is whole, the counts of one moment are not guaranteed to belong
 * together. Zero-initialised it is empty. It has no unit of its own. */
#ifndef PH_BASE_HISTOGRAM_H
#define PH_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define PH_HISTOGRAM_STEP_BITS 7 /* 128 steps for each doubling of the value */
/* Beyond the values that are kept exactly: in microseconds up to 76 hours, in 32 KiB. */
#define PH_HISTOGRAM_DOUBLINGS 30
#define PH_HISTOGRAM_BUCKETS   ((PH_HISTOGRAM_DOUBLINGS + 2) << PH_HISTOGRAM_STEP_BITS)
#define PH_HISTOGRAM_MAX       ((INT64_C(1) << (PH_HISTOGRAM_DOUBLINGS + PH_HISTOGRAM_STEP_BITS + 1)) - 1)

struct ph_histogram {
    _Atomic int64_t counts[PH_HISTOGRAM_BUCKETS];
};

/* Values below 0 count as 0, those above the maximum as the maximum. */
void ph_histogram_record(struct ph_histogram *histogram, int64_t value, int64_t times);

/* Adds `from` to `to`; subtracts it, where it is an earlier state of the same histogram. */
void ph_histogram_add(struct ph_histogram *to, const struct ph_histogram *from);
void ph_histogram_subtract(struct ph_histogram *to, const struct ph_histogram *from);

/* How many were recorded, and the mean of the middles of their steps (0 when empty). */
int64_t ph_histogram_count(const struct ph_histogram *histogram);
double ph_histogram_mean(const struct ph_histogram *histogram);

/* The value that `share` (0 to 1) of those recorded do not exceed, as the highest value of its
 * step, so never too small; 0 when empty. Share 0 is the minimum, share 1 the maximum. */
int64_t ph_histogram_quantile(const struct ph_histogram *histogram, double share);

/* The step with index `i` (below PH_HISTOGRAM_BUCKETS): how many, and its highest value. */
int64_t ph_histogram_step(const struct ph_histogram *histogram, size_t i, int64_t *highest);

#endif
