/* The control loop: keeps a room at its set point with hysteresis, and says what it sees. */
#ifndef PH_DEVICE_THERMOSTAT_H
#define PH_DEVICE_THERMOSTAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "device/moment.h"
#include "device/room.h"

#define PH_SETPOINT_MIN_C 5.0 /* at the lowest set point the heater stays off */
#define PH_SETPOINT_MAX_C 35.0

struct ph_thermostat {
    double setpoint_c;
    bool heating;
};

/* Decides from a measurement: on below set point - 0.3, off above set point + 0.3. */
void ph_thermostat_control(struct ph_thermostat *thermostat, double temperature_c);

/* "off", "idle" or "heating". */
const char *ph_thermostat_hvac(const struct ph_thermostat *thermostat);

/* Appends the reading of kind `thermostat` as JSON, with the time as "t", or the uptime as "up"
 * while the time is not known. */
enum ph_err ph_thermostat_reading(const struct ph_thermostat *thermostat,
    const struct ph_room_sample *sample, const struct ph_moment *now,
    struct ph_buf *out) PH_NODISCARD;

#endif
