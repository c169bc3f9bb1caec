/* ph.format.message: docs/spec/message.md, the telemetry message. */
#include "format/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"

#define STREAM "\"stream\":\"9f2c1e4b7a3d5c60\""
#define HEAD   "{\"v\":1," STREAM ",\"seq\":1042,\"readings\":"

static enum ph_err parse(const char *text, struct ph_message **out, struct ph_error *error)
{
    size_t len = strlen(text);
    char *exact = malloc(len + 1);
    assert_non_null(exact);
    memcpy(exact, text, len); /* NOLINT(bugprone-not-null-terminated-result): on purpose */
    enum ph_err err = ph_message_parse(exact, len, out, error);
    free(exact);
    return err;
}

static struct ph_message *parse_good(const char *text)
{
    struct ph_message *message = NULL;
    struct ph_error error = {0};
    if (parse(text, &message, &error) != PH_OK) {
        fail_msg("%.100s: %s", text, error.message);
    }
    return message;
}

/* [MSG-10] [MSG-11] [MSG-14] */
static void reads_a_numbered_message(void **state)
{
    (void)state;
    struct ph_message *message =
        parse_good(HEAD "[{\"t\":1790000000123,\"temperature_c\":21.53,\"heating\":true,\"hvac\":"
                        "\"heating\",\"gone\":null},{\"t\":0}]}");
    assert_false(message->plain);
    assert_true(message->stream == UINT64_C(0x9f2c1e4b7a3d5c60));
    assert_int_equal(message->seq, 1042);
    assert_int_equal(message->reading_count, 2);
    const struct ph_reading *reading = &message->readings[0];
    assert_true(reading->has_time);
    assert_int_equal(reading->time_ms, 1790000000123);
    assert_int_equal(reading->field_count, 3); /* null is as if absent */
    assert_string_equal(reading->fields[0].name, "temperature_c");
    assert_int_equal(reading->fields[0].value.type, PH_VALUE_NUMBER);
    assert_true(reading->fields[0].value.number == 21.53);
    assert_int_equal(reading->fields[1].value.type, PH_VALUE_BOOL);
    assert_true(reading->fields[1].value.boolean);
    assert_int_equal(reading->fields[2].value.type, PH_VALUE_TEXT);
    assert_string_equal(reading->fields[2].value.text, "heating");
    assert_int_equal(message->readings[1].field_count, 0);
    assert_true(message->readings[1].has_time);
    ph_message_free(&message);
    assert_null(message);
    ph_message_free(&message);
}

/* [MSG-12] */
static void reads_plain_messages(void **state)
{
    (void)state;
    struct ph_message *message = parse_good("{\"temperature_c\":21.5}");
    assert_true(message->plain);
    assert_int_equal(message->stream, 0);
    assert_int_equal(message->seq, 0);
    assert_int_equal(message->reading_count, 1);
    assert_false(message->readings[0].has_time);
    assert_int_equal(message->readings[0].field_count, 1);
    ph_message_free(&message);
    message = parse_good("{\"v\":1,\"readings\":[{\"t\":5,\"a\":1},{\"a\":2}]}");
    assert_true(message->plain);
    assert_int_equal(message->reading_count, 2);
    assert_true(message->readings[0].has_time);
    assert_false(message->readings[1].has_time);
    ph_message_free(&message);
}

