#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "certs/csv.h"

/* Splits `text`; the columns are then joined with '|'. */
static const char *split(const char *text, size_t max)
{
    static char out[PH_ERROR_MESSAGE_BYTES + 64];
    char line[256];
    char *columns[8] = {NULL};
    struct ph_error error = {0};
    size_t count = 0;
    (void)snprintf(line, sizeof line, "%s", text);
    if (ph_csv_split(line, columns, max, &count, &error) != PH_OK) {
        (void)snprintf(out, sizeof out, "%s: %s", ph_err_name(error.code), error.message);
        return out;
    }
    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(
            out + strlen(out), sizeof out - strlen(out), "%s%s", i > 0 ? "|" : "", columns[i]);
    }
    return out;
}

/* CA-117 */
static void columns_are_split(void **state)
{
    (void)state;
    assert_string_equal(split("a/b/c", 3), "a/b/c");
    assert_string_equal(split("", 3), "");
    assert_string_equal(split("a,b,c", 3), "a|b|c");
    assert_string_equal(split("a,,", 3), "a||");
    assert_string_equal(split("\"a,b\",\"c \"\"d\"\"\"", 3), "a,b|c \"d\"");
    assert_string_equal(split("\"\",\"\"", 3), "|");
}

static void bad_lines_are_refused(void **state)
{
    (void)state;
    assert_string_equal(split("a,b,c,d", 3), "limit: want at most 3 columns");
    assert_string_equal(split("a,\"b", 3), "input: a quote that does not end on the line");
    assert_string_equal(split("\"", 3), "input: a quote that does not end on the line");
    assert_string_equal(split("\"a\"b,c", 3), "input: want a comma behind a quoted column");
    assert_string_equal(
        split("a\"b\",c", 3), "input: a quote within a column that has none around it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_split),
        cmocka_unit_test(bad_lines_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
