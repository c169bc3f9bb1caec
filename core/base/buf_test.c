/* ph.base.buf: a buffer that never exceeds its maximum. */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void grows_to_its_maximum_and_no_further(void **state)
{
    (void)state;
    struct ph_buf buf;
    ph_buf_init(&buf, 200);
    assert_null(buf.data);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(ph_buf_append(&buf, "x", 1), PH_OK);
        assert_int_equal(buf.data[buf.len], '\0');
    }
    assert_int_equal(buf.len, 200);
    assert_int_equal(ph_buf_append(&buf, "y", 1), PH_ERR_LIMIT);
    assert_int_equal(ph_buf_append_text(&buf, "y"), PH_ERR_LIMIT);
    assert_int_equal(ph_buf_printf(&buf, "%d", 1), PH_ERR_LIMIT);
    assert_int_equal(buf.len, 200);
    assert_null(strchr(buf.data, 'y'));
    assert_int_equal(ph_buf_append(&buf, "", 0), PH_OK);
    ph_buf_fini(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.max, 200);
    ph_buf_fini(&buf);
}

static void appends_text_and_formats(void **state)
{
    (void)state;
    struct ph_buf buf;
    ph_buf_init(&buf, 100);
    assert_int_equal(ph_buf_append_text(&buf, "a"), PH_OK);
    assert_int_equal(ph_buf_printf(&buf, "-%03d-%s", 7, "b"), PH_OK);
    assert_string_equal(buf.data, "a-007-b");
    ph_buf_reset(&buf);
    assert_int_equal(buf.len, 0);
    assert_string_equal(buf.data, "");
    ph_buf_fini(&buf);
}

static void truncate_cuts_and_clears(void **state)
{
    (void)state;
    struct ph_buf buf;
    ph_buf_init(&buf, 100);
    ph_buf_truncate(&buf, 0);
    assert_int_equal(ph_buf_append_text(&buf, "keep-secret"), PH_OK);
    ph_buf_truncate(&buf, 50);
    assert_int_equal(buf.len, 11);
    ph_buf_truncate(&buf, 5);
    assert_string_equal(buf.data, "keep-");
    for (size_t i = 5; i < 11; i++) {
        assert_int_equal(buf.data[i], '\0');
    }
    ph_buf_fini(&buf);
}

static void absurd_lengths_are_refused(void **state)
{
    (void)state;
    struct ph_buf buf;
    ph_buf_init(&buf, SIZE_MAX);
    assert_int_equal(ph_buf_append(&buf, "", SIZE_MAX), PH_ERR_MEMORY);
    assert_int_equal(ph_buf_append(&buf, "", SIZE_MAX / 2 + 1), PH_ERR_MEMORY);
    assert_null(buf.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_to_its_maximum_and_no_further),
        cmocka_unit_test(appends_text_and_formats),
        cmocka_unit_test(truncate_cuts_and_clears),
        cmocka_unit_test(absurd_lengths_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
