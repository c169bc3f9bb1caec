/* renew: devices publish readings, then all of them renew within a given time, and go on. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/random.h"
#include "measure.h"
#include "renewer.h"
#include "x509/digest.h"

#define SECOND_NS INT64_C(1000000000)

enum {
    HANDSHAKES_AT_ONCE = 16,
    WARM_UP_S = 3,
    AFTER_S = 3,
    PATIENCE_S = 60,
    TRUST_BYTES = 1 << 16
};

struct storm {
    struct ph_renewers shared;
    struct ph_renewer *devices;
    int64_t count;
    int64_t before_s;
    int64_t storm_s;
    int64_t begin_ns; /* from here on acknowledgements count */
    int64_t storm_ns; /* from here on devices renew */
    int64_t end_ns;   /* all of them have */
    int64_t own_ns;   /* CPU time of this process during the storm */
};

/* ---- the run ---- */

static void turn(struct storm *storm)
{
    const int64_t now_ns = ph_now_ns();
    for (int64_t i = 0; i < storm->count; i++) {
        ph_renewer_turn(&storm->devices[i], now_ns);
    }
    ph_bench_client_loop_run(storm->shared.loop, 1);
}

static enum ph_err check(const struct storm *storm, struct ph_error *error)
{
    return storm->shared.err == PH_OK
               ? PH_OK
               : ph_error_set(error, storm->shared.err, "%s", storm->shared.error.message);
}

static enum ph_err connect_all(struct storm *storm, struct ph_error *error)
{
    const int64_t deadline_ns = ph_now_ns() + PATIENCE_S * SECOND_NS;
    int64_t started = 0;
    enum ph_err err = PH_OK;
    while (err == PH_OK && storm->shared.online < storm->count) {
        while (err == PH_OK && started < storm->count &&
               started - storm->shared.online < HANDSHAKES_AT_ONCE) {
            err = ph_renewer_connect(&storm->devices[started++], error);
        }
        turn(storm);
        if (err == PH_OK && ph_now_ns() > deadline_ns) {
            err = ph_error_set(error, PH_ERR_UNAVAILABLE, "%" PRId64 " of %" PRId64 " connected",
                storm->shared.online, storm->count);
        }
        err = err == PH_OK ? check(storm, error) : err;
    }
    return err;
}

/* Readings at regular moments, each device at its own; renewals at random ones. */
static void plan(struct storm *storm)
{
    const int64_t start_ns = ph_now_ns() + SECOND_NS;
    storm->begin_ns = start_ns + WARM_UP_S * SECOND_NS;
    storm->storm_ns = storm->begin_ns + storm->before_s * SECOND_NS;
    for (int64_t i = 0; i < storm->count; i++) {
        struct ph_renewer *device = &storm->devices[i];
        device->first_ns = start_ns + i * storm->shared.interval_ns / storm->count;
        device->due_ns =
            storm->storm_ns + (int64_t)(ph_random_u64() % (uint64_t)(storm->storm_s * SECOND_NS));
    }
}

static bool all_acked(const struct storm *storm)
{
    for (int64_t i = 0; i < storm->count; i++) {
        if (storm->devices[i].acked < storm->devices[i].made) {
            return false;
        }
    }
    return true;
}

static enum ph_err run_until(struct storm *storm, bool (*over)(const struct storm *storm),
    int64_t deadline_ns, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    while (err == PH_OK && !over(storm) && ph_now_ns() < deadline_ns) {
        turn(storm);
        err = check(storm, error);
    }
    return err;
}

static bool storm_begins(const struct storm *storm)
{
    return ph_now_ns() >= storm->storm_ns;
}

static bool all_renewed(const struct storm *storm)
{
    return storm->shared.done == storm->count &&
           ph_now_ns() >= storm->storm_ns + storm->storm_s * SECOND_NS;
}

static bool never(const struct storm *storm)
{
    (void)storm;
    return false;
}

