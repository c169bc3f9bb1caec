/* ph-chaos-publisher PORT DEVICE INTERVAL_MS LEDGER: the device of the control, as people write it
 * with libmosquitto: QoS 1, connects again by itself, and keeps in memory what is not confirmed. It
 * is generous to itself: only what the broker has confirmed counts as captured (device/ledger.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <mosquitto.h>
#include <mqtt_protocol.h>

enum { KEEP_ALIVE_S = 10, RING = 1 << 16, LINE_BYTES = 256 };

struct reading {
    int mid;
    int64_t seq;
    int64_t time_ms;
};

struct publisher {
    struct mosquitto *mosquitto;
    int ledger;
    uint64_t stream; /* of this life of the process */
    int64_t seq;
    struct reading sent[RING]; /* by message id, which has 16 bits */
};

static volatile sig_atomic_t stopping;

static void stop(int number)
{
    (void)number;
    stopping = 1;
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void note(const struct publisher *publisher, const char *head, const struct reading *reading)
{
    char line[LINE_BYTES];
    int len =
        snprintf(line, sizeof line, "%s%" PRId64 " {\"t\":%" PRId64 ",\"value\":%" PRId64 "}\n",
            head, reading->time_ms, reading->time_ms, reading->seq);
    if (write(publisher->ledger, line, (size_t)len) != len) {
        perror("ledger");
        _exit(74);
    }
}

static void confirmed(struct mosquitto *mosquitto, void *context, int mid, int reason,
    const mosquitto_property *properties)
{
    struct publisher *publisher = context;
    const struct reading *reading = &publisher->sent[mid % RING];
    char head[64];
    (void)mosquitto;
    (void)properties;
    /* 0x10: nobody subscribes any more, which the broker confirms as well. */
    if (reason < 0x80 && reading->mid == mid) {
        (void)snprintf(head, sizeof head, "captured %016" PRIx64 " %" PRId64 " ", publisher->stream,
            reading->seq);
        note(publisher, head, reading);
    }
}

static void publish(struct publisher *publisher, const char *topic)
{
    char payload[LINE_BYTES];
    struct reading reading = {.seq = ++publisher->seq, .time_ms = now_ms()};
    int len = snprintf(payload, sizeof payload,
        "{\"stream\":\"%016" PRIx64 "\",\"seq\":%" PRId64 ",\"t\":%" PRId64 ",\"value\":%" PRId64
        "}",
        publisher->stream, reading.seq, reading.time_ms, reading.seq);
    note(publisher, "intend ", &reading);
    int result =
        mosquitto_publish(publisher->mosquitto, &reading.mid, topic, len, payload, 1, false);
    if (result == MOSQ_ERR_SUCCESS || result == MOSQ_ERR_NO_CONN) {
        publisher->sent[reading.mid % RING] = reading;
    }
}

/* One thread: the library's turns in between two readings. */
static void turn(struct publisher *publisher, int timeout_ms)
{
    int result = mosquitto_loop(publisher->mosquitto, timeout_ms, 1);
    if (result != MOSQ_ERR_SUCCESS) {
        (void)poll(NULL, 0, 50);
        (void)mosquitto_reconnect(publisher->mosquitto);
    }
}

static void serve(struct publisher *publisher, const char *topic, int interval_ms)
{
    struct timespec now;
    int64_t next_ms = 0;
    while (!stopping) {
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        int64_t at_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
        if (at_ms >= next_ms) {
            publish(publisher, topic);
            next_ms = at_ms + interval_ms;
        }
        turn(publisher, (int)(next_ms - at_ms));
    }
}

int main(int argc, char **argv)
{
    static struct publisher publisher;
    char topic[LINE_BYTES];
    if (argc != 5) {
        fprintf(stderr, "usage: ph-chaos-publisher PORT DEVICE INTERVAL_MS LEDGER\n");
        return 64;
    }
    (void)signal(SIGTERM, stop);
    (void)mosquitto_lib_init();
    (void)snprintf(topic, sizeof topic, "readings/%s", argv[2]);
    publisher.ledger = open(argv[4], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    publisher.mosquitto = mosquitto_new(argv[2], false, &publisher);
    if (publisher.ledger < 0 || publisher.mosquitto == NULL ||
        getrandom(&publisher.stream, sizeof publisher.stream, 0) != sizeof publisher.stream) {
        perror("ph-chaos-publisher");
        return 71;
    }
    (void)mosquitto_int_option(publisher.mosquitto, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    mosquitto_publish_v5_callback_set(publisher.mosquitto, confirmed);
    (void)mosquitto_connect(publisher.mosquitto, "127.0.0.1", atoi(argv[1]), KEEP_ALIVE_S);
    serve(&publisher, topic, atoi(argv[3]));
    (void)mosquitto_disconnect(publisher.mosquitto);
    mosquitto_destroy(publisher.mosquitto);
    (void)mosquitto_lib_cleanup();
    return 0;
}
