#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "certs/claims.h"
#include "certs/rollover_fixture.h"
#include "format/enrolment.h"
#include "x509/digest.h"
#include "x509/signed.h"

static void check_statement(int64_t number, const char *bundle, const struct ph_buf *signer_file)
{
    struct ph_error error = {0};
    struct ph_trust_bundle newest = {0};
    struct ph_signed *statement = NULL;
    struct ph_trust_message *message = NULL;
    struct ph_trust_statement content;
    struct ph_buf file;
    char path[128];
    char digest[PH_SHA256_HEX_BYTES];
    size_t len = 0;
    (void)snprintf(path, sizeof path, "%s/signer.pem", rolled.dir);
    assert_int_equal(ph_file_store(path, 0644, signer_file->data, signer_file->len, &error), PH_OK);
    ph_buf_init(&newest.statement, PH_LIMIT_SIGNED_BYTES);
    assert_int_equal(ph_trust_bundle_newest(ph_ca_inventory(rolled.ca), &newest, &error), PH_OK);
    assert_int_equal(newest.number, number);
    assert_int_equal(
        ph_signed_parse(newest.statement.data, newest.statement.len, &statement, &error), PH_OK);
    assert_int_equal(ph_signed_check_root(statement, path, &error), PH_OK);
    const char *text = ph_signed_text(statement, &len);
    assert_int_equal(ph_trust_statement_parse(text, len, &message, &content, &error), PH_OK);
    assert_int_equal(content.number, number);
    rolled_load(bundle, &file);
    assert_string_equal(content.bundle, file.data);
    assert_true(ph_sha256_hex(digest, file.data, file.len));
    assert_string_equal(digest, newest.digest);
    ph_buf_fini(&file);
    ph_trust_message_free(&message);
    ph_signed_free(&statement);
    ph_buf_fini(&newest.statement);
}

static void move_on(enum ph_ca_role role)
{
    struct ph_authority_change order = rolled_change_of(role, NULL);
    order.force = role == PH_DEVICES;
    rolled_succeeds(ph_rollover_activate, &order);
    rolled_succeeds(ph_rollover_finish, &order);
}

/* [CA-70] [CA-71] [CA-72] [CA-73] From the first statement to the last. */
static void root(void **state)
{
    (void)state;
    struct ph_authority_change order = rolled_change_of(PH_ROOT, NULL);
    struct ph_buf first;
    struct ph_buf second;
    rolled_issue("t-1");
    rolled_issue("t-2");
    rolled_load("trust/brokers.pem", &first);
    rolled_succeeds(ph_rollover_begin, &order);
    check_statement(1, "trust/brokers.pem", &first);
    assert_true(
        rolled_holds("trust/brokers.pem", "root") && rolled_holds("trust/brokers.pem", "root-2"));
    assert_true(rolled_holds("trust/devices.pem", "root-2"));
    rolled_brokers_take_all();
    assert_int_equal(rolled_progress_of(PH_ROOT).devices, 2);
    assert_int_equal(rolled_progress_of(PH_ROOT).devices_trust, 0);
    rolled_refuses(ph_rollover_activate, &order, PH_ERR_DENIED,
        "root-2: 2 of 2 devices do not hold the newest trust bundle yet and would be locked out");
    rolled_says_it_trusts("t-1");
    rolled_refuses(ph_rollover_activate, &order, PH_ERR_DENIED, "root-2: 1 of 2 devices");
    rolled_says_it_trusts("t-2");
    assert_int_equal(rolled_progress_of(PH_ROOT).devices_trust, 2);

    struct ph_authority_change early = rolled_change_of(PH_CLAIMS, NULL);
    rolled_succeeds(ph_rollover_begin, &early);
    rolled_refuses(ph_rollover_activate, &order, PH_ERR_DENIED,
        "claims-2: is in a roll-over of its own: ph-ca rollover finish claims comes first");
    move_on(PH_CLAIMS);
    rolled_load("trust/brokers.pem", &second);
    rolled_succeeds(ph_rollover_activate, &order);
    assert_string_equal(rolled_state_of("root"), "old");
    assert_string_equal(rolled_state_of("devices-2"), "next");
    assert_string_equal(rolled_state_of("brokers-2"), "next");
    assert_string_equal(rolled_state_of("services-2"), "next");
    assert_string_equal(rolled_state_of("claims-3"), "next");
    assert_string_equal(rolled_state_of("devices"), "active");
    rolled_brokers_take_all();

    rolled_refuses(ph_rollover_finish, &order, PH_ERR_DENIED,
        "root: 2 of its certificates are valid and would be locked out");
    move_on(PH_DEVICES);
    rolled_issue("t-1");
    rolled_issue("t-2");
    rolled_refuses(
        ph_rollover_finish, &order, PH_ERR_DENIED, "root: brokers below it is not retired");
    move_on(PH_BROKERS);
    move_on(PH_SERVICES);
    move_on(PH_CLAIMS);
    rolled_succeeds(ph_rollover_finish, &order);
    assert_string_equal(rolled_state_of("root"), "retired");
    check_statement(2, "trust/brokers.pem", &second);
    assert_false(
        rolled_holds("trust/brokers.pem", "root") || rolled_holds("trust/brokers.pem", "brokers"));
    assert_true(rolled_holds("trust/brokers.pem", "root-2") &&
                rolled_holds("trust/brokers.pem", "brokers-2"));
    assert_false(rolled_holds("trust/clients.pem", "root"));
    rolled_brokers_take_all();
    rolled_issue("t-3");
    ph_buf_fini(&first);
    ph_buf_fini(&second);
}

/* [CA-73] The old root's word does not count for those who trust only the new one: a control for
 * the check above. */
