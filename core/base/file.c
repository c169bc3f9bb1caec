#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/credential.h"
#include "base/text.h"

static enum ph_err check_closed(const char *path, const struct stat *st, struct ph_error *error)
{
    if ((st->st_mode & (S_IRWXG | S_IRWXO)) == 0 || ph_credential_is_closed(path, st)) {
        return PH_OK;
    }
    return ph_error_set(error, PH_ERR_PERMISSION,
        "%s: mode is %04o: a secret must be closed to group and others; run chmod 600 on it", path,
        (unsigned)st->st_mode & 07777U);
}

static enum ph_err read_all(int fd, const char *path, struct ph_buf *out, struct ph_error *error)
{
    char chunk[16384];
    enum ph_err err = PH_OK;
    while (err == PH_OK) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            err = ph_error_set_errno(error, errno, "%s: read", path);
        }
        if (got <= 0) {
            break;
        }
        err = ph_buf_append(out, chunk, (size_t)got);
        if (err == PH_ERR_LIMIT) {
            ph_error_set(error, err, "%s: larger than the %zu bytes allowed", path, out->max);
        } else if (err != PH_OK) {
            ph_error_set(error, err, "%s: out of memory", path);
        }
    }
    explicit_bzero(chunk, sizeof chunk);
    return err;
}

static enum ph_err load(const char *path, bool secret, struct ph_buf *out, struct ph_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return ph_error_set_errno(error, errno, "%s: open", path);
    }
    struct stat st;
    enum ph_err err = PH_OK;
    if (fstat(fd, &st) != 0) {
        err = ph_error_set_errno(error, errno, "%s: stat", path);
    } else if (!S_ISREG(st.st_mode)) {
        err = ph_error_set(error, PH_ERR_INPUT, "%s: not a regular file", path);
    } else if (secret) {
        err = check_closed(path, &st, error);
    }
    size_t before = out->len;
    if (err == PH_OK) {
        err = read_all(fd, path, out, error);
    }
    if (err != PH_OK) {
        ph_buf_truncate(out, before);
    }
    (void)close(fd);
    return err;
}

enum ph_err ph_file_load(const char *path, struct ph_buf *out, struct ph_error *error)
{
    return load(path, false, out, error);
}

enum ph_err ph_file_load_secret(const char *path, struct ph_buf *out, struct ph_error *error)
{
    return load(path, true, out, error);
}

static enum ph_err write_all(
    int fd, const char *path, const char *bytes, size_t len, struct ph_error *error)
{
    while (len > 0) {
        ssize_t put = write(fd, bytes, len);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return ph_error_set_errno(error, errno, "%s: write", path);
        }
        bytes += put;
        len -= (size_t)put;
    }
    return PH_OK;
}

/* The folder part of a path: "." when there is none, "/" for "/file". */
static enum ph_err parent_of(char *out, size_t size, const char *path, struct ph_error *error)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
    if (len >= size) {
        return ph_error_set(error, PH_ERR_LIMIT, "%s: path too long", path);
    }
    memcpy(out, slash == NULL ? "." : path, len);
    out[len] = '\0';
    return PH_OK;
}

static enum ph_err sync_parent(const char *path, struct ph_error *error)
{
    char dir[PATH_MAX];
    enum ph_err err = parent_of(dir, sizeof dir, path, error);
    if (err != PH_OK) {
        return err;
    }
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) {
        err = ph_error_set_errno(error, errno, "%s: fsync", dir);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return err;
}

