/* ph.format.json: docs/spec/message.md, the strict reader. */
#include "format/json.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"

/* Parses a copy without a terminator, so that a sanitizer sees a read past the end. */
static enum ph_err parse(const char *text, size_t len, struct ph_json **out, struct ph_error *error)
{
    char *exact = malloc(len > 0 ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    enum ph_err err = ph_json_parse(exact, len, out, error);
    free(exact);
    return err;
}

static void assert_refused(const char *text, size_t len, enum ph_err code, const char *message)
{
    struct ph_json *json = NULL;
    struct ph_error error = {0};
    enum ph_err err = parse(text, len, &json, &error);
    if (err != code || strstr(error.message, message) == NULL) {
        fail_msg("%.60s: want \"%s\", have \"%s\"", text, message, error.message);
    }
    assert_null(json);
}

/* [MSG-1] [MSG-2] [MSG-3] [MSG-4] */
static void refuses_what_is_not_strict(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"", "byte 0: want a value, have the end"},
        {"  ", "byte 2: want a value, have the end"},
        {"{} {}", "byte 3: bytes after the document"},
        {"1 x", "byte 2: bytes after the document"},
        {"\xEF\xBB\xBF{}", "byte 0: not a JSON value"},
        {"nul", "byte 0: not a JSON value"},
        {"True", "byte 0: not a JSON value"},
        {"NaN", "byte 0: not a JSON value"},
        {"Infinity", "byte 0: not a JSON value"},
        {"'a'", "byte 0: not a JSON value"},
        {"[1,]", "byte 3: not a JSON value"},
        {"[1 2]", "byte 3: want ',' or ']'"},
        {"[1", "byte 2: want ',' or ']'"},
        {"[", "byte 1: want a value, have the end"},
        {"{\"a\":1,}", "byte 7: want a string in double quotes"},
        {"{\"a\" 1}", "byte 5: want ':' after a key"},
        {"{\"a\":1 \"b\":2}", "byte 7: want ',' or '}'"},
        {"{a:1}", "byte 1: want a string in double quotes"},
        {"{\"a\":}", "byte 5: not a JSON value"},
        {"// c\n1", "byte 0: not a JSON value"},
        {"01", "byte 1: not a number"},
        {"-", "byte 1: not a number"},
        {"+1", "byte 0: not a JSON value"},
        {".5", "byte 0: not a JSON value"},
        {"1.", "byte 2: not a number"},
        {"1e", "byte 2: not a number"},
        {"1e+", "byte 3: not a number"},
        {"-01", "byte 2: not a number"},
        {"0x10", "byte 1: bytes after the document"},
        {"[1e400]", "byte 1: number is too large for a double"},
        {"-1e999999999", "byte 0: number is too large for a double"},
        {"\"a", "byte 2: string without its closing quote"},
        {"\"a\nb\"", "byte 2: raw control character"},
        {"\"\\x41\"", "byte 2: unknown escape"},
        {"\"\\u12\"", "byte 3: \\u wants four hexadecimal digits"},
        {"\"\\u12G4\"", "\\u wants four hexadecimal digits"},
        {"\"\\u0000\"", "\\u0000 in a string"},
        {"\"\\ud800\"", "lone surrogate"},
        {"\"\\ud800\\u0041\"", "lone surrogate"},
        {"\"\\udc00\"", "lone surrogate"},
        {"\"\\ud83dx\"", "lone surrogate"},
        {"\"\xFF\"", "byte 1: invalid UTF-8"},
        {"\"\xC0\x80\"", "byte 1: invalid UTF-8"},
        {"\"ab\xE2\x82\"", "byte 3: invalid UTF-8"},
        {"\"\xED\xA0\x80\"", "byte 1: invalid UTF-8"},
        {"\"\xF0\x9F", "byte 1: invalid UTF-8"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "key \"a\" is there twice"},
        {"[{\"x\":{\"a\":1,\"\\u0061\":2}}]", "key \"a\" is there twice"},
        {"{\"\":1,\"\":2}", "key \"\" is there twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_refused(cases[i].text, strlen(cases[i].text), PH_ERR_INPUT, cases[i].message);
    }
    assert_refused("{}\0", 3, PH_ERR_INPUT, "byte 2: bytes after the document");
    assert_refused("\"a\0b\"", 5, PH_ERR_INPUT, "byte 2: raw control character");
    assert_refused("\0", 1, PH_ERR_INPUT, "byte 0: not a JSON value");
}

