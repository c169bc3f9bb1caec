/* ph-bench-decisions: what the plugin's decisions cost in themselves, without a broker around them.
 * Prints a line for each round of each measurement: its name, and nanoseconds (or bytes). */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "broker-plugin/authz.h"
#include "broker-plugin/broker.h"
#include "broker-plugin/state.h"
#include "config/policy_file.h"
#include "measure.h"
#include "reference.h"
#include "x509/certificate.h"
#include "x509/trust.h"

enum { ROUNDS_MAX = 101, TICK_EVERY_US = 10000, SWEEP_SECONDS_MAX = 60 };

/* As a BASIC_AUTH of it. */
struct device {
    struct ph_certificate *certificate;
    char client_id[64];
    char topic[96];
    char user_name[PH_USER_NAME_BYTES];
};

struct bench {
    const char *pki;
    const char *work; /* a folder for policies */
    int64_t rounds;
    int64_t percent; /* of the usual repetitions */
    int64_t devices;
    int64_t revoked;
    struct device *device;
    struct ph_broker *broker;
    struct ph_state *state;
    struct ph_reference_chain *signatures;
    const struct ph_role *role;
    struct ph_identity identity;
    uint64_t kicks;
    uint64_t sum; /* of results, so that none is left out */
};

/* ---- timing ---- */

struct work {
    const char *name;
    int64_t count; /* in one round */
    void (*run)(struct bench *bench, int64_t count);
};

static void print_value(const char *name, double value)
{
    printf("%s %.2f\n", name, value);
    (void)fflush(stdout);
}

static int64_t thread_cpu_ns(void)
{
    struct timespec used;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

/* CPU time: what other processes do meanwhile is not the plugin's. */
static void time_work(struct bench *bench, const struct work *work)
{
    const int64_t count = work->count * bench->percent / 100 + 1;
    work->run(bench, count / 10 + 1); /* to warm up */
    const int64_t start = thread_cpu_ns();
    work->run(bench, count);
    print_value(work->name, (double)(thread_cpu_ns() - start) / (double)count);
}

/* ---- what they are set beside ---- */

static void run_match(struct bench *bench, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        bench->sum += ph_reference_match("ph/v1/+/+/+/telemetry", bench->device[0].topic);
    }
}

static void run_signatures(struct bench *bench, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        bench->sum += ph_reference_chain_verify(bench->signatures);
    }
}

/* ---- warm decisions: the devices take turns, so that no single one stays in the nearest cache
 * ---- */

enum { TURNS = 50 };

static struct device *turn(const struct bench *bench, int64_t i)
{
    return &bench->device[i % (bench->devices < TURNS ? bench->devices : TURNS)];
}

static void run_allows(struct bench *bench, int64_t count, enum ph_action action, const char *topic)
{
    for (int64_t i = 0; i < count; i++) {
        bench->sum += ph_role_allows(bench->role, &bench->identity, action, topic) != NULL;
    }
}

static void run_allows_publish(struct bench *bench, int64_t count)
{
    run_allows(bench, count, PH_ACTION_PUBLISH, bench->device[0].topic);
}

static void run_allows_receive(struct bench *bench, int64_t count)
{
    run_allows(bench, count, PH_ACTION_RECEIVE, "ph/v1/acme/thermostat/d-0/command");
}

static void run_allows_subscribe(struct bench *bench, int64_t count)
{
    run_allows(bench, count, PH_ACTION_SUBSCRIBE, "ph/v1/acme/thermostat/d-0/command");
}

static void run_role_keep(struct bench *bench, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        const struct ph_role *role = NULL;
        bench->sum += ph_policy_role_keep(bench->state->policy, &bench->identity, bench->role->name,
                          &role, NULL) == PH_OK;
    }
}

static void run_access(struct bench *bench, int64_t count, enum ph_access_type type, bool known)
{
    for (int64_t i = 0; i < count; i++) {
        const struct device *device = turn(bench, i);
        const struct ph_access access = {.client = known ? device : NULL,
            .user_name = device->user_name,
            .topic = device->topic,
            .type = type,
            .has_address = true};
        bench->sum += ph_broker_access(bench->broker, &access);
    }
}

static void run_access_write(struct bench *bench, int64_t count)
{
    run_access(bench, count, PH_ACCESS_WRITE, true);
}

