/* [SPOOL-1] to [SPOOL-10], [SPOOL-13], [SPOOL-14], [SPOOL-17] */
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

#include "device/spool_testbed.h"

#define BOOT "00000000-0000-4000-8000-000000000001"

/* A spool whose stream ingest has answered for. */
static struct ph_spool *open_released(
    struct ph_spool_file *file, const char *identity, int64_t max_bytes)
{
    struct ph_spool *spool = testbed_open(file, identity, max_bytes);
    testbed_release(spool);
    return spool;
}

/* [SPOOL-1] numbers from 1; [SPOOL-2] a batch follows without gap, within its bounds */
static void test_append_and_next(void **state)
{
    (void)state;
    struct ph_spool_file *file = testbed_file(BOOT);
    struct ph_spool *spool = open_released(file, TESTBED_NAME, 1 << 20);
    assert_int_not_equal(ph_spool_counters(spool).stream, 0);
    testbed_expect_batch(spool, 0, 10, 1000, 0, 0);
    testbed_append(spool, 10);
    testbed_expect_batch(spool, 0, 4, 1000, 1, 4);
    testbed_expect_batch(spool, 4, 100, 1000, 5, 6);
    testbed_expect_batch(spool, 10, 100, 1000, 0, 0);
    testbed_expect_batch(
        spool, 0, 100, 39, 1, 3);                 /* 3 * 13: {"t":000001} is 12 bytes and a comma */
    testbed_expect_batch(spool, 0, 100, 1, 1, 1); /* one always goes */

    struct ph_spool_batch batch;
    assert_int_equal(ph_spool_next(spool, 6, 1, 100, &batch, NULL), PH_OK);
    assert_string_equal(batch.texts[0], "{\"t\":000007}");
    ph_spool_batch_fini(&batch);
    testbed_close(&spool, &file);
}

static void test_append_many_or_none(void **state)
{
    (void)state;
    struct ph_spool_file *file = testbed_file(BOOT);
    struct ph_spool *spool = open_released(file, TESTBED_NAME, 1 << 20);
    char *large = calloc(1, PH_LIMIT_READING_BYTES + 2);
    assert_non_null(large);
    memset(large, 'x', PH_LIMIT_READING_BYTES + 1);
    struct ph_spool_entry entries[] = {
        {.json = "{}", .time_ms = 1}, {.json = "{}", .time_ms = 2}, {.json = large, .time_ms = 3}};
    struct ph_error error = {0};
    int64_t first = 0;
    assert_int_equal(ph_spool_append(spool, entries, 3, &first, &error), PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "want 1 to 4096 bytes, have 4097"));
    testbed_balance(spool, 0, 0, 0, 0);
    assert_int_equal(ph_spool_append(spool, entries, 2, &first, NULL), PH_OK);
    assert_int_equal(first, 1);
    testbed_balance(spool, 2, 0, 2, 0);
    free(large);
    testbed_close(&spool, &file);
}

/* [SPOOL-3] what is acknowledged is deleted, nothing else; [SPOOL-4] another stream's is ignored */
static void test_ack(void **state)
{
    (void)state;
    struct ph_spool_file *file = testbed_file(BOOT);
    struct ph_spool *spool = open_released(file, TESTBED_NAME, 1 << 20);
    testbed_append(spool, 20);
    testbed_read_all(spool);
    uint64_t stream = ph_spool_counters(spool).stream;
    struct ph_ack foreign = {.stream = stream ^ 1, .through = 20};
    assert_int_equal(testbed_ack(spool, &foreign), PH_SPOOL_ACK_FOREIGN);
    testbed_balance(spool, 20, 0, 20, 0);
    struct ph_ack gaps = {
        .stream = stream, .through = 3, .also = {{6, 8}, {15, 15}}, .also_count = 2};
    assert_int_equal(testbed_ack(spool, &gaps), PH_SPOOL_ACK_APPLIED);
    testbed_balance(spool, 20, 7, 13, 0);
    testbed_expect_batch(spool, 0, 100, 10000, 4, 2);
    testbed_expect_batch(spool, 5, 100, 10000, 9, 6);
    testbed_expect_batch(spool, 14, 100, 10000, 16, 5);
    assert_int_equal(testbed_ack(spool, &gaps), PH_SPOOL_ACK_APPLIED); /* again changes nothing */
    testbed_balance(spool, 20, 7, 13, 0);
    struct ph_ack all = {.stream = stream, .through = 20};
    assert_int_equal(testbed_ack(spool, &all), PH_SPOOL_ACK_APPLIED);
    testbed_balance(spool, 20, 20, 0, 0);
    assert_int_equal(ph_spool_counters(spool).pending_bytes, 0);
    testbed_append(spool, 1); /* numbers go on */
    testbed_balance(spool, 21, 20, 1, 0);
    testbed_close(&spool, &file);
}

