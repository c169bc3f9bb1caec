#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "x509/test_pki.h"
#include "x509/trust.h"

#define FILES    PH_TEST_FILES
#define NO_FILES PH_TEST_NO_FILES

enum { HOUR_MS = 3600000, DAY_MS = 24 * HOUR_MS };

static struct ph_test_pki *pki;
static char dir[] = "/tmp/ph-revocation-test-XXXXXX";
static int64_t now_ms; /* of a whole second, as the times in CRLs */

static int set_up(void **state)
{
    (void)state;
    now_ms = ph_clock_unix_ms() / 1000 * 1000;
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    pki = ph_test_pki_new(dir, now_ms);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ph_test_pki_free(&pki);
    return rmdir(dir);
}

static void assert_message(const struct ph_error *error, const char *part)
{
    if (strstr(error->message, part) == NULL) {
        fail_msg("want \"%s\" in \"%s\"", part, error->message);
    }
}

/* Root and devices with these CRLs. */
static struct ph_trust *load(const char *const *crls, bool crl_required, uint32_t grace_s)
{
    struct ph_error error = {0};
    struct ph_trust *trust = NULL;
    if (ph_test_pki_trust(pki, FILES("root.pem", "devices.pem"), crls, crl_required, grace_s,
            &trust, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    return trust;
}

static void passes(const struct ph_trust *trust, enum ph_test_leaf leaf, int64_t at_ms)
{
    struct ph_error error = {0};
    enum ph_chain_fault fault = PH_CHAIN_OTHER;
    if (ph_trust_check(trust, ph_test_pki_leaf(pki, leaf), PH_USAGE_CLIENT, at_ms, NULL, &fault,
            &error) != PH_OK) {
        fail_msg("%s: %s", ph_test_leaf_name(leaf), error.message);
    }
    assert_int_equal(fault, PH_CHAIN_GOOD);
}

static void fails(const struct ph_trust *trust, enum ph_test_leaf leaf, int64_t at_ms,
    enum ph_chain_fault want, const char *message)
{
    struct ph_error error = {0};
    enum ph_chain_fault fault = PH_CHAIN_GOOD;
    enum ph_err err = ph_trust_check(
        trust, ph_test_pki_leaf(pki, leaf), PH_USAGE_CLIENT, at_ms, NULL, &fault, &error);
    assert_message(&error, message);
    assert_int_equal(err, PH_ERR_DENIED);
    assert_int_equal(fault, want);
}

/* CERT-12: a CRL past its nextUpdate refuses, with its own sentence; so does one from the future.
 */
static void not_current(void **state)
{
    (void)state;
    struct ph_trust *trust = load(FILES("root.crl", "devices-expired.crl"), true, 0);
    assert_int_equal(ph_trust_crl_expiry_ms(trust), now_ms - HOUR_MS);
    fails(trust, PH_TEST_GOOD, now_ms, PH_CHAIN_CRL, "the CRL of its CA expired at 2");
    fails(trust, PH_TEST_GOOD, now_ms, PH_CHAIN_CRL, "put the CA's current CRL in place");
    ph_trust_free(&trust);
    trust = load(FILES("root.crl", "devices-future.crl"), true, 0);
    fails(trust, PH_TEST_GOOD, now_ms, PH_CHAIN_CRL, "the CRL of its CA starts at 2");
    fails(trust, PH_TEST_GOOD, now_ms, PH_CHAIN_CRL, "check the clock");
    passes(trust, PH_TEST_GOOD, now_ms + HOUR_MS);
    ph_trust_free(&trust);
}

/* CERT-20: grace, to the millisecond; what it lists stays revoked. */
static void grace(void **state)
{
    (void)state;
    struct ph_trust *trust = load(FILES("root.crl", "devices-expired.crl"), true, 7200);
    passes(trust, PH_TEST_GOOD, now_ms);
    passes(trust, PH_TEST_GOOD, now_ms + HOUR_MS - 1);
    fails(trust, PH_TEST_GOOD, now_ms + HOUR_MS, PH_CHAIN_CRL, "the CRL of its CA expired at 2");
    ph_trust_free(&trust);
    trust = load(FILES("root.crl", "devices.crl"), true, 86400);
    fails(trust, PH_TEST_REVOKED, now_ms + INT64_C(60) * HOUR_MS, PH_CHAIN_EXPIRED, "expired at");
    fails(trust, PH_TEST_REVOKED, now_ms, PH_CHAIN_REVOKED, "revoked by its CA (keyCompromise)");
    ph_trust_free(&trust);
}

/* CERT-13: of two CRLs the newer counts, in whatever order they come. */
static void newest_crl_counts(void **state)
{
    (void)state;
    const char *const *orders[] = {FILES("root.crl", "devices-old.crl", "devices.crl"),
        FILES("root.crl", "devices.crl", "devices-old.crl"),
        FILES("root.crl", "devices.crl", "devices-expired.crl")};
    for (size_t i = 0; i < 3; i++) {
        struct ph_trust *trust = load(orders[i], true, 0);
        fails(trust, PH_TEST_REVOKED, now_ms, PH_CHAIN_REVOKED, "revoked by its CA");
        assert_int_equal(ph_trust_crl_expiry_ms(trust), now_ms + INT64_C(7) * DAY_MS);
        ph_trust_free(&trust);
    }
}

/* CERT-13: a revoked device does not come back through an older or emptier CRL beside the current
 * one, though it may claim a later time; the order of the files does not matter. */
static void highest_number_counts(void **state)
{
    (void)state;
    const char *const *orders[] = {FILES("root.crl", "devices-1000.crl", "devices-999.crl"),
        FILES("root.crl", "devices-999.crl", "devices-1000.crl"),
        FILES("root.crl", "devices-1000.crl", "devices-old.crl"),
        FILES("root.crl", "devices-old.crl", "devices-1000.crl"),
        FILES("root.crl", "devices-1000.crl", "devices-1000-empty.crl"),
        FILES("root.crl", "devices-1000-empty.crl", "devices-1000.crl")};
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        struct ph_trust *trust = load(orders[i], true, 0);
        fails(trust, PH_TEST_REVOKED, now_ms, PH_CHAIN_REVOKED, "revoked by its CA");
        ph_trust_free(&trust);
    }
}

/* CERT-13, CERT-19. */
static void load_refused(void **state)
{
    (void)state;
    static const struct {
        const char *crls[4];
        bool crl_required;
        enum ph_err code;
        const char *message;
    } cases[] = {
        {{"root.crl"}, true, PH_ERR_CONFIG,
            "anchor testing: crl: no CRL of CA \"CN=test devices\""},
        {{"devices.crl"}, true, PH_ERR_CONFIG, "no CRL of CA \"CN=test root\""},
        {{NULL}, true, PH_ERR_CONFIG, "no CRL of CA"},
        {{"fake.crl"}, false, PH_ERR_CONFIG,
            "fake.crl: CRL of \"CN=test devices\": not signed by the CA of that name"},
        {{"unknown.crl"}, false, PH_ERR_CONFIG,
            "unknown.crl: no CRL of anchor testing: every one is signed by another CA"},
        {{"brokers.crl"}, false, PH_ERR_CONFIG, "signed by another CA"},
        {{"good.pem"}, false, PH_ERR_INPUT, "good.pem: no PEM CRL in it"},
        {{"absent.crl"}, false, PH_ERR_NOT_FOUND, "absent.crl: open"},
        {{"devices-other-key.crl"}, false, PH_ERR_CONFIG,
            "CRL of \"CN=test devices\": authorityKeyIdentifier: names another key"},
        {{"devices-delta.crl"}, false, PH_ERR_CONFIG, "want a whole CRL, have a delta CRL"},
        {{"devices-partial.crl"}, false, PH_ERR_CONFIG, "limited by issuingDistributionPoint"},
        {{"devices-indirect.crl"}, false, PH_ERR_CONFIG, "entries of another (certificateIssuer)"},
        {{"devices-endless.crl"}, false, PH_ERR_CONFIG, "want nextUpdate"},
        {{"devices-backwards.crl"}, false, PH_ERR_CONFIG, "want nextUpdate later than thisUpdate"},
        {{"devices-critical.crl"}, false, PH_ERR_CONFIG,
            "devices-critical.crl: CRL of \"CN=test devices\": unknown critical extension"},
        {{"devices-critical-entry.crl"}, false, PH_ERR_CONFIG,
            "unknown critical extension in an entry"},
        {{"devices-negative.crl"}, false, PH_ERR_CONFIG, "CRLNumber: want a number from 0"},
        {{"devices.crl", "devices-delta.crl"}, false, PH_ERR_CONFIG, "have a delta CRL"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_error error = {0};
        struct ph_trust *trust = NULL;
        enum ph_err err = ph_test_pki_trust(pki, FILES("root.pem", "devices.pem"), cases[i].crls,
            cases[i].crl_required, 0, &trust, &error);
        assert_message(&error, cases[i].message);
        assert_int_equal(err, cases[i].code);
        assert_null(trust);
    }
}

/* CERT-19: a CA without cRLSign; without its CRL, where none is required, it still issues. */
static void ca_without_crl_sign(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_trust *trust = NULL;
    assert_int_equal(ph_test_pki_trust(pki, FILES("root.pem", "mute.pem"), FILES("mute.crl"), false,
                         0, &trust, &error),
        PH_ERR_CONFIG);
    assert_message(
        &error, "CRL of \"CN=test mute\": its CA may not sign CRLs (keyUsage without cRLSign)");
    ph_error_clear(&error);
    assert_int_equal(ph_test_pki_trust(pki, FILES("root.pem", "mute.pem"), FILES("root.crl"), false,
                         0, &trust, &error),
        PH_OK);
    passes(trust, PH_TEST_MUTE_CA, now_ms);
    ph_trust_free(&trust);
}

/* Cuts a file behind `lines` lines. */
static void cut(const char *from, const char *to, int lines)
{
    char command[512];
    (void)snprintf(command, sizeof command, "head -n %d %s/%s > %s/%s", lines, dir, from, dir, to);
    assert_int_equal(system(command), 0);
}

/* CERT-19: half a file and an empty one. */
static void truncated(void **state)
{
    (void)state;
    for (int lines = 0; lines < 4; lines++) {
        struct ph_error error = {0};
        struct ph_trust *trust = NULL;
        cut("devices.crl", "cut.crl", lines);
        assert_int_equal(ph_test_pki_trust(pki, FILES("root.pem", "devices.pem"), FILES("cut.crl"),
                             false, 0, &trust, &error),
            PH_ERR_INPUT);
        assert_message(&error, "cut.crl: ");
        assert_null(trust);
    }
    assert_int_equal(unlink(ph_test_pki_path(pki, "cut.crl")), 0);
}

/* CERT-13: without crl_required the CRLs that are there still count. */
static void crls_not_required(void **state)
{
    (void)state;
    struct ph_trust *trust = load(FILES("devices.crl"), false, 0);
    passes(trust, PH_TEST_GOOD, now_ms);
    fails(trust, PH_TEST_REVOKED, now_ms, PH_CHAIN_REVOKED, "revoked by its CA");
    ph_trust_free(&trust);
    trust = load(FILES("devices-expired.crl"), false, 0);
    fails(trust, PH_TEST_GOOD, now_ms, PH_CHAIN_CRL, "the CRL of its CA expired");
    ph_trust_free(&trust);
    trust = load(NO_FILES, false, 0);
    passes(trust, PH_TEST_REVOKED, now_ms);
    assert_true(ph_trust_crl_expiry_ms(trust) == INT64_MAX);
    assert_int_equal(ph_trust_crl_count(trust), 0);
    ph_trust_free(&trust);
}

/* CERT-13: one file may hold the CRLs of several anchors; the same root may come twice. */
static void shared_files(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_trust *trust = NULL;
    char command[512];
    (void)snprintf(command, sizeof command,
        "cat %s/root.crl %s/brokers.crl %s/devices.crl > %s/all.crl", dir, dir, dir, dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(ph_test_pki_trust(pki, FILES("root.pem", "root.pem", "devices.pem"),
                         FILES("all.crl"), true, 0, &trust, &error),
        PH_OK);
    assert_int_equal(ph_trust_crl_count(trust), 2);
    fails(trust, PH_TEST_REVOKED, now_ms, PH_CHAIN_REVOKED, "revoked by its CA");
    ph_trust_free(&trust);
    assert_int_equal(unlink(ph_test_pki_path(pki, "all.crl")), 0);
}

/* CERT-21. */
static void life(void **state)
{
    (void)state;
    struct ph_trust *trust = load(FILES("devices-1000.crl", "root.crl"), true, 86400);
    assert_int_equal(ph_trust_crl_count(trust), 2);
    struct ph_crl_life root = ph_trust_crl_life(trust, 0);
    struct ph_crl_life devices = ph_trust_crl_life(trust, 1);
    assert_string_equal(root.issuer, "CN=test root");
    assert_string_equal(root.number, "");
    assert_string_equal(devices.issuer, "CN=test devices");
    assert_string_equal(devices.number, "1000");
    assert_int_equal(devices.entries, 1);
    assert_int_equal(devices.this_update_ms, now_ms - INT64_C(2) * HOUR_MS);
    assert_int_equal(devices.next_update_ms, now_ms + INT64_C(7) * DAY_MS);
    assert_int_equal(devices.grace_ms, DAY_MS);
    assert_string_equal(ph_trust_crl_life(trust, 2).issuer, "");
    ph_trust_free(&trust);
}

/* CERT-21: the ladder, to the millisecond. */
static void stages(void **state)
{
    (void)state;
    static const struct {
        int64_t at_ms;
        enum ph_crl_stage stage;
    } cases[] = {{0, PH_CRL_FRESH}, {1000, PH_CRL_FRESH}, {1749, PH_CRL_FRESH},
        {1750, PH_CRL_AGEING}, {1999, PH_CRL_AGEING}, {2000, PH_CRL_GRACE}, {2499, PH_CRL_GRACE},
        {2500, PH_CRL_CLOSED}, {INT64_MAX, PH_CRL_CLOSED}};
    struct ph_crl_life crl = {.this_update_ms = 1000, .next_update_ms = 2000, .grace_ms = 500};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(ph_crl_stage(&crl, cases[i].at_ms), cases[i].stage);
    }
    crl.grace_ms = 0;
    assert_int_equal(ph_crl_stage(&crl, 2000), PH_CRL_CLOSED);
}

/* CERT-22: which state may follow which. */
static void only_newer_follows(void **state)
{
    (void)state;
    static const struct {
        const char *current[3];
        const char *fresh[3];
        const char *message; /* NULL: it may */
    } cases[] = {
        {{"devices-999.crl"}, {"devices-1000.crl"}, NULL},
        {{"devices-1000.crl"}, {"devices-1000.crl"}, NULL},
        {{"devices-old.crl"}, {"devices.crl"}, NULL},
        {{"devices.crl"}, {"devices-999.crl"}, NULL},
        {{"devices-1000.crl"}, {NULL}, NULL},
        {{NULL}, {"devices-old.crl"}, NULL},
        {{"devices-1000.crl"}, {"devices-999.crl"},
            "anchor testing: crl: CRL of \"CN=test devices\": older than the one in force: want "
            "number 1000 of 2"},
        {{"devices-1000.crl"}, {"devices.crl"}, "have number (none) of 2"},
        {{"devices-1000.crl"}, {"devices-1000-empty.crl"}, "older than the one in force"},
        {{"devices.crl"}, {"devices-old.crl"}, "older than the one in force"},
        {{"devices.crl", "root.crl"}, {"root.crl"},
            "no CRL of CA \"CN=test devices\" any more, number (none) of 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_error error = {0};
        struct ph_trust *current = load(cases[i].current, false, 0);
        struct ph_trust *fresh = load(cases[i].fresh, false, 0);
        enum ph_err err = ph_trust_check_newer(fresh, current, &error);
        if (err != (cases[i].message == NULL ? PH_OK : PH_ERR_CONFIG)) {
            fail_msg("case %zu: \"%s\"", i, error.message);
        }
        assert_message(&error, cases[i].message == NULL ? "" : cases[i].message);
        ph_trust_free(&current);
        ph_trust_free(&fresh);
    }
}

/* CERT-22: a CA that only one of the two knows does not matter. */
static void other_cas_follow(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_trust *devices = NULL;
    struct ph_trust *both = NULL;
    assert_int_equal(ph_trust_load(ph_test_pki_devices(pki), &devices, &error), PH_OK);
    assert_int_equal(ph_trust_load(ph_test_pki_rollover(pki), &both, &error), PH_OK);
    assert_int_equal(ph_trust_check_newer(both, devices, &error), PH_OK);
    assert_int_equal(ph_trust_check_newer(devices, both, &error), PH_OK);
    ph_trust_free(&devices);
    ph_trust_free(&both);
}

/* CERT-23. */
static void hundred_thousand_entries(void **state)
{
    (void)state;
    const enum ph_test_leaf revoked[] = {PH_TEST_REVOKED, PH_TEST_NUL_CN};
    ph_test_pki_crl(pki, "devices-huge", 2000, 100000, revoked, 2);
    int64_t start_ms = ph_clock_monotonic_ms();
    struct ph_trust *trust = load(FILES("root.crl", "devices-huge.crl"), true, 0);
    int64_t load_ms = ph_clock_monotonic_ms() - start_ms;
    assert_int_equal(ph_trust_crl_life(trust, 1).entries, 100002);
    passes(trust, PH_TEST_GOOD, now_ms);
    fails(trust, PH_TEST_REVOKED, now_ms, PH_CHAIN_REVOKED, "revoked by its CA (keyCompromise)");
    fails(trust, PH_TEST_NUL_CN, now_ms, PH_CHAIN_REVOKED, "revoked by its CA (keyCompromise)");
    struct ph_voucher voucher;
    assert_int_equal(ph_trust_check(trust, ph_test_pki_leaf(pki, PH_TEST_GOOD), PH_USAGE_CLIENT,
                         now_ms, &voucher, NULL, NULL),
        PH_OK);
    start_ms = ph_clock_monotonic_ms();
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(ph_trust_recheck(trust, &voucher, now_ms, NULL, NULL), PH_OK);
    }
    print_message("100,000 entries: loaded in %lld ms, 100,000 rechecks in %lld ms\n",
        (long long)load_ms, (long long)(ph_clock_monotonic_ms() - start_ms));
    ph_trust_free(&trust);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_current),
        cmocka_unit_test(grace),
        cmocka_unit_test(newest_crl_counts),
        cmocka_unit_test(highest_number_counts),
        cmocka_unit_test(load_refused),
        cmocka_unit_test(ca_without_crl_sign),
        cmocka_unit_test(truncated),
        cmocka_unit_test(crls_not_required),
        cmocka_unit_test(shared_files),
        cmocka_unit_test(life),
        cmocka_unit_test(stages),
        cmocka_unit_test(only_newer_follows),
        cmocka_unit_test(other_cas_follow),
        cmocka_unit_test(hundred_thousand_entries),
    };
    return cmocka_run_group_tests_name("revocation", tests, set_up, tear_down);
}
