#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

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

static const struct ph_identity thermostat = {
    .tenant = "acme", .kind = "thermostat", .device = "t-0001"};

static void finds_by_other_marks(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory_entry found;
    struct ph_inventory_revocation revocation = {.now_ms = 5000, .reason = 1};
    struct ph_buf der;
    add("a1", "t-0001");
    ph_test_add_renewal(inventory, "a2", "a1", "a1");
    ph_test_add_renewal(inventory, "a3", "a1", "a1");
    ph_test_exec(inventory, "UPDATE certificate SET key_hash = 'ea1' WHERE serial = 'a2'");
    assert_int_equal(ph_inventory_find_fingerprint(inventory, "fa2", &found, &error), PH_OK);
    assert_string_equal(found.serial, "a2");
    assert_int_equal(ph_inventory_find_key(inventory, "ea1", &found, &error), PH_OK);
    assert_string_equal(found.serial, "a2"); /* the newer of two */
    assert_int_equal(ph_inventory_find_successor(inventory, "a1", &found, &error), PH_OK);
    assert_string_equal(found.serial, "a3");
    assert_int_equal(ph_inventory_find_newest(inventory, &thermostat, &found, &error), PH_OK);
    assert_string_equal(found.serial, "a3");
    assert_int_equal(ph_inventory_revoke_serial(inventory, "a3", &revocation, &error), PH_OK);
    assert_int_equal(ph_inventory_find_newest(inventory, &thermostat, &found, &error), PH_OK);
    assert_string_equal(found.serial, "a3"); /* revoked, but somebody's */
    ph_buf_init(&der, 16);
    assert_int_equal(ph_inventory_der(inventory, "a1", &der, &error), PH_OK);
    assert_string_equal(der.data, "der");
    ph_buf_fini(&der);
    ph_buf_init(&der, 2);
    assert_int_equal(ph_inventory_der(inventory, "a1", &der, &error), PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "ca.db: serial number a1: certificate of 3 bytes"));
    ph_buf_fini(&der);
}

static void finds_nothing(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory_entry found;
    struct ph_buf der;
    ph_buf_init(&der, 16);
    add("a1", "t-0002");
    assert_int_equal(
        ph_inventory_find_fingerprint(inventory, "00", &found, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "certificate with fingerprint 00: not in the inventory"));
    ph_error_clear(&error);
    assert_int_equal(ph_inventory_find_key(inventory, "00", &found, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "certificate with key 00: not in the inventory"));
    ph_error_clear(&error);
    assert_int_equal(ph_inventory_find_successor(inventory, "", &found, &error), PH_ERR_NOT_FOUND);
    ph_error_clear(&error);
    assert_int_equal(
        ph_inventory_find_newest(inventory, &thermostat, &found, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "acme/thermostat/t-0001: no certificate"));
    ph_error_clear(&error);
    assert_int_equal(ph_inventory_der(inventory, "b1", &der, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "serial number b1: not in the inventory"));
}

/* ---- filters ---- */

struct seen {
    char serials[256];
    int count;
};

static enum ph_err note(
    const struct ph_inventory_entry *visited, void *context, struct ph_error *error)
{
    (void)error;
    struct seen *seen = context;
    size_t len = strlen(seen->serials);
    (void)snprintf(seen->serials + len, sizeof seen->serials - len, "%s%s", len > 0 ? " " : "",
        visited->serial);
    seen->count++;
    return PH_OK;
}

static const char *listed(const struct ph_inventory_filter *filter)
{
    static struct seen seen;
    struct ph_error error = {0};
    seen = (struct seen){0};
    assert_int_equal(ph_inventory_each(inventory, filter, note, &seen, &error), PH_OK);
    return seen.serials;
}

#define LISTED(...) listed(&(const struct ph_inventory_filter){__VA_ARGS__})

