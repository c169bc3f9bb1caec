#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "certs/claims.h"
#include "certs/inventory_fixture.h"

static void add(const char *serial, const char *name)
{
    struct ph_inventory_entry made = ph_test_entry(serial, name);
    ph_test_add(inventory, &made);
}

static struct ph_inventory_entry get(const char *serial)
{
    return ph_test_get(inventory, serial);
}

static void add_and_find(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory_entry found;
    struct ph_inventory_entry again = ph_test_entry("a1", "t-0002");
    add("a1", "t-0001");
    found = get("a1");
    assert_string_equal(found.name, "t-0001");
    assert_int_equal(found.not_after_ms, 9000);
    assert_int_equal(found.revoked_ms, 0);
    assert_string_equal(found.lineage, "a1");
    assert_string_equal(found.origin, "issued");
    assert_string_equal(found.predecessor, "");
    assert_int_equal(ph_inventory_find(inventory, "a2", &found, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "serial number a2: not in the inventory"));
    ph_error_clear(&error);
    assert_int_equal(ph_inventory_add(inventory, &again, "der", 3, &error), PH_ERR_EXISTS);
    assert_non_null(strstr(error.message, "ca.db"));
    ph_error_clear(&error);
    assert_int_equal(ph_inventory_remove(inventory, "a1", &error), PH_OK);
    assert_int_equal(ph_inventory_find(inventory, "a1", &found, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "not in the inventory"));
}

/* [CA-40] */
static void keeps_who_approved_it(void **state)
{
    (void)state;
    struct ph_inventory_entry made = ph_test_entry("a1", "t-0001");
    (void)snprintf(made.origin, sizeof made.origin, "enrolled");
    (void)snprintf(made.claim, sizeof made.claim, "batch-7");
    (void)snprintf(made.approved_by, sizeof made.approved_by, "anna");
    (void)snprintf(made.why, sizeof made.why, "spoke to them\nand more, \"quoted\"");
    made.confirmed_ms = 77;
    ph_test_add(inventory, &made);
    struct ph_inventory_entry found = get("a1");
    assert_string_equal(found.origin, "enrolled");
    assert_string_equal(found.claim, "batch-7");
    assert_string_equal(found.approved_by, "anna");
    assert_string_equal(found.why, "spoke to them\\x0aand more, \"quoted\"");
    assert_string_equal(found.key_hash, "ea1");
    assert_int_equal(found.confirmed_ms, 77);
}

/* What could not be read back is not written. */
static void refuses_what_it_could_not_read(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory_entry made = ph_test_entry("a1", "t-0001");
    (void)snprintf(made.fingerprint, sizeof made.fingerprint, "AB");
    assert_int_equal(ph_inventory_add(inventory, &made, "der", 3, &error), PH_ERR_INPUT);
    assert_string_equal(error.message, "serial number a1: its facts break the inventory's format");
    ph_error_clear(&error);
    made = ph_test_entry("a2", "t-0001\n");
    assert_int_equal(ph_inventory_add(inventory, &made, "der", 3, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "serial number a2: its facts"));
    ph_error_clear(&error);
    made = ph_test_entry("-1", "t-0001");
    assert_int_equal(ph_inventory_add(inventory, &made, "der", 3, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "serial number -1: its facts"));
    ph_error_clear(&error);
    made = ph_test_entry("a3", "t-0001");
    (void)snprintf(made.issuer, sizeof made.issuer, "nobody");
    assert_int_equal(ph_inventory_add(inventory, &made, "der", 3, &error), PH_ERR_EXISTS);
    assert_non_null(strstr(error.message, "FOREIGN KEY"));
    assert_int_equal(ph_test_number(inventory, "SELECT count(*) FROM certificate"), 0);
}

/* ---- CAs and transactions ---- */

