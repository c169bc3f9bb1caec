#include <limits.h>
#include <string.h>

#include "base/file.h"
#include "certs/bundles.h"
#include "certs/change.h"

/* ---- begin ---- */

static enum ph_err check_begin(struct ph_change *change, struct ph_error *error)
{
    const struct ph_line *line = &change->line;
    change->done = line->next != NULL;
    if (line->active == NULL && !change->done) {
        char subject[PH_AUTHORITY_BYTES];
        ph_change_subject(change, subject);
        return ph_error_set(error, PH_ERR_NOT_FOUND,
            "%s: there is no such CA; ph-ca authority list shows what is", subject);
    }
    return line->old == NULL
               ? PH_OK
               : ph_error_set(error, PH_ERR_DENIED,
                     "%s: is being replaced by %s still: ph-ca rollover finish %s comes first",
                     line->old->name, line->active->name, ph_ca_role_name(change->order->role));
}

/* Devices are told of a new root, and of new CAs of brokers if they were ever told of any. */
static enum ph_err begin(struct ph_change *change, struct ph_error *error)
{
    enum ph_ca_role role = change->order->role;
    int generation = change->line.generations + 1;
    bool tell = role == PH_ROOT;
    enum ph_err err =
        ph_change_make(change, role, change->tenant, generation, PH_AUTHORITY_NEXT, error);
    if (err == PH_OK && role == PH_BROKERS) {
        err = ph_bundle_any(change->inventory, &tell, error);
    }
    if (err == PH_OK && tell) {
        err = ph_bundle_sign(change->inventory, &change->root, change->order->now_ms, error);
    }
    return err == PH_OK ? ph_change_record(change, "rollover-begin", change->line.next->name, error)
                        : err;
}

/* The mark beside a new root's key, also when the command that made the key was killed before. */
static enum ph_err mark_new_root(struct ph_change *change, struct ph_error *error)
{
    char path[PATH_MAX];
    struct ph_certificate *certificate = NULL;
    const char *key_dir = change->order->new_root.dir;
    if (change->order->role != PH_ROOT || key_dir == NULL) {
        return PH_OK;
    }
    enum ph_err err = ph_path_join(path, sizeof path, key_dir, "ca.key", error);
    if (err == PH_OK && !ph_path_exists(path)) {
        return PH_OK; /* an earlier command has put it elsewhere */
    }
    if (err == PH_OK) {
        err = ph_change_load(change, error);
    }
    if (err == PH_OK) {
        err = ph_authority_path(
            path, ph_ca_dir(change->ca), change->line.next->name, "ca.crt", error);
    }
    if (err == PH_OK) {
        err = ph_certificate_load(path, &certificate, error);
    }
    if (err == PH_OK) {
        err = ph_authority_mark_key(key_dir, certificate, error);
    }
    ph_certificate_free(&certificate);
    return err;
}

enum ph_err ph_rollover_begin(
    struct ph_ca *ca, const struct ph_authority_change *order, struct ph_error *error)
{
    struct ph_change change = ph_change_start(ca, order);
    enum ph_err err = ph_change_load(&change, error);
    if (err == PH_OK) {
        err = check_begin(&change, error);
    }
    if (err == PH_OK && !change.done) {
        err = ph_change_open_active_root(&change, error);
    }
    if (err == PH_OK && !change.done && order->role == PH_ROOT) {
        err = ph_root_key_passphrase(&order->new_root, change.passphrase, error);
    }
    if (err == PH_OK && !change.done) {
        err = ph_change_run(&change, check_begin, begin, error);
    }
    if (err == PH_OK) {
        err = mark_new_root(&change, error);
    }
    if (err == PH_OK) {
        err = ph_change_settle(&change, false, error);
    }
    ph_change_end(&change);
    return err;
}

/* ---- activate ---- */

static enum ph_err not_under_way(const struct ph_change *change, struct ph_error *error)
{
    char subject[PH_AUTHORITY_BYTES];
    ph_change_subject(change, subject);
    return ph_error_set(error, PH_ERR_NOT_FOUND,
        "%s: no roll-over is under way: ph-ca rollover begin %s comes first", subject,
        ph_ca_role_name(change->order->role));
}

static enum ph_err check_devices(
    const struct ph_change *change, const char *what, struct ph_error *error)
{
    int64_t devices = 0;
    int64_t trusting = 0;
    enum ph_err err =
        ph_line_devices(change->inventory, change->order->now_ms, &devices, &trusting, error);
    return err != PH_OK || trusting == devices
               ? err
               : ph_error_set(error, PH_ERR_DENIED,
                     "%s: %lld of %lld devices do not hold the newest trust bundle yet and would "
                     "be locked out: wait until they have been connected, or --force",
                     what, (long long)(devices - trusting), (long long)devices);
}