/* [SPOOL-6] a full spool drops the oldest and counts them; [SPOOL-7] counters survive a restart */
static void test_bound_and_reopen(void **state)
{
    (void)state;
    struct ph_spool_file *file = testbed_file(BOOT);
    struct ph_spool *spool = open_released(file, TESTBED_NAME, 120); /* ten readings of 12 bytes */
    testbed_append(spool, 25);
    testbed_balance(spool, 25, 0, 10, 15);
    assert_int_equal(ph_spool_counters(spool).pending_bytes, 120);
    testbed_expect_batch(spool, 0, 100, 10000, 16, 10);
    struct ph_spool_counters before = ph_spool_counters(spool);
    testbed_close(&spool, &file);
    file = testbed_file(BOOT);
    spool = open_released(file, TESTBED_NAME, 120);
    struct ph_spool_counters after = ph_spool_counters(spool);
    assert_memory_equal(&before, &after, sizeof before);
    testbed_append(spool, 1);
    testbed_balance(spool, 26, 0, 10, 16);
    testbed_close(&spool, &file);
}

/* [SPOOL-13] what could never fit is refused, and pushes nothing out */
static void test_too_large(void **state)
{
    (void)state;
    struct ph_spool_file *file = testbed_file(BOOT);
    struct ph_spool *spool = open_released(file, TESTBED_NAME, 30);
    struct ph_error error = {0};
    int64_t seq = 0;
    testbed_append(spool, 2);
    struct ph_spool_entry large = {.json = "{\"t\":1,\"a\":1234567890123456789}"};
    assert_int_equal(ph_spool_append(spool, &large, 1, &seq, &error), PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "larger than the whole spool may be (30); raise"));
    testbed_balance(spool, 2, 0, 2, 0);
    large.json = "{\"t\":1,\"a\":12345678901234567}"; /* fits, alone */
    assert_int_equal(ph_spool_append(spool, &large, 1, &seq, NULL), PH_OK);
    testbed_balance(spool, 3, 0, 1, 2);
    testbed_close(&spool, &file);
}

static int64_t file_bytes(const char *suffix)
{
    char name[128];
    struct stat status;
    (void)snprintf(name, sizeof name, "%s%s", testbed_path, suffix);
    return stat(name, &status) == 0 ? (int64_t)status.st_size : 0;
}

enum { OUTAGE = 30000 };

/* Six megabytes in one transaction, and all of it acknowledged in another. */
static void outage(struct ph_spool *spool)
{
    static char json[201];
    static struct ph_spool_entry entries[OUTAGE];
    memset(json, 'x', sizeof json - 1);
    for (int i = 0; i < OUTAGE; i++) {
        entries[i] = (struct ph_spool_entry){.json = json, .time_ms = 1};
    }
    int64_t first = 0;
    assert_int_equal(ph_spool_append(spool, entries, OUTAGE, &first, NULL), PH_OK);
    testbed_read_all(spool);
    struct ph_ack all = {.stream = ph_spool_counters(spool).stream, .through = first + OUTAGE - 1};
    assert_int_equal(testbed_ack(spool, &all), PH_SPOOL_ACK_APPLIED);
    assert_int_equal(ph_spool_counters(spool).pending, 0);
}

/* [SPOOL-14] the room of one outage is used again by the next, and the log is cut back */
static void test_space(void **state)
{
    (void)state;
    struct ph_spool_file *file = testbed_file(BOOT);
    struct ph_spool *spool = open_released(file, TESTBED_NAME, 1 << 24);
    outage(spool);
    testbed_append(spool, 2);
    int64_t after_one = file_bytes("");
    for (int i = 0; i < 3; i++) {
        outage(spool);
    }
    testbed_append(spool, 2);
    assert_true(after_one > 6000000 && after_one < 8000000);
    assert_true(file_bytes("") < after_one + after_one / 20);
    assert_true(file_bytes("-wal") <= 4 << 20);
    testbed_close(&spool, &file);
}

