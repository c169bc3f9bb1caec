/* ph-bench-spool: what an append to the device's spool costs under each sync policy, and how much
 * room readings take. Prints a line for each measurement: its name, and appends per second; then
 * the bytes of a full spool's text and of its file. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/file.h"
#include "device/spool.h"

enum { ROUNDS_MAX = 101, FILL_BATCH = 1000 };

struct bench {
    char path[4096];
    char boot[PH_BOOT_ID_BYTES];
    int64_t rounds;
    int64_t round_ms;
    char json[PH_LIMIT_READING_BYTES + 1];
};

static enum ph_err open_spool(struct bench *bench, enum ph_spool_sync sync, int64_t max_bytes,
    struct ph_spool_file **file, struct ph_spool **spool, struct ph_error *error)
{
    enum ph_err err = ph_spool_file_open(bench->path, sync, bench->boot, file, error);
    if (err == PH_OK) {
        err = ph_spool_open(*file, "acme/thermostat/t-0001", max_bytes, spool, error);
    }
    return err == PH_OK ? ph_spool_release(*spool, error) : err;
}

static void close_spool(struct bench *bench, struct ph_spool_file **file, struct ph_spool **spool)
{
    ph_spool_close(spool);
    ph_spool_file_close(file);
    (void)unlink(bench->path);
}

/* Appends per second, one by one, for the time of a round. */
static enum ph_err measure(
    struct bench *bench, enum ph_spool_sync sync, double *rate, struct ph_error *error)
{
    struct ph_spool_file *file = NULL;
    struct ph_spool *spool = NULL;
    const struct ph_spool_entry entry = {.json = bench->json, .time_ms = 1};
    int64_t count = 0;
    enum ph_err err = open_spool(bench, sync, INT64_C(1) << 30, &file, &spool, error);
    int64_t begin = ph_clock_monotonic_ns();
    int64_t now = begin;
    while (err == PH_OK && now - begin < bench->round_ms * 1000000) {
        err = ph_spool_append(spool, &entry, 1, &count, error);
        now = ph_clock_monotonic_ns();
    }
    *rate = (double)count * 1e9 / (double)(now > begin ? now - begin : 1);
    close_spool(bench, &file, &spool);
    return err;
}

/* What the disk does for anybody: the same bytes to the end of a file, each time to the disk. */
static enum ph_err measure_bare(const struct bench *bench, double *rate, struct ph_error *error)
{
    const size_t len = strlen(bench->json);
    int64_t count = 0;
    bool good = true;
    int fd = open(bench->path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
        return ph_error_set_errno(error, errno, "%s", bench->path);
    }
    int64_t begin = ph_clock_monotonic_ns();
    int64_t now = begin;
    while (good && now - begin < bench->round_ms * 1000000) {
        good = write(fd, bench->json, len) == (ssize_t)len && fdatasync(fd) == 0;
        count++;
        now = ph_clock_monotonic_ns();
    }
    *rate = (double)count * 1e9 / (double)(now > begin ? now - begin : 1);
    enum ph_err err = good ? PH_OK : ph_error_set_errno(error, errno, "%s", bench->path);
    (void)close(fd);
    (void)unlink(bench->path);
    return err;
}

static enum ph_err measure_named(
    struct bench *bench, const char *name, double *rate, struct ph_error *error)
{
    if (strcmp(name, "bare") == 0) {
        return measure_bare(bench, rate, error);
    }
    return measure(
        bench, strcmp(name, "full") == 0 ? PH_SPOOL_SYNC_FULL : PH_SPOOL_SYNC_OS, rate, error);
}

/* Another one is the first of each round. */
static enum ph_err run_rounds(struct bench *bench, struct ph_error *error)
{
    static const char *const names[] = {"full", "os", "bare"};
    enum { NAMES = sizeof names / sizeof names[0] };
    enum ph_err err = PH_OK;
    for (int64_t i = 0; i < NAMES * bench->rounds && err == PH_OK; i++) {
        const char *name = names[(i + i / NAMES) % NAMES];
        double rate = 0;
        err = measure_named(bench, name, &rate, error);
        if (err == PH_OK) {
            printf("%s %.1f\n", name, rate);
        }
    }
    return err;
}

/* The file of a spool that is full, and has been for a while. */
static enum ph_err run_size(struct bench *bench, int64_t max_bytes, struct ph_error *error)
{
    static struct ph_spool_entry entries[FILL_BATCH];
    struct ph_spool_file *file = NULL;
    struct ph_spool *spool = NULL;
    struct stat status = {0};
    int64_t first = 0;
    for (int i = 0; i < FILL_BATCH; i++) {
        entries[i] =
            (struct ph_spool_entry){.json = bench->json, .time_ms = INT64_C(1790000000123)};
    }
    enum ph_err err = open_spool(bench, PH_SPOOL_SYNC_OS, max_bytes, &file, &spool, error);
    while (err == PH_OK && ph_spool_counters(spool).dropped < 10 * (int64_t)FILL_BATCH) {
        err = ph_spool_append(spool, entries, FILL_BATCH, &first, error);
    }
    int64_t text = err == PH_OK ? ph_spool_counters(spool).pending_bytes : 0;
    ph_spool_close(&spool);
    ph_spool_file_close(&file); /* writes the log back */
    if (err == PH_OK && stat(bench->path, &status) == 0) {
        printf("text %" PRId64 "\nfile %" PRId64 "\n", text, (int64_t)status.st_size);
    }
    (void)unlink(bench->path);
    return err;
}

static enum ph_err run(const struct ph_cli *cli, struct ph_error *error)
{
    static struct bench bench;
    int64_t bytes = 0;
    int64_t full = 0;
    ph_clock_boot_id(bench.boot);
    enum ph_err err = ph_path_join(
        bench.path, sizeof bench.path, ph_cli_argument(cli, 0), "bench-spool.db", error);
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "rounds", 1, ROUNDS_MAX, 7, &bench.rounds, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "round-ms", 10, 60000, 1000, &bench.round_ms, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "bytes", 2, PH_LIMIT_READING_BYTES, 120, &bytes, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "full", 65536, INT64_C(1) << 32, INT64_C(64) << 20, &full, error);
    }
    if (err != PH_OK) {
        return err;
    }
    memset(bench.json, 'x', (size_t)bytes);
    err = run_rounds(&bench, error);
    return err == PH_OK ? run_size(&bench, full, error) : err;
}

int main(int argc, char **argv)
{
    static const struct ph_cli_option options[] = {
        {"rounds", "N", "rounds of each policy and of the bare file, in turns (default 7)"},
        {"round-ms", "N", "milliseconds of a round (default 1000)"},
        {"bytes", "N", "of one reading (default 120)"},
        {"full", "N", "bytes of text in the spool whose size is measured (default 64 MiB)"},
        {0},
    };
    static const struct ph_cli_command commands[] = {
        {NULL, "DIR", 1, 1, "Append to a spool in DIR, as fast as it goes.", options, run},
        {0},
    };
    static const struct ph_cli_program program = {
        "ph-bench-spool", "What the device's spool costs.", commands};
    return ph_cli_main(&program, argc, argv);
}
