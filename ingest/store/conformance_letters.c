/* Dead letters: kept, listed, counted, taken out. */
#include "ingest/store/conformance.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"

/* [ING-20] [ING-21] */
static void dead_letters_count_as_dealt_with(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    struct sheet sheet;
    commit_range(store, T1, 1, 1, 3);
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(bury(store, T1, 4, 6, &counts), PH_OK);
    assert_int_equal(bury(store, T1, 4, 6, &counts), PH_OK); /* sent again: one row only */
    assert_int_equal(bury(store, NULL, 0, 0, &counts), PH_OK);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_int_equal(counts.dead_letters, 2);
    assert_int_equal(counts.duplicates, 3);
    assert_ack(store, T1, 1, "6");
    letter_rows(store, NULL, &sheet);
    assert_string_equal(sheet.text, T1 " " S1 " 4-6 because some/topic a\\x00\\xff - missing\n"
                                       "- - - because some/topic a\\x00\\xff - missing\n");
    assert_int_equal(totals_of(store).stored, 3);
    assert_int_equal(commit_range(store, T1, 1, 4, 7).stored, 1);
    ph_store_close(&store);
}

static enum ph_err bury_letter(
    struct ph_store *store, const struct ph_dead_letter *letter, struct ph_store_counts *counts)
{
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    enum ph_err err = ph_store_bury(store, letter, counts, NULL);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    return err;
}

/* [ING-83] Readings that were not refused lie between the refused ones. */
static void a_letter_keeps_its_ranges(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    struct ph_identity t1 = identity_of(T1);
    struct sheet sheet;
    const struct ph_seq_range ranges[] = {{2, 2}, {4, 6}, {9, 9}};
    const struct ph_dead_letter letter = {.reason = "because",
        .topic = "a/b",
        .identity = &t1,
        .payload = "x",
        .payload_len = 1,
        .received_ms = NOON,
        .has_range = true,
        .stream = UINT64_MAX,
        .ranges = ranges,
        .range_count = 3};
    commit_range(store, T1, UINT64_MAX, 5, 5); /* a row has it: not what the letter stands for */
    assert_int_equal(bury_letter(store, &letter, &counts), PH_OK);
    assert_int_equal(counts.dead_letters, 1);
    assert_int_equal(counts.duplicates, 1);
    assert_ack(store, T1, UINT64_MAX, "0 2-2 4-6 9-9");
    assert_int_equal(bury_letter(store, &letter, &counts), PH_OK);
    assert_int_equal(counts.dead_letters, 1);
    letter_rows(store, NULL, &sheet);
    assert_string_equal(
        sheet.text, T1 " ffffffffffffffff 2-2,4-4,6-6,9-9 because a/b x - missing\n");
    ph_store_close(&store);
}

/* [ING-84] */
static void letters_are_capped_by_number(void **state)
{
    struct scratch *scratch = *state;
    scratch->limits.letters_per_device = 3;
    struct ph_store *store = scratch_open_store(scratch);
    struct ph_store_counts counts = {0};
    struct sheet sheet;
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(bury(store, T1, 0, 0, &counts), PH_OK);
    }
    assert_int_equal(counts.dead_letters, 3);
    assert_int_equal(counts.not_kept, 2);
    assert_int_equal(bury(store, T1, 1, 2, &counts), PH_OK); /* numbered ones, too */
    assert_int_equal(bury(store, T2, 0, 0, &counts), PH_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(bury(store, NULL, 0, 0, &counts), PH_OK); /* share one account */
    }
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_int_equal(counts.dead_letters, 7);
    assert_int_equal(counts.not_kept, 4);
    assert_ack(store, T1, 1, "2"); /* dealt with although nothing was kept */
    struct ph_store_totals totals = totals_of(store);
    assert_int_equal(totals.dead_letters, 7);
    assert_int_equal(totals.dead_letters_not_kept, 4);
    ph_store_close(&store);

    store = scratch_open_store(scratch); /* the account is in the database */
    counts = commit_letter(store, T1, 0, 0);
    assert_int_equal(counts.not_kept, 1);
    device_rows(store, "device letters not_kept", &sheet);
    assert_string_equal(sheet.text, T1 " 3 4\n" T2 " 1 0\n");
    ph_store_close(&store);
}

/* [ING-84] */
static void letters_are_capped_by_bytes(void **state)
{
    struct scratch *scratch = *state;
    scratch->limits.letter_bytes_per_device = 10;
    struct ph_store *store = scratch_open_store(scratch);
    struct ph_store_counts counts = {0};
    struct ph_identity t1 = identity_of(T1);
    static const struct {
        const char *payload;
        int64_t kept;
    } cases[] = {{"123456", 1}, {"12345", 1}, {"1234", 2}, {"1", 2}, {"", 3}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct ph_dead_letter letter = {.reason = "because",
            .topic = "a/b",
            .identity = &t1,
            .payload = cases[i].payload,
            .payload_len = strlen(cases[i].payload)};
        assert_int_equal(bury_letter(store, &letter, &counts), PH_OK);
        assert_int_equal(counts.dead_letters, cases[i].kept);
    }
    assert_int_equal(counts.not_kept, 2);
    ph_store_close(&store);
}

