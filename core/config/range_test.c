/* [CFG-7] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/range.h"

enum { RANGES = 2 };

static struct ph_error error;

static enum ph_err check(int64_t first, int64_t second, const char *section)
{
    const struct ph_config_range ranges[RANGES] = {
        {"devices", first, 1, 10}, {"seed", second, INT64_MIN, INT64_MAX}};
    ph_error_clear(&error);
    return ph_config_check_ranges(ranges, RANGES, "fleet.yaml", section, &error);
}

static void bounds_belong_to_it(void **state)
{
    (void)state;
    assert_int_equal(check(1, INT64_MIN, ""), PH_OK);
    assert_int_equal(check(10, INT64_MAX, ""), PH_OK);
}

static void outside_is_refused(void **state)
{
    (void)state;
    assert_int_equal(check(0, 0, ""), PH_ERR_CONFIG);
    assert_string_equal(error.message, "fleet.yaml: devices: want 1 to 10, have 0");
    assert_int_equal(check(11, 0, "acts[2]."), PH_ERR_CONFIG);
    assert_string_equal(error.message, "fleet.yaml: acts[2].devices: want 1 to 10, have 11");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_belong_to_it),
        cmocka_unit_test(outside_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
