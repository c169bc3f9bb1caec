#include "ingest/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/output.h"

static const struct ph_column columns[] = {
    {"device", NULL, PH_CELL_TEXT},
    {"time", NULL, PH_CELL_TIME},
    {"temperature_c", "Cel", PH_CELL_REAL},
    {"open", NULL, PH_CELL_BOOL},
    {"stored", NULL, PH_CELL_INTEGER},
};
enum { COUNT = sizeof columns / sizeof columns[0] };

static void send_row(const struct ph_rows *rows, const char *device, int64_t stored)
{
    const struct ph_cell cells[COUNT] = {
        {.type = PH_CELL_TEXT, .text = device},
        {.type = PH_CELL_TIME, .integer = 1790000000007},
        {.type = PH_CELL_REAL, .real = 21.5},
        {.type = PH_CELL_BOOL, .integer = 1},
        {.type = stored < 0 ? PH_CELL_NULL : PH_CELL_INTEGER, .integer = stored},
    };
    assert_int_equal(rows->row(rows->context, cells, NULL), PH_OK);
}

static char *print(enum ph_output_format format, int tables, const char *const *devices)
{
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);
    assert_non_null(file);
    struct ph_output *output = ph_output_new(file, format);
    assert_non_null(output);
    struct ph_rows rows = ph_output_rows(output);
    for (int i = 0; i < tables; i++) {
        assert_int_equal(rows.begin(rows.context, columns, COUNT, NULL), PH_OK);
        for (size_t j = 0; devices[j] != NULL; j++) {
            send_row(&rows, devices[j], j == 0 ? 1234 : -1);
        }
    }
    assert_int_equal(ph_output_finish(output, NULL), PH_OK);
    ph_output_free(&output);
    assert_int_equal(fclose(file), 0);
    return text;
}

static void assert_prints(
    enum ph_output_format format, int tables, const char *const *devices, const char *want)
{
    char *have = print(format, tables, devices);
    assert_string_equal(have, want);
    free(have);
}

static const char *const two[] = {"a", "long", NULL};
static const char *const none[] = {NULL};

/* [ING-46] */
static void table(void **state)
{
    (void)state;
    assert_prints(PH_OUTPUT_TABLE, 1, two,
        "device  time                      temperature_c \xc2\xb0"
        "C  open  stored\n"
        "a       2026-09-21T14:13:20.007Z              21.5  true    1234\n"
        "long    2026-09-21T14:13:20.007Z              21.5  true       -\n");
    assert_prints(PH_OUTPUT_TABLE, 2, none,
        "device  time  temperature_c \xc2\xb0"
        "C  open  stored\n\n"
        "device  time  temperature_c \xc2\xb0"
        "C  open  stored\n");
}

/* [ING-46] A meter that has counted for years is not shown as 1.23457e+06. */
static void table_of_large_numbers(void **state)
{
    static const struct ph_column one[] = {{"energy", "kW.h", PH_CELL_REAL}};
    static const struct ph_cell cell = {.type = PH_CELL_REAL, .real = 1234567.25};
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);
    (void)state;
    assert_non_null(file);
    struct ph_output *output = ph_output_new(file, PH_OUTPUT_TABLE);
    assert_non_null(output);
    struct ph_rows rows = ph_output_rows(output);
    assert_int_equal(rows.begin(rows.context, one, 1, NULL), PH_OK);
    assert_int_equal(rows.row(rows.context, &cell, NULL), PH_OK);
    assert_int_equal(ph_output_finish(output, NULL), PH_OK);
    ph_output_free(&output);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(text, "energy kW.h\n 1234567.25\n");
    free(text);
}

/* [ING-46] */
static void csv(void **state)
{
    static const char *const quoted[] = {"a,\"b\"c", NULL};
    (void)state;
    assert_prints(PH_OUTPUT_CSV, 1, two,
        "device,time,temperature_c,open,stored\r\n"
        "a,2026-09-21T14:13:20.007Z,21.5,true,1234\r\n"
        "long,2026-09-21T14:13:20.007Z,21.5,true,\r\n");
    assert_prints(PH_OUTPUT_CSV, 1, quoted,
        "device,time,temperature_c,open,stored\r\n"
        "\"a,\"\"b\"\"c\",2026-09-21T14:13:20.007Z,21.5,true,1234\r\n");
}

/* [ING-56] */
static void csv_is_safe_to_open(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"=1+1", "'=1+1"},
        {"+1", "'+1"},
        {"-1", "'-1"},
        {"@SUM(A1)", "'@SUM(A1)"},
        {"\t=1", "\\x09=1"},
        {"\x1b[2J\r\n", "\\x1b[2J\\x0d\\x0a"},
        {"=HYPERLINK(\"x\",1)", "\"'=HYPERLINK(\"\"x\"\",1)\""},
        {"a=b", "a=b"},
        {"", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *devices[] = {cases[i].text, NULL};
        char want[256];
        (void)snprintf(want, sizeof want,
            "device,time,temperature_c,open,stored\r\n%s,2026-09-21T14:13:20.007Z,21.5,true,"
            "1234\r\n",
            cases[i].want);
        assert_prints(PH_OUTPUT_CSV, 1, devices, want);
    }
}

