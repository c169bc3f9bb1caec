/* What ph_store_check() finds, and copies. */
#include "ingest/store/conformance.h"

#include <stdio.h>
#include <string.h>

/* What the check says, and how often. */
static int64_t check(struct scratch *scratch, struct sheet *sheet)
{
    struct ph_rows rows = rows_to(sheet);
    int64_t faults = 0;
    struct ph_store *reader = scratch_open_reader(scratch);
    if (ph_store_check(reader, &rows, &faults, &scratch->error) != PH_OK) {
        fail_msg("check: %s", scratch->error.message);
    }
    assert_int_equal(sheet->rows, faults);
    ph_store_close(&reader);
    return faults;
}

/* [ING-93] */
static void a_good_store_has_no_fault(void **state)
{
    struct sheet sheet;
    conformance_plant(*state, true);
    assert_int_equal(check(*state, &sheet), 0);
    assert_string_equal(sheet.text, "what where\n");
}

/* Faults that every store can have. */
static const struct conformance_fault common[] = {
    {"UPDATE stream SET through = 3", "reading that no mark covers " T1 " " S1 " 4"},
    {"UPDATE stream SET beyond = '7-7 9-9'", "reading that no mark covers " T1 " " S1 " 8"},
    {"UPDATE stream SET beyond = '7-8'", "dead letter that no mark covers " T1 " " S1 " 9-9"},
    {"UPDATE stream SET beyond = '9-7'", "marks malformed " T1 " " S1},
    {"UPDATE stream SET stored = 7", "stored: want 6, have 7 " T1 " " S1},
    {"UPDATE stream SET stored = 5", "stored: want 6, have 5 " T1 " " S1},
    {"UPDATE stream SET given_up = 2", "given_up: want at most 1, have 2 " T1 " " S1},
    {"UPDATE stream SET latest_seq = 7", "newest row: want 8, have 7 " T1 " " S1},
    {"UPDATE device SET streams = 5", "streams: want 1, have 5 " T1},
    {"DELETE FROM stream", "reading of no stream"},
    {"UPDATE letter_count SET kept = 9 WHERE device = '" T1 "'",
        "dead letters: want 2, have 9 " T1},
    {"UPDATE letter_count SET bytes = 9 WHERE device = ''", "dead letter bytes: want 3, have 9"},
    {"DELETE FROM letter_count WHERE device = '" T1 "'", "dead letters: want 2, have 0 " T1},
    {"UPDATE dead_letter SET ranges = '9-8' WHERE ranges IS NOT NULL",
        "dead letter ranges malformed"},
    {"DELETE FROM dropped; INSERT INTO dropped(kind, rows) VALUES ('thermostat', 5)",
        "dropped: want 0, have 5 thermostat"},
};

static void assert_found(struct scratch *scratch, const struct conformance_fault *fault)
{
    struct sheet sheet;
    if (check(scratch, &sheet) == 0 || strstr(sheet.text, fault->what) == NULL) {
        fail_msg("%s: want \"%s\", have %s", fault->sql, fault->what, sheet.text);
    }
}

/* Each fault in a store of its own. */
static void assert_each_found(const struct conformance_fault *faults, size_t count, bool partitions)
{
    for (size_t i = 0; i < count; i++) {
        void *state = NULL;
        assert_int_equal(conformance_setup(&state), 0);
        struct scratch *scratch = state;
        conformance_plant(scratch, partitions);
        conformance_subject()->sql(scratch, faults[i].sql);
        scratch->broken = true;
        assert_found(scratch, &faults[i]);
        assert_int_equal(conformance_teardown(&state), 0);
    }
}

/* [ING-93] */
static void planted_faults_are_found(void **state)
{
    (void)state; /* each fault has a store of its own */
    assert_each_found(common, sizeof common / sizeof common[0], false);
}

/* [ING-93] */
static void faults_of_this_store_are_found(void **state)
{
    (void)state; /* each fault has a store of its own */
    assert_each_found(conformance_subject()->faults, conformance_subject()->fault_count, true);
}

/* [ING-93] */
static void repeated_and_lost_readings_are_found(void **state)
{
    (void)state; /* each fault has a store of its own */
    const struct conformance_fault faults[] = {
        {conformance_subject()->repeat_readings, "reading stored twice " T1 " " S1 " 7"},
        {conformance_subject()->lose_reading, "stored: want 5, have 6 " T1 " " S1},
    };
    assert_each_found(faults, 2, false);
}

/* [ING-95] */
static void a_copy_is_a_store(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *copy = NULL;
    struct ph_store *reader = NULL;
    struct sheet sheet;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/copy.db", scratch->dir);
    conformance_plant(scratch, true);
    reader = scratch_open_reader(scratch);
    if (!conformance_subject()->backup) {
        scratch_failed(
            scratch, ph_store_backup(reader, path, &scratch->error), PH_ERR_UNAVAILABLE, "pg_dump");
        ph_store_close(&reader);
        return;
    }
    assert_int_equal(ph_store_backup(reader, path, NULL), PH_OK);
    assert_int_equal(ph_store_open_reader(path, &copy, NULL), PH_OK);
    query_rows(copy, T1, "seq", &sheet);
    assert_string_equal(sheet.text, "1\n2\n3\n4\n7\n8\n10\n11\n");
    assert_int_equal(totals_of(copy).dead_letters, 3);
    scratch_failed(
        scratch, ph_store_backup(reader, path, &scratch->error), PH_ERR_EXISTS, "copy.db");
    ph_store_close(&copy);
    ph_store_close(&reader);
}

int conformance_check(void)
{
    const struct CMUnitTest tests[] = {
        CONFORMANCE_TEST(a_good_store_has_no_fault),
        CONFORMANCE_TEST(planted_faults_are_found),
        CONFORMANCE_TEST(faults_of_this_store_are_found),
        CONFORMANCE_TEST(repeated_and_lost_readings_are_found),
        CONFORMANCE_TEST(a_copy_is_a_store),
    };
    return cmocka_run_group_tests_name(conformance_name("check"), tests, NULL, NULL);
}
