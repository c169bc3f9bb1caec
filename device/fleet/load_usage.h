/* What the load generator itself uses: to tell whether it, and not the broker, was the limit. */
#ifndef PH_FLEET_LOAD_USAGE_H
#define PH_FLEET_LOAD_USAGE_H

#include <pthread.h>
#include <stdint.h>

struct ph_load_usage {
    int64_t cpu_ns;    /* on a core */
    int64_t waited_ns; /* for one, ready to run; 0 where the kernel does not say */
};

/* Of a thread since it began; `tid` is the kernel's number of it. */
struct ph_load_usage ph_load_usage_of(pthread_t id, int tid);

/* User and system time of this process, all threads. */
int64_t ph_load_process_cpu_ns(void);

#endif
