#include "ingest/store_sqlite.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

enum { WRITER_BUSY_MS = 1000, READER_BUSY_MS = 5000 };

static struct sqlite_store *of(struct ph_store *store)
{
    return (struct sqlite_store *)store;
}

static void close_store(struct ph_store *base)
{
    struct sqlite_store *store = of(base);
    if (store->db != NULL) {
        ph_db_rollback(store->db);
    }
    ph_store_sqlite_tables_free(store);
    ph_stream_rows_free(store);
    ph_stmt_free(&store->data_version);
    ph_stmt_free(&store->find_device);
    ph_stmt_free(&store->add_device);
    ph_stmt_free(&store->count_stream);
    ph_stmt_free(&store->find_stream);
    ph_stmt_free(&store->add_stream);
    ph_stmt_free(&store->save_stream);
    ph_stmt_free(&store->find_certificate);
    ph_stmt_free(&store->add_certificate);
    ph_stmt_free(&store->see_certificate);
    ph_stmt_free(&store->add_letter);
    ph_stmt_free(&store->count_garbage);
    ph_stmt_free(&store->add_garbage);
    ph_db_close(&store->db);
    free(store);
}

/* Another writer (a second ingest, or a person with sqlite3) makes what is in memory out of date.
 */
static enum ph_err notice_other_writers(struct sqlite_store *store, struct ph_error *error)
{
    bool row = false;
    enum ph_err err = ph_stmt_step(store->data_version, &row, error);
    if (err != PH_OK || !row) {
        return err;
    }
    int64_t version = ph_stmt_int64(store->data_version, 0);
    ph_stmt_reset(store->data_version);
    if (version != store->seen_version) {
        ph_stream_rows_forget_all(store);
        store->seen_version = version;
    }
    return PH_OK;
}

static void rollback(struct ph_store *base)
{
    struct sqlite_store *store = of(base);
    ph_db_rollback(store->db);
    ph_stream_rows_forget_dirty(store);
}

static enum ph_err begin(struct ph_store *base, struct ph_error *error)
{
    struct sqlite_store *store = of(base);
    if (store->data_version == NULL) {
        return ph_error_set(
            error, PH_ERR_PERMISSION, "%s: opened for reading only", ph_db_path(store->db));
    }
    enum ph_err err = ph_db_begin(store->db, error);
    if (err != PH_OK) {
        return err;
    }
    err = notice_other_writers(store, error);
    if (err != PH_OK) {
        rollback(base);
    }
    return err;
}

static enum ph_err commit(struct ph_store *base, struct ph_error *error)
{
    struct sqlite_store *store = of(base);
    enum ph_err err = ph_stream_rows_save(store, error);
    if (err == PH_OK) {
        err = ph_db_commit(store->db, error);
    }
    if (err != PH_OK) {
        rollback(base);
        return err;
    }
    ph_stream_rows_trim(store);
    return PH_OK;
}

static struct kind_table *find_table(struct sqlite_store *store, const char *kind)
{
    for (size_t i = 0; i < store->table_count; i++) {
        if (strcmp(store->tables[i].name, kind) == 0) {
            return &store->tables[i];
        }
    }
    return NULL;
}

/* The column of a field; readings mostly come in the order of the declaration, so `hint` is right.
 */
static size_t find_field(const struct kind_table *table, const char *name, size_t hint)
{
    if (hint < table->field_count && strcmp(table->fields[hint].name, name) == 0) {
        return hint;
    }
    size_t i = 0;
    while (i < table->field_count && strcmp(table->fields[i].name, name) != 0) {
        i++;
    }
    return i;
}

static void bind_value(
    struct ph_stmt *stmt, int index, enum ph_field_type type, const struct ph_value *value)
{
    if (value->type == PH_VALUE_TEXT) {
        ph_stmt_bind_text(stmt, index, value->text);
    } else if (value->type == PH_VALUE_BOOL) {
        ph_stmt_bind_int64(stmt, index, value->boolean ? 1 : 0);
    } else if (type == PH_FIELD_INTEGER) {
        ph_stmt_bind_int64(stmt, index, (int64_t)value->number);
    } else {
        ph_stmt_bind_double(stmt, index, value->number);
    }
}

static bool is_vouched(const struct ph_provenance *provenance)
{
    return provenance != NULL && provenance->state == PH_PROVENANCE_VOUCHED;
}

/* The reason in column `index`, unless a certificate vouches. */
static void bind_unvouched(struct ph_stmt *stmt, int index, const struct ph_provenance *provenance)
{
    if (!is_vouched(provenance)) {
        ph_stmt_bind_int64(
            stmt, index, provenance != NULL ? provenance->state : PH_PROVENANCE_MISSING);
    }
}

