#include <string.h>

#include "ingest/store/sqlite.h"

/* last_seen lags behind by at most this, so that it costs no update per batch. */
enum { SEEN_STEP_MS = 60000 };

static bool is_known(const struct ph_stream_row *row, const struct ph_provenance *provenance)
{
    return row->certificate_id != 0 &&
           strcmp(row->certificate.fingerprint, provenance->fingerprint) == 0 &&
           strcmp(row->certificate.anchor, provenance->anchor) == 0;
}

static void bind_key(struct ph_stmt *stmt, const struct ph_identity *identity,
    const struct ph_provenance *provenance)
{
    ph_stmt_bind_text(stmt, 1, provenance->fingerprint);
    ph_stmt_bind_text(stmt, 2, provenance->anchor);
    ph_stmt_bind_text(stmt, 3, identity->tenant);
    ph_stmt_bind_text(stmt, 4, identity->kind);
    ph_stmt_bind_text(stmt, 5, identity->device);
}

static enum ph_err find_or_add(struct sqlite_store *store, struct ph_stream_row *row,
    const struct ph_identity *identity, const struct ph_provenance *provenance, int64_t received_ms,
    struct ph_error *error)
{
    bool found = false;
    bind_key(store->find_certificate, identity, provenance);
    enum ph_err err = ph_stmt_step(store->find_certificate, &found, error);
    if (err != PH_OK) {
        return err;
    }
    if (found) {
        row->certificate_id = ph_stmt_int64(store->find_certificate, 0);
        row->certificate_seen_ms = ph_stmt_int64(store->find_certificate, 1);
        ph_stmt_reset(store->find_certificate);
    } else {
        bind_key(store->add_certificate, identity, provenance);
        ph_stmt_bind_int64(store->add_certificate, 6, received_ms);
        err = ph_stmt_run(store->add_certificate, error);
        row->certificate_id = ph_db_last_rowid(store->db);
        row->certificate_seen_ms = received_ms;
    }
    row->certificate = *provenance;
    return err;
}

enum ph_err ph_store_sqlite_certify(struct sqlite_store *store, struct ph_stream_row *row,
    const struct ph_identity *identity, const struct ph_provenance *provenance, int64_t received_ms,
    struct ph_error *error)
{
    enum ph_err err = PH_OK;
    if (!is_known(row, provenance)) {
        err = find_or_add(store, row, identity, provenance, received_ms, error);
    }
    if (err != PH_OK || received_ms - row->certificate_seen_ms < SEEN_STEP_MS) {
        return err;
    }
    row->certificate_seen_ms = received_ms;
    ph_stmt_bind_int64(store->see_certificate, 1, row->certificate_id);
    ph_stmt_bind_int64(store->see_certificate, 2, received_ms);
    return ph_stmt_run(store->see_certificate, error);
}
