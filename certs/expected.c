#include <string.h>

#include "base/text.h"
#include "certs/claims.h"
#include "certs/inventory_internal.h"

#define SELECT                                                                                     \
    "SELECT tenant, kind, name, hardware, key_hash, state, who, why, made_ms FROM expected"

static const char *const states[] = {
    [PH_EXPECTED] = "expected",
    [PH_EXPECTED_ENROLLED] = "enrolled",
    [PH_EXPECTED_FORBIDDEN] = "forbidden",
};
enum { STATES = sizeof states / sizeof states[0] };

static enum ph_err read_expected(const struct ph_inventory *inventory, const struct ph_stmt *stmt,
    struct ph_expected *expected, struct ph_error *error)
{
    struct ph_row row = {.stmt = stmt};
    *expected = (struct ph_expected){0};
    struct ph_identity *identity = &expected->identity;
    ph_row_text(&row, 0, identity->tenant, sizeof identity->tenant);
    ph_row_text(&row, 1, identity->kind, sizeof identity->kind);
    ph_row_text(&row, 2, identity->device, sizeof identity->device);
    ph_row_text(&row, 3, expected->hardware, sizeof expected->hardware);
    ph_row_hex(&row, 4, expected->key_hash, sizeof expected->key_hash);
    expected->state = (enum ph_expected_state)ph_row_word(&row, 5, states, STATES);
    ph_row_text(&row, 6, expected->who, sizeof expected->who);
    ph_row_text(&row, 7, expected->why, sizeof expected->why);
    expected->made_ms = ph_row_int64(&row, 8, INT64_MIN);
    return ph_row_check(&row, inventory, "expected", error);
}

/* ---- finding ---- */

struct search {
    struct ph_expected expected;
    bool found;
};

static enum ph_err keep_expected(struct ph_inventory *inventory, const struct ph_stmt *stmt,
    void *context, struct ph_error *error)
{
    struct search *search = context;
    search->found = true;
    return read_expected(inventory, stmt, &search->expected, error);
}

/* By the texts ?1 and on, NULL behind the last; search->found says whether there is one. */
static enum ph_err look_up(struct ph_inventory *inventory, enum ph_kept kept, const char *sql,
    const char *const values[3], struct search *search, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_inventory_kept(inventory, kept, sql, &stmt, error);
    if (err != PH_OK) {
        return err;
    }
    for (int i = 0; i < 3 && values[i] != NULL; i++) {
        ph_stmt_bind_text(stmt, i + 1, values[i]);
    }
    search->found = false;
    return ph_inventory_rows(inventory, stmt, keep_expected, search, error);
}

static enum ph_err by_name(struct ph_inventory *inventory, const char *tenant, const char *kind,
    const char *name, struct search *search, struct ph_error *error)
{
    const char *const values[3] = {tenant, kind, name};
    return look_up(inventory, PH_KEPT_EXPECTED_FIND,
        SELECT " WHERE tenant = ?1 AND kind = ?2 AND name = ?3", values, search, error);
}

static enum ph_err by_key(struct ph_inventory *inventory, const char *key_hash,
    struct search *search, struct ph_error *error)
{
    const char *const values[3] = {key_hash};
    return look_up(inventory, PH_KEPT_EXPECTED_KEY,
        SELECT " WHERE key_hash = ?1 AND key_hash <> ''", values, search, error);
}

static enum ph_err by_hardware(struct ph_inventory *inventory, const char *tenant,
    const char *hardware, struct search *search, struct ph_error *error)
{
    const char *const values[3] = {tenant, hardware};
    return look_up(inventory, PH_KEPT_EXPECTED_HARDWARE,
        SELECT " WHERE tenant = ?1 AND hardware = ?2 AND hardware <> ''", values, search, error);
}

