#include "device/fleet/scenario_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/range.h"
#include "format/segment.h"

/* Bounds of houses.start: the years 2000 to 2099. */
#define START_MIN_MS INT64_C(946684800000)
#define START_MAX_MS INT64_C(4102444799999)

static enum ph_err check_ranges(
    const struct ph_scenario *scenario, const char *source, struct ph_error *error)
{
    const struct ph_config_range ranges[] = {
        {"devices", scenario->devices, 1, PH_SCENARIO_DEVICES_MAX},
        {"seed", scenario->seed, 1, INT64_MAX},
        {"interval_ms", scenario->interval_ms, 1, PH_SCENARIO_INTERVAL_MAX_MS},
        {"duration_s", scenario->duration_s, 0, PH_SCENARIO_SECONDS_MAX},
        {"connects_per_s", scenario->connects_per_s, 1, PH_SCENARIO_CONNECTS_MAX},
        {"certificates.days", scenario->certificates.days, 0, PH_SCENARIO_CERTIFICATE_DAYS},
        {"certificates.minutes", scenario->certificates.minutes, 0,
            PH_SCENARIO_CERTIFICATE_MINUTES},
    };
    return ph_config_check_ranges(ranges, sizeof ranges / sizeof ranges[0], source, "", error);
}

struct span {
    const char *key;
    double value;
    double min;
    double max;
};

static enum ph_err check_spans(
    const struct ph_scenario *scenario, const char *source, struct ph_error *error)
{
    const struct span spans[] = {
        {"houses.outdoor_c", scenario->houses.outdoor_c, PH_SCENARIO_OUTDOOR_MIN,
            PH_SCENARIO_OUTDOOR_MAX},
        {"houses.speed", scenario->houses.speed, PH_SCENARIO_SPEED_MIN, PH_SCENARIO_SPEED_MAX},
        {"day.swing", scenario->day.swing, 0.0, 1.0},
        {"day.hours", scenario->day.hours, scenario->day.hours != 0.0 ? PH_SCENARIO_HOURS_MIN : 0.0,
            PH_SCENARIO_HOURS_MAX},
    };
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        const struct span *span = &spans[i];
        if (!(span->value >= span->min && span->value <= span->max)) {
            return ph_error_set(error, PH_ERR_CONFIG, "%s: %s: want %g to %g, have %g", source,
                span->key, span->min, span->max, span->value);
        }
    }
    return PH_OK;
}

static enum ph_err check_day(
    const struct ph_scenario *scenario, const char *source, struct ph_error *error)
{
    if (scenario->day.hours == 0.0) {
        return PH_OK;
    }
    if (scenario->day.swing == 0.0) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "%s: day.swing: want above 0 and at most 1 beside hours, have 0", source);
    }
    if (scenario->interval_ms < PH_SCENARIO_DAY_INTERVAL_MIN_MS) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "%s: interval_ms: want at least %d with a day, have %" PRId64, source,
            PH_SCENARIO_DAY_INTERVAL_MIN_MS, scenario->interval_ms);
    }
    return PH_OK;
}

static enum ph_err check_segment(
    const char *source, const char *key, const char *text, struct ph_error *error)
{
    if (ph_segment_valid(text, strlen(text))) {
        return PH_OK;
    }
    return ph_error_set(error, PH_ERR_CONFIG,
        "%s: %s: want letters, digits, '.', '_' and '-' behind a letter or digit, have \"%s\"",
        source, key, text);
}

static enum ph_err check_names(
    const struct ph_scenario *scenario, const char *source, struct ph_error *error)
{
    enum ph_err err = check_segment(source, "tenant", scenario->tenant, error);
    if (err == PH_OK) {
        err = check_segment(source, "kind", scenario->kind, error);
    }
    if (err == PH_OK) {
        err = check_segment(source, "prefix", scenario->prefix, error);
    }
    size_t len = strlen(scenario->prefix);
    if (err == PH_OK && len > PH_SCENARIO_PREFIX_BYTES) {
        err = ph_error_set(error, PH_ERR_CONFIG,
            "%s: prefix: want at most %d bytes, so that the number fits behind it, have %zu",
            source, PH_SCENARIO_PREFIX_BYTES, len);
    }
    return err;
}

static enum ph_err check_start(
    const struct ph_scenario *scenario, const char *source, struct ph_error *error)
{
    int64_t start_ms = scenario->houses.start_ms;
    if (start_ms < START_MIN_MS || start_ms > START_MAX_MS) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "%s: houses.start: want a time in the years 2000 to 2099, have %s", source,
            scenario->houses.start);
    }
    return PH_OK;
}

