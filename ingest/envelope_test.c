#include "ingest/testing.h"

#include <string.h>

#include "ingest/envelope.h"

/* [ING-21] */
static void broken_messages_that_can_be_acknowledged(void **state)
{
    static const struct {
        const char *text;
        int64_t first, last;
    } cases[] = {
        {"{\"v\":1,\"stream\":\"00000000000000aa\",\"seq\":5,\"readings\":[{}]}", 5, 5},
        {"{\"v\":1,\"stream\":\"00000000000000aa\",\"seq\":5,\"readings\":[1,\"x\",null]}", 5, 7},
        {"{\"v\":1,\"stream\":\"00000000000000aa\",\"seq\":9007199254740991,\"readings\":[{}],"
         "\"more\":1}",
            INT64_C(9007199254740991), INT64_C(9007199254740991)},
        {"{\"v\":1,\"stream\":\"00000000000000aa\",\"seq\":5,\"oldest\":6,\"now\":-1,\"up\":\"x\","
         "\"readings\":[{\"up\":1},{\"t\":1,\"up\":1}]}",
            5, 6},
        {"{\"now\":1,\"up\":2,\"oldest\":3,\"readings\":[{}],\"seq\":7,\"stream\":"
         "\"00000000000000aa\",\"v\":1}",
            7, 7},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_envelope envelope = {0};
        assert_true(ph_envelope_peek(cases[i].text, strlen(cases[i].text), &envelope));
        assert_int_equal(envelope.stream, 0xaa);
        assert_int_equal(envelope.first, cases[i].first);
        assert_int_equal(envelope.last, cases[i].last);
    }
}

/* [ING-22] */
static void messages_that_cannot(void **state)
{
    static const char *const cases[] = {
        "",
        "x",
        "[]",
        "{}",
        "{\"v\":2,\"stream\":\"00000000000000aa\",\"seq\":5,\"readings\":[{}]}",
        "{\"v\":\"1\",\"stream\":\"00000000000000aa\",\"seq\":5,\"readings\":[{}]}",
        "{\"v\":1,\"stream\":\"AA\",\"seq\":5,\"readings\":[{}]}",
        "{\"v\":1,\"stream\":7,\"seq\":5,\"readings\":[{}]}",
        "{\"v\":1,\"stream\":\"00000000000000aa\",\"seq\":0,\"readings\":[{}]}",
        "{\"v\":1,\"stream\":\"00000000000000aa\",\"seq\":1.5,\"readings\":[{}]}",
        "{\"v\":1,\"stream\":\"00000000000000aa\",\"seq\":5,\"readings\":[]}",
        "{\"v\":1,\"stream\":\"00000000000000aa\",\"seq\":5,\"oldest\":9,\"readings\":[]}",
        "{\"v\":1,\"stream\":\"00000000000000aa\",\"seq\":5,\"readings\":{}}",
        "{\"v\":1,\"stream\":\"00000000000000aa\",\"seq\":9007199254740991,\"readings\":[{},{}]}",
        "{\"v\":1,\"stream\":\"00000000000000aa\",\"seq\":5,\"readings\":[{}]} x",
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_envelope envelope = {0};
        assert_false(ph_envelope_peek(cases[i], strlen(cases[i]), &envelope));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_messages_that_can_be_acknowledged),
        cmocka_unit_test(messages_that_cannot),
    };
    return cmocka_run_group_tests_name("ph.ingest.envelope", tests, NULL, NULL);
}
