#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "certs/batch.h"
#include "certs/claims.h"

/* The devices of the order, and what was found of them in the inventory. */
struct search {
    struct ph_map *ordered; /* "tenant/kind/name"; a device that was found is taken out */
    const char *why;
    char first[PH_IDENTITY_BYTES];
    size_t found;
};

static void take_found(
    struct search *search, const char *tenant, const char *kind, const char *name)
{
    char key[PH_IDENTITY_BYTES];
    int len = snprintf(key, sizeof key, "%s/%s/%s", tenant, kind, name);
    if (ph_map_remove(search->ordered, key, (size_t)len) == NULL) {
        return;
    }
    if (search->found++ == 0) {
        memcpy(search->first, key, (size_t)len + 1);
    }
}

/* A renewal says why it was renewed; the first of its line has said whose it is. */
static enum ph_err look_at_certificate(
    const struct ph_inventory_entry *entry, void *context, struct ph_error *error)
{
    struct search *search = context;
    (void)error;
    if (strcmp(entry->origin, "renewed") != 0 && strcmp(entry->why, search->why) != 0) {
        take_found(search, entry->tenant, entry->kind, entry->name);
    }
    return PH_OK;
}

static enum ph_err look_at_expected(
    const struct ph_expected *expected, void *context, struct ph_error *error)
{
    const struct ph_identity *identity = &expected->identity;
    (void)error;
    take_found(context, identity->tenant, identity->kind, identity->device);
    return PH_OK;
}

static enum ph_err put_all(
    struct search *search, const struct ph_batch *batch, struct ph_error *error)
{
    char key[PH_IDENTITY_BYTES];
    for (size_t i = 0; i < batch->count; i++) {
        struct ph_batch_item *item = &batch->items[i];
        int len = snprintf(key, sizeof key, "%s/%s/%s", item->tenant, item->kind, item->name);
        if (ph_map_put(search->ordered, key, (size_t)len, item) != PH_OK) {
            return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", batch->path);
        }
    }
    return PH_OK;
}

static enum ph_err judge(
    const struct search *search, const struct ph_ca *ca, struct ph_error *error)
{
    char more[48] = "is a device";
    if (search->found == 0) {
        return PH_OK;
    }
    if (search->found > 1) {
        (void)snprintf(more, sizeof more, "and %zu more are devices", search->found - 1);
    }
    return ph_error_set(error, PH_ERR_DENIED,
        "%s: %s %s of this authority that %s not made for \"%s\": nothing was issued; want names "
        "that nobody has, such as with another prefix",
        ph_ca_dir(ca), search->first, more, search->found > 1 ? "were" : "was", search->why);
}

enum ph_err ph_batch_check_owner(
    struct ph_ca *ca, const struct ph_batch *batch, const char *why, struct ph_error *error)
{
    static const struct ph_inventory_filter devices = {.type = "device"};
    struct ph_inventory *inventory = ph_ca_inventory(ca);
    struct search search = {.ordered = ph_map_new(), .why = why};
    if (search.ordered == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", batch->path);
    }
    enum ph_err err = put_all(&search, batch, error);
    if (err == PH_OK) {
        err = ph_inventory_each(inventory, &devices, look_at_certificate, &search, error);
    }
    if (err == PH_OK) {
        err = ph_expected_each(inventory, look_at_expected, &search, error);
    }
    ph_map_free(&search.ordered);
    return err == PH_OK ? judge(&search, ca, error) : err;
}
