/* Preloaded into a program (LD_PRELOAD), makes one of its threads hang on demand while the others
 * go on: the main one at its next poll(2), as soon as the file $PH_HANG_LOOP is there; another one
 * at its next sync of a file, as soon as $PH_HANG_SYNC is there. */
#undef _FORTIFY_SOURCE /* with it poll() is inline */
#include <dlfcn.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* `next`: the C library's own function of that name. */
#define NEXT(name)                                                                                 \
    static __typeof__(&(name)) next = NULL;                                                        \
    if (next == NULL) {                                                                            \
        void *found = dlsym(RTLD_NEXT, #name);                                                     \
        memcpy(&next, &found, sizeof next);                                                        \
    }

static void hang_if(const char *variable, bool main_thread)
{
    const char *file = getenv(variable);
    while (file != NULL && (gettid() == getpid()) == main_thread && access(file, F_OK) == 0) {
        (void)usleep(10000);
    }
}

/* The C library has reserved names for the parameters.
 * NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */
EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    NEXT(poll)
    hang_if("PH_HANG_LOOP", true);
    return next(fds, count, timeout);
}

EXPORT int fsync(int fd)
{
    NEXT(fsync)
    hang_if("PH_HANG_SYNC", false);
    return next(fd);
}

EXPORT int fdatasync(int fd)
{
    NEXT(fdatasync)
    hang_if("PH_HANG_SYNC", false);
    return next(fd);
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
