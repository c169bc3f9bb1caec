/* Whether a broker admits a client, found out as a client does: resolve, TCP, TLS with certificates
 * on both sides, CONNECT, CONNACK, DISCONNECT. Nothing is published and nothing subscribed. */
#ifndef PH_BROKER_PLUGIN_PROBE_H
#define PH_BROKER_PLUGIN_PROBE_H

#include <stdint.h>

#include "adapters/tcp.h"
#include "base/error.h"
#include "base/limits.h"

/* Where: "mqtts://HOST[:PORT]", HOST a name, an IPv4 address or an IPv6 address in brackets. */
struct ph_probe_target {
    char host[PH_TCP_HOST_BYTES];     /* without brackets */
    uint16_t port;                    /* 8883 when none is said */
    char name[PH_TCP_HOST_BYTES + 8]; /* "HOST:PORT" for people */
};

/* PH_ERR_USAGE says what is wrong: another scheme, user, path and query are refused. */
enum ph_err ph_probe_target_parse(
    const char *url, struct ph_probe_target *out, struct ph_error *error) PH_NODISCARD;

/* Borrowed for the call. */
struct ph_probe_options {
    const struct ph_probe_target *target;
    const char *ca_file;
    const char *cert_file;
    const char *key_file;
    const char *client_id;
    int64_t timeout_ms; /* of everything together */
};

struct ph_probe_answer {
    char version[16];     /* "TLSv1.3" */
    int64_t not_after_ms; /* of the broker's certificate, since 1970 */
    int64_t took_ms;      /* from the beginning to CONNACK */
};

/* PH_OK: admitted. Otherwise the error names the step and what to do: PH_ERR_DENIED (one side does
 * not accept the other), PH_ERR_INPUT and PH_ERR_LIMIT (what answers is no broker),
 * PH_ERR_UNAVAILABLE (not there, or not in time), or what is wrong with the files. */
enum ph_err ph_probe_run(const struct ph_probe_options *options, struct ph_probe_answer *out,
    struct ph_error *error) PH_NODISCARD;

#endif
