#include "certs/bundles.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"
#include "certs/ca.h"
#include "certs/claims.h"
#include "format/enrolment.h"
#include "x509/digest.h"
#include "x509/signed.h"

/* ---- the text of a bundle ---- */

static enum ph_err append_certificate(struct ph_inventory *inventory,
    const struct ph_authority *authority, struct ph_buf *pem, struct ph_error *error)
{
    struct ph_buf der;
    ph_buf_init(&der, PH_LIMIT_CERTIFICATE_BYTES);
    enum ph_err err = ph_inventory_der(inventory, authority->serial, &der, error);
    if (err == PH_OK) {
        err = ph_certificate_der_print(der.data, der.len, pem, error);
    }
    ph_buf_fini(&der);
    return err;
}

/* The CAs of the roles that are not retired, role by role. */
static enum ph_err append_roles(struct ph_inventory *inventory, const enum ph_ca_role *roles,
    size_t count, struct ph_buf *pem, struct ph_error *error)
{
    struct ph_authority_list list = {0};
    enum ph_err err = ph_authorities_list(inventory, &list, error);
    for (size_t i = 0; err == PH_OK && i < count; i++) {
        for (size_t j = 0; err == PH_OK && j < list.count; j++) {
            const struct ph_authority *authority = &list.items[j];
            if (authority->role == roles[i] && authority->state != PH_AUTHORITY_RETIRED) {
                err = append_certificate(inventory, authority, pem, error);
            }
        }
    }
    ph_authority_list_free(&list);
    return err;
}

/* ---- the devices' bundle ---- */

static const enum ph_ca_role device_roles[] = {PH_BROKERS, PH_ROOT};

/* The text inside the newest statement; left empty when there is none. */
static enum ph_err newest_text(
    struct ph_inventory *inventory, struct ph_buf *pem, struct ph_error *error)
{
    struct ph_trust_bundle newest = {0};
    struct ph_signed *statement = NULL;
    struct ph_trust_message *message = NULL;
    struct ph_trust_statement content = {0};
    size_t len = 0;
    ph_buf_init(&newest.statement, PH_LIMIT_SIGNED_BYTES);
    enum ph_err err = ph_trust_bundle_newest(inventory, &newest, error);
    if (err == PH_OK && newest.number > 0) {
        err = ph_signed_parse(newest.statement.data, newest.statement.len, &statement, error);
    }
    if (err == PH_OK && statement != NULL) {
        const char *text = ph_signed_text(statement, &len);
        err = ph_trust_statement_parse(text, len, &message, &content, error);
    }
    if (err == PH_OK && statement != NULL) {
        err = ph_buf_append_text(pem, content.bundle);
        if (err != PH_OK) {
            ph_error_set(error, err, "trust bundle %lld: does not fit", (long long)newest.number);
        }
    }
    ph_trust_message_free(&message);
    ph_signed_free(&statement);
    ph_buf_fini(&newest.statement);
    return err;
}

static enum ph_err number_next(
    struct ph_inventory *inventory, int64_t *number, struct ph_error *error)
{
    struct ph_trust_bundle newest = {0};
    ph_buf_init(&newest.statement, PH_LIMIT_SIGNED_BYTES);
    enum ph_err err = ph_trust_bundle_newest(inventory, &newest, error);
    *number = newest.number + 1;
    ph_buf_fini(&newest.statement);
    return err;
}

enum ph_err ph_bundle_any(struct ph_inventory *inventory, bool *any, struct ph_error *error)
{
    int64_t number = 0;
    enum ph_err err = number_next(inventory, &number, error);
    *any = number > 1;
    return err;
}

/* The number on the first line is for the device, which keeps nothing but the file. */
static enum ph_err device_text(
    struct ph_inventory *inventory, int64_t number, struct ph_buf *pem, struct ph_error *error)
{
    enum ph_err err =
        ph_buf_printf(pem, "# phonehome trusted CAs, number %lld\n", (long long)number);
    if (err != PH_OK) {
        return ph_error_set(error, err, "trust bundle %lld: out of memory", (long long)number);
    }
    return append_roles(inventory, device_roles, 2, pem, error);
}

enum ph_err ph_bundle_current(struct ph_inventory *inventory, bool *current, struct ph_error *error)
{
    struct ph_buf want;
    struct ph_buf have;
    int64_t number = 0;
    ph_buf_init(&want, PH_LIMIT_SIGNED_BYTES);
    ph_buf_init(&have, PH_LIMIT_SIGNED_BYTES);
    enum ph_err err = number_next(inventory, &number, error);
    if (err == PH_OK) {
        err = newest_text(inventory, &have, error);
    }
    if (err == PH_OK) {
        err = device_text(inventory, number - 1, &want, error);
    }
    *current =
        have.len == 0 || (have.len == want.len && memcmp(have.data, want.data, want.len) == 0);
    ph_buf_fini(&have);
    ph_buf_fini(&want);
    return err;
}

