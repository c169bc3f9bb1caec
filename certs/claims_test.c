#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "certs/claims.h"
#include "certs/inventory_fixture.h"

static struct ph_claim claim_of(const char *name, int64_t limit)
{
    struct ph_claim claim = {.tenant = "acme",
        .kind = "thermostat",
        .limit = limit,
        .expires_ms = 9000,
        .made_ms = 1000};
    (void)snprintf(claim.name, sizeof claim.name, "%s", name);
    return claim;
}

static enum ph_err count_claim(const struct ph_claim *claim, void *context, struct ph_error *error)
{
    (void)error;
    *(int64_t *)context += claim->limit;
    return PH_OK;
}

static void claims(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_claim found;
    struct ph_claim claim = claim_of("batch-1", 500);
    struct ph_claim one = claim_of("one", 1);
    int64_t limits = 0;
    assert_int_equal(ph_claim_add(inventory, &claim, &error), PH_OK);
    assert_int_equal(ph_claim_add(inventory, &one, &error), PH_OK);
    assert_int_equal(ph_claim_add(inventory, &claim, &error), PH_ERR_EXISTS);
    assert_string_equal(error.message, "claim acme/batch-1: exists; choose another name");
    ph_error_clear(&error);
    claim.limit = 0;
    assert_int_equal(ph_claim_add(inventory, &claim, &error), PH_ERR_USAGE);
    assert_string_equal(error.message, "claim acme/batch-1: want 1 or more devices, have 0");
    ph_error_clear(&error);
    assert_int_equal(ph_claim_find(inventory, "acme", "batch-1", &found, &error), PH_OK);
    assert_string_equal(found.kind, "thermostat");
    assert_int_equal(found.limit, 500);
    assert_int_equal(found.used, 0);
    assert_int_equal(found.expires_ms, 9000);
    assert_int_equal(found.revoked_ms, 0);
    assert_int_equal(
        ph_claim_find(inventory, "other", "batch-1", &found, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "claim other/batch-1: not in the inventory"));
    assert_int_equal(ph_claim_each(inventory, count_claim, &limits, NULL), PH_OK);
    assert_int_equal(limits, 501);
    assert_int_equal(ph_claim_remove(inventory, "acme", "one", NULL), PH_OK);
    assert_int_equal(ph_claim_find(inventory, "acme", "one", &found, NULL), PH_ERR_NOT_FOUND);
}

/* [CA-54] */
static void claim_is_used_up(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_claim found;
    struct ph_claim claim = claim_of("batch-1", 2);
    assert_int_equal(ph_claim_add(inventory, &claim, &error), PH_OK);
    assert_int_equal(ph_claim_use(inventory, "acme", "batch-1", &error), PH_OK);
    assert_int_equal(ph_claim_use(inventory, "acme", "batch-1", &error), PH_OK);
    assert_int_equal(ph_claim_use(inventory, "acme", "batch-1", &error), PH_ERR_DENIED);
    assert_string_equal(
        error.message, "claim acme/batch-1: used up: it was for 2 and has enrolled 2");
    ph_error_clear(&error);
    assert_int_equal(ph_claim_find(inventory, "acme", "batch-1", &found, &error), PH_OK);
    assert_int_equal(found.used, 2);
    assert_int_equal(ph_claim_use(inventory, "acme", "batch-2", &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "claim acme/batch-2: not in the inventory"));
    ph_error_clear(&error);
    assert_int_equal(ph_db_exec(inventory->db, "UPDATE claim SET used = 3", &error), PH_ERR_EXISTS);
    assert_non_null(strstr(error.message, "CHECK"));
}

/* [CA-47] */
static void damaged_row(void **state)
{
    (void)state;
    struct ph_error error = {0};
    int64_t limits = 0;
    ph_test_exec(inventory,
        "DROP TABLE claim;"
        "CREATE TABLE claim (tenant, name, kind, max_uses, used, expires_ms, made_ms, revoked_ms);"
        "INSERT INTO claim VALUES ('acme', 'b', 'k', 0, 0, 0, 0, 0)");
    assert_int_equal(ph_claim_each(inventory, count_claim, &limits, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "ca.db: a row of table claim breaks"));
    assert_int_equal(limits, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(claims, set_up, tear_down),
        cmocka_unit_test_setup_teardown(claim_is_used_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_row, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("claims", tests, NULL, NULL);
}
