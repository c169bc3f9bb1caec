/* Ranges as a store keeps them, of marks and of dead letters: what is read is in order, and writes
 * and reads back the same. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "ingest/store/marks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_order(const struct ph_marks *marks)
{
    int64_t floor = marks->through;
    for (size_t i = 0; i < marks->count; i++) {
        const struct ph_seq_range range = marks->beyond[i];
        require(range.first > floor + 1 && range.last >= range.first);
        require(range.last <= PH_LIMIT_SEQ);
        require(ph_marks_has(marks, range.first) && !ph_marks_has(marks, range.first - 1));
        floor = range.last;
    }
}

static void check_round_trip(const struct ph_marks *marks, size_t size)
{
    struct ph_marks back = {0};
    struct ph_buf text;
    ph_buf_init(&text, size + 1); /* never longer than what it was read from */
    require(ph_marks_print(marks, &text) == PH_OK);
    require(ph_marks_parse(&back, marks->through, text.data, NULL) == PH_OK);
    require(back.count == marks->count);
    for (size_t i = 0; i < marks->count; i++) {
        require(back.beyond[i].first == marks->beyond[i].first);
        require(back.beyond[i].last == marks->beyond[i].last);
    }
    ph_buf_fini(&text);
    ph_marks_fini(&back);
}

static void check(const char *text, int64_t through)
{
    struct ph_marks marks = {0};
    struct ph_error error = {0};
    if (ph_marks_parse(&marks, through, text, &error) == PH_OK) {
        check_order(&marks);
        check_round_trip(&marks, strlen(text));
    } else {
        require(marks.count == 0 && error.message[0] != '\0');
    }
    ph_marks_fini(&marks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = strndup(size > 0 ? (const char *)data : "", size);
    require(text != NULL);
    check(text, -1);
    check(text, 7);
    check(text, INT64_MAX);
    free(text);
    return 0;
}
