#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "x509/test_pki.h"
#include "x509/trust.h"

#define FILES    PH_TEST_FILES
#define NO_FILES PH_TEST_NO_FILES

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

static struct ph_trust *load(const char *const *cas, const char *const *crls)
{
    struct ph_error error = {0};
    struct ph_trust *trust = NULL;
    if (ph_test_pki_trust(pki, cas, crls, crls[0] != NULL, 0, &trust, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    return trust;
}

static void passes(const struct ph_trust *trust, enum ph_test_leaf leaf, enum ph_usage usage)
{
    struct ph_error error = {0};
    enum ph_chain_fault fault = PH_CHAIN_OTHER;
    if (ph_trust_check(trust, ph_test_pki_leaf(pki, leaf), usage, now_ms, NULL, &fault, &error) !=
        PH_OK) {
        fail_msg("%s: %s", ph_test_leaf_name(leaf), error.message);
    }
    assert_int_equal(fault, PH_CHAIN_GOOD);
}

static void fails(const struct ph_trust *trust, enum ph_test_leaf leaf, enum ph_usage usage,
    int64_t at_ms, enum ph_chain_fault want, const char *message)
{
    struct ph_error error = {0};
    enum ph_chain_fault fault = PH_CHAIN_GOOD;
    enum ph_err err =
        ph_trust_check(trust, ph_test_pki_leaf(pki, leaf), usage, at_ms, NULL, &fault, &error);
    assert_message(&error, message);
    assert_int_equal(err, PH_ERR_DENIED);
    assert_int_equal(fault, want);
}

static void good_chains(void **state)
{
    (void)state;
    passes(devices, PH_TEST_GOOD, PH_USAGE_CLIENT);
    passes(brokers, PH_TEST_BROKER, PH_USAGE_SERVER);
    passes(devices, PH_TEST_HUGE, PH_USAGE_CLIENT);
}

/* CERT-8, CERT-9, CERT-10, CERT-11, CERT-15, CERT-27. */
static void refused(void **state)
{
    (void)state;
    static const struct {
        enum ph_test_leaf leaf;
        enum ph_chain_fault fault;
        const char *message;
    } cases[] = {
        {PH_TEST_EXPIRED, PH_CHAIN_EXPIRED,
            "anchor devices: certificate \"CN=t-0001,OU=thermostat,O=acme\" "
            "(depth 0, issuer \"CN=test devices\"): expired at 2"},
        {PH_TEST_NOT_YET_VALID, PH_CHAIN_NOT_YET_VALID, "not yet valid: starts at 2"},
        {PH_TEST_REVOKED, PH_CHAIN_REVOKED,
            "(depth 0, issuer \"CN=test devices\"): revoked by its CA (keyCompromise)"},
        {PH_TEST_REVOKED_CA, PH_CHAIN_CA_REVOKED,
            "CA certificate \"CN=test pulled\" (depth 1, issuer \"CN=test root\"): "
            "revoked by its CA (cACompromise)"},
        {PH_TEST_WRONG_EKU, PH_CHAIN_OTHER, "does not permit this use"},
        {PH_TEST_WRONG_CA, PH_CHAIN_UNKNOWN_CA, "issued by an unknown CA"},
        {PH_TEST_UNKNOWN_CA, PH_CHAIN_UNKNOWN_CA,
            "issuer \"CN=test unknown root\"): issued by an unknown CA"},
        {PH_TEST_FAKE_CA, PH_CHAIN_UNKNOWN_CA, "issued by an unknown CA"},
        {PH_TEST_FAKE_CA_BARE, PH_CHAIN_UNKNOWN_CA, "unknown CA of the same name"},
        {PH_TEST_BY_DEVICE, PH_CHAIN_UNKNOWN_CA,
            "issuer \"CN=t-0001,OU=thermostat,O=acme\"): issued by an unknown CA"},
        {PH_TEST_SELF_SIGNED, PH_CHAIN_UNKNOWN_CA, "unknown CA"},
        {PH_TEST_SHA1, PH_CHAIN_OTHER, "digest that is too weak"},
        {PH_TEST_WEAK_KEY, PH_CHAIN_OTHER, "key too weak"},
        {PH_TEST_CRITICAL, PH_CHAIN_OTHER, "unknown critical extension"},
        {PH_TEST_LONG_SERIAL, PH_CHAIN_OTHER, "want a positive number of at most 20 octets"},
        {PH_TEST_NEGATIVE_SERIAL, PH_CHAIN_OTHER, "want a positive number of at most 20 octets"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fails(devices, cases[i].leaf, PH_USAGE_CLIENT, now_ms, cases[i].fault, cases[i].message);
    }
}

/* CERT-10: a device's CA cannot vouch for a broker, nor the brokers' CA for a device, even where
 * both are in the anchor. */
static void ca_usage_is_nested(void **state)
{
    (void)state;
    struct ph_trust *both = load(FILES("root.pem", "devices.pem", "brokers.pem"), NO_FILES);
    fails(both, PH_TEST_WRONG_EKU, PH_USAGE_SERVER, now_ms, PH_CHAIN_OTHER,
        "CA certificate \"CN=test devices\" (depth 1, issuer \"CN=test root\"): extendedKeyUsage "
        "or "
        "keyUsage does not permit this use");
    fails(both, PH_TEST_WRONG_CA, PH_USAGE_CLIENT, now_ms, PH_CHAIN_OTHER,
        "CA certificate \"CN=test brokers\" (depth 1");
    ph_trust_free(&both);
}

/* CERT-9: the time is the one passed in. */
static void time_is_passed_in(void **state)
{
    (void)state;
    struct ph_error error = {0};
    int64_t day_ms = 86400000;
    fails(devices, PH_TEST_GOOD, PH_USAGE_CLIENT, now_ms + 2 * day_ms, PH_CHAIN_EXPIRED,
        "certificate \"CN=t-0001,OU=thermostat,O=acme\" (depth 0, issuer \"CN=test devices\"): "
        "expired at");
    assert_int_equal(ph_trust_check(devices, ph_test_pki_leaf(pki, PH_TEST_NOT_YET_VALID),
                         PH_USAGE_CLIENT, now_ms + day_ms / 12, NULL, NULL, &error),
        PH_OK);
    fails(devices, PH_TEST_GOOD, PH_USAGE_CLIENT, now_ms - 60 * day_ms, PH_CHAIN_NOT_YET_VALID,
        "starts at");
}

/* CERT-8. */
/* [CROSS-5] */
static void beyond_32_bits(void **state)
{
    (void)state;
    bool narrow = sizeof(time_t) < sizeof(int64_t);
    fails(devices, PH_TEST_GOOD, PH_USAGE_CLIENT, INT64_C(2147483647999), PH_CHAIN_EXPIRED,
        "expired at");
    fails(devices, PH_TEST_GOOD, PH_USAGE_CLIENT, INT64_C(2147483648000),
        narrow ? PH_CHAIN_OTHER : PH_CHAIN_EXPIRED,
        narrow ? "beyond what this machine's time_t can hold" : "expired at");
}

static void load_refused(void **state)
{
    (void)state;
    static const struct {
        const char *cas[4];
        enum ph_err code;
        const char *message;
    } cases[] = {
        {{"devices.pem"}, PH_ERR_CONFIG, "no root among the CA files"},
        {{"root.pem", "good.pem"}, PH_ERR_CONFIG,
            "good.pem: certificate \"CN=t-0001,OU=thermostat,O=acme\": want a CA"},
        {{"root.pem", "absent.pem"}, PH_ERR_NOT_FOUND, "absent.pem: open"},
        {{"root.pem", "good.key"}, PH_ERR_INPUT, "good.key: no PEM certificate in it"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_error error = {0};
        struct ph_trust *trust = NULL;
        enum ph_err err = ph_test_pki_trust(pki, cases[i].cas, NO_FILES, false, 0, &trust, &error);
        assert_message(&error, cases[i].message);
        assert_int_equal(err, cases[i].code);
        assert_null(trust);
    }
}

/* CERT-24: two issuing CAs of one anchor, each with its CRL. */
static void rollover(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_trust *both = NULL;
    assert_int_equal(ph_trust_load(ph_test_pki_rollover(pki), &both, &error), PH_OK);
    passes(both, PH_TEST_GOOD, PH_USAGE_CLIENT);
    passes(both, PH_TEST_GOOD2, PH_USAGE_CLIENT);
    fails(both, PH_TEST_REVOKED, PH_USAGE_CLIENT, now_ms, PH_CHAIN_REVOKED, "revoked by its CA");
    fails(both, PH_TEST_REVOKED2, PH_USAGE_CLIENT, now_ms, PH_CHAIN_REVOKED,
        "issuer \"CN=test devices 2\"): revoked by its CA");
    passes(both, PH_TEST_SAME_SERIAL, PH_USAGE_CLIENT);
    fails(devices, PH_TEST_GOOD2, PH_USAGE_CLIENT, now_ms, PH_CHAIN_UNKNOWN_CA, "unknown CA");
    ph_trust_free(&both);
}

/* CERT-24: of several certificates of one CA a good one suffices, in whatever order they come. */
static void renewed_ca(void **state)
{
    (void)state;
    const char *const *orders[] = {
        FILES("root.pem", "devices.pem", "devices-renewed.pem", "devices-short.pem"),
        FILES("devices-short.pem", "devices-renewed.pem", "devices.pem", "root.pem")};
    for (size_t i = 0; i < 2; i++) {
        struct ph_trust *trust = load(orders[i], FILES("root-superseded.crl", "devices.crl"));
        passes(trust, PH_TEST_GOOD, PH_USAGE_CLIENT);
        fails(trust, PH_TEST_REVOKED, PH_USAGE_CLIENT, now_ms, PH_CHAIN_REVOKED, "revoked by");
        ph_trust_free(&trust);
    }
    struct ph_trust *none = load(FILES("root.pem", "devices.pem", "devices-renewed.pem"),
        FILES("root-pulled.crl", "devices.crl"));
    fails(none, PH_TEST_GOOD, PH_USAGE_CLIENT, now_ms, PH_CHAIN_CA_REVOKED,
        "CA certificate \"CN=test devices\" (depth 1, issuer \"CN=test root\"): revoked by its CA "
        "(");
    ph_trust_free(&none);
}

/* CERT-24: a chain to a root that has expired is not chosen where there is another. */
static void crossed_ca(void **state)
{
    (void)state;
    int64_t later_ms = now_ms + INT64_C(3) * 3600000;
    const char *const *orders[] = {
        FILES("root-short.pem", "devices-crossed.pem", "devices.pem", "root.pem"),
        FILES("root.pem", "devices.pem", "root-short.pem", "devices-crossed.pem")};
    for (size_t i = 0; i < 2; i++) {
        struct ph_error error = {0};
        struct ph_trust *trust = load(orders[i], NO_FILES);
        passes(trust, PH_TEST_GOOD, PH_USAGE_CLIENT);
        if (ph_trust_check(trust, ph_test_pki_leaf(pki, PH_TEST_GOOD), PH_USAGE_CLIENT, later_ms,
                NULL, NULL, &error) != PH_OK) {
            fail_msg("order %zu: %s", i, error.message);
        }
        ph_trust_free(&trust);
    }
    struct ph_trust *alone = load(FILES("root-short.pem", "devices-crossed.pem"), NO_FILES);
    fails(alone, PH_TEST_GOOD, PH_USAGE_CLIENT, later_ms, PH_CHAIN_EXPIRED,
        "CA certificate \"CN=test short root\" (depth 2, issuer \"CN=test short root\"): expired");
    ph_trust_free(&alone);
}

/* CERT-24: two keys of one name, told apart by their signatures alone. */
static void roots_of_one_name(void **state)
{
    (void)state;
    const char *const *orders[] = {FILES("bare.pem", "bare2.pem", "devices-bare.pem"),
        FILES("bare2.pem", "bare.pem", "devices-bare.pem")};
    for (size_t i = 0; i < 2; i++) {
        struct ph_trust *trust = load(orders[i], NO_FILES);
        passes(trust, PH_TEST_GOOD, PH_USAGE_CLIENT);
        ph_trust_free(&trust);
    }
    struct ph_trust *both = load(FILES("root.pem", "fake.pem", "devices.pem"), NO_FILES);
    passes(both, PH_TEST_GOOD, PH_USAGE_CLIENT);
    fails(both, PH_TEST_FAKE_CA, PH_USAGE_CLIENT, now_ms, PH_CHAIN_UNKNOWN_CA, "unknown CA");
    ph_trust_free(&both);
}

/* CERT-11: as OpenSSL has it with CRL_CHECK_ALL. */
static void root_on_its_own_crl(void **state)
{
    (void)state;
    struct ph_trust *trust =
        load(FILES("root.pem", "devices.pem"), FILES("root-itself.crl", "devices.crl"));
    fails(trust, PH_TEST_GOOD, PH_USAGE_CLIENT, now_ms, PH_CHAIN_CA_REVOKED,
        "CA certificate \"CN=test root\" (depth 2, issuer \"CN=test root\"): revoked by its CA "
        "(superseded)");
    ph_trust_free(&trust);
}

/* CERT-28. */
static void too_many_cas(void **state)
{
    (void)state;
    char path[64];
    char *files[] = {path};
    char name[] = "crowd";
    struct ph_anchor anchor = {.name = name, .ca_files = files, .ca_file_count = 1};
    struct ph_error error = {0};
    struct ph_trust *trust = NULL;
    (void)snprintf(path, sizeof path, "%s", ph_test_pki_path(pki, "crowd.pem"));
    ph_test_pki_crowd(pki, "crowd", 256);
    assert_int_equal(ph_trust_load(&anchor, &trust, &error), PH_OK);
    ph_trust_free(&trust);
    ph_test_pki_crowd(pki, "crowd", 257);
    assert_int_equal(ph_trust_load(&anchor, &trust, &error), PH_ERR_LIMIT);
    assert_message(&error, "crowd.pem: more than 256 CA certificates in anchor crowd");
    assert_null(trust);
}

/* CERT-11: revocation counts even where times do not. */
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

static void names_issuer(void **state)
{
    (void)state;
    assert_true(ph_trust_names_issuer(devices, ph_test_pki_leaf(pki, PH_TEST_GOOD)));
    assert_true(ph_trust_names_issuer(devices, ph_test_pki_leaf(pki, PH_TEST_FAKE_CA_BARE)));
    assert_false(ph_trust_names_issuer(devices, ph_test_pki_leaf(pki, PH_TEST_FAKE_CA)));
    assert_false(ph_trust_names_issuer(devices, ph_test_pki_leaf(pki, PH_TEST_BROKER)));
}

static void *check_many(void *result)
{
    bool *ok = result;
    for (int i = 0; i < 100; i++) {
        struct ph_voucher voucher;
        *ok = *ok &&
              ph_trust_check(devices, ph_test_pki_leaf(pki, PH_TEST_GOOD), PH_USAGE_CLIENT, now_ms,
                  &voucher, NULL, NULL) == PH_OK &&
              ph_trust_recheck(devices, &voucher, now_ms, NULL, NULL) == PH_OK &&
              ph_trust_check(devices, ph_test_pki_leaf(pki, PH_TEST_REVOKED), PH_USAGE_CLIENT,
                  now_ms, NULL, NULL, NULL) == PH_ERR_DENIED;
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
        cmocka_unit_test(beyond_32_bits),
        cmocka_unit_test(load_refused),
        cmocka_unit_test(rollover),
        cmocka_unit_test(renewed_ca),
        cmocka_unit_test(crossed_ca),
        cmocka_unit_test(roots_of_one_name),
        cmocka_unit_test(root_on_its_own_crl),
        cmocka_unit_test(too_many_cas),
        cmocka_unit_test(timeless),
        cmocka_unit_test(names_issuer),
        cmocka_unit_test(shared_by_threads),
    };
    return cmocka_run_group_tests_name("trust", tests, set_up, tear_down);
}
