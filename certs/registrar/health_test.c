#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "certs/registrar/health.h"
#include "certs/registrar/rig.h"

/* The rig's CRLs are good for a thousand days. */

static struct ph_rig rig;
static char pki[PATH_MAX];
static char certificate[PATH_MAX];

static int open_rig(void **state)
{
    (void)state;
    ph_rig_open(&rig);
    (void)snprintf(pki, sizeof pki, "%s/pki", rig.dir);
    (void)snprintf(certificate, sizeof certificate, "%s/issued-registrar/cert.pem", rig.dir);
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    ph_rig_close(&rig);
    return 0;
}

static void leave_beat(int64_t at_ms)
{
    const struct ph_beat beat = {.at_ms = at_ms,
        .every_ms = 10000,
        .connected = true,
        .since_ms = at_ms - 1000,
        .version = "1.2.3"};
    assert_int_equal(ph_inventory_begin(rig.inventory, NULL), PH_OK);
    assert_int_equal(ph_inventory_beat(rig.inventory, &beat, NULL), PH_OK);
    assert_int_equal(ph_inventory_commit(rig.inventory, NULL), PH_OK);
}

/* At a time, just after a beat of that time. */
static enum ph_err look(int64_t now_ms, char line[PH_HEALTH_LINE_BYTES], struct ph_error *error)
{
    const struct ph_registrar_config config = {.ca = pki, .broker = {.certificate = certificate}};
    leave_beat(now_ms - 2000);
    return ph_registrar_health(&config, now_ms, line, error);
}

static void expect_fault(int64_t now_ms, const char *want)
{
    char line[PH_HEALTH_LINE_BYTES];
    struct ph_error error = {0};
    assert_int_equal(look(now_ms, line, &error), PH_ERR_FAULT);
    if (strstr(error.message, want) == NULL) {
        fail_msg("want \"%s\", have \"%s\"", want, error.message);
    }
}

/* [HLT-20] Also while a root's CRL, which is an operator's to sign, nears its end. */
static void healthy(void **state)
{
    (void)state;
    char line[PH_HEALTH_LINE_BYTES];
    struct ph_error error = {0};
    if (look(rig.now_ms, line, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    assert_string_equal(line, "healthy: committed 2 s ago, connected for 3 s, version 1.2.3");
    if (look(rig.now_ms + 749 * PH_DAY_MS, line, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

/* [HLT-24] */
static void crls_near_their_end(void **state)
{
    (void)state;
    expect_fault(rig.now_ms + 751 * PH_DAY_MS, "ends soon, at ");
    expect_fault(rig.now_ms + 751 * PH_DAY_MS, "ph-ca serve should have signed it anew");
    expect_fault(rig.now_ms + 1001 * PH_DAY_MS, "has ended, at ");
}

/* [HLT-24] They start five minutes before they are signed. */
static void crls_from_a_clock_that_was_ahead(void **state)
{
    (void)state;
    char line[PH_HEALTH_LINE_BYTES];
    struct ph_error error = {0};
    assert_int_equal(ph_ca_publish(rig.ca, NULL, rig.now_ms + PH_DAY_MS, &error), PH_OK);
    expect_fault(rig.now_ms, "lets nobody in before its start (check the clock), at ");
    assert_int_equal(look(rig.now_ms + PH_DAY_MS, line, &error), PH_OK);
}

/* [HLT-21] */
static void late(void **state)
{
    (void)state;
    const struct ph_registrar_config config = {.ca = pki, .broker = {.certificate = certificate}};
    char line[PH_HEALTH_LINE_BYTES];
    struct ph_error error = {0};
    leave_beat(rig.now_ms - 30000);
    assert_int_equal(ph_registrar_health(&config, rig.now_ms, line, &error), PH_ERR_FAULT);
    assert_non_null(strstr(error.message, "nothing committed for 30 s (want less than 30): "
                                          "ph-ca serve is stopped"));
}

/* [HLT-22] What somebody wrote into the setting by hand. */
static void a_beat_that_is_none(void **state)
{
    (void)state;
    struct ph_beat beat = {.version = "a b"};
    struct ph_error error = {0};
    assert_int_equal(ph_inventory_last_beat(rig.inventory, &beat, &error), PH_ERR_NOT_FOUND);
    beat.at_ms = -1;
    assert_int_equal(ph_inventory_beat(rig.inventory, &beat, NULL), PH_OK);
    ph_error_clear(&error);
    assert_int_equal(ph_inventory_last_beat(rig.inventory, &beat, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "setting beat: not a beat"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(healthy),
        TEST(crls_near_their_end),
        TEST(crls_from_a_clock_that_was_ahead),
        TEST(late),
        TEST(a_beat_that_is_none),
    };
    return cmocka_run_group_tests_name("ph.certs.registrar.health", tests, NULL, NULL);
}
