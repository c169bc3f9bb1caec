#include <endian.h>
#include <string.h>

#include "ingest/store/postgres.h"

enum { ARRAY_BYTES = 134217728 };

/* ---- Writing back: one statement with an array per column, in the binary format of arrays. */

enum type { TYPE_INT64 = 20, TYPE_INT16 = 21, TYPE_TEXT = 25, TYPE_TIME = 1184, TYPE_JSONB = 3802 };

enum column {
    COLUMN_ID,
    COLUMN_VERSION,
    COLUMN_THROUGH,
    COLUMN_BEYOND,
    COLUMN_STORED,
    COLUMN_GIVEN_UP,
    COLUMN_LATEST_SEQ,
    COLUMN_RECEIVED,
    COLUMN_SKEW,
    COLUMN_LATEST, /* NULL: no newer one; the rest is about it */
    COLUMN_TIME,
    COLUMN_TIMING,
    COLUMN_CERTIFICATE,
    COLUMN_UNVOUCHED,
    COLUMNS
};

static const uint32_t types[COLUMNS] = {
    [COLUMN_ID] = TYPE_INT64,
    [COLUMN_VERSION] = TYPE_INT64,
    [COLUMN_THROUGH] = TYPE_INT64,
    [COLUMN_BEYOND] = TYPE_TEXT,
    [COLUMN_STORED] = TYPE_INT64,
    [COLUMN_GIVEN_UP] = TYPE_INT64,
    [COLUMN_LATEST_SEQ] = TYPE_INT64,
    [COLUMN_RECEIVED] = TYPE_TIME,
    [COLUMN_SKEW] = TYPE_INT64,
    [COLUMN_LATEST] = TYPE_JSONB,
    [COLUMN_TIME] = TYPE_TIME,
    [COLUMN_TIMING] = TYPE_INT16,
    [COLUMN_CERTIFICATE] = TYPE_INT64,
    [COLUMN_UNVOUCHED] = TYPE_INT16,
};

struct arrays {
    struct ph_buf bytes[COLUMNS];
    enum ph_err err; /* the first failure */
};

static void add(struct arrays *arrays, enum column column, const void *bytes, size_t len)
{
    if (arrays->err == PH_OK) {
        arrays->err = ph_buf_append(&arrays->bytes[column], bytes, len);
    }
}

static void add_word(struct arrays *arrays, enum column column, uint32_t word)
{
    word = htobe32(word);
    add(arrays, column, &word, sizeof word);
}

/* Dimensions, whether there may be NULLs, type of the elements; length and first index. */
static void arrays_init(struct arrays *arrays, size_t count)
{
    *arrays = (struct arrays){0};
    for (enum column i = 0; i < COLUMNS; i++) {
        ph_buf_init(&arrays->bytes[i], ARRAY_BYTES);
        add_word(arrays, i, 1);
        add_word(arrays, i, 1);
        add_word(arrays, i, types[i]);
        add_word(arrays, i, (uint32_t)count);
        add_word(arrays, i, 1);
    }
}

static void arrays_fini(struct arrays *arrays)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        ph_buf_fini(&arrays->bytes[i]);
    }
}

static void add_null(struct arrays *arrays, enum column column)
{
    add_word(arrays, column, UINT32_MAX);
}

static void add_number(struct arrays *arrays, enum column column, int64_t number)
{
    struct {
        uint32_t len;
        char bytes[sizeof number];
    } element = {.len = htobe32(sizeof number)};
    uint64_t bits = htobe64((uint64_t)number);
    memcpy(element.bytes, &bits, sizeof bits);
    add(arrays, column, &element, sizeof element.len + sizeof bits);
}

static void add_small(struct arrays *arrays, enum column column, int number)
{
    uint16_t bits = htobe16((uint16_t)number);
    add_word(arrays, column, sizeof bits);
    add(arrays, column, &bits, sizeof bits);
}

static void add_time(struct arrays *arrays, enum column column, int64_t ms)
{
    add_number(arrays, column, (ms - PH_POSTGRES_EPOCH_MS) * 1000);
}

/* Puts the length of what has been appended since into the word at `start`. */
static void set_length(struct arrays *arrays, enum column column, size_t start)
{
    struct ph_buf *bytes = &arrays->bytes[column];
    if (arrays->err == PH_OK) {
        uint32_t len = htobe32((uint32_t)(bytes->len - start - sizeof len));
        memcpy(bytes->data + start, &len, sizeof len);
    }
}

/* jsonb is its version and its text. */
static void add_fields(
    struct arrays *arrays, const struct postgres_store *store, const struct postgres_newest *newest)
{
    struct ph_buf *latest = &arrays->bytes[COLUMN_LATEST];
    size_t start = latest->len;
    add_word(arrays, COLUMN_LATEST, 0);
    add(arrays, COLUMN_LATEST, "\1", 1);
    if (arrays->err == PH_OK) {
        arrays->err = ph_postgres_newest_print(store, newest, latest);
    }
    set_length(arrays, COLUMN_LATEST, start);
}

