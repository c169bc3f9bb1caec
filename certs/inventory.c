#include "certs/inventory.h"

#include <stdlib.h>
#include <string.h>

#include "adapters/sqlite.h"
#include "base/text.h"

enum { APPLICATION_ID = 0x70686361, BUSY_MS = 5000 };

static const char *const schema[] = {
    "CREATE TABLE authority ("
    " name TEXT PRIMARY KEY,"
    " crl_number INTEGER NOT NULL,"
    " crl_days INTEGER NOT NULL) STRICT;"
    "CREATE TABLE certificate ("
    " serial TEXT PRIMARY KEY,"
    " issuer TEXT NOT NULL REFERENCES authority(name),"
    " type TEXT NOT NULL CHECK (type IN ('authority', 'device', 'broker', 'service')),"
    " tenant TEXT NOT NULL,"
    " kind TEXT NOT NULL,"
    " name TEXT NOT NULL,"
    " issued_ms INTEGER NOT NULL,"
    " not_before_ms INTEGER NOT NULL,"
    " not_after_ms INTEGER NOT NULL,"
    " fingerprint TEXT NOT NULL,"
    " revoked_ms INTEGER NOT NULL DEFAULT 0,"
    " reason INTEGER NOT NULL DEFAULT 0,"
    " der BLOB NOT NULL) STRICT;"
    "CREATE INDEX certificate_identity ON certificate(tenant, kind, name);"
    "CREATE INDEX certificate_revoked ON certificate(issuer) WHERE revoked_ms > 0;",
};
enum { SCHEMA_STEPS = sizeof schema / sizeof schema[0] };

#define COLUMNS                                                                                    \
    "serial, issuer, type, tenant, kind, name, issued_ms, not_before_ms, not_after_ms, "           \
    "fingerprint, revoked_ms, reason"

struct ph_inventory {
    struct ph_db *db;
    struct ph_stmt *add; /* kept: thousands are added in one run */
};

