/* [FLEET-20] [FLEET-21] what a device's spool says becomes counts and times, each reading once */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "device/fleet/account.h"

static struct ph_fleet_stats stats;
static struct ph_fleet_place place;
static struct ph_account account;
static struct ph_spool_counters spool; /* what the spool says */

static int setup(void **state)
{
    (void)state;
    memset(&stats, 0, sizeof stats);
    place = (struct ph_fleet_place){0};
    spool = (struct ph_spool_counters){.stream = 7};
    ph_account_init(&account, &stats, &place);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ph_account_fini(&account);
    return 0;
}

static void capture(int64_t due_ms)
{
    spool.captured++;
    spool.pending++;
    ph_account_look(&account, &spool, due_ms, due_ms * 1000);
}

static void acknowledge(int64_t count, int64_t now_ms)
{
    spool.acknowledged += count;
    spool.pending -= count;
    ph_account_look(&account, &spool, 0, now_ms * 1000);
}

static void assert_counts(int64_t captured, int64_t acknowledged, int64_t dropped)
{
    assert_int_equal(stats.counts[PH_FLEET_CAPTURED], captured);
    assert_int_equal(stats.counts[PH_FLEET_ACKNOWLEDGED], acknowledged);
    assert_int_equal(stats.counts[PH_FLEET_DROPPED], dropped);
    assert_int_equal(captured, acknowledged + dropped + ph_fleet_place_seen(&place)->pending);
}

static int64_t slowest_ms(void)
{
    return ph_histogram_quantile(&stats.times[PH_FLEET_ACK_US], 1) / 1000;
}

static void test_one_by_one(void **state)
{
    (void)state;
    ph_account_open(&account, &spool, 1000);
    for (int i = 0; i < 50; i++) {
        capture(1000 + i * 100);
        acknowledge(1, 1000 + i * 100 + 5);
    }
    assert_counts(50, 50, 0);
    assert_int_equal(ph_histogram_count(&stats.times[PH_FLEET_ACK_US]), 50);
    assert_in_range(slowest_ms(), 4, 6);
}

/* After an outage each reading counts from when it was due itself, however many there are. */
static void test_outage(void **state)
{
    (void)state;
    ph_account_open(&account, &spool, 0);
    for (int64_t i = 1; i <= 100; i++) {
        capture(i * 1000);
    }
    acknowledge(40, 200000);
    capture(200500);
    acknowledge(61, 201000);
    assert_counts(101, 101, 0);
    assert_in_range(slowest_ms(), 197000, 201000);
    assert_in_range(ph_histogram_quantile(&stats.times[PH_FLEET_ACK_US], 0.0001) / 1000, 490, 510);
}

/* A worker that stood still: what was due meanwhile was not captured, and waited all the same. */
static void test_skipped(void **state)
{
    (void)state;
    const struct ph_fleet_reason *reasons[PH_FLEET_REASONS];
    ph_account_open(&account, &spool, 0);
    capture(1000);
    ph_account_skipped(&account, 0, 500);
    acknowledge(1, 1000);
    assert_int_equal(ph_fleet_stats_reasons(&stats, reasons), 0);
    capture(2000); /* at 6200, with an interval of 500 */
    ph_account_skipped(&account, 8, 500);
    acknowledge(1, 6250);
    assert_counts(2, 2, 0);
    assert_int_equal(ph_histogram_count(&stats.times[PH_FLEET_ACK_US]), 10);
    assert_in_range(slowest_ms(), 4200, 4300);
    assert_in_range(ph_histogram_quantile(&stats.times[PH_FLEET_ACK_US], 0.5) / 1000, 1700, 1800);
    assert_int_equal(ph_fleet_stats_reasons(&stats, reasons), 1);
}

/* [STAT-19] behind: more than five seconds, not earlier, and not longer than it lasts */
static void test_behind(void **state)
{
    (void)state;
    ph_account_open(&account, &spool, 0);
    assert_false(ph_account_behind(&account, 100000));
    capture(1000);
    capture(9000);
    assert_false(ph_account_behind(&account, 1000 + PH_FLEET_BEHIND_MS - 1));
    assert_true(ph_account_behind(&account, 1000 + PH_FLEET_BEHIND_MS));
    acknowledge(1, 10000);
    assert_false(ph_account_behind(&account, 10000));
}

/* What a full spool has dropped is nobody's time. */
static void test_drops(void **state)
{
    (void)state;
    ph_account_open(&account, &spool, 0);
    for (int64_t i = 1; i <= 10; i++) {
        capture(i * 1000);
    }
    spool.dropped += 4;
    spool.pending -= 4;
    acknowledge(6, 10000);
    assert_counts(10, 6, 4);
    assert_in_range(slowest_ms(), 4900, 5100); /* the fifth */
}

/* A spool with readings of an earlier run: they are this run's to deliver. */
static void test_earlier_run(void **state)
{
    (void)state;
    spool = (struct ph_spool_counters){
        .stream = 7, .captured = 500, .acknowledged = 480, .pending = 15, .dropped = 5};
    ph_account_open(&account, &spool, 1000);
    assert_counts(15, 0, 0);
    acknowledge(15, 2000);
    assert_counts(15, 15, 0);
}

