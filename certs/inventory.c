#include "certs/inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "certs/inventory_internal.h"

enum { BUSY_MS = 5000, READER_BUSY_MS = 1000 };

/* A bulk issue touches the indexes all over: 64 MB hold those of a hundred thousand certificates,
 * and pages are carried over from the write-ahead log every 32 MB, not after each of its commits.
 */
static const char for_bulk[] = "PRAGMA cache_size=-65536; PRAGMA wal_autocheckpoint=8192";

static enum ph_err open_as(const char *path, enum ph_db_mode mode, int busy_ms,
    struct ph_inventory **out, struct ph_error *error)
{
    struct ph_inventory *inventory = calloc(1, sizeof *inventory);
    if (inventory == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
    }
    enum ph_err err = ph_db_open(path, mode, busy_ms, &inventory->db, error);
    if (err == PH_OK) {
        err = ph_inventory_upgrade(inventory->db, error);
    }
    if (err == PH_OK && mode != PH_DB_READ) {
        err = ph_db_exec(inventory->db, for_bulk, error);
    }
    if (err == PH_OK) {
        *out = inventory;
        inventory = NULL;
    }
    ph_inventory_close(&inventory);
    return err;
}

enum ph_err ph_inventory_open(
    const char *path, bool create, struct ph_inventory **out, struct ph_error *error)
{
    return open_as(path, create ? PH_DB_CREATE : PH_DB_WRITE, BUSY_MS, out, error);
}

enum ph_err ph_inventory_open_reader(
    const char *path, struct ph_inventory **out, struct ph_error *error)
{
    return open_as(path, PH_DB_READ, READER_BUSY_MS, out, error);
}