/* [MSG-10] [MSG-11] [MSG-13] [MSG-14] [MSG-15] */
static void refuses_with_the_rule(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"[]", "message: want an object"},
        {"7", "message: want an object"},
        {"{\"v\":1}", "message: readings: want an array"},
        {"{\"v\":2,\"readings\":[{}]}", "message: v: want 1"},
        {"{\"v\":\"1\",\"readings\":[{}]}", "message: v: want 1"},
        {"{\"readings\":[{}]}", "message: v: want 1"},
        {"{\"v\":1,\"readings\":[]}", "readings: want at least one in a message without numbers"},
        {"{\"v\":1," STREAM ",\"seq\":1}", "message: readings: want an array"},
        {"{\"v\":2,\"x\":1,\"readings\":[{}]}", "message: v: want 1"},
        {"{\"v\":1,\"readings\":{\"a\":1}}", "readings: want an array"},
        {"{\"v\":1,\"readings\":[{}],\"x\\n\":1}", "unknown member \"x\\x0a\""},
        {"{\"v\":1," STREAM ",\"readings\":[{\"t\":1}]}", "want both or neither"},
        {"{\"v\":1,\"seq\":1,\"readings\":[{\"t\":1}]}", "want both or neither"},
        {"{\"v\":1,\"stream\":1,\"seq\":1,\"readings\":[{\"t\":1}]}",
            "stream: want 16 lower-case hexadecimal digits"},
        {"{\"v\":1,\"stream\":\"9F2C1E4B7A3D5C60\",\"seq\":1,\"readings\":[{\"t\":1}]}",
            "stream: want 16 lower-case hexadecimal digits"},
        {"{\"v\":1,\"stream\":\"9f2c1e4b7a3d5c6\",\"seq\":1,\"readings\":[{\"t\":1}]}",
            "stream: want 16 lower-case hexadecimal digits"},
        {"{\"v\":1,\"stream\":\"0000000000000000\",\"seq\":1,\"readings\":[{\"t\":1}]}",
            "not all zero"},
        {"{\"v\":1," STREAM ",\"seq\":0,\"readings\":[{\"t\":1}]}",
            "seq: want 1 to 9007199254740991"},
        {"{\"v\":1," STREAM ",\"seq\":1.5,\"readings\":[{\"t\":1}]}", "seq: want 1 to"},
        {"{\"v\":1," STREAM ",\"seq\":9007199254740992,\"readings\":[{\"t\":1}]}",
            "seq: want 1 to"},
        {"{\"v\":1," STREAM ",\"seq\":9007199254740991,\"readings\":[{\"t\":1},{\"t\":1}]}",
            "seq: the last reading's number is beyond 9007199254740991"},
        {HEAD "[7]}", "message: reading 1: want an object"},
        {HEAD "[{\"t\":1},[]]}", "message: reading 2: want an object"},
        {HEAD "[{\"a\":1}]}", "message: reading 1: t: missing"},
        {HEAD "[{\"t\":1,\"up\":1}]}", "message: reading 1: \"t\" and \"up\": want one of them"},
        {"{\"t\":1,\"up\":1}", "message: reading 1: \"t\" and \"up\": want one of them"},
        {HEAD "[{\"t\":1},{\"up\":-1}]}",
            "message: reading 2: up: want whole milliseconds since boot, 0 to 2^53-1"},
        {HEAD "[{\"up\":1.5}]}", "reading 1: up: want whole milliseconds since boot"},
        {HEAD "[{\"up\":null}]}", "reading 1: up: want whole milliseconds since boot"},
        {HEAD "[{\"up\":9007199254740992}]}", "reading 1: up: want whole milliseconds"},
        {HEAD "[{\"t\":null}]}", "message: reading 1: t: want whole milliseconds"},
        {HEAD "[{\"t\":\"now\"}]}", "t: want whole milliseconds"},
        {HEAD "[{\"t\":-1}]}", "t: want whole milliseconds"},
        {HEAD "[{\"t\":0.5}]}", "t: want whole milliseconds"},
        {HEAD "[{\"t\":253402300800000}]}", "t: want whole milliseconds"},
        {HEAD "[{\"t\":1,\"A\":1}]}", "reading 1: field \"A\": want a name like"},
        {HEAD "[{\"t\":1,\"\":1}]}", "field \"\": want a name like"},
        {HEAD "[{\"t\":1,\"a b\":null}]}", "field \"a b\": want a name like"},
        {HEAD "[{\"t\":1,\"a\":[1]}]}", "field \"a\": want a number, a text, true, false or null"},
        {HEAD "[{\"t\":1,\"a\":{}}]}", "field \"a\": want a number"},
        {HEAD "[{\"t\":1,\"a\":1,\"a\":2}]}", "json: key \"a\" is there twice"},
        {HEAD "[{\"t\":1}]}x", "json: byte 67: bytes after the document"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_message *message = NULL;
        struct ph_error error = {0};
        assert_int_equal(parse(cases[i].text, &message, &error), PH_ERR_INPUT);
        if (strstr(error.message, cases[i].message) == NULL) {
            fail_msg("%s: %s", cases[i].text, error.message);
        }
        assert_null(message);
    }
}

