#include "base/clock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/calendar.h"
#include "base/random.h"
#include "base/text.h"

static int64_t read_ms(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now); /* cannot fail for the clocks used here */
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

int64_t ph_clock_monotonic_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t ph_clock_boot_ms(void)
{
    return read_ms(CLOCK_BOOTTIME);
}

static bool read_boot_id(char *out)
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t got = read(fd, out, PH_BOOT_ID_BYTES - 1);
    (void)close(fd);
    out[got > 0 ? got : 0] = '\0';
    out[strspn(out, "0123456789abcdef-")] = '\0';
    return out[0] != '\0';
}

void ph_clock_boot_id(char *out)
{
    if (!read_boot_id(out)) {
        (void)snprintf(out, PH_BOOT_ID_BYTES, "none-%016" PRIx64, ph_random_u64());
    }
}

void ph_utc_print(char *out, int64_t unix_ms)
{
    int64_t ms = ((unix_ms % 1000) + 1000) % 1000;
    struct tm tm = {0};
    if (!ph_calendar_split(unix_ms / 1000 - (unix_ms % 1000 < 0 ? 1 : 0), &tm)) {
        (void)snprintf(out, PH_UTC_BYTES, "%" PRId64, unix_ms);
        return;
    }
    int len = snprintf(out, PH_UTC_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
        tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)ms);
    if (len < 0 || len >= PH_UTC_BYTES) {
        out[0] = '\0';
    }
}

/* Exactly `count` digits, as a number that is at most `max`; moves the cursor behind them. */
static bool take_digits(const char **cursor, int count, int max, int *out)
{
    int value = 0;
    for (int i = 0; i < count; i++, *cursor += 1) {
        if (**cursor < '0' || **cursor > '9') {
            return false;
        }
        value = value * 10 + (**cursor - '0');
    }
    *out = value;
    return value <= max;
}

static bool take(const char **cursor, char c)
{
    if (**cursor != c) {
        return false;
    }
    *cursor += 1;
    return true;
}

static bool take_date(const char **cursor, struct tm *tm)
{
    if (!take_digits(cursor, 4, 9999, &tm->tm_year) || !take(cursor, '-') ||
        !take_digits(cursor, 2, 12, &tm->tm_mon) || !take(cursor, '-') ||
        !take_digits(cursor, 2, 31, &tm->tm_mday) || tm->tm_mon == 0) {
        return false;
    }
    tm->tm_year -= 1900;
    tm->tm_mon -= 1;
    return true;
}

/* The digits after the point, at least one; what is finer than a millisecond is dropped. */
static bool take_fraction(const char **cursor, int *ms)
{
    int digits = 0;
    int unit = 100;
    for (; **cursor >= '0' && **cursor <= '9'; *cursor += 1, unit /= 10, digits++) {
        *ms += (**cursor - '0') * unit;
    }
    return digits > 0;
}

static bool take_time(const char **cursor, struct tm *tm, int *ms)
{
    if (!take_digits(cursor, 2, 23, &tm->tm_hour) || !take(cursor, ':') ||
        !take_digits(cursor, 2, 59, &tm->tm_min)) {
        return false;
    }
    if (take(cursor, ':') && (!take_digits(cursor, 2, 59, &tm->tm_sec) ||
                                 (take(cursor, '.') && !take_fraction(cursor, ms)))) {
        return false;
    }
    (void)take(cursor, 'Z');
    return true;
}

enum ph_err ph_utc_parse(const char *text, int64_t *unix_ms, struct ph_error *error)
{
    if (ph_text_to_int64(text, INT64_MIN, INT64_MAX, unix_ms)) {
        return PH_OK;
    }
    struct tm tm = {0};
    int ms = 0;
    const char *rest = text;
    bool good = take_date(&rest, &tm);
    if (good && (take(&rest, 'T') || take(&rest, ' '))) {
        good = take_time(&rest, &tm, &ms);
    }
    int64_t seconds = good ? ph_calendar_join(&tm) : 0;
    struct tm meant = {0};
    /* 30 February would become March. */
    if (!good || *rest != '\0' || !ph_calendar_split(seconds, &meant) ||
        meant.tm_mday != tm.tm_mday) {
        return ph_error_set(error, PH_ERR_INPUT,
            "time \"%s\": want 2026-11-22T19:02:16Z, 2026-11-22, or milliseconds since 1970", text);
    }
    *unix_ms = seconds * 1000 + ms;
    return PH_OK;
}

enum ph_err ph_duration_parse(const char *text, int64_t *length_ms, struct ph_error *error)
{
    static const struct {
        char letter;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    const int64_t most_ms = INT64_C(365250) * 86400000;
    char digits[16] = "";
    int64_t number = 0;
    size_t len = strlen(text);
    if (len >= 2 && len <= sizeof digits) {
        memcpy(digits, text, len - 1);
        digits[len - 1] = '\0';
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (len >= 2 && text[len - 1] == units[i].letter && digits[0] != '-' &&
            ph_text_to_int64(digits, 0, most_ms / units[i].ms, &number)) {
            *length_ms = number * units[i].ms;
            return PH_OK;
        }
    }
    return ph_error_set(
        error, PH_ERR_INPUT, "\"%s\": want a length of time such as 90s, 15m, 12h or 365d", text);
}
