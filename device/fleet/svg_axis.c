#include "device/fleet/svg_axis.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>

enum { STEPS = 6, TIME_STEPS = 7, LOG_TICKS = 7 };

/* Against 0.1 + 0.2: half a thousandth of a step is none. */
static const double slack = 5e-4;

static void add_tick(struct ph_axis *axis, double value)
{
    if (axis->tick_count < PH_AXIS_TICKS) {
        axis->ticks[axis->tick_count++] = value;
    }
}

static void tick_each_step(struct ph_axis *axis)
{
    for (int i = 0; i * axis->step <= axis->high + slack * axis->step; i++) {
        add_tick(axis, i * axis->step);
    }
}

/* The greatest (or, upwards, the smallest) 1, 2 or 5 times a power of ten on that side. */
static double round_value(double value, bool up)
{
    static const double leads[] = {1, 2, 5, 10};
    double decade = pow(10, floor(log10(value) + 1e-9));
    double best = decade;
    for (int i = 0; i < 4; i++) {
        double lead = leads[i] * decade;
        if (up && lead >= value * (1 - 1e-9)) {
            return lead;
        }
        best = lead <= value * (1 + 1e-9) ? lead : best;
    }
    return best;
}

void ph_axis_linear(struct ph_axis *axis, double high)
{
    double step = high > STEPS ? round_value(high / STEPS, true) : 1;
    double steps = high > 0 ? ceil(high / step - 1e-9) : 1;
    *axis = (struct ph_axis){.step = step, .high = step * steps};
    tick_each_step(axis);
}

static void tick_decades(struct ph_axis *axis)
{
    double first = ceil(log10(axis->low) - 1e-9);
    double last = floor(log10(axis->high) + 1e-9);
    int each = last - first >= LOG_TICKS ? 2 : 1;
    for (int i = 0; first + i <= last; i += each) {
        add_tick(axis, pow(10, first + i));
    }
}

void ph_axis_log(struct ph_axis *axis, double low, double high)
{
    *axis = (struct ph_axis){
        .log = true, .low = round_value(low, false), .high = round_value(high, true)};
    if (axis->high < axis->low * 1.5) {
        axis->high = round_value(axis->low * 1.5, true);
    }
    double tick = axis->low;
    while (tick <= axis->high * 1.01 && axis->tick_count <= LOG_TICKS) {
        add_tick(axis, tick);
        tick = round_value(tick * 1.5, true);
    }
    if (axis->tick_count > LOG_TICKS) {
        axis->tick_count = 0;
        tick_decades(axis);
    }
}

void ph_axis_seconds(struct ph_axis *axis, double high)
{
    static const int32_t steps[] = {
        1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400};
    enum { COUNT = sizeof steps / sizeof steps[0] };
    *axis = (struct ph_axis){.high = fmax(high, 1)};
    int i = 0;
    while (i < COUNT - 1 && axis->high / steps[i] > TIME_STEPS) {
        i++;
    }
    axis->step = steps[i];
    if (axis->high / axis->step > TIME_STEPS) {
        axis->step *= round_value(axis->high / axis->step / TIME_STEPS, true);
    }
    tick_each_step(axis);
}

double ph_axis_nines(double share)
{
    return -log10(1 - share);
}

void ph_axis_shares(struct ph_axis *axis)
{
    static const double shares[] = {0.5, 0.9, 0.99, 0.999, 0.9999};
    *axis = (struct ph_axis){.low = ph_axis_nines(0.5), .high = ph_axis_nines(0.9999)};
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        add_tick(axis, ph_axis_nines(shares[i]));
    }
}

double ph_axis_place(const struct ph_axis *axis, double value)
{
    double inside = fmin(fmax(value, axis->low), axis->high);
    return axis->log ? log(inside / axis->low) / log(axis->high / axis->low)
                     : (inside - axis->low) / (axis->high - axis->low);
}

struct ph_shown ph_axis_show_count(double value)
{
    struct ph_shown shown = {""};
    if (value < 1e5) {
        return ph_show_count((int64_t)llround(value));
    }
    (void)snprintf(shown.text, sizeof shown.text, value < 1e6 ? "%.4gk" : "%.4gM",
        value < 1e6 ? value / 1e3 : value / 1e6);
    return shown;
}

/* What a tick counts, and whether it needs the next smaller unit behind a colon. */
static double unit_s(const struct ph_axis *axis, bool *parts)
{
    double unit = axis->high < 120 ? 1 : axis->high < 7200 ? 60 : axis->step < 86400 ? 3600 : 86400;
    *parts = axis->step < unit;
    return unit;
}

struct ph_shown ph_axis_show_seconds(const struct ph_axis *axis, double value)
{
    struct ph_shown shown = {""};
    bool parts = false;
    double unit = unit_s(axis, &parts);
    int whole = (int)floor(value / unit + slack);
    int rest = (int)llround((value - whole * unit) / (unit / 60));
    (void)snprintf(shown.text, sizeof shown.text, parts ? "%d:%02d" : "%d", whole, rest);
    return shown;
}

const char *ph_axis_seconds_unit(const struct ph_axis *axis)
{
    bool parts = false;
    double unit = unit_s(axis, &parts);
    return unit >= 86400  ? "days"
           : unit >= 3600 ? (parts ? "hours:minutes" : "hours")
           : unit >= 60   ? (parts ? "minutes:seconds" : "minutes")
                          : "seconds";
}

struct ph_shown ph_axis_show_share(double nines)
{
    struct ph_shown shown = {""};
    (void)snprintf(shown.text, sizeof shown.text, "%.5g %%", 100 * (1 - pow(10, -nines)));
    return shown;
}
