#include "device/fleet/output_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

struct ph_shown ph_show_count(int64_t number)
{
    char digits[24];
    struct ph_shown shown = {""};
    (void)snprintf(digits, sizeof digits, "%" PRId64, number);
    size_t len = strlen(digits);
    size_t sign = digits[0] == '-';
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        if (i > sign && (len - i) % 3 == 0) {
            shown.text[used++] = ',';
        }
        shown.text[used++] = digits[i];
    }
    shown.text[used] = '\0';
    return shown;
}

static struct ph_shown show_real(double value, int decimals, const char *unit)
{
    struct ph_shown shown = {""};
    (void)snprintf(shown.text, sizeof shown.text, "%.*f%s", decimals, value, unit);
    return shown;
}

/* One decimal as long as it tells something. */
static struct ph_shown show_amount(double value, const char *unit)
{
    return show_real(value, value < 99.95 ? 1 : 0, unit);
}

struct ph_shown ph_show_rate(double per_s)
{
    return per_s < 99.95 ? show_amount(per_s, "") : ph_show_count((int64_t)(per_s + 0.5));
}

struct ph_shown ph_show_percent(double share)
{
    return show_amount(share * 100, " %");
}

struct ph_shown ph_show_bytes(int64_t bytes)
{
    static const char *const units[] = {" KiB", " MiB", " GiB", " TiB"};
    double value = (double)bytes / 1024;
    size_t unit = 0;
    while (value >= 1023.5 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    return show_amount(value, units[unit]);
}

struct ph_shown ph_show_us(int64_t us)
{
    double ms = (double)us / 1000;
    if (us <= 0) {
        return (struct ph_shown){"-"};
    }
    if (ms >= 59950) {
        return ph_show_elapsed((us + 500) / 1000);
    }
    if (ms >= 999.5) {
        return show_amount(ms / 1000, " s");
    }
    return ms < 0.995 ? show_real(ms, 2, " ms") : show_amount(ms, " ms");
}

struct ph_shown ph_show_elapsed(int64_t ms)
{
    struct ph_shown shown = {""};
    int64_t s = (ms + 500) / 1000;
    if (s >= 3600) {
        (void)snprintf(
            shown.text, sizeof shown.text, "%" PRId64 " h %" PRId64 " m", s / 3600, s / 60 % 60);
    } else if (s >= 60) {
        (void)snprintf(
            shown.text, sizeof shown.text, "%" PRId64 " m %" PRId64 " s", s / 60, s % 60);
    } else {
        (void)snprintf(shown.text, sizeof shown.text, "%" PRId64 " s", s);
    }
    return shown;
}

struct ph_shown ph_show_interval(int64_t ms)
{
    if (ms % 1000 == 0) {
        return ph_show_elapsed(ms);
    }
    return ms < 1000 ? show_real((double)ms, 0, " ms") : ph_show_us(ms * 1000);
}

int64_t ph_show_lost(const struct ph_fleet_report *report)
{
    return report->total.counts[PH_FLEET_DROPPED] + report->total.counts[PH_FLEET_LOST];
}

void ph_show_verdict(char out[PH_SHOW_VERDICT_BYTES], const struct ph_fleet_report *report)
{
    static const char lacking[] = "lacking: ";
    if (report->verdict == PH_FLEET_GOOD) {
        (void)snprintf(out, PH_SHOW_VERDICT_BYTES,
            "good: %s devices, %s readings, all acknowledged",
            ph_show_count(report->scenario->devices).text,
            ph_show_count(report->total.counts[PH_FLEET_CAPTURED]).text);
        return;
    }
    memcpy(out, lacking, sizeof lacking);
    ph_text_escape(
        out + sizeof lacking - 1, PH_SHOW_VERDICT_BYTES - sizeof lacking + 1, report->lacks);
}
