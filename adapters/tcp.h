/* A TCP connection that is made, waited for and given up in time: names are resolved aside, every
 * wait has a deadline. Deadlines are of the monotonic clock (ph_clock_monotonic_ms()). */
#ifndef PH_ADAPTERS_TCP_H
#define PH_ADAPTERS_TCP_H

#include <stdint.h>

#include "base/error.h"

#define PH_TCP_HOST_BYTES 254 /* a DNS name (RFC 1035), terminated */

/* Resolves the name and tries its addresses in their order, each for its share of the time, until
 * one answers. `*fd` is non-blocking, without Nagle's delay, closed on exec; the caller closes it.
 * PH_ERR_UNAVAILABLE begins with the step, "resolve: " or "TCP: ", and says of each address why
 * not. A name server that does not answer keeps a thread of libc until it gives up; what that
 * writes to is then never released. */
enum ph_err ph_tcp_open(const char *host, uint16_t port, int64_t deadline_ms, int *fd,
    struct ph_error *error) PH_NODISCARD;

/* Waits for POLLIN or POLLOUT. PH_ERR_UNAVAILABLE "no answer in time" from the deadline on, also
 * when there is something: whoever sends for ever does not gain time by it. */
enum ph_err ph_tcp_wait(
    int fd, short events, int64_t deadline_ms, struct ph_error *error) PH_NODISCARD;

#endif
