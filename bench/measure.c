#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int64_t ph_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

enum ph_err ph_process_cpu_ns(pid_t pid, int64_t *out, struct ph_error *error)
{
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) {
        return ph_error_set(error, PH_ERR_NOT_FOUND, "process %d: not there", (int)pid);
    }
    *out = (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
    return PH_OK;
}

enum ph_err ph_process_rss_bytes(pid_t pid, int64_t *out, struct ph_error *error)
{
    char path[64];
    long long pages = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "re");
    int found = file != NULL ? fscanf(file, "%*d %lld", &pages) : 0;
    if (file != NULL) {
        (void)fclose(file);
    }
    if (found != 1) {
        return ph_error_set(error, PH_ERR_NOT_FOUND, "process %d: not there", (int)pid);
    }
    *out = pages * sysconf(_SC_PAGESIZE);
    return PH_OK;
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

void ph_sort_ns(int64_t *values, size_t count)
{
    if (count > 0) {
        qsort(values, count, sizeof *values, compare);
    }
}

int64_t ph_quantile_ns(const int64_t *sorted, size_t count, unsigned permille)
{
    return count == 0 ? 0 : sorted[(count * permille + 999) / 1000 - (permille > 0 ? 1 : 0)];
}
