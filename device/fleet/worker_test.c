/* A worker and its devices against a real mosquitto with TLS; nobody acknowledges. */
#include "device/fleet/worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/mqtt_testbed.h"
#include "base/clock.h"
#include "device/fleet/member.h"
#include "device/fleet/process.h"

enum { DEVICES = 2, PATIENCE_MS = 30000, LONG_MS = 3000 };

/* What is shared with a worker. */
struct desk {
    struct ph_fleet_stats stats;
    struct ph_fleet_control control;
    struct ph_fleet_place places[DEVICES];
};

static const char *script;
static struct testbed testbed;
static char folders[DEVICES][96];
static char spool[96];
static char names[DEVICES][32] = {"acme/thermostat/t-0001", "acme/thermostat/t-0002"};
static char *folder_list[DEVICES] = {folders[0], folders[1]};
static char *name_list[DEVICES] = {names[0], names[1]};
static const struct ph_identities identities = {folder_list, name_list, DEVICES};
/* So long an interval that nobody captures anything. */
static const struct ph_scenario scenario = {.devices = DEVICES,
    .seed = 1,
    .interval_ms = 86400000,
    .connects_per_s = 1000,
    .houses = {.start_ms = INT64_C(1768456800000), .speed = 1}};
static struct ph_device_config *config;
static struct desk *desk;
static struct ph_worker_options options;

/* ---- configuration: as the program loads it ---- */

static enum ph_err load(const struct ph_cli *cli, struct ph_error *error)
{
    return ph_device_config_load_shared(cli, &config, error);
}

static void load_config(void)
{
    static const struct ph_cli_option known[] = {PH_DEVICE_CONFIG_OPTIONS, {0}};
    static const struct ph_cli_command commands[] = {{NULL, NULL, 0, 0, "test", known, load}, {0}};
    static const struct ph_cli_program program = {"test", "test", commands};
    char broker[32];
    (void)snprintf(broker, sizeof broker, "localhost:%u", (unsigned)testbed.port);
    char *argv[] = {(char[]){"test"}, (char[]){"--broker"}, broker, NULL};
    assert_int_equal(ph_cli_main(&program, 3, argv), 0);
}

static int set_up(void **state)
{
    (void)state;
    testbed_start(&testbed, "broker", "allow_anonymous true\n");
    load_config();
    desk = ph_process_share(sizeof *desk);
    assert_non_null(desk);
    desk->control.start_ms = ph_clock_monotonic_ms();
    options = (struct ph_worker_options){.scenario = &scenario,
        .identities = &identities,
        .config = config,
        .spool = spool,
        .workers = 1,
        .stats = &desk->stats,
        .control = &desk->control,
        .places = desk->places};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ph_process_unshare(desk, sizeof *desk);
    ph_device_config_free(&config);
    if (testbed.broker != 0) {
        testbed_stop(&testbed, SIGTERM);
    }
    assert_int_equal(testbed_run(&testbed, "rm -f worker.db*"), 0);
    return 0;
}

