/* cut-off: from the rename of a CRL to the end of each connection that it revokes. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "measure.h"
#include "members.h"

struct cut_off {
    struct ph_target target;
    int64_t revoked; /* the first so many devices are on the new CRL */
    int64_t valid;   /* and so many others are not */
    int64_t limit_s;
    const char *from;
    const char *to;
    bool reload;
    struct ph_members group;
    size_t told; /* DISCONNECT with 0x98 */
};

static void on_event(struct ph_member *member, enum ph_bench_client_event event, unsigned reason)
{
    struct cut_off *run = member->group->context;
    if (event == PH_BENCH_DISCONNECTED && reason == 0x98) {
        run->told++;
    }
}

static void print_result(struct cut_off *run, int64_t start_ns, int64_t *times)
{
    size_t gone = 0;
    size_t valid_lost = 0;
    for (size_t i = 0; i < run->group.count; i++) {
        const struct ph_member *member = &run->group.members[i];
        if (member->closed_ns != 0 && i < (size_t)run->revoked) {
            times[gone++] = member->closed_ns - start_ns;
        } else if (member->closed_ns != 0) {
            valid_lost++;
        }
    }
    ph_sort_ns(times, gone);
    printf("{\"revoked\":%" PRId64 ",\"cut_off\":%zu,\"told\":%zu,\"valid_lost\":%zu,"
           "\"p50_ms\":%.1f,\"p99_ms\":%.1f,\"max_ms\":%.1f}\n",
        run->revoked, gone, run->told, valid_lost, (double)ph_quantile_ns(times, gone, 500) / 1e6,
        (double)ph_quantile_ns(times, gone, 990) / 1e6,
        (double)ph_quantile_ns(times, gone, 1000) / 1e6);
}

/* Replaces the file and waits until all are gone or the time is up, and then a second more for
 * those that should stay. */
static enum ph_err replace_crl(struct cut_off *run, struct ph_error *error)
{
    int64_t *times = calloc(run->group.count, sizeof *times);
    if (times == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "times: out of memory");
    }
    int64_t start_ns = ph_now_ns();
    int64_t deadline_ns = start_ns + run->limit_s * 1000000000;
    if (rename(run->from, run->to) != 0 || (run->reload && kill(run->target.broker, SIGHUP) != 0)) {
        free(times);
        return ph_error_set_errno(error, errno, "%s", run->to);
    }
    while (ph_now_ns() < deadline_ns) {
        bool all = run->group.closed >= (size_t)run->revoked;
        if (all && deadline_ns > ph_now_ns() + 1000000000) {
            deadline_ns = ph_now_ns() + 1000000000;
        }
        ph_bench_client_loop_run(run->group.loop, 10);
    }
    print_result(run, start_ns, times);
    free(times);
    return PH_OK;
}

static enum ph_err read_options(
    const struct ph_cli *cli, struct cut_off *run, struct ph_error *error)
{
    enum ph_err err = ph_target_read(cli, &run->target, error);
    run->from = ph_cli_value(cli, "from");
    run->to = ph_cli_value(cli, "to");
    run->reload = ph_cli_has(cli, "reload");
    if (err == PH_OK && (run->from == NULL || run->to == NULL)) {
        err = ph_error_set(error, PH_ERR_USAGE, "--from and --to: needed");
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "revoked", 1, 100000, 100, &run->revoked, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "valid", 0, 100000, 10, &run->valid, error);
    }
    return err == PH_OK ? ph_cli_int64(cli, "limit", 1, 600, 10, &run->limit_s, error) : err;
}

enum ph_err ph_cmd_cut_off(const struct ph_cli *cli, struct ph_error *error)
{
    static struct cut_off run;
    struct ph_bench_client_loop *loop = NULL;
    enum ph_err err = read_options(cli, &run, error);
    if (err == PH_OK) {
        err = ph_bench_client_loop_new(&loop, error);
    }
    if (err != PH_OK) {
        return err;
    }
    run.group = (struct ph_members){.loop = loop,
        .pki = run.target.pki,
        .port = run.target.port,
        .count = (size_t)(run.revoked + run.valid),
        .event = on_event,
        .context = &run};
    err = ph_members_open(&run.group, error);
    if (err == PH_OK) {
        err = ph_members_connect(&run.group, 60000, error);
    }
    if (err == PH_OK) {
        err = replace_crl(&run, error);
    }
    ph_members_close(&run.group);
    ph_bench_client_loop_free(&loop);
    return err;
}

const struct ph_cli_option ph_cmd_cut_off_options[] = {
    PH_TARGET_OPTIONS,
    {"revoked", "N", "devices, from the first on, that the new CRL revokes (100)"},
    {"valid", "N", "further devices, which it does not (10)"},
    {"from", "FILE", "the new CRL"},
    {"to", "FILE", "what it replaces, atomically"},
    {"reload", NULL, "then send the broker SIGHUP"},
    {"limit", "SECONDS", "wait so long for the revoked to be cut off (10)"},
    {0},
};
