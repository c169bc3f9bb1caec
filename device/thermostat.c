#include "device/thermostat.h"

#include "format/message.h"

#define HYSTERESIS_C 0.3

void ph_thermostat_control(struct ph_thermostat *thermostat, double temperature_c)
{
    if (thermostat->setpoint_c <= PH_SETPOINT_MIN_C ||
        temperature_c > thermostat->setpoint_c + HYSTERESIS_C) {
        thermostat->heating = false;
    } else if (temperature_c < thermostat->setpoint_c - HYSTERESIS_C) {
        thermostat->heating = true;
    }
}

const char *ph_thermostat_hvac(const struct ph_thermostat *thermostat)
{
    if (thermostat->setpoint_c <= PH_SETPOINT_MIN_C) {
        return "off";
    }
    return thermostat->heating ? "heating" : "idle";
}

static struct ph_field number(const char *name, double value)
{
    return (struct ph_field){.name = name, .value = {.type = PH_VALUE_NUMBER, .number = value}};
}

enum ph_err ph_thermostat_reading(const struct ph_thermostat *thermostat,
    const struct ph_room_sample *sample, const struct ph_moment *now, struct ph_buf *out)
{
    const struct ph_field fields[] = {
        number("temperature_c", sample->temperature_c),
        number("setpoint_c", thermostat->setpoint_c),
        number("humidity_pct", sample->humidity_pct),
        {.name = "hvac", .value = {.type = PH_VALUE_TEXT, .text = ph_thermostat_hvac(thermostat)}},
    };
    const struct ph_reading reading = {
        .has_time = now->known,
        .time_ms = now->known ? now->unix_ms : 0,
        .has_up = !now->known,
        .up_ms = now->known ? 0 : now->boot_ms,
        .fields = fields,
        .field_count = sizeof fields / sizeof fields[0],
    };
    return ph_reading_encode(&reading, out);
}
