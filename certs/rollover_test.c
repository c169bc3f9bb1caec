#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "certs/acts.h"
#include "certs/rollover_fixture.h"

/* [CA-65] [CA-66] [CA-67] [CA-68] */
static void subordinate(void **state)
{
    (void)state;
    struct ph_authority_change order = rolled_change_of(PH_DEVICES, NULL);
    int64_t versions[2] = {0};
    rolled_issue("t-1");
    rolled_refuses(ph_rollover_activate, &order, PH_ERR_NOT_FOUND,
        "devices: no roll-over is under way: ph-ca rollover begin devices comes first");
    rolled_refuses(ph_rollover_finish, &order, PH_ERR_NOT_FOUND, "no roll-over is under way");
    assert_int_equal(ph_authorities_version(ph_ca_inventory(rolled.ca), &versions[0], NULL), PH_OK);
    rolled_succeeds(ph_rollover_begin, &order);
    assert_int_equal(ph_authorities_version(ph_ca_inventory(rolled.ca), &versions[1], NULL), PH_OK);
    assert_true(versions[1] > versions[0]);
    assert_string_equal(rolled_state_of("devices-2"), "next");
    assert_true(rolled_holds("trust/devices.pem", "devices-2") &&
                rolled_holds("trust/devices.pem", "devices"));
    assert_true(rolled_holds("trust/clients.pem", "devices-2"));
    assert_false(rolled_holds("trust/brokers.pem", "devices-2"));
    rolled_brokers_take_all();
    rolled_issue("t-2");
    assert_int_equal(rolled_progress_of(PH_DEVICES).left, 2);
    assert_int_equal(rolled_progress_of(PH_DEVICES).moved, 0);
    rolled_refuses(ph_rollover_finish, &order, PH_ERR_DENIED, "devices-2: does not issue yet");

    rolled_succeeds(ph_rollover_activate, &order);
    assert_string_equal(rolled_state_of("devices"), "old");
    rolled_issue("t-1");
    assert_int_equal(rolled_progress_of(PH_DEVICES).left, 2);
    assert_int_equal(rolled_progress_of(PH_DEVICES).moved, 1);
    rolled_refuses(
        ph_rollover_begin, &order, PH_ERR_DENIED, "devices: is being replaced by devices-2");
    rolled_refuses(ph_rollover_finish, &order, PH_ERR_DENIED,
        "devices: 2 of its certificates are valid and would be locked out");
    assert_string_equal(rolled_state_of("devices"), "old");
    rolled_revoke_all_of("t-2");
    rolled_refuses(ph_rollover_finish, &order, PH_ERR_DENIED, "devices: 1 of its certificates");

    order.force = true;
    rolled_succeeds(ph_rollover_finish, &order);
    assert_string_equal(rolled_state_of("devices"), "retired");
    assert_false(rolled_holds("trust/devices.pem", "devices"));
    assert_true(rolled_holds("trust/devices.pem", "devices-2"));
    rolled_brokers_take_all();
    rolled_succeeds(ph_rollover_begin, &order);
    assert_string_equal(rolled_state_of("devices-3"), "next");
}

/* [CA-69] What was done already is not done twice. */
static void repeated(void **state)
{
    (void)state;
    struct ph_authority_change order = rolled_change_of(PH_SERVICES, NULL);
    rolled_succeeds(ph_rollover_begin, &order);
    rolled_succeeds(ph_rollover_begin, &order);
    assert_string_equal(rolled_state_of("services-3"), "none");
    rolled_succeeds(ph_rollover_activate, &order);
    rolled_succeeds(ph_rollover_activate, &order);
    assert_string_equal(rolled_state_of("services-2"), "active");
    rolled_succeeds(ph_rollover_finish, &order);
    rolled_succeeds(ph_rollover_finish, &order);
    assert_string_equal(rolled_state_of("services-2"), "active");
    assert_string_equal(rolled_state_of("services"), "retired");
}

/* [CA-63] Its own CA issues for a tenant, and is rolled over alone. */
static void tenant(void **state)
{
    (void)state;
    struct ph_authority_change order = rolled_change_of(PH_DEVICES, "acme");
    struct ph_authority active;
    rolled_succeeds(ph_authority_add, &order);
    rolled_refuses(ph_authority_add, &order, PH_ERR_EXISTS, "devices of acme: there is one");
    assert_int_equal(
        ph_authority_active(ph_ca_inventory(rolled.ca), PH_DEVICES, "acme", &active, NULL), PH_OK);
    assert_string_equal(active.name, "devices@acme");
    assert_int_equal(
        ph_authority_active(ph_ca_inventory(rolled.ca), PH_DEVICES, "other", &active, NULL), PH_OK);
    assert_string_equal(active.name, "devices");
    assert_int_equal(
        ph_authority_active(ph_ca_inventory(rolled.ca), PH_DEVICES, NULL, &active, NULL), PH_OK);
    assert_string_equal(active.name, "devices");
    rolled_succeeds(ph_rollover_begin, &order);
    rolled_succeeds(ph_rollover_activate, &order);
    assert_string_equal(rolled_state_of("devices-2@acme"), "active");
    assert_string_equal(rolled_state_of("devices"), "active");
    assert_true(rolled_holds("trust/clients.pem", "devices-2@acme"));
    rolled_brokers_take_all();
    rolled_issue("t-1");
    struct ph_authority_change brokers = rolled_change_of(PH_BROKERS, "acme");
    rolled_refuses(ph_authority_add, &brokers, PH_ERR_USAGE, "want devices, services or claims");
    struct ph_authority_change stranger = rolled_change_of(PH_CLAIMS, "nobody");
    rolled_refuses(
        ph_rollover_begin, &stranger, PH_ERR_NOT_FOUND, "claims of nobody: there is no such CA");
    struct ph_authority_change longest = rolled_change_of(
        PH_DEVICES, "a123456789012345678901234567890123456789012345678901234567890123");
    rolled_refuses(ph_authority_add, &longest, PH_ERR_LIMIT, "X.509 has room for");
}

