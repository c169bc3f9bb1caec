/* [SPOOL-1] to [SPOOL-11] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device/spool.h"

#define NAME "acme/thermostat/t-0001"

static char dir[64];
static char path[96];

static struct ph_spool_file *open_file(void)
{
    struct ph_spool_file *file = NULL;
    struct ph_error error = {0};
    if (ph_spool_file_open(path, PH_SPOOL_SYNC_FULL, &file, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    return file;
}

static struct ph_spool *open_spool(
    struct ph_spool_file *file, const char *identity, int64_t max_bytes)
{
    struct ph_spool *spool = NULL;
    struct ph_error error = {0};
    if (ph_spool_open(file, identity, max_bytes, &spool, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    return spool;
}

static void close_both(struct ph_spool **spool, struct ph_spool_file **file)
{
    ph_spool_close(spool);
    ph_spool_file_close(file);
}

/* Appends `count` readings that say their own number. */
static void append(struct ph_spool *spool, int count)
{
    for (int i = 0; i < count; i++) {
        char json[32];
        int64_t seq = 0;
        int64_t want = ph_spool_counters(spool).captured + 1;
        (void)snprintf(json, sizeof json, "{\"t\":%06" PRId64 "}", want);
        struct ph_spool_entry entry = {.json = json, .time_ms = want};
        assert_int_equal(ph_spool_append(spool, &entry, 1, &seq, NULL), PH_OK);
        assert_int_equal(seq, want);
    }
}

static void expect_batch(struct ph_spool *spool, int64_t after, size_t count_max, size_t bytes_max,
    int64_t first, size_t count)
{
    struct ph_spool_batch batch;
    assert_int_equal(ph_spool_next(spool, after, count_max, bytes_max, &batch, NULL), PH_OK);
    assert_int_equal(batch.count, count);
    if (count > 0) {
        assert_int_equal(batch.first, first);
        assert_int_equal(batch.stream, ph_spool_counters(spool).stream);
    }
    ph_spool_batch_fini(&batch);
}

static enum ph_spool_acked ack(struct ph_spool *spool, const struct ph_ack *message)
{
    enum ph_spool_acked result = PH_SPOOL_ACK_FOREIGN;
    assert_int_equal(ph_spool_ack(spool, message, &result, NULL), PH_OK);
    return result;
}

/* Reads everything, as for sending. */
static void read_all(struct ph_spool *spool)
{
    int64_t after = 0;
    for (size_t count = 1; count > 0;) {
        struct ph_spool_batch batch;
        assert_int_equal(ph_spool_next(spool, after, 100, 100000, &batch, NULL), PH_OK);
        count = batch.count;
        after = batch.first + (int64_t)count - 1;
        ph_spool_batch_fini(&batch);
    }
}

static void assert_balance(const struct ph_spool *spool, int64_t captured, int64_t acknowledged,
    int64_t pending, int64_t dropped)
{
    struct ph_spool_counters counters = ph_spool_counters(spool);
    assert_int_equal(counters.captured, captured);
    assert_int_equal(counters.acknowledged, acknowledged);
    assert_int_equal(counters.pending, pending);
    assert_int_equal(counters.dropped, dropped);
    assert_int_equal(
        counters.captured, counters.acknowledged + counters.pending + counters.dropped);
}

/* [SPOOL-1] numbers from 1; [SPOOL-2] a batch follows without gap, within its bounds */
static void test_append_and_next(void **state)
{
    (void)state;
    struct ph_spool_file *file = open_file();
    struct ph_spool *spool = open_spool(file, NAME, 1 << 20);
    assert_int_not_equal(ph_spool_counters(spool).stream, 0);
    expect_batch(spool, 0, 10, 1000, 0, 0);
    append(spool, 10);
    expect_batch(spool, 0, 4, 1000, 1, 4);
    expect_batch(spool, 4, 100, 1000, 5, 6);
    expect_batch(spool, 10, 100, 1000, 0, 0);
    expect_batch(spool, 0, 100, 39, 1, 3); /* 3 * 13: {"t":000001} is 12 bytes and a comma */
    expect_batch(spool, 0, 100, 1, 1, 1);  /* one always goes */

    struct ph_spool_batch batch;
    assert_int_equal(ph_spool_next(spool, 6, 1, 100, &batch, NULL), PH_OK);
    assert_string_equal(batch.texts[0], "{\"t\":000007}");
    ph_spool_batch_fini(&batch);
    close_both(&spool, &file);
}

