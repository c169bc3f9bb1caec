#include "ingest/store/streams.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "ingest/testing.h"

enum { STREAM = 7, CACHED_STREAMS = 65536 };

static const struct ph_identity device = {
    .tenant = "acme", .kind = "thermostat", .device = "t-0001"};

/* What was written, as "seq@latest" each. */
struct written {
    char text[8192];
    size_t len;
    int64_t next;
    int64_t fail_at; /* the number whose writing fails */
};

struct fixture {
    struct ph_streams *streams;
    struct ph_stream_row *row;
    struct written written;
    struct ph_store_counts counts;
    struct ph_error error;
};

static struct ph_stream_row *add(struct fixture *f, uint64_t stream, bool plain)
{
    struct ph_stream_row fresh = {.id = (int64_t)stream, .fresh = true};
    struct ph_stream_row *row = NULL;
    assert_int_equal(
        ph_streams_add(f->streams, &device, plain, stream, &fresh, &row, &f->error), PH_OK);
    return row;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->streams = ph_streams_new();
    assert_non_null(f->streams);
    f->row = add(f, STREAM, false);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    ph_streams_free(&f->streams);
    assert_null(f->streams);
    free(f);
    return 0;
}

static enum ph_err write_text(void *context, struct ph_stream_row *row, int64_t seq,
    const struct ph_reading *reading, int64_t *latest, struct ph_error *error)
{
    struct written *written = context;
    assert_non_null(row);
    assert_non_null(reading);
    if (seq != 0 && seq == written->fail_at) {
        return ph_error_set(error, PH_ERR_IO, "disk full");
    }
    *latest = 100 + written->next++;
    int len = snprintf(&written->text[written->len], sizeof written->text - written->len,
        "%" PRId64 "@%" PRId64 " ", seq, *latest);
    assert_true(len > 0 && written->len + (size_t)len < sizeof written->text);
    written->len += (size_t)len;
    return PH_OK;
}

/* Readings without fields: nothing here looks into them. */
static struct ph_reading *readings;

static int make_readings(void **state)
{
    (void)state;
    readings = calloc(PH_LIMIT_MESSAGE_READINGS, sizeof *readings);
    return readings != NULL ? 0 : -1;
}

static int free_readings(void **state)
{
    (void)state;
    free(readings);
    return 0;
}

static struct ph_message message_at(int64_t seq, size_t count)
{
    return (struct ph_message){
        .stream = STREAM, .seq = seq, .readings = readings, .reading_count = count};
}

static enum ph_err take_message(
    struct fixture *f, const struct ph_message *message, const bool *refused, int64_t received_ms)
{
    const struct ph_store_message in = {
        .identity = &device, .message = message, .refused = refused, .received_ms = received_ms};
    f->written.len = 0;
    f->written.text[0] = '\0';
    return ph_stream_row_take(
        f->streams, f->row, &in, write_text, &f->written, &f->counts, &f->error);
}

static void take(struct fixture *f, int64_t seq, size_t count, const char *written)
{
    const struct ph_message message = message_at(seq, count);
    assert_int_equal(take_message(f, &message, NULL, 1000), PH_OK);
    assert_string_equal(f->written.text, written);
}

static void take_from(
    struct fixture *f, int64_t oldest, int64_t seq, size_t count, const char *written)
{
    struct ph_message message = message_at(seq, count);
    message.oldest = oldest;
    assert_int_equal(take_message(f, &message, NULL, 1000), PH_OK);
    assert_string_equal(f->written.text, written);
}

static void assert_marks(const struct fixture *f, const char *want)
{
    struct ph_buf have;
    ph_buf_init(&have, 4096);
    assert_int_equal(ph_buf_printf(&have, "%" PRId64 "|", f->row->marks.through), PH_OK);
    assert_int_equal(ph_marks_print(&f->row->marks, &have), PH_OK);
    assert_string_equal(have.data, want);
    ph_buf_fini(&have);
}

/* Every second number from `from`, so many ranges. */
static void open_gaps(struct fixture *f, int64_t from, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        const struct ph_message message = message_at(from + 2 * i, 1);
        assert_int_equal(take_message(f, &message, NULL, 1000), PH_OK);
    }
}

static void assert_refused(struct fixture *f, enum ph_err err, const char *text)
{
    assert_int_equal(err, PH_ERR_LIMIT);
    assert_non_null(strstr(f->error.message, text));
    ph_error_clear(&f->error);
}

