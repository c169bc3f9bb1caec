/* stall: replaces a CRL, as cut-off does, and watches how long the broker keeps the others waiting
 * meanwhile: each of them publishes so often, and waits for its PUBACK. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "measure.h"
#include "members.h"

#define MILLISECOND_NS INT64_C(1000000)

struct stall {
    struct ph_target target;
    int64_t seconds; /* before the rename, and after it */
    int64_t interval_ns;
    const char *from;
    const char *to;
    bool reload;
    struct ph_members group; /* the first is on the new CRL */
    int64_t *times;          /* of the phase */
    size_t count;
    size_t max;
};

static void on_event(struct ph_member *member, enum ph_bench_client_event event, unsigned reason)
{
    (void)reason;
    struct stall *run = member->group->context;
    if (event == PH_BENCH_CONFIRMED && run->count < run->max) {
        run->times[run->count++] = ph_now_ns() - member->due_ns;
    }
}

/* One message at a time: what was due meanwhile is one late message, not many. */
static void publish_due(struct stall *run, struct ph_member *member, int64_t now_ns)
{
    if (!member->connected || member->sent > member->confirmed ||
        now_ns < member->due_ns + run->interval_ns) {
        return;
    }
    member->due_ns = now_ns;
    if (ph_bench_client_publish(member->client, member->topic, "x", 1, 1)) {
        member->sent++;
    }
}

static void watch(struct stall *run, int64_t until_ns)
{
    run->count = 0;
    for (int64_t now_ns = ph_now_ns(); now_ns < until_ns; now_ns = ph_now_ns()) {
        for (size_t i = 1; i < run->group.count; i++) {
            publish_due(run, &run->group.members[i], now_ns);
        }
        ph_bench_client_loop_run(run->group.loop, 1);
    }
}

static void print_phase(struct stall *run, const char *name)
{
    ph_sort_ns(run->times, run->count);
    printf("\"%s_p50_ms\":%.2f,\"%s_p99_ms\":%.2f,\"%s_max_ms\":%.2f,", name,
        (double)ph_quantile_ns(run->times, run->count, 500) / 1e6, name,
        (double)ph_quantile_ns(run->times, run->count, 990) / 1e6, name,
        (double)ph_quantile_ns(run->times, run->count, 1000) / 1e6);
}

static enum ph_err measure(struct stall *run, struct ph_error *error)
{
    const struct ph_member *revoked = &run->group.members[0];
    watch(run, ph_now_ns() + run->seconds * 1000 * MILLISECOND_NS);
    printf("{");
    print_phase(run, "calm");
    int64_t start_ns = ph_now_ns();
    if (rename(run->from, run->to) != 0 || (run->reload && kill(run->target.broker, SIGHUP) != 0)) {
        return ph_error_set_errno(error, errno, "%s", run->to);
    }
    watch(run, start_ns + run->seconds * 1000 * MILLISECOND_NS);
    print_phase(run, "reload");
    printf("\"valid_lost\":%zu,\"cut_off_ms\":%.1f}\n",
        run->group.closed - (revoked->closed_ns != 0 ? 1 : 0),
        revoked->closed_ns != 0 ? (double)(revoked->closed_ns - start_ns) / 1e6 : -1.0);
    return PH_OK;
}

static enum ph_err read_options(const struct ph_cli *cli, struct stall *run, struct ph_error *error)
{
    int64_t others = 0;
    enum ph_err err = ph_target_read(cli, &run->target, error);
    run->from = ph_cli_value(cli, "from");
    run->to = ph_cli_value(cli, "to");
    run->reload = ph_cli_has(cli, "reload");
    run->interval_ns = 5 * MILLISECOND_NS;
    if (err == PH_OK && (run->from == NULL || run->to == NULL)) {
        err = ph_error_set(error, PH_ERR_USAGE, "--from and --to: needed");
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "others", 1, 1000, 10, &others, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "seconds", 1, 600, 5, &run->seconds, error);
    }
    run->group.count = (size_t)(1 + others);
    run->max = (size_t)(others * run->seconds * 1000);
    return err;
}

enum ph_err ph_cmd_stall(const struct ph_cli *cli, struct ph_error *error)
{
    static struct stall run;
    enum ph_err err = read_options(cli, &run, error);
    if (err != PH_OK) {
        return err;
    }
    run.times = calloc(run.max, sizeof *run.times);
    if (run.times == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "times: out of memory");
    }
    err = ph_bench_client_loop_new(&run.group.loop, error);
    run.group.pki = run.target.pki;
    run.group.port = run.target.port;
    run.group.event = on_event;
    run.group.context = &run;
    if (err == PH_OK) {
        err = ph_members_open(&run.group, error);
    }
    if (err == PH_OK) {
        err = ph_members_connect(&run.group, 30000, error);
    }
    if (err == PH_OK) {
        err = measure(&run, error);
    }
    ph_members_close(&run.group);
    ph_bench_client_loop_free(&run.group.loop);
    free(run.times);
    return err;
}

const struct ph_cli_option ph_cmd_stall_options[] = {
    PH_TARGET_OPTIONS,
    {"others", "N", "devices d-1, d-2, ... that publish every 5 ms (10)"},
    {"seconds", "N", "watch so long before the CRL is replaced, and after (5)"},
    {"from", "FILE", "the new CRL, which has d-0"},
    {"to", "FILE", "what it replaces, atomically"},
    {"reload", NULL, "then send the broker SIGHUP"},
    {0},
};
