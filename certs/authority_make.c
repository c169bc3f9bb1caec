#include "certs/authority_make.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "certs/ca.h"
#include "certs/inventory_internal.h"
#include "certs/publish.h"

enum { GENERATION_ROOM = 3 }; /* so that a CA can be rolled over 98 times: " 99" */

static const enum ph_certificate_type types[PH_CA_ROLE_COUNT] = {
    [PH_ROOT] = PH_CERTIFICATE_ROOT,
    [PH_DEVICES] = PH_CERTIFICATE_CLIENT_CA,
    [PH_BROKERS] = PH_CERTIFICATE_SERVER_CA,
    [PH_SERVICES] = PH_CERTIFICATE_CLIENT_CA,
    [PH_CLAIMS] = PH_CERTIFICATE_CLIENT_CA,
};

void ph_authority_pair_free(struct ph_authority_pair *pair)
{
    ph_key_free(&pair->key);
    ph_certificate_free(&pair->certificate);
}

/* ---- defaults ---- */

static enum ph_err get_days(struct ph_inventory *inventory, const char *key, int64_t fallback,
    int64_t *out, struct ph_error *error)
{
    enum ph_err err = ph_setting_int64(inventory, key, out, error);
    if (err == PH_ERR_NOT_FOUND) {
        ph_error_clear(error);
        *out = fallback;
        err = PH_OK;
    }
    return err;
}

enum ph_err ph_authority_defaults_get(
    struct ph_inventory *inventory, struct ph_authority_defaults *out, struct ph_error *error)
{
    enum ph_err err = ph_setting_text(inventory, "name", out->word, sizeof out->word, error);
    if (err == PH_ERR_NOT_FOUND) {
        ph_error_clear(error);
        (void)snprintf(out->word, sizeof out->word, "phonehome");
        err = PH_OK;
    }
    if (err == PH_OK) {
        err = get_days(inventory, "root_days", 7305, &out->root_days, error);
    }
    if (err == PH_OK) {
        err = get_days(inventory, "authority_days", 1826, &out->authority_days, error);
    }
    if (err == PH_OK) {
        err = get_days(inventory, "root_crl_days", 365, &out->root_crl_days, error);
    }
    return err == PH_OK ? get_days(inventory, "crl_days", 7, &out->crl_days, error) : err;
}

enum ph_err ph_authority_defaults_put(struct ph_inventory *inventory,
    const struct ph_authority_defaults *defaults, struct ph_error *error)
{
    enum ph_err err = ph_setting_put_text(inventory, "name", defaults->word, error);
    if (err == PH_OK) {
        err = ph_setting_put_int64(inventory, "root_days", defaults->root_days, error);
    }
    if (err == PH_OK) {
        err = ph_setting_put_int64(inventory, "authority_days", defaults->authority_days, error);
    }
    if (err == PH_OK) {
        err = ph_setting_put_int64(inventory, "root_crl_days", defaults->root_crl_days, error);
    }
    return err == PH_OK ? ph_setting_put_int64(inventory, "crl_days", defaults->crl_days, error)
                        : err;
}

/* ---- the key ---- */

/* A key that nobody has used: the inventory knows no certificate for it. */
static enum ph_err check_unused(const struct ph_authority_plan *plan, const char *path,
    const struct ph_key *key, struct ph_error *error)
{
    char hash[PH_FINGERPRINT_BYTES];
    struct ph_inventory_entry entry;
    enum ph_err err = ph_key_hash(key, hash, error);
    if (err != PH_OK) {
        return err;
    }
    err = ph_inventory_find_key(plan->inventory, hash, &entry, error);
    if (err == PH_ERR_NOT_FOUND) {
        ph_error_clear(error);
        return PH_OK;
    }
    return err != PH_OK
               ? err
               : ph_error_set(error, PH_ERR_EXISTS,
                     "%s: exists, and is the key of %s: name another folder", path, entry.name);
}

static enum ph_err take_key(const struct ph_authority_plan *plan, const char *path,
    struct ph_key **out, struct ph_error *error)
{
    char marked[PATH_MAX] = "";
    enum ph_err err = PH_OK;
    if (plan->key_dir != NULL) {
        err = ph_path_join(marked, sizeof marked, plan->key_dir, "ca.crt", error);
    }
    if (err == PH_OK && marked[0] != '\0' && ph_path_exists(marked)) {
        err = ph_error_set(error, PH_ERR_EXISTS,
            "%s: exists, and ca.crt beside it says whose it is: name another folder", path);
    }
    if (err == PH_OK) {
        err = ph_key_load_encrypted(path, plan->passphrase, out, error);
    }
    return err == PH_OK ? check_unused(plan, path, *out, error) : err;
}

