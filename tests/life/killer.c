/* Preloaded in front of the C library: the process kills itself, as kill -9 would, at the Nth of
 * the calls by which it leaves a trace outside: writing, syncing and renaming files, sending.
 *
 *   PH_KILL_AT=N      1 is the first; 0 or absent: never
 *   PH_KILL_LOG=FILE  at the end (if it gets there): how many calls there were
 *   PH_KILL_UNDER=DIR only calls on files below this folder, and renames into it, count
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* `next`: the C library's own function of that name. */
#define NEXT(name)                                                                                 \
    static __typeof__(&(name)) next = NULL;                                                        \
    if (next == NULL) {                                                                            \
        void *found = dlsym(RTLD_NEXT, #name);                                                     \
        memcpy(&next, &found, sizeof next);                                                        \
    }

static atomic_long calls;

static long wanted(void)
{
    const char *text = getenv("PH_KILL_AT");
    return text != NULL ? strtol(text, NULL, 10) : 0;
}

static int counts_path(const char *path)
{
    const char *under = getenv("PH_KILL_UNDER");
    return under == NULL || strncmp(path, under, strlen(under)) == 0;
}

static int counts_fd(int fd)
{
    char link[64];
    char path[4096];
    if (getenv("PH_KILL_UNDER") == NULL) {
        return 1;
    }
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len <= 0) {
        return 0;
    }
    path[len] = '\0';
    return counts_path(path);
}

/* Dies in front of the call: what was done before stays, this is not done any more. */
static void step(int counts)
{
    if (counts && atomic_fetch_add(&calls, 1) + 1 == wanted()) {
        (void)kill(getpid(), SIGKILL);
    }
}

/* The C library's own parameter names are reserved to it.
 * NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */

EXPORT int fsync(int fd)
{
    NEXT(fsync)
    step(counts_fd(fd));
    return next(fd);
}

EXPORT int fdatasync(int fd)
{
    NEXT(fdatasync)
    step(counts_fd(fd));
    return next(fd);
}

EXPORT int rename(const char *from, const char *to)
{
    NEXT(rename)
    step(counts_path(to));
    return next(from, to);
}

EXPORT ssize_t write(int fd, const void *bytes, size_t len)
{
    NEXT(write)
    step(fd > 2 && counts_fd(fd));
    return next(fd, bytes, len);
}

EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
    NEXT(pwrite64)
    step(counts_fd(fd));
    return next(fd, bytes, len, at);
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

static void __attribute__((destructor)) tell(void)
{
    const char *log = getenv("PH_KILL_LOG");
    FILE *file = log != NULL ? fopen(log, "w") : NULL;
    if (file != NULL) {
        (void)fprintf(file, "%ld\n", atomic_load(&calls));
        (void)fclose(file);
    }
}
