#include <endian.h>
#include <string.h>

#include "base/limits.h"
#include "ingest/store/postgres.h"

/* COPY's binary format: a header, per row the number of its columns and per column its length (-1
 * for NULL) and bytes, big-endian; a trailer. */
static const char header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";
enum { HEADER_BYTES = sizeof header - 1, FIXED_COLUMNS = 9 };

/* A row but for `_extra`, which is last: fixed columns, and fields of at most a text's bytes. */
enum {
    ROW_BYTES = 2 + FIXED_COLUMNS * 12 + PH_LIMIT_READING_FIELDS * (4 + PH_LIMIT_TEXT_VALUE_BYTES)
};

bool ph_postgres_is_vouched(const struct ph_provenance *provenance)
{
    return provenance != NULL && provenance->state == PH_PROVENANCE_VOUCHED;
}

/* ---- One row. */

struct row {
    int64_t time_ms;
    enum ph_timing timing;
    char *at;
    char bytes[ROW_BYTES];
};

static void put16(struct row *row, uint16_t value)
{
    value = htobe16(value);
    memcpy(row->at, &value, sizeof value);
    row->at += sizeof value;
}

static void put32(struct row *row, uint32_t value)
{
    value = htobe32(value);
    memcpy(row->at, &value, sizeof value);
    row->at += sizeof value;
}

static void put_null(struct row *row)
{
    put32(row, UINT32_MAX);
}

static void put_int16(struct row *row, int16_t value)
{
    put32(row, sizeof value);
    put16(row, (uint16_t)value);
}

static void put_bits(struct row *row, uint64_t value)
{
    put32(row, sizeof value);
    value = htobe64(value);
    memcpy(row->at, &value, sizeof value);
    row->at += sizeof value;
}

static void put_int64(struct row *row, int64_t value)
{
    put_bits(row, (uint64_t)value);
}

static void put_time(struct row *row, int64_t ms)
{
    put_int64(row, (ms - PH_POSTGRES_EPOCH_MS) * 1000);
}

static void put_double(struct row *row, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    put_bits(row, bits);
}

static bool put_text(struct row *row, const char *text)
{
    size_t len = strlen(text);
    if (len > PH_LIMIT_TEXT_VALUE_BYTES) {
        return false;
    }
    put32(row, (uint32_t)len);
    memcpy(row->at, text, len);
    row->at += len;
    return true;
}

/* False for a value that is not of the field's type: the server would read it as something else. */
static bool put_value(struct row *row, enum ph_field_type type, const struct ph_value *value)
{
    switch (type) {
    case PH_FIELD_NUMBER:
        put_double(row, value->number);
        return value->type == PH_VALUE_NUMBER;
    case PH_FIELD_INTEGER:
        put_int64(row, (int64_t)value->number);
        return value->type == PH_VALUE_NUMBER;
    case PH_FIELD_BOOLEAN:
        put32(row, 1);
        *row->at++ = value->boolean ? 1 : 0;
        return value->type == PH_VALUE_BOOL;
    case PH_FIELD_TEXT:
    case PH_FIELD_ENUM:
        break;
    }
    return value->type == PH_VALUE_TEXT && put_text(row, value->text);
}

static void put_fixed(struct row *row, const struct postgres_writer *writer,
    const struct ph_stream_row *stream, int64_t seq)
{
    const struct ph_provenance *provenance = writer->in->provenance;
    put_int64(row, stream->id);
    put_int64(row, stream->device_id);
    if (seq > 0) {
        put_int64(row, seq);
    } else {
        put_null(row);
    }
    put_time(row, row->time_ms);
    put_time(row, writer->in->received_ms);
    put_int16(row, (int16_t)row->timing);
    if (ph_postgres_is_vouched(provenance)) {
        put_int64(row, stream->certificate_id);
        put_null(row);
    } else {
        put_null(row);
        put_int16(row, (int16_t)(provenance != NULL ? provenance->state : PH_PROVENANCE_MISSING));
    }
}

/* The reading's field of that name, NULL when it has none; the hint is where it mostly is. */
static const struct ph_field *find_field(
    const struct ph_reading *reading, const char *name, size_t hint)
{
    if (hint < reading->field_count && strcmp(reading->fields[hint].name, name) == 0) {
        return &reading->fields[hint];
    }
    for (size_t i = 0; i < reading->field_count; i++) {
        if (strcmp(reading->fields[i].name, name) == 0) {
            return &reading->fields[i];
        }
    }
    return NULL;
}

