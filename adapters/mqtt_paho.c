#include "adapters/mqtt_paho.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <MQTTAsync.h>

#include "adapters/mqtt_message.h"
#include "base/clock.h"
#include "x509/process.h"

enum {
    CONNECT_TIMEOUT_S = 20, /* Paho looks at it every 3 s */
    MAX_BUFFERED = 100000,  /* Paho's own queue; callers keep to the Receive Maximum */
};

/* AEAD suites exist from TLS 1.2 on only, so this list is also the floor of the protocol version,
 * which Paho gives no other way to set. TLS 1.3 suites are not subject to it. Paho lowers the
 * security level to 1 before it applies the list; the list raises it again. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:@SECLEVEL=2"

/* Paho ends its threads without waiting for them, and one that ends takes locks of OpenSSL. Before
 * main(), because OpenSSL asks only once, and certificates are read before the first connection. */
__attribute__((constructor)) static void keep_openssl_at_exit(void)
{
    ph_x509_keep_at_exit();
}

static pthread_once_t global_once = PTHREAD_ONCE_INIT;

static void global_init(void)
{
    MQTTAsync_init_options options = MQTTAsync_init_options_initializer;
    options.do_openssl_init = 0; /* OpenSSL 3 initialises itself, and is not Paho's alone */
    MQTTAsync_global_init(&options);
    /* Otherwise every packet is printed into a trace that nobody reads. */
    MQTTAsync_setTraceLevel(MQTTASYNC_TRACE_FATAL);
}

/* Paho's callbacks: copy, hand over, return. Paho's own lock is held meanwhile. */

static uint16_t broker_receive_maximum(MQTTProperties *properties)
{
    int value =
        MQTTProperties_hasProperty(properties, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM)
            ? (int)MQTTProperties_getNumericValue(properties, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM)
            : UINT16_MAX;
    return value > 0 && value <= UINT16_MAX ? (uint16_t)value : UINT16_MAX;
}

static void on_connect(void *context, MQTTAsync_successData5 *data)
{
    ph_mqtt_link_up(context, data->alt.connect.sessionPresent != 0,
        broker_receive_maximum(&data->properties), ph_clock_monotonic_ms());
}

/* What a failed attempt means to the person who reads the log. Paho's own words are few. */
static const char *failure_text(const char *message)
{
    if (message == NULL) {
        return "cannot connect: host name unknown or network unreachable";
    }
    if (strcmp(message, "TCP connect timeout") == 0) {
        return "cannot connect: no answer in time";
    }
    if (strcmp(message, "TCP connect completion failure") == 0) {
        return "closed by the broker before CONNACK: it does not accept our certificate (unknown "
               "CA, expired, revoked), or is no MQTT broker";
    }
    if (strcmp(message, "CONNACK return code") == 0) {
        return "refused by the broker: it does not speak MQTT 5";
    }
    return "cannot connect: nothing listens there, or the broker's certificate is not for this "
           "host name";
}

static void on_connect_failure(void *context, MQTTAsync_failureData5 *data)
{
    struct ph_mqtt *mqtt = context;
    /* A refusal is in `code` up to Paho 1.3.14 and in `reasonCode` from 1.3.15. */
    int reason_code = data->code >= 0x80 ? data->code : (int)data->reasonCode;
    char said[160];
    char text[192];
    if (reason_code >= 0x80) {
        ph_mqtt_link_end(mqtt, reason_code, "refused by the broker", ph_clock_monotonic_ms());
    } else if (ph_mqtt_link_tls_text(mqtt, said, sizeof said)) {
        (void)snprintf(text, sizeof text, "TLS: %s", said);
        ph_mqtt_link_end(mqtt, 0, text, ph_clock_monotonic_ms());
    } else {
        ph_mqtt_link_end(mqtt, 0, failure_text(data->message), ph_clock_monotonic_ms());
    }
}

/* NOLINTNEXTLINE(readability-non-const-parameter): Paho's type */
static void on_connection_lost(void *context, char *cause)
{
    (void)cause;
    ph_mqtt_link_end(context, 0, "connection lost", ph_clock_monotonic_ms());
}

/* A DISCONNECT packet from the broker; connection_lost may or may not follow. */
static void on_broker_disconnect(
    void *context, MQTTProperties *properties, enum MQTTReasonCodes reason_code)
{
    (void)properties;
    ph_mqtt_link_end(context, (int)reason_code,
        reason_code == MQTTREASONCODE_SESSION_TAKEN_OVER
            ? "disconnected by the broker, another client uses our client id and so our certificate"
            : "disconnected by the broker",
        ph_clock_monotonic_ms());
}

