/* ph.base.calendar: the calendar without time_t. [CROSS-4] */
#include "base/calendar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const int64_t first_s = INT64_C(-62167219200); /* 1 January of the year 0 */
static const int64_t last_s = INT64_C(253402300799);  /* the end of the year 9999 */

static void assert_date(int64_t unix_s, int year, int month, int day, int second_of_day)
{
    struct tm tm = {0};
    assert_true(ph_calendar_split(unix_s, &tm));
    assert_int_equal(tm.tm_year + 1900, year);
    assert_int_equal(tm.tm_mon + 1, month);
    assert_int_equal(tm.tm_mday, day);
    assert_int_equal(tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec, second_of_day);
    assert_int_equal(ph_calendar_join(&tm), unix_s);
}

static void known_dates(void **state)
{
    (void)state;
    assert_date(0, 1970, 1, 1, 0);
    assert_date(-1, 1969, 12, 31, 86399);
    assert_date(951782400, 2000, 2, 29, 0);
    assert_date(INT64_C(4107542399), 2100, 2, 28, 86399);
    assert_date(INT64_C(4107542400), 2100, 3, 1, 0);
    assert_date(INT64_C(2147483647), 2038, 1, 19, 11647);
    assert_date(INT64_C(2147483648), 2038, 1, 19, 11648); /* where 32 bits end */
    assert_date(first_s, 0, 1, 1, 0);
    assert_date(last_s, 9999, 12, 31, 86399);
}

static bool leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_of(int year, int month)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return lengths[month] + (month == 1 && leap(year) ? 1 : 0);
}

static bool is_day(int64_t unix_s, int year, int month, int day)
{
    struct tm tm = {0};
    return ph_calendar_split(unix_s, &tm) && tm.tm_year + 1900 == year && tm.tm_mon == month &&
           tm.tm_mday == day && ph_calendar_join(&tm) == unix_s;
}

static void check_month(int year, int month, int64_t *unix_s)
{
    for (int day = 1; day <= days_of(year, month); day++, *unix_s += 86400) {
        if (!is_day(*unix_s, year, month, day)) {
            fail_msg("%04d-%02d-%02d", year, month + 1, day);
        }
    }
}

/* Every day of ten thousand years follows the one before it. */
static void all_days(void **state)
{
    (void)state;
    int64_t unix_s = first_s;
    for (int year = 0; year < 10000; year++) {
        for (int month = 0; month < 12; month++) {
            check_month(year, month, &unix_s);
        }
    }
    assert_int_equal(unix_s, last_s + 1);
}

static void days_count_on(void **state)
{
    (void)state;
    struct tm tm = {.tm_year = 126, .tm_mon = 1, .tm_mday = 30};
    struct tm march = {.tm_year = 126, .tm_mon = 2, .tm_mday = 2};
    assert_int_equal(ph_calendar_join(&tm), ph_calendar_join(&march));
    march.tm_sec = -1;
    tm.tm_mday = 29; /* 1 March */
    tm.tm_hour = 23;
    tm.tm_min = 59;
    tm.tm_sec = 59;
    assert_int_equal(ph_calendar_join(&tm), ph_calendar_join(&march));
}

static void beyond(void **state)
{
    (void)state;
    struct tm tm = {.tm_year = 7};
    assert_false(ph_calendar_split(first_s - 1, &tm));
    assert_false(ph_calendar_split(last_s + 1, &tm));
    assert_false(ph_calendar_split(INT64_MIN, &tm));
    assert_false(ph_calendar_split(INT64_MAX, &tm));
    assert_int_equal(tm.tm_year, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_dates),
        cmocka_unit_test(all_days),
        cmocka_unit_test(days_count_on),
        cmocka_unit_test(beyond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
