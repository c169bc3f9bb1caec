/* ph-bench-store: rows per second of a store, beside the same rows written without any of what a
 * store is for: to one SQLite table, or with COPY into one PostgreSQL table. */
#include "store.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "measure.h"

#define BASE_MS   INT64_C(1790000000000)
#define SECOND_NS INT64_C(1000000000)

enum { MAINTAIN_POLL_US = 5000 };

struct row bench_row(const struct bench *bench, int64_t i)
{
    static const char *const states[] = {"off", "idle", "heating"};
    const int64_t round = i / bench->devices;
    const int64_t received_ms = BASE_MS + i * bench->interval_ms / bench->devices;
    return (struct row){
        .device = i % bench->devices,
        .seq = round + 1,
        .time_ms = received_ms - 50 - i % 97,
        .received_ms = received_ms,
        .numbers = {18 + (double)(i * 7919 % 800) / 100, 21,
            30 + (double)(i * 104729 % 4000) / 100},
        .hvac = states[round / 20 % 3],
    };
}

/* One writer, and its time. */
struct subject {
    const struct writer_ops *ops;
    struct writer *writer;
    int64_t append_ns;
    int64_t maintain_ns;
    int64_t since_ns; /* of append_ns, at the last step of maintenance */
};

static enum ph_err maintain(
    struct subject *subject, int64_t next, bool *more, struct ph_error *error)
{
    const int64_t begin = ph_now_ns();
    *more = false;
    enum ph_err err = subject->ops->maintain != NULL
                          ? subject->ops->maintain(subject->writer, next, more, error)
                          : PH_OK;
    subject->maintain_ns += ph_now_ns() - begin;
    subject->since_ns = subject->append_ns;
    return err;
}

/* Rows [first, first + count), with a step of maintenance for each second, as ingest does. */
static enum ph_err append(const struct bench *bench, struct subject *subject, int64_t first,
    int64_t count, struct ph_error *error)
{
    bool more = false;
    enum ph_err err = PH_OK;
    for (int64_t i = 0; i < count && err == PH_OK; i += bench->batch) {
        const int64_t begin = ph_now_ns();
        err = subject->ops->append(subject->writer, first + i, error);
        subject->append_ns += ph_now_ns() - begin;
        if (err == PH_OK && subject->append_ns - subject->since_ns >= SECOND_NS) {
            err = maintain(subject, first + i + bench->batch, &more, error);
        }
    }
    return err;
}

/* Until there is nothing more to do. */
static enum ph_err settle(struct subject *subject, int64_t next, struct ph_error *error)
{
    bool more = false;
    enum ph_err err = maintain(subject, next, &more, error);
    while (err == PH_OK && more) {
        const int64_t begin = ph_now_ns();
        (void)usleep(MAINTAIN_POLL_US);
        subject->maintain_ns += ph_now_ns() - begin;
        err = maintain(subject, next, &more, error);
    }
    return err;
}

static double rate(int64_t rows, int64_t ns)
{
    return (double)rows * 1e9 / (double)(ns > 0 ? ns : 1);
}

static void print_step(
    int64_t rows, int64_t step, const struct subject *store, const struct subject *bare)
{
    printf("{\"rows\":%" PRId64 ",\"store\":%.0f,\"maintained\":%.0f,\"bare\":%.0f}\n", rows,
        rate(step, store->append_ns), rate(step, store->append_ns + store->maintain_ns),
        rate(step, bare->append_ns));
    (void)fflush(stdout);
}

/* One step: batches of both, taking turns, so that what else the machine does meets both. */
static enum ph_err compare_step(const struct bench *bench, struct subject *store,
    struct subject *bare, int64_t first, int64_t step, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    store->append_ns = store->maintain_ns = store->since_ns = bare->append_ns = 0;
    for (int64_t i = 0; i < step && err == PH_OK; i += bench->batch) {
        err = append(bench, store, first + i, bench->batch, error);
        if (err == PH_OK) {
            err = append(bench, bare, first + i, bench->batch, error);
        }
    }
    return err == PH_OK ? settle(store, first + step, error) : err;
}

static enum ph_err compare(
    const struct bench *bench, int64_t rows, int64_t step, struct ph_error *error)
{
    struct subject store = {.ops = &bench_store};
    struct subject bare = {
        .ops = ph_store_is_postgres(bench->location) ? &bench_bare_postgres : &bench_bare_sqlite};
    enum ph_err err = store.ops->open(bench, &store.writer, error);
    if (err == PH_OK) {
        err = bare.ops->open(bench, &bare.writer, error);
    }
    for (int64_t done = 0; done < rows && err == PH_OK; done += step) {
        err = compare_step(bench, &store, &bare, done, step, error);
        if (err == PH_OK) {
            print_step(done + step, step, &store, &bare);
        }
    }
    store.ops->close(store.writer);
    bare.ops->close(bare.writer);
    return err;
}

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

