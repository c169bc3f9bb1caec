#include <stdlib.h>
#include <string.h>

#include "ingest/store/sqlite.h"

/* The texts of the staged rows at their longest. */
#define TEXTS_BYTES                                                                                \
    ((size_t)PH_STORE_STAGED_ROWS *                                                                \
        (PH_KIND_UNKNOWN_BYTES + PH_LIMIT_READING_FIELDS * (PH_LIMIT_TEXT_VALUE_BYTES + 1)))

static size_t column_count(const struct kind_table *table)
{
    return COLUMN_FIELDS + table->kind.field_count;
}

static enum ph_err copy_kind(
    struct kind_table *table, const struct ph_kind *kind, struct ph_error *error)
{
    table->kind.name = strdup(kind->name);
    table->kind.fields = calloc(kind->field_count, sizeof kind->fields[0]);
    table->kind.unknown = kind->unknown;
    bool short_of_memory = table->kind.name == NULL || table->kind.fields == NULL;
    for (size_t i = 0; i < kind->field_count && !short_of_memory; i++) {
        struct ph_field_rule *field = &table->kind.fields[table->kind.field_count++];
        field->name = strdup(kind->fields[i].name);
        field->type = kind->fields[i].type;
        short_of_memory = field->name == NULL;
    }
    table->staged = calloc(PH_STORE_STAGED_ROWS * column_count(table), sizeof table->staged[0]);
    return short_of_memory || table->staged == NULL
               ? ph_error_set(error, PH_ERR_MEMORY, "kinds: out of memory")
               : PH_OK;
}

static void free_table(struct kind_table *table)
{
    for (size_t i = 0; i < table->kind.field_count; i++) {
        free(table->kind.fields[i].name);
    }
    free(table->kind.fields);
    free(table->kind.name);
    free(table->staged);
    ph_buf_fini(&table->texts);
    ph_stmt_free(&table->insert_one);
    ph_stmt_free(&table->insert_many);
}

void ph_store_sqlite_tables_free(struct sqlite_store *store)
{
    for (size_t i = 0; i < store->table_count; i++) {
        free_table(&store->tables[i]);
    }
    free(store->tables);
    store->tables = NULL;
    store->table_count = 0;
}

enum ph_err ph_store_sqlite_tables_load(
    struct sqlite_store *store, const struct ph_kinds *kinds, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    store->partitions_stale = true;
    store->tables = calloc(kinds->kind_count + 1, sizeof store->tables[0]);
    if (store->tables == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "kinds: out of memory");
    }
    for (size_t i = 0; i < kinds->kind_count && err == PH_OK; i++) {
        struct kind_table *table = &store->tables[store->table_count++];
        ph_buf_init(&table->texts, TEXTS_BYTES);
        err = copy_kind(table, &kinds->kinds[i], error);
    }
    return err;
}

static enum ph_err append_row(struct ph_buf *sql, size_t columns)
{
    enum ph_err err = ph_buf_append_text(sql, "(?");
    for (size_t i = 1; i < columns && err == PH_OK; i++) {
        err = ph_buf_append_text(sql, ", ?");
    }
    return err == PH_OK ? ph_buf_append_text(sql, ")") : err;
}

static enum ph_err append_insert(
    struct ph_buf *sql, const struct kind_table *table, const char *id, size_t rows)
{
    enum ph_err err = ph_buf_printf(sql,
        "INSERT INTO \"reading_%s_%lld\"(%s_stream, _seq, _time, _received, _timing, _certificate,"
        " _unvouched, _extra",
        table->kind.name, (long long)table->partition, id);
    for (size_t i = 0; i < table->kind.field_count && err == PH_OK; i++) {
        err = ph_buf_printf(sql, ", \"%s\"", table->kind.fields[i].name);
    }
    for (size_t i = 0; i < rows && err == PH_OK; i++) {
        err = ph_buf_append_text(sql, i == 0 ? ") VALUES " : ", ");
        if (err == PH_OK) {
            err = append_row(sql, column_count(table) + (id[0] != '\0' ? 1 : 0));
        }
    }
    return err;
}

static enum ph_err prepare_insert(struct ph_db *db, const struct kind_table *table, const char *id,
    size_t rows, struct ph_stmt **stmt, struct ph_error *error)
{
    struct ph_buf sql;
    ph_buf_init(&sql, PH_STORE_SQL_BYTES);
    enum ph_err err = append_insert(&sql, table, id, rows);
    ph_stmt_free(stmt);
    err = err == PH_OK ? ph_stmt_prepare(db, sql.data, stmt, error)
                       : ph_error_set(error, err, "kind %s: statement too long", table->kind.name);
    ph_buf_fini(&sql);
    return err;
}

enum ph_err ph_store_sqlite_table_aim(
    struct sqlite_store *store, struct kind_table *table, struct ph_error *error)
{
    enum ph_err err = prepare_insert(store->db, table, "_id, ", 1, &table->insert_one, error);
    return err == PH_OK ? prepare_insert(store->db, table, "", PH_STORE_STAGED_ROWS,
                              &table->insert_many, error)
                        : err;
}

