#include "ingest/store/sqlite.h"

#include <stdlib.h>

enum { WRITER_BUSY_MS = 1000, READER_BUSY_MS = 5000, WATCHER_BUSY_MS = 1000 };

/* The log is copied into the database every 32 MB, instead of 4: pages that change with every batch
 * are then copied once for many, and each copy costs an fsync. Freed pages are not overwritten when
 * that would cost writing them: a partition is dropped without touching its pages. */
static const char writer_settings[] = "PRAGMA wal_autocheckpoint=8192;"
                                      "PRAGMA journal_size_limit=67108864;"
                                      "PRAGMA cache_size=-32768;"
                                      "PRAGMA secure_delete=FAST";

static struct sqlite_store *of(struct ph_store *store)
{
    return (struct sqlite_store *)store;
}

static void free_statements(struct sqlite_store *store)
{
    struct ph_stmt **const statements[] = {&store->data_version, &store->find_device,
        &store->add_device, &store->count_stream, &store->find_stream, &store->add_stream,
        &store->save_stream, &store->find_certificate, &store->add_certificate,
        &store->see_certificate, &store->put_beat};
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        ph_stmt_free(statements[i]);
    }
    for (size_t i = 0; i < PH_STORE_LETTER_STATEMENTS; i++) {
        ph_stmt_free(&store->letters[i]);
    }
}

static void close_store(struct ph_store *base)
{
    struct sqlite_store *store = of(base);
    if (store->db != NULL) {
        ph_db_rollback(store->db);
    }
    ph_store_sqlite_tables_free(store);
    ph_streams_free(&store->streams);
    free_statements(store);
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
        ph_streams_forget_all(store->streams);
        store->partitions_stale = true;
        store->maintain_at_ms = 0;
        store->seen_version = version;
    }
    return PH_OK;
}

static void rollback(struct ph_store *base)
{
    struct sqlite_store *store = of(base);
    ph_db_rollback(store->db);
    ph_store_sqlite_unstage(store);
    ph_streams_forget_dirty(store->streams);
    store->partitions_stale = true;
    store->maintain_at_ms = 0;
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
    if (err == PH_OK) {
        err = ph_store_sqlite_partitions_ready(store, error);
    }
    if (err != PH_OK) {
        rollback(base);
    }
    return err;
}

static enum ph_err commit(struct ph_store *base, struct ph_error *error)
{
    struct sqlite_store *store = of(base);
    enum ph_err err = ph_store_sqlite_flush(store, error);
    if (err == PH_OK) {
        err = ph_store_sqlite_save_streams(store, error);
    }
    if (err == PH_OK) {
        err = ph_db_commit(store->db, error);
    }
    if (err != PH_OK) {
        rollback(base);
        return err;
    }
    ph_streams_committed(store->streams);
    return PH_OK;
}

static enum ph_err append(struct ph_store *base, const struct ph_store_message *message,
    struct ph_store_counts *counts, struct ph_error *error)
{
    struct sqlite_store *store = of(base);
    struct row_writer writer;
    struct ph_stream_row *row = NULL;
    enum ph_err err = ph_store_sqlite_start_message(store, message, counts, &writer, &row, error);
    if (err == PH_OK) {
        err = ph_stream_row_take(
            store->streams, row, message, ph_store_sqlite_insert, &writer, counts, error);
    }
    return err == PH_OK ? ph_store_sqlite_see_certificate(&writer, row, error) : err;
}

static enum ph_err acks(struct ph_store *base, const struct ph_identity *identity, uint64_t stream,
    const struct ph_seq_range *touched, size_t count, struct ph_ack *ack, size_t *used,
    struct ph_error *error)
{
    static const struct ph_stream_row unknown;
    struct ph_stream_row *row = NULL;
    enum ph_err err = ph_store_sqlite_known_stream(of(base), identity, stream, &row, error);
    if (err == PH_OK) {
        ph_stream_row_ack(row != NULL ? row : &unknown, stream, touched, count, ack, used);
    }
    return err;
}

static const struct ph_store_ops ops = {
    .close = close_store,
    .begin = begin,
    .append = append,
    .bury = ph_store_sqlite_bury_letter,
    .revive = ph_store_sqlite_revive,
    .discard = ph_store_sqlite_discard,
    .beat = ph_store_sqlite_beat,
    .last_beat = ph_store_sqlite_last_beat,
    .commit = commit,
    .rollback = rollback,
    .acks = acks,
    .maintain = ph_store_sqlite_maintain,
    .latest = ph_store_sqlite_latest,
    .query = ph_store_sqlite_query,
    .letters = ph_store_sqlite_letters,
    .devices = ph_store_sqlite_devices,
    .stats = ph_store_sqlite_stats,
    .check = ph_store_sqlite_check,
    .backup = ph_store_sqlite_backup,
};

