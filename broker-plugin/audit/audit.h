/* The audit file: one JSON object a line, chained by hashes, so that a line that was removed or
 * edited is found (docs/spec/audit.md). `ph-policy audit verify` reads it back.
 *
 *     {"seq":7,"time":"2026-11-22T19:02:16.123Z","event":"deny", ... ,"prev":"...","hash":"..."}
 *
 * "hash" is SHA-256, in hexadecimal, of the line's bytes before `,"hash":`; "prev" is the hash of
 * the line before, of the file before for a file's first line. Appended with one write(2) a line;
 * the file is opened again when it was renamed or removed, and by ph_audit_reopen(). One thread. */
#ifndef PH_BROKER_PLUGIN_AUDIT_H
#define PH_BROKER_PLUGIN_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"

struct ph_audit;

#define PH_AUDIT_HASH_BYTES 65 /* SHA-256 in hexadecimal, terminated */

/* Opens (creates with mode 0640) the file and continues its chain; a last line that a crash cut off
 * is closed with a newline and told in the first new record, "torn". PH_ERR_CONFIG when what is
 * there is not an audit file or was edited at its end, PH_ERR_BUSY when another process writes to
 * it. `path` NULL: records are taken and dropped. */
enum ph_err ph_audit_open(
    const char *path, int64_t now_ms, struct ph_audit **out, struct ph_error *error) PH_NODISCARD;
void ph_audit_close(struct ph_audit **audit);

/* Appends a record: `event` is a constant word; `fields` end with PH_LOG_END, texts are escaped (a
 * NULL text is left out). A record that cannot be written (disk full) is counted, and the next one
 * that can is preceded by a record "lost" with the number; nothing half-written stays. */
void ph_audit_write(
    struct ph_audit *audit, int64_t now_ms, const char *event, const struct ph_log_field *fields);

/* ph_audit(audit, now_ms, "connect", PH_STR("identity", name), PH_INT("pid", n)) */
#define ph_audit(audit, now_ms, event, ...)                                                        \
    ph_audit_write(                                                                                \
        (audit), (now_ms), (event), (const struct ph_log_field[]){__VA_ARGS__, PH_LOG_END})

/* Once a second from the tick, and at a reload: opens the file again when it is no longer the one
 * at its path. A failure, and that somebody cut the file in place, is kept to be told
 * by ph_audit_problem(). */
void ph_audit_reopen(struct ph_audit *audit);

/* True, with the error moved to *error, when writing or opening has begun to fail since the last
 * call; at most one a minute. */
bool ph_audit_problem(struct ph_audit *audit, int64_t now_monotonic_ms, struct ph_error *error);

/* The chain's end, to be kept elsewhere (the broker's log): what a file that was cut off at its end
 * lacks. */
struct ph_audit_head {
    uint64_t seq;
    char hash[PH_AUDIT_HASH_BYTES];
};
struct ph_audit_head ph_audit_head(const struct ph_audit *audit);

/* Records that were lost since the start. */
uint64_t ph_audit_lost(const struct ph_audit *audit);

/* Limits for what a remote peer can trigger, per subject and in all: a client that is refused again
 * and again fills neither the disk nor hides what the others do. Zero-initialised. */
#define PH_AUDIT_SUBJECTS 1024 /* subjects share a limit when their hashes meet */

struct ph_audit_limit {
    struct ph_log_limit all[2]; /* strangers, and those whose certificate was verified */
    struct ph_log_limit subjects[PH_AUDIT_SUBJECTS];
};

/* True when a record about `subject` may be written; *suppressed is how many of its records were
 * held back since the last. Five at once and one in ten seconds per subject; fifty at once and ten
 * a second in all, for strangers and for the `known` each. `subject` is a user name, or the address
 * of a stranger; NULL is one subject. */
bool ph_audit_pass(struct ph_audit_limit *limit, const char *subject, bool known,
    int64_t now_monotonic_ms, int64_t *suppressed) PH_NODISCARD;

#endif
