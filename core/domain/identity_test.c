/* ph.domain.identity: docs/spec/identity.md. */
#include "domain/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

/* [ID-1] [ID-2] */
static void segment_grammar(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "0", "Z", "t-0001", "a.b_c-d", "a-", "a..", X64};
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {{"", 0}, {X64 "x", 65}, {"-a", 2}, {".a", 2}, {"..", 2}, {"_a", 2}, {"a/b", 3},
        {"a+", 2}, {"+", 1}, {"#", 1}, {"$SYS", 4}, {"a b", 3}, {"a\0b", 3}, {"a\n", 2}, {"a:", 2},
        {"a{", 2}, {"a*", 2}, {"\xC3\xA9", 2}, {"a\xFF", 2}, {"a\x7F", 2}, {"a%2f", 4}, {"a\\", 2}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(ph_segment_valid(good[i], strlen(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(ph_segment_valid(bad[i].bytes, bad[i].len));
    }
}

/* [ID-1]: every byte value, in first and in second place. */
static void segment_bytes(void **state)
{
    (void)state;
    int first = 0;
    int second = 0;
    for (int c = 0; c < 256; c++) {
        const char alone[1] = {(char)c};
        const char behind[2] = {'a', (char)c};
        first += ph_segment_valid(alone, 1);
        second += ph_segment_valid(behind, 2);
    }
    assert_int_equal(first, 62);
    assert_int_equal(second, 65);
}

/* [ID-2] */
static void set_names_what_and_shows_the_value(void **state)
{
    (void)state;
    char out[PH_SEGMENT_BYTES];
    struct ph_error error = {0};
    assert_int_equal(ph_segment_set(out, "O", X64, 64, &error), PH_OK);
    assert_string_equal(out, X64);
    assert_int_equal(ph_segment_set(out, "CN", "a\n\0b", 4, &error), PH_ERR_INPUT);
    assert_string_equal(out, "");
    assert_non_null(strstr(error.message, "CN: want 1 to 64 of A-Z a-z 0-9 . _ -"));
    assert_non_null(strstr(error.message, "have \"a\\x0a\\x00b\""));
    ph_error_clear(&error);
    char huge[70000];
    memset(huge, '\n', sizeof huge);
    assert_int_equal(ph_segment_set(out, "CN", huge, sizeof huge, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "\\x0a\" and more"));
}

/* [ID-3] */
static void identity_prints_and_reads(void **state)
{
    (void)state;
    struct ph_identity identity;
    char text[PH_IDENTITY_BYTES];
    assert_int_equal(ph_identity_parse("acme/thermostat/t-0001", &identity, NULL), PH_OK);
    assert_string_equal(identity.anchor, "");
    assert_string_equal(identity.tenant, "acme");
    assert_string_equal(identity.kind, "thermostat");
    assert_string_equal(identity.device, "t-0001");
    ph_identity_print(text, sizeof text, &identity);
    assert_string_equal(text, "acme/thermostat/t-0001");
    static const char longest[] = X64 "/" X64 "/" X64;
    assert_int_equal(ph_identity_parse(longest, &identity, NULL), PH_OK);
    ph_identity_print(text, sizeof text, &identity);
    assert_string_equal(text, longest);

    static const char *const bad[] = {
        "", "a", "a/b", "a/b/", "/b/c", "a//c", "a/b/c/d", "a/b/c\n", "a/+/c", "a/b/-", " a/b/c"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ph_error error = {0};
        assert_int_equal(ph_identity_parse(bad[i], &identity, &error), PH_ERR_INPUT);
        assert_non_null(strstr(error.message, "want tenant/kind/device"));
        assert_string_equal(identity.tenant, "");
    }
}

/* [ID-4] */
static void two_anchors_make_two_identities(void **state)
{
    (void)state;
    struct ph_identity a = {"devices", "acme", "thermostat", "t-1"};
    struct ph_identity b = a;
    assert_true(ph_identity_equal(&a, &b));
    memcpy(b.anchor, "others", 7);
    assert_false(ph_identity_equal(&a, &b));
    b = a;
    memcpy(b.device, "t-2", 4);
    assert_false(ph_identity_equal(&a, &b));
    b = a;
    memcpy(b.tenant, "acm", 4);
    assert_false(ph_identity_equal(&a, &b));
    b = a;
    memcpy(b.kind, "t", 2);
    assert_false(ph_identity_equal(&a, &b));
}

/* [ID-5] [ID-6] */
static void user_name_prints_and_reads(void **state)
{
    (void)state;
    const struct ph_identity identity = {"devices", "acme", "thermostat", "t-0001"};
    struct ph_identity back;
    char role[PH_SEGMENT_BYTES];
    char text[PH_LIMIT_USER_NAME_BYTES + 1];
    ph_user_name_print(text, sizeof text, "device", &identity);
    assert_string_equal(text, "device:devices:acme/thermostat/t-0001");
    assert_int_equal(ph_user_name_parse(text, role, &back, NULL), PH_OK);
    assert_string_equal(role, "device");
    assert_true(ph_identity_equal(&identity, &back));

    static const char longest[] = X64 ":" X64 ":" X64 "/" X64 "/" X64;
    assert_int_equal(ph_user_name_parse(longest, role, &back, NULL), PH_OK);
    ph_user_name_print(text, sizeof text, role, &back);
    assert_string_equal(text, longest);

    static const struct {
        const char *text;
        const char *message;
    } bad[] = {
        {"", "role: want ':' behind it"},
        {"device", "role: want ':' behind it"},
        {"device:devices", "anchor: want ':' behind it"},
        {"acme/thermostat/t-0001", "role: want ':' behind it"},
        {"device:devices:acme", "tenant: want '/' behind it"},
        {"device:devices:acme/thermostat", "kind: want '/' behind it"},
        {"device:devices:acme/thermostat/", "device: want 1 to 64"},
        {":devices:a/b/c", "role: want 1 to 64"},
        {"device::a/b/c", "anchor: want 1 to 64"},
        {"device:devices:a/b/c/d", "device: want 1 to 64"},
        {"device:devices:x:a/b/c", "tenant: want 1 to 64"},
        {"device:devices:a/b/c\n", "have \"c\\x0a\""},
        {X64 "x:devices:a/b/c", "role: want 1 to 64"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ph_error error = {0};
        assert_int_equal(ph_user_name_parse(bad[i].text, role, &back, &error), PH_ERR_INPUT);
        assert_non_null(strstr(error.message, "want role:anchor:tenant/kind/device"));
        if (strstr(error.message, bad[i].message) == NULL) {
            fail_msg("%s: %s", bad[i].text, error.message);
        }
        assert_string_equal(role, "");
        assert_string_equal(back.tenant, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segment_grammar),
        cmocka_unit_test(segment_bytes),
        cmocka_unit_test(set_names_what_and_shows_the_value),
        cmocka_unit_test(identity_prints_and_reads),
        cmocka_unit_test(two_anchors_make_two_identities),
        cmocka_unit_test(user_name_prints_and_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
