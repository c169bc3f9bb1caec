/* The PostgreSQL adapter against a server of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/postgres.h"
#include "adapters/postgres_testbed.h"
#include "base/clock.h"
#include "base/log.h"

enum { TIMEOUT_MS = 500 };

static struct pg_testbed testbed;
static char uri[PG_TESTBED_URI_BYTES];
static char logged[4096];

static void keep_log(enum ph_log_level level, const char *line)
{
    (void)level;
    size_t len = strlen(logged);
    (void)snprintf(logged + len, sizeof logged - len, "%s\n", line);
}

static int setup(void **state)
{
    struct ph_pg *pg = NULL;
    pg_testbed_schema(&testbed, uri);
    int failed = ph_pg_open(uri, true, TIMEOUT_MS, &pg, NULL) != PH_OK;
    *state = pg;
    return failed;
}

static int teardown(void **state)
{
    struct ph_pg *pg = *state;
    ph_pg_close(&pg);
    return 0;
}

static void failed(enum ph_err have, enum ph_err want, struct ph_error *error, const char *text)
{
    assert_int_equal(have, want);
    if (strstr(error->message, text) == NULL || strchr(error->message, '\n') != NULL) {
        fail_msg("want \"%s\" in one line, have \"%s\"", text, error->message);
    }
    ph_error_clear(error);
}

static void run(struct ph_pg *pg, const char *sql)
{
    struct ph_error error = {0};
    if (ph_pg_exec(pg, sql, &error) != PH_OK) {
        fail_msg("%s: %s", sql, error.message);
    }
}

/* The one value that the statement yields. */
static void assert_value(struct ph_pg *pg, const char *sql, const char *want)
{
    struct ph_pg_result *result = NULL;
    assert_int_equal(ph_pg_query(pg, sql, NULL, 0, &result, NULL), PH_OK);
    assert_int_equal(ph_pg_rows(result), 1);
    assert_string_equal(ph_pg_text(result, 0, 0), want);
    ph_pg_result_free(&result);
}

/* Seconds that a stuck server may cost are few. */
static int64_t started_ms;
static void assert_quick(void)
{
    assert_true(ph_clock_monotonic_ms() - started_ms < 10000);
}

/* ---- Location. */

/* [PGS-20] */
static void secrets_and_what_is_no_uri_are_refused(void **state)
{
    static const struct {
        const char *uri;
        const char *says;
    } cases[] = {
        {"postgresql://ph:hunter2@host/db", "password: ps and logs would show it; use a client"},
        {"postgres://host/db?password=hunter2", "password: ps and logs would show it"},
        {"postgresql://host/db?sslpassword=hunter2", "sslpassword: ps and logs would show it"},
        {"postgresql://ph:hunter2%zz@host/db", "not a URI that libpq understands"},
        {"postgresql://host/db?hunter2=1", "not a URI that libpq understands"},
        {"host=db password=hunter2", "not a URI that libpq understands"},
    };
    struct ph_error error = {0};
    struct ph_pg *pg = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum ph_err err = ph_pg_check(cases[i].uri, &error);
        assert_null(strstr(error.message, "hunter2"));
        failed(err, PH_ERR_CONFIG, &error, cases[i].says);
        err = ph_pg_open(cases[i].uri, true, 0, &pg, &error);
        failed(err, PH_ERR_CONFIG, &error, cases[i].says);
    }
    assert_int_equal(ph_pg_check("postgresql://ph@a,b:5433/db?sslmode=verify-full", &error), PH_OK);
}

static void replace(char *out, size_t size, const char *before, const char *behind)
{
    const char *at = strstr(uri, before);
    assert_non_null(at);
    at += strlen(before);
    (void)snprintf(out, size, "%.*s%s%s", (int)(at - uri), uri, behind, at);
}

/* [PGS-21] */
static void the_next_host_is_tried(void **state)
{
    char hosts[512];
    struct ph_pg *pg = NULL;
    struct ph_error error = {0};
    (void)state;
    replace(hosts, sizeof hosts, "host=", "/nowhere,");
    assert_int_equal(ph_pg_open(hosts, true, TIMEOUT_MS, &pg, &error), PH_OK);
    assert_non_null(strstr(ph_pg_name(pg), testbed.dir));
    assert_null(strstr(ph_pg_name(pg), "nowhere"));
    ph_pg_close(&pg);
    failed(ph_pg_open("postgresql://ph@/db?host=/nowhere,/neither", true, 0, &pg, &error),
        PH_ERR_UNAVAILABLE, &error, "/nowhere,/neither/db: connect: ");
}