static enum ph_err blow(struct storm *storm, struct ph_error *error)
{
    int64_t own[2] = {0};
    const int64_t patience_ns = (storm->storm_s + PATIENCE_S) * SECOND_NS;
    enum ph_err err = run_until(storm, storm_begins, INT64_MAX, error);
    if (err == PH_OK) {
        err = ph_process_cpu_ns(getpid(), &own[0], error);
    }
    if (err == PH_OK) {
        err = run_until(storm, all_renewed, storm->storm_ns + patience_ns, error);
    }
    if (err == PH_OK) {
        err = ph_process_cpu_ns(getpid(), &own[1], error);
    }
    storm->end_ns = ph_now_ns();
    storm->own_ns = own[1] - own[0];
    if (err == PH_OK) {
        err = run_until(storm, never, storm->end_ns + AFTER_S * SECOND_NS, error);
    }
    storm->shared.stop_ns = ph_now_ns();
    return err == PH_OK ? run_until(storm, all_acked, ph_now_ns() + PATIENCE_S * SECOND_NS, error)
                        : err;
}

/* ---- the result ---- */

struct sample {
    int64_t *values;
    size_t count;
};

static void print_sample(const char *name, struct sample *sample)
{
    ph_sort_ns(sample->values, sample->count);
    printf("\"%s_p50_ms\":%.2f,\"%s_p99_ms\":%.2f,\"%s_max_ms\":%.2f,", name,
        (double)ph_quantile_ns(sample->values, sample->count, 500) / 1e6, name,
        (double)ph_quantile_ns(sample->values, sample->count, 990) / 1e6, name,
        (double)ph_quantile_ns(sample->values, sample->count, 1000) / 1e6);
}

/* `scratch` is written through the samples: NOLINTBEGIN(readability-non-const-parameter) */
static void print_acks(
    const struct storm *storm, const char *name, int64_t from_ns, int64_t to_ns, int64_t *scratch)
{
    struct sample sample = {scratch, 0};
    for (int64_t i = 0; i < storm->count; i++) {
        const struct ph_renewer *device = &storm->devices[i];
        for (int64_t n = 1; n <= device->acked; n++) {
            int64_t due_ns = ph_renewer_message_ns(device, n);
            if (due_ns >= from_ns && due_ns < to_ns) {
                sample.values[sample.count++] = device->times_ns[n];
            }
        }
    }
    print_sample(name, &sample);
}

static void print_renewals(const struct storm *storm, int64_t *scratch)
{
    struct sample stored = {scratch, 0};
    struct sample promoted = {scratch + storm->count, 0};
    struct sample confirmed = {scratch + 2 * storm->count, 0};
    for (int64_t i = 0; i < storm->count; i++) {
        const struct ph_renewer *device = &storm->devices[i];
        if (device->step == PH_RENEWER_DONE) {
            stored.values[stored.count++] = device->stored_ns - device->asked_ns;
            promoted.values[promoted.count++] = device->promoted_ns - device->asked_ns;
            confirmed.values[confirmed.count++] = device->confirmed_ns - device->asked_ns;
        }
    }
    print_sample("certificate", &stored);
    print_sample("promoted", &promoted);
    print_sample("confirmed", &confirmed);
}
/* NOLINTEND(readability-non-const-parameter) */

static enum ph_err print_result(const struct storm *storm, struct ph_error *error)
{
    int64_t sent = 0;
    int64_t acked = 0;
    for (int64_t i = 0; i < storm->count; i++) {
        sent += storm->devices[i].made;
        acked += storm->devices[i].acked;
    }
    int64_t *scratch = calloc((size_t)(sent + 3 * storm->count), sizeof *scratch);
    if (scratch == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "times: out of memory");
    }
    printf("{\"sent\":%" PRId64 ",\"acked\":%" PRId64 ",\"resent\":%" PRId64 ",\"renewed\":%" PRId64
           ",\"lost_connections\":%" PRId64 ",\"repeated\":%" PRId64 ",",
        sent, acked, storm->shared.resent, storm->shared.done, storm->shared.lost,
        storm->shared.repeated);
    print_acks(storm, "calm", storm->begin_ns, storm->storm_ns, scratch);
    print_acks(storm, "storm", storm->storm_ns, storm->end_ns, scratch);
    print_renewals(storm, scratch);
    printf("\"storm_s\":%.1f,\"own_s\":%.2f}\n", (double)(storm->end_ns - storm->storm_ns) / 1e9,
        (double)storm->own_ns / 1e9);
    free(scratch);
    return PH_OK;
}

