/* MQTT connections by libmosquitto, many of them in one thread: for the load generator, which is to
 * speak to any broker, and on purpose not with the client that the devices have.
 *
 * A loop belongs to the thread that uses it, and so do its connections; threads share nothing. What
 * happens is told by handlers, which are called from ph_mosq_loop_turn() and may publish and
 * subscribe, but neither connect nor free. SIGPIPE must be blocked or ignored. Every connection
 * takes three file descriptors (libmosquitto makes a pair of its own). Names are resolved in the
 * thread that connects. */
#ifndef PH_ADAPTERS_MOSQ_H
#define PH_ADAPTERS_MOSQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct ph_mosq;      /* one connection */
struct ph_mosq_loop; /* what one thread waits for */

enum { PH_MOSQ_FILES = 3 }; /* descriptors of a connection */

enum ph_mosq_version { PH_MOSQ_3_1_1 = 4, PH_MOSQ_5 = 5 };

/* Where a host can be reached: which of its addresses to take. */
enum ph_mosq_family { PH_MOSQ_ANY, PH_MOSQ_IPV4, PH_MOSQ_IPV6 };

/* Borrowed, with its texts, for the connection's life. */
struct ph_mosq_options {
    const char *host; /* with TLS it must match the broker's certificate */
    uint16_t port;
    enum ph_mosq_family family;
    enum ph_mosq_version version;
    const char *user;     /* NULL: none */
    const char *password; /* NULL: none */
    bool tls;
    const char *ca_file; /* NULL: the CAs of the system; needed with a certificate */
    uint16_t keep_alive_s;
    uint16_t window;            /* most messages that we have unconfirmed at once */
    int64_t connect_timeout_ms; /* TCP, TLS and CONNACK together */
};

struct ph_mosq_message {
    const char *topic;
    const void *payload;
    size_t len;
    bool retained;
};

/* `context` is the connection's. Each must be there. */
struct ph_mosq_handlers {
    /* CONNACK with success. `receive_maximum` is the broker's, or 65535. */
    void (*accepted)(void *context, uint16_t receive_maximum);
    /* The attempt failed, or the connection ended: once for every ph_mosq_connect() that returned
     * PH_OK, unless it was ph_mosq_free() that ended it. `reason` is the same text for the same
     * cause, without addresses. What was not confirmed (QoS 1 and 2) is kept, and sent again after
     * the next CONNACK; of QoS 0 what was not written is gone. */
    void (*lost)(void *context, const char *reason);
    /* PUBACK, PUBCOMP, or (QoS 0) written to the socket, which may be before ph_mosq_publish() has
     * returned. `code` of 0x80 and above: refused. */
    void (*published)(void *context, int mid, int code);
    void (*subscribed)(void *context, int code);
    void (*message)(void *context, const struct ph_mosq_message *message);
};

/* Whether somebody listens there, and over which addresses: connects and closes. PH_ERR_UNAVAILABLE
 * says why not. */
enum ph_err ph_mosq_probe(const char *host, uint16_t port, int timeout_ms,
    enum ph_mosq_family *family, struct ph_error *error) PH_NODISCARD;

/* Without connections. */
enum ph_err ph_mosq_loop_new(struct ph_mosq_loop **out, struct ph_error *error) PH_NODISCARD;

/* Waits until something happens, `until_ns` (monotonic) at most, and handles all of it. The wait is
 * exact to what the kernel's timers are, not to a millisecond. */
enum ph_err ph_mosq_loop_turn(
    struct ph_mosq_loop *loop, int64_t until_ns, struct ph_error *error) PH_NODISCARD;

/* After all its connections were freed. NULL and *loop == NULL are allowed. */
void ph_mosq_loop_free(struct ph_mosq_loop **loop);

/* Who connects; the texts are copied. The files (PEM) are both there or both NULL, and are read by
 * ph_mosq_connect(). */
struct ph_mosq_identity {
    const char *client_id;
    const char *cert_file;
    const char *key_file;
};

/* Makes a connection, which connects nothing yet. The session is a clean one. */
enum ph_err ph_mosq_new(struct ph_mosq_loop *loop, const struct ph_mosq_options *options,
    const struct ph_mosq_identity *identity, const struct ph_mosq_handlers *handlers, void *context,
    struct ph_mosq **out, struct ph_error *error) PH_NODISCARD;

/* Begins to connect; blocks for nothing but the resolution of the name. After `lost` it may be
 * called again. After an error no handler is called. */
enum ph_err ph_mosq_connect(struct ph_mosq *mosq, struct ph_error *error) PH_NODISCARD;

/* Between `accepted` and `lost` only: PH_ERR_UNAVAILABLE otherwise, and nothing is kept.
 * PH_ERR_LIMIT when the broker does not take messages of this size, or of this QoS. */
enum ph_err ph_mosq_publish(struct ph_mosq *mosq, const char *topic, const void *payload,
    size_t len, int qos, bool retain, int *mid, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_mosq_subscribe(
    struct ph_mosq *mosq, const char *filter, int qos, struct ph_error *error) PH_NODISCARD;

/* Says DISCONNECT where the connection stands, and closes it. NULL and *mosq == NULL are allowed.
 */
void ph_mosq_free(struct ph_mosq **mosq);

#endif
