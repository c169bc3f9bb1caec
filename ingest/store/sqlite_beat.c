#include <stdio.h>

#include "ingest/store/sqlite.h"

enum ph_err ph_store_sqlite_beat(
    struct ph_store *base, const char *writer, const struct ph_beat *beat, struct ph_error *error)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    enum ph_err err = ph_store_sqlite_prepared(store, &store->put_beat,
        "INSERT INTO _beat(writer, at, every, connected, since, version)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(writer) DO UPDATE SET at=excluded.at,"
        " every=excluded.every, connected=excluded.connected, since=excluded.since,"
        " version=excluded.version",
        error);
    if (err != PH_OK) {
        return err;
    }
    ph_stmt_bind_text(store->put_beat, 1, writer);
    ph_stmt_bind_int64(store->put_beat, 2, beat->at_ms);
    ph_stmt_bind_int64(store->put_beat, 3, beat->every_ms);
    ph_stmt_bind_int64(store->put_beat, 4, beat->connected ? 1 : 0);
    ph_stmt_bind_int64(store->put_beat, 5, beat->since_ms);
    ph_stmt_bind_text(store->put_beat, 6, beat->version);
    return ph_stmt_run(store->put_beat, error);
}

enum ph_err ph_store_sqlite_last_beat(
    struct ph_store *base, const char *writer, struct ph_beat *out, struct ph_error *error)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    struct ph_stmt *stmt = NULL;
    bool row = false;
    *out = (struct ph_beat){0};
    enum ph_err err = ph_stmt_prepare(store->db,
        "SELECT at, every, connected, since, version FROM _beat WHERE writer=?1", &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_text(stmt, 1, writer);
        err = ph_stmt_step(stmt, &row, error);
    }
    if (err == PH_OK && row) {
        out->at_ms = ph_stmt_int64(stmt, 0);
        out->every_ms = ph_stmt_int64(stmt, 1);
        out->connected = ph_stmt_int64(stmt, 2) != 0;
        out->since_ms = ph_stmt_int64(stmt, 3);
        const char *version = ph_stmt_text(stmt, 4);
        (void)snprintf(out->version, sizeof out->version, "%s", version != NULL ? version : "");
    }
    ph_stmt_free(&stmt);
    return err != PH_OK || row ? err
                               : ph_error_set(error, PH_ERR_NOT_FOUND, "%s: no beat of %s",
                                     ph_db_path(store->db), writer);
}