static void on_success(void *context, MQTTAsync_successData5 *data)
{
    ph_mqtt_pending_result(context, true, (int)data->reasonCode);
}

static void on_failure(void *context, MQTTAsync_failureData5 *data)
{
    ph_mqtt_pending_result(
        context, false, (int)data->reasonCode >= 0x80 ? (int)data->reasonCode : 0);
}

/* OpenSSL's line is "thread:error:code:library:function:reason:file:line:data"; the reason is what
 * helps. */
static int on_tls_error(const char *text, size_t len, void *context)
{
    char line[256];
    char reason[160];
    (void)snprintf(line, sizeof line, "%.*s", (int)(len < 250 ? len : 250), text);
    char *rest = line;
    const char *field = NULL;
    for (int i = 0; i < 6; i++) {
        field = strsep(&rest, ":");
    }
    const char *hint = field != NULL && strstr(field, "verify failed") != NULL
                           ? " (broker's certificate: unknown CA, not for a broker, or not valid "
                             "now)"
                           : "";
    (void)snprintf(reason, sizeof reason, "%.60s%s", field != NULL ? field : "error", hint);
    ph_mqtt_link_tls_said(context, reason);
    return 1;
}

/* The copy is made outside our lock, and a flood costs time, not memory. Always returns 1: with 0,
 * Paho would stop delivering (and has sent PUBACK anyway). */
static int on_message(void *context, char *topic, int topic_len, MQTTAsync_message *message)
{
    /* topic_len is 0 or the length, depending on how the message reached us. */
    bool whole = topic_len <= 0 || memchr(topic, '\0', (size_t)topic_len) == NULL;
    struct ph_mqtt_node *node = whole ? ph_mqtt_message_copy(topic, message) : NULL;
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    ph_mqtt_link_message(context, node);
    return 1;
}

enum ph_err ph_mqtt_paho_create(struct ph_mqtt *mqtt, struct ph_error *error)
{
    bool v6 = strchr(mqtt->options.host, ':') != NULL;
    (void)snprintf(mqtt->uri, sizeof mqtt->uri, "ssl://%s%s%s:%u", v6 ? "[" : "",
        mqtt->options.host, v6 ? "]" : "", mqtt->options.port);
    (void)pthread_once(&global_once, global_init);
    MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer5;
    create.sendWhileDisconnected = 0;
    create.maxBufferedMessages = MAX_BUFFERED;
    int rc = MQTTAsync_createWithOptions(&mqtt->handle, mqtt->uri, mqtt->options.client_id,
        MQTTCLIENT_PERSISTENCE_NONE, NULL, &create);
    if (rc == MQTTASYNC_SUCCESS) {
        rc = MQTTAsync_setCallbacks(mqtt->handle, mqtt, on_connection_lost, on_message, NULL);
    }
    if (rc == MQTTASYNC_SUCCESS) {
        rc = MQTTAsync_setDisconnected(mqtt->handle, mqtt, on_broker_disconnect);
    }
    return rc == MQTTASYNC_SUCCESS
               ? PH_OK
               : ph_error_set(error, PH_ERR_INTERNAL, "mqtt: client: Paho says %d", rc);
}

static void add_number(MQTTProperties *properties, enum MQTTPropertyCodes code, uint32_t value)
{
    MQTTProperty property = {.identifier = code};
    if (code == MQTTPROPERTY_CODE_RECEIVE_MAXIMUM) {
        property.value.integer2 = (uint16_t)value;
    } else {
        property.value.integer4 = value;
    }
    (void)MQTTProperties_add(properties, &property);
}

