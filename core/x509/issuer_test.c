#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "base/limits.h"
#include "x509/issue_fixture.h"
#include "x509/openssl.h"

/* ---- the same as OpenSSL would make ---- */

/* The extension as OpenSSL builds it from text, or absent when `value` is NULL. */
static void has_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
    int at = X509_get_ext_by_NID(x509, nid, -1);
    if (value == NULL) {
        assert_int_equal(at, -1);
        return;
    }
    assert_true(at >= 0);
    X509V3_CTX ctx;
    unsigned char *have = NULL;
    unsigned char *want = NULL;
    X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value);
    assert_non_null(extension);
    int want_len = i2d_X509_EXTENSION(extension, &want);
    int have_len = i2d_X509_EXTENSION(X509_get_ext(x509, at), &have);
    assert_int_equal(have_len, want_len);
    assert_memory_equal(have, want, (size_t)want_len);
    OPENSSL_free(have);
    OPENSSL_free(want);
    X509_EXTENSION_free(extension);
}

/* Encoded once more by OpenSSL it is the same bytes. */
static void is_canonical(X509 *x509)
{
    unsigned char *once = NULL;
    unsigned char *again = NULL;
    int len = i2d_X509(x509, &once);
    assert_true(i2d_re_X509_tbs(x509, &again) > 0);
    OPENSSL_free(again);
    again = NULL;
    assert_int_equal(i2d_X509(x509, &again), len);
    assert_memory_equal(once, again, (size_t)len);
    OPENSSL_free(once);
    OPENSSL_free(again);
}

/* [CERT-29]: the table of docs/spec/certificate.md, extension by extension. */
static void profiles(void **state)
{
    (void)state;
    static const char *const dns[] = {"broker.example", "localhost"};
    static const char *const ip[] = {"127.0.0.1", "2001:db8::1"};
    static const struct {
        enum ph_certificate_type type;
        const char *basic;
        const char *usage;
        const char *extended;
        const char *names;
    } cases[] = {
        {PH_CERTIFICATE_ROOT, "critical,CA:TRUE", "critical,keyCertSign,cRLSign", NULL, NULL},
        {PH_CERTIFICATE_CLIENT_CA, "critical,CA:TRUE,pathlen:0", "critical,keyCertSign,cRLSign",
            "clientAuth", NULL},
        {PH_CERTIFICATE_SERVER_CA, "critical,CA:TRUE,pathlen:0", "critical,keyCertSign,cRLSign",
            "serverAuth", NULL},
        {PH_CERTIFICATE_CLIENT, "critical,CA:FALSE", "critical,digitalSignature", "clientAuth",
            NULL},
        {PH_CERTIFICATE_SERVER, "critical,CA:FALSE", "critical,digitalSignature", "serverAuth",
            "DNS:broker.example,DNS:localhost,IP:127.0.0.1,IP:2001:db8::1"},
    };
    struct ph_key *key = new_key();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_certificate_content what = content(cases[i].type, "name");
        if (cases[i].names != NULL) {
            what.dns = dns;
            what.dns_count = 2;
            what.ip = ip;
            what.ip_count = 2;
        }
        struct ph_certificate *made = issue(&what, key, root, root_key);
        X509 *x509 = made->x509;
        has_extension(x509, root->x509, NID_basic_constraints, cases[i].basic);
        has_extension(x509, root->x509, NID_key_usage, cases[i].usage);
        has_extension(x509, root->x509, NID_ext_key_usage, cases[i].extended);
        has_extension(x509, root->x509, NID_subject_key_identifier, "hash");
        has_extension(x509, root->x509, NID_authority_key_identifier, "keyid:always");
        has_extension(x509, root->x509, NID_subject_alt_name, cases[i].names);
        has_extension(x509, root->x509, NID_name_constraints, NULL);
        assert_int_equal(
            X509_get_ext_count(x509), 4 + (cases[i].extended != NULL) + (cases[i].names != NULL));
        assert_int_equal(X509_get_version(x509), X509_VERSION_3);
        assert_int_equal(X509_verify(x509, X509_get0_pubkey(root->x509)), 1);
        is_canonical(x509);
        ph_certificate_free(&made);
    }
    ph_key_free(&key);
}

