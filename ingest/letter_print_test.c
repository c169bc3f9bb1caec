#include "ingest/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/json.h"
#include "ingest/letter_print.h"
#include "ingest/output.h"

static const struct ph_identity device = {.tenant = "acme", .kind = "thermostat", .device = "t1"};
static const struct ph_seq_range ranges[] = {{1042, 1042}, {1044, 1050}};

static struct ph_kept_letter letter_with(const char *payload, size_t len)
{
    return (struct ph_kept_letter){
        .id = 7,
        .received_ms = 1790000000007,
        .reason = "reading 1: temperature_c: want at most 85",
        .topic = "ph/v1/acme/thermostat/t1/telemetry",
        .identity = &device,
        .provenance = {.state = PH_PROVENANCE_VOUCHED, .anchor = "devices", .fingerprint = "f00d"},
        .has_range = true,
        .stream = 0xa,
        .ranges = ranges,
        .range_count = 2,
        .payload = payload,
        .payload_len = len,
    };
}

/* A message whose topic says nothing of its sender. */
static struct ph_kept_letter garbage(const char *payload, size_t len)
{
    return (struct ph_kept_letter){
        .id = 8,
        .received_ms = 1790000000007,
        .reason = "topic: \x1b[2J",
        .topic = "a\nreason b",
        .provenance = {.state = PH_PROVENANCE_MISSING},
        .payload = payload,
        .payload_len = len,
    };
}

static char *print(ph_letter_visit *visit, const struct ph_kept_letter *letter)
{
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);
    assert_non_null(file);
    assert_int_equal(visit(file, letter, NULL), PH_OK);
    assert_int_equal(fclose(file), 0);
    return text;
}

static void assert_prints(
    ph_letter_visit *visit, const struct ph_kept_letter *letter, const char *want)
{
    char *have = print(visit, letter);
    assert_string_equal(have, want);
    free(have);
}

#define ABOUT_LETTER                                                                               \
    "id           7\n"                                                                             \
    "received     2026-09-21T14:13:20.007Z\n"                                                      \
    "device       acme/thermostat/t1\n"                                                            \
    "topic        ph/v1/acme/thermostat/t1/telemetry\n"                                            \
    "reason       reading 1: temperature_c: want at most 85\n"                                     \
    "stream       000000000000000a\n"                                                              \
    "readings     1042-1042 1044-1050\n"                                                           \
    "anchor       devices\n"                                                                       \
    "fingerprint  f00d\n"                                                                          \
    "unvouched    -\n"

#define ABOUT_GARBAGE                                                                              \
    "id           8\n"                                                                             \
    "received     2026-09-21T14:13:20.007Z\n"                                                      \
    "device       -\n"                                                                             \
    "topic        a\\x0areason b\n"                                                                \
    "reason       topic: \\x1b[2J\n"                                                               \
    "stream       -\n"                                                                             \
    "readings     -\n"                                                                             \
    "anchor       -\n"                                                                             \
    "fingerprint  -\n"                                                                             \
    "unvouched    missing\n"

/* [ING-114] */
static void text_is_shown_as_lines(void **state)
{
    struct ph_kept_letter letter = letter_with("{\"v\":1,\r\n\"x\":\"\xc3\xa9\"}", 18);
    (void)state;
    assert_prints(ph_letter_show, &letter,
        ABOUT_LETTER "payload      18 bytes of text\n\n  {\"v\":1,\n  \"x\":\"\xc3\xa9\"}\n");
    letter = letter_with("id 9\n", 5);
    assert_prints(ph_letter_show, &letter, ABOUT_LETTER "payload      5 bytes of text\n\n  id 9\n");
    letter = letter_with(NULL, 0);
    assert_prints(ph_letter_show, &letter, ABOUT_LETTER "payload      0 bytes of text\n\n");
}

/* [ING-114] */
static void anything_else_is_dumped(void **state)
{
    struct ph_kept_letter letter = garbage("\x1b[2J\0abcdefghijkl|\xff", 19);
    (void)state;
    assert_prints(ph_letter_show, &letter,
        ABOUT_GARBAGE
        "payload      19 bytes\n\n"
        "  00000000  1b 5b 32 4a 00 61 62 63  64 65 66 67 68 69 6a 6b  |.[2J.abcdefghijk|\n"
        "  00000010  6c 7c ff                                          |l|.|\n");
    letter = garbage("a\rb", 3); /* would write over the line */
    assert_prints(ph_letter_show, &letter,
        ABOUT_GARBAGE "payload      3 bytes\n\n"
                      "  00000000  61 0d 62                                          |a.b|\n");
}

