/* ph.fleet.stats: counting, reasons, and reading while another writes. Runs under the thread
 * sanitizer too. */
#include "device/fleet/stats.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/random.h"

/* Large for a stack; each test begins with both empty. */
static struct ph_fleet_stats stats;
static struct ph_fleet_stats total;

static int empty(void **state)
{
    (void)state;
    memset(&stats, 0, sizeof stats);
    memset(&total, 0, sizeof total);
    return 0;
}

static int64_t count_of(const struct ph_fleet_stats *in, const char *text)
{
    const struct ph_fleet_reason *sorted[PH_FLEET_REASONS] = {NULL};
    size_t found = ph_fleet_stats_reasons(in, sorted);
    int64_t count = 0;
    for (size_t i = 0; i < found; i++) {
        count += strcmp(sorted[i]->text, text) == 0 ? sorted[i]->count : 0;
    }
    return count;
}

static int64_t count_of_all(const struct ph_fleet_stats *in)
{
    const struct ph_fleet_reason *sorted[PH_FLEET_REASONS] = {NULL};
    size_t found = ph_fleet_stats_reasons(in, sorted);
    int64_t count = 0;
    for (size_t i = 0; i < found; i++) {
        count += sorted[i]->count;
    }
    return count;
}

/* ---- one writer ---- */

/* [STAT-4] Every count, gauge and time has a name, and no two of a sort have the same. */
static void names_are_there_and_differ(void **state)
{
    (void)state;
    const char *names[PH_FLEET_COUNTS + PH_FLEET_GAUGES] = {NULL};
    size_t found = 0;
    for (int i = 0; i < PH_FLEET_COUNTS; i++) {
        names[found++] = ph_fleet_count_name((enum ph_fleet_count)i);
    }
    for (int i = 0; i < PH_FLEET_GAUGES; i++) {
        names[found++] = ph_fleet_gauge_name((enum ph_fleet_gauge)i);
    }
    for (size_t i = 0; i < found; i++) {
        assert_non_null(names[i]);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(names[i], names[j]);
        }
    }
    assert_string_equal(ph_fleet_count_name(PH_FLEET_CONNECTS), "connects");
    assert_string_equal(ph_fleet_count_name(PH_FLEET_THEFT_FOREIGN), "theft_foreign");
    assert_string_equal(ph_fleet_gauge_name(PH_FLEET_PENDING), "pending");
    assert_string_equal(ph_fleet_time_name(PH_FLEET_ACK_US), "ack");
    assert_string_equal(ph_fleet_time_name(PH_FLEET_CONNECT_US), "connect");
}

/* [STAT-4] Counts grow, gauges are set, times go into the histogram of their kind. */
static void counts_gauges_and_times(void **state)
{
    (void)state;
    ph_fleet_stats_add(&stats, PH_FLEET_CAPTURED, 3);
    ph_fleet_stats_add(&stats, PH_FLEET_CAPTURED, 4);
    ph_fleet_stats_set(&stats, PH_FLEET_PENDING, 9);
    ph_fleet_stats_set(&stats, PH_FLEET_PENDING, 2);
    ph_fleet_stats_time(&stats, PH_FLEET_CONNECT_US, 77);
    assert_int_equal(stats.counts[PH_FLEET_CAPTURED], 7);
    assert_int_equal(stats.gauges[PH_FLEET_PENDING], 2);
    assert_int_equal(ph_histogram_quantile(&stats.times[PH_FLEET_CONNECT_US], 1), 77);
    assert_int_equal(ph_histogram_count(&stats.times[PH_FLEET_ACK_US]), 0);
}