enum ph_err ph_inventory_open(
    const char *path, bool create, struct ph_inventory **out, struct ph_error *error)
{
    struct ph_inventory *inventory = calloc(1, sizeof *inventory);
    if (inventory == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
    }
    enum ph_err err =
        ph_db_open(path, create ? PH_DB_CREATE : PH_DB_WRITE, BUSY_MS, &inventory->db, error);
    if (err == PH_OK) {
        err = ph_db_migrate(inventory->db, APPLICATION_ID, schema, SCHEMA_STEPS, error);
    }
    if (err == PH_OK) {
        err = ph_stmt_prepare(inventory->db,
            "INSERT INTO certificate (" COLUMNS
            ", der) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            &inventory->add, error);
    }
    if (err == PH_OK) {
        *out = inventory;
        inventory = NULL;
    }
    ph_inventory_close(&inventory);
    return err;
}

void ph_inventory_close(struct ph_inventory **inventory)
{
    if (inventory != NULL && *inventory != NULL) {
        ph_stmt_free(&(*inventory)->add);
        ph_db_close(&(*inventory)->db);
        free(*inventory);
        *inventory = NULL;
    }
}

enum ph_err ph_inventory_begin(struct ph_inventory *inventory, struct ph_error *error)
{
    return ph_db_begin(inventory->db, error);
}

enum ph_err ph_inventory_commit(struct ph_inventory *inventory, struct ph_error *error)
{
    return ph_db_commit(inventory->db, error);
}

void ph_inventory_rollback(struct ph_inventory *inventory)
{
    ph_db_rollback(inventory->db);
}

enum ph_err ph_inventory_add(struct ph_inventory *inventory, const struct ph_inventory_entry *entry,
    const void *der, size_t der_len, struct ph_error *error)
{
    struct ph_stmt *add = inventory->add;
    ph_stmt_bind_text(add, 1, entry->serial);
    ph_stmt_bind_text(add, 2, entry->issuer);
    ph_stmt_bind_text(add, 3, entry->type);
    ph_stmt_bind_text(add, 4, entry->tenant);
    ph_stmt_bind_text(add, 5, entry->kind);
    ph_stmt_bind_text(add, 6, entry->name);
    ph_stmt_bind_int64(add, 7, entry->issued_ms);
    ph_stmt_bind_int64(add, 8, entry->not_before_ms);
    ph_stmt_bind_int64(add, 9, entry->not_after_ms);
    ph_stmt_bind_text(add, 10, entry->fingerprint);
    ph_stmt_bind_int64(add, 11, entry->revoked_ms);
    ph_stmt_bind_int64(add, 12, entry->reason);
    ph_stmt_bind_bytes(add, 13, der, der_len);
    return ph_stmt_run(add, error);
}

/* Runs "... WHERE serial = ?1" or the like without a result. */
static enum ph_err run_on_serial(
    struct ph_inventory *inventory, const char *sql, const char *serial, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(inventory->db, sql, &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, serial);
        err = ph_stmt_run(stmt, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

enum ph_err ph_inventory_remove(
    struct ph_inventory *inventory, const char *serial, struct ph_error *error)
{
    return run_on_serial(inventory, "DELETE FROM certificate WHERE serial = ?1", serial, error);
}

static bool copy_column(char *out, size_t size, const struct ph_stmt *stmt, int column)
{
    const char *text = ph_stmt_text(stmt, column);
    return text != NULL && ph_text_copy(out, size, text);
}

static enum ph_err read_entry(const struct ph_inventory *inventory, const struct ph_stmt *stmt,
    struct ph_inventory_entry *entry, struct ph_error *error)
{
    *entry = (struct ph_inventory_entry){
        .issued_ms = ph_stmt_int64(stmt, 6),
        .not_before_ms = ph_stmt_int64(stmt, 7),
        .not_after_ms = ph_stmt_int64(stmt, 8),
        .revoked_ms = ph_stmt_int64(stmt, 10),
        .reason = (int)ph_stmt_int64(stmt, 11),
    };
    bool ok = copy_column(entry->serial, sizeof entry->serial, stmt, 0) &&
              copy_column(entry->issuer, sizeof entry->issuer, stmt, 1) &&
              copy_column(entry->type, sizeof entry->type, stmt, 2) &&
              copy_column(entry->tenant, sizeof entry->tenant, stmt, 3) &&
              copy_column(entry->kind, sizeof entry->kind, stmt, 4) &&
              copy_column(entry->name, sizeof entry->name, stmt, 5) &&
              copy_column(entry->fingerprint, sizeof entry->fingerprint, stmt, 9);
    return ok ? PH_OK
              : ph_error_set(error, PH_ERR_INPUT, "%s: a row breaks the inventory's format",
                    ph_db_path(inventory->db));
}

static enum ph_err visit_all(struct ph_inventory *inventory, struct ph_stmt *stmt,
    ph_inventory_visit *visit, void *context, struct ph_error *error)
{
    struct ph_inventory_entry entry;
    bool row = true;
    enum ph_err err = PH_OK;
    while (err == PH_OK) {
        err = ph_stmt_step(stmt, &row, error);
        if (err != PH_OK || !row) {
            break;
        }
        err = read_entry(inventory, stmt, &entry, error);
        if (err == PH_OK) {
            err = visit(&entry, context, error);
        }
    }
    return err;
}

enum ph_err ph_inventory_each(struct ph_inventory *inventory, ph_inventory_visit *visit,
    void *context, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(
        inventory->db, "SELECT " COLUMNS " FROM certificate ORDER BY rowid", &stmt, error);
    if (err == PH_OK) {
        err = visit_all(inventory, stmt, visit, context, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

enum ph_err ph_inventory_each_revoked(struct ph_inventory *inventory, const char *issuer,
    int64_t expired_ms, ph_inventory_visit *visit, void *context, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(inventory->db,
        "SELECT " COLUMNS
        " FROM certificate WHERE issuer = ?1 AND revoked_ms > 0 AND not_after_ms >= ?2",
        &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, issuer);
        ph_stmt_bind_int64(stmt, 2, expired_ms);
        err = visit_all(inventory, stmt, visit, context, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

static enum ph_err copy_entry(
    const struct ph_inventory_entry *entry, void *context, struct ph_error *error)
{
    (void)error;
    struct ph_inventory_entry *out = context;
    *out = *entry;
    return PH_OK;
}

enum ph_err ph_inventory_find(struct ph_inventory *inventory, const char *serial,
    struct ph_inventory_entry *out, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    struct ph_inventory_entry entry = {0};
    enum ph_err err = ph_stmt_prepare(
        inventory->db, "SELECT " COLUMNS " FROM certificate WHERE serial = ?1", &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, serial);
        err = visit_all(inventory, stmt, copy_entry, &entry, error);
    }
    ph_stmt_free(&stmt);
    if (err == PH_OK && entry.serial[0] == '\0') {
        err = ph_error_set(error, PH_ERR_NOT_FOUND,
            "serial number %s: not in the inventory %s; ph-ca list shows what is", serial,
            ph_db_path(inventory->db));
    }
    if (err == PH_OK) {
        *out = entry;
    }
    return err;
}

/* Steps a statement that yields one number. */
static enum ph_err take_int64(struct ph_stmt *stmt, int64_t *out, struct ph_error *error)
{
    bool row = false;
    enum ph_err err = ph_stmt_step(stmt, &row, error);
    if (err == PH_OK) {
        *out = row ? ph_stmt_int64(stmt, 0) : 0;
        ph_stmt_reset(stmt);
    }
    return err;
}

#define COUNT  "SELECT count(*) FROM certificate WHERE "
#define REVOKE "UPDATE certificate SET revoked_ms = ?4, reason = ?5 WHERE revoked_ms = 0 AND "

/* `sql` counts and marks; both select their certificates by `values`, which are ?1 and on. */
static enum ph_err revoke(struct ph_inventory *inventory, const char *const sql[2],
    const char *const values[3], struct ph_inventory_revocation *revocation, struct ph_error *error)
{
    struct ph_stmt *count = NULL;
    struct ph_stmt *mark = NULL;
    enum ph_err err = ph_stmt_prepare(inventory->db, sql[0], &count, error);
    if (err == PH_OK) {
        err = ph_stmt_prepare(inventory->db, sql[1], &mark, error);
    }
    for (int i = 0; err == PH_OK && i < 3 && values[i] != NULL; i++) {
        ph_stmt_bind_text(count, i + 1, values[i]);
        ph_stmt_bind_text(mark, i + 1, values[i]);
    }
    if (err == PH_OK) {
        err = take_int64(count, &revocation->known, error);
    }
    if (err == PH_OK) {
        ph_stmt_bind_int64(mark, 4, revocation->now_ms);
        ph_stmt_bind_int64(mark, 5, revocation->reason);
        err = ph_stmt_run(mark, error);
    }
    if (err == PH_OK) {
        revocation->changed = ph_db_changes(inventory->db);
    }
    ph_stmt_free(&count);
    ph_stmt_free(&mark);
    return err;
}

enum ph_err ph_inventory_revoke_identity(struct ph_inventory *inventory,
    const struct ph_identity *identity, struct ph_inventory_revocation *revocation,
    struct ph_error *error)
{
    static const char *const sql[2] = {COUNT "tenant = ?1 AND kind = ?2 AND name = ?3",
        REVOKE "tenant = ?1 AND kind = ?2 AND name = ?3"};
    const char *const values[3] = {identity->tenant, identity->kind, identity->device};
    return revoke(inventory, sql, values, revocation, error);
}

enum ph_err ph_inventory_revoke_serial(struct ph_inventory *inventory, const char *serial,
    struct ph_inventory_revocation *revocation, struct ph_error *error)
{
    static const char *const sql[2] = {COUNT "serial = ?1", REVOKE "serial = ?1"};
    const char *const values[3] = {serial, NULL, NULL};
    return revoke(inventory, sql, values, revocation, error);
}

enum ph_err ph_inventory_authority_serial(struct ph_inventory *inventory, const char *name,
    char out[PH_SERIAL_BYTES], struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    struct ph_inventory_entry entry = {0};
    enum ph_err err = ph_stmt_prepare(inventory->db,
        "SELECT " COLUMNS " FROM certificate WHERE type = 'authority' AND name = ?1", &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, name);
        err = visit_all(inventory, stmt, copy_entry, &entry, error);
    }
    ph_stmt_free(&stmt);
    if (err == PH_OK && entry.serial[0] == '\0') {
        err = ph_error_set(error, PH_ERR_NOT_FOUND, "authority %s: not in the inventory %s", name,
            ph_db_path(inventory->db));
    }
    if (err == PH_OK) {
        memcpy(out, entry.serial, PH_SERIAL_BYTES);
    }
    return err;
}

enum ph_err ph_inventory_crl_get(struct ph_inventory *inventory, const char *authority,
    struct ph_inventory_crl *out, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    enum ph_err err = ph_stmt_prepare(
        inventory->db, "SELECT crl_number, crl_days FROM authority WHERE name = ?1", &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, authority);
        err = ph_stmt_step(stmt, &row, error);
    }
    if (err == PH_OK && row) {
        *out = (struct ph_inventory_crl){
            .number = ph_stmt_int64(stmt, 0), .days = ph_stmt_int64(stmt, 1)};
    } else if (err == PH_OK) {
        err = ph_error_set(error, PH_ERR_NOT_FOUND, "authority %s: not in the inventory %s",
            authority, ph_db_path(inventory->db));
    }
    ph_stmt_free(&stmt);
    return err;
}

enum ph_err ph_inventory_crl_set(struct ph_inventory *inventory, const char *authority,
    const struct ph_inventory_crl *crl, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(inventory->db,
        "INSERT INTO authority (name, crl_number, crl_days) VALUES (?1, ?2, ?3)"
        " ON CONFLICT (name) DO UPDATE SET crl_number = ?2, crl_days = ?3",
        &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, authority);
        ph_stmt_bind_int64(stmt, 2, crl->number);
        ph_stmt_bind_int64(stmt, 3, crl->days);
        err = ph_stmt_run(stmt, error);
    }
    ph_stmt_free(&stmt);
    return err;
}
