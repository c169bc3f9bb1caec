/* [SPOOL-5], [SPOOL-11], [SPOOL-12], [SPOOL-15], [SPOOL-16], [SPOOL-18]: the lives of a stream, and
 * what a spool tells ingest about it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "adapters/sqlite.h"
#include "device/spool_testbed.h"

#define BOOT  "00000000-0000-4000-8000-000000000001"
#define LATER "00000000-0000-4000-8000-000000000002"

enum { LARGE = 1 << 20 };

static struct ph_spool_file *file;
static struct ph_spool *spool;

static void begin(void)
{
    file = testbed_file(BOOT);
    spool = testbed_open(file, TESTBED_NAME, LARGE);
}

static void end(void)
{
    testbed_close(&spool, &file);
}

static void again(void)
{
    end();
    begin();
}

/* Of the closed database. */
static void copy(const char *from, const char *to)
{
    char line[512];
    (void)snprintf(line, sizeof line, "cp '%s%s' '%s%s'", testbed_path, from, testbed_path, to);
    assert_int_equal(system(line), 0);
}

static uint64_t stream(void)
{
    return ph_spool_counters(spool).stream;
}

static void expect_texts(const char *first, const char *last, size_t count)
{
    struct ph_spool_batch batch;
    testbed_release(spool);
    assert_int_equal(ph_spool_next(spool, 0, 500, LARGE, &batch, NULL), PH_OK);
    assert_int_equal(batch.count, count);
    assert_int_equal(batch.first, 1);
    assert_string_equal(batch.texts[0], first);
    assert_string_equal(batch.texts[count - 1], last);
    ph_spool_batch_fini(&batch);
}

/* [SPOOL-5] an acknowledgement beyond what was ever captured begins a new stream */
static void test_beyond(void **state)
{
    (void)state;
    begin();
    testbed_release(spool);
    testbed_append(spool, 10);
    testbed_read_all(spool);
    uint64_t old = stream();
    struct ph_ack some = {.stream = old, .through = 4};
    assert_int_equal(testbed_ack(spool, &some), PH_SPOOL_ACK_APPLIED);
    struct ph_ack beyond = {.stream = old, .through = 11};
    assert_int_equal(testbed_ack(spool, &beyond), PH_SPOOL_ACK_RESTARTED);
    assert_int_not_equal(stream(), old);
    testbed_balance(spool, 6, 0, 6, 0);
    expect_texts("{\"t\":000005}", "{\"t\":000010}", 6);
    assert_int_equal(testbed_ack(spool, &beyond), PH_SPOOL_ACK_FOREIGN);
    struct ph_ack range = {.stream = stream(), .also = {{5, 7}}, .also_count = 1};
    assert_int_equal(testbed_ack(spool, &range), PH_SPOOL_ACK_RESTARTED);
    testbed_balance(spool, 6, 0, 6, 0);
    end();
}

/* [SPOOL-11] nothing is read for sending before the release; what was released stays so */
static void test_release(void **state)
{
    (void)state;
    begin();
    testbed_append(spool, 5);
    testbed_expect_batch(spool, 0, 10, LARGE, 0, 0);
    testbed_release(spool);
    testbed_expect_batch(spool, 0, 10, LARGE, 1, 5);
    testbed_append(spool, 2); /* released as it is captured */
    assert_int_equal(ph_spool_counters(spool).released, 7);
    again();
    assert_int_equal(ph_spool_counters(spool).released, 7);
    testbed_append(spool, 3);
    assert_int_equal(ph_spool_counters(spool).released, 7);
    testbed_expect_batch(spool, 0, 20, LARGE, 1, 7);
    testbed_release(spool);
    testbed_expect_batch(spool, 0, 20, LARGE, 1, 10);
    end();
}

/* [SPOOL-5], [SPOOL-11] the copy has captured far past the numbers of its former life, and was
 * started again, before it hears from ingest: of the shared numbers nothing comes twice, of the
 * others nothing is taken for a duplicate */
static void test_restored_copy(void **state)
{
    (void)state;
    begin();
    testbed_release(spool);
    testbed_append(spool, 10);
    end();
    copy("", ".copy");
    begin();
    testbed_release(spool);
    testbed_append(spool, 15); /* sent as 11 to 25, and stored */
    uint64_t old = stream();
    end();
    copy(".copy", "");

    begin();
    testbed_append(spool, 20);
    again(); /* without having heard anything */
    testbed_append(spool, 10);
    testbed_balance(spool, 40, 0, 40, 0);
    struct ph_ack answer = {.stream = old, .through = 7, .also = {{9, 25}}, .also_count = 1};
    assert_int_equal(testbed_ack(spool, &answer), PH_SPOOL_ACK_RESTARTED);
    assert_int_not_equal(stream(), old);
    testbed_balance(spool, 31, 0, 31, 0); /* the eighth, and the thirty of this life */
    expect_texts("{\"t\":000008}", "{\"t\":000040}", 31);
    end();
}

