#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "certs/rollover_fixture.h"

static void key_of(const char *name, struct ph_buf *out)
{
    char file[PH_AUTHORITY_BYTES + 16];
    (void)snprintf(file, sizeof file, "%s/ca.key", name);
    rolled_load(file, out);
}

/* [CA-69] Files made, row missing: the key is taken again. */
static void row_missing(void **state)
{
    (void)state;
    struct ph_authority_change order = rolled_change_of(PH_DEVICES, NULL);
    struct ph_buf left;
    struct ph_buf taken;
    rolled_sql(
        "CREATE TRIGGER broken BEFORE INSERT ON act BEGIN SELECT RAISE(ABORT, 'no room'); END");
    rolled_refuses(ph_rollover_begin, &order, PH_ERR_EXISTS, "no room");
    assert_string_equal(rolled_state_of("devices-2"), "none");
    assert_false(rolled_holds("trust/devices.pem", "devices-2"));
    key_of("devices-2", &left);
    rolled_sql("DROP TRIGGER broken");
    rolled_succeeds(ph_rollover_begin, &order);
    key_of("devices-2", &taken);
    assert_string_equal(left.data, taken.data);
    assert_true(rolled_holds("trust/devices.pem", "devices-2"));
    rolled_brokers_take_all();
    ph_buf_fini(&left);
    ph_buf_fini(&taken);
}

/* [CA-69] A key that is there and is another CA's is not taken. */
static void key_of_another(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_authority_change order = rolled_change_of(PH_DEVICES, NULL);
    struct ph_buf key;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/devices-2", rolled.pki);
    assert_int_equal(ph_dir_make(path, 0700, &error), PH_OK);
    (void)snprintf(path, sizeof path, "%s/devices-2/ca.key", rolled.pki);
    key_of("brokers", &key);
    assert_int_equal(ph_file_store(path, 0600, key.data, key.len, &error), PH_OK);
    rolled_refuses(ph_rollover_begin, &order, PH_ERR_EXISTS, "exists, and is the key of brokers");
    assert_true(ph_path_exists(path));
    ph_buf_fini(&key);
}

/* [CA-69] Row made, bundles and CRLs missing: the same command, or any that signs CRLs. */
static void bundle_missing(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_authority_change order = rolled_change_of(PH_DEVICES, NULL);
    struct ph_buf before;
    char path[128];
    rolled_load("trust/devices.pem", &before);
    (void)snprintf(path, sizeof path, "%s/trust/devices.pem", rolled.pki);
    for (int i = 0; i < 2; i++) {
        rolled_succeeds(ph_rollover_begin, &order);
        assert_int_equal(ph_file_store(path, 0644, before.data, before.len, &error), PH_OK);
        assert_false(rolled_holds("trust/devices.pem", "devices-2"));
        if (i == 0) {
            rolled_succeeds(ph_rollover_begin, &order);
        } else {
            assert_int_equal(ph_ca_publish(rolled.ca, NULL, rolled.now_ms, &error), PH_OK);
        }
        assert_true(rolled_holds("trust/devices.pem", "devices-2"));
    }
    rolled_brokers_take_all();
    ph_buf_fini(&before);
}

static void run_and_kill(rolled_change *run, const struct ph_authority_change *order, long delay_us)
{
    const struct timespec delay = {
        .tv_sec = delay_us / 1000000, .tv_nsec = delay_us % 1000000 * 1000};
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct ph_ca *own = NULL;
        if (ph_ca_open(rolled.pki, &own, NULL) == PH_OK) {
            enum ph_err err = run(own, order, NULL);
            (void)err;
        }
        _exit(0);
    }
    (void)nanosleep(&delay, NULL);
    (void)kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void every_active_ca_is_whole(void)
{
    struct ph_error error = {0};
    struct ph_authority_list list;
    assert_int_equal(ph_authorities_list(ph_ca_inventory(rolled.ca), &list, &error), PH_OK);
    for (size_t i = 0; i < list.count; i++) {
        char certificate[160];
        char key[160];
        struct ph_certificate *loaded = NULL;
        (void)snprintf(
            certificate, sizeof certificate, "%s/%s/ca.crt", rolled.pki, list.items[i].name);
        (void)snprintf(key, sizeof key, "%s/%s/ca.key", rolled.pki, list.items[i].name);
        assert_int_equal(ph_certificate_load(certificate, &loaded, &error), PH_OK);
        if (ph_certificate_check_key(loaded, key, &error) != PH_OK) {
            fail_msg("%s", error.message);
        }
        struct ph_certificate_facts facts;
        assert_int_equal(ph_certificate_facts(loaded, &facts, &error), PH_OK);
        assert_string_equal(facts.serial, list.items[i].serial);
        ph_certificate_free(&loaded);
    }
    ph_authority_list_free(&list);
}

/* [CA-69] kill -9 at moments all over each step, and the same again. The parent's handle is closed
 * meanwhile: SQLite's does not survive a fork. */
enum { KILLS = 10 };

static void killed(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_authority_change order = rolled_change_of(PH_DEVICES, NULL);
    rolled_change *const steps[] = {ph_rollover_begin, ph_rollover_activate, ph_rollover_finish};
    long whole_us[3] = {0}; /* how long a step takes that nobody kills */
    for (long round = 0; round <= KILLS; round++) {
        for (size_t i = 0; i < 3; i++) {
            if (round == 0) {
                int64_t start_ns = ph_clock_monotonic_ns();
                rolled_succeeds(steps[i], &order);
                whole_us[i] = (long)((ph_clock_monotonic_ns() - start_ns) / 1000);
                continue;
            }
            ph_ca_close(&rolled.ca);
            run_and_kill(steps[i], &order, whole_us[i] * round / KILLS);
            assert_int_equal(ph_ca_open(rolled.pki, &rolled.ca, &error), PH_OK);
            every_active_ca_is_whole();
            rolled_succeeds(steps[i], &order);
            every_active_ca_is_whole();
            rolled_brokers_take_all();
        }
        struct ph_authority active;
        assert_int_equal(
            ph_authority_active(ph_ca_inventory(rolled.ca), PH_DEVICES, NULL, &active, &error),
            PH_OK);
        assert_int_equal(active.generation, round + 2);
        assert_true(rolled_holds("trust/devices.pem", active.name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(row_missing, rolled_set_up, rolled_tear_down),
        cmocka_unit_test_setup_teardown(key_of_another, rolled_set_up, rolled_tear_down),
        cmocka_unit_test_setup_teardown(bundle_missing, rolled_set_up, rolled_tear_down),
        cmocka_unit_test_setup_teardown(killed, rolled_set_up, rolled_tear_down),
    };
    return cmocka_run_group_tests_name("rollover_kill", tests, NULL, NULL);
}
