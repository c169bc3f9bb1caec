/* ph.device.slots_trust: docs/spec/enrolment.md, new trusted CAs for a device. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "device/slots.h"
#include "device/slots_testbed.h"
#include "format/enrolment.h"
#include "x509/digest.h"
#include "x509/signed.h"

static struct testbed bed;
static struct testbed_ca next_root;
static struct ph_slots slots;

static const struct ph_identity self = {.tenant = "acme", .kind = "thermostat", .device = "t-0001"};

static int set_up(void **state)
{
    (void)state;
    testbed_make(&bed);
    next_root = testbed_ca_new("test root 2", NULL);
    return ph_slots_open(&slots, testbed_path(&bed, "cert.pem"), testbed_path(&bed, "key.pem"),
               testbed_path(&bed, "ca.pem"), NULL) != PH_OK;
}

static int tear_down(void **state)
{
    (void)state;
    testbed_ca_free(&next_root);
    testbed_remove(&bed);
    return 0;
}

/* The bundle of that number: the given CAs, up to two. */
static void make_bundle(struct ph_buf *out, int64_t number, const struct testbed_ca *first,
    const struct testbed_ca *second)
{
    ph_buf_init(out, PH_LIMIT_TRUST_BYTES);
    assert_int_equal(
        ph_buf_printf(out, "# phonehome trusted CAs, number %" PRId64 "\n", number), PH_OK);
    assert_int_equal(ph_certificate_print(first->certificate, out, NULL), PH_OK);
    if (second != NULL) {
        assert_int_equal(ph_certificate_print(second->certificate, out, NULL), PH_OK);
    }
}

static void sign_text(struct ph_buf *out, const char *text, const struct testbed_ca *by)
{
    ph_buf_init(out, PH_LIMIT_SIGNED_BYTES);
    assert_int_equal(
        ph_signed_make(text, strlen(text), by->certificate, by->key, NULL, out, NULL), PH_OK);
}

static void sign_bundle(
    struct ph_buf *out, int64_t number, const char *bundle, const struct testbed_ca *by)
{
    struct ph_buf text;
    const struct ph_trust_statement statement = {number, bundle};
    ph_buf_init(&text, PH_LIMIT_STATEMENT_BYTES);
    assert_int_equal(ph_trust_statement_encode(&statement, &text, NULL), PH_OK);
    sign_text(out, text.data, by);
    ph_buf_fini(&text);
}