/* [SPOOL-11] a late acknowledgement of what was sent before a restart is no sign of another life;
 * one of what was captured since, and not sent, is */
static void test_late_acknowledgement(void **state)
{
    (void)state;
    begin();
    testbed_release(spool);
    testbed_append(spool, 10);
    again();
    testbed_append(spool, 30);
    struct ph_ack late = {.stream = stream(), .through = 8};
    assert_int_equal(testbed_ack(spool, &late), PH_SPOOL_ACK_APPLIED);
    testbed_balance(spool, 40, 8, 32, 0);
    testbed_release(spool);
    testbed_expect_batch(spool, 0, 4, LARGE, 9, 4);
    late.through = 12;
    assert_int_equal(testbed_ack(spool, &late), PH_SPOOL_ACK_APPLIED);
    testbed_balance(spool, 40, 12, 28, 0);
    late.through = 25;
    assert_int_equal(testbed_ack(spool, &late), PH_SPOOL_ACK_RESTARTED);
    testbed_balance(spool, 28, 0, 28, 0);
    end();
}

static int64_t oldest(void)
{
    int64_t seq = -1;
    assert_int_equal(ph_spool_oldest(spool, &seq, NULL), PH_OK);
    return seq;
}

/* [SPOOL-12] once something was dropped the smallest number still held is known; that ingest gives
 * up the others, sent or not, is no sign of another life */
static void test_oldest(void **state)
{
    (void)state;
    file = testbed_file(BOOT);
    spool = testbed_open(file, TESTBED_NAME, 120); /* ten readings of 12 bytes */
    testbed_append(spool, 10);
    assert_int_equal(oldest(), 0);
    testbed_append(spool, 5);
    testbed_balance(spool, 15, 0, 10, 5);
    assert_int_equal(oldest(), 6);
    struct ph_ack given_up = {.stream = stream(), .through = 5};
    assert_int_equal(testbed_ack(spool, &given_up), PH_SPOOL_ACK_APPLIED);
    testbed_balance(spool, 15, 0, 10, 5);
    testbed_release(spool);
    testbed_read_all(spool);
    struct ph_ack range = {.stream = stream(), .also = {{6, 9}}, .also_count = 1};
    assert_int_equal(testbed_ack(spool, &range), PH_SPOOL_ACK_APPLIED);
    assert_int_equal(oldest(), 10);
    range.also[0].last = 15;
    assert_int_equal(testbed_ack(spool, &range), PH_SPOOL_ACK_APPLIED);
    assert_int_equal(oldest(), 16); /* the one that comes next */
    end();
    file = testbed_file(BOOT);
    spool = testbed_open(file, TESTBED_NAME, 120);
    assert_int_equal(oldest(), 16);
    end();
}

static void append_up(int64_t up_ms)
{
    char json[32];
    int64_t seq = 0;
    (void)snprintf(json, sizeof json, "{\"up\":%lld}", (long long)up_ms);
    struct ph_spool_entry entry = {.json = json, .time_ms = up_ms, .up = true};
    assert_int_equal(ph_spool_append(spool, &entry, 1, &seq, NULL), PH_OK);
}

static void expect_uptimes(int64_t after, size_t count, bool up)
{
    struct ph_spool_batch batch;
    assert_int_equal(ph_spool_next(spool, after, 100, LARGE, &batch, NULL), PH_OK);
    assert_int_equal(batch.first, after + 1);
    assert_int_equal(batch.count, count);
    assert_int_equal(batch.up, up);
    ph_spool_batch_fini(&batch);
}

/* [SPOOL-16] a reading without a time keeps its boot, and uptimes of this boot and of another are
 * never read together */
static void test_boots(void **state)
{
    (void)state;
    begin();
    append_up(1000);
    append_up(2000);
    testbed_release(spool);
    expect_uptimes(0, 2, true);
    end();
    file = testbed_file(LATER);
    spool = testbed_open(file, TESTBED_NAME, LARGE);
    testbed_append(spool, 2);
    append_up(500);
    testbed_append(spool, 1);
    testbed_release(spool);
    expect_uptimes(0, 4, false); /* two of the boot before, two with a time */
    expect_uptimes(4, 2, true);
    expect_uptimes(5, 1, false);
    expect_uptimes(2, 4, true);
    end();
}

