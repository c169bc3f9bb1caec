/* ph.fleet.svg: what is drawn where. */
#include "device/fleet/svg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "device/fleet/html_testbed.h"
#include "device/fleet/svg_axis.h"

static struct ph_html html;

static const char *drawn(const struct ph_svg_plot *plot)
{
    ph_html_fini(&html);
    ph_html_init(&html, 1 << 20);
    ph_svg_plot(&html, plot);
    assert_int_equal(html.err, PH_OK);
    assert_null(markup_fault(html.buf.data));
    return html.buf.data;
}

static int forget(void **state)
{
    (void)state;
    ph_html_fini(&html);
    return 0;
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("no %s in %s", part, text);
    }
}

static void assert_has_not(const char *text, const char *part)
{
    if (strstr(text, part) != NULL) {
        fail_msg("%s in %s", part, text);
    }
}

static const double x[] = {0, 1, 2, 3, 4, 5};

static struct ph_svg_plot plot_of(enum ph_svg_shape shape, const double *y)
{
    return (struct ph_svg_plot){.id = "p",
        .title = "A title",
        .description = "What it shows.",
        .x_high = 5,
        .count = 6,
        .x = x,
        .series_count = 1,
        .series = {{"one", shape, 2, y}}};
}

/* [HTML-4] */
static void a_line_is_interrupted_where_nothing_was_measured(void **state)
{
    (void)state;
    const double y[] = {0, 10, NAN, 10, NAN, 5};
    struct ph_svg_plot plot = plot_of(PH_SVG_LINE, y);
    assert_has(
        drawn(&plot), "<path class=\"line c2\" d=\"M60 200L140.4 10M301.2 10h0M462 105h0\"/>");
}

/* [HTML-4] */
static void a_step_keeps_its_value_until_the_next(void **state)
{
    (void)state;
    const double y[] = {0, 10, 10, 5, 5, 5};
    struct ph_svg_plot plot = plot_of(PH_SVG_STEP, y);
    assert_has(drawn(&plot), "d=\"M60 200L140.4 200L140.4 10L220.8 10L220.8 10L301.2 10L301.2 105");
}

/* [HTML-4] */
static void areas_and_bars_stand_on_those_before(void **state)
{
    (void)state;
    const double lower[] = {0, 5, 0, 0, 0, 0};
    const double upper[] = {0, 5, 2, 0, NAN, 0};
    struct ph_svg_plot plot = plot_of(PH_SVG_BARS, lower);
    plot.series_count = 2;
    plot.series[1] = (struct ph_svg_series){"two", PH_SVG_BARS, 1, upper};
    const char *svg = drawn(&plot);
    assert_has(svg, "d=\"M140.4 219V124\"/>");
    assert_has(svg, "d=\"M140.4 124V29M220.8 219V181\"/>");
    plot.series[0].shape = PH_SVG_STACK;
    plot.series[1].shape = PH_SVG_STACK;
    svg = drawn(&plot);
    assert_has(svg, "d=\"M60 219L140.4 29L220.8 181L301.2 219L381.6 219L462 219"
                    "L462 219L381.6 219L301.2 219L220.8 219L140.4 124L60 219Z\"/>");
}

/* [HTML-4] */
static void several_series_have_a_legend(void **state)
{
    (void)state;
    const double y[] = {0, 1, 2, 3, 4, 5};
    struct ph_svg_plot plot = plot_of(PH_SVG_LINE, y);
    assert_has_not(drawn(&plot), ">one</text>");
    plot.series_count = 2;
    plot.series[1] = (struct ph_svg_series){"<two>", PH_SVG_LINE, 1, y};
    const char *svg = drawn(&plot);
    assert_has(svg, ">one</text>");
    assert_has(svg, ">&lt;two&gt;</text>");
}

/* [HTML-7] */
static void who_does_not_see_it_is_told(void **state)
{
    (void)state;
    const double y[] = {120, 3400, NAN, 1e6, 1e6, 5e6};
    struct ph_svg_plot plot = plot_of(PH_SVG_LINE, y);
    plot.y_unit = PH_SVG_US;
    const char *svg = drawn(&plot);
    assert_has(svg, "role=\"img\" aria-labelledby=\"p-t\" aria-describedby=\"p-d\"");
    assert_has(svg, "<title id=\"p-t\">A title</title>");
    assert_has(svg, "<desc id=\"p-d\">What it shows. Over all: one 120 \xc2\xb5s to 5 s.</desc>");
    assert_has(svg, "<title>1 s: one 3.4 ms</title>");
    assert_has(svg, "<title>2 s: nothing was measured</title>");
}

