/* Partitions by time of reception: closed, indexed, dropped. */
#include "ingest/store/conformance.h"

#include <stdio.h>
#include <string.h>

static struct ph_store *open_hourly(struct scratch *scratch, int64_t retention_ms)
{
    scratch->limits.partition_ms = HOUR;
    scratch->limits.retention_ms = retention_ms;
    return scratch_open_store(scratch);
}

/* Readings 1 to 8 of T1 and T2, two of each per hour. */
static void fill_hours(struct ph_store *store)
{
    for (int64_t hour = 0; hour < 4; hour++) {
        int64_t received_ms = HOUR_0 + hour * HOUR + HOUR / 2;
        commit_at(store, T1, 1, 1 + 2 * hour, 2 + 2 * hour, received_ms);
        commit_at(store, T2, 1, 1 + 2 * hour, 2 + 2 * hour, received_ms);
        maintain(store, received_ms + HOUR);
    }
}

/* [ING-70] Nothing that is read looks different for it. */
static void partitions_are_closed_and_indexed(void **state)
{
    struct ph_store *store = open_hourly(*state, 0);
    struct sheet sheet;
    fill_hours(store);
    assert_sql(*state,
        "SELECT count(*) FROM partition WHERE kind = 'thermostat' AND state = 2 AND rows = 4",
        "4\n");
    commit_at(store, T1, 1, 9, 9, HOUR_0 + 5 * HOUR);
    query_rows(store, T1, "seq", &sheet);
    assert_string_equal(sheet.text, "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    query_rows(store, NULL, "device", &sheet);
    assert_int_equal(sheet.rows, 17);
    latest_rows(store, NOON, "device time hvac stored", &sheet);
    assert_string_equal(sheet.text, T1 " 1790000000009 idle 9\n" T2 " 1790000000008 idle 8\n");
    assert_int_equal(totals_of(store).stored, 17);
    assert_int_equal(totals_of(store).duplicates, 0);
    assert_int_equal(commit_range(store, T1, 1, 1, 9).stored, 0);
    assert_sql(*state, "SELECT count(*) FROM thermostat", "17\n");
    ph_store_close(&store);
}

/* [ING-43] A device's clock plays no part in where its readings are found. */
static void queries_find_readings_wherever_they_are(void **state)
{
    struct ph_store *store = open_hourly(*state, 0);
    struct sheet sheet;
    struct ph_rows rows = rows_picked(&sheet, "seq");
    struct ph_store_query query = {.kind = "thermostat", .from_ms = 1000, .to_ms = 1003};
    static const char *const messages[] = {
        "{\"v\":1,\"stream\":\"" S1 "\",\"seq\":1,\"readings\":[{\"t\":1002,\"temperature_c\":1}]}",
        "{\"v\":1,\"stream\":\"" S1 "\",\"seq\":2,\"readings\":[{\"t\":9000,\"temperature_c\":1}]}",
        "{\"v\":1,\"stream\":\"" S1 "\",\"seq\":3,\"readings\":[{\"t\":1001,\"temperature_c\":1}]}",
        "{\"v\":1,\"stream\":\"" S1 "\",\"seq\":4,\"readings\":[{\"t\":1000,\"temperature_c\":1}]}",
    };
    for (int i = 0; i < 4; i++) {
        commit_text(store, T1, messages[i], NULL, HOUR_0 + i * HOUR);
        maintain(store, HOUR_0 + i * HOUR);
    }
    assert_int_equal(ph_store_query(store, &query, &rows, NULL), PH_OK);
    assert_string_equal(sheet.text, "4\n3\n1\n");
    struct ph_identity t1 = identity_of(T1);
    query.device = &t1;
    query.limit = 2;
    rows = rows_picked(&sheet, "seq");
    assert_int_equal(ph_store_query(store, &query, &rows, NULL), PH_OK);
    assert_string_equal(sheet.text, "3\n1\n");
    ph_store_close(&store);
}

/* [ING-71] */
static void retention_drops_whole_partitions(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = open_hourly(scratch, 0);
    struct sheet sheet;
    commit_at(store, "acme/thermostat/old", 1, 1, 2, HOUR_0);
    fill_hours(store);
    assert_int_equal(totals_of(store).stored, 18);
    ph_store_close(&store);
    store = open_hourly(scratch, 2 * HOUR - HOUR / 4);
    maintain(store, HOUR_0 + 4 * HOUR + HOUR / 2);
    struct ph_store_totals totals = totals_of(store);
    assert_int_equal(totals.stored, 8);
    assert_int_equal(totals.dropped, 10);
    assert_int_equal(totals.duplicates, 0);
    query_rows(store, T1, "seq", &sheet);
    assert_string_equal(sheet.text, "5\n6\n7\n8\n");
    assert_int_equal(commit_range(store, T1, 1, 1, 8).stored, 0); /* dealt with, for ever */
    latest_rows(store, NOON, "device time hvac stored", &sheet);
    assert_string_equal(sheet.text, "acme/thermostat/old 1790000000002 - 2\n" T1
                                    " 1790000000008 idle 8\n" T2 " 1790000000008 idle 8\n");
    device_rows(store, "device stored", &sheet);
    assert_string_equal(sheet.text, "acme/thermostat/old 2\n" T1 " 8\n" T2 " 8\n");
    assert_sql(scratch, "SELECT count(*) FROM thermostat", "8\n");
    maintain(store, HOUR_0 + 40 * HOUR);
    assert_int_equal(totals_of(store).stored, 0);
    assert_int_equal(totals_of(store).dropped, 18);
    assert_int_equal(commit_at(store, T1, 1, 1, 9, HOUR_0 + 41 * HOUR).stored, 1);
    ph_store_close(&store);
}

/* [ING-72] */
static void maintenance_with_nothing_to_do(void **state)
{
    struct ph_store *store = open_hourly(*state, HOUR);
    bool more = true;
    assert_int_equal(ph_store_maintain(store, HOUR_0, &more, NULL), PH_OK);
    maintain(store, HOUR_0);
    commit_at(store, T1, 1, 1, 2, HOUR_0);
    maintain(store, HOUR_0 + HOUR / 2);
    assert_int_equal(totals_of(store).stored, 2);
    ph_store_close(&store);
}

int conformance_partitions(void)
{
    const struct CMUnitTest tests[] = {
        CONFORMANCE_TEST(partitions_are_closed_and_indexed),
        CONFORMANCE_TEST(queries_find_readings_wherever_they_are),
        CONFORMANCE_TEST(retention_drops_whole_partitions),
        CONFORMANCE_TEST(maintenance_with_nothing_to_do),
    };
    return cmocka_run_group_tests_name(conformance_name("partitions"), tests, NULL, NULL);
}
