/* A room with a heater, as a lumped thermal model: it loses heat to the outside through its
 * insulation, and the outside has a daily cycle. Time is passed in; the same seed and the same
 * times give the same series on every machine. */
#ifndef PH_DEVICE_ROOM_H
#define PH_DEVICE_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"

struct ph_room {
    struct ph_rng rng;
    double speed;          /* simulated seconds per second */
    int64_t start_ms;      /* unix; simulated time runs from here */
    double simulated_s;    /* since start_ms */
    double temperature_c;  /* of the air, the truth that the sensor only approximates */
    double humidity_pct;   /* relative */
    double outdoor_mean_c; /* drawn from the seed, like what follows */
    double outdoor_swing_c;
    double insulation_s; /* time constant of the loss */
    double heater_c;     /* how far above the outside the heater could hold the room */
};

/* What the sensor says: the truth with noise, rounded to the sensor's resolution. */
struct ph_room_sample {
    double temperature_c; /* -40 to 85, to 0.01 */
    double humidity_pct;  /* 0 to 100, to 0.1 */
};

/* Begins at `now_ms`; the same seed gives the same room. `speed` is simulated seconds per second.
 */
void ph_room_init(struct ph_room *room, uint64_t seed, double speed, int64_t now_ms);

/* Advances to `now_ms` with the heater on or off throughout. A clock that went back does nothing; a
 * jump ahead counts for at most one hour. */
void ph_room_advance(struct ph_room *room, int64_t now_ms, bool heating);

/* Reads the sensor; draws noise. */
struct ph_room_sample ph_room_sample(struct ph_room *room);

/* The outside now, in degrees Celsius. */
double ph_room_outdoor_c(const struct ph_room *room);

#endif
