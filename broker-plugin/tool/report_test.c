#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker-plugin/tool/report.h"
#include "broker-plugin/tool/role_why.h"
#include "format/json.h"

static char *written;
static size_t written_len;

static FILE *open_report(struct ph_report *report, const char *format)
{
    struct ph_error error = {0};
    FILE *out = open_memstream(&written, &written_len);
    assert_non_null(out);
    assert_int_equal(ph_report_open(report, out, format, &error), PH_OK);
    return out;
}

static const char hostile[] = "a\"b\\\n\033[31m\xff\xc2\x85";

/* Whatever the text, the document is one that our own strict parser takes. [PPL-2] */
static void test_json(void **state)
{
    struct ph_report report;
    struct ph_json *json = NULL;
    struct ph_error error = {0};
    (void)state;
    FILE *out = open_report(&report, "json");
    ph_report_line(&report, "for people");
    ph_report_row(&report, "a_key", hostile);
    ph_report_row(&report, "left out", NULL);
    ph_report_row_count(&report, "n", 1234567);
    ph_report_begin(&report, "list", '[');
    ph_report_text(&report, NULL, "x");
    ph_report_begin(&report, NULL, '{');
    ph_report_flag(&report, "yes", true);
    ph_report_flag(&report, "no", false);
    ph_report_end(&report, '}');
    ph_report_begin(&report, NULL, '[');
    ph_report_end(&report, ']');
    ph_report_end(&report, ']');
    ph_report_count(&report, hostile, 1);
    ph_report_close(&report);
    (void)fclose(out);
    assert_string_equal(written,
        "{\"a_key\":\"a\\\"b\\\\\\\\x0a\\\\x1b[31m\\\\xff\\\\xc2\\\\x85\",\"n\":1234567,"
        "\"list\":[\"x\",{\"yes\":"
        "true,\"no\":false},[]],\"a\\\"b\\\\\\\\x0a\\\\x1b[31m\\\\xff\\\\xc2\\\\x85\":1}\n");
    assert_int_equal(ph_json_parse(written, written_len, &json, &error), PH_OK);
    ph_json_free(&json);
    free(written);
}

/* [PPL-1] */
static void test_text(void **state)
{
    struct ph_report report;
    (void)state;
    FILE *out = open_report(&report, NULL);
    ph_report_line(&report, "line %s", hostile);
    ph_report_row(&report, "a_key", "value");
    ph_report_row_count(&report, "count", 1234567);
    ph_report_text(&report, "for", "JSON");
    ph_report_begin(&report, "list", '[');
    ph_report_count(&report, NULL, 1);
    ph_report_flag(&report, NULL, true);
    ph_report_end(&report, ']');
    ph_report_close(&report);
    (void)fclose(out);
    assert_string_equal(written, "line a\"b\\\\x0a\\x1b[31m\\xff\\xc2\\x85\n"
                                 "a key        value\ncount        1,234,567\n");
    free(written);
}

static void test_format(void **state)
{
    struct ph_report report;
    struct ph_error error = {0};
    (void)state;
    assert_int_equal(ph_report_open(&report, stdout, "yaml", &error), PH_ERR_USAGE);
    assert_non_null(strstr(error.message, "--format: want text or json, have \"yaml\""));
}

static void test_counts(void **state)
{
    static const struct {
        uint64_t value;
        const char *want;
    } cases[] = {{0, "0"}, {999, "999"}, {1000, "1,000"}, {100000, "100,000"},
        {UINT64_MAX, "18,446,744,073,709,551,615"}};
    char out[PH_COUNT_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(ph_count_print(out, cases[i].value), cases[i].want);
    }
}

static void test_limits(void **state)
{
    static const struct {
        struct ph_role_limits limits;
        const char *want;
    } cases[] = {
        {{0}, "none"},
        {{.payload_bytes = 65536}, "65,536 bytes a payload"},
        {{.messages_per_second = 5}, "5 messages a second, 5 at once; beyond: refuse"},
        {{.bytes_per_second = 4096, .over = PH_OVER_DISCONNECT},
            "4,096 bytes a second; beyond: disconnect"},
    };
    char out[256];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ph_limits_print(out, sizeof out, &cases[i].limits);
        assert_string_equal(out, cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
