/* Loads scenarios through the command line, as the program does, for tests. */
#ifndef PH_FLEET_SCENARIO_TESTBED_H
#define PH_FLEET_SCENARIO_TESTBED_H

#include <stdbool.h>

#include "base/error.h"
#include "device/fleet/scenario.h"

struct ph_scenario_bed {
    char dir[64];
    char file[96];                /* a path in it, for a test to write to */
    struct ph_scenario *scenario; /* what was loaded last; NULL after an error */
    struct ph_error error;        /* that error */
};

int ph_scenario_bed_make(void **state);
int ph_scenario_bed_remove(void **state); /* *state is a bed afterwards */

/* Loads with the options, which a NULL ends; true when it went well. */
bool ph_scenario_bed_load(struct ph_scenario_bed *bed, const char *first, ...);

/* Loads the text as a file, without options. */
bool ph_scenario_bed_parse(struct ph_scenario_bed *bed, const char *text);

#endif
