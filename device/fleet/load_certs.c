#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "device/fleet/load_options.h"

enum { PATH_BYTES = 4096 };

const char *ph_load_cert_folder(const struct ph_load_options *options, int64_t index)
{
    return options->cert_count == 0 ? NULL : options->certs[(size_t)index % options->cert_count];
}

const char *ph_load_cert_name(const struct ph_load_options *options, int64_t index)
{
    const char *folder = ph_load_cert_folder(options, index);
    if (folder == NULL || options->cert_count == 1) {
        return "";
    }
    const char *slash = strrchr(folder, '/');
    return slash != NULL ? slash + 1 : folder;
}

static bool has_cert(const char *folder)
{
    char path[PATH_BYTES];
    return ph_path_join(path, sizeof path, folder, "cert.pem", NULL) == PH_OK &&
           ph_path_exists(path);
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static enum ph_err add_folder(
    struct ph_load_options *options, const char *folder, struct ph_error *error)
{
    options->certs[options->cert_count] = strdup(folder);
    if (options->certs[options->cert_count] == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "--certs: no memory");
    }
    options->cert_count++;
    return PH_OK;
}

/* Folders below it, in order of name; no more than there are connections. */
static enum ph_err find_folders(
    struct ph_load_options *options, const char *folder, size_t most, struct ph_error *error)
{
    struct dirent **entries = NULL;
    enum ph_err err = PH_OK;
    const int count = scandir(folder, &entries, not_hidden, alphasort);
    if (count < 0) {
        return ph_error_set_errno(error, errno, "--certs: %s", folder);
    }
    for (int i = 0; i < count; i++) {
        char path[PATH_BYTES];
        if (err == PH_OK && options->cert_count < most &&
            ph_path_join(path, sizeof path, folder, entries[i]->d_name, NULL) == PH_OK &&
            has_cert(path)) {
            err = add_folder(options, path, error);
        }
        free(entries[i]);
    }
    free(entries);
    return err;
}

enum ph_err ph_load_certs_find(
    struct ph_load_options *options, const char *folder, struct ph_error *error)
{
    char path[PATH_BYTES];
    const size_t most = (size_t)(options->publishers + options->subscribers);
    options->certs = calloc(most, sizeof *options->certs);
    if (options->certs == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "--certs: no memory");
    }
    enum ph_err err = has_cert(folder) ? add_folder(options, folder, error)
                                       : find_folders(options, folder, most, error);
    const int64_t found = (int64_t)options->cert_count;
    if (err == PH_OK && (found == 0 || (found < options->publishers && !has_cert(folder)))) {
        err = ph_error_set(error, PH_ERR_NOT_FOUND,
            "--certs: %s: %lld folders with a cert.pem, want one or %lld, one for each publisher",
            folder, (long long)found, (long long)options->publishers);
    }
    if (err != PH_OK || options->ca_file != NULL) {
        return err;
    }
    err = ph_path_join(path, sizeof path, options->certs[0], "ca.pem", error);
    if (err == PH_OK && !ph_path_exists(path)) {
        err = ph_error_set(
            error, PH_ERR_NOT_FOUND, "%s: is not there: name the broker's CA by --ca FILE", path);
    }
    options->ca_file = err == PH_OK ? strdup(path) : NULL;
    return err == PH_OK && options->ca_file == NULL
               ? ph_error_set(error, PH_ERR_MEMORY, "--certs: no memory")
               : err;
}
