#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "certs/claims.h"
#include "certs/inventory_fixture.h"

static struct ph_expected expect(const char *name, const char *hardware, const char *key_hash)
{
    struct ph_expected made = {.identity = {.tenant = "acme", .kind = "thermostat"},
        .who = "anna",
        .why = "delivery 7",
        .made_ms = 1000};
    (void)snprintf(made.identity.device, sizeof made.identity.device, "%s", name);
    (void)snprintf(made.hardware, sizeof made.hardware, "%s", hardware);
    (void)snprintf(made.key_hash, sizeof made.key_hash, "%s", key_hash);
    return made;
}

static enum ph_err put(
    const char *name, const char *hardware, const char *key_hash, struct ph_error *error)
{
    struct ph_expected made = expect(name, hardware, key_hash);
    ph_error_clear(error);
    return ph_expected_put(inventory, &made, error);
}

static struct ph_expected find(const char *name)
{
    struct ph_error error = {0};
    struct ph_expected out = expect(name, "", "");
    ph_test_must(ph_expected_find(inventory, &out.identity, &out, &error), &error);
    return out;
}

static enum ph_err set(const char *name, enum ph_expected_state state)
{
    struct ph_expected made = expect(name, "", "");
    return ph_expected_set(inventory, &made.identity, state, "otto", "gone", 2000, NULL);
}

static enum ph_err note_name(
    const struct ph_expected *expected, void *context, struct ph_error *error)
{
    (void)error;
    char *names = context;
    (void)snprintf(names + strlen(names), 64 - strlen(names), "%s ", expected->identity.device);
    return PH_OK;
}

static void expected(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_expected found = expect("t-9", "", "");
    char names[64] = "";
    assert_int_equal(put("t-2", "SN 2", "", &error), PH_OK);
    assert_int_equal(put("t-1", "", "ab12", &error), PH_OK);
    found = find("t-2");
    assert_string_equal(found.hardware, "SN 2");
    assert_string_equal(found.key_hash, "");
    assert_string_equal(found.who, "anna");
    assert_string_equal(found.why, "delivery 7");
    assert_int_equal(found.made_ms, 1000);
    assert_int_equal(found.state, PH_EXPECTED);
    found = expect("t-9", "", "");
    assert_int_equal(
        ph_expected_find(inventory, &found.identity, &found, &error), PH_ERR_NOT_FOUND);
    assert_string_equal(error.message, "acme/thermostat/t-9: not expected; see ph-ca expect");
    assert_int_equal(ph_expected_each(inventory, note_name, names, NULL), PH_OK);
    assert_string_equal(names, "t-1 t-2 ");
    assert_int_equal(put("t-3", "", "AB", &error), PH_ERR_USAGE);
    assert_string_equal(error.message, "key hash: want lower-case hexadecimal, have \"AB\"");
}

/* [CA-55] */
static void marks_are_of_one_device(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_expected other = expect("t-1", "SN 1", "");
    assert_int_equal(put("t-1", "SN 1", "ab", &error), PH_OK);
    assert_int_equal(put("t-2", "SN 1", "", &error), PH_ERR_EXISTS);
    assert_string_equal(error.message,
        "acme/thermostat/t-2: hardware serial number: that is the mark of acme/thermostat/t-1");
    assert_int_equal(put("t-2", "", "ab", &error), PH_ERR_EXISTS);
    assert_string_equal(
        error.message, "acme/thermostat/t-2: key: that is the mark of acme/thermostat/t-1");
    ph_error_clear(&error);
    (void)snprintf(other.identity.tenant, sizeof other.identity.tenant, "other");
    assert_int_equal(ph_expected_put(inventory, &other, &error), PH_OK); /* makers may repeat */
    (void)snprintf(other.key_hash, sizeof other.key_hash, "ab");
    assert_int_equal(ph_expected_put(inventory, &other, &error), PH_ERR_EXISTS); /* keys do not */
    assert_non_null(strstr(error.message, "other/thermostat/t-1: key: that is the mark of acme/"));
    assert_int_equal(put("t-1", "SN 9", "ab", &error), PH_OK); /* its own marks it may change */
    assert_string_equal(find("t-1").hardware, "SN 9");
    assert_int_equal(put("t-3", "", "", &error), PH_OK); /* no mark is no mark */
    assert_int_equal(put("t-4", "", "", &error), PH_OK);
}