/* [ING-10] [ING-11] */
static void new_readings_are_written_once(void **state)
{
    struct fixture *f = *state;
    take(f, 1, 3, "1@100 2@101 3@102 ");
    take(f, 1, 3, "");
    take(f, 2, 4, "4@103 5@104 ");
    take(f, 9, 2, "9@105 10@106 ");
    take(f, 6, 5, "6@107 7@108 8@109 ");
    assert_marks(f, "10|");
    assert_int_equal(f->row->stored, 10);
    assert_int_equal(f->counts.stored, 10);
    assert_int_equal(f->counts.duplicates, 3 + 2 + 2);
    assert_int_equal(f->counts.given_up, 0);
}

/* The newest row is that of the highest number, whatever comes last. */
static void latest_follows_the_number(void **state)
{
    struct fixture *f = *state;
    take(f, 5, 2, "5@100 6@101 ");
    take(f, 1, 2, "1@102 2@103 ");
    assert_int_equal(f->row->latest, 101);
    assert_int_equal(f->row->latest_seq, 6);
    take(f, 7, 1, "7@104 ");
    assert_int_equal(f->row->latest, 104);
}

static void refused_readings_are_dealt_with_and_not_written(void **state)
{
    struct fixture *f = *state;
    static const bool refused[] = {true, false, true};
    const struct ph_message message = message_at(1, 3);
    assert_int_equal(take_message(f, &message, refused, 1000), PH_OK);
    assert_string_equal(f->written.text, "2@100 ");
    assert_marks(f, "3|");
    assert_int_equal(f->row->stored, 1);
    assert_int_equal(f->counts.duplicates, 0);
}

/* [ING-25] */
static void plain_readings_are_written_as_they_come(void **state)
{
    struct fixture *f = *state;
    f->row = add(f, 99, true);
    const struct ph_message message = {.plain = true, .readings = readings, .reading_count = 2};
    assert_int_equal(take_message(f, &message, NULL, 1000), PH_OK);
    assert_int_equal(take_message(f, &message, NULL, 2000), PH_OK);
    assert_string_equal(f->written.text, "0@102 0@103 ");
    assert_marks(f, "0|");
    assert_int_equal(f->row->latest, 103);
    assert_int_equal(f->row->latest_seq, 0);
    assert_int_equal(f->row->stored, 4);
    assert_int_equal(f->row->received_ms, 2000);
    assert_ptr_equal(ph_streams_find(f->streams, &device, true, 12345), f->row);
}

/* [ING-77] */
static void oldest_gives_up_what_lies_before_it(void **state)
{
    struct fixture *f = *state;
    take(f, 1, 2, "1@100 2@101 ");
    take(f, 5, 2, "5@102 6@103 ");
    take_from(f, 5, 7, 1, "7@104 ");
    assert_marks(f, "7|");
    assert_int_equal(f->row->given_up, 2);
    take_from(f, 5, 8, 1, "8@105 ");
    assert_int_equal(f->row->given_up, 2);
    take_from(f, 20, 30, 1, "30@106 ");
    assert_marks(f, "19|30-30");
    assert_int_equal(f->row->given_up, 2 + 11);
    take_from(f, 31, 31, 1, "31@107 ");
    assert_marks(f, "31|");
    assert_int_equal(f->row->given_up, 2 + 11 + 10);
    assert_int_equal(f->counts.given_up, 23);
    assert_int_equal(f->row->stored, 8);
}

/* [ING-77] What arrives after all is a duplicate: it was counted as given up. */
static void what_was_given_up_is_not_written(void **state)
{
    struct fixture *f = *state;
    take_from(f, 11, 11, 1, "11@100 ");
    take(f, 3, 2, "");
    assert_int_equal(f->counts.duplicates, 2);
    assert_int_equal(f->row->given_up, 10);
}

/* Two devices that claim to have lost all they could do not overflow the sum. */
static void given_up_saturates(void **state)
{
    struct fixture *f = *state;
    f->counts.given_up = INT64_MAX - 5;
    take_from(f, PH_LIMIT_SEQ, PH_LIMIT_SEQ, 1, "9007199254740991@100 ");
    assert_int_equal(f->counts.given_up, INT64_MAX);
    assert_int_equal(f->row->given_up, PH_LIMIT_SEQ - 1);
    assert_marks(f, "9007199254740991|");
}

