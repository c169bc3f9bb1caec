/* What every store must do, written against the vtable; today's only store is SQLite. */
#include "ingest/testing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/sqlite.h"
#include "base/limits.h"
#include "ingest/marks.h"
#include "ingest/store.h"

#define T1 "acme/thermostat/t1"

/* Appends readings [seq, seq + count). */
static enum ph_err append(struct ph_store *store, const char *device, uint64_t stream, int64_t seq,
    size_t count, struct ph_store_counts *counts)
{
    char *text = malloc(PH_LIMIT_MESSAGE_BYTES);
    assert_non_null(text);
    message_text(text, PH_LIMIT_MESSAGE_BYTES, stream, seq, count);
    struct ph_message *parsed = message_of(text);
    struct ph_identity identity = identity_of(device);
    struct ph_store_message message = {
        .identity = &identity, .message = parsed, .received_ms = 1790000000000 + seq};
    enum ph_err err = ph_store_append(store, &message, counts, NULL);
    ph_message_free(&parsed);
    free(text);
    return err;
}

static struct ph_store_counts commit_range(
    struct ph_store *store, const char *device, uint64_t stream, int64_t first, int64_t last)
{
    struct ph_store_counts counts = {0};
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(
        append(store, device, stream, first, (size_t)(last - first + 1), &counts), PH_OK);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    return counts;
}

static void assert_ack(
    struct ph_store *store, const char *device, uint64_t stream, const char *want)
{
    struct ph_identity identity = identity_of(device);
    struct ph_ack ack = {0};
    size_t used = 0;
    char have[512];
    assert_int_equal(ph_store_acks(store, &identity, stream, NULL, 0, &ack, &used, NULL), PH_OK);
    assert_true(ack.stream == stream);
    int len = snprintf(have, sizeof have, "%" PRId64, ack.through);
    for (size_t i = 0; i < ack.also_count; i++) {
        len += snprintf(&have[len], sizeof have - (size_t)len, " %" PRId64 "-%" PRId64,
            ack.also[i].first, ack.also[i].last);
    }
    assert_string_equal(have, want);
}

static struct ph_store_totals totals_of(struct ph_store *store)
{
    struct ph_store_totals totals = {0};
    assert_int_equal(ph_store_stats(store, NULL, &totals, NULL), PH_OK);
    return totals;
}

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
    commit_range(store, "acme/thermostat/t2", 1, 1, 4);
    commit_range(store, "other/thermostat/t1", 1, 2, 2);
    assert_int_equal(ph_store_stats(store, &rows, &totals, NULL), PH_OK);
    assert_string_equal(sheet.text, "device stream stored through first last duplicates vouched\n"
                                    "acme/thermostat/t1 0000000000000001 3 3 1 3 0 0\n"
                                    "acme/thermostat/t1 ffffffffffffffff 2 2 1 2 0 0\n"
                                    "acme/thermostat/t2 0000000000000001 4 4 1 4 0 0\n"
                                    "other/thermostat/t1 0000000000000001 1 0 2 2 0 0\n");
    assert_int_equal(totals.devices, 3);
    assert_int_equal(totals.streams, 4);
    assert_int_equal(totals.stored, 10);
    ph_store_close(&store);
}

/* [ING-4] */
static void failed_transaction_leaves_nothing(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    struct ph_store_counts counts = {0};
    commit_range(store, T1, 1, 1, 3);
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(append(store, T1, 1, 4, 3, &counts), PH_OK);
    assert_int_equal(append(store, "acme/thermostat/new", 9, 1, 3, &counts), PH_OK);
    ph_store_rollback(store);
    assert_ack(store, T1, 1, "3");
    assert_int_equal(totals_of(store).stored, 3);
    counts = commit_range(store, T1, 1, 4, 6);
    assert_int_equal(counts.stored, 3);
    counts = commit_range(store, "acme/thermostat/new", 9, 1, 3);
    assert_int_equal(counts.stored, 3);
    assert_int_equal(totals_of(store).stored, 9);
    ph_store_close(&store);
}

