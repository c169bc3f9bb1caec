/* [LIFE-4] [LIFE-7]: with real slots, and a registrar in the test */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "device/enroll.h"
#include "x509/issue.h"
#include "x509/request.h"
#include "x509/signed.h"

#define NOW  INT64_C(1790000000000)
#define HOUR INT64_C(3600000)
#define ID   "00112233445566778899aabbccddeeff"

enum { ANSWER_MS = 2000, RETRY_MIN_MS = 100, RETRY_MAX_MS = 1000 };

static char dir[64];
static char paths[3][96];
static struct ph_key *root_key;
static struct ph_certificate *root;
static struct ph_slots slots;
static struct ph_self self;
static struct ph_enroll enroll;
static struct ph_ask ask;
static struct ph_buf csr;
static struct ph_buf proof;
static int lines;
static char last_line[1024];

static void count_line(enum ph_log_level level, const char *line)
{
    (void)level;
    lines++;
    (void)snprintf(last_line, sizeof last_line, "%s", line);
}

static struct ph_moment at(int64_t ms)
{
    return (struct ph_moment){.monotonic_ms = ms, .unix_ms = NOW + ms, .known = true};
}

static void issue(const struct ph_key *key, const char *name, int64_t until_ms, struct ph_buf *pem)
{
    struct ph_certificate *certificate = NULL;
    const struct ph_certificate_content content = {.type = PH_CERTIFICATE_CLIENT,
        .organization = "acme",
        .unit = "thermostat",
        .name = name,
        .not_before_ms = NOW - 100 * HOUR,
        .not_after_ms = until_ms};
    ph_buf_init(pem, PH_LIMIT_CERTIFICATE_BYTES);
    assert_int_equal(
        ph_certificate_issue(&content, key, root, root_key, &certificate, NULL), PH_OK);
    assert_int_equal(ph_certificate_print(certificate, pem, NULL), PH_OK);
    ph_certificate_free(&certificate);
}

/* What the registrar makes of the request that is open. */
static void certify(const char *name, struct ph_buf *pem)
{
    struct ph_request *request = NULL;
    assert_int_equal(ph_request_parse(ask.csr, strlen(ask.csr), &request, NULL), PH_OK);
    issue(ph_request_key(request), name, NOW + 100 * HOUR, pem);
    ph_request_free(&request);
}

static int setup(void **state)
{
    (void)state;
    static char kind[] = "thermostat";
    static char name[] = "t-0001";
    static const struct ph_claim_section section = {.kind = kind, .name = name};
    static const struct ph_renewal_section renewal = {
        .answer_ms = ANSWER_MS, .retry_min_ms = RETRY_MIN_MS, .retry_max_ms = RETRY_MAX_MS};
    static const char *const names[] = {"cert.pem", "key.pem", "ca.pem"};
    const struct ph_certificate_content content = {.type = PH_CERTIFICATE_ROOT,
        .name = "root",
        .not_before_ms = NOW - 200 * HOUR,
        .not_after_ms = NOW + 200 * HOUR};
    struct ph_buf pem;
    (void)snprintf(dir, sizeof dir, "/tmp/ph-enroll-XXXXXX");
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "%s/%s", dir, names[i]);
    }
    ph_buf_init(&pem, PH_LIMIT_CERTIFICATE_BYTES);
    assert_int_equal(ph_key_new(&root_key, NULL), PH_OK);
    assert_int_equal(ph_certificate_issue(&content, root_key, NULL, root_key, &root, NULL), PH_OK);
    assert_int_equal(ph_certificate_print(root, &pem, NULL), PH_OK);
    assert_int_equal(ph_file_store(paths[2], 0644, pem.data, pem.len, NULL), PH_OK);
    ph_buf_fini(&pem);
    assert_int_equal(ph_slots_open(&slots, paths[0], paths[1], paths[2], NULL), PH_OK);
    ph_buf_init(&csr, PH_LIMIT_CERTIFICATE_BYTES);
    ph_buf_init(&proof, PH_LIMIT_PROOF_BYTES);
    self = (struct ph_self){0};
    ph_enroll_init(&enroll, &section, &slots, &self, &renewal);
    (void)snprintf(enroll.id, sizeof enroll.id, "%s", ID);
    lines = 0;
    ph_log_sink_set(count_line);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char line[128];
    ph_log_sink_set(NULL);
    ph_buf_fini(&csr);
    ph_buf_fini(&proof);
    ph_certificate_free(&root);
    ph_key_free(&root_key);
    (void)snprintf(line, sizeof line, "rm -rf '%s'", dir);
    return system(line);
}

