#include "ingest/store/sqlite.h"

/* Ranges as text: PH_MARKS_GAPS_MAX of them, each two numbers of 16 digits. */
enum { RANGES_TEXT_BYTES = 262144 };

struct device_row {
    int64_t id;
    int64_t streams;
};

/* *out is zero when there is none. */
static enum ph_err find_device(struct sqlite_store *store, const struct ph_identity *identity,
    struct device_row *out, struct ph_error *error)
{
    bool row = false;
    *out = (struct device_row){0};
    ph_stmt_bind_text(store->find_device, 1, identity->tenant);
    ph_stmt_bind_text(store->find_device, 2, identity->kind);
    ph_stmt_bind_text(store->find_device, 3, identity->device);
    enum ph_err err = ph_stmt_step(store->find_device, &row, error);
    if (err == PH_OK && row) {
        out->id = ph_stmt_int64(store->find_device, 0);
        out->streams = ph_stmt_int64(store->find_device, 1);
        ph_stmt_reset(store->find_device);
    }
    return err;
}

static enum ph_err add_device(struct sqlite_store *store, const struct ph_identity *identity,
    struct device_row *out, struct ph_error *error)
{
    ph_stmt_bind_text(store->add_device, 1, identity->tenant);
    ph_stmt_bind_text(store->add_device, 2, identity->kind);
    ph_stmt_bind_text(store->add_device, 3, identity->device);
    enum ph_err err = ph_stmt_run(store->add_device, error);
    out->id = ph_db_last_rowid(store->db);
    return err;
}

static enum ph_err count_stream(
    struct sqlite_store *store, const struct device_row *device, struct ph_error *error)
{
    enum ph_err err = ph_streams_check_count(device->streams, error);
    if (err != PH_OK) {
        return err;
    }
    ph_stmt_bind_int64(store->count_stream, 1, device->id);
    return ph_stmt_run(store->count_stream, error);
}

static enum ph_err add_stream(struct sqlite_store *store, const struct device_row *device,
    bool plain, uint64_t stream, struct ph_stream_row *row, struct ph_error *error)
{
    enum ph_err err = plain ? PH_OK : count_stream(store, device, error);
    if (err != PH_OK) {
        return err;
    }
    ph_stmt_bind_int64(store->add_stream, 1, device->id);
    if (!plain) {
        ph_stmt_bind_int64(store->add_stream, 2, (int64_t)stream);
    }
    err = ph_stmt_run(store->add_stream, error);
    row->id = ph_db_last_rowid(store->db);
    row->fresh = true;
    return err;
}

/* From the row that find_stream stands on. */
static enum ph_err read_stream(
    const struct sqlite_store *store, struct ph_stream_row *row, struct ph_error *error)
{
    const struct ph_stmt *found = store->find_stream;
    row->id = ph_stmt_int64(found, 0);
    row->stored = ph_stmt_int64(found, 3);
    row->given_up = ph_stmt_int64(found, 4);
    row->latest = ph_stmt_int64(found, 5);
    row->latest_seq = ph_stmt_int64(found, 6);
    row->latest_time_ms = ph_stmt_int64(found, 7);
    row->received_ms = ph_stmt_int64(found, 8);
    row->has_skew = !ph_stmt_is_null(found, 9);
    row->skew_ms = ph_stmt_int64(found, 9);
    enum ph_err err =
        ph_marks_parse(&row->marks, ph_stmt_int64(found, 1), ph_stmt_text(found, 2), error);
    return err == PH_OK ? PH_OK
                        : ph_error_prefix(error, err, "%s: table stream, id %lld",
                              ph_db_path(store->db), (long long)row->id);
}

/* row->id is 0 when the device does not have that stream. */
static enum ph_err find_stream(struct sqlite_store *store, const struct device_row *device,
    bool plain, uint64_t stream, struct ph_stream_row *row, struct ph_error *error)
{
    bool have = false;
    row->device_id = device->id;
    ph_stmt_bind_int64(store->find_stream, 1, device->id);
    if (!plain) {
        ph_stmt_bind_int64(store->find_stream, 2, (int64_t)stream);
    }
    enum ph_err err = ph_stmt_step(store->find_stream, &have, error);
    if (err == PH_OK && have) {
        err = read_stream(store, row, error);
        ph_stmt_reset(store->find_stream);
    }
    return err;
}

