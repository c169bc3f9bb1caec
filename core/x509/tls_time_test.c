#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/clock.h"
#include "base/limits.h"
#include "x509/issue.h"
#include "x509/openssl.h"
#include "x509/tls_time.h"

static const int64_t day_ms = 86400000;
static const int64_t year_ms = INT64_C(365) * 86400000;
static int64_t now_ms;

struct pair {
    struct ph_key *key;
    struct ph_certificate *certificate;
};
static struct pair ca;
static struct pair stranger; /* a CA that the client does not have */
static SSL_CTX *client;

static struct pair make(enum ph_certificate_type type, const struct pair *by, const char *name,
    int64_t from_ms, int64_t to_ms)
{
    struct pair made = {0};
    struct ph_error error = {0};
    const struct ph_certificate_content content = {.type = type,
        .name = name,
        .dns = &name,
        .dns_count = type == PH_CERTIFICATE_SERVER,
        .not_before_ms = from_ms,
        .not_after_ms = to_ms};
    assert_int_equal(ph_key_new(&made.key, &error), PH_OK);
    assert_int_equal(ph_certificate_issue(&content, made.key, by != NULL ? by->certificate : NULL,
                         by != NULL ? by->key : made.key, &made.certificate, &error),
        PH_OK);
    return made;
}

static void drop(struct pair *pair)
{
    ph_key_free(&pair->key);
    ph_certificate_free(&pair->certificate);
}

static int set_up(void **state)
{
    (void)state;
    now_ms = ph_clock_unix_ms();
    ca = make(PH_CERTIFICATE_ROOT, NULL, "root", now_ms - 50 * year_ms, now_ms + 50 * year_ms);
    stranger =
        make(PH_CERTIFICATE_ROOT, NULL, "stranger", now_ms - 50 * year_ms, now_ms + 50 * year_ms);
    client = SSL_CTX_new(TLS_client_method());
    assert_non_null(client);
    assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(client), ca.certificate->x509), 1);
    SSL_CTX_set_verify(client, SSL_VERIFY_PEER, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    SSL_CTX_free(client);
    drop(&ca);
    drop(&stranger);
    return 0;
}

/* ---- a real handshake, in memory ---- */

static void step(SSL *ssl)
{
    int done = SSL_do_handshake(ssl);
    if (done != 1) {
        ERR_clear_error();
    }
}

static SSL *connect_to(SSL_CTX *server, const char *host)
{
    SSL *ours = SSL_new(client);
    SSL *theirs = SSL_new(server);
    BIO *a = NULL;
    BIO *b = NULL;
    assert_true(ours != NULL && theirs != NULL && BIO_new_bio_pair(&a, 0, &b, 0) == 1);
    SSL_set_bio(ours, a, a);
    SSL_set_bio(theirs, b, b);
    SSL_set_connect_state(ours);
    SSL_set_accept_state(theirs);
    assert_int_equal(SSL_set1_host(ours, host), 1);
    for (int i = 0; i < 10; i++) {
        step(ours);
        step(theirs);
    }
    SSL_free(theirs);
    return ours;
}

/* What the client says of the server; X509_V_OK when they are connected. */
static long verdict(const struct pair *leaf, const char *host)
{
    SSL_CTX *server = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *pkey = ph_key_open(leaf->key);
    assert_true(server != NULL && pkey != NULL);
    assert_int_equal(SSL_CTX_use_certificate(server, leaf->certificate->x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(server, pkey), 1);
    SSL *ssl = connect_to(server, host);
    long result = SSL_get_verify_result(ssl);
    assert_int_equal(SSL_is_init_finished(ssl), result == X509_V_OK);
    SSL_free(ssl);
    EVP_PKEY_free(pkey);
    SSL_CTX_free(server);
    return result;
}

static void set(enum ph_tls_time mode, int64_t unix_ms)
{
    struct ph_error error = {0};
    assert_int_equal(ph_tls_time_set(mode, unix_ms, &error), PH_OK);
    assert_int_equal(ERR_peek_error(), 0);
}

/* ---- tests ---- */

/* A server's certificate, and what is said of it under each setting. */
static const struct {
    const char *what;
    int64_t from_years; /* from now */
    int64_t to_years;
    long by_system;
    long in_1970;
    long without;
} cases[] = {
    {"good", -1, 1, X509_V_OK, X509_V_ERR_CERT_NOT_YET_VALID, X509_V_OK},
    {"expired", -3, -2, X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID, X509_V_OK},
    {"to come", 2, 3, X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_NOT_YET_VALID, X509_V_OK},
};

/* [TIME-7]: the context of the client was made before any setting, as Paho's may be. */
static void dates(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pair leaf = make(PH_CERTIFICATE_SERVER, &ca, "broker.example",
            now_ms + cases[i].from_years * year_ms, now_ms + cases[i].to_years * year_ms);
        assert_int_equal(verdict(&leaf, "broker.example"), cases[i].by_system);
        set(PH_TLS_TIME_GIVEN, day_ms);
        assert_int_equal(verdict(&leaf, "broker.example"), cases[i].in_1970);
        set(PH_TLS_TIME_GIVEN, now_ms + (cases[i].from_years + cases[i].to_years) * year_ms / 2);
        assert_int_equal(verdict(&leaf, "broker.example"), X509_V_OK);
        set(PH_TLS_TIME_NONE, 0);
        assert_int_equal(verdict(&leaf, "broker.example"), cases[i].without);
        set(PH_TLS_TIME_SYSTEM, 0);
        assert_int_equal(verdict(&leaf, "broker.example"), cases[i].by_system);
        drop(&leaf);
    }
}

