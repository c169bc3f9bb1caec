#include <inttypes.h>

#include "ingest/store/postgres.h"
#include "ingest/store/postgres_rows.h"

struct device_row {
    int64_t id;
    int64_t streams;
};

static enum ph_err find_device(struct postgres_store *store, const struct ph_identity *identity,
    struct device_row *out, struct ph_error *error)
{
    const struct ph_pg_value values[] = {
        {.text = identity->tenant}, {.text = identity->kind}, {.text = identity->device}};
    struct ph_pg_result *result = NULL;
    enum ph_err err = ph_pg_query_prepared(store->pg,
        "SELECT id, streams FROM device WHERE tenant = $1::text AND kind = $2::text"
        " AND device = $3::text",
        values, 3, &result, error);
    *out = (struct device_row){0};
    if (err == PH_OK && ph_pg_rows(result) > 0) {
        out->id = ph_pg_int64(result, 0, 0);
        out->streams = ph_pg_int64(result, 0, 1);
    }
    ph_pg_result_free(&result);
    return err;
}

static enum ph_err add_device(
    struct postgres_store *store, const struct ph_identity *identity, struct ph_error *error)
{
    const struct ph_pg_value values[] = {
        {.text = identity->tenant}, {.text = identity->kind}, {.text = identity->device}};
    return ph_pg_query_prepared(store->pg,
        "INSERT INTO device(tenant, kind, device, streams)"
        " VALUES ($1::text, $2::text, $3::text, 0) ON CONFLICT DO NOTHING",
        values, 3, NULL, error);
}

static enum ph_err load_row(struct postgres_store *store, const struct ph_pg_result *result,
    struct ph_stream_row *row, struct ph_error *error)
{
    row->id = ph_pg_int64(result, 0, 0);
    row->version = ph_pg_int64(result, 0, 1);
    row->stored = ph_pg_int64(result, 0, 4);
    row->given_up = ph_pg_int64(result, 0, 5);
    row->latest_seq = ph_pg_int64(result, 0, 6);
    row->received_ms = ph_pg_int64(result, 0, 7);
    row->has_skew = !ph_pg_is_null(result, 0, 8);
    row->skew_ms = ph_pg_int64(result, 0, 8);
    enum ph_err err =
        ph_marks_parse(&row->marks, ph_pg_int64(result, 0, 2), ph_pg_text(result, 0, 3), error);
    return err == PH_OK ? PH_OK
                        : ph_error_prefix(error, err, "%s: table stream, id %" PRId64,
                              ph_pg_name(store->pg), row->id);
}

#define STREAM_COLUMNS                                                                             \
    "SELECT id, version, through, beyond, stored, given_up, latest_seq, " PH_PG_MS(                \
        "received") ", skew FROM stream WHERE device = $1::bigint AND stream "

/* *found is false when there is no such row. `row` is only its marks and numbers. */
static enum ph_err find_stream(struct postgres_store *store, int64_t device, bool plain,
    uint64_t stream, struct ph_stream_row *row, bool *found, struct ph_error *error)
{
    const struct ph_postgres_number owner = ph_postgres_number(device);
    const struct ph_postgres_number number = ph_postgres_number((int64_t)stream);
    const struct ph_pg_value values[] = {{.text = owner.text}, {.text = number.text}};
    struct ph_pg_result *result = NULL;
    enum ph_err err = ph_pg_query_prepared(store->pg,
        plain ? STREAM_COLUMNS "IS NULL" : STREAM_COLUMNS "= $2::bigint", values, plain ? 1 : 2,
        &result, error);
    *found = err == PH_OK && ph_pg_rows(result) > 0;
    if (*found) {
        row->device_id = device;
        err = load_row(store, result, row, error);
    }
    ph_pg_result_free(&result);
    return err;
}

