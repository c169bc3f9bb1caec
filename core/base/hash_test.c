/* ph.base.hash: equal bytes, equal value; else spread. */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void equal_bytes_have_one_value(void **state)
{
    (void)state;
    char a[] = "acme/thermostat/t-0001";
    char b[sizeof a + 1];
    (void)snprintf(b, sizeof b, "%s", a);
    assert_int_equal(ph_hash(a, sizeof a - 1), ph_hash(b, sizeof a - 1));
    assert_int_equal(ph_hash("", 0), ph_hash(a, 0));
}

/* No worse than chance: of 4096 names, none shares its low 12 bits with more than 15 others. */
static void names_are_spread(void **state)
{
    (void)state;
    static unsigned char buckets[4096];
    for (int i = 0; i < 4096; i++) {
        char name[32];
        int len = snprintf(name, sizeof name, "t-%04d", i);
        unsigned char *bucket = &buckets[ph_hash(name, (size_t)len) % 4096];
        *bucket = (unsigned char)(*bucket + 1);
        assert_in_range(*bucket, 1, 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_bytes_have_one_value),
        cmocka_unit_test(names_are_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
