/* A PostgreSQL server that is killed, terminated, out of reach or taken over by its standby, and
 * more than one writer at a time: nothing lost, nothing twice, nothing acknowledged too early. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/postgres_testbed.h"
#include "ingest/store/conformance.h"

static struct pg_testbed testbed;

/* Undoes what a test has set, also one that failed. */
static void reset_server(void)
{
    assert_int_equal(
        pg_testbed_run(&testbed, "psql -Xqc 'ALTER SYSTEM RESET ALL' -c 'SELECT pg_reload_conf()'"),
        0);
}

static int setup(void **state)
{
    char uri[PG_TESTBED_URI_BYTES];
    int result = scratch_setup(state);
    struct scratch *scratch = *state;
    reset_server();
    pg_testbed_schema(&testbed, uri);
    (void)snprintf(scratch->store, sizeof scratch->store, "%s", uri);
    return result;
}

static int teardown(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *reader = scratch_open_reader(scratch);
    struct sheet sheet;
    struct ph_rows rows = rows_to(&sheet);
    int64_t faults = 0;
    assert_int_equal(ph_store_check(reader, &rows, &faults, NULL), PH_OK);
    assert_string_equal(sheet.text, "what where\n");
    ph_store_close(&reader);
    return scratch_teardown(state);
}

static void run_sql(const struct scratch *scratch, const char *sql)
{
    free(pg_testbed_sql(&testbed, scratch->store, sql));
}

static void assert_rows(const struct scratch *scratch, const char *sql, const char *want)
{
    char *have = pg_testbed_sql(&testbed, scratch->store, sql);
    assert_string_equal(have, want);
    free(have);
}

static void restart_server(void)
{
    pg_testbed_stop(&testbed, SIGKILL);
    pg_testbed_start(&testbed, "");
}

/* Begins a transaction with readings 4 to 6 of T1, and expects its commit to fail. */
static void fail_to_commit(struct scratch *scratch, struct ph_store *store, const char *says)
{
    struct ph_store_counts counts = {0};
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(append(store, T1, 1, 4, 3, &counts), PH_OK);
    scratch_failed(scratch, ph_store_commit(store, &scratch->error), PH_ERR_UNAVAILABLE, says);
}

/* Opens the store again, which has readings 1 to `through`, and sends 1 to 9. */
static void go_on(struct scratch *scratch, int64_t through)
{
    struct ph_store *store = scratch_open_store(scratch);
    char want[8];
    (void)snprintf(want, sizeof want, "%d", (int)through);
    assert_ack(store, T1, 1, want);
    struct ph_store_counts counts = commit_range(store, T1, 1, 1, 9);
    assert_int_equal(counts.duplicates, through);
    assert_int_equal(counts.stored, 9 - through);
    assert_ack(store, T1, 1, "9");
    ph_store_close(&store);
    assert_rows(
        scratch, "SELECT count(*), count(DISTINCT seq), max(seq) FROM thermostat", "9|9|9\n");
}

/* A function that kills the whole server from inside the session that calls it. */
static void make_killer(const struct scratch *scratch, const char *trigger)
{
    char sql[1024];
    (void)snprintf(sql, sizeof sql,
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " COPY (SELECT 1) TO PROGRAM 'kill -9 %d $PPID'; RETURN NEW; END $$; %s",
        (int)testbed.server, trigger);
    run_sql(scratch, sql);
}

static void killed(void **state, const char *trigger)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    commit_range(store, T1, 1, 1, 3);
    make_killer(scratch, trigger);
    fail_to_commit(scratch, store, "see that the server runs");
    ph_store_close(&store);
    restart_server();
    run_sql(scratch, "DROP FUNCTION die CASCADE");
    go_on(scratch, 3);
}

/* [PGS-2] The marks are what is written last. */
static void killed_between_copy_and_commit(void **state)
{
    killed(state, "CREATE TRIGGER die BEFORE UPDATE ON stream"
                  " FOR EACH ROW EXECUTE FUNCTION die()");
}

/* [PGS-2] */
static void killed_at_commit(void **state)
{
    killed(state, "CREATE CONSTRAINT TRIGGER die AFTER UPDATE ON stream"
                  " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()");
}

/* Does something to the session that waits for a standby at its commit, once there is one. */
static pid_t disturb_commit(const char *function)
{
    char command[256];
    (void)snprintf(command, sizeof command,
        "until psql -XAtqc \"SELECT %s(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'\""
        " | grep -q t; do sleep 0.05; done",
        function);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(pg_testbed_run(&testbed, command) == 0 ? 0 : 1);
    }
    return pid;
}

/* [PGS-3] The transaction has been committed, but nobody heard of it. */
static void in_doubt(struct scratch *scratch, const char *function, const char *says)
{
    struct ph_store *store = scratch_open_store(scratch);
    int status = -1;
    commit_range(store, T1, 1, 1, 3);
    run_sql(scratch, "ALTER SYSTEM SET synchronous_standby_names = 'nobody';"
                     " SELECT pg_reload_conf()");
    assert_int_equal(pg_testbed_run(&testbed,
                         "until psql -XAtqc 'SHOW synchronous_standby_names' | grep -q nobody;"
                         " do sleep 0.05; done"),
        0);
    pid_t pid = disturb_commit(function);
    fail_to_commit(scratch, store, says);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    ph_store_close(&store);
    reset_server();
    go_on(scratch, 6);
}

static void terminated_after_the_commit(void **state)
{
    in_doubt(*state, "pg_terminate_backend", "see that the server runs");
}

/* [PGS-3] What only the server that may be lost has is not acknowledged. */
static void not_replicated(void **state)
{
    in_doubt(*state, "pg_cancel_backend", "canceling wait for synchronous replication");
}