/* [ING-4] A lock that another process holds is PH_ERR_BUSY, and goes away. */
static void locked_store_is_busy(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    struct ph_db *other = NULL;
    assert_int_equal(ph_db_open(scratch->store, PH_DB_WRITE, 0, &other, NULL), PH_OK);
    assert_int_equal(ph_db_begin(other, NULL), PH_OK);
    scratch_failed(scratch, ph_store_begin(store, &scratch->error), PH_ERR_BUSY,
        "readings.db: begin transaction: database is locked");
    ph_db_rollback(other);
    ph_db_close(&other);
    assert_int_equal(commit_range(store, T1, 1, 1, 1).stored, 1);
    ph_store_close(&store);
}

static enum ph_err bury(struct ph_store *store, const char *device, int64_t first, int64_t last,
    struct ph_store_counts *counts)
{
    struct ph_identity identity = {0};
    struct ph_dead_letter letter = {
        .reason = "because",
        .topic = "some/topic",
        .payload = "a\0\xff",
        .payload_len = 3,
        .received_ms = 1790000000000,
        .has_range = first > 0,
        .stream = 1,
        .first = first,
        .last = last,
    };
    if (device != NULL) {
        identity = identity_of(device);
        letter.identity = &identity;
    }
    return ph_store_bury(store, &letter, counts, NULL);
}

/* [ING-20] [ING-21] */
static void dead_letters_count_as_dealt_with(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    struct sheet sheet;
    struct ph_rows rows = rows_to(&sheet);
    commit_range(store, T1, 1, 1, 3);
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(bury(store, T1, 4, 6, &counts), PH_OK);
    assert_int_equal(bury(store, T1, 4, 6, &counts), PH_OK); /* sent again: one row only */
    assert_int_equal(bury(store, NULL, 0, 0, &counts), PH_OK);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_int_equal(counts.dead_letters, 2);
    assert_int_equal(counts.duplicates, 3);
    assert_ack(store, T1, 1, "6");
    assert_int_equal(ph_store_dead_letters(store, 0, false, &rows, NULL), PH_OK);
    assert_string_equal(sheet.text,
        "id received device stream first last reason topic payload\n"
        "1 1790000000000 acme/thermostat/t1 0000000000000001 4 6 because some/topic "
        "a\\x00\\xff\n"
        "2 1790000000000 - - - - because some/topic a\\x00\\xff\n");
    rows = rows_to(&sheet);
    assert_int_equal(ph_store_dead_letters(store, 1, false, &rows, NULL), PH_OK);
    assert_int_equal(sheet.rows, 1);
    assert_int_equal(totals_of(store).stored, 3);
    ph_store_close(&store);
}

/* [ING-22] */
static void garbage_is_capped_per_device(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    for (int i = 0; i < PH_STORE_GARBAGE_MAX + 5; i++) {
        assert_int_equal(bury(store, T1, 0, 0, &counts), PH_OK);
    }
    assert_int_equal(bury(store, "acme/thermostat/t2", 0, 0, &counts), PH_OK);
    assert_int_equal(bury(store, T1, 1, 1, &counts), PH_OK); /* acknowledged, so always kept */
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_int_equal(counts.dead_letters, PH_STORE_GARBAGE_MAX + 2);
    assert_int_equal(counts.not_kept, 5);
    struct ph_store_totals totals = totals_of(store);
    assert_int_equal(totals.dead_letters, PH_STORE_GARBAGE_MAX + 2);
    assert_int_equal(totals.dead_letters_not_kept, 5);
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
        .identity = &identity, .message = parsed, .refused = refused, .received_ms = 5};
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(ph_store_append(store, &message, &counts, NULL), PH_OK);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_int_equal(counts.stored, 2);
    assert_ack(store, T1, 1, "3");
    ph_message_free(&parsed);
    ph_store_close(&store);
}

static void append_text(struct ph_store *store, const char *device, const char *text)
{
    struct ph_store_counts counts = {0};
    struct ph_message *parsed = message_of(text);
    struct ph_identity identity = identity_of(device);
    struct ph_store_message message = {
        .identity = &identity, .message = parsed, .received_ms = 1790000000777};
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(ph_store_append(store, &message, &counts, NULL), PH_OK);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_int_equal(counts.stored, 1);
    ph_message_free(&parsed);
}

