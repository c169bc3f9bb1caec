#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"
#include "certs/ca.h"

/* The pair of each authority while the folder is being made. */
struct draft {
    const struct ph_ca_plan *plan;
    char dir[PATH_MAX]; /* the temporary folder */
    struct ph_inventory *inventory;
    struct ph_key *keys[PH_AUTHORITY_COUNT];
    struct ph_certificate *certificates[PH_AUTHORITY_COUNT];
};

static const enum ph_certificate_type types[PH_AUTHORITY_COUNT] = {
    [PH_ROOT] = PH_CERTIFICATE_ROOT,
    [PH_DEVICES] = PH_CERTIFICATE_CLIENT_CA,
    [PH_BROKERS] = PH_CERTIFICATE_SERVER_CA,
    [PH_SERVICES] = PH_CERTIFICATE_CLIENT_CA,
};

static enum ph_err store_pair(
    const struct draft *draft, enum ph_authority authority, struct ph_error *error)
{
    char path[PATH_MAX];
    struct ph_buf pem;
    ph_buf_init(&pem, PH_LIMIT_CERTIFICATE_BYTES);
    enum ph_err err =
        ph_path_join(path, sizeof path, draft->dir, ph_authority_name(authority), error);
    if (err == PH_OK) {
        err = ph_dir_make(path, 0700, error);
    }
    if (err == PH_OK) {
        err = ph_authority_path(path, draft->dir, authority, "ca.key", error);
    }
    if (err == PH_OK) {
        err = ph_key_print(draft->keys[authority], &pem, error);
    }
    if (err == PH_OK) {
        err = ph_file_store(path, 0600, pem.data, pem.len, error);
    }
    ph_buf_fini(&pem);
    if (err == PH_OK) {
        err = ph_authority_path(path, draft->dir, authority, "ca.crt", error);
    }
    if (err == PH_OK) {
        err = ph_certificate_print(draft->certificates[authority], &pem, error);
    }
    if (err == PH_OK) {
        err = ph_file_store(path, 0644, pem.data, pem.len, error);
    }
    ph_buf_fini(&pem);
    return err;
}

static enum ph_err record(
    const struct draft *draft, enum ph_authority authority, struct ph_error *error)
{
    const struct ph_certificate *certificate = draft->certificates[authority];
    const char *name = ph_authority_name(authority);
    struct ph_certificate_facts facts = {0};
    struct ph_inventory_entry entry = {.type = "authority", .issuer = "root"};
    struct ph_inventory_crl crl = {
        .days = authority == PH_ROOT ? draft->plan->root_crl_days : draft->plan->crl_days};
    struct ph_buf der;
    ph_buf_init(&der, PH_LIMIT_CERTIFICATE_BYTES);
    enum ph_err err = ph_certificate_facts(certificate, &facts, error);
    if (err == PH_OK) {
        err = ph_certificate_encode(certificate, &der, error);
    }
    if (err == PH_OK) {
        err = ph_inventory_crl_set(draft->inventory, name, &crl, error);
    }
    if (err == PH_OK) {
        memcpy(entry.serial, facts.serial, sizeof entry.serial);
        memcpy(entry.fingerprint, facts.fingerprint, sizeof entry.fingerprint);
        (void)snprintf(entry.name, sizeof entry.name, "%s", name);
        entry.issued_ms = draft->plan->now_ms;
        entry.not_before_ms = facts.not_before_ms;
        entry.not_after_ms = facts.not_after_ms;
        err = ph_inventory_add(draft->inventory, &entry, der.data, der.len, error);
    }
    ph_buf_fini(&der);
    return err;
}

static enum ph_err make_authority(
    struct draft *draft, enum ph_authority authority, struct ph_error *error)
{
    const struct ph_ca_plan *plan = draft->plan;
    char name[PH_SEGMENT_BYTES + 16];
    (void)snprintf(name, sizeof name, "%s %s", plan->name, ph_authority_name(authority));
    int64_t days = authority == PH_ROOT ? plan->root_days : plan->authority_days;
    const struct ph_certificate_content content = {
        .type = types[authority],
        .name = name,
        .not_before_ms = plan->now_ms - PH_CA_BACKDATE_MS,
        .not_after_ms = plan->now_ms + days * PH_DAY_MS,
    };
    enum ph_err err = ph_key_new(&draft->keys[authority], error);
    if (err == PH_OK) {
        err = ph_certificate_issue(&content, draft->keys[authority], draft->certificates[PH_ROOT],
            draft->keys[PH_ROOT], &draft->certificates[authority], error);
    }
    if (err == PH_OK) {
        err = store_pair(draft, authority, error);
    }
    return err == PH_OK ? record(draft, authority, error) : err;
}

/* trust/<name>.pem: the authorities that `wanted` lists, the root last. */
static enum ph_err store_bundle(const struct draft *draft, const char *file,
    const enum ph_authority *wanted, size_t count, struct ph_error *error)
{
    char path[PATH_MAX];
    struct ph_buf pem;
    ph_buf_init(&pem, PH_LIMIT_BUNDLE_BYTES);
    enum ph_err err = ph_path_join(path, sizeof path, draft->dir, file, error);
    for (size_t i = 0; err == PH_OK && i < count; i++) {
        err = ph_certificate_print(draft->certificates[wanted[i]], &pem, error);
    }
    if (err == PH_OK) {
        err = ph_file_store(path, 0644, pem.data, pem.len, error);
    }
    ph_buf_fini(&pem);
    return err;
}

