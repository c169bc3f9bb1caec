/* [VIEW-1] [VIEW-2] [VIEW-20] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "device/fleet/output_text.h"
#include "device/fleet/view_testbed.h"

/* [VIEW-1] */
static void test_numbers(void **state)
{
    (void)state;
    assert_string_equal(ph_show_count(0).text, "0");
    assert_string_equal(ph_show_count(999).text, "999");
    assert_string_equal(ph_show_count(1000).text, "1,000");
    assert_string_equal(ph_show_count(1234567).text, "1,234,567");
    assert_string_equal(ph_show_count(-123456).text, "-123,456");
    assert_string_equal(ph_show_count(INT64_MIN).text, "-9,223,372,036,854,775,808");
    assert_string_equal(ph_show_rate(0).text, "0.0");
    assert_string_equal(ph_show_rate(99.94).text, "99.9");
    assert_string_equal(ph_show_rate(99.96).text, "100");
    assert_string_equal(ph_show_rate(1203.6).text, "1,204");
    assert_string_equal(ph_show_percent(0.3421).text, "34.2 %");
    assert_string_equal(ph_show_percent(1.5).text, "150 %");
}

/* [VIEW-1] */
static void test_bytes(void **state)
{
    (void)state;
    assert_string_equal(ph_show_bytes(0).text, "0.0 KiB");
    assert_string_equal(ph_show_bytes(29400).text, "28.7 KiB");
    assert_string_equal(ph_show_bytes(INT64_C(1024) * 1024 - 1).text, "1.0 MiB");
    assert_string_equal(ph_show_bytes(INT64_C(118) << 20).text, "118 MiB");
    assert_string_equal(ph_show_bytes(INT64_C(3) << 30).text, "3.0 GiB");
    assert_string_equal(ph_show_bytes(INT64_C(5000) << 40).text, "5000 TiB");
}

/* [VIEW-2] a measured time, from microseconds to hours; nothing reads "1000 ms" or "60.0 s" */
static void test_times(void **state)
{
    (void)state;
    assert_string_equal(ph_show_us(0).text, "-");
    assert_string_equal(ph_show_us(420).text, "0.42 ms");
    assert_string_equal(ph_show_us(994).text, "0.99 ms");
    assert_string_equal(ph_show_us(995).text, "1.0 ms");
    assert_string_equal(ph_show_us(11840).text, "11.8 ms");
    assert_string_equal(ph_show_us(118000).text, "118 ms");
    assert_string_equal(ph_show_us(999499).text, "999 ms");
    assert_string_equal(ph_show_us(999500).text, "1.0 s");
    assert_string_equal(ph_show_us(59949999).text, "59.9 s");
    assert_string_equal(ph_show_us(59950000).text, "1 m 0 s");
    assert_string_equal(ph_show_us(INT64_C(7500) * 1000000).text, "2 h 5 m");
}

/* [VIEW-2] */
static void test_elapsed(void **state)
{
    (void)state;
    assert_string_equal(ph_show_elapsed(0).text, "0 s");
    assert_string_equal(ph_show_elapsed(14600).text, "15 s");
    assert_string_equal(ph_show_elapsed(59500).text, "1 m 0 s");
    assert_string_equal(ph_show_elapsed(80000).text, "1 m 20 s");
    assert_string_equal(ph_show_elapsed(3600000).text, "1 h 0 m");
    assert_string_equal(ph_show_elapsed(INT64_C(90061) * 1000).text, "25 h 1 m");
    assert_string_equal(ph_show_interval(250).text, "250 ms");
    assert_string_equal(ph_show_interval(2500).text, "2.5 s");
    assert_string_equal(ph_show_interval(10000).text, "10 s");
    assert_string_equal(ph_show_interval(120000).text, "2 m 0 s");
}

/* [VIEW-20] what lacks is one clean line, whatever was in it */
static void test_verdict(void **state)
{
    (void)state;
    struct view_testbed *bed = view_testbed_new();
    char verdict[PH_SHOW_VERDICT_BYTES];
    ph_show_verdict(verdict, &bed->report);
    assert_string_equal(verdict, "good: 200 devices, 1,204 readings, all acknowledged");
    bed->report.verdict = PH_FLEET_LACKING;
    (void)snprintf(bed->report.lacks, sizeof bed->report.lacks, "3 lost\n\x1b[2Jfleet: good");
    ph_show_verdict(verdict, &bed->report);
    assert_string_equal(verdict, "lacking: 3 lost\\x0a\\x1b[2Jfleet: good");
    memset(bed->report.lacks, '\x01', sizeof bed->report.lacks - 1);
    ph_show_verdict(verdict, &bed->report);
    assert_int_equal(strlen(verdict), strlen("lacking: ") + 4 * (sizeof bed->report.lacks - 1));
    free(bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_elapsed),
        cmocka_unit_test(test_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