/* [ING-25] */
static void plain_readings_are_stored_as_they_come(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct sheet sheet;
    struct ph_rows rows = rows_to(&sheet);
    struct ph_store_query query = {.kind = "doorbell", .to_ms = INT64_MAX};
    append_text(store, "acme/doorbell/d", "{\"t\":1790000000000,\"pressed\":true}");
    append_text(store, "acme/doorbell/d", "{\"t\":1790000000000,\"pressed\":true}");
    append_text(store, "acme/doorbell/d", "{\"pressed\":false,\"label\":\"x'y\"}");
    assert_int_equal(ph_store_query(store, &query, &rows, NULL), PH_OK);
    assert_string_equal(sheet.text, "device stream seq time pressed label\n"
                                    "acme/doorbell/d - - 1790000000000 1 -\n"
                                    "acme/doorbell/d - - 1790000000000 1 -\n"
                                    "acme/doorbell/d - - 1790000000777 0 x'y\n");
    assert_int_equal(totals_of(store).duplicates, 0);
    assert_int_equal(totals_of(store).streams, 0);
    rows = rows_to(&sheet);
    assert_int_equal(ph_store_latest(store, 1790000002777, false, &rows, NULL), PH_OK);
    assert_non_null(strstr(sheet.text, "acme/doorbell/d 1790000000777 0 x'y 3 2\n"));
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
    assert_int_equal(ph_store_latest(store, 1790000001012, false, &rows, NULL), PH_OK);
    assert_string_equal(sheet.text, "device time pressed label stored age\n"
                                    "device time temperature_c hvac window_open starts stored age\n"
                                    "acme/thermostat/t1 1790000000012 21.5 idle - - 5 1\n");
    ph_store_close(&store);
}

/* [ING-43] */
static void query_selects(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    struct ph_identity t1 = identity_of(T1);
    struct ph_identity nobody = identity_of("acme/thermostat/nobody");
    static const struct {
        int64_t from, to, limit, rows;
        const char *first;
    } cases[] = {
        {INT64_MIN, INT64_MAX, 0, 10, " 1 1790000000001"},
        {INT64_MIN, INT64_MAX, 3, 3, " 8 1790000000008"},
        {1790000000004, 1790000000006, 0, 2, " 4 1790000000004"},
        {0, 1, 0, 0, NULL},
    };
    commit_range(store, T1, 1, 6, 10);
    commit_range(store, T1, 1, 1, 5);
    commit_range(store, "acme/thermostat/t2", 1, 1, 4);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sheet sheet;
        struct ph_rows rows = rows_to(&sheet);
        struct ph_store_query query = {
            .device = &t1, .from_ms = cases[i].from, .to_ms = cases[i].to, .limit = cases[i].limit};
        assert_int_equal(ph_store_query(store, &query, &rows, NULL), PH_OK);
        assert_int_equal(sheet.rows, cases[i].rows);
        if (cases[i].first != NULL) {
            const char *line = strchr(sheet.text, '\n');
            assert_non_null(strstr(line, cases[i].first));
            assert_ptr_equal(strstr(line, T1), line + 1);
        }
    }
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
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    enum { LEFT = 2 };
    char sql[96];
    commit_range(store, T1, 1, 1, 1);
    commit_range(store, T1, 2, 1, 1);
    (void)snprintf(sql, sizeof sql, "UPDATE device SET streams = streams + %d",
        PH_STORE_STREAMS_MAX - LEFT - 2);
    scratch_sql(*state, sql);
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(append(store, T1, 3, 1, 1, &counts), PH_OK);
    assert_int_equal(append(store, T1, 4, 1, 1, &counts), PH_OK);
    assert_int_equal(append(store, T1, 5, 1, 1, &counts), PH_ERR_LIMIT);
    assert_int_equal(bury(store, T1, 1, 1, &counts), PH_OK); /* a stream that exists goes on */
    assert_int_equal(append(store, T1, 4, 2, 1, &counts), PH_OK);
    assert_int_equal(append(store, "acme/thermostat/t2", 5, 1, 1, &counts), PH_OK);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_int_equal(counts.stored, 4);
    assert_int_equal(totals_of(store).streams, 5);
    ph_store_close(&store);
}

/* [ING-17] A second ingest by mistake, or a hand in the database: what this one remembers is void.
 */
