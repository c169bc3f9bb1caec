#include "device/fleet/identities.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "device/fleet/identities_internal.h"
#include "device/self.h"

enum { DEPTH_MAX = 8 }; /* folders below the first: TENANT/KIND/NAME needs three */

static enum ph_err out_of_memory(struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_MEMORY, "certificates: out of memory");
}

enum ph_err ph_identities_add(
    struct ph_identities *identities, const char *folder, struct ph_error *error)
{
    size_t count = identities->count;
    if ((count & (count - 1)) == 0) { /* full at each power of two */
        size_t room = count == 0 ? 1 : 2 * count;
        char **folders = reallocarray(identities->folders, room, sizeof *folders);
        if (folders == NULL) {
            return out_of_memory(error);
        }
        identities->folders = folders;
    }
    identities->folders[count] = strdup(folder);
    if (identities->folders[count] == NULL) {
        return out_of_memory(error);
    }
    identities->count++;
    return PH_OK;
}

/* ---- finding ---- */

static bool is_folder(const char *path, const struct dirent *entry)
{
    struct stat info;
    if (entry->d_type != DT_UNKNOWN) {
        return entry->d_type == DT_DIR;
    }
    return lstat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static enum ph_err walk(
    struct ph_identities *found, const char *folder, int depth, struct ph_error *error)
{
    char path[PATH_MAX];
    enum ph_err err = PH_OK;
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        return ph_error_set_errno(error, errno, "%s: cannot be listed", folder);
    }
    for (const struct dirent *entry = readdir(dir); err == PH_OK && entry != NULL;
         entry = readdir(dir)) {
        if (strcmp(entry->d_name, "cert.pem") == 0) {
            err = ph_identities_add(found, folder, error);
        } else if (entry->d_name[0] != '.' && depth < DEPTH_MAX) {
            err = ph_path_join(path, sizeof path, folder, entry->d_name, error);
            if (err == PH_OK && is_folder(path, entry)) {
                err = walk(found, path, depth + 1, error);
            }
        }
    }
    (void)closedir(dir);
    return err;
}

static int compare_folders(const void *a, const void *b)
{
    return strverscmp(*(char *const *)a, *(char *const *)b);
}

static enum ph_err take_first(
    struct ph_identities *found, const char *folder, size_t count, struct ph_error *error)
{
    if (found->count < count || found->count == 0) {
        return ph_error_set(error, PH_ERR_NOT_FOUND,
            "%s: want certificates of %zu devices, have %zu; have more issued, or run fewer "
            "--devices",
            folder, count, found->count);
    }
    qsort(found->folders, found->count, sizeof *found->folders, compare_folders);
    for (; found->count > count; found->count--) {
        free(found->folders[found->count - 1]);
    }
    return PH_OK;
}

enum ph_err ph_identities_find(
    const char *folder, size_t count, struct ph_identities **out, struct ph_error *error)
{
    struct ph_identities *found = calloc(1, sizeof *found);
    if (found == NULL) {
        return out_of_memory(error);
    }
    enum ph_err err = walk(found, folder, 0, error);
    if (err == PH_OK) {
        err = take_first(found, folder, count, error);
    }
    if (err == PH_OK) {
        err = ph_identities_read(found, error);
    }
    if (err != PH_OK) {
        ph_identities_free(&found);
        return err;
    }
    *out = found;
    return PH_OK;
}

/* ---- reading ---- */

static enum ph_err read_one(const char *folder, char **name, struct ph_error *error)
{
    char certificate[PATH_MAX];
    char key[PATH_MAX];
    char ca[PATH_MAX] = "";
    struct ph_self self = {0};
    enum ph_err err = ph_path_join(certificate, sizeof certificate, folder, "cert.pem", error);
    if (err == PH_OK) {
        err = ph_path_join(key, sizeof key, folder, "key.pem", error);
    }
    if (err == PH_OK) {
        err = ph_path_join(ca, sizeof ca, folder, "ca.pem", error);
    }
    if (err == PH_OK) {
        err = ph_self_load(&self, certificate, key, error);
    }
    if (err == PH_OK && access(ca, R_OK) != 0) {
        err = ph_error_set_errno(error, errno, "%s", ca);
    }
    if (err == PH_OK &&
        (strcmp(self.identity.kind, "service") == 0 || strcmp(self.identity.kind, "claim") == 0)) {
        err = ph_error_set(error, PH_ERR_DENIED,
            "%s: is the %s %s; want a folder with nothing but devices' certificates", certificate,
            self.identity.kind, self.name);
    }
    if (err == PH_OK && (*name = strdup(self.name)) == NULL) {
        err = out_of_memory(error);
    }
    return err;
}

static int compare_names(const void *a, const void *b, void *context)
{
    char *const *names = context;
    return strcmp(names[*(const size_t *)a], names[*(const size_t *)b]);
}

/* The broker lets an identity in once: of two that share one, each would cut the other off. */
static enum ph_err check_distinct(const struct ph_identities *identities, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    size_t *order = calloc(identities->count + 1, sizeof *order);
    if (order == NULL) {
        return out_of_memory(error);
    }
    for (size_t i = 0; i < identities->count; i++) {
        order[i] = i;
    }
    qsort_r(order, identities->count, sizeof *order, compare_names, identities->names);
    for (size_t i = 1; i < identities->count && err == PH_OK; i++) {
        if (strcmp(identities->names[order[i - 1]], identities->names[order[i]]) == 0) {
            err = ph_error_set(error, PH_ERR_INPUT, "%s and %s: both are %s; want each device once",
                identities->folders[order[i - 1]], identities->folders[order[i]],
                identities->names[order[i]]);
        }
    }
    free(order);
    return err;
}

enum ph_err ph_identities_read(struct ph_identities *identities, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    identities->names = calloc(identities->count + 1, sizeof *identities->names);
    if (identities->names == NULL) {
        return out_of_memory(error);
    }
    for (size_t i = 0; i < identities->count && err == PH_OK; i++) {
        err = read_one(identities->folders[i], &identities->names[i], error);
    }
    return err == PH_OK ? check_distinct(identities, error) : err;
}

void ph_identities_free(struct ph_identities **identities)
{
    struct ph_identities *all = *identities;
    for (size_t i = 0; all != NULL && i < all->count; i++) {
        free(all->folders[i]);
        if (all->names != NULL) {
            free(all->names[i]);
        }
    }
    if (all != NULL) {
        free(all->folders);
        free(all->names);
    }
    free(all);
    *identities = NULL;
}
