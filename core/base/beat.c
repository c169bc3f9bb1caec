#include "base/beat.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/version.h"

enum { BEATS_MISSED = 3 };

void ph_pulse_tell(struct ph_pulse *pulse, int64_t unix_ms, bool connected)
{
    if (connected != pulse->connected || pulse->since_ms == 0) {
        pulse->since_ms = unix_ms;
        pulse->due_ms = INT64_MIN;
    }
    pulse->connected = connected;
    pulse->unix_ms = unix_ms;
}

int64_t ph_pulse_due_ms(const struct ph_pulse *pulse)
{
    return pulse->every_ms > 0 ? pulse->due_ms : INT64_MAX;
}

struct ph_beat ph_pulse_beat(const struct ph_pulse *pulse)
{
    return (struct ph_beat){
        .at_ms = pulse->unix_ms,
        .every_ms = pulse->every_ms,
        .connected = pulse->connected,
        .since_ms = pulse->since_ms,
        .version = PH_VERSION,
    };
}

void ph_pulse_left(struct ph_pulse *pulse, int64_t now_ms)
{
    pulse->due_ms = now_ms + pulse->every_ms;
}

static int64_t seconds(int64_t ms)
{
    return ms > 0 ? ms / 1000 : 0;
}

bool ph_beat_is_late(const struct ph_beat *beat, int64_t now_ms)
{
    return now_ms - beat->at_ms >= BEATS_MISSED * beat->every_ms;
}

enum ph_err ph_beat_judge(const struct ph_beat *beat, const char *program, const char *client_id,
    int64_t now_ms, char line[PH_HEALTH_LINE_BYTES], struct ph_error *error)
{
    if (beat->at_ms - now_ms > beat->every_ms) {
        return ph_error_set(error, PH_ERR_FAULT,
            "the last beat is %" PRId64 " s in the future: the clock was set back since; look at "
            "the clock, and whether %s still runs",
            seconds(beat->at_ms - now_ms), program);
    }
    if (ph_beat_is_late(beat, now_ms)) {
        return ph_error_set(error, PH_ERR_FAULT,
            "nothing committed for %" PRId64 " s (want less than %" PRId64
            "): %s is stopped, hangs, or cannot write its database; see its log",
            seconds(now_ms - beat->at_ms), seconds(BEATS_MISSED * beat->every_ms), program);
    }
    if (!beat->connected) {
        return ph_error_set(error, PH_ERR_FAULT,
            "not connected to the broker for %" PRId64
            " s; is the broker there, and does its policy let %s in? the log of %s says why",
            seconds(now_ms - beat->since_ms), client_id, program);
    }
    (void)snprintf(line, PH_HEALTH_LINE_BYTES,
        "healthy: committed %" PRId64 " s ago, connected for %" PRId64 " s, version %s",
        seconds(now_ms - beat->at_ms), seconds(now_ms - beat->since_ms), beat->version);
    return PH_OK;
}
