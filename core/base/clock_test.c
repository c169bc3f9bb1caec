/* ph.base.clock: UTC as text, both ways. */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void prints_rfc_3339(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *want;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1790000000123, "2026-09-21T14:13:20.123Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {253402300800000, "253402300800000"},
        {-62135596800000, "0001-01-01T00:00:00.000Z"},
        {-62167219200000, "0000-01-01T00:00:00.000Z"},
        {-62167219200001, "-62167219200001"},
        {INT64_MAX, "9223372036854775807"},
        {INT64_MIN, "-9223372036854775808"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[PH_UTC_BYTES];
        ph_utc_print(out, cases[i].ms);
        assert_string_equal(out, cases[i].want);
    }
}

static void reads_what_it_says_it_reads(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t want;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-09-21T14:13:20.123Z", 1790000000123},
        {"2026-09-21T14:13:20.1Z", 1790000000100},
        {"2026-09-21T14:13:20.1239999Z", 1790000000123},
        {"2026-09-21 14:13:20", 1790000000000},
        {"2026-09-21 14:13", 1789999980000},
        {"2026-09-21", 1789948800000},
        {"2024-02-29", 1709164800000},
        {"1790000000123", 1790000000123},
        {"-1", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ms = 77;
        assert_int_equal(ph_utc_parse(cases[i].text, &ms, NULL), PH_OK);
        assert_int_equal(ms, cases[i].want);
    }
}

static void refuses_everything_else(void **state)
{
    (void)state;
    static const char *const bad[] = {"", " ", "today", "2026-02-30", "2025-02-29", "2026-00-10",
        "2026-13-01", "2026-01-00", "2026-1-2", "26-01-02", "2026-01-02T", "2026-01-02T24:00",
        "2026-01-02T23:60", "2026-01-02T23:59:60Z", "2026-01-02T23:59:1", "2026-01-02T1:00",
        "2026-01-02Z", "2026-01-02.5", "2026-01-02T10:00:00.Z", "2026-01-02T10:00:00+01:00",
        "2026-01-02T10:00:00Zx", "2026-01- 2", " 2026-01-02", "9223372036854775808", "1.5"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ph_error error = {0};
        int64_t ms = 77;
        assert_int_equal(ph_utc_parse(bad[i], &ms, &error), PH_ERR_INPUT);
        assert_non_null(strstr(error.message, "milliseconds since 1970"));
        assert_int_equal(ms, 77);
    }
}

static void clocks_run(void **state)
{
    (void)state;
    int64_t before = ph_clock_monotonic_ms();
    assert_true(ph_clock_monotonic_ms() >= before);
    assert_true(ph_clock_unix_ms() > 1700000000000);
}

/* [RUN-15] the same boot has the same name, and its clock runs while the machine does */
static void knows_the_boot(void **state)
{
    (void)state;
    char one[PH_BOOT_ID_BYTES];
    char two[PH_BOOT_ID_BYTES];
    ph_clock_boot_id(one);
    ph_clock_boot_id(two);
    assert_int_equal(strlen(one), 36);
    assert_string_equal(one, two);
    int64_t before = ph_clock_boot_ms();
    assert_true(before >= ph_clock_monotonic_ms() - 1000); /* they differ by the time asleep */
    assert_true(ph_clock_boot_ms() >= before);
}

static void reads_lengths_of_time(void **state)
{
    static const char *const bad[] = {"", "s", "5", "-1s", "1 d", "1.5h", "1w", "d1", "365251d",
        "99999999999999999999s", "0x1s", "1S"};
    int64_t ms = 0;
    (void)state;
    assert_int_equal(ph_duration_parse("90s", &ms, NULL), PH_OK);
    assert_int_equal(ms, 90000);
    assert_int_equal(ph_duration_parse("15m", &ms, NULL), PH_OK);
    assert_int_equal(ms, 900000);
    assert_int_equal(ph_duration_parse("12h", &ms, NULL), PH_OK);
    assert_int_equal(ms, 43200000);
    assert_int_equal(ph_duration_parse("365250d", &ms, NULL), PH_OK);
    assert_int_equal(ms, INT64_C(365250) * 86400000);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ph_error error = {0};
        assert_int_equal(ph_duration_parse(bad[i], &ms, &error), PH_ERR_INPUT);
        assert_non_null(strstr(error.message, "want a length of time such as 90s"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_lengths_of_time),
        cmocka_unit_test(prints_rfc_3339),
        cmocka_unit_test(reads_what_it_says_it_reads),
        cmocka_unit_test(refuses_everything_else),
        cmocka_unit_test(clocks_run),
        cmocka_unit_test(knows_the_boot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