/* [HTML-4] */
static void nothing_is_told_from_zero(void **state)
{
    (void)state;
    const double none[] = {NAN, NAN, NAN, NAN, NAN, NAN};
    const double zero[6] = {0};
    struct ph_svg_plot plot = plot_of(PH_SVG_LINE, none);
    assert_has(drawn(&plot), ">nothing was measured</text>");
    plot.y_unit = PH_SVG_US;
    assert_has(drawn(&plot), ">nothing was measured</text>");
    plot = plot_of(PH_SVG_BARS, zero);
    assert_has(drawn(&plot), ">none</text>");
    plot.count = 0;
    assert_has(drawn(&plot), ">nothing was measured</text>");
}

/* [HTML-9] */
static void marks_stand_at_their_time_and_labels_where_they_fit(void **state)
{
    (void)state;
    const double y[] = {0, 1, 2, 3, 4, 5};
    const struct ph_svg_mark marks[] = {
        {.from = 1, .to = 3, .label = "outage", .text = "outage & more"},
        {.from = 1.1, .to = 1.1, .label = "storm", .text = "storm"},
        {.from = 9, .to = 9, .label = "late", .text = "after the end"},
        {.from = 5, .to = 5, .row = 1, .label = "1234567", .text = "<note>"},
    };
    struct ph_svg_plot plot = plot_of(PH_SVG_LINE, y);
    plot.marks = marks;
    plot.mark_count = 4;
    const char *svg = drawn(&plot);
    assert_has(svg, "<title>outage &amp; more</title><rect x=\"140.4\" y=\"48.0\" width=\"160.8\"");
    assert_has(svg, "<text x=\"140.4\" y=\"23.0\">outage</text>");
    assert_has(svg, "<title>storm</title><path d=\"M148.4 48.0v190.0\"/></g>");
    assert_has_not(svg, "late");
    assert_has(svg, "<title>&lt;note&gt;</title><path d=\"M462.0 48.0v190.0\"/>"
                    "<text x=\"446.5\" y=\"42.0\">1234567</text>");
}

/* [HTML-9] */
static void a_thousand_marks_do_not_hide_the_plot(void **state)
{
    (void)state;
    const double y[] = {0, 1, 2, 3, 4, 5};
    static struct ph_svg_mark marks[1000];
    for (size_t i = 0; i < 1000; i++) {
        marks[i] = (struct ph_svg_mark){
            .from = (double)i / 200, .to = (double)i / 200, .row = 1, .text = "note"};
        (void)snprintf(marks[i].label, sizeof marks[i].label, "%zu", i);
    }
    struct ph_svg_plot plot = plot_of(PH_SVG_LINE, y);
    plot.marks = marks;
    plot.mark_count = 1000;
    size_t count = 0;
    for (const char *p = drawn(&plot); (p = strstr(p, "class=\"mark\"")) != NULL; p++) {
        count++;
    }
    assert_in_range(count, 50, 200);
    assert_has_not(html.buf.data, "v190.0");
}

/* [HTML-5] */
static void quantiles_have_dots_and_nines(void **state)
{
    (void)state;
    const double shares[] = {
        ph_axis_nines(0.5), ph_axis_nines(0.9), ph_axis_nines(0.99), ph_axis_nines(0.999)};
    const double y[] = {1000, 2000, 5000, 10000};
    struct ph_svg_plot plot = plot_of(PH_SVG_CURVE, y);
    plot.x_unit = PH_SVG_SHARES;
    plot.y_unit = PH_SVG_US;
    plot.x = shares;
    plot.count = 4;
    const char *svg = drawn(&plot);
    assert_has(svg, "<path class=\"dots c2\" d=\"M60 200h0M");
    assert_has(svg, ">99.99 %</text>");
    assert_has(svg, "<title>99.9 %: one 10 ms</title>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_interrupted_where_nothing_was_measured),
        cmocka_unit_test(a_step_keeps_its_value_until_the_next),
        cmocka_unit_test(areas_and_bars_stand_on_those_before),
        cmocka_unit_test(several_series_have_a_legend),
        cmocka_unit_test(who_does_not_see_it_is_told),
        cmocka_unit_test(nothing_is_told_from_zero),
        cmocka_unit_test(marks_stand_at_their_time_and_labels_where_they_fit),
        cmocka_unit_test(a_thousand_marks_do_not_hide_the_plot),
        cmocka_unit_test(quantiles_have_dots_and_nines),
    };
    return cmocka_run_group_tests_name("ph.fleet.svg", tests, NULL, forget);
}
