#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "certs/claims.h"
#include "certs/inventory_fixture.h"

static void add(const char *serial, const char *name)
{
    struct ph_inventory_entry made = ph_test_entry(serial, name);
    ph_test_add(inventory, &made);
}

/* The reason why it is revoked; -1: it is not. */
static int reason_of(const char *serial)
{
    struct ph_inventory_entry found = ph_test_get(inventory, serial);
    return found.revoked_ms > 0 ? found.reason : -1;
}

static const struct ph_identity thermostat = {
    .tenant = "acme", .kind = "thermostat", .device = "t-0001"};

static enum ph_err count(
    const struct ph_inventory_entry *visited, void *context, struct ph_error *error)
{
    (void)visited;
    (void)error;
    *(int *)context += 1;
    return PH_OK;
}

/* [CA-14] Revoking again changes neither time nor reason. */
static void revoked_once(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory_revocation revocation = {.now_ms = 5000, .reason = 1};
    int visited = 0;
    add("a1", "t-0001");
    add("a2", "t-0001");
    add("a3", "t-0002");
    assert_int_equal(
        ph_inventory_revoke_identity(inventory, &thermostat, &revocation, &error), PH_OK);
    assert_int_equal(revocation.known, 2);
    assert_int_equal(revocation.changed, 2);
    revocation = (struct ph_inventory_revocation){.now_ms = 6000, .reason = 4};
    assert_int_equal(ph_inventory_revoke_serial(inventory, "a2", &revocation, &error), PH_OK);
    assert_int_equal(revocation.known, 1);
    assert_int_equal(revocation.changed, 0);
    struct ph_inventory_entry found = ph_test_get(inventory, "a2");
    assert_int_equal(found.revoked_ms, 5000);
    assert_int_equal(found.reason, 1);
    assert_int_equal(
        ph_inventory_each_revoked(inventory, "devices", 0, count, &visited, &error), PH_OK);
    assert_int_equal(visited, 2);
    assert_int_equal(
        ph_inventory_each_revoked(inventory, "devices", 9001, count, &visited, &error), PH_OK);
    assert_int_equal(visited, 2);
}

/* [CA-42] */
static void hold(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory_revocation revocation = {.now_ms = 5000, .reason = 6};
    add("a1", "t-0001");
    add("a2", "t-0001");
    add("a3", "t-0001");
    assert_int_equal(
        ph_inventory_revoke_identity(inventory, &thermostat, &revocation, &error), PH_OK);
    assert_int_equal(revocation.changed, 3);
    revocation = (struct ph_inventory_revocation){.now_ms = 6000, .reason = 6};
    assert_int_equal(ph_inventory_revoke_serial(inventory, "a1", &revocation, &error), PH_OK);
    assert_int_equal(revocation.changed, 0); /* a hold of a hold is nothing new */
    revocation = (struct ph_inventory_revocation){.now_ms = 7000, .reason = 1};
    assert_int_equal(ph_inventory_revoke_serial(inventory, "a1", &revocation, &error), PH_OK);
    assert_int_equal(revocation.changed, 1);
    assert_int_equal(ph_test_get(inventory, "a1").revoked_ms, 7000);
    assert_int_equal(reason_of("a1"), 1);
    assert_int_equal(ph_inventory_unrevoke(inventory, NULL, "a2", &revocation, &error), PH_OK);
    assert_int_equal(revocation.known, 1);
    assert_int_equal(revocation.changed, 1);
    assert_int_equal(reason_of("a2"), -1);
    assert_int_equal(
        ph_inventory_unrevoke(inventory, &thermostat, NULL, &revocation, &error), PH_OK);
    assert_int_equal(revocation.known, 3);
    assert_int_equal(revocation.changed, 1); /* a3: the one was not held, the other is for good */
    assert_int_equal(reason_of("a1"), 1);
    assert_int_equal(reason_of("a3"), -1);
    assert_int_equal(ph_inventory_unrevoke(inventory, NULL, "ff", &revocation, &error), PH_OK);
    assert_int_equal(revocation.known, 0);
}

/* [CA-43] */
static void by_key_and_issuer(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory_revocation revocation = {.now_ms = 5000, .reason = 1};
    struct ph_inventory_entry ca = ph_test_entry("d1", "devices");
    (void)snprintf(ca.type, sizeof ca.type, "authority");
    (void)snprintf(ca.key_hash, sizeof ca.key_hash, "ea1");
    ph_test_add(inventory, &ca);
    add("a1", "t-0001");
    add("a2", "t-0002");
    ph_test_exec(inventory, "UPDATE certificate SET key_hash = 'ea1' WHERE serial = 'a2'");
    add("a3", "t-0003");
    struct ph_inventory_entry broker = ph_test_entry("b1", "localhost");
    (void)snprintf(broker.issuer, sizeof broker.issuer, "brokers");
    ph_test_add(inventory, &broker);
    assert_int_equal(ph_inventory_revoke_key(inventory, "ea1", &revocation, &error), PH_OK);
    assert_int_equal(revocation.known, 2);
    assert_int_equal(revocation.changed, 2);
    assert_int_equal(reason_of("a3"), -1);
    assert_int_equal(ph_inventory_revoke_issuer(inventory, "devices", &revocation, &error), PH_OK);
    assert_int_equal(revocation.known, 3);
    assert_int_equal(revocation.changed, 1);
    assert_int_equal(reason_of("a3"), 1);
    assert_int_equal(reason_of("d1"), -1); /* the CA itself is not */
    assert_int_equal(reason_of("b1"), -1);
}

