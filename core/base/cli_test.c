/* ph.base.cli: one table, one line per mistake, sysexits. */
#include "base/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int runs;
static const char *standard; /* command, of the program with several */
static char seen[256];

static enum ph_err run_issue(const struct ph_cli *cli, struct ph_error *error)
{
    int64_t days = 0;
    enum ph_err err = ph_cli_int64(cli, "days", 1, 825, 90, &days, error);
    if (err != PH_OK) {
        return err;
    }
    const char *first = ph_cli_argument(cli, 0);
    const char *out = ph_cli_value(cli, "out");
    (void)snprintf(seen, sizeof seen, "%d:%s out=%s force=%d days=%d beyond=%d",
        ph_cli_argument_count(cli), first, out != NULL ? out : "-", ph_cli_has(cli, "force"),
        (int)days, ph_cli_argument(cli, 7) != NULL);
    runs++;
    return PH_OK;
}

static enum ph_err run_fail(const struct ph_cli *cli, struct ph_error *error)
{
    return ph_error_set(
        error, PH_ERR_DENIED, "thing: \"%s\" is not allowed", ph_cli_argument(cli, 0));
}

static const struct ph_cli_option issue_options[] = {
    {"out", "DIR", "folder for the files"},
    {"days", "N", "days of validity (90)"},
    {"force", NULL, "overwrite"},
    {0},
};

static enum ph_err run_issue_all(const struct ph_cli *cli, struct ph_error *error)
{
    (void)error;
    (void)snprintf(seen, sizeof seen, "all of %d", ph_cli_argument_count(cli));
    return PH_OK;
}

static const struct ph_cli_command commands[] = {
    {"issue everything", "[NAME...]", 0, -1, "Issues all.", NULL, run_issue_all},
    {"issue", "NAME [EXTRA]", 1, 2, "Issues.", issue_options, run_issue},
    {"fail", "NAME", 0, -1, "Fails.", NULL, run_fail},
    {"give up", "NAME", 0, -1, "Fails.", NULL, run_fail},
    {"give away", "NAME", 0, -1, "Fails.", NULL, run_fail},
    {0},
};
static const struct ph_cli_program program = {"ph-test", "Tests.", commands};

static const struct ph_cli_command single[] = {
    {NULL, NULL, 0, 0, "Runs.", issue_options, run_issue},
    {0},
};
static const struct ph_cli_program single_program = {"ph-one", "One.", single};

/* Runs with stdout and stderr in one file, and returns the exit status. */
static int run_captured(
    const struct ph_cli_program *which, const char *const *arguments, char *out, size_t size)
{
    static char copies[80][64];
    char *argv[81];
    int argc = 0;
    for (; arguments[argc] != NULL; argc++) {
        (void)snprintf(copies[argc], sizeof copies[argc], "%s", arguments[argc]);
        argv[argc] = copies[argc];
    }
    argv[argc] = NULL;
    FILE *file = tmpfile();
    assert_non_null(file);
    (void)fflush(stdout);
    int saved_out = dup(STDOUT_FILENO);
    int saved_err = dup(STDERR_FILENO);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    int status = standard != NULL ? ph_cli_main_default(which, standard, argc, argv)
                                  : ph_cli_main(which, argc, argv);
    (void)fflush(stdout);
    assert_true(dup2(saved_out, STDOUT_FILENO) >= 0);
    assert_true(dup2(saved_err, STDERR_FILENO) >= 0);
    (void)close(saved_out);
    (void)close(saved_err);
    rewind(file);
    size_t len = fread(out, 1, size - 1, file);
    out[len] = '\0';
    (void)fclose(file);
    return status;
}

#define RUN(out, ...)                                                                              \
    run_captured(&program, (const char *const[]){"ph-test", __VA_ARGS__, NULL}, out, sizeof out)