#define TERMINATE                                                                                  \
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ph-ingest'"

/* [PGS-4] */
static void terminated_sessions_are_replaced(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    commit_range(store, T1, 1, 1, 3);
    run_sql(scratch, TERMINATE);
    enum ph_err err = ph_store_begin(store, &scratch->error);
    scratch_failed(scratch, err, PH_ERR_UNAVAILABLE, "see that the server runs");
    ph_store_close(&store);
    store = scratch_open_store(scratch);
    struct ph_store_counts counts = {0};
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(append(store, T1, 1, 4, 3, &counts), PH_OK);
    run_sql(scratch, TERMINATE);
    scratch_failed(scratch, ph_store_commit(store, &scratch->error), PH_ERR_UNAVAILABLE,
        "see that the server runs");
    ph_store_close(&store);
    go_on(scratch, 3);
}

/* [PGS-4] */
static void a_server_that_is_away(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store_options options = scratch_options(scratch);
    struct ph_store *store = scratch_open_store(scratch);
    commit_range(store, T1, 1, 1, 3);
    pg_testbed_stop(&testbed, SIGQUIT);
    scratch_failed(scratch, ph_store_begin(store, &scratch->error), PH_ERR_UNAVAILABLE,
        "see that the server runs");
    ph_store_close(&store);
    scratch_failed(
        scratch, ph_store_open(&options, &store, &scratch->error), PH_ERR_UNAVAILABLE, testbed.dir);
    assert_null(store);
    pg_testbed_start(&testbed, "");
    go_on(scratch, 3);
}

enum { MESSAGES = 60, EACH = 5 };

/* One of several writers that all store the same; the exit status of its process. */
static int store_everything(const struct scratch *scratch)
{
    struct ph_store_options options = scratch_options(scratch);
    struct ph_store *store = NULL;
    int busy = 0;
    if (ph_store_open(&options, &store, NULL) != PH_OK) {
        return 2;
    }
    for (int i = 0; i < MESSAGES && busy < 10000; busy++) {
        struct ph_store_counts counts = {0};
        enum ph_err err = ph_store_begin(store, NULL);
        if (err == PH_OK &&
            (err = append(store, T1, 1, 1 + (int64_t)i * EACH, EACH, &counts)) != PH_OK) {
            ph_store_rollback(store);
        } else if (err == PH_OK) {
            err = ph_store_commit(store, NULL);
        }
        if (err != PH_OK && err != PH_ERR_BUSY) {
            return 3;
        }
        i += err == PH_OK ? 1 : 0;
    }
    ph_store_close(&store);
    return busy < 10000 ? 0 : 4;
}

/* [PGS-5] */
static void writers_in_conflict_skip_nothing(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    pid_t pids[3];
    ph_store_close(&store);
    for (size_t i = 0; i < 3; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            _exit(store_everything(scratch));
        }
    }
    for (size_t i = 0; i < 3; i++) {
        int status = -1;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    assert_rows(
        scratch, "SELECT count(*), count(DISTINCT seq), max(seq) FROM thermostat", "300|300|300\n");
    assert_rows(scratch, "SELECT through, beyond, stored FROM stream", "300||300\n");
}

/* The URI of the schema on both servers. */
static void name_both(struct scratch *scratch, const struct pg_testbed *standby)
{
    const char *options = strstr(scratch->store, "&options=");
    char uri[2 * PG_TESTBED_URI_BYTES];
    assert_non_null(options);
    (void)snprintf(uri, sizeof uri, "postgresql://postgres@/postgres?host=%s,%s&port=%u,%u%s",
        testbed.dir, standby->dir, testbed.port, standby->port, options);
    (void)snprintf(scratch->store, sizeof scratch->store, "%s", uri);
}

/* [PGS-6] The last test: its primary does not come back. */
static void the_standby_takes_over(void **state)
{
    struct scratch *scratch = *state;
    struct pg_testbed standby;
    struct ph_store *store = NULL;
    pg_testbed_init_standby(&standby, &testbed);
    pg_testbed_start(&standby, "");
    run_sql(scratch, "ALTER SYSTEM SET synchronous_standby_names = 'standby';"
                     " SELECT pg_reload_conf()");
    name_both(scratch, &standby);
    struct ph_store_options options = scratch_options(scratch);
    store = scratch_open_store(scratch);
    commit_range(store, T1, 1, 1, 3);
    pg_testbed_stop(&testbed, SIGKILL);
    scratch_failed(scratch, ph_store_begin(store, &scratch->error), PH_ERR_UNAVAILABLE,
        "see that the server runs");
    ph_store_close(&store);
    scratch_failed(
        scratch, ph_store_open(&options, &store, &scratch->error), PH_ERR_UNAVAILABLE, "read-only");
    pg_testbed_promote(&standby);
    go_on(scratch, 3);
    pg_testbed_fini(&standby, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(killed_between_copy_and_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_at_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(terminated_after_the_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(not_replicated, setup, teardown),
        cmocka_unit_test_setup_teardown(terminated_sessions_are_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(a_server_that_is_away, setup, teardown),
        cmocka_unit_test_setup_teardown(writers_in_conflict_skip_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(the_standby_takes_over, setup, scratch_teardown),
    };
    if (!pg_testbed_available()) {
        return PG_TESTBED_SKIPPED;
    }
    pg_testbed_init(&testbed);
    pg_testbed_start(&testbed, "");
    int failed = cmocka_run_group_tests_name("ph.store.postgres_faults", tests, NULL, NULL);
    pg_testbed_fini(&testbed, failed != 0);
    return failed;
}