static void run_access_read(struct bench *bench, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        const struct device *device = turn(bench, i);
        const struct ph_access access = {.client = device,
            .user_name = device->user_name,
            .topic = "ph/v1/ingest/status",
            .type = PH_ACCESS_READ,
            .has_address = true};
        bench->sum += ph_broker_access(bench->broker, &access);
    }
}

static void run_access_subscribe(struct bench *bench, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        const struct device *device = turn(bench, i);
        const struct ph_access access = {.client = device,
            .user_name = device->user_name,
            .topic = "ph/v1/ingest/status",
            .type = PH_ACCESS_SUBSCRIBE,
            .has_address = true};
        bench->sum += ph_broker_access(bench->broker, &access);
    }
}

/* As for an offline session after a restart of the broker: a user name that no entry knows. */
static void run_standing(struct bench *bench, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        struct ph_identity identity;
        struct ph_standing standing;
        enum ph_reason reason = PH_REASON_NONE;
        const struct device *device = turn(bench, i);
        if (ph_authz_standing(
                bench->state, device->user_name, &identity, &standing, &reason, NULL) == PH_OK) {
            bench->sum += ph_authz_allows(bench->state->policy, &standing, PH_ACTION_PUBLISH,
                              device->topic) != NULL;
        }
    }
}

static void run_message(struct bench *bench, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        const struct device *device = turn(bench, i);
        struct ph_provenance provenance;
        const struct ph_publish publish = {.client = device,
            .user_name = device->user_name,
            .topic = device->topic,
            .payload_bytes = 160};
        bench->sum += ph_broker_message(bench->broker, &publish, &provenance);
    }
}

/* ---- connects ---- */

static void run_identity(struct bench *bench, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        struct ph_identity identity;
        bench->sum += ph_certificate_identity_by(turn(bench, i)->certificate,
                          &bench->state->policy->anchors[0], &identity, NULL) == PH_OK;
    }
}

static void run_facts(struct bench *bench, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        struct ph_certificate_facts facts;
        bench->sum += ph_certificate_facts(turn(bench, i)->certificate, &facts, NULL) == PH_OK;
    }
}

static void run_profile(struct bench *bench, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        bench->sum += ph_certificate_check_profile(
                          turn(bench, i)->certificate, PH_USAGE_CLIENT, NULL) == PH_OK;
    }
}

static void run_chain(struct bench *bench, int64_t count)
{
    int64_t now_ms = ph_clock_unix_ms();
    for (int64_t i = 0; i < count; i++) {
        struct ph_voucher voucher;
        bench->sum += ph_trust_check(bench->state->trusts[0], turn(bench, i)->certificate,
                          PH_USAGE_CLIENT, now_ms, &voucher, NULL, NULL) == PH_OK;
    }
}

static enum ph_verdict connect_device(struct bench *bench, struct device *device)
{
    const struct ph_connect connect = {.client = device,
        .certificate = device->certificate,
        .client_id = device->client_id,
        .address = "127.0.0.1"};
    return ph_broker_connect(
        bench->broker, &connect, ph_clock_unix_ms(), ph_clock_monotonic_ms(), device->user_name);
}

static void run_connect(struct bench *bench, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        struct device *device = turn(bench, i);
        ph_broker_end(bench->broker, device);
        bench->sum += connect_device(bench, device) == PH_ADMIT;
    }
}

/* ---- files ---- */

static enum ph_err policy_path(
    const struct bench *bench, const char *name, char out[512], struct ph_error *error)
{
    return ph_path_join(out, 512, bench->work, name, error);
}

