#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "x509/openssl.h"
#include "x509/signed_fixture.h"

/* ---- good ones ---- */

/* [SIGN-1] */
static void round_trip(void **state)
{
    (void)state;
    size_t len = 0;
    struct ph_signed *statement = read_back(sign("{\"v\":1}\r\n", REGISTRAR, pems[SERVICES]));
    assert_string_equal(ph_signed_text(statement, &len), "{\"v\":1}\r\n");
    assert_int_equal(len, 9);
    assert_int_equal(X509_cmp(ph_signed_signer(statement)->x509, certificates[REGISTRAR]->x509), 0);
    ph_signed_free(&statement);
    assert_null(statement);
    statement = read_back(sign("", REGISTRAR, NULL));
    assert_string_equal(ph_signed_text(statement, &len), "");
    assert_int_equal(len, 0);
    ph_signed_free(&statement);
}

/* The signer's own certificate may be in its chain file, and an expired one still proves its key.
 */
static void forms(void **state)
{
    (void)state;
    char *chain = NULL;
    assert_true(asprintf(&chain, "%s%s", pems[REGISTRAR], pems[SERVICES]) > 0);
    struct ph_signed *statement = read_back(sign("a", REGISTRAR, chain));
    ph_signed_free(&statement);
    free(chain);
    statement = read_back(sign("a", EXPIRED, NULL));
    ph_signed_free(&statement);
    struct ph_error error = {0};
    struct ph_buf pem;
    ph_buf_init(&pem, PH_LIMIT_SIGNED_BYTES);
    assert_int_equal(
        ph_signed_make("a", 1, certificates[REGISTRAR], keys[REGISTRAR], "no PEM", &pem, &error),
        PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "signer's chain: no PEM certificate"));
    ph_error_clear(&error);
    assert_int_equal(
        ph_signed_make("a", 1, certificates[REGISTRAR], keys[BROKER], NULL, &pem, &error),
        PH_ERR_INTERNAL);
    assert_non_null(strstr(error.message, "signed statement: cannot be made"));
    ph_buf_fini(&pem);
}

/* ---- who signed ---- */

/* [SIGN-3] */
static void chains(void **state)
{
    (void)state;
    const char *below = pems[SERVICES];
    chain(sign("a", REGISTRAR, below), roots(ROOT, OTHER), now_ms, NULL);
    chain(sign("a", REGISTRAR, NULL), roots(ROOT, SERVICES), now_ms, NULL);
    chain(sign("a", REGISTRAR, NULL), roots(ROOT, ROOT), now_ms,
        "certificate \"CN=registrar\" (depth 0): issued by an unknown CA");
    chain(sign("a", REGISTRAR, below), roots(OTHER, OTHER), now_ms,
        "certificate \"CN=test services\" (depth 1): issued by an unknown CA");
    chain(sign("a", REGISTRAR, below), roots(TWIN, TWIN), now_ms, "unknown CA");
    /* A CA below the root is no place to end. */
    chain(sign("a", REGISTRAR, below), roots(OTHER, SERVICES), now_ms, "issued by an unknown CA");
    /* Nor is a root that the message brings along. */
    char *both = NULL;
    assert_true(asprintf(&both, "%s%s", below, pems[ROOT]) > 0);
    chain(sign("a", REGISTRAR, both), roots(OTHER, OTHER), now_ms, "self-signed: an unknown CA");
    free(both);
}

/* [SIGN-3] */
static void chain_times(void **state)
{
    (void)state;
    const char *below = pems[SERVICES];
    chain(sign("a", REGISTRAR, below), roots(ROOT, ROOT), now_ms + 9 * (int64_t)HOUR_MS, NULL);
    chain(sign("a", REGISTRAR, below), roots(ROOT, ROOT), now_ms + 11 * (int64_t)HOUR_MS,
        "certificate \"CN=registrar\" (depth 0): expired at ");
    chain(sign("a", REGISTRAR, below), roots(ROOT, ROOT), 0, "not yet valid: starts at ");
    chain(sign("a", EXPIRED, below), roots(ROOT, ROOT), now_ms, "expired at ");
    chain(sign("a", BRIEF_REGISTRAR, pems[BRIEF]), roots(SHORT, SHORT), now_ms, NULL);
    chain(sign("a", BRIEF_REGISTRAR, pems[BRIEF]), roots(SHORT, SHORT),
        now_ms + 2 * (int64_t)HOUR_MS, "certificate \"CN=short root\" (depth 2): expired at ");
}

/* [SIGN-3] */
static void chain_usage(void **state)
{
    (void)state;
    chain(sign("a", BROKER, pems[BROKERS]), roots(ROOT, ROOT), now_ms,
        "signer: certificate profile: extendedKeyUsage: want clientAuth among its values");
    chain(sign("a", SERVICES, NULL), roots(ROOT, ROOT), now_ms,
        "signer: certificate profile: basicConstraints, keyUsage: want a leaf, have a CA");
    chain(sign("a", ROOT, NULL), roots(ROOT, ROOT), now_ms, "want a leaf, have a CA");
    struct ph_error error = {0};
    struct ph_signed *statement = read_back(sign("a", REGISTRAR, NULL));
    assert_int_equal(
        ph_signed_check_chain(statement, "/nowhere/ca.pem", now_ms, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "/nowhere/ca.pem"));
    ph_signed_free(&statement);
}

static void root(char *pem, const char *roots_file, const char *message)
{
    struct ph_error error = {0};
    struct ph_signed *statement = read_back(pem);
    enum ph_err err = ph_signed_check_root(statement, roots_file, &error);
    judged(err, &error, message);
    ph_signed_free(&statement);
}

/* [SIGN-4] */
static void by_root(void **state)
{
    (void)state;
    root(sign("a", ROOT, NULL), roots(ROOT, ROOT), NULL);
    root(sign("a", ROOT, NULL), roots(OTHER, ROOT), NULL);
    root(sign("a", ROOT, NULL), roots(OTHER, OTHER),
        "signer \"CN=test root\": not one of the roots");
    root(sign("a", TWIN, pems[ROOT]), roots(ROOT, ROOT), "signer \"CN=test root\": not one of");
    root(sign("a", SERVICES, pems[ROOT]), roots(ROOT, SERVICES),
        "signer \"CN=test services\": not one of the roots");
    root(sign("a", REGISTRAR, pems[SERVICES]), roots(ROOT, REGISTRAR),
        "signer \"CN=registrar\": not one of the roots");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(forms),
        cmocka_unit_test(chains),
        cmocka_unit_test(chain_times),
        cmocka_unit_test(chain_usage),
        cmocka_unit_test(by_root),
    };
    return cmocka_run_group_tests_name("signed", tests, set_up, tear_down);
}
