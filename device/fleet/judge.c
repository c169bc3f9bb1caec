#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "device/fleet/output_text.h"
#include "device/fleet/report.h"

/* Appends one thing that lacks. All of them with the largest numbers fit. */
static void add(struct ph_fleet_report *report, const char *format, ...) PH_PRINTF(2, 3);

static void add(struct ph_fleet_report *report, const char *format, ...)
{
    size_t used = strlen(report->lacks);
    if (used > 0 && used + 2 < sizeof report->lacks) {
        memcpy(&report->lacks[used], "; ", 3);
        used += 2;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(&report->lacks[used], sizeof report->lacks - used, format, args);
    va_end(args);
}

static void add_readings(struct ph_fleet_report *report, int64_t number, const char *what)
{
    if (number > 0) {
        add(report, "%s %s %s", ph_show_count(number).text, number == 1 ? "reading" : "readings",
            what);
    }
}

/* What is gone, or may be, weighs more than what is still to come. */
static void judge_readings(struct ph_fleet_report *report)
{
    const struct ph_fleet_stats *total = &report->total;
    int64_t pending = total->gauges[PH_FLEET_PENDING];
    int64_t dropped = total->counts[PH_FLEET_DROPPED];
    int64_t lost = total->counts[PH_FLEET_LOST];
    int64_t missing = total->counts[PH_FLEET_CAPTURED] - total->counts[PH_FLEET_ACKNOWLEDGED] -
                      pending - dropped - lost;
    add_readings(report, lost, "lost, taken by no spool");
    add_readings(report, dropped, "dropped from full spools");
    add_readings(report, missing, "unaccounted for");
    add_readings(report, -missing, "more accounted for than captured");
    add_readings(report, pending, "not acknowledged");
}

static void judge_devices(struct ph_fleet_report *report)
{
    int64_t failed = report->total.counts[PH_FLEET_FAILED];
    struct ph_shown devices = ph_show_count(report->scenario->devices);
    if (failed > 0) {
        add(report, "%s of %s devices failed for good", ph_show_count(failed).text, devices.text);
    }
    if (report->connected_all_ms < 0) {
        add(report, "%s of %s devices never connected",
            ph_show_count(report->scenario->devices - report->total.counts[PH_FLEET_REACHED]).text,
            devices.text);
    }
}

void ph_fleet_report_judge(struct ph_fleet_report *report)
{
    int64_t foreign = report->total.counts[PH_FLEET_THEFT_FOREIGN];
    report->lacks[0] = '\0';
    if (foreign > 0) {
        add(report, "a thief was let through to what is not its own, %s %s",
            ph_show_count(foreign).text, foreign == 1 ? "time" : "times");
    }
    judge_readings(report);
    judge_devices(report);
    report->verdict = report->lacks[0] == '\0' ? PH_FLEET_GOOD : PH_FLEET_LACKING;
}