/* The worker was killed with something uncounted: the next one counts it, and nothing twice. */
static void test_killed_worker(void **state)
{
    (void)state;
    ph_account_open(&account, &spool, 0);
    for (int64_t i = 1; i <= 5; i++) {
        capture(i * 1000);
    }
    acknowledge(2, 5000);
    spool.captured += 2; /* unseen: two captured, one acknowledged */
    spool.pending += 1;
    spool.acknowledged += 1;
    ph_account_fini(&account);
    ph_account_init(&account, &stats, &place);
    ph_account_open(&account, &spool, 9000);
    assert_counts(7, 3, 0);
    acknowledge(4, 10000);
    assert_counts(7, 7, 0);
}

/* A new stream: what was pending is there under new numbers, less what ingest had. */
static void test_new_stream(void **state)
{
    (void)state;
    ph_account_open(&account, &spool, 0);
    for (int64_t i = 1; i <= 6; i++) {
        capture(i * 1000);
    }
    spool = (struct ph_spool_counters){.stream = 8, .captured = 6, .pending = 6};
    ph_account_look(&account, &spool, 0, 7000000);
    assert_counts(6, 0, 0);
    capture(8000);
    acknowledge(7, 9000);
    assert_counts(7, 7, 0);
}

/* Without a spool nothing is known, and nothing is taken for acknowledged. */
static void test_no_spool(void **state)
{
    (void)state;
    ph_account_open(&account, &spool, 0);
    capture(1000);
    const struct ph_spool_counters none = {0};
    ph_account_look(&account, &none, 0, 2000000);
    ph_account_lost(&account, 3);
    ph_account_lost(&account, 3);
    assert_int_equal(stats.counts[PH_FLEET_ACKNOWLEDGED], 0);
    assert_int_equal(stats.counts[PH_FLEET_LOST], 3);
    assert_int_equal(stats.counts[PH_FLEET_CAPTURED], 4);
    acknowledge(1, 3000);
    assert_int_equal(stats.counts[PH_FLEET_ACKNOWLEDGED], 1);
}

/* Killed at the worst moment: what was seen stands, and none of it was added to the counts. */
static void test_killed_in_between(void **state)
{
    (void)state;
    int64_t counts[PH_FLEET_COUNTS];
    ph_account_open(&account, &spool, 0);
    for (int64_t i = 1; i <= 5; i++) {
        capture(i * 1000);
    }
    for (size_t i = 0; i < PH_FLEET_COUNTS; i++) {
        counts[i] = stats.counts[i];
    }
    spool.captured += 3;
    spool.dropped += 1;
    acknowledge(2, 9000);
    ph_account_lost(&account, 2);
    for (size_t i = 0; i < PH_FLEET_COUNTS; i++) {
        stats.counts[i] = counts[i];
    }
    const struct ph_fleet_place places[4] = {{.seen = {{.counted.captured = 99}}}, place};
    ph_account_mend(&stats, places, 4, 1, 2);
    ph_account_mend(&stats, places, 4, 1, 2);
    assert_int_equal(stats.counts[PH_FLEET_CAPTURED], 10);
    assert_int_equal(stats.counts[PH_FLEET_ACKNOWLEDGED], 4);
    assert_int_equal(stats.counts[PH_FLEET_DROPPED], 1);
    assert_int_equal(stats.counts[PH_FLEET_LOST], 2);
    assert_int_equal(ph_fleet_place_seen(&place)->pending, 3);
}

/* The worker's database was deleted with what it held: nobody has acknowledged that. */
static void test_spool_deleted(void **state)
{
    (void)state;
    ph_account_open(&account, &spool, 0);
    for (int64_t i = 1; i <= 5; i++) {
        capture(i * 1000);
    }
    acknowledge(2, 5000);
    ph_account_fini(&account);
    ph_account_init(&account, &stats, &place);
    spool = (struct ph_spool_counters){.stream = 8};
    ph_account_open(&account, &spool, 9000);
    capture(10000);
    acknowledge(1, 11000);
    assert_int_equal(stats.counts[PH_FLEET_CAPTURED], 6);
    assert_int_equal(stats.counts[PH_FLEET_ACKNOWLEDGED], 3);
    assert_int_equal(stats.counts[PH_FLEET_LOST], 3);
    assert_int_equal(ph_fleet_place_seen(&place)->pending, 0);
}

/* A spool that can be opened only later: what an earlier run had acknowledged is not this run's. */
static void test_late_spool(void **state)
{
    (void)state;
    const struct ph_spool_counters none = {0};
    ph_account_open(&account, &none, 0);
    ph_account_lost(&account, 1);
    spool = (struct ph_spool_counters){
        .stream = 7, .captured = 500, .acknowledged = 480, .pending = 15, .dropped = 5};
    ph_account_look(&account, &spool, 0, 1000);
    assert_int_equal(stats.counts[PH_FLEET_CAPTURED], 16);
    assert_int_equal(stats.counts[PH_FLEET_ACKNOWLEDGED], 0);
    assert_int_equal(stats.counts[PH_FLEET_DROPPED], 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_by_one),
        TEST(outage),
        TEST(behind),
        TEST(drops),
        TEST(skipped),
        TEST(earlier_run),
        TEST(killed_worker),
        TEST(killed_in_between),
        TEST(spool_deleted),
        TEST(late_spool),
        TEST(new_stream),
        TEST(no_spool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
