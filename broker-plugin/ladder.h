/* The life of CRLs, told in steps: fresh, ageing (75 % of its life), grace (past nextUpdate),
 * closed. Each step is told once, and what calls for an act again every hour. */
#ifndef PH_BROKER_PLUGIN_LADDER_H
#define PH_BROKER_PLUGIN_LADDER_H

#include <stdint.h>

#include "broker-plugin/state.h"

struct ph_ladder;

/* NULL when out of memory. */
struct ph_ladder *ph_ladder_new(void) PH_NODISCARD;
void ph_ladder_free(struct ph_ladder **ladder);

/* A CRL that has come to another stage, or needs a reminder. */
struct ph_ladder_step {
    const char *anchor;
    const struct ph_crl_life *life;
    enum ph_crl_stage stage;
};

/* Looks at every CRL of the state; calls `tell` for each step. One that is fresh from the start is
 * not told. */
void ph_ladder_look(struct ph_ladder *ladder, const struct ph_state *state, int64_t now_ms,
    void (*tell)(void *context, const struct ph_ladder_step *step), void *context);

#endif
