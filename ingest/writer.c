#include "ingest/writer.h"

enum ph_err ph_writer_open(
    const struct ph_cli *cli, struct ph_writer *writer, struct ph_error *error)
{
    const char *path = ph_cli_value(cli, "config");
    *writer = (struct ph_writer){0};
    enum ph_err err =
        ph_ingest_config_load(path != NULL ? path : PH_INGEST_CONFIG_FILE, &writer->config, error);
    if (err == PH_OK) {
        err = ph_kinds_load(writer->config->kinds, &writer->kinds, error);
    }
    if (err != PH_OK || ph_cli_has(cli, "dry-run")) {
        return err;
    }
    const struct ph_store_options options = {
        .location = writer->config->store,
        .kinds = writer->kinds,
        .limits = ph_ingest_config_limits(writer->config),
        .existing = true,
    };
    return ph_store_open(&options, &writer->store, error);
}

void ph_writer_close(struct ph_writer *writer)
{
    ph_store_close(&writer->store);
    ph_kinds_free(&writer->kinds);
    ph_ingest_config_free(&writer->config);
}
