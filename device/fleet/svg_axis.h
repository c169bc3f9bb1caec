/* The axes of a plot: where they begin and end, round ticks, and what stands beside them. */
#ifndef PH_FLEET_SVG_AXIS_H
#define PH_FLEET_SVG_AXIS_H

#include <stdbool.h>
#include <stddef.h>

#include "device/fleet/output_text.h"

enum { PH_AXIS_TICKS = 16 };

struct ph_axis {
    bool log;
    double low;
    double high;
    double step; /* of a linear axis: between two ticks */
    size_t tick_count;
    double ticks[PH_AXIS_TICKS];
};

/* From 0 to the first round tick at or above `high`; at most six steps of 1, 2 or 5 times a power
 * of ten, whole ones. */
void ph_axis_linear(struct ph_axis *axis, double high);

/* From the 1, 2 or 5 times a power of ten below `low` (above 0) to the one above `high`. Ticks at
 * each of these, or at powers of ten alone where that would be too many. */
void ph_axis_log(struct ph_axis *axis, double low, double high);

/* Seconds, from 0 to `high` exactly; ticks at round seconds, minutes, hours or days, at most eight.
 */
void ph_axis_seconds(struct ph_axis *axis, double high);

/* Quantiles from 50 % to 99.99 %, spread so that each further nine takes the same room. A place on
 * it is ph_axis_nines(share). */
void ph_axis_shares(struct ph_axis *axis);
double ph_axis_nines(double share);

/* 0 at the low end, 1 at the high end; what lies beyond is at the end. */
double ph_axis_place(const struct ph_axis *axis, double value);

/* "250", "10,000", "100k", "2.5M" */
struct ph_shown ph_axis_show_count(double value);

/* A tick of ph_axis_seconds(): a number, or "1:30"; its unit is ph_axis_seconds_unit(): "minutes",
 * "hours:minutes". */
struct ph_shown ph_axis_show_seconds(const struct ph_axis *axis, double value);
const char *ph_axis_seconds_unit(const struct ph_axis *axis);

/* "99.9 %", of a place on ph_axis_shares(). */
struct ph_shown ph_axis_show_share(double nines);

#endif
