#include <stdio.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "certs/ca.h"

/* An expired certificate stays on its CRL this long, for those whose clock is slow. */
#define KEEP_EXPIRED_MS (30 * PH_DAY_MS)

/* One signing of all CRLs. */
struct round {
    struct ph_ca *ca;
    int64_t now_ms;
    struct ph_buf all;
    int64_t kept_number; /* of the CRL that is being kept */
    int64_t missing;     /* revocations on no CRL, because a key is not here */
};

static enum ph_err add_entry(
    const struct ph_inventory_entry *entry, void *context, struct ph_error *error)
{
    struct ph_crl *crl = context;
    return ph_crl_add(crl, entry->serial, entry->revoked_ms, entry->reason, error);
}

static enum ph_err sign(const struct round *round, enum ph_authority authority,
    const struct ph_key *key, struct ph_buf *pem, struct ph_error *error)
{
    struct ph_inventory *inventory = ph_ca_inventory(round->ca);
    int64_t now_ms = round->now_ms;
    const char *name = ph_authority_name(authority);
    char path[PATH_MAX];
    struct ph_inventory_crl state = {0};
    struct ph_certificate *certificate = NULL;
    struct ph_crl *crl = NULL;
    enum ph_err err = ph_authority_path(path, ph_ca_dir(round->ca), authority, "ca.crt", error);
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

static enum ph_err count_later(
    const struct ph_inventory_entry *entry, void *context, struct ph_error *error)
{
    (void)error;
    struct round *round = context;
    round->missing += entry->revoked_ms > round->kept_number ? 1 : 0;
    return PH_OK;
}

/* Without its key (a root kept offline) an authority keeps the CRL it has. What was revoked since
 * (numbers are times) is counted. */
static enum ph_err keep(struct round *round, enum ph_authority authority, const char *crl_path,
    struct ph_buf *pem, struct ph_error *error)
{
    struct ph_inventory *inventory = ph_ca_inventory(round->ca);
    const char *name = ph_authority_name(authority);
    struct ph_inventory_crl state = {0};
    enum ph_err err = ph_file_load(crl_path, pem, error);
    if (err == PH_OK) {
        err = ph_inventory_crl_get(inventory, name, &state, error);
    }
    if (err == PH_OK) {
        round->kept_number = state.number;
        err = ph_inventory_each_revoked(
            inventory, name, round->now_ms - KEEP_EXPIRED_MS, count_later, round, error);
    }
    if (err == PH_OK) {
        ph_log(
            PH_LOG_DEBUG, "CRL kept as it is: its CA's key is not here", PH_STR("crl", crl_path));
    }
    return err;
}

static enum ph_err publish_one(
    struct round *round, enum ph_authority authority, struct ph_error *error)
{
    const char *dir = ph_ca_dir(round->ca);
    char key_path[PATH_MAX];
    char crl_path[PATH_MAX];
    struct ph_key *key = NULL;
    struct ph_buf pem;
    ph_buf_init(&pem, PH_LIMIT_CRL_BYTES);
    enum ph_err err = ph_authority_path(key_path, dir, authority, "ca.key", error);
    if (err == PH_OK) {
        err = ph_authority_path(crl_path, dir, authority, "crl.pem", error);
    }
    if (err != PH_OK) {
        return err;
    }
    if (!ph_path_exists(key_path)) {
        err = keep(round, authority, crl_path, &pem, error);
    } else {
        err = ph_key_load(key_path, &key, error);
        if (err == PH_OK) {
            err = sign(round, authority, key, &pem, error);
        }
        if (err == PH_OK) {
            err = ph_file_store(crl_path, 0644, pem.data, pem.len, error);
        }
    }
    if (err == PH_OK) {
        err = ph_buf_append(&round->all, pem.data, pem.len);
        if (err != PH_OK) {
            ph_error_set(error, err, "trust/crl.pem: larger than %d bytes", PH_LIMIT_CRL_BYTES);
        }
    }
    ph_key_free(&key);
    ph_buf_fini(&pem);
    return err;
}

static enum ph_err publish_all(struct round *round, struct ph_error *error)
{
    char path[PATH_MAX];
    enum ph_err err = ph_path_join(path, sizeof path, ph_ca_dir(round->ca), "trust/crl.pem", error);
    for (enum ph_authority i = PH_ROOT; err == PH_OK && i < PH_AUTHORITY_COUNT; i++) {
        err = publish_one(round, i, error);
    }
    return err == PH_OK ? ph_file_store(path, 0644, round->all.data, round->all.len, error) : err;
}

enum ph_err ph_ca_publish(struct ph_ca *ca, int64_t now_ms, struct ph_error *error)
{
    struct round round = {.ca = ca, .now_ms = now_ms};
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
            "%s: %lld revocations are on no CRL, because the key of their CA is not here: put its "
            "ca.key in place and run ph-ca crl",
            ph_ca_dir(ca), (long long)round.missing);
    }
    ph_buf_fini(&round.all);
    return err;
}