void ph_inventory_close(struct ph_inventory **inventory)
{
    if (inventory != NULL && *inventory != NULL) {
        for (int i = 0; i < PH_KEPT_COUNT; i++) {
            ph_stmt_free(&(*inventory)->kept[i]);
        }
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

/* ---- for the other files ---- */

enum ph_err ph_inventory_kept(struct ph_inventory *inventory, enum ph_kept kept, const char *sql,
    struct ph_stmt **out, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    if (inventory->kept[kept] == NULL) {
        err = ph_stmt_prepare(inventory->db, sql, &inventory->kept[kept], error);
    }
    *out = inventory->kept[kept];
    return err;
}

void ph_row_text(struct ph_row *row, int column, char *out, size_t size)
{
    size_t len = 0;
    const void *bytes = ph_stmt_bytes(row->stmt, column, &len);
    out[0] = '\0';
    if (ph_stmt_column_type(row->stmt, column) != PH_COLUMN_TEXT || len >= size ||
        !ph_text_clean(bytes, len)) {
        row->bad = true;
    } else if (len > 0) {
        memcpy(out, bytes, len);
        out[len] = '\0';
    }
}

bool ph_row_is_hex(const char *text)
{
    return text[strspn(text, "0123456789abcdef")] == '\0';
}

void ph_row_hex(struct ph_row *row, int column, char *out, size_t size)
{
    ph_row_text(row, column, out, size);
    if (!ph_row_is_hex(out)) {
        row->bad = true;
        out[0] = '\0';
    }
}

int64_t ph_row_int64(struct ph_row *row, int column, int64_t min)
{
    int64_t value = ph_stmt_int64(row->stmt, column);
    if (ph_stmt_column_type(row->stmt, column) == PH_COLUMN_INTEGER && value >= min) {
        return value;
    }
    row->bad = true;
    return min;
}

int ph_row_word(struct ph_row *row, int column, const char *const *words, int count)
{
    const char *text = ph_stmt_text(row->stmt, column);
    for (int i = 0; text != NULL && i < count; i++) {
        if (strcmp(text, words[i]) == 0) {
            return i;
        }
    }
    row->bad = true;
    return 0;
}

void ph_row_bind_text(struct ph_stmt *stmt, int index, const char *text, size_t size)
{
    char clean[PH_WHY_BYTES];
    ph_text_escape(clean, size < sizeof clean ? size : sizeof clean, text);
    ph_stmt_bind_text(stmt, index, clean);
}

enum ph_err ph_row_check(const struct ph_row *row, const struct ph_inventory *inventory,
    const char *table, struct ph_error *error)
{
    return !row->bad ? PH_OK
                     : ph_error_set(error, PH_ERR_INPUT,
                           "%s: a row of table %s breaks the inventory's format: it was damaged or "
                           "edited; restore it from a backup",
                           ph_db_path(inventory->db), table);
}

enum ph_err ph_inventory_rows(struct ph_inventory *inventory, struct ph_stmt *stmt,
    ph_row_read *read, void *context, struct ph_error *error)
{
    bool row = false;
    enum ph_err err = ph_stmt_step(stmt, &row, error);
    while (err == PH_OK && row) {
        err = read(inventory, stmt, context, error);
        if (err == PH_OK) {
            err = ph_stmt_step(stmt, &row, error);
        }
    }
    ph_stmt_reset(stmt);
    return err;
}

enum ph_err ph_inventory_number(struct ph_stmt *stmt, int64_t *out, struct ph_error *error)
{
    bool row = false;
    enum ph_err err = ph_stmt_step(stmt, &row, error);
    if (err == PH_OK) {
        *out = row ? ph_stmt_int64(stmt, 0) : 0;
        ph_stmt_reset(stmt);
    }
    return err;
}

/* ---- settings ---- */

enum ph_err ph_setting_text(
    struct ph_inventory *inventory, const char *key, char *out, size_t size, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool found = false;
    enum ph_err err = ph_inventory_kept(
        inventory, PH_KEPT_SETTING, "SELECT value FROM setting WHERE key = ?1", &stmt, error);
    if (err != PH_OK) {
        return err;
    }
    ph_stmt_bind_text(stmt, 1, key);
    err = ph_stmt_step(stmt, &found, error);
    if (err == PH_OK && found) {
        struct ph_row row = {.stmt = stmt};
        ph_row_text(&row, 0, out, size);
        err = ph_row_check(&row, inventory, "setting", error);
    } else if (err == PH_OK) {
        err = ph_error_set(error, PH_ERR_NOT_FOUND, "setting %s: not in the inventory %s", key,
            ph_db_path(inventory->db));
    }
    ph_stmt_reset(stmt);
    return err;
}

enum ph_err ph_setting_int64(
    struct ph_inventory *inventory, const char *key, int64_t *out, struct ph_error *error)
{
    char text[24];
    enum ph_err err = ph_setting_text(inventory, key, text, sizeof text, error);
    if (err == PH_OK && !ph_text_to_int64(text, INT64_MIN, INT64_MAX, out)) {
        err = ph_error_set(error, PH_ERR_INPUT, "%s: setting %s: want a number, have \"%s\"",
            ph_db_path(inventory->db), key, text);
    }
    return err;
}

enum ph_err ph_setting_put_text(
    struct ph_inventory *inventory, const char *key, const char *value, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(inventory->db,
        "INSERT INTO setting (key, value) VALUES (?1, ?2)"
        " ON CONFLICT (key) DO UPDATE SET value = ?2",
        &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, key);
        ph_stmt_bind_text(stmt, 2, value);
        err = ph_stmt_run(stmt, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

enum ph_err ph_setting_put_int64(
    struct ph_inventory *inventory, const char *key, int64_t value, struct ph_error *error)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)value);
    return ph_setting_put_text(inventory, key, text, error);
}

/* ---- certificates ---- */

/* What could be written and not be read again is not written. */
static bool fits(const struct ph_inventory_entry *entry)
{
    return entry->serial[0] != '\0' && ph_row_is_hex(entry->serial) &&
           ph_row_is_hex(entry->fingerprint) && ph_row_is_hex(entry->key_hash) &&
           ph_row_is_hex(entry->lineage) && ph_row_is_hex(entry->predecessor) &&
           ph_text_clean(entry->name, strlen(entry->name)) && entry->reason >= 0 &&
           entry->reason <= PH_REASON_LAST;
}

static void bind_origin(struct ph_stmt *add, const struct ph_inventory_entry *entry)
{
    ph_stmt_bind_text(add, 13, entry->key_hash);
    ph_stmt_bind_text(add, 14, entry->lineage[0] != '\0' ? entry->lineage : entry->serial);
    ph_stmt_bind_text(add, 15, entry->predecessor);
    ph_stmt_bind_text(add, 16, entry->origin[0] != '\0' ? entry->origin : "issued");
    ph_stmt_bind_text(add, 17, entry->claim);
    ph_row_bind_text(add, 18, entry->approved_by, sizeof entry->approved_by);
    ph_row_bind_text(add, 19, entry->why, sizeof entry->why);
    ph_stmt_bind_int64(add, 20, entry->confirmed_ms);
}

enum ph_err ph_inventory_add(struct ph_inventory *inventory, const struct ph_inventory_entry *entry,
    const void *der, size_t der_len, struct ph_error *error)
{
    struct ph_stmt *add = NULL;
    if (!fits(entry)) {
        return ph_error_set(error, PH_ERR_INPUT,
            "serial number %s: its facts break the inventory's format", entry->serial);
    }
    enum ph_err err = ph_inventory_kept(inventory, PH_KEPT_ADD,
        "INSERT INTO certificate (serial, issuer, type, tenant, kind, name, issued_ms,"
        " not_before_ms, not_after_ms, fingerprint, revoked_ms, reason, key_hash, lineage,"
        " predecessor, origin, claim, approved_by, why, confirmed_ms, der) VALUES (?1, ?2, ?3, ?4,"
        " ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
        &add, error);
    if (err != PH_OK) {
        return err;
    }
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
    bind_origin(add, entry);
    ph_stmt_bind_bytes(add, 21, der, der_len);
    return ph_stmt_run(add, error);
}

enum ph_err ph_inventory_remove(
    struct ph_inventory *inventory, const char *serial, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_inventory_kept(
        inventory, PH_KEPT_REMOVE, "DELETE FROM certificate WHERE serial = ?1", &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, serial);
        err = ph_stmt_run(stmt, error);
    }
    return err;
}

