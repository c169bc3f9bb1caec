/* [VIEW-3] to [VIEW-6] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "device/fleet/canvas.h"

static void check(struct ph_canvas *canvas, bool redraw, const char *want)
{
    struct ph_buf out;
    ph_buf_init(&out, 100000);
    assert_int_equal(ph_canvas_print(canvas, redraw, &out), PH_OK);
    assert_string_equal(out.len > 0 ? out.data : "", want);
    ph_buf_fini(&out);
    ph_canvas_fini(canvas);
}

static void begin(struct ph_canvas *canvas, size_t columns, size_t rows, bool colour, bool utf8)
{
    ph_canvas_init(canvas, &(struct ph_terminal){columns, rows, colour, utf8});
}

/* [VIEW-3] what is too long ends in a mark, and leaves room for none that follows */
static void test_cut(void **state)
{
    (void)state;
    struct ph_canvas canvas;
    begin(&canvas, 10, 5, false, true);
    ph_canvas_line(&canvas, 0);
    ph_canvas_printf(&canvas, PH_INK_PLAIN, "ten column");
    assert_int_equal(ph_canvas_room(&canvas), 0);
    ph_canvas_line(&canvas, 0);
    ph_canvas_printf(&canvas, PH_INK_PLAIN, "eleven %s", "columns");
    ph_canvas_printf(&canvas, PH_INK_BAD, "more");
    ph_canvas_line(&canvas, 0);
    ph_canvas_left(&canvas, PH_INK_PLAIN, 4, "worker");
    ph_canvas_right(&canvas, PH_INK_PLAIN, 4, "12");
    ph_canvas_printf(&canvas, PH_INK_PLAIN, "!");
    check(&canvas, false, "ten column\neleven co\u2026\nwor\u2026  12!\n");
    begin(&canvas, 6, 5, false, false);
    ph_canvas_line(&canvas, 0);
    ph_canvas_printf(&canvas, PH_INK_PLAIN, "sevenfold");
    check(&canvas, false, "seven~\n");
}

/* [VIEW-4] control bytes are escaped; a character of two columns counts as two and is never cut in
 * half; one whose width terminals do not agree on is replaced */
static void test_hostile(void **state)
{
    (void)state;
    struct ph_canvas canvas;
    begin(&canvas, 60, 9, false, true);
    ph_canvas_line(&canvas, 0);
    ph_canvas_printf(&canvas, PH_INK_PLAIN, "%s", "a\x1b[2Jb\nc\xff\u202e-\u202c");
    ph_canvas_line(&canvas, 0);
    ph_canvas_printf(&canvas, PH_INK_PLAIN, "%s", "stra\u00dfe \u6771\u4eac");
    assert_int_equal(ph_canvas_room(&canvas), 60 - 11);
    ph_canvas_line(&canvas, 0);
    ph_canvas_printf(&canvas, PH_INK_PLAIN, "%s", "e\u0301 \U0001F600 \u200b");
    assert_int_equal(ph_canvas_room(&canvas), 60 - 6);
    ph_canvas_line(&canvas, 0);
    ph_canvas_left(&canvas, PH_INK_PLAIN, 4, "\u6771\u4eac\u6771");
    ph_canvas_printf(&canvas, PH_INK_PLAIN, "|");
    check(&canvas, false,
        "a\\x1b[2Jb\\x0ac\\xff\\xe2\\x80\\xae-\\xe2\\x80\\xac\nstra\u00dfe \u6771\u4eac\ne? ? "
        "?\n\u6771\u2026|\n");
    begin(&canvas, 40, 1, false, false);
    ph_canvas_line(&canvas, 0);
    ph_canvas_printf(&canvas, PH_INK_PLAIN, "%s", "stra\u00dfe");
    check(&canvas, false, "stra?e\n");
}

/* [VIEW-5] the weightiest go first, of equals the lowest; 0 goes last */
static void test_too_many_lines(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int weight;
    } lines[] = {{"head", 0}, {"", 1000}, {"one", 10}, {"two", 10}, {"", 1000}, {"three", 5}};
    static const char *const want[] = {"", "head\n", "head\nthree\n", "head\none\nthree\n",
        "head\none\ntwo\nthree\n", "head\n\none\ntwo\nthree\n", "head\n\none\ntwo\n\nthree\n"};
    for (size_t rows = 0; rows < sizeof want / sizeof want[0]; rows++) {
        struct ph_canvas canvas;
        begin(&canvas, 20, rows, false, true);
        for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
            ph_canvas_line(&canvas, lines[i].weight);
            ph_canvas_printf(&canvas, PH_INK_PLAIN, "%s", lines[i].text);
        }
        check(&canvas, false, want[rows]);
    }
}

