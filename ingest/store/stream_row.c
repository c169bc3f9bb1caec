#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "ingest/store/streams.h"

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* How many of [first, last] are in the marks. */
static int64_t count_marked(const struct ph_marks *marks, int64_t first, int64_t last)
{
    int64_t marked = larger(smaller(last, marks->through) - first + 1, 0);
    size_t i = ph_marks_lower(marks, first);
    for (; i < marks->count && marks->beyond[i].first <= last; i++) {
        const struct ph_seq_range *range = &marks->beyond[i];
        marked += larger(smaller(last, range->last) - larger(first, range->first) + 1, 0);
    }
    return marked;
}

/* A device can say what it likes, in any number of streams. */
static void add_saturated(int64_t *sum, int64_t count)
{
    *sum = count > INT64_MAX - *sum ? INT64_MAX : *sum + count;
}

/* Whether [first, last] finds room once everything before `oldest` has been given up. */
static bool fits(const struct ph_marks *marks, int64_t oldest, int64_t first, int64_t last)
{
    int64_t next = larger(marks->through, oldest - 1) + 1;
    bool closes_gap = marks->count > 0 && marks->beyond[0].first <= next;
    return closes_gap || first <= next || ph_marks_fits(marks, first, last);
}

static enum ph_err give_up(struct ph_stream_row *row, int64_t oldest,
    struct ph_store_counts *counts, struct ph_error *error)
{
    if (oldest - 1 <= row->marks.through) {
        return PH_OK;
    }
    int64_t lost = oldest - 1 - count_marked(&row->marks, 1, oldest - 1);
    add_saturated(&row->given_up, lost);
    add_saturated(&counts->given_up, lost);
    return ph_marks_add(&row->marks, 1, oldest - 1, error);
}

/* What a message took on its way makes the skew look smaller: the largest is nearest the truth. */
static void measure_skew(
    struct ph_stream_row *row, const struct ph_message *message, int64_t received_ms)
{
    int64_t skew_ms = message->now_ms - received_ms;
    if (!row->skew_measured || skew_ms > row->skew_ms) {
        row->skew_ms = skew_ms;
    }
    row->has_skew = row->skew_measured = true;
}

static void arrive(
    struct ph_streams *streams, struct ph_stream_row *row, const struct ph_store_message *in)
{
    ph_streams_touch(streams, row);
    row->received_ms = in->received_ms;
    if (in->message->has_now) {
        measure_skew(row, in->message, in->received_ms);
    }
}

struct writer {
    ph_stream_write *write;
    void *context;
    struct ph_store_counts *counts;
};

static enum ph_err write_one(const struct writer *writer, struct ph_stream_row *row, int64_t seq,
    const struct ph_reading *reading, struct ph_error *error)
{
    int64_t latest = 0;
    enum ph_err err = writer->write(writer->context, row, seq, reading, &latest, error);
    if (err != PH_OK) {
        return err;
    }
    row->stored++;
    writer->counts->stored++;
    if (seq >= row->latest_seq) {
        row->latest = latest;
        row->latest_seq = seq;
    }
    return PH_OK;
}

/* Rows for those readings that were not dealt with before. */
static enum ph_err write_new(const struct writer *writer, struct ph_stream_row *row,
    const struct ph_store_message *in, struct ph_error *error)
{
    const struct ph_message *message = in->message;
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < message->reading_count && err == PH_OK; i++) {
        int64_t seq = message->plain ? 0 : message->seq + (int64_t)i;
        if (in->refused != NULL && in->refused[i]) {
            continue;
        }
        if (!message->plain && ph_marks_has(&row->marks, seq)) {
            writer->counts->duplicates++;
            continue;
        }
        err = write_one(writer, row, seq, &message->readings[i], error);
    }
    return err;
}

static enum ph_err refuse_gap(struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_LIMIT,
        "stream: gaps: want at most %d; the device must fill them or start a new stream",
        PH_MARKS_GAPS_MAX);
}

enum ph_err ph_stream_row_take(struct ph_streams *streams, struct ph_stream_row *row,
    const struct ph_store_message *in, ph_stream_write *write, void *context,
    struct ph_store_counts *counts, struct ph_error *error)
{
    const struct ph_message *message = in->message;
    const struct writer writer = {write, context, counts};
    int64_t last = message->seq + (int64_t)message->reading_count - 1;
    bool numbered = !message->plain && message->reading_count > 0;
    if (numbered && !fits(&row->marks, message->oldest, message->seq, last)) {
        return refuse_gap(error);
    }
    arrive(streams, row, in);
    enum ph_err err = message->plain ? PH_OK : give_up(row, message->oldest, counts, error);
    if (err == PH_OK) {
        err = write_new(&writer, row, in, error);
    }
    if (err == PH_OK && numbered) {
        err = ph_marks_add(&row->marks, message->seq, last, error);
    }
    return err;
}

static bool in_ranges(const struct ph_kept_letter *letter, int64_t seq)
{
    bool found = false;
    for (size_t i = 0; i < letter->range_count && !found; i++) {
        found = letter->ranges[i].first <= seq && seq <= letter->ranges[i].last;
    }
    return found;
}

