/* ph.x509.renewed: docs/spec/enrolment.md, what a device is sent to live on. */
#include "x509/renewed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/limits.h"
#include "x509/test_pki.h"

#define NOW  INT64_C(1790000000000)
#define HOUR INT64_C(3600000)
#define YEAR (INT64_C(365) * 24 * HOUR)

static char folder[64];
static struct ph_test_pki *pki;

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/ph-renewed-test-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    pki = ph_test_pki_new(folder, NOW);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ph_test_pki_free(&pki);
    return rmdir(folder);
}

/* Appends the files of the folder, one after the other. */
static void append(struct ph_buf *out, const char *const *files)
{
    for (; *files != NULL; files++) {
        assert_int_equal(ph_file_load(ph_test_pki_path(pki, *files), out, NULL), PH_OK);
    }
}

static void join(struct ph_buf *out, const char *const *files)
{
    ph_buf_init(out, PH_LIMIT_BUNDLE_BYTES);
    append(out, files);
}

static enum ph_err check(const char *const *files, const char *roots, int64_t now_ms,
    struct ph_buf *chain, struct ph_error *error)
{
    struct ph_buf pem;
    struct ph_certificate *leaf = NULL;
    join(&pem, files);
    enum ph_err err = ph_renewed_check(
        pem.data, pem.len, ph_test_pki_path(pki, roots), now_ms, &leaf, chain, error);
    assert_true((err == PH_OK) == (leaf != NULL));
    ph_certificate_free(&leaf);
    ph_buf_fini(&pem);
    return err;
}

/* [RENEW-23] What is kept is the chain that was verified, whatever else came with it. */
static void the_verified_chain_is_kept(void **state)
{
    (void)state;
    const char *const *const sent[] = {
        PH_TEST_FILES("good.pem", "devices.pem"),
        PH_TEST_FILES("good.pem", "devices.pem", "root.pem"),
        PH_TEST_FILES("good.pem", "brokers.pem", "devices.pem"),
    };
    struct ph_buf want;
    join(&want, sent[0]);
    for (size_t i = 0; i < sizeof sent / sizeof sent[0]; i++) {
        struct ph_buf chain;
        struct ph_error error = {0};
        ph_buf_init(&chain, PH_LIMIT_CERTIFICATE_BYTES);
        assert_int_equal(ph_buf_append_text(&chain, "before\n"), PH_OK);
        if (check(sent[i], "root.pem", NOW, &chain, &error) != PH_OK) {
            fail_msg("%zu: %s", i, error.message);
        }
        assert_string_equal(chain.data + strlen("before\n"), want.data);
        ph_buf_fini(&chain);
    }
    ph_buf_fini(&want);
}

