/* The recorder on a PostgreSQL server of its own: what no file can do to it. */
#include "ingest/recorder_rig.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/postgres_testbed.h"

static struct pg_testbed testbed;

static int setup(void **state)
{
    char uri[PG_TESTBED_URI_BYTES];
    int failed = scratch_setup(state);
    struct scratch *scratch = *state;
    pg_testbed_schema(&testbed, uri);
    (void)snprintf(scratch->store, sizeof scratch->store, "%s", uri);
    return failed;
}

static void assert_answer(const struct rig *rig, const char *sql, const char *want)
{
    char *have = pg_testbed_sql(&testbed, rig->scratch->store, sql);
    assert_string_equal(have, want);
    free(have);
}

/* [ING-135] Two of them write one stream in turn: each finds the other's marks, none loses or
 * repeats a reading, and neither counts the store as down. */
static void conflicts_are_done_again(void **state)
{
    struct rig one;
    struct rig other;
    rig_start(&one, *state, 0);
    rig_start(&other, *state, 0);
    for (int64_t i = 0; i < 5; i++) {
        rig_add_range(&one, "t1", 1 + 2 * i, 2);
        rig_commit(&one, i);
        assert_int_equal(one.acks.count, 1);
        rig_add_range(&other, "t1", 2 + 2 * i, 2); /* the first of them is a duplicate */
        rig_commit(&other, i);
        assert_int_equal(other.acks.count, 1);
    }
    assert_non_null(strstr(other.acks.text, "\"through\":11}"));
    assert_int_equal(ph_recorder_counts(one.recorder)->store.stored +
                         ph_recorder_counts(other.recorder)->store.stored,
        11);
    assert_true(ph_recorder_counts(one.recorder)->conflicts >= 4);
    assert_int_equal(log_count("store down"), 0);
    assert_answer(&one, "SELECT count(*), count(DISTINCT _seq) FROM reading_thermostat", "11|11\n");
    rig_stop(&one);
    rig_stop(&other);
}

/* [ING-133] [ING-6] */
static void server_comes_and_goes(void **state)
{
    struct rig rig = {.scratch = *state};
    const struct ph_recorder_options options = rig_options(rig.scratch);
    log_capture();
    assert_int_equal(ph_batch_init(&rig.batch, 10, NULL), PH_OK);
    pg_testbed_stop(&testbed, SIGINT);
    rig_open(&rig, &options);
    rig_add_range(&rig, "t1", 1, 2);
    scratch_failed(rig.scratch, rig_try(&rig, 0), PH_ERR_UNAVAILABLE, "see that the server runs");
    pg_testbed_start(&testbed, "");
    rig_commit(&rig, 300);
    assert_non_null(strstr(rig.acks.text, "\"through\":2}"));
    pg_testbed_stop(&testbed, SIGQUIT);
    rig_add_range(&rig, "t1", 2, 2);
    scratch_failed(rig.scratch, rig_try(&rig, 600), PH_ERR_UNAVAILABLE, "");
    rig_acknowledge(&rig, 600, true);
    assert_int_equal(rig.acks.count, 0);
    pg_testbed_start(&testbed, "");
    rig_commit(&rig, 900);
    assert_non_null(strstr(rig.acks.text, "\"through\":3}"));
    assert_int_equal(log_count("store down"), 2);
    assert_int_equal(log_count("store back"), 2);
    assert_int_equal(ph_recorder_counts(rig.recorder)->store.stored, 3);
    rig_stop(&rig);
}

/* [ING-131] */
static void refused_by_the_server(void **state)
{
    struct rig rig;
    rig_start(&rig, *state, 0);
    rig_add_range(&rig, "t0", 1, 1);
    rig_commit(&rig, 1);
    free(pg_testbed_sql(&testbed, rig.scratch->store,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW._seq = 13 THEN"
        " RAISE EXCEPTION ''not this one'' USING ERRCODE = ''data_exception''; END IF;"
        " RETURN NEW; END';"
        "CREATE TRIGGER refuse BEFORE INSERT ON reading_thermostat"
        " FOR EACH ROW EXECUTE FUNCTION refuse()"));
    for (int64_t seq = 1; seq <= 19; seq += 2) {
        rig_add_range(&rig, "t1", seq, 2);
    }
    rig_commit(&rig, 2);
    assert_non_null(strstr(rig.acks.text, "\"through\":20}"));
    assert_int_equal(ph_recorder_counts(rig.recorder)->condemned, 1);
    assert_int_equal(ph_recorder_counts(rig.recorder)->store.stored, 19);
    assert_answer(
        &rig, "SELECT ranges, reason LIKE 'store: %not this one%' FROM dead_letter", "13-14|t\n");
    rig_stop(&rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(conflicts_are_done_again),
        TEST(server_comes_and_goes),
        TEST(refused_by_the_server),
    };
    if (!pg_testbed_available()) {
        return PG_TESTBED_SKIPPED;
    }
    pg_testbed_init(&testbed);
    pg_testbed_start(&testbed, "");
    int failed = cmocka_run_group_tests_name("ph.ingest.recorder_postgres", tests, NULL, NULL);
    pg_testbed_fini(&testbed, failed != 0);
    return failed;
}
