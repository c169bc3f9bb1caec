#include "device/spool_reserve.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool allocate(int fd, int64_t bytes)
{
    /* Not posix_fallocate(): where a file system cannot, that writes zeros, at each start anew. */
    if (fallocate(fd, 0, 0, bytes) == 0) {
        return true;
    }
    (void)!ftruncate(fd, 0); /* some file systems keep what they could get */
    return false;
}

static void hold(struct ph_spool_reserve *reserve)
{
    int fd = open(reserve->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return;
    }
    if (allocate(fd, reserve->bytes)) {
        reserve->state = PH_SPOOL_RESERVE_HELD;
    } else if (reserve->state == PH_SPOOL_RESERVE_NONE) {
        (void)unlink(reserve->path);
    }
    (void)close(fd);
}

void ph_spool_reserve_open(struct ph_spool_reserve *reserve, const char *path, int64_t bytes)
{
    *reserve = (struct ph_spool_reserve){.bytes = bytes, .state = PH_SPOOL_RESERVE_NONE};
    if (asprintf(&reserve->path, "%s.reserve", path) < 0) {
        reserve->path = NULL;
        return;
    }
    struct stat status = {0};
    if (lstat(reserve->path, &status) == 0 && S_ISREG(status.st_mode)) {
        reserve->state = PH_SPOOL_RESERVE_SPENT;
    }
    hold(reserve);
}

void ph_spool_reserve_fini(struct ph_spool_reserve *reserve)
{
    free(reserve->path);
    *reserve = (struct ph_spool_reserve){0};
}

void ph_spool_reserve_tend(struct ph_spool_reserve *reserve)
{
    if (reserve->state == PH_SPOOL_RESERVE_SPENT) {
        hold(reserve);
    }
}

bool ph_spool_reserve_give_up(struct ph_spool_reserve *reserve)
{
    if (reserve->state != PH_SPOOL_RESERVE_HELD) {
        return false;
    }
    reserve->state = PH_SPOOL_RESERVE_SPENT; /* also when somebody has deleted it */
    return truncate(reserve->path, 0) == 0;
}