static enum ph_err new_key(const struct ph_authority_plan *plan, const char *path,
    struct ph_key **out, struct ph_error *error)
{
    struct ph_buf pem;
    ph_buf_init(&pem, PH_LIMIT_CERTIFICATE_BYTES);
    enum ph_err err = ph_key_new(out, error);
    if (err == PH_OK) {
        err = plan->passphrase != NULL && plan->passphrase[0] != '\0'
                  ? ph_key_print_encrypted(*out, plan->passphrase, &pem, error)
                  : ph_key_print(*out, &pem, error);
    }
    if (err == PH_OK) {
        err = ph_file_store(path, 0600, pem.data, pem.len, error);
    }
    ph_buf_fini(&pem);
    return err;
}

static enum ph_err key_path(const struct ph_authority_plan *plan, const char *name,
    char out[PATH_MAX], struct ph_error *error)
{
    return plan->key_dir != NULL ? ph_path_join(out, PATH_MAX, plan->key_dir, "ca.key", error)
                                 : ph_authority_path(out, plan->dir, name, "ca.key", error);
}

static enum ph_err make_key(const struct ph_authority_plan *plan, const char *name,
    struct ph_authority_pair *pair, struct ph_error *error)
{
    char path[PATH_MAX];
    enum ph_err err = key_path(plan, name, path, error);
    if (err == PH_OK && plan->key_dir != NULL) {
        err = ph_dir_make(plan->key_dir, 0700, error);
    }
    if (err == PH_OK && ph_path_exists(path)) {
        err = take_key(plan, path, &pair->key, error);
    } else if (err == PH_OK) {
        err = new_key(plan, path, &pair->key, error);
        pair->key_made = err == PH_OK;
    }
    return err;
}

/* Takes back what was made for a CA that did not come about. */
static void remove_key(
    const struct ph_authority_plan *plan, const char *name, const struct ph_authority_pair *pair)
{
    char path[PATH_MAX];
    if (pair->key_made && key_path(plan, name, path, NULL) == PH_OK) {
        (void)unlink(path);
    }
}

/* ---- the certificate ---- */

static enum ph_err common_name(
    const struct ph_authority_plan *plan, char out[PH_SEGMENT_BYTES], struct ph_error *error)
{
    char generation[16] = "";
    if (plan->generation > 1) {
        (void)snprintf(generation, sizeof generation, " %d", plan->generation);
    }
    int len = snprintf(out, PH_SEGMENT_BYTES, "%s %s%s%s%s", plan->defaults->word,
        ph_ca_role_name(plan->role), generation, plan->tenant[0] != '\0' ? " " : "", plan->tenant);
    int max = PH_SEGMENT_BYTES - 1 - (plan->generation > 1 ? 0 : GENERATION_ROOM);
    return len <= max ? PH_OK
                      : ph_error_set(error, PH_ERR_LIMIT,
                            "%s: the name of its CA would have %d bytes, and X.509 has room for %d",
                            plan->tenant, len, max);
}

/* No CA outlives its root. */
static enum ph_err end_of(
    const struct ph_authority_plan *plan, int64_t *not_after_ms, struct ph_error *error)
{
    int64_t days = plan->days != 0         ? plan->days
                   : plan->role == PH_ROOT ? plan->defaults->root_days
                                           : plan->defaults->authority_days;
    struct ph_certificate_facts root;
    *not_after_ms = plan->now_ms + days * PH_DAY_MS;
    if (plan->ca == NULL) {
        return PH_OK;
    }
    enum ph_err err = ph_certificate_facts(plan->ca->certificate, &root, error);
    if (err == PH_OK && root.not_after_ms <= plan->now_ms) {
        err = ph_error_set(error, PH_ERR_DENIED,
            "%s: has expired: roll it over with ph-ca rollover begin root", plan->issuer);
    }
    if (err == PH_OK && *not_after_ms > root.not_after_ms) {
        *not_after_ms = root.not_after_ms;
    }
    return err;
}

static enum ph_err issue(const struct ph_authority_plan *plan, const struct ph_key *key,
    struct ph_certificate **out, struct ph_error *error)
{
    char name[PH_SEGMENT_BYTES];
    struct ph_certificate_content content = {
        .type = types[plan->role],
        .name = name,
        .permitted_organization = plan->tenant[0] != '\0' ? plan->tenant : NULL,
        .not_before_ms = plan->now_ms - PH_CA_BACKDATE_MS,
    };
    enum ph_err err = common_name(plan, name, error);
    if (err == PH_OK) {
        err = end_of(plan, &content.not_after_ms, error);
    }
    return err != PH_OK ? err
                        : ph_certificate_issue(&content, key,
                              plan->ca != NULL ? plan->ca->certificate : NULL,
                              plan->ca != NULL ? plan->ca->key : key, out, error);
}

static enum ph_err store_certificate(
    const char *path, const struct ph_certificate *certificate, struct ph_error *error)
{
    struct ph_buf pem;
    ph_buf_init(&pem, PH_LIMIT_CERTIFICATE_BYTES);
    enum ph_err err = ph_certificate_print(certificate, &pem, error);
    if (err == PH_OK) {
        err = ph_file_store(path, 0644, pem.data, pem.len, error);
    }
    ph_buf_fini(&pem);
    return err;
}

