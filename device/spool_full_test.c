/* [SPOOL-19] to [SPOOL-22]: a disk that is full, while the spool's own bound is not reached. On a
 * small file system of its own, in a mount namespace; skipped where that may not be made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/spool_testbed.h"

#define BOOT "00000000-0000-4000-8000-000000000001"

enum { LARGE = 1 << 30, SKIPPED = 77, DISK_BYTES = 12 << 20, RESERVE_BYTES = 3 * 250 * 4096 };

static const int64_t batch = 100;
static const int64_t released = 4000;

static struct ph_spool_file *file;
static struct ph_spool *spool;
static char reserve_path[128];

static void begin(void)
{
    file = testbed_file(BOOT);
    spool = testbed_open(file, TESTBED_NAME, LARGE);
}

static void again(void)
{
    testbed_close(&spool, &file);
    begin();
}

static int make_disk(void **state)
{
    char options[32];
    (void)snprintf(options, sizeof options, "size=%d", DISK_BYTES);
    if (testbed_setup(state) != 0 || mount("none", testbed_dir, "tmpfs", 0, options) != 0) {
        return -1;
    }
    (void)snprintf(reserve_path, sizeof reserve_path, "%s.reserve", testbed_path);
    return 0;
}

static int remove_disk(void **state)
{
    testbed_close(&spool, &file);
    return umount(testbed_dir) == 0 ? testbed_teardown(state) : -1;
}

static enum ph_err append(void)
{
    char json[500];
    int64_t seq = 0;
    (void)snprintf(json, sizeof json, "{\"t\":%-*d}", (int)sizeof json - 8, 1);
    struct ph_spool_entry entry = {.json = json, .time_ms = 1};
    return ph_spool_append(spool, &entry, 1, &seq, NULL);
}

static void append_many(int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        assert_int_equal(append(), PH_OK);
    }
}

/* Somebody else's file takes every byte that the disk has. */
static void fill_disk(void)
{
    static const char bytes[4096];
    char path[128];
    (void)snprintf(path, sizeof path, "%s/neighbour", testbed_dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_true(fd >= 0);
    while (write(fd, bytes, sizeof bytes) > 0) {
    }
    assert_int_equal(close(fd), 0);
}

/* All but so much of what is free. */
static void fill_disk_but(int64_t bytes)
{
    char path[128];
    struct stat status = {0};
    fill_disk();
    (void)snprintf(path, sizeof path, "%s/neighbour", testbed_dir);
    assert_int_equal(stat(path, &status), 0);
    assert_true(status.st_size > bytes);
    assert_int_equal(truncate(path, status.st_size - bytes), 0);
}

static void clear_disk(void)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/neighbour", testbed_dir);
    assert_int_equal(unlink(path), 0);
}

/* An outage: readings wait until the disk can take no more. */
static void fill_up(void)
{
    begin();
    append_many(released);
    testbed_release(spool);
    testbed_read_all(spool);
    fill_disk();
    for (int i = 0; i < 100000 && append() == PH_OK; i++) {
    }
    assert_int_equal(append(), PH_ERR_IO);
}

static enum ph_err acknowledge(int64_t through)
{
    enum ph_spool_acked result = PH_SPOOL_ACK_FOREIGN;
    const struct ph_ack ack = {.stream = ph_spool_counters(spool).stream, .through = through};
    return ph_spool_ack(spool, &ack, &result, NULL);
}

static int64_t reserve_bytes(void)
{
    struct stat status = {0};
    return stat(reserve_path, &status) == 0 ? (int64_t)status.st_blocks * 512 : -1;
}

/* [SPOOL-19] */
static void acknowledgements_find_room_on_a_full_disk(void **state)
{
    (void)state;
    fill_up();
    assert_true(reserve_bytes() >= RESERVE_BYTES);
    int64_t captured = ph_spool_counters(spool).captured;
    for (int64_t through = batch; through <= released; through += batch) {
        assert_int_equal(acknowledge(through), PH_OK);
        fill_disk(); /* whatever was freed, the neighbour has it at once */
    }
    assert_int_equal(reserve_bytes(), 0);
    testbed_balance(spool, captured, released, captured - released, 0);
    clear_disk();
    again(); /* as from the disk */
    testbed_balance(spool, captured, released, captured - released, 0);
}

