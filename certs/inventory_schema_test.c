#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "certs/authorities.h"
#include "certs/claims.h"
#include "certs/inventory_fixture.h"
#include "x509/issue.h"

/* ---- an inventory of schema 1 ---- */

#define DAY INT64_C(86400000)
#define T0  INT64_C(1790000000000)

static const char schema_1[] =
    "PRAGMA application_id=1885889377; PRAGMA user_version=1;" /* "phca" */
    "CREATE TABLE authority (name TEXT PRIMARY KEY, crl_number INTEGER NOT NULL,"
    " crl_days INTEGER NOT NULL) STRICT;"
    "CREATE TABLE certificate (serial TEXT PRIMARY KEY,"
    " issuer TEXT NOT NULL REFERENCES authority(name),"
    " type TEXT NOT NULL CHECK (type IN ('authority', 'device', 'broker', 'service')),"
    " tenant TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, issued_ms INTEGER NOT NULL,"
    " not_before_ms INTEGER NOT NULL, not_after_ms INTEGER NOT NULL, fingerprint TEXT NOT NULL,"
    " revoked_ms INTEGER NOT NULL DEFAULT 0, reason INTEGER NOT NULL DEFAULT 0,"
    " der BLOB NOT NULL) STRICT;"
    "CREATE INDEX certificate_identity ON certificate(tenant, kind, name);"
    "CREATE INDEX certificate_revoked ON certificate(issuer) WHERE revoked_ms > 0;"
    "INSERT INTO authority VALUES ('root', 500, 90), ('devices', 1790000009000, 7),"
    " ('brokers', 500, 7), ('services', 500, 7);";

struct v1_certificate {
    const char *issuer;
    const char *type;
    const char *name;
    int64_t days;
    int64_t revoked_ms;
    struct ph_certificate_facts facts;
};

static struct v1_certificate v1[] = {
    {"root", "authority", "root", 3650, 0, {.serial = ""}},
    {"root", "authority", "devices", 1825, 0, {.serial = ""}},
    {"root", "authority", "brokers", 1825, T0 + 77, {.serial = ""}},
    {"root", "authority", "services", 1825, 0, {.serial = ""}},
    {"devices", "device", "t-0001", 365, T0 + 55, {.serial = ""}},
    {"devices", "device", "t-0002", 365, 0, {.serial = ""}},
};
enum { V1 = sizeof v1 / sizeof v1[0] };

/* Any certificate: self-signed, named "my-home <name>". */
static void make_v1(struct v1_certificate *made, struct ph_buf *der)
{
    struct ph_error error = {0};
    struct ph_key *key = NULL;
    struct ph_certificate *certificate = NULL;
    char name[64];
    (void)snprintf(name, sizeof name, "my-home %s", made->name);
    const struct ph_certificate_content content = {.type = PH_CERTIFICATE_ROOT,
        .name = name,
        .not_before_ms = T0 - 300000,
        .not_after_ms = T0 + made->days * DAY};
    ph_test_must(ph_key_new(&key, &error), &error);
    ph_test_must(ph_certificate_issue(&content, key, NULL, key, &certificate, &error), &error);
    ph_test_must(ph_certificate_facts(certificate, &made->facts, &error), &error);
    ph_test_must(ph_certificate_encode(certificate, der, &error), &error);
    ph_certificate_free(&certificate);
    ph_key_free(&key);
}

static void insert_v1(struct ph_db *db, struct v1_certificate *made)
{
    struct ph_error error = {0};
    struct ph_stmt *stmt = NULL;
    struct ph_buf der;
    bool leaf = strcmp(made->type, "device") == 0;
    ph_buf_init(&der, 16384);
    make_v1(made, &der);
    ph_test_must(ph_stmt_prepare(db,
                     "INSERT INTO certificate VALUES"
                     " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
                     &stmt, &error),
        &error);
    ph_stmt_bind_text(stmt, 1, made->facts.serial);
    ph_stmt_bind_text(stmt, 2, made->issuer);
    ph_stmt_bind_text(stmt, 3, made->type);
    ph_stmt_bind_text(stmt, 4, leaf ? "acme" : "");
    ph_stmt_bind_text(stmt, 5, leaf ? "thermostat" : "");
    ph_stmt_bind_text(stmt, 6, made->name);
    ph_stmt_bind_int64(stmt, 7, T0);
    ph_stmt_bind_int64(stmt, 8, made->facts.not_before_ms);
    ph_stmt_bind_int64(stmt, 9, made->facts.not_after_ms);
    ph_stmt_bind_text(stmt, 10, made->facts.fingerprint);
    ph_stmt_bind_int64(stmt, 11, made->revoked_ms);
    ph_stmt_bind_int64(stmt, 12, made->revoked_ms != 0 ? 1 : 0);
    ph_stmt_bind_bytes(stmt, 13, der.data, der.len);
    ph_test_must(ph_stmt_run(stmt, &error), &error);
    ph_stmt_free(&stmt);
    ph_buf_fini(&der);
}

