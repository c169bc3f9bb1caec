#include <pthread.h>
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

static struct ph_test_pki *pki;
static struct ph_trust *devices;
static struct ph_trust *brokers;
static char dir[] = "/tmp/ph-trust-test-XXXXXX";
static int64_t now_ms;

static int set_up(void **state)
{
    (void)state;
    struct ph_error error = {0};
    now_ms = ph_clock_unix_ms();
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    pki = ph_test_pki_new(dir, now_ms);
    if (ph_trust_load(ph_test_pki_devices(pki), &devices, &error) != PH_OK ||
        ph_trust_load(ph_test_pki_brokers(pki), &brokers, &error) != PH_OK) {
        fprintf(stderr, "%s\n", error.message);
        return -1;
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ph_trust_free(&devices);
    ph_trust_free(&brokers);
    ph_test_pki_free(&pki);
    return rmdir(dir);
}

static void assert_message(const struct ph_error *error, const char *part)
{
    if (strstr(error->message, part) == NULL) {
        fail_msg("want \"%s\" in \"%s\"", part, error->message);
    }
}

/* An anchor of up to four CA files and four CRL files, each list ending with NULL. */
static enum ph_err load(const char *const *cas, const char *const *crls, bool crl_required,
    struct ph_trust **out, struct ph_error *error)
{
    char *ca_files[4];
    char *crl_files[4];
    char name[] = "testing";
    struct ph_anchor anchor = {
        .name = name, .ca_files = ca_files, .crl_files = crl_files, .crl_required = crl_required};
    for (; cas[anchor.ca_file_count] != NULL; anchor.ca_file_count++) {
        ca_files[anchor.ca_file_count] = strdup(ph_test_pki_path(pki, cas[anchor.ca_file_count]));
    }
    for (; crls[anchor.crl_file_count] != NULL; anchor.crl_file_count++) {
        crl_files[anchor.crl_file_count] =
            strdup(ph_test_pki_path(pki, crls[anchor.crl_file_count]));
    }
    enum ph_err err = ph_trust_load(&anchor, out, error);
    for (size_t i = 0; i < anchor.ca_file_count; i++) {
        free(ca_files[i]);
    }
    for (size_t i = 0; i < anchor.crl_file_count; i++) {
        free(crl_files[i]);
    }
    return err;
}

#define FILES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_FILES   ((const char *const[]){NULL})

static void good_chains(void **state)
{
    (void)state;
    struct ph_error error = {0};
    assert_int_equal(ph_trust_check(devices, ph_test_pki_leaf(pki, PH_TEST_GOOD), PH_USAGE_CLIENT,
                         now_ms, &error),
        PH_OK);
    assert_int_equal(ph_trust_check(brokers, ph_test_pki_leaf(pki, PH_TEST_BROKER), PH_USAGE_SERVER,
                         now_ms, &error),
        PH_OK);
}

/* CERT-8, CERT-9, CERT-10, CERT-11, CERT-15. */
static void refused(void **state)
{
    (void)state;
    static const struct {
        enum ph_test_leaf leaf;
        const char *message;
    } cases[] = {
        {PH_TEST_EXPIRED, "anchor devices: certificate \"CN=t-0001,OU=thermostat,O=acme\" "
                          "(depth 0, issuer \"CN=test devices\"): expired at 2"},
        {PH_TEST_NOT_YET_VALID, "not yet valid: starts at 2"},
        {PH_TEST_REVOKED,
            "(depth 0, issuer \"CN=test devices\"): revoked by its CA (keyCompromise)"},
        {PH_TEST_REVOKED_CA,
            "CA certificate \"CN=test pulled\" (depth 1, issuer \"CN=test root\"): "
            "revoked by its CA (cACompromise)"},
        {PH_TEST_WRONG_EKU, "does not permit this use"},
        {PH_TEST_WRONG_CA, "issued by an unknown CA"},
        {PH_TEST_UNKNOWN_CA, "issuer \"CN=test unknown root\"): issued by an unknown CA"},
        {PH_TEST_FAKE_CA, "issued by an unknown CA"},
        {PH_TEST_FAKE_CA_BARE, "unknown CA of the same name"},
        {PH_TEST_SELF_SIGNED, "unknown CA"},
        {PH_TEST_SHA1, "digest that is too weak"},
        {PH_TEST_WEAK_KEY, "key too weak"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_error error = {0};
        enum ph_err err = ph_trust_check(
            devices, ph_test_pki_leaf(pki, cases[i].leaf), PH_USAGE_CLIENT, now_ms, &error);
        assert_message(&error, cases[i].message);
        assert_int_equal(err, PH_ERR_DENIED);
    }
}

/* CERT-10: a device's CA cannot vouch for a broker, nor the brokers' CA for a device, even where
 * both are in the anchor. */
static void ca_usage_is_nested(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_trust *both = NULL;
    assert_int_equal(
        load(FILES("root.pem", "devices.pem", "brokers.pem"), NO_FILES, false, &both, &error),
        PH_OK);
    assert_int_equal(ph_trust_check(both, ph_test_pki_leaf(pki, PH_TEST_WRONG_EKU), PH_USAGE_SERVER,
                         now_ms, &error),
        PH_ERR_DENIED);
    assert_message(&error, "CA certificate \"CN=test devices\" (depth 1");
    assert_message(&error, "does not permit this use");
    ph_error_clear(&error);
    assert_int_equal(ph_trust_check(both, ph_test_pki_leaf(pki, PH_TEST_WRONG_CA), PH_USAGE_CLIENT,
                         now_ms, &error),
        PH_ERR_DENIED);
    assert_message(&error, "CA certificate \"CN=test brokers\" (depth 1");
    ph_trust_free(&both);
}

/* CERT-9: the time is the one passed in. */
static void time_is_passed_in(void **state)
{
    (void)state;
    struct ph_error error = {0};
    const struct ph_certificate *good = ph_test_pki_leaf(pki, PH_TEST_GOOD);
    int64_t day_ms = 86400000;
    assert_int_equal(
        ph_trust_check(devices, good, PH_USAGE_CLIENT, now_ms + 2 * day_ms, &error), PH_ERR_DENIED);
    assert_message(&error, "certificate \"CN=t-0001");
    assert_message(&error, "expired at");
    ph_error_clear(&error);
    assert_int_equal(ph_trust_check(devices, ph_test_pki_leaf(pki, PH_TEST_NOT_YET_VALID),
                         PH_USAGE_CLIENT, now_ms + day_ms / 12, &error),
        PH_OK);
    assert_int_equal(ph_trust_check(devices, good, PH_USAGE_CLIENT, now_ms - 60 * day_ms, &error),
        PH_ERR_DENIED);
    assert_message(&error, "starts at");
}

/* CERT-12: a CRL past its nextUpdate refuses, with its own sentence. */
static void expired_crl(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_trust *trust = NULL;
    assert_int_equal(load(FILES("root.pem", "devices.pem"),
                         FILES("root.crl", "devices-expired.crl"), true, &trust, &error),
        PH_OK);
    assert_true(ph_trust_crl_expiry_ms(trust) < now_ms);
    assert_int_equal(
        ph_trust_check(trust, ph_test_pki_leaf(pki, PH_TEST_GOOD), PH_USAGE_CLIENT, now_ms, &error),
        PH_ERR_DENIED);
    assert_message(&error, "the CRL of its CA expired at 2");
    assert_message(&error, "put the CA's current CRL in place");
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
        struct ph_error error = {0};
        struct ph_trust *trust = NULL;
        assert_int_equal(
            load(FILES("root.pem", "devices.pem"), orders[i], true, &trust, &error), PH_OK);
        assert_int_equal(ph_trust_check(trust, ph_test_pki_leaf(pki, PH_TEST_REVOKED),
                             PH_USAGE_CLIENT, now_ms, &error),
            PH_ERR_DENIED);
        assert_message(&error, "revoked by its CA");
        assert_int_equal(ph_trust_crl_expiry_ms(trust) / 1000, now_ms / 1000 + INT64_C(7) * 86400);
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
        struct ph_error error = {0};
        struct ph_trust *trust = NULL;
        assert_int_equal(
            load(FILES("root.pem", "devices.pem"), orders[i], true, &trust, &error), PH_OK);
        if (ph_trust_check(trust, ph_test_pki_leaf(pki, PH_TEST_REVOKED), PH_USAGE_CLIENT, now_ms,
                &error) != PH_ERR_DENIED) {
            fail_msg("order %zu: the revoked device passes", i);
        }
        assert_message(&error, "revoked by its CA");
        ph_trust_free(&trust);
    }
}

/* CERT-8, CERT-13. */
static void load_refused(void **state)
{
    (void)state;
    static const struct {
        const char *cas[4];
        const char *crls[4];
        bool crl_required;
        enum ph_err code;
        const char *message;
    } cases[] = {
        {{"devices.pem"}, {NULL}, false, PH_ERR_CONFIG, "no root among the CA files"},
        {{"root.pem", "good.pem"}, {NULL}, false, PH_ERR_CONFIG,
            "good.pem: certificate \"CN=t-0001,OU=thermostat,O=acme\": want a CA"},
        {{"root.pem", "absent.pem"}, {NULL}, false, PH_ERR_NOT_FOUND, "absent.pem: open"},
        {{"root.pem", "good.key"}, {NULL}, false, PH_ERR_INPUT,
            "good.key: no PEM certificate in it"},
        {{"root.pem", "devices.pem"}, {"root.crl"}, true, PH_ERR_CONFIG,
            "anchor testing: crl: no CRL of CA \"CN=test devices\""},
        {{"root.pem", "devices.pem"}, {"devices.crl"}, true, PH_ERR_CONFIG,
            "no CRL of CA \"CN=test root\""},
        {{"root.pem", "devices.pem"}, {NULL}, true, PH_ERR_CONFIG, "no CRL of CA"},
        {{"root.pem", "devices.pem"}, {"fake.crl"}, false, PH_ERR_CONFIG,
            "fake.crl: CRL of \"CN=test devices\": not signed by the CA of that name"},
        {{"root.pem", "devices.pem"}, {"unknown.crl"}, false, PH_ERR_CONFIG,
            "unknown.crl: no CRL of anchor testing: every one is signed by another CA"},
        {{"root.pem", "devices.pem"}, {"brokers.crl"}, false, PH_ERR_CONFIG,
            "signed by another CA"},
        {{"root.pem", "devices.pem"}, {"devices-delta.crl"}, false, PH_ERR_CONFIG,
            "want a whole CRL, have a delta CRL"},
        {{"root.pem", "devices.pem"}, {"good.pem"}, false, PH_ERR_INPUT,
            "good.pem: no PEM CRL in it"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_error error = {0};
        struct ph_trust *trust = NULL;
        enum ph_err err = load(cases[i].cas, cases[i].crls, cases[i].crl_required, &trust, &error);
        assert_message(&error, cases[i].message);
        assert_int_equal(err, cases[i].code);
        assert_null(trust);
    }
}

/* CERT-13: without crl_required the CRLs that are there still count, also one that OpenSSL does not
 * take. */
static void crls_not_required(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_trust *trust = NULL;
    assert_int_equal(
        load(FILES("root.pem", "devices.pem"), FILES("devices.crl"), false, &trust, &error), PH_OK);
    assert_int_equal(
        ph_trust_check(trust, ph_test_pki_leaf(pki, PH_TEST_GOOD), PH_USAGE_CLIENT, now_ms, &error),
        PH_OK);
    assert_int_equal(ph_trust_check(trust, ph_test_pki_leaf(pki, PH_TEST_REVOKED), PH_USAGE_CLIENT,
                         now_ms, &error),
        PH_ERR_DENIED);
    assert_message(&error, "revoked by its CA");
    ph_trust_free(&trust);
    ph_error_clear(&error);
    assert_int_equal(load(FILES("root.pem", "devices.pem"), FILES("devices-other-key.crl"), false,
                         &trust, &error),
        PH_OK);
    assert_int_equal(
        ph_trust_check(trust, ph_test_pki_leaf(pki, PH_TEST_GOOD), PH_USAGE_CLIENT, now_ms, &error),
        PH_ERR_DENIED);
    assert_message(&error, "no CRL of its CA");
    ph_trust_free(&trust);
    assert_int_equal(
        load(FILES("root.pem", "devices.pem"), NO_FILES, false, &trust, &error), PH_OK);
    assert_true(ph_trust_crl_expiry_ms(trust) == INT64_MAX);
    ph_trust_free(&trust);
}

/* CERT-13: one file may hold the CRLs of several anchors; the same root may come twice. */
static void shared_files(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_trust *trust = NULL;
    char path[256];
    (void)snprintf(path, sizeof path, "cat %s/root.crl %s/brokers.crl %s/devices.crl > %s/all.crl",
        dir, dir, dir, dir);
    assert_int_equal(system(path), 0);
    assert_int_equal(
        load(FILES("root.pem", "root.pem", "devices.pem"), FILES("all.crl"), true, &trust, &error),
        PH_OK);
    assert_int_equal(ph_trust_check(trust, ph_test_pki_leaf(pki, PH_TEST_REVOKED), PH_USAGE_CLIENT,
                         now_ms, &error),
        PH_ERR_DENIED);
    assert_message(&error, "revoked by its CA");
    ph_trust_free(&trust);
    assert_int_equal(unlink(ph_test_pki_path(pki, "all.crl")), 0);
}

/* Revocation counts even where times do not. */
static void timeless(void **state)
{
    (void)state;
    struct ph_error error = {0};
    assert_int_equal(ph_trust_check_timeless(
                         devices, ph_test_pki_leaf(pki, PH_TEST_EXPIRED), PH_USAGE_CLIENT, &error),
        PH_OK);
    assert_int_equal(ph_trust_check_timeless(devices, ph_test_pki_leaf(pki, PH_TEST_REVOKED_CA),
                         PH_USAGE_CLIENT, &error),
        PH_ERR_DENIED);
    assert_message(&error, "revoked by its CA");
}

static void *check_many(void *result)
{
    bool *ok = result;
    for (int i = 0; i < 100; i++) {
        *ok = *ok &&
              ph_trust_check(devices, ph_test_pki_leaf(pki, PH_TEST_GOOD), PH_USAGE_CLIENT, now_ms,
                  NULL) == PH_OK &&
              ph_trust_check(devices, ph_test_pki_leaf(pki, PH_TEST_REVOKED), PH_USAGE_CLIENT,
                  now_ms, NULL) == PH_ERR_DENIED;
    }
    return NULL;
}

static void shared_by_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    bool ok[4] = {true, true, true, true};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, check_many, &ok[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(ok[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_chains),
        cmocka_unit_test(refused),
        cmocka_unit_test(ca_usage_is_nested),
        cmocka_unit_test(time_is_passed_in),
        cmocka_unit_test(expired_crl),
        cmocka_unit_test(newest_crl_counts),
        cmocka_unit_test(highest_number_counts),
        cmocka_unit_test(load_refused),
        cmocka_unit_test(crls_not_required),
        cmocka_unit_test(shared_files),
        cmocka_unit_test(timeless),
        cmocka_unit_test(shared_by_threads),
    };
    return cmocka_run_group_tests_name("trust", tests, set_up, tear_down);
}
