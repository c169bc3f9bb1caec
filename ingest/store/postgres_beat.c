#include <stdio.h>

#include "ingest/store/postgres.h"

enum ph_err ph_store_postgres_beat(
    struct ph_store *base, const char *writer, const struct ph_beat *beat, struct ph_error *error)
{
    struct postgres_store *store = (struct postgres_store *)base;
    const struct ph_postgres_number at = ph_postgres_number(beat->at_ms);
    const struct ph_postgres_number every = ph_postgres_number(beat->every_ms);
    const struct ph_postgres_number since = ph_postgres_number(beat->since_ms);
    const struct ph_pg_value values[] = {{.text = writer}, {.text = at.text}, {.text = every.text},
        {.text = beat->connected ? "t" : "f"}, {.text = since.text}, {.text = beat->version}};
    return ph_pg_query_prepared(store->pg,
        "INSERT INTO _beat(writer, at, every, connected, since, version) VALUES ($1::text,"
        " $2::bigint, $3::bigint, $4::boolean, $5::bigint, $6::text)"
        " ON CONFLICT (writer) DO UPDATE SET at = excluded.at, every = excluded.every,"
        " connected = excluded.connected, since = excluded.since, version = excluded.version",
        values, 6, NULL, error);
}

enum ph_err ph_store_postgres_last_beat(
    struct ph_store *base, const char *writer, struct ph_beat *out, struct ph_error *error)
{
    struct postgres_store *store = (struct postgres_store *)base;
    const struct ph_pg_value values[] = {{.text = writer}};
    struct ph_pg_result *result = NULL;
    *out = (struct ph_beat){0};
    enum ph_err err = ph_pg_query(store->pg,
        "SELECT at, every, connected, since, version FROM _beat WHERE writer = $1::text", values, 1,
        &result, error);
    if (err == PH_OK && ph_pg_rows(result) == 0) {
        err = ph_error_set(
            error, PH_ERR_NOT_FOUND, "%s: no beat of %s", ph_pg_name(store->pg), writer);
    } else if (err == PH_OK) {
        out->at_ms = ph_pg_int64(result, 0, 0);
        out->every_ms = ph_pg_int64(result, 0, 1);
        out->connected = ph_pg_bool(result, 0, 2);
        out->since_ms = ph_pg_int64(result, 0, 3);
        (void)snprintf(out->version, sizeof out->version, "%s", ph_pg_text(result, 0, 4));
    }
    ph_pg_result_free(&result);
    return err;
}