static void takes_options_anywhere_and_both_spellings(void **state)
{
    (void)state;
    char out[2048];
    runs = 0;
    assert_int_equal(RUN(out, "issue", "--out", "d", "name", "--force", "--days=7"), 0);
    assert_string_equal(seen, "1:name out=d force=1 days=7 beyond=0");
    assert_int_equal(RUN(out, "issue", "--", "--out"), 0);
    assert_string_equal(seen, "1:--out out=- force=0 days=90 beyond=0");
    assert_int_equal(RUN(out, "issue", "-", "--out="), 0);
    assert_string_equal(seen, "1:- out= force=0 days=90 beyond=0");
    assert_int_equal(runs, 3);
    assert_string_equal(out, "");
}

/* [EXIT-1] [EXIT-4] */
static void every_mistake_is_one_line(void **state)
{
    (void)state;
    static const struct {
        const char *arguments[5];
        const char *message;
    } cases[] = {
        {{"bogus"}, "bogus: no such command; see ph-test --help"},
        {{"issue"}, "missing argument: want NAME [EXTRA]"},
        {{"issue", "a", "b", "c"}, "unexpected argument \"c\": want NAME [EXTRA]"},
        {{"issue", "a", "--bogus"}, "--bogus: no such option; see ph-test issue --help"},
        {{"issue", "a", "--=x"}, "--: no such option"},
        {{"issue", "a", "-f"}, "-f: options have two dashes"},
        {{"issue", "a", "--out"}, "--out: needs a value (DIR)"},
        {{"issue", "a", "--force=1"}, "--force: takes no value"},
        {{"issue", "a", "--out=x", "--out=y"}, "--out: given twice"},
        {{"issue", "a", "--days", "0"}, "--days: want a whole number from 1 to 825, have \"0\""},
        {{"issue", "a", "--days=x"}, "have \"x\""},
        {{"issue", "a", "--log-level=loud"}, "--log-level: want error, warning, info or debug"},
        {{"issue", "a", "--x\nforged: line"}, "--x\\x0aforged: line: no such option"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[2048];
        const char *arguments[8] = {"ph-test"};
        memcpy(arguments + 1, cases[i].arguments, sizeof cases[i].arguments);
        assert_int_equal(run_captured(&program, arguments, out, sizeof out), 64);
        assert_memory_equal(out, "ph-test: ", 9);
        if (strstr(out, cases[i].message) == NULL) {
            fail_msg("want \"%s\", have \"%s\"", cases[i].message, out);
        }
        assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
    }
}

/* [EXIT-2] */
static void a_command_s_error_is_its_status(void **state)
{
    (void)state;
    char out[2048];
    assert_int_equal(RUN(out, "fail", "x\ny"), 77);
    assert_string_equal(out, "ph-test: thing: \"x\\x0ay\" is not allowed\n");
    const char *only_name[] = {"ph-test", NULL};
    assert_int_equal(run_captured(&program, only_name, out, sizeof out), 64);
    assert_string_equal(out, "ph-test: want a command; see ph-test --help\n");
}

/* [EXIT-3] */
static void help_and_version_come_from_the_table(void **state)
{
    (void)state;
    char out[2048];
    assert_int_equal(RUN(out, "--help"), 0);
    assert_non_null(strstr(out, "Usage: ph-test COMMAND"));
    assert_non_null(strstr(out, "issue"));
    assert_int_equal(RUN(out, "issue", "--help"), 0);
    assert_non_null(strstr(out, "Usage: ph-test issue [OPTION...] NAME [EXTRA]"));
    assert_non_null(strstr(out, "--days N"));
    assert_non_null(strstr(out, "--log-level LEVEL"));
    assert_int_equal(RUN(out, "--version"), 0);
    assert_memory_equal(out, "ph-test ", 8);
    assert_int_equal(RUN(out, "issue", "--version"), 0);
    assert_memory_equal(out, "ph-test ", 8);
}

static void a_name_of_two_words_goes_before_one(void **state)
{
    (void)state;
    char out[2048];
    assert_int_equal(RUN(out, "issue", "everything", "a", "b"), 0);
    assert_string_equal(seen, "all of 2");
    assert_int_equal(RUN(out, "issue", "every"), 0);
    assert_string_equal(seen, "1:every out=- force=0 days=90 beyond=0");
    assert_int_equal(RUN(out, "issue", "everything", "--days=1"), 64);
    assert_non_null(strstr(out, "--days: no such option; see ph-test issue everything --help"));
    assert_int_equal(RUN(out, "everything"), 64);
    assert_non_null(strstr(out, "everything: no such command"));
    assert_int_equal(RUN(out, "give", "--help"), 64);
    assert_string_equal(
        out, "ph-test: give: want one of these behind it: up, away; see ph-test --help\n");
    assert_int_equal(RUN(out, "--help"), 0);
    assert_non_null(strstr(out, "\n  issue everything Issues all.\n  issue            Issues.\n"));
}

/* [FLEET-18] */
static void options_without_a_command_are_the_standard_one_s(void **state)
{
    (void)state;
    char out[2048];
    standard = "issue";
    assert_int_equal(RUN(out, "--days", "7", "name", "--force"), 0);
    assert_string_equal(seen, "1:name out=- force=1 days=7 beyond=0");
    assert_int_equal(RUN(out, "issue", "--days", "8", "name"), 0);
    assert_string_equal(seen, "1:name out=- force=0 days=8 beyond=0");
    assert_int_equal(RUN(out, "--bogus"), 64);
    assert_string_equal(out, "ph-test: --bogus: no such option; see ph-test issue --help\n");
    assert_int_equal(RUN(out, "name", "--days", "7"), 64);
    assert_string_equal(out, "ph-test: name: no such command; see ph-test --help\n");
    assert_int_equal(RUN(out, "-d"), 64);
    assert_string_equal(out, "ph-test: -d: no such command; see ph-test --help\n");
    assert_int_equal(RUN(out, "--help"), 0);
    assert_non_null(strstr(out, "Usage: ph-test [COMMAND] [OPTION...]"));
    assert_non_null(strstr(out, "Options without a COMMAND are those of \"issue\"."));
    assert_int_equal(RUN(out, "--version"), 0);
    assert_memory_equal(out, "ph-test ", 8);
    const char *only_name[] = {"ph-test", NULL};
    assert_int_equal(run_captured(&program, only_name, out, sizeof out), 64);
    assert_string_equal(out, "ph-test: want a command; see ph-test --help\n");
    standard = NULL;
    assert_int_equal(RUN(out, "--days", "7"), 64);
    assert_string_equal(out, "ph-test: --days: no such command; see ph-test --help\n");
}

static void program_without_commands(void **state)
{
    (void)state;
    char out[2048];
    const char *good[] = {"ph-one", "--days", "5", NULL};
    assert_int_equal(run_captured(&single_program, good, out, sizeof out), 0);
    assert_non_null(strstr(seen, "days=5"));
    const char *bad[] = {"ph-one", "extra", NULL};
    assert_int_equal(run_captured(&single_program, bad, out, sizeof out), 64);
    assert_non_null(strstr(out, "ph-one: unexpected argument \"extra\": want none"));
}

static void too_many_arguments_are_refused(void **state)
{
    (void)state;
    char out[2048];
    const char *arguments[80] = {"ph-test", "fail"};
    for (int i = 2; i < 70; i++) {
        arguments[i] = "x";
    }
    assert_int_equal(run_captured(&program, arguments, out, sizeof out), 64);
    assert_non_null(strstr(out, "more than 64 arguments"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_options_anywhere_and_both_spellings),
        cmocka_unit_test(every_mistake_is_one_line),
        cmocka_unit_test(a_command_s_error_is_its_status),
        cmocka_unit_test(help_and_version_come_from_the_table),
        cmocka_unit_test(a_name_of_two_words_goes_before_one),
        cmocka_unit_test(options_without_a_command_are_the_standard_one_s),
        cmocka_unit_test(program_without_commands),
        cmocka_unit_test(too_many_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
