/* One MQTT 5 connection over mutual TLS (Paho's MQTTAsync), as a source of events that a single
 * thread takes one by one.
 *
 * Paho calls back in its own threads under a process-wide lock; the callbacks here only copy and
 * queue, so a slow application never stalls other connections, and the application itself needs no
 * locks. The client connects and reconnects by itself, with jittered exponential back-off (long
 * after a refusal: CONNACK 0x87 means a decision, not a fault), checks the broker's chain *and*
 * host name, and keeps no message of its own: what was not confirmed when the connection was lost
 * is reported as failed and is the caller's to send again. */
#ifndef PH_ADAPTERS_MQTT_H
#define PH_ADAPTERS_MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct ph_mqtt;

struct ph_mqtt_options {
    const char *host; /* must match the broker's certificate (DNS or IP subjectAltName) */
    uint16_t port;
    const char *client_id;
    const char *ca_file;   /* PEM: the CAs that may vouch for the broker; replaces the system's */
    const char *cert_file; /* PEM: leaf, then its subordinate CA */
    const char *key_file;  /* PEM, closed to group and others */
    uint16_t keep_alive_s;
    bool clean_start;
    uint32_t session_expiry_s; /* at most 0x7FFFFFFF: Paho 1.3.12 encodes larger values wrongly */
    uint16_t receive_maximum;  /* what we take in flight; 0: the protocol's default */
    size_t queue_bytes; /* bound on queued incoming messages; what comes beyond is dropped and
                           counted */
    int64_t backoff_min_ms;
    int64_t backoff_max_ms;
    int64_t backoff_refused_ms; /* at least this long after the broker refused us by decision */
    struct {
        const char *topic; /* NULL: no will */
        const char *payload;
        int qos;
        bool retained;
    } will;
};

enum ph_mqtt_event_type {
    PH_MQTT_CONNECTED,    /* the broker accepted us; subscribe now */
    PH_MQTT_DISCONNECTED, /* connection lost or attempt failed, once for each; the client tries
                             again by itself. Precedes every further CONNECTED */
    PH_MQTT_REFUSED, /* the same by a decision of the broker (reason_code), such as 0x87 or 0x98 */
    PH_MQTT_SUBSCRIBED,     /* SUBACK for `token`; reason_code >= 0x80: refused. Not reported when
                               the connection is lost first: subscribe again at CONNECTED */
    PH_MQTT_PUBLISHED,      /* PUBACK with success for `token` */
    PH_MQTT_PUBLISH_FAILED, /* PUBACK with reason_code >= 0x80, or connection lost (reason_code 0)
                             */
    PH_MQTT_MESSAGE,        /* an incoming PUBLISH */
};

/* User properties of a message that are handed on: those that the broker's plugin alone may write
 * (format/provenance.h), so that a flood of others costs nothing. */
#define PH_MQTT_PROPERTIES_MAX 8   /* the plugin writes two */
#define PH_MQTT_PROPERTY_BYTES 320 /* of a name, and of a value: the longest identity has 259 */

struct ph_mqtt_property {
    const char *name; /* terminated, without NUL inside, and so is the value */
    const char *value;
};

/* One event; release with ph_mqtt_event_fini(). None but MESSAGE is ever dropped. */
struct ph_mqtt_event {
    enum ph_mqtt_event_type type;
    int token;
    int reason_code;          /* MQTT 5 reason code, 0 when there is none */
    bool session_present;     /* CONNECTED */
    uint16_t receive_maximum; /* CONNECTED: the broker's; never have more than this unconfirmed */
    int64_t retry_in_ms;      /* DISCONNECTED, REFUSED: when the next attempt is due */
    bool tls_failed;          /* DISCONNECTED: TLS ended the attempt, such as for a date */
    char text[256];           /* DISCONNECTED, REFUSED: one sentence, escaped */
    char *topic;              /* MESSAGE: terminated, without NUL inside */
    void *payload;            /* MESSAGE */
    size_t payload_len;
    bool retained;
    struct ph_mqtt_property *properties; /* MESSAGE: those user properties, in order of arrival; one
                                            block with its texts */
    size_t property_count;
    bool properties_incomplete; /* MESSAGE: there were more of them, or some longer or with a NUL
                                   inside, which were left out */
};

/* Checks the files (present, key closed and belonging to the certificate, certificate not expired
 * is left to the broker) and makes the client; connects nothing. Strings are copied. */
enum ph_err ph_mqtt_new(const struct ph_mqtt_options *options, struct ph_mqtt **out,
    struct ph_error *error) PH_NODISCARD;

/* Starts connecting; returns at once. */
enum ph_err ph_mqtt_start(struct ph_mqtt *mqtt, struct ph_error *error) PH_NODISCARD;

/* Waits up to timeout_ms (0: not at all) for an event; *have says whether there was one. Reconnect
 * attempts that are due are made here, so call it at least every second or poll ph_mqtt_fd(). */
enum ph_err ph_mqtt_next(struct ph_mqtt *mqtt, int timeout_ms, struct ph_mqtt_event *event,
    bool *have, struct ph_error *error) PH_NODISCARD;
void ph_mqtt_event_fini(struct ph_mqtt_event *event);

/* An eventfd that is readable while events wait; the client's own, do not read or close it. */
int ph_mqtt_fd(const struct ph_mqtt *mqtt);

/* Whether the broker has accepted us and the connection still stands. */
bool ph_mqtt_connected(const struct ph_mqtt *mqtt);

/* Send. `token` may be NULL for a publish of QoS 0 whose fate nobody asks for: no event comes then.
 * Otherwise *token names the confirmation that will come: exactly one event for every PH_OK, but
 * none for a SUBSCRIBE that is lost with its connection. PH_ERR_UNAVAILABLE when not connected:
 * nothing is queued. The topic is not checked but for UTF-8; the broker closes the connection on
 * others. */
enum ph_err ph_mqtt_publish(struct ph_mqtt *mqtt, const char *topic, const void *payload,
    size_t len, int qos, bool retained, int *token, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_mqtt_subscribe(struct ph_mqtt *mqtt, const char *filter, int qos, int *token,
    struct ph_error *error) PH_NODISCARD;

/* Messages dropped because the queue was full, since the client was made. */
int64_t ph_mqtt_dropped(const struct ph_mqtt *mqtt);

/* Cuts the connection as a failing network does: what is unconfirmed fails, the broker publishes
 * the will, and no attempt is made until ph_mqtt_resume(), after which one is due at once. Both
 * return at once; DISCONNECTED comes as ever. An attempt under way is cut when it has succeeded. */
void ph_mqtt_suspend(struct ph_mqtt *mqtt);
void ph_mqtt_resume(struct ph_mqtt *mqtt);

/* Stops reconnecting, waits up to timeout_ms for confirmations, and disconnects (normally, so
 * without the will) within as much again, at least half a second; fails what is still pending. */
void ph_mqtt_stop(struct ph_mqtt *mqtt, int timeout_ms);

/* Stops and releases. Waits for Paho, and so for a name resolution that is under way. */
void ph_mqtt_free(struct ph_mqtt **mqtt);

#endif