static enum ph_err insert_reading(struct kind_table *table, const struct stream_row *row,
    int64_t seq, const struct ph_reading *reading, const struct ph_store_message *in,
    struct ph_error *error)
{
    ph_stmt_bind_int64(table->insert, 1, row->id);
    if (seq > 0) {
        ph_stmt_bind_int64(table->insert, 2, seq);
    }
    ph_stmt_bind_int64(table->insert, 3, reading->has_time ? reading->time_ms : in->received_ms);
    if (is_vouched(in->provenance)) {
        ph_stmt_bind_int64(table->insert, 4, row->certificate_id);
    }
    bind_unvouched(table->insert, 5, in->provenance);
    for (size_t i = 0; i < reading->field_count; i++) {
        const struct ph_field *field = &reading->fields[i];
        size_t column = find_field(table, field->name, i);
        if (column < table->field_count) {
            bind_value(table->insert, (int)column + PH_STORE_FIRST_FIELD,
                table->fields[column].type, &field->value);
        }
    }
    return ph_stmt_run(table->insert, error);
}

/* Rows for those readings that were not dealt with before. */
static enum ph_err insert_new(struct sqlite_store *store, struct kind_table *table,
    struct stream_row *row, const struct ph_store_message *in, struct ph_store_counts *counts,
    struct ph_error *error)
{
    const struct ph_message *message = in->message;
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < message->reading_count && err == PH_OK; i++) {
        int64_t seq = message->plain ? 0 : message->seq + (int64_t)i;
        if (in->refused != NULL && in->refused[i]) {
            continue;
        }
        if (!message->plain && ph_marks_has(&row->marks, seq)) {
            counts->duplicates++;
            continue;
        }
        err = insert_reading(table, row, seq, &message->readings[i], in, error);
        row->stored++;
        counts->stored++;
        if (seq >= row->latest_seq) {
            row->latest = ph_db_last_rowid(store->db);
            row->latest_seq = seq;
        }
    }
    return err;
}

static enum ph_err append(struct ph_store *base, const struct ph_store_message *in,
    struct ph_store_counts *counts, struct ph_error *error)
{
    struct sqlite_store *store = of(base);
    const struct ph_message *message = in->message;
    struct stream_row *row = NULL;
    struct kind_table *table = find_table(store, in->identity->kind);
    if (table == NULL) {
        return ph_error_set(
            error, PH_ERR_CONFIG, "kind %s: not declared to the store", in->identity->kind);
    }
    enum ph_err err =
        ph_stream_row_get(store, in->identity, message->plain, message->stream, &row, error);
    if (err != PH_OK) {
        return err;
    }
    int64_t last = message->seq + (int64_t)message->reading_count - 1;
    if (!message->plain && !ph_marks_fits(&row->marks, message->seq, last)) {
        return ph_error_set(error, PH_ERR_LIMIT,
            "stream: gaps: want at most %d; the device must fill them or start a new stream",
            PH_MARKS_GAPS_MAX);
    }
    ph_stream_row_touch(store, row);
    row->received_ms = in->received_ms;
    if (is_vouched(in->provenance)) {
        err =
            ph_stream_row_certify(store, row, in->identity, in->provenance, in->received_ms, error);
    }
    if (err == PH_OK) {
        err = insert_new(store, table, row, in, counts, error);
    }
    if (err == PH_OK && !message->plain) {
        err = ph_marks_add(&row->marks, message->seq, last, error);
    }
    return err;
}

/* How many dead letters without stream and seq there are of the device already. */
static enum ph_err count_garbage(
    struct sqlite_store *store, const char *device, int64_t *kept, struct ph_error *error)
{
    bool row = false;
    ph_stmt_bind_text(store->count_garbage, 1, device);
    enum ph_err err = ph_stmt_step(store->count_garbage, &row, error);
    if (err == PH_OK && row) {
        *kept = ph_stmt_int64(store->count_garbage, 0);
        ph_stmt_reset(store->count_garbage);
    }
    return err;
}

/* Counts one more; *keep says whether there is room for it. */
static enum ph_err admit_garbage(
    struct sqlite_store *store, const char *device, bool *keep, struct ph_error *error)
{
    int64_t kept = 0;
    enum ph_err err = count_garbage(store, device, &kept, error);
    if (err != PH_OK) {
        return err;
    }
    *keep = kept < PH_STORE_GARBAGE_MAX;
    ph_stmt_bind_text(store->add_garbage, 1, device);
    ph_stmt_bind_int64(store->add_garbage, 2, *keep ? 1 : 0);
    ph_stmt_bind_int64(store->add_garbage, 3, *keep ? 0 : 1);
    return ph_stmt_run(store->add_garbage, error);
}

