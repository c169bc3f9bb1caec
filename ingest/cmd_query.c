#include "ingest/commands.h"
#include "ingest/reader.h"

#define LIMIT_DEFAULT 1000

const struct ph_cli_option ph_ingest_query_options[] = {
    PH_READER_OPTIONS,
    PH_READER_FORMAT,
    {"device", "TENANT/KIND/NAME", "only this device (default: all)"},
    {"kind", "KIND", "only this kind (default: all)"},
    {"from", "TIME", "first time, \"2026-11-22 19:00\" UTC or ms since 1970 (default: any)"},
    {"to", "TIME", "end, exclusive (default: any)"},
    {"limit", "N", "the newest N (default 1000; 0: all)"},
    PH_READER_CERTIFICATES,
    {0},
};

static enum ph_err parse_query(const struct ph_cli *cli, struct ph_store_query *query,
    struct ph_identity *device, struct ph_error *error)
{
    query->kind = ph_cli_value(cli, "kind");
    if (query->kind != NULL && ph_cli_has(cli, "device")) {
        return ph_error_set(error, PH_ERR_USAGE, "--device: names the kind too; drop --kind");
    }
    enum ph_err err = ph_reader_device(cli, device, &query->device, error);
    if (err == PH_OK) {
        err = ph_reader_span(cli, &query->from_ms, &query->to_ms, error);
    }
    return err == PH_OK
               ? ph_cli_int64(cli, "limit", 0, INT64_MAX, LIMIT_DEFAULT, &query->limit, error)
               : err;
}

enum ph_err ph_ingest_query(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_store_query query = {0};
    struct ph_identity device = {0};
    struct ph_reader reader;
    enum ph_err err = parse_query(cli, &query, &device, error);
    if (err == PH_OK) {
        err = ph_reader_open(cli, &reader, error);
    }
    if (err != PH_OK) {
        return err;
    }
    query.provenance = ph_reader_certificates(cli, &reader);
    err = ph_store_query(reader.store, &query, &reader.rows, error);
    return ph_reader_close(&reader, err, error);
}