/* [MSG-18] [MSG-19] */
static void reads_the_optional_members(void **state)
{
    (void)state;
    struct ph_message *message =
        parse_good("{\"v\":1," STREAM ",\"seq\":7,\"oldest\":7,\"now\":253402300799999,\"up\":"
                   "9007199254740991,\"readings\":[{\"up\":12,\"a\":1},{\"t\":13}]}");
    assert_int_equal(message->oldest, 7);
    assert_true(message->has_now && message->now_ms == PH_TIME_MAX_MS);
    assert_true(message->has_up && message->up_ms == PH_LIMIT_SEQ);
    assert_true(message->readings[0].has_up && !message->readings[0].has_time);
    assert_int_equal(message->readings[0].up_ms, 12);
    assert_int_equal(message->readings[0].field_count, 1);
    assert_true(message->readings[1].has_time && !message->readings[1].has_up);
    ph_message_free(&message);

    message = parse_good("{\"v\":1," STREAM ",\"seq\":7,\"oldest\":1,\"now\":0,\"up\":0,"
                         "\"readings\":[{\"up\":0}]}");
    assert_int_equal(message->oldest, 1);
    assert_true(message->has_now && message->now_ms == 0);
    assert_true(message->has_up && message->up_ms == 0);
    ph_message_free(&message);

    message = parse_good(HEAD "[{\"t\":1}]}");
    assert_int_equal(message->oldest, 0);
    assert_false(message->has_now || message->has_up);
    ph_message_free(&message);
}

/* [MSG-12] A bare reading's members are its own: only v, stream, seq and readings make an envelope.
 */
static void plain_readings_with_such_names(void **state)
{
    (void)state;
    struct ph_message *message = parse_good("{\"up\":5,\"now\":6,\"oldest\":\"x\"}");
    assert_true(message->plain && !message->has_now && !message->has_up && message->oldest == 0);
    assert_true(message->readings[0].has_up && message->readings[0].up_ms == 5);
    assert_int_equal(message->readings[0].field_count, 2);
    assert_string_equal(message->readings[0].fields[1].name, "oldest");
    ph_message_free(&message);
}

/* [MSG-18] */
static void refuses_bad_optional_members(void **state)
{
    (void)state;
    static const struct {
        const char *member;
        const char *message;
    } cases[] = {
        {"\"oldest\":0", "message: oldest: want 1 to seq, 7"},
        {"\"oldest\":8", "message: oldest: want 1 to seq, 7"},
        {"\"oldest\":1.5", "message: oldest: want 1 to seq, 7"},
        {"\"oldest\":\"1\"", "message: oldest: want 1 to seq, 7"},
        {"\"now\":-1", "message: now: want whole milliseconds since 1970, up to year 9999"},
        {"\"now\":253402300800000", "message: now: want whole milliseconds since 1970"},
        {"\"now\":null", "message: now: want whole milliseconds since 1970"},
        {"\"up\":-1", "message: up: want whole milliseconds since boot, 0 to 2^53-1"},
        {"\"up\":9007199254740992", "message: up: want whole milliseconds since boot"},
        {"\"up\":[]", "message: up: want whole milliseconds since boot"},
        {"\"now\":1,\"now\":2", "json: key \"now\" is there twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_message *message = NULL;
        struct ph_error error = {0};
        char one[256];
        (void)snprintf(
            one, sizeof one, "{\"v\":1," STREAM ",\"seq\":7,%s,\"readings\":[]}", cases[i].member);
        assert_int_equal(parse(one, &message, &error), PH_ERR_INPUT);
        if (strstr(error.message, cases[i].message) == NULL) {
            fail_msg("%s: %s", one, error.message);
        }
        assert_null(message);
    }
    static const char *const plain[] = {"\"oldest\":1", "\"now\":1", "\"up\":1"};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        struct ph_message *message = NULL;
        struct ph_error error = {0};
        char one[128];
        (void)snprintf(one, sizeof one, "{\"v\":1,%s,\"readings\":[{}]}", plain[i]);
        assert_int_equal(parse(one, &message, &error), PH_ERR_INPUT);
        assert_string_equal(error.message,
            "message: \"oldest\", \"now\" and \"up\": only beside \"stream\" and \"seq\"");
        assert_null(message);
    }
}

