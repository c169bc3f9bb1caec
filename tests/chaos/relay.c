/* ph-chaos-relay: the network between devices and ingest as it may be by specification, and the
 * harness's eyes. A service with a certificate of its own that
 *   - carries relay/T/K/D/telemetry to ph/v1/T/K/D/telemetry, each message late by a time of its
 *     own, and some of them more than once: reordered and duplicated delivery;
 *   - keeps the newest telemetry of every device, and publishes copies of it, shuffled, when a line
 *     "repeat N" comes on standard input;
 *   - prints "ack DEVICE STREAM THROUGH" for every acknowledgement that it sees.
 * It keeps nothing: what it cannot deliver is lost. Ends when standard input does. */
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/mqtt.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/log.h"
#include "format/ack.h"

enum {
    PENDING_MAX = 8192,
    RECENT_MAX = 1024,
    LATE_MS = 300,    /* a message is carried so late at most */
    SPREAD_MS = 1000, /* copies are spread over so long */
    COPIES_PERCENT = 30,
    TOPIC_BYTES = 512,
    TURN_MS = 100,
};

static const char *const filters[] = {
    "relay/+/+/+/telemetry", "ph/v1/+/+/+/telemetry", "ph/v1/+/+/+/ack"};

struct message {
    char topic[TOPIC_BYTES];
    char *payload; /* NULL: no message */
    size_t len;
    int64_t due_ms;
};

struct relay {
    struct ph_mqtt *mqtt;
    uint64_t random;
    int64_t unconfirmed;
    int64_t unconfirmed_max;
    struct message pending[PENDING_MAX];
    struct message recent[RECENT_MAX]; /* a ring */
    size_t recent_next;
    char line[256]; /* of standard input, what has come of it */
    size_t line_len;
};

static uint32_t dice(struct relay *relay, uint32_t sides)
{
    relay->random ^= relay->random << 13;
    relay->random ^= relay->random >> 7;
    relay->random ^= relay->random << 17;
    return (uint32_t)(relay->random >> 32) % sides;
}

static void message_fini(struct message *message)
{
    free(message->payload);
    message->payload = NULL;
}

static void message_set(
    struct message *message, const char *topic, const void *payload, size_t len, int64_t due_ms)
{
    message_fini(message);
    message->payload = malloc(len + 1);
    if (message->payload == NULL) {
        return;
    }
    (void)snprintf(message->topic, sizeof message->topic, "%s", topic);
    memcpy(message->payload, payload, len);
    message->len = len;
    message->due_ms = due_ms;
}

/* Without a free place it is lost, which is what networks do. */
static void send_later(
    struct relay *relay, const char *topic, const void *payload, size_t len, int64_t due_ms)
{
    for (size_t i = 0; i < PENDING_MAX; i++) {
        if (relay->pending[i].payload == NULL) {
            message_set(&relay->pending[i], topic, payload, len, due_ms);
            return;
        }
    }
}

static void carry(struct relay *relay, const struct ph_mqtt_event *event)
{
    char topic[TOPIC_BYTES];
    int64_t now_ms = ph_clock_monotonic_ms();
    int len = snprintf(topic, sizeof topic, "ph/v1/%s", event->topic + strlen("relay/"));
    if (len >= (int)sizeof topic) {
        return;
    }
    do {
        send_later(relay, topic, event->payload, event->payload_len,
            now_ms + (int64_t)dice(relay, LATE_MS));
    } while (dice(relay, 100) < COPIES_PERCENT);
}

/* Whether the device of the topic sent it, and not this program. */
static bool is_original(const struct ph_mqtt_event *event)
{
    const char *device = event->topic + strlen("ph/v1/");
    size_t len = strlen(device) - strlen("/telemetry");
    for (size_t i = 0; i < event->property_count; i++) {
        const char *identity = strchr(event->properties[i].value, ':');
        if (strcmp(event->properties[i].name, "ph-identity") == 0 && identity != NULL) {
            return strncmp(identity + 1, device, len) == 0 && identity[1 + len] == '\0';
        }
    }
    return false;
}

static void remember(struct relay *relay, const struct ph_mqtt_event *event)
{
    if (is_original(event) && strlen(event->topic) < TOPIC_BYTES) {
        message_set(&relay->recent[relay->recent_next], event->topic, event->payload,
            event->payload_len, 0);
        relay->recent_next = (relay->recent_next + 1) % RECENT_MAX;
    }
}

