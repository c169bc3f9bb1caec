#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "ingest/store/postgres.h"
#include "ingest/store/postgres_rows.h"

enum { ESCAPED_BYTES = 4 * PH_LIMIT_TOPIC_BYTES + 1 };

/* ---- Burying. */

/* One more, and so many bytes, unless the device has as many as it may: 0 rows. */
static const char admit_sql[] =
    "INSERT INTO letter_count AS c (device, kept, bytes, not_kept)"
    " SELECT $1::text, 1, $2::bigint, 0 WHERE $3::bigint > 0 AND $2::bigint <= $4::bigint"
    " ON CONFLICT (device) DO UPDATE SET kept = c.kept + 1, bytes = c.bytes + excluded.bytes"
    " WHERE c.kept < $3::bigint AND c.bytes + excluded.bytes <= $4::bigint";

static const char leave_out_sql[] =
    "INSERT INTO letter_count AS c (device, kept, bytes, not_kept) VALUES ($1::text, 0, 0, 1)"
    " ON CONFLICT (device) DO UPDATE SET not_kept = c.not_kept + 1";

static const char insert_sql[] =
    "INSERT INTO dead_letter (received, reason, topic, device, stream, ranges, payload, anchor,"
    " fingerprint, unvouched) VALUES ($1::timestamptz, $2::text, $3::text, $4::text, $5::bigint,"
    " $6::text, $7::bytea, $8::text, $9::text, $10::smallint)";

static size_t kept_bytes(const struct ph_dead_letter *letter)
{
    return letter->payload_len < PH_LIMIT_MESSAGE_BYTES ? letter->payload_len
                                                        : PH_LIMIT_MESSAGE_BYTES;
}

static enum ph_err admit(struct postgres_store *store, const char *device,
    const struct ph_dead_letter *letter, bool *kept, struct ph_error *error)
{
    struct ph_postgres_number bytes = ph_postgres_number((int64_t)kept_bytes(letter));
    struct ph_postgres_number most = ph_postgres_number(store->limits.letters_per_device);
    struct ph_postgres_number most_bytes =
        ph_postgres_number(store->limits.letter_bytes_per_device);
    const struct ph_pg_value values[] = {
        {.text = device}, {.text = bytes.text}, {.text = most.text}, {.text = most_bytes.text}};
    struct ph_pg_result *result = NULL;
    enum ph_err err = ph_pg_query_prepared(store->pg, admit_sql, values, 4, &result, error);
    *kept = err == PH_OK && ph_pg_affected(result) > 0;
    ph_pg_result_free(&result);
    return err;
}

static enum ph_err leave_out(struct postgres_store *store, const char *device,
    struct ph_store_counts *counts, struct ph_error *error)
{
    const struct ph_pg_value values[] = {{.text = device}};
    counts->not_kept++;
    return ph_pg_query_prepared(store->pg, leave_out_sql, values, 1, NULL, error);
}

/* The server takes nothing but UTF-8, and a letter must never be what stops the others. */
static const char *clean(char out[ESCAPED_BYTES], const char *text)
{
    if (ph_text_utf8_valid(text, strlen(text))) {
        return text;
    }
    ph_text_escape(out, ESCAPED_BYTES, text);
    return out;
}

static enum ph_err insert(struct postgres_store *store, const char *device,
    const struct ph_dead_letter *letter, const char *ranges, struct ph_error *error)
{
    static const struct ph_provenance missing = {.state = PH_PROVENANCE_MISSING};
    const struct ph_provenance *provenance =
        letter->provenance != NULL ? letter->provenance : &missing;
    const bool vouched = ph_postgres_is_vouched(provenance);
    char received[PH_UTC_BYTES];
    char reason[ESCAPED_BYTES];
    char topic[ESCAPED_BYTES];
    struct ph_postgres_number stream = ph_postgres_number((int64_t)letter->stream);
    struct ph_postgres_number unvouched = ph_postgres_number((int64_t)provenance->state);
    ph_utc_print(received, letter->received_ms);
    const struct ph_pg_value values[] = {
        {.text = received},
        {.text = clean(reason, letter->reason)},
        {.text = clean(topic, letter->topic)},
        {.text = letter->identity != NULL ? device : NULL},
        {.text = letter->has_range ? stream.text : NULL},
        {.text = letter->has_range ? ranges : NULL},
        {.bytes = letter->payload_len > 0 ? letter->payload : "", .len = kept_bytes(letter)},
        {.text = vouched ? provenance->anchor : NULL},
        {.text = vouched ? provenance->fingerprint : NULL},
        {.text = vouched ? NULL : unvouched.text},
    };
    return ph_pg_query_prepared(
        store->pg, insert_sql, values, sizeof values / sizeof values[0], NULL, error);
}

