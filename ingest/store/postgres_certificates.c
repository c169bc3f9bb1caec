#include <inttypes.h>
#include <string.h>

#include "ingest/store/postgres.h"

enum {
    SEEN_STEP_MS = 60000, /* last_seen lags behind by at most this: no update per batch */
    ARRAY_BYTES = 134217728
};

static bool is_known(const struct ph_stream_row *row, const struct ph_provenance *provenance)
{
    return row->certificate_id != 0 &&
           strcmp(row->certificate.fingerprint, provenance->fingerprint) == 0 &&
           strcmp(row->certificate.anchor, provenance->anchor) == 0;
}

static enum ph_err find_or_add(struct postgres_store *store, struct ph_stream_row *row,
    const struct ph_identity *identity, const struct ph_provenance *provenance, int64_t received_ms,
    struct ph_error *error)
{
    const struct ph_postgres_number received = ph_postgres_number(received_ms);
    const struct ph_pg_value values[] = {{.text = provenance->fingerprint},
        {.text = provenance->anchor}, {.text = identity->tenant}, {.text = identity->kind},
        {.text = identity->device}, {.text = received.text}};
    struct ph_pg_result *result = NULL;
    static const char find[] =
        "SELECT id, last_seen FROM certificate WHERE fingerprint = $1::text AND anchor = $2::text"
        " AND tenant = $3::text AND kind = $4::text AND device = $5::text";
    enum ph_err err = ph_pg_query_prepared(store->pg, find, values, 5, &result, error);
    if (err == PH_OK && ph_pg_rows(result) == 0) {
        ph_pg_result_free(&result);
        err = ph_pg_query_prepared(store->pg,
            "INSERT INTO certificate(fingerprint, anchor, tenant, kind, device, first_seen,"
            " last_seen) VALUES ($1::text, $2::text, $3::text, $4::text, $5::text, $6::bigint,"
            " $6::bigint) ON CONFLICT DO NOTHING",
            values, 6, NULL, error);
        if (err == PH_OK) {
            err = ph_pg_query_prepared(store->pg, find, values, 5, &result, error);
        }
    }
    if (err == PH_OK && ph_pg_rows(result) == 1) {
        row->certificate_id = ph_pg_int64(result, 0, 0);
        row->certificate_seen_ms = ph_pg_int64(result, 0, 1);
        row->certificate = *provenance;
    } else if (err == PH_OK) {
        err = ph_error_set(error, PH_ERR_BUSY,
            "%s: table certificate: another writer has taken the row away", ph_pg_name(store->pg));
    }
    ph_pg_result_free(&result);
    return err;
}

static enum ph_err see(struct postgres_store *store, struct ph_stream_row *row, int64_t received_ms,
    struct ph_error *error)
{
    const char *comma = store->seen_ids.len > 0 ? "," : "";
    row->certificate_seen_ms = received_ms;
    enum ph_err err = ph_buf_printf(&store->seen_ids, "%s%" PRId64, comma, row->certificate_id);
    if (err == PH_OK) {
        err = ph_buf_printf(&store->seen_times, "%s%" PRId64, comma, received_ms);
    }
    return err == PH_OK ? PH_OK : ph_error_set(error, PH_ERR_MEMORY, "certificates: out of memory");
}

enum ph_err ph_postgres_certify(struct postgres_store *store, struct ph_stream_row *row,
    const struct ph_identity *identity, const struct ph_provenance *provenance, int64_t received_ms,
    struct ph_error *error)
{
    enum ph_err err = PH_OK;
    if (!is_known(row, provenance)) {
        err = ph_postgres_copy_end(store, error);
    }
    if (err == PH_OK && !is_known(row, provenance)) {
        err = find_or_add(store, row, identity, provenance, received_ms, error);
    }
    return err == PH_OK && received_ms - row->certificate_seen_ms >= SEEN_STEP_MS
               ? see(store, row, received_ms, error)
               : err;
}

enum ph_err ph_postgres_certificates_save(struct postgres_store *store, struct ph_error *error)
{
    if (store->seen_ids.len == 0) {
        return PH_OK;
    }
    struct ph_buf ids;
    struct ph_buf times;
    ph_buf_init(&ids, ARRAY_BYTES);
    ph_buf_init(&times, ARRAY_BYTES);
    enum ph_err err = ph_buf_printf(&ids, "{%s}", store->seen_ids.data);
    if (err == PH_OK) {
        err = ph_buf_printf(&times, "{%s}", store->seen_times.data);
    }
    const struct ph_pg_value values[] = {{.text = ids.data}, {.text = times.data}};
    err = err != PH_OK ? ph_error_set(error, PH_ERR_MEMORY, "certificates: out of memory")
                       : ph_pg_query_prepared(store->pg,
                             "UPDATE certificate c SET last_seen = greatest(c.last_seen, u.seen)"
                             " FROM (SELECT id, max(seen) AS seen FROM"
                             " unnest($1::bigint[], $2::bigint[]) AS v(id, seen)"
                             " GROUP BY id ORDER BY id) u WHERE c.id = u.id",
                             values, 2, NULL, error);
    ph_buf_fini(&ids);
    ph_buf_fini(&times);
    return err;
}