/* `roles` roles, of which the devices fill the last but one, and ingest the last. */
static enum ph_err write_policy(
    const struct bench *bench, const char *path, int64_t roles, struct ph_error *error)
{
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        return ph_error_set_errno(error, errno, "%s", path);
    }
    (void)fprintf(file, "anchors: [{name: bench, ca: [%s/ca.pem], crl: [%s/crl.pem]}]\nroles:\n",
        bench->pki, bench->pki);
    for (int64_t i = 0; i < roles; i++) {
        bool last = i == roles - 2;
        bool ingest = i == roles - 1;
        (void)fprintf(file,
            "  - {name: role-%" PRId64 ", match: {anchor: bench, kind: %s, device: \"", i,
            ingest ? "service" : "thermostat");
        if (ingest) {
            (void)fprintf(file, "ingest\"}");
        } else if (last) {
            (void)fprintf(file, "d-*\"}");
        } else {
            (void)fprintf(file, "e-%" PRId64 "-*\"}", i);
        }
        (void)fprintf(file, ", publish: [\"ph/v1/{tenant}/{kind}/{device}/reply\", "
                            "\"ph/v1/{tenant}/{kind}/{device}/status\", "
                            "\"ph/v1/{tenant}/{kind}/{device}/telemetry\"], "
                            "subscribe: [\"ph/v1/{tenant}/{kind}/{device}/ack\", "
                            "\"ph/v1/{tenant}/{kind}/{device}/command\", ph/v1/ingest/status]}\n");
    }
    return fclose(file) == 0 ? PH_OK : ph_error_set_errno(error, errno, "%s", path);
}

static enum ph_err time_policy(struct bench *bench, struct ph_error *error)
{
    char path[512];
    enum ph_err err = policy_path(bench, "roles-1000.yaml", path, error);
    if (err == PH_OK) {
        err = write_policy(bench, path, 1000, error);
    }
    for (int64_t i = 0; i < bench->rounds && err == PH_OK; i++) {
        struct ph_policy *policy = NULL;
        int64_t start = thread_cpu_ns();
        err = ph_policy_load(path, &policy, error);
        print_value("policy_load", (double)(thread_cpu_ns() - start));
        ph_policy_free(&policy);
    }
    return err;
}

static enum ph_err time_crl(struct bench *bench, const char *crl, struct ph_error *error)
{
    char ca[512];
    char *ca_files[1] = {ca};
    char file[512];
    char *crl_files[1] = {file};
    enum ph_err err = ph_path_join(ca, sizeof ca, bench->pki, "ca.pem", error);
    (void)snprintf(file, sizeof file, "%s", crl);
    char name[] = "bench";
    const struct ph_anchor anchor = {.name = name,
        .ca_files = ca_files,
        .ca_file_count = 1,
        .crl_files = crl_files,
        .crl_file_count = 1,
        .crl_required = true};
    for (int64_t i = 0; i < bench->rounds && err == PH_OK; i++) {
        struct ph_trust *trust = NULL;
        int64_t start = thread_cpu_ns();
        err = ph_trust_load(&anchor, &trust, error);
        print_value("crl_load", (double)(thread_cpu_ns() - start));
        ph_trust_free(&trust);
    }
    return err;
}

/* ---- a broker with everybody connected ---- */

static void on_kick(void *context, const char *user_name)
{
    (void)user_name;
    struct bench *bench = context;
    bench->kicks++;
}

static void on_publish(void *context, const char *topic, const void *payload, size_t len)
{
    (void)context;
    (void)topic;
    (void)payload;
    (void)len;
}

static enum ph_err open_broker(struct bench *bench, const char *policy, struct ph_error *error)
{
    char audit[512];
    const struct ph_broker_host host = {.kick = on_kick, .publish = on_publish, .context = bench};
    enum ph_err err = policy_path(bench, "audit.jsonl", audit, error);
    const struct ph_broker_options options = {.policy_file = policy, .audit_file = audit};
    return err == PH_OK ? ph_broker_open(&options, &host, ph_clock_unix_ms(), &bench->broker, error)
                        : err;
}

static enum ph_err connect_all(struct bench *bench, struct ph_error *error)
{
    size_t before = mallinfo2().uordblks;
    int64_t start = thread_cpu_ns();
    for (int64_t i = 0; i < bench->devices; i++) {
        if (connect_device(bench, &bench->device[i]) != PH_ADMIT) {
            return ph_error_set(
                error, PH_ERR_DENIED, "%s: not admitted", bench->device[i].client_id);
        }
    }
    const double devices = (double)bench->devices;
    print_value("connect_first", (double)(thread_cpu_ns() - start) / devices);
    print_value("heap_bytes", (double)(mallinfo2().uordblks - before) / devices);
    return PH_OK;
}

struct sweep {
    int64_t longest_ns;
    int64_t longest_cpu_ns;
    int64_t cpu_ns;
    int64_t ticks;
    int64_t first_kick_ns;
    int64_t last_kick_ns;
};

