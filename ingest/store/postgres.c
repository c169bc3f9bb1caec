#include "ingest/store/postgres.h"

#include <stdlib.h>
#include <string.h>

/* What a statement of the writer, or the lock that it waits for, may take. A reader takes as long
 * as it takes. */
enum {
    WRITER_TIMEOUT_MS = 20000,
    READER_TIMEOUT_MS = 0,
    WATCHER_TIMEOUT_MS = 3000,
    NEWEST_BYTES = 134217728,
    WORK_BYTES = 16384
};

static struct postgres_store *of(struct ph_store *store)
{
    return (struct postgres_store *)store;
}

static void close_store(struct ph_store *base)
{
    struct postgres_store *store = of(base);
    ph_pg_close(&store->worker);
    ph_pg_close(&store->pg);
    ph_postgres_tables_free(store);
    ph_streams_free(&store->streams);
    free(store->newest);
    ph_buf_fini(&store->newest_fields);
    ph_buf_fini(&store->seen_ids);
    ph_buf_fini(&store->seen_times);
    ph_buf_fini(&store->work);
    free(store->uri);
    free(store);
}

/* Among what the transaction touched is whatever another writer has changed. */
static void rollback(struct ph_store *base)
{
    struct postgres_store *store = of(base);
    ph_pg_rollback(store->pg);
    ph_postgres_forget_rows(store);
    ph_postgres_partitions_forget(store);
    ph_streams_forget_dirty(store->streams);
}

static enum ph_err begin(struct ph_store *base, struct ph_error *error)
{
    struct postgres_store *store = of(base);
    return store->writer ? ph_pg_begin(store->pg, error)
                         : ph_error_set(error, PH_ERR_PERMISSION, "%s: opened for reading only",
                               ph_pg_name(store->pg));
}

static enum ph_err append(struct ph_store *base, const struct ph_store_message *in,
    struct ph_store_counts *counts, struct ph_error *error)
{
    struct postgres_store *store = of(base);
    struct postgres_writer writer = {0};
    struct ph_stream_row *row = NULL;
    store->streaming = true;
    enum ph_err err = ph_postgres_writer_init(&writer, store, in, &row, error);
    if (err == PH_OK) {
        err =
            ph_stream_row_take(store->streams, row, in, ph_postgres_write, &writer, counts, error);
    }
    ph_postgres_writer_finish(&writer, counts);
    return err;
}

/* What needs the connection for itself. */
static enum ph_err settle(struct postgres_store *store, struct ph_error *error)
{
    store->streaming = false;
    return ph_postgres_copy_end(store, error);
}

static enum ph_err bury(struct ph_store *base, const struct ph_dead_letter *letter,
    struct ph_store_counts *counts, struct ph_error *error)
{
    enum ph_err err = settle(of(base), error);
    return err == PH_OK ? ph_store_postgres_bury(base, letter, counts, error) : err;
}

static enum ph_err revive(struct ph_store *base, const struct ph_kept_letter *letter,
    const struct ph_store_message *message, struct ph_store_counts *counts, struct ph_error *error)
{
    enum ph_err err = settle(of(base), error);
    return err == PH_OK ? ph_store_postgres_revive(base, letter, message, counts, error) : err;
}

static enum ph_err discard(
    struct ph_store *base, const struct ph_kept_letter *letter, struct ph_error *error)
{
    enum ph_err err = settle(of(base), error);
    return err == PH_OK ? ph_store_postgres_discard(base, letter, error) : err;
}

static enum ph_err commit(struct ph_store *base, struct ph_error *error)
{
    struct postgres_store *store = of(base);
    enum ph_err err = ph_postgres_flush(store, error);
    if (err == PH_OK) {
        err = ph_postgres_streams_save(store, error);
    }
    if (err == PH_OK) {
        err = ph_pg_commit(store->pg, error);
    }
    if (err != PH_OK) {
        rollback(base);
        return err;
    }
    for (struct ph_stream_row *row = ph_streams_dirty(store->streams); row != NULL;
         row = row->next_dirty) {
        row->version++;
    }
    ph_postgres_forget_rows(store);
    ph_streams_committed(store->streams);
    return PH_OK;
}

static enum ph_err acks(struct ph_store *base, const struct ph_identity *identity, uint64_t stream,
    const struct ph_seq_range *touched, size_t count, struct ph_ack *ack, size_t *used,
    struct ph_error *error)
{
    static const struct ph_stream_row unknown;
    struct ph_stream_row *row = NULL;
    enum ph_err err = ph_postgres_known_stream(of(base), identity, stream, &row, error);
    if (err == PH_OK) {
        ph_stream_row_ack(row != NULL ? row : &unknown, stream, touched, count, ack, used);
    }
    return err;
}

static const struct ph_store_ops ops = {
    .close = close_store,
    .begin = begin,
    .append = append,
    .bury = bury,
    .revive = revive,
    .discard = discard,
    .beat = ph_store_postgres_beat,
    .last_beat = ph_store_postgres_last_beat,
    .commit = commit,
    .rollback = rollback,
    .acks = acks,
    .maintain = ph_postgres_maintain,
    .latest = ph_store_postgres_latest,
    .query = ph_store_postgres_query,
    .letters = ph_store_postgres_letters,
    .devices = ph_store_postgres_devices,
    .stats = ph_store_postgres_stats,
    .check = ph_store_postgres_check,
    .backup = ph_store_postgres_backup,
};

static struct postgres_store *make(const char *uri, bool writer)
{
    struct postgres_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        return NULL;
    }
    store->base.ops = &ops;
    store->writer = writer;
    ph_buf_init(&store->newest_fields, NEWEST_BYTES);
    ph_buf_init(&store->seen_ids, NEWEST_BYTES);
    ph_buf_init(&store->seen_times, NEWEST_BYTES);
    ph_buf_init(&store->work, WORK_BYTES);
    store->uri = strdup(uri);
    store->streams = ph_streams_new();
    if (store->uri == NULL || store->streams == NULL) {
        close_store(&store->base);
        return NULL;
    }
    return store;
}

static enum ph_err open_as(const char *uri, bool writer, int64_t timeout_ms,
    struct postgres_store **out, struct ph_error *error)
{
    struct postgres_store *store = make(uri, writer);
    if (store == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "database: out of memory");
    }
    enum ph_err err = ph_pg_open(uri, writer, timeout_ms, &store->pg, error);
    if (err == PH_OK) {
        err = ph_postgres_migrate(store, error);
    }
    if (err != PH_OK) {
        close_store(&store->base);
        return err;
    }
    *out = store;
    return PH_OK;
}

enum ph_err ph_store_postgres_open(
    const struct ph_store_options *options, struct ph_store **out, struct ph_error *error)
{
    struct postgres_store *store = NULL;
    enum ph_err err = open_as(options->location, true, WRITER_TIMEOUT_MS, &store, error);
    if (err != PH_OK) {
        return err;
    }
    store->limits = options->limits;
    err = ph_postgres_extend(store, options->kinds, error);
    if (err != PH_OK) {
        close_store(&store->base);
        return err;
    }
    *out = &store->base;
    return PH_OK;
}

enum ph_err ph_store_postgres_open_reader(
    const char *uri, bool brief, struct ph_store **out, struct ph_error *error)
{
    struct postgres_store *store = NULL;
    enum ph_err err =
        open_as(uri, false, brief ? WATCHER_TIMEOUT_MS : READER_TIMEOUT_MS, &store, error);
    if (err == PH_OK) {
        *out = &store->base;
    }
    return err;
}
