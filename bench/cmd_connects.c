/* connects: full handshakes, CONNECT, CONNACK, DISCONNECT, as many as the broker takes. */
#include <inttypes.h>
#include <stdio.h>

#include "measure.h"
#include "members.h"

struct connects {
    int64_t total;
    int64_t parallel;
    size_t next; /* whose turn it is */
    int64_t started;
    int64_t admitted;
    int64_t ended;
};

static void on_event(struct ph_member *member, enum ph_bench_client_event event, unsigned reason)
{
    struct connects *connects = member->group->context;
    if (event == PH_BENCH_CONNECTED && reason < 0x80) {
        connects->admitted++;
        ph_bench_client_disconnect(member->client);
    } else if (event == PH_BENCH_CLOSED) {
        connects->ended++;
        member->due_ns = 1;
    }
}

/* The members take turns; those on their way are passed over. */
static enum ph_err start_more(struct ph_members *group, struct ph_error *error)
{
    struct connects *connects = group->context;
    enum ph_err err = PH_OK;
    while (err == PH_OK && group->count > 0 && connects->started < connects->total &&
           connects->started - connects->ended < connects->parallel) {
        struct ph_member *member = &group->members[connects->next++ % group->count];
        if (member->due_ns != 0) {
            member->due_ns = 0;
            connects->started++;
            err = ph_bench_client_connect(member->client, error);
        }
    }
    return err;
}

static enum ph_err run(
    struct ph_members *group, int64_t total, int64_t timeout_ms, struct ph_error *error)
{
    struct connects *connects = group->context;
    int64_t deadline_ns = ph_now_ns() + timeout_ms * 1000000;
    enum ph_err err = PH_OK;
    connects->total = total;
    connects->started = connects->admitted = connects->ended = 0;
    while (err == PH_OK && connects->ended < total) {
        err = start_more(group, error);
        ph_bench_client_loop_run(group->loop, 100);
        if (err == PH_OK && ph_now_ns() > deadline_ns) {
            err = ph_error_set(error, PH_ERR_UNAVAILABLE,
                "timeout: %" PRId64 " of %" PRId64 " connections made", connects->ended, total);
        }
    }
    if (err == PH_OK && connects->admitted < total) {
        err = ph_error_set(error, PH_ERR_DENIED, "%" PRId64 " of %" PRId64 " connections refused",
            total - connects->admitted, total);
    }
    return err;
}

static enum ph_err measure(
    struct ph_members *group, const struct ph_target *target, int64_t count, struct ph_error *error)
{
    enum { TIMEOUT_MS = 120000 };
    int64_t cpu_start = 0;
    int64_t cpu_end = 0;
    for (size_t i = 0; i < group->count; i++) {
        group->members[i].due_ns = 1;
    }
    enum ph_err err = run(group, count / 10 + 1, TIMEOUT_MS, error); /* to warm up */
    if (err == PH_OK) {
        err = ph_process_cpu_ns(target->broker, &cpu_start, error);
    }
    int64_t start = ph_now_ns();
    if (err == PH_OK) {
        err = run(group, count, TIMEOUT_MS, error);
    }
    int64_t end = ph_now_ns();
    if (err == PH_OK) {
        err = ph_process_cpu_ns(target->broker, &cpu_end, error);
    }
    if (err == PH_OK) {
        printf("{\"connects_per_s\":%.1f,\"broker_us\":%.2f}\n",
            (double)count * 1e9 / (double)(end - start),
            (double)(cpu_end - cpu_start) / 1e3 / (double)count);
    }
    return err;
}

enum ph_err ph_cmd_connects(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_target target;
    struct connects connects = {0};
    struct ph_bench_client_loop *loop = NULL;
    int64_t devices = 0;
    int64_t count = 0;
    enum ph_err err = ph_target_read(cli, &target, error);
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "parallel", 1, 1000, 16, &connects.parallel, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "count", 1, 1000000, 2000, &count, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(
            cli, "devices", connects.parallel, 1000000, connects.parallel, &devices, error);
    }
    if (err == PH_OK) {
        err = ph_bench_client_loop_new(&loop, error);
    }
    if (err != PH_OK) {
        return err;
    }
    struct ph_members group = {.loop = loop,
        .pki = target.pki,
        .port = target.port,
        .count = (size_t)devices,
        .event = on_event,
        .context = &connects};
    err = ph_members_open(&group, error);
    if (err == PH_OK) {
        err = measure(&group, &target, count, error);
    }
    ph_members_close(&group);
    ph_bench_client_loop_free(&loop);
    return err;
}

const struct ph_cli_option ph_cmd_connects_options[] = {
    PH_TARGET_OPTIONS,
    {"parallel", "N", "connections on their way at once (16)"},
    {"count", "N", "connections that are measured (2000)"},
    {"devices", "N", "certificates that take turns (as many as --parallel)"},
    {0},
};
