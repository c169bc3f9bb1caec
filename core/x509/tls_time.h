/* By which time the TLS clients of this process judge certificates. OpenSSL asks the system's
 * clock; a device that has none (it boots in 1970) must be able to say otherwise, for all
 * connections that are made from then on, whichever library makes them. To be called while no
 * handshake is under way. */
#ifndef PH_X509_TLS_TIME_H
#define PH_X509_TLS_TIME_H

#include <stdint.h>

#include "base/error.h"

enum ph_tls_time {
    PH_TLS_TIME_SYSTEM, /* as OpenSSL does by itself */
    PH_TLS_TIME_GIVEN,  /* at `unix_ms` */
    PH_TLS_TIME_NONE,   /* notBefore and notAfter are not looked at; everything else is */
};

/* `unix_ms` counts with PH_TLS_TIME_GIVEN alone. Sessions that are resumed are not judged again.
 * PH_ERR_MEMORY: as before. PH_ERR_LIMIT, and as before: a time that this machine's time_t
 * cannot hold. One thread at a time. */
enum ph_err ph_tls_time_set(
    enum ph_tls_time mode, int64_t unix_ms, struct ph_error *error) PH_NODISCARD;

#endif