/* [PGS-22] */
static void a_server_that_takes_no_writes_is_no_primary(void **state)
{
    struct ph_pg *pg = NULL;
    struct ph_error error = {0};
    run(*state, "ALTER ROLE postgres SET default_transaction_read_only = on");
    failed(ph_pg_open(uri, true, TIMEOUT_MS, &pg, &error), PH_ERR_UNAVAILABLE, &error,
        "session is read-only");
    assert_int_equal(ph_pg_open(uri, false, TIMEOUT_MS, &pg, &error), PH_OK);
    ph_pg_close(&pg);
    run(*state, "ALTER ROLE postgres RESET default_transaction_read_only");
}

/* [PGS-23] */
static void the_session_is_ours(void **state)
{
    struct ph_pg *pg = NULL;
    struct ph_error error = {0};
    run(*state, "ALTER ROLE postgres SET synchronous_commit = off;"
                "ALTER ROLE postgres SET timezone = 'Asia/Kolkata'");
    assert_int_equal(ph_pg_open(uri, true, 1234, &pg, NULL), PH_OK);
    assert_value(pg, "SHOW synchronous_commit", "on");
    assert_value(pg, "SHOW timezone", "UTC");
    assert_value(pg, "SHOW statement_timeout", "1234ms");
    assert_value(pg, "SHOW lock_timeout", "1234ms");
    assert_value(pg, "SHOW application_name", "ph-ingest");
    assert_true(ph_pg_version(pg) >= 150000);
    ph_pg_close(&pg);
    run(*state, "ALTER ROLE postgres SET synchronous_commit = remote_apply");
    assert_int_equal(ph_pg_open(uri, false, 0, &pg, NULL), PH_OK);
    assert_value(pg, "SHOW synchronous_commit", "remote_apply");
    failed(ph_pg_exec(pg, "CREATE TABLE t(a int)", &error), PH_ERR_UNAVAILABLE, &error,
        "read-only transaction");
    ph_pg_close(&pg);
    run(*state, "ALTER ROLE postgres RESET ALL");
}

/* ---- Statements. */

static void values_come_back_as_they_were(void **state)
{
    static const char bytes[] = {'\0', '\1', '\377', '\''};
    const struct ph_pg_value values[] = {{.text = "it's \"so\""}, {.text = "-9223372036854775808"},
        {.text = "0.1"}, {.text = "true"}, {.bytes = bytes, .len = sizeof bytes}, {0},
        {.bytes = bytes, .len = 0}};
    static const char sql[] = "SELECT $1::text, $2::bigint, $3::float8, $4::boolean, $5::bytea,"
                              " $6::text, $7::bytea";
    struct ph_pg_result *result = NULL;
    void *back = NULL;
    size_t len = 0;
    for (int i = 0; i < 3; i++) {
        enum ph_err err = i == 0 ? ph_pg_query(*state, sql, values, 7, &result, NULL)
                                 : ph_pg_query_prepared(*state, sql, values, 7, &result, NULL);
        assert_int_equal(err, PH_OK);
        assert_int_equal(ph_pg_rows(result), 1);
        assert_string_equal(ph_pg_text(result, 0, 0), "it's \"so\"");
        assert_true(ph_pg_int64(result, 0, 1) == INT64_MIN);
        assert_true(ph_pg_double(result, 0, 2) == 0.1);
        assert_true(ph_pg_bool(result, 0, 3));
        assert_int_equal(ph_pg_bytes(result, 0, 4, &back, &len, NULL), PH_OK);
        assert_int_equal(len, sizeof bytes);
        assert_memory_equal(back, bytes, len);
        free(back);
        assert_true(ph_pg_is_null(result, 0, 5));
        assert_null(ph_pg_text(result, 0, 5));
        assert_int_equal(ph_pg_int64(result, 0, 5), 0);
        assert_int_equal(ph_pg_bytes(result, 0, 6, &back, &len, NULL), PH_OK);
        assert_int_equal(len, 0);
        free(back);
        ph_pg_result_free(&result);
    }
}

