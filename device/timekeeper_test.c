/* [TIME-1] to [TIME-5]: with statements that are really signed */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "device/timekeeper.h"
#include "x509/issue.h"
#include "x509/signed.h"

#define NOW   INT64_C(1790000000000)
#define HOUR  INT64_C(3600000)
#define YEAR  (8766 * HOUR)
#define NONCE "00112233445566778899aabbccddeeff"
#define OTHER "ffeeddccbbaa99887766554433221100"
#define SELF  "acme/thermostat/t-0001"

struct pair {
    struct ph_key *key;
    struct ph_certificate *certificate;
};

static char dir[64];
static char roots[96];
static struct pair root;
static struct pair stranger; /* another root */
static struct pair services;
static struct pair registrar;
static struct pair ingest;
static struct pair impostor; /* a registrar by the other root */
static struct ph_timekeeper keeper;
static const struct ph_time_asker asker = {SELF, roots, NOW - HOUR};

/* A certificate for a new key, by `by` or by itself. */
static void make(struct pair *out, enum ph_certificate_type type, const char *unit,
    const char *name, const struct pair *by)
{
    const struct ph_certificate_content content = {.type = type,
        .organization = unit != NULL ? "acme" : NULL,
        .unit = unit,
        .name = name,
        .not_before_ms = NOW - HOUR,
        .not_after_ms = NOW + (type == PH_CERTIFICATE_CLIENT ? YEAR : 2 * YEAR)};
    assert_int_equal(ph_key_new(&out->key, NULL), PH_OK);
    assert_int_equal(ph_certificate_issue(&content, out->key, by == NULL ? NULL : by->certificate,
                         by == NULL ? out->key : by->key, &out->certificate, NULL),
        PH_OK);
}

static void drop(struct pair *pair)
{
    ph_certificate_free(&pair->certificate);
    ph_key_free(&pair->key);
}

static int setup_all(void **state)
{
    (void)state;
    struct ph_buf pem;
    (void)snprintf(dir, sizeof dir, "/tmp/ph-timekeeper-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(roots, sizeof roots, "%s/ca.pem", dir);
    make(&root, PH_CERTIFICATE_ROOT, NULL, "root", NULL);
    make(&stranger, PH_CERTIFICATE_ROOT, NULL, "root", NULL);
    make(&services, PH_CERTIFICATE_CLIENT_CA, NULL, "services", &root);
    make(&registrar, PH_CERTIFICATE_CLIENT, "service", "registrar", &services);
    make(&ingest, PH_CERTIFICATE_CLIENT, "service", "ingest", &services);
    make(&impostor, PH_CERTIFICATE_CLIENT, "service", "registrar", &stranger);
    ph_buf_init(&pem, PH_LIMIT_CERTIFICATE_BYTES);
    assert_int_equal(ph_certificate_print(root.certificate, &pem, NULL), PH_OK);
    assert_int_equal(ph_file_store(roots, 0644, pem.data, pem.len, NULL), PH_OK);
    ph_buf_fini(&pem);
    return 0;
}

static int teardown_all(void **state)
{
    (void)state;
    char line[128];
    struct pair *const all[] = {&root, &stranger, &services, &registrar, &ingest, &impostor};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        drop(all[i]);
    }
    (void)snprintf(line, sizeof line, "rm -rf '%s'", dir);
    return system(line);
}

static int setup(void **state)
{
    (void)state;
    keeper = (struct ph_timekeeper){0};
    ph_timekeeper_asked(&keeper, NONCE);
    return 0;
}

static struct ph_moment shown(int64_t unix_ms, int64_t boot_ms)
{
    return (struct ph_moment){.monotonic_ms = boot_ms, .boot_ms = boot_ms, .unix_ms = unix_ms};
}

/* What a registrar answers; the caller releases it. */
static void make_token(struct ph_buf *token, const struct pair *by, const char *device,
    const char *nonce, int64_t time_ms)
{
    struct ph_time_statement statement = {.time_ms = time_ms};
    struct ph_buf text;
    struct ph_buf chain;
    ph_buf_init(&text, 4096);
    ph_buf_init(&chain, PH_LIMIT_CERTIFICATE_BYTES);
    ph_buf_init(token, PH_LIMIT_SIGNED_BYTES);
    (void)snprintf(statement.device, sizeof statement.device, "%s", device);
    (void)snprintf(statement.nonce, sizeof statement.nonce, "%s", nonce);
    assert_int_equal(ph_time_statement_encode(&statement, &text, NULL), PH_OK);
    assert_int_equal(ph_certificate_print(services.certificate, &chain, NULL), PH_OK);
    assert_int_equal(
        ph_signed_make(text.data, text.len, by->certificate, by->key, chain.data, token, NULL),
        PH_OK);
    ph_buf_fini(&text);
    ph_buf_fini(&chain);
}

static enum ph_err take(const struct pair *by, const char *device, const char *nonce,
    int64_t time_ms, const struct ph_moment *now, bool *adopted, struct ph_error *error)
{
    struct ph_buf token;
    make_token(&token, by, device, nonce, time_ms);
    enum ph_err err = ph_timekeeper_take(&keeper, token.data, &asker, now, adopted, error);
    ph_buf_fini(&token);
    return err;
}

/* [TIME-1] a clock that shows a time from before the certificate knows nothing */
static void test_unknown(void **state)
{
    (void)state;
    struct ph_moment clock = shown(NOW, 5000);
    struct ph_moment now = ph_timekeeper_moment(&keeper, &clock, NOW + 1);
    assert_false(now.known);
    assert_int_equal(now.unix_ms, NOW);
    now = ph_timekeeper_moment(&keeper, &clock, NOW);
    assert_true(now.known);
}

