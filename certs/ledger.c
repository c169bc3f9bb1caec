#include "certs/ledger.h"

#include <stdio.h>
#include <string.h>

#include "certs/acts.h"
#include "certs/claims.h"

static enum ph_err add_act(struct ph_ca *ca, const struct ph_ca_order *order, const char *act,
    const char *what, const char *detail, struct ph_error *error)
{
    const struct ph_act record = {
        .time_ms = order->now_ms,
        .who = order->actor.who,
        .act = act,
        .what = what,
        .why = order->actor.why != NULL ? order->actor.why : "",
        .detail = detail,
    };
    return ph_act_add(ph_ca_inventory(ca), &record, error);
}

/* ---- one certificate ---- */

/* A key that another device has makes the two one to whoever asks by key. */
static enum ph_err check_key_free(
    struct ph_inventory *inventory, const struct ph_leaf *leaf, struct ph_error *error)
{
    const struct ph_inventory_entry *entry = &leaf->entry;
    struct ph_inventory_entry other;
    struct ph_error found = {0};
    enum ph_err err = ph_inventory_find_key(inventory, entry->key_hash, &other, &found);
    if (err != PH_OK) {
        return err == PH_ERR_NOT_FOUND ? PH_OK : ph_error_set(error, err, "%s", found.message);
    }
    bool same = strcmp(other.tenant, entry->tenant) == 0 && strcmp(other.kind, entry->kind) == 0 &&
                strcmp(other.name, entry->name) == 0;
    return same
               ? PH_OK
               : ph_error_set(error, PH_ERR_DENIED,
                     "%s/%s/%s: its request is for the key of %s/%s/%s: make a key for each device",
                     entry->tenant, entry->kind, entry->name, other.tenant, other.kind, other.name);
}

static enum ph_err add_claim(struct ph_ca *ca, const struct ph_ca_order *order,
    const struct ph_inventory_entry *entry, struct ph_error *error)
{
    struct ph_claim claim = {
        .limit = order->claim.limit,
        .expires_ms = entry->not_after_ms,
        .made_ms = entry->issued_ms,
    };
    memcpy(claim.tenant, entry->tenant, sizeof claim.tenant);
    memcpy(claim.name, entry->name, sizeof claim.name);
    if (order->claim.kind != NULL) {
        (void)snprintf(claim.kind, sizeof claim.kind, "%s", order->claim.kind);
    }
    return ph_claim_add(ph_ca_inventory(ca), &claim, error);
}

static enum ph_err add_leaf(struct ph_ca *ca, const struct ph_ca_order *order,
    const struct ph_leaf *leaf, struct ph_error *error)
{
    struct ph_inventory *inventory = ph_ca_inventory(ca);
    bool from_outside = leaf->key_pem.len == 0;
    enum ph_err err = from_outside ? check_key_free(inventory, leaf, error) : PH_OK;
    if (err == PH_OK) {
        err = ph_inventory_add(inventory, &leaf->entry, leaf->der.data, leaf->der.len, error);
    }
    return err == PH_OK && order->role == PH_CLAIMS ? add_claim(ca, order, &leaf->entry, error)
                                                    : err;
}

static enum ph_err add_own_act(struct ph_ca *ca, const struct ph_ca_order *order,
    const struct ph_inventory_entry *entry, struct ph_error *error)
{
    char what[PH_IDENTITY_BYTES];
    char detail[PH_SERIAL_BYTES + PH_AUTHORITY_BYTES + 32];
    const char *slash = entry->tenant[0] != '\0' ? "/" : "";
    (void)snprintf(
        what, sizeof what, "%s%s%s%s%s", entry->tenant, slash, entry->kind, slash, entry->name);
    (void)snprintf(
        detail, sizeof detail, "{\"serial\":\"%s\",\"ca\":\"%s\"}", entry->serial, entry->issuer);
    return add_act(ca, order, "issue", what, detail, error);
}

/* ---- all of a batch ---- */

enum ph_err ph_ledger_add(struct ph_ca *ca, const struct ph_ca_order *order,
    const struct ph_leaf *leaves, size_t count, bool each, struct ph_error *error)
{
    char detail[2 * PH_SERIAL_BYTES + 64];
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < count; i++) {
        err = add_leaf(ca, order, &leaves[i], error);
        if (err == PH_OK && each) {
            err = add_own_act(ca, order, &leaves[i].entry, error);
        }
    }
    if (err != PH_OK || each) {
        return err;
    }
    (void)snprintf(detail, sizeof detail, "{\"count\":%zu,\"first\":\"%s\",\"last\":\"%s\"}", count,
        leaves[0].entry.serial, leaves[count - 1].entry.serial);
    return add_act(ca, order, "issue", ph_ca_role_name(order->role), detail, error);
}

enum ph_err ph_ledger_remove(struct ph_ca *ca, const struct ph_ca_order *order, const char *serial,
    const char *tenant, const char *name, struct ph_error *error)
{
    struct ph_inventory *inventory = ph_ca_inventory(ca);
    enum ph_err err = ph_inventory_remove(inventory, serial, error);
    return err == PH_OK && order->role == PH_CLAIMS
               ? ph_claim_remove(inventory, tenant, name, error)
               : err;
}

enum ph_err ph_ledger_withdraw(
    struct ph_ca *ca, const struct ph_ca_order *order, size_t count, struct ph_error *error)
{
    char detail[48];
    (void)snprintf(detail, sizeof detail, "{\"count\":%zu}", count);
    return add_act(ca, order, "withdraw", ph_ca_role_name(order->role), detail, error);
}
