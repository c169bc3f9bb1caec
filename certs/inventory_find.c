#include <string.h>

#include "certs/inventory_internal.h"

#define COLUMNS                                                                                    \
    "serial, issuer, type, tenant, kind, name, issued_ms, not_before_ms, not_after_ms, "           \
    "fingerprint, revoked_ms, reason, key_hash, lineage, predecessor, origin, claim, "             \
    "approved_by, why, confirmed_ms"
#define SELECT "SELECT " COLUMNS " FROM certificate WHERE "
#define NEWEST " ORDER BY rowid DESC LIMIT 1"

static void read_origin(struct ph_row *row, struct ph_inventory_entry *entry)
{
    ph_row_hex(row, 12, entry->key_hash, sizeof entry->key_hash);
    ph_row_hex(row, 13, entry->lineage, sizeof entry->lineage);
    ph_row_hex(row, 14, entry->predecessor, sizeof entry->predecessor);
    ph_row_text(row, 15, entry->origin, sizeof entry->origin);
    ph_row_text(row, 16, entry->claim, sizeof entry->claim);
    ph_row_text(row, 17, entry->approved_by, sizeof entry->approved_by);
    ph_row_text(row, 18, entry->why, sizeof entry->why);
    entry->confirmed_ms = ph_row_int64(row, 19, 0);
}

static enum ph_err read_entry(const struct ph_inventory *inventory, const struct ph_stmt *stmt,
    struct ph_inventory_entry *entry, struct ph_error *error)
{
    struct ph_row row = {.stmt = stmt};
    *entry = (struct ph_inventory_entry){0};
    ph_row_hex(&row, 0, entry->serial, sizeof entry->serial);
    ph_row_text(&row, 1, entry->issuer, sizeof entry->issuer);
    ph_row_text(&row, 2, entry->type, sizeof entry->type);
    ph_row_text(&row, 3, entry->tenant, sizeof entry->tenant);
    ph_row_text(&row, 4, entry->kind, sizeof entry->kind);
    ph_row_text(&row, 5, entry->name, sizeof entry->name);
    entry->issued_ms = ph_row_int64(&row, 6, INT64_MIN);
    entry->not_before_ms = ph_row_int64(&row, 7, INT64_MIN);
    entry->not_after_ms = ph_row_int64(&row, 8, INT64_MIN);
    ph_row_hex(&row, 9, entry->fingerprint, sizeof entry->fingerprint);
    entry->revoked_ms = ph_row_int64(&row, 10, 0);
    int64_t reason = ph_row_int64(&row, 11, 0);
    row.bad = row.bad || reason > PH_REASON_LAST || entry->serial[0] == '\0';
    entry->reason = row.bad ? 0 : (int)reason;
    read_origin(&row, entry);
    return ph_row_check(&row, inventory, "certificate", error);
}

struct visitor {
    ph_inventory_visit *visit;
    void *context;
};

static enum ph_err visit_row(struct ph_inventory *inventory, const struct ph_stmt *stmt,
    void *context, struct ph_error *error)
{
    const struct visitor *visitor = context;
    struct ph_inventory_entry entry;
    enum ph_err err = read_entry(inventory, stmt, &entry, error);
    return err == PH_OK ? visitor->visit(&entry, visitor->context, error) : err;
}

/* ---- one ---- */

static enum ph_err keep_entry(struct ph_inventory *inventory, const struct ph_stmt *stmt,
    void *context, struct ph_error *error)
{
    return read_entry(inventory, stmt, context, error);
}

/* `values` are the parameters from ?1 on. `what` describes them when there is no such certificate.
 */
static enum ph_err find(struct ph_inventory *inventory, enum ph_kept kept, const char *sql,
    const char *const values[3], const char *what, struct ph_inventory_entry *out,
    struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    struct ph_inventory_entry entry = {0};
    enum ph_err err = ph_inventory_kept(inventory, kept, sql, &stmt, error);
    if (err != PH_OK) {
        return err;
    }
    for (int i = 0; i < 3 && values[i] != NULL; i++) {
        ph_stmt_bind_text(stmt, i + 1, values[i]);
    }
    err = ph_inventory_rows(inventory, stmt, keep_entry, &entry, error);
    if (err == PH_OK && entry.serial[0] == '\0') {
        err = ph_error_set(error, PH_ERR_NOT_FOUND,
            "%s %s: not in the inventory %s; ph-ca list shows what is", what, values[0],
            ph_db_path(inventory->db));
    }
    if (err == PH_OK) {
        *out = entry;
    }
    return err;
}

enum ph_err ph_inventory_find(struct ph_inventory *inventory, const char *serial,
    struct ph_inventory_entry *out, struct ph_error *error)
{
    const char *const values[3] = {serial};
    return find(inventory, PH_KEPT_FIND, SELECT "serial = ?1", values, "serial number", out, error);
}