/* [TIME-8]: everything but the dates is looked at, whatever the setting. */
static void refused(const struct pair *leaf, const char *host, long want)
{
    static const enum ph_tls_time modes[] = {
        PH_TLS_TIME_NONE, PH_TLS_TIME_GIVEN, PH_TLS_TIME_SYSTEM};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        set(modes[i], now_ms);
        assert_int_equal(verdict(leaf, host), want);
    }
}

static void everything_else(void **state)
{
    (void)state;
    struct pair leaf =
        make(PH_CERTIFICATE_SERVER, &ca, "broker.example", now_ms - year_ms, now_ms + year_ms);
    refused(&leaf, "broker.example", X509_V_OK); /* the control */
    refused(&leaf, "other.example", X509_V_ERR_HOSTNAME_MISMATCH);
    drop(&leaf);
    leaf = make(
        PH_CERTIFICATE_SERVER, &stranger, "broker.example", now_ms - year_ms, now_ms + year_ms);
    refused(&leaf, "broker.example", X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    drop(&leaf);
    /* A device that plays the broker. */
    leaf = make(PH_CERTIFICATE_CLIENT, &ca, "broker.example", now_ms - year_ms, now_ms + year_ms);
    refused(&leaf, "broker.example", X509_V_ERR_INVALID_PURPOSE);
    drop(&leaf);
}

/* [TIME-8]: a setting is for clients that judge a server: nothing else that verifies is touched by
 * it. */
static void others(void **state)
{
    (void)state;
    struct pair leaf =
        make(PH_CERTIFICATE_CLIENT, &ca, "t-0001", now_ms + year_ms, now_ms + 2 * year_ms);
    set(PH_TLS_TIME_NONE, 0);
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    assert_int_equal(
        X509_STORE_CTX_init(ctx, SSL_CTX_get_cert_store(client), leaf.certificate->x509, NULL), 1);
    assert_int_equal(X509_STORE_CTX_set_default(ctx, "ssl_client"), 1);
    assert_int_equal(X509_verify_cert(ctx), 0);
    assert_int_equal(X509_STORE_CTX_get_error(ctx), X509_V_ERR_CERT_NOT_YET_VALID);
    X509_STORE_CTX_free(ctx);
    set(PH_TLS_TIME_SYSTEM, 0);
    drop(&leaf);
}

/* [CROSS-5] */
static void beyond_32_bits(void **state)
{
    (void)state;
    struct ph_error error = {0};
    int64_t late_ms = INT64_C(2147483648000);
    struct pair leaf =
        make(PH_CERTIFICATE_SERVER, &ca, "broker.example", late_ms - year_ms, late_ms + year_ms);
    set(PH_TLS_TIME_GIVEN, late_ms - 1000);
    assert_int_equal(verdict(&leaf, "broker.example"), X509_V_OK);
    enum ph_err err = ph_tls_time_set(PH_TLS_TIME_GIVEN, late_ms, &error);
    if (sizeof(time_t) < sizeof(int64_t)) {
        assert_int_equal(err, PH_ERR_LIMIT);
        assert_non_null(strstr(error.message, "beyond what this machine's time_t can hold"));
    } else {
        assert_int_equal(err, PH_OK);
    }
    assert_int_equal(verdict(&leaf, "broker.example"), X509_V_OK);
    set(PH_TLS_TIME_SYSTEM, 0);
    drop(&leaf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates),
        cmocka_unit_test(everything_else),
        cmocka_unit_test(others),
        cmocka_unit_test(beyond_32_bits),
    };
    return cmocka_run_group_tests_name("tls_time", tests, set_up, tear_down);
}