/* [STAT-5] A reason stands once, with its count; the most frequent is named first. */
static void reasons_are_counted_by_text(void **state)
{
    (void)state;
    const struct ph_fleet_reason *sorted[PH_FLEET_REASONS] = {NULL};
    static const char *const seen[] = {"once", "first of two", "often", "first of two", "often",
        "second of two", "often", "second of two"};
    assert_int_equal(ph_fleet_stats_reasons(&stats, sorted), 0);
    for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
        ph_fleet_stats_reason(&stats, seen[i]);
    }
    assert_int_equal(ph_fleet_stats_reasons(&stats, sorted), 4);
    static const char *const order[] = {"often", "first of two", "second of two", "once"};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(sorted[i]->text, order[i]);
    }
    assert_int_equal(sorted[0]->count, 3);
    assert_int_equal(sorted[3]->count, 1);
}

/* [STAT-6] What finds no entry any more counts as "other reasons", and nothing goes uncounted. */
static void too_many_reasons(void **state)
{
    (void)state;
    const struct ph_fleet_reason *sorted[PH_FLEET_REASONS] = {NULL};
    for (int i = 0; i < 100; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "reason %d", i);
        ph_fleet_stats_reason(&stats, text);
    }
    ph_fleet_stats_reason(&stats, "reason 22");
    ph_fleet_stats_reason(&stats, "reason 23");
    assert_int_equal(ph_fleet_stats_reasons(&stats, sorted), PH_FLEET_REASONS);
    assert_string_equal(stats.reasons[PH_FLEET_REASONS - 1].text, "other reasons");
    assert_int_equal(count_of(&stats, "other reasons"), 100 - 23 + 1);
    assert_int_equal(count_of(&stats, "reason 22"), 2);
    assert_int_equal(count_of_all(&stats), 102);
}

/* [STAT-6] A text is cut at a whole character, and cannot forge a line. */
static void reasons_are_cut_and_escaped(void **state)
{
    (void)state;
    char wide[PH_FLEET_REASON_BYTES + 1];
    memset(wide, 'x', sizeof wide);
    memcpy(&wide[PH_FLEET_REASON_BYTES - 2], "\xC3\xA9", 3);
    ph_fleet_stats_reason(&stats, wide);
    ph_fleet_stats_reason(&stats, "two\nlines \xFF");
    assert_int_equal(strlen(stats.reasons[0].text), PH_FLEET_REASON_BYTES - 2);
    assert_int_equal(stats.reasons[0].text[PH_FLEET_REASON_BYTES - 3], 'x');
    assert_string_equal(stats.reasons[1].text, "two\\x0alines \\xff");
}

/* ---- of many workers ---- */

/* [STAT-7] A merge adds everything; a reason that two workers met is one. */
static void merge_adds_everything(void **state)
{
    (void)state;
    static struct ph_fleet_stats second;
    memset(&second, 0, sizeof second);
    for (int i = 0; i < PH_FLEET_COUNTS; i++) {
        ph_fleet_stats_add(&stats, (enum ph_fleet_count)i, i + 1);
        ph_fleet_stats_add(&second, (enum ph_fleet_count)i, 100);
    }
    for (int i = 0; i < PH_FLEET_GAUGES; i++) {
        ph_fleet_stats_set(&stats, (enum ph_fleet_gauge)i, i);
        ph_fleet_stats_set(&second, (enum ph_fleet_gauge)i, 50);
    }
    ph_fleet_stats_time(&stats, PH_FLEET_ACK_US, 10);
    ph_fleet_stats_time(&second, PH_FLEET_ACK_US, 200);
    ph_fleet_stats_reason(&stats, "banned");
    ph_fleet_stats_reason(&second, "gone");
    ph_fleet_stats_reason(&second, "banned");
    stats.drained = 4;
    second.drained = 5;
    ph_fleet_stats_merge(&total, &stats);
    ph_fleet_stats_merge(&total, &second);
    for (int i = 0; i < PH_FLEET_COUNTS; i++) {
        assert_int_equal(total.counts[i], 101 + i);
    }
    for (int i = 0; i < PH_FLEET_GAUGES; i++) {
        assert_int_equal(total.gauges[i], 50 + i);
    }
    assert_int_equal(ph_histogram_count(&total.times[PH_FLEET_ACK_US]), 2);
    assert_int_equal(ph_histogram_quantile(&total.times[PH_FLEET_ACK_US], 0.5), 10);
    assert_int_equal(ph_histogram_quantile(&total.times[PH_FLEET_ACK_US], 1), 200);
    assert_int_equal(count_of(&total, "banned"), 2);
    assert_int_equal(count_of(&total, "gone"), 1);
    assert_int_equal(count_of_all(&total), 3);
    assert_int_equal(total.drained, 9);
}