static void statement_of_another_root(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_authority_change order = rolled_change_of(PH_ROOT, NULL);
    struct ph_trust_bundle newest = {0};
    struct ph_signed *statement = NULL;
    char path[128];
    rolled_succeeds(ph_rollover_begin, &order);
    (void)snprintf(path, sizeof path, "%s/root-2/ca.crt", rolled.pki);
    ph_buf_init(&newest.statement, PH_LIMIT_SIGNED_BYTES);
    assert_int_equal(ph_trust_bundle_newest(ph_ca_inventory(rolled.ca), &newest, &error), PH_OK);
    assert_int_equal(
        ph_signed_parse(newest.statement.data, newest.statement.len, &statement, &error), PH_OK);
    assert_int_equal(ph_signed_check_root(statement, path, &error), PH_ERR_DENIED);
    ph_signed_free(&statement);
    ph_buf_fini(&newest.statement);
}

/* [CA-71] [CA-72] With force everything follows at once. */
static void root_by_force(void **state)
{
    (void)state;
    struct ph_authority_change order = rolled_change_of(PH_ROOT, NULL);
    rolled_issue("t-1");
    rolled_succeeds(ph_rollover_begin, &order);
    order.force = true;
    rolled_succeeds(ph_rollover_activate, &order);
    struct ph_authority_change brokers = rolled_change_of(PH_BROKERS, NULL);
    rolled_refuses(ph_rollover_activate, &brokers, PH_ERR_DENIED,
        "brokers-2: 1 of 1 devices do not hold the newest trust bundle yet");
    rolled_succeeds(ph_rollover_finish, &order);
    assert_string_equal(rolled_state_of("root"), "retired");
    assert_string_equal(rolled_state_of("devices"), "retired");
    assert_string_equal(rolled_state_of("devices-2"), "active");
    assert_string_equal(rolled_state_of("brokers-2"), "active");
    assert_false(rolled_holds("trust/clients.pem", "devices"));
    rolled_brokers_take_all();
    rolled_issue("t-2");
}

/* [CA-74] Once devices follow statements, a new CA of brokers makes one too. */
static void brokers_after_root(void **state)
{
    (void)state;
    struct ph_authority_change order = rolled_change_of(PH_BROKERS, NULL);
    struct ph_authority_change of_root = rolled_change_of(PH_ROOT, NULL);
    struct ph_buf held;
    rolled_succeeds(ph_rollover_begin, &of_root);
    rolled_load("trust/brokers.pem", &held);
    rolled_succeeds(ph_rollover_begin, &order);
    check_statement(2, "trust/brokers.pem", &held);
    assert_true(rolled_holds("trust/brokers.pem", "brokers-2"));
    ph_buf_fini(&held);
}

/* [CA-89] */
static void brokers_retired(void **state)
{
    (void)state;
    struct ph_authority_change order = rolled_change_of(PH_BROKERS, NULL);
    struct ph_authority_change of_root = rolled_change_of(PH_ROOT, NULL);
    struct ph_buf held;
    char key[128];
    char away[128];
    of_root.force = true;
    rolled_succeeds(ph_rollover_begin, &of_root);
    rolled_succeeds(ph_rollover_activate, &of_root);
    move_on(PH_BROKERS);
    assert_true(rolled_holds("trust/brokers.pem", "brokers"));
    assert_false(rolled_progress_of(PH_BROKERS).bundle_current);
    rolled_succeeds(ph_rollover_finish, &of_root);
    assert_true(rolled_progress_of(PH_BROKERS).bundle_current);
    assert_false(rolled_holds("trust/brokers.pem", "brokers"));

    rolled_succeeds(ph_rollover_begin, &order);
    rolled_load("trust/brokers.pem", &held);
    (void)snprintf(key, sizeof key, "%s/root-2/ca.key", rolled.pki);
    (void)snprintf(away, sizeof away, "%s/ca.key", rolled.dir);
    assert_int_equal(rename(key, away), 0);
    move_on(PH_BROKERS);
    assert_string_equal(rolled_state_of("brokers-2"), "retired");
    assert_true(rolled_holds("trust/brokers.pem", "brokers-2"));
    assert_false(rolled_progress_of(PH_BROKERS).bundle_current);
    order.root.dir = rolled.dir;
    rolled_succeeds(ph_rollover_finish, &order);
    rolled_succeeds(ph_rollover_finish, &order);
    check_statement(4, "trust/brokers.pem", &held);
    assert_false(rolled_holds("trust/brokers.pem", "brokers-2"));
    assert_true(rolled_holds("trust/brokers.pem", "brokers-3"));
    assert_true(rolled_progress_of(PH_BROKERS).bundle_current);
    ph_buf_fini(&held);

    assert_int_equal(rename(away, key), 0);
    order.root.dir = NULL;
    rolled_succeeds(ph_rollover_begin, &order);
    rolled_load("trust/brokers.pem", &held);
    move_on(PH_BROKERS);
    check_statement(6, "trust/brokers.pem", &held);
    assert_false(rolled_holds("trust/brokers.pem", "brokers-3"));
    ph_buf_fini(&held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(root, rolled_set_up, rolled_tear_down),
        cmocka_unit_test_setup_teardown(statement_of_another_root, rolled_set_up, rolled_tear_down),
        cmocka_unit_test_setup_teardown(root_by_force, rolled_set_up, rolled_tear_down),
        cmocka_unit_test_setup_teardown(brokers_after_root, rolled_set_up, rolled_tear_down),
        cmocka_unit_test_setup_teardown(brokers_retired, rolled_set_up, rolled_tear_down),
    };
    return cmocka_run_group_tests_name("rollover_root", tests, NULL, NULL);
}
