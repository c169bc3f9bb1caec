/* Log lines in logfmt: level, a constant text, and typed key=value fields. Values are escaped and
 * quoted as needed, so a line cannot be forged through one. Thread-safe; one write per line.
 *
 * To stderr by default: with a timestamp and level word on a terminal or in a file, with "<N>"
 * priorities and no timestamp when stderr is the journal (JOURNAL_STREAM). A program may set
 * another sink; the broker plugin does. */
#ifndef PH_BASE_LOG_H
#define PH_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum ph_log_level {
    PH_LOG_ERROR,
    PH_LOG_WARNING,
    PH_LOG_INFO,
    PH_LOG_DEBUG,
};

/* One key=value field; made by the macros below. Pointers are borrowed for the call. */
struct ph_log_field {
    const char *key;
    enum { PH_LOG_FIELD_END, PH_LOG_FIELD_TEXT, PH_LOG_FIELD_INT, PH_LOG_FIELD_REAL } type;
    union {
        const char *text; /* NULL is written as "-" */
        int64_t integer;
        double real;
    } value;
};

#define PH_STR(k, v)                                                                               \
    ((struct ph_log_field){.key = (k), .type = PH_LOG_FIELD_TEXT, .value.text = (v)})
#define PH_INT(k, v)                                                                               \
    ((struct ph_log_field){.key = (k), .type = PH_LOG_FIELD_INT, .value.integer = (int64_t)(v)})
#define PH_REAL(k, v)                                                                              \
    ((struct ph_log_field){.key = (k), .type = PH_LOG_FIELD_REAL, .value.real = (v)})
#define PH_LOG_END ((struct ph_log_field){.type = PH_LOG_FIELD_END})

/* ph_log(PH_LOG_INFO, "device connected", PH_STR("device", name), PH_INT("readings", n)). The text
 * is a constant, so that lines can be grouped by it. At least one field. Nothing is formatted when
 * the level is off. */
#define ph_log(level, text, ...)                                                                   \
    ((level) <= ph_log_level_get() ? ph_log_write((level), (text),                                 \
                                         (const struct ph_log_field[]){__VA_ARGS__, PH_LOG_END})   \
                                   : (void)0)

/* Logs a recorded error: "<text> reason=<message> code=<name>". */
void ph_log_error(enum ph_log_level level, const char *text, const struct ph_error *error);

/* What ph_log() calls when the level is on. `fields` ends with PH_LOG_END. */
void ph_log_write(enum ph_log_level level, const char *text, const struct ph_log_field *fields);

/* The highest level that is written; PH_LOG_INFO at the start. */
void ph_log_level_set(enum ph_log_level level);
enum ph_log_level ph_log_level_get(void);

/* Reads "error", "warning", "info" or "debug". */
bool ph_log_level_parse(const char *name, enum ph_log_level *level) PH_NODISCARD;

/* Sends every line (without timestamp, level and newline) to `sink` instead of stderr; NULL goes
 * back to stderr. Set before threads start. */
typedef void ph_log_sink(enum ph_log_level level, const char *line);
void ph_log_sink_set(ph_log_sink *sink);

/* A limit for what a remote peer can trigger: `burst` lines, refilled at one per `interval_ms`. Not
 * thread-safe: one per place that logs. */
struct ph_log_limit {
    int64_t interval_ms;
    int64_t burst;
    int64_t tokens;
    int64_t last_ms;
    int64_t suppressed;
};

/* True when the line may be written; *suppressed is then how many were held back since the last one
 * that was. */
bool ph_log_limit_pass(
    struct ph_log_limit *limit, int64_t now_monotonic_ms, int64_t *suppressed) PH_NODISCARD;

#endif
