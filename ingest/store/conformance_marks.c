/* Which readings have been dealt with, and what the store says of it. */
#include "ingest/store/conformance.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "ingest/store/marks.h"

/* [ING-10] [ING-11] */
static void gaps_and_order_of_arrival(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    commit_range(store, T1, 1, 5, 9);
    assert_ack(store, T1, 1, "0 5-9");
    commit_range(store, T1, 1, 1, 2);
    assert_ack(store, T1, 1, "2 5-9");
    commit_range(store, T1, 1, 11, 11);
    assert_ack(store, T1, 1, "2 5-9 11-11");
    struct ph_store_counts counts = commit_range(store, T1, 1, 3, 10);
    assert_int_equal(counts.stored, 3); /* 3, 4 and 10 */
    assert_int_equal(counts.duplicates, 5);
    assert_ack(store, T1, 1, "11");
    assert_int_equal(totals_of(store).stored, 11);
    assert_int_equal(totals_of(store).duplicates, 0);
    ph_store_close(&store);
}

/* [ING-11] */
static void duplicates_in_and_across_batches(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(append(store, T1, 1, 1, 10, &counts), PH_OK);
    assert_int_equal(append(store, T1, 1, 1, 10, &counts), PH_OK);
    assert_int_equal(append(store, T1, 1, 6, 10, &counts), PH_OK);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_int_equal(counts.stored, 15);
    assert_int_equal(counts.duplicates, 15);
    counts = commit_range(store, T1, 1, 1, 15);
    assert_int_equal(counts.stored, 0);
    assert_ack(store, T1, 1, "15");
    ph_store_close(&store);

    store = scratch_open_store(*state); /* the marks are in the database, not only in memory */
    counts = commit_range(store, T1, 1, 14, 17);
    assert_int_equal(counts.stored, 2);
    assert_int_equal(totals_of(store).stored, 17);
    assert_int_equal(totals_of(store).duplicates, 0);
    ph_store_close(&store);
}

/* [ING-2] */
static void streams_and_devices_are_apart(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct sheet sheet;
    struct ph_rows rows = rows_to(&sheet);
    struct ph_store_totals totals = {0};
    commit_range(store, T1, 1, 1, 3);
    commit_range(store, T1, UINT64_MAX, 1, 2);
    commit_range(store, T2, 1, 1, 4);
    commit_range(store, "other/thermostat/t1", 1, 2, 2);
    assert_int_equal(ph_store_stats(store, &rows, &totals, NULL), PH_OK);
    assert_string_equal(sheet.text,
        "device stream stored through first last duplicates vouched given_up\n" T1 " " S1
        " 3 3 1 3 0 0 0\n" T1 " ffffffffffffffff 2 2 1 2 0 0 0\n" T2 " " S1
        " 4 4 1 4 0 0 0\nother/thermostat/t1 " S1 " 1 0 2 2 0 0 0\n");
    assert_int_equal(totals.devices, 3);
    assert_int_equal(totals.streams, 4);
    assert_int_equal(totals.stored, 10);
    ph_store_close(&store);
}

/* [ING-23] */
static void refused_readings_leave_no_row_and_no_gap(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    char text[1024];
    message_text(text, sizeof text, 1, 1, 3);
    struct ph_message *parsed = message_of(text);
    struct ph_identity identity = identity_of(T1);
    const bool refused[] = {false, true, false};
    struct ph_store_message message = {
        .identity = &identity, .message = parsed, .refused = refused, .received_ms = NOON};
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(ph_store_append(store, &message, &counts, NULL), PH_OK);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_int_equal(counts.stored, 2);
    assert_ack(store, T1, 1, "3");
    ph_message_free(&parsed);
    ph_store_close(&store);
}

/* [ING-12] */
static void acknowledgement_names_what_was_touched(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_identity identity = identity_of(T1);
    struct ph_store_counts counts = {0};
    enum { RANGES = 200 };
    struct ph_seq_range touched[RANGES];
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    for (int64_t i = 0; i < RANGES; i++) {
        touched[i] = (struct ph_seq_range){.first = 10 + 3 * i, .last = 11 + 3 * i};
        assert_int_equal(append(store, T1, 1, touched[i].first, 2, &counts), PH_OK);
    }
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    size_t done = 0;
    size_t acks = 0;
    while (done < RANGES) {
        struct ph_ack ack = {0};
        size_t used = 0;
        assert_int_equal(
            ph_store_acks(store, &identity, 1, &touched[done], RANGES - done, &ack, &used, NULL),
            PH_OK);
        assert_int_equal(ack.through, 0);
        assert_int_equal(ack.also_count, used);
        for (size_t i = 0; i < used; i++) {
            assert_int_equal(ack.also[i].first, touched[done + i].first);
            assert_int_equal(ack.also[i].last, touched[done + i].last);
        }
        done += used;
        acks++;
    }
    assert_int_equal(acks, (RANGES + PH_LIMIT_ACK_RANGES - 1) / PH_LIMIT_ACK_RANGES);
    ph_store_close(&store);
}

