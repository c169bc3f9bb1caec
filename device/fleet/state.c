#include "device/fleet/state.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"

enum { WORKERS_MAX = 100000, NUMBER_BYTES = 32, FOLDERS_OPEN = 16 };

static enum ph_err make_temporary(struct ph_state *state, struct ph_error *error)
{
    const char *base = getenv("TMPDIR");
    base = base != NULL && base[0] != '\0' ? base : "/tmp";
    enum ph_err err =
        ph_path_join(state->folder, sizeof state->folder, base, "ph-fleet-XXXXXX", error);
    if (err != PH_OK) {
        return err;
    }
    if (mkdtemp(state->folder) == NULL) {
        return ph_error_set_errno(error, errno, "%s: no folder can be made in it", base);
    }
    state->temporary = true;
    return PH_OK;
}

static enum ph_err lock(struct ph_state *state, struct ph_error *error)
{
    char path[PATH_MAX];
    enum ph_err err = ph_path_join(path, sizeof path, state->folder, "lock", error);
    if (err != PH_OK) {
        return err;
    }
    state->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (state->lock_fd < 0) {
        return ph_error_set_errno(error, errno, "%s", path);
    }
    if (flock(state->lock_fd, LOCK_EX | LOCK_NB) == 0) {
        return PH_OK;
    }
    return errno == EWOULDBLOCK
               ? ph_error_set(error, PH_ERR_BUSY,
                     "%s: another ph-fleet works in this folder; wait for it, or want another "
                     "--state",
                     state->folder)
               : ph_error_set_errno(error, errno, "%s: cannot be locked", path);
}

enum ph_err ph_state_open(struct ph_state *state, const char *folder, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    *state = (struct ph_state){.lock_fd = -1};
    if (folder == NULL) {
        err = make_temporary(state, error);
    } else if (!ph_text_copy(state->folder, sizeof state->folder, folder)) {
        err = ph_error_set(error, PH_ERR_LIMIT, "--state: path too long");
    } else {
        err = ph_dir_make(state->folder, 0700, error);
    }
    if (err == PH_OK) {
        err = lock(state, error);
    }
    if (err != PH_OK) {
        ph_state_close(state, true);
    }
    return err;
}

static enum ph_err read_workers(const char *path, int64_t *workers, struct ph_error *error)
{
    struct ph_buf text;
    ph_buf_init(&text, NUMBER_BYTES);
    enum ph_err err = ph_file_load(path, &text, error);
    if (err == PH_OK) {
        const char *number = text.data != NULL ? text.data : "";
        if (!ph_text_to_int64(number, 1, WORKERS_MAX, workers)) {
            err = ph_error_set(error, PH_ERR_INPUT,
                "%s: want the number of workers; remove the folder, or want another --state", path);
        }
    }
    ph_buf_fini(&text);
    return err;
}

enum ph_err ph_state_workers(
    struct ph_state *state, bool firm, size_t *workers, struct ph_error *error)
{
    char path[PATH_MAX];
    char text[NUMBER_BYTES];
    int64_t former = 0;
    enum ph_err err = ph_path_join(path, sizeof path, state->folder, "workers", error);
    if (err != PH_OK) {
        return err;
    }
    if (!ph_path_exists(path)) {
        (void)snprintf(text, sizeof text, "%zu", *workers);
        return ph_file_replace(path, 0600, text, strlen(text), error);
    }
    err = read_workers(path, &former, error);
    if (err == PH_OK && firm && (size_t)former != *workers) {
        err = ph_error_set(error, PH_ERR_EXISTS,
            "%s: was begun with --workers %" PRId64 "; want the same, or another --state",
            state->folder, former);
    }
    if (err == PH_OK) {
        *workers = (size_t)former;
    }
    return err;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    (void)place;
    (void)remove(path);
    return 0;
}

void ph_state_close(struct ph_state *state, bool remove)
{
    if (state->temporary && remove) {
        (void)nftw(state->folder, remove_entry, FOLDERS_OPEN, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    }
    if (state->lock_fd >= 0) {
        (void)close(state->lock_fd);
    }
    *state = (struct ph_state){.lock_fd = -1};
}