/* [CA-43] None of our CRLs can carry what another CA has issued. */
static void foreign_is_left_alone(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory_revocation revocation = {.now_ms = 5000, .reason = 1};
    struct ph_inventory_entry foreign = ph_test_entry("a1", "t-0001");
    (void)snprintf(foreign.issuer, sizeof foreign.issuer, "foreign");
    (void)snprintf(foreign.origin, sizeof foreign.origin, "imported");
    ph_test_add(inventory, &foreign);
    add("a2", "t-0001");
    assert_int_equal(
        ph_inventory_revoke_identity(inventory, &thermostat, &revocation, &error), PH_OK);
    assert_int_equal(revocation.known, 1);
    assert_int_equal(revocation.changed, 1);
    assert_int_equal(reason_of("a1"), -1);
    assert_int_equal(ph_inventory_revoke_serial(inventory, "a1", &revocation, &error), PH_OK);
    assert_int_equal(revocation.known, 0);
    assert_int_equal(reason_of("a1"), -1);
}

/* ---- claims ---- */

static void add_claim(const char *name, const char *serial)
{
    struct ph_error error = {0};
    struct ph_claim claim = {.tenant = "acme", .limit = 10, .expires_ms = 9000};
    struct ph_inventory_entry made = ph_test_entry(serial, name);
    (void)snprintf(claim.name, sizeof claim.name, "%s", name);
    (void)snprintf(made.type, sizeof made.type, "claim");
    (void)snprintf(made.kind, sizeof made.kind, "claim");
    (void)snprintf(made.issuer, sizeof made.issuer, "claims");
    ph_test_add(inventory, &made);
    enum ph_err err = ph_claim_add(inventory, &claim, &error);
    assert_true(err == PH_OK || err == PH_ERR_EXISTS);
}

static void add_enrolled(const char *serial, const char *tenant, const char *claim)
{
    struct ph_inventory_entry made = ph_test_entry(serial, "t-0001");
    (void)snprintf(made.claim, sizeof made.claim, "%s", claim);
    (void)snprintf(made.tenant, sizeof made.tenant, "%s", tenant);
    ph_test_add(inventory, &made);
}

static int64_t claim_revoked(const char *name)
{
    struct ph_error error = {0};
    struct ph_claim claim = {0};
    assert_int_equal(ph_claim_find(inventory, "acme", name, &claim, &error), PH_OK);
    return claim.revoked_ms;
}

/* [CA-44] */
static void by_claim(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory_revocation revocation = {.now_ms = 5000, .reason = 1};
    add_claim("batch-1", "b1");
    add_claim("batch-2", "b2");
    add_enrolled("a1", "acme", "batch-1");
    ph_test_add_renewal(inventory, "a2", "a1", "a1"); /* says nothing of the claim */
    add_enrolled("a3", "acme", "batch-2");
    add_enrolled("a4", "other", "batch-1");
    assert_int_equal(
        ph_inventory_revoke_claim(inventory, "acme", "batch-1", false, &revocation, &error), PH_OK);
    assert_int_equal(revocation.known, 1);
    assert_int_equal(revocation.changed, 1);
    assert_int_equal(claim_revoked("batch-1"), 5000);
    assert_int_equal(reason_of("a1"), -1);
    revocation.now_ms = 6000;
    assert_int_equal(
        ph_inventory_revoke_claim(inventory, "acme", "batch-1", true, &revocation, &error), PH_OK);
    assert_int_equal(revocation.known, 3);
    assert_int_equal(revocation.changed, 2);
    assert_int_equal(reason_of("a1"), 1);
    assert_int_equal(reason_of("a2"), 1);
    assert_int_equal(reason_of("a3"), -1);
    assert_int_equal(reason_of("a4"), -1);
    assert_int_equal(claim_revoked("batch-1"), 5000);
    assert_int_equal(claim_revoked("batch-2"), 0);
}