static void a_question_changes_no_marks(void **state)
{
    struct fixture *f = *state;
    take(f, 1, 2, "1@100 2@101 ");
    ph_streams_committed(f->streams);
    struct ph_message question = message_at(9, 0);
    question.has_now = true;
    question.now_ms = 5100;
    assert_int_equal(take_message(f, &question, NULL, 5000), PH_OK);
    assert_marks(f, "2|");
    assert_int_equal(f->row->received_ms, 5000);
    assert_int_equal(f->row->skew_ms, 100);
    assert_ptr_equal(ph_streams_dirty(f->streams), f->row);
    question.oldest = 9;
    assert_int_equal(take_message(f, &question, NULL, 6000), PH_OK);
    assert_marks(f, "8|");
    assert_int_equal(f->row->given_up, 6);
}

/* [ING-13] */
static void one_gap_too_many_leaves_the_row_as_it_was(void **state)
{
    struct fixture *f = *state;
    open_gaps(f, 10, PH_MARKS_GAPS_MAX);
    ph_streams_committed(f->streams);
    const struct ph_stream_row before = *f->row;
    const struct ph_store_counts counts = f->counts;
    struct ph_message message = message_at(100000, 2);
    message.oldest = 3;
    message.has_now = true;
    assert_refused(f, take_message(f, &message, NULL, 9000), "stream: gaps: want at most 4096");
    assert_string_equal(f->written.text, "");
    assert_memory_equal(f->row, &before, sizeof before);
    assert_memory_equal(&f->counts, &counts, sizeof counts);
    assert_null(ph_streams_dirty(f->streams));
}

/* [ING-13] [ING-77] */
static void giving_up_makes_room_for_a_gap(void **state)
{
    struct fixture *f = *state;
    open_gaps(f, 10, PH_MARKS_GAPS_MAX);
    take_from(f, 10, 100000, 1, "100000@4196 ");
    assert_int_equal(f->row->marks.through, 10);
    assert_int_equal(f->row->marks.count, PH_MARKS_GAPS_MAX);
    assert_int_equal(f->row->given_up, 9);
    take(f, 11, 1, "11@4197 ");
    assert_int_equal(f->row->marks.through, 12);
    take_from(f, 200000, 200000, 1, "200000@4198 ");
    assert_marks(f, "200000|");
}

static void a_failed_write_is_passed_on(void **state)
{
    struct fixture *f = *state;
    const struct ph_message message = message_at(1, 3);
    f->written.fail_at = 2;
    assert_int_equal(take_message(f, &message, NULL, 1000), PH_ERR_IO);
    assert_string_equal(f->error.message, "disk full");
    assert_int_equal(f->row->stored, 1);
    ph_streams_forget_dirty(f->streams);
    assert_null(ph_streams_find(f->streams, &device, false, STREAM));
}

/* The least delayed message of a transaction counts; the next transaction measures anew. */
static void skew_is_that_of_the_least_delay(void **state)
{
    struct fixture *f = *state;
    static const int64_t now_ms[] = {9400, 9900, 9700};
    take(f, 1, 1, "1@100 ");
    assert_false(f->row->has_skew);
    for (size_t i = 0; i < 3; i++) {
        struct ph_message message = message_at(2 + (int64_t)i, 1);
        message.has_now = true;
        message.now_ms = now_ms[i];
        assert_int_equal(take_message(f, &message, NULL, 10000), PH_OK);
    }
    assert_true(f->row->has_skew);
    assert_int_equal(f->row->skew_ms, -100);
    ph_streams_committed(f->streams);
    struct ph_message message = message_at(5, 1);
    message.has_now = true;
    message.now_ms = 10500;
    assert_int_equal(take_message(f, &message, NULL, 11000), PH_OK);
    assert_int_equal(f->row->skew_ms, -500);
    take(f, 6, 1, "6@105 ");
    assert_true(f->row->has_skew);
}

static enum ph_err bury_ranges(
    struct fixture *f, const struct ph_seq_range *ranges, size_t count, struct ph_buried *buried)
{
    const struct ph_dead_letter letter = {.identity = &device,
        .has_range = true,
        .stream = STREAM,
        .ranges = ranges,
        .range_count = count,
        .received_ms = 4000};
    return ph_stream_row_bury(f->streams, f->row, &letter, buried, &f->error);
}