static void repeat(struct relay *relay, long count)
{
    int64_t now_ms = ph_clock_monotonic_ms();
    for (long i = 0; i < count; i++) {
        const struct message *copy = &relay->recent[dice(relay, RECENT_MAX)];
        if (copy->payload != NULL) {
            send_later(relay, copy->topic, copy->payload, copy->len,
                now_ms + (int64_t)dice(relay, SPREAD_MS));
        }
    }
}

static void say_acknowledged(const struct ph_mqtt_event *event)
{
    struct ph_ack ack;
    struct ph_error error = {0};
    const char *device = event->topic + strlen("ph/v1/");
    if (ph_ack_parse(event->payload, event->payload_len, &ack, &error) != PH_OK) {
        ph_log_error(PH_LOG_ERROR, "an acknowledgement cannot be read", &error);
        return;
    }
    printf("ack %.*s %016" PRIx64 " %" PRId64 "\n", (int)(strlen(device) - strlen("/ack")), device,
        ack.stream, ack.through);
    (void)fflush(stdout);
}

static void take_message(struct relay *relay, const struct ph_mqtt_event *event)
{
    size_t len = strlen(event->topic);
    if (strncmp(event->topic, "relay/", strlen("relay/")) == 0) {
        carry(relay, event);
    } else if (len > 4 && strcmp(event->topic + len - 4, "/ack") == 0) {
        say_acknowledged(event);
    } else {
        remember(relay, event);
    }
}

static enum ph_err subscribe(struct relay *relay, struct ph_error *error)
{
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        int token = 0;
        enum ph_err err = ph_mqtt_subscribe(relay->mqtt, filters[i], 1, &token, error);
        if (err != PH_OK && err != PH_ERR_UNAVAILABLE) {
            return err;
        }
    }
    ph_error_clear(error);
    return PH_OK;
}

static enum ph_err take_event(
    struct relay *relay, const struct ph_mqtt_event *event, struct ph_error *error)
{
    switch (event->type) {
    case PH_MQTT_CONNECTED:
        relay->unconfirmed = 0;
        relay->unconfirmed_max = event->receive_maximum;
        return subscribe(relay, error);
    case PH_MQTT_SUBSCRIBED:
        if (event->reason_code >= 0x80) {
            return ph_error_set(error, PH_ERR_DENIED,
                "the broker refuses a subscription (reason 0x%02x); see its policy",
                (unsigned)event->reason_code);
        }
        break;
    case PH_MQTT_PUBLISHED:
    case PH_MQTT_PUBLISH_FAILED:
        relay->unconfirmed--;
        break;
    case PH_MQTT_MESSAGE:
        take_message(relay, event);
        break;
    case PH_MQTT_DISCONNECTED:
    case PH_MQTT_REFUSED:
        ph_log(PH_LOG_INFO, "not connected", PH_STR("reason", event->text));
        break;
    }
    return PH_OK;
}

static enum ph_err take_events(struct relay *relay, struct ph_error *error)
{
    bool have = true;
    while (have) {
        struct ph_mqtt_event event = {0};
        enum ph_err err = ph_mqtt_next(relay->mqtt, 0, &event, &have, error);
        if (err == PH_OK && have) {
            err = take_event(relay, &event, error);
            ph_mqtt_event_fini(&event);
        }
        if (err != PH_OK) {
            return err;
        }
    }
    return PH_OK;
}

/* Sends what is due; says how long the next can wait. */
static int64_t send_due(struct relay *relay)
{
    int64_t now_ms = ph_clock_monotonic_ms();
    int64_t wait_ms = TURN_MS;
    for (size_t i = 0; i < PENDING_MAX; i++) {
        struct message *message = &relay->pending[i];
        int token = 0;
        if (message->payload == NULL) {
            continue;
        }
        if (message->due_ms > now_ms || relay->unconfirmed >= relay->unconfirmed_max) {
            int64_t left_ms = message->due_ms > now_ms ? message->due_ms - now_ms : TURN_MS;
            wait_ms = left_ms < wait_ms ? left_ms : wait_ms;
            continue;
        }
        if (ph_mqtt_publish(relay->mqtt, message->topic, message->payload, message->len, 1, false,
                &token, NULL) == PH_OK) {
            relay->unconfirmed++;
        }
        message_fini(message);
    }
    return wait_ms;
}