static enum ph_err sign_text(const struct ph_authority_pair *root, int64_t number,
    const struct ph_buf *pem, struct ph_trust_bundle *out, struct ph_error *error)
{
    const struct ph_trust_statement content = {.number = number, .bundle = pem->data};
    struct ph_buf text;
    ph_buf_init(&text, PH_LIMIT_SIGNED_BYTES);
    enum ph_err err = ph_trust_statement_encode(&content, &text, error);
    if (err == PH_OK) {
        err = ph_signed_make(
            text.data, text.len, root->certificate, root->key, NULL, &out->statement, error);
    }
    if (err == PH_OK && !ph_sha256_hex(out->digest, pem->data, pem->len)) {
        err = ph_error_set(
            error, PH_ERR_MEMORY, "trust bundle %lld: out of memory", (long long)number);
    }
    out->number = number;
    ph_buf_fini(&text);
    return err;
}

enum ph_err ph_bundle_sign(struct ph_inventory *inventory, const struct ph_authority_pair *root,
    int64_t now_ms, struct ph_error *error)
{
    struct ph_trust_bundle bundle = {0};
    struct ph_buf pem;
    int64_t number = 0;
    ph_buf_init(&pem, PH_LIMIT_SIGNED_BYTES);
    ph_buf_init(&bundle.statement, PH_LIMIT_SIGNED_BYTES);
    enum ph_err err = number_next(inventory, &number, error);
    if (err == PH_OK) {
        err = device_text(inventory, number, &pem, error);
    }
    if (err == PH_OK) {
        err = sign_text(root, number, &pem, &bundle, error);
    }
    if (err == PH_OK) {
        err = ph_trust_bundle_add(inventory, &bundle, now_ms, error);
    }
    ph_buf_fini(&bundle.statement);
    ph_buf_fini(&pem);
    return err;
}

/* ---- the files ---- */

static const struct file {
    const char *name;
    enum ph_ca_role roles[4];
    size_t count;
} files[] = {
    {"trust/devices.pem", {PH_DEVICES, PH_ROOT}, 2},
    {"trust/services.pem", {PH_SERVICES, PH_ROOT}, 2},
    {"trust/claims.pem", {PH_CLAIMS, PH_ROOT}, 2},
    {"trust/clients.pem", {PH_DEVICES, PH_SERVICES, PH_CLAIMS, PH_ROOT}, 4},
};

static bool is_same(const char *path, const struct ph_buf *pem)
{
    struct ph_buf now;
    ph_buf_init(&now, PH_LIMIT_BUNDLE_BYTES);
    bool same = ph_file_load(path, &now, NULL) == PH_OK && now.len == pem->len &&
                memcmp(now.data, pem->data, pem->len) == 0;
    ph_buf_fini(&now);
    return same;
}

static enum ph_err store(
    const char *dir, const char *name, const struct ph_buf *pem, struct ph_error *error)
{
    char path[PATH_MAX];
    enum ph_err err = ph_path_join(path, sizeof path, dir, name, error);
    return err != PH_OK || is_same(path, pem)
               ? err
               : ph_file_store(path, 0644, pem->data, pem->len, error);
}

static enum ph_err store_brokers(struct ph_ca *ca, struct ph_error *error)
{
    struct ph_inventory *inventory = ph_ca_inventory(ca);
    struct ph_buf pem;
    ph_buf_init(&pem, PH_LIMIT_BUNDLE_BYTES);
    enum ph_err err = newest_text(inventory, &pem, error);
    if (err == PH_OK && pem.len == 0) {
        err = append_roles(inventory, device_roles, 2, &pem, error);
    }
    if (err == PH_OK) {
        err = store(ph_ca_dir(ca), "trust/brokers.pem", &pem, error);
    }
    ph_buf_fini(&pem);
    return err;
}

static enum ph_err store_file(struct ph_ca *ca, const struct file *file, struct ph_error *error)
{
    struct ph_buf pem;
    ph_buf_init(&pem, PH_LIMIT_BUNDLE_BYTES);
    enum ph_err err = append_roles(ph_ca_inventory(ca), file->roles, file->count, &pem, error);
    if (err == PH_OK) {
        err = store(ph_ca_dir(ca), file->name, &pem, error);
    }
    ph_buf_fini(&pem);
    return err;
}

/* Under the inventory's lock, so that nobody who read older rows writes later. */
enum ph_err ph_ca_bundles(struct ph_ca *ca, struct ph_error *error)
{
    struct ph_inventory *inventory = ph_ca_inventory(ca);
    enum ph_err err = ph_inventory_begin(inventory, error);
    if (err != PH_OK) {
        return err;
    }
    err = store_brokers(ca, error);
    for (size_t i = 0; err == PH_OK && i < sizeof files / sizeof files[0]; i++) {
        err = store_file(ca, &files[i], error);
    }
    ph_inventory_rollback(inventory);
    return err;
}
