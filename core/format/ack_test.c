/* ph.format.ack: docs/spec/message.md, the acknowledgement. */
#include "format/ack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "{\"v\":1,\"stream\":\"9f2c1e4b7a3d5c60\",\"through\":"

/* [MSG-20] [MSG-21] [MSG-23] */
static void reads_and_writes_the_same(void **state)
{
    (void)state;
    static const char *const texts[] = {
        HEAD "1042}",
        HEAD "0}",
        HEAD "1042,\"also\":[[1050,1060]]}",
        HEAD "1042,\"asked\":9007199254740991}",
        HEAD "1042,\"also\":[[1050,1060]],\"asked\":1}",
        HEAD "0,\"also\":[[1,1],[2,3],[9007199254740991,9007199254740991]]}",
    };
    struct ph_buf buf;
    ph_buf_init(&buf, 4096);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct ph_ack ack;
        assert_int_equal(ph_ack_parse(texts[i], strlen(texts[i]), &ack, NULL), PH_OK);
        assert_true(ack.stream == UINT64_C(0x9f2c1e4b7a3d5c60));
        ph_buf_reset(&buf);
        assert_int_equal(ph_ack_encode(&ack, &buf), PH_OK);
        assert_string_equal(buf.data, texts[i]);
    }
    ph_buf_fini(&buf);
}

/* [MSG-20] to [MSG-23] */
static void refuses_with_the_rule(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"[]", "ack: want an object"},
        {"{}", "ack: v: missing"},
        {"{\"v\":1,\"stream\":\"9f2c1e4b7a3d5c60\"}", "ack: through: missing"},
        {"{\"v\":1,\"through\":1}", "ack: stream: missing"},
        {"{\"v\":2,\"stream\":\"9f2c1e4b7a3d5c60\",\"through\":1}", "ack: v: want 1"},
        {"{\"v\":1,\"stream\":\"9f2\",\"through\":1}", "ack: stream: want 16 lower-case"},
        {"{\"v\":1,\"stream\":9,\"through\":1}", "ack: stream: want 16 lower-case"},
        {HEAD "-1}", "ack: through: want 0 to 9007199254740991"},
        {HEAD "9007199254740992}", "ack: through: want 0 to"},
        {HEAD "1.5}", "ack: through: want 0 to"},
        {HEAD "1,\"asked\":0}", "ack: asked: want 1 to 9007199254740991"},
        {HEAD "1,\"more\":1}", "ack: unknown member \"more\""},
        {HEAD "1,\"also\":7}", "ack: also: want an array"},
        {HEAD "1,\"also\":[7]}", "ack: also: range 1: want [first,last]"},
        {HEAD "1,\"also\":[[3]]}", "range 1: want [first,last]"},
        {HEAD "1,\"also\":[[3,4,5]]}", "range 1: want [first,last]"},
        {HEAD "1,\"also\":[[3,\"4\"]]}", "range 1: want [first,last]"},
        {HEAD "1,\"also\":[[5,4]]}", "range 1: want ascending ranges"},
        {HEAD "5,\"also\":[[5,6]]}", "range 1: want ascending ranges beyond \"through\""},
        {HEAD "1,\"also\":[[3,4],[4,6]]}", "range 2: want ascending ranges"},
        {HEAD "1,\"also\":[[8,9],[3,4]]}", "range 2: want ascending ranges"},
        {HEAD "1}x", "json: byte 47: bytes after the document"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_ack ack;
        struct ph_error error = {0};
        assert_int_equal(
            ph_ack_parse(cases[i].text, strlen(cases[i].text), &ack, &error), PH_ERR_INPUT);
        if (strstr(error.message, cases[i].message) == NULL) {
            fail_msg("%s: %s", cases[i].text, error.message);
        }
    }
}

/* [MSG-22] */
static void ranges_are_bounded(void **state)
{
    (void)state;
    char text[4096];
    struct ph_ack ack;
    for (int count = PH_LIMIT_ACK_RANGES; count <= PH_LIMIT_ACK_RANGES + 1; count++) {
        int len = sprintf(text, HEAD "0,\"also\":[");
        for (int i = 0; i < count; i++) {
            len += sprintf(text + len, "%s[%d,%d]", i > 0 ? "," : "", 10 * i + 2, 10 * i + 5);
        }
        len += sprintf(text + len, "]}");
        struct ph_error error = {0};
        enum ph_err err = ph_ack_parse(text, (size_t)len, &ack, &error);
        if (count == PH_LIMIT_ACK_RANGES) {
            assert_int_equal(err, PH_OK);
            assert_int_equal(ack.also_count, PH_LIMIT_ACK_RANGES);
            assert_int_equal(ack.also[63].last, 635);
        } else {
            assert_int_equal(err, PH_ERR_LIMIT);
            assert_non_null(strstr(error.message, "ack: also: want at most 64 ranges"));
        }
    }
}

static void unsound_acks_are_not_written(void **state)
{
    (void)state;
    static struct ph_ack acks[] = {
        {.stream = 0, .through = 1},
        {.stream = 1, .through = -1},
        {.stream = 1, .through = 5, .also = {{5, 6}}, .also_count = 1},
        {.stream = 1, .through = 5, .asked = -1},
        {.stream = 1, .through = 5, .also_count = PH_LIMIT_ACK_RANGES + 1},
    };
    struct ph_buf buf;
    ph_buf_init(&buf, 60);
    assert_int_equal(ph_buf_append_text(&buf, "keep"), PH_OK);
    for (size_t i = 0; i < sizeof acks / sizeof acks[0]; i++) {
        assert_int_equal(ph_ack_encode(&acks[i], &buf), PH_ERR_INTERNAL);
    }
    const struct ph_ack wide = {.stream = 1, .through = 5, .also = {{7, 8}}, .also_count = 1};
    assert_int_equal(ph_ack_encode(&wide, &buf), PH_ERR_LIMIT);
    assert_string_equal(buf.data, "keep");
    ph_buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes_the_same),
        cmocka_unit_test(refuses_with_the_rule),
        cmocka_unit_test(ranges_are_bounded),
        cmocka_unit_test(unsound_acks_are_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
