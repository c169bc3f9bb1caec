/* How the PostgreSQL store writes: large transactions, partitions beside long readers, kinds that
 * change under people's queries, servers and schemas that it does not want. */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/postgres.h"
#include "adapters/postgres_testbed.h"
#include "base/clock.h"
#include "base/log.h"
#include "ingest/store/conformance.h"

static struct pg_testbed testbed;
static char logged[4096];

static void keep_log(enum ph_log_level level, const char *line)
{
    (void)level;
    size_t len = strlen(logged);
    (void)snprintf(logged + len, sizeof logged - len, "%s\n", line);
}

static int setup(void **state)
{
    char uri[PG_TESTBED_URI_BYTES];
    int result = scratch_setup(state);
    struct scratch *scratch = *state;
    pg_testbed_schema(&testbed, uri);
    (void)snprintf(scratch->store, sizeof scratch->store, "%s", uri);
    scratch->limits.partition_ms = HOUR;
    return result;
}

/* Nothing that these tests do leaves a fault behind. */
static int teardown(void **state)
{
    struct scratch *scratch = *state;
    struct sheet sheet;
    struct ph_rows rows = rows_to(&sheet);
    int64_t faults = 0;
    if (scratch->opened && !scratch->broken) {
        struct ph_store *reader = scratch_open_reader(scratch);
        assert_int_equal(ph_store_check(reader, &rows, &faults, NULL), PH_OK);
        assert_string_equal(sheet.text, "what where\n");
        ph_store_close(&reader);
    }
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

/* A session of somebody else. */
static struct ph_pg *open_session(const struct scratch *scratch, const char *sql)
{
    struct ph_pg *pg = NULL;
    assert_int_equal(ph_pg_open(scratch->store, true, 0, &pg, NULL), PH_OK);
    assert_int_equal(ph_pg_exec(pg, sql, NULL), PH_OK);
    return pg;
}

static void failed_to_open(struct scratch *scratch, enum ph_err want, const char *says)
{
    struct ph_store *store = NULL;
    struct ph_store_options options = scratch_options(scratch);
    scratch_failed(scratch, ph_store_open(&options, &store, &scratch->error), want, says);
}

/* ---- Large transactions. */

/* 10,000 readings of one stream and 100 of others, 200 rings of a doorbell in between, dead
 * letters: several chunks of each kind, and everything that needs the connection in between. */
static struct ph_store_counts write_much(struct ph_store *store)
{
    struct ph_store_counts counts = {0};
    char ring[512];
    char label[251] = "";
    memset(label, 'x', sizeof label - 1);
    (void)snprintf(ring, sizeof ring, "{\"pressed\":true,\"label\":\"%s\"}", label);
    for (int64_t i = 0; i < 100; i++) {
        assert_int_equal(append(store, T1, 1, 1 + 100 * i, 100, &counts), PH_OK);
        assert_int_equal(append(store, T1, (uint64_t)i + 2, 1, 1, &counts), PH_OK);
        for (int j = 0; j < 2; j++) {
            assert_int_equal(
                append_text(store, "acme/doorbell/d1", ring, NULL, NOON, &counts), PH_OK);
        }
        if (i % 10 == 0) {
            assert_int_equal(bury(store, T2, i + 1, i + 1, &counts), PH_OK);
        }
    }
    return counts;
}

/* [PGS-30] */
static void a_large_transaction_is_sent_in_chunks(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    struct ph_store_counts counts = write_much(store);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_int_equal(counts.stored, 10300);
    assert_int_equal(counts.dead_letters, 10);
    assert_rows(*state,
        "SELECT (SELECT count(*) FROM thermostat), (SELECT count(DISTINCT seq) FROM thermostat),"
        " (SELECT count(*) FROM doorbell WHERE length(label) = 250),"
        " (SELECT count(*) FROM dead_letter)",
        "10100|10000|200|10\n");
    assert_ack(store, T1, 1, "10000");
    assert_rows(*state,
        "SELECT latest ? 'label', latest_time IS NOT NULL FROM stream WHERE stream"
        " IS NULL",
        "t|t\n");
    ph_store_close(&store);
}

/* [PGS-30] */
static void a_large_transaction_is_given_up(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    (void)write_much(store);
    assert_int_equal(append(store, T1, 1, 10001, 500, &counts), PH_OK);
    ph_store_rollback(store);
    assert_rows(*state, "SELECT count(*) FROM thermostat", "0\n");
    assert_int_equal(commit_range(store, T1, 1, 1, 3).stored, 3);
    assert_rows(*state, "SELECT count(*) FROM thermostat", "3\n");
    ph_store_close(&store);
}

/* ---- Partitions. */

static int64_t steps_until_idle(struct ph_store *store, int64_t now_ms, int64_t most)
{
    bool more = true;
    int64_t steps = 0;
    for (; steps < most && more; steps++) {
        assert_int_equal(ph_store_maintain(store, now_ms, &more, NULL), PH_OK);
    }
    return steps;
}

/* [PGS-31] */
static void a_long_reader_holds_up_nothing(void **state)
{
    struct scratch *scratch = *state;
    scratch->limits.retention_ms = 2 * HOUR;
    struct ph_store *store = scratch_open_store(scratch);
    commit_at(store, T1, 1, 1, 10, HOUR_0);
    maintain(store, HOUR_0 + HOUR);
    struct ph_pg *reader = open_session(scratch, "BEGIN; SELECT count(*) FROM thermostat");
    int64_t started_ms = ph_clock_monotonic_ms();
    assert_int_equal(steps_until_idle(store, HOUR_0 + 5 * HOUR, 50), 50);
    assert_rows(scratch, "SELECT state FROM partition WHERE from_ms = 1790002800000", "3\n");
    assert_int_equal(commit_at(store, T1, 1, 11, 20, HOUR_0 + 5 * HOUR).stored, 10);
    assert_int_equal(commit_at(store, T1, 1, 21, 30, HOUR_0 + 9 * HOUR).stored, 10);
    assert_rows(scratch, "SELECT count(*) FROM thermostat", "20\n");
    assert_true(ph_clock_monotonic_ms() - started_ms < 10000);
    ph_pg_rollback(reader);
    maintain(store, HOUR_0 + 6 * HOUR);
    assert_rows(scratch, "SELECT kind, rows FROM dropped", "thermostat|10\n");
    assert_rows(scratch, "SELECT to_regclass('reading_thermostat_p20260921T15') IS NULL", "t\n");
    ph_pg_close(&reader);
    ph_store_close(&store);
}

/* [PGS-32] */
#define BEHIND "reading_thermostat_p20260921T17"
static void what_was_interrupted_is_finished(void **state)
{
    struct scratch *scratch = *state;
    scratch->limits.retention_ms = 2 * HOUR;
    struct ph_store *store = scratch_open_store(scratch);
    commit_at(store, T1, 1, 1, 10, HOUR_0);
    commit_at(store, T1, 1, 11, 20, HOUR_0 + 2 * HOUR);
    struct ph_pg *reader = open_session(scratch, "BEGIN; SELECT count(*) FROM thermostat");
    assert_int_equal(steps_until_idle(store, HOUR_0 + 3 * HOUR + 1, 50), 50);
    run_sql(scratch, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                     " WHERE query LIKE 'ALTER TABLE%DETACH PARTITION%'");
    ph_store_close(&store);
    ph_pg_rollback(reader);
    run_sql(scratch, "CREATE UNIQUE INDEX \"" BEHIND "_d\" ON \"" BEHIND "\"(_seq);"
                     "UPDATE pg_index SET indisvalid = false"
                     " WHERE indexrelid = '\"" BEHIND "_d\"'::regclass");
    assert_rows(scratch, "SELECT count(*) FROM pg_inherits WHERE inhdetachpending", "1\n");
    store = scratch_open_store(scratch);
    maintain(store, HOUR_0 + 3 * HOUR + 1);
    assert_rows(scratch, "SELECT rows FROM dropped", "10\n");
    assert_rows(scratch,
        "SELECT i.indisvalid, i.indnatts FROM pg_index i JOIN partition p ON"
        " i.indexrelid = to_regclass(quote_ident(p.name || '_d')) WHERE p.state = 2",
        "t|2\n");
    ph_pg_close(&reader);
    ph_store_close(&store);
}

/* [PGS-33] */
static void late_rows_open_a_partition_again(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    static const char sql[] = "SELECT state, rows FROM partition ORDER BY from_ms LIMIT 1";
    commit_at(store, T1, 1, 1, 10, HOUR_0);
    maintain(store, HOUR_0 + HOUR);
    assert_rows(scratch, sql, "2|10\n");
    commit_at(store, T1, 1, 11, 12, HOUR_0 + HOUR);
    commit_at(store, T1, 1, 13, 14, HOUR_0 + 5);
    assert_rows(scratch, sql, "0|-\n");
    maintain(store, HOUR_0 + HOUR);
    assert_rows(scratch, sql, "2|12\n");
    ph_store_close(&store);
}

/* [PGS-34] Partitions of another length before, behind and between. */
static void partitions_of_any_length_fit(void **state)
{
    static const int64_t lengths_ms[] = {HOUR, 24 * HOUR, 90000, HOUR, 7};
    struct scratch *scratch = *state;
    int64_t seq = 1;
    for (size_t i = 0; i < sizeof lengths_ms / sizeof lengths_ms[0]; i++) {
        scratch->limits.partition_ms = lengths_ms[i];
        struct ph_store *store = scratch_open_store(scratch);
        for (int64_t j = -3; j < 3; j++, seq++) {
            commit_at(store, T1, 1, seq, seq, HOUR_0 + 5 * HOUR + j * (HOUR / 2 + 12345));
        }
        ph_store_close(&store);
    }
    assert_rows(scratch, "SELECT count(*) FROM thermostat", "30\n");
    assert_rows(scratch,
        "SELECT count(*) FROM partition a JOIN partition b ON a.id < b.id AND a.kind = b.kind"
        " AND a.from_ms < b.to_ms AND b.from_ms < a.to_ms",
        "0\n");
}

/* [PGS-35] */
static void partitions_are_made_ahead(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    commit_at(store, T1, 1, 1, 1, HOUR_0 + 1);
    maintain(store, HOUR_0 + 2);
    assert_rows(scratch, "SELECT kind, (from_ms - 1790002800000) / 3600000 FROM partition",
        "thermostat|0\nthermostat|1\n");
    maintain(store, HOUR_0 + HOUR);
    assert_rows(scratch, "SELECT count(*) FROM partition", "3\n");
    maintain(store, HOUR_0 + 9 * HOUR); /* nothing has come for hours */
    assert_rows(
        scratch, "SELECT count(*), count(*) FILTER (WHERE state = 2) FROM partition", "3|3\n");
    ph_store_close(&store);
}

/* [PGS-36] What a hypertable looks like to us. */
static void a_table_of_another_sort_is_left_alone(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    ph_store_close(&store);
    run_sql(scratch, "DROP VIEW thermostat; CREATE TABLE plain (LIKE reading_thermostat);"
                     "DROP TABLE reading_thermostat;"
                     "ALTER TABLE plain RENAME TO reading_thermostat");
    scratch->limits.retention_ms = HOUR;
    store = scratch_open_store(scratch);
    commit_at(store, T1, 1, 1, 10, HOUR_0);
    maintain(store, HOUR_0 + 9 * HOUR);
    assert_rows(
        scratch, "SELECT count(*), (SELECT count(*) FROM partition) FROM thermostat", "10|0\n");
    ph_store_close(&store);
}

/* ---- Kinds. */

#define MORE_FIELDS                                                                                \
    "kinds:\n  - name: thermostat\n    fields:\n"                                                  \
    "      - {name: temperature_c, type: number, unit: Cel, description: \"the room's\"}\n"        \
    "      - {name: hvac, type: text}\n      - {name: co2, type: integer, unit: \"[ppm]\"}\n"

/* [PGS-37] */
static void views_keep_what_people_built_on_them(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    commit_range(store, T1, 1, 1, 3);
    ph_store_close(&store);
    run_sql(scratch, "GRANT SELECT ON thermostat TO pg_monitor;"
                     "CREATE VIEW mine AS SELECT device, timing FROM thermostat");
    scratch_load_kinds(scratch, MORE_FIELDS);
    store = scratch_open_store(scratch);
    commit_text(store, T1,
        "{\"v\":1,\"stream\":\"" S1 "\",\"seq\":4,\"readings\":[{\"t\":5,\"co2\":400}]}", NULL,
        NOON);
    assert_rows(scratch, "SELECT co2, seq FROM thermostat WHERE co2 IS NOT NULL", "400|4\n");
    assert_rows(scratch, "SELECT count(*) FROM mine", "4\n");
    assert_rows(scratch, "SELECT has_table_privilege('pg_monitor', 'thermostat', 'SELECT')", "t\n");
    assert_rows(scratch,
        "SELECT attname, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid"
        " = 'thermostat'::regclass AND col_description(attrelid, attnum) IS NOT NULL"
        " ORDER BY attnum",
        "temperature_c|the room's; unit: Cel\nco2|unit: [ppm]\n");
    assert_rows(scratch,
        "SELECT col_description(attrelid, attnum) FROM pg_attribute"
        " WHERE attrelid = 'reading_thermostat'::regclass AND attname = 'co2'",
        "unit: [ppm]\n");
    ph_store_close(&store);
}

/* [PGS-38] */
static void who_reads_is_not_waited_for_long(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    ph_store_close(&store);
    struct ph_pg *reader = open_session(scratch, "BEGIN; SELECT count(*) FROM thermostat");
    scratch_load_kinds(scratch, MORE_FIELDS);
    int64_t started_ms = ph_clock_monotonic_ms();
    failed_to_open(scratch, PH_ERR_BUSY, "kind thermostat: ");
    assert_true(ph_clock_monotonic_ms() - started_ms < 5000);
    ph_pg_close(&reader);
    store = scratch_open_store(scratch);
    ph_store_close(&store);
}

static void load_kind(struct scratch *scratch, const char *name)
{
    char text[256];
    (void)snprintf(text, sizeof text,
        "kinds:\n  - name: %s\n    fields:\n      - {name: a, type: number}\n", name);
    scratch_load_kinds(scratch, text);
}

/* [PGS-39] */
static void names_that_cannot_be_used(void **state)
{
    static const struct {
        const char *kind;
        const char *says;
    } cases[] = {
        {"partition", "kind partition: name: taken by the store itself; name the kind otherwise"},
        {"reading_x", "taken by the store itself"},
        {"pg_thing", "taken by the store itself"},
        {"a23456789_123456789_123456789_123", "name: want at most 32 bytes in a PostgreSQL store"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        load_kind(*state, cases[i].kind);
        failed_to_open(*state, PH_ERR_CONFIG, cases[i].says);
    }
    static const char *const good[] = {"a23456789_123456789_123456789_12", "user", "select"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char device[96];
        load_kind(*state, good[i]);
        struct ph_store *store = scratch_open_store(*state);
        (void)snprintf(device, sizeof device, "acme/%s/d1", good[i]);
        commit_text(store, device,
            "{\"v\":1,\"stream\":\"" S1 "\",\"seq\":1,\"readings\":[{\"t\":5,\"a\":1}]}", NULL,
            HOUR_0 + 1);
        maintain(store, HOUR_0 + HOUR);
        ph_store_close(&store);
    }
    assert_rows(*state, "SELECT count(*) FROM partition WHERE state = 2", "3\n");
}

/* ---- Schemas and servers. */

/* [PGS-40] */
static void schemas_that_are_not_ours(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = NULL;
    scratch_failed(scratch, ph_store_open_reader(scratch->store, &store, &scratch->error),
        PH_ERR_NOT_FOUND, "schema: no store in it; run ph-ingest once, it makes one");
    run_sql(scratch, "CREATE TABLE meta(version integer)");
    failed_to_open(scratch, PH_ERR_INPUT, "table meta: want one row; this schema is not ours");
    run_sql(scratch, "DROP TABLE meta");
    store = scratch_open_store(scratch);
    ph_store_close(&store);
    run_sql(scratch, "UPDATE meta SET version = 99");
    failed_to_open(scratch, PH_ERR_INPUT, "schema version: want at most 2, have 99: written by a");
    run_sql(scratch, "UPDATE meta SET version = 2");
    char *path = strstr(scratch->store, "search_path");
    assert_non_null(path);
    (void)snprintf(
        path, sizeof scratch->store - (size_t)(path - scratch->store), "search_path%%3Dnowhere");
    scratch->opened = false;
    failed_to_open(scratch, PH_ERR_CONFIG, "search_path names none that exists; make one");
}

/* ---- A server of another age: it lets everybody in and answers everything with nothing. */

static void put_message(FILE *out, char type, const char *bytes, size_t len)
{
    uint32_t total = htobe32((uint32_t)len + 4);
    (void)fputc(type, out);
    (void)fwrite(&total, sizeof total, 1, out);
    (void)fwrite(bytes, 1, len, out);
}

static void put_setting(FILE *out, const char *name, const char *value)
{
    char bytes[128];
    int len = snprintf(bytes, sizeof bytes, "%s%c%s", name, '\0', value);
    put_message(out, 'S', bytes, (size_t)len + 1);
}

static void greet(FILE *out)
{
    put_message(out, 'R', "\0\0\0\0", 4);
    put_setting(out, "server_version", "14.9");
    put_setting(out, "in_hot_standby", "off");
    put_setting(out, "default_transaction_read_only", "off");
    put_message(out, 'Z', "I", 1);
    (void)fflush(out);
}

/* Messages begin with a type, but for the first. */
static void serve(int client)
{
    char bytes[1024];
    FILE *out = fdopen(client, "w");
    if (out == NULL || read(client, bytes, sizeof bytes) <= 0) {
        return;
    }
    greet(out);
    while (read(client, bytes, sizeof bytes) > 0 && bytes[0] != 'X') {
        put_message(out, 'C', "SET", 4);
        put_message(out, 'Z', "I", 1);
        (void)fflush(out);
    }
}

static pid_t start_old_server(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path));
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    pid_t server = fork();
    if (server == 0) {
        (void)alarm(30);
        serve(accept(listener, NULL, NULL));
        _exit(0);
    }
    assert_int_equal(close(listener), 0);
    return server;
}

