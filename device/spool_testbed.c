#include "device/spool_testbed.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

char testbed_dir[64];
char testbed_path[96];

int testbed_setup(void **state)
{
    (void)state;
    (void)snprintf(testbed_dir, sizeof testbed_dir, "/tmp/ph-spool-XXXXXX");
    if (mkdtemp(testbed_dir) == NULL) {
        return -1;
    }
    (void)snprintf(testbed_path, sizeof testbed_path, "%s/spool.db", testbed_dir);
    return 0;
}

int testbed_teardown(void **state)
{
    (void)state;
    char line[128];
    (void)snprintf(line, sizeof line, "rm -rf '%s'", testbed_dir);
    return system(line);
}

struct ph_spool_file *testbed_file(const char *boot)
{
    struct ph_spool_file *file = NULL;
    struct ph_error error = {0};
    if (ph_spool_file_open(testbed_path, PH_SPOOL_SYNC_FULL, boot, &file, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    return file;
}

struct ph_spool *testbed_open(struct ph_spool_file *file, const char *identity, int64_t max_bytes)
{
    struct ph_spool *spool = NULL;
    struct ph_error error = {0};
    if (ph_spool_open(file, identity, max_bytes, &spool, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    return spool;
}

void testbed_release(struct ph_spool *spool)
{
    struct ph_error error = {0};
    if (ph_spool_release(spool, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

void testbed_close(struct ph_spool **spool, struct ph_spool_file **file)
{
    ph_spool_close(spool);
    ph_spool_file_close(file);
}

void testbed_append(struct ph_spool *spool, int count)
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

void testbed_expect_batch(struct ph_spool *spool, int64_t after, size_t count_max, size_t bytes_max,
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

void testbed_read_all(struct ph_spool *spool)
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

enum ph_spool_acked testbed_ack(struct ph_spool *spool, const struct ph_ack *message)
{
    enum ph_spool_acked result = PH_SPOOL_ACK_FOREIGN;
    assert_int_equal(ph_spool_ack(spool, message, &result, NULL), PH_OK);
    return result;
}

void testbed_balance(const struct ph_spool *spool, int64_t captured, int64_t acknowledged,
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
