#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

static int64_t read_ms(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now); /* cannot fail for the two clocks used here */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t ph_clock_unix_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

int64_t ph_clock_monotonic_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

void ph_utc_print(char *out, int64_t unix_ms)
{
    int64_t ms = ((unix_ms % 1000) + 1000) % 1000;
    time_t seconds = (time_t)((unix_ms - ms) / 1000);
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year < -1900 || tm.tm_year > 8099) {
        (void)snprintf(out, PH_UTC_BYTES, "%" PRId64, unix_ms);
        return;
    }
    size_t len = strftime(out, PH_UTC_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(out + len, PH_UTC_BYTES - len, ".%03dZ", (int)ms);
}

/* Digits after the point as milliseconds; *rest is where they end. Further digits are dropped. */
static int64_t parse_fraction(const char *digits, const char **rest)
{
    int64_t ms = 0;
    int64_t unit = 100;
    for (; *digits >= '0' && *digits <= '9'; digits++, unit /= 10) {
        ms += (*digits - '0') * unit;
    }
    *rest = digits;
    return ms;
}

enum ph_err ph_utc_parse(const char *text, int64_t *unix_ms, struct ph_error *error)
{
    static const char *const formats[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d"};
    if (ph_text_to_int64(text, INT64_MIN, INT64_MAX, unix_ms)) {
        return PH_OK;
    }
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        struct tm tm = {0};
        const char *rest = strptime(text, formats[i], &tm);
        if (rest == NULL) {
            continue;
        }
        int64_t ms = *rest == '.' ? parse_fraction(rest + 1, &rest) : 0;
        if (*rest == 'Z') {
            rest++;
        }
        if (*rest == '\0') {
            struct tm before = tm;
            int64_t seconds = timegm(&tm);
            if (tm.tm_mday == before.tm_mday) { /* timegm turns 30 February into March */
                *unix_ms = seconds * 1000 + ms;
                return PH_OK;
            }
        }
    }
    return ph_error_set(error, PH_ERR_INPUT, "time \"%s\": want 2026-11-22T19:02:16Z, 2026-11-22, or milliseconds since 1970", text);
}
