#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "certs/registrar/rig.h"
#include "certs/registrar/vital.h"

static struct ph_rig rig;

static int open_rig(void **state)
{
    (void)state;
    ph_rig_open(&rig);
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    ph_rig_close(&rig);
    return 0;
}

static void turn(struct ph_vital *vital, bool connected, int64_t now_ms)
{
    const struct ph_registrar_counts counts = {.enrolled = 1,
        .renewed = 2,
        .repeated = 3,
        .waiting = 4,
        .refused = 5,
        .confirmed = 6,
        .superseded = 7};
    ph_vital_turn(vital, rig.ca, &counts, connected, now_ms, rig.now_ms + now_ms);
}

static struct ph_beat last_beat(void)
{
    struct ph_beat beat = {0};
    struct ph_error error = {0};
    if (ph_inventory_last_beat(rig.inventory, &beat, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    beat.at_ms -= rig.now_ms;
    beat.since_ms -= rig.now_ms;
    return beat;
}

/* [HLT-2] */
static void beats(void **state)
{
    (void)state;
    struct ph_vital vital = {.pulse = {.every_ms = 10000}};
    turn(&vital, false, 0);
    assert_int_equal(last_beat().at_ms, 0);
    assert_false(last_beat().connected);
    turn(&vital, false, 9999);
    assert_int_equal(last_beat().at_ms, 0);
    turn(&vital, false, 10000);
    assert_int_equal(last_beat().at_ms, 10000);
    turn(&vital, true, 10500);
    assert_int_equal(last_beat().at_ms, 10500);
    assert_int_equal(last_beat().since_ms, 10500);
    assert_true(last_beat().connected);
    assert_int_equal(last_beat().every_ms, 10000);
}

static void expect_line(const char *text, const char *want)
{
    char line[256];
    (void)snprintf(line, sizeof line, "\n%s\n", want);
    const char *found = strstr(text, line);
    if (found == NULL || strstr(found + 1, line) != NULL) {
        fail_msg("want once: %s\n%s", want, text);
    }
}

/* The thousand days of the rig's CRLs. */
static void expect_crl_left(const char *text, const char *ca)
{
    char series[128];
    (void)snprintf(series, sizeof series, "\nphonehome_ca_crl_left_seconds{ca=\"%s\"} ", ca);
    const char *found = strstr(text, series);
    if (found == NULL) {
        fail_msg("want %s\n%s", series, text);
        return;
    }
    double left = strtod(found + strlen(series), NULL);
    assert_true(left > 86399990 && left < 86400010);
}

/* [MET-12] */
static void metrics(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "phonehome_registrar_connected 1",
        "phonehome_registrar_issued_total{by=\"enrolment\"} 1",
        "phonehome_registrar_issued_total{by=\"renewal\"} 2",
        "phonehome_registrar_repeated_total 3",
        "phonehome_registrar_deferred_total 4",
        "phonehome_registrar_refused_total 5",
        "phonehome_registrar_confirmed_total 6",
        "phonehome_registrar_superseded_total 7",
        "phonehome_ca_certificates{state=\"valid\"} 10", /* 5 CAs, the registrar, and those below */
        "phonehome_ca_certificates{state=\"not-yet-valid\"} 0",
        "phonehome_ca_certificates{state=\"expired\"} 0",
        "phonehome_ca_certificates{state=\"revoked\"} 0",
        "phonehome_ca_certificates{state=\"superseded\"} 0",
        "phonehome_ca_certificates{state=\"held\"} 0",
        "phonehome_ca_certificates_expiring{within_days=\"1\"} 1",
        "phonehome_ca_certificates_expiring{within_days=\"7\"} 2",
        "phonehome_ca_certificates_expiring{within_days=\"30\"} 3",
    };
    static const int64_t days[] = {1, 6, 29, 31};
    char path[PATH_MAX];
    struct ph_buf text;
    for (size_t i = 0; i < sizeof days / sizeof days[0]; i++) {
        char name[16];
        struct ph_rig_peer peer;
        (void)snprintf(name, sizeof name, "t-%zu", i);
        ph_rig_device(&rig, name, days[i], &peer);
        ph_rig_peer_free(&peer);
    }
    (void)snprintf(path, sizeof path, "%s/x.prom", rig.dir);
    struct ph_vital vital = {.pulse = {.every_ms = 10000}, .metrics = {.path = path}};
    /* The numbers of CRLs that follow one of a clock that was ahead are no times. */
    assert_int_equal(ph_ca_publish(rig.ca, NULL, rig.now_ms + 700 * PH_DAY_MS, NULL), PH_OK);
    assert_int_equal(ph_ca_publish(rig.ca, NULL, rig.now_ms, NULL), PH_OK);
    turn(&vital, true, 0);
    ph_buf_init(&text, 65536);
    assert_int_equal(ph_file_load(path, &text, NULL), PH_OK);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        expect_line(text.data, lines[i]);
    }
    expect_crl_left(text.data, "root");
    expect_crl_left(text.data, "devices");
    ph_buf_fini(&text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(beats),
        TEST(metrics),
    };
    return cmocka_run_group_tests_name("ph.certs.registrar.vital", tests, NULL, NULL);
}
