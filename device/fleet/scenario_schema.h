/* A scenario as its file has it. Separate from scenario.h, so that libcyaml's types stay out of
 * every file but scenario_file.c, which holds the schema table. */
#ifndef PH_FLEET_SCENARIO_SCHEMA_H
#define PH_FLEET_SCENARIO_SCHEMA_H

#include <cyaml/cyaml.h>

#include "device/fleet/scenario.h"

enum { PH_MAD_WAYS = 3 };

struct ph_act_draft {
    struct ph_act act; /* but for `how` */
    int *how;          /* a list of PH_MAD_FLOOD and so on; NULL: not said */
    unsigned how_count;
};

struct ph_scenario_draft {
    struct ph_scenario scenario; /* but for what follows */
    struct {
        double *outdoor_c; /* NULL: not said; 0 is a temperature */
        char *start;
        double speed;
    } houses;
    struct ph_act_draft *acts;
    unsigned act_count;
};

#endif