static char big[PH_LIMIT_MESSAGE_BYTES + 2];

static size_t repeat(char *out, const char *text, size_t times)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < times; i++) {
        memcpy(out + i * len, text, len); /* NOLINT(bugprone-not-null-terminated-result) */
    }
    return times * len;
}

static size_t object_with_members(char *out, int count)
{
    size_t len = (size_t)sprintf(out, "{");
    for (int i = 0; i < count; i++) {
        len += (size_t)sprintf(out + len, "%s\"k%d\":%d", i > 0 ? "," : "", i, i);
    }
    return len + (size_t)sprintf(out + len, "}");
}

/* [MSG-5] [MSG-6] */
static void ceilings_are_inclusive(void **state)
{
    (void)state;
    struct ph_json *json = NULL;
    assert_int_equal(parse("[[[[[[[[1]]]]]]]]", 17, &json, NULL), PH_OK);
    ph_json_free(&json);
    assert_refused("[[[[[[[[[1]]]]]]]]]", 19, PH_ERR_LIMIT, "byte 8: nested too deep");
    size_t len = repeat(big, "[", 65536);
    assert_refused(big, len, PH_ERR_LIMIT, "nested too deep");
    len = repeat(big, "{\"a\":", 13000);
    assert_refused(big, len, PH_ERR_LIMIT, "nested too deep");

    len = object_with_members(big, PH_LIMIT_JSON_MEMBERS);
    assert_int_equal(parse(big, len, &json, NULL), PH_OK);
    assert_int_equal(ph_json_count(ph_json_root(json)), PH_LIMIT_JSON_MEMBERS);
    ph_json_free(&json);
    len = object_with_members(big, PH_LIMIT_JSON_MEMBERS + 1);
    assert_refused(big, len, PH_ERR_LIMIT, "object with too many members");

    len = repeat(big, "1", 63);
    assert_int_equal(parse(big, len, &json, NULL), PH_OK);
    ph_json_free(&json);
    len = repeat(big, "1", 64);
    assert_refused(big, len, PH_ERR_LIMIT, "byte 0: number has too many digits");

    len = repeat(big, " ", PH_LIMIT_MESSAGE_BYTES - 1);
    big[len++] = '1';
    assert_int_equal(parse(big, len, &json, NULL), PH_OK);
    ph_json_free(&json);
    big[len++] = ' ';
    assert_refused(big, len, PH_ERR_LIMIT, "want at most 65536 bytes, have 65537");
}

static void reads_values(void **state)
{
    (void)state;
    static const char text[] =
        " {\"n\":null,\"b\":true,\"x\":-1.5e2,\"s\":\"\\ud83d\\ude00\\n\xC3\xA9\\/\",\r\n"
        "\"a\":[1,false,{}],\"o\":{\"in\":0},\"big\":9007199254740991}\t";
    struct ph_json *json = NULL;
    assert_int_equal(parse(text, sizeof text - 1, &json, NULL), PH_OK);
    const struct ph_json_value *root = ph_json_root(json);
    assert_int_equal(ph_json_type(root), PH_JSON_OBJECT);
    assert_int_equal(ph_json_count(root), 7);
    assert_string_equal(ph_json_key(ph_json_first(root)), "n");
    assert_int_equal(ph_json_type(ph_json_member(root, "n")), PH_JSON_NULL);
    assert_true(ph_json_bool(ph_json_member(root, "b")));
    assert_true(ph_json_number(ph_json_member(root, "x")) == -150.0);
    assert_string_equal(ph_json_text(ph_json_member(root, "s")), "\xF0\x9F\x98\x80\n\xC3\xA9/");
    const struct ph_json_value *array = ph_json_member(root, "a");
    assert_int_equal(ph_json_type(array), PH_JSON_ARRAY);
    assert_int_equal(ph_json_count(array), 3);
    assert_null(ph_json_key(ph_json_first(array)));
    assert_false(ph_json_bool(ph_json_next(ph_json_first(array))));
    assert_null(ph_json_member(array, "a"));
    assert_null(ph_json_member(root, "N"));
    assert_null(ph_json_first(ph_json_member(root, "x")));
    int64_t value = 7;
    assert_true(ph_json_integer(ph_json_member(root, "big"), 0, PH_LIMIT_SEQ, &value));
    assert_int_equal(value, PH_LIMIT_SEQ);
    assert_false(ph_json_integer(ph_json_member(root, "big"), 0, 5, &value));
    assert_false(ph_json_integer(ph_json_member(root, "s"), 0, 5, &value));
    ph_json_free(&json);
    assert_null(json);
    ph_json_free(&json);
}

