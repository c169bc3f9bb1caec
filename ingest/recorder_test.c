#include "ingest/recorder_rig.h"

/* [ING-3] [ING-12] */
static void one_acknowledgement_per_stream_after_the_commit(void **state)
{
    struct rig rig;
    rig_start(&rig, *state, 0);
    rig_add_range(&rig, "t1", 1, 2);
    rig_add_range(&rig, "t1", 3, 1);
    rig_add_range(&rig, "t1", 10, 2);
    rig_add_range(&rig, "t2", 1, 1);
    rig_acknowledge(&rig, 0, true);
    assert_int_equal(rig.acks.count, 0);
    rig_commit(&rig, 0);
    assert_string_equal(rig.acks.text, "t1 " ACK "\"through\":3,\"also\":[[10,11]]}\n"
                                       "t2 " ACK "\"through\":1}\n");
    rig_add_range(&rig, "t1", 2, 1); /* a duplicate is acknowledged again */
    rig_commit(&rig, 1);
    assert_string_equal(rig.acks.text, "t1 " ACK "\"through\":3,\"also\":[[10,11]]}\n");
    const struct ph_recorder_counts *counts = ph_recorder_counts(rig.recorder);
    assert_int_equal(counts->store.stored, 6);
    assert_int_equal(counts->store.duplicates, 1);
    assert_int_equal(counts->commits, 2);
    assert_int_equal(counts->acks, 3);
    assert_int_equal(ph_recorder_ack_due_ms(rig.recorder), INT64_MAX);
    rig_stop(&rig);
}

/* [ING-130] */
static void acknowledgements_are_paced(void **state)
{
    struct rig rig;
    rig_start(&rig, *state, 200);
    rig_add_range(&rig, "t1", 1, 1);
    rig_commit(&rig, 1000);
    assert_int_equal(rig.acks.count, 1); /* the first at once */
    for (int64_t seq = 2; seq <= 10; seq++) {
        rig_add_range(&rig, "t1", seq, 1);
        rig_commit(&rig, 1000 + seq);
        assert_int_equal(rig.acks.count, 0);
    }
    assert_int_equal(ph_recorder_ack_due_ms(rig.recorder), 1200);
    assert_int_equal(ph_recorder_waiting(rig.recorder), 1);
    rig_add_range(&rig, "t2", 1, 1); /* others do not wait for it */
    rig_commit(&rig, 1100);
    assert_string_equal(rig.acks.text, "t2 " ACK "\"through\":1}\n");
    rig_acknowledge(&rig, 1199, false);
    assert_int_equal(rig.acks.count, 0);
    rig_acknowledge(&rig, 1200, false);
    assert_string_equal(rig.acks.text, "t1 " ACK "\"through\":10}\n");
    assert_int_equal(ph_recorder_waiting(rig.recorder), 0);
    assert_int_equal(ph_recorder_ack_due_ms(rig.recorder), INT64_MAX);
    rig_add_range(&rig, "t1", 11, 1);
    rig_commit(&rig, 1250);
    assert_int_equal(rig.acks.count, 0);
    rig_acknowledge(&rig, 1250, true); /* a drain */
    assert_string_equal(rig.acks.text, "t1 " ACK "\"through\":11}\n");
    rig_add_range(&rig, "t1", 12, 1); /* after a pause at once again */
    rig_commit(&rig, 1450);
    assert_string_equal(rig.acks.text, "t1 " ACK "\"through\":12}\n");
    rig_stop(&rig);
}

/* [ING-132] */
static void questions_are_answered(void **state)
{
    struct rig rig;
    rig_start(&rig, *state, 0);
    rig_add(&rig, "t1", STREAM "\"seq\":1,\"readings\":[]}");
    rig_commit(&rig, 0);
    assert_string_equal(rig.acks.text, "t1 " ACK "\"through\":0,\"asked\":1}\n");
    rig_add_range(&rig, "t1", 1, 7);
    rig_add_range(&rig, "t1", 10, 1);
    rig_commit(&rig, 1);
    rig_add(&rig, "t1", STREAM "\"seq\":3,\"readings\":[]}"); /* a copy of a spool asks */
    rig_commit(&rig, 2);
    assert_string_equal(rig.acks.text, "t1 " ACK "\"through\":7,\"also\":[[10,10]],\"asked\":3}\n");
    rig_add_to(&rig, "toaster", "o1", STREAM "\"seq\":1,\"readings\":[]}");
    rig_commit(&rig, 3);
    assert_string_equal(rig.acks.text, "o1 " ACK "\"through\":0,\"asked\":1}\n");
    assert_int_equal(ph_recorder_counts(rig.recorder)->store.stored, 8);
    rig_stop(&rig);
}

