#include "certs/change.h"

static enum ph_err check_add(struct ph_change *change, struct ph_error *error)
{
    enum ph_ca_role role = change->order->role;
    bool of_all = change->tenant[0] == '\0';
    if (role == PH_ROOT || (role == PH_BROKERS && !of_all)) {
        return ph_error_set(error, PH_ERR_USAGE,
            "want devices, services or claims for a tenant, have \"%s\"", ph_ca_role_name(role));
    }
    change->done = change->line.generations > 0;
    return of_all || change->done
               ? PH_OK
               : ph_authority_check_tenant(change->inventory, change->tenant, error);
}

static enum ph_err add(struct ph_change *change, struct ph_error *error)
{
    char name[PH_AUTHORITY_BYTES];
    ph_authority_name_print(name, change->order->role, 1, change->tenant);
    enum ph_err err =
        ph_change_make(change, change->order->role, change->tenant, 1, PH_AUTHORITY_ACTIVE, error);
    return err == PH_OK ? ph_change_record(change, "authority-add", name, error) : err;
}

enum ph_err ph_authority_add(
    struct ph_ca *ca, const struct ph_authority_change *order, struct ph_error *error)
{
    struct ph_change change = ph_change_start(ca, order);
    enum ph_err err = ph_change_load(&change, error);
    if (err == PH_OK) {
        err = check_add(&change, error);
    }
    if (err == PH_OK && !change.done) {
        err = ph_change_open_active_root(&change, error);
    }
    if (err == PH_OK && !change.done) {
        err = ph_change_run(&change, check_add, add, error);
    }
    bool existed = change.done;
    if (err == PH_OK) {
        err = ph_change_settle(&change, false, error);
    }
    if (err == PH_OK && existed) {
        char subject[PH_AUTHORITY_BYTES];
        ph_change_subject(&change, subject);
        err = ph_error_set(
            error, PH_ERR_EXISTS, "%s: there is one; ph-ca authority list shows it", subject);
    }
    ph_change_end(&change);
    return err;
}