static void test_append_many_or_none(void **state)
{
    (void)state;
    struct ph_spool_file *file = open_file();
    struct ph_spool *spool = open_spool(file, NAME, 1 << 20);
    char *large = calloc(1, PH_LIMIT_READING_BYTES + 2);
    assert_non_null(large);
    memset(large, 'x', PH_LIMIT_READING_BYTES + 1);
    struct ph_spool_entry entries[] = {{"{}", 1}, {"{}", 2}, {large, 3}};
    struct ph_error error = {0};
    int64_t first = 0;
    assert_int_equal(ph_spool_append(spool, entries, 3, &first, &error), PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "want 1 to 4096 bytes, have 4097"));
    assert_balance(spool, 0, 0, 0, 0);
    assert_int_equal(ph_spool_append(spool, entries, 2, &first, NULL), PH_OK);
    assert_int_equal(first, 1);
    assert_balance(spool, 2, 0, 2, 0);
    free(large);
    close_both(&spool, &file);
}

/* [SPOOL-3] what is acknowledged is deleted, nothing else; [SPOOL-4] another stream's is ignored */
static void test_ack(void **state)
{
    (void)state;
    struct ph_spool_file *file = open_file();
    struct ph_spool *spool = open_spool(file, NAME, 1 << 20);
    append(spool, 20);
    read_all(spool);
    uint64_t stream = ph_spool_counters(spool).stream;
    struct ph_ack foreign = {.stream = stream ^ 1, .through = 20};
    assert_int_equal(ack(spool, &foreign), PH_SPOOL_ACK_FOREIGN);
    assert_balance(spool, 20, 0, 20, 0);
    struct ph_ack gaps = {
        .stream = stream, .through = 3, .also = {{6, 8}, {15, 15}}, .also_count = 2};
    assert_int_equal(ack(spool, &gaps), PH_SPOOL_ACK_APPLIED);
    assert_balance(spool, 20, 7, 13, 0);
    expect_batch(spool, 0, 100, 10000, 4, 2);
    expect_batch(spool, 5, 100, 10000, 9, 6);
    expect_batch(spool, 14, 100, 10000, 16, 5);
    assert_int_equal(ack(spool, &gaps), PH_SPOOL_ACK_APPLIED); /* again changes nothing */
    assert_balance(spool, 20, 7, 13, 0);
    struct ph_ack all = {.stream = stream, .through = 20};
    assert_int_equal(ack(spool, &all), PH_SPOOL_ACK_APPLIED);
    assert_balance(spool, 20, 20, 0, 0);
    assert_int_equal(ph_spool_counters(spool).pending_bytes, 0);
    append(spool, 1); /* numbers go on */
    assert_balance(spool, 21, 20, 1, 0);
    close_both(&spool, &file);
}