/* [ING-20] [ING-21] [ING-22] [ING-23] [ING-137] */
static void dead_letters(void **state)
{
    struct rig rig;
    rig_start(&rig, *state, 0);
    rig_add(&rig, "t1", "garbage");
    rig_add(&rig, "t2",
        STREAM "\"seq\":1,\"readings\":[{\"t\":1,\"temperature_c\":20},"
               "{\"t\":2,\"temperature_c\":900},{\"t\":3,\"temperature_c\":21}]}");
    rig_add(&rig, "t3", STREAM "\"seq\":1,\"bogus\":1,\"readings\":[{},{}]}");
    rig_add(&rig, "t4", STREAM "\"seq\":1,\"readings\":[{\"t\":2,\"temperature_c\":900}]}");
    ph_batch_count_only(&rig.batch.entries[3]);
    rig_commit(&rig, 0);
    assert_string_equal(rig.acks.text, "t2 " ACK "\"through\":3}\n"
                                       "t3 " ACK "\"through\":2}\n"
                                       "t4 " ACK "\"through\":1}\n");
    const struct ph_recorder_counts *counts = ph_recorder_counts(rig.recorder);
    assert_int_equal(counts->store.stored, 2);
    assert_int_equal(counts->store.dead_letters, 3);
    assert_int_equal(counts->store.not_kept, 1);
    assert_int_equal(counts->store.duplicates, 0);
    rig_stop(&rig);
}

/* [ING-13] A message of a stream with too many gaps is neither stored nor acknowledged. */
static void held_back(void **state)
{
    enum { MESSAGES = 4200 };
    struct rig rig;
    rig_start(&rig, *state, 0);
    rig_add_range(&rig, "t2", 1, 1);
    for (int64_t i = 0; i < MESSAGES - 1; i++) {
        rig_add_range(&rig, "t1", 3 + 2 * i, 1);
    }
    rig_commit(&rig, 1);
    const struct ph_recorder_counts *counts = ph_recorder_counts(rig.recorder);
    assert_int_equal(counts->store.stored, 4097);
    assert_int_equal(counts->held_back, MESSAGES - 4097);
    assert_int_equal(log_count("message held back: neither stored nor acknowledged\" "
                               "device=acme/thermostat/t1 "),
        5);
    assert_int_equal(log_count("stream: gaps: want at most 4096"), 5);
    rig_stop(&rig);
}

static enum ph_err reload(struct rig *rig, int64_t ack_interval_ms)
{
    return ph_recorder_reload(rig->recorder, rig->scratch->kinds, &rig->scratch->limits,
        ack_interval_ms, &rig->scratch->error);
}

/* [ING-54] [KND-1] [KND-7] */
static void reload_takes_kinds_and_limits(void **state)
{
    struct rig rig;
    struct scratch *scratch = *state;
    struct ph_kinds *old = NULL;
    rig_start(&rig, *state, 0);
    rig_add_range(&rig, "t1", 1, 1);
    rig_commit(&rig, 0);
    old = scratch->kinds;
    scratch->kinds = NULL;
    scratch_load_kinds(scratch, "kinds:\n  - name: thermostat\n    fields:\n"
                                "      - {name: temperature_c, type: text}\n");
    scratch_failed(scratch, reload(&rig, 0), PH_ERR_CONFIG, "temperature_c");
    struct ph_kinds *wrong = scratch->kinds;
    scratch->kinds = old;
    rig_add_range(&rig, "t1", 2, 1); /* the old kinds hold, and may still be looked at */
    rig_commit(&rig, 1);
    ph_kinds_free(&wrong);

    scratch->kinds = NULL;
    scratch_load_kinds(
        scratch, "kinds:\n  - name: thermostat\n    fields: [{name: level, type: integer}]\n");
    scratch->limits.letters_per_device = 1;
    assert_int_equal(reload(&rig, 500), PH_OK);
    ph_kinds_free(&old);
    rig_add(&rig, "t1", STREAM "\"seq\":3,\"readings\":[{\"t\":1,\"level\":7}]}");
    rig_add(&rig, "t1", "garbage");
    rig_add(&rig, "t1", "garbage");
    rig_commit(&rig, 1000);
    assert_int_equal(rig.acks.count, 1);
    rig_selects(&rig, "SELECT level FROM reading_thermostat_1 WHERE _seq = 3", "7\n");
    assert_int_equal(ph_recorder_counts(rig.recorder)->store.not_kept, 1);
    rig_add(&rig, "t1", STREAM "\"seq\":4,\"readings\":[{\"t\":1,\"level\":7}]}");
    rig_commit(&rig, 1001);
    assert_int_equal(ph_recorder_ack_due_ms(rig.recorder), 1500);
    rig_stop(&rig);
}

