/* [AUD-30] [AUD-31] */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "broker-plugin/audit/audit.h"

/* [AUD-30] [PLG-20] five records at once, then one in ten seconds, with the number held back */
static void limits_one_subject(void **state)
{
    (void)state;
    static struct ph_audit_limit limit;
    int64_t suppressed = 0;
    limit = (struct ph_audit_limit){0};
    for (int i = 0; i < 5; i++) {
        assert_true(ph_audit_pass(&limit, "noisy", true, 1000, &suppressed));
        assert_int_equal(suppressed, 0);
    }
    for (int i = 0; i < 7; i++) {
        assert_false(ph_audit_pass(&limit, "noisy", true, 1000 + i, &suppressed));
    }
    /* three, because one may share its place with the noisy one */
    bool passed = ph_audit_pass(&limit, "quiet-1", true, 1010, &suppressed);
    passed = ph_audit_pass(&limit, "quiet-2", true, 1010, &suppressed) || passed;
    passed = ph_audit_pass(&limit, NULL, false, 1010, &suppressed) || passed;
    assert_true(passed);
    assert_true(ph_audit_pass(&limit, "noisy", true, 11000, &suppressed));
    assert_int_equal(suppressed, 7);
}

static int pass_many(struct ph_audit_limit *limit, const char *prefix, bool known)
{
    int64_t suppressed = 0;
    int passed = 0;
    for (int i = 0; i < 1000; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%s-%d", prefix, i);
        passed += ph_audit_pass(limit, name, known, 1000, &suppressed) ? 1 : 0;
    }
    return passed;
}

/* [AUD-31] [PLG-20] many subjects together fill the file no faster than ten records a second */
static void limits_all_together(void **state)
{
    (void)state;
    static struct ph_audit_limit limit;
    int64_t suppressed = 0;
    limit = (struct ph_audit_limit){0};
    assert_int_equal(pass_many(&limit, "198.51.100", false), 50);
    assert_false(ph_audit_pass(&limit, "203.0.113.1", false, 1000, &suppressed));

    /* what the limit of all holds back is counted for its subject too */
    limit = (struct ph_audit_limit){.all = {{.last_ms = 1000}}};
    assert_false(ph_audit_pass(&limit, "held-back", false, 1000, &suppressed));
    assert_false(ph_audit_pass(&limit, "held-back", false, 1001, &suppressed));
    assert_true(ph_audit_pass(&limit, "held-back", false, 1100, &suppressed));
    assert_int_equal(suppressed, 2);
}

/* [AUD-31] strangers cannot use up what those with a certificate may write */
static void keeps_strangers_apart(void **state)
{
    (void)state;
    static struct ph_audit_limit limit;
    limit = (struct ph_audit_limit){0};
    assert_int_equal(pass_many(&limit, "198.51.100", false), 50);
    assert_int_equal(pass_many(&limit, "device", true), 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_one_subject),
        cmocka_unit_test(limits_all_together),
        cmocka_unit_test(keeps_strangers_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
