#include "certs/registrar/serve.h"

#include <stdio.h>

const struct ph_cli_option ph_ca_serve_options[] = {
    {"config", "FILE", "configuration (default " PH_REGISTRAR_CONFIG_FILE ")"},
    {"check-config", NULL, "check the configuration and end"},
    {"print-config", NULL, "print the configuration with all defaults and end"},
    {0},
};

enum ph_err ph_ca_cmd_serve(const struct ph_cli *cli, struct ph_error *error)
{
    const char *path = ph_cli_value(cli, "config");
    struct ph_registrar_config *config = NULL;
    path = path != NULL ? path : PH_REGISTRAR_CONFIG_FILE;
    enum ph_err err = ph_registrar_config_load(path, &config, error);
    if (err != PH_OK) {
        return err;
    }
    if (ph_cli_has(cli, "print-config")) {
        err = ph_registrar_config_print(stdout, config, error);
    } else if (ph_cli_has(cli, "check-config")) {
        printf("%s: ok\n", path);
    } else {
        err = ph_registrar_serve(config, error);
    }
    ph_registrar_config_free(&config);
    return err;
}