/* ---- the command ---- */

static enum ph_err read_trust(struct storm *storm, struct ph_error *error)
{
    char path[600];
    struct ph_buf text;
    ph_buf_init(&text, TRUST_BYTES);
    (void)snprintf(path, sizeof path, "%s/certs/d-0/ca.pem", storm->shared.target.pki);
    enum ph_err err = ph_file_load(path, &text, error);
    if (err == PH_OK && !ph_sha256_hex(storm->shared.trust, text.data, text.len)) {
        err = ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
    }
    ph_buf_fini(&text);
    return err;
}

static enum ph_err make_all(struct storm *storm, struct ph_error *error)
{
    const int64_t seconds = WARM_UP_S + storm->before_s + storm->storm_s + PATIENCE_S + AFTER_S;
    const int64_t messages = seconds * SECOND_NS / storm->shared.interval_ns + 1;
    enum ph_err err = ph_bench_client_loop_new(&storm->shared.loop, error);
    storm->devices = calloc((size_t)storm->count, sizeof *storm->devices);
    if (err == PH_OK && storm->devices == NULL) {
        err = ph_error_set(error, PH_ERR_MEMORY, "devices: out of memory");
    }
    for (int64_t i = 0; err == PH_OK && i < storm->count; i++) {
        err = ph_renewer_make(&storm->devices[i], &storm->shared, i, messages, error);
    }
    return err;
}

static void free_all(struct storm *storm)
{
    for (int64_t i = 0; storm->devices != NULL && i < storm->count; i++) {
        ph_renewer_free(&storm->devices[i]);
    }
    free(storm->devices);
    ph_bench_client_loop_free(&storm->shared.loop);
}

static enum ph_err read_options(
    const struct ph_cli *cli, struct storm *storm, struct ph_error *error)
{
    int64_t interval_ms = 0;
    enum ph_err err = ph_target_read(cli, &storm->shared.target, error);
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "devices", 1, 100000, 1000, &storm->count, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "interval", 10, 3600000, 1000, &interval_ms, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "before", 1, 3600, 15, &storm->before_s, error);
    }
    storm->shared.interval_ns = interval_ms * 1000000;
    return err == PH_OK ? ph_cli_int64(cli, "within", 1, 3600, 60, &storm->storm_s, error) : err;
}

enum ph_err ph_cmd_renew(const struct ph_cli *cli, struct ph_error *error)
{
    static struct storm storm;
    enum ph_err err = read_options(cli, &storm, error);
    if (err != PH_OK) {
        return err;
    }
    err = read_trust(&storm, error);
    if (err == PH_OK) {
        err = make_all(&storm, error);
    }
    if (err == PH_OK) {
        err = connect_all(&storm, error);
    }
    if (err == PH_OK) {
        plan(&storm);
        err = blow(&storm, error);
    }
    if (err == PH_OK) {
        err = print_result(&storm, error);
    }
    free_all(&storm);
    return err;
}

const struct ph_cli_option ph_cmd_renew_options[] = {
    PH_TARGET_OPTIONS,
    {"devices", "N", "how many (1000)"},
    {"interval", "MS", "a reading of each device so often (1000)"},
    {"before", "SECONDS", "watch acknowledgements so long before anybody renews (15)"},
    {"within", "SECONDS", "then all renew within so long (60)"},
    {0},
};
