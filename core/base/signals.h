/* Signals as a file descriptor to poll: no handler ever interrupts anything. */
#ifndef PH_BASE_SIGNALS_H
#define PH_BASE_SIGNALS_H

#include "base/error.h"

/* Blocks SIGTERM, SIGINT, SIGHUP and SIGPIPE for this thread and those started later, and returns
 * in *fd a descriptor (close-on-exec, non-blocking) that becomes readable when one of the first
 * three arrives. Call before any thread starts. The caller closes it. */
enum ph_err ph_signals_open(int *fd, struct ph_error *error) PH_NODISCARD;

/* The next pending signal number, 0 when there is none. */
int ph_signals_read(int fd);

#endif
