/* The load generator's engine: connects, publishes and receives as the options say, and measures.
 *
 * Every message has a time at which it is due, fixed by the rate before the first one is sent. A
 * message that cannot be sent then, because the window is full, the connection is gone or the
 * generator is late, keeps that time, and its latency counts from it: what a client that keeps to
 * its schedule would have seen. Measuring from the actual sending leaves out exactly the moments at
 * which the broker was slow ("coordinated omission"); those times are recorded beside. Without a
 * rate there is no schedule, and both are the same. */
#ifndef PH_FLEET_LOAD_H
#define PH_FLEET_LOAD_H

#include "base/error.h"
#include "device/fleet/load_options.h"
#include "device/fleet/load_result.h"

/* Called about once a second. */
typedef void ph_load_tick(void *context, const struct ph_load_sample *sample);

/* Runs it. PH_OK when the run could be made, whatever came of it: the verdict is in the result,
 * which the caller owns (plain memory, large). `signal_fd` (ph_signals_open()) ends the run early
 * with what there is, a second signal at once; -1: none. */
enum ph_err ph_load_run(const struct ph_load_options *options, int signal_fd, ph_load_tick *tick,
    void *context, struct ph_load_result *result, struct ph_error *error) PH_NODISCARD;

#endif