/* [PGS-42] */
static void a_server_that_is_too_old(void **state)
{
    struct scratch *scratch = *state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/.s.PGSQL.5432", scratch->dir);
    pid_t server = start_old_server(path);
    (void)snprintf(
        scratch->store, sizeof scratch->store, "postgresql://ph@/db?host=%s", scratch->dir);
    failed_to_open(scratch, PH_ERR_CONFIG, "server: want PostgreSQL 15 or later, have 14.9; up");
    assert_int_equal(waitpid(server, NULL, 0), server);
    assert_int_equal(unlink(path), 0);
}

/* [PGS-41] The first test, because it is said once: the server runs without fsync. */
static void a_server_that_may_lose_commits_is_named(void **state)
{
    logged[0] = '\0';
    ph_log_sink_set(keep_log);
    for (int i = 0; i < 2; i++) {
        struct ph_store *store = scratch_open_store(*state);
        ph_store_close(&store);
    }
    ph_log_sink_set(NULL);
    const char *said = strstr(logged, "the database may lose acknowledged readings");
    assert_non_null(said);
    assert_non_null(strstr(said, "setting=\"fsync = off\""));
    assert_null(strstr(said + 1, "the database may lose"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_server_that_may_lose_commits_is_named),
        TEST(a_large_transaction_is_sent_in_chunks),
        TEST(a_large_transaction_is_given_up),
        TEST(a_long_reader_holds_up_nothing),
        TEST(what_was_interrupted_is_finished),
        TEST(late_rows_open_a_partition_again),
        TEST(partitions_of_any_length_fit),
        TEST(partitions_are_made_ahead),
        TEST(a_table_of_another_sort_is_left_alone),
        TEST(views_keep_what_people_built_on_them),
        TEST(who_reads_is_not_waited_for_long),
        TEST(names_that_cannot_be_used),
        TEST(schemas_that_are_not_ours),
        TEST(a_server_that_is_too_old),
    };
    if (!pg_testbed_available()) {
        return PG_TESTBED_SKIPPED;
    }
    pg_testbed_init(&testbed);
    pg_testbed_start(&testbed, "");
    int failures = cmocka_run_group_tests_name("ph.store.postgres_writer", tests, NULL, NULL);
    pg_testbed_fini(&testbed, failures != 0);
    return failures;
}