/* [STAT-7] Tables that overflow are merged without losing a count, and "other reasons" stay last.
 */
static void merge_of_full_tables(void **state)
{
    (void)state;
    static struct ph_fleet_stats second;
    memset(&second, 0, sizeof second);
    for (int i = 0; i < 60; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "reason %d", i);
        ph_fleet_stats_reason(i % 2 == 0 ? &stats : &second, text);
    }
    ph_fleet_stats_merge(&total, &stats);
    ph_fleet_stats_merge(&total, &second);
    assert_int_equal(count_of_all(&total), 60);
    assert_int_equal(count_of(&total, "other reasons"), 60 - (PH_FLEET_REASONS - 1));
    assert_string_equal(total.reasons[PH_FLEET_REASONS - 1].text, "other reasons");
}

/* [STAT-7] "Other reasons" of one worker alone do not take the place of another's first reason. */
static void merge_keeps_other_reasons_apart(void **state)
{
    (void)state;
    ph_fleet_stats_reason(&stats, "other reasons");
    ph_fleet_stats_merge(&total, &stats);
    ph_fleet_stats_reason(&total, "banned");
    assert_string_equal(total.reasons[0].text, "banned");
    assert_string_equal(total.reasons[PH_FLEET_REASONS - 1].text, "other reasons");
    assert_int_equal(count_of_all(&total), 2);
}

/* ---- one reads while another writes ---- */

enum { KNOWN_REASONS = 40, ROUNDS = 30000 };

static void name_reason(char *out, size_t size, size_t number)
{
    (void)snprintf(out, size, "reason %02zu, told at some length so that it takes a while", number);
}

/* As a worker would, but at random. */
static void write_once(struct ph_fleet_stats *shared, struct ph_rng *rng)
{
    char text[PH_FLEET_REASON_BYTES];
    name_reason(text, sizeof text, (size_t)(ph_rng_u64(rng) % KNOWN_REASONS));
    ph_fleet_stats_add(shared, (enum ph_fleet_count)(ph_rng_u64(rng) % PH_FLEET_COUNTS),
        (int64_t)(ph_rng_u64(rng) % 5));
    ph_fleet_stats_time(
        shared, PH_FLEET_ACK_US, (int64_t)(ph_rng_u64(rng) >> (ph_rng_u64(rng) % 64U)));
    ph_fleet_stats_set(shared, PH_FLEET_PENDING, (int64_t)(ph_rng_u64(rng) % 1000));
    ph_fleet_stats_reason(shared, text);
}

static void check_text(const char *text)
{
    char want[PH_FLEET_REASON_BYTES];
    for (size_t i = 0; i < KNOWN_REASONS; i++) {
        name_reason(want, sizeof want, i);
        if (strcmp(text, want) == 0) {
            return;
        }
    }
    assert_string_equal(text, "other reasons");
}

static void check_has_not_shrunk(const struct ph_fleet_stats *now, const struct ph_fleet_stats *was)
{
    for (size_t i = 0; i < PH_FLEET_COUNTS; i++) {
        assert_true(now->counts[i] >= was->counts[i]);
    }
    for (size_t i = 0; i < PH_HISTOGRAM_BUCKETS; i++) {
        assert_true(now->times[PH_FLEET_ACK_US].counts[i] >= was->times[PH_FLEET_ACK_US].counts[i]);
    }
    for (size_t i = 0; i < PH_FLEET_REASONS; i++) {
        assert_true(now->reasons[i].count >= was->reasons[i].count);
        assert_true(now->reasons[i].set || !was->reasons[i].set);
    }
}