enum ph_err ph_expected_find(struct ph_inventory *inventory, const struct ph_identity *identity,
    struct ph_expected *out, struct ph_error *error)
{
    char printed[PH_IDENTITY_BYTES];
    struct search search = {0};
    enum ph_err err =
        by_name(inventory, identity->tenant, identity->kind, identity->device, &search, error);
    if (err == PH_OK && !search.found) {
        ph_identity_print(printed, sizeof printed, identity);
        err = ph_error_set(error, PH_ERR_NOT_FOUND, "%s: not expected; see ph-ca expect", printed);
    }
    if (err == PH_OK) {
        *out = search.expected;
    }
    return err;
}

/* ---- the entry that fits a request ---- */

/* Every mark that the entry has must be the request's too. */
static enum ph_err check_marks(const struct ph_expected *expected, const char *key_hash,
    const char *hardware, struct ph_error *error)
{
    char printed[PH_IDENTITY_BYTES];
    ph_identity_print(printed, sizeof printed, &expected->identity);
    if (expected->key_hash[0] != '\0' && strcmp(expected->key_hash, key_hash) != 0) {
        return ph_error_set(error, PH_ERR_NOT_FOUND,
            "%s: expected with another key: want %s, have %s", printed, expected->key_hash,
            key_hash);
    }
    if (expected->hardware[0] != '\0' && strcmp(expected->hardware, hardware) != 0) {
        return ph_error_set(error, PH_ERR_NOT_FOUND,
            "%s: expected with another hardware serial number: want %s, have %s", printed,
            expected->hardware, hardware[0] != '\0' ? hardware : "none");
    }
    return PH_OK;
}

enum ph_err ph_expected_match(struct ph_inventory *inventory, const char *tenant,
    const char *key_hash, const char *hardware, const char *kind, const char *name,
    struct ph_expected *out, struct ph_error *error)
{
    struct search search = {0};
    enum ph_err err = by_key(inventory, key_hash, &search, error);
    if (err == PH_OK && search.found && strcmp(search.expected.identity.tenant, tenant) != 0) {
        search.found = false; /* another tenant's: no business of this one */
    }
    if (err == PH_OK && !search.found && hardware != NULL) {
        err = by_hardware(inventory, tenant, hardware, &search, error);
    }
    if (err == PH_OK && !search.found && kind != NULL && name != NULL) {
        err = by_name(inventory, tenant, kind, name, &search, error);
    }
    if (err == PH_OK && !search.found) {
        err = ph_error_set(error, PH_ERR_NOT_FOUND,
            "tenant %s: no device is expected with key %s, hardware serial number %s or name %s",
            tenant, key_hash, hardware != NULL && hardware[0] != '\0' ? hardware : "(none)",
            name != NULL ? name : "(none)");
    }
    if (err == PH_OK) {
        err = check_marks(&search.expected, key_hash, hardware != NULL ? hardware : "", error);
    }
    if (err == PH_OK) {
        *out = search.expected;
    }
    return err;
}

/* ---- changing ---- */

static enum ph_err taken(const struct search *search, const struct ph_expected *expected,
    const char *mark, struct ph_error *error)
{
    char wanted[PH_IDENTITY_BYTES];
    char holder[PH_IDENTITY_BYTES];
    if (!search->found || ph_identity_equal(&search->expected.identity, &expected->identity)) {
        return PH_OK;
    }
    ph_identity_print(wanted, sizeof wanted, &expected->identity);
    ph_identity_print(holder, sizeof holder, &search->expected.identity);
    return ph_error_set(
        error, PH_ERR_EXISTS, "%s: %s: that is the mark of %s", wanted, mark, holder);
}