/* Another writer may make it at the same moment; only who has made it counts it. */
static enum ph_err add_stream(struct postgres_store *store, int64_t device, bool plain,
    uint64_t stream, struct ph_error *error)
{
    const struct ph_postgres_number owner = ph_postgres_number(device);
    const struct ph_postgres_number number = ph_postgres_number((int64_t)stream);
    const struct ph_pg_value values[] = {
        {.text = owner.text}, {.text = plain ? NULL : number.text}};
    return ph_pg_query_prepared(store->pg,
        "WITH made AS (INSERT INTO stream(device, stream, version, through, beyond, stored,"
        " given_up, latest_seq) VALUES ($1::bigint, $2::bigint, 0, 0, '', 0, 0, 0)"
        " ON CONFLICT DO NOTHING RETURNING stream)"
        " UPDATE device SET streams = streams + 1 WHERE id = $1::bigint"
        " AND EXISTS (SELECT FROM made WHERE stream IS NOT NULL)",
        values, 2, NULL, error);
}

/* The device's row, made when missing. */
static enum ph_err get_device(struct postgres_store *store, const struct ph_identity *identity,
    struct device_row *out, struct ph_error *error)
{
    enum ph_err err = find_device(store, identity, out, error);
    if (err == PH_OK && out->id == 0) {
        err = add_device(store, identity, error);
        if (err == PH_OK) {
            err = find_device(store, identity, out, error);
        }
    }
    return err;
}

static enum ph_err get_row(struct postgres_store *store, const struct ph_identity *identity,
    bool plain, uint64_t stream, struct ph_stream_row *row, struct ph_error *error)
{
    struct device_row device = {0};
    bool found = false;
    enum ph_err err = get_device(store, identity, &device, error);
    if (err == PH_OK) {
        err = find_stream(store, device.id, plain, stream, row, &found, error);
    }
    if (err != PH_OK || found) {
        return err;
    }
    err = plain ? PH_OK : ph_streams_check_count(device.streams, error);
    if (err == PH_OK) {
        err = add_stream(store, device.id, plain, stream, error);
    }
    if (err == PH_OK) {
        err = find_stream(store, device.id, plain, stream, row, &found, error);
    }
    row->fresh = true;
    return err != PH_OK || found ? err
                                 : ph_error_set(error, PH_ERR_BUSY,
                                       "%s: table stream: another writer has taken the row away",
                                       ph_pg_name(store->pg));
}

enum ph_err ph_postgres_stream(struct postgres_store *store, const struct ph_identity *identity,
    bool plain, uint64_t stream, struct ph_stream_row **out, struct ph_error *error)
{
    struct ph_stream_row row = {0};
    *out = ph_streams_find(store->streams, identity, plain, stream);
    if (*out != NULL) {
        return PH_OK;
    }
    enum ph_err err = ph_postgres_copy_end(store, error);
    if (err == PH_OK) {
        err = get_row(store, identity, plain, stream, &row, error);
    }
    if (err == PH_OK) {
        err = ph_streams_add(store->streams, identity, plain, stream, &row, out, error);
    }
    if (err != PH_OK) {
        ph_marks_fini(&row.marks);
    }
    return err;
}

enum ph_err ph_postgres_known_stream(struct postgres_store *store,
    const struct ph_identity *identity, uint64_t stream, struct ph_stream_row **out,
    struct ph_error *error)
{
    struct ph_stream_row row = {0};
    struct device_row device = {0};
    bool found = false;
    *out = ph_streams_find(store->streams, identity, false, stream);
    if (*out != NULL) {
        return PH_OK;
    }
    enum ph_err err = find_device(store, identity, &device, error);
    if (err == PH_OK && device.id != 0) {
        err = find_stream(store, device.id, false, stream, &row, &found, error);
    }
    if (err == PH_OK && found) {
        err = ph_streams_add(store->streams, identity, false, stream, &row, out, error);
    }
    if (err != PH_OK) {
        ph_marks_fini(&row.marks);
    }
    return err;
}
