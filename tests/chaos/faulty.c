/* Preloaded into a process (LD_PRELOAD), makes its disk and its clock fail on demand: files below
 * the folder $PH_FAULTY_UNDER, as the page in the file $PH_FAULTY_PAGE says (faulty.h). Without
 * both it does nothing.
 *
 * What fails has not been done, but for a full disk, which may take a part of what makes a file
 * longer. */
#include "faulty.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* Deadlines beyond this many seconds are of CLOCK_REALTIME, others of CLOCK_MONOTONIC: no machine
 * has been up for 30 years. */
#define REALTIME_FROM_S 946684800

static struct faulty_page *page;
static char under[PATH_MAX]; /* ends with '/' */

/* `next`: the C library's own function of that name. */
#define NEXT(name)                                                                                 \
    static __typeof__(&(name)) next = NULL;                                                        \
    if (next == NULL) {                                                                            \
        void *found = dlsym(RTLD_NEXT, #name);                                                     \
        memcpy(&next, &found, sizeof next);                                                        \
    }

static void map_page(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    void *mapped = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (mapped == MAP_FAILED) {
        return;
    }
    struct faulty_page *found = mapped;
    if (found->magic == FAULTY_MAGIC && found->version == FAULTY_VERSION) {
        page = found;
    }
}

__attribute__((constructor)) static void start(void)
{
    const char *folder = getenv("PH_FAULTY_UNDER");
    const char *path = getenv("PH_FAULTY_PAGE");
    if (folder == NULL || path == NULL ||
        snprintf(under, sizeof under, "%s/", folder) >= (int)sizeof under) {
        return;
    }
    map_page(path);
}

static bool is_ours(int fd)
{
    char name[64];
    char target[PATH_MAX];
    (void)snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(name, target, sizeof target - 1);
    if (len < 0) {
        return false;
    }
    target[len] = '\0';
    return strncmp(target, under, strlen(under)) == 0;
}

/* Which of the calls fail is not worth a seed: it depends on how threads run anyway. */
static uint32_t dice(uint32_t sides)
{
    static _Thread_local uint32_t state;
    if (state == 0) {
        state = (uint32_t)getpid() * 2654435761U ^ (uint32_t)(uintptr_t)&state ^ 1U;
    }
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % sides;
}

/* The error that this call shall end in; 0: none. */
static int trouble(int fd, int error)
{
    if (error == 0 || !is_ours(fd) || dice(1000) >= page->per_mille) {
        return 0;
    }
    (void)__atomic_add_fetch(&page->failed, 1, __ATOMIC_RELAXED);
    return error;
}

static int write_trouble(int fd)
{
    return page == NULL ? 0 : trouble(fd, page->write_errno);
}

static void sleep_ms(uint32_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

static int sync_trouble(int fd)
{
    if (page == NULL) {
        return 0;
    }
    uint32_t delay = page->sync_delay_ms;
    if (delay > 0 && is_ours(fd)) {
        (void)__atomic_add_fetch(&page->delayed, 1, __ATOMIC_RELAXED);
        sleep_ms(delay);
    }
    return trouble(fd, page->sync_errno);
}

/* How much of a write a full disk still takes: all that the file had room for, and some of what is
 * new. What lies within the file is written whole or not at all: no disk tears it for want of room.
 */
static size_t room_left(int fd, off_t offset, int error, size_t len)
{
    struct stat status;
    if (error != ENOSPC || offset < 0 || fstat(fd, &status) != 0 ||
        offset + (off_t)len <= status.st_size || dice(2) != 0) {
        return 0;
    }
    size_t old = offset < status.st_size ? (size_t)(status.st_size - offset) : 0;
    return old + dice((uint32_t)(len - old));
}

/* Where the next write() goes. */
static off_t write_offset(int fd)
{
    struct stat status;
    if ((fcntl(fd, F_GETFL) & O_APPEND) != 0 && fstat(fd, &status) == 0) {
        return status.st_size;
    }
    return lseek(fd, 0, SEEK_CUR);
}

/* The C library's own parameter names are reserved to it.
 * NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */

/* ---- what writes ----------------------------------------------------------------------------- */

EXPORT ssize_t write(int fd, const void *bytes, size_t len)
{
    int error = write_trouble(fd);
    if (error != 0) {
        len = room_left(fd, write_offset(fd), error, len);
    }
    if (error != 0 && len == 0) {
        errno = error;
        return -1;
    }
    return syscall(SYS_write, fd, bytes, len);
}

static ssize_t write_at(int fd, const void *bytes, size_t len, off_t offset)
{
    NEXT(pwrite)
    int error = write_trouble(fd);
    if (error != 0) {
        len = room_left(fd, offset, error, len);
    }
    if (error != 0 && len == 0) {
        errno = error;
        return -1;
    }
    return next(fd, bytes, len, offset);
}

EXPORT ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    return write_at(fd, bytes, len, offset);
}

EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset)
{
    return write_at(fd, bytes, len, offset);
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
    int error = write_trouble(fd);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return syscall(SYS_writev, fd, parts, count);
}

