#include "certs/line.h"

#include <string.h>

#include "certs/bundles.h"
#include "certs/claims.h"
#include "certs/inventory_internal.h"
#include "x509/signed.h"

struct ph_line ph_line_find(
    const struct ph_authority_list *list, enum ph_ca_role role, const char *tenant)
{
    struct ph_line line = {0};
    for (size_t i = 0; i < list->count; i++) {
        const struct ph_authority *authority = &list->items[i];
        if (authority->role != role || strcmp(authority->tenant, tenant) != 0) {
            continue;
        }
        const struct ph_authority **const places[] = {
            [PH_AUTHORITY_NEXT] = &line.next,
            [PH_AUTHORITY_ACTIVE] = &line.active,
            [PH_AUTHORITY_OLD] = &line.old,
            [PH_AUTHORITY_RETIRED] = &line.retired,
        };
        *places[authority->state] = authority;
        line.generations = authority->generation;
    }
    return line;
}

enum ph_err ph_line_left(struct ph_inventory *inventory, const struct ph_authority *authority,
    int64_t now_ms, int64_t *out, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(inventory->db,
        authority->role == PH_ROOT
            ? "SELECT count(*) FROM certificate WHERE issuer IN (SELECT name FROM authority"
              " WHERE issuer = ?1 AND role <> 'root' AND state <> 'retired')"
              " AND type <> 'authority' AND revoked_ms = 0 AND not_after_ms >= ?2"
            : "SELECT count(*) FROM certificate WHERE issuer = ?1"
              " AND type <> 'authority' AND revoked_ms = 0 AND not_after_ms >= ?2",
        &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, authority->name);
        ph_stmt_bind_int64(stmt, 2, now_ms);
        err = ph_inventory_number(stmt, out, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

/* `digest` NULL: whatever they hold. Devices of other CAs are not ours to roll over. */
static enum ph_err count_devices(struct ph_inventory *inventory, int64_t now_ms, const char *digest,
    int64_t *out, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(inventory->db,
        "SELECT count(*) FROM (SELECT DISTINCT tenant, kind, name FROM certificate"
        " WHERE type = 'device' AND issuer <> 'foreign' AND revoked_ms = 0"
        " AND not_before_ms <= ?1 AND not_after_ms >= ?1) d WHERE ?2 IS NULL OR EXISTS"
        " (SELECT 1 FROM device_state s WHERE s.tenant = d.tenant AND s.kind = d.kind"
        " AND s.name = d.name AND s.trust = ?2)",
        &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_int64(stmt, 1, now_ms);
        ph_stmt_bind_text(stmt, 2, digest);
        err = ph_inventory_number(stmt, out, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

enum ph_err ph_line_devices(struct ph_inventory *inventory, int64_t now_ms, int64_t *devices,
    int64_t *trusting, struct ph_error *error)
{
    struct ph_trust_bundle newest = {0};
    ph_buf_init(&newest.statement, PH_LIMIT_SIGNED_BYTES);
    enum ph_err err = ph_trust_bundle_newest(inventory, &newest, error);
    if (err == PH_OK) {
        err = count_devices(inventory, now_ms, NULL, devices, error);
    }
    if (err == PH_OK) {
        err = count_devices(
            inventory, now_ms, newest.number > 0 ? newest.digest : NULL, trusting, error);
    }
    ph_buf_fini(&newest.statement);
    return err;
}

enum ph_err ph_rollover_progress(struct ph_inventory *inventory, enum ph_ca_role role,
    const char *tenant, int64_t now_ms, struct ph_rollover_progress *out, struct ph_error *error)
{
    struct ph_authority_list list = {0};
    *out = (struct ph_rollover_progress){0};
    enum ph_err err = ph_authorities_list(inventory, &list, error);
    if (err != PH_OK) {
        return err;
    }
    struct ph_line line = ph_line_find(&list, role, tenant != NULL ? tenant : "");
    const struct ph_authority *from = line.old != NULL ? line.old : line.active;
    const struct ph_authority *to = line.old != NULL ? line.active : line.next;
    if (from == NULL) {
        err = ph_error_set(error, PH_ERR_NOT_FOUND, "%s%s%s: no such CA; ph-ca authority list",
            ph_ca_role_name(role), tenant != NULL ? " of " : "", tenant != NULL ? tenant : "");
    }
    if (err == PH_OK) {
        memcpy(out->from, from->name, sizeof out->from);
        err = ph_line_left(inventory, from, now_ms, &out->left, error);
    }
    if (err == PH_OK && to != NULL) {
        memcpy(out->to, to->name, sizeof out->to);
        out->to_state = to->state;
        err = ph_line_left(inventory, to, now_ms, &out->moved, error);
    }
    if (err == PH_OK) {
        err = ph_line_devices(inventory, now_ms, &out->devices, &out->devices_trust, error);
    }
    if (err == PH_OK) {
        err = ph_bundle_current(inventory, &out->bundle_current, error);
    }
    ph_authority_list_free(&list);
    return err;
}
