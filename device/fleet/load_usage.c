#include "device/fleet/load_usage.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t clock)
{
    struct timespec time = {0};
    return clock_gettime(clock, &time) == 0 ? time.tv_sec * INT64_C(1000000000) + time.tv_nsec : 0;
}

/* /proc/self/task/TID/schedstat: nanoseconds on a core, waiting for one, and time slices. */
static int64_t read_waited(int tid)
{
    char path[64];
    int64_t waited_ns = 0;
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/schedstat", tid);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fscanf(file, "%*d %" SCNd64, &waited_ns) != 1) {
            waited_ns = 0;
        }
        (void)fclose(file);
    }
    return waited_ns;
}

struct ph_load_usage ph_load_usage_of(pthread_t id, int tid)
{
    clockid_t clock = 0;
    return (struct ph_load_usage){
        .cpu_ns = pthread_getcpuclockid(id, &clock) == 0 ? read_clock(clock) : 0,
        .waited_ns = read_waited(tid),
    };
}

int64_t ph_load_process_cpu_ns(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}