static ssize_t write_parts_at(int fd, const struct iovec *parts, int count, off_t offset)
{
    NEXT(pwritev)
    int error = write_trouble(fd);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return next(fd, parts, count, offset);
}

EXPORT ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    return write_parts_at(fd, parts, count, offset);
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset)
{
    return write_parts_at(fd, parts, count, offset);
}

/* ---- what allocates -------------------------------------------------------------------------- */

/* A full disk still lets a file shrink. */
static bool grows(int fd, off_t size)
{
    struct stat status;
    return fstat(fd, &status) == 0 && size > status.st_size;
}

static int resize(int fd, off_t size)
{
    NEXT(ftruncate)
    int error = write_trouble(fd);
    if (error != 0 && (error != ENOSPC || grows(fd, size))) {
        errno = error;
        return -1;
    }
    return next(fd, size);
}

EXPORT int ftruncate(int fd, off_t size)
{
    return resize(fd, size);
}

EXPORT int ftruncate64(int fd, off64_t size)
{
    return resize(fd, size);
}

static int allocate(int fd, int mode, off_t offset, off_t len)
{
    NEXT(fallocate)
    int error = write_trouble(fd);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return next(fd, mode, offset, len);
}

EXPORT int fallocate(int fd, int mode, off_t offset, off_t len)
{
    return allocate(fd, mode, offset, len);
}

EXPORT int fallocate64(int fd, int mode, off64_t offset, off64_t len)
{
    return allocate(fd, mode, offset, len);
}

static int allocate_posix(int fd, off_t offset, off_t len)
{
    NEXT(posix_fallocate)
    int error = write_trouble(fd);
    return error != 0 ? error : next(fd, offset, len);
}

EXPORT int posix_fallocate(int fd, off_t offset, off_t len)
{
    return allocate_posix(fd, offset, len);
}

EXPORT int posix_fallocate64(int fd, off64_t offset, off64_t len)
{
    return allocate_posix(fd, offset, len);
}

/* ---- what makes durable ---------------------------------------------------------------------- */

EXPORT int fsync(int fd)
{
    NEXT(fsync)
    int error = sync_trouble(fd);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return next(fd);
}

EXPORT int fdatasync(int fd)
{
    NEXT(fdatasync)
    int error = sync_trouble(fd);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return next(fd);
}

EXPORT int sync_file_range(int fd, off64_t offset, off64_t len, unsigned int flags)
{
    NEXT(sync_file_range)
    int error = sync_trouble(fd);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return next(fd, offset, len, flags);
}

/* ---- the clock ------------------------------------------------------------------------------- */

static int64_t shift_ms(void)
{
    return page == NULL ? 0 : page->clock_shift_ms;
}

static void move_timespec(struct timespec *time, int64_t ms)
{
    time->tv_sec += (time_t)(ms / 1000);
    time->tv_nsec += (long)(ms % 1000) * 1000000;
    if (time->tv_nsec >= 1000000000) {
        time->tv_sec++;
        time->tv_nsec -= 1000000000;
    } else if (time->tv_nsec < 0) {
        time->tv_sec--;
        time->tv_nsec += 1000000000;
    }
}

EXPORT int clock_gettime(clockid_t clock, struct timespec *out)
{
    NEXT(clock_gettime)
    int result = next(clock, out);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        move_timespec(out, shift_ms());
    }
    return result;
}

EXPORT int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    int result = clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return result;
}

EXPORT time_t time(time_t *out)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}

/* A deadline on the shifted clock, as the kernel's clock has it. */
static struct timespec true_deadline(const struct timespec *deadline)
{
    struct timespec moved = *deadline;
    if (moved.tv_sec > REALTIME_FROM_S + shift_ms() / 1000) {
        move_timespec(&moved, -shift_ms());
    }
    return moved;
}

EXPORT int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
    const struct timespec *restrict deadline)
{
    NEXT(pthread_cond_timedwait)
    struct timespec moved = true_deadline(deadline);
    return next(cond, mutex, &moved);
}

EXPORT int sem_timedwait(sem_t *restrict sem, const struct timespec *restrict deadline)
{
    NEXT(sem_timedwait)
    struct timespec moved = true_deadline(deadline);
    return next(sem, &moved);
}

EXPORT int pthread_mutex_timedlock(
    pthread_mutex_t *restrict mutex, const struct timespec *restrict deadline)
{
    NEXT(pthread_mutex_timedlock)
    struct timespec moved = true_deadline(deadline);
    return next(mutex, &moved);
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