static enum ph_err check_free(
    struct ph_inventory *inventory, const struct ph_expected *expected, struct ph_error *error)
{
    const struct ph_identity *identity = &expected->identity;
    char printed[PH_IDENTITY_BYTES];
    struct search search = {0};
    if (!ph_row_is_hex(expected->key_hash)) {
        return ph_error_set(error, PH_ERR_USAGE,
            "key hash: want lower-case hexadecimal, have \"%s\"", expected->key_hash);
    }
    enum ph_err err =
        by_name(inventory, identity->tenant, identity->kind, identity->device, &search, error);
    if (err == PH_OK && search.found && search.expected.state == PH_EXPECTED_FORBIDDEN) {
        ph_identity_print(printed, sizeof printed, identity);
        err = ph_error_set(error, PH_ERR_DENIED,
            "%s: decommissioned, it may not enrol again; give the device another name", printed);
    }
    if (err == PH_OK) {
        err = by_key(inventory, expected->key_hash, &search, error);
    }
    if (err == PH_OK) {
        err = taken(&search, expected, "key", error);
    }
    if (err == PH_OK) {
        err = by_hardware(inventory, identity->tenant, expected->hardware, &search, error);
    }
    return err == PH_OK ? taken(&search, expected, "hardware serial number", error) : err;
}

static enum ph_err write_row(struct ph_inventory *inventory, const char *sql, enum ph_kept kept,
    const struct ph_expected *expected, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_inventory_kept(inventory, kept, sql, &stmt, error);
    if (err != PH_OK) {
        return err;
    }
    ph_stmt_bind_text(stmt, 1, expected->identity.tenant);
    ph_stmt_bind_text(stmt, 2, expected->identity.kind);
    ph_stmt_bind_text(stmt, 3, expected->identity.device);
    ph_row_bind_text(stmt, 4, expected->hardware, sizeof expected->hardware);
    ph_stmt_bind_text(stmt, 5, expected->key_hash);
    ph_stmt_bind_text(stmt, 6, states[expected->state]);
    ph_row_bind_text(stmt, 7, expected->who, sizeof expected->who);
    ph_row_bind_text(stmt, 8, expected->why, sizeof expected->why);
    ph_stmt_bind_int64(stmt, 9, expected->made_ms);
    return ph_stmt_run(stmt, error);
}

#define INSERT                                                                                     \
    "INSERT INTO expected (tenant, kind, name, hardware, key_hash, state, who, why, made_ms)"      \
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (tenant, kind, name) DO UPDATE SET "

enum ph_err ph_expected_put(
    struct ph_inventory *inventory, const struct ph_expected *expected, struct ph_error *error)
{
    enum ph_err err = check_free(inventory, expected, error);
    return err == PH_OK ? write_row(inventory,
                              INSERT "hardware = ?4, key_hash = ?5, state = ?6, who = ?7, why = ?8,"
                                     " made_ms = ?9",
                              PH_KEPT_EXPECTED_PUT, expected, error)
                        : err;
}

enum ph_err ph_expected_set(struct ph_inventory *inventory, const struct ph_identity *identity,
    enum ph_expected_state state, const char *who, const char *why, int64_t now_ms,
    struct ph_error *error)
{
    struct ph_expected expected = {.identity = *identity, .state = state, .made_ms = now_ms};
    ph_text_escape(expected.who, sizeof expected.who, who);
    ph_text_escape(expected.why, sizeof expected.why, why != NULL ? why : "");
    return write_row(inventory, INSERT "state = ?6, who = ?7, why = ?8, made_ms = ?9",
        PH_KEPT_EXPECTED_SET, &expected, error);
}

/* ---- all ---- */

struct visitor {
    ph_expected_visit *visit;
    void *context;
};

static enum ph_err visit_row(struct ph_inventory *inventory, const struct ph_stmt *stmt,
    void *context, struct ph_error *error)
{
    const struct visitor *visitor = context;
    struct ph_expected expected;
    enum ph_err err = read_expected(inventory, stmt, &expected, error);
    return err == PH_OK ? visitor->visit(&expected, visitor->context, error) : err;
}

enum ph_err ph_expected_each(
    struct ph_inventory *inventory, ph_expected_visit *visit, void *context, struct ph_error *error)
{
    struct visitor visitor = {visit, context};
    struct ph_stmt *stmt = NULL;
    enum ph_err err =
        ph_stmt_prepare(inventory->db, SELECT " ORDER BY tenant, kind, name", &stmt, error);
    if (err == PH_OK) {
        err = ph_inventory_rows(inventory, stmt, visit_row, &visitor, error);
    }
    ph_stmt_free(&stmt);
    return err;
}
