/* enrol: devices that have nothing but a claim connect, ask for a certificate, and get it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "enrolling.h"
#include "measure.h"
#include "members.h"

struct enrol;

struct newcomer {
    struct enrol *run;
    struct ph_bench_client *client;
    struct ph_bench_ask ask;
    char asks[128];    /* topics */
    char answers[160]; /* its own, by the request's id */
    int64_t connect_ns;
    int64_t ask_ns;
    int64_t done_ns; /* 0: has no certificate yet */
};

struct enrol {
    struct ph_target target;
    struct ph_bench_client_loop *loop;
    struct newcomer *newcomers;
    int64_t count;
    int64_t claims;  /* c-0, c-1, ..., which the devices hold in turn */
    int64_t at_once; /* not more than so many on their way */
    int64_t first;   /* number of the first device */
    int64_t started;
    int64_t done;
    enum ph_err err; /* of the first that failed */
    struct ph_error error;
};

static void fail(struct newcomer *newcomer, enum ph_err err, const struct ph_error *why)
{
    struct enrol *run = newcomer->run;
    if (run->err == PH_OK) {
        run->err = ph_error_set(&run->error, err, "%s: %s", newcomer->asks, why->message);
    }
}

static void refused(struct newcomer *newcomer, const char *what, unsigned reason)
{
    struct ph_error why = {0};
    (void)ph_error_set(&why, PH_ERR_DENIED, "%s with reason 0x%02x", what, reason);
    fail(newcomer, PH_ERR_DENIED, &why);
}

static void send_ask(struct newcomer *newcomer)
{
    newcomer->ask_ns = ph_now_ns();
    if (!ph_bench_client_publish(
            newcomer->client, newcomer->asks, newcomer->ask.json.data, newcomer->ask.json.len, 1)) {
        refused(newcomer, "not sent", 0);
    }
}

static void on_event(struct ph_bench_client *client, void *context,
    enum ph_bench_client_event event, unsigned reason)
{
    struct newcomer *newcomer = context;
    if (event != PH_BENCH_CLOSED && reason >= 0x80) {
        refused(newcomer, "refused", reason);
        return;
    }
    switch (event) {
    case PH_BENCH_CONNECTED:
        ph_bench_client_subscribe(client, newcomer->answers, 1);
        break;
    case PH_BENCH_SUBSCRIBED:
        send_ask(newcomer);
        break;
    case PH_BENCH_CLOSED:
        if (newcomer->done_ns == 0) {
            refused(newcomer, "connection lost", reason);
        }
        break;
    case PH_BENCH_CONFIRMED:
    case PH_BENCH_DISCONNECTED:
        break;
    }
}

static void on_message(
    struct ph_bench_client *client, void *context, const struct ph_bench_client_message *message)
{
    struct newcomer *newcomer = context;
    struct ph_error error = {0};
    struct ph_buf certificate;
    ph_buf_init(&certificate, PH_LIMIT_CERTIFICATE_BYTES);
    enum ph_err err = ph_bench_answer_read(&newcomer->ask, message, &certificate, &error);
    if (err != PH_OK) {
        fail(newcomer, err, &error);
    } else {
        newcomer->done_ns = ph_now_ns();
        newcomer->run->done++;
        ph_bench_client_disconnect(client);
    }
    ph_buf_fini(&certificate);
}

static enum ph_err make_newcomer(struct enrol *run, int64_t i, struct ph_error *error)
{
    static const struct ph_bench_client_handlers handlers = {on_event, on_message};
    struct newcomer *newcomer = &run->newcomers[i];
    struct ph_identity identity = {.tenant = "acme", .kind = "thermostat"};
    char folder[512];
    char id[160];
    const int64_t claim = i % run->claims;
    newcomer->run = run;
    (void)snprintf(identity.device, sizeof identity.device, "e-%" PRId64, run->first + i);
    (void)snprintf(folder, sizeof folder, "%s/claims/c-%" PRId64, run->target.pki, claim);
    (void)snprintf(id, sizeof id, "acme/claim/c-%" PRId64 "/%s", claim, identity.device);
    (void)snprintf(
        newcomer->asks, sizeof newcomer->asks, "ph/v1/claim/acme/c-%" PRId64 "/enroll", claim);
    enum ph_err err = ph_bench_ask_make(&newcomer->ask, PH_ASK_ENROLL, &identity, NULL, error);
    (void)snprintf(newcomer->answers, sizeof newcomer->answers,
        "ph/v1/claim/acme/c-%" PRId64 "/certificate/%s", claim, newcomer->ask.id);
    const struct ph_bench_client_options options = {
        folder, id, run->target.port, &handlers, newcomer};
    return err == PH_OK ? ph_bench_client_new(run->loop, &options, &newcomer->client, error) : err;
}

static enum ph_err start_more(struct enrol *run, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    while (err == PH_OK && run->started < run->count && run->started - run->done < run->at_once) {
        struct newcomer *newcomer = &run->newcomers[run->started++];
        newcomer->connect_ns = ph_now_ns();
        err = ph_bench_client_connect(newcomer->client, error);
    }
    return err;
}

