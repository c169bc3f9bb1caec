#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "x509/certificate.h"
#include "x509/issue.h"
#include "x509/test_pki.h"

static struct ph_test_pki *pki;
static char dir[] = "/tmp/ph-certificate-test-XXXXXX";
static int64_t now_ms;

static int set_up(void **state)
{
    (void)state;
    now_ms = ph_clock_unix_ms();
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

/* CERT-4, CERT-5: both usages of good leaves. */
static void profile_accepted(void **state)
{
    (void)state;
    struct ph_error error = {0};
    assert_int_equal(
        ph_certificate_check_profile(ph_test_pki_leaf(pki, PH_TEST_GOOD), PH_USAGE_CLIENT, &error),
        PH_OK);
    assert_int_equal(ph_certificate_check_profile(
                         ph_test_pki_leaf(pki, PH_TEST_BROKER), PH_USAGE_SERVER, &error),
        PH_OK);
}

/* CERT-4, CERT-5, CERT-6, CERT-7. */
static void profile_refused(void **state)
{
    (void)state;
    static const struct {
        enum ph_test_leaf leaf;
        enum ph_usage usage;
        const char *message;
    } cases[] = {
        {PH_TEST_VERSION_1, PH_USAGE_CLIENT, "version: want 3, have 1"},
        {PH_TEST_LEAF_IS_CA, PH_USAGE_CLIENT, "want a leaf, have a CA"},
        {PH_TEST_LONG_SERIAL, PH_USAGE_CLIENT, "want a positive number of at most 20 octets"},
        {PH_TEST_NEGATIVE_SERIAL, PH_USAGE_CLIENT, "want a positive number"},
        {PH_TEST_NO_SIGNING, PH_USAGE_CLIENT, "keyUsage: want digitalSignature"},
        {PH_TEST_NO_EKU, PH_USAGE_CLIENT, "extendedKeyUsage: want it present"},
        {PH_TEST_WRONG_EKU, PH_USAGE_CLIENT, "extendedKeyUsage: want clientAuth"},
        {PH_TEST_GOOD, PH_USAGE_SERVER, "extendedKeyUsage: want serverAuth"},
        {PH_TEST_BROKER, PH_USAGE_CLIENT, "extendedKeyUsage: want clientAuth"},
        {PH_TEST_WEAK_KEY, PH_USAGE_CLIENT, "want RSA of at least 2048 bits, have 1024"},
        {PH_TEST_WEAK_CURVE, PH_USAGE_CLIENT, "want curve P-256, P-384 or P-521, have secp224r1"},
        {PH_TEST_SHA1, PH_USAGE_CLIENT, "signature: want SHA-256 or stronger, have SHA1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_error error = {0};
        enum ph_err err = ph_certificate_check_profile(
            ph_test_pki_leaf(pki, cases[i].leaf), cases[i].usage, &error);
        assert_message(&error, cases[i].message);
        assert_int_equal(err, PH_ERR_DENIED);
    }
}

static void facts(void **state)
{
    (void)state;
    struct ph_certificate_facts facts;
    struct ph_error error = {0};
    assert_int_equal(
        ph_certificate_facts(ph_test_pki_leaf(pki, PH_TEST_GOOD), &facts, &error), PH_OK);
    assert_string_equal(facts.subject, "CN=t-0001,OU=thermostat,O=acme");
    assert_string_equal(facts.issuer, "CN=test devices");
    assert_string_equal(facts.serial, "3e8");
    assert_int_equal(strlen(facts.fingerprint), 64);
    assert_int_equal(strlen(facts.key_hash), 64);
    assert_string_not_equal(facts.fingerprint, facts.key_hash);
    assert_int_equal(facts.not_before_ms / 1000, now_ms / 1000 - 3600);
    assert_int_equal(facts.not_after_ms / 1000, now_ms / 1000 + 86400);
}

static void facts_refused(void **state)
{
    (void)state;
    struct ph_certificate_facts facts;
    struct ph_error error = {0};
    assert_int_equal(
        ph_certificate_facts(ph_test_pki_leaf(pki, PH_TEST_LONG_SERIAL), &facts, &error),
        PH_ERR_INPUT);
    assert_message(&error, "serial number: want a positive number of at most 20 octets");
}

/* CERT-15: what a subject says cannot break a line. */
static void subject_is_escaped(void **state)
{
    (void)state;
    struct ph_certificate_facts facts;
    struct ph_error error = {0};
    assert_int_equal(
        ph_certificate_facts(ph_test_pki_leaf(pki, PH_TEST_NUL_CN), &facts, &error), PH_OK);
    assert_string_equal(facts.subject, "CN=t-0001\\00.evil,OU=thermostat,O=acme");
}

/* CERT-14. */
static void key_checked(void **state)
{
    (void)state;
    struct ph_error error = {0};
    const struct ph_certificate *good = ph_test_pki_leaf(pki, PH_TEST_GOOD);
    const char *key = ph_test_pki_path(pki, "good.key");
    assert_int_equal(ph_certificate_check_key(good, key, &error), PH_OK);
    assert_int_equal(ph_certificate_check_key(good, ph_test_pki_path(pki, "expired.key"), &error),
        PH_ERR_DENIED);
    assert_message(&error, "not the key of certificate \"CN=t-0001");
    ph_error_clear(&error);
    assert_int_equal(
        ph_certificate_check_key(good, ph_test_pki_path(pki, "good.pem"), &error), PH_ERR_INPUT);
    assert_message(&error, "no PEM private key");
    ph_error_clear(&error);
    assert_int_equal(chmod(key, 0640), 0);
    assert_int_equal(ph_certificate_check_key(good, key, &error), PH_ERR_PERMISSION);
    assert_message(&error, "closed to group and others");
    assert_int_equal(chmod(key, 0600), 0);
    ph_error_clear(&error);
    assert_int_equal(ph_certificate_check_key(good, ph_test_pki_path(pki, "absent.key"), &error),
        PH_ERR_NOT_FOUND);
    assert_message(&error, "absent.key");
}

/* A second CA that is broken counts, which who looks at the first alone does not see. */
static void files_of_a_client(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_certificate *first = NULL;
    char cas[PATH_MAX];
    char leaf[PATH_MAX];
    char key[PATH_MAX];
    struct ph_buf pem;
    ph_buf_init(&pem, 65536);
    (void)snprintf(cas, sizeof cas, "%s", ph_test_pki_path(pki, "two.pem"));
    (void)snprintf(leaf, sizeof leaf, "%s", ph_test_pki_path(pki, "good.pem"));
    (void)snprintf(key, sizeof key, "%s", ph_test_pki_path(pki, "good.key"));
    assert_int_equal(ph_file_load(leaf, &pem, &error), PH_OK);
    assert_int_equal(ph_file_store(cas, 0644, pem.data, pem.len, &error), PH_OK);
    assert_int_equal(ph_certificate_check_files(cas, leaf, key, &error), PH_OK);
    static const char broken[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_int_equal(ph_buf_append(&pem, broken, sizeof broken - 1), PH_OK);
    assert_int_equal(ph_file_store(cas, 0644, pem.data, pem.len, &error), PH_OK);
    assert_int_equal(ph_certificate_load(cas, &first, &error), PH_OK); /* the control */
    assert_int_equal(ph_certificate_check_files(cas, leaf, key, &error), PH_ERR_INPUT);
    assert_message(&error, "two.pem: certificate 2 is not readable");
    ph_error_clear(&error);
    assert_int_equal(ph_certificate_check_files(leaf, leaf, leaf, &error), PH_ERR_INPUT);
    assert_message(&error, "good.pem: no PEM private key");
    ph_certificate_free(&first);
    ph_buf_fini(&pem);
    assert_int_equal(unlink(cas), 0);
}

static void load_and_parse(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_certificate *loaded = NULL;
    struct ph_certificate *parsed = NULL;
    struct ph_buf der;
    ph_buf_init(&der, 4096);
    assert_int_equal(
        ph_certificate_load(ph_test_pki_path(pki, "good.pem"), &loaded, &error), PH_OK);
    assert_int_equal(ph_certificate_encode(loaded, &der, &error), PH_OK);
    assert_int_equal(ph_certificate_parse(der.data, der.len, &parsed, &error), PH_OK);
    ph_certificate_free(&parsed);
    assert_null(parsed);
    assert_int_equal(ph_certificate_parse(der.data, der.len - 1, &parsed, &error), PH_ERR_INPUT);
    assert_message(&error, "not DER of an X.509 certificate");
    ph_error_clear(&error);
    assert_int_equal(ph_buf_append(&der, "x", 1), PH_OK);
    assert_int_equal(ph_certificate_parse(der.data, der.len, &parsed, &error), PH_ERR_INPUT);
    assert_message(&error, "1 bytes after its end");
    ph_error_clear(&error);
    assert_int_equal(ph_certificate_parse(der.data, 16385, &parsed, &error), PH_ERR_LIMIT);
    assert_message(&error, "want at most 16384 bytes");
    ph_error_clear(&error);
    assert_int_equal(
        ph_certificate_load(ph_test_pki_path(pki, "good.key"), &parsed, &error), PH_ERR_INPUT);
    assert_message(&error, "good.key: no PEM certificate");
    assert_null(parsed);
    ph_error_clear(&error);
    assert_int_equal(
        ph_certificate_load(ph_test_pki_path(pki, "huge.pem"), &parsed, &error), PH_ERR_LIMIT);
    assert_message(&error, "huge.pem");
    assert_null(parsed);
    ph_certificate_free(&loaded);
    ph_buf_fini(&der);
}

static void null_is_accepted(void **state)
{
    (void)state;
    assert_null(ph_certificate_take(NULL));
    struct ph_certificate *none = NULL;
    ph_certificate_free(&none);
    ph_certificate_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profile_accepted),
        cmocka_unit_test(profile_refused),
        cmocka_unit_test(facts),
        cmocka_unit_test(facts_refused),
        cmocka_unit_test(subject_is_escaped),
        cmocka_unit_test(key_checked),
        cmocka_unit_test(files_of_a_client),
        cmocka_unit_test(load_and_parse),
        cmocka_unit_test(null_is_accepted),
    };
    return cmocka_run_group_tests_name("certificate", tests, set_up, tear_down);
}