static void another_writer_is_noticed(void **state)
{
    struct ph_store *one = scratch_open_store(*state);
    struct ph_store *two = scratch_open_store(*state);
    commit_range(one, T1, 1, 1, 3);
    assert_int_equal(commit_range(two, T1, 1, 1, 6).stored, 3);
    struct ph_store_counts counts = commit_range(one, T1, 1, 4, 7);
    assert_int_equal(counts.stored, 1);
    assert_int_equal(counts.duplicates, 3);
    assert_ack(one, T1, 1, "7");
    assert_int_equal(commit_range(two, T1, 1, 7, 8).stored, 1);
    assert_int_equal(totals_of(one).stored, 8);
    assert_int_equal(totals_of(one).duplicates, 0);
    ph_store_close(&one);
    ph_store_close(&two);
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
    scratch_sql(scratch, "UPDATE stream SET beyond = '9-8'");
    store = scratch_open_store(scratch);
    scratch_failed(scratch,
        ph_store_acks(store, &identity, 1, NULL, 0, &ack, &used, &scratch->error), PH_ERR_INPUT,
        "readings.db: table stream, id 1: stream: ranges beyond the gap: malformed");
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

/* [KND-4] [KND-5] */
static void kinds_extend_the_store(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    struct sheet sheet;
    struct ph_rows rows = rows_to(&sheet);
    struct ph_store_query query = {.kind = "thermostat", .to_ms = INT64_MAX};
    commit_range(store, T1, 1, 1, 1);
    ph_store_close(&store);
    scratch_load_kinds(scratch, "kinds:\n"
                                "  - name: thermostat\n"
                                "    fields:\n"
                                "      - {name: temperature_c, type: number, unit: K}\n"
                                "      - {name: select, type: text}\n"
                                "      - {name: hvac, type: text}\n"
                                "  - name: boiler\n"
                                "    fields: [{name: on, type: boolean}]\n");
    store = scratch_open_store(scratch);
    append_text(store, T1,
        "{\"v\":1,\"stream\":\"0000000000000001\",\"seq\":2,\"readings\":"
        "[{\"t\":9,\"temperature_c\":1,\"select\":\"x\"}]}");
    assert_int_equal(ph_store_query(store, &query, &rows, NULL), PH_OK);
    assert_string_equal(sheet.text,
        "device stream seq time temperature_c hvac window_open starts select\n"
        "acme/thermostat/t1 0000000000000001 2 9 1 - - - x\n"
        "acme/thermostat/t1 0000000000000001 1 1790000000001 21.5 idle - - -\n");
    ph_store_close(&store);
}

/* [KND-6] */
static void kinds_that_contradict_the_store(void **state)
{
    static const struct {
        const char *kinds, *says;
    } cases[] = {
        {"kinds:\n  - name: thermostat\n    fields: [{name: temperature_c, type: text}]\n",
            "kind thermostat: field temperature_c: type: the store"},
        {"kinds:\n  - name: device\n    fields: [{name: x, type: text}]\n",
            "kind device: name: taken by the store itself"},
        {"kinds:\n  - name: reading_x\n    fields: [{name: x, type: text}]\n",
            "kind reading_x: name: taken"},
    };
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    ph_store_close(&store);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scratch_load_kinds(scratch, cases[i].kinds);
        scratch_failed(scratch,
            ph_store_open(scratch->store, scratch->kinds, &store, &scratch->error), PH_ERR_CONFIG,
            cases[i].says);
        assert_null(store);
    }
}

static void unknown_kind_is_refused(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(append(store, "acme/toaster/t", 1, 1, 1, &counts), PH_ERR_CONFIG);
    ph_store_rollback(store);
    ph_store_close(&store);
}

/* [ING-40] [ING-44] */
static void readers_beside_a_writer(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *reader = NULL;
    struct ph_store_counts counts = {0};
    scratch_failed(scratch, ph_store_open_reader(scratch->store, &reader, &scratch->error),
        PH_ERR_NOT_FOUND, "readings.db: open database: No such file");
    struct ph_store *store = scratch_open_store(scratch);
    commit_range(store, T1, 1, 1, 3);
    assert_int_equal(ph_store_open_reader(scratch->store, &reader, NULL), PH_OK);
    assert_int_equal(totals_of(reader).stored, 3);
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(append(store, T1, 1, 4, 2, &counts), PH_OK);
    assert_int_equal(totals_of(reader).stored, 3);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_int_equal(totals_of(reader).stored, 5);
    scratch_failed(scratch, ph_store_begin(reader, &scratch->error), PH_ERR_PERMISSION,
        "readings.db: opened for reading only");
    ph_store_close(&reader);
    ph_store_close(&store);
}

