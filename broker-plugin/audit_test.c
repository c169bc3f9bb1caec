/* [PLG-20] */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "broker-plugin/audit.h"

/* [PLG-20] five lines at once, then one in ten seconds, with the number held back */
static void limits_one_subject(void **state)
{
    (void)state;
    static struct ph_audit audit;
    int64_t suppressed = 0;
    audit = (struct ph_audit){0};
    for (int i = 0; i < 5; i++) {
        assert_true(ph_audit_pass(&audit, "noisy", 1000, &suppressed));
        assert_int_equal(suppressed, 0);
    }
    for (int i = 0; i < 7; i++) {
        assert_false(ph_audit_pass(&audit, "noisy", 1000 + i, &suppressed));
    }
    assert_true(ph_audit_pass(&audit, "quiet", 1010, &suppressed));
    assert_true(ph_audit_pass(&audit, NULL, 1010, &suppressed));
    assert_true(ph_audit_pass(&audit, "noisy", 11000, &suppressed));
    assert_int_equal(suppressed, 7);
}

/* [PLG-20] many subjects together fill the log no faster than ten lines a second */
static void limits_all_together(void **state)
{
    (void)state;
    static struct ph_audit audit;
    int64_t suppressed = 0;
    int passed = 0;
    audit = (struct ph_audit){0};
    for (int i = 0; i < 1000; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "d-%d", i);
        passed += ph_audit_pass(&audit, name, 1000, &suppressed) ? 1 : 0;
    }
    assert_int_equal(passed, 50);

    /* what the limit of all holds back is counted too */
    audit = (struct ph_audit){.all = {.last_ms = 1000}};
    assert_false(ph_audit_pass(&audit, "held-back", 1000, &suppressed));
    assert_false(ph_audit_pass(&audit, "held-back", 1001, &suppressed));
    assert_true(ph_audit_pass(&audit, "held-back", 1100, &suppressed));
    assert_int_equal(suppressed, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_one_subject),
        cmocka_unit_test(limits_all_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