/* [ING-85] */
static void a_letter_may_only_be_counted(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    struct ph_identity t1 = identity_of(T1);
    const struct ph_seq_range range = {1, 3};
    struct ph_dead_letter letter = {.reason = "because",
        .topic = "a/b",
        .identity = &t1,
        .payload = "x",
        .payload_len = 1,
        .count_only = true};
    assert_int_equal(bury_letter(store, &letter, &counts), PH_OK);
    letter.has_range = true;
    letter.stream = 1;
    letter.ranges = &range;
    letter.range_count = 1;
    assert_int_equal(bury_letter(store, &letter, &counts), PH_OK);
    assert_int_equal(bury_letter(store, &letter, &counts), PH_OK); /* a duplicate now */
    assert_int_equal(counts.dead_letters, 0);
    assert_int_equal(counts.not_kept, 2);
    assert_int_equal(counts.duplicates, 3);
    assert_ack(store, T1, 1, "3");
    assert_int_equal(totals_of(store).dead_letters, 0);
    assert_int_equal(totals_of(store).dead_letters_not_kept, 2);
    ph_store_close(&store);
}

static void long_payloads_are_cut(void **state)
{
    static char payload[PH_LIMIT_MESSAGE_BYTES + 100];
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    const struct ph_dead_letter letter = {
        .reason = "because", .topic = "a/b", .payload = payload, .payload_len = sizeof payload};
    char want[32];
    assert_int_equal(bury_letter(store, &letter, &counts), PH_OK);
    (void)snprintf(want, sizeof want, "%d\n", PH_LIMIT_MESSAGE_BYTES);
    assert_sql(*state, "SELECT length(payload) FROM dead_letter", want);
    ph_store_close(&store);
}

struct filter_case {
    struct ph_letter_filter filter;
    const char *want; /* reasons */
};

static void assert_reasons(struct ph_store *store, const struct filter_case *c)
{
    struct sheet sheet;
    char have[256] = "";
    letter_rows(store, &c->filter, &sheet);
    for (const char *line = sheet.text; *line != '\0'; line = strchr(line, '\n') + 1) {
        const char *reason = strstr(line, "why-");
        assert_non_null(reason);
        strncat(have, reason, 5);
    }
    assert_string_equal(have, c->want);
}

/* [ING-86] */
static void letters_are_filtered(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    struct ph_identity t1 = identity_of(T1);
    struct ph_identity t2 = identity_of(T2);
    static const char *const reasons[] = {"why-1", "why-2 100%", "why-3", "why-4"};
    const struct ph_identity *const devices[] = {&t1, &t2, &t1, NULL};
    for (size_t i = 0; i < 4; i++) {
        const struct ph_dead_letter letter = {.reason = reasons[i],
            .topic = "a/b",
            .identity = devices[i],
            .payload = "x",
            .payload_len = 1,
            .received_ms = NOON + (int64_t)i};
        assert_int_equal(bury_letter(store, &letter, &counts), PH_OK);
    }
    const struct filter_case cases[] = {
        {{.to_ms = INT64_MAX}, "why-1why-2why-3why-4"},
        {{.to_ms = INT64_MAX, .limit = 2}, "why-3why-4"},
        {{.to_ms = INT64_MAX, .device = &t1}, "why-1why-3"},
        {{.to_ms = INT64_MAX, .device = &t1, .limit = 1}, "why-3"},
        {{.from_ms = NOON + 1, .to_ms = NOON + 3}, "why-2why-3"},
        {{.to_ms = INT64_MAX, .reason = "hy-3"}, "why-3"},
        {{.to_ms = INT64_MAX, .reason = "0%"}, "why-2"}, /* no pattern */
        {{.to_ms = INT64_MAX, .reason = "_"}, ""},
        {{.to_ms = INT64_MAX, .id = newest_letter(store)}, "why-4"},
        {{.to_ms = INT64_MAX, .id = newest_letter(store), .device = &t1}, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_reasons(store, &cases[i]);
    }
    ph_store_close(&store);
}

static enum ph_err discard_it(
    void *context, const struct ph_kept_letter *letter, struct ph_error *error)
{
    return ph_store_discard(context, letter, error);
}

/* [ING-87] */
static void discarding_makes_room(void **state)
{
    struct scratch *scratch = *state;
    scratch->limits.letters_per_device = 1;
    struct ph_store *store = scratch_open_store(scratch);
    struct ph_store *reader = NULL;
    const struct ph_letter_filter all = {.to_ms = INT64_MAX};
    commit_letter(store, T1, 1, 2);
    assert_int_equal(commit_letter(store, T1, 0, 0).not_kept, 1);
    reader = scratch_open_reader(scratch);
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(ph_store_letters(reader, &all, discard_it, store, NULL), PH_OK);
    assert_int_equal(ph_store_letters(reader, &all, discard_it, store, NULL), PH_ERR_NOT_FOUND);
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_int_equal(totals_of(store).dead_letters, 0);
    assert_int_equal(totals_of(store).dead_letters_not_kept, 1); /* stays counted */
    assert_ack(store, T1, 1, "2");                               /* and dealt with */
    assert_int_equal(commit_letter(store, T1, 0, 0).dead_letters, 1);
    ph_store_close(&reader);
    ph_store_close(&store);
}

int conformance_letters(void)
{
    const struct CMUnitTest tests[] = {
        CONFORMANCE_TEST(dead_letters_count_as_dealt_with),
        CONFORMANCE_TEST(a_letter_keeps_its_ranges),
        CONFORMANCE_TEST(letters_are_capped_by_number),
        CONFORMANCE_TEST(letters_are_capped_by_bytes),
        CONFORMANCE_TEST(a_letter_may_only_be_counted),
        CONFORMANCE_TEST(long_payloads_are_cut),
        CONFORMANCE_TEST(letters_are_filtered),
        CONFORMANCE_TEST(discarding_makes_room),
    };
    return cmocka_run_group_tests_name(conformance_name("letters"), tests, NULL, NULL);
}
