/* ph.format.message_encode: docs/spec/message.md, what is written reads back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "format/message.h"

static struct ph_message *parse_good(const struct ph_buf *buf)
{
    struct ph_message *message = NULL;
    struct ph_error error = {0};
    if (ph_message_parse(buf->data, buf->len, &message, &error) != PH_OK) {
        fail_msg("%.100s: %s", buf->data, error.message);
    }
    return message;
}

/* [MSG-17] */
static void encoding_reads_back(void **state)
{
    (void)state;
    const struct ph_field fields[] = {
        {"temperature_c", {.type = PH_VALUE_NUMBER, .number = 21.53}},
        {"on", {.type = PH_VALUE_BOOL, .boolean = true}},
        {"note", {.type = PH_VALUE_TEXT, .text = "a\"b\n"}},
    };
    const struct ph_reading timed = {
        .has_time = true, .time_ms = 5, .fields = fields, .field_count = 3};
    const struct ph_reading early = {
        .has_up = true, .up_ms = 8, .fields = fields, .field_count = 1};
    const struct ph_reading bare = {.fields = fields, .field_count = 1};
    struct ph_buf one;
    struct ph_buf whole;
    ph_buf_init(&one, 4096);
    ph_buf_init(&whole, 4096);
    assert_int_equal(ph_reading_encode(&bare, &one), PH_OK);
    assert_string_equal(one.data, "{\"temperature_c\":21.53}");
    ph_buf_reset(&one);
    assert_int_equal(ph_reading_encode(&timed, &one), PH_OK);
    assert_string_equal(
        one.data, "{\"t\":5,\"temperature_c\":21.53,\"on\":true,\"note\":\"a\\\"b\\n\"}");
    const char *const readings[] = {one.data, "{\"t\":6}"};
    const struct ph_message_head head = {.stream = 0xab, .seq = 7, .now_ms = -1, .up_ms = -1};
    assert_int_equal(ph_message_encode(&head, readings, 2, &whole), PH_OK);
    assert_non_null(strstr(whole.data, "{\"v\":1,\"stream\":\"00000000000000ab\",\"seq\":7,"
                                       "\"readings\":[{\"t\":5,"));
    struct ph_message *message = parse_good(&whole);
    assert_int_equal(message->stream, 0xab);
    assert_int_equal(message->seq, 7);
    assert_int_equal(message->reading_count, 2);
    assert_string_equal(message->readings[0].fields[2].value.text, "a\"b\n");
    ph_message_free(&message);
    ph_buf_reset(&one);
    assert_int_equal(ph_reading_encode(&early, &one), PH_OK);
    assert_string_equal(one.data, "{\"up\":8,\"temperature_c\":21.53}");
    ph_buf_fini(&one);
    ph_buf_fini(&whole);
}

/* [MSG-17] [MSG-18] */
static void encodes_every_head(void **state)
{
    (void)state;
    const struct ph_message_head longest = {.stream = UINT64_MAX,
        .seq = PH_LIMIT_SEQ,
        .oldest = PH_LIMIT_SEQ,
        .now_ms = PH_TIME_MAX_MS,
        .up_ms = PH_LIMIT_SEQ};
    const struct ph_message_head unsayable = {
        .stream = 1, .seq = 2, .oldest = 1, .now_ms = PH_TIME_MAX_MS + 1, .up_ms = INT64_MIN};
    const struct ph_message_head smallest = {.stream = 1, .seq = 1};
    struct ph_buf buf;
    ph_buf_init(&buf, PH_MESSAGE_HEAD_BYTES);
    assert_int_equal(ph_message_encode(&longest, NULL, 0, &buf), PH_OK);
    struct ph_message *message = parse_good(&buf);
    assert_true(message->stream == UINT64_MAX && message->seq == PH_LIMIT_SEQ);
    assert_true(message->oldest == PH_LIMIT_SEQ && message->reading_count == 0);
    assert_true(message->has_now && message->now_ms == PH_TIME_MAX_MS);
    assert_true(message->has_up && message->up_ms == PH_LIMIT_SEQ);
    ph_message_free(&message);
    ph_buf_reset(&buf);
    assert_int_equal(ph_message_encode(&unsayable, NULL, 0, &buf), PH_OK);
    assert_string_equal(buf.data,
        "{\"v\":1,\"stream\":\"0000000000000001\",\"seq\":2,\"oldest\":1,\"readings\":[]}");
    ph_buf_reset(&buf);
    assert_int_equal(ph_message_encode(&smallest, NULL, 0, &buf), PH_OK);
    assert_string_equal(buf.data, "{\"v\":1,\"stream\":\"0000000000000001\",\"seq\":1,\"now\":0,"
                                  "\"up\":0,\"readings\":[]}");
    ph_buf_fini(&buf);
}

