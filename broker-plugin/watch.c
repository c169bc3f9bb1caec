#include "broker-plugin/watch.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* File times advance with the kernel's tick, at most 10 ms apart. */
#define SETTLE_NS  (20 * INT64_C(1000000))
#define SETTLE_MAX 10 /* for a file that is written all the time, or in a clock's future */

static struct ph_stamp take_stamp(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        return (struct ph_stamp){.there = false};
    }
    return (struct ph_stamp){.changed = st.st_ctim,
        .size = st.st_size,
        .inode = st.st_ino,
        .device = st.st_dev,
        .there = true};
}

static bool stamps_equal(const struct ph_stamp *a, const struct ph_stamp *b)
{
    return a->there == b->there && a->size == b->size && a->inode == b->inode &&
           a->device == b->device && a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec;
}

static int64_t to_ns(const struct timespec *time)
{
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

static bool settled(const struct ph_stamp *stamp)
{
    struct timespec now;
    if (!stamp->there || clock_gettime(CLOCK_REALTIME, &now) != 0) {
        return true;
    }
    int64_t age_ns = to_ns(&now) - to_ns(&stamp->changed);
    return age_ns < -SETTLE_NS || age_ns > SETTLE_NS;
}

static struct ph_stamp take_settled_stamp(const char *path)
{
    const struct timespec pause = {.tv_nsec = SETTLE_NS / 2};
    struct ph_stamp stamp = take_stamp(path);
    for (int i = 0; i < SETTLE_MAX && !settled(&stamp); i++) {
        (void)nanosleep(&pause, NULL);
        stamp = take_stamp(path);
    }
    return stamp;
}

void ph_watch_fini(struct ph_watch *watch)
{
    for (size_t i = 0; i < watch->count; i++) {
        free(watch->files[i].path);
    }
    free(watch->files);
    *watch = (struct ph_watch){0};
}

static enum ph_err add(
    struct ph_watch *watch, const char *path, const struct ph_stamp *stamp, struct ph_error *error)
{
    char *copy = strdup(path);
    struct ph_watched *files =
        copy != NULL ? realloc(watch->files, (watch->count + 1) * sizeof *files) : NULL;
    if (files == NULL) {
        free(copy);
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
    }
    watch->files = files;
    files[watch->count++] = (struct ph_watched){.path = copy, .stamp = *stamp};
    return PH_OK;
}

enum ph_err ph_watch_add(
    struct ph_watch *watch, char *const *paths, size_t count, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < count; i++) {
        struct ph_stamp stamp = take_settled_stamp(paths[i]);
        err = add(watch, paths[i], &stamp, error);
    }
    return err;
}

static bool knows(const struct ph_watch *watch, const char *path)
{
    for (size_t i = 0; i < watch->count; i++) {
        if (strcmp(watch->files[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

enum ph_err ph_watch_merge(
    struct ph_watch *watch, const struct ph_watch *other, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < other->count; i++) {
        if (!knows(watch, other->files[i].path)) {
            err = add(watch, other->files[i].path, &other->files[i].stamp, error);
        }
    }
    return err;
}

const char *ph_watch_differing(const struct ph_watch *watch)
{
    for (size_t i = 0; i < watch->count; i++) {
        struct ph_stamp now = take_stamp(watch->files[i].path);
        if (!stamps_equal(&now, &watch->files[i].stamp)) {
            return watch->files[i].path;
        }
    }
    return NULL;
}

bool ph_watch_look(struct ph_watch *watch)
{
    bool differs = false;
    for (size_t i = 0; i < watch->count; i++) {
        struct ph_stamp now = take_stamp(watch->files[i].path);
        differs = differs || !stamps_equal(&now, &watch->files[i].stamp);
        watch->files[i].stamp = now;
    }
    return differs;
}

void ph_watch_forget(struct ph_watch *watch)
{
    for (size_t i = 0; i < watch->count; i++) {
        watch->files[i].stamp = (struct ph_stamp){.there = true, .size = -1};
    }
}