enum ph_err ph_stream_row_revive(struct ph_streams *streams, struct ph_stream_row *row,
    const struct ph_kept_letter *letter, const struct ph_store_message *in, ph_stream_write *write,
    void *context, struct ph_store_counts *counts, struct ph_error *error)
{
    struct ph_store_message all = *in;
    all.refused = NULL;
    if (!letter->has_range) {
        return ph_stream_row_take(streams, row, &all, write, context, counts, error);
    }
    const struct writer writer = {write, context, counts};
    const struct ph_message *message = in->message;
    enum ph_err err = PH_OK;
    ph_streams_touch(streams, row);
    for (size_t i = 0; i < message->reading_count && err == PH_OK; i++) {
        if (in_ranges(letter, message->seq + (int64_t)i)) {
            err = write_one(&writer, row, message->seq + (int64_t)i, &message->readings[i], error);
        }
    }
    return err;
}

static enum ph_err copy_marks(
    const struct ph_marks *marks, struct ph_marks *copy, struct ph_error *error)
{
    *copy = (struct ph_marks){.through = marks->through};
    if (marks->count == 0) {
        return PH_OK;
    }
    copy->beyond = reallocarray(NULL, marks->count, sizeof copy->beyond[0]);
    if (copy->beyond == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "stream: gaps: out of memory");
    }
    memcpy(copy->beyond, marks->beyond, marks->count * sizeof copy->beyond[0]);
    copy->count = copy->size = marks->count;
    return PH_OK;
}

static void add_buried(struct ph_buried *buried, int64_t first, int64_t last)
{
    if (buried->count < PH_LIMIT_MESSAGE_READINGS) {
        buried->ranges[buried->count++] = (struct ph_seq_range){first, last};
    }
}

/* Splits [first, last] into what the marks have and what they have not. */
static void divide(
    const struct ph_marks *marks, int64_t first, int64_t last, struct ph_buried *buried)
{
    buried->duplicates += count_marked(marks, first, last);
    first = larger(first, marks->through + 1);
    for (size_t i = ph_marks_lower(marks, first); first <= last; i++) {
        int64_t next = i < marks->count ? marks->beyond[i].first : INT64_MAX;
        if (first < next) {
            add_buried(buried, first, smaller(last, next - 1));
        }
        first = i < marks->count ? marks->beyond[i].last + 1 : INT64_MAX;
    }
}

/* All ranges or none: a copy of the marks takes them first. */
enum ph_err ph_stream_row_bury(struct ph_streams *streams, struct ph_stream_row *row,
    const struct ph_dead_letter *letter, struct ph_buried *buried, struct ph_error *error)
{
    struct ph_marks marks = {0};
    buried->count = 0;
    buried->duplicates = 0;
    enum ph_err err = copy_marks(&row->marks, &marks, error);
    for (size_t i = 0; i < letter->range_count && err == PH_OK; i++) {
        divide(&row->marks, letter->ranges[i].first, letter->ranges[i].last, buried);
        err = ph_marks_add(&marks, letter->ranges[i].first, letter->ranges[i].last, error);
    }
    if (err == PH_OK) {
        ph_streams_touch(streams, row);
        row->received_ms = letter->received_ms;
        ph_marks_fini(&row->marks);
        row->marks = marks;
        marks = (struct ph_marks){0};
    }
    ph_marks_fini(&marks);
    return err;
}

/* The highest ranges, so many as fit. */
static size_t last_ranges(const struct ph_marks *marks, struct ph_ack *ack)
{
    size_t count = marks->count < PH_LIMIT_ACK_RANGES ? marks->count : PH_LIMIT_ACK_RANGES;
    if (count > 0) {
        memcpy(ack->also, &marks->beyond[marks->count - count], count * sizeof ack->also[0]);
    }
    return count;
}

/* Adds the stored range that holds `seq`, unless the last one added is the same; ascending input
 * gives ascending output. */
static void add_range(const struct ph_marks *marks, int64_t seq, struct ph_ack *ack)
{
    const struct ph_seq_range *range = seq > marks->through ? ph_marks_find(marks, seq) : NULL;
    bool repeated = range != NULL && ack->also_count > 0 &&
                    ack->also[ack->also_count - 1].first >= range->first;
    if (range != NULL && !repeated) {
        ack->also[ack->also_count++] = *range;
    }
}

void ph_stream_row_ack(const struct ph_stream_row *row, uint64_t stream,
    const struct ph_seq_range *touched, size_t count, struct ph_ack *ack, size_t *used)
{
    ack->stream = stream;
    ack->through = row->marks.through;
    *used = count;
    if (count == 0 || row->marks.count <= PH_LIMIT_ACK_RANGES) {
        ack->also_count = last_ranges(&row->marks, ack);
        return;
    }
    ack->also_count = 0;
    for (*used = 0; *used < count && ack->also_count < PH_LIMIT_ACK_RANGES; (*used)++) {
        add_range(&row->marks, touched[*used].first, ack);
    }
}