/* [MSG-16] */
static void reads_a_question(void **state)
{
    (void)state;
    struct ph_message *message =
        parse_good("{\"v\":1," STREAM ",\"seq\":9007199254740991,\"oldest\":3,\"readings\":[]}");
    assert_false(message->plain);
    assert_int_equal(message->reading_count, 0);
    assert_true(message->seq == PH_LIMIT_SEQ);
    assert_int_equal(message->oldest, 3);
    ph_message_free(&message);
}

static char text[PH_LIMIT_MESSAGE_BYTES + 4096];

static void make_readings(int count, const char *reading)
{
    int len = sprintf(text, "%s[", HEAD);
    for (int i = 0; i < count; i++) {
        len += sprintf(text + len, "%s%s", i > 0 ? "," : "", reading);
    }
    (void)sprintf(text + len, "]}");
}

static void make_fields(int count)
{
    int len = sprintf(text, "%s[{\"t\":1,\"n\":null", HEAD);
    for (int i = 0; i < count; i++) {
        len += sprintf(text + len, ",\"f%d\":%d", i, i);
    }
    (void)sprintf(text + len, "}]}");
}

/* [MSG-6] [MSG-15] [MSG-16] */
static void ceilings_are_inclusive(void **state)
{
    (void)state;
    struct ph_message *message = NULL;
    make_readings(PH_LIMIT_MESSAGE_READINGS, "{\"t\":1,\"abc\":\"x\"}");
    message = parse_good(text);
    assert_int_equal(message->reading_count, PH_LIMIT_MESSAGE_READINGS);
    assert_string_equal(message->readings[511].fields[0].value.text, "x");
    ph_message_free(&message);

    struct ph_error error = {0};
    make_readings(PH_LIMIT_MESSAGE_READINGS + 1, "{\"t\":1}");
    assert_int_equal(parse(text, &message, &error), PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "readings: want at most 512, have 513"));

    make_fields(PH_LIMIT_READING_FIELDS);
    message = parse_good(text);
    assert_int_equal(message->readings[0].field_count, PH_LIMIT_READING_FIELDS);
    ph_message_free(&message);
    make_fields(PH_LIMIT_READING_FIELDS + 1);
    ph_error_clear(&error);
    assert_int_equal(parse(text, &message, &error), PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "more than 32 fields"));

    (void)sprintf(text, "%s[{\"t\":1,\"a\":\"%0*d\"}]}", HEAD, PH_LIMIT_TEXT_VALUE_BYTES, 0);
    message = parse_good(text);
    ph_message_free(&message);
    (void)sprintf(text, "%s[{\"t\":1,\"a\":\"%0*d\"}]}", HEAD, PH_LIMIT_TEXT_VALUE_BYTES + 1, 0);
    ph_error_clear(&error);
    assert_int_equal(parse(text, &message, &error), PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "field \"a\": text is longer than 256 bytes"));

    make_readings(500, "{\"t\":1,\"abc\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                       "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}");
    ph_error_clear(&error);
    assert_int_equal(parse(text, &message, &error), PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "json: want at most 65536 bytes"));
    assert_null(message);
}

/* [MSG-14] */
static void field_names(void **state)
{
    (void)state;
    char longest[65];
    memset(longest, 'a', sizeof longest);
    longest[63] = '\0';
    assert_true(ph_field_name_valid(longest));
    longest[63] = 'a';
    longest[64] = '\0';
    assert_false(ph_field_name_valid(longest));
    assert_true(ph_field_name_valid("a"));
    assert_true(ph_field_name_valid("temperature_2_c"));
    static const char *const bad[] = {"", "_a", "1a", "A", "aB", "a-b", "a.b", "a\"", "\xC3\xA9"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(ph_field_name_valid(bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_numbered_message),
        cmocka_unit_test(reads_plain_messages),
        cmocka_unit_test(reads_the_optional_members),
        cmocka_unit_test(plain_readings_with_such_names),
        cmocka_unit_test(reads_a_question),
        cmocka_unit_test(refuses_with_the_rule),
        cmocka_unit_test(refuses_bad_optional_members),
        cmocka_unit_test(ceilings_are_inclusive),
        cmocka_unit_test(field_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
