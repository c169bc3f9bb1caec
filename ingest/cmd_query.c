#include "base/clock.h"
#include "ingest/commands.h"
#include "ingest/reader.h"

#define LIMIT_DEFAULT 1000

const struct ph_cli_option ph_ingest_query_options[] = {
    PH_READER_OPTIONS,
    {"device", "TENANT/KIND/NAME", "only this device (default: all)"},
    {"kind", "KIND", "only this kind (default: all)"},
    {"from", "TIME", "first time, \"2026-11-22 19:00\" UTC or ms since 1970 (default: any)"},
    {"to", "TIME", "end, exclusive (default: any)"},
    {"limit", "N", "the newest N (default 1000; 0: all)"},
    PH_READER_CERTIFICATES,
    {0},
};

static enum ph_err parse_time(const struct ph_cli *cli, const char *name, int64_t fallback,
    int64_t *out, struct ph_error *error)
{
    const char *text = ph_cli_value(cli, name);
    struct ph_error why = {0};
    *out = fallback;
    if (text == NULL || ph_utc_parse(text, out, &why) == PH_OK) {
        return PH_OK;
    }
    return ph_error_set(error, PH_ERR_USAGE, "--%s: %s", name, why.message);
}

static enum ph_err parse_device(
    const char *text, struct ph_identity *device, struct ph_error *error)
{
    struct ph_error why = {0};
    return ph_identity_parse(text, device, &why) == PH_OK
               ? PH_OK
               : ph_error_set(error, PH_ERR_USAGE, "--device: %s", why.message);
}

static enum ph_err parse_query(const struct ph_cli *cli, struct ph_store_query *query,
    struct ph_identity *device, struct ph_error *error)
{
    const char *name = ph_cli_value(cli, "device");
    query->kind = ph_cli_value(cli, "kind");
    enum ph_err err = PH_OK;
    if (name != NULL && query->kind != NULL) {
        return ph_error_set(error, PH_ERR_USAGE, "--device: names the kind too; drop --kind");
    }
    if (name != NULL) {
        query->device = device;
        err = parse_device(name, device, error);
    }
    if (err == PH_OK) {
        err = parse_time(cli, "from", INT64_MIN, &query->from_ms, error);
    }
    if (err == PH_OK) {
        err = parse_time(cli, "to", INT64_MAX, &query->to_ms, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "limit", 0, INT64_MAX, LIMIT_DEFAULT, &query->limit, error);
    }
    if (err == PH_OK && query->from_ms >= query->to_ms) {
        err = ph_error_set(error, PH_ERR_USAGE, "--from: want a time before --to");
    }
    return err;
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
