#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "certs/claims.h"
#include "certs/inventory_fixture.h"

static void device_states(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_identity identity = {.tenant = "acme", .kind = "thermostat", .device = "t-1"};
    assert_int_equal(ph_device_state_put(inventory, &identity, "aa", "bb", 5, &error), PH_OK);
    assert_int_equal(ph_device_state_put(inventory, &identity, "AC", "BD", 6, &error), PH_OK);
    assert_int_equal(
        ph_test_number(inventory, "SELECT count(*) FROM device_state WHERE tenant = 'acme'"
                                  " AND kind = 'thermostat' AND name = 't-1' AND fingerprint = 'ac'"
                                  " AND trust = 'bd' AND seen_ms = 6"),
        1);
    assert_int_equal(ph_test_number(inventory, "SELECT count(*) FROM device_state"), 1);
}

static void add_bundle(int64_t number, const char *digest, const char *statement)
{
    struct ph_error error = {0};
    struct ph_trust_bundle bundle = {.number = number};
    (void)snprintf(bundle.digest, sizeof bundle.digest, "%s", digest);
    ph_buf_init(&bundle.statement, 64);
    assert_int_equal(ph_buf_append_text(&bundle.statement, statement), PH_OK);
    ph_test_must(ph_trust_bundle_add(inventory, &bundle, 7, &error), &error);
    ph_buf_fini(&bundle.statement);
}

/* [CA-59] */
static void bundles(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_trust_bundle out = {.number = 5};
    ph_buf_init(&out.statement, 64);
    assert_int_equal(ph_trust_bundle_newest(inventory, &out, &error), PH_OK);
    assert_int_equal(out.number, 0);
    assert_int_equal(ph_trust_bundle_after(inventory, "00", &out, &error), PH_ERR_NOT_FOUND);
    assert_string_equal(error.message, "trust bundle with digest 00: none follows it");
    ph_error_clear(&error);
    add_bundle(1, "a1", "first");
    add_bundle(2, "a2", "second");
    add_bundle(3, "a3", "third");
    assert_int_equal(ph_trust_bundle_newest(inventory, &out, &error), PH_OK);
    assert_int_equal(out.number, 3);
    assert_string_equal(out.digest, "a3");
    assert_string_equal(out.statement.data, "third");
    ph_buf_reset(&out.statement);
    assert_int_equal(ph_trust_bundle_after(inventory, "A1", &out, &error), PH_OK);
    assert_string_equal(out.statement.data, "second");
    ph_buf_reset(&out.statement);
    assert_int_equal(ph_trust_bundle_after(inventory, "00", &out, &error), PH_OK);
    assert_string_equal(out.statement.data, "first");
    ph_buf_reset(&out.statement);
    assert_int_equal(ph_trust_bundle_after(inventory, "a3", &out, &error), PH_ERR_NOT_FOUND);
    assert_string_equal(error.message, "trust bundle with digest a3: none follows it");
    ph_error_clear(&error);
    struct ph_trust_bundle small = {.number = 0};
    ph_buf_init(&small.statement, 3);
    assert_int_equal(ph_trust_bundle_newest(inventory, &small, &error), PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "ca.db: trust bundle 3: 5 bytes are too long"));
    ph_buf_fini(&small.statement);
    ph_buf_fini(&out.statement);
}

/* [CA-47] */
static void damaged_row(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_trust_bundle bundle = {0};
    ph_test_exec(inventory,
        "DROP TABLE trust_bundle; CREATE TABLE trust_bundle (number, digest, statement);"
        "INSERT INTO trust_bundle VALUES ('x', 'a', 'b')");
    ph_buf_init(&bundle.statement, 64);
    assert_int_equal(ph_trust_bundle_newest(inventory, &bundle, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "ca.db: a row of table trust_bundle breaks"));
    ph_buf_fini(&bundle.statement);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(device_states, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bundles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_row, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("device_state", tests, NULL, NULL);
}