static void subject_is(const struct ph_certificate *certificate, const char *want)
{
    struct ph_error error = {0};
    struct ph_certificate_facts facts;
    assert_int_equal(ph_certificate_facts(certificate, &facts, &error), PH_OK);
    assert_string_equal(facts.subject, want);
    for (int i = 0; i < X509_NAME_entry_count(X509_get_subject_name(certificate->x509)); i++) {
        assert_int_equal(ASN1_STRING_type(X509_NAME_ENTRY_get_data(
                             X509_NAME_get_entry(X509_get_subject_name(certificate->x509), i))),
            V_ASN1_UTF8STRING);
    }
}

static void subjects(void **state)
{
    (void)state;
    struct ph_key *key = new_key();
    struct ph_certificate_content what = content(PH_CERTIFICATE_CLIENT, "t-0001");
    struct ph_certificate *made = issue(&what, key, root, root_key);
    subject_is(made, "CN=t-0001");
    ph_certificate_free(&made);
    what.organization = "acme";
    what.unit = "thermostat";
    made = issue(&what, key, root, root_key);
    subject_is(made, "CN=t-0001,OU=thermostat,O=acme");
    ph_certificate_free(&made);
    /* 64 characters, of two bytes each: lengths above 127 take two octets. */
    char wide[129] = "";
    for (size_t i = 0; i < 128; i += 2) {
        wide[i] = '\xC3';
        wide[i + 1] = '\xA4';
    }
    what.organization = wide;
    what.unit = wide;
    made = issue(&what, key, root, root_key);
    is_canonical(made->x509);
    assert_int_equal(X509_verify(made->x509, X509_get0_pubkey(root->x509)), 1);
    ph_certificate_free(&made);
    ph_key_free(&key);
}

/* RFC 5280, 4.1.2.5: two digits for a year until 2049. */
static void times(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
        int type;
    } cases[] = {
        {INT64_C(-631152000000), "500101000000Z", V_ASN1_UTCTIME},
        {0, "700101000000Z", V_ASN1_UTCTIME},
        {INT64_C(2524607999999), "491231235959Z", V_ASN1_UTCTIME},
        {INT64_C(2524608000000), "20500101000000Z", V_ASN1_GENERALIZEDTIME},
        {INT64_C(253402300799000), "99991231235959Z", V_ASN1_GENERALIZEDTIME},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_certificate_content what = content(PH_CERTIFICATE_ROOT, "root");
        what.not_before_ms = cases[i].ms;
        what.not_after_ms = cases[i].ms;
        struct ph_certificate *made = issue(&what, root_key, NULL, root_key);
        const ASN1_TIME *time = X509_get0_notAfter(made->x509);
        assert_int_equal(ASN1_STRING_type(time), cases[i].type);
        assert_int_equal(ASN1_STRING_length(time), (int)strlen(cases[i].text));
        assert_memory_equal(ASN1_STRING_get0_data(time), cases[i].text, strlen(cases[i].text));
        ph_certificate_free(&made);
    }
}

/* ---- one issuer, many certificates ---- */

/* [CERT-29]: what is said of a certificate without reading it is what reading it says. */
static void facts(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_issuer *issuer = NULL;
    struct ph_buf der;
    char last[PH_SERIAL_BYTES] = "";
    ph_buf_init(&der, PH_LIMIT_CERTIFICATE_BYTES);
    assert_int_equal(ph_issuer_new(root, root_key, &issuer, &error), PH_OK);
    const struct ph_certificate_content what = content(PH_CERTIFICATE_CLIENT, "t-0001");
    for (int i = 0; i < 300; i++) { /* serial numbers with the top bit, and with leading zeros */
        struct ph_issued issued = {0};
        struct ph_certificate_facts read = {0};
        struct ph_certificate *made = NULL;
        struct ph_key *key = new_key();
        ph_buf_reset(&der);
        assert_int_equal(ph_issuer_issue(issuer, &what, key, &der, &issued, &error), PH_OK);
        assert_int_equal(ph_certificate_parse(der.data, der.len, &made, &error), PH_OK);
        assert_int_equal(ph_certificate_facts(made, &read, &error), PH_OK);
        assert_string_equal(issued.fingerprint, read.fingerprint);
        assert_string_equal(issued.key_hash, read.key_hash);
        assert_string_equal(issued.serial, read.serial);
        assert_int_equal(issued.not_before_ms, read.not_before_ms);
        assert_int_equal(issued.not_after_ms, read.not_after_ms);
        assert_string_not_equal(issued.serial, last);
        memcpy(last, issued.serial, sizeof last);
        assert_int_equal(X509_verify(made->x509, X509_get0_pubkey(root->x509)), 1);
        ph_certificate_free(&made);
        ph_key_free(&key);
    }
    assert_int_equal(ERR_peek_error(), 0);
    ph_issuer_free(&issuer);
    assert_null(issuer);
    ph_buf_fini(&der);
}

