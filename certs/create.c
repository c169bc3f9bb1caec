#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "certs/acts.h"
#include "certs/authority_make.h"
#include "certs/ca.h"
#include "certs/publish.h"

/* The authority while its folder is being made. */
struct draft {
    const struct ph_ca_plan *plan;
    struct ph_ca_actor actor;
    char dir[PATH_MAX]; /* the temporary folder */
    struct ph_authority_defaults defaults;
    struct ph_authority_pair root;
    char passphrase[PH_PASSPHRASE_BYTES]; /* of the root's key; "": none */
};

static void set_defaults(struct draft *draft)
{
    const struct ph_ca_plan *plan = draft->plan;
    draft->actor = plan->actor;
    if (draft->actor.who == NULL) {
        draft->actor.who = "unnamed";
    }
    draft->defaults = (struct ph_authority_defaults){
        .root_days = plan->root_days,
        .authority_days = plan->authority_days,
        .root_crl_days = plan->root_crl_days,
        .crl_days = plan->crl_days,
    };
    (void)snprintf(draft->defaults.word, sizeof draft->defaults.word, "%s", plan->name);
}

/* ---- the CAs and their rows ---- */

static enum ph_err make_authority(struct draft *draft, struct ph_inventory *inventory,
    enum ph_ca_role role, struct ph_error *error)
{
    bool is_root = role == PH_ROOT;
    const struct ph_authority_plan plan = {
        .dir = draft->dir,
        .inventory = inventory,
        .defaults = &draft->defaults,
        .role = role,
        .tenant = "",
        .generation = 1,
        .state = PH_AUTHORITY_ACTIVE,
        .issuer = is_root ? NULL : ph_ca_role_name(PH_ROOT),
        .ca = is_root ? NULL : &draft->root,
        .key_dir = is_root ? draft->plan->root.dir : NULL,
        .passphrase = is_root ? draft->passphrase : NULL,
        .actor = &draft->actor,
        .now_ms = draft->plan->now_ms,
    };
    struct ph_authority_pair pair = {0};
    enum ph_err err = ph_authority_make(&plan, &pair, error);
    if (err == PH_OK && is_root) {
        draft->root = pair;
    } else {
        ph_authority_pair_free(&pair);
    }
    return err;
}

static enum ph_err record(
    const struct draft *draft, struct ph_inventory *inventory, struct ph_error *error)
{
    const struct ph_act act = {
        .time_ms = draft->plan->now_ms,
        .who = draft->actor.who,
        .act = "init",
        .what = draft->plan->name,
        .why = draft->actor.why != NULL ? draft->actor.why : "",
        .detail = "{}",
    };
    enum ph_err err = ph_authority_defaults_put(inventory, &draft->defaults, error);
    return err == PH_OK ? ph_act_add(inventory, &act, error) : err;
}

static enum ph_err make_authorities(struct draft *draft, struct ph_error *error)
{
    char path[PATH_MAX];
    struct ph_inventory *inventory = NULL;
    enum ph_err err = ph_path_join(path, sizeof path, draft->dir, "ca.db", error);
    if (err == PH_OK) {
        err = ph_inventory_open(path, true, &inventory, error);
    }
    if (err == PH_OK) {
        err = ph_inventory_begin(inventory, error);
    }
    for (enum ph_ca_role i = PH_ROOT; err == PH_OK && i < PH_CA_ROLE_COUNT; i++) {
        err = make_authority(draft, inventory, i, error);
    }
    if (err == PH_OK) {
        err = record(draft, inventory, error);
    }
    if (err == PH_OK) {
        err = ph_inventory_commit(inventory, error);
    }
    ph_inventory_close(&inventory);
    return err;
}

/* ---- what others read ---- */