static void bind_value(
    struct ph_stmt *stmt, int index, const struct staged_value *value, const char *texts)
{
    switch (value->type) {
    case PH_COLUMN_INTEGER:
        ph_stmt_bind_int64(stmt, index, value->integer);
        break;
    case PH_COLUMN_REAL:
        ph_stmt_bind_double(stmt, index, value->real);
        break;
    case PH_COLUMN_TEXT:
        ph_stmt_bind_borrowed_text(stmt, index, &texts[value->offset], value->len);
        break;
    case PH_COLUMN_NULL:
    case PH_COLUMN_BYTES:
        break;
    }
}

static enum ph_err insert_many(
    const struct sqlite_store *store, struct kind_table *table, struct ph_error *error)
{
    size_t count = PH_STORE_STAGED_ROWS * column_count(table);
    for (size_t i = 0; i < count; i++) {
        bind_value(table->insert_many, (int)i + 1, &table->staged[i], table->texts.data);
    }
    enum ph_err err = ph_stmt_run(table->insert_many, error);
    if (err == PH_OK && ph_db_last_rowid(store->db) != table->last_id) {
        err = ph_error_set(error, PH_ERR_INTERNAL, "%s: kind %s: rows out of step",
            ph_db_path(store->db), table->kind.name);
    }
    return err;
}

static enum ph_err insert_one(struct kind_table *table, size_t row, struct ph_error *error)
{
    size_t columns = column_count(table);
    ph_stmt_bind_int64(
        table->insert_one, 1, table->last_id - (int64_t)(table->staged_rows - row) + 1);
    for (size_t i = 0; i < columns; i++) {
        bind_value(
            table->insert_one, (int)i + 2, &table->staged[row * columns + i], table->texts.data);
    }
    return ph_stmt_run(table->insert_one, error);
}

static enum ph_err flush_table(
    const struct sqlite_store *store, struct kind_table *table, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    if (table->staged_rows == PH_STORE_STAGED_ROWS) {
        err = insert_many(store, table, error);
    } else {
        for (size_t i = 0; i < table->staged_rows && err == PH_OK; i++) {
            err = insert_one(table, i, error);
        }
    }
    table->staged_rows = 0;
    ph_buf_reset(&table->texts);
    return err;
}

enum ph_err ph_store_sqlite_flush(struct sqlite_store *store, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < store->table_count && err == PH_OK; i++) {
        err = flush_table(store, &store->tables[i], error);
    }
    return err;
}

void ph_store_sqlite_unstage(struct sqlite_store *store)
{
    for (size_t i = 0; i < store->table_count; i++) {
        store->tables[i].staged_rows = 0;
        ph_buf_reset(&store->tables[i].texts);
    }
}

/* Member by member: a structure put together elsewhere and copied costs a tenth of all appending.
 */
static void put_integer(struct staged_value *out, int64_t integer)
{
    out->type = PH_COLUMN_INTEGER;
    out->integer = integer;
}

static void put_text(struct staged_value *out, size_t offset, size_t len)
{
    out->type = PH_COLUMN_TEXT;
    out->offset = offset;
    out->len = len;
}

static enum ph_err stage_text(
    struct kind_table *table, struct staged_value *out, const char *text, struct ph_error *error)
{
    put_text(out, table->texts.len, strlen(text));
    return ph_buf_append(&table->texts, text, out->len) == PH_OK
               ? PH_OK
               : ph_error_set(error, PH_ERR_MEMORY, "readings: out of memory");
}

static enum ph_err stage_field(struct kind_table *table, size_t field, const struct ph_value *value,
    struct staged_value *out, struct ph_error *error)
{
    if (value->type == PH_VALUE_TEXT) {
        return stage_text(table, out, value->text, error);
    }
    if (value->type == PH_VALUE_BOOL) {
        put_integer(out, value->boolean ? 1 : 0);
    } else if (table->kind.fields[field].type == PH_FIELD_INTEGER) {
        put_integer(out, (int64_t)value->number);
    } else {
        out->type = PH_COLUMN_REAL;
        out->real = value->number;
    }
    return PH_OK;
}

/* Readings mostly have their fields in the order of the declaration. */
static enum ph_err stage_fields(struct kind_table *table, const struct ph_reading *reading,
    struct staged_value *fields, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    size_t next = 0;
    for (size_t i = 0; i < table->kind.field_count; i++) {
        fields[i].type = PH_COLUMN_NULL;
    }
    for (size_t i = 0; i < reading->field_count && err == PH_OK; i++) {
        const struct ph_field *field = &reading->fields[i];
        size_t at = ph_kind_find_field(&table->kind, field->name, next);
        if (at < table->kind.field_count) {
            err = stage_field(table, at, &field->value, &fields[at], error);
            next = at + 1;
        }
    }
    return err;
}

static enum ph_err stage_unknown(struct kind_table *table, const struct ph_reading *reading,
    struct staged_value *out, struct ph_error *error)
{
    size_t offset = table->texts.len;
    out->type = PH_COLUMN_NULL;
    if (table->kind.unknown != PH_UNKNOWN_STORE) {
        return PH_OK;
    }
    if (ph_kind_encode_unknown(&table->kind, reading, &table->texts) != PH_OK) {
        return ph_error_set(error, PH_ERR_MEMORY, "readings: out of memory");
    }
    if (table->texts.len > offset) {
        put_text(out, offset, table->texts.len - offset);
    }
    return PH_OK;
}

