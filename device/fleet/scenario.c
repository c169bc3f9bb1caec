#include "device/fleet/scenario.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/random.h"
#include "config/yaml.h"
#include "device/fleet/scenario_internal.h"

#define TWO_PI 6.283185307179586
#define DAY_MS 86400000

static void default_int(int64_t *value, int64_t fallback)
{
    if (*value == 0) {
        *value = fallback;
    }
}

static enum ph_err default_text(char **text, const char *fallback, struct ph_error *error)
{
    return *text == NULL ? ph_yaml_put(text, fallback, error) : PH_OK;
}

static void default_act(struct ph_act *act)
{
    if (act->kind == PH_ACT_MAD && act->how == 0) {
        act->how = PH_MAD_FLOOD | PH_MAD_GARBAGE | PH_MAD_FOREIGN;
    }
    if (act->kind == PH_ACT_THIEF && act->share == 0.0) {
        default_int(&act->devices, 1);
    }
}

static enum ph_err apply_defaults(struct ph_scenario *scenario, struct ph_error *error)
{
    default_int(&scenario->devices, 100);
    default_int(&scenario->seed, 1);
    default_int(&scenario->interval_ms, 10000);
    default_int(&scenario->connects_per_s, 200);
    if (scenario->houses.speed == 0.0) {
        scenario->houses.speed = 1.0;
    }
    if (scenario->day.swing != 0.0 && scenario->day.hours == 0.0) {
        scenario->day.hours = 24.0 / scenario->houses.speed;
    }
    for (size_t i = 0; i < scenario->act_count; i++) {
        default_act(&scenario->acts[i]);
    }
    enum ph_err err = default_text(&scenario->tenant, "acme", error);
    if (err == PH_OK) {
        err = default_text(&scenario->kind, "thermostat", error);
    }
    if (err == PH_OK) {
        err = default_text(&scenario->prefix, "t-", error);
    }
    return err == PH_OK ? default_text(&scenario->houses.start, "2026-01-15T06:00:00Z", error)
                        : err;
}

struct option {
    const char *name;
    int64_t min;
    int64_t max;
    int64_t *value;
};

static enum ph_err apply_options(
    const struct ph_cli *cli, struct ph_scenario *scenario, struct ph_error *error)
{
    const struct option options[] = {
        {"devices", 1, PH_SCENARIO_DEVICES_MAX, &scenario->devices},
        {"duration", 0, PH_SCENARIO_SECONDS_MAX, &scenario->duration_s},
        {"interval-ms", 1, PH_SCENARIO_INTERVAL_MAX_MS, &scenario->interval_ms},
        {"ramp", 1, PH_SCENARIO_CONNECTS_MAX, &scenario->connects_per_s},
        {"seed", 1, INT64_MAX, &scenario->seed},
    };
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < sizeof options / sizeof options[0]; i++) {
        const struct option *option = &options[i];
        err = ph_cli_int64(
            cli, option->name, option->min, option->max, *option->value, option->value, error);
    }
    return err;
}

static enum ph_err read_start(
    struct ph_scenario *scenario, const char *source, struct ph_error *error)
{
    struct ph_error why = {0};
    enum ph_err err = ph_utc_parse(scenario->houses.start, &scenario->houses.start_ms, &why);
    return err == PH_OK
               ? PH_OK
               : ph_error_set(error, PH_ERR_CONFIG, "%s: houses.start: %s", source, why.message);
}

/* By insertion: acts of the same moment keep their order, and most files are in order already. */
static void sort_acts(struct ph_scenario *scenario)
{
    for (size_t i = 1; i < scenario->act_count; i++) {
        struct ph_act act = scenario->acts[i];
        size_t k = i;
        for (; k > 0 && scenario->acts[k - 1].at_s > act.at_s; k--) {
            scenario->acts[k] = scenario->acts[k - 1];
        }
        scenario->acts[k] = act;
    }
}