/* [ING-13] */
static void too_many_gaps_are_left_out(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    int64_t seq = 2;
    for (int i = 0; i < PH_MARKS_GAPS_MAX; i++, seq += 2) {
        assert_int_equal(append(store, T1, 1, seq, 1, &counts), PH_OK);
    }
    assert_int_equal(append(store, T1, 1, seq, 1, &counts), PH_ERR_LIMIT);
    assert_int_equal(bury(store, T1, seq, seq, &counts), PH_ERR_LIMIT);
    assert_int_equal(append(store, T1, 1, 1, 1, &counts), PH_OK);
    assert_int_equal(append(store, T1, 1, seq, 1, &counts), PH_OK); /* one gap has closed */
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_int_equal(counts.stored, PH_MARKS_GAPS_MAX + 2);
    ph_store_close(&store);
    store = scratch_open_store(*state);
    assert_int_equal(commit_range(store, T1, 1, 2, 2).duplicates, 1);
    ph_store_close(&store);
}

/* [ING-16] */
static void too_many_streams_of_one_device(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    struct ph_store_counts counts = {0};
    enum { LEFT = 2 };
    char sql[96];
    commit_range(store, T1, 1, 1, 1);
    commit_range(store, T1, 2, 1, 1);
    (void)snprintf(sql, sizeof sql, "UPDATE device SET streams = streams + %d",
        PH_STORE_STREAMS_MAX - LEFT - 2);
    conformance_subject()->sql(scratch, sql);
    scratch->broken = true; /* a count of streams that are not there */
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(append(store, T1, 3, 1, 1, &counts), PH_OK);
    assert_int_equal(append(store, T1, 4, 1, 1, &counts), PH_OK);
    assert_int_equal(append(store, T1, 5, 1, 1, &counts), PH_ERR_LIMIT);
    assert_int_equal(bury(store, T1, 1, 1, &counts), PH_OK); /* a stream that exists goes on */
    assert_int_equal(append(store, T1, 4, 2, 1, &counts), PH_OK);
    assert_int_equal(append(store, T2, 5, 1, 1, &counts), PH_OK);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_int_equal(counts.stored, 4);
    assert_int_equal(totals_of(store).streams, 5);
    ph_store_close(&store);
}

static void broken_marks_are_named(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    struct ph_identity identity = identity_of(T1);
    struct ph_ack ack = {0};
    size_t used = 0;
    commit_range(store, T1, 1, 1, 3);
    ph_store_close(&store);
    conformance_subject()->sql(scratch, "UPDATE stream SET beyond = '9-8'");
    scratch->broken = true;
    store = scratch_open_store(scratch);
    scratch_failed(scratch,
        ph_store_acks(store, &identity, 1, NULL, 0, &ack, &used, &scratch->error), PH_ERR_INPUT,
        "table stream, id 1: stream: ranges beyond the gap: malformed");
    ph_store_close(&store);
}

static void thousand_streams(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    for (int round = 0; round < 3; round++) {
        struct ph_store_counts counts = {0};
        assert_int_equal(ph_store_begin(store, NULL), PH_OK);
        for (int i = 0; i < 1000; i++) {
            char device[64];
            (void)snprintf(device, sizeof device, "acme/thermostat/t%d", i / 2);
            assert_int_equal(append(store, device, (uint64_t)i + 1, 1 + round, 1, &counts), PH_OK);
        }
        assert_int_equal(ph_store_commit(store, NULL), PH_OK);
        assert_int_equal(counts.stored, 1000);
    }
    struct ph_store_totals totals = totals_of(store);
    assert_int_equal(totals.devices, 500);
    assert_int_equal(totals.streams, 1000);
    assert_int_equal(totals.stored, 3000);
    assert_int_equal(totals.duplicates, 0);
    ph_store_close(&store);
}

#define MESSAGE(rest) "{\"v\":1,\"stream\":\"" S1 "\"," rest "}"
#define READING       "{\"t\":1790000000001,\"temperature_c\":20}"

