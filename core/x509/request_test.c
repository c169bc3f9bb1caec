#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/x509v3.h>

#include "base/buf.h"
#include "base/limits.h"
#include "x509/request_fixture.h"

static const struct ph_identity device = {
    .tenant = "acme", .kind = "thermostat", .device = "t-0001"};
static void asks(char *pem, const struct ph_identity *wanted, const char *extras)
{
    struct ph_error error = {0};
    struct ph_request *request = NULL;
    char have[PH_REQUEST_EXTRAS_BYTES];
    assert_int_equal(ph_request_parse(pem, strlen(pem), &request, &error), PH_OK);
    ph_request_extras(request, wanted, have);
    assert_string_equal(have, extras);
    assert_int_equal(ERR_peek_error(), 0);
    ph_request_free(&request);
    free(pem);
}

/* ---- tests ---- */

/* [CSR-1] [CSR-5]: what is made is read back, with the same key, and asks for nothing else. */
static void round_trip(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_key *key = NULL;
    struct ph_request *request = NULL;
    struct ph_buf pem;
    char hash[PH_FINGERPRINT_BYTES];
    char extras[PH_REQUEST_EXTRAS_BYTES];
    ph_buf_init(&pem, PH_LIMIT_CERTIFICATE_BYTES);
    assert_int_equal(ph_key_new(&key, &error), PH_OK);
    assert_int_equal(ph_key_hash(key, hash, &error), PH_OK);
    assert_int_equal(ph_request_make(key, &device, &pem, &error), PH_OK);
    assert_int_equal(strncmp(pem.data, "-----BEGIN CERTIFICATE REQUEST-----\n", 36), 0);
    assert_int_equal(ph_request_parse(pem.data, pem.len, &request, &error), PH_OK);
    assert_string_equal(ph_request_key_hash(request), hash);
    ph_request_extras(request, &device, extras);
    assert_string_equal(extras, "");
    ph_request_extras(request, NULL, extras);
    assert_string_equal(extras, "subject \"CN=t-0001,OU=thermostat,O=acme\"");
    ph_request_free(&request);
    ph_key_free(&key);
    ph_buf_fini(&pem);
}

static void without_subject(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_key *key = NULL;
    struct ph_buf pem;
    ph_buf_init(&pem, PH_LIMIT_CERTIFICATE_BYTES);
    assert_int_equal(ph_key_new(&key, &error), PH_OK);
    assert_int_equal(ph_request_make(key, NULL, &pem, &error), PH_OK);
    asks(strdup(pem.data), &device, "");
    ph_key_free(&key);
    ph_buf_fini(&pem);
}

/* [CSR-5]: a certificate for a request's key has that key, and the key cannot sign. */
static void issued(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_key *ca_key = NULL;
    struct ph_request *request = NULL;
    struct ph_certificate *ca = NULL;
    struct ph_certificate *leaf = NULL;
    struct ph_certificate_facts facts;
    char *pem = simple(p256, EVP_sha256());
    struct ph_certificate_content content = {
        .type = PH_CERTIFICATE_ROOT, .name = "root", .not_after_ms = 86400000};
    assert_int_equal(ph_key_new(&ca_key, &error), PH_OK);
    assert_int_equal(ph_certificate_issue(&content, ca_key, NULL, ca_key, &ca, &error), PH_OK);
    assert_int_equal(ph_request_parse(pem, strlen(pem), &request, &error), PH_OK);
    content.type = PH_CERTIFICATE_CLIENT;
    assert_int_equal(
        ph_certificate_issue(&content, ph_request_key(request), ca, ca_key, &leaf, &error), PH_OK);
    assert_int_equal(ph_certificate_facts(leaf, &facts, &error), PH_OK);
    assert_string_equal(facts.key_hash, ph_request_key_hash(request));
    ph_certificate_free(&leaf);
    assert_int_equal(
        ph_certificate_issue(&content, ca_key, ca, ph_request_key(request), &leaf, &error),
        PH_ERR_INTERNAL);
    assert_non_null(strstr(error.message, "cannot be signed"));
    ph_request_free(&request);
    ph_certificate_free(&ca);
    ph_key_free(&ca_key);
    free(pem);
}

