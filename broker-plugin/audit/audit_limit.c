#include <string.h>

#include "base/hash.h"
#include "broker-plugin/audit/audit.h"

#define SUBJECT_BURST       5
#define SUBJECT_INTERVAL_MS 10000
#define ALL_BURST           50
#define ALL_INTERVAL_MS     100

bool ph_audit_pass(struct ph_audit_limit *limit, const char *subject, bool known,
    int64_t now_monotonic_ms, int64_t *suppressed)
{
    const char *name = subject != NULL ? subject : "";
    struct ph_log_limit *one = &limit->subjects[ph_hash(name, strlen(name)) % PH_AUDIT_SUBJECTS];
    struct ph_log_limit *all = &limit->all[known ? 1 : 0];
    int64_t ignored = 0;
    one->burst = SUBJECT_BURST;
    one->interval_ms = SUBJECT_INTERVAL_MS;
    all->burst = ALL_BURST;
    all->interval_ms = ALL_INTERVAL_MS;
    if (!ph_log_limit_pass(one, now_monotonic_ms, suppressed)) {
        return false;
    }
    if (!ph_log_limit_pass(all, now_monotonic_ms, &ignored)) {
        one->suppressed = *suppressed + 1; /* for the subject's next record to tell */
        return false;
    }
    return true;
}