/* [RENEW-23] */
static void bad_chains_are_refused(void **state)
{
    (void)state;
    const struct {
        const char *const *sent;
        const char *roots;
        int64_t now_ms;
        enum ph_err code;
        const char *message;
    } cases[] = {
        {PH_TEST_FILES("good.pem"), "root.pem", NOW, PH_ERR_DENIED, "unknown CA"},
        {PH_TEST_FILES("good.pem", "devices.pem"), "unknown.pem", NOW, PH_ERR_DENIED, "unknown CA"},
        {PH_TEST_FILES("fake-ca.pem", "fake.pem"), "root.pem", NOW, PH_ERR_DENIED, "unknown CA"},
        {PH_TEST_FILES("unknown-ca.pem", "unknown.pem"), "root.pem", NOW, PH_ERR_DENIED,
            "self-signed"},
        {PH_TEST_FILES("self-signed.pem"), "root.pem", NOW, PH_ERR_DENIED, "self-signed"},
        {PH_TEST_FILES("expired.pem", "devices.pem"), "root.pem", NOW, PH_ERR_DENIED, "expired at"},
        {PH_TEST_FILES("good.pem", "devices.pem"), "root.pem", NOW + 10 * YEAR, PH_ERR_DENIED,
            "expired at"},
        /* [CROSS-5] */
        {PH_TEST_FILES("good.pem", "devices.pem"), "root.pem", NOW + 20 * YEAR, PH_ERR_DENIED,
            sizeof(time_t) < sizeof(int64_t) ? "beyond what this machine's time_t can hold"
                                             : "expired at"},
        {PH_TEST_FILES("wrong-eku.pem", "devices.pem"), "root.pem", NOW, PH_ERR_DENIED,
            "extendedKeyUsage"},
        {PH_TEST_FILES("broker.pem", "brokers.pem"), "root.pem", NOW, PH_ERR_DENIED,
            "extendedKeyUsage"},
        {PH_TEST_FILES("wrong-ca.pem", "brokers.pem"), "root.pem", NOW, PH_ERR_DENIED,
            "does not permit this use"},
        {PH_TEST_FILES("devices.pem"), "root.pem", NOW, PH_ERR_DENIED, "have a CA"},
        {PH_TEST_FILES("weak-key.pem", "devices.pem"), "root.pem", NOW, PH_ERR_DENIED, "profile"},
        {PH_TEST_FILES("by-device.pem", "good.pem", "devices.pem"), "root.pem", NOW, PH_ERR_DENIED,
            "certificate"},
        {PH_TEST_FILES("good.pem", "devices.pem", "devices.pem", "devices.pem", "devices.pem"),
            "root.pem", NOW, PH_ERR_LIMIT, "certificate: want at most 4 certificates"},
        {PH_TEST_FILES("good.pem", "good.key"), "root.pem", NOW, PH_ERR_INPUT, "certificate: PEM"},
        {PH_TEST_FILES("good.key"), "root.pem", NOW, PH_ERR_INPUT, "certificate: PEM"},
        {PH_TEST_FILES("good.pem", "devices.pem"), "nowhere.pem", NOW, PH_ERR_NOT_FOUND,
            "nowhere.pem"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_buf chain;
        struct ph_error error = {0};
        ph_buf_init(&chain, PH_LIMIT_CERTIFICATE_BYTES);
        enum ph_err err = check(cases[i].sent, cases[i].roots, cases[i].now_ms, &chain, &error);
        if (err != cases[i].code || strstr(error.message, cases[i].message) == NULL) {
            fail_msg("%zu: %s: %s", i, ph_err_name(err), error.message);
        }
        assert_int_equal(chain.len, 0);
        ph_buf_fini(&chain);
    }
}

/* [RENEW-23] */
static void the_clock_may_be_behind_or_unknown(void **state)
{
    (void)state;
    struct ph_buf chain;
    ph_buf_init(&chain, PH_LIMIT_CERTIFICATE_BYTES);
    const char *const *const ahead = PH_TEST_FILES("not-yet-valid.pem", "devices.pem");
    const char *const *over = PH_TEST_FILES("expired.pem", "devices.pem");
    assert_int_equal(check(ahead, "root.pem", NOW, &chain, NULL), PH_OK);
    assert_int_equal(check(over, "root.pem", 0, &chain, NULL), PH_OK);
    assert_int_equal(check(over, "root.pem", NOW, &chain, NULL), PH_ERR_DENIED);
    assert_int_equal(check(PH_TEST_FILES("fake-ca.pem", "fake.pem"), "root.pem", 0, &chain, NULL),
        PH_ERR_DENIED); /* everything but dates */
    ph_buf_fini(&chain);
}

/* Text of other PEM readers: headers (as an encrypted key has, for which OpenSSL would ask for a
 * password), words between the blocks. */
static void nothing_but_certificates_is_read(void **state)
{
    (void)state;
    static const char *const inserted[] = {"Proc-Type: 4,ENCRYPTED\n\n", "words\n"};
    for (size_t i = 0; i < 2; i++) {
        struct ph_buf pem;
        struct ph_buf chain;
        struct ph_certificate *leaf = NULL;
        struct ph_error error = {0};
        ph_buf_init(&chain, PH_LIMIT_CERTIFICATE_BYTES);
        ph_buf_init(&pem, PH_LIMIT_CERTIFICATE_BYTES);
        if (i == 0) {
            assert_int_equal(ph_buf_append_text(&pem, "-----BEGIN CERTIFICATE-----\n"), PH_OK);
        }
        assert_int_equal(ph_buf_append_text(&pem, inserted[i]), PH_OK);
        append(&pem, PH_TEST_FILES("good.pem", "devices.pem"));
        assert_int_equal(ph_renewed_check(pem.data, pem.len, ph_test_pki_path(pki, "root.pem"), NOW,
                             &leaf, &chain, &error),
            PH_ERR_INPUT);
        assert_non_null(strstr(error.message, "certificate: PEM"));
        ph_buf_fini(&pem);
        ph_buf_fini(&chain);
    }
}

static void sizes_are_bounded(void **state)
{
    (void)state;
    static char pem[PH_LIMIT_BUNDLE_BYTES + 1];
    struct ph_buf chain;
    struct ph_certificate *leaf = NULL;
    struct ph_error error = {0};
    memset(pem, '\n', sizeof pem);
    ph_buf_init(&chain, PH_LIMIT_CERTIFICATE_BYTES);
    assert_int_equal(
        ph_renewed_check(pem, PH_LIMIT_CERTIFICATE_BYTES + 1, "none", NOW, &leaf, &chain, &error),
        PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "want at most 16384 bytes, have 16385"));
    ph_error_clear(&error);
    assert_int_equal(ph_renewed_check_roots(pem, sizeof pem, &error), PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "trusted CAs: want at most 1048576 bytes"));
    ph_buf_fini(&chain);
}

