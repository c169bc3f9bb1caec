#include "device/fleet/house.h"

#include <math.h>
#include <stdbool.h>

#include "base/random.h"
#include "device/thermostat.h"

#define DAY_MS INT64_C(86400000)

enum { SUNDAY = 0, THURSDAY = 4, SATURDAY = 6 };

static double between(struct ph_rng *rng, double low, double high)
{
    return low + (high - low) * ph_rng_uniform(rng);
}

static double clamp(double value, double low, double high)
{
    return fmin(fmax(value, low), high);
}

static double around(struct ph_rng *rng, double mean, double deviation, double low, double high)
{
    return clamp(mean + deviation * ph_rng_normal(rng), low, high);
}

static double hour_of_day(double hours)
{
    return fmod(hours, 24.0);
}

static void draw_weather(struct ph_house *house, struct ph_rng *rng, double outdoor_c)
{
    house->outdoor_c = outdoor_c + around(rng, 0.0, 2.0, -6.0, 6.0);
    house->outdoor_swing_c = between(rng, 2.0, 7.0);
}

/* The square makes well insulated houses the rarer ones. The heater is sized for the coldest hour
 * of an average day, with a reserve; in warm places the smallest one there is remains. */
static void draw_walls(struct ph_house *house, struct ph_rng *rng)
{
    double quality = ph_rng_uniform(rng);
    house->insulation_s = (4.0 + 16.0 * quality * quality) * 3600.0;
    double needed = house->day_c - (house->outdoor_c - house->outdoor_swing_c);
    house->heater_c = fmax(needed * between(rng, 1.4, 1.9), 15.0);
}

static void draw_setpoints(struct ph_house *house, struct ph_rng *rng)
{
    house->day_c = around(rng, 20.8, 0.9, 18.0, 24.0);
    bool saves = ph_rng_uniform(rng) < 0.85;
    double lower = between(rng, 1.5, 5.0);
    house->night_c = saves ? house->day_c - lower : house->day_c;
}

/* Those who work at night live by the same hours, half a day later. */
static void draw_hours(struct ph_house *house, struct ph_rng *rng)
{
    double up = around(rng, 6.75, 0.75, 4.5, 9.0);
    double leave = up + between(rng, 0.5, 1.75);
    double home = around(rng, 17.0, 1.25, 13.0, 20.0);
    double sleep = around(rng, 22.75, 0.8, 20.5, 25.5);
    bool always_there = ph_rng_uniform(rng) < 0.35;
    double later = ph_rng_uniform(rng) < 0.06 ? 12.0 : 0.0;
    house->up_h = hour_of_day(up + later);
    house->leave_h = hour_of_day(leave + later);
    house->home_h = always_there ? house->leave_h : hour_of_day(home + later);
    house->sleep_h = hour_of_day(sleep + later);
    house->late_h = between(rng, 0.0, 2.5);
}

void ph_house_init(struct ph_house *house, uint64_t seed, double outdoor_c)
{
    /* Not the room's own series: it is drawn from the same seed. */
    struct ph_rng rng = {.state = seed ^ UINT64_C(0x686f757365)};
    *house = (struct ph_house){0};
    draw_weather(house, &rng, outdoor_c);
    draw_setpoints(house, &rng);
    draw_walls(house, &rng);
    draw_hours(house, &rng);
}

void ph_house_furnish(const struct ph_house *house, struct ph_room *room)
{
    room->outdoor_mean_c = house->outdoor_c;
    room->outdoor_swing_c = house->outdoor_swing_c;
    room->insulation_s = house->insulation_s;
    room->heater_c = house->heater_c;
}

int64_t ph_house_clock_ms(const struct ph_room *room, int64_t now_ms)
{
    return room->start_ms + llround((double)(now_ms - room->start_ms) * room->speed);
}

static bool is_free(int64_t day)
{
    int64_t weekday = ((day + THURSDAY) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
    return weekday == SATURDAY || weekday == SUNDAY;
}

/* Hours after `start` until the clock shows `hour` again. */
static double after(double start, double hour)
{
    return hour >= start ? hour - start : hour + 24.0 - start;
}

/* Whether they are up and there, `hour` hours after the midnight at which `day` began; of the time
 * that they get up on that day, until they go to bed, which may be the next day. */
static bool lives(const struct ph_house *house, int64_t day, double hour)
{
    bool is_free_day = is_free(day);
    double up = house->up_h;
    double asleep = up + after(up, house->sleep_h) + (is_free(day + 1) ? house->late_h : 0.0);
    if (hour < up + (is_free_day ? house->late_h : 0.0) || hour >= asleep) {
        return false;
    }
    double left = up + after(up, house->leave_h);
    double back = up + after(up, house->home_h);
    return is_free_day || hour < left || hour >= back;
}

double ph_house_setpoint_c(const struct ph_house *house, int64_t clock_ms)
{
    int64_t day = clock_ms / DAY_MS - (clock_ms % DAY_MS < 0 ? 1 : 0);
    double hour = (double)(clock_ms - day * DAY_MS) / 3600000.0;
    bool warm = lives(house, day, hour) || lives(house, day - 1, hour + 24.0);
    return clamp(warm ? house->day_c : house->night_c, PH_SETPOINT_MIN_C, PH_SETPOINT_MAX_C);
}
