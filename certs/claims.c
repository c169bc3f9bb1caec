#include "certs/claims.h"

#include "certs/inventory_internal.h"

#define SELECT                                                                                     \
    "SELECT tenant, name, kind, max_uses, used, expires_ms, made_ms, revoked_ms FROM claim"

static enum ph_err read_claim(const struct ph_inventory *inventory, const struct ph_stmt *stmt,
    struct ph_claim *claim, struct ph_error *error)
{
    struct ph_row row = {.stmt = stmt};
    *claim = (struct ph_claim){0};
    ph_row_text(&row, 0, claim->tenant, sizeof claim->tenant);
    ph_row_text(&row, 1, claim->name, sizeof claim->name);
    ph_row_text(&row, 2, claim->kind, sizeof claim->kind);
    claim->limit = ph_row_int64(&row, 3, 1);
    claim->used = ph_row_int64(&row, 4, 0);
    claim->expires_ms = ph_row_int64(&row, 5, INT64_MIN);
    claim->made_ms = ph_row_int64(&row, 6, INT64_MIN);
    claim->revoked_ms = ph_row_int64(&row, 7, 0);
    return ph_row_check(&row, inventory, "claim", error);
}

enum ph_err ph_claim_add(
    struct ph_inventory *inventory, const struct ph_claim *claim, struct ph_error *error)
{
    struct ph_error why = {0};
    struct ph_stmt *stmt = NULL;
    if (claim->limit < 1) {
        return ph_error_set(error, PH_ERR_USAGE, "claim %s/%s: want 1 or more devices, have %lld",
            claim->tenant, claim->name, (long long)claim->limit);
    }
    enum ph_err err = ph_stmt_prepare(inventory->db,
        "INSERT INTO claim (tenant, name, kind, max_uses, used, expires_ms, made_ms, revoked_ms)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        &stmt, &why);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, claim->tenant);
        ph_stmt_bind_text(stmt, 2, claim->name);
        ph_stmt_bind_text(stmt, 3, claim->kind);
        ph_stmt_bind_int64(stmt, 4, claim->limit);
        ph_stmt_bind_int64(stmt, 5, claim->used);
        ph_stmt_bind_int64(stmt, 6, claim->expires_ms);
        ph_stmt_bind_int64(stmt, 7, claim->made_ms);
        ph_stmt_bind_int64(stmt, 8, claim->revoked_ms);
        err = ph_stmt_run(stmt, &why);
    }
    ph_stmt_free(&stmt);
    if (err == PH_ERR_EXISTS) {
        return ph_error_set(
            error, err, "claim %s/%s: exists; choose another name", claim->tenant, claim->name);
    }
    return err == PH_OK ? PH_OK : ph_error_set(error, err, "%s", why.message);
}

enum ph_err ph_claim_remove(
    struct ph_inventory *inventory, const char *tenant, const char *name, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(
        inventory->db, "DELETE FROM claim WHERE tenant = ?1 AND name = ?2", &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, tenant);
        ph_stmt_bind_text(stmt, 2, name);
        err = ph_stmt_run(stmt, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

struct search {
    struct ph_claim claim;
    bool found;
};

static enum ph_err keep_claim(struct ph_inventory *inventory, const struct ph_stmt *stmt,
    void *context, struct ph_error *error)
{
    struct search *search = context;
    search->found = true;
    return read_claim(inventory, stmt, &search->claim, error);
}

enum ph_err ph_claim_find(struct ph_inventory *inventory, const char *tenant, const char *name,
    struct ph_claim *out, struct ph_error *error)
{
    struct search search = {0};
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_inventory_kept(
        inventory, PH_KEPT_CLAIM_FIND, SELECT " WHERE tenant = ?1 AND name = ?2", &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, tenant);
        ph_stmt_bind_text(stmt, 2, name);
        err = ph_inventory_rows(inventory, stmt, keep_claim, &search, error);
    }
    if (err == PH_OK && !search.found) {
        err = ph_error_set(error, PH_ERR_NOT_FOUND, "claim %s/%s: not in the inventory %s", tenant,
            name, ph_db_path(inventory->db));
    }
    if (err == PH_OK) {
        *out = search.claim;
    }
    return err;
}

static enum ph_err refuse_use(
    struct ph_inventory *inventory, const char *tenant, const char *name, struct ph_error *error)
{
    struct ph_claim claim;
    enum ph_err err = ph_claim_find(inventory, tenant, name, &claim, error);
    if (err != PH_OK) {
        return err;
    }
    if (claim.revoked_ms > 0) {
        return ph_error_set(error, PH_ERR_DENIED, "claim %s/%s: revoked", tenant, name);
    }
    return ph_error_set(error, PH_ERR_DENIED,
        "claim %s/%s: used up: it was for %lld and has enrolled %lld", tenant, name,
        (long long)claim.limit, (long long)claim.used);
}

enum ph_err ph_claim_use(
    struct ph_inventory *inventory, const char *tenant, const char *name, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_inventory_kept(inventory, PH_KEPT_CLAIM_USE,
        "UPDATE claim SET used = used + 1"
        " WHERE tenant = ?1 AND name = ?2 AND used < max_uses AND revoked_ms = 0",
        &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, tenant);
        ph_stmt_bind_text(stmt, 2, name);
        err = ph_stmt_run(stmt, error);
    }
    if (err == PH_OK && ph_db_changes(inventory->db) == 0) {
        err = refuse_use(inventory, tenant, name, error);
    }
    return err;
}

struct visitor {
    ph_claim_visit *visit;
    void *context;
};

static enum ph_err visit_row(struct ph_inventory *inventory, const struct ph_stmt *stmt,
    void *context, struct ph_error *error)
{
    const struct visitor *visitor = context;
    struct ph_claim claim;
    enum ph_err err = read_claim(inventory, stmt, &claim, error);
    return err == PH_OK ? visitor->visit(&claim, visitor->context, error) : err;
}

enum ph_err ph_claim_each(
    struct ph_inventory *inventory, ph_claim_visit *visit, void *context, struct ph_error *error)
{
    struct visitor visitor = {visit, context};
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(inventory->db, SELECT " ORDER BY tenant, name", &stmt, error);
    if (err == PH_OK) {
        err = ph_inventory_rows(inventory, stmt, visit_row, &visitor, error);
    }
    ph_stmt_free(&stmt);
    return err;
}
