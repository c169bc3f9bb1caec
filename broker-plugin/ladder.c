#include "broker-plugin/ladder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

#define REMINDER_MS INT64_C(3600000)

struct rung {
    enum ph_crl_stage stage;
    int64_t told_ms;
};

struct ph_ladder {
    struct ph_map *rungs; /* by anchor, CA's name, and which of the CAs of that name */
};

struct ph_ladder *ph_ladder_new(void)
{
    struct ph_ladder *ladder = calloc(1, sizeof *ladder);
    if (ladder != NULL && (ladder->rungs = ph_map_new()) == NULL) {
        free(ladder);
        ladder = NULL;
    }
    return ladder;
}

void ph_ladder_free(struct ph_ladder **ladder)
{
    if (ladder == NULL || *ladder == NULL) {
        return;
    }
    ph_map_free_values(&(*ladder)->rungs, free);
    free(*ladder);
    *ladder = NULL;
}

/* How many CRLs before this one bear the same name: while a CA changes its key there are two. */
static size_t count_namesakes(const struct ph_trust *trust, size_t index, const char *issuer)
{
    size_t count = 0;
    for (size_t i = 0; i < index; i++) {
        const struct ph_crl_life life = ph_trust_crl_life(trust, i);
        count += strcmp(life.issuer, issuer) == 0 ? 1 : 0;
    }
    return count;
}

/* The rung of that key, a new one as fresh; NULL when out of memory. */
static struct rung *find_rung(struct ph_ladder *ladder, const char *key)
{
    struct rung *rung = ph_map_get(ladder->rungs, key, strlen(key));
    if (rung == NULL && (rung = calloc(1, sizeof *rung)) != NULL &&
        ph_map_put(ladder->rungs, key, strlen(key), rung) != PH_OK) {
        free(rung);
        rung = NULL;
    }
    return rung;
}

static bool is_due(const struct rung *rung, enum ph_crl_stage stage, int64_t now_ms)
{
    int64_t silent_ms = now_ms - rung->told_ms;
    return rung->stage != stage ||
           (stage >= PH_CRL_GRACE && (silent_ms >= REMINDER_MS || silent_ms < 0));
}

void ph_ladder_look(struct ph_ladder *ladder, const struct ph_state *state, int64_t now_ms,
    void (*tell)(void *context, const struct ph_ladder_step *step), void *context)
{
    for (size_t i = 0; i < state->policy->anchor_count; i++) {
        const struct ph_trust *trust = state->trusts[i];
        for (size_t k = 0; k < ph_trust_crl_count(trust); k++) {
            const struct ph_crl_life life = ph_trust_crl_life(trust, k);
            const struct ph_ladder_step step = {.anchor = state->policy->anchors[i].name,
                .life = &life,
                .stage = ph_crl_stage(&life, now_ms)};
            char key[PH_SEGMENT_BYTES + 512];
            (void)snprintf(key, sizeof key, "%s:%zu:%s", step.anchor,
                count_namesakes(trust, k, life.issuer), life.issuer);
            struct rung *rung = find_rung(ladder, key);
            if (rung != NULL && is_due(rung, step.stage, now_ms)) {
                rung->stage = step.stage;
                rung->told_ms = now_ms;
                tell(context, &step);
            }
        }
    }
}
