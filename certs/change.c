#include "certs/change.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "certs/acts.h"
#include "certs/publish.h"

/* What is old has been replaced by something. */
static enum ph_err check_line(const struct ph_change *change, struct ph_error *error)
{
    const struct ph_line *line = &change->line;
    return line->old == NULL || line->active != NULL
               ? PH_OK
               : ph_error_set(error, PH_ERR_INPUT,
                     "%s: its inventory has nothing that follows %s: restore it from a backup",
                     ph_ca_dir(change->ca), line->old->name);
}

enum ph_err ph_change_load(struct ph_change *change, struct ph_error *error)
{
    ph_authority_list_free(&change->list);
    enum ph_err err = ph_authorities_list(change->inventory, &change->list, error);
    if (err == PH_OK) {
        change->line = ph_line_find(&change->list, change->order->role, change->tenant);
        err = check_line(change, error);
    }
    if (err == PH_OK) {
        err = ph_authority_defaults_get(change->inventory, &change->defaults, error);
    }
    return err;
}

struct ph_change ph_change_start(struct ph_ca *ca, const struct ph_authority_change *order)
{
    return (struct ph_change){
        .ca = ca,
        .inventory = ph_ca_inventory(ca),
        .order = order,
        .tenant = order->tenant != NULL ? order->tenant : "",
    };
}

void ph_change_end(struct ph_change *change)
{
    change->root.key = NULL;
    ph_certificate_free(&change->root.certificate);
    ph_root_keys_free(&change->keys);
    ph_authority_list_free(&change->list);
    explicit_bzero(change->passphrase, sizeof change->passphrase);
}

enum ph_err ph_change_open_root(struct ph_change *change, const char *name, struct ph_error *error)
{
    char path[PATH_MAX];
    struct ph_key *key = NULL;
    const char *dir = ph_ca_dir(change->ca);
    enum ph_err err = ph_root_key_open(dir, name, &change->order->root, &key, error);
    if (err != PH_OK) {
        return err;
    }
    (void)snprintf(change->keys.items[0].name, PH_AUTHORITY_BYTES, "%s", name);
    change->keys.items[0].key = key;
    change->keys.count = 1;
    change->root.key = key;
    err = ph_authority_path(path, dir, name, "ca.crt", error);
    return err == PH_OK ? ph_certificate_load(path, &change->root.certificate, error) : err;
}

static const char *root_name(const struct ph_change *change)
{
    return change->keys.items[0].name;
}

enum ph_err ph_change_record(
    struct ph_change *change, const char *act, const char *what, struct ph_error *error)
{
    char detail[64];
    (void)snprintf(
        detail, sizeof detail, "{\"force\":%s}", change->order->force ? "true" : "false");
    const struct ph_act row = {
        .time_ms = change->order->now_ms,
        .who = change->order->actor.who,
        .act = act,
        .what = what,
        .why = change->order->actor.why != NULL ? change->order->actor.why : "",
        .detail = detail,
    };
    return ph_act_add(change->inventory, &row, error);
}

/* Brokers refuse an anchor with more CAs than they take: it must not come to that. */
static enum ph_err check_room(const struct ph_change *change, struct ph_error *error)
{
    size_t count = 0;
    for (size_t i = 0; i < change->list.count; i++) {
        count += change->list.items[i].state != PH_AUTHORITY_RETIRED ? 1 : 0;
    }
    return count < PH_LIMIT_ANCHOR_CAS
               ? PH_OK
               : ph_error_set(error, PH_ERR_LIMIT,
                     "%s: has %zu CAs, and a broker takes no more: finish roll-overs, or let "
                     "tenants share one",
                     ph_ca_dir(change->ca), count);
}

enum ph_err ph_change_make(struct ph_change *change, enum ph_ca_role role, const char *tenant,
    int generation, enum ph_authority_state state, struct ph_error *error)
{
    bool is_root = role == PH_ROOT;
    struct ph_authority_pair pair = {0};
    const struct ph_authority_plan plan = {
        .dir = ph_ca_dir(change->ca),
        .inventory = change->inventory,
        .defaults = &change->defaults,
        .role = role,
        .tenant = tenant,
        .generation = generation,
        .state = state,
        .issuer = is_root ? NULL : root_name(change),
        .ca = is_root ? NULL : &change->root,
        .key_dir = is_root ? change->order->new_root.dir : NULL,
        .passphrase = is_root ? change->passphrase : NULL,
        .actor = &change->order->actor,
        .now_ms = change->order->now_ms,
        .days = change->order->days,
    };
    enum ph_err err = check_room(change, error);
    if (err == PH_OK) {
        err = ph_authority_make(&plan, &pair, error);
    }
    ph_authority_pair_free(&pair);
    return err == PH_OK ? ph_change_load(change, error) : err;
}

enum ph_err ph_change_run(
    struct ph_change *change, ph_change_step *check, ph_change_step *act, struct ph_error *error)
{
    enum ph_err err = ph_inventory_begin(change->inventory, error);
    if (err != PH_OK) {
        return err;
    }
    err = ph_change_load(change, error);
    if (err == PH_OK) {
        err = check(change, error);
    }
    if (err == PH_OK && !change->done) {
        err = act(change, error);
    }
    if (err == PH_OK) {
        return ph_inventory_commit(change->inventory, error);
    }
    ph_inventory_rollback(change->inventory);
    return err;
}

enum ph_err ph_change_settle(struct ph_change *change, bool fewer, struct ph_error *error)
{
    int64_t now_ms = change->order->now_ms;
    enum ph_err err = fewer ? ph_ca_bundles(change->ca, error) : PH_OK;
    if (err == PH_OK && change->keys.count == 0) {
        err = ph_ca_publish(change->ca, NULL, now_ms, error);
    } else if (err == PH_OK) {
        err = ph_ca_publish_with(change->ca, &change->keys, now_ms, error);
    }
    if (err == PH_OK && !fewer) {
        err = ph_ca_bundles(change->ca, error);
    }
    return err == PH_OK ? PH_OK
                        : ph_error_prefix(error, err,
                              "done in the inventory, but trust/ is not as it should be (run the "
                              "same again)");
}

void ph_change_subject(const struct ph_change *change, char out[PH_AUTHORITY_BYTES])
{
    (void)snprintf(out, PH_AUTHORITY_BYTES, "%s%s%s", ph_ca_role_name(change->order->role),
        change->tenant[0] != '\0' ? " of " : "", change->tenant);
}

enum ph_err ph_change_open_active_root(struct ph_change *change, struct ph_error *error)
{
    struct ph_authority root;
    enum ph_err err = ph_authority_active(change->inventory, PH_ROOT, NULL, &root, error);
    return err == PH_OK ? ph_change_open_root(change, root.name, error) : err;
}