/* In place of the fixture's file; `sql` is run on it last. */
static void write_v1(const char *sql)
{
    struct ph_error error = {0};
    struct ph_db *db = NULL;
    ph_inventory_close(&test.inventory);
    assert_int_equal(unlink(test.path), 0);
    ph_test_must(ph_db_open(test.path, PH_DB_CREATE, 1000, &db, &error), &error);
    ph_test_must(ph_db_exec(db, schema_1, &error), &error);
    for (size_t i = 0; i < V1; i++) {
        insert_v1(db, &v1[i]);
    }
    ph_test_must(ph_db_exec(db, sql, &error), &error);
    ph_db_close(&db);
}

static enum ph_err reopen(struct ph_error *error)
{
    return ph_inventory_open(test.path, false, &test.inventory, error);
}

static void expect_setting(const char *key, const char *want)
{
    struct ph_error error = {0};
    char text[64] = "";
    assert_int_equal(ph_setting_text(test.inventory, key, text, sizeof text, &error), PH_OK);
    assert_string_equal(text, want);
}

static void expect_same(const struct v1_certificate *before)
{
    struct ph_error error = {0};
    struct ph_buf der;
    struct ph_certificate *certificate = NULL;
    struct ph_certificate_facts facts = {0};
    struct ph_inventory_entry found = ph_test_get(test.inventory, before->facts.serial);
    assert_string_equal(found.issuer, before->issuer);
    assert_string_equal(found.type, before->type);
    assert_string_equal(found.name, before->name);
    assert_int_equal(found.issued_ms, T0);
    assert_int_equal(found.not_after_ms, before->facts.not_after_ms);
    assert_string_equal(found.fingerprint, before->facts.fingerprint);
    assert_int_equal(found.revoked_ms, before->revoked_ms);
    assert_string_equal(found.key_hash, before->facts.key_hash);
    assert_string_equal(found.lineage, before->facts.serial);
    assert_string_equal(found.origin, "issued");
    assert_string_equal(found.predecessor, "");
    assert_int_equal(found.confirmed_ms, 0);
    ph_buf_init(&der, 16384);
    assert_int_equal(ph_inventory_der(test.inventory, before->facts.serial, &der, &error), PH_OK);
    assert_int_equal(ph_certificate_parse(der.data, der.len, &certificate, &error), PH_OK);
    assert_int_equal(ph_certificate_facts(certificate, &facts, &error), PH_OK);
    assert_string_equal(facts.fingerprint, before->facts.fingerprint);
    ph_certificate_free(&certificate);
    ph_buf_fini(&der);
}

