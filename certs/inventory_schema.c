#include <string.h>

#include "certs/inventory_internal.h"

enum { APPLICATION_ID = 0x70686361 };

static const char schema_1[] =
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
    "CREATE INDEX certificate_revoked ON certificate(issuer) WHERE revoked_ms > 0;";

/* authority.crl_due: something changed that its last CRL does not say. Row 'foreign' stands for all
 * CAs whose keys are not ours. setting.'authorities' counts the changes of the CAs. */
static const char authority_2[] =
    "CREATE TABLE authority_2 ("
    " name TEXT PRIMARY KEY,"
    " role TEXT NOT NULL CHECK"
    "  (role IN ('root', 'devices', 'brokers', 'services', 'claims', 'foreign')),"
    " tenant TEXT NOT NULL DEFAULT '',"
    " generation INTEGER NOT NULL DEFAULT 1 CHECK (generation > 0),"
    " state TEXT NOT NULL CHECK (state IN ('next', 'active', 'old', 'retired')),"
    " issuer TEXT NOT NULL,"
    " serial TEXT NOT NULL,"
    " crl_number INTEGER NOT NULL DEFAULT 0,"
    " crl_days INTEGER NOT NULL DEFAULT 0,"
    " crl_due INTEGER NOT NULL DEFAULT 0,"
    " UNIQUE (role, tenant, generation)) STRICT;"
    "INSERT INTO authority_2 (name, role, state, issuer, serial, crl_number, crl_days)"
    " SELECT a.name, a.name, 'active', coalesce(c.issuer, 'root'), coalesce(c.serial, ''),"
    "  a.crl_number, a.crl_days"
    " FROM authority a LEFT JOIN certificate c ON c.rowid ="
    "  (SELECT max(rowid) FROM certificate WHERE type = 'authority' AND name = a.name);"
    "INSERT INTO authority_2 (name, role, state, issuer, serial)"
    " VALUES ('foreign', 'foreign', 'active', 'foreign', '');"
    "UPDATE authority_2 SET crl_due = 1 WHERE EXISTS (SELECT 1 FROM certificate c"
    " WHERE c.issuer = authority_2.name AND c.revoked_ms > authority_2.crl_number);";

static const char certificate_2[] =
    "CREATE TABLE certificate_2 ("
    " serial TEXT PRIMARY KEY,"
    " issuer TEXT NOT NULL REFERENCES authority_2(name),"
    " type TEXT NOT NULL CHECK (type IN ('authority', 'device', 'broker', 'service', 'claim')),"
    " tenant TEXT NOT NULL,"
    " kind TEXT NOT NULL,"
    " name TEXT NOT NULL,"
    " issued_ms INTEGER NOT NULL,"
    " not_before_ms INTEGER NOT NULL,"
    " not_after_ms INTEGER NOT NULL,"
    " fingerprint TEXT NOT NULL,"
    " revoked_ms INTEGER NOT NULL DEFAULT 0,"
    " reason INTEGER NOT NULL DEFAULT 0,"
    " key_hash TEXT NOT NULL,"
    " lineage TEXT NOT NULL,"
    " predecessor TEXT NOT NULL DEFAULT '',"
    " origin TEXT NOT NULL CHECK (origin IN ('issued', 'enrolled', 'renewed', 'imported')),"
    " claim TEXT NOT NULL DEFAULT '',"
    " approved_by TEXT NOT NULL DEFAULT '',"
    " why TEXT NOT NULL DEFAULT '',"
    " confirmed_ms INTEGER NOT NULL DEFAULT 0,"
    " der BLOB NOT NULL) STRICT;"
    "INSERT INTO certificate_2 (serial, issuer, type, tenant, kind, name, issued_ms, not_before_ms,"
    "  not_after_ms, fingerprint, revoked_ms, reason, key_hash, lineage, origin, der)"
    " SELECT serial, issuer, type, tenant, kind, name, issued_ms, not_before_ms, not_after_ms,"
    "  fingerprint, revoked_ms, reason, '', serial, 'issued', der FROM certificate ORDER BY rowid;"
    "DROP TABLE certificate;"
    "DROP TABLE authority;"
    "ALTER TABLE authority_2 RENAME TO authority;"
    "ALTER TABLE certificate_2 RENAME TO certificate;"
    "CREATE UNIQUE INDEX authority_active ON authority(role, tenant) WHERE state = 'active';"
    "CREATE INDEX certificate_identity ON certificate(tenant, kind, name);"
    "CREATE INDEX certificate_revoked ON certificate(issuer) WHERE revoked_ms > 0;"
    "CREATE INDEX certificate_fingerprint ON certificate(fingerprint);"
    "CREATE INDEX certificate_key ON certificate(key_hash);"
    "CREATE INDEX certificate_renewed ON certificate(lineage) WHERE predecessor <> '';"
    "CREATE INDEX certificate_predecessor ON certificate(predecessor) WHERE predecessor <> '';"
    "CREATE INDEX certificate_claim ON certificate(tenant, claim) WHERE claim <> '';";