static enum ph_err replace(
    const char *path, mode_t mode, const void *bytes, size_t len, bool sync, struct ph_error *error)
{
    char part[PATH_MAX];
    if (snprintf(part, sizeof part, "%s.XXXXXX", path) >= (int)sizeof part) {
        return ph_error_set(error, PH_ERR_LIMIT, "%s: path too long", path);
    }
    int fd = mkostemp(part, O_CLOEXEC);
    if (fd < 0) {
        return ph_error_set_errno(error, errno, "%s: create", path);
    }
    enum ph_err err =
        fchmod(fd, mode) == 0 ? PH_OK : ph_error_set_errno(error, errno, "%s: chmod", path);
    if (err == PH_OK) {
        err = write_all(fd, path, bytes, len, error);
    }
    if (err == PH_OK && sync && fsync(fd) != 0) { /* covers the mode */
        err = ph_error_set_errno(error, errno, "%s: fsync", path);
    }
    if (close(fd) != 0 && err == PH_OK) {
        err = ph_error_set_errno(error, errno, "%s: close", path);
    }
    if (err == PH_OK && rename(part, path) != 0) {
        err = ph_error_set_errno(error, errno, "%s: rename", path);
    }
    if (err != PH_OK) {
        (void)unlink(part);
        return err;
    }
    return sync ? sync_parent(path, error) : PH_OK;
}

enum ph_err ph_file_store(
    const char *path, mode_t mode, const void *bytes, size_t len, struct ph_error *error)
{
    return replace(path, mode, bytes, len, true, error);
}

enum ph_err ph_file_replace(
    const char *path, mode_t mode, const void *bytes, size_t len, struct ph_error *error)
{
    return replace(path, mode, bytes, len, false, error);
}

enum ph_err ph_file_rename(const char *from, const char *to, struct ph_error *error)
{
    return rename(from, to) == 0 ? sync_parent(to, error)
                                 : ph_error_set_errno(error, errno, "%s: rename to %s", from, to);
}

enum ph_err ph_file_remove(const char *path, struct ph_error *error)
{
    if (unlink(path) == 0) {
        return sync_parent(path, error);
    }
    return errno == ENOENT ? PH_OK : ph_error_set_errno(error, errno, "%s: remove", path);
}

static enum ph_err make_one(const char *path, mode_t mode, struct ph_error *error)
{
    if (mkdir(path, mode) == 0) {
        return chmod(path, mode) == 0 ? PH_OK : ph_error_set_errno(error, errno, "%s: chmod", path);
    }
    int mkdir_errno = errno;
    struct stat st;
    if (mkdir_errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        return PH_OK;
    }
    return ph_error_set_errno(error, mkdir_errno, "%s: make folder", path);
}

enum ph_err ph_dir_make(const char *path, mode_t mode, struct ph_error *error)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part) {
        return ph_error_set(error, PH_ERR_LIMIT, "%s: path empty or too long", path);
    }
    memcpy(part, path, len + 1);
    while (len > 1 && part[len - 1] == '/') { /* "dir/" is "dir", not something inside it */
        part[--len] = '\0';
    }
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        enum ph_err err = make_one(part, 0755, error);
        if (err != PH_OK) {
            return err;
        }
        *slash = '/';
    }
    return make_one(part, mode, error);
}

bool ph_path_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

enum ph_err ph_path_join(
    char *out, size_t size, const char *dir, const char *name, struct ph_error *error)
{
    int len = snprintf(out, size, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name);
    return len >= 0 && (size_t)len < size
               ? PH_OK
               : ph_error_set(error, PH_ERR_LIMIT, "%s/%s: path too long", dir, name);
}

enum ph_err ph_path_absolute(char *out, size_t size, const char *path, struct ph_error *error)
{
    char here[PATH_MAX];
    if (path[0] == '/') {
        return ph_text_copy(out, size, path)
                   ? PH_OK
                   : ph_error_set(error, PH_ERR_LIMIT, "%s: path too long", path);
    }
    if (getcwd(here, sizeof here) == NULL) {
        return ph_error_set_errno(error, errno, "%s: current folder", path);
    }
    return ph_path_join(out, size, here, path, error);
}

enum ph_err ph_path_resolve(
    char *out, size_t size, const char *base, const char *path, struct ph_error *error)
{
    char dir[PATH_MAX];
    char full[PATH_MAX];
    if (path[0] == '/') {
        return ph_path_absolute(out, size, path, error);
    }
    enum ph_err err = ph_path_absolute(full, sizeof full, base, error);
    if (err == PH_OK) {
        err = parent_of(dir, sizeof dir, full, error);
    }
    return err == PH_OK ? ph_path_join(out, size, dir, path, error) : err;
}
