#include "adapters/mosq.h"

#include <errno.h>
#include <mosquitto.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "adapters/mosq_internal.h"
#include "base/clock.h"
#include "base/limits.h"

/* Packets of one connection before the others have their turn. */
enum { READS_MAX = 64 };

enum { RECEIVE_MAXIMUM = 33 }; /* MQTT 5.0 section 2.2.2.2 */

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

/* libmosquitto 2.0 prepares OpenSSL at the first connection of a process, and two threads that do
 * so at once do it twice. */
static pthread_mutex_t connecting = PTHREAD_MUTEX_INITIALIZER;

static void init_library(void)
{
    (void)mosquitto_lib_init();
}

static void set_library_reason(struct ph_mosq *mosq, int rc)
{
    const int errnum = errno;
    if (mosq->reason[0] != '\0') {
        return;
    }
    if (rc == MOSQ_ERR_ERRNO && errnum == EPROTO) {
        /* the broker's alert may have been lost with the connection */
        ph_mosq_reason_set(mosq, "TLS: broken off by the broker");
    } else if (rc == MOSQ_ERR_TLS && errnum == EPROTO) {
        /* below TLS: libmosquitto 2.0.21 keeps to itself which */
        ph_mosq_reason_set(mosq, "TLS: refused or broken off");
    } else if (rc == MOSQ_ERR_ERRNO && errnum != 0) {
        ph_mosq_reason_errno(mosq, errnum);
    } else if (rc == MOSQ_ERR_EAI) {
        ph_mosq_reason_set(mosq, gai_strerror(errnum));
    } else if (rc >= 0x80) {
        ph_mosq_reason_set(mosq, mosquitto_reason_string(rc));
    } else if (rc == MOSQ_ERR_SUCCESS) {
        ph_mosq_reason_set(mosq, "closed by the broker");
    } else {
        ph_mosq_reason_set(mosq, mosquitto_strerror(rc));
    }
}

static void report_lost(struct ph_mosq *mosq, int rc)
{
    if (mosq->state == PH_MOSQ_IDLE) {
        return;
    }
    set_library_reason(mosq, rc);
    mosq->state = PH_MOSQ_IDLE;
    ph_mosq_loop_remove(mosq, mosquitto_socket(mosq->client));
    mosquitto_log_callback_set(mosq->client, NULL);
    mosq->handlers->lost(mosq->context, mosq->reason);
}

static void watch_writes(struct ph_mosq *mosq)
{
    const bool wants = mosquitto_want_write(mosq->client);
    const uint32_t interest = EPOLLIN | (wants ? (uint32_t)EPOLLOUT : 0);
    if (mosq->state == PH_MOSQ_ACCEPTED && interest != mosq->interest) {
        (void)ph_mosq_loop_change(mosq, mosquitto_socket(mosq->client), interest);
    }
}

static void on_connect(struct mosquitto *client, void *context, int code, int flags,
    const mosquitto_property *properties)
{
    (void)flags;
    struct ph_mosq *mosq = context;
    uint16_t receive_maximum = 65535;
    if (code != 0) {
        ph_mosq_reason_set(mosq, mosq->options->version == PH_MOSQ_5
                                     ? mosquitto_reason_string(code)
                                     : mosquitto_connack_string(code));
        return;
    }
    /* it would be called, and a text formatted, for every packet */
    mosquitto_log_callback_set(client, NULL);
    mosq->reason[0] = '\0';
    mosq->state = PH_MOSQ_ACCEPTED;
    (void)mosquitto_property_read_int16(properties, RECEIVE_MAXIMUM, &receive_maximum, false);
    mosq->handlers->accepted(mosq->context, receive_maximum);
}

static void on_disconnect(
    struct mosquitto *client, void *context, int rc, const mosquitto_property *properties)
{
    (void)client;
    (void)properties;
    report_lost(context, rc);
}

static void on_publish(struct mosquitto *client, void *context, int mid, int code,
    const mosquitto_property *properties)
{
    (void)client;
    (void)properties;
    struct ph_mosq *mosq = context;
    mosq->handlers->published(mosq->context, mid, code);
}