static enum ph_err insert_letter(struct sqlite_store *store, const char *device,
    const struct ph_dead_letter *letter, struct ph_error *error)
{
    struct ph_stmt *stmt = store->add_letter;
    size_t len =
        letter->payload_len < PH_LIMIT_MESSAGE_BYTES ? letter->payload_len : PH_LIMIT_MESSAGE_BYTES;
    ph_stmt_bind_int64(stmt, 1, letter->received_ms);
    ph_stmt_bind_text(stmt, 2, letter->reason);
    ph_stmt_bind_text(stmt, 3, letter->topic);
    ph_stmt_bind_text(stmt, 4, letter->identity != NULL ? device : NULL);
    if (letter->has_range) {
        ph_stmt_bind_int64(stmt, 5, (int64_t)letter->stream);
        ph_stmt_bind_int64(stmt, 6, letter->first);
        ph_stmt_bind_int64(stmt, 7, letter->last);
    }
    ph_stmt_bind_bytes(stmt, 8, letter->payload, len);
    ph_stmt_bind_text(
        stmt, 9, is_vouched(letter->provenance) ? letter->provenance->fingerprint : NULL);
    bind_unvouched(stmt, 10, letter->provenance);
    return ph_stmt_run(stmt, error);
}

/* Marks the range as dealt with; *fresh is false when all of it had been already. */
static enum ph_err mark_range(struct sqlite_store *store, const struct ph_dead_letter *letter,
    bool *fresh, struct ph_error *error)
{
    struct stream_row *row = NULL;
    enum ph_err err =
        ph_stream_row_get(store, letter->identity, false, letter->stream, &row, error);
    if (err != PH_OK) {
        return err;
    }
    const struct ph_seq_range *range =
        letter->first > row->marks.through ? ph_marks_find(&row->marks, letter->first) : NULL;
    *fresh = letter->last > row->marks.through && (range == NULL || range->last < letter->last);
    if (!ph_marks_fits(&row->marks, letter->first, letter->last)) {
        return ph_error_set(error, PH_ERR_LIMIT,
            "stream: gaps: want at most %d; the device must fill them or start a new stream",
            PH_MARKS_GAPS_MAX);
    }
    ph_stream_row_touch(store, row);
    row->received_ms = letter->received_ms;
    return ph_marks_add(&row->marks, letter->first, letter->last, error);
}

static enum ph_err bury(struct ph_store *base, const struct ph_dead_letter *letter,
    struct ph_store_counts *counts, struct ph_error *error)
{
    struct sqlite_store *store = of(base);
    char device[PH_IDENTITY_BYTES] = "";
    bool keep = true;
    if (letter->identity != NULL) {
        ph_identity_print(device, sizeof device, letter->identity);
    }
    enum ph_err err = letter->has_range ? mark_range(store, letter, &keep, error)
                                        : admit_garbage(store, device, &keep, error);
    if (err != PH_OK) {
        return err;
    }
    if (keep) {
        counts->dead_letters++;
        return insert_letter(store, device, letter, error);
    }
    counts->duplicates += letter->has_range ? letter->last - letter->first + 1 : 0;
    counts->not_kept += letter->has_range ? 0 : 1;
    return PH_OK;
}

