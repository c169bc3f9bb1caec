/* Dead letters whose readings are stored after all. */
#include "ingest/store/conformance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

/* A copy of the newest letter, with what the tests below need of it. */
struct copy {
    struct ph_kept_letter letter;
    struct ph_identity identity;
    struct ph_seq_range ranges[8];
    char payload[16];
};

static enum ph_err copy_letter(
    void *context, const struct ph_kept_letter *letter, struct ph_error *error)
{
    struct copy *copy = context;
    (void)error;
    assert_true(letter->range_count <= 8);
    assert_true(letter->payload_len <= sizeof copy->payload);
    copy->letter = *letter;
    copy->letter.reason = copy->letter.topic = "";
    if (letter->identity != NULL) {
        copy->identity = *letter->identity;
        copy->letter.identity = &copy->identity;
    }
    if (letter->range_count > 0) {
        memcpy(copy->ranges, letter->ranges, letter->range_count * sizeof letter->ranges[0]);
    }
    copy->letter.ranges = copy->ranges;
    memcpy(copy->payload, letter->payload, letter->payload_len);
    copy->letter.payload = copy->payload;
    return PH_OK;
}

static void newest(struct ph_store *store, struct copy *copy)
{
    const struct ph_letter_filter filter = {.to_ms = INT64_MAX, .limit = 1};
    assert_int_equal(ph_store_letters(store, &filter, copy_letter, copy, NULL), PH_OK);
    assert_int_not_equal(copy->letter.id, 0);
}

/* Revives it with the readings of `text`, in a transaction of its own. */
static enum ph_err revive(struct ph_store *store, const struct copy *copy, const char *text,
    struct ph_store_counts *counts)
{
    struct ph_message *parsed = message_of(text);
    const struct ph_store_message message = {
        .identity = &copy->identity, .message = parsed, .received_ms = NOON};
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    enum ph_err err = ph_store_revive(store, &copy->letter, &message, counts, NULL);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    ph_message_free(&parsed);
    return err;
}

static void bury_ranges(
    struct ph_store *store, const struct ph_seq_range *ranges, size_t range_count)
{
    struct ph_store_counts counts = {0};
    struct ph_identity t1 = identity_of(T1);
    const struct ph_dead_letter letter = {.reason = "because",
        .topic = "a/b",
        .identity = &t1,
        .payload = "x",
        .payload_len = 1,
        .received_ms = NOON,
        .has_range = true,
        .stream = 1,
        .ranges = ranges,
        .range_count = range_count};
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(ph_store_bury(store, &letter, &counts, NULL), PH_OK);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_int_equal(counts.dead_letters, 1);
}

/* [ING-88] Of the message's readings 1 to 8 exactly those that the letter stands for, exactly once.
 */
static void the_ranges_are_stored_once(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    struct copy copy = {0};
    struct sheet sheet;
    char text[2048];
    const struct ph_seq_range ranges[] = {{2, 2}, {4, 6}};
    message_text(text, sizeof text, 1, 1, 8);
    commit_range(store, T1, 1, 1, 1);
    commit_range(store, T1, 1, 3, 3);
    bury_ranges(store, ranges, 2);
    assert_ack(store, T1, 1, "6");
    newest(store, &copy);
    assert_int_equal(revive(store, &copy, text, &counts), PH_OK);
    assert_int_equal(counts.stored, 4);
    assert_int_equal(revive(store, &copy, text, &counts), PH_ERR_NOT_FOUND);
    assert_int_equal(counts.stored, 4);
    query_rows(store, T1, "seq", &sheet);
    assert_string_equal(sheet.text, "1\n2\n3\n4\n5\n6\n");
    assert_ack(store, T1, 1, "6"); /* 7 and 8 were not part of it */
    assert_int_equal(totals_of(store).dead_letters, 0);
    assert_int_equal(totals_of(store).stored, 6);
    assert_int_equal(commit_range(store, T1, 1, 1, 8).stored, 2);
    ph_store_close(&store);
    store = scratch_open_store(*state);
    assert_int_equal(totals_of(store).duplicates, 0);
    assert_int_equal(commit_range(store, T1, 1, 1, 8).stored, 0);
    ph_store_close(&store);
}

/* [ING-88] [ING-89] Readings that were packed anew before their acknowledgement came: a letter
 * stands for what no row and no other letter stands for. */
static void letters_that_overlap_are_stored_once(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    struct copy copies[3] = {{.letter = {.id = 0}}};
    char text[2048];
    const struct ph_seq_range ranges[] = {{2, 3}, {2, 6}, {1, 9}};
    message_text(text, sizeof text, 1, 1, 9);
    commit_range(store, T1, 1, 5, 5);
    for (size_t i = 0; i < 3; i++) {
        bury_ranges(store, &ranges[i], 1);
        newest(store, &copies[i]);
    }
    assert_ack(store, T1, 1, "9");
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(revive(store, &copies[i], text, &counts), PH_OK);
    }
    assert_int_equal(counts.stored, 8);
    assert_int_equal(totals_of(store).stored, 9);
    assert_int_equal(totals_of(store).duplicates, 0);
    ph_store_close(&store);
}

/* [ING-88] A message that has only some of the readings: the others count as dealt with, as before.
 */
