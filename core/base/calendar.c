#include "base/calendar.h"

enum {
    DAY_S = 86400,
    ERA_YEARS = 400, /* after which the calendar repeats */
    ERA_DAYS = 146097,
    YEAR_0_TO_1970_DAYS = 719468, /* from 1 March of the year 0 */
};

/* The quotient that is rounded down, also below zero. */
static int64_t floor_div(int64_t number, int64_t by)
{
    return number / by - (number % by < 0 ? 1 : 0);
}

/* Days of a year that begins in March: months then have the same length in every year, and the
 * leap day is the last. */
static int64_t days_before_month(int64_t march_month)
{
    return (153 * march_month + 2) / 5;
}

int64_t ph_calendar_join(const struct tm *tm)
{
    int64_t year = (int64_t)tm->tm_year + 1900 - (tm->tm_mon < 2 ? 1 : 0);
    int64_t era = floor_div(year, ERA_YEARS);
    int64_t year_of_era = year - era * ERA_YEARS;
    int64_t days = era * ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
                   days_before_month((tm->tm_mon + 10) % 12) + tm->tm_mday - 1 -
                   YEAR_0_TO_1970_DAYS;
    return days * DAY_S + (int64_t)tm->tm_hour * 3600 + (int64_t)tm->tm_min * 60 + tm->tm_sec;
}

bool ph_calendar_split(int64_t unix_s, struct tm *out)
{
    static const int64_t first_s = INT64_C(-62167219200);
    static const int64_t last_s = INT64_C(253402300799);
    if (unix_s < first_s || unix_s > last_s) {
        return false;
    }
    int64_t days = floor_div(unix_s, DAY_S);
    int64_t second = unix_s - days * DAY_S;
    days += YEAR_0_TO_1970_DAYS;
    int64_t era = floor_div(days, ERA_DAYS);
    int64_t day = days - era * ERA_DAYS;
    int64_t year = (day - day / 1460 + day / 36524 - day / (ERA_DAYS - 1)) / 365;
    day -= year * 365 + year / 4 - year / 100;
    int64_t month = (5 * day + 2) / 153; /* from March */
    *out = (struct tm){.tm_year = (int)(year + era * ERA_YEARS + (month >= 10 ? 1 : 0) - 1900),
        .tm_mon = (int)((month + 2) % 12),
        .tm_mday = (int)(day - days_before_month(month) + 1),
        .tm_hour = (int)(second / 3600),
        .tm_min = (int)(second / 60 % 60),
        .tm_sec = (int)(second % 60)};
    return true;
}