static void on_subscribe(struct mosquitto *client, void *context, int mid, int count,
    const int *granted, const mosquitto_property *properties)
{
    (void)client;
    (void)mid;
    (void)properties;
    struct ph_mosq *mosq = context;
    mosq->handlers->subscribed(mosq->context, count == 1 ? granted[0] : 0x80);
}

static void on_message(struct mosquitto *client, void *context,
    const struct mosquitto_message *message, const mosquitto_property *properties)
{
    (void)client;
    (void)properties;
    struct ph_mosq *mosq = context;
    const struct ph_mosq_message told = {.topic = message->topic,
        .payload = message->payload,
        .len = (size_t)message->payloadlen,
        .retained = message->retain};
    mosq->handlers->message(mosq->context, &told);
}

static void on_log(struct mosquitto *client, void *context, int level, const char *text)
{
    (void)client;
    if (level == MOSQ_LOG_ERR) {
        ph_mosq_reason_log(context, text);
    }
}

/* Nobody is asked for a password. */
static int refuse_password(char *buf, int size, int for_writing, void *context)
{
    (void)size;
    (void)for_writing;
    (void)context;
    buf[0] = '\0';
    return 0;
}

static int set_tls(struct ph_mosq *mosq, const struct ph_mosq_identity *identity)
{
    const struct ph_mosq_options *options = mosq->options;
    if (!options->tls) {
        return MOSQ_ERR_SUCCESS;
    }
    if (options->ca_file == NULL) {
        return mosquitto_int_option(mosq->client, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
    }
    return mosquitto_tls_set(mosq->client, options->ca_file, NULL, identity->cert_file,
        identity->key_file, refuse_password);
}

static int set_up(struct ph_mosq *mosq, const struct ph_mosq_identity *identity)
{
    struct mosquitto *client = mosq->client;
    const struct ph_mosq_options *options = mosq->options;
    mosquitto_connect_v5_callback_set(client, on_connect);
    mosquitto_disconnect_v5_callback_set(client, on_disconnect);
    mosquitto_publish_v5_callback_set(client, on_publish);
    mosquitto_subscribe_v5_callback_set(client, on_subscribe);
    mosquitto_message_v5_callback_set(client, on_message);
    int rc = mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, (int)options->version);
    if (rc == MOSQ_ERR_SUCCESS) {
        rc = mosquitto_int_option(client, MOSQ_OPT_SEND_MAXIMUM, options->window);
    }
    /* 20 by default: it would throttle the broker */
    if (rc == MOSQ_ERR_SUCCESS) {
        rc = mosquitto_int_option(client, MOSQ_OPT_RECEIVE_MAXIMUM, 65535);
    }
    if (rc == MOSQ_ERR_SUCCESS) {
        rc = mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
    }
    if (rc == MOSQ_ERR_SUCCESS && options->user != NULL) {
        rc = mosquitto_username_pw_set(client, options->user, options->password);
    }
    return rc == MOSQ_ERR_SUCCESS ? set_tls(mosq, identity) : rc;
}

enum ph_err ph_mosq_new(struct ph_mosq_loop *loop, const struct ph_mosq_options *options,
    const struct ph_mosq_identity *identity, const struct ph_mosq_handlers *handlers, void *context,
    struct ph_mosq **out, struct ph_error *error)
{
    if (identity->cert_file != NULL && options->ca_file == NULL) {
        return ph_error_set(error, PH_ERR_USAGE,
            "%s: a certificate is used only together with a CA file for the broker",
            identity->cert_file);
    }
    struct ph_mosq *mosq = calloc(1, sizeof *mosq);
    if (mosq == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: no memory", identity->client_id);
    }
    *mosq = (struct ph_mosq){.options = options, .handlers = handlers, .context = context};
    ph_mosq_loop_join(loop, mosq);
    (void)pthread_once(&library_once, init_library);
    mosq->client = mosquitto_new(identity->client_id, true, mosq);
    const int rc = mosq->client == NULL ? MOSQ_ERR_NOMEM : set_up(mosq, identity);
    if (rc != MOSQ_ERR_SUCCESS) {
        set_library_reason(mosq, rc);
        enum ph_err err = ph_error_set(error, rc == MOSQ_ERR_NOMEM ? PH_ERR_MEMORY : PH_ERR_CONFIG,
            "%s: %s: check the %s files", identity->client_id, mosq->reason,
            options->tls ? "certificate" : "option");
        ph_mosq_free(&mosq);
        return err;
    }
    *out = mosq;
    return PH_OK;
}