/* [ING-21] */
static void a_letter_marks_its_ranges(void **state)
{
    struct fixture *f = *state;
    static const struct ph_seq_range ranges[] = {{2, 2}, {4, 6}};
    struct ph_buried buried;
    take(f, 1, 1, "1@100 ");
    take(f, 5, 1, "5@101 ");
    assert_int_equal(bury_ranges(f, ranges, 2, &buried), PH_OK);
    assert_int_equal(buried.count, 3); /* 5 is there already */
    assert_int_equal(buried.ranges[0].first, 2);
    assert_int_equal(buried.ranges[1].last, 4);
    assert_int_equal(buried.ranges[2].first, 6);
    assert_int_equal(buried.ranges[2].last, 6);
    assert_int_equal(buried.duplicates, 1);
    assert_marks(f, "2|4-6");
    assert_int_equal(f->row->received_ms, 4000);
    assert_int_equal(f->row->stored, 2);
    assert_int_equal(bury_ranges(f, ranges, 2, &buried), PH_OK);
    assert_int_equal(buried.count, 0);
    assert_int_equal(buried.duplicates, 4);
    assert_marks(f, "2|4-6");
}

/* [ING-13] The first of the two ranges would fit. */
static void a_letter_with_a_gap_too_many_marks_nothing(void **state)
{
    struct fixture *f = *state;
    static const struct ph_seq_range ranges[] = {{1, 1}, {3, 3}, {100000, 100001}};
    struct ph_buried buried;
    open_gaps(f, 10, PH_MARKS_GAPS_MAX);
    ph_streams_committed(f->streams);
    assert_refused(f, bury_ranges(f, ranges, 3, &buried), "stream: gaps: want at most");
    assert_int_equal(f->row->marks.through, 0);
    assert_int_equal(f->row->marks.count, PH_MARKS_GAPS_MAX);
    assert_null(ph_streams_dirty(f->streams));
    assert_int_equal(bury_ranges(f, ranges, 1, &buried), PH_OK);
    assert_int_equal(f->row->marks.through, 1);
}

static void revive(struct fixture *f, const struct ph_kept_letter *letter,
    const struct ph_message *message, const char *written)
{
    static const bool refused[PH_LIMIT_MESSAGE_READINGS] = {true, true, true, true, true, true};
    const struct ph_store_message in = {
        .identity = &device, .message = message, .refused = refused, .received_ms = 8000};
    f->written.len = 0;
    f->written.text[0] = '\0';
    assert_int_equal(ph_stream_row_revive(f->streams, f->row, letter, &in, write_text, &f->written,
                         &f->counts, &f->error),
        PH_OK);
    assert_string_equal(f->written.text, written);
}

static void revived_are_the_readings_of_the_ranges(void **state)
{
    struct fixture *f = *state;
    static const bool refused[] = {false, true, false, true, true, false};
    static const struct ph_seq_range ranges[] = {{2, 2}, {4, 5}};
    const struct ph_kept_letter letter = {.has_range = true, .ranges = ranges, .range_count = 2};
    const struct ph_message message = message_at(1, 6);
    assert_int_equal(take_message(f, &message, refused, 1000), PH_OK);
    assert_string_equal(f->written.text, "1@100 3@101 6@102 ");
    revive(f, &letter, &message, "2@103 4@104 5@105 ");
    assert_marks(f, "6|");
    assert_int_equal(f->row->stored, 6);
    assert_int_equal(f->row->latest, 102);
    assert_int_equal(f->row->received_ms, 1000);
}

/* A letter whose numbers could not be read is a message like any other once they can. */
static void revived_without_ranges_is_taken(void **state)
{
    struct fixture *f = *state;
    const struct ph_kept_letter letter = {.has_range = false};
    const struct ph_message message = message_at(1, 3);
    take(f, 2, 1, "2@100 ");
    revive(f, &letter, &message, "1@101 3@102 ");
    assert_marks(f, "3|");
}

/* [ING-12] */
static void an_acknowledgement_says_all_ranges_when_they_fit(void **state)
{
    struct fixture *f = *state;
    static const struct ph_seq_range touched[] = {{4, 4}};
    struct ph_ack ack;
    size_t used = 0;
    take(f, 1, 2, "1@100 2@101 ");
    take(f, 4, 1, "4@102 ");
    take(f, 8, 2, "8@103 9@104 ");
    ph_stream_row_ack(f->row, STREAM, touched, 1, &ack, &used);
    assert_int_equal(used, 1);
    assert_int_equal(ack.stream, STREAM);
    assert_int_equal(ack.through, 2);
    assert_int_equal(ack.also_count, 2);
    assert_int_equal(ack.also[1].first, 8);
    assert_int_equal(ack.also[1].last, 9);
}