static enum ph_err put_fields(struct row *row, const struct ph_kind *kind,
    const struct ph_reading *reading, struct ph_error *error)
{
    size_t hint = 0;
    for (size_t i = 0; i < kind->field_count; i++) {
        const struct ph_field *field = find_field(reading, kind->fields[i].name, hint);
        if (field == NULL) {
            put_null(row);
        } else if (!put_value(row, kind->fields[i].type, &field->value)) {
            return ph_error_set(error, PH_ERR_INTERNAL,
                "kind %s: field %s: not of its type; readings are checked before they come here",
                kind->name, field->name);
        } else {
            hint = (size_t)(field - reading->fields) + 1;
        }
    }
    return PH_OK;
}

/* ---- Rows that wait. */

/* Never PH_ERR_LIMIT: that would be about the stream. */
static enum ph_err fail_memory(const struct postgres_table *table, struct ph_error *error)
{
    return ph_error_set(
        error, PH_ERR_MEMORY, "kind %s: rows: too much for one transaction", table->kind.name);
}

/* Appends `_extra`: jsonb is its version and its text. */
static enum ph_err append_extra(
    struct postgres_table *table, const struct ph_reading *reading, struct ph_error *error)
{
    struct ph_buf *rows = &table->rows;
    size_t start = rows->len;
    uint32_t len = UINT32_MAX;
    enum ph_err err = ph_buf_append(rows, &len, sizeof len);
    if (err == PH_OK && table->kind.unknown == PH_UNKNOWN_STORE) {
        err = ph_buf_append(rows, "\1", 1);
        if (err == PH_OK) {
            err = ph_kind_encode_unknown(&table->kind, reading, rows);
        }
    }
    size_t used = rows->len - start - sizeof len;
    if (err == PH_OK && used == 1) {
        ph_buf_truncate(rows, rows->len - 1);
    } else if (err == PH_OK && used > 1) {
        len = htobe32((uint32_t)used);
        memcpy(rows->data + start, &len, sizeof len);
    }
    return err == PH_OK ? PH_OK : fail_memory(table, error);
}

static enum ph_err append_row(struct postgres_table *table, const struct row *row,
    const struct ph_reading *reading, struct ph_error *error)
{
    enum ph_err err = ph_buf_append(&table->rows, row->bytes, (size_t)(row->at - row->bytes));
    return err == PH_OK ? append_extra(table, reading, error) : fail_memory(table, error);
}

enum ph_err ph_postgres_copy_end(struct postgres_store *store, struct ph_error *error)
{
    static const char trailer[] = {'\377', '\377'};
    int64_t rows = 0;
    if (store->copying == NULL) {
        return PH_OK;
    }
    store->copying = NULL;
    enum ph_err err = ph_pg_copy_data(store->pg, trailer, sizeof trailer, error);
    return err == PH_OK ? ph_pg_copy_end(store->pg, &rows, error) : err;
}

static enum ph_err begin_copy(
    struct postgres_store *store, struct postgres_table *table, struct ph_error *error)
{
    if (store->copying == table) {
        return PH_OK;
    }
    enum ph_err err = ph_postgres_copy_end(store, error);
    if (err == PH_OK) {
        err = ph_pg_copy_begin(store->pg, table->copy, error);
    }
    if (err == PH_OK) {
        store->copying = table;
        err = ph_pg_copy_data(store->pg, header, HEADER_BYTES, error);
    }
    return err;
}

/* The server takes them in while the next ones are made. */
static enum ph_err send_rows(
    struct postgres_store *store, struct postgres_table *table, struct ph_error *error)
{
    enum ph_err err = begin_copy(store, table, error);
    if (err == PH_OK) {
        err = ph_pg_copy_data(store->pg, table->rows.data, table->rows.len, error);
    }
    ph_buf_reset(&table->rows);
    return err;
}

enum ph_err ph_postgres_flush(struct postgres_store *store, struct ph_error *error)
{
    struct postgres_table *copying = store->copying;
    enum ph_err err = copying != NULL ? send_rows(store, copying, error) : PH_OK;
    for (size_t i = 0; i < store->table_count && err == PH_OK; i++) {
        if (store->tables[i].rows.len > 0) {
            err = send_rows(store, &store->tables[i], error);
        }
    }
    return err == PH_OK ? ph_postgres_copy_end(store, error) : err;
}