enum ph_err ph_store_sqlite_prepared(
    struct sqlite_store *store, struct ph_stmt **slot, const char *sql, struct ph_error *error)
{
    return *slot == NULL ? ph_stmt_prepare(store->db, sql, slot, error) : PH_OK;
}

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
        {&store->find_stream, "SELECT id, through, beyond, stored, given_up, latest, latest_seq,"
                              " latest_time, received, skew FROM stream"
                              " WHERE device=?1 AND stream IS ?2"},
        {&store->add_stream,
            "INSERT INTO stream(device, stream, through, beyond, stored, latest_seq, received)"
            " VALUES (?1, ?2, 0, '', 0, 0, 0)"},
        {&store->save_stream, "UPDATE stream SET through=?2, beyond=?3, stored=?4, given_up=?5,"
                              " latest=?6, latest_seq=?7, latest_time=?8, received=?9, skew=?10"
                              " WHERE id=?1"},
        {&store->find_certificate,
            "SELECT id, last_seen FROM certificate WHERE fingerprint=?1 AND anchor=?2"
            " AND tenant=?3 AND kind=?4 AND device=?5"},
        {&store->add_certificate,
            "INSERT INTO certificate(fingerprint, anchor, tenant, kind, device, first_seen,"
            " last_seen) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)"},
        {&store->see_certificate,
            "UPDATE certificate SET last_seen=max(last_seen, ?2) WHERE id=?1"},
    };
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < sizeof statements / sizeof statements[0] && err == PH_OK; i++) {
        err = ph_stmt_prepare(store->db, statements[i].sql, statements[i].stmt, error);
    }
    return err;
}

/* The database, ours and of this schema. */
static enum ph_err open_db(struct sqlite_store *store, const char *path, enum ph_db_mode mode,
    int busy_ms, struct ph_error *error)
{
    enum ph_err err = ph_db_open(path, mode, busy_ms, &store->db, error);
    if (err == PH_OK && mode != PH_DB_READ) {
        err = ph_db_exec(store->db, writer_settings, error);
    }
    return err == PH_OK ? ph_store_sqlite_migrate(store->db, error) : err;
}

static enum ph_err open_writer(
    struct sqlite_store *store, const struct ph_store_options *options, struct ph_error *error)
{
    store->limits = options->limits;
    store->streams = ph_streams_new();
    enum ph_err err = store->streams != NULL ? PH_OK
                                             : ph_error_set(error, PH_ERR_MEMORY,
                                                   "%s: out of memory", options->location);
    if (err == PH_OK) {
        err = open_db(store, options->location, options->existing ? PH_DB_WRITE : PH_DB_CREATE,
            WRITER_BUSY_MS, error);
    }
    if (err == PH_OK) {
        err = ph_store_sqlite_extend(store->db, options->kinds, error);
    }
    if (err == PH_OK) {
        err = ph_store_sqlite_tables_load(store, options->kinds, error);
    }
    return err == PH_OK ? prepare(store, error) : err;
}

static enum ph_err make(struct sqlite_store **out, const char *path, struct ph_error *error)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
    }
    (*out)->base.ops = &ops;
    return PH_OK;
}

enum ph_err ph_store_sqlite_open(
    const struct ph_store_options *options, struct ph_store **out, struct ph_error *error)
{
    struct sqlite_store *store = NULL;
    enum ph_err err = make(&store, options->location, error);
    if (err == PH_OK && (err = open_writer(store, options, error)) != PH_OK) {
        close_store(&store->base);
        return err;
    }
    *out = err == PH_OK ? &store->base : NULL;
    return err;
}

enum ph_err ph_store_sqlite_open_reader(
    const char *path, bool brief, struct ph_store **out, struct ph_error *error)
{
    struct sqlite_store *store = NULL;
    int busy_ms = brief ? WATCHER_BUSY_MS : READER_BUSY_MS;
    enum ph_err err = make(&store, path, error);
    if (err == PH_OK && (err = open_db(store, path, PH_DB_READ, busy_ms, error)) != PH_OK) {
        close_store(&store->base);
        return err;
    }
    *out = err == PH_OK ? &store->base : NULL;
    return err;
}