/* [ING-77] What a device says that it will never send leaves no gap. */
static void what_is_given_up_closes_gaps(void **state)
{
    static const char said[] =
        MESSAGE("\"seq\":20,\"oldest\":15,\"readings\":[" READING "," READING "]");
    struct ph_store *store = scratch_open_store(*state);
    struct sheet sheet;
    commit_range(store, T1, 1, 5, 9);
    commit_range(store, T1, 1, 17, 17);
    struct ph_store_counts counts = commit_text(store, T1, said, NULL, NOON);
    assert_int_equal(counts.stored, 2);
    assert_int_equal(counts.given_up, 9); /* 1 to 4, 10 to 14 */
    assert_ack(store, T1, 1, "14 17-17 20-21");
    counts = commit_text(store, T1, said, NULL, NOON);
    assert_int_equal(counts.given_up, 0);
    assert_int_equal(counts.duplicates, 2);
    counts = commit_range(store, T1, 1, 1, 19); /* late after all: they count as dealt with */
    assert_int_equal(counts.stored, 4);         /* 15, 16, 18, 19 */
    assert_ack(store, T1, 1, "21");
    assert_int_equal(totals_of(store).given_up, 9);
    assert_int_equal(totals_of(store).stored, 12);
    ph_store_close(&store);
    store = scratch_open_reader(*state);
    device_rows(store, "device stored given_up", &sheet);
    assert_string_equal(sheet.text, T1 " 12 9\n");
    ph_store_close(&store);
}

/* [ING-82] */
static void a_question_makes_its_stream_known(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts =
        commit_text(store, T1, MESSAGE("\"seq\":1,\"readings\":[]"), NULL, NOON);
    assert_int_equal(counts.stored, 0);
    assert_int_equal(counts.duplicates, 0);
    assert_ack(store, T1, 1, "0");
    assert_int_equal(totals_of(store).streams, 1);
    commit_text(store, T1, MESSAGE("\"seq\":6,\"oldest\":4,\"readings\":[]"), NULL, NOON);
    assert_ack(store, T1, 1, "3"); /* 4 and 5 are still to come */
    commit_range(store, T1, 1, 4, 7);
    commit_text(store, T1, MESSAGE("\"seq\":8,\"readings\":[]"), NULL, NOON);
    assert_ack(store, T1, 1, "7");
    assert_int_equal(totals_of(store).given_up, 3);
    ph_store_close(&store);
    store = scratch_open_store(*state);
    assert_ack(store, T1, 1, "7");
    ph_store_close(&store);
}

/* [ING-77] [ING-121] Streams that each give up nearly all numbers there are: together more than an
 * integer holds. */
static void no_device_breaks_the_sums(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    struct sheet sheet;
    char text[128];
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    for (int i = 1; i <= 1030; i++) {
        (void)snprintf(text, sizeof text,
            "{\"v\":1,\"stream\":\"%016x\",\"seq\":9007199254740991,"
            "\"oldest\":9007199254740991,\"readings\":[]}",
            (unsigned)i);
        assert_int_equal(append_text(store, T1, text, NULL, NOON, &counts), PH_OK);
    }
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_int_equal(counts.given_up, INT64_MAX);
    device_rows(store, "streams given_up", &sheet);
    assert_string_equal(sheet.text, "1030 9223372036854775807\n");
    assert_int_equal(totals_of(store).given_up, INT64_MAX);
    ph_store_close(&store);
}

int conformance_marks(void)
{
    const struct CMUnitTest tests[] = {
        CONFORMANCE_TEST(gaps_and_order_of_arrival),
        CONFORMANCE_TEST(duplicates_in_and_across_batches),
        CONFORMANCE_TEST(streams_and_devices_are_apart),
        CONFORMANCE_TEST(refused_readings_leave_no_row_and_no_gap),
        CONFORMANCE_TEST(acknowledgement_names_what_was_touched),
        CONFORMANCE_TEST(too_many_gaps_are_left_out),
        CONFORMANCE_TEST(too_many_streams_of_one_device),
        CONFORMANCE_TEST(broken_marks_are_named),
        CONFORMANCE_TEST(thousand_streams),
        CONFORMANCE_TEST(what_is_given_up_closes_gaps),
        CONFORMANCE_TEST(a_question_makes_its_stream_known),
        CONFORMANCE_TEST(no_device_breaks_the_sums),
    };
    return cmocka_run_group_tests_name(conformance_name("marks"), tests, NULL, NULL);
}