static struct ph_key *take(EVP_PKEY *pkey)
{
    struct ph_error error = {0};
    struct ph_key *key = NULL;
    assert_int_equal(ph_key_take(pkey, NULL, &key, &error), PH_OK);
    return key;
}

/* CAs of every key that a CA may have, for keys of every kind. */
static void algorithms(void **state)
{
    (void)state;
    EVP_PKEY *const pkeys[] = {EVP_EC_gen("P-384"), EVP_EC_gen("P-521"), EVP_RSA_gen(2048)};
    for (size_t i = 0; i < sizeof pkeys / sizeof pkeys[0]; i++) {
        struct ph_key *key = take(pkeys[i]);
        const struct ph_certificate_content own = content(PH_CERTIFICATE_ROOT, "root");
        const struct ph_certificate_content what = content(PH_CERTIFICATE_CLIENT, "t-0001");
        struct ph_certificate *ca = issue(&own, key, NULL, key);
        struct ph_certificate *leaf = issue(&what, key, ca, key);
        assert_int_equal(X509_self_signed(ca->x509, 1), 1);
        assert_int_equal(X509_verify(leaf->x509, X509_get0_pubkey(ca->x509)), 1);
        has_extension(leaf->x509, ca->x509, NID_subject_key_identifier, "hash");
        has_extension(leaf->x509, ca->x509, NID_authority_key_identifier, "keyid:always");
        is_canonical(leaf->x509);
        ph_certificate_free(&ca);
        ph_certificate_free(&leaf);
        ph_key_free(&key);
    }
}

static void issuers_refused(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_issuer *issuer = NULL;
    struct ph_key *odd = take(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
    assert_int_equal(ph_issuer_new(root, odd, &issuer, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "certificate authority: key: want EC or RSA"));
    ph_key_free(&odd);
    X509 *bare = X509_dup(root->x509);
    X509_EXTENSION_free(
        X509_delete_ext(bare, X509_get_ext_by_NID(bare, NID_subject_key_identifier, -1)));
    struct ph_key *key = new_key();
    EVP_PKEY *pkey = ph_key_open(key);
    unsigned char *der = NULL;
    assert_true(X509_sign(bare, pkey, EVP_sha256()) != 0);
    int len = i2d_X509(bare, &der);
    struct ph_certificate *ca = NULL;
    ph_error_clear(&error);
    assert_int_equal(ph_certificate_parse(der, (size_t)len, &ca, &error), PH_OK);
    assert_int_equal(ph_issuer_new(ca, key, &issuer, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "CA certificate: subjectKeyIdentifier: want one"));
    assert_null(issuer);
    OPENSSL_free(der);
    EVP_PKEY_free(pkey);
    X509_free(bare);
    ph_certificate_free(&ca);
    ph_key_free(&key);
}

/* A certificate that nothing could read again is not made. */
static void too_many_names(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_certificate *made = NULL;
    const char *dns[200];
    char name[101];
    memset(name, 'a', 100);
    name[100] = '\0';
    for (size_t i = 0; i < 200; i++) {
        dns[i] = name;
    }
    struct ph_certificate_content what = content(PH_CERTIFICATE_SERVER, "broker");
    what.dns = dns;
    what.dns_count = 200;
    assert_int_equal(
        ph_certificate_issue(&what, root_key, root, root_key, &made, &error), PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "larger than 16384 bytes: give it fewer names"));
    assert_null(made);
    what.dns_count = 100;
    made = issue(&what, root_key, root, root_key);
    is_canonical(made->x509);
    ph_certificate_free(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profiles),
        cmocka_unit_test(subjects),
        cmocka_unit_test(times),
        cmocka_unit_test(facts),
        cmocka_unit_test(algorithms),
        cmocka_unit_test(issuers_refused),
        cmocka_unit_test(too_many_names),
    };
    return cmocka_run_group_tests_name("issuer", tests, set_up, tear_down);
}
