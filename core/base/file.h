/* Files read whole within a bound, and written so that a reader sees the old content or the new,
 * never a part. */
#ifndef PH_BASE_FILE_H
#define PH_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

/* Appends the whole of a regular file to `out`. PH_ERR_LIMIT when it is larger than the buffer may
 * become; `out` is as it was after an error. */
enum ph_err ph_file_load(const char *path, struct ph_buf *out, struct ph_error *error) PH_NODISCARD;

/* The same for a file that holds a secret: refused (PH_ERR_PERMISSION) when group or others may
 * read or write it, unless it is a credential of a service manager (credential.h). */
enum ph_err ph_file_load_secret(
    const char *path, struct ph_buf *out, struct ph_error *error) PH_NODISCARD;

/* Writes temporary file, fsync, rename, fsync of the folder. On an error `path` is as it was and
 * nothing is left beside it. `mode` is exact, whatever the umask. */
enum ph_err ph_file_store(const char *path, mode_t mode, const void *bytes, size_t len,
    struct ph_error *error) PH_NODISCARD;

/* The same without any fsync: after a power cut the file may be the old one, or empty. For what is
 * written again soon. */
enum ph_err ph_file_replace(const char *path, mode_t mode, const void *bytes, size_t len,
    struct ph_error *error) PH_NODISCARD;

/* rename(2) within one folder, and fsync of the folder. */
enum ph_err ph_file_rename(const char *from, const char *to, struct ph_error *error) PH_NODISCARD;

/* unlink(2) and fsync of the folder; PH_OK when nothing is there. */
enum ph_err ph_file_remove(const char *path, struct ph_error *error) PH_NODISCARD;

/* Makes the folder with exactly `mode`, and its missing parents with 0755. An existing folder is
 * left as it is. */
enum ph_err ph_dir_make(const char *path, mode_t mode, struct ph_error *error) PH_NODISCARD;

/* True when something (of any type) is there. */
bool ph_path_exists(const char *path);

/* Writes `path` to `out`, below the current folder unless it is absolute already. PH_ERR_LIMIT when
 * it does not fit. */
enum ph_err ph_path_absolute(
    char *out, size_t size, const char *path, struct ph_error *error) PH_NODISCARD;

/* The same, below the folder of the file `base`: how every path in a configuration file is read, so
 * that a printed configuration means the same from anywhere. */
enum ph_err ph_path_resolve(char *out, size_t size, const char *base, const char *path,
    struct ph_error *error) PH_NODISCARD;

/* Writes "<dir>/<name>". PH_ERR_LIMIT when it does not fit. */
enum ph_err ph_path_join(
    char *out, size_t size, const char *dir, const char *name, struct ph_error *error) PH_NODISCARD;

#endif
