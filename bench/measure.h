/* What the load generators measure: time, another process's CPU and memory, and the spread of many
 * values. */
#ifndef PH_BENCH_MEASURE_H
#define PH_BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* Nanoseconds from an arbitrary start that is the same in every process. */
int64_t ph_now_ns(void);

/* CPU time (user and system, all threads) that a process has used. */
enum ph_err ph_process_cpu_ns(pid_t pid, int64_t *out, struct ph_error *error) PH_NODISCARD;

/* Memory of a process that is in RAM. */
enum ph_err ph_process_rss_bytes(pid_t pid, int64_t *out, struct ph_error *error) PH_NODISCARD;

/* Sorts ascending. */
void ph_sort_ns(int64_t *values, size_t count);

/* Of sorted values: the smallest that is not exceeded by `permille` of them; 0 without values. */
int64_t ph_quantile_ns(const int64_t *sorted, size_t count, unsigned permille);

#endif