void ph_postgres_forget_rows(struct postgres_store *store)
{
    for (size_t i = 0; i < store->table_count; i++) {
        ph_buf_reset(&store->tables[i].rows);
    }
    store->copying = NULL;
    store->newest_base += (int64_t)store->newest_count;
    store->newest_count = 0;
    ph_buf_reset(&store->newest_fields);
    ph_buf_reset(&store->seen_ids);
    ph_buf_reset(&store->seen_times);
}

/* ---- Messages. */

static struct postgres_table *find_table(struct postgres_store *store, const char *kind)
{
    for (size_t i = 0; i < store->table_count; i++) {
        if (strcmp(store->tables[i].kind.name, kind) == 0) {
            return &store->tables[i];
        }
    }
    return NULL;
}

enum ph_err ph_postgres_writer_init(struct postgres_writer *writer, struct postgres_store *store,
    const struct ph_store_message *in, struct ph_stream_row **row, struct ph_error *error)
{
    const struct ph_message *message = in->message;
    *writer = (struct postgres_writer){.store = store, .in = in};
    writer->table = find_table(store, in->identity->kind);
    if (writer->table == NULL) {
        return ph_error_set(
            error, PH_ERR_CONFIG, "kind %s: not declared to the store", in->identity->kind);
    }
    enum ph_err err =
        ph_postgres_stream(store, in->identity, message->plain, message->stream, row, error);
    if (err == PH_OK && message->reading_count > 0) {
        err = ph_postgres_partition_for(store, writer->table, in->received_ms, error);
    }
    if (err == PH_OK && ph_postgres_is_vouched(in->provenance)) {
        ph_streams_touch(store->streams, *row);
        err =
            ph_postgres_certify(store, *row, in->identity, in->provenance, in->received_ms, error);
    }
    return err;
}

static enum ph_err note_newest(const struct postgres_writer *writer,
    const struct ph_stream_row *stream, const struct row *row, const char *fields, int64_t *latest,
    struct ph_error *error)
{
    const struct ph_provenance *provenance = writer->in->provenance;
    const struct postgres_newest newest = {
        .table = writer->table,
        .time_ms = row->time_ms,
        .timing = row->timing,
        .certificate = ph_postgres_is_vouched(provenance) ? stream->certificate_id : 0,
        .unvouched = (int)(provenance != NULL ? provenance->state : PH_PROVENANCE_MISSING),
    };
    return ph_postgres_newest_note(
        writer->store, stream, &newest, fields, (size_t)(row->at - fields), latest, error);
}

/* Rows that have become many. */
static enum ph_err make_room(
    struct postgres_store *store, struct postgres_table *table, struct ph_error *error)
{
    if (table->rows.len < PH_POSTGRES_CHUNK_BYTES) {
        return PH_OK;
    }
    enum ph_err err = send_rows(store, table, error);
    return err == PH_OK && !store->streaming ? ph_postgres_copy_end(store, error) : err;
}

enum ph_err ph_postgres_write(void *context, struct ph_stream_row *stream, int64_t seq,
    const struct ph_reading *reading, int64_t *latest, struct ph_error *error)
{
    struct postgres_writer *writer = context;
    struct postgres_table *table = writer->table;
    struct row row;
    row.at = row.bytes;
    row.time_ms = ph_timing_judge(&writer->store->limits.timing, writer->in->message, reading,
        writer->in->received_ms, &row.timing);
    put16(&row, (uint16_t)(FIXED_COLUMNS + table->kind.field_count));
    put_fixed(&row, writer, stream, seq);
    const char *fields = row.at;
    enum ph_err err = make_room(writer->store, table, error);
    if (err == PH_OK) {
        err = put_fields(&row, &table->kind, reading, error);
    }
    if (err == PH_OK) {
        err = append_row(table, &row, reading, error);
    }
    writer->misdated += row.timing != PH_TIMING_DEVICE ? 1 : 0;
    return err == PH_OK && seq >= stream->latest_seq
               ? note_newest(writer, stream, &row, fields, latest, error)
               : err;
}

void ph_postgres_writer_finish(const struct postgres_writer *writer, struct ph_store_counts *counts)
{
    counts->misdated += writer->misdated;
}
