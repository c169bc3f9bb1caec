/* Signs of life: a program commits one to its database every so often, and whoever reads it later
 * knows that it could commit then, and whether it was connected (docs/spec/health.md). Times are
 * unix milliseconds unless said otherwise. */
#ifndef PH_BASE_BEAT_H
#define PH_BASE_BEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct ph_beat {
    int64_t at_ms;
    int64_t every_ms; /* when the next one is to come */
    bool connected;   /* to the broker, and subscribed */
    int64_t since_ms; /* since when, or since when not */
    char version[32]; /* of the program */
};

/* ---- who leaves them: when the next one is due, and what it says. Zero-initialised, never. */
struct ph_pulse {
    int64_t every_ms; /* 0: never */
    int64_t due_ms;   /* monotonic */
    int64_t unix_ms;  /* now, as was last told */
    int64_t since_ms;
    bool connected;
};

/* What is so now; a beat is due at once when the connection comes or goes. */
void ph_pulse_tell(struct ph_pulse *pulse, int64_t unix_ms, bool connected);

/* By the monotonic clock; INT64_MAX: never. */
int64_t ph_pulse_due_ms(const struct ph_pulse *pulse);

/* The beat to be left, by this version of the program. */
struct ph_beat ph_pulse_beat(const struct ph_pulse *pulse);

/* It has been committed; `now_ms` is monotonic. */
void ph_pulse_left(struct ph_pulse *pulse, int64_t now_ms);

/* ---- who reads them */

#define PH_HEALTH_LINE_BYTES 256

/* True when so many intervals have passed without one that its program must be in trouble. */
bool ph_beat_is_late(const struct ph_beat *beat, int64_t now_ms);

/* Judges the last beat of `program` ("ph-ingest run"), which connects as `client_id`. PH_OK: `line`
 * says how it is. PH_ERR_FAULT: it is late, from a clock that was set back since, or says that the
 * program is not connected. */
enum ph_err ph_beat_judge(const struct ph_beat *beat, const char *program, const char *client_id,
    int64_t now_ms, char line[PH_HEALTH_LINE_BYTES], struct ph_error *error) PH_NODISCARD;

#endif
