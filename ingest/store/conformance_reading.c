/* Reading a store: latest, query, devices. */
#include "ingest/store/conformance.h"

#include <stdio.h>
#include <string.h>

/* [ING-25] */
static void plain_readings_are_stored_as_they_come(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct sheet sheet;
    struct ph_rows rows = rows_picked(&sheet, "device stream seq time pressed label timing");
    struct ph_store_query query = {.kind = "doorbell", .to_ms = INT64_MAX};
    static const char *const messages[] = {"{\"t\":1790000000000,\"pressed\":true}",
        "{\"t\":1790000000000,\"pressed\":true}", "{\"pressed\":false,\"label\":\"x'y\"}"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(
            commit_text(store, "acme/doorbell/d", messages[i], NULL, NOON + 777).stored, 1);
    }
    assert_int_equal(ph_store_query(store, &query, &rows, NULL), PH_OK);
    assert_string_equal(sheet.text, "acme/doorbell/d - - 1790000000000 1 - -\n"
                                    "acme/doorbell/d - - 1790000000000 1 - -\n"
                                    "acme/doorbell/d - - 1790000000777 0 x'y arrival\n");
    assert_int_equal(totals_of(store).duplicates, 0);
    assert_int_equal(totals_of(store).streams, 0);
    assert_int_equal(totals_of(store).devices, 1);
    latest_rows(store, NOON + 2777, "device time pressed label stored age", &sheet);
    assert_string_equal(sheet.text, "acme/doorbell/d 1790000000777 0 x'y 3 2\n");
    ph_store_close(&store);
}

/* [ING-42] */
static void latest_is_the_highest_number_of_the_stream_in_use(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct sheet sheet;
    struct ph_rows rows = rows_to(&sheet);
    commit_range(store, T1, 7, 10, 12);
    commit_range(store, T1, 7, 1, 2); /* late: not newer */
    assert_int_equal(ph_store_latest(store, NOON + 1012, false, &rows, NULL), PH_OK);
    assert_string_equal(sheet.text, "device time pressed label stored age\n"
                                    "device time temperature_c hvac window_open starts stored age\n"
                                    "acme/thermostat/t1 1790000000012 21.5 idle - - 5 1\n");
    commit_at(store, T1, 8, 1, 3, NOON + 60000); /* a new spool */
    latest_rows(store, NOON + 1003, "device time stored", &sheet);
    assert_string_equal(sheet.text, T1 " 1790000000003 8\n");
    ph_store_close(&store);
}

/* [ING-42] A stream of which nothing is stored yet hides nothing. */
static void a_question_does_not_hide_the_newest(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct sheet sheet;
    commit_range(store, T1, 7, 1, 2);
    commit_text(
        store, T1, "{\"v\":1,\"stream\":\"" S1 "\",\"seq\":1,\"readings\":[]}", NULL, NOON + 5000);
    commit_text(
        store, T2, "{\"v\":1,\"stream\":\"" S1 "\",\"seq\":1,\"readings\":[]}", NULL, NOON + 5000);
    latest_rows(store, NOON, "device time stored", &sheet);
    assert_string_equal(sheet.text, T1 " 1790000000002 2\n");
    device_rows(store, "device streams stored received", &sheet);
    assert_string_equal(sheet.text, T1 " 2 2 1790000005000\n" T2 " 1 0 1790000005000\n");
    ph_store_close(&store);
}

/* [ING-43] */
static void query_selects(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_identity t1 = identity_of(T1);
    static const struct {
        int64_t from, to, limit;
        const char *seqs;
    } cases[] = {
        {INT64_MIN, INT64_MAX, 0, "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n"},
        {INT64_MIN, INT64_MAX, 3, "8\n9\n10\n"},
        {NOON + 4, NOON + 6, 0, "4\n5\n"},
        {NOON + 2, NOON + 6, 2, "4\n5\n"},
        {0, 1, 0, ""},
    };
    commit_range(store, T1, 1, 6, 10);
    commit_range(store, T1, 1, 1, 5);
    commit_range(store, T2, 1, 1, 4);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sheet sheet;
        struct ph_rows rows = rows_picked(&sheet, "seq");
        struct ph_store_query query = {
            .device = &t1, .from_ms = cases[i].from, .to_ms = cases[i].to, .limit = cases[i].limit};
        assert_int_equal(ph_store_query(store, &query, &rows, NULL), PH_OK);
        assert_string_equal(sheet.text, cases[i].seqs);
    }
    ph_store_close(&store);
}