static void take_line(struct relay *relay)
{
    long count = 0;
    if (sscanf(relay->line, "repeat %ld", &count) == 1) {
        repeat(relay, count);
    }
}

/* False at the end of standard input. */
static bool take_input(struct relay *relay)
{
    ssize_t len =
        read(STDIN_FILENO, relay->line + relay->line_len, sizeof relay->line - 1 - relay->line_len);
    if (len <= 0) {
        return false;
    }
    relay->line_len += (size_t)len;
    relay->line[relay->line_len] = '\0';
    for (char *end = strchr(relay->line, '\n'); end != NULL; end = strchr(relay->line, '\n')) {
        *end = '\0';
        take_line(relay);
        relay->line_len -= (size_t)(end + 1 - relay->line);
        memmove(relay->line, end + 1, relay->line_len + 1);
    }
    return relay->line_len + 1 < sizeof relay->line;
}

static enum ph_err serve(struct relay *relay, struct ph_error *error)
{
    struct pollfd fds[] = {
        {.fd = STDIN_FILENO, .events = POLLIN}, {.fd = ph_mqtt_fd(relay->mqtt), .events = POLLIN}};
    for (;;) {
        enum ph_err err = take_events(relay, error);
        if (err != PH_OK) {
            return err;
        }
        int64_t wait_ms = send_due(relay);
        if (poll(fds, 2, (int)wait_ms) > 0 && fds[0].revents != 0 && !take_input(relay)) {
            return PH_OK;
        }
    }
}

static enum ph_err connect_relay(
    const struct ph_cli *cli, struct relay *relay, struct ph_error *error)
{
    const char *certs = ph_cli_value(cli, "certs");
    int64_t port = 0;
    char file[3][TOPIC_BYTES];
    static const char *const names[] = {"ca.pem", "cert.pem", "key.pem"};
    enum ph_err err = ph_cli_int64(cli, "port", 1, UINT16_MAX, 8883, &port, error);
    if (err != PH_OK) {
        return err;
    }
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(file[i], sizeof file[i], "%s/%s", certs == NULL ? "." : certs, names[i]);
    }
    const struct ph_mqtt_options options = {
        .host = "localhost",
        .port = (uint16_t)port,
        .client_id = ph_cli_value(cli, "name"),
        .ca_file = file[0],
        .cert_file = file[1],
        .key_file = file[2],
        .keep_alive_s = 30,
        .clean_start = true,
        .queue_bytes = 16 << 20,
        .backoff_min_ms = 20,
        .backoff_max_ms = 100,
        .backoff_refused_ms = 200,
    };
    err = ph_mqtt_new(&options, &relay->mqtt, error);
    return err == PH_OK ? ph_mqtt_start(relay->mqtt, error) : err;
}

static enum ph_err run(const struct ph_cli *cli, struct ph_error *error)
{
    int64_t seed = 0;
    struct relay *relay = NULL;
    enum ph_err err = ph_cli_int64(cli, "seed", 1, INT64_MAX, 1, &seed, error);
    if (err != PH_OK) {
        return err;
    }
    relay = calloc(1, sizeof *relay);
    if (relay == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "out of memory");
    }
    relay->random = (uint64_t)seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    err = connect_relay(cli, relay, error);
    if (err == PH_OK) {
        err = serve(relay, error);
    }
    ph_mqtt_free(&relay->mqtt);
    for (size_t i = 0; i < PENDING_MAX; i++) {
        message_fini(&relay->pending[i]);
    }
    for (size_t i = 0; i < RECENT_MAX; i++) {
        message_fini(&relay->recent[i]);
    }
    free(relay);
    return err;
}

static const struct ph_cli_option options[] = {
    {"certs", "DIR", "folder with cert.pem, key.pem and ca.pem (default: this one)"},
    {"name", "ID", "client id"},
    {"port", "N", "the broker's port on localhost (default 8883)"},
    {"seed", "N", "seed of delays and copies (default 1)"},
    {0},
};

static const struct ph_cli_command commands[] = {
    {NULL, NULL, 0, 0, "Reorder and repeat what devices send; say what is acknowledged.", options,
        run},
    {0},
};

static const struct ph_cli_program program = {
    .name = "ph-chaos-relay",
    .summary = "Reordered and repeated delivery for tests/chaos.",
    .commands = commands,
};

int main(int argc, char **argv)
{
    return ph_cli_main(&program, argc, argv);
}