static enum ph_err load_stream(struct sqlite_store *store, const struct ph_identity *identity,
    bool plain, uint64_t stream, bool make, struct ph_stream_row *row, struct ph_error *error)
{
    struct device_row device;
    enum ph_err err = find_device(store, identity, &device, error);
    if (err == PH_OK && device.id == 0 && make) {
        err = add_device(store, identity, &device, error);
    }
    if (err == PH_OK && device.id != 0) {
        err = find_stream(store, &device, plain, stream, row, error);
    }
    return err == PH_OK && row->id == 0 && make
               ? add_stream(store, &device, plain, stream, row, error)
               : err;
}

static enum ph_err get_stream(struct sqlite_store *store, const struct ph_identity *identity,
    bool plain, uint64_t stream, bool make, struct ph_stream_row **out, struct ph_error *error)
{
    *out = ph_streams_find(store->streams, identity, plain, stream);
    if (*out != NULL) {
        return PH_OK;
    }
    struct ph_stream_row row = {0};
    enum ph_err err = load_stream(store, identity, plain, stream, make, &row, error);
    if (err == PH_OK && row.id != 0) {
        err = ph_streams_add(store->streams, identity, plain, stream, &row, out, error);
    }
    if (err != PH_OK) {
        ph_marks_fini(&row.marks);
    }
    return err;
}

enum ph_err ph_store_sqlite_stream(struct sqlite_store *store, const struct ph_identity *identity,
    bool plain, uint64_t stream, struct ph_stream_row **out, struct ph_error *error)
{
    return get_stream(store, identity, plain, stream, true, out, error);
}

enum ph_err ph_store_sqlite_known_stream(struct sqlite_store *store,
    const struct ph_identity *identity, uint64_t stream, struct ph_stream_row **out,
    struct ph_error *error)
{
    return get_stream(store, identity, false, stream, false, out, error);
}

static enum ph_err save(struct sqlite_store *store, const struct ph_stream_row *row,
    struct ph_buf *text, struct ph_error *error)
{
    struct ph_stmt *stmt = store->save_stream;
    ph_buf_reset(text);
    if (ph_marks_print(&row->marks, text) != PH_OK) {
        return ph_error_set(error, PH_ERR_MEMORY, "streams: out of memory");
    }
    ph_stmt_bind_int64(stmt, 1, row->id);
    ph_stmt_bind_int64(stmt, 2, row->marks.through);
    ph_stmt_bind_borrowed_text(stmt, 3, text->len > 0 ? text->data : "", text->len);
    ph_stmt_bind_int64(stmt, 4, row->stored);
    ph_stmt_bind_int64(stmt, 5, row->given_up);
    if (row->latest != 0) {
        ph_stmt_bind_int64(stmt, 6, row->latest);
        ph_stmt_bind_int64(stmt, 8, row->latest_time_ms);
    }
    ph_stmt_bind_int64(stmt, 7, row->latest_seq);
    ph_stmt_bind_int64(stmt, 9, row->received_ms);
    if (row->has_skew) {
        ph_stmt_bind_int64(stmt, 10, row->skew_ms);
    }
    return ph_stmt_run(stmt, error);
}

enum ph_err ph_store_sqlite_save_streams(struct sqlite_store *store, struct ph_error *error)
{
    struct ph_buf text;
    ph_buf_init(&text, RANGES_TEXT_BYTES);
    enum ph_err err = PH_OK;
    for (struct ph_stream_row *row = ph_streams_dirty(store->streams); row != NULL && err == PH_OK;
         row = row->next_dirty) {
        err = save(store, row, &text, error);
    }
    ph_buf_fini(&text);
    return err;
}
