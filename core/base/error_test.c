/* ph.base.error: one sentence, recorded once, on one line. */
#include "base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void records_the_first_error_only(void **state)
{
    (void)state;
    struct ph_error error = {0};
    assert_int_equal(ph_error_set(&error, PH_ERR_INPUT, "%s: want %d", "thing", 7), PH_ERR_INPUT);
    assert_int_equal(ph_error_set(&error, PH_ERR_IO, "later"), PH_ERR_IO);
    assert_int_equal(error.code, PH_ERR_INPUT);
    assert_string_equal(error.message, "thing: want 7");
    ph_error_clear(&error);
    assert_int_equal(error.code, PH_OK);
    assert_string_equal(error.message, "");
}

static void null_record_is_allowed(void **state)
{
    (void)state;
    assert_int_equal(ph_error_set(NULL, PH_ERR_INPUT, "x"), PH_ERR_INPUT);
    assert_int_equal(ph_error_set_errno(NULL, ENOENT, "x"), PH_ERR_NOT_FOUND);
    assert_int_equal(ph_error_prefix(NULL, PH_ERR_BUSY, "x"), PH_ERR_BUSY);
    ph_error_clear(NULL);
}

/* [EXIT-4] */
static void hostile_text_stays_on_one_line(void **state)
{
    (void)state;
    struct ph_error error = {0};
    (void)ph_error_set(&error, PH_ERR_INPUT, "topic \"%s\": bad", "a\nlevel=error\r\x1b[2J\xff");
    assert_string_equal(error.message, "topic \"a\\x0alevel=error\\x0d\\x1b[2J\\xff\": bad");
    assert_int_equal(ph_error_prefix(&error, PH_ERR_IO, "file\n%d", 1), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "file\\x0a1: topic"));
    assert_null(strchr(error.message, '\n'));
}

static void long_text_is_cut_not_overrun(void **state)
{
    (void)state;
    char text[4000];
    memset(text, '\n', sizeof text);
    text[sizeof text - 1] = '\0';
    struct ph_error error = {0};
    (void)ph_error_set(&error, PH_ERR_INPUT, "%s", text);
    assert_true(strlen(error.message) < PH_ERROR_MESSAGE_BYTES);
    assert_int_equal(strlen(error.message) % 4, 0); /* whole \x0a only */
    for (int i = 0; i < 10; i++) {
        (void)ph_error_prefix(&error, PH_ERR_IO, "%s", text);
    }
    assert_true(strlen(error.message) < PH_ERROR_MESSAGE_BYTES);
    ph_error_clear(&error);
    (void)ph_error_set_errno(&error, ENOSPC, "%s", text);
    assert_true(strlen(error.message) < PH_ERROR_MESSAGE_BYTES);
}

static void errno_chooses_the_code(void **state)
{
    (void)state;
    static const struct {
        int errnum;
        enum ph_err code;
    } cases[] = {
        {EACCES, PH_ERR_PERMISSION},
        {EPERM, PH_ERR_PERMISSION},
        {EROFS, PH_ERR_PERMISSION},
        {ENOENT, PH_ERR_NOT_FOUND},
        {EEXIST, PH_ERR_EXISTS},
        {ENOMEM, PH_ERR_MEMORY},
        {ENOSPC, PH_ERR_IO},
        {EIO, PH_ERR_IO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_error error = {0};
        assert_int_equal(ph_error_set_errno(&error, cases[i].errnum, "f: open"), cases[i].code);
        assert_memory_equal(error.message, "f: open: ", 9);
        assert_true(strlen(error.message) > 9);
    }
}

/* [EXIT-2] */
static void every_code_has_a_name_and_a_status(void **state)
{
    (void)state;
    assert_int_equal(ph_err_exit_status(PH_OK), 0);
    for (int code = PH_ERR_USAGE; code <= PH_ERR_INTERNAL; code++) {
        int status = ph_err_exit_status((enum ph_err)code);
        assert_true(code == PH_ERR_FAULT ? status == 1 : status >= 64 && status <= 78);
        assert_string_not_equal(ph_err_name((enum ph_err)code), "unknown");
    }
    assert_int_equal(ph_err_exit_status(PH_ERR_USAGE), 64);
    assert_int_equal(ph_err_exit_status(PH_ERR_CONFIG), 78);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_the_first_error_only),
        cmocka_unit_test(null_record_is_allowed),
        cmocka_unit_test(hostile_text_stays_on_one_line),
        cmocka_unit_test(long_text_is_cut_not_overrun),
        cmocka_unit_test(errno_chooses_the_code),
        cmocka_unit_test(every_code_has_a_name_and_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
