/* Device clocks: which time a row gets, what is flagged, how far a clock is off. */
#include "ingest/store/conformance.h"

#include <stdio.h>
#include <string.h>

#define MESSAGE(rest) "{\"v\":1,\"stream\":\"" S1 "\"," rest "}"

/* [ING-90] Whatever a clock says, the reading is there, with the time of its arrival beside it. */
static void times_are_judged(void **state)
{
    static const char *const messages[] = {
        MESSAGE("\"seq\":1,\"readings\":[{\"t\":1790000000000,\"temperature_c\":1}]"),
        MESSAGE("\"seq\":2,\"readings\":[{\"t\":1790086400001,\"temperature_c\":1}]"),
        MESSAGE("\"seq\":3,\"readings\":[{\"t\":1000,\"temperature_c\":1}]"),
        MESSAGE("\"seq\":4,\"up\":9000,\"readings\":[{\"up\":4000,\"temperature_c\":1}]"),
        MESSAGE("\"seq\":5,\"readings\":[{\"up\":4000,\"temperature_c\":1}]"),
        MESSAGE("\"seq\":6,\"readings\":[{\"t\":253402300799999,\"temperature_c\":1}]"),
        MESSAGE("\"seq\":7,\"readings\":[{\"t\":0,\"temperature_c\":1}]"),
    };
    struct ph_store *store = scratch_open_store(*state);
    struct sheet sheet;
    int64_t misdated = 0;
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        misdated += commit_text(store, T1, messages[i], NULL, NOON).misdated;
    }
    assert_int_equal(misdated, 6);
    query_rows(store, T1, "seq time timing received", &sheet);
    assert_string_equal(sheet.text, "7 0 past 1790000000000\n"
                                    "3 1000 past 1790000000000\n"
                                    "4 1789999995000 estimated 1790000000000\n"
                                    "1 1790000000000 - 1790000000000\n"
                                    "5 1790000000000 arrival 1790000000000\n"
                                    "2 1790086400001 future 1790000000000\n"
                                    "6 253402300799999 future 1790000000000\n");
    struct ph_store_totals totals = totals_of(store);
    const int64_t want[PH_TIMING_COUNT] = {1, 2, 2, 1, 1};
    for (size_t i = 0; i < PH_TIMING_COUNT; i++) {
        assert_int_equal(totals.timing[i], want[i]);
    }
    assert_sql(*state, "SELECT seq, timing FROM thermostat ORDER BY seq",
        "1|-\n2|future\n3|past\n4|estimated\n5|arrival\n6|future\n7|past\n");
    ph_store_close(&store);
}

/* [ING-42] What is newest does not depend on a clock. */
static void a_wrong_clock_does_not_hide_the_newest(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct sheet sheet;
    commit_text(store, T1,
        MESSAGE("\"seq\":1,\"readings\":[{\"t\":253402300799999,\"temperature_c\":1}]"), NULL,
        NOON);
    commit_text(store, T1, MESSAGE("\"seq\":2,\"readings\":[{\"t\":1000,\"temperature_c\":2}]"),
        NULL, NOON + 1000);
    latest_rows(store, NOON, "device time temperature_c", &sheet);
    assert_string_equal(sheet.text, T1 " 1000 2\n");
    ph_store_close(&store);
}

/* "now" of a question, and when it arrives. */
static void ask(
    struct ph_store *store, struct ph_store_counts *counts, int64_t now_ms, int64_t received_ms)
{
    char text[256];
    (void)snprintf(
        text, sizeof text, MESSAGE("\"seq\":1,\"now\":%lld,\"readings\":[]"), (long long)now_ms);
    assert_int_equal(append_text(store, T1, text, NULL, received_ms, counts), PH_OK);
}

/* [ING-91] */
static void skew_is_measured(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    struct sheet sheet;
    commit_range(store, T1, 1, 1, 1);
    device_rows(store, "device skew_ms", &sheet);
    assert_string_equal(sheet.text, T1 " -\n");
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    ask(store, &counts, NOON, NOON + 9000);         /* waited in the broker */
    ask(store, &counts, NOON + 10000, NOON + 9500); /* the least delayed one counts */
    ask(store, &counts, NOON + 10000, NOON + 19000);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    device_rows(store, "device skew_ms received", &sheet);
    assert_string_equal(sheet.text, T1 " 500 1790000019000\n");
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    ask(store, &counts, NOON, NOON + 60000); /* a transaction later: what was said last */
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    device_rows(store, "device skew_ms", &sheet);
    assert_string_equal(sheet.text, T1 " -60000\n");
    commit_range(store, T1, 1, 2, 2); /* says nothing of its clock */
    ph_store_close(&store);
    store = scratch_open_reader(*state);
    device_rows(store, "device skew_ms", &sheet);
    assert_string_equal(sheet.text, T1 " -60000\n");
    ph_store_close(&store);
}

int conformance_timing(void)
{
    const struct CMUnitTest tests[] = {
        CONFORMANCE_TEST(times_are_judged),
        CONFORMANCE_TEST(a_wrong_clock_does_not_hide_the_newest),
        CONFORMANCE_TEST(skew_is_measured),
    };
    return cmocka_run_group_tests_name(conformance_name("timing"), tests, NULL, NULL);
}