/* [ING-46] */
static void json(void **state)
{
    static const char *const hostile[] = {"a\"\n\xff", NULL};
    (void)state;
    assert_prints(PH_OUTPUT_JSON, 2, two,
        "[\n {\"device\":\"a\",\"time\":\"2026-09-21T14:13:20.007Z\",\"temperature_c\":21.5,"
        "\"open\":true,\"stored\":1234},\n"
        " {\"device\":\"long\",\"time\":\"2026-09-21T14:13:20.007Z\",\"temperature_c\":21.5,"
        "\"open\":true},\n"
        " {\"device\":\"a\",\"time\":\"2026-09-21T14:13:20.007Z\",\"temperature_c\":21.5,"
        "\"open\":true,\"stored\":1234},\n"
        " {\"device\":\"long\",\"time\":\"2026-09-21T14:13:20.007Z\",\"temperature_c\":21.5,"
        "\"open\":true}\n]\n");
    assert_prints(PH_OUTPUT_JSON, 1, none, "[]\n");
    char *have = print(PH_OUTPUT_JSON, 1, hostile);
    assert_non_null(strstr(have, "{\"device\":\"a\\\"\\\\x0a\\\\xff\""));
    free(have);
}

/* [ING-56] What a terminal obeys is written as \u, which reads back as the same text. */
static void json_is_safe_to_look_at(void **state)
{
    static const char *const hostile[] = {
        "a\x1b\x7f\xc2\x9b\xe2\x80\xa8\xe2\x80\xaeX\xe2\x80\xac\xe2\x81\xa6X\xe2\x81\xa9\xc2\xb0",
        NULL};
    (void)state;
    char *have = print(PH_OUTPUT_JSON, 1, hostile);
    assert_non_null(
        strstr(have, "\"a\\u001b\\u007f\\u009b\\u2028\\u202eX\\u202c\\u2066X\\u2069\xc2\xb0\""));
    free(have);
}

/* [ING-47] A terminal never sees a control byte that a device sent, nor a line of any length. */
static void table_is_safe_to_look_at(void **state)
{
    char text[4000];
    const char *devices[] = {"\x1b[2J\n", text, NULL};
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    char *have = print(PH_OUTPUT_TABLE, 1, devices);
    assert_null(strchr(have, '\x1b'));
    assert_non_null(strstr(have, "\\x1b[2J\\x0a"));
    assert_non_null(strstr(have, "xxx..."));
    assert_true(strlen(have) < 1000);
    free(have);

    /* Cut because of what the escapes take: said all the same. */
    memset(text, '\x1b', 40);
    text[40] = '\0';
    have = print(PH_OUTPUT_TABLE, 1, devices);
    assert_non_null(strstr(have, "\\x1b\\x1b..."));
    free(have);
    text[20] = '\0';
    have = print(PH_OUTPUT_TABLE, 1, devices);
    assert_null(strstr(have, "..."));
    free(have);
}

static void many_rows(void **state)
{
    enum { ROWS = 1203 };
    const char *devices[ROWS + 1] = {NULL};
    size_t lines = 0;
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        devices[i] = "d";
    }
    char *have = print(PH_OUTPUT_TABLE, 1, devices);
    for (const char *at = have; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    assert_int_equal(lines, ROWS + 1);
    free(have);
}

static void formats(void **state)
{
    enum ph_output_format format = PH_OUTPUT_CSV;
    struct ph_error error = {0};
    (void)state;
    assert_int_equal(ph_output_format_parse(NULL, &format, NULL), PH_OK);
    assert_int_equal(format, PH_OUTPUT_TABLE);
    assert_int_equal(ph_output_format_parse("json", &format, NULL), PH_OK);
    assert_int_equal(format, PH_OUTPUT_JSON);
    assert_int_equal(ph_output_format_parse("xml", &format, &error), PH_ERR_USAGE);
    assert_string_equal(error.message, "--format: want table, csv or json, have \"xml\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(table_of_large_numbers),
        cmocka_unit_test(csv),
        cmocka_unit_test(csv_is_safe_to_open),
        cmocka_unit_test(json),
        cmocka_unit_test(json_is_safe_to_look_at),
        cmocka_unit_test(table_is_safe_to_look_at),
        cmocka_unit_test(many_rows),
        cmocka_unit_test(formats),
    };
    return cmocka_run_group_tests_name("ph.ingest.output", tests, NULL, NULL);
}