static const char enrolment_2[] =
    "CREATE TABLE claim ("
    " tenant TEXT NOT NULL,"
    " name TEXT NOT NULL,"
    " kind TEXT NOT NULL," /* '': any */
    " max_uses INTEGER NOT NULL CHECK (max_uses > 0),"
    " used INTEGER NOT NULL DEFAULT 0 CHECK (used BETWEEN 0 AND max_uses),"
    " expires_ms INTEGER NOT NULL,"
    " made_ms INTEGER NOT NULL,"
    " revoked_ms INTEGER NOT NULL DEFAULT 0," /* kept by trigger claim_revoked */
    " PRIMARY KEY (tenant, name)) STRICT;"
    "CREATE TABLE expected ("
    " tenant TEXT NOT NULL,"
    " kind TEXT NOT NULL,"
    " name TEXT NOT NULL,"
    " hardware TEXT NOT NULL DEFAULT '',"
    " key_hash TEXT NOT NULL DEFAULT '',"
    " state TEXT NOT NULL CHECK (state IN ('expected', 'enrolled', 'forbidden')),"
    " who TEXT NOT NULL,"
    " why TEXT NOT NULL,"
    " made_ms INTEGER NOT NULL,"
    " PRIMARY KEY (tenant, kind, name)) STRICT;"
    "CREATE UNIQUE INDEX expected_hardware ON expected(tenant, hardware) WHERE hardware <> '';"
    "CREATE UNIQUE INDEX expected_key ON expected(key_hash) WHERE key_hash <> '';"
    "CREATE TABLE enrolment ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " tenant TEXT NOT NULL,"
    " claim TEXT NOT NULL,"
    " key_hash TEXT NOT NULL,"
    " kind TEXT NOT NULL,"
    " name TEXT NOT NULL,"
    " hardware TEXT NOT NULL,"
    " state TEXT NOT NULL CHECK (state IN ('waiting', 'approved', 'refused', 'issued')),"
    " serial TEXT NOT NULL DEFAULT '',"
    " received_ms INTEGER NOT NULL,"
    " decided_ms INTEGER NOT NULL DEFAULT 0,"
    " who TEXT NOT NULL DEFAULT '',"
    " why TEXT NOT NULL DEFAULT '',"
    " UNIQUE (tenant, claim, key_hash)) STRICT;"
    "CREATE INDEX enrolment_waiting ON enrolment(tenant, claim) WHERE state = 'waiting';"
    "CREATE TABLE device_state ("
    " tenant TEXT NOT NULL,"
    " kind TEXT NOT NULL,"
    " name TEXT NOT NULL,"
    " fingerprint TEXT NOT NULL,"
    " trust TEXT NOT NULL," /* SHA-256 of its file of trusted CAs */
    " seen_ms INTEGER NOT NULL,"
    " PRIMARY KEY (tenant, kind, name)) STRICT;"
    "CREATE TABLE trust_bundle ("
    " number INTEGER PRIMARY KEY CHECK (number > 0),"
    " digest TEXT NOT NULL,"
    " statement TEXT NOT NULL,"
    " made_ms INTEGER NOT NULL) STRICT;"
    "CREATE TABLE act ("
    " id INTEGER PRIMARY KEY,"
    " time_ms INTEGER NOT NULL,"
    " who TEXT NOT NULL,"
    " act TEXT NOT NULL,"
    " what TEXT NOT NULL,"
    " why TEXT NOT NULL,"
    " detail TEXT NOT NULL,"
    " hash TEXT NOT NULL) STRICT;"
    "CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;"
    "INSERT INTO setting (key, value) VALUES ('authorities', '1');";