static void integers_are_whole(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool whole;
        int64_t value;
    } cases[] = {{"1", true, 1}, {"1.0", true, 1}, {"1e3", true, 1000}, {"-0", true, 0},
        {"1.5", false, 0}, {"1e-1", false, 0}, {"9007199254740992", false, 0}, {"1e300", false, 0},
        {"-1", false, 0}, {"\"1\"", false, 0}, {"true", false, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_json *json = NULL;
        int64_t value = 0;
        assert_int_equal(parse(cases[i].text, strlen(cases[i].text), &json, NULL), PH_OK);
        assert_int_equal(
            ph_json_integer(ph_json_root(json), 0, PH_LIMIT_SEQ, &value), cases[i].whole);
        assert_int_equal(value, cases[i].value);
        ph_json_free(&json);
    }
}

static void appends_text(void **state)
{
    (void)state;
    struct ph_buf buf;
    ph_buf_init(&buf, 64);
    assert_int_equal(ph_json_append_text(&buf, "a\"\\/\n\r\t\x01\x1f\x7f\xC3\xA9"), PH_OK);
    assert_string_equal(buf.data, "\"a\\\"\\\\/\\n\\r\\t\\u0001\\u001f\x7f\xC3\xA9\"");
    ph_buf_reset(&buf);
    assert_int_equal(ph_json_append_text(&buf, ""), PH_OK);
    assert_string_equal(buf.data, "\"\"");
    assert_int_equal(ph_json_append_text(&buf, "\xFF"), PH_ERR_INPUT);
    memset(big, 'x', 63);
    big[63] = '\0';
    assert_int_equal(ph_json_append_text(&buf, big), PH_ERR_LIMIT);
    assert_string_equal(buf.data, "\"\"");
    ph_buf_fini(&buf);
}

static void appends_the_shortest_number(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *want;
    } cases[] = {{0, "0"}, {1, "1"}, {-40, "-40"}, {21.53, "21.53"}, {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"}, {9007199254740991.0, "9007199254740991"},
        {1e15, "1000000000000000"}, {1e20, "1e+20"}, {1e-7, "1e-07"}, {-0.0, "-0"},
        {5e-324, "4.94065645841247e-324"}, {DBL_MAX, "1.7976931348623157e+308"},
        {1.0 / 3.0, "0.3333333333333333"}};
    struct ph_buf buf;
    ph_buf_init(&buf, 64);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ph_buf_reset(&buf);
        assert_int_equal(ph_json_append_number(&buf, cases[i].value), PH_OK);
        assert_true(strtod(buf.data, NULL) == cases[i].value);
        assert_string_equal(buf.data, cases[i].want);
        struct ph_json *json = NULL;
        assert_int_equal(parse(buf.data, buf.len, &json, NULL), PH_OK);
        double back = ph_json_number(ph_json_root(json));
        assert_memory_equal(&back, &cases[i].value, sizeof back);
        ph_json_free(&json);
    }
    assert_int_equal(ph_json_append_number(&buf, (double)INFINITY), PH_ERR_INTERNAL);
    assert_int_equal(ph_json_append_number(&buf, (double)NAN), PH_ERR_INTERNAL);
    ph_buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_not_strict),
        cmocka_unit_test(ceilings_are_inclusive),
        cmocka_unit_test(reads_values),
        cmocka_unit_test(integers_are_whole),
        cmocka_unit_test(appends_text),
        cmocka_unit_test(appends_the_shortest_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