static void take(int64_t number, const struct testbed_ca *first, const struct testbed_ca *second,
    const struct testbed_ca *by)
{
    struct ph_buf bundle;
    struct ph_buf statement;
    struct ph_error error = {0};
    int64_t taken = 0;
    make_bundle(&bundle, number, first, second);
    sign_bundle(&statement, number, bundle.data, by);
    if (ph_slots_trust(&slots, statement.data, &taken, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    assert_true(taken == number);
    ph_buf_fini(&bundle);
    ph_buf_fini(&statement);
}

static void expect_refused(const char *statement, enum ph_err code, const char *message)
{
    struct ph_buf before;
    struct ph_buf after;
    struct ph_error error = {0};
    int64_t number = -1;
    testbed_read(&bed, "ca.pem", &before);
    assert_int_equal(ph_slots_trust(&slots, statement, &number, &error), code);
    if (strstr(error.message, message) == NULL) {
        fail_msg("%s, not %s", error.message, message);
    }
    assert_true(number == -1);
    testbed_read(&bed, "ca.pem", &after);
    assert_string_equal(before.data, after.data);
    ph_buf_fini(&before);
    ph_buf_fini(&after);
}

static void expect_bundle_refused(
    int64_t number, const char *bundle, const struct testbed_ca *by, const char *message)
{
    struct ph_buf statement;
    sign_bundle(&statement, number, bundle, by);
    expect_refused(statement.data, PH_ERR_DENIED, message);
    ph_buf_fini(&statement);
}

/* [RENEW-27] The whole way of a roll-over: old, both, new. */
static void roots_roll_over(void **state)
{
    (void)state;
    struct ph_buf bundle;
    struct ph_buf file;
    char digest[PH_SHA256_HEX_BYTES];
    char want[PH_SHA256_HEX_BYTES];
    take(1, &bed.root, &next_root, &bed.root);
    make_bundle(&bundle, 1, &bed.root, &next_root);
    testbed_read(&bed, "ca.pem", &file);
    assert_string_equal(file.data, bundle.data);
    assert_int_equal(testbed_mode(&bed, "ca.pem"), 0644);
    assert_true(ph_sha256_hex(want, bundle.data, bundle.len));
    assert_int_equal(ph_slots_trust_digest(&slots, digest, NULL), PH_OK);
    assert_string_equal(digest, want);
    take(2, &next_root, NULL, &bed.root);
    take(7, &next_root, &bed.stranger_root, &next_root); /* numbers may be left out */
    ph_buf_fini(&bundle);
    ph_buf_fini(&file);
}

/* [RENEW-27] */
static void old_statements_change_nothing(void **state)
{
    (void)state;
    struct ph_buf bundle;
    take(3, &bed.root, &next_root, &bed.root);
    for (int64_t number = 2; number <= 3; number++) {
        make_bundle(&bundle, number, &bed.root, NULL);
        expect_bundle_refused(
            number, bundle.data, &bed.root, "trust statement: number: want one above 3");
        ph_buf_fini(&bundle);
    }
}

/* [RENEW-27] */
static void only_a_trusted_root_may_say_it(void **state)
{
    (void)state;
    struct ph_buf bundle;
    make_bundle(&bundle, 1, &bed.root, &next_root);
    expect_bundle_refused(1, bundle.data, &next_root, "not one of the roots");
    expect_bundle_refused(1, bundle.data, &bed.stranger_root, "not one of the roots");
    expect_bundle_refused(1, bundle.data, &bed.devices, "not one of the roots");
    take(1, &next_root, NULL, &bed.root);
    ph_buf_fini(&bundle);
    make_bundle(&bundle, 2, &bed.root, NULL); /* the old root has no say any more */
    expect_bundle_refused(2, bundle.data, &bed.root, "not one of the roots");
    ph_buf_fini(&bundle);
}

/* [RENEW-27] */
static void bundles_that_would_lock_out_are_refused(void **state)
{
    (void)state;
    struct ph_buf bundle;
    make_bundle(&bundle, 1, &bed.devices, NULL);
    expect_bundle_refused(1, bundle.data, &bed.root, "trusted CAs: no root");
    expect_bundle_refused(2, bundle.data, &bed.root, "want number 2 in its first line");
    expect_bundle_refused(
        2, strchr(bundle.data, '\n') + 1, &bed.root, "want number 2 in its first line");
    ph_buf_fini(&bundle);

    make_bundle(&bundle, 1, &bed.root, NULL);
    testbed_issue_for_new_key(&bed, &self, &bundle); /* a leaf among them */
    expect_bundle_refused(1, bundle.data, &bed.root, "O=acme\": want a CA");
    ph_buf_fini(&bundle);

    struct ph_buf statement;
    make_bundle(&bundle, 1, &bed.root, NULL);
    bundle.data[bundle.len / 2] = '!';
    sign_bundle(&statement, 1, bundle.data, &bed.root);
    expect_refused(statement.data, PH_ERR_INPUT, "trusted CAs: PEM");
    ph_buf_fini(&statement);
    ph_buf_fini(&bundle);
}

/* [RENEW-27] */
static void other_texts_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"{}", "statement: v: want 1"},
        {"{\"v\":1,\"statement\":\"time\",\"device\":\"acme/thermostat/t-0001\",\"nonce\":"
         "\"0123456789abcdef0123456789abcdef\",\"time\":1790000000123}",
            "statement: type \"time\": missing or unknown"},
    };
    struct ph_buf statement;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sign_text(&statement, cases[i].text, &bed.root);
        expect_refused(statement.data, PH_ERR_INPUT, cases[i].message);
        statement.data[statement.len / 2] ^= 1;
        struct ph_error error = {0};
        int64_t number = 0;
        assert_int_not_equal(ph_slots_trust(&slots, statement.data, &number, &error), PH_OK);
        ph_buf_fini(&statement);
    }
    expect_refused("garbage", PH_ERR_INPUT, "signed statement: PEM");
    expect_refused("", PH_ERR_INPUT, "signed statement: PEM");
}

static void a_missing_file_is_said(void **state)
{
    (void)state;
    struct ph_error error = {0};
    char digest[PH_SHA256_HEX_BYTES];
    assert_int_equal(unlink(testbed_path(&bed, "ca.pem")), 0);
    assert_int_equal(ph_slots_trust_digest(&slots, digest, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "ca.pem: open: No such file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(roots_roll_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(old_statements_change_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_a_trusted_root_may_say_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bundles_that_would_lock_out_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_texts_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_file_is_said, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
