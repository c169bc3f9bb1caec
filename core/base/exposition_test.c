#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/exposition.h"

/* [MET-1] */
static void families_are_well_formed(void **state)
{
    (void)state;
    struct ph_buf text;
    ph_buf_init(&text, 4096);
    struct ph_exposition out = {.buf = &text};
    ph_exposition_single(&out, "a_total", "counter", "What a is.", UINT64_MAX);
    ph_exposition_single_ms(&out, "b_seconds", "gauge", "What b is.", -1500);
    ph_exposition_head(&out, "c", "gauge", "What c is.");
    ph_exposition_series(&out, "c", "key", "one");
    ph_exposition_ns(&out, UINT64_C(1000000002));
    ph_exposition_text(&out, "\n");
    ph_exposition_row(&out, "c", "key", "two", 2);
    assert_int_equal(out.err, PH_OK);
    assert_string_equal(text.data, "# HELP a_total What a is.\n# TYPE a_total counter\n"
                                   "a_total 18446744073709551615\n"
                                   "# HELP b_seconds What b is.\n# TYPE b_seconds gauge\n"
                                   "b_seconds -1.500\n"
                                   "# HELP c What c is.\n# TYPE c gauge\n"
                                   "c{key=\"one\"} 1.000000002\n"
                                   "c{key=\"two\"} 2\n");
    ph_buf_fini(&text);
}

/* [MET-9] */
static void labels_are_escaped(void **state)
{
    (void)state;
    struct ph_buf text;
    ph_buf_init(&text, 4096);
    struct ph_exposition out = {.buf = &text};
    ph_exposition_label(&out, "k", "a\"b\\c\nd");
    assert_int_equal(out.err, PH_OK);
    assert_string_equal(text.data, "k=\"a\\\"b\\\\c\\\\x0ad\"");
    ph_buf_fini(&text);
}

/* [MET-1] The first error sticks: a text that does not fit is none. */
static void the_first_error_sticks(void **state)
{
    (void)state;
    struct ph_buf text;
    ph_buf_init(&text, 10);
    struct ph_exposition out = {.buf = &text};
    ph_exposition_text(&out, "12345678");
    ph_exposition_text(&out, "9abc");
    ph_exposition_text(&out, "9");
    assert_int_equal(out.err, PH_ERR_LIMIT);
    assert_string_equal(text.data, "12345678");
    ph_buf_fini(&text);
}

/* [MET-1] [MET-10] A collector under another user reads it; an error leaves what is there. */
static void files_are_whole(void **state)
{
    (void)state;
    char dir[] = "/tmp/ph-exposition.XXXXXX";
    char path[64];
    struct stat info;
    struct ph_buf text;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/x.prom", dir);
    struct ph_exposition_file file = {.path = path};
    ph_buf_init(&text, 64);
    struct ph_exposition out = {.buf = &text};
    ph_exposition_text(&out, "a 1\n");
    assert_true(ph_exposition_file_is_due(&file, 5));
    ph_exposition_file_write(&file, &out, 5);
    assert_false(ph_exposition_file_is_due(&file, PH_EXPOSITION_EVERY_MS));
    assert_true(ph_exposition_file_is_due(&file, PH_EXPOSITION_EVERY_MS + 5));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0644);
    assert_int_equal(info.st_size, 4);
    assert_false(file.failing);
    ph_exposition_text(&out, "b 2\n");
    out.err = PH_ERR_LIMIT;
    ph_exposition_file_write(&file, &out, 5);
    assert_true(file.failing);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, 4);
    out.err = PH_OK;
    ph_exposition_file_write(&file, &out, 5);
    assert_false(file.failing);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
    ph_exposition_file_write(&file, &out, 5);
    assert_true(file.failing);
    ph_buf_fini(&text);
}

static void no_file_is_never_due(void **state)
{
    (void)state;
    const struct ph_exposition_file file = {0};
    assert_false(ph_exposition_file_is_due(&file, INT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_are_well_formed),
        cmocka_unit_test(labels_are_escaped),
        cmocka_unit_test(the_first_error_sticks),
        cmocka_unit_test(files_are_whole),
        cmocka_unit_test(no_file_is_never_due),
    };
    return cmocka_run_group_tests_name("ph.base.exposition", tests, NULL, NULL);
}
