/* ph.fleet.html: text that is escaped, numbers, and long tables made short. */
#include "device/fleet/html.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "device/fleet/html_parts.h"
#include "device/fleet/html_testbed.h"

/* [HTML-3] */
static void text_from_outside_stays_text(void **state)
{
    (void)state;
    struct ph_html html;
    ph_html_init(&html, 1000);
    ph_html_raw(&html, "<p title=\"");
    ph_html_text(&html, "\"><script>alert('1 & 2')</script>\n\x1b[2J\xff");
    ph_html_raw(&html, "\">\xc3\xa9</p>");
    assert_int_equal(html.err, PH_OK);
    assert_string_equal(html.buf.data,
        "<p title=\"&quot;&gt;&lt;script&gt;alert(&#39;1 &amp; 2&#39;)&lt;/script&gt;"
        "\\x0a\\x1b[2J\\xff\">\xc3\xa9</p>");
    assert_null(markup_fault(html.buf.data));
    ph_html_fini(&html);
}

/* [HTML-3] */
static void lines_stay_lines(void **state)
{
    (void)state;
    struct ph_html html;
    ph_html_init(&html, 1000);
    ph_html_lines(&html, "a: <1>\n\tb: 2\n");
    assert_string_equal(html.buf.data, "a: &lt;1&gt;\n\\x09b: 2\n");
    ph_html_fini(&html);
}

static void the_first_error_stays(void **state)
{
    (void)state;
    struct ph_html html;
    ph_html_init(&html, 10);
    ph_html_format(&html, "%s", "12345");
    ph_html_text(&html, "678901");
    ph_html_raw(&html, "x");
    assert_int_equal(html.err, PH_ERR_LIMIT);
    assert_string_equal(html.buf.data, "12345");
    ph_html_fini(&html);
}

/* [HTML-6] */
static void times_have_three_digits_that_count(void **state)
{
    (void)state;
    assert_string_equal(ph_html_us(1).text, "1 \xc2\xb5s");
    assert_string_equal(ph_html_us(999.4).text, "999 \xc2\xb5s");
    assert_string_equal(ph_html_us(999.6).text, "1 ms");
    assert_string_equal(ph_html_us(12345).text, "12.3 ms");
    assert_string_equal(ph_html_us(4560000).text, "4.56 s");
    assert_string_equal(ph_html_us(1230000000).text, "1,230 s");
    assert_string_equal(ph_html_length(0).text, "0 s");
    assert_string_equal(ph_html_length(52340).text, "52.3 s");
    assert_string_equal(ph_html_length(605000).text, "10 min 5 s");
    assert_string_equal(ph_html_length(86400000 + 61000).text, "24 h 1 min 1 s");
}

enum { COLUMNS = 4, KEPT = 600 };
#define ROWS ((size_t)86400)

static double table[COLUMNS * ROWS];

static void fill_table(void)
{
    for (size_t i = 0; i < ROWS; i++) {
        table[i] = (double)i;
        table[ROWS + i] = 100 + (double)(i % 7);
        table[2 * ROWS + i] = (double)i;
        table[3 * ROWS + i] = i >= 30000 && i < 50000 ? NAN : 5;
    }
    table[ROWS + 40001] = 9999;
    table[ROWS + 40002] = -5;
}

/* [HTML-8] */
static void a_day_becomes_hundreds_of_points_and_keeps_every_peak(void **state)
{
    (void)state;
    fill_table();
    size_t rows = ph_html_thin(table, COLUMNS, ROWS, KEPT);
    assert_in_range(rows, KEPT / 4, KEPT);
    assert_true(table[0] < 0.5 && table[rows - 1] > (double)ROWS - 1.5);
    size_t peaks = 0;
    size_t gaps = 0;
    for (size_t i = 0; i < rows; i++) {
        size_t at = (size_t)table[i];
        assert_true(i == 0 || table[i] > table[i - 1]);
        assert_true((size_t)table[2 * ROWS + i] == at);
        assert_int_equal(isnan(table[3 * ROWS + i]) != 0, at >= 30000 && at < 50000);
        peaks += at == 40001 && table[ROWS + i] > 9998 ? 1 : 0;
        peaks += at == 40002 && table[ROWS + i] < -4 ? 1 : 0;
        gaps += isnan(table[3 * ROWS + i]) ? 1 : 0;
    }
    assert_int_equal(peaks, 2);
    assert_true(gaps > rows / 10);
}

/* [HTML-8] */
static void what_is_short_is_left_alone(void **state)
{
    (void)state;
    fill_table();
    double few[] = {1, 2, 3, 7, NAN, 9};
    assert_int_equal(ph_html_thin(few, 2, 3, 3), 3);
    assert_true(few[2] > 2.5 && isnan(few[4]));
    assert_int_equal(ph_html_thin(table, COLUMNS, 0, KEPT), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_from_outside_stays_text),
        cmocka_unit_test(lines_stay_lines),
        cmocka_unit_test(the_first_error_stays),
        cmocka_unit_test(times_have_three_digits_that_count),
        cmocka_unit_test(a_day_becomes_hundreds_of_points_and_keeps_every_peak),
        cmocka_unit_test(what_is_short_is_left_alone),
    };
    return cmocka_run_group_tests_name("ph.fleet.html", tests, NULL, NULL);
}