/* [CA-79] */
static void names_that_differ_in_case(void **state)
{
    (void)state;
    struct ph_authority_change order = rolled_change_of(PH_DEVICES, "ACME");
    struct ph_authority active;
    struct ph_error error = {0};
    rolled_issue("t-1");
    rolled_refuses(ph_authority_add, &order, PH_ERR_DENIED,
        "tenant ACME: 1 certificates are of a tenant whose name differs in case alone");
    order.tenant = "other";
    rolled_succeeds(ph_authority_add, &order);
    order.tenant = "Other";
    rolled_refuses(
        ph_authority_add, &order, PH_ERR_DENIED, "tenant Other: tenant other has a CA of its own");
    assert_int_equal(
        ph_authority_active(ph_ca_inventory(rolled.ca), PH_SERVICES, "Other", &active, &error),
        PH_ERR_DENIED);
    assert_non_null(strstr(error.message, "in X.509 the two names are the same"));
    assert_int_equal(
        ph_authority_active(ph_ca_inventory(rolled.ca), PH_SERVICES, "other", &active, NULL),
        PH_OK);
}

/* [CA-78] */
static void role_of_later(void **state)
{
    (void)state;
    struct ph_authority_change order = rolled_change_of(PH_CLAIMS, NULL);
    rolled_sql("DELETE FROM certificate WHERE name = 'claims';"
               "DELETE FROM authority WHERE name = 'claims'");
    rolled_refuses(ph_rollover_begin, &order, PH_ERR_NOT_FOUND, "claims: there is no such CA");
    rolled_succeeds(ph_authority_add, &order);
    assert_string_equal(rolled_state_of("claims"), "active");
    assert_true(
        rolled_holds("trust/claims.pem", "claims") && rolled_holds("trust/clients.pem", "claims"));
    rolled_brokers_take_all();
    rolled_refuses(ph_authority_add, &order, PH_ERR_EXISTS, "claims: there is one");
}

/* [CA-77] As many CAs as an anchor may hold, and no more. */
static void too_many(void **state)
{
    (void)state;
    struct ph_authority_change order = rolled_change_of(PH_DEVICES, "acme");
    rolled_sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 251)"
               " INSERT INTO authority (name, role, tenant, state, issuer, serial)"
               " SELECT 'devices@t' || i, 'devices', 't' || i, 'active', 'root', '' FROM n");
    rolled_refuses(
        ph_authority_add, &order, PH_ERR_LIMIT, "has 256 CAs, and a broker takes no more");
    assert_string_equal(rolled_state_of("devices@acme"), "none");
    rolled_sql("DELETE FROM authority WHERE name LIKE 'devices@t%'");
    rolled_succeeds(ph_authority_add, &order);
}

/* [CA-75] */
static void recorded(void **state)
{
    (void)state;
    struct ph_error error = {0};
    char head[65];
    int64_t before = 0;
    int64_t after = 0;
    struct ph_authority_change order = rolled_change_of(PH_CLAIMS, NULL);
    assert_int_equal(ph_act_verify(ph_ca_inventory(rolled.ca), head, &before, &error), PH_OK);
    assert_int_equal(before, 1);
    rolled_succeeds(ph_rollover_begin, &order);
    rolled_succeeds(ph_rollover_begin, &order);
    rolled_succeeds(ph_rollover_activate, &order);
    rolled_succeeds(ph_rollover_finish, &order);
    assert_int_equal(ph_act_verify(ph_ca_inventory(rolled.ca), head, &after, &error), PH_OK);
    assert_int_equal(after, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(subordinate, rolled_set_up, rolled_tear_down),
        cmocka_unit_test_setup_teardown(repeated, rolled_set_up, rolled_tear_down),
        cmocka_unit_test_setup_teardown(tenant, rolled_set_up, rolled_tear_down),
        cmocka_unit_test_setup_teardown(names_that_differ_in_case, rolled_set_up, rolled_tear_down),
        cmocka_unit_test_setup_teardown(role_of_later, rolled_set_up, rolled_tear_down),
        cmocka_unit_test_setup_teardown(too_many, rolled_set_up, rolled_tear_down),
        cmocka_unit_test_setup_teardown(recorded, rolled_set_up, rolled_tear_down),
    };
    return cmocka_run_group_tests_name("rollover", tests, NULL, NULL);
}
