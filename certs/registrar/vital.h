/* What others can see of a running registrar: its sign of life in the inventory, and its metrics
 * (docs/spec/health.md, docs/spec/metrics.md). Belongs to the registrar's thread. */
#ifndef PH_CERTS_REGISTRAR_VITAL_H
#define PH_CERTS_REGISTRAR_VITAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/beat.h"
#include "base/exposition.h"
#include "certs/ca.h"
#include "certs/registrar/registrar.h"

/* Zero-initialised but for pulse.every_ms and metrics.path. */
struct ph_vital {
    struct ph_pulse pulse;
    struct ph_exposition_file metrics;
    bool failing;         /* the last beat could not be left */
    int64_t committed_ms; /* the last that could; unix, 0: none */
    struct ph_inventory_counts counts;
    int64_t count_ms; /* monotonic: when the inventory is counted again */
};

/* Does what is due: call it at every turn. `connected`: and subscribed. */
void ph_vital_turn(struct ph_vital *vital, struct ph_ca *ca,
    const struct ph_registrar_counts *counts, bool connected, int64_t now_ms, int64_t unix_ms);

/* What there is to be told, and its text. */
struct ph_vital_view {
    const struct ph_vital *vital;
    const struct ph_registrar_counts *counts;
    const struct ph_authority_list *authorities;
    const int64_t *crl_ends_ms; /* of each, 0: it has no CRL; unix */
    int64_t unix_ms;
};
void ph_vital_print(const struct ph_vital_view *view, struct ph_exposition *out);

#endif