enum ph_err ph_inventory_find_fingerprint(struct ph_inventory *inventory, const char *fingerprint,
    struct ph_inventory_entry *out, struct ph_error *error)
{
    const char *const values[3] = {fingerprint};
    return find(inventory, PH_KEPT_FIND_FINGERPRINT, SELECT "fingerprint = ?1" NEWEST, values,
        "certificate with fingerprint", out, error);
}

enum ph_err ph_inventory_find_key(struct ph_inventory *inventory, const char *key_hash,
    struct ph_inventory_entry *out, struct ph_error *error)
{
    const char *const values[3] = {key_hash};
    return find(inventory, PH_KEPT_FIND_KEY, SELECT "key_hash = ?1" NEWEST, values,
        "certificate with key", out, error);
}

enum ph_err ph_inventory_find_newest(struct ph_inventory *inventory,
    const struct ph_identity *identity, struct ph_inventory_entry *out, struct ph_error *error)
{
    struct ph_error why = {0};
    char printed[PH_IDENTITY_BYTES];
    const char *const values[3] = {identity->tenant, identity->kind, identity->device};
    enum ph_err err = find(inventory, PH_KEPT_FIND_NEWEST,
        SELECT "tenant = ?1 AND kind = ?2 AND name = ?3" NEWEST, values, "certificate of", out,
        &why);
    if (err == PH_ERR_NOT_FOUND) {
        ph_identity_print(printed, sizeof printed, identity);
        return ph_error_set(error, err, "%s: no certificate in the inventory %s", printed,
            ph_db_path(inventory->db));
    }
    return err == PH_OK ? PH_OK : ph_error_set(error, err, "%s", why.message);
}

enum ph_err ph_inventory_find_successor(struct ph_inventory *inventory, const char *serial,
    struct ph_inventory_entry *out, struct ph_error *error)
{
    const char *const values[3] = {serial};
    return find(inventory, PH_KEPT_FIND_SUCCESSOR,
        SELECT "predecessor = ?1 AND predecessor <> ''" NEWEST, values, "successor of", out, error);
}

enum ph_err ph_inventory_der(
    struct ph_inventory *inventory, const char *serial, struct ph_buf *der, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    size_t len = 0;
    enum ph_err err = ph_inventory_kept(
        inventory, PH_KEPT_DER, "SELECT der FROM certificate WHERE serial = ?1", &stmt, error);
    if (err != PH_OK) {
        return err;
    }
    ph_stmt_bind_text(stmt, 1, serial);
    err = ph_stmt_step(stmt, &row, error);
    if (err == PH_OK && !row) {
        err = ph_error_set(error, PH_ERR_NOT_FOUND,
            "serial number %s: not in the inventory %s; ph-ca list shows what is", serial,
            ph_db_path(inventory->db));
    }
    if (err == PH_OK) {
        const void *bytes = ph_stmt_bytes(stmt, 0, &len);
        err = ph_buf_append(der, bytes, len);
        if (err != PH_OK) {
            err = ph_error_set(error, err, "%s: serial number %s: certificate of %zu bytes",
                ph_db_path(inventory->db), serial, len);
        }
    }
    ph_stmt_reset(stmt);
    return err;
}

/* ---- many ---- */

static const struct {
    enum ph_inventory_state state;
    const char *name;
} states[] = {
    {PH_STATE_VALID, "valid"},
    {PH_STATE_NOT_YET_VALID, "not-yet-valid"},
    {PH_STATE_EXPIRED, "expired"},
    {PH_STATE_REVOKED, "revoked"},
    {PH_STATE_SUPERSEDED, "superseded"},
    {PH_STATE_HELD, "held"},
};
enum { STATES = sizeof states / sizeof states[0] };

/* The same as ph_inventory_state(), in SQL; ?9 is the time. */
#define STATE                                                                                      \
    "CASE WHEN revoked_ms > 0 THEN CASE reason WHEN 4 THEN 16 WHEN 6 THEN 32 ELSE 8 END"           \
    " WHEN not_after_ms < ?9 THEN 4 WHEN not_before_ms > ?9 THEN 2 ELSE 1 END"

enum ph_inventory_state ph_inventory_state(const struct ph_inventory_entry *entry, int64_t now_ms)
{
    if (entry->revoked_ms > 0) {
        return entry->reason == 4   ? PH_STATE_SUPERSEDED
               : entry->reason == 6 ? PH_STATE_HELD
                                    : PH_STATE_REVOKED;
    }
    if (entry->not_after_ms < now_ms) {
        return PH_STATE_EXPIRED;
    }
    return entry->not_before_ms > now_ms ? PH_STATE_NOT_YET_VALID : PH_STATE_VALID;
}