/* As fast as it goes: `rows` of them, or for so many seconds; or until SIGTERM. */
static enum ph_err write_rows(
    const struct bench *bench, int64_t first, int64_t rows, int64_t seconds, struct ph_error *error)
{
    struct subject store = {.ops = &bench_store};
    const int64_t begin = ph_now_ns();
    int64_t done = 0;
    enum ph_err err = store.ops->open(bench, &store.writer, error);
    (void)sigaction(SIGTERM, &(struct sigaction){.sa_handler = stop}, NULL);
    while (err == PH_OK && stopped == 0 &&
           (seconds > 0 ? ph_now_ns() - begin < seconds * SECOND_NS : done < rows)) {
        err = append(bench, &store, first + done, bench->batch, error);
        done += bench->batch;
    }
    const double took_s = (double)(ph_now_ns() - begin) / 1e9;
    if (err == PH_OK && seconds == 0) {
        err = settle(&store, first + done, error);
    }
    store.ops->close(store.writer);
    if (err == PH_OK) {
        printf("{\"rows\":%" PRId64 ",\"seconds\":%.3f,\"rows_per_s\":%.0f}\n", done, took_s,
            (double)done / took_s);
    }
    return err;
}

static enum ph_err read_bench(const struct ph_cli *cli, struct bench *bench, struct ph_error *error)
{
    const char *kinds = ph_cli_value(cli, "kinds");
    bench->location = ph_cli_argument(cli, 0);
    enum ph_err err = ph_cli_int64(cli, "devices", 1, 1000000, 1000, &bench->devices, error);
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "interval-ms", 1, 86400000, 10000, &bench->interval_ms, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "batch", 1, 100000, 10000, &bench->batch, error);
    }
    if (err == PH_OK) {
        err = ph_kinds_load(kinds != NULL ? kinds : "config/kinds.yaml", &bench->kinds, error);
    }
    return err;
}

/* A whole number of batches, at least one. */
static int64_t batches(const struct bench *bench, int64_t rows)
{
    const int64_t count = rows / bench->batch;
    return (count > 0 ? count : 1) * bench->batch;
}

static enum ph_err run_compare(const struct ph_cli *cli, struct ph_error *error)
{
    struct bench bench = {0};
    int64_t rows = 0;
    int64_t step = 0;
    enum ph_err err = read_bench(cli, &bench, error);
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "rows", 1, INT64_C(1000000000), 10000000, &rows, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "step", 1, INT64_C(1000000000), 1000000, &step, error);
    }
    if (err == PH_OK) {
        err = compare(&bench, rows, batches(&bench, step), error);
    }
    ph_kinds_free(&bench.kinds);
    return err;
}

static enum ph_err run_write(const struct ph_cli *cli, struct ph_error *error)
{
    struct bench bench = {0};
    int64_t rows = 0;
    int64_t first = 0;
    int64_t seconds = 0;
    enum ph_err err = read_bench(cli, &bench, error);
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "rows", 1, INT64_C(1000000000), 1000000, &rows, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "first", 0, INT64_C(1000000000), 0, &first, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "seconds", 0, 86400, 0, &seconds, error);
    }
    if (err == PH_OK) {
        err = write_rows(&bench, first, batches(&bench, rows), seconds, error);
    }
    ph_kinds_free(&bench.kinds);
    return err;
}

#define COMMON_OPTIONS                                                                             \
    {"kinds", "FILE", "kinds file that has thermostat (config/kinds.yaml)"},                       \
        {"devices", "N", "devices, taking turns (1000)"},                                          \
        {"interval-ms", "N", "time between two readings of a device, as stored (10000)"},          \
        {"batch", "N", "rows of a transaction (10000)"},                                           \
    {                                                                                              \
        "rows", "N", "rows in all"                                                                 \
    }

int main(int argc, char **argv)
{
    static const struct ph_cli_option compare_options[] = {
        COMMON_OPTIONS, {"step", "N", "rows of a line of the output (1000000)"}, {0}};
    static const struct ph_cli_option write_options[] = {COMMON_OPTIONS,
        {"first", "N", "rows that are there already (0)"},
        {"seconds", "N", "end after so long, and not after --rows; or at SIGTERM"}, {0}};
    static const struct ph_cli_command commands[] = {
        {"compare", "DIR|URI", 1, 1, "The store beside the bare limit, in turns.", compare_options,
            run_compare},
        {"write", "DIR|URI", 1, 1, "The store alone, as fast as it goes.", write_options,
            run_write},
        {0},
    };
    static const struct ph_cli_program program = {
        "ph-bench-store", "What a store takes in.", commands};
    return ph_cli_main(&program, argc, argv);
}