/* [ING-12] */
static void acknowledgements_share_out_what_does_not_fit(void **state)
{
    struct fixture *f = *state;
    enum { RANGES = PH_LIMIT_ACK_RANGES + 10 };
    struct ph_seq_range touched[RANGES + 1];
    struct ph_ack ack;
    size_t used = 0;
    open_gaps(f, 10, RANGES);
    take(f, 1, 1, "1@174 ");
    touched[0] = (struct ph_seq_range){1, 1};
    for (int64_t i = 0; i < RANGES; i++) {
        touched[i + 1] = (struct ph_seq_range){10 + 2 * i, 10 + 2 * i};
    }
    ph_stream_row_ack(f->row, STREAM, touched, RANGES + 1, &ack, &used);
    assert_int_equal(ack.through, 1);
    assert_int_equal(ack.also_count, PH_LIMIT_ACK_RANGES);
    assert_int_equal(used, PH_LIMIT_ACK_RANGES + 1);
    ph_stream_row_ack(f->row, STREAM, &touched[used], RANGES + 1 - used, &ack, &used);
    assert_int_equal(used, 10);
    assert_int_equal(ack.also_count, 10);
    assert_int_equal(ack.also[9].first, 10 + 2 * (RANGES - 1));
}

/* [MSG-23] An answer shows how far the stream goes, however many gaps it has. */
static void an_answer_has_the_highest_ranges(void **state)
{
    struct fixture *f = *state;
    enum { RANGES = PH_LIMIT_ACK_RANGES + 10 };
    struct ph_ack ack;
    size_t used = 1;
    open_gaps(f, 10, RANGES);
    ph_stream_row_ack(f->row, STREAM, NULL, 0, &ack, &used);
    assert_int_equal(used, 0);
    assert_int_equal(ack.through, 0);
    assert_int_equal(ack.also_count, PH_LIMIT_ACK_RANGES);
    assert_int_equal(ack.also[0].first, 10 + 2 * 10);
    assert_int_equal(ack.also[PH_LIMIT_ACK_RANGES - 1].last, 10 + 2 * (RANGES - 1));
}

/* [ING-2] */
static void streams_devices_and_plain_are_apart(void **state)
{
    struct fixture *f = *state;
    const struct ph_identity others[] = {
        {.tenant = "acme", .kind = "thermostat", .device = "t-0002"},
        {.tenant = "acme", .kind = "thermostatt", .device = "-0001"},
        {.tenant = "acmet", .kind = "hermostat", .device = "t-0001"}};
    for (size_t i = 0; i < 3; i++) {
        assert_null(ph_streams_find(f->streams, &others[i], false, STREAM));
    }
    assert_null(ph_streams_find(f->streams, &device, false, STREAM + 1));
    assert_null(ph_streams_find(f->streams, &device, true, STREAM));
    assert_ptr_equal(ph_streams_find(f->streams, &device, false, STREAM), f->row);
}

/* [ING-4] A row that was loaded, not made, survives a rollback when nothing changed it. */
static void a_rollback_forgets_what_was_touched(void **state)
{
    struct fixture *f = *state;
    struct ph_stream_row loaded = {.id = 50, .stored = 3};
    struct ph_stream_row *row = NULL;
    assert_ptr_equal(ph_streams_dirty(f->streams), f->row);
    assert_int_equal(
        ph_streams_add(f->streams, &device, false, 50, &loaded, &row, &f->error), PH_OK);
    assert_ptr_equal(ph_streams_dirty(f->streams), f->row);
    ph_streams_forget_dirty(f->streams);
    assert_null(ph_streams_dirty(f->streams));
    assert_null(ph_streams_find(f->streams, &device, false, STREAM));
    assert_ptr_equal(ph_streams_find(f->streams, &device, false, 50), row);
    assert_int_equal(row->stored, 3);
    ph_streams_touch(f->streams, row);
    ph_streams_touch(f->streams, row);
    ph_streams_forget_dirty(f->streams);
    assert_null(ph_streams_find(f->streams, &device, false, 50));
}