/* ---- form ---- */

static char *join(const char *a, const char *b, const char *c)
{
    char *text = NULL;
    assert_true(asprintf(&text, "%s%s%s", a, b, c) > 0);
    return text;
}

/* [CSR-1] */
static void form(void **state)
{
    (void)state;
    char *good = simple(p256, EVP_sha256());
    accepted_text(join("\r\n \t", good, "\n\n"));
    refused_text(join("x", good, ""), PH_ERR_INPUT,
        "PEM: want nothing but one block BEGIN CERTIFICATE REQUEST");
    refused_text(join("", good, "x"), PH_ERR_INPUT, "PEM: bytes behind the block");
    refused_text(join(good, good, ""), PH_ERR_INPUT, "PEM: bytes behind the block");
    refused("", 0, PH_ERR_INPUT, "PEM: want nothing but one block");
    refused(good, strlen(good) - 5, PH_ERR_INPUT, "PEM: no line END CERTIFICATE REQUEST");
    refused(good, strlen(good) / 2, PH_ERR_INPUT, "PEM: ");
    refused(good, strlen(good) + 1, PH_ERR_INPUT, "PEM: bytes behind the block"); /* a NUL */
    good[100] = '\0';
    refused(good, strlen(good) + 400, PH_ERR_INPUT, "PEM: not base64");
    good[100] = '=';
    refused_text(good, PH_ERR_INPUT, "PEM: ");
    refused_text(strdup("-----BEGIN CERTIFICATE REQUEST-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n"
                        "-----END CERTIFICATE REQUEST-----\n"),
        PH_ERR_INPUT, "PEM: no line END");
}

static void other_labels(void **state)
{
    (void)state;
    static const char *const names[] = {"NEW CERTIFICATE REQUEST", "CERTIFICATE"};
    for (size_t i = 0; i < 2; i++) {
        X509_REQ *req = start(p256, "t-0001");
        assert_true(X509_REQ_sign(req, p256, EVP_sha256()) != 0);
        refused_text(print(req, names[i]), PH_ERR_INPUT, "PEM: want nothing but one block");
    }
}

static char *wrap(const unsigned char *der, long len)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    assert_true(PEM_write_bio(bio, "CERTIFICATE REQUEST", "", der, len) > 0);
    long text_len = BIO_get_mem_data(bio, &bytes);
    char *text = strndup(bytes, (size_t)text_len);
    BIO_free(bio);
    return text;
}

static void garbage(void **state)
{
    (void)state;
    unsigned char bytes[600];
    unsigned char *der = NULL;
    X509_REQ *req = start(p256, "t-0001");
    assert_true(X509_REQ_sign(req, p256, EVP_sha256()) != 0);
    int len = i2d_X509_REQ(req, &der);
    X509_REQ_free(req);
    memcpy(bytes, der, (size_t)len);
    OPENSSL_free(der);
    bytes[len] = 0;
    refused_text(wrap(bytes, len + 1), PH_ERR_INPUT, "1 bytes after its end");
    refused_text(wrap(bytes, len - 1), PH_ERR_INPUT, "not DER of a PKCS #10 request");
    memset(bytes, 0xA5, sizeof bytes);
    refused_text(wrap(bytes, sizeof bytes), PH_ERR_INPUT, "not DER of a PKCS #10 request");
    refused_text(strdup("-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----"),
        PH_ERR_INPUT, "not DER of a PKCS #10 request");
}

static void too_large(void **state)
{
    (void)state;
    char *pem = malloc(1 << 20);
    assert_non_null(pem);
    memset(pem, 'A', 1 << 20);
    refused(pem, 1 << 20, PH_ERR_INPUT, "want at most 16384 bytes, have 1048576");
    free(pem);
}

/* ---- what else it asks for ---- */

static char *with_extension(int nid, const char *value)
{
    X509_REQ *req = start(p256, "t-0001");
    STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, NULL, nid, value);
    assert_non_null(extension);
    assert_true(sk_X509_EXTENSION_push(extensions, extension) > 0);
    assert_int_equal(X509_REQ_add_extensions(req, extensions), 1);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return finish(req, p256, EVP_sha256());
}