enum ph_err ph_mosq_connect(struct ph_mosq *mosq, struct ph_error *error)
{
    const struct ph_mosq_options *options = mosq->options;
    /* A local address of the one family keeps libmosquitto from the first address of the other. */
    const char *from = options->family == PH_MOSQ_IPV4   ? "0.0.0.0"
                       : options->family == PH_MOSQ_IPV6 ? "::"
                                                         : NULL;
    mosq->reason[0] = '\0';
    mosquitto_log_callback_set(mosq->client, on_log);
    (void)pthread_mutex_lock(&connecting);
    errno = 0;
    const int rc = mosquitto_connect_bind_async(
        mosq->client, options->host, options->port, options->keep_alive_s, from);
    const int errnum = errno;
    (void)pthread_mutex_unlock(&connecting);
    mosq->state = PH_MOSQ_CONNECTING;
    ph_mosq_reason_attempt(mosq, errnum);
    if (rc != MOSQ_ERR_SUCCESS) {
        mosq->state = PH_MOSQ_IDLE;
        errno = errnum;
        set_library_reason(mosq, rc);
        return ph_error_set(error, PH_ERR_UNAVAILABLE, "%s", mosq->reason);
    }
    mosq->began_ms = ph_clock_monotonic_ms();
    /* Edges, until it is accepted: libmosquitto says that it wants to write for as long as the TLS
     * handshake lasts. */
    if (!ph_mosq_loop_add(mosq, mosquitto_socket(mosq->client),
            EPOLLIN | EPOLLOUT | EPOLLRDHUP | (uint32_t)EPOLLET)) {
        mosq->state = PH_MOSQ_IDLE;
        return ph_error_set_errno(error, errno, "epoll");
    }
    return PH_OK;
}

/* The library tells what happened by its return value alone where TLS is not up yet. */
static bool read_once(struct ph_mosq *mosq)
{
    errno = 0;
    const int rc = mosquitto_loop_read(mosq->client, 1);
    const int errnum = errno;
    const bool dry = errnum == EAGAIN || errnum == EWOULDBLOCK;
    ph_mosq_reason_attempt(mosq, errnum);
    errno = errnum;
    if (rc != MOSQ_ERR_SUCCESS) {
        report_lost(mosq, rc);
    }
    return mosq->state != PH_MOSQ_IDLE && !dry;
}

static void write_pending(struct ph_mosq *mosq)
{
    if (mosq->state != PH_MOSQ_IDLE) {
        errno = 0;
        const int rc = mosquitto_loop_write(mosq->client, 1);
        if (rc != MOSQ_ERR_SUCCESS) {
            report_lost(mosq, rc);
        }
    }
}

static void read_all(struct ph_mosq *mosq)
{
    for (int i = 0; i < READS_MAX && read_once(mosq); i++) {
    }
}

static void go_on_connecting(struct ph_mosq *mosq, uint32_t events)
{
    if ((events & EPOLLERR) != 0) {
        ph_mosq_reason_socket(mosq, mosquitto_socket(mosq->client));
    }
    /* the handshake, then CONNECT, then perhaps its answer, or an alert, that is there already */
    for (int i = 0; i < 3 && mosq->state == PH_MOSQ_CONNECTING; i++) {
        (void)read_once(mosq);
        write_pending(mosq);
    }
    if (mosq->state == PH_MOSQ_CONNECTING && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        read_all(mosq);
        if (mosq->state == PH_MOSQ_CONNECTING) {
            report_lost(mosq, MOSQ_ERR_SUCCESS);
        }
    }
    if (mosq->state == PH_MOSQ_ACCEPTED) {
        read_all(mosq);
    }
}