/* [TIME-2] the registrar's time goes on with the time since boot, until the clock is set */
static void test_adopt(void **state)
{
    (void)state;
    bool adopted = false;
    struct ph_error error = {0};
    struct ph_moment clock = shown(0, 5000);
    struct ph_moment now = ph_timekeeper_moment(&keeper, &clock, NOW - HOUR);
    assert_int_equal(take(&registrar, SELF, NONCE, NOW, &now, &adopted, &error), PH_OK);
    assert_true(adopted);
    assert_string_equal(keeper.nonce, "");
    clock = shown(2000, 7000);
    now = ph_timekeeper_moment(&keeper, &clock, NOW - HOUR);
    assert_true(now.known);
    assert_int_equal(now.unix_ms, NOW + 2000);
    clock = shown(NOW + YEAR, 8000); /* set, and wrong */
    now = ph_timekeeper_moment(&keeper, &clock, NOW - HOUR);
    assert_int_equal(now.unix_ms, NOW + 3000);
    clock = shown(NOW + 60000, 9000); /* set */
    now = ph_timekeeper_moment(&keeper, &clock, NOW - HOUR);
    assert_int_equal(now.unix_ms, NOW + 60000);
    assert_false(keeper.given);
}

/* [TIME-3] a clock that is nearly right is left alone, one that is far off is not */
static void test_tolerance(void **state)
{
    (void)state;
    bool adopted = true;
    struct ph_error error = {0};
    struct ph_moment clock = shown(NOW - PH_TIME_TOLERANCE_MS, 5000);
    struct ph_moment now = ph_timekeeper_moment(&keeper, &clock, NOW - HOUR);
    assert_int_equal(take(&registrar, SELF, NONCE, NOW, &now, &adopted, &error), PH_OK);
    assert_false(adopted);
    assert_false(keeper.given);
    ph_timekeeper_asked(&keeper, NONCE);
    clock = shown(NOW + PH_TIME_TOLERANCE_MS + 1, 5000);
    now = ph_timekeeper_moment(&keeper, &clock, NOW - HOUR);
    assert_int_equal(take(&registrar, SELF, NONCE, NOW, &now, &adopted, &error), PH_OK);
    assert_true(adopted);
}

static void expect_refused(
    enum ph_err err, bool adopted, const struct ph_error *error, const char *message)
{
    assert_int_not_equal(err, PH_OK);
    assert_false(adopted);
    assert_false(keeper.given);
    if (strstr(error->message, message) == NULL) {
        fail_msg("want \"%s\", have \"%s\"", message, error->message);
    }
}

/* [TIME-4] for another device, for another question, for no question, by nobody who may say so,
 * or from before what is certain: not believed, and the question stays open */
static void test_not_believed(void **state)
{
    (void)state;
    const struct {
        const struct pair *by;
        const char *device;
        const char *nonce;
        int64_t time_ms;
        const char *message;
    } cases[] = {
        {&registrar, "acme/thermostat/t-0002", NONCE, NOW, "for acme/thermostat/t-0002, not for"},
        {&registrar, SELF, OTHER, NOW, "not the answer to our question"},
        {&ingest, SELF, NONCE, NOW, "signed by acme/service/ingest, which is no registrar"},
        {&impostor, SELF, NONCE, NOW, "signed time: "},
        {&registrar, SELF, NONCE, NOW - HOUR - 1, "from before our certificate"},
        {&registrar, SELF, NONCE, NOW + 3 * YEAR, "signed time: "}, /* its chain has ended then */
    };
    struct ph_moment now = shown(0, 5000);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool adopted = false;
        struct ph_error error = {0};
        enum ph_err err = take(
            cases[i].by, cases[i].device, cases[i].nonce, cases[i].time_ms, &now, &adopted, &error);
        expect_refused(err, adopted, &error, cases[i].message);
        assert_string_equal(keeper.nonce, NONCE);
    }
    bool adopted = false;
    struct ph_error error = {0};
    enum ph_err err = ph_timekeeper_take(&keeper, "garbage", &asker, &now, &adopted, &error);
    expect_refused(err, adopted, &error, "signed time: ");
    ph_timekeeper_forget(&keeper);
    ph_error_clear(&error);
    err = take(&registrar, SELF, NONCE, NOW, &now, &adopted, &error);
    expect_refused(err, adopted, &error, "not the answer to our question");
}

/* [TIME-5] a token that was changed on its way */
static void test_forged(void **state)
{
    (void)state;
    struct ph_buf token;
    struct ph_moment now = shown(0, 5000);
    make_token(&token, &registrar, SELF, NONCE, NOW);
    size_t changed = 0;
    for (size_t at = 40; at + 40 < token.len; at += 97) {
        bool adopted = false;
        struct ph_error error = {0};
        char was = token.data[at];
        if (was == '\n') {
            continue;
        }
        token.data[at] = was == 'A' ? 'B' : 'A';
        /* the chain that is enclosed may be changed where nobody looks; the time never */
        if (ph_timekeeper_take(&keeper, token.data, &asker, &now, &adopted, &error) == PH_OK) {
            assert_int_equal(keeper.given_ms, NOW);
            setup(state);
        } else {
            assert_false(adopted);
            changed++;
        }
        token.data[at] = was;
    }
    assert_true(changed > 10);
    ph_buf_fini(&token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_unknown, setup),
        cmocka_unit_test_setup(test_adopt, setup),
        cmocka_unit_test_setup(test_tolerance, setup),
        cmocka_unit_test_setup(test_not_believed, setup),
        cmocka_unit_test_setup(test_forged, setup),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