/* [CA-44] A claim is revoked with the last of its certificates, however that is revoked. */
static void claim_follows_its_certificates(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_inventory_revocation revocation = {.now_ms = 5000, .reason = 6};
    add_claim("batch-1", "b1");
    add_claim("batch-1", "b2");
    assert_int_equal(ph_inventory_revoke_serial(inventory, "b1", &revocation, &error), PH_OK);
    assert_int_equal(claim_revoked("batch-1"), 0);
    revocation.now_ms = 6000;
    assert_int_equal(ph_inventory_revoke_key(inventory, "eb2", &revocation, &error), PH_OK);
    assert_int_equal(claim_revoked("batch-1"), 6000);
    assert_int_equal(ph_claim_use(inventory, "acme", "batch-1", &error), PH_ERR_DENIED);
    assert_string_equal(error.message, "claim acme/batch-1: revoked");
    assert_int_equal(ph_inventory_unrevoke(inventory, NULL, "b2", &revocation, NULL), PH_OK);
    assert_int_equal(claim_revoked("batch-1"), 0);
    assert_int_equal(ph_claim_use(inventory, "acme", "batch-1", NULL), PH_OK);
}

/* ---- lineages ---- */

/* [CA-45] */
static void confirmed(void **state)
{
    (void)state;
    struct ph_error error = {0};
    int64_t superseded = 0;
    add("a1", "t-0001");
    ph_test_add_renewal(inventory, "a2", "a1", "a1");
    ph_test_add_renewal(inventory, "a3", "a2", "a1");
    ph_test_add_renewal(inventory, "a4", "a3", "a1");
    add("b1", "t-0001"); /* the same device in another line */
    assert_int_equal(ph_inventory_confirm(inventory, "a3", 5000, &superseded, &error), PH_OK);
    assert_int_equal(superseded, 2);
    assert_int_equal(reason_of("a1"), 4);
    assert_int_equal(reason_of("a2"), 4);
    assert_int_equal(reason_of("a3"), -1);
    assert_int_equal(reason_of("a4"), -1); /* waits to be used */
    assert_int_equal(reason_of("b1"), -1);
    assert_int_equal(ph_test_get(inventory, "a3").confirmed_ms, 5000);
    assert_int_equal(ph_inventory_confirm(inventory, "a3", 6000, &superseded, &error), PH_OK);
    assert_int_equal(superseded, 0);
    assert_int_equal(ph_test_get(inventory, "a3").confirmed_ms, 5000);
    assert_int_equal(ph_test_get(inventory, "a1").revoked_ms, 5000);
    assert_int_equal(
        ph_inventory_confirm(inventory, "ff", 6000, &superseded, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "serial number ff: not in the inventory"));
}

/* [CA-45] Whoever holds a revoked certificate takes nothing from the good ones. */
static void revoked_confirms_nothing(void **state)
{
    (void)state;
    struct ph_error error = {0};
    int64_t superseded = 7;
    struct ph_inventory_revocation revocation = {.now_ms = 5000, .reason = 6};
    add("a1", "t-0001");
    ph_test_add_renewal(inventory, "a2", "a1", "a1");
    ph_test_add_renewal(inventory, "a3", "a1", "a1");
    assert_int_equal(ph_inventory_revoke_serial(inventory, "a2", &revocation, &error), PH_OK);
    assert_int_equal(ph_inventory_confirm(inventory, "a2", 6000, &superseded, &error), PH_OK);
    assert_int_equal(superseded, 0);
    assert_int_equal(ph_test_get(inventory, "a2").confirmed_ms, 0);
    assert_int_equal(reason_of("a1"), -1);
    /* what is on hold when its successor is used has been replaced for good */
    assert_int_equal(ph_inventory_confirm(inventory, "a3", 7000, &superseded, &error), PH_OK);
    assert_int_equal(superseded, 2);
    assert_int_equal(reason_of("a2"), 4);
}

static void superseded(void **state)
{
    (void)state;
    struct ph_error error = {0};
    int64_t count_superseded = 0;
    add("a1", "t-0001");
    ph_test_add_renewal(inventory, "a2", "a1", "a1");
    assert_int_equal(ph_inventory_confirm(inventory, "a1", 4000, &count_superseded, &error), PH_OK);
    assert_int_equal(ph_inventory_supersede(inventory, "a2", 5000, &error), PH_OK);
    assert_int_equal(reason_of("a2"), 4);
    assert_int_equal(ph_inventory_supersede(inventory, "a2", 6000, &error), PH_OK);
    assert_int_equal(ph_test_get(inventory, "a2").revoked_ms, 5000);
    assert_int_equal(ph_inventory_supersede(inventory, "a1", 6000, &error), PH_OK);
    assert_int_equal(reason_of("a1"), -1); /* was seen in use */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(revoked_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(by_key_and_issuer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(foreign_is_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(by_claim, set_up, tear_down),
        cmocka_unit_test_setup_teardown(claim_follows_its_certificates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(confirmed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(revoked_confirms_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(superseded, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("inventory_revoke", tests, NULL, NULL);
}