/* [ING-115] */
static void export_is_json_that_reads_back(void **state)
{
    struct ph_kept_letter letter = letter_with("{\"v\":1}", 7);
    (void)state;
    assert_prints(ph_letter_export, &letter,
        "{\"id\":7,\"received\":\"2026-09-21T14:13:20.007Z\",\"device\":\"acme/thermostat/t1\","
        "\"topic\":\"ph/v1/acme/thermostat/t1/telemetry\","
        "\"reason\":\"reading 1: temperature_c: want at most 85\",\"stream\":\"000000000000000a\","
        "\"anchor\":\"devices\",\"fingerprint\":\"f00d\","
        "\"readings\":[[1042,1042],[1044,1050]],\"payload\":\"eyJ2IjoxfQ==\","
        "\"text\":\"{\\\"v\\\":1}\"}\n");
    letter = garbage("\xff\xfe\x00", 3);
    assert_prints(ph_letter_export, &letter,
        "{\"id\":8,\"received\":\"2026-09-21T14:13:20.007Z\",\"topic\":\"a\\nreason b\","
        "\"reason\":\"topic: \\u001b[2J\",\"unvouched\":\"missing\",\"payload\":\"//4A\"}\n");
    letter = garbage("\x7f\xe2\x80\xa8", 4);
    char *line = print(ph_letter_export, &letter);
    assert_non_null(strstr(line, "\"text\":\"\\u007f\\u2028\"}\n"));
    struct ph_json *json = NULL;
    assert_int_equal(ph_json_parse(line, strlen(line), &json, NULL), PH_OK);
    assert_string_equal(
        ph_json_text(ph_json_member(ph_json_root(json), "text")), "\x7f\xe2\x80\xa8");
    ph_json_free(&json);
    free(line);
}

/* [ING-115] RFC 4648, section 10. */
static void base64(void **state)
{
    static const char *const cases[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char want[64];
        struct ph_kept_letter letter = garbage(cases[i][0], strlen(cases[i][0]));
        char *line = print(ph_letter_export, &letter);
        (void)snprintf(want, sizeof want, ",\"payload\":\"%s\"", cases[i][1]);
        assert_non_null(strstr(line, want));
        free(line);
    }
}

/* [ING-113] */
static void letters_are_rows(void **state)
{
    struct sheet sheet;
    struct ph_letter_list list = {.rows = rows_to(&sheet), .provenance = true};
    struct ph_kept_letter letter = letter_with("{}", 2);
    (void)state;
    assert_int_equal(ph_letter_list_begin(&list, NULL), PH_OK);
    assert_int_equal(ph_letter_list_row(&list, &letter, NULL), PH_OK);
    letter = garbage("a\0b", 3);
    assert_int_equal(ph_letter_list_row(&list, &letter, NULL), PH_OK);
    assert_string_equal(sheet.text,
        "id received device stream readings reason bytes topic payload fingerprint unvouched\n"
        "7 1790000000007 acme/thermostat/t1 000000000000000a 1042-1042 1044-1050 "
        "reading 1: temperature_c: want at most 85 2 ph/v1/acme/thermostat/t1/telemetry {} f00d -\n"
        "8 1790000000007 - - - topic: \x1b[2J 3 a\nreason b a\\x00b - missing\n");
    list = (struct ph_letter_list){.rows = rows_to(&sheet)};
    assert_int_equal(ph_letter_list_begin(&list, NULL), PH_OK);
    assert_string_equal(
        sheet.text, "id received device stream readings reason bytes topic payload\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_shown_as_lines),
        cmocka_unit_test(anything_else_is_dumped),
        cmocka_unit_test(export_is_json_that_reads_back),
        cmocka_unit_test(base64),
        cmocka_unit_test(letters_are_rows),
    };
    return cmocka_run_group_tests_name("ph.ingest.letter_print", tests, NULL, NULL);
}