static enum ph_err keep(struct postgres_store *store, const struct ph_dead_letter *letter,
    struct ph_store_counts *counts, struct ph_error *error)
{
    char device[PH_IDENTITY_BYTES] = "";
    bool kept = false;
    enum ph_err err = PH_OK;
    struct ph_buf ranges;
    ph_buf_init(&ranges, PH_PG_SQL_BYTES);
    if (letter->identity != NULL) {
        ph_identity_print(device, sizeof device, letter->identity);
    }
    if (!letter->count_only) {
        err = admit(store, device, letter, &kept, error);
    }
    if (err == PH_OK && !kept) {
        err = leave_out(store, device, counts, error);
    } else if (err == PH_OK && (err = ph_marks_print_ranges(letter->ranges, letter->range_count,
                                    &ranges, error)) == PH_OK) {
        counts->dead_letters++;
        err = insert(store, device, letter, ranges.data, error);
    }
    ph_buf_fini(&ranges);
    return err;
}

enum ph_err ph_store_postgres_bury(struct ph_store *base, const struct ph_dead_letter *letter,
    struct ph_store_counts *counts, struct ph_error *error)
{
    struct postgres_store *store = (struct postgres_store *)base;
    struct ph_stream_row *row = NULL;
    struct ph_buried buried = {.count = 0};
    struct ph_dead_letter rest = *letter;
    enum ph_err err = PH_OK;
    if (letter->has_range) {
        err = ph_postgres_stream(store, letter->identity, false, letter->stream, &row, error);
    }
    if (err == PH_OK && letter->has_range) {
        err = ph_stream_row_bury(store->streams, row, letter, &buried, error);
        rest.ranges = buried.ranges;
        rest.range_count = buried.count;
    }
    if (err != PH_OK) {
        return err;
    }
    counts->duplicates += buried.duplicates;
    return !letter->has_range || buried.count > 0 ? keep(store, &rest, counts, error) : PH_OK;
}

/* ---- Taking out. */

/* The letter's row, held until the end of the transaction. */
static enum ph_err hold(struct postgres_store *store, int64_t id, struct ph_error *error)
{
    struct ph_postgres_number number = ph_postgres_number(id);
    const struct ph_pg_value values[] = {{.text = number.text}};
    struct ph_pg_result *result = NULL;
    enum ph_err err = ph_pg_query_prepared(store->pg,
        "SELECT id FROM dead_letter WHERE id = $1::bigint FOR UPDATE", values, 1, &result, error);
    if (err == PH_OK && ph_pg_rows(result) == 0) {
        err = ph_error_set(error, PH_ERR_NOT_FOUND,
            "dead letter %" PRId64 ": not there any more; list them again", id);
    }
    ph_pg_result_free(&result);
    return err;
}

static enum ph_err take_out(struct postgres_store *store, int64_t id, struct ph_error *error)
{
    struct ph_postgres_number number = ph_postgres_number(id);
    const struct ph_pg_value values[] = {{.text = number.text}};
    return ph_pg_query_prepared(store->pg,
        "WITH gone AS (DELETE FROM dead_letter WHERE id = $1::bigint RETURNING device, payload)"
        " UPDATE letter_count c SET kept = c.kept - 1,"
        " bytes = c.bytes - octet_length(gone.payload)"
        " FROM gone WHERE c.device = coalesce(gone.device, '')",
        values, 1, NULL, error);
}

enum ph_err ph_store_postgres_discard(
    struct ph_store *base, const struct ph_kept_letter *letter, struct ph_error *error)
{
    struct postgres_store *store = (struct postgres_store *)base;
    enum ph_err err = hold(store, letter->id, error);
    return err == PH_OK ? take_out(store, letter->id, error) : err;
}

enum ph_err ph_store_postgres_revive(struct ph_store *base, const struct ph_kept_letter *letter,
    const struct ph_store_message *message, struct ph_store_counts *counts, struct ph_error *error)
{
    struct postgres_store *store = (struct postgres_store *)base;
    struct postgres_writer writer;
    struct ph_stream_row *row = NULL;
    enum ph_err err = hold(store, letter->id, error);
    if (err == PH_OK) {
        err = ph_postgres_writer_init(&writer, store, message, &row, error);
    }
    if (err == PH_OK) {
        err = ph_stream_row_revive(
            store->streams, row, letter, message, ph_postgres_write, &writer, counts, error);
    }
    if (err == PH_OK) {
        ph_postgres_writer_finish(&writer, counts);
    }
    return err == PH_OK ? take_out(store, letter->id, error) : err;
}

/* ---- Listing. */

enum letter_column {
    LETTER_ID,
    LETTER_RECEIVED,
    LETTER_REASON,
    LETTER_TOPIC,
    LETTER_DEVICE,
    LETTER_STREAM,
    LETTER_RANGES,
    LETTER_ANCHOR,
    LETTER_FINGERPRINT,
    LETTER_UNVOUCHED,
};

static const char letters_sql[] =
    "SELECT id, (extract(epoch FROM received) * 1000)::bigint, reason, topic, device, stream,"
    " ranges, anchor, fingerprint, unvouched"
    " FROM (SELECT * FROM dead_letter WHERE ($1::bigint = 0 OR id = $1)"
    " AND ($2::text IS NULL OR device = $2) AND ($3::text IS NULL OR strpos(reason, $3) > 0)"
    " AND received >= $4::timestamptz AND received < $5::timestamptz"
    " ORDER BY id DESC LIMIT $6::bigint) l ORDER BY id";

