/* What a fleet is to do: a YAML file (docs/spec/fleet.md, SCN), and options that win over it.
 *
 *     devices: 1000
 *     seed: 7
 *     interval_ms: 10000
 *     duration_s: 600
 *     connects_per_s: 100
 *     day: { swing: 0.6 }                       # diurnal load; absent: steady
 *     houses: { outdoor_c: 6, start: 2026-01-15T06:00:00Z, speed: 60 }
 *     certificates: { days: 30 }                # or minutes, for a wave of renewals
 *     acts:
 *       - { at_s: 60, do: storm, share: 1.0 }
 *       - { at_s: 120, for_s: 60, do: outage, share: 0.5 }
 *       - { at_s: 200, for_s: 30, do: mad, devices: 3, how: [flood, garbage, foreign] }
 *       - { at_s: 240, do: thief }
 *
 * Which devices an act strikes follows from the seed and from the act's place among the acts. */
#ifndef PH_FLEET_SCENARIO_H
#define PH_FLEET_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/cli.h"
#include "base/error.h"

enum ph_act_kind {
    PH_ACT_STORM,  /* all of them lose the broker at one moment and come back at once */
    PH_ACT_OUTAGE, /* off the network for `for_s`; they capture, and catch up afterwards */
    PH_ACT_MAD,    /* firmware gone mad, for `for_s`, in the place of the device */
    PH_ACT_THIEF,  /* whoever stole a device's certificate tries everything with it */
};

/* Bounds of the keys; all are inclusive. */
enum {
    PH_SCENARIO_DEVICES_MAX = 100000, /* ten times what one machine was asked to carry */
    PH_SCENARIO_CONNECTS_MAX = 100000,
    PH_SCENARIO_INTERVAL_MAX_MS = 86400000,
    PH_SCENARIO_DAY_INTERVAL_MIN_MS = 100, /* with a day: whole milliseconds stay close to it */
    PH_SCENARIO_SECONDS_MAX = 31536000,    /* of the run, and of an act: a year */
    PH_SCENARIO_PREFIX_BYTES = 48,         /* leaves room for the number in a segment */
    PH_SCENARIO_CERTIFICATE_DAYS = 36525,  /* what ph-ca issues at most */
    PH_SCENARIO_CERTIFICATE_MINUTES = 525600,
    PH_SCENARIO_ACTS = 1000,
    PH_SCENARIO_MESSAGES_MAX = 1000000, /* per second, of one mad device */
};
#define PH_SCENARIO_SPEED_MIN   0.01
#define PH_SCENARIO_SPEED_MAX   10000.0
#define PH_SCENARIO_HOURS_MIN   0.001 /* so that the default, 24 / speed, is always within */
#define PH_SCENARIO_HOURS_MAX   2400.0
#define PH_SCENARIO_OUTDOOR_MIN (-30.0) /* degrees Celsius */
#define PH_SCENARIO_OUTDOOR_MAX 40.0
#define PH_SCENARIO_BUSIEST_H   19.0 /* hour of the rooms' clock with most readings, with a day */

/* Bits of `how`. */
enum {
    PH_MAD_FLOOD = 1,   /* readings as fast as the connection takes them */
    PH_MAD_GARBAGE = 2, /* bytes that are no message, also large ones */
    PH_MAD_FOREIGN = 4, /* topics of other devices, of ingest, of the registrar */
};

struct ph_act {
    enum ph_act_kind kind;
    unsigned how;           /* mad: PH_MAD_FLOOD and so on; 0 for all else */
    int64_t at_s;           /* after the start of the run */
    int64_t for_s;          /* 0 where it has no length */
    double share;           /* of the devices; 0: by number, */
    int64_t devices;        /* so many; 0: by share. One of the two is 0. */
    int64_t messages_per_s; /* mad: of each device; 0: as fast as they go */
};

struct ph_scenario {
    int64_t devices;
    int64_t seed;
    int64_t interval_ms;
    int64_t duration_s; /* 0: until it is stopped */
    int64_t connects_per_s;
    char *tenant;
    char *kind;
    char *prefix; /* names are PREFIX and a number: "t-0001" */
    struct {
        double hours; /* of the run that a day lasts; 0: the load is steady */
        double swing; /* 0 to 1: the rate goes from 1 - swing to 1 + swing; 0 without a day */
    } day;
    struct {
        double outdoor_c; /* mean of all houses */
        char *start;      /* RFC 3339: what the clocks in the rooms show at the beginning */
        int64_t start_ms; /* the same, unix */
        double speed;     /* seconds in the house per second of the run */
    } houses;
    struct {
        int64_t days;    /* of certificates that the fleet has issued; 0: minutes count */
        int64_t minutes; /* 0: the CA's default */
    } certificates;
    struct ph_act *acts; /* ordered by at_s */
    size_t act_count;
};

/* The options of `ph-fleet run` that ph_scenario_load() understands. */
#define PH_SCENARIO_OPTIONS                                                                        \
    {"scenario", "FILE", "what the fleet is to do (YAML; default: steady)"},                       \
        {"devices", "N", "simulated thermostats (default 100)"},                                   \
        {"duration", "SECONDS", "end after so long (default: until a signal)"},                    \
        {"interval-ms", "N", "milliseconds between readings of a device (default 10000)"},         \
        {"ramp", "N", "connections begun per second (default 200)"},                               \
    {                                                                                              \
        "seed", "N", "of houses and of what strikes whom (default 1)"                              \
    }

/* Reads --scenario, applies the options and the defaults, checks every value and puts the acts in
 * order. PH_ERR_CONFIG names file and key, PH_ERR_USAGE the option. The caller owns *out. */
enum ph_err ph_scenario_load(
    const struct ph_cli *cli, struct ph_scenario **out, struct ph_error *error) PH_NODISCARD;

/* Prints it as YAML that loads to the same scenario. */
enum ph_err ph_scenario_print(
    FILE *out, const struct ph_scenario *scenario, struct ph_error *error) PH_NODISCARD;
void ph_scenario_free(struct ph_scenario **scenario);

/* How many devices the act strikes: `devices` of them, or the share, rounded, but at least one. */
int64_t ph_act_victims(const struct ph_scenario *scenario, const struct ph_act *act);

/* Whether the act, one of scenario->acts, strikes device `index` (from 0): exactly so many as
 * ph_act_victims() says, the same for the same seed on every machine. Takes no memory. */
bool ph_act_strikes(const struct ph_scenario *scenario, const struct ph_act *act, size_t index);

/* Milliseconds, at least 1, from a reading at `run_ms` (since the start, at least 0) to the
 * device's next one. With a day, they are chosen so that over a whole day a device makes as many
 * readings as it would at the steady interval. */
int64_t ph_scenario_interval_ms(const struct ph_scenario *scenario, int64_t run_ms);

/* As in the file. */
const char *ph_act_name(enum ph_act_kind kind); /* "storm" */

#endif
