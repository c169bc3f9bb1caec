/* ph.base.text: UTF-8, escaping, bounded copies, hexadecimal, integers. */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void utf8_follows_rfc_3629(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        bool valid;
    } cases[] = {
        {"", 0, true},
        {"abc", 3, true},
        {"a\0b", 3, true},
        {"\xC3\xA9", 2, true},
        {"\xE2\x82\xAC", 3, true},
        {"\xF0\x9F\x98\x80", 4, true},
        {"\xF4\x8F\xBF\xBF", 4, true},  /* U+10FFFF */
        {"\xF4\x90\x80\x80", 4, false}, /* above it */
        {"\xC0\x80", 2, false},         /* overlong NUL */
        {"\xC1\xBF", 2, false},         /* overlong */
        {"\xE0\x9F\xBF", 3, false},     /* overlong */
        {"\xF0\x8F\xBF\xBF", 4, false}, /* overlong */
        {"\xED\xA0\x80", 3, false},     /* surrogate */
        {"\xED\x9F\xBF", 3, true},      /* just below */
        {"\xEE\x80\x80", 3, true},      /* just above */
        {"\x80", 1, false},             /* continuation alone */
        {"\xC3", 1, false},             /* cut */
        {"\xE2\x82", 2, false},
        {"\xF0\x9F\x98", 3, false},
        {"\xE2\x28\xA1", 3, false},
        {"\xE2\x82\x28", 3, false},
        {"\xFF", 1, false},
        {"\xF8\x88\x80\x80\x80", 5, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (ph_text_utf8_valid(cases[i].bytes, cases[i].len) != cases[i].valid) {
            fail_msg("case %zu", i);
        }
    }
}

static void escape_leaves_nothing_that_ends_or_turns_a_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"plain \xC3\xA9", "plain \xC3\xA9"},
        {"a\nb\tc\r", "a\\x0ab\\x09c\\x0d"},
        {"\x7F", "\\x7f"},
        {"\xC2\x85", "\\xc2\\x85"},            /* NEL, a C1 control */
        {"\xC2\xA0", "\xC2\xA0"},              /* just above C1 */
        {"\xE2\x80\xA8x", "\\xe2\\x80\\xa8x"}, /* line separator */
        /* NOLINTNEXTLINE(misc-misleading-bidirectional): what is escaped here */
        {"\xE2\x80\xAE", "\\xe2\\x80\\xae"}, /* right-to-left override */
        /* NOLINTNEXTLINE(misc-misleading-bidirectional): what is escaped here */
        {"\xE2\x81\xA6", "\\xe2\\x81\\xa6"},                      /* left-to-right isolate */
        {"\xE2\x80\xA7\xE2\x80\xAF", "\xE2\x80\xA7\xE2\x80\xAF"}, /* their neighbours */
        {"\xFF\xC3", "\\xff\\xc3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[64];
        ph_text_escape(out, sizeof out, cases[i].text);
        assert_string_equal(out, cases[i].want);
        bool clean = strcmp(cases[i].text, cases[i].want) == 0;
        assert_int_equal(ph_text_clean(cases[i].text, strlen(cases[i].text)), clean);
    }
    char out[16];
    ph_text_escape_bytes(out, sizeof out, "a\0b", 3);
    assert_string_equal(out, "a\\x00b");
    assert_false(ph_text_clean("a\0b", 3));
    assert_true(ph_text_clean("a\tb", 3));
    assert_true(ph_text_clean("", 0));
}

static void escape_stops_at_a_whole_character(void **state)
{
    (void)state;
    char out[8];
    ph_text_escape(out, 5, "ab\xE2\x82\xAC"); /* two and three bytes do not fit in four */
    assert_string_equal(out, "ab");
    ph_text_escape(out, 6, "ab\xE2\x82\xAC");
    assert_string_equal(out, "ab\xE2\x82\xAC");
    ph_text_escape(out, 5, "ab\n");
    assert_string_equal(out, "ab");
    ph_text_escape(out, 1, "ab");
    assert_string_equal(out, "");
    out[0] = 'x';
    ph_text_escape(out, 0, "ab");
    assert_int_equal(out[0], 'x');
}

static void copy_is_all_or_nothing(void **state)
{
    (void)state;
    char out[4];
    assert_true(ph_text_copy(out, sizeof out, "abc"));
    assert_string_equal(out, "abc");
    assert_false(ph_text_copy(out, sizeof out, "abcd"));
    assert_string_equal(out, "");
    assert_false(ph_text_copy(out, 0, ""));
}

static void hex_reads_back(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0x00, 0x9F, 0xFF};
    uint8_t back[3];
    char text[7];
    ph_hex_encode(text, bytes, sizeof bytes);
    assert_string_equal(text, "009fff");
    assert_true(ph_hex_decode(back, sizeof back, "009FfF"));
    assert_memory_equal(back, bytes, sizeof bytes);
    static const char *const bad[] = {"", "009ff", "009ffff", "009ffg", " 09fff", "0x9fff"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(ph_hex_decode(back, sizeof back, bad[i]));
    }
}

static void integers_are_decimal_and_bounded(void **state)
{
    (void)state;
    int64_t value = 0;
    assert_true(ph_text_to_int64("-9223372036854775808", INT64_MIN, INT64_MAX, &value));
    assert_int_equal(value, INT64_MIN);
    assert_true(ph_text_to_int64("007", 0, 7, &value));
    assert_int_equal(value, 7);
    static const char *const bad[] = {
        "", "-", "+1", " 1", "1 ", "0x1", "1.0", "1e3", "--1", "8", "-1", "9223372036854775808"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(ph_text_to_int64(bad[i], 0, 7, &value));
    }
    assert_int_equal(value, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_follows_rfc_3629),
        cmocka_unit_test(escape_leaves_nothing_that_ends_or_turns_a_line),
        cmocka_unit_test(escape_stops_at_a_whole_character),
        cmocka_unit_test(copy_is_all_or_nothing),
        cmocka_unit_test(hex_reads_back),
        cmocka_unit_test(integers_are_decimal_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