static enum ph_err store_trust(const struct draft *draft, struct ph_error *error)
{
    static const enum ph_authority devices[] = {PH_DEVICES, PH_ROOT};
    static const enum ph_authority brokers[] = {PH_BROKERS, PH_ROOT};
    static const enum ph_authority services[] = {PH_SERVICES, PH_ROOT};
    static const enum ph_authority clients[] = {PH_DEVICES, PH_SERVICES, PH_ROOT};
    char path[PATH_MAX];
    enum ph_err err = ph_path_join(path, sizeof path, draft->dir, "trust", error);
    if (err == PH_OK) {
        err = ph_dir_make(path, 0755, error);
    }
    if (err == PH_OK) {
        err = store_bundle(draft, "trust/devices.pem", devices, 2, error);
    }
    if (err == PH_OK) {
        err = store_bundle(draft, "trust/brokers.pem", brokers, 2, error);
    }
    if (err == PH_OK) {
        err = store_bundle(draft, "trust/services.pem", services, 2, error);
    }
    return err == PH_OK ? store_bundle(draft, "trust/clients.pem", clients, 3, error) : err;
}

static enum ph_err make_authorities(struct draft *draft, struct ph_error *error)
{
    char path[PATH_MAX];
    enum ph_err err = ph_path_join(path, sizeof path, draft->dir, "ca.db", error);
    if (err == PH_OK) {
        err = ph_inventory_open(path, true, &draft->inventory, error);
    }
    if (err == PH_OK) {
        err = ph_inventory_begin(draft->inventory, error);
    }
    for (enum ph_authority i = PH_ROOT; err == PH_OK && i < PH_AUTHORITY_COUNT; i++) {
        err = make_authority(draft, i, error);
    }
    if (err == PH_OK) {
        err = ph_inventory_commit(draft->inventory, error);
    }
    ph_inventory_close(&draft->inventory);
    return err == PH_OK ? store_trust(draft, error) : err;
}

static enum ph_err publish(const struct draft *draft, struct ph_error *error)
{
    struct ph_ca *ca = NULL;
    enum ph_err err = ph_ca_open(draft->dir, &ca, error);
    if (err == PH_OK) {
        err = ph_ca_publish(ca, draft->plan->now_ms, error);
    }
    ph_ca_close(&ca);
    return err;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    (void)remove(path);
    return 0;
}

static enum ph_err exists(const char *dir, struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_EXISTS,
        "%s: exists and is not empty: nothing was changed; name another folder", dir);
}

/* rename() takes the place of a missing or empty folder, and of nothing else. */
static enum ph_err move_into_place(const char *part, const char *dir, struct ph_error *error)
{
    if (chmod(part, 0755) != 0) {
        return ph_error_set_errno(error, errno, "%s: chmod", part);
    }
    if (rename(part, dir) != 0) {
        return errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR
                   ? exists(dir, error)
                   : ph_error_set_errno(error, errno, "%s: rename", dir);
    }
    char parent[PATH_MAX];
    enum ph_err err = ph_path_join(parent, sizeof parent, dir, "..", error);
    if (err != PH_OK) {
        return err;
    }
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) {
        err = ph_error_set_errno(error, errno, "%s: fsync", parent);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return err;
}

static bool empty_folder(const char *path)
{
    DIR *dir = opendir(path);
    int entries = 0;
    while (dir != NULL && readdir(dir) != NULL) {
        entries++;
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return entries == 2; /* "." and ".." */
}

/* The folder's name without slashes at its end, and the temporary one beside it. */
static enum ph_err name_folders(
    const char *dir, char clean[PATH_MAX], char part[PATH_MAX], struct ph_error *error)
{
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/') {
        len--;
    }
    if (len == 0 || snprintf(part, PATH_MAX, "%.*s.part-XXXXXX", (int)len, dir) >= PATH_MAX) {
        return ph_error_set(error, PH_ERR_LIMIT, "%s: folder name empty or too long", dir);
    }
    memcpy(clean, dir, len);
    clean[len] = '\0';
    return PH_OK;
}

enum ph_err ph_ca_create(const char *dir, const struct ph_ca_plan *plan, struct ph_error *error)
{
    char clean[PATH_MAX];
    struct draft draft = {.plan = plan};
    enum ph_err err = name_folders(dir, clean, draft.dir, error);
    if (err != PH_OK) {
        return err;
    }
    if (ph_path_exists(clean) && !empty_folder(clean)) {
        return exists(clean, error);
    }
    if (mkdtemp(draft.dir) == NULL) {
        return ph_error_set_errno(error, errno, "%s: make folder", clean);
    }
    err = make_authorities(&draft, error);
    if (err == PH_OK) {
        err = publish(&draft, error);
    }
    if (err == PH_OK) {
        err = move_into_place(draft.dir, clean, error);
    }
    if (err != PH_OK) {
        (void)nftw(draft.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    }
    for (enum ph_authority i = PH_ROOT; i < PH_AUTHORITY_COUNT; i++) {
        ph_key_free(&draft.keys[i]);
        ph_certificate_free(&draft.certificates[i]);
    }
    return err;
}