enum ph_err ph_scenario_load(
    const struct ph_cli *cli, struct ph_scenario **out, struct ph_error *error)
{
    const char *path = ph_cli_value(cli, "scenario");
    const char *source = path != NULL ? path : "command line";
    struct ph_scenario *scenario = NULL;
    enum ph_err err = ph_scenario_read(path, &scenario, error);
    if (err == PH_OK) {
        err = apply_defaults(scenario, error);
    }
    if (err == PH_OK) {
        err = apply_options(cli, scenario, error);
    }
    if (err == PH_OK) {
        err = read_start(scenario, source, error);
    }
    if (err == PH_OK) {
        err = ph_scenario_check(scenario, source, error);
    }
    if (err != PH_OK) {
        ph_scenario_free(&scenario);
        return err;
    }
    sort_acts(scenario);
    *out = scenario;
    return PH_OK;
}

void ph_scenario_free(struct ph_scenario **scenario)
{
    if (*scenario == NULL) {
        return;
    }
    free((*scenario)->tenant);
    free((*scenario)->kind);
    free((*scenario)->prefix);
    free((*scenario)->houses.start);
    free((*scenario)->acts);
    free(*scenario);
    *scenario = NULL;
}

static uint64_t mix(uint64_t value)
{
    struct ph_rng rng = {.state = value};
    return ph_rng_u64(&rng);
}

/* A Feistel network: a permutation of the numbers of twice `half` bits, another one for every key.
 */
static uint64_t permute(uint64_t value, unsigned half, uint64_t key)
{
    const uint64_t mask = (UINT64_C(1) << half) - 1;
    uint64_t left = value >> half;
    uint64_t right = value & mask;
    for (uint64_t round = 0; round < 6; round++) {
        uint64_t next = left ^ (mix(key + mix(round << 32 | right)) & mask);
        left = right;
        right = next;
    }
    return left << half | right;
}

/* The place of `index` when [0, count) is shuffled. The network's range is less than four times as
 * wide as count (or 4), and walking on along its cycle until it is back inside permutes the rest.
 */
static uint64_t shuffled(uint64_t index, uint64_t count, uint64_t key)
{
    unsigned half = 1;
    while (UINT64_C(1) << (2 * half) < count) {
        half++;
    }
    uint64_t place = permute(index, half, key);
    while (place >= count) {
        place = permute(place, half, key);
    }
    return place;
}

int64_t ph_act_victims(const struct ph_scenario *scenario, const struct ph_act *act)
{
    if (act->devices > 0) {
        return act->devices;
    }
    int64_t count = llround(act->share * (double)scenario->devices);
    return count > 0 ? count : 1;
}

bool ph_act_strikes(const struct ph_scenario *scenario, const struct ph_act *act, size_t index)
{
    uint64_t number = (uint64_t)(act - scenario->acts);
    uint64_t key = mix((uint64_t)scenario->seed) + mix(~number);
    return index < (uint64_t)scenario->devices &&
           shuffled(index, (uint64_t)scenario->devices, key) <
               (uint64_t)ph_act_victims(scenario, act);
}

/* The rate is 1 + swing cos(phase) of the steady one, so from `phase` on, a time of `ms` makes as
 * many readings as this time would at the steady rate. */
static double steady_ms(double ms, double phase, double day_ms, double swing)
{
    double turn = TWO_PI * ms / day_ms;
    return ms + swing * day_ms / TWO_PI * (sin(phase + turn) - sin(phase));
}

/* By halving, since steady_ms() never falls; it strays from its argument by no more than twice the
 * sine's factor. */
static double solve_interval(double interval_ms, double phase, double day_ms, double swing)
{
    double low = interval_ms / (1.0 + swing);
    double high = interval_ms + 2.0 * swing * day_ms / TWO_PI;
    while (high - low > 0.01) {
        double middle = low + (high - low) / 2.0;
        if (steady_ms(middle, phase, day_ms, swing) < interval_ms) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return high;
}

int64_t ph_scenario_interval_ms(const struct ph_scenario *scenario, int64_t run_ms)
{
    if (scenario->day.hours == 0.0 || scenario->day.swing == 0.0) {
        return scenario->interval_ms;
    }
    double day_ms = scenario->day.hours * 3600000.0;
    double begun = (double)(scenario->houses.start_ms % DAY_MS) / DAY_MS;
    double passed = fmod((double)run_ms, day_ms) / day_ms;
    double phase = TWO_PI * (begun + passed - PH_SCENARIO_BUSIEST_H / 24.0);
    double ms = solve_interval((double)scenario->interval_ms, phase, day_ms, scenario->day.swing);
    return llround(ms) > 0 ? llround(ms) : 1;
}
