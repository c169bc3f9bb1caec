#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "ingest/store_sqlite.h"

/* Bounds on what is kept in memory between transactions: 55 MB of rows and 16 MB of ranges. */
enum { CACHED_STREAMS_MAX = 65536, CACHED_RANGES_MAX = 1048576, RANGES_TEXT_BYTES = 262144 };

#define KEY_BYTES (PH_IDENTITY_BYTES + 1 + sizeof(uint64_t))

struct cached_stream {
    struct stream_row row; /* first: a pointer to it is a pointer to this */
    size_t key_len;
    char key[KEY_BYTES];
};

/* "tenant/kind/device", a terminator, 1 for plain, 8 bytes of stream. */
static size_t make_key(
    char key[KEY_BYTES], const struct ph_identity *identity, bool plain, uint64_t stream)
{
    ph_identity_print(key, PH_IDENTITY_BYTES, identity);
    size_t len = strlen(key) + 1;
    key[len++] = plain ? 1 : 0;
    stream = plain ? 0 : stream;
    memcpy(&key[len], &stream, sizeof stream);
    return len + sizeof stream;
}

struct device_row {
    int64_t id;
    int64_t streams;
};

static enum ph_err find_device(struct sqlite_store *store, const struct ph_identity *identity,
    struct device_row *out, struct ph_error *error)
{
    bool row = false;
    ph_stmt_bind_text(store->find_device, 1, identity->tenant);
    ph_stmt_bind_text(store->find_device, 2, identity->kind);
    ph_stmt_bind_text(store->find_device, 3, identity->device);
    enum ph_err err = ph_stmt_step(store->find_device, &row, error);
    if (err == PH_OK && row) {
        out->id = ph_stmt_int64(store->find_device, 0);
        out->streams = ph_stmt_int64(store->find_device, 1);
        ph_stmt_reset(store->find_device);
        return PH_OK;
    }
    if (err != PH_OK) {
        return err;
    }
    ph_stmt_bind_text(store->add_device, 1, identity->tenant);
    ph_stmt_bind_text(store->add_device, 2, identity->kind);
    ph_stmt_bind_text(store->add_device, 3, identity->device);
    err = ph_stmt_run(store->add_device, error);
    out->id = ph_db_last_rowid(store->db);
    return err;
}

static enum ph_err count_stream(
    struct sqlite_store *store, const struct device_row *device, struct ph_error *error)
{
    if (device->streams >= PH_STORE_STREAMS_MAX) {
        return ph_error_set(error, PH_ERR_LIMIT,
            "device: streams: want at most %d; keep its spool from one start to the next, or make "
            "its kind plain and send without stream and seq",
            PH_STORE_STREAMS_MAX);
    }
    ph_stmt_bind_int64(store->count_stream, 1, device->id);
    return ph_stmt_run(store->count_stream, error);
}

static enum ph_err add_stream(struct sqlite_store *store, const struct device_row *device,
    bool plain, uint64_t stream, struct stream_row *row, struct ph_error *error)
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
    return err;
}

static enum ph_err load_stream(struct sqlite_store *store, const struct device_row *device,
    bool plain, uint64_t stream, struct stream_row *row, struct ph_error *error)
{
    struct ph_stmt *find = store->find_stream;
    bool have = false;
    ph_stmt_bind_int64(find, 1, device->id);
    if (!plain) {
        ph_stmt_bind_int64(find, 2, (int64_t)stream);
    }
    enum ph_err err = ph_stmt_step(find, &have, error);
    if (err != PH_OK) {
        return err;
    }
    if (!have) {
        return add_stream(store, device, plain, stream, row, error);
    }
    row->id = ph_stmt_int64(find, 0);
    err = ph_marks_parse(&row->marks, ph_stmt_int64(find, 1), ph_stmt_text(find, 2), error);
    if (err != PH_OK) {
        (void)ph_error_prefix(
            error, err, "%s: table stream, id %lld", ph_db_path(store->db), (long long)row->id);
    }
    row->stored = ph_stmt_int64(find, 3);
    row->latest = ph_stmt_int64(find, 4);
    row->latest_seq = ph_stmt_int64(find, 5);
    row->received_ms = ph_stmt_int64(find, 6);
    ph_stmt_reset(find);
    return err;
}

static void free_cached(struct cached_stream **cached)
{
    if (*cached != NULL) {
        ph_marks_fini(&(*cached)->row.marks);
        free(*cached);
        *cached = NULL;
    }
}

static enum ph_err add_cached(
    struct sqlite_store *store, struct cached_stream *cached, struct ph_error *error)
{
    if (ph_map_put(store->streams, cached->key, cached->key_len, cached) != PH_OK) {
        return ph_error_set(error, PH_ERR_MEMORY, "streams: out of memory");
    }
    store->cached_ranges += cached->row.marks.count;
    return PH_OK;
}

