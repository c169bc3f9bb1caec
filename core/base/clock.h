/* The clocks, and UTC as text. Everything below the programs takes the time as an argument;
 * only they read it. */
#ifndef PH_BASE_CLOCK_H
#define PH_BASE_CLOCK_H

#include <stdint.h>

#include "base/error.h"

/* Milliseconds since 1970-01-01 UTC: for certificates and readings. May jump. */
int64_t ph_clock_unix_ms(void);

/* Milliseconds from an arbitrary start that never goes back: for intervals, timeouts and rates. */
int64_t ph_clock_monotonic_ms(void);

/* The same in nanoseconds: to measure how long something takes. */
int64_t ph_clock_monotonic_ns(void);

/* Milliseconds since the machine booted, sleep included: what a device that does not know the time
 * has instead. */
int64_t ph_clock_boot_ms(void);

#define PH_BOOT_ID_BYTES 40

/* Names the boot that ph_clock_boot_ms() counts from; `out` holds PH_BOOT_ID_BYTES. Where the
 * kernel does not say (no /proc) each call makes another name: nothing captured earlier is of that
 * boot. */
void ph_clock_boot_id(char *out);

#define PH_UTC_BYTES 32

/* Writes RFC 3339 with milliseconds, "2026-11-22T19:02:16.123Z"; `out` holds PH_UTC_BYTES. Years
 * 0000 to 9999; anything beyond is written as a plain number of milliseconds. */
void ph_utc_print(char *out, int64_t unix_ms);

/* Reads "2026-11-22T19:02:16[.123]Z", "2026-11-22 19:02[:16]" or "2026-11-22" (all UTC), or a plain
 * number of milliseconds since 1970. PH_ERR_INPUT on anything else, with `text` quoted. */
enum ph_err ph_utc_parse(const char *text, int64_t *unix_ms, struct ph_error *error) PH_NODISCARD;

/* Reads a length of time: a whole number and its unit, "90s", "15m", "12h" or "365d", of at most a
 * thousand years. PH_ERR_INPUT on anything else, with `text` quoted. */
enum ph_err ph_duration_parse(
    const char *text, int64_t *length_ms, struct ph_error *error) PH_NODISCARD;

#endif