/* [ING-134] */
static void upkeep(void **state)
{
    struct rig rig;
    struct scratch *scratch = *state;
    scratch->limits.partition_ms = 3600000;
    rig_start(&rig, *state, 0);
    rig_add_range(&rig, "t1", 1, 1);
    rig_commit(&rig, 0);
    assert_int_equal(ph_recorder_maintain_due_ms(rig.recorder), 0);
    ph_recorder_maintain(rig.recorder, 0, NOW, true);
    while (ph_recorder_maintain_due_ms(rig.recorder) == 0) {
        ph_recorder_maintain(rig.recorder, 0, NOW, true);
    }
    assert_int_equal(ph_recorder_maintain_due_ms(rig.recorder), 60000); /* nothing to do */
    ph_recorder_maintain(rig.recorder, 59999, NOW + 3600000, true);
    rig_selects(&rig, "SELECT state FROM partition WHERE kind = 'thermostat'", "0\n");
    /* Then step by step; under load a step each ten seconds. */
    for (int64_t now_ms = 7200000; now_ms < 7260000; now_ms += 10000) {
        ph_recorder_maintain(rig.recorder, now_ms, NOW + now_ms, false);
        int64_t due_ms = ph_recorder_maintain_due_ms(rig.recorder);
        ph_recorder_maintain(rig.recorder, now_ms + 9999, NOW + now_ms + 9999, false);
        assert_int_equal(ph_recorder_maintain_due_ms(rig.recorder), due_ms);
    }
    rig_selects(
        &rig, "SELECT count(*) FROM partition WHERE kind = 'thermostat' AND state = 2", "1\n");
    rig_stop(&rig);
}

/* [ING-78] */
static void a_wrong_clock_drops_nothing(void **state)
{
    enum { HOUR = 3600000, DAY = 24 * HOUR };
    struct rig rig;
    struct scratch *scratch = *state;
    scratch->limits.partition_ms = HOUR;
    scratch->limits.retention_ms = INT64_C(30) * DAY;
    rig_start(&rig, *state, 0);
    rig_add_range(&rig, "t1", 1, 1);
    rig_commit(&rig, 0);
    for (int64_t ms = 0; ms <= INT64_C(2) * HOUR;
         ms += 60000) { /* until it is closed and indexed */
        ph_recorder_maintain(rig.recorder, ms, NOW + ms, true);
    }
    int64_t jump_ms = INT64_C(3650) * DAY;
    int64_t ms = INT64_C(2) * HOUR;
    for (; ms < INT64_C(2) * HOUR + DAY; ms += 60000) {
        ph_recorder_maintain(rig.recorder, ms, NOW + jump_ms + ms, true);
    }
    rig_selects(&rig, "SELECT count(*) FROM dropped", "0\n");
    assert_int_equal(log_count("the clock jumped ahead"), 1);
    for (; ms < INT64_C(2) * HOUR + DAY + 300000; ms += 60000) {
        ph_recorder_maintain(rig.recorder, ms, NOW + jump_ms + ms, true);
    }
    rig_selects(&rig, "SELECT rows FROM dropped", "1\n");
    rig_stop(&rig);
}

/* [ING-134] [ING-6] */
static void upkeep_finds_the_store_down(void **state)
{
    struct rig rig;
    struct scratch *scratch = *state;
    rig_start(&rig, *state, 0);
    scratch_sql(scratch, "ALTER TABLE partition RENAME TO away");
    for (int i = 0; i < 3 && ph_recorder_up(rig.recorder); i++) {
        ph_recorder_maintain(rig.recorder, INT64_C(60000) * i, NOW, true);
    }
    assert_false(ph_recorder_up(rig.recorder));
    assert_int_equal(ph_recorder_maintain_due_ms(rig.recorder), INT64_MAX);
    assert_int_equal(log_count("store down"), 1);
    scratch_sql(scratch, "ALTER TABLE away RENAME TO partition");
    assert_int_equal(ph_recorder_commit(rig.recorder, NULL, 200000, NULL), PH_OK);
    assert_int_equal(log_count("store back"), 1);
    rig_stop(&rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_acknowledgement_per_stream_after_the_commit),
        TEST(acknowledgements_are_paced),
        TEST(questions_are_answered),
        TEST(dead_letters),
        TEST(held_back),
        TEST(reload_takes_kinds_and_limits),
        TEST(upkeep),
        TEST(a_wrong_clock_drops_nothing),
        TEST(upkeep_finds_the_store_down),
    };
    return cmocka_run_group_tests_name("ph.ingest.recorder", tests, NULL, NULL);
}
