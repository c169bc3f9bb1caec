#include "ingest/store/store.h"

#include <string.h>

bool ph_store_is_postgres(const char *location)
{
    return strncmp(location, "postgresql://", 13) == 0 || strncmp(location, "postgres://", 11) == 0;
}

enum ph_err ph_store_open(
    const struct ph_store_options *options, struct ph_store **out, struct ph_error *error)
{
    return ph_store_is_postgres(options->location) ? ph_store_postgres_open(options, out, error)
                                                   : ph_store_sqlite_open(options, out, error);
}

static enum ph_err open_reader(
    const char *location, bool brief, struct ph_store **out, struct ph_error *error)
{
    return ph_store_is_postgres(location)
               ? ph_store_postgres_open_reader(location, brief, out, error)
               : ph_store_sqlite_open_reader(location, brief, out, error);
}

enum ph_err ph_store_open_reader(
    const char *location, struct ph_store **out, struct ph_error *error)
{
    return open_reader(location, false, out, error);
}

enum ph_err ph_store_open_watcher(
    const char *location, struct ph_store **out, struct ph_error *error)
{
    return open_reader(location, true, out, error);
}

void ph_store_close(struct ph_store **store)
{
    if (*store != NULL) {
        (*store)->ops->close(*store);
        *store = NULL;
    }
}

enum ph_err ph_store_begin(struct ph_store *store, struct ph_error *error)
{
    return store->ops->begin(store, error);
}

enum ph_err ph_store_append(struct ph_store *store, const struct ph_store_message *message,
    struct ph_store_counts *counts, struct ph_error *error)
{
    return store->ops->append(store, message, counts, error);
}

enum ph_err ph_store_bury(struct ph_store *store, const struct ph_dead_letter *letter,
    struct ph_store_counts *counts, struct ph_error *error)
{
    return store->ops->bury(store, letter, counts, error);
}

enum ph_err ph_store_revive(struct ph_store *store, const struct ph_kept_letter *letter,
    const struct ph_store_message *message, struct ph_store_counts *counts, struct ph_error *error)
{
    return store->ops->revive(store, letter, message, counts, error);
}

enum ph_err ph_store_discard(
    struct ph_store *store, const struct ph_kept_letter *letter, struct ph_error *error)
{
    return store->ops->discard(store, letter, error);
}

enum ph_err ph_store_beat(
    struct ph_store *store, const char *writer, const struct ph_beat *beat, struct ph_error *error)
{
    return store->ops->beat(store, writer, beat, error);
}

enum ph_err ph_store_last_beat(
    struct ph_store *store, const char *writer, struct ph_beat *out, struct ph_error *error)
{
    return store->ops->last_beat(store, writer, out, error);
}

enum ph_err ph_store_commit(struct ph_store *store, struct ph_error *error)
{
    return store->ops->commit(store, error);
}

void ph_store_rollback(struct ph_store *store)
{
    store->ops->rollback(store);
}

enum ph_err ph_store_acks(struct ph_store *store, const struct ph_identity *identity,
    uint64_t stream, const struct ph_seq_range *touched, size_t count, struct ph_ack *ack,
    size_t *used, struct ph_error *error)
{
    return store->ops->acks(store, identity, stream, touched, count, ack, used, error);
}

enum ph_err ph_store_maintain(
    struct ph_store *store, int64_t now_ms, bool *more, struct ph_error *error)
{
    return store->ops->maintain(store, now_ms, more, error);
}

enum ph_err ph_store_latest(struct ph_store *store, int64_t now_ms, bool provenance,
    const struct ph_rows *rows, struct ph_error *error)
{
    return store->ops->latest(store, now_ms, provenance, rows, error);
}

enum ph_err ph_store_query(struct ph_store *store, const struct ph_store_query *query,
    const struct ph_rows *rows, struct ph_error *error)
{
    return store->ops->query(store, query, rows, error);
}

enum ph_err ph_store_letters(struct ph_store *store, const struct ph_letter_filter *filter,
    ph_letter_visit *visit, void *context, struct ph_error *error)
{
    return store->ops->letters(store, filter, visit, context, error);
}

enum ph_err ph_store_devices(
    struct ph_store *store, const struct ph_rows *rows, struct ph_error *error)
{
    return store->ops->devices(store, rows, error);
}

enum ph_err ph_store_stats(struct ph_store *store, const struct ph_rows *rows,
    struct ph_store_totals *totals, struct ph_error *error)
{
    return store->ops->stats(store, rows, totals, error);
}

enum ph_err ph_store_check(
    struct ph_store *store, const struct ph_rows *rows, int64_t *faults, struct ph_error *error)
{
    return store->ops->check(store, rows, faults, error);
}

enum ph_err ph_store_backup(struct ph_store *store, const char *path, struct ph_error *error)
{
    return store->ops->backup(store, path, error);
}
