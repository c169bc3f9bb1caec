/* neighbours: one device floods while others publish once a second; how late their messages are.
 * Flood, neighbours and subscriber have a thread each. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"
#include "members.h"

enum { FLOOD_BYTES = 1000, SECOND_NS = 1000000000 };

struct neighbours {
    struct ph_target target;
    int64_t count;
    int64_t seconds;
    bool quiet; /* without the flood */
    bool qos0;
    atomic_bool over;
    struct ph_error errors[3];

    atomic_llong flood_sent;
    atomic_llong flood_reconnects;
    atomic_llong sent;
    int64_t *latencies;
    size_t latency_count;
    size_t latency_max;
    int64_t flood_received;
};

static enum ph_err open_group(struct ph_members *group, struct ph_error *error)
{
    enum ph_err err = ph_bench_client_loop_new(&group->loop, error);
    if (err == PH_OK) {
        err = ph_members_open(group, error);
    }
    return err == PH_OK ? ph_members_connect(group, 30000, error) : err;
}

static void close_group(struct ph_members *group)
{
    ph_members_close(group);
    ph_bench_client_loop_free(&group->loop);
}

/* ---- the flood: device 0, which comes back at once when it is thrown out ---- */

static void *run_flood(void *context)
{
    struct neighbours *run = context;
    char payload[FLOOD_BYTES];
    struct ph_members group = {.pki = run->target.pki, .port = run->target.port, .count = 1};
    memset(payload, 'f', sizeof payload);
    enum ph_err err = open_group(&group, &run->errors[0]);
    while (err == PH_OK && !atomic_load(&run->over)) {
        struct ph_member *member = &group.members[0];
        if (member->closed_ns != 0) {
            member->closed_ns = 0;
            member->sent = member->confirmed = 0;
            atomic_fetch_add(&run->flood_reconnects, 1);
            err = ph_bench_client_connect(member->client, &run->errors[0]);
        }
        while (member->connected && (run->qos0 || member->sent - member->confirmed < 20) &&
               ph_bench_client_publish(
                   member->client, member->topic, payload, sizeof payload, run->qos0 ? 0 : 1)) {
            member->sent++;
            atomic_fetch_add(&run->flood_sent, 1);
        }
        ph_bench_client_loop_run(group.loop, 100);
    }
    close_group(&group);
    return NULL;
}

/* ---- the neighbours, each once a second at its own moment ---- */

static void publish_due(struct ph_members *group, struct neighbours *run)
{
    for (size_t i = 0; i < group->count; i++) {
        struct ph_member *member = &group->members[i];
        char payload[64];
        if (ph_now_ns() < member->due_ns) {
            continue;
        }
        int len = snprintf(payload, sizeof payload, "n%" PRId64, member->due_ns);
        if (ph_bench_client_publish(member->client, member->topic, payload, (size_t)len, 1)) {
            atomic_fetch_add(&run->sent, 1);
        }
        member->due_ns += SECOND_NS;
    }
}

static void *run_neighbours(void *context)
{
    struct neighbours *run = context;
    struct ph_members group = {
        .pki = run->target.pki, .port = run->target.port, .first = 1, .count = (size_t)run->count};
    enum ph_err err = open_group(&group, &run->errors[1]);
    int64_t start_ns = ph_now_ns() + SECOND_NS;
    int64_t end_ns = start_ns + run->seconds * SECOND_NS;
    for (size_t i = 0; err == PH_OK && i < group.count; i++) {
        group.members[i].due_ns = start_ns + (int64_t)i * SECOND_NS / run->count;
    }
    while (err == PH_OK && ph_now_ns() < end_ns && group.closed == 0) {
        publish_due(&group, run);
        ph_bench_client_loop_run(group.loop, 1);
    }
    if (err == PH_OK && group.closed > 0) {
        (void)ph_error_set(&run->errors[1], PH_ERR_UNAVAILABLE, "a neighbour was disconnected");
    }
    close_group(&group);
    return NULL;
}

/* ---- the subscriber ---- */

