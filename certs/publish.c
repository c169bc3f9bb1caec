#include "certs/publish.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "certs/ca.h"
#include "certs/root_key.h"

/* An expired certificate stays on its CRL this long, for those whose clock is slow. */
#define KEEP_EXPIRED_MS (30 * PH_DAY_MS)

static enum ph_err add_entry(
    const struct ph_inventory_entry *entry, void *context, struct ph_error *error)
{
    struct ph_crl *crl = context;
    return ph_crl_add(crl, entry->serial, entry->revoked_ms, entry->reason, error);
}

static enum ph_err sign(const char *dir, struct ph_inventory *inventory, const char *name,
    const struct ph_key *key, int64_t now_ms, struct ph_buf *pem, struct ph_error *error)
{
    char path[PATH_MAX];
    struct ph_inventory_crl state = {0};
    struct ph_certificate *certificate = NULL;
    struct ph_crl *crl = NULL;
    enum ph_err err = ph_authority_path(path, dir, name, "ca.crt", error);
    if (err == PH_OK) {
        err = ph_certificate_load(path, &certificate, error);
    }
    if (err == PH_OK) {
        err = ph_inventory_crl_get(inventory, name, &state, error);
    }
    if (err == PH_OK) {
        err = ph_crl_new(&crl, error);
    }
    if (err == PH_OK) {
        err = ph_inventory_each_revoked(
            inventory, name, now_ms - KEEP_EXPIRED_MS, add_entry, crl, error);
    }
    if (err == PH_OK) {
        /* By the clock, so that it grows even after an older inventory was put back. */
        state.number = now_ms > state.number ? now_ms : state.number + 1;
        state.signed_ms = now_ms;
        err = ph_crl_sign(crl, certificate, key, state.number, now_ms - PH_CA_BACKDATE_MS,
            now_ms + state.days * PH_DAY_MS, pem, error);
    }
    if (err == PH_OK) {
        err = ph_inventory_crl_set(inventory, name, &state, error);
    }
    ph_crl_free(&crl);
    ph_certificate_free(&certificate);
    return err;
}

enum ph_err ph_ca_crl_sign(const char *dir, struct ph_inventory *inventory, const char *name,
    const struct ph_key *key, int64_t now_ms, struct ph_buf *pem, struct ph_error *error)
{
    char path[PATH_MAX];
    size_t start = pem->len;
    enum ph_err err = ph_authority_path(path, dir, name, "crl.pem", error);
    if (err == PH_OK) {
        err = sign(dir, inventory, name, key, now_ms, pem, error);
    }
    return err == PH_OK ? ph_file_store(path, 0644, pem->data + start, pem->len - start, error)
                        : err;
}

/* ---- all of them ---- */

/* One signing of all CRLs. */
struct round {
    struct ph_ca *ca;
    const struct ph_root_keys *roots;
    int64_t now_ms;
    struct ph_buf all;
    int64_t kept_ms; /* when the CRL was signed that is being kept */
    int64_t missing; /* revocations on no CRL, because a key is not here */
};

static enum ph_err count_later(
    const struct ph_inventory_entry *entry, void *context, struct ph_error *error)
{
    (void)error;
    struct round *round = context;
    round->missing += entry->revoked_ms > round->kept_ms ? 1 : 0;
    return PH_OK;
}

/* Without its key (a root kept offline) an authority keeps the CRL it has. What was revoked since
 * is counted. */
static enum ph_err keep(
    struct round *round, const char *name, struct ph_buf *pem, struct ph_error *error)
{
    struct ph_inventory *inventory = ph_ca_inventory(round->ca);
    struct ph_inventory_crl state = {0};
    char path[PATH_MAX];
    enum ph_err err = ph_authority_path(path, ph_ca_dir(round->ca), name, "crl.pem", error);
    if (err == PH_OK) {
        err = ph_file_load(path, pem, error);
    }
    if (err == PH_OK) {
        err = ph_inventory_crl_get(inventory, name, &state, error);
    }
    if (err == PH_OK) {
        round->kept_ms = state.signed_ms;
        err = ph_inventory_each_revoked(
            inventory, name, round->now_ms - KEEP_EXPIRED_MS, count_later, round, error);
    }
    if (err == PH_OK) {
        ph_log(PH_LOG_DEBUG, "CRL kept as it is: its CA's key is not here", PH_STR("crl", path));
    }
    return err;
}