/* Below the new root every CA gets its next generation, so none may have one. */
static enum ph_err check_lines_rest(const struct ph_change *change, struct ph_error *error)
{
    for (size_t i = 0; i < change->list.count; i++) {
        const struct ph_authority *authority = &change->list.items[i];
        if (authority->role != PH_ROOT &&
            (authority->state == PH_AUTHORITY_NEXT || authority->state == PH_AUTHORITY_OLD)) {
            return ph_error_set(error, PH_ERR_DENIED,
                "%s: is in a roll-over of its own: ph-ca rollover finish %s comes first",
                authority->name, ph_ca_role_name(authority->role));
        }
    }
    return PH_OK;
}

static enum ph_err check_activate(struct ph_change *change, struct ph_error *error)
{
    enum ph_ca_role role = change->order->role;
    const struct ph_line *line = &change->line;
    change->done = line->next == NULL && line->old != NULL;
    if (change->done) {
        return PH_OK;
    }
    if (line->next == NULL) {
        return not_under_way(change, error);
    }
    enum ph_err err = role == PH_ROOT ? check_lines_rest(change, error) : PH_OK;
    /* What devices must verify: brokers, and the registrar's word. */
    bool trust =
        role == PH_ROOT || ((role == PH_BROKERS || role == PH_SERVICES) && line->active != NULL &&
                               strcmp(line->next->issuer, line->active->issuer) != 0);
    return err == PH_OK && trust && !change->order->force
               ? check_devices(change, line->next->name, error)
               : err;
}

static enum ph_err make_below(struct ph_change *change, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < change->list.count; i++) {
        const struct ph_authority authority = change->list.items[i];
        if (authority.role != PH_ROOT && authority.state == PH_AUTHORITY_ACTIVE) {
            struct ph_line line = ph_line_find(&change->list, authority.role, authority.tenant);
            err = ph_change_make(change, authority.role, authority.tenant, line.generations + 1,
                PH_AUTHORITY_NEXT, error);
        }
    }
    return err;
}

static enum ph_err activate(struct ph_change *change, struct ph_error *error)
{
    char name[PH_AUTHORITY_BYTES];
    enum ph_err err = PH_OK;
    memcpy(name, change->line.next->name, sizeof name);
    if (change->line.active != NULL) {
        err = ph_authority_set_state(
            change->inventory, change->line.active->name, PH_AUTHORITY_OLD, error);
    }
    if (err == PH_OK) {
        err = ph_authority_set_state(change->inventory, name, PH_AUTHORITY_ACTIVE, error);
    }
    if (err == PH_OK && change->order->role == PH_ROOT) {
        err = make_below(change, error);
    }
    return err == PH_OK ? ph_change_record(change, "rollover-activate", name, error) : err;
}

enum ph_err ph_rollover_activate(
    struct ph_ca *ca, const struct ph_authority_change *order, struct ph_error *error)
{
    struct ph_change change = ph_change_start(ca, order);
    enum ph_err err = ph_change_load(&change, error);
    if (err == PH_OK) {
        err = check_activate(&change, error);
    }
    if (err == PH_OK && !change.done && order->role == PH_ROOT) {
        err = ph_change_open_root(&change, change.line.next->name, error);
    }
    if (err == PH_OK && !change.done) {
        err = ph_change_run(&change, check_activate, activate, error);
    }
    if (err == PH_OK) {
        err = ph_change_settle(&change, false, error);
    }
    ph_change_end(&change);
    return err;
}

/* ---- finish ---- */

static enum ph_err check_left(const struct ph_change *change, struct ph_error *error)
{
    const struct ph_authority *old = change->line.old;
    int64_t left = 0;
    enum ph_err err = ph_line_left(change->inventory, old, change->order->now_ms, &left, error);
    return err != PH_OK || left == 0
               ? err
               : ph_error_set(error, PH_ERR_DENIED,
                     "%s: %lld of its certificates are valid and would be locked out: let them be "
                     "renewed by %s, revoke them, or --force",
                     old->name, (long long)left, change->line.active->name);
}

/* The CAs below the old root are rolled over and finished one by one. */
static enum ph_err check_below(const struct ph_change *change, struct ph_error *error)
{
    for (size_t i = 0; i < change->list.count; i++) {
        const struct ph_authority *authority = &change->list.items[i];
        if (authority->role != PH_ROOT && authority->state != PH_AUTHORITY_RETIRED &&
            strcmp(authority->issuer, change->line.old->name) == 0) {
            return ph_error_set(error, PH_ERR_DENIED,
                "%s: %s below it is not retired: its roll-over comes first, or --force",
                change->line.old->name, authority->name);
        }
    }
    return check_devices(change, change->line.old->name, error);
}