static enum ph_err check_certificates(
    const struct ph_scenario *scenario, const char *source, struct ph_error *error)
{
    if (scenario->certificates.days != 0 && scenario->certificates.minutes != 0) {
        return ph_error_set(
            error, PH_ERR_CONFIG, "%s: certificates: want days or minutes, have both", source);
    }
    return PH_OK;
}

/* An act's place in the file, for messages. */
struct place {
    const char *source;
    size_t index;
    struct ph_error *error;
};

static enum ph_err bad_act(const struct place *at, const char *format, ...) PH_PRINTF(2, 3);

static enum ph_err bad_act(const struct place *at, const char *format, ...)
{
    char sentence[300];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    return ph_error_set(
        at->error, PH_ERR_CONFIG, "%s: acts[%zu]%s", at->source, at->index, sentence);
}

static bool has_length(const struct ph_act *act)
{
    return act->kind == PH_ACT_OUTAGE || act->kind == PH_ACT_MAD;
}

static enum ph_err check_act_ranges(
    const struct ph_scenario *scenario, const struct ph_act *act, const struct place *at)
{
    const struct ph_config_range ranges[] = {
        {"at_s", act->at_s, 0, PH_SCENARIO_SECONDS_MAX},
        {"for_s", act->for_s, has_length(act) ? 1 : 0, PH_SCENARIO_SECONDS_MAX},
        {"devices", act->devices, 0, scenario->devices},
        {"messages_per_s", act->messages_per_s, 0, PH_SCENARIO_MESSAGES_MAX},
    };
    char section[40];
    (void)snprintf(section, sizeof section, "acts[%zu].", at->index);
    enum ph_err err = ph_config_check_ranges(
        ranges, sizeof ranges / sizeof ranges[0], at->source, section, at->error);
    if (err != PH_OK) {
        return err;
    }
    if (!(act->share >= 0.0 && act->share <= 1.0)) {
        return bad_act(at, ".share: want above 0 and at most 1, have %g", act->share);
    }
    return PH_OK;
}

/* What only some kinds of act have. */
static enum ph_err check_act_kind(const struct ph_act *act, const struct place *at)
{
    const char *name = ph_act_name(act->kind);
    if (act->for_s != 0 && !has_length(act)) {
        return bad_act(at, ".for_s: a %s has no length; delete it", name);
    }
    if (act->kind == PH_ACT_MAD) {
        return PH_OK;
    }
    if (act->how != 0) {
        return bad_act(at, ".how: only mad devices have it, and this is \"%s\"; delete it", name);
    }
    if (act->messages_per_s != 0) {
        return bad_act(
            at, ".messages_per_s: only mad devices have it, and this is \"%s\"; delete it", name);
    }
    return PH_OK;
}

static enum ph_err check_act_victims(const struct ph_act *act, const struct place *at)
{
    if (act->kind == PH_ACT_THIEF && act->share != 0.0) {
        return bad_act(at, ".share: a thief takes devices by number; say devices instead");
    }
    if (act->share != 0.0 && act->devices != 0) {
        return bad_act(at, ": want share or devices, have both");
    }
    if (act->share == 0.0 && act->devices == 0) {
        return bad_act(at, ": want share or devices, have neither");
    }
    return PH_OK;
}

/* The run has to outlast its acts: what is cut off would be no outage, and nothing caught up. */
static enum ph_err check_act_time(
    const struct ph_scenario *scenario, const struct ph_act *act, const struct place *at)
{
    int64_t end_s = act->at_s + act->for_s;
    if (scenario->duration_s == 0 || end_s < scenario->duration_s) {
        return PH_OK;
    }
    return bad_act(at,
        ": the %s %s at %" PRId64 " s, the run ends at %" PRId64 " s; lengthen the run",
        ph_act_name(act->kind), act->for_s != 0 ? "ends" : "comes", end_s, scenario->duration_s);
}

static enum ph_err check_acts(
    const struct ph_scenario *scenario, const char *source, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < scenario->act_count; i++) {
        const struct ph_act *act = &scenario->acts[i];
        const struct place at = {source, i, error};
        err = check_act_kind(act, &at);
        if (err == PH_OK) {
            err = check_act_ranges(scenario, act, &at);
        }
        if (err == PH_OK) {
            err = check_act_victims(act, &at);
        }
        if (err == PH_OK) {
            err = check_act_time(scenario, act, &at);
        }
    }
    return err;
}

enum ph_err ph_scenario_check(
    const struct ph_scenario *scenario, const char *source, struct ph_error *error)
{
    static enum ph_err (*const checks[])(
        const struct ph_scenario *, const char *, struct ph_error *) = {
        check_ranges,
        check_spans,
        check_day,
        check_names,
        check_start,
        check_certificates,
        check_acts,
    };
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < sizeof checks / sizeof checks[0]; i++) {
        err = checks[i](scenario, source, error);
    }
    return err;
}