/* [SPOOL-17] what was lost is counted with the next reading that is not */
static void test_lost(void **state)
{
    (void)state;
    struct ph_spool_file *file = testbed_file(BOOT);
    struct ph_spool *spool = open_released(file, TESTBED_NAME, 1 << 20);
    int64_t seq = 0;
    struct ph_spool_entry entry = {.json = "{}", .time_ms = 1, .lost = 7};
    assert_int_equal(ph_spool_append(spool, &entry, 1, &seq, NULL), PH_OK);
    entry.lost = 2;
    assert_int_equal(ph_spool_append(spool, &entry, 1, &seq, NULL), PH_OK);
    testbed_close(&spool, &file);
    file = testbed_file(BOOT);
    spool = open_released(file, TESTBED_NAME, 1 << 20);
    assert_int_equal(ph_spool_counters(spool).lost, 9);
    testbed_balance(spool, 2, 0, 2, 0); /* they have no numbers */
    testbed_close(&spool, &file);
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
    struct ph_spool_file *file = testbed_file(BOOT);
    struct ph_spool *one = open_released(file, "acme/thermostat/a", 1 << 20);
    struct ph_spool *two = open_released(file, "acme/thermostat/b", 1 << 20);
    assert_int_not_equal(ph_spool_counters(one).stream, ph_spool_counters(two).stream);
    testbed_append(one, 3);
    testbed_append(two, 5);
    testbed_read_all(one);
    struct ph_ack all = {.stream = ph_spool_counters(one).stream, .through = 3};
    assert_int_equal(testbed_ack(one, &all), PH_SPOOL_ACK_APPLIED);
    testbed_balance(one, 3, 3, 0, 0);
    testbed_balance(two, 5, 0, 5, 0);
    assert_int_equal(
        ph_spool_list(testbed_path, collect, text, NULL), PH_OK); /* while it is in use */
    assert_string_equal(text, "acme/thermostat/a:3 acme/thermostat/b:5 ");
    ph_spool_close(&one);
    testbed_close(&two, &file);
}

/* [SPOOL-9] one process at a time */
static void test_second_opener(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_spool_file *second = NULL;
    struct ph_spool_file *file = testbed_file(BOOT);
    assert_int_equal(
        ph_spool_file_open(testbed_path, PH_SPOOL_SYNC_FULL, BOOT, &second, &error), PH_ERR_BUSY);
    assert_non_null(strstr(error.message, "in use by another process"));
    assert_null(second);
    ph_spool_file_close(&file);
    file = testbed_file(BOOT);
    ph_spool_file_close(&file);
}

static void test_other_files(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_spool_file *file = NULL;
    FILE *out = fopen(testbed_path, "w");
    assert_non_null(out);
    (void)fprintf(out, "this is no database, and long enough to be looked at as if it were one\n");
    (void)fclose(out);
    assert_int_equal(
        ph_spool_file_open(testbed_path, PH_SPOOL_SYNC_FULL, BOOT, &file, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, testbed_path));
    ph_error_clear(&error);
    assert_int_equal(
        ph_spool_list("/nonexistent/spool.db", collect, NULL, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "/nonexistent/spool.db"));
    ph_error_clear(&error);
    assert_int_equal(
        ph_spool_file_open("/nonexistent/spool.db", PH_SPOOL_SYNC_FULL, BOOT, &file, &error),
        PH_ERR_NOT_FOUND);
    assert_null(file);
}

/* Appends and tells the parent each number after the append returned; runs until it is killed. */
static void child_appends(int to_parent)
{
    struct ph_spool_file *file = NULL;
    struct ph_spool *spool = NULL;
    if (ph_spool_file_open(testbed_path, PH_SPOOL_SYNC_OS, BOOT, &file, NULL) != PH_OK ||
        ph_spool_open(file, TESTBED_NAME, 1 << 24, &spool, NULL) != PH_OK) {
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
        struct ph_spool_file *file = testbed_file(BOOT);
        struct ph_spool *spool = open_released(file, TESTBED_NAME, 1 << 24);
        int64_t captured = ph_spool_counters(spool).captured;
        assert_true(captured == last || captured == last + 1); /* one may not have been told */
        testbed_balance(spool, captured, 0, captured, 0);
        last = captured;
        testbed_close(&spool, &file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_append_and_next, testbed_setup, testbed_teardown),
        cmocka_unit_test_setup_teardown(test_append_many_or_none, testbed_setup, testbed_teardown),
        cmocka_unit_test_setup_teardown(test_ack, testbed_setup, testbed_teardown),
        cmocka_unit_test_setup_teardown(test_bound_and_reopen, testbed_setup, testbed_teardown),
        cmocka_unit_test_setup_teardown(test_too_large, testbed_setup, testbed_teardown),
        cmocka_unit_test_setup_teardown(test_space, testbed_setup, testbed_teardown),
        cmocka_unit_test_setup_teardown(test_lost, testbed_setup, testbed_teardown),
        cmocka_unit_test_setup_teardown(test_many_devices, testbed_setup, testbed_teardown),
        cmocka_unit_test_setup_teardown(test_second_opener, testbed_setup, testbed_teardown),
        cmocka_unit_test_setup_teardown(test_other_files, testbed_setup, testbed_teardown),
        cmocka_unit_test_setup_teardown(test_kill, testbed_setup, testbed_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