/* Takes one more look; true when something has come since the last one. */
static bool look(const struct ph_fleet_stats *shared)
{
    static struct ph_fleet_stats before;
    memcpy(&before, &total, sizeof before);
    memset(&total, 0, sizeof total);
    ph_fleet_stats_merge(&total, shared);
    check_has_not_shrunk(&total, &before);
    const struct ph_fleet_reason *sorted[PH_FLEET_REASONS] = {NULL};
    size_t found = ph_fleet_stats_reasons(&total, sorted);
    for (size_t i = 0; i < found; i++) {
        check_text(sorted[i]->text);
    }
    return ph_histogram_count(&total.times[PH_FLEET_ACK_US]) >
           ph_histogram_count(&before.times[PH_FLEET_ACK_US]);
}

static atomic_bool done;

static void *write_rounds(void *shared)
{
    struct ph_rng rng = {.state = 6};
    for (int i = 0; i < ROUNDS; i++) {
        write_once(shared, &rng);
    }
    atomic_store(&done, true);
    return NULL;
}

/* [STAT-8] What one thread counts another may read meanwhile: nothing is ever seen to shrink, every
 * text is whole, and in the end nothing is missing. */
static void read_while_a_thread_writes(void **state)
{
    (void)state;
    pthread_t writer;
    atomic_store(&done, false);
    assert_int_equal(pthread_create(&writer, NULL, write_rounds, &stats), 0);
    while (!atomic_load(&done)) {
        (void)look(&stats);
    }
    assert_int_equal(pthread_join(writer, NULL), 0);
    (void)look(&stats);
    assert_int_equal(ph_histogram_count(&total.times[PH_FLEET_ACK_US]), ROUNDS);
    assert_int_equal(count_of_all(&total), ROUNDS);
    assert_memory_equal(&total.counts, &stats.counts, sizeof total.counts);
}

static pid_t start_writer(struct ph_fleet_stats *shared, uint64_t seed)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct ph_rng rng = {.state = seed};
        (void)alarm(30); /* should the test fail and leave it alone */
        for (;;) {
            write_once(shared, &rng);
        }
    }
    return pid;
}

/* [STAT-8] Workers that are killed at any moment leave numbers that are whole, and the next one
 * counts on. */
static void workers_that_are_killed(void **state)
{
    (void)state;
    struct ph_fleet_stats *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    for (uint64_t life = 1; life <= 20; life++) {
        pid_t pid = start_writer(shared, life);
        while (!look(shared)) {
        }
        (void)look(shared);
        int status = 0;
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        (void)look(shared);
    }
    /* Each round records a time before it counts its reason, so a kill costs one reason at most. */
    int64_t rounds = ph_histogram_count(&total.times[PH_FLEET_ACK_US]);
    assert_in_range(count_of_all(&total), rounds - 20, rounds);
    assert_int_equal(munmap(shared, sizeof *shared), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(names_are_there_and_differ, empty),
        cmocka_unit_test_setup(counts_gauges_and_times, empty),
        cmocka_unit_test_setup(reasons_are_counted_by_text, empty),
        cmocka_unit_test_setup(too_many_reasons, empty),
        cmocka_unit_test_setup(reasons_are_cut_and_escaped, empty),
        cmocka_unit_test_setup(merge_adds_everything, empty),
        cmocka_unit_test_setup(merge_of_full_tables, empty),
        cmocka_unit_test_setup(merge_keeps_other_reasons_apart, empty),
        cmocka_unit_test_setup(read_while_a_thread_writes, empty),
        cmocka_unit_test_setup(workers_that_are_killed, empty),
    };
    return cmocka_run_group_tests_name("ph.fleet.stats", tests, NULL, NULL);
}
