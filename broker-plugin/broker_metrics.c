#include <stdlib.h>

#include "base/buf.h"
#include "broker-plugin/broker_inside.h"

#define METRICS_BYTES 1048576
#define DAY_MS        INT64_C(86400000)

static size_t role_index(const struct ph_policy *policy, const struct ph_session *session)
{
    return (size_t)(session->role - policy->roles);
}

static void count_sessions(
    const struct ph_broker *broker, struct ph_metrics_view *view, size_t *by_role)
{
    for (size_t i = 0; i < ph_sessions_count(broker->sessions); i++) {
        const struct ph_session *session = ph_sessions_at(broker->sessions, i);
        if (session->client == NULL || session->role == NULL ||
            session->generation != broker->metrics.generation) {
            continue;
        }
        int64_t left_ms = session->voucher.not_after_ms - broker->now_ms;
        by_role[role_index(broker->state->policy, session)]++;
        view->quarantined += session->quarantined ? 1 : 0;
        view->expiring_1d += left_ms < DAY_MS ? 1 : 0;
        view->expiring_7d += left_ms < 7 * DAY_MS ? 1 : 0;
        view->expiring_30d += left_ms < 30 * DAY_MS ? 1 : 0;
    }
}

void ph_broker_store_metrics(struct ph_broker *broker)
{
    struct ph_buf text;
    size_t *by_role = calloc(broker->state->policy->role_count, sizeof *by_role);
    ph_buf_init(&text, METRICS_BYTES);
    if (by_role != NULL) {
        struct ph_metrics_view view = {.state = broker->state,
            .connected_by_role = by_role,
            .audit_lost = ph_audit_lost(broker->audit),
            .now_ms = broker->now_ms};
        count_sessions(broker, &view, by_role);
        if (ph_metrics_print(&broker->metrics, &view, &text) == PH_OK) {
            ph_loader_store(broker->loader, broker->metrics_file, &text);
        }
    }
    ph_buf_fini(&text);
    free(by_role);
}
