#include "device/room.h"

#include <math.h>

#define DAY_S     86400.0
#define COLDEST_S 18000.0 /* five in the morning */
#define STEP_S    60.0    /* the outside hardly changes in a minute */
#define TWO_PI    6.283185307179586

static double between(struct ph_rng *rng, double low, double high)
{
    return low + (high - low) * ph_rng_uniform(rng);
}

void ph_room_init(struct ph_room *room, uint64_t seed, double speed, int64_t now_ms)
{
    *room = (struct ph_room){.rng = {.state = seed}, .speed = speed, .start_ms = now_ms};
    room->outdoor_mean_c = between(&room->rng, 2.0, 10.0);
    room->outdoor_swing_c = between(&room->rng, 3.0, 7.0);
    room->insulation_s = between(&room->rng, 4.0, 12.0) * 3600.0;
    room->heater_c = between(&room->rng, 30.0, 40.0);
    room->temperature_c = between(&room->rng, 17.0, 21.0);
    room->humidity_pct = between(&room->rng, 35.0, 55.0);
}

static double outdoor_at(const struct ph_room *room, double simulated_s)
{
    double day = fmod((double)room->start_ms / 1000.0 + simulated_s - COLDEST_S, DAY_S);
    return room->outdoor_mean_c - room->outdoor_swing_c * cos(TWO_PI * day / DAY_S);
}

double ph_room_outdoor_c(const struct ph_room *room)
{
    return outdoor_at(room, room->simulated_s);
}

/* One step of dT/dt = (T_outdoor + heater - T) / insulation, solved exactly for a constant outside.
 * Warm air holds more water, so relative humidity leans against the temperature. */
static void step(struct ph_room *room, double seconds, bool heating)
{
    double outdoor = outdoor_at(room, room->simulated_s);
    double target = outdoor + (heating ? room->heater_c : 0.0);
    double kept = exp(-seconds / room->insulation_s);
    room->temperature_c = target + (room->temperature_c - target) * kept;
    double humid = fmin(fmax(45.0 + 1.5 * (20.0 - room->temperature_c), 15.0), 90.0);
    room->humidity_pct = humid + (room->humidity_pct - humid) * exp(-seconds / 3600.0);
    room->simulated_s += seconds;
}

void ph_room_advance(struct ph_room *room, int64_t now_ms, bool heating)
{
    double seconds = (double)(now_ms - room->start_ms) / 1000.0 * room->speed - room->simulated_s;
    double most = 3600.0 * room->speed;
    if (seconds > most) {
        room->start_ms += (int64_t)((seconds - most) / room->speed * 1000.0);
        seconds = most;
    }
    while (seconds > 0.0) {
        double now = fmin(seconds, STEP_S);
        step(room, now, heating);
        seconds -= now;
    }
}

static double clamp_round(double value, double low, double high, double per_unit)
{
    return round(fmin(fmax(value, low), high) * per_unit) / per_unit;
}

struct ph_room_sample ph_room_sample(struct ph_room *room)
{
    double temperature = room->temperature_c + 0.05 * ph_rng_normal(&room->rng);
    double humidity = room->humidity_pct + 0.4 * ph_rng_normal(&room->rng);
    return (struct ph_room_sample){
        .temperature_c = clamp_round(temperature, -40.0, 85.0, 100.0),
        .humidity_pct = clamp_round(humidity, 0.0, 100.0, 10.0),
    };
}
