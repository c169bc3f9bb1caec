/* What ph-ingest tells Prometheus (docs/spec/metrics.md). */
#ifndef PH_INGEST_METRICS_H
#define PH_INGEST_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/exposition.h"
#include "ingest/pipeline.h"

struct ph_ingest_metrics {
    struct ph_pipeline_counts counts;
    bool connected; /* and subscribed */
    bool store_up;
    int64_t shed;   /* messages for which the queue before the pipeline had no room */
    size_t waiting; /* ph_pipeline_waiting() */
    int64_t lag_ms; /* ph_pipeline_lag_ms() */
};

/* Appends the whole text. */
void ph_ingest_metrics_print(const struct ph_ingest_metrics *metrics, struct ph_exposition *out);

/* Writes it. */
void ph_ingest_metrics_write(
    struct ph_exposition_file *file, const struct ph_ingest_metrics *metrics, int64_t now_ms);

#endif