static enum ph_err sign_or_keep(struct round *round, const struct ph_authority *authority,
    struct ph_buf *pem, struct ph_error *error)
{
    const char *name = authority->name;
    const char *dir = ph_ca_dir(round->ca);
    char path[PATH_MAX];
    struct ph_key *own = NULL;
    const struct ph_key *key = ph_root_keys_get(round->roots, name);
    enum ph_err err = ph_authority_path(path, dir, name, "ca.key", error);
    if (err == PH_OK && key == NULL && authority->role != PH_ROOT && ph_path_exists(path)) {
        err = ph_key_load(path, &own, error);
        key = own;
    }
    if (err == PH_OK) {
        err = key == NULL ? keep(round, name, pem, error)
                          : ph_ca_crl_sign(dir, ph_ca_inventory(round->ca), name, key,
                                round->now_ms, pem, error);
    }
    ph_key_free(&own);
    return err;
}

static enum ph_err publish_one(
    const struct ph_authority *authority, struct round *round, struct ph_error *error)
{
    struct ph_buf pem;
    ph_buf_init(&pem, PH_LIMIT_CRL_BYTES);
    enum ph_err err = sign_or_keep(round, authority, &pem, error);
    if (err == PH_OK) {
        err = ph_buf_append(&round->all, pem.data, pem.len);
        if (err != PH_OK) {
            ph_error_set(error, err, "trust/crl.pem: larger than %d bytes", PH_LIMIT_CRL_BYTES);
        }
    }
    ph_buf_fini(&pem);
    return err;
}

static enum ph_err publish_all(struct round *round, struct ph_error *error)
{
    char path[PATH_MAX];
    struct ph_authority_list list = {0};
    enum ph_err err = ph_path_join(path, sizeof path, ph_ca_dir(round->ca), "trust/crl.pem", error);
    if (err == PH_OK) {
        err = ph_authorities_list(ph_ca_inventory(round->ca), &list, error);
    }
    for (size_t i = 0; err == PH_OK && i < list.count; i++) {
        if (list.items[i].state != PH_AUTHORITY_RETIRED) {
            err = publish_one(&list.items[i], round, error);
        }
    }
    if (err == PH_OK) {
        err = ph_file_store(path, 0644, round->all.data, round->all.len, error);
    }
    ph_authority_list_free(&list);
    return err;
}

enum ph_err ph_ca_publish_with(
    struct ph_ca *ca, const struct ph_root_keys *roots, int64_t now_ms, struct ph_error *error)
{
    struct round round = {.ca = ca, .roots = roots, .now_ms = now_ms};
    enum ph_err err = ph_inventory_begin(ph_ca_inventory(ca), error);
    if (err != PH_OK) {
        return err;
    }
    ph_buf_init(&round.all, PH_LIMIT_CRL_BYTES);
    err = publish_all(&round, error);
    if (err == PH_OK) {
        err = ph_inventory_commit(ph_ca_inventory(ca), error);
    } else {
        ph_inventory_rollback(ph_ca_inventory(ca));
    }
    if (err == PH_OK && round.missing > 0) {
        err = ph_error_set(error, PH_ERR_NOT_FOUND,
            "%s: %lld revocations are on no CRL, because the key of their CA is not here or wants "
            "its "
            "passphrase: put its ca.key in place or name its folder with --root, and run ph-ca "
            "crl",
            ph_ca_dir(ca), (long long)round.missing);
    }
    ph_buf_fini(&round.all);
    return err;
}

/* The roots' keys are opened before the inventory is locked, as somebody may have to type; what
 * is wrong with them is said after everything else was signed. */
enum ph_err ph_ca_publish(
    struct ph_ca *ca, const struct ph_root_key *root, int64_t now_ms, struct ph_error *error)
{
    struct ph_root_keys roots;
    enum ph_err opened = ph_root_keys_open(ca, root, &roots, error);
    enum ph_err err = ph_ca_publish_with(ca, &roots, now_ms, error);
    ph_root_keys_free(&roots);
    if (err == PH_OK) {
        err = ph_ca_bundles(ca, error);
    }
    return opened != PH_OK ? opened : err;
}
