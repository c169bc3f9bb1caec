/* Preloaded by clock_test.sh: a wall clock that is off by PH_TEST_CLOCK_S seconds, for the program
 * and for the libraries that it is linked with. A wait until a time of that clock ends when it
 * shows that time. */
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#define EXPORTED __attribute__((visibility("default")))

typedef int read_clock(clockid_t clock, struct timespec *out);

static read_clock *real_clock(void)
{
    static union {
        void *symbol;
        read_clock *function;
    } real;
    if (real.symbol == NULL) {
        real.symbol = dlsym(RTLD_NEXT, "clock_gettime");
    }
    return real.function;
}

static long shift_s(void)
{
    const char *shift = getenv("PH_TEST_CLOCK_S");
    return shift != NULL ? strtol(shift, NULL, 10) : 0;
}

/* The C library's own parameter names are reserved to it.
 * NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */

EXPORTED int clock_gettime(clockid_t clock, struct timespec *out)
{
    int rc = real_clock()(clock, out);
    if (rc == 0 && clock == CLOCK_REALTIME) {
        out->tv_sec += shift_s();
    }
    return rc;
}

EXPORTED int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

EXPORTED time_t time(time_t *out)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}

/* `next`: the C library's own function of that name. */
#define NEXT(name)                                                                                 \
    __typeof__(&(name)) next = NULL;                                                               \
    void *found = dlsym(RTLD_NEXT, #name);                                                         \
    memcpy(&next, &found, sizeof next)

static struct timespec as_kernel_has_it(const struct timespec *deadline)
{
    return (struct timespec){.tv_sec = deadline->tv_sec - shift_s(), .tv_nsec = deadline->tv_nsec};
}

/* A condition does not say by which clock it waits: by the one that the deadline is nearer to. */
static int is_wall_time(const struct timespec *deadline)
{
    struct timespec wall = {0};
    struct timespec monotonic = {0};
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    (void)clock_gettime(CLOCK_MONOTONIC, &monotonic);
    return labs(deadline->tv_sec - wall.tv_sec) < labs(deadline->tv_sec - monotonic.tv_sec);
}

EXPORTED int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
    const struct timespec *restrict deadline)
{
    NEXT(pthread_cond_timedwait);
    struct timespec moved = is_wall_time(deadline) ? as_kernel_has_it(deadline) : *deadline;
    return next(cond, mutex, &moved);
}

EXPORTED int sem_timedwait(sem_t *restrict sem, const struct timespec *restrict deadline)
{
    NEXT(sem_timedwait);
    struct timespec moved = as_kernel_has_it(deadline);
    return next(sem, &moved);
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
