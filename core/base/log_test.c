/* ph.base.log: whatever a value holds, a line stays one line and a field stays one field. */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char last[4096];
static enum ph_log_level last_level;
static int lines;

static void sink(enum ph_log_level level, const char *line)
{
    (void)snprintf(last, sizeof last, "%s", line);
    last_level = level;
    lines++;
}

static int use_sink(void **state)
{
    (void)state;
    ph_log_sink_set(sink);
    ph_log_level_set(PH_LOG_DEBUG);
    lines = 0;
    return 0;
}

static void writes_typed_fields(void **state)
{
    (void)state;
    ph_log(PH_LOG_WARNING, "device connected", PH_STR("device", "t-1"), PH_INT("n", -5),
        PH_REAL("ratio", 0.25), PH_STR("none", NULL), PH_STR("empty", ""));
    assert_string_equal(
        last, "msg=\"device connected\" device=t-1 n=-5 ratio=0.25 none=- empty=\"\"");
    assert_int_equal(last_level, PH_LOG_WARNING);
}

/* How a reader of logfmt takes the line apart: counts the fields, and finds one's raw value. */
static int count_fields(const char *line)
{
    int fields = 1;
    bool quoted = false;
    for (const char *p = line; *p != '\0'; p++) {
        if (quoted && *p == '\\' && p[1] != '\0') {
            p++;
        } else if (*p == '"') {
            quoted = !quoted;
        } else if (*p == ' ' && !quoted) {
            fields++;
        }
    }
    return quoted ? -1 : fields;
}

static void values_cannot_forge_lines_or_fields(void **state)
{
    (void)state;
    static const char *const hostile[] = {
        "x\nlevel=error msg=forged",
        "x\r\nlevel=error",
        "x user=admin",
        "x\" user=admin y=\"",
        "x\\\" user=admin y=\\\"",
        "x\\",
        "\\",
        "\"",
        "x\\\\\" user=admin",
        "\x1b[2Jx user=admin",
        "\xe2\x80\xa8level=error",
        "\xc2\x85level=error",
        "\xff\xfe user=admin",
        "=user=admin",
        "\\x0a",
    };
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        ph_log(PH_LOG_INFO, "refused", PH_STR("topic", hostile[i]), PH_INT("n", 1));
        assert_int_equal(count_fields(last), 3);
        assert_null(strpbrk(last, "\n\r\x1b"));
        assert_string_equal(last + strlen(last) - 4, " n=1");
    }
    ph_log(PH_LOG_INFO, "refused", PH_STR("topic", "a\nb"));
    assert_string_equal(last, "msg=refused topic=\"a\\x0ab\"");
    ph_log(PH_LOG_INFO, "refused", PH_STR("topic", "a\\x0ab")); /* the text, not the byte */
    assert_string_equal(last, "msg=refused topic=\"a\\\\x0ab\"");
}

static void long_values_are_cut_and_quotes_closed(void **state)
{
    (void)state;
    static const char *const fillers[] = {
        "a", "\n", "\"", "\\", "\xe2\x82\xac", "\xe2\x80\xa8", " "};
    for (size_t i = 0; i < sizeof fillers / sizeof fillers[0]; i++) {
        char text[5000] = "";
        size_t len = strlen(fillers[i]);
        for (size_t at = 0; at + len < sizeof text; at += len) {
            memcpy(text + at, fillers[i], len + 1);
        }
        ph_log(PH_LOG_INFO, "x", PH_STR("a", text), PH_STR("b", text), PH_STR("c", text),
            PH_STR("d", text));
        assert_true(strlen(last) < 2048);
        assert_in_range(count_fields(last), 3, 5);
    }
}

static void logs_errors_with_their_code(void **state)
{
    (void)state;
    struct ph_error error = {0};
    (void)ph_error_set(&error, PH_ERR_DENIED, "certificate: revoked");
    ph_log_error(PH_LOG_ERROR, "connect", &error);
    assert_string_equal(last, "msg=connect reason=\"certificate: revoked\" code=denied");
}

static void level_holds_lines_back(void **state)
{
    (void)state;
    enum ph_log_level level = PH_LOG_DEBUG;
    assert_true(ph_log_level_parse("warning", &level));
    assert_int_equal(level, PH_LOG_WARNING);
    assert_false(ph_log_level_parse("Warning", &level));
    assert_false(ph_log_level_parse("", &level));
    ph_log_level_set(PH_LOG_WARNING);
    assert_int_equal(ph_log_level_get(), PH_LOG_WARNING);
    ph_log(PH_LOG_INFO, "hidden", PH_INT("n", 1));
    assert_int_equal(lines, 0);
    ph_log(PH_LOG_ERROR, "shown", PH_INT("n", 1));
    assert_int_equal(lines, 1);
}

static void limit_lets_a_burst_pass_and_counts_the_rest(void **state)
{
    (void)state;
    struct ph_log_limit limit = {.interval_ms = 1000, .burst = 2};
    int64_t suppressed = -1;
    assert_true(ph_log_limit_pass(&limit, 5000, &suppressed));
    assert_int_equal(suppressed, 0);
    assert_true(ph_log_limit_pass(&limit, 5000, &suppressed));
    for (int i = 0; i < 7; i++) {
        assert_false(ph_log_limit_pass(&limit, 5999, &suppressed));
    }
    assert_true(ph_log_limit_pass(&limit, 6000, &suppressed));
    assert_int_equal(suppressed, 7);
    assert_false(ph_log_limit_pass(&limit, 6500, &suppressed));
    assert_true(ph_log_limit_pass(&limit, 1000000, &suppressed)); /* never more than the burst */
    assert_true(ph_log_limit_pass(&limit, 1000000, &suppressed));
    assert_false(ph_log_limit_pass(&limit, 1000000, &suppressed));
}

/* One line written to a file in place of stderr. */
static void capture_stderr(char *out, size_t size, void (*write_line)(void))
{
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    assert_non_null(file);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    write_line();
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    (void)close(saved);
    rewind(file);
    size_t len = fread(out, 1, size - 1, file);
    out[len] = '\0';
    (void)fclose(file);
}

static void one_line(void)
{
    ph_log(PH_LOG_WARNING, "hello", PH_STR("k", "a\nb"));
}

static void one_line_to_the_journal(void)
{
    struct stat st;
    char stream[64];
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    (void)snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
        (unsigned long long)st.st_ino);
    /* NOLINTBEGIN(concurrency-mt-unsafe): there is one thread */
    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
    one_line();
    assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
    /* NOLINTEND(concurrency-mt-unsafe) */
}

static void stderr_has_time_and_level_or_priority(void **state)
{
    (void)state;
    char out[512];
    ph_log_sink_set(NULL);
    capture_stderr(out, sizeof out, one_line);
    assert_int_equal(out[4], '-');
    assert_string_equal(strchr(out, 'Z'), "Z level=warning msg=hello k=\"a\\x0ab\"\n");
    capture_stderr(out, sizeof out, one_line_to_the_journal);
    assert_string_equal(out, "<4>msg=hello k=\"a\\x0ab\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(writes_typed_fields, use_sink),
        cmocka_unit_test_setup(values_cannot_forge_lines_or_fields, use_sink),
        cmocka_unit_test_setup(long_values_are_cut_and_quotes_closed, use_sink),
        cmocka_unit_test_setup(logs_errors_with_their_code, use_sink),
        cmocka_unit_test_setup(level_holds_lines_back, use_sink),
        cmocka_unit_test_setup(limit_lets_a_burst_pass_and_counts_the_rest, use_sink),
        cmocka_unit_test_setup(stderr_has_time_and_level_or_priority, use_sink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