static void tick(struct bench *bench, struct sweep *sweep, int64_t start_ns)
{
    uint64_t kicks = bench->kicks;
    int64_t cpu = thread_cpu_ns();
    int64_t begun = ph_now_ns();
    ph_broker_tick(bench->broker, ph_clock_unix_ms(), ph_clock_monotonic_ms());
    int64_t ended = ph_now_ns();
    cpu = thread_cpu_ns() - cpu;
    sweep->ticks++;
    sweep->cpu_ns += cpu;
    sweep->longest_ns = ended - begun > sweep->longest_ns ? ended - begun : sweep->longest_ns;
    sweep->longest_cpu_ns = cpu > sweep->longest_cpu_ns ? cpu : sweep->longest_cpu_ns;
    if (bench->kicks > kicks) {
        sweep->first_kick_ns = kicks == 0 ? ended - start_ns : sweep->first_kick_ns;
        sweep->last_kick_ns = ended - start_ns;
    }
}

/* The CRL is replaced while everybody is connected; ticks come every 10 ms. */
static enum ph_err time_sweep(struct bench *bench, const char *crl, struct ph_error *error)
{
    char path[512];
    struct sweep sweep = {0};
    enum ph_err err = ph_path_join(path, sizeof path, bench->pki, "crl.pem", error);
    int64_t start = ph_now_ns();
    if (err == PH_OK && rename(crl, path) != 0) {
        err = ph_error_set_errno(error, errno, "%s", crl);
    }
    while (err == PH_OK && bench->kicks < (uint64_t)bench->revoked) {
        tick(bench, &sweep, start);
        (void)usleep(TICK_EVERY_US);
        if (ph_now_ns() - start > SWEEP_SECONDS_MAX * INT64_C(1000000000)) {
            err = ph_error_set(error, PH_ERR_UNAVAILABLE,
                "sweep: %" PRIu64 " of %" PRId64 " cut off in time", bench->kicks, bench->revoked);
        }
    }
    if (err == PH_OK) {
        print_value("sweep_longest", (double)sweep.longest_ns);
        print_value("sweep_longest_cpu", (double)sweep.longest_cpu_ns);
        print_value("sweep_cpu", (double)sweep.cpu_ns);
        print_value("sweep_first", (double)sweep.first_kick_ns);
        print_value("sweep_last", (double)sweep.last_kick_ns);
    }
    return err;
}

/* ---- the program ---- */

static enum ph_err load_devices(struct bench *bench, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    bench->device = calloc((size_t)bench->devices, sizeof *bench->device);
    if (bench->device == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "devices: out of memory");
    }
    for (int64_t i = 0; i < bench->devices && err == PH_OK; i++) {
        struct device *device = &bench->device[i];
        char path[512];
        (void)snprintf(path, sizeof path, "%s/certs/d-%" PRId64 "/cert.pem", bench->pki, i);
        (void)snprintf(
            device->client_id, sizeof device->client_id, "acme/thermostat/d-%" PRId64, i);
        (void)snprintf(
            device->topic, sizeof device->topic, "ph/v1/%s/telemetry", device->client_id);
        err = ph_certificate_load(path, &device->certificate, error);
    }
    return err;
}

static enum ph_err prepare(struct bench *bench, char policy[512], struct ph_error *error)
{
    struct ph_state_report report = {0};
    enum ph_err err = load_devices(bench, error);
    if (err == PH_OK) {
        err = policy_path(bench, "roles-10.yaml", policy, error);
    }
    if (err == PH_OK) {
        err = write_policy(bench, policy, 10, error);
    }
    if (err == PH_OK) {
        err = ph_state_load(policy, NULL, &bench->state, &report, error);
    }
    if (err == PH_OK) {
        err = ph_certificate_identity_by(bench->device[0].certificate,
            &bench->state->policy->anchors[0], &bench->identity, error);
    }
    if (err == PH_OK) {
        err =
            ph_policy_role_find(bench->state->policy, &bench->identity, NULL, &bench->role, error);
    }
    for (int64_t i = 0; err == PH_OK && i < bench->devices; i++) {
        /* The broker's TLS has decoded the key and extensions of what it hands over. */
        struct ph_voucher voucher;
        err = ph_trust_check(bench->state->trusts[0], bench->device[i].certificate, PH_USAGE_CLIENT,
            ph_clock_unix_ms(), &voucher, NULL, error);
    }
    return err == PH_OK ? open_broker(bench, policy, error) : err;
}

