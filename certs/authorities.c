#include "certs/authorities.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "certs/inventory_internal.h"

enum { GENERATION_MAX = 99999 };

static const char *const roles[PH_CA_ROLE_COUNT] = {
    [PH_ROOT] = "root",
    [PH_DEVICES] = "devices",
    [PH_BROKERS] = "brokers",
    [PH_SERVICES] = "services",
    [PH_CLAIMS] = "claims",
};

enum { STATE_COUNT = PH_AUTHORITY_RETIRED + 1 };

static const char *const states[STATE_COUNT] = {
    [PH_AUTHORITY_NEXT] = "next",
    [PH_AUTHORITY_ACTIVE] = "active",
    [PH_AUTHORITY_OLD] = "old",
    [PH_AUTHORITY_RETIRED] = "retired",
};

/* ---- words ---- */

const char *ph_ca_role_name(enum ph_ca_role role)
{
    return roles[role];
}

bool ph_ca_role_parse(const char *name, enum ph_ca_role *role)
{
    for (enum ph_ca_role i = PH_ROOT; i < PH_CA_ROLE_COUNT; i++) {
        if (strcmp(roles[i], name) == 0) {
            *role = i;
            return true;
        }
    }
    return false;
}

const char *ph_authority_state_name(enum ph_authority_state state)
{
    return states[state];
}

void ph_authority_name_print(
    char out[PH_AUTHORITY_BYTES], enum ph_ca_role role, int generation, const char *tenant)
{
    char number[16] = "";
    if (generation > 1) {
        (void)snprintf(number, sizeof number, "-%d", generation);
    }
    (void)snprintf(out, PH_AUTHORITY_BYTES, "%s%s%s%s", roles[role], number,
        tenant[0] != '\0' ? "@" : "", tenant);
}

enum ph_err ph_authority_path(
    char *out, const char *dir, const char *name, const char *file, struct ph_error *error)
{
    char folder[PATH_MAX];
    enum ph_err err = ph_path_join(folder, sizeof folder, dir, name, error);
    return err == PH_OK ? ph_path_join(out, PATH_MAX, folder, file, error) : err;
}

/* ---- reading ---- */

#define SELECT                                                                                     \
    "SELECT a.name, a.role, a.tenant, a.generation, a.state, a.issuer, a.serial,"                  \
    " coalesce(c.not_after_ms, 0), coalesce(c.revoked_ms, 0)"                                      \
    " FROM authority a LEFT JOIN certificate c ON c.serial = a.serial WHERE a.role <> 'foreign'"

static enum ph_err read_row(struct ph_inventory *inventory, const struct ph_stmt *stmt,
    struct ph_authority *out, struct ph_error *error)
{
    struct ph_row row = {.stmt = stmt};
    *out = (struct ph_authority){
        .role = (enum ph_ca_role)ph_row_word(&row, 1, roles, PH_CA_ROLE_COUNT),
        .generation = (int)ph_row_int64(&row, 3, 1),
        .state = (enum ph_authority_state)ph_row_word(&row, 4, states, STATE_COUNT),
        .not_after_ms = ph_row_int64(&row, 7, 0),
        .revoked = ph_row_int64(&row, 8, 0) != 0,
    };
    ph_row_text(&row, 0, out->name, sizeof out->name);
    ph_row_text(&row, 2, out->tenant, sizeof out->tenant);
    ph_row_text(&row, 5, out->issuer, sizeof out->issuer);
    ph_row_hex(&row, 6, out->serial, sizeof out->serial);
    /* The name becomes a folder's: it must be the one that follows from the other columns. */
    char name[PH_AUTHORITY_BYTES];
    char tenant[PH_SEGMENT_BYTES];
    ph_authority_name_print(name, out->role, out->generation, out->tenant);
    row.bad = row.bad || strcmp(name, out->name) != 0 || out->generation > GENERATION_MAX ||
              (out->tenant[0] != '\0' && ph_segment_set(tenant, "tenant", out->tenant,
                                             strlen(out->tenant), NULL) != PH_OK);
    return ph_row_check(&row, inventory, "authority", error);
}

struct visit {
    ph_authority_visit *visit;
    void *context;
};

static enum ph_err visit_row(struct ph_inventory *inventory, const struct ph_stmt *stmt,
    void *context, struct ph_error *error)
{
    const struct visit *to = context;
    struct ph_authority authority;
    enum ph_err err = read_row(inventory, stmt, &authority, error);
    return err == PH_OK ? to->visit(&authority, to->context, error) : err;
}

