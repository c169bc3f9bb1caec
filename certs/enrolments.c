#include "certs/claims.h"
#include "certs/inventory_internal.h"

#define SELECT                                                                                     \
    "SELECT id, tenant, claim, key_hash, kind, name, hardware, state, serial, received_ms,"        \
    " decided_ms, who, why FROM enrolment"

static const char *const states[] = {
    [PH_ENROLMENT_WAITING] = "waiting",
    [PH_ENROLMENT_APPROVED] = "approved",
    [PH_ENROLMENT_REFUSED] = "refused",
    [PH_ENROLMENT_ISSUED] = "issued",
};
enum { STATES = sizeof states / sizeof states[0] };

static enum ph_err read_enrolment(const struct ph_inventory *inventory, const struct ph_stmt *stmt,
    struct ph_enrolment *enrolment, struct ph_error *error)
{
    struct ph_row row = {.stmt = stmt};
    *enrolment = (struct ph_enrolment){.id = ph_row_int64(&row, 0, 1)};
    ph_row_text(&row, 1, enrolment->tenant, sizeof enrolment->tenant);
    ph_row_text(&row, 2, enrolment->claim, sizeof enrolment->claim);
    ph_row_hex(&row, 3, enrolment->key_hash, sizeof enrolment->key_hash);
    ph_row_text(&row, 4, enrolment->kind, sizeof enrolment->kind);
    ph_row_text(&row, 5, enrolment->name, sizeof enrolment->name);
    ph_row_text(&row, 6, enrolment->hardware, sizeof enrolment->hardware);
    enrolment->state = (enum ph_enrolment_state)ph_row_word(&row, 7, states, STATES);
    ph_row_hex(&row, 8, enrolment->serial, sizeof enrolment->serial);
    enrolment->received_ms = ph_row_int64(&row, 9, INT64_MIN);
    enrolment->decided_ms = ph_row_int64(&row, 10, INT64_MIN);
    ph_row_text(&row, 11, enrolment->who, sizeof enrolment->who);
    ph_row_text(&row, 12, enrolment->why, sizeof enrolment->why);
    return ph_row_check(&row, inventory, "enrolment", error);
}

/* ---- finding ---- */

static enum ph_err keep_enrolment(struct ph_inventory *inventory, const struct ph_stmt *stmt,
    void *context, struct ph_error *error)
{
    return read_enrolment(inventory, stmt, context, error);
}

/* The only row of a statement whose parameters are bound; id 0: there is none. */
static enum ph_err only_row(struct ph_inventory *inventory, struct ph_stmt *stmt,
    struct ph_enrolment *out, struct ph_error *error)
{
    struct ph_enrolment found = {0};
    enum ph_err err = ph_inventory_rows(inventory, stmt, keep_enrolment, &found, error);
    if (err == PH_OK) {
        *out = found;
    }
    return err;
}

enum ph_err ph_enrolment_find(struct ph_inventory *inventory, const char *tenant, const char *claim,
    const char *key_hash, struct ph_enrolment *out, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    struct ph_enrolment found = {0};
    enum ph_err err = ph_inventory_kept(inventory, PH_KEPT_ENROLMENT_FIND,
        SELECT " WHERE tenant = ?1 AND claim = ?2 AND key_hash = ?3", &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, tenant);
        ph_stmt_bind_text(stmt, 2, claim);
        ph_stmt_bind_text(stmt, 3, key_hash);
        err = only_row(inventory, stmt, &found, error);
    }
    if (err == PH_OK && found.id == 0) {
        err = ph_error_set(error, PH_ERR_NOT_FOUND, "claim %s/%s: no request for the key %s",
            tenant, claim, key_hash);
    }
    if (err == PH_OK) {
        *out = found;
    }
    return err;
}

enum ph_err ph_enrolment_get(
    struct ph_inventory *inventory, int64_t id, struct ph_enrolment *out, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    struct ph_enrolment found = {0};
    enum ph_err err =
        ph_inventory_kept(inventory, PH_KEPT_ENROLMENT_GET, SELECT " WHERE id = ?1", &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_int64(stmt, 1, id);
        err = only_row(inventory, stmt, &found, error);
    }
    if (err == PH_OK && found.id == 0) {
        err = ph_error_set(error, PH_ERR_NOT_FOUND,
            "request %lld: there is none; ph-ca requests shows what there is", (long long)id);
    }
    if (err == PH_OK) {
        *out = found;
    }
    return err;
}

/* ---- changing ---- */