static void everything_can_be_forgotten(void **state)
{
    struct fixture *f = *state;
    (void)add(f, 50, false);
    ph_streams_committed(f->streams);
    (void)add(f, 51, true);
    ph_streams_forget_all(f->streams);
    assert_null(ph_streams_dirty(f->streams));
    assert_null(ph_streams_find(f->streams, &device, false, 50));
    assert_null(ph_streams_find(f->streams, &device, true, 51));
    f->row = add(f, STREAM, false);
    take(f, 1, 1, "1@100 ");
}

static void a_commit_makes_rows_clean(void **state)
{
    struct fixture *f = *state;
    take(f, 1, 1, "1@100 ");
    f->row->skew_measured = true;
    assert_true(f->row->fresh && f->row->dirty);
    ph_streams_committed(f->streams);
    assert_false(f->row->fresh || f->row->dirty || f->row->skew_measured);
    assert_null(ph_streams_dirty(f->streams));
}

/* One that is in use stays, others go in the order in which they came. */
static void memory_is_bounded_by_rows(void **state)
{
    struct fixture *f = *state;
    for (uint64_t i = 0; i < CACHED_STREAMS - 1; i++) {
        (void)add(f, 100 + i, false);
    }
    ph_streams_committed(f->streams);
    assert_non_null(ph_streams_find(f->streams, &device, false, 101));
    for (uint64_t i = 0; i < CACHED_STREAMS + 2; i++) {
        (void)add(f, 1000000 + i, false);
        ph_streams_committed(f->streams);
        assert_non_null(ph_streams_find(f->streams, &device, false, 101));
    }
    assert_null(ph_streams_find(f->streams, &device, false, STREAM));
    assert_null(ph_streams_find(f->streams, &device, false, 100));
    assert_null(ph_streams_find(f->streams, &device, false, 1000000));
    assert_non_null(ph_streams_find(f->streams, &device, false, 1000000 + CACHED_STREAMS));
}

/* 256 streams with 4096 ranges each are the bound. */
static void memory_is_bounded_by_ranges(void **state)
{
    struct fixture *f = *state;
    for (uint64_t i = 0; i < 260; i++) {
        f->row = add(f, 100 + i, false);
        open_gaps(f, 2, PH_MARKS_GAPS_MAX);
        ph_streams_committed(f->streams);
    }
    size_t there = 0;
    for (uint64_t i = 0; i < 260; i++) {
        there += ph_streams_find(f->streams, &device, false, 100 + i) != NULL ? 1 : 0;
    }
    assert_int_equal(there, 256);
    ph_streams_forget_all(f->streams);
}

/* [ING-16] */
static void a_device_may_have_so_many_streams(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ph_streams_check_count(PH_STORE_STREAMS_MAX - 1, &f->error), PH_OK);
    assert_refused(f, ph_streams_check_count(PH_STORE_STREAMS_MAX, &f->error),
        "device: streams: want at most 10000; keep its spool");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(new_readings_are_written_once),
        TEST(latest_follows_the_number),
        TEST(refused_readings_are_dealt_with_and_not_written),
        TEST(plain_readings_are_written_as_they_come),
        TEST(oldest_gives_up_what_lies_before_it),
        TEST(what_was_given_up_is_not_written),
        TEST(given_up_saturates),
        TEST(a_question_changes_no_marks),
        TEST(one_gap_too_many_leaves_the_row_as_it_was),
        TEST(giving_up_makes_room_for_a_gap),
        TEST(a_failed_write_is_passed_on),
        TEST(skew_is_that_of_the_least_delay),
        TEST(a_letter_marks_its_ranges),
        TEST(a_letter_with_a_gap_too_many_marks_nothing),
        TEST(revived_are_the_readings_of_the_ranges),
        TEST(revived_without_ranges_is_taken),
        TEST(an_acknowledgement_says_all_ranges_when_they_fit),
        TEST(acknowledgements_share_out_what_does_not_fit),
        TEST(an_answer_has_the_highest_ranges),
        TEST(streams_devices_and_plain_are_apart),
        TEST(a_rollback_forgets_what_was_touched),
        TEST(everything_can_be_forgotten),
        TEST(a_commit_makes_rows_clean),
        TEST(memory_is_bounded_by_rows),
        TEST(memory_is_bounded_by_ranges),
        TEST(a_device_may_have_so_many_streams),
    };
    return cmocka_run_group_tests(tests, make_readings, free_readings);
}