enum ph_err ph_authorities_each(struct ph_inventory *inventory, ph_authority_visit *visit,
    void *context, struct ph_error *error)
{
    struct visit to = {.visit = visit, .context = context};
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(inventory->db,
        SELECT
        " ORDER BY CASE a.role WHEN 'root' THEN 0 WHEN 'devices' THEN 1 WHEN 'brokers' THEN 2"
        " WHEN 'services' THEN 3 ELSE 4 END, a.tenant, a.generation",
        &stmt, error);
    if (err == PH_OK) {
        err = ph_inventory_rows(inventory, stmt, visit_row, &to, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

static enum ph_err append(
    const struct ph_authority *authority, void *context, struct ph_error *error)
{
    struct ph_authority_list *list = context;
    struct ph_authority *more = realloc(list->items, (list->count + 1) * sizeof *more);
    if (more == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "authorities: out of memory");
    }
    list->items = more;
    list->items[list->count++] = *authority;
    return PH_OK;
}

enum ph_err ph_authorities_list(
    struct ph_inventory *inventory, struct ph_authority_list *out, struct ph_error *error)
{
    *out = (struct ph_authority_list){0};
    enum ph_err err = ph_authorities_each(inventory, append, out, error);
    if (err != PH_OK) {
        ph_authority_list_free(out);
    }
    return err;
}

void ph_authority_list_free(struct ph_authority_list *list)
{
    free(list->items);
    *list = (struct ph_authority_list){0};
}

static enum ph_err take_row(struct ph_inventory *inventory, const struct ph_stmt *stmt,
    void *context, struct ph_error *error)
{
    return read_row(inventory, stmt, context, error);
}

/* `sql` yields one row or none, by the texts ?1 and ?2; `out->name` is then "". */
static enum ph_err select_one(struct ph_inventory *inventory, const char *sql, const char *first,
    const char *second, struct ph_authority *out, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    *out = (struct ph_authority){0};
    enum ph_err err = ph_stmt_prepare(inventory->db, sql, &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, first);
        if (second != NULL) {
            ph_stmt_bind_text(stmt, 2, second);
        }
        err = ph_inventory_rows(inventory, stmt, take_row, out, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

enum ph_err ph_authority_find(struct ph_inventory *inventory, const char *name,
    struct ph_authority *out, struct ph_error *error)
{
    enum ph_err err = select_one(inventory, SELECT " AND a.name = ?1", name, NULL, out, error);
    return err != PH_OK || out->name[0] != '\0'
               ? err
               : ph_error_set(error, PH_ERR_NOT_FOUND,
                     "authority %s: not in the inventory %s; ph-ca authority list shows what is",
                     name, ph_db_path(inventory->db));
}

/* Name constraints are compared without case (RFC 5280 7.1): the CA of one could vouch for the
 * other. */
static enum ph_err check_case(
    struct ph_inventory *inventory, const char *tenant, struct ph_error *error)
{
    struct ph_authority other;
    enum ph_err err = select_one(inventory,
        SELECT " AND a.tenant = ?1 COLLATE NOCASE AND a.tenant <> ?1 AND a.state <> 'retired'"
               " LIMIT 1",
        tenant, NULL, &other, error);
    return err != PH_OK || other.name[0] == '\0'
               ? err
               : ph_error_set(error, PH_ERR_DENIED,
                     "tenant %s: tenant %s has a CA of its own, and in X.509 the two names are "
                     "the same: use another name",
                     tenant, other.tenant);
}

enum ph_err ph_authority_active(struct ph_inventory *inventory, enum ph_ca_role role,
    const char *tenant, struct ph_authority *out, struct ph_error *error)
{
    enum ph_err err = tenant != NULL ? check_case(inventory, tenant, error) : PH_OK;
    if (err == PH_OK) {
        err = select_one(inventory,
            SELECT " AND a.role = ?1 AND a.state = 'active' AND a.tenant IN ('', ?2)"
                   " ORDER BY a.tenant DESC LIMIT 1",
            roles[role], tenant != NULL ? tenant : "", out, error);
    }
    return err != PH_OK || out->name[0] != '\0'
               ? err
               : ph_error_set(error, PH_ERR_NOT_FOUND,
                     "%s: no CA issues for it: make one with ph-ca authority add", roles[role]);
}

enum ph_err ph_authorities_version(
    struct ph_inventory *inventory, int64_t *out, struct ph_error *error)
{
    return ph_setting_int64(inventory, "authorities", out, error);
}

/* ---- changes ---- */

enum ph_err ph_authority_put(struct ph_inventory *inventory, const struct ph_authority *authority,
    int64_t crl_days, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(inventory->db,
        "INSERT INTO authority (name, role, tenant, generation, state, issuer, serial, crl_days)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, authority->name);
        ph_stmt_bind_text(stmt, 2, roles[authority->role]);
        ph_stmt_bind_text(stmt, 3, authority->tenant);
        ph_stmt_bind_int64(stmt, 4, authority->generation);
        ph_stmt_bind_text(stmt, 5, states[authority->state]);
        ph_stmt_bind_text(stmt, 6, authority->issuer);
        ph_stmt_bind_text(stmt, 7, authority->serial);
        ph_stmt_bind_int64(stmt, 8, crl_days);
        err = ph_stmt_run(stmt, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

enum ph_err ph_authority_set_state(struct ph_inventory *inventory, const char *name,
    enum ph_authority_state state, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(
        inventory->db, "UPDATE authority SET state = ?2 WHERE name = ?1", &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, name);
        ph_stmt_bind_text(stmt, 2, states[state]);
        err = ph_stmt_run(stmt, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

enum ph_err ph_authority_set_crl_days(
    struct ph_inventory *inventory, const char *name, int64_t crl_days, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(
        inventory->db, "UPDATE authority SET crl_days = ?2 WHERE name = ?1", &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, name);
        ph_stmt_bind_int64(stmt, 2, crl_days);
        err = ph_stmt_run(stmt, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

enum ph_err ph_authority_check_tenant(
    struct ph_inventory *inventory, const char *tenant, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    int64_t others = 0;
    enum ph_err err = check_case(inventory, tenant, error);
    if (err == PH_OK) {
        err = ph_stmt_prepare(inventory->db,
            "SELECT count(*) FROM certificate WHERE tenant = ?1 COLLATE NOCASE AND tenant <> ?1",
            &stmt, error);
    }
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, tenant);
        err = ph_inventory_number(stmt, &others, error);
    }
    if (err == PH_OK && others > 0) {
        err = ph_error_set(error, PH_ERR_DENIED,
            "tenant %s: %lld certificates are of a tenant whose name differs in case alone, and in "
            "X.509 the two are the same: it cannot have a CA of its own",
            tenant, (long long)others);
    }
    ph_stmt_free(&stmt);
    return err;
}
