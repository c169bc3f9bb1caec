#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "certs/inventory.h"

static char dir[] = "/tmp/ph-inventory-test-XXXXXX";
static char path[64];
static struct ph_inventory *inventory;

static int set_up(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory_crl crl = {.days = 7};
    (void)strcpy(dir, "/tmp/ph-inventory-test-XXXXXX");
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/ca.db", dir);
    return ph_inventory_open(path, true, &inventory, &error) == PH_OK &&
                   ph_inventory_crl_set(inventory, "devices", &crl, &error) == PH_OK
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    ph_inventory_close(&inventory);
    (void)unlink(path);
    return rmdir(dir);
}

static struct ph_inventory_entry entry(const char *serial, const char *name)
{
    struct ph_inventory_entry made = {.issuer = "devices",
        .type = "device",
        .tenant = "acme",
        .kind = "thermostat",
        .fingerprint = "f",
        .issued_ms = 1000,
        .not_before_ms = 1000,
        .not_after_ms = 9000};
    (void)snprintf(made.serial, sizeof made.serial, "%s", serial);
    (void)snprintf(made.name, sizeof made.name, "%s", name);
    return made;
}

static void add(const char *serial, const char *name)
{
    struct ph_error error = {0};
    struct ph_inventory_entry made = entry(serial, name);
    assert_int_equal(ph_inventory_add(inventory, &made, "der", 3, &error), PH_OK);
}

static enum ph_err count(
    const struct ph_inventory_entry *visited, void *context, struct ph_error *error)
{
    (void)visited;
    (void)error;
    *(int *)context += 1;
    return PH_OK;
}

static void add_and_find(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory_entry found;
    struct ph_inventory_entry again = entry("a1", "t-0002");
    add("a1", "t-0001");
    assert_int_equal(ph_inventory_find(inventory, "a1", &found, &error), PH_OK);
    assert_string_equal(found.name, "t-0001");
    assert_int_equal(found.not_after_ms, 9000);
    assert_int_equal(found.revoked_ms, 0);
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

/* CA-14: revoking again changes neither time nor reason. */
static void revoked_once(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory_entry found;
    struct ph_identity identity = {.tenant = "acme", .kind = "thermostat", .device = "t-0001"};
    struct ph_inventory_revocation revocation = {.now_ms = 5000, .reason = 1};
    int visited = 0;
    add("a1", "t-0001");
    add("a2", "t-0001");
    add("a3", "t-0002");
    assert_int_equal(
        ph_inventory_revoke_identity(inventory, &identity, &revocation, &error), PH_OK);
    assert_int_equal(revocation.known, 2);
    assert_int_equal(revocation.changed, 2);
    revocation = (struct ph_inventory_revocation){.now_ms = 6000, .reason = 4};
    assert_int_equal(ph_inventory_revoke_serial(inventory, "a2", &revocation, &error), PH_OK);
    assert_int_equal(revocation.known, 1);
    assert_int_equal(revocation.changed, 0);
    assert_int_equal(ph_inventory_find(inventory, "a2", &found, &error), PH_OK);
    assert_int_equal(found.revoked_ms, 5000);
    assert_int_equal(found.reason, 1);
    assert_int_equal(
        ph_inventory_each_revoked(inventory, "devices", 0, count, &visited, &error), PH_OK);
    assert_int_equal(visited, 2);
    assert_int_equal(
        ph_inventory_each_revoked(inventory, "devices", 9001, count, &visited, &error), PH_OK);
    assert_int_equal(visited, 2);
    assert_int_equal(ph_inventory_each(inventory, count, &visited, &error), PH_OK);
    assert_int_equal(visited, 5);
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

static void refused(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory *other = NULL;
    struct ph_inventory_crl crl;
    char serial[PH_SERIAL_BYTES];
    char missing[80];
    (void)snprintf(missing, sizeof missing, "%s/other.db", dir);
    assert_int_equal(ph_inventory_open(missing, false, &other, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "other.db"));
    ph_error_clear(&error);
    assert_int_equal(ph_inventory_crl_get(inventory, "brokers", &crl, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "authority brokers: not in the inventory"));
    ph_error_clear(&error);
    assert_int_equal(
        ph_inventory_authority_serial(inventory, "root", serial, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "authority root: not in the inventory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(add_and_find, set_up, tear_down),
        cmocka_unit_test_setup_teardown(revoked_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rolled_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refused, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("inventory", tests, NULL, NULL);
}
