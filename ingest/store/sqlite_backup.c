#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "ingest/store/sqlite.h"

/* The copy is made under a name of its own beside the target, so that a backup that was killed
 * never looks like one; the lock says that another one is at work there. */
struct copy {
    const char *path;
    char part[PATH_MAX];
    char journal[PATH_MAX]; /* SQLite's, of the part */
    int fd;
};

static enum ph_err name_part(struct copy *copy, const char *path, struct ph_error *error)
{
    int len = snprintf(copy->part, sizeof copy->part, "%s.part", path);
    int journal_len = snprintf(copy->journal, sizeof copy->journal, "%s.part-journal", path);
    return len > 0 && journal_len > 0 && (size_t)journal_len < sizeof copy->journal
               ? PH_OK
               : ph_error_set(error, PH_ERR_LIMIT, "%s: path too long", path);
}

static enum ph_err taken(const char *path, struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_EXISTS, "%s: something is there; name another file", path);
}

/* A left-over of a killed backup goes. The lock is taken on the file that has the name: another
 * backup may have replaced it in between. */
static enum ph_err make_part(struct copy *copy, struct ph_error *error)
{
    struct stat ours;
    struct stat there;
    copy->fd = open(copy->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (copy->fd < 0) {
        return ph_error_set_errno(error, errno, "%s: create", copy->part);
    }
    if (flock(copy->fd, LOCK_EX | LOCK_NB) != 0 || fstat(copy->fd, &ours) != 0 ||
        lstat(copy->part, &there) != 0 || ours.st_ino != there.st_ino ||
        ours.st_dev != there.st_dev) {
        return ph_error_set(error, PH_ERR_BUSY,
            "%s: another backup is at work; wait for it, or name another file", copy->part);
    }
    (void)unlink(copy->journal);
    if (!S_ISREG(ours.st_mode) || ftruncate(copy->fd, 0) != 0 || fchmod(copy->fd, 0600) != 0) {
        return ph_error_set_errno(
            error, S_ISREG(ours.st_mode) ? errno : EEXIST, "%s: empty it", copy->part);
    }
    return PH_OK;
}

static enum ph_err fill_part(struct ph_db *db, const struct copy *copy, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(db, "VACUUM INTO ?1", &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, copy->part);
        err = ph_stmt_run(stmt, error);
    }
    ph_stmt_free(&stmt);
    if (err == PH_OK && fsync(copy->fd) != 0) {
        err = ph_error_set_errno(error, errno, "%s: fsync", copy->part);
    }
    return err;
}

/* File systems that cannot rename without overwriting can link, and the other way round. */
static enum ph_err take_name(const struct copy *copy, struct ph_error *error)
{
    if (renameat2(AT_FDCWD, copy->part, AT_FDCWD, copy->path, RENAME_NOREPLACE) == 0) {
        return PH_OK;
    }
    if (errno == EINVAL || errno == ENOSYS) {
        if (link(copy->part, copy->path) == 0) {
            (void)unlink(copy->part);
            return PH_OK;
        }
    }
    return errno == EEXIST ? taken(copy->path, error)
                           : ph_error_set_errno(error, errno, "%s: rename", copy->path);
}

static enum ph_err sync_folder(const char *path, struct ph_error *error)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    memcpy(folder, path, len);
    folder[len] = '\0';
    int fd = open(len > 0 ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum ph_err err = fd >= 0 && fsync(fd) == 0
                          ? PH_OK
                          : ph_error_set_errno(error, errno, "%s: fsync of its folder", path);
    if (fd >= 0) {
        (void)close(fd);
    }
    return err;
}

static enum ph_err finish(const struct copy *copy, struct ph_error *error)
{
    enum ph_err err = take_name(copy, error);
    if (err == PH_OK && (err = sync_folder(copy->path, error)) != PH_OK) {
        (void)unlink(copy->path); /* it might not be there after a power cut */
    }
    return err;
}

enum ph_err ph_store_sqlite_backup(struct ph_store *store, const char *path, struct ph_error *error)
{
    struct copy copy = {.path = path, .fd = -1};
    struct ph_db *db = ((struct sqlite_store *)store)->db;
    enum ph_err err = ph_path_exists(path) ? taken(path, error) : name_part(&copy, path, error);
    if (err != PH_OK) {
        return err;
    }
    err = make_part(&copy, error);
    if (err == PH_OK) {
        err = fill_part(db, &copy, error);
        if (err == PH_OK) {
            err = finish(&copy, error);
        }
        if (err != PH_OK) {
            (void)unlink(copy.part);
        }
    }
    if (copy.fd >= 0) {
        (void)close(copy.fd);
    }
    return err;
}