/* [SPOOL-5] an acknowledgement beyond what was appended begins a new stream */
static void test_restored_from_copy(void **state)
{
    (void)state;
    struct ph_spool_file *file = open_file();
    struct ph_spool *spool = open_spool(file, NAME, 1 << 20);
    append(spool, 10);
    read_all(spool);
    uint64_t stream = ph_spool_counters(spool).stream;
    struct ph_ack some = {.stream = stream, .through = 4};
    assert_int_equal(ack(spool, &some), PH_SPOOL_ACK_APPLIED);
    struct ph_ack beyond = {.stream = stream, .through = 11};
    assert_int_equal(ack(spool, &beyond), PH_SPOOL_ACK_RESTARTED);
    assert_int_not_equal(ph_spool_counters(spool).stream, stream);
    assert_balance(spool, 6, 0, 6, 0);
    struct ph_spool_batch batch;
    assert_int_equal(ph_spool_next(spool, 0, 100, 1000, &batch, NULL), PH_OK);
    assert_int_equal(batch.first, 1);
    assert_int_equal(batch.count, 6);
    assert_string_equal(batch.texts[0], "{\"t\":000005}");
    assert_string_equal(batch.texts[5], "{\"t\":000010}");
    ph_spool_batch_fini(&batch);
    assert_int_equal(ack(spool, &beyond), PH_SPOOL_ACK_FOREIGN);
    struct ph_ack range = {
        .stream = ph_spool_counters(spool).stream, .through = 0, .also = {{5, 7}}, .also_count = 1};
    assert_int_equal(ack(spool, &range), PH_SPOOL_ACK_RESTARTED);
    assert_balance(spool, 6, 0, 6, 0);
    close_both(&spool, &file);
}

/* [SPOOL-11] it has captured past the old numbers when it hears from ingest: what was never read
 * for sending cannot have been stored, and what was there at the start can */
static void test_restored_and_ahead(void **state)
{
    (void)state;
    struct ph_spool_file *file = open_file();
    struct ph_spool *spool = open_spool(file, NAME, 1 << 20);
    append(spool, 10);
    close_both(&spool, &file);
    file = open_file();
    spool = open_spool(file, NAME, 1 << 20);
    uint64_t stream = ph_spool_counters(spool).stream;
    append(spool, 30);
    struct ph_ack late = {.stream = stream, .through = 8}; /* of what was sent before the restart */
    assert_int_equal(ack(spool, &late), PH_SPOOL_ACK_APPLIED);
    expect_batch(spool, 0, 4, 10000, 9, 4);
    late.through = 12;
    assert_int_equal(ack(spool, &late), PH_SPOOL_ACK_APPLIED);
    assert_balance(spool, 40, 12, 28, 0);
    struct ph_ack other = {.stream = stream, .through = 25}; /* the copy's former life got so far */
    assert_int_equal(ack(spool, &other), PH_SPOOL_ACK_RESTARTED);
    assert_balance(spool, 28, 0, 28, 0);
    close_both(&spool, &file);
}

/* [SPOOL-6] a full spool drops the oldest and counts them; [SPOOL-7] counters survive a restart */
static void test_bound_and_reopen(void **state)
{
    (void)state;
    struct ph_spool_file *file = open_file();
    struct ph_spool *spool = open_spool(file, NAME, 120); /* ten readings of 12 bytes */
    append(spool, 25);
    assert_balance(spool, 25, 0, 10, 15);
    assert_int_equal(ph_spool_counters(spool).pending_bytes, 120);
    expect_batch(spool, 0, 100, 10000, 16, 10);
    struct ph_spool_counters before = ph_spool_counters(spool);
    close_both(&spool, &file);
    file = open_file();
    spool = open_spool(file, NAME, 120);
    struct ph_spool_counters after = ph_spool_counters(spool);
    assert_memory_equal(&before, &after, sizeof before);
    append(spool, 1);
    assert_balance(spool, 26, 0, 10, 16);
    close_both(&spool, &file);
}

/* [SPOOL-8] one database, many devices */
static enum ph_err collect(void *context, const char *identity,
    const struct ph_spool_counters *counters, struct ph_error *error)
{
    (void)error;
    char *text = context;
    (void)sprintf(text + strlen(text), "%s:%" PRId64 " ", identity, counters->captured);
    return PH_OK;
}

static void test_many_devices(void **state)
{
    (void)state;
    char text[256] = "";
    struct ph_spool_file *file = open_file();
    struct ph_spool *one = open_spool(file, "acme/thermostat/a", 1 << 20);
    struct ph_spool *two = open_spool(file, "acme/thermostat/b", 1 << 20);
    assert_int_not_equal(ph_spool_counters(one).stream, ph_spool_counters(two).stream);
    append(one, 3);
    append(two, 5);
    read_all(one);
    struct ph_ack all = {.stream = ph_spool_counters(one).stream, .through = 3};
    assert_int_equal(ack(one, &all), PH_SPOOL_ACK_APPLIED);
    assert_balance(one, 3, 3, 0, 0);
    assert_balance(two, 5, 0, 5, 0);
    assert_int_equal(ph_spool_list(path, collect, text, NULL), PH_OK); /* while it is in use */
    assert_string_equal(text, "acme/thermostat/a:3 acme/thermostat/b:5 ");
    ph_spool_close(&one);
    close_both(&two, &file);
}