/* Whoever changes a row, by whatever function or process, these follow from it. */
static const char triggers_2[] =
    "CREATE TRIGGER certificate_changed AFTER UPDATE OF revoked_ms, reason ON certificate"
    " WHEN old.revoked_ms <> new.revoked_ms OR old.reason <> new.reason BEGIN"
    " UPDATE authority SET crl_due = 1 WHERE name = new.issuer; END;"
    "CREATE TRIGGER certificate_added AFTER INSERT ON certificate WHEN new.revoked_ms > 0 BEGIN"
    " UPDATE authority SET crl_due = 1 WHERE name = new.issuer; END;"
    "CREATE TRIGGER claim_revoked AFTER UPDATE OF revoked_ms ON certificate"
    " WHEN new.type = 'claim' BEGIN"
    " UPDATE claim SET revoked_ms = (SELECT CASE WHEN min(c.revoked_ms) > 0 THEN max(c.revoked_ms)"
    "   ELSE 0 END FROM certificate c"
    "   WHERE c.tenant = new.tenant AND c.kind = new.kind AND c.name = new.name)"
    " WHERE tenant = new.tenant AND name = new.name; END;"
    "CREATE TRIGGER authority_revoked AFTER UPDATE OF revoked_ms ON certificate"
    " WHEN new.type = 'authority' BEGIN"
    " UPDATE setting SET value = value + 1 WHERE key = 'authorities'; END;"
    "CREATE TRIGGER authority_added AFTER INSERT ON authority BEGIN"
    " UPDATE setting SET value = value + 1 WHERE key = 'authorities'; END;"
    "CREATE TRIGGER authority_changed"
    " AFTER UPDATE OF role, tenant, generation, state, issuer, serial ON authority BEGIN"
    " UPDATE setting SET value = value + 1 WHERE key = 'authorities'; END;";

/* ---- from schema 1 ---- */

static enum ph_err check_authorities(struct ph_db *db, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    int64_t unknown = 0;
    enum ph_err err = ph_stmt_prepare(db,
        "SELECT count(*) FROM authority"
        " WHERE name NOT IN ('root', 'devices', 'brokers', 'services')",
        &stmt, error);
    if (err == PH_OK) {
        err = ph_inventory_number(stmt, &unknown, error);
    }
    if (err == PH_OK && unknown != 0) {
        err = ph_error_set(error, PH_ERR_INPUT,
            "%s: table authority: it has CAs that no ph-ca has made; restore it from a backup",
            ph_db_path(db));
    }
    ph_stmt_free(&stmt);
    return err;
}

static enum ph_err hash_key(const struct ph_db *db, const struct ph_stmt *from,
    char out[PH_FINGERPRINT_BYTES], struct ph_error *error)
{
    struct ph_certificate *certificate = NULL;
    struct ph_certificate_facts facts = {0};
    size_t len = 0;
    const void *der = ph_stmt_bytes(from, 1, &len);
    enum ph_err err = ph_certificate_parse(der, len, &certificate, error);
    if (err == PH_OK) {
        err = ph_certificate_facts(certificate, &facts, error);
    }
    if (err == PH_OK) {
        memcpy(out, facts.key_hash, PH_FINGERPRINT_BYTES);
    } else {
        (void)ph_error_prefix(error, err, "%s: serial number %s", ph_db_path(db),
            ph_stmt_text(from, 2) != NULL ? ph_stmt_text(from, 2) : "");
    }
    ph_certificate_free(&certificate);
    return err;
}

/* One row at a time, found by its rowid: what is being updated is not what is being read. */
static enum ph_err hash_keys(struct ph_db *db, struct ph_error *error)
{
    struct ph_stmt *next = NULL;
    struct ph_stmt *update = NULL;
    char hash[PH_FINGERPRINT_BYTES];
    int64_t rowid = INT64_MIN;
    bool row = true;
    enum ph_err err = ph_stmt_prepare(db,
        "SELECT rowid, der, serial FROM certificate WHERE rowid > ?1 ORDER BY rowid LIMIT 1", &next,
        error);
    if (err == PH_OK) {
        err = ph_stmt_prepare(
            db, "UPDATE certificate SET key_hash = ?1 WHERE rowid = ?2", &update, error);
    }
    while (err == PH_OK) {
        ph_stmt_bind_int64(next, 1, rowid);
        err = ph_stmt_step(next, &row, error);
        if (err != PH_OK || !row) {
            break;
        }
        rowid = ph_stmt_int64(next, 0);
        err = hash_key(db, next, hash, error);
        ph_stmt_reset(next);
        if (err == PH_OK) {
            ph_stmt_bind_text(update, 1, hash);
            ph_stmt_bind_int64(update, 2, rowid);
            err = ph_stmt_run(update, error);
        }
    }
    ph_stmt_free(&update);
    ph_stmt_free(&next);
    return err;
}