static size_t all_ranges(const struct ph_marks *marks, struct ph_ack *ack)
{
    if (marks->count > PH_LIMIT_ACK_RANGES) {
        return 0;
    }
    for (size_t i = 0; i < marks->count; i++) {
        ack->also[i] = marks->beyond[i];
    }
    return marks->count;
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

static enum ph_err acks(struct ph_store *base, const struct ph_identity *identity, uint64_t stream,
    const struct ph_seq_range *touched, size_t count, struct ph_ack *ack, size_t *used,
    struct ph_error *error)
{
    struct sqlite_store *store = of(base);
    struct stream_row *row = NULL;
    enum ph_err err = ph_stream_row_get(store, identity, false, stream, &row, error);
    if (err != PH_OK) {
        return err;
    }
    *ack = (struct ph_ack){.stream = stream, .through = row->marks.through};
    *used = count;
    ack->also_count = all_ranges(&row->marks, ack);
    if (ack->also_count == row->marks.count) {
        return PH_OK;
    }
    for (*used = 0; *used < count && ack->also_count < PH_LIMIT_ACK_RANGES; (*used)++) {
        add_range(&row->marks, touched[*used].first, ack);
    }
    return PH_OK;
}

static const struct ph_store_ops ops = {
    .close = close_store,
    .begin = begin,
    .append = append,
    .bury = bury,
    .commit = commit,
    .rollback = rollback,
    .acks = acks,
    .latest = ph_store_sqlite_latest,
    .query = ph_store_sqlite_query,
    .dead_letters = ph_store_sqlite_dead_letters,
    .stats = ph_store_sqlite_stats,
};

static enum ph_err prepare(struct sqlite_store *store, struct ph_error *error)
{
    const struct {
        struct ph_stmt **stmt;
        const char *sql;
    } statements[] = {
        {&store->data_version, "PRAGMA data_version"},
        {&store->find_device,
            "SELECT id, streams FROM device WHERE tenant=?1 AND kind=?2 AND device=?3"},
        {&store->add_device,
            "INSERT INTO device(tenant, kind, device, streams) VALUES (?1, ?2, ?3, 0)"},
        {&store->count_stream, "UPDATE device SET streams=streams+1 WHERE id=?1"},
        {&store->find_stream, "SELECT id, through, beyond, stored, latest, latest_seq, received"
                              " FROM stream WHERE device=?1 AND stream IS ?2"},
        {&store->add_stream,
            "INSERT INTO stream(device, stream, through, beyond, stored, latest_seq, received)"
            " VALUES (?1, ?2, 0, '', 0, 0, 0)"},
        {&store->save_stream, "UPDATE stream SET through=?2, beyond=?3, stored=?4, latest=?5,"
                              " latest_seq=?6, received=?7 WHERE id=?1"},
        {&store->find_certificate,
            "SELECT id, last_seen FROM certificate WHERE fingerprint=?1 AND anchor=?2"
            " AND tenant=?3 AND kind=?4 AND device=?5"},
        {&store->add_certificate,
            "INSERT INTO certificate(fingerprint, anchor, tenant, kind, device, first_seen,"
            " last_seen) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)"},
        {&store->see_certificate,
            "UPDATE certificate SET last_seen=max(last_seen, ?2) WHERE id=?1"},
        {&store->add_letter, "INSERT INTO dead_letter(received, reason, topic, device, stream,"
                             " first, last, payload, fingerprint, unvouched)"
                             " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"},
        {&store->count_garbage, "SELECT kept FROM garbage WHERE device=?1"},
        {&store->add_garbage,
            "INSERT INTO garbage(device, kept, not_kept) VALUES (?1, ?2, ?3)"
            " ON CONFLICT(device) DO UPDATE SET kept=kept+?2, not_kept=not_kept+?3"},
    };
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < sizeof statements / sizeof statements[0] && err == PH_OK; i++) {
        err = ph_stmt_prepare(store->db, statements[i].sql, statements[i].stmt, error);
    }
    return err;
}

static enum ph_err open_db(
    struct sqlite_store *store, const char *path, enum ph_db_mode mode, struct ph_error *error)
{
    enum ph_err err = ph_db_open(
        path, mode, mode == PH_DB_READ ? READER_BUSY_MS : WRITER_BUSY_MS, &store->db, error);
    if (err != PH_OK) {
        return err;
    }
    return mode == PH_DB_READ ? ph_store_sqlite_check(store->db, error)
                              : ph_store_sqlite_migrate(store->db, error);
}

enum ph_err ph_store_sqlite_open(
    const char *path, const struct ph_kinds *kinds, struct ph_store **out, struct ph_error *error)
{
    struct sqlite_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
    }
    store->base.ops = &ops;
    enum ph_err err = open_db(store, path, PH_DB_CREATE, error);
    if (err == PH_OK && (store->streams = ph_map_new()) == NULL) {
        err = ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
    }
    if (err == PH_OK) {
        err = ph_store_sqlite_extend(store, kinds, error);
    }
    if (err == PH_OK) {
        err = prepare(store, error);
    }
    if (err != PH_OK) {
        close_store(&store->base);
        return err;
    }
    *out = &store->base;
    return PH_OK;
}

enum ph_err ph_store_sqlite_open_reader(
    const char *path, struct ph_store **out, struct ph_error *error)
{
    struct sqlite_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
    }
    store->base.ops = &ops;
    enum ph_err err = open_db(store, path, PH_DB_READ, error);
    if (err != PH_OK) {
        close_store(&store->base);
        return err;
    }
    *out = &store->base;
    return PH_OK;
}