static void exec(struct ph_db *db, const char *sql)
{
    struct ph_error error = {0};
    if (ph_db_exec(db, sql, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

/* [SPOOL-15] the database of the first version is upgraded, with all it holds; what it captured it
 * may have sent */
static void test_upgrade(void **state)
{
    (void)state;
    struct ph_db *db = NULL;
    assert_int_equal(ph_db_open(testbed_path, PH_DB_CREATE, 1000, &db, NULL), PH_OK);
    exec(db,
        "CREATE TABLE spool (id INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE,"
        " stream INTEGER NOT NULL, captured INTEGER NOT NULL DEFAULT 0,"
        " acknowledged INTEGER NOT NULL DEFAULT 0, pending INTEGER NOT NULL DEFAULT 0,"
        " dropped INTEGER NOT NULL DEFAULT 0, pending_bytes INTEGER NOT NULL DEFAULT 0) STRICT;"
        "CREATE TABLE reading (spool INTEGER NOT NULL REFERENCES spool (id), seq INTEGER NOT NULL,"
        " time_ms INTEGER NOT NULL, json TEXT NOT NULL, PRIMARY KEY (spool, seq)) STRICT,"
        " WITHOUT ROWID;"
        "INSERT INTO spool VALUES (1, '" TESTBED_NAME "', 4711, 9, 5, 2, 2, 24);"
        "INSERT INTO reading VALUES (1, 8, 8, '{\"t\":000008}'), (1, 9, 9, '{\"t\":000009}');"
        "PRAGMA application_id=0x50485370; PRAGMA user_version=1");
    ph_db_close(&db);
    begin();
    assert_int_equal(stream(), 4711);
    testbed_balance(spool, 9, 5, 2, 2);
    assert_int_equal(ph_spool_counters(spool).released, 9);
    assert_int_equal(ph_spool_counters(spool).lost, 0);
    assert_int_equal(oldest(), 8);
    testbed_expect_batch(spool, 0, 10, LARGE, 8, 2);
    testbed_append(spool, 1);
    again();
    testbed_balance(spool, 10, 5, 3, 2);
    end();
}

static int syncs;

/* Both stand in front of the C library's, also for SQLite. */
__attribute__((visibility("default"))) int fsync(int fd)
{
    syncs++;
    return (int)syscall(SYS_fsync, fd);
}

__attribute__((visibility("default"))) int fdatasync(int fildes)
{
    syncs++;
    return (int)syscall(SYS_fdatasync, fildes);
}

static int syncs_of_append(void)
{
    syncs = 0;
    testbed_append(spool, 1);
    return syncs;
}

static int syncs_of_release(void)
{
    syncs = 0;
    testbed_release(spool);
    return syncs;
}

/* [SPOOL-18] with the lazy sync policy, too, the mark is on the disk before anything goes out */
static void test_syncs(void **state)
{
    (void)state;
    begin();
    assert_true(syncs_of_append() > 0);
    assert_true(syncs_of_release() > 0);
    end();
    assert_int_equal(ph_spool_file_open(testbed_path, PH_SPOOL_SYNC_OS, BOOT, &file, NULL), PH_OK);
    spool = testbed_open(file, TESTBED_NAME, LARGE);
    (void)syncs_of_append(); /* the first one begins a log */
    assert_int_equal(syncs_of_append(), 0);
    assert_true(syncs_of_release() > 0);
    assert_int_equal(ph_spool_counters(spool).released, 3);
    assert_int_equal(syncs_of_release(), 0); /* nothing to do */
    assert_int_equal(syncs_of_append(), 0);
    assert_int_equal(ph_spool_counters(spool).released, 4);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_beyond, testbed_setup, testbed_teardown),
        cmocka_unit_test_setup_teardown(test_release, testbed_setup, testbed_teardown),
        cmocka_unit_test_setup_teardown(test_restored_copy, testbed_setup, testbed_teardown),
        cmocka_unit_test_setup_teardown(test_late_acknowledgement, testbed_setup, testbed_teardown),
        cmocka_unit_test_setup_teardown(test_oldest, testbed_setup, testbed_teardown),
        cmocka_unit_test_setup_teardown(test_boots, testbed_setup, testbed_teardown),
        cmocka_unit_test_setup_teardown(test_upgrade, testbed_setup, testbed_teardown),
        cmocka_unit_test_setup_teardown(test_syncs, testbed_setup, testbed_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
