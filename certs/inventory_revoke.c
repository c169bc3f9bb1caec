#include "certs/inventory_internal.h"

/* A hold may become any other reason; any other reason is for good. What was made elsewhere is left
 * alone: none of our CRLs can carry it. */
#define REVOKABLE "(revoked_ms = 0 OR (reason = 6 AND ?5 <> 6))"
#define OURS      "issuer <> 'foreign' AND "
#define COUNT     "SELECT count(*) FROM certificate WHERE " OURS
#define REVOKE    "UPDATE certificate SET revoked_ms = ?4, reason = ?5 WHERE " OURS REVOKABLE " AND "
#define RELEASE   "UPDATE certificate SET revoked_ms = 0, reason = 0 WHERE reason = 6 AND "

#define OF_IDENTITY "tenant = ?1 AND kind = ?2 AND name = ?3"
#define OF_SERIAL   "serial = ?1"
#define OF_KEY      "key_hash = ?1 AND type <> 'authority'"
#define OF_ISSUER   "issuer = ?1 AND type <> 'authority'"
#define OF_CLAIM    "type = 'claim' AND tenant = ?1 AND name = ?2"
#define BY_CLAIM                                                                                   \
    "(" OF_CLAIM " OR serial IN (SELECT serial FROM certificate WHERE tenant = ?1 AND lineage IN " \
    "(SELECT lineage FROM certificate WHERE tenant = ?1 AND claim = ?2)))"

/* Which certificates, by text parameters from ?1 on, and what is done to them. */
struct selection {
    const char *count;
    const char *update;
    bool release; /* has neither time nor reason: ?4 and ?5 */
};

static enum ph_err mark(struct ph_inventory *inventory, const struct selection *selection,
    const char *const values[3], struct ph_inventory_revocation *revocation, struct ph_error *error)
{
    struct ph_stmt *count = NULL;
    struct ph_stmt *update = NULL;
    enum ph_err err = ph_stmt_prepare(inventory->db, selection->count, &count, error);
    if (err == PH_OK) {
        err = ph_stmt_prepare(inventory->db, selection->update, &update, error);
    }
    for (int i = 0; err == PH_OK && i < 3 && values[i] != NULL; i++) {
        ph_stmt_bind_text(count, i + 1, values[i]);
        ph_stmt_bind_text(update, i + 1, values[i]);
    }
    if (err == PH_OK && !selection->release) {
        ph_stmt_bind_int64(update, 4, revocation->now_ms);
        ph_stmt_bind_int64(update, 5, revocation->reason);
    }
    if (err == PH_OK) {
        err = ph_inventory_number(count, &revocation->known, error);
    }
    if (err == PH_OK) {
        err = ph_stmt_run(update, error);
    }
    if (err == PH_OK) {
        revocation->changed = ph_db_changes(inventory->db);
    }
    ph_stmt_free(&count);
    ph_stmt_free(&update);
    return err;
}

enum ph_err ph_inventory_revoke_identity(struct ph_inventory *inventory,
    const struct ph_identity *identity, struct ph_inventory_revocation *revocation,
    struct ph_error *error)
{
    static const struct selection certificates = {COUNT OF_IDENTITY, REVOKE OF_IDENTITY, false};
    const char *const values[3] = {identity->tenant, identity->kind, identity->device};
    return mark(inventory, &certificates, values, revocation, error);
}

enum ph_err ph_inventory_revoke_serial(struct ph_inventory *inventory, const char *serial,
    struct ph_inventory_revocation *revocation, struct ph_error *error)
{
    static const struct selection certificates = {COUNT OF_SERIAL, REVOKE OF_SERIAL, false};
    const char *const values[3] = {serial};
    return mark(inventory, &certificates, values, revocation, error);
}

enum ph_err ph_inventory_revoke_key(struct ph_inventory *inventory, const char *key_hash,
    struct ph_inventory_revocation *revocation, struct ph_error *error)
{
    static const struct selection certificates = {COUNT OF_KEY, REVOKE OF_KEY, false};
    const char *const values[3] = {key_hash};
    return mark(inventory, &certificates, values, revocation, error);
}

