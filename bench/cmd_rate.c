/* rate: publishers to one subscriber, and what the broker spends on each message. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "measure.h"
#include "members.h"

struct rate {
    struct ph_target target;
    int64_t publishers;
    int64_t messages;
    int64_t warm_up;
    int64_t window;
    int64_t payload_bytes;
    int64_t timeout_ms;
    char payload[4096];
    struct ph_members devices;
    struct ph_members ingest;
    int64_t goal; /* messages that may be sent by now */
    int64_t sent;
    int64_t confirmed;
    int64_t denied;
    int64_t received;
    int64_t properties_bytes; /* of the last message received */
};

static void publish(struct ph_member *member)
{
    struct rate *rate = member->group->context;
    while (rate->sent < rate->goal && member->sent - member->confirmed < rate->window &&
           ph_bench_client_publish(
               member->client, member->topic, rate->payload, (size_t)rate->payload_bytes, 1)) {
        member->sent++;
        rate->sent++;
    }
}

static void on_event(struct ph_member *member, enum ph_bench_client_event event, unsigned reason)
{
    struct rate *rate = member->group->context;
    if (event == PH_BENCH_CONFIRMED) {
        rate->confirmed++;
        rate->denied += reason >= 0x80 ? 1 : 0;
        publish(member);
    }
}

static void on_message(struct ph_member *member, const struct ph_bench_client_message *message)
{
    struct rate *rate = member->group->context;
    rate->received++;
    rate->properties_bytes = (int64_t)message->properties_len;
}

static enum ph_err run_until(struct rate *rate, int64_t goal, struct ph_error *error)
{
    int64_t deadline_ns = ph_now_ns() + rate->timeout_ms * 1000000;
    rate->goal = goal;
    for (size_t i = 0; i < rate->devices.count; i++) {
        publish(&rate->devices.members[i]);
    }
    while (rate->confirmed < goal || rate->received < goal) {
        ph_bench_client_loop_run(rate->devices.loop, 100);
        if (rate->denied > 0 || rate->devices.closed > 0 || rate->ingest.closed > 0) {
            return ph_error_set(error, PH_ERR_DENIED,
                "%" PRId64 " messages refused, %zu connections lost", rate->denied,
                rate->devices.closed + rate->ingest.closed);
        }
        if (ph_now_ns() > deadline_ns) {
            return ph_error_set(error, PH_ERR_UNAVAILABLE,
                "timeout: of %" PRId64 " messages %" PRId64 " confirmed, %" PRId64 " received",
                goal, rate->confirmed, rate->received);
        }
    }
    return PH_OK;
}

/* Whether access is controlled at all: the first device publishes to the second one's topic. */
static enum ph_err probe(struct rate *rate, bool *refused, struct ph_error *error)
{
    int64_t deadline_ns = ph_now_ns() + rate->timeout_ms * 1000000;
    if (!ph_bench_client_publish(rate->devices.members[0].client, rate->devices.members[1].topic,
            rate->payload, (size_t)rate->payload_bytes, 1)) {
        return ph_error_set(error, PH_ERR_UNAVAILABLE, "the first device is not connected");
    }
    while (rate->confirmed == 0 && rate->devices.closed == 0 && ph_now_ns() < deadline_ns) {
        ph_bench_client_loop_run(rate->devices.loop, 100);
    }
    *refused = rate->denied > 0 || rate->devices.closed > 0;
    while (!*refused && rate->received == 0 && ph_now_ns() < deadline_ns) {
        ph_bench_client_loop_run(rate->devices.loop, 100);
    }
    return PH_OK;
}

static enum ph_err measure(struct rate *rate, struct ph_error *error)
{
    int64_t cpu_start = 0;
    int64_t cpu_end = 0;
    enum ph_err err = run_until(rate, rate->warm_up, error);
    if (err == PH_OK) {
        err = ph_process_cpu_ns(rate->target.broker, &cpu_start, error);
    }
    int64_t start = ph_now_ns();
    if (err == PH_OK) {
        err = run_until(rate, rate->warm_up + rate->messages, error);
    }
    int64_t end = ph_now_ns();
    if (err == PH_OK) {
        err = ph_process_cpu_ns(rate->target.broker, &cpu_end, error);
    }
    if (err == PH_OK) {
        printf("{\"messages_per_s\":%.0f,\"broker_us\":%.4f,\"properties_bytes\":%" PRId64 "}\n",
            (double)rate->messages * 1e9 / (double)(end - start),
            (double)(cpu_end - cpu_start) / 1e3 / (double)rate->messages, rate->properties_bytes);
    }
    return err;
}

static enum ph_err read_options(const struct ph_cli *cli, struct rate *rate, struct ph_error *error)
{
    int64_t timeout_s = 0;
    enum ph_err err = ph_target_read(cli, &rate->target, error);
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "publishers", 2, 10000, 50, &rate->publishers, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "messages", 1, 100000000, 100000, &rate->messages, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "warm-up", 1, 100000000, 5000, &rate->warm_up, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "window", 1, 1000, 10, &rate->window, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(
            cli, "payload", 1, (int64_t)sizeof rate->payload, 160, &rate->payload_bytes, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "timeout", 1, 3600, 60, &timeout_s, error);
    }
    rate->timeout_ms = timeout_s * 1000;
    return err;
}

static enum ph_err connect_all(struct rate *rate, struct ph_error *error)
{
    enum ph_err err = ph_members_open(&rate->ingest, error);
    if (err == PH_OK) {
        err = ph_members_open(&rate->devices, error);
    }
    if (err == PH_OK) {
        err = ph_members_connect(&rate->ingest, rate->timeout_ms, error);
    }
    return err == PH_OK ? ph_members_connect(&rate->devices, rate->timeout_ms, error) : err;
}

enum ph_err ph_cmd_rate(const struct ph_cli *cli, struct ph_error *error)
{
    static struct rate rate;
    struct ph_bench_client_loop *loop = NULL;
    bool refused = false;
    enum ph_err err = read_options(cli, &rate, error);
    if (err == PH_OK) {
        err = ph_bench_client_loop_new(&loop, error);
    }
    if (err != PH_OK) {
        return err;
    }
    memset(rate.payload, 'x', sizeof rate.payload);
    rate.devices = (struct ph_members){.loop = loop,
        .pki = rate.target.pki,
        .port = rate.target.port,
        .count = (size_t)rate.publishers,
        .event = on_event,
        .context = &rate};
    rate.ingest = (struct ph_members){.loop = loop,
        .pki = rate.target.pki,
        .port = rate.target.port,
        .subscribers = true,
        .count = 1,
        .message = on_message,
        .context = &rate};
    err = connect_all(&rate, error);
    if (err == PH_OK && ph_cli_has(cli, "probe")) {
        err = probe(&rate, &refused, error);
        if (err == PH_OK) {
            printf("{\"refused\":%d}\n", refused);
        }
    } else if (err == PH_OK) {
        err = measure(&rate, error);
    }
    ph_members_close(&rate.devices);
    ph_members_close(&rate.ingest);
    ph_bench_client_loop_free(&loop);
    return err;
}

const struct ph_cli_option ph_cmd_rate_options[] = {
    PH_TARGET_OPTIONS,
    {"publishers", "N", "devices that publish (50)"},
    {"messages", "N", "messages that are measured (100000)"},
    {"warm-up", "N", "messages before them (5000)"},
    {"window", "N", "unconfirmed messages of one device (10)"},
    {"payload", "BYTES", "of one message (160)"},
    {"timeout", "SECONDS", "give up after (60)"},
    {"probe", NULL, "only tell whether a device may publish to another's topic"},
    {0},
};