enum ph_err ph_stream_row_get(struct sqlite_store *store, const struct ph_identity *identity,
    bool plain, uint64_t stream, struct stream_row **out, struct ph_error *error)
{
    char key[KEY_BYTES];
    size_t key_len = make_key(key, identity, plain, stream);
    struct cached_stream *cached = ph_map_get(store->streams, key, key_len);
    if (cached != NULL) {
        cached->row.used = true;
        *out = &cached->row;
        return PH_OK;
    }
    cached = calloc(1, sizeof *cached);
    if (cached == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "streams: out of memory");
    }
    memcpy(cached->key, key, key_len);
    cached->key_len = key_len;
    cached->row.used = true;
    struct device_row device = {0};
    enum ph_err err = find_device(store, identity, &device, error);
    if (err == PH_OK) {
        err = load_stream(store, &device, plain, stream, &cached->row, error);
    }
    if (err == PH_OK) {
        err = add_cached(store, cached, error);
    }
    if (err != PH_OK) {
        free_cached(&cached);
        return err;
    }
    *out = &cached->row;
    /* A row just made exists only if this transaction commits. */
    ph_stream_row_touch(store, *out);
    return PH_OK;
}

void ph_stream_row_touch(struct sqlite_store *store, struct stream_row *row)
{
    if (!row->dirty) {
        row->dirty = true;
        row->next_dirty = store->dirty;
        store->dirty = row;
        store->cached_ranges -= row->marks.count;
    }
}

static enum ph_err save(struct sqlite_store *store, const struct stream_row *row,
    struct ph_buf *text, struct ph_error *error)
{
    ph_buf_reset(text);
    if (ph_marks_print(&row->marks, text) != PH_OK) {
        return ph_error_set(error, PH_ERR_MEMORY, "streams: out of memory");
    }
    struct ph_stmt *stmt = store->save_stream;
    ph_stmt_bind_int64(stmt, 1, row->id);
    ph_stmt_bind_int64(stmt, 2, row->marks.through);
    ph_stmt_bind_text(stmt, 3, row->marks.count > 0 ? text->data : "");
    ph_stmt_bind_int64(stmt, 4, row->stored);
    if (row->latest != 0) {
        ph_stmt_bind_int64(stmt, 5, row->latest);
    }
    ph_stmt_bind_int64(stmt, 6, row->latest_seq);
    ph_stmt_bind_int64(stmt, 7, row->received_ms);
    return ph_stmt_run(stmt, error);
}

enum ph_err ph_stream_rows_save(struct sqlite_store *store, struct ph_error *error)
{
    struct ph_buf text;
    ph_buf_init(&text, RANGES_TEXT_BYTES);
    enum ph_err err = PH_OK;
    for (struct stream_row *row = store->dirty; row != NULL && err == PH_OK;
         row = row->next_dirty) {
        err = save(store, row, &text, error);
    }
    ph_buf_fini(&text);
    return err;
}

static void forget(struct sqlite_store *store, struct cached_stream *cached)
{
    (void)ph_map_remove(store->streams, cached->key, cached->key_len);
    free_cached(&cached);
}

/* Drops the oldest, unless it was used since its last turn: then it goes to the end of the line. */
static void trim_one(struct sqlite_store *store, struct cached_stream *oldest)
{
    if (oldest->row.used) {
        oldest->row.used = false;
        if (ph_map_renew(store->streams, oldest->key, oldest->key_len)) {
            return;
        }
    }
    store->cached_ranges -= oldest->row.marks.count;
    forget(store, oldest);
}

void ph_stream_rows_trim(struct sqlite_store *store)
{
    for (struct stream_row *row = store->dirty; row != NULL; row = row->next_dirty) {
        row->dirty = false;
        store->cached_ranges += row->marks.count;
    }
    store->dirty = NULL;
    while (ph_map_count(store->streams) > 0 && (ph_map_count(store->streams) > CACHED_STREAMS_MAX ||
                                                   store->cached_ranges > CACHED_RANGES_MAX)) {
        trim_one(store, ph_map_oldest(store->streams));
    }
}

void ph_stream_rows_forget_dirty(struct sqlite_store *store)
{
    while (store->dirty != NULL) {
        struct cached_stream *cached = (struct cached_stream *)store->dirty;
        store->dirty = cached->row.next_dirty;
        forget(store, cached);
    }
}

void ph_stream_rows_forget_all(struct sqlite_store *store)
{
    struct cached_stream *cached = NULL;
    store->dirty = NULL;
    while (store->streams != NULL && (cached = ph_map_oldest(store->streams)) != NULL) {
        forget(store, cached);
    }
    store->cached_ranges = 0;
}

void ph_stream_rows_free(struct sqlite_store *store)
{
    ph_stream_rows_forget_all(store);
    ph_map_free(&store->streams);
}
