#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "certs/table.h"
#include "format/json.h"

static const struct ph_table_column columns[] = {
    {.name = "id", .title = "ID", .width = 3, .kind = PH_TABLE_NUMBER},
    {.name = "text", .title = "TEXT", .width = 6},
    {.name = "hidden"},
    {.name = "pem", .title = "LAST", .kind = PH_TABLE_LINES},
    {0},
};

/* One row printed; freed by the next call. */
static const char *print(enum ph_table_format format, const char *text, const char *hidden)
{
    static char *out;
    size_t len = 0;
    free(out);
    out = NULL;
    struct ph_table table = {.file = open_memstream(&out, &len), .format = format};
    const char *const cells[] = {"7", text, hidden, "x"};
    assert_non_null(table.file);
    table.columns = columns;
    ph_table_begin(&table);
    ph_table_row(&table, cells);
    ph_table_end(&table);
    assert_int_equal(fclose(table.file), 0);
    return out;
}

static void formats(void **state)
{
    (void)state;
    assert_string_equal(print(PH_TABLE_TEXT, "a", "h"), "ID  TEXT   LAST\n7   a      x\n");
    assert_string_equal(print(PH_TABLE_TEXT, NULL, "h"), "ID  TEXT   LAST\n7   -      x\n");
    assert_string_equal(
        print(PH_TABLE_TEXT, "longer than that", "h"), "ID  TEXT   LAST\n7   longer than that x\n");
    assert_string_equal(print(PH_TABLE_CSV, "a", NULL), "id,text,hidden,pem\n7,a,,x\n");
    assert_string_equal(
        print(PH_TABLE_JSON, "a", NULL), "[\n {\"id\":7,\"text\":\"a\",\"pem\":\"x\"}\n]\n");
}

static void empty_tables(void **state)
{
    (void)state;
    char *out = NULL;
    size_t len = 0;
    struct ph_table table = {
        .file = open_memstream(&out, &len), .format = PH_TABLE_JSON, .columns = columns};
    ph_table_begin(&table);
    ph_table_end(&table);
    assert_int_equal(fclose(table.file), 0);
    assert_string_equal(out, "[]\n");
    free(out);
}

/* CA-104: what a terminal would obey is shown, and takes its width. */
static void table_is_safe(void **state)
{
    (void)state;
    assert_string_equal(print(PH_TABLE_TEXT, "\x1b[2J", NULL), "ID  TEXT   LAST\n7   \\x1b[2J x\n");
    assert_string_equal(print(PH_TABLE_TEXT, "a\nb", NULL), "ID  TEXT   LAST\n7   a\\x0ab x\n");
    assert_string_equal(
        print(PH_TABLE_TEXT, "\xc3\xa9", NULL), "ID  TEXT   LAST\n7   \xc3\xa9      x\n");
    assert_string_equal(
        /* NOLINTNEXTLINE(misc-misleading-bidirectional): what is escaped here */
        print(PH_TABLE_TEXT, "\xe2\x80\xae", NULL), "ID  TEXT   LAST\n7   \\xe2\\x80\\xae x\n");
    assert_string_equal(
        print(PH_TABLE_TEXT, "\xc3\xa9\xa9", NULL), "ID  TEXT   LAST\n7   \xc3\xa9\\xa9  x\n");
}

/* CA-105 */
static void csv_is_safe(void **state)
{
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"=1+1", "'=1+1"},
        {"+1", "'+1"},
        {"-1", "'-1"},
        {"@SUM(A1)", "'@SUM(A1)"},
        {"  =1", "'  =1"},
        {"\t=1", "'\\x09=1"},
        {"\xEF\xBC\x9D"
         "1",
            "'\xEF\xBC\x9D"
            "1"},
        {"a-1", "a-1"},
        {"a,b", "\"a,b\""},
        {"a;b", "\"a;b\""},
        {"a \"b\"", "\"a \"\"b\"\"\""},
        {"=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""},
        {"a\r\nb", "\"a\\x0d\\x0ab\""},
        {"\xff", "\\xff"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char want[128];
        (void)snprintf(want, sizeof want, "id,text,hidden,pem\n7,%s,,x\n", cases[i].want);
        assert_string_equal(print(PH_TABLE_CSV, cases[i].text, NULL), want);
    }
}

/* CA-106: ASCII, and what was put in comes out. */
static void json_is_exact(void **state)
{
    static const char *const texts[] = {"plain", "\"quoted\" \\ slash", "\x1b[2J\x7f\t\r\n",
        /* NOLINTNEXTLINE(misc-misleading-bidirectional): what is escaped here */
        "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\xa1", "\xe2\x80\xae\xc2\x9b", "</script>"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct ph_json *json = NULL;
        const char *out = print(PH_TABLE_JSON, texts[i], NULL);
        for (const char *p = out; *p != '\0'; p++) {
            assert_true((*p >= 0x20 && *p < 0x7F) || *p == '\n');
        }
        assert_int_equal(ph_json_parse(out, strlen(out), &json, NULL), PH_OK);
        const struct ph_json_value *row = ph_json_first(ph_json_root(json));
        assert_string_equal(ph_json_text(ph_json_member(row, "text")), texts[i]);
        ph_json_free(&json);
    }
    assert_non_null(strstr(print(PH_TABLE_JSON, "a\xff", NULL), "\"text\":\"a\\\\xff\""));
}

static void format_names(void **state)
{
    (void)state;
    enum ph_table_format format = PH_TABLE_CSV;
    struct ph_error error = {0};
    assert_int_equal(ph_table_format_parse(NULL, &format, &error), PH_OK);
    assert_int_equal(format, PH_TABLE_TEXT);
    assert_int_equal(ph_table_format_parse("json", &format, &error), PH_OK);
    assert_int_equal(format, PH_TABLE_JSON);
    assert_int_equal(ph_table_format_parse("xml", &format, &error), PH_ERR_USAGE);
    assert_string_equal(error.message, "--format: want table, csv or json, have \"xml\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats),
        cmocka_unit_test(empty_tables),
        cmocka_unit_test(table_is_safe),
        cmocka_unit_test(csv_is_safe),
        cmocka_unit_test(json_is_exact),
        cmocka_unit_test(format_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
