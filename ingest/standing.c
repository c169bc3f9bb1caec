#include "ingest/standing.h"

#include <inttypes.h>

/* The store first: while it is away nothing is acknowledged, whoever is connected. */
void ph_standing_say(const struct ph_standing *standing, struct ph_notify *notify)
{
    const struct ph_pipeline_counts *counts = &standing->counts;
    const char *why = standing->trouble;
    if (!standing->store_up) {
        ph_notify_status(notify, "Waits for the store, with %zu messages unacknowledged; %s",
            standing->waiting, standing->connected ? "connected" : "not connected");
    } else if (!standing->connected) {
        ph_notify_status(notify, "Waits for the broker %s:%d%s%s", standing->host, standing->port,
            why[0] != '\0' ? ": " : "", why);
    } else if (!standing->subscribed) {
        ph_notify_status(notify, "Connected, waits for its subscription");
    } else {
        ph_notify_status(notify,
            "Stores; since the start %" PRId64 " readings stored, %" PRId64 " duplicates, %" PRId64
            " dead letters",
            counts->stored, counts->duplicates, counts->dead_letters);
    }
}
