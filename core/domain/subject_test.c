/* ph.domain.subject: docs/spec/policy.md, roles. */
#include "domain/subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const char subject[] = "O=acme\0L=Berlin\0OU=a\0OU=b\0CN=t-1=x\0ST=\0";

/* [POL-24] */
static void finds_what_is_there_once(void **state)
{
    (void)state;
    assert_string_equal(ph_subject_get(subject, "O"), "acme");
    assert_string_equal(ph_subject_get(subject, "L"), "Berlin");
    assert_string_equal(ph_subject_get(subject, "CN"), "t-1=x");
    assert_string_equal(ph_subject_get(subject, "ST"), "");
    static const char *const absent[] = {"OU", "C", "l", "O=acme", "", "t-1"};
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
        assert_null(ph_subject_get(subject, absent[i]));
    }
    assert_null(ph_subject_get("", "O"));
    assert_null(ph_subject_get(NULL, "O"));
}

static void counts_its_bytes(void **state)
{
    (void)state;
    assert_int_equal(ph_subject_size(NULL), 0);
    assert_int_equal(ph_subject_size(""), 1);
    assert_int_equal(ph_subject_size("O=acme\0"), 8);
    assert_int_equal(ph_subject_size(subject), sizeof subject);
}

/* [POL-25] */
static void knows_the_usual_attributes(void **state)
{
    (void)state;
    static const char *const known[] = {"C", "ST", "L", "O", "OU", "CN", "DC", "UID",
        "serialNumber", "title", "street", "postalCode", "emailAddress"};
    static const char *const unknown[] = {"", "c", "SN", "serialnumber", "2.5.4.3", "CN "};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_true(ph_subject_attribute_known(known[i]));
    }
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        assert_false(ph_subject_attribute_known(unknown[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_is_there_once),
        cmocka_unit_test(counts_its_bytes),
        cmocka_unit_test(knows_the_usual_attributes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