/* [VIEW-5] more lines than a canvas holds */
static void test_line_limit(void **state)
{
    (void)state;
    struct ph_canvas canvas;
    begin(&canvas, 20, 3, false, true);
    for (int i = 0; i < PH_CANVAS_LINES + 5; i++) {
        ph_canvas_line(&canvas, i == 0 || i >= PH_CANVAS_LINES - 2 ? 0 : 1);
        ph_canvas_printf(&canvas, PH_INK_PLAIN, "%d", i);
    }
    check(&canvas, false, "0\n126\n127\n");
}

/* [VIEW-6] nothing is erased behind a full line: the cursor still stands on its last character */
static void test_redraw(void **state)
{
    (void)state;
    struct ph_canvas canvas;
    for (size_t rows = 2; rows <= 3; rows++) {
        begin(&canvas, 4, rows, false, true);
        ph_canvas_line(&canvas, 0);
        ph_canvas_printf(&canvas, PH_INK_PLAIN, "full");
        ph_canvas_line(&canvas, 0);
        ph_canvas_printf(&canvas, PH_INK_PLAIN, "no");
        check(&canvas, true,
            rows == 2 ? "\x1b[Hfull\r\nno\x1b[K" : "\x1b[Hfull\r\nno\x1b[K\r\n\x1b[J");
    }
}

/* [VIEW-7] colours only where they were asked for and the terminal takes them */
static void test_colour(void **state)
{
    (void)state;
    for (int colour = 0; colour < 2; colour++) {
        struct ph_canvas canvas;
        begin(&canvas, 10, 3, colour, true);
        ph_canvas_line(&canvas, 0);
        ph_canvas_printf(&canvas, PH_INK_PLAIN, "so ");
        ph_canvas_printf(&canvas, PH_INK_BAD, "bad it is");
        check(&canvas, false, colour ? "so \x1b[31mbad it\u2026\x1b[0m\n" : "so bad it\u2026\n");
    }
}

/* [VIEW-8] */
static void test_bars(void **state)
{
    (void)state;
    static const struct {
        double share;
        const char *utf8;
        const char *ascii;
    } rows[] = {
        {-1, "\u2591\u2591\u2591\u2591", "...."},
        {0, "\u2591\u2591\u2591\u2591", "...."},
        {0.5, "\u2588\u2588\u2591\u2591", "##.."},
        {0.65625, "\u2588\u2588\u258b\u2591", "###."}, /* 21 of 32 eighths */
        {1, "\u2588\u2588\u2588\u2588", "####"},
        {7, "\u2588\u2588\u2588\u2588", "####"},
    };
    for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
        struct ph_canvas canvas;
        bool utf8 = i % 2 == 0;
        char want[32];
        begin(&canvas, 20, 3, false, utf8);
        ph_canvas_line(&canvas, 0);
        ph_canvas_bar(&canvas, PH_INK_GOOD, 4, rows[i / 2].share);
        (void)snprintf(want, sizeof want, "%s\n", utf8 ? rows[i / 2].utf8 : rows[i / 2].ascii);
        check(&canvas, false, want);
    }
}

/* [VIEW-8] the smallest value above 0 is seen, 0 is not; a column is filled from below */
static void test_charts(void **state)
{
    (void)state;
    static const double values[] = {0, 0.001, 4, 8, 12, 16, -3};
    struct ph_canvas canvas;
    begin(&canvas, 20, 3, false, true);
    for (size_t row = 0; row < 2; row++) {
        ph_canvas_line(&canvas, 0);
        ph_canvas_chart(&canvas, values, 7, 16, row, 2);
    }
    check(&canvas, false, "    \u2584\u2588 \n \u2581\u2584\u2588\u2588\u2588 \n");
    begin(&canvas, 5, 3, false, false);
    ph_canvas_line(&canvas, 0);
    ph_canvas_chart(&canvas, values, 7, 16, 0, 1);
    check(&canvas, false, " _.:+\n");
    begin(&canvas, 5, 3, false, false);
    ph_canvas_line(&canvas, 0);
    ph_canvas_chart(&canvas, values, 1, 0, 0, 1);
    check(&canvas, false, " \n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_too_many_lines),
        cmocka_unit_test(test_line_limit),
        cmocka_unit_test(test_redraw),
        cmocka_unit_test(test_colour),
        cmocka_unit_test(test_bars),
        cmocka_unit_test(test_charts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