enum ph_err ph_authority_mark_key(
    const char *key_dir, const struct ph_certificate *certificate, struct ph_error *error)
{
    char path[PATH_MAX];
    if (key_dir == NULL) {
        return PH_OK;
    }
    enum ph_err err = ph_path_join(path, sizeof path, key_dir, "ca.crt", error);
    return err == PH_OK ? store_certificate(path, certificate, error) : err;
}

/* ---- the rows ---- */

static enum ph_err fill_entry(const struct ph_authority_plan *plan,
    const struct ph_authority *authority, const struct ph_certificate_facts *facts,
    struct ph_inventory_entry *entry, struct ph_error *error)
{
    *entry = (struct ph_inventory_entry){
        .type = "authority",
        .origin = "issued",
        .issued_ms = plan->now_ms,
        .not_before_ms = facts->not_before_ms,
        .not_after_ms = facts->not_after_ms,
    };
    memcpy(entry->serial, facts->serial, sizeof entry->serial);
    memcpy(entry->lineage, facts->serial, sizeof entry->lineage);
    memcpy(entry->fingerprint, facts->fingerprint, sizeof entry->fingerprint);
    memcpy(entry->key_hash, facts->key_hash, sizeof entry->key_hash);
    memcpy(entry->issuer, authority->issuer, sizeof entry->issuer);
    (void)snprintf(entry->approved_by, sizeof entry->approved_by, "%s", plan->actor->who);
    (void)snprintf(
        entry->why, sizeof entry->why, "%s", plan->actor->why != NULL ? plan->actor->why : "");
    return ph_text_copy(entry->name, sizeof entry->name, authority->name)
               ? PH_OK
               : ph_error_set(error, PH_ERR_LIMIT, "%s: name too long", authority->name);
}

static enum ph_err record(const struct ph_authority_plan *plan, struct ph_authority *authority,
    const struct ph_certificate *certificate, struct ph_error *error)
{
    struct ph_certificate_facts facts;
    struct ph_inventory_entry entry;
    struct ph_buf der;
    ph_buf_init(&der, PH_LIMIT_CERTIFICATE_BYTES);
    enum ph_err err = ph_certificate_facts(certificate, &facts, error);
    if (err == PH_OK) {
        memcpy(authority->serial, facts.serial, sizeof authority->serial);
        err = fill_entry(plan, authority, &facts, &entry, error);
    }
    if (err == PH_OK) {
        err = ph_authority_put(plan->inventory, authority,
            plan->role == PH_ROOT ? plan->defaults->root_crl_days : plan->defaults->crl_days,
            error);
    }
    if (err == PH_OK) {
        err = ph_certificate_encode(certificate, &der, error);
    }
    if (err == PH_OK) {
        err = ph_inventory_add(plan->inventory, &entry, der.data, der.len, error);
    }
    ph_buf_fini(&der);
    return err;
}

static enum ph_err make_files(const struct ph_authority_plan *plan, const char *name,
    struct ph_authority_pair *out, struct ph_error *error)
{
    char path[PATH_MAX];
    enum ph_err err = ph_path_join(path, sizeof path, plan->dir, name, error);
    if (err == PH_OK) {
        err = ph_dir_make(path, 0700, error);
    }
    if (err == PH_OK) {
        err = make_key(plan, name, out, error);
    }
    if (err == PH_OK) {
        err = issue(plan, out->key, &out->certificate, error);
    }
    if (err == PH_OK) {
        err = ph_authority_path(path, plan->dir, name, "ca.crt", error);
    }
    return err == PH_OK ? store_certificate(path, out->certificate, error) : err;
}

enum ph_err ph_authority_make(
    const struct ph_authority_plan *plan, struct ph_authority_pair *out, struct ph_error *error)
{
    struct ph_authority authority = {
        .role = plan->role, .generation = plan->generation, .state = plan->state};
    struct ph_authority_pair pair = {0};
    struct ph_buf pem;
    ph_authority_name_print(authority.name, plan->role, plan->generation, plan->tenant);
    (void)snprintf(authority.tenant, sizeof authority.tenant, "%s", plan->tenant);
    (void)snprintf(authority.issuer, sizeof authority.issuer, "%s",
        plan->issuer != NULL ? plan->issuer : authority.name);
    ph_buf_init(&pem, PH_LIMIT_CERTIFICATE_BYTES);
    enum ph_err err = make_files(plan, authority.name, &pair, error);
    if (err == PH_OK) {
        err = record(plan, &authority, pair.certificate, error);
    }
    if (err == PH_OK) {
        err = ph_ca_crl_sign(
            plan->dir, plan->inventory, authority.name, pair.key, plan->now_ms, &pem, error);
    }
    if (err == PH_OK) {
        *out = pair;
        pair = (struct ph_authority_pair){0};
    }
    remove_key(plan, authority.name, &pair);
    ph_authority_pair_free(&pair);
    ph_buf_fini(&pem);
    return err;
}
