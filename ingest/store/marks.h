/* What of one stream has been dealt with (stored, or refused for good): everything from 1 to
 * `through`, and ranges beyond gaps. Exact whatever the order of arrival. */
#ifndef PH_STORE_MARKS_H
#define PH_STORE_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "format/ack.h"

/* Gaps one stream may have. A gap that closes costs nothing; one that stays (a spool that dropped
 * its oldest readings) costs 16 bytes for ever. Beyond it nothing more is taken from the stream. */
#define PH_MARKS_GAPS_MAX 4096

/* Zero-initialise before use; release with ph_marks_fini(). */
struct ph_marks {
    int64_t through;
    struct ph_seq_range *beyond; /* ascending, disjoint, not adjacent, all beyond through + 1 */
    size_t count;
    size_t size;
};

void ph_marks_fini(struct ph_marks *marks);

/* Whether that number is among them. */
bool ph_marks_has(const struct ph_marks *marks, int64_t seq);

/* Adds [first, last], 1 <= first <= last <= PH_LIMIT_SEQ; parts may be there already. PH_ERR_LIMIT
 * at one gap too many, PH_ERR_MEMORY; the marks are then as they were. */
enum ph_err ph_marks_add(
    struct ph_marks *marks, int64_t first, int64_t last, struct ph_error *error) PH_NODISCARD;

/* True when ph_marks_add() would not fail with PH_ERR_LIMIT. */
bool ph_marks_fits(const struct ph_marks *marks, int64_t first, int64_t last);

/* Index of the first range that ends at `seq` or later; count when there is none. */
size_t ph_marks_lower(const struct ph_marks *marks, int64_t seq);

/* The stored range that holds `seq`, which lies beyond `through`; NULL when there is none. */
const struct ph_seq_range *ph_marks_find(const struct ph_marks *marks, int64_t seq);

/* The ranges beyond `through` as text, "1050-1060 1070-1070": how a store keeps them.
 * Reading it back, PH_ERR_INPUT, with `marks` as they were, says that it is not such a text, or
 * that `through` is neither -1 (ranges that stand for themselves, from 1 on) nor a number or 0. */
enum ph_err ph_marks_print(const struct ph_marks *marks, struct ph_buf *out) PH_NODISCARD;

/* Ranges in the same spelling; those that touch become one. */
enum ph_err ph_marks_print_ranges(const struct ph_seq_range *ranges, size_t count,
    struct ph_buf *out, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_marks_parse(
    struct ph_marks *marks, int64_t through, const char *text, struct ph_error *error) PH_NODISCARD;

#endif
