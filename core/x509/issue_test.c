#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "x509/issue.h"
#include "x509/trust.h"

static char dir[] = "/tmp/ph-issue-test-XXXXXX";
static struct ph_key *ca_key;
static struct ph_certificate *ca;
static int64_t now_ms;

static struct ph_certificate_content content(enum ph_certificate_type type, const char *name)
{
    return (struct ph_certificate_content){.type = type,
        .name = name,
        .not_before_ms = now_ms - 300000,
        .not_after_ms = now_ms + 86400000};
}

static int set_up(void **state)
{
    (void)state;
    struct ph_error error = {0};
    now_ms = ph_clock_unix_ms();
    struct ph_certificate_content root = content(PH_CERTIFICATE_ROOT, "test root");
    return mkdtemp(dir) != NULL && ph_key_new(&ca_key, &error) == PH_OK &&
                   ph_certificate_issue(&root, ca_key, NULL, ca_key, &ca, &error) == PH_OK
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    ph_key_free(&ca_key);
    ph_certificate_free(&ca);
    return rmdir(dir);
}

static char *store(const char *name, const struct ph_buf *pem)
{
    char *path = malloc(256);
    assert_non_null(path);
    (void)snprintf(path, 256, "%s/%s", dir, name);
    assert_int_equal(ph_file_store(path, 0600, pem->data, pem->len, NULL), PH_OK);
    return path;
}

static struct ph_certificate *issue(const struct ph_certificate_content *what)
{
    struct ph_error error = {0};
    struct ph_key *key = NULL;
    struct ph_certificate *certificate = NULL;
    assert_int_equal(ph_key_new(&key, &error), PH_OK);
    assert_int_equal(ph_certificate_issue(what, key, ca, ca_key, &certificate, &error), PH_OK);
    ph_key_free(&key);
    return certificate;
}

static char *store_crl(const char *revoked_serial)
{
    struct ph_error error = {0};
    struct ph_crl *crl = NULL;
    struct ph_buf pem;
    ph_buf_init(&pem, 65536);
    assert_int_equal(ph_crl_new(&crl, &error), PH_OK);
    if (revoked_serial != NULL) {
        assert_int_equal(ph_crl_add(crl, revoked_serial, now_ms, 4, &error), PH_OK);
    }
    assert_int_equal(
        ph_crl_sign(crl, ca, ca_key, 7, now_ms - 1000, now_ms + 60000, &pem, &error), PH_OK);
    ph_crl_free(&crl);
    char *path = store("crl.pem", &pem);
    ph_buf_fini(&pem);
    return path;
}

static void check_against_crl(const struct ph_certificate *leaf, const char *revoked_serial,
    enum ph_err want, const char *message)
{
    struct ph_error error = {0};
    struct ph_buf pem;
    ph_buf_init(&pem, 65536);
    assert_int_equal(ph_certificate_print(ca, &pem, &error), PH_OK);
    char *ca_file = store("ca.pem", &pem);
    char *crl_file = store_crl(revoked_serial);
    char name[] = "test";
    struct ph_anchor anchor = {.name = name,
        .ca_files = &ca_file,
        .ca_file_count = 1,
        .crl_files = &crl_file,
        .crl_file_count = 1,
        .crl_required = true};
    struct ph_trust *trust = NULL;
    assert_int_equal(ph_trust_load(&anchor, &trust, &error), PH_OK);
    assert_int_equal(
        ph_trust_check(trust, leaf, PH_USAGE_CLIENT, now_ms, NULL, NULL, &error), want);
    assert_non_null(strstr(error.message, message));
    ph_trust_free(&trust);
    (void)unlink(ca_file);
    (void)unlink(crl_file);
    free(ca_file);
    free(crl_file);
    ph_buf_fini(&pem);
}

/* CA-4: what is issued keeps the profile, and the chain check accepts it until it is revoked. */
static void client(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_certificate_content what = content(PH_CERTIFICATE_CLIENT, "t-0001");
    what.organization = "acme";
    what.unit = "thermostat";
    struct ph_certificate *leaf = issue(&what);
    struct ph_identity identity;
    struct ph_certificate_facts facts;
    assert_int_equal(ph_certificate_check_profile(leaf, PH_USAGE_CLIENT, &error), PH_OK);
    assert_int_equal(ph_certificate_identity(leaf, &identity, &error), PH_OK);
    assert_string_equal(identity.device, "t-0001");
    assert_int_equal(ph_certificate_facts(leaf, &facts, &error), PH_OK);
    assert_in_range(strlen(facts.serial), 31, 32);
    assert_int_equal(facts.not_before_ms, (now_ms - 300000) / 1000 * 1000);
    check_against_crl(leaf, NULL, PH_OK, "");
    check_against_crl(leaf, "1", PH_OK, "");
    check_against_crl(leaf, facts.serial, PH_ERR_DENIED, "revoked by its CA (superseded)");
    assert_int_equal(ph_certificate_check_profile(leaf, PH_USAGE_SERVER, &error), PH_ERR_DENIED);
    assert_non_null(strstr(error.message, "want serverAuth"));
    ph_certificate_free(&leaf);
}

