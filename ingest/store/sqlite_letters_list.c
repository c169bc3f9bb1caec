#include <inttypes.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "ingest/store/sqlite.h"

#define FILTER_SQL                                                                                 \
    "(?1 = 0 OR id = ?1) AND (?2 IS NULL OR device = ?2)"                                          \
    " AND (?3 IS NULL OR instr(reason, ?3) > 0) AND received >= ?4 AND received < ?5"

static const char span_sql[] =
    "SELECT min(id), max(id) FROM (SELECT id FROM dead_letter WHERE " FILTER_SQL
    " ORDER BY id DESC LIMIT ?6)";

static const char next_sql[] =
    "SELECT id, received, reason, topic, device, stream, ranges, payload, anchor, fingerprint,"
    " unvouched FROM dead_letter WHERE id >= ?6 AND id <= ?7 AND " FILTER_SQL
    " ORDER BY id LIMIT 1";

enum letter_column {
    LETTER_ID,
    LETTER_RECEIVED,
    LETTER_REASON,
    LETTER_TOPIC,
    LETTER_DEVICE,
    LETTER_STREAM,
    LETTER_RANGES,
    LETTER_PAYLOAD,
    LETTER_ANCHOR,
    LETTER_FINGERPRINT,
    LETTER_UNVOUCHED,
};

static void bind_filter(struct ph_stmt *stmt, const struct ph_letter_filter *filter)
{
    char device[PH_IDENTITY_BYTES] = "";
    ph_stmt_bind_int64(stmt, 1, filter->id);
    if (filter->device != NULL) {
        ph_identity_print(device, sizeof device, filter->device);
        ph_stmt_bind_text(stmt, 2, device);
    }
    ph_stmt_bind_text(stmt, 3, filter->reason);
    ph_stmt_bind_int64(stmt, 4, filter->from_ms);
    ph_stmt_bind_int64(stmt, 5, filter->to_ms);
}

/* A letter in memory of its own: the visitor may take its time, and the writer its turn. */
struct copied_letter {
    struct ph_kept_letter letter;
    struct ph_identity identity;
    struct ph_marks ranges;
    struct ph_buf text; /* reason, topic and payload, each with a terminator */
};

static enum ph_err copy_texts(
    struct ph_stmt *stmt, struct copied_letter *copy, struct ph_error *error)
{
    const char *reason = ph_stmt_text(stmt, LETTER_REASON);
    const char *topic = ph_stmt_text(stmt, LETTER_TOPIC);
    const void *payload = ph_stmt_bytes(stmt, LETTER_PAYLOAD, &copy->letter.payload_len);
    size_t reason_len = strlen(reason) + 1;
    size_t topic_len = strlen(topic) + 1;
    enum ph_err err = ph_buf_append(&copy->text, reason, reason_len);
    if (err == PH_OK) {
        err = ph_buf_append(&copy->text, topic, topic_len);
    }
    if (err == PH_OK && copy->letter.payload_len > 0) {
        err = ph_buf_append(&copy->text, payload, copy->letter.payload_len);
    }
    if (err != PH_OK) {
        return ph_error_set(error, err, "too large");
    }
    copy->letter.reason = copy->text.data;
    copy->letter.topic = &copy->text.data[reason_len];
    copy->letter.payload = &copy->text.data[reason_len + topic_len];
    return PH_OK;
}

static void copy_provenance(struct ph_stmt *stmt, struct ph_provenance *provenance)
{
    const char *anchor = ph_stmt_text(stmt, LETTER_ANCHOR);
    const char *fingerprint = ph_stmt_text(stmt, LETTER_FINGERPRINT);
    provenance->state = (enum ph_provenance_state)ph_stmt_int64(stmt, LETTER_UNVOUCHED);
    if (provenance->state == PH_PROVENANCE_VOUCHED &&
        (!ph_text_copy(provenance->anchor, sizeof provenance->anchor, anchor ? anchor : "") ||
            !ph_text_copy(provenance->fingerprint, sizeof provenance->fingerprint,
                fingerprint ? fingerprint : ""))) {
        *provenance = (struct ph_provenance){.state = PH_PROVENANCE_MALFORMED};
    }
}

