#include "certs/ca.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

struct ph_ca {
    char dir[PATH_MAX];
    struct ph_inventory *inventory;
};

static enum ph_err open_as(const char *dir, bool reader, struct ph_ca **out, struct ph_error *error)
{
    char path[PATH_MAX];
    enum ph_err err = ph_path_join(path, sizeof path, dir, "ca.db", error);
    if (err != PH_OK) {
        return err;
    }
    if (!ph_path_exists(path)) {
        return ph_error_set(error, PH_ERR_NOT_FOUND,
            "%s: no certificate authority here: restore its backup, or name another with --ca; a "
            "new "
            "one, whose certificates nobody trusts yet, is made by ph-ca init",
            dir);
    }
    struct ph_ca *ca = calloc(1, sizeof *ca);
    if (ca == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", dir);
    }
    err = reader ? ph_inventory_open_reader(path, &ca->inventory, error)
                 : ph_inventory_open(path, false, &ca->inventory, error);
    if (err == PH_OK) {
        memcpy(ca->dir, dir, strlen(dir) + 1);
        *out = ca;
        ca = NULL;
    }
    ph_ca_close(&ca);
    return err;
}

enum ph_err ph_ca_open(const char *dir, struct ph_ca **out, struct ph_error *error)
{
    return open_as(dir, false, out, error);
}

enum ph_err ph_ca_open_reader(const char *dir, struct ph_ca **out, struct ph_error *error)
{
    return open_as(dir, true, out, error);
}

void ph_ca_close(struct ph_ca **ca)
{
    if (ca != NULL && *ca != NULL) {
        ph_inventory_close(&(*ca)->inventory);
        free(*ca);
        *ca = NULL;
    }
}

const char *ph_ca_dir(const struct ph_ca *ca)
{
    return ca->dir;
}

struct ph_inventory *ph_ca_inventory(struct ph_ca *ca)
{
    return ca->inventory;
}