/* [ING-41] */
static void foreign_and_newer_databases_are_refused(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = NULL;
    scratch_sql(scratch, "CREATE TABLE theirs(x)");
    scratch_failed(scratch, ph_store_open(scratch->store, scratch->kinds, &store, &scratch->error),
        PH_ERR_INPUT, "this database belongs to something else");
    scratch_failed(scratch, ph_store_open_reader(scratch->store, &store, &scratch->error),
        PH_ERR_INPUT, "this database belongs to something else");
    assert_int_equal(unlink(scratch->store), 0);
    store = scratch_open_store(scratch);
    ph_store_close(&store);
    scratch_sql(scratch, "PRAGMA user_version=99");
    scratch_failed(scratch, ph_store_open(scratch->store, scratch->kinds, &store, &scratch->error),
        PH_ERR_INPUT, "written by a newer program");
    scratch_failed(scratch, ph_store_open_reader(scratch->store, &store, &scratch->error),
        PH_ERR_INPUT, "written by a newer program");
    assert_null(store);
}

/* [KND-3] The view is what anyone with sqlite3 sees. */
static void view_shows_readings(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    struct ph_db *db = NULL;
    struct ph_stmt *stmt = NULL;
    bool row = false;
    static const char *const want[] = {
        "acme", "t1", "9f2c1e4b7a3d5c60", "7", "2026-09-21T14:13:20.007Z", "21.5", "idle"};
    static const char *const names[] = {
        "tenant", "device", "stream", "seq", "time", "temperature_c", "hvac"};
    commit_range(store, T1, 0x9f2c1e4b7a3d5c60U, 7, 7);
    assert_int_equal(ph_db_open(scratch->store, PH_DB_READ, 0, &db, NULL), PH_OK);
    assert_int_equal(ph_stmt_prepare(db, "SELECT * FROM thermostat", &stmt, NULL), PH_OK);
    assert_int_equal(ph_stmt_step(stmt, &row, NULL), PH_OK);
    assert_true(row);
    for (int i = 0; i < 7; i++) {
        assert_string_equal(ph_stmt_column_name(stmt, i), names[i]);
        assert_string_equal(ph_stmt_text(stmt, i), want[i]);
    }
    ph_stmt_free(&stmt);
    ph_db_close(&db);
    ph_store_close(&store);
}

/* [ING-45] */
static void store_file_is_closed_to_others(void **state)
{
    struct scratch *scratch = *state;
    struct stat st;
    struct ph_store *store = scratch_open_store(scratch);
    assert_int_equal(stat(scratch->store, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    ph_store_close(&store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(gaps_and_order_of_arrival),
        TEST(duplicates_in_and_across_batches),
        TEST(streams_and_devices_are_apart),
        TEST(failed_transaction_leaves_nothing),
        TEST(locked_store_is_busy),
        TEST(dead_letters_count_as_dealt_with),
        TEST(garbage_is_capped_per_device),
        TEST(refused_readings_leave_no_row_and_no_gap),
        TEST(plain_readings_are_stored_as_they_come),
        TEST(latest_is_the_highest_number_of_the_stream_in_use),
        TEST(query_selects),
        TEST(acknowledgement_names_what_was_touched),
        TEST(too_many_gaps_are_left_out),
        TEST(too_many_streams_of_one_device),
        TEST(another_writer_is_noticed),
        TEST(broken_marks_are_named),
        TEST(thousand_streams),
        TEST(kinds_extend_the_store),
        TEST(kinds_that_contradict_the_store),
        TEST(unknown_kind_is_refused),
        TEST(readers_beside_a_writer),
        TEST(foreign_and_newer_databases_are_refused),
        TEST(view_shows_readings),
        TEST(store_file_is_closed_to_others),
    };
    return cmocka_run_group_tests_name("ph.ingest.store", tests, NULL, NULL);
}
