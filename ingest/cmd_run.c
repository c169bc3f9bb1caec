#include <stdio.h>

#include "ingest/commands.h"
#include "ingest/config.h"
#include "ingest/service.h"

#include "config/kinds_file.h"

const struct ph_cli_option ph_ingest_run_options[] = {
    {"config", "FILE", "configuration (default " PH_INGEST_CONFIG_FILE ")"},
    {"check-config", NULL, "check the configuration and the kinds file, and exit"},
    {"print-config", NULL, "print the configuration with all defaults, and exit"},
    {0},
};

static enum ph_err check_config(
    const struct ph_ingest_config *config, const char *path, struct ph_error *error)
{
    struct ph_kinds *kinds = NULL;
    enum ph_err err = ph_kinds_load(config->kinds, &kinds, error);
    if (err == PH_OK) {
        printf("%s: ok\n", path);
    }
    ph_kinds_free(&kinds);
    return err;
}

enum ph_err ph_ingest_run(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_ingest_config *config = NULL;
    const char *path = ph_cli_value(cli, "config");
    path = path != NULL ? path : PH_INGEST_CONFIG_FILE;
    enum ph_err err = ph_ingest_config_load(path, &config, error);
    if (err != PH_OK) {
        return err;
    }
    if (ph_cli_has(cli, "check-config")) {
        err = check_config(config, path, error);
    } else if (ph_cli_has(cli, "print-config")) {
        err = ph_ingest_config_print(stdout, config, error);
    } else {
        err = ph_ingest_service_run(path, config, error);
    }
    ph_ingest_config_free(&config);
    return err;
}
