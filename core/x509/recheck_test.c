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
static struct ph_trust *plain; /* root and devices, CRLs that revoke neither */
static char dir[] = "/tmp/ph-recheck-test-XXXXXX";
static int64_t now_ms; /* of a whole second, as the times in certificates */

static struct ph_trust *load(const char *const *cas, const char *const *crls)
{
    struct ph_error error = {0};
    struct ph_trust *trust = NULL;
    if (ph_test_pki_trust(pki, cas, crls, false, 0, &trust, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    return trust;
}

static int set_up(void **state)
{
    (void)state;
    now_ms = ph_clock_unix_ms() / 1000 * 1000;
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    pki = ph_test_pki_new(dir, now_ms);
    plain = load(FILES("root.pem", "devices.pem"), FILES("root.crl", "devices-old.crl"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ph_trust_free(&plain);
    ph_test_pki_free(&pki);
    return rmdir(dir);
}

static void assert_message(const struct ph_error *error, const char *part)
{
    if (strstr(error->message, part) == NULL) {
        fail_msg("want \"%s\" in \"%s\"", part, error->message);
    }
}

static struct ph_voucher vouch(const struct ph_trust *trust, enum ph_test_leaf leaf)
{
    struct ph_error error = {0};
    struct ph_voucher voucher;
    if (ph_trust_check(trust, ph_test_pki_leaf(pki, leaf), PH_USAGE_CLIENT, now_ms, &voucher, NULL,
            &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    return voucher;
}

static void stays(const struct ph_trust *trust, const struct ph_voucher *voucher, int64_t at_ms)
{
    struct ph_error error = {0};
    enum ph_chain_fault fault = PH_CHAIN_OTHER;
    if (ph_trust_recheck(trust, voucher, at_ms, &fault, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(fault, PH_CHAIN_GOOD);
}

static void goes(const struct ph_trust *trust, const struct ph_voucher *voucher, int64_t at_ms,
    enum ph_chain_fault want, const char *message)
{
    struct ph_error error = {0};
    enum ph_chain_fault fault = PH_CHAIN_GOOD;
    enum ph_err err = ph_trust_recheck(trust, voucher, at_ms, &fault, &error);
    assert_message(&error, message);
    assert_int_equal(err, PH_ERR_DENIED);
    assert_int_equal(fault, want);
    assert_int_equal(ph_trust_recheck(trust, voucher, at_ms, NULL, NULL), PH_ERR_DENIED);
}

static void voucher_says(void **state)
{
    (void)state;
    struct ph_voucher first = vouch(plain, PH_TEST_GOOD);
    struct ph_voucher second = vouch(plain, PH_TEST_REVOKED);
    assert_int_equal(first.serial_len, 2);
    assert_memory_equal(first.serial, "\x03\xe8", 2);
    assert_int_equal(first.not_after_ms, now_ms + DAY_MS);
    assert_memory_equal(first.issuer, second.issuer, sizeof first.issuer);
    assert_memory_not_equal(first.serial, second.serial, 2);
}

/* CERT-25: a voucher of one state, asked of the next. */
static void newly_revoked(void **state)
{
    (void)state;
    struct ph_voucher good = vouch(plain, PH_TEST_GOOD);
    struct ph_voucher bad = vouch(plain, PH_TEST_REVOKED);
    stays(plain, &bad, now_ms);
    struct ph_trust *next =
        load(FILES("root.pem", "devices.pem"), FILES("root.crl", "devices.crl"));
    stays(next, &good, now_ms);
    goes(next, &bad, now_ms, PH_CHAIN_REVOKED,
        "anchor testing: certificate with serial number 3eb (depth 0, issuer \"CN=test devices\"): "
        "revoked by its CA (keyCompromise)");
    ph_trust_free(&next);
}

/* CERT-25: a revoked CA takes all below it along; the same CA renewed does not. */
static void revoked_ca(void **state)
{
    (void)state;
    struct ph_voucher good = vouch(plain, PH_TEST_GOOD);
    struct ph_trust *next =
        load(FILES("root.pem", "devices.pem"), FILES("root-superseded.crl", "devices.crl"));
    goes(next, &good, now_ms, PH_CHAIN_CA_REVOKED,
        "CA certificate \"CN=test devices\" (depth 1, issuer \"CN=test root\"): revoked by its CA "
        "(superseded)");
    assert_true(ph_trust_deadline_ms(next, &good) == INT64_MIN);
    ph_trust_free(&next);
    const char *const *orders[] = {FILES("root.pem", "devices.pem", "devices-renewed.pem"),
        FILES("devices-renewed.pem", "devices.pem", "root.pem")};
    for (size_t i = 0; i < 2; i++) {
        next = load(orders[i], FILES("root-superseded.crl", "devices.crl"));
        stays(next, &good, now_ms);
        ph_trust_free(&next);
        next = load(orders[i], FILES("root-pulled.crl", "devices.crl"));
        goes(next, &good, now_ms, PH_CHAIN_CA_REVOKED, "revoked by its CA (");
        ph_trust_free(&next);
    }
}

/* CERT-24, CERT-25: a CA that leaves, one that comes, and one renewed with the same key. */
static void rollover(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_trust *both = NULL;
    assert_int_equal(ph_trust_load(ph_test_pki_rollover(pki), &both, &error), PH_OK);
    struct ph_voucher first = vouch(plain, PH_TEST_GOOD);
    struct ph_voucher second = vouch(both, PH_TEST_GOOD2);
    struct ph_voucher same_serial = vouch(both, PH_TEST_SAME_SERIAL);
    stays(both, &first, now_ms);
    stays(both, &second, now_ms);
    stays(both, &same_serial, now_ms);
    goes(plain, &second, now_ms, PH_CHAIN_UNKNOWN_CA,
        "issued by an unknown CA: it is no longer in the anchor");
    assert_true(ph_trust_deadline_ms(plain, &second) == INT64_MIN);
    struct ph_trust *renewed = load(FILES("root.pem", "devices-renewed.pem"), NO_FILES);
    stays(renewed, &first, now_ms);
    ph_trust_free(&renewed);
    ph_trust_free(&both);
}

/* CERT-24, CERT-25: the same CA, although its new certificate spells its name another way. */
static void respelled(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_voucher before = vouch(plain, PH_TEST_GOOD);
    struct ph_trust *next =
        load(FILES("root.pem", "devices-respelled.pem"), FILES("root.crl", "devices.crl"));
    struct ph_voucher after = vouch(next, PH_TEST_GOOD);
    stays(next, &before, now_ms);
    stays(plain, &after, now_ms);
    struct ph_trust *old =
        load(FILES("root.pem", "devices-respelled.pem"), FILES("root.crl", "devices-old.crl"));
    assert_int_equal(ph_trust_check_newer(old, next, &error), PH_ERR_CONFIG);
    struct ph_trust *spelled =
        load(FILES("root.pem", "devices.pem"), FILES("root.crl", "devices.crl"));
    ph_error_clear(&error);
    assert_int_equal(ph_trust_check_newer(old, spelled, &error), PH_ERR_CONFIG);
    assert_message(&error, "older than the one in force");
    ph_trust_free(&spelled);
    ph_trust_free(&old);
    ph_trust_free(&next);
}

/* CERT-25: no valid one goes because another root of the same name comes. */
static void root_of_the_same_name(void **state)
{
    (void)state;
    struct ph_voucher good = vouch(plain, PH_TEST_GOOD);
    const char *const *orders[] = {FILES("bare.pem", "bare2.pem", "devices-bare.pem"),
        FILES("bare2.pem", "devices-bare.pem", "bare.pem")};
    for (size_t i = 0; i < 2; i++) {
        struct ph_trust *next = load(orders[i], NO_FILES);
        stays(next, &good, now_ms);
        ph_trust_free(&next);
    }
    struct ph_trust *next = load(FILES("bare2.pem", "devices-bare.pem"), NO_FILES);
    goes(next, &good, now_ms, PH_CHAIN_UNKNOWN_CA, "its chain to a root of the anchor does not");
    ph_trust_free(&next);
}

/* CERT-10, CERT-25: a CA that may no longer vouch for clients, and a root that revokes itself. */
static void ca_not_for_clients(void **state)
{
    (void)state;
    struct ph_voucher good = vouch(plain, PH_TEST_GOOD);
    struct ph_trust *next = load(FILES("root.pem", "devices-servers.pem"), NO_FILES);
    goes(next, &good, now_ms, PH_CHAIN_UNKNOWN_CA, "its chain to a root of the anchor does not");
    ph_trust_free(&next);
    next = load(FILES("root.pem", "devices-servers.pem", "devices.pem"), NO_FILES);
    stays(next, &good, now_ms);
    ph_trust_free(&next);
    next = load(FILES("root.pem", "devices.pem"), FILES("root-itself.crl"));
    goes(next, &good, now_ms, PH_CHAIN_CA_REVOKED,
        "CA certificate \"CN=test root\" (depth 2, issuer \"CN=test root\"): revoked by its CA");
    ph_trust_free(&next);
}

/* CERT-25: another root of the same name, and a CA whose root is gone. */
static void chain_is_gone(void **state)
{
    (void)state;
    struct ph_voucher good = vouch(plain, PH_TEST_GOOD);
    struct ph_trust *next = load(FILES("unknown.pem", "devices.pem"), NO_FILES);
    goes(next, &good, now_ms, PH_CHAIN_UNKNOWN_CA,
        "CA certificate \"CN=test devices\" (depth 1, issuer \"CN=test root\"): its chain to a "
        "root "
        "of the anchor does not hold");
    ph_trust_free(&next);
    next = load(FILES("unknown.pem", "fake.pem"), NO_FILES);
    goes(next, &good, now_ms, PH_CHAIN_UNKNOWN_CA, "issued by an unknown CA");
    ph_trust_free(&next);
}

/* CERT-25: the leaf's notAfter, or a CA's when that comes first. */
static void deadline(void **state)
{
    (void)state;
    struct ph_voucher good = vouch(plain, PH_TEST_GOOD);
    int64_t end_ms = now_ms + DAY_MS;
    assert_int_equal(ph_trust_deadline_ms(plain, &good), end_ms);
    stays(plain, &good, end_ms - 1);
    goes(plain, &good, end_ms, PH_CHAIN_EXPIRED, "issuer \"CN=test devices\"): expired at 2");
    struct ph_trust *next = load(FILES("root.pem", "devices-short.pem"), NO_FILES);
    end_ms = now_ms + INT64_C(2) * HOUR_MS;
    assert_int_equal(ph_trust_deadline_ms(next, &good), end_ms);
    stays(next, &good, end_ms - 1);
    goes(next, &good, end_ms, PH_CHAIN_EXPIRED,
        "CA certificate \"CN=test devices\" (depth 1, issuer \"CN=test root\"): expired at 2");
    ph_trust_free(&next);
    next = load(FILES("root.pem", "devices-short.pem", "devices.pem"), NO_FILES);
    assert_int_equal(ph_trust_deadline_ms(next, &good), now_ms + DAY_MS);
    stays(next, &good, end_ms);
    good.not_after_ms = now_ms + INT64_C(1000) * DAY_MS;
    assert_int_equal(ph_trust_deadline_ms(next, &good), now_ms + INT64_C(365) * DAY_MS);
    goes(next, &good, now_ms + INT64_C(366) * DAY_MS, PH_CHAIN_EXPIRED, "(depth 1");
    ph_trust_free(&next);
    next =
        load(FILES("root-short.pem", "devices-crossed.pem", "root.pem", "devices.pem"), NO_FILES);
    assert_int_equal(ph_trust_deadline_ms(next, &good), now_ms + INT64_C(365) * DAY_MS);
    stays(next, &good, end_ms);
    ph_trust_free(&next);
    next = load(FILES("root.pem", "devices-renewed.pem"), NO_FILES);
    goes(next, &good, now_ms + INT64_C(366) * DAY_MS, PH_CHAIN_EXPIRED,
        "CA certificate \"CN=test root\" (depth 2");
    ph_trust_free(&next);
}

/* CERT-25: a connection outlives its CRL. */
static void expired_crl_does_not_count(void **state)
{
    (void)state;
    struct ph_voucher good = vouch(plain, PH_TEST_GOOD);
    struct ph_trust *next =
        load(FILES("root.pem", "devices.pem"), FILES("root.crl", "devices-expired.crl"));
    stays(next, &good, now_ms);
    ph_trust_free(&next);
}

/* A voucher that was never made by a check is no reason to crash. */
static void nonsense(void **state)
{
    (void)state;
    struct ph_voucher voucher = vouch(plain, PH_TEST_GOOD);
    voucher.serial_len = 255;
    stays(plain, &voucher, now_ms);
    struct ph_voucher empty = {0};
    goes(plain, &empty, now_ms, PH_CHAIN_UNKNOWN_CA, "certificate with serial number 0 (depth 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(voucher_says),
        cmocka_unit_test(newly_revoked),
        cmocka_unit_test(revoked_ca),
        cmocka_unit_test(rollover),
        cmocka_unit_test(respelled),
        cmocka_unit_test(root_of_the_same_name),
        cmocka_unit_test(ca_not_for_clients),
        cmocka_unit_test(chain_is_gone),
        cmocka_unit_test(deadline),
        cmocka_unit_test(expired_crl_does_not_count),
        cmocka_unit_test(nonsense),
    };
    return cmocka_run_group_tests_name("recheck", tests, set_up, tear_down);
}