static enum ph_err make_trust(const struct draft *draft, struct ph_error *error)
{
    struct ph_root_keys roots = {.items = {{.key = draft->root.key}}, .count = 1};
    struct ph_ca *ca = NULL;
    char path[PATH_MAX];
    (void)snprintf(roots.items[0].name, PH_AUTHORITY_BYTES, "%s", ph_ca_role_name(PH_ROOT));
    enum ph_err err = ph_path_join(path, sizeof path, draft->dir, "trust", error);
    if (err == PH_OK) {
        err = ph_dir_make(path, 0755, error);
    }
    if (err == PH_OK) {
        err = ph_ca_open(draft->dir, &ca, error);
    }
    if (err == PH_OK) {
        err = ph_ca_publish_with(ca, &roots, draft->plan->now_ms, error);
    }
    if (err == PH_OK) {
        err = ph_ca_bundles(ca, error);
    }
    ph_ca_close(&ca);
    return err;
}

/* ---- the folder ---- */

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

/* A link is not replaced, and what it leads to may be a medium that is not there now. */
static enum ph_err check_no_link(const char *dir, struct ph_error *error)
{
    struct stat st;
    if (lstat(dir, &st) != 0 || !S_ISLNK(st.st_mode)) {
        return PH_OK;
    }
    return stat(dir, &st) != 0
               ? ph_error_set(error, PH_ERR_EXISTS,
                     "%s: is a symbolic link that leads nowhere: nothing was changed; mount what "
                     "it leads to, or name another folder",
                     dir)
               : ph_error_set(error, PH_ERR_EXISTS,
                     "%s: is a symbolic link: nothing was changed; name the folder that it leads "
                     "to",
                     dir);
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

/* The folder of a root's key that is elsewhere must not have one yet: neither a key is overwritten,
 * nor shared by two authorities. */
static enum ph_err check_root_folder(const struct ph_root_key *place, struct ph_error *error)
{
    static const char *const names[] = {"ca.key", "ca.crt"};
    char path[PATH_MAX];
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && place->dir != NULL && i < 2; i++) {
        err = ph_path_join(path, sizeof path, place->dir, names[i], error);
        if (err == PH_OK && ph_path_exists(path)) {
            err = ph_error_set(error, PH_ERR_EXISTS,
                "%s: exists, and a root's key is never overwritten: name another folder", path);
        }
    }
    return err;
}

static void remove_draft(const struct draft *draft)
{
    const char *dir = draft->plan->root.dir;
    char path[PATH_MAX];
    (void)nftw(draft->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    if (dir != NULL && draft->root.key_made &&
        ph_path_join(path, sizeof path, dir, "ca.key", NULL) == PH_OK) {
        (void)unlink(path);
    }
}

static enum ph_err make(struct draft *draft, const char *dir, struct ph_error *error)
{
    if (mkdtemp(draft->dir) == NULL) {
        return ph_error_set_errno(error, errno, "%s: make folder", dir);
    }
    enum ph_err err = make_authorities(draft, error);
    if (err == PH_OK) {
        err = make_trust(draft, error);
    }
    if (err == PH_OK) {
        err = move_into_place(draft->dir, dir, error);
    }
    if (err != PH_OK) {
        remove_draft(draft);
        return err;
    }
    return ph_authority_mark_key(draft->plan->root.dir, draft->root.certificate, error);
}

enum ph_err ph_ca_create(const char *dir, const struct ph_ca_plan *plan, struct ph_error *error)
{
    char clean[PATH_MAX];
    struct draft draft = {.plan = plan};
    set_defaults(&draft);
    enum ph_err err = name_folders(dir, clean, draft.dir, error);
    if (err == PH_OK) {
        err = check_no_link(clean, error);
    }
    if (err == PH_OK && ph_path_exists(clean) && !empty_folder(clean)) {
        err = exists(clean, error);
    }
    if (err == PH_OK) {
        err = check_root_folder(&plan->root, error);
    }
    if (err == PH_OK) {
        err = ph_root_key_passphrase(&plan->root, draft.passphrase, error);
    }
    if (err == PH_OK) {
        err = make(&draft, clean, error);
    }
    ph_authority_pair_free(&draft.root);
    explicit_bzero(draft.passphrase, sizeof draft.passphrase);
    return err;
}