static enum ph_err encode(
    uint64_t stream, int64_t seq, int64_t oldest, size_t count, struct ph_buf *buf)
{
    static const char *const readings[PH_LIMIT_MESSAGE_READINGS + 1] = {"{\"t\":1}"};
    const struct ph_message_head head = {
        .stream = stream, .seq = seq, .oldest = oldest, .now_ms = -1, .up_ms = -1};
    return ph_message_encode(&head, readings, count, buf);
}

static void encoding_fails_whole(void **state)
{
    (void)state;
    const struct ph_field bad_name[] = {{"Bad", {.type = PH_VALUE_BOOL}}};
    const struct ph_field bad_text[] = {{"a", {.type = PH_VALUE_TEXT, .text = "\xFF"}}};
    const struct ph_reading first = {.fields = bad_name, .field_count = 1};
    const struct ph_reading second = {.fields = bad_text, .field_count = 1};
    const struct ph_reading both = {.has_time = true, .has_up = true};
    struct ph_buf buf;
    ph_buf_init(&buf, 40);
    assert_int_equal(ph_buf_append_text(&buf, "keep"), PH_OK);
    assert_int_equal(ph_reading_encode(&first, &buf), PH_ERR_INTERNAL);
    assert_int_equal(ph_reading_encode(&second, &buf), PH_ERR_INPUT);
    assert_int_equal(ph_reading_encode(&both, &buf), PH_ERR_INTERNAL);
    assert_int_equal(ph_field_encode(&bad_name[0], &buf), PH_ERR_INTERNAL);
    assert_int_equal(ph_field_encode(&bad_text[0], &buf), PH_ERR_INPUT);
    assert_int_equal(encode(1, 1, 0, 1, &buf), PH_ERR_LIMIT); /* the buffer's */
    assert_int_equal(encode(0, 1, 0, 1, &buf), PH_ERR_INTERNAL);
    assert_int_equal(encode(1, 0, 0, 1, &buf), PH_ERR_INTERNAL);
    assert_int_equal(encode(1, 5, 6, 1, &buf), PH_ERR_INTERNAL);
    assert_int_equal(encode(1, 5, -1, 1, &buf), PH_ERR_INTERNAL);
    ph_buf_fini(&buf);
    ph_buf_init(&buf, 4096);
    assert_int_equal(ph_buf_append_text(&buf, "keep"), PH_OK);
    assert_int_equal(encode(1, PH_LIMIT_SEQ, 0, 2, &buf), PH_ERR_LIMIT);
    assert_int_equal(encode(1, PH_LIMIT_SEQ + 1, 0, 0, &buf), PH_ERR_LIMIT);
    assert_int_equal(encode(1, INT64_MAX, 0, 0, &buf), PH_ERR_LIMIT);
    assert_int_equal(encode(1, 1, 0, PH_LIMIT_MESSAGE_READINGS + 1, &buf), PH_ERR_LIMIT);
    assert_string_equal(buf.data, "keep");
    ph_buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoding_reads_back),
        cmocka_unit_test(encodes_every_head),
        cmocka_unit_test(encoding_fails_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