static void ask_at(int64_t ms)
{
    struct ph_moment now = at(ms);
    struct ph_error error = {0};
    ph_buf_reset(&csr);
    ph_buf_reset(&proof);
    assert_true(ph_enroll_due(&enroll, ms));
    if (ph_enroll_ask(&enroll, &ask, &csr, &proof, &now, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

static bool answer_at(int64_t ms, enum ph_answer_type type, const char *text, int64_t retry_s)
{
    struct ph_moment now = at(ms);
    struct ph_answer answer = {.type = type, .id = ID, .reason = text, .retry_s = retry_s};
    answer.certificate = type == PH_ANSWER_CERTIFICATE ? text : NULL;
    return ph_enroll_answer(&enroll, &answer, &now);
}

/* [LIFE-4] without an answer: again, later each time, with the same key */
static void test_no_answer(void **state)
{
    (void)state;
    char first[4096];
    ask_at(0);
    assert_string_equal(ask.name, "t-0001");
    assert_null(ask.proof);
    assert_null(ask.serial);
    (void)snprintf(first, sizeof first, "%s", strstr(ask.csr, "-----"));
    assert_false(ph_enroll_due(&enroll, ANSWER_MS));
    assert_true(ph_enroll_due(&enroll, ANSWER_MS + RETRY_MIN_MS));
    for (int64_t ms = 10000; ms < 100000; ms += 10000) {
        ask_at(ms);
    }
    assert_false(ph_enroll_due(&enroll, 90000 + ANSWER_MS + RETRY_MAX_MS / 2 - 1));
    assert_true(ph_enroll_due(&enroll, 90000 + ANSWER_MS + RETRY_MAX_MS));
    struct ph_request *a = NULL;
    struct ph_request *b = NULL;
    assert_int_equal(ph_request_parse(first, strlen(first), &a, NULL), PH_OK);
    assert_int_equal(ph_request_parse(ask.csr, strlen(ask.csr), &b, NULL), PH_OK);
    assert_string_equal(ph_request_key_hash(a), ph_request_key_hash(b));
    ph_request_free(&a);
    ph_request_free(&b);
}

/* [LIFE-17] said once, and anew after the registrar has said something else */
static void test_silence(void **state)
{
    (void)state;
    ask_at(0);
    assert_int_equal(lines, 0);
    ask_at(10000);
    assert_int_equal(lines, 1);
    assert_non_null(strstr(last_line, "does not answer"));
    ask_at(20000);
    assert_int_equal(lines, 1);
    assert_false(answer_at(20010, PH_ANSWER_WAIT, "not yet", 1));
    ask_at(30000);
    assert_int_equal(lines, 2);
    ask_at(40000);
    assert_int_equal(lines, 3);
    assert_non_null(strstr(last_line, "does not answer"));
}

/* [LIFE-4] again when it is told to, at most a day later; said when that changes */
static void test_wait(void **state)
{
    (void)state;
    ask_at(0);
    assert_false(answer_at(10, PH_ANSWER_WAIT, "not yet", 60));
    assert_int_equal(lines, 1);
    assert_non_null(strstr(last_line, "not yet"));
    assert_false(ph_enroll_due(&enroll, 60009));
    assert_true(ph_enroll_due(&enroll, 66010));
    ask_at(66010);
    assert_false(answer_at(66020, PH_ANSWER_WAIT, "not yet", 60));
    assert_int_equal(lines, 1);
    ask_at(140000);
    assert_false(answer_at(140010, PH_ANSWER_REFUSED, "never", INT32_MAX));
    assert_int_equal(lines, 2);
    assert_non_null(strstr(last_line, "never"));
    assert_false(ph_enroll_due(&enroll, PH_ENROLL_WAIT_MAX_MS));
    assert_true(ph_enroll_due(&enroll, 140010 + PH_ENROLL_WAIT_MAX_MS / 10 * 11));
}

/* [LIFE-4] others with the same claim see the id, and can have the registrar refuse it: nothing
 * that was not asked for makes the device wait, and a certificate for its key is always good */
static void test_unasked(void **state)
{
    (void)state;
    struct ph_buf right;
    ask_at(0);
    certify("t-0001", &right);
    assert_false(answer_at(10, PH_ANSWER_WAIT, "not yet", 60));
    assert_false(answer_at(20, PH_ANSWER_REFUSED, "never", INT32_MAX));
    assert_int_equal(lines, 1);
    assert_true(ph_enroll_due(&enroll, 66010));
    assert_true(answer_at(30, PH_ANSWER_CERTIFICATE, right.data, 0));
    ph_buf_fini(&right);
}

/* [LIFE-4] a certificate is the current one at once; one for another key or question is not taken
 */
static void test_certificate(void **state)
{
    (void)state;
    struct ph_key *other = NULL;
    struct ph_buf wrong;
    struct ph_buf right;
    ask_at(0);
    assert_int_equal(ph_key_new(&other, NULL), PH_OK);
    issue(other, "t-0001", NOW + HOUR, &wrong);
    certify("t-0001", &right);
    assert_false(answer_at(10, PH_ANSWER_CERTIFICATE, wrong.data, 0));
    assert_non_null(strstr(last_line, "certificate from the registrar not taken"));
    assert_false(ph_slots_have(&slots, PH_SLOT_CURRENT));
    assert_false(ph_enroll_due(&enroll, 10 + ANSWER_MS));
    enroll.id[0] = '1';
    assert_false(answer_at(20, PH_ANSWER_CERTIFICATE, right.data, 0));
    assert_false(ph_slots_have(&slots, PH_SLOT_CURRENT));
    enroll.id[0] = '0';
    assert_true(answer_at(30, PH_ANSWER_CERTIFICATE, right.data, 0));
    assert_true(ph_slots_have(&slots, PH_SLOT_CURRENT));
    assert_false(ph_slots_have(&slots, PH_SLOT_NEXT));
    ph_key_free(&other);
    ph_buf_fini(&wrong);
    ph_buf_fini(&right);
}

static void install_expired(void)
{
    struct ph_key *key = NULL;
    struct ph_buf pem;
    assert_int_equal(ph_key_new(&key, NULL), PH_OK);
    issue(key, "t-0001", NOW - HOUR, &pem);
    assert_int_equal(ph_file_store(paths[0], 0644, pem.data, pem.len, NULL), PH_OK);
    ph_buf_fini(&pem);
    ph_buf_init(&pem, PH_LIMIT_CERTIFICATE_BYTES);
    assert_int_equal(ph_key_print(key, &pem, NULL), PH_OK);
    assert_int_equal(ph_file_store(paths[1], 0600, pem.data, pem.len, NULL), PH_OK);
    ph_buf_fini(&pem);
    ph_key_free(&key);
    assert_int_equal(ph_self_load(&self, paths[0], paths[1], NULL), PH_OK);
}

/* [LIFE-7] the expired certificate signs the request; what comes must be for the same device */
static void test_expired(void **state)
{
    (void)state;
    struct ph_signed *statement = NULL;
    struct ph_certificate_facts signer;
    struct ph_buf other;
    struct ph_buf right;
    size_t len = 0;
    install_expired();
    ask_at(0);
    assert_non_null(ask.proof);
    assert_int_equal(ph_signed_parse(ask.proof, strlen(ask.proof), &statement, NULL), PH_OK);
    assert_string_equal(ph_signed_text(statement, &len), ask.csr);
    assert_int_equal(ph_certificate_facts(ph_signed_signer(statement), &signer, NULL), PH_OK);
    assert_string_equal(signer.fingerprint, self.fingerprint);
    certify("t-0002", &other);
    certify("t-0001", &right);
    assert_false(answer_at(10, PH_ANSWER_CERTIFICATE, other.data, 0));
    assert_true(answer_at(20, PH_ANSWER_CERTIFICATE, right.data, 0));
    ph_signed_free(&statement);
    ph_buf_fini(&other);
    ph_buf_fini(&right);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silence, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unasked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_certificate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expired, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
