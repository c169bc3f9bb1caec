#include "certs/claims.h"
#include "certs/inventory_internal.h"

enum ph_err ph_device_state_put(struct ph_inventory *inventory, const struct ph_identity *identity,
    const char *fingerprint, const char *trust, int64_t now_ms, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_inventory_kept(inventory, PH_KEPT_DEVICE_STATE,
        "INSERT INTO device_state (tenant, kind, name, fingerprint, trust, seen_ms)"
        " VALUES (?1, ?2, ?3, lower(?4), lower(?5), ?6) ON CONFLICT (tenant, kind, name)"
        " DO UPDATE SET fingerprint = lower(?4), trust = lower(?5), seen_ms = ?6",
        &stmt, error);
    if (err != PH_OK) {
        return err;
    }
    ph_stmt_bind_text(stmt, 1, identity->tenant);
    ph_stmt_bind_text(stmt, 2, identity->kind);
    ph_stmt_bind_text(stmt, 3, identity->device);
    ph_stmt_bind_text(stmt, 4, fingerprint);
    ph_stmt_bind_text(stmt, 5, trust);
    ph_stmt_bind_int64(stmt, 6, now_ms);
    return ph_stmt_run(stmt, error);
}

/* ---- bundles ---- */

static enum ph_err read_bundle(struct ph_inventory *inventory, const struct ph_stmt *stmt,
    void *context, struct ph_error *error)
{
    struct ph_trust_bundle *bundle = context;
    struct ph_row row = {.stmt = stmt};
    size_t len = 0;
    bundle->number = ph_row_int64(&row, 0, 1);
    ph_row_hex(&row, 1, bundle->digest, sizeof bundle->digest);
    enum ph_err err = ph_row_check(&row, inventory, "trust_bundle", error);
    const void *statement = ph_stmt_bytes(stmt, 2, &len);
    if (err == PH_OK && ph_buf_append(&bundle->statement, statement, len) != PH_OK) {
        err = ph_error_set(error, PH_ERR_LIMIT, "%s: trust bundle %lld: %zu bytes are too long",
            ph_db_path(inventory->db), (long long)bundle->number, len);
    }
    return err;
}

enum ph_err ph_trust_bundle_newest(
    struct ph_inventory *inventory, struct ph_trust_bundle *out, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_inventory_kept(inventory, PH_KEPT_BUNDLE_NEWEST,
        "SELECT number, digest, statement FROM trust_bundle ORDER BY number DESC LIMIT 1", &stmt,
        error);
    out->number = 0;
    out->digest[0] = '\0';
    return err == PH_OK ? ph_inventory_rows(inventory, stmt, read_bundle, out, error) : err;
}

enum ph_err ph_trust_bundle_after(struct ph_inventory *inventory, const char *digest,
    struct ph_trust_bundle *out, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_inventory_kept(inventory, PH_KEPT_BUNDLE_AFTER,
        "SELECT number, digest, statement FROM trust_bundle WHERE number >"
        " coalesce((SELECT max(number) FROM trust_bundle WHERE digest = lower(?1)), 0)"
        " ORDER BY number LIMIT 1",
        &stmt, error);
    out->number = 0;
    out->digest[0] = '\0';
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, digest);
        err = ph_inventory_rows(inventory, stmt, read_bundle, out, error);
    }
    if (err == PH_OK && out->number == 0) {
        err = ph_error_set(
            error, PH_ERR_NOT_FOUND, "trust bundle with digest %s: none follows it", digest);
    }
    return err;
}

enum ph_err ph_trust_bundle_add(struct ph_inventory *inventory,
    const struct ph_trust_bundle *bundle, int64_t now_ms, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(inventory->db,
        "INSERT INTO trust_bundle (number, digest, statement, made_ms) VALUES (?1, ?2, ?3, ?4)",
        &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_int64(stmt, 1, bundle->number);
        ph_stmt_bind_text(stmt, 2, bundle->digest);
        ph_stmt_bind_text(stmt, 3, bundle->statement.data != NULL ? bundle->statement.data : "");
        ph_stmt_bind_int64(stmt, 4, now_ms);
        err = ph_stmt_run(stmt, error);
    }
    ph_stmt_free(&stmt);
    return err;
}