struct visiting {
    struct ph_pg *pg;
    ph_letter_visit *visit;
    void *context;
};

static void read_provenance(
    const struct ph_pg_result *result, size_t row, struct ph_provenance *provenance)
{
    const char *anchor = ph_pg_text(result, row, LETTER_ANCHOR);
    const char *fingerprint = ph_pg_text(result, row, LETTER_FINGERPRINT);
    provenance->state = (enum ph_provenance_state)ph_pg_int64(result, row, LETTER_UNVOUCHED);
    if (provenance->state == PH_PROVENANCE_VOUCHED &&
        (anchor == NULL || fingerprint == NULL ||
            !ph_text_copy(provenance->anchor, sizeof provenance->anchor, anchor) ||
            !ph_text_copy(provenance->fingerprint, sizeof provenance->fingerprint, fingerprint))) {
        *provenance = (struct ph_provenance){.state = PH_PROVENANCE_MALFORMED};
    }
}

/* One at a time: a thousand of them would be 64 MB. *bytes stays NULL when the letter is gone. */
static enum ph_err read_payload(
    struct ph_pg *pg, int64_t id, void **bytes, size_t *len, struct ph_error *error)
{
    struct ph_postgres_number number = ph_postgres_number(id);
    const struct ph_pg_value values[] = {{.text = number.text}};
    struct ph_pg_result *result = NULL;
    enum ph_err err = ph_pg_query_prepared(
        pg, "SELECT payload FROM dead_letter WHERE id = $1::bigint", values, 1, &result, error);
    if (err == PH_OK && ph_pg_rows(result) > 0) {
        err = ph_pg_bytes(result, 0, 0, bytes, len, error);
    }
    ph_pg_result_free(&result);
    return err;
}

/* What points into memory of its own: identity and ranges. */
static enum ph_err read_letter(const struct ph_pg_result *result, size_t row,
    struct ph_identity *identity, struct ph_marks *ranges, struct ph_kept_letter *letter,
    struct ph_error *error)
{
    const char *device = ph_pg_text(result, row, LETTER_DEVICE);
    const char *text = ph_pg_text(result, row, LETTER_RANGES);
    enum ph_err err = device != NULL ? ph_identity_parse(device, identity, error) : PH_OK;
    if (err == PH_OK && text != NULL) {
        err = ph_marks_parse(ranges, -1, text, error);
    }
    letter->identity = device != NULL ? identity : NULL;
    letter->has_range = text != NULL;
    letter->ranges = ranges->beyond;
    letter->range_count = ranges->count;
    return err;
}

static enum ph_err visit_letter(
    void *context, const struct ph_pg_result *result, size_t row, struct ph_error *error)
{
    const struct visiting *visiting = context;
    struct ph_identity identity = {0};
    struct ph_marks ranges = {.through = -1};
    void *payload = NULL;
    struct ph_kept_letter letter = {
        .id = ph_pg_int64(result, row, LETTER_ID),
        .received_ms = ph_pg_int64(result, row, LETTER_RECEIVED),
        .reason = ph_pg_text(result, row, LETTER_REASON),
        .topic = ph_pg_text(result, row, LETTER_TOPIC),
        .stream = (uint64_t)ph_pg_int64(result, row, LETTER_STREAM),
    };
    read_provenance(result, row, &letter.provenance);
    enum ph_err err = read_letter(result, row, &identity, &ranges, &letter, error);
    if (err != PH_OK) {
        (void)ph_error_prefix(error, err, "dead letter %" PRId64, letter.id);
    } else {
        err = read_payload(visiting->pg, letter.id, &payload, &letter.payload_len, error);
    }
    letter.payload = payload;
    if (err == PH_OK && payload != NULL) {
        err = visiting->visit(visiting->context, &letter, error);
    }
    ph_marks_fini(&ranges);
    free(payload);
    return err;
}

enum ph_err ph_store_postgres_letters(struct ph_store *base, const struct ph_letter_filter *filter,
    ph_letter_visit *visit, void *context, struct ph_error *error)
{
    struct postgres_store *store = (struct postgres_store *)base;
    struct visiting visiting = {.pg = store->pg, .visit = visit, .context = context};
    struct ph_postgres_number id = ph_postgres_number(filter->id);
    struct ph_postgres_number limit = ph_postgres_number(filter->limit);
    char device[PH_IDENTITY_BYTES] = "";
    char from[PH_UTC_BYTES];
    char to[PH_UTC_BYTES];
    ph_listing_time(from, filter->from_ms);
    ph_listing_time(to, filter->to_ms);
    if (filter->device != NULL) {
        ph_identity_print(device, sizeof device, filter->device);
    }
    const struct ph_pg_value values[] = {{.text = id.text},
        {.text = filter->device != NULL ? device : NULL}, {.text = filter->reason}, {.text = from},
        {.text = to}, {.text = filter->limit > 0 ? limit.text : NULL}};
    return ph_pg_each(store->pg, letters_sql, values, sizeof values / sizeof values[0],
        visit_letter, &visiting, error);
}