static void a_shorter_message_revives_what_it_has(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    struct copy copy = {0};
    char text[2048];
    const struct ph_seq_range range = {3, 9};
    message_text(text, sizeof text, 1, 8, 3);
    bury_ranges(store, &range, 1);
    newest(store, &copy);
    assert_int_equal(revive(store, &copy, text, &counts), PH_OK);
    assert_int_equal(counts.stored, 2); /* 8 and 9 */
    assert_ack(store, T1, 1, "0 3-9");
    ph_store_close(&store);
}

/* [ING-88] */
static void a_letter_without_range_is_taken_as_a_message(void **state)
{
    static const char plain[] = "{\"t\":1790000000005,\"pressed\":true}";
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    struct copy copy = {0};
    struct sheet sheet;
    struct ph_rows rows = rows_picked(&sheet, "device stream seq time pressed");
    struct ph_store_query query = {.kind = "doorbell", .to_ms = INT64_MAX};
    char text[2048];
    commit_letter(store, "acme/doorbell/d", 0, 0);
    newest(store, &copy);
    assert_int_equal(revive(store, &copy, plain, &counts), PH_OK);
    assert_int_equal(revive(store, &copy, plain, &counts), PH_ERR_NOT_FOUND);
    assert_int_equal(counts.stored, 1);
    assert_int_equal(ph_store_query(store, &query, &rows, NULL), PH_OK);
    assert_string_equal(sheet.text, "acme/doorbell/d - - 1790000000005 1\n");

    commit_range(store, T1, 1, 1, 2);
    commit_letter(store, T1, 0, 0);
    newest(store, &copy);
    message_text(text, sizeof text, 1, 2, 2);
    assert_int_equal(revive(store, &copy, text, &counts), PH_OK);
    assert_int_equal(counts.stored, 2); /* 3; 2 was there */
    assert_int_equal(counts.duplicates, 1);
    assert_ack(store, T1, 1, "3");
    ph_store_close(&store);
}

/* [ING-87] [ING-88] Another letter may have come to have the id of one that is gone. */
static void a_letter_that_is_gone_is_not_confused(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    struct copy copy = {0};
    struct sheet sheet;
    const struct ph_seq_range first = {1, 2};
    const struct ph_seq_range second = {3, 4};
    char text[2048];
    message_text(text, sizeof text, 1, 1, 2);
    bury_ranges(store, &first, 1);
    newest(store, &copy);
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(ph_store_discard(store, &copy.letter, NULL), PH_OK);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    bury_ranges(store, &second, 1);
    assert_int_equal(revive(store, &copy, text, &counts), PH_ERR_NOT_FOUND);
    assert_int_equal(counts.stored, 0);
    letter_rows(store, NULL, &sheet);
    assert_string_equal(sheet.text, T1 " " S1 " 3-4 because a/b x - missing\n");
    ph_store_close(&store);
}

/* [ING-88] [ING-4] */
static void a_rolled_back_revival_leaves_the_letter(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    struct copy copy = {0};
    const struct ph_seq_range range = {1, 2};
    char text[2048];
    message_text(text, sizeof text, 1, 1, 2);
    struct ph_message *parsed = message_of(text);
    bury_ranges(store, &range, 1);
    newest(store, &copy);
    const struct ph_store_message message = {
        .identity = &copy.identity, .message = parsed, .received_ms = NOON};
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(ph_store_revive(store, &copy.letter, &message, &counts, NULL), PH_OK);
    ph_store_rollback(store);
    ph_message_free(&parsed);
    assert_int_equal(totals_of(store).stored, 0);
    assert_int_equal(totals_of(store).dead_letters, 1);
    counts = (struct ph_store_counts){0};
    assert_int_equal(revive(store, &copy, text, &counts), PH_OK);
    assert_int_equal(counts.stored, 2);
    ph_store_close(&store);
}

/* [ING-42] [ING-88] What is revived has an old number, and may still be the newest there is. */
static void revived_readings_may_be_the_latest(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    struct copy copy = {0};
    struct sheet sheet;
    const struct ph_seq_range range = {4, 5};
    char text[2048];
    message_text(text, sizeof text, 1, 4, 2);
    commit_range(store, T1, 1, 1, 3);
    bury_ranges(store, &range, 1);
    newest(store, &copy);
    assert_int_equal(revive(store, &copy, text, &counts), PH_OK);
    latest_rows(store, NOON + 5, "device time stored", &sheet);
    assert_string_equal(sheet.text, T1 " 1790000000005 5\n");
    ph_store_close(&store);
}

int conformance_revive(void)
{
    const struct CMUnitTest tests[] = {
        CONFORMANCE_TEST(the_ranges_are_stored_once),
        CONFORMANCE_TEST(letters_that_overlap_are_stored_once),
        CONFORMANCE_TEST(a_shorter_message_revives_what_it_has),
        CONFORMANCE_TEST(a_letter_without_range_is_taken_as_a_message),
        CONFORMANCE_TEST(a_letter_that_is_gone_is_not_confused),
        CONFORMANCE_TEST(a_rolled_back_revival_leaves_the_letter),
        CONFORMANCE_TEST(revived_readings_may_be_the_latest),
    };
    return cmocka_run_group_tests_name(conformance_name("revive"), tests, NULL, NULL);
}
