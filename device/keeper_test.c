/* [RUN-8], [RUN-10], [SPOOL-17] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "device/keeper.h"
#include "device/spool_testbed.h"

#define BOOT "00000000-0000-4000-8000-000000000001"

static struct ph_keeper keeper;
static char said[4096];

static void listen_to_log(enum ph_log_level level, const char *line)
{
    (void)level;
    size_t len = strlen(said);
    (void)snprintf(said + len, sizeof said - len, "%s\n", line);
}

static int count_said(const char *text)
{
    int count = 0;
    for (const char *p = strstr(said, text); p != NULL; p = strstr(p + 1, text)) {
        count++;
    }
    return count;
}

static void prepare(void)
{
    said[0] = '\0';
    keeper = (struct ph_keeper){
        .path = testbed_path,
        .identity = TESTBED_NAME,
        .boot = BOOT,
        .max_bytes = 1 << 20,
        .sync = PH_SPOOL_SYNC_OS,
    };
}

static void open_keeper(void)
{
    struct ph_error error = {0};
    prepare();
    if (ph_keeper_open(&keeper, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

static int64_t append(void)
{
    int64_t seq = -1;
    struct ph_spool_entry entry = {.json = "{\"t\":1,\"temperature_c\":21.5}", .time_ms = 1};
    ph_keeper_append(&keeper, &entry, &seq);
    return seq;
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* [RUN-8] the disk fills in the middle: said once, counted, and taken up again when there is room
 */
static void test_fails_in_the_middle(void **state)
{
    (void)state;
    open_keeper();
    assert_int_equal(append(), 1);
    limit_files((rlim_t)64 * 1024);
    int64_t kept = 1;
    while (append() > 0) {
        kept++;
        assert_true(kept < 10000);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(append(), 0);
    }
    assert_int_equal(keeper.lost, 5);
    assert_int_equal(count_said("spool cannot be written"), 1);
    assert_int_equal(ph_keeper_counters(&keeper).lost, 5);
    limit_files(RLIM_INFINITY);
    assert_int_equal(append(), kept + 1); /* lost readings have no numbers */
    assert_int_equal(count_said("spool works again"), 1);
    assert_int_equal(count_said("lost=5"), 1);
    ph_keeper_close(&keeper);
    open_keeper();
    assert_int_equal(ph_keeper_counters(&keeper).lost, 5);
    assert_int_equal(ph_keeper_counters(&keeper).pending, kept + 1);
    ph_keeper_close(&keeper);
}

/* [RUN-8] a folder where nothing can be made, at the start: the same */
static void test_starts_without(void **state)
{
    (void)state;
    struct ph_error error = {0};
    prepare();
    keeper.path = "/sys/spool.db"; /* no one can make files here, not even root */
    assert_int_equal(ph_keeper_open(&keeper, &error), PH_OK);
    assert_null(keeper.spool);
    assert_int_equal(append(), 0);
    assert_int_equal(append(), 0);
    assert_int_equal(count_said("spool cannot be written"), 1);
    assert_false(ph_keeper_retry(&keeper, 20000)); /* still not */
    assert_int_equal(count_said("spool cannot be written"), 1);
    keeper.path = testbed_path;                    /* repaired */
    assert_false(ph_keeper_retry(&keeper, 20001)); /* not again so soon */
    assert_true(ph_keeper_retry(&keeper, 30000));
    assert_non_null(keeper.spool);
    assert_int_equal(append(), 1);
    assert_int_equal(ph_keeper_counters(&keeper).lost, 2);
    ph_keeper_close(&keeper);
}

/* [RUN-10] what was replaced is closed and opened anew */
static void test_replaced(void **state)
{
    (void)state;
    char line[256];
    open_keeper();
    assert_int_equal(append(), 1);
    assert_false(ph_keeper_retry(&keeper, 1000)); /* nothing is wrong */
    (void)snprintf(line, sizeof line, "rm -f '%s'*", testbed_path);
    assert_int_equal(system(line), 0);
    assert_int_equal(append(), 0);
    assert_int_equal(count_said("moved or deleted"), 1);
    assert_true(ph_keeper_retry(&keeper, 2000));
    assert_int_equal(append(), 1);
    assert_int_equal(ph_keeper_counters(&keeper).lost, 1);
    assert_int_equal(count_said("spool works again"), 1);
    ph_keeper_close(&keeper);
}

/* what a person cannot repair while it runs ends it at the start */
static void test_not_ours(void **state)
{
    (void)state;
    struct ph_error error = {0};
    prepare();
    FILE *out = fopen(testbed_path, "w");
    assert_non_null(out);
    (void)fprintf(out, "this is no database, and long enough to be looked at as if it were one\n");
    (void)fclose(out);
    assert_int_equal(ph_keeper_open(&keeper, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, testbed_path));
    assert_string_equal(said, "");
    ph_keeper_close(&keeper);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fails_in_the_middle, testbed_setup, testbed_teardown),
        cmocka_unit_test_setup_teardown(test_starts_without, testbed_setup, testbed_teardown),
        cmocka_unit_test_setup_teardown(test_replaced, testbed_setup, testbed_teardown),
        cmocka_unit_test_setup_teardown(test_not_ours, testbed_setup, testbed_teardown),
    };
    (void)signal(SIGXFSZ, SIG_IGN);
    ph_log_sink_set(listen_to_log);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