/* [ING-43] */
static void query_of_kinds_and_of_all(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct sheet sheet;
    struct ph_rows rows = rows_picked(&sheet, "device time");
    struct ph_store_query query = {.to_ms = INT64_MAX, .limit = 2};
    commit_range(store, T1, 1, 1, 3);
    commit_range(store, T2, 1, 2, 2);
    commit_text(store, "acme/doorbell/d", "{\"t\":1790000000001,\"pressed\":true}", NULL, NOON);
    assert_int_equal(ph_store_query(store, &query, &rows, NULL), PH_OK);
    assert_string_equal(
        sheet.text, "acme/doorbell/d 1790000000001\n" T2 " 1790000000002\n" T1 " 1790000000003\n");
    query.kind = "thermostat";
    query.limit = 1;
    rows = rows_picked(&sheet, "device time");
    assert_int_equal(ph_store_query(store, &query, &rows, NULL), PH_OK);
    assert_string_equal(sheet.text, T1 " 1790000000003\n");
    ph_store_close(&store);
}

/* [ING-43] */
static void unknown_devices_and_kinds_are_named(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    struct ph_identity nobody = identity_of("acme/thermostat/nobody");
    struct sheet sheet;
    struct ph_rows rows = rows_to(&sheet);
    struct ph_store_query query = {.device = &nobody, .to_ms = INT64_MAX};
    scratch_failed(scratch, ph_store_query(store, &query, &rows, &scratch->error), PH_ERR_NOT_FOUND,
        "device acme/thermostat/nobody: nothing stored of it");
    query = (struct ph_store_query){.kind = "toaster", .to_ms = INT64_MAX};
    scratch_failed(scratch, ph_store_query(store, &query, &rows, &scratch->error), PH_ERR_NOT_FOUND,
        "kind toaster: not in this store");
    ph_store_close(&store);
}

/* [ING-92] Also of one that never sent anything but garbage. */
static void devices_are_listed(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct sheet sheet;
    struct ph_rows rows = rows_to(&sheet);
    commit_range(store, T1, 1, 1, 3);
    commit_at(store, T1, 2, 1, 1, NOON + 60000);
    commit_letter(store, T1, 4, 5);
    commit_letter(store, "acme/thermostat/t3", 0, 0);
    commit_letter(store, NULL, 0, 0);
    commit_text(store, "acme/doorbell/d", "{\"pressed\":true}", NULL, NOON);
    assert_int_equal(ph_store_devices(store, &rows, NULL), PH_OK);
    assert_string_equal(sheet.text,
        "device streams stored given_up letters not_kept received skew_ms\n"
        "acme/doorbell/d 0 1 0 0 0 1790000000000 -\n" T1 " 2 4 0 1 0 1790000060000 -\n"
        "acme/thermostat/t3 0 0 0 1 0 - -\n");
    ph_store_close(&store);
}

static enum ph_err refuse(void *context, const struct ph_cell *cells, struct ph_error *error)
{
    (void)cells;
    (*(int *)context)++;
    return ph_error_set(error, PH_ERR_IO, "the pipe: broken");
}

static enum ph_err accept(
    void *context, const struct ph_column *columns, size_t count, struct ph_error *error)
{
    (void)context;
    (void)columns;
    (void)count;
    (void)error;
    return PH_OK;
}

/* Whoever takes rows may stop: its error comes back, and the store is as good as before. */
static void a_receiver_may_stop(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    int calls = 0;
    struct ph_rows rows = {.context = &calls, .begin = accept, .row = refuse};
    struct ph_store_query query = {.kind = "thermostat", .to_ms = INT64_MAX};
    commit_range(store, T1, 1, 1, 3);
    scratch_failed(scratch, ph_store_query(store, &query, &rows, &scratch->error), PH_ERR_IO,
        "the pipe: broken");
    scratch_failed(scratch, ph_store_latest(store, NOON, false, &rows, &scratch->error), PH_ERR_IO,
        "the pipe: broken");
    scratch_failed(
        scratch, ph_store_devices(store, &rows, &scratch->error), PH_ERR_IO, "the pipe: broken");
    assert_int_equal(calls, 3);
    assert_int_equal(commit_range(store, T1, 1, 4, 4).stored, 1);
    assert_int_equal(totals_of(store).stored, 4);
    ph_store_close(&store);
}

int conformance_reading(void)
{
    const struct CMUnitTest tests[] = {
        CONFORMANCE_TEST(plain_readings_are_stored_as_they_come),
        CONFORMANCE_TEST(latest_is_the_highest_number_of_the_stream_in_use),
        CONFORMANCE_TEST(a_question_does_not_hide_the_newest),
        CONFORMANCE_TEST(query_selects),
        CONFORMANCE_TEST(query_of_kinds_and_of_all),
        CONFORMANCE_TEST(unknown_devices_and_kinds_are_named),
        CONFORMANCE_TEST(devices_are_listed),
        CONFORMANCE_TEST(a_receiver_may_stop),
    };
    return cmocka_run_group_tests_name(conformance_name("reading"), tests, NULL, NULL);
}
