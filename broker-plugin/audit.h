/* Refusals in the log, limited per subject and in all: a client that is refused again and again
 * fills neither the disk nor hides what the others do. */
#ifndef PH_BROKER_PLUGIN_AUDIT_H
#define PH_BROKER_PLUGIN_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"

#define PH_AUDIT_SUBJECTS 256 /* subjects share a limit when their hashes meet */

/* Zero-initialised. */
struct ph_audit {
    struct ph_log_limit all;
    struct ph_log_limit subjects[PH_AUDIT_SUBJECTS];
};

/* True when a line about `subject` (a user name, or whatever is known of a stranger; NULL is one
 * subject) may be written; *suppressed is how many of its lines were held back since the last. Five
 * at once and one in ten seconds per subject; fifty at once and ten a second in all. */
bool ph_audit_pass(struct ph_audit *audit, const char *subject, int64_t now_monotonic_ms,
    int64_t *suppressed) PH_NODISCARD;

#endif