/* [CA-46] */
static void migrates(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory_crl crl = {0};
    struct ph_authority authority;
    bool due = false;
    write_v1("SELECT 1");
    if (reopen(&error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    inventory = test.inventory;
    for (size_t i = 0; i < V1; i++) {
        expect_same(&v1[i]);
    }
    assert_int_equal(ph_test_number(inventory, "SELECT count(*) FROM certificate"), V1);
    assert_int_equal(ph_test_number(inventory,
                         "SELECT count(*) FROM authority WHERE role = name AND generation = 1"
                         " AND state = 'active' AND tenant = ''"),
        5); /* with 'foreign' */
    assert_int_equal(ph_authority_find(inventory, "services", &authority, &error), PH_OK);
    assert_string_equal(authority.serial, v1[3].facts.serial);
    assert_int_equal(ph_inventory_crl_get(inventory, "devices", &crl, &error), PH_OK);
    assert_int_equal(crl.number, INT64_C(1790000009000));
    assert_int_equal(crl.signed_ms, INT64_C(1790000009000));
    assert_int_equal(crl.days, 7);
    assert_int_equal(ph_inventory_crl_due(inventory, "devices", &due, &error), PH_OK);
    assert_false(due);
    assert_int_equal(ph_inventory_crl_due(inventory, "root", &due, &error), PH_OK);
    assert_true(due); /* brokers was revoked after the root's last CRL */
    expect_setting("name", "my-home");
    expect_setting("root_days", "3650");
    expect_setting("authority_days", "1825");
    expect_setting("root_crl_days", "90");
    expect_setting("crl_days", "7");
    assert_int_equal(ph_test_number(inventory, "PRAGMA user_version"), 3);
    assert_int_equal(ph_test_number(inventory, "PRAGMA foreign_key_check"), 0);
}

/* [CA-46] The number of a CRL was its time, before the time was kept. */
static void migrates_from_2(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory_crl crl = {.number = 9000, .signed_ms = 5, .days = 7};
    assert_int_equal(ph_inventory_crl_set(test.inventory, "devices", &crl, &error), PH_OK);
    ph_test_exec(
        test.inventory, "ALTER TABLE authority DROP COLUMN crl_signed_ms; PRAGMA user_version = 2");
    ph_inventory_close(&test.inventory);
    assert_int_equal(reopen(&error), PH_OK);
    assert_int_equal(ph_inventory_crl_get(test.inventory, "devices", &crl, &error), PH_OK);
    assert_int_equal(crl.number, 9000);
    assert_int_equal(crl.signed_ms, 9000);
}

/* A migration that fails has not happened: another program, or a repaired file, goes on from there.
 */
static void expect_not_migrated(const char *sql, const char *message)
{
    struct ph_error error = {0};
    struct ph_db *db = NULL;
    struct ph_stmt *stmt = NULL;
    int64_t version = 0;
    write_v1(sql);
    assert_int_equal(reopen(&error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, test.path));
    if (strstr(error.message, message) == NULL) {
        fail_msg("want %s, have %s", message, error.message);
    }
    ph_test_must(ph_db_open(test.path, PH_DB_READ, 1000, &db, &error), &error);
    assert_int_equal(ph_stmt_prepare(db, "PRAGMA user_version", &stmt, NULL), PH_OK);
    assert_int_equal(ph_inventory_number(stmt, &version, NULL), PH_OK);
    assert_int_equal(version, 1);
    ph_stmt_free(&stmt);
    assert_int_equal(ph_stmt_prepare(db, "SELECT count(*) FROM certificate", &stmt, NULL), PH_OK);
    assert_int_equal(ph_inventory_number(stmt, &version, NULL), PH_OK);
    assert_int_equal(version, V1);
    ph_stmt_free(&stmt);
    ph_db_close(&db);
}

/* [CA-46] */
static void does_not_migrate_damage(void **state)
{
    (void)state;
    expect_not_migrated(
        "UPDATE certificate SET der = x'3082ffff00' WHERE name = 't-0001'", "serial number");
    expect_not_migrated(
        "UPDATE certificate SET der = zeroblob(0) WHERE name = 't-0001'", "serial number");
    expect_not_migrated("INSERT INTO authority VALUES ('mine', 0, 7)",
        "table authority: it has CAs that no ph-ca has made");
    write_v1("SELECT 1");
    struct ph_error error = {0};
    assert_int_equal(reopen(&error), PH_OK);
}

/* ---- damaged files ---- */

static enum ph_err nothing(
    const struct ph_inventory_entry *entry, void *context, struct ph_error *error)
{
    (void)entry;
    (void)error;
    (void)context;
    return PH_OK;
}

/* The tables without what SQLite would hold up against such a row. */
static const char loose[] =
    "CREATE TABLE copy AS SELECT * FROM certificate; DROP TABLE certificate;"
    "ALTER TABLE copy RENAME TO certificate;";

/* [CA-47] */
static void hostile_certificates(void **state)
{
    (void)state;
    static const char *const changes[] = {"serial = 'XYZ'", "serial = ''", "serial = x'05'",
        "issuer = NULL", "tenant = x'00'", "name = 'a' || char(10) || 'b'",
        "name = 'a' || char(0) || 'b'", "kind = CAST(x'ff' AS TEXT)",
        "name = hex(zeroblob(4000000))", "issued_ms = 'soon'", "not_after_ms = 1e300",
        "revoked_ms = -1", "reason = 11", "reason = 9223372036854775807", "reason = NULL",
        "fingerprint = 'AA'", "key_hash = NULL", "lineage = '../'", "why = hex(zeroblob(200))",
        "confirmed_ms = -5"};
    struct ph_inventory_entry made = ph_test_entry("a1", "t-0001");
    ph_test_add(test.inventory, &made);
    ph_test_exec(test.inventory, loose);
    struct ph_error error = {0};
    ph_test_must(ph_inventory_each(test.inventory, NULL, nothing, NULL, &error), &error);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        char sql[160];
        ph_error_clear(&error);
        (void)snprintf(sql, sizeof sql, "BEGIN; UPDATE certificate SET %s", changes[i]);
        ph_test_exec(test.inventory, sql);
        enum ph_err err = ph_inventory_each(test.inventory, NULL, nothing, NULL, &error);
        if (err != PH_ERR_INPUT ||
            strstr(error.message, "ca.db: a row of table certificate") == NULL) {
            fail_msg("%s: %s", changes[i], error.message);
        }
        ph_test_exec(test.inventory, "ROLLBACK");
    }
}

static void missing_table(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_claim claim = {0};
    ph_test_exec(test.inventory, "DROP TABLE claim");
    assert_int_equal(ph_claim_find(test.inventory, "acme", "b", &claim, &error), PH_ERR_INTERNAL);
    assert_non_null(strstr(error.message, "ca.db: prepare statement: no such table: claim"));
}

/* [CA-47] */
static void not_an_inventory(void **state)
{
    (void)state;
    struct ph_error error = {0};
    static const char text[8192] = "this is no database at all";
    ph_inventory_close(&test.inventory);
    int fd = open(test.path, O_WRONLY | O_TRUNC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof text), (ssize_t)sizeof text);
    assert_int_equal(close(fd), 0);
    assert_int_equal(reopen(&error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "ca.db: "));
    assert_non_null(strstr(error.message, "restore this one from a backup"));
    assert_null(test.inventory);
}