/* [PGS-24] */
static void each_failure_has_its_code_and_one_line(void **state)
{
    static const struct {
        const char *sql;
        enum ph_err code;
        const char *says;
    } cases[] = {
        {"SELECT * FROM nothing", PH_ERR_NOT_FOUND, "\"nothing\" does not exist (42P01)"},
        {"CREATE TABLE t(a int UNIQUE); INSERT INTO t VALUES (1), (1)", PH_ERR_EXISTS,
            "Key (a)=(1) already exists. (23505)"},
        {"CREATE TABLE meta(a int); CREATE TABLE meta(a int)", PH_ERR_EXISTS, "(42P07)"},
        {"SELECT 1 / 0", PH_ERR_INPUT, "division by zero (22012)"},
        {"SELECT pg_sleep(9)", PH_ERR_BUSY, "statement timeout (57014); somebody holds it"},
        {"SET ROLE nobody_else", PH_ERR_INPUT, "role \"nobody_else\" does not exist"},
        {"DO $$ BEGIN RAISE EXCEPTION E'two\\n\\tlines'; END $$", PH_ERR_INTERNAL, "two; lines"},
        {"SELEC", PH_ERR_INTERNAL, "syntax error"},
    };
    struct ph_error error = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        failed(ph_pg_exec(*state, cases[i].sql, &error), cases[i].code, &error, cases[i].says);
        assert_value(*state, "SELECT 'still there'", "still there");
    }
    failed(ph_pg_exec(*state, "SELECT 1 / 0", &error), PH_ERR_INPUT, &error, ph_pg_name(*state));
}

static void a_lock_is_not_waited_for_for_ever(void **state)
{
    struct ph_pg *other = NULL;
    struct ph_error error = {0};
    run(*state, "CREATE TABLE t(a int)");
    run(*state, "BEGIN; LOCK TABLE t");
    assert_int_equal(ph_pg_open(uri, true, TIMEOUT_MS, &other, NULL), PH_OK);
    enum ph_err err = ph_pg_exec(other, "INSERT INTO t VALUES (1)", &error);
    failed(err, PH_ERR_BUSY, &error, "; somebody holds it: try again");
    ph_pg_rollback(*state);
    run(other, "INSERT INTO t VALUES (1)");
    ph_pg_close(&other);
}

/* [PGS-25] */
static void notices_are_for_whoever_debugs(void **state)
{
    static const char sql[] = "DO $$ BEGIN RAISE NOTICE 'by the way'; END $$";
    logged[0] = '\0';
    ph_log_sink_set(keep_log);
    run(*state, sql);
    assert_string_equal(logged, "");
    ph_log_level_set(PH_LOG_DEBUG);
    run(*state, sql);
    ph_log_level_set(PH_LOG_INFO);
    ph_log_sink_set(NULL);
    assert_non_null(strstr(logged, "by the way"));
}

/* Until it is done, for at most ten seconds; its result. */
static enum ph_err poll_until_done(struct ph_pg *pg, int *polls, struct ph_error *error)
{
    bool done = false;
    enum ph_err err = PH_OK;
    for (*polls = 0; *polls < 1000 && !done; (*polls)++) {
        err = ph_pg_poll(pg, 10, &done, error);
    }
    assert_true(done);
    return err;
}

static void what_is_sent_is_not_waited_for(void **state)
{
    struct ph_error error = {0};
    int polls = 0;
    assert_int_equal(ph_pg_send(*state, "SELECT pg_sleep(0.2); SELECT 1", NULL), PH_OK);
    assert_int_equal(poll_until_done(*state, &polls, &error), PH_OK);
    assert_true(polls > 3);
    assert_int_equal(ph_pg_send(*state, "SELECT 1 / 0; SELECT 1", NULL), PH_OK);
    failed(poll_until_done(*state, &polls, &error), PH_ERR_INPUT, &error, "division by zero");
    assert_value(*state, "SELECT 'still there'", "still there");
}

/* ---- Many rows. */

struct sum {
    int64_t sum;
    int64_t rows;
    int64_t stop_at;
};

static enum ph_err add(
    void *context, const struct ph_pg_result *result, size_t row, struct ph_error *error)
{
    struct sum *sum = context;
    sum->sum += ph_pg_int64(result, row, 0);
    sum->rows++;
    return sum->rows == sum->stop_at ? ph_error_set(error, PH_ERR_IO, "enough") : PH_OK;
}