static void bind_enrolment(struct ph_stmt *stmt, const struct ph_enrolment *enrolment)
{
    ph_stmt_bind_text(stmt, 1, enrolment->tenant);
    ph_stmt_bind_text(stmt, 2, enrolment->claim);
    ph_stmt_bind_text(stmt, 3, enrolment->key_hash);
    ph_row_bind_text(stmt, 4, enrolment->kind, sizeof enrolment->kind);
    ph_row_bind_text(stmt, 5, enrolment->name, sizeof enrolment->name);
    ph_row_bind_text(stmt, 6, enrolment->hardware, sizeof enrolment->hardware);
    ph_stmt_bind_text(stmt, 7, states[enrolment->state]);
    ph_stmt_bind_text(stmt, 8, enrolment->serial);
    ph_stmt_bind_int64(stmt, 9, enrolment->received_ms);
    ph_stmt_bind_int64(stmt, 10, enrolment->decided_ms);
    ph_row_bind_text(stmt, 11, enrolment->who, sizeof enrolment->who);
    ph_row_bind_text(stmt, 12, enrolment->why, sizeof enrolment->why);
}

static enum ph_err check_room(
    struct ph_inventory *inventory, const struct ph_enrolment *enrolment, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    int64_t waiting = 0;
    if (enrolment->state != PH_ENROLMENT_WAITING) {
        return PH_OK;
    }
    enum ph_err err = ph_inventory_kept(inventory, PH_KEPT_ENROLMENT_WAITING,
        "SELECT count(*) FROM enrolment WHERE tenant = ?1 AND claim = ?2 AND state = 'waiting'",
        &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, enrolment->tenant);
        ph_stmt_bind_text(stmt, 2, enrolment->claim);
        err = ph_inventory_number(stmt, &waiting, error);
    }
    if (err == PH_OK && waiting >= PH_ENROLMENTS_WAITING) {
        err = ph_error_set(error, PH_ERR_LIMIT,
            "claim %s/%s: %d requests wait already; approve or refuse some", enrolment->tenant,
            enrolment->claim, PH_ENROLMENTS_WAITING);
    }
    return err;
}

static enum ph_err add(
    struct ph_inventory *inventory, struct ph_enrolment *enrolment, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = check_room(inventory, enrolment, error);
    if (err == PH_OK) {
        err = ph_inventory_kept(inventory, PH_KEPT_ENROLMENT_ADD,
            "INSERT INTO enrolment (tenant, claim, key_hash, kind, name, hardware, state, serial,"
            " received_ms, decided_ms, who, why)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            &stmt, error);
    }
    if (err == PH_OK) {
        bind_enrolment(stmt, enrolment);
        err = ph_stmt_run(stmt, error);
    }
    if (err == PH_OK) {
        enrolment->id = ph_db_last_rowid(inventory->db);
    }
    return err;
}

static enum ph_err change(
    struct ph_inventory *inventory, const struct ph_enrolment *enrolment, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_inventory_kept(inventory, PH_KEPT_ENROLMENT_CHANGE,
        "UPDATE enrolment SET tenant = ?1, claim = ?2, key_hash = ?3, kind = ?4, name = ?5,"
        " hardware = ?6, state = ?7, serial = ?8, received_ms = ?9, decided_ms = ?10, who = ?11,"
        " why = ?12 WHERE id = ?13",
        &stmt, error);
    if (err != PH_OK) {
        return err;
    }
    bind_enrolment(stmt, enrolment);
    ph_stmt_bind_int64(stmt, 13, enrolment->id);
    err = ph_stmt_run(stmt, error);
    if (err == PH_OK && ph_db_changes(inventory->db) == 0) {
        err = ph_error_set(error, PH_ERR_NOT_FOUND,
            "request %lld: there is none; ph-ca requests shows what there is",
            (long long)enrolment->id);
    }
    return err;
}

enum ph_err ph_enrolment_put(
    struct ph_inventory *inventory, struct ph_enrolment *enrolment, struct ph_error *error)
{
    return enrolment->id == 0 ? add(inventory, enrolment, error)
                              : change(inventory, enrolment, error);
}

/* ---- all ---- */

struct visitor {
    ph_enrolment_visit *visit;
    void *context;
};

static enum ph_err visit_row(struct ph_inventory *inventory, const struct ph_stmt *stmt,
    void *context, struct ph_error *error)
{
    const struct visitor *visitor = context;
    struct ph_enrolment enrolment;
    enum ph_err err = read_enrolment(inventory, stmt, &enrolment, error);
    return err == PH_OK ? visitor->visit(&enrolment, visitor->context, error) : err;
}

enum ph_err ph_enrolment_each(struct ph_inventory *inventory, bool waiting_only,
    ph_enrolment_visit *visit, void *context, struct ph_error *error)
{
    struct visitor visitor = {visit, context};
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(inventory->db,
        waiting_only ? SELECT " WHERE state = 'waiting' ORDER BY id" : SELECT " ORDER BY id", &stmt,
        error);
    if (err == PH_OK) {
        err = ph_inventory_rows(inventory, stmt, visit_row, &visitor, error);
    }
    ph_stmt_free(&stmt);
    return err;
}
