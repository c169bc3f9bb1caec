/* What time it is, for a device whose clock may know nothing. A clock that shows a time from before
 * the device's own certificate was made has not been set; the registrar's signed answer then gives
 * the time, which goes on with the time since boot. The system's clock is not touched; once it is
 * set, it counts again.
 *
 * An answer is believed when it is signed by a registrar whose chain ends in a root that the device
 * trusts and holds at the time that it names, for this device and this question. The question is
 * forgotten after a while, which bounds how old an answer can be that somebody has held back. */
#ifndef PH_DEVICE_TIMEKEEPER_H
#define PH_DEVICE_TIMEKEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "device/moment.h"
#include "format/enrolment.h"

#define PH_TIME_TOLERANCE_MS INT64_C(600000) /* a set clock that is wrong by less is left alone */

struct ph_timekeeper {
    bool given;                  /* the time is the registrar's: */
    int64_t given_ms;            /* unix, ... */
    int64_t given_boot_ms;       /* ... at this time since boot */
    char nonce[PH_ASK_ID_BYTES]; /* of the question that is open; "": none */
};

/* What the clocks mean: `shown` is what they show; `floor_ms` (unix) a time that has passed for
 * certain. */
struct ph_moment ph_timekeeper_moment(
    struct ph_timekeeper *keeper, const struct ph_moment *shown, int64_t floor_ms);

/* By which time the next connections judge the broker's certificate; `unchecked`: by none. */
enum ph_err ph_timekeeper_tls(const struct ph_timekeeper *keeper, const struct ph_moment *now,
    bool unchecked, struct ph_error *error) PH_NODISCARD;

/* Opens a question under `nonce`; closes it. */
void ph_timekeeper_asked(struct ph_timekeeper *keeper, const char nonce[PH_ASK_ID_BYTES]);
void ph_timekeeper_forget(struct ph_timekeeper *keeper);

/* Whose answer is awaited. */
struct ph_time_asker {
    const char *device; /* tenant/kind/device, as its certificate says */
    const char *roots;  /* file of trusted CAs */
    int64_t floor_ms;   /* as above */
};

/* Takes the token of an answer and closes the question. The time is then the registrar's when ours
 * is unknown, is the registrar's already, or is wrong by more than the tolerance; *adopted says
 * whether. PH_ERR_DENIED for an answer that is not believed, which changes nothing. */
enum ph_err ph_timekeeper_take(struct ph_timekeeper *keeper, const char *token,
    const struct ph_time_asker *asker, const struct ph_moment *now, bool *adopted,
    struct ph_error *error) PH_NODISCARD;

#endif
