#include "adapters/sqlite.h"
#include "ingest/recorder_rig.h"

static const char shown[] = "SELECT at - 1790000000000, every, connected, since - 1790000000000"
                            " FROM _beat";

static void start(struct rig *rig, struct scratch *scratch)
{
    struct ph_recorder_options options = rig_options(scratch);
    rig_start(rig, scratch, 0);
    ph_recorder_free(&rig->recorder);
    options.writer = "acme/service/ingest";
    options.beat_every_ms = 10000;
    rig_open(rig, &options);
}

/* What the committer does each time that it wakes. */
static void wake(struct rig *rig, int64_t now_ms, bool connected)
{
    ph_recorder_tell(rig->recorder, NOW + now_ms, connected);
    rig_commit(rig, now_ms);
}

/* [HLT-2] Every interval, also when nothing comes, and not more often. */
static void without_readings(void **state)
{
    struct rig rig;
    start(&rig, *state);
    wake(&rig, 0, false);
    rig_selects(&rig, shown, "0|10000|0|0\n");
    assert_int_equal(ph_recorder_beat_due_ms(rig.recorder), 10000);
    wake(&rig, 9999, false);
    rig_selects(&rig, shown, "0|10000|0|0\n");
    wake(&rig, 10000, false);
    rig_selects(&rig, shown, "10000|10000|0|0\n");
    assert_int_equal(ph_recorder_counts(rig.recorder)->commits, 0);
    assert_int_equal(ph_recorder_counts(rig.recorder)->committed_ms, NOW + 10000);
    rig_stop(&rig);
}

/* [HLT-2] The commit of readings counts: no other one follows it. */
static void with_readings(void **state)
{
    struct rig rig;
    start(&rig, *state);
    wake(&rig, 0, true);
    rig_add_range(&rig, "t1", 1, 3);
    wake(&rig, 12000, true);
    rig_selects(&rig, shown, "12000|10000|1|0\n");
    assert_int_equal(ph_recorder_beat_due_ms(rig.recorder), 22000);
    assert_int_equal(ph_recorder_counts(rig.recorder)->commits, 1);
    assert_string_equal(rig.acks.text, "t1 " ACK "\"through\":3}\n");
    rig_stop(&rig);
}

/* [HLT-2] A connection that comes or goes is known at once, and since when. */
static void when_the_connection_changes(void **state)
{
    struct rig rig;
    start(&rig, *state);
    wake(&rig, 0, false);
    wake(&rig, 500, true);
    rig_selects(&rig, shown, "500|10000|1|500\n");
    wake(&rig, 10500, true);
    rig_selects(&rig, shown, "10500|10000|1|500\n");
    wake(&rig, 11000, false);
    rig_selects(&rig, shown, "11000|10000|0|11000\n");
    rig_stop(&rig);
}

/* [HLT-2] A store that takes no beat is down; the first commit when it is back has one. */
static void a_store_that_cannot_commit(void **state)
{
    struct rig rig;
    struct scratch *scratch = *state;
    struct ph_db *other = NULL;
    start(&rig, scratch);
    wake(&rig, 0, true);
    assert_int_equal(ph_db_open(scratch->store, PH_DB_WRITE, 0, &other, NULL), PH_OK);
    assert_int_equal(ph_db_begin(other, NULL), PH_OK);
    ph_recorder_tell(rig.recorder, NOW + 10000, true);
    scratch_failed(scratch, rig_try(&rig, 10000), PH_ERR_BUSY, "locked");
    assert_false(ph_recorder_up(rig.recorder));
    ph_db_rollback(other);
    ph_db_close(&other);
    rig_selects(&rig, shown, "0|10000|1|0\n");
    wake(&rig, 11000, true);
    assert_true(ph_recorder_up(rig.recorder));
    rig_selects(&rig, shown, "11000|10000|1|0\n");
    rig_stop(&rig);
}

/* [HLT-2] Trouble with the beat is the store's: no message is condemned for it. */
static void a_beat_that_is_refused_condemns_nothing(void **state)
{
    struct rig rig;
    struct scratch *scratch = *state;
    start(&rig, scratch);
    wake(&rig, 0, true);
    scratch_sql(scratch, "CREATE TRIGGER no BEFORE UPDATE ON _beat"
                         " BEGIN SELECT RAISE(ABORT, 'no beat'); END;");
    rig_add_range(&rig, "t1", 1, 3);
    ph_recorder_tell(rig.recorder, NOW + 10000, true);
    scratch_failed(scratch, rig_try(&rig, 10000), PH_ERR_EXISTS, "no beat");
    assert_int_equal(ph_recorder_counts(rig.recorder)->condemned, 0);
    assert_int_equal(rig.batch.written, 0);
    scratch_sql(scratch, "DROP TRIGGER no");
    wake(&rig, 11000, true);
    assert_string_equal(rig.acks.text, "t1 " ACK "\"through\":3}\n");
    rig_stop(&rig);
}

/* Whoever does not ask for beats leaves none. */
static void none_unless_asked_for(void **state)
{
    struct rig rig;
    rig_start(&rig, *state, 0);
    assert_int_equal(ph_recorder_beat_due_ms(rig.recorder), INT64_MAX);
    wake(&rig, 100000, true);
    rig_selects(&rig, shown, "");
    rig_stop(&rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_readings),
        TEST(with_readings),
        TEST(when_the_connection_changes),
        TEST(a_store_that_cannot_commit),
        TEST(a_beat_that_is_refused_condemns_nothing),
        TEST(none_unless_asked_for),
    };
    return cmocka_run_group_tests_name("ph.ingest.recorder_beat", tests, NULL, NULL);
}
