/* How things stand with a running ingest, as one line for a person. */
#ifndef PH_INGEST_STANDING_H
#define PH_INGEST_STANDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/notify.h"
#include "ingest/pipeline.h"

struct ph_standing {
    const char *host;
    uint16_t port;
    const char *trouble; /* why there is no connection, "" when that is not known yet */
    bool connected;
    bool subscribed;
    bool store_up;
    size_t waiting; /* messages received and not committed */
    struct ph_pipeline_counts counts;
};

/* Hands the line to the service manager: what it waits for, or what it has stored. */
void ph_standing_say(const struct ph_standing *standing, struct ph_notify *notify);

#endif