/* [CA-49] */
static void crl_is_due(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory_revocation revocation = {.now_ms = 5000, .reason = 6};
    struct ph_inventory_crl crl = {.number = 9000, .signed_ms = 9000, .days = 7};
    bool due = true;
    add("a1", "t-0001");
    assert_int_equal(ph_inventory_crl_due(inventory, "devices", &due, &error), PH_OK);
    assert_false(due);
    /* a clock that was set back since the last CRL changes nothing */
    assert_int_equal(ph_inventory_crl_set(inventory, "devices", &crl, &error), PH_OK);
    assert_int_equal(ph_inventory_revoke_serial(inventory, "a1", &revocation, &error), PH_OK);
    assert_int_equal(ph_inventory_crl_due(inventory, "devices", &due, &error), PH_OK);
    assert_true(due);
    assert_int_equal(ph_inventory_crl_due(inventory, "brokers", &due, &error), PH_OK);
    assert_false(due);
    crl.number = 9001;
    crl.signed_ms = 5001;
    assert_int_equal(ph_inventory_crl_set(inventory, "devices", &crl, &error), PH_OK);
    assert_int_equal(ph_inventory_crl_due(inventory, "devices", &due, &error), PH_OK);
    assert_false(due);
    assert_int_equal(ph_inventory_unrevoke(inventory, NULL, "a1", &revocation, &error), PH_OK);
    assert_int_equal(ph_inventory_crl_due(inventory, "devices", &due, &error), PH_OK);
    assert_true(due); /* the last CRL still lists it */
    assert_int_equal(ph_inventory_crl_get(inventory, "devices", &crl, &error), PH_OK);
    assert_int_equal(crl.number, 9001);
    assert_int_equal(crl.signed_ms, 5001);
    assert_int_equal(crl.days, 7);
}

static void unknown_authority(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory_crl crl = {.days = 7};
    bool due = false;
    assert_int_equal(ph_inventory_crl_get(inventory, "mine", &crl, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "authority mine: not in the inventory"));
    ph_error_clear(&error);
    assert_int_equal(ph_inventory_crl_set(inventory, "mine", &crl, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "authority mine: not in the inventory"));
    ph_error_clear(&error);
    assert_int_equal(ph_inventory_crl_due(inventory, "mine", &due, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "authority mine: not in the inventory"));
    ph_error_clear(&error);
}

/* What was loaded from the CAs is out of date when one is added, changes its state, or is revoked;
 * not when a CRL is signed. */
static void authorities_are_versioned(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory_crl crl = {.number = 1, .days = 1};
    int64_t before = 0;
    int64_t version = 0;
    assert_int_equal(ph_setting_int64(inventory, "authorities", &before, &error), PH_OK);
    assert_int_equal(ph_inventory_crl_set(inventory, "devices", &crl, &error), PH_OK);
    add("a1", "t-0001");
    ph_test_exec(inventory, "UPDATE certificate SET revoked_ms = 5 WHERE serial = 'a1'");
    assert_int_equal(ph_setting_int64(inventory, "authorities", &version, &error), PH_OK);
    assert_int_equal(version, before);
    ph_test_exec(inventory, "INSERT INTO authority (name, role, generation, state, issuer, serial)"
                            " VALUES ('devices-2', 'devices', 2, 'next', 'root', 'd2')");
    assert_int_equal(ph_setting_int64(inventory, "authorities", &version, &error), PH_OK);
    assert_int_equal(version, before + 1);
    ph_test_exec(inventory, "UPDATE authority SET state = 'old' WHERE name = 'devices'");
    struct ph_inventory_entry ca = ph_test_entry("d2", "devices-2");
    (void)snprintf(ca.type, sizeof ca.type, "authority");
    ph_test_add(inventory, &ca);
    ph_test_exec(inventory, "UPDATE certificate SET revoked_ms = 5 WHERE serial = 'd2'");
    assert_int_equal(ph_setting_int64(inventory, "authorities", &version, &error), PH_OK);
    assert_int_equal(version, before + 3);
}

static void one_active_authority(void **state)
{
    (void)state;
    struct ph_error error = {0};
    assert_int_equal(ph_db_exec(inventory->db,
                         "INSERT INTO authority (name, role, generation, state, issuer, serial)"
                         " VALUES ('devices-2', 'devices', 2, 'active', 'root', 'd2')",
                         &error),
        PH_ERR_EXISTS);
    assert_non_null(strstr(error.message, "UNIQUE"));
}

static void settings(void **state)
{
    (void)state;
    struct ph_error error = {0};
    char text[8];
    int64_t value = 0;
    assert_int_equal(ph_setting_put_text(inventory, "name", "home", &error), PH_OK);
    assert_int_equal(ph_setting_put_int64(inventory, "crl_days", -7, &error), PH_OK);
    assert_int_equal(ph_setting_put_int64(inventory, "crl_days", 7, &error), PH_OK);
    assert_int_equal(ph_setting_text(inventory, "name", text, sizeof text, &error), PH_OK);
    assert_string_equal(text, "home");
    assert_int_equal(ph_setting_int64(inventory, "crl_days", &value, &error), PH_OK);
    assert_int_equal(value, 7);
    assert_int_equal(ph_setting_int64(inventory, "name", &value, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "ca.db: setting name: want a number, have \"home\""));
    ph_error_clear(&error);
    assert_int_equal(
        ph_setting_text(inventory, "other", text, sizeof text, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "setting other: not in the inventory"));
    ph_error_clear(&error);
    assert_int_equal(ph_setting_put_text(inventory, "name", "far too long", &error), PH_OK);
    assert_int_equal(ph_setting_text(inventory, "name", text, sizeof text, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "a row of table setting breaks"));
}