static enum ph_err copy_letter(
    struct ph_stmt *stmt, struct copied_letter *copy, struct ph_error *error)
{
    struct ph_kept_letter *letter = &copy->letter;
    const char *device = ph_stmt_text(stmt, LETTER_DEVICE);
    const char *ranges = ph_stmt_text(stmt, LETTER_RANGES);
    *letter = (struct ph_kept_letter){.id = ph_stmt_int64(stmt, LETTER_ID),
        .received_ms = ph_stmt_int64(stmt, LETTER_RECEIVED),
        .identity = device != NULL ? &copy->identity : NULL,
        .has_range = ranges != NULL,
        .stream = (uint64_t)ph_stmt_int64(stmt, LETTER_STREAM)};
    ph_buf_reset(&copy->text);
    copy_provenance(stmt, &letter->provenance);
    enum ph_err err = copy_texts(stmt, copy, error);
    if (err == PH_OK && device != NULL) {
        err = ph_identity_parse(device, &copy->identity, error);
    }
    if (err == PH_OK && ranges != NULL) {
        err = ph_marks_parse(&copy->ranges, -1, ranges, error);
        letter->ranges = copy->ranges.beyond;
        letter->range_count = copy->ranges.count;
    }
    return err == PH_OK ? PH_OK : ph_error_prefix(error, err, "dead letter %" PRId64, letter->id);
}

/* The first and the last letter that the filter lets through now; *to is 0 when there is none. */
static enum ph_err find_span(struct ph_db *db, const struct ph_letter_filter *filter, int64_t *from,
    int64_t *to, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    bool row = false;
    enum ph_err err = ph_stmt_prepare(db, span_sql, &stmt, error);
    if (err == PH_OK) {
        bind_filter(stmt, filter);
        ph_stmt_bind_int64(stmt, 6, filter->limit > 0 ? filter->limit : -1);
        err = ph_stmt_step(stmt, &row, error);
    }
    *from = row ? ph_stmt_int64(stmt, 0) : 0;
    *to = row ? ph_stmt_int64(stmt, 1) : 0;
    ph_stmt_free(&stmt);
    return err;
}

/* Copies the first letter from *from on; *from is then behind it. */
static enum ph_err next_letter(struct ph_stmt *stmt, const struct ph_letter_filter *filter,
    int64_t *from, int64_t to, struct copied_letter *copy, bool *have, struct ph_error *error)
{
    bind_filter(stmt, filter);
    ph_stmt_bind_int64(stmt, 6, *from);
    ph_stmt_bind_int64(stmt, 7, to);
    enum ph_err err = ph_stmt_step(stmt, have, error);
    if (err == PH_OK && *have) {
        err = copy_letter(stmt, copy, error);
        *from = copy->letter.id + 1;
    }
    ph_stmt_reset(stmt);
    return err;
}

enum ph_err ph_store_sqlite_letters(struct ph_store *base, const struct ph_letter_filter *filter,
    ph_letter_visit *visit, void *context, struct ph_error *error)
{
    struct ph_db *db = ((struct sqlite_store *)base)->db;
    struct copied_letter copy = {0};
    struct ph_stmt *next = NULL;
    int64_t from = 0;
    int64_t to = 0;
    bool have = true;
    ph_buf_init(&copy.text, (size_t)4 * PH_LIMIT_MESSAGE_BYTES);
    enum ph_err err = find_span(db, filter, &from, &to, error);
    if (err == PH_OK) {
        err = ph_stmt_prepare(db, next_sql, &next, error);
    }
    while (err == PH_OK && have && to > 0) {
        err = next_letter(next, filter, &from, to, &copy, &have, error);
        if (err == PH_OK && have) {
            err = visit(context, &copy.letter, error);
        }
    }
    ph_stmt_free(&next);
    ph_marks_fini(&copy.ranges);
    ph_buf_fini(&copy.text);
    return err;
}