enum ph_err ph_inventory_revoke_claim(struct ph_inventory *inventory, const char *tenant,
    const char *claim, bool enrolled, struct ph_inventory_revocation *revocation,
    struct ph_error *error)
{
    static const struct selection own = {COUNT OF_CLAIM, REVOKE OF_CLAIM, false};
    static const struct selection all = {COUNT BY_CLAIM, REVOKE BY_CLAIM, false};
    const char *const values[3] = {tenant, claim};
    return mark(inventory, enrolled ? &all : &own, values, revocation, error);
}

enum ph_err ph_inventory_revoke_issuer(struct ph_inventory *inventory, const char *issuer,
    struct ph_inventory_revocation *revocation, struct ph_error *error)
{
    static const struct selection certificates = {COUNT OF_ISSUER, REVOKE OF_ISSUER, false};
    const char *const values[3] = {issuer};
    return mark(inventory, &certificates, values, revocation, error);
}

enum ph_err ph_inventory_unrevoke(struct ph_inventory *inventory,
    const struct ph_identity *identity, const char *serial,
    struct ph_inventory_revocation *revocation, struct ph_error *error)
{
    static const struct selection of_identity = {COUNT OF_IDENTITY, RELEASE OF_IDENTITY, true};
    static const struct selection of_serial = {COUNT OF_SERIAL, RELEASE OF_SERIAL, true};
    if (identity == NULL) {
        const char *const values[3] = {serial};
        return mark(inventory, &of_serial, values, revocation, error);
    }
    const char *const values[3] = {identity->tenant, identity->kind, identity->device};
    return mark(inventory, &of_identity, values, revocation, error);
}

/* ---- superseded ---- */

/* Runs "... ?1 a serial number ... ?2 the time". */
static enum ph_err run_at(struct ph_inventory *inventory, enum ph_kept kept, const char *sql,
    const char *serial, int64_t now_ms, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_inventory_kept(inventory, kept, sql, &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, serial);
        ph_stmt_bind_int64(stmt, 2, now_ms);
        err = ph_stmt_run(stmt, error);
    }
    return err;
}

enum ph_err ph_inventory_confirm(struct ph_inventory *inventory, const char *serial, int64_t now_ms,
    int64_t *superseded, struct ph_error *error)
{
    struct ph_inventory_entry entry;
    *superseded = 0;
    enum ph_err err = ph_inventory_find(inventory, serial, &entry, error);
    if (err != PH_OK || entry.revoked_ms > 0) {
        return err;
    }
    if (entry.confirmed_ms == 0) {
        err = run_at(inventory, PH_KEPT_CONFIRM,
            "UPDATE certificate SET confirmed_ms = ?2 WHERE serial = ?1", serial, now_ms, error);
    }
    if (err == PH_OK) {
        err = run_at(inventory, PH_KEPT_SUPERSEDE_OLDER,
            "UPDATE certificate SET revoked_ms = ?2, reason = 4"
            " FROM (SELECT rowid AS place, lineage AS line FROM certificate WHERE serial = ?1)"
            " WHERE (serial = line OR (lineage = line AND predecessor <> ''))"
            " AND certificate.rowid < place AND (revoked_ms = 0 OR reason = 6)",
            serial, now_ms, error);
    }
    if (err == PH_OK) {
        *superseded = ph_db_changes(inventory->db);
    }
    return err;
}

enum ph_err ph_inventory_supersede(
    struct ph_inventory *inventory, const char *serial, int64_t now_ms, struct ph_error *error)
{
    return run_at(inventory, PH_KEPT_SUPERSEDE,
        "UPDATE certificate SET revoked_ms = ?2, reason = 4"
        " WHERE serial = ?1 AND confirmed_ms = 0 AND (revoked_ms = 0 OR reason = 6)",
        serial, now_ms, error);
}
