/* hold: what a connected client costs the broker in memory. */
#include <inttypes.h>
#include <stdio.h>

#include "measure.h"
#include "members.h"

static enum ph_err settle(struct ph_members *group, struct ph_error *error)
{
    int64_t until_ns = ph_now_ns() + 1000000000;
    while (ph_now_ns() < until_ns) {
        ph_bench_client_loop_run(group->loop, 100);
    }
    return group->closed == 0 ? PH_OK
                              : ph_error_set(error, PH_ERR_UNAVAILABLE, "%zu connections were lost",
                                    group->closed);
}

static enum ph_err measure(
    struct ph_members *group, const struct ph_target *target, struct ph_error *error)
{
    int64_t before = 0;
    int64_t after = 0;
    enum ph_err err = ph_process_rss_bytes(target->broker, &before, error);
    if (err == PH_OK) {
        err = ph_members_connect(group, 120000, error);
    }
    if (err == PH_OK) {
        err = settle(group, error);
    }
    if (err == PH_OK) {
        err = ph_process_rss_bytes(target->broker, &after, error);
    }
    if (err == PH_OK) {
        printf("{\"clients\":%zu,\"before_kb\":%.0f,\"after_kb\":%.0f,\"client_bytes\":%.0f}\n",
            group->count, (double)before / 1e3, (double)after / 1e3,
            (double)(after - before) / (double)group->count);
    }
    return err;
}

enum ph_err ph_cmd_hold(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_target target;
    struct ph_bench_client_loop *loop = NULL;
    int64_t clients = 0;
    enum ph_err err = ph_target_read(cli, &target, error);
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "clients", 1, 100000, 1000, &clients, error);
    }
    if (err == PH_OK) {
        err = ph_bench_client_loop_new(&loop, error);
    }
    if (err != PH_OK) {
        return err;
    }
    struct ph_members group = {
        .loop = loop, .pki = target.pki, .port = target.port, .count = (size_t)clients};
    err = ph_members_open(&group, error);
    if (err == PH_OK) {
        err = measure(&group, &target, error);
    }
    ph_members_close(&group);
    ph_bench_client_loop_free(&loop);
    return err;
}

const struct ph_cli_option ph_cmd_hold_options[] = {
    PH_TARGET_OPTIONS,
    {"clients", "N", "connected at once (1000)"},
    {0},
};