const char *ph_inventory_state_name(enum ph_inventory_state state)
{
    for (size_t i = 0; i < STATES; i++) {
        if (states[i].state == state) {
            return states[i].name;
        }
    }
    return "unknown";
}

bool ph_inventory_state_parse(const char *name, enum ph_inventory_state *state)
{
    for (size_t i = 0; i < STATES; i++) {
        if (strcmp(states[i].name, name) == 0) {
            *state = states[i].state;
            return true;
        }
    }
    return false;
}

static enum ph_err read_count(struct ph_inventory *inventory, const struct ph_stmt *stmt,
    void *context, struct ph_error *error)
{
    struct ph_inventory_counts *counts = context;
    struct ph_row row = {.stmt = stmt};
    int64_t state = ph_row_int64(&row, 0, PH_STATE_VALID);
    for (int i = 0; i < PH_INVENTORY_STATES; i++) {
        counts->states[i] += state == 1 << i ? ph_row_int64(&row, 1, 0) : 0;
    }
    for (int i = 0; i < PH_INVENTORY_SPANS; i++) {
        counts->expiring[i] += state == PH_STATE_VALID ? ph_row_int64(&row, 2 + i, 0) : 0;
    }
    return ph_row_check(&row, inventory, "certificate", error);
}

enum ph_err ph_inventory_count(struct ph_inventory *inventory, int64_t now_ms,
    struct ph_inventory_counts *out, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    *out = (struct ph_inventory_counts){0};
    enum ph_err err = ph_stmt_prepare(inventory->db,
        "SELECT " STATE ", count(*),"
        " sum(type <> 'authority' AND not_after_ms < ?9 + 86400000),"
        " sum(type <> 'authority' AND not_after_ms < ?9 + 7 * 86400000),"
        " sum(type <> 'authority' AND not_after_ms < ?9 + 30 * 86400000)"
        " FROM certificate GROUP BY 1",
        &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_int64(stmt, 9, now_ms);
        err = ph_inventory_rows(inventory, stmt, read_count, out, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

static void bind_filter(struct ph_stmt *stmt, const struct ph_inventory_filter *filter)
{
    ph_stmt_bind_text(stmt, 1, filter->type);
    ph_stmt_bind_text(stmt, 2, filter->tenant);
    ph_stmt_bind_text(stmt, 3, filter->kind);
    ph_stmt_bind_text(stmt, 4, filter->issuer);
    ph_stmt_bind_text(stmt, 5, filter->origin);
    ph_stmt_bind_text(stmt, 6, filter->claim);
    ph_stmt_bind_text(stmt, 7, filter->holder);
    ph_stmt_bind_text(stmt, 8, filter->lineage);
    ph_stmt_bind_int64(stmt, 9, filter->now_ms);
    ph_stmt_bind_int64(stmt, 10, (int64_t)filter->states);
    ph_stmt_bind_int64(stmt, 11, filter->expires_before_ms);
}

enum ph_err ph_inventory_each(struct ph_inventory *inventory,
    const struct ph_inventory_filter *filter, ph_inventory_visit *visit, void *context,
    struct ph_error *error)
{
    static const struct ph_inventory_filter everything;
    struct visitor visitor = {visit, context};
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(inventory->db,
        SELECT "(?1 IS NULL OR type = ?1) AND (?2 IS NULL OR tenant = ?2)"
               " AND (?3 IS NULL OR kind = ?3) AND (?4 IS NULL OR issuer = ?4)"
               " AND (?5 IS NULL OR origin = ?5) AND (?6 IS NULL OR claim = ?6)"
               " AND (?7 IS NULL OR"
               "  CASE tenant WHEN '' THEN name ELSE tenant || '/' || kind || '/' || name END"
               "  GLOB ?7)"
               " AND (?8 IS NULL OR lineage = ?8) AND (?10 = 0 OR ?10 & (" STATE ") <> 0)"
               " AND (?11 = 0 OR not_after_ms < ?11) ORDER BY rowid",
        &stmt, error);
    if (err == PH_OK) {
        bind_filter(stmt, filter != NULL ? filter : &everything);
        err = ph_inventory_rows(inventory, stmt, visit_row, &visitor, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

enum ph_err ph_inventory_each_revoked(struct ph_inventory *inventory, const char *issuer,
    int64_t expired_ms, ph_inventory_visit *visit, void *context, struct ph_error *error)
{
    struct visitor visitor = {visit, context};
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(inventory->db,
        SELECT "issuer = ?1 AND revoked_ms > 0 AND not_after_ms >= ?2", &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, issuer);
        ph_stmt_bind_int64(stmt, 2, expired_ms);
        err = ph_inventory_rows(inventory, stmt, visit_row, &visitor, error);
    }
    ph_stmt_free(&stmt);
    return err;
}