static bool is_vouched(const struct ph_provenance *provenance)
{
    return provenance != NULL && provenance->state == PH_PROVENANCE_VOUCHED;
}

static void stage_provenance(const struct ph_provenance *provenance,
    const struct ph_stream_row *row, struct staged_value *out)
{
    bool vouched = is_vouched(provenance);
    enum ph_provenance_state state = provenance != NULL ? provenance->state : PH_PROVENANCE_MISSING;
    put_integer(&out[COLUMN_CERTIFICATE], row->certificate_id);
    put_integer(&out[COLUMN_UNVOUCHED], state);
    out[vouched ? COLUMN_UNVOUCHED : COLUMN_CERTIFICATE].type = PH_COLUMN_NULL;
}

/* Under which time, and what that is worth. */
static int64_t stage_time(
    const struct row_writer *writer, const struct ph_reading *reading, struct staged_value *out)
{
    const struct ph_store_message *in = writer->message;
    enum ph_timing timing = PH_TIMING_DEVICE;
    int64_t time_ms = ph_timing_judge(
        &writer->store->limits.timing, in->message, reading, in->received_ms, &timing);
    writer->counts->misdated += timing != PH_TIMING_DEVICE ? 1 : 0;
    put_integer(&out[COLUMN_TIME], time_ms);
    put_integer(&out[COLUMN_RECEIVED], in->received_ms);
    put_integer(&out[COLUMN_TIMING], timing);
    return time_ms;
}

static enum ph_err stage(const struct row_writer *writer, struct ph_stream_row *row, int64_t seq,
    const struct ph_reading *reading, struct ph_error *error)
{
    struct kind_table *table = writer->table;
    struct staged_value *out = &table->staged[table->staged_rows * column_count(table)];
    put_integer(&out[COLUMN_STREAM], row->id);
    put_integer(&out[COLUMN_SEQ], seq);
    out[COLUMN_SEQ].type = seq > 0 ? PH_COLUMN_INTEGER : PH_COLUMN_NULL;
    int64_t time_ms = stage_time(writer, reading, out);
    row->latest_time_ms = seq >= row->latest_seq ? time_ms : row->latest_time_ms;
    stage_provenance(writer->message->provenance, row, out);
    enum ph_err err = stage_fields(table, reading, &out[COLUMN_FIELDS], error);
    if (err == PH_OK) {
        err = stage_unknown(table, reading, &out[COLUMN_EXTRA], error);
    }
    table->staged_rows += err == PH_OK ? 1 : 0;
    return err;
}

enum ph_err ph_store_sqlite_start_message(struct sqlite_store *store,
    const struct ph_store_message *message, struct ph_store_counts *counts,
    struct row_writer *writer, struct ph_stream_row **row, struct ph_error *error)
{
    *writer = (struct row_writer){.store = store, .message = message, .counts = counts};
    for (size_t i = 0; i < store->table_count && writer->table == NULL; i++) {
        if (strcmp(store->tables[i].kind.name, message->identity->kind) == 0) {
            writer->table = &store->tables[i];
        }
    }
    if (writer->table == NULL) {
        return ph_error_set(
            error, PH_ERR_CONFIG, "kind %s: not declared to the store", message->identity->kind);
    }
    return ph_store_sqlite_stream(
        store, message->identity, message->message->plain, message->message->stream, row, error);
}

enum ph_err ph_store_sqlite_see_certificate(
    struct row_writer *writer, struct ph_stream_row *row, struct ph_error *error)
{
    const struct ph_store_message *in = writer->message;
    if (writer->certified || !is_vouched(in->provenance)) {
        return PH_OK;
    }
    writer->certified = true;
    return ph_store_sqlite_certify(
        writer->store, row, in->identity, in->provenance, in->received_ms, error);
}

/* The first row of a partition goes alone: it alone says from which _id its partition counts. */
enum ph_err ph_store_sqlite_insert(void *context, struct ph_stream_row *row, int64_t seq,
    const struct ph_reading *reading, int64_t *latest, struct ph_error *error)
{
    struct row_writer *writer = context;
    struct kind_table *table = writer->table;
    int64_t received_ms = writer->message->received_ms;
    bool first = table->last_id < table->first_id;
    enum ph_err err = ph_store_sqlite_see_certificate(writer, row, error);
    if (err == PH_OK && first) {
        err = ph_store_sqlite_partition_begin(writer->store, table, received_ms, error);
    }
    if (err == PH_OK) {
        err = stage(writer, row, seq, reading, error);
    }
    if (err != PH_OK) {
        return err;
    }
    *latest = ++table->last_id;
    table->received_ms = received_ms > table->received_ms ? received_ms : table->received_ms;
    return first || table->staged_rows == PH_STORE_STAGED_ROWS
               ? flush_table(writer->store, table, error)
               : PH_OK;
}
