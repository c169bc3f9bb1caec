#include "ingest/reader.h"

static enum ph_err open_store(
    const struct ph_cli *cli, struct ph_store **out, struct ph_error *error)
{
    const char *path = ph_cli_value(cli, "store");
    const char *config_path = ph_cli_value(cli, "config");
    if (path != NULL && config_path != NULL) {
        return ph_error_set(error, PH_ERR_USAGE, "--store: give it or --config, not both");
    }
    if (path != NULL) {
        return ph_store_open_reader(path, out, error);
    }
    struct ph_ingest_config *config = NULL;
    enum ph_err err = ph_ingest_config_load(
        config_path != NULL ? config_path : PH_INGEST_CONFIG_FILE, &config, error);
    if (err != PH_OK) {
        return err;
    }
    err = ph_store_open_reader(config->store, out, error);
    ph_ingest_config_free(&config);
    return err;
}

enum ph_err ph_reader_open(
    const struct ph_cli *cli, struct ph_reader *reader, struct ph_error *error)
{
    *reader = (struct ph_reader){0};
    enum ph_err err = ph_output_format_parse(ph_cli_value(cli, "format"), &reader->format, error);
    if (err == PH_OK) {
        err = open_store(cli, &reader->store, error);
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
