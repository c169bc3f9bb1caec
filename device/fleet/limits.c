#include "device/fleet/limits.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "device/fleet/supervisor.h"

enum { LINE_BYTES = 512, DEVICES_PER_WORKER_MIN = 50, MEGABYTE = 1000000 };

size_t ph_fleet_workers(size_t devices, long cores)
{
    size_t most = devices / DEVICES_PER_WORKER_MIN;
    size_t workers = (devices + PH_FLEET_WORKER_DEVICES - 1) / PH_FLEET_WORKER_DEVICES;
    if (cores > 0 && workers < (size_t)cores) {
        workers = (size_t)cores;
    }
    workers = workers < most ? workers : most;
    return workers > 0 ? workers : 1;
}

/* ---- what there is ---- */

/* The first whole number of the file's first line that begins with `key`; `fallback` without. */
static int64_t read_number(const char *path, const char *key, int64_t fallback)
{
    char line[LINE_BYTES];
    int64_t number = fallback;
    size_t len = strlen(key);
    bool found = false;
    FILE *file = fopen(path, "re");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        found = strncmp(line, key, len) == 0;
        if (found) {
            const char *digits = line + len + strspn(line + len, " \t");
            number = *digits >= '0' && *digits <= '9' ? (int64_t)strtoll(digits, NULL, 10)
                                                      : fallback; /* "max" */
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return number;
}

static int64_t number_in(const char *folder, const char *file, const char *key, int64_t fallback)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/%s", folder, file);
    return len > 0 && (size_t)len < sizeof path ? read_number(path, key, fallback) : fallback;
}

/* What one cgroup leaves; its unused page cache can be had. */
static int64_t cgroup_bytes(const char *folder)
{
    int64_t most = number_in(folder, "memory.max", "", INT64_MAX);
    int64_t used = number_in(folder, "memory.current", "", 0);
    int64_t cache = number_in(folder, "memory.stat", "inactive_file ", 0);
    if (most == INT64_MAX) {
        return INT64_MAX;
    }
    return most - used + cache > 0 ? most - used + cache : 0;
}

/* Of version 2 ("0::/path"): the process's own one and all above it. */
static int64_t cgroups_bytes(const char *root)
{
    char line[LINE_BYTES] = "";
    char folder[PATH_MAX];
    int64_t least = INT64_MAX;
    (void)snprintf(folder, sizeof folder, "%s/proc/self/cgroup", root);
    FILE *file = fopen(folder, "re");
    while (
        file != NULL && strncmp(line, "0::/", 4) != 0 && fgets(line, sizeof line, file) != NULL) {
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    if (strncmp(line, "0::/", 4) != 0) {
        return INT64_MAX;
    }
    line[strcspn(line, "\n")] = '\0';
    int top = snprintf(folder, sizeof folder, "%s/sys/fs/cgroup", root);
    (void)snprintf(folder + top, sizeof folder - (size_t)top, "%s", line + 3);
    for (char *slash = folder + strlen(folder); slash != NULL && slash >= folder + top;
         slash = strrchr(folder, '/')) {
        *slash = '\0';
        int64_t left = cgroup_bytes(folder);
        least = left < least ? left : least;
    }
    return least;
}

/* To the hard limit; where that is none, to what the kernel allows. */
static int64_t raise_files(const char *root)
{
    struct rlimit limit = {0};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return INT64_MAX;
    }
    rlim_t want = limit.rlim_max;
    if (want == RLIM_INFINITY) {
        want = (rlim_t)number_in(root, "proc/sys/fs/nr_open", "", 1048576);
    }
    if (limit.rlim_cur < want) {
        struct rlimit raised = {.rlim_cur = want, .rlim_max = limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
            limit.rlim_cur = want;
        }
    }
    return limit.rlim_cur < (rlim_t)INT64_MAX ? (int64_t)limit.rlim_cur : INT64_MAX;
}

void ph_fleet_room_read(const char *root, struct ph_fleet_room *room)
{
    int64_t kilobytes = number_in(root, "proc/meminfo", "MemAvailable:", INT64_MAX / 1024);
    int64_t left = cgroups_bytes(root);
    room->files = raise_files(root);
    room->memory_bytes = kilobytes < INT64_MAX / 1024 ? kilobytes * 1024 : INT64_MAX;
    if (left < room->memory_bytes) {
        room->memory_bytes = left;
    }
}

/* ---- what is needed ---- */

static enum ph_err check_files(
    const struct ph_fleet_room *room, int64_t devices, int64_t workers, struct ph_error *error)
{
    int64_t each = (devices + workers - 1) / workers;
    int64_t need = each * PH_FLEET_DEVICE_FILES + PH_FLEET_WORKER_FILES;
    if (need <= room->files) {
        return PH_OK;
    }
    int64_t fit = (room->files - PH_FLEET_WORKER_FILES) / PH_FLEET_DEVICE_FILES;
    if (fit <= 0) {
        return ph_error_set(error, PH_ERR_UNAVAILABLE,
            "open files: a worker needs %" PRId64 " and may have %" PRId64
            "; raise ulimit -n to %" PRId64,
            need, room->files, need);
    }
    return ph_error_set(error, PH_ERR_UNAVAILABLE,
        "open files: %" PRId64 " devices need %" PRId64 " in each of %" PRId64
        " workers, which may have %" PRId64 ", enough for %" PRId64
        " devices; raise ulimit -n to %" PRId64 ", or want --workers %" PRId64,
        devices, need, workers, room->files, fit * workers, need, (devices + fit - 1) / fit);
}

static enum ph_err check_memory(
    const struct ph_fleet_room *room, int64_t devices, int64_t workers, struct ph_error *error)
{
    int64_t fixed = workers * PH_FLEET_WORKER_BYTES;
    int64_t need = fixed + devices * PH_FLEET_DEVICE_BYTES;
    if (need <= room->memory_bytes) {
        return PH_OK;
    }
    int64_t fit = (room->memory_bytes - fixed) / PH_FLEET_DEVICE_BYTES;
    return ph_error_set(error, PH_ERR_UNAVAILABLE,
        "memory: %" PRId64 " devices in %" PRId64 " workers need about %" PRId64 " MB and %" PRId64
        " MB are free, enough for %" PRId64 " devices; run fewer --devices, or free some",
        devices, workers, (need + MEGABYTE - 1) / MEGABYTE, room->memory_bytes / MEGABYTE,
        fit > 0 ? fit : 0);
}

enum ph_err ph_fleet_room_check(
    const struct ph_fleet_room *room, size_t devices, size_t workers, struct ph_error *error)
{
    enum ph_err err = check_files(room, (int64_t)devices, (int64_t)workers, error);
    return err == PH_OK ? check_memory(room, (int64_t)devices, (int64_t)workers, error) : err;
}

enum ph_err ph_fleet_limits_check(size_t devices, size_t workers, struct ph_error *error)
{
    struct ph_fleet_room room = {0};
    ph_fleet_room_read("", &room);
    return ph_fleet_room_check(&room, devices, workers, error);
}