/* [SPOOL-9] one process at a time */
static void test_second_opener(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_spool_file *second = NULL;
    struct ph_spool_file *file = open_file();
    assert_int_equal(ph_spool_file_open(path, PH_SPOOL_SYNC_FULL, &second, &error), PH_ERR_BUSY);
    assert_non_null(strstr(error.message, "in use by another process"));
    assert_null(second);
    ph_spool_file_close(&file);
    file = open_file();
    ph_spool_file_close(&file);
}

static void test_other_files(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_spool_file *file = NULL;
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    (void)fprintf(out, "this is no database, and long enough to be looked at as if it were one\n");
    (void)fclose(out);
    assert_int_equal(ph_spool_file_open(path, PH_SPOOL_SYNC_FULL, &file, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, path));
    ph_error_clear(&error);
    assert_int_equal(
        ph_spool_list("/nonexistent/spool.db", collect, NULL, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "/nonexistent/spool.db"));
    ph_error_clear(&error);
    assert_int_equal(ph_spool_file_open("/nonexistent/spool.db", PH_SPOOL_SYNC_FULL, &file, &error),
        PH_ERR_NOT_FOUND);
    assert_null(file);
}

/* Appends and tells the parent each number after the append returned; runs until it is killed. */
static void child_appends(int to_parent)
{
    struct ph_spool_file *file = NULL;
    struct ph_spool *spool = NULL;
    if (ph_spool_file_open(path, PH_SPOOL_SYNC_OS, &file, NULL) != PH_OK ||
        ph_spool_open(file, NAME, 1 << 24, &spool, NULL) != PH_OK) {
        _exit(1);
    }
    for (;;) {
        int64_t seq = 0;
        struct ph_spool_entry entry = {.json = "{\"t\":1}", .time_ms = 1};
        if (ph_spool_append(spool, &entry, 1, &seq, NULL) != PH_OK ||
            write(to_parent, &seq, sizeof seq) != (ssize_t)sizeof seq) {
            _exit(1);
        }
    }
}

/* [SPOOL-10] killed in the middle of appending, again and again: nothing that an append returned
 * for is missing, and no number is given out twice */
static void test_kill(void **state)
{
    (void)state;
    int64_t last = 0;
    for (int round = 0; round < 8; round++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            (void)close(fds[0]);
            child_appends(fds[1]);
        }
        (void)close(fds[1]);
        int64_t seq = 0;
        int wanted = 20 + round * 7;
        for (int i = 0; i < wanted; i++) {
            assert_int_equal(read(fds[0], &seq, sizeof seq), sizeof seq);
            assert_true(seq > last);
            last = seq;
        }
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        while (read(fds[0], &seq, sizeof seq) == (ssize_t)sizeof seq) {
            last = seq;
        }
        (void)close(fds[0]);
        struct ph_spool_file *file = open_file();
        struct ph_spool *spool = open_spool(file, NAME, 1 << 24);
        int64_t captured = ph_spool_counters(spool).captured;
        assert_true(captured == last || captured == last + 1); /* one may not have been told */
        assert_balance(spool, captured, 0, captured, 0);
        last = captured;
        close_both(&spool, &file);
    }
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/ph-spool-XXXXXX");
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/spool.db", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char line[128];
    (void)snprintf(line, sizeof line, "rm -rf '%s'", dir);
    return system(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_append_and_next, setup, teardown),
        cmocka_unit_test_setup_teardown(test_append_many_or_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ack, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restored_from_copy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restored_and_ahead, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bound_and_reopen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_devices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_second_opener, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kill, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