static enum ph_err check_finish(struct ph_change *change, struct ph_error *error)
{
    const struct ph_line *line = &change->line;
    change->done = line->old == NULL && line->next == NULL && line->retired != NULL;
    if (change->done) {
        return PH_OK;
    }
    if (line->old == NULL && line->next != NULL) {
        return ph_error_set(error, PH_ERR_DENIED,
            "%s: does not issue yet: ph-ca rollover activate %s comes first", line->next->name,
            ph_ca_role_name(change->order->role));
    }
    if (line->old == NULL) {
        return not_under_way(change, error);
    }
    if (change->order->force) {
        return PH_OK;
    }
    enum ph_err err = check_left(change, error);
    return err == PH_OK && change->order->role == PH_ROOT ? check_below(change, error) : err;
}

/* With force: what is still below the old root ends with it, and its successor issues. */
static enum ph_err retire_below(struct ph_change *change, const char *root, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < change->list.count; i++) {
        const struct ph_authority *authority = &change->list.items[i];
        if (authority->role == PH_ROOT || authority->state == PH_AUTHORITY_RETIRED ||
            strcmp(authority->issuer, root) != 0) {
            continue;
        }
        struct ph_line line = ph_line_find(&change->list, authority->role, authority->tenant);
        err =
            ph_authority_set_state(change->inventory, authority->name, PH_AUTHORITY_RETIRED, error);
        if (err == PH_OK && authority == line.active && line.next != NULL) {
            err = ph_authority_set_state(
                change->inventory, line.next->name, PH_AUTHORITY_ACTIVE, error);
        }
    }
    return err;
}

static enum ph_err finish(struct ph_change *change, struct ph_error *error)
{
    bool is_root = change->order->role == PH_ROOT;
    const char *name = change->line.old->name;
    enum ph_err err = is_root ? retire_below(change, name, error) : PH_OK;
    if (err == PH_OK) {
        err = ph_authority_set_state(change->inventory, name, PH_AUTHORITY_RETIRED, error);
    }
    if (err == PH_OK && is_root) {
        err = ph_bundle_sign(change->inventory, &change->root, change->order->now_ms, error);
    }
    return err == PH_OK ? ph_change_record(change, "rollover-finish", name, error) : err;
}

/* Whether a root's roll-over goes on: its end signs a bundle anyhow, and another one before would
 * have to reach all devices first. */
static bool root_moves(const struct ph_change *change)
{
    struct ph_line roots = ph_line_find(&change->list, PH_ROOT, "");
    return roots.next != NULL || roots.old != NULL;
}

static enum ph_err check_bundle(struct ph_change *change, struct ph_error *error)
{
    change->done = root_moves(change);
    return change->done ? PH_OK : ph_bundle_current(change->inventory, &change->done, error);
}

static enum ph_err sign_bundle(struct ph_change *change, struct ph_error *error)
{
    enum ph_err err =
        ph_bundle_sign(change->inventory, &change->root, change->order->now_ms, error);
    return err == PH_OK ? ph_change_record(change, "trust-bundle", change->line.active->name, error)
                        : err;
}

/* Nobody is asked for a key that was not offered: the retired CA does no harm in the bundle. */
static enum ph_err open_offered_root(struct ph_change *change, struct ph_error *error)
{
    const struct ph_root_key *offered = &change->order->root;
    struct ph_authority root;
    struct ph_key *key = NULL;
    enum ph_err err = ph_authority_active(change->inventory, PH_ROOT, NULL, &root, error);
    if (err != PH_OK) {
        return err;
    }
    bool here = offered->dir != NULL || offered->passphrase_file != NULL ||
                ph_root_key_open(ph_ca_dir(change->ca), root.name, NULL, &key, NULL) == PH_OK;
    ph_key_free(&key);
    return here ? ph_change_open_root(change, root.name, error) : PH_OK;
}

/* A brokers' CA was retired: devices that follow bundles are told, if a root can sign that. */
static enum ph_err tell_devices(struct ph_change *change, struct ph_error *error)
{
    enum ph_err err = ph_change_load(change, error);
    if (err == PH_OK) {
        err = check_bundle(change, error);
    }
    if (err == PH_OK && !change->done) {
        err = open_offered_root(change, error);
    }
    return err == PH_OK && change->root.key != NULL
               ? ph_change_run(change, check_bundle, sign_bundle, error)
               : err;
}

enum ph_err ph_rollover_finish(
    struct ph_ca *ca, const struct ph_authority_change *order, struct ph_error *error)
{
    struct ph_change change = ph_change_start(ca, order);
    enum ph_err err = ph_change_load(&change, error);
    if (err == PH_OK) {
        err = check_finish(&change, error);
    }
    if (err == PH_OK && !change.done && order->role == PH_ROOT) {
        err = ph_change_open_root(&change, change.line.active->name, error);
    }
    if (err == PH_OK && !change.done) {
        err = ph_change_run(&change, check_finish, finish, error);
    }
    if (err == PH_OK && order->role == PH_BROKERS) {
        err = tell_devices(&change, error);
    }
    if (err == PH_OK) {
        err = ph_change_settle(&change, true, error);
    }
    ph_change_end(&change);
    return err;
}