static struct ph_spool_file *open_spool(void)
{
    struct ph_spool_file *file = NULL;
    char boot[PH_BOOT_ID_BYTES];
    struct ph_error error = {0};
    ph_clock_boot_id(boot);
    if (ph_spool_file_open(spool, PH_SPOOL_SYNC_OS, boot, &file, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    return file;
}

/* ---- a member ---- */

static void turn_until(struct ph_member *member, enum ph_fleet_count count, int64_t value)
{
    for (int i = 0; i < PATIENCE_MS / 10 && desk->stats.counts[count] < value; i++) {
        ph_member_turn(member, ph_clock_monotonic_ms());
        (void)poll(NULL, 0, 10);
    }
    assert_int_equal(desk->stats.counts[count], value);
}

static int64_t slowest_connect_ms(void)
{
    return ph_histogram_quantile(&desk->stats.times[PH_FLEET_CONNECT_US], 1) / 1000;
}

/* `times.connect`: a device that takes another client, as after a renewal, was connected until
 * then: the time that it stood is no time of connecting. */
static void test_client_replaced(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_member *member = calloc(1, sizeof *member);
    assert_non_null(member);
    struct ph_spool_file *file = open_spool();
    assert_int_equal(ph_member_init(member, &options, 0, &error), PH_OK);
    ph_member_start(member, file, ph_clock_monotonic_ms(), 0);
    turn_until(member, PH_FLEET_CONNECTS, 1);
    int64_t first_ms = slowest_connect_ms();
    assert_true(member->connected);
    (void)poll(NULL, 0, (int)first_ms + LONG_MS);
    int64_t replaced_ms = ph_clock_monotonic_ms();
    member->device.life.anew = true;
    turn_until(member, PH_FLEET_CONNECTS, 2);
    assert_in_range(slowest_connect_ms(), 0,
        first_ms * 2 + ph_clock_monotonic_ms() - replaced_ms); /* within a step of the histogram */
    ph_member_close(member);
    free(member);
    ph_spool_file_close(&file);
}

/* [STAT-5] a device that fails again under the next worker is one that failed, and its reason is
 * that of the others, whatever their files are called. */
static void test_failed_once(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_spool_file *file = open_spool();
    assert_int_equal(testbed_run(&testbed, "mv t-0002/cert.pem t-0002/away.pem"), 0);
    for (int worker = 0; worker < 3; worker++) {
        struct ph_member *member = calloc(1, sizeof *member);
        assert_non_null(member);
        assert_int_equal(ph_member_init(member, &options, 1, &error), PH_OK);
        ph_member_start(member, file, ph_clock_monotonic_ms(), 0);
        assert_int_equal(member->state, PH_MEMBER_FAILED);
        ph_member_close(member);
        free(member);
    }
    assert_int_equal(testbed_run(&testbed, "mv t-0002/away.pem t-0002/cert.pem"), 0);
    assert_int_equal(desk->stats.counts[PH_FLEET_FAILED], 1);
    const struct ph_fleet_reason *reasons[PH_FLEET_REASONS];
    assert_int_equal(ph_fleet_stats_reasons(&desk->stats, reasons), 1);
    assert_null(strstr(reasons[0]->text, testbed.dir)); /* the same for every device */
    ph_spool_file_close(&file);
}

/* ---- a worker ---- */

static int work(void *context)
{
    struct ph_error error = {0};
    return ph_err_exit_status(ph_worker_run(context, &error));
}

static void wait_for_gauge(enum ph_fleet_gauge gauge, int64_t value)
{
    for (int i = 0; i < PATIENCE_MS / 10 && desk->stats.gauges[gauge] != value; i++) {
        (void)poll(NULL, 0, 10);
    }
    assert_int_equal(desk->stats.gauges[gauge], value);
}

/* A reading that an earlier run has left. */
static void leave_reading(const char *name)
{
    struct ph_spool_file *file = open_spool();
    struct ph_spool *left = NULL;
    struct ph_error error = {0};
    int64_t seq = 0;
    const struct ph_spool_entry entry = {
        .json = "{\"t\":1768456800000}", .time_ms = INT64_C(1768456800000)};
    assert_int_equal(ph_spool_open(file, name, 100000, &left, &error), PH_OK);
    assert_int_equal(ph_spool_append(left, &entry, 1, &seq, &error), PH_OK);
    ph_spool_close(&left);
    ph_spool_file_close(&file);
}

/* [FLEET-14] a device that has ended while another waits costs nothing, whatever its connection
 * does meanwhile. */
static void test_ended_is_quiet(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct rusage used = {0};
    pid_t pid = 0;
    int status = 0;
    leave_reading(names[1]);
    assert_int_equal(ph_process_start(work, &options, STDERR_FILENO, &pid, &error), PH_OK);
    wait_for_gauge(PH_FLEET_CONNECTED, DEVICES);
    atomic_store(&desk->control.until_ms, ph_clock_monotonic_ms() + LONG_MS + 1000);
    atomic_store(&desk->control.stopping, true);
    wait_for_gauge(PH_FLEET_STARTED, 1);
    testbed_stop(&testbed, SIGKILL); /* an event for either */
    assert_int_equal(wait4(pid, &status, 0, &used), pid);
    assert_int_equal(status, 0);
    assert_int_equal(desk->stats.gauges[PH_FLEET_PENDING], 1);
    assert_in_range(used.ru_utime.tv_sec * 1000 + used.ru_utime.tv_usec / 1000 +
                        used.ru_stime.tv_sec * 1000 + used.ru_stime.tv_usec / 1000,
        0, LONG_MS / 3);
}

static int set_up_all(void **state)
{
    (void)state;
    testbed_init(&testbed, script);
    for (int i = 0; i < DEVICES; i++) {
        (void)snprintf(folders[i], sizeof folders[i], "%s/t-000%d", testbed.dir, i + 1);
    }
    (void)snprintf(spool, sizeof spool, "%s/worker.db", testbed.dir);
    return testbed_run(&testbed, "for i in '' 2; do d=t-000${i:-1}; mkdir $d; "
                                 "cp trust-brokers.pem $d/ca.pem; cp device$i.pem $d/cert.pem; "
                                 "cp device$i.key $d/key.pem; done");
}

static int tear_down_all(void **state)
{
    (void)state;
    testbed_fini(&testbed);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: worker_test MQTT_TESTBED_SH\n");
        return 2;
    }
    script = argv[1];
    /* First, as a worker is forked before there are threads. */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ended_is_quiet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failed_once, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