/* [CSR-6]: told, never granted, and no reason to refuse. */
static void extras(void **state)
{
    (void)state;
    struct ph_identity named = {.tenant = "acme", .kind = "thermostat", .device = "t-0002"};
#define ME "subject \"CN=t-0001\""
    asks(with_extension(NID_basic_constraints, "critical,CA:TRUE,pathlen:3"), &named,
        ME ", X509v3 Basic Constraints (CA:TRUE, pathlen:3)");
    asks(with_extension(NID_subject_alt_name, "DNS:broker.example,URI:urn:x"), &named,
        ME ", X509v3 Subject Alternative Name (DNS:broker.example, URI:urn:x)");
    asks(with_extension(NID_ext_key_usage, "serverAuth,codeSigning"), &named,
        ME ", X509v3 Extended Key Usage (TLS Web Server Authentication, Code Signing)");
    asks(with_extension(NID_key_usage, "keyCertSign"), &named, ME ", X509v3 Key Usage");
    X509_REQ *req = start(p256, "t-0001");
    assert_int_equal(X509_REQ_add1_attr_by_NID(req, NID_pkcs9_challengePassword, MBSTRING_ASC,
                         (const unsigned char *)"secret", 6),
        1);
    assert_int_equal(X509_REQ_add1_attr_by_NID(req, NID_pkcs9_unstructuredName, MBSTRING_ASC,
                         (const unsigned char *)"x", 1),
        1);
    assert_int_equal(X509_REQ_add1_attr_by_NID(
                         req, NID_ext_req, V_ASN1_OCTET_STRING, (const unsigned char *)"x", 1),
        1);
    asks(finish(req, p256, EVP_sha256()), &named,
        ME ", attribute unstructuredName, unreadable extensions, a challenge password");
#undef ME
}

/* [CSR-6]: another device's name, in capitals too, and one that would forge a log line. */
static void subjects(void **state)
{
    (void)state;
    struct ph_identity named = {.tenant = "acme", .kind = "thermostat", .device = "t-0001"};
    static const struct {
        const char *device;
        const char *extras;
    } cases[] = {
        {"t-0001", ""},
        {"t-0002", "subject \"CN=t-0002,OU=thermostat,O=acme\""},
        {"T-0001", "subject \"CN=T-0001,OU=thermostat,O=acme\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_error error = {0};
        struct ph_key *key = NULL;
        struct ph_buf pem;
        struct ph_identity asked = named;
        (void)snprintf(asked.device, sizeof asked.device, "%s", cases[i].device);
        ph_buf_init(&pem, PH_LIMIT_CERTIFICATE_BYTES);
        assert_int_equal(ph_key_new(&key, &error), PH_OK);
        assert_int_equal(ph_request_make(key, &asked, &pem, &error), PH_OK);
        asks(strdup(pem.data), &named, cases[i].extras);
        ph_key_free(&key);
        ph_buf_fini(&pem);
    }
    asks(finish(start(p256, "a\nlevel=info forged"), p256, EVP_sha256()), NULL,
        "subject \"CN=a\\0Alevel=info forged\"");
}

static void extras_are_cut(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_request *request = NULL;
    char out[PH_REQUEST_EXTRAS_BYTES];
    char names[2000] = "DNS:a";
    for (int i = 0; i < 100; i++) {
        (void)strncat(names, ",DNS:a.example", sizeof names - strlen(names) - 1);
    }
    char *pem = with_extension(NID_subject_alt_name, names);
    assert_int_equal(ph_request_parse(pem, strlen(pem), &request, &error), PH_OK);
    ph_request_extras(request, NULL, out);
    assert_int_equal(strlen(out), PH_REQUEST_EXTRAS_BYTES - 1);
    ph_request_free(&request);
    free(pem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(without_subject),
        cmocka_unit_test(issued),
        cmocka_unit_test(form),
        cmocka_unit_test(other_labels),
        cmocka_unit_test(garbage),
        cmocka_unit_test(too_large),
        cmocka_unit_test(extras),
        cmocka_unit_test(subjects),
        cmocka_unit_test(extras_are_cut),
    };
    return cmocka_run_group_tests_name("request", tests, set_up, tear_down);
}