static void rolled_back(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory_entry found;
    assert_int_equal(ph_inventory_begin(inventory, &error), PH_OK);
    add("a1", "t-0001");
    ph_inventory_rollback(inventory);
    assert_int_equal(ph_inventory_find(inventory, "a1", &found, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "not in the inventory"));
}

/* ---- other processes ---- */

static void missing_file(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory *other = NULL;
    char missing[80];
    (void)snprintf(missing, sizeof missing, "%s/other.db", test.dir);
    assert_int_equal(ph_inventory_open(missing, false, &other, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "other.db"));
}

/* [CA-21] Whoever waits too long for another process is told so, and has written nothing. */
static void busy(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory *other = NULL;
    struct ph_inventory_entry made = ph_test_entry("a1", "t-0001");
    ph_test_must(ph_inventory_open(test.path, false, &other, &error), &error);
    ph_test_exec(other, "PRAGMA busy_timeout=50");
    assert_int_equal(ph_inventory_begin(inventory, &error), PH_OK);
    assert_int_equal(ph_inventory_begin(other, &error), PH_ERR_BUSY);
    assert_non_null(strstr(error.message, "ca.db: begin transaction"));
    assert_non_null(strstr(error.message, "another process holds it"));
    ph_error_clear(&error);
    assert_int_equal(ph_inventory_add(other, &made, "der", 3, &error), PH_ERR_BUSY);
    assert_non_null(strstr(error.message, "another process holds it"));
    ph_error_clear(&error);
    assert_int_equal(ph_inventory_add(inventory, &made, "der", 3, &error), PH_OK);
    assert_int_equal(ph_inventory_commit(inventory, &error), PH_OK);
    assert_int_equal(ph_inventory_begin(other, &error), PH_OK); /* its statements still serve */
    made = ph_test_entry("a2", "t-0001");
    assert_int_equal(ph_inventory_add(other, &made, "der", 3, &error), PH_OK);
    assert_int_equal(ph_inventory_commit(other, &error), PH_OK);
    ph_inventory_close(&other);
    assert_string_equal(ph_test_get(inventory, "a2").name, "t-0001");
}

/* A process of its own that is killed with one transaction committed and another open. */
static void write_and_die(void)
{
    struct ph_error error = {0};
    struct ph_inventory *own = NULL;
    struct ph_inventory_entry first = ph_test_entry("a1", "t-0001");
    struct ph_inventory_entry second = ph_test_entry("a2", "t-0001");
    struct ph_claim claim = {.tenant = "acme", .name = "b", .limit = 1};
    ph_test_must(ph_inventory_open(test.path, false, &own, &error), &error);
    ph_test_must(ph_inventory_begin(own, &error), &error);
    ph_test_must(ph_inventory_add(own, &first, "der", 3, &error), &error);
    ph_test_must(ph_claim_add(own, &claim, &error), &error);
    ph_test_must(ph_inventory_commit(own, &error), &error);
    ph_test_must(ph_inventory_begin(own, &error), &error);
    ph_test_must(ph_claim_use(own, "acme", "b", &error), &error);
    ph_test_must(ph_inventory_add(own, &second, "der", 3, &error), &error);
    (void)raise(SIGKILL);
}

/* [CA-48] */
static void killed(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory_entry found;
    struct ph_claim claim = {0};
    int status = 0;
    ph_inventory_close(&test.inventory);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        write_and_die();
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(ph_inventory_open(test.path, false, &test.inventory, &error), PH_OK);
    inventory = test.inventory;
    assert_string_equal(ph_test_get(inventory, "a1").name, "t-0001");
    assert_int_equal(ph_inventory_find(inventory, "a2", &found, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "serial number a2: not in the inventory"));
    assert_int_equal(ph_claim_find(inventory, "acme", "b", &claim, NULL), PH_OK);
    assert_int_equal(claim.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(add_and_find, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_who_approved_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_what_it_could_not_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(crl_is_due, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unknown_authority, set_up, tear_down),
        cmocka_unit_test_setup_teardown(authorities_are_versioned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_active_authority, set_up, tear_down),
        cmocka_unit_test_setup_teardown(settings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rolled_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(missing_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(busy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(killed, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("inventory", tests, NULL, NULL);
}
