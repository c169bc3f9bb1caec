#include "certs/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"

static const char *const files[] = {"key.pem", "ca.pem", "cert.pem"};
enum { FILE_COUNT = sizeof files / sizeof files[0] };

enum ph_err ph_output_check(const char *dir, struct ph_error *error)
{
    char paths[FILE_COUNT][PATH_MAX];
    for (int i = 0; i < FILE_COUNT; i++) {
        enum ph_err err = ph_path_join(paths[i], sizeof paths[i], dir, files[i], error);
        if (err != PH_OK) {
            return err;
        }
    }
    for (int i = 0; i < FILE_COUNT; i++) {
        if (ph_path_exists(paths[i])) {
            return ph_error_set(error, PH_ERR_EXISTS,
                "%s: exists: a key or certificate is never overwritten; %s", paths[i],
                ph_path_exists(paths[FILE_COUNT - 1])
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
    for (int i = 0; i < FILE_COUNT; i++) {
        if (ph_path_join(path, sizeof path, dir, files[i], NULL) == PH_OK) {
            (void)unlink(path);
        }
    }
    if (made) {
        (void)rmdir(dir);
    }
}

static enum ph_err store_files(
    const char *dir, const struct ph_output *output, bool made, struct ph_error *error)
{
    const struct ph_buf *const contents[FILE_COUNT] = {
        output->key, output->ca, output->certificate};
    enum ph_err err = ph_output_check(dir, error);
    if (err != PH_OK) {
        return err;
    }
    for (int i = 0; err == PH_OK && i < FILE_COUNT; i++) {
        char path[PATH_MAX];
        err = ph_path_join(path, sizeof path, dir, files[i], error);
        if (err == PH_OK) {
            err = ph_file_store(path, contents[i] == output->key ? 0600 : 0644, contents[i]->data,
                contents[i]->len, error);
        }
    }
    if (err != PH_OK) {
        ph_output_remove(dir, made);
    }
    return err;
}

enum ph_err ph_output_store(
    const char *dir, const struct ph_output *output, bool *made, struct ph_error *error)
{
    *made = !ph_path_exists(dir);
    enum ph_err err = ph_dir_make(dir, 0700, error);
    if (err != PH_OK) {
        return err;
    }
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        err = ph_error_set_errno(error, errno, "%s: open", dir);
    } else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        err =
            ph_error_set(error, PH_ERR_BUSY, "%s: another process is writing here: try again", dir);
    } else {
        err = store_files(dir, output, *made, error);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return err;
}