/* Paho copies everything it is given here, and reads the files anew for every connection. */
bool ph_mqtt_paho_connect(struct ph_mqtt *mqtt)
{
    const struct ph_mqtt_options *options = &mqtt->options;
    MQTTAsync_SSLOptions ssl = MQTTAsync_SSLOptions_initializer;
    ssl.trustStore = options->ca_file;
    ssl.keyStore = options->cert_file;
    ssl.privateKey = options->key_file;
    ssl.enabledCipherSuites = CIPHERS;
    ssl.enableServerCertAuth = 1; /* the chain */
    ssl.verify = 1;               /* the host name; means nothing without the chain */
    ssl.ssl_error_cb = on_tls_error;
    ssl.ssl_error_context = mqtt;

    MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
    will.topicName = options->will.topic;
    will.message = options->will.payload != NULL ? options->will.payload : "";
    will.qos = options->will.qos;
    will.retained = options->will.retained;

    MQTTProperties properties = MQTTProperties_initializer;
    if (options->session_expiry_s > 0) {
        add_number(
            &properties, MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, options->session_expiry_s);
    }
    if (options->receive_maximum > 0) {
        add_number(&properties, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, options->receive_maximum);
    }

    MQTTAsync_connectOptions connect = MQTTAsync_connectOptions_initializer5;
    connect.keepAliveInterval = options->keep_alive_s;
    connect.cleanstart = options->clean_start;
    connect.connectTimeout = CONNECT_TIMEOUT_S;
    connect.automaticReconnect = 0;
    connect.ssl = &ssl;
    connect.will = options->will.topic != NULL ? &will : NULL;
    connect.connectProperties = &properties;
    connect.onSuccess5 = on_connect;
    connect.onFailure5 = on_connect_failure;
    connect.context = mqtt;
    int rc = MQTTAsync_connect(mqtt->handle, &connect);
    MQTTProperties_free(&properties);
    return rc == MQTTASYNC_SUCCESS;
}

static enum ph_err send_error(int rc, const char *topic, struct ph_error *error)
{
    switch (rc) {
    case MQTTASYNC_SUCCESS:
        return PH_OK;
    case MQTTASYNC_DISCONNECTED:
        return ph_error_set(error, PH_ERR_UNAVAILABLE, "%s: not connected to the broker", topic);
    case MQTTASYNC_NO_MORE_MSGIDS:
    case MQTTASYNC_MAX_BUFFERED_MESSAGES:
        return ph_error_set(error, PH_ERR_LIMIT, "%s: too many messages unconfirmed", topic);
    case MQTTASYNC_BAD_UTF8_STRING:
        return ph_error_set(error, PH_ERR_INPUT, "%s: not valid UTF-8", topic);
    default:
        return ph_error_set(error, PH_ERR_INTERNAL, "%s: Paho says %d", topic, rc);
    }
}

static MQTTAsync_responseOptions response_for(struct ph_mqtt_pending *pending)
{
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    response.onSuccess5 = on_success;
    response.onFailure5 = on_failure;
    response.context = pending;
    return response;
}

enum ph_err ph_mqtt_paho_post(
    struct ph_mqtt *mqtt, const struct ph_mqtt_packet *packet, struct ph_error *error)
{
    int rc = atomic_load(&mqtt->connected)
                 ? MQTTAsync_send(mqtt->handle, packet->topic, (int)packet->len, packet->payload,
                       packet->qos, packet->retained, NULL)
                 : MQTTASYNC_DISCONNECTED;
    return send_error(rc, packet->topic, error);
}

enum ph_err ph_mqtt_paho_send(
    struct ph_mqtt_pending *pending, const struct ph_mqtt_packet *packet, struct ph_error *error)
{
    MQTTAsync_responseOptions response = response_for(pending);
    int rc = MQTTAsync_send(pending->owner->handle, packet->topic, (int)packet->len,
        packet->payload, packet->qos, packet->retained, &response);
    ph_mqtt_pending_settle(pending, rc == MQTTASYNC_SUCCESS);
    return send_error(rc, packet->topic, error);
}

enum ph_err ph_mqtt_paho_subscribe(
    struct ph_mqtt_pending *pending, const char *filter, int qos, struct ph_error *error)
{
    MQTTAsync_responseOptions response = response_for(pending);
    int rc = MQTTAsync_subscribe(pending->owner->handle, filter, qos, &response);
    ph_mqtt_pending_settle(pending, rc == MQTTASYNC_SUCCESS);
    return send_error(rc, filter, error);
}

static void on_stopped(void *context, MQTTAsync_successData5 *data)
{
    (void)data;
    ph_mqtt_link_stopped(context);
}

bool ph_mqtt_paho_disconnect(struct ph_mqtt *mqtt)
{
    MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer5;
    options.onSuccess5 = on_stopped;
    options.context = mqtt;
    return MQTTAsync_disconnect(mqtt->handle, &options) == MQTTASYNC_SUCCESS;
}

void ph_mqtt_paho_cut(struct ph_mqtt *mqtt)
{
    MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer5;
    options.reasonCode = MQTTREASONCODE_DISCONNECT_WITH_WILL_MESSAGE;
    (void)MQTTAsync_disconnect(mqtt->handle, &options);
}

void ph_mqtt_paho_destroy(struct ph_mqtt *mqtt)
{
    if (mqtt->handle != NULL) {
        MQTTAsync_destroy(&mqtt->handle);
    }
}
