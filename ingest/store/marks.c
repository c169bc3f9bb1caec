#include "ingest/store/marks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

void ph_marks_fini(struct ph_marks *marks)
{
    free(marks->beyond);
    *marks = (struct ph_marks){0};
}

size_t ph_marks_lower(const struct ph_marks *marks, int64_t seq)
{
    size_t low = 0;
    size_t high = marks->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (marks->beyond[middle].last < seq) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct ph_seq_range *ph_marks_find(const struct ph_marks *marks, int64_t seq)
{
    size_t i = ph_marks_lower(marks, seq);
    return i < marks->count && marks->beyond[i].first <= seq ? &marks->beyond[i] : NULL;
}

bool ph_marks_has(const struct ph_marks *marks, int64_t seq)
{
    return seq <= marks->through || ph_marks_find(marks, seq) != NULL;
}

bool ph_marks_fits(const struct ph_marks *marks, int64_t first, int64_t last)
{
    if (marks->count < PH_MARKS_GAPS_MAX || first <= marks->through + 1) {
        return true;
    }
    size_t i = ph_marks_lower(marks, first - 1);
    return i < marks->count && marks->beyond[i].first <= last + 1;
}

/* Replaces ranges [from, to) by one. */
static void replace(struct ph_marks *marks, size_t from, size_t to, struct ph_seq_range range)
{
    memmove(&marks->beyond[from + 1], &marks->beyond[to],
        (marks->count - to) * sizeof marks->beyond[0]);
    marks->beyond[from] = range;
    marks->count -= to - from - 1;
}

static enum ph_err reserve_one(struct ph_marks *marks, struct ph_error *error)
{
    if (marks->count < marks->size) {
        return PH_OK;
    }
    size_t size = marks->size == 0 ? 4 : marks->size * 2;
    struct ph_seq_range *grown = reallocarray(marks->beyond, size, sizeof *grown);
    if (grown == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "stream: gaps: out of memory");
    }
    marks->beyond = grown;
    marks->size = size;
    return PH_OK;
}

static enum ph_err insert(
    struct ph_marks *marks, size_t at, struct ph_seq_range range, struct ph_error *error)
{
    if (marks->count >= PH_MARKS_GAPS_MAX) {
        return ph_error_set(error, PH_ERR_LIMIT,
            "stream: gaps: want at most %d; the device must fill them or start a new stream",
            PH_MARKS_GAPS_MAX);
    }
    enum ph_err err = reserve_one(marks, error);
    if (err != PH_OK) {
        return err;
    }
    memmove(
        &marks->beyond[at + 1], &marks->beyond[at], (marks->count - at) * sizeof marks->beyond[0]);
    marks->beyond[at] = range;
    marks->count++;
    return PH_OK;
}

/* After `through` has grown: the ranges that it has reached become part of it. */
static void absorb(struct ph_marks *marks)
{
    size_t reached = 0;
    while (reached < marks->count && marks->beyond[reached].first <= marks->through + 1) {
        if (marks->beyond[reached].last > marks->through) {
            marks->through = marks->beyond[reached].last;
        }
        reached++;
    }
    if (reached > 0) {
        marks->count -= reached;
        memmove(marks->beyond, &marks->beyond[reached], marks->count * sizeof marks->beyond[0]);
    }
}

enum ph_err ph_marks_add(
    struct ph_marks *marks, int64_t first, int64_t last, struct ph_error *error)
{
    if (first <= marks->through + 1) {
        if (last > marks->through) {
            marks->through = last;
            absorb(marks);
        }
        return PH_OK;
    }
    size_t from = ph_marks_lower(marks, first - 1);
    size_t to = from;
    struct ph_seq_range range = {.first = first, .last = last};
    for (; to < marks->count && marks->beyond[to].first <= last + 1; to++) {
        range.first = marks->beyond[to].first < range.first ? marks->beyond[to].first : range.first;
        range.last = marks->beyond[to].last > range.last ? marks->beyond[to].last : range.last;
    }
    if (from == to) {
        return insert(marks, from, range, error);
    }
    replace(marks, from, to, range);
    return PH_OK;
}

enum ph_err ph_marks_print(const struct ph_marks *marks, struct ph_buf *out)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < marks->count && err == PH_OK; i++) {
        err = ph_buf_printf(out, "%s%" PRId64 "-%" PRId64, i == 0 ? "" : " ",
            marks->beyond[i].first, marks->beyond[i].last);
    }
    return err;
}

enum ph_err ph_marks_print_ranges(
    const struct ph_seq_range *ranges, size_t count, struct ph_buf *out, struct ph_error *error)
{
    struct ph_marks marks = {.through = -1};
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < count && err == PH_OK; i++) {
        err = ph_marks_add(&marks, ranges[i].first, ranges[i].last, error);
    }
    if (err == PH_OK && (err = ph_marks_print(&marks, out)) != PH_OK) {
        (void)ph_error_set(error, err, "dead letter: too many ranges");
    }
    ph_marks_fini(&marks);
    return err;
}

/* Digits and nothing else before them; the position after them, NULL when there are none. */
static const char *parse_number(const char *text, int64_t *out)
{
    if (*text < '0' || *text > '9') {
        return NULL;
    }
    char *end = NULL;
    *out = strtoll(text, &end, 10); /* saturates, and is then beyond PH_LIMIT_SEQ */
    return end;
}

/* One "first-last"; the position after it, NULL when it is malformed. */
static const char *parse_range(const char *text, struct ph_seq_range *range)
{
    text = parse_number(text, &range->first);
    if (text == NULL || *text != '-') {
        return NULL;
    }
    text = parse_number(text + 1, &range->last);
    return text == NULL || (*text != ' ' && *text != '\0') ? NULL : text;
}

enum ph_err ph_marks_parse(
    struct ph_marks *marks, int64_t through, const char *text, struct ph_error *error)
{
    struct ph_marks parsed = {.through = through};
    int64_t floor = through;
    enum ph_err err = PH_OK;
    if (through < -1 || through > PH_LIMIT_SEQ) {
        err = ph_error_set(error, PH_ERR_INPUT, "stream: through: malformed in the store");
    }
    while (err == PH_OK && text != NULL && *text != '\0') {
        struct ph_seq_range range = {0};
        text = parse_range(text, &range);
        if (text == NULL || range.first <= floor + 1 || range.last < range.first ||
            range.last > PH_LIMIT_SEQ) {
            err = ph_error_set(
                error, PH_ERR_INPUT, "stream: ranges beyond the gap: malformed in the store");
            break;
        }
        floor = range.last;
        err = insert(&parsed, parsed.count, range, error);
        text += *text == ' ' ? 1 : 0;
    }
    if (err != PH_OK) {
        ph_marks_fini(&parsed);
        return err;
    }
    ph_marks_fini(marks);
    *marks = parsed;
    return PH_OK;
}
