/* What makes one house unlike the next: its insulation and heater, the weather where it stands, and
 * the habits of those who live in it (docs/spec/fleet.md, HOUSE). Drawn from a seed; the same seed
 * gives the same house. */
#ifndef PH_FLEET_HOUSE_H
#define PH_FLEET_HOUSE_H

#include <stdint.h>

#include "device/room.h"

struct ph_house {
    double day_c;   /* set point while they are up and there */
    double night_c; /* while they sleep, and while nobody is there */
    double up_h;    /* hours of the day on the house's clock, 0 to 24, on weekdays */
    double leave_h; /* equal to home_h: somebody is always there */
    double home_h;
    double sleep_h;   /* may be after midnight */
    double late_h;    /* how much later they go to bed before a free day, and get up on it */
    double outdoor_c; /* mean of the place */
    double outdoor_swing_c;
    double insulation_s; /* time constant of the loss */
    double heater_c;     /* how far above the outside the heater could hold the room */
};

/* `outdoor_c` is the mean of the whole fleet's places. */
void ph_house_init(struct ph_house *house, uint64_t seed, double outdoor_c);

/* Gives a room that has just been made the house's walls, heater and weather. */
void ph_house_furnish(const struct ph_house *house, struct ph_room *room);

/* What the clock in the house shows (unix) when the time that drives its room is `now_ms`: as
 * ph_room_advance() takes it. It runs ahead by the room's speed, as the room's weather does. */
int64_t ph_house_clock_ms(const struct ph_room *room, int64_t now_ms);

/* The set point by the habits of the house, when its clock shows `clock_ms` (unix, UTC); within
 * PH_SETPOINT_MIN_C and PH_SETPOINT_MAX_C. */
double ph_house_setpoint_c(const struct ph_house *house, int64_t clock_ms);

#endif