static void on_message(struct ph_member *member, const struct ph_bench_client_message *message)
{
    struct neighbours *run = member->group->context;
    char text[32] = "";
    const char *payload = message->payload;
    if (message->payload_len == 0 || payload[0] != 'n' || message->payload_len >= sizeof text) {
        run->flood_received++;
        return;
    }
    memcpy(text, payload + 1, message->payload_len - 1);
    if (run->latency_count < run->latency_max) {
        run->latencies[run->latency_count++] = ph_now_ns() - strtoll(text, NULL, 10);
    }
}

struct subscriber {
    struct neighbours *run;
    struct ph_members group;
};

static void *run_subscriber(void *context)
{
    struct subscriber *subscriber = context;
    while (!atomic_load(&subscriber->run->over)) {
        ph_bench_client_loop_run(subscriber->group.loop, 50);
    }
    return NULL;
}

static void print_result(struct neighbours *run)
{
    ph_sort_ns(run->latencies, run->latency_count);
    printf("{\"sent\":%lld,\"received\":%zu,\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f,"
           "\"flood_sent\":%lld,\"flood_received\":%" PRId64 ",\"flood_reconnects\":%lld}\n",
        atomic_load(&run->sent), run->latency_count,
        (double)ph_quantile_ns(run->latencies, run->latency_count, 500) / 1e6,
        (double)ph_quantile_ns(run->latencies, run->latency_count, 990) / 1e6,
        (double)ph_quantile_ns(run->latencies, run->latency_count, 1000) / 1e6,
        atomic_load(&run->flood_sent), run->flood_received, atomic_load(&run->flood_reconnects));
}

static bool start_thread(pthread_t *thread, void *(*work)(void *), void *context)
{
    return pthread_create(thread, NULL, work, context) == 0;
}

static enum ph_err run_all(struct neighbours *run, struct ph_error *error)
{
    pthread_t threads[3];
    struct subscriber subscriber = {.run = run,
        .group = {.pki = run->target.pki,
            .port = run->target.port,
            .subscribers = true,
            .count = 1,
            .message = on_message,
            .context = run}};
    enum ph_err err = open_group(&subscriber.group, error);
    if (err == PH_OK) {
        bool listening = start_thread(&threads[0], run_subscriber, &subscriber);
        bool flooding = listening && !run->quiet && start_thread(&threads[1], run_flood, run);
        bool talking = listening && start_thread(&threads[2], run_neighbours, run);
        if (talking) {
            (void)pthread_join(threads[2], NULL);
        }
        struct timespec late = {.tv_sec = 2}; /* what is still on its way */
        (void)nanosleep(&late, NULL);
        atomic_store(&run->over, true);
        if (flooding) {
            (void)pthread_join(threads[1], NULL);
        }
        if (listening) {
            (void)pthread_join(threads[0], NULL);
        }
    }
    close_group(&subscriber.group);
    for (size_t i = 0; err == PH_OK && i < 3; i++) {
        if (run->errors[i].code != PH_OK) {
            err = ph_error_set(error, run->errors[i].code, "%s", run->errors[i].message);
        }
    }
    return err;
}

enum ph_err ph_cmd_neighbours(const struct ph_cli *cli, struct ph_error *error)
{
    static struct neighbours run;
    enum ph_err err = ph_target_read(cli, &run.target, error);
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "neighbours", 1, 1000, 20, &run.count, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "seconds", 1, 3600, 20, &run.seconds, error);
    }
    if (err != PH_OK) {
        return err;
    }
    run.quiet = ph_cli_has(cli, "quiet");
    run.qos0 = ph_cli_has(cli, "qos0");
    run.latency_max = (size_t)(run.count * (run.seconds + 2));
    run.latencies = calloc(run.latency_max, sizeof *run.latencies);
    err = run.latencies != NULL ? run_all(&run, error)
                                : ph_error_set(error, PH_ERR_MEMORY, "latencies: out of memory");
    if (err == PH_OK) {
        print_result(&run);
    }
    free(run.latencies);
    return err;
}

const struct ph_cli_option ph_cmd_neighbours_options[] = {
    PH_TARGET_OPTIONS,
    {"neighbours", "N", "devices that publish once a second (20)"},
    {"seconds", "N", "how long (20)"},
    {"quiet", NULL, "without the flood"},
    {"qos0", NULL,
        "flood at QoS 0, which nothing but the socket holds back; else QoS 1, 20 unconfirmed"},
    {0},
};