static const struct work works[] = {
    {"match", 1000000, run_match},
    {"signatures", 500, run_signatures},
    {"allows_publish", 1000000, run_allows_publish},
    {"allows_receive", 1000000, run_allows_receive},
    {"allows_subscribe", 1000000, run_allows_subscribe},
    {"role_keep", 1000000, run_role_keep},
    {"access_publish", 1000000, run_access_write},
    {"access_receive", 1000000, run_access_read},
    {"access_subscribe", 1000000, run_access_subscribe},
    {"standing_publish", 300000, run_standing},
    {"message", 1000000, run_message},
    {"identity", 20000, run_identity},
    {"facts", 20000, run_facts},
    {"profile", 20000, run_profile},
    {"chain", 1000, run_chain},
    {"connect_known", 1000, run_connect},
};

/* In turns, so that what else the machine does meets all of a round. */
static void time_works(struct bench *bench)
{
    for (int64_t round = 0; round < bench->rounds; round++) {
        for (size_t i = 0; i < sizeof works / sizeof works[0]; i++) {
            time_work(bench, &works[i]);
        }
    }
}

static enum ph_err run_all(struct bench *bench, const char *crl, struct ph_error *error)
{
    char policy[512];
    enum ph_err err = prepare(bench, policy, error);
    if (err == PH_OK) {
        err = connect_all(bench, error);
    }
    if (err == PH_OK) {
        err = ph_reference_chain_new(&bench->signatures, error);
    }
    if (err == PH_OK) {
        time_works(bench);
        err = time_policy(bench, error);
    }
    if (err == PH_OK) {
        err = time_crl(bench, crl, error);
    }
    return err == PH_OK ? time_sweep(bench, crl, error) : err;
}

static void ignore_log(enum ph_log_level level, const char *line)
{
    (void)level;
    (void)line;
}

static enum ph_err run(const struct ph_cli *cli, struct ph_error *error)
{
    struct bench bench = {.pki = ph_cli_value(cli, "pki"), .work = ph_cli_value(cli, "work")};
    const char *crl = ph_cli_value(cli, "crl");
    enum ph_err err = ph_cli_int64(cli, "rounds", 1, ROUNDS_MAX, 11, &bench.rounds, error);
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "repeat", 1, 1000, 100, &bench.percent, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "devices", 1, 100000, 10000, &bench.devices, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "revoked", 1, bench.devices, 100, &bench.revoked, error);
    }
    if (err == PH_OK && (bench.pki == NULL || bench.work == NULL || crl == NULL)) {
        err = ph_error_set(error, PH_ERR_USAGE, "--pki, --work and --crl: needed");
    }
    if (err == PH_OK) {
        ph_log_sink_set(ignore_log);
        err = run_all(&bench, crl, error);
    }
    ph_broker_close(&bench.broker);
    ph_state_free(&bench.state);
    ph_reference_chain_free(&bench.signatures);
    for (int64_t i = 0; bench.device != NULL && i < bench.devices; i++) {
        ph_certificate_free(&bench.device[i].certificate);
    }
    free(bench.device);
    return err;
}

static const struct ph_cli_option options[] = {
    {"pki", "DIR", "folder made by ph-bench-pki; its crl.pem is replaced"},
    {"work", "DIR", "folder for policies and the audit file"},
    {"crl", "FILE", "a newer CRL, which revokes the first devices"},
    {"devices", "N", "connected at once (10000)"},
    {"revoked", "N", "of them on the newer CRL (100)"},
    {"repeat", "PERCENT", "of the usual repetitions in a round, less for a profiler (100)"},
    {"rounds", "N", "of each measurement that can be repeated (11)"},
    {0},
};

static const struct ph_cli_command commands[] = {
    {NULL, NULL, 0, 0, "Time the plugin's decisions without a broker.", options, run},
    {0},
};

int main(int argc, char **argv)
{
    static const struct ph_cli_program program = {
        "ph-bench-decisions", "cost of decisions", commands};
    return ph_cli_main(&program, argc, argv);
}