/* Every page overwritten in turn: an error or not, and never a crash. */
static void damaged_pages(void **state)
{
    (void)state;
    struct ph_error error = {0};
    char page[4096];
    int failed = 0;
    memset(page, 0xa5, sizeof page);
    for (int i = 0; i < 50; i++) {
        char serial[8];
        (void)snprintf(serial, sizeof serial, "a%d", i);
        struct ph_inventory_entry made = ph_test_entry(serial, "t-0001");
        ph_test_add(test.inventory, &made);
    }
    int64_t pages = ph_test_number(test.inventory, "PRAGMA page_count");
    assert_true(pages > 20);
    ph_inventory_close(&test.inventory);
    int fd = open(test.path, O_RDWR);
    assert_true(fd >= 0);
    for (int64_t i = 1; i < pages; i++) {
        char saved[sizeof page];
        assert_int_equal(pread(fd, saved, sizeof saved, i * 4096), (ssize_t)sizeof saved);
        assert_int_equal(pwrite(fd, page, sizeof page, i * 4096), (ssize_t)sizeof page);
        ph_error_clear(&error);
        enum ph_err err = reopen(&error);
        if (err == PH_OK) {
            err = ph_inventory_each(test.inventory, NULL, nothing, NULL, &error);
        }
        ph_inventory_close(&test.inventory);
        failed += err != PH_OK ? 1 : 0;
        if (err != PH_OK && strstr(error.message, "ca.db") == NULL) {
            fail_msg("%s", error.message);
        }
        assert_int_equal(pwrite(fd, saved, sizeof saved, i * 4096), (ssize_t)sizeof saved);
    }
    assert_int_equal(close(fd), 0);
    assert_true(failed > 0);
    ph_error_clear(&error);
    assert_int_equal(reopen(&error), PH_OK);
    assert_int_equal(ph_test_number(test.inventory, "SELECT count(*) FROM certificate"), 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(migrates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(migrates_from_2, set_up, tear_down),
        cmocka_unit_test_setup_teardown(does_not_migrate_damage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hostile_certificates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(missing_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_an_inventory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_pages, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("inventory_schema", tests, NULL, NULL);
}
