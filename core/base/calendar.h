/* The Gregorian calendar in UTC, without time_t: that ends in January 2038 where it has 32 bits,
 * and certificates of today already end later. */
#ifndef PH_BASE_CALENDAR_H
#define PH_BASE_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Seconds since 1970 as year, month, day, hour, minute and second, with the fields' meaning in
 * <time.h>; the other fields are 0. False, and `out` as it was, outside the years 0 to 9999. */
bool ph_calendar_split(int64_t unix_s, struct tm *out);

/* The seconds since 1970 of those six fields. A month must be 0 to 11; day, hour, minute and second
 * may lie outside their range and count on, as 30 February is 1 or 2 March. */
int64_t ph_calendar_join(const struct tm *tm);

#endif