static void rows_come_one_by_one(void **state)
{
    static const int64_t counts[] = {0, 1, 999, 1000, 1001, 2500};
    struct ph_error error = {0};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        char last[32];
        struct sum sum = {0};
        (void)snprintf(last, sizeof last, "%lld", (long long)counts[i]);
        const struct ph_pg_value values[] = {{.text = last}};
        assert_int_equal(
            ph_pg_each(*state, "SELECT generate_series(1, $1::bigint)", values, 1, add, &sum, NULL),
            PH_OK);
        assert_int_equal(sum.rows, counts[i]);
        assert_int_equal(sum.sum, counts[i] * (counts[i] + 1) / 2);
    }
    struct sum sum = {.stop_at = 1500};
    failed(ph_pg_each(*state, "SELECT generate_series(1, 9999)", NULL, 0, add, &sum, &error),
        PH_ERR_IO, &error, "enough");
    assert_int_equal(sum.rows, 1500);
    failed(ph_pg_each(*state, "SELECT 1 / 0", NULL, 0, add, &sum, &error), PH_ERR_INPUT, &error,
        "division by zero");
    assert_value(*state, "SELECT 'still there'", "still there");
}

#define COPY_HEADER "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"
enum { COPY_HEADER_BYTES = sizeof COPY_HEADER - 1 };
static const char copy_sql[] = "COPY t FROM STDIN (FORMAT binary)";

/* Rows of one integer, and the trailer. */
static void send_rows(struct ph_pg *pg, int rows)
{
    static const char row[] = "\0\1\0\0\0\4\0\0\0\7";
    assert_int_equal(ph_pg_copy_begin(pg, copy_sql, NULL), PH_OK);
    assert_int_equal(ph_pg_copy_data(pg, COPY_HEADER, COPY_HEADER_BYTES, NULL), PH_OK);
    for (int i = 0; i < rows; i++) {
        assert_int_equal(ph_pg_copy_data(pg, row, sizeof row - 1, NULL), PH_OK);
    }
    assert_int_equal(ph_pg_copy_data(pg, "\377\377", 2, NULL), PH_OK);
}

static void rows_are_copied(void **state)
{
    struct ph_error error = {0};
    int64_t rows = 0;
    run(*state, "CREATE TABLE t(a int)");
    send_rows(*state, 10000); /* well within the statement timeout */
    assert_int_equal(ph_pg_copy_end(*state, &rows, NULL), PH_OK);
    assert_int_equal(rows, 10000);
    assert_value(*state, "SELECT sum(a) FROM t", "70000");
    failed(ph_pg_copy_begin(*state, "COPY nothing FROM STDIN", &error), PH_ERR_NOT_FOUND, &error,
        "copy: relation \"nothing\" does not exist");
    assert_int_equal(ph_pg_copy_begin(*state, copy_sql, NULL), PH_OK);
    assert_int_equal(ph_pg_copy_data(*state, "garbage, and then some", 22, NULL), PH_OK);
    failed(ph_pg_copy_end(*state, &rows, &error), PH_ERR_INPUT, &error,
        "COPY file signature not recognized");
    assert_value(*state, "SELECT count(*) FROM t", "10000");
}

static void a_copy_can_be_given_up(void **state)
{
    run(*state, "CREATE TABLE t(a int)");
    assert_int_equal(ph_pg_begin(*state, NULL), PH_OK);
    send_rows(*state, 10);
    ph_pg_rollback(*state);
    assert_value(*state, "SELECT count(*) FROM t", "0");
}

/* ---- Transactions and lost connections. */

static void a_failed_transaction_does_not_commit(void **state)
{
    struct ph_error error = {0};
    run(*state, "CREATE TABLE t(a int)");
    assert_int_equal(ph_pg_begin(*state, NULL), PH_OK);
    run(*state, "INSERT INTO t VALUES (1)");
    assert_int_equal(ph_pg_exec(*state, "SELECT 1 / 0", NULL), PH_ERR_INPUT);
    failed(ph_pg_commit(*state, &error), PH_ERR_INTERNAL, &error,
        "commit: current transaction is aborted");
    ph_pg_rollback(*state);
    assert_value(*state, "SELECT count(*) FROM t", "0");
    failed(ph_pg_commit(*state, &error), PH_ERR_UNAVAILABLE, &error,
        "commit: there is no transaction in progress");
}

