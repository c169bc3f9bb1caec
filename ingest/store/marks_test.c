#include "ingest/testing.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "ingest/store/marks.h"

static void print(const struct ph_marks *marks, struct ph_buf *buf)
{
    ph_buf_reset(buf);
    assert_int_equal(ph_buf_printf(buf, "%lld|", (long long)marks->through), PH_OK);
    assert_int_equal(ph_marks_print(marks, buf), PH_OK);
}

static void add(struct ph_marks *marks, int64_t first, int64_t last)
{
    assert_int_equal(ph_marks_add(marks, first, last, NULL), PH_OK);
}

/* [ING-10] */
static void ranges_join_and_close_gaps(void **state)
{
    static const struct {
        int64_t first, last;
        const char *then;
    } steps[] = {
        {5, 6, "0|5-6"},
        {10, 12, "0|5-6 10-12"},
        {8, 8, "0|5-6 8-8 10-12"},
        {9, 9, "0|5-6 8-12"},
        {8, 12, "0|5-6 8-12"},
        {7, 7, "0|5-12"},
        {20, 30, "0|5-12 20-30"},
        {15, 25, "0|5-12 15-30"},
        {1, 1, "1|5-12 15-30"},
        {1, 1, "1|5-12 15-30"},
        {2, 4, "12|15-30"},
        {10, 40, "40|"},
        {1, 40, "40|"},
        {PH_LIMIT_SEQ, PH_LIMIT_SEQ, "40|9007199254740991-9007199254740991"},
        {41, PH_LIMIT_SEQ, "9007199254740991|"},
    };
    struct ph_marks marks = {0};
    struct ph_buf buf;
    (void)state;
    ph_buf_init(&buf, 4096);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        add(&marks, steps[i].first, steps[i].last);
        print(&marks, &buf);
        assert_string_equal(buf.data, steps[i].then);
    }
    ph_buf_fini(&buf);
    ph_marks_fini(&marks);
}

static void has_and_find(void **state)
{
    struct ph_marks marks = {0};
    (void)state;
    add(&marks, 1, 3);
    add(&marks, 6, 8);
    static const struct {
        int64_t seq;
        bool has;
    } cases[] = {{1, true}, {3, true}, {4, false}, {5, false}, {6, true}, {8, true}, {9, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(ph_marks_has(&marks, cases[i].seq), cases[i].has);
    }
    assert_int_equal(ph_marks_find(&marks, 7)->first, 6);
    assert_null(ph_marks_find(&marks, 9));
    ph_marks_fini(&marks);
}

/* Against a plain array of booleans, with a fixed series. */
static void agrees_with_a_simple_model(void **state)
{
    enum { TOP = 400 };
    bool model[TOP + 2] = {false};
    struct ph_marks marks = {0};
    uint32_t random = 1;
    (void)state;
    for (int i = 0; i < 2000; i++) {
        random = random * 1103515245U + 12345U;
        int64_t first = 1 + (int64_t)((random >> 16) % TOP);
        random = random * 1103515245U + 12345U;
        int64_t last = first + (int64_t)((random >> 16) % 4);
        last = last > TOP ? TOP : last;
        add(&marks, first, last);
        for (int64_t seq = first; seq <= last; seq++) {
            model[seq] = true;
        }
        for (int64_t seq = 1; seq <= TOP; seq++) {
            assert_int_equal(ph_marks_has(&marks, seq), model[seq]);
        }
    }
    ph_marks_fini(&marks);
}

/* [ING-13] */
static void gaps_are_bounded(void **state)
{
    struct ph_marks marks = {0};
    struct ph_error error = {0};
    (void)state;
    for (int64_t i = 0; i < PH_MARKS_GAPS_MAX; i++) {
        assert_true(ph_marks_fits(&marks, 3 + 2 * i, 3 + 2 * i));
        add(&marks, 3 + 2 * i, 3 + 2 * i);
    }
    int64_t next = 3 + 2 * PH_MARKS_GAPS_MAX;
    assert_false(ph_marks_fits(&marks, next, next));
    assert_int_equal(ph_marks_add(&marks, next, next, &error), PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "gaps: want at most 4096"));
    assert_true(ph_marks_fits(&marks, next - 1, next)); /* joins the last range */
    add(&marks, next - 1, next);
    assert_true(ph_marks_fits(&marks, 1, 1));
    add(&marks, 1, 2);
    assert_int_equal(marks.count, PH_MARKS_GAPS_MAX - 1);
    ph_marks_fini(&marks);
}

static void text_comes_back(void **state)
{
    struct ph_marks marks = {0};
    struct ph_buf buf;
    (void)state;
    ph_buf_init(&buf, 4096);
    assert_int_equal(ph_marks_parse(&marks, 7, "9-12 20-20", NULL), PH_OK);
    print(&marks, &buf);
    assert_string_equal(buf.data, "7|9-12 20-20");
    assert_int_equal(ph_marks_parse(&marks, 3, "", NULL), PH_OK);
    print(&marks, &buf);
    assert_string_equal(buf.data, "3|");
    ph_buf_fini(&buf);
    ph_marks_fini(&marks);
}

static void malformed_text_is_refused(void **state)
{
    static const char *const bad[] = {"x", "5", "5-", "-5", "8-5", "5-6 7-8", "10-12 5-6", "4-5",
        "5-6x", "5-99999999999999999999", "5-6  8-9"};
    struct ph_marks marks = {.through = 3};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ph_error error = {0};
        assert_int_equal(ph_marks_parse(&marks, 3, bad[i], &error), PH_ERR_INPUT);
        assert_non_null(strstr(error.message, "malformed in the store"));
        assert_int_equal(marks.through, 3);
    }
    ph_marks_fini(&marks);
}

static void hostile_through_is_refused(void **state)
{
    static const int64_t bad[] = {INT64_MIN, -2, PH_LIMIT_SEQ + 1, INT64_MAX};
    struct ph_marks marks = {.through = 3};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ph_error error = {0};
        assert_int_equal(ph_marks_parse(&marks, bad[i], "", &error), PH_ERR_INPUT);
        assert_string_equal(error.message, "stream: through: malformed in the store");
        assert_true(marks.through == 3);
    }
    ph_marks_fini(&marks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_join_and_close_gaps),
        cmocka_unit_test(has_and_find),
        cmocka_unit_test(agrees_with_a_simple_model),
        cmocka_unit_test(gaps_are_bounded),
        cmocka_unit_test(text_comes_back),
        cmocka_unit_test(malformed_text_is_refused),
        cmocka_unit_test(hostile_through_is_refused),
    };
    return cmocka_run_group_tests_name("ph.ingest.marks", tests, NULL, NULL);
}