/* [CA-56] */
static void life_of_an_expected_device(void **state)
{
    (void)state;
    struct ph_error error = {0};
    assert_int_equal(put("t-1", "SN 1", "", &error), PH_OK);
    assert_int_equal(set("t-1", PH_EXPECTED_ENROLLED), PH_OK);
    assert_int_equal(find("t-1").state, PH_EXPECTED_ENROLLED);
    assert_string_equal(find("t-1").hardware, "SN 1");
    assert_string_equal(find("t-1").who, "otto");
    assert_int_equal(put("t-1", "SN 2", "", &error), PH_OK);
    assert_int_equal(find("t-1").state, PH_EXPECTED);
    assert_string_equal(find("t-1").hardware, "SN 2");
    assert_int_equal(set("t-1", PH_EXPECTED_FORBIDDEN), PH_OK);
    assert_int_equal(put("t-1", "SN 3", "", &error), PH_ERR_DENIED);
    assert_string_equal(error.message, "acme/thermostat/t-1: decommissioned, it may not enrol "
                                       "again; give the device another name");
    assert_int_equal(put("t-2", "SN 2", "", &error), PH_ERR_EXISTS); /* nor by another name */
    assert_int_equal(find("t-1").state, PH_EXPECTED_FORBIDDEN);
    assert_int_equal(set("t-7", PH_EXPECTED_FORBIDDEN), PH_OK); /* was never listed */
    assert_int_equal(find("t-7").state, PH_EXPECTED_FORBIDDEN);
}

static const char *match(const char *key_hash, const char *hardware, const char *kind,
    const char *name, struct ph_error *error)
{
    static struct ph_expected out;
    ph_error_clear(error);
    enum ph_err err =
        ph_expected_match(inventory, "acme", key_hash, hardware, kind, name, &out, error);
    assert_true(err == PH_OK || err == PH_ERR_NOT_FOUND);
    return err == PH_OK ? out.identity.device : error->message;
}

/* [CA-57] */
static void matches(void **state)
{
    (void)state;
    struct ph_error error = {0};
    assert_int_equal(put("by-key", "", "ab", &error), PH_OK);
    assert_int_equal(put("by-number", "SN 1", "", &error), PH_OK);
    assert_int_equal(put("by-name", "", "", &error), PH_OK);
    assert_int_equal(put("by-both", "SN 2", "cd", &error), PH_OK);
    assert_string_equal(match("ab", "SN 1", "thermostat", "by-name", &error), "by-key");
    assert_string_equal(match("00", "SN 1", "thermostat", "by-name", &error), "by-number");
    assert_string_equal(match("00", "SN 9", "thermostat", "by-name", &error), "by-name");
    assert_string_equal(match("00", NULL, "thermostat", "by-name", &error), "by-name");
    assert_string_equal(match("cd", "SN 2", NULL, NULL, &error), "by-both");
    assert_string_equal(match("00", NULL, NULL, "by-name", &error),
        "tenant acme: no device is expected with key 00, hardware serial number (none) or name "
        "by-name");
    assert_string_equal(match("00", "", "thermostat", "nobody", &error),
        "tenant acme: no device is expected with key 00, hardware serial number (none) or name "
        "nobody");
    assert_non_null(strstr(match("", "", "boiler", "by-name", &error), "no device is expected"));
}

/* [CA-57] */
static void every_mark_must_fit(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_expected other = expect("theirs", "", "ef");
    assert_int_equal(put("by-key", "", "ab", &error), PH_OK);
    assert_int_equal(put("by-both", "SN 2", "cd", &error), PH_OK);
    (void)snprintf(other.identity.tenant, sizeof other.identity.tenant, "other");
    assert_int_equal(ph_expected_put(inventory, &other, &error), PH_OK);
    assert_string_equal(match("00", NULL, "thermostat", "by-key", &error),
        "acme/thermostat/by-key: expected with another key: want ab, have 00");
    assert_string_equal(match("00", "SN 2", NULL, NULL, &error),
        "acme/thermostat/by-both: expected with another key: want cd, have 00");
    assert_string_equal(match("cd", "SN 3", NULL, NULL, &error),
        "acme/thermostat/by-both: expected with another hardware serial number: want SN 2, have "
        "SN 3");
    assert_string_equal(match("cd", NULL, "thermostat", "by-both", &error),
        "acme/thermostat/by-both: expected with another hardware serial number: want SN 2, have "
        "none");
    assert_non_null(strstr(match("ef", NULL, NULL, NULL, &error), "no device is expected"));
}

/* [CA-47] */
static void damaged_row(void **state)
{
    (void)state;
    struct ph_error error = {0};
    char names[64] = "";
    ph_test_exec(inventory,
        "DROP TABLE expected;"
        "CREATE TABLE expected (tenant, kind, name, hardware, key_hash, state, who, why, made_ms);"
        "INSERT INTO expected VALUES ('acme', 'thermostat', 't-1', '', '', 'Expected', '', '', 0)");
    assert_int_equal(ph_expected_each(inventory, note_name, names, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "ca.db: a row of table expected breaks"));
    assert_int_equal(put("t-1", "", "", &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "ca.db: a row of table expected breaks"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(expected, set_up, tear_down),
        cmocka_unit_test_setup_teardown(marks_are_of_one_device, set_up, tear_down),
        cmocka_unit_test_setup_teardown(life_of_an_expected_device, set_up, tear_down),
        cmocka_unit_test_setup_teardown(matches, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_mark_must_fit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_row, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("expected", tests, NULL, NULL);
}
