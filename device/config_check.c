#include "base/limits.h"
#include "config/range.h"
#include "device/config_internal.h"
#include "device/thermostat.h"
#include "device/window.h"

static enum ph_err check_ranges(
    const struct ph_device_config *config, const char *source, struct ph_error *error)
{
    const struct ph_renewal_section *renewal = &config->renewal;
    const struct ph_config_range ranges[] = {
        {"spool.max_bytes", config->spool.max_bytes, 65536, INT64_C(1) << 40},
        {"publish.interval_ms", config->publish.interval_ms, 1, 86400000},
        {"publish.readings_per_message", config->publish.readings_per_message, 1,
            PH_LIMIT_MESSAGE_READINGS},
        {"publish.message_bytes", config->publish.message_bytes, 512, PH_LIMIT_MESSAGE_BYTES},
        {"publish.window", config->publish.window, 1, PH_WINDOW_MAX / 2},
        {"publish.ack_timeout_ms", config->publish.ack_timeout_ms, 100, 3600000},
        {"publish.drain_ms", config->publish.drain_ms, 1, 3600000},
        {"reconnect.min_ms", config->reconnect.min_ms, 10, 3600000},
        {"reconnect.max_ms", config->reconnect.max_ms, config->reconnect.min_ms, 86400000},
        {"reconnect.refused_ms", config->reconnect.refused_ms, 1, 86400000},
        {"room.seed", config->room.seed, 0, INT64_MAX},
        {"renewal.retry_min_ms", renewal->retry_min_ms, 10, 3600000},
        {"renewal.retry_max_ms", renewal->retry_max_ms, renewal->retry_min_ms, 86400000},
        {"renewal.answer_ms", renewal->answer_ms, 100, 3600000},
        {"renewal.state_interval_ms", renewal->state_interval_ms, 1000, INT64_C(31536000000)},
        {"renewal.trials", renewal->trials, 1, 1000},
    };
    return ph_config_check_ranges(ranges, sizeof ranges / sizeof ranges[0], source, "", error);
}

static enum ph_err check_room(
    const struct ph_device_config *config, const char *source, struct ph_error *error)
{
    if (!(config->room.setpoint_c >= PH_SETPOINT_MIN_C &&
            config->room.setpoint_c <= PH_SETPOINT_MAX_C)) {
        return ph_error_set(error, PH_ERR_CONFIG, "%s: room.setpoint_c: want %g to %g, have %g",
            source, PH_SETPOINT_MIN_C, PH_SETPOINT_MAX_C, config->room.setpoint_c);
    }
    if (!(config->room.speed > 0.0 && config->room.speed <= 10000.0)) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "%s: room.speed: want above 0 and at most 10000, have %g", source, config->room.speed);
    }
    return PH_OK;
}

enum ph_err ph_device_config_check(
    const struct ph_device_config *config, const char *source, struct ph_error *error)
{
    enum ph_err err = check_ranges(config, source, error);
    if (err == PH_OK) {
        err = check_room(config, source, error);
    }
    if (err == PH_OK) {
        err = ph_renewal_section_check(&config->renewal, source, error);
    }
    if (err == PH_OK && config->claim != NULL) {
        err = ph_claim_section_check(config->claim, source, error);
    }
    if (err == PH_OK && (err = ph_topic_templates_check(&config->topics, error)) != PH_OK) {
        (void)ph_error_prefix(error, err, "%s", source);
    }
    return err;
}
