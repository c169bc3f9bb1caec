#include "members.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"

enum { HANDSHAKES_AT_ONCE = 16 };

static void on_event(struct ph_bench_client *client, void *context,
    enum ph_bench_client_event event, unsigned reason)
{
    struct ph_member *member = context;
    struct ph_members *group = member->group;
    switch (event) {
    case PH_BENCH_CONNECTED:
        member->reason = reason;
        member->connected = reason < 0x80;
        group->connected += member->connected ? 1 : 0;
        group->refused += member->connected ? 0 : 1;
        if (member->connected && group->subscribers) {
            ph_bench_client_subscribe(client, PH_MEMBERS_FILTER, 1);
        }
        break;
    case PH_BENCH_SUBSCRIBED:
        member->reason = reason;
        member->subscribed = reason < 0x80;
        group->subscribed += member->subscribed ? 1 : 0;
        group->refused += member->subscribed ? 0 : 1;
        break;
    case PH_BENCH_CONFIRMED:
        member->confirmed++;
        break;
    case PH_BENCH_DISCONNECTED:
        member->reason = reason;
        break;
    case PH_BENCH_CLOSED:
        group->connected -= member->connected ? 1 : 0;
        member->connected = false;
        member->subscribed = false;
        member->closed_ns = ph_now_ns();
        group->closed++;
        break;
    }
    if (group->event != NULL) {
        group->event(member, event, reason);
    }
}

static void on_message(
    struct ph_bench_client *client, void *context, const struct ph_bench_client_message *message)
{
    (void)client;
    struct ph_member *member = context;
    if (member->group->message != NULL) {
        member->group->message(member, message);
    }
}

static const struct ph_bench_client_handlers handlers = {on_event, on_message};

static enum ph_err make_member(struct ph_members *group, size_t i, struct ph_error *error)
{
    char folder[512];
    char id[64];
    struct ph_member *member = &group->members[i];
    member->group = group;
    member->index = group->first + i;
    if (group->subscribers) {
        (void)snprintf(folder, sizeof folder, "%s/certs/ingest", group->pki);
        (void)snprintf(id, sizeof id, "acme/service/ingest");
    } else {
        (void)snprintf(folder, sizeof folder, "%s/certs/d-%zu", group->pki, member->index);
        (void)snprintf(id, sizeof id, "acme/thermostat/d-%zu", member->index);
    }
    (void)snprintf(member->topic, sizeof member->topic, "ph/v1/%s/telemetry", id);
    const struct ph_bench_client_options options = {folder, id, group->port, &handlers, member};
    return ph_bench_client_new(group->loop, &options, &member->client, error);
}

enum ph_err ph_members_open(struct ph_members *group, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    group->members = calloc(group->count, sizeof *group->members);
    if (group->members == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "members: out of memory");
    }
    for (size_t i = 0; i < group->count && err == PH_OK; i++) {
        err = make_member(group, i, error);
    }
    if (err != PH_OK) {
        ph_members_close(group);
    }
    return err;
}

void ph_members_close(struct ph_members *group)
{
    for (size_t i = 0; group->members != NULL && i < group->count; i++) {
        ph_bench_client_free(&group->members[i].client);
    }
    free(group->members);
    group->members = NULL;
}

static enum ph_err first_refusal(const struct ph_members *group, struct ph_error *error)
{
    for (size_t i = 0; i < group->count; i++) {
        if (group->members[i].reason >= 0x80) {
            return ph_error_set(error, PH_ERR_DENIED, "%s: refused with reason 0x%02x",
                group->members[i].topic, group->members[i].reason);
        }
    }
    return ph_error_set(error, PH_ERR_UNAVAILABLE,
        "port %d: %zu connections closed while connecting", group->port, group->closed);
}

enum ph_err ph_members_connect(struct ph_members *group, int64_t timeout_ms, struct ph_error *error)
{
    int64_t deadline_ns = ph_now_ns() + timeout_ms * 1000000;
    size_t started = 0;
    enum ph_err err = PH_OK;
    const size_t *ready = group->subscribers ? &group->subscribed : &group->connected;
    while (err == PH_OK && *ready < group->count) {
        while (err == PH_OK && started < group->count &&
               started - group->connected < HANDSHAKES_AT_ONCE) {
            err = ph_bench_client_connect(group->members[started].client, error);
            started++;
        }
        ph_bench_client_loop_run(group->loop, 100);
        if (err == PH_OK && (group->refused > 0 || group->closed > 0)) {
            err = first_refusal(group, error);
        }
        if (err == PH_OK && ph_now_ns() > deadline_ns) {
            err = ph_error_set(error, PH_ERR_UNAVAILABLE, "port %d: %zu of %zu connected in time",
                group->port, *ready, group->count);
        }
    }
    return err;
}

enum ph_err ph_target_read(const struct ph_cli *cli, struct ph_target *out, struct ph_error *error)
{
    int64_t port = 0;
    int64_t broker = 0;
    enum ph_err err = ph_cli_int64(cli, "port", 1, 65535, 8883, &port, error);
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "broker", 1, INT32_MAX, 0, &broker, error);
    }
    if (err == PH_OK && broker == 0) {
        err = ph_error_set(error, PH_ERR_USAGE, "--broker: needed");
    }
    *out = (struct ph_target){
        ph_cli_has(cli, "pki") ? ph_cli_value(cli, "pki") : "pki", (int)port, (pid_t)broker};
    return err;
}