/* [PGS-3] Whatever the server warns of at a commit: it is done again. */
static void a_commit_with_a_warning_is_in_doubt(void **state)
{
    struct ph_error error = {0};
    run(*state, "CREATE TABLE t(a int);"
                "CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS"
                " 'BEGIN RAISE WARNING ''half done''; RETURN NULL; END';"
                "CREATE CONSTRAINT TRIGGER warn AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED"
                " FOR EACH ROW EXECUTE FUNCTION warn()");
    assert_int_equal(ph_pg_begin(*state, NULL), PH_OK);
    run(*state, "INSERT INTO t VALUES (1)");
    failed(ph_pg_commit(*state, &error), PH_ERR_UNAVAILABLE, &error, "commit: half done");
    failed(ph_pg_begin(*state, &error), PH_ERR_UNAVAILABLE, &error, "connection lost before");
}

/* [PGS-26] */
static void a_commit_may_take_longer_than_a_statement(void **state)
{
    run(*state, "CREATE TABLE t(a int);"
                "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
                " 'BEGIN PERFORM pg_sleep(1.2); RETURN NULL; END';"
                "CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED"
                " FOR EACH ROW EXECUTE FUNCTION wait()");
    assert_int_equal(ph_pg_begin(*state, NULL), PH_OK);
    run(*state, "INSERT INTO t VALUES (1)");
    assert_int_equal(ph_pg_commit(*state, NULL), PH_OK);
}

/* [PGS-4] */
static void a_session_that_was_ended(void **state)
{
    struct ph_error error = {0};
    failed(ph_pg_exec(*state, "SELECT pg_terminate_backend(pg_backend_pid())", &error),
        PH_ERR_UNAVAILABLE, &error, "terminating connection due to administrator command");
    failed(ph_pg_exec(*state, "SELECT 1", &error), PH_ERR_UNAVAILABLE, &error,
        "connection lost before");
    ph_pg_rollback(*state);
}

/* [PGS-27] */
static void a_server_that_stands_still(void **state)
{
    struct ph_error error = {0};
    struct ph_pg_result *result = NULL;
    struct ph_pg *pg = NULL;
    assert_int_equal(ph_pg_query(*state, "SELECT pg_backend_pid()", NULL, 0, &result, NULL), PH_OK);
    pid_t backend = (pid_t)ph_pg_int64(result, 0, 0);
    ph_pg_result_free(&result);
    started_ms = ph_clock_monotonic_ms();
    assert_int_equal(kill(backend, SIGSTOP), 0);
    failed(ph_pg_exec(*state, "SELECT 1", &error), PH_ERR_UNAVAILABLE, &error,
        "run statement: the server does not answer");
    ph_pg_rollback(*state);
    assert_quick();
    assert_int_equal(kill(testbed.server, SIGSTOP), 0);
    failed(ph_pg_open(uri, true, TIMEOUT_MS, &pg, &error), PH_ERR_UNAVAILABLE, &error,
        "timeout expired");
    assert_quick();
    assert_int_equal(kill(testbed.server, SIGCONT), 0);
    assert_int_equal(kill(backend, SIGCONT), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_and_what_is_no_uri_are_refused),
        TEST(the_next_host_is_tried),
        TEST(a_server_that_takes_no_writes_is_no_primary),
        TEST(the_session_is_ours),
        TEST(values_come_back_as_they_were),
        TEST(each_failure_has_its_code_and_one_line),
        TEST(a_lock_is_not_waited_for_for_ever),
        TEST(notices_are_for_whoever_debugs),
        TEST(what_is_sent_is_not_waited_for),
        TEST(rows_come_one_by_one),
        TEST(rows_are_copied),
        TEST(a_copy_can_be_given_up),
        TEST(a_failed_transaction_does_not_commit),
        TEST(a_commit_with_a_warning_is_in_doubt),
        TEST(a_commit_may_take_longer_than_a_statement),
        TEST(a_session_that_was_ended),
        TEST(a_server_that_stands_still),
    };
    if (!pg_testbed_available()) {
        return PG_TESTBED_SKIPPED;
    }
    pg_testbed_init(&testbed);
    pg_testbed_start(&testbed, "");
    int failures = cmocka_run_group_tests_name("ph.adapters.postgres", tests, NULL, NULL);
    pg_testbed_fini(&testbed, failures != 0);
    return failures;
}