static void add_newest(
    struct arrays *arrays, const struct postgres_store *store, const struct ph_stream_row *row)
{
    if (row->latest <= store->newest_base) {
        for (enum column i = COLUMN_LATEST; i < COLUMNS; i++) {
            add_null(arrays, i);
        }
        return;
    }
    const struct postgres_newest *newest = &store->newest[row->latest - store->newest_base - 1];
    add_fields(arrays, store, newest);
    add_time(arrays, COLUMN_TIME, newest->time_ms);
    add_small(arrays, COLUMN_TIMING, (int)newest->timing);
    if (newest->certificate != 0) {
        add_number(arrays, COLUMN_CERTIFICATE, newest->certificate);
        add_null(arrays, COLUMN_UNVOUCHED);
    } else {
        add_null(arrays, COLUMN_CERTIFICATE);
        add_small(arrays, COLUMN_UNVOUCHED, newest->unvouched);
    }
}

static void add_marks(struct arrays *arrays, const struct ph_marks *marks)
{
    struct ph_buf *beyond = &arrays->bytes[COLUMN_BEYOND];
    size_t start = beyond->len;
    add_number(arrays, COLUMN_THROUGH, marks->through);
    add_word(arrays, COLUMN_BEYOND, 0);
    if (arrays->err == PH_OK && marks->count > 0) {
        arrays->err = ph_marks_print(marks, beyond);
    }
    set_length(arrays, COLUMN_BEYOND, start);
}

static void add_row(
    struct arrays *arrays, const struct postgres_store *store, const struct ph_stream_row *row)
{
    add_number(arrays, COLUMN_ID, row->id);
    add_number(arrays, COLUMN_VERSION, row->version);
    add_marks(arrays, &row->marks);
    add_number(arrays, COLUMN_STORED, row->stored);
    add_number(arrays, COLUMN_GIVEN_UP, row->given_up);
    add_number(arrays, COLUMN_LATEST_SEQ, row->latest_seq);
    add_time(arrays, COLUMN_RECEIVED, row->received_ms);
    if (row->has_skew) {
        add_number(arrays, COLUMN_SKEW, row->skew_ms);
    } else {
        add_null(arrays, COLUMN_SKEW);
    }
    add_newest(arrays, store, row);
}

/* Side by side in a select list the arrays are walked; in FROM each would be made a table first. */
static const char save_sql[] =
    "UPDATE stream s SET version = s.version + 1, through = u.through, beyond = u.beyond,"
    " stored = u.stored, given_up = u.given_up, latest_seq = u.latest_seq, received = u.received,"
    " skew = u.skew, latest = coalesce(u.latest, s.latest),"
    " latest_time = CASE WHEN u.latest IS NULL THEN s.latest_time ELSE u.time END,"
    " latest_timing = CASE WHEN u.latest IS NULL THEN s.latest_timing ELSE u.timing END,"
    " latest_certificate = CASE WHEN u.latest IS NULL THEN s.latest_certificate"
    " ELSE u.certificate END,"
    " latest_unvouched = CASE WHEN u.latest IS NULL THEN s.latest_unvouched ELSE u.unvouched END"
    " FROM (SELECT unnest($1::bigint[]) AS id, unnest($2::bigint[]) AS version,"
    " unnest($3::bigint[]) AS through, unnest($4::text[]) AS beyond,"
    " unnest($5::bigint[]) AS stored, unnest($6::bigint[]) AS given_up,"
    " unnest($7::bigint[]) AS latest_seq, unnest($8::timestamptz[]) AS received,"
    " unnest($9::bigint[]) AS skew, unnest($10::jsonb[]) AS latest,"
    " unnest($11::timestamptz[]) AS time, unnest($12::smallint[]) AS timing,"
    " unnest($13::bigint[]) AS certificate, unnest($14::smallint[]) AS unvouched) u"
    " WHERE s.id = u.id AND s.version = u.version";

static enum ph_err send_arrays(
    struct postgres_store *store, const struct arrays *arrays, size_t count, struct ph_error *error)
{
    struct ph_pg_value values[COLUMNS] = {0};
    struct ph_pg_result *result = NULL;
    if (arrays->err != PH_OK) {
        return ph_error_set(error, PH_ERR_MEMORY, "streams: too much for one transaction");
    }
    for (size_t i = 0; i < COLUMNS; i++) {
        values[i].bytes = arrays->bytes[i].data;
        values[i].len = arrays->bytes[i].len;
    }
    enum ph_err err = ph_pg_query_prepared(store->pg, save_sql, values, COLUMNS, &result, error);
    if (err == PH_OK && ph_pg_affected(result) != (int64_t)count) {
        err = ph_error_set(error, PH_ERR_BUSY,
            "%s: table stream: another writer has changed it; the batch is tried again",
            ph_pg_name(store->pg));
    }
    ph_pg_result_free(&result);
    return err;
}

enum ph_err ph_postgres_streams_save(struct postgres_store *store, struct ph_error *error)
{
    const struct ph_stream_row *dirty = ph_streams_dirty(store->streams);
    struct arrays arrays;
    size_t count = 0;
    enum ph_err err = ph_postgres_certificates_save(store, error);
    if (err != PH_OK || dirty == NULL) {
        return err;
    }
    for (const struct ph_stream_row *row = dirty; row != NULL; row = row->next_dirty) {
        count++;
    }
    arrays_init(&arrays, count);
    for (const struct ph_stream_row *row = dirty; row != NULL; row = row->next_dirty) {
        add_row(&arrays, store, row);
    }
    err = send_arrays(store, &arrays, count, error);
    arrays_fini(&arrays);
    return err;
}
