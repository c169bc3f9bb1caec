#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "device/fleet/health.h"
#include "device/fleet/view_testbed.h"

#define NOW INT64_C(1000000)

static char folder[] = "/tmp/ph-fleet-health.XXXXXX";
static char path[PATH_MAX];

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL && ph_fleet_health_path(path, folder, NULL) == PH_OK ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static struct ph_fleet_health good(void)
{
    return (struct ph_fleet_health){
        .pid = 77, .at_ms = NOW - 900, .devices = 200, .connected = 180, .suspended = 10};
}

static void expect_fault(
    const struct ph_fleet_health *health, bool alive, int64_t now_ms, const char *want)
{
    char line[PH_FLEET_HEALTH_LINE_BYTES];
    struct ph_error error = {0};
    assert_int_equal(ph_fleet_health_judge(health, alive, now_ms, line, &error), PH_ERR_FAULT);
    assert_string_equal(error.message, want);
}

static void expect_healthy(const struct ph_fleet_health *health, int64_t now_ms, const char *want)
{
    char line[PH_FLEET_HEALTH_LINE_BYTES];
    assert_int_equal(ph_fleet_health_judge(health, true, now_ms, line, NULL), PH_OK);
    assert_string_equal(line, want);
}

/* [HLT-30] */
static void a_good_run(void **state)
{
    (void)state;
    struct ph_fleet_health health = good();
    expect_healthy(&health, NOW, "healthy: 180 of 200 devices connected, 10 kept off by an act");
}

/* [HLT-31] */
static void the_supervisor_is_gone(void **state)
{
    (void)state;
    struct ph_fleet_health health = good();
    static const char gone[] = "the supervisor (process 77) is gone; start ph-fleet run again";
    expect_fault(&health, false, NOW, gone);
    expect_fault(&health, true, health.at_ms - 1, gone); /* another process of a later boot */
    health.at_ms = NOW - 10000;
    expect_fault(&health, true, NOW,
        "the supervisor (process 77) has said nothing for 10 s: it hangs, or cannot write its "
        "folder (a full disk?)");
}

/* [HLT-32] */
static void few_devices(void **state)
{
    (void)state;
    struct ph_fleet_health health = good();
    health.connected = 90;
    health.few_ms = 29999;
    expect_healthy(&health, NOW,
        "healthy: 90 of 200 devices connected, 10 kept off by an act; fewer than half of those "
        "expected, within the grace");
    health.few_ms = 30000;
    expect_fault(&health, true, NOW,
        "only 90 of 190 devices are connected, for 30 s less than half; is the broker there, and "
        "does it let them in? fleet.log says why");
}

static void stored_and_loaded(void **state)
{
    (void)state;
    struct ph_fleet_health want = good();
    struct ph_fleet_health have;
    want.few_ms = 5;
    assert_int_equal(ph_fleet_health_store(path, &want, NULL), PH_OK);
    assert_int_equal(ph_fleet_health_load(path, &have, NULL), PH_OK);
    assert_memory_equal(&have, &want, sizeof have);
}

static void files_that_are_not_ours(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "pid 77\n",
        "pid 0\nat_ms 1\ndevices 1\nconnected 1\nsuspended 0\nfew_ms 0\n",
        "pid 4294967297\nat_ms 1\ndevices 1\nconnected 1\nsuspended 0\nfew_ms 0\n",
        "pid 77\nat_ms 1\ndevices 1\nconnected 1\nsuspended 0\nfew_ms 0",
        "pid 77\nat_ms 1\ndevices 1\nconnected 1\nsuspended 0\nfew_ms 0\nmore 1\n",
        "pid 77\nat_ms 1\ndevices 1\nconnected -1\nsuspended 0\nfew_ms 0\n",
        "pid\nat_ms 1\ndevices 1\nconnected 1\nsuspended 0\nfew_ms 0\n",
        "at_ms 1\npid 77\ndevices 1\nconnected 1\nsuspended 0\nfew_ms 0\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct ph_fleet_health health;
        struct ph_error error = {0};
        assert_int_equal(ph_file_replace(path, 0600, texts[i], strlen(texts[i]), NULL), PH_OK);
        assert_int_equal(ph_fleet_health_load(path, &health, &error), PH_ERR_INPUT);
        assert_non_null(strstr(error.message, "not what a fleet writes"));
    }
}

static struct ph_fleet_health after_a_sample(
    struct ph_fleet_output *output, struct view_testbed *bed, int64_t connected, int64_t suspended)
{
    struct ph_fleet_health health;
    ph_fleet_stats_set(&bed->report.total, PH_FLEET_CONNECTED, connected);
    ph_fleet_stats_set(&bed->report.total, PH_FLEET_SUSPENDED, suspended);
    output->sample(output->context, &bed->report);
    assert_int_equal(ph_fleet_health_load(path, &health, NULL), PH_OK);
    assert_int_equal(health.pid, getpid());
    assert_int_equal(health.connected, connected);
    assert_int_equal(health.suspended, suspended);
    assert_in_range(health.at_ms, 1, ph_clock_boot_ms());
    return health;
}

/* [HLT-32] More than half of those that no act keeps off; and how long goes on being counted. */
static void what_counts_as_few(void **state)
{
    (void)state;
    struct view_testbed *bed = view_testbed_new();
    struct ph_fleet_output output;
    ph_fleet_health_new(folder, &output);
    assert_int_equal(after_a_sample(&output, bed, 100, 0).few_ms, 0);
    assert_int_equal(after_a_sample(&output, bed, 50, 100).few_ms, 0);
    int64_t first_ms = after_a_sample(&output, bed, 99, 0).few_ms;
    assert_true(first_ms > 0);
    assert_int_equal(usleep(20000), 0);
    assert_true(after_a_sample(&output, bed, 49, 100).few_ms >= first_ms + 20);
    assert_int_equal(after_a_sample(&output, bed, 0, 200).few_ms, 0);
    assert_int_equal(output.end(output.context, &bed->report, NULL), PH_OK);
    assert_int_not_equal(access(path, F_OK), 0);
    output.free(output.context);
    free(bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_run),
        cmocka_unit_test(the_supervisor_is_gone),
        cmocka_unit_test(few_devices),
        cmocka_unit_test(stored_and_loaded),
        cmocka_unit_test(files_that_are_not_ours),
        cmocka_unit_test(what_counts_as_few),
    };
    return cmocka_run_group_tests_name("ph.fleet.health", tests, make_folder, remove_folder);
}
