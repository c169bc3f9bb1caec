#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "certs/claims.h"
#include "certs/inventory_fixture.h"

static struct ph_enrolment request(const char *key_hash)
{
    struct ph_enrolment made = {.tenant = "acme",
        .claim = "batch-1",
        .kind = "thermostat",
        .name = "t-1",
        .hardware = "SN\n1",
        .received_ms = 1000};
    (void)snprintf(made.key_hash, sizeof made.key_hash, "%s", key_hash);
    return made;
}

static enum ph_err count_request(
    const struct ph_enrolment *enrolment, void *context, struct ph_error *error)
{
    (void)error;
    assert_true(enrolment->id > 0);
    *(int *)context += 1;
    return PH_OK;
}

static void enrolments(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_enrolment made = request("ab");
    struct ph_enrolment second = request("cd");
    struct ph_enrolment found;
    int all = 0;
    int waiting = 0;
    assert_int_equal(ph_enrolment_put(inventory, &made, &error), PH_OK);
    assert_int_equal(ph_enrolment_put(inventory, &second, &error), PH_OK);
    assert_true(made.id > 0 && second.id > made.id);
    assert_int_equal(ph_enrolment_find(inventory, "acme", "batch-1", "ab", &found, &error), PH_OK);
    assert_int_equal(found.id, made.id);
    assert_string_equal(found.hardware, "SN\\x0a1");
    assert_int_equal(found.state, PH_ENROLMENT_WAITING);
    found.state = PH_ENROLMENT_ISSUED;
    (void)snprintf(found.serial, sizeof found.serial, "a1");
    found.decided_ms = 2000;
    assert_int_equal(ph_enrolment_put(inventory, &found, &error), PH_OK);
    assert_int_equal(ph_enrolment_get(inventory, made.id, &found, &error), PH_OK);
    assert_int_equal(found.state, PH_ENROLMENT_ISSUED);
    assert_string_equal(found.serial, "a1");
    assert_int_equal(found.received_ms, 1000);
    assert_int_equal(found.decided_ms, 2000);
    assert_int_equal(ph_enrolment_each(inventory, false, count_request, &all, &error), PH_OK);
    assert_int_equal(ph_enrolment_each(inventory, true, count_request, &waiting, &error), PH_OK);
    assert_int_equal(all, 2);
    assert_int_equal(waiting, 1);
}

static void enrolments_refused(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_enrolment made = request("ab");
    struct ph_enrolment again = request("ab");
    struct ph_enrolment found;
    assert_int_equal(ph_enrolment_put(inventory, &made, &error), PH_OK);
    assert_int_equal(ph_enrolment_put(inventory, &again, &error), PH_ERR_EXISTS);
    assert_non_null(strstr(error.message, "UNIQUE"));
    ph_error_clear(&error);
    again.id = 99;
    assert_int_equal(ph_enrolment_put(inventory, &again, &error), PH_ERR_NOT_FOUND);
    assert_string_equal(
        error.message, "request 99: there is none; ph-ca requests shows what there is");
    ph_error_clear(&error);
    assert_int_equal(ph_enrolment_get(inventory, 99, &found, &error), PH_ERR_NOT_FOUND);
    assert_string_equal(
        error.message, "request 99: there is none; ph-ca requests shows what there is");
    ph_error_clear(&error);
    assert_int_equal(
        ph_enrolment_find(inventory, "acme", "batch-1", "cd", &found, &error), PH_ERR_NOT_FOUND);
    assert_string_equal(error.message, "claim acme/batch-1: no request for the key cd");
}

/* [CA-58] */
static void waiting_requests_are_bounded(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_enrolment made = request("ab");
    assert_int_equal(ph_inventory_begin(inventory, &error), PH_OK);
    for (int i = 0; i < PH_ENROLMENTS_WAITING; i++) {
        char key_hash[16];
        (void)snprintf(key_hash, sizeof key_hash, "%06x", (unsigned)i);
        made = request(key_hash);
        assert_int_equal(ph_enrolment_put(inventory, &made, &error), PH_OK);
    }
    struct ph_enrolment over = request("ff");
    assert_int_equal(ph_enrolment_put(inventory, &over, &error), PH_ERR_LIMIT);
    assert_string_equal(
        error.message, "claim acme/batch-1: 1000 requests wait already; approve or refuse some");
    ph_error_clear(&error);
    (void)snprintf(over.claim, sizeof over.claim, "batch-2");
    assert_int_equal(ph_enrolment_put(inventory, &over, &error), PH_OK); /* another's is its own */
    made.state = PH_ENROLMENT_REFUSED;
    assert_int_equal(ph_enrolment_put(inventory, &made, &error), PH_OK);
    over = request("ff");
    assert_int_equal(ph_enrolment_put(inventory, &over, &error), PH_OK);
    assert_int_equal(ph_inventory_commit(inventory, &error), PH_OK);
}

/* [CA-47] */
static void damaged_row(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_enrolment enrolment;
    int count = 0;
    ph_test_exec(inventory,
        "DROP TABLE enrolment;"
        "CREATE TABLE enrolment (id, tenant, claim, key_hash, kind, name, hardware, state, serial,"
        " received_ms, decided_ms, who, why);"
        "INSERT INTO enrolment VALUES (1, 'acme', 'b', 'a', 'k', 'n', NULL, 'waiting', '', 0, 0,"
        " '', '')");
    assert_int_equal(
        ph_enrolment_each(inventory, true, count_request, &count, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "ca.db: a row of table enrolment breaks"));
    ph_error_clear(&error);
    assert_int_equal(ph_enrolment_get(inventory, 1, &enrolment, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "ca.db: a row of table enrolment breaks"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(enrolments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(enrolments_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(waiting_requests_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_row, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("enrolments", tests, NULL, NULL);
}