/* [RENEW-27] */
static void trusted_cas_are_checked(void **state)
{
    (void)state;
    const struct {
        const char *head;
        const char *const *files;
        enum ph_err code;
        const char *message;
    } cases[] = {
        {"", PH_TEST_FILES("root.pem"), PH_OK, ""},
        {"# number 1\n# more\n", PH_TEST_FILES("brokers.pem", "root.pem", "unknown.pem"), PH_OK,
            ""},
        {"", PH_TEST_FILES("brokers.pem"), PH_ERR_DENIED, "no root (self-signed) among them"},
        {"", PH_TEST_FILES("root.pem", "good.pem"), PH_ERR_DENIED, "O=acme\": want a CA"},
        {"", PH_TEST_FILES("self-signed.pem"), PH_ERR_DENIED, "want a CA with keyCertSign"},
        {"", PH_TEST_FILES("root.pem", "good.key"), PH_ERR_INPUT, "trusted CAs: PEM"},
        {"words\n", PH_TEST_FILES("root.pem"), PH_ERR_INPUT, "trusted CAs: PEM"},
        {"# comment", PH_TEST_FILES(NULL), PH_ERR_INPUT, "trusted CAs: PEM"},
        {"", PH_TEST_FILES(NULL), PH_ERR_INPUT, "trusted CAs: PEM"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_buf pem;
        struct ph_error error = {0};
        ph_buf_init(&pem, PH_LIMIT_BUNDLE_BYTES);
        assert_int_equal(ph_buf_append_text(&pem, cases[i].head), PH_OK);
        append(&pem, cases[i].files);
        enum ph_err err = ph_renewed_check_roots(pem.data != NULL ? pem.data : "", pem.len, &error);
        if (err != cases[i].code || strstr(error.message, cases[i].message) == NULL) {
            fail_msg("%zu: %s: %s", i, ph_err_name(err), error.message);
        }
        ph_buf_fini(&pem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_verified_chain_is_kept),
        cmocka_unit_test(bad_chains_are_refused),
        cmocka_unit_test(the_clock_may_be_behind_or_unknown),
        cmocka_unit_test(nothing_but_certificates_is_read),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(trusted_cas_are_checked),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