void ph_mosq_dispatch(struct ph_mosq *mosq, uint32_t events)
{
    if (mosq->state == PH_MOSQ_CONNECTING) {
        go_on_connecting(mosq, events);
    } else if (mosq->state == PH_MOSQ_ACCEPTED) {
        if ((events & EPOLLOUT) != 0) {
            write_pending(mosq);
        }
        if (mosq->state == PH_MOSQ_ACCEPTED && (events & ~(uint32_t)EPOLLOUT) != 0) {
            read_all(mosq);
        }
    }
    /* what handlers have sent */
    if (mosq->state == PH_MOSQ_ACCEPTED && mosquitto_want_write(mosq->client)) {
        write_pending(mosq);
    }
    watch_writes(mosq);
}

void ph_mosq_keep_alive(struct ph_mosq *mosq, int64_t now_ms)
{
    if (mosq->state == PH_MOSQ_CONNECTING &&
        now_ms - mosq->began_ms > mosq->options->connect_timeout_ms) {
        ph_mosq_reason_set(mosq, "no answer in time");
        report_lost(mosq, MOSQ_ERR_TIMEOUT);
    } else if (mosq->state == PH_MOSQ_ACCEPTED) {
        const int rc = mosquitto_loop_misc(mosq->client);
        if (rc != MOSQ_ERR_SUCCESS) {
            report_lost(mosq, rc);
        }
        watch_writes(mosq);
    }
}

/* A connection that breaks under a message is found out by the next read; until then the message
 * counts as sent. */
static enum ph_err sent(struct ph_mosq *mosq, const char *topic, int rc, struct ph_error *error)
{
    watch_writes(mosq);
    switch (rc) {
    case MOSQ_ERR_SUCCESS:
    case MOSQ_ERR_CONN_LOST:
    case MOSQ_ERR_ERRNO:
        return PH_OK;
    case MOSQ_ERR_NOMEM:
        return ph_error_set(error, PH_ERR_MEMORY, "%s: no memory", topic);
    case MOSQ_ERR_OVERSIZE_PACKET:
    case MOSQ_ERR_PAYLOAD_SIZE:
    case MOSQ_ERR_QOS_NOT_SUPPORTED:
        return ph_error_set(
            error, PH_ERR_LIMIT, "%s: the broker says: %s", topic, mosquitto_strerror(rc));
    default:
        return ph_error_set(error, PH_ERR_UNAVAILABLE, "%s: %s", topic, mosquitto_strerror(rc));
    }
}

enum ph_err ph_mosq_publish(struct ph_mosq *mosq, const char *topic, const void *payload,
    size_t len, int qos, bool retain, int *mid, struct ph_error *error)
{
    if (mosq->state != PH_MOSQ_ACCEPTED) {
        return ph_error_set(error, PH_ERR_UNAVAILABLE, "%s: not connected", topic);
    }
    if (len > PH_LIMIT_MQTT_PAYLOAD_BYTES) {
        return ph_error_set(error, PH_ERR_LIMIT, "%s: more than MQTT can say", topic);
    }
    const int rc = mosquitto_publish(mosq->client, mid, topic, (int)len, payload, qos, retain);
    return sent(mosq, topic, rc, error);
}

enum ph_err ph_mosq_subscribe(
    struct ph_mosq *mosq, const char *filter, int qos, struct ph_error *error)
{
    if (mosq->state != PH_MOSQ_ACCEPTED) {
        return ph_error_set(error, PH_ERR_UNAVAILABLE, "%s: not connected", filter);
    }
    return sent(mosq, filter, mosquitto_subscribe(mosq->client, NULL, filter, qos), error);
}

void ph_mosq_free(struct ph_mosq **mosq)
{
    if (mosq == NULL || *mosq == NULL) {
        return;
    }
    const enum ph_mosq_state state = (*mosq)->state;
    (*mosq)->state = PH_MOSQ_IDLE;
    if (state == PH_MOSQ_ACCEPTED) {
        (void)mosquitto_disconnect((*mosq)->client);
    }
    mosquitto_destroy((*mosq)->client);
    ph_mosq_loop_leave(*mosq);
    free(*mosq);
    *mosq = NULL;
}