static enum ph_err enrol_all(struct enrol *run, struct ph_error *error)
{
    const int64_t deadline_ns = ph_now_ns() + INT64_C(240000000000);
    enum ph_err err = PH_OK;
    while (err == PH_OK && run->done < run->count) {
        err = start_more(run, error);
        ph_bench_client_loop_run(run->loop, 100);
        if (err == PH_OK && run->err != PH_OK) {
            err = ph_error_set(error, run->err, "%s", run->error.message);
        }
        if (err == PH_OK && ph_now_ns() > deadline_ns) {
            err = ph_error_set(error, PH_ERR_UNAVAILABLE,
                "timeout: %" PRId64 " of %" PRId64 " have a certificate", run->done, run->count);
        }
    }
    return err;
}

static double quantile_ms(const int64_t *sorted, int64_t count, unsigned permille)
{
    return (double)ph_quantile_ns(sorted, (size_t)count, permille) / 1e6;
}

static enum ph_err print_result(
    const struct enrol *run, int64_t took_ns, int64_t own_ns, struct ph_error *error)
{
    int64_t *whole = calloc((size_t)run->count, sizeof *whole);
    int64_t *answers = calloc((size_t)run->count, sizeof *answers);
    if (whole == NULL || answers == NULL) {
        free(whole);
        free(answers);
        return ph_error_set(error, PH_ERR_MEMORY, "times: out of memory");
    }
    for (int64_t i = 0; i < run->count; i++) {
        whole[i] = run->newcomers[i].done_ns - run->newcomers[i].connect_ns;
        answers[i] = run->newcomers[i].done_ns - run->newcomers[i].ask_ns;
    }
    ph_sort_ns(whole, (size_t)run->count);
    ph_sort_ns(answers, (size_t)run->count);
    printf("{\"devices\":%" PRId64 ",\"per_s\":%.1f,\"whole_p50_ms\":%.2f,\"whole_p99_ms\":%.2f,"
           "\"answer_p50_ms\":%.2f,\"answer_p99_ms\":%.2f,\"own_us\":%.0f}\n",
        run->count, (double)run->count * 1e9 / (double)took_ns, quantile_ms(whole, run->count, 500),
        quantile_ms(whole, run->count, 990), quantile_ms(answers, run->count, 500),
        quantile_ms(answers, run->count, 990), (double)own_ns / 1e3 / (double)run->count);
    free(whole);
    free(answers);
    return PH_OK;
}

static enum ph_err measure(struct enrol *run, struct ph_error *error)
{
    int64_t own[2] = {0};
    enum ph_err err = ph_process_cpu_ns(getpid(), &own[0], error);
    int64_t begun_ns = ph_now_ns();
    if (err == PH_OK) {
        err = enrol_all(run, error);
    }
    int64_t took_ns = ph_now_ns() - begun_ns;
    if (err == PH_OK) {
        err = ph_process_cpu_ns(getpid(), &own[1], error);
    }
    return err == PH_OK ? print_result(run, took_ns, own[1] - own[0], error) : err;
}

static enum ph_err make_all(struct enrol *run, struct ph_error *error)
{
    enum ph_err err = ph_bench_client_loop_new(&run->loop, error);
    run->newcomers = calloc((size_t)run->count, sizeof *run->newcomers);
    if (err == PH_OK && run->newcomers == NULL) {
        err = ph_error_set(error, PH_ERR_MEMORY, "devices: out of memory");
    }
    for (int64_t i = 0; err == PH_OK && i < run->count; i++) {
        err = make_newcomer(run, i, error);
    }
    return err;
}

static void free_all(struct enrol *run)
{
    for (int64_t i = 0; run->newcomers != NULL && i < run->count; i++) {
        ph_bench_client_free(&run->newcomers[i].client);
        ph_bench_ask_free(&run->newcomers[i].ask);
    }
    free(run->newcomers);
    ph_bench_client_loop_free(&run->loop);
}

enum ph_err ph_cmd_enrol(const struct ph_cli *cli, struct ph_error *error)
{
    struct enrol run = {0};
    enum ph_err err = ph_target_read(cli, &run.target, error);
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "devices", 1, 100000, 1000, &run.count, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "claims", 1, 100000, 1, &run.claims, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "at-once", 1, 100000, 16, &run.at_once, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "first", 0, INT32_MAX, 0, &run.first, error);
    }
    if (err != PH_OK) {
        return err;
    }
    err = make_all(&run, error);
    if (err == PH_OK) {
        err = measure(&run, error);
    }
    free_all(&run);
    return err;
}

const struct ph_cli_option ph_cmd_enrol_options[] = {
    PH_TARGET_OPTIONS,
    {"devices", "N", "how many enrol (1000)"},
    {"first", "N", "number of the first of them (0)"},
    {"claims", "N", "claims c-0, c-1, ... of DIR/claims that they hold in turn (1)"},
    {"at-once", "N", "devices on their way at a time (16)"},
    {0},
};