static void fill_all_states(void)
{
    struct ph_inventory_entry made = ph_test_entry("a1", "valid");
    made.not_after_ms = 90000;
    ph_test_add(inventory, &made);
    made = ph_test_entry("a2", "later");
    made.not_before_ms = 60000;
    made.not_after_ms = 80000;
    ph_test_add(inventory, &made);
    add("a3", "expired");
    made = ph_test_entry("a4", "revoked");
    made.revoked_ms = 2000;
    made.reason = 1;
    ph_test_add(inventory, &made);
    made.reason = 4;
    (void)snprintf(made.serial, sizeof made.serial, "a5");
    ph_test_add(inventory, &made);
    made.reason = 6;
    (void)snprintf(made.serial, sizeof made.serial, "a6");
    ph_test_add(inventory, &made);
    made = ph_test_entry("a7", "localhost");
    made.tenant[0] = '\0';
    made.kind[0] = '\0';
    (void)snprintf(made.type, sizeof made.type, "broker");
    (void)snprintf(made.issuer, sizeof made.issuer, "brokers");
    (void)snprintf(made.origin, sizeof made.origin, "imported");
    (void)snprintf(made.claim, sizeof made.claim, "batch");
    made.not_after_ms = 50000;
    ph_test_add(inventory, &made);
}

/* [CA-41] */
static void filters(void **state)
{
    (void)state;
    fill_all_states();
    assert_string_equal(listed(NULL), "a1 a2 a3 a4 a5 a6 a7");
    assert_string_equal(LISTED(.type = "broker"), "a7");
    assert_string_equal(LISTED(.tenant = "acme", .kind = "thermostat"), "a1 a2 a3 a4 a5 a6");
    assert_string_equal(LISTED(.tenant = ""), "a7");
    assert_string_equal(LISTED(.issuer = "brokers"), "a7");
    assert_string_equal(LISTED(.origin = "imported"), "a7");
    assert_string_equal(LISTED(.claim = "batch"), "a7");
    assert_string_equal(LISTED(.lineage = "a4"), "a4");
    assert_string_equal(LISTED(.holder = "acme/thermostat/valid"), "a1");
    assert_string_equal(LISTED(.holder = "acme/*/*ed"), "a3 a4 a5 a6");
    assert_string_equal(LISTED(.holder = "local*"), "a7");
    assert_string_equal(LISTED(.expires_before_ms = 60000), "a3 a4 a5 a6 a7");
    assert_string_equal(LISTED(.tenant = "a' OR ''='"), "");
}

/* [CA-41] The states of SQL and of ph_inventory_state() are the same. */
static void states_are_the_same(void **state)
{
    (void)state;
    static const char *const names[] = {
        "valid", "not-yet-valid", "expired", "revoked", "superseded", "held"};
    static const char *const want[] = {"a1 a7", "a2", "a3", "a4", "a5", "a6"};
    fill_all_states();
    for (size_t i = 0; i < 6; i++) {
        enum ph_inventory_state wanted = PH_STATE_VALID;
        assert_true(ph_inventory_state_parse(names[i], &wanted));
        assert_string_equal(ph_inventory_state_name(wanted), names[i]);
        assert_string_equal(LISTED(.states = wanted, .now_ms = 50000), want[i]);
        char serial[PH_SERIAL_BYTES];
        (void)snprintf(serial, sizeof serial, "%.*s", (int)strcspn(want[i], " "), want[i]);
        struct ph_inventory_entry first = get(serial);
        assert_int_equal(ph_inventory_state(&first, 50000), wanted);
    }
    assert_string_equal(
        LISTED(.states = PH_STATE_HELD | PH_STATE_EXPIRED, .now_ms = 50000), "a3 a6");
    enum ph_inventory_state unknown;
    assert_false(ph_inventory_state_parse("Valid", &unknown));
}

static enum ph_err stop(
    const struct ph_inventory_entry *visited, void *context, struct ph_error *error)
{
    struct ph_inventory_entry found;
    *(int *)context += 1;
    enum ph_err err = ph_inventory_find(inventory, visited->serial, &found, error);
    return err != PH_OK ? err : ph_error_set(error, PH_ERR_DENIED, "enough of %s", found.serial);
}

static void visit_ends_the_visit(void **state)
{
    (void)state;
    struct ph_error error = {0};
    int count = 0;
    add("a1", "t-0001");
    add("a2", "t-0001");
    assert_int_equal(ph_inventory_each(inventory, NULL, stop, &count, &error), PH_ERR_DENIED);
    assert_string_equal(error.message, "enough of a1");
    assert_int_equal(count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_by_other_marks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(finds_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(filters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(states_are_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(visit_ends_the_visit, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("inventory_find", tests, NULL, NULL);
}