/* ---- CRLs ---- */

static enum ph_err unknown_authority(
    const struct ph_inventory *inventory, const char *name, struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_NOT_FOUND, "authority %s: not in the inventory %s", name,
        ph_db_path(inventory->db));
}

/* Steps a statement about one authority to its only row; the caller resets it. */
static enum ph_err authority_row(struct ph_inventory *inventory, const char *sql, const char *name,
    struct ph_stmt **out, struct ph_error *error)
{
    bool row = false;
    enum ph_err err = ph_stmt_prepare(inventory->db, sql, out, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(*out, 1, name);
        err = ph_stmt_step(*out, &row, error);
    }
    return err == PH_OK && !row ? unknown_authority(inventory, name, error) : err;
}

enum ph_err ph_inventory_crl_get(struct ph_inventory *inventory, const char *authority,
    struct ph_inventory_crl *out, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = authority_row(inventory,
        "SELECT crl_number, crl_signed_ms, crl_days FROM authority WHERE name = ?1", authority,
        &stmt, error);
    if (err == PH_OK) {
        struct ph_row row = {.stmt = stmt};
        out->number = ph_row_int64(&row, 0, 0);
        out->signed_ms = ph_row_int64(&row, 1, 0);
        out->days = ph_row_int64(&row, 2, 0);
        err = ph_row_check(&row, inventory, "authority", error);
    }
    ph_stmt_free(&stmt);
    return err;
}

enum ph_err ph_inventory_crl_set(struct ph_inventory *inventory, const char *authority,
    const struct ph_inventory_crl *crl, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(inventory->db,
        "UPDATE authority SET crl_number = ?2, crl_signed_ms = ?3, crl_days = ?4, crl_due = 0"
        " WHERE name = ?1",
        &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, authority);
        ph_stmt_bind_int64(stmt, 2, crl->number);
        ph_stmt_bind_int64(stmt, 3, crl->signed_ms);
        ph_stmt_bind_int64(stmt, 4, crl->days);
        err = ph_stmt_run(stmt, error);
    }
    if (err == PH_OK && ph_db_changes(inventory->db) == 0) {
        err = unknown_authority(inventory, authority, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

enum ph_err ph_inventory_crl_due(
    struct ph_inventory *inventory, const char *authority, bool *due, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = authority_row(
        inventory, "SELECT crl_due FROM authority WHERE name = ?1", authority, &stmt, error);
    if (err == PH_OK) {
        *due = ph_stmt_int64(stmt, 0) != 0;
    }
    ph_stmt_free(&stmt);
    return err;
}
