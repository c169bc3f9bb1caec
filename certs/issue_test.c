#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "certs/ca.h"

static char dir[] = "/tmp/ph-issue-test-XXXXXX";
static char authority[64];

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) != NULL &&
                   snprintf(authority, sizeof authority, "%s/pki", dir) < (int)sizeof authority
               ? 0
               : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* CA-23: a CRL past its nextUpdate, of the CA or of the root: nothing is issued, and the message
 * names the remedy, which works. */
static void expired_crl_names_its_remedy(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_ca *ca = NULL;
    char out[80];
    int64_t now_ms = ph_clock_unix_ms();
    const struct ph_ca_plan plan = {.name = "test",
        .now_ms = now_ms - 30 * PH_DAY_MS,
        .root_days = 100,
        .authority_days = 100,
        .root_crl_days = 7,
        .crl_days = 7};
    (void)snprintf(out, sizeof out, "%s/t-1", dir);
    const struct ph_ca_order order = {.authority = PH_DEVICES,
        .tenant = "acme",
        .kind = "thermostat",
        .names = (const char *const[]){"t-1"},
        .name_count = 1,
        .out = out,
        .now_ms = now_ms,
        .not_before_ms = now_ms,
        .not_after_ms = now_ms + PH_DAY_MS};
    if (ph_ca_create(authority, &plan, &error) != PH_OK ||
        ph_ca_open(authority, &ca, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(ph_ca_issue(ca, &order, &error), PH_ERR_DENIED);
    assert_non_null(strstr(error.message, "/pki: the CRL of devices or of the root has expired"));
    assert_non_null(strstr(error.message, "run ph-ca crl --ca /tmp/ph-issue-test-"));
    assert_false(ph_path_exists(out));
    ph_error_clear(&error);
    assert_int_equal(ph_ca_publish(ca, now_ms, &error), PH_OK);
    if (ph_ca_issue(ca, &order, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    assert_true(ph_path_exists(out));
    ph_ca_close(&ca);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expired_crl_names_its_remedy),
    };
    return cmocka_run_group_tests_name("issue", tests, set_up, tear_down);
}