/* What the plan of `init` said, as far as it can be seen. */
static const char settings_from_1[] =
    "INSERT INTO setting (key, value)"
    " SELECT 'root_crl_days', crl_days FROM authority WHERE name = 'root' UNION ALL"
    " SELECT 'crl_days', crl_days FROM authority WHERE name = 'devices' UNION ALL"
    " SELECT CASE name WHEN 'root' THEN 'root_days' ELSE 'authority_days' END,"
    "  (not_after_ms - issued_ms + 86399999) / 86400000 FROM certificate"
    "  WHERE type = 'authority' AND name IN ('root', 'devices')";

/* The first word of the CAs' names: the root is "<name> root". */
static enum ph_err put_name(struct ph_db *db, const struct ph_stmt *root, struct ph_error *error)
{
    static const char before[] = "CN=";
    static const char behind[] = " root";
    struct ph_certificate *certificate = NULL;
    struct ph_certificate_facts facts = {0};
    struct ph_stmt *put = NULL;
    size_t len = 0;
    const void *der = ph_stmt_bytes(root, 0, &len);
    enum ph_err err = ph_certificate_parse(der, len, &certificate, error);
    if (err == PH_OK) {
        err = ph_certificate_facts(certificate, &facts, error);
    }
    size_t subject = strlen(facts.subject);
    size_t around = sizeof before - 1 + sizeof behind - 1;
    if (err == PH_OK && subject > around && strncmp(facts.subject, before, 3) == 0 &&
        strcmp(facts.subject + subject - (sizeof behind - 1), behind) == 0) {
        facts.subject[subject - (sizeof behind - 1)] = '\0';
        err = ph_stmt_prepare(
            db, "INSERT INTO setting (key, value) VALUES ('name', ?1)", &put, error);
        if (err == PH_OK) {
            ph_stmt_bind_text(put, 1, facts.subject + sizeof before - 1);
            err = ph_stmt_run(put, error);
        }
    }
    ph_stmt_free(&put);
    ph_certificate_free(&certificate);
    return err;
}

static enum ph_err name_from_root(struct ph_db *db, struct ph_error *error)
{
    struct ph_stmt *root = NULL;
    bool row = false;
    enum ph_err err = ph_stmt_prepare(db,
        "SELECT c.der FROM certificate c JOIN authority a ON a.serial = c.serial"
        " WHERE a.role = 'root'",
        &root, error);
    if (err == PH_OK) {
        err = ph_stmt_step(root, &row, error);
    }
    if (err == PH_OK && row) {
        err = put_name(db, root, error);
    }
    ph_stmt_free(&root);
    return err;
}

static enum ph_err to_schema_2(struct ph_db *db, struct ph_error *error)
{
    static const char *const texts[] = {
        authority_2, certificate_2, enrolment_2, settings_from_1, triggers_2};
    enum ph_err err = check_authorities(db, error);
    for (size_t i = 0; err == PH_OK && i < sizeof texts / sizeof texts[0]; i++) {
        err = ph_db_exec(db, texts[i], error);
    }
    if (err == PH_OK) {
        err = hash_keys(db, error);
    }
    return err == PH_OK ? name_from_root(db, error) : err;
}

/* A CRL's number is the time of its signing, but for one that follows another of a clock that was
 * ahead. */
static const char schema_3[] =
    "ALTER TABLE authority ADD COLUMN crl_signed_ms INTEGER NOT NULL DEFAULT 0;"
    "UPDATE authority SET crl_signed_ms = crl_number;";

enum ph_err ph_inventory_upgrade(struct ph_db *db, struct ph_error *error)
{
    static const struct ph_db_step steps[] = {
        {.sql = schema_1}, {.run = to_schema_2}, {.sql = schema_3}};
    return ph_db_upgrade(db, APPLICATION_ID, steps, sizeof steps / sizeof steps[0], error);
}
