#include "certs/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

/* In the order of writing. */
enum { KEY, CA, PART, CERTIFICATE, FILE_COUNT };
static const char *const files[FILE_COUNT] = {
    [KEY] = "key.pem", [CA] = "ca.pem", [PART] = "cert.pem.part", [CERTIFICATE] = "cert.pem"};

enum ph_err ph_output_check(const char *dir, struct ph_error *error)
{
    char paths[FILE_COUNT][PATH_MAX];
    for (int i = 0; i < FILE_COUNT; i++) {
        enum ph_err err = ph_path_join(paths[i], sizeof paths[i], dir, files[i], error);
        if (err != PH_OK) {
            return err;
        }
    }
    if (!ph_path_exists(dir)) {
        return PH_OK;
    }
    for (int i = 0; i < FILE_COUNT; i++) {
        if (ph_path_exists(paths[i])) {
            return ph_error_set(error, PH_ERR_EXISTS,
                "%s: exists: a key or certificate is never overwritten; %s", paths[i],
                ph_path_exists(paths[CERTIFICATE])
                    ? "name another --out folder"
                    : "without cert.pem it is what an interrupted ph-ca issue left: delete it, or "
                      "name another --out folder");
        }
    }
    return PH_OK;
}

void ph_output_remove(const char *dir, bool made)
{
    char path[PATH_MAX];
    for (int i = FILE_COUNT - 1; i >= 0; i--) {
        if (ph_path_join(path, sizeof path, dir, files[i], NULL) == PH_OK) {
            (void)unlink(path);
        }
    }
    if (made) {
        (void)rmdir(dir);
    }
}

/* One holder's folder, open and locked from the look at it until its first file is there, which
 * keeps others out from then on. */
struct folder {
    const char *dir;
    int fd;
    bool made;
};

typedef enum ph_err write_file(const struct folder *folder, const char *name, mode_t mode,
    const struct ph_buf *content, struct ph_error *error);

/* Replaces nothing, and waits for the disk. */
static enum ph_err write_durable(const struct folder *folder, const char *name, mode_t mode,
    const struct ph_buf *content, struct ph_error *error)
{
    char path[PATH_MAX];
    enum ph_err err = ph_path_join(path, sizeof path, folder->dir, name, error);
    return err == PH_OK ? ph_file_store(path, mode, content->data, content->len, error) : err;
}

/* In one go and in place: half a file in a folder without cert.pem does no harm. */
static enum ph_err write_quick(const struct folder *folder, const char *name, mode_t mode,
    const struct ph_buf *content, struct ph_error *error)
{
    int fd = openat(folder->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) {
        return ph_error_set_errno(error, errno, "%s/%s: create", folder->dir, name);
    }
    enum ph_err err = PH_OK;
    size_t done = 0;
    while (err == PH_OK && done < content->len) {
        ssize_t put = write(fd, content->data + done, content->len - done);
        if (put >= 0) {
            done += (size_t)put;
        } else if (errno != EINTR) {
            err = ph_error_set_errno(error, errno, "%s/%s: write", folder->dir, name);
        }
    }
    if (err == PH_OK && fchmod(fd, mode) != 0) { /* whatever the umask */
        err = ph_error_set_errno(error, errno, "%s/%s: chmod", folder->dir, name);
    }
    if (close(fd) != 0 && err == PH_OK) {
        err = ph_error_set_errno(error, errno, "%s/%s: close", folder->dir, name);
    }
    return err;
}

/* `last` is the name that the certificate is written under. */
static enum ph_err write_files(const struct folder *folder, const struct ph_output *output,
    int last, write_file *write, struct ph_error *error)
{
    enum ph_err err = ph_output_check(folder->dir, error);
    if (err != PH_OK) {
        return err;
    }
    if (output->key->len > 0) {
        err = write(folder, files[KEY], 0600, output->key, error);
    }
    if (err == PH_OK) {
        err = write(folder, files[CA], 0644, output->ca, error);
    }
    if (err == PH_OK) {
        err = write(folder, files[last], 0644, output->certificate, error);
    }
    if (err != PH_OK) {
        ph_output_remove(folder->dir, folder->made);
    }
    return err;
}

static enum ph_err make_folder(struct folder *folder, struct ph_error *error)
{
    if (mkdir(folder->dir, 0700) == 0) {
        folder->made = true;
        return chmod(folder->dir, 0700) == 0
                   ? PH_OK
                   : ph_error_set_errno(error, errno, "%s: chmod", folder->dir);
    }
    folder->made = !ph_path_exists(folder->dir);
    return ph_dir_make(folder->dir, 0700, error);
}

static enum ph_err write_folder(const char *dir, const struct ph_output *output, int last,
    write_file *write, bool *made, struct ph_error *error)
{
    struct folder folder = {.dir = dir, .fd = -1};
    enum ph_err err = make_folder(&folder, error);
    *made = folder.made;
    if (err != PH_OK) {
        return err;
    }
    folder.fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder.fd < 0) {
        err = ph_error_set_errno(error, errno, "%s: open", dir);
    } else if (flock(folder.fd, LOCK_EX | LOCK_NB) != 0) {
        err =
            ph_error_set(error, PH_ERR_BUSY, "%s: another process is writing here: try again", dir);
    } else {
        err = write_files(&folder, output, last, write, error);
    }
    if (folder.fd >= 0) {
        (void)close(folder.fd);
    }
    return err;
}

enum ph_err ph_output_store(
    const char *dir, const struct ph_output *output, bool *made, struct ph_error *error)
{
    return write_folder(dir, output, CERTIFICATE, write_durable, made, error);
}

enum ph_err ph_output_prepare(
    const char *dir, const struct ph_output *output, bool *made, struct ph_error *error)
{
    return write_folder(dir, output, PART, write_quick, made, error);
}

enum ph_err ph_output_finish(const char *dir, struct ph_error *error)
{
    char from[PATH_MAX];
    char to[PATH_MAX];
    enum ph_err err = ph_path_join(from, sizeof from, dir, files[PART], error);
    if (err == PH_OK) {
        err = ph_path_join(to, sizeof to, dir, files[CERTIFICATE], error);
    }
    if (err == PH_OK && rename(from, to) != 0) {
        err = ph_error_set_errno(error, errno, "%s: rename", to);
    }
    return err;
}

enum ph_err ph_output_flush_open(const char *dir, int *fd, struct ph_error *error)
{
    *fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *fd >= 0 ? PH_OK : ph_error_set_errno(error, errno, "%s: open", dir);
}

enum ph_err ph_output_flush(int fd, const char *dir, struct ph_error *error)
{
    return syncfs(fd) == 0 ? PH_OK : ph_error_set_errno(error, errno, "%s: syncfs", dir);
}
