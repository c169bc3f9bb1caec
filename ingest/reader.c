#include "ingest/reader.h"

#include "adapters/postgres.h"
#include "base/clock.h"

static enum ph_err open_location(
    const char *location, struct ph_store **out, struct ph_error *error)
{
    struct ph_error why = {0};
    if (ph_store_is_postgres(location) && ph_pg_check(location, &why) != PH_OK) {
        return ph_error_set(error, PH_ERR_USAGE, "--store: %s", why.message);
    }
    return ph_store_open_reader(location, out, error);
}

enum ph_err ph_reader_open_store(
    const struct ph_cli *cli, struct ph_store **out, struct ph_error *error)
{
    const char *location = ph_cli_value(cli, "store");
    const char *path = ph_cli_value(cli, "config");
    if (location != NULL && path != NULL) {
        return ph_error_set(error, PH_ERR_USAGE, "--store: give it or --config, not both");
    }
    if (location != NULL) {
        return open_location(location, out, error);
    }
    struct ph_ingest_config *config = NULL;
    enum ph_err err =
        ph_ingest_config_load(path != NULL ? path : PH_INGEST_CONFIG_FILE, &config, error);
    if (err == PH_OK) {
        err = ph_store_open_reader(config->store, out, error);
    }
    ph_ingest_config_free(&config);
    return err;
}

enum ph_err ph_reader_open(
    const struct ph_cli *cli, struct ph_reader *reader, struct ph_error *error)
{
    *reader = (struct ph_reader){0};
    enum ph_err err = ph_output_format_parse(ph_cli_value(cli, "format"), &reader->format, error);
    if (err == PH_OK) {
        err = ph_reader_open_store(cli, &reader->store, error);
    }
    if (err != PH_OK) {
        return err;
    }
    reader->output = ph_output_new(stdout, reader->format);
    if (reader->output == NULL) {
        ph_store_close(&reader->store);
        return ph_error_set(error, PH_ERR_MEMORY, "output: out of memory");
    }
    reader->rows = ph_output_rows(reader->output);
    return PH_OK;
}

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

enum ph_err ph_reader_span(
    const struct ph_cli *cli, int64_t *from_ms, int64_t *to_ms, struct ph_error *error)
{
    enum ph_err err = parse_time(cli, "from", INT64_MIN, from_ms, error);
    if (err == PH_OK) {
        err = parse_time(cli, "to", INT64_MAX, to_ms, error);
    }
    if (err == PH_OK && *from_ms >= *to_ms) {
        err = ph_error_set(error, PH_ERR_USAGE, "--from: want a time before --to");
    }
    return err;
}

enum ph_err ph_reader_device(const struct ph_cli *cli, struct ph_identity *storage,
    const struct ph_identity **device, struct ph_error *error)
{
    const char *text = ph_cli_value(cli, "device");
    struct ph_error why = {0};
    *device = NULL;
    if (text == NULL) {
        return PH_OK;
    }
    *device = storage;
    return ph_identity_parse(text, storage, &why) == PH_OK
               ? PH_OK
               : ph_error_set(error, PH_ERR_USAGE, "--device: %s", why.message);
}

enum ph_err ph_reader_letters(const struct ph_cli *cli, int64_t limit_default,
    struct ph_letter_filter *filter, struct ph_identity *device, struct ph_error *error)
{
    *filter = (struct ph_letter_filter){.reason = ph_cli_value(cli, "reason")};
    enum ph_err err = ph_cli_int64(cli, "id", 1, INT64_MAX, 0, &filter->id, error);
    if (err == PH_OK) {
        err = ph_reader_device(cli, device, &filter->device, error);
    }
    if (err == PH_OK) {
        err = ph_reader_span(cli, &filter->from_ms, &filter->to_ms, error);
    }
    return err == PH_OK
               ? ph_cli_int64(cli, "limit", 0, INT64_MAX, limit_default, &filter->limit, error)
               : err;
}

bool ph_reader_certificates(const struct ph_cli *cli, const struct ph_reader *reader)
{
    return reader->format == PH_OUTPUT_JSON || ph_cli_has(cli, "certificates");
}

enum ph_err ph_reader_close(struct ph_reader *reader, enum ph_err err, struct ph_error *error)
{
    if (err == PH_OK && reader->output != NULL) {
        err = ph_output_finish(reader->output, error);
    }
    ph_output_free(&reader->output);
    ph_store_close(&reader->store);
    return err;
}
