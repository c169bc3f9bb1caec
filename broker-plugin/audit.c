#include "broker-plugin/audit.h"

#include <stddef.h>

#define SUBJECT_BURST       5
#define SUBJECT_INTERVAL_MS 10000
#define ALL_BURST           50
#define ALL_INTERVAL_MS     100

/* FNV-1a (draft-eastlake-fnv): spreads names over the places; nothing secret depends on it. */
static uint32_t hash(const char *text)
{
    uint32_t value = 2166136261U;
    for (; *text != '\0'; text++) {
        value = (value ^ (uint8_t)*text) * 16777619U;
    }
    return value;
}

bool ph_audit_pass(
    struct ph_audit *audit, const char *subject, int64_t now_monotonic_ms, int64_t *suppressed)
{
    struct ph_log_limit *limit =
        &audit->subjects[hash(subject != NULL ? subject : "") % PH_AUDIT_SUBJECTS];
    int64_t ignored = 0;
    limit->burst = SUBJECT_BURST;
    limit->interval_ms = SUBJECT_INTERVAL_MS;
    audit->all.burst = ALL_BURST;
    audit->all.interval_ms = ALL_INTERVAL_MS;
    if (!ph_log_limit_pass(limit, now_monotonic_ms, suppressed)) {
        return false;
    }
    if (!ph_log_limit_pass(&audit->all, now_monotonic_ms, &ignored)) {
        limit->suppressed = *suppressed + 1; /* for the subject's next line to tell */
        return false;
    }
    return true;
}
