/* One TLS connection of a client to a broker, by OpenSSL, in which both sides are verified and
 * every failure is said as precisely as OpenSSL knows it: for diagnosis, where libmosquitto and
 * Paho report one code for many causes. Programs that stay connected use those (mqtt.h, mosq.h).
 *
 * OpenSSL never touches the socket: it is fed what has arrived, a piece at a time, so that no
 * stream of bytes keeps it busy beyond the deadline, and no SIGPIPE can occur. Deadlines are of the
 * monotonic clock. One thread at a time. */
#ifndef PH_ADAPTERS_TLS_H
#define PH_ADAPTERS_TLS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct ph_tls;

/* Borrowed for the call. */
struct ph_tls_options {
    const char *ca_file;   /* PEM: the CAs that may vouch for the broker */
    const char *cert_file; /* PEM: ours, the leaf and then the CAs between it and the root */
    const char *key_file;  /* PEM, closed to others */
    size_t received_max;   /* most bytes that are taken from the network */
};

/* Reads and checks the files. Errors name the file. */
enum ph_err ph_tls_new(
    const struct ph_tls_options *options, struct ph_tls **out, struct ph_error *error) PH_NODISCARD;

/* TLS 1.2 or 1.3 over a connected, non-blocking socket, which is taken over, on failure too. The
 * broker's certificate must be valid now, for servers, by one of the CAs, and for `host`, a name or
 * an address: as Paho and libmosquitto judge it. Errors begin with "TLS: ": PH_ERR_DENIED when one
 * side refuses the other's certificate, PH_ERR_INPUT when it is no TLS, PH_ERR_UNAVAILABLE when the
 * connection ends or the time is over. Once only. */
enum ph_err ph_tls_connect(struct ph_tls *tls, int fd, const char *host, int64_t deadline_ms,
    struct ph_error *error) PH_NODISCARD;

/* After ph_tls_connect(). What ends the connection is told by the next read: in TLS 1.3 the
 * broker's verdict on our certificate comes behind our first bytes. */
enum ph_err ph_tls_write(struct ph_tls *tls, const void *bytes, size_t len, int64_t deadline_ms,
    struct ph_error *error) PH_NODISCARD;

/* Waits for at least a byte. Errors as ph_tls_connect() has them, an ended connection included. */
enum ph_err ph_tls_read(struct ph_tls *tls, void *bytes, size_t size, size_t *len,
    int64_t deadline_ms, struct ph_error *error) PH_NODISCARD;

/* "TLSv1.3"; static. */
const char *ph_tls_version(const struct ph_tls *tls);

/* When the broker's certificate expires, milliseconds since 1970. PH_ERR_INPUT: malformed. */
enum ph_err ph_tls_peer_expiry(
    const struct ph_tls *tls, int64_t *not_after_ms, struct ph_error *error) PH_NODISCARD;

/* Says goodbye where the connection stands, without waiting, and closes it. NULL and *tls == NULL
 * are allowed. */
void ph_tls_free(struct ph_tls **tls);

#endif