/* [SPOOL-19] The control: a spool without the reserve is stuck until somebody makes room. */
static void without_the_reserve_nothing_can_be_acknowledged(void **state)
{
    (void)state;
    assert_int_equal(mkdir(reserve_path, 0700), 0);
    fill_up();
    assert_int_equal(acknowledge(batch), PH_ERR_IO);
    clear_disk();
    assert_int_equal(acknowledge(batch), PH_OK);
}

/* [SPOOL-20] */
static void what_is_freed_takes_new_readings(void **state)
{
    (void)state;
    fill_up();
    assert_int_equal(acknowledge(batch), PH_OK);
    assert_int_equal(append(), PH_ERR_IO); /* 100 kB are not enough to be sure of */
    assert_int_equal(acknowledge(10 * batch), PH_OK);
    fill_disk();
    append_many(5 * batch);
    for (int64_t i = 0; i < 20 * batch && append() == PH_OK; i++) {
    }
    assert_int_equal(append(), PH_ERR_IO);
    assert_int_equal(acknowledge(15 * batch), PH_OK); /* there was still room for this */
    append_many(batch);
}

/* [SPOOL-21] */
static void the_reserve_is_taken_again_when_there_is_room(void **state)
{
    (void)state;
    fill_up();
    assert_int_equal(acknowledge(batch), PH_OK);
    assert_int_equal(reserve_bytes(), 0);
    clear_disk();
    assert_int_equal(append(), PH_OK);
    assert_true(reserve_bytes() >= RESERVE_BYTES);
}

/* [SPOOL-20] What acknowledgements need of the disk is not more than a small database has pages. */
static void a_small_spool_goes_on_with_less_room_than_the_reserve(void **state)
{
    (void)state;
    begin();
    append_many(batch);
    testbed_release(spool);
    testbed_read_all(spool);
    fill_disk();
    for (int i = 0; i < 1000 && append() == PH_OK; i++) {
    }
    assert_int_equal(acknowledge(batch), PH_OK);
    fill_disk();
    assert_int_equal(append(), PH_ERR_IO);
    fill_disk_but((5 << 20) / 2);
    append_many(batch);
    assert_int_equal(reserve_bytes(), 0);
}

/* [SPOOL-21] A process that ends meanwhile leaves the last room to acknowledgements, too. */
static void the_next_process_knows_that_it_was_given_up(void **state)
{
    (void)state;
    fill_up();
    assert_int_equal(acknowledge(batch), PH_OK);
    testbed_close(&spool, &file);
    fill_disk_but(1 << 20); /* too little for the reserve */
    begin();
    assert_int_equal(append(), PH_ERR_IO);
    assert_int_equal(acknowledge(2 * batch), PH_OK);
}

/* [SPOOL-19] Opening a database takes some room, too. */
static void a_full_disk_does_not_keep_it_from_starting(void **state)
{
    (void)state;
    fill_up();
    testbed_close(&spool, &file);
    fill_disk();
    begin();
    testbed_release(spool);
    assert_int_equal(acknowledge(batch), PH_OK);
}

/* [SPOOL-22] */
static void a_disk_too_small_for_a_reserve_is_used_without(void **state)
{
    (void)state;
    char options[32];
    (void)snprintf(options, sizeof options, "remount,size=%d", 2 << 20);
    assert_int_equal(mount("none", testbed_dir, "tmpfs", MS_REMOUNT, options + 8), 0);
    begin();
    append_many(100);
    assert_int_equal(reserve_bytes(), -1);
}

int main(void)
{
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        (void)puts("skipped: may not mount a file system");
        return SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            acknowledgements_find_room_on_a_full_disk, make_disk, remove_disk),
        cmocka_unit_test_setup_teardown(
            without_the_reserve_nothing_can_be_acknowledged, make_disk, remove_disk),
        cmocka_unit_test_setup_teardown(what_is_freed_takes_new_readings, make_disk, remove_disk),
        cmocka_unit_test_setup_teardown(
            the_reserve_is_taken_again_when_there_is_room, make_disk, remove_disk),
        cmocka_unit_test_setup_teardown(
            a_small_spool_goes_on_with_less_room_than_the_reserve, make_disk, remove_disk),
        cmocka_unit_test_setup_teardown(
            the_next_process_knows_that_it_was_given_up, make_disk, remove_disk),
        cmocka_unit_test_setup_teardown(
            a_full_disk_does_not_keep_it_from_starting, make_disk, remove_disk),
        cmocka_unit_test_setup_teardown(
            a_disk_too_small_for_a_reserve_is_used_without, make_disk, remove_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
