/* When the registrar signs CRLs anew. Those of the rig are for a thousand days. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "certs/registrar/rig.h"

static struct ph_rig rig;

static int set_up(void **state)
{
    (void)state;
    ph_rig_open(&rig);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ph_rig_close(&rig);
    return 0;
}

/* Whether it signs at this time; times here count from the rig's. */
static bool signs(int64_t at_ms)
{
    struct ph_error error = {0};
    bool any = false;
    if (ph_registrar_crls(rig.registrar, rig.now_ms + at_ms, &any, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    return any;
}

/* What an operator's command does, by the clock of then. */
static void sign(int64_t at_ms)
{
    struct ph_error error = {0};
    if (ph_ca_publish(rig.ca, NULL, rig.now_ms + at_ms, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

/* [REG-32] */
static void after_half_of_their_life(void **state)
{
    (void)state;
    assert_false(signs(499 * PH_DAY_MS));
    assert_true(signs(501 * PH_DAY_MS));
    assert_false(signs(502 * PH_DAY_MS));
}

/* [REG-32]: nobody enters by a CRL that has not begun. The numbers of those that follow it are no
 * times: the next is due by when it was signed. */
static void when_the_clock_was_ahead(void **state)
{
    (void)state;
    sign(5000 * PH_DAY_MS);
    assert_true(signs(PH_DAY_MS));
    assert_false(signs(500 * PH_DAY_MS));
    assert_true(signs(502 * PH_DAY_MS));
}

/* [REG-32]: a CRL begins five minutes before it is signed, and holds until then. */
static void not_for_a_clock_that_is_corrected_by_a_little(void **state)
{
    (void)state;
    sign(PH_DAY_MS);
    assert_false(signs(PH_DAY_MS - PH_CA_BACKDATE_MS));
    assert_true(signs(PH_DAY_MS - PH_CA_BACKDATE_MS - 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(after_half_of_their_life),
        TEST(when_the_clock_was_ahead),
        TEST(not_for_a_clock_that_is_corrected_by_a_little),
    };
    return cmocka_run_group_tests_name("ph.certs.registrar.crls", tests, NULL, NULL);
}