static void server(void **state)
{
    (void)state;
    struct ph_error error = {0};
    const char *const dns[] = {"broker.example", "localhost"};
    const char *const ip[] = {"127.0.0.1", "::1"};
    struct ph_certificate_content what = content(PH_CERTIFICATE_SERVER, "broker");
    what.dns = dns;
    what.dns_count = 2;
    what.ip = ip;
    what.ip_count = 2;
    struct ph_certificate *leaf = issue(&what);
    assert_int_equal(ph_certificate_check_profile(leaf, PH_USAGE_SERVER, &error), PH_OK);
    ph_certificate_free(&leaf);
}

/* [CERT-30]: what cannot be in a certificate is named, and nothing is made. */
static void refused(void **state)
{
    (void)state;
    char long_name[66];
    memset(long_name, 'a', 65);
    long_name[65] = '\0';
    const char *const dns[] = {"broker.example", "b\xC3\xBCro.example"};
    const char *const ip[] = {"127.0.0.1", "300.0.0.1"};
    const struct {
        struct ph_certificate_content content;
        const char *message;
    } cases[] = {
        {{.name = long_name}, "cannot be made: CN: want 1 to 64 characters of UTF-8, have \"aaa"},
        {{.name = ""}, "certificate of \"\": cannot be made: CN: want 1 to 64"},
        {{.name = "a", .organization = ""}, "O: want 1 to 64 characters of UTF-8, have \"\""},
        {{.name = "a", .unit = "\xFF"}, "OU: want 1 to 64 characters of UTF-8, have \"\\xff\""},
        {{.name = "a", .permitted_organization = ""}, "nameConstraints: want 1 to 64 characters"},
        {{.name = "a", .dns = dns, .dns_count = 2}, "want a host name of 1 to 253 ASCII"},
        {{.name = "broker", .ip = ip, .ip_count = 2},
            "certificate of \"broker\": cannot be made: want an IPv4 or IPv6 address, have "
            "\"300.0.0.1\""},
        {{.name = "a", .not_after_ms = INT64_C(253402300800000)},
            "times of the years 1950 to 9999"},
        {{.name = "a", .not_before_ms = INT64_C(-631152001000)}, "times of the years 1950 to 9999"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_error error = {0};
        struct ph_certificate *leaf = NULL;
        assert_int_equal(ph_certificate_issue(&cases[i].content, ca_key, ca, ca_key, &leaf, &error),
            PH_ERR_INPUT);
        assert_non_null(strstr(error.message, cases[i].message));
        assert_null(leaf);
    }
}

static void crl_refused(void **state)
{
    (void)state;
    static const char *const serials[] = {"", "xyz", "12 ", "0x12"};
    for (size_t i = 0; i < sizeof serials / sizeof serials[0]; i++) {
        struct ph_error error = {0};
        struct ph_crl *crl = NULL;
        assert_int_equal(ph_crl_new(&crl, &error), PH_OK);
        assert_int_equal(ph_crl_add(crl, serials[i], now_ms, 0, &error), PH_ERR_INPUT);
        assert_non_null(strstr(error.message, "cannot be added"));
        ph_crl_free(&crl);
    }
}

static void keys(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_key *loaded = NULL;
    struct ph_buf pem;
    ph_buf_init(&pem, 4096);
    assert_int_equal(ph_key_print(ca_key, &pem, &error), PH_OK);
    assert_non_null(strstr(pem.data, "BEGIN PRIVATE KEY"));
    char *path = store("key.pem", &pem);
    assert_int_equal(ph_certificate_check_key(ca, path, &error), PH_OK);
    assert_int_equal(ph_key_load(path, &loaded, &error), PH_OK);
    ph_key_free(&loaded);
    assert_null(loaded);
    (void)unlink(path);
    assert_int_equal(ph_key_load(path, &loaded, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "key.pem"));
    free(path);
    ph_buf_fini(&pem);
}

static void reasons(void **state)
{
    (void)state;
    int reason = -1;
    assert_true(ph_revocation_reason_parse("keyCompromise", &reason));
    assert_int_equal(reason, 1);
    assert_string_equal(ph_revocation_reason_name(5), "cessationOfOperation");
    assert_true(ph_revocation_reason_parse("certificateHold", &reason));
    assert_int_equal(reason, 6);
    assert_false(ph_revocation_reason_parse("removeFromCRL", &reason));
    assert_false(ph_revocation_reason_parse("", &reason));
    assert_null(ph_revocation_reason_name(8));
    assert_null(ph_revocation_reason_name(11));
    assert_null(ph_revocation_reason_name(-1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client),
        cmocka_unit_test(server),
        cmocka_unit_test(refused),
        cmocka_unit_test(crl_refused),
        cmocka_unit_test(keys),
        cmocka_unit_test(reasons),
    };
    return cmocka_run_group_tests_name("issue", tests, set_up, tear_down);
}
