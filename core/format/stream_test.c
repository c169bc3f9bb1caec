/* ph.format.stream: one spelling for the name of a stream. */
#include "format/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* [MSG-11] */
static void one_spelling(void **state)
{
    (void)state;
    char text[PH_STREAM_BYTES];
    uint64_t stream = 0;
    ph_stream_print(text, 0xab);
    assert_string_equal(text, "00000000000000ab");
    assert_true(ph_stream_parse(text, &stream));
    assert_int_equal(stream, 0xab);
    assert_true(ph_stream_parse("ffffffffffffffff", &stream));
    assert_true(stream == UINT64_MAX);
    static const char *const bad[] = {"", "0000000000000000", "00000000000000AB", "ab",
        "000000000000000ab", "0x000000000000ab", "00000000000000a "};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(ph_stream_parse(bad[i], &stream));
        assert_true(stream == UINT64_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
