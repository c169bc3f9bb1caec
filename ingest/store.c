#include "ingest/store.h"

enum ph_err ph_store_open(
    const char *path, const struct ph_kinds *kinds, struct ph_store **out, struct ph_error *error)
{
    return ph_store_sqlite_open(path, kinds, out, error);
}

enum ph_err ph_store_open_reader(const char *path, struct ph_store **out, struct ph_error *error)
{
    return ph_store_sqlite_open_reader(path, out, error);
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

enum ph_err ph_store_dead_letters(struct ph_store *store, int64_t limit, bool provenance,
    const struct ph_rows *rows, struct ph_error *error)
{
    return store->ops->dead_letters(store, limit, provenance, rows, error);
}

enum ph_err ph_store_stats(struct ph_store *store, const struct ph_rows *rows,
    struct ph_store_totals *totals, struct ph_error *error)
{
    return store->ops->stats(store, rows, totals, error);
}
